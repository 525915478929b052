"""The kernel's `random`: bit for bit `deep_faker.draws.random_module`, and trouble exactly where that raises."""

from __future__ import annotations

import numpy as np
import pytest

from deep_faker.draws.mix import mix
from deep_faker.draws.random_module import RANDOM_FUNCTIONS, _cumulated, weighted_index, weighted_index1
from deep_faker.simulate.native.kernel import variates as native
from deep_faker.simulate.native.kernel.intrinsics import compiled, pf64
from tests.support.native.inputs import (
    DRAWS,
    LEAST,
    MOST,
    applied,
    differing,
    keyed_floats,
    keyed_ints,
    tried,
)

FEW = 4000


def agree(name, function, u, *columns, kind, needless=lambda *args: False):
    """The compiled function gives what the scalar one gives, and trouble where that raises or ``needless`` says."""
    scalar = RANDOM_FUNCTIONS[name].scalar
    values, trouble = tried(function, u, *columns, kind=kind)
    for row, (draw, *args) in enumerate(zip(u.tolist(), *(column.tolist() for column in columns))):
        try:
            want = scalar(draw, *args)
        except (ValueError, ZeroDivisionError, OverflowError, IndexError):
            assert trouble[row], args
            continue
        if trouble[row]:
            assert needless(*args), args
        else:
            assert not differing(values[row : row + 1], np.array([want], kind)), args
    assert 0 < trouble.sum() < len(u)


def few(column, rows=FEW):
    return np.resize(column, rows).copy()


@pytest.mark.parametrize(
    ("name", "function", "args"),
    [
        ("random", native.unit, ()),
        ("uniform", native.uniform, (2.0, 5.5)),
        ("uniform", native.uniform, (5.5, -2.25)),
        ("gauss", native.normalvariate, (1.0, 2.0)),
        ("normalvariate", native.normalvariate, (0.0, 1.0)),
        ("triangular", native.triangular, (1.0, 5.0, 2.0)),
        ("triangular", native.triangular, (1.0, 5.0, 7.0)),
        ("triangular", native.triangular, (3.0, 3.0, 3.0)),
        ("triangular", native.triangular_middle, (-1.0, 5.0)),
    ],
)
def test_functions_that_never_raise(name, function, args):
    """All draws with constant parameters."""

    @compiled
    def drawn(u):
        return function(u, *args)

    assert not differing(applied(drawn, DRAWS), RANDOM_FUNCTIONS[name].array(DRAWS, *args))


@pytest.mark.parametrize(
    ("name", "function", "args"),
    [
        ("expovariate", native.expovariate, (0.5,)),
        ("lognormvariate", native.lognormvariate, (0.5, 0.7)),
        ("paretovariate", native.paretovariate, (3.0,)),
        ("weibullvariate", native.weibullvariate, (2.0, 1.5)),
        ("uniform", native.uniform_ints, (-3, 2**60)),
        ("randrange", native.randrange, (3, 30, 4)),
        ("randrange", native.randrange, (30, 3, -4)),
        ("randint", native.randint, (-3, 9)),
        ("randint", native.randint, (-(2**60), 2**60)),
        ("index", native.choice_index, (7,)),
    ],
)
def test_functions_that_may_raise(name, function, args):
    """All draws with constant parameters that are right: no trouble."""

    @compiled
    def drawn(u):
        return function(u, *args)

    want = RANDOM_FUNCTIONS[name].array(DRAWS, *args)
    got, trouble = tried(drawn, DRAWS, kind=want.dtype)
    assert not trouble.any()
    assert not differing(got, want)


@pytest.mark.parametrize(
    ("name", "function", "parameters"),
    [
        ("uniform", native.uniform, 2),
        ("gauss", native.normalvariate, 2),
        ("triangular", native.triangular, 3),
        ("triangular", native.triangular_middle, 2),
    ],
)
def test_any_floats(name, function, parameters):
    """Parameters of every kind, infinities and nan too, where none makes Python raise."""
    scalar = RANDOM_FUNCTIONS[name].scalar
    columns = [few(keyed_floats(40 + at)[at * 7 :]) for at in range(parameters)]
    if parameters == 3:

        @compiled
        def drawn(a, b, c):
            return function(np.uint64(2**63 + 12345), a, b, c)

        got = applied(drawn, *columns)
        want = [scalar(2**63 + 12345, *row) for row in zip(*(column.tolist() for column in columns))]
    else:
        got = applied(function, few(DRAWS), *columns)
        want = [scalar(*row) for row in zip(few(DRAWS).tolist(), *(column.tolist() for column in columns))]
    assert not differing(got, np.array(want))


@pytest.mark.parametrize(
    ("name", "function", "parameters"),
    [
        ("expovariate", native.expovariate, 1),
        ("lognormvariate", native.lognormvariate, 2),
        ("paretovariate", native.paretovariate, 1),
        ("weibullvariate", native.weibullvariate, 2),
    ],
)
def test_any_floats_where_some_raise(name, function, parameters):
    """Trouble for divisions by zero and results that are no float, exactly."""
    columns = [few(keyed_floats(50 + at)[at * 7 :]) for at in range(parameters)]
    agree(name, function, few(DRAWS), *columns, kind=np.float64)


def wide(*args):
    """Ints whose sums and differences might not fit."""
    return any(abs(arg) >= 2**61 - 1 for arg in args)


def test_any_ints():
    """Trouble where Python raises, and for bounds too wide to subtract."""
    a, b = few(keyed_ints(60), 20_000), few(keyed_ints(61)[::-1], 20_000)
    small = mix(62, np.arange(20_000, dtype=np.uint64)).view(np.int64) >> 58
    steps = np.where(np.arange(20_000) % 3 == 0, b, small)
    u = few(DRAWS, 20_000)
    agree(
        "uniform",
        native.uniform_ints,
        u,
        a,
        b,
        kind=np.float64,
        needless=lambda a, b: not LEAST <= b - a <= MOST,
    )
    agree("randint", native.randint, u, a, b, kind=np.int64, needless=wide)
    agree("randint", native.randint, u, small, np.sort(small), kind=np.int64, needless=wide)
    agree("randrange", native.randrange, u, a, few(b[::-1], 20_000), steps, kind=np.int64, needless=wide)
    agree("index", native.choice_index, u, a, kind=np.int64)


def test_bits():
    """Up to 63 bits are a word; 64 may not be one, fewer than none raise."""
    u = np.repeat(DRAWS[:200], 70)
    k = np.resize(np.arange(-3, 67), len(u))
    agree("getrandbits", native.getrandbits, u, k, kind=np.int64, needless=lambda k: k > 63)


def test_ints_as_floats():
    """Ints up to 2**52 may become floats before they are subtracted and divided; larger ones are trouble."""
    ints = keyed_ints(63)
    values, trouble = tried(native.plain_float, ints)
    assert trouble.tolist() == [abs(n) > 2**52 for n in ints.tolist()]
    plain = ints[~trouble].tolist()
    assert values[~trouble].tolist() == plain
    rows = list(zip(plain, plain[1:], plain[2:]))[:20_000]
    columns = [np.array(column, np.float64) for column in zip(*rows)]

    @compiled
    def drawn(low, high, mode):
        return native.triangular(np.uint64(3 << 60), low, high, mode)

    want = [RANDOM_FUNCTIONS["triangular"].scalar(3 << 60, *row) for row in rows]
    assert not differing(applied(drawn, *columns), np.array(want))


@pytest.mark.parametrize(
    "weights", [(1,), (1, 2), (0, 1, 0), (3, 0, 0.5), (0.1,) * 10, tuple(range(1, 1001))]
)
def test_weighted_positions(weights):
    """Positions by weight, those without weight never, also for draws that hit a sum exactly."""
    sums = _cumulated(weights)[1]
    address, n = sums.ctypes.data, len(sums)

    @compiled
    def drawn(u):
        return native.weighted_index(u, pf64(address), n)

    exact = (sums / sums[-1] * 2.0**53).astype(np.uint64) % np.uint64(2**53) << np.uint64(11)
    draws = np.concatenate([exact, DRAWS])
    got = applied(drawn, draws, kind=np.int64)
    assert not differing(got, weighted_index(draws, weights))
    assert got[:FEW].tolist() == [weighted_index1(u, weights) for u in draws[:FEW].tolist()]


def test_every_function_of_columns_has_a_native_one():
    """A new function of `random` with a form for arrays needs one here."""
    native_forms = set(
        "random uniform randrange randint expovariate gauss normalvariate lognormvariate".split()
    )
    native_forms |= {"triangular", "paretovariate", "weibullvariate", "index", "word"}
    assert {name for name, function in RANDOM_FUNCTIONS.items() if function.array} == native_forms
