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
from datetime import date, datetime, time, timedelta
from itertools import chain, product
from typing import Any

import pytest
from expression_world import (
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
    fits,
    same,
)
from expression_world import type_of_variable as variable_type
from native_machine import NO, TROUBLE, YES, Machine, TroubleError

from deep_faker.engine.native.assembler import Label
from deep_faker.engine.native.expressions import Operand, compare, lower, lower_test, recast
from deep_faker.engine.native.opcodes import FUNCTIONS
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
    for i, (a, b) in enumerate(zip(got, as_stored(expected, expr.type, operand.type), strict=True)):
        where = f"{text}: {[rows[name][i] for name in types]}"
        if isinstance(a, TroubleError):
            needed = isinstance(b, Exception) or not stores(b, operand.type)
            TOTALS["troubles" if needed else "needless"] += 1
            assert needed or not strict, f"{where} was left to Python"
            continue
        TOTALS["values"] += 1
        assert not isinstance(b, Exception), f"{where}: {a!r} where Python raises {b!r}"
        assert same(a, b), f"{where}: {a!r} is not {b!r}"
    return True


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


# ---------------------------------------------------------------- the plain language

BENIGN_CONSTS: dict[str, Any] = {
    "TABLE": {"free": 0, "gold": 10, "": -1},
    "RATES": (0.1, 0.5),
    "SEQ": ("abc", "def", "ghi"),
    "PAIRS": {(plan, flag): f"{plan}{flag}" for plan in ("free", "gold", "") for flag in (True, False)},
    "math": math,
    "timedelta": timedelta,
}
# Text that is made, or of which only Python knows the letters; objects; ints that may be floats.
ESCAPES = (
    "max(0, x)", "x if a > 1 else 0", "a ** b", "TABLE.get(name)", "plan.upper()", "name.lower()", "name[:2]",
    "name.startswith('A')", "len(name) + a", "hash(name) % 7", "str(x)", "name + plan", "note or 'empty'",
    "day.isoformat()", "now.strftime('%A')", "thing is None", "thing == 1", "str(thing)", "(a, plan)",
    "'%s %d' % (name, a)",
)  # fmt: skip
PLAIN = [text for text in BY_COLUMN if text not in ESCAPES and "f'" not in text]


def benign(text: str) -> tuple[dict[str, Type], dict[str, list[Any]]]:
    names = [n.id for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name) and n.id in BENIGN]
    return {name: BENIGN[name][0] for name in names}, {name: BENIGN[name][1] for name in names}


@pytest.mark.parametrize("text", PLAIN)
def test_e2_the_plain_language_is_native(text: str) -> None:
    """E2: plain expressions of plain values are Python's, and none of them is left to Python."""
    check(text, *benign(text), BENIGN_CONSTS, strict=not text.endswith("name") and "note" not in text)


@pytest.mark.parametrize("text", ESCAPES)
def test_what_is_not_native_writes_nothing(text: str) -> None:
    """An expression without a native form leaves no instruction and no constant behind."""
    assert not check(text, *benign(text), BENIGN_CONSTS)


# ---------------------------------------------------------------- every form, at the edges


def forms() -> list[str]:
    """Every template of the grammar with each of its alternatives, over plain locals."""
    out = []
    for kind, templates in GRAMMAR.items():
        for template in (*templates, *EVERYWHERE):
            if "f'" not in template and not template.startswith("'"):
                out += [filled(text, kind) for text in alternatives(template)]
    return sorted({text for text in out if "thing" not in text})


def alternatives(template: str) -> list[str]:
    """``[+|-]`` as each of these."""
    match = CHOICE.search(template)
    if match is None:
        return [template]
    head, tail = template[: match.start()], template[match.end() :]
    return list(chain.from_iterable(alternatives(head + part + tail) for part in options(match)))


def options(match: re.Match[str]) -> list[str]:
    """What stands between the bars (``||``: a bar itself)."""
    return [part or "|" * ("||" in match[1]) for part in match[1].split("|")]


CHOICE = re.compile(r"\[([^\[\]{]*\|[^\[\]{]*)\]")
HOLE = re.compile(r"\{(\w+)\}")


def filled(template: str, kind: str) -> str:
    """The holes of a template as locals: of a kind, one after the other."""
    kinds = {"num": ["float", "int"], "any": ["int", "datetime"], "text": ["code"], "same": [kind]}
    seen: list[str] = []

    def local(match: re.Match[str]) -> str:
        wanted = kinds.get(match[1], [match[1]])
        own = wanted[len(seen) % len(wanted)]
        own = "code" if own == "text" else own
        seen.append(own)
        return f"{('x', 'y', 'maybe')[(seen.count(own) - 1) % 3]}_{own}"

    return HOLE.sub(local, template)


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


@pytest.mark.parametrize("text", forms())
def test_e2_every_form_at_the_edges_of_its_kinds(text: str) -> None:
    """E2: overflow, zero, nan, the ends of the calendar: Python's value, or Python decides."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        types, rows = edges(text)
        check(text, types, rows, CONSTS)
        agree_on_test(text, types, rows)


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
    template = CHOICE.sub(lambda match: rng.choice(options(match)), template)

    def hole(match: re.Match[str]) -> str:
        return f"({generated(rng, kind if match[1] == 'same' else match[1], depth - 1)})"

    return HOLE.sub(hole, template)


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
            own = [name for name in names if types[name].kind == kind]
            if own:
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


# ---------------------------------------------------------------- numbers and times, value by value


def sweep(text: str, types: Mapping[str, Type], rows: Mapping[str, Sequence[Any]], **consts: Any) -> None:
    """All rows have Python's value, and none is left to it without need."""
    check(text, types, rows, {"math": math, "timedelta": timedelta, **consts}, strict=True)


def test_e2_lengths_of_time_round_as_pythons() -> None:
    """E2: a timedelta times or over a number is rounded half to even, whatever the float's last bit says."""
    rng = random.Random(5)
    lengths = [
        timedelta(microseconds=rng.randrange(-(10 ** rng.randrange(1, 13)), 10**12)) for _ in range(4000)
    ]
    factors = [rng.choice((0.5, 1.5, 0.25, -2.5, 1e-3, rng.random(), rng.uniform(-90, 90))) for _ in lengths]
    numbers = [rng.choice((2, -2, 4, 3, 7, -1, rng.randrange(1, 1000))) for _ in lengths]
    types = {"d": Type("timedelta"), "f": Type("float"), "i": Type("int")}
    rows: dict[str, Sequence[Any]] = {"d": lengths, "f": factors, "i": numbers}
    for text in (
        "d * f",
        "f * d",
        "d / f",
        "d / i",
        "d // i",
        "d * i",
        "d.total_seconds() * f",
        "abs(d) % d",
    ):
        names = [name for name in "dfi" if re.search(rf"\b{name}\b", text)]
        keep = [i for i, length in enumerate(lengths) if length or "%" not in text]
        sweep(text, {n: types[n] for n in names}, {n: [rows[n][i] for i in keep] for n in names})
    for unit in ("microseconds", "milliseconds", "seconds", "minutes", "hours", "days", "weeks"):
        sweep(f"timedelta({unit}=f)", {"f": types["f"]}, {"f": factors})
    sweep(
        "timedelta(weeks=i, hours=f, days=f, microseconds=f)",
        {"f": types["f"], "i": types["i"]},
        {"f": factors, "i": numbers},
    )


def test_e2_the_calendar_is_pythons() -> None:
    """E2: parts of dates and instants from the first day to the last."""
    days = [date.fromordinal(n) for n in range(1, date.max.toordinal() + 1, 211)] + [
        date.max,
        date(2000, 2, 29),
    ]
    times = [datetime.combine(day, time(day.day % 24, day.month, day.day, 7 * day.year)) for day in days]
    for part in ("year", "month", "day", "weekday()", "isoweekday()", "toordinal()"):
        sweep(f"x.{part}", {"x": Type("date")}, {"x": days})
        sweep(f"x.{part}", {"x": Type("datetime")}, {"x": times})
    for part in ("hour", "minute", "second", "microsecond", "date()"):
        sweep(f"x.{part}", {"x": Type("datetime")}, {"x": times})


@pytest.mark.parametrize("name", [*FUNCTIONS, "fabs", "degrees", "radians", "isnan", "isinf", "isfinite"])
def test_e2_functions_of_math_are_pythons(name: str) -> None:
    """E2: to the last bit, and what Python refuses is left to it."""
    rng = random.Random(name)
    values = [
        rng.choice((rng.gauss(0, 1), rng.uniform(-1, 1), rng.gauss(0, 1) * 10.0 ** rng.randrange(-9, 9)))
        for _ in range(3000)
    ]
    sweep(f"math.{name}(x)", {"x": Type("float")}, {"x": [*values, *POOLS["float"]]})
    sweep(f"math.{name}(i)", {"i": Type("int")}, {"i": POOLS["int"]})


@pytest.mark.parametrize(
    "text",
    [
        "x ** y",
        "math.pow(x, y)",
        "math.atan2(x, y)",
        "math.fmod(x, y)",
        "math.copysign(x, y)",
        "math.log(abs(x), abs(y))",
    ],
)
def test_e2_functions_of_two_floats_are_pythons(text: str) -> None:
    """E2: the same of a power, whose special values are many."""
    rng = random.Random(text)
    pairs = list(product(POOLS["float"], repeat=2))
    pairs += [(rng.gauss(0, 3), rng.choice((2.0, 3.0, 0.5, -1.0, rng.gauss(0, 3)))) for _ in range(3000)]
    types = {"x": Type("float"), "y": Type("float")}
    check(
        text,
        types,
        {"x": [a for a, _ in pairs], "y": [b for _, b in pairs]},
        {"math": math},
        strict="fmod" not in text,
    )


@pytest.mark.parametrize("digits", [-3, -1, 0, 1, 2, 5, 12])
def test_e2_round_is_pythons(digits: int) -> None:
    """E2: ties of the decimal that was written, and the floats beside them."""
    rng = random.Random(digits)
    ties = [(rng.randrange(-(10**6), 10**6) + 0.5) / 10.0**digits for _ in range(2000)]
    near = [math.nextafter(x, side) for x in ties for side in (-math.inf, math.inf)]
    large = POOLS["float"] if digits >= 0 else []  # tens of these are left to Python
    sweep(f"round(x, {digits})", {"x": Type("float")}, {"x": [*ties, *near, *large]})


# ---------------------------------------------------------------- what the kernel asks for

LOCALS = {
    "i": Type("int"), "j": Type("int"), "x": Type("float"), "flag": Type("bool"), "plan": Type("code"),
    "name": Type("str"), "maybe": Type("int", optional=True), "when": Type("datetime"), "user": Type("entity", entity="User"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "type_", "target", "words"),
    [
        ("7", Type("int"), "i", 3), ("j", Type("int"), "i", 3), ("i", Type("int"), "i", 0), ("'gold'", Type("code"), "plan", 3),
        ("i", Type("int"), "x", 3), ("plan", Type("code"), "name", 3), ("None", Type("none"), "user", 3), ("7", Type("int"), "x", 3),
        ("i + 1", Type("int"), "i", 5), ("x * 1.5", Type("float"), "x", 4), ("x - x", Type("float"), "x", 4),
        ("when.hour", Type("int"), "i", 6), ("i < 3", Type("bool"), "flag", 4), ("round(x, 2)", Type("float"), "x", 4),
        ("7", Type("int"), "maybe", 6), ("None", Type("none"), "maybe", 6), ("i if flag else 3", Type("int"), "j", 5),
    ],
)  # fmt: skip
def test_plain_assignments_are_one_instruction(text: str, type_: Type, target: str, words: int) -> None:
    """A constant or a copy is one move (two with the flag of None), a simple operation one instruction."""
    machine = Machine(LOCALS, ("gold",))
    assert lower(
        Expr(text, ("i", "j", "x", "flag", "plan", "when"), {}, type_, SPAN),
        machine.frame,
        machine.trouble,
        target,
    )
    assert len(machine.code.words) == words


@pytest.mark.parametrize(
    ("text", "type_"), [("7", Type("int")), ("x", Type("float")), ("maybe", Type("int", optional=True))]
)
def test_names_and_constants_cost_nothing(text: str, type_: Type) -> None:
    """Without a target they stay where they are."""
    machine = Machine(LOCALS, ())
    operand = lower(Expr(text, tuple(LOCALS), {}, type_, SPAN), machine.frame, machine.trouble)
    assert operand is not None
    assert operand.type == type_
    assert not machine.code.words


@pytest.mark.parametrize(
    ("text", "instructions"),
    [("i < 3", 1), ("x >= 0.5", 1), ("not flag", 1), ("plan != 'gold'", 1), ("user", 1), ("1 < i < 7", 2), ("i < 3 and not flag", 2), ("maybe == 3", 2)],
)  # fmt: skip
def test_tests_are_jumps(text: str, instructions: int) -> None:
    """A comparison and its branch are one instruction."""
    machine, jumps = Machine(LOCALS, ("gold",)), []
    put = machine.code.put
    machine.code.put = lambda *words: (jumps.append(words[0]), put(*words))[1]  # type: ignore[method-assign]
    assert lower_test(
        Expr(text, tuple(LOCALS), {}, Type("bool"), SPAN), machine.frame, machine.trouble, Label(), Label()
    )
    assert len(jumps) == instructions


def operands(machine: Machine) -> dict[str, Operand]:
    return {
        name: Operand(machine.frame.register(name), machine.frame.null(name), type_)
        for name, type_ in machine.types.items()
    }


PAIRS = {
    "int": ("x_int", "maybe_int"), "float": ("x_float", "maybe_float"), "mixed": ("x_int", "y_float"), "code": ("x_code", "maybe_code"),
    "str": ("x_str", "maybe_str"), "texts": ("x_code", "y_str"), "datetime": ("x_datetime", "maybe_datetime"), "entity": ("user", "other"),
    "bool": ("x_bool", "maybe_bool"),
}  # fmt: skip


@pytest.mark.parametrize("sign", ["Eq", "NotEq", "Lt", "LtE", "Gt", "GtE"])
@pytest.mark.parametrize("pair", PAIRS)
def test_operands_compare_as_pythons(pair: str, sign: str) -> None:
    """S1: two values that stand in registers are compared as Python compares them."""
    left, right = PAIRS[pair]
    symbol = {"Eq": "==", "NotEq": "!=", "Lt": "<", "LtE": "<=", "Gt": ">", "GtE": ">="}[sign]
    types, rows = edges(f"{left} {symbol} {right}")
    expr, texts = expression(f"{left} {symbol} {right}", types, rows, {})
    n, machine = len(rows[left]), Machine(types, texts)
    both = operands(machine)
    result = compare(both[left], sign, both[right], machine.frame, machine.trouble)
    if result is None:
        assert sign not in ("Eq", "NotEq")
        assert pair in ("code", "str", "texts", "entity")
        assert not machine.code.words
        return
    machine.end()
    for got, value in zip(machine.results(result, rows, n), by_python(expr, rows, n), strict=True):
        assert got is value or isinstance(got, TroubleError)


@pytest.mark.parametrize(
    ("have", "want"),
    [
        (Type("int"), Type("float")), (Type("int"), Type("int", optional=True)), (Type("int", optional=True), Type("int")),
        (Type("int", optional=True), Type("float", optional=True)), (Type("code"), Type("str")), (Type("code", optional=True), Type("str")),
        (Type("code"), Type("object")), (Type("none"), Type("int", optional=True)), (Type("none"), Type("entity", entity="User")),
        (Type("float"), Type("float")), (Type("bool"), Type("int")), (Type("float"), Type("int")), (Type("datetime"), Type("date")),
        (Type("int", optional=True), Type("object")), (Type("none"), Type("int")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stored", [False, True])
def test_recast_stores_what_storage_stores(have: Type, want: Type, stored: bool) -> None:
    """N11: an int is taken for a float and None where it may be; nothing else is converted."""
    machine = Machine({"a": have, "b": want}, tuple(POOLS["code"]))
    pool = [None] if have.kind == "none" else [*POOLS[have.kind], *([None] if have.optional else [])]
    where = {"target": machine.frame.register("b"), "null": machine.frame.null("b")} if stored else {}
    result = recast(operands(machine)["a"], want, machine.frame, machine.trouble, **where)
    fine = [as_stored([value], have, want)[0] for value in pool]
    if result is None:
        assert not machine.code.words
        assert not any(stores(value, want) for value in fine) or want.kind == "object"
        return
    machine.end()
    for got, value in zip(machine.results(result, {"a": pool}, len(pool)), fine, strict=True):
        if stores(value, want) or want.kind == "object":
            assert same(got, value)
        else:
            assert isinstance(got, TroubleError)
