"""Lowering of expressions: draws, reads and calls are taken out, in Python's order of evaluation."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from deep_faker.compiler.builder import Builder
from deep_faker.compiler.ir import Attr
from deep_faker.compiler.library import foreign_name
from deep_faker.compiler.opaque import Opaque
from deep_faker.compiler.scopes import MISSING, only_near
from deep_faker.compiler.values import (
    Code,
    Const,
    Context,
    EventData,
    Items,
    Selected,
    Selection,
    Value,
    World,
    constant,
    evaluate,
    local,
)

_LIMITS = {
    "Await": "await",
    "Starred": "a star in a call or display",
    "Dict": "a dict of things that are no values",
}


class Expressions(Builder):
    """Expressions to values. What calls and yields mean, the floors above say."""

    @abstractmethod
    def on_Call(self, node: ast.Call) -> Value: ...
    @abstractmethod
    def on_Yield(self, node: ast.Yield) -> Value: ...
    @abstractmethod
    def on_YieldFrom(self, node: ast.YieldFrom) -> Value: ...
    @abstractmethod
    def context_attribute(self, owner: Value, node: ast.Attribute) -> Value: ...
    @abstractmethod
    def event_field(self, data: EventData, name: str, node: ast.expr) -> Value: ...
    @abstractmethod
    def event_has(self, data: EventData, name: str | None, node: ast.expr) -> Value: ...
    @abstractmethod
    def first_of(self, selection: Selection, node: ast.expr) -> Value: ...
    @abstractmethod
    def selected(self, selected: Selected, index: Value, node: ast.expr) -> Value: ...
    @abstractmethod
    def is_selected(self, selected: Selected, value: Value | None, node: ast.expr) -> Value: ...

    def lower(self, node: ast.expr) -> Value:
        """The value of an expression; operations that it needs go into the current block."""
        kind = type(node).__name__
        rule = getattr(self, f"on_{kind}", None)
        if rule is None:
            raise self.limit(node, _LIMITS.get(kind, f"a {kind}"))
        value: Value = rule(node)
        return value

    def operands(self, nodes: Sequence[ast.expr]) -> list[Value]:
        """Values of expressions that are evaluated one after the other."""
        values: list[Value] = []
        rebinds = [any(isinstance(n, ast.NamedExpr) for n in ast.walk(node)) for node in nodes]
        for index, node in enumerate(nodes):
            value = self.lower(node)
            # a := further right must not change what was evaluated before it
            values.append(self.settled(value, node) if any(rebinds[index + 1 :]) else value)
        return values

    def codes(self, nodes: Sequence[ast.expr]) -> tuple[list[ast.expr], list[Value]]:
        """The same as code, and as values."""
        values = self.operands(nodes)
        return [self.code(v, n) for v, n in zip(values, nodes, strict=True)], values

    # ------------------------------------------------ leaves

    def on_Constant(self, node: ast.Constant) -> Value:
        return Const(node.value)

    def on_Name(self, node: ast.Name) -> Value:
        owner = self.scope.owner(node.id)
        if owner is not None:
            known = owner.known.get(node.id)
            if known is not None:
                return known
            if node.id in owner.arguments or owner.bound[node.id]:
                return Code(local(owner.variable(node.id)))
        value = self.scope.outside(node.id)
        if value is MISSING:
            label = f"{node.id!r} is not defined"
            mend = self.scope.near(node.id) or "define it, or import it"
            raise self.wrong(node, "unknown name", label, mend)
        return self.allowed(Const(value), node)

    def allowed(self, value: Const, node: ast.expr) -> Const:
        """The constant, unless it is a source of numbers that no seed reaches (F3)."""
        name = foreign_name(value.value)
        if name is not None:
            mend = "use random, uuid or shortuuid, which draw from the simulation's seed, or Field(faker=…)"
            raise self.wrong(
                node, "numbers from outside the simulation", f"{name} is not drawn from the seed", mend
            )
        return value

    def on_Attribute(self, node: ast.Attribute) -> Value:
        owner = self.lower(node.value)
        if isinstance(owner, Const):
            return self.attribute_of(owner, node)
        if isinstance(owner, (Context, World, EventData, Selected)):
            return self.context_attribute(owner, node)
        target = self.fresh()
        self.emit(Attr(target, self.as_local(owner, node.value), node.attr, False, self.span(node)))
        return Code(local(target))

    def attribute_of(self, owner: Const, node: ast.Attribute) -> Const:
        """An attribute of a constant."""
        try:
            return self.allowed(Const(getattr(owner.value, node.attr)), node)
        except AttributeError:
            shown = ast.unparse(node.value)
            names = [name for name in dir(owner.value) if not name.startswith("_")]
            label = f"{shown} has no {node.attr!r}"
            raise self.wrong(
                node, "unknown attribute", label, only_near(node.attr, names) or f"see dir({shown})"
            ) from None

    # ------------------------------------------------ operators

    def on_BinOp(self, node: ast.BinOp) -> Value:
        (left, right), values = self.codes([node.left, node.right])
        return self.made(ast.BinOp(left, node.op, right), values)

    def on_UnaryOp(self, node: ast.UnaryOp) -> Value:
        if isinstance(node.op, ast.Not):
            value = self.truth(self.lower(node.operand), node.operand)
            if isinstance(value, Const):
                return Const(not value.value)
            return Code(ast.UnaryOp(ast.Not(), self.code(value, node.operand)))
        (operand,), values = self.codes([node.operand])
        return self.made(ast.UnaryOp(node.op, operand), values)

    def truth(self, value: Value, node: ast.expr) -> Value:
        """The value, with what is true or false by its nature decided."""
        if isinstance(value, EventData):
            return self.event_has(value, None, node)
        if isinstance(value, Selected):
            return self.is_selected(value, None, node)
        if isinstance(value, Items):
            return Const(bool(value.items))
        if isinstance(value, (Const, Code)):
            return value
        if isinstance(value, Selection):
            raise self.limit(node, "looks at a list of entities")
        return Const(True)

    def on_Compare(self, node: ast.Compare) -> Value:
        if len(node.ops) == 1 and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            right = self.lower(node.comparators[0])
            if isinstance(right, EventData):
                name = self.lower(node.left)
                if isinstance(name, Const):
                    has = self.event_has(right, str(name.value), node)
                    return has if isinstance(node.ops[0], ast.In) else self._negated(has, node)
            if isinstance(right, Selected):
                has = self.is_selected(right, self.lower(node.left), node)
                return has if isinstance(node.ops[0], ast.In) else self._negated(has, node)
        if all(self.is_skippable(part) for part in node.comparators[1:]):
            codes, values = self.codes([node.left, *node.comparators])
            return self.made(ast.Compare(codes[0], node.ops, codes[1:]), values)
        return self._arms(node)

    def _negated(self, value: Value, node: ast.expr) -> Value:
        if isinstance(value, Const):
            return Const(not value.value)
        return Code(ast.UnaryOp(ast.Not(), self.code(value, node)))

    def on_BoolOp(self, node: ast.BoolOp) -> Value:
        if not all(self.is_skippable(part) for part in node.values[1:]):
            result = self.fresh()
            done = self.block()
            for index, part in enumerate(node.values):
                value = self.lower(part)
                self.let(self.code(value, part), part, result)
                if index < len(node.values) - 1:
                    following = self.block()
                    test = self.let(_bool(local(result)), part)
                    both = isinstance(node.op, ast.And)
                    self.branch(test, *((following, done) if both else (done, following)), self.span(part))
                    self.start(following)
            self.go(done)
            self.start(done)
            return Code(local(result))
        values = [self.truth(value, node) for value in self.operands(node.values)]
        kept: list[Value] = []
        for index, value in enumerate(values):
            if isinstance(value, Const) and index < len(values) - 1:
                if bool(value.value) == isinstance(node.op, ast.Or):
                    kept.append(value)
                    break
                continue
            kept.append(value)
        if len(kept) == 1:
            return kept[0]
        return self.made(ast.BoolOp(node.op, [self.code(v, node) for v in kept]), kept)

    def on_IfExp(self, node: ast.IfExp) -> Value:
        if self.is_skippable(node.test):
            test = self.truth(self.lower(node.test), node.test)
            if isinstance(test, Const):
                return self.lower(node.body if test.value else node.orelse)
            if self.is_skippable(node.body) and self.is_skippable(node.orelse):
                codes, _ = self.codes([node.body, node.orelse])
                return Code(ast.IfExp(self.code(test, node.test), codes[0], codes[1]))
        return self._arms(node)

    def _arms(self, node: ast.IfExp | ast.Compare) -> Value:
        """A conditional expression (or a chain of comparisons) as branches into one local."""
        result, done = self.fresh(), self.block()
        then, other = self.block(), self.block()
        self.test(node.test if isinstance(node, ast.IfExp) else node, then, other)
        body: ast.expr = node.body if isinstance(node, ast.IfExp) else constant(True)
        orelse: ast.expr = node.orelse if isinstance(node, ast.IfExp) else constant(False)
        ways = [(block, part) for block, part in ((then, body), (other, orelse)) if self.is_entered(block)]
        if len(ways) == 1:  # the test is decided
            self.start(ways[0][0])
            return self.lower(ways[0][1])
        for block, part in ways:
            self.start(block)
            self.let(self.code(self.lower(part), part if isinstance(node, ast.IfExp) else node), node, result)
            self.go(done)
        self.start(done)
        return Code(local(result))

    def on_NamedExpr(self, node: ast.NamedExpr) -> Value:
        self.bind(node.target.id, self.lower(node.value), node)
        return self.on_Name(ast.Name(node.target.id, ast.Load()))

    @abstractmethod
    def bind(self, name: str, value: Value, node: ast.AST) -> None: ...

    # ------------------------------------------------ displays, parts, text

    def on_List(self, node: ast.List | ast.Tuple) -> Value:
        make: type[list[Any] | tuple[Any, ...]] = list if isinstance(node, ast.List) else tuple
        items: list[Value] = []
        for part, value in zip(node.elts, self.operands([_unstarred(e) for e in node.elts]), strict=True):
            if not isinstance(part, ast.Starred):
                items.append(value)
            elif isinstance(value, Items):
                items += value.items
            elif isinstance(value, Const):
                items += map(Const, value.value)
            else:
                raise self.limit(part, "a star before something that is not constant")
        if all(isinstance(item, Const) for item in items):
            return Const(make(item.value for item in items if isinstance(item, Const)))
        return Items(tuple(items), make)

    on_Tuple = on_List  # noqa: N815 - the names of nodes

    def on_Set(self, node: ast.Set) -> Value:
        codes, values = self.codes(node.elts)
        return self.made(ast.Set(codes), values)

    def on_Dict(self, node: ast.Dict) -> Value:
        if any(key is None for key in node.keys):
            raise self.limit(node, "a dict with **")
        parts = [
            part for pair in zip(node.keys, node.values, strict=True) for part in pair if part is not None
        ]
        codes, values = self.codes(parts)
        return self.made(ast.Dict(list(codes[::2]), codes[1::2]), values)

    def on_Subscript(self, node: ast.Subscript) -> Value:
        owner = self.lower(node.value)
        if isinstance(owner, Selected):
            return self.selected(owner, self.lower(node.slice), node)
        if isinstance(owner, (Selection, EventData, Items)):
            index = self.lower(node.slice)
            if isinstance(index, Const):
                return self._part(owner, index.value, node)
            if not isinstance(owner, Items):
                raise self.limit(node, "looks at a list of entities")
            return Code(ast.Subscript(self.code(owner, node), self.code(index, node), ast.Load()))
        if isinstance(node.slice, ast.NamedExpr):
            owner = self.settled(owner, node)
        index = self.lower(node.slice)
        code = ast.Subscript(self.code(owner, node.value), self.code(index, node.slice), ast.Load())
        return self.made(code, [owner, index])

    def _part(self, owner: Value, index: Any, node: ast.Subscript) -> Value:
        if isinstance(owner, Selection):
            if index == 0 and type(index) is int:
                return self.first_of(owner, node)
            raise self.limit(node, "looks at a list of entities")
        if isinstance(owner, EventData):
            return self.event_field(owner, str(index), node)
        assert isinstance(owner, Items)
        try:
            found: Any = owner.items[index]
        except (IndexError, TypeError):
            return Code(ast.Subscript(self.code(owner, node), constant(index), ast.Load()))
        return Items(found, owner.make) if isinstance(found, tuple) else found

    def on_Slice(self, node: ast.Slice) -> Value:
        parts = [part or constant(None) for part in (node.lower, node.upper, node.step)]
        codes, values = self.codes(parts)
        if all(isinstance(value, Const) for value in values):
            return Const(slice(*(value.value for value in values if isinstance(value, Const))))
        return Code(ast.Slice(*codes))

    def on_JoinedStr(self, node: ast.JoinedStr) -> Value:
        fields = [part for part in node.values if isinstance(part, ast.FormattedValue)]
        codes, values = self.codes([part.value for part in fields])
        specs = [self._spec(part) for part in fields]
        done = {
            id(f): ast.FormattedValue(c, f.conversion, s)
            for f, c, s in zip(fields, codes, specs, strict=True)
        }
        made = ast.JoinedStr([done.get(id(part), part) for part in node.values])
        return self.made(made, values if not any(specs) else [*values, Code(made)])

    def _spec(self, part: ast.FormattedValue) -> ast.expr | None:
        if not isinstance(part.format_spec, ast.JoinedStr):
            return None
        parts: list[ast.expr] = []
        for inner in part.format_spec.values:
            if isinstance(inner, ast.FormattedValue):
                code = self.code(self.lower(inner.value), inner.value)
                parts.append(ast.FormattedValue(code, inner.conversion, None))
            else:
                parts.append(inner)
        return ast.JoinedStr(parts)

    # ------------------------------------------------ what stays in one expression

    def is_skippable(self, node: ast.expr) -> bool:
        """Whether an expression is without effects, so that it may stand where Python may skip it."""
        return Opaque(self.scope).is_quiet(node)

    def whole(self, node: ast.expr) -> Value:
        """A comprehension or lambda in one piece; what it reads of entities is read before."""
        is_lambda = isinstance(node, ast.Lambda)
        opaque = Opaque(self.scope, helpers=True, reads=not is_lambda)
        if not opaque.is_quiet(node):
            raise self.limit(node, f"{opaque.reason} inside {_described(node)}")
        for part in opaque.to_read(node):
            opaque.hoisted[ast.unparse(part)] = self.as_local(self.lower(part), part)
        code = opaque.code(node)
        if code is None:
            raise self.limit(node, f"{opaque.reason} inside {_described(node)}")
        if not opaque.locals_read and not isinstance(node, (ast.Lambda, ast.GeneratorExp)):
            try:
                return Const(evaluate(code))
            except Exception:  # noqa: BLE001 - it raises again when the flow gets there
                return Code(code)
        return Code(code)

    on_SetComp = on_DictComp = on_GeneratorExp = whole  # noqa: N815 - as above

    # ------------------------------------------------ tests

    def test(self, node: ast.expr, then: int, other: int) -> None:
        """Close the current block with a test of ``node``."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            self.test(node.operand, other, then)
        elif isinstance(node, ast.BoolOp) and not all(map(self._is_plain, node.values)):
            both = isinstance(node.op, ast.And)
            for part in node.values[:-1]:
                following = self.block()
                self.test(part, *((following, other) if both else (then, following)))
                self.start(following)
            self.test(node.values[-1], then, other)
        elif isinstance(node, ast.Compare) and not all(map(self.is_skippable, node.comparators[1:])):
            self._chain(node, then, other)
        elif isinstance(node, ast.IfExp) and not self.is_skippable(node):
            yes, no = self.block(), self.block()
            self.test(node.test, yes, no)
            for block, part in ((yes, node.body), (no, node.orelse)):
                self.start(block)
                self.test(part, then, other)
        else:
            value = self.truth(self.lower(node), node)
            if isinstance(value, Const):
                self.go(then if value.value else other)
                return
            code = self.code(value, node)
            is_test = isinstance(code, ast.Compare) or (
                isinstance(code, ast.UnaryOp) and isinstance(code.op, ast.Not)
            )
            self.branch(self.let(code if is_test else _bool(code), node), then, other, self.span(node))

    def _chain(self, node: ast.Compare, then: int, other: int) -> None:
        """``a < b < c`` where c must not be evaluated if a < b is false."""
        left = self.code(self.settled(self.lower(node.left), node.left), node.left)
        for index, (op, part) in enumerate(zip(node.ops, node.comparators, strict=True)):
            right = self.code(self.settled(self.lower(part), part), part)
            last = index == len(node.ops) - 1
            following = then if last else self.block()
            self.branch(self.let(ast.Compare(left, [op], [right]), node), following, other, self.span(node))
            if not last:
                self.start(following)
            left = right

    def _is_plain(self, node: ast.expr) -> bool:
        """Whether an operand of a test needs no branch of its own; tests of entities get one (F5)."""
        compared = isinstance(node, ast.Compare) and not any(
            isinstance(part, ast.Constant) and part.value is None for part in node.comparators
        )
        return compared and self.is_skippable(node)


def _bool(code: ast.expr) -> ast.expr:
    return ast.Call(constant(bool), [code], [])


def _unstarred(node: ast.expr) -> ast.expr:
    return node.value if isinstance(node, ast.Starred) else node


def _described(node: ast.expr) -> str:
    names = {
        "ListComp": "a list comprehension",
        "SetComp": "a set comprehension",
        "DictComp": "a dict comprehension",
    }
    names |= {"GeneratorExp": "a generator expression", "Lambda": "a lambda"}
    return names.get(type(node).__name__, "an expression")
