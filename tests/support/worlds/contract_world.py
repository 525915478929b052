"""The small world in which the points of the contract are tested: users, rooms and what happens to them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import polars as pl

from deep_faker import BaseEvent, Entity, Field, Select, Simulation, StateField

START = datetime(2024, 5, 17, 9, 30)
START_MS = 1_715_938_200_000


class Joined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)
    age: int = Field(faker="random_int", min=18, max=80)


class User(Entity):
    source_event = Joined
    primary_key = "user_id"

    age: int = StateField(from_field="age", type_=int)
    visits: int = StateField(default=0, type_=int)
    money: float = StateField(default=0.0, type_=float)
    mood: str = StateField(default="calm", type_=str)
    seen: datetime | None = StateField(default=None, type_=datetime)
    tags: list[str] = StateField(default=["new"], type_=list)


class Opened(BaseEvent):
    room_id: str = Field(faker="bothify", text="R-####")


class Room(Entity):
    source_event = Opened
    primary_key = "room_id"

    size: int = StateField(default=1, type_=int)
    uses: int = StateField(default=0, type_=int)


class Visited(BaseEvent):
    user_id: str


class Entered(BaseEvent):
    user_id: str
    room_id: str


class Note(BaseEvent):
    text: str = ""
    number: float = 0.0
    at: datetime = Field(faker="now")


def simulation(**settings: Any) -> Simulation:
    """A simulation of ten seconds, two flows and eight users, but for ``settings``."""
    usual: dict[str, Any] = {
        "duration": "10s",
        "start_time": START,
        "n_flows": 2,
        "random_seed": 11,
        "initial_entities": {User: 8},
    }
    return Simulation(**{**usual, **settings})


def visits(sim: Simulation, rate: float = 0.0, **wait: Any) -> Simulation:
    """The flow of a user who comes, and stays for some time."""
    from deep_faker import AddDecay, NewEvent, SetState

    pause = wait or {"seconds": 0.5}

    @sim.flow(filter=Select(User))
    def visit(ctx):
        yield NewEvent(ctx, Visited, mutate=SetState(User, [("visits", "add", 1)]))
        yield AddDecay(ctx, rate=rate, **pause)
        yield NewEvent(ctx, Note, text=ctx.get_entity(User).user_id)

    return sim


def overlaps(sessions: pl.DataFrame, entity: str) -> Iterator[tuple[Any, Any]]:
    """Pairs of sessions that list one entity and lie over one another."""
    rows = sessions.explode(entity).drop_nulls(entity).sort(entity, "started")
    for (key, _, until), (after, since, _) in zip(
        rows.select(entity, "started", "ended").iter_rows(),
        rows.select(entity, "started", "ended").slice(1).iter_rows(),
        strict=False,
    ):
        if key == after and since < until:
            yield key, since
