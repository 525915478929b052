"""Which entities a flow holds where: a dataflow analysis over the blocks.

For every entity type the ways in which it may stand: ``never`` asked for, ``empty`` (a selection found
none), ``held`` exclusively, ``shared``. Tests of an entity that the flow asked for narrow the ways.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from deep_faker.compile.graph.ir import (
    Ask,
    Attr,
    Graph,
    Let,
    Op,
    Picks,
    Saves,
    Term,
    Test,
    successors,
    target_of,
)
from deep_faker.compile.read.values import holds
from deep_faker.plan import Held, Hold, Need, Read, Release, Use

Ways = frozenset[str]
NEVER: Ways = frozenset({"never"})
HOLDING: Ways = frozenset({"held", "shared"})
MISSING: Ways = frozenset({"never", "empty"})


@dataclass(frozen=True)
class Holding:
    """What is known at one place.

    ``handles``: locals that are the entity held now; ``tests``: bool locals that tell whether one is
    (entity type, value that says yes); ``order``: entity types in order of being taken, None if unsure.
    """

    ways: Mapping[str, Ways] = field(default_factory=dict)
    handles: Mapping[str, str] = field(default_factory=dict)
    tests: Mapping[str, tuple[str, bool]] = field(default_factory=dict)
    order: tuple[str, ...] | None = ()
    known: bool = True

    @staticmethod
    def unknown() -> Holding:
        """For a first lowering, before anything is known."""
        return Holding(known=False)

    def of(self, entity: str) -> Ways:
        """How an entity type may stand."""
        return self.ways.get(entity, NEVER)

    def is_held(self, entity: str) -> bool:
        """Whether one is held or used for certain."""
        return self.of(entity) <= HOLDING

    def is_never(self, entity: str) -> bool:
        """Whether none was ever asked for, on any path."""
        return self.known and self.of(entity) <= NEVER

    def maybe(self) -> list[str]:
        """The types of which one may be held."""
        return [entity for entity, ways in self.ways.items() if ways & HOLDING]

    def _with(self, entity: str, ways: Ways) -> Holding:
        return replace(self, ways={**self.ways, entity: ways})

    def narrowed(self, entity: str, ways: Ways) -> Holding | None:
        """With only these ways left; None where that cannot be."""
        left = self.of(entity) & ways
        return self._with(entity, left) if left else None

    def taken(self, entity: str, ways: Ways) -> Holding:
        """After a selection, a birth or `Hold`: what was known of the type before is void."""
        order = self.order
        if order is not None and entity not in order:
            order = (*order, entity)
        elif order is not None and len(order) > 1 and entity in order:
            order = None
        return Holding(
            {**self.ways, entity: ways},
            {name: other for name, other in self.handles.items() if other != entity},
            {name: test for name, test in self.tests.items() if test[0] != entity},
            order,
        )

    def without(self, name: str | None) -> Holding:
        """After an assignment to a local."""
        if name is None or (name not in self.handles and name not in self.tests):
            return self
        return replace(
            self,
            handles={n: e for n, e in self.handles.items() if n != name},
            tests={n: t for n, t in self.tests.items() if n != name},
        )

    def joined(self, other: Holding) -> Holding:
        """What holds on both of two paths."""
        types = dict.fromkeys([*self.ways, *other.ways])
        return Holding(
            {entity: self.of(entity) | other.of(entity) for entity in types},
            {n: e for n, e in self.handles.items() if other.handles.get(n) == e},
            {n: t for n, t in self.tests.items() if other.tests.get(n) == t},
            self.order if self.order == other.order else None,
        )


def after(op: Op, before: Holding) -> Holding:
    """What is known after an operation."""
    if isinstance(op, Hold):
        if before.handles.get(op.handle) == op.entity:
            return before
        now = before.taken(op.entity, frozenset({"held"}))
        return replace(now, handles={**now.handles, op.handle: op.entity})
    if isinstance(op, (Need, Read, Attr)):
        handle = op.owner if isinstance(op, Attr) else op.handle
        entity = before.handles.get(handle)
        now = before
        if entity is not None:
            # an entity that is not there has ended the flow
            now = before.narrowed(entity, HOLDING) or before
        return now.without(target_of(op))
    now = before.without(target_of(op))
    if isinstance(op, Use):
        ways = frozenset({"shared"}) if op.sure else frozenset({"shared", "empty"})
        used = before.taken(op.entity, ways)
        return replace(used, handles={**used.handles, op.handle: op.entity})
    if isinstance(op, Release):
        ways = before.of(op.entity)
        return before.taken(op.entity, frozenset({"never"} & ways) | ({"empty"} if ways != NEVER else set()))
    if isinstance(op, Held):
        return replace(now, handles={**now.handles, op.target: op.entity})
    if isinstance(op, Let):
        entity, yes = _tested(op.code, before)
        if entity is not None and yes is None:
            return replace(now, handles={**now.handles, op.target: entity})
        if entity is not None and yes is not None:
            return replace(now, tests={**now.tests, op.target: (entity, yes)})
    return now


def _tested(code: ast.expr, known: Holding) -> tuple[str | None, bool | None]:
    """The entity that code is (second part None) or asks for, and the answer that says yes."""
    if isinstance(code, ast.Name):
        if code.id in known.handles:
            return known.handles[code.id], None
        return known.tests.get(code.id, (None, None))
    if isinstance(code, ast.UnaryOp) and isinstance(code.op, ast.Not):
        entity, yes = _tested(code.operand, known)
        return entity, (yes is False) if entity is not None else None
    if isinstance(code, ast.Call) and holds(code.func, bool) and code.args:
        entity, yes = _tested(code.args[0], known)
        return entity, yes is not False
    if isinstance(code, ast.Compare) and len(code.ops) == 1:
        left, right = code.left, code.comparators[0]
        if isinstance(left, ast.Constant) and left.value is None:
            left, right = right, left
        entity, yes = _tested(left, known)
        if entity is not None and yes is None and isinstance(right, ast.Constant) and right.value is None:
            return entity, isinstance(code.ops[0], (ast.IsNot, ast.NotEq))
    return None, None


def onward(term: Term, at_end: Holding) -> Iterable[tuple[int, Holding]]:
    """What is known on each way out of a block; ways that cannot be taken are left out."""
    if isinstance(term, Test):
        entity, yes = at_end.tests.get(term.test, (None, True))
        for target, answer in ((term.then, True), (term.other, False)):
            if entity is None:
                yield target, at_end
                continue
            narrowed = at_end.narrowed(entity, HOLDING if answer == yes else MISSING)
            if narrowed is not None:
                yield target, narrowed
    elif isinstance(term, Picks):
        yield (
            term.next,
            at_end.taken(term.entity.name, frozenset({"empty", "shared" if term.shared else "held"})),
        )
    elif isinstance(term, Saves) and term.emit.save is not None:
        yield term.next, at_end.taken(term.emit.save.name, frozenset({"held"}))
    else:
        for target in successors(term):
            yield target, at_end


def analyse(graph: Graph, starts: Mapping[str, Ways]) -> dict[int, Holding]:
    """What is known at the beginning of each block that can be reached."""
    known: dict[int, Holding] = {graph.entry: Holding(dict(starts), order=tuple(starts))}
    todo = [graph.entry]
    while todo:
        number = todo.pop()
        block, now = graph.blocks[number], known[number]
        for op in block.ops:
            now = after(op, now)
        for target, state in onward(block.term, now) if block.term is not None else ():
            merged = known[target].joined(state) if target in known else state
            if known.get(target) != merged:
                known[target] = merged
                todo.append(target)
    return known


def facts(graph: Graph, starts: Mapping[str, Ways]) -> dict[tuple[object, ...], Holding]:
    """What is known at each `Ask`."""
    facts_of: dict[tuple[object, ...], Holding] = {}
    for number, known in analyse(graph, starts).items():
        now = known
        for op in graph.blocks[number].ops:
            if isinstance(op, Ask):
                facts_of[op.key] = facts_of[op.key].joined(now) if op.key in facts_of else now
            now = after(op, now)
    return facts_of
