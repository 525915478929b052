"""Deliveries of a data set of parts: each event once, in the order of time or part by part, whoever dies."""

from __future__ import annotations

import random
import shutil
import signal
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import AwareDatetime, BaseModel

from deep_faker import BaseEvent, Dataset, Field, NewEvent, Simulation, cli
from deep_faker.dataset import commit, verify
from deep_faker.draws.mix import Draws
from deep_faker.errors import (
    CheckpointError,
    DatasetError,
    OutputError,
    RunInterrupted,
    SettingsError,
)
from deep_faker.fill.binding import Binding
from deep_faker.fill.events import Columns
from deep_faker.outputs import DeltaOutput, FileOutput, MemoryOutput, ParquetOutput
from deep_faker.run.replay.log import log_at
from deep_faker.run.replay.replayed import Replay
from tests.support.worlds.delivered_world import DURATION, EVERY, dying, faults, lines_of, to_lines
from tests.support.worlds.part_world import PartBought, part_shop
from tests.support.worlds.resume_world import processes

P = 4


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A committed data set of parts."""
    folder = tmp_path_factory.mktemp("log") / "data"
    shop().run(folder, partitions=P, progress=False)
    return folder


@pytest.fixture(scope="module")
def in_time(data):
    """The ids of its events in the exact order."""
    return Dataset.open(data).events["sys__eid"].to_list()


@pytest.fixture(scope="module")
def by_part(data):
    """The same part after part."""
    events = Dataset.open(data).events
    parts = events.with_columns(part=(events["sys__order"] - 1) % P)
    return parts.sort("part", "sys__time", "sys__order")["sys__eid"].to_list()


def shop(*outputs, **settings):
    sim = part_shop(**{"duration": DURATION, **settings})
    for output in outputs:
        sim.add_output(output)
    return sim


def ids(path):
    return [event["sys__eid"] for event in lines_of(path)]


class Taking:
    """A user's object, which may fail after so many events."""

    def __init__(self, most=None):
        self.taken, self.most = [], most

    def send_event(self, event):
        if self.most is not None and len(self.taken) >= self.most:
            raise ValueError("no more")
        self.taken.append(event.sys__eid)


# ---------------------------------------------------------------- order


@pytest.mark.slow
def test_a_run_in_parts_feeds_other_outputs(tmp_path, in_time):
    """Lines are those that the data set reads as, in the order of time, also of some types only."""
    sim = shop(FileOutput(tmp_path / "all.jsonl"))
    sim.add_output(FileOutput(tmp_path / "bought.jsonl.zst"), events=[PartBought])
    taking = Taking()
    sim.add_output(taking)
    report = sim.run(tmp_path / "data", partitions=P, workers=2, progress=False)
    assert faults(ids(tmp_path / "all.jsonl"), in_time) == []
    assert faults(taking.taken, in_time) == []
    found = Dataset.open(tmp_path / "data")
    lines = lines_of(tmp_path / "all.jsonl")
    for name in found:
        rows = found[name].drop("sys__time", "sys__order").to_dicts()
        assert [line for line in lines if line.pop("event_type") == name] == rows
        lines = lines_of(tmp_path / "all.jsonl")
    with pa.input_stream(str(tmp_path / "bought.jsonl.zst")) as stream:
        assert stream.read().count(b"\n") == found["PartBought"].height
    assert verify(tmp_path / "data") == []
    assert report.total == len(in_time)
    assert report.where == tuple(str(tmp_path / name) for name in ("data", "all.jsonl", "bought.jsonl.zst"))


def test_the_check_finds_what_is_wrong(in_time):
    """The negative control of all that follows."""
    assert faults(in_time, in_time) == []
    assert "lost" in faults(in_time[1:], in_time)[0]
    assert "twice" in faults([*in_time, in_time[0]], in_time)[0]
    assert "foreign" in faults([*in_time, "x"], in_time)[0]
    assert faults(in_time[::-1], in_time) == ["not in order"]


def test_part_after_part(data, tmp_path, by_part, in_time):
    """Each part in the order of time, one after the other; it needs no merge of parts."""
    shop(FileOutput(tmp_path / "parts.jsonl")).deliver(
        data, order="part", checkpoint=tmp_path / "c", progress=False
    )
    assert faults(ids(tmp_path / "parts.jsonl"), by_part) == []
    assert by_part != in_time


@pytest.mark.slow
def test_arrow_files_are_a_log_too(tmp_path, in_time):
    """Read by record batches, from any row on."""
    sim = shop(FileOutput(tmp_path / "all.jsonl"))
    sim.run(tmp_path / "data", format="arrow", partitions=P, progress=False)
    assert faults(ids(tmp_path / "all.jsonl"), in_time) == []


class Level(Enum):
    LOW = "low"
    HIGH = "high"


class Item(BaseModel):
    name: str
    price: Decimal
    at: datetime | None = None


class Rich(BaseEvent):
    level: Level = Field(faker="random_element", elements=list(Level))
    items: list[Item] = [Item(name="é", price=Decimal("1.50"), at=datetime(2024, 1, 2, 3, 4, 5, 678))]
    pairs: dict[str, float] = {"a": 1.0, "b": 2.5}
    free: dict[str, Any] = {"x": [1, None, {"y": "z"}]}
    when: AwareDatetime = datetime(2024, 5, 6, tzinfo=UTC)
    day: date = Field(faker="date_object")
    span: timedelta = timedelta(seconds=90, microseconds=5)
    clock: time = time(1, 2, 3, 4)
    amount: Decimal = Field(faker="pydecimal", left_digits=5, right_digits=2)
    raw: bytes = b"abc"
    none: int | None = None
    two: tuple[int, str] = (1, "b")


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_lines_are_those_of_a_run(form, tmp_path):
    """Of the one part of a world, byte for byte, whatever the fields' types: a log keeps all of them."""
    sim = Simulation("20s", start_time="2024-01-01", n_flows=3, random_seed=1)

    @sim.flow()
    def rich(ctx):
        yield NewEvent(ctx, Rich)

    sim.run(tmp_path / "data", format=form, partitions=1, part=0, progress=False)
    commit(tmp_path / "data")
    sim.run(tmp_path / "run.jsonl", progress=False)
    sim.add_output(FileOutput(tmp_path / "out.jsonl"))
    assert sim.deliver(tmp_path / "data", progress=False).total == 60
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "run.jsonl").read_bytes()


def test_from_any_place_on_the_rest_is_the_same(data):
    """What a checkpoint saves is enough, in both orders; a wrong one gives others."""
    log = log_at(data)
    schemas = Columns(Binding(shop().compile(), Draws(4, 0, P))).schemas

    def replay(order):
        made = Replay(log, schemas, order=order, folder=lambda: data, span=(0, 1))
        made.most_rows = 97
        return made

    def told(pieces):
        """The places of the events, in order, and their types."""
        rows = []
        for chunk in (piece.chunk for piece in pieces):
            tables = [
                chunk.stamps[name]["sys__order"].combine_chunks()
                for name in chunk.names
                if name in chunk.stamps
            ]
            rows += pa.concat_arrays(tables).take(pa.array(chunk.positions())).to_pylist()
        return rows

    for order in ("time", "part"):
        whole, states = replay(order), []
        pieces = []
        for piece in whole.run():
            pieces.append(piece)
            states.append(whole.save())
        for cut in range(0, len(pieces), 3):
            rest = replay(order)
            rest.load(states[cut])
            assert told(rest.run()) == told(pieces[cut + 1 :])
        wrong = replay(order)
        wrong.load(states[0])
        assert told(wrong.run()) != told(pieces)


# ---------------------------------------------------------------- exactly once


@pytest.mark.parametrize("order", ["time", "part"])
def test_killed_at_random_moments(order, data, tmp_path, in_time, by_part):
    """SIGKILL whenever something is made durable: the file is the same as without, byte for byte."""
    context, rng = processes(), random.Random(len(order))
    (tmp_path / "data").symlink_to(data)
    whole = tmp_path / "whole.jsonl.gz"
    shop(FileOutput(whole)).deliver(data, order=order, checkpoint=tmp_path / "c", progress=False)
    hits = 0
    for moment in [rng.randint(1, 12) for _ in range(5)] + [1000]:
        process = context.Process(target=dying, args=(moment, to_lines, str(tmp_path), order))
        process.start()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        hits += process.exitcode != 0
    assert hits >= 3
    made = tmp_path / "events.jsonl.gz"
    assert made.read_bytes() == whole.read_bytes()
    with pa.input_stream(str(made)) as stream:
        given = [line.split(b'"')[3].decode() for line in stream.read().splitlines()]
    assert faults(given, in_time if order == "time" else by_part) == []


def test_a_delivery_that_forgets_is_found(data, tmp_path, in_time, monkeypatch):
    """The negative control: one that begins at the first event after a kill gives events twice."""
    broken_off(data, tmp_path)
    monkeypatch.setattr(Replay, "load", lambda self, arrays: None)
    shop(FileOutput(tmp_path / "out.jsonl")).deliver(data, checkpoint=tmp_path / "c", progress=False)
    assert any("twice" in fault for fault in faults(ids(tmp_path / "out.jsonl"), in_time))


def broken_off(data, tmp_path, **how):
    """A delivery that stops after its second checkpoint."""
    from deep_faker.run.checkpoints.saver import Saver

    save, left = Saver.save, [2]

    def saving(saver, snapshot):
        save(saver, snapshot)
        left[0] -= 1
        if not left[0]:
            raise OutputError

    with pytest.MonkeyPatch.context() as patch, pytest.raises(OutputError, match="delivering again"):
        patch.setattr(Saver, "save", saving)
        shop(FileOutput(tmp_path / "out.jsonl")).deliver(
            data, checkpoint=tmp_path / "c", checkpoint_every=EVERY, progress=False, **how
        )
    assert not (tmp_path / "out.jsonl").exists()


def test_a_delivery_goes_on_and_then_has_nothing_to_do(data, tmp_path, in_time):
    """After an error, by the same call; when it is whole, a further one changes nothing."""
    broken_off(data, tmp_path)
    path = tmp_path / "out.jsonl"
    sim = shop(FileOutput(path))
    report = sim.deliver(data, checkpoint=tmp_path / "c", progress=False)
    assert faults(ids(path), in_time) == []
    assert report.total == len(in_time)
    before = path.stat()
    for other in (sim, shop(FileOutput(path))):
        assert other.deliver(data, checkpoint=tmp_path / "c", progress=False).total == 0
    assert path.stat() == before
    path.unlink()
    shop(FileOutput(path)).deliver(data, checkpoint=tmp_path / "c", overwrite=True, progress=False)
    assert faults(ids(path), in_time) == []


def test_a_delivery_begun_otherwise_is_refused(data, tmp_path):
    """In another order, or of another data set, with what differs."""
    broken_off(data, tmp_path)
    sim = shop(FileOutput(tmp_path / "out.jsonl"))
    with pytest.raises(CheckpointError, match="order of the delivery was time and is part"):
        sim.deliver(data, order="part", checkpoint=tmp_path / "c", progress=False)
    other = shop(FileOutput(tmp_path / "out.jsonl"), random_seed=5)
    other.run(tmp_path / "other", partitions=2, overwrite=True, checkpoint=tmp_path / "d", progress=False)
    with pytest.raises(CheckpointError, match="data set was"):
        other.deliver(tmp_path / "other", checkpoint=tmp_path / "c", progress=False)


def test_outputs_without_checkpoints_are_given_all_each_time(data, in_time):
    """One that failed, too."""
    with pytest.raises(OutputError, match="no more"):
        shop(Taking(100)).deliver(data, progress=False)
    taking = Taking()
    sim = shop(taking)
    for times in (1, 2):
        sim.deliver(data, progress=False)
        assert taking.taken == in_time * times


def test_each_output_has_a_delivery_of_its_own(data, tmp_path, in_time):
    """Where the second one fails the first is whole; the next delivery gives the second what it lacks."""
    first, second = tmp_path / "first.jsonl", Taking(100)
    sim = shop(FileOutput(first), second)
    with pytest.raises(OutputError, match="no more"):
        sim.deliver(data, checkpoint=tmp_path / "c", progress=False)
    assert faults(ids(first), in_time) == []
    before, second.most = first.stat(), None
    second.taken.clear()
    sim.deliver(data, checkpoint=tmp_path / "c", progress=False)
    assert first.stat() == before
    assert second.taken == in_time


@pytest.mark.slow
def test_a_run_that_goes_on_delivers_the_rest(tmp_path, in_time):
    """`resume=True` after a kill in the delivery makes no part again, and gives no event twice."""
    sim = shop(FileOutput(tmp_path / "out.jsonl"))
    shop().run(tmp_path / "data", partitions=P, progress=False)
    broken_off(tmp_path / "data", tmp_path)
    report = sim.run(tmp_path / "data", partitions=P, resume=True, checkpoint=tmp_path / "c", progress=False)
    assert report.engine == "none"
    assert faults(ids(tmp_path / "out.jsonl"), in_time) == []
    sim.run(tmp_path / "data", partitions=P, resume=True, checkpoint=tmp_path / "c", progress=False)
    sim.run(tmp_path / "data", partitions=P, checkpoint=tmp_path / "c", progress=False)  # afresh
    assert faults(ids(tmp_path / "out.jsonl"), in_time) == []


def test_an_interrupt_says_how_to_go_on(data, tmp_path, in_time):
    """SIGTERM in the middle makes a last checkpoint."""
    path = tmp_path / "out.jsonl"

    class Stopping(FileOutput):
        def write(self, chunk):
            super().write(chunk)
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(RunInterrupted, match="delivering again"):
        shop(Stopping(path)).deliver(data, checkpoint=tmp_path / "c", checkpoint_every=EVERY, progress=False)
    shop(FileOutput(path)).deliver(data, checkpoint=tmp_path / "c", progress=False)
    assert faults(ids(path), in_time) == []


@pytest.mark.filterwarnings("ignore")
def test_a_delta_table_knows_how_far_it_is(data, tmp_path, in_time):
    """Without the folder of checkpoints, as on another machine, nothing is appended twice."""
    deltalake = pytest.importorskip("deltalake")
    for machine in range(2):
        shop(DeltaOutput(tmp_path / "lake")).deliver(
            data, checkpoint=tmp_path / f"c{machine}", progress=False
        )
        found = [
            deltalake.DeltaTable(str(tmp_path / "lake" / name)).to_pyarrow_table()["sys__eid"].to_pylist()
            for name in ("PartJoined", "PartBought")
        ]
        assert sorted(found[0] + found[1]) == sorted(in_time)


# ---------------------------------------------------------------- refused


def test_what_cannot_be_delivered_is_refused(data, tmp_path):
    """Before anything is written, with the mend."""
    for wrong, said in (
        (MemoryOutput(), "second data set"),
        (ParquetOutput(tmp_path / "b"), "second data set"),
    ):
        with pytest.raises(SettingsError, match=said):
            shop(wrong).deliver(data, checkpoint=tmp_path / "c")
    with pytest.raises(SettingsError, match="nowhere to deliver"):
        shop(ParquetOutput(data)).deliver(data)
    with pytest.raises(DatasetError, match="setting initial was"):
        shop(Taking(), initial_entities={}).deliver(data)
    with pytest.raises(SettingsError, match="seed is 4"):
        shop(Taking(), random_seed=5).deliver(data)
    with pytest.raises(DatasetError, match="no data set at"):
        shop(Taking()).deliver(tmp_path / "none")
    shop(duration="1m").run(tmp_path / "one")
    with pytest.raises(DatasetError, match="no data set of parts"):
        shop(Taking()).deliver(tmp_path / "one")
    with pytest.raises(SettingsError, match="order"):
        shop(Taking()).deliver(data, order="size")
    for shape in ({"format": "csv"}, {"partition_by": "date"}):
        sim = shop(ParquetOutput(tmp_path / "shape", **shape), FileOutput(tmp_path / "a.jsonl"))
        with pytest.raises(SettingsError, match="no log"):
            sim.run(partitions=2)
    with pytest.raises(SettingsError, match="deepfaker deliver"):
        shop(Taking()).run(tmp_path / "alone", partitions=2, part=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one"]


def test_a_damaged_part_ends_the_delivery(tmp_path, data):
    """With the file's name; the output is not whole."""
    shutil.copytree(data, tmp_path / "data")
    file = tmp_path / "data/events/PartBought/part-00002-00000.parquet"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(DatasetError, match="part-00002-00000"):
        shop(FileOutput(tmp_path / "out.jsonl")).deliver(tmp_path / "data", progress=False)
    assert not (tmp_path / "out.jsonl").exists()


# ---------------------------------------------------------------- the command


def test_the_command(data, tmp_path, in_time, monkeypatch, capsys):
    """`deepfaker deliver DIR FILE`: to the file's outputs, to a file of lines, to standard output at a pace."""
    monkeypatch.chdir(tmp_path)
    Path("delivered_program.py").write_text(
        "from deep_faker.outputs import FileOutput\n"
        "from tests.support.worlds.part_world import part_shop\n"
        f"sim = part_shop(duration={DURATION!r})\n"
        "sim.add_output(FileOutput('own.jsonl'))\n"
        "sim.deliver('never')\n"
    )

    def command(*given):
        arguments = ["deliver", str(data), "delivered_program.py", "--checkpoint", "c", *given]
        return cli._guarded(lambda: cli.app(arguments, standalone_mode=False))

    assert command("-q") == 0
    assert faults(ids(Path("own.jsonl")), in_time) == []
    assert command("--output", "other.jsonl", "--order", "part", "--checkpoint-every", "1k") == 0
    assert sorted(ids(Path("other.jsonl"))) == sorted(in_time)
    capsys.readouterr()
    assert command("--output", "-", "-q", "--rate", "1M/s") == 0
    assert capsys.readouterr().out.count("\n") == len(in_time)
    assert command("--seed", "5") == 2
    assert "seed is 4" in capsys.readouterr().err
