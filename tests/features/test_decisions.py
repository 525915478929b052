"""Decisions: every draw that decided something, held to a program that writes its own draws down."""

from __future__ import annotations

import random
from pathlib import Path

import polars as pl
import pytest

from deep_faker import (
    AddDecay,
    BaseEvent,
    Dataset,
    Entity,
    NewEvent,
    Select,
    SetState,
    Simulation,
    StateField,
)
from deep_faker.errors import DatasetError, SettingsError


class Seen(BaseEvent):
    what: str
    way: str
    turns: int


class Ended(BaseEvent):
    liked: bool


class User(Entity):
    source_event = None
    primary_key = "uid"
    taste: float = StateField(default=0.3)


def world(**settings) -> Simulation:
    usual = {"duration": "2h", "start_time": "2024-01-01", "time_step": "1m", "random_seed": 1, "n_flows": 6}
    sim = Simulation(**{**usual, "initial_entities": {User: 20}, **settings})

    @sim.flow(filter=Select(User))
    def shop(ctx):
        user = ctx.get_entity(User)
        turns = 0
        while random.random() < 0.6:
            turns += 1
            what = random.choice(["tea", "milk", "rum"])
            way = random.choices(["cash", "card"], weights=[3, 1])[0]
            yield NewEvent(ctx, Seen, what=what, way=way, turns=turns)
            yield AddDecay(ctx, rate=0.2, seconds=45)
        liked = random.random() > user.taste
        yield NewEvent(ctx, Ended, liked=liked, mutate=SetState(User, [("taste", "multiply", 0.99)]))

    return sim


def of_line(decisions: pl.DataFrame, text: str) -> pl.DataFrame:
    """The decisions of the line of the flow with that text."""
    flows, _, _ = Path(__file__).read_text().partition("\ndef of_line")
    [line] = [number for number, each in enumerate(flows.splitlines(), 1) if text in each]
    return decisions.filter(pl.col("line") == line)


def test_each_draw_that_decides_is_told():
    """What the events say of themselves is what the log says, in its order."""
    ds = world().collect(decisions=True)
    told = ds.truth.decisions
    seen = ds[Seen]
    for text, column, chances in (
        ("random.choice([", "what", [1 / 3] * 3),
        ("random.choices([", "way", [0.75, 0.25]),
    ):
        rows = of_line(told, text)
        assert rows["options"].list.get(rows["taken"]).to_list() == seen[column].to_list()
        assert rows["sys__sid"].to_list() == seen["sys__sid"].to_list()
        assert rows["sys__time"].to_list() == seen["sys__time"].to_list()
        assert all(row == pytest.approx(chances) for row in rows["chances"].to_list())
    again = of_line(told, "while random.random()")
    assert again["taken"].sum() == seen.height
    assert again["chances"].to_list() == [pytest.approx([0.4, 0.6])] * again.height
    liked = of_line(told, "liked = random.random()")
    assert liked["taken"].cast(bool).to_list() == ds[Ended]["liked"].to_list()
    assert liked["chances"].list.get(1).n_unique() > 1  # tastes differ
    assert (liked["chances"].list.get(1) >= 0.7).all()
    ends = of_line(told, "yield AddDecay(ctx, rate=0.2")
    assert ends["taken"].sum() == ds.sessions.filter(pl.col("outcome") == "decayed").height > 0
    assert told.height == sum(map(len, (of_line(told, "random.choice(["), again, liked, ends))) + seen.height
    assert told["sys__time"].is_sorted()


def test_nothing_else_changes():
    """Events, sessions and entities are those of any other run."""
    ds, plain = world().collect(decisions=True), world().collect()
    assert ds.events.equals(plain.events)
    assert ds.sessions.equals(plain.sessions)
    assert ds.entities[User].equals(plain.entities[User])
    assert world().run(engine="vectorized", decisions=True, progress=False).engine == "numpy"


@pytest.mark.parametrize("layout", ["parquet", "csv"])
def test_files_hold_them(layout: str, tmp_path: Path):
    sim = world()
    sim.run(tmp_path / "out", decisions=True, format=layout)
    assert Dataset.open(tmp_path / "out").truth.decisions.equals(sim.collect(decisions=True).truth.decisions)


def test_a_run_that_is_cut_tells_what_was_before():
    """Of a longer run's decisions, those before the end, though the end lies within a step."""
    short, long = (
        world(duration=length, on_end="cut").collect(decisions=True).truth.decisions
        for length in ("61m10s", "2h")
    )
    assert short.equals(long.filter(pl.col("sys__time") < pl.datetime(2024, 1, 1, 1, 1, 10)))


def test_who_cannot_tell_is_refused():
    for engine in ("reference", "native"):
        with pytest.raises(SettingsError, match=r"decisions"):
            world().collect(engine=engine, decisions=True)
    with pytest.raises(SettingsError, match="decisions"):
        world().collect(decisions="all")
    with pytest.raises(SettingsError, match="one piece"):
        world().run("out", decisions=True, partitions=2)
    with pytest.raises(DatasetError, match="no decisions"):
        world().collect().truth.decisions
