"""Rules of names: what they stand for, and what they come to stand for."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from deep_faker.compile.graph.ir import target_of, with_target
from deep_faker.compile.graph.unset import FREE
from deep_faker.compile.lower.lowering import Lowering
from deep_faker.compile.read.scopes import MISSING, Scope, only_near
from deep_faker.compile.read.values import (
    Code,
    Const,
    Items,
    Value,
    local,
)
from deep_faker.declare.foreign import foreign_name, refusal
from deep_faker.declare.params import Params


def constant_value(_: Lowering, node: ast.Constant) -> Value:
    return Const(node.value)


def name(low: Lowering, node: ast.Name) -> Value:
    owner = low.scope.owner(node.id)
    if owner is not None:
        known = owner.known.get(node.id)
        if known is not None:
            return known
        if low.is_vague(owner, node.id):
            raise low.limit(node, f"{node.id} is set in some ways to this line only, or to different things")
        if node.id in owner.arguments or owner.bound[node.id]:
            read = local(owner.variable(node.id))
            # read of a function around this one: Python has words of its own where it is not set
            return Code(read if owner is low.scope else local(low.let(read, node, low.fresh(FREE))))
    value = low.scope.outside(node.id)
    if value is MISSING:
        label = f"{node.id!r} is not defined"
        mend = low.scope.near(node.id) or "define it, or import it"
        raise low.wrong(node, "unknown name", label, mend)
    return allowed(low, Const(value), node)


def allowed(low: Lowering, value: Const, node: ast.expr) -> Const:
    """The constant, unless it is a source of numbers that no seed reaches (F3)."""
    name = foreign_name(value.value)
    if name is not None:
        raise low.wrong(node, *refusal(name))
    return value


def attribute_of(low: Lowering, owner: Const, node: ast.Attribute) -> Const:
    """An attribute of a constant."""
    if isinstance(owner.value, Params):
        check_param(low, owner.value, node.attr, node)
    try:
        return allowed(low, Const(getattr(owner.value, node.attr)), node)
    except AttributeError:
        shown = ast.unparse(node.value)
        names = [name for name in dir(owner.value) if not name.startswith("_")]
        label = f"{shown} has no {node.attr!r}"
        raise low.wrong(
            node, "unknown attribute", label, only_near(node.attr, names) or f"see dir({shown})"
        ) from None


def check_param(low: Lowering, params: Params, name: object, node: ast.expr) -> None:
    """Refuse what is no parameter of the simulation."""
    if name not in params and not (isinstance(name, str) and hasattr(Mapping, name)):
        fact, _, mend = params.unknown(name).partition("; ")
        raise low.wrong(node, "unknown parameter", fact, mend)


def bind(
    low: Lowering, name: str, value: Value, node: ast.AST, *, once: bool = True, fresh: bool = True
) -> None:
    """``name = value``. Names that are bound once may stand for what is no value of a local."""
    scope = low.scope
    if name not in scope.bound:  # a walrus in an inner expression of another scope
        raise low.limit(node, f"assigns {name}")
    once = once and scope.bound[name] == 1 and name not in scope.arguments
    if isinstance(value, Code):
        assign(low, scope.variable(name), value, node, fresh=fresh)
        return
    if not once and not isinstance(value, (Const, Items)):
        raise low.limit(node, f"{name} stands for different things")
    value = low.settled(value, node)
    _stored(low, scope, name, value, node)
    if once:
        scope.learn(name, value)


def _stored(low: Lowering, scope: Scope, name: str, value: Value, node: ast.AST) -> None:
    """The value in the name's local, for where it is not known which value the name stands for."""
    if isinstance(value, Const) or (isinstance(value, Items) and _is_plain(value)):
        low.let(low.code(value, node), node, scope.variable(name))
    else:
        low.make_vague(scope, name)


def assign(low: Lowering, target: str, value: Value, node: ast.AST, *, fresh: bool) -> None:
    code = low.code(value, node)
    ops = low.current.ops if low.current is not None else []
    if (
        fresh
        and isinstance(code, ast.Name)
        and code.id.startswith("t_")
        and ops
        and target_of(ops[-1]) == code.id
    ):
        ops[-1] = with_target(ops[-1], target)
        return
    low.let(code, node, target)


def learn(low: Lowering, name: str, value: Value) -> None:
    """A name for what no local can hold."""
    low.make_vague(low.scope, name)
    low.scope.learn(name, value)


def named_expr(low: Lowering, node: ast.NamedExpr) -> Value:
    bind(low, node.target.id, low.visit(node.value), node)
    return name(low, ast.Name(node.target.id, ast.Load()))


def _is_plain(value: Value) -> bool:
    """Whether a local can hold it."""
    if isinstance(value, Items):
        return all(map(_is_plain, value.items))
    return isinstance(value, (Const, Code))
