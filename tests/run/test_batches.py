"""`Simulation.batches`: the rows of a run, as they are asked for, and nothing else of it."""

from __future__ import annotations

import gc
import os
import pickle
import threading
import time
from collections import Counter
from datetime import datetime

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from pydantic import field_validator

from deep_faker import (
    AddDecay,
    BaseEvent,
    Entity,
    Field,
    NewEvent,
    Select,
    Sequence,
    SetState,
    Simulation,
    StateField,
)
from deep_faker.batching import loading
from deep_faker.errors import InvalidValueError, RunError, SettingsError
from deep_faker.fill.binding import FieldMaker
from deep_faker.fill.derived import DependentMaker
from deep_faker.run.pulling import Pull
from tests.support.engines import every_engine


class Joined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)
    name: str = Field(faker="name")
    email: str = Field(faker="email", of="name")
    number: int = Field(dist=Sequence(1))


class Visited(BaseEvent):
    user_id: str
    note: str = Field(faker="word")
    price: float = Field(faker="pyfloat", right_digits=2, min_value=1, max_value=100)
    quantity: int = Field(faker="random_int", min=1, max=9)
    total: float = Field(derive=lambda e: e.price * e.quantity)
    serial: int = Field(dist=Sequence(100))
    at: datetime | None = Field(default=None)


class Checked(BaseEvent):
    size: int = Field(faker="random_int", min=1, max=9)
    word: str = Field(faker="word")
    tags: list[str] = Field(default_factory=list)

    @field_validator("size")
    @classmethod
    def doubled(cls, value: int) -> int:
        return 2 * value


class Wrong(BaseEvent):
    fine: int = Field(faker="random_int", min=1, max=9)
    short: str = Field(faker="pystr", min_chars=5, max_chars=5, max_length=3)


class User(Entity):
    source_event = Joined
    primary_key = "user_id"
    spent: float = StateField(default=0.0, type_=float)


TYPES = (Joined, Visited, Checked)


def world(duration: str = "1m", **settings) -> Simulation:
    sim = Simulation(
        duration,
        **{
            "start_time": "2024-01-01",
            "n_flows": 6,
            "random_seed": 3,
            "initial_entities": {User: 9},
            **settings,
        },
    )

    @sim.flow(filter=Select(User))
    def visit(ctx):
        user = ctx.get_entity(User)
        yield NewEvent(
            ctx, Visited, mutate=SetState(User, [("spent", "add", ctx.current_event_data["price"])])
        )
        yield AddDecay(ctx, rate=0.2, seconds=1)
        yield NewEvent(ctx, Visited, note=f"again {user.user_id}", at=ctx.flow_clock)
        yield NewEvent(ctx, Checked, tags=["a", user.user_id])

    @sim.flow(initiation_weight=0.2)
    def join(ctx):
        yield NewEvent(ctx, Joined, save_entity=User)

    return sim


@pytest.fixture(scope="module")
def whole():
    return world().collect()


def go(ctx):
    yield NewEvent(ctx, Joined)


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("deep_faker")]


# ---------------------------------------------------------------- the rows


@every_engine
@pytest.mark.parametrize("rows", [17, 100_000])
def test_p9_frames_are_the_rows_of_the_run(engine, rows, whole):
    """In batches of exactly so many rows, of the same types, in the same order."""
    for event in TYPES:
        frames = list(world().batches(event, rows, engine=engine))
        assert pl.concat(frames).equals(whole[event])
        assert frames[0].schema == whole[event].schema
        assert {frame.height for frame in frames[:-1]} <= {rows}
        assert 0 < frames[-1].height <= rows


def test_p9_types_without_a_common_column_have_their_order_all_the_same():
    """As many rows as events, each with its type."""
    columns = {"Checked": ["word"], "Joined": ["number"]}
    some = list(world().batches(list(columns), 10, columns=columns))
    named = list(world().batches(list(columns), 10))
    assert [batch.events["event_type"].to_list() for batch in some] == [
        batch.events["event_type"].to_list() for batch in named
    ]
    assert some[0].events.columns == ["event_type"]


@every_engine
def test_p9_several_types_come_together(engine, whole):
    """So many events of all types, with their order over the types."""
    batches = list(world().batches(rows=50, engine=engine))
    assert {batch.height for batch in batches[:-1]} == {50}
    wanted = whole.events.select(batches[0].events.columns)
    assert {"sys__eid", "sys__order", "event_type"} <= set(wanted.columns)
    assert pl.concat(batch.events for batch in batches).equals(wanted)
    for event in TYPES:
        assert pl.concat(batch[event] for batch in batches).equals(whole[event])
    some = list(world().batches([Checked, "Joined"], 10, engine=engine))
    assert list(some[0]) == ["Checked", "Joined"]
    assert pl.concat(batch.events for batch in some).equals(
        wanted.filter(pl.col("event_type").is_in(["Checked", "Joined"]))
    )


@pytest.mark.slow
@every_engine
def test_p9_each_column_is_the_same_without_the_others(engine, whole):
    """Alone, and in the order in which they are asked for."""
    for event in TYPES:
        for name in {"sys__sid", "sys__order", "email", "total", "at", "word"} & set(whole[event].columns):
            [frame] = world().batches(event, columns=[name], engine=engine)
            assert frame.equals(whole[event].select(name)), name
    [frame] = world().batches(Visited, columns=["total", "sys__ets"], engine=engine)
    assert frame.equals(whole[Visited].select("total", "sys__ets"))
    [both] = world().batches([Joined, Visited], columns={Visited: ["note"]}, engine=engine)
    assert both[Joined].equals(whole[Joined])
    assert both[Visited].equals(whole[Visited].select("note"))


@every_engine
def test_p9_shards_have_each_batch_once(engine, whole):
    """Batch k is the same whoever takes it, and whatever comes before."""
    batches = world().batches(Visited, 20, engine=engine)
    frames = list(batches)
    for index in range(3):
        part = list(batches.shard(index, 3))
        assert all(a.equals(b) for a, b in zip(part, frames[index::3], strict=True))
    assert list(batches.shard(40, 41)) == []
    rest = list(batches.skip(2).shard(1, 2).skip(1))
    assert all(a.equals(b) for a, b in zip(rest, frames[5::2], strict=True))
    assert list(batches.skip(1000)) == []


def test_p9_live_flows_go_on_in_their_own_thread():
    """A pick in the middle of a function needs it; here each batch is asked for by another thread."""
    sim = world("5s")

    @sim.flow(filter=Select(User))
    def live(ctx):
        found = [u for u in ctx.global_context.get_entities(User) if len(u.user_id) > 2]
        picked = ctx.global_context.get_random_available_entity(User)
        yield NewEvent(ctx, Visited, note=f"{len(found)} {picked is None}")

    wanted = sim.collect()[Visited]
    got = []
    batches = sim.batches(Visited, 3)

    def take():
        got.append(next(batches))

    for _ in range(-(-wanted.height // 3)):
        asking = threading.Thread(target=take)
        asking.start()
        asking.join()
    assert pl.concat(got).equals(wanted)
    assert next(batches, None) is None


# ---------------------------------------------------------------- again


def test_p9_epochs_are_equal_whatever_the_seed_and_the_clock():
    """What nobody named is drawn once for all of them."""
    batches = world(random_seed=None, start_time="now").batches(Visited, 40)
    first = list(batches)
    assert pl.concat(first).equals(pl.concat(batches))
    other = world(random_seed=None, start_time="now").batches(Visited, 40)
    assert not pl.concat(first).equals(pl.concat(other))


def test_p9_next_goes_on_and_a_loop_takes_it_up(whole):
    batches = world().batches(Visited, 40)
    frames = [next(batches), next(batches), *batches]
    assert pl.concat(frames).equals(whole[Visited])
    assert next(batches, None) is None  # it is over, as every iterator then is
    assert pl.concat(batches).equals(whole[Visited])


def test_p9_batches_go_to_other_processes():
    """What is asked for goes there, not the way that was begun."""
    sim = Simulation("20s", start_time="2024-01-01", n_flows=2)
    sim.flow()(go)
    batches = sim.batches(Joined, 7)
    frames = [next(batches), *batches]
    again = pickle.loads(pickle.dumps(batches.shard(1, 2)))
    assert pl.concat(again).equals(pl.concat(frames[1::2]))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked here")
def test_p9_a_way_that_was_begun_stays_in_its_process(monkeypatch):
    batches = world().batches(Visited, 40)
    next(batches)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(RunError, match="begun in another process"):
        next(batches)
    monkeypatch.undo()
    batches.close()


# ---------------------------------------------------------------- what is not asked for


@pytest.fixture
def made(monkeypatch):
    """How many values of each field were made."""
    counts: Counter[str] = Counter()
    for maker in (FieldMaker, DependentMaker):
        column = maker.column

        def counted(self, rows, *args, _column=column, **named):
            counts[f"{self.event}.{self.spec.name}"] += len(rows)
            return _column(self, rows, *args, **named)

        monkeypatch.setattr(maker, "column", counted)
    return counts


@every_engine
def test_p9_what_is_not_asked_for_is_never_drawn(engine, made, whole):
    """Only the column itself, and those that it is made of; all of them where all are asked for."""
    free = {"note", "quantity", "total", "serial"}

    def drawn(*columns):
        batches = world().batches(Visited, engine=engine, columns=list(columns) or None)
        made.clear()
        for _ in batches:
            pass
        return {name.removeprefix("Visited."): n for name, n in made.items() if n and "Visited" in name}

    rows = whole[Visited].height
    early = set(drawn("sys__ets"))  # what the state of users needs
    assert early <= {"price"}
    assert set(drawn("note")) - early == {"note"}
    assert set(drawn("total")) - early - {"price"} == {"total", "quantity"}
    assert set(drawn("serial", "user_id")) - early == {"serial"}
    assert free <= set(drawn())
    assert drawn("quantity")["quantity"] == rows


@every_engine
def test_p9_other_batches_are_not_drawn(engine, made, whole):
    """Of shards and of what is skipped only the world is simulated."""
    batches = world().batches(Visited, 20, columns=["quantity"], engine=engine).shard(1, 4)
    made.clear()
    rows = sum(frame.height for frame in batches)
    assert made["Visited.quantity"] == rows < whole[Visited].height / 3
    made.clear()
    list(world().batches(Visited, 20, columns=["quantity"], engine=engine).skip(10_000))
    assert made["Visited.quantity"] == 0


def test_p9_validators_see_whole_events(made):
    """They may refuse them, or change another field: all is made then, and what is written is what they gave."""
    [frame] = world().batches(Checked, columns=["word"])
    assert made["Checked.size"] == frame.height
    [sizes] = world().batches(Checked, columns=["size"])
    assert sizes["size"].max() == 18


def test_p9_a_value_that_is_not_made_is_not_refused():
    sim = Simulation("5s", start_time="2024-01-01", n_flows=1, random_seed=1)

    @sim.flow()
    def go(ctx):
        yield NewEvent(ctx, Wrong)

    assert sum(frame.height for frame in sim.batches(Wrong, columns=["fine"])) == 5
    with pytest.raises(InvalidValueError, match=r"Wrong\.short"):
        list(sim.batches(Wrong))
    assert threads() == []


# ---------------------------------------------------------------- only as far as asked


@pytest.fixture
def pulled(monkeypatch):
    """The numbers of events that engines have made, a trace each."""
    sizes: list[int] = []
    go_on = Pull._go_on

    def counted(self):
        raw = go_on(self)
        sizes.append(0 if raw is None else raw.events)
        return raw

    monkeypatch.setattr(Pull, "_go_on", counted)
    return sizes


@every_engine
def test_p9_the_engine_is_one_trace_ahead_at_most(engine, pulled):
    """And stands still while nobody asks."""
    batches = world("30m" if engine != "reference" else "2m").batches(rows=10, engine=engine)
    next(batches)
    assert 1 <= len(pulled) <= 3  # the initial events, the first of flows, the next
    seen = len(pulled)
    assert batches._own is not None
    taken = 10
    while len(pulled) == seen:
        taken += next(batches).height
    assert taken > sum(pulled[: seen - 1])  # nothing new before all but one were used up
    assert taken <= sum(pulled[:seen])
    batches.close()
    assert len(pulled) == seen + 1


def test_p9_local_time_is_the_callers_between_two_batches(monkeypatch):
    """Flows live in UTC; the loop around the batches does not, and nothing works meanwhile."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        batches = world().batches(Visited, 40)
        for _ in batches:
            assert time.tzname[0] == "JST"
            break
        next(batches)
        assert time.tzname[0] == "JST"
        batches.close()
    finally:
        monkeypatch.undo()
        time.tzset()


@every_engine
def test_p9_leaving_early_ends_everything(engine, capsys):
    """Break, close, with, an error in the loop, or letting go: threads are gone, flows have run their finally."""
    sim = world("30s")

    @sim.flow(filter=Select(User))
    def open_ended(ctx):
        print("begins", ctx.session_id)  # noqa: T201
        try:
            yield AddDecay(ctx, seconds=20)
        finally:
            print("ends", ctx.session_id)  # noqa: T201

    batches = sim.batches(Visited, 5, engine=engine)

    def leave_by_break():
        for _ in batches:
            break

    def leave_by_close():
        next(batches)
        assert threads() != []
        batches.close()

    def leave_by_with():
        with batches:
            iter(batches).__next__()

    def leave_by_error():
        with pytest.raises(ZeroDivisionError):
            for frame in batches:
                frame.height / 0

    def let_go():
        next(iter(sim.batches(Visited, 5, engine=engine)))

    gc.disable()  # nothing may wait for the collector
    try:
        for leave in (leave_by_break, leave_by_close, leave_by_with, leave_by_error, let_go):
            capsys.readouterr()
            leave()
            said = [line.split() for line in capsys.readouterr().out.splitlines()]
            assert threads() == [], leave
            begun, ended = ([name for word, name in said if word == which] for which in ("begins", "ends"))
            assert begun, leave
            assert sorted(begun) == sorted(ended), leave
    finally:
        gc.enable()


def test_p9_a_file_that_is_loaded_makes_no_batches():
    with loading():
        batches = world().batches(Visited)
        lazy = world().scan(Visited)
    assert list(batches) == []
    assert lazy.collect().height == 0


# ---------------------------------------------------------------- Arrow


def test_p9_batches_are_an_arrow_stream(whole):
    batches = world().batches(Visited, 40, columns=["quantity", "note", "at"])
    wanted = whole[Visited].select("quantity", "note", "at")
    table = pa.RecordBatchReader.from_stream(batches).read_all()
    assert pl.DataFrame(pl.from_arrow(table)).equals(wanted)
    assert pl.DataFrame(batches).equals(wanted)
    assert pa.schema(batches) == table.schema
    found = duckdb.sql("select sum(quantity), count(*) from batches").fetchall()
    assert found == [(wanted["quantity"].sum(), wanted.height)]


def test_p9_a_stream_that_is_let_go_ends(whole):
    reader = pa.RecordBatchReader.from_stream(world().batches(Visited, 40))
    assert reader.read_next_batch().num_rows == 40
    assert threads() != []
    del reader
    gc.collect()
    assert threads() == []


# ---------------------------------------------------------------- scan


def test_p9_scan_is_a_lazy_frame_of_the_rows(whole):
    lazy = world().scan(Visited, rows=40)
    frame = whole[Visited]
    assert lazy.collect_schema() == frame.schema
    assert lazy.collect().equals(frame)
    small = pl.col("quantity") < 4
    for how in ("in-memory", "streaming"):
        assert (
            lazy.filter(small).select("note").collect(engine=how).equals(frame.filter(small).select("note"))
        )
        assert lazy.filter(small).head(5).collect(engine=how).equals(frame.filter(small).head(5))
        assert lazy.head(5).filter(small).collect(engine=how).equals(frame.head(5).filter(small))
        assert lazy.slice(45, 10).collect(engine=how).equals(frame.slice(45, 10))
        assert lazy.select(pl.len()).collect(engine=how).item() == frame.height


def test_p9_what_a_query_needs_is_pushed_down(made, pulled, whole):
    """Columns, the predicate, and the number of rows, after which the world does not go on."""
    lazy = world("30m").scan(Visited, rows=40)
    plan = lazy.filter(pl.col("quantity") > 5).select("note").explain()
    assert "PROJECT 2/" in plan
    assert 'SELECTION: col("quantity") > 5' in plan
    made.clear()
    assert lazy.filter(pl.col("quantity") > 5).select("note").head(3).collect().height == 3
    assert {name for name, n in made.items() if n and "Visited" in name} <= {
        "Visited.note", "Visited.quantity", "Visited.price",
    }  # fmt: skip
    assert made["Visited.note"] > 0
    some = sum(pulled)
    pulled.clear()
    lazy.select(pl.len()).collect()  # all of it, by contrast
    assert some < sum(pulled) / 2


# ---------------------------------------------------------------- what is refused

REFUSED = {
    "an event that is not there": (lambda sim: sim.batches("Visit"), "did you mean 'Visited'"),
    "no event": (lambda sim: sim.batches([]), "no event types"),
    "a number": (lambda sim: sim.batches(3), "unknown event 3"),
    "a column that is not there": (lambda sim: sim.batches(Visited, columns=["prize"]), "'price'"),
    "a column twice": (lambda sim: sim.batches(Visited, columns=["note", "note"]), "different names"),
    "columns as text": (lambda sim: sim.batches(Visited, columns="note"), "wrong columns"),
    "no columns": (lambda sim: sim.batches(Visited, columns=[]), "wrong columns"),
    "columns of nobody": (lambda sim: sim.batches(columns=["note"]), "columns of which type"),
    "columns of another": (lambda sim: sim.batches([Visited], columns={Joined: ["name"]}), "'Joined'"),
    "no rows": (lambda sim: sim.batches(Visited, 0), "rows=0"),
    "an engine": (lambda sim: sim.batches(Visited, engine="fast"), "engine"),
    "partitions": (lambda sim: sim.batches(Visited, partitions=2), "this version runs one partition"),
    "a part": (lambda sim: sim.batches(Visited, part=1), "part=1"),
    "a shard": (lambda sim: sim.batches(Visited).shard(2, 2), "index=2"),
    "a skip": (lambda sim: sim.batches(Visited).skip(-1), "batches=-1"),
    "a schema of several": (lambda sim: sim.batches().schema, "a schema of several event types"),
    "a stream of several": (lambda sim: pa.RecordBatchReader.from_stream(sim.batches()), "several event types"),
    "a scan": (lambda sim: sim.scan("Visit"), "did you mean 'Visited'"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_p9_what_cannot_be_is_refused_at_once(what):
    call, said = REFUSED[what]
    with pytest.raises(SettingsError) as caught:
        call(world())
    assert said in str(caught.value)
