"""The native engine against the others, where it once differed or could: one program for each kind of fault."""

from __future__ import annotations

import pytest

from deep_faker.simulate.native import engine, old_objects
from deep_faker.simulate.native.machine import cache
from tests.support.engine_agreement import compiled, differences, load_text, tables
from tests.support.engines import engine_of, engines_for, traces_of

pytestmark = pytest.mark.skipif(cache.available() is not None, reason=str(cache.available()))

HEAD = """
import math, random
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, Optional
from deep_faker import *

class E(BaseEvent):
    a: str = ""
    b: str = ""

class M(BaseEvent):
    uid: str = Field(faker="shortuuid", length=8)
    name: str = Field(faker="first_name")
    code: str = Field(faker="shortuuid", length=10)
    maybe: Optional[str] = Field(faker="random_element", elements=["red", None])

class U(Entity):
    source_event = M
    primary_key = "uid"
    i: int = StateField(default=5)
    x: float = StateField(default=1.0)
    o: Optional[int] = StateField(default=None, type_=Optional[int])
    s: str = StateField(default="m")
    q: str = StateField(default="", type_=str)
    d: Decimal = StateField(default=Decimal("1.50"), type_=Decimal)
    mood: Literal["calm", "glad"] = StateField(default="calm", type_=Literal["calm", "glad"])
    name: str = StateField(from_field="name", type_=str)
    code: str = StateField(from_field="code", type_=str)
    maybe: Optional[str] = StateField(from_field="maybe", type_=Optional[str])

class T(BaseEvent):
    key: str = Field(faker="lexify", text="???")

class K(Entity):
    source_event = T
    primary_key = "key"
    copy: str = StateField(from_field="key", type_=str)

sim = Simulation("9s", start_time="2024-01-01", n_flows={n}, random_seed=3, initial_entities={{U: 300}}{more})

@sim.flow(filter=Select(U{select}))
def f(ctx):
    u = ctx.get_entity(U)
    p = random.random() < 0.3
"""

ALIKE = {
    # changes of shared entities that only Python can make, among some that the kernel makes
    "shared text": ", shared=True|yield SetState(U, [('q', 'max', random.choice(['ab', 'b', ''])), ('i', 'add', 1), ('s', 'min', f'{random.random():.3f}')])\n    yield NewEvent(ctx, E, a=u.q, b=u.s)",
    "shared decimals": ", shared=True|yield SetState(U, [('d', 'add', Decimal(random.choice(['0.25', '1.00']))), ('x', 'add', 0.1)])\n    yield NewEvent(ctx, E, a=str(u.d))",
    "shared literals": ", shared=True|yield SetState(U, [('mood', 'is', random.choice(['calm', 'glad']))])\n    yield NewEvent(ctx, E, a=u.mood)",
    "own and shared": "|yield SetState(U, [('q', 'max', 'k'), ('q', 'max', random.choice(['z', 'a']))])\n    yield Select(ctx, U, shared=True)\n    yield SetState(U, [('q', 'min', random.choice(['y', 'c']))])\n    yield NewEvent(ctx, E, a=ctx.get_entity(U).q)",
    # texts that wait for who reads the event, and those that must not
    "nobody reads it": "|v = u.maybe.lower() if p else ''\n    yield NewEvent(ctx, E)",
    "it can raise": "|v = 'ab'[3 if random.random() < 0.01 else 0:][0]\n    yield NewEvent(ctx, E, a=f'{v}-')",
    "told later": "|n = random.randint(1, 9)\n    yield NewEvent(ctx, E, a=f'{n:03d} of {u.name}', b=(u.s + 'x').upper()[:2])",
    # what an event generates is also state
    "value and change": "|yield NewEvent(ctx, M, mutate=SetState(U, [('s', 'is', ctx.current_event_data['name'])]))\n    yield NewEvent(ctx, E, a=u.s)",
    "copied": "|yield NewEvent(ctx, M, save_entity=U)\n    yield NewEvent(ctx, E, a=ctx.get_entity(U).name, b=str(ctx.get_entity(U).maybe))",
    "changed at its birth": "|yield NewEvent(ctx, M, save_entity=U, mutate=SetState(U, [('name', 'max', random.choice(['A', 'zz'])), ('code', 'min', 'm'), ('i', 'add', 1)]))\n    yield NewEvent(ctx, E, a=ctx.get_entity(U).name, b=ctx.get_entity(U).code)",
    "changed with more births": "|yield NewEvent(ctx, M, save_entity=U, mutate=[SetState(U, [('code', 'max', 'm')]), SetState(U, [('name', 'min', 'Kim')])])\n    yield Select(ctx, U, shared=True)\n    yield SetState(U, [('name', 'max', 'B')])\n    yield NewEvent(ctx, E, a=ctx.get_entity(U).name, b=ctx.get_entity(U).code)",
    # keys
    "keys of many lines": "|yield NewEvent(ctx, T, save_entity=K)\n    if p:\n        yield NewEvent(ctx, T, save_entity=K)\n    else:\n        yield NewEvent(ctx, T, save_entity=K)\n    yield NewEvent(ctx, E, a=ctx.get_entity(K).copy)",
    # lists of values
    "None in a list": "|yield SetState(U, [('o', 'is', 1 if p else None)])\n    yield AddDecay(ctx, seconds=2)\n    yield Select(ctx, U, where=[('o', 'in', [2, None])], shared=True)\n    yield NewEvent(ctx, E, a=str(ctx.get_entity(U) is None))",
    "None not in a list": "|yield Select(ctx, U, where=[('o', 'not_in', [1, None])], shared=True)\n    yield NewEvent(ctx, E, a=str(ctx.get_entity(U) is None))",
    "unknown text in a list": "|yield Select(ctx, U, where=[('mood', 'in', ['glad', 'calm'])], shared=True)\n    yield NewEvent(ctx, E, a=str(ctx.get_entity(U) is None))",
    # room
    "many changes": "|for i in range(120):\n        yield Select(ctx, U, where=[('i', 'less_than', 9)], shared=True)\n        yield SetState(U, [('i', 'add', 1)])",
    "many picks": "|for i in range(60):\n        yield Select(ctx, U)",
    "many events": "|for i in range(400):\n        yield NewEvent(ctx, E, a=u.name)",
    "many births": "|for i in range(60):\n        yield NewEvent(ctx, M, save_entity=U, mutate=SetState(U, [('i', 'add', i)]))",
}  # fmt: skip


@pytest.mark.parametrize("history", [False, True])
@pytest.mark.parametrize("n", [3, 150])
@pytest.mark.parametrize("case", ALIKE)
def test_e2_native_makes_what_the_others_make(case, n, history, tmp_path):
    """Rows, or the error, word for word.

    Where there are many of something, sixty flows make every buffer grow that two and a half times as many do; these are
    compared with numpy's alone, whose three flows, of the same program, are those of the reference engine.
    """
    select, _, body = ALIKE[case].partition("|")
    is_large = case.startswith("many") and n > 60
    n = min(n, 60) if is_large else n
    text = HEAD.format(n=n, select=select, more="") + f"    {body}\n"
    plan = compiled(load_text(text, tmp_path), history=history)
    assert "native" in engines_for(plan)
    engines = [name for name in engines_for(plan) if not (is_large and name == "reference")]
    made = {name: tables(plan, 3, name) for name in engines}
    expected = made[engines.pop()]
    assert engines
    for name in engines:
        assert not (found := differences(made[name], expected, words=True)), (name, found)


@pytest.mark.parametrize("end", ["5.5s", "6s"])
@pytest.mark.parametrize("on_end", ["finish", "cut"])
def test_f1_starts_that_nobody_takes_are_skipped_to_the_end(on_end, end, tmp_path):
    """Also those of a step that the end cuts, when nothing else happens any more."""
    text = HEAD.format(n=7, select=", where=[('i', 'greater_than', 99)]", more=f", on_end={on_end!r}")
    plan = compiled(load_text(text.replace('"9s"', repr(end)) + "    yield NewEvent(ctx, E)\n", tmp_path))
    made = {name: tables(plan, 3, name)["skipped"].to_pylist() for name in engines_for(plan)}
    assert made["native"] == made["numpy"] == made["reference"]
    assert made["native"][0]["starts"] == 42


@pytest.mark.parametrize("more", ["", ", on_end='cut'"])
def test_r5_objects_that_nobody_names_are_let_go(more, tmp_path, monkeypatch):
    """What flows and entities still name stays what it is, however often the others go."""
    body = (
        "    mine = f'{random.random():.6f}'\n"
        "    yield SetState(U, [('s', 'is', mine), ('q', 'is', mine.upper() + u.name)])\n"
        "    yield AddDecay(ctx, rate=0.1, seconds=Uniform(0, 3))\n"
        "    yield NewEvent(ctx, E, a=mine, b=u.s)\n"
        "    yield AddDecay(ctx, seconds=Uniform(0, 3))\n"
        "    yield NewEvent(ctx, E, a=mine.lower(), b=u.q)\n"
    )
    text = HEAD.format(n=60, select="", more=more).replace('"9s"', '"8.5s"') + body
    plan = compiled(load_text(text, tmp_path))
    told = tables(plan, 3, "numpy")
    monkeypatch.setattr(old_objects, "_NEW", 8)
    monkeypatch.setattr(engine, "CHUNK", 5)
    assert not (found := differences(tables(plan, 3, "native"), told)), found
    made, binding = engine_of(plan, "native", 3)
    traces_of(made, binding)
    assert len(made.state.words.objects.all) < 2_500  # of many more
