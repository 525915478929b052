"""A replay: the events of a log in one order, from any place on, as a run would make them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from deep_faker.errors import DatasetError, Diagnostic
from deep_faker.plan import Array, arrow
from deep_faker.run.replay.log import Log
from deep_faker.run.replay.merge import HELD_ROWS, Merged
from deep_faker.run.replay.spill import Opener, merged_by_files
from deep_faker.write import STAMPS, EventChunk
from deep_faker.write.frames import plain_type
from deep_faker.write.protocol import with_stamps

ORDERS = ("time", "part")


def read_schema(schema: pa.Schema) -> pa.Schema:
    """The schema of an event type as a log gives its rows: plain types, with what outputs are told of them.

    >>> coded = pa.dictionary(pa.int32(), pa.string())
    >>> read_schema(pa.schema([pa.field("x", coded, metadata={"hint": "low"})]))
    x: string
      -- field metadata --
      hint: 'low'
    """
    return pa.schema([field.with_type(plain_type(field.type)) for field in schema], metadata=schema.metadata)


@dataclass(frozen=True)
class Replayed:
    """Events of the log, and the instant (µs) of the run that it has reached with them."""

    chunk: EventChunk
    until: int

    @property
    def events(self) -> int:
        """How many there are."""
        return len(self.chunk)


class Replay:
    """The events of ``log`` in ``order``: ``"time"``, over all parts, or ``"part"``, part after part.

    ``schemas`` has those of the event types in it, without stamps. The place of an event is a function of the
    log and the order alone. `save` says how many rows of each part and type are behind, and `load` lets `run`
    begin there. ``folder`` gives a place for files, if so many parts cannot be merged without.
    """

    name = "replay"

    def __init__(
        self,
        log: Log,
        schemas: Mapping[str, pa.Schema],
        *,
        order: Literal["time", "part"],
        folder: Callable[[], Path],
        span: tuple[int, int],
    ) -> None:
        self.most_rows = HELD_ROWS
        self._log, self._order, self._folder = log, order, folder
        self._span, self._total = span, max(1, sum(log.events().values()))
        self._schemas = {name: read_schema(schema) for name, schema in schemas.items()}
        self._names = tuple(self._schemas)
        self._behind = np.zeros((log.partitions, len(self._names)), np.int64)
        for name in self._names:
            self._check(name)

    def _check(self, name: str) -> None:
        """Raise `DatasetError` where the log has other columns than this program's events."""
        columns = [*self._log.manifest["tables"][f"events/{name}"]["columns"]]
        if columns != with_stamps(self._schemas[name]).names:
            label = f"{name} has the columns {', '.join(columns)}"
            mend = "use the program that made it"
            raise DatasetError(Diagnostic(f"{self._log.shown} is of another program", None, label, mend))

    def save(self) -> dict[str, Array]:
        """The rows of each part and type that have been given."""
        return {"behind": self._behind.ravel().copy()}

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Begin behind these."""
        self._behind = arrays["behind"].astype(np.int64).reshape(self._behind.shape)

    def run(self) -> Iterator[Replayed]:
        """What is left, in pieces of at most ``most_rows``."""
        for stretch in self._stretches():
            rest: EventChunk | None = self._chunk(stretch)
            while rest is not None:
                piece, *more = rest.cuts([self.most_rows] if self.most_rows < len(rest) else [])
                rest = more[0] if more else None
                self._count(piece)
                yield Replayed(piece, self._reached(piece))

    def _stretches(self) -> Iterator[Merged]:
        parts = range(self._log.partitions)
        for group in [parts] if self._order == "time" else [range(part, part + 1) for part in parts]:
            lanes = {
                name: [self._opener(name, code, part) for part in group if self._has(name, part)]
                for code, name in enumerate(self._names)
            }
            yield from merged_by_files(lanes, self._names, self._folder)

    def _has(self, name: str, part: int) -> bool:
        return part in self._log.files.get(f"events/{name}", {})

    def _opener(self, name: str, code: int, part: int) -> Opener:
        table, schema = f"events/{name}", with_stamps(self._schemas[name])
        skip = int(self._behind[part, code])

        def rows(most: int) -> Iterator[pa.Table]:
            for piece in self._log.rows(table, part, skip=skip, most=most):
                yield piece.select(schema.names).cast(schema)

        return Opener(rows, self._log.cost(table, part))

    def _chunk(self, stretch: Merged) -> EventChunk:
        tables, stamps = {}, {}
        for name, table in stretch.tables.items():
            tables[name] = table.select(self._schemas[name].names)
            stamps[name] = table.select(STAMPS.names)
        return EventChunk(tables, stretch.order, stretch.names, 0, stamps)

    def _count(self, piece: EventChunk) -> None:
        """Note whose rows they are: ``sys__order`` says which part's (R8)."""
        parts = self._log.partitions
        for code, name in enumerate(self._names):
            if name in piece.stamps:
                order = arrow.values(piece.stamps[name]["sys__order"].combine_chunks())
                self._behind[:, code] += np.bincount((order - 1) % parts, minlength=parts)

    def _reached(self, piece: EventChunk) -> int:
        start, end = self._span
        if self._order == "part":  # times begin anew with each part
            return start + int((end - start) * (int(self._behind.sum()) / self._total))
        return max(
            int(arrow.values(table["sys__time"].combine_chunks().cast(pa.int64()))[-1])
            for table in piece.stamps.values()
        )

    def entities(self, name: str, *, rows: int = 1 << 16) -> Iterator[pa.Table]:
        """The final state of the entities of a type, part after part."""
        table = f"entities/{name}"
        for part in sorted(self._log.files.get(table, {})):
            yield from self._log.rows(table, part, skip=0, most=rows)
