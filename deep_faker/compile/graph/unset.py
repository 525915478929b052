"""Locals that may be read before they are set: a flag beside each, and Python's error where it is down."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from deep_faker.compile.graph.ir import (
    Block,
    Draw,
    Ends,
    Graph,
    Jump,
    Let,
    Op,
    Term,
    Test,
    Unset,
    all_reads,
    target_of,
)
from deep_faker.compile.graph.raising import read_late
from deep_faker.compile.read.source import NotCompiled
from deep_faker.compile.read.values import Raise, constant, shown_name
from deep_faker.spans import Span, node_span

FREE = "0free"  # no name of a helper: `Builder.fresh` of it is a local that is read in a function inside


def guarded(graph: Graph, names: Iterable[str], span: Span) -> Graph:
    """The graph in which a read of these locals comes after a test of whether it is set."""
    wanted = tuple(sorted(names))
    blocks: dict[int, Block] = {}
    fresh = iter(range(max(graph.blocks) + 1, 1 << 60))

    def tested(block: Block, name: str, where: Span, *, free: bool) -> Block:
        """Close ``block`` with a test; gives the block in which the local is set."""
        error, onward = next(fresh), next(fresh)
        block.term = Test(flag_of(name), onward, error, where)
        shown = shown_name(name)
        label = f"cannot access local variable {shown!r} where it is not associated with a value"
        if free:
            label = f"cannot access free variable {shown!r} where it is not associated with a value in"
            label += " enclosing scope"
        raised = ast.Call(constant(NameError if free else UnboundLocalError), [constant(label)], [])
        failing: Op = Let(f"t_{next(fresh)}", ast.Call(constant(Raise()), [raised], []), where)
        blocks[error] = Block([failing], Ends(where))
        blocks[onward] = Block()
        return blocks[onward]

    for number, old in graph.blocks.items():
        now = blocks[number] = Block()
        sure: set[str] = set()
        steps: list[Op | Term | None] = [*old.ops, old.term]
        for index, step in enumerate(steps):
            for name in all_reads(step):
                if name in wanted and name not in sure:
                    free = isinstance(step, Let) and step.target.startswith(f"t_{FREE}_")
                    where = _read_at(step, name, span)
                    if any(read_late(code, name) for code in _codes_of(step)):
                        raise NotCompiled(f"{shown_name(name)} may not be set, nor be read", where)
                    now = tested(now, name, where, free=free)
                    sure.add(name)
            if index == len(old.ops):
                now.term = old.term
                continue
            op = old.ops[index]
            now.ops.append(op)
            target = target_of(op)
            if target is not None and target in wanted:
                is_set = not isinstance(op, Unset)
                (sure.add if is_set else sure.discard)(target)
                now.ops.append(Let(flag_of(target), constant(is_set), span))
    start = next(fresh)
    begin: list[Op] = []
    for name in wanted:
        begin += [Unset(name, span), Let(flag_of(name), constant(False), span)]
    blocks[start] = Block(begin, Jump(graph.entry))
    return Graph(blocks, start)


def _codes_of(step: Op | Term | None) -> tuple[ast.expr, ...]:
    """The expressions of a step, of which those that read a local decide when that is."""
    if isinstance(step, Let):
        return (step.code,)
    return step.args if isinstance(step, Draw) else ()


def _read_at(step: Op | Term | None, name: str, otherwise: Span) -> Span:
    """Where a step reads a local."""
    span: Span = getattr(step, "span", otherwise)
    if isinstance(step, Let):
        for node in ast.walk(step.code):
            if isinstance(node, ast.Name) and node.id == name and hasattr(node, "lineno"):
                return node_span(node, span.file)
    return span


def flag_of(name: str) -> str:
    """The local that says whether another is set."""
    return f"t_{name}__set"
