"""What the generated source calls: numpy with Python's arithmetic, or `Trouble`.

No function here gives a value that Python would not give.  Where numpy cannot be sure (an int that
might overflow, a division by zero, a text that is no number) it raises; the generated source then
does the batch row by row, and Python itself decides on the value or the exception.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from deep_faker.plan import Array, Type
from deep_faker.plan.storage import Handle, from_python
from deep_faker.times import EARLIEST, LATEST

LOWEST, HIGHEST = -(2**63), 2**63 - 1
EXACT = 2**53  # ints up to here are floats without loss
_SAFE = 2.0**62
_FEW = 48  # below so many rows Python's own round() per value is quicker than eight numpy calls
_DATETIMES = (EARLIEST, LATEST)
_DATES = (-719_162, 2_932_896)


class Trouble(Exception):  # noqa: N818 - no error: it never leaves the generated source
    """Python must decide about this batch."""


def within(a: Array, low: int, high: int) -> Array:
    """``a``, all of whose values are in low..high. `Trouble` where one is not.

    >>> within(np.array([1, 5]), 0, 9).tolist()
    [1, 5]
    """
    if len(a) and ((low > LOWEST and a.min() < low) or (high < HIGHEST and a.max() > high)):
        raise Trouble
    return a


def nonzero(a: Array) -> Array:
    """``a``, none of whose values is 0.

    >>> nonzero(np.array([1, 5])).tolist()
    [1, 5]
    """
    if not a.all():
        raise Trouble
    return a


def add(a: Array, b: Array) -> Array:
    """Sums that fit into 64 bits.

    >>> add(np.array([1, 2]), np.array([10, 20])).tolist()
    [11, 22]
    """
    out = a + b
    # The sign of the result differs from that of both operands only after an overflow.
    wrong = a ^ out
    wrong &= b ^ out
    if len(wrong) and wrong.min() < 0:
        raise Trouble
    return out


def subtract(a: Array, b: Array) -> Array:
    """Differences that fit into 64 bits.

    >>> subtract(np.array([1, 2]), np.array([10, 20])).tolist()
    [-9, -18]
    """
    out = a - b
    wrong = a ^ out
    wrong &= a ^ b
    if len(wrong) and wrong.min() < 0:
        raise Trouble
    return out


def multiply(a: Array, b: Array) -> Array:
    """Products that fit into 64 bits.

    >>> multiply(np.array([3, -2]), np.array([10, 20])).tolist()
    [30, -40]
    """
    out = a * b
    if len(out) and _reach(a) * _reach(b) > HIGHEST:
        # The greatest values need not meet in one row.
        product = a.astype(np.float64)
        product *= b
        if np.abs(product).max() > _SAFE:
            raise Trouble
    return out


def _reach(a: Array) -> int:
    return max(int(a.max()), -int(a.min()))


def whole(a: Array) -> Array:
    """Integral floats as ints.

    >>> whole(np.array([2.0, -0.0])).tolist()
    [2, 0]
    """
    if not (np.abs(a) < _SAFE).all():  # also false for NaN
        raise Trouble
    return a.astype(np.int64)


def not_negative(a: Array) -> Array:
    """``a``, none of whose values is below 0.

    >>> not_negative(np.array([0.0, 2.5])).tolist()
    [0.0, 2.5]
    """
    if (a < 0).any():
        raise Trouble
    return a


def round_to(a: Array, digits: int) -> Array:
    """``round(x, digits)`` of floats, for -15 <= digits <= 15.

    Where x * 10**digits is clearly nearer to one integer than to any other, Python's result is that
    integer over the power of ten, which is one correctly rounded operation.  The few rows near a tie
    (and those too large to tell) are left to Python.  10 ns a value; Python's function takes 350.

    >>> round_to(np.array([2.675, 1.005]), 2).tolist()
    [2.67, 1.0]
    """
    if len(a) < _FEW:
        return np.array([round(x, digits) for x in a.tolist()], np.float64)
    scale = float(10 ** abs(digits))
    scaled = a * scale if digits >= 0 else a / scale
    nearest = np.rint(scaled)
    out = nearest / scale if digits >= 0 else nearest * scale
    scaled -= nearest
    np.abs(scaled, out=scaled)
    np.abs(nearest, out=nearest)
    # The error of scaled is below |scaled| * 2**-53; a distance of 0.5 is a tie.
    doubtful = ~(scaled < 0.5 - (nearest + 1.0) * 2.0**-51)
    if doubtful.any():
        rows = np.flatnonzero(doubtful)
        out[rows] = [round(x, digits) for x in a[rows].tolist()]
    return out


def position(index: Array, length: int) -> Array:
    """Python's index as one from the front.

    >>> position(np.array([0, -1]), 3).tolist()
    [0, 2]
    """
    if len(index) and index.min() < 0:
        index = np.where(index < 0, index + length, index)
    return within(index, 0, length - 1)


def find_keys(keys: Array, a: Array) -> Array:
    """The position of each value in the sorted ``keys``; all must be there.

    >>> find_keys(np.array([10, 20, 30]), np.array([30, 10])).tolist()
    [2, 0]
    """
    if not len(keys):
        raise Trouble
    places = np.searchsorted(keys, a)
    if len(a) and (np.take(keys, places, mode="clip") != a).any():
        raise Trouble
    return places


def among_keys(keys: Array, a: Array) -> Array:
    """Whether each value is among the sorted ``keys``.

    >>> among_keys(np.array([10, 20, 30]), np.array([30, 11])).tolist()
    [True, False]
    """
    if not len(keys):
        return np.zeros(len(a), np.bool_)
    hit: Array = np.take(keys, np.searchsorted(keys, a), mode="clip") == a
    return hit


def datetimes(a: Array) -> Array:
    """Microseconds that are a datetime."""
    return within(a, *_DATETIMES)


def dates(a: Array) -> Array:
    """Days that are a date."""
    return within(a, *_DATES)


def list_datetimes(a: Array) -> list[object]:
    """Microseconds since 1970 as Python's datetimes.

    >>> list_datetimes(np.array([1_000_000]))
    [datetime.datetime(1970, 1, 1, 0, 0, 1)]
    """
    out: list[object] = np.ascontiguousarray(datetimes(a)).view("M8[us]").tolist()
    return out


def list_dates(a: Array) -> list[object]:
    """Days since 1970 as Python's dates.

    >>> list_dates(np.array([31]))
    [datetime.date(1970, 2, 1)]
    """
    out: list[object] = np.ascontiguousarray(dates(a)).view("M8[D]").tolist()
    return out


def list_timedeltas(a: Array) -> list[object]:
    """Microseconds as Python's lengths of time.

    >>> list_timedeltas(np.array([1_500_000]))
    [datetime.timedelta(seconds=1, microseconds=500000)]
    """
    out: list[object] = np.ascontiguousarray(within(a, LOWEST + 1, HIGHEST)).view("m8[us]").tolist()
    return out


def list_entities(a: Array, name: str) -> list[object]:
    """Numbers as entities; -1 is none.

    >>> list_entities(np.array([7, -1]), "User")
    [Handle(entity='User', number=7), None]
    """
    return [None if number < 0 else Handle(name, number) for number in a.tolist()]


def with_none(values: list[object], nulls: Array) -> list[object]:
    """The values, None where the mask says so.

    >>> with_none(["a", "b"], np.array([False, True]))
    ['a', None]
    """
    for row in np.flatnonzero(nulls).tolist():
        values[row] = None
    return values


def store(values: Iterable[object], type_: Type, texts: Sequence[str]) -> tuple[Array, Array | None]:
    """Python's values as a column of the type, and its mask.

    >>> store([1, 2], Type("int"), ())[0].tolist()
    [1, 2]
    """
    return from_python(list(values), type_, texts)


def check(wrong: Array) -> None:
    if wrong.any():
        raise Trouble
