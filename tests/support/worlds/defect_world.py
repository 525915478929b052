"""A shop with sensors, whose events arrive late and with defects."""

from __future__ import annotations

import random

import polars as pl

from deep_faker import (
    AddDecay,
    BaseEvent,
    Entity,
    Exponential,
    Field,
    LogNormal,
    NewEvent,
    Normal,
    Select,
    SetState,
    Simulation,
    StateField,
)
from deep_faker.defects import ClockSkew, Defects, Drop, Duplicate, Evolve, Exactly, Late, Null, Typo, Unit


class DefectJoined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)
    city: str = Field(faker="city")


class DefectPaid(BaseEvent):
    user_id: str
    device: str
    city: str = Field(faker="city")
    amount: float = Field(dist=LogNormal(3, 1), digits=2)
    pieces: int = Field(faker="random_int", min=1, max=9)


class DefectUser(Entity):
    source_event = DefectJoined
    primary_key = "user_id"
    paid: int = StateField(default=0)


ALL = Defects(
    late=Late(0.05, Exponential(minutes=20), events=[DefectPaid]),
    duplicate=[Duplicate(0.02, after="30s"), Duplicate(Exactly(11), events=[DefectPaid])],
    drop=[Drop(Exactly(10)), Drop(0.01, events=[DefectPaid])],
    null=Null(0.05, "city", where=pl.col("amount") > 20, events=[DefectPaid]),
    typo=Typo(Exactly(17), "city"),
    unit=[Unit(pl.col("amount") / 1000, "amount", 100), Unit(0.02, "pieces", 12, since="2024-01-01T00:30")],
    clock_skew=ClockSkew(0.3, Normal(0, 30), per="device"),
)
EVOLVING = Evolve(
    "2024-01-01T00:40", DefectPaid, rename={"pieces": "quantity"}, drop=["device"], add={"channel": "web"}
)


def shop(defects: Defects | None = ALL, *, lag: object = LogNormal(minutes=2), **settings) -> Simulation:
    """Users pay now and then; what they pay is known later, if ``lag`` says so."""
    usual = {
        "duration": "1h",
        "start_time": "2024-01-01",
        "n_flows": 15,
        "random_seed": 3,
        "time_step": "15s",
    }
    initial = {DefectUser: 40}
    sim = Simulation(**{**usual, **settings}, initial_entities=initial, defects=defects)

    @sim.flow(filter=Select(DefectUser))
    def pay(ctx):
        user = ctx.selected_entities[DefectUser]
        number = random.randint(1, 20)
        yield NewEvent(
            ctx,
            DefectPaid,
            user_id=user.user_id,
            device=f"d{number}",
            mutate=SetState(DefectUser, [("paid", "add", 1)]),
            arrives=lag,
        )
        yield AddDecay(ctx, seconds=Exponential(40))

    return sim
