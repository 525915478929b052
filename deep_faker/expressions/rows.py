"""Expressions as Python functions of one row, and the ``hash`` that they see."""

from __future__ import annotations

import ast
import builtins
import enum
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from hashlib import blake2b
from types import BuiltinFunctionType, FunctionType
from typing import Any

from deep_faker.plan import Array, Expr, Kind, Type
from deep_faker.plan.storage import Handle, from_python, to_python
from deep_faker.spans import Place

_BY_ADDRESS = (type, FunctionType, BuiltinFunctionType)
_HASH_MODULUS = 2**61 - 1  # Python's own, sys.hash_info.modulus on 64 bits


@lru_cache(maxsize=4096)
def parsed(text: str) -> ast.expr:
    """The tree of an expression."""
    return ast.parse(text.strip(), mode="eval").body


def row_function(expr: Expr) -> Callable[..., object]:
    """The expression as a plain Python function of its names, in their order.

    Its traceback shows the user's line, and ``hash`` in it is `stable_hash`.

    >>> from deep_faker.plan import Expr, Type
    >>> from deep_faker.spans import Span
    >>> twice = Expr("price * 2", ("price",), {}, Type("int"), Span("shop.py", 1, 0, 9, "price * 2"))
    >>> row_function(twice)(21)
    42
    """
    arguments = ast.arguments(
        posonlyargs=[],
        args=[ast.arg(name) for name in expr.names],
        kwonlyargs=[],
        kw_defaults=[],
        defaults=[],
    )
    read = ast.parse(expr.text.strip(), mode="eval").body
    nodes = list(ast.walk(read))
    places = dict(zip(map(id, nodes), expr.places or [None] * len(nodes), strict=True))
    whole = (expr.span.line, expr.span.line, expr.span.col, max(expr.span.end_col, expr.span.col))
    for node in nodes:
        if isinstance(node, ast.expr):
            _put(node, places[id(node)] or whole)
    function = ast.Expression(ast.Lambda(arguments, _Identities().visit(read)))
    _put(function.body, whole)
    for argument in arguments.args:
        _put(argument, whole)
    names = {"hash": stable_hash, **expr.consts, "df__is": _is, "__builtins__": builtins}
    result: Callable[..., object] = eval(  # noqa: S307 - the user's own program
        compile(function, expr.span.file, "eval"), names
    )
    return result


def _put(node: ast.expr | ast.arg, place: Place) -> None:
    node.lineno, node.end_lineno, node.col_offset, node.end_col_offset = place


@dataclass(frozen=True)
class RowCall:
    """A function that only rows can call; ``reason`` says why."""

    function: Callable[..., object]
    reason: str

    def __call__(self, *args: object, **kwargs: object) -> object:
        return self.function(*args, **kwargs)


@dataclass(frozen=True)
class Conversion:
    """Makes values of ``type`` of whatever comes; what is of that type already stays, and None stays None."""

    function: Callable[..., object]
    type: Type
    reason: str

    def __call__(self, value: object) -> object:
        return None if value is None else self.function(value)


@dataclass(frozen=True)
class LogCall(RowCall):
    """A call of a logger, ``owner``, at a ``level`` (None: at one that each row tells)."""

    owner: logging.Logger | logging.LoggerAdapter[Any]
    level: int | None

    def __call__(self, *args: object, **kwargs: Any) -> object:
        kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1  # the line that a record names is the user's
        return self.function(*args, **kwargs)

    def is_heard(self) -> bool:
        """Whether such calls do anything now."""
        return self.level is None or self.owner.isEnabledFor(self.level)


def unheard(expr: Expr) -> bool:
    """Whether an expression is nothing but a call of a logger to which nobody listens."""
    calls = [value for value in expr.consts.values() if isinstance(value, LogCall)]
    return bool(calls) and not any(call.is_heard() for call in calls)


@dataclass(frozen=True)
class ValueCall:
    """A pure function of plain values, whose results are of one kind (``object``: of any)."""

    function: Callable[..., object]
    kind: Kind

    def __call__(self, *args: object) -> object:
        return self.function(*args)


class _Identities(ast.NodeTransformer):
    """``a is b`` between locals: two handles of one entity are the same entity."""

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        sides = (node.left, node.comparators[0])
        if len(node.ops) > 1 or not isinstance(node.ops[0], (ast.Is, ast.IsNot)):
            return node
        if any(isinstance(side, ast.Constant) for side in sides):
            return node
        call = ast.Call(ast.Name("df__is", ast.Load()), list(sides), [])
        out = call if isinstance(node.ops[0], ast.Is) else ast.UnaryOp(ast.Not(), call)
        return ast.copy_location(ast.fix_missing_locations(ast.copy_location(out, node)), node)


def _is(a: object, b: object) -> bool:
    return a is b or (isinstance(a, Handle) and isinstance(b, Handle) and a == b)


class ByRow:
    """An expression over columns, done row by row with Python's own evaluation."""

    def __init__(self, expr: Expr, types: Sequence[Type], texts: Sequence[str]) -> None:
        self.function = row_function(expr)
        self.expr, self.type, self.types, self.texts = expr, expr.type, types, texts

    def __call__(self, n: int, *columns: tuple[Array, Array | None]) -> tuple[Array, Array | None]:
        """``n`` rows of (values, nulls) columns, in the order of the expression's names."""
        if unheard(self.expr):
            return from_python([None] * n, self.type, self.texts)
        lists = [
            to_python(values, nulls, type_, self.texts)
            for type_, (values, nulls) in zip(self.types, columns, strict=True)
        ]
        # About 100 ns a row on top of the expression itself.
        rows = list(map(self.function, *lists)) if lists else [self.function() for _ in range(n)]
        return from_python(rows, self.type, self.texts)


def stable_hash(value: Any) -> int:
    """``hash(value)``, but the same in every process for text, bytes, instants and None too.

    >>> stable_hash(7) == hash(7), stable_hash("user")
    (True, 1175981565460950274)
    """
    kind = type(value)
    if kind in (int, bool, float):
        return 0 if math.isnan(value) else hash(value)  # of a NaN Python takes the address
    if kind is str:
        return _digest(b"s" + value.encode("utf-8", "surrogatepass"))
    if value is None:
        return _digest(b"n")
    if kind is bytes:
        return _digest(b"b" + value)
    if kind in (datetime, date, time):
        hash(value)
        return _digest(b"d" + repr(value).encode())
    if isinstance(value, enum.Enum):
        return _digest(b"e" + f"{kind.__qualname__}.{value.name}".encode())
    if _hash_of(kind) is object.__hash__ or isinstance(value, _BY_ADDRESS):
        raise TypeError(f"hash() of a {kind.__name__} is its address in memory, another one in each run")
    if kind is timedelta:
        return _digest(b"t" + repr(value).encode())
    if kind is tuple or kind is frozenset:
        parts = [b"%d" % stable_hash(item) for item in value]
        return _digest(
            (b"p" if kind is tuple else b"f") + b",".join(parts if kind is tuple else sorted(parts))
        )
    return hash(value)


def _hash_of(kind: type) -> object:
    return kind.__hash__


def _digest(data: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little") % _HASH_MODULUS
