"""Which flows start in a step, when, and with which entities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from deep_faker.draws.mix import Draws
from deep_faker.plan import Array, FlowTable, Plan
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.arrivals import ARRIVING, Arrivals
from deep_faker.simulate.came import Arriving
from deep_faker.simulate.columns.members import Membership
from deep_faker.simulate.timetable import Timetable

if TYPE_CHECKING:
    from collections.abc import Callable

    from deep_faker.draws.mix import U64
    from deep_faker.simulate.columns.store import Store
    from deep_faker.simulate.tally import Tally
    from deep_faker.simulate.triggers import Triggers

Entities = dict[str, tuple[I64, Array]]
"""Of each entity type which one each start got, and whether it is shared: as `Served.entities`."""


class Served:
    """The flows that start in a step, in the order of their instants.

    ``entities``: for each entity type of any start filter the number that each flow got (-2: its flow
    asks for none), and whether it is used without being held. ``words``: of arrivals, a row each, what
    `On.values` reads. ``came``: which of them are arrivals, whose own words are ``word``.
    """

    def __init__(
        self,
        table: Array,
        clock: I64,
        entities: dict[str, tuple[I64, Array]],
        words: I64,
        came: I64,
        word: U64,
    ) -> None:
        self.table, self.clock, self.entities, self.words = table, clock, entities, words
        self.came, self.word = came, word


class Schedule:
    """Serves the starts of a step in rounds: flows are chosen by weight among those that can start."""

    def __init__(self, plan: Plan, draws: Draws, store: Store, tally: Tally, triggers: Triggers) -> None:
        self.tally = tally
        self.flows = plan.flows
        self.lists: list[list[Membership]] = [[store.lists[n] for n in flow.starts] for flow in plan.flows]
        self.arrivals = Arrivals(plan, draws)
        self.timetable = Timetable(plan, draws, store.births, store.column, triggers)
        self.end = plan.settings.end

    def can_start(self) -> bool:
        """Whether a step that finds the lists as they are now could start any flow."""
        return any(
            flow.weight > 0 and all(map(_offers, lists))
            for flow, lists in zip(self.flows, self.lists, strict=True)
        )

    def start(self, step: int, slots: int, came: Arriving) -> tuple[Served | None, int, Arriving]:
        """Serve the arrivals that are let in, then fill up to ``slots`` slots; how many found no flow.

        Last the arrivals for whom an entity is busy, and who wait for it.

        Flows that start after the end of the simulation are among them, for this step.
        """
        arrived = len(came.clock)
        chosen = np.full(arrived + slots, -1, np.int64)
        entities: Entities = {}
        for lists in self.lists:
            for members in lists:
                name = members.filter.entity
                if name not in entities:
                    entities[name] = np.full(len(chosen), -2, np.int64), np.zeros(len(chosen), np.bool_)
        waiting = came.some(slice(0))
        if arrived:
            at = self._arrive(step, came, chosen[:arrived], _views(entities, slice(None, arrived)))
            waiting = came.some(at)
        clock, skipped = self._fill(step, slots, chosen[arrived:], _views(entities, slice(arrived, None)))
        if arrived:
            clock = np.concatenate([came.clock, clock])
        served = self._seated(chosen, clock, entities, came, mixed=arrived > 0 and slots > 0)
        return served, skipped, waiting

    def _arrive(self, step: int, came: Arriving, chosen: I64, entities: Entities) -> I64:
        """Arrivals get entities, flow by flow; for whom there are not enough, they are turned away.

        The places of those that wait.
        """
        waiting = [np.empty(0, np.int64)]
        for number in self.arrivals.in_turn(step, ARRIVING, np.unique(came.flow).tolist()):
            claimants = np.flatnonzero(came.flow == number)
            if self.flows[number].names_entities:
                busy = self._call(number, step, claimants, came.entity[claimants], entities, chosen)
                unserved = claimants[chosen[claimants] < 0]
                if self.flows[number].on is not None:
                    waiting.append(busy)
                    unserved = np.setdiff1d(unserved, busy)
                away = unserved[came.clock[unserved] < self.end]
                self.tally.turn_away(came.flow[away], unmatched=True)
                continue
            served = 0
            if all(members.any_left() for members in self.lists[number]):
                served = self._serve(
                    number,
                    step,
                    claimants,
                    entities,
                    lambda position, places: self.arrivals.shares_of(position, came.word[places]),
                )
            chosen[claimants[:served]] = number
            away = claimants[served:]
            self.tally.turn_away(came.flow[away[came.clock[away] < self.end]], unmatched=True)

        return np.sort(np.concatenate(waiting))

    def _call(
        self, number: int, step: int, claimants: I64, called: I64, entities: Entities, chosen: I64
    ) -> I64:
        """Claimants get the entities that they name (a row each) where all match and are free.

        The places of those for whom one is busy.
        """
        lists = self.lists[number]
        none, busy = np.zeros(len(claimants), np.bool_), np.zeros(len(claimants), np.bool_)
        for members, column in zip(lists, called.T, strict=False):
            none |= column < 0
            asked = np.maximum(column, 0)
            listed = members.position.a[asked] >= 0
            if members.filter.shared:
                is_there = members.table.published.a[asked]
            else:
                is_there = members.table.available.a[asked]
                busy |= members.table.taken.a[asked] == step
            none |= is_there & ~listed
            busy |= ~is_there
        free = np.flatnonzero(~none & ~busy)
        mine = self._first_come(lists, called, free)
        busy[np.setdiff1d(free, mine)] = True
        for members, column in zip(lists, called.T, strict=False):
            numbers, shared = entities[members.filter.entity]
            numbers[claimants[mine]] = column[mine]
            if members.filter.shared:
                shared[claimants[mine]] = True
            else:
                members.table.taken.a[column[mine]] = step
        chosen[claimants[mine]] = number
        out: I64 = claimants[busy & ~none]
        return out

    def _first_come(self, lists: list[Membership], called: I64, free: I64) -> I64:
        """Of the claimants at these places, those that nobody before them leaves without."""
        held = [i for i, members in enumerate(lists) if not members.filter.shared]
        if len(held) < 2:
            for i in held:
                _, first = np.unique(called[free, i], return_index=True)
                free = free[np.sort(first)]
            return free
        gone: list[set[int]] = [set() for _ in held]
        out = []
        for place in free.tolist():  # few: flows that events start with several entities of their own
            wanted = called[place, held].tolist()
            if not any(one in taken for one, taken in zip(wanted, gone, strict=True)):
                out.append(place)
                for one, taken in zip(wanted, gone, strict=True):
                    taken.add(one)
        return np.array(out, np.int64)

    def _fill(self, step: int, slots: int, chosen: I64, entities: Entities) -> tuple[I64, int]:
        """Slots are filled in rounds by flows that have no rate: their instants, and how many found none."""
        none = np.zeros(slots, np.int64)
        if not slots:
            return none, 0
        alive = [self._alive(flow, lists) for flow, lists in zip(self.flows, self.lists, strict=True)]
        self.tally.without(_numbers(alive), slots)
        if not any(alive):
            return none, slots
        open_ = np.arange(slots)
        round_ = 0
        out = set(range(len(alive))) - set(_numbers(alive))  # who is counted as unmatched already
        while len(open_) and any(alive):
            tables = _numbers(alive)
            choice = self.arrivals.flows(step, round_, open_, tables)
            for number in self.arrivals.in_turn(step, round_, tables):
                claimants = open_[choice == number]
                served = self._serve(
                    number,
                    step,
                    claimants,
                    entities,
                    lambda position, places: self.arrivals.shares(step, position, places),
                )
                chosen[claimants[:served]] = number
                if served < len(claimants):
                    alive[number] = False
            open_ = open_[chosen[open_] < 0]
            if len(open_):
                alive = [a and self._alive(self.flows[n], self.lists[n]) for n, a in enumerate(alive)]
                self.tally.without({*_numbers(alive), *out}, len(open_))
                out.update(n for n in tables if not alive[n])
            round_ += 1
        return self.arrivals.instants(step, slots), len(open_)

    def _alive(self, flow: FlowTable, lists: list[Membership]) -> bool:
        return flow.weight > 0 and all(members.any_left() for members in lists)

    def _serve(
        self, number: int, step: int, claimants: I64, entities: Entities, shares: Callable[[int, I64], U64]
    ) -> int:
        """The first claimants of a flow get entities of all its filters; how many there are enough for.

        ``shares``: for the filter at a position, the draws of these claimants.
        """
        count = len(claimants)
        offers: list[tuple[Membership, I64, I64]] = []
        for members in self.lists[number]:
            if not members.filter.shared:
                offered, cursors = members.peek(count)
                count = min(count, len(offered))
                offers.append((members, offered, cursors))
        claimants = claimants[:count]
        if not count:
            return 0
        for members, offered, cursors in offers:
            members.cursor = int(cursors[count - 1])
            entities[members.filter.entity][0][claimants] = offered[:count]
            members.table.taken.a[offered[:count]] = step
        for position, members in enumerate(self.lists[number]):
            if members.filter.shared:
                u = shares(position, claimants)
                numbers, shared = entities[members.filter.entity]
                numbers[claimants] = members.share(u)
                shared[claimants] = True
        return count

    def _seated(
        self, chosen: I64, clock: I64, entities: Entities, came: Arriving, *, mixed: bool
    ) -> Served | None:
        keep = np.flatnonzero(chosen >= 0)
        if mixed:  # arrivals stand before the others
            keep = keep[np.argsort(clock[keep], kind="stable")]
        if not len(keep):
            return None
        taken = {name: (numbers[keep], shared[keep]) for name, (numbers, shared) in entities.items()}
        words = came.entity[keep] if len(came.clock) == len(chosen) else came.entity
        if len(words) < len(keep):  # the others have none
            spare = np.zeros((len(chosen) - len(came.clock), words.shape[1]), np.int64)
            words = np.concatenate([words, spare])[keep]
        arrived = np.flatnonzero(keep < len(came.clock))
        return Served(chosen[keep], clock[keep], taken, words, arrived, came.word[keep[arrived]])


def _views(entities: Entities, part: slice) -> Entities:
    return {name: (numbers[part], shared[part]) for name, (numbers, shared) in entities.items()}


def _numbers(alive: list[bool]) -> list[int]:
    return [number for number, is_alive in enumerate(alive) if is_alive]


def _offers(members: Membership) -> bool:
    if members.length == 0:
        return False
    return members.filter.weight is None or members.sums().total > 0.0
