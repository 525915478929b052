"""Rules of lambdas and comprehensions, and functions that look through a list that is written out."""

from __future__ import annotations

import ast
import sys
from typing import Any

from deep_faker.compile.graph.ir import Attr, Let
from deep_faker.compile.lower.expressions import truth
from deep_faker.compile.lower.inline import inline
from deep_faker.compile.lower.lowering import Lowering, Trial
from deep_faker.compile.lower.operands import is_skippable, may_raise
from deep_faker.compile.lower.whole import whole
from deep_faker.compile.read.scopes import Local
from deep_faker.compile.read.source import function_of
from deep_faker.compile.read.values import Code, Const, Items, Value, constant
from deep_faker.compile.read.whole_expressions import Opaque, bound_inside
from deep_faker.expressions import ValueCall

_UNROLLED = 32
# Functions that go through all of a generator expression at once.
_WHOLE = (sum, min, max, list, tuple, len, any, all)


def inner_lambda(low: Lowering, node: ast.Lambda) -> Value:
    return Local(function_of(node, node.args, node.body), low.scope, node)


def list_comp(low: Lowering, node: ast.ListComp | ast.GeneratorExp) -> Value:
    make: type[list[Any] | tuple[Any, ...]] = list if isinstance(node, ast.ListComp) else tuple
    items = turns_of(low, node)
    if items is None:
        return whole(low, node)
    if all(isinstance(item, Const) for item in items):
        return Const(make(item.value for item in items if isinstance(item, Const)))
    return Items(tuple(items), make)


def turns_of(
    low: Lowering, node: ast.ListComp | ast.GeneratorExp, *, lazily: bool = False
) -> list[Value] | None:
    """The items, where what is gone through is known; None if they have to be made at once."""
    with low.trying() as trial:
        turns = _turns(low, node, lazily=lazily)
        if turns is not None:
            trial.keep()
        return turns


def _turns(low: Lowering, node: ast.ListComp | ast.GeneratorExp, *, lazily: bool) -> list[Value] | None:
    if len(node.generators) != 1 or any(isinstance(part, ast.NamedExpr) for part in ast.walk(node)):
        return None
    generator = node.generators[0]
    items = _gone_through(low, generator.iter)
    if items is None:
        return None
    parts = [part for part in ast.walk(generator.target) if isinstance(part, ast.Name)]
    if any(isinstance(part, ast.Starred) for part in ast.walk(generator.target)):
        return None
    arguments = ast.arguments(
        [], [ast.copy_location(ast.arg(p.id), p) for p in parts], None, [], [], None, []
    )
    tests = [Local(function_of(node, arguments, test), low.scope) for test in generator.ifs]
    make = Local(function_of(node, arguments, node.elt), low.scope)
    out: list[Value] = []
    first = low.here()
    for item in items:
        turn = low.here()
        args = _spread(generator.target, item)
        if args is None:
            return None
        kept = True
        for test in tests:
            holds = truth(low, inline(low, test, (args, {}), node), node)
            if not isinstance(holds, Const):
                return None
            kept = kept and bool(holds.value)
        if kept:
            value = inline(low, make, (args, {}), node)
            out.append(value if lazily else low.settled(value, node))
        if lazily and len(out) > 1 and not _is_again(low, first, turn):
            return None
    return out


def _is_again(low: Lowering, first: Trial, turn: Trial) -> bool:
    """Whether a turn that Python may not get to does no more than read what the turns before it read."""
    ops, last = low.written_since(first), low.written_since(turn)
    if ops is None or last is None:
        return False
    copies = {op.target: op.code.id for op in ops if isinstance(op, Let) and isinstance(op.code, ast.Name)}
    reads = [(copies.get(op.owner, op.owner), op.name) if isinstance(op, Attr) else None for op in ops]
    begin = len(ops) - len(last)
    done = set(reads[:begin])
    return all(
        read in done if read is not None else not may_raise(op)
        for op, read in zip(last, reads[begin:], strict=True)
    )


def _gone_through(low: Lowering, node: ast.expr) -> list[Value] | None:
    value = low.visit(node) if is_skippable(low, node) else None
    items: list[Value] | None = None
    if isinstance(value, Items):
        items = list(value.items)
    elif isinstance(value, Const) and hasattr(value.value, "__len__") and len(value.value) <= _UNROLLED:
        try:
            items = [Const(item) for item in value.value]
        except TypeError:
            items = None
    return items if items is not None and len(items) <= _UNROLLED else None


def looked_through(low: Lowering, function: object, node: ast.Call) -> Value | None:
    """``sum([a, b])``, ``any(… for x in (1, 2))`` and the like over items that are known one by one."""
    if function not in _WHOLE or len(node.args) != 1 or node.keywords:
        return None
    if not isinstance(node.args[0], (ast.List, ast.Tuple, ast.ListComp, ast.GeneratorExp)):
        return None
    with low.trying() as trial:
        value = _looked_through(low, function, node.args[0], node)
        if value is not None:
            trial.keep()
        return value


def _looked_through(low: Lowering, function: Any, argument: ast.expr, node: ast.Call) -> Value | None:
    lazily = isinstance(argument, ast.GeneratorExp) and function in (any, all)
    value: Value | None
    if isinstance(argument, ast.GeneratorExp):
        # any() and all() stop at the first item that decides: the others must do nothing
        quiet = Opaque(low.scope, reads=True, bound=bound_inside(argument))
        if lazily and not quiet.is_quiet(argument.elt):
            return None
        turns = turns_of(low, argument, lazily=lazily)
        value = Items(tuple(turns), tuple) if turns is not None else None
    else:
        value = low.visit(argument)
    if not isinstance(value, Items) or not value.items:
        return None
    items = value if lazily else low.settled(value, node)
    assert isinstance(items, Items)
    codes = [low.code(item, node) for item in items.items]
    if function is len:
        return Const(len(codes))
    if function in (any, all):
        tests: list[ast.expr] = [ast.Call(constant(bool), [code], []) for code in codes]
        joined = (
            tests[0] if len(tests) == 1 else ast.BoolOp(ast.Or() if function is any else ast.And(), tests)
        )
        return Code(joined)
    if function in (min, max):
        return items.items[0] if len(codes) == 1 else Code(ast.Call(constant(function), codes, []))
    if function is sum:
        return Code(_sum(codes))
    return Items(items.items, function)


def text_joined(low: Lowering, separator: str, items: Items, node: ast.expr) -> Code:
    """``separator.join([a, b])``."""
    codes = [low.code(item, node) for item in items.items]
    return Code(ast.Call(constant(ValueCall(_Joined(separator), "str")), codes, []))


class _Joined:
    def __init__(self, separator: str) -> None:
        self.separator = separator

    def __call__(self, *parts: str) -> str:
        return self.separator.join(parts)


def _sum(codes: list[ast.expr]) -> ast.expr:
    if sys.version_info >= (3, 12):  # sums of floats are compensated there
        return ast.Call(constant(ValueCall(_added, "object")), codes, [])
    total: ast.expr = constant(0)
    for code in codes:
        total = ast.BinOp(total, ast.Add(), code)
    return total


def _added(*values: Any) -> Any:
    return sum(values)


def _spread(target: ast.expr, item: Value) -> list[Value] | None:
    """The values of the names in a target, in their order."""
    if isinstance(target, ast.Name):
        return [item]
    if not isinstance(target, (ast.Tuple, ast.List)):
        return None
    if isinstance(item, Const):
        try:
            item = Items(tuple(map(Const, item.value)), tuple)
        except TypeError:
            return None
    if not isinstance(item, Items) or len(item.items) != len(target.elts):
        return None
    out: list[Value] = []
    for part, value in zip(target.elts, item.items, strict=True):
        spread = _spread(part, value)
        if spread is None:
            return None
        out += spread
    return out
