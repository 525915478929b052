"""Dead code: results that nobody wants, of operations that leave nothing else behind and cannot raise."""

from __future__ import annotations

from collections.abc import Mapping

from deep_faker import plan
from deep_faker.compile.graph import ir
from deep_faker.compile.graph.raising import OTHER, Kinds, may_raise
from deep_faker.compile.graph.shape import live_at
from deep_faker.plan import Early, Type

_QUIET = (ir.Unset, plan.Held, plan.Clock, plan.Session, plan.Given, Early)


def swept(graph: ir.Graph, types: Mapping[str, Type]) -> None:
    """Operations whose results nobody wants are taken out, if leaving them out changes nothing else."""

    def kind(name: str) -> str:
        type_ = types.get(name)
        return OTHER if type_ is None or type_.optional else type_.kind

    changed = True
    while changed:
        changed = False
        needed = live_at(graph)
        for block in graph.blocks.values():
            now: set[str] = set()
            for following in ir.successors(block.term):
                now |= needed[following]
            now |= set(ir.reads_of(block.term))
            kept: list[ir.Op] = []
            for op in reversed(block.ops):
                target = ir.target_of(op)
                if target is not None and target not in now and _is_quiet(op, kind):
                    changed = True
                    continue
                now.discard(target or "")
                now |= set(ir.reads_of(op))
                kept.append(op)
            block.ops = kept[::-1]


def _is_quiet(op: ir.Op, kind: Kinds) -> bool:
    return isinstance(op, _QUIET) or (isinstance(op, ir.Let) and not may_raise(op.code, kind))
