"""T11: flows that start at a rate of their own, on every engine, against theory and against their twins.

Where a test of chance could fail by chance, it does so once in 10,000 seeds; the seed is fixed.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from deep_faker import (
    AddDecay,
    BaseEvent,
    Daily,
    Dataset,
    Entity,
    Field,
    NewEvent,
    Select,
    Simulation,
    Weekly,
)
from deep_faker.draws.mix import Draws
from deep_faker.errors import DeclarationError, DeepFakerWarning, SettingsError
from deep_faker.fill.binding import Binding
from deep_faker.plan import Trace
from deep_faker.plan.parts import WorldPart, plan_of
from deep_faker.run.checkpoints.fingerprint import differences as fingerprints_differ
from deep_faker.run.checkpoints.fingerprint import fingerprint
from deep_faker.seasons import Holidays, Trend, Window
from deep_faker.simulate import arrivals
from deep_faker.simulate.arrivals import first_without
from deep_faker.simulate.choice import engine_for
from deep_faker.simulate.native import layout
from tests.support.engine_agreement import compiled, differences, load_text, tables
from tests.support.engines import SAVING, engine_of, engines_for, every_engine, traces_of
from tests.support.programs.rates import with_rates
from tests.support.programs.source_flows import module_text

FALSE_ALARM = 1e-4
START = dt.datetime(2024, 3, 25)


class Joined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)


class Visited(BaseEvent):
    user_id: str = ""


class User(Entity):
    source_event = Joined
    primary_key = "user_id"


def world(rate: str = "3/m", season=None, *, stay: float = 1.5, who=None, **settings) -> Simulation:
    """One flow with a rate, that lasts a while."""
    usual = {"duration": "2h", "start_time": START, "random_seed": 3, "emit_initial_entities": False}
    sim = Simulation(**usual | settings)

    @sim.flow(rate=rate, season=season, filter=who)
    def visit(ctx):
        yield NewEvent(ctx, Visited, user_id="")
        yield AddDecay(ctx, rate=0, seconds=stay)

    return sim


def started(data: Dataset, flow: str = "visit") -> list[dt.datetime]:
    """The instants at which sessions of a flow began, ascending."""
    rows = zip(data.sessions["flow"].cast(str), data.sessions["started"], strict=True)
    return sorted(at for name, at in rows if name == flow)


def cumulated(sim: Simulation, instants: list[dt.datetime], flow: int = 0) -> np.ndarray:
    """How many arrivals were to be expected up to each of these instants."""
    plan = sim.compile()
    micros = [(at - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1) for at in instants]
    return np.array([plan.flows[flow].rate.expected(plan.settings.start, at) for at in micros])


# ---------------------------------------------------------------- against theory


@pytest.mark.parametrize(
    "season",
    [
        None,
        Daily(range(1, 25), tz="Europe/Berlin") * Weekly([1, 1, 1, 1, 2, 0.5, 0.25]),
        Window(START + dt.timedelta(days=1), START + dt.timedelta(days=1, hours=5), 9) * Trend(2, over="7d"),
    ],
)
def test_t11_rescaled_gaps_are_exponential(season):
    """In units of the expected count, gaps are Exp(1) (time rescaling); those of slots that are filled are not."""
    sim = world("120/h", season, duration="7d", time_step="1m")
    instants = started(sim.collect())
    gaps = np.diff(cumulated(sim, instants))
    assert len(gaps) > 8_000
    assert stats.kstest(gaps, "expon").pvalue > FALSE_ALARM
    plain = world("120/h", duration="7d", time_step="1m")
    assert season is None or stats.kstest(np.diff(cumulated(plain, instants)), "expon").pvalue < FALSE_ALARM


def test_t11_a_day_has_its_curve():
    """Starts by the hour of the local day, over a week in which clocks are set: chi-square against the curve."""
    weights = [1, 1, 1, 1, 1, 2, 4, 7, 9, 8, 8, 9, 10, 9, 8, 8, 9, 11, 13, 14, 12, 8, 4, 2]
    sim = world("600/h", Daily(weights, tz="Europe/Berlin"), duration="7d", time_step="10s")
    instants = started(sim.collect())

    def hours(moments: list[dt.datetime]) -> np.ndarray:
        """How many lie in each hour of the day in Berlin: an hour before UTC until Sunday at 1:00, then two."""
        summer = dt.datetime(2024, 3, 31, 1)
        local = Counter((at + dt.timedelta(hours=2 if at >= summer else 1)).hour for at in moments)
        return np.array([local[hour] for hour in range(24)])

    times = hours([START + dt.timedelta(hours=hour) for hour in range(7 * 24)])
    expected = np.array(weights) / np.mean(weights) * 600 * times
    found = hours(instants)
    assert times.min() == 6
    assert stats.chi2(24).sf(((found - expected) ** 2 / expected).sum()) > FALSE_ALARM
    flat = 600.0 * times
    assert stats.chi2(24).sf(((found - flat) ** 2 / flat).sum()) < FALSE_ALARM


# ---------------------------------------------------------------- twins


def test_t11_a_lower_rate_has_some_of_a_higher_ones_arrivals():
    """Of two worlds that differ in the rate alone."""
    low, high = (started(world(rate, duration="6h").collect()) for rate in ("100/h", "250/h"))
    assert set(low) < set(high)
    assert 0.3 < len(low) / len(high) < 0.5


def test_t11_outside_of_a_window_nothing_changes():
    """A campaign, or an outage, moves no arrival before or after it."""
    begin, end = START + dt.timedelta(hours=2), START + dt.timedelta(hours=3)
    plain, more, none = (
        started(world("200/h", season, duration="6h").collect())
        for season in (None, Window(begin, end, 4), Window(begin, end, 0))
    )
    for other in (more, none):
        assert [at for at in other if not begin <= at < end] == [at for at in plain if not begin <= at < end]
    assert sum(begin <= at < end for at in more) > 600
    assert {at for at in plain if begin <= at < end} < set(more)
    assert not [at for at in none if begin <= at < end]


@every_engine
def test_r2_a_longer_run_keeps_a_shorter_ones_rows(engine: str):
    """Also where the shorter one ends within a step, and entities and places are short."""
    settings = {
        "initial_entities": {User: 12},
        "n_flows": 9,
        "time_step": "7s",
        "on_end": "cut",
        "stay": 30.0,
    }
    whole, part = (
        world("30/m", who=Select(User), duration=duration, **settings).collect(engine=engine)
        for duration in ("300s", "200s")
    )
    end = START + dt.timedelta(seconds=200)
    both = [
        data["Visited"].filter(data["Visited"]["sys__ets"] < end.timestamp() * 1000) for data in (whole, part)
    ]
    assert both[0].equals(both[1].head(both[0].height))
    assert started(part) == [at for at in started(whole) if at < end]
    assert len(started(part)) > 40


def test_t11_a_flow_more_moves_no_arrival_of_another():
    """Each flow's field is its own, by its name."""
    sim = world("100/h")
    alone = started(sim.collect())

    @sim.flow(rate="100/h")
    def other(ctx):
        yield NewEvent(ctx, Joined)

    data = sim.collect()
    assert started(data) == alone
    assert not set(started(data, "other")) & set(alone)


# ---------------------------------------------------------------- who is turned away


@every_engine
def test_t11_n_flows_turns_away_and_the_report_counts(engine: str, tmp_path: Path):
    """Arrivals come or are turned away, none is lost; never more flows are active than there are places."""
    everybody = started(world("30/m", stay=20, duration="1h").collect(engine=engine))
    sim = world("30/m", stay=20, n_flows=6, duration="1h")
    report = sim.run(tmp_path / "out", engine=engine, progress=False)
    data = Dataset.open(tmp_path / "out")
    assert set(started(data)) < set(everybody)
    assert report.turned_away == {"visit": len(everybody) - data.sessions.height}
    assert report.as_dict()["turned_away"]["visit"] > 500
    assert report.skipped == 0
    assert "arrivals of visit turned away: n_flows were active" in str(report)
    spans = list(zip(data.sessions["started"], data.sessions["ended"], strict=True))
    assert max(sum(begin <= at < end for begin, end in spans) for at, _ in spans) == 6


@every_engine
def test_t11_nobody_left_turns_away(engine: str, tmp_path: Path):
    """Three users, each busy for a minute: who comes meanwhile is turned away, and counted as unmatched, too."""
    everybody = started(world("6/m").collect(engine=engine))
    sim = world("6/m", stay=60, who=Select(User), initial_entities={User: 3})
    report = sim.run(tmp_path / "out", engine=engine, progress=False)
    began = started(Dataset.open(tmp_path / "out"))
    assert set(began) < set(everybody)
    assert report.unmatched == report.turned_away == {"visit": len(everybody) - len(began)}
    assert report.unmatched["visit"] > 300
    assert str(report).count("nobody matched\n") == 1  # and no n_flows, which nobody has given


@every_engine
def test_t11_others_fill_the_places_beside_arrivals(engine: str):
    """Flows without a rate take what is free; numbers are in the order of time."""
    sim = world("30/m", stay=20, n_flows=12, duration="30m")

    @sim.flow()
    def idle(ctx):
        yield NewEvent(ctx, Joined)
        yield AddDecay(ctx, rate=0, seconds=9)

    data = sim.collect(engine=engine)
    spans = list(zip(data.sessions["started"], data.sessions["ended"], strict=True))
    assert max(sum(begin <= at < end for begin, end in spans) for at, _ in spans) == 12
    assert len(started(data, "idle")) > 300
    assert len(started(data)) > 300


def test_t11_an_empty_world_is_explained():
    """A flow whose arrivals are all turned away is warned of, with what its filter asks for."""
    sim = world("6/m", who=Select(User))

    @sim.flow(rate="6/m")
    def other(ctx):
        yield NewEvent(ctx, Visited, user_id="")

    with pytest.warns(DeepFakerWarning, match="there was no User"):
        sim.collect()


# ---------------------------------------------------------------- engines


def _agree(seeds: range, tmp_path: Path) -> None:
    for seed in seeds:
        text = module_text(seed)
        sim = load_text(text, tmp_path)
        plan = with_rates(compiled(sim), seed)
        made = {name: tables(plan, sim.random_seed, name) for name in engines_for(plan)}
        for name, result in made.items():
            found = differences(result, made["reference"])
            assert not found, f"case {seed}, {name}\n" + "\n".join(found) + f"\n\n{text}"


def test_e2_a_few_random_flows_run_alike_on_all_engines(tmp_path: Path):
    """As below; quick."""
    _agree(range(700, 704), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("first", [710, 720])
def test_e2_random_flows_run_alike_on_all_engines(first: int, tmp_path: Path):
    """Random programs, also with generators, at rates that change, with and without other flows and a ceiling."""
    _agree(range(first, first + 10), tmp_path)


@pytest.mark.skipif("native" not in SAVING, reason="there is no kernel here")
@pytest.mark.parametrize("seed", [607, 611, 613])
def test_t11_engines_pass_over_the_same_steps_and_go_on_from_each_other(seed: int, tmp_path: Path):
    """Wherever a run stops, its step and its counts are the same; each goes on from the other's checkpoint."""
    plan = with_rates(compiled(load_text(module_text(seed), tmp_path)), seed)
    if any(flow.live is not None for flow in plan.flows):
        pytest.skip("generators are not saved")
    runs = {name: engine_of(plan, name) for name in SAVING}
    rates = [flow for flow in plan.flows if flow.rate is not None]
    for stop in range(0, first_without(plan.settings) + 40, 3):
        saved = {}
        for name, (engine, binding) in runs.items():
            traces_of(engine, binding, stop_before_step=stop)
            saved[name] = engine.save()
        counts = [
            {key: value.tolist() for key, value in arrays.items() if key.startswith(("counters.", "tally."))}
            for arrays in saved.values()
        ]
        assert rates
        assert counts[0] == counts[1], f"before step {stop}"
        if stop % 4 == 0:  # each takes over from the other
            runs = {name: engine_of(plan, name) for name in SAVING}
            for name, (engine, _) in runs.items():
                engine.load(saved["numpy" if name == "native" else "native"])


@pytest.mark.parametrize("name", SAVING)
def test_r4_a_saved_run_goes_on_with_its_arrivals(name: str):
    """Half of a run saved and taken up by another engine object ends with the same flows."""
    plan = world("50/m", stay=30, n_flows=20).compile()

    def rows(traces: list[Trace]) -> list[tuple[int, int]]:
        parts = [part for trace in traces for part in trace.rows]
        return [pair for part in parts for pair in zip(part.flow.tolist(), part.clock.tolist(), strict=True)]

    whole = rows(traces_of(*engine_of(plan, name)))
    first, binding = engine_of(plan, name)
    before = rows(traces_of(first, binding, stop_before_step=3011))
    second, binding = engine_of(plan, name)
    second.load(first.save())
    assert sorted(before + rows(traces_of(second, binding))) == sorted(whole)
    assert 0 < len(before) < len(whole)


def test_e2_generators_arrive_as_compiled_flows_do():
    """A flow that runs as the generator that it is has the same sessions."""
    sim = world("100/h")

    def lively(ctx):
        yield from iter([NewEvent(ctx, Visited, user_id="")])

    sim.flow(rate="100/h", flow_name="lively")(lively)
    plan = sim.compile()
    assert plan.flows[1].live is not None
    instants = {name: started(sim.collect(engine=name), "lively") for name in engines_for(plan)}
    renamed = replace(plan.flows[1], rate=plan.flows[0].rate)
    assert renamed.live is not None
    assert len(instants["reference"]) > 150
    assert all(found == instants["reference"] for found in instants.values())


def test_the_kernel_serves_arrivals_in_the_same_turn():
    """One number, written in two places."""
    assert layout.ARRIVING == arrivals.ARRIVING


# ---------------------------------------------------------------- what is said


def test_n_flows_is_a_ceiling_only_where_it_is_given():
    """All flows with rates: none. Others beside them: how many is to be said."""
    sim = world()
    assert (sim.n_flows, sim.compile().settings.n_flows, sim.compile().settings.starts_per_step) == (
        None,
        None,
        0,
    )
    sim.change(n_flows=7)
    assert sim.compile().settings.n_flows == 7
    sim.change(n_flows=None, starts_per_step=3)
    with pytest.raises(SettingsError, match="every flow has a rate"):
        sim.compile()
    sim = world()

    @sim.flow()
    def other(ctx):
        yield NewEvent(ctx, Joined)

    with pytest.raises(SettingsError, match="visit start by rate= or every=, and other without one"):
        sim.compile()
    sim.change(starts_per_step=1)
    assert (sim.compile().settings.n_flows, sim.compile().settings.starts_per_step) == (None, 1)


def test_it_stands_in_explain_and_in_the_manifest(tmp_path: Path):
    """The rate, its season, and how many arrivals are to be expected."""
    sim = world("90/h", Daily([1] * 24) * Holidays(["2024-03-25"], 0.5))
    text = " ".join(sim.explain().split())
    assert "flows start of themselves; on_end" in text
    assert "rate 90/h arrives at 90/h × Daily([1, 1, 1, 1, …]) * Holidays(1 dates, factor=0.5)" in text
    assert "in this run 90 times on average" in text
    sim.run(tmp_path / "out", progress=False)
    kept = Dataset.open(tmp_path / "out").manifest["settings"]
    assert kept["rates"]["visit"].startswith("90/h × Daily")
    assert (kept["n_flows"], "starts_per_step" in kept) == (None, False)


def test_r4_another_rate_or_season_is_another_run():
    """A resumed run is refused where the curve differs, were it by a date of a holiday."""
    season = Holidays(["2024-03-25"], 0.5)
    prints = [
        fingerprint(world(rate, which).compile(), seed=1, versions={})
        for rate, which in (
            ("90/h", season),
            ("90/h", Holidays(["2024-03-25"], 0.5)),
            ("91/h", season),
            ("90/h", Holidays(["2024-03-26"], 0.5)),
        )
    ]
    assert fingerprints_differ(prints[0], prints[1]) == []
    for other in prints[2:]:
        assert fingerprints_differ(prints[0], other) == ["flow visit has changed"]


def _refused(**arguments) -> str:
    with pytest.raises(DeclarationError) as refusal:
        world().flow(**arguments)(lambda ctx: None)
    assert refusal.value.diagnostic.span.file == __file__
    return str(refusal.value)


@pytest.mark.parametrize("rate", ["1200", 1200, "fast", "-3/h", "3/x", "3/0s", "1e99/h", True, "20000000/s"])
def test_what_is_no_rate_is_refused(rate: object):
    """With the value and the forms that are."""
    assert f"rate={rate!r}" in _refused(rate=rate)


def test_rates_and_seasons_go_together():
    """A season multiplies a rate, a rate has no weight, and none grows beyond all bounds."""
    assert "a season without a rate" in _refused(season=Daily([1] * 24))
    assert "got [1, 2]" in _refused(rate="3/h", season=[1, 2])
    assert "initiation_weight=2" in _refused(rate="3/h", initiation_weight=2)
    with pytest.raises(DeclarationError, match=r"Trend.*a second"):
        world("3/s", Trend(1e6, over="1s")).compile()


def test_a_rate_of_nothing_starts_nothing():
    """0 is a rate."""
    assert world("0/h").collect().sessions.height == 0


def test_r8_parts_share_a_rate():
    """All parts together are a process of the whole rate; every engine makes the same of a part."""
    parts, plan = 4, world("120/h", Daily([*range(1, 25)]), duration="2d", time_step="1m").compile()
    instants = []
    for number in range(parts):
        part = plan_of(plan, WorldPart(number, parts))
        made = []
        for engine in engines_for(part) if number == 1 else SAVING[:1]:
            binding = Binding(part, Draws(3, number, parts))
            runner = engine_for(part, engine).factory(part, binding.draws, binding)
            ended = [piece for trace in traces_of(runner, binding) for piece in trace.ended]
            made.append(np.sort(np.concatenate([piece.started for piece in ended])))
        assert all(each.tolist() == made[0].tolist() for each in made)
        assert len(made[0]) > 1000
        instants.append(made[0])
    together = np.sort(np.concatenate(instants))
    rate, begin = plan.flows[0].rate, plan.settings.start
    gaps = np.diff([0.0, *(rate.expected(begin, int(at)) for at in together)])
    assert stats.kstest(gaps, "expon").pvalue > FALSE_ALARM
    assert stats.kstest(1.2 * gaps, "expon").pvalue < FALSE_ALARM  # the power of it
    assert len(np.unique(together)) == len(together)
