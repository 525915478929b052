"""The places at which flows can stand, by number: a slot's ``state`` is one, and batches are queued by it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from deep_faker.plan import FlowTable, Plan, Wait
from deep_faker.simulate.columns.source import CUT, DECAYED, LATE
from deep_faker.simulate.failures import too_many_states
from deep_faker.simulate.liveness import Block, blocks_of

GENERATOR = -1  # the "state" at which a flow stands that runs as a generator
MOST_STATES = 65_535  # their numbers are words of 16 bits


class FlowBlocks(NamedTuple):
    """A flow, its blocks, and the place of each by its state."""

    flow: FlowTable
    blocks: list[Block]
    gids: dict[int, int]


class Decided(NamedTuple):
    """An end that a wait has already decided, for when the flow's clock comes."""

    flow: FlowTable
    wait: Wait
    state: int
    outcome: int


class Places:
    """First the blocks of all flows, then the ends that their waits may decide, last the generators."""

    def __init__(self, plan: Plan) -> None:
        self.flows: list[FlowBlocks] = []
        self.states: list[int] = []  # of each block
        for flow in plan.flows:
            blocks = [] if flow.live is not None or not flow.states else blocks_of(flow)
            first = len(self.states)
            gids = {block.state: first + i for i, block in enumerate(blocks)}
            self.flows.append(FlowBlocks(flow, blocks, gids))
            self.states += gids
        self.blocks = len(self.states)
        self.decided = [
            Decided(flow, state.terminator, state.number, outcome)
            for flow in plan.flows
            for state in flow.states
            if isinstance(state.terminator, Wait)
            for outcome in (DECAYED, CUT, LATE)
        ]
        self._ends = {
            (end.flow.number, end.state, end.outcome): self.blocks + i for i, end in enumerate(self.decided)
        }
        self.live_gid = self.blocks + len(self.decided)
        if self.live_gid > MOST_STATES:
            raise too_many_states(MOST_STATES)
        self.outcomes = np.array([end.outcome for end in self.decided], np.int64)
        self.lines = np.array([end.wait.span.line for end in self.decided], np.int64)

    def end_gid(self, flow: FlowTable, wait: Wait, outcome: int) -> int:
        """Where flows stand that will end at their clock, as ``wait`` has decided."""
        state = next(s.number for s in flow.states if s.terminator is wait)
        return self._ends[flow.number, state, outcome]

    def gid_of(self, flow: int, state: int, ending: int = -1) -> int:
        """The place of a flow's state; ``ending``: an outcome that is already decided, or -1."""
        if state == GENERATOR:
            return self.live_gid
        if ending >= 0:
            return self._ends[flow, state, ending]
        return self.flows[flow].gids[state]

    def state_of(self, gid: int) -> tuple[int, int]:
        """The inverse of `gid_of`: (state, ending)."""
        if gid == self.live_gid:
            return GENERATOR, -1
        if gid >= self.blocks:
            end = self.decided[gid - self.blocks]
            return end.state, end.outcome
        return self.states[gid], -1
