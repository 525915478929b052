"""What lies on disk between a run and its resumption is damaged in every way: never wrong bytes in silence."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from deltalake import DeltaTable

from deep_faker import FileOutput
from deep_faker.errors import DeepFakerError, OutputError
from deep_faker.outputs import DeltaOutput, MemoryOutput, ParquetOutput
from deep_faker.write.lines import line_file as linefile
from deep_faker.write.whole.seal import sealed, unsealed
from tests.support.worlds.resume_world import shop, tree

KINDS = {
    "parquet": lambda folder: ParquetOutput(folder / "out", rows_per_file=50),
    "csv": lambda folder: ParquetOutput(folder / "out", "csv", rows_per_file=50),
    "csv.gz": lambda folder: ParquetOutput(folder / "out", "csv", compression="gzip", rows_per_file=50),
    "arrow": lambda folder: ParquetOutput(folder / "out", "arrow", rows_per_file=50),
    "partitioned": lambda folder: ParquetOutput(folder / "out", partition_by="hour", rows_per_file=50),
    "jsonl": lambda folder: ParquetOutput(folder / "out", "jsonl"),
    "jsonl.gz": lambda folder: ParquetOutput(folder / "out", "jsonl", compression="gzip"),
    "jsonl.zst": lambda folder: ParquetOutput(folder / "out", "jsonl", compression="zstd"),
    "lines": lambda folder: FileOutput(folder / "out.jsonl"),
    "lines.gz": lambda folder: FileOutput(folder / "out.jsonl.gz"),
    "delta": lambda folder: DeltaOutput(folder / "out"),
}
FILES = [kind for kind in KINDS if kind != "delta"]
WITH_OWN = ("parquet", "lines.gz")
"""Whose checkpoints' own files are damaged: they are of one form whatever the output, whose state is one text in them."""


class Stops(MemoryOutput):
    """Fails between two checkpoints (``"write"``), when the others have their final names (``"finish"``), or
    never."""

    def __init__(self, at: str) -> None:
        super().__init__()
        self.at, self.checkpoints = at, 0

    def __repr__(self) -> str:
        return "Stops()"

    def write(self, chunk):
        if self.at == "write" and self.checkpoints > 2:
            raise OutputError("stops")

    def checkpoint(self):
        self.checkpoints += 1
        return {}

    def resume(self, info, state):
        self.open(info)

    def suspend(self):
        pass

    def settle(self):
        pass

    def finish(self):
        if self.at == "finish":
            raise OutputError("stops")
        return []


def run(folder: Path, kind: str, at: str = "", *, resume: bool = False) -> None:
    """One process's part of a run into ``folder``."""
    sim = shop(n_flows=20, duration="12m")
    sim.add_output(KINDS[kind](folder))
    sim.add_output(Stops(at))
    sim.run(history=True, checkpoint_every=55, checkpoint=folder / "c", resume=resume, progress=False)


def result(folder: Path, kind: str) -> object:
    """What the run has made, to be compared; rows where the files' own names are drawn."""
    if kind != "delta":
        return tree(folder)
    tables = [DeltaTable(path).to_pyarrow_table().to_pylist() for path in sorted((folder / "out").iterdir())]
    return [sorted(rows, key=lambda row: row["sys__eid"]) for rows in tables]


def stopped(base: Path, kind: str, at: str) -> Path:
    """What a run in ``base/tried`` left when it stopped there, copied."""
    with pytest.raises(OutputError, match="stops"):
        run(base / "tried", kind, at)
    shutil.copytree(base / "tried", base / "half")
    return base / "half"


@pytest.fixture(scope="module", params=KINDS)
def world(request, tmp_path_factory):
    """A kind of output, what an undisturbed run makes, and the folder of a run that stopped half-way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linefile, "MEMBER_EVENTS", 50)
        base = tmp_path_factory.mktemp("damage")
        run(base / "whole", request.param)
        yield request.param, result(base / "whole", request.param), stopped(base, request.param, "write")


def files(folder: Path, kind: str) -> list[Path]:
    """What a resumed run may read: everything, but of parts of one table the first two, one in the middle and the last.

    Unless the kind is one of `WITH_OWN`: of the checkpoint's own files what holds the state of the output or lines of it,
    and of other parts the first and the last. Rows that wait in a checkpoint are Arrow there, whatever they become.
    """
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "lock"]
    assert len(found) > 5
    alike: dict[tuple[Path, str], list[Path]] = {}
    for path in found:
        name = path.relative_to(folder)
        is_own = name.parts[0] == "c" and name.name not in ("checkpoint.json", "published.json")
        if kind in WITH_OWN or not is_own or name.name.startswith("lines-"):
            alike.setdefault((path.parent, path.suffix), []).append(name)
    if kind in WITH_OWN:
        chosen = ({*names[:2], names[len(names) // 2], names[-1]} for names in alike.values())
    else:
        chosen = ({names[0], names[-1]} for names in alike.values())
    return [name for names in chosen for name in sorted(names)]


def outcome(half: Path, name: Path, kind: str, expected: object) -> str:
    """Resume: ``"refused"`` by the file's name, or ``"right"``; all else fails."""
    folder = half.with_name("tried")
    try:
        run(folder, kind, resume=True)
    except DeepFakerError as error:
        told = str(error)
        assert name.name in told or (name.name == "run.json" and "no run to resume" in told), (name, told)
        assert "help: " in told
        return "refused"
    else:
        assert result(folder, kind) == expected, f"{name} was damaged and the bytes are wrong"
        return "right"


def trials(half: Path, names: list[Path]) -> Iterator[tuple[Path, Path]]:
    """A fresh copy of the folder for each file: its path in the copy, and below it."""
    folder = half.with_name("tried")
    for name in names:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(half, folder)
        yield folder / name, name


def test_r4_an_undisturbed_resume_is_right(world):
    """The control: without damage the resumed run makes the bytes of the uninterrupted one."""
    kind, expected, half = world
    for _, name in trials(half, [Path("c/run.json")]):
        assert outcome(half, name, kind, expected) == "right"


def test_r4_a_flipped_bit_is_refused_or_harmless(world):
    """A bit flipped in any region of any file: refused by name, or the resumed run's bytes are right."""
    kind, expected, half = world
    rng = random.Random(kind)
    found = {"refused": 0, "right": 0}
    for name in files(half, kind):
        size = (half / name).stat().st_size
        most = (12 if name.suffix == ".json" else 4) if kind in WITH_OWN else 3
        places = np.linspace(0, size - 1, most).astype(int).tolist()
        for path, _ in trials(half, [name] * (len(places) if size else 0)):
            data = bytearray(path.read_bytes())
            data[places.pop()] ^= 1 << rng.randrange(8)
            path.write_bytes(data)
            found[outcome(half, name, kind, expected)] += 1
    assert found["refused"] >= (20 if kind in WITH_OWN else 2)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


def _longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n{}")


def _foreign(path: Path) -> None:
    path.write_bytes(b'{"of": "another"}\n' * 50)


def _swapped(path: Path) -> None:
    others = [one for one in sorted(path.parent.iterdir()) if one.is_file() and one != path]
    if others:
        path.write_bytes(others[0].read_bytes())


def _linked(path: Path) -> None:
    """The same bytes elsewhere, behind a link."""
    moved = path.parents[-2] / "tmp" / f"{random.random()}"
    moved.parent.mkdir(exist_ok=True)
    shutil.move(path, moved)
    path.symlink_to(moved)


DAMAGES = {
    "cut": _cut,
    "emptied": _emptied,
    "longer": _longer,
    "foreign": _foreign,
    "swapped": _swapped,
    "gone": Path.unlink,
    "linked": _linked,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_r4_other_damage_is_refused_or_harmless(world, damage):
    """Files that are cut, swapped, foreign, gone or elsewhere: refused by name, or the bytes are right."""
    kind, expected, half = world
    found = {"refused": 0, "right": 0}
    for path, name in trials(half, files(half, kind)):
        DAMAGES[damage](path)
        found[outcome(half, name, kind, expected)] += 1
    assert found["refused"] >= (3 if kind in WITH_OWN else 1)


@pytest.mark.parametrize("kind", FILES)
def test_r4_what_had_its_final_name_is_checked_too(kind, tmp_path):
    """Killed after the last rename: a resumed run looks at every file before it says that all is done."""
    half = stopped(tmp_path, kind, "finish")
    run(tmp_path / "whole", kind)
    expected = result(tmp_path / "whole", kind)
    for _, name in trials(half, [Path("c/run.json")]):
        assert outcome(half, name, kind, expected) == "right"
    flipped = [
        name for name in files(half, kind) if name.name.startswith(("out", "part", "events", "manifest"))
    ]
    for path, name in trials(half, [*flipped, *(n for n in files(half, kind) if n.name == "published.json")]):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 4
        path.write_bytes(data)
        outcome(half, name, kind, expected)


def test_r4_a_checkpoint_of_another_run_is_refused(tmp_path):
    """A whole checkpoint.json beside another run's run.json is that of another run."""
    for name in ("a", "b"):
        with pytest.raises(OutputError, match="stops"):
            run(tmp_path / name, "parquet", "write")
    shutil.copy(tmp_path / "a/c/checkpoint.json", tmp_path / "b/c/checkpoint.json")
    with pytest.raises(DeepFakerError, match=r"checkpoint\.json\n.*it is of run"):
        run(tmp_path / "b", "parquet", resume=True)


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "a/../../../secret", "a\\b"])
def test_r4_a_checkpoint_leads_nowhere_else(tmp_path, name):
    """Paths in a checkpoint, consistent or not, stay in its own folders: nothing else is read or written."""
    with pytest.raises(OutputError, match="stops"):
        run(tmp_path, "parquet", "write")
    (tmp_path.parent / "secret").write_text("text of others")
    before = tree(tmp_path.parent)
    last = tmp_path / "c/checkpoint.json"
    text = last.read_bytes()
    for number in range(4):
        point = unsealed(text)
        streams = point["outputs"][0]["state"]["streams"]
        if number == 0:
            point["states"]["engine"]["file"] = name
        elif number == 1:
            streams["events/ResumeBought"]["parts"][0]["path"] = name
        elif number == 2:
            streams[name] = streams.pop("sessions")
        else:
            streams["sessions"] = {"rows": 0, "partitions": {name: streams["sessions"]}}
        last.write_text(json.dumps(sealed(point)))
        with pytest.raises(DeepFakerError) as caught:
            run(tmp_path, "parquet", resume=True)
        assert "text of others" not in str(caught.value)
        last.write_bytes(text)
        after = tree(tmp_path.parent)
        assert after == before, (number, {*before} ^ {*after})
