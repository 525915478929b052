"""Entities that each part of a world has whole: which may be, and how the parts' values are put together."""

from __future__ import annotations

from collections.abc import Iterator

from deep_faker.errors import DeclarationError, Diagnostic
from deep_faker.plan.ops import Apply, Change, Emit, Save
from deep_faker.plan.tables import EntityPlan, Plan
from deep_faker.spans import Span

_RULES = {"add": "sum", "subtract": "sum", "min": "min", "max": "max"}
_SUMMED = ("int", "float")


def replicated_events(plan: Plan) -> frozenset[str]:
    """The event types of which all parts have the same: those that make replicated entities."""
    specs = [entity.spec for entity in plan.entities.values() if entity.spec.replicated]
    return frozenset(spec.source_event.name for spec in specs if spec.source_event is not None)


def rules_of(plan: Plan) -> dict[str, dict[str, str]]:
    """Replicated entity → state field that flows change → how the parts' values are put together."""
    rules: dict[str, dict[str, str]] = {
        name: {} for name, entity in plan.entities.items() if entity.spec.replicated
    }
    for change in _changes(plan):
        if change.entity in rules:  # of one part alone, any rule gives its own values
            rules[change.entity][change.field] = _RULES.get(change.op, "max")
    return rules


def check_replicated(plan: Plan, entity: EntityPlan) -> None:
    """Raise `DeclarationError` where parts would have different ones, or could not be put together."""
    name, source = entity.name, entity.spec.source_event
    leave = "or leave replicated out"
    for flow in plan.flows:
        if flow.live:
            label = f"flow {flow.name!r} runs as a generator, which may make or change a {name}"
            raise _refused(entity, flow.live_span or flow.span, label, f"see explain() for why, {leave}")
    for site in plan.sites:
        made = site.save == name or (source is not None and site.event == source.name)
        if made and site.flow is not None:
            label = f"flow {site.flow!r} emits {site.event}: only initial entities are the same in all parts"
            raise _refused(entity, site.span, label, f"give all of them in initial_entities, {leave}")
    if plan.settings.history:
        label = "with history=True its versions would be those of every part"
        raise _refused(entity, entity.spec.span, label, "leave history out, or replicated")
    _check_changes(plan, entity, leave)


def _check_changes(plan: Plan, entity: EntityPlan, leave: str) -> None:
    rules: dict[str, str] = {}
    kinds = {column.name: column.type.kind for column in entity.columns}
    for change in _changes(plan):
        if change.entity != entity.name:
            continue
        rule = _RULES.get(change.op)
        if rule is None or (rule == "sum" and kinds[change.field] not in _SUMMED):
            label = f"{change.field} is changed by {change.op!r}, of which no part knows what the others do"
            mend = f"change a number by add or subtract, anything by min or max, {leave}"
            raise _refused(entity, change.span, label, mend)
        if rules.setdefault(change.field, rule) != rule:
            label = f"{change.field} is changed by {change.op!r} here, and otherwise elsewhere"
            raise _refused(entity, change.span, label, "change it by sums, by min, or by max alone")


def _refused(entity: EntityPlan, span: Span | None, label: str, mend: str) -> DeclarationError:
    return DeclarationError(Diagnostic(f"{entity.name} cannot be replicated", span, label, mend))


def _changes(plan: Plan) -> Iterator[Change]:
    """What the compiled flows change."""
    for state in (state for flow in plan.flows for state in flow.states):
        for operation in state.operations:
            if isinstance(operation, (Apply, Emit)):
                yield from operation.changes
        if isinstance(state.terminator, Save):
            yield from state.terminator.emit.changes
