"""Lowered expressions held to Python: values, what is left to it, and what must not be touched."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from itertools import chain, product
from typing import Any, NamedTuple

from deep_faker.expressions import Texts, infer, row_function
from deep_faker.plan import Expr, Type
from deep_faker.plan.storage import kind_of
from deep_faker.simulate.native.lower.assembler import Label
from deep_faker.simulate.native.lower.expressions import lower, lower_test
from tests.support.native.machine import NO, TROUBLE, YES, Machine, TroubleError
from tests.support.worlds.expression_world import CONSTS, GRAMMAR, HANDLES, POOLS, SPAN, fits, same
from tests.support.worlds.expression_world import type_of_variable as variable_type


class Counts(NamedTuple):
    """Rows: with a native value, rightly left to Python, left to it without need."""

    values: int
    troubles: int
    needless: int


def expression(
    text: str, types: Mapping[str, Type], rows: Mapping[str, Sequence[Any]], consts: Mapping[str, Any]
) -> tuple[Expr, tuple[str, ...]]:
    known = Texts(v for n, t in types.items() if t.kind == "code" for v in rows[n] if v is not None)
    type_, reason = infer(text, types, consts, known)
    return Expr(text, tuple(types), consts, type_, SPAN, reason), known.frozen()


def by_python(expr: Expr, rows: Mapping[str, Sequence[Any]], n: int) -> list[Any]:
    """The value of each row, or the exception that it raises."""
    function, out = row_function(expr), []
    for i in range(n):
        try:
            out.append(function(*(rows[name][i] for name in expr.names)))
        except Exception as error:  # noqa: BLE001 - whichever it is, the row must be left to Python
            out.append(error)
    return out


def check(
    text: str,
    types: Mapping[str, Type],
    rows: Mapping[str, Sequence[Any]],
    consts: Mapping[str, Any] | None = None,
    *,
    strict: bool = False,
    target: str | None = None,
    want: Type | None = None,
) -> Counts | None:
    """Native values are Python's, and what raises is left to Python; None if there is no native form.

    ``strict``: it has one, and no row is left to Python that need not be. ``target``: into this local, which may be
    one of those that the expression reads, or a new one of type ``want``.
    """
    expr, texts = expression(text, types, rows, consts or {})
    n = len(next(iter(rows.values()))) if rows else 1
    machine = Machine({**types, **({target: want} if target and want else {})}, texts)
    operand = lower(expr, machine.frame, machine.trouble, target)
    if operand is None:
        assert not machine.code.words, "something was written"
        assert not machine.code.constants
        assert not strict, f"{text} has no native form"
        return None
    machine.end()
    troubles = needless = 0
    expected = by_python(expr, rows, n)
    got = machine.results(operand, rows, n, target)
    for i, (a, b) in enumerate(zip(got, as_stored(expected, expr.type, operand.type), strict=True)):
        where = f"{text}: {[rows[name][i] for name in types]}"
        if isinstance(a, TroubleError):
            needed = isinstance(b, Exception) or not stores(b, operand.type)
            troubles, needless = troubles + needed, needless + (not needed)
            assert needed or not strict, f"{where} was left to Python"
            continue
        assert not isinstance(b, Exception), f"{where}: {a!r} where Python raises {b!r}"
        assert same(a, b), f"{where}: {a!r} is not {b!r}"
    return Counts(n - troubles - needless, troubles, needless)


def as_stored(values: Sequence[Any], type_: Type, want: Type) -> list[Any]:
    """The values as the types say they are used: by their truth, or int for float."""
    out = []
    for value in values:
        if (
            type_.kind == "bool"
            and not isinstance(value, Exception)
            and not (value is None and type_.optional)
        ):
            out.append(bool(value))
        else:
            out.append(float(value) if want.kind == "float" and type(value) is int and fits(value) else value)
    return out


def stores(value: Any, type_: Type) -> bool:
    """Whether a register of this type can hold the value."""
    if value is None:
        return type_.optional or type_.kind in ("entity", "none")
    return kind_of(value) == type_.kind or (kind_of(value), type_.kind) in {("code", "str"), ("int", "float")}


VARIABLES = {
    kind: [
        f"{name}_{own}"
        for own in (("code", "str") if kind == "text" else (kind,))
        for name in ("x", "y", "maybe")
    ]
    for kind in GRAMMAR
}


def names_in(text: str) -> list[str]:
    """The locals of an expression."""
    known = {*chain(*VARIABLES.values()), "user", "other"}
    return sorted({n.id for n in ast.walk(ast.parse(text, mode="eval")) if isinstance(n, ast.Name)} & known)


def edges(text: str) -> tuple[dict[str, Type], dict[str, list[Any]]]:
    """Each value of one local with each of another."""
    names = names_in(text)
    types = {name: variable_type(name) for name in names}
    pools = [HANDLES if types[n].kind == "entity" else POOLS[types[n].kind] for n in names]
    pools = [[*pool, None] if types[n].optional else pool for n, pool in zip(names, pools, strict=True)]
    if len(names) > 2:
        pools = [pool[:: 1 + len(pool) // 7] for pool in pools]
    rows = list(product(*pools))
    return types, {name: [row[i] for row in rows] for i, name in enumerate(names)}


def agree_on_test(text: str, types: Mapping[str, Type], rows: Mapping[str, Sequence[Any]]) -> None:
    """A branch goes where Python goes."""
    expr, texts = expression(text, types, rows, CONSTS)
    n = len(next(iter(rows.values()))) if rows else 1
    machine, then, other = Machine(types, texts), Label(), Label()
    if not lower_test(expr, machine.frame, machine.trouble, then, other):
        assert not machine.code.words
        return
    machine.end(then, other)
    _, ends = machine.run(rows, n)
    for i, (end, value) in enumerate(zip(ends, by_python(expr, rows, n), strict=True)):
        where = f"{text}: {[rows[name][i] for name in types]}"
        if end != TROUBLE:
            assert not isinstance(value, Exception), f"{where}: a branch where Python raises {value!r}"
            assert end == (YES if value else NO), where
