"""Every provider method of a locale with its default arguments: ours, and the library's own values."""

from __future__ import annotations

import datetime as dt
import enum
import zlib
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from deep_faker.declare.schema import GeneratorSpec
from deep_faker.draws.mix import Draws
from deep_faker.values import Place, Rows, make, provider_names
from deep_faker.values.base import Provider
from deep_faker.values.family import families
from deep_faker.values.library.libraries import at, faker_generator
from deep_faker.values.library.pools import small_pools

START = 1_754_862_710_365_000  # 2025-08-10 21:51:50.365


class Suit(enum.Enum):
    """What `enum` draws from: the only method of Faker that does nothing without an argument."""

    CLUBS = 1
    HEARTS = 2
    SPADES = 3


REQUIRED_ARGUMENTS: dict[str, dict[str, Any]] = {"enum": {"enum_cls": Suit}}

DIFFERENT_TYPES = {
    "Decimal": "a column has no decimal kind of its own: its digits are kept, as text",
}
"""Of columns: where Faker's values are of such a type, ours are text, and are compared as such."""

_PLAIN = {"str", "int", "float", "bool", "NoneType", "date", "datetime", "time", "timedelta"}


def faker_names(locale: str) -> list[str]:
    """The public provider methods of Faker itself."""
    return [name for name in provider_names(locale) if name not in families("ours")]


def spec(name: str, locale: str) -> GeneratorSpec:
    return GeneratorSpec("faker", name, tuple(REQUIRED_ARGUMENTS.get(name, {}).items()), locale)


@cache
def provider(name: str, locale: str = "en_US", pool: int = 40) -> Provider:
    """The provider with pools of ``pool`` values: enough to see what it is, and quickly made."""
    with small_pools(pool):
        return make(spec(name, locale), Place(Draws(1), ("field", "E", name), START))


def rows(first: int, n: int) -> Rows:
    """Rows of flows that are far apart and of different actions."""
    number = np.arange(first, first + n, dtype=np.uint64)
    return Rows(
        number * np.uint64(7919), number % np.uint64(5) + np.uint64(1), START + 1000 * number.astype(np.int64)
    )


def faker_values(name: str, locale: str, n: int) -> list[Any]:
    """Faker's own values, with a seed that is the method's and now at the start."""
    generator = faker_generator(locale)
    arguments = REQUIRED_ARGUMENTS.get(name, {})
    with at(START):
        generator.seed_instance(zlib.crc32(name.encode()))
        method = getattr(generator, name)
        if name == "passport_dates":  # by default the day of Faker's import
            arguments = {"birthday": dt.date(2025, 8, 10)}
        return [_held(method(**arguments)) for _ in range(n)]


def _held(value: Any) -> Any:
    """What a column holds: the value of an Enum's member, the items of a generator."""
    if isinstance(value, enum.Enum):
        return value.value
    return list(value) if isinstance(value, Iterator) else value


def types(values: list[Any]) -> set[str]:
    """The names of the types of a column's values."""
    names = {type(value).__name__ for value in values}
    return {"str" if name in DIFFERENT_TYPES else name for name in names}


def plain_types(values: list[Any]) -> set[str]:
    """Those of them that a pool keeps: lists, bytes, enums and the like become what a column can hold."""
    return types(values) & _PLAIN
