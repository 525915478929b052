"""A plant shop with a web page: browsing, baskets, paying, errors; into a file and, where it can, Kafka."""

from datetime import datetime
from typing import Optional

from deep_faker import (
    AddDecay,
    BaseEvent,
    Entity,
    Field,
    FileOutput,
    KafkaOutput,
    NewEvent,
    Select,
    SetState,
    Simulation,
    StateField,
    StdOutOutput,
)
from deep_faker.actions import FlowContext


class MemberJoined(BaseEvent):
    member_id: str = Field(primary_key=True, faker="uuid4")
    joined_on: str = Field(faker="date")
    email: str = Field(faker="email")
    full_name: str = Field(faker="name")


class PlantOffered(BaseEvent):
    plant_id: str = Field(primary_key=True, faker="lexify", text="PLANT_????")
    name: str = Field(faker="random_element", elements=["Fern", "Fig", "Cactus", "Orchid", "Ivy"])
    price: float = Field(faker="pyfloat", min_value=4.5, max_value=80.0, positive=True)
    offered_at: datetime = Field(faker="now")


class PlantSeen(BaseEvent):
    member_id: str
    visit_id: str
    plant_id: str
    price: float
    seconds: int = Field(faker="random_int", min=2, max=90)


class PutIntoBasket(BaseEvent):
    member_id: str
    plant_id: str
    basket_id: str
    pieces: int
    price: float
    put_at: datetime = Field(faker="now")


class PayingStarted(BaseEvent):
    member_id: str
    basket_id: str
    total: float
    voucher: Optional[str] = Field(default=None, faker="random_element", elements=[None, "SPRING", "FRIEND"])
    postage: float = Field(faker="pyfloat", min_value=0, max_value=9.9, positive=True)


class Paid(BaseEvent):
    member_id: str
    payment_id: str
    total: float


class PageFailed(BaseEvent):
    member_id: Optional[str] = None
    code: str = Field(faker="random_element", elements=["TIMEOUT", "NOT_FOUND", "SOLD_OUT"])


class Member(Entity):
    source_event = MemberJoined
    primary_key = "member_id"

    email: str = StateField(from_field="email", type_=str)
    is_here: bool = StateField(default=False, type_=bool)
    visit_id: Optional[str] = StateField(default=None, type_=str)
    basket_id: Optional[str] = StateField(default=None, type_=str)
    spent: float = StateField(default=0.0, type_=float)


class Plant(Entity):
    source_event = PlantOffered
    primary_key = "plant_id"

    name: str = StateField(from_field="name", type_=str)
    price: float = StateField(from_field="price", type_=float)
    stock: int = StateField(default=60, type_=int)
    views: int = StateField(default=0, type_=int)


class Basket(Entity):
    source_event = None
    primary_key = "basket_id"

    member_id: str = StateField(type_=str)
    pieces: int = StateField(default=0, type_=int)


class Payment(Entity):
    source_event = PayingStarted
    primary_key = "payment_id"

    member_id: str = StateField(type_=str)
    state: str = StateField(default="open", type_=str)


sim = Simulation(
    duration="3m",
    start_time="now",
    random_seed=11,
    n_flows=4,
    initial_entities={Member: 20, Plant: 12},
)


@sim.flow(initiation_weight=2.0)
def joining(ctx: FlowContext):
    yield NewEvent(ctx, MemberJoined, save_entity=Member)


@sim.flow(initiation_weight=6.0, filter=Select(Member, where=[("is_here", "is", False)]))
def arriving(ctx: FlowContext):
    """The first look at a plant begins a visit."""
    visit = f"visit_{ctx.session_id[:8]}"
    yield Select(ctx, Plant, where=[("stock", "greater_than", 0)])
    plant = ctx.get_selected_entity(Plant)
    if not plant:
        return
    yield NewEvent(
        ctx,
        PlantSeen,
        visit_id=visit,
        plant_id=plant.get_primary_key(),
        price=plant.price,
        mutate=[
            SetState(Member, [("is_here", "is", True), ("visit_id", "is", visit)]),
            SetState(Plant, [("views", "add", 1)]),
        ],
    )


@sim.flow(initiation_weight=5.0, filter=Select(Member, where=[("is_here", "is", True)]))
def filling(ctx: FlowContext):
    """Some of all plants go into the basket, which is new where there is none."""
    import random

    member = ctx.get_selected_entity(Member)
    plants = ctx.global_context.get_entities(Plant)
    if not plants:
        return
    plant = random.choice(plants)
    basket = member.basket_id
    if not basket:
        basket = f"basket_{ctx.session_id[:8]}"
    yield NewEvent(
        ctx,
        PutIntoBasket,
        plant_id=plant.get_primary_key(),
        basket_id=basket,
        pieces=random.randint(1, 3),
        price=plant.price,
        mutate=SetState(Member, [("basket_id", "is", basket)]),
    )


@sim.flow(initiation_weight=3.0, filter=Select(Member, where=[("basket_id", "is_not", None)]))
def paying(ctx: FlowContext):
    member = ctx.get_selected_entity(Member)
    total = 20.0 + (hash(member.basket_id) % 50)
    yield NewEvent(ctx, PayingStarted, basket_id=member.basket_id, total=total, save_entity=Payment)
    yield AddDecay(ctx, rate=0.3, seconds=20)
    yield NewEvent(
        ctx,
        Paid,
        payment_id=f"pay_{ctx.session_id[:8]}",
        total=total,
        mutate=[
            SetState(Payment, [("state", "is", "paid")]),
            SetState(Member, [("spent", "add", total), ("basket_id", "is", None), ("is_here", "is", False)]),
        ],
    )


@sim.flow(initiation_weight=1.0)
def failing(ctx: FlowContext):
    member = ctx.get_selected_entity(Member) if ctx.selected_entities else None
    yield NewEvent(ctx, PageFailed, member_id=member.get_primary_key() if member else None)


sim.add_output(StdOutOutput())
sim.add_output(FileOutput("output/shop_events.jsonl", format="json"))

topics = {MemberJoined: "members", PlantSeen: "views", PutIntoBasket: "baskets", Paid: "payments"}
try:
    kafka = KafkaOutput(topic_mapping=topics, bootstrap_servers="localhost:9092", acks="all", linger_ms=5)
    print("Kafka is set up")
except ImportError:
    print("Kafka is left out")

if __name__ == "__main__":
    sim.run()
