"""Lowering of expressions: draws, reads and calls are taken out, in Python's order of evaluation."""

from __future__ import annotations

import ast
import sys
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from deep_faker.compile.graph.ir import Ask, Attr, Block, Draw, Let, Op, Unset
from deep_faker.compile.graph.raising import OTHER
from deep_faker.compile.graph.raising import may_raise as code_may_raise
from deep_faker.compile.graph.unset import FREE
from deep_faker.compile.lower.builder import Builder, Trial
from deep_faker.compile.read.scopes import MISSING, only_near
from deep_faker.compile.read.values import (
    Code,
    Const,
    Context,
    Emitting,
    EventData,
    Items,
    Selected,
    Selection,
    Setting,
    Spread,
    Value,
    Waiting,
    World,
    constant,
    evaluate,
    local,
    names_in,
    same_code,
)
from deep_faker.compile.read.whole_expressions import Opaque
from deep_faker.declare.foreign import foreign_name, refusal
from deep_faker.plan import Clock, Early, Held, Session

_LIMITS = {
    "Await": "await",
    "Starred": "a star in a call or display",
    "Dict": "a dict of things that are no values",
}


_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


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
        if isinstance(value, Code) and not hasattr(value.node, "lineno"):
            ast.copy_location(value.node, node)  # an error in it is shown there
        return value

    def operands(self, nodes: Sequence[ast.expr]) -> list[Value]:
        """Values of expressions that are evaluated one after the other."""
        order = InOrder(self)
        rebinds = [any(isinstance(n, ast.NamedExpr) for n in ast.walk(node)) for node in nodes]
        for index, node in enumerate(nodes):
            value = self.lower(node)
            # a := further right must not change what was evaluated before it
            order.add(self.settled(value, node) if any(rebinds[index + 1 :]) else value, node)
        return order.values()

    def codes(self, nodes: Sequence[ast.expr]) -> tuple[list[ast.expr], list[Value]]:
        """The same as code, and as values."""
        values = self.operands(nodes)
        return [self.code(v, n) for v, n in zip(values, nodes, strict=True)], values

    def evaluated(self, value: Value, node: ast.AST) -> Value:
        """The value, computed now if that may raise: also where nobody looks at it afterwards."""
        return value if _is_at_hand(value) else self.settled(value, node)

    def skippable(self, nodes: Sequence[ast.expr]) -> list[Value] | None:
        """Values of expressions that Python may skip; None if something must be done before they are used."""
        if not all(map(self.is_skippable, nodes)):
            return None
        with self.trying() as trial:
            values = self.operands(nodes)
            if self.is_harmless(trial):
                trial.keep()
                return values
        return None

    def is_harmless(self, trial: Trial) -> bool:
        """Whether all that was written in it may as well be done where Python would not get to it."""
        ops = self.written_since(trial)
        return ops is not None and not any(map(may_raise, ops))

    # ------------------------------------------------ leaves

    def on_Constant(self, node: ast.Constant) -> Value:
        return Const(node.value)

    def on_Name(self, node: ast.Name) -> Value:
        owner = self.scope.owner(node.id)
        if owner is not None:
            known = owner.known.get(node.id)
            if known is not None:
                return known
            if (owner.number, node.id) in self.vague:
                raise self.limit(
                    node, f"{node.id} is set in some ways to this line only, or to different things"
                )
            if node.id in owner.arguments or owner.bound[node.id]:
                read = local(owner.variable(node.id))
                # read of a function around this one: Python has words of its own where it is not set
                return Code(read if owner is self.scope else local(self.let(read, node, self.fresh(FREE))))
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
            raise self.wrong(node, *refusal(name))
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
            self.evaluated(value, node)
            return Const(bool(value.items))
        if isinstance(value, (Const, Code)):
            return value
        if isinstance(value, Selection):
            raise self.limit(node, "looks at a list of entities")
        self.evaluated(value, node)
        return Const(True)

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
        if isinstance(node.slice, ast.NamedExpr):
            owner = self.settled(owner, node)
        order = InOrder(self)
        order.add(owner, node.value)
        order.add(self.lower(node.slice), node.slice)
        owner, index = order.values()
        if isinstance(owner, (Selection, EventData, Items)):
            if isinstance(index, Const):
                return self._part(owner, index.value, node)
            if not isinstance(owner, Items):
                raise self.limit(node, "looks at a list of entities")
            return Code(ast.Subscript(self.code(owner, node), self.code(index, node), ast.Load()))
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
        if not all(_is_at_hand(item) for item in owner.items if item is not found):
            # Python makes them all
            owner = self.settled(owner, node)
            assert isinstance(owner, Items)
            found = owner.items[index]
        return Items(found, owner.make) if isinstance(found, tuple) else found

    def on_Slice(self, node: ast.Slice) -> Value:
        parts = [part or constant(None) for part in (node.lower, node.upper, node.step)]
        codes, values = self.codes(parts)
        if all(isinstance(value, Const) for value in values):
            return Const(slice(*(value.value for value in values if isinstance(value, Const))))
        return Code(ast.Slice(*codes))

    def on_JoinedStr(self, node: ast.JoinedStr) -> Value:
        fields = [part for part in node.values if isinstance(part, ast.FormattedValue)]
        # a field, then what its format says, then the next field
        parts = [part for field in fields for part in (field.value, *map(_value_of, _written_in(field)))]
        codes, values = self.codes(parts)
        rest = iter(codes)
        done: dict[int, ast.expr] = {}
        for field in fields:
            code, spec = next(rest), field.format_spec
            if isinstance(spec, ast.JoinedStr):
                inside = {
                    id(p): ast.FormattedValue(next(rest), p.conversion, None) for p in _written_in(field)
                }
                spec = ast.JoinedStr([inside.get(id(part), part) for part in spec.values])
            done[id(field)] = ast.FormattedValue(code, field.conversion, spec)
        made = ast.JoinedStr([done.get(id(part), part) for part in node.values])
        return self.made(made, values)

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
        if not is_lambda:
            code = self._free_reads(node, code, opaque.locals_read)
        if not opaque.locals_read and not isinstance(node, (ast.Lambda, ast.GeneratorExp)):
            try:
                return Const(evaluate(code))
            except Exception:  # noqa: BLE001 - it raises again when the flow gets there
                return Code(code)
        return Code(code)

    def _free_reads(self, node: ast.expr, code: ast.expr, names: Sequence[str]) -> ast.expr:
        """A comprehension is a function of its own (since Python 3.12 only a generator is)."""
        if sys.version_info >= (3, 12) and not isinstance(node, ast.GeneratorExp):
            return code
        first = names_in(code.generators[0].iter) if isinstance(code, _COMPREHENSIONS) else ()
        free = {name: self.let(local(name), node, self.fresh(FREE)) for name in names if name not in first}
        return same_code(code, free)

    on_SetComp = on_DictComp = on_GeneratorExp = whole  # noqa: N815 - as above


class InOrder:
    """Values that Python makes one after the other: what may raise does not come after what follows it.

    Code goes into the code around it, in one piece. Left there, it would be computed after a draw, a call or
    a read of an entity further right, which may raise, too, or end the flow.
    """

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self._values: list[Value] = []
        # place → (its value computed now, the block and the operations that do so)
        self._early: dict[int, tuple[Value, Block, list[Op]]] = {}

    def add(self, value: Value, node: ast.AST) -> None:
        """The next value, just lowered."""
        builder, block = self.builder, self.builder.current
        if block is not None and not _is_safe(value):
            before = len(block.ops)
            early = builder.settled(value, node)
            if len(block.ops) > before:
                self._early[len(self._values)] = early, block, block.ops[before:]
        self._values.append(value)

    def values(self) -> list[Value]:
        """All of them, computed early where something comes after them that may raise, or end the flow."""
        ours = {id(op) for _, _, ops in self._early.values() for op in ops}
        late: list[Value] = list(self._values)
        for place, (value, block, ops) in self._early.items():
            last = next(at for at in range(len(block.ops))[::-1] if block.ops[at] is ops[-1])
            after = [op for op in block.ops[last + 1 :] if id(op) not in ours]
            if block is not self.builder.current or any(map(decides, after)):
                late[place] = value
            else:
                taken = set(map(id, ops))
                block.ops[:] = [op for op in block.ops if id(op) not in taken]
        return late


def decides(op: Op) -> bool:
    """Whether an operation may raise, or end the flow."""
    return may_raise(op) and not isinstance(op, (Ask, Early)) and not (isinstance(op, Draw) and not op.args)


def _is_safe(value: Value) -> bool:
    """Whether making the value cannot raise, whatever its locals are."""
    if isinstance(value, Code):
        return not code_may_raise(value.node, lambda _: OTHER)
    if isinstance(value, Items):
        return all(map(_is_safe, value.items))
    return _is_at_hand(value)


def _is_at_hand(value: Value) -> bool:
    """Whether nothing is left to be computed: no matter when, and whether, somebody looks at it."""
    if isinstance(value, Code):
        return isinstance(value.node, (ast.Name, ast.Constant))
    if isinstance(value, Items):
        return all(map(_is_at_hand, value.items))
    return not isinstance(value, (Setting, Spread, Emitting, Waiting))


def may_raise(op: Op) -> bool:
    """Whether an operation must not be done where Python may skip it."""
    if isinstance(op, Let):
        return not isinstance(op.code, (ast.Name, ast.Constant))
    return not isinstance(op, (Held, Clock, Session, Unset))


def _written_in(field: ast.FormattedValue) -> list[ast.FormattedValue]:
    """The fields inside a field's format."""
    spec = field.format_spec
    parts = spec.values if isinstance(spec, ast.JoinedStr) else []
    return [part for part in parts if isinstance(part, ast.FormattedValue)]


def _value_of(field: ast.FormattedValue) -> ast.expr:
    return field.value


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
