"""Lists that a function makes and appends to: ``items.append(x)`` read as ``items = [*items, x]``.

That is the same as long as the list has one name only, which is what is looked for here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

# Functions that look at a list and keep no hold of it.
_LOOKING = frozenset(
    ("len", "sum", "min", "max", "any", "all", "sorted", "str", "list", "tuple", "set", "NewEvent")
)


def growth(node: ast.AST) -> tuple[str, str, ast.expr] | None:
    """Name, method and argument of a statement that makes a list longer."""
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add):
        return (node.target.id, "extend", node.value) if isinstance(node.target, ast.Name) else None
    call = node.value if isinstance(node, ast.Expr) else None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return None
    owner, method = call.func.value, call.func.attr
    if not isinstance(owner, ast.Name) or method not in ("append", "extend") or call.keywords:
        return None
    if len(call.args) != 1 or isinstance(call.args[0], ast.Starred):
        return None
    return owner.id, method, call.args[0]


def growing_names(function: ast.FunctionDef) -> dict[str, int]:
    """The lists of a function that may be read so, and how often each is made longer."""
    counts: dict[str, int] = {}
    for node in ast.walk(function):
        grown = growth(node)
        if grown is not None:
            counts[grown[0]] = counts.get(grown[0], 0) + 1
    if not counts:
        return counts
    arguments = {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
    allowed: set[int] = set()
    for node in ast.walk(function):
        allowed |= {id(part) for part in _harmless(node)}
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and node.id in counts and id(node) not in allowed:
            del counts[node.id]
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            for name in node.names:
                counts.pop(name, None)
    return {name: count for name, count in counts.items() if name not in arguments}


def _harmless(node: ast.AST) -> list[ast.AST]:
    """The names right below a node that give the list no second name."""
    if growth(node) is not None:
        if isinstance(node, ast.AugAssign):
            return [node.target]
        assert isinstance(node, ast.Expr)
        assert isinstance(node.value, ast.Call)
        assert isinstance(node.value.func, ast.Attribute)
        return [node.value.func.value]
    if isinstance(node, ast.Assign) and isinstance(node.value, (ast.List, ast.ListComp)):
        return list(node.targets) if len(node.targets) == 1 else []
    if isinstance(node, ast.AnnAssign) and isinstance(node.value, (ast.List, ast.ListComp)):
        return [node.target]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _LOOKING:
        if node.func.id in ("min", "max", "sum") and len(node.args) + len(node.keywords) > 1:
            return []  # they may give one of their arguments
        return [*node.args, *(keyword.value for keyword in node.keywords)]
    if isinstance(node, ast.Compare):
        return [node.left, *node.comparators]
    if isinstance(node, ast.For):
        # a loop goes on over what its body adds
        inside = {grown[0] for part in ast.walk(node) if (grown := growth(part)) is not None}
        return [node.iter] if getattr(node.iter, "id", None) not in inside else []
    if isinstance(node, ast.comprehension):
        return [node.iter]
    if isinstance(node, (ast.If, ast.While, ast.IfExp)):
        return [node.test]
    if isinstance(node, ast.UnaryOp):
        return [node.operand]
    if isinstance(node, (ast.FormattedValue, ast.Subscript)):
        is_read = isinstance(node, ast.FormattedValue) or isinstance(node.ctx, ast.Load)
        return [node.value] if is_read else []
    return []


def appended(items: list[object], item: object) -> list[object]:
    """``items.append(item)`` as a value."""
    return [*items, item]


def extended(items: list[object], more: Iterable[object]) -> list[object]:
    """``items.extend(more)`` as a value."""
    return [*items, *more]
