"""Rules of conditions: what Python may skip stays in one expression where that does no harm, else not."""

from __future__ import annotations

import ast
import enum
from collections.abc import Sequence
from types import FunctionType, ModuleType

from deep_faker.compile.lower.entities import is_selected
from deep_faker.compile.lower.event_fields import event_has
from deep_faker.compile.lower.expressions import truth
from deep_faker.compile.lower.lowering import Lowering
from deep_faker.compile.lower.operands import is_skippable, operands, skippable
from deep_faker.compile.read.values import Code, Const, EventData, Selected, Value, constant, local


def compare(low: Lowering, node: ast.Compare) -> Value:
    if len(node.ops) == 1:
        left, right = operands(low, [node.left, node.comparators[0]])
        _check_identity(low, node, [left, right])
        if isinstance(node.ops[0], (ast.In, ast.NotIn)) and isinstance(right, EventData):
            if not isinstance(left, Const):
                raise low.limit(node, "a field's name that is not constant")
            has = event_has(low, right, str(left.value))
            return has if isinstance(node.ops[0], ast.In) else _negated(low, has, node)
        if isinstance(node.ops[0], (ast.In, ast.NotIn)) and isinstance(right, Selected):
            has = is_selected(low, right, left, node)
            return has if isinstance(node.ops[0], ast.In) else _negated(low, has, node)
        codes = [low.code(left, node.left), low.code(right, node.comparators[0])]
        return low.made(ast.Compare(codes[0], node.ops, codes[1:]), [left, right])
    with low.trying() as trial:
        values = operands(low, [node.left, node.comparators[0]])
        rest = skippable(low, node.comparators[1:])
        if rest is not None:
            trial.keep()
            values += rest
            _check_identity(low, node, values)
            parts = (node.left, *node.comparators)
            codes = [low.code(value, part) for value, part in zip(values, parts, strict=True)]
            return low.made(ast.Compare(codes[0], node.ops, codes[1:]), values)
    return _arms(low, node)


def _check_identity(low: Lowering, node: ast.Compare, values: Sequence[Value]) -> None:
    """Copies of a value in columns are not the same object; things that there are only one of are."""
    for op, left, right in zip(node.ops, values, values[1:], strict=False):
        if isinstance(op, (ast.Is, ast.IsNot)) and not (_is_single(left) or _is_single(right)):
            if not (isinstance(left, Code) and isinstance(right, Code)):
                raise low.limit(node, "asks whether two values are the same object")


def _negated(low: Lowering, value: Value, node: ast.expr) -> Value:
    if isinstance(value, Const):
        return Const(not value.value)
    return Code(ast.UnaryOp(ast.Not(), low.code(value, node)))


def bool_op(low: Lowering, node: ast.BoolOp) -> Value:
    if all(is_skippable(low, part) for part in node.values[1:]):
        with low.trying() as trial:
            first = low.visit(node.values[0])
            rest = skippable(low, node.values[1:])
            if rest is not None:
                trial.keep()
                return _joined(low, node, [first, *rest])
    result = low.fresh()
    done = low.block()
    for index, part in enumerate(node.values):
        value = low.visit(part)
        low.let(low.code(value, part), part, result)
        if index < len(node.values) - 1:
            following = low.block()
            test = low.let(_bool(local(result)), part)
            both = isinstance(node.op, ast.And)
            low.branch(test, *((following, done) if both else (done, following)), low.span(part))
            low.start(following)
    low.go(done)
    low.start(done)
    return Code(local(result))


def _joined(low: Lowering, node: ast.BoolOp, parts: list[Value]) -> Value:
    """``and`` or ``or`` in one expression."""
    values = [truth(low, value, node) for value in parts]
    kept: list[Value] = []
    for index, value in enumerate(values):
        if isinstance(value, Const) and index < len(values) - 1:
            if bool(value.value) == isinstance(node.op, ast.Or):
                kept.append(value)
                break
            continue
        kept.append(value)
    if len(kept) == 1:
        return kept[0]
    return low.made(ast.BoolOp(node.op, [low.code(v, node) for v in kept]), kept)


def if_expr(low: Lowering, node: ast.IfExp) -> Value:
    if is_skippable(low, node.test):
        with low.trying() as trial:
            test = truth(low, low.visit(node.test), node.test)
            if isinstance(test, Const):
                trial.keep()
                return low.visit(node.body if test.value else node.orelse)
            arms = skippable(low, [node.body, node.orelse])
            if arms is not None:
                trial.keep()
                body, orelse = (
                    low.code(arm, part) for arm, part in zip(arms, (node.body, node.orelse), strict=True)
                )
                return Code(ast.IfExp(low.code(test, node.test), body, orelse))
    return _arms(low, node)


def _arms(low: Lowering, node: ast.IfExp | ast.Compare) -> Value:
    """A conditional expression (or a chain of comparisons) as branches into one local."""
    result, done = low.fresh(), low.block()
    then, other = low.block(), low.block()
    if isinstance(node, ast.IfExp):
        branch_if(low, node.test, then, other)
    else:
        _chain(low, node, then, other)
    body: ast.expr = node.body if isinstance(node, ast.IfExp) else constant(True)
    orelse: ast.expr = node.orelse if isinstance(node, ast.IfExp) else constant(False)
    ways = [(block, part) for block, part in ((then, body), (other, orelse)) if low.is_entered(block)]
    if len(ways) == 1:  # the test is decided
        low.start(ways[0][0])
        return low.visit(ways[0][1])
    for block, part in ways:
        low.start(block)
        low.let(low.code(low.visit(part), part if isinstance(node, ast.IfExp) else node), node, result)
        low.go(done)
    low.start(done)
    return Code(local(result))


def branch_if(low: Lowering, node: ast.expr, then: int, other: int) -> None:
    """Close the current block with a test of ``node``."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        branch_if(low, node.operand, other, then)
    elif isinstance(node, ast.BoolOp) and not all(_is_plain(low, part) for part in node.values):
        both = isinstance(node.op, ast.And)
        for part in node.values[:-1]:
            following = low.block()
            branch_if(low, part, *((following, other) if both else (then, following)))
            low.start(following)
        branch_if(low, node.values[-1], then, other)
    elif isinstance(node, ast.Compare) and not all(is_skippable(low, part) for part in node.comparators[1:]):
        _chain(low, node, then, other)
    elif isinstance(node, ast.IfExp) and not is_skippable(low, node):
        yes, no = low.block(), low.block()
        branch_if(low, node.test, yes, no)
        for block, part in ((yes, node.body), (no, node.orelse)):
            low.start(block)
            branch_if(low, part, then, other)
    else:
        value = truth(low, low.visit(node), node)
        if isinstance(value, Const):
            low.go(then if value.value else other)
            return
        code = low.code(value, node)
        is_test = isinstance(code, ast.Compare) or (
            isinstance(code, ast.UnaryOp) and isinstance(code.op, ast.Not)
        )
        low.branch(low.let(code if is_test else _bool(code), node), then, other, low.span(node))


def end_with_else(low: Lowering, node: ast.If | ast.While | ast.For, other: int, done: int) -> None:
    """The ``else`` of a statement, if it has one (``other``); then what comes after it."""
    if node.orelse:
        low.enter(other)
        low.statements(node.orelse)
        low.go(done)
    low.enter(done)


def _chain(low: Lowering, node: ast.Compare, then: int, other: int) -> None:
    """``a < b < c`` where c must not be evaluated if a < b is false."""
    first = low.settled(low.visit(node.left), node.left)
    left = low.code(first, node.left)
    for index, (op, part) in enumerate(zip(node.ops, node.comparators, strict=True)):
        second = low.settled(low.visit(part), part)
        _check_identity(low, ast.Compare(node.left, [op], [part]), [first, second])
        right = low.code(second, part)
        last = index == len(node.ops) - 1
        following = then if last else low.block()
        low.branch(low.let(ast.Compare(left, [op], [right]), node), following, other, low.span(node))
        if not last:
            low.start(following)
        left, first = right, second


def _is_plain(low: Lowering, node: ast.expr) -> bool:
    """Whether an operand of a test needs no branch of its own; tests of entities get one (F5)."""
    compared = isinstance(node, ast.Compare) and not any(
        isinstance(part, ast.Constant) and part.value is None for part in node.comparators
    )
    return compared and is_skippable(low, node)


def _is_single(value: Value) -> bool:
    """Whether it is something that there is only one of, and no copies."""
    return isinstance(value, Const) and (
        value.value is None
        or isinstance(value.value, (bool, type(...), type, enum.Enum, FunctionType, ModuleType))
    )


def _bool(code: ast.expr) -> ast.expr:
    return ast.Call(constant(bool), [code], [])
