"""Flows that multiply a Decimal of entities that others hold, which has no native form."""

from __future__ import annotations

from decimal import Decimal

from deep_faker import AddDecay, BaseEvent, Entity, Field, NewEvent, Select, SetState, Simulation, StateField


class Opened(BaseEvent):
    """An account."""

    account_id: str = Field(faker="shortuuid", length=8)


class Interest(BaseEvent):
    """There is more in it."""

    account_id: str


class Account(Entity):
    """Changed by flows that do not hold it."""

    source_event = Opened
    primary_key = "account_id"
    balance: Decimal = StateField(default=Decimal("1.00"), type_=Decimal)


sim = Simulation("1m", start_time="2024-01-01", n_flows=3, random_seed=1, initial_entities={Account: 3})


@sim.flow()
def pay(ctx):
    """Two seconds later it has twice as much."""
    yield Select(ctx, Account, shared=True)
    yield AddDecay(ctx, seconds=2)
    yield NewEvent(ctx, Interest, mutate=SetState(Account, [("balance", "multiply", Decimal(2))]))
