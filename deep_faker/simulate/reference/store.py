"""The entities of the reference engine: plain objects, one list for each filter, no columns."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np

from deep_faker.declare.change_operators import CHANGE_OPERATORS
from deep_faker.declare.condition_operators import CONDITION_OPERATORS
from deep_faker.declare.operator_rows import check_rules
from deep_faker.declare.schema import check_state_value
from deep_faker.draws.exact import log1_
from deep_faker.draws.mix import mix1, permute1, unit1
from deep_faker.plan import Array, Condition, EntityPlan, FieldDraws, Filter, NewKeys, Now, Plan
from deep_faker.plan.storage import EPOCH, from_python
from deep_faker.simulate.apart import place_apart, weighted_apart
from deep_faker.simulate.engine import Entities
from deep_faker.simulate.failures import check_bits, failed, is_weight, wrong_weight
from deep_faker.simulate.weights import place_of
from deep_faker.spans import Span


def _ordered(compare: Callable[[Any, Any], object]) -> Callable[[Any, Any], object]:
    return lambda value, wanted: value is not None and wanted is not None and compare(value, wanted)


# The meaning once more: were it the rows' own, no comparison with this engine could find a fault in it.
_HOLDS: dict[str, Callable[[Any, Any], object]] = {
    "is": lambda value, wanted: value is wanted if value is None or wanted is None else value == wanted,
    "is_not": lambda value, wanted: not _HOLDS["is"](value, wanted),
    "greater_than": _ordered(operator.gt),
    "less_than": _ordered(operator.lt),
    "greater_or_equal": _ordered(operator.ge),
    "less_or_equal": _ordered(operator.le),
    "in": lambda value, wanted: any(value == one for one in wanted),
    "not_in": lambda value, wanted: not any(value == one for one in wanted),
    "between": _ordered(lambda value, wanted: None not in wanted and wanted[0] <= value <= wanted[1]),
    "starts_with": _ordered(lambda value, wanted: value[: len(wanted)] == wanted),
    "is_null": lambda value, _: value is None,
    "not_null": lambda value, _: value is not None,
}
_CHANGES: dict[str, Callable[[Any, Any], Any]] = {
    "is": lambda _, value: value,
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "min": min,
    "max": max,
}
check_rules("the reference engine", _HOLDS, CONDITION_OPERATORS)
check_rules("the reference engine", _CHANGES, CHANGE_OPERATORS)


@dataclass
class Row:
    """One entity.  ``start`` is its state as the step found it, ``live`` as its holder sees it.

    ``available`` and ``published`` are what selections of this step go by; ``is_free`` and ``is_public``
    are how things stand now, for the end of the step.
    """

    number: int
    key: object
    live: dict[str, object]
    born: tuple[int, int, int, int]  # flow, action, site, clock
    start: dict[str, object] = field(default_factory=dict)
    holder: int = -1  # the flow that holds it, or the last one that did
    available: bool = False
    published: bool = False
    is_free: bool = False
    is_public: bool = False
    taken_in: int = -1  # the step in which it was last taken or released


@dataclass
class Change:
    """One change, with its place in time (T9): (clock, flow, action, position in its list)."""

    number: int
    when: tuple[int, int, int, int]
    field: str
    op: str
    value: object
    shared: bool
    by_event: bool
    where: tuple[str, Span | None]  # flow and line


class MemberList:
    """The entities that match a filter, in an order that only the end of a step changes."""

    def __init__(self, table: Table, filter_: Filter) -> None:
        self.table, self.filter = table, filter_
        self.members: list[int] = []
        self.ever = False  # whether anybody has ever matched
        self.cursor = 0
        self.order: list[int] | None = None
        self.key = 0
        self.has_now = any(_has_now(condition.value) for condition in filter_.conditions)

    def wants(self, row: Row, now: int) -> bool:
        """Whether a row belongs to the list; ``now`` stands for ``Now()``."""
        is_open = row.published if self.filter.shared else row.available
        return is_open and all(
            self.table.matches(row, condition, now) for condition in self.filter.conditions
        )

    def update(self, rows: Sequence[Row], now: int) -> None:
        """Removals fill holes with the last members; insertions are appended in entity order."""
        members = set(self.members)
        leaving = {row.number for row in rows if row.number in members and not self.wants(row, now)}
        entering = sorted(row.number for row in rows if row.number not in members and self.wants(row, now))
        length = len(self.members) - len(leaving)
        holes = [place for place in range(length) if self.members[place] in leaving]
        movers = [number for number in self.members[length:] if number not in leaving]
        for place, number in zip(holes, movers, strict=True):
            self.members[place] = number
        self.members[length:] = entering
        self.ever |= bool(entering)
        if self.filter.weight is not None:
            wanted = members - leaving | set(entering)
            self.table.weigh([row.number for row in rows if row.number in wanted], self.filter.weight)

    def begin(self, pick_key: int, step: int) -> None:
        """A new step: the order begins anew."""
        self.cursor, self.order, self.key = 0, None, mix1(pick_key, step)

    def weight(self, number: int) -> float:
        """The weight of a member, as the step found it; None counts as zero (N9)."""
        return self.table.weight(number, self.filter.weight)

    def offered(self, position: int) -> int | None:
        """The member at a place of the step's keyed random order; None past its end."""
        if self.filter.weight is None:
            size = len(self.members)
            return self.members[permute1(self.key, position, size)] if position < size else None
        if self.order is None:
            # A race: the member whose exponential clock of rate ``weight`` rings first comes first.
            race: list[tuple[float, int, int]] = []
            for number in self.members:
                weight = self.weight(number)
                if weight > 0:
                    race.append((-log1_(1.0 - unit1(mix1(self.key, number))) / weight, len(race), number))
            self.order = [number for _, _, number in sorted(race)]
        return self.order[position] if position < len(self.order) else None

    def untaken(self) -> Iterator[tuple[int, int]]:
        """What is left for this step, from the cursor on: (entity, the cursor after it)."""
        position = self.cursor
        while (number := self.offered(position)) is not None:
            position += 1
            if self.table.rows[number].taken_in != self.table.step:
                yield number, position

    def is_stocked(self) -> bool:
        """Whether one could be picked, before anybody takes one."""
        return any(self.filter.weight is None or self.weight(number) > 0 for number in self.members)

    def is_left(self) -> bool:
        """Whether one more could be picked."""
        return self.is_stocked() if self.filter.shared else next(self.untaken(), None) is not None

    def take(self) -> int:
        """The next entity for a flow that picks without sharing; -1 if there is none."""
        number, self.cursor = next(self.untaken(), (-1, self.cursor))
        return number

    def share(self, u: int, others: Sequence[int] = ()) -> int:
        """An entity for a flow that shares it, none of the ``others``."""
        mine = [number for number in others if number in self.members]
        if mine and self.filter.weight is not None:
            return weighted_apart(
                self.share, mine, self.members, lambda: [*map(self.weight, self.members)], u
            )
        if mine:
            place = place_apart(len(self.members), [self.members.index(number) for number in mine], u)
            return self.members[place] if place >= 0 else -1
        if self.filter.weight is not None:
            return self.table.weighted(self.members, self.filter.weight, u)
        return self.members[int(unit1(u) * len(self.members))] if self.members else -1


class Table:
    """All entities of one type; an entity's number is its place."""

    def __init__(self, plan: EntityPlan, whole: Plan, fields: FieldDraws) -> None:
        self.plan, self.spec, self.fields, self.texts = plan, plan.spec, fields, whole.texts
        self.rows: list[Row] = []
        self.keys: set[object] = set()  # where they are stored
        self.step = -1
        self.lists = [MemberList(self, f) for f in whole.filters if f.entity == plan.name]
        self.log: list[Change] = []
        self.touched: set[int] = set()
        self.unfit: set[tuple[int, str]] = set()  # entities and weights that cannot be drawn by
        self.newborn: list[tuple[Row, dict[str, object], bool]] = []  # row, state at birth, made by an event

    # ------------------------------------------------ conditions and weights

    def matches(self, row: Row, condition: Condition, now: int) -> bool:
        """One condition on the state as the step found it (S1)."""
        wanted = _at(condition.value, now)
        value = (
            self.key(row.number) if condition.field == self.spec.primary_key else row.start[condition.field]
        )
        return holds(value, condition.op, wanted)

    def candidates(self, conditions: Sequence[Condition], now: int, *, shared: bool) -> list[int]:
        """Everything that matched at the step's start, in entity order."""
        return [
            row.number
            for row in self.rows
            if (row.published if shared else row.available)
            and all(self.matches(row, condition, now) for condition in conditions)
        ]

    def weight(self, number: int, name: str | None) -> float:
        """A weight at the step's start."""
        value = self.rows[number].start[name or ""]
        return float(value) if isinstance(value, (int, float)) else 0.0

    def weigh(self, numbers: Sequence[int], name: str) -> None:
        """Note the entities that ``Select(weight=name)`` cannot draw."""
        self.unfit |= {(n, name) for n in numbers if not is_weight(self.rows[n].start[name])}

    def check_weights(self) -> None:
        """Stop the run for an entity of a weighted selection without a weight (N9)."""
        for number, name in sorted(self.unfit):
            raise wrong_weight(self.spec.name, self.key(number), name, self.rows[number].start[name])

    def weighted(self, numbers: Sequence[int], name: str, u: int) -> int:
        """One of ``numbers`` in proportion to its weight; -1 if all are zero."""
        self.weigh(numbers, name)
        self.check_weights()
        place = place_of([self.weight(number, name) for number in numbers], unit1(u))
        return numbers[place] if place >= 0 else -1

    # ------------------------------------------------ state

    def key(self, number: int) -> object:
        """An entity's key."""
        row = self.rows[number]
        if row.key is None:
            row.key = self.fields.key_one(self.spec.name, number)
        return row.key

    def add(
        self, key: object, state: dict[str, object], born: tuple[int, int, int, int], *, by_event: bool
    ) -> Row:
        """A new entity, which nobody sees yet."""
        row = Row(len(self.rows), key, dict(state), born, start=dict(state))
        self.rows.append(row)
        if key is not None:
            self.keys.add(key)
        self.newborn.append((row, dict(state), by_event))
        return row

    def own_view(self, row: Row, flow: int) -> dict[str, object]:
        """The state as a flow sees it that does not hold the entity: the step's start and its own changes."""
        state = dict(row.start)
        for change in self.log:
            if change.number == row.number and change.when[1] == flow:
                self.apply(state, change)
        return state

    def apply(self, state: dict[str, object], change: Change) -> None:
        """Change one field; the result must be of its type (N11)."""
        spec, (flow, span) = self.spec.by_name[change.field], change.where
        try:
            result = _CHANGES[change.op](state[change.field], change.value)
            if spec.kind == "int":
                check_bits(self.spec.name, spec.name, result)
        except (ArithmeticError, TypeError, ValueError) as error:
            raise failed(flow, span, error) from error
        state[change.field] = check_state_value(spec, result, entity=self.spec.name, span=span, flow=flow)

    # ------------------------------------------------ steps

    def drop(self, first: int, after: int) -> None:
        """What flows with numbers from ``first`` on did in this step, or any ``after``, has not been."""

        def is_late(flow: int, clock: int) -> bool:
            return flow >= first or clock >= after

        for change in self.log:
            if is_late(change.when[1], change.when[0]):
                row = self.rows[change.number]
                row.live = dict(row.start)
                self.touched.add(row.number)
        self.log = [change for change in self.log if not is_late(change.when[1], change.when[0])]
        self.newborn = [birth for birth in self.newborn if not is_late(birth[0].born[0], birth[0].born[3])]

    def settle(self, now: int) -> Iterator[tuple[Row, tuple[int, int, int], bool, dict[str, object]]]:
        """The end of a step.  Yields every version of an entity that the step made, in order of time.

        ``now``: the instant of the next step.
        """
        changes: dict[int, list[Change]] = {}
        for change in sorted(self.log, key=lambda change: change.when):
            changes.setdefault(change.number, []).append(change)
        born = {row.number: (state, by_event) for row, state, by_event in self.newborn}
        for number in sorted({*changes, *born}):
            row = self.rows[number]
            state = dict(born[number][0]) if number in born else dict(row.start)
            versions: dict[tuple[int, int, int], bool] = {}
            states: dict[tuple[int, int, int], dict[str, object]] = {}
            if number in born:
                flow, action, _, clock = row.born
                versions[clock, flow, action] = born[number][1]
                states[clock, flow, action] = dict(state)
            for change in changes.get(number, ()):
                self.apply(state, change)
                versions[change.when[:3]] = change.by_event
                states[change.when[:3]] = dict(state)
            # Where flows shared the entity, all changes are made in the order of time; elsewhere they were.
            row.live, row.start = dict(state), dict(state)
            for when, by_event in versions.items():
                yield row, when, by_event, states[when]
        self.touched |= {*changes, *born}
        touched = [self.rows[number] for number in sorted(self.touched)]
        for row in touched:
            row.available, row.published = row.is_free and row.is_public, row.is_public
        for members in self.lists:
            members.update(touched, now)
        self.check_weights()
        self.log, self.touched, self.newborn = [], set(), []

    def calendar(self, now: int) -> None:
        """Rows whose ``Now()`` conditions have flipped enter and leave."""
        for members in self.lists:
            if members.has_now:
                members.update(self.rows, now)
        self.check_weights()


def holds(value: object, op: str, wanted: object) -> bool:
    """One condition of ``where``: nothing has an order with None.

    >>> holds(3, "between", (1, 3)), holds(None, "less_than", 3), holds(None, "is_not", 3)
    (True, False, True)
    """
    return bool(_HOLDS[op](value, wanted))


def _has_now(value: object) -> bool:
    return isinstance(value, Now) or (isinstance(value, tuple) and any(map(_has_now, value)))


def _at(value: object, now: int) -> object:
    if isinstance(value, Now):
        return EPOCH + timedelta(microseconds=now + value.offset)
    return tuple(_at(part, now) for part in value) if isinstance(value, tuple) else value


class ReferenceStore:
    """The entities of all types, and their columns (see `Engine`)."""

    def __init__(self, plan: Plan, fields: FieldDraws) -> None:
        self.texts = plan.texts
        self.tables = {name: Table(entity, plan, fields) for name, entity in plan.entities.items()}
        self.late_from = sys.maxsize  # flows from this number on started after the end
        self.late_after = plan.settings.late_after
        self.told = dict.fromkeys(self.tables, 0)  # of so many entities the keys have been handed on

    def column(self, entity: str, name: str, rows: Array | None = None) -> tuple[Array, Array | None]:
        """See `Engine.column`."""
        table = self.tables[entity]
        column = next(c for c in table.plan.columns if c.name == name)
        some = table.rows if rows is None else [table.rows[row] for row in rows.tolist()]
        return from_python([row.live[name] for row in some], column.type, self.texts)

    def entities(self, entity: str) -> Entities:
        """See `Engine.entities`."""
        born = [row.born for row in self.tables[entity].rows]
        flow, action, _, clock = zip(*born, strict=True) if born else ((), (), (), ())
        births = np.array(flow, np.uint64), np.array(action, np.int64), np.array(clock, np.int64)
        return Entities.on_time(*births, self.late_from, self.late_after)

    def new_keys(self) -> list[NewKeys]:
        """The stored keys that have not been handed on."""
        fresh = []
        for name, table in self.tables.items():
            first, count = self.told[name], len(table.rows)
            if table.plan.key_mode == "stored" and first < count:
                keys = np.fromiter((row.key for row in table.rows[first:]), object, count - first)
                fresh.append(NewKeys(name, first, keys))
                self.told[name] = count
        return fresh
