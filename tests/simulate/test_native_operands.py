"""What the kernel asks of lowered expressions: where values are, in how many instructions, as what."""

from __future__ import annotations

from typing import Any

import pytest

from deep_faker.plan import Expr, Type
from deep_faker.simulate.native.lower.assembler import Label
from deep_faker.simulate.native.lower.expressions import Operand, compare, lower, lower_test, recast
from tests.support.native.checks import as_stored, by_python, check, edges, expression, stores
from tests.support.native.machine import Machine, TroubleError
from tests.support.worlds.expression_world import CONSTS, POOLS, SPAN, same

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
def test_tests_are_jumps(text: str, instructions: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comparison and its branch are one instruction."""
    machine, written = Machine(LOCALS, ("gold",)), list[Any]()
    put = machine.code.put

    def noted(*words: Any) -> None:
        written.append(words[0])
        put(*words)

    monkeypatch.setattr(machine.code, "put", noted)
    assert lower_test(
        Expr(text, tuple(LOCALS), {}, Type("bool"), SPAN), machine.frame, machine.trouble, Label(), Label()
    )
    assert len(written) == instructions


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


@pytest.mark.parametrize(
    "text", ["BY_TEXT.get(SEQ[x_int % 2])", "(x_int and maybe_int) + x_int", "maybe_int"]
)
def test_what_is_trouble_has_not_touched_its_target(text: str) -> None:
    """Python does the whole expression again, so that the local that it assigns must still hold what it held."""
    types, rows = edges(text)
    types |= {"x_int": Type("int")}
    rows = rows if "x_int" in rows else {**rows, "x_int": [5] * len(rows["maybe_int"])}
    counts = check(text, types, rows, CONSTS, target="x_int")
    assert counts is not None
    assert counts.troubles
