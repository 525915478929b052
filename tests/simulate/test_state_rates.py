"""T15: rates that follow from the state of each entity, on every engine and against theory.

Where a test of chance could fail by chance, it does so once in 10,000 seeds; the seed is fixed.
"""

from __future__ import annotations

import datetime as dt
import random

import numpy as np
import polars as pl
import pytest
from scipy import stats

from deep_faker import (
    AddDecay,
    BaseEvent,
    Daily,
    Dataset,
    Entity,
    Exponential,
    Field,
    Gamma,
    NewEvent,
    Select,
    SetState,
    Simulation,
    StateField,
)
from deep_faker.draws.mix import Draws
from deep_faker.errors import DeclarationError, RunError
from deep_faker.simulate.state_rates import StateRates
from tests.support.engine_agreement import compiled, differences, tables
from tests.support.engines import SAVING, engine_of, engines_for, traces_of

FALSE_ALARM = 1e-4
START = dt.datetime(2024, 1, 1)
DAY = 86_400


class Joined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)


class Visited(BaseEvent):
    user_id: str


class Cheered(BaseEvent):
    user_id: str


class User(Entity):
    source_event = Joined
    primary_key = "user_id"

    activity: float = StateField(draw=Gamma(2, 0.5))
    mood: float = StateField(default=1.0)
    name: str = StateField(default="")


def world(rate, *, cheer: str | None = None, join: str | None = None, season=None, **settings) -> Simulation:
    """Users who visit at their own rates; cheering sets the mood of one to 0, 1 or 5."""
    usual = {"duration": "20d", "start_time": START, "time_step": "10m", "random_seed": 3, "n_flows": None}
    settings = {**usual, "initial_entities": {User: 80}, "emit_initial_entities": False, **settings}
    sim = Simulation(**settings)

    @sim.flow(filter=Select(User), rate=rate, season=season)
    def visit(ctx):
        yield NewEvent(ctx, Visited)

    if join is not None:

        @sim.flow(rate=join)
        def arrive(ctx):
            yield NewEvent(ctx, Joined, save_entity=User)

    if cheer is not None:

        @sim.flow(filter=Select(User), rate=cheer)
        def please(ctx):
            mood = random.choice([0.0, 1.0, 5.0])
            yield NewEvent(ctx, Cheered, mutate=SetState(User, [("mood", "is", mood)]))
            yield AddDecay(ctx, rate=0, seconds=Exponential(2000))

    return sim


def by_activity(user):
    return user.activity * user.mood * 3 / DAY


def visits(data: Dataset) -> pl.DataFrame:
    """Each user with the count of its visits."""
    counts = data["Visited"].group_by("user_id").len("visits")
    return (
        data.entities[User].join(counts, on="user_id", how="left").with_columns(pl.col("visits").fill_null(0))
    )


def test_t15_counts_are_poisson_with_the_rate_of_each():
    """The sum of (count - mean)² / mean over users is χ²; of users who are all alike it is not."""
    users = visits(world(by_activity).collect())
    mean = users["activity"].to_numpy() * 3 * 20
    counts = users["visits"].to_numpy()
    chi = ((counts - mean) ** 2 / mean).sum()
    assert FALSE_ALARM / 2 < stats.chi2(len(counts)).cdf(chi) < 1 - FALSE_ALARM / 2
    alike = ((counts - counts.mean()) ** 2 / counts.mean()).sum()
    assert stats.chi2(len(counts)).sf(alike) < FALSE_ALARM


def test_t15_gaps_of_one_are_exponential():
    """Rescaled by each one's rate (KS); the rate of another user fails the same test."""
    data = world(by_activity).collect()
    activity = dict(data.entities[User].select("user_id", "activity").iter_rows())
    gaps, wrong = [], []
    for user, times in data["Visited"].sort("sys__ets").group_by("user_id").agg("sys__ets").iter_rows():
        own = np.diff(np.array(times) / 1000) * 3 / DAY
        gaps.append(own * activity[user])
        wrong.append(own * float(np.mean([*activity.values()])))
    assert stats.kstest(np.concatenate(gaps), stats.expon.cdf).pvalue > FALSE_ALARM
    assert stats.kstest(np.concatenate(wrong), stats.expon.cdf).pvalue < FALSE_ALARM


def test_t15_a_change_of_state_changes_the_rate_from_then_on():
    """In the times of each mood, visits come at the rate of that mood."""
    gentle = lambda user: user.activity * user.mood / 2 / DAY
    data = world(gentle, cheer="40/day").collect(history=True)
    moods = (
        data.history[User].select("user_id", "valid_from", "valid_to", "mood", "activity").sort("valid_from")
    )
    seen = data["Visited"].select("user_id", valid_from="sys__time").sort("valid_from")
    in_mood = (
        seen.join_asof(moods, on="valid_from", by="user_id", check_sortedness=False).group_by("mood").len()
    )
    end = START + dt.timedelta(days=20)
    span = (pl.col("valid_to").fill_null(end) - pl.col("valid_from")).dt.total_seconds()
    means = moods.group_by("mood").agg((span * pl.col("activity") / 2 / DAY).sum())
    mean, count = dict(means.iter_rows()), dict(in_mood.iter_rows())
    assert set(mean) == {0.0, 1.0, 5.0}
    # the step in which the mood changes is still at the old rate: ten minutes of some 800 changes
    assert count.get(0.0, 0) < 20
    for mood in (1.0, 5.0):
        expected = mean[mood] * mood
        assert abs(count[mood] - expected) < 4 * np.sqrt(expected) + 30


def arrivals(rate, users: int = 80, season=None) -> dict[int, int]:
    """Instants of all arrivals in 20 days by their words, of users with activities 0, 0.05, 0.1 …"""
    plan = world(rate, season=season).compile()
    flow = plan.flows[0]
    assert flow.by_state is not None
    states = StateRates(flow, flow.by_state, Draws(3))
    states.look(
        lambda _entity, field: (np.arange(users) * 0.05 if field == "activity" else np.ones(users), None)
    )
    begin = plan.settings.start
    clock, word, _ = states.arrivals(np.arange(users), begin, begin + 20 * DAY * 1_000_000)
    return dict(zip(word.tolist(), clock.tolist(), strict=True))


def test_t15_of_two_rates_the_lower_one_has_some_of_the_higher_ones_arrivals():
    """A user more moves none, and a season leaves those that it does not touch."""
    low = arrivals(lambda user: user.activity / DAY)
    high = arrivals(lambda user: user.activity * 4 / DAY)
    assert low.items() < high.items()
    assert low.items() < arrivals(lambda user: user.activity / DAY, users=120).items()
    noon = arrivals(lambda user: user.activity * 4 / DAY, season=Daily([0] * 12 + [1] * 12))
    start = int(START.replace(tzinfo=dt.UTC).timestamp()) * 1_000_000
    afternoon = {(word, at) for word, at in high.items() if (at - start) // 3_600_000_000 % 24 >= 12}
    assert afternoon < noon.items()
    assert all((at - start) // 3_600_000_000 % 24 >= 12 for at in noon.values())


@pytest.mark.parametrize(
    "settings",
    [
        {"cheer": "60/day", "join": "6/day", "duration": "4d"},
        {"cheer": "90/day", "duration": "50h7m", "on_end": "cut", "time_step": "1h"},
    ],
    ids=["births", "cut"],
)
def test_e2_all_engines_do_the_same(settings):
    """Events, sessions, entities and their histories, where rates change and users are born."""
    sim = world(by_activity, **settings)
    plan = compiled(sim)
    made = {name: tables(plan, sim.random_seed, name) for name in engines_for(plan)}
    for name, result in made.items():
        assert not differences(result, made["reference"]), name
    assert len(made) > 1


@pytest.mark.parametrize("name", SAVING)
def test_r4_a_saved_run_goes_on_at_its_rates(name: str):
    """Half of a run saved and taken up by another engine object ends with the same events."""
    plan = world(by_activity, cheer="40/day", join="4/day", duration="5d").compile()

    def rows(traces) -> list[tuple[int, int]]:
        parts = [part for trace in traces for part in trace.rows]
        return [pair for part in parts for pair in zip(part.flow.tolist(), part.clock.tolist(), strict=True)]

    whole = rows(traces_of(*engine_of(plan, name)))
    first, binding = engine_of(plan, name)
    before = rows(traces_of(first, binding, stop_before_step=301))
    second, binding = engine_of(plan, name)
    second.load(first.save())
    assert sorted(before + rows(traces_of(second, binding))) == sorted(whole)
    assert 0 < len(before) < len(whole)


def test_it_stands_in_explain():
    """As it was written."""
    text = " ".join(world(lambda user: user.activity * 2 / DAY).explain().split())
    assert "arrives at user.activity * 2 / DAY, a second, for each User" in text


def _refused(rate, filter=Select(User)) -> str:  # noqa: A002, B008 - as `flow` has it
    sim = Simulation("1h", start_time=START)
    with pytest.raises(DeclarationError) as refusal:
        sim.flow(filter=filter, rate=rate)(world(by_activity)._flows[0].function)
        sim.compile()
    return str(refusal.value)


def test_what_is_no_rate_is_refused():
    """With what it reads, and the mend."""
    assert "reads 'age'; numbers of User that are never None: activity, mood" in _refused(lambda u: u.age / 9)
    assert "reads 'name'" in _refused(lambda u: len(u.name))
    assert "numpy.where for an if" in _refused(lambda u: 1.0 if u.mood > 1 else 2.0)
    assert "it reads no state" in _refused(lambda _user: 3.0)
    assert "its filter is missing" in _refused(by_activity, filter=None)
    with pytest.raises(RunError, match=r"the rate of visit is -1\.0 a second for a User with mood=1\.0"):
        world(lambda user: -user.mood).collect()
