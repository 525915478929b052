"""Recipes beside the values that they are to give: of a field in a world, and of a provider alone."""

from __future__ import annotations

import datetime as dt
from functools import cache
from typing import Any

import numpy as np

from deep_faker import BaseEvent
from deep_faker.declare.schema import FieldSpec, event_spec
from deep_faker.fill.field_recipes import field_recipe
from deep_faker.fill.typed import typed_values
from deep_faker.plan import Type
from deep_faker.plan.recipes import Recipe, evaluate
from deep_faker.values import Provider, Rows

N = 5_000
START = 1_754_862_710_365_000  # 2025-08-10 21:51:50.365
TYPES: dict[str, Any] = {
    "bool": bool,
    "int": int,
    "float": float,
    "str": str,
    "datetime": dt.datetime,
    "date": dt.date,
    "timedelta": dt.timedelta,
}


def rows(n: int = N) -> Rows:
    """Flows that are far apart, small and large actions, clocks of their own."""
    number = np.arange(n, dtype=np.uint64)
    action = number % np.uint64(7) + np.uint64(1) + (number % np.uint64(11) << np.uint64(20))
    return Rows(number * np.uint64(7919), action, START + 1_234_567 * number.astype(np.int64))


def evaluated(recipe: Recipe, asked: Rows) -> list[Any]:
    """The recipe's values of some rows."""
    numbers = zip(asked.flow.tolist(), asked.action.tolist(), asked.clock.tolist(), strict=True)
    return [evaluate(recipe, *row) for row in numbers]


@cache
def field_of(kind: str) -> FieldSpec:
    """An optional field of this kind."""
    event = type("Made", (BaseEvent,), {"__annotations__": {"value": TYPES[kind] | None}, "value": None})
    return event_spec(event).by_name["value"]


def exact_recipe(provider: Provider) -> Recipe | None:
    """The recipe of a provider's values, if there is one; it must give them, in value, type and sign of zero."""
    if provider.kind not in TYPES:
        return None
    field = field_of(provider.kind)
    recipe = field_recipe(provider, field, Type(provider.kind, optional=True))
    if recipe is not None:
        asked = rows()
        assert repr(evaluated(recipe, asked)) == repr(typed_values(provider.column(asked), field))
    return recipe
