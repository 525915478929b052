"""Live flows inside the native engine: generators whose waits, picks and births the kernel serves.

A live flow has a slot like any other, so that starts, holding, waiting and the end are those of compiled
flows; see `livecode`. What its code does between two requests is written into the kernel's words here.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from deep_faker.declare.schema import check_state_value
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
from deep_faker.simulate.native import layout as at
from deep_faker.simulate.native.escapes import OPERATOR_OF, OPERATORS, taken_type
from deep_faker.simulate.native.lower.events import kind_of_change
from deep_faker.simulate.native.lower.live_code import LINE, OUTCOME, LiveCode
from deep_faker.simulate.native.own_picks import chosen, matching, narrowed
from deep_faker.simulate.native.rows import EntityRows, StateWords

if TYPE_CHECKING:
    from deep_faker.simulate.native.engine import NativeEngine

_PLAIN = {"int": int, "float": float}  # values that the kernel's arithmetic takes as they are


def _told(value: Any) -> tuple[Any, Any]:
    """A condition's value so that it equals none of another type: True is not 1."""
    return value, tuple(map(type, value)) if isinstance(value, tuple) else type(value)


def _is_word(value: Any) -> bool:
    return type(value) is float or -(2**63) <= value < 2**63


class NativeLive(LiveFlows):
    """All live flows of a run; the `World` that they ask."""

    def __init__(self, engine: NativeEngine, code: LiveCode) -> None:
        super().__init__(engine.plan, engine.draws, engine.fields)
        self.engine, self.code = engine, code
        self.logs: dict[int, SiteLog] = {}
        self._wheres: dict[tuple[int, str, int], int] = {}
        self._found_in = -1  # the step in which that was found which others may ask for, too
        self._found: dict[Any, I64] = {}

    # ------------------------------------------------------------ running

    def serve(self, records: I64, rows: I64) -> Array:
        """Resume the flows of some records, in this order; which of them go on."""
        slots = self.engine.memory.slots()
        good = np.ones(len(rows), np.bool_)
        for i, record in enumerate(records[at_] for at_ in rows.tolist()):
            slot = slots[record[at.A_SLOT]]
            good[i] = self._resume(record, slot)
        return good

    def _resume(self, record: I64, slot: I64) -> bool:
        """What a flow has asked for has come; it runs until it asks again."""
        number = int(slot[at.S_NUMBER : at.S_NUMBER + 1].view(np.uint64)[0])
        running = self.by_number.get(number)
        if running is None:
            return self._advance(self._begin(int(record[at.A_SLOT]), number, slot), record, slot)
        request = running.request
        if isinstance(request, Picking):
            found = int(slot[at.S_HELD + self._rows_of(request.entity).number])
            found = found >> 1 if found >= 0 else -1
            self.given(running, request.entity, found)
            return self._advance(running, record, slot, found)
        if isinstance(request, Saving):
            return self._advance(running, record, slot, int(slot[at.S_BORN]))
        return self._advance(running, record, slot)

    def _begin(self, row: int, number: int, slot: I64) -> Running:
        table = int(slot[at.S_FLOW])
        held = []
        for start in self.plan.flows[table].starts:
            name = self.plan.filters[start].entity
            word = int(slot[at.S_HELD + self._rows_of(name).number])
            if word >= 0:
                held.append((name, word >> 1))
        return self.enter(table, row, number, int(slot[at.S_CLOCK]), held, self)

    def _advance(self, running: Running, record: I64, slot: I64, reply: int | None = None) -> bool:
        """Run a flow until it ends, competes with others, or its clock leaves the step; False: it failed."""
        flow, until = running.flow, int(self.engine.memory.G[at.G_T1])
        running.request = None
        try:
            request = flow.advance(reply)
            while isinstance(request, Parked) and request.clock < until:
                request = flow.advance()
        except Exception as error:  # noqa: BLE001 - the run stops for the first of its step
            self.engine.failures.add(flow.clock, flow.number, error)
            return False
        running.request = request
        slot[at.S_CLOCK], slot[at.S_ACTION], slot[at.S_EVENTS] = flow.clock, flow.action, flow.events
        code = self.code
        if isinstance(request, Parked):
            slot[at.S_CLOCK] = request.clock
            record[at.A_PC] = code.park
        elif isinstance(request, Ended):
            assert not request.goes_on, "the step that the end cuts is made by numpy"
            slot[at.S_CLOCK] = request.clock
            record[at.A_PC] = code.over
            record[at.A_FIRST + OUTCOME] = OUTCOMES.index(request.outcome)
            record[at.A_FIRST + LINE] = request.line
            self.leave(running)
        else:
            slot[at.S_DRAWS] = flow.k - 1  # which a pick has counted already
            e = self._rows_of(request.entity).number
            if isinstance(request, Saving):
                record[at.A_PC] = code.saves[e]
            elif request.filter is not None and not request.dynamic:
                record[at.A_PC] = code.picks[request.filter]
            else:
                record[at.A_PC] = code.own[e]
        return True

    def choose(self, slot: I64) -> tuple[int, bool]:
        """What a flow gets that asks for what no list knows (-1: nothing), and whether it shares that."""
        engine = self.engine
        running = self.by_number[int(slot[at.S_NUMBER : at.S_NUMBER + 1].view(np.uint64)[0])]
        request = running.request
        assert isinstance(request, Picking)
        table = engine.store.tables[request.entity]
        if request.filter is None:
            found = self.candidates(request.entity, request.dynamic, shared=request.shared)
        else:
            f = self.plan.filters[request.filter]
            found = matching(engine.store, engine.memory, f, list(request.dynamic))
        number = chosen(
            table, engine.memory, found, shared=request.shared, weight=request.weight, u=request.u
        )
        return number, request.shared

    def take_logs(self) -> list[SiteLog]:
        """The events since the last call."""
        logs, self.logs = list(self.logs.values()), {}
        return logs

    # ------------------------------------------------------------ what flows ask (requests.World)

    def _rows_of(self, entity: str) -> EntityRows:
        return self.engine.program.world.entities[entity]

    def _slot(self, flow: FlowState) -> I64:
        slot: I64 = self.engine.memory.slots()[self.by_number[flow.number].row]
        slot[at.S_CLOCK], slot[at.S_ACTION] = flow.clock, flow.action
        return slot

    def read(self, flow: FlowState, entity: str, number: int, field: str | None) -> Any:
        """State in the flow's view."""
        engine, rows = self.engine, self._rows_of(entity)
        if field is None:
            return engine.store.tables[entity].key_list(np.array([number]))[0]
        state = rows.states.get(field)
        if state is None:
            birth = engine.memory.births_of(rows.number)[number]
            born = int(birth[0:1].view(np.uint64)[0]), int(birth[1]), int(birth[3])
            return self.copied_lazily(entity, field, born)
        row = engine.memory.entities(rows.number)[number]
        slot = self._slot(flow)
        if row[at.E_HOLDER] == slot[at.S_NUMBER]:
            return self._value(row, state.live, state.null, state)
        value = self._value(row, *state.settled, state)
        for kind, word, null in engine.own_changes(
            self.by_number[flow.number].row, entity, number, state.live
        ):
            given = engine.words.python_of(word, null != 0, taken_type(state.type, kind))
            value = one_change(OPERATOR_OF[kind], value, given)
        return value

    def _value(self, row: I64, live: int, null: int, state: StateWords) -> Any:
        return self.engine.words.python_of(int(row[live]), null >= 0 and row[null] != 0, state.type)

    def members(self, flow: FlowState, entity: str, conditions: Conditions, *, shared: bool) -> list[int]:
        """What matches at the step's start, in entity order."""
        del flow
        numbers: list[int] = self.candidates(entity, conditions, shared=shared).tolist()
        return numbers

    def candidates(self, entity: str, conditions: Conditions, *, shared: bool) -> I64:
        """All entities that matched when the step began, ascending; not to be written to.

        What one flow has asked for is kept for others that ask for the same in the step.
        """
        memory = self.engine.memory
        step, now = int(memory.G[at.G_STEP]), int(memory.G[at.G_T0])
        if self._found_in != step:
            self._found_in, self._found = step, {}
        table, found = self.engine.store.tables[entity], self._found.get((entity, shared, ()))
        if found is None:
            f = len(self.plan.filters) + 2 * table.layout.number + shared  # see `rows.everybody`
            found = np.sort(memory.members[f][: int(memory.F[f, at.F_LENGTH])])
            self._found[entity, shared, ()] = found
        if not conditions:
            return found
        key = entity, shared, tuple((name, op, *_told(value)) for name, op, value in conditions)
        try:
            known = self._found.get(key)
        except TypeError:  # a value that cannot be told from others
            return narrowed(table, found, conditions, now)
        if known is None:
            known = self._found[key] = narrowed(table, found, conditions, now)
        return known

    def key_is_taken(self, entity: str, key: Any) -> bool:
        """Whether an entity has that key."""
        return key in self.engine.store.tables[entity].number_of

    def born(
        self, flow: FlowState, entity: str, number: int, key: Any, state: dict[str, Any], site: Site
    ) -> None:
        """A new entity is what its flow says, and held by it."""
        engine, rows, slot = self.engine, self._rows_of(entity), self._slot(flow)
        if entity in engine.words.keys:
            engine.store.tables[entity].claim_keys({key: number})
        engine.memory.births_of(rows.number)[number, 2] = site.number
        row = engine.memory.entities(rows.number)[number]
        for name, value in state.items():
            words = rows.states.get(name)
            if words is not None:
                word, null = engine.words.word_of(value, words.type)
                row[words.live] = row[words.start] = word
                if words.null >= 0:
                    row[words.null] = row[words.start_null] = null
        if self.plan.settings.history:
            packed = rows.number << 40 | number
            engine.hands.write_down(slot, packed, None, (at.K_BORN, 0, 0), -1, -1, by_event=True)
        engine.hands.hold_born(slot, rows.number, number)
        self.given(self.by_number[flow.number], entity, number)

    def emit(self, flow: FlowState, site: Site, values: dict[str, Any], keys: dict[str, int]) -> None:
        """One event."""
        if site.number not in self.logs:
            self.logs[site.number] = SiteLog(site, self.plan)
        self.logs[site.number].rows.append((flow.number, flow.action, flow.clock, values, keys))
        self.engine.memory.G[at.G_EVENTS] += 1

    def change(self, flow: FlowState, changes: list[ChangeNow], *, by_event: bool) -> None:
        """Changes of one action, in the flow's view at once."""
        slot, where = self._slot(flow), self._where(flow)
        for entity in dict.fromkeys(change.entity for change in changes):
            mine = [change for change in changes if change.entity == entity]
            rows = self._rows_of(entity)
            shared = int(slot[at.S_HELD + rows.number]) & 1 == 1
            for order, change in enumerate(mine):
                made = self._changed(flow, slot, change, rows, shared=shared)
                self.engine.hands.write_down(
                    slot,
                    rows.number << 40 | change.number,
                    rows.states[change.field],
                    made,
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
        engine, key = self.engine, (rows.name, change.field)
        row = engine.memory.entities(rows.number)[change.number]
        state, op = rows.states[change.field], change.op
        if key in engine.program.world.watched or key in engine.program.world.weights:
            engine.hands.touch(rows.number << 40 | change.number, row)
        if not shared or row[at.E_HOLDER] == slot[at.S_NUMBER]:
            old = None if op == "is" else self._value(row, state.live, state.null, state)
            word, null = self._checked(flow, rows, state, one_change(op, old, change.value))
            row[state.live] = word
            if state.null >= 0:
                row[state.null] = null
            if op == "is":
                return at.K_IS, word, null
        elif op == "is":
            # what cannot be is found at the step's end, where the first change of all that cannot counts
            with suppress(ArithmeticError, TypeError, ValueError, DeepFakerError):
                return at.K_IS, *self._checked(flow, rows, state, change.value)
        kind = kind_of_change(rows.plan.spec.by_name[change.field], state.type.kind, op)
        value: Any = change.value
        if kind is not None and type(value) is _PLAIN.get(state.type.kind) and _is_word(value):
            return kind, *engine.words.word_of(value, taken_type(state.type, kind))
        word = int(engine.words.text_words([value])[0])
        return at.K_PYTHON + OPERATORS.index(op), word, 0

    def _checked(self, flow: FlowState, rows: EntityRows, state: StateWords, made: Any) -> tuple[int, int]:
        """The words of a field's new value, if the field takes it (N11)."""
        name = state.column.name
        if state.type.kind == "int":
            check_bits(rows.name, name, made)
        spec = rows.plan.spec.by_name[name]
        made = check_state_value(spec, made, entity=rows.name, span=flow.span(), flow=flow.table.name)
        return self.engine.words.word_of(made, state.type)

    def _where(self, flow: FlowState) -> int:
        """The number of the line at which a flow stands, among those of changes."""
        place = flow.table.number, flow.file, flow.line
        found = self._wheres.get(place)
        if found is None:
            wheres = self.engine.program.wheres
            found = self._wheres[place] = len(wheres)
            wheres.append((flow.table, flow.span()))
        return found
