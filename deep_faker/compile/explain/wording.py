"""What the states of a plan do, in the words of its author."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from deep_faker.declare.condition_operators import CONDITION_OPERATORS
from deep_faker.draws.distributions.registry import FAMILIES
from deep_faker.plan import (
    Apply,
    Branch,
    Change,
    Condition,
    Delay,
    Draw,
    Emit,
    End,
    Expr,
    Filter,
    FlowTable,
    Goto,
    Hold,
    Let,
    Now,
    Pick,
    Plan,
    Release,
    Save,
    State,
    Wait,
)
from deep_faker.spans import Span
from deep_faker.times import format_duration

_UNITS = {
    1: "µs",
    1_000: "ms",
    1_000_000: "s",
    60_000_000: "min",
    3_600_000_000: "h",
    86_400_000_000: "d",
    604_800_000_000: "w",
}


_NOT_SAID = ("yield", "if ", "elif ", "while ", "for ", "case ")


def source(span: Span) -> str:
    """The author's text of a span, on one line; a longer construct is cut after its first."""
    if span.end_line > span.line:
        return span.text[span.col :].strip()
    return span.text[span.col : span.end_col].strip()


def share(rate: float) -> str:
    """A probability as a percentage."""
    return f"{100 * rate:.4g} %"


def value_text(value: Any) -> str:
    """A ``where`` value as one would write it."""
    if isinstance(value, Now):
        if not value.offset:
            return "Now()"
        return f"Now() {'-' if value.offset < 0 else '+'} {format_duration(abs(value.offset))}"
    if isinstance(value, datetime):
        return value.isoformat(" ")
    return repr(value)


def condition_text(condition: Condition) -> str:
    """``orders > 3``."""
    rule, value = CONDITION_OPERATORS[condition.op], condition.value
    text = f"{condition.field} {rule.sign}"
    if rule.takes == "nothing":
        return text
    if rule.takes == "range":
        return f"{text} {value_text(value[0])} and {value_text(value[1])}"
    if rule.takes == "list":
        return f"{text} ({', '.join(map(value_text, value))})"
    return f"{text} {value_text(value)}"


def filter_text(filter_: Filter, dynamic: Iterable[tuple[str, str, str]] = ()) -> str:
    """A selection: ``Product where stock > 0, shared, in proportion to popularity``."""
    conditions = [condition_text(c) for c in filter_.conditions]
    conditions += [
        f"{field} {CONDITION_OPERATORS[op].sign} (a value of the flow)" for field, op, _ in dynamic
    ]
    text = filter_.entity
    if conditions:
        text += " where " + " and ".join(conditions)
    if filter_.shared:
        text += ", shared"
    if filter_.weight:
        text += f", in proportion to {filter_.weight}"
    return text


def delay_text(delay: Delay) -> str:
    """``exponential(30) s`` or ``5m``."""
    if delay.local is not None:
        return "a computed time"
    if delay.kind is None:
        return format_duration(delay.constant)
    inside = FAMILIES[delay.kind].written(delay.params, {place for place, _ in delay.given})
    return f"{delay.kind}({inside}) {_UNITS.get(delay.unit, f'× {delay.unit} µs')}"


def changes_text(changes: Iterable[Change]) -> str:
    """``Customer.orders add, Customer.status is``."""
    return ", ".join(f"{c.entity}.{c.field} {c.op}" for c in changes)


def doings(plan: Plan, state: State) -> Iterator[str]:
    """What a state does, item by item."""
    said: set[str] = set()
    for operation in state.operations:
        if isinstance(operation, Emit):
            yield _emit_text(plan, operation)
        elif isinstance(operation, Apply):
            yield f"change {changes_text(operation.changes)}"
        elif isinstance(operation, Hold):
            yield f"hold {operation.entity}"
        elif isinstance(operation, Release):
            yield f"release {operation.entity}"
        elif isinstance(operation, Let):
            line = _assignment(operation)
            if line and line not in said and not line.startswith(_NOT_SAID):
                said.add(line)
                yield line
    last = state.terminator
    if isinstance(last, Save):
        yield f"{_emit_text(plan, last.emit)}, creating the {last.entity}"
    elif isinstance(last, Wait) and last.queue:
        yield "wait for its turn"
    elif isinstance(last, Wait):
        times = " + ".join(map(delay_text, last.delays)) or "0s"
        yield f"wait {times}"
    elif isinstance(last, Pick):
        filter_ = plan.filters[last.filter]
        if filter_.lets_go:
            yield f"let go of the {filter_.entity}, who retires"
            return
        text = f"select {filter_text(filter_, last.dynamic)}"
        if last.listed is not None:
            text += f", a list of {last.listed}"
        elif last.apart:
            text += ", another one"
        yield text if last.patience is None else f"{text}, waiting up to {format_duration(last.patience)}"
    elif isinstance(last, Branch):
        line = last.span.text.strip()
        yield line.rstrip(":") if line.startswith(("for ", "while ", "case ")) else f"if {source(last.span)}"


def _emit_text(plan: Plan, emit: Emit) -> str:
    site = plan.sites[emit.site]
    text = f"emit {site.event}" + (f", known {site.arrives} s later" if site.arrives is not None else "")
    return f"{text}, changing {changes_text(emit.changes)}" if emit.changes else text


def _assignment(operation: Let) -> str:
    # locals of the author begin with v: others are steps on the way
    if not operation.target.startswith("v"):
        return ""
    return operation.expr.span.text.strip().removesuffix(",")


def edges(state: State) -> list[tuple[int | None, str]]:
    """Where a state leads: (next state, on what); None is the end of the flow."""
    last = state.terminator
    if isinstance(last, Goto):
        return [(last.next, "")]
    if isinstance(last, Branch):
        return [(last.then, "yes"), (last.other, "no")]
    if isinstance(last, Wait):
        if isinstance(last.rate, str):
            return [(last.next, ""), (None, "decayed, by a computed rate")]
        found: list[tuple[int | None, str]] = [] if last.rate >= 1 else [(last.next, "")]
        return [*found, (None, f"decayed {share(last.rate)}")] if last.rate > 0 else found
    if isinstance(last, Pick | Save):
        return [(last.next, "")]
    assert isinstance(last, End)
    return [(None, "completed")]


def expressions(flow: FlowTable) -> Iterator[Expr]:
    """Every expression of a flow."""
    for state in flow.states:
        for operation in state.operations:
            if isinstance(operation, Let):
                yield operation.expr
            elif isinstance(operation, Draw):
                yield from operation.args
