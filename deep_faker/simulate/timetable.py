"""When flows that start of themselves arrive: at a rate (T11), by clocks of entities (T13), by events (T14).

The first two are a function of the plan, the seed and the births of entities, whatever else happens. So they
are made ahead, in bulk, for a window of many steps, and engines are handed them as data. What events start
(`triggers`) is put between them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from deep_faker.draws.mix import Draws
from deep_faker.draws.poisson_field import A_SECOND, points
from deep_faker.plan import Array, Plan
from deep_faker.plan.rates import Rate
from deep_faker.plan.settings import Settings
from deep_faker.simulate.arrays import I64, NEVER
from deep_faker.simulate.came import Arriving, in_time, nobody
from deep_faker.simulate.clocks import Clocks
from deep_faker.simulate.clusters import Clusters
from deep_faker.simulate.state_rates import Read, StateRates
from deep_faker.simulate.triggers import Triggers

_FIRST, _FULL = 1 << 10, 1 << 16  # arrivals of a window, about: few at first, so that a run begins at once
_SHORT = 1 << 13  # where entities may be born whose instants are put between those of a window
_LONGEST = 1 << 48  # µs, nine years: 65,536 cells of the field

Births = Callable[[str, int], I64]
"""The instants (µs) of the births of a type's entities, from a number on; to be called between two steps."""


class Timetable:
    """The arrivals of a run by step, to be asked for in the order of the steps.

    ``births`` tells of the entities that there are by then, ``read`` of their state; they are called only
    where flows go by their clocks, or at rates that follow from state.
    ``waiting``: arrivals that events have started and that found their entities busy, or no place; they are
    among those of the next step again. ``stirred``: whether the last step can have changed anything for them.
    """

    def __init__(
        self, plan: Plan, draws: Draws, births: Births, read: Read, triggers: Triggers | None = None
    ) -> None:
        self.settings, self.draws, self._births = plan.settings, draws, births
        self.rates = [
            (flow.number, flow.name, flow.rate)
            for flow in plan.flows
            if flow.rate is not None and flow.rate.per_second > 0
        ]
        self.clocks = [Clocks(flow, flow.every, draws) for flow in plan.flows if flow.every is not None]
        self.triggers = Triggers(plan, draws) if triggers is None else triggers
        self.waiting, self.stirred = nobody(self.triggers.width), True
        self._read = read
        self.states = [
            StateRates(flow, flow.by_state, draws) for flow in plan.flows if flow.by_state is not None
        ]
        some = self.rates or self.clocks or self.triggers.of or self.states
        self.steps = -(-plan.settings.duration // plan.settings.step) if some else 0
        self._clusters = {
            number: Clusters(name, rate.burst, draws, plan.settings.start)
            for number, name, rate in self.rates
            if rate.burst is not None
        }
        most = sum(
            rate.per_second * float(rate.curve.level.max()) * rate.cluster for _, _, rate in self.rates
        )
        self._most = most / 1e6  # arrivals in a µs, of flows that have rates
        self._size = _FIRST
        self._until = 0  # the arrivals of the steps before are known, but for those of the newly born
        self._came = nobody(self.triggers.width)
        self._new = [0] * len(self.clocks)  # the number of the first entity whose arrivals are not there yet
        self._newest = NEVER  # the instant of the first of these

    @property
    def _soonest(self) -> int:
        """The instant of the first that is not put between the others yet."""
        return min(self._newest, self.triggers.soonest)

    def ahead(self, step: int) -> tuple[Arriving, int]:
        """Arrivals from a step on, one at least if there are any, and the step before which these are all.

        That step is `NEVER` where no others follow.
        """
        if step >= self.steps:
            return nobody(self.triggers.width), NEVER
        self._look(step)
        self._join(step)
        while not len(self._rest(step).clock) and self._until < NEVER:
            self._window(self._until)
        return self._rest(step), self._until

    def of_step(self, step: int) -> Arriving:
        """The arrivals of a step, those who wait first. In the last one, some may come after the end (T4)."""
        if step >= self.steps:
            return nobody(self.triggers.width)
        self._look(step)
        if self._soonest < self._instant(step + 1):
            self._join(step)
        bounds = [self._instant(step), self._instant(step + 1)]
        first, last = np.searchsorted(self._came.clock, bounds).tolist()
        came = self._came.some(slice(first, last))
        if not len(self.waiting.clock):
            return came
        return self.waiting._replace(clock=np.maximum(self.waiting.clock, bounds[0])).then(came)

    def next(self, step: int) -> int:
        """The first step from this one on with an arrival; `NEVER`: there is none."""
        if step >= self.steps:
            return NEVER
        if len(self.waiting.clock) and self.stirred:
            return step
        self._look(step)
        came = self._rest(step)
        if not len(came.clock):
            came, _ = self.ahead(step)
        first = min(int(came.clock[0]) if len(came.clock) else NEVER, self._soonest)
        following = self._step_of(first)
        return following if following < self.steps else NEVER

    def wait(self, step: int, those: Arriving) -> None:
        """These arrivals of a step are among those of the next one; after the last one all stay."""
        if step < self.steps:
            self.waiting = those

    # ------------------------------------------------ checkpoints

    def save(self, step: int) -> dict[str, Array]:
        """What no other state tells: the starts that events have caused, before a step."""
        return self.triggers.save(self.waiting, self._rest(step)) if self.triggers.of else {}

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Take up what `save` gave."""
        self.waiting = self.triggers.load(arrays)

    # ------------------------------------------------ windows

    def _rest(self, step: int) -> Arriving:
        place = int(np.searchsorted(self._came.clock, self._instant(step)))
        return self._came.some(slice(place, None))

    def _look(self, step: int) -> None:
        """Know the arrivals of a step, and when the first of the newly born are due."""
        for clocks in self.clocks:
            births = self._births(clocks.every.entity, clocks.known)
            if len(births):
                self._newest = min(self._newest, clocks.born(births, self._instant(step)))
        changed = self.triggers.take_changed() if self.states else {}
        for states in self.states:
            mine = changed.get(states.flow, np.empty(0, np.int64))
            born = len(self._births(states.entity, states.known))
            if len(mine) or born:
                mine = mine[(mine >= 0) & (mine < states.known)]
                mine = np.concatenate([mine, np.arange(states.known, states.known + born)])
                states.look(self._read)
                if step < self._until:
                    self._rerate(states, mine, step)
        if step >= self._until:
            self._window(step)

    def _rerate(self, states: StateRates, numbers: I64, step: int) -> None:
        """From a step on, these entities arrive at the rates that they have now."""
        rest = self._rest(step)
        gone = (rest.flow == states.flow) & np.isin(rest.entity[:, 0], numbers)
        end = self._instant(min(self._until, self.steps))
        more = of_states(states, self._instant(step), end, numbers)
        self._put([rest.some(np.flatnonzero(~gone)), more])

    def _join(self, step: int) -> None:
        """Put the arrivals of the newly born, and what events have started, between those of the window."""
        end = self._instant(min(self._until, self.steps))
        if self._soonest < end:
            begin = self._instant(step)
            new = zip(self.clocks, self._new, strict=True)
            more = [of_clocks(clocks, begin, end, first) for clocks, first in new]
            self._put([self._rest(step), *more])
            self._shorten(step)

    def _all_known(self) -> None:
        self._new, self._newest = [clocks.known for clocks in self.clocks], NEVER

    def _window(self, step: int) -> None:
        """Go on with the arrivals of the steps from this one on."""
        often = self._most + sum(clocks.per_micro for clocks in self.clocks)
        often += sum(states.per_micro for states in self.states)
        span = int(min(self._size / often, _LONGEST)) if often else _LONGEST
        span = min([span, *(states.longest() for states in self.states)])
        until = min(step + max(1, span // self.settings.step), self.steps)
        started = self.triggers.instant_of(_FULL)
        if started < NEVER:
            until = min(until, max(step, self._step_of(started)) + 1)
        most = _SHORT if self.clocks or self.triggers.of else 4 * _SHORT if self.states else _FULL
        self._size = min(4 * self._size, most)
        begin, end = self._instant(step), self._instant(until)
        parts = [self._of_rate(*rate, begin, end) for rate in self.rates]
        parts += [of_clocks(clocks, begin, end) for clocks in self.clocks]
        parts += [of_states(states, begin, end, np.arange(states.known)) for states in self.states]
        self._until = until if until < self.steps else NEVER
        self._put(parts)

    def _of_rate(self, number: int, name: str, rate: Rate, begin: int, end: int) -> Arriving:
        clusters = self._clusters.get(number)
        if clusters is None:
            return of_rate(number, name, rate, self.draws, begin, end)
        # a run that is taken up finds again what came before
        firsts = of_rate(number, name, rate, self.draws, clusters.until, end)
        return clusters.window(firsts, begin, end)

    def _put(self, parts: list[Arriving]) -> None:
        """These parts, and what events start, are the window."""
        width = self.triggers.width
        if width > 1:
            parts = [part if part.entity.shape[1] == width else _wider(part, width) for part in parts]
        started = self.triggers.take(self._instant(min(self._until, self.steps)))
        self._came = in_time([*parts, started], by_word=bool(self.triggers.of))
        self._all_known()

    def _shorten(self, step: int) -> None:
        """Give back the end of a window that events have filled: it is put in order with each new start.

        The arrivals at rates are found again; clocks have gone on, so what they said stays.
        """
        if self.clocks or self.states or self._clusters or len(self._came.clock) < 4 * _FULL:
            return
        until = max(step, self._step_of(int(self._came.clock[2 * _FULL]))) + 1
        if until < min(self._until, self.steps):
            first = int(np.searchsorted(self._came.clock, self._instant(until)))
            later = self._came.some(slice(first, None))
            rated = [number for number, _, _ in self.rates]
            self.triggers.put(later.some(np.flatnonzero(~np.isin(later.flow, rated))))
            self._came, self._until = self._came.some(slice(0, first)), until

    def _step_of(self, instant: int) -> int:
        return (instant - self.settings.start) // self.settings.step

    def _instant(self, step: int) -> int:
        return self.settings.start + step * self.settings.step


def of_rate(number: int, name: str, rate: Rate, draws: Draws, begin: int, end: int) -> Arriving:
    """The arrivals of a flow that has a rate, from ``begin`` to before ``end``, in µs."""
    height = rate.per_second * A_SECOND
    field = points(draws, name, begin, end, height * rate.curve.most(begin, end))
    kept = np.flatnonzero(field.height < height * rate.curve.at(field.clock))
    count = len(kept)
    return Arriving(field.clock[kept], np.full(count, number), field.word[kept], np.full((count, 1), -1))


def of_clocks(clocks: Clocks, begin: int, end: int, first: int = 0) -> Arriving:
    """The same of a flow that goes by the clocks of entities, from number ``first`` on."""
    instants, entity = clocks.instants(begin, end, first)
    count = len(instants)
    return Arriving(instants, np.full(count, clocks.flow), clocks.words(entity, instants), entity[:, None])


def of_states(states: StateRates, begin: int, end: int, numbers: I64) -> Arriving:
    """The same of a flow whose rate follows from the state of these entities."""
    clock, word, entity = states.arrivals(numbers, begin, end)
    return Arriving(clock, np.full(len(clock), states.flow), word, entity[:, None])


def _wider(part: Arriving, width: int) -> Arriving:
    """The same in so many columns of entities."""
    none = np.full((len(part.clock), width - part.entity.shape[1]), -1)
    return part._replace(entity=np.hstack([part.entity, none]))


def let_in(settings: Settings, came: Arriving, running: int) -> int:
    """How many arrivals of a step there are places for, the first ones, where so many flows are active."""
    count = len(came.clock)
    return count if settings.n_flows is None else min(count, settings.n_flows - running)
