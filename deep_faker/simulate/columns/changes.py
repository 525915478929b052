"""State changes by column, and what is written down of them for the end of the step."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from deep_faker.declare.change_operators import CHANGE_OPERATORS
from deep_faker.declare.schema import check_state_value
from deep_faker.plan import Array, Type, Versions
from deep_faker.plan.storage import empty, from_python, to_python
from deep_faker.simulate.arrays import EMPTY, I64
from deep_faker.simulate.columns.change_forms import CHANGE_FORMS
from deep_faker.simulate.failures import check_bits, got_none, of_none
from deep_faker.spans import Span
from deep_faker.times import EARLIEST, LATEST

if TYPE_CHECKING:
    from deep_faker.simulate.columns.flows_in_flight import Slots
    from deep_faker.simulate.columns.table import EntityTable

Masked = tuple[Array, Array | None]
Who = tuple[I64, Array, Array, Array]  # slots, flow numbers, action numbers, clocks
Item = tuple[str, str, Array, "Array | None"]  # field, operator, values, nulls
T = TypeVar("T")
_OBJECT = np.dtype(object)
_DAY = 86_400_000_000
_RANGES = {
    "datetime": (EARLIEST, LATEST),
    "date": (-719_162, 2_932_896),
    "timedelta": (-86_399_999_913_600_000_000, 9_223_372_036_854_775_807),
}


def value_type(type_: Type, op: str) -> Type:
    """The type that a change's value is taken as, for a column of ``type_``."""
    if op == "is":
        return type_
    kind = CHANGE_OPERATORS[op].takes.get(type_.kind)
    return Type(type_.kind, False, type_.entity) if kind is None else Type(kind)


def changed(type_: Type, op: str, old: Array, value: Array) -> Array:
    """``old op value`` for rows without nulls, in the column's storage. Overflow raises."""
    kind, form = type_.kind, CHANGE_FORMS[op]
    if kind == "float":
        with np.errstate(all="ignore"):  # infinity and nan are Python's own results
            return form.floats(old, value)
    if form.family == "choice":
        return form.wholes(old, value)
    if kind == "date":
        value = value // _DAY  # as Python does: a date knows whole days only
    out = form.wholes(old, value)
    low, high = _RANGES.get(kind, (None, None))
    if low is not None and len(out) and (out.min() < low or out.max() > high):
        raise OverflowError("date value out of range")
    return out


def recast(values: Array, nulls: Array | None, have: Type, want: Type, texts: tuple[str, ...]) -> Masked:
    """A column of one static type as another: the joins that locals and state fields need."""
    if have == want:
        return values, nulls
    if want.kind == "object":
        if have.kind == "object":
            return values, None
        return from_python(to_python(values, nulls, have, texts), want, texts)
    if have.kind == "none":
        return empty(want, len(values)), np.ones(len(values), np.bool_) if want.optional else None
    if nulls is not None and not want.optional:
        if nulls.any():
            raise got_none("str" if want.kind == "code" else want.kind)
        nulls = None
    if nulls is None and want.optional:
        nulls = np.zeros(len(values), np.bool_)
    if have.kind == want.kind:
        return values, nulls
    if (have.kind, want.kind) == ("code", "str"):
        table = np.fromiter([*texts, ""], object, len(texts) + 1)
        return table[values], nulls
    if (have.kind, want.kind) == ("int", "float"):
        return values.astype(np.float64), nulls
    return from_python(to_python(values, nulls, have, texts), want, texts)


class Redo:
    """Lets a block that failed half-way be run again row by row: what it had changed is not changed twice.

    ``done`` counts the changes of the running block; the first ``skip`` of a second go are left out.
    """

    __slots__ = ("done", "skip")

    def __init__(self) -> None:
        self.done = self.skip = 0

    def rest(self, items: tuple[T, ...]) -> tuple[T, ...]:
        """Those of an action's changes that have still to be made."""
        skipped = min(self.skip, len(items))
        self.skip -= skipped
        return items[skipped:]


class Update:
    """One change operator of one state field: called with rows (distinct) and values, it changes them."""

    def __init__(self, changes: Changes, field: str, op: str) -> None:
        self.changes, self.table, self.field, self.op = changes, changes.table, field, op
        self.type = self.table.types[field]
        self.column, self.nulls = self.table.live[field], self.table.nulls.get(field)
        self.spec = self.table.plan.spec.by_name[field]
        picky = (
            self.spec.literal is not None or self.spec.enum is not None or self.spec.row_validated is not None
        )
        # Such a field takes only some values of its type; text and objects know Python's operators only.
        self.strict = (
            picky or self.type.kind == "object" or (op != "is" and self.type.kind in ("code", "str"))
        )

    def __call__(self, rows: I64, values: Array, nulls: Array | None) -> None:
        if self.strict or (values.dtype == _OBJECT and not self._is_text(values)):
            values, nulls = self._by_row(rows, values, nulls)
        elif self.op != "is":
            if self.nulls is not None and self.nulls.a[rows].any():
                raise of_none(self.op, f"{self.table.name}.{self.field}")
            try:
                new = changed(self.type, self.op, np.take(self.column.a, rows, mode="clip"), values)
            except OverflowError:  # Python says whose, and of which value
                values, nulls = self._by_row(rows, values, nulls)
            else:
                values, nulls = new, None
        self.column.a[rows] = values
        if self.nulls is not None:
            self.nulls.a[rows] = False if nulls is None else nulls

    def _is_text(self, values: Array) -> bool:
        return self.op == "is" and self.type.kind == "str" and set(map(type, values.tolist())) <= {str}

    def _by_row(self, rows: I64, values: Array, nulls: Array | None) -> Masked:
        """Python's own operators, where a value is of another type than the field; N11 on the result."""
        texts, table = self.table.texts, self.table
        old = to_python(
            self.column.a[rows], None if self.nulls is None else self.nulls.a[rows], self.type, texts
        )
        operands = as_python(values, nulls, value_type(self.type, self.op), texts)
        new = [one_change(self.op, a, b) for a, b in zip(old, operands, strict=True)]
        if self.type.kind == "int":
            for value in new:
                check_bits(table.name, self.field, value)
        span, flow = self.changes.context
        checked = [check_state_value(self.spec, v, entity=table.name, span=span, flow=flow) for v in new]
        return from_python(checked, self.type, texts)


def as_python(values: Array, nulls: Array | None, type_: Type, texts: tuple[str, ...]) -> list[object]:
    """Values of a change as Python objects; an object array holds them already."""
    return to_python(values, nulls, Type("object") if values.dtype == _OBJECT else type_, texts)


@dataclass(frozen=True, slots=True)
class Entry:
    """One change of a batch of flows. ``order``: its place in its action's list."""

    slots: I64
    flow: Array
    action: Array
    clock: Array
    entity: I64
    field: str
    op: str
    values: Array
    nulls: Array | None
    shared: Array | None
    is_event: bool
    order: int
    where: tuple[Span | None, str] = (None, "")

    @property
    def who(self) -> Who:
        return self.slots, self.flow, self.action, self.clock

    def python(self, rows: I64, type_: Type, texts: tuple[str, ...]) -> list[object]:
        """Some of the values as Python objects."""
        nulls = None if self.nulls is None else self.nulls[rows]
        return as_python(self.values[rows], nulls, value_type(type_, self.op), texts)


class Changes:
    """What is written down of the changes to one entity type, for others to see at the step's end.

    ``log`` is filled for types that are changed without being held.
    """

    def __init__(self, table: EntityTable, slots: Slots, redo: Redo, *, history: bool) -> None:
        self.table, self.redo = table, redo
        # The step in which a flow last changed what it only used.
        self.stamp = slots.columns.add(f"stamp.{table.name}", np.int64, -1)
        self.history = history
        self.logging = table.logs_changes
        self.log: list[Entry] = []
        self.shared_fields: set[str] = set()  # that the log has shared changes of
        self.context: tuple[Span | None, str] = (None, "")
        self.updates = {
            (field, op): Update(self, field, op) for field in table.types for op in CHANGE_OPERATORS
        }
        self.versions: list[Versions] = []

    def apply(
        self,
        entity: I64,
        shared: Array | None,
        who: Who,
        items: Sequence[Item],
        is_event: bool,
        *,
        newborn: bool,
    ) -> None:
        """The changes of one action: ``items`` are (field, op, values, nulls), in order.

        ``shared`` tells rows that only use their entity. The version of ``newborn`` entities is made
        with their birth.
        """
        table = self.table
        if not self.logging:
            for field, op, values, nulls in items:
                self.updates[field, op](entity, values, nulls)
                self.redo.done += 1
            if table.start_view or table.has_shared:
                self._mark(items, entity)
            if self.history and not newborn:
                self.snapshot(entity, who, is_event)
            return
        seen_live = None
        if shared is not None and shared.any():
            # Who held it before, and nobody after, still sees it live.
            live = ~shared | (np.take(table.holder.a, entity, mode="clip") == who[1].view(np.int64))
            seen_live = np.flatnonzero(live)
            self.stamp.a[who[0][shared]] = table.step
            self.shared_fields.update(item[0] for item in items)
        for order, (field, op, values, nulls) in enumerate(items):
            if seen_live is None:
                self.updates[field, op](entity, values, nulls)
            elif len(seen_live):
                self.updates[field, op](
                    entity[seen_live], values[seen_live], None if nulls is None else nulls[seen_live]
                )
            where = self.context
            self.log.append(Entry(*who, entity, field, op, values, nulls, shared, is_event, order, where))
            self.redo.done += 1
        self._mark(items, entity if seen_live is None else entity[seen_live])

    def _mark(self, items: Sequence[Item], rows: I64) -> None:
        for field in dict.fromkeys(item[0] for item in items):
            self.table.log_changed.setdefault(field, []).append(rows)

    def snapshot(self, entity: I64, who: Who, is_event: bool) -> None:
        """The live state as a version."""
        _, flow, action, clock = who
        live, nulls = self.table.live, self.table.nulls
        self.versions.append(
            Versions(
                self.table.name,
                entity,
                clock,
                flow,
                action,
                np.full(len(entity), is_event),
                {name: column.a[entity] for name, column in live.items()},
                {name: column.a[entity] for name, column in nulls.items()},
            )
        )

    def born(self, entity: I64, who: Who, *, is_event: bool) -> None:
        """Births are versions too (the changes of the same event included)."""
        if self.history:
            if self.logging:
                self.log.append(Entry(*who, entity, "", "born", EMPTY, None, None, is_event, -1))
            else:
                self.snapshot(entity, who, is_event)

    def take_versions(self) -> list[Versions]:
        """The versions since the last call."""
        versions, self.versions = self.versions, []
        return versions

    def take_initial(self) -> list[Versions]:
        """Versions of entities that exist from the start, which no step will settle."""
        for entry in self.log:
            self.snapshot(entry.entity, entry.who, entry.is_event)
        self.log = []
        return self.take_versions()

    # ------------------------------------------------------------ a flow's own view

    def view(self, field: str, entity: I64, flow: Array, slots: I64) -> Masked:
        """State as each flow sees it: its own entity live, others as the step found them (N2)."""
        table = self.table
        values, nulls = table.settled_rows(field, entity)
        mine = np.take(table.holder.a, entity, mode="clip") == flow.view(np.int64)
        if mine.any():
            values = np.where(mine, np.take(table.live[field].a, entity, mode="clip"), values)
            if nulls is not None:
                nulls = np.where(mine, table.nulls[field].a[entity], nulls)
        if field in self.shared_fields:
            others = (np.take(self.stamp.a, slots, mode="clip") == table.step) & ~mine
            if others.any():
                return self._with_own(field, slots, entity, np.flatnonzero(others), values, nulls)
        return values, nulls

    def _with_own(
        self, field: str, slots: I64, entity: I64, rows: I64, values: Array, nulls: Array | None
    ) -> Masked:
        """Start values with the changes that the flows at ``rows`` made in this step to shared entities."""
        type_, texts = self.table.types[field], self.table.texts
        mark = np.zeros(len(self.stamp.a), np.bool_)
        mark[slots[rows]] = True
        pairs = zip(slots[rows].tolist(), entity[rows].tolist(), strict=True)
        wanted = dict(zip(pairs, rows.tolist(), strict=True))
        steps: list[tuple[int, int, int, str, object]] = []
        for entry in self.log:
            if entry.field != field or entry.shared is None:
                continue
            # Row by row: only flows that read what they changed within one step come here.
            near = np.flatnonzero(np.take(mark, entry.slots, mode="clip"))
            pairs_of_entry = zip(entry.slots[near].tolist(), entry.entity[near].tolist(), strict=True)
            places = [
                (a, wanted[pair])
                for a, pair in zip(near.tolist(), pairs_of_entry, strict=True)
                if pair in wanted
            ]
            if places:
                operands = entry.python(np.array([a for a, _ in places]), type_, texts)
                steps += [
                    (place, int(entry.action[a]), entry.order, entry.op, value)
                    for (a, place), value in zip(places, operands, strict=True)
                ]
        if not steps:
            return values, nulls
        touched = np.unique([place for place, *_ in steps])
        old = to_python(values[touched], None if nulls is None else nulls[touched], type_, texts)
        python = dict(zip(touched.tolist(), old, strict=True))
        for place, _, _, op, value in sorted(steps, key=lambda step: step[:3]):
            python[place] = one_change(op, python[place], value)
        new, new_nulls = from_python(list(python.values()), type_, texts)
        values = values.copy()
        values[touched] = new
        if nulls is not None and new_nulls is not None:
            nulls = nulls.copy()
            nulls[touched] = new_nulls
        return values, nulls


def one_change(op: str, old: object, value: object) -> object:
    """One change on Python values."""
    if op == "is":
        return value
    if old is None:
        raise of_none(op)
    out = CHANGE_OPERATORS[op].made(old, value)
    return out.date() if isinstance(out, dt.datetime) and not isinstance(old, dt.datetime) else out
