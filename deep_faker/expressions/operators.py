"""Operators whose meaning depends on what they stand between: numbers, texts or times."""

from __future__ import annotations

import ast

import numpy as np

from deep_faker.expressions.arithmetic import OPERATORS, integer, numbers, numeric
from deep_faker.expressions.comparisons import compare
from deep_faker.expressions.emitter import TEXTS, Emitter, Val
from deep_faker.expressions.times import TIMES, time_operator
from deep_faker.plan import Type

_STR, _OBJECT = Type("str"), Type("object")


def binary(em: Emitter, op: type[ast.AST], a: Val, b: Val) -> Val:
    """``a op b``."""
    function = OPERATORS[op]
    if a.constant and b.constant:
        return em.fold(function, a.value, b.value)
    if "none" in (a.kind, b.kind):
        return em.by_row("an operation on None", "str" if a.kind in TEXTS and op is ast.Mod else "object")
    if any(v.kind == "object" and v.floats is None for v in (a, b)):
        return em.by_value(function, [a, b], _OBJECT)
    if a.kind in TEXTS and op is ast.Mod:
        return em.by_value(function, [em.solid(a), b], _STR)  # "%s" % None is a text
    a, b = em.solid(a), em.solid(b)
    if numeric(a) and numeric(b):
        return numbers(em, op, a, b)
    if (a.kind in TEXTS and b.kind in TEXTS and op is ast.Add) or (
        op is ast.Mult and {a.kind, b.kind} & {"int", "bool"} and {a.kind, b.kind} & {*TEXTS}
    ):
        return em.by_value(function, [a, b], _STR)
    if a.kind in TIMES or b.kind in TIMES:
        return time_operator(em, op, function, a, b)
    return em.by_row(f"an operation on {a.kind} and {b.kind}")


def smallest(em: Emitter, operands: list[Val], *, greatest: bool) -> Val:
    """``min`` or ``max`` of several values: the first of equals, NaN as Python compares it.

    >>> em = Emitter({}, (), "x", "n", emitting=False)
    >>> smallest(em, [em.constant(3), em.constant(2)], greatest=False).value
    2
    """
    if all(v.constant for v in operands):
        return em.fold(max if greatest else min, *(v.value for v in operands))
    result = em.named(em.solid(operands[0]))
    for each in operands[1:]:
        result = em.named(_lesser(em, result, em.named(em.solid(each)), greatest=greatest))
    return result


def _lesser(em: Emitter, a: Val, b: Val, *, greatest: bool) -> Val:
    if a.kind == b.kind == "int":
        name = em.f(np.maximum if greatest else np.minimum)
        choose = max if greatest else min
        return integer(f"{name}({em.ints(a)}, {em.ints(b)})", choose(a.low, b.low), choose(a.high, b.high))
    if a.constant and b.constant:
        return em.fold(max if greatest else min, a.value, b.value)
    test = compare(em, ast.Gt if greatest else ast.Lt, b, a)
    if test.constant:
        return b if test.value else a
    return em.select(em.named(test).code, b, a)
