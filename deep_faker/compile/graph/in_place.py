"""``a += b`` read as ``a = a + b``: the same for what cannot be changed in place, and only for that."""

from __future__ import annotations

import ast
import datetime as dt
import decimal
import enum
import fractions
import math
import types
import uuid

from deep_faker.compile.graph.ir import Draw, Let, Op, TypedFlow, Unset, target_of
from deep_faker.compile.read.values import holds, object_in
from deep_faker.expressions import ValueCall

_FIXED = (
    bool, int, float, complex, str, bytes, type(None), tuple, frozenset, range, slice, type,
    dt.date, dt.time, dt.timedelta, dt.tzinfo, decimal.Decimal, fractions.Fraction, uuid.UUID, enum.Enum,
    types.FunctionType, types.BuiltinFunctionType, types.ModuleType,
)  # fmt: skip
_MAKERS = (
    bool, int, float, complex, str, bytes, tuple, frozenset, range, len, abs, round, hash, ord, chr, repr,
    divmod, pow, decimal.Decimal, fractions.Fraction,
)  # fmt: skip


def changed_in_place(flow: TypedFlow) -> list[Let]:
    """The ``+=`` and its like that may change a list, a set or a dict which has another name too."""
    writing = [op for block in flow.graph.blocks.values() for op in block.ops if target_of(op) is not None]
    grown = [op for op in writing if isinstance(op, Let) and op.augmented]
    doubtful = [op for op in grown if isinstance(op.code, ast.BinOp)]
    if not doubtful:
        return []
    fixed = _Fixed(flow, writing)
    return [op for op in doubtful if isinstance(op.code, ast.BinOp) and not fixed.is_fixed(op.code.left)]


class _Fixed:
    """Which locals hold only what cannot be changed in place."""

    def __init__(self, flow: TypedFlow, ops: list[Op]) -> None:
        self.flow = flow
        self.doubtful: set[str] = set()
        grows = True
        while grows:
            unfixed = {
                name for op in ops if (name := target_of(op)) is not None and not self._gives_fixed(op)
            }
            grows = not unfixed <= self.doubtful
            self.doubtful |= unfixed

    def _gives_fixed(self, op: Op) -> bool:
        if isinstance(op, Let):
            return self.is_fixed(op.code)
        if isinstance(op, Draw):
            return op.function not in ("choice", "choices", "sample")
        return isinstance(op, Unset) or self._is_plain(target_of(op) or "")

    def _is_plain(self, name: str) -> bool:
        type_ = self.flow.types.get(name)
        return type_ is not None and type_.kind != "object"

    def is_fixed(self, node: ast.expr) -> bool:
        """Whether the value of code cannot be changed in place."""
        if isinstance(node, ast.Constant):
            return isinstance(object_in(node), _FIXED)
        if isinstance(node, ast.Name):
            return self._is_plain(node.id) or node.id not in self.doubtful
        if isinstance(node, (ast.Tuple, ast.Compare, ast.JoinedStr)):
            return True
        if isinstance(node, ast.BinOp):
            return self.is_fixed(node.left) and self.is_fixed(node.right)
        if isinstance(node, ast.UnaryOp):
            return isinstance(node.op, ast.Not) or self.is_fixed(node.operand)
        if isinstance(node, (ast.BoolOp, ast.IfExp)):
            parts = node.values if isinstance(node, ast.BoolOp) else [node.body, node.orelse]
            return all(map(self.is_fixed, parts))
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Constant):
            held = object_in(node.value)
            values = held.values() if isinstance(held, dict) else held
            return isinstance(held, (str, list, tuple, dict)) and all(isinstance(v, _FIXED) for v in values)
        return isinstance(node, ast.Call) and self._is_fixed_call(node)

    def _is_fixed_call(self, node: ast.Call) -> bool:
        if holds(node.func, *_MAKERS):
            return True
        function: object = object_in(node.func) if isinstance(node.func, ast.Constant) else None
        if isinstance(function, ValueCall) and function.kind != "object":
            return True
        if getattr(function, "__module__", None) == math.__name__:
            return True
        summed = isinstance(function, ValueCall) or holds(node.func, min, max)
        return summed and all(map(self.is_fixed, node.args))
