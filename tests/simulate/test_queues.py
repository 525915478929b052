"""F12: flows that wait for an entity, first come first served, and that let go of one."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from deep_faker import (
    AddDecay,
    BaseEvent,
    Dataset,
    Entity,
    Exponential,
    NewEvent,
    Select,
    SetState,
    Simulation,
    StateField,
)
from deep_faker.actions import Release
from deep_faker.errors import DeepFakerError
from tests.support.engine_agreement import compiled, differences, load_text, tables
from tests.support.engines import SAVING, engine_of, engines_for, every_engine, traces_of
from tests.support.programs.queues import queue_text

START = datetime(2024, 1, 1)


class Came(BaseEvent):
    desk_id: str = ""


class Served(BaseEvent):
    desk_id: str


class Gone(BaseEvent):
    n: int = 0


class Desk(Entity):
    primary_key = "desk_id"
    uses: int = StateField(default=0)


def office(desks: int = 3, wait: str | None = "1h", *, rate: str = "6/m", service: float = 25.0, **settings):
    usual: dict[str, Any] = {"duration": "30m", "time_step": "1s", "random_seed": 1}
    sim = Simulation(start_time=START, initial_entities={Desk: desks}, **{**usual, **settings})

    @sim.flow(rate=rate)
    def visit(ctx):
        yield NewEvent(ctx, Came)
        yield Select(ctx, Desk, wait=wait)
        if not ctx.get_entity(Desk):
            yield NewEvent(ctx, Gone)
            return
        yield NewEvent(ctx, Served, mutate=SetState(Desk, [("uses", "add", 1)]))
        yield AddDecay(ctx, seconds=Exponential(service))

    return sim


def joined(ds: Dataset) -> pl.DataFrame:
    """Per session: when it came, when it was served (null: never), how long it says that it waited."""
    came, served = (
        ds[event].select("sys__sid", pl.col("sys__time").alias(event)) for event in ("Came", "Served")
    )
    return came.join(served, on="sys__sid", how="left").join(ds.sessions, on="sys__sid").sort("Came")


@every_engine
def test_f12_first_come_is_first_served(engine):
    """In the order in which they came, each from the beginning of the step after a desk went free."""
    rows = joined(office().collect(engine=engine))
    assert rows["Served"].null_count() == 0
    assert rows["Served"].is_sorted()
    waits = ((rows["Served"] - rows["Came"]).dt.total_microseconds() / 1e6).to_numpy()
    assert np.abs(waits - rows["waited"].to_numpy()).max() < 1e-9
    assert (waits == 0).sum() > 10
    assert (waits > 30).sum() > 50
    at_steps = rows.filter(pl.col("waited") > 0)["Served"]
    assert (at_steps.dt.microsecond() == 0).all()


def test_f12_without_a_queue_nobody_is_first():
    """The test above can fail: where flows come again instead of waiting, the order is lost."""
    sim = Simulation("30m", start_time=START, time_step="1s", random_seed=1, initial_entities={Desk: 3})

    @sim.flow(rate="6/m")
    def visit(ctx):
        yield NewEvent(ctx, Came)
        while not ctx.get_entity(Desk):
            yield AddDecay(ctx, seconds=Exponential(5))
            yield Select(ctx, Desk)
        yield NewEvent(ctx, Served)
        yield AddDecay(ctx, seconds=Exponential(25))

    rows = joined(sim.collect())
    assert not rows["Served"].is_sorted()
    assert "waited" not in rows.columns


@every_engine
def test_f12_patience_ends_to_the_microsecond(engine):
    """Who has not been served after that long has no desk, and goes on at just that instant."""
    rows = joined(office(desks=1, wait="12.25s").collect(engine=engine))
    gone = rows.filter(pl.col("Served").is_null())
    assert gone.height > 50
    assert gone["waited"].unique().to_list() == [12.25]
    assert ((gone["ended"] - gone["Came"]) == timedelta(seconds=12.25)).all()
    assert (rows.filter(pl.col("Served").is_not_null())["waited"] <= 12.25).all()


def test_f12_littles_law():
    """The mean length of the queue is the arrival rate times the mean wait; and Erlang's formula holds."""
    sim = office(desks=4, rate="6/m", service=30.0, duration="20h", wait="10h")
    rows = joined(sim.collect())
    came = rows["Came"].dt.epoch("us").to_numpy() / 1e6
    served = rows["Served"].dt.epoch("us").to_numpy() / 1e6
    grid = np.arange(came[0] + 600, came[-1], 7.3)
    length = np.searchsorted(came, grid, "right") - np.searchsorted(np.sort(served), grid, "right")
    arrivals = len(came) / (came[-1] - came[0])
    wait = rows["waited"].mean()
    assert wait is not None
    assert length.mean() == pytest.approx(arrivals * wait, rel=0.05)
    # M/M/4 at a load of 3 waits 15.3 s on average; desks go free at steps, half a second later on average
    load, busy = 3.05, 30.5
    share = load**4 / 24 * 4 / (4 - load)
    queued = share / (sum(load**k / factor for k, factor in enumerate((1, 1, 2, 6))) + share)
    assert wait == pytest.approx(queued * busy / (4 - load), rel=0.25)


@every_engine
def test_f12_released_is_anothers_from_the_next_step_on(engine):
    """A desk that is let go serves others while its flow goes on; a change of it ends the flow then."""
    sim = Simulation("20s", start_time=START, time_step="1s", n_flows=3, initial_entities={Desk: 1})

    @sim.flow()
    def visit(ctx):
        yield Select(ctx, Desk, wait="1m")
        yield NewEvent(ctx, Served)
        yield AddDecay(ctx, seconds=0.5)
        yield Release(ctx, Desk)
        assert ctx.get_entity(Desk) is None
        yield AddDecay(ctx, seconds=60)
        yield SetState(Desk, [("uses", "add", 1)])
        yield NewEvent(ctx, Gone)  # never

    ds = sim.collect(engine=engine)
    instants = ds["Served"]["sys__time"]
    assert ds["Served"].height == 3  # of three flows that hold it one after the other
    assert (instants.diff().drop_nulls() >= timedelta(seconds=0.5)).all()
    assert instants.max() < START + timedelta(seconds=5)
    assert set(ds.sessions["outcome"]) == {"no_entity"}
    assert ds["Gone"].is_empty()


@pytest.mark.parametrize("first", [0, 6])
def test_e2_random_programs_with_queues_run_alike(first, tmp_path):
    """All tables, on every engine, compiled and live."""
    queues = 0
    for seed in range(first, first + 6):
        sim = load_text(queue_text(seed), tmp_path)
        plan = compiled(sim)
        queues += plan.queues
        made = {name: tables(plan, sim.random_seed, name) for name in engines_for(plan)}
        for name, result in made.items():
            assert differences(result, made["reference"], words=True) == [], f"program {seed} on {name}"
    assert queues > 1


@pytest.mark.parametrize("name", SAVING)
def test_r4_a_queue_is_saved_and_goes_on_under_another_engine(name):
    """Who stands in it, since when, and how long they have waited."""
    plan = office(desks=2, wait="40s", duration="10m").compile()

    def rows(traces) -> list[tuple[int, ...]]:
        ended = [part for trace in traces for part in trace.ended]
        columns = [(p.flow.tolist(), p.ended.tolist(), p.waited.tolist()) for p in ended]
        return sorted(row for part in columns for row in zip(*part, strict=True))

    whole = rows(traces_of(*engine_of(plan, "reference")))
    first, binding = engine_of(plan, name)
    before = rows(traces_of(first, binding, stop_before_step=301))
    saved = first.save()
    assert saved["flows.waited"].max() > 0
    for other in SAVING:
        second, binding = engine_of(plan, other)
        second.load(saved)
        assert sorted(before + rows(traces_of(second, binding))) == whole
    assert 10 < len(before) < len(whole) - 10


def test_what_is_no_queue_is_refused():
    """At declaration, with the mend."""
    for wait in ("soon", -1, 0, True):
        with pytest.raises(DeepFakerError, match="wait takes"):
            Select(Desk, wait=wait)
    with pytest.raises(DeepFakerError, match="a start does not wait"):
        Simulation().flow(filter=Select(Desk, wait="1s"))(lambda ctx: None)
    with pytest.raises(DeepFakerError, match="Release takes one entity type"):
        Release(Desk, [])
    with pytest.raises(DeepFakerError, match="Release needs an Entity"):
        Release()
    sim = Simulation("1s", start_time=START, initial_entities={Desk: 1})

    @sim.flow()
    def visit(ctx):
        desk = ctx.global_context.select_entities(Select(Desk, wait="5s"))[0]
        yield NewEvent(ctx, Served, desk_id=desk.desk_id)

    with pytest.raises(DeepFakerError, match="wait goes with yield"):
        sim.explain()


def test_it_stands_in_explain():
    """How long flows wait, and what they let go."""
    sim = office(wait="90s")

    @sim.flow(rate="1/m", filter=Select(Desk))
    def short(ctx):
        yield Release(ctx, Desk)
        yield AddDecay(ctx, seconds=random.random())

    text = " ".join(sim.explain().split())
    assert "select Desk, waiting up to 1m30s" in text
    assert "wait for its turn" in text
    assert "release Desk" in text
    assert "escapes: 0" in text
