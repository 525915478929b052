"""Small worlds for values of every type: drawn, given or defaulted, null or not, and read in every way.

A world is the text of a module, as users write one. Of each type it knows two values: every cell of its
tables means one of them, or nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from deep_faker.declare.condition_operators import CONDITION_OPERATORS
from deep_faker.draws.mix import Draws
from deep_faker.plan import Plan
from deep_faker.values import Place, make


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


class Shade(StrEnum):
    DARK = "dark"
    LIGHT = "light"


class Point(BaseModel):
    x: int
    y: float | None = None


@dataclass(frozen=True)
class Case:
    """A type, two of its values (the lower one first), and whether they fit a frame."""

    annotation: Any
    low: Any
    high: Any
    framed: bool = False

    def label(self, value: Any) -> str:
        """Which of the values one is: a value of another class is neither."""
        if value is None:
            return "none"
        for name in ("low", "high"):
            known = getattr(self, name)
            if value == known and type(value) is type(known) and str(value) == str(known):
                return name
        return repr(value)

    def label_of_drawn(self, value: Any) -> str:
        """The same for what a generator gives: it knows members of an Enum by their values, models as JSON."""
        for name in ("low", "high"):
            if value is not None and value == _plain(getattr(self, name)):
                return name
        return self.label(value)


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


CASES: dict[str, Case] = {
    "bool": Case(bool, False, True, framed=True),
    "int": Case(int, 3, 70, framed=True),
    "float": Case(float, 0.5, 50.0, framed=True),
    "str": Case(str, "a", "bc", framed=True),
    "datetime": Case(datetime, datetime(1970, 1, 1), datetime(2023, 5, 1, 12, 30), framed=True),
    "date": Case(date, date(1970, 1, 1), date(2023, 5, 1), framed=True),
    "time": Case(time, time(0, 0), time(12, 30, 5), framed=True),
    "timedelta": Case(timedelta, timedelta(0), timedelta(days=2, seconds=5), framed=True),
    "decimal": Case(Decimal, Decimal("0.5"), Decimal("12.25")),
    "uuid": Case(UUID, UUID(int=7), UUID(int=2**100 + 5)),
    "enum": Case(Colour, Colour.RED, Colour.BLUE),
    "int_enum": Case(Size, Size.SMALL, Size.LARGE),
    "str_enum": Case(Shade, Shade.DARK, Shade.LIGHT),
    "literal": Case(Literal["x", "yz"], "x", "yz"),
    "bytes": Case(bytes, b"a", b"bc"),
    "model": Case(Point, Point(x=1), Point(x=2, y=0.5)),
    "list": Case(list[int], [1], [1, 2]),
    "models": Case(list[Point], [Point(x=1)], [Point(x=2), Point(x=3)]),
    "dict": Case(dict[str, int], {"a": 1}, {"a": 2, "b": 3}),
    "tuple": Case(tuple[int, str], (1, "a"), (2, "b")),
}

DRAWN = ("choice", "element", "frame", "plain")
"""Fields of the source event that are drawn; ``plain`` is never null."""
COPIED = (*DRAWN, "default", "ready", "given")
STATE = (*COPIED, "empty", "start", "put")
"""State fields: copies of the event's, and three with defaults of their own; ``put`` is changed by flows."""

ASKED = ("choice", "element", "given", "ready", "put", "plain")
"""State fields that all questions are asked of, in turn."""

HOLDS: dict[str, Callable[[Any, Any], bool]] = {
    "is": operator.eq,
    "is_not": operator.ne,
    "in": lambda value, wanted: value in wanted,
    "not_in": lambda value, wanted: value not in wanted,
    "is_null": lambda value, _: value is None,
    "not_null": lambda value, _: value is not None,
    "greater_than": operator.gt,
    "less_than": operator.lt,
    "greater_or_equal": operator.ge,
    "less_or_equal": operator.le,
    "between": lambda value, wanted: wanted[0] <= value <= wanted[1],
    "starts_with": str.startswith,
}
QUESTIONS: tuple[tuple[str, str], ...] = (
    ("is_null", ""), ("not_null", ""), ("is", "None"), ("is_not", "None"),
    ("is", "C.low"), ("is", "C.high"), ("is_not", "C.low"),
    ("in", "[C.low]"), ("in", "[C.high, None]"), ("not_in", "[C.high]"), ("not_in", "[C.low, None]"),
    ("greater_than", "C.low"), ("less_than", "C.high"), ("greater_or_equal", "C.high"),
    ("less_or_equal", "C.low"), ("between", "[C.low, C.low]"), ("between", "[C.low, C.high]"),
    ("starts_with", "C.low"), ("starts_with", "C.high[:1]"),
)  # fmt: skip
"""(Operator, text of the value): asked of the types that the operator fits."""


def asked_of(name: str) -> list[tuple[str, tuple[str, str]]]:
    """(state field, question) of a type's world."""
    fits = {op: row.fits is None or name in row.fits for op, row in CONDITION_OPERATORS.items()}
    return [(n, question) for n in ASKED for question in QUESTIONS if fits[question[0]]]


def answer(case: Case, op: str, wanted: str, label: str) -> bool:
    """Whether a value of that label satisfies a condition, by Python's own operators (S1)."""
    value = None if label == "none" else getattr(case, label)
    if value is None and op in HOLDS and op not in ("is", "is_not", "in", "not_in", "is_null", "not_null"):
        return False
    return HOLDS[op](value, eval(wanted, {"C": case}) if wanted else None)


def world(name: str) -> str:
    """The module of one type's world."""
    case = CASES[name]
    names = [n for n in STATE if n != "frame" or case.framed]
    copied = [n for n in names if n in COPIED]

    def lines(template: str, of: list[str], indent: int = 4) -> str:
        return "\n".join(" " * indent + template.format(n=n) for n in of)

    asked = "\n".join(
        f"        yield Select(ctx, Account, where=[({n!r}, {op!r}{', ' + wanted if wanted else ''})], shared=True)\n"
        f"        if ctx.get_entity(Account):\n"
        f"            yield NewEvent(ctx, Hit, k=ctx.get_entity(Account).k, number={number},"
        f" {n}=ctx.get_entity(Account).{n})"
        for number, (n, (op, wanted)) in enumerate(asked_of(name))
    )
    filtered = "\n".join(
        f"    @sim.flow(initiation_weight=2, filter=Select(Account, where=[({n!r}, {op!r})]), flow_name={f'{n} {op}'!r})\n"
        f"    def {n}_{op}(ctx):\n"
        f"        yield NewEvent(ctx, Found, name={f'{n} {op}'!r}, {n}=ctx.get_entity(Account).{n})"
        for n in ("choice", "put")
        for op in ("is_null", "not_null")
    )
    return f"""
import random
import polars as pl
from deep_faker import *
from tests.support.worlds.null_world import CASES
C = CASES[{name!r}]
T = C.annotation

class Opened(BaseEvent):
    k: str = Field(faker="shortuuid", length=8)
    choice: T | None = Field(dist=Choice([C.low, C.high, None]))
    element: T | None = Field(faker="random_element", elements=[None, C.high, C.low])
{"    frame: T | None = Field(dist=FromFrame(pl.DataFrame({'v': [C.high, None, C.low]}), 'v'))" if case.framed else ""}
    plain: T = Field(dist=Choice([C.low, C.high]))
    default: T | None = None
    ready: T | None = C.high
    given: T | None = None

class Account(Entity):
    source_event = Opened
    primary_key = "k"
{lines("{n}: T | None = StateField(from_field='{n}')", copied)}
    empty: T | None = StateField()
    start: T | None = StateField(default=C.low)
    put: T | None = StateField(default=C.high)

class Values(BaseEvent):
{lines("{n}: T | None = None", names)}

class Looked(Values):
    k: str

class Kept(Values):
    k: str
    nulls: str
    lows: str

class Told(Values):
    k: str

class Changed(BaseEvent):
    k: str
    put: T | None
    wanted: T | None

class Hit(Values):
    k: str
    number: int

class Found(Values):
    k: str
    name: str

class Sample(BaseEvent):
    low: T
    high: T

sim = Simulation("8s", start_time="2024-01-01", n_flows=30, random_seed=11, initial_entities={{Account: 60}})

@sim.flow(initiation_weight=0.2)
def sample(ctx):
    yield NewEvent(ctx, Sample, low=C.low, high=C.high)

@sim.flow(filter=Select(Account), initiation_weight=3)
def look(ctx):
    a = ctx.get_entity(Account)
    yield NewEvent(ctx, Looked, {", ".join(f"{n}=a.{n}" for n in names)})
{lines("x_{n} = a.{n}", names)}
    yield AddDecay(ctx, seconds=1)
    nulls = ""
    lows = ""
{lines("if x_{n} is None:{br}        nulls = nulls + '{n} '{br}    elif x_{n} == C.low:{br}        lows = lows + '{n} '".replace("{br}", chr(10)), names)}
    yield NewEvent(ctx, Kept, nulls=nulls, lows=lows, {", ".join(f"{n}=x_{n}" for n in names)})
    yield SetState(Account, [("put", "is", x_choice)])
    yield NewEvent(ctx, Changed, put=a.put, wanted=x_choice)
    new = random.choice([C.low, C.high, None])
    yield SetState(Account, [("put", "is", new)])
    yield AddDecay(ctx, seconds=1)
    yield NewEvent(ctx, Changed, put=a.put, wanted=new, mutate=SetState(Account, [("put", "is", x_plain)]))
    yield NewEvent(ctx, Changed, put=a.put, wanted=x_plain)

@sim.flow(filter=Select(Account))
def clear(ctx):
    yield SetState(Account, [("put", "is", None)])

@sim.flow()
def open_one(ctx):
    yield NewEvent(ctx, Opened, given=random.choice([C.low, None]), save_entity=Account)
    told = ctx.current_event_data
    yield NewEvent(ctx, Told, {", ".join(f"{n}=told[{n!r}]" for n in copied)})
    a = ctx.get_entity(Account)
    yield NewEvent(ctx, Looked, {", ".join(f"{n}=a.{n}" for n in names)})

@sim.flow(filter=Select(Account, shared=True))
def ask(ctx):
    if True:
{asked}

if True:
{filtered}
"""


def drawn(plan: Plan, seed: int, name: str, numbers: range) -> list[str]:
    """What a field's generator itself gives for initial events, without any engine."""
    field = plan.events["Opened"].by_name[name]
    provider = make(field.generator, Place(Draws(seed), ("field", "Opened", name), plan.settings.start))
    return [provider.one(number, 1, plan.settings.start) for number in numbers]
