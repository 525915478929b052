"""People who differ, seasons within flows, and who retires: on every engine alike, saved, and in parts."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from random import random

import polars as pl
import pytest

from deep_faker import (
    AddDecay,
    BaseEvent,
    Beta,
    Choice,
    Daily,
    Dataset,
    Entity,
    Exponential,
    Field,
    Gamma,
    LogNormal,
    NewEvent,
    Normal,
    Poisson,
    Select,
    SetState,
    Simulation,
    StateField,
    Weekly,
)
from deep_faker.errors import CompileError, DeclarationError
from deep_faker.features import State
from deep_faker.people import Correlated, Mixture, Retire, Segments, Truncated
from deep_faker.plan import Trace
from deep_faker.seasons import Window
from tests.support.engine_agreement import compiled, differences, load_text, tables
from tests.support.engines import SAVING, engine_of, engines_for, traces_of

KINDS = Segments({"casual": 0.8, "heavy": 0.2})
BOTH = Correlated({"income": LogNormal(10, 0.5), "activity": Gamma(2, 0.5)}, [[1, 0.6], [0.6, 1]])
PAUSE = Mixture({Exponential(5): 0.8, Truncated(Normal(40, 15), 0, 90): 0.2})
EVENING = Daily([1] * 17 + [4] * 7, tz="Europe/Berlin") * Window("2024-01-05", "2024-01-06T10:20", 3)


class Joined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)
    tz: str = Field(dist=Choice(["Asia/Tokyo", "America/Lima"]))


class Bought(BaseEvent):
    user_id: str
    items: int = 0
    price: float = 0.0
    way: str = ""
    weight: float = Field(dist=Mixture({Normal(1, 0.1): 2, Truncated(Gamma(2, 1), 0.5): 1}))


class Left(BaseEvent):
    user_id: str


class User(Entity):
    source_event = Joined
    primary_key = "user_id"

    tz: str = StateField(from_field="tz")
    income: float = StateField(draw=BOTH["income"], digits=2)
    activity: float = StateField(draw=BOTH["activity"])
    kind: str = StateField(draw=KINDS)
    rate: float = StateField(draw=KINDS.each(casual=Gamma(2, 0.1), heavy=Gamma(9, 1)))
    size: int = StateField(draw=KINDS.each(casual=Poisson(2), heavy=Truncated(Poisson(5), 3)))
    patience: float = StateField(draw=Truncated(Beta(2, 8), 0.05, 0.9))
    bought: int = StateField(default=0)
    left: dt.datetime | None = StateField(retirement=True)


def world(live: bool = False, **settings) -> Simulation:
    usual = {"duration": "12d", "start_time": "2024-01-01T05:00", "time_step": "20m", "random_seed": 4}
    sim = Simulation(**{**usual, "initial_entities": {User: 40}, "n_flows": None, **settings})

    @sim.flow(rate="4/day", season=EVENING)
    def join(ctx):
        yield NewEvent(ctx, Joined, save_entity=User)

    @sim.flow(
        filter=Select(User, where=[("activity", ">", 0.1)]),
        every=Exponential(days=2),
        season=Weekly([1, 1, 1, 1, 1, 3, 3]),
    )
    def shop(ctx):
        user = ctx.get_entity(User)
        count = ctx.draw(Truncated(Poisson(2), 1, 5))
        while count > 0:
            yield AddDecay(ctx, minutes=PAUSE, seconds=9 / ctx.season(EVENING), rate=0.02)
            yield NewEvent(
                ctx,
                Bought,
                items=count,
                price=ctx.draw(Gamma(user.size + 1, 2.0)) + ctx.draw(PAUSE),
                way=ctx.draw(Choice(["card", "cash"], [3, 1])),
                mutate=SetState(User, [("bought", "add", 1)]),
            )
            count -= 1
        if random() < 0.3 * ctx.season(EVENING, tz=user.tz) * user.patience:
            yield NewEvent(ctx, Left)
            yield Retire(ctx, User)
        yield AddDecay(ctx, hours=3)

    @sim.flow(rate="10/day")
    def search(ctx):
        if live:
            exec("pass")  # which only Python can run
        yield Select(ctx, User, where=[("kind", "is", "casual")])
        if ctx.get_entity(User):
            yield AddDecay(ctx, minutes=Truncated(Gamma(2, 20), 5))
            yield NewEvent(ctx, Bought, items=-1, price=ctx.season(EVENING))
            if random() < 0.1:
                yield Retire(User)

    return sim


@pytest.mark.parametrize("live", [False, True], ids=["compiled", "live"])
def test_e2_all_engines_tell_one_story(live: bool):
    """Draws, waits, seasons, traits and retirements give the same tables; a generator beside them, too."""
    plan = compiled(world(live))
    first, *others = (tables(plan, 4, engine) for engine in engines_for(plan))
    assert not isinstance(first, Exception), first
    assert first["events/Bought"].num_rows > 150
    assert first["events/Left"].num_rows > 5
    for other in others:
        assert differences(first, other) == []


@pytest.mark.parametrize("name", SAVING)
def test_r4_a_saved_run_goes_on(name: str):
    """Half of a run, taken up by another engine object, ends with the same events."""
    plan = world().compile()

    def rows(traces: list[Trace]) -> list[tuple[int, int]]:
        parts = [part for trace in traces for part in trace.rows]
        return [pair for part in parts for pair in zip(part.flow.tolist(), part.clock.tolist(), strict=True)]

    whole = rows(traces_of(*engine_of(plan, name)))
    first, binding = engine_of(plan, name)
    before = rows(traces_of(first, binding, stop_before_step=400))
    second, binding = engine_of(plan, name)
    second.load(first.save())
    assert sorted(before + rows(traces_of(second, binding))) == sorted(whole)
    assert 0 < len(before) < len(whole)


def test_r8_a_part_has_its_own_people(tmp_path: Path):
    """Each part draws its own; groups hold in each."""
    world(duration="3d").run(tmp_path / "out", partitions=2, workers=1)
    users = Dataset.open(tmp_path / "out").entities[User]
    assert users["income"].n_unique() == users.height > 40
    heavy = users.filter(pl.col("kind") == "heavy")
    assert heavy["size"].min() >= 3
    assert heavy["rate"].mean() > 5
    assert users.filter(pl.col("kind") == "casual")["rate"].mean() < 1


def test_who_retires_is_never_seen_again():
    """No event names them later, no selection finds them; history and training frames know the instant."""
    ds = world().collect(history=True)
    users = ds.entities[User]
    assert 5 < users["left"].count() < users.height
    for event in (Bought, Left):
        named = ds[event].join(users.select("user_id", "left"), on="user_id", how="left")
        assert named["left"].null_count() + named["left"].count() == ds[event].height
        assert named.filter(pl.col("sys__time") > pl.col("left")).is_empty()
    # most are at the instant of their last event
    assert ds[Left].join(users, on="user_id").filter(pl.col("sys__time") == pl.col("left")).height > 5
    at = "2024-01-09"
    then = ds.state(User, at=at)
    assert then["left"].null_count() < then.height
    frame = ds.training_frame(User, at=at, features={"bought": State("bought")}).collect()
    staying = then.filter(pl.col("left").is_null())
    assert sorted(frame["user_id"]) == sorted(staying["user_id"])
    # a row of an event comes before the retirement that follows it at once
    rows = ds.training_frame(User, at=Left, features={"bought": State("bought")}).collect()
    assert rows.height == ds[Left].height > 5


def test_retirement_stands_in_explain_and_in_the_manifest():
    """In the words of its author."""
    text = " ".join(world().explain().split())
    assert "let go of the User, who retires" in text
    assert "where left is null and left not null" not in text
    assert "× Weekly([1, 1, 1, 1, …])" in text
    ds = world(duration="1d").collect()
    assert ds.manifest["settings"]["retirement"] == {"User": "left"}


MODULE = """
from datetime import datetime
from deep_faker import *
from deep_faker.people import *

class Joined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)

class Seen(BaseEvent):
    user_id: str

class User(Entity):
    source_event = Joined
    primary_key = "user_id"
    age: int = StateField(default=3)
    left: datetime | None = StateField(retirement=True)

class Room(Entity):
    primary_key = "room_id"

sim = Simulation("1m", start_time="2024-01-01", random_seed=1, initial_entities={{User: 9}})

@sim.flow(filter=Select(User))
def go(ctx):
    {line}
"""


def test_nobody_is_there_after_a_retirement(tmp_path: Path):
    """What needs who has retired ends the flow; what asks for them first goes on."""
    line = "yield Retire(ctx, User); yield NewEvent(ctx, Seen)"
    ds = load_text(MODULE.format(line=line), tmp_path).collect()
    assert set(ds.sessions["outcome"]) == {"no_entity"}
    assert ds["Seen"].is_empty()
    assert ds.entities["User"]["left"].null_count() == 0
    line = "yield Retire(ctx, User); yield NewEvent(ctx, Seen, user_id=str(ctx.get_entity(User)))"
    ds = load_text(MODULE.format(line=line), tmp_path).collect()
    assert set(ds["Seen"]["user_id"]) == {"None"}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("yield Select(ctx, User, shared=True)", "sharing who can retire"),
        ('yield Select(ctx, User, where=[("left", "is_null")])', "a condition on a retirement"),
        ('yield SetState(User, [("left", "is", ctx.flow_clock)])', "User.left is set by Retire"),
        ("yield Retire(ctx, Room)", "Room has no state field for it"),
        ("yield Retire(ctx, User, 3)", "Retire takes an Entity"),
        ("x = ctx.draw(3); yield Retire(ctx, User)", "no distribution"),
        ("x = ctx.draw(); yield Retire(ctx, User)", "ctx.draw takes one distribution"),
        ("x = ctx.season(3); yield Retire(ctx, User)", "no season"),
    ],
)
def test_what_cannot_be_is_refused_at_its_line(tmp_path: Path, line: str, says: str):
    """When flows are compiled, with the user's line."""
    sim = load_text(MODULE.format(line=line), tmp_path)
    with pytest.raises(DeclarationError) as refusal:
        sim.compile()
    assert says in str(refusal.value)
    assert isinstance(refusal.value, CompileError) or refusal.value.diagnostic.span.text in MODULE.format(
        line=line
    )


def test_a_wrong_parameter_that_a_flow_computes_stops_every_engine_alike(tmp_path: Path):
    """``ctx.draw(Poisson(-1))``, where only the run can know."""
    line = "yield AddDecay(ctx, seconds=ctx.draw(Poisson(user.age - 9.0)))"
    line = f"user = ctx.get_entity(User)\n    {line}"
    plan = compiled(load_text(MODULE.format(line=line), tmp_path))
    errors = [tables(plan, 1, engine) for engine in engines_for(plan)]
    for error in errors:
        assert isinstance(error, Exception)
        assert "mean=-6.0" in str(error)
    assert all(differences(errors[0], error) == [] for error in errors[1:])
