"""Traits: what is drawn with the event that gives birth to an entity, for its state alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from deep_faker.declare.schema.events import BaseEvent, EventSpec, event_spec
from deep_faker.declare.schema.fields import TRAIT, FieldSpec, StateSpec, shown_name
from deep_faker.declare.schema.generators import GeneratorSpec
from deep_faker.draws.distributions.correlated import CorrelatedPart
from deep_faker.draws.distributions.segments import PerSegment
from deep_faker.errors import DeclarationError, Diagnostic


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


def resolved(entity: str, state: StateSpec, states: Sequence[StateSpec]) -> GeneratorSpec:
    """What draws a trait, knowing the others: where its group is drawn, what it has in common with others.

    Raises `DeclarationError` where no trait draws the groups.
    """
    draw = state.draw
    assert draw is not None
    found = draw.arguments["dist"]
    if isinstance(found, PerSegment):
        owner = next((s for s in states if s.draw and s.draw.arguments["dist"] is found.segments), None)
        owner = owner or next(
            (s for s in states if s.draw and s.draw.arguments["dist"] == found.segments), None
        )
        if owner is None:
            label = f"no trait of {entity} draws {found.segments!r}"
            mend = "add one: segment: str = StateField(draw=kinds)"
            title = f"wrong state field {entity}.{state.name}"
            raise DeclarationError(Diagnostic(title, state.span, label, mend))
        found = replace(found, field=trait_name(entity, owner.name))
    elif isinstance(found, CorrelatedPart):
        found = replace(found, owner=trait_name(entity, ""))
    else:
        return draw
    others = tuple((name, value) for name, value in draw.kwargs if name != "dist")
    return replace(draw, kwargs=(("dist", found), *others))


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
