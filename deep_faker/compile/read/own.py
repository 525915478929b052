"""The names of a function that only ever hold what it has made itself: changing that is its own affair."""

from __future__ import annotations

import ast

_DISPLAYS = (
    ast.Constant, ast.JoinedStr, ast.List, ast.Tuple, ast.Dict, ast.Set,
    ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Compare,
)  # fmt: skip
_MAKERS = frozenset(
    "bool int float str bytes bytearray list dict set frozenset tuple sorted range len abs round sum "
    "deque defaultdict Counter OrderedDict copy deepcopy split rsplit splitlines strip upper lower replace "
    "join format random randint uniform time zip enumerate".split()
)


def own_names(function: ast.FunctionDef) -> frozenset[str]:
    """Names whose values nobody else has, as far as one can see.

    >>> text = "def f(a):\\n  b = []\\n  c = a\\n  for d in a: b += [d]\\n  e = b"
    >>> sorted(own_names(ast.parse(text).body[0]))
    ['b', 'e']
    """
    values: dict[str, list[ast.expr | None]] = {}
    for node in ast.walk(function):
        for name, value in _bindings(node):
            values.setdefault(name, []).append(value)
    parameters = {part.arg for part in ast.walk(function.args) if isinstance(part, ast.arg)}
    names = values.keys() - parameters
    while True:
        left = {
            name
            for name in names
            if all(value is not None and _is_new(value, names) for value in values[name])
        }
        if left == names:
            return frozenset(names)
        names = left


def _bindings(node: ast.AST) -> list[tuple[str, ast.expr | None]]:
    """Names that a node binds, each with its value (None: something else's)."""
    if isinstance(node, ast.Assign):
        return [pair for target in node.targets for pair in _named(target, node.value)]
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        return _named(node.target, node.value)
    if isinstance(node, ast.NamedExpr):
        return _named(node.target, node.value)
    if isinstance(node, (ast.For, ast.comprehension)):
        counted = isinstance(node.iter, ast.Call) and ast.unparse(node.iter.func) == "range"
        return _named(node.target, ast.Constant(0) if counted else None)
    if isinstance(node, ast.withitem) and node.optional_vars is not None:
        return _named(node.optional_vars, None)
    if isinstance(node, (ast.MatchAs, ast.MatchStar, ast.ExceptHandler)) and node.name is not None:
        return [(node.name, None)]
    return []


def _named(target: ast.expr, value: ast.expr | None) -> list[tuple[str, ast.expr | None]]:
    if isinstance(target, ast.Name):
        return [(target.id, value)]
    if isinstance(target, (ast.Tuple, ast.List)):
        each = isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts)
        parts = value.elts if each and isinstance(value, (ast.Tuple, ast.List)) else [None] * len(target.elts)
        return [pair for part, names in zip(target.elts, parts, strict=True) for pair in _named(part, names)]
    return _named(target.value, ast.List([], ast.Load())) if isinstance(target, ast.Starred) else []


def _is_new(node: ast.expr, names: set[str] | frozenset[str]) -> bool:
    if isinstance(node, _DISPLAYS):
        return True
    if isinstance(node, ast.Name):
        return node.id in names
    if isinstance(node, ast.BinOp):
        return True
    if isinstance(node, ast.UnaryOp):
        return _is_new(node.operand, names)
    if isinstance(node, (ast.BoolOp, ast.IfExp)):
        parts = node.values if isinstance(node, ast.BoolOp) else [node.body, node.orelse]
        return all(_is_new(part, names) for part in parts)
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        return name in _MAKERS
    return False
