"""`Field(dist=…)`: the distributions, running numbers, the user's own frames, and values that are unique.

Statistical tests draw 50,000 values with a fixed seed and fail by chance with probability 1e-4 each.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats

from deep_faker import (
    AddDecay,
    BaseEvent,
    Beta,
    Choice,
    Entity,
    Exponential,
    Field,
    FlowContext,
    FromFrame,
    Gamma,
    LogNormal,
    NewEvent,
    Normal,
    Pareto,
    Poisson,
    Select,
    Sequence,
    SetState,
    Simulation,
    StateField,
    Uniform,
    Zipf,
)
from deep_faker.distributions import Weibull
from deep_faker.draws.distributions.declared import kind_and_parameters
from deep_faker.draws.distributions.variates import variate1, variates
from deep_faker.draws.mix import mix
from deep_faker.errors import DeclarationError, KeySpaceError
from tests.support.worlds.field_world import assert_engines_agree, assert_one_is_column, frame, world

ALPHA = 1e-4
N = 50_000
TOWNS = pl.DataFrame(
    {
        "town": ["Rome", "Bari", "Turin", "Rome", None],
        "zip": ["00100", "70100", "10100", "00199", "0"],
        "people": [20, 3, 9, 8, 0],
        "born": [1.5, 2.5, 3.5, 4.5, 5.5],
    }
)

CONTINUOUS = [
    (Exponential(30), stats.expon(scale=30)),
    (LogNormal(1, 0.5), stats.lognorm(0.5, scale=np.e)),
    (Uniform(-5, 5), stats.uniform(-5, 10)),
    (Normal(-3, 2), stats.norm(-3, 2)),
    (Gamma(0.3, 2), stats.gamma(0.3, scale=2)),
    (Gamma(5, 0.5), stats.gamma(5, scale=0.5)),
    (Beta(0.4, 0.4), stats.beta(0.4, 0.4)),
    (Beta(2, 5), stats.beta(2, 5)),
    (Pareto(1.2, 10), stats.pareto(1.2, scale=10)),
    (Weibull(30, 0.7), stats.weibull_min(0.7, scale=30)),
]
COUNTS = [
    (Poisson(0.4), stats.poisson(0.4)),
    (Poisson(30), stats.poisson(30)),
    (Zipf(1.1, size=40), stats.zipfian(1.1, 40)),
    (Zipf(0, size=6), stats.zipfian(0, 6)),
]


@pytest.mark.parametrize(("given", "law"), CONTINUOUS, ids=lambda x: repr(x)[:24])
def test_continuous_laws(given, law):
    """Kolmogorov and Smirnov against scipy's distribution."""
    kind, params = kind_and_parameters(given)
    values = variates(kind, params, mix(77, np.arange(N, dtype=np.uint64)))
    assert stats.kstest(values, law.cdf).pvalue > ALPHA


@pytest.mark.parametrize(("given", "law"), COUNTS, ids=lambda x: repr(x)[:24])
def test_counting_laws(given, law):
    """Chi-squared against scipy's distribution; rare counts are put together."""
    kind, params = kind_and_parameters(given)
    values = variates(kind, params, mix(78, np.arange(N, dtype=np.uint64)))
    counts = np.arange(values.min(), values.max() + 1)
    expected, seen = law.pmf(counts) * N, np.array([(values == count).sum() for count in counts])
    often = expected >= 10
    expected, seen = (np.append(each[often], each[~often].sum()) for each in (expected, seen))
    expected[-1] += N - expected.sum()
    if expected[-1] < 5:
        expected[-2] += expected[-1]
        seen[-2] += seen[-1]
        expected, seen = expected[:-1], seen[:-1]
    assert stats.chisquare(seen, expected).pvalue > ALPHA


@pytest.mark.parametrize("given", [g for g, _ in CONTINUOUS + COUNTS], ids=repr)
def test_twins(given):
    """The scalar form is equal to the last bit, and parameters may be arrays."""
    kind, params = kind_and_parameters(given)
    u = mix(5, np.arange(3000, dtype=np.uint64))
    values = variates(kind, params, u)
    assert values.tolist() == [variate1(kind, params, each) for each in u.tolist()]
    arrays = tuple(np.full(len(u), float(p)) for p in params)
    assert variates(kind, arrays, u).tolist() == values.tolist()


class Sale(BaseEvent):
    price: float = Field(dist=LogNormal(3, 0.5), digits=2, ge=0)
    whole: int = Field(dist=Poisson(4))
    rank: int = Field(dist=Zipf(1.2, size=30))
    share: float = Field(dist=Beta(2, 2))
    low: float = Field(dist=Normal(0, 1))
    wait: float = Field(dist=Gamma(2, 3))
    tail: float = Field(dist=Pareto(2))
    pay: str | None = Field(dist=Choice(["card", "cash", None], [6, 3, 1]))
    bonus: int = Field(dist=Choice([1, 5]))
    town: str = Field(dist=FromFrame(TOWNS, "town", weights="people"))
    zip: str = Field(dist=FromFrame(TOWNS, "zip", weights="people"), of="town")
    born: float = Field(dist=FromFrame(TOWNS, "born"))
    count: int = Field(dist=Sequence(10, 5))


def test_values_by_row_and_column():
    assert_one_is_column(Sale)


def test_engines_agree():
    assert_engines_agree(world(Sale, minutes=2))


def test_fields_hold_what_they_say():
    """Rounding, weights, rows of one frame, running numbers."""
    sales = frame(Sale)
    assert (sales["price"].round(2) == sales["price"]).all()
    assert sales["rank"].min() == 1
    assert sales["rank"].max() <= 30
    assert set(sales["pay"]) == {"card", "cash", None}
    pairs = set(sales.select("town", "zip").iter_rows())
    assert pairs == {("Rome", "00100"), ("Bari", "70100"), ("Turin", "10100"), ("Rome", "00199")}
    assert set(sales["born"]) == {1.5, 2.5, 3.5, 4.5, 5.5}
    assert sales["count"].is_unique().all()
    assert ((sales["count"] - 10) % 5 == 0).all()
    rome = (sales["town"] == "Rome").mean()
    assert abs(rome - 28 / 40) < 4 * (0.7 * 0.3 / sales.height) ** 0.5  # 1e-4


def test_parquet_as_a_source(tmp_path: Path):
    """A file is read where the field is declared, and gives the frame's values."""
    TOWNS.write_parquet(tmp_path / "towns.parquet")

    class FromFile(BaseEvent):
        town: str = Field(dist=FromFrame(str(tmp_path / "towns.parquet"), "town", weights="people"))

    class Town(BaseEvent):
        town: str = Field(dist=FromFrame(TOWNS, "town", weights="people"))

    assert set(frame(FromFile)["town"]) == {"Rome", "Bari", "Turin"} == set(frame(Town)["town"])


class PayerJoined(BaseEvent):
    user_id: int = Field(dist=Sequence(100))
    badge: int = Field(faker="random_int", min=1, max=10_000_000, unique=True)
    tag: str = Field(faker="bothify", text="??-######", unique=True)


class Payer(Entity):
    source_event = PayerJoined
    primary_key = "user_id"
    money: float = StateField(default=0.0)


class Paid(BaseEvent):
    user_id: int
    amount: float = Field(dist=Exponential(10), digits=2)


def shop() -> Simulation:
    sim = Simulation("5m", "2024-03-01", "1s", 3, random_seed=2, initial_entities={Payer: 20})

    @sim.flow()
    def join(ctx: FlowContext):
        yield NewEvent(ctx, PayerJoined, save_entity=Payer)
        yield AddDecay(ctx, seconds=Gamma(2, 3))

    @sim.flow(filter=Select(Payer))
    def pay(ctx: FlowContext):
        user = ctx.get_entity(Payer)
        yield AddDecay(ctx, seconds=Poisson(2 + user.money / 50), milliseconds=Zipf(1.1, 900))
        yield NewEvent(
            ctx, Paid, mutate=SetState(Payer, [("money", "add", ctx.current_event_data.get("amount"))])
        )

    return sim


def test_sequence_counts_entities():
    """An entity's key is its number: dense, in the order of births."""
    data = shop().collect()
    keys = data.entities["Payer"]["user_id"].sort().to_list()
    assert keys == list(range(100, 100 + len(keys)))
    assert len(keys) > 60


def test_engines_agree_on_a_shop():
    """Distributions decide state and waiting times, also with computed parameters."""
    assert_engines_agree(shop())


def test_adding_a_field_changes_no_other_value():
    """R2."""

    class Few(BaseEvent):
        a: float = Field(dist=Normal(0, 1))

    class More(BaseEvent):
        z: float = Field(dist=Normal(0, 1))
        a: float = Field(dist=Normal(0, 1))

    Few.__name__ = More.__name__ = "Measured"
    assert frame(Few)["a"].equals(frame(More)["a"])


# ---------------------------------------------------------------- unique


class Coded(BaseEvent):
    number: int = Field(faker="random_int", min=1, max=200_000, unique=True)
    text: str = Field(faker="numerify", text="######", unique=True)
    word: str = Field(
        dist=FromFrame(pl.DataFrame({"w": [f"w{i}" for i in range(99_999)] * 2}), "w"), unique=True
    )
    id: str = Field(faker="uuid4", unique=True)
    run: int = Field(dist=Sequence(), unique=True)


def test_unique_values_are_unique_and_in_their_space():
    coded = frame(Coded)
    assert coded.height == 1200
    for name in ("number", "text", "word", "id", "run"):
        assert coded[name].is_unique().all(), name
    assert coded["number"].min() >= 1
    assert coded["number"].max() <= 200_000
    assert_one_is_column(Coded)


def test_unique_values_that_run_out():
    """The space's size is in the message; nothing is drawn twice."""

    class Few(BaseEvent):
        word: str = Field(dist=Choice([f"w{i}" for i in range(500)]), unique=True)

    with pytest.raises(KeySpaceError, match="500 different values"):
        frame(Few)


def test_unique_keys_use_the_whole_space():
    """Of an entity's key all values can be used: 50 of 50."""

    class Opened(BaseEvent):
        seat: str = Field(dist=Choice([f"{i}" for i in range(50)]), unique=True)

    class Rang(BaseEvent):
        amount: float = Field(dist=Exponential(10))

    class Seat(Entity):
        source_event = Opened
        primary_key = "seat"

    sim = world(Rang, minutes=1, initial_entities={Seat: 50}, emit_initial_entities=False)
    assert sorted(sim.collect().entities["Seat"]["seat"], key=int) == [f"{i}" for i in range(50)]
    sim.change(initial_entities={Seat: 51})
    with pytest.raises(KeySpaceError, match="50 different values"):
        sim.collect()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Field(faker="sentence", unique=True), "not known how many different values"),
        (lambda: Field(faker="name", unique=True), "not known how many different values"),
        (lambda: Field(dist=Normal(0, 1), unique=True), "not known how many different values"),
        (lambda: Field(mimesis="person.full_name", unique=True), "not known how many different values"),
        (lambda: Field(dist=3), "got dist=3"),
        (lambda: Field(dist=Normal(0, 1), digits=-1), "from 0 to 15"),
        (lambda: Field(dist=Normal(0, 1), min=3), "no argument of a field with a distribution"),
        (lambda: Field(dist=Normal(0, 1), faker="name"), "two providers"),
        (lambda: Field(dist=Normal(0, 1), of="x"), "depends on no other field"),
        (lambda: Field(dist=LogNormal(800, 1)), "no float holds"),
        (lambda: Field(dist=Sequence(step=0)), "step of 0"),
        (lambda: Field(dist=FromFrame("no.parquet", "a")), "no file 'no.parquet'"),
        (lambda: Field(dist=FromFrame(TOWNS, "twon")), "did you mean 'town'"),
        (lambda: Field(dist=FromFrame(TOWNS, "zip", weights="town")), "column of numbers"),
        (lambda: Field(dist=FromFrame(TOWNS.head(0), "zip")), "no rows"),
        (lambda: Field(dist=Gamma(0, 1)), "at least 0.001"),
        (lambda: Field(dist=Zipf(1, 10**8)), "at most 10,000,000"),
        (lambda: Field(dist=Pareto(0.01)), "at least 0.1"),
        (lambda: Field(dist=Weibull(30, 0.01)), "at least 0.1"),
        (lambda: Field(unique=True), "none is named"),
        (lambda: Field(faker="name", unique="yes"), "unique=True"),
    ],
)
def test_wrong_fields(make, message):
    """One clear message each, before the first event."""
    with pytest.raises(DeclarationError, match=message):

        class Wrong(BaseEvent):
            x: str = make()

        frame(Wrong, minutes=1)
