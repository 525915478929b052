"""Runs that stop between two steps, save, and go on elsewhere; also a program that runs the first halves.

    python -m tests.support.checkpoint_runs JOBS.json      # a list of [what, engine, stop, folder]

``what`` is the path of a module with a simulation, or ``plan:N`` for the random plan N.
"""

from __future__ import annotations

import json
import pickle
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from deep_faker.loader import load_simulation
from deep_faker.plan import Plan, Trace
from tests.support.engine_agreement import compiled
from tests.support.engines import engine_of, traces_of
from tests.support.programs.plans import random_plan, story

SEED = 11


@cache
def plan_of(what: str) -> Plan:
    """The plan that a job names; nothing that runs it changes it."""
    if what.startswith("plan:"):
        return random_plan(int(what.removeprefix("plan:")))
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return compiled(load_simulation(what))


def first_half(what: str, name: str, stop: int, folder: Path) -> None:
    """Run until before the step ``stop``; leave the traces and the state in ``folder``."""
    engine, binding = engine_of(plan_of(what), name, SEED)
    traces = traces_of(engine, binding, stop)
    folder.mkdir(parents=True)
    (folder / "traces.pickle").write_bytes(pickle.dumps(traces))
    np.savez(folder / "state.npz", **engine.save())


def second_half(plan: Plan, name: str, folder: Path, stops: tuple[int, ...] = ()) -> dict[str, Any]:
    """Go on from ``folder`` in a new engine, and in another one after each of ``stops``; the whole story.

    Each engine makes the keys known anew, as another process would.
    """
    traces: list[Trace] = pickle.loads((folder / "traces.pickle").read_bytes())
    with np.load(folder / "state.npz", allow_pickle=True) as saved:
        arrays = {key: saved[key] for key in saved.files}
    for stop in (*stops, None):
        engine, binding = engine_of(plan, name, SEED)
        engine.load(arrays)
        traces += traces_of(engine, binding, stop)
        arrays = engine.save()
    return story(plan, traces, engine, binding)


def whole(plan: Plan, name: str) -> dict[str, Any]:
    """The story of a run that nothing interrupts."""
    engine, binding = engine_of(plan, name, SEED)
    return story(plan, traces_of(engine, binding), engine, binding)


if __name__ == "__main__":
    for what, name, stop, folder in json.loads(Path(sys.argv[1]).read_text()):
        first_half(what, name, stop, Path(folder))
