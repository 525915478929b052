"""Traits: what is drawn with the event that gives birth to an entity, for its state alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from deep_faker.declare.schema.events import BaseEvent, EventSpec, event_spec
from deep_faker.declare.schema.fields import TRAIT, FieldSpec, shown_name


def with_traits(cls: type[BaseEvent], entity: str, traits: Sequence[FieldSpec]) -> EventSpec:
    """The spec of an event class to which an entity type adds what is drawn at its births.

    Those that a class of the same name added before, in a cell of a notebook, give way.
    """
    spec = event_spec(cls)
    others = [trait for trait in spec.traits if not trait.name.startswith(trait_name(entity, ""))]
    if traits or len(others) < len(spec.traits):  # else it keeps what it has worked out
        spec = replace(spec, traits=(*others, *traits))
        cls.__df_spec__ = spec  # type: ignore[attr-defined]
    return spec


def trait_name(entity: str, state: str) -> str:
    """The name of the field in which a trait is drawn.

    >>> trait_name("User", "activity")
    'trait__User__activity'
    """
    return f"{TRAIT}{entity}__{state}"


def shown_field(event: str, field: str) -> str:
    """What messages call a field of an event, or a trait that is drawn with it.

    >>> shown_field("Joined", "plan"), shown_field("Joined", trait_name("User", "activity"))
    ('Joined.plan', 'User.activity')
    """
    return shown_name(field) if field.startswith(TRAIT) else f"{event}.{field}"
