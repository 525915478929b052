"""A stock exchange seen from a broker: prices move, people trade, portfolios change, risk looks on.

    deepfaker run examples/trading.py --output trading
    deepfaker explain examples/trading.py

Things to look at:

* Prices are a random walk that lives in the state of each instrument; every flow sees the same price.
* A position is an entity of its own, opened by a buy and closed by a sale, perhaps days later.
* Risk is nobody's timer: accounts that went too far are found by their state, and a margin call decides what
  they may do next.
"""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta

from deep_faker import (
    AddDecay,
    BaseEvent,
    Choice,
    Entity,
    Exponential,
    Field,
    FlowContext,
    LogNormal,
    NewEvent,
    Normal,
    Now,
    Select,
    SetState,
    Simulation,
    StateField,
    Uniform,
)

FEE = 0.0005  # of the turnover

# ---- market data -------------------------------------------------------------------------------------------


class InstrumentListed(BaseEvent):
    """A share is admitted to trading."""

    symbol: str = Field(faker="lexify", text="????", letters="ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    company: str = Field(faker="company")
    sector: str = Field(faker="random_element", elements=["energy", "banks", "health", "software", "retail"])
    price: float = Field(faker="pyfloat", min_value=5.0, max_value=300.0, right_digits=2)
    volatility: float = Field(faker="pyfloat", min_value=0.0005, max_value=0.004, right_digits=5)


class Quote(BaseEvent):
    """Bid and ask of an instrument."""

    symbol: str
    bid: float
    ask: float
    volume: int = Field(faker="random_int", min=100, max=20_000)


class TradingHalted(BaseEvent):
    """An instrument moved too fast."""

    symbol: str
    move: float
    reason: str


class TradingResumed(BaseEvent):
    """The halt is over."""

    symbol: str
    price: float


# ---- accounts and trading ----------------------------------------------------------------------------------


class AccountOpened(BaseEvent):
    """A trader brings money."""

    account_id: str = Field(faker="bothify", text="AC-########")
    owner: str = Field(faker="name")
    profile: str = Field(faker="random_element", elements=["cautious", "balanced", "daring"])
    deposit: float = Field(faker="pyfloat", min_value=2_000.0, max_value=100_000.0, right_digits=2)
    opened_at: datetime = Field(faker="now")


class SessionOpened(BaseEvent):
    """A trader logs in."""

    account_id: str
    channel: str = Field(faker="random_element", elements=["app", "web", "phone"])


class OrderPlaced(BaseEvent):
    """An order reaches the book."""

    account_id: str
    symbol: str
    order_no: str = Field(faker="shortuuid", length=12)
    side: str
    kind: str
    quantity: int = Field(ge=1)
    limit: float | None


class OrderRejected(BaseEvent):
    """An order was refused."""

    account_id: str
    symbol: str
    reason: str


class TradeExecuted(BaseEvent):
    """A buy became a position."""

    position_id: str = Field(faker="shortuuid", length=10)
    account_id: str
    symbol: str
    quantity: int
    price: float
    fee: float


class PositionClosed(BaseEvent):
    """A position was sold."""

    position_id: str
    account_id: str
    symbol: str
    quantity: int
    price: float
    profit: float
    held_hours: float


# ---- portfolio and risk ------------------------------------------------------------------------------------


class PortfolioValued(BaseEvent):
    """The evening statement of an account."""

    account_id: str
    cash: float
    invested: float
    realised: float
    rating: str


class RiskAlert(BaseEvent):
    """An account went too far."""

    account_id: str
    level: str
    loss: float
    message: str


class MarginCalled(BaseEvent):
    """Pay, or be closed."""

    account_id: str
    amount: float
    deadline: datetime


class DepositReceived(BaseEvent):
    """Money came in."""

    account_id: str
    amount: float


class AccountSuspended(BaseEvent):
    """Nobody paid."""

    account_id: str


# ---- entities ----------------------------------------------------------------------------------------------


class Instrument(Entity):
    """A share and its last price."""

    source_event = InstrumentListed
    primary_key = "symbol"

    price: float = StateField(from_field="price", type_=float)
    open_price: float = StateField(from_field="price", type_=float)
    volatility: float = StateField(from_field="volatility", type_=float)
    status: str = StateField(default="trading", type_=str)
    interest: float = StateField(default=1.0, type_=float)


class Account(Entity):
    """A trader's money."""

    source_event = AccountOpened
    primary_key = "account_id"

    profile: str = StateField(from_field="profile", type_=str)
    deposit: float = StateField(from_field="deposit", type_=float)
    cash: float = StateField(from_field="deposit", type_=float)
    invested: float = StateField(default=0.0, type_=float)
    realised: float = StateField(default=0.0, type_=float)
    trades: int = StateField(default=0, type_=int)
    status: str = StateField(default="open", type_=str)
    valued_at: datetime | None = StateField(default=None, type_=datetime)
    deadline: datetime | None = StateField(default=None, type_=datetime)


class Position(Entity):
    """Shares of one instrument, bought at one price."""

    source_event = TradeExecuted
    primary_key = "position_id"

    account_id: str = StateField(from_field="account_id", type_=str)
    symbol: str = StateField(from_field="symbol", type_=str)
    quantity: int = StateField(from_field="quantity", type_=int)
    price: float = StateField(from_field="price", type_=float)
    opened: datetime | None = StateField(default=None, type_=datetime)
    status: str = StateField(default="open", type_=str)


# ---- the simulation ----------------------------------------------------------------------------------------

sim = Simulation(
    duration="5d",
    start_time="2024-06-03T08:00:00",
    time_step="30s",
    n_flows=120,
    random_seed=7,
    initial_entities={Instrument: 400, Account: 5_000},
)


def cents(amount: float) -> float:
    """Money has two digits."""
    return round(amount, 2)


def rating(realised: float, deposit: float) -> str:
    """How an account is doing, in a word."""
    gain = realised / deposit
    return "gold" if gain > 0.05 else "good" if gain >= 0 else "weak" if gain > -0.2 else "critical"


def pick_instrument(ctx: FlowContext):
    """An instrument that is traded now; those that people talk about more often."""
    yield Select(ctx, Instrument, where=[("status", "is", "trading")], shared=True, weight="interest")


@sim.flow(initiation_weight=10.0, filter=Select(Instrument, where=[("status", "is", "trading")]))
def quotes(ctx: FlowContext):
    """A minute of an instrument's life: a random walk in its logarithm, halted when it runs away."""
    share = ctx.get_entity(Instrument)
    for _ in range(random.randint(4, 12)):
        step = math.exp(random.gauss(0.0, share.volatility))
        price = max(0.01, cents(share.price * step))
        spread = max(0.01, cents(price * 0.0008))
        yield NewEvent(
            ctx,
            Quote,
            bid=cents(price - spread / 2),
            ask=cents(price + spread / 2),
            mutate=SetState(Instrument, [("price", "is", price)]),
        )
        yield AddDecay(ctx, rate=0.0, seconds=Exponential(6))

    move = share.price / share.open_price - 1
    if abs(move) > 0.08:
        direction = "up" if move > 0 else "down"
        yield NewEvent(
            ctx,
            TradingHalted,
            move=round(move, 4),
            reason=f"{abs(move) * 100:.1f} % {direction}",
            mutate=SetState(Instrument, [("status", "is", "halted"), ("interest", "multiply", 1.5)]),
        )
        yield AddDecay(ctx, rate=0.0, minutes=Choice([5, 10, 15], weights=[3, 2, 1]))
        yield NewEvent(
            ctx,
            TradingResumed,
            price=share.price,
            mutate=SetState(Instrument, [("status", "is", "trading"), ("open_price", "is", share.price)]),
        )


@sim.flow(initiation_weight=0.05)
def open_account(ctx: FlowContext):
    """A new trader."""
    yield NewEvent(ctx, AccountOpened, save_entity=Account)
    yield AddDecay(ctx, rate=0.1, minutes=Uniform(1, 5))
    yield NewEvent(ctx, SessionOpened)


@sim.flow(
    initiation_weight=5.0, filter=Select(Account, where=[("status", "is", "open"), ("cash", ">", 500.0)])
)
def buy(ctx: FlowContext):
    """Log in, look, and buy some shares."""
    account = ctx.get_entity(Account)
    yield NewEvent(ctx, SessionOpened)
    yield AddDecay(ctx, rate=0.15, seconds=LogNormal(3.0, 0.6))

    share_of_cash = 0.05 if account.profile == "cautious" else 0.12 if account.profile == "balanced" else 0.3
    for _ in range(3):
        yield from pick_instrument(ctx)
        share = ctx.get_entity(Instrument)
        if not share:
            return
        budget = account.cash * share_of_cash * random.uniform(0.3, 1.0)
        quantity = int(budget / share.price)
        if quantity < 1:
            yield NewEvent(ctx, OrderRejected, reason="too dear")
            return
        limited = random.random() < 0.4
        yield NewEvent(
            ctx,
            OrderPlaced,
            side="buy",
            kind="limit" if limited else "market",
            quantity=quantity,
            limit=cents(share.price * 0.998) if limited else None,
        )
        yield AddDecay(ctx, rate=0.0, seconds=Exponential(40 if limited else 1))
        if limited and random.random() < 0.35:
            yield NewEvent(ctx, OrderRejected, reason="limit not reached")
        else:
            cost = cents(share.price * quantity)
            fee = cents(max(1.0, cost * FEE))
            yield NewEvent(
                ctx,
                TradeExecuted,
                quantity=quantity,
                price=share.price,
                fee=fee,
                save_entity=Position,
                mutate=[
                    SetState(Position, [("opened", "is", datetime.now())]),
                    SetState(
                        Account,
                        [("cash", "subtract", cost + fee), ("invested", "add", cost), ("trades", "add", 1)],
                    ),
                    SetState(Instrument, [("interest", "add", 0.05), ("price", "multiply", 1.0001)]),
                ],
            )
        yield AddDecay(ctx, rate=0.5, seconds=Normal(60, 20))


@sim.flow(
    initiation_weight=4.0,
    filter=Select(Position, where=[("status", "is", "open"), ("opened", "<", Now() - timedelta(hours=2))]),
)
def sell(ctx: FlowContext):
    """A position that has been held for a while is looked at, and perhaps sold."""
    position = ctx.get_entity(Position)
    yield Select(ctx, Instrument, where=[("symbol", "is", position.symbol)], shared=True)
    yield Select(ctx, Account, where=[("account_id", "is", position.account_id)], shared=True)
    share = ctx.get_entity(Instrument)
    yield NewEvent(ctx, SessionOpened)
    yield AddDecay(ctx, rate=0.1, seconds=LogNormal(3.2, 0.5))

    gain = share.price / position.price - 1
    if random.random() < (0.8 if gain > 0.02 else 0.5 if gain < -0.05 else 0.15):
        proceeds = cents(share.price * position.quantity)
        cost = cents(position.price * position.quantity)
        yield NewEvent(
            ctx,
            OrderPlaced,
            side="sell",
            kind="market",
            quantity=position.quantity,
            limit=None,
        )
        yield AddDecay(ctx, rate=0.0, seconds=Exponential(1))
        yield NewEvent(
            ctx,
            PositionClosed,
            quantity=position.quantity,
            price=share.price,
            profit=cents(proceeds - cost),
            held_hours=round((datetime.now() - position.opened).total_seconds() / 3600, 2),
            mutate=[
                SetState(Position, [("status", "is", "closed")]),
                SetState(
                    Account,
                    [
                        ("cash", "add", proceeds),
                        ("invested", "subtract", cost),
                        ("realised", "add", proceeds - cost),
                        ("trades", "add", 1),
                    ],
                ),
                SetState(Instrument, [("price", "multiply", 0.9999)]),
            ],
        )


def value_portfolio(ctx: FlowContext):
    """Value one account; a loss that is too large becomes an alert."""
    account = ctx.get_entity(Account)
    word = rating(account.realised, account.deposit)
    yield NewEvent(
        ctx,
        PortfolioValued,
        cash=cents(account.cash),
        invested=cents(account.invested),
        realised=cents(account.realised),
        rating=word,
        mutate=SetState(Account, [("valued_at", "is", datetime.now())]),
    )
    loss = -account.realised / account.deposit
    if loss > 0.01:
        level = "high" if loss > 0.05 else "low"
        yield AddDecay(ctx, rate=0.0, seconds=Uniform(1, 5))
        yield NewEvent(
            ctx,
            RiskAlert,
            level=level,
            loss=round(loss, 4),
            message=f"{word}: {account.profile} account lost {loss * 100:.1f} %",
            mutate=SetState(Account, [("status", "is", "watched" if level == "high" else account.status)]),
        )


@sim.flow(initiation_weight=1.0, filter=Select(Account, where=[("trades", ">", 0), ("valued_at", "is_null")]))
def first_statement(ctx: FlowContext):
    """The first statement of an account that has traded."""
    yield from value_portfolio(ctx)


@sim.flow(
    initiation_weight=1.0, filter=Select(Account, where=[("valued_at", "<", Now() - timedelta(hours=24))])
)
def daily_statement(ctx: FlowContext):
    """Another statement every day."""
    yield from value_portfolio(ctx)


@sim.flow(initiation_weight=1.0, filter=Select(Account, where=[("status", "is", "watched")]))
def margin_call(ctx: FlowContext):
    """A watched account must pay in by a deadline."""
    account = ctx.get_entity(Account)
    deadline = datetime.now() + timedelta(hours=8)
    yield NewEvent(
        ctx,
        MarginCalled,
        amount=cents(-account.realised),
        deadline=deadline,
        mutate=SetState(Account, [("status", "is", "called"), ("deadline", "is", deadline)]),
    )
    yield AddDecay(ctx, rate=0.4, hours=Uniform(0.2, 2))
    amount = cents(-account.realised * random.uniform(1.0, 2.0))
    yield NewEvent(
        ctx,
        DepositReceived,
        amount=amount,
        mutate=SetState(Account, [
            ("cash", "add", amount),
            ("deposit", "add", amount),
            ("realised", "is", 0.0),
            ("status", "is", "open"),
        ]),
    )  # fmt: skip


@sim.flow(
    initiation_weight=1.0,
    filter=Select(Account, where=[("status", "is", "called"), ("deadline", "<", Now())]),
)
def suspend(ctx: FlowContext):
    """The deadline has passed."""
    yield NewEvent(ctx, AccountSuspended, mutate=SetState(Account, [("status", "is", "suspended")]))


if __name__ == "__main__":
    print(sim.run("trading", overwrite=True))
