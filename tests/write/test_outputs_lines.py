"""JSON lines (V5): one object a line, in time order over all types, exactly the values."""

import datetime as dt
import io
import json
import math
import os
import subprocess
import sys
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from deep_faker.errors import OutputError, OutputExistsError, SettingsError
from deep_faker.outputs import EventChunk, FileOutput, StdOutOutput
from deep_faker.write import json_lines
from tests.support.worlds.output_world import EVENTS, NAMES, SCHEMAS, World, listed

WORLD = World(1000)
WHOLE = next(WORLD.chunks([]))


def expected_rows(world: World) -> list[dict]:
    """The oracle: row by row, in order."""
    rows = {code: iter(world.tables[name].to_pylist()) for code, name in enumerate(NAMES)}
    return [{**next(rows[code]), "event_type": NAMES[code]} for code in world.order.tolist()]


def as_json(value: object) -> object:
    if isinstance(value, dt.timedelta):
        seconds = value / dt.timedelta(seconds=1)
        return f"PT{seconds:.6f}".rstrip("0").rstrip(".") + "S"
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return value


def test_v5_every_value_in_order():
    lines = json_lines(WHOLE, EVENTS).decode().split("\n")
    assert lines.pop() == ""
    for line, row in zip(lines, expected_rows(WORLD), strict=True):
        found = json.loads(line)
        assert list(found) == list(row)
        for name, value in row.items():
            if name == "extra":
                assert found[name] == (None if value is None else json.loads(value))
            elif isinstance(value, (dt.datetime, dt.time)):
                assert type(value).fromisoformat(found[name]) == value
            else:
                assert found[name] == as_json(value), name


def test_r1_chunks_do_not_show():
    cuts = [1, 2, 3, 100, 101, 999]
    assert b"".join(json_lines(c, EVENTS) for c in WORLD.chunks(cuts)) == json_lines(WHOLE, EVENTS)


def test_one_type_alone_and_none():
    order = np.zeros(len(WORLD.tables["Click"]), np.uint16)
    alone = EventChunk({"Click": WORLD.tables["Click"]}, order, ("Click",))
    picked = [line for line in json_lines(WHOLE, EVENTS).splitlines() if line.endswith(b'"Click"}')]
    assert json_lines(alone, EVENTS).splitlines() == picked
    assert json_lines(EventChunk({}, order[:0], NAMES), EVENTS) == b""


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("nested", [False, True])
def test_v5_what_json_cannot_say_is_refused(value, nested):
    column = pa.array([[1.0, value]]) if nested else pa.array([value])
    chunk = EventChunk({"A": pa.table({"price": column})}, np.zeros(1, np.uint16), ("A",))
    with pytest.raises(OutputError, match=r"A\.price is (nan|inf|-inf)"):
        json_lines(chunk)


@pytest.mark.parametrize("name", ['quo"te', "^x$", "^.*$", "a.b", "ü", "\n", "*", "{}", "event_type2"])
def test_hostile_field_names(name):
    table = pa.table({name: ["{}", "[1]"], "at": pa.array([0, 1], pa.timestamp("us")), "x": [1.0, 2.0]})
    chunk = EventChunk({"A": table}, np.zeros(2, np.uint16), ("A",))
    first, _ = map(json.loads, json_lines(chunk).decode().splitlines())
    assert first == {name: "{}", "at": "1970-01-01T00:00:00", "x": 1.0, "event_type": "A"}


def test_instants_are_iso_8601():
    at = pa.array([0, 1_500_000, 1, -1, 253_402_300_799_999_999], pa.timestamp("us"))
    chunk = EventChunk({"A": pa.table({"at": at})}, np.zeros(5, np.uint16), ("A",))
    found = [json.loads(line)["at"] for line in json_lines(chunk).splitlines()]
    assert [dt.datetime.fromisoformat(text) for text in found] == at.to_pylist()
    assert all("T" in text for text in found)


# ------------------------------------------------ the file


def test_file_is_whole_or_not_there(tmp_path):
    path = tmp_path / "deep" / "events.jsonl"
    output = FileOutput(path)
    (receipt,) = WORLD.run(output, [10, 500])
    assert path.read_bytes() == json_lines(WHOLE, EVENTS)
    assert (receipt.path, receipt.rows, receipt.bytes) == (str(path), 1000, path.stat().st_size)
    assert listed(path.parent) == ["events.jsonl"]


def test_r3_a_run_that_fails_leaves_nothing_and_keeps_what_was_there(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text("old\n")
    world = World(100)
    world.tables["Click"] = world.tables["Click"].set_column(
        4, SCHEMAS["Click"].field("price"), pa.array([math.nan] * len(world.tables["Click"]))
    )
    with pytest.raises(OutputError, match="price is nan"):
        world.run(FileOutput(path, overwrite=True), [50])
    assert path.read_text() == "old\n"
    assert listed(tmp_path) == ["events.jsonl"]


def test_r6_an_existing_file_is_refused(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text("mine\n")
    with pytest.raises(OutputExistsError, match="overwrite=True"):
        WORLD.run(FileOutput(path))
    assert path.read_text() == "mine\n"
    WORLD.run(FileOutput(path), overwrite=True)
    WORLD.run(FileOutput(path, overwrite=True))
    assert listed(tmp_path) == ["events.jsonl"]


def test_an_empty_file_holds_nobodys_events(tmp_path):
    path = tmp_path / "events.jsonl"
    path.touch()
    WORLD.run(FileOutput(path))
    assert path.stat().st_size


def test_a_folder_is_refused_even_with_overwrite(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "keep").touch()
    with pytest.raises(OutputError, match="name a file"):
        WORLD.run(FileOutput(tmp_path / "x", overwrite=True))
    assert (tmp_path / "x" / "keep").exists()


def test_a_pipe_is_written_to_directly(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with (tmp_path / "copy").open("wb") as copy, subprocess.Popen(["cat", path], stdout=copy):
        WORLD.run(FileOutput(path), [300])
    assert (tmp_path / "copy").read_bytes() == json_lines(WHOLE, EVENTS)
    assert path.is_fifo()
    WORLD.run(FileOutput("/dev/null"))


def test_a_link_is_followed(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real.jsonl")
    WORLD.run(FileOutput(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real.jsonl").is_file()


def test_two_runs_at_once_to_one_file(tmp_path):
    from tests.support.worlds.output_world import info

    one, two = FileOutput(tmp_path / "x"), FileOutput(tmp_path / "x")
    one.open(info())
    with pytest.raises(OutputError, match="is being written"):
        two.open(info())
    two.abort()
    one.finish()
    assert listed(tmp_path) == ["x"]


@pytest.mark.parametrize("path", ["", None, 3, "a\0b"])
def test_wrong_paths(path):
    with pytest.raises(SettingsError, match="wrong path"):
        FileOutput(path)


def test_wrong_format():
    with pytest.raises(SettingsError, match="ParquetOutput"):
        FileOutput("x", format="parquet")


# ------------------------------------------------ standard output


def test_v5_standard_output(capsysbinary):
    WORLD.run(StdOutOutput(), [400])
    out, err = capsysbinary.readouterr()
    assert out == json_lines(WHOLE, EVENTS)
    assert err == b""


def test_standard_output_of_text(monkeypatch):
    """As in notebooks: a stream of text without a buffer."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    WORLD.run(StdOutOutput())
    assert stream.getvalue() == json_lines(WHOLE, EVENTS).decode()


def test_a_reader_that_goes_away_is_no_error():
    code = (
        "from tests.support.worlds.output_world import World; from deep_faker.outputs import StdOutOutput\n"
        "World(20_000).run(StdOutOutput(), range(0, 20_000, 1000))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as program:
        assert program.stdout.readline().startswith(b'{"sys__eid":"')
        program.stdout.close()
        assert program.stderr.read() == b""
        assert program.wait() == 141
