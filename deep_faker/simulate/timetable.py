"""When flows that have a rate arrive: the points of each one's Poisson field that lie below its rate (T10).

The arrivals of a run are a function of its plan and seed, whatever happens in it. So they are made ahead, in
bulk, for a window of many steps, and engines are handed them as data.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from deep_faker.draws.mix import U64, Draws
from deep_faker.draws.poisson_field import A_SECOND, points
from deep_faker.plan import Plan
from deep_faker.plan.rates import Rate
from deep_faker.plan.settings import Settings
from deep_faker.simulate.arrays import I64, NEVER

_FIRST, _FULL = 1 << 10, 1 << 16  # arrivals of a window, about: few at first, so that a run begins at once
_LONGEST = 1 << 48  # µs, nine years: 65,536 cells of the field


class Arriving(NamedTuple):
    """Arrivals in the order of time: instants in µs, numbers of their flows, and of each a 64-bit word.

    Those of one flow keep their own whatever its rate, the run's length, and what else there is.
    """

    clock: I64
    flow: I64
    word: U64

    def some(self, first: int, last: int) -> Arriving:
        """Those from one place to before another."""
        return Arriving(self.clock[first:last], self.flow[first:last], self.word[first:last])


NOBODY = Arriving(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint64))


class Timetable:
    """The arrivals of a run by step. Steps may be asked for in any order; ascending costs least."""

    def __init__(self, plan: Plan, draws: Draws) -> None:
        self.settings, self.draws = plan.settings, draws
        self.rates = [
            (flow.number, flow.name, flow.rate)
            for flow in plan.flows
            if flow.rate is not None and flow.rate.per_second > 0
        ]
        self.steps = -(-plan.settings.duration // plan.settings.step) if self.rates else 0
        most = sum(rate.per_second * float(rate.curve.level.max()) for _, _, rate in self.rates)
        self._most = most / 1e6  # arrivals in a µs
        self._size = _FIRST
        self._first = self._until = 0
        self._came = NOBODY

    def window(self, step: int) -> tuple[Arriving, int]:
        """Arrivals from a step on, one at least if there are any, and the step before which these are all.

        That step is `NEVER` where no others follow.
        """
        while step < self.steps:
            span = self._size / self._most if self._most else _LONGEST
            steps = max(1, int(min(span, _LONGEST)) // self.settings.step)
            until = min(step + steps, self.steps)
            self._size = min(4 * self._size, _FULL)
            came = arriving(self.rates, self.draws, self._instant(step), self._instant(until))
            if len(came.clock):
                return came, until if until < self.steps else NEVER
            step = until
        return NOBODY, NEVER

    def of_step(self, step: int) -> Arriving:
        """The arrivals of a step. In the last one, that the end cuts, some may come after it (T4)."""
        if step >= self.steps:
            return NOBODY
        self._look(step)
        bounds = [self._instant(step), self._instant(step + 1)]
        first, last = np.searchsorted(self._came.clock, bounds).tolist()
        return self._came.some(first, last)

    def next(self, step: int) -> int:
        """The first step from this one on with an arrival; `NEVER`: there is none."""
        if step >= self.steps:
            return NEVER
        self._look(step)
        place = int(np.searchsorted(self._came.clock, self._instant(step)))
        if place == len(self._came.clock):
            if self._until == NEVER:
                return NEVER
            self._look(self._until)
            place = 0
            if not len(self._came.clock):
                return NEVER
        return (int(self._came.clock[place]) - self.settings.start) // self.settings.step

    def _look(self, step: int) -> None:
        """Have the window in which a step lies."""
        if not self._first <= step < self._until:
            self._came, self._until = self.window(step)
            self._first = step

    def _instant(self, step: int) -> int:
        return self.settings.start + step * self.settings.step


def arriving(rates: list[tuple[int, str, Rate]], draws: Draws, begin: int, end: int) -> Arriving:
    """The arrivals of flows (number, name, rate) from ``begin`` to before ``end``, in µs.

    Of one instant those of the first flow come first.
    """
    parts = []
    for number, name, rate in rates:
        height = rate.per_second * A_SECOND
        field = points(draws, name, begin, end, height * rate.curve.most(begin, end))
        kept = np.flatnonzero(field.height < height * rate.curve.at(field.clock))
        parts.append(Arriving(field.clock[kept], np.full(len(kept), number), field.word[kept]))
    clock, flow, word = (np.concatenate([part[i] for part in parts]) for i in range(3))
    order = _in_time(clock, begin)
    return Arriving(clock[order], flow[order], word[order])


def _in_time(clock: I64, begin: int) -> I64:
    """The places of instants in the order of time; of equal ones the first place first."""
    bits = len(clock).bit_length()
    if len(clock) == 0 or int(clock.max() - begin).bit_length() + bits > 63:
        return np.argsort(clock, kind="stable")
    # plain sorting of words is several times as fast as a stable sort of places
    packed = (clock - begin) << bits | np.arange(len(clock))
    packed.sort()
    return packed & ((1 << bits) - 1)


def let_in(settings: Settings, came: Arriving, running: int) -> int:
    """How many arrivals of a step there are places for, the first ones, where so many flows are active."""
    count = len(came.clock)
    return count if settings.n_flows is None else min(count, settings.n_flows - running)
