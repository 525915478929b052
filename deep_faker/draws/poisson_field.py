"""A Poisson field: points strewn evenly over (time × height), so many as there may ever be arrivals.

The points below a curve λ(t) are a Poisson process of that rate, whatever the curve (thinning, after Lewis
and Shedler 1979). As a point is drawn for the place where it lies, and not for the curve, a longer run keeps
every point of a shorter one, a curve that is changed for an hour changes that hour alone, and the points
below a lower curve are some of those below a higher one.

The plane is cut into cells that are drawn each by itself: bands of height 0 to 1, 1 to 2, 2 to 4, 4 to 8, …
(in points for each 2**32 µs, 71.6 minutes), cut in time at multiples of 2**32 µs since the epoch, and from
band 17 on of ever less, so that no cell has more than some 2**15 points.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from deep_faker.draws.distributions.poisson import poisson
from deep_faker.draws.mix import F64, I64, U64, Draws, mix

UNIT = 32  # heights count points in 2**32 µs; the longest cells last as long
FULL = 15  # a cell has 2**15 points at most, on average
A_SECOND = 2.0**UNIT / 1e6
"""The height of one point a second."""

_LOW = np.uint64((1 << 32) - 1)


class Points(NamedTuple):
    """Points of the field: ``clock`` in µs since the epoch, ``height``, and a 64-bit ``word`` of its own."""

    clock: I64
    height: F64
    word: U64


def bands(height: float) -> int:
    """How many bands reach up to a height.

    >>> [bands(height) for height in (0.0, 0.3, 1.0, 1.5, 2.0, 1000.0)]
    [0, 1, 1, 2, 2, 11]
    """
    if height <= 0:
        return 0
    return 1 + max(0, int(np.ceil(np.log2(height))))


def points(draws: Draws, name: str, begin: int, end: int, height: float) -> Points:
    """All points of the field ``name`` from ``begin`` to before ``end`` (µs) and below ``height``, and more.

    In the order of bands, then of time; the other ones lie above, in the highest band that is needed.

    >>> field = points(Draws(1), "visit", 0, 2**32, 100.0)
    >>> len(field.clock), bool((field.height < 128).all())
    (125, True)
    >>> shorter = points(Draws(1), "visit", 0, 2**31, 100.0)
    >>> set(shorter.word.tolist()) == set(field.word[field.clock < 2**31].tolist())
    True
    """
    parts = [_band(draws, name, band, begin, end) for band in range(bands(height))]
    if not parts:
        return Points(np.empty(0, np.int64), np.empty(0), np.empty(0, np.uint64))
    return Points(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _band(draws: Draws, name: str, band: int, begin: int, end: int) -> Points:
    low, high = (0.0, 1.0) if band == 0 else (2.0 ** (band - 1), 2.0**band)
    finer = max(0, band - 1 - FULL)
    shift = UNIT - finer
    cells = np.arange(begin >> shift, ((end - 1) >> shift) + 1)
    drawn = mix(draws.key("field", name, "count", band), cells.view(np.uint64))
    counts = poisson(drawn, (high - low) / 2.0**finer)
    cell = np.repeat(cells, counts)
    place = np.arange(len(cell)) - np.repeat(np.cumsum(counts) - counts, counts)
    word = mix(draws.key("field", name, "point", band), cell.view(np.uint64), place.view(np.uint64))
    # the upper half of a word is the time within the cell, the lower one the height within the band
    clock: I64 = (cell << shift) + (word >> np.uint64(64 - shift)).view(np.int64)
    within = (clock >= begin) & (clock < end)
    if not within.all():
        clock, word = clock[within], word[within]
    height = low + (high - low) * (((word & _LOW).astype(np.float64) + 0.5) * 2.0**-32)
    return Points(clock, height, word)
