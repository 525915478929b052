"""Faults planted into whole data sets, each of which `verify` must find; whole ones must be called whole."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deep_faker import ParquetOutput
from deep_faker.dataset import Dataset, verify
from deep_faker.errors import DatasetError
from deep_faker.write.files.parts import blocks_of
from deep_faker.write.frames import plain_schema
from deep_faker.write.whole.hashing import TableHash
from deep_faker.write.whole.seal import checksum, sealed
from tests.support.worlds.resume_world import ResumeBought, ResumeJoined, shop

LAYOUTS: dict[str, dict[str, Any]] = {
    "parquet": {"rows_per_file": 300},
    "csv": {"format": "csv", "rows_per_file": 300},
    "csv.gz": {"format": "csv", "compression": "gzip"},
    "arrow": {"format": "arrow", "compression": "zstd", "rows_per_file": 300},
    "hours": {"partition_by": "hour", "rows_per_file": 200},
    "jsonl": {"format": "jsonl"},
    "jsonl.gz": {"format": "jsonl", "compression": "gzip"},
    "jsonl.zst": {"format": "jsonl", "compression": "zstd"},
    "one type only": {"rows_per_file": 300},
}
BOUGHT, JOINED = "events/ResumeBought", "events/ResumeJoined"
PART = f"{BOUGHT}/part-00000.parquet"
USERS, VERSIONS = "entities/ResumeUser/part-00000.parquet", "history/ResumeUser/part-00000.parquet"
SESSIONS = "sessions/part-00000.parquet"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A data set of each layout."""
    base = tmp_path_factory.mktemp("whole")
    for layout, shape in LAYOUTS.items():
        sim = shop(n_flows=20, duration="100m")
        events = [ResumeBought] if "only" in layout else [ResumeBought, ResumeJoined]
        sim.add_output(ParquetOutput(base / layout, **shape), events=events)
        sim.run(history=True, progress=False)
    return base


@pytest.mark.parametrize("layout", LAYOUTS)
def test_whole_data_sets_are_whole(whole, layout):
    """The control: what a run has made has no fault in any layout, and its manifest a checksum that fits."""
    assert verify(whole / layout) == []
    manifest = json.loads((whole / layout / "manifest.json").read_text())
    assert manifest["checksum"] == checksum(manifest)
    assert Dataset.open(whole / layout)["ResumeBought"].height > 300


class Planting:
    """A copy of a data set, with ways to change it and to mend what would give the change away."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = json.loads((folder / "manifest.json").read_text())

    def save(self, *, seal: bool) -> None:
        document = sealed(self.manifest) if seal else self.manifest
        (self.folder / "manifest.json").write_text(json.dumps(document, indent=1, ensure_ascii=False))

    def entry(self, name: str) -> dict[str, Any]:
        return next(file for file in self.manifest["files"] if file["path"] == name)

    def rewrite(self, name: str, change: Callable[[pa.Table], pa.Table]) -> None:
        """Change the rows of a Parquet file and mend everything that the manifest says of it."""
        path = self.folder / name
        table = pq.ParquetFile(path).read()
        changed = change(table)
        pq.write_table(changed, path)
        self.mend(name, changed.num_rows, table_hashes(changed))

    def lines(self, change: Callable[[list[bytes]], list[bytes]]) -> None:
        """Change the lines of ``events.jsonl`` and mend what the manifest says of them, but the types' counts."""
        path = self.folder / "events.jsonl"
        path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
        self.mend("events.jsonl", path.read_bytes().count(b"\n"), {})

    def mend(self, name: str, rows: int, more: dict[str, Any]) -> None:
        path = self.folder / name
        entry = self.entry(name)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        table = name.rpartition("/")[0]
        if table in self.manifest["tables"]:
            self.manifest["tables"][table]["rows"] += rows - entry["rows"]
        entry.update({"rows": rows, "bytes": path.stat().st_size, "sha256": digest, "logical": digest} | more)


def table_hashes(table: pa.Table) -> dict[str, Any]:
    hashes = TableHash(table.column_names)
    for arrays in blocks_of(table, plain_schema(table.schema)):
        hashes.update(arrays)
    return {"logical": hashes.hexdigest(), "columns": hashes.columns()}


Fault = Callable[[Planting], object]


def steps(*parts: Fault) -> Fault:
    """One after the other."""

    def all_of_them(p: Planting) -> None:
        for part in parts:
            part(p)

    return all_of_them


MANIFEST: dict[str, Fault] = {  # edits of the manifest alone
    "seed": lambda p: p.manifest.update(seed=5),
    "start": lambda p: p.manifest.update(start_time="2023-12-31T00:00:00"),
    "end": lambda p: p.manifest.update(end_time="2024-02-01T00:00:00"),
    "partitions": lambda p: p.manifest.update(partitions=2),
    "duration": lambda p: p.manifest["settings"].update(duration_us=1),
    "flows at once": lambda p: p.manifest["settings"].update(n_flows=21),
    "a version": lambda p: p.manifest["versions"].update(numpy="9.9"),
    "no versions": lambda p: p.manifest.pop("versions"),
    "layout": lambda p: p.manifest.update(layout="csv"),
    "a table's rows": lambda p: p.manifest["tables"][BOUGHT].update(rows=7),
    "a column's type": lambda p: p.manifest["tables"][BOUGHT]["columns"].update(price="int64"),
    "a column more": lambda p: p.manifest["tables"][BOUGHT]["columns"].update(more="int64"),
    "columns in another order": lambda p: p.manifest["tables"][BOUGHT].update(
        columns=dict(reversed(p.manifest["tables"][BOUGHT]["columns"].items()))
    ),
    "partitioned_by": lambda p: p.manifest["tables"][BOUGHT].update(partitioned_by=["date"]),
    "an entry doubled": lambda p: p.manifest["files"].append(dict(p.entry(PART))),
    "entries in another order": lambda p: p.manifest["files"].reverse(),
    "an entry's sha256": lambda p: p.entry(PART).update(sha256="0" * 64),
    "an entry's logical hash": lambda p: p.entry(PART).update(logical="0" * 64),
    "an entry's columns": lambda p: p.entry(PART)["columns"].update(price="0" * 16),
    "an entry's bytes": lambda p: p.entry(PART).update(bytes=1),
    "an entry's rows": lambda p: p.entry(PART).update(rows=1),
    "an empty table": lambda p: p.manifest["tables"].update(
        {"events/Ghost": {**p.manifest["tables"][BOUGHT], "rows": 0}}
    ),
    "a table left out": lambda p: p.manifest["tables"].pop("sessions"),
    "its checksum left out": lambda p: p.manifest.pop("checksum"),
    "another checksum": lambda p: p.manifest.update(checksum="0" * 64),
    "filtered": lambda p: p.manifest.update(filtered=True),
}


def _dropped(p: Planting) -> None:
    """A file and its entry, the counts mended."""
    last = [file for file in p.manifest["files"] if file["path"].startswith(BOUGHT)][-1]
    p.manifest["tables"][BOUGHT]["rows"] -= last["rows"]
    p.manifest["files"].remove(last)
    (p.folder / last["path"]).unlink()


def _first_dropped(p: Planting) -> None:
    p.manifest["tables"][BOUGHT]["rows"] -= p.entry(PART)["rows"]
    p.manifest["files"].remove(p.entry(PART))
    (p.folder / PART).unlink()


def _doubled(p: Planting) -> None:
    """A part once more under the next number."""
    parts = [file for file in p.manifest["files"] if file["path"].startswith(BOUGHT)]
    name = f"{BOUGHT}/part-{len(parts):05d}.parquet"
    shutil.copy(p.folder / parts[-1]["path"], p.folder / name)
    p.manifest["files"].insert(p.manifest["files"].index(parts[-1]) + 1, {**parts[-1], "path": name})
    p.manifest["tables"][BOUGHT]["rows"] += parts[-1]["rows"]


def _swapped_parts(p: Planting) -> None:
    second = p.entry(PART.replace("00000", "00001"))
    first = p.entry(PART)
    a, b = p.folder / first["path"], p.folder / second["path"]
    data = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(data)
    first["path"], second["path"] = second["path"], first["path"]
    p.manifest["files"].sort(key=lambda file: file["path"])


def _other_sid(table: pa.Table) -> pa.Table:
    """One event given to the session of another one."""
    sids = table["sys__sid"].to_pylist()
    sids[0] = next(sid for sid in sids if sid != sids[0])
    return table.set_column(2, table.schema.field(2), pa.array(sids))


def _other(column: str, by: int) -> Callable[[pa.Table], pa.Table]:
    """The second event's instant in µs, or its place, moved."""

    def moved(table: pa.Table) -> pa.Table:
        at = table.column_names.index(column)
        field = table.schema.field(at)
        values = table[column].cast(pa.int64()).to_pylist()
        values[1] = values[0] + 1 + by if by < 0 else values[1] + by
        return table.set_column(at, field, pa.array(values).cast(field.type))

    return moved


def _later(table: pa.Table) -> pa.Table:
    """Places that rise, and are those of no such run."""
    at = table.column_names.index("sys__order")
    places = [place + 10_000 for place in table["sys__order"].to_pylist()]
    return table.set_column(at, table.schema.field(at), pa.array(places))


def _more_events(table: pa.Table) -> pa.Table:
    at = table.column_names.index("events")
    counts = table["events"].to_pylist()
    counts[3] += 1
    return table.set_column(at, table.schema.field(at), pa.array(counts))


def _twice(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table.slice(0, 1), table])


def _turned(table: pa.Table) -> pa.Table:
    return table.take(pa.array([1, 0, *range(2, table.num_rows)])) if _differ(table) else table[::-1]


def _differ(table: pa.Table) -> bool:
    return bool(table["sys__ets"][0] != table["sys__ets"][1])


CONSISTENT: dict[str, Fault] = {  # hashes, counts and the manifest's checksum made anew: the rows disagree
    "a seed that is not the rows'": lambda p: p.manifest.update(seed=5),
    "a start after the first event": lambda p: p.manifest.update(start_time="2024-01-01T00:10:00"),
    "an event dropped": lambda p: p.rewrite(PART, lambda table: table.slice(1)),
    "an event doubled": lambda p: p.rewrite(PART, _twice),
    "events out of order": lambda p: p.rewrite(PART, _turned),
    "an event at another instant": lambda p: p.rewrite(PART, _other("sys__time", 1_000_000)),
    "an event at another's place": lambda p: p.rewrite(PART, _other("sys__order", -1)),
    "events at the places of a longer run": lambda p: p.rewrite(PART, _later),
    "an event of another session": lambda p: p.rewrite(PART, _other_sid),
    "a session dropped": lambda p: p.rewrite(SESSIONS, lambda table: table.slice(1)),
    "a session doubled": lambda p: p.rewrite(SESSIONS, _twice),
    "a session's count": lambda p: p.rewrite(SESSIONS, _more_events),
    "an entity dropped": lambda p: p.rewrite(USERS, lambda table: table.slice(1)),
    "an entity doubled": lambda p: p.rewrite(USERS, _twice),
    "a version dropped": lambda p: p.rewrite(VERSIONS, lambda table: table.slice(0, table.num_rows - 1)),
    "the last part dropped": _dropped,
    "the first part dropped": _first_dropped,
    "a part doubled": _doubled,
    "two parts exchanged": _swapped_parts,
    "an entry doubled, the counts mended": steps(
        lambda p: p.manifest["files"].append(dict(p.entry(PART))),
        lambda p: p.manifest["tables"][BOUGHT].update(
            rows=p.manifest["tables"][BOUGHT]["rows"] + p.entry(PART)["rows"]
        ),
    ),
    "a part under another type": lambda p: p.entry(PART).update(path=f"{JOINED}/part-00001.parquet"),
    "an empty table without files": lambda p: MANIFEST["an empty table"](p),
    "a path that goes up": lambda p: p.entry(PART).update(path=f"{BOUGHT}/../../events/ResumeBought/x"),
    "an absolute path": lambda p: p.entry(PART).update(path=str(p.folder / PART)),
    "a path with backslashes": lambda p: p.entry(PART).update(path=PART.replace("/", "\\")),
    "a path that is a URL": lambda p: p.entry(PART).update(path=f"file://{p.folder / PART}"),
    "a part of no number": steps(
        lambda p: (p.folder / PART).rename(p.folder / BOUGHT / "rows.parquet"),
        lambda p: p.entry(PART).update(path=f"{BOUGHT}/rows.parquet"),
    ),
}


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 8
    path.write_bytes(data)


def _moved(path: Path, *, keep: str) -> None:
    """The same bytes behind a link."""
    other = path.parents[2].with_name("elsewhere")
    shutil.move(path, other)
    if keep == "link":
        path.symlink_to(other)
    else:
        path.hardlink_to(other)


def _linked_folder(p: Planting) -> None:
    other = p.folder.with_name("elsewhere")
    shutil.move(p.folder / BOUGHT, other)
    (p.folder / BOUGHT).symlink_to(other)


FILES: dict[str, Fault] = {  # what lies in the folder
    "a bit": lambda p: _flip(p.folder / PART),
    "a bit in the sessions": lambda p: _flip(p.folder / SESSIONS),
    "a file cut": lambda p: os.truncate(p.folder / PART, 500),
    "a file emptied": lambda p: os.truncate(p.folder / PART, 0),
    "a file longer": lambda p: (p.folder / PART).write_bytes((p.folder / PART).read_bytes() + b"\0"),
    "a file gone": lambda p: (p.folder / PART).unlink(),
    "a folder in a file's place": steps(
        lambda p: (p.folder / PART).unlink(), lambda p: (p.folder / PART).mkdir()
    ),
    "a pipe in a file's place": steps(
        lambda p: (p.folder / PART).unlink(), lambda p: os.mkfifo(p.folder / PART)
    ),
    "a text in a file's place": lambda p: (p.folder / PART).write_text("text of others"),
    "a link to the same bytes": lambda p: _moved(p.folder / PART, keep="link"),
    "a hard link to the same bytes": lambda p: _moved(p.folder / PART, keep="hard"),
    "a linked folder": _linked_folder,
    "a linked manifest": steps(
        lambda p: shutil.move(p.folder / "manifest.json", p.folder.with_name("elsewhere")),
        lambda p: (p.folder / "manifest.json").symlink_to(p.folder.with_name("elsewhere")),
    ),
    "a foreign file": lambda p: (p.folder / "notes.txt").touch(),
    "a hidden file": lambda p: (p.folder / BOUGHT / ".part").touch(),
    "a foreign link": lambda p: (p.folder / "etc").symlink_to("/etc"),
    "a foreign folder": lambda p: (p.folder / "events/Other").mkdir(),
    "a foreign empty table": lambda p: pq.write_table(
        pq.ParquetFile(p.folder / PART).read().slice(0, 0), p.folder / BOUGHT / "part-00009.parquet"
    ),
    "values rewritten": lambda p: p.rewrite(PART, _other_sid),
    "the files of two tables": lambda p: shutil.copy(p.folder / USERS, p.folder / SESSIONS),
}


def _as_type(lines: list[bytes], old: str, new: str) -> list[bytes]:
    at = next(i for i, line in enumerate(lines) if line.endswith(f'"event_type":"{old}"}}\n'.encode()))
    changed = lines[at].replace(f'"event_type":"{old}"'.encode(), f'"event_type":"{new}"'.encode())
    return [*lines[:at], changed, *lines[at + 1 :]]


def _counted(p: Planting, by: int) -> None:
    p.manifest["tables"][BOUGHT]["rows"] += by
    p.manifest["tables"][JOINED]["rows"] -= by


LINES: dict[str, Fault] = {  # in events.jsonl, all sums mended
    "a row of another type": lambda p: p.lines(lambda all_: _as_type(all_, "ResumeBought", "ResumeJoined")),
    "a row of another type, the counts mended": steps(
        lambda p: p.lines(lambda all_: _as_type(all_, "ResumeBought", "ResumeJoined")),
        lambda p: _counted(p, -1),
    ),
    "a row of an unknown type": lambda p: p.lines(lambda all_: _as_type(all_, "ResumeBought", "Ghost")),
    "rows exchanged between types": lambda p: p.lines(
        lambda all_: _as_type(_as_type(all_, "ResumeBought", "X"), "ResumeJoined", "ResumeBought")
    ),
    "a line dropped": steps(lambda p: p.lines(lambda all_: all_[:-1]), lambda p: _count_last(p, -1)),
    "a line doubled": steps(lambda p: p.lines(lambda all_: [*all_, all_[-1]]), lambda p: _count_last(p, 1)),
    "lines in another order": lambda p: p.lines(lambda all_: [*all_[100:], *all_[:100]]),
    "an empty line": lambda p: p.lines(lambda all_: [*all_, b"\n"]),
    "a line that is no JSON": lambda p: p.lines(lambda all_: [*all_[:-1], b"text of others\n"]),
    "a field left out": lambda p: p.lines(lambda all_: [all_[0].replace(b'"name":', b'"nom":'), *all_[1:]]),
    "a field more": lambda p: p.lines(
        lambda all_: [all_[0].replace(b'"name":', b'"x":1,"name":'), *all_[1:]]
    ),
    "bytes that are no text": lambda p: p.lines(
        lambda all_: [all_[0].replace(b'"name":"', b'"name":"\xff'), *all_[1:]]
    ),
    "events.jsonl listed twice": lambda p: p.manifest["files"].append(dict(p.entry("events.jsonl"))),
}
LINE_TYPES: dict[str, Fault] = {
    "a column's type in JSON lines": lambda p: p.manifest["tables"][BOUGHT]["columns"].update(price="string"),
    "an event type's rows in JSON lines": lambda p: _counted(p, 3),
}


def _count_last(p: Planting, by: int) -> None:
    last = (p.folder / "events.jsonl").read_bytes().splitlines()[-1]
    p.manifest["tables"][f"events/{json.loads(last)['event_type']}"]["rows"] += by


def _other_hours(p: Planting) -> None:
    """The first files of two hours, exchanged in the manifest and on disk."""
    first, second = (f for f in p.manifest["files"] if f["path"].startswith(BOUGHT) and "00000" in f["path"])
    a, b = p.folder / first["path"], p.folder / second["path"]
    data = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(data)
    first["path"], second["path"] = second["path"], first["path"]
    p.manifest["files"].sort(key=lambda file: file["path"])


def _renamed_hour(p: Planting) -> None:
    folder = next((p.folder / BOUGHT).iterdir())
    folder.rename(folder.with_name("hour=2031-01-01T00"))
    for file in p.manifest["files"]:
        file["path"] = file["path"].replace(folder.name, "hour=2031-01-01T00")
    p.manifest["files"].sort(key=lambda file: file["path"])


HOURS: dict[str, Fault] = {  # in partitions, all mended
    "files of two partitions exchanged": _other_hours,
    "a partition renamed": _renamed_hour,
    "other partition keys": lambda p: p.manifest["tables"][BOUGHT].update(partitioned_by=["date"]),
    "no partition keys": lambda p: p.manifest["tables"][BOUGHT].pop("partitioned_by"),
}
FAULTS = [
    *(("parquet", name, fault, False) for name, fault in MANIFEST.items()),
    *(("parquet", name, fault, True) for name, fault in CONSISTENT.items()),
    *(("parquet", name, fault, None) for name, fault in FILES.items()),
    *(("jsonl", name, fault, True) for name, fault in LINES.items()),
    *(("jsonl", name, fault, False) for name, fault in LINE_TYPES.items()),
    *(("hours", name, fault, True) for name, fault in HOURS.items()),
]


def test_there_are_enough_faults():
    """The table does not shrink unseen."""
    assert len(FAULTS) >= 80


@pytest.mark.parametrize(("layout", "name", "fault", "seal"), FAULTS, ids=[f"{f[0]}-{f[1]}" for f in FAULTS])
def test_a_planted_fault_is_found(whole, tmp_path, layout, name, fault, seal):
    """Each fault is found, and no text of foreign files is quoted."""
    folder = tmp_path / "planted"
    shutil.copytree(whole / layout, folder)
    planting = Planting(folder)
    fault(planting)
    if seal is not None:
        planting.save(seal=seal)
    problems = verify(folder)
    assert problems
    assert "text of others" not in "\n".join(problems)


@pytest.mark.parametrize("layout", ["jsonl.gz", "csv.gz", "arrow"])
def test_faults_in_other_encodings_are_found(whole, tmp_path, layout):
    """A bit in any file, and lines packed anew after one was changed."""
    for number, file in enumerate(json.loads((whole / layout / "manifest.json").read_text())["files"]):
        folder = tmp_path / str(number)
        shutil.copytree(whole / layout, folder)
        _flip(folder / file["path"])
        assert any(file["path"] in problem for problem in verify(folder))
    if layout == "jsonl.gz":
        lines = gzip.decompress((folder / "events.jsonl.gz").read_bytes()).splitlines(keepends=True)
        (folder / "events.jsonl.gz").write_bytes(
            gzip.compress(b"".join(_as_type(lines, "ResumeBought", "X")))
        )
        assert any("events of a type X" in problem for problem in verify(folder))


HOSTILE = [
    "events/A/../../../secret.parquet",
    "/secret.parquet",
    "..\\secret.parquet",
    "s3://b/secret.parquet",
]


@pytest.mark.parametrize("path", [*HOSTILE, "linked", "linked folder", "/dev/zero"])
def test_a_hostile_manifest_leads_nowhere(whole, tmp_path, path):
    """Neither `Dataset` nor `verify` reads outside the folder, and neither quotes what lies there."""
    folder = tmp_path / "planted"
    shutil.copytree(whole / "parquet", folder)
    secret = tmp_path / "secret.parquet"
    shutil.copy(folder / PART, secret)
    planting = Planting(folder)
    if path == "linked":
        (folder / PART).unlink()
        (folder / PART).symlink_to(secret)
    elif path == "linked folder":
        shutil.move(folder / BOUGHT, tmp_path / "other")
        (folder / BOUGHT).symlink_to(tmp_path / "other")
    else:
        planting.entry(PART)["path"] = path
        planting.save(seal=True)
    with pytest.raises(DatasetError, match=r"do not trust this data set") as caught:
        Dataset.open(folder)["ResumeBought"]
    assert caught.value.__cause__ is None
    assert verify(folder)


@pytest.mark.parametrize("name", ["manifest.json", PART, SESSIONS, "events.jsonl"])
def test_text_of_foreign_files_is_never_shown(whole, tmp_path, name):
    """Whatever lies where a file should be, an error does not quote it."""
    for layout in ("parquet", "csv", "jsonl"):
        folder = tmp_path / layout
        shutil.copytree(whole / layout, folder)
        known = name if layout != "csv" else name.replace(".parquet", ".csv")
        if not (folder / known).is_file():
            continue
        for text in ("root:x:0:0:secret\n", '{"secret": 1}\n', "sys__eid,sys__ets,sys__sid\nsecret,x,y,z\n"):
            (folder / known).write_text(text)
            said = "\n".join(verify(folder))
            with pytest.raises(DatasetError) as caught:
                data = Dataset.open(folder)
                _ = data["ResumeBought"], data["ResumeJoined"], data.sessions, data.events
            said += "".join(traceback.format_exception(caught.value)[-1:]) + str(caught.value)
            assert caught.value.__cause__ is None
            assert caught.value.__suppress_context__ or caught.value.__context__ is None
            assert "secret" not in said
