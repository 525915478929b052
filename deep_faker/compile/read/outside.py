"""Changes of what is not the flow's own (globals, closures, defaults, objects) are refused like `global`.

They would make a result depend on the order in which flows run, and leak from one run to the next (F3, R6).
"""

from __future__ import annotations

import ast
import bisect
import heapq
import operator
import random
from collections.abc import MutableMapping, MutableSequence, MutableSet
from typing import NoReturn

from deep_faker.compile.read.library import is_mutating
from deep_faker.compile.read.scopes import MISSING
from deep_faker.compile.read.source import Source
from deep_faker.compile.read.things import Names, Walk, among

_CONTAINERS = (MutableSequence, MutableMapping, MutableSet)
# Functions that change their first argument.
_CHANGING = (
    setattr, delattr, next, random.shuffle,
    heapq.heappush, heapq.heappop, heapq.heapify, heapq.heapreplace, heapq.heappushpop,
    bisect.insort, bisect.insort_left, bisect.insort_right,
    operator.setitem, operator.delitem, operator.iadd, operator.ior, operator.iconcat, operator.imul,
)  # fmt: skip
_NAMESPACES = (globals, vars)


def refuse_change(source: Source, node: ast.stmt | ast.expr, name: str) -> NoReturn:
    """Raise `CompileError`: this changes something that other flows, and the next run, see too."""
    label = f"{name!r} would depend on the order in which flows run, and keep it for the next run"
    mend = "keep it in the state of an entity: SetState(…), or make it inside the flow"
    source.refuse(node, "a flow cannot change what is not its own", label, mend)


def check_statement(walk: Walk, node: ast.stmt, names: Names) -> None:
    """Refuse assignments into what is of outside."""
    targets: list[ast.expr] = []
    if isinstance(node, (ast.Assign, ast.Delete)):
        targets = list(node.targets)
    elif isinstance(node, (ast.AugAssign, ast.AnnAssign, ast.For)):
        targets = [node.target]
    for target in targets:
        _check_target(walk, target, node, names)
    if isinstance(node, ast.For):
        iterated = walk.thing(node.iter, names)
        if any(hasattr(held, "__next__") for held in iterated.objects):
            refuse_change(walk.scope.source, node.iter, iterated.outside)


def _check_target(walk: Walk, target: ast.expr, node: ast.stmt, names: Names) -> None:
    if isinstance(target, (ast.Tuple, ast.List)):
        for part in target.elts:
            _check_target(walk, part, node, names)
    elif isinstance(target, (ast.Attribute, ast.Subscript)):
        owner = walk.thing(target.value, names)
        if owner.outside:
            refuse_change(walk.scope.source, target, owner.outside)
        called = target.value.func if isinstance(target.value, ast.Call) else None
        if called is not None and among(walk.constant(called, names), _NAMESPACES):
            refuse_change(walk.scope.source, target, ast.unparse(target.value))
    elif isinstance(target, ast.Name) and isinstance(node, ast.AugAssign):
        held = names.get(target.id)
        if held is not None and held.outside and any(isinstance(one, _CONTAINERS) for one in held.objects):
            refuse_change(walk.scope.source, target, held.outside)


def check_expression(walk: Walk, node: ast.expr, names: Names) -> None:
    """Refuse calls that change what is of outside."""
    for part in ast.walk(node):
        if not isinstance(part, ast.Call):
            continue
        function: object = walk.constant(part.func, names)
        if part.args and function is not MISSING and _changes_first(function):
            argument = walk.thing(part.args[0], names)
            if argument.outside and (
                function is not next or any(hasattr(o, "__next__") for o in argument.objects)
            ):
                refuse_change(walk.scope.source, part, argument.outside)
        if isinstance(part.func, ast.Attribute) and is_mutating(part.func.attr):
            owner = walk.thing(part.func.value, names)
            if owner.outside and _are_containers(owner.objects):
                refuse_change(walk.scope.source, part, owner.outside)


def _changes_first(function: object) -> bool:
    if among(function, _CHANGING):
        return True
    owner = getattr(function, "__objclass__", None)  # list.append(ITEMS, 1)
    return (
        isinstance(owner, type)
        and issubclass(owner, _CONTAINERS)
        and is_mutating(getattr(function, "__name__", ""))
    )


def _are_containers(objects: tuple[object, ...]) -> bool:
    """Objects that are not known are parts of something empty: they will be what is put there."""
    return not objects or any(isinstance(one, _CONTAINERS) for one in objects)
