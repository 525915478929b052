"""The state of a run between two steps is a set of named arrays; a run goes on from it elsewhere."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from deep_faker.errors import CheckpointError
from tests.support.checkpoint_runs import plan_of, second_half, whole
from tests.support.engine_agreement import load_text
from tests.support.engines import SAVING, engine_of
from tests.support.places import ROOT
from tests.support.programs.source_flows import module_text

PATH = str(ROOT)


def _cases(folder: Path) -> list[tuple[str, str, int, str]]:
    """Random plans, and random sources whose flows are all compiled, each with a step to stop at."""
    rng = random.Random(4)
    whats = [f"plan:{seed}" for seed in (303, 304, 305, 315, 316, 323, 375, 379)]
    for seed in range(100, 130):
        path = folder / f"source_{seed}.py"
        path.write_text(module_text(seed, live=False), encoding="utf-8")
        whats.append(str(path))
    whats = [what for what in whats if not any(flow.live for flow in plan_of(what).flows)]
    out = []
    for place, what in enumerate(whats):
        s = plan_of(what).settings
        for name in SAVING:
            stop = rng.randrange(1, s.duration // s.step + 4)
            out.append((what, name, stop, str(folder / f"{name}_{place}")))
    return out


@pytest.fixture(scope="module")
def halves(tmp_path_factory):
    """First halves of the cases, run by another process with another hash seed."""
    folder = tmp_path_factory.mktemp("halves")
    cases = _cases(folder)
    jobs = folder / "jobs.json"
    jobs.write_text(json.dumps(cases), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": PATH, "PYTHONHASHSEED": "77"}
    subprocess.run(
        [sys.executable, "-m", "tests.support.checkpoint_runs", str(jobs)], check=True, env=environment
    )
    return cases


def _differing(one, other):
    return [name for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name)]


@pytest.mark.parametrize("name", SAVING)
def test_r4_a_run_goes_on_in_another_process(name, halves):
    """What a stopped and loaded run makes is what the uninterrupted one makes: events, state, history."""
    mine = [case for case in halves if case[1] == name]
    in_flight = [len(np.load(Path(folder) / "state.npz")["flows.number"]) for *_, folder in mine]
    assert sum(count > 0 for count in in_flight) >= 12
    for what, _, stop, folder in mine:
        plan = plan_of(what)
        found = _differing(second_half(plan, name, Path(folder)), whole(plan, name))
        assert not found, (what, stop, found)


@pytest.mark.parametrize("name", SAVING)
def test_r4_a_run_can_stop_many_times(name, halves):
    """Stops one after another, also twice at the same step and past the end."""
    for what, _, stop, folder in [case for case in halves if case[1] == name][::4]:
        plan = plan_of(what)
        story = second_half(plan, name, Path(folder), (stop, stop + 1, stop + 3, stop + 3, 10**6))
        assert not (found := _differing(story, whole(plan, name))), (what, stop, found)


@pytest.mark.parametrize("name", SAVING)
def test_r4_the_state_is_named_arrays(name):
    """Names are texts of dots and letters, values one- or two-dimensional arrays of a row each."""
    engine, _ = engine_of(plan_of("plan:303"), name)
    list(engine.run(stop_before_step=5))
    state = engine.save()
    assert {key.split(".")[0] for key in state} >= {"flows", "entity", "filter", "counters"}
    assert {type(array) for array in state.values()} == {np.ndarray}
    assert all(array.ndim in (1, 2) for array in state.values())
    assert len(state["flows.number"]) == len(state["flows.clock"]) > 0
    assert state["flows.number"].tolist() == sorted(state["flows.number"].tolist())


def test_r4_a_live_flow_cannot_be_saved(tmp_path):
    """The error names the flow, its line and why it is live."""
    sim = load_text(
        """
from deep_faker import AddDecay, BaseEvent, NewEvent, Simulation

class Seen(BaseEvent):
    number: int

sim = Simulation(duration="10s", start_time="2024-01-01", n_flows=2, random_seed=1)

@sim.flow()
def careful(ctx):
    try:
        number = int("seven")
    except ValueError:
        number = 7
    yield NewEvent(ctx, Seen, number=number)
    yield AddDecay(ctx, seconds=3)
""",
        tmp_path,
    )
    engine, _ = engine_of(sim.compile(), "numpy")
    list(engine.run(stop_before_step=3))
    with pytest.raises(CheckpointError, match=r"'careful' cannot be saved") as caught:
        engine.save()
    assert caught.value.diagnostic.span.line == 11
    assert "try" in str(caught.value)
