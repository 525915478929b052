"""The kernel's distributions and waiting times: bit for bit `variates` and `to_micros`."""

from __future__ import annotations

import math

import numpy as np
import pytest

from deep_faker.draws.distributions import poisson
from deep_faker.draws.distributions.registry import FAMILIES, PARAMETERS
from deep_faker.draws.distributions.variates import variate1, variates
from deep_faker.draws.to_micros import LONGEST, plainly_right, to_micros, to_micros1, wait_micros
from deep_faker.simulate import computed
from deep_faker.simulate.native.kernel import waits as native
from deep_faker.simulate.native.kernel.intrinsics import compiled, pf64
from deep_faker.simulate.native.wait_tables import KINDS, table_of
from deep_faker.times import LATEST
from tests.support.native.inputs import (
    COUNTERS,
    DRAWS,
    MOST,
    applied,
    differing,
    everyday_floats,
    keyed_floats,
    keyed_ints,
    tried,
)

UNITS = (1, 1_000_000, 3_600_000_000)
NUMBERS = {kind: number for number, kind in enumerate(KINDS)}
FLOATS = [
    ("exponential", (30.0,)),
    ("exponential", (0,)),
    ("lognormal", (3.0, 0.5)),
    ("lognormal", (-2, 0)),
    ("uniform", (5, 10)),
    ("uniform", (0.25, 0.75)),
    ("normal", (60, 15.5)),
    ("normal", (-5.0, 3.0)),
    ("gamma", (2, 30.0)),
    ("gamma", (0.3, 1.0)),
    ("gamma", (0.001, 5.0)),
    ("beta", (2, 5)),
    ("beta", (0.05, 0.3)),
    ("pareto", (1.5, 2.0)),
    ("weibull", (30.0, 0.7)),
    ("weibull", (0, 0.1)),
]
TABLES = [
    ("poisson", (0,)),
    ("poisson", (3.5,)),
    ("poisson", (1e4,)),
    ("zipf", (1.1, 1000)),
    ("zipf", (0, 1)),
]
CHOICES = [((1, 2.5, 60), (1, 0, 3)), ((0.1,), None), (tuple(range(100)), None)]


def doubles(params):
    return tuple(map(float, (*params, 0.0)[:2]))


@pytest.mark.parametrize(("kind", "params"), FLOATS)
def test_floats(kind, params):
    """Values of every distribution of floats."""
    got, trouble = tried(native.float_variate, NUMBERS[kind], DRAWS, *doubles(params))
    assert not trouble.any()
    assert not differing(got, variates(kind, params, DRAWS))


@pytest.mark.parametrize(("kind", "params"), TABLES)
def test_counts_from_tables(kind, params):
    """Counts, from the table that Python made."""
    table = table_of(kind, params, 1)
    got = applied(native.table_variate, DRAWS, table.ctypes.data, kind=np.int64)
    assert not differing(got, variates(kind, params, DRAWS))


@compiled
def all_waits(kind, key, flows, action, a, b, unit, table, out, trouble):
    for at in range(len(out)):
        u = native.mix(key, flows[at], action)
        out[at], trouble[at] = native.wait_micros(kind, u, a, b, unit, table)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(("kind", "params"), [*FLOATS, *TABLES, *(("choice", params) for params in CHOICES)])
def test_waits(kind, params, unit):
    """Waiting times of every distribution in microseconds, never negative."""
    table = table_of(kind, params, unit) if NUMBERS[kind] >= NUMBERS["poisson"] else np.zeros(1, np.int64)
    a, b = doubles(params) if kind != "choice" else (0.0, 0.0)
    out, trouble = np.empty(len(COUNTERS), np.int64), np.empty(len(COUNTERS), np.bool_)
    all_waits(NUMBERS[kind], np.uint64(99), COUNTERS, 7, a, b, unit, table.ctypes.data, out, trouble)
    assert not trouble.any()
    assert out.min() >= 0
    assert not differing(out, wait_micros(kind, params, unit, 99, COUNTERS, 7))


def right_columns(kind):
    """Parameters of every size that make a distribution, the least allowed first."""
    shapes = {"gamma": (0.001, 0.0), "beta": (0.001, 0.001), "pareto": (0.1, 0.0), "weibull": (0.0, 0.1)}
    least = shapes.get(kind, (0.0, 0.0))
    a, b = (np.exp2(everyday_floats(key)[:30_000] / 400) + low for key, low in zip((70, 71), least))
    a[0], b[0] = least
    if kind in ("lognormal", "normal"):
        a -= 8.0
    if kind == "uniform":
        a, b = np.minimum(a, b), np.maximum(a, b)
    return a, b


@pytest.mark.parametrize("kind", KINDS[: NUMBERS["poisson"]])
def test_parameters_that_the_flow_computed(kind):
    """Other parameters in each row: trouble only where Python's exponential overflows."""
    u = DRAWS[:30_000]
    a, b = right_columns(kind)
    given = len(PARAMETERS[kind])
    got, trouble = tried(native.float_variate, NUMBERS[kind], u, a, b)
    rows = np.flatnonzero(~trouble)
    columns = [column[rows] for column in (a, b)[:given]]
    assert not differing(got[rows], variates(kind, tuple(columns), u[rows]))
    for row in np.flatnonzero(trouble)[:500].tolist():
        with pytest.raises(OverflowError):
            variate1(kind, (a[row].item(), b[row].item())[:given], int(u[row]))
    assert len(rows) > 10_000


def test_poisson_means_that_the_flow_computed():
    """A table for each draw, in spare room; trouble where the room is too small."""
    means = np.concatenate(
        [[0.0, 5e-324, 1e-300, 0.5, 1.0, 1000.0], np.exp2(everyday_floats(72)[:3000] / 400 - 1)]
    )
    u = DRAWS[: len(means)]
    room = np.empty(4096)
    address = room.ctypes.data

    @compiled
    def drawn(u, mean):
        return native.poisson(u, mean, pf64(address), 4096)

    got, trouble = tried(drawn, u, means, kind=np.int64)
    assert not trouble.any()
    assert got.tolist() == [poisson.poisson1(draw, mean) for draw, mean in zip(u.tolist(), means.tolist())]

    sizes = np.arange(120)
    values = np.full(len(sizes), 7.3)

    @compiled
    def small(mean, size):
        return native.poisson(np.uint64(1 << 63), mean, pf64(address), size)

    needed = len(poisson.table(7.3)[1])
    assert tried(small, values, sizes, kind=np.int64)[1].tolist() == (sizes < needed).tolist()


@compiled
def judged(kind, a, b, most):
    return native.parameters_right(kind, a, b, most), False


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "choice"])
@pytest.mark.parametrize("unit", UNITS)
def test_parameters_are_judged_as_by_column(kind, unit):
    """Whether the kernel may draw by itself: as `computed.parameters` judges a batch of one row."""
    most = FAMILIES[kind].longest(LATEST / unit)
    values = np.concatenate(
        [[0.001, 0.1, math.nextafter(0.001, 0), math.nextafter(0.1, 0), 1e8, 1e8 + 1], keyed_floats(73)[:200]]
    )
    values = np.concatenate([values, [most, math.nextafter(most, math.inf), math.nextafter(most, 0)]])
    a, b = (column.ravel() for column in np.meshgrid(values, values))
    given = len(PARAMETERS[kind])
    if given == 1:
        a, b = values, np.zeros(len(values))
    want = [
        plainly_right(kind, [np.array([x]), np.array([y])][:given])
        and not any(z > most for z in (x, y)[:given])
        for x, y in zip(a.tolist(), b.tolist())
    ]
    got = tried(judged, NUMBERS[kind], a, b, most, kind=np.bool_)[0].tolist()
    assert got == want
    assert any(want) == (kind != "zipf")
    if kind != "zipf":
        params = (a[got], b[got])[:given]
        assert computed.parameters(kind, params, unit, None) is params


@pytest.mark.parametrize("unit", UNITS)
def test_microseconds(unit):
    """Numbers of units as microseconds: half to even, cut at 0 and at the longest, nan is trouble."""
    most = float(LONGEST // unit)
    edges = [most, math.nextafter(most, 0), math.nextafter(most, math.inf), LATEST / unit]
    floats = np.concatenate([edges, (np.arange(20_001) + 0.5) / unit, keyed_floats(74)])
    got, trouble = tried(native.to_micros, floats, unit, kind=np.int64)
    assert not differing(trouble, np.isnan(floats))
    good = ~trouble
    assert not differing(got[good], np.maximum(to_micros(floats[good], unit), 0))
    assert got[good][:30_000].tolist() == [
        max(to_micros1(x, unit), 0) for x in floats[good][:30_000].tolist()
    ]
    ints = np.concatenate([[LONGEST // unit, LONGEST // unit + 1, -MOST], keyed_ints(75)])
    assert not differing(
        applied(native.int_to_micros, ints, unit, kind=np.int64), np.maximum(to_micros(ints, unit), 0)
    )


def test_waits_that_the_flow_computed():
    """A float that `AddDecay` may refuse is trouble, every other is its microseconds."""
    longest = LATEST / 1000
    floats = np.concatenate([[longest, math.nextafter(longest, math.inf), -5e-324], keyed_floats(76)])
    got, trouble = tried(native.given_micros, floats, 1000, longest, kind=np.int64)
    assert not differing(trouble, ~((floats >= 0) & (floats <= longest)))
    assert not differing(got[~trouble], computed.lengths(floats[~trouble], 1000, None))
