"""State changes by column, and the replay that makes changes of shared entities add up."""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from deep_faker.engine.buffers import I64, distinct
from deep_faker.errors import Span
from deep_faker.plan import Array, Type, Versions
from deep_faker.schema import check_state_value
from deep_faker.storage import empty, from_python, to_python

if TYPE_CHECKING:
    from deep_faker.engine.store import EntityTable

Masked = tuple[Array, Array | None]
_DAY = 86_400_000_000
_PYTHON: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "min": min,
    "max": max,
}
_RANGES = {
    "datetime": (-62_135_596_800_000_000, 253_402_300_799_999_999),
    "date": (-719_162, 2_932_896),
    "timedelta": (-86_399_999_913_600_000_000, 9_223_372_036_854_775_807),
}


def value_type(type_: Type, op: str) -> Type:
    """The type that a change's value is taken as, for a column of ``type_``."""
    if type_.kind in ("datetime", "date") and op in ("add", "subtract"):
        return Type("timedelta")
    return type_ if op == "is" else Type(type_.kind, False, type_.entity)


def changed(type_: Type, op: str, old: Array, value: Array) -> Array:
    """``old op value`` for rows without nulls, in the column's storage. Overflow raises."""
    kind = type_.kind
    if op in ("min", "max"):
        return (np.minimum if op == "min" else np.maximum)(old, value)
    if kind == "float":
        ufunc = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply}[op]
        with np.errstate(all="ignore"):  # infinity and nan are Python's own results
            return np.asarray(ufunc(old, value))
    if kind == "date":
        value = value // _DAY  # as Python does: a date knows whole days only
    out = _whole(op, old, value)
    low, high = _RANGES.get(kind, (None, None))
    if low is not None and len(out) and (out.min() < low or out.max() > high):
        raise OverflowError("date value out of range")
    return out


def _whole(op: str, old: I64, value: I64) -> I64:
    if op == "multiply":
        if len(old) and float(np.abs(old.astype(np.float64)).max()) * float(np.abs(value.astype(np.float64)).max()) >= 2.0**62:
            exact = [a * b for a, b in zip(old.tolist(), value.tolist(), strict=True)]
            return np.array([_fitting(number) for number in exact], np.int64)
        return old * value
    out = old + value if op == "add" else old - value
    # The sign of the result differs from what the operands allow only after an overflow.
    wrong = (old ^ out) & ((value ^ out) if op == "add" else (old ^ value))
    if len(wrong) and wrong.min() < 0:
        raise OverflowError("the state field does not fit into 64 bits")
    return out


def _fitting(number: int) -> int:
    if not -(2**63) <= number < 2**63:
        raise OverflowError("the state field does not fit into 64 bits")
    return number


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
            raise TypeError(f"expected {'str' if want.kind == 'code' else want.kind}, got None")
        nulls = None
    if nulls is None and want.optional:
        nulls = np.zeros(len(values), np.bool_)
    if have.kind == want.kind:
        if have.kind == "object":
            raise AssertionError
        return values, nulls
    if (have.kind, want.kind) == ("code", "str"):
        table = np.fromiter([*texts, ""], object, len(texts) + 1)
        return table[values], nulls
    if (have.kind, want.kind) == ("int", "float"):
        return values.astype(np.float64), nulls
    return from_python(to_python(values, nulls, have, texts), want, texts)


class Update:
    """One change operator of one state field: called with rows (distinct) and values, it changes them."""

    def __init__(self, changes: Changes, field: str, op: str) -> None:
        self.changes, self.table, self.field, self.op = changes, changes.table, field, op
        self.type = self.table.types[field]
        self.column, self.nulls = self.table.live[field], self.table.nulls.get(field)

    def __call__(self, rows: I64, values: Array, nulls: Array | None) -> None:
        if self.op != "is":
            if self.nulls is not None and self.nulls.a[rows].any():
                raise TypeError(f"{self.op!r} on {self.table.name}.{self.field}, which is None")
            if values.dtype == object:
                values, nulls = self._by_row(rows, values)
            else:
                values, nulls = changed(self.type, self.op, np.take(self.column.a, rows, mode="clip"), values), None
        self.column.a[rows] = values
        if self.nulls is not None:
            self.nulls.a[rows] = False if nulls is None else nulls

    def _by_row(self, rows: I64, values: Array) -> Masked:
        """Python's own operators, where the value is of another type than the field; N11 on the result."""
        texts = self.table.texts
        old = to_python(self.column.a[rows], None, self.type, texts)
        new = [one_change(self.op, a, b) for a, b in zip(old, values.tolist(), strict=True)]
        spec = self.table.plan.spec.by_name[self.field]
        span, flow = self.changes.context
        checked = [check_state_value(spec, v, entity=self.table.name, span=span, flow=flow) for v in new]
        return from_python(checked, self.type, texts)


class Changes:
    """What is written down of the changes to one entity type, for others to see at the step's end.

    ``log`` has one entry a batch and change: (slots, flow, action, clock, entity, field, op, values,
    nulls, shared, is_event). It is filled for types that are changed without being held.
    """

    def __init__(self, table: EntityTable, *, history: bool) -> None:
        self.table = table
        self.history = history
        self.logging = table.plan.shared_changes
        self.log: list[tuple[Any, ...]] = []
        self.context: tuple[Span | None, str] = (None, "")
        self.updates = {
            (field, op): Update(self, field, op)
            for field in table.types
            for op in ("is", *_PYTHON)
        }
        self.made: list[Versions] = []

    def apply(
        self,
        entity: I64,
        shared: Array | None,
        who: tuple[I64, Array, Array, Array],
        items: tuple[tuple[str, str, Array, Array | None], ...],
        is_event: bool,
        newborn: bool,
    ) -> None:
        """The changes of one action: ``items`` are (field, op, values, nulls), in order.

        ``who`` is (slots, flow, action, clock); ``shared`` tells rows that only use their entity. The
        version of ``newborn`` entities is made with their birth.
        """
        table = self.table
        if self.logging:
            everybody = shared is None or not shared.any()
            own = None if everybody or shared is None else np.flatnonzero(~shared)
            for order, (field, op, values, nulls) in enumerate(items):
                self.log.append((*who, entity, field, op, values, nulls, shared, is_event, order))
                if own is None:
                    self.updates[field, op](entity, values, nulls)
                elif len(own):
                    self.updates[field, op](entity[own], values[own], None if nulls is None else nulls[own])
            table.log_changed.append(entity if own is None else entity[own])
        else:
            for field, op, values, nulls in items:
                self.updates[field, op](entity, values, nulls)
            if table.start_view or table.has_shared:
                table.log_changed.append(entity)
            if self.history and not newborn:
                self.snapshot(entity, who, is_event)

    def snapshot(self, entity: I64, who: tuple[I64, Array, Array, Array], is_event: bool) -> None:
        """The live state as a version."""
        _, flow, action, clock = who
        live, nulls = self.table.live, self.table.nulls
        self.made.append(
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

    def born(self, entity: I64, who: tuple[I64, Array, Array, Array], is_event: bool) -> None:
        """Births are versions too (the changes of the same event included)."""
        if self.history:
            if self.logging:
                self.log.append((*who, entity, None, "born", None, None, None, is_event, -1))
            else:
                self.snapshot(entity, who, is_event)

    def take_births(self) -> list[Versions]:
        """Versions of entities that exist from the start, which no step will settle."""
        if self.log:
            for slots, flow, action, clock, entity, *_, is_event, _ in self.log:
                self.snapshot(entity, (slots, flow, action, clock), is_event)
        self.log = []
        made, self.made = self.made, []
        return made

    # ------------------------------------------------------------ a flow's own view

    def own_view(self, field: str, slots: I64, entity: I64, values: Array, nulls: Array | None) -> Masked:
        """Start values with the changes that each flow itself made in this step to a shared entity."""
        entries = [e for e in self.log if e[5] == field and e[9] is not None and e[9].any()]
        if not entries:
            return values, nulls
        wanted = dict(zip(zip(slots.tolist(), entity.tolist(), strict=True), range(len(slots)), strict=True))
        type_, texts = self.table.types[field], self.table.texts
        python: list[Any] | None = None
        # Row by row: only flows that read what they changed within one step come here.
        steps: list[tuple[int, int, int, str, Any]] = []
        for entry in entries:
            given = entry[7].tolist()
            if entry[7].dtype != object:
                given = to_python(entry[7], entry[8], value_type(type_, entry[6]), texts)
            for at in np.flatnonzero(entry[9]).tolist():
                place = wanted.get((int(entry[0][at]), int(entry[4][at])))
                if place is not None:
                    steps.append((place, int(entry[2][at]), entry[11], entry[6], given[at]))
        if steps:
            python = to_python(values, nulls, type_, texts)
            for place, _, _, op, value in sorted(steps, key=lambda s: s[:3]):
                python[place] = one_change(op, python[place], value)
            values, nulls = from_python(python, type_, texts)
        return values, nulls

    # ------------------------------------------------------------ the end of a step

    def settle(self) -> None:
        """Replay in the order (clock, flow, action, place in the list) what shared entities saw."""
        if not self.log:
            return
        log, self.log = self.log, []
        table = self.table
        together = [e[4][e[9]] for e in log if e[9] is not None and e[9].any()]
        if self.history:
            together = [e[4] for e in log]
        if not together:
            return
        entities = distinct(together)
        mark = np.zeros(table.count, np.bool_)
        mark[entities] = True
        rows = [(e, np.flatnonzero(mark[e[4]])) for e in log]
        batch = np.concatenate([np.full(len(at), i) for i, (_, at) in enumerate(rows)])
        place = np.concatenate([at for _, at in rows])
        entity, clock, flow, action = (
            np.concatenate([e[column][at] for e, at in rows]) for column in (4, 3, 1, 2)
        )
        order = np.concatenate([np.full(len(at), e[11]) for e, at in rows])
        sequence = np.lexsort((order, action, flow, clock, entity))
        for name in table.types:
            table.live[name].a[entities] = table.start[name].a[entities]
            if name in table.nulls:
                table.nulls[name].a[entities] = table.start_nulls[name].a[entities]
        # Rounds: the i-th change of every entity at once.
        own = entity[sequence]
        first = np.flatnonzero(np.r_[True, own[1:] != own[:-1]])
        rank = np.arange(len(own)) - np.repeat(first, np.diff(np.r_[first, len(own)]))
        for turn in range(int(rank.max()) + 1):
            now = sequence[rank == turn]
            for i in np.unique(batch[now]).tolist():
                mine = now[batch[now] == i]
                self._again(log[i], place[mine])
                if self.history:
                    self._version(log[i], place[mine], mine, sequence, entity, clock, flow, action)
        table.log_open_changed.append(entities)
        table.log_changed.append(entities)

    def _again(self, entry: tuple[Any, ...], at: I64) -> None:
        field, op, values, nulls = entry[5:9]
        if op != "born":
            self.updates[field, op](entry[4][at], values[at], None if nulls is None else nulls[at])

    def _version(
        self, entry: tuple[Any, ...], at: I64, mine: I64, sequence: I64, entity: I64, clock: I64, flow: I64, action: I64
    ) -> None:
        """A version after the last change of each action."""
        where = np.empty(len(sequence), np.int64)
        where[sequence] = np.arange(len(sequence))
        following = sequence[np.minimum(where[mine] + 1, len(sequence) - 1)]
        same = (where[mine] + 1 < len(sequence)) & (following != mine)
        for column in (entity, clock, flow, action):
            same &= column[following] == column[mine]
        last = at[~same]
        if len(last):
            self.snapshot(entry[4][last], tuple(c[last] for c in entry[:4]), entry[10])


def one_change(op: str, old: Any, value: Any) -> Any:
    """One change on Python values."""
    if op == "is":
        return value
    if old is None:
        raise TypeError(f"{op!r} on a state field that is None")
    out = _PYTHON[op](old, value)
    return out.date() if isinstance(out, dt.datetime) and not isinstance(old, dt.datetime) else out
