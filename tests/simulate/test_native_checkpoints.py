"""A run that stops under one engine and goes on under another, in both directions, makes what one engine makes."""

from __future__ import annotations

import random
from typing import Any

import pytest

from deep_faker.plan import Plan, Trace
from deep_faker.simulate.native.machine import cache
from tests.support.checkpoint_runs import SEED, plan_of, whole
from tests.support.engine_agreement import compiled, load_text
from tests.support.engines import engine_of, engines_for, traces_of
from tests.support.programs.plans import story
from tests.support.programs.source_behaviour import behaviour_text
from tests.support.programs.source_flows import module_text

pytestmark = pytest.mark.skipif(cache.available() is not None, reason=str(cache.available()))

PLANS, SOURCES, BATCH = 16, 16, 8
BEHAVING = (0, 2, 4, 15, 23)  # whose flows all compile: generators are not saved


def crossed(plan: Plan, first: str, stops: list[int]) -> dict[str, Any]:
    """The story of a run that changes its engine before each of ``stops``."""
    names = [first, "native" if first == "numpy" else "numpy"]
    traces: list[Trace] = []
    arrays = None
    for place, stop in enumerate([*stops, None]):
        engine, binding = engine_of(plan, names[place % 2], SEED)
        if arrays is not None:
            engine.load(arrays)
        traces += traces_of(engine, binding, stop)
        arrays = engine.save()
    return story(plan, traces, engine, binding)


def _check(plan: Plan, seed: int) -> None:
    rng = random.Random(seed)
    settings = plan.settings
    steps = range(settings.duration // settings.step + 4)
    stops = sorted(rng.sample(steps, min(len(steps), rng.choice([1, 2, 4]))))
    told = whole(plan, "numpy")
    for first in ("numpy", "native"):
        made = crossed(plan, first, stops)
        found = [name for name in told.keys() | made.keys() if repr(told.get(name)) != repr(made.get(name))]
        assert not found, (seed, first, stops, found)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, PLANS, BATCH))
def test_r4_random_plans_go_on_under_the_other_engine(first):
    """Keys, state, history and sessions, whichever engine ran last, also after the end."""
    for seed in range(first, first + BATCH):
        _check(plan_of(f"plan:{seed}"), seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SOURCES, BATCH))
def test_r4_random_flows_go_on_under_the_other_engine(first, tmp_path):
    """The same for programs as users write them."""
    for seed in range(first, first + BATCH):
        plan = compiled(load_text(module_text(seed, live=False), tmp_path), history=seed % 2 == 0)
        if "native" in engines_for(plan) and all(flow.live is None for flow in plan.flows):
            _check(plan, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", BEHAVING)
def test_r4_random_arrivals_and_queues_go_on_under_the_other_engine(seed, tmp_path):
    """Clocks, triggers, those who wait, lists, who has retired: all is saved, and read by the other."""
    plan = compiled(load_text(behaviour_text(seed), tmp_path), history=seed % 2 == 0)
    assert "native" in engines_for(plan)
    _check(plan, seed)
