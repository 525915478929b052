"""Plans read back as Python flows, so that the reference engine can run what was made for the others."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from deep_faker import AddDecay, Exponential, NewEvent, Select, SetState, Uniform
from deep_faker import Now as NowAction
from deep_faker.binding import Binding
from deep_faker.expressions import row_function
from deep_faker.plan import (
    OUTCOMES,
    Apply,
    Branch,
    Change,
    Clock,
    Condition,
    Count,
    Delay,
    Draw,
    Early,
    Emit,
    FlowTable,
    Goto,
    Held,
    Hold,
    Let,
    Need,
    Now,
    Pick,
    Plan,
    Read,
    Save,
    Session,
    Trace,
    Wait,
)
from deep_faker.storage import to_python

UNITS = {1: "microseconds", 1000: "milliseconds", 1_000_000: "seconds"}


def readable(plan: Plan) -> Plan:
    """The plan without what no flow can say: one SetState that changes two entities."""

    def one_type(op: Any) -> Any:
        if isinstance(op, Apply):
            return replace(op, changes=tuple(c for c in op.changes if c.entity == op.changes[0].entity))
        return op

    flows = tuple(
        replace(f, states=tuple(replace(s, operations=tuple(map(one_type, s.operations))) for s in f.states))
        for f in plan.flows
    )
    return replace(plan, flows=flows)


def as_flows(plan: Plan, fields: Binding) -> Plan:
    """The same plan, whose flow functions do what their states say."""
    return replace(plan, flows=tuple(replace(f, function=function_of(f, plan, fields)) for f in plan.flows))


def function_of(table: FlowTable, plan: Plan, fields: Binding) -> Callable[..., Iterator[Any]]:
    states = {state.number: state for state in table.states}
    classes = {name: entity.spec.cls for name, entity in plan.entities.items()}
    expressions = {
        id(e): row_function(e)
        for state in table.states
        for op in state.operations
        for e in ((op.expr,) if isinstance(op, Let) else op.args if isinstance(op, Draw) else ())
    }

    def value(expr: Any, env: dict[str, Any]) -> Any:
        return expressions[id(expr)](*[env[name] for name in expr.names])

    def changes_of(changes: tuple[Change, ...], env: dict[str, Any]) -> list[SetState]:
        return [SetState(classes[c.entity], [(c.field, c.op, env[c.value])]) for c in changes]

    def event(ctx: Any, emit: Emit, env: dict[str, Any], save: str | None) -> NewEvent:
        site = plan.sites[emit.site]
        given = {name: env[local] for name, local in emit.values if name not in site.early}
        changes = changes_of(emit.changes, env)
        owner = classes[save] if save else None
        return NewEvent(ctx, plan.events[site.event].cls, save_entity=owner, mutate=changes, **given)

    def flow(ctx: Any) -> Iterator[Any]:
        live, env, number, line = ctx._flow, {}, 0, 0
        env = dict.fromkeys(table.types)
        while True:
            state = states[number]
            for op in state.operations:
                line = op.span.line if hasattr(op, "span") else line
                match op:
                    case Let(target, expr):
                        env[target] = value(expr, env)
                    case Draw(target, name, args):
                        function = random.randrange if name == "index" else getattr(random, name)
                        env[target] = function(*[value(arg, env) for arg in args])
                    case Held(target, entity):
                        env[target] = ctx.get_entity(entity)
                    case Read(target, _, handle, name):
                        env[target] = getattr(env[handle], name) if name else env[handle].get_primary_key()
                    case Need(handle):
                        env[handle].get_primary_key()
                    case Clock(target):
                        env[target] = ctx.flow_clock
                    case Session(target):
                        env[target] = ctx.session_id
                    case Early(target, name, field):
                        env[target] = fields.early_one(name, field, live.number, live.action + 1, live.clock)
                    case Apply(changes):
                        one = [(c.field, c.op, env[c.value]) for c in changes]
                        yield SetState(classes[changes[0].entity], one)
                    case Emit():
                        yield event(ctx, op, env, None)
                    case Hold(entity, handle):
                        ctx.add_entity(classes[entity], env[handle])
                    case Count():
                        pass
            end = state.terminator
            line = end.span.line if hasattr(end, "span") else line
            match end:
                case Goto(following):
                    number = following
                case Branch(test, then, other):
                    number = then if env[test] else other
                case Wait(delays, rate, following):
                    yield waiting(delays, env[rate] if isinstance(rate, str) else rate, env)
                    number = following
                case Pick():
                    yield selection(plan, end, classes[end.entity], env)
                    number = end.next
                case Save(emit, entity, following):
                    yield event(ctx, emit, env, entity)
                    number = following
                case _:
                    return

    return flow


def waiting(delays: tuple[Delay, ...], rate: float, env: dict[str, Any]) -> AddDecay:
    waits: list[tuple[str, Any]] = []
    for delay in delays:
        if delay.kind == "exponential":
            waits.append((UNITS[delay.unit], Exponential(*delay.params)))
        elif delay.kind == "uniform":
            waits.append((UNITS[delay.unit], Uniform(*delay.params)))
        elif delay.local is not None:
            waits.append((UNITS[delay.unit], env[delay.local]))
        else:
            waits.append(("microseconds", delay.constant))
    action = AddDecay(None, rate=rate)
    object.__setattr__(action, "waits", tuple(waits))  # a keyword can stand only once in a call
    return action


def selection(plan: Plan, pick: Pick, cls: type[Any], env: dict[str, Any]) -> Select:
    found = plan.filters[pick.filter]
    conditions = [*found.conditions, *(Condition(name, op, env[local]) for name, op, local in pick.dynamic)]
    where = [(c.field, c.op, written(c.value)) for c in conditions]
    return Select(cls, where=where, shared=found.shared, weight=found.weight)


def written(value: Any) -> Any:
    if isinstance(value, Now):
        return NowAction(value.offset)
    return tuple(map(written, value)) if isinstance(value, tuple) else value


def summary(plan: Plan, traces: list[Trace], engine: Any) -> dict[str, Any]:
    """All that a run says, whichever sites its events belong to."""
    sites = getattr(engine, "sites", plan.sites)
    events, sessions, versions = [], [], []
    for trace in traces:
        for rows in trace.rows:
            site = sites[rows.site]
            columns = {
                name: to_python(rows.values[name], rows.nulls.get(name), type_, plan.texts)
                for name, type_ in site.bound.items()
                if name not in site.early
            }
            columns |= {name: numbers.tolist() for name, numbers in rows.keys.items()}
            for at, (clock, flow, action) in enumerate(zip(rows.clock, rows.flow, rows.action, strict=True)):
                values = sorted((name, column[at]) for name, column in columns.items())
                events.append((int(clock), int(flow), int(action), site.event, values))
        for ended in trace.ended:
            for at in range(len(ended.flow)):
                outcome = OUTCOMES[int(ended.outcome[at])]
                held = [
                    ended.held[name][1][slice(*ended.held[name][0][at : at + 2])].tolist()
                    if name in ended.held
                    else []
                    for name in plan.entities
                ]
                numbers = [
                    int(getattr(ended, n)[at]) for n in ("ended", "flow", "table", "started", "events")
                ]
                # a flow read back from a plan stands on other lines where it does not yield
                line = int(ended.line[at]) if outcome in ("decayed", "cut") else 0
                sessions.append((*numbers, outcome, line, held))
        for made in trace.versions:
            types = {c.name: c.type for c in plan.entities[made.entity].columns}
            states = [to_python(made.values[n], made.nulls.get(n), t, plan.texts) for n, t in types.items()]
            columns_ = [getattr(made, n).tolist() for n in ("number", "clock", "flow", "action", "is_event")]
            versions += [(made.entity, *row) for row in zip(*columns_, *states, strict=True)]
    out: dict[str, Any] = {
        "events": sorted(events),
        "sessions": sorted(sessions),
        "versions": sorted(versions, key=repr),
    }
    for name, entity in plan.entities.items():
        flow, action, _, clock = engine.store.births(name)
        out[f"{name} births"] = np.stack([flow.astype(np.int64), action, clock]).tolist()
        for column in entity.columns:
            values, nulls = engine.store.column(name, column.name)
            out[f"{name}.{column.name}"] = to_python(values, nulls, column.type, plan.texts)
        out[f"{name} keys"] = list(engine.store.key_values(name))
    out["counts"] = [engine.report[n] for n in ("skipped", "started")]
    return out
