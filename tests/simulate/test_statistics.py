"""What is random is distributed as promised.

Every test computes a p-value from a run with a fixed seed and fails below `ALPHA`: 1 in 100,000 correct
programs would fail a test by chance, so the whole file wrongly fails for fewer than 1 in 1,000 seeds.
As the seeds are fixed, a run that passes passes again.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from scipy import stats

from deep_faker import (
    AddDecay,
    BaseEvent,
    Choice,
    Exponential,
    Field,
    LogNormal,
    NewEvent,
    Normal,
    Select,
    Simulation,
    Uniform,
)
from deep_faker.distributions import Weibull
from tests.support.engines import every_engine
from tests.support.worlds.contract_world import START, Entered, Note, Room, User, Visited, simulation

ALPHA = 1e-5


def chi_square(observed: Sequence[float], weights: Sequence[float]) -> float:
    """The p-value of counts against proportions."""
    expected = np.asarray(weights, float) / np.sum(weights) * np.sum(observed)
    return float(stats.chisquare(observed, expected).pvalue)


def of_one_flow(flow: Callable, events: int, engine: str) -> list[float]:
    """``Note.number`` of as many events of a flow that selects nothing."""
    sim = simulation(duration="10s", n_flows=events // 10, initial_entities={})
    sim.flow()(flow)
    return sim.collect(engine=engine)["Note"]["number"].to_list()


@every_engine
@pytest.mark.parametrize("rate", [0.05, 0.3, 0.9])
def test_f4_flows_decay_at_their_rate(rate, engine):
    sim = simulation(n_flows=300, initial_entities={})

    @sim.flow()
    def fade(ctx):
        yield AddDecay(ctx, rate=rate, seconds=0)
        yield NewEvent(ctx, Note)

    outcomes = Counter(sim.collect(engine=engine).sessions["outcome"])
    assert sum(outcomes.values()) == 3_000
    assert stats.binomtest(outcomes["decayed"], 3_000, rate).pvalue > ALPHA


@every_engine
def test_f4_decays_one_after_the_other_are_independent(engine):
    sim = simulation(n_flows=400, initial_entities={})

    @sim.flow()
    def fade(ctx):
        for n in range(3):
            yield AddDecay(ctx, rate=0.4, seconds=0)
            yield NewEvent(ctx, Note, number=n)

    left = Counter(sim.collect(engine=engine).sessions["events"])
    assert chi_square([left[n] for n in range(4)], [0.4, 0.24, 0.144, 0.216]) > ALPHA


@every_engine
def test_f1_flows_start_by_their_weights(engine):
    sim = simulation(n_flows=400, initial_entities={User: 600})
    weights = {"a": 0.5, "b": 1.0, "c": 2.5, "d": 6.0}

    def act(ctx):
        yield NewEvent(ctx, Note)

    for name, weight in weights.items():
        sim.flow(weight, Select(User) if name in "bc" else None, name)(act)
    started = Counter(sim.collect(engine=engine).sessions["flow"])
    assert sum(started.values()) == 4_000
    assert chi_square([started[n] for n in weights], list(weights.values())) > ALPHA


@every_engine
def test_t5_starts_are_uniform_in_their_step(engine):
    sim = simulation(n_flows=300, time_step="2s", initial_entities={})

    @sim.flow()
    def act(ctx):
        yield NewEvent(ctx, Note)

    started = sim.collect(engine=engine).sessions["started"]
    micros = (started - START).dt.total_microseconds().to_numpy()
    assert stats.kstest(micros % 2_000_000 / 2_000_000, "uniform").pvalue > ALPHA


@every_engine
@pytest.mark.parametrize("shared", [False, True])
def test_n3_every_match_is_as_likely(shared, engine):
    """Four rooms of eight match; each is picked as often."""
    sim = simulation(duration="1000s", n_flows=2, initial_entities={User: 8, Room: 8})

    @sim.flow(filter=Select(User))
    def enter(ctx):
        yield Select(ctx, Room, shared=shared)
        yield NewEvent(ctx, Entered)

    dataset = sim.collect(engine=engine)
    picked = Counter(dataset["Entered"]["room_id"])
    assert sum(picked.values()) == 2_000
    assert chi_square([picked[key] for key in dataset.entities[Room]["room_id"]], [1] * 8) > ALPHA
    users = Counter(dataset["Entered"]["user_id"])
    assert chi_square([users[key] for key in dataset.entities[User]["user_id"]], [1] * 8) > ALPHA


@every_engine
def test_n9_shared_picks_follow_their_weights(engine):
    sim = simulation(duration="10s", n_flows=300, initial_entities={User: 40})

    @sim.flow()
    def look(ctx):
        yield Select(ctx, User, shared=True, weight="age")
        yield NewEvent(ctx, Visited)

    dataset = sim.collect(engine=engine)
    picked = Counter(dataset["Visited"]["user_id"])
    users = dataset.entities[User]
    assert chi_square([picked[key] for key in users["user_id"]], users["age"].to_list()) > ALPHA


def _random(ctx):
    yield NewEvent(ctx, Note, number=random.random())


def _uniform(ctx):
    yield NewEvent(ctx, Note, number=random.uniform(-3.0, 5.0))


def _gauss(ctx):
    yield NewEvent(ctx, Note, number=random.gauss(10.0, 2.0))


def _expovariate(ctx):
    yield NewEvent(ctx, Note, number=random.expovariate(0.25))


def _lognormvariate(ctx):
    yield NewEvent(ctx, Note, number=random.lognormvariate(0.5, 0.75))


def _triangular(ctx):
    yield NewEvent(ctx, Note, number=random.triangular(0.0, 10.0, 2.0))


def _betavariate(ctx):
    yield NewEvent(ctx, Note, number=random.betavariate(2.0, 3.0))


CONTINUOUS = {
    _random: stats.uniform(),
    _uniform: stats.uniform(-3, 8),
    _gauss: stats.norm(10, 2),
    _expovariate: stats.expon(scale=4),
    _lognormvariate: stats.lognorm(0.75, scale=np.exp(0.5)),
    _triangular: stats.triang(0.2, 0, 10),
    _betavariate: stats.beta(2, 3),
}


@every_engine
@pytest.mark.parametrize("flow", CONTINUOUS, ids=lambda flow: flow.__name__)
def test_f3_functions_of_random_have_their_distribution(flow, engine):
    values = of_one_flow(flow, 2_000, engine)
    assert len(values) == 2_000
    assert stats.kstest(values, CONTINUOUS[flow].cdf).pvalue > ALPHA


def _choice(ctx):
    yield NewEvent(ctx, Note, number=random.choice([1, 2, 3, 3]))


def _choices(ctx):
    yield NewEvent(ctx, Note, number=random.choices([1, 2, 3], weights=[1, 3, 6])[0])


def _randint(ctx):
    yield NewEvent(ctx, Note, number=random.randint(1, 6))


def _randrange(ctx):
    yield NewEvent(ctx, Note, number=random.randrange(0, 10, 2))


def _sample(ctx):
    yield NewEvent(ctx, Note, number=random.sample([1, 2, 3, 4], 2)[1])


DISCRETE = {
    _choice: {1: 1, 2: 1, 3: 2},
    _choices: {1: 1, 2: 3, 3: 6},
    _randint: dict.fromkeys(range(1, 7), 1),
    _randrange: dict.fromkeys(range(0, 10, 2), 1),
    _sample: dict.fromkeys(range(1, 5), 1),
}


@every_engine
@pytest.mark.parametrize("flow", DISCRETE, ids=lambda flow: flow.__name__)
def test_f3_choices_of_random_have_their_weights(flow, engine):
    counts = Counter(of_one_flow(flow, 2_000, engine))
    weights = DISCRETE[flow]
    assert set(counts) == set(weights)
    assert chi_square([counts[v] for v in weights], list(weights.values())) > ALPHA


WAITS = {
    "exponential": (Exponential(30), stats.expon(scale=30)),
    "uniform": (Uniform(5, 15), stats.uniform(5, 10)),
    "normal": (Normal(100, 10), stats.norm(100, 10)),
    "lognormal": (LogNormal(3, 0.5), stats.lognorm(0.5, scale=np.exp(3))),
    "weibull": (Weibull(30, 1.5), stats.weibull_min(1.5, scale=30)),
}


def _waits(wait: object, engine: str) -> list[float]:
    sim: Simulation = simulation(duration="1s", n_flows=2_000, initial_entities={})

    @sim.flow()
    def pause(ctx):
        yield AddDecay(ctx, rate=0.0, seconds=wait)
        yield NewEvent(ctx, Note)

    sessions = sim.collect(engine=engine).sessions
    return [(b - a) / timedelta(seconds=1) for a, b in zip(sessions["started"], sessions["ended"])]


@every_engine
@pytest.mark.parametrize("name", WAITS)
def test_f4_waits_have_their_distribution(name, engine):
    wait, wanted = WAITS[name]
    assert stats.kstest(_waits(wait, engine), wanted.cdf).pvalue > ALPHA


@every_engine
def test_f4_waits_of_choice_have_their_weights(engine):
    counts = Counter(_waits(Choice([1, 5, 60], weights=[7, 2, 1]), engine))
    assert chi_square([counts[s] for s in (1.0, 5.0, 60.0)], [7, 2, 1]) > ALPHA


@every_engine
def test_f4_normal_waits_are_cut_at_zero(engine):
    """Half of a normal distribution round zero waits not at all."""
    waits = np.array(_waits(Normal(0, 10), engine))
    assert stats.binomtest(int((waits == 0).sum()), len(waits), 0.5).pvalue > ALPHA
    assert stats.kstest(waits[waits > 0], stats.halfnorm(scale=10).cdf).pvalue > ALPHA


class Provided(BaseEvent):
    flag: bool = Field(faker="boolean", chance_of_getting_true=30)
    number: int = Field(faker="random_int", min=1, max=20)
    amount: float = Field(faker="pyfloat", min_value=0.0, max_value=50.0)
    word: str = Field(faker="random_element", elements=["x", "y", "z"])


@every_engine
def test_v4_fields_of_a_run_have_their_distribution_and_are_independent(engine):
    sim = simulation(n_flows=300, initial_entities={})

    @sim.flow()
    def act(ctx):
        yield NewEvent(ctx, Provided)

    frame = sim.collect(engine=engine)["Provided"]
    assert stats.binomtest(int(frame["flag"].sum()), frame.height, 0.3).pvalue > ALPHA
    numbers = Counter(frame["number"])
    assert chi_square([numbers[n] for n in range(1, 21)], [1] * 20) > ALPHA
    assert stats.kstest(frame["amount"], stats.uniform(0, 50).cdf).pvalue > ALPHA
    table = np.array(
        [
            [frame.filter((pl.col("flag") == pl.lit(f)) & (pl.col("word") == w)).height for w in "xyz"]
            for f in (False, True)
        ]
    )
    assert stats.chi2_contingency(table).pvalue > ALPHA
    assert stats.pearsonr(frame["number"], frame["amount"]).pvalue > ALPHA
