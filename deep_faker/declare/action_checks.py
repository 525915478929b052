"""What actions refuse: counts, rates, waits, fields, and who cannot be saved or retire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from deep_faker.declare.operators import Unknown
from deep_faker.declare.schema import (
    MISSING,
    EntitySpec,
    EventSpec,
    entity_spec,
    is_entity,
)
from deep_faker.draws.distributions.declared import (
    Distribution,
    below_zero,
    is_number,
    typical,
)
from deep_faker.errors import DeclarationError, Diagnostic, SettingsError, near, shown
from deep_faker.spans import Span, caller_span, narrow, narrow_keyword
from deep_faker.times import DURATIONS, LATEST, parse_duration

UNITS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "microseconds": 1,
        "milliseconds": 1_000,
        "seconds": 1_000_000,
        "minutes": 60_000_000,
        "hours": 3_600_000_000,
        "days": 86_400_000_000,
        "weeks": 604_800_000_000,
    }
)
"""Keyword of `AddDecay` and of `timedelta` → microseconds, in the order in which Python's constructor adds
them up, which decides how fractions round."""


MOST_LISTED: Final = 32
"""How many entities one selection gives at most: each is a state of the flow's table."""


def check_count(n: object, *, shared: bool, waits: bool, span: Span | None = None) -> int | None:
    """How many ``Select(…, n=)`` gives. Raises `DeclarationError` for what is no list."""
    if n is None:
        return None
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MOST_LISTED:
        mend = f"give a whole number from 1 to {MOST_LISTED}"
        raise refused("wrong number of entities", f"n={shown(n)}", mend, span, "n")
    if not shared or waits:
        label = f"n={n} {'and wait=' if waits else 'without shared=True'}"
        mend = "write Select(Product, n=3, shared=True): a list is used, not held, and nobody waits for it"
        raise refused("a list is shared", label, mend, span, "n")
    return n


def patience(wait: object, span: Span | None = None) -> int:
    """The µs of ``Select(…, wait=)``. Raises `DeclarationError` for what is no duration."""
    try:
        return parse_duration(wait, "wait")
    except SettingsError as error:
        label = error.diagnostic.label
        raise refused("wrong waiting time", label, f"wait takes {DURATIONS}", span, "wait") from None


def check_rate(rate: object, span: Span | None = None) -> None:
    """Refuse a probability that is none. Raises `DeclarationError`; `UNKNOWN` passes."""
    if isinstance(rate, Unknown) and rate.kind in (None, "int", "float"):
        return
    if not is_number(rate) or not 0 <= rate <= 1:
        raise refused(
            "rate is a probability", f"got {shown(rate)}", "give a number from 0 to 1", span, "rate"
        )


def check_wait(unit: str, value: object, span: Span | None = None) -> None:
    """Refuse a unit or an amount that is no waiting time. Raises `DeclarationError`; `UNKNOWN` passes."""
    if unit not in UNITS:
        label = f"AddDecay has no {unit!r}"
        raise refused("unknown unit of time", label, near(unit, UNITS, "AddDecay"), span, unit)
    if isinstance(value, Unknown) and value.kind in (None, "int", "float"):
        return
    if isinstance(value, Distribution):
        wrong = below_zero(value)
        if wrong is not None:
            label = f"{unit}={value!r}: {wrong}"
            raise refused("wrong waiting time", label, "a time is a number that is not negative", span, unit)
        if typical(value) > LATEST / UNITS[unit]:
            label = f"{unit}={value!r}: most waits are longer than the calendar"
            raise refused("wrong waiting time", label, "give a time that a run can come to", span, unit)
        return
    if not is_number(value) or value < 0:
        mend = "give a number that is not negative, or a distribution such as Exponential(30)"
        raise refused("wrong waiting time", f"{unit}={value!r}", mend, span, unit)
    if value > LATEST / UNITS[unit]:
        label = f"{unit}={value!r} is longer than the calendar"
        raise refused("wrong waiting time", label, "give a time that a run can come to", span, unit)


def check_fields(event: EventSpec, names: Iterable[str], span: Span | None = None) -> None:
    """Refuse keywords of `NewEvent` that are no fields of its event (F6). Raises `DeclarationError`."""
    for name in names:
        if name.startswith("sys__"):
            mend = "remove it: the run fills it"
            raise refused("reserved field", f"{name!r} cannot be set", mend, span, name)
        if name not in event.by_name:
            label = f"{event.name} has no field {name!r}"
            raise refused("unknown field", label, near(name, event.by_name, event.name), span, name)


def check_save(event: EventSpec, entity: object, span: Span | None = None) -> None:
    """Refuse a ``save_entity`` that ``event`` cannot create (N12). Raises `DeclarationError`."""
    if not is_entity(entity):
        label, mend = f"got {shown(entity)}", "give a class of Entity: save_entity=User"
        raise refused("save_entity needs an Entity", label, mend, span, "save_entity")
    spec = entity_spec(entity)
    source = spec.source_event
    if source is None or not issubclass(event.cls, source.cls):
        label = f"{spec.name} is created by {source.name if source else 'no event'}, not by {event.name}"
        mend = f"emit {source.name}" if source else f"set source_event = {event.name} on {spec.name}"
        raise refused("save_entity with another event", label, mend, span, "save_entity")


def check_retirement(entity: EntitySpec, span: Span | None = None) -> str:
    """The field that `Retire` sets. Raises `DeclarationError` for a type of which nobody retires."""
    if entity.retirement is None:
        mend = "give it one: left: datetime | None = StateField(retirement=True)"
        raise refused("nobody retires", f"{entity.name} has no state field for it", mend, span)
    return entity.retirement


def refused(
    title: str,
    label: str,
    mend: str,
    span: Span | None = None,
    keyword: str = "",
    *,
    value: object = MISSING,
) -> DeclarationError:
    """The error at the user's call, narrowed to a keyword or a value of it."""
    where = narrow_keyword(span or caller_span(), keyword) if keyword else span or caller_span()
    where = where if value is MISSING else narrow(where, value)
    return DeclarationError(Diagnostic(title, where, label, mend))
