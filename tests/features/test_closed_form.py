"""Chances that a formula tells are those that futures are counted for; what has no formula says why."""

from __future__ import annotations

import random
import types
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from deep_faker import (
    AddDecay,
    BaseEvent,
    Beta,
    Daily,
    Entity,
    Exponential,
    Field,
    NewEvent,
    Select,
    SetState,
    Simulation,
    StateField,
    Uniform,
)
from deep_faker.errors import SettingsError
from deep_faker.features import Count, Happens
from deep_faker.oracle import Oracle
from tests.support.programs.chains import chain_source

USERS = 120
LABEL = "2h30m"


class Joined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)


class Seen(BaseEvent):
    user_id: str


class Left(BaseEvent):
    user_id: str


class Desk(Entity):
    source_event = None
    primary_key = "desk_id"
    used: int = StateField(default=0)


class User(Entity):
    source_event = Joined
    primary_key = "user_id"
    mood: float = StateField(draw=Beta(2, 5), latent=True)
    left: bool = StateField(default=False)
    visits: int = StateField(default=0)


def world(flow: Callable, *, every: object = None, where: tuple = (), season=None, **settings) -> Simulation:
    usual = {"duration": "8h", "start_time": "2024-01-01", "time_step": "20m", "random_seed": 4}
    sim = Simulation(**{**usual, "initial_entities": {User: USERS}, **settings})
    sim.flow(filter=Select(User, where=list(where)), every=every or Exponential(hours=1), season=season)(flow)
    return sim


def oracle(sim: Simulation, method: str, *, at: str = "2024-01-01T02:00", n: int = 60) -> Oracle:
    ds = sim.collect()
    label = Happens(Left, within=LABEL)
    frame = ds.training_frame(User, at=at, features={}, label=label, closed="left")
    return ds.oracle(frame, label, sim=sim, n=n, method=method)


def agree(formula: Oracle, futures: Oracle) -> bool:
    """Whether counts lie about as far from the formula as they must, row by row and together."""
    p, q = (each.rows["probability"].to_numpy() for each in (formula, futures))
    sure = (p == 0) | (p == 1)
    if not (p[sure] == q[sure]).all():
        return False
    far = (q - p)[~sure] / np.sqrt((p * (1 - p))[~sure] / futures.futures)
    mean = far.sum() / np.sqrt(max(len(far), 1))
    return bool(abs(mean) < 4 and 1e-4 < stats.chi2.cdf(float(far @ far), len(far)) < 1 - 1e-4)


def leaving(ctx):
    """A loop with a counter, a decay, chances of latent state; those who left do not come again."""
    user = ctx.get_entity(User)
    yield NewEvent(ctx, Seen, mutate=SetState(User, [("visits", "add", 1)]))
    tries = 0
    while tries < 2:
        if random.random() < user.mood / 2:
            yield NewEvent(ctx, Left, mutate=SetState(User, [("left", "is", True)]))
            return
        tries += 1
    yield AddDecay(ctx, rate=0.25, seconds=0)
    if random.random() > 0.97:
        yield NewEvent(ctx, Left, mutate=SetState(User, [("left", "is", True)]))


def test_the_formula_is_what_futures_are_counted_for():
    """Where steps are longer than the gaps of clocks, too: a step serves an entity once."""
    for step in ("1m", "1h"):
        sim = world(leaving, where=[("left", "is", False)], time_step=step)
        formula, futures = oracle(sim, "formula"), oracle(sim, "futures")
        assert formula.exact
        assert not futures.exact
        assert formula.rows["error"].sum() == 0
        assert (formula.rows["probability"] == 0).sum() > 10  # they had left
        assert agree(formula, futures)
    other = oracle(world(leaving, time_step="1h"), "formula")  # those who left come again
    assert not agree(other, futures)  # it would be noticed
    assert oracle(sim, "auto", n=8).exact


def test_clocks_with_a_season():
    """Which go faster in some hours: each step has a chance of its own."""
    season = Daily([0.2, 0.5, 1, 5, 0.1, 4, 1, 1] * 3)
    sim = world(leaving, where=[("left", "is", False)], season=season)
    formula, futures = oracle(sim, "formula"), oracle(sim, "futures")
    assert agree(formula, futures)
    assert not agree(oracle(world(leaving, where=[("left", "is", False)]), "formula"), futures)


@pytest.mark.parametrize("seed", range(1, 4))
def test_random_chains(seed: int):
    """Programs of chances, loops, choices and decays, drawn at random."""
    source = chain_source(random.Random(seed))
    module = types.ModuleType(f"chain_{seed}")
    module.__dict__.update(
        random=random, NewEvent=NewEvent, AddDecay=AddDecay, Seen=Seen, Left=Left, User=User
    )
    import linecache

    name = f"<chain {seed}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    exec(compile(source, name, "exec"), module.__dict__)
    sim = world(module.flow)
    formula, futures = oracle(sim, "formula"), oracle(sim, "futures", n=50)
    assert 0 < formula.base_rate < 1, source
    assert agree(formula, futures), source


def waits(ctx):
    yield AddDecay(ctx, rate=0.1, seconds=60)
    yield NewEvent(ctx, Left)


def changes(ctx):
    user = ctx.get_entity(User)
    yield NewEvent(ctx, Seen, mutate=SetState(User, [("visits", "add", 1)]))
    if random.random() < user.visits / 100:
        yield NewEvent(ctx, Left)


def computes(ctx):
    if random.random() + random.random() < 0.5:
        yield NewEvent(ctx, Left)
    yield NewEvent(ctx, Seen)


def picks(ctx):
    yield Select(ctx, Desk)
    if ctx.get_entity(Desk):
        yield NewEvent(ctx, Left)


def plain(ctx):
    yield NewEvent(ctx, Seen)
    if random.random() < 0.1:
        yield NewEvent(ctx, Left)


@pytest.mark.parametrize(
    ("sim", "text"),
    [
        (world(waits), "waits"),
        (world(changes), "changes visits, which chances hang on"),
        (world(computes), "hangs on more than fixed chances"),
        (world(picks, initial_entities={User: 20, Desk: 9}), "selects"),
        (world(plain, every=Uniform(10, 5000)), "no exponential clock"),
        (world(plain, n_flows=50), "n_flows"),
    ],
    ids=["waits", "changes", "computes", "picks", "clock", "ceiling"],
)
def test_what_has_no_formula_says_why_and_is_counted(sim: Simulation, text: str):
    with pytest.raises(SettingsError, match=text):
        oracle(sim, "formula")
    assert not oracle(sim, "auto", n=4).exact


def test_other_flows_and_labels_have_no_formula():
    sim = world(plain)
    sim.flow(filter=Select(User), rate="10/h")(waits)
    with pytest.raises(SettingsError, match="2 flows emit Left"):
        oracle(sim, "formula")
    ds = world(plain).collect()
    label = Count(Left, "1h")
    frame = ds.training_frame(User, at="2024-01-01T02:00", features={}, label=label, closed="left")
    with pytest.raises(SettingsError, match="not of Count"):
        ds.oracle(frame, label, sim=world(plain), method="formula")
    with pytest.raises(SettingsError, match="method"):
        ds.oracle(frame, label, sim=world(plain), method="exact")
