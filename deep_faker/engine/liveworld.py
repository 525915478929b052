"""Live flows inside the vectorized engine: generators that take part in its steps and waves.

A live flow has a slot like any other, so that starts, holding, waiting for a clock and the end are those
of the compiled flows. What it asks for is answered one row at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from deep_faker.engine.buffers import I64
from deep_faker.engine.eventdata import state_of_field
from deep_faker.engine.live import LiveFlow, LiveRuntime
from deep_faker.engine.predicates import Test, condition_test
from deep_faker.engine.requests import ChangeNow, Conditions, Ended, Parked, Picking, Request, Saving
from deep_faker.engine.sites import Sites
from deep_faker.plan import OUTCOMES, Array, Condition, Site
from deep_faker.storage import from_python, to_python

if TYPE_CHECKING:
    from deep_faker.engine.kernel import ColumnEngine
    from deep_faker.engine.store import EntityTable


@dataclass
class Running:
    """A live flow, its slot, what it asks for, and what it holds or uses in order of being taken."""

    flow: LiveFlow
    row: int
    request: Request | None = None
    slots: dict[str, int] = field(default_factory=dict)

    @property
    def entity(self) -> str:
        """The type that it asks for."""
        assert isinstance(self.request, (Picking, Saving))
        return self.request.entity

    @property
    def turn(self) -> tuple[int, int]:
        return self.flow.clock, self.flow.number


class LiveWorld:
    """All live flows of a run; the `World` that they ask."""

    def __init__(self, engine: ColumnEngine) -> None:
        self.engine = engine
        self.sites = Sites(engine.plan)
        self.runtime = LiveRuntime(engine.plan, engine.draws, engine.fields, self.sites)
        self.by_row: dict[int, Running] = {}
        self.by_number: dict[int, Running] = {}
        self.waiting: list[Running] = []

    # ------------------------------------------------------------ running

    def start(self, table: int, rows: I64, number: Array, clock: I64) -> None:
        """New flows; they run until they wait for something."""
        flow = self.engine.plan.flows[table]
        for row, n, instant in zip(rows.tolist(), number.tolist(), clock.tolist(), strict=True):
            live = self.runtime.start(flow, n, instant, self)
            running = Running(live, row)
            for start in flow.starts:
                entity = self.engine.plan.filters[start].entity
                held = int(self.engine.slots.held[entity].a[row])
                if held >= 0:
                    running.slots[entity] = held
            self.by_row[row] = self.by_number[n] = running
            self.advance(running)

    def resume(self, rows: I64) -> None:
        """Flows whose clock has come."""
        for running in sorted((self.by_row[row] for row in rows.tolist()), key=lambda r: r.turn):
            self.advance(running)

    def advance(self, running: Running, reply: int | None = None) -> None:
        """Run a flow until it ends, competes with others, or its clock leaves the step."""
        engine, flow = self.engine, running.flow
        running.request = None
        try:
            request = flow.advance(reply)
            while self._goes_on(running, request):
                request = flow.advance()
        except Exception as error:  # noqa: BLE001 - the run stops for the first of its step
            engine.failures.add(flow.clock, flow.number, error)
            return
        running.request = request
        rows, clock = np.array([running.row]), np.array([flow.clock])
        if isinstance(request, Parked):
            engine.slots.clock.a[running.row] = request.clock
            engine.slots.agenda.add(rows, np.array([request.clock]))
        elif isinstance(request, Ended):
            outcome = OUTCOMES.index(request.outcome)
            engine.end(rows, outcome, request.line, np.array([request.clock]), np.array([flow.events]))
            del self.by_row[running.row], self.by_number[flow.number]
        else:
            engine.slots.clock.a[rows] = clock
            self.waiting.append(running)

    def _goes_on(self, running: Running, request: Request) -> bool:
        """Whether a flow waits for nobody: its clock is within the step, or it is cut and goes on in it."""
        if isinstance(request, Ended) and request.goes_on:
            self.engine.late.cut(np.array([running.row]), request.line, np.array([running.flow.events]))
            return True
        return isinstance(request, Parked) and request.clock < self.engine.t1

    def close(self) -> None:
        """The run breaks off: what flows have to do at their end, in the order of their numbers."""
        for number in sorted(self.by_number):
            self.by_number[number].flow.close()

    def drop(self, numbers: list[int]) -> None:
        """These flows are over, without a session of their own."""
        for number in sorted(set(numbers) & self.by_number.keys()):
            running = self.by_number.pop(number)
            running.flow.close()
            self.by_row.pop(running.row, None)

    def take_waiting(self) -> tuple[list[tuple[Running, Saving]], list[tuple[Running, Picking]]]:
        """The flows that wait for the competition: those that save, those that pick, each in turn."""
        waiting, self.waiting = sorted(self.waiting, key=lambda r: r.turn), []
        saves = [(r, r.request) for r in waiting if isinstance(r.request, Saving)]
        picks = [(r, r.request) for r in waiting if isinstance(r.request, Picking)]
        return saves, picks

    def save(self, running: Running, entity: str) -> None:
        """The flow gets the number of its new entity, describes it, and goes on."""
        table, flow = self.engine.store.tables[entity], running.flow
        one = np.array([flow.number], np.uint64), np.array([flow.action]), np.array([flow.clock])
        number = table.create(one[0], one[1], -1, one[2])
        self.advance(running, int(number[0]))
        if running.request is None and table.born_site.a[number[0]] < 0:  # it failed before it was born
            table.forget(int(number[0]))

    def given(self, running: Running, entity: str, number: int) -> None:
        """A pick has been served (-1: nothing was found)."""
        running.slots.pop(entity, None)
        if number >= 0:
            running.slots[entity] = number

    # ------------------------------------------------------------ what flows ask (requests.World)

    def slots(self, flow: LiveFlow) -> list[tuple[str, int]]:
        """What the flow holds or uses."""
        return list(self.by_number[flow.number].slots.items())

    def read(self, flow: LiveFlow, entity: str, number: int, field: str | None) -> Any:
        """State in the flow's view."""
        table = self.engine.store.tables[entity]
        rows = np.array([number])
        if field is None:
            return table.key_list(rows)[0]
        if field not in table.types:
            return self._lazy(table, number, field)
        running = self.by_number[flow.number]
        flows = np.array([flow.number], np.uint64)
        values, nulls = self.engine.changes[entity].view(field, rows, flows, np.array([running.row]))
        return to_python(values, nulls, table.types[field], table.texts)[0]

    def _lazy(self, table: EntityTable, number: int, name: str) -> Any:
        """A copy of a free field of the entity's event that no compiled flow reads."""
        spec, source = table.plan.spec.by_name[name], table.plan.spec.source_event
        assert source is not None
        assert spec.from_field is not None
        at = (int(column.a[number]) for column in (table.born_flow, table.born_action, table.born_clock))
        value = self.engine.fields.early_one(source.name, spec.from_field, *at)
        return state_of_field(value, source.by_name[spec.from_field], spec)

    def members(self, flow: LiveFlow, entity: str, conditions: Conditions, *, shared: bool) -> list[int]:
        """What matches at the step's start, in entity order."""
        del flow
        numbers: list[int] = self.candidates(entity, conditions, shared=shared).tolist()
        return numbers

    def candidates(self, entity: str, conditions: Conditions, *, shared: bool) -> I64:
        """All entities that matched when the step began, ascending."""
        table = self.engine.store.tables[entity]
        rows = table.open_at_start(shared=shared)
        for condition in conditions:
            if len(rows):
                test: Test = condition_test(table, Condition(*condition))
                rows = rows[test(rows, self.engine.t0)]
        return rows

    def key_is_taken(self, entity: str, key: Any) -> bool:
        """Whether an entity has that key."""
        return key in self.engine.store.tables[entity].number_of

    def born(
        self, flow: LiveFlow, entity: str, number: int, key: Any, state: dict[str, Any], site: Site
    ) -> None:
        """A new entity is what its flow says, and held by it."""
        engine = self.engine
        table, running = engine.store.tables[entity], self.by_number[flow.number]
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
        engine.changes[entity].born(
            rows, (slots, flows, np.array([flow.action]), np.array([flow.clock])), is_event=True
        )
        engine.hold(entity, slots, flows, rows)
        self.given(running, entity, number)

    def emit(self, flow: LiveFlow, site: Site, values: dict[str, Any], keys: dict[str, int]) -> None:
        """One event."""
        log = self.engine.recorder.log_of(site)
        log.rows.append((flow.number, flow.action, flow.clock, values, keys))
        self.engine.recorder.rows += 1

    def change(self, flow: LiveFlow, changes: list[ChangeNow], *, by_event: bool) -> None:
        """Changes of one action, in the flow's view at once."""
        engine, running = self.engine, self.by_number[flow.number]
        row = np.array([running.row])
        who = (row, np.array([flow.number], np.uint64), np.array([flow.action]), np.array([flow.clock]))
        for entity in dict.fromkeys(change.entity for change in changes):
            mine = [change for change in changes if change.entity == entity]
            items = tuple((c.field, c.op, np.fromiter([c.value], object, 1), None) for c in mine)
            shared = engine.slots.shared[entity].a[row]
            log = engine.changes[entity]
            log.context = (flow.span(), flow.table.name)
            engine.tables_changed(entity)
            log.apply(np.array([mine[0].number]), shared, who, items, by_event, newborn=False)
