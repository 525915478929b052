"""What flows do with entity types: what they read, change, share; and attribute reads made definite."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from deep_faker.compile.graph.holding import Holding, Ways, after, analyse
from deep_faker.compile.graph.ir import Attr, Block, Emit, Graph, Let, Op, Picks, Saves, TypedFlow
from deep_faker.compile.read.values import local
from deep_faker.declare.schema import EntitySpec
from deep_faker.plan import Apply, Change, Condition, Hold, Need, Read


@dataclass
class Usage:
    """Over all flows of a plan. Fields are (entity, name) pairs."""

    read: set[tuple[str, str]] = field(default_factory=set)
    changed: set[tuple[str, str]] = field(default_factory=set)
    stale: set[str] = field(default_factory=set)  # read through a handle that may be no longer held
    shared: set[str] = field(default_factory=set)
    shared_changes: set[str] = field(default_factory=set)
    keyed: set[str] = field(default_factory=set)  # the key was given explicitly

    def is_changed(self, entity: str) -> bool:
        """Whether any field of the type changes in a flow."""
        return any(name == entity for name, _ in self.changed)

    def conditions(
        self, entity: str, conditions: tuple[Condition, ...], weight: str | None, *, shared: bool
    ) -> None:
        """A filter reads the fields that it asks for."""
        self.read |= {(entity, condition.field) for condition in conditions}
        if weight is not None:
            self.read.add((entity, weight))
        if shared:
            self.shared.add(entity)


def resolved(flow: TypedFlow, entities: Mapping[str, EntitySpec]) -> Graph:
    """Attribute reads as reads of entities, or as code."""
    blocks = {
        number: Block([_resolved(op, flow, entities) for op in block.ops], block.term)
        for number, block in flow.graph.blocks.items()
    }
    return Graph(blocks, flow.graph.entry)


def _resolved(op: Op, flow: TypedFlow, entities: Mapping[str, EntitySpec]) -> Op:
    if not isinstance(op, Attr):
        return op
    owner = flow.types.get(op.owner)
    if owner is None or owner.kind != "entity":
        return Let(op.target, ast.Attribute(local(op.owner), op.name, ast.Load()), op.span)
    spec = entities[owner.entity or ""]
    name = None if op.name in (spec.primary_key, "get_primary_key") else op.name
    return Read(op.target, spec.name, op.owner, name, current=False, span=op.span)


def observed(graph: Graph, starts: Mapping[str, Ways], usage: Usage) -> tuple[Graph, bool]:
    """The graph with `Read.current` known, its uses added to ``usage``; and whether the flow can end."""
    known = analyse(graph, starts)
    ends = False
    blocks: dict[int, Block] = {}
    for number, block in graph.blocks.items():
        now = known.get(number, Holding(dict(starts)))
        ops: list[Op] = []
        for op in block.ops:
            ends = ends or _may_end(op, now)
            op_now = _observed(op, now, usage)
            if op_now is not None:
                ops.append(op_now)
            now = after(op, now)
        term = block.term
        if isinstance(term, Saves):
            ends = ends or _may_end(term.emit, now)
            _observed(term.emit, now, usage)
        elif isinstance(term, Picks):
            conditions = (*term.static, *(Condition(f, o, None) for f, o, _ in term.dynamic))
            usage.conditions(term.entity.name, conditions, term.weight, shared=term.shared)
        blocks[number] = Block(ops, term)
    return Graph(blocks, graph.entry), ends


def _may_end(op: Op, now: Holding) -> bool:
    """Whether an operation can end the flow for want of an entity."""
    if isinstance(op, (Read, Need, Hold)):
        entity = now.handles.get(op.handle)
        return entity is None or not now.is_held(entity)
    if isinstance(op, Emit):
        return any(not now.is_held(entity) for entity in op.keys.values())
    return False


def _observed(op: Op, now: Holding, usage: Usage) -> Op | None:
    if isinstance(op, Read):
        ways = now.of(op.entity)
        current = now.handles.get(op.handle) == op.entity and "held" in ways and "shared" not in ways
        if op.field is not None:
            usage.read.add((op.entity, op.field))
            if not current:
                usage.stale.add(op.entity)
        return replace(op, current=current)
    if isinstance(op, Hold) and now.handles.get(op.handle) == op.entity and now.is_held(op.entity):
        return None  # it only names what is held
    if isinstance(op, (Apply, Emit)):
        saved = op.save.name if isinstance(op, Emit) and op.save is not None else None
        for change in op.changes:
            _change(change, now, usage, saved)
        if isinstance(op, Emit) and op.save is not None and op.save.primary_key in op.given:
            usage.keyed.add(op.save.name)
    return op


def _change(change: Change, now: Holding, usage: Usage, saved: str | None) -> None:
    usage.changed.add((change.entity, change.field))
    if change.entity != saved and "shared" in now.of(change.entity):
        usage.shared_changes.add(change.entity)
