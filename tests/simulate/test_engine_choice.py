"""E1: which engine runs, what it is called, and that a run asks nothing of it but its protocol."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from deep_faker import BaseEvent, Entity, Field, NewEvent, Simulation, StateField
from deep_faker.errors import SettingsError
from deep_faker.fill.keys import StoredKeys
from deep_faker.simulate.choice import ENGINES as NAMES
from deep_faker.simulate.engine import Entities
from tests.support.engines import ENGINES, SAVING, engine_of, every_engine, traces_of
from tests.support.worlds.resume_world import shop, tree
from tests.support.worlds.stopped_runs import resumed, stopped


class Signup(BaseEvent):
    name: str = Field(faker="first_name")


class Member(Entity):
    source_event = Signup
    primary_key = "name"
    times: int = StateField(default=0)


def members(**settings) -> Simulation:
    """Flows that make entities whose keys are drawn, and so stored."""
    given = {"duration": "20s", "start_time": "2024-01-01", "n_flows": 3, "random_seed": 5}
    sim = Simulation(**given | {"initial_entities": {Member: 4}} | settings)

    @sim.flow()
    def join(ctx):
        yield NewEvent(ctx, Signup, save_entity=Member)

    return sim


def test_the_names_are_those_that_run_takes():
    """A wrong one is refused with all of them."""
    for call in (Simulation.run, Simulation.collect, Simulation.preview):
        with pytest.raises(SettingsError, match="known: vectorized, native, numpy, reference") as refused:
            call(members(), engine="fast")
        assert "engine='fast'" in str(refused.value)


@every_engine
def test_the_report_says_which_engine_ran(engine, tmp_path):
    report = members().run(tmp_path / "out", engine=engine)
    assert report.engine == report.as_dict()["engine"] == engine
    assert f"engine {engine}, " in str(report)


def test_the_default_is_one_of_them_and_explain_says_which(tmp_path):
    ran = members().run(tmp_path / "out").engine
    assert ran in SAVING
    assert f"\nengine       {ran}: " in members().explain()


@every_engine
def test_preview_runs_on_the_engine_that_is_named(engine):
    assert members().preview(6, engine=engine) == members().preview(6)


def test_every_engine_that_is_there_is_tested():
    assert set(ENGINES) < set(NAMES)
    for name in set(NAMES) - set(ENGINES) - {"vectorized"}:
        with pytest.raises(SettingsError, match=name):
            members().collect(engine=name)


@pytest.mark.slow
@pytest.mark.parametrize(("first", "then"), [*itertools.product(SAVING, ["vectorized", *SAVING])])
def test_r4_a_run_that_stopped_under_one_engine_goes_on_under_another(first, then, tmp_path):
    """What an engine saves is what each that saves goes on with; who ran is no part of the run."""
    stopped(tmp_path, engine=first)
    resumed(tmp_path, shop(), engine=then)
    shop().run(tmp_path / "whole", progress=False)
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


@every_engine
def test_n7_stored_keys_come_with_the_traces(engine):
    """Those of a trace's births, each once, by number; the binding knows no others before."""
    plan = members().compile()
    made, binding = engine_of(plan, engine)
    made.most_rows = 1
    known, traces = [], 0
    for raw in made.run():
        trace = raw.take()
        for new in trace.keys:
            assert (new.entity, new.first) == ("Member", len(known))
            known += new.keys.tolist()
        traces += 1
        assert raw.events == sum(len(rows.flow) for rows in trace.rows)
        binding.note_keys(trace.keys)
        numbers = [number for rows in trace.rows for number in rows.keys.get("name", [])]
        assert all(number < len(known) for number in numbers)
    assert traces > 10
    assert binding.key_column("Member", np.arange(len(known))).to_pylist() == known
    assert len(set(known)) == len(known) == len(made.entities("Member").number) == 64


@pytest.mark.parametrize("engine", SAVING)
def test_n7_an_engine_that_was_loaded_brings_all_keys_again(engine):
    """A resumed run has a binding that knows nothing."""
    plan = members().compile()
    whole, binding = engine_of(plan, engine)
    traces_of(whole, binding)
    first, _ = engine_of(plan, engine)
    list(first.run(stop_before_step=9))
    second, again = engine_of(plan, engine)
    second.load(first.save())
    number = np.arange(len(whole.entities("Member").number))
    traces = traces_of(second, again)
    assert traces[0].keys[0].first == 0
    assert again.key_column("Member", number).equals(binding.key_column("Member", number))


def test_stored_keys_are_taken_in_order():
    """What was left out between is noticed, and what is not known is no key."""
    keys = StoredKeys()
    keys.add(0, np.array(["a", "b"], object))
    with pytest.raises(ValueError, match="from 3 on"):
        keys.add(3, np.array(["d"], object))
    with pytest.raises(IndexError):
        keys.of(np.array([2]))


def test_t4_entities_that_came_too_late_never_were():
    """Their numbers stay unused; without any, the arrays are handed on as they are."""
    flow, action = np.array([5, 6, 9], np.uint64), np.ones(3, np.int64)
    clock = np.array([10, 90, 20], np.int64)
    assert Entities.on_time(flow, action, clock, first_late=9, late_after=50).number.tolist() == [0]
    assert Entities.on_time(flow, action, clock, first_late=9, late_after=100).clock.tolist() == [10, 90]
    assert Entities.on_time(flow, action, clock, first_late=10, late_after=100).flow is flow
