"""F13: a selection of several different entities, and what flows do with the list."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import pytest
from scipy import stats

from deep_faker import BaseEvent, Entity, NewEvent, Select, Simulation, StateField
from deep_faker.errors import DeepFakerError
from deep_faker.simulate.apart import place_apart, weighted_apart
from deep_faker.simulate.weights import place_of
from tests.support.checkpoint_runs import first_half, second_half, whole
from tests.support.engine_agreement import compiled, differences, load_text, tables
from tests.support.engines import SAVING, engines_for

MODULE = """
import random
from deep_faker import *

class Added(BaseEvent):
    product_id: str = Field(faker="bothify", text="P-####")

class Viewed(BaseEvent):
    product_id: str
    rank: int

class Basket(BaseEvent):
    first: str
    n: int
    other: str = ""

class Product(Entity):
    source_event = Added
    primary_key = "product_id"
    pop: float = StateField(draw=Pareto(0.5))
    views: int = StateField(default=0)
    gone: bool = StateField(default=False)

sim = Simulation("40s", start_time="2024-01-01", random_seed=4, n_flows=12, initial_entities={{Product: 7}})

@sim.flow()
def visit(ctx):
    {first}
    products = yield Select(ctx, Product, n=4, shared=True, weight="pop")
    rank = 0
    for product in products:
        rank += 1
        yield NewEvent(ctx, Viewed, rank=rank, mutate=SetState(Product, [("views", "add", 1)]))
        if product.views > 40:
            break
    else:
        yield AddDecay(ctx, seconds=0.5)
    yield NewEvent(ctx, Basket, first=products[0].product_id, n=len(products),
                   other=ctx.get_entity(Product).product_id)
    yield AddDecay(ctx, seconds=random.random())
    few = yield Select(ctx, Product, where=[("gone", "is", False)], n=6, shared=True)
    if few:
        yield NewEvent(ctx, Basket, first=few[0].product_id, n=len(few), other=ctx.get_entity(Product).product_id)
        yield SetState(Product, [("gone", "is", random.random() < 0.1)])
    yield NewEvent(ctx, Basket, first=few[2].product_id, n=len(few))
    yield AddDecay(ctx, seconds=1)
"""


@pytest.mark.parametrize("first", ["pass", "class Inner: pass"])
def test_e2_lists_are_the_same_on_every_engine(first, tmp_path):
    """Compiled and as generators; fewer than n where there are no more, and the flow ends for one that is not there."""
    plan = compiled(load_text(MODULE.format(first=first), tmp_path))
    assert (plan.flows[0].live is None) == (first == "pass")
    made = {name: tables(plan, 4, name) for name in engines_for(plan)}
    for name, result in made.items():
        assert differences(result, made["reference"], words=True) == [], name
    baskets = made["reference"]["events/Basket"].to_pylist()
    assert len({basket["n"] for basket in baskets}) > 2
    assert {*made["reference"]["sessions"]["outcome"].to_pylist()} >= {"completed", "no_entity"}
    by_flow: dict[str, list[str]] = {}
    for view in made["reference"]["events/Viewed"].to_pylist():
        by_flow.setdefault(view["sys__sid"], []).append(view["product_id"])
    assert all(len(set(viewed)) == len(viewed) for viewed in by_flow.values())
    assert max(map(len, by_flow.values())) == 4


@pytest.mark.parametrize("name", SAVING)
def test_r4_a_list_is_saved_and_goes_on_under_another_engine(name, tmp_path):
    """It is in the locals of flows that wait."""
    path = tmp_path / "lists.py"
    text = MODULE.format(first="pass").replace(
        "    yield NewEvent(ctx, Basket, first=few[2]",
        "    yield AddDecay(ctx, seconds=3)\n    yield NewEvent(ctx, Basket, first=few[2]",
    )
    path.write_text(text)
    plan = compiled(load_text(text, tmp_path))
    told = whole(plan, name)
    first_half(str(path), name, 17, tmp_path / "half")
    for other in SAVING:
        assert second_half(plan, other, tmp_path / "half") == told, other


class Saw(BaseEvent):
    names: str


class Room(Entity):
    primary_key = "room_id"
    size: int = StateField(default=1)


def test_f13_every_list_is_as_likely():
    """All orders of three of four; with weights as drawing without replacement."""
    sim = Simulation("1s", start_time="2024-01-01", n_flows=4800, random_seed=1, initial_entities={Room: 4})

    @sim.flow()
    def look(ctx):
        a = yield Select(ctx, Room, n=3, shared=True)
        yield NewEvent(ctx, Saw, names=f"{a[0].room_id} {a[1].room_id} {a[2].room_id}")

    ds = sim.collect()
    counts = Counter(ds["Saw"]["names"])
    rooms = ds.entities[Room]["room_id"].to_list()
    observed = [counts[" ".join(three)] for three in permutations(rooms, 3)]
    assert sum(observed) == 4800
    assert stats.chisquare(observed).pvalue > 0.001
    weights = [1.0, 2.0, 5.0]
    pairs = Counter()
    for u in range(1 << 50, 1 << 64, (1 << 64) // 6000):
        one = place_of(weights, u / 2**64)
        draw = (u * 0x9E3779B97F4A7C15) % 2**64
        two = weighted_apart(lambda d: place_of(weights, d / 2**64), [one], [0, 1, 2], lambda: weights, draw)
        pairs[one, two] += 1
    expected = {(a, b): weights[a] / 8 * weights[b] / (8 - weights[a]) for a, b in permutations(range(3), 2)}
    assert set(pairs) == set(expected)
    total = sum(pairs.values())
    assert (
        stats.chisquare([pairs[p] for p in expected], [total * e for e in expected.values()]).pvalue > 0.001
    )


def test_f13_one_that_weighs_nearly_all_leaves_the_rest():
    """Drawing again would not find them: the sums of the rest do; without any weight left there is none."""
    weights = [1e15, 1.0, 0.0, 3.0]

    def drawn(d: int) -> int:
        return place_of(weights, d / 2**64)

    found = {weighted_apart(drawn, [0], range(4), lambda: weights, u << 54) for u in range(1024)}
    assert found == {1, 3}
    assert weighted_apart(drawn, [0, 1, 3], range(4), lambda: weights, 9) == -1
    assert {place_apart(5, [4, 0, 2], u << 60) for u in range(16)} == {1, 3}


def test_what_is_no_list_is_refused():
    """At declaration, with the mend."""
    for arguments in ({"n": 0}, {"n": 33, "shared": True}, {"n": "3"}, {"n": True}):
        with pytest.raises(DeepFakerError, match="whole number from 1 to 32"):
            Select(Room, **arguments)
    for arguments in ({"n": 3}, {"n": 3, "shared": True, "wait": "1s"}):
        with pytest.raises(DeepFakerError, match="a list is shared"):
            Select(Room, **arguments)
    with pytest.raises(DeepFakerError, match="a filter gives one entity"):
        Simulation().flow(filter=Select(Room, n=2, shared=True))(lambda ctx: None)
    sim = Simulation("1s", start_time="2024-01-01", initial_entities={Room: 1})

    @sim.flow()
    def look(ctx):
        rooms = yield Select(ctx, Room, n=2, shared=True)
        yield NewEvent(ctx, Saw, names=rooms[2].room_id)

    with pytest.raises(DeepFakerError, match="an entity that is never there"):
        sim.explain()


def test_it_stands_in_explain(tmp_path):
    """How many, and that nothing of it is left to Python."""
    text = " ".join(load_text(MODULE.format(first="pass"), tmp_path).explain().split())
    assert "select Product, shared, in proportion to pop, a list of 4" in text
    assert "another one" in text
    assert "escapes: 0" in text
