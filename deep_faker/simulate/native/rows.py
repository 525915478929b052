"""How the words of entities and the conditions of filters are laid out for a plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from deep_faker.declare.condition_operators import CONDITION_OPERATORS, ConditionOperator
from deep_faker.plan import (
    Apply,
    Change,
    Condition,
    Emit,
    EntityPlan,
    Filter,
    FlowTable,
    Now,
    Plan,
    Save,
    StateColumn,
    Type,
)
from deep_faker.plan.storage import kind_of, one_to_storage
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.columns.predicates import flips
from deep_faker.simulate.native import layout
from deep_faker.simulate.native.layout import (
    BY_BIT,
    BY_FLOAT,
    BY_FLOAT_INT,
    BY_INT_FLOAT,
    BY_NOW,
    BY_SET,
    BY_WORD,
    E_FIRST,
    E_HOLDER,
    E_TAKEN,
    E_TOUCHED,
    IS,
    IS_NULL,
    L_LAST,
    L_SIZE,
    L_STEP,
    NEVER,
    NO_ONE,
    NOT_NULL,
)
from deep_faker.simulate.native.lower.assembler import bits_of


def _opcode(rule: ConditionOperator) -> int:
    number = getattr(layout, rule.native or "", None)
    if number is None:
        raise TypeError(f"the kernel has no comparison {rule.native}, which the operator {rule.name} names")
    return int(number)


OPS: Final = {op: _opcode(rule) for op, rule in CONDITION_OPERATORS.items() if rule.native is not None}
"""Operator of a condition → comparison of the kernel; others are judged by Python."""

_PLAIN = ("bool", "int", "float", "code", "datetime", "date", "timedelta")


def actions_of(flow: FlowTable) -> Iterator[Apply | Emit]:
    """All that a flow does to state."""
    for state in flow.states:
        for operation in state.operations:
            if isinstance(operation, (Apply, Emit)):
                yield operation
        if isinstance(state.terminator, Save):
            yield state.terminator.emit


def changes_of(plan: Plan) -> Iterator[Change]:
    """All changes that the flows of a plan can make."""
    for flow in plan.flows:
        for action in actions_of(flow):
            yield from action.changes


@dataclass(frozen=True, slots=True)
class StateWords:
    """Where a state field is: its live words, and those of the step's start if others look (-1: none)."""

    column: StateColumn
    live: int
    null: int = -1
    start: int = -1
    start_null: int = -1
    logged: bool = False

    @property
    def type(self) -> Type:
        return self.column.type

    @property
    def values(self) -> tuple[int, ...]:
        """The words of its value: live, and as the step found it where that is kept apart."""
        return (self.live,) if self.start < 0 else (self.live, self.start)

    @property
    def masks(self) -> tuple[int, ...]:
        """The words that tell for each of `values` whether it is None; none where it cannot be."""
        return tuple(place for place in (self.null, self.start_null) if place >= 0)

    @property
    def settled(self) -> tuple[int, int]:
        """The words of the field as the step found it."""
        return (self.live, self.null) if self.start < 0 else (self.start, self.start_null)


@dataclass(slots=True)
class EntityRows:
    """The words of one entity type."""

    number: int
    plan: EntityPlan
    stride: int = 0
    log: int = -1
    states: dict[str, StateWords] = field(default_factory=dict)
    positions: dict[int, int] = field(default_factory=dict)  # by filter
    flips: dict[int, int] = field(default_factory=dict)
    judged: dict[tuple[int, int], int] = field(default_factory=dict)  # (filter, condition) that Python judges
    defaults: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.plan.name


def is_judged(plan: Plan, entity: EntityPlan, condition: Condition) -> bool:
    """Whether only Python can tell if an entity meets a condition: text, objects, odd mixes of types."""
    types = {column.name: column.type for column in entity.columns if not column.lazy}
    if condition.field not in types:
        return True  # the key
    type_, rule, wanted = types[condition.field], CONDITION_OPERATORS[condition.op], condition.value
    if rule.asks_null(wanted) is not None:
        return type_.kind not in _PLAIN
    if type_.kind not in _PLAIN or any(part.name not in OPS for part, _ in rule.parts(wanted)):
        return True
    if rule.takes == "list":
        return any(not _fits(value, type_) for value in wanted if value is not None)
    if rule.is_never(wanted):
        return False
    if type_.kind == "code":
        return rule.is_ordered or kind_of(wanted) != "code" or wanted not in plan.texts
    return any(not isinstance(value, Now) and not _compares(value, type_) for _, value in rule.parts(wanted))


def _fits(value: Any, type_: Type) -> bool:
    kind = kind_of(value)
    return kind == type_.kind or (kind == "bool" and type_.kind == "int")


def _compares(value: Any, type_: Type) -> bool:
    kind = kind_of(value)
    if type_.kind in ("int", "float", "bool"):
        return kind in ("int", "float", "bool")
    return kind == type_.kind


def condition_words(rows: EntityRows, plan: Plan, condition: Condition, keep: list[Any]) -> list[list[int]]:
    """A condition that the kernel judges, as its rows of `layout.C_SIZE` words; tables go to ``keep``."""
    import numpy as np

    state = rows.states[condition.field]
    offset, null = state.live, state.null
    type_, op, wanted = state.type, condition.op, condition.value
    rule = CONDITION_OPERATORS[op]
    is_null = rule.asks_null(wanted)
    if is_null is not None:
        if null < 0:
            return [[offset, -1, BY_WORD, NO_ONE, 0, 0]] if is_null else []
        return [[offset, null, BY_WORD, IS_NULL if is_null else NOT_NULL, 0, 0]]
    if rule.takes == "list":
        # nan, and a text that the plan does not know, are nobody's
        given = [v for v in wanted if v is not None and v == v]
        known = [v for v in given if type_.kind != "code" or v in plan.texts]
        words = [_word(value, type_, plan) for value in known]
        if type_.kind == "float":  # equal floats may have different bits
            words += [bits_of(-value) for value in wanted if value == 0.0]
        table = np.array(words or [0], np.int64)
        keep.append(table)
        count = len(words) << 1 | (None in wanted)
        return [[offset, null, BY_SET, OPS[op], table.ctypes.data, count]]
    if rule.takes == "range":
        ends = [Condition(condition.field, end.name, bound) for end, bound in rule.parts(wanted)]
        return [words for end in ends for words in condition_words(rows, plan, end, keep)]
    if wanted is None:
        return [[offset, null, BY_WORD, NO_ONE, 0, 0]]
    if isinstance(wanted, Now):
        return [[offset, null, BY_NOW, OPS[op], wanted.offset, 0]]
    own, kind = type_.kind, kind_of(wanted)
    if own == "float" and kind == "float":
        return [[offset, null, BY_FLOAT, OPS[op], bits_of(wanted), 0]]
    if own == "float":
        return [[offset, null, BY_FLOAT_INT, OPS[op], int(wanted), 0]]
    if kind == "float":
        return [[offset, null, BY_INT_FLOAT, OPS[op], bits_of(wanted), 0]]
    return [[offset, null, BY_WORD, OPS[op], _word(wanted, type_, plan), 0]]


def _word(value: Any, type_: Type, plan: Plan) -> int:
    if type_.kind in ("int", "bool"):
        return int(value)
    if type_.kind == "float":
        return bits_of(float(value))
    return int(one_to_storage(value, type_, plan.texts)[0])


def everybody(plan: Plan) -> list[Filter]:
    """Lists of all that can be had of each type, and of all that can be shared, as a step finds them.

    Selections of flows that run as generators, which no filter of the plan knows, begin with these.
    """
    pairs = [(name, shared) for name in plan.entities for shared in (False, True)]
    first = len(plan.filters)
    return [Filter(first + place, name, (), shared=shared) for place, (name, shared) in enumerate(pairs)]


class WorldRows:
    """The layout of all entity types of a plan, and what decides it: who changes and who looks at what."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.tables: list[I64] = []  # arrays that conditions point to
        # flows that run as generators look at whatever they like, and change it
        self.is_open = any(flow.live is not None for flow in plan.flows)
        self.filters = [*plan.filters, *(everybody(plan) if self.is_open else ())]
        self.changed: dict[tuple[str, str], set[str]] = {}
        for change in changes_of(plan):
            self.changed.setdefault((change.entity, change.field), set()).add(change.op)
        self.watched = {(f.entity, c.field) for f in plan.filters for c in f.conditions}
        self.weights = {(f.entity, f.weight) for f in plan.filters if f.weight is not None}
        self.entities: dict[str, EntityRows] = {}
        for number, (name, entity) in enumerate(plan.entities.items()):
            self.entities[name] = self._rows(number, entity)

    def _rows(self, number: int, entity: EntityPlan) -> EntityRows:
        rows = EntityRows(number, entity)
        words = {E_TAKEN: -1, E_HOLDER: -1, E_TOUCHED: -1}
        offset = E_FIRST
        for f in (f for f in self.filters if f.entity == entity.name):
            rows.positions[f.number] = offset
            words[offset] = -1
            offset += 1
            if flips(f.conditions):
                rows.flips[f.number] = offset
                words[offset] = NEVER
                offset += 1
            for place, condition in enumerate(f.conditions):
                if is_judged(self.plan, entity, condition):
                    rows.judged[f.number, place] = offset
                    offset += 1
        if entity.shared_changes or self.is_open:
            rows.log = offset
            words |= {offset + L_STEP: -1, offset + L_LAST: -1}
            offset += L_SIZE
        for column in entity.columns:
            if not column.lazy:
                offset = self._state(rows, column, offset, words)
        rows.stride = -(-offset // layout.ROW) * layout.ROW
        rows.defaults = [words.get(i, 0) for i in range(rows.stride)]
        return rows

    def _state(self, rows: EntityRows, column: StateColumn, offset: int, words: dict[int, int]) -> int:
        entity, key = rows.plan, (rows.name, column.name)
        changes = self.is_open or bool(self.changed.get(key))
        logged = changes and (self.is_open or entity.shared_changes)
        dual = logged or (changes and entity.start_view)
        places = [offset]
        offset += 1
        for wanted in (column.type.optional, dual, dual and column.type.optional):
            places.append(offset if wanted else -1)
            offset += wanted
        live, null, start, start_null = places
        rows.states[column.name] = StateWords(column, live, null, start, start_null, logged)
        return offset

    def rows_of_filter(self, f: Filter) -> list[list[int]]:
        """All conditions of a filter."""
        rows = self.entities[f.entity]
        out: list[list[int]] = []
        for place, condition in enumerate(f.conditions):
            if (f.number, place) in rows.judged:
                out.append([rows.judged[f.number, place], -1, BY_BIT, IS, 0, 0])
            else:
                out += condition_words(rows, self.plan, condition, self.tables)
        return out

    def bounds_of_filter(self, f: Filter) -> list[list[int]]:
        """Bounds that move with `Now`: offset, null offset, what is subtracted, whether strictly."""
        out = []
        for name, offset, strict in flips(f.conditions):
            state = self.entities[f.entity].states[name]
            out.append([state.live, state.null, offset, int(strict), 0, 0])
        return out
