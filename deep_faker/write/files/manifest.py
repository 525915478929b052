"""manifest.json: what a data set holds, so that anybody can tell whether it is whole."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NotRequired, TypedDict, cast

import pyarrow as pa

from deep_faker.errors import DatasetError, Diagnostic
from deep_faker.write.files.part_names import is_of_parts
from deep_faker.write.frames import plain_schema
from deep_faker.write.lines.json_lines import nested_columns
from deep_faker.write.names import folder_of
from deep_faker.write.protocol import FileEntry, FileReceipt, RunInfo, RunSettings
from deep_faker.write.type_names import JSON, type_name
from deep_faker.write.whole.confined import why_outside, why_unfit
from deep_faker.write.whole.seal import KEY, checksum, parsed, sealed

NAME = "manifest.json"
CERTIFICATE = ("verify.sql", "verify.py")
"""What may lie beside the data: statements that hold of them, and a script that runs these."""
FORMAT = "deep_faker data set"
VERSION = 1
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - naive UTC throughout (T1)


class TableEntry(TypedDict):
    """A table as manifests have it: its rows, the types of its columns, and the keys of its partitions."""

    rows: int
    columns: dict[str, str]
    partitioned_by: NotRequired[list[str]]


class PartsEntry(TypedDict):
    """What a manifest says of its parts: the program that all have, and the first and last ``sys__ets``.

    ``replicated``: the tables of entities that all parts have, each of which is put together in one file.
    """

    program: str
    time_range: list[int] | None
    replicated: list[str]


class ListEntry(TypedDict):
    """A Parquet file that lists the files of some parts: see `listed_files`."""

    path: str
    files: int
    bytes: int
    sha256: str


class Manifest(TypedDict):
    """The document of a data set; `check_manifest` holds one to this shape. On disk it is sealed."""

    format: str
    version: int
    seed: int
    start_time: str
    end_time: str
    partitions: int
    filtered: NotRequired[bool]
    settings: RunSettings
    versions: dict[str, str]
    layout: str
    csv_formulas: NotRequired[str]
    tables: dict[str, TableEntry]
    files: list[FileEntry]
    parts: NotRequired[PartsEntry]
    lists: NotRequired[list[ListEntry]]


class _Filtered(TypedDict, total=False):
    filtered: bool


class _Parts(TypedDict, total=False):
    parts: PartsEntry
    lists: list[ListEntry]


class _Formulas(TypedDict, total=False):
    csv_formulas: str


class _Partitioned(TypedDict, total=False):
    partitioned_by: list[str]


def make_manifest(
    info: RunInfo,
    *,
    layout: str,
    tables: Mapping[str, pa.Schema],
    rows: Mapping[str, int],
    files: Sequence[FileReceipt],
    keys: Mapping[str, Sequence[str]] | None = None,
    csv_formulas: str = "keep",
) -> Manifest:
    """The manifest of a run; ``keys`` has the partition keys of tables.

    Nothing in it depends on the machine, the hour, workers or engine (R1).
    """
    of_lines = layout == "jsonl"
    filtered: _Filtered = {"filtered": True} if info.filtered else {}
    parts: _Parts = {}  # `commit` knows them
    formulas: _Formulas = {"csv_formulas": csv_formulas} if csv_formulas != "keep" else {}
    texts = {f"events/{name}": nested_columns(spec) for name, spec in info.events.items() if of_lines}
    return {
        "format": FORMAT,
        "version": VERSION,
        "seed": info.seed,
        "start_time": instant(info.start_micros),
        "end_time": instant(info.end_micros),
        "partitions": info.partitions,
        **filtered,
        "settings": info.settings.copy(),
        "versions": versions(),
        "layout": layout,
        **formulas,
        "tables": {
            name: {
                "rows": rows.get(name, 0),
                "columns": _columns(schema, texts.get(name, frozenset())),
                **_partitioned(keys[name] if keys and name in keys else None),
            }
            for name, schema in tables.items()
        },
        "files": [receipt.as_dict() for receipt in files],
        **parts,
    }


def _partitioned(keys: Sequence[str] | None) -> _Partitioned:
    return {} if keys is None else {"partitioned_by": list(keys)}


def _columns(schema: pa.Schema, texts: frozenset[str]) -> dict[str, str]:
    return {f.name: JSON if f.name in texts else type_name(f.type) for f in plain_schema(schema)}


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write it with its checksum and make it durable. The caller does this last."""
    text = json.dumps(sealed(manifest), indent=1, ensure_ascii=False) + "\n"
    with (folder / NAME).open("xb", buffering=0) as file:
        file.write(text.encode())
        os.fsync(file.fileno())


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the data set in ``folder``.

    Raises `DatasetError` where there is none, or one of another kind.
    """
    path = folder / NAME
    if why := why_outside(folder, NAME):
        raise DatasetError(Diagnostic(f"cannot read {path}", None, why, "restore it, or run again"))
    try:
        return parsed_manifest(path.read_bytes(), str(path))
    except FileNotFoundError:
        if not folder.exists():
            raise DatasetError(
                Diagnostic(f"no data set at {folder}", None, "there is no such folder")
            ) from None
        label = f"it has no {NAME}, which is written last"
        raise DatasetError(
            Diagnostic(f"{folder} is no whole data set", None, label, "run it again")
        ) from None
    except NotADirectoryError:
        raise DatasetError(Diagnostic(f"{folder} is a file", None, "a data set is a folder")) from None
    except OSError as error:
        raise DatasetError(Diagnostic(f"cannot read {path}", None, str(error))) from error


def parsed_manifest(text: bytes, path: str) -> Manifest:
    """The manifest in ``text``, which came from ``path``. Raises `DatasetError` for one of another kind."""
    try:
        manifest = parsed(text)
    except ValueError as error:
        raise DatasetError(Diagnostic(f"cannot read {path}", None, str(error))) from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        label = f"its format is not {FORMAT!r}"
        raise DatasetError(Diagnostic(f"{path} is not ours", None, label))
    if manifest.get("version") != VERSION:
        label = f"it has version {str(manifest.get('version'))[:20]}, this package reads {VERSION}"
        raise DatasetError(
            Diagnostic(f"{path} is of another version", None, label, "read it with its own version")
        )
    return cast("Manifest", manifest)  # whether the rest is there too, `check_manifest` says


def check_manifest(manifest: Manifest, path: str) -> None:
    """Raise `DatasetError` where the manifest was changed, or names files that lie elsewhere.

    One without a checksum, as earlier versions wrote it, is read; `verify` says so.
    """
    document: Mapping[str, object] = manifest
    if KEY in document and document[KEY] != checksum(document):
        label = "its checksum is not that of its text: somebody changed it"
        raise DatasetError(Diagnostic(f"{path} is damaged", None, label, "restore it, or run again"))
    if not _has_shape(document):
        label = "it lacks what a manifest has"
        raise DatasetError(Diagnostic(f"{path} is damaged", None, label, "restore it, or run again"))
    second = manifest.get("lists", [])
    for name in [*manifest["tables"], *(file["path"] for file in [*manifest["files"], *second])]:
        if why := why_unfit(name):
            mend = "do not trust this data set"
            raise DatasetError(Diagnostic(f"{path} names {str(name)[:80]!r}", None, why, mend))


def _has_shape(manifest: Mapping[str, object]) -> bool:
    """Whether what a reader needs is there, each of its kind."""
    tables, files = manifest.get("tables"), manifest.get("files")
    if (
        not isinstance(tables, dict)
        or not isinstance(files, list)
        or not isinstance(manifest.get("layout"), str)
    ):
        return False
    for table in tables.values():
        if not isinstance(table, dict) or not isinstance(table.get("rows"), int):
            return False
        columns, keys = table.get("columns"), table.get("partitioned_by", [])
        if not isinstance(columns, dict) or not isinstance(keys, list):
            return False
        if not all(isinstance(name, str) for name in (*columns.values(), *keys)):
            return False
    second = manifest.get("lists", [])
    if not isinstance(second, list) or not isinstance(manifest.get("parts", {}), dict):
        return False
    return all(isinstance(file, dict) and isinstance(file.get("path"), str) for file in [*files, *second])


def table_of(path: str, tables: Collection[str]) -> str:
    """The table that a data set's file belongs to; empty for one that holds several.

    >>> table_of("events/Order/date=2024-01-31/part-00000.parquet", ["events/Order"])
    'events/Order'
    >>> table_of("events/Sent_int/part-00000.parquet", ["events/Sent[int]"])
    'events/Sent[int]'
    """
    folders = {folder_of(table): table for table in tables} | {table: table for table in tables}
    name = path.rpartition("/")[0]
    while name and name not in folders:
        name = name.rpartition("/")[0]
    return folders.get(name, "")


def partition_of(path: str) -> str:
    """The folders of partitions that a table's file lies in.

    >>> partition_of("events/Order/date=2024-01-31/part-00000.parquet")
    'date=2024-01-31'
    """
    return "/".join(path.split("/")[2:-1])


def foreign_files(folder: Path) -> list[str]:
    """What lies in ``folder`` and does not belong to the data set there; everything if there is none."""
    try:
        manifest = read_manifest(folder)
        known = {NAME, *(str(file["path"]) for file in [*manifest["files"], *manifest.get("lists", [])])}
        of_parts = "parts" in manifest
    except (DatasetError, KeyError, TypeError):
        known, of_parts = set(), False
    return [
        path
        for path, is_folder in walk(folder)
        if not is_folder
        and path not in known
        and not (of_parts and is_of_parts(path))
        and not (path in CERTIFICATE and len(known) > 1)
    ]


def walk(folder: Path) -> Iterator[tuple[str, bool]]:
    """What lies below ``folder``, by path, and whether it is a folder; links are none, and not followed."""
    for base, folders, names in os.walk(folder):
        for name in sorted([*folders, *names]):
            path = Path(base, name)
            yield path.relative_to(folder).as_posix(), name in folders and not path.is_symlink()


def versions() -> dict[str, str]:
    """The versions that equal bytes need."""
    out = {"python": platform.python_version()}
    for package in ("deep-faker", "numpy", "polars", "pyarrow"):
        out[package] = _version(package)
    return out


@cache  # a distribution's metadata are a file that is parsed anew each time: 1 ms, several times a run
def _version(package: str) -> str:
    if package == "deep-faker":
        from deep_faker._version import __version__

        return __version__
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def instant(micros: int) -> str:
    """Microseconds since the epoch as ISO 8601, UTC.

    >>> instant(0)
    '1970-01-01T00:00:00'
    """
    return (_EPOCH + dt.timedelta(microseconds=micros)).isoformat()
