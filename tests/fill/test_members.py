"""V1: members of Enums and of Literals, whatever their values are, wherever they come from and stand."""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal
from enum import Enum, IntEnum, IntFlag, StrEnum
from typing import Any, Literal
from uuid import UUID

import pytest
from pydantic import ConfigDict

from deep_faker import BaseEvent, Choice, Field, NewEvent, Simulation
from deep_faker.declare.schema import EventReader, event_spec


class Ids(Enum):
    ONE = UUID(int=1)
    TWO = UUID(int=2)


class Days(Enum):
    ONE = dt.date(2020, 1, 1)
    TWO = dt.date(2021, 1, 1)


class Prices(Enum):
    ONE = Decimal("1.50")
    TWO = Decimal("2.25")


class Pairs(Enum):
    ONE = (1, 2)
    TWO = (2, 1)


class Hours(Enum):
    ONE = dt.time(3)
    TWO = dt.time(4)


class Spans(Enum):
    ONE = dt.timedelta(seconds=3)
    TWO = dt.timedelta(1)


class Instants(Enum):
    ONE = dt.datetime(2020, 1, 1)
    TWO = dt.datetime(2021, 1, 1)


class Colours(Enum):
    ONE = "red"
    TWO = "blue"


class Sizes(IntEnum):
    ONE = 1
    TWO = 2


class Shades(StrEnum):
    ONE = "dark"
    TWO = "light"


class Rights(IntFlag):
    ONE = 1
    TWO = 2


class Raw(Enum):
    ONE = b"x"
    TWO = b"y"


class Truths(Enum):
    ONE = True
    TWO = False


ENUMS: tuple[Any, ...] = (
    Ids, Days, Prices, Pairs, Hours, Spans, Instants, Colours, Sizes, Shades, Rights, Raw, Truths,
)  # fmt: skip
BESIDE: dict[str, Any] = {
    "alone": None,
    "beside a union": int | str,
    "beside a mixed Literal": Literal[1, "x"],
}


def annotated(enum: Any) -> list[tuple[Any, Any]]:
    """Types with the Enum, and a value of each."""
    found = [
        (enum, enum.ONE),
        (enum | None, enum.TWO),
        (list[enum], [enum.ONE]),
        (dict[str, enum], {"a": enum.TWO}),
    ]
    if enum not in (Pairs, Rights):  # a Literal of such members is one of mixed types
        found.append((Literal[enum.ONE, enum.TWO], enum.TWO))
    return found


@pytest.mark.parametrize("enum", ENUMS)
def test_v1_members_are_members(enum):
    """Given, drawn or defaulted, in an event that is lax or strict, validated by column or by row."""
    for (annotation, value), beside, how, strict in itertools.product(
        annotated(enum), BESIDE, ("given", "drawn", "default"), (False, True)
    ):
        fields: dict[str, Any] = {"a": annotation}
        names: dict[str, Any] = {"model_config": ConfigDict(strict=strict)}
        if how == "drawn":
            names["a"] = Field(dist=Choice([value, value]))
        elif how == "default":
            names["a"] = Field(default=value)
        if BESIDE[beside] is not None:
            fields["b"], names["b"] = BESIDE[beside], 1
        event: Any = type("Drawn", (BaseEvent,), {"__annotations__": fields, "__module__": __name__, **names})
        given = {"a": value} if how == "given" else {}

        sim = Simulation("1s", start_time="2024-01-01", n_flows=2, random_seed=1)

        @sim.flow()
        def tell(ctx, event=event, given=given):
            yield NewEvent(ctx, event, **given)

        table = sim.collect()[event].to_arrow()
        made = list(EventReader(event_spec(event)).events({name: table[name].to_pylist() for name in fields}))
        assert [one.a for one in made] == [value] * 2, (annotation, beside, how, strict)
