"""Rules of loops: while, for over ranges and over sequences known or not; break, continue, else."""

from __future__ import annotations

import ast
import datetime as dt
from typing import Any

from deep_faker.compile.lower.assignments import assign_to
from deep_faker.compile.lower.conditions import branch_if, end_with_else
from deep_faker.compile.lower.lowering import Lowering
from deep_faker.compile.lower.names import bind
from deep_faker.compile.lower.operands import codes_of
from deep_faker.compile.lower.picked import there
from deep_faker.compile.read.scopes import MISSING
from deep_faker.compile.read.values import (
    Code,
    Const,
    EventData,
    Items,
    Picked,
    Selection,
    Value,
    constant,
    local,
)
from deep_faker.plan import Turn, Use

_UNROLLED = 64
_PLAIN = (bool, int, float, str, bytes, type(None), dt.datetime, dt.date, dt.timedelta)


def while_(low: Lowering, node: ast.While) -> None:
    head, body, done = low.block(), low.block(), low.block()
    other = low.block() if node.orelse else done
    low.go(head)
    low.start(head)
    branch_if(low, node.test, body, other)
    _body(low, node, body, head, done)
    end_with_else(low, node, other, done)


def _body(low: Lowering, node: ast.While | ast.For, body: int, again: int, done: int) -> None:
    low.enter(body)
    low.emit(Turn(low.span(node)))
    low.looping(again, done).statements(node.body)
    low.go(again)


def break_(low: Lowering, _: ast.Break) -> None:
    assert low.loop is not None, "a loop around it"
    low.go(low.loop[1])


def continue_(low: Lowering, _: ast.Continue) -> None:
    assert low.loop is not None, "a loop around it"
    low.go(low.loop[0])


def for_(low: Lowering, node: ast.For) -> None:
    items = node.iter
    if isinstance(items, ast.Call) and low.scope.constant(items.func) is range and not items.keywords:
        codes, values = codes_of(low, items.args)
        if not 1 <= len(codes) <= 3:
            raise low.limit(node, "range() with other than one to three arguments")
        _range(low, node, codes, values)
        return
    sequence = low.visit(items)
    if isinstance(sequence, (Selection, EventData)):
        raise low.limit(
            items, "goes through a list of entities" if isinstance(sequence, Selection) else "a loop"
        )
    if isinstance(sequence, Const):
        if isinstance(sequence.value, range):
            parts = (sequence.value.start, sequence.value.stop, sequence.value.step)
            _range(low, node, [constant(part) for part in parts], [Const(part) for part in parts])
            return
        try:
            sequence = Const(tuple(sequence.value))
        except TypeError:
            raise low.limit(items, "goes through something that is no sequence") from None
        if not all(map(_is_plain, sequence.value)):
            sequence = Items(tuple(map(Const, sequence.value)), tuple)
    if isinstance(sequence, Picked):
        _picked(low, node, sequence)
    elif isinstance(sequence, Items):
        _unrolled(low, node, sequence)
    else:
        _sequence(low, node, sequence)


def _range(low: Lowering, node: ast.For, codes: list[ast.expr], values: list[Value]) -> None:
    """A counter of its own, as the loop's variable may be changed in the body."""
    start = codes[0] if len(codes) > 1 else constant(0)
    stop = codes[1] if len(codes) > 1 else codes[0]
    step = values[2] if len(values) > 2 else Const(1)
    if not isinstance(step, Const):
        raise low.limit(node, "range() with a step that is not constant")
    if step.value == 0:
        raise low.wrong(node, "range() with step 0", "it would never end", "give a step other than 0")
    if not isinstance(stop, ast.Constant):
        stop = local(low.let(stop, node.iter))
    counter = local(low.let(start, node.iter))
    _counted(low, node, counter.id, stop, step.value, counter)


def _counted(
    low: Lowering, node: ast.For, counter: str, stop: ast.expr, step: int, item: ast.expr | list[Any]
) -> None:
    head, taken, body, done = low.block(), low.block(), low.block(), low.block()
    other = low.block() if node.orelse else done
    low.go(head)
    low.start(head)
    compare: ast.cmpop = ast.Lt() if step > 0 else ast.Gt()
    test = low.let(ast.Compare(local(counter), [compare], [stop]), node.iter)
    low.branch(test, taken, other, low.span(node.iter))
    low.start(taken)
    _take(low, node.target, item, counter, node)
    low.let(ast.BinOp(local(counter), ast.Add(), constant(step)), node.iter, counter)
    low.go(body)
    _body(low, node, body, head, done)
    end_with_else(low, node, other, done)


def _sequence(low: Lowering, node: ast.For, sequence: Value) -> None:
    """Over a sequence by position; constants of one length each are unpacked into columns."""
    if isinstance(sequence, Const):
        stop: ast.expr = constant(len(sequence.value))
        item: ast.expr | list[Any] = list(sequence.value)
    else:
        copied = ast.Call(constant(list), [low.code(sequence, node)], [])
        name = low.let(copied, node.iter)
        stop = local(low.let(ast.Call(constant(len), [local(name)], []), node.iter))
        item = local(name)
    _counted(low, node, low.let(constant(0), node.iter), stop, 1, item)


def _take(low: Lowering, target: ast.expr, item: ast.expr | list[Any], counter: str, node: ast.For) -> None:
    if isinstance(item, ast.expr):
        code = item
        if not (isinstance(item, ast.Name) and item.id == counter):
            code = ast.Subscript(item, local(counter), ast.Load())
        assign_to(low, target, Code(code), node, once=False)
        return
    if isinstance(target, (ast.Tuple, ast.List)) and not any(isinstance(t, ast.Starred) for t in target.elts):
        count = len(target.elts)
        if all(isinstance(row, (tuple, list)) and len(row) == count for row in item):
            for index, part in enumerate(target.elts):
                _take(low, part, [row[index] for row in item], counter, node)
            return
    looked_up = ast.Subscript(constant(tuple(item)), local(counter), ast.Load())
    assign_to(low, target, Code(looked_up), node, once=False)


def _unrolled(low: Lowering, node: ast.For, sequence: Items) -> None:
    """The body once for each item: for items that are classes, entities, actions."""
    if len(sequence.items) > _UNROLLED:
        raise low.limit(node, f"a loop over {len(sequence.items)} things that are no plain values")
    sequence_now = low.settled(sequence, node)
    assert isinstance(sequence_now, Items)
    done = low.block()
    other = low.block() if node.orelse else done
    path = low.scope.path
    for index, item in enumerate(sequence_now.items):
        following = low.block()
        body = low.block()
        # each turn has its own answers to what is held
        low.scope.follow((*path, index))
        _turn(low, node.target, item, node)
        low.go(body)
        _body(low, node, body, following, done)
        low.enter(following)
        if low.current is None:
            break
    low.scope.follow(path)
    low.go(other)
    end_with_else(low, node, other, done)


def _picked(low: Lowering, node: ast.For, picked: Picked) -> None:
    """The body once for each entity of a list, which the flow uses then; up to the first that is none."""
    done = low.block()
    other = low.block() if node.orelse else done
    path = low.scope.path
    for index, handle in enumerate(picked.handles):
        following, turn, body = low.block(), low.block(), low.block()
        low.scope.follow((*path, index))
        low.branch(there(low, handle, node), turn, other, low.span(node.iter))
        low.start(turn)
        low.emit(Use(picked.entity.name, handle, low.span(node), sure=True))
        _turn(low, node.target, Code(local(handle)), node)
        low.go(body)
        _body(low, node, body, following, done)
        low.enter(following)
        if low.current is None:
            break
    low.scope.follow(path)
    low.go(other)
    end_with_else(low, node, other, done)


def _turn(low: Lowering, target: ast.expr, item: Value, node: ast.For) -> None:
    """One item for the loop's names: in the body it is known, what comes after reads a local."""
    if not isinstance(target, ast.Name):
        parts = target.elts if isinstance(target, (ast.Tuple, ast.List)) else []
        if isinstance(item, Const) and isinstance(item.value, (list, tuple)):
            item = Items(tuple(map(Const, item.value)), tuple)
        if not isinstance(item, Items) or len(item.items) != len(parts):
            raise low.limit(node, "unpacks what is not known one by one")
        for part, value in zip(parts, item.items, strict=True):
            _turn(low, part, value, node)
        return
    low.scope.forget(target.id)
    bind(low, target.id, item, node)


def _is_plain(value: object) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_is_plain, value))
    return isinstance(value, _PLAIN) and value is not MISSING
