"""What a flow computes and the run refuses: one error class, one wording, one line, on every engine."""

from __future__ import annotations

import pytest

from deep_faker.errors import FlowError, InvalidValueError, KeySpaceError, RunError
from tests.support.engine_agreement import compiled, differences, load_text, tables
from tests.support.engines import engines_for

HEAD = """
import math, random
from datetime import date, datetime, timedelta
from typing import Literal, Optional
from deep_faker import *

class E(BaseEvent):
    a: str = Field(default="x")

class M(BaseEvent):
    uid: str = Field(faker="shortuuid", length=8)
    n: int = Field(faker="random_int", min=1, max=3)

class U(Entity):
    source_event = M
    primary_key = "uid"
    i: int = StateField(default=2**62)
    x: float = StateField(default=0.0)
    w: float = StateField(default=1.0)
    d: date = StateField(default=date(9999, 1, 1), type_=date)
    t: datetime = StateField(default=datetime(9999, 1, 1), type_=datetime)
    s: Literal["a", "b"] = StateField(default="a", type_=Literal["a", "b"])
    o: Optional[int] = StateField(default=None, type_=Optional[int])

class T(BaseEvent):
    key: str

class K(Entity):
    source_event = T
    primary_key = "key"

sim = Simulation("9s", start_time="2024-01-01", n_flows={n}, random_seed=3, initial_entities={{U: 300}})

@sim.flow(filter=Select(U{select}))
def f(ctx):
    u = ctx.get_entity(U)
    p = random.random() < 0.3
"""

WRONG = {
    # rates and waits
    "rate": (FlowError, "yield AddDecay(ctx, rate=1.5 if p else 0.5, seconds=1)"),
    "rate below": (FlowError, "yield AddDecay(ctx, seconds=1, rate=-0.25 if p else 0.5)"),
    "rate nan": (FlowError, "yield AddDecay(ctx, rate=math.nan if p else 0.5)"),
    "rate infinite": (FlowError, "yield AddDecay(ctx, rate=math.inf if p else 0.5)"),
    "rate int": (FlowError, "yield AddDecay(ctx, rate=2 if p else 0)"),

    "wait": (FlowError, "yield AddDecay(ctx, seconds=-1 if p else 1)"),
    "wait float": (FlowError, "yield AddDecay(ctx, rate=0.1, minutes=-0.5 if p else 0.5)"),
    "wait nan": (FlowError, "yield AddDecay(ctx, seconds=math.nan if p else 0.5)"),
    "wait infinite": (FlowError, "yield AddDecay(ctx, seconds=math.inf if p else 0.5)"),

    "wait of many units": (FlowError, "yield AddDecay(ctx, seconds=1, milliseconds=-3 if p else 5)"),
    "wait over lines": (FlowError, "yield AddDecay(\n        ctx,\n        rate=0.5,\n        seconds=-1 if p else 1,\n    )"),
    "wait beyond": (FlowError, "yield AddDecay(ctx, seconds=1e17 if p else 0.5)"),
    "clock beyond": (FlowError, "yield AddDecay(ctx, weeks=500_000 if p else 0)"),
    "clock beyond by many": (FlowError, "yield AddDecay(ctx, weeks=300_000 if p else 0, days=2_000_000)"),
    "clock beyond by draw": (FlowError, "yield AddDecay(ctx, seconds=LogNormal(60 if p else 0, 1))"),
    # distributions
    "mean": (FlowError, "yield AddDecay(ctx, seconds=Exponential(-1.0 if p else 1.0))"),
    "mean nan": (FlowError, "yield AddDecay(ctx, seconds=Exponential(math.nan if p else 1.0))"),
    "sd": (FlowError, "yield AddDecay(ctx, seconds=Normal(1, sd=-1 if p else 1))"),
    "sigma": (FlowError, "yield AddDecay(ctx, rate=0.1, minutes=LogNormal(0, -1 if p else 1))"),
    "uniform crossed": (FlowError, "yield AddDecay(ctx, seconds=Uniform(3, 1 if p else 4))"),
    "uniform below": (FlowError, "yield AddDecay(ctx, seconds=Uniform(-1 if p else 0, 4))"),
    "choice below": (FlowError, "yield AddDecay(ctx, seconds=Choice([1, -1 if p else 2]))"),
    "mean none": (FlowError, "yield AddDecay(ctx, seconds=Exponential(None if p else 1.0))"),
    "mean bool": (FlowError, "yield AddDecay(ctx, seconds=Exponential(p))"),
    "mean text": (FlowError, "yield AddDecay(ctx, seconds=Exponential('1' if p else 1.0))"),
    "rate none": (FlowError, "yield AddDecay(ctx, rate=None if p else 0.5)"),
    "wait none": (FlowError, "yield AddDecay(ctx, seconds=None if p else 0.5)"),
    "wait text": (FlowError, "yield AddDecay(ctx, seconds=['1', 2][0 if p else 1])"),
    "gamma": (FlowError, "yield AddDecay(ctx, seconds=Gamma(0.0 if p else 2.0, scale=1))"),
    "poisson": (FlowError, "yield AddDecay(ctx, seconds=Poisson(1e9 if p else 2.0))"),
    "pareto": (FlowError, "yield AddDecay(ctx, seconds=Pareto(0.01 if p else 2.0))"),
    # random
    "randint": (FlowError, "yield NewEvent(ctx, E, a=str(random.randint(5, 1 if p else 9)))"),
    "randrange": (FlowError, "yield NewEvent(ctx, E, a=str(random.randrange(0 if p else 9)))"),
    "step": (FlowError, "yield NewEvent(ctx, E, a=str(random.randrange(0, 9, 0 if p else 2)))"),
    "lambd": (FlowError, "yield NewEvent(ctx, E, a=str(random.expovariate(0.0 if p else 1.0)))"),
    "alpha": (FlowError, "yield NewEvent(ctx, E, a=str(random.paretovariate(0.0 if p else 1.0)))"),
    "beta": (FlowError, "yield NewEvent(ctx, E, a=str(random.weibullvariate(1, 0.0 if p else 1.0)))"),
    "gammavariate": (FlowError, "yield NewEvent(ctx, E, a=str(random.gammavariate(-1.0 if p else 1.0, 2.0)))"),
    "lognormvariate": (FlowError, "yield NewEvent(ctx, E, a=str(random.lognormvariate(1e9 if p else 1.0, 1)))"),
    "choice of none": (FlowError, "yield NewEvent(ctx, E, a=random.choice('' if p else 'ab'))"),
    "choices": (FlowError, "yield NewEvent(ctx, E, a=random.choices('ab', weights=[0, 0 if p else 1])[0])"),
    "choices nan": (FlowError, "yield NewEvent(ctx, E, a=random.choices('ab', weights=[1, math.nan if p else 1])[0])"),
    "choices infinite": (FlowError, "yield NewEvent(ctx, E, a=random.choices('ab', weights=[1, math.inf if p else 1])[0])"),
    "sample": (FlowError, "yield NewEvent(ctx, E, a=str(random.sample([1, 2], 3 if p else 1)))"),
    # Python
    "zero division": (FlowError, "yield NewEvent(ctx, E, a=str(1 // (0 if p else 1)))"),
    "overflow of a float": (FlowError, "yield NewEvent(ctx, E, a=str(math.exp(1000.0 if p else 1.0)))"),
    "index": (FlowError, "yield NewEvent(ctx, E, a=[1, 2][5 if p else 0])"),
    "date": (FlowError, "yield NewEvent(ctx, E, a=str(datetime.now() + timedelta(days=4_000_000 if p else 1)))"),
    "add": (FlowError, "yield SetState(U, [('i', 'add', 2**62 if p else 1)])"),
    "subtract": (FlowError, "yield SetState(U, [('i', 'subtract', -(2**62) if p else 1)])"),
    "multiply": (FlowError, "yield SetState(U, [('x', 'is', 1.0), ('i', 'multiply', 3 if p else 1)])"),
    "add in an event": (FlowError, "yield NewEvent(ctx, E, mutate=SetState(U, [('i', 'add', 2**62 if p else 1)]))"),
    "add to a birth": (FlowError, "yield NewEvent(ctx, M, save_entity=U, mutate=SetState(U, [('i', 'add', 2**62 if p else 1)]))"),
    "datetime added": (FlowError, "yield SetState(U, [('t', 'add', timedelta(days=400 if p else 1))])"),
    "literal": (InvalidValueError, "yield SetState(U, [('s', 'is', 'c' if p else 'b')])"),
    "negative weight": (InvalidValueError, "yield SetState(U, [('w', 'is', -1.0 if p else 1.0)])\n    yield Select(ctx, U, weight='w')"),
    "weight nan": (InvalidValueError, "yield SetState(U, [('w', 'is', math.nan if p else 1.0)])\n    yield Select(ctx, U, weight='w')"),
    "weight infinite": (InvalidValueError, "yield SetState(U, [('w', 'multiply', math.inf if p else 1.0)])\n    yield Select(ctx, U, weight='w', shared=True)"),
    "key": (KeySpaceError, "yield NewEvent(ctx, T, key='same' if p else u.uid, save_entity=K)"),
    "where literal": (InvalidValueError, "yield Select(ctx, U, where=[('s', 'is', 'zz' if p else 'b')])"),
    "where key": (InvalidValueError, "yield Select(ctx, U, where=[('uid', 'is', [5, u.uid][0 if p else 1])])"),
    "add_entity": (FlowError, "e = ctx.global_context.get_random_available_entity(U)\n    yield Select(ctx, U)\n    ctx.add_entity(U, e)\n    yield NewEvent(ctx, E)"),
    # two kinds at once: the first in time stops the run
    "two": (FlowError, "yield AddDecay(ctx, milliseconds=random.randint(0, 300))\n    if p:\n        yield AddDecay(ctx, rate=2 * random.random() + 1)\n    if random.random() < 0.1:\n        yield AddDecay(ctx, seconds=random.randint(-9, -1))\n    yield NewEvent(ctx, E, a=str(1 // random.randint(0, 9)))"),
    "after changes": (FlowError, "yield NewEvent(ctx, E, mutate=SetState(U, [('i', 'add', 2**61), ('x', 'add', 1.5)]))\n    yield NewEvent(ctx, E, a=str(1 // random.randint(0, 9)))"),
}  # fmt: skip


def _errors(body: str, n: int, folder, select: str = ""):
    plan = compiled(load_text(HEAD.format(n=n, select=select) + f"    {body}\n", folder))
    return {name: tables(plan, 3, name) for name in engines_for(plan)}


@pytest.mark.parametrize("n", [4, 200])
@pytest.mark.parametrize("case", WRONG)
def test_v1_wrong_values_are_refused_alike(case, n, tmp_path):
    """Class, title, place, label and help are the same, whichever engine meets the value."""
    kind, body = WRONG[case]
    made = _errors(body, n, tmp_path)
    said = made["reference"]
    assert isinstance(said, RunError), said
    assert type(said) is kind
    for engine, error in made.items():
        assert type(error) is kind, (engine, error)
        a, b = error.diagnostic, said.diagnostic
        assert (a.title, a.label, a.help) == (b.title, b.label, b.help), engine
        assert (a.span and a.span.line) == (b.span and b.span.line), engine


@pytest.mark.parametrize("value", ["math.nan", "math.inf", "-math.inf"])
@pytest.mark.parametrize(
    "where", ["('x', 'in', [{v}, 5.0])", "('x', 'is', {v})", "('x', '<', {v})", "('i', '<', {v})"]
)
def test_s1_nan_and_infinity_in_where(value, where, tmp_path):
    """They compare as Python's own do, on every engine; nan is equal to nothing, itself included."""
    body = (
        f"yield SetState(U, [('x', 'is', {value})])\n    yield AddDecay(ctx, seconds=2)\n"
        f"    yield Select(ctx, U, where=[{where.format(v=value)}], shared=True)\n"
        "    yield NewEvent(ctx, E, a=str(ctx.get_entity(U) is None))"
    )
    made = _errors(body, 200, tmp_path)
    for engine, result in made.items():
        assert not (found := differences(result, made["reference"])), (engine, found)
