"""Rules of the other statements: conditions, matches, returns, what is raised, imported and defined."""

from __future__ import annotations

import ast
import importlib
import inspect
from types import FunctionType

from deep_faker.compile.graph.ir import Ends, Unset
from deep_faker.compile.graph.raising import may_raise
from deep_faker.compile.lower.assignments import has_grown
from deep_faker.compile.lower.conditions import branch_if, end_with_else
from deep_faker.compile.lower.entities import raised
from deep_faker.compile.lower.inline import inline
from deep_faker.compile.lower.lowering import Lowering
from deep_faker.compile.lower.names import allowed, assign, bind, learn
from deep_faker.compile.lower.operands import arguments_of, codes_of, evaluated
from deep_faker.compile.read.scopes import Emitting, Local
from deep_faker.compile.read.source import assigned_names, yields
from deep_faker.compile.read.values import Code, Const, Items, Selecting, Setting, Value, Waiting, constant


def if_(low: Lowering, node: ast.If) -> None:
    then, done = low.block(), low.block()
    other = low.block() if node.orelse else done
    branch_if(low, node.test, then, other)
    low.enter(then)
    low.statements(node.body)
    low.go(done)
    end_with_else(low, node, other, done)


def match(low: Lowering, node: ast.Match) -> None:
    subject = low.settled(low.visit(node.subject), node.subject)
    done = low.block()
    for case in node.cases:
        then, other = low.block(), low.block()
        _pattern(low, case.pattern, subject, then, other)
        low.start(then)
        if case.guard is not None:
            guarded = low.block()
            branch_if(low, case.guard, guarded, other)
            low.start(guarded)
        low.statements(case.body)
        low.go(done)
        low.start(other)
    low.go(done)
    low.start(done)


def _pattern(low: Lowering, pattern: ast.pattern, subject: Value, then: int, other: int) -> None:
    if isinstance(pattern, ast.MatchAs) and pattern.pattern is None:
        if pattern.name is not None:
            bind(low, pattern.name, subject, pattern, once=False)
        low.go(then)
    elif isinstance(pattern, ast.MatchOr):
        for part in pattern.patterns:
            following = low.block()
            _pattern(low, part, subject, then, following)
            low.start(following)
        low.go(other)
    elif isinstance(pattern, (ast.MatchValue, ast.MatchSingleton)):
        is_value = isinstance(pattern, ast.MatchValue)
        wanted = low.visit(pattern.value) if isinstance(pattern, ast.MatchValue) else Const(pattern.value)
        operator: ast.cmpop = ast.Eq() if is_value else ast.Is()
        code = ast.Compare(low.code(subject, pattern), [operator], [low.code(wanted, pattern)])
        low.branch(low.let(code, pattern), then, other, low.span(pattern))
    elif isinstance(pattern, ast.MatchSequence) and isinstance(subject, Items):
        if len(pattern.patterns) != len(subject.items):
            low.go(other)
            return
        for part, item in zip(pattern.patterns, subject.items, strict=True):
            following = low.block()
            _pattern(low, part, item, following, other)
            low.start(following)
        low.go(then)
    else:
        raise low.limit(pattern, "a match of more than plain values")


def return_(low: Lowering, node: ast.Return) -> None:
    scope = low.scope
    if scope.exit is None:
        if isinstance(node.value, ast.Call) and not yields(scope.node):
            _hand_on(low, node.value)
            return
        elif node.value is not None:
            evaluated(low, low.visit(node.value), node)
        low.end(Ends(low.span(node)))
        return
    value = low.visit(node.value) if node.value is not None else Const(None)
    if scope.result is not None:
        assign(low, scope.result, _returned(low, value, node), node, fresh=True)
    else:
        scope.give(low.settled(value, node) if _raises(value) else value)
    low.go(scope.exit)


def _hand_on(low: Lowering, node: ast.Call) -> None:
    """A decorator's wrapper returns the generator that runs instead of it."""
    callee = low.visit(node.func)
    if not isinstance(callee, Const) or not isinstance(callee.value, FunctionType):
        raise low.limit(node, f"returns what {ast.unparse(node.func)}() gives")
    low.hand_on(generator=inspect.isgeneratorfunction(callee.value))
    inline(low, callee.value, arguments_of(low, node), node, tail=True)


def _returned(low: Lowering, value: Value, node: ast.AST) -> Value:
    if isinstance(value, (Const, Code)):
        return value
    return Code(low.code(value, node))


def expression(low: Lowering, node: ast.Expr) -> None:
    if isinstance(node.value, ast.Constant):
        return
    if has_grown(low, node):
        return
    value = low.visit(node.value)
    if isinstance(value, (Selecting, Setting, Emitting, Waiting)) and not isinstance(node.value, ast.Yield):
        label = "this has no effect: it is made and not yielded"
        low.warn(node, "an action that is not yielded", label, "write yield before it")
    low.settled(value, node)


def raise_(low: Lowering, node: ast.Raise) -> None:
    if node.exc is None or node.cause is not None:
        raise low.limit(node, "raise without an exception, or from another")
    error = node.exc
    code: ast.expr
    value = low.scope.constant(error.func) if isinstance(error, ast.Call) else None
    if isinstance(error, ast.Call) and isinstance(value, type) and issubclass(value, BaseException):
        codes, _ = codes_of(low, error.args)
        code = ast.Call(constant(value), codes, [])
    else:
        code = low.code(low.visit(error), error)
    raised(low, code, node)


def assert_(low: Lowering, node: ast.Assert) -> None:
    right, wrong = low.block(), low.block()
    branch_if(low, node.test, right, wrong)
    low.start(wrong)
    codes = [low.code(low.visit(node.msg), node.msg)] if node.msg is not None else []
    raised(low, ast.Call(constant(AssertionError), codes, []), node)
    low.start(right)


def delete(low: Lowering, node: ast.Delete) -> None:
    """A name that is no more must have been there."""
    for target in node.targets:
        if not isinstance(target, ast.Name):
            raise low.limit(node, "deletes a part of a value")
        value = low.visit(ast.copy_location(ast.Name(target.id, ast.Load()), target))
        low.settled(value, node)
        low.emit(Unset(low.scope.variable(target.id), low.span(node)))


def pass_(low: Lowering, node: ast.Pass) -> None:
    """Nothing."""


def function_def(low: Lowering, node: ast.FunctionDef) -> None:
    if node.decorator_list or low.scope.bound[node.name] != 1:
        raise low.limit(node, "an inner function with decorators, or defined twice")
    learn(low, node.name, Local(node, low.scope))


def import_(low: Lowering, node: ast.Import) -> None:
    for alias in node.names:
        module = importlib.import_module(alias.name)
        name = alias.asname or alias.name.partition(".")[0]
        value = module if alias.asname else importlib.import_module(name)
        learn(low, name, allowed(low, Const(value), ast.copy_location(ast.Name(name, ast.Load()), node)))


def import_from(low: Lowering, node: ast.ImportFrom) -> None:
    package = low.scope.source.function.__globals__.get("__package__")
    module = importlib.import_module("." * node.level + (node.module or ""), package)
    for alias in node.names:
        try:
            value = getattr(module, alias.name)
        except AttributeError:
            raise low.limit(node, f"imports {alias.name}") from None
        name = ast.copy_location(ast.Name(alias.name, ast.Load()), node)
        learn(low, alias.asname or alias.name, allowed(low, Const(value), name))


def global_(low: Lowering, node: ast.Global | ast.Nonlocal) -> None:
    """Reading is fine; writing would make the result depend on the order in which flows run (F3)."""
    for name in node.names:
        if assigned_names(low.scope.node)[name]:
            if isinstance(node, ast.Nonlocal) and low.scope.parent and low.scope.parent.owner(name):
                raise low.limit(node, f"an inner function that sets {name}")
            word = "global" if isinstance(node, ast.Global) else "nonlocal"
            label = f"{name!r} would depend on the order in which flows run"
            mend = "keep it in the state of an entity: SetState(…)"
            raise low.wrong(node, f"a flow cannot write a {word} name", label, mend)


def _raises(value: Value) -> bool:
    """Whether computing it may raise (a name may be unset): then that is done in the line where it stands."""
    if isinstance(value, Code):
        is_variable = isinstance(value.node, ast.Name) and value.node.id.startswith("v")
        return is_variable or may_raise(value.node)
    return not isinstance(value, Const)
