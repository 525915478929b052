"""Rules of operators, displays, parts and texts."""

from __future__ import annotations

import ast
from typing import Any

from deep_faker.compile.lower.entities import entity_selected, first_of, is_selected
from deep_faker.compile.lower.event_fields import event_field, event_has
from deep_faker.compile.lower.lowering import Lowering
from deep_faker.compile.lower.names import check_param
from deep_faker.compile.lower.operands import InOrder, codes_of, evaluated, is_at_hand, operands, unpacked
from deep_faker.compile.lower.picked import element, there
from deep_faker.compile.read.values import (
    Code,
    Const,
    EventData,
    Items,
    Picked,
    Selected,
    Selection,
    Value,
    constant,
    local,
)
from deep_faker.declare.params import Params


def binary(low: Lowering, node: ast.BinOp) -> Value:
    (left, right), values = codes_of(low, [node.left, node.right])
    return low.made(ast.BinOp(left, node.op, right), values)


def unary(low: Lowering, node: ast.UnaryOp) -> Value:
    if isinstance(node.op, ast.Not):
        value = truth(low, low.visit(node.operand), node.operand)
        if isinstance(value, Const):
            return Const(not value.value)
        return Code(ast.UnaryOp(ast.Not(), low.code(value, node.operand)))
    (operand,), values = codes_of(low, [node.operand])
    return low.made(ast.UnaryOp(node.op, operand), values)


def truth(low: Lowering, value: Value, node: ast.expr) -> Value:
    """The value, with what is true or false by its nature decided."""
    if isinstance(value, EventData):
        return event_has(low, value, None)
    if isinstance(value, Selected):
        return is_selected(low, value, None, node)
    if isinstance(value, Items):
        evaluated(low, value, node)
        return Const(bool(value.items))
    if isinstance(value, (Const, Code)):
        return value
    if isinstance(value, Picked):
        return Code(local(there(low, value.handles[0], node)))
    if isinstance(value, Selection):
        raise low.limit(node, "looks at a list of entities")
    evaluated(low, value, node)
    return Const(True)


def display(low: Lowering, node: ast.List | ast.Tuple) -> Value:
    make: type[list[Any] | tuple[Any, ...]] = list if isinstance(node, ast.List) else tuple
    items = unpacked(low, node.elts, operands(low, [_unstarred(e) for e in node.elts]))
    if all(isinstance(item, Const) for item in items):
        return Const(make(item.value for item in items if isinstance(item, Const)))
    return Items(tuple(items), make)


def set_display(low: Lowering, node: ast.Set) -> Value:
    codes, values = codes_of(low, node.elts)
    return low.made(ast.Set(codes), values)


def dict_display(low: Lowering, node: ast.Dict) -> Value:
    if any(key is None for key in node.keys):
        raise low.limit(node, "a dict with **")
    parts = [part for pair in zip(node.keys, node.values, strict=True) for part in pair if part is not None]
    codes, values = codes_of(low, parts)
    return low.made(ast.Dict(list(codes[::2]), codes[1::2]), values)


def subscript(low: Lowering, node: ast.Subscript) -> Value:
    owner = low.visit(node.value)
    if isinstance(owner, Selected):
        return entity_selected(low, owner, low.visit(node.slice), node)
    if isinstance(node.slice, ast.NamedExpr):
        owner = low.settled(owner, node)
    order = InOrder(low)
    order.add(owner, node.value)
    order.add(low.visit(node.slice), node.slice)
    owner, index = order.values()
    if isinstance(owner, Const) and isinstance(owner.value, Params) and isinstance(index, Const):
        check_param(low, owner.value, index.value, node)
        return Const(owner.value[index.value])
    if isinstance(owner, Picked):
        return element(low, owner, index.value if isinstance(index, Const) else None, node)
    if isinstance(owner, (Selection, EventData, Items)):
        if isinstance(index, Const):
            return _part(low, owner, index.value, node)
        if not isinstance(owner, Items):
            raise low.limit(node, "looks at a list of entities")
        return Code(ast.Subscript(low.code(owner, node), low.code(index, node), ast.Load()))
    code = ast.Subscript(low.code(owner, node.value), low.code(index, node.slice), ast.Load())
    return low.made(code, [owner, index])


def _part(low: Lowering, owner: Value, index: Any, node: ast.Subscript) -> Value:
    if isinstance(owner, Selection):
        if index == 0 and type(index) is int:
            return first_of(low, owner, node)
        raise low.limit(node, "looks at a list of entities")
    if isinstance(owner, EventData):
        return event_field(low, owner, str(index), node)
    assert isinstance(owner, Items)
    try:
        part: Any = owner.items[index]
    except (IndexError, TypeError):
        return Code(ast.Subscript(low.code(owner, node), constant(index), ast.Load()))
    if not all(is_at_hand(item) for item in owner.items if item is not part):
        # Python makes them all
        owner = low.settled(owner, node)
        assert isinstance(owner, Items)
        part = owner.items[index]
    return Items(part, owner.make) if isinstance(part, tuple) else part


def slice_of(low: Lowering, node: ast.Slice) -> Value:
    parts = [part or constant(None) for part in (node.lower, node.upper, node.step)]
    codes, values = codes_of(low, parts)
    if all(isinstance(value, Const) for value in values):
        return Const(slice(*(value.value for value in values if isinstance(value, Const))))
    return Code(ast.Slice(*codes))


def f_string(low: Lowering, node: ast.JoinedStr) -> Value:
    fields = [part for part in node.values if isinstance(part, ast.FormattedValue)]
    # a field, then what its format says, then the next field
    parts = [part for field in fields for part in (field.value, *map(_value_of, _written_in(field)))]
    codes, values = codes_of(low, parts)
    rest = iter(codes)
    done: dict[int, ast.expr] = {}
    for field in fields:
        code, spec = next(rest), field.format_spec
        if isinstance(spec, ast.JoinedStr):
            inside = {id(p): ast.FormattedValue(next(rest), p.conversion, None) for p in _written_in(field)}
            spec = ast.JoinedStr([inside.get(id(part), part) for part in spec.values])
        done[id(field)] = ast.FormattedValue(code, field.conversion, spec)
    text = ast.JoinedStr([done.get(id(part), part) for part in node.values])
    return low.made(text, values)


def _written_in(field: ast.FormattedValue) -> list[ast.FormattedValue]:
    """The fields inside a field's format."""
    spec = field.format_spec
    parts = spec.values if isinstance(spec, ast.JoinedStr) else []
    return [part for part in parts if isinstance(part, ast.FormattedValue)]


def _value_of(field: ast.FormattedValue) -> ast.expr:
    return field.value


def _unstarred(node: ast.expr) -> ast.expr:
    return node.value if isinstance(node, ast.Starred) else node
