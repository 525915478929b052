"""A fleet of delivery vans: two weeks of telemetry, which arrives late, twice, by wrong clocks, in miles.

    deepfaker run examples/fleet.py --output fleet      # events/, dirty/, truth/defects, truth/incidents
    python examples/fleet.py                            # how late messages arrive, day by day

Some things to look at on the way:

* Vans leave by the hour and the day of the week, more of them before Christmas; in the cold days batteries
  empty faster.
* Back in the depot they queue for a charger, first come, first served; who waits too long comes again later.
* Engines warm up, wander, and stay a little as they were: noise that lasts (AR(1)).
* Each message arrives a few seconds later.  While a mast is down, most are kept in the van for hours; while a
  depot has no power, few vans leave.
* The clean stream is kept beside all that, and `truth/defects` says what was done to which message.
"""

from __future__ import annotations

import random

import polars as pl

from deep_faker import (
    AddDecay,
    BaseEvent,
    Choice,
    Daily,
    Dataset,
    Entity,
    Exponential,
    Field,
    FlowContext,
    LogNormal,
    NewEvent,
    Normal,
    Select,
    SetState,
    Simulation,
    StateField,
    Uniform,
    Weekly,
)
from deep_faker.actions import Release
from deep_faker.defects import ClockSkew, Defects, Drop, Duplicate, Evolve, Late, Null, Unit
from deep_faker.seasons import Incident, Window

TZ = "Europe/Berlin"
HOURS = Daily([0, 0, 0, 0, 1, 4, 9, 12, 12, 10, 8, 8, 7, 8, 9, 9, 8, 6, 4, 3, 2, 1, 0, 0], tz=TZ)
WEEK = Weekly([1.2, 1.1, 1.1, 1.1, 1.2, 0.8, 0.2], tz=TZ)
BEFORE_CHRISTMAS = Window("2024-12-09", "2024-12-15", 1.3, tz=TZ)
COLD = Window("2024-12-06", "2024-12-09", 1.4, tz=TZ)  # what a kilometre takes, not how many there are

MAST = Incident("mast down", "2024-12-04T09:00", "6h", recovery="2h", cause="a cut cable")
POWER = Incident(
    "power cut", "2024-12-11T08:00", "4h", factor=0.2, onset="30m", recovery="2h", cause="a storm"
)


# ---- events ------------------------------------------------------------------------------------------------


class VanBought(BaseEvent):
    """A van joins the fleet."""

    van_id: str = Field(faker="bothify", text="VAN-###")
    plate: str = Field(faker="license_plate", locale="de_DE")
    model: str = Field(dist=Choice(["eVito", "eCrafter", "Zoe"], weights=[3, 2, 1]))


class ChargerBuilt(BaseEvent):
    """A place to charge."""

    charger_id: str = Field(faker="bothify", text="C-##")
    kilowatts: int = Field(dist=Choice([22, 50], weights=[3, 1]))


class TripStarted(BaseEvent):
    """A van leaves the depot."""

    van_id: str
    parcels: int
    battery: float


class Measured(BaseEvent):
    """What a van says of itself each minute or so."""

    van_id: str
    kmh: float
    battery: float
    celsius: float


class TripEnded(BaseEvent):
    """Back again."""

    van_id: str
    km: float


class Charged(BaseEvent):
    """A van leaves its charger."""

    van_id: str
    charger_id: str
    kwh: float


class NoCharger(BaseEvent):
    """It waited, and left without."""

    van_id: str
    battery: float


# ---- entities ----------------------------------------------------------------------------------------------


class Van(Entity):
    """Battery in percent; the engine's temperature goes on from one message to the next."""

    source_event = VanBought
    primary_key = "van_id"

    battery: float = StateField(default=100.0)
    celsius: float = StateField(default=20.0)
    km: float = StateField(default=0.0)
    wear: float = StateField(
        draw=Uniform(0.8, 1.3), latent=True
    )  # how fast it empties: nobody has measured it


class Charger(Entity):
    """One van at a time."""

    source_event = ChargerBuilt
    primary_key = "charger_id"

    kilowatts: int = StateField(from_field="kilowatts")


# ---- what goes wrong on the way ----------------------------------------------------------------------------

defects = Defects(
    late=[
        Late(0.02, Exponential(minutes=10)),  # dead spots
        Late(0.9, Exponential(hours=2), during=MAST),
    ],
    duplicate=Duplicate(0.01, events=[Measured]),
    drop=Drop(0.005, events=[Measured]),
    null=Null(0.2, "celsius", events=[Measured], where=pl.col("celsius") > 60),  # the sensor fails when hot
    unit=Unit(
        0.1, "kmh", 0.6214, per="van_id", since="2024-12-07"
    ),  # a tenth of the vans got the wrong firmware
    clock_skew=ClockSkew(0.15, Normal(0, 90), per="van_id"),  # wrong by the same seconds all the time
    schema=Evolve("2024-12-10", Measured, rename={"celsius": "engine_celsius"}),
)

sim = Simulation(
    duration="14d",
    start_time="2024-12-02",
    time_step="1m",
    random_seed=7,
    initial_entities={Van: 150, Charger: 22},
    defects=defects,
)


@sim.flow(
    rate="25/h",
    season=HOURS * WEEK * BEFORE_CHRISTMAS * POWER,
    filter=Select(Van, where=[("battery", "greater_than", 40.0)]),
)
def trip(ctx: FlowContext):
    """Out and back, with a message every minute or so; then to a charger, if there is need."""
    van = ctx.get_entity(Van)
    yield NewEvent(ctx, TripStarted, parcels=random.randint(20, 90), battery=round(van.battery, 1))
    km = 0.0
    for _ in range(random.randint(20, 60)):
        yield AddDecay(ctx, seconds=Uniform(50, 70))
        kmh = 0.0 if random.random() < 0.3 else max(5.0, random.gauss(35.0, 12.0))  # 0: at a door
        km += kmh / 60
        battery = max(0.0, van.battery - kmh / 60 * 0.9 * van.wear * ctx.season(COLD))
        celsius = 20.0 + 0.95 * (van.celsius - 20.0) + 0.08 * kmh + random.gauss(0.0, 0.8)
        yield NewEvent(
            ctx,
            Measured,
            kmh=round(kmh, 1),
            battery=round(battery, 1),
            celsius=round(celsius, 1),
            arrives=LogNormal(seconds=4),
            mutate=SetState(Van, [("battery", "is", battery), ("celsius", "is", celsius)]),
        )
        if battery < 10.0:
            break
    yield NewEvent(
        ctx, TripEnded, km=round(km, 1), mutate=SetState(Van, [("km", "add", km), ("celsius", "is", 20.0)])
    )
    if van.battery < 60.0:
        yield from charge(ctx)


def charge(ctx: FlowContext):
    """Wait for a charger, half an hour at most, and for the battery."""
    van = ctx.get_entity(Van)
    yield Select(ctx, Charger, wait="30m")
    charger = ctx.get_entity(Charger)
    if not charger:
        yield NewEvent(ctx, NoCharger, battery=round(van.battery, 1))
        return
    kwh = (100.0 - van.battery) * 0.6  # 60 kWh when full
    yield AddDecay(ctx, hours=kwh / charger.kilowatts)
    yield NewEvent(ctx, Charged, kwh=round(kwh, 1), mutate=SetState(Van, [("battery", "is", 100.0)]))
    yield Release(ctx, Charger)


@sim.on(NoCharger, after=Exponential(minutes=30), filter=Select(Van))
def again(ctx: FlowContext):
    """Whoever found no charger comes again."""
    yield from charge(ctx)


def lateness(ds: Dataset) -> pl.DataFrame:
    """Of each day, the minutes after which half, and 99 of 100 messages had arrived, by the true clock."""
    arrived = ds.dirty[Measured].select("sys__eid", "available_time").unique("sys__eid", keep="first")
    minutes = (pl.col("available_time") - pl.col("sys__time")).dt.total_seconds() / 60
    return (
        ds[Measured]
        .select("sys__eid", "sys__time")
        .join(arrived, on="sys__eid")
        .group_by(day=pl.col("sys__time").dt.date())
        .agg(messages=pl.len(), half=minutes.median(), most=minutes.quantile(0.99))
        .sort("day")
    )


if __name__ == "__main__":
    print(lateness(sim.collect()))
