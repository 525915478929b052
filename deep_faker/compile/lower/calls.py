"""Rules of calls: draws, clocks, pure functions, helpers inlined."""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Callable
from dataclasses import replace
from types import FunctionType, MethodType, ModuleType
from typing import Any

from deep_faker.compile.graph.ir import Attr
from deep_faker.compile.lower.actions import action_of
from deep_faker.compile.lower.comprehensions import looked_through, text_joined
from deep_faker.compile.lower.context import attribute, context_attribute, context_call
from deep_faker.compile.lower.draws import clock_call, draw
from deep_faker.compile.lower.inline import inline
from deep_faker.compile.lower.lowering import Lowering, declaring
from deep_faker.compile.lower.names import allowed, attribute_of
from deep_faker.compile.lower.operands import Arguments, InOrder, arguments_of, codes_of, value_of
from deep_faker.compile.lower.picked import length
from deep_faker.compile.read.library import (
    METHODS,
    clock_of,
    draw_of,
    in_library,
    is_folded,
    is_mutating,
    is_pure,
)
from deep_faker.compile.read.logs import is_asked, log_call
from deep_faker.compile.read.pure_functions import unquiet
from deep_faker.compile.read.scopes import Local
from deep_faker.compile.read.source import NotCompiled, is_user_file
from deep_faker.compile.read.values import (
    Code,
    Const,
    Items,
    Method,
    Picked,
    Spread,
    Value,
    constant,
    local,
    object_in,
)
from deep_faker.declare.actions import (
    AddDecay,
    Choice,
    Distribution,
    NewEvent,
    Now,
    Release,
    Retire,
    Select,
    SetState,
    check_wait,
)
from deep_faker.draws.distributions.declared import Mixture, Truncated
from deep_faker.expressions import LogCall, RowCall

_ACTIONS = (NewEvent, AddDecay, Select, SetState, Release, Retire)
_DISTRIBUTIONS = Distribution.__args__  # the classes of the union
_ITERATORS = (zip, map, filter, enumerate, reversed, iter)


def call(low: Lowering, node: ast.Call) -> Value:
    function = node.func
    if isinstance(function, ast.Attribute):
        owner = low.visit(function.value)
        if isinstance(owner, (Code, Items)):
            return _method_of_code(low, owner, function.attr, node)
        if not isinstance(owner, Const):
            method = context_attribute(low, owner, function)
            if isinstance(method, Method):
                return context_call(low, method, node)
            raise low.limit(node, f"calls {ast.unparse(function)}")
        return _call(low, attribute_of(low, owner, function), node, owner)
    callee = low.visit(function)
    if isinstance(callee, Const):
        done = looked_through(low, callee.value, node)
        if done is not None:
            return done
    if isinstance(callee, Method):
        return context_call(low, callee, node)
    if isinstance(callee, Local):
        return inline(low, callee, arguments_of(low, node), node)
    if isinstance(callee, Const):
        return _call(low, callee, node, None)
    raise low.limit(node, f"calls {ast.unparse(function)}, which is not known when compiling")


def _call(low: Lowering, callee: Const, node: ast.Call, owner: Const | None) -> Value:
    function = callee.value
    allowed(low, callee, node)
    if isinstance(function, type) and function in _ACTIONS:
        return action_of(low, function, node)
    if isinstance(function, type) and (function is Now or function in _DISTRIBUTIONS):
        return _declared(low, function, node)
    if function is len and len(node.args) == 1 and isinstance(node.args[0], ast.Name):
        known = low.visit(node.args[0])  # a name: nothing is done
        if isinstance(known, Picked):
            return length(low, known, node)
    name = draw_of(function)
    if name is not None:
        return draw(low, name, node)
    clock = clock_of(function)
    if clock is not None:
        return clock_call(low, clock, node)
    if is_asked(function):
        return _asked(low, function, node)
    log = log_call(function)
    if log is not None:
        return _logged(low, log, node)
    if isinstance(function, functools.partial):
        args, kwargs = arguments_of(low, node)
        args = [*map(Const, function.args), *args]
        kwargs = {**{k: Const(v) for k, v in function.keywords.items()}, **kwargs}
        return _call_python(low, function.func, (args, kwargs), node)
    plain = getattr(function, "__wrapped__", function) if _is_cached(function) else function
    if isinstance(plain, (FunctionType, MethodType)) and _is_users(plain):
        return _call_python(low, plain, arguments_of(low, node), node)
    if (
        owner is not None
        and not isinstance(owner.value, (type, ModuleType))
        and getattr(function, "__self__", None) is owner.value
    ):
        return _method_of_constant(low, owner, function, node)
    if function is getattr and len(node.args) == 2 and isinstance(node.args[1], ast.Constant):
        read = ast.Attribute(node.args[0], str(object_in(node.args[1])), ast.Load())
        return attribute(low, ast.copy_location(read, node))
    if function is divmod and len(node.args) == 2:
        codes, _ = codes_of(low, node.args)
        left, right = (low.settled(Code(code), node) for code in codes)
        parts = (
            Code(ast.BinOp(low.code(left, node), op, low.code(right, node)))
            for op in (ast.FloorDiv(), ast.Mod())
        )
        return Items(tuple(parts), tuple)
    if is_pure(function):
        return _pure(low, constant(function), function, node)
    raise low.limit(node, f"calls {ast.unparse(node.func)}, which the compiler does not know")


def _call_python(low: Lowering, function: Any, arguments: Arguments, node: ast.Call) -> Value:
    args, kwargs = arguments
    if isinstance(function, MethodType):
        function, args = function.__func__, [Const(function.__self__), *args]
    if not isinstance(function, FunctionType):
        raise low.limit(node, f"calls {ast.unparse(node.func)}")
    for part in node.args:
        check_iterator(low, part)
    try:
        with low.trying() as trial:
            result = inline(low, function, (args, kwargs), node)
            trial.keep()
            return result
    except NotCompiled as limit:
        if unquiet(function) is not None:
            raise
        return _called_by_row(low, function, (args, kwargs), limit, node)


def _called_by_row(
    low: Lowering, function: FunctionType, arguments: Arguments, limit: NotCompiled, node: ast.Call
) -> Value:
    """A helper outside the compiled language that has no effects is called whole, row by row."""
    args, kwargs = arguments
    call = RowCall(function, f"{function.__name__}(): {limit.reason}, line {limit.span.line}")
    keywords = [ast.keyword(name, low.code(value, node)) for name, value in kwargs.items()]
    return Code(ast.Call(constant(call), [low.code(value, node) for value in args], keywords))


def check_iterator(low: Lowering, node: ast.expr) -> None:
    """An iterator that gets a name may be gone through once only; here it would be a tuple."""
    callee = low.scope.constant(node.func) if isinstance(node, ast.Call) else None
    if isinstance(node, ast.GeneratorExp) or callee in _ITERATORS:
        raise low.limit(node, "keeps an iterator")


def _asked(low: Lowering, function: Callable[..., object], node: ast.Call) -> Const:
    """A logger, or something about one, which is no different later."""
    args, kwargs = arguments_of(low, node)
    if not all(isinstance(value, Const) for value in (*args, *kwargs.values())):
        raise low.limit(node, f"calls {ast.unparse(node.func)}() with what the flow computes")
    return Const(function(*map(value_of, args), **{name: value_of(v) for name, v in kwargs.items()}))


def _logged(low: Lowering, log: LogCall, node: ast.Call) -> Const:
    """Arguments are evaluated as Python does; the call itself costs nothing where nobody listens."""
    args, kwargs = arguments_of(low, node)
    if log.level is None and args and isinstance(args[0], Const) and isinstance(args[0].value, int):
        log = replace(log, level=args[0].value)
    codes = [low.code(low.settled(value, node), node) for value in args]
    named = [ast.keyword(k, low.code(low.settled(v, node), node)) for k, v in kwargs.items()]
    low.let(ast.Call(constant(log), codes, named), node)
    return Const(None)


def _pure(
    low: Lowering, callee: ast.expr, function: Callable[..., object], node: ast.Call, *, folded: bool = False
) -> Value:
    args, kwargs = arguments_of(low, node)
    call = ast.Call(
        callee,
        [low.code(value, node) for value in args],
        [ast.keyword(name, low.code(value, node)) for name, value in kwargs.items()],
    )
    if folded or is_folded(function):
        result = low.made(call, [*args, *kwargs.values()])
        if isinstance(result, Const) and hasattr(result.value, "__next__"):
            return Const(tuple(result.value))  # enumerate, zip, map: to be gone through more than once
        return result
    return Code(call)


def _method_of_constant(
    low: Lowering, owner: Const, function: Callable[..., object], node: ast.Call
) -> Value:
    """A method of a plain object: a dict's ``get``, a text's ``upper``."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    if name == "join" and isinstance(owner.value, str):
        parts = looked_through(low, list, node)
        if isinstance(parts, Items):
            return text_joined(low, owner.value, parts, node)
    if is_mutating(name) and not isinstance(owner.value, str):
        raise low.limit(node, f"changes {ast.unparse(node.func)[: -len(name) - 1]} in place")
    if name not in METHODS or type(owner.value).__module__ not in (
        "builtins",
        "datetime",
        "decimal",
        "re",
    ):
        raise low.limit(node, f"calls {ast.unparse(node.func)}, which the compiler does not know")
    callee = ast.Attribute(constant(owner.value), name, ast.Load())
    return _pure(low, callee, function, node, folded=True)


def _method_of_code(low: Lowering, owner: Value, name: str, node: ast.Call) -> Value:
    code = low.code(owner, node)
    if name == "get_primary_key":
        target = low.fresh()
        low.emit(Attr(target, low.as_local(owner, node), name, True, low.span(node)))
        return Code(local(target))
    if is_mutating(name) and name != "index":
        raise low.limit(node, f"changes a value in place by .{name}()")
    if name not in METHODS:
        raise low.limit(node, f"calls .{name}(), which the compiler does not know")
    settled = isinstance(code, ast.Name) or not any(isinstance(n, ast.NamedExpr) for n in ast.walk(node))
    if not settled:
        code = local(low.let(code, node))
    order = InOrder(low)
    order.add(Code(code), node)
    args, kwargs = arguments_of(low, node)
    code = low.code(order.values()[0], node)
    keywords = [ast.keyword(key, low.code(value, node)) for key, value in kwargs.items()]
    return Code(ast.Call(ast.Attribute(code, name, ast.Load()), [low.code(v, node) for v in args], keywords))


def _declared(low: Lowering, cls: type, node: ast.Call) -> Value:
    """A distribution or `Now`; only distributions may have parameters that the flow computes."""
    args, kwargs = arguments_of(low, node)
    values = [*args, *kwargs.values()]
    signature = inspect.signature(cls)
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        mend = f"{cls.__name__} takes {', '.join(signature.parameters)}"
        raise low.wrong(node, f"wrong parameters of {cls.__name__}", str(error), mend) from None
    if not all(isinstance(value, Const) for value in values):
        return _spread(low, cls, args, kwargs, node)
    with declaring(low.span(node)):
        return Const(cls(*(value_of(v) for v in args), **{name: value_of(v) for name, v in kwargs.items()}))


def _spread(low: Lowering, cls: type, args: list[Value], kwargs: dict[str, Value], node: ast.Call) -> Spread:
    names = list(getattr(cls, "__match_args__", ()))  # its parameters, and no other way to write them
    parts = dict(zip(names, args, strict=False)) | kwargs
    given = inspect.signature(cls).parameters
    defaults = {
        name: given[name].default for name in names if given[name].default is not inspect.Parameter.empty
    }
    needed = [name for name in names if name not in defaults]
    composite = cls in (Truncated, Mixture)  # made of others, which the flow would have to make first
    if composite or cls is Now or len(args) > len(names) or not set(needed) <= set(parts) <= set(names):
        raise low.limit(node, f"{cls.__name__} with parameters that are not constant")
    if cls is Choice:
        values, weights = parts["values"], parts.setdefault("weights", Const(None))
        if not isinstance(values, (Items, Const)) or not isinstance(weights, Const):
            raise low.limit(node, "Choice of values that are not written out")
        numbers = [value_of(v) if isinstance(v, Const) else 0 for v in getattr(values, "items", ())]
        with declaring(low.span(node)):
            check_wait("seconds", Choice(numbers or value_of(values), weights.value))
    parts = {name: Const(default) for name, default in defaults.items()} | parts
    return Spread(cls, {name: parts[name] for name in names})


def _is_users(function: FunctionType | MethodType) -> bool:
    plain = function.__func__ if isinstance(function, MethodType) else function
    return (
        isinstance(plain, FunctionType) and is_user_file(plain.__code__.co_filename) and not in_library(plain)
    )


def _is_cached(function: object) -> bool:
    return isinstance(function, functools._lru_cache_wrapper)  # noqa: SLF001 - the type has no public name
