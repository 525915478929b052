"""Native expressions against Python's own evaluation, row by row.

The rule (E2): an instruction gives the very value that Python gives, or leaves the row to Python.
"""

from __future__ import annotations

import ast
import math
import random
import re
import warnings
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import chain
from typing import Any

import pytest
from native_machine import NO, TROUBLE, YES, Machine, TroubleError
from test_expressions import (
    BENIGN,
    BY_COLUMN,
    CONSTS,
    EVERYWHERE,
    GRAMMAR,
    HANDLES,
    LITERALS,
    POOLS,
    SMALL,
    SPAN,
    same,
)
from test_expressions import type_of_variable as variable_type

from deep_faker.engine.native.assembler import Label
from deep_faker.engine.native.expressions import lower, lower_test
from deep_faker.expressions import Texts, infer, row_function
from deep_faker.plan import Expr, Type
from deep_faker.storage import kind_of, optional

TOTALS = dict.fromkeys(("values", "troubles", "needless", "escapes", "lowered"), 0)


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
) -> bool:
    """Native values are Python's, and what raises is left to Python; False if there is no native form.

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
        TOTALS["escapes"] += 1
        return False
    TOTALS["lowered"] += 1
    machine.end()
    expected = by_python(expr, rows, n)
    got = machine.results(operand, rows, n, target)
    for i, (a, b) in enumerate(zip(got, expected, strict=True)):
        where = f"{text}: {[rows[name][i] for name in types]}"
        if (
            expr.type.kind == "bool"
            and not isinstance(b, Exception)
            and not (b is None and expr.type.optional)
        ):
            b = bool(b)
        if operand.type.kind == "float" and type(b) is int and stores(b, operand.type):
            b = float(b)
        if isinstance(a, TroubleError):
            needed = isinstance(b, Exception) or not stores(b, operand.type)
            TOTALS["troubles" if needed else "needless"] += 1
            assert needed or not strict, f"{where} was left to Python"
            continue
        TOTALS["values"] += 1
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


# ---------------------------------------------------------------- random expressions


def generated(rng: random.Random, kind: str, depth: int) -> str:
    """Text of an expression that is, as a rule, of ``kind``, of the grammar of `test_expressions`."""
    if kind == "num":
        kind = rng.choice(["int", "int", "float", "bool"])
    if kind == "any":
        kind = rng.choice(list(GRAMMAR))
    if depth <= 0 or rng.randrange(8) == 0:
        return rng.choice(
            rng.choice([VARIABLES[kind], VARIABLES[kind], LITERALS.get(kind) or VARIABLES[kind]])
        )
    templates = [t for t in GRAMMAR[kind] if not t.startswith(("f'", "'"))]
    template = rng.choice(EVERYWHERE if rng.randrange(6) == 0 else templates)
    template = re.sub(r"\[([^\[\]{]*\|[^\[\]{]*)\]", lambda m: rng.choice(m[1].split("|")), template)

    def hole(match: re.Match[str]) -> str:
        return f"({generated(rng, kind if match[1] == 'same' else match[1], depth - 1)})"

    return re.sub(r"\{(\w+)\}", hole, template)


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


def rows_of(rng: random.Random, names: Sequence[str], n: int) -> dict[str, list[Any]]:
    small, out = rng.random() < 0.5, {}
    for name in names:
        type_ = variable_type(name)
        pool = HANDLES if type_.kind == "entity" else POOLS[type_.kind]
        if small:
            pool = SMALL.get(type_.kind, pool)
        out[name] = [rng.choice([*pool, None] if type_.optional else pool) for _ in range(n)]
    return out


@pytest.mark.parametrize("seed", range(12))
def test_e2_random_expressions_are_pythons(seed: int) -> None:
    """E2: whatever the expression and the rows; what is written for a target leaves all else alone."""
    rng = random.Random(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # "is" with a literal, a call of a number
        for _ in range(ROUNDS):
            kind = rng.choice([*GRAMMAR, "int", "float", "bool"])
            text = generated(rng, kind, rng.choice((1, 1, 2, 2, 3)))
            names = names_in(text)
            if "thing" in text:
                continue
            types = {name: variable_type(name) for name in names}
            rows = rows_of(rng, names, 12)
            check(text, types, rows, CONSTS)
            own = [name for name in names if types[name].kind == kind] or [None]
            check(text, types, rows, CONSTS, target=rng.choice(own))
            expr, _ = expression(text, types, rows, CONSTS)
            check(text, types, rows, CONSTS, target="target", want=optional(expr.type))
            agree_on_test(text, types, rows)


ROUNDS = 150


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
