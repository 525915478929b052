"""Compressed JSON lines: what every tool reads, the same bytes however events arrive, resumed too."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deep_faker import FileOutput
from deep_faker.errors import OutputError, SettingsError
from deep_faker.outputs import ParquetOutput
from deep_faker.write.lines import line_file as linefile
from tests.support.worlds.output_world import World
from tests.support.worlds.resume_world import shop, tree

WORLD = World(1000)


def plain(path):
    """The lines, by a reader that is not ours."""
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    with pa.input_stream(str(path), compression="zstd") as file:
        return file.read()


@pytest.fixture(autouse=True)
def small_members(monkeypatch):
    monkeypatch.setattr(linefile, "MEMBER_EVENTS", 128)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_cuts_do_not_show(tmp_path, suffix):
    WORLD.run(FileOutput(tmp_path / "plain.jsonl"))
    expected = (tmp_path / "plain.jsonl").read_bytes()
    for number, cuts in enumerate(([], [1], [127, 128, 129], [128, 256], [500], range(0, 1000, 7))):
        WORLD.run(FileOutput(tmp_path / f"{number}.jsonl{suffix}"), cuts)
        path = tmp_path / f"{number}.jsonl{suffix}"
        assert plain(path) == expected
        assert path.read_bytes() == (tmp_path / f"0.jsonl{suffix}").read_bytes()
        assert path.stat().st_size < len(expected) / 2


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_resumed_at_every_checkpoint(tmp_path, suffix):
    """A run that fails at its n-th checkpoint, for every n, ends with the same bytes."""
    name = f"events.jsonl{suffix}"
    sim = shop(duration="30m")
    sim.add_output(FileOutput(tmp_path / "a" / name))
    sim.run(progress=False)
    expected = tree(tmp_path / "a")

    class Fails(FileOutput):
        calls, last = 0, 0

        def checkpoint(self):
            Fails.calls += 1
            if Fails.calls == Fails.last:
                raise OutputError("dies")
            return super().checkpoint()

    for last in range(1, 5):
        Fails.calls, Fails.last = 0, last
        for resume in (False, True):
            run = shop(duration="30m")
            run.add_output(Fails(tmp_path / "b" / name))
            try:
                run.run(checkpoint_every=900, checkpoint=tmp_path / "c", resume=resume, progress=False)
            except OutputError:
                assert not resume
        assert tree(tmp_path / "b") == expected
        shutil.rmtree(tmp_path / "b")


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_an_empty_run_is_a_whole_file(tmp_path, suffix):
    World(0).run(FileOutput(tmp_path / f"none.jsonl{suffix}"))
    assert plain(tmp_path / f"none.jsonl{suffix}") == b""


def test_other_tools_read_it(tmp_path):
    sim = shop(duration="30m")
    sim.add_output(FileOutput(tmp_path / "events.jsonl.gz"), events=["ResumeBought"])
    sim.add_output(FileOutput(tmp_path / "events.zst"), events=["ResumeBought"])
    report = sim.run(progress=False)
    count = report.events["ResumeBought"]
    assert pl.read_ndjson(plain(tmp_path / "events.jsonl.gz")).height == count
    assert plain(tmp_path / "events.zst").count(b"\n") == count
    program = shutil.which("gzip")
    if program:
        said = subprocess.run([program, "-dc", tmp_path / "events.jsonl.gz"], capture_output=True, check=True)
        assert said.stdout.count(b"\n") == count


def test_what_compression_says_wins(tmp_path):
    WORLD.run(FileOutput(tmp_path / "b.jsonl", compression="gzip"))
    assert (tmp_path / "b.jsonl").read_bytes().startswith(b"\x1f\x8b")
    with pytest.raises(SettingsError, match="wrong compression"):
        FileOutput(tmp_path / "c", compression="lz4")


def test_footers_say_where_files_come_from(tmp_path):
    WORLD.run(ParquetOutput(tmp_path / "out"))
    said = json.loads(
        pq.read_metadata(tmp_path / "out/events/Click/part-00000.parquet").metadata[b"deep_faker"]
    )
    assert said["table"] == "events/Click"
    assert said["fields"]["price"] == "float"
    assert said["fields"]["ok"] == "bool | None"
    assert isinstance(said["seed"], int)
    assert said["version"]
    sessions = pq.read_metadata(tmp_path / "out/sessions/part-00000.parquet").metadata[b"deep_faker"]
    assert json.loads(sessions)["table"] == "sessions"
