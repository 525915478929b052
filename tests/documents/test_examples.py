"""The examples: small runs give the stored output, both engines agree, and nothing runs row by row.

`UPDATE_GOLDEN=1 make test ARGS=tests/documents/test_examples.py` stores the output anew; read the difference before
committing it.
"""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

import polars as pl
import pytest

from deep_faker import Dataset, FileOutput, Simulation
from deep_faker.loader import load_simulation
from tests.support.places import GOLDEN, ROOT

FOLDER = GOLDEN / "examples"
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
SHOWN = {"bank": "2d", "fleet": "5h"}  # where ten minutes,
COMPARED = {"bank": "7d"}  # or half a day, are quiet
EVERY = pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)


def small(file: Path, duration: str, n_flows: int) -> Simulation:
    """The example with fewer entities, for less time."""
    sim = load_simulation(str(file))
    sim.change(duration=duration, n_flows=n_flows)
    sim.change(initial_entities={entity: min(count, 40) for entity, count in sim.initial_entities.items()})
    return sim


@EVERY
def test_output_is_as_stored(file: Path, tmp_path: Path):
    """The first events, as JSON lines, byte for byte."""
    sim = small(file, SHOWN.get(file.stem, "10m"), 10)
    sim.add_output(FileOutput(tmp_path / "events.jsonl"))
    sim.run()
    with (tmp_path / "events.jsonl").open() as lines:
        shown = "".join(islice(lines, 150))
    golden = FOLDER / f"{file.stem}.jsonl"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(shown)
    assert shown == golden.read_text()


@EVERY
def test_engines_agree(file: Path):
    """Over half a day, each event type, entity and session is the same in both engines."""
    duration = COMPARED.get(file.stem, "12h")
    fast = small(file, duration, 4).collect()
    plain = small(file, duration, 4).collect(engine="reference")
    assert fast.events.height > 1_000
    assert fast.events.equals(plain.events)
    for event in fast.events["event_type"].unique():
        assert fast[event].equals(plain[event]), event
    for entity in fast.entities:
        assert fast.entities[entity].equals(plain.entities[entity]), entity
    assert fast.sessions.equals(plain.sessions)


@EVERY
def test_all_is_by_column(file: Path):
    """The examples stay within what compiles."""
    explained = load_simulation(str(file)).explain()
    assert explained.rstrip().splitlines()[-1] == "row by row: 0", explained


@pytest.fixture(scope="module")
def shop() -> Dataset:
    """Five days of the shop, with fewer customers, of whom many are turned away."""
    return small(ROOT / "examples" / "ecommerce.py", "5d", 20).collect()


def test_shop_orders_have_a_life(shop: Dataset):
    """An order is placed, packed, shipped and delivered, in this order, by the parties that it names."""
    times = shop["OrderPlaced"].select("order_id", placed="sys__ets", who="customer_id")
    for event, name in (
        ("OrderPacked", "packed"),
        ("OrderShipped", "shipped"),
        ("OrderDelivered", "delivered"),
    ):
        times = times.join(shop[event].select("order_id", pl.col("sys__ets").alias(name)), on="order_id")
    assert times.height > 20
    assert times.filter(
        (pl.col("placed") <= pl.col("packed"))
        & (pl.col("packed") < pl.col("shipped"))
        & (pl.col("shipped") < pl.col("delivered"))
    ).equals(times)
    assert times["order_id"].is_unique().all()


def test_shop_state_agrees_with_events(shop: Dataset):
    """What customers have spent is what their orders say, less what they sent back."""
    paid = shop["OrderPlaced"].group_by("customer_id").agg(pl.col("total").sum())
    back = shop["OrderReturned"].group_by("customer_id").agg(pl.col("refund").sum())
    customers = (
        shop.entities["Customer"]
        .join(paid, on="customer_id", how="left")
        .join(back, on="customer_id", how="left")
        .with_columns(worth=pl.col("total").fill_null(0.0) - pl.col("refund").fill_null(0.0))
    )
    assert (customers["worth"] - customers["lifetime_value"]).abs().max() < 1e-6
    assert customers["orders"].sum() == shop["OrderPlaced"].height


def test_shop_customers_are_in_one_session_at_a_time(shop: Dataset):
    """Sessions that hold a customer do not overlap for it."""
    held = shop.events.filter(pl.col("event_type") == "LoggedIn").select("sys__sid", "sys__eid")
    held = held.join(shop["LoggedIn"].select("sys__eid", "customer_id"), on="sys__eid")
    sessions = held.join(shop.sessions, on="sys__sid").sort("customer_id", "started")
    after = sessions.with_columns(before=pl.col("ended").shift(1).over("customer_id"))
    assert after.filter(pl.col("before") > pl.col("started")).height == 0
