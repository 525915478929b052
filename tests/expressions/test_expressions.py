"""Expressions by column against Python's own evaluation, row by row.

The rule (E2): the generated source gives the values that Python gives, of the same types, and raises
the same class of exception if any row raises.
"""

from __future__ import annotations

import ast
import math
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deep_faker.expressions import Texts, column_source, infer, row_function, stable_hash
from deep_faker.plan import Expr, Type
from deep_faker.plan.storage import Handle, dtype_of, from_python, to_python
from tests.support.worlds.expression_world import (
    BENIGN,
    BOOL,
    BY_COLUMN,
    CODE,
    CONSTS,
    DAY,
    EVERYWHERE,
    FLOAT,
    GRAMMAR,
    HANDLES,
    INT,
    KINDS,
    LENGTH,
    LITERALS,
    NONE,
    OBJECT,
    POOLS,
    SMALL,
    SPAN,
    STR,
    USER,
    fits,
    same,
    type_of_variable,
)

# What a null row holds has no meaning: the worst that its kind can hold.
WORST: dict[str, Any] = {"bool": True, "float": math.nan, "code": 2**31 - 1, "str": None}


class WentByRowError(AssertionError):
    """The batch was handed to Python."""


def by_column(
    text: str,
    types: dict[str, Type],
    rows: dict[str, list[Any]],
    consts: dict[str, Any] | None = None,
    *,
    strict: bool = False,
) -> list[Any]:
    """The values of ``text`` through the generated source; ``strict`` forbids the way by row."""
    known = Texts(v for n, t in types.items() if t.kind == "code" for v in rows[n] if v is not None)
    consts = consts or {}
    type_, reason = infer(text, types, consts, known)
    texts = known.frozen()
    if strict and reason:
        raise WentByRowError(reason)
    source = column_source(Expr(text, tuple(types), consts, type_, SPAN, reason), types, texts, "e1_")
    columns: dict[str, Any] = {}
    for name, own in types.items():
        columns[name], nulls = from_python(rows[name], own, texts)
        if nulls is not None:
            columns[name][nulls] = WORST.get(own.kind, -(2**63))
            columns[f"{name}__null"] = nulls
    before = {name: column.copy() for name, column in columns.items()}
    env = dict(source.env)
    if strict and source.lines:

        def forbidden(*_: Any) -> None:
            raise WentByRowError(text)

        env["e1_rows"] = forbidden
    body = [*source.lines, f"return {source.value}, {source.nulls}"]
    exec(f"def generated(n, {', '.join(columns)}):\n" + "\n".join(f"    {line}" for line in body), env)
    size = len(next(iter(rows.values()))) if rows else 3
    values, nulls = env["generated"](size, **columns)
    for name, column in columns.items():
        np.testing.assert_array_equal(column, before[name], "a local was written to")
    assert values.dtype == dtype_of(type_)
    assert values.shape == (size,)
    assert (nulls is not None) == type_.optional
    return to_python(values, nulls, type_, texts)


def by_python(text: str, types: dict[str, Type], rows: dict[str, list[Any]], consts: Any = None) -> list[Any]:
    """What Python says."""
    code = compile(text, "expression", "eval")
    env = {"hash": stable_hash, **(consts or {})}
    size = len(next(iter(rows.values()))) if rows else 3
    return [eval(code, env, {n: rows[n][i] for n in types}) for i in range(size)]


def outcome(run: Callable[[], list[Any]]) -> tuple[list[Any], type[Exception] | None]:
    try:
        return run(), None
    except WentByRowError:
        raise
    except Exception as error:  # noqa: BLE001 - whichever it is, both ways must raise it
        return [], type(error)


def agree(
    text: str, types: dict[str, Type], rows: dict[str, list[Any]], consts: Any = None, **how: Any
) -> None:
    """Both ways give the same values of the same types, or the same class of exception."""
    expected, error = outcome(lambda: by_python(text, types, rows, consts))
    got, raised = outcome(lambda: by_column(text, types, rows, consts, **how))
    if error is None and raised is OverflowError:
        assert not all(map(fits, expected)), text
    elif error is None and raised is TypeError:
        assert any(type(value) is complex for value in expected), text  # there is no column of them
    else:
        assert raised is error, f"{text}: {raised} is not {error}"
        for row, (a, b) in enumerate(zip(got, expected, strict=True)):
            where = {name: rows[name][row] for name in types}
            assert same(a, b), f"{text}: row {row}: {a!r} is not {b!r}; {where}"


# ---------------------------------------------------------------- random expressions


def variables(kind: str) -> list[str]:
    own = ("code", "str") if kind == "text" else (kind,)
    return [name for k in own for name in (f"x_{k}", f"y_{k}", f"maybe_{k}")]


@st.composite
def expressions(draw: Any, kind: str, depth: int) -> str:
    """Text of an expression that is, as a rule, of ``kind``."""
    if kind == "num":
        kind = draw(st.sampled_from(["int", "int", "float", "bool"]))
    if kind == "any":
        kind = draw(st.sampled_from(KINDS))
    if depth <= 0 or draw(st.integers(0, 7)) == 0:
        literals = LITERALS.get(kind, [])
        return str(draw(st.sampled_from([*variables(kind) * 2, *draw(st.sampled_from([[], literals]))])))
    templates = EVERYWHERE if draw(st.integers(0, 6)) == 0 else GRAMMAR[kind]
    return filled(draw, draw(st.sampled_from(templates)), kind, depth - 1)


def filled(draw: Any, template: str, kind: str, depth: int) -> str:
    out, rest = "", template
    is_f_string = template.startswith("f'")
    while rest:
        head, rest = rest[0], rest[1:]
        choice = rest.partition("]")[0]
        if head == "[" and "|" in choice and "{" not in choice and "[" not in choice:
            options, _, rest = rest.partition("]")
            out += draw(st.sampled_from(options.split("|")))
        elif head == "{" and rest[0] != "{":
            hole, _, rest = rest.partition("}")
            name, sep, spec = hole.partition(":") if ":" in hole else hole.partition("!")
            inner = kind if name == "same" else name
            if is_f_string:
                part = draw(
                    st.sampled_from(variables(draw(st.sampled_from(KINDS)) if inner == "any" else inner))
                )
                out += "{" + part + sep + spec + "}"
            else:
                out += "(" + draw(expressions(inner, depth)) + ")"
        elif head in "{}" and rest[:1] == head:
            out, rest = out + head, rest[1:]
        else:
            out += head
    return out


def names_of(text: str) -> list[str]:
    found = {node.id for node in ast.walk(ast.parse(text, mode="eval")) if isinstance(node, ast.Name)}
    return sorted(n for n in found if n in ("user", "other", "thing") or n.startswith(("x_", "y_", "maybe_")))


@st.composite
def tables(draw: Any, names: list[str]) -> dict[str, list[Any]]:
    size = draw(st.sampled_from([1, 1, 2, 3, 60]))
    small = draw(st.booleans())
    rows = {}
    for name in names:
        type_ = type_of_variable(name)
        if type_.kind == "entity":
            pool: list[Any] = HANDLES
        elif type_.kind == "object":
            pool = [None, 1, "a", 2.5, [1]]
        else:
            pool = (SMALL if small else POOLS).get(type_.kind, POOLS[type_.kind])
            pool = [*pool, None] if type_.optional else pool
        picks = draw(st.lists(st.integers(0, len(pool) - 1), min_size=min(size, 4), max_size=min(size, 4)))
        rows[name] = [pool[picks[i % len(picks)]] for i in range(size)]
    return rows


@pytest.mark.slow
@given(st.data())
@settings(max_examples=800, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_e2_random_expressions_by_column_are_pythons(data: Any) -> None:
    """E2: arithmetic means Python's, whatever the expression and the rows."""
    text = data.draw(expressions(data.draw(st.sampled_from(KINDS)), data.draw(st.integers(1, 3))))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # "is" with a literal, a call of a number
        names = names_of(text)
        rows = data.draw(tables(names))
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            agree(text, {name: type_of_variable(name) for name in names}, rows, CONSTS)


@pytest.mark.parametrize("op", ["+", "-", "*", "//", "%", "/", "<", "==", ">="])
@given(
    a=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=4),
    b=st.integers(-(2**63), 2**63 - 1),
    f=st.floats(),
)
@settings(max_examples=40, deadline=None)
def test_e2_large_ints_do_not_wrap(op: str, a: list[int], b: int, f: float) -> None:
    """E2: overflow raises; results that fit are exact, also those of intermediate values that do not."""
    rows = {"x": a, "y": [b] * len(a), "f": [f] * len(a)}
    types = {"x": INT, "y": INT, "f": FLOAT}
    pairs = {"x": INT, "y": INT}
    agree(f"x {op} y", pairs, rows)
    agree(f"x {op} K", {"x": INT}, rows, {"K": b})
    agree(f"K {op} x", {"x": INT}, rows, {"K": b})
    agree(f"(x {op} y) // 3" if op not in "<==>=" else f"(x {op} y) + 1", pairs, rows)
    agree(f"x {op} f", types, rows)
    agree(f"f {op} x", types, rows)
    agree(f"x {op} F", {"x": INT}, rows, {"F": f})


@pytest.mark.slow
@given(
    st.lists(st.one_of(st.floats(), st.decimals(-1000, 1000, places=3).map(float)), min_size=60),
    st.integers(-3, 6),
)
@settings(max_examples=150, deadline=None)
def test_e2_round_is_pythons(values: list[float], digits: int) -> None:
    """E2: ``round`` to digits, near ties and far from them."""
    agree(f"round(x, {digits})", {"x": FLOAT}, {"x": values}, strict=digits != 0 or True)


def test_e2_round_near_ties() -> None:
    """E2: floats beside a decimal tie, where a scaled rint goes wrong."""
    ties = [(k + 0.5) / 100 for k in range(-4000, 4000)]
    ties += [math.nextafter(x, side) for x in ties for side in (-math.inf, math.inf)]
    for digits in (1, 2, 3):
        agree(f"round(x, {digits})", {"x": FLOAT}, {"x": ties}, strict=True)


# ---------------------------------------------------------------- by column, without falling back


@pytest.mark.parametrize("text", BY_COLUMN)
def test_f2_the_language_of_flows_goes_by_column(text: str) -> None:
    """F2: none of these needs Python's evaluation of rows."""
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
    agree(text, types, {name: BENIGN[name][1] for name in names}, consts, strict=True)
    if names:
        agree(text, types, {name: [] for name in names}, consts)


@pytest.mark.parametrize(
    ("text", "type_", "reason"),
    [
        ("helper(a)", OBJECT, "calls helper()"),
        ("[a, b]", OBJECT, "makes a collection"),
        ("sum(k for k in (a, b))", OBJECT, "a generator expression"),
        ("', '.join([name, plan])", STR, "makes a collection"),
        ("sorted(name)", OBJECT, "calls sorted()"),
        ("now.replace(hour=a % 24)", OBJECT, "calls .replace() with keywords"),
        ("not helper(a)", BOOL, "calls helper()"),
        ("f'{helper(a)}'", STR, "calls helper()"),
        ("isinstance(a, int)", BOOL, "calls isinstance()"),
        ("a < name", BOOL, "raises TypeError: int and str have no order"),
    ],
)
def test_f2_what_goes_by_row_says_why(text: str, type_: Type, reason: str) -> None:
    """F2: what cannot be compiled runs row by row with the same results."""
    consts = {"helper": lambda value: value * 2 + 1}
    names = [n.id for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name) and n.id in BENIGN]
    types = {name: BENIGN[name][0] for name in names}
    assert infer(text, types, consts, Texts()) == (type_, reason)
    agree(text, types, {name: BENIGN[name][1] for name in names}, consts)


# ---------------------------------------------------------------- types


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("a / b", FLOAT),
        ("a // b", INT),
        ("flag & flag", BOOL),
        ("'x' if flag else 'y'", CODE),
        ("plan if flag else name", STR),
        ("plan if flag else None", Type("code", optional=True)),
        ("a if flag else x", OBJECT),
        ("user if flag else None", USER),
        ("None", NONE),
        ("now - now", LENGTH),
        ("now.date()", DAY),
        ("SEQ[a]", CODE),
        ("{'free': 1.5}['free']", OBJECT),
        ("plan.upper()", STR),
        ("f'{a}'", STR),
    ],
)
def test_types_are_inferred(text: str, type_: Type) -> None:
    """The static type is the one that every value has."""
    types = {name: own for name, (own, _) in BENIGN.items()}
    assert infer(text, types, {"SEQ": ["p", "q"]}, Texts())[0] == type_


def test_texts_that_can_be_results_get_codes() -> None:
    """Constants that are only compared with need none."""
    texts = Texts()
    infer("'big' if a > 2 else SEQ[a]", {"a": INT}, {"SEQ": ("p", "q")}, texts)
    infer("plan == 'gold'", {"plan": CODE}, {}, texts)
    assert sorted(texts.frozen()) == ["big", "p", "q"]


def test_a_wider_type_is_stored_as_it_says() -> None:
    """The result is cast to the expression's type: an int into a float local, text into a str local."""
    for text, own, target, rows, expected in [
        ("x", INT, FLOAT, [1, 2], [1.0, 2.0]),
        ("x", CODE, STR, ["a", "b"], ["a", "b"]),
        ("x", INT, Type("int", optional=True), [1, 2], [1, 2]),
        ("None", INT, Type("float", optional=True), [1, 2], [None, None]),
        ("3", INT, FLOAT, [1, 2], [3.0, 3.0]),
        ("x", INT, OBJECT, [1, 2], [1, 2]),
        ("x", USER, BOOL, [None, Handle("User", 0)], [False, True]),
    ]:
        texts = ("a", "b")
        source = column_source(Expr(text, ("x",), {}, target, SPAN), {"x": own}, texts, "p_")
        env = dict(source.env)
        lines = "\n    ".join([*source.lines, f"return {source.value}, {source.nulls}"])
        exec(f"def generated(n, x):\n    {lines}", env)
        values, nulls = env["generated"](2, from_python(rows, own, texts)[0])
        assert values.dtype == dtype_of(target)
        got = to_python(values, nulls, target, texts)
        assert got == expected
        assert list(map(type, got)) == list(map(type, expected))


# ---------------------------------------------------------------- rows and hashes


def test_the_row_function_blames_the_users_line() -> None:
    """A traceback through an expression shows the flow's own file and line."""
    function = row_function(Expr("a / b", ("a", "b"), {}, FLOAT, SPAN))
    assert function(1, 2) == 0.5
    with pytest.raises(ZeroDivisionError) as caught:
        function(1, 0)
    frame = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (frame.filename, frame.lineno) == ("shop.py", 7)


def test_the_row_function_knows_entities_and_the_stable_hash() -> None:
    """Two handles of one entity are the same; ``hash`` is ours."""
    same_one = row_function(Expr("user is other", ("user", "other"), {}, BOOL, SPAN))
    assert same_one(Handle("User", 3), Handle("User", 3))
    assert not same_one(Handle("User", 3), Handle("User", 4))
    assert row_function(Expr("hash(a)", ("a",), {}, INT, SPAN))("x") == stable_hash("x")


@given(st.one_of(st.integers(), st.booleans(), st.floats(allow_nan=False)))
def test_the_hash_of_numbers_is_pythons(value: float) -> None:
    """So that equal numbers have equal hashes."""
    assert stable_hash(value) == hash(value)
    assert stable_hash((value, "x")) == stable_hash((value, "x"))


def test_f3_the_hash_is_the_same_in_every_process() -> None:
    """F3: ``hash(str)`` is stable between processes."""
    value = ("user", None, 1.5, datetime(2024, 1, 1), frozenset({"a", "b", "c"}), b"x", math.nan)
    program = (
        "import math; from datetime import datetime; from deep_faker.expressions import stable_hash\n"
        "nan = math.nan\n"
        f"print(stable_hash({value!r}))".replace("datetime.datetime", "datetime")
    )
    for seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert int(run.stdout) == stable_hash(value)


def test_unhashable_values_have_no_hash() -> None:
    """As in Python."""
    for value in ([], {}, ([],)):
        with pytest.raises(TypeError):
            stable_hash(value)
