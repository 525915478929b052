"""Loops that neither yield nor end, found without counting the turns of every flow.

A batch of flows goes round a loop together, so the runs of the loop's block bound the turns of each of
them: that number is counted, and only when it is too high are the flows looked at.
"""

from __future__ import annotations

import numpy as np

from deep_faker.plan import FlowTable
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.failures import TURNS, spinning
from deep_faker.spans import Span


class Spin:
    """One loop of a flow, in the part of a step that is worked on."""

    def __init__(self, flow: FlowTable, span: Span) -> None:
        self.flow, self.span = flow, span
        self.turns = 0
        self.watched: set[tuple[int, int]] = set()

    def turn(self, rows: I64, action: I64) -> None:
        """Flows at ``rows``, at their ``action``, go round once more."""
        self.turns += 1
        if self.turns % TURNS == 0:
            self._look(rows, action)

    def _look(self, rows: I64, action: I64) -> None:
        """Who was here that many turns of the loop ago, and has not yielded since, never will."""
        now = set(zip(rows.tolist(), np.broadcast_to(action, rows.shape).tolist(), strict=True))
        if now & self.watched:
            raise spinning(self.flow.name, self.span)
        self.watched = now

    def begin(self) -> None:
        """Every flow stands at a yield."""
        self.turns, self.watched = 0, set()


class Spins:
    """All loops of a plan."""

    def __init__(self) -> None:
        self.all: list[Spin] = []

    def of(self, flow: FlowTable, span: Span) -> Spin:
        """A loop of a flow."""
        self.all.append(Spin(flow, span))
        return self.all[-1]

    def begin(self) -> None:
        """The loops are counted anew."""
        for spin in self.all:
            spin.begin()
