"""Lowering of conditions: what Python may skip stays in one expression where that does no harm, else not."""

from __future__ import annotations

import ast
import enum
from collections.abc import Sequence
from types import FunctionType, ModuleType

from deep_faker.compile.lower.expressions import Expressions
from deep_faker.compile.read.values import Code, Const, EventData, Selected, Value, constant, local


class Conditions(Expressions):
    """Comparisons, ``and``, ``or``, conditional expressions, and tests that end a block."""

    def on_Compare(self, node: ast.Compare) -> Value:
        if len(node.ops) == 1:
            left, right = self.operands([node.left, node.comparators[0]])
            self._check_identity(node, [left, right])
            if isinstance(node.ops[0], (ast.In, ast.NotIn)) and isinstance(right, EventData):
                if not isinstance(left, Const):
                    raise self.limit(node, "a field's name that is not constant")
                has = self.event_has(right, str(left.value), node)
                return has if isinstance(node.ops[0], ast.In) else self._negated(has, node)
            if isinstance(node.ops[0], (ast.In, ast.NotIn)) and isinstance(right, Selected):
                has = self.is_selected(right, left, node)
                return has if isinstance(node.ops[0], ast.In) else self._negated(has, node)
            codes = [self.code(left, node.left), self.code(right, node.comparators[0])]
            return self.made(ast.Compare(codes[0], node.ops, codes[1:]), [left, right])
        with self.trying() as trial:
            values = self.operands([node.left, node.comparators[0]])
            rest = self.skippable(node.comparators[1:])
            if rest is not None:
                trial.keep()
                values += rest
                self._check_identity(node, values)
                parts = (node.left, *node.comparators)
                codes = [self.code(value, part) for value, part in zip(values, parts, strict=True)]
                return self.made(ast.Compare(codes[0], node.ops, codes[1:]), values)
        return self._arms(node)

    def _check_identity(self, node: ast.Compare, values: Sequence[Value]) -> None:
        """Copies of a value in columns are not the same object; things that there are only one of are."""
        for op, left, right in zip(node.ops, values, values[1:], strict=False):
            if isinstance(op, (ast.Is, ast.IsNot)) and not (_is_single(left) or _is_single(right)):
                if not (isinstance(left, Code) and isinstance(right, Code)):
                    raise self.limit(node, "asks whether two values are the same object")

    def _negated(self, value: Value, node: ast.expr) -> Value:
        if isinstance(value, Const):
            return Const(not value.value)
        return Code(ast.UnaryOp(ast.Not(), self.code(value, node)))

    def on_BoolOp(self, node: ast.BoolOp) -> Value:
        if all(map(self.is_skippable, node.values[1:])):
            with self.trying() as trial:
                first = self.lower(node.values[0])
                rest = self.skippable(node.values[1:])
                if rest is not None:
                    trial.keep()
                    return self._joined(node, [first, *rest])
        result = self.fresh()
        done = self.block()
        for index, part in enumerate(node.values):
            value = self.lower(part)
            self.let(self.code(value, part), part, result)
            if index < len(node.values) - 1:
                following = self.block()
                test = self.let(_bool(local(result)), part)
                both = isinstance(node.op, ast.And)
                self.branch(test, *((following, done) if both else (done, following)), self.span(part))
                self.start(following)
        self.go(done)
        self.start(done)
        return Code(local(result))

    def _joined(self, node: ast.BoolOp, given: list[Value]) -> Value:
        """``and`` or ``or`` in one expression."""
        values = [self.truth(value, node) for value in given]
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
        return self.made(ast.BoolOp(node.op, [self.code(v, node) for v in kept]), kept)

    def on_IfExp(self, node: ast.IfExp) -> Value:
        if self.is_skippable(node.test):
            with self.trying() as trial:
                test = self.truth(self.lower(node.test), node.test)
                if isinstance(test, Const):
                    trial.keep()
                    return self.lower(node.body if test.value else node.orelse)
                arms = self.skippable([node.body, node.orelse])
                if arms is not None:
                    trial.keep()
                    body, orelse = (
                        self.code(arm, part) for arm, part in zip(arms, (node.body, node.orelse), strict=True)
                    )
                    return Code(ast.IfExp(self.code(test, node.test), body, orelse))
        return self._arms(node)

    def _arms(self, node: ast.IfExp | ast.Compare) -> Value:
        """A conditional expression (or a chain of comparisons) as branches into one local."""
        result, done = self.fresh(), self.block()
        then, other = self.block(), self.block()
        if isinstance(node, ast.IfExp):
            self.test(node.test, then, other)
        else:
            self._chain(node, then, other)
        body: ast.expr = node.body if isinstance(node, ast.IfExp) else constant(True)
        orelse: ast.expr = node.orelse if isinstance(node, ast.IfExp) else constant(False)
        ways = [(block, part) for block, part in ((then, body), (other, orelse)) if self.is_entered(block)]
        if len(ways) == 1:  # the test is decided
            self.start(ways[0][0])
            return self.lower(ways[0][1])
        for block, part in ways:
            self.start(block)
            self.let(self.code(self.lower(part), part if isinstance(node, ast.IfExp) else node), node, result)
            self.go(done)
        self.start(done)
        return Code(local(result))

    # ------------------------------------------------ tests

    def test(self, node: ast.expr, then: int, other: int) -> None:
        """Close the current block with a test of ``node``."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            self.test(node.operand, other, then)
        elif isinstance(node, ast.BoolOp) and not all(map(self._is_plain, node.values)):
            both = isinstance(node.op, ast.And)
            for part in node.values[:-1]:
                following = self.block()
                self.test(part, *((following, other) if both else (then, following)))
                self.start(following)
            self.test(node.values[-1], then, other)
        elif isinstance(node, ast.Compare) and not all(map(self.is_skippable, node.comparators[1:])):
            self._chain(node, then, other)
        elif isinstance(node, ast.IfExp) and not self.is_skippable(node):
            yes, no = self.block(), self.block()
            self.test(node.test, yes, no)
            for block, part in ((yes, node.body), (no, node.orelse)):
                self.start(block)
                self.test(part, then, other)
        else:
            value = self.truth(self.lower(node), node)
            if isinstance(value, Const):
                self.go(then if value.value else other)
                return
            code = self.code(value, node)
            is_test = isinstance(code, ast.Compare) or (
                isinstance(code, ast.UnaryOp) and isinstance(code.op, ast.Not)
            )
            self.branch(self.let(code if is_test else _bool(code), node), then, other, self.span(node))

    def _chain(self, node: ast.Compare, then: int, other: int) -> None:
        """``a < b < c`` where c must not be evaluated if a < b is false."""
        first = self.settled(self.lower(node.left), node.left)
        left = self.code(first, node.left)
        for index, (op, part) in enumerate(zip(node.ops, node.comparators, strict=True)):
            second = self.settled(self.lower(part), part)
            self._check_identity(ast.Compare(node.left, [op], [part]), [first, second])
            right = self.code(second, part)
            last = index == len(node.ops) - 1
            following = then if last else self.block()
            self.branch(self.let(ast.Compare(left, [op], [right]), node), following, other, self.span(node))
            if not last:
                self.start(following)
            left, first = right, second

    def _is_plain(self, node: ast.expr) -> bool:
        """Whether an operand of a test needs no branch of its own; tests of entities get one (F5)."""
        compared = isinstance(node, ast.Compare) and not any(
            isinstance(part, ast.Constant) and part.value is None for part in node.comparators
        )
        return compared and self.is_skippable(node)


def _is_single(value: Value) -> bool:
    """Whether it is something that there is only one of, and no copies."""
    return isinstance(value, Const) and (
        value.value is None
        or isinstance(value.value, (bool, type(...), type, enum.Enum, FunctionType, ModuleType))
    )


def _bool(code: ast.expr) -> ast.expr:
    return ast.Call(constant(bool), [code], [])
