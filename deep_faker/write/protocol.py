"""What an output is given, and what it hands back: frames in, receipts out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, Protocol, TypedDict, TypeGuard

import numpy as np
import numpy.typing as npt
import pyarrow as pa

if TYPE_CHECKING:
    from deep_faker.declare.schema import EntitySpec, EventSpec


STAMPS = pa.schema(
    [
        pa.field("sys__time", pa.timestamp("us"), nullable=False, metadata={"hint": "time"}),
        pa.field("sys__order", pa.int64(), nullable=False, metadata={"hint": "time"}),
    ]
)
"""What data sets keep of each event beside its own columns: its instant to the µs, and its place in the run.

``sys__order`` is 1, 2, 3 … in the order of T9, over all event types; a filter leaves gaps.
"""

ARRIVING = STAMPS.append(
    pa.field("available_time", pa.timestamp("us"), nullable=False, metadata={"hint": "time"})
)
"""The same where events may be known later than they happen: when that is, too."""

_SYS = 3  # columns before the stamps: sys__eid, sys__ets, sys__sid


@dataclass(frozen=True)
class EventChunk:
    """The events of a stretch of simulated time, by type.

    ``tables`` holds one table per event type that occurred, its rows in the order of T9 (clock,
    flow number, action number). ``order`` interleaves them: its item *i* is the position in
    ``names`` of the type of the chunk's event *i*, which is the next unread row of that type's
    table. So ``len(order)`` is the number of events, and a table has as many rows as its code occurs.
    ``first`` counts the events that the output was given before: events have places, 0, 1, 2 …, in the
    stream of each output, the same in every run of one program. ``stamps`` holds, for each table, what
    data sets keep beside its columns (`STAMPS`); none where an output is fed by hand. ``hidden`` is for
    ``truth/``, and goes its own way: a chunk that was cut has none.

    >>> chunk = EventChunk({"A": pa.table({"x": [1, 3]}), "B": pa.table({"x": [2]})},
    ...                    np.array([0, 1, 0], np.uint16), ("A", "B"))
    >>> len(chunk)
    3
    """

    tables: Mapping[str, pa.Table]
    order: npt.NDArray[np.uint16]
    names: tuple[str, ...]
    first: int = 0
    stamps: Mapping[str, pa.Table] = field(default_factory=dict)
    hidden: Mapping[str, pa.Table] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.order)

    @property
    def end(self) -> int:
        """The place after the last event."""
        return self.first + len(self.order)

    def positions(self) -> npt.NDArray[np.int64]:
        """For each event in order: its row in the tables laid one after the other, by ``names``.

        >>> chunk = EventChunk({"A": pa.table({"x": [1, 3]}), "B": pa.table({"x": [2]})},
        ...                    np.array([0, 1, 0], np.uint16), ("A", "B"))
        >>> chunk.positions().tolist()
        [0, 2, 1]
        """
        rows = np.empty(len(self), np.int64)
        # A stable sort by type lists the events of the first type in order, then the second's …
        rows[np.argsort(self.order, kind="stable")] = np.arange(len(self))
        return rows

    def slices(self, events: int) -> Iterator[EventChunk]:
        """The chunk in pieces of at most so many events.

        >>> chunk = EventChunk({"A": pa.table({"x": [1, 2]})}, np.zeros(2, np.uint16), ("A",))
        >>> [(piece.first, piece.end) for piece in chunk.slices(1)]
        [(0, 1), (1, 2)]
        """
        return self.cuts(range(events, len(self), events))

    def cuts(self, places: Iterable[int]) -> Iterator[EventChunk]:
        """The chunk cut before each of these events, which are counted from its own first, rising.

        >>> chunk = EventChunk({"A": pa.table({"x": [1, 2, 3]})}, np.zeros(3, np.uint16), ("A",))
        >>> [piece.tables["A"]["x"].to_pylist() for piece in chunk.cuts([2])]
        [[1, 2], [3]]
        """
        read = dict.fromkeys(self.tables, 0)
        stamped = self.stamps
        last = 0
        for place in (*places, len(self)):
            if place == last and len(self):
                continue
            if place - last == len(self):
                yield self
                return
            order = self.order[last:place]
            counts = np.bincount(order, minlength=len(self.names)).tolist()
            tables, stamps = {}, {}
            for name, rows in zip(self.names, counts):
                if rows:
                    tables[name] = self.tables[name].slice(read[name], rows)
                    if name in stamped:
                        stamps[name] = stamped[name].slice(read[name], rows)
                    read[name] += rows
            yield EventChunk(tables, order, self.names, self.first + last, stamps)
            last = place

    def since(self, place: int) -> EventChunk:
        """The events from the stream's place ``place`` on; none where all come before.

        >>> chunk = EventChunk({"A": pa.table({"x": [1, 2, 3]})}, np.zeros(3, np.uint16), ("A",), first=10)
        >>> chunk.since(12).tables["A"]["x"].to_pylist()
        [3]
        """
        if place <= self.first:
            return self
        if place >= self.end:
            return EventChunk({}, self.order[:0], self.names, self.end)
        *_, rest = self.cuts([place - self.first])
        return rest

    def only(self, names: Collection[str]) -> EventChunk:
        """The events of these types, in the same order.

        >>> chunk = EventChunk({"A": pa.table({"x": [1, 3]}), "B": pa.table({"x": [2]})},
        ...                    np.array([0, 1, 0], np.uint16), ("A", "B"))
        >>> len(chunk.only(["A"]))
        2
        """
        kept = np.array([name in names for name in self.names], bool)
        if kept.all():
            return self
        tables, stamps = (
            {name: table for name, table in all_.items() if name in names}
            for all_ in (self.tables, self.stamps)
        )
        return EventChunk(tables, self.order[kept[self.order]], self.names, self.first, stamps)

    def stamped(self) -> EventChunk:
        """The chunk as data sets keep it: each table with its `STAMPS`, where there are any.

        >>> stamps = {"A": pa.table({"sys__time": [10], "sys__order": [1]})}
        >>> table = pa.table({"sys__eid": ["e"], "sys__ets": [0], "sys__sid": ["s"], "x": [3]})
        >>> chunk = EventChunk({"A": table}, np.zeros(1, np.uint16), ("A",), stamps=stamps)
        >>> chunk.stamped().tables["A"].column_names
        ['sys__eid', 'sys__ets', 'sys__sid', 'sys__time', 'sys__order', 'x']
        """
        if not self.stamps:
            return self
        tables = {}
        for name, table in self.tables.items():
            more = self.stamps[name]
            columns = [*table.columns[:_SYS], *more.columns, *table.columns[_SYS:]]
            tables[name] = pa.table(columns, schema=with_stamps(table.schema, more.schema))
        return EventChunk(tables, self.order, self.names, self.first)


class RunSettings(TypedDict, total=False):
    """The settings of a run, as manifests keep them; durations in µs."""

    duration_us: int
    time_step_us: int
    n_flows: int | None
    starts_per_step: int
    rates: dict[str, str]
    defects: str
    labels: str
    on_end: str
    emit_initial_entities: bool
    initial_entities: dict[str, int]
    history: bool
    decisions: bool
    retirement: dict[str, str]


@dataclass(frozen=True)
class RunInfo:
    """What an output is told before the first event.

    ``schemas`` gives the Arrow schema of every event type that can occur, the same for every chunk.
    A field's metadata ``hint`` ("id", "key", "low", "time", "number", "text") says how its values
    repeat. ``owner`` stands for the simulation that runs: what it wrote itself it may replace (R6).
    ``run_id`` is drawn for the run and stays its own when it is resumed: progress is kept under it,
    and nothing that is compared byte by byte holds it. ``scratch`` is a folder of the output's own
    that lives as long as the run's checkpoints; None where the run keeps none. ``stopping`` says whether the
    run has been told to stop: an output that waits for a server then gives up soon, with `OutputError`.
    ``filtered``: the output is given some of the run's event types only. ``stamped``: chunks carry `STAMPS`;
    where ``arriving``, `ARRIVING`.
    ``repeating``: an event may come more than once, with one ``sys__eid``.
    ``part``: the run makes this one of ``partitions`` parts alone, and ``program`` is the fingerprint that
    all of them have. ``replicated``: entity types that all parts have whole → of each state field that flows
    change, how the parts' values are put together: "sum" (all parts but the first tell what they added),
    "min" or "max".
    """

    seed: int
    start_micros: int
    end_micros: int
    partitions: int
    events: Mapping[str, EventSpec]
    entities: Mapping[str, EntitySpec]
    schemas: Mapping[str, pa.Schema]
    overwrite: bool = False
    owner: object = None
    settings: RunSettings = field(default_factory=RunSettings)
    run_id: str = ""
    scratch: Path | None = None
    filtered: bool = False
    stamped: bool = False
    arriving: bool = False
    repeating: bool = False
    part: int | None = None
    program: Mapping[str, str] = field(default_factory=dict)
    replicated: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    stopping: Callable[[], bool] = field(default=lambda: False, repr=False, compare=False)


def stamped_schemas(info: RunInfo) -> dict[str, pa.Schema]:
    """The schema of each event type's table in a data set: with `STAMPS`, if chunks carry them."""
    stamps = ARRIVING if info.arriving else STAMPS
    return {
        name: with_stamps(schema, stamps) if info.stamped else schema for name, schema in info.schemas.items()
    }


def with_stamps(schema: pa.Schema, stamps: pa.Schema = STAMPS) -> pa.Schema:
    """The schema of an event type's table, with the stamps behind the other columns of the package."""
    fields = list(schema)
    return pa.schema([*fields[:_SYS], *stamps, *fields[_SYS:]], metadata=schema.metadata)


class FileEntry(TypedDict):
    """A file as manifests list it: what `FileReceipt` says, ``columns`` only where there are any."""

    path: str
    rows: int
    bytes: int
    sha256: str
    logical: str
    columns: NotRequired[dict[str, str]]


@dataclass(frozen=True)
class FileReceipt:
    """One file that is whole: ``sha256`` is of its bytes, ``logical`` of its values (`TableHash`).

    ``path`` is relative to the data set's folder, or as the user gave it for a single file.
    """

    path: str
    rows: int
    bytes: int
    sha256: str
    logical: str
    columns: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> FileEntry:
        """The receipt as it stands in a manifest.

        >>> FileReceipt("a.parquet", 1, 2, "ff", "ee").as_dict()["rows"]
        1
        """
        entry: FileEntry = {
            "path": self.path,
            "rows": self.rows,
            "bytes": self.bytes,
            "sha256": self.sha256,
            "logical": self.logical,
        }
        if self.columns:
            entry["columns"] = dict(self.columns)
        return entry


class Output(Protocol):
    """Where events go. The run calls ``open`` once, ``write`` often, then ``finish`` or ``abort``.

    An output may also have ``write_sessions`` (`TakesSessions`), ``write_history`` (`TakesHistory`) and
    ``write_entities`` (`TakesEntities`): then it is handed these tables too. ``place`` says, for the
    report, where the data went (empty: nowhere that can be named).
    """

    @property
    def place(self) -> str: ...

    def open(self, info: RunInfo) -> None:
        """Refuse the run here (`OutputError`) or get ready for it."""

    def write(self, chunk: EventChunk) -> None:
        """Take a chunk. Chunks come in order; how the run is cut into them must not show."""

    def finish(self) -> list[FileReceipt]:
        """Make everything whole under its final name."""
        ...

    def abort(self) -> None:
        """Leave nothing that reads as whole. Called after ``open``, also where that one raised."""


class TakesSessions(Protocol):
    """An output that is handed the sessions, too."""

    def write_sessions(self, table: pa.Table) -> None:
        """Take the next sessions that have ended."""


class TakesHistory(Protocol):
    """An output that is handed the versions of entities, too."""

    def write_history(self, name: str, table: pa.Table) -> None:
        """Take the next versions of an entity type that are over."""


class TakesEntities(Protocol):
    """An output that is handed the final state of entities, too."""

    def write_entities(self, name: str, table: pa.Table) -> None:
        """Take entities of a type; the first table of each type is empty."""


class TakesTables(Protocol):
    """An output that keeps the clean stream, and beside it what else is told of the run."""

    def write_table(self, name: str, table: pa.Table) -> None:
        """Take the next rows of a table such as ``dirty/Order`` or ``truth/entities/User``."""


class TakesCounts(Protocol):
    """An output that keeps what the run counted."""

    def note_counts(self, counts: Mapping[str, Any]) -> None:
        """Take the counts, as plain JSON values: called once, before ``finish``."""


class Settling(Output, Protocol):
    """An output whose ``finish`` only gives a name to what is whole already.

    The run calls ``settle`` of all such outputs first, and their ``finish`` after that of all others:
    when one fails, nothing of the others reads as whole.
    """

    def settle(self) -> None:
        """Write everything but the name. ``abort`` may still follow, or ``suspend``."""


class Resumable(Output, Protocol):
    """An output that a run can leave at a checkpoint and take up in another process.

    The run calls ``checkpoint`` between two writes and keeps what it returns. Later, perhaps after
    SIGKILL, a new run calls ``resume`` in place of ``open``, gives the events that the output does
    not have, and goes on. A run that stops but is to be resumed ends with ``suspend``, never ``abort``.
    """

    def checkpoint(self) -> Mapping[str, object]:
        """Make all that was written durable and say where that is, as plain JSON values.

        Files in ``scratch`` that no earlier state needs may be removed at the *next* checkpoint, no
        sooner: until this state is stored, the one before is what a resumed run is given.
        """
        ...

    def resume(self, info: RunInfo, state: Mapping[str, Any] | None) -> int | None:
        """Go on from ``state``; what was written after it is dropped, or known by its place.

        ``state`` None: the run ended before its first checkpoint, though some may have been written.
        Returns how many events the output has, where it knows better than the checkpoint (it keeps
        its progress together with the data); None: as many as when it gave ``state``.
        """
        ...

    def suspend(self) -> None:
        """Let go of files and connections and leave everything that ``resume`` needs."""


def takes_sessions(output: object) -> TypeGuard[TakesSessions]:
    """Whether the output is handed the sessions.

    >>> takes_sessions(object())
    False
    """
    return getattr(output, "write_sessions", None) is not None


def takes_history(output: object) -> TypeGuard[TakesHistory]:
    """Whether the output is handed the versions of entities.

    >>> takes_history(object())
    False
    """
    return getattr(output, "write_history", None) is not None


def takes_tables(output: object) -> TypeGuard[TakesTables]:
    """Whether the output keeps the clean stream and is handed further tables.

    >>> takes_tables(object())
    False
    """
    return getattr(output, "write_table", None) is not None


def takes_entities(output: object) -> TypeGuard[TakesEntities]:
    """Whether the output is handed the final state of entities.

    >>> takes_entities(object())
    False
    """
    return getattr(output, "write_entities", None) is not None


def takes_coded_keys(output: object) -> bool:
    """Whether the keys of entities in events may come as dictionary columns: their numbers and all keys.

    Only for an output that looks at few of them; a dictionary may have millions.

    >>> takes_coded_keys(object())
    False
    """
    return getattr(output, "takes_coded_keys", False) is True


def takes_counts(output: object) -> TypeGuard[TakesCounts]:
    """Whether the output keeps what the run counted.

    >>> takes_counts(object())
    False
    """
    return getattr(output, "note_counts", None) is not None


def is_settling(output: Output) -> TypeGuard[Settling]:
    """Whether the output is told to settle before any gives its files their names."""
    return hasattr(output, "settle")


def is_resumable(output: Output) -> TypeGuard[Resumable]:
    """Whether a run into ``output`` can be resumed.

    >>> is_resumable(object())
    False
    """
    return all(callable(getattr(output, name, None)) for name in ("checkpoint", "resume", "suspend"))


def keeps_progress(output: Output) -> TypeGuard[Resumable]:
    """Whether the output keeps how far a run is together with the data, under the run's number.

    >>> keeps_progress(object())
    False
    """
    return getattr(output, "keeps_progress", False) is True
