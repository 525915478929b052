"""Rules of yields: the actions performed."""

from __future__ import annotations

import ast
from types import FunctionType, MethodType

from deep_faker.compile.lower.actions import leaving, value_of_object
from deep_faker.compile.lower.conditions import branch_if
from deep_faker.compile.lower.entities import clock_read, pick
from deep_faker.compile.lower.events import changes_of, emit_event
from deep_faker.compile.lower.inline import inline
from deep_faker.compile.lower.lowering import Lowering, describe
from deep_faker.compile.lower.operands import arguments_of
from deep_faker.compile.lower.picked import pick_list
from deep_faker.compile.lower.queues import queued
from deep_faker.compile.lower.waits import wait
from deep_faker.compile.read.scopes import Emitting, Local
from deep_faker.compile.read.values import (
    Code,
    Const,
    Items,
    Releasing,
    Retiring,
    Selecting,
    Setting,
    Value,
    Waiting,
)
from deep_faker.declare.actions import check_retirement
from deep_faker.declare.schema import is_event
from deep_faker.plan import Apply, Count, Release


def yield_(low: Lowering, node: ast.Yield) -> Value:
    if isinstance(node.value, ast.IfExp):
        return _either(low, node.value)
    if node.value is None:
        raise _not_an_action(low, node, "nothing is yielded")
    if isinstance(node.value, ast.Call) and is_event(low.scope.constant(node.value.func)):
        event = ast.unparse(node.value.func)
        raise low.wrong(
            node.value,
            "a flow yields actions",
            f"{event}(…) is an event, which only NewEvent can emit",
            f"yield NewEvent(ctx, {event}, …)",
        )
    value = low.visit(node.value)
    return perform(low.yielding(node), value, node.value)


def _either(low: Lowering, node: ast.IfExp) -> Value:
    """``yield a if x else b``."""
    then, other, done = low.block(), low.block(), low.block()
    branch_if(low, node.test, then, other)
    for block, part in ((then, node.body), (other, node.orelse)):
        low.start(block)
        yield_(low, ast.copy_location(ast.Yield(part), part))
        low.go(done)
    low.start(done)
    return Const(None)


def yield_from(low: Lowering, node: ast.YieldFrom) -> Value:
    if isinstance(node.value, ast.Call):
        callee = low.visit(node.value.func) if not isinstance(node.value.func, ast.Attribute) else None
        function = callee.value if isinstance(callee, Const) else low.scope.constant(node.value.func)
        if isinstance(callee, Local):
            return inline(low, callee, arguments_of(low, node.value), node.value, flow=True)
        args: list[Value] = []
        if isinstance(function, MethodType):
            args, function = [Const(function.__self__)], function.__func__
        if isinstance(function, FunctionType):
            more, kwargs = arguments_of(low, node.value)
            return inline(low, function, ([*args, *more], kwargs), node.value, flow=True)
    value = low.visit(node.value)
    if isinstance(value, Const) and isinstance(value.value, (list, tuple)):
        value = Items(tuple(map(Const, value.value)), list)
    if isinstance(value, Items):
        for item in value.items:
            perform(low, item, node.value)
        return Const(None)
    raise low.limit(node, f"yield from {ast.unparse(node.value)}")


def perform(low: Lowering, value: Value, node: ast.expr) -> Value:
    """One yield."""
    if isinstance(value, Const):
        action = value_of_object(low, value.value, node)
        if action is None:
            raise _not_an_action(low, node, f"it is {value.value!r}")
        value = action
    if isinstance(value, Code):
        raise low.limit(node, "yields something that is not known when compiling")
    low.emit(Count(low.span(node)))
    if isinstance(value, Waiting):
        wait(low, value)
    elif isinstance(value, Selecting):
        if value.n is not None:
            return pick_list(low, value, node)
        queued(low, value, node)
    elif isinstance(value, Releasing):
        low.emit(Release(value.entity.name, low.span(node)))
    elif isinstance(value, Setting):
        changes = changes_of(low, [value])
        if changes:
            low.emit(Apply(tuple(changes), low.span(node)))
    elif isinstance(value, Emitting):
        emit_event(low, value)
    elif isinstance(value, Retiring):
        _retire(low, value, node)
    else:
        raise _not_an_action(low, node, f"it is {describe(value)}")
    return Const(None)


def _retire(low: Lowering, value: Retiring, node: ast.expr) -> None:
    """The instant into its state; then a selection that finds nobody lets go of it (N4)."""
    field, span = check_retirement(value.entity), low.span(node)
    changes = changes_of(low, [Setting(value.entity, ((field, "is", clock_read(low), node),), value.node)])
    if changes:
        low.emit(Apply(tuple(changes), span))
    pick(low, leaving(value.entity, value.node), node)


def _not_an_action(low: Lowering, node: ast.expr, label: str) -> Exception:
    mend = "yield NewEvent(…), AddDecay(…), Select(…) or SetState(…)"
    return low.wrong(node, "a flow yields actions", label, mend)
