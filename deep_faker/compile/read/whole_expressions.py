"""Expressions without effects, taken as they are: parts that may be skipped, comprehensions, lambdas."""

from __future__ import annotations

import ast
from types import FunctionType

from deep_faker.compile.read.library import METHODS, clock_of, draw_of, is_pure
from deep_faker.compile.read.pure_functions import unquiet
from deep_faker.compile.read.scopes import MISSING, Scope
from deep_faker.compile.read.values import Const, constant, local, names_in

_MAKERS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_EFFECTS = (ast.NamedExpr, ast.Yield, ast.YieldFrom, ast.Await, ast.Starred)


class Opaque:
    """Looks at one expression; ``reason`` says what is not quiet in it."""

    def __init__(
        self, scope: Scope, *, helpers: bool = False, reads: bool = False, bound: frozenset[str] = frozenset()
    ) -> None:
        """``helpers``: quiet functions of the user's may be called; ``reads``: attributes may be read,
        before the whole; ``bound``: names that something around the expression binds."""
        self.scope, self.helpers, self.reads, self.bound = scope, helpers, reads, bound
        self.hoisted: dict[str, str] = {}
        self.reason = ""
        self.locals_read: tuple[str, ...] = ()

    def is_quiet(self, node: ast.expr) -> bool:
        """Whether it draws nothing, reads no entity and calls only what is pure."""
        inner = bound_inside(node) | self.bound
        callees = {id(n.func) for n in ast.walk(node) if isinstance(n, ast.Call)}
        return all(self._is_quiet(part, inner, callees) for part in ast.walk(node))

    def _is_quiet(self, node: ast.AST, inner: frozenset[str], callees: set[int]) -> bool:
        if isinstance(node, _EFFECTS):
            return self._because(f"a {type(node).__name__}")
        if isinstance(node, ast.Name) and node.id not in inner:
            return self._is_plain_name(node)
        if isinstance(node, ast.Call):
            return self._is_quiet_call(node.func, inner)
        if isinstance(node, ast.Attribute) and id(node) not in callees:
            root: ast.expr = node
            while isinstance(root, ast.Attribute):
                root = root.value
            if isinstance(root, ast.Name) and root.id in inner:
                return True
            if self.scope.constant(node) is MISSING and not self.reads:
                return self._because(f"reads {ast.unparse(node)}")
        return True

    def _is_plain_name(self, node: ast.Name) -> bool:
        owner = self.scope.owner(node.id)
        if owner is None:
            return True
        known = owner.known.get(node.id)
        return known is None or isinstance(known, Const) or self._because(f"uses {node.id}")

    def _is_quiet_call(self, function: ast.expr, inner: frozenset[str]) -> bool:
        value = self.scope.constant(function)
        if value is not MISSING:
            if draw_of(value) or clock_of(value):
                return self._because(f"calls {ast.unparse(function)}")
            quiet = self.helpers and isinstance(value, FunctionType) and unquiet(value) is None
            return is_pure(value) or quiet or self._because(f"calls {ast.unparse(function)}")
        if isinstance(function, ast.Attribute) and function.attr in METHODS:
            return True
        return self._because(f"calls {ast.unparse(function)}")

    def to_read(self, node: ast.expr) -> list[ast.Attribute]:
        """The attributes to be read before the whole, outermost ones of their chains."""
        inner = bound_inside(node)
        attributes: list[ast.Attribute] = []
        callees = {id(n.func) for n in ast.walk(node) if isinstance(n, ast.Call)}
        inside: set[int] = set()
        for part in ast.walk(node):  # outer nodes come first
            if not isinstance(part, ast.Attribute) or id(part) in inside | callees:
                continue
            root: ast.expr = part
            while isinstance(root, ast.Attribute):
                root = root.value
            if isinstance(root, ast.Name) and root.id not in inner and self.scope.constant(part) is MISSING:
                attributes.append(part)
                inside |= {id(n) for n in ast.walk(part)}
        return attributes

    def _because(self, reason: str) -> bool:
        self.reason = self.reason or reason
        return False

    def code(self, node: ast.expr) -> ast.expr | None:
        """The expression over IR locals; None where a name has no value that code can hold."""
        inner = bound_inside(node)
        renamed = _Renamed(self, inner).visit(ast.parse(ast.unparse(node), mode="eval").body)
        if self.reason:
            return None
        self.locals_read = names_in(renamed)
        code: ast.expr = renamed
        return code


class _Renamed(ast.NodeTransformer):
    def __init__(self, opaque: Opaque, inner: frozenset[str]) -> None:
        self.opaque, self.scope, self.inner = opaque, opaque.scope, inner

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self.inner:
            return ast.Name(f"k_{node.id}", node.ctx)
        owner = self.scope.owner(node.id)
        if owner is not None:
            known = owner.known.get(node.id)
            if known is None:
                return local(owner.variable(node.id))
            if isinstance(known, Const):
                return constant(known.value)
            return getattr(known, "node", node)
        value = self.scope.outside(node.id)
        if value is MISSING:
            self.opaque.reason = f"the unknown name {node.id!r}"
        return constant(value)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        name = self.opaque.hoisted.get(ast.unparse(node))
        return local(name) if name is not None else self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg(f"k_{node.arg}")


def bound_inside(node: ast.expr) -> frozenset[str]:
    """Names that comprehensions and lambdas in it bind."""
    names: set[str] = set()
    for part in ast.walk(node):
        if isinstance(part, _MAKERS):
            for generator in part.generators:
                names |= {n.id for n in ast.walk(generator.target) if isinstance(n, ast.Name)}
        elif isinstance(part, ast.Lambda):
            names |= {n.arg for n in ast.walk(part.args) if isinstance(n, ast.arg)}
    return frozenset(names)
