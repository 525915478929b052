"""Rules of assignments: names, unpacking, lists that grow."""

from __future__ import annotations

import ast

from deep_faker.compile.graph.ir import Let
from deep_faker.compile.lower.calls import check_iterator
from deep_faker.compile.lower.lowering import Lowering
from deep_faker.compile.lower.names import bind
from deep_faker.compile.lower.operands import codes_of
from deep_faker.compile.read.appended_lists import appended, extended, growth
from deep_faker.compile.read.values import (
    Code,
    Const,
    Items,
    Value,
    constant,
    local,
)
from deep_faker.expressions import ValueCall


def assign_all(low: Lowering, node: ast.Assign) -> None:
    check_iterator(low, node.value)
    value = low.visit(node.value)
    if len(node.targets) > 1:
        value = low.settled(value, node)
    for target in node.targets:
        assign_to(low, target, value, node, fresh=len(node.targets) == 1)


def ann_assign(low: Lowering, node: ast.AnnAssign) -> None:
    if node.value is not None:
        assign_to(low, node.target, low.visit(node.value), node)


def aug_assign(low: Lowering, node: ast.AugAssign) -> None:
    if not isinstance(node.target, ast.Name):
        raise low.limit(node, "changes a value in place")
    if has_grown(low, node):
        return
    read = ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target)
    (left, right), _ = codes_of(low, [read, node.value])
    result = low.fresh()
    code = ast.copy_location(ast.BinOp(left, node.op, right), node)
    low.emit(Let(result, code, low.span(node), augmented=True))
    bind(low, node.target.id, Code(local(result)), node, once=False)


def assign_to(
    low: Lowering, target: ast.expr, value: Value, node: ast.AST, *, once: bool = True, fresh: bool = True
) -> None:
    """Assign to a name, or unpack."""
    if isinstance(target, ast.Name):
        bind(low, target.id, value, node, once=once, fresh=fresh)
    elif isinstance(target, (ast.Tuple, ast.List)):
        _unpack(low, target, value, node, once=once)
    elif isinstance(target, ast.Attribute):
        owner = ast.unparse(target.value)
        raise low.limit(node, f"assigns to an attribute of {owner}")
    elif isinstance(target, ast.Subscript):
        raise low.limit(node, f"changes {ast.unparse(target.value)} in place")
    else:
        raise low.limit(node, "a star in an assignment")


def _unpack(low: Lowering, target: ast.Tuple | ast.List, value: Value, node: ast.AST, *, once: bool) -> None:
    stars = [position for position, part in enumerate(target.elts) if isinstance(part, ast.Starred)]
    count = len(target.elts)
    if isinstance(value, Const):
        values = value.value
        try:
            value = Items(tuple(map(Const, values)), tuple)
        except TypeError:
            raise low.limit(node, f"unpacks {values!r}") from None
    if stars:
        _unpack_star(low, target, value, node, stars[0], once=once)
        return
    if isinstance(value, Items):
        if len(value.items) != count:
            label = f"{len(value.items)} values for {count} names"
            mend = "give one name for each value, or gather the rest: first, *rest = …"
            raise low.wrong(node, "wrong number of values to unpack", label, mend)
        value = low.settled(value, node)  # a, b = b, a
        assert isinstance(value, Items)
        for part, item in zip(target.elts, value.items, strict=True):
            assign_to(low, part, item, node, once=once, fresh=False)
        return
    whole = low.as_local(value, node)
    for index, part in enumerate(target.elts):
        part_code = Code(ast.Subscript(local(whole), constant(index), ast.Load()))
        assign_to(low, part, Code(local(low.let(part_code.node, node))), node, once=once)


def _unpack_star(
    low: Lowering, target: ast.Tuple | ast.List, value: Value, node: ast.AST, star: int, *, once: bool
) -> None:
    """``first, *rest = …`` of items that are known one by one."""
    after = len(target.elts) - star - 1
    if not isinstance(value, Items) or len(value.items) < star + after:
        raise low.limit(node, "a star in an assignment")
    items = value.items
    rest = items[star : len(items) - after]
    constants = [item.value for item in rest if isinstance(item, Const)]
    middle: Value = Const(constants) if len(constants) == len(rest) else Items(rest, list)
    parts = [part.value if isinstance(part, ast.Starred) else part for part in target.elts]
    display = Items((*items[:star], middle, *items[len(items) - after :]), tuple)
    _unpack(low, ast.Tuple(parts, ast.Store()), display, node, once=once)


def has_grown(low: Lowering, node: ast.stmt) -> bool:
    """A list that has one name only is made longer: a new one in its place."""
    grown = growth(node)
    if grown is None or grown[0] not in low.scope.growing:
        return False
    name, method, item = grown
    codes, _ = codes_of(low, [ast.copy_location(ast.Name(name, ast.Load()), node), item])
    make = ValueCall(appended if method == "append" else extended, "object")
    bind(low, name, Code(ast.Call(constant(make), codes, [])), node, once=False)
    return True
