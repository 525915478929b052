"""Unique fields and sequences of events, counted by the events' ranks: no gaps, in every engine and after a kill."""

from __future__ import annotations

import polars as pl
import pytest

from deep_faker import (
    AddDecay,
    BaseEvent,
    Entity,
    Exponential,
    Field,
    FlowContext,
    NewEvent,
    Sequence,
    Simulation,
    StateField,
)
from deep_faker.errors import DeepFakerWarning, KeySpaceError
from tests.support.worlds.field_world import assert_engines_agree, frame, world


class Billed(BaseEvent):
    number: int = Field(dist=Sequence(100, 2))
    desk: int = Field(faker="random_int", min=1, max=7200, unique=True)
    email: str = Field(faker="email", unique=True)
    user: str = Field(faker="user_name", unique=True)
    ref: str = Field(derive=lambda e: f"{e.number}/{e.desk}")


def test_every_value_of_a_space_is_used_once():
    """7,200 events of 7,200 values, which a count with gaps would end after some 140."""
    bills = frame(Billed, minutes=60)
    assert bills.height == 7200
    assert sorted(bills["desk"]) == list(range(1, 7201))
    assert bills["number"].to_list() == list(range(100, 14_500, 2))
    assert bills["desk"].to_list() != sorted(bills["desk"])
    assert (
        bills["ref"] == pl.Series([f"{n}/{d}" for n, d in bills.select("number", "desk").iter_rows()])
    ).all()


def test_one_value_more_than_there_are_is_an_error():
    class Few(BaseEvent):
        desk: int = Field(faker="random_int", min=1, max=1199, unique=True)

    with pytest.raises(KeySpaceError, match="1,199 different values, and more events are made"):
        frame(Few)


def test_unique_addresses_and_names_of_users_have_a_number():
    bills = frame(Billed)
    assert bills["email"].is_unique().all()
    assert bills["email"].str.contains(r"^[a-z0-9.\-]+_\d+@[a-z0-9.\-]+\.[a-z]+$").all()
    assert bills["user"].is_unique().all()
    assert bills["user"].str.contains(r"_\d+$").all()


def test_e2_engines_agree():
    assert_engines_agree(world(Billed, minutes=2))


def test_r2_a_longer_run_begins_with_the_shorter_one():
    long, short = frame(Billed, minutes=4), frame(Billed, minutes=2)
    assert long.head(short.height).equals(short)


def test_addresses_as_keys_differ_from_those_of_other_events():
    class Joined(BaseEvent):
        email: str = Field(faker="email", unique=True)

    class Member(Entity):
        source_event = Joined
        primary_key = "email"

    sim = Simulation("3m", "2024-01-01", n_flows=3, random_seed=2, initial_entities={Member: 40})

    @sim.flow()
    def join(ctx: FlowContext):
        yield NewEvent(ctx, Joined, save_entity=Member)

    @sim.flow()
    def ask(ctx: FlowContext):
        yield NewEvent(ctx, Joined)

    with pytest.warns(DeepFakerWarning, match="a key of no entity"):
        found = sim.collect()
    assert found["Joined"].height > 200
    assert found["Joined"]["email"].is_unique().all()
    assert set(found.entities["Member"]["email"]) < set(found["Joined"]["email"])


class Made(BaseEvent):
    number: int = Field(dist=Sequence())
    seen: int = Field(dist=Sequence())
    code: str = Field(faker="bothify", text="####", unique=True)


class Seen(BaseEvent):
    number: int
    of: int


class Thing(Entity):
    source_event = Made
    primary_key = "number"
    seen: int = StateField(from_field="seen", type_=int)


def things() -> Simulation:
    """`seen` is copied into state and read by the flow: it has gaps, the others have none."""
    sim = Simulation("5m", "2024-01-01", n_flows=4, random_seed=2)

    @sim.flow()
    def make(ctx: FlowContext):
        yield NewEvent(ctx, Made, save_entity=Thing)
        yield AddDecay(ctx, seconds=Exponential(3))
        yield NewEvent(ctx, Seen, of=ctx.get_entity(Thing).seen)

    return sim


def test_what_state_reads_is_unique_with_gaps_and_the_same_everywhere():
    found = things().collect()
    made, states = found["Made"], found.entities["Thing"]
    assert made["seen"].is_unique().all()
    assert made["seen"].max() > made.height
    together = made.join(states, on="number", suffix="_state")
    assert together.height == made.height
    assert (together["seen"] == together["seen_state"]).all()
    assert set(found["Seen"]["of"]) == set(made["seen"])
    assert made["code"].is_unique().all()
    assert_engines_agree(things())


def test_several_sites_of_one_type_share_the_count():
    """A field that one site gives and another has generated: those generated are of their own ranks."""

    class Note(BaseEvent):
        number: int = Field(dist=Sequence())
        rest: int = Field(dist=Sequence())

    sim = Simulation("3m", "2024-01-01", n_flows=3, random_seed=2)

    @sim.flow()
    def write(ctx: FlowContext):
        yield NewEvent(ctx, Note)
        yield AddDecay(ctx, seconds=Exponential(2))
        yield NewEvent(ctx, Note, number=-1)

    notes = sim.collect()["Note"]
    assert notes["rest"].to_list() == list(range(1, notes.height + 1))
    given = notes["number"] == -1
    assert 0.3 < given.mean() < 0.7
    assert notes.filter(~given)["number"].equals(notes.filter(~given)["rest"].alias("number"))
    assert_engines_agree(sim)


@pytest.mark.slow
def test_r1_r4_counts_go_on_after_a_stop(tmp_path, monkeypatch):
    """A run that stops in its midst and goes on from a checkpoint ends with the bytes of one that did not."""
    from deep_faker import ParquetOutput
    from tests.support.worlds.resume_world import tree

    sim = world(Billed, minutes=60)
    sim.run(tmp_path / "whole")
    bills = pl.read_parquet(tmp_path / "whole/events/Billed")
    assert bills["number"].to_list() == list(range(100, 100 + 2 * bills.height, 2))
    write, written = ParquetOutput.write, []

    def failing(self, chunk):
        written.append(len(chunk))
        if sum(written) > 5000:
            raise OSError("the disk is gone")
        write(self, chunk)

    with monkeypatch.context() as patched, pytest.raises(OSError, match="the disk is gone"):
        patched.setattr(ParquetOutput, "write", failing)
        world(Billed, minutes=60).run(tmp_path / "cut", checkpoint_every=500)
    assert len(written) > 3
    world(Billed, minutes=60).run(tmp_path / "cut", checkpoint_every=500, resume=True)
    assert tree(tmp_path / "cut") == tree(tmp_path / "whole")
