"""How flows start: how many may in a step, at which instants, as which flows, and which step is next (T5).

Flows that have a rate start at the instants that `timetable` says instead.

No engine has a rule of its own. What is here depends on the settings, on how much is running and on keyed
draws, never on what was asked before; who matches a flow's filters is what engines add. The kernel keeps
compiled twins (`native/kernel/starts.py`), which `test_arrivals.py` holds to these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from deep_faker.draws.mix import U64, Draws, below, mix, mix1, unit
from deep_faker.plan import Plan
from deep_faker.plan.settings import Settings
from deep_faker.simulate.arrays import I64, NEVER

# What the draws of starts are for. The kernel is given the keys of the same purposes.
START, FLOW, SELECT_START, SELECT_ARRIVAL = "start", "flow", "select-start", "select-arrival"
# The turn in which the flows of arrivals are served: before the rounds 0, 1, … of the other starts.
ARRIVING = 1 << 20


def first_without(settings: Settings) -> int:
    """The first step in which no flow starts: the steps before it begin before the end (T4).

    >>> first_without(Settings(0, 60, 25, n_flows=10))
    3
    """
    return -(-settings.duration // settings.step)


def wanted(settings: Settings, step: int, running: int) -> int:
    """How many flows a step starts that finds so many active: so many in each, or up to the ceiling (T5).

    >>> wanted(Settings(0, 60, 1, n_flows=10), 3, running=7)
    3
    >>> wanted(Settings(0, 60, 1, n_flows=None, starts_per_step=5), 3, running=7)
    5
    >>> wanted(Settings(0, 60, 1, n_flows=10), 60, running=7)
    0
    """
    if step >= first_without(settings):
        return 0
    free = NEVER if settings.n_flows is None else settings.n_flows - running
    return free if settings.starts_per_step is None else min(settings.starts_per_step, free)


class Next(NamedTuple):
    """Where a run goes on.

    ``step``: the first that is not passed over; ``happens``: whether it is to be made, or there is none, or
    none before the stop; ``skipped``: the starts of the steps that are passed over.
    """

    step: int
    happens: bool
    skipped: int


def next_step(
    settings: Settings,
    first: int,
    running: int,
    *,
    can_start: Callable[[], bool],
    due: Callable[[], int],
    flip: Callable[[], int],
    arrival: int = NEVER,
    stop: int = NEVER,
) -> Next:
    """The next step, from ``first`` on and before ``stop``, in which anything can happen.

    ``can_start``: whether the filters of any flow offer somebody now; ``due``: the instant of the first flow
    that goes on; ``flip``: the step of the first entity that time alone makes match, or no longer. Both are
    `NEVER` where there is none, and as they cost something, they are asked only where they count.
    ``arrival``: the step of the next flow that starts at a rate of its own, from ``first`` on.

    As lists change between steps only, a step whose starts find nobody is like the next one: all up to the
    next that can differ are passed over at once.

    >>> def nobody():
    ...     return False
    >>> settings = Settings(0, 60, 1, n_flows=10)
    >>> next_step(settings, 5, 7, can_start=nobody, due=lambda: 9, flip=lambda: NEVER)
    Next(step=9, happens=True, skipped=12)
    >>> next_step(settings, 5, 0, can_start=nobody, due=lambda: NEVER, flip=lambda: NEVER)
    Next(step=60, happens=False, skipped=550)
    """
    after = first_without(settings)
    starts = wanted(settings, first, running)
    if starts > 0 and can_start():
        following = first
    else:
        clock = due() if running else NEVER
        following = NEVER if clock == NEVER else max(first, (clock - settings.start) // settings.step)
        if starts > 0 or running or arrival < NEVER:
            flips = max(first, flip())
            if running or flips < after:  # who comes to match when all is over changes nothing
                following = min(following, flips)
        following = min(following, arrival)
    passed = min(following, stop)
    skipped = max(starts, 0) * max(0, min(passed, after) - first)
    if following < NEVER and following < stop:
        return Next(following, happens=True, skipped=skipped)
    return Next(max(first, min(passed, after)), happens=False, skipped=skipped)


class Arrivals:
    """The draws of a run's starts. Starts of a step have places: 0, 1, … in the order of their instants."""

    def __init__(self, plan: Plan, draws: Draws) -> None:
        self.settings, self.draws = plan.settings, draws
        self.weights = [flow.weight for flow in plan.flows]
        self._instants, self._order = draws.key(START), draws.key("order", 0)

    def instants(self, step: int, count: int) -> I64:
        """The instants of a step's starts, ascending."""
        places = np.arange(count, dtype=np.uint64)
        offsets = below(mix(self._instants, step, places), self.settings.step)
        offsets.sort()
        begin = self.settings.start + step * self.settings.step
        out: I64 = offsets.view(np.int64) + begin
        return out

    def flows(self, step: int, turn: int, places: I64, among: Sequence[int]) -> I64:
        """In a round, each start draws one flow ``among`` those (by number) that can start, by weight."""
        if len(among) == 1:
            return np.full(len(places), among[0])
        sums = list(accumulate(self.weights[number] for number in among))
        u = unit(mix(self.draws.key(FLOW, turn), step, places.view(np.uint64)))
        drawn = np.searchsorted(np.array(sums), u * sums[-1], side="right")
        return np.array(among)[np.minimum(drawn, len(among) - 1)]

    def in_turn(self, step: int, turn: int, among: Sequence[int]) -> list[int]:
        """The order in which the flows of a round are served."""
        shuffle = mix1(self._order, step)
        return sorted(among, key=lambda number: mix1(shuffle, turn * 65_536 + number))

    def shares_of(self, position: int, words: U64) -> U64:
        """The draws by which arrivals share an entity of their flow's filter at ``position``."""
        return mix(self.draws.key(SELECT_ARRIVAL, position), words)

    def shares(self, step: int, position: int, places: I64) -> U64:
        """The draws by which starts share an entity of their flow's filter at ``position``."""
        return mix(self.draws.key(SELECT_START, position), step, places.view(np.uint64))
