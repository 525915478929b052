"""A first look at a flow and all it calls: which classes it names, what no flow may use or do."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FunctionType, MappingProxyType

from deep_faker.compile.read import outside
from deep_faker.compile.read import set_order as setorder
from deep_faker.compile.read.registry import Registry
from deep_faker.compile.read.scopes import MISSING, Scope
from deep_faker.compile.read.source import Source, assigned_names, is_user_file, read_source
from deep_faker.compile.read.sourceless import check_code
from deep_faker.compile.read.things import OWN, Names, Thing, Walk
from deep_faker.declare.foreign import foreign_name, refusal
from deep_faker.declare.schema import is_entity, is_event
from deep_faker.spans import Span

_NONE: Mapping[str, Thing] = MappingProxyType({})


@dataclass
class Survey:
    """``keywords``: names of all keyword arguments, for what a live flow may give."""

    registry: Registry
    keywords: set[str] = field(default_factory=set)
    _seen: dict[tuple[object, ...], Thing] = field(default_factory=dict)

    def look(
        self, function: object, args: Sequence[Thing] = (), keywords: Mapping[str, Thing] = _NONE
    ) -> Thing:
        """What a call of a function gives. Raises `CompileError` for what no flow may do (F3, R1).

        That is: numbers from outside the seed, changes of what is not its own, the order of a set.
        """
        plain = getattr(function, "__func__", function)
        if not isinstance(plain, FunctionType) or not is_user_file(plain.__code__.co_filename):
            return OWN
        parameters = _parameters(plain, args, keywords)
        owner = getattr(function, "__self__", None)
        if owner is not None:
            parameters = {**_parameters(plain, (Thing(outside="self", objects=(owner,)), *args), keywords)}
        key = (
            id(plain),
            *((name, thing.is_set, thing.outside) for name, thing in sorted(parameters.items())),
        )
        if key in self._seen:
            return self._seen[key]
        self._seen[key] = OWN  # of a function that calls itself
        source = read_source(plain)
        if source is None:
            check_code(plain)
            for name in plain.__code__.co_names:
                self._named(plain.__globals__.get(name, MISSING), None)
            return OWN
        scope = Scope(source, 0, ())
        allowed = _nonlocals_of_its_own(source.node)
        for node in _inside(source.node):
            if isinstance(node, ast.keyword) and node.arg is not None:
                self.keywords.add(node.arg)
            elif isinstance(node, (ast.FunctionDef, ast.Lambda)):
                _check_writes(node, source, allowed)
            elif isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
                self._check(scope.constant(node), node, source)
        _check_writes(source.node, source, allowed)
        walk = Walk(scope, _check_expression, _check_statement, self._called)
        walk.function(source.node, parameters)
        self._seen[key] = walk.returned
        return walk.returned

    def _called(
        self, function: object, node: ast.Call, args: list[Thing], keywords: dict[str, Thing]
    ) -> Thing:
        if any(isinstance(arg, ast.Starred) for arg in node.args):
            return OWN
        return self.look(function, args, keywords)

    def given(self, value: object, span: Span) -> None:
        """What is bound to a flow beside its context: `Product` of ``partial(buy, Product)``."""
        self._named(value, span)

    def _check(self, value: object, node: ast.expr, source: Source) -> None:
        if value is MISSING:
            return
        name = foreign_name(value)
        if name is not None:
            source.refuse(node, *refusal(name))
        self._named(value, source.span(node))

    def _named(self, value: object, span: Span | None) -> None:
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


def _check_writes(function: ast.FunctionDef | ast.Lambda, source: Source, allowed: set[int]) -> None:
    """Refuse ``global x`` and ``nonlocal x`` of a function, where it sets the name."""
    if isinstance(function, ast.Lambda):
        return
    for node in _body(function):
        if not isinstance(node, (ast.Global, ast.Nonlocal)) or id(node) in allowed:
            continue
        for name in node.names:
            if assigned_names(function)[name]:
                word = "global" if isinstance(node, ast.Global) else "nonlocal"
                label = f"{name!r} would depend on the order in which flows run"
                mend = "keep it in the state of an entity: SetState(…)"
                source.refuse(node, f"a flow cannot write a {word} name", label, mend)


def _nonlocals_of_its_own(function: ast.FunctionDef, around: frozenset[str] = frozenset()) -> set[int]:
    """The ``nonlocal`` statements inside whose names are all of functions inside this one, or its own."""
    nodes: set[int] = set()
    names = around | assigned_names(function).keys()
    names |= {part.arg for part in ast.walk(function.args) if isinstance(part, ast.arg)}
    for node in _body(function):
        if isinstance(node, ast.Nonlocal) and around.issuperset(node.names):
            nodes.add(id(node))
        elif isinstance(node, ast.FunctionDef):
            nodes |= _nonlocals_of_its_own(node, names)
    return nodes


def _body(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """The nodes of a function, without those of functions inside it."""
    todo: list[ast.AST] = list(function.body)
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            todo += ast.iter_child_nodes(node)


def _parameters(
    function: FunctionType, args: Sequence[Thing], keywords: Mapping[str, Thing]
) -> dict[str, Thing]:
    """What parameters stand for: what is given, else a default, which is the same object in every call."""
    code = function.__code__
    names = code.co_varnames[: code.co_argcount]
    kept = function.__defaults__ or ()
    defaults = dict(zip(names[len(names) - len(kept) :], kept, strict=True)) | (function.__kwdefaults__ or {})
    things = {name: Thing(isinstance(v, (set, frozenset)), name, (v,)) for name, v in defaults.items()}
    return {**things, **dict(zip(names, args, strict=False)), **keywords}


def _check_expression(walk: Walk, node: ast.expr, names: Names) -> None:
    setorder.check_expression(walk, node, names)
    outside.check_expression(walk, node, names)


def _check_statement(walk: Walk, node: ast.stmt, names: Names) -> None:
    setorder.check_statement(walk, node, names)
    outside.check_statement(walk, node, names)
