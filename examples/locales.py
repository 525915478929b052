"""A shop in three locales: each customer's name, address and e-mail are of one country and of one person.

deepfaker preview examples/locales.py
deepfaker run examples/locales.py --output locales
"""

from deep_faker import (
    AddDecay,
    BaseEvent,
    Choice,
    Entity,
    Field,
    FlowContext,
    Gamma,
    LogNormal,
    NewEvent,
    Poisson,
    Select,
    Sequence,
    SetState,
    Simulation,
    StateField,
    Zipf,
)

VAT = {"United States": 0.0, "Germany": 0.19, "Japan": 0.1}


class CustomerRegistered(BaseEvent):
    """All fields without a locale of their own are of the one that the event has drawn."""

    customer_id: int = Field(dist=Sequence(100_001))
    name: str = Field(faker="name")
    first_name: str = Field(faker="first_name", of="name")
    email: str = Field(faker="email", of="name", unique=True)
    city: str = Field(faker="city")
    country: str = Field(faker="country", of="city")
    job: str = Field(faker="job")


class ProductViewed(BaseEvent):
    """What is seen most is rank 1."""

    customer_id: int
    product_rank: int = Field(dist=Zipf(1.1, size=2_000))


class OrderPlaced(BaseEvent):
    """The total follows from the other fields."""

    order_id: str = Field(faker="numerify", text="O-###########", unique=True)
    customer_id: int
    country: str
    price: float = Field(dist=LogNormal(3.2, 0.6), digits=2)
    more: int = Field(dist=Poisson(0.7))
    quantity: int = Field(derive=lambda e: e.more + 1)
    vat: float = Field(derive=lambda e: VAT[e.country])
    total: float = Field(derive=lambda e: round(e.price * e.quantity * (1 + e.vat), 2), ge=0)
    payment: str = Field(dist=Choice(["card", "paypal", "invoice"], weights=[6, 3, 1]))


class Customer(Entity):
    """Knows what it has spent so far."""

    source_event = CustomerRegistered
    primary_key = "customer_id"
    country: str = StateField(from_field="country")
    orders: int = StateField(default=0)
    spent: float = StateField(default=0.0)


sim = Simulation(
    duration="7d",
    start_time="2024-01-01",
    time_step="1m",
    n_flows=40,
    random_seed=7,
    initial_entities={Customer: 500},
    locale={"en_US": 3, "de_DE": 2, "ja_JP": 1},
)


@sim.flow(initiation_weight=1)
def register(ctx: FlowContext):
    """A new customer looks at something first."""
    yield NewEvent(ctx, CustomerRegistered, save_entity=Customer)
    yield AddDecay(ctx, rate=0.3, seconds=Gamma(2, scale=30))
    yield NewEvent(ctx, ProductViewed)


@sim.flow(initiation_weight=8, filter=Select(Customer))
def shop(ctx: FlowContext):
    """Views, and now and then an order."""
    customer = ctx.get_entity(Customer)
    yield NewEvent(ctx, ProductViewed)
    yield AddDecay(ctx, rate=0.6, minutes=Gamma(2, scale=1))
    yield NewEvent(
        ctx,
        OrderPlaced,
        country=customer.country,
        mutate=SetState(
            Customer, [("orders", "add", 1), ("spent", "add", ctx.current_event_data.get("total"))]
        ),
    )
    yield AddDecay(ctx, minutes=Gamma(2, scale=1))


if __name__ == "__main__":
    print(sim.explain())
