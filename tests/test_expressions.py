"""Expressions by column against Python's own evaluation, row by row."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from deep_faker.errors import Span
from deep_faker.expressions import Texts, column_source, infer, row_function, stable_hash
from deep_faker.plan import Expr, Type
from deep_faker.storage import Handle, from_python, to_python

SPAN = Span("shop.py", 7, 4, 20, "    x = 1")
BOOL, INT, FLOAT, CODE, STR = (Type(k) for k in ("bool", "int", "float", "code", "str"))
TIME, DAY, LENGTH, USER = Type("datetime"), Type("date"), Type("timedelta"), Type("entity", entity="User")
OBJECT, NONE = Type("object"), Type("none")
OPT = {t.kind: Type(t.kind, optional=True) for t in (BOOL, INT, FLOAT, CODE, STR, TIME, DAY, LENGTH)}


class Fallback(AssertionError):
    """The batch went row by row."""


def by_column(
    text: str,
    types: dict[str, Type],
    rows: dict[str, list[Any]],
    consts: dict[str, Any] | None = None,
    *,
    strict: bool = False,
    known: tuple[str, ...] = (),
) -> list[Any]:
    """The values of ``text`` through the generated source; ``strict`` forbids the way by row."""
    texts = Texts(
        [*known, *(v for n, t in types.items() if t.kind == "code" for v in rows[n] if v is not None)]
    )
    consts = consts or {}
    type_, reason = infer(text, types, consts, texts)
    assert type_.kind in Type.__dataclass_fields__ or type_.kind
    expr = Expr(text, tuple(types), consts, type_, SPAN, reason)
    source = column_source(expr, types, texts.frozen(), "e1_")
    assert not (strict and reason), reason
    size = len(next(iter(rows.values()))) if rows else 3
    lines = ["def generated(n, columns):"]
    columns = {}
    for name, own in types.items():
        columns[name], nulls = from_python(rows[name], own, texts)
        lines.append(f"    {name} = columns[{name!r}]")
        if own.optional:
            columns[f"{name}__null"] = nulls
            lines.append(f"    {name}__null = columns['{name}__null']")
            if own.kind == "object" or nulls is None:
                continue
            # What a null row holds has no meaning: put the worst there.
            columns[name] = columns[name].copy()
            columns[name][nulls] = {"bool": True, "float": math.nan, "code": 2**31 - 1, "str": None}.get(
                own.kind, -(2**63)
            )
    before = {name: column.copy() for name, column in columns.items()}
    lines += [f"    {line}" for line in source.lines]
    lines.append(f"    return {source.value}, {source.nulls}")
    env = dict(source.env)
    if strict:

        def forbidden(*_: Any) -> None:
            raise Fallback(text)

        env["e1_rows"] = forbidden
    exec("\n".join(lines), env)
    values, nulls = env["generated"](size, columns)
    for name, column in columns.items():
        np.testing.assert_array_equal(column, before[name])
    assert values.dtype == from_python([], type_, ())[0].dtype
    assert values.shape == (size,)
    assert (nulls is not None) == type_.optional
    return to_python(values, nulls, type_, texts.frozen())


def by_python(text: str, types: dict[str, Type], rows: dict[str, list[Any]], consts: Any = None) -> list[Any]:
    """What Python says."""
    code = compile(text, "expression", "eval")
    env = {"hash": stable_hash, **(consts or {})}
    size = len(next(iter(rows.values()))) if rows else 3
    return [eval(code, env, {n: rows[n][i] for n in types}) for i in range(size)]


def same(a: Any, b: Any) -> bool:
    """Equal in type and value, NaN and the sign of zero included."""
    if type(a) is not type(b):
        return False
    if type(a) is float:
        return np.float64(a).tobytes() == np.float64(b).tobytes() or (math.isnan(a) and math.isnan(b))
    if type(a) in (tuple, list):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def agree(
    text: str, types: dict[str, Type], rows: dict[str, list[Any]], consts: Any = None, **how: Any
) -> None:
    """Both ways give the same values of the same types, or the same class of exception."""
    try:
        expected = by_python(text, types, rows, consts)
    except Exception as raised:  # noqa: BLE001 - whichever it is, the columns must raise it too
        with pytest.raises(type(raised)) as caught:
            by_column(text, types, rows, consts, **how)
        assert caught.type is type(raised)
        return
    try:
        got = by_column(text, types, rows, consts, **how)
    except OverflowError:
        assert not all(map(fits, expected)), text
        return
    except TypeError:
        assert any(type(value) is complex for value in expected), text  # the one thing that has no column
        return
    assert len(got) == len(expected)
    for row, (a, b) in enumerate(zip(got, expected)):
        assert same(a, b), f"{text}: row {row}: {a!r} is not {b!r}; { ({n: rows[n][row] for n in types}) }"


def fits(value: Any) -> bool:
    """Whether 64 bits hold it."""
    if type(value) is timedelta:
        value = value // timedelta(microseconds=1)
    return type(value) is not int or -(2**63) <= value < 2**63


def test_smoke() -> None:
    rows = {
        "a": [1, 2, 3],
        "b": [0.5, -2.0, 7.25],
        "s": ["x", "yy", "x"],
        "u": [None, Handle("User", 0), None],
    }
    types = {"a": INT, "b": FLOAT, "s": CODE, "u": USER}
    for text in [
        "a + 1",
        "a * b",
        "a / 2",
        "a // 2 + a % 2",
        "not u",
        "u is None",
        "s == 'x'",
        "s in ('x', 'q')",
        "'big' if a > 2 else 'small'",
        "f'user {a} of {s}'",
        "max(0, b)",
        "round(b, 1)",
        "a > 1 and b < 3",
        "s.upper()",
        "hash(s) % 100",
        "len(s) + a",
        "b if a > 1 else 0",
        "(1, 2, 3)[a - 1]",
        "-a ** 2",
    ]:
        agree(text, types, rows, strict=True)
