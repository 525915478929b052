"""``products = yield Select(ctx, Product, n=3, shared=True)``: a list of entities, and its uses."""

from __future__ import annotations

import ast

from deep_faker.compile.graph.ir import Picks
from deep_faker.compile.lower.entities import into
from deep_faker.compile.lower.lowering import Lowering
from deep_faker.compile.read.values import Code, Picked, Selecting, Value, constant, local
from deep_faker.plan import Held, Need, Use


def pick_list(low: Lowering, select: Selecting, node: ast.AST) -> Picked:
    """One pick after the other, each of what the ones before have left; the flow uses the first then."""
    if select.dynamic:
        raise low.limit(node, "a list by values of the flow")
    handles: list[str] = []
    for _ in range(select.n or 0):
        following = low.block()
        low.end(
            Picks(
                select.entity,
                select.static,
                select.shared,
                select.weight,
                (),
                following,
                low.span(node),
                apart=tuple(handles),
                listed=None if handles else select.n,
            )
        )
        low.start(following)
        handles.append(low.as_local(into(low, Held(low.fresh(), select.entity.name)), node))
    low.emit(Use(select.entity.name, handles[0], low.span(node)))
    return Picked(select.entity, tuple(handles))


def there(low: Lowering, handle: str, node: ast.AST) -> str:
    """A bool local: whether an entity of the list is there."""
    return low.let(ast.Compare(local(handle), [ast.IsNot()], [constant(None)]), node)


def element(low: Lowering, picked: Picked, index: object, node: ast.expr) -> Value:
    """``products[1]``; where there are not so many, the flow ends (S5)."""
    if type(index) is not int or index < 0:
        raise low.limit(node, "looks at a list of entities from its end, or by a slice")
    if index >= len(picked.handles):
        label = f"[{index}] of a list of {len(picked.handles)}"
        raise low.wrong(node, "an entity that is never there", label, "give Select a greater n=")
    low.emit(Need(picked.handles[index], low.span(node)))
    return Code(local(picked.handles[index]))


def length(low: Lowering, picked: Picked, node: ast.expr) -> Code:
    """``len(products)``."""
    count: ast.expr = constant(0)
    for handle in picked.handles:
        one = ast.Call(constant(int), [local(there(low, handle, node))], [])
        count = ast.BinOp(count, ast.Add(), one)
    return Code(count)
