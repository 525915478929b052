"""Native expressions against Python's own evaluation, row by row.

The rule (E2): an instruction gives the very value that Python gives, or leaves the row to Python.
"""

from __future__ import annotations

import ast
import math
import random
import re
import warnings
from collections.abc import Sequence
from datetime import timedelta
from itertools import chain
from typing import Any

import pytest

from deep_faker.expressions import Conversion, RowCall, ValueCall
from deep_faker.plan import Type
from deep_faker.plan.storage import optional
from tests.support.native.checks import VARIABLES, Counts, agree_on_test, check, edges, expression, names_in
from tests.support.worlds.expression_world import (
    BENIGN,
    BY_COLUMN,
    CONSTS,
    EVERYWHERE,
    GRAMMAR,
    HANDLES,
    LITERALS,
    POOLS,
    SMALL,
)
from tests.support.worlds.expression_world import type_of_variable as variable_type

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


def rows_of(rng: random.Random, names: Sequence[str], n: int) -> dict[str, list[Any]]:
    small, out = rng.random() < 0.5, {}
    for name in names:
        type_ = variable_type(name)
        pool = HANDLES if type_.kind == "entity" else POOLS[type_.kind]
        if small:
            pool = SMALL.get(type_.kind, pool)
        out[name] = [rng.choice([*pool, None] if type_.optional else pool) for _ in range(n)]
    return out


@pytest.mark.parametrize("seed", range(10))
def test_e2_random_expressions_are_pythons(seed: int) -> None:
    """E2: whatever the expression and the rows; what is written for a target leaves all else alone."""
    rng = random.Random(seed)
    counts = [Counts(0, 0, 0)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # "is" with a literal, a call of a number
        for _ in range(120):
            kind = rng.choice([*GRAMMAR, "int", "float", "bool"])
            text = generated(rng, kind, rng.choice((1, 1, 2, 2, 3)))
            names = names_in(text)
            if "thing" in text:
                continue
            types = {name: variable_type(name) for name in names}
            rows = rows_of(rng, names, 12)
            counts.append(check(text, types, rows, CONSTS) or counts[0])
            own = [name for name in names if types[name].kind == kind]
            if own:
                check(text, types, rows, CONSTS, target=rng.choice(own))
            expr, _ = expression(text, types, rows, CONSTS)
            check(text, types, rows, CONSTS, target="target", want=optional(expr.type))
            agree_on_test(text, types, rows)
    values, _, needless = map(sum, zip(*counts, strict=True))
    assert needless < 0.08 * values, "rows are left to Python too easily"


# ---------------------------------------------------------------- calls of the compiler's own kinds


def test_conversions_and_pure_functions() -> None:
    """F2: what is of its type already is not converted; a pure function of few values is a table."""
    types = {"i": Type("int"), "x": Type("float"), "plan": Type("code"), "maybe": Type("int", optional=True)}
    rows: dict[str, list[Any]] = {
        "i": [1, 2**53, -5], "x": [0.5, -1.0, 2.5], "plan": ["gold", "free", ""], "maybe": [3, None, 4],
    }  # fmt: skip
    consts = {
        "as_float": Conversion(float, Type("float"), "converts"),
        "as_int": Conversion(int, Type("int"), "converts"),
        "size": ValueCall(len, "int"),
        "helper": RowCall(len, "calls helper()"),
    }
    for text in (
        "as_float(i)",
        "as_float(x)",
        "as_int(i)",
        "as_float(maybe)",
        "as_int(maybe)",
        "size(plan) + 1",
    ):
        own = {name: type_ for name, type_ in types.items() if f"({name})" in text}
        assert check(text, own, {name: rows[name] for name in own}, consts, strict=True)
    for text in ("as_int(x)", "helper(plan)"):
        own = {name: type_ for name, type_ in types.items() if f"({name})" in text}
        assert not check(text, own, {name: rows[name] for name in own}, consts)


def test_large_mappings_are_searched() -> None:
    """E2: int and text keys that are too many for a table by place; other texts are left to Python."""
    texts = [f"t{i}" for i in range(200)]
    consts = {
        "BY_TEXT": {t: i for i, t in enumerate(texts[::2])},
        "BY_INT": {i * i * 10**9: i / 2 for i in range(-50, 50)},
    }
    types = {"code": Type("code"), "text": Type("str"), "i": Type("int")}
    rows: dict[str, list[Any]] = {
        "code": texts,
        "text": [*texts, "other"],
        "i": [k + d for k in consts["BY_INT"] for d in (0, 1)],
    }
    for text in (
        "BY_TEXT[code]",
        "BY_TEXT.get(code)",
        "BY_TEXT.get(code, -1)",
        "BY_INT[i]",
        "BY_INT.get(i, 0.0)",
        "BY_INT.get(i)",
    ):
        name = "code" if "code" in text else "i"
        assert check(text, {name: types[name]}, {name: rows[name]}, consts, strict=True)
    both = {"code": types["code"], "text": types["text"]}
    counts = check(
        "BY_TEXT.get(text, -1) + len(code)", both, {"code": [*texts, "t0"], "text": rows["text"]}, consts
    )
    assert counts == Counts(200, 0, 1)
