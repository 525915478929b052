"""What a simulation compiles to, as text for its author: ``sim.explain()``."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from deep_faker.compile.explain.diagram import diagram
from deep_faker.compile.explain.wording import doings, edges, expressions, filter_text, source
from deep_faker.declare.schema import EventSpec, FieldSpec
from deep_faker.expressions import unheard
from deep_faker.plan import EntityPlan, Filter, FlowTable, Now, Pick, Plan
from deep_faker.plan.rates import Every
from deep_faker.plan.replicated import rules_of
from deep_faker.plan.settings import Settings
from deep_faker.spans import Span
from deep_faker.times import format_duration, format_instant

_WIDTH = 108


@dataclass
class _Slow:
    """What is done row by row: (where, why), each place once."""

    found: dict[str, str] = field(default_factory=dict)

    def add(self, where: str, why: str) -> None:
        self.found.setdefault(where, why)


Place = tuple[str, Span | None, str]
"""A flow, where in the source, and what is done there."""


class Native(Protocol):
    """What the native engine makes of a plan.

    ``values``: how many values flows compute, ``native``: how many of them as instructions; ``later``: texts
    that are made with the events' columns; ``python``: what is always left to Python, and why.
    """

    @property
    def values(self) -> int: ...

    @property
    def native(self) -> int: ...

    @property
    def later(self) -> Sequence[Place]: ...

    @property
    def python(self) -> Sequence[Place]: ...


def explain(
    plan: Plan,
    methods: Mapping[tuple[str, str], tuple[str, str]],
    *,
    engine: str,
    native: Native | None = None,
) -> str:
    """The transition tables, how every field is made, and what is left row by row.

    ``methods``: (event, field) → (``column``, ``pool`` or ``row``, detail), for generated fields; ``engine``:
    which one runs the flows, and how; ``native``: what that does natively, None: nothing.
    """
    slow = _Slow()
    lines = [
        *_head(plan, engine),
        *_entities(plan),
        *_selections(plan),
        *_events(plan, methods, slow),
    ]
    for flow in plan.flows:
        lines += _flow(plan, flow, slow)
    if native is not None:
        lines += _native(native)
    lines += _row_by_row(slow)
    return "\n".join(lines)


def _head(plan: Plan, engine: str) -> Iterator[str]:
    s = plan.settings
    yield (
        f"simulation   from {format_instant(s.start)}, starts for {format_duration(s.duration)} in steps of "
        f"{format_duration(s.step)}; {_how_many(s)}; on_end={s.on_end!r}"
    )
    compiled = sum(flow.live is None for flow in plan.flows)
    yield f"flows        {compiled} of {len(plan.flows)} compiled"
    yield f"engine       {engine}"
    if s.defects is not None:
        yield "defects      made of the clean stream, in the order of arrival:"
        for rule in (*s.defects.rules(), *s.defects.changes):
            yield from _wrapped(repr(rule), "             ", "               ")
    if s.labels is not None:
        yield from _wrapped(f"labels       {s.labels!r}", "", "             ")
    for row in plan.incidents:
        lost = "" if row.usual is None else f": {row.expected:,.0f} arrivals instead of {row.usual:,.0f}"
        yield from _wrapped(f"incident     {row.incident} touches {row.target}{lost}", "", "             ")
    if s.initial:
        yield "at the start " + ", ".join(f"{count:,} {name}" for name, count in s.initial)


# ---------------------------------------------------------------- entities and selections


def _entities(plan: Plan) -> Iterator[str]:
    if not plan.entities:
        return
    yield from ("", "ENTITIES")
    for name, entity in plan.entities.items():
        yield f"{name}"
        yield from _item(entity.spec.primary_key, f"key: {_key_text(entity)}")
        if entity.spec.replicated:
            rules = ", ".join(f"{field} by {rule}" for field, rule in rules_of(plan)[name].items())
            yield from _item("", f"replicated: each part has all; put together: {rules or 'nothing changes'}")
        for column in entity.columns:
            spec = entity.spec.by_name[column.name]
            if spec.draw is not None:
                text = f"drawn at birth: {spec.draw}"
                text += ", filled at the end: nothing looks at it" if column.lazy else ""
            elif column.lazy:
                text = f"copied from the event's {column.from_field}, filled at the end: nothing looks at it"
            elif column.from_field is not None:
                text = f"copied from the event's {column.from_field}"
            else:
                text = "made by its factory" if spec.default_factory else f"{column.default!r} at first"
            text += "; latent, in truth/ alone" if spec.latent else ""
            yield from _item(column.name, f"{spec.kind}{' or None' if column.type.optional else ''}; {text}")
        if entity.shared_changes:
            yield from _item(
                "", "changed by flows that do not hold it: each step's changes are replayed in order"
            )


def _key_text(entity: EntityPlan) -> str:
    spec = entity.spec.key_field
    generator = (
        str(spec.generator) if spec is not None and spec.generator is not None else "shortuuid(length=12)"
    )
    if entity.key_mode == "permuted" and generator.startswith("Sequence("):
        return f"{generator}, counts the entities"
    if entity.key_mode == "permuted":
        return f"{generator}, a permutation of the entity's number: unique without memory"
    if spec is not None and spec.generator is None:
        return "given by the flow, kept and held to be unique"
    return f"{generator}, kept, and drawn again where it has been taken"


def _selections(plan: Plan) -> Iterator[str]:
    selections: dict[str, tuple[list[str], str]] = {}
    for flow in plan.flows:
        for number in flow.starts:
            text = filter_text(plan.filters[number])
            selections.setdefault(text, ([], _upkeep(plan.filters[number])))[0].append(
                f"start of {flow.name}"
            )
        for state in flow.states:
            pick = state.terminator
            if isinstance(pick, Pick) and not plan.filters[pick.filter].lets_go:
                filter_ = plan.filters[pick.filter]
                text = filter_text(filter_, pick.dynamic)
                how = _dynamic(plan, filter_, pick) if pick.dynamic else _upkeep(filter_)
                selections.setdefault(text, ([], how))[0].append(f"{flow.name}:{pick.span.line}")
    if not selections:
        return
    yield from ("", "SELECTIONS")
    for text, (users, how) in selections.items():
        yield from _wrapped(f"{text}", "", "    ")
        yield from _wrapped(f"for {', '.join(dict.fromkeys(users))}", "    ", "    ")
        yield from _wrapped(how, "    ", "    ")


def _interval(every: Every) -> str:
    return f"{every.text} × {every.season}" if every.season else every.text


def _upkeep(filter_: Filter) -> str:
    text = "a list of the matching, kept up to date by what changes"
    if any(_has_now(c.value) for c in filter_.conditions):
        text += ", and by a calendar of the instants at which Now() flips a row"
    if filter_.weight:
        text += f"; SCAN: {filter_.weight} is summed over the list in each step that has changed it"
    return text


def _has_now(value: object) -> bool:
    return isinstance(value, Now) or (isinstance(value, tuple) and any(map(_has_now, value)))


def _dynamic(plan: Plan, filter_: Filter, pick: Pick) -> str:
    key = plan.entities[filter_.entity].spec.primary_key
    if any((name, op) == (key, "is") for name, op, _ in pick.dynamic):
        return f"an index of {key} finds the one"
    return "SCAN: a value of the flow is compared with every match, for each pick"


# ---------------------------------------------------------------- events


def _events(plan: Plan, methods: Mapping[tuple[str, str], tuple[str, str]], slow: _Slow) -> Iterator[str]:
    if not plan.events:
        return
    yield from ("", "EVENTS")
    for event in plan.events.values():
        yield event.name
        for spec in event.fields:
            text = _field_text(plan, event, spec, methods, slow)
            yield from _item(spec.name, text + ("; hidden, in truth/ alone" if spec.hidden else ""))
        if event.row_validated and event.whole_row:
            yield from _item("", f"validated row by row: {event.row_validated}")
            slow.add(f"{event.name} ({_place(event.span)})", f"validated row by row: {event.row_validated}")


def _field_text(
    plan: Plan,
    event: EventSpec,
    spec: FieldSpec,
    methods: Mapping[tuple[str, str], tuple[str, str]],
    slow: _Slow,
) -> str:
    roles: dict[str, list[int]] = {}
    for site in plan.sites:
        if site.event == event.name:
            roles.setdefault(
                _role(site.bound, site.keys, site.early, site.free, site.save, spec, plan), []
            ).append(site.span.line)
    parts = []
    for role, where in roles.items():
        lines = f" (line{'s' if len(set(where)) > 1 else ''} {', '.join(map(str, sorted(set(where))))})"
        parts.append(role + (lines if len(roles) > 1 else ""))
    text = "; ".join(parts) or "made by flows that run as they are"
    if spec.generator is not None:
        how, detail = methods.get((event.name, spec.name), ("column", ""))
        ways = {"column": "by column", "pool": "from a pool of distinct values", "row": "row by row"}
        text += f" — {spec.generator}: {detail if how == 'pool' and detail else ways[how]}"
        if how == "column" and detail:
            text += f" ({detail})"
        if how == "row":
            slow.add(
                f"{event.name}.{spec.name} ({_place(spec.span)})",
                detail or "its generator has no column form",
            )
    if spec.row_validated and not event.whole_row:
        text += f"; each distinct value is validated alone: {spec.row_validated}"
        slow.add(
            f"{event.name}.{spec.name} ({_place(spec.span)})", f"validated row by row: {spec.row_validated}"
        )
    return text


def _role(
    bound: Mapping[str, object],
    keys: Mapping[str, str],
    early: tuple[str, ...],
    free: tuple[str, ...],
    save: str | None,
    spec: FieldSpec,
    plan: Plan,
) -> str:
    if spec.name in early:
        return "state-bearing: drawn when it happens"
    if save is not None and plan.entities[save].spec.primary_key == spec.name:
        return f"bound: key of the new {save}"
    if spec.name in keys:
        return f"bound: key of the {keys[spec.name]}"
    if spec.name in bound:
        return "bound: given by the flow"
    return "free: filled afterwards" if spec.name in free else "its default"


# ---------------------------------------------------------------- flows


def _flow(plan: Plan, flow: FlowTable, slow: _Slow) -> Iterator[str]:
    yield from ("", f"FLOW {flow.name}   {_place(flow.span)}   {_how_often(flow)}")
    if flow.rate is not None:
        s = plan.settings
        many = flow.rate.expected(s.start, s.end)
        text = f"arrives at {flow.rate}: in this run {many:,.{0 if many >= 10 else 1}f} times on average"
        yield from _wrapped(text, "  ", "    ")
    elif flow.every is not None:
        yield from _wrapped(
            f"arrives by the clock of each {flow.every.entity}: {_interval(flow.every)}",
            "  ",
            "    ",
        )
    elif flow.by_state is not None:
        yield from _wrapped(f"arrives at {flow.by_state}", "  ", "    ")
    elif flow.on is not None:
        yield from _wrapped(f"each {flow.on.event} starts it, {flow.on.text}", "  ", "    ")
    if flow.starts:
        starts = "; and ".join(filter_text(plan.filters[number]) for number in flow.starts)
        yield from _wrapped(f"starts with {starts}", "  ", "    ")
    if flow.live is not None:
        span = flow.live_span or flow.span
        yield from _wrapped(f"runs row by row, as the generator that it is: {flow.live}", "  ", "    ")
        slow.add(f"flow {flow.name} ({_place(span)})", f"{flow.live}{_quoted(span)}")
        return
    yield f"  {'state':>5} {'line':>5}  does"
    for state in flow.states:
        doing = "; ".join(doings(plan, state))
        where = "; ".join(
            " ".join(filter(None, ("end" if to is None else f"→ {to}", f"({why})" if why else "")))
            for to, why in edges(state)
        )
        text = f"{doing}  {where}" if doing else where
        yield from _wrapped(text, f"  {state.number:>5} {state.span.line:>5}  ", " " * 15)
    for expr in expressions(flow):
        if expr.by_row is not None and not unheard(expr):
            slow.add(f"{flow.name} ({_place(expr.span)})", f"{expr.by_row}{_quoted(expr.span)}")
    yield from ("", "  ```mermaid")
    yield from (f"  {line}" for line in diagram(plan, flow))
    yield "  ```"


def _how_often(flow: FlowTable) -> str:
    if flow.every is not None:
        return f"for each {flow.every.entity}"
    if flow.by_state is not None:
        return f"for each {flow.by_state.entity}, by its state"
    if flow.on is not None:
        return f"on {flow.on.event}"
    return f"weight {flow.weight:g}" if flow.rate is None else f"rate {flow.rate.text}"


def _native(native: Native) -> Iterator[str]:
    yield ""
    later, python = _by_place(native.later), _by_place(native.python, quoted=True)
    if later or python:
        yield "NATIVE"
    for where, what in later.items():
        yield from _wrapped(f"{where}: for events only, made with their columns: {what}", "  ", "      ")
    for where, what in python.items():
        yield from _wrapped(f"{where}: left to Python: {what}", "  ", "      ")
    texts = len(native.later)
    only = f", {texts} {'text' if texts == 1 else 'texts'} for events only" if texts else ""
    yield f"native: {native.native} of {native.values} computed values{only}; escapes: {len(native.python)}"


def _by_place(places: Sequence[Place], *, quoted: bool = False) -> dict[str, str]:
    """What is done, by the line where; what a line does in several places, as in a loop, once."""
    names_at: dict[str, dict[str, None]] = {}
    for name, span, what in places:
        where = name if span is None else f"{name} ({_place(span)})"
        text = what + _quoted(span) if quoted and span is not None else what
        names_at.setdefault(where, {}).setdefault(text)
    return {where: "; ".join(what) for where, what in names_at.items()}


def _how_many(settings: Settings) -> str:
    ceiling = "" if settings.n_flows is None else f"at most {settings.n_flows:,} flows at once"
    if settings.starts_per_step is None:
        return ceiling
    if not settings.starts_per_step:
        return ", ".join(filter(None, ("flows start of themselves", ceiling)))
    return ", ".join(filter(None, (f"{settings.starts_per_step:,} flows started in each step", ceiling)))


def _quoted(span: Span) -> str:
    text = source(span)
    return f": {text}" if text else ""


def _row_by_row(slow: _Slow) -> Iterator[str]:
    yield ""
    for where, why in slow.found.items():
        yield from _wrapped(f"{where}: {why}", "", "    ")
    yield f"row by row: {len(slow.found)}"


# ---------------------------------------------------------------- layout


def _place(span: Span | None) -> str:
    if span is None or not span.file:
        return "no source"
    return span.place.rpartition(":")[0]


def _item(name: str, text: str) -> Iterator[str]:
    yield from _wrapped(text, f"  {name:<18} ", " " * 21)


def _wrapped(text: str, first: str, rest: str) -> Iterator[str]:
    yield from textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [first.rstrip()]
