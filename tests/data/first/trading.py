"""A grain exchange: traders, silos, offers and deals. No n_flows is given, and no duration."""

from datetime import datetime

from deep_faker import (
    AddDecay,
    BaseEvent,
    Entity,
    Field,
    FlowContext,
    NewEvent,
    Select,
    SetState,
    Simulation,
    StateField,
    StdOutOutput,
)
from deep_faker.logging import get_logger


class TraderAdmitted(BaseEvent):
    trader_id: str = Field(primary_key=True, faker="uuid4")
    user_name: str = Field(faker="user_name")
    credit: float = Field(faker="pyfloat", min_value=500, max_value=9000)
    country: str = Field(faker="country")
    admitted_at: datetime = Field(faker="date_time_this_decade")


class GrainQuoted(BaseEvent):
    grain: str = Field(primary_key=True, faker="lexify", text="????")
    trading_house: str = Field(faker="company")
    price: float = Field(faker="pyfloat", min_value=90, max_value=400)
    size: str = Field(faker="random_element", elements=["Small", "Large"])


class PriceMoved(BaseEvent):
    grain: str
    old_price: float
    new_price: float = Field(faker="pyfloat", min_value=50, max_value=500)
    percent: float = Field(faker="pyfloat", min_value=-9, max_value=9)


class TraderCame(BaseEvent):
    trader_id: str
    desk: str = Field(faker="random_element", elements=["phone", "floor", "screen"])


class OfferMade(BaseEvent):
    offer_id: str = Field(primary_key=True, faker="uuid4")
    trader_id: str
    grain: str
    side: str = Field(faker="random_element", elements=["BUY", "SELL"])
    tons: int = Field(faker="random_int", min=1, max=200)
    price: float


class DealClosed(BaseEvent):
    offer_id: str
    trader_id: str
    grain: str
    amount: float
    fee: float = Field(faker="pyfloat", min_value=1, max_value=40)


class RiskNoted(BaseEvent):
    trader_id: str
    message: str = Field(faker="sentence")


class Trader(Entity):
    source_event = TraderAdmitted
    primary_key = "trader_id"

    is_present: bool = StateField(default=False, type_=bool)
    credit: float = StateField(from_field="credit", type_=float)
    offers: int = StateField(default=0, type_=int)


class Grain(Entity):
    source_event = GrainQuoted
    primary_key = "grain"

    price: float = StateField(from_field="price", type_=float)


class Offer(Entity):
    source_event = OfferMade
    primary_key = "offer_id"

    side: str = StateField(from_field="side", type_=str)
    left: int = StateField(from_field="tons", type_=int)


sim = Simulation(start_time="2024-05-06", random_seed=7, initial_entities={Trader: 12, Grain: 20})


@sim.flow(initiation_weight=1.0)
def admission(ctx: FlowContext):
    yield NewEvent(ctx, TraderAdmitted, save_entity=Trader)
    yield AddDecay(ctx, rate=0.2, seconds=40)
    yield NewEvent(ctx, TraderCame, mutate=SetState(Trader, [("is_present", "is", True)]))


@sim.flow(initiation_weight=8.0)
def prices(ctx: FlowContext):
    yield NewEvent(ctx, PriceMoved, grain="OATS", old_price=120.0)
    yield AddDecay(ctx, rate=0.05, seconds=30)


@sim.flow(initiation_weight=5.0, filter=Select(Trader, where=[("is_present", "is", False)]))
def coming(ctx: FlowContext):
    yield NewEvent(ctx, TraderCame, mutate=SetState(Trader, [("is_present", "is", True)]))


@sim.flow(initiation_weight=6.0, filter=Select(Trader, where=[("is_present", "is", True)]))
def dealing(ctx: FlowContext):
    yield NewEvent(
        ctx,
        OfferMade,
        save_entity=Offer,
        grain="OATS",
        price=119.5,
        mutate=SetState(Trader, [("offers", "add", 1)]),
    )
    yield AddDecay(ctx, rate=0.3, minutes=2)
    yield NewEvent(
        ctx,
        DealClosed,
        offer_id="OFFER_1",
        grain="OATS",
        amount=1195.0,
        mutate=SetState(Trader, [("offers", "subtract", 1), ("credit", "subtract", 1195.0)]),
    )
    yield AddDecay(ctx, rate=0.5, minutes=1)
    yield NewEvent(ctx, RiskNoted)


sim.add_output(StdOutOutput())

if __name__ == "__main__":
    logger = get_logger(__name__)
    logger.info("the exchange opens")
    sim.run()
