"""Plans made by hand, for the tests of the engines."""

from __future__ import annotations

from typing import Any

from deep_faker import BaseEvent, Entity, Field, StateField
from deep_faker.declare.schema import entity_spec, event_spec
from deep_faker.expressions import infer
from deep_faker.plan import (
    Delay,
    EntityPlan,
    Expr,
    FlowTable,
    Site,
    State,
    StateColumn,
    Type,
    Wait,
)
from deep_faker.plan.settings import Settings
from deep_faker.plan.storage import Texts
from deep_faker.spans import Span

SECOND = 1_000_000
START = 1_700_000_000_000_000


def span(line: int = 1) -> Span:
    """A place in a file that does not exist."""
    return Span("flows.py", line, 4, 20, f"    line {line} of the flow")


def expr(
    text: str, types: dict[str, Type], texts: Texts, type_: Type | None = None, line: int = 1, **consts: Any
) -> Expr:
    """An expression over those locals that its text names."""
    import ast

    names = tuple(
        dict.fromkeys(
            node.id
            for node in ast.walk(ast.parse(text.strip(), mode="eval"))
            if isinstance(node, ast.Name) and node.id in types
        )
    )
    found, by_row = infer(text, {n: types[n] for n in names}, consts, texts)
    return Expr(text, names, consts, type_ or found, span(line), by_row)


def wait(seconds: float, rate: float | str, next_: int, *, line: int = 1, exponential: bool = False) -> Wait:
    """A wait of some seconds, or of that mean."""
    if exponential:
        return Wait((Delay(SECOND, kind="exponential", params=(seconds,)),), rate, next_, span(line))
    return Wait((Delay(SECOND, constant=round(seconds * SECOND)),), rate, next_, span(line))


class UserMade(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)
    platform: str = Field(faker="random_element", elements=["web", "mobile"])


class Viewed(BaseEvent):
    user_id: str
    product_id: str
    source: str = Field(faker="random_element", elements=["ad", "search"])


class Bought(BaseEvent):
    user_id: str
    amount: float


class ProductMade(BaseEvent):
    product_id: str = Field(faker="shortuuid", length=8)


class User(Entity):
    source_event = UserMade
    primary_key = "user_id"
    orders: int = StateField(default=0, type_=int)
    spent: float = StateField(default=0.0, type_=float)
    status: str = StateField(default="new", type_=str)


class Product(Entity):
    source_event = ProductMade
    primary_key = "product_id"
    sold: int = StateField(default=0, type_=int)


EVENTS = {cls.__name__: event_spec(cls) for cls in (UserMade, Viewed, Bought, ProductMade)}


def user_plan(texts: Texts, **options: Any) -> EntityPlan:
    texts.code("new")
    columns = (
        StateColumn("orders", Type("int"), 0, None),
        StateColumn("spent", Type("float"), 0.0, None),
        StateColumn("status", Type("code"), "new", None),
    )
    return EntityPlan("User", entity_spec(User), columns, **options)


def product_plan(**options: Any) -> EntityPlan:
    return EntityPlan(
        "Product", entity_spec(Product), (StateColumn("sold", Type("int"), 0, None),), **options
    )


def flow(
    number: int,
    states: list[State],
    types: dict[str, Type],
    *,
    weight: float = 1.0,
    starts: tuple[int, ...] = (),
) -> FlowTable:
    return FlowTable(number, f"flow{number}", weight, starts, tuple(states), types, (), lambda: None, span())


def site(
    number: int,
    event: str,
    bound: dict[str, Type],
    keys: dict[str, str],
    free: tuple[str, ...] = (),
    save: str | None = None,
    early: tuple[str, ...] = (),
) -> Site:
    return Site(number, event, bound, keys, free, (), early, save, span(), None)


def settings(**changes: Any) -> Settings:
    given: dict[str, Any] = {"start": START, "duration": 60 * SECOND, "step": SECOND, "n_flows": 10} | changes
    return Settings(**given)
