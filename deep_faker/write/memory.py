"""`MemoryOutput`: a run kept in memory, for `Simulation.collect`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deep_faker.write.files.manifest import make_manifest
from deep_faker.write.files.parts import joined
from deep_faker.write.frames import plain_schema
from deep_faker.write.protocol import EventChunk, FileReceipt, RunInfo, stamped_schemas


class MemoryOutput:
    """Keeps every table of a run; `Dataset.from_memory` reads it.

    >>> MemoryOutput().names()
    []
    """

    def __init__(self) -> None:
        self.info: RunInfo | None = None
        self._pieces: defaultdict[str, list[pa.Table]] = defaultdict(list)
        self._orders: list[npt.NDArray[np.uint16]] = []
        self._names: tuple[str, ...] = ()

    def __getstate__(self) -> dict[str, object]:
        """For pickle: the tables, without the run that made them, which lives in this process."""
        pieces = defaultdict(list, {name: [self.table(name)] for name in self.names()})
        return {**self.__dict__, "info": None, "_pieces": pieces}

    @property
    def place(self) -> str:
        """Nothing that a report need name."""
        return ""

    def open(self, info: RunInfo) -> None:
        """Forget the run before."""
        self.info = info
        self._pieces.clear()
        self._orders.clear()
        self._names = ()
        for name, schema in stamped_schemas(info).items():
            self._pieces[f"events/{name}"] = [schema.empty_table()]

    def write(self, chunk: EventChunk) -> None:
        """Keep the next events."""
        # Codes are kept in the numbering of the first chunk that has them all.
        names = tuple(dict.fromkeys((*self._names, *chunk.names)))
        codes = np.array([names.index(name) for name in chunk.names], np.uint16)
        self._names = names
        self._orders.append(codes[chunk.order] if len(chunk) else chunk.order)
        for name, table in chunk.stamped().tables.items():
            self._pieces[f"events/{name}"].append(table)

    def write_sessions(self, table: pa.Table) -> None:
        """Keep rows of ``sessions``."""
        self._pieces["sessions"].append(table)

    def write_history(self, name: str, table: pa.Table) -> None:
        """Keep rows of ``history/name``."""
        self._pieces[f"history/{name}"].append(table)

    def write_entities(self, name: str, table: pa.Table) -> None:
        """Keep rows of ``entities/name``."""
        self._pieces[f"entities/{name}"].append(table)

    def write_table(self, name: str, table: pa.Table) -> None:
        """Keep rows of a further table of the run, such as ``dirty/Order``."""
        self._pieces[name].append(table)

    def finish(self) -> list[FileReceipt]:
        """No files."""
        return []

    def abort(self) -> None:
        """Forget everything."""
        self._pieces.clear()
        self._orders.clear()

    def names(self) -> list[str]:
        """The tables kept: ``events/UserLogin``, ``entities/User``, ``sessions`` …"""
        return sorted(self._pieces)

    def table(self, name: str) -> pa.Table:
        """One table of plain columns, joined once and kept so."""
        pieces = self._pieces[name]
        schema = plain_schema(pieces[0].schema)
        if len(pieces) > 1 or pieces[0].schema != schema:
            pieces[:] = [joined(pieces, schema)]
        return pieces[0]

    def manifest(self) -> Mapping[str, Any]:
        """What the run was, as on disk but without files; empty before a run."""
        if self.info is None:
            return {}
        tables = {name: self.table(name) for name in self.names()}
        return make_manifest(
            self.info,
            layout="memory",
            tables={name: table.schema for name, table in tables.items()},
            rows={name: table.num_rows for name, table in tables.items()},
            files=[],
        )

    def order(self) -> EventChunk:
        """The order of all events (T9), as a chunk without tables."""
        order = np.concatenate(self._orders) if self._orders else np.empty(0, np.uint16)
        self._orders[:] = [order]
        return EventChunk({}, order, self._names)
