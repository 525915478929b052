"""The tables of a run that was kept in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

from deep_faker.tables.source import common_columns
from deep_faker.write.type_names import type_name

if TYPE_CHECKING:
    from deep_faker.write import MemoryOutput


class MemoryTables:
    """The tables of a `MemoryOutput`."""

    def __init__(self, memory: MemoryOutput) -> None:
        self._memory = memory

    def names(self) -> list[str]:
        return self._memory.names()

    def rows(self, name: str) -> int:
        return int(self._memory.table(name).num_rows)

    def columns(self, name: str) -> Mapping[str, str]:
        return {field.name: type_name(field.type) for field in self._memory.table(name).schema}

    def scan(self, name: str, *, in_time: bool = True) -> pl.LazyFrame:
        return pl.DataFrame(pl.from_arrow(self._memory.table(name))).lazy()

    def events(self, names: list[str]) -> pl.DataFrame:
        order = self._memory.order()
        known = [name for name in order.names if name in names] if len(order) else []
        frame = common_columns(self, known, [self.scan(f"events/{name}") for name in known]).collect()
        return frame[order.positions()] if known else frame
