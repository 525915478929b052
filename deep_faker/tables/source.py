"""What a source of tables gives, and the columns that tie tables together: keys, and the order."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Protocol

import polars as pl

IDS = ("sys__eid", "sys__ets", "sys__sid")
TIME, ORDER = "sys__time", "sys__order"
ARRIVAL = "available_time"


class Source(Protocol):
    """Where a data set's tables are: ``events/Order``, ``entities/User``, ``history/User``, ``sessions``."""

    def names(self) -> list[str]:
        """All tables."""
        ...

    def rows(self, name: str) -> int:
        """The number of rows of one table, without reading it."""
        ...

    def columns(self, name: str) -> Mapping[str, str]:
        """The columns of one table and their types by name, without reading it."""
        ...

    def scan(self, name: str, *, in_time: bool = True) -> pl.LazyFrame:
        """A lazy frame of one table: in order of time, or (``in_time=False``) part after part."""
        ...

    def events(self, names: list[str]) -> pl.DataFrame:
        """The common columns (`common_columns`) of these event types, in order of time."""
        ...


def in_group(source: Source, group: str) -> list[str]:
    """The names of a group's tables, sorted: of ``events``, ``entities`` or ``history``."""
    head = f"{group}/"
    return sorted(name.removeprefix(head) for name in source.names() if name.startswith(head))


def entity_keys(source: Source) -> dict[str, tuple[str, str]]:
    """Entity type → the column of its key and that column's type; the key is its table's first column."""
    return {
        name: next(iter(columns.items()))
        for name in in_group(source, "entities")
        if (columns := source.columns(f"entities/{name}"))
    }


def has_key(source: Source, event: str, key: tuple[str, str]) -> bool:
    """Whether events of a type name an entity: by a column of the key's own name and type."""
    return source.columns(f"events/{event}").get(key[0]) == key[1]


def is_stamped(source: Source, names: list[str]) -> bool:
    """Whether these event types have their instants in µs and their places in the run."""
    return all(ORDER in source.columns(f"events/{name}") for name in names)


def arriving(source: Source, names: list[str]) -> list[str]:
    """Those of these event types of which the run tells when each event was known."""
    pairs = {name: list(source.columns(f"events/{name}")) for name in names}
    return [name for name, columns in pairs.items() if (ORDER, ARRIVAL) in pairwise(columns)]


def shared_keys(source: Source, names: list[str]) -> dict[str, str]:
    """The keys of entities that any of these event types name, and their types."""
    keys = dict(entity_keys(source).values())
    return {
        name: kind
        for name, kind in keys.items()
        if any(has_key(source, each, (name, kind)) for each in names)
    }


def common_types(*, stamped: bool) -> dict[str, pl.DataType]:
    """The columns that all events have."""
    text = pl.String()
    more: dict[str, pl.DataType] = {TIME: pl.Datetime("us"), ORDER: pl.Int64()} if stamped else {}
    return {"sys__eid": text, "sys__ets": pl.Int64(), "sys__sid": text, **more, "event_type": text}


def common_columns(source: Source, names: list[str], frames: list[pl.LazyFrame]) -> pl.LazyFrame:
    """The events of these types one after the other: ids, instant and place, the type, keys of entities."""
    types, keys = common_types(stamped=is_stamped(source, names)), shared_keys(source, names)
    if not frames:
        return pl.LazyFrame(schema=types)
    shown = []
    for name, frame in zip(names, frames, strict=True):
        mine = [key for key, kind in keys.items() if has_key(source, name, (key, kind))]
        shown.append(frame.with_columns(event_type=pl.lit(name)).select(*types, *mine))
    return pl.concat(shown, how="diagonal").select(*types, *keys)
