"""Which entities' keys fill the fields of an event that a live flow emits (F5)."""

from __future__ import annotations

from collections.abc import Mapping

from deep_faker.declare.schema import EntitySpec, EventSpec
from deep_faker.plan import Plan
from deep_faker.simulate.failures import empty_field
from deep_faker.simulate.live.requests import FlowState


def owners_of(
    flow: FlowState, plan: Plan, spec: EventSpec, arguments: Mapping[str, object], save: EntitySpec | None
) -> dict[str, tuple[str, int]] | None:
    """The fields that the key of an entity fills: (its type, its number); None: one that it needs is missing.

    Raises the error of a field that nothing fills.
    """
    slots = dict(flow.world.slots(flow))
    filled: dict[str, tuple[str, int]] = {}
    for field in spec.fields:
        owners = [
            name
            for name, entity in plan.entities.items()
            if entity.spec.primary_key == field.name and entity.spec is not save
        ]
        held = next((name for name in owners if name in slots), None)
        made_otherwise = field.generator is not None or field.has_default
        if field.name in arguments:
            continue
        if save is not None and save.primary_key == field.name:
            if not made_otherwise:
                raise empty_field(spec.name, field.name, flow.span())
            continue
        if held is not None:
            filled[field.name] = (held, slots[held])
        elif not made_otherwise and (flow.table.live is None or flow.tried.intersection(owners)):
            # The compiler has refused flows that could not hold one here, whatever they did.
            return None
        elif not made_otherwise:
            raise empty_field(spec.name, field.name, flow.span())
    return filled
