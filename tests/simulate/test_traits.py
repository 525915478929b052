"""N11: what is drawn for an entity at its birth, and no event shows."""

from __future__ import annotations

import random
import re
from collections import Counter

import polars as pl
import pytest
from scipy import stats

from deep_faker import (
    BaseEvent,
    Beta,
    Choice,
    Dataset,
    Entity,
    Field,
    Gamma,
    NewEvent,
    Normal,
    Select,
    Simulation,
    StateField,
    Uniform,
)
from deep_faker.declare.schema import event_spec
from deep_faker.errors import DeclarationError, InvalidValueError
from tests.support.engine_agreement import compiled, differences, load_text, tables
from tests.support.engines import engines_for

MODULE = """
import pydantic
from deep_faker import *

class Joined(BaseEvent):
    user_id: str = Field(faker="{key}"{text})
    name: str = Field(faker="name")
{validator}

class Seen(BaseEvent):
    user_id: str
    said: str

class User(Entity):
    source_event = Joined
    primary_key = "user_id"
{traits}
    visits: int = StateField(default=0)

class Shadow(Entity):
    source_event = Joined
    primary_key = "user_id"
    weight: float = StateField(draw=Uniform(0, 9))

sim = Simulation("20m", start_time="2024-01-01", n_flows=15, time_step="5s", random_seed=3,
                 initial_entities={{User: 40}})

@sim.flow(filter=Select(User, where=[{where}]))
def visit(ctx):
    user = ctx.get_entity(User)
    yield NewEvent(ctx, Seen, said=f"{read}", mutate=SetState(User, [("visits", "add", 1){change}]))
    yield AddDecay(ctx, rate=0.1, seconds=20)
    yield NewEvent(ctx, Seen, said=f"{read}")

@sim.flow(initiation_weight=0.3)
def join(ctx):
    {live}
    yield NewEvent(ctx, Joined, save_entity={saved})
    user = ctx.get_entity(User)
    yield AddDecay(ctx, seconds=3)
    yield NewEvent(ctx, Seen, said=f"{read}")
"""
LIVE = "exec('pass')"
WHOLE = """
    @pydantic.model_validator(mode="after")
    def _upper(self):
        self.name = self.name.upper()
        return self
"""
TRAITS = {
    "activity": ("float", "Gamma(2, 0.5), digits=3", ("activity", "greater_than", 0.5)),
    "patience": ("int", "LogNormal(3, 0.5)", ("patience", "<", 25)),
    "friends": ("int", "Poisson(4)", ("friends", ">=", 2)),
    "segment": (
        "str",
        'Choice(["walker", "runner", "rider"], weights=[3, 1, 0])',
        ("segment", "is", "runner"),
    ),
    "plan": ("str | None", 'Choice(["free", None])', ("plan", "is", "free")),
    "bias": ("float", "Normal(0, 1)", ("bias", ">", -0.5)),
    "skill": ("float", "Beta(2, 5)", ("skill", ">", 0.1)),
}


def program(rng: random.Random) -> str:
    chosen = rng.sample(sorted(TRAITS), rng.randint(1, 4))
    lines = [f"    {n}: {TRAITS[n][0]} = StateField(draw={TRAITS[n][1]})" for n in chosen]
    where = repr(TRAITS[chosen[0]][2]) if rng.random() < 0.6 else ""
    reads = [n for n in chosen if rng.random() < 0.7]
    numeric = [n for n in chosen if TRAITS[n][0] in ("int", "float")]
    change = f', ("{numeric[0]}", "add", 1)' if numeric and rng.random() < 0.4 else ""
    key = rng.choice(["shortuuid", "bothify"])
    return MODULE.format(
        key=key,
        text=', text="??-#####"' if key == "bothify" else "",
        traits="\n".join(lines),
        validator=rng.choice(["", "", WHOLE]),
        where=where,
        read=" ".join(f"{{user.{n}}}" for n in reads) or "-",
        change=change,
        live=rng.choice(["pass", "pass", LIVE]),
        saved="User",
    )


@pytest.mark.parametrize("number", range(12))
def test_e2_every_engine_draws_the_same_traits(tmp_path, number):
    text = program(random.Random(number))
    for history in (False, True):
        plan = compiled(load_text(text, tmp_path), history=history)
        results = {engine: tables(plan, number, engine) for engine in engines_for(plan)}
        reference = results["reference"]
        assert not isinstance(reference, Exception), f"{reference}\n{text}"
        for engine, result in results.items():
            assert differences(reference, result) == [], f"{engine}\n{text}"


class Came(BaseEvent):
    visitor_id: str = Field(faker="shortuuid", length=10)
    name: str = Field(faker="name")


class Visitor(Entity):
    source_event = Came
    primary_key = "visitor_id"
    activity: float = StateField(draw=Gamma(2, 0.5))
    length: int = StateField(draw=Normal(170, 8))
    segment: str = StateField(draw=Choice(["walker", "runner"], weights=[3, 1]))


def came(seed: int = 1, count: int = 20_000) -> Simulation:
    sim = Simulation("10s", start_time="2024-01-01", random_seed=seed, initial_entities={Visitor: count})

    @sim.flow(filter=Select(Visitor))
    def nothing(ctx):
        yield NewEvent(ctx, Came, save_entity=Visitor)

    return sim


def test_traits_have_their_distributions_and_none_hangs_on_another(tmp_path):
    """Of the right distribution a p below 1e-6 comes once in a million seeds; this seed is fixed."""
    came().run(tmp_path / "out", progress=False)
    people = Dataset.open(tmp_path / "out").entities["Visitor"]
    activity, length = people["activity"].to_numpy(), people["length"].to_numpy()
    assert stats.kstest(activity, "gamma", (2, 0, 0.5)).pvalue > 1e-6
    assert stats.kstest(activity, "gamma", (2.2, 0, 0.5)).pvalue < 1e-6  # the power of it
    assert abs(stats.spearmanr(activity, length).statistic) < 5 / len(people) ** 0.5
    assert abs(length.mean() - 170) < 5 * 8 / len(people) ** 0.5
    runners = Counter(people["segment"])["runner"]
    assert stats.binomtest(runners, len(people), 0.25).pvalue > 1e-6


SHAPES = {"a": Gamma(0.3), "b": Gamma(1.0, 7), "c": Gamma(80, 0.01), "d": Beta(0.5, 0.5), "e": Beta(40, 3)}


def test_e2_gammas_and_betas_are_the_kernels_bit_for_bit():
    """Values that take draws until one fits, read as flows run: 4,000 births."""
    kinds = {name: StateField(draw=draw) for name, draw in SHAPES.items()}
    body = {
        "__annotations__": dict.fromkeys(SHAPES, float),
        "source_event": Came,
        "primary_key": "visitor_id",
    }
    kind = type("Shaped", (Entity,), {**body, **kinds})
    sim = Simulation("400s", start_time="2024-01-01", random_seed=5, n_flows=10, time_step="1s")

    @sim.flow()
    def come(ctx):
        yield NewEvent(ctx, Came, save_entity=kind)
        who = ctx.get_entity(kind)
        if who.a + who.b + who.c + who.d + who.e > 1e9:
            yield NewEvent(ctx, Came)

    plan = compiled(sim, history=False)
    results = {engine: tables(plan, 1, engine) for engine in engines_for(plan)}
    assert results["reference"]["entities/Shaped"].num_rows == 4000
    for result in results.values():
        assert differences(results["reference"], result) == []
    assert re.search(r"escapes: 0$", sim.explain(), re.MULTILINE) or "native" not in results


def test_no_event_has_them_and_nothing_else_changes(tmp_path):
    """An entity's traits are in none of its events; with and without them the other values are the same."""
    sim = came(count=50)
    sim.run(tmp_path / "with", progress=False)
    assert Dataset.open(tmp_path / "with")["Came"].columns[5:] == ["visitor_id", "name"]
    assert not any("trait" in name for name in Came.model_fields)
    assert "drawn at birth: Gamma(shape=2, scale=0.5)" in sim.explain()
    assert "trait__" not in sim.explain()

    class Plain(Entity):
        source_event = Came
        primary_key = "visitor_id"

    other = Simulation("10s", start_time="2024-01-01", random_seed=1, initial_entities={Plain: 50})

    @other.flow(filter=Select(Plain))
    def nothing(ctx):
        yield NewEvent(ctx, Came, save_entity=Plain)

    other.run(tmp_path / "without", progress=False)
    one, two = (Dataset.open(tmp_path / name)["Came"] for name in ("with", "without"))
    assert one.select("sys__eid", "visitor_id", "name").equals(two.select("sys__eid", "visitor_id", "name"))


def test_they_are_inherited_and_a_class_that_is_declared_again_takes_its_place():
    class Base(Entity):
        mood: float = StateField(draw=Uniform(0, 1))

    class Arrived(BaseEvent):
        guest_id: str = Field(faker="shortuuid", length=8)

    def declare(spread):
        class Guest(Base):
            source_event = Arrived
            primary_key = "guest_id"
            noise: float = StateField(draw=Normal(0, spread))

        return Guest

    declare(1)
    guest = declare(7)
    traits = event_spec(Arrived).traits
    assert [trait.name for trait in traits] == ["trait__Guest__mood", "trait__Guest__noise"]
    assert "sd=7" in str(traits[1].generator)
    sim = Simulation("10s", start_time="2024-01-01", random_seed=1, initial_entities={guest: 300})

    @sim.flow(filter=Select(guest))
    def nothing(ctx):
        yield NewEvent(ctx, Arrived)

    assert "sd=7" in sim.explain()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"draw": Gamma(2, 1), "default": 1}, r"two first values\n.*draw=Gamma.* or with default"),
        ({"draw": Gamma(2, 1), "from_field": "name"}, r"two first values\n.*draw=Gamma.* or with from_field"),
        ({"draw": 3.5}, r"no distribution\n.*draw=3.5"),
        ({"draw": "gamma"}, r"no distribution"),
        ({"digits": 2}, r"digits= without draw="),
        ({"draw": Gamma(2, 1), "digits": 99}, r"wrong digits"),
    ],
)
def test_wrong_traits_are_refused(arguments, said):
    with pytest.raises(DeclarationError, match=said.replace(r"\n.*", r"(.|\n)*")):
        StateField(**arguments)


def test_a_trait_needs_a_birth():
    with pytest.raises(DeclarationError, match="draw without a source_event"):

        class Machine(Entity):
            source_event = None
            primary_key = "machine_id"
            wear: float = StateField(draw=Beta(2, 5))


def test_a_trait_of_another_type_is_refused_by_name():
    class Opened(BaseEvent):
        shop_id: str = Field(faker="shortuuid", length=8)

    class Shop(Entity):
        source_event = Opened
        primary_key = "shop_id"
        size: int = StateField(draw=Choice(["small", "large"]))

    sim = Simulation("10s", start_time="2024-01-01", random_seed=1, initial_entities={Shop: 3})

    @sim.flow(filter=Select(Shop, where=[("size", ">", 1)]))
    def nothing(ctx):
        yield NewEvent(ctx, Opened, save_entity=Shop)

    with pytest.raises((DeclarationError, InvalidValueError), match=r"Shop\.size"):
        sim.collect()


def test_readable_by_polars(tmp_path):
    came(count=30).run(tmp_path / "out", progress=False)
    frame = pl.read_parquet(tmp_path / "out" / "entities" / "Visitor" / "*.parquet")
    assert frame.schema["activity"] == pl.Float64
    assert frame.schema["length"] == pl.Int64
