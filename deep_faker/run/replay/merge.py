"""Sorted rows of many parts and types, merged in the order of time (T10) with bounded memory.

Of each lane, a sorted source of one type, some rows are held. All that come no later than the earliest of the
lanes' last rows can go: no lane has anything before it any more. So what is held is some rows a lane, however
long the lanes are, and each round is one sort.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from deep_faker.plan import Array, arrow
from deep_faker.write.protocol import STAMPS

Key: TypeAlias = tuple[int, int]
"""The place of a row: its instant (µs) and its ``sys__order``."""

HELD_ROWS = 1 << 17
"""Rows that all lanes hold together, about."""
_LEAST = 512  # rows of a lane: fewer cost more in calls than they save


@dataclass
class Lane:
    """Rows of the event type ``name`` in order, and what is held of them."""

    name: str
    tables: Iterator[pa.Table]
    over: bool = False
    _held: list[tuple[pa.Table, Array, Array]] = field(default_factory=list)
    _rows: int = 0

    def fill(self, rows: int) -> None:
        """Hold at least so many rows, if there are so many."""
        while self._rows < rows and not self.over:
            table = next(self.tables, None)
            if table is None:
                self.over = True
            elif table.num_rows:
                time, order = (_numbers(table[name]) for name in STAMPS.names)
                self._held.append((table, time, order))
                self._rows += table.num_rows

    @property
    def is_done(self) -> bool:
        """Whether all rows have been given away."""
        return self.over and not self._rows

    @property
    def last(self) -> Key | None:
        """The place of the last row that is held; None where nothing comes after it."""
        if self.over:
            return None
        _, time, order = self._held[-1]
        return int(time[-1]), int(order[-1])

    def up_to(self, key: Key | None) -> list[tuple[pa.Table, Array, Array]]:
        """Give away the rows up to that place, or all."""
        given, kept = [], []
        for table, time, order in self._held:
            cut = len(time) if key is None else _cut(time, order, key)
            if cut:
                given.append((table.slice(0, cut), time[:cut], order[:cut]))
            if cut < len(time):
                kept.append((table.slice(cut), time[cut:], order[cut:]))
            self._rows -= cut
        self._held = kept
        return given


def _numbers(column: pa.ChunkedArray) -> Array:
    return np.asarray(arrow.values(column.cast(pa.int64()).combine_chunks()))


def _cut(time: Array, order: Array, key: Key) -> int:
    """How many of these rows come no later than ``key``."""
    first = int(np.searchsorted(time, key[0], "left"))
    last = int(np.searchsorted(time, key[0], "right"))
    return first + int(np.searchsorted(order[first:last], key[1], "right"))


@dataclass(frozen=True)
class Merged:
    """A stretch of events of several types, each table in order, and how they follow each other.

    ``order``: of each event the position of its type in ``names``.
    """

    tables: dict[str, pa.Table]
    order: Array
    names: tuple[str, ...]


def merged(lanes: Sequence[Lane], names: tuple[str, ...]) -> Iterator[Merged]:
    """The rows of all lanes in one order, a stretch at a time; ``names`` are all types that there may be."""
    rows = max(_LEAST, HELD_ROWS // max(len(lanes), 1))
    left = list(lanes)
    while left:
        for lane in left:
            lane.fill(rows)
        lasts = [last for lane in left if (last := lane.last) is not None]
        # a lane that is over holds back nobody
        upto = min(lasts) if lasts else None
        given: dict[str, list[tuple[pa.Table, Array, Array]]] = {}
        for lane in left:
            given.setdefault(lane.name, []).extend(lane.up_to(upto))
        left = [lane for lane in left if not lane.is_done]
        stretch = _sorted(given, names)
        if stretch is not None:
            yield stretch


def _sorted(given: dict[str, list[tuple[pa.Table, Array, Array]]], names: tuple[str, ...]) -> Merged | None:
    """What the lanes gave, by type, in one order."""
    pieces = [(code, given[name]) for code, name in enumerate(names) if given.get(name)]
    if not pieces:
        return None
    codes = np.repeat(
        [code for code, _ in pieces], [sum(len(time) for _, time, _ in rows) for _, rows in pieces]
    ).astype(np.uint16)
    times, orders = (np.concatenate([row[at] for _, rows in pieces for row in rows]) for at in (1, 2))
    in_order = np.lexsort((orders, times))
    order = codes[in_order]
    tables, first = {}, 0
    for code, rows in pieces:
        table = pa.concat_tables([each for each, _, _ in rows])
        if len(rows) > 1:  # one lane's rows are in order
            here = in_order[order == code] - first
            table = table.combine_chunks().take(arrow.numbers(here))
        tables[names[code]] = table
        first += table.num_rows
    return Merged(tables, order, names)
