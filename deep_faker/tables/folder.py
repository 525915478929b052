"""The tables of a data set in a folder or an object store."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import polars as pl

from deep_faker.errors import DatasetError, Diagnostic, OutputError
from deep_faker.tables.source import ORDER, TIME, common_columns, common_types, is_stamped, shared_keys
from deep_faker.write.files.manifest import (
    NAME,
    Manifest,
    parsed_manifest,
    partition_of,
    read_manifest,
    table_of,
)
from deep_faker.write.files.object_store import ObjectPlace, is_url, local_only
from deep_faker.write.files.readers import (
    in_json,
    json_columns,
    parsed,
    polars_type,
    scan_files,
    scan_partitions,
)
from deep_faker.write.files.second_level import all_paths
from deep_faker.write.lines.json_lines import exact
from deep_faker.write.paths import checked_path, exact_path, has_pattern
from deep_faker.write.type_names import JSON, named_type
from deep_faker.write.whole.confined import why_outside

# by which the rows of several parts are put in one order
_TIMES = {
    "events": "sys__ets",
    "sessions": "ended",
    "entities": "born",
    "history": "valid_to",
    "dirty": "available_time",
    "truth": "sys__time",
    "labels": "known_at",
}


def opened(path: object, storage_options: Mapping[str, object] | None) -> tuple[Manifest, Place]:
    """The manifest of the data set at ``path``, and where its files are. Raises `DatasetError` for none."""
    if not is_url(path):
        local_only(storage_options, path)
        folder = checked_path(path)
        return read_manifest(folder), Place(folder.absolute())  # polars takes ~ for the home folder
    store = ObjectPlace(str(path), storage_options)
    try:
        with store.guarded("read", "nothing was read"):
            text = store.read(NAME)
    except OutputError as error:
        raise DatasetError(*error.diagnostics) from None
    if text is None:
        label = f"there is no {NAME}, which is written last"
        raise DatasetError(Diagnostic(f"no whole data set at {store.url}", None, label))
    return parsed_manifest(text, f"{store.url}/{NAME}"), Place(store.url, store.reader_options(), store)


class Place:
    """Where a data set's files are: a folder, or a URL with its store and the options that Polars takes."""

    def __init__(
        self,
        base: Path | str,
        options: dict[str, str] | None = None,
        store: ObjectPlace | None = None,
    ) -> None:
        self.base, self.options, self.store = base, options, store

    def paths(self, names: list[str]) -> list[str] | list[Path]:
        """The files of these names, as Polars takes them. Raises `DatasetError` where one is missing."""
        if not isinstance(self.base, Path):
            return [f"{self.base}/{name}" for name in names]
        paths = [self.base / name for name in names]
        for name, path in zip(names, paths):
            if why := why_outside(self.base, name):
                raise DatasetError(Diagnostic(f"{path} is not read", None, why, "do not trust this data set"))
            if not path.is_file():
                label = "the manifest lists it"
                raise DatasetError(Diagnostic(f"{path} is missing", None, label, "restore it, or run again"))
        return paths

    def read(self, name: str) -> bytes | None:
        """The bytes of a file; None where there is none."""
        if self.store is not None:
            return self.store.read(name)
        [path] = self.paths([name])
        assert isinstance(path, Path)
        return path.read_bytes()

    def lines(self, name: str) -> str | Path | IO[bytes]:
        """The file of JSON lines as Polars takes it, which looks for patterns in names of such files."""
        [path] = self.paths([name])
        if self.store is None:
            return exact_path(path)
        # in URLs it knows no way to write them so that they stand for themselves
        return io.BytesIO(self.store.read(name) or b"") if has_pattern(path) else path


class FolderTables:
    """The tables of a data set in a folder, here or in an object store."""

    def __init__(self, place: Place, manifest: Manifest) -> None:
        self._place = place
        self._tables = manifest["tables"]
        self._files = all_paths(manifest, place.read)
        self._of_parts = "parts" in manifest
        tables: dict[str, str] = {}
        self._by_table: dict[str, list[str]] = {}
        for path in self._files:  # a million of them, of many parts: each folder is looked up once
            folder = path.rpartition("/")[0]
            if folder not in tables:
                tables[folder] = table_of(path, self._tables)
            self._by_table.setdefault(tables[folder], []).append(path)
        self._lines = manifest["layout"] == "jsonl"
        self._formulas = str(manifest.get("csv_formulas", "keep"))
        names = [path for path in self._files if path.startswith("events.jsonl")]
        self._lines_name = names[0] if names else "events.jsonl"
        self._empty = sum(t["rows"] for n, t in self._tables.items() if n.startswith("events/")) == 0

    def names(self) -> list[str]:
        return list(self._tables)

    def rows(self, name: str) -> int:
        return int(self._tables[name]["rows"])

    def columns(self, name: str) -> Mapping[str, str]:
        columns: dict[str, str] = self._tables[name]["columns"]
        return columns

    def scan(self, name: str, *, in_time: bool = True) -> pl.LazyFrame:
        if self._lines and name.startswith("events/"):
            return self._scan_lines(name)
        rows = self._scan_files(name)
        if not self._of_parts or not in_time:
            return rows
        # The parts lie one after the other, their times side by side. A stable sort takes half the processor
        # time of a tree of merges, and no more memory.
        group = name.partition("/")[0]
        is_exact = group == "events" and ORDER in self._tables[name]["columns"]
        time = _TIMES.get(group)
        if time not in self._tables[name]["columns"]:  # what is latent has no times: it is found by keys
            return rows
        by = [TIME, ORDER] if is_exact else [time]
        return rows.sort(by, maintain_order=True, nulls_last=True)

    def _scan_files(self, name: str) -> pl.LazyFrame:
        table = self._tables[name]
        names = self._by_table.get(name, [])
        paths = self._place.paths(names)
        columns = {column: named_type(kind) for column, kind in table["columns"].items()}
        keys = table.get("partitioned_by")
        if not keys:
            return scan_files(paths, columns, self._place.options, formulas=self._formulas)
        folders = [partition_of(path) for path in names]
        pairs, options = list(zip(folders, paths)), self._place.options
        return scan_partitions(pairs, columns, keys, options, formulas=self._formulas)

    def events(self, names: list[str]) -> pl.DataFrame:
        keys = shared_keys(self, names)
        kinds = self._kinds()
        if self._lines and all(kinds[key] == {kind} for key, kind in keys.items()):
            return self._common_lines(names, keys)
        events = common_columns(self, names, [self.scan(f"events/{name}") for name in names])
        in_order = [TIME, ORDER] if is_stamped(self, names) else ["sys__ets"]
        return events.sort(in_order, maintain_order=True).collect()

    def _common_lines(self, names: list[str], keys: Mapping[str, str]) -> pl.DataFrame:
        """The same of the lines, which are in order, at one reading."""
        types = common_types(stamped=is_stamped(self, names)) | {
            key: polars_type(named_type(kind)) for key, kind in keys.items()
        }
        columns = {name: named_type(kind) for name, kind in keys.items()}
        if "sys__time" in types:
            columns["sys__time"] = named_type("timestamp[us]")
        texts = [name for name, kind in columns.items() if not in_json(kind)]
        frame = self._read_lines({**types, **dict.fromkeys(texts, pl.String())})
        return frame.with_columns(parsed(name, columns[name]) for name in texts).select(*types).collect()

    def _scan_lines(self, name: str) -> pl.LazyFrame:
        event, written = name.removeprefix("events/"), self._tables[name]["columns"]
        columns = {c: named_type(t) for c, t in written.items()}
        # Another event type may have a column of this name and another type: that one is read as text.
        clash = {column for column, kinds in self._kinds().items() if len(kinds) > 1}
        by_value = {
            c: None if t == JSON else columns[c]
            for c, t in written.items()
            if t == JSON or (columns[c].num_fields and (c in clash or not in_json(columns[c])))
        }
        types = {c: polars_type(t) for c, t in columns.items()}
        read = {c: t if in_json(columns[c]) and c not in clash else pl.String() for c, t in types.items()}
        frame = self._read_lines({**read, "event_type": pl.String()})
        frame = frame.filter(pl.col("event_type") == event).drop("event_type")
        if by_value and not self._empty:
            others = frame.select(exact(c) for c in columns if c not in by_value)
            lines = self._place.lines(self._lines_name)
            made = json_columns(lines, event, by_value, self._place.options)
            frame = pl.concat([others, made], how="horizontal").select(exact(c) for c in columns)
            types = {c: t for c, t in types.items() if c not in by_value}
        return frame.with_columns(parsed(c, columns[c]) for c, t in types.items() if t != read[c])

    def _read_lines(self, schema: Mapping[str, pl.DataType]) -> pl.LazyFrame:
        lines = self._place.lines(self._lines_name)
        if self._empty:
            return pl.LazyFrame(schema=schema)
        return pl.scan_ndjson(lines, schema=dict(schema), storage_options=self._place.options)

    def _kinds(self) -> Mapping[str, set[str]]:
        """Column → the types that it has in the event types of this data set."""
        types: dict[str, set[str]] = {}
        for name, table in self._tables.items():
            if name.startswith("events/"):
                for column, kind in table["columns"].items():
                    types.setdefault(column, set()).add(kind)
        return types
