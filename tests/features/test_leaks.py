"""Leaks of 20 random worlds: a model on the frame never beats the oracle; what knows too much is found.

Worlds differ in size, in how often their users come, in what they leave for, in their label's window and in what
the frame asks for; their chances are told by formula, so 20 cost about what 20 small runs do.
"""

from __future__ import annotations

import random
from functools import cache

import numpy as np
import pytest

from deep_faker import (
    BaseEvent,
    Beta,
    Entity,
    Exponential,
    Field,
    NewEvent,
    Select,
    SetState,
    Simulation,
    StateField,
)
from deep_faker.features import Age, Count, Happens, Mean, State, TimeSince
from deep_faker.oracle import Probe
from tests.support.logistic import model_of

WORLDS = 20
AT = "2024-01-08"


class Joined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)
    age: int = Field(faker="random_int", min=18, max=80)


class Seen(BaseEvent):
    user_id: str
    amount: float


class Left(BaseEvent):
    user_id: str


class User(Entity):
    source_event = Joined
    primary_key = "user_id"
    mood: float = StateField(draw=Beta(2, 3), latent=True)
    age: int = StateField(from_field="age")
    left: bool = StateField(default=False)
    visits: int = StateField(default=0)


def world(rng: random.Random) -> Simulation:
    """Users who come by their own clocks, and may leave at each visit, by their mood and age."""
    sim = Simulation(
        "14d",
        "2024-01-01",
        time_step="1h",
        random_seed=rng.randrange(1, 1000),
        initial_entities={User: rng.randrange(700, 1300)},
    )
    strength, by_age = rng.uniform(0.05, 0.3), rng.choice([0.0, 0.001])
    traces = rng.uniform(5.0, 50.0)

    @sim.flow(
        filter=Select(User, where=[("left", "is", False)]), every=Exponential(hours=rng.uniform(12, 36))
    )
    def visit(ctx):
        user = ctx.get_entity(User)
        yield NewEvent(
            ctx,
            Seen,
            amount=random.uniform(0, 60) - traces * user.mood,
            mutate=SetState(User, [("visits", "add", 1)]),
        )
        if random.random() < strength * user.mood + by_age * user.age:
            yield NewEvent(ctx, Left, mutate=SetState(User, [("left", "is", True)]))

    return sim


def features(rng: random.Random) -> dict[str, object]:
    """Some of what a frame may ask for; whether somebody has left is always told."""
    fair = {
        "n": Count(Seen, "7d"),
        "day": Count(Seen, ["1d", "3d"]),
        "since": TimeSince(Seen),
        "amount": Mean(Seen, "amount", "7d"),
        "old": Age(),
        "age": State("age"),
    }
    return {name: fair[name] for name in rng.sample(list(fair), 4)} | {"left": State("left")}


@cache
def probes() -> dict[str, list[Probe]]:
    """Of each world the probes of models that see the frame, and something beside it."""
    out: dict[str, list[Probe]] = {"frame": [], "end state": [], "naive window": [], "latent": []}
    for number in range(WORLDS):
        rng = random.Random(number)
        sim, label = world(rng), Happens(Left, within=f"{rng.randrange(3, 7)}d")
        ds = sim.collect(history=True)
        rows = ds.training_frame(User, at=AT, features=features(rng), label=label).collect()
        oracle = ds.oracle(rows, label, sim=sim, n=60, method="formula")
        end = ds.entities[User].select("user_id", end="left", visited="visits")
        naive = ds.training_frame(User, at="2024-01-15", features={"later": Count(Seen, "7d")}).collect()
        for name, beside in {
            "frame": rows,
            "end state": rows.join(end, on="user_id"),
            "naive window": rows.join(naive.drop("at"), on="user_id"),
            "latent": rows.join(ds.truth.entities[User], on="user_id"),
        }.items():
            half = beside["user_id"].hash(1) % 2 == 0
            model = model_of(beside.filter(half))
            out[name].append(ds.probe(model, beside.filter(~half), oracle=oracle))
    return out


@pytest.mark.slow
def test_a_model_on_the_frame_never_beats_the_oracle():
    found = probes()["frame"]
    assert not [probe for probe in found if probe.leaks]
    excess = np.array([probe.excess / probe.error for probe in found])
    assert excess.mean() < 3 / np.sqrt(WORLDS)
    assert np.mean([probe.reached for probe in found]) > 0.6  # and it has learned something


@pytest.mark.slow
def test_what_knows_too_much_is_found():
    """The end state and a naive window beat the oracle or are surprised; a latent column is named."""
    for name in ("end state", "naive window"):
        found = probes()[name]
        assert sum(probe.leaks for probe in found) >= WORLDS - 1, name
        assert sum(probe.excess > 3 * probe.error for probe in found) > WORLDS / 2, name
    latent = probes()["latent"]
    assert all(probe.hidden == {"mood": "User.mood, which is hidden"} for probe in latent)
    assert np.mean([probe.surprise for probe in latent]) < 1  # it knows no future: its column gives it away
