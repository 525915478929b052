"""Reading a run back: from a folder, or from memory."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, Protocol

import polars as pl

from deep_faker.declare.checks import one_of
from deep_faker.errors import DatasetError, Diagnostic, OutputError, near
from deep_faker.run.parted.commit import commit
from deep_faker.write.files.manifest import (
    NAME,
    Manifest,
    check_manifest,
    parsed_manifest,
    partition_of,
    read_manifest,
    table_of,
)
from deep_faker.write.files.object_store import ObjectPlace, is_url, local_only
from deep_faker.write.files.readers import (
    guarded_reader,
    in_json,
    json_columns,
    parsed,
    polars_type,
    scan_files,
    scan_partitions,
)
from deep_faker.write.files.second_level import all_paths
from deep_faker.write.files.verify import verify
from deep_faker.write.lines.json_lines import exact
from deep_faker.write.paths import checked_path, exact_path, has_pattern
from deep_faker.write.type_names import JSON, named_type
from deep_faker.write.whole.confined import why_outside

if TYPE_CHECKING:
    from deep_faker.write import MemoryOutput

__all__ = ["Dataset", "commit", "verify"]

_TIMES = {"events": "sys__ets", "sessions": "ended", "entities": "born", "history": "valid_to"}
_COMMON = ("sys__eid", "sys__ets", "sys__sid")


class _Source(Protocol):
    """Where a data set's tables are."""

    def names(self) -> list[str]: ...

    def rows(self, name: str) -> int: ...

    def scan(self, name: str, *, in_time: bool = True) -> pl.LazyFrame: ...

    def events(self, names: list[str]) -> pl.DataFrame: ...


class Dataset:
    """The tables of one run.

    ``ds[UserLogin]`` (or its name) is a Polars frame of that event type, ``ds.scan(UserLogin)`` a
    lazy one; ``ds.events`` has the common columns of all types. ``ds.entities[User]`` is the final
    state, ``ds.history[User]`` every version, ``ds.sessions`` one row a flow, ``ds.manifest`` what
    the run was. Iterating gives the names of the event types. Frames hand themselves over by the
    Arrow PyCapsule interface, to pyarrow, pandas or DuckDB. A data set can be pickled, for worker
    processes: one in a folder takes its place with it, one in memory its tables.

    Raises `DatasetError` for a name that is not there, with those that are, and for files that are missing,
    damaged, or outside the folder.

    >>> from deep_faker import BaseEvent, Field, NewEvent, Simulation
    >>> class Ping(BaseEvent):
    ...     size: int = Field(faker="random_int", min=1, max=9)
    >>> sim = Simulation(duration="1s", start_time="2024-01-01", n_flows=2, random_seed=1)
    >>> @sim.flow()
    ... def ping(ctx):
    ...     yield NewEvent(ctx, Ping)
    >>> sim.collect()
    Dataset(in memory, 2 events)
      events    Ping: 2
      sessions  2
    """

    def __init__(self, source: _Source, manifest: Mapping[str, Any], place: str) -> None:
        self._source = source
        self._place = place
        self._events = _Frames(source, place, "events")
        self.entities: Mapping[type | str, pl.DataFrame] = _Frames(source, place, "entities")
        """Entity type (or its name) → final state of its entities, in order of birth."""
        self.history: Mapping[type | str, pl.DataFrame] = _Frames(source, place, "history")
        """Entity type (or its name) → every version of its entities; kept by ``run(history=True)``."""
        self.manifest: Mapping[str, Any] = manifest
        """The seed, start time, versions and files of the run; for a run in memory without files."""

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], storage_options: Mapping[str, object] | None = None
    ) -> Dataset:
        """The data set in the folder ``path``; files are read when a table is asked for.

        ``path`` may be a URL (``s3://bucket/shop``), with the ``storage_options`` of `ParquetOutput`.
        Raises `DatasetError` where there is no whole data set.
        """
        manifest, place = _opened(path, storage_options)
        check_manifest(manifest, f"{place.base}/{NAME}")
        return cls(_Folder(place, manifest), manifest, str(path))

    @classmethod
    def from_memory(cls, memory: MemoryOutput) -> Dataset:
        """What a `MemoryOutput` holds."""
        source = _Memory(memory)
        return cls(source, memory.manifest(), "in memory")

    def __repr__(self) -> str:
        events = sum(self._events.rows(name) for name in self)
        lines = [f"Dataset({self._place}, {events:,} events)"]
        for group in ("events", "entities", "history"):
            frames = _Frames(self._source, self._place, group)
            counts = [f"{name}: {frames.rows(str(name)):,}" for name in frames]
            if counts:
                lines.append(f"  {group:9} {', '.join(counts)}")
        if "sessions" in self._source.names():
            lines.append(f"  sessions  {self._source.rows('sessions'):,}")
        return "\n".join(lines)

    def __getitem__(self, event: type | str) -> pl.DataFrame:
        return self._events[event]

    def __iter__(self) -> Iterator[str]:
        return iter(self._events)

    def __len__(self) -> int:
        return len(self._events)

    def __contains__(self, event: object) -> bool:
        return event in self._events

    def scan(self, event: type | str, *, order: Literal["time", "part"] = "time") -> pl.LazyFrame:
        """A lazy frame of one event type. What its ``collect()`` raises of a damaged file is Polars' own.

        Of a run in parts it is in order of time, too, which takes all rows at once; ``order="part"`` gives
        part after part, each in order of time, which streams.
        """
        one_of("order", order, ("time", "part"))
        return self._events.scan(event, in_time=order == "time")

    @property
    def events(self) -> pl.DataFrame:
        """``sys__eid``, ``sys__ets``, ``sys__sid`` and ``event_type`` of all events, in order of time.

        In memory and in ``events.jsonl`` the order is exact. Other files hold each type's order
        exactly (unless partitioned by a field) and time to the millisecond: events of different types
        in one millisecond come in the order of the types' names.
        """
        with guarded_reader(f"{self._place}: the events"):
            rows = sum(self._events.rows(name) for name in self)
            return _whole(self._source.events(list(self)), rows)

    @property
    def sessions(self) -> pl.DataFrame:
        """One row a flow, in the order in which they ended."""
        if "sessions" not in self._source.names():
            raise DatasetError(Diagnostic("no sessions", None, f"{self._place} has no table of sessions"))
        with guarded_reader(f"{self._place}: sessions"):
            return _whole(self._source.scan("sessions").collect(), self._source.rows("sessions"))


class _Frames(Mapping[type | str, pl.DataFrame]):
    """The tables of one group by name; each is read when it is asked for."""

    def __init__(self, source: _Source, place: str, group: str) -> None:
        self._source, self._place, self._group = source, place, group

    def __getitem__(self, key: type | str) -> pl.DataFrame:
        with guarded_reader(f"{self._place}: {self._group}/{self._known(key)}"):
            return _whole(self.scan(key).collect(), self.rows(self._known(key)))

    def scan(self, key: type | str, *, in_time: bool = True) -> pl.LazyFrame:
        """A lazy frame. Raises `DatasetError` for a name that is not there."""
        name = self._known(key)
        with guarded_reader(f"{self._place}: {self._group}/{name}"):
            return self._source.scan(f"{self._group}/{name}", in_time=in_time)

    def rows(self, name: str) -> int:
        """The number of rows of one table, without reading it."""
        return self._source.rows(f"{self._group}/{name}")

    def __contains__(self, key: object) -> bool:
        return _name(key) in list(self)

    def __iter__(self) -> Iterator[str]:
        head = f"{self._group}/"
        return iter(sorted(n.removeprefix(head) for n in self._source.names() if n.startswith(head)))

    def __len__(self) -> int:
        return sum(1 for _ in self)  # list(self) would ask for the length

    def __repr__(self) -> str:
        return f"{self._group}: {', '.join(map(str, self)) or 'none'}"

    def _known(self, key: object) -> str:
        name, names = _name(key), [str(known) for known in self]
        if name in names:
            return name
        if self._group == "history" and not names:
            mend = "run with history=True (--history) to keep every version"
        else:
            mend = near(name, names, f"the data set's {self._group}")
        what = "event type" if self._group == "events" else "entity type"
        raise DatasetError(Diagnostic(f"no {what} {name!r}", None, f"in {self._place}", mend))


def _whole(frame: pl.DataFrame, rows: int) -> pl.DataFrame:
    """The frame, which has as many rows as the manifest says; `ValueError` where a file was exchanged."""
    if frame.height != rows:
        raise ValueError(f"{frame.height} rows")
    return frame


def _name(key: object) -> str:
    return key.__name__ if isinstance(key, type) else str(key)


class _Memory:
    """The tables of a `MemoryOutput`."""

    def __init__(self, memory: MemoryOutput) -> None:
        self._memory = memory

    def names(self) -> list[str]:
        return self._memory.names()

    def rows(self, name: str) -> int:
        return int(self._memory.table(name).num_rows)

    def scan(self, name: str, *, in_time: bool = True) -> pl.LazyFrame:
        return pl.DataFrame(pl.from_arrow(self._memory.table(name))).lazy()

    def events(self, names: list[str]) -> pl.DataFrame:
        order = self._memory.order()
        known = [name for name in order.names if name in names]
        if not len(order):
            return _no_events()
        frames = [self.scan(f"events/{n}").select(*_COMMON, event_type=pl.lit(n)).collect() for n in known]
        return pl.concat(frames)[order.positions()]


def _opened(path: object, storage_options: Mapping[str, object] | None) -> tuple[Manifest, _Place]:
    if not is_url(path):
        local_only(storage_options, path)
        folder = checked_path(path)
        return read_manifest(folder), _Place(folder.absolute())  # polars takes ~ for the home folder
    store = ObjectPlace(str(path), storage_options)
    try:
        with store.guarded("read", "nothing was read"):
            text = store.read(NAME)
    except OutputError as error:
        raise DatasetError(*error.diagnostics) from None
    if text is None:
        label = f"there is no {NAME}, which is written last"
        raise DatasetError(Diagnostic(f"no whole data set at {store.url}", None, label))
    return parsed_manifest(text, f"{store.url}/{NAME}"), _Place(store.url, store.reader_options(), store)


class _Place:
    """Where a data set's files are: a folder, or a URL with its store and the options that Polars takes."""

    def __init__(
        self,
        base: Path | str,
        options: dict[str, str] | None = None,
        store: ObjectPlace | None = None,
    ) -> None:
        self.base, self.options, self._store = base, options, store

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
        if self._store is not None:
            return self._store.read(name)
        [path] = self.paths([name])
        assert isinstance(path, Path)
        return path.read_bytes()

    def lines(self, name: str) -> str | Path | IO[bytes]:
        """The file of JSON lines as Polars takes it, which looks for patterns in names of such files."""
        [path] = self.paths([name])
        if self._store is None:
            return exact_path(path)
        # in URLs it knows no way to write them so that they stand for themselves
        return io.BytesIO(self._store.read(name) or b"") if has_pattern(path) else path


class _Folder:
    """The tables of a data set in a folder, here or in an object store."""

    def __init__(self, place: _Place, manifest: Manifest) -> None:
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

    def scan(self, name: str, *, in_time: bool = True) -> pl.LazyFrame:
        if self._lines and name.startswith("events/"):
            return self._scan_lines(name)
        rows = self._scan_files(name)
        if not self._of_parts or not in_time:
            return rows
        # The parts lie one after the other, their times side by side. A stable sort takes half the processor
        # time of a tree of merges, and no more memory.
        return rows.sort(_TIMES[name.partition("/")[0]], maintain_order=True, nulls_last=True)

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
        if self._lines:
            schema = {**_no_events().schema}
            return self._read_lines(schema).collect()
        frames = [self.scan(f"events/{n}").select(*_COMMON, event_type=pl.lit(n)) for n in names]
        if not frames:
            return _no_events()
        return pl.concat(frames).sort("sys__ets", maintain_order=True).collect()

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


def _no_events() -> pl.DataFrame:
    text = pl.String()
    return pl.DataFrame(
        schema={"sys__eid": text, "sys__ets": pl.Int64(), "sys__sid": text, "event_type": text}
    )
