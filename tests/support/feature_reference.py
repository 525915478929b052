"""Training frames in plain Python, row by row and event by event: what the fast ones must come to.

Nothing is sorted, searched or summed ahead: each row looks at every event.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import polars as pl

from deep_faker.features import asked as ask

ALL = 1 << 62


@dataclass
class Fact:
    """An event or a version: when it happened, when it was known, its place, its values."""

    key: str
    time: int
    order: int
    values: dict[str, Any]
    known: int = 0
    event: str = ""


@dataclass
class Ask:
    """A row: an instant, or an event (then ``order`` is its place). ``end``: until when labels are known."""

    key: str
    time: int
    order: int | None
    closed: str
    embargo: int
    end: int

    def seen(self, fact: Fact, clock: int) -> bool:
        """Whether features may look at a fact."""
        if self.order is not None and not self.embargo:
            return (clock, fact.order) < (self.time, self.order)
        until = self.time - self.embargo
        return clock <= until if self.closed in ("right", "both") else clock < until

    def young(self, clock: int, length: int | None) -> bool:
        """Whether it is within the window's far end."""
        if length is None:
            return True
        begin = self.time - self.embargo - length
        return clock >= begin if self.closed in ("left", "both") else clock > begin

    def follows(self, fact: Fact) -> bool:
        """Whether a label may look at a fact."""
        if self.order is not None:
            return fact.order > self.order
        return fact.time > self.time if self.closed in ("right", "both") else fact.time >= self.time

    def ahead(self, fact: Fact, length: int) -> bool:
        """Whether a fact lies within a label's window, which it follows."""
        if self.order is None and self.closed in ("left", "none"):
            return fact.time < self.time + length
        return fact.time <= self.time + length


def _value(kind: type, facts: list[Fact], column: str | None, at: int) -> Any:
    if kind is ask.Count:
        return len(facts)
    if kind is ask.Happens:
        return bool(facts)
    if kind is ask.TimeSince:
        return at - max(f.known for f in facts) if facts else None
    assert column is not None
    values = [f.values[column] for f in facts if f.values[column] is not None]
    if kind is ask.Distinct:
        return len(set(values))
    if kind is ask.Sum:
        return math.fsum(values)
    if not values:
        return None
    ways: dict[type, Callable[[list[Any]], Any]] = {
        ask.Mean: lambda v: math.fsum(v) / len(v),
        ask.Min: min,
        ask.Max: max,
        ask.Last: lambda v: v[-1],
    }
    return ways[kind](values)


def feature(row: Ask, asked: ask.OfEvents, length: int | None, facts: Iterable[Fact]) -> Any:
    """A feature of events; ``facts`` in any order, ``known`` their clock."""
    mine = [f for f in facts if f.key == row.key and row.seen(f, f.known) and row.young(f.known, length)]
    mine.sort(key=lambda f: (f.known, f.order))
    return _value(type(asked), mine, asked.column, row.time)


def label(row: Ask, asked: ask.OfEvents, length: int, facts: Iterable[Fact], delay: int) -> Any:
    """A label of events."""
    if row.time + length + delay > row.end:
        return None
    mine = [f for f in facts if f.key == row.key and row.follows(f) and row.ahead(f, length)]
    mine.sort(key=lambda f: f.order)
    return _value(type(asked), mine, asked.column, row.time)


def time_to(row: Ask, length: int | None, facts: Iterable[Fact], delay: int) -> tuple[Any, Any]:
    """The time to the next event, and whether it was seen."""
    end = row.end - delay if length is None else min(row.end - delay, row.time + length)
    if end < row.time:
        return None, None
    times = [f.time for f in facts if f.key == row.key and row.follows(f) and f.time <= end]
    return (min(times) - row.time, True) if times else (end - row.time, False)


def next_event(row: Ask, facts: Iterable[Fact], delay: int) -> Any:
    """The type of the next event."""
    mine = [f for f in facts if f.key == row.key and row.follows(f) and f.time <= row.end - delay]
    return min(mine, key=lambda f: f.order).event if mine else None


def state(row: Ask, column: str, versions: Iterable[Fact]) -> Any:
    """The state field of the last version that is seen."""
    mine = [v for v in versions if v.key == row.key and row.seen(v, v.time)]
    return max(mine, key=lambda v: (v.order, v.values["version"])).values[column] if mine else None


class Tables:
    """A source of tables made by hand: frames by name, their types as manifests have them."""

    def __init__(self, tables: dict[str, pl.DataFrame]) -> None:
        self._tables = tables

    def names(self) -> list[str]:
        return list(self._tables)

    def rows(self, name: str) -> int:
        return self._tables[name].height

    def columns(self, name: str) -> dict[str, str]:
        kinds = {pl.String: "string", pl.Int64: "int64", pl.Float64: "double"}
        schema = self._tables[name].schema
        return {column: kinds.get(type(kind), "timestamp[us]") for column, kind in schema.items()}

    def scan(self, name: str) -> pl.LazyFrame:
        return self._tables[name].lazy()

    def events(self, names: list[str]) -> pl.DataFrame:
        raise NotImplementedError
