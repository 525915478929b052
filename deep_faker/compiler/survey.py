"""A first look at a flow and all it calls: which classes it names, and what no flow may use."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

from deep_faker.compiler.builder import Registry
from deep_faker.compiler.library import foreign_name
from deep_faker.compiler.scopes import MISSING, Scope
from deep_faker.compiler.source import Source, assigned_names, is_user_file, read_source
from deep_faker.errors import Span
from deep_faker.schema import is_entity, is_event


@dataclass
class Survey:
    """``keywords``: names of all keyword arguments, for what a live flow may give."""

    registry: Registry
    keywords: set[str] = field(default_factory=set)
    _seen: set[int] = field(default_factory=set)

    def look(self, function: Any) -> None:
        """Raises `CompileError` for numbers from outside the seed, and writes of global names (F3)."""
        plain = getattr(function, "__func__", function)
        if not isinstance(plain, FunctionType) or id(plain) in self._seen:
            return
        if not is_user_file(plain.__code__.co_filename):
            return
        self._seen.add(id(plain))
        source = read_source(plain)
        if source is None:
            for name in plain.__code__.co_names:
                self._named(plain.__globals__.get(name, MISSING), None)
            return
        scope = Scope(source, 0, ())
        for node in _inside(source.node):
            if isinstance(node, ast.keyword) and node.arg is not None:
                self.keywords.add(node.arg)
            elif isinstance(node, (ast.Global, ast.Nonlocal)):
                _check_writes(node, source)
            elif isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
                self._check(scope.constant(node), node, source)

    def given(self, value: Any, span: Span) -> None:
        """What is bound to a flow beside its context: `Product` of ``partial(buy, Product)``."""
        self._named(value, span)

    def _check(self, value: Any, node: ast.expr, source: Source) -> None:
        if value is MISSING:
            return
        name = foreign_name(value)
        if name is not None:
            mend = "use random, uuid or shortuuid, which draw from the simulation's seed, or Field(faker=…)"
            source.refuse(
                node, "numbers from outside the simulation", f"{name} is not drawn from the seed", mend
            )
        self._named(value, source.span(node))

    def _named(self, value: Any, span: Span | None) -> None:
        if is_entity(value):
            self.registry.entity(value, span)
        elif is_event(value):
            self.registry.event(value, span)
        elif isinstance(value, (list, tuple)) and len(value) < 100:
            for item in value:
                if isinstance(item, type):
                    self._named(item, span)
        else:
            self.look(value)


def _inside(node: ast.FunctionDef) -> Iterator[ast.AST]:
    for statement in node.body:
        yield from ast.walk(statement)


def _check_writes(node: ast.Global | ast.Nonlocal, source: Source) -> None:
    for name in node.names:
        if assigned_names(source.node)[name]:
            word = "global" if isinstance(node, ast.Global) else "nonlocal"
            label = f"{name!r} would depend on the order in which flows run"
            mend = "keep it in the state of an entity: SetState(…)"
            source.refuse(node, f"a flow cannot write a {word} name", label, mend)
