"""What an expression can be while a flow is compiled: a constant, code, or something known only by name.

Code is a tree over IR locals; a constant in it is an `ast.Constant` that may hold any Python object.
`text_of` turns it into the text, names and constants of a `deep_faker.plan.Expr`.
"""

from __future__ import annotations

import ast
import builtins
import datetime as dt
import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from deep_faker.declare.schema import EntitySpec
    from deep_faker.plan import Condition
    from deep_faker.spans import Place

_LOCAL = re.compile(r"^[vte]\d*_")
SCALARS = (bool, int, float, str, type(None), dt.datetime, dt.date, dt.timedelta)


@dataclass(frozen=True)
class Raise:
    """Raises an exception of the flow."""

    def __call__(self, error: BaseException | type[BaseException]) -> NoReturn:
        raise error


class Value:
    """Base of what an expression can be."""


@dataclass(frozen=True, eq=False)
class Const(Value):
    """A Python object that is known when compiling."""

    value: Any


@dataclass(frozen=True, eq=False)
class Code(Value):
    """Something to be computed by the run."""

    node: ast.expr


@dataclass(frozen=True, eq=False)
class Items(Value):
    """A list or tuple display whose parts are known one by one."""

    items: tuple[Value, ...]
    make: type[list[Any] | tuple[Any, ...]]


class Context(Value):
    """``ctx``."""


class World(Value):
    """``ctx.global_context``."""


@dataclass(frozen=True, eq=False)
class EventData(Value):
    """``ctx.current_event_data``; ``emitted``: of the event being emitted."""

    emitted: bool


@dataclass(frozen=True, eq=False)
class Selected(Value):
    """``ctx.selected_entities``: a handle for each type that may be held; ``certain``: those that are."""

    handles: Mapping[str, Code]
    certain: frozenset[str]


@dataclass(frozen=True, eq=False)
class Method(Value):
    """A method of the context or of event data, not yet called."""

    owner: Value
    name: str


@dataclass(frozen=True, eq=False)
class Selecting(Value):
    """A `Select`: what the plan's filter says, and the conditions that depend on the flow."""

    entity: EntitySpec
    static: tuple[Condition, ...]
    dynamic: tuple[tuple[str, str, str], ...]
    shared: bool
    weight: str | None
    node: ast.expr
    wait: int | None = None
    n: int | None = None


@dataclass(frozen=True, eq=False)
class Selection(Value):
    """``select_entities(…)``, before its ``[0]``."""

    select: Selecting


@dataclass(frozen=True, eq=False)
class Picked(Value):
    """What ``yield Select(…, n=3)`` gives: the locals of its entities, of which the last ones may be none."""

    entity: EntitySpec
    handles: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Releasing(Value):
    """A `Release`."""

    entity: EntitySpec
    node: ast.expr


@dataclass(frozen=True, eq=False)
class Setting(Value):
    """A `SetState`: entity, and (field, operator, value, node) of its changes."""

    entity: EntitySpec
    changes: tuple[tuple[str, str, Value, ast.expr], ...]
    node: ast.expr


@dataclass(frozen=True, eq=False)
class Retiring(Value):
    """A `Retire`."""

    entity: EntitySpec
    node: ast.expr


@dataclass(frozen=True, eq=False)
class Spread(Value):
    """A distribution of waiting times with parameters that the flow computes, by name."""

    make: type
    parts: Mapping[str, Value]


@dataclass(frozen=True, eq=False)
class Waiting(Value):
    """An `AddDecay`: ``delays`` are (unit, number or distribution or code)."""

    rate: Value
    delays: tuple[tuple[str, Value], ...]
    node: ast.expr


def constant(value: Any) -> ast.Constant:
    """A node for any Python object (typeshed allows literals only)."""
    return ast.Constant(value)


def object_in(node: ast.Constant) -> Any:
    """The object of a node made by `constant`."""
    return node.value


def holds(node: ast.AST, *objects: object) -> bool:
    """Whether a node is one of these very objects.

    >>> holds(constant(len), len, bool), holds(constant(1), True)
    (True, False)
    """
    return isinstance(node, ast.Constant) and any(object_in(node) is one for one in objects)


def local(name: str) -> ast.Name:
    """A node that reads an IR local."""
    return ast.Name(name, ast.Load())


def is_local(name: str) -> bool:
    """Whether a name in code is an IR local."""
    return bool(_LOCAL.match(name))


def shown_name(name: str) -> str:
    """An IR local as its user wrote it."""
    return re.sub(r"^v\d*_", "", name)


def names_in(node: ast.AST) -> tuple[str, ...]:
    """The IR locals that code reads, in order of appearance.

    >>> names_in(ast.parse("v_age + len(v_name) + other"))
    ('v_age', 'v_name')
    """
    names = (n.id for n in ast.walk(node) if isinstance(n, ast.Name) and is_local(n.id))
    return tuple(dict.fromkeys(names))


def is_scalar(value: object) -> bool:
    """Whether a constant is a plain value that a local can hold.

    >>> is_scalar(2.5), is_scalar([2.5]), is_scalar(int)
    (True, False, False)
    """
    return isinstance(value, SCALARS) and not isinstance(value, type)


def text_of(node: ast.expr) -> tuple[str, dict[str, object]]:
    """The text of code, and the constants that it names."""
    consts: dict[str, object] = {}
    written = ast.fix_missing_locations(_Writer(consts).visit(_copied(node)))
    return ast.unparse(written), consts


def places_of(node: ast.expr, text: str) -> tuple[Place | None, ...]:
    """Where code was written, for each node of its parsed text."""
    written = list(ast.walk(_Writer({}).visit(_copied(node))))
    read = list(ast.walk(ast.parse(text, mode="eval").body))
    if [type(one) for one in written] != [type(one) for one in read]:
        return ()
    places = tuple(map(_place, written))
    return places if any(places) else ()


def _place(node: ast.AST) -> Place | None:
    if not isinstance(node, ast.expr) or not hasattr(node, "lineno"):
        return None
    last, end = node.end_lineno or node.lineno, node.end_col_offset
    return node.lineno, last, node.col_offset, node.col_offset if end is None else end


def evaluate(node: ast.expr) -> Any:
    """The value of code without locals. Raises what Python raises.

    >>> evaluate(ast.parse("1 + 2", mode="eval").body)
    3
    """
    text, consts = text_of(node)
    return eval(text, {**consts, "__builtins__": builtins})  # noqa: S307 - the user's own program


def _copied(node: Any) -> Any:
    """A copy of the tree, but not of the objects in its constants."""
    if isinstance(node, ast.AST):
        copy = type(node)(**{name: _copied(value) for name, value in ast.iter_fields(node)})
        return ast.copy_location(copy, node) if hasattr(node, "lineno") else copy
    return [_copied(item) for item in node] if isinstance(node, list) else node


def same_code(node: ast.expr, names: Mapping[str, str]) -> ast.expr:
    """The code with its locals renamed."""
    copied: ast.expr = _copied(node)
    for part in ast.walk(copied):
        if isinstance(part, ast.Name):
            part.id = names.get(part.id, part.id)
    return copied


class _Writer(ast.NodeTransformer):
    """Puts names where a constant cannot be written as a literal."""

    def __init__(self, consts: dict[str, object]) -> None:
        self.consts = consts
        self.in_text = False

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        # Text inside {…} of an f-string gets a name: before Python 3.12 quotes cannot be nested freely.
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                before, self.in_text = self.in_text, True
                part.value = self.visit(part.value)
                self.in_text = before
                if isinstance(part.format_spec, ast.JoinedStr):
                    self.visit_JoinedStr(part.format_spec)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        value: object = node.value
        if value is None or value is Ellipsis or type(value) is bool:
            return node
        if type(value) is str and not self.in_text:
            return node
        if type(value) is int or (type(value) is float and math.isfinite(value)):
            if value < 0 or (value == 0 and str(value).startswith("-")):
                return ast.UnaryOp(ast.USub(), constant(-value))
            return node
        return self._named(value)

    def _named(self, value: object) -> ast.expr:
        name = getattr(value, "__name__", "") if callable(value) or isinstance(value, ModuleType) else ""
        if name and getattr(builtins, name, None) is value:
            return ast.Name(name, ast.Load())
        module = sys.modules.get(getattr(value, "__module__", None) or "")
        if isinstance(value, BuiltinFunctionType) and module is math:
            return ast.Attribute(self._named(module), name, ast.Load())
        if not (name.isidentifier() and self._free(name, value)) or isinstance(value, FunctionType):
            name = next(n for i in range(len(self.consts) + 1) if self._free(n := f"c{i}", value))
        self.consts[name] = value
        return ast.Name(name, ast.Load())

    def _free(self, name: str, value: object) -> bool:
        if hasattr(builtins, name) or is_local(name):
            return False
        return name not in self.consts or self.consts[name] is value
