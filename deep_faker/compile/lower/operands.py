"""Values of expressions that Python evaluates one after the other, and of those that it may skip."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from deep_faker.compile.graph.ir import Ask, Block, Draw, Let, Op, Unset
from deep_faker.compile.graph.raising import OTHER
from deep_faker.compile.graph.raising import may_raise as code_may_raise
from deep_faker.compile.lower.lowering import Lowering, Trial
from deep_faker.compile.read.scopes import Emitting
from deep_faker.compile.read.values import Code, Const, Items, Setting, Spread, Value, Waiting
from deep_faker.compile.read.whole_expressions import Opaque
from deep_faker.plan import Clock, Early, Given, Held, Session

Arguments = tuple[list[Value], dict[str, Value]]


class InOrder:
    """Values that Python makes one after the other: what may raise does not come after what follows it.

    Code goes into the code around it, in one piece. Left there, it would be computed after a draw, a call or
    a read of an entity further right, which may raise, too, or end the flow.
    """

    def __init__(self, low: Lowering) -> None:
        self._low = low
        self._values: list[Value] = []
        # place → (its value computed now, the block and the operations that do so)
        self._early: dict[int, tuple[Value, Block, list[Op]]] = {}

    def add(self, value: Value, node: ast.AST) -> None:
        """The next value, just lowered."""
        low, block = self._low, self._low.current
        if block is not None and not _is_safe(value):
            before = len(block.ops)
            early = low.settled(value, node)
            if len(block.ops) > before:
                self._early[len(self._values)] = early, block, block.ops[before:]
        self._values.append(value)

    def values(self) -> list[Value]:
        """All of them, computed early where something comes after them that may raise, or end the flow."""
        ours = {id(op) for _, _, ops in self._early.values() for op in ops}
        late: list[Value] = list(self._values)
        for place, (value, block, ops) in self._early.items():
            last = next(
                position for position in range(len(block.ops))[::-1] if block.ops[position] is ops[-1]
            )
            after = [op for op in block.ops[last + 1 :] if id(op) not in ours]
            if block is not self._low.current or any(map(decides, after)):
                late[place] = value
            else:
                taken = set(map(id, ops))
                block.ops[:] = [op for op in block.ops if id(op) not in taken]
        return late


def operands(low: Lowering, nodes: Sequence[ast.expr]) -> list[Value]:
    """Values of expressions that are evaluated one after the other."""
    order = InOrder(low)
    rebinds = [any(isinstance(n, ast.NamedExpr) for n in ast.walk(node)) for node in nodes]
    for index, node in enumerate(nodes):
        value = low.visit(node)
        # a := further right must not change what was evaluated before it
        order.add(low.settled(value, node) if any(rebinds[index + 1 :]) else value, node)
    return order.values()


def codes_of(low: Lowering, nodes: Sequence[ast.expr]) -> tuple[list[ast.expr], list[Value]]:
    """The same as code, and as values."""
    values = operands(low, nodes)
    return [low.code(v, n) for v, n in zip(values, nodes, strict=True)], values


def unpacked(low: Lowering, parts: Sequence[ast.expr], values: Sequence[Value]) -> list[Value]:
    """The values of some parts, those behind a star one by one."""
    out: list[Value] = []
    for part, value in zip(parts, values, strict=True):
        if not isinstance(part, ast.Starred):
            out.append(value)
        elif isinstance(value, Items):
            out += value.items
        elif isinstance(value, Const):
            out += map(Const, value.value)
        else:
            raise low.limit(part, "a star before something that is not constant")
    return out


def arguments_of(low: Lowering, node: ast.Call) -> Arguments:
    """Positional and keyword arguments; stars only of constants."""
    nodes = [a.value if isinstance(a, ast.Starred) else a for a in node.args] + [
        k.value for k in node.keywords
    ]
    values = operands(low, nodes)
    args = unpacked(low, node.args, values[: len(node.args)])
    kwargs: dict[str, Value] = {}
    for keyword, value in zip(node.keywords, values[len(node.args) :], strict=True):
        if keyword.arg is not None:
            kwargs[keyword.arg] = value
        elif isinstance(value, Const) and isinstance(value.value, dict):
            kwargs |= {name: Const(item) for name, item in value.value.items()}
        else:
            raise low.limit(node, "** of something that is not constant")
    return args, kwargs


def evaluated(low: Lowering, value: Value, node: ast.AST) -> Value:
    """The value, computed now if that may raise: also where nobody looks at it afterwards."""
    return value if is_at_hand(value) else low.settled(value, node)


def is_skippable(low: Lowering, node: ast.expr) -> bool:
    """Whether an expression is without effects, so that it may stand where Python may skip it."""
    return Opaque(low.scope).is_quiet(node)


def skippable(low: Lowering, nodes: Sequence[ast.expr]) -> list[Value] | None:
    """Values of expressions that Python may skip; None if something must be done before they are used."""
    if not all(is_skippable(low, node) for node in nodes):
        return None
    with low.trying() as trial:
        values = operands(low, nodes)
        if is_harmless(low, trial):
            trial.keep()
            return values
    return None


def is_harmless(low: Lowering, trial: Trial) -> bool:
    """Whether all that was written in it may as well be done where Python would not get to it."""
    ops = low.written_since(trial)
    return ops is not None and not any(map(may_raise, ops))


def decides(op: Op) -> bool:
    """Whether an operation may raise, or end the flow."""
    return may_raise(op) and not isinstance(op, (Ask, Early)) and not (isinstance(op, Draw) and not op.args)


def may_raise(op: Op) -> bool:
    """Whether an operation must not be done where Python may skip it."""
    if isinstance(op, Let):
        return not isinstance(op.code, (ast.Name, ast.Constant))
    return not isinstance(op, (Held, Clock, Session, Unset, Given))


def is_at_hand(value: Value) -> bool:
    """Whether nothing is left to be computed: no matter when, and whether, somebody looks at it."""
    if isinstance(value, Code):
        return isinstance(value.node, (ast.Name, ast.Constant))
    if isinstance(value, Items):
        return all(map(is_at_hand, value.items))
    return not isinstance(value, (Setting, Spread, Emitting, Waiting))


def _is_safe(value: Value) -> bool:
    """Whether making the value cannot raise, whatever its locals are."""
    if isinstance(value, Code):
        return not code_may_raise(value.node, lambda _: OTHER)
    if isinstance(value, Items):
        return all(map(_is_safe, value.items))
    return is_at_hand(value)


def value_of(value: Value) -> Any:
    """The object of a constant."""
    assert isinstance(value, Const)
    return value.value
