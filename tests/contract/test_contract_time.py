"""T1 to T9 as users meet them: through `Simulation`, on both engines."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from itertools import pairwise

import polars as pl
import pytest

from deep_faker import AddDecay, BaseEvent, Choice, Field, NewEvent, Now, Select, SetState, Simulation
from deep_faker.errors import DeclarationError, StalledFlowError
from tests.support.engines import every_engine
from tests.support.worlds.contract_world import START, START_MS, Note, User, Visited, simulation, visits


@every_engine
def test_t1_times_are_whole_microseconds_and_ets_rounds_down(engine):
    """A clock at 1,700 microseconds shows ets 1: the millisecond that has begun."""
    sim = simulation(n_flows=4)

    @sim.flow()
    def tick(ctx):
        yield AddDecay(ctx, rate=0.0, seconds=0.0017)
        yield NewEvent(ctx, Note)

    notes = sim.collect(engine=engine)["Note"]
    assert notes.schema["at"] == pl.Datetime("us", None)
    micros = (notes["at"] - START).dt.total_microseconds()
    assert (micros % 1_000).n_unique() > 10
    assert (notes["sys__ets"] == START_MS + micros // 1_000).all()


class Worded(BaseEvent):
    word: str


@every_engine
def test_t1_text_is_text_in_every_layout(engine, tmp_path):
    """Digits, blanks and dates as text read back as the text that they are; times in JSON are ISO 8601."""
    sim = simulation(duration="2s")

    @sim.flow()
    def speak(ctx):
        yield NewEvent(ctx, Worded, word="007")
        yield NewEvent(ctx, Worded, word="2024-01-01")
        yield NewEvent(ctx, Note, text="")

    for layout in ("parquet", "jsonl"):
        sim.run(tmp_path / layout, engine=engine, format=layout)
    words = pl.read_parquet(tmp_path / "parquet/events/Worded/*.parquet")["word"]
    assert words.to_list() == ["007", "2024-01-01"] * 4
    lines = [json.loads(line) for line in (tmp_path / "jsonl/events.jsonl").read_text().splitlines()]
    note = next(line for line in lines if line["event_type"] == "Note")
    assert "T" in note["at"]
    assert datetime.fromisoformat(note["at"]).tzinfo is None


@every_engine
@pytest.mark.parametrize(
    "start", ["2024-05-17T09:30:00", "2024-05-17T09:30:00Z", "2024-05-17T11:30:00+02:00", START]
)
def test_t2_all_spellings_of_a_start_are_one_instant(start, engine):
    dataset = visits(simulation(start_time=start, duration="2s")).collect(engine=engine)
    assert dataset["Joined"]["sys__ets"].unique().to_list() == [START_MS]


@every_engine
@pytest.mark.parametrize("duration", ["5s", 5, 5.0, "PT5S", "5000ms", timedelta(seconds=5), "0.1m", "P0DT5S"])
def test_t3_all_spellings_of_a_duration_are_one_span(duration, engine):
    seconds = 6 if duration == "0.1m" else 5
    sim = visits(simulation(duration=duration), seconds=0)
    assert sim.collect(engine=engine)["Visited"].height == 2 * seconds


@every_engine
def test_t4_starts_lie_in_the_steps_and_before_the_end(engine):
    """The last of steps of two seconds is cut at the fifth second."""
    sim = visits(
        simulation(duration="5s", time_step="2s", n_flows=40, initial_entities={User: 200}), seconds=0
    )
    started = sim.collect(engine=engine).sessions["started"]
    steps = ((started - START).dt.total_microseconds() // 2_000_000).value_counts().sort("started")
    assert steps["started"].to_list() == [0, 1, 2]
    assert steps["count"].to_list()[:2] == [40, 40]
    assert 0 < steps["count"][2] < 40
    assert started.max() < START + timedelta(seconds=5)


@every_engine
def test_t5_n_flows_bounds_the_flows_at_one_instant(engine):
    """With waits longer than steps, places stay taken until their flow's clock has passed."""
    sim = visits(simulation(duration="30s", n_flows=3), seconds=Choice([0.3, 2.6]))
    sessions = sim.collect(engine=engine).sessions
    changes = [(t, 0, 1) for t in sessions["started"]] + [(t, 1, -1) for t in sessions["ended"]]
    active = most = 0
    for _, _, change in sorted(changes):
        active += change
        most = max(most, active)
    assert most == 3


@every_engine
@pytest.mark.parametrize("on_end", ["finish", "cut"])
def test_t6_the_end_is_for_starts_or_for_all(on_end, engine):
    """`finish` runs on past the end; `cut` leaves no later event, change or birth."""
    sim = visits(simulation(duration="5s", n_flows=6, on_end=on_end), seconds=2)
    end = START + timedelta(seconds=5)
    dataset = sim.collect(engine=engine)
    outcomes = set(dataset.sessions["outcome"])
    if on_end == "finish":
        assert outcomes == {"completed"}
        assert dataset["Note"]["at"].max() > end
        assert dataset["Note"].height == dataset["Visited"].height
    else:
        assert outcomes == {"completed", "cut"}
        assert dataset.events["sys__ets"].max() < START_MS + 5_000
        assert set(dataset.sessions.filter(pl.col("outcome") == "cut")["ended"]) == {end}
    assert sum(dataset.entities[User]["visits"]) == dataset["Visited"].height


@every_engine
def test_t6_the_report_counts_what_was_cut(engine, tmp_path):
    report = visits(simulation(duration="5s", n_flows=6, on_end="cut"), seconds=2).run(
        tmp_path / "out", engine=engine
    )
    assert report.flows["cut"] > 0
    assert "cut at the end" in str(report)


@every_engine
def test_t6_no_reachable_end_raises_under_finish_only(engine):
    def endless(sim: Simulation) -> Simulation:
        @sim.flow()
        def forever(ctx):
            while True:
                yield AddDecay(ctx, rate=0.0, seconds=1)
                yield NewEvent(ctx, Note)

        return sim

    with pytest.raises(DeclarationError, match=r"test_contract_time\.py"):
        endless(simulation()).collect(engine=engine)
    cut = endless(simulation(on_end="cut")).collect(engine=engine)
    assert set(cut.sessions["outcome"]) == {"cut"}


@every_engine
def test_t6_a_flow_that_never_lets_time_pass_is_stopped(engine):
    sim = simulation()

    @sim.flow()
    def hurried(ctx):
        n = 0
        while n < 20_000:
            n += 1
            yield NewEvent(ctx, Note)

    with pytest.raises(StalledFlowError, match=r"test_contract_time\.py:\d+") as caught:
        sim.collect(engine=engine)
    assert "10,000" in str(caught.value)


@every_engine
def test_t7_each_flow_has_its_own_clock(engine):
    sim = simulation(n_flows=5, duration="20s")

    @sim.flow()
    def walk(ctx):
        begun = datetime.now()
        yield AddDecay(ctx, rate=0.0, minutes=1, seconds=2.5)
        yield NewEvent(ctx, Note, number=(datetime.now() - begun).total_seconds(), text=str(ctx.flow_clock))

    dataset = sim.collect(engine=engine)
    notes = dataset["Note"].join(dataset.sessions, on="sys__sid")
    assert set(notes["number"]) == {62.5}
    assert (notes["at"] == notes["started"] + timedelta(seconds=62.5)).all()
    assert (notes["text"].str.to_datetime() == notes["at"]).all()


@every_engine
def test_t8_now_is_the_start_of_the_step_of_the_filter(engine):
    """A user who was seen is offered again only after ten seconds, to the step."""
    sim = simulation(duration="60s", n_flows=8)

    @sim.flow(filter=Select(User, where=[("seen", "is_null")]))
    def first(ctx):
        yield NewEvent(ctx, Visited, mutate=SetState(User, [("seen", "is", datetime.now())]))

    @sim.flow(filter=Select(User, where=[("seen", "<=", Now() - timedelta(seconds=10))]))
    def again(ctx):
        yield NewEvent(ctx, Visited, mutate=SetState(User, [("seen", "is", datetime.now())]))

    dataset = sim.collect(engine=engine)
    gaps = []
    for _, rows in dataset["Visited"].sort("sys__ets").group_by("user_id"):
        gaps += [b - a for a, b in pairwise(rows["sys__ets"])]
    assert len(gaps) > 20
    assert min(gaps) >= 10_000
    assert max(gaps) < 12_000  # at most the rest of one step, and a start anywhere in the next


@every_engine
def test_t9_streams_are_in_the_order_of_clock_and_flow(engine, tmp_path):
    """Initial events first, then by clock; within one flow by action, also at one instant."""
    sim = simulation(n_flows=20, duration="20s", initial_entities={User: 100})

    @sim.flow(filter=Select(User))
    def twice(ctx):
        for n in range(3):
            yield NewEvent(ctx, Note, number=n)
        yield AddDecay(ctx, rate=0.0, seconds=Choice([0.1, 3.0]))
        yield NewEvent(ctx, Visited)

    sim.run(tmp_path / "out", format="jsonl", engine=engine)
    lines = [json.loads(line) for line in (tmp_path / "out/events.jsonl").read_text().splitlines()]
    assert [line["event_type"] for line in lines[:100]] == ["Joined"] * 100
    times = [line["sys__ets"] for line in lines]
    assert times == sorted(times)
    of_session: dict[str, list[float]] = {}
    for line in lines:
        if line["event_type"] == "Note":
            of_session.setdefault(line["sys__sid"], []).append(line["number"])
    assert set(map(tuple, of_session.values())) == {(0.0, 1.0, 2.0)}
    dataset = sim.collect(engine=engine)
    assert dataset.events["sys__eid"].to_list() == [line["sys__eid"] for line in lines]
    assert dataset[Visited]["sys__ets"].is_sorted()


class Stamped(BaseEvent):
    today: datetime = Field(faker="now")


@every_engine
def test_t7_generated_now_is_the_clock_too(engine):
    sim = simulation(initial_entities={})

    @sim.flow()
    def stamp(ctx):
        yield AddDecay(ctx, rate=0.0, hours=3)
        yield NewEvent(ctx, Stamped)

    frame = sim.collect(engine=engine)["Stamped"]
    assert (frame["today"].dt.epoch("ms") == frame["sys__ets"]).all()
