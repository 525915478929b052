"""What no event tells: at how many starts nobody matched a flow's filter, and which filters ever matched."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Protocol

import numpy as np

from deep_faker.plan import Array, Plan


class List(Protocol):
    """The members of a filter; ``ever``: whether it has had one."""

    ever: bool


class Tally:
    """Counts of a run that its report needs; part of its checkpoints.

    ``unmatched``: for each flow of the plan, the starts that could not be its own, as nobody
    matched its filter then.
    """

    def __init__(self, plan: Plan) -> None:
        self.flows = [flow.number for flow in plan.flows if flow.weight > 0]
        self.unmatched: list[int] = [0] * len(plan.flows)

    def without(self, served: Container[int], starts: int) -> None:
        """So many starts that only flows in ``served`` (by number) could have taken."""
        for number in self.flows:
            if number not in served:
                self.unmatched[number] += starts

    def save(self, lists: Sequence[List] | Mapping[int, List]) -> dict[str, Array]:
        """As named arrays; ``lists`` by the number of their filter."""
        ever = [lists[number].ever for number in range(len(lists))]
        return {"tally.unmatched": np.array(self.unmatched, np.int64), "tally.ever": np.array(ever, np.bool_)}

    def load(self, arrays: Mapping[str, Array], lists: Sequence[List] | Mapping[int, List]) -> None:
        """Take up what `save` gave."""
        self.unmatched = arrays["tally.unmatched"].tolist()
        for number, ever in enumerate(arrays["tally.ever"].tolist()):
            lists[number].ever = ever
