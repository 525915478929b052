"""Flows that run as generators, on the native engine: with the same rows as on the others, whatever they ask for."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from deep_faker.draws.mix import Draws
from deep_faker.errors import CheckpointError, DeepFakerError
from deep_faker.fill.binding import Binding
from deep_faker.plan import Plan, Trace
from deep_faker.simulate.native.machine import cache
from deep_faker.simulate.native.machine.takeover import Takeover
from deep_faker.simulate.native.run_state import RunState
from deep_faker.simulate.vectorized import VectorizedEngine
from tests.support.checkpoint_runs import SEED, whole
from tests.support.engine_agreement import compiled, differences, load_text, tables
from tests.support.engines import engine_of, engines_for, traces_of
from tests.support.programs.plans import story
from tests.support.programs.source_flows import module_text

pytestmark = pytest.mark.skipif(cache.available() is not None, reason=str(cache.available()))

HEAD = """
import random
from datetime import datetime, timedelta
from deep_faker import *

class E(BaseEvent):
    a: str = ""
    n: int = 0

class M(BaseEvent):
    uid: str = Field(faker="lexify", text="???")
    name: str = Field(faker="first_name")
    city: str = Field(faker="city")

class U(Entity):
    source_event = M
    primary_key = "uid"
    i: int = StateField(default=5)
    x: float = StateField(default=1.0)
    o: int | None = StateField(default=None, type_=int | None)
    s: str = StateField(default="m")
    l: list[int] = StateField(default=[], type_=list[int])
    seen: datetime | None = StateField(default=None, type_=datetime | None)
    name: str = StateField(from_field="name", type_=str)
    city: str = StateField(from_field="city", type_=str)

class Made(BaseEvent):
    kid: str = Field(faker="shortuuid", length=8)

class K(Entity):
    source_event = Made
    primary_key = "kid"
    v: int = StateField(default=1)

sim = Simulation({duration!r}, start_time="2024-01-01", time_step="2s", n_flows={n}, random_seed=3, on_end={on_end!r},
    initial_entities={{U: 40, K: 9}})

@sim.flow(filter=Select(U, where=[("x", "less_than", 50.0)], weight="x"))
def compiled_one(ctx):
    u = ctx.get_entity(U)
    yield NewEvent(ctx, E, a=u.name, n=u.i)
    yield AddDecay(ctx, rate=0.1, seconds=Uniform(0, 4))
    yield Select(ctx, K)
    yield SetState(K, [("v", "add", 1)])
    yield SetState(U, [("i", "add", 1), ("x", "multiply", 1.5)])
    yield NewEvent(ctx, M, save_entity=U, mutate=SetState(U, [("name", "max", "Zz")]))
    yield AddDecay(ctx, seconds=3)
    yield NewEvent(ctx, E, a=ctx.get_entity(U).name, n=2)

@sim.flow(filter=[Select(U), Select(K, shared=True)])
def live_one(ctx):
    u, k = ctx.get_entity(U), ctx.get_entity(K)
    try:
        pass
    finally:
        pass
"""

ASKS = {
    "events": "yield NewEvent(ctx, E, a=u.city + str(u.l), n=u.i)\nyield NewEvent(ctx, M)",
    "waits": "yield AddDecay(ctx, rate=0.2, seconds=Exponential(3), milliseconds=random.randint(0, 9))\nyield NewEvent(ctx, E)\nyield AddDecay(ctx, rate=0.5)\nyield AddDecay(ctx, minutes=LogNormal(0, 1))\nyield NewEvent(ctx, E)",
    "own changes": "yield NewEvent(ctx, E, n=u.i, mutate=SetState(U, [('i', 'add', 3), ('s', 'is', ctx.flow_name), ('l', 'is', [u.i]), ('o', 'is', random.choice([7, None]))]))\nyield SetState(U, [('x', 'multiply', 1.5), ('x', 'add', 2), ('i', 'subtract', 1), ('seen', 'is', ctx.flow_clock)])\nyield NewEvent(ctx, E, a=f'{u.s} {u.l} {u.o} {u.x} {u.seen}')",
    "shared changes": "yield SetState(K, [('v', 'max', random.randint(0, 9)), ('v', 'add', 1)])\nyield NewEvent(ctx, E, n=k.v)\nyield Select(ctx, U, where=[('i', 'greater_than', 4)], shared=True)\nyield SetState(U, [('i', 'add', 1), ('s', 'max', random.choice(['a', 'z'])), ('x', 'min', 0.5), ('l', 'is', [1])])\nyield NewEvent(ctx, E, a=ctx.get_entity(U).s, n=ctx.get_entity(U).i)",
    "a filter of the plan": "yield Select(ctx, U, where=[('x', 'less_than', 50.0)], weight='x')\nyield NewEvent(ctx, E, a=ctx.get_entity(U).name)\nyield Select(ctx, K)\nyield NewEvent(ctx, E, n=ctx.get_entity(K).v)\nyield Select(ctx, K, shared=True)\nyield NewEvent(ctx, E, n=ctx.get_entity(K).v)",
    "no filter of the plan": "yield Select(ctx, U, where=[('i', 'greater_than', random.randint(4, 6)), ('name', 'is_not', 'Bob')])\nyield NewEvent(ctx, E, a=ctx.get_entity(U).name)\nyield Select(ctx, U, where=[('i', 'in', [5, 6, 8])], weight='x', shared=True)\nyield NewEvent(ctx, E, a=ctx.get_entity(U).name)\nyield Select(ctx, K, where=[('v', 'between', (1, 4))], weight='v')\nyield NewEvent(ctx, E, n=ctx.get_entity(K).v)",
    "by now": "yield SetState(U, [('seen', 'is', ctx.flow_clock)])\nyield AddDecay(ctx, seconds=3)\nyield Select(ctx, U, where=[('seen', 'less_than', Now() - timedelta(seconds=2))])\nyield NewEvent(ctx, E, a=ctx.get_entity(U).name)",
    "by key": "yield Select(ctx, U, where=[('uid', 'is', u.uid)], shared=True)\nyield NewEvent(ctx, E, a=ctx.get_entity(U).uid)\nyield Select(ctx, K, where=[('kid', 'is', k.kid)])\nyield NewEvent(ctx, E, a=ctx.get_entity(K).kid)",
    "in ordinary code": "v = ctx.global_context.get_random_available_entity(K)\nif v is not None:\n    yield SetState(K, [('v', 'add', 2)])\n    yield NewEvent(ctx, E, a=v.kid, n=v.v)\nfor one in ctx.global_context.get_available_entities(U)[:3]:\n    yield NewEvent(ctx, E, a=one.uid, n=one.i)",
    "births": "yield NewEvent(ctx, Made, save_entity=K)\nyield NewEvent(ctx, M, save_entity=U, mutate=SetState(U, [('i', 'add', 3), ('s', 'is', ctx.current_event_data['uid'])]))\nyield NewEvent(ctx, E, a=ctx.get_entity(U).uid + ctx.get_entity(K).kid, n=ctx.get_entity(U).i)\nyield NewEvent(ctx, M, save_entity=U)\nyield SetState(U, [('s', 'is', 'late')])\nyield AddDecay(ctx, seconds=2)\nyield NewEvent(ctx, E, a=ctx.get_entity(U).city)",
    "turns of the world": "for turn in range(12):\n    yield Select(ctx, U, where=[('i', 'less_than', 9)], shared=turn % 2 == 0)\n    yield SetState(U, [('i', 'add', turn)])\n    yield AddDecay(ctx, rate=0.05, seconds=Uniform(0, 1))",
    "many changes": "for turn in range(40):\n    yield SetState(K, [('v', 'add', turn), ('v', 'subtract', 1)])\nyield NewEvent(ctx, E, n=k.v)",
    "what is missing": "yield Select(ctx, U, where=[('i', 'greater_than', 99)])\nyield NewEvent(ctx, E, a=ctx.get_entity(U).name)",
    # what must not be
    "fails": "if random.random() < 0.05:\n    raise LookupError('lost')\nyield NewEvent(ctx, E)",
    "fails with others": "yield Select(ctx, K)\nv = 1 // (random.randint(0, 30) if ctx.get_entity(K) is None else 1)\nyield SetState(U, [('i', 'is', 'text' if random.random() < 0.02 else 1)])",
    "fails at the end": "yield SetState(K, [('v', 'add', 2**62)])",
    "no weight": "yield SetState(U, [('x', 'is', -1.0 if random.random() < 0.1 else 2.0)])\nyield AddDecay(ctx, seconds=2)",
    "too few keys": "while True:\n    yield NewEvent(ctx, M, uid='abc' if random.random() < 0.1 else f'{random.random()}', save_entity=U)\n    yield AddDecay(ctx, rate=0.1, seconds=1)",
    "stands still": "while u.i > 4:\n    yield SetState(U, [('i', 'add', 1)])",
}  # fmt: skip


LONG = ("stands still",)  # ten thousand actions of each flow


def program(ask: str, *, n: int, duration: str = "17s", on_end: str = "finish") -> str:
    body = "".join(f"        {line}\n" for line in ASKS[ask].splitlines())
    return HEAD.format(n=n, duration=duration, on_end=on_end).replace("        pass\n", body, 1)


@pytest.mark.parametrize("history", [False, True])
@pytest.mark.parametrize(
    ("ask", "n"), [(ask, n) for ask in ASKS for n in (2, 40) if n == 2 or ask not in LONG]
)
def test_e2_live_flows_are_natively_what_they_are_elsewhere(ask, n, history, tmp_path):
    """Rows, or the error, word for word, in competition with compiled flows."""
    plan = compiled(load_text(program(ask, n=n), tmp_path), history=history)
    assert [flow.live is None for flow in plan.flows] == [True, False]
    made = {name: tables(plan, 3, name) for name in engines_for(plan)}
    assert list(made) == ["numpy", "native", "reference"]
    for name, result in made.items():
        assert not (found := differences(result, made["numpy"], words=True)), (name, found)


def test_e2_texts_of_a_history_are_read_while_the_step_that_the_end_cuts_is_made(tmp_path, monkeypatch):
    """The writing thread asks who made an entity while the engine's words are exchanged for those of numpy."""
    plan = compiled(load_text(program("by now", n=40), tmp_path), history=True)
    restart, born, exchanged = RunState.restart, RunState.births, threading.Event()

    def slowly(self):
        restart(self)
        exchanged.set()
        time.sleep(0.3)

    def late(self, entity, numbers):
        if threading.current_thread() is not threading.main_thread():
            exchanged.wait(5)
        return born(self, entity, numbers)

    monkeypatch.setattr(RunState, "restart", slowly)
    monkeypatch.setattr(RunState, "births", late)
    assert not differences(tables(plan, 3, "native"), tables(plan, 3, "numpy"), words=True)
    assert exchanged.is_set()


@pytest.mark.parametrize("duration", ["16s", "16.5s"])
@pytest.mark.parametrize("ask", ["waits", "births", "turns of the world", "fails"])
def test_t4_a_cut_end_goes_through_live_flows(ask, duration, tmp_path):
    """The step that the end cuts is numpy's: generators go over to it, and what is late is taken back."""
    text = program(ask, n=25, duration=duration, on_end="cut")
    plan = compiled(load_text(text, tmp_path))
    made = [tables(plan, 3, name) for name in engines_for(plan)]
    assert not any(differences(result, made[0], words=True) for result in made)


# ---------------------------------------------------------------- from engine to engine


def relay(plan: Plan, first: str, stops: Sequence[int]) -> dict[str, Any]:
    """The story of a run that two engines make in turns, each from one of ``stops`` on."""
    names = [first, "native" if first == "numpy" else "numpy"]
    engine, binding = engine_of(plan, first, SEED)
    traces: list[Trace] = []
    for turn, stop in enumerate(stops, start=1):
        traces += traces_of(engine, binding, stop)
        following, binding = engine_of(plan, names[turn % 2], SEED)
        following.take_over(engine.hand_over())
        engine = following
    traces += traces_of(engine, binding)
    return story(plan, traces, engine, binding)


def apart(plan: Plan, stops: Sequence[int]) -> list[str]:
    """What runs that go over at ``stops`` tell otherwise than the numpy engine alone."""
    told = whole(plan, "numpy")
    made = [relay(plan, first, stops) for first in ("native", "numpy")]
    return [
        name
        for one in made
        for name in told.keys() | one.keys()
        if repr(told.get(name)) != repr(one.get(name))
    ]


@pytest.mark.parametrize("on_end", ["finish", "cut"])
@pytest.mark.parametrize("ask", ["births", "turns of the world", "shared changes", "in ordinary code"])
def test_r4_generators_go_over_between_the_engines(ask, on_end, tmp_path):
    """Between any two steps, in both directions, and nobody sees it."""
    plan = compiled(load_text(program(ask, n=12, on_end=on_end), tmp_path))
    assert not apart(plan, [])
    assert not apart(plan, [0, 1, 2, 4, 5, 8, 9])


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 36, 6))
def test_r4_random_generators_go_over_between_the_engines(first, tmp_path):
    """The same for random programs and steps."""
    for seed in range(first, first + 6):
        plan = compiled(load_text(module_text(seed, live=True), tmp_path), history=seed % 2 == 0)
        last = plan.settings.duration // plan.settings.step + 3
        stops = sorted(random.Random(seed).sample(range(last), min(5, last)))
        assert not apart(plan, stops), (seed, stops)


def test_a_run_goes_over_when_the_kernel_has_come(tmp_path):
    """With the generators that it has begun; each event is there once."""
    plan = compiled(load_text(program("births", n=12), tmp_path))
    kernel = Takeover().kernel or SimpleNamespace(functions=None)
    takeover = SimpleNamespace(waiting=True, kernel=None)

    def poll():
        takeover.waiting, takeover.kernel = False, kernel
        return kernel

    takeover.poll = poll
    draws = Draws(SEED)
    binding = Binding(plan, draws)
    engine = VectorizedEngine(plan, draws, binding, takeover)
    engine.most_rows = 40
    traces = traces_of(engine, binding)
    assert re.fullmatch("numpy, then native from step [1-9]", engine.name)
    told, made = whole(plan, "numpy"), story(plan, traces, engine, binding)
    assert {name for name in told if repr(told[name]) != repr(made[name])} == set()


def test_r4_a_checkpoint_of_a_live_flow_is_refused(tmp_path):
    """By both engines in the same words, with the line."""
    plan = compiled(load_text(program("events", n=2), tmp_path))
    said = []
    for name in ("numpy", "native"):
        engine, binding = engine_of(plan, name)
        traces_of(engine, binding, 3)
        with pytest.raises(CheckpointError, match="'live_one' cannot be saved") as refused:
            engine.save()
        said.append(str(refused.value))
    assert said[0] == said[1]


# ---------------------------------------------------------------- how they end

ENDS = """
from deep_faker import *

class E(BaseEvent):
    n: int = 0

sim = Simulation("20s", start_time="2024-01-01", n_flows=5, random_seed=3)

@sim.flow()
def live_one(ctx):
    try:
        yield NewEvent(ctx, E)
        yield AddDecay(ctx, seconds=Uniform(1, 30))
        {body}
    finally:
        print(ctx.flow_clock)
"""


@pytest.mark.parametrize("body", ["yield NewEvent(ctx, E)", "raise ValueError('so')", "yield 7"])
def test_t6_finally_runs_where_a_flow_stands_when_the_run_breaks_off(body, tmp_path, capsys):
    """In the same order as on the other engine, also for those that nobody waits for any more."""
    text = ENDS.format(body=body)
    told = {}
    for name in ("numpy", "native"):
        engine, _ = engine_of(compiled(load_text(text, tmp_path)), name)
        engine.most_rows = 1
        running = engine.run()
        said = ""
        try:
            for _ in range(4):
                next(running)
            running.close()
        except DeepFakerError as error:
            said = error.diagnostic.title
        told[name] = said, capsys.readouterr().out
    assert told["native"] == told["numpy"]
    assert told["native"][1].count("2024-01-01") >= 5


def test_explain_says_that_python_resumes_them(tmp_path):
    text = load_text(program("events", n=2), tmp_path).explain()
    assert "left to Python: runs as the generator that it is" in " ".join(text.split())
    assert "engine       native: " in text or "engine       numpy: " in text
