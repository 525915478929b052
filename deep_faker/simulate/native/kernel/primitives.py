"""What single instructions of expressions compute, where that is more than an operator.

Those that Python may refuse, or of which only Python knows the result, give ``(value, trouble)``.
"""

from __future__ import annotations

import math

import numpy as np

from deep_faker.simulate.native.kernel.intrinsics import Word, compiled, fma, fmod, mul_checked
from deep_faker.simulate.native.words import CODE, FIRST, SHIFT

TWO52 = 2.0**52
WHOLE = 2**53  # ints up to here are floats
LEAST = -(2**63)
HASH_MODULUS = np.uint64(2**61 - 1)


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
def function_of(which: Word, x: float) -> tuple[float, bool]:
    """A function of `math` by its place in ``opcodes.FUNCTIONS``; trouble where Python raises."""
    if which == 0:
        z = math.sqrt(x)
    elif which == 1:
        z = math.exp(x)
    elif which == 2:
        z = math.log(x)
    elif which == 3:
        z = math.log2(x)
    elif which == 4:
        z = math.log10(x)
    elif which == 5:
        z = math.log1p(x)
    elif which == 6:
        z = math.expm1(x)
    elif which == 7:
        z = math.sin(x)
    elif which == 8:
        z = math.cos(x)
    elif which == 9:
        z = math.tan(x)
    elif which == 10:
        z = math.asin(x)
    elif which == 11:
        z = math.acos(x)
    elif which == 12:
        z = math.atan(x)
    elif which == 13:
        z = math.sinh(x)
    elif which == 14:
        z = math.cosh(x)
    elif which == 15:
        z = math.tanh(x)
    elif which == 16:
        z = math.asinh(x)
    elif which == 17:
        z = math.acosh(x)
    elif which == 18:
        z = math.atanh(x)
    elif which == 19:
        z = math.erf(x)
    else:
        z = math.erfc(x)
    return z, (math.isnan(z) and not math.isnan(x)) or (math.isinf(z) and math.isfinite(x))


@compiled
def function_of_two(which: Word, x: float, y: float) -> tuple[float, bool]:
    """A function of `math` by its place in ``opcodes.FUNCTIONS2``; trouble where Python may raise."""
    if which == 0:
        z = math.pow(x, y)
    elif which == 1:
        z = math.atan2(x, y)
    elif which == 2:
        z = fmod(x, y)
    else:
        z = math.copysign(x, y)
    if math.isnan(z):
        return z, not (math.isnan(x) or math.isnan(y))
    return z, math.isinf(z) and math.isfinite(x) and math.isfinite(y)


@compiled
def finite(x: float, which: Word) -> bool:
    """A test of `math` by its place in ``opcodes.FINITE_TESTS``."""
    if which == 0:
        return math.isfinite(x)
    if which == 1:
        return math.isnan(x)
    return math.isinf(x)


# ---------------------------------------------------------------- ints and texts


@compiled
def power(a: Word, exponent: Word) -> tuple[Word, bool]:
    """``a ** exponent`` of ints."""
    z = 1
    while exponent > 0:
        if exponent & 1:
            z, wrong = mul_checked(z, a)
            if wrong:
                return z, True
        exponent >>= 1
        if exponent > 0:
            a, wrong = mul_checked(a, a)
            if wrong:
                return z, True
    return z, exponent < 0


@compiled
def hash_of(a: Word) -> Word:
    """``hash(a)`` of an int."""
    size = np.uint64(a) if a >= 0 else np.uint64(-(a + 1)) + np.uint64(1)
    rest = np.int64(size % HASH_MODULUS)
    if a >= 0:
        return rest
    return -2 if rest == 1 else -rest  # -1 would be an error in C


@compiled
def same_text(a: Word, b: Word) -> tuple[Word, bool]:
    """Whether two text words are one text; -1 for ``b`` is a text that no plan text is."""
    kind = a >> SHIFT
    if a == b:
        return 1, False
    if kind == CODE and (b == -1 or b >> SHIFT == CODE):
        return 0, False
    key = kind == b >> SHIFT and kind >= FIRST and (kind - FIRST) & 1 == 0
    return 0, not key


# ---------------------------------------------------------------- times


@compiled
def civil(days: Word, part: Word) -> Word:
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


@compiled
def times_float(a: Word, y: float) -> tuple[Word, bool]:
    """A timedelta times a float."""
    x = np.float64(a)
    product = x * y
    if not (abs(product) < TWO52 and a >= -WHOLE and a <= WHOLE):
        return 0, True
    return np.int64(nearest(product, fma(x, y, -product))), False


@compiled
def over_float(a: Word, y: float) -> tuple[Word, bool]:
    """A timedelta over a float."""
    x = np.float64(a)
    quotient = x / y
    if not (y != 0.0 and abs(quotient) < TWO52 and a >= -WHOLE and a <= WHOLE and math.isfinite(y)):
        return 0, True
    rest = fma(-quotient, y, x)
    return np.int64(nearest(quotient, rest if y > 0.0 else -rest)), False


@compiled
def over_int(a: Word, b: Word) -> tuple[Word, bool]:
    """A timedelta over an int, half to even."""
    if b in (0, LEAST) or (b == -1 and a == LEAST):
        return 0, True
    quotient, rest = a // b, a % b
    if b < 0:
        rest, b = -rest, -b
    # Twice the rest might not fit.
    if rest > b - rest or (rest == b - rest and quotient & 1 == 1):
        quotient += 1
    return quotient, False
