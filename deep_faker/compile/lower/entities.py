"""What a flow holds: the entities at hand, selections, keys, the clock (F5, F7)."""

from __future__ import annotations

import ast

from deep_faker.compile.graph.ir import Ends, Picks
from deep_faker.compile.lower.lowering import Lowering
from deep_faker.compile.read.values import (
    Code,
    Const,
    Raise,
    Selected,
    Selecting,
    Selection,
    Value,
    constant,
    local,
)
from deep_faker.declare.schema import EntitySpec, is_entity
from deep_faker.plan import Clock, Held, Need, Read, Session


def into(low: Lowering, op: Session | Clock | Held) -> Code:
    low.emit(op)
    return Code(local(op.target))


def clock_read(low: Lowering) -> Code:
    """The flow's clock as code."""
    return into(low, Clock(low.fresh()))


def handle_of(low: Lowering, spec: EntitySpec) -> Code:
    if low.emission is not None and low.emission.save is not None and low.emission.save.name == spec.name:
        raise low.limit(low.scope.node, "mutate looks at the entity that its event creates")
    return into(low, Held(low.fresh(), spec.name))


def primary(low: Lowering, node: ast.Call) -> Code:
    """Without a type: the first entity that the flow holds, where that is known."""
    holding = low.ask(node)
    if not holding.known:
        entity = next(iter(low.registry.entities), None)
        return Code(constant(None)) if entity is None else into(low, Held(low.fresh(), entity))
    maybe = holding.maybe()
    if not maybe:
        return Code(constant(None))
    first = holding.order[0] if holding.order else None
    if len(maybe) == 1:
        first = maybe[0]
    elif first is None or not holding.is_held(first):
        raise low.limit(node, "get_entity() without a type, where the flow may hold several")
    return into(low, Held(low.fresh(), first))


def all_selected(low: Lowering, node: ast.AST) -> Selected:
    holding = low.ask(node)
    names = holding.maybe() if holding.known else list(low.registry.entities)
    handles = {name: handle_of(low, low.registry.entities[name]) for name in names}
    certain = filter(holding.is_held, names) if holding.known else names
    return Selected(handles, frozenset(certain))


def entity_selected(low: Lowering, selected: Selected, index: Value, node: ast.expr) -> Value:
    name = _type_in(low, index, node)
    if name not in selected.certain:
        raise low.limit(node, "an entity of ctx.selected_entities that the flow may not hold")
    return selected.handles[name]


def is_selected(low: Lowering, selected: Selected, value: Value | None, node: ast.expr) -> Value:
    names = selected.handles if value is None else [_type_in(low, value, node)]
    handles = [selected.handles[name].node for name in names if name in selected.handles]
    if not handles:
        return Const(False)
    tests: list[ast.expr] = [ast.Compare(handle, [ast.IsNot()], [constant(None)]) for handle in handles]
    return Code(tests[0] if len(tests) == 1 else ast.BoolOp(ast.Or(), tests))


def _type_in(low: Lowering, value: Value, node: ast.expr) -> str:
    if isinstance(value, Const) and is_entity(value.value):
        return low.registry.entity(value.value, low.span(node)).name
    raise low.limit(node, "what is no entity type in ctx.selected_entities")


def pick(low: Lowering, select: Selecting, node: ast.AST, since: str | None = None) -> Code:
    """A selection here and now; gives the handle (none: -1). ``since``: the local that says since when."""
    if select.wait is not None and since is None:
        mend = "write yield Select(…, wait=…), then ctx.get_entity(…)"
        raise low.wrong(node, "wait goes with yield", "a selection in an expression does not wait", mend)
    if select.n is not None:
        mend = "write products = yield Select(…, n=…)"
        raise low.wrong(node, "a list is yielded", "a selection in an expression gives one entity", mend)
    following = low.block()
    low.end(
        Picks(
            select.entity,
            select.static,
            select.shared,
            select.weight,
            select.dynamic,
            following,
            low.span(node),
            since,
            select.wait,
        )
    )
    low.start(following)
    return into(low, Held(low.fresh(), select.entity.name))


def first_of(low: Lowering, selection: Selection, node: ast.expr) -> Value:
    """``select_entities(…)[0]``."""
    handle = pick(low, selection.select, selection.select.node)
    low.emit(Need(low.as_local(handle, node), low.span(node)))
    return handle


def needed(low: Lowering, entity: EntitySpec, field: str | None, node: ast.AST) -> str:
    """A local with a state field (None: the key) of the entity held."""
    handle, target = low.fresh(), low.fresh()
    low.emit(Held(handle, entity.name))
    low.emit(Read(target, entity.name, handle, field, current=False, span=low.span(node)))
    return target


def raised(low: Lowering, error: ast.expr, node: ast.AST) -> None:
    """End the block with an exception."""
    low.let(ast.Call(constant(Raise()), [error], []), node)
    low.end(Ends(low.span(node)))
