"""Every Python block of the first README runs unedited.

The blocks are taken from `data/seed-readme.md` as they stand.  What a fragment leaves out is declared
`before` it, a fragment of a body is indented under its `head`, and `after` uses what the block declared.
Each becomes a file of its own, because flows are compiled from their source.
"""

from __future__ import annotations

import json
import re
import runpy
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.places import DATA

SEED = (DATA / "seed-readme.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", SEED, flags=re.DOTALL | re.MULTILINE)

IMPORTS = """
from datetime import datetime, timedelta
from typing import Optional
from deep_faker import *
"""
SIM = """
start = "2024-01-01"
sim = Simulation(duration="5m", start_time=start, n_flows=4, random_seed=1, initial_entities={INITIAL})
"""
BOTH = """
plain = sim.collect(engine="reference")
fast = sim.collect()
assert fast.events.equals(plain.events)
"""
CUSTOMER = """
class CustomerRegistered(BaseEvent):
    customer_id: str = Field(faker="shortuuid", length=8)
    registration_date: str = Field(faker="date_time")

class Customer(Entity):
    source_event = CustomerRegistered
    primary_key = "customer_id"
    status: str = StateField(default="active", type_=str)
    cart_items: int = StateField(default=0, type_=int)
    pending_orders: int = StateField(default=1, type_=int)
    total_orders: int = StateField(default=6, type_=int)
    lifetime_value: float = StateField(default=2000.0, type_=float)
    account_balance: float = StateField(default=500.0, type_=float)
    total_spent: float = StateField(default=0.0, type_=float)
    loyalty_points: int = StateField(default=0, type_=int)
    last_purchase_date: datetime = StateField(default=datetime(2020, 1, 1), type_=datetime)
"""


@dataclass(frozen=True)
class Frame:
    """What stands round one block: its beginning tells which block is meant."""

    starts: str
    before: str = ""
    head: str = ""
    after: str = ""
    warns: str = ""


FRAMES = [
    Frame("from deep_faker import (\n    BaseEvent"),
    Frame(
        "class OrderPlaced",
        IMPORTS,
        after=SIM.format(INITIAL="{}")
        + """
@sim.flow()
def order(ctx: FlowContext):
    yield NewEvent(ctx, OrderPlaced)
"""
        + BOTH
        + """
orders = fast[OrderPlaced]
assert orders["order_id"].str.len_chars().unique().to_list() == [12]
assert orders["total_amount"].is_between(10, 500).all()
assert (orders["order_date"].dt.timestamp("ms") == orders["sys__ets"]).all()
""",
    ),
    Frame(
        "# Basic faker types",
        IMPORTS,
        head="class Everything(BaseEvent):",
        after=SIM.format(INITIAL="{}")
        + """
@sim.flow()
def show(ctx: FlowContext):
    yield NewEvent(ctx, Everything)
"""
        + BOTH
        + """
rows = fast[Everything]
assert rows.columns[5:] == ["name", "email", "age", "user_id", "session_id", "status"]
assert rows["age"].is_between(18, 80).all() and rows["email"].str.contains("@").all()
""",
    ),
    Frame(
        "class Customer(Entity)",
        IMPORTS
        + """
class CustomerRegistered(BaseEvent):
    customer_id: str = Field(faker="shortuuid", length=8)
    registration_date: str = Field(faker="date_time")
""",
        after=SIM.format(INITIAL="{Customer: 5}")
        + """
@sim.flow()
def register(ctx: FlowContext):
    yield NewEvent(ctx, CustomerRegistered, save_entity=Customer)
"""
        + BOTH
        + """
customers, events = fast.entities[Customer], fast[CustomerRegistered]
assert customers.sort("customer_id")["registration_date"].to_list() == (
    events.sort("customer_id")["registration_date"].to_list())
assert customers["last_order_date"].null_count() == customers.height > 5
""",
    ),
    Frame(
        "@sim.flow(\n    initiation_weight=5.0",
        IMPORTS
        + CUSTOMER
        + """
class ProductViewed(BaseEvent):
    customer_id: str

class ProductAdded(BaseEvent):
    customer_id: str

class OrderCompleted(BaseEvent):
    customer_id: str
    total: float = Field(faker="pyfloat", min_value=10.0, max_value=50.0, right_digits=2)
"""
        + SIM.format(INITIAL="{Customer: 50}"),
        after=BOTH
        + """
customers, orders = fast.entities[Customer], fast[OrderCompleted]
assert orders.height > 5
assert customers["total_orders"].sum() == 50 * 6 + orders.height
assert abs(customers["lifetime_value"].sum() - 50 * 2000 - orders["total"].sum()) < 1e-6
""",
    ),
    Frame(
        "sim = Simulation(",
        IMPORTS
        + CUSTOMER
        + """
class ProductListed(BaseEvent):
    product_id: str = Field(faker="shortuuid", length=8)

class Product(Entity):
    source_event = ProductListed
    primary_key = "product_id"
""",
        after="""
@sim.flow(filter=Select(Customer))
def visit(ctx: FlowContext):
    yield AddDecay(ctx, rate=0.5, seconds=20)
"""
        + BOTH
        + """
assert fast[CustomerRegistered].height == 100 and fast[ProductListed].height == 50
""",
    ),
    Frame(
        "from deep_faker import StdOutOutput, FileOutput",
        IMPORTS
        + """
class UserLogin(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)

class OrderPlaced(BaseEvent):
    order_id: str = Field(faker="shortuuid", length=12)

class ProductViewed(BaseEvent):
    product_id: str = Field(faker="shortuuid", length=12)
"""
        + SIM.format(INITIAL="{}")
        + """
@sim.flow()
def log_in(ctx: FlowContext):
    yield NewEvent(ctx, UserLogin)
""",
        after="assert 'log_in' in str(sim.explain())",
    ),
    Frame(
        "@sim.flow(initiation_weight=3.0)",
        IMPORTS
        + CUSTOMER
        + """
class WarehouseOpened(BaseEvent):
    warehouse_id: str = Field(faker="shortuuid", length=8)

class Warehouse(Entity):
    source_event = WarehouseOpened
    primary_key = "warehouse_id"

class OrderShipped(BaseEvent):
    customer_id: str
    warehouse_id: str

class OrderDelivered(BaseEvent):
    customer_id: str
    warehouse_id: str
"""
        + SIM.format(INITIAL="{Customer: 50, Warehouse: 50}"),
        after=BOTH
        + """
shipped, delivered = fast[OrderShipped], fast[OrderDelivered]
both = delivered.join(shipped, on=["sys__sid", "customer_id", "warehouse_id"])
assert both.height == delivered.height > 0
assert ((both["sys__ets"] - both["sys__ets_right"]) == 24 * 3600 * 1000).all()
""",
    ),
    Frame(
        "yield NewEvent(\n    ctx,\n    PaymentProcessed",
        IMPORTS
        + CUSTOMER
        + """
class PaymentProcessed(BaseEvent):
    customer_id: str
"""
        + SIM.format(INITIAL="{Customer: 50}"),
        head="@sim.flow(filter=Select(Customer))\ndef pay(ctx: FlowContext):",
        after=BOTH
        + """
customers, payments = fast.entities[Customer], fast[PaymentProcessed]
assert customers["loyalty_points"].sum() == 100 * payments.height
assert abs(customers["total_spent"].sum() - 99.99 * payments.height) < 1e-6
last = payments.group_by("customer_id").agg(pl.col("sys__ets").max()).sort("customer_id")
assert customers.filter(pl.col("loyalty_points") > 0).sort("customer_id")["last_purchase_date"].dt.timestamp(
    "ms").to_list() == last["sys__ets"].to_list()
""",
    ),
    Frame(
        "# Customers who haven't purchased recently",
        IMPORTS + CUSTOMER,
        after="""
class MailSent(BaseEvent):
    customer_id: str
"""
        + SIM.format(INITIAL="{Customer: 50}")
        + """
@sim.flow(filter=inactive_filter)
def win_back(ctx: FlowContext):
    yield NewEvent(ctx, MailSent)

@sim.flow(filter=vip_filter)
def thank(ctx: FlowContext):
    yield NewEvent(ctx, MailSent)
"""
        + BOTH
        + """
assert set(fast.sessions["flow"]) == {"win_back", "thank"}
""",
        warns=r"Now\(\)",  # a constant that the run never passes: T8 proposes Now()
    ),
    Frame(
        '@sim.flow(initiation_weight=1.0, flow_name="customer_onboarding")',
        IMPORTS + SIM.format(INITIAL="{}"),
        after=BOTH + 'assert set(fast.sessions["flow"]) == {"customer_onboarding"}',
        warns="never yields",  # its body is `pass`
    ),
    Frame(
        "def long_running_flow",
        IMPORTS
        + """
class FlowStarted(BaseEvent):
    pass

class FlowContinued(BaseEvent):
    pass
"""
        + SIM.format(INITIAL="{}"),
        after="sim.flow()(long_running_flow)"
        + BOTH
        + """
pairs = fast[FlowContinued].join(fast[FlowStarted], on="sys__sid")
assert ((pairs["sys__ets"] - pairs["sys__ets_right"]) == 3600 * 1000).all() and pairs.height == 4
""",
    ),
]


def test_every_block_has_a_frame():
    """No block of the README is left out, and no frame is left over."""
    assert len(BLOCKS) == len(FRAMES)
    for block in BLOCKS:
        assert sum(block.startswith(frame.starts) for frame in FRAMES) == 1


@pytest.mark.parametrize("frame", FRAMES, ids=[frame.starts.split("\n")[0] for frame in FRAMES])
def test_block_runs_unedited(
    frame: Frame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The block, with what it leaves out declared around it, does what the README says."""
    (block,) = [block for block in BLOCKS if block.startswith(frame.starts)]
    body = f"{frame.head}\n{textwrap.indent(block, '    ')}" if frame.head else block
    file = tmp_path / "block.py"
    file.write_text(f"import polars as pl\n{frame.before}\n{body}\n{frame.after}\n")
    monkeypatch.chdir(tmp_path)
    if frame.warns:
        with pytest.warns(match=frame.warns):
            runpy.run_path(str(file))
    else:
        runpy.run_path(str(file))
    if not frame.before:  # the first example writes its events to standard output
        events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert len(events) > 100
        assert list(events[0]) == [
            "sys__eid", "sys__ets", "sys__sid", "user_id", "login_time", "platform", "event_type"
        ]  # fmt: skip
        assert (len(events[0]["sys__eid"]), len(events[0]["sys__sid"])) == (12, 8)
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", events[0]["login_time"])
