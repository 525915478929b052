"""Dead code: results that nobody wants, of operations that leave nothing else behind and cannot raise."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping

from deep_faker import plan
from deep_faker.compiler import ir
from deep_faker.compiler.shape import live_at
from deep_faker.compiler.values import holds, object_in
from deep_faker.expressions import Conversion
from deep_faker.plan import Early, Type

_QUIET = (ir.Unset, plan.Held, plan.Clock, plan.Session, Early)
_NUMBERS = frozenset(("bool", "int", "float"))
_TEXTS = frozenset(("str", "code"))
_OTHER = "other"  # a value of which nothing is known but that it is there

Kinds = Callable[[str], str]


def swept(graph: ir.Graph, types: Mapping[str, Type]) -> None:
    """Operations whose results nobody wants are taken out, if leaving them out changes nothing else."""

    def kind(name: str) -> str:
        found = types.get(name)
        return _OTHER if found is None or found.optional else found.kind

    changed = True
    while changed:
        changed = False
        needed = live_at(graph)
        for block in graph.blocks.values():
            now: set[str] = set()
            for following in ir.successors(block.term):
                now |= needed[following]
            now |= set(ir.reads_of(block.term))
            kept: list[ir.Op] = []
            for op in reversed(block.ops):
                target = ir.target_of(op)
                if target is not None and target not in now and _is_quiet(op, kind):
                    changed = True
                    continue
                now.discard(target or "")
                now |= set(ir.reads_of(op))
                kept.append(op)
            block.ops = kept[::-1]


def _is_quiet(op: ir.Op, kind: Kinds) -> bool:
    return isinstance(op, _QUIET) or (isinstance(op, ir.Let) and not may_raise(op.code, kind))


def may_raise(code: ast.expr, kind: Kinds = lambda _: "int") -> bool:
    """Whether an expression can raise; overflows of 64 bits aside. ``kind``: that of a local.

    >>> may_raise(ast.parse("v_a + 1", mode="eval").body)
    False
    >>> may_raise(ast.parse("v_a + 1", mode="eval").body, lambda name: "str")
    True
    """
    return _kind(code, kind) is None


def _kind(node: ast.expr, kind: Kinds) -> str | None:
    """The kind of a value that is made without fail; None if making it may raise."""
    if isinstance(node, ast.Constant):
        name = type(object_in(node)).__name__
        return name if name in _NUMBERS | _TEXTS else _OTHER
    if isinstance(node, ast.Name):
        return kind(node.id)
    rule = _RULES.get(type(node))
    return rule(node, kind) if rule is not None else None


def _kinds(nodes: list[ast.expr], kind: Kinds) -> list[str] | None:
    found = [_kind(node, kind) for node in nodes]
    return None if None in found else [one for one in found if one is not None]


def _binary(node: ast.BinOp, kind: Kinds) -> str | None:
    sides = _kinds([node.left, node.right], kind)
    if sides is None:
        return None
    if isinstance(node.op, ast.Add) and set(sides) <= _TEXTS:
        return "str"
    if not set(sides) <= _NUMBERS:
        return None
    both = "float" if "float" in sides else "int"
    if isinstance(node.op, (ast.Add, ast.Sub, ast.Mult)):
        return both
    if isinstance(node.op, (ast.BitAnd, ast.BitOr, ast.BitXor)) and both == "int":
        return both
    divided = isinstance(node.op, (ast.Div, ast.FloorDiv, ast.Mod))
    if divided and isinstance(node.right, ast.Constant) and object_in(node.right):
        return "float" if isinstance(node.op, ast.Div) else both
    return None


def _unary(node: ast.UnaryOp, kind: Kinds) -> str | None:
    found = _kind(node.operand, kind)
    if isinstance(node.op, ast.Not):
        return found and "bool"
    wanted = {"bool", "int"} if isinstance(node.op, ast.Invert) else _NUMBERS
    return found if found in wanted else None


def _compared(node: ast.Compare, kind: Kinds) -> str | None:
    sides = _kinds([node.left, *node.comparators], kind)
    if sides is None:
        return None
    for op, left, right in zip(node.ops, sides, sides[1:], strict=False):
        ordered = isinstance(op, (ast.Lt, ast.LtE, ast.Gt, ast.GtE))
        alike = {left, right} <= _NUMBERS or {left, right} <= _TEXTS
        if ordered and not (alike or (left == right and left in ("datetime", "date", "timedelta"))):
            return None
        if isinstance(op, (ast.In, ast.NotIn)) and not {left, right} <= _TEXTS:
            return None
    return "bool"


def _joined(node: ast.BoolOp | ast.IfExp, kind: Kinds) -> str | None:
    parts = node.values if isinstance(node, ast.BoolOp) else [node.body, node.orelse]
    if isinstance(node, ast.IfExp) and _kind(node.test, kind) is None:
        return None
    found = _kinds(parts, kind)
    if found is None:
        return None
    return found[0] if len(set(found)) == 1 else _OTHER


def _called(node: ast.Call, kind: Kinds) -> str | None:
    found = _kinds(node.args, kind)
    if found is None or len(found) != 1 or node.keywords:
        return None
    if isinstance(node.func, ast.Constant) and isinstance(object_in(node.func), Conversion):
        return _OTHER  # it refuses what the event would refuse, where somebody looks at it
    if holds(node.func, bool):
        return "bool"
    if holds(node.func, len):
        return "int" if found[0] in _TEXTS else None
    if holds(node.func, str):
        return "str" if found[0] in _NUMBERS | _TEXTS else None
    return found[0] if holds(node.func, abs) and found[0] in _NUMBERS else None


def _text(node: ast.JoinedStr, kind: Kinds) -> str | None:
    fields = [part for part in node.values if isinstance(part, ast.FormattedValue)]
    found = _kinds([part.value for part in fields], kind)
    plain = found is not None and set(found) <= _NUMBERS | _TEXTS
    return "str" if plain and all(part.format_spec is None for part in fields) else None


def _display(node: ast.List | ast.Tuple, kind: Kinds) -> str | None:
    return None if _kinds(node.elts, kind) is None else _OTHER


_RULES: dict[type[ast.AST], Callable[..., str | None]] = {
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.Compare: _compared,
    ast.BoolOp: _joined,
    ast.IfExp: _joined,
    ast.Call: _called,
    ast.JoinedStr: _text,
    ast.List: _display,
    ast.Tuple: _display,
}
