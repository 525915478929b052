"""The instructions of expressions, compiled: Python's arithmetic on words, or trouble.

No instruction gives a value that Python would not give. Where one cannot be sure (an int that leaves 64 bits, a
division by zero, a date out of the calendar) it goes to its place of trouble, where Python decides. Nothing
here may be compiled with fast maths, and a power needs variable operands: compilers multiply out constant ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from deep_faker.engine.native.opcodes import (
    ABSF, ABSI, ADD_TIME, ADDF, ADDI, ANDI, CARRY, CEIL, CIVIL, DIVF, DIVI, EQF, EQI, EXACT_FLOAT, FIELD, FIND,
    FIND_OR, FINITE, FLOOR, FLOORDIVF, FLOORDIVI, GOTO, HASHI, IN_RANGE, INVERT, IS_CODE, JUMP, JUMP_EQF, JUMP_EQI,
    JUMP_LEF, JUMP_LEI, JUMP_LTF, JUMP_LTI, LEF, LEI, LTF, LTI, MATH, MATH2, MAXF, MAXI, MEMBER, MINF, MINI, MODF,
    MODI, MOV, MULF, MULI, NEGF, NEGI, NOT, ORI, OVER_FLOAT, OVER_INT, PART, POWI, ROUND, ROUND_INT, ROUND_TENS,
    SAME_TEXT, SELECT, SHIFT_LEFT, SHIFT_RIGHT, SUB_TIME, SUBF, SUBI, TABLE, TIMES_FLOAT, TO_FLOAT, TRAP, TRUNC,
    WITHIN, XORI,
)  # fmt: skip
from deep_faker.engine.native.words import CODE, FIRST, SHIFT
from deep_faker.times import EARLIEST, LATEST

compiled: Callable[[Any], Any] = njit(nogil=True, error_model="numpy")
LOWEST = -(2**63)
TWO53, TWO52, TWO63 = 2**53, 2.0**52, 2.0**63
HASH_MODULUS = np.uint64(2**61 - 1)


# ---------------------------------------------------------------- bits


@intrinsic  # type: ignore[untyped-decorator]
def bits(_: Any, value: Any) -> Any:
    """The word of a float."""
    return types.int64(value), lambda _, builder, __, args: builder.bitcast(args[0], ir.IntType(64))


@intrinsic  # type: ignore[untyped-decorator]
def flt(_: Any, word: Any) -> Any:
    """The float of a word."""
    return types.float64(word), lambda _, builder, __, args: builder.bitcast(args[0], ir.DoubleType())


@intrinsic  # type: ignore[untyped-decorator]
def fma(_: Any, a: Any, b: Any, c: Any) -> Any:
    """``a * b + c``, rounded once."""
    return types.float64(a, b, c), lambda _, builder, __, args: builder.fma(*args)


@intrinsic  # type: ignore[untyped-decorator]
def fmod(_: Any, x: Any, y: Any) -> Any:
    """``math.fmod``, which is always exact."""
    return types.float64(x, y), lambda _, builder, __, args: builder.frem(*args)


def _overflow(name: str) -> Any:
    """Whether the operation on two int64 leaves 64 bits."""

    @intrinsic  # type: ignore[untyped-decorator]
    def leaves(_: Any, a: Any, b: Any) -> Any:
        def generate(_: Any, builder: Any, __: Any, args: Any) -> Any:
            return builder.extract_value(getattr(builder, f"{name}_with_overflow")(*args), 1)

        return types.boolean(a, b), generate

    return leaves


add_leaves, sub_leaves, mul_leaves = map(_overflow, ("sadd", "ssub", "smul"))


# ---------------------------------------------------------------- floats


@compiled
def float_modulo(x: float, y: float) -> float:
    """``x % y`` of floats, y not 0."""
    rest = fmod(x, y)
    if rest != 0.0:
        if (y < 0.0) != (rest < 0.0):
            rest += y
        return rest
    return math.copysign(0.0, y)


@compiled
def float_floor_divide(x: float, y: float) -> float:
    """``x // y`` of floats, y not 0."""
    rest = fmod(x, y)
    quotient = (x - rest) / y
    if rest != 0.0 and (y < 0.0) != (rest < 0.0):
        quotient -= 1.0
    if quotient != 0.0:
        whole = np.floor(quotient)
        if quotient - whole > 0.5:
            whole += 1.0
        return whole
    return math.copysign(0.0, x / y)


@compiled
def nearest(value: float, error: float) -> float:
    """The integer nearest to ``value + error`` (half to even), where that is an exact sum and below 2**52.

    Only a tie of the rounded value needs the error: anything else is further from a tie than it can be wrong.
    """
    whole = np.rint(value)
    over = value - whole
    if over == 0.5 and error > 0.0:
        return whole + 1.0
    if over == -0.5 and error < 0.0:
        return whole - 1.0
    return whole


@compiled
def function_of(which: int, x: float) -> float:
    """A function of `math` by its place in ``opcodes.FUNCTIONS``."""
    if which == 0:
        return math.sqrt(x)
    if which == 1:
        return math.exp(x)
    if which == 2:
        return math.log(x)
    if which == 3:
        return math.log2(x)
    if which == 4:
        return math.log10(x)
    if which == 5:
        return math.log1p(x)
    if which == 6:
        return math.expm1(x)
    if which == 7:
        return math.sin(x)
    if which == 8:
        return math.cos(x)
    if which == 9:
        return math.tan(x)
    if which == 10:
        return math.asin(x)
    if which == 11:
        return math.acos(x)
    if which == 12:
        return math.atan(x)
    if which == 13:
        return math.sinh(x)
    if which == 14:
        return math.cosh(x)
    if which == 15:
        return math.tanh(x)
    if which == 16:
        return math.asinh(x)
    if which == 17:
        return math.acosh(x)
    if which == 18:
        return math.atanh(x)
    if which == 19:
        return math.erf(x)
    return math.erfc(x)


@compiled
def function_of_two(which: int, x: float, y: float) -> float:
    """A function of `math` by its place in ``opcodes.FUNCTIONS2``."""
    if which == 0:
        return math.pow(x, y)
    if which == 1:
        return math.atan2(x, y)
    if which == 2:
        return fmod(x, y)
    return math.copysign(x, y)


# ---------------------------------------------------------------- times


@compiled
def civil(days: int, part: int) -> int:
    """Year, month or day of the proleptic Gregorian calendar, of days since 1970-01-01.

    Counted in eras of 400 years from the first of March, so that the leap day is a year's last.
    """
    z = days + 719_468
    era = z // 146_097
    of_era = z - era * 146_097
    year_of_era = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    day_of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month = (5 * day_of_year + 2) // 153
    if part == 2:
        return day_of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    if part == 1:
        return month
    return year_of_era + era * 400 + (1 if month <= 2 else 0)


# ---------------------------------------------------------------- tables


@compiled
def place_among(C: Any, start: int, n: int, key: int) -> int:
    """The first of n sorted words that is not less than the key."""
    low, high = 0, n
    while low < high:
        middle = (low + high) >> 1
        if C[start + middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def compute(op: int, C: Any, pc: int, r: Any) -> int:
    """Do the instruction at ``pc``; the place of the next one.

    ``C`` and ``r`` are ``CPointer(int64)``: the code, and the registers of the flow.
    """
    # One chain of comparisons with constants, which LLVM turns into a jump table.
    if op == MOV:
        r[C[pc + 1]] = r[C[pc + 2]]
        return pc + 3
    elif op == GOTO:
        return C[pc + 1]
    elif op == JUMP:
        return C[pc + 2] if r[C[pc + 1]] != 0 else C[pc + 3]
    elif op == JUMP_LTI:
        return C[pc + 3] if r[C[pc + 1]] < r[C[pc + 2]] else C[pc + 4]
    elif op == JUMP_LEI:
        return C[pc + 3] if r[C[pc + 1]] <= r[C[pc + 2]] else C[pc + 4]
    elif op == JUMP_EQI:
        return C[pc + 3] if r[C[pc + 1]] == r[C[pc + 2]] else C[pc + 4]
    elif op == JUMP_LTF:
        return C[pc + 3] if flt(r[C[pc + 1]]) < flt(r[C[pc + 2]]) else C[pc + 4]
    elif op == JUMP_LEF:
        return C[pc + 3] if flt(r[C[pc + 1]]) <= flt(r[C[pc + 2]]) else C[pc + 4]
    elif op == JUMP_EQF:
        return C[pc + 3] if flt(r[C[pc + 1]]) == flt(r[C[pc + 2]]) else C[pc + 4]
    elif op == TRAP:
        return C[pc + 2] if r[C[pc + 1]] != 0 else pc + 3
    elif op == SELECT:
        r[C[pc + 1]] = r[C[pc + 3]] if r[C[pc + 2]] != 0 else r[C[pc + 4]]
        return pc + 5
    elif op == LTI:
        r[C[pc + 1]] = 1 if r[C[pc + 2]] < r[C[pc + 3]] else 0
        return pc + 4
    elif op == LEI:
        r[C[pc + 1]] = 1 if r[C[pc + 2]] <= r[C[pc + 3]] else 0
        return pc + 4
    elif op == EQI:
        r[C[pc + 1]] = 1 if r[C[pc + 2]] == r[C[pc + 3]] else 0
        return pc + 4
    elif op == LTF:
        r[C[pc + 1]] = 1 if flt(r[C[pc + 2]]) < flt(r[C[pc + 3]]) else 0
        return pc + 4
    elif op == LEF:
        r[C[pc + 1]] = 1 if flt(r[C[pc + 2]]) <= flt(r[C[pc + 3]]) else 0
        return pc + 4
    elif op == EQF:
        r[C[pc + 1]] = 1 if flt(r[C[pc + 2]]) == flt(r[C[pc + 3]]) else 0
        return pc + 4
    elif op == NOT:
        r[C[pc + 1]] = 1 if r[C[pc + 2]] == 0 else 0
        return pc + 3
    elif op == SAME_TEXT:
        a, b = r[C[pc + 2]], r[C[pc + 3]]
        kind = a >> SHIFT
        if a == b:
            r[C[pc + 1]] = 1
        elif kind == CODE and (b == -1 or b >> SHIFT == CODE):
            r[C[pc + 1]] = 0
        elif kind == b >> SHIFT and kind >= FIRST and (kind - FIRST) & 1 == 0:
            r[C[pc + 1]] = 0
        else:
            return C[pc + 4]
        return pc + 5
    elif op == IS_CODE:
        return pc + 3 if r[C[pc + 1]] >> SHIFT == CODE else C[pc + 2]
    elif op == IN_RANGE:
        a, first, last = r[C[pc + 2]], C[pc + 3], C[pc + 4]
        r[C[pc + 1]] = 1 if first <= a and a <= last and (a - first) % C[pc + 5] == 0 else 0
        return pc + 6
    elif op == MEMBER:
        a, n = r[C[pc + 2]], C[pc + 3]
        at = place_among(C, pc + 4, n, a)
        r[C[pc + 1]] = 1 if at < n and C[pc + 4 + at] == a else 0
        return pc + 4 + n
    elif op == FINITE:
        x = flt(r[C[pc + 2]])
        if C[pc + 3] == 0:
            yes = math.isfinite(x)
        elif C[pc + 3] == 1:
            yes = math.isnan(x)
        else:
            yes = math.isinf(x)
        r[C[pc + 1]] = 1 if yes else 0
        return pc + 4
    elif op == ADDI:
        a, b = r[C[pc + 2]], r[C[pc + 3]]
        if add_leaves(a, b):
            return C[pc + 4]
        r[C[pc + 1]] = a + b
        return pc + 5
    elif op == SUBI:
        a, b = r[C[pc + 2]], r[C[pc + 3]]
        if sub_leaves(a, b):
            return C[pc + 4]
        r[C[pc + 1]] = a - b
        return pc + 5
    elif op == MULI:
        a, b = r[C[pc + 2]], r[C[pc + 3]]
        if mul_leaves(a, b):
            return C[pc + 4]
        r[C[pc + 1]] = a * b
        return pc + 5
    elif op == FLOORDIVI:
        a, b = r[C[pc + 2]], r[C[pc + 3]]
        if b == 0 or (b == -1 and a == LOWEST):
            return C[pc + 4]
        r[C[pc + 1]] = a // b
        return pc + 5
    elif op == MODI:
        a, b = r[C[pc + 2]], r[C[pc + 3]]
        if b == 0 or (b == -1 and a == LOWEST):
            return C[pc + 4]
        r[C[pc + 1]] = a % b
        return pc + 5
    elif op == DIVI:
        a, b = r[C[pc + 2]], r[C[pc + 3]]
        # Both are floats without loss, or a is rounded once and the power of two below it does not round.
        small = -TWO53 <= b and b <= TWO53 and -TWO53 <= a and a <= TWO53
        if b == 0 or not (small or (b > 0 and b & (b - 1) == 0)):
            return C[pc + 4]
        r[C[pc + 1]] = bits(np.float64(a) / np.float64(b))
        return pc + 5
    elif op == POWI:
        a, b = r[C[pc + 2]], r[C[pc + 3]]
        if b < 0:
            return C[pc + 4]
        power = 1
        while b > 0:
            if b & 1:
                if mul_leaves(power, a):
                    return C[pc + 4]
                power *= a
            b >>= 1
            if b > 0:
                if mul_leaves(a, a):
                    return C[pc + 4]
                a *= a
        r[C[pc + 1]] = power
        return pc + 5
    elif op == SHIFT_LEFT:
        a, b = r[C[pc + 2]], r[C[pc + 3]]
        if b < 0 or b > 62 or (a << b) >> b != a:
            return C[pc + 4]
        r[C[pc + 1]] = a << b
        return pc + 5
    elif op == SHIFT_RIGHT:
        a, b = r[C[pc + 2]], r[C[pc + 3]]
        if b < 0:
            return C[pc + 4]
        r[C[pc + 1]] = a >> (b if b < 63 else 63)
        return pc + 5
    elif op == NEGI:
        a = r[C[pc + 2]]
        if a == LOWEST:
            return C[pc + 3]
        r[C[pc + 1]] = -a
        return pc + 4
    elif op == ABSI:
        a = r[C[pc + 2]]
        if a == LOWEST:
            return C[pc + 3]
        r[C[pc + 1]] = -a if a < 0 else a
        return pc + 4
    elif op == ANDI:
        r[C[pc + 1]] = r[C[pc + 2]] & r[C[pc + 3]]
        return pc + 4
    elif op == ORI:
        r[C[pc + 1]] = r[C[pc + 2]] | r[C[pc + 3]]
        return pc + 4
    elif op == XORI:
        r[C[pc + 1]] = r[C[pc + 2]] ^ r[C[pc + 3]]
        return pc + 4
    elif op == INVERT:
        r[C[pc + 1]] = ~r[C[pc + 2]]
        return pc + 3
    elif op == MINI:
        a, b = r[C[pc + 2]], r[C[pc + 3]]
        r[C[pc + 1]] = b if b < a else a
        return pc + 4
    elif op == MAXI:
        a, b = r[C[pc + 2]], r[C[pc + 3]]
        r[C[pc + 1]] = b if b > a else a
        return pc + 4
    elif op == HASHI:
        a = r[C[pc + 2]]
        size = np.uint64(a) if a >= 0 else np.uint64(-(a + 1)) + np.uint64(1)
        rest = np.int64(size % HASH_MODULUS)
        if a < 0:
            rest = -rest if rest != 1 else -2
        r[C[pc + 1]] = rest
        return pc + 3
    elif op == ADDF:
        r[C[pc + 1]] = bits(flt(r[C[pc + 2]]) + flt(r[C[pc + 3]]))
        return pc + 4
    elif op == SUBF:
        r[C[pc + 1]] = bits(flt(r[C[pc + 2]]) - flt(r[C[pc + 3]]))
        return pc + 4
    elif op == MULF:
        r[C[pc + 1]] = bits(flt(r[C[pc + 2]]) * flt(r[C[pc + 3]]))
        return pc + 4
    elif op == MINF:
        a, b = r[C[pc + 2]], r[C[pc + 3]]
        r[C[pc + 1]] = b if flt(b) < flt(a) else a
        return pc + 4
    elif op == MAXF:
        a, b = r[C[pc + 2]], r[C[pc + 3]]
        r[C[pc + 1]] = b if flt(b) > flt(a) else a
        return pc + 4
    elif op == NEGF:
        r[C[pc + 1]] = bits(-flt(r[C[pc + 2]]))
        return pc + 3
    elif op == ABSF:
        r[C[pc + 1]] = bits(abs(flt(r[C[pc + 2]])))
        return pc + 3
    elif op == DIVF:
        y = flt(r[C[pc + 3]])
        if y == 0.0:
            return C[pc + 4]
        r[C[pc + 1]] = bits(flt(r[C[pc + 2]]) / y)
        return pc + 5
    elif op == FLOORDIVF:
        y = flt(r[C[pc + 3]])
        if y == 0.0:
            return C[pc + 4]
        r[C[pc + 1]] = bits(float_floor_divide(flt(r[C[pc + 2]]), y))
        return pc + 5
    elif op == MODF:
        y = flt(r[C[pc + 3]])
        if y == 0.0:
            return C[pc + 4]
        r[C[pc + 1]] = bits(float_modulo(flt(r[C[pc + 2]]), y))
        return pc + 5
    elif op == MATH:
        x = flt(r[C[pc + 2]])
        z = function_of(C[pc + 3], x)
        # Python raises where a function has no value, or none that is finite.
        if (math.isnan(z) and not math.isnan(x)) or (math.isinf(z) and math.isfinite(x)):
            return C[pc + 4]
        r[C[pc + 1]] = bits(z)
        return pc + 5
    elif op == MATH2:
        x, y = flt(r[C[pc + 2]]), flt(r[C[pc + 3]])
        z = function_of_two(C[pc + 4], x, y)
        if math.isnan(z):
            wrong = not (math.isnan(x) or math.isnan(y))
        else:
            wrong = math.isinf(z) and math.isfinite(x) and (math.isfinite(y) or x == 0.0)
        if wrong:
            return C[pc + 5]
        r[C[pc + 1]] = bits(z)
        return pc + 6
    elif op == TO_FLOAT:
        r[C[pc + 1]] = bits(np.float64(r[C[pc + 2]]))
        return pc + 3
    elif op == EXACT_FLOAT:
        a = r[C[pc + 2]]
        if a < -TWO53 or a > TWO53:
            return C[pc + 3]
        r[C[pc + 1]] = bits(np.float64(a))
        return pc + 4
    elif op == ROUND_INT:
        x = np.rint(flt(r[C[pc + 2]]))
        if not abs(x) < TWO63:
            return C[pc + 3]
        r[C[pc + 1]] = np.int64(x)
        return pc + 4
    elif op == TRUNC:
        x = np.trunc(flt(r[C[pc + 2]]))
        if not abs(x) < TWO63:
            return C[pc + 3]
        r[C[pc + 1]] = np.int64(x)
        return pc + 4
    elif op == FLOOR:
        x = np.floor(flt(r[C[pc + 2]]))
        if not abs(x) < TWO63:
            return C[pc + 3]
        r[C[pc + 1]] = np.int64(x)
        return pc + 4
    elif op == CEIL:
        x = np.ceil(flt(r[C[pc + 2]]))
        if not abs(x) < TWO63:
            return C[pc + 3]
        r[C[pc + 1]] = np.int64(x)
        return pc + 4
    elif op == ROUND:
        x, y = flt(r[C[pc + 2]]), flt(r[C[pc + 3]])
        scaled = x * y
        if abs(scaled) < TWO52:
            x = nearest(scaled, fma(x, y, -scaled)) / y
        elif abs(x) < TWO52:
            return C[pc + 4]
        r[C[pc + 1]] = bits(x)  # a float from 2**52 on is an integer (or none at all)
        return pc + 5
    elif op == ROUND_TENS:
        x, y = flt(r[C[pc + 2]]), flt(r[C[pc + 3]])
        scaled = x / y
        if not abs(scaled) < TWO52:
            return C[pc + 4]
        r[C[pc + 1]] = bits(nearest(scaled, fma(-scaled, y, x)) * y)
        return pc + 5
    elif op == ADD_TIME:
        a, b = r[C[pc + 2]], r[C[pc + 3]]
        if add_leaves(a, b) or a + b < EARLIEST or a + b > LATEST:
            return C[pc + 4]
        r[C[pc + 1]] = a + b
        return pc + 5
    elif op == SUB_TIME:
        a, b = r[C[pc + 2]], r[C[pc + 3]]
        if sub_leaves(a, b) or a - b < EARLIEST or a - b > LATEST:
            return C[pc + 4]
        r[C[pc + 1]] = a - b
        return pc + 5
    elif op == WITHIN:
        a = r[C[pc + 1]]
        return C[pc + 4] if a < r[C[pc + 2]] or a > r[C[pc + 3]] else pc + 5
    elif op == FIELD:
        a = r[C[pc + 2]] // C[pc + 3] + C[pc + 4]
        r[C[pc + 1]] = a % C[pc + 5] if C[pc + 5] != 0 else a
        return pc + 6
    elif op == CIVIL:
        r[C[pc + 1]] = civil(r[C[pc + 2]] // C[pc + 3], C[pc + 4])
        return pc + 5
    elif op == PART:
        x, unit = flt(r[C[pc + 3]]), C[pc + 4]
        whole = np.trunc(x)
        if not abs(whole) * np.float64(unit) < TWO63 / 2.0:
            return C[pc + 5]
        left = (x - whole) * np.float64(unit)
        more = np.trunc(left)
        a, b = r[C[pc + 1]], np.int64(whole) * unit + np.int64(more)
        if add_leaves(a, b):
            return C[pc + 5]
        r[C[pc + 1]] = a + b
        r[C[pc + 2]] = bits(flt(r[C[pc + 2]]) + (left - more))
        return pc + 6
    elif op == CARRY:
        a, left = r[C[pc + 2]], flt(r[C[pc + 3]])
        more = np.rint(left)
        if abs(more - left) == 0.5:  # the sum of µs and fraction is rounded half to even, not the fraction
            odd = np.float64(a & 1)
            more = 2.0 * np.rint((left + odd) * 0.5) - odd
        if add_leaves(a, np.int64(more)):
            return C[pc + 4]
        r[C[pc + 1]] = a + np.int64(more)
        return pc + 5
    elif op == TIMES_FLOAT:
        a, y = r[C[pc + 2]], flt(r[C[pc + 3]])
        x = np.float64(a)
        product = x * y
        if not (abs(product) < TWO52 and -TWO53 <= a and a <= TWO53):
            return C[pc + 4]
        r[C[pc + 1]] = np.int64(nearest(product, fma(x, y, -product)))
        return pc + 5
    elif op == OVER_FLOAT:
        a, y = r[C[pc + 2]], flt(r[C[pc + 3]])
        x = np.float64(a)
        quotient = x / y
        if not (y != 0.0 and abs(quotient) < TWO52 and -TWO53 <= a and a <= TWO53 and math.isfinite(y)):
            return C[pc + 4]
        rest = fma(-quotient, y, x)
        r[C[pc + 1]] = np.int64(nearest(quotient, rest if y > 0.0 else -rest))
        return pc + 5
    elif op == OVER_INT:
        a, b = r[C[pc + 2]], r[C[pc + 3]]
        if b == 0 or b == LOWEST or (b == -1 and a == LOWEST):
            return C[pc + 4]
        quotient_, rest_ = a // b, a % b
        if b < 0:
            rest_, b = -rest_, -b
        # Python rounds half to even: rest against b - rest, as twice the rest may not fit.
        if rest_ > b - rest_ or (rest_ == b - rest_ and quotient_ & 1):
            quotient_ += 1
        r[C[pc + 1]] = quotient_
        return pc + 5
    elif op == TABLE:
        a, n = r[C[pc + 2]] - C[pc + 3], C[pc + 4]
        if a < 0 or a >= n:
            return C[pc + 5]
        r[C[pc + 1]] = C[pc + 6 + a]
        return pc + 6 + n
    elif op == FIND:
        a, n = r[C[pc + 2]], C[pc + 3]
        at = place_among(C, pc + 5, n, a)
        if at == n or C[pc + 5 + at] != a:
            return C[pc + 4]
        r[C[pc + 1]] = at
        return pc + 5 + n
    else:  # FIND_OR
        a, n = r[C[pc + 2]], C[pc + 3]
        at = place_among(C, pc + 4, n, a)
        r[C[pc + 1]] = at if at < n and C[pc + 4 + at] == a else n
        return pc + 4 + n
