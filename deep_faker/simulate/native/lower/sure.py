"""Which expressions give a value whatever their locals are: only those can wait for who reads the event.

An error has to come up where the flow stands, before what other flows do later.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime

from deep_faker.expressions.rows import parsed
from deep_faker.plan import Expr, Type
from deep_faker.plan.storage import kind_of

_NUMBERS, _TEXTS, _TIMES = {"bool", "int", "float"}, {"str", "code"}, {"datetime", "date", "timedelta"}
_SHOWN = _NUMBERS | _TEXTS | _TIMES | {"none", "maybe"}  # "maybe": what may be None
_SAMPLES: dict[str, object] = {
    "bool": True,
    "int": 7,
    "float": 7.5,
    "str": "x",
    "code": "x",
    "datetime": datetime(2024, 5, 6, tzinfo=UTC),
    "date": date(2024, 5, 6),
}
_METHODS = {"upper", "lower", "title", "strip", "lstrip", "rstrip", "capitalize", "swapcase", "casefold"}


def is_sure(expr: Expr, types: Mapping[str, Type]) -> bool:
    """Whether evaluating an expression cannot raise.

    >>> from deep_faker.spans import Span
    >>> made = Expr("f'{n:03d}'", ("n",), {}, Type("str"), Span("shop.py", 1, 0, 9, ""))
    >>> is_sure(made, {"n": Type("int")}), is_sure(made, {"n": Type("float")})
    (True, False)
    """
    return _Reader(expr, types).kind(parsed(expr.text)) is not None


class _Reader:
    """Finds the kind of a value that is made without fail, None where making it may raise."""

    def __init__(self, expr: Expr, types: Mapping[str, Type]) -> None:
        self.expr, self.types = expr, types

    def kind(self, node: ast.expr) -> str | None:
        rule = _RULES.get(type(node))
        return None if rule is None else rule(self, node)

    def constant(self, node: ast.Constant) -> str | None:
        return kind_of(node.value)

    def name(self, node: ast.Name) -> str | None:
        if node.id in self.expr.names:
            type_ = self.types[node.id]
            return "maybe" if type_.optional and type_.kind in _SHOWN else type_.kind
        return kind_of(self.expr.consts[node.id]) if node.id in self.expr.consts else None

    def text(self, node: ast.JoinedStr) -> str | None:
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                kind = self.kind(part.value)
                if kind not in _SHOWN or not self._can_format(part, str(kind)):
                    return None
        return "str"

    def _can_format(self, part: ast.FormattedValue, kind: str) -> bool:
        if part.format_spec is None:
            return True
        assert isinstance(part.format_spec, ast.JoinedStr)
        values = [v.value for v in part.format_spec.values if isinstance(v, ast.Constant)]
        sample = _SAMPLES.get("str" if part.conversion >= 0 else kind)
        spec = "".join(map(str, values))
        if sample is None or len(values) < len(part.format_spec.values) or spec.endswith("c"):
            return False
        try:
            format(sample, spec)
        except (ValueError, TypeError):
            return False
        return True

    def call(self, node: ast.Call) -> str | None:
        kinds = [self.kind(argument) for argument in node.args]
        if node.keywords or None in kinds:
            return None
        function = node.func
        if isinstance(function, ast.Attribute):
            if self.kind(function.value) not in _TEXTS:
                return None
            plain = function.attr in _METHODS and not kinds
            replaced = function.attr == "replace" and len(kinds) == 2 and set(kinds) <= _TEXTS
            return "str" if plain or replaced else None
        known = self._global(function)
        if known is str and len(kinds) == 1 and kinds[0] in _SHOWN:
            return "str"
        if known is len and len(kinds) == 1 and kinds[0] in _TEXTS:
            return "int"
        if known is round and len(kinds) == 2 and kinds[0] == "float":
            digits = node.args[1]
            return "float" if isinstance(digits, ast.Constant) and digits.value in range(16) else None
        return kinds[0] if known is abs and len(kinds) == 1 and kinds[0] in ("int", "float") else None

    def _global(self, node: ast.expr) -> object:
        if not isinstance(node, ast.Name) or node.id in self.expr.names:
            return None
        return self.expr.consts.get(node.id, getattr(builtins, node.id, None))

    def part(self, node: ast.Subscript) -> str | None:
        """Slices of text by constants; an index may be outside."""
        if self.kind(node.value) not in _TEXTS or not isinstance(node.slice, ast.Slice):
            return None
        bounds = (node.slice.lower, node.slice.upper, node.slice.step)
        try:
            values = [None if bound is None else ast.literal_eval(bound) for bound in bounds]
        except ValueError:
            return None
        whole = all(value is None or type(value) is int for value in values)
        return "str" if whole and values[2] != 0 else None

    def binary(self, node: ast.BinOp) -> str | None:
        left, right = self.kind(node.left), self.kind(node.right)
        if left in _TEXTS and right in _TEXTS:
            return "str" if isinstance(node.op, ast.Add) else None
        if left not in _NUMBERS or right not in _NUMBERS:
            return None
        if isinstance(node.op, (ast.Div, ast.FloorDiv, ast.Mod)):
            if not (isinstance(node.right, ast.Constant) and node.right.value):
                return None
        elif not isinstance(node.op, (ast.Add, ast.Sub, ast.Mult)):
            return None
        floats = "float" in (left, right) or isinstance(node.op, ast.Div)
        for kind, part in ((left, node.left), (right, node.right)):
            if floats and kind != "float" and not isinstance(part, (ast.Name, ast.Constant)):
                return None  # a long int may be no float
        return "float" if floats else "int"

    def choice(self, node: ast.IfExp) -> str | None:
        test, body, other = self.kind(node.test), self.kind(node.body), self.kind(node.orelse)
        if test not in _SHOWN or body is None or other is None:
            return None
        if body == other or {body, other} <= _TEXTS:
            return "str" if body in _TEXTS else body
        return "maybe" if {body, other} <= _SHOWN else None

    def comparison(self, node: ast.Compare) -> str | None:
        kinds = [self.kind(part) for part in (node.left, *node.comparators)]
        alike = any(set(kinds) <= group for group in (_NUMBERS, _TEXTS, *({kind} for kind in _TIMES)))
        orders = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
        return "bool" if alike and all(isinstance(op, orders) for op in node.ops) else None


_RULES: dict[type[ast.expr], Callable[..., str | None]] = {
    ast.Constant: _Reader.constant,
    ast.Name: _Reader.name,
    ast.JoinedStr: _Reader.text,
    ast.Call: _Reader.call,
    ast.Subscript: _Reader.part,
    ast.BinOp: _Reader.binary,
    ast.IfExp: _Reader.choice,
    ast.Compare: _Reader.comparison,
}
