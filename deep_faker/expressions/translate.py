"""From the tree of an expression to an `Emitter`'s source, node by node."""

from __future__ import annotations

import ast
import builtins
import enum
import operator
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from deep_faker.expressions.arithmetic import unary
from deep_faker.expressions.calls import call_function, call_method
from deep_faker.expressions.comparisons import compare, negated
from deep_faker.expressions.emitter import TEXTS, Emitter, Val
from deep_faker.expressions.lookups import subscript
from deep_faker.expressions.operators import binary
from deep_faker.expressions.text import f_string
from deep_faker.expressions.times import time_attribute
from deep_faker.plan import Type


class Translation:
    """One expression: ``visit`` gives the `Val` of a node."""

    def __init__(self, em: Emitter, consts: Mapping[str, object]) -> None:
        self.em, self.consts = em, consts

    def visit(self, node: ast.expr) -> Val:
        rule = _RULES.get(type(node))
        if rule is None:
            return self.em.by_row(_DESCRIBED.get(type(node), f"a {type(node).__name__}"))
        return rule(self, node)

    # ------------------------------------------------ leaves

    def constant(self, node: ast.Constant) -> Val:
        return self.em.constant(node.value)

    def name(self, node: ast.Name) -> Val:
        type_ = self.em.types.get(node.id)
        if type_ is not None:
            if type_.kind == "none":
                return self.em.constant(None)
            return Val(type_, node.id, f"{node.id}__null" if type_.optional else None)
        if node.id in self.consts:
            return self.em.constant(self.consts[node.id])
        if hasattr(builtins, node.id):
            return self.em.constant(getattr(builtins, node.id))
        return self.em.by_row(f"the name {node.id!r} is not known")

    def display(self, node: ast.Tuple | ast.List | ast.Set) -> Val:
        """Collections of constants are constants (only ``in``, subscripts and calls look at them)."""
        if any(isinstance(e, ast.Starred) for e in node.elts):
            return self.em.by_row("a collection with a star")
        values = [self.visit(e) for e in node.elts]
        if all(v.constant for v in values):
            make: Callable[[list[object]], object] = {ast.Tuple: tuple, ast.List: list, ast.Set: set}[
                type(node)
            ]
            try:
                return Val(Type("object"), constant=True, value=make([v.value for v in values]))
            except TypeError:
                return self.em.by_row("raises TypeError")
        if isinstance(node, ast.Tuple):
            return self.em.by_value(_packed, values, Type("object"))
        return self.em.by_row("makes a collection")  # of its own for every row: it can be changed

    def slice(self, node: ast.Slice) -> Val:
        parts = [self.visit(p) if p else self.em.constant(None) for p in (node.lower, node.upper, node.step)]
        if all(v.constant for v in parts):
            return Val(Type("object"), constant=True, value=slice(*(v.value for v in parts)))
        return self.em.by_row("a part of a text between varying places")

    # ------------------------------------------------ operators

    def unary(self, node: ast.UnaryOp) -> Val:
        operand = self.visit(node.operand)
        if isinstance(node.op, ast.Not):
            return negated(self.em, self.em.truth(operand))
        return unary(self.em, type(node.op), operand)

    def binary(self, node: ast.BinOp) -> Val:
        return binary(self.em, type(node.op), self.visit(node.left), self.visit(node.right))

    def compare(self, node: ast.Compare) -> Val:
        em, active = self.em, self.em.active
        left = self.visit(node.left)
        joined: Val | None = None
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            right, each = self._compared(type(op), left, right_node, last=right_node is node.comparators[-1])
            left = right
            if joined is None or joined.constant:
                joined = each  # a constant that is true, or this would not have been reached
            elif not (each.constant and each.value):
                joined = each if each.constant else Val(each.type, f"({joined.code} & {each.code})")
            if joined.constant and not joined.value:
                break
            if right_node is not node.comparators[-1] and not joined.constant:
                joined = em.named(joined)
                em.active = active
                em.under(joined.code)
        em.active = active
        assert joined is not None
        return joined

    def _compared(self, op: type[ast.AST], left: Val, node: ast.expr, *, last: bool) -> tuple[Val, Val]:
        """The right side, and the comparison with it."""
        if op in (ast.In, ast.NotIn) and isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            values = [self.visit(e) for e in node.elts]
            if not all(v.constant for v in values) and not any(v.kind in ("float", "object") for v in values):
                return Val(Type("object")), self._among(op, left, values)
        right = self.visit(node)
        if not last:
            right = self.em.named(right)
        return right, compare(self.em, op, left, right)

    def _among(self, op: type[ast.AST], left: Val, values: list[Val]) -> Val:
        """``left in (a, b)`` with locals: equal to one of them."""
        left, *values = map(self.em.named, (left, *values))  # Python makes the tuple before it compares
        joined: Val | None = None
        for value in values:
            each = compare(self.em, ast.Eq, left, value)
            if each.constant and each.value:
                joined = each
                break
            if not each.constant:
                joined = each if joined is None else Val(each.type, f"({joined.code} | {each.code})")
        joined = joined or self.em.constant(False)
        return negated(self.em, joined) if op is ast.NotIn else joined

    def boolean(self, node: ast.BoolOp) -> Val:
        """``and`` and ``or``: a later operand counts only in rows that get to it."""
        em, active = self.em, self.em.active
        both = isinstance(node.op, ast.And)
        result = self.visit(node.values[0])
        for operand_node in node.values[1:]:
            test = em.truth(result)
            if test.constant:
                if bool(test.value) != both:
                    break
                result = self.visit(operand_node)
                continue
            result = em.named(result)
            name = em.named(em.truth(result)).code
            em.under(name if both else f"(~{name})")
            operand = self.visit(operand_node)
            if result.kind == operand.kind == "bool" and not (result.nulls or operand.nulls):
                source = em.literal(operand.value, "bool") if operand.constant else operand.code
                result = Val(Type("bool"), f"({name} {'&' if both else '|'} {source})")
            else:
                result = em.select(name, operand, result) if both else em.select(name, result, operand)
        em.active = active
        return result

    def choice(self, node: ast.IfExp) -> Val:
        em, active = self.em, self.em.active
        test = em.truth(self.visit(node.test))
        if test.constant:
            return self.visit(node.body if test.value else node.orelse)
        name = em.named(test).code
        em.under(name)
        body = self.visit(node.body)
        em.active = active
        em.under(f"(~{name})")
        other = self.visit(node.orelse)
        em.active = active
        return em.select(name, body, other)

    def joined(self, node: ast.JoinedStr) -> Val:
        return f_string(self.em, node, self.visit)

    # ------------------------------------------------ parts and calls

    def subscript(self, node: ast.Subscript) -> Val:
        owner = self.visit(node.value)
        if isinstance(node.slice, ast.Slice) and owner.kind in TEXTS and not owner.constant:
            bounds = (node.slice.lower, node.slice.upper, node.slice.step)
            parts = [self.visit(p) if p else self.em.constant(None) for p in bounds]
            if not all(part.constant for part in parts):
                return self.em.by_value(_cut, [self.em.solid(owner), *parts], Type("str"))
        return subscript(self.em, owner, self.visit(node.slice))

    def attribute(self, node: ast.Attribute) -> Val:
        owner = self.visit(node.value)
        if owner.constant:
            if isinstance(owner.value, (ModuleType, type, enum.Enum)) or owner.kind not in ("object", "none"):
                return self.em.fold(getattr, owner.value, node.attr)
            return self.em.by_row(f"reads .{node.attr} of an object")
        done = time_attribute(self.em, owner, node.attr)
        if done is not None:
            return done
        folded = self.em.folded(owner, operator.attrgetter(node.attr))
        return folded or self.em.by_row(f"reads .{node.attr}")

    def call(self, node: ast.Call) -> Val:
        em = self.em
        starred = any(isinstance(a, ast.Starred) for a in node.args) or any(
            k.arg is None for k in node.keywords
        )
        args = [self.visit(a) for a in node.args if not isinstance(a, ast.Starred)]
        kwargs = {k.arg: self.visit(k.value) for k in node.keywords if k.arg is not None}
        if starred:
            return em.by_row("a call with a star")
        name = ast.unparse(node.func)
        if isinstance(node.func, ast.Name) and name[1:].isdecimal():  # a name that the compiler made up
            name = str(getattr(self.consts.get(name), "__qualname__", name))
        if isinstance(node.func, ast.Attribute):
            owner = self.visit(node.func.value)
            if not (owner.constant and isinstance(owner.value, (ModuleType, type))):
                return call_method(em, owner, node.func.attr, args, kwargs)
        function = self.visit(node.func)
        if not function.constant:
            return em.by_row(f"calls {name}()")
        return call_function(em, function.value, name, args, kwargs)


def _cut(text: str, start: int | None, stop: int | None, step: int | None) -> str:
    return text[start:stop:step]


def _packed(*values: object) -> tuple[object, ...]:
    return values


_RULES: dict[type[ast.AST], Callable[[Translation, Any], Val]] = {
    ast.Constant: Translation.constant,
    ast.Name: Translation.name,
    ast.Tuple: Translation.display,
    ast.List: Translation.display,
    ast.Set: Translation.display,
    ast.Slice: Translation.slice,
    ast.UnaryOp: Translation.unary,
    ast.BinOp: Translation.binary,
    ast.Compare: Translation.compare,
    ast.BoolOp: Translation.boolean,
    ast.IfExp: Translation.choice,
    ast.JoinedStr: Translation.joined,
    ast.Subscript: Translation.subscript,
    ast.Attribute: Translation.attribute,
    ast.Call: Translation.call,
}
_DESCRIBED: dict[type[ast.AST], str] = {
    ast.Dict: "makes a dict",
    ast.ListComp: "a list comprehension",
    ast.SetComp: "a set comprehension",
    ast.DictComp: "a dict comprehension",
    ast.GeneratorExp: "a generator expression",
    ast.Lambda: "a lambda",
    ast.NamedExpr: "an assignment inside an expression",
}
