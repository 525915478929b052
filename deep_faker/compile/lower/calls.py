"""Lowering of calls: draws, clocks, pure functions, helpers inlined."""

from __future__ import annotations

import ast
import functools
import inspect
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from types import FunctionType, MethodType, ModuleType
from typing import Any

from deep_faker.compile.graph.ir import Attr, Unset
from deep_faker.compile.lower.builder import declaring
from deep_faker.compile.lower.draws import Arguments, Draws, value_of
from deep_faker.compile.lower.expressions import InOrder
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
from deep_faker.compile.read.scopes import Scope
from deep_faker.compile.read.source import NotCompiled, is_user_file, read_source, yields
from deep_faker.compile.read.values import (
    Code,
    Const,
    Items,
    Local,
    Method,
    Spread,
    Value,
    constant,
    is_scalar,
    local,
    object_in,
)
from deep_faker.declare.actions import (
    AddDecay,
    Choice,
    Distribution,
    NewEvent,
    Now,
    Select,
    SetState,
    check_wait,
)
from deep_faker.expressions import LogCall, RowCall

_ACTIONS = (NewEvent, AddDecay, Select, SetState)
_DISTRIBUTIONS = Distribution.__args__  # the classes of the union
_DEPTH = 40
_ITERATORS = (zip, map, filter, enumerate, reversed, iter)


class Calls(Draws):
    """What a call means."""

    @abstractmethod
    def on_action(self, action: type, node: ast.Call) -> Value: ...
    @abstractmethod
    def context_ends(self) -> None: ...
    @abstractmethod
    def body(self, scope: Scope) -> None: ...

    def on_Call(self, node: ast.Call) -> Value:
        function = node.func
        if isinstance(function, ast.Attribute):
            owner = self.lower(function.value)
            if isinstance(owner, (Code, Items)):
                return self._method_of_code(owner, function.attr, node)
            if not isinstance(owner, Const):
                method = self.context_attribute(owner, function)
                if isinstance(method, Method):
                    return self.context_call(method, node)
                raise self.limit(node, f"calls {ast.unparse(function)}")
            return self._call(self.attribute_of(owner, function), node, owner)
        callee = self.lower(function)
        if isinstance(callee, Const):
            done = self.looked_through(callee.value, node)
            if done is not None:
                return done
        if isinstance(callee, Method):
            return self.context_call(callee, node)
        if isinstance(callee, Local):
            return self.inline(callee, self.arguments(node), node)
        if isinstance(callee, Const):
            return self._call(callee, node, None)
        raise self.limit(node, f"calls {ast.unparse(function)}, which is not known when compiling")

    def arguments(self, node: ast.Call) -> Arguments:
        """Positional and keyword arguments; stars only of constants."""
        nodes = [a.value if isinstance(a, ast.Starred) else a for a in node.args] + [
            k.value for k in node.keywords
        ]
        values = self.operands(nodes)
        args: list[Value] = []
        for part, value in zip(node.args, values, strict=False):
            if not isinstance(part, ast.Starred):
                args.append(value)
            elif isinstance(value, Items):
                args += value.items
            elif isinstance(value, Const):
                args += map(Const, value.value)
            else:
                raise self.limit(part, "a star before something that is not constant")
        kwargs: dict[str, Value] = {}
        for keyword, value in zip(node.keywords, values[len(node.args) :], strict=True):
            if keyword.arg is not None:
                kwargs[keyword.arg] = value
            elif isinstance(value, Const) and isinstance(value.value, dict):
                kwargs |= {name: Const(item) for name, item in value.value.items()}
            else:
                raise self.limit(node, "** of something that is not constant")
        return args, kwargs

    def _call(self, callee: Const, node: ast.Call, owner: Const | None) -> Value:
        function = callee.value
        self.allowed(callee, node)
        if isinstance(function, type) and function in _ACTIONS:
            return self.on_action(function, node)
        if isinstance(function, type) and (function is Now or function in _DISTRIBUTIONS):
            return self._declared(function, node)
        name = draw_of(function)
        if name is not None:
            return self.draw(name, node)
        clock = clock_of(function)
        if clock is not None:
            return self.clock_call(clock, node)
        if is_asked(function):
            return self._asked(function, node)
        log = log_call(function)
        if log is not None:
            return self._logged(log, node)
        if isinstance(function, functools.partial):
            args, kwargs = self.arguments(node)
            args = [*map(Const, function.args), *args]
            kwargs = {**{k: Const(v) for k, v in function.keywords.items()}, **kwargs}
            return self._call_python(function.func, (args, kwargs), node)
        plain = getattr(function, "__wrapped__", function) if _is_cached(function) else function
        if isinstance(plain, (FunctionType, MethodType)) and self._is_users(plain):
            return self._call_python(plain, self.arguments(node), node)
        if (
            owner is not None
            and not isinstance(owner.value, (type, ModuleType))
            and getattr(function, "__self__", None) is owner.value
        ):
            return self._method_of_constant(owner, function, node)
        if function is getattr and len(node.args) == 2 and isinstance(node.args[1], ast.Constant):
            read = ast.Attribute(node.args[0], str(object_in(node.args[1])), ast.Load())
            return self.on_Attribute(ast.copy_location(read, node))
        if function is divmod and len(node.args) == 2:
            codes, _ = self.codes(node.args)
            left, right = (self.settled(Code(code), node) for code in codes)
            parts = (
                Code(ast.BinOp(self.code(left, node), op, self.code(right, node)))
                for op in (ast.FloorDiv(), ast.Mod())
            )
            return Items(tuple(parts), tuple)
        if is_pure(function):
            return self._pure(constant(function), function, node)
        raise self.limit(node, f"calls {ast.unparse(node.func)}, which the compiler does not know")

    @staticmethod
    def _is_users(function: FunctionType | MethodType) -> bool:
        plain = function.__func__ if isinstance(function, MethodType) else function
        return (
            isinstance(plain, FunctionType)
            and is_user_file(plain.__code__.co_filename)
            and not in_library(plain)
        )

    def _call_python(self, function: Any, arguments: Arguments, node: ast.Call) -> Value:
        args, kwargs = arguments
        if isinstance(function, MethodType):
            function, args = function.__func__, [Const(function.__self__), *args]
        if not isinstance(function, FunctionType):
            raise self.limit(node, f"calls {ast.unparse(node.func)}")
        for part in node.args:
            self.check_iterator(part)
        try:
            with self.trying() as trial:
                made = self.inline(function, (args, kwargs), node)
                trial.keep()
                return made
        except NotCompiled as limit:
            if unquiet(function) is not None:
                raise
            return self._called_by_row(function, (args, kwargs), limit, node)

    def _called_by_row(
        self, function: FunctionType, arguments: Arguments, limit: NotCompiled, node: ast.Call
    ) -> Value:
        """A helper outside the compiled language that has no effects is called whole, row by row."""
        args, kwargs = arguments
        call = RowCall(function, f"{function.__name__}(): {limit.reason}, line {limit.span.line}")
        keywords = [ast.keyword(name, self.code(value, node)) for name, value in kwargs.items()]
        return Code(ast.Call(constant(call), [self.code(value, node) for value in args], keywords))

    def check_iterator(self, node: ast.expr) -> None:
        """An iterator that gets a name may be gone through once only; here it would be a tuple."""
        made = self.scope.constant(node.func) if isinstance(node, ast.Call) else None
        if isinstance(node, ast.GeneratorExp) or made in _ITERATORS:
            raise self.limit(node, "keeps an iterator")

    # ------------------------------------------------ loggers

    def _asked(self, function: Callable[..., Any], node: ast.Call) -> Const:
        """A logger, or something about one, which is no different later."""
        args, kwargs = self.arguments(node)
        if not all(isinstance(value, Const) for value in (*args, *kwargs.values())):
            raise self.limit(node, f"calls {ast.unparse(node.func)}() with what the flow computes")
        return Const(function(*map(value_of, args), **{name: value_of(v) for name, v in kwargs.items()}))

    def _logged(self, log: LogCall, node: ast.Call) -> Const:
        """Arguments are evaluated as Python does; the call itself costs nothing where nobody listens."""
        args, kwargs = self.arguments(node)
        if log.level is None and args and isinstance(args[0], Const) and isinstance(args[0].value, int):
            log = replace(log, level=args[0].value)
        codes = [self.code(self.settled(value, node), node) for value in args]
        named = [ast.keyword(k, self.code(self.settled(v, node), node)) for k, v in kwargs.items()]
        self.let(ast.Call(constant(log), codes, named), node)
        return Const(None)

    # ------------------------------------------------ what is known of libraries

    def _pure(
        self, callee: ast.expr, function: Callable[..., Any], node: ast.Call, *, folded: bool = False
    ) -> Value:
        args, kwargs = self.arguments(node)
        call = ast.Call(
            callee,
            [self.code(value, node) for value in args],
            [ast.keyword(name, self.code(value, node)) for name, value in kwargs.items()],
        )
        if folded or is_folded(function):
            made = self.made(call, [*args, *kwargs.values()])
            if isinstance(made, Const) and hasattr(made.value, "__next__"):
                return Const(tuple(made.value))  # enumerate, zip, map: to be gone through more than once
            return made
        return Code(call)

    def _method_of_constant(self, owner: Const, function: Any, node: ast.Call) -> Value:
        """A method of a plain object: a dict's ``get``, a text's ``upper``."""
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if name == "join" and isinstance(owner.value, str):
            parts = self.looked_through(list, node)
            if isinstance(parts, Items):
                return self.joined(owner.value, parts, node)
        if is_mutating(name) and not isinstance(owner.value, str):
            raise self.limit(node, f"changes {ast.unparse(node.func)[: -len(name) - 1]} in place")
        if name not in METHODS or type(owner.value).__module__ not in (
            "builtins",
            "datetime",
            "decimal",
            "re",
        ):
            raise self.limit(node, f"calls {ast.unparse(node.func)}, which the compiler does not know")
        callee = ast.Attribute(constant(owner.value), name, ast.Load())
        return self._pure(callee, function, node, folded=True)

    def _method_of_code(self, owner: Value, name: str, node: ast.Call) -> Value:
        code = self.code(owner, node)
        if name == "get_primary_key":
            target = self.fresh()
            self.emit(Attr(target, self.as_local(owner, node), name, True, self.span(node)))
            return Code(local(target))
        if is_mutating(name) and name != "index":
            raise self.limit(node, f"changes a value in place by .{name}()")
        if name not in METHODS:
            raise self.limit(node, f"calls .{name}(), which the compiler does not know")
        settled = isinstance(code, ast.Name) or not any(isinstance(n, ast.NamedExpr) for n in ast.walk(node))
        if not settled:
            code = local(self.let(code, node))
        order = InOrder(self)
        order.add(Code(code), node)
        args, kwargs = self.arguments(node)
        code = self.code(order.values()[0], node)
        keywords = [ast.keyword(key, self.code(value, node)) for key, value in kwargs.items()]
        return Code(
            ast.Call(ast.Attribute(code, name, ast.Load()), [self.code(v, node) for v in args], keywords)
        )

    def _declared(self, cls: type, node: ast.Call) -> Value:
        """A distribution or `Now`; only distributions may have parameters that the flow computes."""
        args, kwargs = self.arguments(node)
        given = [*args, *kwargs.values()]
        if not all(isinstance(value, Const) for value in given):
            return self._spread(cls, args, kwargs, node)
        with declaring(self.span(node)):
            return Const(
                cls(*(value_of(v) for v in args), **{name: value_of(v) for name, v in kwargs.items()})
            )

    def _spread(self, cls: type, args: list[Value], kwargs: dict[str, Value], node: ast.Call) -> Spread:
        names = list(inspect.signature(cls).parameters)
        parts = dict(zip(names, args, strict=False)) | kwargs
        defaults = {
            p.name: p.default for p in inspect.signature(cls).parameters.values() if p.default is not p.empty
        }
        needed = [name for name in names if name not in defaults]
        if cls is Now or len(args) > len(names) or not set(needed) <= set(parts) <= set(names):
            raise self.limit(node, f"{cls.__name__} with parameters that are not constant")
        if cls is Choice:
            values, weights = parts["values"], parts.setdefault("weights", Const(None))
            if not isinstance(values, (Items, Const)) or not isinstance(weights, Const):
                raise self.limit(node, "Choice of values that are not written out")
            numbers = [value_of(v) if isinstance(v, Const) else 0 for v in getattr(values, "items", ())]
            with declaring(self.span(node)):
                check_wait("seconds", Choice(numbers or value_of(values), weights.value))
        parts = {name: Const(default) for name, default in defaults.items()} | parts
        return Spread(cls, {name: parts[name] for name in names})

    # ------------------------------------------------ inlining

    def inlined_local(self, callee: Local, args: list[Value], node: ast.expr) -> Value:
        return self.inline(callee, (args, {}), node)

    def inline(
        self,
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
        scope = self._helper_scope(callee, node)
        for name in scope.bound.keys() - scope.arguments:
            self.emit(Unset(scope.variable(name), self.span(node)))  # whatever an earlier call left there
        if bool(yields(scope.node)) != flow and not tail:
            raise self.limit(
                node, f"{scope.node.name}() is a generator" if not flow else "yield from something else"
            )
        self._bind_arguments(scope, callee, arguments, node)
        scope.exit = None if tail else self.block()
        returns = [n for n in ast.walk(scope.node) if isinstance(n, ast.Return)]
        last = scope.node.body[-1]
        # a bare `return` gives None where another gives a value
        if any(n.value is not None for n in returns) and (len(returns) > 1 or returns[0] is not last):
            scope.result = self.fresh(scope.node.name)
        before = scope.caller = self.scope
        self.scope = scope
        self.body(scope)
        if scope.exit is None:
            if self.current is not None:
                self.context_ends()
            self.scope = before
            return Const(None)
        if self.current is not None:
            if scope.result is not None:
                self.let(constant(None), last, scope.result)
            self.go(scope.exit)
        self.scope = before
        self.start(scope.exit)
        if scope.result is not None:
            return Code(local(scope.result))
        return scope.returned if scope.returned is not None else Const(None)

    def _helper_scope(self, callee: FunctionType | Local, node: ast.expr) -> Scope:
        if isinstance(callee, Local):
            source, inner, parent = callee.scope.source, callee.node, callee.scope
            key: object = callee.node
        else:
            found = read_source(callee)
            if found is None:
                raise self.limit(node, f"the source of {callee.__name__}() cannot be had")
            # one wrapper may stand around another of the same code: they are different functions
            source, inner, parent, key = found, None, None, callee
        if key in self.scope.path or key in (self.scope.node, self.scope.source.function):
            raise self.limit(node, f"{(inner or source.node).name}() calls itself")
        if len(self.scope.path) > 2 * _DEPTH:
            raise self.limit(node, "helpers nested too deeply")
        if isinstance(source.node, ast.AsyncFunctionDef):
            raise self.limit(node, "an async function")
        self.inlined += 1
        return Scope(source, self.inlined, (*self.scope.path, id(node), key), parent, inner=inner)

    def _bind_arguments(
        self, scope: Scope, callee: FunctionType | Local, arguments: Arguments, node: ast.expr
    ) -> None:
        args, kwargs = list(arguments[0]), dict(arguments[1])
        given = scope.node.args
        stars = [star.arg for star in (given.vararg, given.kwarg) if star is not None]
        if any(scope.bound[name] for name in stars):
            raise self.limit(node, f"{scope.node.name}() takes * or **")
        positional = [a.arg for a in (*given.posonlyargs, *given.args)]
        defaults = self._defaults(scope, callee)
        if given.vararg:
            rest = Items(tuple(args[len(positional) :]), tuple)
            constants = [item.value for item in rest.items if isinstance(item, Const)]
            is_constant = len(constants) == len(rest.items)
            scope.learn(
                given.vararg.arg, Const(tuple(constants)) if is_constant else self.settled(rest, node)
            )
            args = args[: len(positional)]
        if len(args) > len(positional):
            raise self._mismatch(scope, node, f"takes {len(positional)} arguments, {len(args)} are given")
        values = dict(zip(positional, args, strict=False))
        for name in [*positional[len(args) :], *(a.arg for a in given.kwonlyargs)]:
            if name in kwargs:
                values[name] = kwargs.pop(name)
            elif name in defaults:
                values[name] = defaults[name]
            else:
                raise self._mismatch(scope, node, f"needs {name!r}")
        if given.kwarg is not None:
            if not all(isinstance(value, Const) for value in kwargs.values()):
                raise self.limit(node, f"{scope.node.name}() takes * or **")
            scope.learn(given.kwarg.arg, Const({name: value_of(value) for name, value in kwargs.items()}))
        elif kwargs:
            raise self._mismatch(scope, node, f"has no parameter {next(iter(kwargs))!r}")
        for name, value in values.items():
            if scope.bound[name]:
                self.let(self.code(value, node), node, scope.variable(name))
            else:
                scope.learn(name, self.evaluated(value, node))

    def _mismatch(self, scope: Scope, node: ast.expr, what: str) -> Exception:
        signature = f"{scope.node.name}({ast.unparse(scope.node.args)})"
        return self.wrong(node, "wrong arguments", f"{scope.node.name}() {what}", f"it is {signature}")

    def _defaults(self, scope: Scope, callee: FunctionType | Local) -> dict[str, Value]:
        given = scope.node.args
        names = [a.arg for a in (*given.posonlyargs, *given.args)]
        if isinstance(callee, FunctionType):
            plain = callee.__defaults__ or ()
            found = dict(zip(names[len(names) - len(plain) :], map(Const, plain), strict=True))
            return {**found, **{name: Const(value) for name, value in (callee.__kwdefaults__ or {}).items()}}
        defaults: dict[str, Value] = {}
        parts = list(zip(names[len(names) - len(given.defaults) :], given.defaults, strict=True))
        parts += [
            (a.arg, d) for a, d in zip(given.kwonlyargs, given.kw_defaults, strict=True) if d is not None
        ]
        for name, part in parts:
            value = callee.scope.constant(part)
            if not isinstance(part, ast.Constant) and not is_scalar(value):
                raise NotCompiled("an inner function with a default that is not constant", self.span(part))
            defaults[name] = Const(value)
        return defaults


def _is_cached(function: object) -> bool:
    return isinstance(function, functools._lru_cache_wrapper)  # noqa: SLF001 - the type has no public name
