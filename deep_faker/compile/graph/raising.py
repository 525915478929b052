"""Which expressions can raise, and what is evaluated in them before a name is read."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from deep_faker.compile.read.values import holds, object_in
from deep_faker.expressions import Conversion

_NUMBERS = frozenset(("bool", "int", "float"))
_TEXTS = frozenset(("str", "code"))
OTHER = "other"  # a value of which nothing is known but that it is there

Kinds = Callable[[str], str]


def read_late(code: ast.expr, name: str) -> bool:
    """Whether something may raise, or decide that it is not read at all, before a local is read.

    >>> read_late(ast.parse("v_a + v_z", mode="eval").body, "v_z")
    False
    >>> read_late(ast.parse("v_a // v_b + v_z", mode="eval").body, "v_z")
    True
    >>> read_late(ast.parse("v_a and v_z", mode="eval").body, "v_z")
    True
    """
    for node, skipped in _in_order(code):
        if isinstance(node, ast.Name) and node.id == name:
            return skipped
        leaf = isinstance(node, (ast.Name, ast.Constant))
        if not leaf and may_raise(node):
            return True
    return False


def _in_order(node: ast.expr, *, skipped: bool = False) -> Iterator[tuple[ast.expr, bool]]:
    """The parts of an expression as Python evaluates them, each with whether it may be skipped."""
    sure: list[ast.AST] = list(ast.iter_child_nodes(node))
    rest: list[ast.expr] = []
    if isinstance(node, ast.BoolOp):
        sure, rest = [node.values[0]], node.values[1:]
    elif isinstance(node, ast.IfExp):
        sure, rest = [node.test], [node.body, node.orelse]
    elif isinstance(node, ast.Compare):
        sure, rest = [node.left, node.comparators[0]], node.comparators[1:]
    elif isinstance(node, ast.Dict):
        sure = [
            part for pair in zip(node.keys, node.values, strict=True) for part in pair if part is not None
        ]
    elif isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda)):
        sure = [node.generators[0].iter] if not isinstance(node, ast.Lambda) else []
        rest = [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
    for part in sure:
        for inner in (part,) if isinstance(part, ast.expr) else _expressions(part):
            yield from _in_order(inner, skipped=skipped)
    for part in rest:
        yield from _in_order(part, skipped=True)
    yield node, skipped


def _expressions(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions right below what is none, such as a keyword argument."""
    return (part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr))


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
        return name if name in _NUMBERS | _TEXTS else OTHER
    if isinstance(node, ast.Name):
        return kind(node.id)
    rule = _RULES.get(type(node))
    return rule(node, kind) if rule is not None else None


def _kinds(nodes: list[ast.expr], kind: Kinds) -> list[str] | None:
    kinds = [_kind(node, kind) for node in nodes]
    return None if None in kinds else [one for one in kinds if one is not None]


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
    operand = _kind(node.operand, kind)
    if isinstance(node.op, ast.Not):
        return operand and "bool"
    wanted = {"bool", "int"} if isinstance(node.op, ast.Invert) else _NUMBERS
    return operand if operand in wanted else None


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
    kinds = _kinds(parts, kind)
    if kinds is None:
        return None
    return kinds[0] if len(set(kinds)) == 1 else OTHER


def _called(node: ast.Call, kind: Kinds) -> str | None:
    kinds = _kinds(node.args, kind)
    if kinds is None or len(kinds) != 1 or node.keywords:
        return None
    if isinstance(node.func, ast.Constant) and isinstance(object_in(node.func), Conversion):
        return OTHER  # it refuses what the event would refuse, where somebody looks at it
    if holds(node.func, bool):
        return "bool"
    if holds(node.func, len):
        return "int" if kinds[0] in _TEXTS else None
    if holds(node.func, str):
        return "str" if kinds[0] in _NUMBERS | _TEXTS else None
    return kinds[0] if holds(node.func, abs) and kinds[0] in _NUMBERS else None


def _text(node: ast.JoinedStr, kind: Kinds) -> str | None:
    fields = [part for part in node.values if isinstance(part, ast.FormattedValue)]
    kinds = _kinds([part.value for part in fields], kind)
    plain = kinds is not None and set(kinds) <= _NUMBERS | _TEXTS
    return "str" if plain and all(part.format_spec is None for part in fields) else None


def _display(node: ast.List | ast.Tuple, kind: Kinds) -> str | None:
    return None if _kinds(node.elts, kind) is None else OTHER


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
