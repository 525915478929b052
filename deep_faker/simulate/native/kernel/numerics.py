"""Python's arithmetic on 64-bit words for the kernel: what it would raise or could not hold is trouble.

Every function gives ``(value, trouble)`` unless it cannot fail; a value with trouble means nothing. Sums,
differences and products of ints are `add_checked`, `sub_checked` and `mul_checked` of `intrinsics`; those of
floats need no function.

>>> floor_divide(-7, 2), floor_divide(1, 0)[1]
((-4, False), True)
"""

from __future__ import annotations

import math

import numpy as np

from deep_faker.simulate.native.kernel.intrinsics import Word, compiled, fma, fmod

_LEAST = -(1 << 63)
_WHOLE = 1 << 53  # ints up to here are floats
_LARGE = 2.0**53
_BOUND = 2.0**63
_LONGEST = 1 << 62  # microseconds: beyond it sums of lengths of time might wrap


@compiled
def floor_divide(a: Word, b: Word) -> tuple[Word, bool]:
    """``a // b`` of ints."""
    if b == 0 or (b == -1 and a == _LEAST):
        return 0, True
    return a // b, False


@compiled
def modulo(a: Word, b: Word) -> tuple[Word, bool]:
    """``a % b`` of ints."""
    if b == 0:
        return 0, True
    # by -1 nothing is left, and the processor would fault on the least int
    return (a % b if b != -1 else 0), False


@compiled
def divide_ints(a: Word, b: Word) -> tuple[float, bool]:
    """``a / b`` of ints up to 2**53: Python rounds once, and so does the machine if both are floats."""
    if b == 0 or a > _WHOLE or a < -_WHOLE or b > _WHOLE or b < -_WHOLE:
        return 0.0, True
    return np.float64(a) / np.float64(b), False


@compiled
def divide(x: float, y: float) -> tuple[float, bool]:
    """``x / y`` of floats."""
    return x / y, y == 0.0


@compiled
def floor_divide_floats(x: float, y: float) -> tuple[float, bool]:
    """``x // y`` of floats."""
    if y == 0.0:
        return 0.0, True
    rest = fmod(x, y)
    quotient = (x - rest) / y
    if rest != 0.0 and (y < 0.0) != (rest < 0.0):
        quotient -= 1.0
    if quotient == 0.0:
        return math.copysign(0.0, x / y), False
    whole = np.floor(quotient)
    return whole + 1.0 if quotient - whole > 0.5 else whole, False


@compiled
def modulo_floats(x: float, y: float) -> tuple[float, bool]:
    """``x % y`` of floats."""
    if y == 0.0:
        return 0.0, True
    rest = fmod(x, y)
    if rest == 0.0:
        return math.copysign(0.0, y), False
    return rest + y if (y < 0.0) != (rest < 0.0) else rest, False


@compiled
def to_int(x: float) -> tuple[Word, bool]:
    """``int(x)`` of a float; of np.floor(x), np.ceil(x) or np.rint(x) Python's floor, ceil or round."""
    if not abs(x) < _BOUND:  # also nan
        return 0, True
    return np.int64(x), False


@compiled
def round_scaled(x: float, scale: float) -> float:
    """``round(x, n)`` of a float for 0 <= n <= 22 and ``scale`` = 10.0**n.

    The product is known exactly, as a float and its error, so the nearest integer is too; it and the scale
    are floats without error, so their quotient is rounded once, as Python rounds the decimal that it wrote.
    """
    product = x * scale
    if not abs(product) <= _LARGE:  # such floats have no digits to lose; and infinity and nan
        return x
    nearest = np.rint(product)
    if abs(product - nearest) == 0.5:
        error = fma(x, scale, -product)
        if error > 0.0 and nearest < product:
            nearest += 1.0
        elif error < 0.0 and nearest > product:
            nearest -= 1.0
    return nearest / scale


@compiled
def round_tens(x: float, scale: float) -> tuple[float, bool]:
    """``round(x, -n)`` of a float for 1 <= n <= 22 and ``scale`` = 10.0**n: to tens, hundreds and so on."""
    if not abs(x) < _LARGE * scale * 0.5:
        return x, math.isfinite(x)
    nearest = np.rint(x / scale)
    rest = fma(-nearest, scale, x)  # exact: no more digits than x has
    if abs(rest) * 2.0 > scale:  # the quotient looked like a tie, which rint has sent to the even side
        nearest += math.copysign(1.0, rest)
    return nearest * scale if nearest != 0.0 else math.copysign(0.0, x), False


@compiled
def round_digits(x: float, n: Word) -> tuple[float, bool]:
    """``round(x, n)`` of a float for any n; trouble where only Python's decimals can tell (n beyond 22)."""
    scale = 1.0
    for _ in range(min(abs(n), 22)):
        scale *= 10.0
    if n < -22:
        return x, True
    if n < 0:
        return round_tens(x, scale)
    if n > 22:
        return x, abs(x) * scale <= _LARGE and x != 0.0
    return round_scaled(x, scale), False


@compiled
def timedelta_part(micros: Word, left: float, x: float, unit: Word) -> tuple[Word, float, bool]:
    """Add ``x`` units (of ``unit`` microseconds) to a length of time that is being added up.

    As `timedelta` does: whole numbers exactly, fractions of microseconds in ``left``. Keywords are added in
    the order microseconds, milliseconds, seconds, minutes, hours, days, weeks; ints may come first.
    """
    number = np.trunc(x)
    if not abs(number) * np.float64(unit) < np.float64(_LONGEST):
        return micros, left, True
    micros += np.int64(number) * unit
    fraction = x - number
    if fraction != 0.0:
        fraction *= np.float64(unit)
        number = np.trunc(fraction)
        micros += np.int64(number)
        left += fraction - number
    return micros, left, abs(micros) > _LONGEST


@compiled
def timedelta_whole(micros: Word, left: float) -> Word:
    """The microseconds of a length of time whose parts are added: half to even of the whole sum."""
    number = np.rint(left)
    if abs(number - left) == 0.5:
        odd = np.float64(micros & 1)
        number = 2.0 * np.rint((left + odd) * 0.5) - odd
    return micros + np.int64(number)


@compiled
def timedelta_of(x: float, unit: Word) -> tuple[Word, bool]:
    """``timedelta`` of a float in one unit, as microseconds."""
    micros, left, trouble = timedelta_part(0, 0.0, x, unit)
    return timedelta_whole(micros, left), trouble
