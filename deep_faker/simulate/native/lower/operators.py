"""Operators of expressions as instructions: arithmetic of numbers and times, with Python's types."""

from __future__ import annotations

import ast

from deep_faker.expressions.arithmetic import OPERATORS
from deep_faker.plan import Type
from deep_faker.simulate.native import opcodes as op
from deep_faker.simulate.native.lower.assembler import Register
from deep_faker.simulate.native.lower.comparisons import compare
from deep_faker.simulate.native.lower.operands import (
    BOOL,
    FLOAT,
    INT,
    INTEGRAL,
    NUMBERS,
    OBJECT,
    UnlowerableError,
    Val,
    Writer,
)

TIMES = ("datetime", "date", "timedelta")
DAY = 86_400_000_000
LENGTH, INSTANT, DATE = Type("timedelta"), Type("datetime"), Type("date")
FIRST_DAY, LAST_DAY = -719_162, 2_932_896  # date.min and date.max since 1970

_INTS: dict[type[ast.AST], int] = {
    ast.Add: op.ADDI,
    ast.Sub: op.SUBI,
    ast.Mult: op.MULI,
    ast.FloorDiv: op.FLOORDIVI,
    ast.Mod: op.MODI,
    ast.LShift: op.SHIFT_LEFT,
    ast.RShift: op.SHIFT_RIGHT,
}
_BITS: dict[type[ast.AST], int] = {ast.BitAnd: op.ANDI, ast.BitOr: op.ORI, ast.BitXor: op.XORI}
_FLOATS: dict[type[ast.AST], int] = {ast.Add: op.ADDF, ast.Sub: op.SUBF, ast.Mult: op.MULF}
_DIVISIONS: dict[type[ast.AST], int] = {
    ast.Div: op.DIVF,
    ast.FloorDiv: op.FLOORDIVF,
    ast.Mod: op.MODF,
    ast.Pow: op.MATH2,
}


def binary(w: Writer, sign: type[ast.AST], a: Val, b: Val, dest: Register | None) -> Val:
    """``a op b``."""
    function = OPERATORS[sign]
    if a.constant and b.constant:
        return w.fold(function, a.value, b.value)
    a, b = w.solid(a), w.solid(b)
    if w.numeric(a) and w.numeric(b):
        return _numbers(w, sign, a, b, dest)
    if a.kind in TIMES or b.kind in TIMES:
        return _times(w, sign, a, b, dest)
    return w.by_value(function, [a, b], None)


def _numbers(w: Writer, sign: type[ast.AST], a: Val, b: Val, dest: Register | None) -> Val:
    if a.kind in INTEGRAL and b.kind in INTEGRAL:
        return _whole(w, sign, a, b, dest)
    if sign in (*_BITS, ast.LShift, ast.RShift, ast.MatMult):
        raise UnlowerableError("a bit operation on floats")
    if "float" not in (a.kind, b.kind) and sign is not ast.Div:
        return w.by_value(OPERATORS[sign], [a, b], None)  # int or float, as the value is one or the other
    exact = sign is ast.Div and "float" not in (a.kind, b.kind)
    x, y = w.floats(a, exact=exact), w.floats(b, exact=exact)
    if sign in _FLOATS:
        return Val(FLOAT, w.make(_FLOATS[sign], x, y, dest=dest))
    if sign is ast.Pow:
        return Val(FLOAT, w.risky(op.MATH2, x, y, op.FUNCTIONS2.index("pow"), dest=dest))
    return Val(FLOAT, w.risky(_DIVISIONS[sign], x, y, dest=dest))


def _whole(w: Writer, sign: type[ast.AST], a: Val, b: Val, dest: Register | None) -> Val:
    """Of two ints, or bools."""
    x, y = w.ints(a), w.ints(b)
    if sign in _BITS:
        return Val(BOOL if a.kind == b.kind == "bool" else INT, w.make(_BITS[sign], x, y, dest=dest))
    if sign is ast.Div:
        return Val(FLOAT, w.risky(op.DIVI, x, y, dest=dest))
    if sign is ast.Pow:
        return _power(w, a, b, dest)
    if sign is ast.MatMult:
        raise UnlowerableError("raises TypeError")
    return Val(INT, w.risky(_INTS[sign], x, y, dest=dest))


def _power(w: Writer, a: Val, b: Val, dest: Register | None) -> Val:
    """An int, or a float for a negative exponent."""
    if b.constant and b.value < 0:
        which = op.FUNCTIONS2.index("pow")
        return Val(FLOAT, w.risky(op.MATH2, w.floats(a), w.floats(b), which, dest=dest))
    if b.constant or b.kind == "bool":
        return Val(INT, w.risky(op.POWI, w.ints(a), w.ints(b), dest=dest))
    raise UnlowerableError("an int or a float by the sign of the exponent")


def unary(w: Writer, sign: type[ast.AST], a: Val, dest: Register | None) -> Val:
    """``-a``, ``+a``, ``~a``."""
    if a.constant:
        return w.fold(OPERATORS[sign], a.value)
    a = w.solid(a)
    if a.kind in INTEGRAL:
        if sign is ast.UAdd:
            return Val(INT, w.ints(a))
        if sign is ast.USub:
            return Val(INT, w.risky(op.NEGI, w.ints(a), dest=dest))
        return Val(INT, w.make(op.INVERT, w.ints(a), dest=dest))
    if a.kind in ("float", "timedelta") and sign is not ast.Invert:
        if sign is ast.UAdd:
            return Val(a.type, w.reg(a))
        if a.kind == "float":
            return Val(FLOAT, w.make(op.NEGF, w.reg(a), dest=dest))
        return Val(LENGTH, w.risky(op.NEGI, w.reg(a), dest=dest))
    return w.by_value(OPERATORS[sign], [a], None)


def absolute(w: Writer, a: Val, dest: Register | None) -> Val:
    """``abs(a)``."""
    if a.constant:
        return w.fold(abs, a.value)
    a = w.solid(a)
    if a.kind in (*INTEGRAL, "timedelta"):
        return Val(LENGTH if a.kind == "timedelta" else INT, w.risky(op.ABSI, w.reg(a), dest=dest))
    if a.kind == "float":
        return Val(FLOAT, w.make(op.ABSF, w.reg(a), dest=dest))
    return w.by_value(abs, [a], None)


# ---------------------------------------------------------------- the least and the greatest


def smallest(w: Writer, operands: list[Val], *, greatest: bool) -> Val:
    """``min`` or ``max`` of several values: the first of equals, NaN as Python compares it."""
    if all(v.constant for v in operands):
        return w.fold(max if greatest else min, *(v.value for v in operands))
    result = w.named(w.solid(operands[0]))
    for each in operands[1:]:
        result = w.named(_lesser(w, result, w.named(w.solid(each)), greatest=greatest))
    return result


def _lesser(w: Writer, a: Val, b: Val, *, greatest: bool) -> Val:
    if a.constant and b.constant:
        return w.fold(max if greatest else min, a.value, b.value)
    if a.type == b.type and a.kind in ("bool", "int", *TIMES):
        return Val(a.type, w.make(op.MAXI if greatest else op.MINI, w.reg(a), w.reg(b)))
    code = op.MAXF if greatest else op.MINF
    if a.kind == b.kind == "float":
        return Val(FLOAT, w.make(code, w.reg(a), w.reg(b)))
    if w.numeric(a) and w.numeric(b) and "bool" not in (a.kind, b.kind):
        return Val(OBJECT, floats=w.make(code, w.floats(a, exact=True), w.floats(b, exact=True)))
    test = compare(w, ast.Gt if greatest else ast.Lt, b, a)
    if test.constant:
        return b if test.value else a
    if a.type != b.type:
        raise UnlowerableError(f"{a.kind} or {b.kind}")
    return Val(a.type, w.make(op.SELECT, w.reg(test), w.reg(b), w.reg(a)))


# ---------------------------------------------------------------- times


def _times(w: Writer, sign: type[ast.AST], a: Val, b: Val, dest: Register | None) -> Val:
    """``a op b`` where one of them is an instant or a length of time."""
    kinds = (a.kind, b.kind)
    if kinds in (("datetime", "datetime"), ("timedelta", "timedelta"), ("date", "date")):
        return _alike(w, sign, a, b, dest)
    if sign in (ast.Add, ast.Sub) and "timedelta" in kinds:
        if kinds[0] == "timedelta" and sign is ast.Sub:
            raise UnlowerableError("raises TypeError")
        moved, by = (b, a) if kinds[0] == "timedelta" else (a, b)
        if moved.kind == "datetime":
            code = op.ADD_TIME if sign is ast.Add else op.SUB_TIME
            return Val(INSTANT, w.risky(code, w.reg(moved), w.reg(by), dest=dest))
        if moved.kind == "date":  # Python adds the days only
            days = w.make(op.FIELD, w.reg(by), DAY, 0, 0)
            value = w.risky(op.ADDI if sign is ast.Add else op.SUBI, w.reg(moved), days)
            w.put(op.WITHIN, value, w.number(FIRST_DAY), w.number(LAST_DAY), w.trouble)
            return Val(DATE, value)
    if kinds[0] == "timedelta" and b.kind in NUMBERS:
        return _scaled(w, sign, a, b, dest)
    if kinds[1] == "timedelta" and a.kind in NUMBERS and sign is ast.Mult:
        return _scaled(w, sign, b, a, dest)
    raise UnlowerableError(f"an operation on {a.kind} and {b.kind}")


def _alike(w: Writer, sign: type[ast.AST], a: Val, b: Val, dest: Register | None) -> Val:
    x, y = w.reg(a), w.reg(b)
    if sign is ast.Sub:
        if a.kind == "date":
            return Val(LENGTH, w.risky(op.MULI, w.risky(op.SUBI, x, y), w.number(DAY), dest=dest))
        return Val(LENGTH, w.risky(op.SUBI, x, y, dest=dest))
    if a.kind == "timedelta" and sign in (ast.Add, ast.Mod):
        return Val(LENGTH, w.risky(_INTS[sign], x, y, dest=dest))
    if a.kind == "timedelta" and sign is ast.FloorDiv:
        return Val(INT, w.risky(op.FLOORDIVI, x, y, dest=dest))
    if a.kind == "timedelta" and sign is ast.Div:
        return Val(FLOAT, w.risky(op.DIVI, x, y, dest=dest))
    raise UnlowerableError(f"an operation on {a.kind} and {b.kind}")


def _scaled(w: Writer, sign: type[ast.AST], length: Val, by: Val, dest: Register | None) -> Val:
    x = w.reg(length)
    if by.kind == "float":
        code = _SCALED_BY_FLOAT.get(sign)
        y = w.floats(by)
    else:
        code = _SCALED_BY_INT.get(sign)
        y = w.ints(by)
    if code is None:
        raise UnlowerableError("an operation on a timedelta and a number")
    return Val(LENGTH, w.risky(code, x, y, dest=dest))


_SCALED_BY_FLOAT: dict[type[ast.AST], int] = {ast.Mult: op.TIMES_FLOAT, ast.Div: op.OVER_FLOAT}
_SCALED_BY_INT: dict[type[ast.AST], int] = {
    ast.Mult: op.MULI,
    ast.Div: op.OVER_INT,
    ast.FloorDiv: op.FLOORDIVI,
}
