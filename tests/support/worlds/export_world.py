"""A small shop with two entity types, and a site that people come to at a rate: what exports and certificates see."""

from __future__ import annotations

import random
from typing import Any

from deep_faker import (
    AddDecay,
    BaseEvent,
    Entity,
    Exponential,
    Field,
    NewEvent,
    Select,
    SetState,
    Simulation,
    StateField,
)
from deep_faker.exports import Task
from deep_faker.features import Count, Happens, Sum


class ExportJoined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)
    age: int = Field(faker="random_int", min=18, max=80)


class ExportOpened(BaseEvent):
    order_id: int = Field(faker="random_int", min=1, max=10**9)
    user_id: str
    total: float = Field(faker="pyfloat", min_value=1, max_value=99, right_digits=2)


class ExportPaid(BaseEvent):
    order_id: int
    user_id: str


class ExportVisited(BaseEvent):
    user_id: str
    tags: list[str] = Field(faker="words", nb=2)


class ExportUser(Entity):
    source_event = ExportJoined
    primary_key = "user_id"
    age: int = StateField(from_field="age", type_=int)
    visits: int = StateField(default=0)
    plan: str = StateField(default="free")


class ExportOrder(Entity):
    source_event = ExportOpened
    primary_key = "order_id"
    user_id: str = StateField(from_field="user_id", type_=str)
    paid: bool = StateField(default=False)


class ExportSeen(BaseEvent):
    page: str = Field(faker="word")


LEAVES, OPENS = 0.1, 0.3
"""The chances that a visitor leaves at once, and that one who stays opens an order."""


def export_shop(**settings: Any) -> Simulation:
    """Fifteen sessions at a time over two hours, but for ``settings``."""
    usual: dict[str, Any] = {
        "duration": "2h",
        "start_time": "2024-01-01",
        "n_flows": 15,
        "random_seed": 5,
        "initial_entities": {ExportUser: 40},
    }
    sim = Simulation(**{**usual, **settings})

    @sim.flow(initiation_weight=1)
    def join(ctx):
        yield NewEvent(ctx, ExportJoined, save_entity=ExportUser)

    @sim.flow(initiation_weight=9, filter=Select(ExportUser))
    def shop(ctx):
        yield NewEvent(ctx, ExportVisited, mutate=SetState(ExportUser, [("visits", "add", 1)]))
        yield AddDecay(ctx, rate=LEAVES, seconds=Exponential(200))
        if random.random() < OPENS:
            yield NewEvent(ctx, ExportOpened, save_entity=ExportOrder)
            yield AddDecay(ctx, seconds=Exponential(60))
            yield NewEvent(
                ctx,
                ExportPaid,
                mutate=[
                    SetState(ExportOrder, [("paid", "is", True)]),
                    SetState(ExportUser, [("plan", "is", "pro")]),
                ],
            )

    return sim


def export_site(**settings: Any) -> Simulation:
    """People who come at a rate, look at a page, and some at a second one; others compete for few places."""
    usual: dict[str, Any] = {"duration": "10h", "start_time": "2024-01-01", "random_seed": 3}
    sim = Simulation(**{**usual, **settings})

    @sim.flow(rate="60/h")
    def look(ctx):
        yield NewEvent(ctx, ExportSeen)
        yield AddDecay(ctx, rate=0.4, seconds=Exponential(20))
        yield NewEvent(ctx, ExportSeen)

    return sim


TASKS = {
    "active": Task(ExportUser, Happens(ExportVisited, within="15m")),
    "spent": Task(ExportUser, Sum(ExportOpened, "total", within="10m"), windows=2),
    "visits": Task("ExportUser", Count("ExportVisited", within="15m")),
}
