"""Rules of what stays in one expression: lambdas that are handed on, and most comprehensions."""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence

from deep_faker.compile.graph.unset import FREE
from deep_faker.compile.lower.lowering import Lowering, Whole
from deep_faker.compile.read.values import (
    Code,
    Const,
    Value,
    evaluate,
    local,
    names_in,
    same_code,
)
from deep_faker.compile.read.whole_expressions import Opaque

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def whole(low: Lowering, node: ast.expr) -> Value:
    """A comprehension or lambda in one piece; what it reads of entities is read before."""
    is_lambda = isinstance(node, ast.Lambda)
    opaque = Opaque(low.scope, helpers=True, reads=not is_lambda)
    if not opaque.is_quiet(node):
        raise low.limit(node, f"{opaque.reason} inside {_described(node)}")
    for part in opaque.to_read(node):
        opaque.hoisted[ast.unparse(part)] = low.as_local(low.visit(part), part)
    code = opaque.code(node)
    if code is None:
        raise low.limit(node, f"{opaque.reason} inside {_described(node)}")
    if not is_lambda:
        code = _free_reads(low, node, code, opaque.locals_read)
    if not opaque.locals_read and not isinstance(node, (ast.Lambda, ast.GeneratorExp)):
        try:
            return Const(evaluate(code))
        except Exception:  # noqa: BLE001 - it raises again when the flow gets there
            return Code(code)
    return Code(code)


def in_one_piece(low: Lowering, node: Whole) -> Value:
    """A lambda that is not called where it is written."""
    return whole(low, node.origin)


def _free_reads(low: Lowering, node: ast.expr, code: ast.expr, names: Sequence[str]) -> ast.expr:
    """A comprehension is a function of its own (since Python 3.12 only a generator is)."""
    if sys.version_info >= (3, 12) and not isinstance(node, ast.GeneratorExp):
        return code
    first = names_in(code.generators[0].iter) if isinstance(code, _COMPREHENSIONS) else ()
    free = {name: low.let(local(name), node, low.fresh(FREE)) for name in names if name not in first}
    return same_code(code, free)


def _described(node: ast.expr) -> str:
    names = {
        "ListComp": "a list comprehension",
        "SetComp": "a set comprehension",
        "DictComp": "a dict comprehension",
    }
    names |= {"GeneratorExp": "a generator expression", "Lambda": "a lambda"}
    return names.get(type(node).__name__, "an expression")
