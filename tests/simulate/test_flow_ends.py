"""How flows end: their `finally` runs there and then, and a loop that never ends is noticed."""

from __future__ import annotations

import gc

import pytest

from deep_faker.errors import FlowError, RunError, StalledFlowError
from deep_faker.simulate.columns import spins
from deep_faker.simulate.live import flows as live
from tests.support.engine_agreement import compiled, load_text, tables
from tests.support.engines import engines_for

HEAD = """
import random
from deep_faker import *

class E(BaseEvent):
    a: str = Field(default="x")

class M(BaseEvent):
    uid: str = Field(faker="shortuuid", length=8)

class U(Entity):
    source_event = M
    primary_key = "uid"
    n: int = StateField(default=3)

def spin(x):
    while x > 0:
        x += 1
    return x

sim = Simulation("3s", start_time="2024-01-01", n_flows={n}, random_seed=3, initial_entities={{U: 50}}{more})
"""


@pytest.fixture
def run(tmp_path, capsys):
    """Runs flows on every engine: by engine the tables (or the error), and what the flows printed."""

    def run(body: str, n: int = 5, more: str = ""):
        plan = compiled(load_text(HEAD.format(n=n, more=more) + body, tmp_path))
        made = {}
        gc.disable()  # nothing may wait for the collector
        try:
            for name in engines_for(plan):
                capsys.readouterr()
                made[name] = tables(plan, 3, name), capsys.readouterr().out.splitlines()
        finally:
            gc.enable()
        return made

    return run


ENDS = {
    "decayed": "yield AddDecay(ctx, rate=1.0, seconds=1)",
    "cut": "yield AddDecay(ctx, seconds=60)",
    "no entity": "yield Select(ctx, U, where=[('n', '>', 99)])\n        yield SetState(U, [('n', 'add', 1)])",
    "completed": "yield AddDecay(ctx, seconds=1)",
}


@pytest.mark.parametrize("end", ENDS)
def test_f2_finally_runs_where_the_flow_ends(end, run):
    """At the flow's clock, before anything later happens, in the same order on every engine."""
    made = run(
        f"""
@sim.flow(filter=Select(U))
def f(ctx):
    u = ctx.get_entity(U)
    print("begins", ctx.session_id, ctx.flow_clock)
    try:
        yield NewEvent(ctx, E)
        {ENDS[end]}
    finally:
        print("ends", ctx.session_id, ctx.flow_clock, u.n, random.random())
""",
        more=', on_end="cut"',
    )
    (_, said), (_, reference) = made["numpy"], made["reference"]
    assert said == reference
    begun, ended = (
        [line.split()[1] for line in said if line.startswith(word)] for word in ("begins", "ends")
    )
    assert len(begun) >= 5
    assert sorted(begun) == sorted(ended)
    assert said[0].startswith("begins")
    if end in ("decayed", "completed"):  # flows that start later begin after it
        assert said.index(next(line for line in said if line.startswith("ends"))) < len(begun)


@pytest.mark.parametrize(
    ("body", "does"),
    [
        ("yield NewEvent(ctx, E)", "yields"),
        ("picked = ctx.global_context.select_entities(Select(U))[0]", "picks an entity"),
    ],
)
def test_f2_finally_does_nothing_that_needs_a_flow(body, does, run):
    """After a decay it can neither yield nor pick; by name, at its line, on every engine."""
    made = run(f"""
@sim.flow(filter=Select(U))
def f(ctx):
    try:
        yield AddDecay(ctx, rate=1.0, seconds=1)
    finally:
        print("here")
        {body}
""")
    said = {name: error for name, (error, _) in made.items()}
    assert all(isinstance(error, FlowError) and does in str(error) for error in said.values()), said
    assert len({str(error) for error in said.values()}) == 1
    assert body.split(" ")[0] in said["reference"].diagnostic.span.text


def test_f2_an_error_in_finally_is_the_flows(run):
    """It stops the run at its line."""
    made = run("""
@sim.flow()
def f(ctx):
    try:
        yield AddDecay(ctx, rate=1.0, seconds=1)
    finally:
        print(1 // 0)
""")
    said = [error for error, _ in made.values()]
    assert all(isinstance(error, FlowError) and "ZeroDivisionError" in str(error) for error in said)
    assert len({error.diagnostic.span.line for error in said}) == 1


def test_r3_flows_in_flight_are_closed_when_the_run_fails(run):
    """In the order of their numbers, also one that the failure finds in the middle of a pick."""
    made = run("""
@sim.flow(filter=Select(U))
def f(ctx):
    number = ctx.session_id
    print("begins", number)
    try:
        yield AddDecay(ctx, seconds=1)
        picked = ctx.global_context.select_entities(Select(U))[0]
        yield AddDecay(ctx, seconds=random.choice([1, 1, -1]))
    finally:
        print("ends", number)
""")
    for error, said in made.values():
        assert isinstance(error, RunError)
        begun, ended = ([x.split()[1] for x in said if x.startswith(word)] for word in ("begins", "ends"))
        assert sorted(begun) == sorted(ended)
    assert made["numpy"][1] == made["reference"][1]


LOOPS = {
    "while": "x = random.randint(1, 3)\n    while x > 0:\n        x += 1",
    "live": "x = random.randint(1, 3)\n    while x > 0:\n        x = (lambda y: y + 1)(x)",
    "helper": "x = spin(random.randint(1, 3))",
    "nested": "x = random.randint(1, 3)\n    for i in range(3):\n        while x > i:\n            x += 1",
    "no body": "x = random.randint(1, 3)\n    while x:\n        pass",
}


@pytest.mark.parametrize("n", [3, 200])
@pytest.mark.parametrize("loop", LOOPS)
def test_t6_a_loop_that_neither_yields_nor_ends_is_noticed(loop, n, run, monkeypatch):
    """After a fixed number of turns, in the same words, at the line of the loop, on every engine."""
    for module in (live, spins):
        monkeypatch.setattr(module, "TURNS", 2_000)
    made = run(
        f"""
@sim.flow(filter=Select(U))
def f(ctx):
    yield NewEvent(ctx, E)
    {LOOPS[loop]}
    yield NewEvent(ctx, E, a=str(x))
""",
        n=n,
    )
    said = {name: error for name, (error, _) in made.items()}
    assert all(isinstance(error, StalledFlowError) for error in said.values()), said
    shown = {(e.diagnostic.title, e.diagnostic.label, e.diagnostic.span.line) for e in said.values()}
    assert len(shown) == 1, shown
    assert "while" in said["reference"].diagnostic.span.text


def test_t6_loops_that_yield_or_end_may_turn_as_often_as_they_like(run, monkeypatch):
    """Only turns without a yield count, and only those of one flow."""
    for module in (live, spins):
        monkeypatch.setattr(module, "TURNS", 50)
    made = run(
        """
@sim.flow(filter=Select(U))
def f(ctx):
    for i in range(40):
        if random.random() < 0.5:
            continue
        yield AddDecay(ctx, milliseconds=1)
        for j in range(30):
            pass
        yield SetState(U, [("n", "add", 1)])
""",
        n=200,
    )
    assert all(isinstance(result, dict) for result, _ in made.values()), made
    assert made["numpy"][0]["events/M"].equals(made["reference"][0]["events/M"])
