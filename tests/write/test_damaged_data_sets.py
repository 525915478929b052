"""Whatever happened to a data set's files, reading it gives rows or `DatasetError`, never a reader's own error."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from deep_faker import Dataset, ParquetOutput
from deep_faker.errors import DatasetError
from tests.support.worlds.resume_world import shop

LAYOUTS = {
    "parquet": {},
    "csv": {"format": "csv"},
    "csv.gz": {"format": "csv", "compression": "gzip"},
    "csv.zst": {"format": "csv", "compression": "zstd"},
    "arrow": {"format": "arrow"},
    "arrow.lz4": {"format": "arrow", "compression": "lz4"},
    "hours": {"partition_by": "hour"},
    "jsonl": {"format": "jsonl"},
    "jsonl.gz": {"format": "jsonl", "compression": "gzip"},
    "jsonl.zst": {"format": "jsonl", "compression": "zstd"},
}


@pytest.fixture(scope="module", params=LAYOUTS)
def whole(request, tmp_path_factory):
    """A small data set of each layout."""
    out = tmp_path_factory.mktemp("whole") / "out"
    sim = shop(n_flows=20, duration="20m")
    sim.add_output(ParquetOutput(out, **LAYOUTS[request.param]))
    sim.run(history=True, progress=False)
    return out


@pytest.fixture
def folder(whole, tmp_path):
    """A copy of it, to be damaged."""
    return shutil.copytree(whole, tmp_path / "out")


def read(folder: Path) -> list[str]:
    """Everything that a `Dataset` gives; the names of what raised."""
    try:
        data = Dataset.open(folder)
    except DatasetError:
        return ["open"]
    ways = {
        "events": lambda: data.events,
        "sessions": lambda: data.sessions,
        "repr": lambda: repr(data),
        "bought": lambda: data["ResumeBought"],
        "joined": lambda: data["ResumeJoined"],
        "scan": lambda: data.scan("ResumeBought"),
        "entities": lambda: data.entities["ResumeUser"],
        "history": lambda: data.history["ResumeUser"],
    }
    raised, said = [], []
    for name, way in ways.items():
        try:
            way()
        except DatasetError as error:
            raised.append(name)
            # restore, run again, or the name that is there: each says what to do, and nothing of the reader's
            said.append((str(error), error.__cause__))
    assert all("help: " in text and cause is None for text, cause in said)
    return raised


def test_an_undamaged_one_is_read(folder):
    """The control."""
    assert read(folder) == []


def test_files_damaged_in_every_way(folder):
    """Flipped, cut, emptied, exchanged, gone, a folder: rows or `DatasetError`; what is gone always the latter."""
    rng = random.Random(1)
    names = [file["path"] for file in json.loads((folder / "manifest.json").read_text())["files"]]
    for name in (*names, "manifest.json"):
        path = folder / name
        data = path.read_bytes()
        for place in np.linspace(0, len(data) - 1, 8).astype(int).tolist():
            flipped = bytearray(data)
            flipped[place] ^= 1 << rng.randrange(8)
            path.write_bytes(flipped)
            read(folder)
        for other in (data[: len(data) // 2], data[:-1], b"", b"x" * 100, b"\xff" * 5000, data + data, b"[]"):
            path.write_bytes(other)
            read(folder)
        path.unlink()
        assert read(folder)
        path.mkdir()
        assert read(folder)
        path.rmdir()
        path.write_bytes(data)
    assert read(folder) == []


@pytest.mark.parametrize(
    "change",
    [
        {"tables": None},
        {"tables": []},
        {"tables": {"sessions": None}},
        {"tables": {"sessions": {}}},
        {"tables": {"sessions": {"rows": "x", "columns": []}}},
        {"files": None},
        {"files": [None]},
        {"files": ["x"]},
        {"files": [{"path": None}]},
        {"files": [{"path": 5}]},
        {"layout": None},
        {"seed": "x"},
        {"start_time": "x"},
        {"settings": None},
    ],
    ids=str,
)
def test_manifests_of_another_shape(folder, change):
    """A manifest whose checksum fits and whose contents do not: `DatasetError`, and `verify` says so."""
    from deep_faker.dataset import verify
    from deep_faker.write.whole.seal import sealed

    path = folder / "manifest.json"
    path.write_text(json.dumps(sealed(json.loads(path.read_text()) | change)))
    read(folder)
    if change.keys() != {"seed"}:
        assert verify(folder)


def test_the_command_says_it_without_a_traceback(tmp_path):
    """``deepfaker verify`` of a damaged data set: exit 1 and a message."""
    sim = shop(n_flows=20, duration="10m")
    sim.run(tmp_path / "out", progress=False)
    path = next((tmp_path / "out" / "events").rglob("*.parquet"))
    shutil.copy(tmp_path / "out" / "manifest.json", path)
    command = [sys.executable, "-m", "deep_faker", "verify", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "is not whole" in done.stderr
    assert "Traceback" not in done.stderr
