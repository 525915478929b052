"""The oracle of counts, sums, times, next events and outcomes, each against its closed form.

Where a test of chance could fail by chance, it does so once in 10,000 seeds; the seed is fixed.
"""

from __future__ import annotations

import datetime as dt
import random
from functools import cache

import numpy as np
import polars as pl
import pytest
from scipy import stats

from deep_faker import (
    AddDecay,
    BaseEvent,
    Beta,
    Dataset,
    Entity,
    Exponential,
    Field,
    NewEvent,
    Select,
    Simulation,
    StateField,
)
from deep_faker.errors import SettingsError
from deep_faker.features import (
    Count,
    Distinct,
    Happens,
    Last,
    Max,
    Mean,
    NextEvent,
    Outcome,
    Sum,
    TimeSince,
    TimeTo,
    Verdict,
)
from deep_faker.features.class_bounds import best_accuracy, best_class_log_loss
from deep_faker.features.number_bounds import best_correlation, best_crps, best_mae, best_rmse
from deep_faker.oracle import ClassOracle, NumberOracle, TimeOracle

N = 100
AT = "2024-01-02"
DAY = 86_400.0


class Joined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)


class Bought(BaseEvent):
    user_id: str
    amount: int = Field(faker="random_int", min=1, max=9)


class Returned(BaseEvent):
    user_id: str


class User(Entity):
    source_event = Joined
    primary_key = "user_id"
    mood: float = StateField(draw=Beta(2, 2), latent=True)


@cache
def world() -> tuple[Simulation, Dataset, pl.DataFrame, np.ndarray]:
    """Users who come four times a day: each visit buys something by their mood, or else returns something."""
    sim = Simulation(
        "3d", "2024-01-01", time_step="30s", random_seed=9, initial_entities={User: 250}, n_flows=None
    )

    @sim.flow(filter=Select(User), every=Exponential(hours=6))
    def visit(ctx):
        user = ctx.get_entity(User)
        if random.random() < user.mood:
            yield NewEvent(ctx, Bought)
        else:
            yield NewEvent(ctx, Returned)

    ds = sim.collect()
    frame = ds.training_frame(User, at=AT, features={"n": Count(Bought, "1d")}).collect()
    moods = frame.join(ds.truth.entities[User], on="user_id", how="left", maintain_order="left")["mood"]
    return sim, ds, frame, 4 * moods.to_numpy()  # how often each buys in a day


def asked(label: object, n: int = N):
    sim, ds, frame, _ = world()
    return ds.oracle(frame, label, sim=sim, n=n)


counts, sums = cache(lambda: asked(Count(Bought, "1d"))), cache(lambda: asked(Sum(Bought, "amount", "1d")))
times = cache(lambda: asked(TimeTo(Bought, "1d")))
nexts = cache(lambda: asked(NextEvent(Bought, Returned, within="6h")))


def as_expected(found: np.ndarray, exact: np.ndarray, error: np.ndarray) -> bool:
    """Whether all rows together lie about as far from a formula as their errors say."""
    far = (found - exact) / error
    return bool(1e-4 < stats.chi2.cdf(float(far @ far), len(far)) < 1 - 1e-4)


# ------------------------------------------------ counts and sums


def test_expected_counts_and_their_spread_are_those_of_poisson():
    rate, oracle = world()[3], counts()
    assert isinstance(oracle, NumberOracle)
    expected = oracle.rows["expected"].to_numpy()
    assert as_expected(expected, rate, np.sqrt(rate / N))
    assert not as_expected(expected, rate[::-1], np.sqrt(rate / N))  # it would be noticed
    assert abs((oracle.rows["spread"] ** 2).mean() - rate.mean()) < 0.1
    assert abs(oracle.mean - rate.mean()) < 0.1


def test_the_least_errors_are_those_of_poisson():
    rate, oracle = world()[3], counts()
    assert abs(oracle.rmse.value - np.sqrt(rate.mean())) < 4 * oracle.rmse.error < 0.2
    levels = np.arange(60)
    chance = stats.poisson.pmf(levels[:, None], rate)
    middle = stats.poisson.median(rate)
    assert abs(oracle.mae.value - (chance * abs(levels[:, None] - middle)).sum(axis=0).mean()) < 0.05
    explained = np.sqrt(rate.var() / (rate.var() + rate.mean()))
    assert abs(oracle.correlation.value - explained) < 4 * oracle.correlation.error < 0.1


def test_expected_sums_are_counts_times_the_mean_amount():
    rate, oracle = world()[3], sums()
    second = (np.arange(1, 10) ** 2).mean()
    assert as_expected(oracle.rows["expected"].to_numpy(), 5 * rate, np.sqrt(second * rate / N))
    assert abs(oracle.rmse.value - np.sqrt(second * rate.mean())) < 4 * oracle.rmse.error


def test_different_values_and_conditions_are_counted_in_futures_too():
    rate = world()[3]
    kinds = asked(Distinct(Bought, "amount", "1d"), 40).rows["expected"].to_numpy()
    exact = 9 * (1 - np.exp(-rate / 9))
    assert abs((kinds - exact).mean()) < 4 * 1.5 / np.sqrt(40 * len(exact))
    dear = asked(Count(Bought, "1d", where=pl.col("amount") > 6), 40).rows["expected"].to_numpy()
    assert as_expected(dear, rate / 3, np.sqrt(rate / 3 / 40))


@pytest.mark.parametrize("seed", range(3))
def test_bounds_of_numbers_have_no_bias(seed: int):
    """Of normal values around rows' means, the least errors and the correlation are known."""
    rng = np.random.default_rng(seed)
    mean = rng.normal(0, 1, 500)
    worlds = rng.normal(mean, 2.0, (60, 500))
    explained = np.sqrt(mean.var() / (mean.var() + 4))
    exact = {
        best_rmse: 2.0,
        best_mae: 2 * np.sqrt(2 / np.pi),
        best_correlation: explained,
        best_crps: 2 / np.sqrt(np.pi),
    }
    for bound, value in exact.items():
        made = bound(worlds)
        assert abs(made.value - value) < 4.5 * made.error, bound
        assert made.error < 0.05 * value


# ------------------------------------------------ times


def test_survival_is_exponential():
    rate, oracle = world()[3], times()
    assert isinstance(oracle, TimeOracle)
    curves = oracle.survival(["6h", "18h"])
    for hours in (6, 18):
        at = curves.filter(pl.col("time") == dt.timedelta(hours=hours))
        exact = np.exp(-rate * hours / 24)
        assert as_expected(at["survival"].to_numpy(), exact, np.sqrt(exact * (1 - exact) / N))
    observed = 1 - np.exp(-rate)
    assert as_expected(oracle.rows["observed"].to_numpy(), observed, np.sqrt(observed * (1 - observed) / N))


def test_restricted_times_and_their_least_error():
    rate, oracle = world()[3], times()
    restricted = DAY * (1 - np.exp(-rate)) / rate
    expected = oracle.rows["expected"].dt.total_microseconds().to_numpy() / 1e6
    assert abs((expected - restricted).mean()) < 4 * oracle.rmse.value / np.sqrt(N * len(rate))
    # half of the mean distance of two times: the integral of S (1 - S)
    crps = DAY * ((1 - np.exp(-rate)) / rate - (1 - np.exp(-2 * rate)) / (2 * rate)).mean()
    assert abs(oracle.crps.value - crps) < 4 * oracle.crps.error < 0.1 * crps
    medians = oracle.rows["median"]
    assert medians.null_count() == (oracle.rows["observed"] <= 0.5).sum() < 100
    middle = medians.dt.total_microseconds().to_numpy() / 1e6 / DAY
    known = (rate > 1.5) & ~np.isnan(middle)
    assert abs((middle[known] * rate[known] / np.log(2)).mean() - 1) < 0.05


def test_times_without_an_end_are_looked_at_until_the_runs():
    """And a longer window is cut there, as the label of the frame is."""
    sim, ds, _, rate = world()
    label = TimeTo(Bought, "9d")
    frame = ds.training_frame(User, at="2024-01-03T12:00", features={}, label=label)
    oracle = ds.oracle(frame, label, sim=sim, n=20)
    seen = 1 - np.exp(-rate / 2)
    assert abs(oracle.rows["observed"].mean() - seen.mean()) < 0.03
    censored = frame.collect().filter(~pl.col("label_observed"))["label"]
    assert censored.unique().to_list() == [dt.timedelta(hours=12)]
    assert oracle.survival(["13h"])["survival"].null_count() == oracle.rows.height
    table = oracle.calibration(frame, bins=4)
    assert ((table["happened"] - table["expected"]) / table["error"]).abs().max() < 4


# ------------------------------------------------ classes


def test_chances_of_the_next_event_are_those_of_the_mood():
    rate, oracle = world()[3], nexts()
    assert isinstance(oracle, ClassOracle)
    assert oracle.classes == ("Bought", "Returned", "none")
    some = 1 - np.exp(-1.0)  # one visit in six hours, on average
    exact = some * rate / 4
    assert as_expected(oracle.chances["Bought"].to_numpy(), exact, np.sqrt(exact * (1 - exact) / N))
    assert abs(oracle.shares["none"] - np.exp(-1.0)) < 0.02
    p = np.array([exact, some - exact, np.full(len(rate), 1 - some)])
    assert abs(oracle.accuracy.value - p.max(axis=0).mean()) < 4 * oracle.accuracy.error < 0.05
    assert abs(oracle.log_loss.value + (p * np.log(p)).sum(axis=0).mean()) < 4 * oracle.log_loss.error


@pytest.mark.parametrize("seed", range(3))
def test_bounds_of_classes_have_no_bias(seed: int):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet([1, 1, 1], 600)
    drawn = rng.random((80, 600))[..., None] > p.cumsum(axis=1)
    worlds = drawn.sum(axis=2).clip(0, 2).astype(np.int16)
    accuracy, loss = best_accuracy(worlds, 3), best_class_log_loss(worlds, 3)
    assert abs(accuracy.value - p.max(axis=1).mean()) < 4.5 * accuracy.error < 0.03
    assert abs(loss.value + (p * np.log(p)).sum(axis=1).mean()) < 4.5 * loss.error + 0.004


def test_the_outcome_of_sessions_under_way():
    """Of those that are in the first of two waits, more are lost than of those in the second."""
    sim = Simulation("3h", "2024-01-01", time_step="1m", random_seed=3, initial_entities={User: 300})

    @sim.flow(rate="200/h", filter=Select(User))
    def order(ctx):
        yield NewEvent(ctx, Bought)
        yield AddDecay(ctx, rate=0.5, minutes=20)
        yield NewEvent(ctx, Returned)
        yield AddDecay(ctx, rate=0.2, minutes=20)

    ds, at = sim.collect(), dt.datetime(2024, 1, 1, 1, 30)
    under_way = ds.sessions.filter(pl.col("started") < at, pl.col("ended") > at)
    rows = under_way.select(
        pl.col("User").list.first().alias("user_id"),
        pl.lit(at).cast(pl.Datetime("us")).alias("at"),
        "sys__sid",
    )
    frame = ds.training_frame(User, at=rows, features={}, label=Outcome())
    oracle = ds.oracle(frame, Outcome(), sim=sim, n=50)
    assert oracle.classes == ("completed", "decayed", "no_entity", "none")
    done = ds[Returned].filter(pl.col("sys__time") < at)["sys__sid"]
    second = frame.collect()["sys__sid"].is_in(done.implode()).to_numpy()
    decayed = oracle.chances["decayed"].to_numpy()
    # what the wait has decided is drawn already, so those in the second wait are sure
    assert set(decayed[second]) <= {0.0, 1.0}
    first = decayed[~second]
    assert 30 < len(first) < 100
    sure = first == 1.0
    assert 0.3 < sure.mean() < 0.7
    assert abs(first[~sure].mean() - 0.2) < 4 * np.sqrt(0.16 / 50 / (~sure).sum())
    probe = ds.probe(oracle.rows["likeliest"], frame, oracle=oracle)
    assert probe.measure == "accuracy"
    assert not probe.leaks
    leak = ds.probe(frame.collect()["label"], frame, oracle=oracle)
    assert leak.leaks
    assert leak.reached == 1.0


# ------------------------------------------------ probes, and what is refused


@pytest.mark.parametrize(
    ("label", "oracle", "leaking"),
    [
        (Count(Bought, "1d"), counts, pl.col("label")),
        (Sum(Bought, "amount", "1d"), sums, pl.col("label") + 3),
        (TimeTo(Bought, "1d"), times, pl.col("label").dt.total_seconds()),
        (NextEvent(Bought, Returned, within="6h"), nexts, pl.col("label").fill_null("none")),
    ],
    ids=["count", "sum", "time", "next"],
)
def test_probes_find_scores_that_know_the_label(label, oracle, leaking):
    """And not the scores of the truth itself, nor those of the past."""
    _, ds, _, rate = world()
    frame = ds.training_frame(User, at=AT, features={"n": Count(Bought, "1d")}, label=label)
    rows, told = frame.collect(), oracle()
    best = {
        "correlation": -rate if isinstance(label, TimeTo) else rate,
        "accuracy": told.rows["likeliest"] if "likeliest" in told.rows.columns else None,
    }[told.measure]
    fair = ds.probe(best, frame, oracle=told)
    assert not fair.leaks, fair
    assert abs(fair.excess) < 4 * fair.error
    leak = ds.probe(rows.select(leaking).to_series(), frame, oracle=told)
    assert leak.leaks, leak
    assert leak.excess > 3 * leak.error


def test_scores_that_say_nothing_are_no_leak():
    _, ds, _, rate = world()
    frame = ds.training_frame(User, at=AT, features={}, label=Count(Bought, "1d"))
    probe = ds.probe(np.full(len(rate), 0.1), frame, oracle=counts())
    assert probe.reached == probe.in_futures == probe.surprise == 0
    assert not probe.leaks


def test_classes_may_be_named_or_scored():
    _, ds, _, rate = world()
    label = NextEvent(Bought, Returned, within="6h")
    frame = ds.training_frame(User, at=AT, features={"n": Count(Bought, "1d")}, label=label)
    named = ["Bought" if each > 2 else "Returned" for each in rate]
    scored = np.column_stack([rate, np.full(len(rate), 2.0), np.zeros(len(rate))])
    found = [ds.probe(each, frame, oracle=nexts()).reached for each in (named, scored)]
    assert found[0] == found[1]
    with pytest.raises(SettingsError, match="no class 'Bougt'"):
        ds.probe(["Bougt"] * len(rate), frame, oracle=nexts())
    with pytest.raises(SettingsError, match="no class for each row"):
        ds.probe(rate, frame, oracle=nexts())


def test_what_has_no_oracle_is_refused_by_its_name():
    sim, ds, frame, _ = world()
    for label, text in (
        (Mean(Bought, "amount", "1d"), "Mean has no oracle"),
        (Max(Bought, "amount", "1d"), "Max has no oracle"),
        (Last(Bought, "amount", "1d"), "Last has no oracle"),
        (TimeSince(Bought), "TimeSince has no oracle"),
        (Verdict(), "Verdict has no oracle"),
        (Count(Bought), "has no end"),
        (Outcome(), "whose outcome"),
        ("Bought", "no chance of that"),
    ):
        with pytest.raises(SettingsError, match=text):
            ds.oracle(frame, label, sim=sim, n=4)
    labelled = ds.training_frame(User, at=AT, features={}, label=Happens(Bought, within="1d"))
    with pytest.raises(SettingsError, match="no label that is a number"):
        ds.probe([0.0] * 250, labelled, oracle=counts())
    with pytest.raises(SettingsError, match="no AUC"):
        _ = ds.probe(frame["n"], frame.with_columns(label="n"), oracle=counts()).auc
