"""N1 to N12 as users meet them: through `Simulation`, on both engines."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta

import polars as pl
import pytest

from deep_faker import (
    AddDecay,
    BaseEvent,
    Choice,
    Entity,
    Field,
    NewEvent,
    Select,
    SetState,
    Simulation,
    StateField,
)
from deep_faker.errors import DeclarationError, DeepFakerWarning, InvalidValueError, KeySpaceError, RunError
from tests.support.engine_agreement import compiled, differences, load_text, tables
from tests.support.engines import ENGINES, engines_for, every_engine
from tests.support.worlds.contract_world import (
    START,
    START_MS,
    Entered,
    Joined,
    Note,
    Opened,
    Room,
    User,
    Visited,
    overlaps,
    simulation,
    visits,
)


@every_engine
def test_n1_sessions_of_one_entity_do_not_overlap(engine):
    """Entities from filters are held from the start of their flow to its end."""
    sim = visits(simulation(duration="60s", n_flows=6), seconds=Choice([0, 0.7, 4.2]))
    sessions = sim.collect(engine=engine).sessions
    assert sessions.height > 100
    assert list(overlaps(sessions, "User")) == []


@every_engine
def test_n2_others_see_a_change_from_the_next_step_on(engine):
    """Two hundred starts of one step all see the rooms as the step found them."""
    sim = simulation(duration="2s", n_flows=50, initial_entities={Room: 500})

    @sim.flow(filter=Select(Room, where=[("uses", "is", 0)]))
    def use(ctx):
        room = ctx.get_entity(Room)
        yield SetState(Room, [("uses", "add", 1)])
        yield NewEvent(ctx, Note, number=room.uses, text=room.room_id)

    notes = sim.collect(engine=engine)["Note"]
    assert set(notes["number"]) == {1.0}  # one's own change at once
    assert notes["text"].is_unique().all()  # and others never pick it again


@every_engine
def test_n3_starts_of_one_step_get_distinct_entities(engine):
    sim = visits(simulation(duration="1s", n_flows=30, initial_entities={User: 30}), seconds=0)
    taken = sim.collect(engine=engine)["Visited"]["user_id"]
    assert taken.len() == 30
    assert taken.is_unique().all()


@every_engine
def test_n4_a_second_room_frees_the_first_for_the_next_step(engine):
    """With two rooms and one guest, the guest changes rooms; nothing found leaves him without."""
    sim = simulation(duration="30s", n_flows=2, initial_entities={Room: 2, User: 5})

    @sim.flow(filter=Select(User))
    def move(ctx):
        yield Select(ctx, Room)
        first = ctx.get_entity(Room)
        if not first:
            return
        number = first.room_id
        yield Select(ctx, Room, where=[("size", ">", 5)])
        yield NewEvent(ctx, Note, text="none" if ctx.get_entity(Room) is None else number)

    dataset = sim.collect(engine=engine)
    assert set(dataset["Note"]["text"]) == {"none"}
    # a room that was let go is free again in the next step, so every step has its two notes
    assert dataset["Note"].height == 60


@every_engine
def test_n5_shared_use_holds_nothing_and_loses_nothing(engine):
    """Many flows use one room at once; each `add` counts."""
    sim = simulation(duration="10s", n_flows=20, initial_entities={User: 200, Room: 1})

    @sim.flow(filter=Select(User))
    def enter(ctx):
        yield Select(ctx, Room, shared=True)
        yield NewEvent(ctx, Entered, mutate=SetState(Room, [("uses", "add", 1)]))
        yield AddDecay(ctx, rate=0.0, seconds=2)

    dataset = sim.collect(engine=engine)
    assert dataset["Entered"].height > 60
    assert dataset.entities[Room]["uses"].to_list() == [dataset["Entered"].height]
    assert dataset["Entered"].group_by(pl.col("sys__ets") // 1_000).len()["len"].max() > 1


@every_engine
def test_n6_born_with_its_event_and_offered_after_its_flow(engine):
    sim = simulation(duration="60s", n_flows=2, initial_entities={})

    @sim.flow(initiation_weight=0.3)
    def join(ctx):
        yield AddDecay(ctx, rate=0.0, seconds=0.25)
        yield NewEvent(ctx, Joined, save_entity=User)
        yield AddDecay(ctx, rate=0.0, seconds=5)

    visits(sim)
    dataset = sim.collect(engine=engine)
    users = dataset.entities[User]
    events = dataset["Joined"].join(users, on="user_id")
    assert (events["born"].dt.epoch("ms") == events["sys__ets"]).all()
    ends = dataset["Joined"].join(dataset.sessions, on="sys__sid").select("user_id", "ended")
    used = dataset["Visited"].join(ends, on="user_id")
    assert used.height > 10
    step_after = ((used["ended"] - START).dt.total_microseconds() // 1_000_000 + 1) * 1_000 + START_MS
    assert (used["sys__ets"] >= step_after).all()


class Ticket(BaseEvent):
    ticket_id: str = Field(faker="lexify", text="??", letters="ab")


class TicketHeld(Entity):
    source_event = Ticket
    primary_key = "ticket_id"


@every_engine
def test_n7_a_key_space_that_is_too_small_raises(engine):
    full = Simulation(
        duration="1s", start_time=START, random_seed=1, n_flows=1, initial_entities={TicketHeld: 4}
    )

    @full.flow(filter=Select(TicketHeld))
    def use(ctx):
        yield NewEvent(ctx, Note)

    assert (
        full.collect(engine=engine).entities[TicketHeld]["ticket_id"].sort().to_list()
        == "aa ab ba bb".split()
    )
    full.initial_entities[TicketHeld] = 5
    with pytest.raises((KeySpaceError, DeclarationError)) as caught:
        full.collect(engine=engine)
    for word in ("ticket_id", "4"):
        assert word in str(caught.value)


@every_engine
def test_n7_an_explicit_key_that_exists_raises(engine):
    sim = simulation(initial_entities={})

    @sim.flow()
    def join(ctx):
        yield NewEvent(ctx, Joined, user_id="always me", save_entity=User)

    with pytest.raises(RunError, match=r"always me") as caught:
        sim.collect(engine=engine)
    assert "test_contract_entities.py" in str(caught.value)


@every_engine
@pytest.mark.parametrize("emitted", [True, False])
def test_n8_initial_entities_exist_at_the_start(emitted, engine):
    """By class or by name; each with an event and a session id of its own, unless that is turned off."""
    sim = visits(simulation(initial_entities={"User": 8, Room: 3}, emit_initial_entities=emitted))
    dataset = sim.collect(engine=engine)
    assert set(dataset.entities[User]["born"]) == set(dataset.entities[Room]["born"]) == {START}
    assert dataset.entities[Room].height == 3
    joined = dataset["Joined"].height if "Joined" in dataset else 0
    assert joined == (8 if emitted else 0)
    if emitted:
        first = dataset.events.head(11)
        assert first["event_type"].to_list() == ["Joined"] * 8 + ["Opened"] * 3
        assert set(first["sys__ets"]) == {START_MS}
        assert first["sys__sid"].n_unique() == 11
        assert not set(first["sys__sid"]) & set(dataset.sessions["sys__sid"])


class Machine(Entity):
    primary_key = "machine_id"
    source_event = None

    runs: int = StateField(default=3, type_=int)


@every_engine
def test_n8_an_entity_without_source_event_has_a_generated_key(engine):
    sim = simulation(initial_entities={Machine: 4})

    @sim.flow(filter=Select(Machine))
    def work(ctx):
        yield NewEvent(ctx, Note, text=ctx.get_entity(Machine).machine_id)

    dataset = sim.collect(engine=engine)
    assert list(dataset) == ["Note"]
    machines = dataset.entities[Machine]
    assert set(machines["machine_id"].str.len_chars()) == {12}
    assert set(machines["runs"]) == {3}
    assert set(dataset["Note"]["text"]) <= set(machines["machine_id"])


@every_engine
def test_n9_weight_zero_is_never_drawn_and_all_zero_is_no_match(engine):
    sim = simulation(initial_entities={User: 6, Room: 6})

    @sim.flow(filter=Select(User))
    def fill(ctx):
        yield Select(ctx, Room, weight="uses", shared=True)
        found = ctx.get_entity(Room)
        yield NewEvent(ctx, Note, text="none" if found is None else "some")

    assert set(sim.collect(engine=engine)["Note"]["text"]) == {"none"}


class Plain(BaseEvent):
    label: str = "x"


def test_n10_a_key_that_is_not_on_the_event_warns_at_declaration():
    with pytest.warns(DeepFakerWarning, match=r"test_contract_entities\.py") as said:

        class Box(Entity):
            source_event = Plain
            primary_key = "box_id"

    assert "box_id" in str(said[0].message)
    for engine in ENGINES:
        sim = simulation(initial_entities={Box: 3})

        @sim.flow(filter=Select(Box))
        def use(ctx, box=Box):
            yield NewEvent(ctx, Note)

        keys = sim.collect(engine=engine).entities[Box]["box_id"]
        assert set(keys.str.len_chars()) == {12}
        assert keys.n_unique() == 3


class Guest(User):
    nights: int = StateField(default=1, type_=int)


@every_engine
def test_n11_state_is_inherited_and_defaults_are_each_ones_own(engine):
    sim = simulation(initial_entities={Guest: 4}, duration="4s")

    @sim.flow(filter=Select(Guest))
    def change(ctx):
        guest = ctx.get_entity(Guest)
        yield SetState(Guest, [("tags", "is", [f"by {guest.user_id}"]), ("money", "add", 1)])
        yield NewEvent(ctx, Note)

    guests = sim.collect(engine=engine).entities[Guest]
    assert {"age", "visits", "money", "mood", "nights", "tags"} <= set(guests.columns)
    for row in guests.iter_rows(named=True):
        own = ["new"] if row["money"] == 0 else [f"by {row['user_id']}"]
        assert json.loads(row["tags"]) == own  # lists are written as JSON text
        assert isinstance(row["money"], float)


@every_engine
def test_n11_a_value_of_another_type_stops_the_run_with_its_line(engine):
    sim = simulation()

    @sim.flow(filter=Select(User))
    def spoil(ctx):
        values = {"good": 1, "bad": "many"}
        yield SetState(User, [("visits", "is", values["bad" if ctx.get_entity(User).age > 0 else "good"])])
        yield NewEvent(ctx, Note)

    with pytest.raises((InvalidValueError, DeclarationError)) as caught:
        sim.collect(engine=engine)
    for word in ("User", "visits", "'many'", "test_contract_entities.py"):
        assert word in str(caught.value)


@every_engine
def test_n12_only_save_entity_makes_an_entity(engine):
    sim = simulation(initial_entities={User: 1})

    @sim.flow()
    def hear(ctx):
        yield NewEvent(ctx, Joined)

    visits(sim)
    with pytest.warns(DeepFakerWarning, match="user_id is generated: this flow holds no User"):
        dataset = sim.collect(engine=engine)
    assert dataset["Joined"].height > 5
    assert dataset.entities[User].height == 1


@every_engine
def test_n1_no_two_flows_name_one_entity_at_once_when_they_select_inside(engine):
    """Rooms picked in the flow: a room is named again only in a later step than its last flow's end."""
    sim = simulation(duration="60s", n_flows=4, initial_entities={User: 30, Room: 3})

    @sim.flow(filter=Select(User))
    def enter(ctx):
        yield AddDecay(ctx, rate=0.0, seconds=0.3)
        yield Select(ctx, Room)
        if not ctx.get_entity(Room):
            return
        yield NewEvent(ctx, Entered)
        yield AddDecay(ctx, rate=0.0, seconds=Choice([0, 1.4]))

    dataset = sim.collect(engine=engine)
    found = dataset["Entered"].join(dataset.sessions, on="sys__sid")
    assert found.height > 50
    assert Counter(dataset.sessions["outcome"]) == {"completed": dataset.sessions.height}
    for _, rows in found.sort("sys__ets").group_by("room_id", maintain_order=True):
        ended = rows["ended"].to_list()
        for before, at in zip(ended, rows["sys__ets"].to_list()[1:], strict=False):
            step = (before - START) // timedelta(seconds=1) + 1
            assert at >= START_MS + 1_000 * step


@every_engine
def test_n6_what_is_born_is_held_by_its_flow(engine):
    """The flow that made a user reads it, changes it and names it without a selection."""
    sim = simulation(initial_entities={}, duration="5s")

    @sim.flow()
    def join(ctx):
        yield NewEvent(ctx, Joined, save_entity=User, mutate=SetState(User, [("seen", "is", datetime.now())]))
        yield NewEvent(ctx, Visited, mutate=SetState(User, [("visits", "add", 1)]))
        yield NewEvent(ctx, Note, number=ctx.get_entity(User).visits)

    dataset = sim.collect(engine=engine)
    assert dataset["Visited"]["user_id"].to_list() == dataset["Joined"]["user_id"].to_list()
    assert set(dataset["Note"]["number"]) == {1.0}
    assert (dataset.entities[User]["seen"] == dataset.entities[User]["born"]).all()


def test_n12_save_entity_takes_nothing_but_an_entity():
    sim = simulation()

    @sim.flow()
    def wrong(ctx):
        yield NewEvent(ctx, Opened, save_entity=Note)

    with pytest.raises(DeclarationError, match="Note"):
        sim.compile()


def test_s1_a_range_that_a_flow_computes_may_hold_nothing(tmp_path):
    """Then nobody matches, on every engine; one that is written out the wrong way round is refused."""
    text = """
from deep_faker import *
class Made(BaseEvent):
    thing_id: str = Field(faker="shortuuid", length=8)
class Tried(BaseEvent):
    found: bool
class Thing(Entity):
    source_event = Made
    primary_key = "thing_id"
    n: int = StateField(default=4)
sim = Simulation("9s", start_time="2024-01-01", random_seed=1, n_flows=5, initial_entities={Thing: 9})
@sim.flow()
def trying(ctx):
    low = 3 if ctx.session_id < "P" else 6
    yield Select(ctx, Thing, where=[("n", "between", (low, 5))])
    yield NewEvent(ctx, Tried, found=ctx.get_entity(Thing) is not None)
"""
    sim = load_text(text, tmp_path)
    plan = compiled(sim)
    made = {engine: tables(plan, 1, engine) for engine in engines_for(plan)}
    for engine, result in made.items():
        assert not differences(result, made["reference"]), engine
    assert set(sim.collect()["Tried"]["found"]) == {True, False}
    with pytest.raises(DeclarationError, match="an empty range"):
        load_text(text.replace("(low, 5)", "(6, 5)"), tmp_path).compile()
