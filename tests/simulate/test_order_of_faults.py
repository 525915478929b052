"""Where two things go wrong in one statement, the one that Python comes to first is what happens, on every engine.

Each world has a flow with one statement, a place of which is filled with two parts: expressions that raise, read an
entity that is not there (which ends the flow without an error), or call what does.
"""

from __future__ import annotations

import itertools
import random

import pytest

from deep_faker.errors import DeepFakerError
from tests.support.engine_agreement import compiled, differences, load_text, tables
from tests.support.engines import engines_for

WORLD = """
import math, random
from datetime import datetime, timedelta
from typing import Literal
from pydantic import field_validator
from deep_faker import *

class M(BaseEvent):
    uid: str = Field(faker="shortuuid", length=8)
    n: int = 3

class U(Entity):
    source_event = M
    primary_key = "uid"
    n: int = StateField(default=2)
    x: float = StateField(default=1.0)
    mood: Literal["calm", "glad"] = StateField(default="calm")

class N(BaseEvent):
    vid: str = Field(faker="shortuuid", length=8)

class V(Entity):
    source_event = N
    primary_key = "vid"
    n: int = StateField(default=2)

class W(Entity):
    primary_key = "wid"
    n: int = StateField(default=2)

class E(BaseEvent):
    a: int = 0
    b: float = 0.0
    s: str = ""

class K(BaseEvent):
    vid: str
    a: int = 0
    b: float = 0.0

def one(value):
    return value

def fails(value):
    if value == 0:
        raise KeyError("helper")
    return value

sim = Simulation("3s", start_time="2024-01-01", n_flows=3, random_seed=3, initial_entities={U: 30, V: 0, W: 0})

@sim.flow(filter=Select(U))
def f(ctx):
    u = ctx.get_entity(U)
    yield Select(ctx, V)
    v = ctx.get_entity(V)
    yield Select(ctx, W)
    w = ctx.get_entity(W)
    z = int(random.random())
    t = f"x{z}"
    yield NewEvent(ctx, E, a=z)
    STATEMENT
    yield NewEvent(ctx, E, a=1)
"""

# what goes wrong, as a number where it did not; the same in one piece with its draw or read
PARTS = (
    "(1 // z)", "int(t)", "v.n", "random.gammavariate(z, 1.0)", "[1, 2][z + 5]", "fails(z)", "math.sqrt(z - 1)",
    "(datetime.now() + timedelta(days=z + 10**9)).day", "{'k': 1}[t]", "w.n", "len(u.mood[z - 9:][9])",
    "random.randint(5, z)", "(z + 2**62) * 4 // (v.n - 1)",
)  # fmt: skip
PLACES = {
    "operator": "q = ({A}) + ({B})",
    "comparison": "q = ({A}) < ({B})",
    "list": "q = [{A}, {B}]",
    "set": "q = len({{{A}, {B}}})",
    "dict": "q = {{{A}: {B}}}",
    "text": 'q = f"""{{ {A} }} {{ {B} }}"""',
    "item": "q = [4, {A}][{B}]",
    "index": "q = [4, 5][{A}:{B}]",
    "method": "q = str({A}).replace('a', str({B}))",
    "arguments": "q = max({A}, {B})",
    "helper": "q = one({A}) * one({B})",
    "sum of three": "q = ({A}) * 2 + z + ({B})",
    "both arms": "q = ({A}) if ({B}) > 0 else 3",
    "and": "q = ({A}) > 0 and ({B}) > 0",
    "in": "q = ({A}) in [1, {B}]",
    "round": "q = round({A}, {B})",
    "unpacked": "q, r = {A}, {B}",
    "fields": "yield NewEvent(ctx, E, a={A}, b={B})",
    "fields the other way": "yield NewEvent(ctx, E, b={A}, a={B})",
    "field and change": "yield NewEvent(ctx, E, a={A}, mutate=SetState(U, [('n', 'is', {B})]))",
    "changes": "yield SetState(U, [('n', 'is', {A}), ('x', 'is', {B})])",
    "changes with an event": "yield NewEvent(ctx, E, mutate=SetState(U, [('n', 'is', {A}), ('x', 'is', {B})]))",
    "key and change": "yield NewEvent(ctx, K, mutate=SetState(U, [('n', 'is', {A}), ('x', 'is', {B})]))",
    "key and field": "yield NewEvent(ctx, K, b={A}, a={B}, mutate=SetState(U, [('n', 'is', 5)]))",
    "change of nothing": "yield NewEvent(ctx, E, mutate=[SetState(V, [('n', 'is', {A})]), SetState(U, [('n', 'is', {B})])])",
    "conditions": "yield Select(ctx, U, where=[('n', 'is', {A}), ('x', 'is', {B})])",
    "birth": "yield NewEvent(ctx, M, n={A}, save_entity=U, mutate=SetState(U, [('n', 'is', {B})]))",
    "rate and wait": "yield AddDecay(ctx, rate={A}, seconds={B})",
    "wait and rate": "yield AddDecay(ctx, seconds={A}, rate={B})",
    "waits": "yield AddDecay(ctx, seconds={A}, minutes={B})",
    "wait of a distribution": "yield AddDecay(ctx, seconds=Exponential({A}), rate={B})",
    "parameters": "yield AddDecay(ctx, rate=0.1, seconds=Uniform({A}, {B}))",
    "distributions": "yield AddDecay(ctx, rate=0.1, seconds=Normal({A}, 2), minutes=Exponential({B}))",
}  # fmt: skip
# numbers that only the action itself refuses
WRONG = ("z - 1", "z + 3", "1e17 + z", "math.nan * (z + 1)", "math.inf * (z + 1)", "str(z)", "(z or None)")
ACTIONS = {
    "rate and wait": "yield AddDecay(ctx, rate={A}, seconds={B})",
    "wait and rate": "yield AddDecay(ctx, seconds={A}, rate={B})",
    "two waits": "yield AddDecay(ctx, minutes={A}, seconds={B})",
    "rate and distribution": "yield AddDecay(ctx, rate={A}, seconds=Exponential({B}))",
    "wait and distribution": "yield AddDecay(ctx, seconds={A}, minutes=Exponential({B}))",
    "parameters and rate": "yield AddDecay(ctx, seconds=Uniform({A}, 4), rate={B})",
    "choice and rate": "yield AddDecay(ctx, seconds=Choice([1, {A}]), rate={B})",
    "two distributions": "yield AddDecay(ctx, rate=0.5, seconds=Normal(1, sd={A}), minutes=Gamma({B}, scale=2))",
    "too long and rate": "yield AddDecay(ctx, days=1e6 + z, seconds={A}, rate={B})",
    "field and change": "yield NewEvent(ctx, E, a={A}, mutate=SetState(U, [('n', 'is', {B})]))",
    "key, field and change": "yield NewEvent(ctx, K, a={A}, mutate=SetState(U, [('n', 'is', {B})]))",
    "change of nothing": "yield NewEvent(ctx, E, mutate=[SetState(V, [('n', 'is', {A})]), SetState(U, [('n', 'is', {B})])])",
    "birth": "yield NewEvent(ctx, M, n={A}, save_entity=U, mutate=SetState(U, [('mood', 'is', {B})]))",
}  # fmt: skip
PAIRS = list(itertools.permutations(PARTS, 2))
FEW = 4


def disagreement(statement: str, folder) -> str:
    text = WORLD.replace("STATEMENT", statement)
    try:
        plan = compiled(load_text(text, folder))
    except DeepFakerError as error:  # a constant, or a type, says it before any run does
        return "" if error.diagnostic.span is not None else str(error)
    made = {name: tables(plan, 3, name) for name in engines_for(plan)}
    for name, result in made.items():
        if found := differences(result, made["reference"], words=True):
            return "\n".join([f"{statement}: {name} and reference", *found])
    return ""


@pytest.mark.parametrize("place", PLACES)
def test_e2_what_python_comes_to_first_happens(place, tmp_path):
    """Of two expressions in one statement: an error, or the end of a flow without an entity (S5)."""
    for one, other in random.Random(place).sample(PAIRS, FEW):
        assert not (found := disagreement(PLACES[place].format(A=one, B=other), tmp_path)), found


@pytest.mark.parametrize("place", ACTIONS)
def test_e2_what_an_action_refuses_first_is_refused(place, tmp_path):
    """Of two values that are wrong: distributions, then the rate, then the waits; keys before changes."""
    for one, other in random.Random(place).sample([*itertools.product(WRONG, WRONG)], FEW):
        assert not (found := disagreement(ACTIONS[place].format(A=one, B=other), tmp_path)), found
