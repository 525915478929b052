"""Comparisons by column: text constants by code, ints against floats exactly, None as Python does."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from deep_faker.expressions import runtime
from deep_faker.expressions.arithmetic import bounded
from deep_faker.expressions.emitter import NUMBERS, TEXTS, Emitter, Val, boxed, exact
from deep_faker.plan import Type
from deep_faker.plan.storage import find_text

COMPARISONS: dict[type[ast.AST], Callable[[Any, Any], object]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
_SIGNS: dict[type[ast.AST], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_MIRROR: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.Eq,
    ast.NotEq: ast.NotEq,
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
}
_BOOL = Type("bool")
_FEW = 4  # so many comparisons cost less than a search


def compare(em: Emitter, op: type[ast.AST], a: Val, b: Val) -> Val:
    """``a op b`` for one comparison."""
    if op not in _SIGNS:  # these may look at the mask only
        a, b = em.named(a), em.named(b)
    out = _compare(em, op, a, b)
    if out.constant:
        em.dropped(a)
        em.dropped(b)
    return out


def _compare(em: Emitter, op: type[ast.AST], a: Val, b: Val) -> Val:
    if op in (ast.Is, ast.IsNot):
        return _identity(em, op, a, b)
    if a.constant and b.constant:
        return em.fold(COMPARISONS[op], a.value, b.value)
    if op in (ast.In, ast.NotIn):
        member = _membership(em, a, b)
        return negated(em, member) if op is ast.NotIn else member
    equality = op in (ast.Eq, ast.NotEq)
    for one, other in ((a, b), (b, a)):
        if one.constant and one.value is None:
            return _against_none(em, op, other)
    if a.constant:
        a, b, op = b, a, _MIRROR[op]
    if "object" in (a.kind, b.kind) and not (_numeric(a) and _numeric(b)):
        return em.by_value(COMPARISONS[op], [a, b], _BOOL)
    if _family(a) != _family(b) or (a.kind == "entity" and a.type.entity != b.type.entity):
        if not equality:
            return em.by_row(f"raises TypeError: {a.kind} and {b.kind} have no order", "bool")
        return _both_none(em, op, a, b)
    if a.kind == "entity":
        if not equality:
            return em.by_row("raises TypeError: entities have no order", "bool")
        return Val(_BOOL, f"({a.code} {_SIGNS[op]} {b.code})")
    if not equality:
        a, b = em.solid(a), em.solid(b)
        return _ordered(em, op, a, b)
    return _with_nulls(em, op, a, b)


def _numeric(v: Val) -> bool:
    return v.kind in NUMBERS or v.floats is not None


def _family(v: Val) -> str:
    if _numeric(v):
        return "number"
    return "text" if v.kind in TEXTS else v.kind


def negated(em: Emitter, v: Val) -> Val:
    """``not v`` of a bool."""
    return em.constant(not v.value) if v.constant else Val(_BOOL, f"(~{v.code})")


def _none_mask(em: Emitter, v: Val) -> str | None:
    """The source of a mask: where ``v`` is None; None where it never is."""
    if v.kind == "entity":
        return f"({v.code} < 0)"
    if v.kind == "object" and v.floats is None:
        table = em.f(operator.is_)
        none = em.listed(em.constant(None))
        return (
            f"{em.f(np.fromiter)}({em.f(map)}({table}, {em.listed(v)}, {none}), {em.f(np.bool_)}, {em.size})"
        )
    return v.nulls


def _identity(em: Emitter, op: type[ast.AST], a: Val, b: Val) -> Val:
    for one, other in ((a, b), (b, a)):
        if one.constant and one.value is None:
            if other.constant:
                return em.fold(COMPARISONS[op], other.value, None)
            mask = _none_mask(em, other)
            if mask is None:
                return em.constant(op is ast.IsNot)
            return Val(_BOOL, mask if op is ast.Is else f"(~{mask})")
    for one, other in ((a, b), (b, a)):
        if one.constant and type(one.value) is bool and other.kind == "bool":
            return _with_nulls(em, ast.Eq if op is ast.Is else ast.NotEq, other, one)
    if a.kind == b.kind == "entity" and a.type.entity == b.type.entity:
        return Val(_BOOL, f"({a.code} {'==' if op is ast.Is else '!='} {b.code})")
    if a.constant and b.constant:
        return em.fold(COMPARISONS[op], a.value, b.value)
    return em.by_row("'is' between values", "bool")


def _against_none(em: Emitter, op: type[ast.AST], v: Val) -> Val:
    if op not in (ast.Eq, ast.NotEq):
        return em.by_row("raises TypeError: None has no order", "bool")
    if v.kind == "object" and v.floats is None:
        return em.by_value(COMPARISONS[op], [v, em.constant(None)], _BOOL)
    return _identity(em, ast.Is if op is ast.Eq else ast.IsNot, em.named(v), em.constant(None))


def _both_none(em: Emitter, op: type[ast.AST], a: Val, b: Val) -> Val:
    """Equality of values of unlike kinds: only None and None are equal."""
    masks = [_none_mask(em, em.named(v)) for v in (a, b)]
    if None in masks or a.constant or b.constant:
        return em.constant(op is ast.NotEq)
    both = f"({masks[0]} & {masks[1]})"
    return Val(_BOOL, both if op is ast.Eq else f"(~{both})")


def _with_nulls(em: Emitter, op: type[ast.AST], a: Val, b: Val) -> Val:
    if a.nulls is None and b.nulls is None:
        return _ordered(em, op, a, b)
    a, b = em.named(a), em.named(b)
    # The values of nulls may be anything, but they are compared without harm.
    active = em.active
    some = a.nulls if b.nulls is None else b.nulls if a.nulls is None else f"({a.nulls} | {b.nulls})"
    em.under(f"(~{some})")
    same = _ordered(em, ast.Eq, a, b)
    em.active = active
    if same.constant:
        source = f"(~{some})" if same.value else None
    else:
        source = f"({same.code} & ~{some})"
    if a.nulls and b.nulls:
        both = f"({a.nulls} & {b.nulls})"
        source = f"({source} | {both})" if source else both
    if source is None:
        return em.constant(op is ast.NotEq)
    return Val(_BOOL, source if op is ast.Eq else f"(~{source})")


def _ordered(em: Emitter, op: type[ast.AST], a: Val, b: Val) -> Val:
    """A comparison of two values of one family, neither None; ``b`` may be constant."""
    if a.constant:
        a, b, op = b, a, _MIRROR[op]
    family = _family(a)
    if family == "number":
        return _numbers(em, op, a, b)
    if family == "text":
        return _texts(em, op, a, b)
    other = em.literal(b.value, b.kind) if b.constant else b.code
    return Val(_BOOL, f"({a.code} {_SIGNS[op]} {other})")


def _texts(em: Emitter, op: type[ast.AST], a: Val, b: Val) -> Val:
    if op not in (ast.Eq, ast.NotEq):
        return em.by_value(COMPARISONS[op], [a, b], _BOOL)
    sign = _SIGNS[op]
    if b.constant and a.kind == "code":
        code = find_text(em.texts, b.value)
        # A text that is not known (yet, while types are inferred) equals none of them.
        return Val(_BOOL, f"({a.code} {sign} {-1 if code is None else code})")
    if a.kind == b.kind == "code":
        return Val(_BOOL, f"({a.code} {sign} {b.code})")
    return Val(_BOOL, f"({em.text(a)} {sign} {em.text(b)})")


def _numbers(em: Emitter, op: type[ast.AST], a: Val, b: Val) -> Val:
    sign = _SIGNS[op]
    whole_a, whole_b = (v.kind in ("bool", "int") for v in (a, b))
    if a.kind == b.kind == "bool" and not b.constant and op in (ast.Eq, ast.NotEq):
        return Val(_BOOL, f"({a.code} {sign} {b.code})")
    if whole_a and whole_b:
        if (b.constant or a.low == a.high) and _decided(op, a, b) is not None:
            return em.constant(_decided(op, a, b))
        return Val(_BOOL, f"({em.ints(a)} {sign} {em.ints(b)})")
    if not whole_a and not whole_b:
        return Val(_BOOL, f"({em.floats(a)} {sign} {em.floats(b)})")
    if b.constant and whole_a:
        return _int_with_float(em, op, a, float(b.value))
    if b.constant and float(b.value) == b.value:
        return Val(_BOOL, f"({em.floats(a)} {sign} {em.literal(float(b.value), 'float')})")
    if b.constant:
        return em.by_value(COMPARISONS[op], [a, b], _BOOL)
    # As floats, but only where that loses nothing.
    number, other = (a, b) if whole_a else (b, a)
    checked = bounded(em, number, -runtime.EXACT, runtime.EXACT)
    sources = (checked, em.floats(other)) if whole_a else (em.floats(other), checked)
    return Val(_BOOL, f"({sources[0]} {sign} {sources[1]})")


def _decided(op: type[ast.AST], a: Val, b: Val) -> bool | None:
    """The comparison of two ints if their ranges decide it."""
    if op in (ast.Lt, ast.GtE) and (a.high < b.low or a.low >= b.high):
        return (a.high < b.low) == (op is ast.Lt)
    if op in (ast.Gt, ast.LtE) and (a.low > b.high or a.high <= b.low):
        return (a.low > b.high) == (op is ast.Gt)
    if op in (ast.Eq, ast.NotEq) and (a.high < b.low or a.low > b.high):
        return op is ast.NotEq
    return None


def _int_with_float(em: Emitter, op: type[ast.AST], a: Val, limit: float) -> Val:
    """``int op float``."""
    border = border_of(op, limit)
    return em.constant(border) if isinstance(border, bool) else _numbers(em, op, a, em.constant(border))


def border_of(op: type[ast.AST], limit: float) -> int | bool:
    """The int that divides all ints of 64 bits by ``int op …`` as a float does; a bool: so it is for all.

    >>> border_of(ast.Lt, 2.5), border_of(ast.LtE, 2.5), border_of(ast.Eq, 2.5)
    (3, 2, False)
    """
    if math.isnan(limit):
        return op is ast.NotEq
    if math.isinf(limit) or abs(limit) >= 2.0**63:
        return bool(COMPARISONS[op](0, limit))
    if op in (ast.Eq, ast.NotEq):
        return int(limit) if limit.is_integer() else op is ast.NotEq
    # a < 2.5 is a < 3, a <= 2.5 is a <= 2
    return math.ceil(limit) if op in (ast.Lt, ast.GtE) else math.floor(limit)


def _membership(em: Emitter, a: Val, b: Val) -> Val:
    """``a in b`` (b: a constant collection, or text)."""
    if b.kind in TEXTS and (not b.constant or a.kind in TEXTS):
        if a.kind not in TEXTS:
            return em.by_row("raises TypeError", "bool")
        return em.by_value(operator.contains, [em.solid(b), em.solid(a)], _BOOL)
    if not b.constant or type(b.value) not in (tuple, list, set, frozenset, dict, range):
        return em.by_row("'in' a value that is not a constant collection", "bool")
    if a.kind == "object":
        return em.by_value(b.value.__contains__, [a], _BOOL)
    if type(b.value) is range:
        return _in_range(em, a, b.value)
    members = list(b.value)
    if any(type(m) is float and math.isnan(m) for m in members):
        return em.by_row("'in' a collection with NaN", "bool")
    known = list(map(em.constant, members))
    if any(m.kind == "object" for m in known):
        return em.by_row("'in' a collection of other than plain values", "bool")
    if a.constant:
        return em.fold(lambda x: x in b.value, a.value)
    a = em.named(a)
    same = [m for m in known if m.kind != "none" and _family(m) == _family(a)]
    member = _found(em, a, same)
    if len(same) < len(known) and any(m.kind == "none" for m in known):
        mask = _none_mask(em, a)
        if mask is not None:
            if a.nulls:
                member = _masked(member, a.nulls)
            if member.constant:
                return Val(_BOOL, mask)
            return Val(_BOOL, f"({member.code} | {mask})")
        return member
    return _masked(member, a.nulls) if a.nulls else member


def _masked(equal: Val, nulls: str) -> Val:
    if equal.constant:
        return Val(_BOOL, f"(~{nulls})") if equal.value else equal
    return Val(_BOOL, f"({equal.code} & ~{nulls})")


def _found(em: Emitter, a: Val, members: list[Val]) -> Val:
    """Whether ``a`` (None left aside) equals one of the constants."""
    solid = Val(
        Type(a.kind, entity=a.type.entity), a.code, low=a.low, high=a.high, index=a.index, elements=a.elements
    )
    if not members or a.kind == "entity":
        return em.constant(False)
    if a.kind == "code":
        codes = [find_text(em.texts, m.value) for m in members]
        if len(codes) > _FEW and em.emitting:
            table = np.zeros(max(1, len(em.texts)), np.bool_)
            table[[c for c in codes if c is not None]] = True
            mode = ", mode='clip'" if a.nulls else ""
            return Val(_BOOL, f"{em.f(np.take)}({em.bind(table)}, {a.code}{mode})")
    elif a.kind == "str" and len(members) > 1:
        texts = em.bind(frozenset(m.value for m in members).__contains__)
        return Val(
            _BOOL,
            f"{em.f(np.fromiter)}({em.f(map)}({texts}, {a.code}.tolist()), {em.f(np.bool_)}, {em.size})",
        )
    elif a.kind == "int" and len(members) > _FEW and all(m.kind == "int" for m in members):
        keys = em.bind(np.array(sorted({m.value for m in members}), np.int64))
        return Val(_BOOL, f"{em.f(runtime.among_keys)}({keys}, {a.code})")
    equal: Val | None = None
    for member in members:
        each = _ordered(em, ast.Eq, solid, member)
        if each.constant:
            if each.value:
                return each
            continue
        equal = each if equal is None else Val(_BOOL, f"({equal.code} | {each.code})")
    return equal or em.constant(False)


def _in_range(em: Emitter, a: Val, steps: range) -> Val:
    if a.kind not in ("bool", "int"):
        if a.kind == "float" or a.nulls:
            return em.by_row("'in' a range for other than an int", "bool")
        return em.constant(False)
    if a.nulls:
        return em.by_row("'in' a range for a value that may be None", "bool")
    if not steps:
        return em.constant(False)
    if not all(-(2**62) < end < 2**62 for end in (steps[0], steps[-1])):
        return em.by_row("'in' a range of large numbers", "bool")
    low, high = min(steps[0], steps[-1]), max(steps[0], steps[-1])
    a = em.named(a)
    source = em.ints(a)
    inside = f"(({source} >= {low}) & ({source} <= {high}))"
    step = abs(steps.step)
    if step > 1 and len(steps) > 1:
        inside = f"({inside} & ({source} % {step} == {low % step}))"
    return Val(_BOOL, inside)


__all__ = ["COMPARISONS", "boxed", "compare", "exact", "negated"]
