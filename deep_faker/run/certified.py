"""What a plan promises of its data, as plain values: what a certificate holds the rows against.

Only what is sure of every run is said. A flow that runs as its generator may do anything, and so may an
operation that this module does not know: then nothing is said of flows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from deep_faker.plan import Plan
from deep_faker.plan.ops import (
    Apply,
    Branch,
    Change,
    Clock,
    Count,
    Draw,
    Early,
    Emit,
    End,
    Goto,
    Held,
    Let,
    Need,
    Pick,
    Read,
    Save,
    Session,
    State,
    Turn,
    Wait,
)
from deep_faker.plan.tables import FlowTable

_KNOWN = (Let, Draw, Held, Read, Need, Clock, Session, Count, Turn, Early, Apply, Emit)  # and not Hold
_ENDS = (Goto, Branch, Wait, Pick, Save, End)
_SCALARS = (bool, int, float, str)

Facts = dict[str, Any]


def facts_of(plan: Plan) -> Facts:
    """The promises of a plan, as JSON has them.

    ``sources``: entity type → its source event, and whether every such event creates one. ``state``: entity
    type → the source event's field or the constant that a state field begins with. Of compiled flows:
    ``keys``: event type → column → entity type whose key it always is; ``single``: a session takes one
    entity of the type at most; ``early``: it has it from its start, or from the birth, to its end;
    ``held``: nobody names one that the session does not hold; ``changes``: entity type → event type → state
    field → operator and value (null: unknown) of what it may change; ``bare``: types that change without an
    event; ``arrivals``, ``shares`` and ``decays``: what is expected of flows.
    """
    known = all(map(_is_known, plan.flows))
    facts: Facts = {
        "sources": _sources(plan, known=known),
        "arrivals": _arrivals(plan),
        "shares": _shares(plan),
    }
    facts["keys"] = {}  # of no column is it sure that it is a key
    if known:
        facts |= {"keys": _keys(plan), **_takings(plan), **_changes(plan), "decays": _decays(plan)}
        facts["state"] = _births(plan, facts["changes"])
    return facts


def _is_known(flow: FlowTable) -> bool:
    ends = {type(state.terminator) for state in flow.states}
    operations = {type(each) for state in flow.states for each in state.operations}
    return flow.live is None and ends <= {*_ENDS} and operations <= {*_KNOWN}


def _emits(flow: FlowTable) -> Iterator[Emit]:
    for state in flow.states:
        yield from (each for each in state.operations if isinstance(each, Emit))
        if isinstance(state.terminator, Save):
            yield state.terminator.emit


# ---------------------------------------------------------------- entities


def _sources(plan: Plan, *, known: bool) -> Facts:
    out = {}
    for name, entity in plan.entities.items():
        source = entity.spec.source_event
        if source is not None and entity.spec.key_field is not None:
            sites = [site for site in plan.sites if site.event == source.name]
            out[name] = {"event": source.name, "always": known and all(site.save == name for site in sites)}
    return out


def _keys(plan: Plan) -> Facts:
    sites = defaultdict(list)
    for site in plan.sites:
        sites[site.event].append(dict(site.keys))
    return {
        event: {
            column: entity for column, entity in all_[0].items() if all(k.get(column) == entity for k in all_)
        }
        for event, all_ in sites.items()
    }


def _births(plan: Plan, changes: Facts) -> Facts:
    """What state fields begin with, but for those that the event of the birth changes at once."""
    out: Facts = {}
    for name, entity in plan.entities.items():
        source = entity.spec.source_event
        changed = {} if source is None else changes.get(name, {}).get(source.name, {})
        fields: Facts = {}
        for column in entity.columns:
            state = entity.spec.by_name[column.name]
            if column.name in changed or getattr(state, "draw", None) is not None:
                continue
            if column.from_field is not None and source is not None:
                fields[column.name] = {"field": column.from_field}
            elif type(column.default) in _SCALARS and column.from_field is None:
                fields[column.name] = {"value": column.default}
        out[name] = fields
    return out


# ---------------------------------------------------------------- who is taken


def _takings(plan: Plan) -> Facts:
    single, early, held = [], [], []
    for name in plan.entities:
        counts = [_times_taken(plan, flow, name) for flow in plan.flows]
        picked = any(_picks(plan, flow, name, shared=False) for flow in plan.flows)
        shared = any(_picks(plan, flow, name, shared=True) for flow in plan.flows)
        starts = [plan.filters[each] for flow in plan.flows for each in flow.starts]
        shared = shared or any(each.shared and each.entity == name for each in starts)
        single += [name] * (max(counts, default=0) <= 1)
        early += [name] * (not picked and max(counts, default=0) <= 1)
        held += [name] * (not shared)
    return {"single": single, "early": early, "held": held}


def _picks(plan: Plan, flow: FlowTable, entity: str, *, shared: bool) -> list[State]:
    return [
        state
        for state in flow.states
        if isinstance(state.terminator, Pick)
        and state.terminator.entity == entity
        and plan.filters[state.terminator.filter].shared is shared
    ]


def _times_taken(plan: Plan, flow: FlowTable, entity: str) -> int:
    """How often a flow may take an entity of a type for itself; 2 stands for more."""
    filters = [plan.filters[each] for each in flow.starts]
    times = sum(each.entity == entity and not each.shared for each in filters)
    taking = _picks(plan, flow, entity, shared=False)
    taking += [s for s in flow.states if isinstance(s.terminator, Save) and s.terminator.entity == entity]
    return times + sum(2 if _returns(flow, state) else 1 for state in taking)


def _next(state: State) -> tuple[int, ...]:
    end = state.terminator
    if isinstance(end, Branch):
        return end.then, end.other
    return () if isinstance(end, End) else (end.next,)


def _returns(flow: FlowTable, state: State) -> bool:
    """Whether a flow can come to a state again."""
    seen: set[int] = set()
    left = [*_next(state)]
    while left:
        number = left.pop()
        if number == state.number:
            return True
        if number not in seen:
            seen.add(number)
            left += _next(flow.states[number])
    return False


# ---------------------------------------------------------------- changes


def _changes(plan: Plan) -> Facts:
    found: dict[str, dict[str, dict[str, list[Any]]]] = {name: {} for name in plan.entities}
    sites = {site.number: site for site in plan.sites}
    bare: set[str] = set()
    for flow in plan.flows:
        for state in flow.states:
            applied = [each for each in state.operations if isinstance(each, Apply)]
            bare |= {change.entity for each in applied for change in each.changes}
        for emit in _emits(flow):
            event = sites[emit.site].event
            for entity in {change.entity for change in emit.changes}:
                mine = [change for change in emit.changes if change.entity == entity]
                fields = found[entity].setdefault(event, {})
                for change in mine:
                    twice = sum(each.field == change.field for each in mine) > 1
                    value = None if twice else _value(flow, emit, change)
                    fields.setdefault(change.field, []).append(value)
    agreed: dict[str, dict[str, Facts]] = {
        entity: {
            event: {
                field: each[0] if all(v == each[0] for v in each) else None for field, each in fields.items()
            }
            for event, fields in events.items()
        }
        for entity, events in found.items()
    }
    # what one site changes, another of the same event may leave alone
    for entity, known in agreed.items():
        for event, sure in known.items():
            all_ = [emit for flow in plan.flows for emit in _emits(flow) if sites[emit.site].event == event]
            for field in sure:
                if not all(_touches(emit, entity, field) for emit in all_):
                    sure[field] = None
    return {"changes": agreed, "bare": sorted(bare)}


def _touches(emit: Emit, entity: str, field: str) -> bool:
    return any(change.entity == entity and change.field == field for change in emit.changes)


def _value(flow: FlowTable, emit: Emit, change: Change) -> Facts | None:
    """The operator with the constant, or the event's field, that it takes; None where that is not sure."""
    field = next((name for name, local in emit.values if local == change.value), None)
    if field is not None:
        return {"op": change.op, "field": field}
    lets = [
        each
        for state in flow.states
        for each in state.operations
        if getattr(each, "target", None) == change.value
    ]
    if len(lets) != 1 or not isinstance(lets[0], Let) or lets[0].expr.names:
        return None
    expr = lets[0].expr
    try:
        value = eval(expr.text, {"__builtins__": {}}, dict(expr.consts))  # noqa: S307 - the compiler's own text
    except Exception:  # noqa: BLE001 - more than a constant
        return None
    return {"op": change.op, "value": value} if type(value) in _SCALARS else None


# ---------------------------------------------------------------- how many


def _arrivals(plan: Plan) -> Facts:
    """Flow → the number of arrivals that is expected, and whether none of them can be turned away."""
    settings = plan.settings
    return {
        flow.name: {
            "expected": flow.rate.expected(settings.start, settings.end),
            "all": settings.n_flows is None and not flow.starts,
        }
        for flow in plan.flows
        if flow.rate is not None and [each.name for each in plan.flows].count(flow.name) == 1
    }


def _shares(plan: Plan) -> Facts:
    """Flow → weight, of those that can always start and compete for places."""
    free = [flow for flow in plan.flows if flow.arrives is None and not flow.starts and flow.weight > 0]
    names = [flow.name for flow in plan.flows]
    sure = len(free) > 1 and len(set(names)) == len(names)
    return {flow.name: flow.weight for flow in free} if sure else {}


def _decays(plan: Plan) -> Facts:
    """Flow → the line and the probability of a wait that every session of it comes to."""
    out: Facts = {}
    for flow in plan.flows:
        wait = _first_wait(flow)
        waits = [s.terminator for s in flow.states if isinstance(s.terminator, Wait)]
        if wait is None or plan.settings.on_end == "cut" or [f.name for f in plan.flows].count(flow.name) > 1:
            continue
        if sum(each.span.line == wait.span.line for each in waits) == 1:
            out[flow.name] = {"line": wait.span.line, "rate": wait.rate}
    return out


def _first_wait(flow: FlowTable) -> Wait | None:
    """The first wait at which a flow may end, where nothing comes between it and the start."""
    state, seen = flow.states[0], set()
    while state.number not in seen and not any(isinstance(each, Need) for each in state.operations):
        seen.add(state.number)
        end = state.terminator
        if isinstance(end, Wait) and end.rate != 0:
            sure = isinstance(end.rate, float) and 0 < end.rate < 1 and not _returns(flow, state)
            return end if sure else None
        if not isinstance(end, (Goto, Save, Wait)) or (isinstance(end, Wait) and isinstance(end.rate, str)):
            return None
        state = flow.states[end.next]
    return None
