"""Native expressions against Python's own evaluation, row by row.

The rule (E2): an instruction gives the very value that Python gives, or leaves the row to Python.
"""

from __future__ import annotations

import ast
import math
import random
import warnings
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from native_machine import NO, TROUBLE, YES, Machine, TroubleError
from test_expressions import BENIGN, BY_COLUMN, CONSTS, GRAMMAR, HANDLES, LITERALS, POOLS, SMALL, SPAN, same
from test_expressions import type_of_variable as variable_type

from deep_faker.engine.native.assembler import Const, Label
from deep_faker.engine.native.expressions import Operand, compare, lower, lower_test, recast
from deep_faker.expressions import Texts, infer, row_function
from deep_faker.plan import Expr, Type
from deep_faker.storage import kind_of, optional

ALL: dict[str, int] = {"values": 0, "troubles": 0, "needless": 0, "escapes": 0, "lowered": 0}


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
    target: Type | None = None,
) -> bool:
    """Native values are Python's, and what raises is left to Python; False if there is no native form.

    ``strict``: it has one, and no row is left to Python that need not be.
    """
    expr, texts = expression(text, types, rows, consts or {})
    n = len(next(iter(rows.values()))) if rows else 1
    machine = Machine({**types, "target": target or expr.type}, texts)
    operand = lower(expr, machine.frame, machine.trouble, "target" if target is not None else None)
    if operand is None:
        assert not machine.code.words, "something was written"
        assert not machine.code.constants
        assert not strict, f"{text} has no native form"
        ALL["escapes"] += 1
        return False
    ALL["lowered"] += 1
    machine.end()
    expected = by_python(expr, rows, n)
    got = machine.results(operand, rows, n)
    for i, (a, b) in enumerate(zip(got, expected, strict=True)):
        where = f"{text}: {[rows[name][i] for name in types]}"
        if expr.type.kind == "bool" and not isinstance(b, Exception) and not (b is None and expr.type.optional):
            b = bool(b)
        if target is not None and target.kind == "float" and type(b) is int:
            b = float(b)
        if isinstance(a, TroubleError):
            needed = isinstance(b, Exception) or not stores(b, operand.type)
            ALL["troubles" if needed else "needless"] += 1
            assert needed or not strict, f"{where} was left to Python"
            continue
        ALL["values"] += 1
        assert not isinstance(b, Exception), f"{where}: {a!r} where Python raises {b!r}"
        assert same(a, b), f"{where}: {a!r} is not {b!r}"
    return True


def stores(value: Any, type_: Type) -> bool:
    """Whether a register of this type can hold the value."""
    if value is None:
        return type_.optional or type_.kind in ("entity", "none")
    return kind_of(value) == type_.kind or (kind_of(value), type_.kind) in {("code", "str"), ("int", "float")}


@pytest.mark.parametrize("text", [t for t in BY_COLUMN if "f'" not in t])
def test_e2_the_plain_language(text: str) -> None:
    """E2: what goes by column gives Python's values natively too."""
    consts = {
        "TABLE": {"free": 0, "gold": 10, "": -1},
        "RATES": (0.1, 0.5),
        "SEQ": ("abc", "def", "ghi"),
        "PAIRS": {(plan, flag): f"{plan}{flag}" for plan in ("free", "gold", "") for flag in (True, False)},
        "math": math,
        "timedelta": timedelta,
    }
    names = [n.id for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name) and n.id in BENIGN]
    types = {name: BENIGN[name][0] for name in names}
    check(text, types, {name: BENIGN[name][1] for name in names}, consts)
