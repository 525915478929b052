"""The clocks of entities by which a flow starts: each one's own renewal process, from its birth on (T13)."""

from __future__ import annotations

import numpy as np

from deep_faker.draws.mix import Draws
from deep_faker.draws.to_micros import wait_micros
from deep_faker.plan import FlowTable
from deep_faker.plan.rates import Every
from deep_faker.simulate.arrays import I64

SHORTEST = 1_000  # µs between two instants of one clock
_TRIES = 64  # draws of a gap that is to be long enough
_TRY = 1 << 40  # added to a gap's number for each of them


class Clocks:
    """The clocks of one flow.

    Gap k of an entity is a draw of its own, so its instants depend on its birth and its number alone: no
    checkpoint holds them. They are asked for in the order of time.

    In a world that branched off, gaps that ended before are those of its past. The gap in progress is drawn
    anew until it reaches over the branch: it has the distribution of what is left, of those that lasted so
    long. Who has no such gap in `_TRIES` draws keeps the one of the past, which does reach over.
    """

    def __init__(self, flow: FlowTable, every: Every, draws: Draws) -> None:
        self.flow, self.every = flow.number, every
        self._key = draws.key("every", flow.name)
        self._past = draws.past.key("every", flow.name)
        self._since = draws.since if draws.future else None
        fastest = 1.0 if every.curve is None else float(every.curve.level.max())
        self._fastest = max(fastest, 1.0)
        self.known = 0  # how many entities have their clocks
        self._next: I64 = np.empty(64, np.int64)  # by entity number: the instant that comes next
        self._gaps: I64 = np.empty(64, np.int64)  # and how many gaps lie before it

    @property
    def per_micro(self) -> float:
        """How many instants there are in a µs, about."""
        return self.known * self._fastest / (self.every.typical * 1e6)

    def born(self, births: I64, now: int) -> int:
        """The next entities were born at these instants (µs); the first instant of theirs from ``now`` on."""
        first, count = self.known, self.known + len(births)
        if count > len(self._next):
            room = np.empty(max(count, 2 * len(self._next)) - len(self._next), np.int64)
            self._next, self._gaps = (np.concatenate([column, room]) for column in (self._next, self._gaps))
        numbers = np.arange(first, count)
        self._next[first:count] = self._after(births, self._gap(numbers, np.zeros(len(births), np.int64)))
        self._gaps[first:count] = 1
        self.known = count
        if self._since is not None:
            self._relive(births, first, self._since)
        self.instants(now, now, first)
        return int(self._next[first:count].min())

    def first_gaps(self, first: int, count: int) -> I64:
        """For so many entities from number ``first`` on, how long after its birth its first instant is.

        With a season, how long it is at least.
        """
        gaps = self._gap(np.arange(first, first + count), np.zeros(count, np.int64))
        return gaps if self._fastest == 1.0 else np.floor(gaps / self._fastest).astype(np.int64)

    def instants(self, begin: int, end: int, first: int = 0) -> tuple[I64, I64]:
        """Instants from ``begin`` to before ``end`` of entities from number ``first`` on, and their numbers.

        What lies before ``begin`` is over.
        """
        clocks, numbers = [], []
        due = first + np.flatnonzero(self._next[first : self.known] < end)
        while len(due):
            now = self._next[due]
            seen = now >= begin
            clocks.append(now[seen])
            numbers.append(due[seen])
            self._next[due] = self._after(now, self._gap(due, self._gaps[due]))
            self._gaps[due] += 1
            due = due[self._next[due] < end]
        if not clocks:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        return np.concatenate(clocks), np.concatenate(numbers)

    def _after(self, now: I64, gaps: I64) -> I64:
        """The instants so long after others, by clocks that go as the season says."""
        if self.every.curve is None:
            return now + gaps
        return np.maximum(self.every.curve.later(now, gaps.astype(np.float64)), now + SHORTEST)

    def _relive(self, births: I64, first: int, since: int) -> None:
        """The gaps of those who were born before the branch, up to the one that reaches over it."""
        old = first + np.flatnonzero(births < since)
        last = births[old - first]  # the instant before the next
        left, now, count = old, last, np.zeros(len(old), np.int64)
        place = np.arange(len(old))
        while len(left):
            following = self._after(now, self._gap(left, count, self._past))
            over = following >= since
            done = place[over]
            self._next[left[over]], self._gaps[left[over]], last[done] = (
                following[over],
                count[over] + 1,
                now[over],
            )
            left, now, count, place = left[~over], following[~over], count[~over] + 1, place[~over]
        if self.every.kind == "exponential":  # what is left of a gap is as long as any
            rest = self._gap(old, self._gaps[old] - 1 + _TRY)
            self._next[old] = self._after(np.full(len(old), since), rest)
            return
        for again in range(1, _TRIES + 1):
            following = self._after(last, self._gap(old, self._gaps[old] - 1 + again * _TRY))
            over = following >= since
            self._next[old[over]] = following[over]
            old, last = old[~over], last[~over]
            if not len(old):
                break

    def _gap(self, entities: I64, count: I64, key: int | None = None) -> I64:
        drawn = wait_micros(
            self.every.kind,
            self.every.params,
            1_000_000,
            self._key if key is None else key,
            entities.view(np.uint64),
            count.view(np.uint64),
        )
        return np.maximum(drawn, SHORTEST)
