"""F11: a weighted choice of a flow, `ctx.choose`."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from scipy import stats

from deep_faker import BaseEvent, Entity, NewEvent, Select, Simulation, StateField
from deep_faker.declare.context import FlowContext
from deep_faker.draws.race import chosen1, label_key
from deep_faker.errors import DeepFakerError
from tests.support.engine_agreement import compiled, differences, load_text, tables
from tests.support.engines import engines_for

MODULE = """
import enum, random
from deep_faker import *

class Kind(enum.Enum):
    A = 1
    B = 2

class Joined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)

class Said(BaseEvent):
    user_id: str
    what: str
    n: int = 0

class User(Entity):
    source_event = Joined
    primary_key = "user_id"
    mood: float = StateField(draw=Gamma(2, 0.5))
    count: int = StateField(default=0)

ODDS = {{"one": 1, "two": 0.5, "three": True, "never": 0}}
sim = Simulation("2m", start_time="2024-01-01", n_flows=20, random_seed=5, initial_entities={{User: 30}})

@sim.flow(filter=Select(User))
def visit(ctx):
    user = ctx.get_entity(User)
    {first}
    while True:
        what = ctx.choose({{"browse": 3, "buy": user.mood, "leave": {weight}}})
        match what:
            case "browse":
                yield NewEvent(ctx, Said, what=what, mutate=SetState(User, [("count", "add", 1)]))
            case "buy":
                n = ctx.choose({{1: 0.0, 2: -1.0, 3: user.mood}}, softmax=True)
                yield NewEvent(ctx, Said, what=ctx.choose(ODDS), n=n)
            case _:
                return
        if ctx.choose({{Kind.A: 1, Kind.B: 1}}) is Kind.A:
            yield AddDecay(ctx, seconds=ctx.choose({{1: 1, 4: 1}}))
        yield AddDecay(ctx, seconds=random.random())
"""
LIVE = "kept = [user for _ in [0]]"


@pytest.mark.parametrize("first", ["pass", LIVE])
@pytest.mark.parametrize("weight", ["1", "user.count * 0.2", "1 - user.count", "0 * user.count - 1"])
def test_e2_choices_are_the_same_on_every_engine(first, weight, tmp_path):
    """Compiled and as generators, and where a weight is wrong the run stops alike."""
    sim = load_text(MODULE.format(first=first, weight=weight), tmp_path)
    plan = compiled(sim)
    assert (plan.flows[0].live is None) == (first == "pass")
    made = {name: tables(plan, 5, name) for name in engines_for(plan)}
    for name, result in made.items():
        assert differences(result, made["reference"], words=True) == [], name
    stopped = isinstance(made["reference"], DeepFakerError)
    assert stopped == ("-" in weight)
    if stopped:
        assert "the weight of 'leave' is -" in str(made["reference"])


class Chose(BaseEvent):
    what: str


def choices(make, flows=4000) -> list[str]:
    """What so many flows of one choice chose, flow by flow."""
    sim = Simulation(
        "1s", start_time="2024-01-01", random_seed=3, n_flows=flows, initial_entities={}, time_step="1s"
    )

    @sim.flow()
    def once(ctx):
        yield NewEvent(ctx, Chose, what=make(ctx))

    assert "row by row: 0" in sim.explain()
    said = sim.collect()["Chose"].sort("sys__sid")["what"].to_list()
    assert len(said) == flows
    return said


def test_f11_choices_follow_their_weights():
    """Weights in proportion; softmax in proportion to the exponentials."""
    said = Counter(choices(lambda ctx: ctx.choose({"a": 5, "b": 3, "c": 2, "d": 0})))
    assert "d" not in said
    assert stats.chisquare([said[x] for x in "abc"], [2000, 1200, 800]).pvalue > 0.001
    soft = Counter(choices(lambda ctx: ctx.choose({"a": 1000.0, "b": 1001.0}, softmax=True)))
    assert stats.chisquare([soft["a"], soft["b"]], [4000 * 0.26894142, 4000 * 0.73105858]).pvalue > 0.001


def moves(before, after) -> set[tuple[str, str]]:
    return {(a, b) for a, b in zip(before, after, strict=True) if a != b}


def test_f11_a_weight_moves_only_what_must_move():
    """More weight only wins choices, an option more only takes some; one uniform number would not do."""
    plain = choices(lambda ctx: ctx.choose({"a": 1, "b": 1, "c": 1}))
    heavy = choices(lambda ctx: ctx.choose({"a": 1, "b": 1, "c": 1.5}))
    assert moves(plain, heavy) == {("a", "c"), ("b", "c")}
    more = choices(lambda ctx: ctx.choose({"d": 0.5, "c": 1, "b": 1, "a": 1}))
    assert moves(plain, more) == {("a", "d"), ("b", "d"), ("c", "d")}
    one = choices(lambda _: random.choices("abc", [1, 1, 1])[0])
    other = choices(lambda _: random.choices("abc", [1, 1, 1.5])[0])
    assert not all(b == "c" for _, b in moves(one, other))


def test_f11_labels_are_keyed_by_what_they_say():
    """As the keys of a dict are: 1, 1.0 and True are one; text is none of them."""
    assert label_key(1) == label_key(1.0) == label_key(True) != label_key("1")
    assert label_key(None) != label_key("None")
    with pytest.raises(TypeError, match="is a list"):
        label_key([1])
    with pytest.raises(ValueError, match="all weights are 0"):
        chosen1(1, {})


class Person(Entity):
    primary_key = "person_id"
    mood: float = StateField(default=1.0)


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (lambda ctx: ctx.choose({}), "nothing to choose from"),
        (lambda ctx: ctx.choose({"a": -1}), "the weight of 'a' is -1"),
        (lambda ctx: ctx.choose({"a": "much"}), "is 'much', which is no number"),
        (lambda ctx: ctx.choose({"a": float("nan")}), "the weight of 'a' is nan"),
        (lambda ctx: ctx.choose({"a": 0, "b": 0.0}), "all weights are 0"),
        (lambda ctx: ctx.choose({"a": float("inf")}, softmax=True), "the utility of 'a' is inf"),
        (lambda ctx: ctx.choose({"a": 1}, soft=True), "choose has no 'soft'"),
        (lambda ctx: ctx.choose(["a", "b"]), "choose takes a mapping"),
        (lambda ctx: ctx.choose({b"a": 1, b"b": 1}), "b'a' is a bytes"),
    ],
)
def test_f11_what_is_no_choice_is_refused_at_declaration(choice, said):
    """With the line, and what to write."""
    sim = Simulation("1s", start_time="2024-01-01", initial_entities={Person: 1})

    @sim.flow(filter=Select(Person))
    def once(ctx: FlowContext):
        yield NewEvent(ctx, Chose, what=str(choice(ctx)))

    with pytest.raises(DeepFakerError, match=r"test_choose\.py") as caught:
        sim.explain()
    assert said in str(caught.value)
