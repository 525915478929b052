"""Nested annotations drawn by hypothesis, each with values of it."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
import itertools
import typing
import uuid
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import pydantic
import typing_extensions
from hypothesis import strategies as st


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Kind(NamedTuple):
    """An annotation and what draws its values."""

    annotation: Any
    values: st.SearchStrategy[Any]
    hashable: bool = False


_NAMES = itertools.count()
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
_YEARS = {"min_value": dt.datetime(1970, 1, 1), "max_value": dt.datetime(2200, 1, 1)}
_DAYS = {"min_value": dt.date(1970, 1, 1), "max_value": dt.date(2200, 1, 1)}
_SPANS = {"min_value": dt.timedelta(days=-300), "max_value": dt.timedelta(days=300)}
LEAVES = (
    Kind(int, st.integers(-(2**63), 2**63 - 1), True),
    Kind(float, st.floats(allow_nan=False, allow_infinity=False), True),
    Kind(str, _TEXT, True),
    Kind(bool, st.booleans(), True),
    Kind(dt.date, st.dates(**_DAYS), True),
    Kind(dt.datetime, st.datetimes(**_YEARS), True),
    Kind(dt.timedelta, st.timedeltas(**_SPANS), True),
    Kind(dt.time, st.times(), True),
    Kind(Decimal, st.decimals(-1000, 1000, places=3), True),
    Kind(uuid.UUID, st.uuids(), True),
    Kind(Color, st.sampled_from(Color), True),
    Kind(Level, st.sampled_from(Level), True),
    Kind(Literal["a", "b"], st.sampled_from(["a", "b"]), True),
)
KEYS = tuple(leaf for leaf in LEAVES if leaf.annotation not in (bool, float, dt.time))


def _many(item: Kind) -> st.SearchStrategy[Kind]:
    lists = [
        Kind(list[item.annotation], st.lists(item.values, max_size=3)),  # type: ignore[name-defined]
        Kind(tuple[item.annotation, ...], st.lists(item.values, max_size=3).map(tuple), item.hashable),  # type: ignore[name-defined]
        Kind(collections.deque[item.annotation], st.lists(item.values, max_size=3).map(collections.deque)),  # type: ignore[name-defined]
    ]
    if item.hashable:
        lists += [
            Kind(set[item.annotation], st.sets(item.values, max_size=3)),  # type: ignore[name-defined]
            Kind(frozenset[item.annotation], st.frozensets(item.values, max_size=3), True),  # type: ignore[name-defined]
        ]
    return st.sampled_from(lists)


def _optional(item: Kind) -> Kind:
    return Kind(item.annotation | None, st.none() | item.values, item.hashable)


def _mapping(key: Kind, item: Kind) -> Kind:
    return Kind(dict[key.annotation, item.annotation], st.dictionaries(key.values, item.values, max_size=3))  # type: ignore[name-defined]


def _fixed(items: list[Kind]) -> Kind:
    kinds: Any = tuple.__class_getitem__(tuple(item.annotation for item in items))
    return Kind(kinds, st.tuples(*(item.values for item in items)), all(item.hashable for item in items))


def record(how: str, items: list[Kind]) -> Kind:
    """A class with a field of each kind."""
    name = f"R{next(_NAMES)}"
    fields = {f"f{place}": item.annotation for place, item in enumerate(items)}
    parts = st.fixed_dictionaries({f"f{place}": item.values for place, item in enumerate(items)})
    if how == "model":
        model = pydantic.create_model(name, **{key: (kind, ...) for key, kind in fields.items()})
        return Kind(model, parts.map(lambda values: model(**values)))
    if how == "dataclass":
        cls = dataclasses.make_dataclass(name, fields.items())
        return Kind(cls, parts.map(lambda values: cls(**values)))
    if how == "typeddict":
        return Kind(typing_extensions.TypedDict(name, fields), parts)
    named: Any = typing.NamedTuple(name, fields.items())
    return Kind(named, parts.map(lambda values: named(**values)), all(item.hashable for item in items))


def _grown(inner: st.SearchStrategy[Kind]) -> st.SearchStrategy[Kind]:
    some = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        inner.flatmap(_many),
        inner.map(_optional).flatmap(_many),
        st.builds(_mapping, st.sampled_from(KEYS), inner),
        some.map(_fixed),
        st.builds(record, st.sampled_from(["model", "dataclass", "typeddict", "namedtuple"]), some),
    )


_ONE = st.sampled_from(LEAVES)
_TWO = _ONE | _grown(_ONE)
KINDS = _grown(_TWO) | _grown(_ONE) | _grown(_TWO | _grown(_TWO))
"""Nested annotations of depth three at most."""
