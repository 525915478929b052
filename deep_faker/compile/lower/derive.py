"""``Field(derive=lambda e: …)``: the function's source as an expression over the event's other fields."""

from __future__ import annotations

import ast
import inspect
import random
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any
from weakref import WeakKeyDictionary

from deep_faker.compile.graph.inference import value_type
from deep_faker.compile.read.library import clock_of, draw_of
from deep_faker.compile.read.registry import Registry
from deep_faker.compile.read.scopes import MISSING, Scope
from deep_faker.compile.read.source import Source, read_source
from deep_faker.compile.read.types_named import Survey
from deep_faker.compile.read.values import constant, local, names_in, text_of
from deep_faker.compile.read.whole_expressions import bound_inside
from deep_faker.declare.foreign import foreign_name, is_unseeded, refusal
from deep_faker.declare.schema import EventSpec, FieldSpec
from deep_faker.errors import CompileError, Diagnostic, near
from deep_faker.expressions import Texts, infer
from deep_faker.plan import Expr, Type
from deep_faker.spans import Span

_PREFIX = "v_"


@dataclass(frozen=True, eq=False)
class Derived:
    """A derived field: the fields that it ``reads``, and its function as ``expr`` over locals ``v_<field>``.

    ``code`` is the expression's tree. Both are None where the function must be called with the event,
    ``by_row`` says why. ``types`` are those of the locals, ``texts`` those of the expression.
    """

    event: str
    field: FieldSpec
    function: Callable[[Any], object]
    reads: tuple[str, ...]
    types: dict[str, Type]
    texts: tuple[str, ...]
    expr: Expr | None = None
    code: ast.expr | None = None
    by_row: str | None = None

    def renamed(self, locals_: dict[str, str]) -> dict[str, str]:
        """The locals of the expression → other locals, given those by field."""
        return {local_of(name): locals_[name] for name in self.reads}


def local_of(field: str) -> str:
    """The local of the expression that holds a field."""
    return _PREFIX + field


def needs(event: EventSpec, field: FieldSpec) -> tuple[str, ...]:
    """The fields that a field hangs on, directly."""
    generator = field.generator
    if generator is None or not generator.is_dependent:
        return ()
    return derived(event, field).reads if generator.source == "derive" else generator.of


def all_needs(event: EventSpec, field: FieldSpec) -> frozenset[str]:
    """The fields that a field hangs on, also through others."""
    reached: set[str] = set()
    for name in needs(event, field):
        reached |= {name, *all_needs(event, event.by_name[name])}
    return frozenset(reached)


_KNOWN: WeakKeyDictionary[type, dict[str, Derived]] = WeakKeyDictionary()


def derived(event: EventSpec, field: FieldSpec) -> Derived:
    """How a field with ``derive=`` is made, read once.

    Raises `CompileError` for a function that cannot be called with the event alone, for a field that
    does not exist or is declared later, and for draws and clocks: they are not the event's.
    """
    known = _KNOWN.setdefault(event.cls, {})
    if field.name not in known:
        known[field.name] = _read(event, field)
    return known[field.name]


def _read(event: EventSpec, field: FieldSpec) -> Derived:
    assert field.generator is not None, "a derived field"
    function: Callable[[Any], object] = field.generator.arguments["derive"]
    earlier = tuple(spec.name for spec in event.fields[: event.fields.index(field)])
    where = field.span or Span("", 0, 0, 0, "")
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        raise _refused(
            where, "derive takes the event", f"got {function!r}", "write derive=lambda e: …"
        ) from None
    except ValueError:  # built-in functions without a signature
        pass

    def by_row(reason: str, reads: tuple[str, ...] = earlier) -> Derived:
        return Derived(event.name, field, function, reads, {}, (), by_row=reason)

    source = read_source(function) if isinstance(function, FunctionType) else None
    if source is None:
        _check_names(function, where)
        return by_row("its source cannot be had")
    body = [
        s for s in source.node.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
    ]
    parameters = source.node.args
    names = [*parameters.posonlyargs, *parameters.args]
    reader = _Reader(event, field, earlier, source, names[0].arg if names else "")
    reader.check()
    Survey(Registry()).look(function)
    only = body[0] if len(body) == 1 else None
    if not isinstance(only, ast.Return) or only.value is None or len(names) != 1:
        return by_row("it has statements")
    code = reader.visit(ast.parse(ast.unparse(only.value), mode="eval").body)
    if reader.whole:
        return by_row(reader.whole)
    text, consts = text_of(code)
    locals_ = names_in(code)
    reads = tuple(name.removeprefix(_PREFIX) for name in locals_)
    texts = Texts()
    types = {
        local_of(name): Type("object")
        if event.by_name[name].enum
        else value_type(event.by_name[name].kind, optional=event.by_name[name].nullable)
        for name in reads
    }
    type_, reason = infer(text, types, consts, texts)
    expr = Expr(text, locals_, consts, type_, source.span(only.value), reason)
    return Derived(event.name, field, function, reads, types, texts.frozen(), expr, code, reason)


def _check_names(function: Any, where: Span) -> None:
    """What can be said without source: no name of the function is a source of random numbers."""
    for name in getattr(getattr(function, "__code__", None), "co_names", ()):
        value = function.__globals__.get(name)
        if value is not None and (value is random or draw_of(value) or foreign_name(value)):
            label = f"{name} is no value of the event"
            raise _refused(where, "derive is of the event alone", label, "give it a field of its own")


class _Reader(ast.NodeTransformer):
    """Fields of the event as locals, all other names as what they mean."""

    def __init__(
        self, event: EventSpec, field: FieldSpec, earlier: tuple[str, ...], source: Source, parameter: str
    ) -> None:
        self.event, self.field, self.earlier, self.parameter = event, field, earlier, parameter
        self.source, self.scope = source, Scope(source, 0, ())
        self.whole = ""  # why the function needs the event itself
        self.inner: frozenset[str] = frozenset()

    def check(self) -> None:
        """Refuse what a derived value cannot be made of, at the user's own line."""
        for node in ast.walk(self.source.node):
            if not isinstance(node, (ast.Name, ast.Attribute)):
                continue
            if isinstance(node, ast.Attribute) and self._is_event(node.value):
                self._check_field(node)
                continue
            value = self.scope.constant(node)
            if value is not MISSING and callable(value):
                foreign = foreign_name(value)
                if foreign and not is_unseeded(foreign):
                    raise _refused(self.source.span(node), *refusal(foreign))
                drawn = draw_of(value) or foreign
                if drawn or clock_of(value):
                    label = f"{ast.unparse(node)} is no value of the event"
                    mend = (
                        'give it a field of its own, such as Field(dist=Uniform(0, 1)) or Field(faker="now")'
                    )
                    raise _refused(self.source.span(node), "derive is of the event alone", label, mend)

    def _is_event(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id == self.parameter

    def _check_field(self, node: ast.Attribute) -> None:
        if node.attr in self.earlier:
            return
        span = self.source.span(node)
        if node.attr in self.event.by_name:
            label = (
                f"{node.attr!r} is declared after {self.field.name!r}"
                if node.attr != self.field.name
                else (f"{node.attr!r} is the field itself")
            )
            raise _refused(span, "derive sees earlier fields", label, "declare it before")
        label = f"{self.event.name} has no field {node.attr!r}"
        raise _refused(span, "unknown field", label, near(node.attr, self.earlier, self.event.name))

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if self._is_event(node.value):
            return local(local_of(node.attr))
        value = self.scope.constant(node)
        return self.generic_visit(node) if value is MISSING else constant(value)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id == self.parameter:
            self.whole = self.whole or f"it hands {node.id} on as a whole"
            return node
        if node.id in self.inner:
            return node
        value = self.scope.outside(node.id)
        return node if value is MISSING else constant(value)

    def visit(self, node: ast.AST) -> Any:
        if not self.inner and isinstance(node, ast.expr):
            self.inner = bound_inside(node)
        return super().visit(node)


def _refused(span: Span, title: str, label: str, mend: str) -> CompileError:
    return CompileError(Diagnostic(title, span, label, mend))
