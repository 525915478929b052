"""One function on its way to blocks: what the rules are handed, and write with."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from deep_faker.compile.graph.holding import Holding
from deep_faker.compile.graph.ir import Ask, Block, Ends, Graph, Jump, Let, Op, Term, Test, successors
from deep_faker.compile.lower.emission import Emission
from deep_faker.compile.read.registry import Registry
from deep_faker.compile.read.scopes import Emitting, Local, Scope
from deep_faker.compile.read.source import NotCompiled, line_span
from deep_faker.compile.read.values import (
    Code,
    Const,
    Items,
    Method,
    Setting,
    Spread,
    Value,
    Waiting,
    constant,
    evaluate,
    local,
)
from deep_faker.errors import CompileError, DeclarationError, Diagnostic
from deep_faker.spans import Span

# What is known of names, scope by scope, outwards.
Knowing = tuple[tuple[Scope, Mapping[str, Value]], ...]
# What a node becomes: an expression a `Value`, a statement operations and None.
Rule = Callable[["Lowering", Any], Any]

_EXPRESSIONS = {
    "Await": "await",
    "Starred": "a star in a call or display",
    "Dict": "a dict of things that are no values",
}
_STATEMENTS = {
    "Try": "try",
    "TryStar": "try",
    "With": "with",
    "AsyncWith": "async with",
    "AsyncFor": "async for",
    "AsyncFunctionDef": "an async function",
    "ClassDef": "a class inside a flow",
}


class Whole(ast.expr):
    """A node of our own: an expression that is to be taken in one piece."""

    def __init__(self, origin: ast.expr) -> None:
        super().__init__()
        self.origin = origin


class Trial:
    """Lowering that may turn out not to be wanted, see `Lowering.trying`. It begins at an op of a block."""

    def __init__(self, block: Block | None) -> None:
        self.block, self.count = block, len(block.ops) if block is not None else 0
        self.kept = False

    def keep(self) -> None:
        """What was written stays."""
        self.kept = True


@contextmanager
def declaring(span: Span) -> Iterator[None]:
    """Declaration errors inside are shown at ``span``, unless they know a place of the flow's own."""
    try:
        yield
    except CompileError:
        raise
    except DeclarationError as error:
        raise CompileError(*(replace(d, span=span) for d in error.diagnostics)) from None


@dataclass
class Writing:
    """What has been written of a flow so far; all of it is taken back where a look ahead ends."""

    graph: Graph
    current: Block | None
    # names (of a scope's number) that stand for what no local can hold, wherever they are set
    vague: set[tuple[int, str]]
    inlined: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    knowing: dict[int, Knowing] = field(default_factory=dict)
    last_fields: dict[str, None] = field(default_factory=dict)  # read as current_event_data outside of mutate
    warnings: dict[object, Diagnostic] = field(default_factory=dict)
    handed_on: bool = False  # the function only returns another flow's generator
    # event → its fields that flows look at which it starts
    told: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def snapshot(self) -> Callable[[], None]:
        """A function that puts everything back to what it is now.

        What is written from now on goes to the current block and to new ones.
        """
        names = {name: _copied(value) for name, value in vars(self).items()}
        blocks, count, current = self.graph.blocks, len(self.graph.blocks), self.current
        ops = list(current.ops) if current is not None else []

        def taken_back() -> None:
            vars(self).update(names)
            for number in range(count, len(blocks)):
                del blocks[number]
            if current is not None:
                current.ops[:], current.term = ops, None

        return taken_back


@dataclass(frozen=True, eq=False)
class Lowering:
    """Where lowering is: in a function (``scope``), a loop, a yield, an event; and how to write there.

    It is handed from rule to rule. What holds inside of something only is handed on in another one of the
    same `Writing`: see `at`, `looping`, `yielding`, `emitting`.

    ``facts``: what earlier lowering found out for each `Ask`; ``wanted``: the fields of its last event that
    it found the flow to ask for.
    """

    name: str
    scope: Scope
    registry: Registry
    rules: Mapping[type[ast.AST], Rule]
    facts: Mapping[tuple[object, ...], Holding] | None
    wanted: tuple[str, ...]
    writing: Writing
    loop: tuple[int, int] | None = None  # (continue, break)
    yielded: ast.Yield | None = None
    emission: Emission | None = None

    @classmethod
    def begun(
        cls,
        name: str,
        scope: Scope,
        registry: Registry,
        rules: Mapping[type[ast.AST], Rule],
        facts: Mapping[tuple[object, ...], Holding] | None = None,
        wanted: Iterable[str] = (),
        vague: Iterable[tuple[int, str]] = (),
    ) -> Lowering:
        """At the beginning of a flow."""
        graph = Graph({0: Block()})
        writing = Writing(graph, graph.blocks[0], set(vague))
        return cls(name, scope, registry, rules, facts, tuple(wanted), writing)

    # ------------------------------------------------ inside of something

    def at(self, scope: Scope) -> Lowering:
        """In another function."""
        return replace(self, scope=scope, loop=None)

    def looping(self, again: int, done: int) -> Lowering:
        """In a loop: the blocks of ``continue`` and ``break``."""
        return replace(self, loop=(again, done))

    def yielding(self, node: ast.Yield) -> Lowering:
        """In what a yield performs."""
        return replace(self, yielded=node)

    def emitting(self, emission: Emission, scope: Scope) -> Lowering:
        """In the ``mutate`` of an event, which is written in ``scope``."""
        return replace(self, emission=emission, scope=scope)

    # ------------------------------------------------ nodes

    def visit(self, node: ast.expr) -> Value:
        """The value of an expression; operations that it needs go into the current block."""
        rule = self.rules.get(type(node))
        if rule is None:
            kind = type(node).__name__
            raise self.limit(node, _EXPRESSIONS.get(kind, f"a {kind}"))
        value: Value = rule(self, node)
        if isinstance(value, Code) and not hasattr(value.node, "lineno"):
            ast.copy_location(value.node, node)  # an error in it is shown there
        return value

    def statements(self, nodes: Sequence[ast.stmt]) -> None:
        """Statements one after the other; what cannot be reached is left out."""
        for node in nodes:
            if self.current is None:
                return
            rule = self.rules.get(type(node))
            if rule is None:
                kind = type(node).__name__
                raise self.limit(node, _STATEMENTS.get(kind, f"a {kind} statement"))
            rule(self, node)

    # ------------------------------------------------ blocks

    @property
    def current(self) -> Block | None:
        """The block that is being written; None where nothing can get to."""
        return self.writing.current

    @property
    def graph(self) -> Graph:
        """All blocks."""
        return self.writing.graph

    def emit(self, op: Op) -> None:
        """Append to the current block (dropped where nothing can get to)."""
        if self.current is not None:
            self.current.ops.append(op)

    def end(self, term: Term) -> None:
        """Close the current block."""
        if self.current is not None:
            self.current.term = term
            for number in successors(term):
                self._gets_to(number)
        self.writing.current = None

    def end_function(self) -> None:
        """Close a flow's last block at the end of its function."""
        last = self.scope.node.body[-1]
        self.end(Ends(line_span(self.scope.source.file, last.end_lineno or last.lineno)))

    def _gets_to(self, number: int) -> None:
        """A name is known in a block if it stands for the same on every way that leads there."""
        now: list[tuple[Scope, Mapping[str, Value]]] = []
        scope: Scope | None = self.scope
        while scope is not None:
            now.append((scope, scope.known))
            scope = scope.caller
        before = dict(self.writing.knowing.get(number, now))
        self.writing.knowing[number] = tuple(
            (scope, known if (other := before[scope]) is known else _shared(known, other))
            for scope, known in now
            if scope in before
        )

    def block(self) -> int:
        """A new, empty block."""
        number = len(self.graph.blocks)
        self.graph.blocks[number] = Block()
        return number

    def start(self, number: int) -> None:
        """Write into that block from here on, knowing what is known on all ways to it so far."""
        self.writing.current = self.graph.blocks[number]
        for scope, known in self.writing.knowing.get(number, ()):
            scope.know(known)

    def enter(self, number: int) -> None:
        """Write into that block, unless a test that is decided keeps everybody out (`if DEBUG:`)."""
        self.start(number)
        if not self.is_entered(number):
            self.writing.current = None

    def go(self, number: int) -> None:
        """Close the current block with a jump."""
        self.end(Jump(number))

    def branch(self, test: str, then: int, other: int, span: Span) -> None:
        """Close the current block with a test of a bool local."""
        self.end(Test(test, then, other, span))

    def is_entered(self, number: int) -> bool:
        """Whether anything goes to that block so far."""
        return number in {n for b in self.graph.blocks for n in self.graph.next_of(b)}

    def ask(self, node: ast.AST) -> Holding:
        """What the flow holds here, as far as an earlier lowering knows."""
        key = (*self.scope.path, id(node))
        self.emit(Ask(key))
        if self.facts is None:
            return Holding.unknown()
        return self.facts.get(key, Holding.unknown())  # unknown: nothing gets here

    @contextmanager
    def aside(self) -> Iterator[list[Op]]:
        """What is written inside goes to a list, to be put elsewhere."""
        before, block = self.current, Block()
        self.writing.current = block
        try:
            yield block.ops
        finally:
            self.writing.current = before

    # ------------------------------------------------ looking ahead

    @contextmanager
    def trying(self) -> Iterator[Trial]:
        """What is lowered inside is taken back at the end, all of it, unless it is kept.

        So looking ahead cannot leave a draw, a block or a name behind, whatever way it ends.
        """
        trial, taken_back = self.here(), self._snapshot()
        try:
            yield trial
        finally:
            if not trial.kept:
                taken_back()

    def here(self) -> Trial:
        """This place, for `written_since`."""
        return Trial(self.current)

    def written_since(self, trial: Trial) -> list[Op] | None:
        """The operations from the trial's beginning to here; None if not all ways lead straight here."""
        if trial.block is None:
            return []
        ops, block = trial.block.ops[trial.count :], trial.block
        while block is not self.current:
            if not isinstance(block.term, Jump):
                return None
            block = self.graph.blocks[block.term.next]
            ops += block.ops
        return ops

    def _snapshot(self) -> Callable[[], None]:
        """A function that puts everything back to what it is now, also what is known of names."""
        parts = [self.writing.snapshot()]
        if self.emission is not None:
            parts.insert(0, self.emission.made.snapshot())
        scopes: list[tuple[Scope, dict[str, object]]] = []
        scope: Scope | None = self.scope
        while scope is not None:
            scopes.append((scope, dict(vars(scope))))
            scope = scope.caller

        def taken_back() -> None:
            for part in parts:
                part()
            for scope, held in scopes:
                vars(scope).update(held)

        return taken_back

    # ------------------------------------------------ places and limits

    def span(self, node: ast.AST | None = None) -> Span:
        """Where a node of the current function stands."""
        return self.scope.source.span(node)  # type: ignore[arg-type]  # only nodes with places are asked for

    def place(self, node: ast.AST) -> Span:
        """Where an action is performed: where it is written, if that is on the line of its yield."""
        span = self.span(node)
        if self.yielded is not None and self.span(self.yielded).line != span.line:
            return self.span(self.yielded)
        return span

    def limit(self, node: ast.AST, reason: str) -> NotCompiled:
        """The flow goes live for this."""
        return NotCompiled(reason, self.span(node))

    def wrong(self, node: ast.AST, title: str, label: str, mend: str = "") -> CompileError:
        """An error at ``node``."""
        return CompileError(Diagnostic(title, self.span(node), label, mend))

    def warn(self, node: ast.AST, title: str, label: str, mend: str) -> None:
        """A warning at ``node``, once for each place."""
        span = self.span(node)
        self.writing.warnings[span] = Diagnostic(title, span, label, mend)

    # ------------------------------------------------ names

    def inlines(self) -> int:
        """The number of a function that begins to be inlined."""
        self.writing.inlined += 1
        return self.writing.inlined

    def is_vague(self, scope: Scope, name: str) -> bool:
        """Whether the name stands for what no local can hold, in some ways to here or another."""
        return (scope.number, name) in self.writing.vague

    def make_vague(self, scope: Scope, name: str) -> None:
        """The name stands for what no local can hold."""
        self.writing.vague.add((scope.number, name))

    def want(self, name: str) -> None:
        """The flow asks for a field of its last event."""
        self.writing.last_fields.setdefault(name)

    def hand_on(self, *, generator: bool) -> None:
        """The function returns what another one gives: ``generator``, if that is a flow."""
        self.writing.handed_on = self.writing.handed_on or generator

    # ------------------------------------------------ locals and code

    def fresh(self, name: str = "") -> str:
        """A new local: ``t_1``, ``t_2`` … or ``t_name_1`` …"""
        prefix = f"t_{name}_" if name else "t_"
        counts = self.writing.counts
        counts[prefix] = counts.get(prefix, 0) + 1
        return f"{prefix}{counts[prefix]}"

    def let(self, code: ast.expr, node: ast.AST, target: str | None = None) -> str:
        """Put code into a local."""
        name = target or self.fresh()
        self.emit(Let(name, code, self.span(node)))
        return name

    def code(self, value: Value, node: ast.AST) -> ast.expr:
        """A value as code."""
        if isinstance(value, Code):
            return value.node
        if isinstance(value, Const):
            return constant(value.value)
        if isinstance(value, Local) and value.origin is not None:
            return self.code(self.visit(Whole(value.origin)), node)
        if isinstance(value, Items):
            parts = [self.code(item, node) for item in value.items]
            return ast.List(parts, ast.Load()) if value.make is list else ast.Tuple(parts, ast.Load())
        raise self.limit(node, f"{describe(value)} is used as a value")

    def as_local(self, value: Value, node: ast.AST) -> str:
        """The local that holds a value."""
        code = self.code(value, node)
        return code.id if isinstance(code, ast.Name) else self.let(code, node)

    def settled(self, value: Value, node: ast.AST) -> Value:
        """The value with its code computed now, so that later assignments do not change it."""
        if isinstance(value, Code):
            return Code(local(self.let(value.node, node)))
        if isinstance(value, Items):
            return Items(tuple(self.settled(item, node) for item in value.items), value.make)
        if isinstance(value, Setting):
            changes = tuple((f, o, self.settled(v, node), n) for f, o, v, n in value.changes)
            return replace(value, changes=changes)
        if isinstance(value, Spread):
            return replace(
                value, parts={name: self.settled(part, node) for name, part in value.parts.items()}
            )
        if isinstance(value, Emitting):
            return replace(
                value, fields={name: self.settled(part, node) for name, part in value.fields.items()}
            )
        if isinstance(value, Waiting):
            delays = tuple((unit, self.settled(v, node)) for unit, v in value.delays)
            return replace(value, rate=self.settled(value.rate, node), delays=delays)
        return value

    def made(self, node: ast.expr, parts: Sequence[Value]) -> Value:
        """Code over parts; done at once where all of them are constant."""
        if all(isinstance(part, Const) for part in parts) and not _is_large(node):
            try:
                return Const(evaluate(node))
            except Exception:  # noqa: BLE001 - what raises now raises again when the flow gets there
                return Code(node)
        return Code(node)


def _shared(known: Mapping[str, Value], other: Mapping[str, Value]) -> Mapping[str, Value]:
    return {name: value for name, value in known.items() if other.get(name) is value}


def _copied(value: object) -> object:
    """A container of its own, so that changing it does not change what it was."""
    return copy.copy(value) if isinstance(value, (dict, set, list)) else value


def _is_large(node: ast.expr) -> bool:
    """Whether constants make something huge, which had better be left to the run."""
    if not isinstance(node, ast.BinOp):
        return False
    sides = [side.value for side in (node.left, node.right) if isinstance(side, ast.Constant)]
    if isinstance(node.op, (ast.Pow, ast.LShift)):
        return any(isinstance(side, int) and abs(side) > 256 for side in sides)
    if isinstance(node.op, ast.Mult) and any(isinstance(side, (str, list, tuple, bytes)) for side in sides):
        return any(isinstance(side, int) and side > 1000 for side in sides)
    return False


def describe(value: Value) -> str:
    """A value that is neither code nor constant, for messages."""
    if isinstance(value, Method):
        return f"the method .{value.name}"
    names = {"Context": "ctx", "World": "ctx.global_context", "EventData": "ctx.current_event_data"}
    names |= {
        "Selecting": "a Select",
        "Picked": "a list of entities",
        "Setting": "a SetState",
        "Emitting": "a NewEvent",
        "Waiting": "an AddDecay",
    }
    names |= {
        "Selection": "a list of entities",
        "Selected": "ctx.selected_entities",
        "Local": "an inner function",
    }
    return names.get(type(value).__name__, "a value")
