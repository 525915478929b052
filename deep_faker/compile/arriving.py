"""Which flows start of themselves, and how the others start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from deep_faker.compile.declare_flow import FlowDeclaration
from deep_faker.compile.graph.inference import field_type
from deep_faker.compile.incidents import touched
from deep_faker.compile.lower.beginning import handable
from deep_faker.declare.rates import MOST, MOST_OF_ONE
from deep_faker.declare.schema import entity_spec, event_spec
from deep_faker.declare.seasons import curve_of
from deep_faker.declare.state_rates import fields_of
from deep_faker.draws.distributions.declared import Choice, Distribution, kind_and_parameters, typical
from deep_faker.errors import DeclarationError, Diagnostic, SettingsError
from deep_faker.plan import FlowTable, Given, Plan
from deep_faker.plan.rates import Burst, Every, On, Rate, StateRate
from deep_faker.plan.settings import Settings
from deep_faker.spans import Span


def filled(flows: Sequence[FlowDeclaration]) -> bool:
    """Whether any flow takes the places that are free: it has no rate, and a weight."""
    return any(not flow.arrives and flow.weight > 0 for flow in flows) or not flows


def starts_per_step(
    flows: Sequence[FlowDeclaration], n_flows: int | None, per_step: int | None, span: Span | None
) -> int | None:
    """The setting ``starts_per_step`` of a plan: 0 where all flows have rates.

    ``n_flows`` and ``per_step`` as they were given. Raises `SettingsError` where they say nothing of flows
    without a rate beside others, or something of none.
    """
    rated = [flow.name for flow in flows if flow.arrives]
    if not rated:
        return per_step
    if not filled(flows):
        if per_step is not None:
            label = f"starts_per_step={per_step}, and every flow has a rate of its own"
            mend = "leave it out; n_flows= bounds how many are active at once"
            raise SettingsError(Diagnostic("nothing to start", span, label, mend))
        return 0
    if n_flows is None and per_step is None:
        others = [flow.name for flow in flows if not flow.arrives and flow.weight > 0]
        label = f"{', '.join(rated)} start by rate= or every=, and {', '.join(others)} without one"
        mend = (
            "give the others one, too; or say how many are started: starts_per_step= in each step, "
            "or n_flows= as a ceiling of all"
        )
        raise SettingsError(Diagnostic("how many flows start", span, label, mend))
    return per_step


def with_rates(plan: Plan, flows: Sequence[FlowDeclaration]) -> Plan:
    """The plan, its flows with the rates that they were declared with, over the time in which flows start.

    Raises `DeclarationError` for a rate that grows beyond all bounds.
    """
    tables = tuple(
        replace(
            table,
            weight=0.0,
            rate=_rate(flow, plan.settings),
            every=_every(flow, plan.settings),
            on=_on(flow, table, {entity.spec.primary_key for entity in plan.entities.values()}),
            by_state=_by_state(flow, plan.settings),
        )
        if flow.arrives
        else table
        for table, flow in zip(plan.flows, flows, strict=True)
    )
    return replace(plan, flows=tables, incidents=touched(flows, plan.settings))


def _every(flow: FlowDeclaration, settings: Settings) -> Every | None:
    if flow.every is None:
        return None
    kind, params = kind_and_parameters(flow.every)
    entity = entity_spec(flow.filter[0].entity).name
    every = Every(entity, kind, params, typical(flow.every), repr(flow.every))
    if flow.season is None:
        return every
    curve = curve_of(flow.season, settings.start, settings.last)
    return replace(every, curve=curve, season=repr(flow.season))


def _on(flow: FlowDeclaration, table: FlowTable, keys: set[str]) -> On | None:
    if flow.on is None:
        return None
    assert flow.after is not None, "a time after every event"
    event = event_spec(flow.on)
    specs = [entity_spec(select.entity) for select in flow.filter]
    for spec in specs:
        if spec.primary_key not in event.by_name and spec.source_event is not event:
            label = f"{event.name} has no field {spec.primary_key!r}, and makes no {spec.name}"
            mend = f"give the event that field, or pick one in the flow: yield Select(ctx, {spec.name})"
            raise DeclarationError(
                Diagnostic("an entity that the event does not name", flow.span, label, mend)
            )
    kind, params = kind_and_parameters(flow.after)
    names = tuple(spec.name for spec in specs)
    if table.live is not None:
        fields = tuple((name, field_type(event.by_name[name])) for name in handable(event, keys))
    else:
        handed = [op for state in table.states for op in state.operations if isinstance(op, Given)]
        fields = tuple((op.field, table.types[op.target]) for op in handed)
    return On(event.name, names, kind, params, _text_of(flow.after), fields)


def _text_of(after: Distribution) -> str:
    """A time as its author may have written it."""
    if isinstance(after, Choice) and len(after.values) == 1:
        seconds = float(str(after.values[0]))
        return f"{timedelta(seconds=seconds)} later" if seconds else "at once"
    return f"{after!r} later"


def _by_state(flow: FlowDeclaration, settings: Settings) -> StateRate | None:
    if flow.state_rate is None:
        return None
    spec = entity_spec(flow.filter[0].entity)
    fields = tuple(fields_of(flow.state_rate, spec, flow.span))
    curve = curve_of(flow.season, settings.start, settings.last)
    season = "" if flow.season is None else repr(flow.season)
    return StateRate(spec.name, flow.state_rate, fields, curve, MOST_OF_ONE, flow.rate_text, season)


def _rate(flow: FlowDeclaration, settings: Settings) -> Rate | None:
    if flow.rate is None:
        return None
    curve = curve_of(flow.season, settings.start, settings.last)
    season = "" if flow.season is None else repr(flow.season)
    most = flow.rate * float(curve.level.max())
    if not most <= MOST:
        label = f"rate={flow.rate_text!r}, {season}: up to {most:.3g} a second"
        raise DeclarationError(Diagnostic("wrong rate", flow.span, label, f"stay below {MOST:,.0f} a second"))
    burst = None
    if flow.burst is not None:
        assert isinstance(flow.burst.after, Distribution), "made one when it was declared"
        burst = Burst(float(flow.burst.branching), *kind_and_parameters(flow.burst.after))
    return Rate(flow.rate, curve, flow.rate_text, season, burst)
