"""What futures and their oracle cost: 200 futures of 7 days of 100,000 users, in processor time.

    python benchmarks/oracle.py [users] [futures]

With ``leaks [worlds]`` instead: of so many small random worlds (20), how far a model on the frame, on the end
state and on the naive window lies above the oracle.
"""

from __future__ import annotations

import random
import sys
import time

import numpy as np
import polars as pl

from deep_faker import (
    AddDecay,
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
from deep_faker.features import Age, Count, Happens, State, TimeSince
from deep_faker.features.told import matrix


class Joined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)


class Seen(BaseEvent):
    user_id: str


class Left(BaseEvent):
    user_id: str


class User(Entity):
    source_event = Joined
    primary_key = "user_id"
    mood: float = StateField(draw=Beta(2, 5), latent=True)
    left: bool = StateField(default=False)
    visits: int = StateField(default=0)


def world(users: int, seed: int, strength: float = 0.1) -> Simulation:
    """Users who come once a day, and leave for good the sooner the worse their mood is."""
    sim = Simulation("30d", "2024-01-01", time_step="1h", random_seed=seed, initial_entities={User: users})

    @sim.flow(filter=Select(User, where=[("left", "is", False)]), every=Exponential(days=1))
    def visit(ctx):
        user = ctx.get_entity(User)
        yield NewEvent(ctx, Seen, mutate=SetState(User, [("visits", "add", 1)]))
        yield AddDecay(ctx, rate=0.1, seconds=600)
        if random.random() < user.mood * strength:
            yield NewEvent(ctx, Left, mutate=SetState(User, [("left", "is", True)]))

    return sim


def fitted(features: pl.DataFrame, came: np.ndarray) -> object:
    """A logistic regression, by Newton's method."""
    x = matrix(features)
    mean, sd = x.mean(axis=0), x.std(axis=0) + 1e-9
    z = np.column_stack([(x - mean) / sd, np.ones(len(x))])
    w = np.zeros(z.shape[1])
    for _ in range(25):
        p = 1 / (1 + np.exp(-np.clip(z @ w, -30, 30)))
        steep = (z * (p * (1 - p) + 1e-6)[:, None]).T @ z + 1e-2 * np.eye(len(w))
        w += np.linalg.solve(steep, z.T @ (came - p) - 1e-2 * w)
    return lambda rows: np.column_stack([(matrix(rows) - mean) / sd, np.ones(rows.height)]) @ w


def cost(users: int, futures: int) -> None:
    """How long the oracle of one instant takes."""
    sim, label = world(users, 3), Happens(Left, within="7d")
    ds = sim.collect()
    frame = ds.training_frame(User, at="2024-01-15", features={"n": Count(Seen, "7d")}, label=label)
    began = time.process_time()
    oracle = ds.oracle(frame, label, sim=sim, n=futures)
    print(oracle, f"{time.process_time() - began:.1f} s of processor time", sep="\n")


def leaks(worlds: int) -> None:
    """Probes of models that do not know the future, and of some that do."""
    label = Happens(Left, within="7d")
    found = {"frame": 0, "end state": 0, "window over the label": 0, "latent": 0}
    rng = random.Random(1)
    for seed in range(1, worlds + 1):
        sim = world(rng.randint(600, 1500), seed, rng.uniform(0.05, 0.4))
        ds = sim.collect(history=True)
        fair = {
            "n": Count(Seen, "7d"),
            "day": Count(Seen, "1d"),
            "since": TimeSince(Seen),
            "age": Age(),
            "left": State("left"),
        }
        frame = ds.training_frame(User, at="2024-01-15", features=fair, label=label).collect()
        oracle = ds.oracle(frame, label, sim=sim, n=60)
        naive = ds.training_frame(User, at="2024-01-22", features={"later": Count(Seen, "7d")}).collect()
        beside = {
            "frame": frame,
            "end state": frame.join(ds.entities[User].select("user_id", "visits"), on="user_id"),
            "window over the label": frame.join(naive.drop("at"), on="user_id"),
            "latent": frame.join(ds.truth.entities[User], on="user_id"),
        }
        for name, rows in beside.items():
            half = rows["user_id"].hash(1) % 2 == 0
            train, test = rows.filter(half), rows.filter(~half)
            model = fitted(train.drop("user_id", "at", "label"), train["label"].to_numpy().astype(float))
            found[name] += ds.probe(model, test, oracle=oracle).leaks
    print(f"of {worlds} worlds, leaks found:", found)


if __name__ == "__main__":
    if sys.argv[1:2] == ["leaks"]:
        leaks(int(sys.argv[2]) if len(sys.argv) > 2 else 20)
    else:
        asked = [int(number) for number in sys.argv[1:]]
        cost(*asked, *(100_000, 200)[len(asked) :])
