"""Event and entity classes as tables of their fields."""

from __future__ import annotations

from deep_faker.declare.schema import BaseEvent, Entity, EntitySpec, EventSpec, entity_spec, event_spec
from deep_faker.errors import DeclarationError
from deep_faker.markup import folded, nested, page, table, verbatim
from deep_faker.plan import Plan

Rows = list[tuple[object, ...]]


def class_page(cls: type[BaseEvent | Entity]) -> str:
    """An event or entity class with its fields; what is wrong with it, where something is."""
    try:
        if issubclass(cls, Entity):
            return page(entity_table(entity_spec(cls), title=f"entity {cls.__name__}"))
        return page(event_table(event_spec(cls), title=f"event {cls.__name__}"))
    except DeclarationError as error:
        return page(verbatim(error))


def event_table(spec: EventSpec, *, title: str = "") -> str:
    """The fields of an event type, and how each is made."""
    rows: Rows = []
    for field in spec.fields:
        made = str(field.generator) if field.generator is not None else "given by the flow"
        rows.append((field.name, _kind(field.kind, optional=field.optional), made))
    return table(("field", "type", "made by"), rows, title=title)


def entity_table(spec: EntitySpec, *, title: str = "") -> str:
    """The key and the state of an entity type, and what each is at first."""
    source = spec.source_event
    rows: Rows = [(spec.primary_key, spec.key_kind, f"the key, of {source.name}" if source else "the key")]
    for state in spec.states:
        if state.draw is not None:
            first = f"drawn at birth: {state.draw}"
        elif state.from_field is not None:
            first = f"the event's {state.from_field}"
        else:
            first = "made by its factory" if state.default_factory else f"{state.default!r} at first"
        rows.append((state.name, _kind(state.kind, optional=state.optional), first))
    return table(("field", "type", ""), rows, title=title)


def all_schemas(plan: Plan) -> str:
    """The types of a plan, folded."""
    entities = [folded(name, entity_table(found.spec)) for name, found in plan.entities.items()]
    events = [folded(name, event_table(found)) for name, found in plan.events.items()]
    return "".join(
        folded(f"{len(found)} {what} {'type' if len(found) == 1 else 'types'}", nested("".join(found)))
        for what, found in (("entity", entities), ("event", events))
        if found
    )


def _kind(kind: str, *, optional: bool) -> str:
    return f"{kind} or None" if optional else kind
