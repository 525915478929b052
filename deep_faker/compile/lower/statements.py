"""Lowering of statements: assignments, conditions, loops, returns."""

from __future__ import annotations

import ast
import importlib
import inspect
from types import FunctionType

from deep_faker.compile.graph.ir import Ends, Let, Unset, target_of, with_target
from deep_faker.compile.graph.raising import may_raise
from deep_faker.compile.lower.loops import Loops
from deep_faker.compile.read.appended_lists import appended, extended, growth
from deep_faker.compile.read.scopes import Scope
from deep_faker.compile.read.source import assigned_names, yields
from deep_faker.compile.read.values import (
    Code,
    Const,
    Emitting,
    Items,
    Local,
    Selecting,
    Setting,
    Value,
    Waiting,
    constant,
    local,
)
from deep_faker.errors import Diagnostic
from deep_faker.expressions import ValueCall

_LIMITS = {
    "Try": "try",
    "TryStar": "try",
    "With": "with",
    "AsyncWith": "async with",
    "AsyncFor": "async for",
    "AsyncFunctionDef": "an async function",
    "ClassDef": "a class inside a flow",
}


class Statements(Loops):
    """All of lowering: `body` lowers a function."""

    handed_on = False  # the function only returns another flow's generator

    def body(self, scope: Scope) -> None:
        self.statements(scope.node.body)

    def statements(self, nodes: list[ast.stmt]) -> None:
        """Statements one after the other; what cannot be reached is left out."""
        for node in nodes:
            if self.current is None:
                return
            kind = type(node).__name__
            rule = getattr(self, f"do_{kind}", None)
            if rule is None:
                raise self.limit(node, _LIMITS.get(kind, f"a {kind} statement"))
            rule(node)

    # ------------------------------------------------ assignments

    def bind(self, name: str, value: Value, node: ast.AST, *, once: bool = True, fresh: bool = True) -> None:
        """``name = value``. Names that are bound once may stand for what is no value of a local."""
        scope = self.scope
        if name not in scope.bound:  # a walrus in an inner expression of another scope
            raise self.limit(node, f"assigns {name}")
        once = once and scope.bound[name] == 1 and name not in scope.arguments
        if isinstance(value, Code):
            self._assign(scope.variable(name), value, node, fresh=fresh)
            return
        if not once and not isinstance(value, (Const, Items)):
            raise self.limit(node, f"{name} stands for different things")
        value = self.settled(value, node)
        self._stored(scope, name, value, node)
        if once:
            scope.learn(name, value)

    def _stored(self, scope: Scope, name: str, value: Value, node: ast.AST) -> None:
        """The value in the name's local, for where it is not known which value the name stands for."""
        if isinstance(value, Const) or (isinstance(value, Items) and _is_plain(value)):
            self.let(self.code(value, node), node, scope.variable(name))
        else:
            self.vague.add((scope.number, name))

    def _assign(self, target: str, value: Value, node: ast.AST, *, fresh: bool) -> None:
        code = self.code(value, node)
        ops = self.current.ops if self.current is not None else []
        if (
            fresh
            and isinstance(code, ast.Name)
            and code.id.startswith("t_")
            and ops
            and target_of(ops[-1]) == code.id
        ):
            ops[-1] = with_target(ops[-1], target)
            return
        self.let(code, node, target)

    def do_Assign(self, node: ast.Assign) -> None:
        self.check_iterator(node.value)
        value = self.lower(node.value)
        if len(node.targets) > 1:
            value = self.settled(value, node)
        for target in node.targets:
            self.assign_to(target, value, node, fresh=len(node.targets) == 1)

    def do_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.assign_to(node.target, self.lower(node.value), node)

    def do_AugAssign(self, node: ast.AugAssign) -> None:
        if not isinstance(node.target, ast.Name):
            raise self.limit(node, "changes a value in place")
        if self._has_grown(node):
            return
        read = ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target)
        (left, right), _ = self.codes([read, node.value])
        made = self.fresh()
        code = ast.copy_location(ast.BinOp(left, node.op, right), node)
        self.emit(Let(made, code, self.span(node), augmented=True))
        self.bind(node.target.id, Code(local(made)), node, once=False)

    def assign_to(
        self, target: ast.expr, value: Value, node: ast.AST, *, once: bool = True, fresh: bool = True
    ) -> None:
        """Assign to a name, or unpack."""
        if isinstance(target, ast.Name):
            self.bind(target.id, value, node, once=once, fresh=fresh)
        elif isinstance(target, (ast.Tuple, ast.List)):
            self._unpack(target, value, node, once=once)
        elif isinstance(target, ast.Attribute):
            owner = ast.unparse(target.value)
            raise self.limit(node, f"assigns to an attribute of {owner}")
        elif isinstance(target, ast.Subscript):
            raise self.limit(node, f"changes {ast.unparse(target.value)} in place")
        else:
            raise self.limit(node, "a star in an assignment")

    def _unpack(self, target: ast.Tuple | ast.List, value: Value, node: ast.AST, *, once: bool) -> None:
        stars = [at for at, part in enumerate(target.elts) if isinstance(part, ast.Starred)]
        count = len(target.elts)
        if isinstance(value, Const):
            given = value.value
            try:
                value = Items(tuple(map(Const, given)), tuple)
            except TypeError:
                raise self.limit(node, f"unpacks {given!r}") from None
        if stars:
            self._unpack_star(target, value, node, stars[0], once=once)
            return
        if isinstance(value, Items):
            if len(value.items) != count:
                label = f"{len(value.items)} values for {count} names"
                mend = "give one name for each value, or gather the rest: first, *rest = …"
                raise self.wrong(node, "wrong number of values to unpack", label, mend)
            value = self.settled(value, node)  # a, b = b, a
            assert isinstance(value, Items)
            for part, item in zip(target.elts, value.items, strict=True):
                self.assign_to(part, item, node, once=once, fresh=False)
            return
        whole = self.as_local(value, node)
        for index, part in enumerate(target.elts):
            found = Code(ast.Subscript(local(whole), constant(index), ast.Load()))
            self.assign_to(part, Code(local(self.let(found.node, node))), node, once=once)

    def _unpack_star(
        self, target: ast.Tuple | ast.List, value: Value, node: ast.AST, at: int, *, once: bool
    ) -> None:
        """``first, *rest = …`` of items that are known one by one."""
        after = len(target.elts) - at - 1
        if not isinstance(value, Items) or len(value.items) < at + after:
            raise self.limit(node, "a star in an assignment")
        items = value.items
        rest = items[at : len(items) - after]
        constants = [item.value for item in rest if isinstance(item, Const)]
        middle: Value = Const(constants) if len(constants) == len(rest) else Items(rest, list)
        parts = [part.value if isinstance(part, ast.Starred) else part for part in target.elts]
        found = Items((*items[:at], middle, *items[len(items) - after :]), tuple)
        self._unpack(ast.Tuple(parts, ast.Store()), found, node, once=once)

    # ------------------------------------------------ conditions

    def do_If(self, node: ast.If) -> None:
        then, done = self.block(), self.block()
        other = self.block() if node.orelse else done
        self.test(node.test, then, other)
        self._entered(then)
        self.statements(node.body)
        self.go(done)
        if node.orelse:
            self._entered(other)
            self.statements(node.orelse)
            self.go(done)
        self._entered(done)

    def _entered(self, number: int) -> None:
        """Write into that block, unless a test that is decided keeps everybody out (`if DEBUG:`)."""
        self.start(number)
        if not self.is_entered(number):
            self.current = None

    def do_Match(self, node: ast.Match) -> None:
        subject = self.settled(self.lower(node.subject), node.subject)
        done = self.block()
        for case in node.cases:
            then, other = self.block(), self.block()
            self._pattern(case.pattern, subject, then, other)
            self.start(then)
            if case.guard is not None:
                guarded = self.block()
                self.test(case.guard, guarded, other)
                self.start(guarded)
            self.statements(case.body)
            self.go(done)
            self.start(other)
        self.go(done)
        self.start(done)

    def _pattern(self, pattern: ast.pattern, subject: Value, then: int, other: int) -> None:
        if isinstance(pattern, ast.MatchAs) and pattern.pattern is None:
            if pattern.name is not None:
                self.bind(pattern.name, subject, pattern, once=False)
            self.go(then)
        elif isinstance(pattern, ast.MatchOr):
            for part in pattern.patterns:
                following = self.block()
                self._pattern(part, subject, then, following)
                self.start(following)
            self.go(other)
        elif isinstance(pattern, (ast.MatchValue, ast.MatchSingleton)):
            is_value = isinstance(pattern, ast.MatchValue)
            wanted = (
                self.lower(pattern.value) if isinstance(pattern, ast.MatchValue) else Const(pattern.value)
            )
            operator: ast.cmpop = ast.Eq() if is_value else ast.Is()
            code = ast.Compare(self.code(subject, pattern), [operator], [self.code(wanted, pattern)])
            self.branch(self.let(code, pattern), then, other, self.span(pattern))
        elif isinstance(pattern, ast.MatchSequence) and isinstance(subject, Items):
            if len(pattern.patterns) != len(subject.items):
                self.go(other)
                return
            for part, item in zip(pattern.patterns, subject.items, strict=True):
                following = self.block()
                self._pattern(part, item, following, other)
                self.start(following)
            self.go(then)
        else:
            raise self.limit(pattern, "a match of more than plain values")

    # ------------------------------------------------ the rest

    def do_Return(self, node: ast.Return) -> None:
        scope = self.scope
        if scope.exit is None:
            if isinstance(node.value, ast.Call) and not yields(scope.node):
                self._hand_on(node.value)
                return
            elif node.value is not None:
                self.evaluated(self.lower(node.value), node)
            self.end(Ends(self.span(node)))
            return
        value = self.lower(node.value) if node.value is not None else Const(None)
        if scope.result is not None:
            self._assign(scope.result, self._returned(value, node), node, fresh=True)
        else:
            scope.returned = self.settled(value, node) if _raises(value) else value
        self.go(scope.exit)

    def _hand_on(self, node: ast.Call) -> None:
        """A decorator's wrapper returns the generator that runs instead of it."""
        callee = self.lower(node.func)
        if not isinstance(callee, Const) or not isinstance(callee.value, FunctionType):
            raise self.limit(node, f"returns what {ast.unparse(node.func)}() gives")
        self.handed_on = self.handed_on or inspect.isgeneratorfunction(callee.value)
        self.inline(callee.value, self.arguments(node), node, tail=True)

    def _returned(self, value: Value, node: ast.AST) -> Value:
        if isinstance(value, (Const, Code)):
            return value
        return Code(self.code(value, node))

    def do_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):
            return
        if self._has_grown(node):
            return
        value = self.lower(node.value)
        if isinstance(value, (Selecting, Setting, Emitting, Waiting)) and not isinstance(
            node.value, ast.Yield
        ):
            span = self.span(node)
            label = "this has no effect: it is made and not yielded"
            self.warnings[span] = Diagnostic(
                "an action that is not yielded", span, label, "write yield before it"
            )
        self.settled(value, node)

    def _has_grown(self, node: ast.stmt) -> bool:
        """A list that has one name only is made longer: a new one in its place."""
        grown = growth(node)
        if grown is None or grown[0] not in self.scope.growing:
            return False
        name, method, item = grown
        codes, _ = self.codes([ast.copy_location(ast.Name(name, ast.Load()), node), item])
        make = ValueCall(appended if method == "append" else extended, "object")
        self.bind(name, Code(ast.Call(constant(make), codes, [])), node, once=False)
        return True

    def do_Raise(self, node: ast.Raise) -> None:
        if node.exc is None or node.cause is not None:
            raise self.limit(node, "raise without an exception, or from another")
        error = node.exc
        code: ast.expr
        value = self.scope.constant(error.func) if isinstance(error, ast.Call) else None
        if isinstance(error, ast.Call) and isinstance(value, type) and issubclass(value, BaseException):
            codes, _ = self.codes(error.args)
            code = ast.Call(constant(value), codes, [])
        else:
            code = self.code(self.lower(error), error)
        self.raised(code, node)

    def do_Assert(self, node: ast.Assert) -> None:
        right, wrong = self.block(), self.block()
        self.test(node.test, right, wrong)
        self.start(wrong)
        codes = [self.code(self.lower(node.msg), node.msg)] if node.msg is not None else []
        self.raised(ast.Call(constant(AssertionError), codes, []), node)
        self.start(right)

    def do_Delete(self, node: ast.Delete) -> None:
        """A name that is no more must have been there."""
        for target in node.targets:
            if not isinstance(target, ast.Name):
                raise self.limit(node, "deletes a part of a value")
            value = self.lower(ast.copy_location(ast.Name(target.id, ast.Load()), target))
            self.settled(value, node)
            self.emit(Unset(self.scope.variable(target.id), self.span(node)))

    def do_Pass(self, node: ast.Pass) -> None:
        """Nothing."""

    def learned(self, name: str, value: Value) -> None:
        """A name for what no local can hold."""
        self.vague.add((self.scope.number, name))
        self.scope.learn(name, value)

    def do_FunctionDef(self, node: ast.FunctionDef) -> None:
        if node.decorator_list or self.scope.bound[node.name] != 1:
            raise self.limit(node, "an inner function with decorators, or defined twice")
        self.learned(node.name, Local(node, self.scope))

    def do_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            module = importlib.import_module(alias.name)
            name = alias.asname or alias.name.partition(".")[0]
            value = module if alias.asname else importlib.import_module(name)
            self.learned(
                name, self.allowed(Const(value), ast.copy_location(ast.Name(name, ast.Load()), node))
            )

    def do_ImportFrom(self, node: ast.ImportFrom) -> None:
        package = self.scope.source.function.__globals__.get("__package__")
        module = importlib.import_module("." * node.level + (node.module or ""), package)
        for alias in node.names:
            try:
                value = getattr(module, alias.name)
            except AttributeError:
                raise self.limit(node, f"imports {alias.name}") from None
            name = ast.copy_location(ast.Name(alias.name, ast.Load()), node)
            self.learned(alias.asname or alias.name, self.allowed(Const(value), name))

    def do_Global(self, node: ast.Global | ast.Nonlocal) -> None:
        """Reading is fine; writing would make the result depend on the order in which flows run (F3)."""
        for name in node.names:
            if assigned_names(self.scope.node)[name]:
                if isinstance(node, ast.Nonlocal) and self.scope.parent and self.scope.parent.owner(name):
                    raise self.limit(node, f"an inner function that sets {name}")
                word = "global" if isinstance(node, ast.Global) else "nonlocal"
                label = f"{name!r} would depend on the order in which flows run"
                mend = "keep it in the state of an entity: SetState(…)"
                raise self.wrong(node, f"a flow cannot write a {word} name", label, mend)

    do_Nonlocal = do_Global  # noqa: N815 - the names of nodes


def _is_plain(value: Value) -> bool:
    """Whether a local can hold it."""
    if isinstance(value, Items):
        return all(map(_is_plain, value.items))
    return isinstance(value, (Const, Code))


def _raises(value: Value) -> bool:
    """Whether computing it may raise (a name may be unset): then that is done in the line where it stands."""
    if isinstance(value, Code):
        is_variable = isinstance(value.node, ast.Name) and value.node.id.startswith("v")
        return is_variable or may_raise(value.node)
    return not isinstance(value, Const)
