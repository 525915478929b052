"""A set has no order: that of texts differs from process to process. So nothing may go through one."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from typing import NoReturn

from deep_faker.compile.read.scopes import MISSING
from deep_faker.compile.read.source import Source
from deep_faker.compile.read.things import Names, Walk, among
from deep_faker.declare.actions import AddDecay, NewEvent, Select, SetState

# What these give is the same whatever the order; min, max and sorted with a key= have ties.
_UNORDERED = (
    len,
    sum,
    any,
    all,
    set,
    frozenset,
    bool,
    isinstance,
    issubclass,
    type,
    hash,
    callable,
    math.fsum,
)
_TIES = (min, max, sorted)
_SAME = (list, tuple, filter, map, iter)  # in the order of what they are given
_ACTIONS = (NewEvent, Select, SetState, AddDecay)  # a set in an event is written in order
_SET_METHODS = frozenset(
    "union intersection difference symmetric_difference issubset issuperset isdisjoint update "
    "difference_update intersection_update symmetric_difference_update add discard remove".split()
)


def refuse_order(source: Source, node: ast.expr) -> NoReturn:
    """Raise `CompileError`: this goes through a set."""
    label = f"{ast.unparse(node)} is a set, which has no order of its own"
    source.refuse(node, "the order of a set", label, f"write sorted({ast.unparse(node)})")


def check_expression(walk: Walk, node: ast.expr, names: Names) -> None:
    """Refuse what depends on the order of a set."""
    _Check(walk, names).visit(node, ordered=False)


def check_statement(walk: Walk, node: ast.stmt, names: Names) -> None:
    """Refuse loops over a set, and unpacking one."""
    iterated: ast.expr | None = None
    if isinstance(node, (ast.For, ast.AsyncFor)):
        iterated = node.iter
    elif isinstance(node, ast.Assign):
        iterated = node.value if any(isinstance(t, (ast.Tuple, ast.List)) for t in node.targets) else None
    elif isinstance(node, ast.AugAssign):
        iterated = node.value if isinstance(node.op, ast.Add) else None
    if iterated is not None and walk.thing(iterated, names).is_set:
        refuse_order(walk.scope.source, iterated)


class _Check:
    def __init__(self, walk: Walk, names: Names) -> None:
        self.walk, self.names = walk, names

    def _is_set(self, node: ast.expr) -> bool:
        return self.walk.thing(node, self.names).is_set

    def _refuse_set(self, node: ast.expr) -> None:
        if self._is_set(node):
            refuse_order(self.walk.scope.source, node)

    def visit(self, node: ast.AST, *, ordered: bool) -> None:
        """``ordered``: whether the order of what the expression gives can be seen in the result."""
        if isinstance(node, ast.Call):
            self._call(node, ordered=ordered)
            return
        if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            self._comprehension(node, ordered=ordered or isinstance(node, (ast.ListComp, ast.DictComp)))
            return
        if isinstance(node, (ast.Starred, ast.FormattedValue)):
            self._refuse_set(node.value)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            self._refuse_set(node.right)
        for part in ast.iter_child_nodes(node):
            if isinstance(node, ast.Set) and isinstance(part, ast.Starred):
                self.visit(part.value, ordered=False)
                continue
            self.visit(part, ordered=ordered and isinstance(node, (ast.IfExp, ast.BoolOp, ast.NamedExpr)))

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, *, ordered: bool
    ) -> None:
        outer, self.names = self.names, dict(self.names)
        for generator in node.generators:
            if ordered and not isinstance(node, ast.SetComp):
                self._refuse_set(generator.iter)
            self.visit(generator.iter, ordered=ordered)
            self.walk.bind(
                generator.target, self.walk.parts(self.walk.thing(generator.iter, self.names)), self.names
            )
            for test in generator.ifs:
                self.visit(test, ordered=False)
        parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        for part in parts:
            self.visit(part, ordered=False)
        self.names = outer

    def _call(self, node: ast.Call, *, ordered: bool) -> None:
        function = self.walk.constant(node.func, self.names)
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        if owner is not None:
            self.visit(owner, ordered=False)
            if self._is_set(owner) and isinstance(node.func, ast.Attribute) and node.func.attr == "pop":
                refuse_order(self.walk.scope.source, owner)
        for part in self._arguments(node):
            if among(function, _UNORDERED) or (among(function, _TIES) and not node.keywords):
                self._unordered(part)
            elif among(function, _SAME) and not ordered:
                self._same(part)
            else:
                if not self._takes_sets(function, node):
                    self._refuse_set(part)
                self.visit(part, ordered=True)

    @staticmethod
    def _arguments(node: ast.Call) -> Iterator[ast.expr]:
        yield from node.args
        yield from (keyword.value for keyword in node.keywords)

    def _unordered(self, node: ast.expr) -> None:
        """An argument whose order does not matter: a comprehension over a set, a list of one."""
        if isinstance(node, ast.ListComp):
            self._comprehension(node, ordered=False)
        elif isinstance(node, ast.Call) and among(self.walk.constant(node.func, self.names), _SAME):
            for part in self._arguments(node):
                self._unordered(part)
        else:
            self.visit(node, ordered=False)

    def _same(self, node: ast.expr) -> None:
        """``list(…)`` and its like, whose result may go anywhere."""
        self._refuse_set(node)
        self.visit(node, ordered=True)

    def _takes_sets(self, function: object, node: ast.Call) -> bool:
        if among(function, _ACTIONS):
            return True
        if function is not MISSING and is_function(function):
            return True  # that function is looked at with what it is given
        if isinstance(node.func, ast.Attribute) and node.func.attr in _SET_METHODS:
            return True
        return function is MISSING and isinstance(node.func, ast.Name)


def is_function(function: object) -> bool:
    """Whether it is a Python function (of the user's, or of a library that takes sets as they come)."""
    return hasattr(getattr(function, "__func__", function), "__code__")
