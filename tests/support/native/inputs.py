"""Inputs of the native engine's functions, loops that compile, and comparison by bits."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

from deep_faker.draws.mix import mix

pytest.importorskip("numba")

from deep_faker.simulate.native.kernel.intrinsics import compiled

N = 200_000
MOST, LEAST = 2**63 - 1, -(2**63)
COUNTERS = np.arange(N, dtype=np.uint64)
EDGE_DRAWS = [
    0,
    1,
    2,
    2**11 - 1,
    2**11,
    2**12,
    2**32,
    2**62,
    2**63 - 1,
    2**63,
    2**64 - 2**12,
    2**64 - 2,
    2**64 - 1,
]
DRAWS = np.concatenate([np.array(EDGE_DRAWS, np.uint64), mix(17, COUNTERS)])
EDGE_INTS = [
    0,
    1,
    2,
    3,
    5,
    7,
    10,
    16,
    17,
    100,
    2**31,
    2**32 - 1,
    2**32,
    2**52,
    2**53 - 1,
    2**53,
    2**53 + 1,
    2**61,
    2**62,
    MOST,
]
EDGE_INTS = [*EDGE_INTS, *(-n for n in EDGE_INTS[1:]), LEAST, LEAST + 1]
EDGE_FLOATS = [
    0.0,
    5e-324,
    1e-310,
    2.2250738585072014e-308,
    1e-300,
    1e-18,
    2.0**-53,
    0.1,
    0.125,
    0.25,
    0.49999999999999994,
    0.5,
]
EDGE_FLOATS += [
    0.675,
    0.7071067811865476,
    0.9999999999999999,
    1.0,
    1.5,
    2.5,
    2.675,
    3.0,
    4.5,
    10.0,
    25.0,
    709.78,
    709.7800000000001,
]
EDGE_FLOATS += [
    745.0,
    745.2,
    1e15,
    2.0**52 - 0.5,
    2.0**52,
    2.0**53 - 1,
    2.0**53,
    2.0**53 + 2,
    2.0**63,
    1e19,
    1e22,
    1e300,
]
EDGE_FLOATS += [1.7976931348623157e308, math.inf]
EDGE_FLOATS = [*EDGE_FLOATS, *(-x for x in EDGE_FLOATS), math.nan]


def keyed_ints(key: int) -> np.ndarray:
    """Edges, then ints of every width."""
    wide = mix(key, COUNTERS).view(np.int64)
    return np.concatenate(
        [np.array(EDGE_INTS), wide >> (mix(key, COUNTERS, 1) % np.uint64(64)).astype(np.int64)]
    )


def everyday_floats(key: int) -> np.ndarray:
    """Floats between -4096 and 4096, of all their bits."""
    return (mix(key, COUNTERS) >> np.uint64(11)).astype(np.float64) * 2.0**-40 - 2.0**12


def keyed_floats(key: int) -> np.ndarray:
    """Edges, then a third each of any bits, of everyday sizes, and of few decimals."""
    words = mix(key, COUNTERS)
    everyday = everyday_floats(key)
    decimals = np.round(everyday, 2) + 0.005
    third = COUNTERS % np.uint64(3)
    mixed = np.where(third == 0, words.view(np.float64), np.where(third == 1, everyday, decimals))
    return np.concatenate([np.array(EDGE_FLOATS), mixed])


@cache
def _values(function, columns):
    """A compiled loop that writes what a function of ``columns`` values gives."""
    if columns == 1:

        @compiled
        def loop(a, out):
            for at in range(len(out)):
                out[at] = function(a[at])

    elif columns == 2:

        @compiled
        def loop(a, b, out):
            for at in range(len(out)):
                out[at] = function(a[at], b[at])

    else:

        @compiled
        def loop(a, b, c, out):
            for at in range(len(out)):
                out[at] = function(a[at], b[at], c[at])

    return loop


@cache
def _tries(function, columns):
    """A compiled loop for a function that gives (value, trouble)."""
    if columns == 1:

        @compiled
        def loop(a, out, trouble):
            for at in range(len(out)):
                out[at], trouble[at] = function(a[at])

    elif columns == 2:

        @compiled
        def loop(a, b, out, trouble):
            for at in range(len(out)):
                out[at], trouble[at] = function(a[at], b[at])

    elif columns == 3:

        @compiled
        def loop(a, b, c, out, trouble):
            for at in range(len(out)):
                out[at], trouble[at] = function(a[at], b[at], c[at])

    else:

        @compiled
        def loop(a, b, c, d, out, trouble):
            for at in range(len(out)):
                out[at], trouble[at] = function(a[at], b[at], c[at], d[at])

    return loop


def _spread(columns):
    """Single numbers as columns of that one number."""
    return [np.ascontiguousarray(column) for column in np.broadcast_arrays(*columns)]


def applied(function, *columns, kind=np.float64):
    """A function of one value each over whole columns (or single numbers), in one compiled loop."""
    columns = _spread(columns)
    out = np.empty(len(columns[0]), kind)
    _values(function, len(columns))(*columns, out)
    return out


def tried(function, *columns, kind=np.float64):
    """The same of a function that gives (value, trouble): both as columns."""
    columns = _spread(columns)
    out, trouble = np.empty(len(columns[0]), kind), np.empty(len(columns[0]), np.bool_)
    _tries(function, len(columns))(*columns, out, trouble)
    return out, trouble


def differing(got, want) -> list[int]:
    """Rows that differ in any bit; one nan is as good as another."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.dtype == want.dtype
    assert got.shape == want.shape
    if got.dtype == np.float64:
        same = (got.view(np.int64) == want.view(np.int64)) | (np.isnan(got) & np.isnan(want))
    else:
        same = got == want
    return np.flatnonzero(~same).tolist()
