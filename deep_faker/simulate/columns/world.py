"""A run as it stands: entities, flows in flight, what has happened and is not handed on, the clock."""

from __future__ import annotations

import numpy as np

from deep_faker.draws.mix import Draws
from deep_faker.plan import Array, FieldDraws, Pick, Plan, Save
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.columns.changes import Changes, Redo
from deep_faker.simulate.columns.flows_in_flight import Slots
from deep_faker.simulate.columns.places import Places
from deep_faker.simulate.columns.recording import Recorder
from deep_faker.simulate.columns.source import Written
from deep_faker.simulate.columns.spins import Spins
from deep_faker.simulate.columns.store import Store
from deep_faker.simulate.failures import Failures
from deep_faker.simulate.tally import Tally
from deep_faker.simulate.triggers import Triggers


class World:
    """What all parts of the engine share. It does nothing by itself: `ColumnEngine` moves it on.

    ``step`` is the one that was made last or is being made, from ``t0`` up to ``t1``. ``holdable`` are the
    entity types of which a flow can hold one, ``shareable`` those that it can use without holding them.
    ``sources``: all generated functions, by the name of the file that they stand in for.
    """

    def __init__(self, plan: Plan, draws: Draws, fields: FieldDraws) -> None:
        self.plan, self.draws, self.fields = plan, draws, fields
        self.settings = plan.settings
        self.store = Store(plan, fields)
        self.slots = Slots(plan, plan.entities, span=4 * plan.settings.step)
        self.places = Places(plan)
        self.recorder, self.tally = Recorder(plan), Tally(plan)
        self.redo, self.failures, self.spins = Redo(), Failures(), Spins()
        self.changes = {
            name: Changes(table, self.slots, self.redo, history=plan.settings.history)
            for name, table in self.store.tables.items()
        }
        self.triggers = Triggers(plan, draws)
        self.has_live = any(flow.live is not None for flow in plan.flows)
        self.holdable = holdable(plan)
        self.shareable = set(plan.entities) if self.has_live else {f.entity for f in plan.filters if f.shared}
        self.step = -1
        self.t0 = self.t1 = plan.settings.start
        self.next_flow = 0
        self.skipped = 0
        self.sources: dict[str, Written] = {}

    def order_of(self, clock: I64, number: Array) -> I64:
        """Positions in the order (clock, flow number), of clocks within the step."""
        if len(clock) < 2:
            return np.arange(len(clock))
        low = int(number.min())
        width = int(number.max()) - low + 1
        if width * (self.t1 - self.t0) < 1 << 62:
            return np.argsort((clock - self.t0) * width + (number.view(np.int64) - low))
        return np.lexsort((number, clock))


def holdable(plan: Plan) -> set[str]:
    """Entity types of which a flow can hold one, and not only use it."""
    terminators = [state.terminator for flow in plan.flows for state in flow.states]
    filters = [plan.filters[n] for flow in plan.flows for n in flow.starts]
    filters += [plan.filters[t.filter] for t in terminators if isinstance(t, Pick)]
    if any(flow.live is not None for flow in plan.flows):
        return set(plan.entities)
    return {f.entity for f in filters if not f.shared} | {
        t.entity for t in terminators if isinstance(t, Save)
    }
