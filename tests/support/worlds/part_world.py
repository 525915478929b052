"""A small shop for the tests of parts: ids, sequences and unique fields, state, and a flow that makes entities."""

from __future__ import annotations

import hashlib
from pathlib import Path

from deep_faker import (
    AddDecay,
    BaseEvent,
    Entity,
    Exponential,
    Field,
    NewEvent,
    Select,
    Sequence,
    SetState,
    Simulation,
    StateField,
)


class PartJoined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)
    name: str = Field(faker="name")
    mail: str = Field(faker="email", unique=True)
    number: int = Field(dist=Sequence(1000))


class PartBought(BaseEvent):
    user_id: str = ""
    order: str = Field(faker="uuid4")
    price: float = Field(faker="pyfloat", min_value=1, max_value=99)


class PartUser(Entity):
    source_event = PartJoined
    primary_key = "user_id"
    bought: int = StateField(default=0)


def part_shop(**settings: object) -> Simulation:
    given = {
        "duration": "20m",
        "start_time": "2024-01-01",
        "time_step": "10s",
        "n_flows": 30,
        "random_seed": 4,
        "initial_entities": {PartUser: 22},
    }
    sim = Simulation(**{**given, **settings})

    @sim.flow(initiation_weight=1)
    def join(ctx):
        yield NewEvent(ctx, PartJoined, save_entity=PartUser)

    @sim.flow(initiation_weight=8, filter=Select(None, PartUser))
    def buy(ctx):
        while True:
            yield NewEvent(ctx, PartBought, mutate=SetState(PartUser, [("bought", "add", 1)]))
            yield AddDecay(ctx, rate=0.3, seconds=Exponential(60))

    return sim


def with_live_flow(sim: Simulation) -> Simulation:
    """The same with a flow that runs as a generator."""

    @sim.flow(initiation_weight=30, filter=Select(None, PartUser))
    def twice(ctx):
        done: list[int] = []
        try:
            while len(done) < 2:
                done.append(1)
                yield NewEvent(ctx, PartBought)
                yield AddDecay(ctx, seconds=5)
        finally:
            done.clear()

    return sim


world = part_shop()
"""The same at the top level of a module, where another process finds it."""


def tree(folder: Path) -> dict[str, str]:
    """Every file below ``folder`` with the hash of its bytes."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
