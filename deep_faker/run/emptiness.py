"""Worlds that stay empty without an error: flows that never start, filters that nobody matches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deep_faker.compile.explain.wording import condition_text
from deep_faker.errors import Diagnostic, near, shown
from deep_faker.plan import Condition, Filter, FlowTable, Pick, Plan
from deep_faker.plan.storage import to_python
from deep_faker.simulate.columns.predicates import holds
from deep_faker.simulate.engine import Engine
from deep_faker.spans import Span, narrow, narrow_keyword

_FEW = 10  # starts that a flow may well miss by chance
_VALUES = 100_000  # entities whose state is looked at for a hint


@dataclass(frozen=True)
class _Seen:
    """What a run has shown: flow → sessions by outcome; filters that ever had a match, by number."""

    sessions: Mapping[str, Mapping[str, int]]
    matched: Sequence[bool]
    engine: Engine


def warnings_of(plan: Plan, sessions: Mapping[str, Mapping[str, int]], engine: Engine) -> list[Diagnostic]:
    """What is probably not meant in a run that went well, in the order of the flows.

    ``sessions``: of each flow, those by outcome; ``engine``: the one that has run.
    """
    seen = _Seen(sessions, engine.counts.matched, engine)
    if not any(map(sum, (counts.values() for counts in seen.sessions.values()))):
        return []  # nothing was started at all: too short a run to say why
    able = [flow for flow in plan.flows if flow.weight > 0 or flow.arrives is not None]
    return [warning for flow in able for warning in _of_flow(plan, flow, seen)]


def _of_flow(plan: Plan, flow: FlowTable, seen: _Seen) -> Iterator[Diagnostic]:
    counts = seen.sessions.get(flow.name, {})
    started = sum(counts.values())
    if not started:
        yield from _never_started(plan, flow, seen)
        return
    unmatched = [
        pick
        for pick in _picks(flow)
        if not seen.matched[pick.filter] and not plan.filters[pick.filter].lets_go
    ]
    for pick in unmatched:
        label, mend = _unmatched(plan, plan.filters[pick.filter], seen)
        yield _warning(
            f"flow {flow.name!r} selects what never was", pick.span, label, mend, plan, pick.filter
        )
    if counts.get("no_entity", 0) == started and not unmatched:
        label = f"all of its {started:,} sessions ended because an entity that they needed was missing"
        mend = (
            "see where they ended: ds.sessions has the line; select the entity before, or let flows create it"
        )
        yield Diagnostic(f"flow {flow.name!r} never comes to its end", flow.span, label, mend)


def _never_started(plan: Plan, flow: FlowTable, seen: _Seen) -> Iterator[Diagnostic]:
    title = f"flow {flow.name!r} never started"
    for number in flow.starts:
        if not seen.matched[number]:
            label, mend = _unmatched(plan, plan.filters[number], seen)
            where = narrow_keyword(flow.declared, "filter") or flow.span
            yield _warning(title, where, label, mend, plan, number)
            return
    if flow.arrives is not None:
        away = seen.engine.counts.turned_away[flow.name]
        if away >= _FEW:
            label = (
                f"all of its {away:,} arrivals were turned away, though somebody matched its filter at times"
            )
            yield Diagnostic(title, flow.span, label, "let its entities be free longer, or n_flows be more")
        return
    total = sum(sum(counts.values()) for counts in seen.sessions.values())
    share = flow.weight / sum(other.weight for other in plan.flows)
    if total * share >= _FEW:
        label = f"of {total:,} starts none was its own, though somebody matched its filter at times"
        yield Diagnostic(title, flow.span, label, "let its entities be free longer, or be more")


def _picks(flow: FlowTable) -> list[Pick]:
    return [state.terminator for state in flow.states if isinstance(state.terminator, Pick)]


def _warning(title: str, span: Span, label: str, mend: str, plan: Plan, number: int) -> Diagnostic:
    """At the value that nobody had, where the construct at ``span`` writes it."""
    for condition in plan.filters[number].conditions:
        span = narrow(span, condition.value) or span
    return Diagnostic(title, span, label, mend)


def _unmatched(plan: Plan, filter_: Filter, seen: _Seen) -> tuple[str, str]:
    """Why nobody matched a filter all run long, and what may mend it."""
    name, count = filter_.entity, len(seen.engine.entities(filter_.entity).number)
    if not count:
        mend = f"let some be there: initial_entities={{{name}: 100}}, or NewEvent(..., save_entity={name})"
        return f"there was no {name}", mend
    wanted = " and ".join(map(condition_text, filter_.conditions))
    for condition in filter_.conditions:
        values = _values(plan, filter_.entity, condition, seen.engine)
        if values and not any(_holds(value, condition) for value in values):
            label = f"no {name} had {condition_text(condition)} when one was looked for"
            return label, _nearest(condition, values)
    if not wanted:
        return f"no {name} was ever free", "let there be more of them, or let flows end earlier"
    free = "" if filter_.shared else "free "
    return (
        f"no {free}{name} had {wanted} when one was looked for",
        "see the states: ds.entities, history=True",
    )


def _holds(value: object, condition: Condition) -> bool:
    try:
        return holds(value, condition.op, condition.value)
    except TypeError:  # Now(), or values that have no order
        return True


def _values(plan: Plan, entity: str, condition: Condition, engine: Engine) -> list[Any]:
    """The distinct values that a condition's field had at the end; none where that says nothing."""
    column = next((c for c in plan.entities[entity].columns if c.name == condition.field), None)
    if column is None or column.lazy:
        return []
    values, nulls = engine.column(entity, condition.field)
    values, nulls = values[:_VALUES], None if nulls is None else nulls[:_VALUES]
    if values.dtype != object:
        _, first = np.unique(values, return_index=True)
        if nulls is not None and nulls.any():
            first = np.append(first, np.flatnonzero(nulls)[0])
        values, nulls = values[first], None if nulls is None else nulls[first]
    plain = to_python(values, nulls, column.type, plan.texts)
    try:
        return list(dict.fromkeys(plain))
    except TypeError:  # values that cannot be hashed
        return plain


def _nearest(condition: Condition, values: list[Any]) -> str:
    at_the_end = f"{condition.field} at the end"
    known = [value for value in values if value is not None]
    if isinstance(condition.value, str) or not known:
        texts = [str(value) for value in known] or ["None"]
        return near(str(condition.value), texts, at_the_end)
    try:
        low, high = min(known), max(known)
    except TypeError:
        return f"{at_the_end} is {', '.join(shown(value) for value in known[:5])}"
    span = shown(low) if low == high else f"from {shown(low)} to {shown(high)}"
    return f"{at_the_end} is {span}" + (", or None" if len(known) < len(values) else "")
