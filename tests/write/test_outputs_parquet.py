"""Parquet parts: equal rows give equal bytes, however they arrive, and hold what was written."""

import hashlib
import itertools
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deep_faker.errors import OutputError
from deep_faker.write.files import parts
from deep_faker.write.files.encodings import encoding_of
from deep_faker.write.files.parquet import writer_options
from deep_faker.write.files.parts import TableStream, WritePool, part_rows
from deep_faker.write.frames import MOST_TEXTS, plain, plain_schema
from deep_faker.write.whole.hashing import TableHash
from tests.support.worlds.output_world import NAMES, SCHEMAS, World

WORLD = World(3000)


def stream(folder: Path, pieces, schema, rows_a_part):
    pool = WritePool()
    try:
        out = TableStream(folder, schema, pool, encoding_of("parquet"), rows_a_part)
        for piece in pieces:
            out.write(piece)
        return out.finish()
    finally:
        pool.close()


def files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(4))
def test_r1_bytes_do_not_depend_on_batches(tmp_path, monkeypatch, name, seed):
    """Any cuts, any pieces of dictionaries, any number of pending pieces: the same files."""
    monkeypatch.setattr(parts, "BLOCK_ROWS", 128)
    monkeypatch.setattr(parts, "_MOST_PIECES", 7)
    table = WORLD.tables[name]
    rng = np.random.default_rng(seed)
    edges = np.unique([0, *rng.integers(0, len(table), rng.integers(0, 60)), len(table)]).tolist()
    pieces = []
    for first, last in itertools.pairwise(edges):
        piece = table.slice(first, last - first)
        for i, field in enumerate(piece.schema):
            if pa.types.is_dictionary(field.type) and rng.random() < 0.7:
                # another dictionary of the same values: another order, unused entries
                values = ["zzz", *reversed(plain(piece)[field.name].unique().to_pylist()), "unused"]
                codes = pa.array([values.index(v) for v in plain(piece)[field.name].to_pylist()], pa.int32())
                piece = piece.set_column(i, field, pa.DictionaryArray.from_arrays(codes, pa.array(values)))
        pieces.append(piece)
    once = stream(tmp_path / "a", [table], table.schema, 250)
    many = stream(tmp_path / "b", pieces, table.schema, 250)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert once == many
    assert len(once) == -(-len(table) // 250)


def test_r1_bytes_do_not_depend_on_batches_at_full_size(tmp_path):
    """The same with real blocks, and a dictionary that overflows in the middle of a row group."""
    n = 200_000
    rng = np.random.default_rng(3)
    text = pa.array([f"{i:012d}" for i in rng.integers(0, 150_000, n)])
    table = pa.table({"k": text, "f": rng.random(n)}).replace_schema_metadata(None)
    cuts = [0, 1, 65_535, 65_536, 65_537, 130_000, n]
    pieces = [table.slice(a, b - a) for a, b in itertools.pairwise(cuts)]
    assert stream(tmp_path / "a", [table], table.schema, 150_000) == stream(
        tmp_path / "b", pieces, table.schema, 150_000
    )


@pytest.mark.parametrize("name", NAMES)
def test_files_hold_the_rows(tmp_path, name):
    table = WORLD.tables[name]
    receipts = stream(tmp_path, [table], table.schema, 1000)
    back = pa.concat_tables([pq.read_table(tmp_path / r.path) for r in receipts])
    assert back.equals(plain(table))
    assert back.schema.equals(plain_schema(table.schema))
    assert sum(r.rows for r in receipts) == len(table)
    for receipt in receipts:
        data = (tmp_path / receipt.path).read_bytes()
        assert receipt.bytes == len(data)
        assert receipt.sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("many", [False, True])
def test_r1_a_text_that_stands_twice_in_a_dictionary(tmp_path, many):
    """Coded text with repeated entries, of few and of too many texts to be coded: the file of plain text."""
    texts = [f"{i}" for i in range(MOST_TEXTS + 1 if many else 3)]
    dictionary = pa.array([*texts, *texts])
    codes = pa.array(np.arange(2 * len(texts), dtype=np.int32))
    schema = pa.schema([pa.field("x", pa.dictionary(pa.int32(), pa.string()), metadata={"hint": "low"})])
    coded = pa.table([pa.DictionaryArray.from_arrays(codes, dictionary)], schema=schema)
    again = pa.table([dictionary.dictionary_encode()], schema=schema)
    stream(tmp_path / "a", [coded], schema, 100_000)
    stream(tmp_path / "b", [again], schema, 100_000)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert pq.read_table(tmp_path / "a")["x"].to_pylist() == [*texts, *texts]


def test_t1_text_reads_back_as_text(tmp_path):
    """Low-cardinality text is a dictionary inside the file and text for every reader."""
    table = WORLD.tables["Click"]
    stream(tmp_path, [table], table.schema, 10_000)
    assert pl.read_parquet(tmp_path / "part-00000.parquet").schema["platform"] == pl.String
    column = pq.ParquetFile(tmp_path / "part-00000.parquet").metadata.row_group(0).column(6)
    assert column.path_in_schema == "platform"
    assert "RLE_DICTIONARY" in column.encodings


def test_floats_that_repeat_get_a_dictionary(tmp_path):
    """Prices are coded, measurements are not; both come back, nulls too."""
    rng = np.random.default_rng(5)
    n = 100_000
    table = pa.table({"price": np.round(rng.uniform(1, 90, n), 2), "noise": rng.random(n),
                      "rate": pa.array([None if x < 3 else float(x) for x in rng.integers(0, 9, n).tolist()])})  # fmt: skip
    stream(tmp_path, [table], table.schema, 1 << 20)
    assert pq.read_table(tmp_path).equals(table)
    group = pq.ParquetFile(tmp_path / "part-00000.parquet").metadata.row_group(0)
    coded = [group.column(i).path_in_schema for i in range(3) if group.column(i).has_dictionary_page]
    assert coded == ["price", "rate"]


def test_encodings_follow_the_schema():
    """An id is never tried as a dictionary; odd names and lists find their columns."""
    options = writer_options(SCHEMAS["Odd"])
    assert "key" not in options["use_dictionary"]
    assert options["column_encoding"]["key"] == "DELTA_LENGTH_BYTE_ARRAY"
    assert options["column_encoding"]["time"] == "DELTA_BINARY_PACKED"
    assert options["column_encoding"]["count.list.element"] == "DELTA_BINARY_PACKED"
    assert {"colour", "tags.list.element", "text"} <= set(options["use_dictionary"])


@pytest.mark.parametrize("name", ["a.b", "a.list.element", "../x", "a b", 'quo"te', "ü", "^x$", "*", ""])
def test_hostile_column_names(tmp_path, name):
    for hint in ("id", "low", "text"):
        schema = pa.schema([pa.field(name, pa.string(), metadata={"hint": hint}), ("n", pa.int64())])
        table = pa.table([["x", "y"], [1, 2]], schema=schema)
        stream(tmp_path / hint, [table], schema, 10)
        assert pq.read_table(tmp_path / hint / "part-00000.parquet").equals(plain(table))


def test_an_empty_table_has_one_part_with_its_schema(tmp_path):
    schema = SCHEMAS["Click"]
    (receipt,) = stream(tmp_path, [schema.empty_table()], schema, 10)
    assert receipt.rows == 0
    assert pq.read_schema(tmp_path / receipt.path).equals(plain_schema(schema))


def test_a_part_that_is_full_to_the_row_leaves_no_empty_one(tmp_path):
    table = WORLD.tables["Click"].slice(0, 500)
    assert [r.rows for r in stream(tmp_path, [table], table.schema, 250)] == [250, 250]


def test_part_rows_bound_memory():
    """With many wide types, parts are smaller; the rule sees the schemas only."""
    wide = pa.schema([(f"c{i}", pa.string()) for i in range(20)])
    assert part_rows({"A": wide})["A"] == 1 << 20
    assert part_rows({f"T{i}": wide for i in range(30)})["T0"] < 1 << 20
    assert part_rows({f"T{i}": wide for i in range(3000)})["T0"] == parts.BLOCK_ROWS


def test_changed_columns_are_refused(tmp_path):
    table = WORLD.tables["Click"]
    with pytest.raises(OutputError, match="columns of x changed"):
        stream(tmp_path / "x", [table, table.drop_columns(["price"])], table.schema, 10)


def test_a_failing_write_leaves_no_unraisable_error(tmp_path, monkeypatch):
    """The torn file is never closed as if it were whole (a footer would make it readable)."""
    monkeypatch.setattr(parts.HashingFile, "write", _full)
    with pytest.raises(OSError, match="No space"):
        stream(tmp_path, [WORLD.tables["Click"]], SCHEMAS["Click"], 100)
    for path in tmp_path.iterdir():
        assert path.stat().st_size == 0


def _full(_self, _data):
    raise OSError(28, "No space left on device")


# ------------------------------------------------ the logical hash


def hashed(*columns: pa.Array) -> str:
    out = TableHash([str(i) for i in range(len(columns))])
    out.update(list(columns))
    return out.hexdigest()


values = st.lists(st.one_of(st.none(), st.text(max_size=5)), max_size=30)


@settings(max_examples=60, deadline=None)
@given(values, values)
def test_equal_hashes_mean_equal_values(one, two):
    """Null, "" and the borders between texts all count; encoding and offset do not."""
    a, b = pa.array(one, pa.string()), pa.array(two, pa.string())
    assert (hashed(a) == hashed(b)) == (one == two)
    assert hashed(a) == hashed(a.dictionary_encode())
    assert hashed(a) == hashed(pa.concat_arrays([b, a]).slice(len(b)))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.lists(st.one_of(st.none(), st.integers(0, 3)), max_size=3)), max_size=9)
)
def test_lists_hash_by_their_values(given_lists):
    a = pa.array(given_lists, pa.list_(pa.int64()))
    assert hashed(a) == hashed(pa.concat_arrays([a, a]).slice(len(a)))
    assert hashed(a) != hashed(pa.array([*given_lists, [0]], pa.list_(pa.int64())))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (pa.array([1, 2]), pa.array([2, 1])),
        (pa.array([0.0, 0.0]), pa.array([-0.0, -0.0])),
        (pa.array([0]), pa.array([0.0])),
        (pa.array([True, False]), pa.array([True, True])),
        (pa.array([1, None]), pa.array([1, 0])),
        (pa.array([None, 1]), pa.array([1, None])),
        (pa.array(["a", "b"]), pa.array(["ab", ""])),
        (pa.array([1.5, 2.5] * 40_000), pa.array([-1.5, -2.5] * 40_000)),
    ],
)
def test_different_values_differ(one, two):
    assert hashed(one) != hashed(two)


def test_hash_does_not_see_what_lies_under_nulls():
    data = pa.py_buffer(np.array([1, 99, 3], np.int64))
    mask = pa.py_buffer(bytes([0b101]))
    assert hashed(pa.Array.from_buffers(pa.int64(), 3, [mask, data])) == hashed(pa.array([1, None, 3]))


def test_names_and_rows_count():
    one, two = TableHash(["a"]), TableHash(["b"])
    one.update([pa.array([1])])
    two.update([pa.array([1])])
    assert one.hexdigest() != two.hexdigest()
