"""What ranges of an array come to: sums, extremes, different values, for many ranges at once.

Each takes time for the array and for the ranges, not for how long the ranges are, and no more memory than a
few arrays: levels of a table are made one after the other, and each answers what it can.
"""

from __future__ import annotations

from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from deep_faker.features.search import CHUNK, I64

F64: TypeAlias = npt.NDArray[np.float64]


_N = TypeVar("_N", np.int64, np.float64)


def running(values: npt.NDArray[_N]) -> npt.NDArray[_N]:
    """Sums before each place, and of all: shape (n + 1,).

    >>> running(np.array([2, 3])).tolist()
    [0, 2, 5]
    """
    out = np.zeros(len(values) + 1, values.dtype)
    np.cumsum(values, out=out[1:])
    return out


class FloatSums:
    """Sums of ranges of floats, as exact as if each had been summed alone.

    Differences of a running sum lose the digits that the sum before them takes. So each value is cut in two:
    a whole number of some unit, whose running sums are exact, and a rest too small to matter.

    >>> values = np.array([1e9, 0.1, 0.2])
    >>> FloatSums(values).of(np.array([1, 0]), np.array([3, 0])).tolist()
    [0.30000000000000004, 0.0]
    """

    def __init__(self, values: F64) -> None:
        self._odd = None
        with np.errstate(invalid="ignore", over="ignore"):
            seems_finite = np.isfinite(values.sum())  # then all are
        if not seems_finite:
            finite = np.isfinite(values)
            kinds = (np.isnan(values), values == np.inf, values == -np.inf)
            self._odd = [running(kind.astype(np.int64)) for kind in kinds]
            values = np.where(finite, values, 0.0)
        most = max(float(values.max(initial=0.0)), -float(values.min(initial=0.0)))
        room = 62 - max(len(values), 1).bit_length()
        self._unit = room - int(np.frexp(most)[1]) if most else 0
        # a unit beyond the range of exponents would make 0 times infinity of the smallest values
        self._unit = min(self._unit, 1000)
        self._whole = np.zeros(len(values) + 1, np.int64)
        self._rest = np.zeros(len(values) + 1)
        for at in range(0, len(values), CHUNK):
            piece = values[at : at + CHUNK]
            whole = np.rint(np.ldexp(piece, self._unit))
            self._whole[at + 1 : at + 1 + len(piece)] = whole
            self._rest[at + 1 : at + 1 + len(piece)] = piece - np.ldexp(whole, -self._unit)
        np.cumsum(self._whole, out=self._whole)
        np.cumsum(self._rest, out=self._rest)

    def of(self, first: I64, last: I64) -> F64:
        """The sum of each range, 0 for an empty one; NaN and infinities as addition has them."""
        sums: F64 = np.ldexp((self._whole[last] - self._whole[first]).astype(np.float64), -self._unit)
        sums += self._rest[last] - self._rest[first]
        if self._odd is not None:
            nan, above, below = (kind[last] > kind[first] for kind in self._odd)
            sums[above], sums[below] = np.inf, -np.inf
            sums[nan | (above & below)] = np.nan
        return sums


def extremes(
    values: npt.NDArray[np.generic], first: I64, last: I64, *, least: bool
) -> npt.NDArray[np.generic]:
    """The least or greatest value of each range, which must not be empty; NaN only where all are NaN.

    >>> extremes(np.array([3, 1, 2]), np.array([0, 2]), np.array([3, 3]), least=True).tolist()
    [1, 2]
    """
    better = np.fmin if least else np.fmax
    out = np.empty(len(first), values.dtype)
    levels = np.frexp((last - first).astype(np.float64))[1] - 1
    table = values
    for level in range(int(levels.max(initial=-1)) + 1):
        if level:  # of the 2**level values from each place on
            half = 1 << (level - 1)
            table = better(table[:-half], table[half:])
        here = np.flatnonzero(levels == level)
        out[here] = better(table[first[here]], table[last[here] - (1 << level)])
    return out


def different(group: I64, value: I64, first: I64, last: I64) -> I64:
    """How many different values each range has. Groups lie together, and each range within one group.

    A value counts where it comes first in the range: where the one before it, if any, lies before the range.
    So this counts the places of a range whose ``before`` is below a bound, bit by bit from the highest.

    >>> different(np.zeros(4, int), np.array([7, 8, 7, 7]), np.array([0, 1, 2]), np.array([4, 4, 4])).tolist()
    [2, 2, 1]
    """
    before = _same_before(group, value)
    start = np.zeros(len(group), np.int64)
    begins = np.flatnonzero(np.diff(group, prepend=-1))
    start[begins] = begins
    np.maximum.accumulate(start, out=start)
    table = np.where(before < 0, 0, before - start + 1)  # from 1 on within the group; 0: there is none
    counts = np.zeros(len(first), np.int64)
    some = np.flatnonzero(first < last)
    low, high = first[some], last[some]
    bound = low - start[low] + 1  # below it: before the range
    bits = int(table.max(initial=0)).bit_length()
    all_ = bound >> bits > 0
    counts[some[all_]] = (high - low)[all_]
    some, low, high, bound = (array[~all_] for array in (some, low, high, bound))
    for bit in range(bits - 1, -1, -1):
        set_ = (table >> bit & 1).astype(bool)
        zeros = running((~set_).astype(np.int64))
        up = (bound >> bit & 1).astype(bool)
        zero_low, zero_high = zeros[low], zeros[high]
        counts[some[up]] += (zero_high - zero_low)[up]
        low = np.where(up, zeros[-1] + low - zero_low, zero_low)
        high = np.where(up, zeros[-1] + high - zero_high, zero_high)
        table = np.concatenate([table[~set_], table[set_]])
    return counts


def _same_before(group: I64, value: I64) -> I64:
    """The place of the last equal value of the same group before each place; -1 where there is none."""
    order = np.lexsort((value, group))
    same = (group[order[1:]] == group[order[:-1]]) & (value[order[1:]] == value[order[:-1]])
    before = np.full(len(group), -1, np.int64)
    before[order[1:][same]] = order[:-1][same]
    return before
