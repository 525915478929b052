"""Curves over time that are level between instants: what a rate is multiplied by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deep_faker.draws.mix import F64, I64

FAR = 1 << 60  # µs, beyond all dates


@dataclass(frozen=True, eq=False)
class Curve:
    """``level[i]`` holds from the instant ``since[i]`` (µs, ascending) to before the next, the last for ever.

    Arrays of int64 and float64 of one length, at least 1. Before ``since[0]`` the first level holds, too.

    >>> curve = Curve(np.array([0, 10, 20]), np.array([1.0, 3.0, 0.5]))
    >>> curve.at(np.array([0, 9, 10, 35])).tolist(), curve.most(0, 10), curve.most(5, 25)
    ([1.0, 1.0, 3.0, 0.5], 1.0, 3.0)
    >>> curve.area(5, 22)
    36.0
    >>> curve.later(np.array([5, 5]), np.array([5.0, 36.0])).tolist()
    [10, 22]
    """

    since: I64
    level: F64

    def at(self, clock: I64) -> F64:
        """The level at each of these instants."""
        if len(self.level) == 1:
            return np.full(len(clock), self.level[0])
        out: F64 = self.level[np.maximum(np.searchsorted(self.since, clock, side="right") - 1, 0)]
        return out

    def most(self, begin: int, end: int) -> float:
        """The highest level from ``begin`` to before ``end``."""
        first, last = self._pieces(begin, end)
        return float(self.level[first:last].max())

    def area(self, begin: int, end: int) -> float:
        """Level times µs, from ``begin`` to ``end``."""
        if end <= begin:
            return 0.0
        first, last = self._pieces(begin, end)
        bounds = np.concatenate([[begin], self.since[first + 1 : last], [end]])
        return float((np.diff(bounds) * self.level[first:last]).sum())

    def later(self, clock: I64, area: F64) -> I64:
        """The first instants before which so much area lies after these; `FAR` where that never comes.

        Ascending areas of one instant give ascending instants; each is rounded up to a µs.
        """
        before = np.concatenate([[0.0], np.cumsum(np.diff(self.since) * self.level[:-1])])
        piece = np.maximum(np.searchsorted(self.since, clock, side="right") - 1, 0)
        wanted = before[piece] + (clock - self.since[piece]) * self.level[piece] + area
        # of pieces in which the level is 0 the last one is found, where it goes on
        found = np.searchsorted(before, wanted, side="right") - 1
        level = self.level[found]
        rest = np.ceil((wanted - before[found]) / np.where(level > 0.0, level, 1.0))
        out: I64 = self.since[found] + np.minimum(rest, float(FAR)).astype(np.int64)
        return np.where(level > 0.0, out, FAR)

    def _pieces(self, begin: int, end: int) -> tuple[int, int]:
        first = max(int(np.searchsorted(self.since, begin, side="right")) - 1, 0)
        return first, max(int(np.searchsorted(self.since, end, side="left")), first + 1)
