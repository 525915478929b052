"""An online shop in five countries: two weeks around a sale, a million events.

    deepfaker run examples/ecommerce.py --output shop      # a million events, as Parquet
    deepfaker preview examples/ecommerce.py -n 20          # what the events look like
    python examples/ecommerce.py                           # the same as the first, by Python itself
    python docs/pictures/shop.py                           # its hours and its best-sellers, as a picture

Some things to look at on the way:

* Customers are people: name, mail address, city and country belong together, and who signs for a parcel is
  who ordered it.
* Visits follow the hours of the day and the days of the week, and come two and a half times as often in the
  sale.  One in five is a regular, comes six times as often as others, and buys more.
* Few products get most of the looks: the r-th of them about r^-0.9 as many as the first (Zipf's law).
* Sessions are flows that hold one customer; products and warehouses are shared by many at once.
* An order is born in mid-session.  From then on it has a life of its own: each event of it starts the next
  flow, hours or days later.  No flow waits for days.
* What happened decides what happens: discounts, returns (more of what was bought in the sale), reviews, the
  mail that wins customers back.
"""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta

import polars as pl

from deep_faker import (
    AddDecay,
    BaseEvent,
    Choice,
    Daily,
    Entity,
    Exponential,
    Field,
    FlowContext,
    FromFrame,
    Gamma,
    LogNormal,
    NewEvent,
    Now,
    Select,
    SetState,
    Simulation,
    StateField,
    Uniform,
    Weekly,
)
from deep_faker.people import Segments
from deep_faker.popularity import zipf_weights
from deep_faker.seasons import Window

CATALOGUE = pl.DataFrame(
    {
        "thing": [
            "running shoes", "boots", "raincoat", "dress", "coffee grinder", "saucepan", "garden hose",
            "lamp", "novel", "cookbook", "puzzle", "kite", "headphones", "e-reader",
        ],
        "category": [
            "shoes", "shoes", "clothing", "clothing", "kitchen", "kitchen", "garden", "garden",
            "books", "books", "toys", "toys", "electronics", "electronics",
        ],
        "weight": [3, 2, 2, 4, 1, 2, 1, 2, 4, 2, 2, 1, 2, 1],
    }
)  # fmt: skip
COLOURS = ["black", "white", "red", "blue", "green"]

KINDS = Segments({"guest": 0.8, "regular": 0.2})
OFF = 0.25  # in the sale

TZ = "Europe/Berlin"  # the hour in all five countries
DAY = Daily([2, 1, 1, 1, 1, 2, 4, 7, 9, 8, 8, 9, 10, 9, 8, 8, 9, 11, 13, 14, 12, 8, 5, 3], tz=TZ)
WEEK = Weekly([1, 1, 1, 1, 0.9, 1.1, 1.3], tz=TZ)
SALE = Window("2024-11-29", "2024-12-03", 2.5, tz=TZ)  # Black Friday to Cyber Monday

# ---- events: registration and login ----------------------------------------------------------------------


class CustomerRegistered(BaseEvent):
    """Somebody opens an account: name, address and mail are of one person, and of one country."""

    customer_id: str = Field(faker="shortuuid", length=10)
    name: str = Field(faker="name")
    email: str = Field(faker="email", of="name")
    city: str = Field(faker="city")
    country: str = Field(faker="current_country_code")
    birthday: date = Field(faker="date_of_birth", minimum_age=18, maximum_age=80)
    newsletter: bool = Field(faker="boolean", chance_of_getting_true=40)
    registered_at: datetime = Field(faker="now")


class LoggedIn(BaseEvent):
    """A customer opens a session."""

    customer_id: str
    platform: str
    ip: str = Field(faker="ipv4")


class LoginFailed(BaseEvent):
    """A wrong password."""

    customer_id: str
    attempt: int


# ---- events: browsing and search -------------------------------------------------------------------------


class ProductListed(BaseEvent):
    """A product goes on sale."""

    product_id: str = Field(faker="bothify", text="P-######")
    thing: str = Field(dist=FromFrame(CATALOGUE, "thing", weights="weight"))
    category: str = Field(dist=FromFrame(CATALOGUE, "category", weights="weight"), of="thing")  # the same row
    colour: str = Field(dist=Choice(COLOURS))
    title: str = Field(derive=lambda e: f"{e.colour} {e.thing}")
    price: float = Field(dist=LogNormal(3.4, 0.8), digits=2, ge=0)
    stock: int = Field(faker="random_int", min=200, max=2000)


class ProductRestocked(BaseEvent):
    """The shelf is filled again."""

    product_id: str
    quantity: int


class ProductsSearched(BaseEvent):
    """A search and the number of its results."""

    customer_id: str
    query: str = Field(dist=FromFrame(CATALOGUE, "thing", weights="weight"))
    results: int = Field(faker="random_int", min=0, max=250)


class ProductViewed(BaseEvent):
    """A look at a product's page."""

    customer_id: str
    product_id: str
    category: str
    price: float
    source: str


# ---- events: cart, checkout, payment ---------------------------------------------------------------------


class CartItemAdded(BaseEvent):
    """Something goes into the cart."""

    customer_id: str
    product_id: str
    quantity: int = Field(ge=1)
    price: float
    cart_items: int


class CartItemRemoved(BaseEvent):
    """Something is put back."""

    customer_id: str
    product_id: str
    quantity: int


class CheckoutStarted(BaseEvent):
    """The cart is on its way to the till."""

    customer_id: str
    items: int
    subtotal: float
    discount: float
    shipping: str = Field(faker="random_element", elements=["standard", "express", "pick-up"])


class PaymentFailed(BaseEvent):
    """A payment was refused."""

    customer_id: str
    amount: float
    reason: str = Field(faker="random_element", elements=["card declined", "3-D Secure", "timeout"])


class OrderPlaced(BaseEvent):
    """Paid: an order is born."""

    order_id: str = Field(faker="numerify", text="2024-########")
    customer_id: str
    recipient: str
    country: str
    items: int
    total: float
    sale: bool
    payment_method: str
    invoice: str


# ---- events: order management and fulfilment -------------------------------------------------------------


class WarehouseOpened(BaseEvent):
    """A warehouse takes up its work."""

    warehouse_id: str = Field(faker="lexify", text="WH-????", letters="ABCDEFGH")
    city: str = Field(faker="city", locale="de_DE")


class OrderPacked(BaseEvent):
    """An order lies in its parcel."""

    order_id: str
    warehouse_id: str
    parcels: int


class OrderShipped(BaseEvent):
    """A carrier has the parcel."""

    order_id: str
    warehouse_id: str
    carrier: str = Field(faker="random_element", elements=["Hermes", "Post", "Blitz"])
    tracking: str = Field(faker="bothify", text="??#########")


class DeliveryFailed(BaseEvent):
    """Nobody at home."""

    order_id: str
    attempt: int


class OrderDelivered(BaseEvent):
    """The parcel has arrived."""

    order_id: str
    signed_by: str


class OrderReturned(BaseEvent):
    """It did not fit."""

    order_id: str
    customer_id: str
    refund: float
    reason: str = Field(faker="random_element", elements=["too small", "too large", "broken", "not as shown"])


class ReviewWritten(BaseEvent):
    """An opinion on a delivered order."""

    order_id: str
    stars: int = Field(ge=1, le=5)
    text: str = Field(faker="sentence", nb_words=12, locale="en_US")


class MailSent(BaseEvent):
    """A mail of the shop's own."""

    customer_id: str
    subject: str


# ---- entities --------------------------------------------------------------------------------------------


class Customer(Entity):
    """An account and what it has done."""

    source_event = CustomerRegistered
    primary_key = "customer_id"

    name: str = StateField(from_field="name")
    country: str = StateField(from_field="country")
    newsletter: bool = StateField(from_field="newsletter")
    kind: str = StateField(draw=KINDS)  # a trait: in no event, but it shows in what they do
    activity: float = StateField(draw=KINDS.each(guest=Gamma(1.5, 0.5), regular=Gamma(3, 1.5)))
    logins: int = StateField(default=0)
    failed_logins: int = StateField(default=0)
    cart_items: int = StateField(default=0)
    orders: int = StateField(default=0)
    lifetime_value: float = StateField(default=0.0)
    last_seen: datetime | None = StateField(default=None)


class Product(Entity):
    """Something to sell."""

    source_event = ProductListed
    primary_key = "product_id"

    category: str = StateField(from_field="category")
    price: float = StateField(from_field="price")
    stock: int = StateField(from_field="stock")
    popularity: float = StateField(draw=zipf_weights(0.9))


class Warehouse(Entity):
    """Where orders are packed."""

    source_event = WarehouseOpened
    primary_key = "warehouse_id"

    packed: int = StateField(default=0)


class Order(Entity):
    """An order, from payment to review."""

    source_event = OrderPlaced
    primary_key = "order_id"

    customer_id: str = StateField(from_field="customer_id")
    recipient: str = StateField(from_field="recipient")
    total: float = StateField(from_field="total")
    items: int = StateField(from_field="items")
    sale: bool = StateField(from_field="sale")
    status: str = StateField(default="paid")
    attempts: int = StateField(default=0)


# ---- the simulation --------------------------------------------------------------------------------------

sim = Simulation(
    duration="14d",
    start_time="2024-11-25",
    time_step="10m",
    random_seed=7,
    initial_entities={Customer: 20_000, Product: 2_000, Warehouse: 12},
    locale={"de_DE": 5, "fr_FR": 4, "nl_NL": 2, "pl_PL": 2, "de_AT": 1},  # of each event, one
)


def discount(lifetime_value: float) -> float:
    """Good customers pay less."""
    return 0.1 if lifetime_value >= 1500 else 0.05 if lifetime_value >= 500 else 0.0


def log_in(ctx: FlowContext, platform: str):
    """The way into every session: up to three tries."""
    attempt = 1
    while attempt < 3 and random.random() < 0.06:
        yield NewEvent(
            ctx,
            LoginFailed,
            attempt=attempt,
            mutate=SetState(Customer, [("failed_logins", "add", 1)]),
        )
        yield AddDecay(ctx, rate=0.15, seconds=Uniform(4, 20))
        attempt += 1
    yield NewEvent(
        ctx,
        LoggedIn,
        platform=platform,
        mutate=SetState(Customer, [("logins", "add", 1), ("last_seen", "is", datetime.now())]),
    )
    yield AddDecay(ctx, rate=0.03, seconds=Uniform(1, 6))


def look_at(ctx: FlowContext, source: str):
    """Pick a product, the popular ones more often, and look at it."""
    yield Select(ctx, Product, where=[("stock", "greater_than", 0)], shared=True, weight="popularity")
    product = ctx.get_entity(Product)
    yield NewEvent(ctx, ProductViewed, category=product.category, price=product.price, source=source)
    yield AddDecay(ctx, rate=0.08, seconds=LogNormal(2.8, 0.7))


@sim.flow(rate="300/day", season=DAY * SALE)
def register(ctx: FlowContext):
    """A new customer, who looks round a little."""
    yield NewEvent(ctx, CustomerRegistered, save_entity=Customer)
    yield AddDecay(ctx, rate=0.2, seconds=Uniform(5, 40))
    yield NewEvent(ctx, LoggedIn, platform="web", mutate=SetState(Customer, [("logins", "add", 1)]))
    for _ in range(random.randint(1, 4)):
        yield AddDecay(ctx, rate=0.1, seconds=Exponential(15))
        yield from look_at(ctx, "welcome")


@sim.flow(rate="155/h", season=DAY * WEEK * SALE, filter=Select(Customer, weight="activity"))
def browse(ctx: FlowContext):
    """Look and go: most of what happens in a shop."""
    yield from log_in(ctx, random.choice(["web", "ios", "android"]))
    source = "home"
    for _ in range(8):
        if random.random() < 0.35:
            yield NewEvent(ctx, ProductsSearched)
            yield AddDecay(ctx, rate=0.1, seconds=Exponential(10))
            source = "search"
        yield from look_at(ctx, source)


@sim.flow(rate="105/h", season=DAY * WEEK * SALE, filter=Select(Customer, weight="activity"))
def shop(ctx: FlowContext):
    """Fill a cart, and perhaps pay for it."""
    customer = ctx.get_entity(Customer)
    yield from log_in(ctx, random.choices(["web", "ios", "android"], weights=[5, 3, 2])[0])

    items = 0
    subtotal = 0.0
    for _ in range(random.randint(1, 6)):
        yield from look_at(ctx, "search" if random.random() < 0.5 else "home")
        if random.random() < (0.6 if customer.kind == "regular" else 0.3):
            product = ctx.get_entity(Product)
            quantity = 1 if product.price > 50 else random.randint(1, 3)
            items += quantity
            subtotal += product.price * quantity
            yield NewEvent(
                ctx,
                CartItemAdded,
                quantity=quantity,
                price=product.price,
                cart_items=items,
                mutate=SetState(Customer, [("cart_items", "is", items)]),
            )
            yield AddDecay(ctx, rate=0.05, seconds=Exponential(12))
            if random.random() < 0.08:
                items -= quantity
                subtotal -= product.price * quantity
                yield NewEvent(
                    ctx,
                    CartItemRemoved,
                    quantity=quantity,
                    mutate=SetState(Customer, [("cart_items", "is", items)]),
                )
    if items == 0:
        return

    sale = ctx.season(SALE) > 1
    share = OFF if sale else discount(customer.lifetime_value)
    total = round(subtotal * (1 - share), 2)
    yield NewEvent(ctx, CheckoutStarted, items=items, subtotal=round(subtotal, 2), discount=share)
    yield AddDecay(ctx, rate=0.15 if sale else 0.25, seconds=Uniform(20, 120))

    tries = 0
    while random.random() < 0.07:
        tries += 1
        yield NewEvent(ctx, PaymentFailed, amount=total)
        yield AddDecay(ctx, rate=0.4, seconds=Uniform(10, 60))
        if tries == 3:
            return

    yield NewEvent(
        ctx,
        OrderPlaced,
        recipient=customer.name,
        country=customer.country,
        items=items,
        total=total,
        sale=sale,
        payment_method=random.choice(["card", "paypal", "invoice"]),
        invoice=f"{datetime.now():%Y-%m-%d} {customer.name.upper()} {total:.2f} EUR",
        save_entity=Order,
        mutate=[
            SetState(
                Customer, [("orders", "add", 1), ("lifetime_value", "add", total), ("cart_items", "is", 0)]
            ),
            SetState(Product, [("stock", "subtract", 1)]),
        ],
    )


@sim.flow(rate="1/h", filter=Select(Product, where=[("stock", "less_than", 100)]))
def restock(ctx: FlowContext):
    """Somebody goes along the shelves; where all are full, nobody does (the report counts that)."""
    yield NewEvent(ctx, ProductRestocked, quantity=1_000, mutate=SetState(Product, [("stock", "add", 1_000)]))


@sim.on(OrderPlaced, after=LogNormal(hours=3), filter=Select(Order))
def fulfil(ctx: FlowContext):
    """A warehouse packs the order, a carrier fetches it."""
    order = ctx.get_entity(Order)
    yield Select(ctx, Warehouse, shared=True)
    yield NewEvent(
        ctx,
        OrderPacked,
        parcels=1 + order.items // 6,
        mutate=[SetState(Order, [("status", "is", "packed")]), SetState(Warehouse, [("packed", "add", 1)])],
    )
    yield AddDecay(ctx, minutes=Choice([30, 60, 120], weights=[5, 3, 1]))
    yield NewEvent(ctx, OrderShipped, mutate=SetState(Order, [("status", "is", "shipped")]))


@sim.on(OrderShipped, after=Uniform(20 * 3600, 50 * 3600), filter=Select(Order))
def deliver(ctx: FlowContext):
    """The courier rings, and again the next day; after three tries in vain the parcel goes back."""
    order = ctx.get_entity(Order)
    while random.random() < 0.1:
        yield NewEvent(
            ctx,
            DeliveryFailed,
            attempt=order.attempts + 1,
            mutate=SetState(Order, [("attempts", "add", 1)]),
        )
        if order.attempts == 3:
            yield SetState(Order, [("status", "is", "lost")])
            return
        yield AddDecay(ctx, hours=Uniform(20, 28))
    yield NewEvent(
        ctx,
        OrderDelivered,
        signed_by=order.recipient,
        mutate=SetState(Order, [("status", "is", "delivered")]),
    )


@sim.on(OrderDelivered, after=LogNormal(days=2), filter=Select(Order))
def after_sales(ctx: FlowContext):
    """The customer keeps it, sends it back, or has an opinion."""
    order = ctx.get_entity(Order)
    yield Select(ctx, Customer, where=[("customer_id", "is", order.customer_id)], shared=True)
    chance = random.random()
    back = 0.24 if order.sale else 0.12  # bought in haste
    if chance < back:
        yield NewEvent(
            ctx,
            OrderReturned,
            refund=order.total,
            mutate=[
                SetState(Order, [("status", "is", "returned")]),
                SetState(Customer, [("lifetime_value", "subtract", order.total)]),
            ],
        )
    elif chance < back + 0.3:
        stars = random.choices([1, 2, 3, 4, 5], weights=[4, 4, 10, 32, 50])[0]
        yield NewEvent(
            ctx, ReviewWritten, stars=stars, mutate=SetState(Order, [("status", "is", "reviewed")])
        )
    else:
        yield SetState(Order, [("status", "is", "closed")])


@sim.flow(
    rate="20/h",
    season=DAY,
    filter=Select(
        Customer, where=[("newsletter", "is", True), ("last_seen", "<", Now() - timedelta(days=5))]
    ),
)
def win_back(ctx: FlowContext):
    """A mail to those who have not been here for five days; some come and look."""
    customer = ctx.get_entity(Customer)
    offer = "A gift for you" if customer.orders > 0 else "Your first order ships for free"
    subject = f"{offer}, {customer.name.title()}!"
    yield NewEvent(ctx, MailSent, subject=subject, mutate=SetState(Customer, [("newsletter", "is", False)]))
    yield AddDecay(ctx, rate=0.7, minutes=Exponential(15))
    yield from log_in(ctx, "web")
    yield from look_at(ctx, "mail")


if __name__ == "__main__":
    print(sim.run("shop", overwrite=True))
