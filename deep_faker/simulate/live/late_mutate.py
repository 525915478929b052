"""``mutate=`` arguments are evaluated after the event's fields are filled (F7).

Where the source can be had, ``mutate=EXPR`` is compiled as ``mutate=lambda: EXPR``, at its own lines, and
every turn of a loop calls `TURN` first, so that one without end is noticed.
Where it cannot, `Placeholder` stands for a value of the event at hand until that event is there.
"""

from __future__ import annotations

import ast
import builtins
import dis
import linecache
import operator
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn

from deep_faker.declare.actions import NewEvent, SetState
from deep_faker.simulate.failures import beyond_placeholder

TURN = "__turn__"
"""What rewritten functions call at each turn of a loop."""

# ------------------------------------------------------------ with source


@lru_cache(maxsize=64)
def _parsed(file: str, source: str) -> ast.Module | None:
    try:
        return ast.parse(source, file)
    except SyntaxError:  # not the source of what runs: a template, a cell with magics
        return None


def function_node(code: types.CodeType) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The ``def`` that ``code`` was compiled from, if its source can be had."""
    tree = _parsed(code.co_filename, "".join(linecache.getlines(code.co_filename)))
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == code.co_name:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if first == code.co_firstlineno:
                return node
    return None


class _Rewritten(ast.NodeTransformer):
    """``mutate=`` later, and every turn of a loop counted."""

    def __init__(self, is_event: Callable[[ast.expr], bool]) -> None:
        self.is_event, self.changed = is_event, 0

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        for keyword in node.keywords:
            if keyword.arg == "mutate" and self.is_event(node.func) and not _must_stay(keyword.value):
                nothing = ast.arguments([], [], None, [], [], None, [])
                keyword.value = ast.copy_location(ast.Lambda(nothing, keyword.value), keyword.value)
                self.changed += 1
        return node

    def visit_While(self, node: ast.While) -> ast.AST:
        return self._counted(node)

    def visit_For(self, node: ast.For) -> ast.AST:
        return self._counted(node)

    def _counted(self, node: ast.While | ast.For) -> ast.AST:
        self.generic_visit(node)
        turn = ast.Expr(ast.Call(ast.Name(TURN, ast.Load()), [], []))
        # at the line of the loop, which is to blame
        for part in ast.walk(turn):
            if isinstance(part, (ast.expr, ast.stmt)):
                part.lineno = part.end_lineno = node.lineno
                part.col_offset = part.end_col_offset = node.col_offset
        node.body.insert(0, turn)
        self.changed += 1
        return node


def _must_stay(value: ast.expr) -> bool:
    kinds = (ast.Yield, ast.YieldFrom, ast.Await, ast.NamedExpr)
    return isinstance(value, ast.Constant) or any(isinstance(node, kinds) for node in ast.walk(value))


def rewritten(function: types.FunctionType, event: type) -> types.CodeType | None:
    """The code with late ``mutate=`` and counted loops; None where there is a ``mutate=`` and no source."""
    code = function.__code__
    mutates = any("mutate" in names for names in _keyword_names(code))
    loops = any("BACKWARD" in step.opname for part in _codes(code) for step in dis.get_instructions(part))
    if not mutates and not loops:
        return code
    missing = None if mutates else code
    if function_node(code) is None:
        return missing
    # A tree of its own, as it is changed.
    tree = ast.parse("".join(linecache.getlines(code.co_filename)), code.co_filename)
    change = _Rewritten(lambda callee: _resolve(callee, function) in (event, None))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if first == code.co_firstlineno:
                node.body = [change.visit(statement) for statement in node.body]
    if not change.changed:
        return code
    module = compile(ast.fix_missing_locations(tree), code.co_filename, "exec", dont_inherit=True)
    for compiled in _codes(module):
        same = (compiled.co_qualname, compiled.co_firstlineno) == (code.co_qualname, code.co_firstlineno)
        if same and set(compiled.co_freevars) == set(code.co_freevars):
            return compiled
    return missing


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            yield from _codes(const)


def _keyword_names(code: types.CodeType) -> Iterator[tuple[object, ...]]:
    for part in _codes(code):
        yield from (const for const in part.co_consts if isinstance(const, tuple))
        yield part.co_names


def _resolve(callee: ast.expr, function: types.FunctionType) -> object:
    """What the name or dotted name means to ``function``; None if only running it could tell."""
    if isinstance(callee, ast.Attribute):
        return getattr(_resolve(callee.value, function), callee.attr, None)
    if not isinstance(callee, ast.Name):
        return None
    if callee.id in function.__code__.co_varnames or callee.id in function.__code__.co_cellvars:
        return None
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    try:
        return cells[callee.id].cell_contents
    except (KeyError, ValueError):
        return function.__globals__.get(callee.id, getattr(builtins, callee.id, None))


# ------------------------------------------------------------ without source


def sourceless_codes(code: types.CodeType) -> set[types.CodeType]:
    """The codes of a function without source, in which the event at hand is a placeholder."""
    return {part for part in _codes(code) if "current_event_data" in part.co_names}


class Placeholder:
    """A value of the event at hand, before there is one."""

    def __init__(self, value: Callable[[Mapping[str, object]], object]) -> None:
        self.value = value

    def __reduce__(self) -> NoReturn:
        raise beyond_placeholder("copying")


def resolved(value: object, data: Mapping[str, object]) -> object:
    """``value`` with what a placeholder stands for."""
    return value.value(data) if isinstance(value, Placeholder) else value


def _arithmetic(name: str, *, swapped: bool) -> Callable[[Placeholder, object], Placeholder]:
    function = getattr(operator, name)

    def apply(self: Placeholder, other: object) -> Placeholder:
        if swapped:
            return Placeholder(lambda data: function(resolved(other, data), self.value(data)))
        return Placeholder(lambda data: function(self.value(data), resolved(other, data)))

    return apply


def _refusal(name: str) -> Callable[..., NoReturn]:
    def refuse(*_: object) -> NoReturn:
        raise beyond_placeholder(name.strip("_"))

    return refuse


for _name in ("add", "sub", "mul", "truediv"):
    setattr(Placeholder, f"__{_name}__", _arithmetic(_name, swapped=False))
    setattr(Placeholder, f"__r{_name}__", _arithmetic(_name, swapped=True))
for _name in (
    "bool eq ne lt le gt ge hash str repr format int float index len iter getitem contains call round "
    "abs neg floordiv rfloordiv mod rmod pow rpow"
).split():
    setattr(Placeholder, f"__{_name}__", _refusal(_name))
setattr(Placeholder, "__getattr__", lambda _, name: _refusal(name)())  # noqa: B010 - a refusal like the others


class PlaceholderData(Mapping[str, object]):
    """``ctx.current_event_data`` in a function without source."""

    def __getitem__(self, name: str) -> Placeholder:
        return Placeholder(lambda data: data[name])

    def get(self, name: str, default: object = None) -> object:
        """The placeholder of ``name``."""
        return Placeholder(lambda data: data.get(name, default))

    def __iter__(self) -> NoReturn:
        raise beyond_placeholder("iteration")

    def __len__(self) -> NoReturn:
        raise beyond_placeholder("len")


# ------------------------------------------------------------ the actions as flows make them


@dataclass(frozen=True)
class PendingChanges:
    """A `SetState` some of whose values are not there yet."""

    target: tuple[object, ...]
    named: dict[str, object]

    def resolve(self, data: Mapping[str, object]) -> SetState:
        """The `SetState`, checked as any other."""

        def filled(items: Any) -> list[tuple[object, ...]]:
            return [tuple(resolved(part, data) for part in item) for item in items]

        target = tuple(filled(part) if isinstance(part, (list, tuple)) else part for part in self.target)
        return SetState(*target, **{name: filled(items) for name, items in self.named.items()})


@dataclass(frozen=True)
class PendingEvent:
    """A `NewEvent` whose ``mutate=`` waits for the event's fields."""

    event: NewEvent
    mutate: Callable[[], Any] | tuple[Any, ...]


class LaterActions:
    """`NewEvent` and `SetState` as the functions of a run see them."""

    @staticmethod
    def new_event(*args: object, mutate: Any = None, **fields: Any) -> NewEvent | PendingEvent:
        """A `NewEvent`, or one whose changes are made later."""
        if isinstance(mutate, types.FunctionType):
            return PendingEvent(NewEvent(*args, **fields), mutate)
        items = tuple(mutate) if isinstance(mutate, (list, tuple)) else (mutate,)
        if any(isinstance(item, PendingChanges) for item in items):
            return PendingEvent(NewEvent(*args, **fields), items)
        return NewEvent(*args, mutate=mutate, **fields)

    @staticmethod
    def set_state(*target: object, **named: object) -> SetState | PendingChanges:
        """A `SetState`, or one with values of an event to come."""
        for argument in (*target, *named.values()):
            if isinstance(argument, (list, tuple)) and any(
                isinstance(part, Placeholder)
                for item in argument
                if isinstance(item, (list, tuple))
                for part in item
            ):
                return PendingChanges(target, named)
        return SetState(*target, **named)
