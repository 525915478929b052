"""T16: arrivals that come in bursts, on every engine, against theory and across checkpoints.

Where a test of chance could fail by chance, it does so once in 10,000 seeds; the seed is fixed.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from deep_faker import BaseEvent, Exponential, NewEvent, Simulation, Uniform
from deep_faker.arrivals import Hawkes
from deep_faker.errors import DeclarationError
from tests.support.engines import SAVING, engine_of, every_engine, traces_of

START = dt.datetime(2024, 1, 1)


class Came(BaseEvent):
    pass


def world(rate: str, branching: float, after=Exponential(minutes=5), **settings) -> Simulation:  # noqa: B008
    usual = {"duration": "30d", "start_time": START, "time_step": "5m", "random_seed": 3, "n_flows": None}
    sim = Simulation(**{**usual, **settings})

    @sim.flow(rate=Hawkes(rate, branching, after))
    def come(ctx):
        yield NewEvent(ctx, Came)

    return sim


def times(sim: Simulation, **options) -> np.ndarray:
    """Seconds from the start."""
    ets = sim.collect(**options)["Came"]["sys__ets"].sort().to_numpy()
    return ets / 1000 - START.replace(tzinfo=dt.UTC).timestamp()


@pytest.mark.parametrize("branching", [0.0, 0.5])
def test_t16_mean_and_dispersion(branching: float):
    """Counts of six hours: rate / (1 - b) on average, variance / mean = 1 / (1 - b)²."""
    came = times(world("10/h", branching))
    counts = np.histogram(came, np.arange(0, 30 * 86_400 + 1, 6 * 3600))[0]
    mean, ratio = 60 / (1 - branching), 1 / (1 - branching) ** 2
    assert abs(counts.mean() - mean) < 3.9 * np.sqrt(mean * ratio / len(counts))
    # the ratio of a sample of 120 has a standard error of some 13 %
    assert 1 - 4 * 0.13 < counts.var(ddof=1) / counts.mean() / ratio < 1 + 4 * 0.13
    if branching:
        assert counts.var(ddof=1) / counts.mean() > 1 + 4 * 0.13  # it is no Poisson process


@every_engine
def test_t16_all_engines_do_the_same(engine: str):
    """The same arrivals."""
    sim = world("20/h", 0.7, after=Uniform(0, 900), duration="1d")
    came = times(sim, engine=engine)
    assert len(came) > 900
    assert came.tolist() == times(sim, engine="reference").tolist()


def test_t16_a_longer_run_and_a_higher_rate_keep_arrivals():
    """Clusters hang on their first arrival alone."""
    short, long, high = (
        set(times(world(rate, 0.6, duration=duration)).tolist())
        for rate, duration in (("10/h", "2d"), ("10/h", "5d"), ("30/h", "2d"))
    )
    assert short == {at for at in long if at < 2 * 86_400}
    assert short < high


@pytest.mark.parametrize("name", SAVING)
def test_r4_a_saved_run_goes_on_with_its_bursts(name: str):
    """What arrivals before the checkpoint lead to comes after it."""
    plan = world("30/h", 0.8, duration="12h").compile()

    def clocks(traces) -> list[int]:
        return [clock for trace in traces for part in trace.rows for clock in part.clock.tolist()]

    whole = clocks(traces_of(*engine_of(plan, name)))
    first, binding = engine_of(plan, name)
    before = clocks(traces_of(first, binding, stop_before_step=70))
    second, binding = engine_of(plan, name)
    second.load(first.save())
    assert sorted(before + clocks(traces_of(second, binding))) == sorted(whole)
    assert 0 < len(before) < len(whole)


def test_it_stands_in_explain():
    """With what comes of it on average."""
    text = " ".join(world("10/h", 0.5).explain().split())
    assert "arrives at Hawkes('10/h', branching=0.5, after=Exponential(mean=300))" in text
    assert "in this run 14,400 times on average" in text


@pytest.mark.parametrize(
    ("branching", "says"), [(1, "branching=1"), (1.5, "branching=1.5"), (-0.1, "branching=-0.1")]
)
def test_what_has_no_end_is_refused(branching: float, says: str):
    """From a branching ratio of 1 on."""
    with pytest.raises(DeclarationError, match=says):
        Hawkes("10/h", branching, "5m")


def test_a_rate_or_time_that_is_none_is_refused():
    """As elsewhere."""
    with pytest.raises(DeclarationError, match="rate='often'"):
        Hawkes("often", 0.5, "5m")
    with pytest.raises(DeclarationError, match="after='soon'"):
        Hawkes("3/h", 0.5, "soon")
