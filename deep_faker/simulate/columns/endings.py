"""Flows that end: their session rows, and the entities that they leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from deep_faker.plan import Array, EndedFlows, Save
from deep_faker.simulate.arrays import I64, joined

if TYPE_CHECKING:
    from deep_faker.simulate.columns.world import World


class Endings:
    """Collects the ends of a step; what they free is seen by others from the next step on."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.parts: list[tuple[Array, ...]] = []  # slots, outcomes, lines, clocks, numbers of events
        plan = world.plan
        terminators = [state.terminator for flow in plan.flows for state in flow.states]
        self.born_by_flows = {t.entity for t in terminators if isinstance(t, Save)}
        self.used = [name for name in plan.entities if name in world.holdable]
        if world.has_live:
            self.born_by_flows = set(plan.entities)

    def add(self, rows: I64, outcome: Array | int, line: Array | int, clock: I64, events: I64) -> None:
        """Flows have ended; called by generated code too."""
        if len(rows):
            n = len(rows)
            if isinstance(outcome, int):
                outcome = np.full(n, outcome)
            if isinstance(line, int):
                line = np.full(n, line)
            self.parts.append((rows, outcome, line, clock, events))

    def settle(self) -> None:
        """Write the sessions of the step, free the entities and the slots."""
        if not self.parts:
            return
        rows, outcome, line, clock, events = (joined(column) for column in zip(*self.parts, strict=True))
        self.parts = []
        held = {name: self._leave(name, rows) for name in self.used}
        self.write(rows, outcome, line, clock, events, held)
        self.world.slots.release(rows)

    def write(
        self,
        rows: I64,
        outcome: Array,
        line: Array,
        clock: I64,
        events: I64,
        held: dict[str, tuple[I64, I64]],
    ) -> None:
        """The sessions of flows."""
        slots = self.world.slots
        number, table, started = (column.a[rows] for column in (slots.number, slots.table, slots.started))
        self.world.recorder.ended.append(
            EndedFlows(
                number,
                table,
                started,
                clock,
                outcome,
                line,
                events,
                held,
                slots.waited.a[rows] if self.world.plan.queues else None,
            )
        )

    def _leave(self, entity: str, rows: I64) -> tuple[I64, I64]:
        """The entities of a type go free; those that the flows made are published."""
        slots, table = self.world.slots, self.world.store.tables[entity]
        offsets, numbers = slots.chains[entity].read(rows, drop=True)
        held = np.take(slots.held[entity].a, rows, mode="clip")
        mine = held >= 0
        if entity in self.world.shareable:
            mine &= ~slots.shared[entity].a[rows]
        held = held[mine]
        if entity in self.born_by_flows:
            held = held[table.published.a[held]]
            born = numbers[~table.published.a[numbers]]
            if len(born):
                table.publish(born)
        if len(held):
            table.free(held)
        return offsets, numbers
