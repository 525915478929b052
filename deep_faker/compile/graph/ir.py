"""The compiler's own form of a flow: basic blocks of operations on locals, before types are known.

Operations whose meaning does not depend on types are those of `deep_faker.plan`; the others stand here.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from deep_faker.compile.read.values import names_in, same_code
from deep_faker.declare.schema import EntitySpec, EventSpec
from deep_faker.draws.distributions.declared import Distribution
from deep_faker.errors import Diagnostic
from deep_faker.plan import (
    Apply,
    Change,
    Clock,
    Condition,
    Count,
    Delay,
    Early,
    Given,
    Held,
    Hold,
    Need,
    Read,
    Release,
    Session,
    Turn,
    Type,
    Use,
)
from deep_faker.spans import Span


@dataclass(frozen=True, slots=True)
class Let:
    """``target = code``; ``augmented``: ``target += …`` and its like, read as an assignment."""

    target: str
    code: ast.expr
    span: Span
    augmented: bool = False


@dataclass(frozen=True, slots=True)
class Draw:
    """``target = random.<function>(*args)``."""

    target: str
    function: str
    args: tuple[ast.expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Attr:
    """``target = owner.name`` (``call``: ``owner.name()``): a read of an entity, or of any other value."""

    target: str
    owner: str
    name: str
    call: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Unset:
    """``target`` has no value yet; nothing reads it before something else sets it."""

    target: str
    span: Span


@dataclass(frozen=True, slots=True)
class Ask:
    """A place where lowering wants to know what the flow holds."""

    key: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Emit:
    """An event. ``given``: field → local; ``weak``: field → local of a generated value, if one is read."""

    event: EventSpec
    given: Mapping[str, str]
    weak: Mapping[str, str]
    keys: Mapping[str, str]
    changes: tuple[Change, ...]
    save: EntitySpec | None
    span: Span
    strong: tuple[str, ...] = ()  # fields of ``weak`` that the event must hand over
    told: tuple[str, ...] = ()  # fields that flows look at which the event starts
    arrives: Distribution | None = None


Op = (
    Let
    | Draw
    | Attr
    | Unset
    | Ask
    | Emit
    | Held
    | Read
    | Need
    | Clock
    | Session
    | Count
    | Turn
    | Early
    | Apply
    | Hold
    | Release
    | Use
    | Given
)


@dataclass(frozen=True, slots=True)
class Jump:
    """Go on at another block."""

    next: int


@dataclass(frozen=True, slots=True)
class Test:
    """Go on at one of two blocks, by a bool local."""

    test: str
    then: int
    other: int
    span: Span


@dataclass(frozen=True, slots=True)
class Waits:
    """``rate`` is a constant or a local."""

    delays: tuple[Delay, ...]
    rate: float | str
    next: int
    span: Span
    queue: bool = False


@dataclass(frozen=True, slots=True)
class Picks:
    """A selection; ``static`` becomes a filter of the plan."""

    entity: EntitySpec
    static: tuple[Condition, ...]
    shared: bool
    weight: str | None
    dynamic: tuple[tuple[str, str, str], ...]
    next: int
    span: Span
    since: str | None = None
    patience: int | None = None
    apart: tuple[str, ...] = ()
    listed: int | None = None


@dataclass(frozen=True, slots=True)
class Saves:
    """An event that creates an entity."""

    emit: Emit
    next: int


@dataclass(frozen=True, slots=True)
class Ends:
    """The flow is over."""

    span: Span


Term = Jump | Test | Waits | Picks | Saves | Ends


@dataclass(slots=True)
class Block:
    """Operations, and what comes after them (None while it is being written)."""

    ops: list[Op] = field(default_factory=list)
    term: Term | None = None


@dataclass(slots=True)
class Graph:
    """A flow as blocks; the first is the entry."""

    blocks: dict[int, Block]
    entry: int = 0

    def order(self) -> list[int]:
        """The reachable blocks in reverse postorder."""
        seen: set[int] = set()
        out: list[int] = []
        # An explicit stack: unrolled loops can be deeper than Python's own.
        stack: list[tuple[int, Iterator[int]]] = [(self.entry, iter(self.next_of(self.entry)))]
        seen.add(self.entry)
        while stack:
            number, rest = stack[-1]
            for following in rest:
                if following not in seen:
                    seen.add(following)
                    stack.append((following, iter(self.next_of(following))))
                    break
            else:
                out.append(number)
                stack.pop()
        return out[::-1]

    def next_of(self, number: int) -> tuple[int, ...]:
        """The blocks after a block (the other arm first, so that the arm taken is numbered first)."""
        return successors(self.blocks[number].term)


@dataclass
class TypedFlow:
    """A flow's graph and the types of its locals."""

    name: str
    graph: Graph
    span: Span
    types: dict[str, Type] = field(default_factory=dict)
    warnings: dict[object, Diagnostic] = field(default_factory=dict)
    wide: set[str] = field(default_factory=set)  # ints that may not fit into a column


def successors(term: Term | None) -> tuple[int, ...]:
    """Where a terminator can go on."""
    if isinstance(term, Test):
        return (term.other, term.then)
    if isinstance(term, (Jump, Waits, Picks, Saves)):
        return (term.next,)
    return ()


def with_next(term: Term, number: Callable[[int], int]) -> Term:
    """The terminator with its targets replaced."""
    if isinstance(term, Test):
        return replace(term, then=number(term.then), other=number(term.other))
    if isinstance(term, (Jump, Waits, Picks, Saves)):
        return replace(term, next=number(term.next))
    return term


def target_of(op: Op) -> str | None:
    """The local that an operation sets."""
    return getattr(op, "target", None)


def with_target(op: Op, target: str) -> Op:
    """The operation, setting another local."""
    changed: Op = replace(op, target=target)  # type: ignore[arg-type]  # asked of those only that set one
    return changed


def reads_of(op: Op | Term | None) -> tuple[str, ...]:
    """The locals that an operation or terminator needs (weak values of an event are not counted)."""
    if isinstance(op, Let):
        return names_in(op.code)
    if isinstance(op, Draw):
        return tuple(name for arg in op.args for name in names_in(arg))
    if isinstance(op, Attr):
        return (op.owner,)
    if isinstance(op, (Read, Need, Hold, Use)):
        return (op.handle,)
    if isinstance(op, Apply):
        return tuple(change.value for change in op.changes)
    if isinstance(op, Emit):
        strong = (op.weak[name] for name in op.strong)
        return (*op.given.values(), *strong, *(change.value for change in op.changes))
    if isinstance(op, Saves):
        return reads_of(op.emit)
    if isinstance(op, Test):
        return (op.test,)
    if isinstance(op, Waits):
        delays = [delay.local for delay in op.delays if delay.local is not None]
        delays += [name for delay in op.delays for _, name in delay.given]
        return (*delays, *((op.rate,) if isinstance(op.rate, str) else ()))
    if isinstance(op, Picks):
        return (
            *(name for _, _, name in op.dynamic),
            *((op.since,) if op.since is not None else ()),
            *op.apart,
        )
    return ()


def all_reads(op: Op | Term | None) -> tuple[str, ...]:
    """The locals that an operation reads, weak values of events too."""
    emit = op.emit if isinstance(op, Saves) else op
    if isinstance(emit, Emit):
        return (*reads_of(emit), *emit.weak.values())
    return reads_of(op)


def renamed_reads(op: Any, names: Mapping[str, str]) -> Any:
    """The operation or terminator reading other locals."""
    if isinstance(op, Let):
        return replace(op, code=same_code(op.code, names))
    if isinstance(op, Draw):
        return replace(op, args=tuple(same_code(arg, names) for arg in op.args))
    if isinstance(op, Attr):
        return replace(op, owner=names.get(op.owner, op.owner))
    if isinstance(op, (Read, Need, Hold, Use)):
        return replace(op, handle=names.get(op.handle, op.handle))
    if isinstance(op, Apply):
        return replace(op, changes=_changed(op.changes, names))
    if isinstance(op, Emit):
        given = {name: names.get(value, value) for name, value in op.given.items()}
        weak = {name: names.get(value, value) for name, value in op.weak.items()}
        return replace(op, given=given, weak=weak, changes=_changed(op.changes, names))
    if isinstance(op, Saves):
        return replace(op, emit=renamed_reads(op.emit, names))
    if isinstance(op, Test):
        return replace(op, test=names.get(op.test, op.test))
    if isinstance(op, Waits):
        delays = tuple(
            replace(
                delay,
                local=delay.local and names.get(delay.local, delay.local),
                given=tuple((position, names.get(name, name)) for position, name in delay.given),
            )
            for delay in op.delays
        )
        return replace(
            op, delays=delays, rate=names.get(op.rate, op.rate) if isinstance(op.rate, str) else op.rate
        )
    if isinstance(op, Picks):
        since = op.since if op.since is None else names.get(op.since, op.since)
        return replace(
            op,
            dynamic=tuple((f, o, names.get(n, n)) for f, o, n in op.dynamic),
            since=since,
            apart=tuple(names.get(n, n) for n in op.apart),
        )
    return op


def _changed(changes: tuple[Change, ...], names: Mapping[str, str]) -> tuple[Change, ...]:
    return tuple(replace(change, value=names.get(change.value, change.value)) for change in changes)
