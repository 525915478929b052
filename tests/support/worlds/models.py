"""Models drawn by hypothesis, with values of them, and a simulation that writes these."""

from __future__ import annotations

import datetime as dt
import enum
import ipaddress
import uuid
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, NewType

import pydantic
from hypothesis import Phase
from hypothesis import strategies as st
from typing_extensions import TypeAliasType

from deep_faker import BaseEvent, NewEvent, Simulation

Typed = tuple[Any, st.SearchStrategy[Any]]
"""A type, and its values."""


PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # a smaller model says no more, and takes minutes


INT64 = st.integers(-(2**63), 2**63 - 1)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


MICROS = st.timedeltas(dt.timedelta(microseconds=-(2**62)), dt.timedelta(microseconds=2**62))


FINITE = st.floats(allow_nan=False, allow_infinity=False)


UTC_TIMES = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30), timezones=st.just(dt.UTC))


ADDRESSES = ipaddress.IPv4Address | ipaddress.IPv6Address


PLAIN: list[Typed] = [
    (bool, st.booleans()),
    (int, INT64),
    (float, FINITE),
    (str, TEXT),
    (bytes, TEXT.map(str.encode)),
    (uuid.UUID, st.uuids()),
    (dt.datetime, st.datetimes()),
    (dt.date, st.dates()),
    (dt.time, st.times()),
    (dt.timedelta, MICROS),
    (Decimal, st.decimals(-(10**27), 10**27, places=8)),
    (pydantic.AwareDatetime, UTC_TIMES),
    (int | float, st.one_of(st.integers(-(2**53), 2**53), FINITE)),
    (complex, st.complex_numbers(allow_nan=False, allow_infinity=False)),
    (ADDRESSES, st.ip_addresses()),
    (ipaddress.IPv4Network, st.ip_addresses(v=4).map(lambda address: ipaddress.ip_network(address))),
    (PurePosixPath, st.lists(st.text("ab ü", min_size=1, max_size=3), min_size=1).map(lambda p: PurePosixPath(*p))),
    (pydantic.HttpUrl, st.from_regex(r"https://[a-z]{1,8}\.example/[a-z0-9]{0,8}", fullmatch=True)),
    (pydantic.ByteSize, st.integers(0, 2**50)),
    (pydantic.Base64Bytes, st.binary(max_size=6).map(lambda raw: __import__("base64").b64encode(raw))),
    (Any, st.none() | st.booleans() | st.integers(-9, 9) | st.lists(st.integers(-9, 9), max_size=2)),
]  # fmt: skip


SCALAR = st.one_of(
    st.integers(-9, 9), st.text("abc", min_size=1, max_size=3), st.decimals(0, 9, places=1), st.uuids()
)


@st.composite
def plain(draw: st.DrawFn) -> Typed:
    return PLAIN[draw(st.integers(0, len(PLAIN) - 1))]


@st.composite
def decimals(draw: st.DrawFn) -> Typed:
    """Decimals with digits of their own, few or many."""
    places = draw(st.integers(0, 40))
    digits = draw(st.integers(max(places, 1), 60))
    most = 10**digits - 1
    values = st.integers(-most, most).map(lambda unscaled: Decimal(f"{unscaled}E-{places}"))
    return Annotated[Decimal, pydantic.Field(max_digits=digits, decimal_places=places)], values


@st.composite
def bounded(draw: st.DrawFn) -> Typed:
    """Numbers between bounds, which may lie beyond 64 bits."""
    low, high = sorted(draw(st.tuples(st.integers(-(2**70), 2**70), st.integers(-(2**70), 2**70))))
    values = INT64.filter(lambda value: low <= value <= high)
    if high < -(2**63) or low >= 2**63:
        low, high, values = -(2**64), 2**64, INT64
    return Annotated[int, pydantic.Field(ge=low, le=high)], values


@st.composite
def enums(draw: st.DrawFn) -> Typed:
    """An Enum of values of one type, of several, of tuples; or flags."""
    if draw(st.booleans()):
        flags: Any = enum.IntFlag("Flags", {"A": 1, "B": 2, "C": 8})
        return flags, st.sampled_from([flags(n) for n in (0, 1, 2, 3, 8, 11)])
    item = draw(
        st.sampled_from([SCALAR, st.integers(-9, 9), st.tuples(st.integers(0, 9), st.text("ab", max_size=2))])
    )
    values = draw(st.lists(item, min_size=1, max_size=4, unique_by=lambda value: str(value)))
    made: Any = enum.Enum("Drawn", {f"M{at}": value for at, value in enumerate(values)})
    return made, st.sampled_from(list(made))


@st.composite
def literals(draw: st.DrawFn) -> Typed:
    values = draw(st.lists(st.integers(-9, 9) | st.sampled_from("abc"), min_size=1, max_size=3, unique=True))
    return Literal[tuple(values)], st.sampled_from(values)


LEAVES = st.one_of(plain(), plain(), decimals(), bounded(), enums(), literals())


@st.composite
def renamed(draw: st.DrawFn) -> Typed:
    """The same type under another name, maybe None as well."""
    annotation, values = draw(LEAVES)
    how = draw(st.integers(0, 3))
    if how == 1:
        return annotation | None if annotation is not Any else Any, values | st.none()
    if how == 2:
        return TypeAliasType("Alias", annotation), values
    if how == 3 and isinstance(annotation, type):
        return NewType("Renamed", annotation), values
    return annotation, values


@st.composite
def nested(draw: st.DrawFn) -> Typed:
    """Lists, mappings, tuples and models of the others."""
    annotation, values = draw(renamed())
    how = draw(st.integers(0, 6))
    if how == 0:
        return list[annotation], st.lists(values, max_size=3)  # type: ignore[valid-type]  # made at run time
    if how == 1:
        return dict[str, annotation], st.dictionaries(TEXT, values, max_size=2)  # type: ignore[valid-type]  # as before
    if how == 2:
        return tuple[annotation, int], st.tuples(values, INT64)  # type: ignore[valid-type]  # as before
    if how == 3:
        # pydantic reads a model's JSON by itself, and knows no Enum's tuples from lists there
        annotation, values = draw(st.one_of(plain(), decimals(), bounded()))
        inner: Any = pydantic.create_model("Inner", a=(annotation, ...), b=(list[int], ...))
        rows = st.fixed_dictionaries({"a": values, "b": st.lists(INT64, max_size=2)})
        return inner, rows.map(lambda given: inner(**given))
    return annotation, values


@st.composite
def models(draw: st.DrawFn) -> tuple[type[BaseEvent], list[dict[str, Any]]]:
    """An event type and some rows of values for it."""
    fields = [draw(nested()) for _ in range(draw(st.integers(1, 4)))]
    named = {f"f{at}": (annotation, ...) for at, (annotation, _) in enumerate(fields)}
    event: type[BaseEvent] = pydantic.create_model("Drawn", __base__=BaseEvent, **named)
    row = st.fixed_dictionaries({f"f{at}": values for at, (_, values) in enumerate(fields)})
    return event, draw(st.lists(row, min_size=1, max_size=4))


def simulation(event: type[BaseEvent], rows: list[dict[str, Any]]) -> Simulation:
    sim = Simulation("1s", start_time="2024-01-01", n_flows=1, random_seed=1)

    @sim.flow()
    def go(ctx):
        for values in rows:
            yield NewEvent(ctx, event, **values)

    return sim
