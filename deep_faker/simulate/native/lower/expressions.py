"""Expressions as instructions: from the tree of a `plan.Expr` to the words that compute it.

The instructions give the very value that `expressions.row_function` gives, or go to the place of trouble
before anything that outlives the expression has been written, so that Python can do all of it again.

>>> from deep_faker.simulate.native.lower.assembler import Code
>>> from deep_faker.spans import Span
>>> frame = Frame(Code(), {"x": Type("int"), "y": Type("int")}, ())
>>> span = Span("shop.py", 1, 0, 5, "y = x + 1")
>>> lower(Expr("x + 1", ("x",), {}, Type("int"), span), frame, Label(), "y").type
Type(kind='int', optional=False, entity=None)
>>> lower(Expr("sorted([x])", ("x",), {}, Type("object"), span), frame, Label()) is None
True
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from deep_faker.expressions.rows import parsed
from deep_faker.plan import Expr, Type
from deep_faker.simulate.native import opcodes as op
from deep_faker.simulate.native.lower.assembler import Frame, Label, Register
from deep_faker.simulate.native.lower.comparisons import compare as compare_values
from deep_faker.simulate.native.lower.operands import BOOL, TEXTS, UnlowerableError, Val, Writer
from deep_faker.simulate.native.lower.tree import Lowering

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Operand:
    """Where a value is: its register, that of the flag of its None (None: it never is), and its type."""

    register: Register
    null: Register | None
    type: Type


def lower(expr: Expr, frame: Frame, trouble: Label, target: str | None = None) -> Operand | None:
    """Instructions that compute ``expr``; None, with nothing written, where it has no native form.

    With ``target``, a local, the value is left in its registers, as its type stores it. Without, it is
    wherever it is: constants and plain names cost no instruction.
    """

    def write(w: Writer) -> Operand:
        lowering = Lowering(w, expr.names, expr.consts)
        node = parsed(expr.text)
        want = expr.type if target is None else frame.types[target]
        shape = lowering.declared(node, expr.type)
        place: Register | None = None
        if target is not None:
            place = frame.register(target)
        elif _is_made(w, shape):
            place = frame.temporary()
        direct = place if _stores_as(shape.type, want) else None
        val = lowering.as_declared(lowering.visit(node, direct), expr.type)
        if target is None:
            return _settled(w, val, want, place)
        assert place is not None
        return _stored(w, val, want, place, frame.null(target))

    return _attempt(frame, trouble, write)


def recast(
    operand: Operand,
    want: Type,
    frame: Frame,
    trouble: Label,
    target: Register | None = None,
    null: Register | None = None,
) -> Operand | None:
    """The operand in the storage of another type, in ``target`` and ``null`` if they are given.

    None where Python has to do it: between most kinds nothing is converted.
    """

    def write(w: Writer) -> Operand:
        val = _val(operand)
        if operand.type == want and target is None:
            return operand
        if operand.type == want and target is not None:
            w.move(target, operand.register)
            if null is not None and operand.null is not None:
                w.move(null, operand.null)
            return Operand(target, null, want)
        if target is not None:
            return _stored(w, val, want, target, null)
        return _settled(w, val, want, None if _stores_as(val.type, want) else frame.temporary())

    return _attempt(frame, trouble, write)


def compare(left: Operand, op: str, right: Operand, frame: Frame, trouble: Label) -> Operand | None:
    """``left op right``, a bool; ``op`` is the name of an operator of `ast`, as ``"LtE"``."""

    def write(w: Writer) -> Operand:
        val = compare_values(w, getattr(ast, op), _val(left), _val(right))
        return Operand(w.reg(val, frame.temporary()), None, BOOL)

    return _attempt(frame, trouble, write)


def lower_test(expr: Expr, frame: Frame, trouble: Label, then: Label, other: Label) -> bool:
    """Instructions that go to ``then`` or to ``other`` by the truth of ``expr``.

    False, with nothing written, where it has no native form.
    """

    def write(w: Writer) -> bool:
        Lowering(w, expr.names, expr.consts).branch(parsed(expr.text), then, other)
        return True

    return bool(_attempt(frame, trouble, write))


def _attempt(frame: Frame, trouble: Label, write: Callable[[Writer], T]) -> T | None:
    mark = frame.code.mark()
    try:
        return write(Writer(frame, trouble))
    except UnlowerableError:
        frame.code.undo(mark)
        return None


def _val(operand: Operand) -> Val:
    if operand.type.kind == "none":
        return Val(operand.type, constant=True, value=None)
    return Val(operand.type, operand.register, operand.null)


def _is_made(w: Writer, shape: Val) -> bool:
    """Whether the value does not stand anywhere yet."""
    return not shape.constant and (shape.reg is None or shape.reg in w.scratches)


def _stores_as(have: Type, want: Type) -> bool:
    """Whether a value of one type is stored as it is by another one."""
    kinds = have.kind == want.kind or (have.kind == "code" and want.kind in ("str", "object"))
    return (
        kinds
        and have.entity == want.entity
        and (want.optional or not have.optional)
        and have.kind != "object"
    )


def _converted(w: Writer, val: Val, want: Type, dest: Register | None) -> Register:
    """The register of the value, which is not None, in the storage of ``want``."""
    if val.constant:
        kind = want.kind if want.kind != "object" else "code"
        if w.constant(val.value).kind not in (kind, *_NARROWER.get(kind, ())):
            raise UnlowerableError(f"{val.kind} stored as {want.kind}")
        return w.number(w.word_of(val.value, kind))
    if val.kind == want.kind and val.kind not in ("object", "none") and val.type.entity == want.entity:
        return w.reg(val, dest)
    if val.kind in TEXTS and want.kind in ("str", "object") and not val.type.optional:
        return w.reg(val, dest)
    if val.kind in TEXTS and want.kind == "str":
        return w.reg(val, dest)
    if want.kind == "float" and val.kind == "int":
        return w.make(op.TO_FLOAT, w.reg(val), dest=dest)
    if want.kind == "float" and val.floats is not None:
        return val.floats
    raise UnlowerableError(f"{val.kind} stored as {want.kind}")


_NARROWER: dict[str, tuple[str, ...]] = {"float": ("int",), "str": ("code",)}


def _settled(w: Writer, val: Val, want: Type, dest: Register | None) -> Operand:
    """The value wherever it is, in the storage of ``want``."""
    if val.kind == "none":
        return Operand(w.number(-1 if want.kind == "entity" else 0), *_none_of(w, want))
    if not want.optional:
        val = w.solid(val)
    elif val.table is not None and val.type.optional:
        val = w.looked_up(val, dest)
    value = w.lasting(_converted(w, val, want, dest))
    null = None if val.null is None else w.lasting(val.null)
    return Operand(value, null, Type(want.kind, null is not None, want.entity))


def _none_of(w: Writer, want: Type) -> tuple[Register | None, Type]:
    if want.kind in ("entity", "none"):
        return None, want
    if want.optional:
        return w.number(1), want
    raise UnlowerableError(f"None stored as {want.kind}")


def _stored(w: Writer, val: Val, want: Type, target: Register, null: Register | None) -> Operand:
    """The value in the registers of a local: these are written last, after all that can be trouble."""
    if val.kind == "none":
        flag, _ = _none_of(w, want)
        w.move(target, w.number(-1 if want.kind == "entity" else 0))
    else:
        if not want.optional:
            val = w.solid(val)
        elif val.table is not None and val.type.optional:
            val = w.looked_up(val, target)
        w.move(target, _converted(w, val, want, target))
        flag = w.number(0) if val.null is None else val.null
    if want.optional and null is not None and flag is not None:
        w.move(null, flag)
    return Operand(target, null if want.optional else None, want)
