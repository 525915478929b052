"""Python's arithmetic on words: every value is Python's, and where there is none, or no word holds it, trouble."""

from __future__ import annotations

import math
import operator
from datetime import timedelta

import numpy as np
import pytest

from deep_faker.expressions.times import float_micros
from deep_faker.simulate.native.kernel import numerics
from deep_faker.simulate.native.kernel.intrinsics import add_checked, compiled, mul_checked, sub_checked
from tests.support.native.inputs import (
    LEAST,
    MOST,
    N,
    differing,
    everyday_floats,
    keyed_floats,
    keyed_ints,
    tried,
)

UNITS = {"microseconds": 1, "milliseconds": 1000, "seconds": 10**6, "minutes": 6 * 10**7, "hours": 36 * 10**8}
UNITS |= {"days": 864 * 10**8, "weeks": 6048 * 10**8}


def python(function, *columns):
    """Python's answers, None where it raises or where no word holds the int."""
    out = []
    for row in zip(*(column.tolist() for column in columns)):
        try:
            value = function(*row)
        except (ZeroDivisionError, OverflowError, ValueError):
            value = None
        out.append(value if not isinstance(value, int) or LEAST <= value <= MOST else None)
    return out


def agree(function, oracle, *columns, kind, needless=lambda *row: False):
    """The compiled function gives Python's values, or trouble: where it must, and where ``needless`` says."""
    values, trouble = tried(function, *columns, kind=kind)
    want = python(oracle, *columns)
    unwanted = np.array([value is None for value in want])
    assert not (unwanted & ~trouble).any(), np.flatnonzero(unwanted & ~trouble)[:5]
    for row in np.flatnonzero(trouble & ~unwanted).tolist():
        assert needless(*(column[row].item() for column in columns)), [column[row] for column in columns]
    good = ~trouble
    assert not differing(values[good], np.array(want, object)[good].astype(kind))
    assert good.sum() > len(good) // 10


def pairs(make, a, b):
    """All pairs of edges, then keyed ones."""
    left, right = make(a), make(b)
    edges = len(left) - N
    x, y = np.meshgrid(left[:edges], right[:edges])
    return np.concatenate([x.ravel(), left[edges:]]), np.concatenate([y.ravel(), right[edges:]])


@pytest.mark.parametrize(
    ("function", "oracle"),
    [
        (add_checked, operator.add),
        (sub_checked, operator.sub),
        (mul_checked, operator.mul),
        (numerics.floor_divide, operator.floordiv),
        (numerics.modulo, operator.mod),
    ],
    ids="+ - * // %".split(),
)
def test_ints(function, oracle):
    """Operators of ints, with trouble exactly where Python raises or leaves 64 bits."""
    agree(function, oracle, *pairs(keyed_ints, 21, 22), kind=np.int64)


def test_quotients_of_ints():
    """``/`` of ints: trouble by zero, and beyond 2**53, where Python rounds the exact quotient."""
    agree(
        numerics.divide_ints,
        operator.truediv,
        *pairs(keyed_ints, 23, 24),
        kind=np.float64,
        needless=lambda a, b: max(abs(a), abs(b)) > 2**53,
    )


@pytest.mark.parametrize(
    ("function", "oracle"),
    [
        (numerics.divide, operator.truediv),
        (numerics.floor_divide_floats, operator.floordiv),
        (numerics.modulo_floats, operator.mod),
    ],
    ids="/ // %".split(),
)
def test_floats(function, oracle):
    """Operators of floats, with trouble exactly at a division by zero."""
    agree(function, oracle, *pairs(keyed_floats, 25, 26), kind=np.float64)


@pytest.mark.parametrize(
    ("function", "oracle"), [(np.trunc, int), (np.floor, math.floor), (np.ceil, math.ceil), (np.rint, round)]
)
def test_floats_to_ints(function, oracle):
    """int(), floor, ceil and round without digits."""

    @compiled
    def whole(x):
        return numerics.to_int(function(x))

    floats = keyed_floats(27)
    agree(whole, oracle, floats, kind=np.int64, needless=lambda x: x == -(2.0**63))


def near_ties(digits):
    """Floats beside decimal ties, some of them exactly there, and all other kinds; and the power of ten."""
    counts = (np.arange(N) - N // 2).astype(np.float64)
    ties = (counts + 0.5) / 10.0**digits if digits >= 0 else (counts + 0.5) * 10.0**-digits
    large = everyday_floats(29) * 2.0**42 / 10.0**digits  # up to 2**54 scaled: the last digits of a float
    beside = [np.nextafter(ties, 0), np.nextafter(ties, math.inf)]
    floats = np.concatenate([keyed_floats(28), ties, *beside, large, counts / 8])
    return floats, np.full(len(floats), 10.0 ** abs(digits))


@compiled
def scaled(x, scale):
    return numerics.round_scaled(x, scale), False


@pytest.mark.slow
@pytest.mark.parametrize("digits", [0, 1, 2, 3, 6, 15, 22])
def test_rounding(digits):
    """round(x, n) for n from 0 to 22 is always Python's: ties are judged by the exact product."""
    agree(scaled, lambda x, _: round(x, digits), *near_ties(digits), kind=np.float64)


@pytest.mark.slow
@pytest.mark.parametrize("digits", [-1, -2, -5, -22])
def test_rounding_to_tens(digits):
    """round(x, -n): trouble only for floats with no digits to lose."""
    agree(
        numerics.round_tens,
        lambda x, _: round(x, digits),
        *near_ties(digits),
        kind=np.float64,
        needless=lambda x, _: abs(x) >= 2.0**52 * 10.0**-digits,
    )


def test_rounding_to_any_digits():
    """The number of digits may come from the flow; beyond 22 Python decides."""
    floats = keyed_floats(30)
    digits = np.resize(
        [*range(-23, 25), 300, 323, 324, 400, -308, -309, -400, MOST, LEAST + 1, LEAST], len(floats)
    )
    agree(
        numerics.round_digits,
        round,
        floats,
        digits,
        kind=np.float64,
        needless=lambda x, n: n > 22 or n < -22 or abs(x) >= 2.0**52 * 10.0**-n,
    )


@pytest.mark.parametrize("unit", UNITS)
def test_lengths_of_time(unit):
    """timedelta(unit=float), to the microsecond; trouble where no word or no timedelta holds it."""
    micro = UNITS[unit]
    odd = np.arange(20_001) / 2 / micro
    floats = np.concatenate([keyed_floats(31), odd, -odd])
    agree(
        numerics.timedelta_of,
        lambda x, _: timedelta(**{unit: x}) // timedelta(microseconds=1),
        floats,
        np.full(len(floats), micro),
        kind=np.int64,
        needless=lambda x, _: abs(x) * micro >= 2.0**62,
    )


def test_lengths_of_time_in_several_units():
    """Fractions of a microsecond are added up before they are rounded."""

    @compiled
    def micros(x, y, n):
        total, left, trouble = numerics.timedelta_part(n, 0.0, x, 1000)
        total, left, wrong = numerics.timedelta_part(total, left, y, 60_000_000)
        return numerics.timedelta_whole(total, left), trouble or wrong

    ints = keyed_ints(33) % 1000
    halves = np.round(everyday_floats(31)) / 2000
    x = np.concatenate([keyed_floats(31), halves])
    y = np.concatenate([keyed_floats(32)[::-1], everyday_floats(32) / 6e7])
    n = np.resize(ints, len(x))
    agree(
        micros,
        lambda x, y, n: timedelta(microseconds=n, milliseconds=x, minutes=y) // timedelta(microseconds=1),
        x,
        y,
        n,
        kind=np.int64,
        needless=lambda x, y, n: max(abs(x) * 1e3, abs(y) * 6e7) >= 2.0**61,
    )
    few = (np.abs(x) < 1e6) & (np.abs(y) < 1e6)
    want = float_micros(n[few], int(few.sum()), (x[few], 1000), (y[few], 60_000_000))
    assert not differing(tried(micros, x[few], y[few], n[few], kind=np.int64)[0], want)
