"""Faker's functions with their texts kept marked.

What joins, cuts or formats texts gives plain ones, of which nobody knows any more what is drawn in them:
``"".join(letters).upper()`` would leave the letters as they are.  So a function is run in a copy in which the
value of every call, operation and formatted text goes through one that marks it again.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from types import FunctionType

from deep_faker.values.explore.marks import MarkedInt
from deep_faker.values.explore.methods import Opaque

_MARKED, _INT, _PERCENT = "deep_marked", "deep_int", "deep_percent"
_COPY = "deep_copy"
_HARMLESS = {"override", "no_type_check"}


class _Marking(ast.NodeTransformer):
    """Puts every value that may be a text through `_MARKED`."""

    def _wrapped(self, node: ast.expr) -> ast.expr:
        self.generic_visit(node)
        return ast.Call(ast.Name(_MARKED, ast.Load()), [node], [])

    def visit_Call(self, node: ast.Call) -> ast.expr:
        match node:
            case ast.Call(func=ast.Name(id="int"), args=[argument], keywords=[]):
                return ast.Call(ast.Name(_INT, ast.Load()), [self.visit(argument)], [])
            case ast.Call(func=ast.Name(id="super")):
                return node
        return self._wrapped(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                part.value = self.visit(part.value)
        return ast.Call(ast.Name(_MARKED, ast.Load()), [node], [])

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        match node:
            case ast.BinOp(left=ast.Constant(value=str() as form), op=ast.Mod(), right=right):
                arguments = [ast.Constant(form), self.visit(right)]
                return ast.Call(ast.Name(_PERCENT, ast.Load()), arguments, [])
        return self._wrapped(node)


def rewritten(
    function: Callable[..., object], marked: Callable[[object], object], number: Callable[[object], object]
) -> Callable[..., object] | None:
    """The copy of a function, None where it has to stay as it is."""
    if not isinstance(function, FunctionType) or hasattr(function, "__wrapped__"):
        return None
    code = function.__code__
    if code.co_freevars:
        return None
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return None
    if (
        not isinstance(tree, ast.FunctionDef)
        or {ast.unparse(each) for each in tree.decorator_list} - _HARMLESS
    ):
        return None
    names = {each.attr for each in ast.walk(tree) if isinstance(each, ast.Attribute)}
    if any(name.startswith("__") and not name.endswith("__") for name in names):
        return None  # private names are other ones outside of their class
    defaults, keywords = function.__defaults__, function.__kwdefaults__
    tree.name = _COPY  # its own name may be that of a module that it uses
    tree.decorator_list, tree.returns = [], None
    for argument in ast.walk(tree.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    tree.body = [_Marking().visit(statement) for statement in tree.body]
    helpers = ast.parse(f"def copied({_MARKED}, {_INT}, {_PERCENT}): pass").body[0]
    assert isinstance(helpers, ast.FunctionDef)
    helpers.body = [tree, ast.Return(ast.Name(tree.name, ast.Load()))]
    module = ast.fix_missing_locations(ast.Module([helpers], []))
    space: dict[str, Callable[..., FunctionType]] = {}
    exec(compile(module, code.co_filename, "exec"), function.__globals__, space)  # noqa: S102 - Faker's own code
    copy = space["copied"](marked, number, lambda form, operands: marked(percent(form, operands)))
    copy.__defaults__, copy.__kwdefaults__ = defaults, keywords
    return copy


def percent(form: str, operands: object) -> str:
    """``form % operands``, where these may be drawn."""
    values = operands if isinstance(operands, tuple) else (operands,)
    if not any(isinstance(value, (MarkedInt, Opaque)) for value in values):
        return form % operands
    parts = re.split(r"(%0?\d*[sd])", form)
    if len(values) != len(parts) // 2 or "%" in "".join(parts[::2]):
        raise ValueError(f"{form} of a drawn value")
    for number, value in enumerate(values):
        directive = parts[2 * number + 1][1:]
        parts[2 * number + 1] = str(value) if directive == "s" else format(value, directive)
    return "".join(parts)
