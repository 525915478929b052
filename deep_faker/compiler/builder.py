"""Writing blocks: the ground floor of lowering, which knows blocks, locals and constants only."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from deep_faker.compiler.held import Holding
from deep_faker.compiler.ir import Ask, Block, Graph, Jump, Let, Op, Term, Test
from deep_faker.compiler.scopes import Scope
from deep_faker.compiler.source import NotCompiled
from deep_faker.compiler.values import (
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
from deep_faker.errors import CompileError, DeclarationError, Diagnostic, Span
from deep_faker.schema import BaseEvent, Entity, EntitySpec, EventSpec, entity_spec, event_spec


@dataclass
class Registry:
    """The entity and event types that flows name, in order of appearance."""

    entities: dict[str, EntitySpec] = field(default_factory=dict)
    events: dict[str, EventSpec] = field(default_factory=dict)

    def entity(self, cls: type[Entity], span: Span | None = None) -> EntitySpec:
        """The spec of an entity class, registered with its source event."""
        spec = entity_spec(cls)
        known = self.entities.setdefault(spec.name, spec)
        if known.cls is not cls:
            self._twice(spec.name, span)
        if spec.source_event is not None:
            self.event(spec.source_event.cls, span)
        return spec

    def event(self, cls: type[BaseEvent], span: Span | None = None) -> EventSpec:
        """The spec of an event class, registered."""
        spec = event_spec(cls)
        known = self.events.setdefault(spec.name, spec)
        if known.cls is not cls:
            self._twice(spec.name, span)
        return spec

    @staticmethod
    def _twice(name: str, span: Span | None) -> None:
        label = f"two different classes are named {name}"
        raise CompileError(Diagnostic("ambiguous name", span, label, "rename one: data sets go by the name"))


Mark = tuple[Scope, int, Block | None, int, int]


@contextmanager
def declaring(span: Span) -> Iterator[None]:
    """Declaration errors inside are shown at ``span``, unless they know a place of the flow's own."""
    try:
        yield
    except CompileError:
        raise
    except DeclarationError as error:
        raise CompileError(*(replace(d, span=span) for d in error.diagnostics)) from None


class Builder:
    """Blocks being written. ``facts``: what earlier lowering found out for each `Ask`."""

    def __init__(
        self, name: str, scope: Scope, registry: Registry, facts: Mapping[tuple[Any, ...], Holding] | None
    ) -> None:
        self.name, self.registry, self.facts = name, registry, facts
        self.scope = scope
        self.graph = Graph({0: Block()})
        self.current: Block | None = self.graph.blocks[0]
        self.inlined = 0
        self._counts: dict[str, int] = {}

    # ------------------------------------------------ blocks

    def emit(self, op: Op) -> None:
        """Append to the current block (dropped where nothing can get to)."""
        if self.current is not None:
            self.current.ops.append(op)

    def end(self, term: Term) -> None:
        """Close the current block."""
        if self.current is not None:
            self.current.term = term
        self.current = None

    def block(self) -> int:
        """A new, empty block."""
        number = len(self.graph.blocks)
        self.graph.blocks[number] = Block()
        return number

    def start(self, number: int) -> None:
        """Write into that block from here on."""
        self.current = self.graph.blocks[number]

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

    def mark(self) -> Mark:
        """Where writing stands, to come back to if what is written next turns out not to be compiled."""
        count = len(self.current.ops) if self.current is not None else 0
        return self.scope, len(self.graph.blocks), self.current, count, 0

    def back_to(self, mark: Mark) -> None:
        """Take back all that was written since."""
        self.scope, blocks, self.current, count, _ = mark
        for number in range(blocks, len(self.graph.blocks)):
            del self.graph.blocks[number]
        if self.current is not None:
            del self.current.ops[count:]
            self.current.term = None

    # ------------------------------------------------ places and limits

    def span(self, node: ast.AST | None = None) -> Span:
        """Where a node of the current function stands."""
        return self.scope.source.span(node)  # type: ignore[arg-type]  # only nodes with places are asked for

    def limit(self, node: ast.AST, reason: str) -> NotCompiled:
        """The flow goes live for this."""
        return NotCompiled(reason, self.span(node))

    def wrong(self, node: ast.AST, title: str, label: str, mend: str = "") -> CompileError:
        """An error at ``node``."""
        return CompileError(Diagnostic(title, self.span(node), label, mend))

    # ------------------------------------------------ locals and code

    def fresh(self, name: str = "") -> str:
        """A new local: ``t_1``, ``t_2`` … or ``t_name_1`` …"""
        prefix = f"t_{name}_" if name else "t_"
        self._counts[prefix] = self._counts.get(prefix, 0) + 1
        return f"{prefix}{self._counts[prefix]}"

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
        "Setting": "a SetState",
        "Emitting": "a NewEvent",
        "Waiting": "an AddDecay",
    }
    names |= {
        "Selection": "a list of entities",
        "Selected": "ctx.selected_entities",
        "Local": "an inner function",
        "Several": "one of several things",
    }
    return names.get(type(value).__name__, "a value")
