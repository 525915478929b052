"""The independent checker proves runs right by their files alone, and finds every file that lies."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from deep_faker import AddDecay, Choice, NewEvent, Select, SetState, Simulation
from deep_faker.loader import load_simulation
from tests.support import checker
from tests.support.checker import Birth, Broken, Change, Use, World
from tests.support.places import ROOT
from tests.support.worlds.contract_world import Entered, Joined, Opened, Room, User, Visited, simulation

both = pytest.mark.parametrize("engine", ["vectorized", "reference"])

# ---------------------------------------------------------------- the shop


def _customer(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": row["name"], "country": row["country"], "newsletter": row["newsletter"], "logins": 0,
        "failed_logins": 0, "orders": 0,
    }  # fmt: skip


def _product(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("category", "price", "stock")}


def _order(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("customer_id", "recipient", "total", "items", "sale")} | {
        "attempts": 0
    }


CUSTOMER_EVENTS = "LoginFailed LoggedIn ProductsSearched CartItemAdded CartItemRemoved CheckoutStarted PaymentFailed MailSent"
ORDER_EVENTS = "OrderPacked OrderShipped DeliveryFailed OrderDelivered OrderReturned ReviewWritten"

SHOP = World(
    births=(
        Birth("CustomerRegistered", "Customer", _customer),
        Birth("ProductListed", "Product", _product),
        Birth("WarehouseOpened", "Warehouse", lambda row: {"packed": 0}),
        Birth("OrderPlaced", "Order", _order),
    ),
    uses=(
        *(Use(event, "customer_id", "Customer") for event in CUSTOMER_EVENTS.split()),
        Use("OrderPlaced", "customer_id", "Customer"),
        Use("OrderReturned", "customer_id", "Customer", shared=True),
        Use("ProductViewed", "product_id", "Product", shared=True),
        Use("CartItemAdded", "product_id", "Product", shared=True),
        Use("OrderPacked", "warehouse_id", "Warehouse", shared=True),
        *(Use(event, "order_id", "Order") for event in ORDER_EVENTS.split()),
    ),
    changes=(
        Change("LoggedIn", "customer_id", "Customer", "logins", "add", 1),
        Change("LoginFailed", "customer_id", "Customer", "failed_logins", "add", 1),
        Change("OrderPlaced", "customer_id", "Customer", "orders", "add", 1),
        Change("MailSent", "customer_id", "Customer", "newsletter", "is", value=False),
        Change("OrderPacked", "warehouse_id", "Warehouse", "packed", "add", 1),
        Change("DeliveryFailed", "order_id", "Order", "attempts", "add", 1),
    ),
    from_start=frozenset({"Customer", "Order"}),
    bare=frozenset({"Product"}),  # an order names no product whose stock it lowers
)


# ---------------------------------------------------------------- a world whose every change can be replayed

ROOMS = World(
    births=(
        Birth("Joined", "User", lambda row: {"age": row["age"], "visits": 0, "money": 0.0, "mood": "calm"}),
        Birth("Opened", "Room", lambda row: {"size": 1, "uses": 0}),
    ),
    uses=(
        Use("Visited", "user_id", "User"),
        Use("Entered", "user_id", "User"),
        Use("Entered", "room_id", "Room"),
    ),
    changes=(
        Change("Visited", "user_id", "User", "visits", "add", 1),
        Change("Entered", "user_id", "User", "mood", "is", "busy"),
        Change("Entered", "user_id", "User", "money", "subtract", 2.5),
        Change("Entered", "room_id", "Room", "uses", "add", 1),
        Change("Entered", "room_id", "Room", "size", "max", 3),
    ),
    from_start=frozenset({"User"}),
)


def rooms(**settings: Any) -> Simulation:
    """Users who come and go, and take a room for a while."""
    sim = simulation(
        **{
            "duration": "2m",
            "n_flows": 8,
            "initial_entities": {User: 40, Room: 3},
            "time_step": "2s",
            **settings,
        }
    )

    @sim.flow(initiation_weight=0.2)
    def join(ctx):
        yield AddDecay(ctx, rate=0.1, seconds=Choice([0, 0.5, 3]))
        yield NewEvent(ctx, Joined, save_entity=User)
        yield AddDecay(ctx, rate=0.1, seconds=1)

    @sim.flow(initiation_weight=0.02)
    def build(ctx):
        yield NewEvent(ctx, Opened, save_entity=Room)

    @sim.flow(filter=Select(User))
    def visit(ctx):
        yield NewEvent(ctx, Visited, mutate=SetState(User, [("visits", "add", 1)]))
        yield AddDecay(ctx, rate=0.3, seconds=Choice([0, 1, 5]))
        yield Select(ctx, Room)
        yield NewEvent(
            ctx,
            Entered,
            mutate=[
                SetState(User, [("mood", "is", "busy"), ("money", "subtract", 2.5)]),
                SetState(Room, [("uses", "add", 1), ("size", "max", 3)]),
            ],
        )
        yield AddDecay(ctx, rate=0.0, seconds=Choice([0, 1, 6]))

    return sim


@pytest.mark.slow
@both
@pytest.mark.parametrize("on_end", ["finish", "cut"])
@pytest.mark.parametrize("layout", ["parquet", "jsonl"])
def test_rooms_are_proved(on_end, layout, engine, tmp_path):
    """Exclusive use, foreign keys, n_flows, history and final state: all replayed from the events."""
    rooms(on_end=on_end).run(tmp_path / "out", engine=engine, history=True, format=layout)
    files = checker.check(tmp_path / "out", ROOMS, seed=11)
    assert sum(frame.height for frame in files.events.values()) > 300
    assert files.history["User"].height > files.entities["User"].height + 100
    assert "no_entity" in set(files.sessions["outcome"])


@pytest.mark.parametrize("step", ["250ms", "10s", "1m"])
def test_rooms_are_proved_at_every_resolution(step, tmp_path):
    rooms(time_step=step, n_flows=30).run(tmp_path / "out", history=True)
    checker.check(tmp_path / "out", ROOMS)


TRADING = World(
    births=(
        Birth("InstrumentListed", "Instrument", lambda row: {"volatility": row["volatility"]}),
        Birth("AccountOpened", "Account", lambda row: {"profile": row["profile"], "trades": 0}),
        Birth(
            "TradeExecuted",
            "Position",
            lambda row: {n: row[n] for n in ("account_id", "symbol", "quantity", "price")},
        ),
    ),
    uses=(
        *(Use(event, "symbol", "Instrument") for event in ("Quote", "TradingHalted", "TradingResumed")),
        *(
            Use(event, "symbol", "Instrument", shared=True)
            for event in ("OrderPlaced", "OrderRejected", "TradeExecuted", "PositionClosed")
        ),
        *(
            Use(event, "account_id", "Account", shared=True)
            for event in ("SessionOpened", "OrderPlaced", "PositionClosed")
        ),
        *(
            Use(event, "account_id", "Account")
            for event in "OrderRejected TradeExecuted PortfolioValued RiskAlert MarginCalled DepositReceived".split()
        ),
        Use("TradeExecuted", "position_id", "Position"),
        Use("PositionClosed", "position_id", "Position"),
    ),
    changes=(
        Change("TradeExecuted", "account_id", "Account", "trades", "add", 1),
        Change("PositionClosed", "account_id", "Account", "trades", "add", 1),
    ),
    from_start=frozenset({"Account", "Instrument"}),
    released=frozenset({"Position"}),  # a buyer takes up to three, one after the other
)


@pytest.mark.slow
@both
@pytest.mark.parametrize(
    ("example", "world", "duration", "whole"),
    [("ecommerce", SHOP, "8h", "Warehouse"), ("trading", TRADING, "3h", "")],
)
def test_the_examples_are_proved(example, world, duration, whole, engine, tmp_path):
    """Shortened: sessions, holds, keys and states of whole numbers; the whole history where events say it all."""
    sim = load_simulation(str(ROOT / "examples" / f"{example}.py"))
    sim.change(duration=duration, n_flows=12)
    sim.change(initial_entities={entity: min(count, 100) for entity, count in sim.initial_entities.items()})
    sim.run(tmp_path / "out", engine=engine, history=True)
    checker.check_manifest(tmp_path / "out")
    files = checker.load(tmp_path / "out")
    for prove in (checker.check_order, checker.check_unique, checker.check_limit):
        prove(files)
    for prove_by in (
        checker.check_sessions,
        checker.check_births,
        checker.check_uses,
        checker.check_exclusive,
        checker.check_final_state,
    ):
        prove_by(files, world)
    if whole:
        checker.check_history(replace(files, history={whole: files.history[whole]}), world)
    assert sum(frame.height for frame in files.events.values()) > 1_500


# ---------------------------------------------------------------- the checker can fail


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of `rooms` that is right."""
    folder: Path = tmp_path_factory.mktemp("checked") / "out"
    rooms().run(folder, history=True)
    checker.check(folder, ROOMS)
    return folder


def _file(folder: Path, table: str) -> Path:
    return folder / table / "part-00000.parquet"


def edited(change: Callable[[pl.DataFrame], pl.DataFrame], table: str) -> Callable[[Path], None]:
    """A change of one table, sealed with a manifest that agrees."""

    def lie(folder: Path) -> None:
        frame = pl.read_parquet(_file(folder, table))
        after = change(frame)
        assert not after.equals(frame)
        after.write_parquet(_file(folder, table))
        checker.seal(folder)

    return lie


def row(number: int, **values: Any) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Other values in one row."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        at = pl.int_range(pl.len()) == number % frame.height
        return frame.with_columns(
            pl.when(at).then(pl.lit(value).cast(frame.schema[name])).otherwise(pl.col(name)).alias(name)
            for name, value in values.items()
        )

    return change


def _torn(folder: Path) -> None:
    path = _file(folder, "events/Visited")
    path.write_bytes(path.read_bytes()[:-100])


def _extra(folder: Path) -> None:
    shutil.copy(_file(folder, "events/Visited"), folder / "events" / "Visited" / "part-00001.parquet")


def _hold_twice(frame: pl.DataFrame) -> pl.DataFrame:
    """A session takes the user of another one that has not ended."""
    holders = frame.with_row_index().filter(pl.col("User").list.len() > 0)
    pairs = holders.join(holders, how="cross", suffix="_of")
    pairs = pairs.filter(
        (pl.col("index") > pl.col("index_of"))
        & (pl.col("started") < pl.col("ended_of"))
        & (pl.col("User") != pl.col("User_of"))
    )
    number, own, other = pairs.select("index", "User", "User_of").row(0)
    at = pl.int_range(pl.len()) == number
    return frame.with_columns(User=pl.when(at).then(pl.lit([*own, *other])).otherwise(pl.col("User")))


LIES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a torn file": (_torn, "manifest"),
    "a file too many": (_extra, "manifest"),
    "a row too few": (edited(lambda f: f.head(f.height - 1), "events/Visited"), "sessions"),
    "a row too many": (edited(lambda f: pl.concat([f, f.tail(1)]), "events/Visited"), "unique"),
    "rows in another order": (edited(lambda f: f.reverse(), "events/Entered"), "order"),
    "an unknown key": (edited(row(3, user_id="nobody"), "events/Visited"), "uses"),
    "a key too many": (edited(row(2, room_id="R-none"), "entities/Room"), "births"),
    "a key twice": (edited(lambda f: pl.concat([f, f.head(1)]), "entities/User"), "unique"),
    "an entity that is missing": (edited(lambda f: f.head(f.height - 1), "entities/User"), "births"),
    "an event out of its session": (
        edited(row(-1, sys__ets=1_715_939_999_000), "events/Visited"),
        "sessions",
    ),
    "an unknown session": (edited(row(5, sys__sid="somebody"), "events/Visited"), "sessions"),
    "a duplicated hold": (edited(_hold_twice, "sessions"), "exclusive"),
    "flows without limit": (
        edited(lambda f: f.with_columns(started=pl.col("started").min()), "sessions"),
        "limit",
    ),
    "another outcome": (edited(row(4, outcome="lost"), "sessions"), "sessions"),
    "a version at another place": (edited(row(3, sys__order=10**9), "history/User"), "history"),
    "events at other instants": (
        edited(lambda f: f.with_columns(pl.col("sys__time") + pl.duration(seconds=1)), "events/Visited"),
        "places",
    ),
    "a version that is missing": (edited(lambda f: f.slice(1), "history/User"), "history"),
    "a version that does not follow": (edited(row(3, visits=77), "history/User"), "history"),
    "another final state": (edited(row(0, visits=77), "entities/User"), "history"),
    "another final room": (edited(row(0, uses=-1), "entities/Room"), "history"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LIES)
def test_the_checker_finds(name, whole, tmp_path):
    """Each lie is found, by the check that is for it."""
    lie, found_by = LIES[name]
    folder = tmp_path / "out"
    shutil.copytree(whole, folder)
    lie(folder)
    with pytest.raises(Broken) as caught:
        checker.check(folder, ROOMS)
    assert str(caught.value).startswith(found_by)


def test_the_checker_replays_the_final_state_without_history(tmp_path):
    """Where there is no history the final state is computed from the events; a lie in it is found."""
    rooms().run(tmp_path / "out")
    checker.check(tmp_path / "out", ROOMS)
    edited(row(0, visits=77), "entities/User")(tmp_path / "out")
    with pytest.raises(Broken, match="final"):
        checker.check(tmp_path / "out", ROOMS)
