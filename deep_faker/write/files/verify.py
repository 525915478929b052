"""Checking a data set against its manifest, byte by byte, value by value, and row against row."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from deep_faker.errors import DatasetError, OutputError
from deep_faker.write.certificate.files import certificate_faults, certificate_problems
from deep_faker.write.files.agreement import IDS, Agreement
from deep_faker.write.files.listing import listing_problems
from deep_faker.write.files.manifest import CERTIFICATE, Manifest, partition_of, read_manifest, table_of
from deep_faker.write.files.object_store import ObjectPlace, is_url
from deep_faker.write.files.part_names import read_name
from deep_faker.write.files.partitions import wrong_times
from deep_faker.write.files.parts import blocks_of
from deep_faker.write.files.readers import guarded_reader, partition_values, scan_files
from deep_faker.write.files.second_level import with_files
from deep_faker.write.files.verify_lines import Lines
from deep_faker.write.frames import plain_schema, plain_type
from deep_faker.write.lines.line_file import SUFFIXES
from deep_faker.write.paths import checked_path
from deep_faker.write.protocol import FileEntry
from deep_faker.write.type_names import named_type, type_name
from deep_faker.write.whole.confined import why_outside, why_unfit
from deep_faker.write.whole.hashing import TableHash
from deep_faker.write.whole.seal import KEY, checksum

_PACKED = {suffix: way for way, suffix in SUFFIXES.items()}


def verify(path: str | os.PathLike[str]) -> list[str]:
    """What differs between the data set in ``path`` and its manifest; an empty list if nothing does.

    Reads every file: sizes, SHA-256, row counts, columns and their types, and the logical hash of every
    column; the manifest's checksum of itself; and whether the rows agree with each other: the order in
    time, ids and sessions, the events that sessions count, keys of entities. Files, folders and links that
    are no data set's are reported too. A certificate beside the data (`Dataset.certify`) must be that of
    this manifest, and is run where DuckDB is installed. What lies in an object store is copied to a
    temporary folder first.

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
        whole = with_files(manifest, lambda name: _bytes(folder, name))
        found = [*_seal(manifest), *certificate_problems(folder, whole), *_Checks(folder, whole).problems()]
        # SQL of others is not run: only where the certificate is what we would write, and all else is whole
        return found or [f"{CERTIFICATE[0]}: {fault}" for fault in certificate_faults(folder) or ()]
    except DatasetError as error:
        return [*_seal(manifest), str(error)]
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        return [f"manifest.json is damaged: {type(error).__name__}"]


def _bytes(folder: Path, name: str) -> bytes | None:
    return (
        None if why_outside(folder, name) or not (folder / name).is_file() else (folder / name).read_bytes()
    )


def _seal(manifest: Manifest) -> Iterator[str]:
    told, actual = manifest.get(KEY), checksum(manifest)
    if told is None:
        yield "manifest.json has no checksum of itself"
    elif told != actual:
        yield f"manifest.json was changed: its checksum is {str(told)[:8]}…, that of its text {actual[:8]}…"


def _fetch(place: ObjectPlace, folder: Path) -> list[str]:
    """Copy all objects below a URL to a folder; what is wrong where that cannot be done."""
    try:
        with place.guarded("read"):
            names = place.names()
            for name in names:
                if why := why_unfit(name):
                    return [f"{name!r}: {why}"]
                place.fetch(name, folder / name)
    except OutputError as error:
        return [str(error)]
    return [] if names else [f"error: no data set at {place.url}"]


class _Checks:
    """The checks of one data set, each file read once."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._folder, self._manifest = folder, manifest
        self._tables = manifest["tables"]
        self._agreement = Agreement(manifest)

    def problems(self) -> Iterator[str]:
        rows: defaultdict[str, int] = defaultdict(int)
        listing = listing_problems(self._folder, self._manifest)
        yield from (f"{name}: {why}" for name, why in listing.items())
        for file in self._manifest["files"]:
            name = str(file["path"])
            table = table_of(name, self._tables)
            rows[table] += file["rows"]
            if name in listing and not (self._folder / name).is_file():
                continue
            if why_unfit(name) or "outside" in listing.get(name, ""):
                continue
            try:
                with guarded_reader(self._folder / name):
                    yield from (f"{name}: {what}" for what in self._file(name, file, table))
            except DatasetError as error:
                yield f"{name}: cannot be read: {error.diagnostic.label}"
        yield from self._sums(rows)
        yield from self._agreement.problems()

    def _sums(self, rows: Mapping[str, int]) -> Iterator[str]:
        lines = self._manifest["layout"] == "jsonl"
        for name, table in self._tables.items():
            counted = rows[name] if not lines or not name.startswith("events/") else table["rows"]
            if counted != table["rows"]:
                yield f"{name}: the manifest counts {table['rows']:,} rows, its files {counted:,}"
        if lines:
            events = sum(t["rows"] for n, t in self._tables.items() if n.startswith("events/"))
            if rows[""] != events:
                yield f"events.jsonl: the manifest counts {events:,} events, the file {rows['']:,}"

    def _file(self, name: str, told: FileEntry, table: str) -> Iterator[str]:
        path = self._folder / name
        digest, size = _read(path)
        if size != told["bytes"]:
            yield f"{size:,} bytes, the manifest says {told['bytes']:,}"
        if digest != told["sha256"]:
            yield "sha256 differs"
        if not table:
            yield from self._lines(path, told)
            return
        columns = self._tables[table]["columns"]
        folder = partition_of(name)
        held = partition_values(folder) if folder else {}
        columns = {column: kind for column, kind in columns.items() if column not in held}
        contents = _table(path, columns, self._manifest.get("csv_formulas", "keep"))
        yield from _values(contents, told, columns)
        read = read_name(name.rpartition("/")[2])
        yield from self._rows(table, folder, None if read is None else read.part, contents, held)

    def _rows(
        self, table: str, folder: str, of: int | None, rows: pa.Table, held: Mapping[str, str | None]
    ) -> Iterator[str]:
        """What the rows say about each other; ``of``: the part that they are of."""
        group, _, type_ = table.partition("/")
        needed = {"events": IDS, "sessions": ("sys__sid", "started", "ended", "events")}.get(group, ())
        if not {*needed} <= {*rows.column_names}:
            return
        if group == "events":
            yield from self._agreement.events(f"{table}/{folder}/{of}", rows, of or 0)
            if wrong_times(rows, held):
                yield "it holds events of another time than its folder's name says"
        elif group == "sessions":
            yield from self._agreement.sessions(rows)
        elif group == "entities":
            yield from self._agreement.entities(type_, rows)
        elif group == "history":
            yield from self._agreement.history(type_, rows)

    def _lines(self, path: Path, told: FileEntry) -> Iterator[str]:
        lines = Lines(self._tables, self._agreement)
        yield from lines.read(path, _PACKED.get(path.suffix))
        if lines.sha256 != told["logical"]:
            yield "the lines differ"
        if lines.rows != told["rows"]:
            yield f"{lines.rows:,} lines, the manifest says {told['rows']:,}"
        for name in lines.columns:
            rows = self._tables[f"events/{name}"]["rows"]
            if lines.counts[name] != rows:
                yield f"{lines.counts[name]:,} events of {name}, the manifest counts {rows:,}"


def _values(table: pa.Table, told: FileEntry, columns: Mapping[str, str]) -> Iterator[str]:
    if table.num_rows != told["rows"]:
        yield f"{table.num_rows:,} rows, the manifest says {told['rows']:,}"
    types = {f.name: type_name(plain_type(f.type)) for f in table.schema}
    if types != dict(columns) or list(types) != list(columns):
        yield f"columns are {types}, the manifest says {dict(columns)}"
    hashes = TableHash(table.column_names)
    for arrays in blocks_of(table, plain_schema(table.schema)):
        hashes.update(arrays)
    actual = hashes.columns()
    different = [
        name for name in {**actual, **told["columns"]} if actual.get(name) != told["columns"].get(name)
    ]
    if different:
        yield f"values differ in {', '.join(different)}"
    elif hashes.hexdigest() != told["logical"]:
        yield "the logical hash differs"


def _table(path: Path, columns: Mapping[str, str], formulas: str) -> pa.Table:
    """The rows of a file. Arrow takes offsets and texts as they lie there: they are looked at first."""
    if path.suffix in (".parquet", ".arrow"):
        import pyarrow.parquet as pq  # at use: it loads the clients of all object stores

        arrow = path.suffix == ".arrow"
        table = pa.ipc.open_file(path).read_all() if arrow else pq.ParquetFile(path).read()
        table.validate(full=True)
        return table
    types = {name: named_type(kind) for name, kind in columns.items()}
    rows = scan_files([path.absolute()], types, formulas=formulas).collect()
    return rows.to_arrow().cast(pa.schema(types.items()))


def _read(path: Path) -> tuple[str, int]:
    """SHA-256 and size of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
