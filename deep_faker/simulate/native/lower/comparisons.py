"""Comparisons as tests: ints against floats exactly, None as Python does, membership of constants."""

from __future__ import annotations

import ast
import math
from dataclasses import replace
from typing import Any

from deep_faker.expressions.comparisons import COMPARISONS, border_of
from deep_faker.plan.storage import find_text
from deep_faker.simulate.native import opcodes as op
from deep_faker.simulate.native.lower.assembler import Label, Register
from deep_faker.simulate.native.lower.operands import (
    BOOL,
    INTEGRAL,
    TEXTS,
    Test,
    UnlowerableError,
    Val,
    Writer,
)

_MIRROR: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.Eq,
    ast.NotEq: ast.NotEq,
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
}
_ORDERED = ("number", "datetime", "date", "timedelta")


def compare(w: Writer, sign: type[ast.AST], a: Val, b: Val) -> Val:
    """``a op b`` for one comparison."""
    out = _compare(w, sign, a, b)
    if out.constant:
        w.dropped(a, b)
    return out


def _compare(w: Writer, sign: type[ast.AST], a: Val, b: Val) -> Val:
    if sign in (ast.Is, ast.IsNot):
        return _identity(w, sign, a, b)
    if a.constant and b.constant:
        return w.fold(COMPARISONS[sign], a.value, b.value)
    if sign in (ast.In, ast.NotIn):
        member = _membership(w, a, b)
        return w.negated(member) if sign is ast.NotIn else member
    for one, other in ((a, b), (b, a)):
        if one.constant and one.value is None:
            if sign not in (ast.Eq, ast.NotEq):
                raise UnlowerableError("raises TypeError: None has no order")
            return _identity(w, ast.Is if sign is ast.Eq else ast.IsNot, other, one)
    if a.constant:
        a, b, sign = b, a, _MIRROR[sign]
    if any(v.kind == "object" and not w.numeric(v) for v in (a, b)):
        return w.by_value(COMPARISONS[sign], [a, b], BOOL)
    if family(w, a) != family(w, b) or (a.kind == "entity" and a.type.entity != b.type.entity):
        if sign not in (ast.Eq, ast.NotEq):
            raise UnlowerableError(f"raises TypeError: {a.kind} and {b.kind} have no order")
        return _both_none(w, sign, a, b)
    if sign not in (ast.Eq, ast.NotEq):
        return _ordered(w, sign, w.solid(a), w.solid(b))
    return _equal(w, sign, a, b)


def family(w: Writer, v: Val) -> str:
    """Values of one family can be equal."""
    if w.numeric(v):
        return "number"
    return "text" if v.kind in TEXTS else v.kind


def _none_test(w: Writer, v: Val) -> Val:
    """Whether ``v`` is None."""
    if v.kind == "entity":
        return Val(BOOL, test=Test("lt", w.reg(v), w.number(0)))
    if v.table is not None and v.type.optional:
        return w.by_value(lambda e: e is None, [v], BOOL)
    if v.kind == "object" and v.floats is None and v.table is None:
        raise UnlowerableError("whether an object is None")
    if v.null is None:
        return w.constant(v.kind == "none")
    return Val(BOOL, test=Test("flag", v.null))


def _identity(w: Writer, sign: type[ast.AST], a: Val, b: Val) -> Val:
    for one, other in ((a, b), (b, a)):
        if one.constant and one.value is None:
            if other.constant:
                return w.fold(COMPARISONS[sign], other.value, None)
            none = _none_test(w, other)
            return none if sign is ast.Is else w.negated(none)
    for one, other in ((a, b), (b, a)):
        if one.constant and type(one.value) is bool and other.kind == "bool":
            return _equal(w, ast.Eq if sign is ast.Is else ast.NotEq, other, one)
    if a.kind == b.kind == "entity" and a.type.entity == b.type.entity:
        return Val(BOOL, test=Test("eq", w.reg(a), w.reg(b), negated=sign is ast.IsNot))
    if a.constant and b.constant:
        return w.fold(COMPARISONS[sign], a.value, b.value)
    raise UnlowerableError("'is' between values")


def _both_none(w: Writer, sign: type[ast.AST], a: Val, b: Val) -> Val:
    """Equality of values of unlike kinds: only None and None are equal."""
    tests = [_none_test(w, v) for v in (a, b)]
    if any(t.constant and not t.value for t in tests) or a.constant or b.constant:
        return w.constant(sign is ast.NotEq)
    both = w.make(op.ANDI, w.reg(tests[0]), w.reg(tests[1]))
    return Val(BOOL, test=Test("flag", both, negated=sign is ast.NotEq))


def _equal(w: Writer, sign: type[ast.AST], a: Val, b: Val) -> Val:
    """Equality within a family; None equals None."""
    if any(v.table is not None and v.type.optional for v in (a, b)):
        if all(v.constant or w.table_of(v) is not None for v in (a, b)):
            return w.by_value(COMPARISONS[sign], [a, b], BOOL)
        a, b = w.named(a), w.named(b)
    nulls = [v.null for v in (a, b) if v.null is not None]
    if not nulls:
        return _ordered(w, sign, a, b)
    some, both = nulls[0], None
    if len(nulls) == 2:
        some, both = w.make(op.ORI, *nulls), w.make(op.ANDI, *nulls)
    plain = _ordered(w, ast.Eq, replace(a, null=None), replace(b, null=None))
    if plain.constant:
        test = Test("flag", w.number(int(plain.value)), some=some, both=both)
    else:
        assert plain.test is not None
        test = replace(plain.test, some=some, both=both)
        if test.negated and both is None:
            test = replace(test, both=w.number(1))  # no, before it is turned round
        elif test.negated:
            test = replace(test, both=w.make(op.NOT, test.both or 0))
    if sign is ast.NotEq:
        test = replace(test, negated=not test.negated)
    return Val(BOOL, test=test)


def _ordered(w: Writer, sign: type[ast.AST], a: Val, b: Val) -> Val:
    """A comparison of two values of one family, neither None; ``b`` may be constant."""
    if a.constant:
        a, b, sign = b, a, _MIRROR[sign]
    of = family(w, a)
    if of == "number":
        return _numbers(w, sign, a, b)
    if of == "text":
        return _texts(w, sign, a, b)
    if of in _ORDERED or (of == "entity" and sign in (ast.Eq, ast.NotEq)):
        return Val(BOOL, test=_test(sign, w.reg(a), w.reg(b)))
    raise UnlowerableError(f"{a.kind} has no order")


def _test(sign: type[ast.AST], x: Register, y: Register, *, floats: bool = False) -> Test:
    if sign in (ast.Eq, ast.NotEq):
        return Test("eq", x, y, floats, negated=sign is ast.NotEq)
    if sign in (ast.Gt, ast.GtE):
        x, y = y, x
    return Test("lt" if sign in (ast.Lt, ast.Gt) else "le", x, y, floats)


def _texts(w: Writer, sign: type[ast.AST], a: Val, b: Val) -> Val:
    if sign not in (ast.Eq, ast.NotEq):
        return w.by_value(COMPARISONS[sign], [a, b], BOOL)
    negated = sign is ast.NotEq
    if b.constant:
        if a.table is not None:
            return w.by_value(COMPARISONS[sign], [a, b], BOOL)
        return Val(BOOL, test=w.text_test(a, b.value, negated=negated))
    plain = a.kind == b.kind == "code"
    return Val(BOOL, test=Test("eq" if plain else "text", w.reg(a), w.reg(b), negated=negated))


def _numbers(w: Writer, sign: type[ast.AST], a: Val, b: Val) -> Val:
    whole_a, whole_b = (v.kind in INTEGRAL for v in (a, b))
    if whole_a and whole_b:
        if a.kind == "bool" and b.constant and sign in (ast.Eq, ast.NotEq) and b.value in (0, 1):
            return Val(BOOL, test=Test("flag", w.reg(a), negated=bool(b.value) != (sign is ast.Eq)))
        return Val(BOOL, test=_test(sign, w.ints(a), w.ints(b)))
    if b.constant and whole_a:
        return _int_with_float(w, sign, a, float(b.value))
    exact = whole_a or whole_b
    if b.constant and float(b.value) != b.value and b.value == b.value:
        raise UnlowerableError("a float against an int that no float is")
    x, y = w.floats(a, exact=exact), w.floats(b, exact=exact and not b.constant)
    return Val(BOOL, test=_test(sign, x, y, floats=True))


def _int_with_float(w: Writer, sign: type[ast.AST], a: Val, limit: float) -> Val:
    """``int op float``."""
    border = border_of(sign, limit)
    return w.constant(border) if isinstance(border, bool) else _numbers(w, sign, a, w.constant(border))


# ---------------------------------------------------------------- membership


def _membership(w: Writer, a: Val, b: Val) -> Val:
    """``a in b`` (b: a constant collection, or text)."""
    if not b.constant or type(b.value) not in (tuple, list, set, frozenset, dict, range):
        return w.by_value(lambda x, y: x in y, [a, b], BOOL)
    if a.table is not None or a.kind == "object":
        return w.by_value(lambda x, y: x in y, [a, b], BOOL)
    if type(b.value) is range:
        return _in_range(w, a, b.value)
    members = list(b.value)
    known = [w.constant(m) for m in members]
    if any(m.kind == "object" or m.value != m.value for m in known):
        raise UnlowerableError("'in' a collection of other than plain values")
    none = any(m.kind == "none" for m in known)
    if a.kind == "entity":
        return _none_test(w, a) if none else w.constant(False)
    same = [m.value for m in known if m.kind != "none" and family(w, m) == family(w, a)]
    test = _among(w, a, same, none=none)
    if test is None:
        if a.null is None:
            return w.constant(False)
        return Val(BOOL, test=Test("flag", a.null)) if none else w.constant(False)
    if a.null is not None:
        test = replace(test, some=a.null, both=w.number(1) if none else None)
    return Val(BOOL, test=test)


def _among(w: Writer, a: Val, members: list[Any], *, none: bool) -> Test | None:
    """Whether ``a`` (None left aside) equals one of the constants; None where it cannot."""
    if a.kind == "float":
        return _among_floats(w, a, members)
    words = set()
    for member in members:
        if a.kind in TEXTS:
            word = find_text(w.texts, member)
        elif a.kind in INTEGRAL:
            word = int(member) if math.isfinite(member) and int(member) == member else None
            word = word if word is not None and -(2**63) <= word < 2**63 else None
        else:
            word = w.word_of(member, a.kind)
        if word is not None:
            words.add(word)
    if a.kind == "str":
        return _among_texts(w, a, sorted(words), none=none)
    if len(words) < 2:
        return Test("eq", w.reg(a), w.number(words.pop())) if words else None
    return Test("flag", w.make(op.MEMBER, w.reg(a), len(words), *sorted(words)))


def _among_floats(w: Writer, a: Val, members: list[Any]) -> Test | None:
    x, is_one = w.floats(a), None
    for member in dict.fromkeys(members):
        if float(member) == member:
            each = w.make(op.EQF, x, w.floats(w.constant(float(member))))
            is_one = each if is_one is None else w.make(op.ORI, is_one, each)
    return None if is_one is None else Test("flag", is_one)


def _among_texts(w: Writer, a: Val, words: list[int], *, none: bool) -> Test | None:
    """Other than plan texts are left to Python."""
    x = w.reg(a)
    if not words:
        words = [-1]
    if len(words) == 1:
        return Test("text", x, w.number(words[0]))
    target, end = w.scratch(), Label()
    if a.null is not None:
        is_text = Label()
        w.move(target, w.number(int(none)))
        w.put(op.JUMP, a.null, end, is_text)
        w.code.place(is_text)
    w.put(op.IS_CODE, x, w.trouble)
    w.make(op.MEMBER, x, len(words), *words, dest=target)
    w.code.place(end)
    return Test("flag", target)


def _in_range(w: Writer, a: Val, steps: range) -> Val:
    if a.kind not in INTEGRAL or a.null is not None:
        raise UnlowerableError("'in' a range for other than an int")
    if not steps:
        return w.constant(False)
    low, high = min(steps[0], steps[-1]), max(steps[0], steps[-1])
    if not all(-(2**62) < end < 2**62 for end in (low, high)):
        raise UnlowerableError("'in' a range of large numbers")
    flag = w.make(op.IN_RANGE, w.reg(a), low, high, abs(steps.step))
    return Val(BOOL, test=Test("flag", flag))
