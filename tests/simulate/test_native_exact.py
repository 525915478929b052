"""The kernel's draws and exact mathematics: bit for bit those of `draws.mix` and `draws.exact`."""

from __future__ import annotations

import math

import numpy as np
import pytest

from deep_faker.draws import exact as exactmath
from deep_faker.draws import mix as draws
from deep_faker.simulate.native.kernel import exact
from deep_faker.simulate.native.kernel.intrinsics import (
    bits,
    compiled,
    flt,
    fma,
    mulhi,
    pf64,
    pi64,
    prefetch,
    pu64,
)
from tests.support.native.inputs import (
    COUNTERS,
    DRAWS,
    EDGE_INTS,
    applied,
    differing,
    keyed_floats,
    keyed_ints,
)

# Shares of open_unit, and its least and largest value
SHARES = np.concatenate([[2.0**-53, 1 - 2.0**-53, 0.075, 0.925, 0.5], draws.open_unit(DRAWS)])


def test_mix_for_counters_of_any_sign_and_width():
    """A draw is that of its key and counters, given as int64 or uint64 words."""
    keys, a, b = DRAWS, np.resize(keyed_ints(3), len(DRAWS)), np.resize(keyed_ints(4), len(DRAWS))
    want = [draws.mix1(*row) for row in zip(keys[:3000].tolist(), a.tolist(), b.tolist())]
    got = applied(exact.mix, keys, a, b, kind=np.uint64)
    assert got[:3000].tolist() == want
    assert not differing(applied(exact.mix, keys.view(np.int64), a, b, kind=np.uint64), got)

    @compiled
    def keyed(i):
        return exact.mix(exact._U(42), i, 7)

    assert not differing(applied(keyed, COUNTERS, kind=np.uint64), draws.mix(42, COUNTERS, 7))


def test_units():
    """Draws as floats, half open and open."""
    assert not differing(applied(exact.unit, DRAWS), draws.unit(DRAWS))
    assert not differing(applied(exact.open_unit, DRAWS), draws.open_unit(DRAWS))


def test_below_for_every_width():
    """Draws below a bound of any width up to 2**63 - 1."""
    bounds = np.resize(np.maximum(np.abs(np.maximum(keyed_ints(5), -(2**63) + 1)), 1), len(DRAWS))
    got = applied(exact.below, DRAWS, bounds, kind=np.int64)
    assert not differing(got, draws.below(DRAWS, bounds).view(np.int64))
    assert got[:3000].tolist() == [draws.below1(*row) for row in zip(DRAWS[:3000].tolist(), bounds.tolist())]


@compiled
def permuted(key, size, places, out, room):
    exact.permute_rounds(key, size, pu64(room))
    for at in range(len(out)):
        out[at] = exact.permute_at(places[at], size, pu64(room))


@pytest.mark.parametrize(
    "size",
    [17, 31, 32, 33, 1000, 65_536, 2**32 - 1, 2**32, 2**32 + 1, 3 * 2**40, 2**62, 2**62 + 1, 2**63 - 1],
)
def test_permutations(size):
    """Elements of keyed permutations: words of 64 bits give what words of 32 give."""
    room = np.zeros(exact.ROUND_WORDS, np.uint64)
    places = draws.below(DRAWS, size).view(np.int64)
    for key in (0, 3, 2**64 - 1):
        out = np.empty(len(places), np.int64)
        permuted(np.uint64(key), size, places, out, room.ctypes.data)
        mask, shift, rounds = draws._rounds(key, size)
        assert room.tolist() == [mask, shift, *(word for pair in rounds for word in pair)]
        assert not differing(out, draws.permute(key, places, size).view(np.int64))


def test_logarithm():
    """Of all positive finite floats, subnormal ones included."""
    values = np.abs(np.concatenate([SHARES, keyed_floats(6)]))
    values = values[np.isfinite(values) & (values > 0)]
    got = applied(exact.log, values)
    assert not differing(got, exactmath.log_(values))
    edges = values[values < 1e-300]
    assert 5e-324 in edges
    assert not differing(applied(exact.log, edges), np.array([exactmath.log1_(x) for x in edges.tolist()]))


def test_exponential():
    """Of all floats, with subnormal results, zero and infinity."""
    spread = (DRAWS >> np.uint64(11)).astype(np.float64) * (1500 * 2.0**-53) - 750
    values = np.concatenate(
        [keyed_floats(7), spread, np.linspace(-745.2, -707, 5001), np.linspace(708, 709.9, 5001)]
    )
    got = applied(exact.exp, values)
    some = np.r_[0:3000, len(values) - 20_000 : len(values)]
    assert not differing(got[some], np.array([exactmath.exp1_(x) for x in values[some].tolist()]))
    numbers = ~np.isnan(values)
    assert not differing(got[numbers], exactmath.exp_(values[numbers]))


@pytest.mark.slow
def test_quantiles():
    """The normal and the exponential quantile, centre, middle and tails."""
    tails = np.concatenate([np.exp(np.linspace(-36.7, -1, 20_001)), SHARES])
    tails = np.concatenate([tails, 1 - tails[tails < 0.5]])
    assert not differing(applied(exact.normal_from_unit, tails), exactmath.normal_from_unit(tails))
    assert not differing(applied(exact.exponential_from_unit, tails), exactmath.exponential_from_unit(tails))
    some = tails[:3000]
    want = [exactmath.normal_from_unit1(p) for p in some.tolist()]
    assert not differing(applied(exact.normal_from_unit, some), np.array(want))


def test_bits_and_floats():
    """A float's bits and back; products and sums that are rounded once."""
    floats = keyed_floats(8)
    assert not differing(applied(bits, floats, kind=np.int64), floats.view(np.int64))
    assert not differing(applied(flt, floats.view(np.int64)), floats)
    a, b = 1 + 2.0**-30, 1 - 2.0**-30
    assert applied(fma, *(np.array([x]) for x in (a, b, -1.0))).tolist() == [-(2.0**-60)]
    a, b = DRAWS, DRAWS[::-1].copy()
    want = [x * y >> 64 for x, y in zip(a[:3000].tolist(), b[:3000].tolist())]
    assert applied(mulhi, a, b, kind=np.uint64)[:3000].tolist() == want


def test_pointers():
    """Addresses as typed pointers: what one writes, numpy reads; a prefetch of any address is harmless."""

    @compiled
    def shift(ints, words, floats, n):
        for at in range(n):
            prefetch(ints + 8 * at + 4096)
            pi64(ints)[at] = -at
            pu64(words)[at] = pu64(words)[at] + exact._U(1)
            pf64(floats)[at] = pf64(floats)[n - 1 - at] + 0.5

    ints, words, floats = np.zeros(3, np.int64), np.full(3, 2**64 - 1, np.uint64), np.zeros(3)
    shift(ints.ctypes.data, words.ctypes.data, floats.ctypes.data, 3)
    assert ints.tolist() == [0, -1, -2]
    assert words.tolist() == [0, 0, 0]
    assert floats.tolist() == [0.5, 0.5, 1.0]


def test_edges_are_among_the_inputs():
    """What this file promises to try is tried."""
    assert {2**53 - 1, 2**53 + 1, 2**63 - 1, -(2**63)} <= set(EDGE_INTS) & set(keyed_ints(1).tolist())
    floats = keyed_floats(1)
    assert {0.0, 5e-324, math.inf, -math.inf} <= set(floats.tolist())
    assert np.isnan(floats).any()
    assert np.signbit(floats[floats == 0]).any()
