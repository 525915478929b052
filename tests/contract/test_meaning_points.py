"""Points of `docs/meaning.md` that no other test would miss: the tests that are named there and stand nowhere else."""

from __future__ import annotations

import inspect
import json
import random
import subprocess
import sys
import time
import warnings
from collections import Counter
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
import typer

from deep_faker import AddDecay, Choice, Dataset, NewEvent, Select, SetState, Simulation, cli
from deep_faker.draws.ids import unscramble
from deep_faker.draws.mix import Draws
from deep_faker.errors import DeepFakerWarning, OutputError, SettingsError
from deep_faker.loader import load_simulation
from deep_faker.simulate.columns import members as lists
from deep_faker.write.mapping import check_events
from tests.support.engines import ENGINES, engine_of, every_engine
from tests.support.worlds.contract_world import (
    START,
    Entered,
    Joined,
    Note,
    Room,
    User,
    Visited,
    simulation,
    visits,
)

# ---------------------------------------------------------------- time


@every_engine
def test_t7_every_clock_of_python_reads_the_flow(engine):
    """`time.time()`, `datetime.utcnow()` and `ctx.current_time` are the clock that the event carries."""
    sim = simulation(initial_entities={})

    @sim.flow()
    def look(ctx):
        yield AddDecay(ctx, hours=5)
        since = time.time() - datetime(2024, 5, 17, 9, 30).timestamp()
        yield NewEvent(ctx, Note, number=since, text=f"{datetime.utcnow()} {ctx.current_time}")

    notes = sim.collect(engine=engine)["Note"]
    assert notes.height == 2
    for note in notes.iter_rows(named=True):
        assert note["text"] == f"{note['at']} {note['at']}"
        assert note["number"] == pytest.approx((note["at"] - START).total_seconds())


def flow_numbers(sids: pl.Series, seed: int = 11) -> list[int]:
    """The numbers of the flows whose session ids these are."""
    characters = np.frombuffer("".join(sids).encode(), np.uint8).reshape(-1, 8)
    return unscramble(Draws(seed).id_key("sid"), characters).tolist()


@every_engine
def test_t9_flows_of_one_instant_are_in_the_order_of_their_numbers(engine):
    """In steps of a microsecond all starts of a step share their instant; initial events have the first numbers."""
    sim = simulation(duration="5us", time_step="1us", n_flows=9, initial_entities={Room: 3, User: 4})

    @sim.flow()
    def act(ctx):
        yield NewEvent(ctx, Note)
        yield NewEvent(ctx, Note)

    events = sim.collect(engine=engine).events
    assert events["event_type"].to_list()[:7] == ["Opened"] * 3 + ["Joined"] * 4
    assert flow_numbers(events["sys__sid"]) == [*range(7), *(7 + n // 2 for n in range(90))]


# ---------------------------------------------------------------- entities


@every_engine
def test_n4_what_was_let_go_in_a_step_is_not_offered_again_in_it(engine):
    """Those who come to the room later in the step, by another filter, do not find it, though it is let go."""
    sim = simulation(duration="20s", n_flows=6, initial_entities={Room: 1, User: 20})

    @sim.flow()
    def visit(ctx):
        if ctx.session_id < "Q":
            yield Select(ctx, Room)
        else:
            yield Select(ctx, User, shared=True)
            yield Select(ctx, User, shared=True)
            yield Select(ctx, User, shared=True)
            yield Select(ctx, Room, where=[("size", "<", 5)])
        had = ctx.get_entity(Room) is not None
        yield Select(ctx, Room, where=[("size", ">", 5)])
        yield NewEvent(ctx, Note, text="had" if had and ctx.get_entity(Room) is None else "none")

    assert Counter(sim.collect(engine=engine)["Note"]["text"]) == {"had": 20, "none": 100}


@every_engine
def test_n5_a_shared_pick_sees_what_is_held_but_nothing_that_is_being_made(engine):
    """Users are viewed from the step after their maker's end on, also while another flow holds them."""
    sim = simulation(duration="20s", n_flows=12, initial_entities={})

    @sim.flow(initiation_weight=2.0)
    def make(ctx):
        yield NewEvent(ctx, Joined, save_entity=User)
        yield AddDecay(ctx, seconds=Choice([0, 2]))

    @sim.flow(filter=Select(User))
    def hold(ctx):
        yield NewEvent(ctx, Visited)
        yield AddDecay(ctx, seconds=8)

    @sim.flow(initiation_weight=3.0)
    def look(ctx):
        yield Select(ctx, User, shared=True)
        user = ctx.get_entity(User)
        yield NewEvent(ctx, Note, text="nobody" if user is None else user.user_id)

    dataset = sim.collect(engine=engine)
    ends = dataset.sessions.select("sys__sid", "ended")
    seen = dataset["Note"].filter(pl.col("text") != "nobody").select("at", user_id="text")
    made = dataset["Joined"].join(ends, on="sys__sid").select("user_id", made="ended")
    held = dataset["Visited"].join(ends, on="sys__sid").select("user_id", "ended", since="sys__ets")
    assert seen.join(made, on="user_id").height == seen.height
    assert seen.join(made, on="user_id").filter(_step("at") <= _step("made")).height == 0
    while_held = (pl.col("since") + 1_000 < pl.col("at").dt.epoch("ms")) & (pl.col("at") < pl.col("ended"))
    assert seen.join(held, on="user_id").filter(while_held).height > 5


def _step(column: str) -> pl.Expr:
    return (pl.col(column) - START).dt.total_microseconds() // 1_000_000


@every_engine
def test_n5_the_last_writer_of_a_step_wins(engine):
    """Twenty flows set one room's number to their own microsecond: the latest stays."""
    sim = simulation(duration="1s", n_flows=20, initial_entities={Room: 1})

    @sim.flow()
    def write(ctx):
        yield Select(ctx, Room, shared=True)
        now = datetime.now()
        yield SetState(Room, [("size", "is", now.microsecond)])
        yield NewEvent(ctx, Note, number=now.microsecond)

    dataset = sim.collect(engine=engine)
    assert dataset["Note"].height == 20
    assert dataset.entities[Room]["size"].to_list() == [dataset["Note"]["number"].max()]


# ---------------------------------------------------------------- selections, changes, flows


@every_engine
def test_s1_a_key_finds_its_entity_and_no_other(engine):
    """The key may stand in `where`, with a value that the flow computes."""
    sim = simulation(n_flows=4, initial_entities={User: 40})

    @sim.flow()
    def find(ctx):
        yield Select(ctx, User, shared=True)
        one = ctx.get_entity(User)
        yield NewEvent(ctx, Note, text=one.user_id)
        yield Select(ctx, User, where=[("user_id", "is", one.user_id)])
        yield NewEvent(ctx, Visited)

    dataset = sim.collect(engine=engine)
    both = dataset["Note"].join(dataset["Visited"], on="sys__sid")
    assert both.height > 30
    assert (both["text"] == both["user_id"]).all()


@every_engine
def test_s3_an_addition_between_two_settings_comes_in_its_place(engine):
    """Of shared changes in one step that are no additions, each works on what the one before it has left."""
    sim = simulation(duration="1s", n_flows=30, initial_entities={Room: 1})

    @sim.flow()
    def change(ctx):
        yield Select(ctx, Room, shared=True)
        if ctx.session_id < "Q":
            yield SetState(Room, [("uses", "multiply", 2)])
            yield NewEvent(ctx, Note, text="double")
        else:
            yield SetState(Room, [("uses", "add", 1)])
            yield NewEvent(ctx, Note, text="one more")

    dataset = sim.collect(engine=engine)
    value = 0
    for text in dataset["Note"]["text"]:
        value = value * 2 if text == "double" else value + 1
    assert {"double", "one more"} == set(dataset["Note"]["text"])
    assert dataset.entities[Room]["uses"].to_list() == [value]


@every_engine
@pytest.mark.parametrize("history", [False, True])
def test_s3_floats_are_added_in_the_order_of_time(engine, history):
    """Each sum of floats is rounded: the last digits of a shared total are those of this one order."""
    sim = simulation(duration="5s", n_flows=60, initial_entities={User: 1})

    @sim.flow()
    def pay(ctx):
        for _ in range(3):
            yield Select(ctx, User, shared=True)
            amount = random.uniform(0.01, 99.0)
            sign = random.choice([1, -1])
            if sign > 0:
                yield SetState(User, [("money", "add", amount)])
            else:
                yield SetState(User, [("money", "subtract", amount)])
            yield NewEvent(ctx, Note, number=sign * amount)
            yield AddDecay(ctx, milliseconds=random.randint(0, 400))

    dataset = sim.collect(engine=engine, history=history)
    total = 0.0
    for amount in dataset["Note"]["number"]:
        total += amount
    assert dataset["Note"].height > 500
    assert dataset.entities[User]["money"].to_list() == [total]


def test_f10_the_function_itself_is_returned():
    """Flows that share a part say `yield from` to it."""

    def visit(ctx):
        yield NewEvent(ctx, Note)

    assert simulation().flow()(visit) is visit


# ---------------------------------------------------------------- runs


def test_r7_a_mapping_that_omits_a_type_names_it():
    """Once for each type, with the mend; a type that nobody emits is refused."""
    with pytest.warns(DeepFakerWarning, match="MySQLOutput gets no Note") as said:
        check_events({"Joined": "users"}, ["Joined", "Note"], "table_mapping", "MySQLOutput")
    assert len(said) == 1
    assert "add it to table_mapping" in str(said[0].message)
    with pytest.raises(OutputError, match="did you mean 'Joined'"):
        check_events({"Joind": "users"}, ["Joined"], "table_mapping", "MySQLOutput")


# ---------------------------------------------------------------- engines


def _visitors(n: int, duration: str) -> Simulation:
    """A filter, a change, a shared and an exclusive pick, in a world of ``n`` users."""
    sim = simulation(duration=duration, n_flows=20, initial_entities={User: n}, emit_initial_entities=False)

    @sim.flow(filter=Select(User, where=[("visits", "<", 1_000), ("mood", "is", "calm")]))
    def visit(ctx):
        yield NewEvent(ctx, Visited, mutate=SetState(User, [("visits", "add", 1)]))
        yield Select(ctx, User, where=[("money", "<", 5.0)], shared=True)
        yield AddDecay(ctx, seconds=1.5)

    return sim


def test_e1_the_column_engine_looks_at_what_has_changed_only(monkeypatch):
    """However many entities there are: after the beginning it tests rows that flows have touched, no others."""
    tested = []

    def counted(table, condition, make=lists.condition_test):
        test = make(table, condition)

        def told(rows, now):
            tested.append(len(rows))
            return test(rows, now)

        return told

    monkeypatch.setattr(lists, "condition_test", counted)
    looked = {}
    for n in (500, 20_000):
        tested.clear()
        engine, _ = engine_of(_visitors(n, "30s").compile(), "numpy")
        events = sum(trace.events for trace in engine.run())
        looked[n] = sum(tested) - 3 * n  # three conditions, once for each at the beginning
        assert events > 200
    assert looked[20_000] <= 2 * looked[500]
    assert 0 < looked[20_000] < 20_000


@pytest.mark.skipif("native" not in ENGINES, reason="there is no native engine here")
def test_e1_the_native_engine_takes_no_longer_with_more_entities():
    """A hundred times the entities; a scan for each pick would take some fifty times as long."""

    def seconds(n: int) -> float:
        """Processor time of 2,000 steps, the first one and what sets the world up left out."""
        plan, took = _visitors(n, "2001s").compile(), []
        for _ in range(3):
            engine, _ = engine_of(plan, "native")
            list(engine.run(1))
            began = time.process_time()
            assert sum(trace.events for trace in engine.run()) > 10_000
            took.append(time.process_time() - began)
        return min(took)

    assert seconds(50_000) < 10 * seconds(500)


# ---------------------------------------------------------------- the public surface


def test_p2_arguments_have_these_names_and_defaults():
    """Names that users have written stay."""

    def spelt(function):
        return {
            name: parameter.default
            for name, parameter in inspect.signature(function).parameters.items()
            if name != "self"
        }

    assert spelt(Simulation) == {
        "duration": "1h",
        "start_time": "now",
        "time_step": "1s",
        "n_flows": None,
        "random_seed": None,
        "initial_entities": None,
        "on_end": "finish",
        "emit_initial_entities": True,
        "locale": None,
        "starts_per_step": None,
        "defects": None,
        "labels": None,
        "params": None,
    }
    assert spelt(Simulation.run) == {
        "output": None,
        "engine": "vectorized",
        "partitions": 1,
        "part": None,
        "workers": None,
        "cluster": None,
        "resume": False,
        "overwrite": False,
        "history": False,
        "decisions": False,
        "progress": None,
        "format": None,
        "checkpoint_every": None,
        "checkpoint": None,
        "speed": None,
        "rate": None,
        "certificate": False,
        "order": "time",
        "params": None,
    }
    assert spelt(Simulation.deliver) == {
        "path": inspect.Parameter.empty,
        "order": "time",
        "overwrite": False,
        "progress": None,
        "checkpoint_every": None,
        "checkpoint": None,
        "speed": None,
        "rate": None,
        "storage_options": None,
    }
    assert spelt(Simulation.collect) == {
        "engine": "vectorized",
        "history": False,
        "decisions": False,
        "progress": None,
        "params": None,
    }
    assert spelt(Simulation.preview) == {"n": 20, "initial": True, "engine": "vectorized"}
    assert spelt(Simulation.batches) == {
        "events": None,
        "rows": 100_000,
        "columns": None,
        "engine": "vectorized",
        "partitions": 1,
        "part": None,
    }
    assert set(spelt(Simulation.scan)) == {"event", "rows", "engine"}
    assert spelt(Simulation.futures)["n"] == 200
    assert Simulation().n_flows == 10


def test_p2_several_workers_need_several_parts(tmp_path):
    """One part has one worker; nothing is written."""
    with pytest.raises(SettingsError, match="workers"):
        visits(simulation()).run(tmp_path / "out", workers=2)
    assert list(tmp_path.iterdir()) == []


@every_engine
def test_p4_sessions_are_in_the_order_of_their_end_and_number(engine):
    """Flows that are cut all end at one instant; initial entities have no row."""
    sim = visits(simulation(n_flows=7, on_end="cut"), seconds=Choice([0.2, 3.0]))
    dataset = sim.collect(engine=engine)
    sessions = dataset.sessions
    places = list(zip(sessions["ended"], flow_numbers(sessions["sys__sid"]), strict=True))
    assert places == sorted(places)
    assert sessions["outcome"].to_list()[-3:] == ["cut"] * 3
    assert min(number for _, number in places) == 8  # the eight users of the beginning came before
    lines = inspect.getsource(visits).splitlines()
    first = inspect.getsourcelines(visits)[1]
    assert {lines[line - first].strip().split("(")[0] for line in sessions["line"]} <= {
        "yield AddDecay",
        "yield NewEvent",
    }


PROGRAM = """
from deep_faker import *
class Ping(BaseEvent):
    size: int = Field(faker="random_int", min=1, max=9)
class Pinger(Entity):
    primary_key = "pinger_id"
    source_event = None
sim = Simulation(duration="5s", n_flows=2, initial_entities={Pinger: 3})
other = Simulation(duration="7s")
@sim.flow(filter=Select(Pinger))
def ping(ctx):
    yield NewEvent(ctx, Ping)
other.flow()(ping)
sim.run("written-by-the-file")
print("empty:", sim.collect().events.height)
"""


def test_p5_a_file_that_is_loaded_runs_nothing(tmp_path, monkeypatch, capsys):
    """`run()` and `collect()` in it do nothing; the simulation is `sim`, or the one that is named."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pings.py").write_text(PROGRAM)
    assert repr(load_simulation("pings.py")).startswith("Simulation(n_flows=2")
    assert repr(load_simulation("pings.py:other")).startswith("Simulation(n_flows=10")
    assert capsys.readouterr().out == "empty: 0\n" * 2
    assert not (tmp_path / "written-by-the-file").exists()


def test_p5_options_take_the_place_of_the_files_settings(tmp_path, monkeypatch, capsys):
    """Each is in the manifest; the summary is on standard error, or with ``--json`` on standard output."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pings.py").write_text(PROGRAM.rpartition("sim.run")[0])
    line = (
        "run pings.py --output out --format jsonl --seed 4 --start-time 2024-02-03 --duration 6s --time-step 2s "
        "--n-flows 3 --partitions 1 --workers 1 --engine numpy --history"
    )

    def command(*arguments: str) -> int:
        app = typer.main.get_command(cli.app)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeepFakerWarning)
            return cli._guarded(lambda: app.main(list(arguments), standalone_mode=False))

    assert command(*line.split()) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "9 Ping" in " ".join(said.err.split())
    dataset = Dataset.open(tmp_path / "out")
    assert dataset.manifest["seed"] == 4
    assert dataset.manifest["start_time"] == "2024-02-03T00:00:00"
    assert dataset.manifest["end_time"] == "2024-02-03T00:00:06"
    assert dataset.manifest["settings"]["time_step_us"] == 2_000_000
    assert dataset.manifest["settings"]["n_flows"] == 3
    assert dataset.manifest["layout"] == "jsonl"
    assert dataset.history["Pinger"].height == 3
    assert command(*line.split(), "--json", "--quiet", "--overwrite") == 0
    assert json.loads(capsys.readouterr().out)["events"] == {"Ping": 9}
    assert command("verify", "out") == 0
    assert capsys.readouterr().out == ""


def test_p5_help_names_every_option():
    """What scripts say stays."""
    shown = subprocess.run(
        [sys.executable, "-m", "deep_faker.cli", "run", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={"COLUMNS": "200", "PYTHONPATH": ":".join(sys.path), "NO_COLOR": "1"},
    ).stdout
    options = (
        "output format compression partition-by rows-per-file file-size csv-formulas seed start-time duration "
        "time-step n-flows starts-per-step partitions workers engine history resume checkpoint-every checkpoint "
        "speed rate overwrite quiet json"
    )
    for option in options.split():
        assert f"--{option}" in shown, option


def test_p6_an_object_that_takes_both_is_given_frames():
    """`write_batch` gets the type's name and a frame, in time order; `send_event` nothing."""

    class Both:
        def __init__(self):
            self.one_by_one, self.frames = 0, []

        def send_event(self, event):
            self.one_by_one += 1

        def write_batch(self, event_type, frame):
            self.frames.append((event_type, frame))

    sim, both = visits(simulation(initial_entities={User: 8, Room: 1})), Both()
    sim.add_output(both)

    @sim.flow(filter=[Select(User), Select(Room)])
    def enter(ctx):
        yield NewEvent(ctx, Entered)
        yield AddDecay(ctx, seconds=timedelta(seconds=1).total_seconds())

    report = sim.run()
    assert both.one_by_one == 0
    assert {name for name, _ in both.frames} == {"Joined", "Opened", "Visited", "Note", "Entered"}
    assert sum(frame.height for _, frame in both.frames) == report.total
    assert all(frame["sys__ets"].is_sorted() for _, frame in both.frames)
