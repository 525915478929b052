"""What no event tells: at how many starts nobody matched a flow's filter, and which filters ever matched."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Protocol

import numpy as np

from deep_faker.plan import Array, Plan
from deep_faker.simulate.came import Arriving
from deep_faker.simulate.engine import Counts


class List(Protocol):
    """The members of a filter; ``ever``: whether it has had one."""

    ever: bool


class Tally:
    """Counts of a run that its report needs; part of its checkpoints.

    ``unmatched``: for each flow of the plan, the starts that could not be its own, as nobody
    matched its filter then. ``turned_away``: of a flow that has a rate, the arrivals that did not start, as
    nobody matched or there was no place.
    """

    def __init__(self, plan: Plan) -> None:
        self.names = [flow.name for flow in plan.flows]
        self.flows = [flow.number for flow in plan.flows if flow.weight > 0]
        self.rated = [flow.number for flow in plan.flows if flow.arrives is not None]
        self.end = plan.settings.end
        self.unmatched: list[int] = [0] * len(plan.flows)
        self.turned_away: list[int] = [0] * len(plan.flows)

    def without(self, served: Container[int], starts: int) -> None:
        """So many starts that only flows in ``served`` (by number) could have taken."""
        for number in self.flows:
            if number not in served:
                self.unmatched[number] += starts

    def turn_away(self, flows: Array, *, unmatched: bool) -> None:
        """Arrivals of these flows (by number) do not start; ``unmatched``: for want of an entity."""
        for number in flows.tolist():
            self.turned_away[number] += 1
            self.unmatched[number] += unmatched

    def counts(self, skipped: int, lists: Mapping[int, List], waiting: Arriving) -> Counts:
        """For the report; ``lists`` by the number of their filter; who still waits is turned away."""
        matched = [lists[number].ever for number in range(len(lists))]
        late = waiting.flow[waiting.clock < self.end]
        away = {n: self.turned_away[n] + int(np.count_nonzero(late == n)) for n in self.rated}
        away_of = {self.names[number]: count for number, count in away.items()}
        return Counts(skipped, dict(zip(self.names, self.unmatched, strict=True)), matched, away_of)

    def save(self, lists: Mapping[int, List]) -> dict[str, Array]:
        """As named arrays; ``lists`` as above."""
        ever = [lists[number].ever for number in range(len(lists))]
        return {
            "tally.unmatched": np.array(self.unmatched, np.int64),
            "tally.turned_away": np.array(self.turned_away, np.int64),
            "tally.ever": np.array(ever, np.bool_),
        }

    def load(self, arrays: Mapping[str, Array], lists: Mapping[int, List]) -> None:
        """Take up what `save` gave."""
        self.unmatched = arrays["tally.unmatched"].tolist()
        self.turned_away = arrays["tally.turned_away"].tolist()
        for number, ever in enumerate(arrays["tally.ever"].tolist()):
            lists[number].ever = ever
