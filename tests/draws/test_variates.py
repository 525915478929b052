"""`random`'s functions and waiting times: twins to the bit, the library's distributions, its errors."""

from __future__ import annotations

import itertools
import math
import random
import uuid

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from deep_faker.draws.mix import MASK, mix
from deep_faker.draws.random_module import RANDOM_FUNCTIONS, KeyedRandom, weighted_index, weighted_index1
from deep_faker.draws.to_micros import LONGEST, to_micros, to_micros1, wait_micros, wait_micros1

U = mix(17, np.arange(20_000, dtype=np.uint64))
EDGES = np.array([0, 1, 2**63, MASK - 1, MASK], np.uint64)
ALL = np.concatenate([EDGES, U])

BY_COLUMN = [
    ("random", ()),
    ("uniform", (2, 5.5)),
    ("uniform", (5.5, -2)),
    ("randint", (-3, 9)),
    ("randint", (4, 4)),
    ("randrange", (10,)),
    ("randrange", (3, 30, 4)),
    ("randrange", (30, 3, -4)),
    ("expovariate", (0.5,)),
    ("expovariate", ()),
    ("gauss", (1.0, 2.0)),
    ("normalvariate", ()),
    ("lognormvariate", (0.5, 0.7)),
    ("triangular", (1, 5, 2)),
    ("triangular", ()),
    ("triangular", (3, 3)),
    ("paretovariate", (3.0,)),
    ("weibullvariate", (2.0, 1.5)),
    ("index", (7,)),
]
BY_VALUE = [
    ("betavariate", (2, 3)),
    ("gammavariate", (0.5, 3.0)),
    ("gammavariate", (2.0, 3.0)),
    ("vonmisesvariate", (1.0, 2.0)),
]


@pytest.mark.parametrize(("name", "args"), BY_COLUMN)
def test_twins_of_random_functions(name, args):
    function = RANDOM_FUNCTIONS[name]
    array = function.array(ALL, *args)
    values = [function.scalar(u, *args) for u in ALL[:3000].tolist()]
    assert array[:3000].tolist() == values
    assert [type(x) for x in array[:5].tolist()] == [type(x) for x in values[:5]]
    assert function.min_args <= len(args) <= function.max_args == len(function.parameters)


@pytest.mark.parametrize(("name", "args"), [case for case in BY_COLUMN if case[0] != "index"])
def test_twins_take_columns_of_arguments(name, args):
    """A flow may give another argument for each row."""
    columns = [np.full(len(ALL), arg) for arg in args]
    expected = RANDOM_FUNCTIONS[name].array(ALL, *args)
    assert RANDOM_FUNCTIONS[name].array(ALL, *columns).tolist() == expected.tolist()


@pytest.mark.parametrize(("name", "args"), [*BY_COLUMN, *BY_VALUE])
def test_distributions_are_those_of_the_library(name, args):
    """Two samples of 20,000, p > 1e-6 (Kolmogorov-Smirnov; conservative for whole numbers)."""
    function = RANDOM_FUNCTIONS[name]
    ours = (
        function.array(U, *args) if function.array else [function.scalar(u, *args) for u in U[:5000].tolist()]
    )
    source = random.Random(5)
    library = source.randrange if name == "index" else getattr(source, name)
    if name == "expovariate" and not args:
        args = (1.0,)
    if name == "lognormvariate" and not args:
        args = (0.0, 1.0)
    theirs = [library(*args) for _ in range(20_000)]
    assert stats.ks_2samp(ours, theirs).pvalue > 1e-6


@given(st.integers(0, MASK), st.integers(-(10**30), 10**30), st.integers(0, 10**30))
def test_randint_takes_numbers_of_any_size(u, low, width):
    assert low <= RANDOM_FUNCTIONS["randint"].scalar(u, low, low + width) <= low + width


@pytest.mark.parametrize(
    ("name", "args", "error"),
    [
        ("randint", (5, 3), ValueError),
        ("randrange", (0,), ValueError),
        ("randrange", (1, 5, 0), ValueError),
        ("randint", (1.5, 3), TypeError),
        ("index", (0,), IndexError),
        ("paretovariate", (0.0001,), OverflowError),
    ],
)
def test_wrong_arguments_raise_as_in_the_library(name, args, error):
    function = RANDOM_FUNCTIONS[name]
    with pytest.raises(error):
        function.array(U, *args)
    with pytest.raises(error):
        [function.scalar(u, *args) for u in U.tolist()]


def test_weighted_index_twins_and_distribution():
    weights = [5, 0, 1.5, 3, 0]
    found = weighted_index(ALL, weights)
    assert found.tolist() == [weighted_index1(u, weights) for u in ALL.tolist()]
    counts = np.bincount(weighted_index(U, weights), minlength=5)
    assert counts[1] == counts[4] == 0
    assert stats.chisquare(counts[[0, 2, 3]], np.array([5, 1.5, 3]) / 9.5 * len(U)).pvalue > 1e-6


@pytest.mark.parametrize("weights", [[], [0, 0], [1, -1], [math.inf], [math.nan]])
def test_weights_must_make_sense(weights):
    with pytest.raises(ValueError, match="weights"):
        weighted_index1(1, weights)


def test_choices_agree_with_the_index():
    choices, choice, index = (RANDOM_FUNCTIONS[name].scalar for name in ("choices", "choice", "index"))
    for u in U[:200].tolist():
        assert choices(u, "abcd") == [choice(u, "abcd")] == ["abcd"[index(u, 4)]]
        assert choices(u, "abc", [1, 2, 3]) == ["abc"[weighted_index1(u, [1, 2, 3])]]
        assert choices(u, "abc", cum_weights=[1, 3, 6]) == choices(u, "abc", [1, 2, 3])
        assert len(choices(u, "abc", k=5)) == 5
        assert choices(u, "abc", k=0) == []


def test_shuffle_and_sample_and_bits():
    scalar = {name: function.scalar for name, function in RANDOM_FUNCTIONS.items()}
    orders = set()
    for u in U[:500].tolist():
        cards = [1, 2, 3]
        assert scalar["shuffle"](u, cards) is None
        orders.add(tuple(cards))
        assert len(set(scalar["sample"](u, range(100), 10))) == 10
        assert 0 <= scalar["getrandbits"](u, 5) < 32
        assert scalar["getrandbits"](u, 200).bit_length() <= 200
        assert len(scalar["randbytes"](u, 7)) == 7
    assert len(orders) == 6
    assert scalar["getrandbits"](MASK, 64) == MASK
    assert scalar["getrandbits"](3, 0) == 0


def test_f3_ids_in_flows():
    scalar = {name: function.scalar for name, function in RANDOM_FUNCTIONS.items()}
    made = [scalar["uuid4"](u) for u in U[:1000].tolist()]
    assert all(isinstance(x, uuid.UUID) and x.version == 4 and x.variant == uuid.RFC_4122 for x in made)
    assert len(set(made)) == 1000
    import shortuuid

    short = [scalar["shortuuid.uuid"](u) for u in U[:1000].tolist()]
    assert all(len(x) == 22 and shortuuid.decode(x).version == 4 for x in short)
    assert scalar["shortuuid.uuid"](1, name="http://example.com") == shortuuid.uuid("http://example.com")
    assert scalar["shortuuid.uuid"](1, "example.com") == shortuuid.uuid("example.com")
    assert len(scalar["shortuuid.random"](1)) == 22
    assert len(scalar["shortuuid.random"](1, length=5)) == 5


def test_keyed_random_is_a_function_of_its_draw():
    state = random.getstate()
    assert [KeyedRandom(5).random() for _ in range(2)] == [KeyedRandom(5).random()] * 2
    source = KeyedRandom(6)
    assert len({source.random() for _ in range(1000)}) == 1000
    assert random.getstate() == state


# --- waiting times ------------------------------------------------------------------------------------

WAITS = [
    ("exponential", (30.0,)),
    ("lognormal", (1.0, 0.5)),
    ("uniform", (1, 3)),
    ("normal", (1.0, 1.0)),
    ("choice", ((1, 2.5, 4), (1, 2, 1))),
    ("choice", ((1, 2), None)),
    ("gamma", (0.4, 30.0)),
    ("gamma", (2, 30)),
    ("beta", (0.2, 3)),
    ("poisson", (4.5,)),
    ("poisson", (0,)),
    ("zipf", (1.1, 100)),
    ("pareto", (1.16, 10)),
    ("weibull", (30, 0.7)),
]


@pytest.mark.parametrize(("kind", "params"), WAITS)
@pytest.mark.parametrize("unit", [1_000, 1_000_000, 3_600_000_000])
def test_wait_twins(kind, params, unit):
    flow = np.arange(2000, dtype=np.uint64)
    waits = wait_micros(kind, params, unit, 5, flow, 3)
    assert waits.dtype == np.int64
    assert waits.min() >= 0
    assert waits.tolist() == [wait_micros1(kind, params, unit, 5, i, 3) for i in range(2000)]
    assert wait_micros(kind, params, unit, 5, flow, np.full(2000, 3, np.uint64)).tolist() == waits.tolist()


def test_f4_distributions_of_waits():
    """Means and spreads within 5 standard errors."""
    flow = np.arange(100_000, dtype=np.uint64)
    seconds = {kind: wait_micros(kind, params, 10**6, 9, flow, 1) / 1e6 for kind, params in WAITS[:4]}
    root = math.sqrt(len(flow))
    assert abs(seconds["exponential"].mean() - 30) < 5 * 30 / root
    assert abs(np.log(seconds["lognormal"]).mean() - 1) < 5 * 0.5 / root
    assert abs(np.log(seconds["lognormal"]).std() - 0.5) < 5 * 0.5 / root
    assert abs(seconds["uniform"].mean() - 2) < 5 * math.sqrt(1 / 3) / root
    assert seconds["uniform"].min() >= 1
    assert seconds["uniform"].max() <= 3
    cut = (seconds["normal"] == 0).mean()  # a normal below 0 waits 0
    assert abs(cut - stats.norm.cdf(-1)) < 5 * 0.5 / root


@given(
    st.one_of(st.floats(0, 1e9), st.integers(0, 10**6)),
    st.sampled_from([1, 1_000, 1_000_000, 86_400_000_000]),
)
def test_to_micros_twins(value, unit):
    if value * unit > 2**61:
        value = 1
    assert to_micros(np.array([value]), unit).tolist() == [to_micros1(value, unit)]


def test_to_micros_rounds_half_to_even():
    values = [0.5, 1.5, 2.5, 0.49999, -0.5]
    assert to_micros(np.array(values), 1).tolist() == [0, 2, 2, 0, 0] == [to_micros1(x, 1) for x in values]


@pytest.mark.parametrize("value", [1e30, math.inf, 2**62, 10**18])
def test_waits_beyond_all_times_are_cut_alike(value):
    """A wait that ends after all dates is as long as a wait can be, in both forms; what to do is the engine's."""
    assert to_micros(np.array([value]), 2).tolist() == [to_micros1(value, 2)] == [LONGEST]
    assert 7 * LONGEST + 253_402_300_799_999_999 < 2**63  # all units of one wait, on the last instant


_WRONG = (0.0, -0.0, 1.0, -1.0, math.nan, math.inf, -math.inf, 1e308, 1e-320)
_WRONG_INTS = (0, 1, -3, 2**61, -(2**61), 2**63 - 1, -(2**63))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        *(
            (n, _WRONG)
            for n, f in RANDOM_FUNCTIONS.items()
            if f.array and n not in ("index", "randint", "randrange", "random")
        ),
        *((n, _WRONG_INTS) for n in ("randint", "randrange", "uniform", "triangular", "index")),
    ],
)
def test_f3_wrong_parameters_are_what_python_makes_of_them(name, values):
    """The form for arrays gives the scalar form's value, or leaves an error to it (also of what overflows)."""
    function = RANDOM_FUNCTIONS[name]
    draws = np.array([0, 1, 2**63, 2**64 - 1, 12345678901234567890], np.uint64)
    for wrong in itertools.product(values, repeat=min(len(function.parameters), 2)):
        for u in draws:
            try:
                with np.errstate(all="ignore"):
                    made = function.array(np.array([u]), *(np.array([value]) for value in wrong)).tolist()[0]
            except (ArithmeticError, TypeError, ValueError, IndexError):
                continue
            assert repr(function.scalar(int(u), *wrong)) == repr(made), (wrong, u)


@pytest.mark.parametrize(
    "call", ["expovariate(0.0)", "paretovariate(0.0)", "weibullvariate(1.0, 0.0)", "lognormvariate(1e9, 1)"]
)
def test_f3_errors_are_those_of_random(call):
    """Class and text of what Python's own function raises."""
    name, _, arguments = call.partition("(")
    given = [float(value) for value in arguments.strip(")").split(",")]
    with pytest.raises(ArithmeticError) as ours:
        RANDOM_FUNCTIONS[name].scalar(1, *given)
    with pytest.raises(ArithmeticError) as theirs:
        getattr(random.Random(1), name)(*given)
    assert (type(ours.value), str(ours.value)) == (type(theirs.value), str(theirs.value))


def test_unknown_distribution_raises():
    with pytest.raises(ValueError, match="exponential"):
        wait_micros1("cauchy", (1,), 1, 1, 1, 1)
