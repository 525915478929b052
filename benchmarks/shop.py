"""The shop of the benchmarks: half a million users, fifty thousand products, sixty thousand sessions at once.

The event types and columns are those of ``handwritten.py``.  What the hand-written program leaves out is
here: a user is in one session at a time, products are viewed by many at once, sessions take their time and
are given up, a cart is filled before it is paid for, and what happened changes users and products, which
decides who comes next.

    deepfaker run benchmarks/shop.py --output /tmp/shop
"""

from __future__ import annotations

import random
from datetime import datetime

from deep_faker import (
    AddDecay,
    BaseEvent,
    Entity,
    Exponential,
    Field,
    FlowContext,
    NewEvent,
    Select,
    SetState,
    Simulation,
    StateField,
)

COLOURS = ["red", "blue", "green", "black", "white"]
THINGS = ["shoes", "shirt", "jacket", "bag", "watch", "lamp", "chair", "phone"]


class UserRegistered(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=12)


class ProductListed(BaseEvent):
    product_id: str = Field(faker="shortuuid", length=12)
    price: float = Field(faker="pyfloat", min_value=1.0, max_value=500.0, right_digits=2)


class SessionStarted(BaseEvent):
    user_id: str
    platform: str
    referrer: str = Field(
        faker="random_element", elements=["direct", "organic", "email", "social", "affiliate"]
    )


class SearchPerformed(BaseEvent):
    user_id: str
    query: str = Field(faker="random_element", elements=[f"{c} {t}" for c in COLOURS for t in THINGS])
    results: int = Field(faker="random_int", min=0, max=500)


class ProductViewed(BaseEvent):
    user_id: str
    product_id: str
    price: float
    platform: str
    source: str = Field(
        faker="random_element", elements=["home", "search", "category", "campaign", "recommendation"]
    )


class ProductAdded(BaseEvent):
    user_id: str
    product_id: str
    price: float
    quantity: int
    platform: str


class CheckoutStarted(BaseEvent):
    user_id: str
    items: int
    total: float
    payment_method: str = Field(faker="random_element", elements=["card", "paypal", "invoice", "gift card"])


class OrderCompleted(BaseEvent):
    user_id: str
    order_id: str = Field(faker="shortuuid", length=12)
    items: int
    total: float
    currency: str = Field(faker="random_element", elements=["EUR", "USD", "GBP"])


class User(Entity):
    source_event = UserRegistered
    primary_key = "user_id"

    status: str = StateField(default="active", type_=str)
    sessions: int = StateField(default=0, type_=int)
    orders: int = StateField(default=0, type_=int)
    spent: float = StateField(default=0.0, type_=float)
    last_seen: datetime | None = StateField(default=None, type_=datetime)


class Product(Entity):
    source_event = ProductListed
    primary_key = "product_id"

    price: float = StateField(from_field="price", type_=float)
    views: int = StateField(default=0, type_=int)
    sold: int = StateField(default=0, type_=int)


def make(
    *,
    users: int = 500_000,
    products: int = 50_000,
    n_flows: int = 60_000,
    duration: str = "68m",
    time_step: str = "10s",
    pause: float = 25.0,
    seed: int = 42,
) -> Simulation:
    """The shop at any size; ``pause`` is the mean time in seconds between two actions of a session."""
    sim = Simulation(
        duration=duration,
        start_time="2024-01-01",
        time_step=time_step,
        n_flows=n_flows,
        random_seed=seed,
        initial_entities={User: users, Product: products},
        emit_initial_entities=False,
    )

    @sim.flow(initiation_weight=8.0, filter=Select(User, where=[("status", "is", "active")]))
    def visit(ctx: FlowContext):
        user = ctx.get_entity(User)
        platform = random.choice(["web", "ios", "android", "api"])
        yield NewEvent(
            ctx,
            SessionStarted,
            platform=platform,
            mutate=SetState(User, [("sessions", "add", 1), ("last_seen", "is", datetime.now())]),
        )
        yield AddDecay(ctx, rate=0.08, seconds=Exponential(pause))
        items = 0
        total = 0.0
        for _ in range(12):
            if random.random() < 0.3:
                yield NewEvent(ctx, SearchPerformed)
                yield AddDecay(ctx, rate=0.05, seconds=Exponential(pause))
            yield Select(ctx, Product, shared=True)
            product = ctx.get_entity(Product)
            yield NewEvent(
                ctx,
                ProductViewed,
                price=product.price,
                platform=platform,
                mutate=SetState(Product, [("views", "add", 1)]),
            )
            yield AddDecay(ctx, rate=0.1, seconds=Exponential(pause))
            if random.random() < 0.25:
                quantity = random.randint(1, 3)
                items += quantity
                total += product.price * quantity
                yield NewEvent(ctx, ProductAdded, price=product.price, quantity=quantity, platform=platform)
                yield AddDecay(ctx, rate=0.04, seconds=Exponential(pause))
        if items == 0:
            return
        yield NewEvent(ctx, CheckoutStarted, items=items, total=round(total, 2))
        yield AddDecay(ctx, rate=0.2, seconds=Exponential(pause))
        yield NewEvent(
            ctx,
            OrderCompleted,
            items=items,
            total=round(total, 2),
            mutate=[
                SetState(User, [
                    ("orders", "add", 1),
                    ("spent", "add", total),
                    ("status", "is", "blocked" if user.spent + total > 20_000 else "active"),
                ]),
                SetState(Product, [("sold", "add", 1)]),
            ],
        )  # fmt: skip

    @sim.flow(initiation_weight=1.0, filter=Select(User, where=[("orders", "greater_than", 0)]))
    def reorder(ctx: FlowContext):
        yield NewEvent(ctx, SessionStarted, platform="ios", mutate=SetState(User, [("sessions", "add", 1)]))
        yield AddDecay(ctx, rate=0.2, seconds=Exponential(pause))
        yield Select(ctx, Product, shared=True)
        product = ctx.get_entity(Product)
        yield NewEvent(ctx, ProductAdded, price=product.price, quantity=1, platform="ios")
        yield AddDecay(ctx, rate=0.1, seconds=Exponential(pause))
        yield NewEvent(ctx, CheckoutStarted, items=1, total=product.price)
        yield AddDecay(ctx, rate=0.05, seconds=Exponential(pause))
        yield NewEvent(
            ctx,
            OrderCompleted,
            items=1,
            total=product.price,
            mutate=[
                SetState(User, [("orders", "add", 1), ("spent", "add", product.price)]),
                SetState(Product, [("sold", "add", 1)]),
            ],
        )

    return sim


sim = make()
