"""Which ints of a flow may leave 64 bits: their locals hold Python's own ints instead of columns of them.

Sizes are estimated from what computes them. What is only read (state, fields, lengths) counts as below 2**31,
and one more turn of a loop may make a number larger by steps, but not by factors.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping

from deep_faker.compile.graph.ir import Draw, Let, TypedFlow
from deep_faker.compile.read.values import holds, object_in

_LARGEST = float(2**63)
_READ = float(2**31)
_ROUNDS = 128
# In as many rounds again, a sum of sums of sums grows eightfold; what grows by a tenth in each, 200,000-fold.
_STEPS = 64.0
# Functions of small numbers that give large ones.
_LARGE = (math.factorial, math.comb, math.perm, math.prod, math.lcm, int.from_bytes)

Size = Callable[[str], float]


def wide_locals(flow: TypedFlow) -> frozenset[str]:
    """The int locals that may hold more than 64 bits."""
    ops = [
        op
        for block in flow.graph.blocks.values()
        for op in block.ops
        if isinstance(op, (Let, Draw)) and _is_int(flow, op.target)
    ]
    sizes: dict[str, float] = {op.target: 0.0 for op in ops}
    middle: Mapping[str, float] = {}

    def size(name: str) -> float:
        type_ = flow.types.get(name)
        # int() of a text is as large as the text is long
        unknown = type_ is not None and type_.kind in ("object", "str", "code")
        return sizes.get(name, math.inf if unknown else _READ)

    for turn in range(_ROUNDS):
        before = dict(sizes)
        for op in ops:
            sizes[op.target] = max(sizes[op.target], _size_of(op, size))
        if sizes == before:
            break
        if turn == _ROUNDS // 2:
            middle = before
    return frozenset(
        name
        for name, size in sizes.items()
        if size >= _LARGEST or size > _STEPS * middle.get(name, math.inf) > 0
    )


def _is_int(flow: TypedFlow, name: str) -> bool:
    type_ = flow.types.get(name)
    return type_ is not None and type_.kind == "int"


def _size_of(op: Let | Draw, size: Size) -> float:
    if isinstance(op, Let):
        return _size(op.code, size)
    if op.function in ("randint", "randrange"):
        return max(_size(arg, size) for arg in op.args)
    if op.function == "getrandbits" and isinstance(op.args[0], ast.Constant):
        return 2.0 ** min(int(object_in(op.args[0])), 1000)
    return _READ


def _size(node: ast.expr, size: Size) -> float:
    """The largest distance from 0 that the value of an expression may have."""
    if isinstance(node, ast.Constant):
        value = object_in(node)
        if isinstance(value, (list, tuple)):
            return max((_size(ast.Constant(item), size) for item in value), default=0.0)
        if isinstance(value, int):
            return float(abs(value)) if abs(value) < 1 << 1000 else math.inf
        return min(abs(value), _READ) if isinstance(value, float) else _READ
    if isinstance(node, ast.Name):
        return size(node.id)
    if isinstance(node, ast.BinOp):
        return _combined(type(node.op), _size(node.left, size), _size(node.right, size))
    if isinstance(node, ast.UnaryOp):
        return _size(node.operand, size)
    if isinstance(node, (ast.IfExp, ast.BoolOp)):
        parts = node.values if isinstance(node, ast.BoolOp) else [node.body, node.orelse]
        return max(_size(part, size) for part in parts)
    if isinstance(node, ast.Subscript) and isinstance(node.value, (ast.Constant, ast.Tuple, ast.List)):
        items = [node.value] if isinstance(node.value, ast.Constant) else node.value.elts
        return max((_size(item, size) for item in items), default=0.0)
    if isinstance(node, ast.Call) and holds(node.func, abs, int, round, min, max, math.floor, math.ceil):
        return max((_size(arg, size) for arg in node.args), default=0.0)
    if isinstance(node, ast.Call) and holds(node.func, hash):
        return float(2**61)
    if isinstance(node, ast.Call) and holds(node.func, *_LARGE):
        return math.inf
    if isinstance(node, ast.Call) and holds(node.func, pow) and len(node.args) == 2:
        return _combined(ast.Pow, _size(node.args[0], size), _size(node.args[1], size))
    return _READ


def _combined(op: type[ast.operator], left: float, right: float) -> float:
    if op in (ast.Add, ast.Sub):
        return left + right
    if op is ast.Mult:
        return left * right if left and right else 0.0
    if op is ast.Mod:
        return right
    if op in (ast.FloorDiv, ast.RShift, ast.Div):
        return left
    if op in (ast.Pow, ast.LShift):
        try:
            return float(max(left, 1.0) * 2.0**right if op is ast.LShift else max(left, 1.0) ** right)
        except OverflowError:
            return math.inf
    return 2 * max(left, right)
