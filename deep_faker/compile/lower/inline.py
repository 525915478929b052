"""The body of a helper in the place of its call."""

from __future__ import annotations

import ast
from types import FunctionType

from deep_faker.compile.graph.ir import Unset
from deep_faker.compile.lower.lowering import Lowering
from deep_faker.compile.lower.operands import Arguments, evaluated, value_of
from deep_faker.compile.read.scopes import Local, Scope
from deep_faker.compile.read.source import NotCompiled, read_source, yields
from deep_faker.compile.read.values import Code, Const, Items, Value, constant, is_scalar, local

_DEPTH = 40


def inline(
    low: Lowering,
    callee: FunctionType | Local,
    arguments: Arguments,
    node: ast.expr,
    *,
    flow: bool = False,
    tail: bool = False,
) -> Value:
    """The body of a helper (``flow``: of a sub-flow) in the place of its call; gives what it returns.

    With ``tail`` the flow ends where the body does.
    """
    scope = _helper_scope(low, callee, node)
    for name in scope.bound.keys() - scope.arguments:
        low.emit(Unset(scope.variable(name), low.span(node)))  # whatever an earlier call left there
    if bool(yields(scope.node)) != flow and not tail:
        raise low.limit(
            node, f"{scope.node.name}() is a generator" if not flow else "yield from something else"
        )
    _bind_arguments(low, scope, callee, arguments, node)
    exit_ = None if tail else low.block()
    returns = [n for n in ast.walk(scope.node) if isinstance(n, ast.Return)]
    last = scope.node.body[-1]
    # a bare `return` gives None where another gives a value
    result = None
    if any(n.value is not None for n in returns) and (len(returns) > 1 or returns[0] is not last):
        result = low.fresh(scope.node.name)
    scope.return_to(exit_, result)
    inside = low.at(scope)
    inside.statements(scope.node.body)
    if exit_ is None:
        if low.current is not None:
            inside.end_function()
        return Const(None)
    if low.current is not None:
        if result is not None:
            inside.let(constant(None), last, result)
        inside.go(exit_)
    low.start(exit_)
    if result is not None:
        return Code(local(result))
    return scope.returned if scope.returned is not None else Const(None)


def _helper_scope(low: Lowering, callee: FunctionType | Local, node: ast.expr) -> Scope:
    if isinstance(callee, Local):
        source, inner, parent = callee.scope.source, callee.node, callee.scope
        key: object = callee.node
    else:
        helper = read_source(callee)
        if helper is None:
            raise low.limit(node, f"the source of {callee.__name__}() cannot be had")
        # one wrapper may stand around another of the same code: they are different functions
        source, inner, parent, key = helper, None, None, callee
    if key in low.scope.path or key in (low.scope.node, low.scope.source.function):
        raise low.limit(node, f"{(inner or source.node).name}() calls itself")
    if len(low.scope.path) > 2 * _DEPTH:
        raise low.limit(node, "helpers nested too deeply")
    if isinstance(source.node, ast.AsyncFunctionDef):
        raise low.limit(node, "an async function")
    path = (*low.scope.path, id(node), key)
    return Scope(source, low.inlines(), path, parent, caller=low.scope, inner=inner)


def _bind_arguments(
    low: Lowering, scope: Scope, callee: FunctionType | Local, arguments: Arguments, node: ast.expr
) -> None:
    args, kwargs = list(arguments[0]), dict(arguments[1])
    parameters = scope.node.args
    stars = [star.arg for star in (parameters.vararg, parameters.kwarg) if star is not None]
    if any(scope.bound[name] for name in stars):
        raise low.limit(node, f"{scope.node.name}() takes * or **")
    positional = [a.arg for a in (*parameters.posonlyargs, *parameters.args)]
    defaults = _defaults(low, scope, callee)
    if parameters.vararg:
        rest = Items(tuple(args[len(positional) :]), tuple)
        constants = [item.value for item in rest.items if isinstance(item, Const)]
        is_constant = len(constants) == len(rest.items)
        scope.learn(
            parameters.vararg.arg, Const(tuple(constants)) if is_constant else low.settled(rest, node)
        )
        args = args[: len(positional)]
    if len(args) > len(positional):
        raise _mismatch(low, scope, node, f"takes {len(positional)} arguments, {len(args)} are given")
    values = dict(zip(positional, args, strict=False))
    for name in [*positional[len(args) :], *(a.arg for a in parameters.kwonlyargs)]:
        if name in kwargs:
            values[name] = kwargs.pop(name)
        elif name in defaults:
            values[name] = defaults[name]
        else:
            raise _mismatch(low, scope, node, f"needs {name!r}")
    if parameters.kwarg is not None:
        if not all(isinstance(value, Const) for value in kwargs.values()):
            raise low.limit(node, f"{scope.node.name}() takes * or **")
        scope.learn(parameters.kwarg.arg, Const({name: value_of(value) for name, value in kwargs.items()}))
    elif kwargs:
        raise _mismatch(low, scope, node, f"has no parameter {next(iter(kwargs))!r}")
    for name, value in values.items():
        if scope.bound[name]:
            low.let(low.code(value, node), node, scope.variable(name))
        else:
            scope.learn(name, evaluated(low, value, node))


def _mismatch(low: Lowering, scope: Scope, node: ast.expr, what: str) -> Exception:
    signature = f"{scope.node.name}({ast.unparse(scope.node.args)})"
    return low.wrong(node, "wrong arguments", f"{scope.node.name}() {what}", f"it is {signature}")


def _defaults(low: Lowering, scope: Scope, callee: FunctionType | Local) -> dict[str, Value]:
    parameters = scope.node.args
    names = [a.arg for a in (*parameters.posonlyargs, *parameters.args)]
    if isinstance(callee, FunctionType):
        plain = callee.__defaults__ or ()
        by_name = dict(zip(names[len(names) - len(plain) :], map(Const, plain), strict=True))
        return {**by_name, **{name: Const(value) for name, value in (callee.__kwdefaults__ or {}).items()}}
    defaults: dict[str, Value] = {}
    parts = list(zip(names[len(names) - len(parameters.defaults) :], parameters.defaults, strict=True))
    parts += [
        (a.arg, d)
        for a, d in zip(parameters.kwonlyargs, parameters.kw_defaults, strict=True)
        if d is not None
    ]
    for name, part in parts:
        value = callee.scope.constant(part)
        if not isinstance(part, ast.Constant) and not is_scalar(value):
            raise NotCompiled("an inner function with a default that is not constant", low.span(part))
        defaults[name] = Const(value)
    return defaults
