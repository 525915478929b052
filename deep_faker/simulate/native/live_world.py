"""Live flows inside the native engine: generators whose waits, picks and births the kernel serves.

A live flow has a slot like any other, so that starts, holding, waiting and the end are those of compiled
flows; see `live_code`. What its code does between two requests is written into the kernel's words here.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import numpy as np

from deep_faker.declare.schema import check_state_value
from deep_faker.draws.mix import MASK
from deep_faker.errors import DeepFakerError
from deep_faker.plan import OUTCOMES, Array, Site
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.columns.changes import one_change
from deep_faker.simulate.columns.recording import SiteLog
from deep_faker.simulate.failures import check_bits
from deep_faker.simulate.live.generators import LiveFlows, Running
from deep_faker.simulate.live.requests import (
    ChangeNow,
    Conditions,
    Ended,
    FlowState,
    Parked,
    Picking,
    Saving,
)
from deep_faker.simulate.native import layout
from deep_faker.simulate.native.change_kinds import BY_PYTHON, OPERATOR_OF, kind_of_change, taken_type
from deep_faker.simulate.native.lower.assembler import signed
from deep_faker.simulate.native.lower.live_code import LINE, OUTCOME, LiveCode
from deep_faker.simulate.native.own_picks import apart, chosen, matching, narrowed
from deep_faker.simulate.native.rows import EntityRows, StateWords
from deep_faker.simulate.native.run_state import RunState


def _told(value: object) -> tuple[object, object]:
    """A condition's value so that it equals none of another type: True is not 1."""
    return value, tuple(map(type, value)) if isinstance(value, tuple) else type(value)


def _is_plain(value: object, kind: str) -> bool:
    """Whether the kernel's arithmetic takes a value as it is, for a field of a kind."""
    if kind == "float":
        return type(value) is float
    return kind == "int" and type(value) is int and -(2**63) <= value < 2**63


class NativeLive(LiveFlows):
    """All live flows of a run; the `World` that they ask."""

    def __init__(self, run: RunState, code: LiveCode) -> None:
        super().__init__(run.plan, run.draws, run.fields)
        self.run, self.code = run, code
        self.logs: dict[int, SiteLog] = {}
        self._wheres: dict[tuple[int, str, int], int] = {}
        self._listed_in = -1  # the step whose candidates are kept, for others that ask for the same
        self._listed: dict[object, I64] = {}

    # ------------------------------------------------------------ running

    def serve(self, records: I64, rows: I64) -> Array:
        """Resume the flows of some records, in this order; which of them go on."""
        slots = self.run.memory.slots()
        good = np.ones(len(rows), np.bool_)
        for i, record in enumerate(records[row] for row in rows.tolist()):
            slot = slots[record[layout.A_SLOT]]
            good[i] = self._resume(record, slot)
        return good

    def _resume(self, record: I64, slot: I64) -> bool:
        """What a flow has asked for has come; it runs until it asks again."""
        number = int(slot[layout.S_NUMBER : layout.S_NUMBER + 1].view(np.uint64)[0])
        running = self.by_number.get(number)
        if running is None:
            return self._advance(self._begin(int(record[layout.A_SLOT]), number, slot), record, slot)
        request = running.request
        if isinstance(request, Picking):
            entity = int(slot[layout.S_HELD + self._rows_of(request.entity).number])
            entity = entity >> 1 if entity >= 0 else -1
            self.given(running, request.entity, entity)
            return self._advance(running, record, slot, entity)
        if isinstance(request, Saving):
            return self._advance(running, record, slot, int(slot[layout.S_BORN]))
        return self._advance(running, record, slot)

    def _begin(self, row: int, number: int, slot: I64) -> Running:
        table = int(slot[layout.S_FLOW])
        held = []
        for start in self.plan.flows[table].starts:
            name = self.plan.filters[start].entity
            word = int(slot[layout.S_HELD + self._rows_of(name).number])
            if word >= 0:
                held.append((name, word >> 1))
        on = self.plan.flows[table].on
        named = 0 if on is None else len(on.entities)
        words = np.append(np.zeros(named, np.int64), slot[layout.S_HELD + len(self.plan.entities) :])
        word = int(slot[layout.S_WORD]) & MASK
        return self.enter(table, row, number, int(slot[layout.S_CLOCK]), held, words, self, word)

    def _advance(self, running: Running, record: I64, slot: I64, reply: int | None = None) -> bool:
        """Run a flow until it ends, competes with others, or its clock leaves the step; False: it failed."""
        flow, until = running.flow, int(self.run.memory.G[layout.G_T1])
        running.request = None
        try:
            request = flow.advance(reply)
            while isinstance(request, Parked) and request.clock < until:
                request = flow.advance()
        except Exception as error:  # noqa: BLE001 - the run stops for the first of its step
            self.run.failures.add(flow.clock, flow.number, error)
            return False
        running.request = request
        slot[layout.S_CLOCK], slot[layout.S_ACTION], slot[layout.S_EVENTS] = (
            flow.clock,
            flow.action,
            flow.events,
        )
        slot[layout.S_WAITED] = flow.waited
        code = self.code
        if isinstance(request, Parked):
            slot[layout.S_CLOCK] = request.clock
            record[layout.A_PC] = code.park
        elif isinstance(request, Ended):
            assert not request.goes_on, "the step that the end cuts is made by numpy"
            slot[layout.S_CLOCK] = request.clock
            record[layout.A_PC] = code.over
            record[layout.A_FIRST + OUTCOME] = OUTCOMES.index(request.outcome)
            record[layout.A_FIRST + LINE] = request.line
            self.leave(running)
        else:
            slot[layout.S_DRAWS] = signed((flow.k - 1) & MASK)  # which a pick has counted already
            slot[layout.S_SINCE] = request.since if isinstance(request, Picking) else flow.clock
            e = self._rows_of(request.entity).number
            if isinstance(request, Saving):
                record[layout.A_PC] = code.saves[e]
            elif request.filter is not None and not request.dynamic and not request.apart:
                record[layout.A_PC] = code.picks[request.filter]
            else:
                record[layout.A_PC] = code.unlisted[e]
        return True

    def choose(self, slot: I64) -> tuple[int, bool]:
        """What a flow gets that asks for what no list knows (-1: nothing), and whether it shares that."""
        run = self.run
        running = self.by_number[int(slot[layout.S_NUMBER : layout.S_NUMBER + 1].view(np.uint64)[0])]
        request = running.request
        assert isinstance(request, Picking)
        table = run.store.tables[request.entity]
        if request.apart and request.filter is not None and not request.dynamic:
            return apart(
                run.store, run.memory, self.plan.filters[request.filter], request.apart, request.u
            ), True
        if request.filter is None:
            candidates = self.candidates(request.entity, request.dynamic, shared=request.shared)
        else:
            f = self.plan.filters[request.filter]
            candidates = matching(run.store, run.memory, f, request.dynamic)
        if request.apart:
            candidates = candidates[~np.isin(candidates, request.apart)]
        shared, weight = request.shared, request.weight
        return chosen(table, run.memory, candidates, shared=shared, weight=weight, u=request.u), shared

    def take_logs(self) -> list[SiteLog]:
        """The events since the last call."""
        logs, self.logs = list(self.logs.values()), {}
        return logs

    # ------------------------------------------------------------ what flows ask (requests.World)

    def _rows_of(self, entity: str) -> EntityRows:
        return self.run.program.world.entities[entity]

    def _slot(self, flow: FlowState) -> I64:
        slot: I64 = self.run.memory.slots()[self.by_number[flow.number].row]
        slot[layout.S_CLOCK], slot[layout.S_ACTION] = flow.clock, flow.action
        return slot

    def read(self, flow: FlowState, entity: str, number: int, field: str | None) -> object:
        """State in the flow's view."""
        run, rows = self.run, self._rows_of(entity)
        if field is None:
            return run.store.tables[entity].key_list(np.array([number]))[0]
        state = rows.states.get(field)
        if state is None:
            birth = run.memory.births_of(rows.number)[number]
            born = int(birth[0:1].view(np.uint64)[0]), int(birth[1]), int(birth[3])
            return self.copied_lazily(entity, field, born)
        row = run.memory.entities(rows.number)[number]
        slot = self._slot(flow)
        if row[layout.E_HOLDER] == slot[layout.S_NUMBER]:
            return self._value(row, state.live, state.null, state)
        value = self._value(row, *state.settled, state)
        for kind, word, null in run.own_changes(self.by_number[flow.number].row, entity, number, state.live):
            operand = run.words.python_of(word, null != 0, taken_type(state.type, kind))
            value = one_change(OPERATOR_OF[kind], value, operand)
        return value

    def _value(self, row: I64, live: int, null: int, state: StateWords) -> object:
        return self.run.words.python_of(int(row[live]), null >= 0 and row[null] != 0, state.type)

    def members(self, flow: FlowState, entity: str, conditions: Conditions, *, shared: bool) -> list[int]:
        """What matches at the step's start, in entity order."""
        del flow
        numbers: list[int] = self.candidates(entity, conditions, shared=shared).tolist()
        return numbers

    def candidates(self, entity: str, conditions: Conditions, *, shared: bool) -> I64:
        """All entities that matched when the step began, ascending; not to be written to.

        What one flow has asked for is kept for others that ask for the same in the step.
        """
        memory = self.run.memory
        step, now = int(memory.G[layout.G_STEP]), int(memory.G[layout.G_T0])
        if self._listed_in != step:
            self._listed_in, self._listed = step, {}
        table, everybody = self.run.store.tables[entity], self._listed.get((entity, shared, ()))
        if everybody is None:
            f = len(self.plan.filters) + 2 * table.entity_rows.number + shared  # see `rows.everybody`
            everybody = np.sort(memory.members[f][: int(memory.F[f, layout.F_LENGTH])])
            self._listed[entity, shared, ()] = everybody
        if not conditions:
            return everybody
        key = entity, shared, tuple((name, op, *_told(value)) for name, op, value in conditions)
        try:
            known = self._listed.get(key)
        except TypeError:  # a value that cannot be told from others
            return narrowed(table, everybody, conditions, now)
        if known is None:
            known = self._listed[key] = narrowed(table, everybody, conditions, now)
        return known

    def key_is_taken(self, entity: str, key: object) -> bool:
        """Whether an entity has that key."""
        return key in self.run.store.tables[entity].number_of

    def born(
        self, flow: FlowState, entity: str, number: int, key: object, state: dict[str, object], site: Site
    ) -> None:
        """A new entity is what its flow says, and held by it."""
        run, rows, slot = self.run, self._rows_of(entity), self._slot(flow)
        if entity in run.words.keys:
            run.store.tables[entity].claim_keys({key: number})
        run.memory.births_of(rows.number)[number, 2] = site.number
        row = run.memory.entities(rows.number)[number]
        for name, value in state.items():
            words = rows.states.get(name)
            if words is not None:
                word, null = run.words.word_of(value, words.type)
                row[words.live] = row[words.start] = word
                if words.null >= 0:
                    row[words.null] = row[words.start_null] = null
        if self.plan.settings.history:
            packed = rows.number << 40 | number
            run.hands.write_down(slot, packed, None, (layout.K_BORN, 0, 0), -1, -1, by_event=True)
        run.hands.hold_born(slot, rows.number, number)
        self.given(self.by_number[flow.number], entity, number)

    def use(self, flow: FlowState, entity: str, number: int) -> None:
        """The entity is what the flow uses of its type."""
        slot, e = self._slot(flow), self._rows_of(entity).number
        self.run.hands.let_go(slot, e)
        slot[layout.S_HELD + e] = number << 1 | 1
        self.given(self.by_number[flow.number], entity, number)

    def release(self, flow: FlowState, entity: str) -> None:
        """The entity goes free."""
        slot, e = self._slot(flow), self._rows_of(entity).number
        self.run.hands.let_go(slot, e)
        if slot[layout.S_HELD + e] >= 0:  # shared, or its own birth
            slot[layout.S_HELD + e] = -1
        self.given(self.by_number[flow.number], entity, -1)

    def emit(self, flow: FlowState, site: Site, values: dict[str, object], keys: dict[str, int]) -> None:
        """One event."""
        if site.number not in self.logs:
            self.logs[site.number] = SiteLog(site, self.plan)
        self.logs[site.number].rows.append((flow.number, flow.action, flow.clock, values, keys))
        self.run.memory.G[layout.G_EVENTS] += 1

    def change(self, flow: FlowState, changes: list[ChangeNow], *, by_event: bool) -> None:
        """Changes of one action, in the flow's view at once."""
        G, triggers = self.run.memory.G, self.run.memory.timetable.triggers
        for change in changes:
            if (change.entity, change.field) in triggers.rated:
                triggers.change(change.entity, [change.field], np.array([change.number]))
                G[layout.G_TRIGGER_DUE] = int(G[layout.G_STEP]) + 1
        slot, where = self._slot(flow), self._where(flow)
        for entity in dict.fromkeys(change.entity for change in changes):
            mine = [change for change in changes if change.entity == entity]
            rows = self._rows_of(entity)
            shared = int(slot[layout.S_HELD + rows.number]) & 1 == 1
            for order, change in enumerate(mine):
                words = self._changed(flow, slot, change, rows, shared=shared)
                self.run.hands.write_down(
                    slot,
                    rows.number << 40 | change.number,
                    rows.states[change.field],
                    words,
                    order,
                    where,
                    by_event=by_event,
                    shared=shared,
                )

    def _changed(
        self, flow: FlowState, slot: I64, change: ChangeNow, rows: EntityRows, *, shared: bool
    ) -> tuple[int, int, int]:
        """Make a change where the flow sees it at once; kind, word and null of what is written down.

        What others share is changed once more at the step's end: by the kernel where it knows how.
        """
        run, key = self.run, (rows.name, change.field)
        row = run.memory.entities(rows.number)[change.number]
        state, op = rows.states[change.field], change.op
        if key in run.program.world.watched or key in run.program.world.weights:
            run.hands.touch(rows.number << 40 | change.number, row)
        if not shared or row[layout.E_HOLDER] == slot[layout.S_NUMBER]:
            old = None if op == "is" else self._value(row, state.live, state.null, state)
            word, null = self._checked(flow, rows, state, one_change(op, old, change.value))
            row[state.live] = word
            if state.null >= 0:
                row[state.null] = null
            if op == "is":
                return layout.K_IS, word, null
        elif op == "is":
            # what cannot be is found at the step's end, where the first change of all that cannot counts
            with suppress(ArithmeticError, TypeError, ValueError, DeepFakerError):
                return layout.K_IS, *self._checked(flow, rows, state, change.value)
        kind = kind_of_change(rows.plan.spec.by_name[change.field], state.type.kind, op)
        if kind is not None and _is_plain(change.value, state.type.kind):
            return kind, *run.words.word_of(change.value, taken_type(state.type, kind))
        word = int(run.words.text_words([change.value])[0])
        return BY_PYTHON[op], word, 0

    def _checked(
        self, flow: FlowState, rows: EntityRows, state: StateWords, value: object
    ) -> tuple[int, int]:
        """The words of a field's new value, if the field takes it (N11)."""
        name = state.column.name
        if state.type.kind == "int":
            check_bits(rows.name, name, value)
        spec = rows.plan.spec.by_name[name]
        value = check_state_value(spec, value, entity=rows.name, span=flow.span(), flow=flow.table.name)
        return self.run.words.word_of(value, state.type)

    def _where(self, flow: FlowState) -> int:
        """The number of the line at which a flow stands, among those of changes."""
        place = flow.table.number, flow.file, flow.line
        number = self._wheres.get(place)
        if number is None:
            wheres = self.run.program.wheres
            number = self._wheres[place] = len(wheres)
            wheres.append((flow.table, flow.span()))
        return number

    def trigger(
        self, flow: FlowState, event: str, entities: Mapping[str, int], data: Mapping[str, object]
    ) -> None:
        """The event starts other flows."""
        G, triggers = self.run.memory.G, self.run.memory.timetable.triggers
        triggers.tell(event, flow, entities, data)
        due = (triggers.soonest - int(G[layout.G_START])) // int(G[layout.G_LENGTH])
        G[layout.G_TRIGGER_DUE] = min(int(G[layout.G_TRIGGER_DUE]), max(due, int(G[layout.G_STEP]) + 1))
