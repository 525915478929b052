"""Paths and names stand for themselves: no character of theirs is a pattern, and `~` is the home folder."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Generic, Literal, TypeVar

import duckdb
import polars as pl
import pytest
from deltalake import DeltaTable

from deep_faker import BaseEvent, Dataset, Field, FileOutput, NewEvent, ParquetOutput, Simulation
from deep_faker.cli import app
from deep_faker.dataset import verify
from deep_faker.errors import DatasetError, OutputError, SettingsError
from deep_faker.loader import load_simulation
from deep_faker.outputs import DeltaOutput

T = TypeVar("T")
LAYOUTS = [
    {"format": name, **keys}
    for name in ("parquet", "csv", "arrow")
    for keys in ({}, {"partition_by": "kind"}, {"partition_by": "date"})
] + [{"format": "jsonl"}, {"format": "jsonl", "compression": "gzip"}]
HOSTILE = ("run[12]", "run*", "run?", "run[!x]", "{run,1}", "a b", "ré", "run%20", "run#1", "[1]*?")
PROGRAM = """
from deep_faker import BaseEvent, NewEvent, Simulation
class Ping(BaseEvent):
    n: int = 1
sim = Simulation("3s", start_time="2024-01-01", n_flows=1, random_seed=1)
@sim.flow()
def go(ctx):
    yield NewEvent(ctx, Ping)
"""


class Ping(BaseEvent):
    n: int = 1
    kind: str = Field(faker="random_element", elements=["a", "b"])


class Sent(BaseEvent, Generic[T]):
    body: T
    kind: str = Field(faker="random_element", elements=["a", "b"])


def pings(seconds: int) -> Simulation:
    sim = Simulation(f"{seconds}s", start_time="2024-01-01", n_flows=1, random_seed=1)

    @sim.flow()
    def go(ctx):
        yield NewEvent(ctx, Ping)

    return sim


def into(output: object, seconds: int) -> None:
    sim = pings(seconds)
    sim.add_output(output)
    sim.run()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def decoys(tmp_path_factory):
    """A data set of each layout, of nine seconds."""
    base = tmp_path_factory.mktemp("decoys")
    folders = {tuple(layout.values()): base / str(number) for number, layout in enumerate(LAYOUTS)}
    for layout in LAYOUTS:
        into(ParquetOutput(folders[tuple(layout.values())], **layout), 9)
    return folders


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: "-".join(layout.values()))
@pytest.mark.parametrize("name", HOSTILE)
def test_a_folder_is_read_whatever_its_name(name, layout, decoys, tmp_path):
    """Neighbours that its name would match as a pattern are not read, nor missed."""
    for decoy in ("run1", "run2", "runx", "run"):
        shutil.copytree(decoys[tuple(layout.values())], tmp_path / decoy)
    into(ParquetOutput(tmp_path / name, **layout), 5)
    found = Dataset.open(tmp_path / name)
    assert (found[Ping].height, found.events.height, found.sessions.height) == (5, 5, 5)
    assert verify(tmp_path / name) == []


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: "-".join(layout.values()))
def test_generic_events_lie_in_folders_that_patterns_find(layout, tmp_path):
    """`Sent[int]` lies in `Sent_int`: its brackets would be a choice of letters to every reader's glob."""
    sim = Simulation("5s", start_time="2024-01-01", n_flows=1, random_seed=1)

    @sim.flow()
    def go(ctx):
        yield NewEvent(ctx, Sent[int], body=3)
        yield NewEvent(ctx, Sent[Literal["a/b"]], body="a/b")

    sim.add_output(ParquetOutput(tmp_path / "out", **layout))
    sim.run()
    found = Dataset.open(tmp_path / "out")
    assert list(found) == ["Sent[Literal['a/b']]", "Sent[int]"]
    assert found[Sent[int]]["body"].to_list() == [3] * 5
    assert found["Sent[Literal['a/b']]"]["body"].to_list() == ["a/b"] * 5
    assert verify(tmp_path / "out") == []
    if layout["format"] == "parquet":
        assert names(tmp_path / "out/events") == ["Sent_Literal_a_b", "Sent_int"]
        pattern = f"{tmp_path}/out/events/Sent_int/**/*.parquet"
        assert pl.scan_parquet(pattern).collect().height == 5
        assert duckdb.sql(f"SELECT count(*) FROM read_parquet('{pattern}')").limit(1).fetchall() == [(5,)]


@pytest.mark.parametrize("make", [ParquetOutput, DeltaOutput])
def test_two_types_that_would_share_a_folder_are_refused(make, tmp_path):
    """A class that is named as a generic one's folder is refused before anything is written."""

    class Sent_int(BaseEvent):
        n: int = 1

    sim = Simulation("5s", start_time="2024-01-01", n_flows=1, random_seed=1)

    @sim.flow()
    def go(ctx):
        yield NewEvent(ctx, Sent[int], body=3)
        yield NewEvent(ctx, Sent_int)

    sim.add_output(make(tmp_path / "out"))
    with pytest.raises(OutputError, match=r"would both lie in Sent_int"):
        sim.run()
    assert list(tmp_path.rglob("*.parquet")) == []


@pytest.mark.parametrize("name", ["lake*", "lake?", "a b", "ré", "{a,b}", "lake#1"])
def test_delta_tables_lie_where_they_are_told_to(name, tmp_path):
    """What deltalake takes for itself in a path works."""
    into(DeltaOutput(tmp_path / name), 5)
    assert DeltaTable(f"{tmp_path}/{name}/Ping").to_pyarrow_table().num_rows == 5


@pytest.mark.parametrize("name", ["lake[1]", "lake%20", "lake^", "lake|", "a\\b", "a\nb"])
def test_paths_that_deltalake_misreads_are_refused(name, tmp_path):
    """It would lose the run at its end, or write elsewhere."""
    with pytest.raises(SettingsError, match="deltalake misreads"):
        DeltaOutput(tmp_path / name)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder, and another working directory."""
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


def test_the_home_folder_is_meant_by_a_tilde(home):
    """Outputs, reading, checking, checkpoints and programs, in Python and on the command line."""
    (home / "sim.py").write_text(PROGRAM)
    pings(5).run("~/data", checkpoint_every=2, checkpoint="~/points")
    into(FileOutput("~/lines.jsonl"), 5)
    into(DeltaOutput("~/lake"), 5)
    assert Dataset.open("~/data")[Ping].height == 5
    assert verify("~/data") == []
    assert load_simulation("~/sim.py").n_flows == 1
    assert load_simulation("~/sim.py:sim").n_flows == 1
    for arguments in (
        ["run", "~/sim.py", "--output", "~/command", "-q", "--checkpoint", "~/more"],
        ["run", "~/sim.py", "--output", "~/command.jsonl", "-q"],
        ["verify", "~/command"],
        ["explain", "~/sim.py"],
    ):
        with contextlib.suppress(SystemExit):
            app(arguments, standalone_mode=False)
    made = {path.name for path in home.iterdir() if path.suffix != ".pyc"} - {"__pycache__"}
    assert made == {"sim.py", "data", "lines.jsonl", "lake", "command", "command.jsonl"}
    assert names(Path()) == []


def test_a_tilde_elsewhere_is_a_name(home):
    """`./~` and the home of nobody are names of their own."""
    pings(5).run("./~")
    pings(5).run("~nobody-of-this-name/out")
    assert names(Path()) == ["~", "~nobody-of-this-name"]
    assert names(home) == []
    assert Dataset.open("./~")[Ping].height == 5


@pytest.mark.parametrize("make", [ParquetOutput, FileOutput, DeltaOutput, lambda p: pings(1).run(p)])
@pytest.mark.parametrize("path", ["/", "//", "/..", "/tmp/.."])
def test_the_root_is_no_output(make, path):
    """It is refused where the output is made."""
    with pytest.raises(SettingsError, match="is the root of a file system"):
        make(path)


@pytest.mark.parametrize("make", [ParquetOutput, FileOutput, DeltaOutput, Dataset.open, verify])
@pytest.mark.parametrize("path", [None, "", 1, b"x", [], "a\0b", "\ud800", object()])
def test_what_is_no_path(make, path):
    """It is refused by name."""
    with pytest.raises((SettingsError, DatasetError), match="wrong path"):
        make(path)
