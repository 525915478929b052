"""Checking a data set against its manifest, byte by byte and value by value."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from deep_faker.errors import DatasetError, OutputError
from deep_faker.outputs.frames import plain_schema, plain_type
from deep_faker.outputs.hashing import TableHash
from deep_faker.outputs.linefile import SUFFIXES
from deep_faker.outputs.manifest import foreign_files, partition_of, read_manifest, table_of
from deep_faker.outputs.objectstore import ObjectPlace, is_url
from deep_faker.outputs.parts import plain_blocks
from deep_faker.outputs.paths import checked_path
from deep_faker.outputs.readers import partition_values, scan_files
from deep_faker.outputs.typenames import named_type, type_name

_PACKED = {suffix: way for way, suffix in SUFFIXES.items()}


def verify(path: str | os.PathLike[str]) -> list[str]:
    """What differs between the data set in ``path`` and its manifest; an empty list if nothing does.

    Reads every file: sizes, SHA-256, row counts, columns and their types, and the logical hash of
    every column. Files that the manifest does not list are reported too. What lies in an object store
    is copied to a temporary folder first.

    >>> verify("no/such/folder")[0]
    'error: no data set at no/such/folder\\nthere is no such folder'
    """
    if is_url(path):
        with TemporaryDirectory(prefix="deep_faker-") as fetched:
            return _fetch(ObjectPlace(str(path)), Path(fetched)) or verify(fetched)
    folder = checked_path(path)
    try:
        manifest = read_manifest(folder)
    except DatasetError as error:
        return [str(error)]
    try:
        return list(_differences(folder, manifest))
    except (KeyError, TypeError, AttributeError) as error:
        return [f"manifest.json is damaged: {type(error).__name__}: {error}"]


def _fetch(place: ObjectPlace, folder: Path) -> list[str]:
    """Copy all objects below a URL to a folder; what is wrong where that cannot be done."""
    try:
        with place.guarded("read"):
            names = place.names()
            for name in names:
                place.fetch(name, folder / name)
    except OutputError as error:
        return [str(error)]
    return [] if names else [f"error: no data set at {place.url}"]


def _differences(folder: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    rows: defaultdict[str, int] = defaultdict(int)
    lines = manifest["layout"] == "jsonl"
    for file in manifest["files"]:
        name = str(file["path"])
        table_name = table_of(name, manifest["tables"])
        rows[table_name] += file["rows"]
        try:
            columns = manifest["tables"].get(table_name, {}).get("columns", {})
            if manifest["tables"].get(table_name, {}).get("partitioned_by"):
                held = partition_values(partition_of(name))
                columns = {column: kind for column, kind in columns.items() if column not in held}
            yield from (f"{name}: {what}" for what in _file(folder / name, file, columns))
        except (OSError, pa.ArrowException) as error:
            reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
            yield f"{name}: cannot be read: {reason}"
    for name, table in manifest["tables"].items():
        found = rows[name] if not lines or not name.startswith("events/") else table["rows"]
        if found != table["rows"]:
            yield f"{name}: the manifest counts {table['rows']:,} rows, its files {found:,}"
    if lines:
        events = sum(t["rows"] for n, t in manifest["tables"].items() if n.startswith("events/"))
        if rows[""] != events:
            yield f"events.jsonl: the manifest counts {events:,} events, the file {rows['']:,}"
    for name in foreign_files(folder):
        yield f"{name}: not in the manifest"


def _file(path: Path, told: Mapping[str, Any], columns: Mapping[str, str]) -> Iterator[str]:
    digest, size, newlines = _read(path)
    if size != told["bytes"]:
        yield f"{size:,} bytes, the manifest says {told['bytes']:,}"
    if digest != told["sha256"]:
        yield "sha256 differs"
    if path.name.startswith("events.jsonl"):
        if path.suffix in _PACKED:
            logical, newlines = _read_lines(path, _PACKED[path.suffix])
            if logical != told["logical"]:
                yield "the lines differ"
        if newlines != told["rows"]:
            yield f"{newlines:,} lines, the manifest says {told['rows']:,}"
        return
    table = _table(path, columns)
    if table.num_rows != told["rows"]:
        yield f"{table.num_rows:,} rows, the manifest says {told['rows']:,}"
    types = {f.name: type_name(plain_type(f.type)) for f in table.schema}
    if types != dict(columns) or list(types) != list(columns):
        yield f"columns are {types}, the manifest says {dict(columns)}"
    hashes = TableHash(table.column_names)
    for arrays in plain_blocks(table, plain_schema(table.schema)):
        hashes.update(arrays)
    found = hashes.columns()
    different = [name for name, value in told["columns"].items() if found.get(name) != value]
    if different:
        yield f"values differ in {', '.join(different)}"
    elif hashes.hexdigest() != told["logical"]:
        yield "the logical hash differs"


def _table(path: Path, columns: Mapping[str, str]) -> pa.Table:
    if path.suffix == ".parquet":
        return pq.ParquetFile(path).read()
    if path.suffix == ".arrow":
        return pa.ipc.open_file(path).read_all()
    types = {name: named_type(kind) for name, kind in columns.items()}
    try:
        return scan_files([path.absolute()], types).collect().to_arrow().cast(pa.schema(types.items()))
    except pl.exceptions.PolarsError as error:
        raise OSError(str(error)) from error


def _read_lines(path: Path, compression: str) -> tuple[str, int]:
    """SHA-256 and number of the lines in a compressed file."""
    digest, newlines = hashlib.sha256(), 0
    with pa.input_stream(str(path), compression=compression) as lines:
        while piece := lines.read(1 << 20):
            digest.update(piece)
            newlines += piece.count(b"\n")
    return digest.hexdigest(), newlines


def _read(path: Path) -> tuple[str, int, int]:
    """SHA-256, size and number of newlines of a file."""
    digest, size, newlines = hashlib.sha256(), 0, 0
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
            size += len(piece)
            newlines += piece.count(b"\n")
    return digest.hexdigest(), size, newlines
