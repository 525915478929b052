"""The user's own classes of values, which checkpoints must know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from deep_faker.declare.schema.entities import EntitySpec
from deep_faker.declare.schema.events import EventSpec
from deep_faker.declare.schema.kinds import adapter
from deep_faker.declare.schema.usercode import SILENT


def value_classes(specs: Iterable[EventSpec | EntitySpec]) -> dict[str, type]:
    """The enums, models and dataclasses that fields and state name, by names equal in every process.

    >>> from enum import Enum
    >>> from deep_faker import Entity, StateField
    >>> Plan = Enum("Plan", ["FREE", "PRO"])
    >>> class Account(Entity):
    ...     source_event = None
    ...     primary_key = "account_id"
    ...     plans = StateField(default=[], type_=list[Plan])
    >>> from deep_faker.declare.schema import entity_spec
    >>> value_classes([entity_spec(Account)])
    {'Plan': <enum 'Plan'>}
    """
    classes: dict[type, str] = {}
    for cls in (cls for spec in specs for schema in _schemas(spec) for cls in _classes(schema)):
        if cls not in classes:
            twins = sum(other.__qualname__ == cls.__qualname__ for other in classes)
            classes[cls] = f"{cls.__qualname__}#{twins}" if twins else cls.__qualname__
    return {name: cls for cls, name in classes.items()}


def _schemas(spec: EventSpec | EntitySpec) -> Iterator[object]:
    if isinstance(spec, EventSpec):
        yield spec.cls.__pydantic_core_schema__
    else:
        yield from (adapter(state.type_).core_schema for state in spec.states)


def _classes(schema: object) -> Iterator[type]:
    if isinstance(schema, (list, tuple)):
        for part in schema:
            yield from _classes(part)
    if not isinstance(schema, Mapping):
        return
    cls = schema.get("function" if schema.get("type") == "call" else "cls")  # a NamedTuple is called
    if schema.get("type") in ("enum", "model", "dataclass", "call") and isinstance(cls, type):
        yield cls
    for key, part in schema.items():
        if key not in SILENT:
            yield from _classes(part)
