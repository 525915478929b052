"""Keyed draws and exact mathematics for the kernel: bit for bit those of `draws.mix` and `draws.exact`.

Draws and keys are uint64, all other ints int64; counters and keys may be given as either.

>>> from deep_faker.draws.mix import mix1
>>> int(mix(np.uint64(7), np.int64(3), np.int64(1))) == mix1(7, 3, 1)
True
"""

from __future__ import annotations

import math

import numpy as np

from deep_faker.draws.exact import (
    _CENTRE,
    _EXP,
    _EXP_MAX,
    _EXP_MIN,
    _INV_LN2,
    _LN2_HI,
    _LN2_LO,
    _LOG,
    _MIDDLE,
    _SQRT_HALF,
    _TAIL,
)
from deep_faker.draws.mix import _MIX, _ROUNDS, _STEP_A, _STEP_B, RATIO
from deep_faker.simulate.native.kernel.intrinsics import Word, bits, compiled, flt, mulhi

ROUND_WORDS = 2 + 2 * _ROUNDS  # what `permute_rounds` writes

_U = np.uint64
_A, _B, _M = _U(_STEP_A), _U(_STEP_B), _U(_MIX)
_RATIO = _U(RATIO)
_32, _29, _11, _12 = _U(32), _U(29), _U(11), _U(12)
_L0, _L1, _L2, _L3, _L4, _L5, _L6 = _LOG
_E0, _E1, _E2, _E3, _E4 = _EXP
_CENTRE_TOP, _CENTRE_BOTTOM, _MIDDLE_TOP, _MIDDLE_BOTTOM, _TAIL_TOP, _TAIL_BOTTOM = (
    np.array(part) for part in (*_CENTRE, *_MIDDLE, *_TAIL)
)
_FRACTION = (1 << 52) - 1
_HALF_EXPONENT = 1022 << 52  # of floats in [0.5, 1)


@compiled
def mix(key: Word, a: Word, b: Word) -> Word:
    """One 64-bit draw (uint64) for a pair of counters."""
    x = _U(key) + _U(a) * _A + _U(b) * _B
    x = (x ^ (x >> _32)) * _M
    x = (x ^ (x >> _29)) * _M
    x = (x ^ (x >> _32)) * _M
    return x ^ (x >> _29)


@compiled
def counted_from(word: Word, number: Word) -> Word:
    """`draws.mix.counted_from`, as an int64."""
    return np.int64((_U(word) - _U(number)) * _RATIO)


@compiled
def unit(u: Word) -> float:
    """A draw as a float in [0, 1)."""
    return np.float64(np.int64(u >> _11)) * 2.0**-53


@compiled
def open_unit(u: Word) -> float:
    """A draw as a float in (0, 1), symmetric about one half."""
    return (np.float64(np.int64(u >> _12)) + 0.5) * 2.0**-52


@compiled
def below(u: Word, n: Word) -> Word:
    """A draw as an int64 below ``n``, for 1 <= n <= 2**63 - 1."""
    return np.int64(mulhi(u, _U(n)))


@compiled
def permute_rounds(key: Word, size: Word, rounds: Word) -> None:
    """Write what `permute_at` needs for ``range(size)`` to a pointer: `ROUND_WORDS` uint64.

    They are mask, shift, and (addend, odd multiplier) of each round.
    """
    width = 0
    while width < 63 and (np.int64(size) - 1) >> width != 0:
        width += 1
    mask = (_U(1) << _U(width)) - _U(1)
    rounds[0] = mask
    rounds[1] = _U((width + 1) // 2)
    for at in range(_ROUNDS):
        rounds[2 + 2 * at] = mix(key, 2 * at, 0) & mask
        rounds[3 + 2 * at] = (mix(key, 2 * at + 1, 0) & mask) | _U(1)


@compiled
def permute_at(i: Word, size: Word, rounds: Word) -> Word:
    """Element ``i`` (int64) of the permutation of ``range(size)`` whose rounds `permute_rounds` has written.

    For more than 16 elements: smaller permutations are sorted, see `deep_faker.draws.mix.permute`.
    """
    mask, shift, last = rounds[0], rounds[1], _U(size - 1)
    x = _U(i)
    while True:
        for at in range(_ROUNDS):
            x = (x + rounds[2 + 2 * at]) & mask
            x = ((x ^ (x >> shift)) * rounds[3 + 2 * at]) & mask
        x ^= x >> shift
        if x <= last:
            return np.int64(x)


@compiled
def log(x: float) -> float:
    """Natural logarithm of a positive finite float."""
    power = 0
    if x < 2.0**-1022:  # subnormal: the exponent lies in the fraction
        x, power = x * 2.0**54, -54
    word = bits(x)
    mantissa = flt((word & _FRACTION) | _HALF_EXPONENT)
    power += (word >> 52) - 1022
    if mantissa < _SQRT_HALF:
        mantissa += mantissa
        power -= 1
    f = mantissa - 1.0
    k = np.float64(power)
    s = f / (2.0 + f)
    z = s * s
    r = ((((((_L6 * z + _L5) * z + _L4) * z + _L3) * z + _L2) * z + _L1) * z + _L0) * z
    half = 0.5 * f * f
    return k * _LN2_HI - ((half - (s * (half + r) + k * _LN2_LO)) - f)


@compiled
def exp(x: float) -> float:
    """The exponential; infinity above 709.78, zero below -745."""
    if x > _EXP_MAX:
        return math.inf
    if x < _EXP_MIN:
        return 0.0
    if math.isnan(x):  # nan has no integer below it
        return x
    whole = np.rint(x * _INV_LN2)
    hi, lo = x - whole * _LN2_HI, whole * _LN2_LO
    r = hi - lo
    t = r * r
    c = r - t * ((((_E4 * t + _E3) * t + _E2) * t + _E1) * t + _E0)
    y = 1.0 - ((lo - (r * c) / (2.0 - c)) - hi)
    k = np.int64(whole)
    # Two exact steps at most before the one that rounds: a power of two that is no float of its own.
    if k > 1000:
        y, k = y * 2.0**1000, k - 1000
    elif k < -1000:
        return (y * flt((k + 1000 + 1023) << 52)) * 2.0**-1000
    return y * flt((k + 1023) << 52)


@compiled
def _centre(x: float) -> float:
    top, bottom = _CENTRE_TOP[0], _CENTRE_BOTTOM[0]
    for at in range(1, 8):
        top = top * x + _CENTRE_TOP[at]
        bottom = bottom * x + _CENTRE_BOTTOM[at]
    return top / bottom


@compiled
def _outer(root: float) -> float:
    if root > 5.0:
        x = root - 5.0
        top, bottom = _TAIL_TOP[0], _TAIL_BOTTOM[0]
        for at in range(1, 8):
            top = top * x + _TAIL_TOP[at]
            bottom = bottom * x + _TAIL_BOTTOM[at]
        return top / bottom
    x = root - 1.6
    top, bottom = _MIDDLE_TOP[0], _MIDDLE_BOTTOM[0]
    for at in range(1, 8):
        top = top * x + _MIDDLE_TOP[at]
        bottom = bottom * x + _MIDDLE_BOTTOM[at]
    return top / bottom


@compiled
def normal_from_unit(p: float) -> float:
    """Standard normal quantile of a float in (0, 1)."""
    q = p - 0.5
    r = 0.180625 - q * q
    if not r < 0.0:
        return q * _centre(r)
    value = _outer(math.sqrt(-log(min(p, 1.0 - p))))
    return -value if q < 0.0 else value


@compiled
def exponential_from_unit(p: float) -> float:
    """Exponential variate of mean 1 from a float in (0, 1)."""
    return -log(p)
