"""R2: a longer run keeps every row before the shorter one's end, wherever in a step that end lies."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pyarrow.compute as pc
import pytest

from deep_faker.errors import DeepFakerError
from tests.support.engine_agreement import compiled, differences, load_text, tables
from tests.support.engines import engines_for
from tests.support.programs.source_behaviour import behaviour_text
from tests.support.programs.source_flows import module_text

WORLDS = 16
BATCH = 8
BEHAVING = (2, 15, 18)

MAKERS = """
from deep_faker import *

class M(BaseEvent):
    uid: str = Field(faker="uuid4")

class Named(BaseEvent):
    name: str = Field(faker="lexify", text="???")

class U(Entity):
    source_event = M
    primary_key = "uid"
    n: int = StateField(default=0)

class N(Entity):
    source_event = Named
    primary_key = "name"

class Seen(BaseEvent):
    uid: str
    n: int

sim = Simulation({duration!r}, start_time="2024-01-01", n_flows={n}, random_seed=3, on_end={on_end!r},
    initial_entities={{U: 40}})

@sim.flow()
def twice(ctx):
    yield NewEvent(ctx, M, save_entity=U)
    yield NewEvent(ctx, Named, save_entity=N)
    yield NewEvent(ctx, M, save_entity=U)

@sim.flow()
def waits(ctx):
    yield AddDecay(ctx, rate=0.2, milliseconds=Uniform(0, 900))
    yield NewEvent(ctx, M, save_entity=U)
    yield AddDecay(ctx, rate=0.1, milliseconds=Uniform(0, 900))
    yield NewEvent(ctx, Named, save_entity=N)
    yield Select(ctx, U, shared=True)
    yield NewEvent(ctx, M, save_entity=U, mutate=SetState(U, [("n", "add", 5)]))

@sim.flow(filter=Select(U))
def picks(ctx):
    yield NewEvent(ctx, M, save_entity=U)
    yield Select(ctx, U, shared=True)
    user = ctx.get_entity(U)
    yield NewEvent(ctx, Seen, n=user.n, mutate=SetState(U, [("n", "add", 1)]))
    yield Select(ctx, U)
    user = ctx.get_entity(U)
    if not user:
        return
    yield NewEvent(ctx, Seen, n=user.n, mutate=SetState(U, [("n", "add", 1)]))
"""


def _until(result, end: int):
    """The events (and versions) before an instant in milliseconds."""
    out = {}
    for name, table in result.items():
        if name.startswith("events/"):
            out[name] = table.filter(pc.less(table["sys__ets"], end))
    return out


def _check(plans, end: float) -> None:
    short = plans[0]
    until = short.settings.start // 1000 + int(end * 1000)
    results = {}
    for engine in engines_for(short):
        pair = [tables(plan, 3, engine) for plan in plans]
        if any(isinstance(result, DeepFakerError) for result in pair):
            return
        one, other = (_until(result, until) for result in pair)
        assert not (found := differences(one, other)), (engine, end, found)
        results[engine] = pair[0]
    for engine, result in results.items():
        assert not (found := differences(result, results["reference"])), (engine, end, found)


@pytest.mark.parametrize("on_end", ["finish", "cut"])
@pytest.mark.parametrize("n", [10, 200])
@pytest.mark.parametrize("end", [5.5, 5.25, 5.999, 3.001])
def test_r2_births_and_picks_of_the_cut_step_are_those_of_the_whole(end, n, on_end, tmp_path):
    """Several births of a flow in one step, stored and permuted keys, exclusive and shared picks."""
    plans = [
        compiled(load_text(MAKERS.format(duration=duration, n=n, on_end=on_end), tmp_path))
        for duration in (end, 8)
    ]
    _check(plans, end)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, WORLDS, BATCH))
def test_r2_random_worlds_keep_their_beginnings(first, tmp_path):
    """On every engine, which also agree on the shorter run as a whole; with both ways to end."""
    for seed in range(first, first + BATCH):
        _begins_alike(module_text(seed), seed, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", BEHAVING)
def test_r2_random_worlds_that_behave_keep_their_beginnings(seed, tmp_path):
    """The same where flows arrive by themselves, queue, and retire whom they hold."""
    _begins_alike(behaviour_text(seed), seed, tmp_path)


def _begins_alike(text: str, seed: int, folder: Path) -> None:
    rng = random.Random(seed)
    duration, step = (float(re.search(rf"{name}=([\d.]+)", text)[1]) for name in ("duration", "time_step"))
    end = round(rng.uniform(step, duration), 3)
    for on_end in ("finish", "cut"):
        changed = re.sub('on_end="[a-z]+"', f'on_end="{on_end}"', text)
        short = re.sub(r"duration=[\d.]+", f"duration={end}", changed)
        _check([compiled(load_text(one, folder)) for one in (short, changed)], end)
