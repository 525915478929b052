"""E2: flows that start of themselves draw by their cause, so a change moves nothing but what it causes."""

from __future__ import annotations

import random

import numpy as np
import polars as pl
import pytest

from deep_faker import (
    AddDecay,
    BaseEvent,
    Dataset,
    Entity,
    Exponential,
    Field,
    Gamma,
    NewEvent,
    Normal,
    Select,
    Simulation,
)
from deep_faker.draws.mix import counted_from, counted_from1, mix, mix1
from deep_faker.people import Truncated
from deep_faker.simulate.native.kernel import exact
from tests.support.engines import every_engine

_OWN = ("sys__sid", "sys__eid", "sys__order", "sys__ets")  # of the running number, which is another's now


class Joined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)


class Viewed(BaseEvent):
    user_id: str
    u: float


class Bought(BaseEvent):
    user_id: str
    u: float


class Thanked(BaseEvent):
    user_id: str
    u: float


class User(Entity):
    source_event = Joined
    primary_key = "user_id"


PARAMS = {"rate": 60, "chance": 0.3, "asks": False}


def world(*, live: bool = False, **settings) -> Simulation:
    usual = {"start_time": "2024-01-01", "random_seed": 3, "time_step": "1m", "params": PARAMS}
    sim = Simulation(**({"duration": "3h", "initial_entities": {User: 50}} | usual | settings))

    @sim.flow(rate="{rate}/h", filter=Select(User, shared=True))
    def buy(ctx):
        if random.random() < ctx.params.chance:
            if ctx.params.asks and random.random() < 0.5:  # the branch that is inserted
                yield AddDecay(ctx, seconds=Exponential(minutes=2))
                yield Select(User, shared=True)
            yield NewEvent(ctx, Bought, u=random.random())
            yield AddDecay(ctx, rate=0.2, seconds=Exponential(minutes=5))
            yield NewEvent(ctx, Bought, u=random.random())

    @sim.flow(rate="30/h", filter=Select(User, shared=True))
    def view(ctx):
        while random.random() < 0.6:
            yield NewEvent(ctx, Viewed, u=random.random())
            yield AddDecay(ctx, rate=0.1, seconds=Exponential(minutes=4))
            yield AddDecay(ctx, seconds=Truncated(Gamma(2, 20), 5))  # native makes it in steps
            yield Select(User, shared=True)

    @sim.flow(every=Exponential(hours=1), filter=Select(User))
    def visit(ctx):
        minutes = 1 + 2 * random.random()
        yield AddDecay(ctx, minutes=minutes)
        yield AddDecay(ctx, seconds=Normal(30, minutes))
        words = iter(["a"]) if live else ["a"]
        for _ in words:
            yield NewEvent(ctx, Viewed, u=random.random())

    @sim.on(Bought, after=Exponential(minutes=3), filter=Select(User, shared=True))
    def thank(ctx):
        yield AddDecay(ctx, seconds=Exponential(minutes=1))
        yield NewEvent(ctx, Thanked, u=random.random())

    return sim


def rows(data: Dataset, event: type) -> pl.DataFrame:
    return data[event].drop(_OWN).sort("sys__time", "u")


def kept(fewer: Dataset, more: Dataset, event: type) -> bool:
    """Whether all rows of the one are in the other."""
    ours, theirs = rows(fewer, event), rows(more, event)
    return ours.join(theirs, on=ours.columns, how="semi").height == ours.height > 0


@every_engine
@pytest.mark.parametrize("live", [False, True], ids=["compiled", "generators"])
def test_e2_a_change_moves_only_what_it_causes(engine, live):
    """Another chance, an inserted branch, another rate: no row of the other flows changes."""
    sim = world(live=live)
    usual = sim.collect(engine=engine)
    others = [sim.collect(engine=engine, params=p) for p in ({"chance": 0.6}, {"asks": True}, {"rate": 90})]
    assert rows(usual, Viewed).height > 100
    for other in others:
        assert rows(other, Viewed).equals(rows(usual, Viewed))
        assert not rows(other, Bought).equals(rows(usual, Bought))
    for more in (others[0], others[2]):
        assert kept(usual, more, Bought)
        assert kept(usual, more, Thanked)  # what an event starts draws by that event
    assert not kept(usual, others[1], Bought)
    seed = world(live=live, random_seed=4).collect(engine=engine)
    assert not kept(usual, seed, Viewed)


@every_engine
def test_e2_sessions_of_a_lower_rate_are_some_of_a_higher_ones(engine):
    """Their instants, and all that happens in them."""
    sim = world()
    low, high = (sim.collect(engine=engine, params={"rate": rate}) for rate in (20, 60))
    assert kept(low, high, Bought)
    assert not kept(high, low, Bought)
    spans = [
        set(data.sessions.select("started", "ended", "flow", "outcome").iter_rows()) for data in (low, high)
    ]
    assert spans[0] < spans[1]


@pytest.mark.parametrize("live", [False, True], ids=["compiled", "generators"])
def test_e2_the_engines_agree(live):
    """On words of arrivals as on running numbers."""
    data = [
        world(live=live).collect(engine=engine, params={"asks": True})
        for engine in ("vectorized", "numpy", "reference")
    ]
    for other in data[:2]:
        for event in (Viewed, Bought, Thanked):
            assert other[event].equals(data[2][event])
        assert other.sessions.equals(data[2].sessions)


def test_e2_flows_that_fill_places_draw_by_their_number():
    """The negative of the above: one place that comes free at another time is another world after it."""
    sim = Simulation("1h", "2024-01-01", "1m", 3, 1, {User: 20}, params={"minutes": 3.0})

    @sim.flow(filter=Select(User))
    def view(ctx):
        yield NewEvent(ctx, Viewed, u=random.random())
        yield AddDecay(ctx, minutes=ctx.params.minutes)

    few, many = (rows(sim.collect(params={"minutes": m}), Viewed) for m in (9.0, 3.0))
    assert few.join(many, on=["user_id", "u"], how="semi").height < few.height


def test_a_count_that_begins_elsewhere_is_another_first_counter():
    """`counted_from`: draws of (number, count) are those of (word, 0), (word, 1) …; its twins agree."""
    rng = np.random.default_rng(5)
    word, number = rng.integers(0, 2**64, (2, 100), dtype=np.uint64)
    begin = counted_from(word, number)
    for count in (0, 1, 17):
        drawn = mix(9, number, begin + np.uint64(count))
        assert drawn.tolist() == mix(9, word, count).tolist()
    for w, n, first in zip(word.tolist(), number.tolist(), begin.tolist(), strict=True):
        assert counted_from1(w, n) == first
        assert mix1(9, n, first + 3) == mix1(9, w, 3)
        assert int(exact.counted_from(np.uint64(w), np.uint64(n))) % 2**64 == first
    assert counted_from1(7, 7) == 0
