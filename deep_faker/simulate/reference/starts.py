"""Which flows start in a step, and with whom: what is meant, in plain code (T5, T11)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from deep_faker.draws.mix import U64, Draws
from deep_faker.plan import FlowTable, Plan
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.arrivals import ARRIVING, Arrivals, wanted
from deep_faker.simulate.came import Arriving
from deep_faker.simulate.reference.store import MemberList
from deep_faker.simulate.state_rates import Read
from deep_faker.simulate.tally import Tally
from deep_faker.simulate.timetable import Timetable, let_in


@dataclass
class Slot:
    """The entity of one type that a flow holds, or uses without holding it."""

    number: int
    shared: bool


Start = tuple[int, FlowTable, dict[str, Slot], I64 | None, int | None]
"""A start that was served: its instant, flow, what it holds or uses; of an arrival its words, and its own."""


class Starts:
    """The starts of a run; ``skipped``: those that went to no flow."""

    def __init__(
        self, plan: Plan, draws: Draws, lists: Mapping[int, MemberList], tally: Tally, read: Read
    ) -> None:
        self.plan, self.settings, self.lists, self.tally = plan, plan.settings, lists, tally
        self.arrivals, self.timetable = Arrivals(plan, draws), Timetable(plan, draws, self._births, read)
        self.skipped = 0

    def can_start(self) -> bool:
        """Whether anybody could take a place that is free."""
        return any(
            flow.weight > 0 and all(self.lists[number].is_stocked() for number in flow.starts)
            for flow in self.plan.flows
        )

    def of_step(self, step: int, running: int) -> list[Start]:
        """The arrivals of a step, and the starts that fill places, in the order of time."""
        came = self.timetable.of_step(step)
        count = let_in(self.settings, came, running)
        free = wanted(self.settings, step, running + count)
        waiting: list[int] = []
        starts = self._arrive(step, came.some(slice(count)), waiting)
        for place in range(count, len(came.clock)):
            if self.plan.flows[int(came.flow[place])].on is not None:
                waiting.append(place)
            elif came.clock[place] < self.settings.end:
                self.tally.turn_away(came.flow[place : place + 1], unmatched=False)
        self.timetable.wait(step, came.some(np.array(sorted(waiting), np.int64)))
        starts += self._fill(step, free)
        return sorted(starts, key=lambda start: start[0])

    def _arrive(self, step: int, came: Arriving, waiting: list[int]) -> list[Start]:
        """Arrivals are served flow by flow; those for whom nobody is left are turned away, or wait."""
        served: dict[int, Start] = {}
        for number in self.arrivals.in_turn(step, ARRIVING, sorted(set(came.flow.tolist()))):
            flow = self.plan.flows[number]
            claimants = np.flatnonzero(came.flow == number).tolist()
            if flow.names_entities:
                waiting += self._call(flow, step, claimants, came, served)
                continue
            count = self._left(flow, len(claimants)) if self._has_left(flow) else 0
            for place in claimants[:count]:
                clock, word = int(came.clock[place]), came.word[place : place + 1]
                taken = self._taken(step, flow, partial(self.arrivals.shares_of, words=word))
                served[place] = clock, flow, taken, None, int(word[0])
            away = [place for place in claimants[count:] if came.clock[place] < self.settings.end]
            self.tally.turn_away(came.flow[away], unmatched=True)
        return [served[place] for place in sorted(served)]

    def _call(
        self, flow: FlowTable, step: int, claimants: list[int], came: Arriving, served: dict[int, Start]
    ) -> list[int]:
        """Arrivals that name their entities get these, where they match and are free.

        The places of those that wait: an entity is busy, and an event has started them.
        """
        lists, waiting = [self.lists[number] for number in flow.starts], []
        for place in claimants:
            numbers = came.entity[place].tolist()
            asked = [*zip(lists, numbers, strict=False)]
            how = [self._how(members, number, step) for members, number in asked]
            if "no" in how or ("busy" in how and flow.on is None):
                if came.clock[place] < self.settings.end:
                    self.tally.turn_away(came.flow[place : place + 1], unmatched=True)
            elif "busy" in how:
                waiting.append(place)
            else:
                taken = {}
                for members, number in asked:
                    taken[members.filter.entity] = Slot(number, shared=members.filter.shared)
                    if not members.filter.shared:
                        members.table.rows[number].taken_in = step
                served[place] = int(came.clock[place]), flow, taken, came.entity[place], int(came.word[place])
        return waiting

    @staticmethod
    def _how(members: MemberList, number: int, step: int) -> str:
        """Whether an entity can be had: "yes", "no" as it does not match or is none, "busy"."""
        if number < 0:
            return "no"
        row = members.table.rows[number]
        if members.filter.shared:
            return "yes" if number in members.members else "no" if row.published else "busy"
        if number in members.members:
            return "busy" if row.taken_in == step else "yes"
        return "no" if row.available else "busy"

    def _births(self, entity: str, first: int) -> I64:
        """The instants at which entities were born, from a number on."""
        tables = [members.table for members in self.lists.values() if members.filter.entity == entity]
        return np.array([row.born[3] for row in tables[0].rows[first:]], np.int64)

    def _fill(self, step: int, count: int) -> list[Start]:
        """Starts are served in rounds: each draws a flow among those whose filters have somebody left."""
        slots = self.arrivals.instants(step, count).tolist()
        served: dict[int, tuple[FlowTable, dict[str, Slot]]] = {}  # slot → its flow and entities
        unserved = list(range(len(slots)))
        dead: set[int] = set()
        unmatched: set[int] = set()  # flows that are counted as such already
        rounds = 0
        while unserved:
            alive = [
                f for f in self.plan.flows if f.weight > 0 and f.number not in dead and self._has_left(f)
            ]
            matched = {f.number for f in alive}
            self.tally.without(matched | unmatched, len(unserved))
            unmatched |= {f.number for f in self.plan.flows} - matched
            if not alive:
                break
            among = [flow.number for flow in alive]
            drawn = self.arrivals.flows(step, rounds, np.array(unserved), among).tolist()
            for flow in (self.plan.flows[n] for n in self.arrivals.in_turn(step, rounds, among)):
                claimants = [slot for slot, n in zip(unserved, drawn, strict=True) if n == flow.number]
                left = min(len(claimants), self._left(flow, len(claimants)))
                for slot in claimants[:left]:
                    places = np.array([slot])
                    draws = partial(self.arrivals.shares, step, places=places)
                    served[slot] = (flow, self._taken(step, flow, draws))
                if left < len(claimants):
                    dead.add(flow.number)
            unserved = [slot for slot in unserved if slot not in served]
            rounds += 1
        self.skipped += len(unserved)
        return [(slots[slot], *served[slot], None, None) for slot in sorted(served)]

    def _has_left(self, flow: FlowTable) -> bool:
        return all(self.lists[number].is_left() for number in flow.starts)

    def _left(self, flow: FlowTable, wanted: int) -> int:
        """How many starts of a flow its filters can serve, up to ``wanted``."""
        counts = [wanted]
        for number in flow.starts:
            members = self.lists[number]
            if not members.filter.shared:
                counts.append(sum(1 for _, _ in zip(range(wanted), members.untaken(), strict=False)))
            elif not members.is_left():
                counts.append(0)
        return min(counts)

    def _taken(self, step: int, flow: FlowTable, shares: Callable[[int], U64]) -> dict[str, Slot]:
        """``shares``: for the filter at a position, the draw of this start."""
        taken = {}
        for position, number in enumerate(flow.starts):
            members = self.lists[number]
            if members.filter.shared:
                u = int(shares(position)[0])
                taken[members.filter.entity] = Slot(members.share(u), shared=True)
            else:
                entity = members.take()
                members.table.rows[entity].taken_in = step
                taken[members.filter.entity] = Slot(entity, shared=False)
        return taken
