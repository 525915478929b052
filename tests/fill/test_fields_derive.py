"""`Field(derive=…)`: computed fields, by column where they can be, with the same values on all engines."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from uuid import UUID

import polars as pl
import pytest

from deep_faker import (
    AddDecay,
    BaseEvent,
    Choice,
    Entity,
    Field,
    FlowContext,
    NewEvent,
    Select,
    SetState,
    Simulation,
    StateField,
)
from deep_faker.errors import DeclarationError, InvalidValueError
from tests.support.worlds.field_world import assert_engines_agree, frame, world

RATES = {"eu": 0.2, "us": 0.0}


def gross(price: float, rate: float) -> float:
    """A helper of the user's."""
    return round(price * (1 + rate), 2)


def label(e) -> str:
    """A function with statements."""
    parts = [e.area, str(e.quantity)]
    return "-".join(parts)


class Sold(BaseEvent):
    area: str = Field(dist=Choice(["eu", "us"]))
    price: float = Field(faker="pyfloat", min_value=1, max_value=9, right_digits=2)
    quantity: int = Field(faker="random_int", min=1, max=9)
    coupon: str | None = Field(dist=Choice(["A1", None]))
    at: datetime = Field(faker="now")
    key: UUID = Field(faker="uuid4")
    total: float = Field(derive=lambda e: round(e.price * e.quantity, 2), ge=0)
    taxed: float = Field(derive=lambda e: round(e.total * (1 + RATES[e.area]), 2))
    text: str = Field(derive=lambda e: f"{e.quantity}x{e.area.upper()}")
    cheap: bool = Field(derive=lambda e: e.price < 3 and e.area == "eu")
    code: str = Field(derive=lambda e: e.coupon if e.coupon is not None else "none")
    due: datetime = Field(derive=lambda e: e.at + timedelta(days=e.quantity))
    as_text: str = Field(derive=lambda e: e.quantity)
    big: int = Field(derive=lambda e: e.total)
    gross: float = Field(derive=lambda e: gross(e.price, RATES[e.area]))
    label: str = Field(derive=label)
    tail: str = Field(derive=lambda e: e.key.hex[-4:])
    parts: list[int] = Field(derive=lambda e: [e.quantity, 2 * e.quantity])


def test_derived_values_are_what_the_function_says():
    """Row by row against plain Python."""
    for row in frame(Sold, minutes=3).iter_rows(named=True):
        assert row["total"] == round(row["price"] * row["quantity"], 2)
        assert row["taxed"] == round(row["total"] * (1 + RATES[row["area"]]), 2)
        assert row["text"] == f"{row['quantity']}x{row['area'].upper()}"
        assert row["cheap"] == (row["price"] < 3 and row["area"] == "eu")
        assert row["code"] == (row["coupon"] or "none")
        assert row["due"] == row["at"] + timedelta(days=row["quantity"])
        assert row["as_text"] == str(row["quantity"])
        assert row["big"] == round(row["total"])
        assert row["gross"] == gross(row["price"], RATES[row["area"]])
        assert row["label"] == f"{row['area']}-{row['quantity']}"
        assert row["tail"] == UUID(row["key"]).hex[-4:]
        assert row["parts"] == [row["quantity"], 2 * row["quantity"]]


def test_explain_says_what_is_by_row():
    """By column where the expression can be; else the reason."""
    explained = world(Sold).explain()
    for name in ("total", "taxed", "text", "cheap", "code", "due"):
        line = next(line for line in explained.splitlines() if line.strip().startswith(f"{name} "))
        assert "derive: by column" in line, line
    tail = explained.split("\n\n")[-1]
    assert "Sold.label" in tail
    assert "it has statements" in tail
    assert "calls gross()" in tail
    assert explained.rstrip().splitlines()[-1] == "row by row: 4"


def test_engines_agree():
    assert_engines_agree(world(Sold, minutes=2))


class Opened(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=10)
    limit: int = Field(faker="random_int", min=10, max=99)
    tier: str = Field(derive=lambda e: "gold" if e.limit > 60 else "basic")
    budget: float = Field(derive=lambda e: e.limit * 2)


class Buyer(Entity):
    source_event = Opened
    primary_key = "user_id"
    tier: str = StateField(from_field="tier")
    budget: float = StateField(from_field="budget")
    spent: float = StateField(default=0.0)


class Bought(BaseEvent):
    user_id: str
    price: float = Field(faker="pyfloat", min_value=1, max_value=9, right_digits=2)
    quantity: int = Field(faker="random_int", min=1, max=9)
    total: float = Field(derive=lambda e: e.price * e.quantity)
    who: str = Field(derive=lambda e: e.user_id[:3])


def shop(*, given: bool) -> Simulation:
    """Derived values decide paths and state; with ``given`` some of what they hang on is given."""
    sim = Simulation("6m", "2024-03-01", "1s", 3, random_seed=4, initial_entities={Buyer: 15})

    @sim.flow(initiation_weight=0.5)
    def open_one(ctx: FlowContext):
        yield NewEvent(ctx, Opened, save_entity=Buyer)
        yield AddDecay(ctx, seconds=1)

    if given:

        @sim.flow(initiation_weight=0.5)
        def open_gold(ctx: FlowContext):
            yield NewEvent(ctx, Opened, limit=70, save_entity=Buyer)

    @sim.flow(filter=Select(Buyer, where=[("tier", "is", "gold")]))
    def buy(ctx: FlowContext):
        user = ctx.get_entity(Buyer)
        if given and user.budget > 150:
            yield NewEvent(
                ctx,
                Bought,
                quantity=1,
                mutate=SetState(Buyer, [("spent", "add", ctx.current_event_data.get("total"))]),
            )
        yield NewEvent(
            ctx, Bought, mutate=SetState(Buyer, [("spent", "add", ctx.current_event_data.get("total"))])
        )
        yield AddDecay(ctx, seconds=2)

    return sim


@pytest.mark.slow
@pytest.mark.parametrize("given", [False, True])
def test_derived_state_on_all_engines(given: bool):
    """State, filters and branches see derived values; what is given is what they are made of."""
    sim = shop(given=given)
    assert sim.explain().rstrip().splitlines()[-1] == "row by row: 0"
    assert_engines_agree(sim)
    data = sim.collect()
    opened, bought = data["Opened"], data["Bought"]
    assert ((opened["limit"] > 60) == (opened["tier"] == "gold")).all()
    assert (bought["total"] == bought["price"] * bought["quantity"]).all()
    assert (bought["who"] == bought["user_id"].str.slice(0, 3)).all()
    spent = dict(bought.group_by("user_id").agg(pl.col("total").sum()).iter_rows())
    for row in data.entities["Buyer"].iter_rows(named=True):
        assert row["spent"] == pytest.approx(spent.get(row["user_id"], 0.0))
        assert row["budget"] in set(range(20, 200, 2))


def test_given_fields_are_seen_by_row_too():
    """A function that only rows can call, and a flow that gives what it hangs on."""

    class Row(BaseEvent):
        n: int = Field(faker="random_int", min=1, max=9)
        m: str = Field(derive=lambda e: ",".join(str(i) for i in range(e.n)))

    sim = Simulation("1m", "2024-03-01", "1s", 1, random_seed=4)

    @sim.flow()
    def emit(ctx: FlowContext):
        yield NewEvent(ctx, Row, n=3)
        yield NewEvent(ctx, Row)

    rows = sim.collect()["Row"]
    assert rows.filter(rows["n"] == 3)["m"].to_list()[0] == "0,1,2"
    assert all(row["m"] == ",".join(map(str, range(row["n"]))) for row in rows.iter_rows(named=True))
    assert rows.equals(sim.collect(engine="reference")["Row"])


def test_adding_a_derived_field_changes_no_other_value():
    """R2."""

    class Plain(BaseEvent):
        a: int = Field(faker="random_int", min=1, max=9)

    class Extended(BaseEvent):
        a: int = Field(faker="random_int", min=1, max=9)
        b: int = Field(derive=lambda e: e.a + 1)

    Plain.__name__ = Extended.__name__ = "Counted"
    assert frame(Plain)["a"].equals(frame(Extended)["a"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"derive": lambda e: e.pric}, "did you mean 'price'"),
        ({"derive": lambda e: e.later}, "declared after"),
        ({"derive": lambda e: e.price * random.random()}, "no value of the event"),
        ({"derive": lambda e: datetime.now().year}, "no value of the event"),
        ({"derive": lambda: 1}, "takes the event"),
        ({"derive": 3}, "got derive=3|got 3"),
        ({"derive": lambda e: e.price, "unique": True}, "'unique' does not go with derive"),
        ({"derive": lambda e: e.price, "faker": "name"}, "two providers"),
        ({"derive": lambda e: e.price, "locale": "de_DE"}, "has no locale"),
    ],
)
def test_wrong_derived_fields(given, message):
    """Refused before the first event."""
    with pytest.raises(DeclarationError, match=message):

        class Wrong(BaseEvent):
            price: float = Field(faker="pyfloat")
            x: float = Field(**given)
            later: int = Field(faker="random_int")

        frame(Wrong, minutes=1)


def test_derived_values_are_validated():
    """A value that the model refuses, or an exception, stops the run and names the field."""

    class Low(BaseEvent):
        a: int = Field(faker="random_int", min=1, max=9)
        b: int = Field(derive=lambda e: e.a - 5, ge=0)

    class Broken(BaseEvent):
        a: int = Field(faker="random_int", min=0, max=9)
        b: float = Field(derive=lambda e: 1 / e.a)

    with pytest.raises(InvalidValueError, match=r"Low\.b"):
        frame(Low)
    with pytest.raises(InvalidValueError, match="ZeroDivisionError"):
        frame(Broken)


def test_a_key_stands_alone():
    """A key is there before the other fields of its event."""

    class Made(BaseEvent):
        a: int = Field(faker="random_int", min=0, max=9)
        id: str = Field(derive=lambda e: f"k{e.a}")

    class Thing(Entity):
        source_event = Made
        primary_key = "id"

    with pytest.raises(DeclarationError, match="key that hangs on other fields"):
        world(Sold, initial_entities={Thing: 3}).compile()
