"""What an output is given, and what it hands back: frames in, receipts out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

if TYPE_CHECKING:
    from deep_faker.schema import EntitySpec, EventSpec


@dataclass(frozen=True)
class EventChunk:
    """The events of a stretch of simulated time, by type.

    ``tables`` holds one table per event type that occurred, its rows in the order of T9 (clock,
    flow number, action number). ``order`` interleaves them: its item *i* is the position in
    ``names`` of the type of the chunk's event *i*, which is the next unread row of that type's
    table. So ``len(order)`` is the number of events, and a table has as many rows as its code occurs.

    >>> chunk = EventChunk({"A": pa.table({"x": [1, 3]}), "B": pa.table({"x": [2]})},
    ...                    np.array([0, 1, 0], np.uint16), ("A", "B"))
    >>> len(chunk)
    3
    """

    tables: Mapping[str, pa.Table]
    order: npt.NDArray[np.uint16]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.order)

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
        >>> [len(piece) for piece in chunk.slices(1)]
        [1, 1]
        """
        if len(self) <= events:
            yield self
            return
        read = dict.fromkeys(self.tables, 0)
        for first in range(0, len(self), events):
            order = self.order[first : first + events]
            counts = np.bincount(order, minlength=len(self.names)).tolist()
            tables = {}
            for name, rows in zip(self.names, counts):
                if rows:
                    tables[name] = self.tables[name].slice(read[name], rows)
                    read[name] += rows
            yield EventChunk(tables, order, self.names)


@dataclass(frozen=True)
class RunInfo:
    """What an output is told before the first event.

    ``schemas`` gives the Arrow schema of every event type that can occur, the same for every chunk.
    A field's metadata ``hint`` ("id", "key", "low", "time", "number", "text") says how its values
    repeat. ``owner`` stands for the simulation that runs: what it wrote itself it may replace (R6).
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
    settings: Mapping[str, Any] = field(default_factory=dict)


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

    def as_dict(self) -> dict[str, Any]:
        """The receipt as it stands in a manifest.

        >>> FileReceipt("a.parquet", 1, 2, "ff", "ee").as_dict()["rows"]
        1
        """
        out: dict[str, Any] = {
            "path": self.path,
            "rows": self.rows,
            "bytes": self.bytes,
            "sha256": self.sha256,
            "logical": self.logical,
        }
        if self.columns:
            out["columns"] = dict(self.columns)
        return out


class Output(Protocol):
    """Where events go. The run calls ``open`` once, ``write`` often, then ``finish`` or ``abort``.

    An output may also have ``write_sessions(table)``, ``write_history(entity, table)`` and
    ``write_entities(entity, table)``: then it is handed these tables too. ``place`` says, for the
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
