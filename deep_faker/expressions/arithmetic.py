"""Operators between numbers, and the rules that keep numpy's results Python's."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable

import numpy as np

from deep_faker.expressions import runtime
from deep_faker.expressions.emitter import HIGHEST, LOWEST, NUMBERS, TEXTS, Emitter, Val, exact
from deep_faker.plan import Type

OPERATORS: dict[type[ast.AST], Callable[..., object]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.MatMult: operator.matmul,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
}
_INT, _FLOAT, _BOOL, _STR = Type("int"), Type("float"), Type("bool"), Type("str")
_OBJECT = Type("object")


def numeric(v: Val) -> bool:
    """Whether the arithmetic of numbers applies."""
    return v.kind in NUMBERS or v.floats is not None


def numbers(em: Emitter, op: type[ast.AST], a: Val, b: Val) -> Val:
    """``a op b`` of two numbers."""
    integral = a.kind in ("bool", "int") and b.kind in ("bool", "int")
    if op is ast.Pow:
        return _power(em, a, b)
    if op in (ast.BitAnd, ast.BitOr, ast.BitXor, ast.LShift, ast.RShift):
        return _bits(em, op, a, b) if integral else em.by_row("a bit operation on floats")
    if op is ast.MatMult:
        return em.by_row("raises TypeError")
    if integral:
        return _INTEGRAL[op](em, a, b)
    if "object" in (a.kind, b.kind) and "float" not in (a.kind, b.kind):
        # int + (int or float) is int or float again; only division forgets the difference.
        if op is not ast.Div or not all(v.floats or exact(v) for v in (a, b)):
            return em.by_value(OPERATORS[op], [a, b], _OBJECT)
    em.warns = True
    x, y = em.floats(a), em.floats(b)
    if op in (ast.Div, ast.FloorDiv, ast.Mod):
        if b.constant and b.value == 0:
            return em.by_row("divides by zero", "float")
        if not b.constant:
            y = f"{em.f(runtime.nonzero)}({em.guarded(y, '1.0')})"
    return Val(_FLOAT, f"({x} {_SIGNS[op]} {y})")


_SIGNS: dict[type[ast.AST], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.BitAnd: "&",
    ast.BitOr: "|",
    ast.BitXor: "^",
}


def bounded(em: Emitter, v: Val, low: int, high: int) -> str:
    """The source of an int, checked to be in ``low..high`` where that is not known."""
    if low <= v.low and v.high <= high:
        return em.ints(v)
    return f"{em.f(runtime.within)}({em.ints(v)}, {max(low, LOWEST)}, {min(high, HIGHEST)})"


def integer(source: str, low: int, high: int) -> Val:
    """An int of known bounds."""
    return Val(_INT, source, low=max(low, LOWEST), high=min(high, HIGHEST))


def _checked(
    em: Emitter, sign: str, careful: Callable[..., object], a: Val, b: Val, low: int, high: int
) -> Val:
    if low >= LOWEST and high <= HIGHEST:
        return integer(f"({em.ints(a)} {sign} {em.ints(b)})", low, high)
    return integer(f"{em.f(careful)}({em.ints(a)}, {em.ints(b)})", low, high)


def add(em: Emitter, a: Val, b: Val) -> Val:
    if a.constant:
        a, b = b, a
    low, high = a.low + b.low, a.high + b.high
    if b.constant:
        c = int(b.value)
        source = f"({bounded(em, a, LOWEST - min(c, 0), HIGHEST - max(c, 0))} + {em.ints(b)})"
        return integer(source, low, high)
    return _checked(em, "+", runtime.add, a, b, low, high)


def subtract(em: Emitter, a: Val, b: Val) -> Val:
    low, high = a.low - b.high, a.high - b.low
    if b.constant:
        c = int(b.value)
        source = f"({bounded(em, a, LOWEST + max(c, 0), HIGHEST + min(c, 0))} - {em.ints(b)})"
        return integer(source, low, high)
    if a.constant:
        c = int(a.value)
        source = f"({em.ints(a)} - {bounded(em, b, c - HIGHEST, c - LOWEST)})"
        return integer(source, low, high)
    return _checked(em, "-", runtime.subtract, a, b, low, high)


def multiply(em: Emitter, a: Val, b: Val) -> Val:
    if a.constant:
        a, b = b, a
    corners = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
    low, high = min(corners), max(corners)
    if b.constant:
        c = abs(int(b.value)) or 1
        # One less than the most at the low end, so that the sign of the constant does not matter.
        source = f"({bounded(em, a, -(HIGHEST // c), HIGHEST // c)} * {em.ints(b)})"
        return integer(source, low, high)
    return _checked(em, "*", runtime.multiply, a, b, low, high)


def _divisor(em: Emitter, b: Val) -> str | None:
    if b.constant:
        return em.ints(b) if b.value else None
    return f"{em.f(runtime.nonzero)}({em.guarded(em.ints(b), '1')})"


def floor_divide(em: Emitter, a: Val, b: Val) -> Val:
    divisor = _divisor(em, b)
    if divisor is None:
        return em.by_row("divides by zero", "int")
    # The lowest int over -1 is the one quotient that does not fit.
    dividend = bounded(em, a, LOWEST + 1, HIGHEST) if b.low <= -1 <= b.high else em.ints(a)
    reach = max(-a.low, a.high)
    low, high = (a.low // b.low, a.high // b.low) if b.constant and b.low > 0 else (-reach, reach)
    return integer(f"({dividend} // {divisor})", low, high)


def modulo(em: Emitter, a: Val, b: Val) -> Val:
    divisor = _divisor(em, b)
    if divisor is None:
        return em.by_row("divides by zero", "int")
    dividend = bounded(em, a, LOWEST + 1, HIGHEST) if b.low <= -1 <= b.high else em.ints(a)
    return integer(f"({dividend} % {divisor})", min(b.low + 1, 0), max(b.high - 1, 0))


def divide(em: Emitter, a: Val, b: Val) -> Val:
    """Ints below 2**53 are exact as floats, and then one division rounds as Python's does."""
    if b.constant and b.value == 0:
        return em.by_row("divides by zero", "float")
    x = bounded(em, a, -runtime.EXACT, runtime.EXACT)
    y = bounded(em, b, -runtime.EXACT, runtime.EXACT)
    if not b.constant:
        y = f"{em.f(runtime.nonzero)}({em.guarded(y, '1')})"
    return Val(_FLOAT, f"({x} / {y})")


_INTEGRAL: dict[type[ast.AST], Callable[[Emitter, Val, Val], Val]] = {
    ast.Add: add,
    ast.Sub: subtract,
    ast.Mult: multiply,
    ast.FloorDiv: floor_divide,
    ast.Mod: modulo,
    ast.Div: divide,
}


def _power(em: Emitter, a: Val, b: Val) -> Val:
    """Python's own power, but for the square and the cube of ints."""
    integral = a.kind in ("bool", "int") and b.kind in ("bool", "int")
    if "object" in (a.kind, b.kind):
        return em.by_value(operator.pow, [a, b], _OBJECT)
    if not integral:
        return em.by_value(operator.pow, [a, b], _FLOAT)
    if b.high < 0:
        return em.by_value(operator.pow, [a, b], _FLOAT)
    if b.low < 0:
        return em.by_value(operator.pow, [a, b], _OBJECT)  # int or float by the sign of the exponent
    if b.constant and b.value in (2, 3):
        a = em.named(Val(_INT, em.ints(a), low=a.low, high=a.high))
        square = multiply(em, a, a)
        return square if b.value == 2 else multiply(em, em.named(square), a)
    return em.by_value(operator.pow, [a, b], _INT)


def _bits(em: Emitter, op: type[ast.AST], a: Val, b: Val) -> Val:
    if op in (ast.LShift, ast.RShift):
        if not b.constant or b.value < 0 or b.value > 62:
            return em.by_value(OPERATORS[op], [a, b], _INT)
        if op is ast.LShift:
            return multiply(em, a, em.constant(1 << int(b.value)))
        return integer(f"({em.ints(a)} >> {em.ints(b)})", min(a.low, 0), max(a.high, 0))
    if a.kind == b.kind == "bool":
        x, y = (em.literal(v.value, "bool") if v.constant else v.code for v in (a, b))
        return Val(_BOOL, f"({x} {_SIGNS[op]} {y})", low=0, high=1)
    source = f"({em.ints(a)} {_SIGNS[op]} {em.ints(b)})"
    if op is ast.BitAnd and (a.low >= 0 or b.low >= 0):
        return integer(source, 0, min(v.high for v in (a, b) if v.low >= 0))
    return integer(source, LOWEST, HIGHEST)


def unary(em: Emitter, op: type[ast.AST], a: Val) -> Val:
    """``-a``, ``+a``, ``~a``."""
    if a.constant or a.kind == "object":
        return em.by_value(OPERATORS[op], [a], _OBJECT)
    a = em.solid(a)
    if a.kind in ("bool", "int"):
        if op is ast.USub:
            return integer(f"(-{bounded(em, a, LOWEST + 1, HIGHEST)})", -a.high, -a.low)
        if op is ast.UAdd:
            return integer(em.ints(a), a.low, a.high)
        return integer(f"(~{em.ints(a)})", ~a.high, ~a.low)
    if a.kind == "float" and op is not ast.Invert:
        return Val(_FLOAT, f"(-{a.code})" if op is ast.USub else a.code)
    if a.kind == "timedelta" and op is not ast.Invert:
        number = Val(_INT, a.code)
        return Val(a.type, unary(em, op, number).code)
    return em.by_row(f"an operation on {a.kind}")


def absolute(em: Emitter, a: Val) -> Val:
    """``abs(a)``."""
    if a.constant or a.kind == "object":
        return em.by_value(abs, [a], _OBJECT)
    a = em.solid(a)
    if a.kind in ("bool", "int", "timedelta"):
        checked = bounded(em, a, LOWEST + 1, HIGHEST)
        if a.kind == "timedelta":
            return Val(a.type, f"{em.f(np.abs)}({checked})")
        low = 0 if a.low <= 0 <= a.high else min(abs(a.low), abs(a.high))
        return integer(f"{em.f(np.abs)}({checked})", low, max(-a.low, a.high))
    if a.kind == "float":
        return Val(_FLOAT, f"{em.f(np.abs)}({a.code})")
    return em.by_row(f"abs() of {a.kind}")


def rounded(em: Emitter, a: Val, digits: Val | None) -> Val:
    """``round(a, digits)``."""
    plain = digits is None or (digits.constant and digits.value is None)
    if a.constant and (digits is None or digits.constant):
        return em.fold(round, a.value, *(() if digits is None else (digits.value,)))
    if a.kind == "object" or (digits and digits.kind == "object"):
        return em.by_value(round, [a] if digits is None else [a, digits], _OBJECT)
    a = em.solid(a)
    if a.kind in ("bool", "int"):
        if plain or (digits and digits.kind in ("bool", "int") and digits.low >= 0):
            return integer(em.ints(a), a.low, a.high)
        assert digits is not None
        return em.by_value(round, [a, digits], _INT)
    if a.kind != "float":
        return em.by_row(f"round() of {a.kind}")
    if plain:
        return Val(_INT, f"{em.f(runtime.whole)}({em.f(np.rint)}({a.code}))")
    assert digits is not None
    if digits.constant and type(digits.value) is int and -15 <= digits.value <= 15:
        em.warns = True
        return Val(_FLOAT, f"{em.f(runtime.round_to)}({a.code}, {digits.value})")
    return em.by_value(round, [a, digits], _FLOAT)


def to_int(em: Emitter, a: Val) -> Val:
    """``int(a)``."""
    if a.constant:
        return em.fold(int, a.value)
    a = em.solid(a)
    if a.kind in ("bool", "int"):
        return integer(em.ints(a), a.low, a.high)
    if a.kind == "float" or a.floats is not None:
        return Val(_INT, f"{em.f(runtime.whole)}({em.f(np.trunc)}({em.floats(a)}))")
    if a.kind in (*TEXTS, "object"):
        return em.by_value(int, [a], _INT)
    return em.by_row(f"int() of {a.kind}", "int")


def to_float(em: Emitter, a: Val) -> Val:
    """``float(a)``."""
    if a.constant:
        return em.fold(float, a.value)
    a = em.solid(a)
    if numeric(a):
        return Val(_FLOAT, em.floats(a))
    if a.kind in (*TEXTS, "object"):
        return em.by_value(float, [a], _FLOAT)
    return em.by_row(f"float() of {a.kind}", "float")


def toward(em: Emitter, a: Val, function: Callable[..., object]) -> Val:
    """``math.floor``, ``math.ceil`` or ``math.trunc`` of ``a``."""
    if a.constant:
        return em.fold(function, a.value)
    a = em.solid(a)
    if a.kind in ("bool", "int"):
        return integer(em.ints(a), a.low, a.high)
    if a.kind == "float" or a.floats is not None:
        twin = {math.floor: np.floor, math.ceil: np.ceil, math.trunc: np.trunc}[function]
        return Val(_INT, f"{em.f(runtime.whole)}({em.f(twin)}({em.floats(a)}))")
    if a.kind == "object":
        return em.by_value(function, [a], _INT)
    return em.by_row(f"math.{function.__name__}() of {a.kind}", "int")
