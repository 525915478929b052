"""Whole functions without effects: helpers outside the compiled language that may be called row by row."""

from __future__ import annotations

import ast
import dataclasses
import types

from deep_faker.compile.read.library import METHODS, clock_of, draw_of, in_library, is_mutating, is_pure
from deep_faker.compile.read.own import own_names
from deep_faker.compile.read.scopes import MISSING, Scope
from deep_faker.compile.read.source import is_user_file, read_source, yields
from deep_faker.declare.foreign import foreign_name

_OUTSIDE = (ast.Import, ast.ImportFrom, ast.Global, ast.Await, ast.AsyncFor, ast.AsyncWith, ast.ClassDef)


def unquiet(function: object, seen: frozenset[int] = frozenset()) -> str | None:
    """Why a call of a user's function is more than the value that it gives; None: it is not.

    It draws, reads the clock, changes what is not its own, or does something that cannot be seen through.
    """
    if isinstance(function, types.MethodType):
        function = function.__func__
    if not isinstance(function, types.FunctionType):
        return "is no Python function"
    if id(function) in seen:
        return None
    source = read_source(function)
    if source is None:
        return "has no source"
    if yields(source.node):
        return "is a generator"
    kept = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    if any(map(_is_drawing, kept)):
        return "has a default that draws"
    return _Looked(Scope(source, 0, ()), seen | {id(function)}).reason()


def _is_drawing(value: object) -> bool:
    if value is MISSING or not callable(value):
        return False
    return value is hash or bool(draw_of(value) or clock_of(value) or foreign_name(value))


class _Looked:
    """One function's tree."""

    def __init__(self, scope: Scope, seen: frozenset[int]) -> None:
        self.scope, self.seen, self.own = scope, seen, own_names(scope.node)
        parts = [part for statement in scope.node.body for part in ast.walk(statement)]
        self.parts = parts
        self.inner = {part.name for part in parts if isinstance(part, ast.FunctionDef)}
        self.inner |= {
            target.id
            for part in parts
            if isinstance(part, ast.Assign) and isinstance(part.value, ast.Lambda)
            for target in part.targets
            if isinstance(target, ast.Name)
        }

    def reason(self) -> str | None:
        return next((why for part in self.parts if (why := self._of(part)) is not None), None)

    def _of(self, part: ast.AST) -> str | None:
        if isinstance(part, _OUTSIDE):
            return f"has a {type(part).__name__}"
        if isinstance(part, ast.Call):
            return self._call(part.func)
        if isinstance(part, ast.AugAssign) and isinstance(part.target, ast.Name):
            return None if part.target.id in self.own else f"may change {part.target.id} in place"
        if isinstance(part, (ast.Attribute, ast.Subscript)) and not isinstance(part.ctx, ast.Load):
            return None if self._is_own(part.value) else f"changes {ast.unparse(part.value)}"
        if isinstance(part, (ast.Name, ast.Attribute)) and _is_drawing(self.scope.constant(part)):
            return f"uses {ast.unparse(part)}"
        return None

    def _is_own(self, node: ast.expr) -> bool:
        while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
            node = node.func if isinstance(node, ast.Call) else node.value
        return isinstance(node, ast.Name) and node.id in self.own

    def _call(self, function: ast.expr) -> str | None:
        value = self.scope.constant(function)
        shown = f"calls {ast.unparse(function)}()"
        if value is MISSING:
            if (
                isinstance(function, ast.Attribute)
                and is_mutating(function.attr)
                and not self._is_own(function.value)
            ):
                return f"changes {ast.unparse(function.value)}"
            known = isinstance(function, (ast.Attribute, ast.Lambda)) or (
                isinstance(function, ast.Name) and function.id in self.inner
            )
            return None if known else shown
        if _is_drawing(value):
            return shown
        plain = getattr(value, "__wrapped__", value)
        if isinstance(plain, (types.FunctionType, types.MethodType)):
            inner = plain.__func__ if isinstance(plain, types.MethodType) else plain
            if isinstance(inner, types.FunctionType) and not is_pure(inner):
                users = is_user_file(inner.__code__.co_filename) and not in_library(inner)
                return unquiet(inner, self.seen) if users else shown
        if isinstance(value, type):
            harmless = issubclass(value, (BaseException, tuple)) or dataclasses.is_dataclass(value)
            return None if harmless or is_pure(value) else shown
        owner = getattr(value, "__self__", None)
        if owner is not None and not isinstance(owner, (type, types.ModuleType)):
            return None if getattr(value, "__name__", "") in METHODS else shown
        return None if is_pure(value) else shown
