"""Keys that come as numbers: the files are those of the same keys as texts, whatever came when."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deep_faker import BaseEvent, Entity, Field, FlowContext, NewEvent, Select, Simulation
from deep_faker.draws.mix import Draws
from deep_faker.fill.keys import SessionIds
from deep_faker.write import MemoryOutput
from deep_faker.write.files import parts
from deep_faker.write.files.encodings import encoding_of
from deep_faker.write.files.parts import TableStream, WritePool
from deep_faker.write.files.repeated_keys import _in_order, repeated_keys
from deep_faker.write.files.run import FolderRun

KEYS = pa.array([f"key-{n:05}" for n in range(5000)])
PLAIN = pa.schema([pa.field("k", pa.string(), nullable=False, metadata={"hint": "key"})])


def as_numbers(numbers, known):
    """A table of keys as numbers, with the first ``known`` keys."""
    column = pa.DictionaryArray.from_arrays(pa.array(numbers, pa.int32()), KEYS.slice(0, known))
    return pa.table([column], schema=pa.schema([PLAIN.field(0).with_type(column.type)]))


def as_texts(numbers):
    """The same as texts."""
    return pa.table([KEYS.take(pa.array(numbers))], schema=PLAIN)


def written(folder, pieces):
    """The file of these pieces, and what its receipt says of the values."""
    pool = WritePool()
    try:
        out = TableStream(folder, PLAIN, pool, encoding_of("parquet"))
        for piece in pieces:
            out.write(piece)
        (receipt,) = out.finish()
    finally:
        pool.close()
    return (folder / receipt.path).read_bytes(), receipt


@pytest.mark.parametrize("different", [30, 5000], ids=["that repeat", "that hardly do"])
def test_numbers_and_texts_make_the_same_file(tmp_path, monkeypatch, different):
    """As numbers with growing dictionaries, as texts, or the one after the other, as after a resumption."""
    monkeypatch.setattr(parts, "BLOCK_ROWS", 256)
    draw = np.random.default_rng(1)
    first, second = draw.permutation(different)[:1000], draw.integers(0, different, 1000)
    later = as_numbers(second, 5000)
    texts, receipt = written(tmp_path / "a", [as_texts(first), as_texts(second)])
    assert written(tmp_path / "b", [as_numbers(first, different), later]) == (texts, receipt)
    assert written(tmp_path / "c", [as_texts(first), later]) == (texts, receipt)
    rows = pq.read_table(tmp_path / "b")["k"].to_pylist()
    assert rows == KEYS.take(pa.array([*first, *second])).to_pylist()
    group = pq.ParquetFile(tmp_path / "b" / receipt.path).metadata.row_group(0)
    assert group.column(0).has_dictionary_page == (different == 30)
    other = written(tmp_path / "d", [as_numbers(second, 5000), as_numbers(first, different)])
    assert other[1].logical != receipt.logical  # the order counts: two files may well differ


@pytest.mark.parametrize("known", [5000, 20_000_000], ids=["few", "many more than rows"])
def test_codes_follow_the_order_in_which_keys_come(known):
    """With a word for each key that there is, and without."""
    codes, order = _in_order(np.array([7, 3, 7, 4999, 3], np.int32), known)
    assert codes.tolist() == [0, 1, 0, 2, 1]
    assert order.tolist() == [7, 3, 4999]


def test_what_has_no_codes():
    """Nulls, no rows, and other things than texts."""
    for array in (pa.array(["a", None, "a"]), pa.array([], pa.string()), pa.array([1, 1])):
        assert repeated_keys(pa.chunked_array([array])) is None


class Opened(BaseEvent):
    account: str = Field(faker="shortuuid", length=12)


class Used(BaseEvent):
    account: str
    checked: str = Field(faker="numerify", text="##")


class Account(Entity):
    source_event = Opened
    primary_key = "account"


def world():
    """Accounts that are used, and new ones now and then."""
    sim = Simulation(duration="20m", start_time="2024-01-01", time_step="10s", n_flows=12, random_seed=3,
                     initial_entities={Account: 40})  # fmt: skip

    @sim.flow(filter=Select(Account, shared=True), initiation_weight=9.0)
    def use(ctx: FlowContext):
        yield NewEvent(ctx, Used)

    @sim.flow()
    def open_account(ctx: FlowContext):
        yield NewEvent(ctx, Opened, save_entity=Account)

    return sim


def test_outputs_beside_it_change_no_file(tmp_path, monkeypatch):
    """Alone it is given numbers, beside another output texts, as that is: the same files."""
    given = []
    write = FolderRun.write

    def watched(run, chunk):
        given.append({str(table.schema.field("account").type) for table in chunk.tables.values()})
        write(run, chunk)

    monkeypatch.setattr(FolderRun, "write", watched)
    alone = world().run(tmp_path / "alone", progress=False)
    assert "dictionary<values=string, indices=int32, ordered=0>" in set().union(*given)
    given.clear()
    sim = world()
    sim.add_output(MemoryOutput())
    both = sim.run(tmp_path / "both", progress=False)
    assert set().union(*given) == {"string"}
    assert [file["sha256"] for file in alone.files] == [file["sha256"] for file in both.files]


@pytest.mark.parametrize(
    "flows",
    [[[5, 6, 5, 7, 6, 6]], [[1000, 1001], [1000, 1000, 1001]], [[0, 10_000]], [[3]]],
    ids=["near", "of two types", "far from each other", "one"],
)
def test_session_ids_made_once_are_the_same(flows):
    """Also of flows that are not among those that were expected."""
    ids, plain = SessionIds(Draws(5)), SessionIds(Draws(5))
    arrays = [np.array(some, np.uint64) for some in flows]
    ids.expect(arrays)
    for asked in (*arrays, np.array([2, 5, 1001, 99_999], np.uint64), np.empty(0, np.uint64)):
        assert ids.of(asked).equals(plain.of(asked))
