"""When flows that start of themselves arrive: at a rate of their own (T11), or by clocks of entities (T13).

Arrivals are a function of the plan, the seed and the births of entities, whatever else happens. So they are
made ahead, in bulk, for a window of many steps, and engines are handed them as data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from deep_faker.draws.mix import U64, Draws
from deep_faker.draws.poisson_field import A_SECOND, points
from deep_faker.plan import Plan
from deep_faker.plan.rates import Rate
from deep_faker.plan.settings import Settings
from deep_faker.simulate.arrays import I64, NEVER
from deep_faker.simulate.clocks import Clocks

_FIRST, _FULL = 1 << 10, 1 << 16  # arrivals of a window, about: few at first, so that a run begins at once
_SHORT = 1 << 13  # where entities may be born whose instants are put between those of a window
_LONGEST = 1 << 48  # µs, nine years: 65,536 cells of the field

Births = Callable[[str, int], I64]
"""The instants (µs) of the births of a type's entities, from a number on; to be called between two steps."""


class Arriving(NamedTuple):
    """Arrivals in the order of time: instants in µs, numbers of their flows, and of each a 64-bit word.

    ``entity``: whose clock it was, by number; -1: nobody's, and its flow's filter finds one. The arrivals of
    one flow keep their words whatever its rate, the run's length, and what else there is.
    """

    clock: I64
    flow: I64
    word: U64
    entity: I64

    def some(self, first: int, last: int) -> Arriving:
        """Those from one place to before another."""
        part = slice(first, last)
        return Arriving(self.clock[part], self.flow[part], self.word[part], self.entity[part])


NOBODY = Arriving(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint64), np.empty(0, np.int64))


class Timetable:
    """The arrivals of a run by step, to be asked for in the order of the steps.

    ``births`` tells of the entities that there are by then; it is called only where flows go by their clocks.
    """

    def __init__(self, plan: Plan, draws: Draws, births: Births) -> None:
        self.settings, self.draws, self._births = plan.settings, draws, births
        self.rates = [
            (flow.number, flow.name, flow.rate)
            for flow in plan.flows
            if flow.rate is not None and flow.rate.per_second > 0
        ]
        self.clocks = [Clocks(flow, flow.every, draws) for flow in plan.flows if flow.every is not None]
        some = self.rates or self.clocks
        self.steps = -(-plan.settings.duration // plan.settings.step) if some else 0
        most = sum(rate.per_second * float(rate.curve.level.max()) for _, _, rate in self.rates)
        self._most = most / 1e6  # arrivals in a µs, of flows that have rates
        self._size = _FIRST
        self._until = 0  # the arrivals of the steps before are known, but for those of the newly born
        self._came = NOBODY
        self._new = [0] * len(self.clocks)  # the number of the first entity whose arrivals are not there yet
        self._soonest = NEVER  # the instant of the first of these

    def ahead(self, step: int) -> tuple[Arriving, int]:
        """Arrivals from a step on, one at least if there are any, and the step before which these are all.

        That step is `NEVER` where no others follow.
        """
        if step >= self.steps:
            return NOBODY, NEVER
        self._look(step)
        self._join(step)
        while not len(self._rest(step).clock) and self._until < NEVER:
            self._window(self._until)
        return self._rest(step), self._until

    def of_step(self, step: int) -> Arriving:
        """The arrivals of a step. In the last one, that the end cuts, some may come after it (T4)."""
        if step >= self.steps:
            return NOBODY
        self._look(step)
        if self._soonest < self._instant(step + 1):
            self._join(step)
        bounds = [self._instant(step), self._instant(step + 1)]
        first, last = np.searchsorted(self._came.clock, bounds).tolist()
        return self._came.some(first, last)

    def next(self, step: int) -> int:
        """The first step from this one on with an arrival; `NEVER`: there is none."""
        if step >= self.steps:
            return NEVER
        self._look(step)
        came = self._rest(step)
        if not len(came.clock):
            came, _ = self.ahead(step)
        first = min(int(came.clock[0]) if len(came.clock) else NEVER, self._soonest)
        following = (first - self.settings.start) // self.settings.step
        return following if following < self.steps else NEVER

    def _rest(self, step: int) -> Arriving:
        place = int(np.searchsorted(self._came.clock, self._instant(step)))
        return self._came.some(place, len(self._came.clock))

    def _look(self, step: int) -> None:
        """Know the arrivals of a step, and when the first of the newly born are due."""
        for clocks in self.clocks:
            births = self._births(clocks.every.entity, clocks.known)
            if len(births):
                self._soonest = min(self._soonest, clocks.born(births, self._instant(step)))
        if step >= self._until:
            self._window(step)

    def _join(self, step: int) -> None:
        """Put the arrivals of the newly born between the others of the window."""
        if self._soonest < NEVER:
            begin, end = self._instant(step), self._instant(min(self._until, self.steps))
            new = zip(self.clocks, self._new, strict=True)
            more = [of_clocks(clocks, begin, end, first) for clocks, first in new]
            self._came = in_time([self._rest(step), *more])
            self._all_known()

    def _all_known(self) -> None:
        self._new, self._soonest = [clocks.known for clocks in self.clocks], NEVER

    def _window(self, step: int) -> None:
        """Go on with the arrivals of the steps from this one on."""
        often = self._most + sum(clocks.per_micro for clocks in self.clocks)
        span = int(min(self._size / often, _LONGEST)) if often else _LONGEST
        until = min(step + max(1, span // self.settings.step), self.steps)
        self._size = min(4 * self._size, _SHORT if self.clocks else _FULL)
        begin, end = self._instant(step), self._instant(until)
        parts = [of_rate(*rate, self.draws, begin, end) for rate in self.rates]
        parts += [of_clocks(clocks, begin, end) for clocks in self.clocks]
        self._came = in_time(parts)
        self._until = until if until < self.steps else NEVER
        self._all_known()

    def _instant(self, step: int) -> int:
        return self.settings.start + step * self.settings.step


def of_rate(number: int, name: str, rate: Rate, draws: Draws, begin: int, end: int) -> Arriving:
    """The arrivals of a flow that has a rate, from ``begin`` to before ``end``, in µs."""
    height = rate.per_second * A_SECOND
    field = points(draws, name, begin, end, height * rate.curve.most(begin, end))
    kept = np.flatnonzero(field.height < height * rate.curve.at(field.clock))
    count = len(kept)
    return Arriving(field.clock[kept], np.full(count, number), field.word[kept], np.full(count, -1))


def of_clocks(clocks: Clocks, begin: int, end: int, first: int = 0) -> Arriving:
    """The same of a flow that goes by the clocks of entities, from number ``first`` on."""
    instants, entity = clocks.instants(begin, end, first)
    count = len(instants)
    return Arriving(instants, np.full(count, clocks.flow), np.zeros(count, np.uint64), entity)


def in_time(parts: Sequence[Arriving]) -> Arriving:
    """All parts in the order of time; of one instant, in that of their flows and entities."""
    clock = np.concatenate([part.clock for part in parts])
    flow = np.concatenate([part.flow for part in parts])
    word = np.concatenate([part.word for part in parts])
    entity = np.concatenate([part.entity for part in parts])
    order = _order(clock)
    if (entity >= 0).any() and (np.diff(clock[order]) == 0).any():
        order = np.lexsort((entity, flow, clock))
    return Arriving(clock[order], flow[order], word[order], entity[order])


def _order(clock: I64) -> I64:
    """The places of instants in the order of time; of equal ones the first place first."""
    count = len(clock)
    bits = count.bit_length()
    begin = int(clock.min()) if count else 0
    if count and int(clock.max() - begin).bit_length() + bits > 63:
        return np.argsort(clock, kind="stable")
    # plain sorting of words is several times as fast as a stable sort of places
    packed = (clock - begin) << bits | np.arange(count)
    packed.sort()
    return packed & ((1 << bits) - 1)


def let_in(settings: Settings, came: Arriving, running: int) -> int:
    """How many arrivals of a step there are places for, the first ones, where so many flows are active."""
    count = len(came.clock)
    return count if settings.n_flows is None else min(count, settings.n_flows - running)
