"""Conditions of selections as functions of rows, and the instants at which `Now` flips them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from deep_faker.plan import Array, Condition, EntityPlan, Now, Type
from deep_faker.plan.storage import one_to_storage
from deep_faker.simulate.arrays import I64, NEVER

Mask = Array
Test = Callable[[I64, int], Mask]
"""Rows and the instant that `Now` stands for → which of them match."""

ORDER: dict[str, Callable[[Any, Any], Any]] = {
    "greater_than": operator.gt,
    "less_than": operator.lt,
    "greater_or_equal": operator.ge,
    "less_or_equal": operator.le,
}


class Values(Protocol):
    """A column: ``a`` has its rows."""

    @property
    def a(self) -> Array: ...


class Settled(Protocol):
    """Entities of one type as the step found them."""

    @property
    def plan(self) -> EntityPlan: ...
    @property
    def types(self) -> Mapping[str, Type]: ...
    @property
    def texts(self) -> tuple[str, ...]: ...

    def settled(self, name: str) -> tuple[Values, Values | None]: ...

    def python(self, name: str, rows: I64) -> list[object]: ...

    def key_list(self, rows: I64) -> list[object]: ...


def holds(value: Any, op: str, wanted: Any) -> bool:
    """One condition on one Python value: the meaning that the column forms reproduce.

    >>> holds(None, "less_than", 3), holds(None, "is_not", 3), holds(2, "between", (1, 2))
    (False, True, True)
    """
    if op == "is_null" or (op == "is" and wanted is None):
        return value is None
    if op == "not_null" or (op == "is_not" and wanted is None):
        return value is not None
    if op == "is":
        return bool(value == wanted)
    if op == "is_not":
        return bool(value != wanted)
    if op in ("in", "not_in"):  # by value alone: nan is none of them, though the very same nan
        return any(value == one for one in wanted) == (op == "in")
    if value is None or _is_never(op, wanted):
        return False
    if op == "between":
        return bool(wanted[0] <= value <= wanted[1])
    return bool(ORDER[op](value, wanted))


def _is_never(op: str, wanted: Any) -> bool:
    """Whether an order with None is asked for, which no value has (S1)."""
    return wanted is None or (op == "between" and None in wanted)


def condition_test(table: Settled, condition: Condition) -> Test:
    """The column form of one static condition on the rows of ``table``, as they are at step ends."""
    name, op, wanted = condition.field, condition.op, condition.value
    if name == table.plan.spec.primary_key and name not in table.types:
        return lambda rows, now: _by_row(table.key_list(rows), op, wanted)
    type_ = table.types[name]
    column, nulls = table.settled(name)

    def masked(test: Callable[[Array, int], Mask], null: bool) -> Test:
        if nulls is None:
            return lambda rows, now: test(np.take(column.a, rows, mode="clip"), now)

        def with_nulls(rows: I64, now: int) -> Mask:
            missing = np.take(nulls.a, rows, mode="clip")
            found = test(np.take(column.a, rows, mode="clip"), now)
            known: Mask = (found | missing) if null else (found & ~missing)
            return known

        return with_nulls

    if op in ("is_null", "not_null") or (wanted is None and op in ("is", "is_not")):
        return _null_test(table, name, type_, is_null=op in ("is_null", "is"))
    if (op in ORDER or op == "between") and _is_never(op, wanted):
        return lambda rows, now: np.zeros(len(rows), np.bool_)
    if isinstance(wanted, Now) or (op == "between" and any(isinstance(w, Now) for w in wanted)):
        return masked(_now_test(op, wanted, type_), null=False)
    if type_.kind == "code":
        # A text column has few distinct values: decide each of them once.
        table_of = np.array([holds(text, op, wanted) for text in table.texts] or [False], np.bool_)
        return masked(lambda values, now: np.take(table_of, values, mode="clip"), holds(None, op, wanted))
    if type_.kind in ("str", "object"):
        return lambda rows, now: _by_row(table.python(name, rows), op, wanted)
    return masked(_plain_test(op, wanted, type_, table.texts), holds(None, op, wanted))


def _by_row(values: list[object], op: str, wanted: object) -> Mask:
    return np.fromiter((holds(value, op, wanted) for value in values), np.bool_, len(values))


def _null_test(table: Settled, name: str, type_: Type, *, is_null: bool) -> Test:
    column, nulls = table.settled(name)
    if nulls is not None:
        return lambda rows, now: np.equal(np.take(nulls.a, rows, mode="clip"), is_null)
    if type_.kind in ("object", "str"):
        return lambda rows, now: np.array([(v is None) == is_null for v in column.a[rows]], np.bool_)
    return lambda rows, now: np.full(len(rows), not is_null)


def _plain_test(op: str, wanted: Any, type_: Type, texts: tuple[str, ...]) -> Callable[[Array, int], Mask]:
    def stored(value: Any) -> Any:
        if type_.kind in ("int", "float", "bool"):
            return value  # numbers compare with numbers of any kind, as in Python
        return one_to_storage(value, type_, texts)[0]

    if op in ("in", "not_in"):
        given = [stored(value) for value in wanted if value is not None]
        choices = np.array([v for v in given if not isinstance(v, str)] or [], dtype=None)
        inside = op == "in"
        if not len(choices):
            return lambda values, now: np.full(len(values), not inside)
        return lambda values, now: np.isin(values, choices) == inside
    if op == "between":
        low, high = stored(wanted[0]), stored(wanted[1])
        return lambda values, now: (values >= low) & (values <= high)
    limit = stored(wanted)
    compare = {"is": operator.eq, "is_not": operator.ne, **ORDER}[op]
    return lambda values, now: np.asarray(compare(values, limit), np.bool_)


def _now_test(op: str, wanted: Any, type_: Type) -> Callable[[Array, int], Mask]:
    if op != "between":
        compare, offset = ORDER[op], wanted.offset
        return lambda values, now: np.asarray(compare(values, now + offset), np.bool_)

    def bound(value: Any, now: int) -> int:
        return now + value.offset if isinstance(value, Now) else int(one_to_storage(value, type_, ())[0])

    low, high = wanted
    return lambda values, now: (values >= bound(low, now)) & (values <= bound(high, now))


def flips(conditions: tuple[Condition, ...]) -> list[tuple[str, int, bool]]:
    """(field, offset, strict) of every bound that moves with `Now`.

    The truth of a bound changes once, at the first step whose instant is at or after ``value - offset``
    (strict: after it).
    """
    return [bound for condition in conditions for bound in _bounds(condition)]


def _bounds(condition: Condition) -> Iterator[tuple[str, int, bool]]:
    name, op, wanted = condition.field, condition.op, condition.value
    if isinstance(wanted, Now):
        yield name, wanted.offset, op in ("less_than", "greater_or_equal")
    elif op == "between":
        low, high = wanted
        if isinstance(low, Now):
            yield name, low.offset, True
        if isinstance(high, Now):
            yield name, high.offset, False


def flip_steps(
    values: I64, nulls: Mask | None, offset: int, strict: bool, after: int, grid: tuple[int, int]
) -> I64:
    """The first step later than ``after`` in which the bound's truth changes (`NEVER`: none)."""
    start, step = grid
    since = values - (offset + start)
    found = since // step + 1 if strict else -(-since // step)
    found[found <= after] = NEVER
    if nulls is not None:
        found[nulls] = NEVER
    return found
