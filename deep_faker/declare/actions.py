"""What a flow yields: `NewEvent`, `AddDecay`, `Select`, `SetState`, `Release`. Frozen, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from deep_faker.declare.operators import (
    OPERATORS,
    ORDERING,
    SET_OPERATORS,
    UNKNOWN,
    WITHOUT_VALUE,
    Change,
    Condition,
    Now,
    Unknown,
    check_change,
    check_condition,
    check_weight,
    warn_literal_times,
)
from deep_faker.declare.rates import lag
from deep_faker.declare.schema import (
    MISSING,
    BaseEvent,
    Entity,
    EntitySpec,
    EventSpec,
    entity_spec,
    event_spec,
    is_entity,
    is_event,
)
from deep_faker.draws.distributions.declared import (
    Choice,
    Distribution,
    Exponential,
    LogNormal,
    Normal,
    Uniform,
    below_zero,
    is_number,
    typical,
)
from deep_faker.errors import DeclarationError, Diagnostic, SettingsError, near, shown
from deep_faker.spans import Span, caller_span, narrow, narrow_keyword
from deep_faker.times import DURATIONS, LATEST, parse_duration

__all__ = [
    "MOST_LISTED",
    "OPERATORS",
    "ORDERING",
    "SET_OPERATORS",
    "UNITS",
    "UNKNOWN",
    "Action",
    "AddDecay",
    "Change",
    "Choice",
    "Condition",
    "Distribution",
    "Exponential",
    "LogNormal",
    "NewEvent",
    "Normal",
    "Now",
    "Release",
    "Select",
    "SetState",
    "Uniform",
    "Unknown",
    "check_change",
    "check_condition",
    "check_count",
    "check_fields",
    "check_rate",
    "check_save",
    "check_wait",
    "check_weight",
    "patience",
    "warn_literal_times",
]


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


@dataclass(frozen=True, init=False)
class SetState:
    """Changes of an entity that the flow holds: ``SetState(User, [("visits", "add", 1)])``.

    Each change is ``(field, operator, value)``; the operators are `SET_OPERATORS`.
    Raises `DeclarationError` for an unknown field or operator, or a value of the wrong type.

    >>> from deep_faker import Entity, StateField
    >>> class Sensor(Entity):
    ...     primary_key = "sensor_id"
    ...     readings: int = StateField(default=0)
    >>> SetState(Sensor, [("readings", "add", 1)]).changes
    (Change(field='readings', op='add', value=1),)
    """

    entity: type[Entity]
    changes: tuple[Change, ...]

    def __init__(self, *target: object, changes: object = MISSING) -> None:
        entity, rest = _target("SetState", target)
        items = _one("SetState", "changes", rest, changes)
        spec = entity_spec(entity)
        checked = tuple(_change(spec, item) for item in _items("SetState", items, '("visits", "add", 1)'))
        if not checked:
            mend = 'give changes, such as ("visits", "add", 1)'
            raise _refused("nothing to change", "SetState got an empty list", mend)
        object.__setattr__(self, "entity", entity)
        object.__setattr__(self, "changes", checked)


@dataclass(frozen=True, init=False)
class Select:
    """Pick an available entity and hold it: ``yield Select(ctx, User, where=[("active", "is", True)])``.

    ``where`` is a list of ``(field, operator, value)``, joined by AND; the operators are `OPERATORS`.
    ``shared=True`` uses the entity without holding it; ``weight`` names a numeric state field.
    ``wait="10m"`` queues for that long where none is free, first come first served. ``n=3`` with
    ``shared=True`` gives a list of so many different ones, fewer where there are not so many.
    ``ctx`` may be left out. Raises `DeclarationError` for an unknown field or operator, or a value
    of the wrong type.

    >>> from deep_faker import Entity, StateField
    >>> class Sensor(Entity):
    ...     primary_key = "sensor_id"
    ...     readings: int = StateField(default=0)
    >>> Select(Sensor, where=[("readings", ">", 3)]).where
    (Condition(field='readings', op='greater_than', value=3),)
    """

    entity: type[Entity]
    where: tuple[Condition, ...]
    shared: bool
    weight: str | None
    wait: int | None = field(repr=False)  # µs
    n: int | None = field(repr=False)

    def __init__(
        self,
        *target: object,
        where: object = MISSING,
        shared: bool = False,
        weight: str | None = None,
        wait: object = None,
        n: object = None,
    ) -> None:
        entity, rest = _target("Select", target)
        given = _one("Select", "where", rest, where, default=())
        spec = entity_spec(entity)
        if not isinstance(shared, bool):
            raise _refused(
                "shared is True or False", f"got {shown(shared)}", "write shared=True", keyword="shared"
            )
        items = _items("Select", () if given is None else given, '("status", "is", "active")')
        object.__setattr__(self, "entity", entity)
        object.__setattr__(self, "where", tuple(_condition(spec, item) for item in items))
        object.__setattr__(self, "shared", shared)
        weighed = None if weight is None else _weight(spec, weight)
        object.__setattr__(self, "weight", weighed)
        object.__setattr__(self, "wait", None if wait is None else patience(wait))
        object.__setattr__(self, "n", check_count(n, shared=shared, waits=wait is not None))


@dataclass(frozen=True, init=False)
class Release:
    """Let an entity go before the flow ends: ``yield Release(ctx, Room)``.

    Others may pick it from the next time step on. What the flow does not hold is left alone.

    >>> from deep_faker import Entity
    >>> class Desk(Entity):
    ...     primary_key = "desk_id"
    >>> Release(Desk).entity is Desk
    True
    """

    entity: type[Entity]

    def __init__(self, *target: object) -> None:
        entity, rest = _target("Release", target)
        if rest:
            label = f"got {', '.join(map(shown, rest))} as well"
            raise _refused("Release takes one entity type", label, "write Release(ctx, User)")
        object.__setattr__(self, "entity", entity)


def check_count(n: object, *, shared: bool, waits: bool, span: Span | None = None) -> int | None:
    """How many ``Select(…, n=)`` gives. Raises `DeclarationError` for what is no list."""
    if n is None:
        return None
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MOST_LISTED:
        mend = f"give a whole number from 1 to {MOST_LISTED}"
        raise _refused("wrong number of entities", f"n={shown(n)}", mend, span, "n")
    if not shared or waits:
        label = f"n={n} {'and wait=' if waits else 'without shared=True'}"
        mend = "write Select(Product, n=3, shared=True): a list is used, not held, and nobody waits for it"
        raise _refused("a list is shared", label, mend, span, "n")
    return n


def patience(wait: object, span: Span | None = None) -> int:
    """The µs of ``Select(…, wait=)``. Raises `DeclarationError` for what is no duration."""
    try:
        return parse_duration(wait, "wait")
    except SettingsError as error:
        label = error.diagnostic.label
        raise _refused("wrong waiting time", label, f"wait takes {DURATIONS}", span, "wait") from None


@dataclass(frozen=True, init=False)
class NewEvent:
    """Emit an event: ``yield NewEvent(ctx, Signup, save_entity=User, plan="free")``.

    Keywords fill fields. ``save_entity`` creates an entity of this event; ``mutate`` takes one
    `SetState` or a list, applied after the entity is saved and before the event is written.
    ``arrives``: how long after it the event is known, a time or a distribution of seconds.
    Raises `DeclarationError` for an unknown field, a ``sys__*`` field, or an entity that another
    event creates.
    """

    event_type: type[BaseEvent]
    save_entity: type[Entity] | None
    mutate: tuple[SetState, ...]
    fields: Mapping[str, object]
    arrives: Distribution | None

    def __init__(
        self,
        ctx: object = MISSING,
        event_type: object = MISSING,
        /,
        *,
        save_entity: type[Entity] | None = None,
        mutate: SetState | Sequence[SetState] | None = None,
        **fields: object,
    ) -> None:
        # Both are positional-only here, so that events may have fields of these names.
        if event_type is MISSING and "event_type" in fields:
            event_type = fields.pop("event_type")
        if ctx is MISSING and "ctx" in fields:
            ctx = fields.pop("ctx")
        _check_ctx("NewEvent", ctx, is_event(ctx))
        if not is_event(event_type):
            got = "no event was given" if event_type is MISSING else f"got {shown(event_type)}"
            raise _refused("not an event", got, "give a class of BaseEvent: NewEvent(ctx, Signup)")
        spec = event_spec(event_type)
        delay = fields.pop("arrives", None) if "arrives" not in spec.by_name else None
        check_fields(spec, fields)
        if save_entity is not None:
            check_save(spec, save_entity)
        object.__setattr__(self, "event_type", event_type)
        object.__setattr__(self, "save_entity", save_entity)
        object.__setattr__(self, "mutate", _mutations(mutate))
        object.__setattr__(self, "fields", MappingProxyType(fields))
        object.__setattr__(self, "arrives", None if delay is None else lag(delay, "arrives"))


@dataclass(frozen=True, init=False)
class AddDecay:
    """Move the flow's clock, then end the flow with probability ``rate``.

    The time is the sum of the keywords in `UNITS`, each a number or a distribution:
    ``yield AddDecay(ctx, rate=0.2, minutes=1, seconds=Exponential(30))``.
    Raises `DeclarationError` unless 0 ≤ ``rate`` ≤ 1 and every number is finite and not negative.
    """

    rate: float
    waits: tuple[tuple[str, Any], ...]

    def __init__(self, ctx: object = MISSING, rate: float = 0.0, **time: object) -> None:
        _check_ctx("AddDecay", ctx, is_number(ctx))
        check_rate(rate)
        for unit, value in time.items():
            check_wait(unit, value)
        object.__setattr__(self, "rate", float(rate))
        object.__setattr__(self, "waits", tuple(time.items()))


MOST_LISTED: Final = 32
"""How many entities one selection gives at most: each is a state of the flow's table."""

Action = NewEvent | AddDecay | Select | SetState | Release


def check_rate(rate: object, span: Span | None = None) -> None:
    """Refuse a probability that is none. Raises `DeclarationError`; `UNKNOWN` passes."""
    if isinstance(rate, Unknown) and rate.kind in (None, "int", "float"):
        return
    if not is_number(rate) or not 0 <= rate <= 1:
        raise _refused(
            "rate is a probability", f"got {shown(rate)}", "give a number from 0 to 1", span, "rate"
        )


def check_wait(unit: str, value: object, span: Span | None = None) -> None:
    """Refuse a unit or an amount that is no waiting time. Raises `DeclarationError`; `UNKNOWN` passes."""
    if unit not in UNITS:
        label = f"AddDecay has no {unit!r}"
        raise _refused("unknown unit of time", label, near(unit, UNITS, "AddDecay"), span, unit)
    if isinstance(value, Unknown) and value.kind in (None, "int", "float"):
        return
    if isinstance(value, Distribution):
        wrong = below_zero(value)
        if wrong is not None:
            label = f"{unit}={value!r}: {wrong}"
            raise _refused("wrong waiting time", label, "a time is a number that is not negative", span, unit)
        if typical(value) > LATEST / UNITS[unit]:
            label = f"{unit}={value!r}: most waits are longer than the calendar"
            raise _refused("wrong waiting time", label, "give a time that a run can come to", span, unit)
        return
    if not is_number(value) or value < 0:
        mend = "give a number that is not negative, or a distribution such as Exponential(30)"
        raise _refused("wrong waiting time", f"{unit}={value!r}", mend, span, unit)
    if value > LATEST / UNITS[unit]:
        label = f"{unit}={value!r} is longer than the calendar"
        raise _refused("wrong waiting time", label, "give a time that a run can come to", span, unit)


def check_fields(event: EventSpec, names: Iterable[str], span: Span | None = None) -> None:
    """Refuse keywords of `NewEvent` that are no fields of its event (F6). Raises `DeclarationError`."""
    for name in names:
        if name.startswith("sys__"):
            mend = "remove it: the run fills it"
            raise _refused("reserved field", f"{name!r} cannot be set", mend, span, name)
        if name not in event.by_name:
            label = f"{event.name} has no field {name!r}"
            raise _refused("unknown field", label, near(name, event.by_name, event.name), span, name)


def check_save(event: EventSpec, entity: object, span: Span | None = None) -> None:
    """Refuse a ``save_entity`` that ``event`` cannot create (N12). Raises `DeclarationError`."""
    if not is_entity(entity):
        label, mend = f"got {shown(entity)}", "give a class of Entity: save_entity=User"
        raise _refused("save_entity needs an Entity", label, mend, span, "save_entity")
    spec = entity_spec(entity)
    source = spec.source_event
    if source is None or not issubclass(event.cls, source.cls):
        label = f"{spec.name} is created by {source.name if source else 'no event'}, not by {event.name}"
        mend = f"emit {source.name}" if source else f"set source_event = {event.name} on {spec.name}"
        raise _refused("save_entity with another event", label, mend, span, "save_entity")


def _target(action: str, arguments: tuple[object, ...]) -> tuple[type[Entity], tuple[object, ...]]:
    """Split ``([ctx,] entity, …)``."""
    for index in range(min(2, len(arguments))):
        if is_entity(entity := arguments[index]):
            return entity, arguments[index + 1 :]
    got = "none of its arguments is one" if arguments else "got nothing"
    mend = f"name an Entity class: {action}(User, …) or {action}(ctx, User, …)"
    raise _refused(f"{action} needs an Entity", got, mend)


def _one(
    action: str, name: str, rest: tuple[object, ...], keyword: object, default: object = MISSING
) -> object:
    """The one argument that may stand in its place or by its name."""
    arguments = [*rest, *([keyword] if keyword is not MISSING else [])]
    if len(arguments) == 1:
        return arguments[0]
    if not arguments and default is not MISSING:
        return default
    raise _refused(
        f"{action} needs one list of {name}",
        f"{len(arguments) or 'none'} given",
        f"write {action}(User, {name}=[…])",
    )


def _items(action: str, items: object, example: str) -> Sequence[object]:
    if isinstance(items, (list, tuple)) and not (items and isinstance(items[0], str)):
        return items
    label = "one of them stands alone" if isinstance(items, tuple) else f"got {shown(items)}"
    raise _refused(f"{action} takes a list", label, f"put it in a list: [{example}]", value=items)


def _condition(spec: EntitySpec, item: object) -> Condition:
    if isinstance(item, Condition):
        item = (item.field, item.op, item.value)
    if not isinstance(item, (list, tuple)) or len(item) not in (2, 3):
        raise _refused(
            "a condition has three parts",
            f"got {shown(item)}",
            'write ("status", "is", "active")',
            value=item,
        )
    if len(item) == 2 and OPERATORS.get(item[1]) not in WITHOUT_VALUE:
        mend = f'write ("{item[0]}", "is", {item[1]!r})'
        raise _refused("a condition has three parts", f"got {shown(item)}", mend, value=item)
    value = item[2] if len(item) == 3 else None
    with suppress(DeclarationError):
        return check_condition(spec, item[0], item[1], value)
    # Once more with the user's line, which is too dear to find for every condition.
    return check_condition(spec, item[0], item[1], value, caller_span())


def _change(spec: EntitySpec, item: object) -> Change:
    if isinstance(item, Change):
        item = (item.field, item.op, item.value)
    if not isinstance(item, (list, tuple)) or len(item) != 3:
        raise _refused(
            "a change has three parts", f"got {shown(item)}", 'write ("visits", "add", 1)', value=item
        )
    with suppress(DeclarationError):
        return check_change(spec, item[0], item[1], item[2])
    return check_change(spec, item[0], item[1], item[2], caller_span())


def _weight(spec: EntitySpec, weight: object) -> str:
    with suppress(DeclarationError):
        return check_weight(spec, weight)
    return check_weight(spec, weight, narrow_keyword(caller_span(), "weight"))


def _mutations(settings: object) -> tuple[SetState, ...]:
    items = [] if settings is None else [settings] if isinstance(settings, SetState) else settings
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, SetState) for item in items):
        mend = "write mutate=SetState(User, […]) or a list of them"
        raise _refused("mutate takes SetState", f"got {shown(settings)}", mend, keyword="mutate")
    return tuple(items)


def _check_ctx(action: str, ctx: object, forgotten: bool) -> None:
    """The first argument is the flow's context; which object that is, its module knows."""
    if ctx is MISSING or forgotten or isinstance(ctx, (type, str, int, float, Action)):
        got = "nothing was given" if ctx is MISSING else f"got {shown(ctx)}"
        raise _refused(f"{action} needs the flow's context first", got, f"write {action}(ctx, …)")


def _refused(
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
