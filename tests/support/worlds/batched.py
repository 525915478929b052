"""A small world at the top of a module, so that worker processes find it by name."""

from __future__ import annotations

from datetime import date, datetime

from deep_faker import AddDecay, BaseEvent, Entity, Field, NewEvent, Select, Simulation


class Met(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)


class Bought(BaseEvent):
    user_id: str
    price: float = Field(faker="pyfloat", right_digits=2, min_value=1, max_value=100)
    quantity: int = Field(faker="random_int", min=1, max=9)
    item: str = Field(faker="word")
    gift: bool = Field(faker="boolean")
    at: datetime = Field(faker="now")
    day: date = Field(faker="date_object")
    rated: float | None = None


class User(Entity):
    source_event = Met
    primary_key = "user_id"


sim = Simulation("3m", start_time="2024-01-01", n_flows=8, random_seed=5, initial_entities={User: 20})


@sim.flow(filter=Select(User))
def buy(ctx):
    yield NewEvent(ctx, Bought)
    yield AddDecay(ctx, seconds=3)
    yield NewEvent(ctx, Bought, rated=0.5)


rows = sim.collect()[Bought]
batches = sim.batches(Bought, 40)
