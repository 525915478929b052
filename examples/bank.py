"""A bank: payments of four months, three kinds of fraud, what investigators find of it, and when.

    deepfaker run examples/bank.py --output bank    # events, labels, truth/anomalies
    python examples/bank.py                         # how much of the fraud is found out, and how soon

Some things to look at on the way:

* Accounts differ: each pays at a rate of its own, and sums of its own, which follow the day and the week.
* A *ring* sends money round in a circle of four accounts.  A *bot* tries stolen cards with small sums, in
  bursts.  A *takeover* empties one account by night.
* The world drifts: payments move from the shop to the net, and takeovers become three times as many.
* `Labels` is what a bank knows: some fraud is never reported, some verdicts are wrong, and investigators have
  time for 25 cases a day.  That is enough but for one burst, until April: then labels come ever later.
  `truth/anomalies` has it all.
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
    Gamma,
    LogNormal,
    NewEvent,
    Select,
    SetState,
    Simulation,
    StateField,
    Weekly,
)
from deep_faker.arrivals import Hawkes
from deep_faker.defects import Labels
from deep_faker.people import Correlated
from deep_faker.popularity import zipf_weights
from deep_faker.seasons import Drift

DAY = 86_400
TZ = "Europe/Berlin"
HOURS = Daily([1, 1, 1, 1, 1, 2, 5, 9, 10, 10, 11, 13, 14, 12, 11, 11, 13, 15, 14, 10, 7, 5, 3, 2], tz=TZ)
NIGHT = Daily([4, 5, 6, 6, 4, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 4], tz=TZ)
WEEK = Weekly([0.9, 0.9, 1, 1, 1.2, 1.3, 0.7], tz=TZ)
TO_THE_NET = Drift("2024-03-01", 2, kind="gradual", width="30d")  # of a quarter of all payments
MORE_TAKEOVERS = Drift("2024-04-01", 3)

# who pays often has more to spend: each has its own distribution, and the ranks go together
TRAITS = Correlated(
    {"payments": Gamma(3, 0.16), "usual": LogNormal(3.1, 0.5)}, correlation=[[1.0, 0.4], [0.4, 1.0]]
)

# ---- events ------------------------------------------------------------------------------------------------


class AccountOpened(BaseEvent):
    """Somebody becomes a customer."""

    account_id: str = Field(faker="bothify", text="DE##########")
    name: str = Field(faker="name")
    city: str = Field(faker="city")
    income: float = Field(dist=LogNormal(7.9, 0.4), digits=2)


class MerchantJoined(BaseEvent):
    """Somebody takes cards."""

    merchant_id: str = Field(faker="bothify", text="M-#####")
    name: str = Field(faker="company")
    category: str = Field(
        dist=Choice(["food", "travel", "fashion", "games", "fuel"], weights=[5, 1, 3, 2, 2])
    )


class SalaryReceived(BaseEvent):
    """Once a month."""

    account_id: str
    amount: float


class Paid(BaseEvent):
    """A payment by card."""

    account_id: str
    merchant_id: str
    amount: float
    channel: str


class Declined(BaseEvent):
    """A payment that the account could not bear."""

    account_id: str
    merchant_id: str
    amount: float


class Transferred(BaseEvent):
    """From one account to another."""

    account_id: str
    to_account: str
    amount: float


# ---- entities ----------------------------------------------------------------------------------------------


class Account(Entity):
    """What the bank knows of it, and what it does not."""

    source_event = AccountOpened
    primary_key = "account_id"

    income: float = StateField(from_field="income")
    balance: float = StateField(from_field="income")
    payments: float = StateField(draw=TRAITS["payments"])  # a day
    usual: float = StateField(draw=TRAITS["usual"])  # the sum that it pays, in the median
    mule: float = StateField(draw=Gamma(0.05, 20), latent=True)  # how willing to lend a ring the account


class Merchant(Entity):
    """Few have most of the customers."""

    source_event = MerchantJoined
    primary_key = "merchant_id"

    category: str = StateField(from_field="category")
    popularity: float = StateField(draw=zipf_weights(0.8))


# ---- the simulation ----------------------------------------------------------------------------------------

sim = Simulation(
    duration="120d",
    start_time="2024-01-01",
    time_step="15m",
    random_seed=7,
    initial_entities={Account: 3_000, Merchant: 300},
    locale="de_DE",
    labels=Labels(
        {"ring": "ring", "bot": "stolen card", "takeover": "takeover"},
        events=[Paid, Transferred],
        delay=LogNormal(days=3),
        capacity=25,
        missed=0.15,
        false_alarms=0.0005,
        wrong=0.03,
    ),
)


@sim.flow(filter=Select(Account), rate=lambda account: account.payments / DAY, season=HOURS * WEEK)
def pay(ctx: FlowContext):
    """At a merchant, the popular ones more often; in the shop, or on the net."""
    account = ctx.get_entity(Account)
    yield Select(ctx, Merchant, shared=True, weight="popularity")
    channel = "net" if random.random() < 0.25 * ctx.season(TO_THE_NET) else "shop"
    amount = round(account.usual * random.lognormvariate(0.0, 0.7), 2)
    if amount > account.balance:
        yield NewEvent(ctx, Declined, amount=amount)
        return
    yield NewEvent(
        ctx, Paid, amount=amount, channel=channel, mutate=SetState(Account, [("balance", "subtract", amount)])
    )


@sim.flow(filter=Select(Account), every="30d")
def salary(ctx: FlowContext):
    """Payday."""
    account = ctx.get_entity(Account)
    amount = account.income
    yield NewEvent(ctx, SalaryReceived, amount=amount, mutate=SetState(Account, [("balance", "add", amount)]))


@sim.flow(rate="200/day", season=HOURS)
def transfer(ctx: FlowContext):
    """An honest one."""
    both = yield Select(ctx, Account, n=2, shared=True)
    sender = both[0].account_id
    amount = round(both[0].usual * random.lognormvariate(1.0, 0.8), 2)
    for account in both:  # each is the flow's account in its turn
        if account.account_id == sender:
            yield SetState(Account, [("balance", "subtract", amount)])
        else:
            yield NewEvent(
                ctx,
                Transferred,
                account_id=sender,
                to_account=account.account_id,
                amount=amount,
                mutate=SetState(Account, [("balance", "add", amount)]),
            )


@sim.flow(rate="2/day")
def ring(ctx: FlowContext):
    """Money in a circle of four, of which each keeps a little."""
    mules = yield Select(ctx, Account, n=4, shared=True, weight="mule")
    amount = random.uniform(400, 2_000)
    sender = mules[3].account_id
    for mule in mules:
        kept = amount * 0.03
        yield NewEvent(
            ctx,
            Transferred,
            account_id=sender,
            to_account=mule.account_id,
            amount=round(amount, 2),
            mutate=SetState(Account, [("balance", "add", kept)]),
        )
        sender = mule.account_id
        amount -= kept
        yield AddDecay(ctx, hours=Exponential(2))


@sim.flow(rate=Hawkes("1/day", branching=0.85, after=Exponential(minutes=4)))
def bot(ctx: FlowContext):
    """Cards of a stolen list, one after the other, with sums that nobody looks at."""
    yield Select(ctx, Account, shared=True)
    yield Select(ctx, Merchant, where=[("category", "is", "games")], shared=True, weight="popularity")
    yield NewEvent(ctx, Paid, amount=round(random.uniform(0.5, 3.0), 2), channel="net")


@sim.flow(filter=Select(Account), rate="2/day", season=NIGHT * MORE_TAKEOVERS)
def takeover(ctx: FlowContext):
    """Somebody else has the password: five large payments in an hour."""
    account = ctx.get_entity(Account)
    for _ in range(5):
        yield Select(ctx, Merchant, where=[("category", "is_not", "food")], shared=True)
        amount = round(account.balance * random.uniform(0.1, 0.4), 2)
        yield NewEvent(
            ctx,
            Paid,
            amount=amount,
            channel="net",
            mutate=SetState(Account, [("balance", "subtract", amount)]),
        )
        yield AddDecay(ctx, rate=0.1, minutes=Exponential(12))


def known_after(ds: Dataset) -> pl.DataFrame:
    """Of each kind of fraud: its events, the share that is found out, and in how many days, in the median."""
    found = ds.labels.filter("anomaly").select("sys__eid", "known_at")
    days = (pl.col("known_at") - pl.col("sys__time")).dt.total_seconds() / DAY
    return (
        ds.anomalies.join(found, on="sys__eid", how="left")
        .group_by("kind")
        .agg(events=pl.len(), found=pl.col("known_at").count() / pl.len(), days=days.median())
        .sort("kind")
    )


if __name__ == "__main__":
    print(known_after(sim.collect()))
