"""The data set of P4: whole or not there, nobody else's files touched, the same bytes again."""

import errno
import gc
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deep_faker import BaseEvent, NewEvent, Simulation
from deep_faker.dataset import Dataset, verify
from deep_faker.errors import DatasetError, OutputError, OutputExistsError, SettingsError
from deep_faker.outputs import ParquetOutput
from deep_faker.write.files import parts
from deep_faker.write.files import run as folderrun
from tests.support.worlds.output_world import SCHEMAS, World, info, listed

WORLD = World(1000)


class Owner:
    """Stands for a simulation."""


def tree(path: Path) -> dict[str, bytes]:
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


def test_p4_layout(tmp_path):
    receipts = WORLD.run(ParquetOutput(tmp_path / "out"), [1, 700], settings={"n_flows": 3})
    assert sorted(tree(tmp_path / "out")) == [
        "entities/User/part-00000.parquet",
        "events/Click/part-00000.parquet",
        "events/Odd/part-00000.parquet",
        "events/Signup/part-00000.parquet",
        "manifest.json",
        "sessions/part-00000.parquet",
    ]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert manifest["seed"] == 7
    assert manifest["start_time"] == "2024-01-01T00:00:00"
    assert manifest["settings"] == {"n_flows": 3}
    assert set(manifest["versions"]) == {"python", "deep-faker", "numpy", "pyarrow", "polars"}
    assert manifest["files"] == [r.as_dict() for r in receipts]
    assert manifest["tables"]["events/Signup"]["columns"]["at"] == "timestamp[us]"
    assert verify(tmp_path / "out") == []
    assert listed(tmp_path) == ["out"]


@pytest.mark.parametrize("layout", ["parquet", "jsonl"])
def test_r1_the_same_bytes_again(tmp_path, layout, monkeypatch):
    monkeypatch.setattr(parts, "PART_ROWS", 256)
    monkeypatch.setattr(parts, "BLOCK_ROWS", 100)
    monkeypatch.setattr(folderrun, "_TRUTH_ROWS", 1)
    WORLD.run(ParquetOutput(tmp_path / "a", layout))
    WORLD.run(ParquetOutput(tmp_path / "b", layout), range(0, 1000, 7))
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    assert verify(tmp_path / "a") == []
    assert len(tree(tmp_path / "a")) == (6 if layout == "jsonl" else 10)


def test_manifest_names_no_machine(tmp_path):
    """R1: no host, hour, path or worker count, so that two machines make the same bytes."""
    WORLD.run(ParquetOutput(tmp_path / "out"))
    text = (tmp_path / "out" / "manifest.json").read_text()
    for word in (str(tmp_path), os.uname().nodename, "worker", "engine", time.strftime("%Y-")):
        assert word not in text


# ------------------------------------------------ R6: what may be replaced


def test_r6_the_same_simulation_replaces_what_it_wrote(tmp_path):
    owner = Owner()
    WORLD.run(ParquetOutput(tmp_path / "out"), owner=owner)
    World(10).run(ParquetOutput(tmp_path / "out"), owner=owner)
    assert sum(len(Dataset.open(tmp_path / "out")[name]) for name in SCHEMAS) == 10
    assert listed(tmp_path) == ["out"]


def test_r6_any_other_output_raises(tmp_path):
    owner = Owner()
    WORLD.run(ParquetOutput(tmp_path / "out"), owner=owner)
    before = tree(tmp_path / "out")
    with pytest.raises(OutputExistsError, match="another run"):
        WORLD.run(ParquetOutput(tmp_path / "out"), owner=Owner())
    with pytest.raises(OutputExistsError):
        WORLD.run(ParquetOutput(tmp_path / "out"))
    assert tree(tmp_path / "out") == before
    # what somebody else put there since is not the first simulation's any more
    World(10).run(ParquetOutput(tmp_path / "out", overwrite=True), owner=Owner())
    with pytest.raises(OutputExistsError):
        WORLD.run(ParquetOutput(tmp_path / "out"), owner=owner)


def test_owners_are_not_kept_alive(tmp_path):
    from deep_faker.write.whole import staging

    owner = Owner()
    WORLD.run(ParquetOutput(tmp_path / "out"), owner=owner)
    assert owner in staging._WRITTEN
    del owner
    gc.collect()
    assert not any(str(tmp_path) in place for places in staging._WRITTEN.values() for place in places)


@pytest.mark.parametrize("data_set", [False, True])
def test_foreign_files_are_never_deleted(tmp_path, data_set):
    if data_set:
        WORLD.run(ParquetOutput(tmp_path / "out"))
    else:
        (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match=r"never deleted: thesis\.txt"):
        WORLD.run(ParquetOutput(tmp_path / "out", overwrite=True))
    assert (tmp_path / "out" / "thesis.txt").read_text() == "years of work"


def test_a_folder_that_fills_during_the_run_is_not_replaced(tmp_path):
    output = ParquetOutput(tmp_path / "out", overwrite=True)
    output.open(info())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "new.txt").touch()
    with pytest.raises(OutputError, match=r"new\.txt"):
        output.finish()
    output.abort()
    assert listed(tmp_path) == ["out"]
    assert listed(tmp_path / "out") == ["new.txt"]


def test_an_empty_folder_is_free(tmp_path):
    (tmp_path / "out").mkdir()
    WORLD.run(ParquetOutput(tmp_path / "out"))
    assert verify(tmp_path / "out") == []


def test_a_file_is_in_the_way(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="a data set is a folder"):
        WORLD.run(ParquetOutput(tmp_path / "out", overwrite=True))
    with pytest.raises(OutputError, match="choose another"):
        WORLD.run(ParquetOutput(tmp_path / "out" / "below"))
    assert listed(tmp_path) == ["out"]


# ------------------------------------------------ R3: failures


@pytest.mark.parametrize("layout", ["parquet", "jsonl"])
def test_r3_a_failed_run_leaves_nothing(tmp_path, layout):
    output = ParquetOutput(tmp_path / "out", layout)
    output.open(info())
    for chunk in WORLD.chunks([500]):
        output.write(chunk)
    output.abort()
    assert listed(tmp_path) == []
    output.abort()  # a second time is harmless


def test_r3_an_unwritable_place():
    with pytest.raises(OutputError, match="cannot write /proc/nowhere"):
        WORLD.run(ParquetOutput("/proc/nowhere/out"))


@pytest.mark.parametrize("layout", ["parquet", "jsonl"])
def test_r3_disk_full(tmp_path, layout, monkeypatch):
    """The message says where, what became of it, and the mend; the old data set stays."""
    World(10).run(ParquetOutput(tmp_path / "out", layout))
    before = tree(tmp_path / "out")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("deep_faker.write.whole.hashing.HashingFile.write", full)
    with pytest.raises(OutputError) as caught:
        WORLD.run(ParquetOutput(tmp_path / "out", layout, overwrite=True))
    for words in (str(tmp_path / "out"), "No space left", "rows had been taken", "free some space"):
        assert words in str(caught.value)
    assert tree(tmp_path / "out") == before
    assert listed(tmp_path) == ["out"]


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["parquet", "jsonl"])
def test_r3_a_file_size_limit(tmp_path, layout):
    """A real refusal of the system, in the middle of a file."""
    code = (
        "import resource, signal, sys\n"
        "from tests.support.worlds.output_world import World; from deep_faker.outputs import ParquetOutput\n"
        "world = World(20_000)\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "world.run(ParquetOutput(sys.argv[1], sys.argv[2]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "out", layout], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "File too large" in done.stderr.splitlines()[-3]
    assert "ulimit" in done.stderr.splitlines()[-1]
    assert listed(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["parquet", "jsonl"])
def test_r3_killed_at_any_moment(tmp_path, layout):
    """SIGKILL leaves no folder of the final name, and the next run cleans up and succeeds."""
    code = (
        "import sys\n"
        "from tests.support.worlds.output_world import World, info; from deep_faker.outputs import ParquetOutput\n"
        "output = ParquetOutput(sys.argv[1], sys.argv[2])\n"
        "output.open(info())\n"
        "for chunk in World(1000).chunks([500]):\n"
        "    output.write(chunk)\n"
        "print('ready', flush=True)\n"
        "input()\n"
    )
    command = [sys.executable, "-c", code, tmp_path / "out", layout]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdout.readline() == b"ready\n"
        program.send_signal(signal.SIGKILL)
    assert not (tmp_path / "out").exists()
    with pytest.raises(DatasetError, match="no data set"):
        Dataset.open(tmp_path / "out")
    assert verify(tmp_path / "out.partial") != []
    WORLD.run(ParquetOutput(tmp_path / "out", layout))
    assert listed(tmp_path) == ["out"]
    assert verify(tmp_path / "out") == []


def test_r3_killed_between_the_two_renames(tmp_path):
    """A replacement that was half done is undone: the old data set is there again."""
    World(10).run(ParquetOutput(tmp_path / "out"))
    before = tree(tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / "out.replaced")
    with pytest.raises(OutputExistsError):
        WORLD.run(ParquetOutput(tmp_path / "out"))
    assert tree(tmp_path / "out") == before


def test_an_error_in_a_writing_thread_comes_out_at_the_next_write(tmp_path, monkeypatch):
    def broken(part):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(parts, "PART_ROWS", 10)
    monkeypatch.setattr(parts, "BLOCK_ROWS", 10)
    monkeypatch.setattr(parts, "write_part", broken)
    output = ParquetOutput(tmp_path / "out")
    output.open(info())
    with pytest.raises(OutputError, match="Input/output error"):
        for chunk in WORLD.chunks(range(0, 1000, 10)):
            output.write(chunk)
    output.abort()
    assert listed(tmp_path) == []


def test_wrong_format():
    with pytest.raises(SettingsError, match="did you mean 'parquet'"):
        ParquetOutput("x", "parquett")


def test_home_and_links(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    WORLD.run(ParquetOutput("~/link"))
    assert (tmp_path / "link").is_symlink()
    assert verify(tmp_path / "real") == []


@pytest.mark.parametrize(
    "name", ["../../evil", "a/b", "/tmp/evil", "..", ".", "", "a\\b", "c:evil", "new\nline", "x" * 201]
)
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    """Types are named by classes, and classes can be made with any name: such a run is refused."""
    event = type(name, (BaseEvent,), {"__module__": __name__, "__annotations__": {"x": int}, "x": 1})
    sim = Simulation(duration="5s", start_time="2024-01-01", n_flows=1, random_seed=1)

    @sim.flow()
    def emit(ctx):
        yield NewEvent(ctx, event)

    with pytest.raises(OutputError, match="cannot name a folder"):
        sim.run(tmp_path / "deep" / "out")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
