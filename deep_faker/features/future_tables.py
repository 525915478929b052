"""The tables of one future, as the searches read those of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

from deep_faker.write.type_names import type_name

if TYPE_CHECKING:
    import pyarrow as pa

    from deep_faker.tables.source import Source


class FutureTables:
    """A `Source`: the entities of the data set, and the events of the future that is shown last."""

    def __init__(self, base: Source, entity: str, asked: Mapping[str, pa.Schema]) -> None:
        self._entities = f"entities/{entity}"
        columns = base.columns(self._entities)
        key = next(iter(columns))
        self._born = base.scan(self._entities).select(key, "born").collect()
        self._types = {self._entities: {key: columns[key], "born": columns["born"]}}
        self._types |= {
            f"events/{name}": {field.name: type_name(field.type) for field in schema}
            for name, schema in asked.items()
        }
        self._tables: dict[str, pl.DataFrame] = {}
        self._sessions = pl.DataFrame()

    def show(self, events: Mapping[str, pa.Table], ended: list[pl.DataFrame] | None = None) -> None:
        """Be the tables of another future; ``ended``: its sessions, where they are asked for."""
        self._sessions = pl.concat(ended) if ended else pl.DataFrame()
        made = {name: pl.DataFrame(pl.from_arrow(table)) for name, table in events.items()}
        self._tables = {f"events/{name}": frame for name, frame in made.items()}

    def names(self) -> list[str]:
        return list(self._types)

    def rows(self, name: str) -> int:
        return self._born.height if name == self._entities else self._tables[name].height

    def columns(self, name: str) -> Mapping[str, str]:
        return self._types[name]

    def scan(self, name: str, *, in_time: bool = True) -> pl.LazyFrame:
        if name == "sessions":
            return self._sessions.lazy()
        return (self._born if name == self._entities else self._tables[name]).lazy()

    def events(self, names: list[str]) -> pl.DataFrame:
        raise NotImplementedError("futures are asked for the events of one type")
