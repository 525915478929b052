"""The shape of a flow's graph: what can be reached, straight lines joined, locals split by use, liveness."""

from __future__ import annotations

from collections import defaultdict

from deep_faker.compile.graph.holding import Ways, analyse, onward
from deep_faker.compile.graph.holding import after as held_after
from deep_faker.compile.graph.ir import (
    Ask,
    Block,
    Graph,
    Jump,
    Op,
    Term,
    Test,
    Unset,
    all_reads,
    reads_of,
    renamed_reads,
    successors,
    target_of,
    with_next,
    with_target,
)
from deep_faker.compile.graph.unset import guarded
from deep_faker.spans import Span


def pruned(graph: Graph, starts: dict[str, Ways]) -> Graph:
    """Without what cannot be reached: blocks, and arms of tests whose answer is known."""
    known = analyse(graph, starts)
    blocks: dict[int, Block] = {}
    for number, state in known.items():
        block = graph.blocks[number]
        now = state
        for op in block.ops:
            now = held_after(op, now)
        term = block.term
        if isinstance(term, Test):
            ways = [target for target, _ in onward(term, now)]
            if len(set(ways)) == 1:
                term = Jump(ways[0])
        blocks[number] = Block([op for op in block.ops if not isinstance(op, Ask)], term)
    return straightened(Graph(blocks, graph.entry))


def straightened(graph: Graph) -> Graph:
    """Blocks joined where one can only follow the other; empty ones skipped."""

    def landing(number: int) -> int:
        seen = set()
        while number not in seen:
            seen.add(number)
            block = graph.blocks[number]
            if block.ops or not isinstance(block.term, Jump):
                break
            number = block.term.next
        return number

    entry = landing(graph.entry)
    for block in graph.blocks.values():
        if block.term is not None:
            block.term = with_next(block.term, landing)
            if isinstance(block.term, Test) and block.term.then == block.term.other:
                block.term = Jump(block.term.then)
    graph = Graph(graph.blocks, entry)
    entries: dict[int, int] = defaultdict(int)
    order = graph.order()
    entries[entry] += 1
    for number in order:
        for following in graph.next_of(number):
            entries[following] += 1
    merged: set[int] = set()
    for number in order:
        if number in merged:
            continue
        block = graph.blocks[number]
        while isinstance(block.term, Jump) and entries[block.term.next] == 1 and block.term.next != number:
            merged.add(block.term.next)
            joined = graph.blocks[block.term.next]
            block.ops.extend(joined.ops)
            block.term = joined.term
    return Graph({number: graph.blocks[number] for number in graph.order()}, entry)


# ---------------------------------------------------------------- locals split by use

_Reaching = dict[str, frozenset[int]]
_UNSET = -1


def split(graph: Graph, span: Span) -> Graph:
    """Each local split by use, see `_split`; one that may be read before it is set gets a flag."""
    unset = _read_unset(graph)
    return _split(guarded(graph, unset, span) if unset else graph)


def _split(graph: Graph) -> Graph:
    """Each local split into those of its assignments that some use sees together.

    So a name that is used again for something else does not mix types.
    """
    places: list[str] = []  # definition → local
    numbered: dict[tuple[int, int], int] = {}
    for number, block in graph.blocks.items():
        for index, op in enumerate(block.ops):
            name = target_of(op)
            if name is not None:
                numbered[number, index] = len(places)
                places.append(name)
    parent = list(range(len(places)))

    def find(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    reaching = _reaching(graph, numbered)
    for number, block in graph.blocks.items():
        now = dict(reaching.get(number, {}))
        steps: list[Op | Term | None] = [*block.ops, block.term]
        for index, step in enumerate(steps):
            for name in all_reads(step):
                first, *others = now[name]
                for other in others:
                    parent[find(other)] = find(first)
            if (number, index) in numbered:
                now[places[numbered[number, index]]] = frozenset({numbered[number, index]})
    return _renamed(graph, places, numbered, [find(item) for item in range(len(places))], reaching)


def _read_unset(graph: Graph) -> set[str]:
    """The locals of which some read may come before all assignments."""
    numbered = {
        (number, index): write if not isinstance(op, Unset) else _UNSET
        for write, (number, index, op) in enumerate(
            (number, index, op)
            for number, block in graph.blocks.items()
            for index, op in enumerate(block.ops)
            if target_of(op) is not None
        )
    }
    reaching = _reaching(graph, numbered)
    unset: set[str] = set()
    for number, block in graph.blocks.items():
        start = reaching.get(number, {})
        now = dict(start)
        for step in (*block.ops, block.term):
            for name in all_reads(step):
                if _UNSET in now.get(name, frozenset({_UNSET})):
                    unset.add(name)
            target = target_of(step) if step is not None and not isinstance(step, Term) else None
            if target is not None:
                now[target] = frozenset({_UNSET if isinstance(step, Unset) else 0})
    return unset


def _reaching(graph: Graph, numbered: dict[tuple[int, int], int]) -> dict[int, _Reaching]:
    """The definitions of each local that may hold at the beginning of each block."""
    names = {target_of(graph.blocks[b].ops[i]) for b, i in numbered}
    start: _Reaching = {name: frozenset({_UNSET}) for name in names if name is not None}
    after: dict[int, _Reaching] = {}
    for number, block in graph.blocks.items():
        last: _Reaching = {}
        for index, op in enumerate(block.ops):
            name = target_of(op)
            if name is not None:
                last[name] = frozenset({numbered[number, index]})
        after[number] = last
    entering: dict[int, _Reaching] = {graph.entry: start}
    todo = [graph.entry]
    while todo:
        number = todo.pop()
        out = {**entering[number], **after[number]}
        for following in graph.next_of(number):
            before = entering.get(following)
            if before is None:
                entering[following] = out
                todo.append(following)
                continue
            merged = {name: before[name] | out[name] for name in out}
            if merged != before:
                entering[following] = merged
                todo.append(following)
    return entering


def _renamed(
    graph: Graph,
    places: list[str],
    numbered: dict[tuple[int, int], int],
    roots: list[int],
    reaching: dict[int, _Reaching],
) -> Graph:
    taken: dict[str, dict[int, str]] = defaultdict(dict)
    for item, root in enumerate(roots):
        known = taken[places[item]]
        if root not in known:
            known[root] = places[item] if not known else f"{places[item]}__{len(known) + 1}"
    blocks: dict[int, Block] = {}
    for number, block in graph.blocks.items():
        now = {name: next(iter(items)) for name, items in reaching.get(number, {}).items()}
        ops: list[Op] = []

        def current(op: Op | Term | None, now: dict[str, int] = now) -> dict[str, str]:
            return {name: taken[name][roots[now[name]]] for name in all_reads(op)}

        for index, op in enumerate(block.ops):
            renamed = renamed_reads(op, current(op))
            if (number, index) in numbered:
                item = numbered[number, index]
                now[places[item]] = item
                renamed = with_target(renamed, taken[places[item]][roots[item]])
            ops.append(renamed)
        blocks[number] = Block(ops, renamed_reads(block.term, current(block.term)))
    return Graph(blocks, graph.entry)


# ---------------------------------------------------------------- liveness


def live_at(graph: Graph) -> dict[int, frozenset[str]]:
    """The locals that are needed at the beginning of each block (weak values are not)."""
    needed: dict[int, frozenset[str]] = dict.fromkeys(graph.blocks, frozenset())
    order = list(graph.blocks)[::-1]
    changed = True
    while changed:
        changed = False
        for number in order:
            now = live_before(graph.blocks[number], needed)
            if now != needed[number]:
                needed[number] = now
                changed = True
    return needed


def live_before(block: Block, needed: dict[int, frozenset[str]]) -> frozenset[str]:
    """What a block needs, given what its successors need."""
    now: set[str] = set()
    for following in successors(block.term):
        now |= needed[following]
    now |= set(reads_of(block.term))
    for op in reversed(block.ops):
        now.discard(target_of(op) or "")
        now |= set(reads_of(op))
    return frozenset(now)
