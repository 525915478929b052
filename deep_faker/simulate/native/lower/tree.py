"""From the tree of an expression to the instructions of its parts, node by node."""

from __future__ import annotations

import ast
import builtins
import enum
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import ModuleType

from deep_faker.plan import Type
from deep_faker.plan.storage import join
from deep_faker.simulate.native import opcodes as op
from deep_faker.simulate.native.lower.assembler import Label, Register
from deep_faker.simulate.native.lower.comparisons import compare
from deep_faker.simulate.native.lower.functions import call_function, call_method, time_attribute
from deep_faker.simulate.native.lower.lookups import subscript
from deep_faker.simulate.native.lower.operands import BOOL, OBJECT, Test, UnlowerableError, Val, Writer
from deep_faker.simulate.native.lower.operators import binary, unary


class Lowering:
    """One expression: ``visit`` writes the instructions of a node.

    A register ``dest`` that is given to it may become that of its value. It is written last: after that
    nothing of the node reads a local, or can be trouble.
    """

    def __init__(self, w: Writer, names: Sequence[str], consts: Mapping[str, object]) -> None:
        self.w, self.names, self.consts = w, names, consts
        self.shapes: dict[ast.expr, Val] = {}
        self.writing: set[ast.expr] = set()  # nodes that need an instruction
        self.trials = 0  # more than none: only shapes are wanted

    def visit(self, node: ast.expr, dest: Register | None = None) -> Val:
        rule = _RULES.get(type(node))
        if rule is None:
            raise UnlowerableError(f"a {type(node).__name__}")
        return rule(self, node, dest)

    def shape(self, node: ast.expr) -> Val:
        """What ``visit`` will give, with nothing written: its type counts, its registers do not."""
        if node not in self.shapes:
            self.shapes[node] = self._tried(node, lambda: self.visit(node))
        return self.shapes[node]

    def declared(self, node: ast.expr, type_: Type) -> Val:
        """The shape of a node that is used as the expression's own type says."""
        shape = self.shape(node)
        return self._tried(node, lambda: self.as_declared(shape, type_))

    def as_declared(self, val: Val, type_: Type) -> Val:
        """The value as the expression's own type says it is used: by its truth where that is bool."""
        if type_.kind == "bool" and val.kind != "bool" and not (type_.optional and val.kind == "none"):
            return self.w.truth(val)
        return val

    def _tried(self, node: ast.expr, write: Callable[[], Val]) -> Val:
        mark, used = self.w.code.mark(), self.w.used
        self.trials += 1
        val = write()
        self.trials -= 1
        if self.w.code.mark() != mark:
            self.writing.add(node)
        self.w.code.undo(mark)
        self.w.used = used
        return val

    def known(self, node: ast.expr, val: Val) -> bool:
        """Whether a value is constant, so that its node can be left out."""
        if val.constant and node in self.writing:
            raise UnlowerableError("a known value whose parts may raise")  # as (1, 2)[x] == None
        return val.constant

    def decided(self, node: ast.expr) -> bool | None:
        """The truth of a node, where that is known while the tree is read."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            truth = self.decided(node.operand)
            return None if truth is None else not truth
        if isinstance(node, ast.BoolOp):
            both = isinstance(node.op, ast.And)
            return next((d for each in node.values if (d := self.decided(each)) is not both), both)
        shape = self.shape(node)
        tested = self._tried(node, lambda: self.w.truth(shape))
        return bool(tested.value) if self.known(node, tested) else None

    def branch(self, node: ast.expr, then: Label, other: Label) -> None:
        """To one of two places by the truth of a node."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            self.branch(node.operand, other, then)
        elif isinstance(node, ast.BoolOp):
            both = isinstance(node.op, ast.And)
            for each in node.values[:-1]:
                following = Label()
                self.branch(each, *((following, other) if both else (then, following)))
                self.w.code.place(following)
            self.branch(node.values[-1], then, other)
        elif isinstance(node, ast.Compare) and len(node.ops) > 1:
            self._chain(node, then, other)
        else:
            self.w.branch(self.visit(node), then, other)

    # ------------------------------------------------ leaves

    def constant(self, node: ast.Constant, _: Register | None) -> Val:
        return self.w.constant(node.value)

    def name(self, node: ast.Name, _: Register | None) -> Val:
        if node.id in self.names:
            frame = self.w.frame
            type_ = frame.types[node.id]
            if type_.kind == "none":
                return self.w.constant(None)
            if type_.kind == "object":
                raise UnlowerableError("an object")
            return Val(type_, frame.register(node.id), frame.null(node.id))
        if node.id in self.consts:
            return self.w.constant(self.consts[node.id])
        if hasattr(builtins, node.id):
            return self.w.constant(getattr(builtins, node.id))
        raise UnlowerableError(f"the name {node.id!r} is not known")

    def display(self, node: ast.Tuple | ast.List | ast.Set, _: Register | None) -> Val:
        if any(isinstance(e, ast.Starred) for e in node.elts):
            raise UnlowerableError("a collection with a star")
        values = [self.visit(e) for e in node.elts]
        make: Callable[[list[object]], object] = {ast.Tuple: tuple, ast.List: list, ast.Set: set}[type(node)]
        if all(v.constant for v in values):
            return replace(self.w.fold(make, [v.value for v in values]), type=OBJECT)
        if isinstance(node, ast.Tuple):
            return self.w.by_value(lambda *entries: entries, values, OBJECT)
        raise UnlowerableError("makes a collection")

    def slice(self, node: ast.Slice, _: Register | None) -> Val:
        parts = [self.visit(p) if p else self.w.constant(None) for p in (node.lower, node.upper, node.step)]
        return self.w.by_value(slice, parts, OBJECT)

    # ------------------------------------------------ operators

    def unary(self, node: ast.UnaryOp, dest: Register | None) -> Val:
        operand = self.visit(node.operand)
        if isinstance(node.op, ast.Not):
            return self.w.negated(self.w.truth(operand))
        return unary(self.w, type(node.op), operand, dest)

    def binary(self, node: ast.BinOp, dest: Register | None) -> Val:
        left = self.visit(node.left)
        return binary(self.w, type(node.op), left, self.visit(node.right), dest)

    def compare(self, node: ast.Compare, dest: Register | None) -> Val:
        if len(node.ops) > 1:
            return self._by_jumps(lambda then, other: self._chain(node, then, other), dest)
        left = self.visit(node.left)
        return self._compared(type(node.ops[0]), left, node.comparators[0])[1]

    def _compared(self, sign: type[ast.AST], left: Val, node: ast.expr) -> tuple[Val, Val]:
        """The right side, and the comparison with it."""
        if sign in (ast.In, ast.NotIn) and isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            values = [self.visit(e) for e in node.elts]
            if not all(v.constant for v in values) and not any(v.kind in ("float", "object") for v in values):
                return Val(OBJECT), self._among(sign, left, values)
        right = self.visit(node)
        return right, compare(self.w, sign, left, right)

    def _among(self, sign: type[ast.AST], left: Val, values: list[Val]) -> Val:
        """``left in (a, b)`` with locals: equal to one of them."""
        is_one: Register | None = None
        left = self.w.named(left)
        for value in values:
            each = compare(self.w, ast.Eq, left, value)
            if each.constant and not each.value:
                continue
            reg = self.w.reg(each)
            is_one = reg if is_one is None else self.w.make(op.ORI, is_one, reg)
        if is_one is None:
            return self.w.constant(sign is ast.NotIn)
        return Val(BOOL, test=Test("flag", is_one, negated=sign is ast.NotIn))

    def _chain(self, node: ast.Compare, then: Label, other: Label) -> None:
        """``a < b < c``: goes on to ``c`` only where ``a < b``."""
        left = self.visit(node.left)
        for sign, right_node in zip(node.ops, node.comparators, strict=True):
            if right_node is node.comparators[-1]:
                self.w.branch(self._compared(type(sign), left, right_node)[1], then, other)
                return
            right = self.w.named(self.visit(right_node))
            following = Label()
            self.w.branch(compare(self.w, type(sign), left, right), following, other)
            self.w.code.place(following)
            left = right

    def _by_jumps(self, branch: Callable[[Label, Label], None], dest: Register | None) -> Val:
        """0 or 1, by the place to which ``branch`` goes."""
        target = self.w.scratch() if dest is None else dest
        then, other, end = Label(), Label(), Label()
        branch(then, other)
        self.w.code.place(then)
        self.w.move(target, self.w.number(1))
        self.w.put(op.GOTO, end)
        self.w.code.place(other)
        self.w.move(target, self.w.number(0))
        self.w.code.place(end)
        return Val(BOOL, target)

    # ------------------------------------------------ choices

    def boolean(self, node: ast.BoolOp, dest: Register | None) -> Val:
        """``and`` and ``or``: a later operand counts only where one gets to it."""
        both = isinstance(node.op, ast.And)
        operands = self._reached(node.values, both=both)
        shapes = [self.shape(each) for each in operands]
        if len(operands) == 1:
            return self.visit(operands[0], dest)
        if all(s.type == BOOL for s in shapes) and not self.trials:
            return self._by_jumps(lambda then, other: self.branch(node, then, other), dest)
        choice = _Choice(self.w, shapes, dest)
        if self.trials:
            return choice.result()
        end = Label()
        for each in operands[:-1]:
            following, done = Label(), Label()
            val = self.w.named(self.visit(each))
            self.w.branch(val, *((following, done) if both else (done, following)))
            self.w.code.place(done)
            choice.take(val)
            self.w.put(op.GOTO, end)
            self.w.code.place(following)
        choice.take(self.visit(operands[-1], choice.direct(shapes[-1])))
        self.w.code.place(end)
        return choice.result()

    def _reached(self, nodes: Sequence[ast.expr], *, both: bool) -> list[ast.expr]:
        """The operands that can be the value: constants decide while the tree is read."""
        out: list[ast.expr] = []
        for node in nodes:
            shape = self.shape(node)
            known = self.known(node, shape)
            if known and node is not nodes[-1] and bool(shape.value) == both:
                continue
            out.append(node)
            if known:
                break
        return out

    def choice(self, node: ast.IfExp, dest: Register | None) -> Val:
        test = self.decided(node.test)
        if test is not None:
            return self.visit(node.body if test else node.orelse, dest)
        shapes = [self.shape(node.body), self.shape(node.orelse)]
        choice = _Choice(self.w, shapes, dest)
        if choice.is_none:
            return self.w.constant(None)
        if self.trials:
            return choice.result()
        if choice.is_plain and not isinstance(node.test, ast.BoolOp):
            flag = self.w.reg(self.w.truth(self.visit(node.test)))
            return choice.select(flag, self.visit(node.body), self.visit(node.orelse))
        then, other, end = Label(), Label(), Label()
        self.branch(node.test, then, other)
        self.w.code.place(then)
        choice.take(self.visit(node.body, choice.direct(shapes[0])))
        self.w.put(op.GOTO, end)
        self.w.code.place(other)
        choice.take(self.visit(node.orelse, choice.direct(shapes[1])))
        self.w.code.place(end)
        return choice.result()

    # ------------------------------------------------ parts and calls

    def subscript(self, node: ast.Subscript, _: Register | None) -> Val:
        owner = self.visit(node.value)
        return subscript(self.w, owner, self.visit(node.slice))

    def attribute(self, node: ast.Attribute, dest: Register | None) -> Val:
        owner = self.visit(node.value)
        if owner.constant:
            if isinstance(owner.value, (ModuleType, type, enum.Enum)) or owner.kind not in ("object", "none"):
                return self.w.fold(getattr, owner.value, node.attr)
            raise UnlowerableError(f"reads .{node.attr} of an object")
        done = time_attribute(self.w, owner, node.attr, dest)
        if done is None and owner.table is not None:
            done = self.w.by_value(operator.attrgetter(node.attr), [owner], None)
        if done is None:
            raise UnlowerableError(f"reads .{node.attr}")
        return done

    def call(self, node: ast.Call, dest: Register | None) -> Val:
        if any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords):
            raise UnlowerableError("a call with a star")
        if isinstance(node.func, ast.Attribute):
            owner = self.visit(node.func.value)
            if not (owner.constant and isinstance(owner.value, (ModuleType, type))):
                return call_method(self.w, owner, node.func.attr, *self._arguments(node), dest)
        function = self.visit(node.func)
        if not function.constant:
            raise UnlowerableError("calls a value")
        return call_function(self.w, function.value, *self._arguments(node), dest)

    def _arguments(self, node: ast.Call) -> tuple[list[Val], dict[str, Val]]:
        args = [self.visit(a) for a in node.args]
        return args, {k.arg: self.visit(k.value) for k in node.keywords if k.arg is not None}


class _Choice:
    """A value that is one of several, by which way the flow goes."""

    def __init__(self, w: Writer, shapes: Sequence[Val], dest: Register | None) -> None:
        self.w = w
        self.type: Type = shapes[0].type
        for shape in shapes[1:]:
            self.type = join(self.type, shape.type)
        self.is_none = self.type.kind == "none"
        self.mixed = self.type.kind == "object"
        if self.mixed and not all(w.numeric(s) and s.kind != "bool" for s in shapes):
            raise UnlowerableError("a value of several kinds")
        self.is_plain = not self.mixed and not self.is_none and all(map(w.stands, shapes))
        self.value = w.scratch() if dest is None or self.mixed else dest
        self.null = w.scratch() if self.type.optional else None

    def direct(self, shape: Val) -> Register | None:
        """Where a value of this shape may be written at once."""
        return self.value if shape.kind == self.type.kind and not self.mixed else None

    def take(self, val: Val) -> None:
        """It is ``val`` on this way."""
        w = self.w
        if self.mixed:
            w.move(self.value, w.floats(w.solid(val), exact=True))
            return
        if val.kind == "none":
            if self.null is not None:
                w.move(self.null, w.number(1))
            w.move(self.value, w.number(-1 if self.type.kind == "entity" else 0))
            return
        if val.table is not None and val.type.optional:
            val = w.looked_up(val, self.value)
        if val.constant:
            w.move(self.value, w.number(w.word_of(val.value, self.type.kind)))
        else:
            w.move(self.value, w.reg(val, self.value))
        if self.null is not None:
            w.move(self.null, w.number(0) if val.null is None else val.null)

    def select(self, flag: Register, *vals: Val) -> Val:
        """One of two that stand somewhere, by a flag."""
        kind, w = self.type.kind, self.w
        sources = [w.number(w.word_of(v.value, kind)) if v.constant else w.reg(v) for v in vals]
        return Val(self.type, w.make(op.SELECT, flag, *sources, dest=self.value))

    def result(self) -> Val:
        if self.mixed:
            return Val(OBJECT, floats=self.value)
        return Val(self.type, self.value, self.null)


_RULES: dict[type[ast.AST], Callable[..., Val]] = {
    ast.Constant: Lowering.constant,
    ast.Name: Lowering.name,
    ast.Tuple: Lowering.display,
    ast.List: Lowering.display,
    ast.Set: Lowering.display,
    ast.Slice: Lowering.slice,
    ast.UnaryOp: Lowering.unary,
    ast.BinOp: Lowering.binary,
    ast.Compare: Lowering.compare,
    ast.BoolOp: Lowering.boolean,
    ast.IfExp: Lowering.choice,
    ast.Subscript: Lowering.subscript,
    ast.Attribute: Lowering.attribute,
    ast.Call: Lowering.call,
}
