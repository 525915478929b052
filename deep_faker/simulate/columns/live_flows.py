"""Live flows inside the vectorized engine: generators that take part in its steps and waves.

A live flow has a slot like any other, so that starts, holding, waiting for a clock and the end are those
of the compiled flows. What it asks for is answered one row at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from deep_faker.plan import OUTCOMES, Array, Site
from deep_faker.plan.storage import from_python, to_python
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.columns.competition import Claim, live_claim, matching
from deep_faker.simulate.columns.holding import hold_born, let_go, use
from deep_faker.simulate.live.generators import LiveFlows, Running
from deep_faker.simulate.live.requests import (
    ChangeNow,
    Conditions,
    Ended,
    FlowState,
    Parked,
    Picking,
    Request,
    Saving,
)

if TYPE_CHECKING:
    from deep_faker.simulate.columns.endings import Endings
    from deep_faker.simulate.columns.late import Late
    from deep_faker.simulate.columns.world import World


Turn = tuple[tuple[int, int], Callable[[], None]]
"""What a flow does when its (clock, number) comes in the order of births."""


class LiveWorld(LiveFlows):
    """All live flows of a run; the `World` that they ask."""

    def __init__(self, world: World, endings: Endings, late: Late) -> None:
        super().__init__(world.plan, world.draws, world.fields)
        self.world, self.endings, self.late = world, endings, late
        self.waiting: list[Running] = []

    # ------------------------------------------------------------ running

    def start(self, table: int, rows: I64, number: Array, clock: I64, words: I64) -> None:
        """New flows; they run until they wait for something."""
        types = [self.plan.filters[start].entity for start in self.plan.flows[table].starts]
        new = zip(rows.tolist(), number.tolist(), clock.tolist(), words, strict=True)
        for row, n, instant, handed in new:
            held = [(name, int(self.world.slots.held[name].a[row])) for name in types]
            had = [pair for pair in held if pair[1] >= 0]
            self.advance(self.enter(table, row, n, instant, had, handed, self))

    def resume(self, rows: I64) -> None:
        """Flows whose clock has come."""
        for running in sorted((self.by_row[row] for row in rows.tolist()), key=lambda r: r.turn):
            self.advance(running)

    def advance(self, running: Running, reply: int | None = None) -> None:
        """Run a flow until it ends, competes with others, or its clock leaves the step."""
        world, flow = self.world, running.flow
        running.request = None
        try:
            request = flow.advance(reply)
            while self._goes_on(running, request):
                request = flow.advance()
        except Exception as error:  # noqa: BLE001 - the run stops for the first of its step
            world.failures.add(flow.clock, flow.number, error)
            return
        running.request = request
        world.slots.waited.a[running.row] = flow.waited
        rows, clock = np.array([running.row]), np.array([flow.clock])
        if isinstance(request, Parked):
            world.slots.clock.a[running.row] = request.clock
            world.slots.agenda.add(rows, np.array([request.clock]))
        elif isinstance(request, Ended):
            outcome = OUTCOMES.index(request.outcome)
            ended, events = np.array([request.clock]), np.array([flow.events])
            self.endings.add(rows, outcome, request.line, ended, events)
            self.leave(running)
        else:
            world.slots.clock.a[rows] = clock
            self.waiting.append(running)

    def _goes_on(self, running: Running, request: Request) -> bool:
        """Whether a flow waits for nobody: its clock is within the step, or it is cut and goes on in it."""
        if isinstance(request, Ended) and request.goes_on:
            self.world.slots.waited.a[running.row] = running.flow.waited  # in a queue, up to the end
            self.late.cut(np.array([running.row]), request.line, np.array([running.flow.events]))
            return True
        return isinstance(request, Parked) and request.clock < self.world.t1

    def take_waiting(self) -> tuple[list[tuple[Running, Saving]], list[tuple[Running, Picking]]]:
        """The flows that wait for the competition: those that save, those that pick, each in turn."""
        waiting, self.waiting = sorted(self.waiting, key=lambda r: r.turn), []
        saves = [(r, r.request) for r in waiting if isinstance(r.request, Saving)]
        picks = [(r, r.request) for r in waiting if isinstance(r.request, Picking)]
        return saves, picks

    def save(self, running: Running, entity: str) -> None:
        """The flow gets the number of its new entity, describes it, and goes on."""
        table, flow = self.world.store.tables[entity], running.flow
        one = np.array([flow.number], np.uint64), np.array([flow.action]), np.array([flow.clock])
        number = table.create(one[0], one[1], -1, one[2])
        self.advance(running, int(number[0]))
        if running.request is None and table.born_site.a[number[0]] < 0:  # it failed before it was born
            table.forget(int(number[0]))

    def requests(self, claims: list[Claim]) -> tuple[list[Turn], list[tuple[Running, list[int]]]]:
        """The births of the wave, each in its turn; its picks join ``claims``, and fill in the replies."""
        replies: list[tuple[Running, list[int]]] = []
        saving, picking = self.take_waiting()
        for running, request in picking:
            reply: list[int] = []
            replies.append((running, reply))

            def served(entity: I64, running: Running = running, reply: list[int] = reply) -> None:
                self.given(running, running.entity, int(entity[0]))
                reply.append(int(entity[0]))

            claims.append(live_claim(running, request, served))
        births: list[Turn] = [(r.turn, partial(self.save, r, request.entity)) for r, request in saving]
        return births, replies

    # ------------------------------------------------------------ what flows ask (requests.World)

    def read(self, flow: FlowState, entity: str, number: int, field: str | None) -> object:
        """State in the flow's view."""
        table = self.world.store.tables[entity]
        rows = np.array([number])
        if field is None:
            return table.key_list(rows)[0]
        if field not in table.types:
            columns = (table.born_flow, table.born_action, table.born_clock)
            flow_number, action, clock = (int(column.a[number]) for column in columns)
            return self.copied_lazily(entity, field, (flow_number, action, clock))
        running = self.by_number[flow.number]
        flows = np.array([flow.number], np.uint64)
        values, nulls = self.world.changes[entity].view(field, rows, flows, np.array([running.row]))
        return to_python(values, nulls, table.types[field], table.texts)[0]

    def members(self, flow: FlowState, entity: str, conditions: Conditions, *, shared: bool) -> list[int]:
        """What matches at the step's start, in entity order."""
        del flow
        table, now = self.world.store.tables[entity], self.world.t0
        numbers: list[int] = matching(table, conditions, now, shared=shared).tolist()
        return numbers

    def key_is_taken(self, entity: str, key: object) -> bool:
        """Whether an entity has that key."""
        return key in self.world.store.tables[entity].number_of

    def born(
        self, flow: FlowState, entity: str, number: int, key: object, state: dict[str, object], site: Site
    ) -> None:
        """A new entity is what its flow says, and held by it."""
        world = self.world
        table, running = world.store.tables[entity], self.by_number[flow.number]
        rows, slots = np.array([number]), np.array([running.row])
        table.born_site.a[number] = site.number
        if table.keys is not None:
            table.keys.a[number] = key
            table.number_of[key] = number
        for name, value in state.items():
            if name in table.types:
                values, nulls = from_python([value], table.types[name], table.texts)
                table.set_state(name, rows, values, nulls)
        flows = np.array([flow.number], np.uint64)
        world.changes[entity].born(
            rows, (slots, flows, np.array([flow.action]), np.array([flow.clock])), is_event=True
        )
        hold_born(world, entity, slots, flows, rows)
        self.given(running, entity, number)

    def use(self, flow: FlowState, entity: str, number: int) -> None:
        """The entity is what the flow uses of its type."""
        running = self.by_number[flow.number]
        use(self.world, entity, np.array([running.row]), np.array([number]))
        self.given(running, entity, number)

    def release(self, flow: FlowState, entity: str) -> None:
        """The entity goes free."""
        running = self.by_number[flow.number]
        let_go(self.world, entity, np.array([running.row]))
        self.given(running, entity, -1)

    def emit(self, flow: FlowState, site: Site, values: dict[str, object], keys: dict[str, int]) -> None:
        """One event."""
        log = self.world.recorder.log_of(site)
        log.rows.append((flow.number, flow.action, flow.clock, values, keys))
        self.world.recorder.rows += 1

    def change(self, flow: FlowState, changes: list[ChangeNow], *, by_event: bool) -> None:
        """Changes of one action, in the flow's view at once."""
        world, running = self.world, self.by_number[flow.number]
        row = np.array([running.row])
        who = (row, np.array([flow.number], np.uint64), np.array([flow.action]), np.array([flow.clock]))
        for entity in dict.fromkeys(change.entity for change in changes):
            mine = [change for change in changes if change.entity == entity]
            items = tuple((c.field, c.op, np.fromiter([c.value], object, 1), None) for c in mine)
            shared = world.slots.shared[entity].a[row]
            log = world.changes[entity]
            log.context = (flow.span(), flow.table.name)
            world.store.tables[entity].is_changed = True
            log.apply(np.array([mine[0].number]), shared, who, items, by_event, newborn=False)
            world.triggers.change(entity, [c.field for c in mine], np.array([mine[0].number]))

    def trigger(
        self, flow: FlowState, event: str, entities: Mapping[str, int], data: Mapping[str, object]
    ) -> None:
        """The event starts other flows."""
        self.world.triggers.tell(event, flow, entities, data)
