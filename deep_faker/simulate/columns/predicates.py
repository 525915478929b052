"""Conditions of selections as functions of rows, and the instants at which `Now` flips them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from deep_faker.declare.condition_operators import CONDITION_OPERATORS, ConditionOperator
from deep_faker.plan import Array, Condition, EntityPlan, Now, Type
from deep_faker.plan.storage import one_to_storage
from deep_faker.simulate.arrays import I64, NEVER

Mask = Array
Test = Callable[[I64, int], Mask]
"""Rows and the instant that `Now` stands for → which of them match."""


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
    """One condition on one Python value."""
    return CONDITION_OPERATORS[op].holds(value, wanted)


def condition_test(table: Settled, condition: Condition) -> Test:
    """The column form of one static condition on the rows of ``table``, as they are at step ends."""
    name, rule, wanted = condition.field, CONDITION_OPERATORS[condition.op], condition.value
    if name == table.plan.spec.primary_key and name not in table.types:
        return lambda rows, now: _by_row(table.key_list(rows), rule, wanted)
    type_ = table.types[name]
    column, nulls = table.settled(name)

    def masked(test: Callable[[Array, int], Mask], *, null: bool) -> Test:
        if nulls is None:
            return lambda rows, now: test(np.take(column.a, rows, mode="clip"), now)

        def with_nulls(rows: I64, now: int) -> Mask:
            missing = np.take(nulls.a, rows, mode="clip")
            found = test(np.take(column.a, rows, mode="clip"), now)
            known: Mask = (found | missing) if null else (found & ~missing)
            return known

        return with_nulls

    is_null = rule.asks_null(wanted)
    if is_null is not None:
        return _null_test(table, name, type_, is_null=is_null)
    if rule.is_never(wanted):
        return lambda rows, now: np.zeros(len(rows), np.bool_)
    if any(isinstance(part, Now) for _, part in rule.parts(wanted)):
        return masked(_now_test(rule, wanted, type_), null=False)
    if type_.kind == "code":
        # A text column has few distinct values: decide each of them once.
        table_of = np.array([rule.holds(text, wanted) for text in table.texts] or [False], np.bool_)
        return masked(
            lambda values, now: np.take(table_of, values, mode="clip"), null=rule.holds(None, wanted)
        )
    if type_.kind in ("str", "object"):
        return lambda rows, now: _by_row(table.python(name, rows), rule, wanted)
    return masked(_plain_test(rule, wanted, type_, table.texts), null=rule.holds(None, wanted))


def _by_row(values: list[object], rule: ConditionOperator, wanted: object) -> Mask:
    return np.fromiter(map(rule.judge(wanted), values), np.bool_, len(values))


def _null_test(table: Settled, name: str, type_: Type, *, is_null: bool) -> Test:
    column, nulls = table.settled(name)
    if nulls is not None:
        return lambda rows, now: np.equal(np.take(nulls.a, rows, mode="clip"), is_null)
    if type_.kind in ("object", "str"):
        return lambda rows, now: np.array([(v is None) == is_null for v in column.a[rows]], np.bool_)
    return lambda rows, now: np.full(len(rows), not is_null)


def _plain_test(
    rule: ConditionOperator, wanted: Any, type_: Type, texts: tuple[str, ...]
) -> Callable[[Array, int], Mask]:
    def stored(value: Any) -> Any:
        if type_.kind in ("int", "float", "bool"):
            return value  # numbers compare with numbers of any kind, as in Python
        return one_to_storage(value, type_, texts)[0]

    if rule.takes == "list":
        given = [stored(value) for value in wanted if value is not None]
        limit: Any = np.array([value for value in given if not isinstance(value, str)], dtype=None)
    else:
        limit = tuple(map(stored, wanted)) if rule.takes == "range" else stored(wanted)
    column = rule.column
    assert column is not None  # as all have that fit a kind of this storage
    return lambda values, now: np.asarray(column(values, limit), np.bool_)


def _now_test(rule: ConditionOperator, wanted: Any, type_: Type) -> Callable[[Array, int], Mask]:
    def bound(value: Any, now: int) -> int:
        return now + value.offset if isinstance(value, Now) else int(one_to_storage(value, type_, ())[0])

    column = rule.column
    assert column is not None  # as before: these are instants
    if rule.takes == "range":
        low, high = wanted
        return lambda values, now: column(values, (bound(low, now), bound(high, now)))
    return lambda values, now: np.asarray(column(values, bound(wanted, now)), np.bool_)


def flips(conditions: tuple[Condition, ...]) -> list[tuple[str, int, bool]]:
    """(field, offset, strict) of every bound that moves with `Now`.

    The truth of a bound changes once, at the first step whose instant is at or after ``value - offset``
    (strict: after it).
    """
    return [
        (condition.field, bound.offset, rule.flip == "after")
        for condition in conditions
        for rule, bound in CONDITION_OPERATORS[condition.op].parts(condition.value)
        if isinstance(bound, Now)
    ]


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
