"""P15: worlds that share all draws, and what a parameter does in them."""

from __future__ import annotations

import random
from statistics import variance

import polars as pl
import pytest

from deep_faker import (
    AddDecay,
    BaseEvent,
    Entity,
    Field,
    Gamma,
    NewEvent,
    Select,
    SetState,
    Simulation,
    StateField,
)
from deep_faker.errors import SettingsError
from deep_faker.features import Count, Happens, State, Sum
from deep_faker.twins import Sweep, Twins

NONE, SALE = {"discount": 0.0}, {"discount": 0.1}


class Joined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)


class Viewed(BaseEvent):
    user_id: str
    page: str = Field(faker="city")


class Bought(BaseEvent):
    user_id: str
    price: float
    item: int = Field(faker="random_int", min=1, max=9)


class User(Entity):
    source_event = Joined
    primary_key = "user_id"
    spent: float = StateField(default=0.0, type_=float)


def shop(**settings) -> Simulation:
    usual = {"start_time": "2024-01-01", "time_step": "1m", "random_seed": 3, "params": NONE | {"views": 60}}
    sim = Simulation(**({"duration": "10h", "initial_entities": {User: 100}, **usual} | settings))

    @sim.flow(rate="120/h", filter=Select(User, shared=True))
    def buy(ctx):
        cost = ctx.draw(Gamma(6, scale=5))
        if random.random() < 0.3 + ctx.params.discount:
            paid = cost * (1 - ctx.params.discount)
            change = SetState(User, [("spent", "add", paid)])
            yield NewEvent(ctx, Bought, price=paid, mutate=change)

    @sim.flow(rate="{views}/h", filter=Select(User, shared=True))
    def view(ctx):
        while random.random() < 0.5:
            yield NewEvent(ctx, Viewed)
            yield AddDecay(ctx, minutes=2)

    return sim


def test_p15_what_is_unrelated_stays_as_it_was():
    """Of four worlds that differ in a flow, the rows of the other flow are the same, field by field."""
    worlds = shop().twins(NONE, SALE, {"discount": 0.3}, {"discount": 0.7})
    views = [world[Viewed].drop("sys__order") for world in worlds]
    assert views[0].height > 300
    assert all(view.equals(views[0]) for view in views[1:])
    bought = [set(world[Bought]["sys__sid"]) for world in worlds]
    for fewer, more in zip(bought, bought[1:], strict=False):
        assert fewer < more  # who buys without a discount buys with one
    other = shop(random_seed=4).collect(params=SALE)
    assert not other[Viewed].drop("sys__order").equals(views[0])


def test_p15_effects_are_those_of_each_entity():
    """Both worlds beside each other; the difference is what plain sums of the two give."""
    twins = shop().twins(NONE, SALE, history=True)
    measures = {
        "spent": Sum(Bought, "price"),
        "orders": Count(Bought),
        "buys": Happens(Bought),
        "state": State("spent"),
    }
    frame = twins.effects(User, measures)
    assert frame.height == 100
    assert frame.columns[:4] == ["user_id", "spent_0", "spent_1", "spent_effect"]
    for number, world in enumerate(twins):
        sums = world[Bought].group_by("user_id").agg(spent=pl.col("price").sum())
        joined = frame.join(sums, on="user_id", how="left").with_columns(pl.col("spent").fill_null(0.0))
        assert (joined["spent"] - joined[f"spent_{number}"]).abs().max() < 1e-9
    assert (frame["spent_effect"] - (frame["spent_1"] - frame["spent_0"])).abs().max() < 1e-9
    assert (frame["state_1"] - frame["spent_1"]).abs().max() < 1e-9
    assert frame["orders_effect"].min() == 0
    assert frame["orders_effect"].max() > 0
    assert set(frame["buys_effect"]) <= {0, 1}
    (row,) = twins.average(User, {"spent": Sum(Bought, "price")}).iter_rows(named=True)
    assert row["effect"] == pytest.approx(frame["spent_effect"].mean())
    assert row["paired_error"] < row["apart_error"] / 2


def test_p15_of_more_than_two_each_is_held_against_the_first():
    """A world that is the first again has no effect: the negative of the tests above."""
    frame = shop().twins(NONE, SALE, NONE).effects(User, {"n": Count(Bought)})
    assert frame.columns == ["user_id", "n_0", "n_1", "n_2", "n_effect_1", "n_effect_2"]
    assert frame["n_effect_2"].to_list() == [0] * 100
    assert frame["n_effect_1"].sum() > 0


def test_p15_an_entity_is_another_where_it_was_born_at_another_time():
    """Keys are counters: the first of those born in two worlds need not be the same."""
    sim = shop(initial_entities={User: 2}, params=NONE | {"views": 60, "joins": 20})

    @sim.flow(rate="{joins}/h")
    def join(ctx):
        yield NewEvent(ctx, Joined, save_entity=User)

    frame = sim.twins({"joins": 20}, {"joins": 4}).effects(User, {"n": Count(Bought)})
    both = frame.drop_nulls(["n_0", "n_1"])
    assert 2 <= both.height < frame["n_1"].count() + 1
    assert frame["n_0"].count() + frame["n_1"].count() - both.height == frame.height
    assert frame.filter(pl.col("n_0").is_null() | pl.col("n_1").is_null())["n_effect"].is_null().all()


def test_p15_an_effect_needs_a_tenth_of_the_runs():
    """The variance of an estimate from twins is below a tenth of that from worlds of two seeds."""
    sim, sale = shop(duration="5h"), {"discount": 0.03}
    rows = sim.sweep(seeds=range(30), params=[NONE, sale], measure=lambda ds: ds[Bought]["price"].sum())
    assert rows.columns == ["seed", "discount", "views", "value"]
    control, treated = (
        rows.filter(pl.col("discount") == world["discount"]).sort("seed")["value"] for world in (NONE, sale)
    )
    paired = variance(treated - control)
    apart = variance(treated) + variance(control)
    assert apart / paired >= 10
    moved = treated.to_list()[1:] + treated.to_list()[:1]  # of other seeds: nothing is gained
    assert apart / variance(b - a for a, b in zip(control, moved, strict=True)) < 3


def test_p15_a_sweep_is_the_runs_one_by_one():
    """Whoever makes them, in whichever order: each is what `collect` gives."""
    sim = shop(duration="1h")
    sweep = sim.sweep(seeds=[5, 6], params=[NONE, SALE], workers=2)
    assert isinstance(sweep, Sweep)
    assert [(run.seed, run.params["discount"]) for run in sweep] == [(5, 0), (6, 0), (5, 0.1), (6, 0.1)]
    for run in sweep:
        alone = shop(duration="1h", random_seed=run.seed).collect(params=run.params)
        assert run.data[Bought].equals(alone[Bought])
        assert run.data.manifest["settings"]["params"] == run.params
    pairs = list(sweep.twins())
    assert [type(pair) for pair in pairs] == [Twins, Twins]
    assert pairs[1].effects(User, {"n": Count(Bought)})["n_effect"].sum() >= 0
    table = sweep.table(lambda ds: {"n": ds[Bought].height, "seen": ds[Viewed].height})
    assert table.columns == ["seed", "discount", "views", "n", "seen"]
    assert table["n"].to_list() == [run.data[Bought].height for run in sweep]


def test_what_makes_no_sense_is_refused():
    """One world is no twin; threads are no place for generators; a sweep has seeds."""
    sim = shop()
    with pytest.raises(SettingsError, match="two or more"):
        sim.twins(NONE)
    with pytest.raises(SettingsError, match="did you mean 'discount'"):
        sim.twins(NONE, {"discuont": 1})
    with pytest.raises(SettingsError, match="name some"):
        shop(duration="2m").twins(NONE, SALE).effects(User, {})
    with pytest.raises(SettingsError, match="one or more"):
        sim.sweep(seeds=[])
    with pytest.raises(SettingsError, match="generators"):
        sim.sweep(seeds=[1], workers=2, engine="reference")
