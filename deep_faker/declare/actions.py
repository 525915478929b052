"""What a flow yields: `NewEvent`, `AddDecay`, `Select`, `SetState`, `Release`, `Retire`. Frozen, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from deep_faker.declare.action_checks import (
    MOST_LISTED,
    UNITS,
    check_count,
    check_fields,
    check_rate,
    check_retirement,
    check_save,
    check_wait,
    patience,
    refused,
)
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
    check_asked,
    check_change,
    check_condition,
    check_set,
    check_shared,
    check_weight,
    nobody,
    present,
    warn_literal_times,
)
from deep_faker.declare.rates import lag
from deep_faker.declare.schema import (
    MISSING,
    BaseEvent,
    Entity,
    EntitySpec,
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
    is_number,
)
from deep_faker.errors import DeclarationError, shown
from deep_faker.spans import caller_span, narrow_keyword

if TYPE_CHECKING:
    from datetime import datetime

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
    "Retire",
    "Select",
    "SetState",
    "Uniform",
    "Unknown",
    "check_change",
    "check_condition",
    "check_count",
    "check_fields",
    "check_rate",
    "check_retirement",
    "check_save",
    "check_wait",
    "check_weight",
    "patience",
    "warn_literal_times",
]


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
            raise refused("nothing to change", "SetState got an empty list", mend)
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
            raise refused(
                "shared is True or False", f"got {shown(shared)}", "write shared=True", keyword="shared"
            )
        items = _items("Select", () if given is None else given, '("status", "is", "active")')
        object.__setattr__(self, "entity", entity)
        check_shared(spec, shared)
        object.__setattr__(self, "where", (*(_condition(spec, item) for item in items), *present(spec)))
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
            raise refused("Release takes one entity type", label, "write Release(ctx, User)")
        object.__setattr__(self, "entity", entity)


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
            raise refused("not an event", got, "give a class of BaseEvent: NewEvent(ctx, Signup)")
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


@dataclass(frozen=True, init=False)
class Retire:
    """The entity that the flow holds leaves for good: ``yield Retire(ctx, User)``.

    Its state field with ``retirement=True`` becomes the flow's instant; the flow holds it no more, and nobody
    selects it from then on. Raises `DeclarationError` for a type without such a field.

    >>> from datetime import datetime
    >>> from deep_faker import Entity, StateField
    >>> class Sensor(Entity):
    ...     primary_key = "sensor_id"
    ...     removed: datetime | None = StateField(retirement=True)
    >>> Retire(Sensor).entity.__name__
    'Sensor'
    """

    entity: type[Entity]

    def __init__(self, *target: object) -> None:
        entity, rest = _target("Retire", target)
        if rest:
            raise refused("Retire takes an Entity", f"got {shown(rest[0])} too", "write Retire(ctx, User)")
        check_retirement(entity_spec(entity))
        object.__setattr__(self, "entity", entity)


Action = NewEvent | AddDecay | Select | SetState | Release | Retire


def retired(entity: type[Entity], at: datetime) -> SetState:
    """What `Retire` changes of an entity, at an instant."""
    change = Change(check_retirement(entity_spec(entity)), "is", at)
    setting = object.__new__(SetState)
    object.__setattr__(setting, "entity", entity)
    object.__setattr__(setting, "changes", (change,))
    return setting


def nobody_of(entity: type[Entity]) -> Select:
    """A selection that finds nobody, by which a flow lets go of what it holds."""
    select = Select(entity)
    object.__setattr__(select, "where", nobody(entity_spec(entity)))
    return select


def _target(action: str, arguments: tuple[object, ...]) -> tuple[type[Entity], tuple[object, ...]]:
    """Split ``([ctx,] entity, …)``."""
    for index in range(min(2, len(arguments))):
        if is_entity(entity := arguments[index]):
            return entity, arguments[index + 1 :]
    got = "none of its arguments is one" if arguments else "got nothing"
    mend = f"name an Entity class: {action}(User, …) or {action}(ctx, User, …)"
    raise refused(f"{action} needs an Entity", got, mend)


def _one(
    action: str, name: str, rest: tuple[object, ...], keyword: object, default: object = MISSING
) -> object:
    """The one argument that may stand in its place or by its name."""
    arguments = [*rest, *([keyword] if keyword is not MISSING else [])]
    if len(arguments) == 1:
        return arguments[0]
    if not arguments and default is not MISSING:
        return default
    raise refused(
        f"{action} needs one list of {name}",
        f"{len(arguments) or 'none'} given",
        f"write {action}(User, {name}=[…])",
    )


def _items(action: str, items: object, example: str) -> Sequence[object]:
    if isinstance(items, (list, tuple)) and not (items and isinstance(items[0], str)):
        return items
    label = "one of them stands alone" if isinstance(items, tuple) else f"got {shown(items)}"
    raise refused(f"{action} takes a list", label, f"put it in a list: [{example}]", value=items)


def _condition(spec: EntitySpec, item: object) -> Condition:
    if isinstance(item, Condition):
        item = (item.field, item.op, item.value)
    if not isinstance(item, (list, tuple)) or len(item) not in (2, 3):
        raise refused(
            "a condition has three parts",
            f"got {shown(item)}",
            'write ("status", "is", "active")',
            value=item,
        )
    if len(item) == 2 and OPERATORS.get(item[1]) not in WITHOUT_VALUE:
        mend = f'write ("{item[0]}", "is", {item[1]!r})'
        raise refused("a condition has three parts", f"got {shown(item)}", mend, value=item)
    check_asked(spec, item[0])
    value = item[2] if len(item) == 3 else None
    with suppress(DeclarationError):
        return check_condition(spec, item[0], item[1], value)
    # Once more with the user's line, which is too dear to find for every condition.
    return check_condition(spec, item[0], item[1], value, caller_span())


def _change(spec: EntitySpec, item: object) -> Change:
    if isinstance(item, Change):
        item = (item.field, item.op, item.value)
    if not isinstance(item, (list, tuple)) or len(item) != 3:
        raise refused(
            "a change has three parts", f"got {shown(item)}", 'write ("visits", "add", 1)', value=item
        )
    check_set(spec, item[0])
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
        raise refused("mutate takes SetState", f"got {shown(settings)}", mend, keyword="mutate")
    return tuple(items)


def _check_ctx(action: str, ctx: object, forgotten: bool) -> None:
    """The first argument is the flow's context; which object that is, its module knows."""
    if ctx is MISSING or forgotten or isinstance(ctx, (type, str, int, float, Action)):
        got = "nothing was given" if ctx is MISSING else f"got {shown(ctx)}"
        raise refused(f"{action} needs the flow's context first", got, f"write {action}(ctx, …)")
