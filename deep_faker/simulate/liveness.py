"""Which locals a state needs, so that batches carry no others.

The engine's own columns are treated as locals with names that end in two underscores: ``number__``,
``clock__``, ``action__``, ``k__``, ``events__`` and, where a flow could stall, ``mark__`` (the action
number when the clock last moved).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from deep_faker.plan import (
    Apply,
    Branch,
    Clock,
    Count,
    Delay,
    Draw,
    Early,
    Emit,
    End,
    FlowTable,
    Given,
    Goto,
    Held,
    Hold,
    Let,
    Need,
    Operation,
    Pick,
    Read,
    Release,
    Save,
    Session,
    State,
    Terminator,
    Turn,
    Type,
    Use,
    Wait,
)

END = frozenset({"clock__", "events__"})
ACTION = frozenset({"number__", "clock__", "action__", "events__"})


@dataclass(frozen=True)
class Block:
    """A state with the states that only follow it, up to where the flow divides or stops."""

    state: int
    operations: tuple[Operation, ...]
    terminator: Terminator
    live_in: tuple[str, ...] = ()


def successors(terminator: Terminator) -> tuple[int, ...]:
    """States that a terminator leads to."""
    if isinstance(terminator, Branch):
        return terminator.then, terminator.other
    return () if isinstance(terminator, End) else (terminator.next,)


def uses(operation: Operation | Emit, *, guarded: bool) -> tuple[frozenset[str], frozenset[str]]:
    """(names that an operation needs, names that it gives)."""
    match operation:
        case Let(target, expr):
            return frozenset(expr.names), frozenset({target})
        case Draw(target, _, args):
            names = {name for arg in args for name in arg.names}
            return frozenset({*names, "number__", "k__"}), frozenset({target, "k__"})
        case Held(target):
            return frozenset(), frozenset({target})
        case Read(target, _, handle):
            return END | {handle, "number__"}, frozenset({target})
        case Need(handle):
            return END | {handle}, frozenset()
        case Clock(target):
            return frozenset({"clock__"}), frozenset({target})
        case Session(target):
            return frozenset({"number__"}), frozenset({target})
        case Count():
            return frozenset({"action__", "mark__"} if guarded else {"action__"}), frozenset({"action__"})
        case Turn():
            return frozenset({"action__"}), frozenset()
        case Given(target):
            return frozenset(), frozenset({target})
        case Early(target):
            return frozenset({"number__", "action__", "clock__"}), frozenset({target})
        case Apply(changes):
            return ACTION | {change.value for change in changes}, frozenset()
        case Emit(_, values, _, changes):
            names = {name for _, name in values} | {change.value for change in changes}
            return ACTION | names, frozenset({"events__"})
        case Hold(_, handle):
            return END | {handle}, frozenset()
        case Release():
            return frozenset(), frozenset()
        case Use(_, handle):
            return frozenset({handle}), frozenset()
    raise AssertionError(operation)


def terminator_uses(terminator: Terminator, *, guarded: bool) -> tuple[frozenset[str], frozenset[str]]:
    """The same for the end of a block."""
    match terminator:
        case Branch(test):
            return frozenset({test}), frozenset()
        case Wait(delays, rate):
            names = {delay.local for delay in delays if delay.local is not None}
            names |= {name for delay in delays for _, name in delay.given}
            if isinstance(rate, str):
                names.add(rate)
            more = {"mark__"} if guarded else set()
            return ACTION | names | more, frozenset({"clock__"} | more)
        case Pick(_, _, dynamic, since=since, apart=apart):
            names = {name for *_, name in dynamic} | ({since} if since is not None else set()) | set(apart)
            return frozenset({"number__", "clock__", "k__"} | names), frozenset({"k__"})
        case Save(emit):
            return uses(emit, guarded=guarded)
        case End():
            return END, frozenset()
    return frozenset(), frozenset()


def before(
    live: frozenset[str], operations: Sequence[Operation], *, guarded: bool
) -> Iterator[frozenset[str]]:
    """Live names after each operation, last first, and at last those before the first one."""
    for operation in reversed(operations):
        yield live
        needs, gives = uses(operation, guarded=guarded)
        live = (live - gives) | needs
    yield live


def entry_of(block: Block, live_in: Mapping[int, frozenset[str]], *, guarded: bool) -> frozenset[str]:
    """Live names at the block's start, given those of its successors."""
    return list(before(exit_of(block, live_in, guarded=guarded), block.operations, guarded=guarded))[-1]


def exit_of(block: Block, live_in: Mapping[int, frozenset[str]], *, guarded: bool) -> frozenset[str]:
    """Live names before the block's terminator."""
    needs, gives = terminator_uses(block.terminator, guarded=guarded)
    after = frozenset().union(*(live_in[state] for state in successors(block.terminator)))
    return (after - gives) | needs


def can_stall(flow: FlowTable) -> bool:
    """Whether a cycle of the flow need not move the clock."""
    moving = {state.number for state in flow.states if _moves(state.terminator)}
    edges = {
        state.number: tuple(n for n in successors(state.terminator) if state.number not in moving)
        for state in flow.states
    }
    done: set[int] = set()
    path: set[int] = set()

    def cyclic(number: int) -> bool:
        stack: list[tuple[int, Iterator[int]]] = [(number, iter(edges[number]))]
        path.add(number)
        while stack:
            current, rest = stack[-1]
            for following in rest:
                if following in path:
                    return True
                if following not in done:
                    path.add(following)
                    stack.append((following, iter(edges[following])))
                    break
            else:
                stack.pop()
                path.discard(current)
                done.add(current)
        return False

    return any(cyclic(number) for number in edges if number not in done)


def _moves(terminator: Terminator) -> bool:
    return isinstance(terminator, Wait) and any(map(_positive, terminator.delays))


def _positive(delay: Delay) -> bool:
    """A delay that is zero 10,000 times in a row in no imaginable run."""
    if delay.local is None and delay.kind is None:
        return delay.constant > 0
    if delay.given:
        return False
    if delay.kind in ("exponential", "normal", "uniform"):
        return bool(max(delay.params) * delay.unit >= 1000)
    return delay.kind == "lognormal"


def blocks_of(flow: FlowTable) -> list[Block]:
    """The flow's blocks in an order in which joins come after what they join, as far as loops allow."""
    by_number: dict[int, State] = {state.number: state for state in flow.states}
    entry = flow.states[0].number
    counts: dict[int, int] = {entry: 2}  # the entry is never merged into another block
    for state in flow.states:
        for number in successors(state.terminator):
            again = 1 if isinstance(state.terminator, Goto) else 2
            counts[number] = counts.get(number, 0) + again
    blocks: dict[int, Block] = {}
    for state in flow.states:
        operations, terminator = list(state.operations), state.terminator
        seen = {state.number}
        while isinstance(terminator, Goto) and counts[terminator.next] == 1 and terminator.next not in seen:
            seen.add(terminator.next)
            following = by_number[terminator.next]
            operations += following.operations
            terminator = following.terminator
        if counts.get(state.number, 0) > 1:
            blocks[state.number] = Block(state.number, tuple(operations), terminator)
    return _with_liveness(_sorted(blocks, entry), guarded=can_stall(flow))


def _sorted(blocks: Mapping[int, Block], entry: int) -> list[Block]:
    """Reverse postorder from the entry."""
    out: list[Block] = []
    seen = {entry}
    stack = [(entry, iter(successors(blocks[entry].terminator)))]
    while stack:
        number, rest = stack[-1]
        following = next((n for n in rest if n not in seen), None)
        if following is None:
            out.append(blocks[number])
            stack.pop()
        else:
            seen.add(following)
            stack.append((following, iter(successors(blocks[following].terminator))))
    return out[::-1]


def _with_liveness(blocks: Sequence[Block], *, guarded: bool) -> list[Block]:
    live: dict[int, frozenset[str]] = {block.state: frozenset() for block in blocks}
    again = True
    while again:
        again = False
        for block in reversed(blocks):
            wanted = entry_of(block, live, guarded=guarded)
            if wanted != live[block.state]:
                live[block.state], again = wanted, True
    return [
        Block(block.state, block.operations, block.terminator, tuple(sorted(live[block.state])))
        for block in blocks
    ]


def columns_of(names: Sequence[str], types: Mapping[str, Type]) -> list[str]:
    """The arrays that stand for locals: masks of optional ones beside their values."""
    out: list[str] = []
    for name in names:
        out.append(name)
        if name in types and types[name].optional:
            out.append(f"{name}__null")
    return out
