"""T13: flows that go by the clocks of entities, on every engine, against theory and across checkpoints.

Where a test of chance could fail by chance, it does so once in 10,000 seeds; the seed is fixed.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats

from deep_faker import (
    AddDecay,
    BaseEvent,
    Choice,
    Dataset,
    Entity,
    Exponential,
    Field,
    Gamma,
    NewEvent,
    Normal,
    Select,
    SetState,
    Simulation,
    StateField,
    Uniform,
)
from deep_faker.errors import DeclarationError
from deep_faker.plan import Trace
from deep_faker.simulate.arrivals import first_without
from tests.support.engine_agreement import compiled, differences, load_text, tables
from tests.support.engines import SAVING, engine_of, engines_for, every_engine, traces_of
from tests.support.programs.rates import with_rates
from tests.support.programs.source_flows import module_text

FALSE_ALARM = 1e-4
START = dt.datetime(2024, 1, 1)


class Joined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)


class Visited(BaseEvent):
    user_id: str


class User(Entity):
    source_event = Joined
    primary_key = "user_id"

    visits: int = StateField(default=0, type_=int)


def world(every, *, users: int = 50, stay: float = 0, where=(), **settings) -> Simulation:
    """Users who visit at the instants of their clocks, and stay a while."""
    usual = {"duration": "90d", "start_time": START, "time_step": "10m", "random_seed": 3}
    sim = Simulation(
        **{**usual, "initial_entities": {User: users}, "emit_initial_entities": False, **settings}
    )

    @sim.flow(filter=Select(User, where=list(where)), every=every)
    def visit(ctx):
        yield NewEvent(ctx, Visited, mutate=SetState(User, [("visits", "add", 1)]))
        yield AddDecay(ctx, rate=0, seconds=stay)

    return sim


def seconds(data: Dataset) -> dict[str, np.ndarray]:
    """For each user the instants of its visits, in seconds from the start."""
    frame = data["Visited"].sort("sys__ets").group_by("user_id").agg(pl.col("sys__ets"))
    begin = START.replace(tzinfo=dt.UTC).timestamp()
    return {user: np.array(ets) / 1000 - begin for user, ets in frame.iter_rows()}


@pytest.mark.parametrize(
    ("every", "law"),
    [
        (Exponential(days=1), stats.expon(scale=86_400)),
        (Gamma(4, scale=20_000), stats.gamma(4, scale=20_000)),
        (Uniform(40_000, 90_000), stats.uniform(40_000, 50_000)),
    ],
    ids=["exponential", "gamma", "uniform"],
)
def test_t13_gaps_are_of_the_distribution(every, law):
    """The gaps of all users together, the first one from the birth on (KS); another law fails the same test."""
    visits = seconds(world(every).collect())
    gaps = np.concatenate([np.diff(times, prepend=0.0)[:60] for times in visits.values()])
    assert len(gaps) == 50 * 60
    assert stats.kstest(gaps, law.cdf).pvalue > FALSE_ALARM
    assert stats.kstest(gaps, stats.expon(scale=110_000).cdf).pvalue < FALSE_ALARM


def test_t13_gaps_are_independent():
    """Of the gap before, and of other users' gaps."""
    visits = list(seconds(world(Exponential(days=1)).collect()).values())
    gaps = np.array([np.diff(times)[:60] for times in visits])
    assert stats.spearmanr(gaps[:, 1:].ravel(), gaps[:, :-1].ravel()).pvalue > FALSE_ALARM
    assert stats.spearmanr(gaps[1:].ravel(), gaps[:-1].ravel()).pvalue > FALSE_ALARM


@every_engine
def test_t13_a_regular_clock_counts_from_the_birth(engine: str):
    """Users who join on the way come each at their own hour, for the first time a day after."""
    sim = world("1d", users=2, duration="5d", time_step="1h")

    @sim.flow(rate="4/day")
    def join(ctx):
        yield NewEvent(ctx, Joined, save_entity=User)

    data = sim.collect(engine=engine)
    born = dict(data.entities[User].select("user_id", "born").iter_rows())
    assert len(born) > 12
    for user, times in seconds(data).items():
        since = (born[user] - START).total_seconds()
        gaps = (times - since) / 86_400
        assert gaps == pytest.approx(np.arange(1, len(times) + 1), abs=1e-7)
        assert since + 86_400 * (len(times) + 1) >= 5 * 86_400


@every_engine
def test_t13_who_is_busy_or_does_not_match_is_turned_away(engine: str, tmp_path: Path):
    """Its clock goes on: of a visit every hour that takes 90 minutes, each second one does not begin."""
    sim = world("1h", users=3, duration="12h", stay=5_400)
    report = sim.run(tmp_path / "out", engine=engine, progress=False)
    hours = {user: (times / 3600).tolist() for user, times in seconds(Dataset.open(tmp_path / "out")).items()}
    assert list(hours.values()) == [[1, 3, 5, 7, 9, 11]] * 3
    assert report.turned_away == report.unmatched == {"visit": 15}
    sim = world("1h", users=3, duration="12h", where=[("visits", "less_than", 4)])
    report = sim.run(tmp_path / "few", engine=engine, progress=False)
    assert (report.flows, report.turned_away) == ({"completed": 12}, {"visit": 21})
    sim = world("1h", users=3, duration="12h", n_flows=1, stay=60)
    report = sim.run(tmp_path / "one", engine=engine, progress=False)
    assert (report.flows, report.turned_away, report.unmatched) == ({"completed": 11}, {"visit": 22}, {})


def test_r2_a_longer_run_and_more_users_move_no_visit():
    """Each user's clock is its own."""
    short, long, more = (
        seconds(world(Exponential(days=1), stay=1, **settings).collect())
        for settings in ({"duration": "20d"}, {}, {"duration": "20d", "users": 80})
    )
    for user, times in short.items():
        assert times.tolist() == [at for at in long[user] if at < 20 * 86_400] == more[user].tolist()


def test_e2_a_few_random_flows_run_alike_on_all_engines(tmp_path: Path):
    """Random programs, some flows of which go by clocks, in worlds with births."""
    seen = 0
    for seed in range(640, 660):
        sim = load_text(module_text(seed), tmp_path)
        plan = with_rates(compiled(sim), seed)
        if not any(flow.every for flow in plan.flows):
            continue
        seen += 1
        made = {name: tables(plan, sim.random_seed, name) for name in engines_for(plan)}
        for name, result in made.items():
            assert not differences(result, made["reference"]), f"case {seed}, {name}"
        if seen == 2:
            return
    raise AssertionError("no program with clocks")


@pytest.mark.skipif("native" not in SAVING, reason="there is no kernel here")
def test_t13_engines_go_on_from_each_other():
    """Wherever a run stops, its step and counts are the same, and each goes on from the other's checkpoint."""
    sim = world(Exponential(hours=5), users=4, duration="4d", time_step="1h", stay=9_000)

    @sim.flow(rate="10/day")
    def join(ctx):
        yield NewEvent(ctx, Joined, save_entity=User)
        yield AddDecay(ctx, rate=0, seconds=Exponential(hours=2))

    plan = sim.compile()
    runs = {name: engine_of(plan, name) for name in SAVING}
    for stop in range(0, first_without(plan.settings) + 40, 7):
        saved = {}
        for name, (engine, binding) in runs.items():
            traces_of(engine, binding, stop_before_step=stop)
            saved[name] = engine.save()
        counts = [
            {key: value.tolist() for key, value in arrays.items() if key.startswith(("counters.", "tally."))}
            for arrays in saved.values()
        ]
        assert counts[0] == counts[1], f"before step {stop}"
        runs = {name: engine_of(plan, name) for name in SAVING}
        for name, (engine, _) in runs.items():
            engine.load(saved["numpy" if name == "native" else "native"])
    assert counts[0]["tally.turned_away"][0] > 100


@pytest.mark.parametrize("name", SAVING)
def test_r4_a_saved_run_goes_on_with_its_clocks(name: str):
    """Half of a run saved and taken up by another engine object ends with the same events."""
    plan = world(Exponential(hours=5), duration="10d", stay=9_000).compile()

    def rows(traces: list[Trace]) -> list[tuple[int, int]]:
        parts = [part for trace in traces for part in trace.rows]
        return [pair for part in parts for pair in zip(part.flow.tolist(), part.clock.tolist(), strict=True)]

    whole = rows(traces_of(*engine_of(plan, name)))
    first, binding = engine_of(plan, name)
    before = rows(traces_of(first, binding, stop_before_step=701))
    second, binding = engine_of(plan, name)
    second.load(first.save())
    assert sorted(before + rows(traces_of(second, binding))) == sorted(whole)
    assert 0 < len(before) < len(whole)


def test_it_stands_in_explain():
    """Whose clock, and how it goes."""
    text = " ".join(world(Exponential(days=7)).explain().split())
    assert "FLOW visit" in text
    assert "for each User arrives by the clock of each User: Exponential(mean=604800)" in text


def _refused(**arguments) -> str:
    with pytest.raises(DeclarationError) as refusal:
        Simulation().flow(**{"filter": Select(User), **arguments})(lambda ctx: None)
    assert refusal.value.diagnostic.span.file == __file__
    return str(refusal.value)


@pytest.mark.parametrize(
    ("every", "says"),
    [
        ("often", "every='often'"),
        (0, "every=0"),
        (True, "every=True"),
        (Exponential(0), "a typical time is 0 s"),
        (Uniform(-1, 5), "low=-1"),
        (Choice(["soon"]), "the value 'soon'"),
        (Normal(-9, 1), "a typical time is -9 s"),
    ],
)
def test_what_is_no_interval_is_refused(every: object, says: str):
    """With the value."""
    assert says in _refused(every=every)


def test_a_clock_is_somebodys():
    """One type of entity, and neither a rate nor a weight beside it."""
    assert "its filter is missing" in _refused(every="1d", filter=None)
    assert "shared" in _refused(every="1d", filter=Select(User, shared=True))
    assert "every=" in _refused(every="1d", rate="3/h")
    assert "initiation_weight=3" in _refused(every="1d", initiation_weight=3)


def test_exponential_takes_times():
    """The mean as a time is in seconds; it is given once."""
    assert Exponential(days=7) == Exponential(604_800) == Exponential(seconds=604_800)
    assert Exponential(hours=0.5).mean == 1800
    for wrong in ({}, {"mean": 3, "days": 1}, {"days": 1, "hours": 1}, {"days": "x"}, {"days": -1}):
        with pytest.raises(DeclarationError):
            Exponential(**wrong)
