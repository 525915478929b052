"""Latent state and hidden fields: in the truth on every engine and in every layout, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from deep_faker import (
    AddDecay,
    BaseEvent,
    Beta,
    Dataset,
    Entity,
    Field,
    NewEvent,
    Select,
    SetState,
    Simulation,
    StateField,
)
from deep_faker.declare.schema import entity_spec
from deep_faker.errors import DatasetError, DeclarationError, RunInterrupted
from deep_faker.run.checkpoints.saver import Saver
from deep_faker.write.sql.layout import entity_shape
from tests.support.engines import ENGINES

SECRET = ("secret", "risk", "mood", "grudge")


class Joined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)
    secret: int = Field(faker="random_int", min=1, max=9, hidden=True)


class Seen(BaseEvent):
    user_id: str
    risk: float = Field(default=0.5, hidden=True)


class User(Entity):
    source_event = Joined
    primary_key = "user_id"
    mood: float = StateField(draw=Beta(2, 5), latent=True)
    visits: int = StateField(default=0)
    grudge: int = StateField(default=0, latent=True)
    secret: int = StateField(from_field="secret", latent=True)


def world(**settings) -> Simulation:
    usual = {"duration": "40m", "start_time": "2024-01-01", "time_step": "1m", "random_seed": 3, "n_flows": 2}
    sim = Simulation(**{**usual, "initial_entities": {User: 5}, **settings})

    @sim.flow(filter=Select(User))
    def visit(ctx):
        user = ctx.get_entity(User)
        change = SetState(User, [("visits", "add", 1), ("grudge", "add", 2)])
        yield NewEvent(ctx, Seen, risk=user.mood, mutate=change)

    @sim.flow()
    def join(ctx):
        yield NewEvent(ctx, Joined, save_entity=User)

    return sim


def tables(truth) -> dict[str, pl.DataFrame]:
    groups = {"entities": truth.entities, "history": truth.history, "events": truth.events}
    return {f"{group}/{name}": frames[name] for group, frames in groups.items() for name in frames}


def test_the_truth_is_beside_the_data():
    """By keys and ids: of entities at the end, of each version, of each event."""
    ds = world().collect(history=True)
    names = ["entities/User", "history/User", "events/Joined", "events/Seen"]
    assert list(tables(ds.truth)) == names
    both = ds.entities[User].join(ds.truth.entities[User], on="user_id")
    assert (both["grudge"] == 2 * both["visits"]).all()
    assert both["visits"].sum() == ds[Seen].height > 0
    seen = ds[Seen].join(ds.truth.events[Seen], on=["sys__eid", "sys__order"]).join(both, on="user_id")
    assert seen.height == ds[Seen].height
    assert (seen["risk"] == seen["mood"]).all()
    joined = ds[Joined].join(ds.truth.events[Joined], on="sys__eid").join(both, on="user_id")
    assert (joined["secret"] == joined["secret_right"]).all()
    versions = ds.history[User].join(ds.truth.history[User], on=["user_id", "sys__version"])
    assert versions.height == ds.history[User].height
    assert (versions["grudge"] == 2 * versions["visits"]).all()


def test_no_other_table_has_it():
    ds = world().collect(history=True)
    seen = [ds.events, ds.sessions, ds[Joined], ds[Seen], ds.entities[User], ds.history[User]]
    seen += [ds.state(User, at="2024-01-01T00:10"), ds.changes(User).select("after").unnest("after")]
    assert not {name for frame in seen for name in frame.columns} & set(SECRET)
    lines = "".join(world().preview(20))
    assert not any(name in lines for name in SECRET)
    shape = entity_shape("users", entity_spec(User))  # of a table in a database
    assert [column.name for column in shape.columns] == ["user_id", "visits", "born"]
    got: list[object] = []
    sim = world()
    sim.add_output(type("Own", (), {"send_event": staticmethod(got.append)})())
    sim.run()
    assert not any(name in event.model_dump_json() for event in got for name in SECRET)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_truth_is_that_of_all_engines(engine: str):
    expected, found = (
        tables(world().collect(history=True).truth),
        tables(world().collect(history=True, engine=engine).truth),
    )
    assert all(found[name].equals(frame) for name, frame in expected.items())


@pytest.mark.parametrize("layout", ["parquet", "jsonl", "csv", "arrow"])
def test_files_hold_the_truth_in_its_folder_alone(layout: str, tmp_path: Path):
    sim, place = world(), tmp_path / "out"
    sim.run(place, history=True, format=layout)
    expected, found = tables(sim.collect(history=True).truth), tables(Dataset.open(place).truth)
    assert all(found[name].equals(frame) for name, frame in expected.items())
    told = [file for file in place.rglob("*") if file.is_file() and file.name != "manifest.json"]
    those = {file for file in told if any(name.encode() in file.read_bytes() for name in SECRET)}
    assert those == {file for file in told if file.relative_to(place).parts[0] == "truth"} != set()


def test_parts_have_their_truth(tmp_path: Path):
    world().run(tmp_path / "out", partitions=2, workers=1, history=True)
    ds = Dataset.open(tmp_path / "out")
    both = ds.entities[User].join(ds.truth.entities[User], on="user_id")
    assert both.height == ds.entities[User].height == ds.truth.entities[User].height
    assert (both["grudge"] == 2 * both["visits"]).all()


def test_a_resumed_run_has_the_same_truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Rows that were written before the break are not written again, nor lost."""
    sim = world(duration="3h", n_flows=20)
    sim.run(tmp_path / "whole", history=True)
    saved = Saver.save
    count = 0

    def broken(self, snapshot) -> None:
        nonlocal count
        saved(self, snapshot)
        count += 1
        if count == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Saver, "save", broken)
    asked = {"history": True, "checkpoint_every": 500, "checkpoint": tmp_path / "saved"}
    with pytest.raises(RunInterrupted):
        sim.run(tmp_path / "out", **asked)
    monkeypatch.setattr(Saver, "save", saved)
    sim.run(tmp_path / "out", **asked, resume=True)
    whole, found = (tables(Dataset.open(tmp_path / name).truth) for name in ("whole", "out"))
    assert all(found[name].equals(frame) for name, frame in whole.items())


def test_what_is_not_there_is_said():
    plain = Simulation("1m", "2024-01-01", random_seed=1, n_flows=1)

    @plain.flow()
    def see(ctx):
        yield NewEvent(ctx, Ping)

    truth = plain.collect().truth
    assert repr(truth) == "Truth(nothing is hidden)"
    with pytest.raises(DatasetError, match="nothing is hidden"):
        truth.entities["User"]


class Ping(BaseEvent):
    n: int = 1


def test_wrong_declarations_are_refused():
    with pytest.raises(DeclarationError, match="wrong latent"):
        StateField(default=1, latent="yes")
    with pytest.raises(DeclarationError, match="wrong hidden"):
        Field(default=1, hidden=1)
    with pytest.raises(DeclarationError, match="is replicated"):

        class Product(Entity):
            source_event = Joined
            primary_key = "user_id"
            replicated = True
            quality: float = StateField(default=0.0, latent=True)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_change_of_latent_state_alone_is_a_version(engine: str):
    """It has its place and its instant in the history, which says nothing of what changed, and the truth does."""
    sim = Simulation(
        "30m", "2024-01-01", time_step="1m", random_seed=3, n_flows=2, initial_entities={User: 3}
    )

    @sim.flow(filter=Select(User))
    def sulk(ctx):
        yield AddDecay(ctx, seconds=20)
        yield SetState(User, [("grudge", "add", 1)])

    ds = sim.collect(history=True, engine=engine)
    public, truth = ds.history[User], ds.truth.history[User]
    assert public.height == truth.height == 3 + ds.sessions.filter(pl.col("outcome") == "completed").height
    assert public.height > 10
    both = public.join(truth, on=["user_id", "sys__order", "sys__version"], validate="1:1")
    assert (both["grudge"] == both["sys__version"] - 1).all()
    assert both["visits"].sum() == 0
    assert both.filter(pl.col("sys__version") > 1)["sys__eid"].null_count() == public.height - 3
    later = pl.col("valid_from").diff().over("user_id") > pl.duration()
    assert public.sort("user_id", "sys__version").select(later).to_series().drop_nulls().all()
