"""The chain of a flow: from each state and what is known there, where it goes with which chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass

from deep_faker.compile.expected.values import Between, Known, Somebody, World, known, outcomes, place
from deep_faker.plan import (
    Branch,
    Draw,
    Emit,
    End,
    FlowTable,
    Held,
    Let,
    Need,
    Pick,
    Plan,
    Read,
    Release,
    Save,
    Use,
    Wait,
)
from deep_faker.spans import Span

_WORLDS = 256  # of one state; beyond, nothing is known there: a counter that never ends
_OPTIONS = 64  # of one draw

Place = tuple[str, int, int]


@dataclass
class Chain:
    """Node 0 is the start. ``ways[i]``: where node i goes, as (chance, node), -1 is the end.

    Where ``free[i]``, the chances are not known: they hang on state or on the run. ``sites[i]``: the sites at
    which node i emits. ``chances``: comparisons with ``random()``, by place.
    """

    ways: list[list[tuple[float, int]]] = field(default_factory=list)
    free: list[bool] = field(default_factory=list)
    sites: list[list[int]] = field(default_factory=list)
    chances: dict[Place, Span] = field(default_factory=dict)
    unknown: dict[int, Span] = field(default_factory=dict)  # line → what is not known there


def chain_of(plan: Plan, flow: FlowTable, chances: Mapping[Place, float] | None = None) -> Chain:
    """The chain of a compiled flow; ``chances`` replaces those of comparisons with ``random()``."""
    return _Walk(plan, flow, chances or {}).chain()


class _Walk:
    def __init__(self, plan: Plan, flow: FlowTable, chances: Mapping[Place, float]) -> None:
        self.flow, self.chances, self.out = flow, chances, Chain()
        self.live, self.states = _live(flow), {state.number: state for state in flow.states}
        operations = [op for state in flow.states for op in (*state.operations, state.terminator)]
        left = {op.entity for op in operations if isinstance(op, (Pick, Release, Use))}
        self.sure = {plan.filters[number].entity for number in flow.starts} - left
        self.numbers: dict[tuple[int, frozenset[tuple[str, object]]], int] = {}
        self.todo: list[tuple[int, int, World]] = []
        self.seen: Counter[int] = Counter()

    def chain(self) -> Chain:
        self.node(self.flow.states[0].number, {})
        while self.todo:
            number, at, world = self.todo.pop()
            self.operations(number, at, 0, world)
        return self.out

    def new(self) -> int:
        self.out.ways.append([])
        self.out.free.append(False)
        self.out.sites.append([])
        return len(self.out.ways) - 1

    def node(self, state: int, world: World) -> int:
        kept = {name: value for name, value in world.items() if name in self.live[state]}
        key = state, frozenset(kept.items())
        if key not in self.numbers and self.seen[state] >= _WORLDS:
            kept, key = {}, (state, frozenset())
        if key not in self.numbers:
            self.seen[state] += 1
            self.numbers[key] = self.new()
            self.todo.append((self.numbers[key], state, kept))
        return self.numbers[key]

    def operations(self, number: int, at: int, first: int, world: World) -> None:
        """Go through a state from operation ``first`` on; where it forks, each way is a node of its own."""
        state = self.states[at]
        for place_, op in enumerate(state.operations[first:], first):
            if isinstance(op, Emit):
                number = self.emitted(number, world, op)
            elif isinstance(op, Held):
                world = _with(world, op.target, Somebody() if op.entity in self.sure else None)
            elif isinstance(op, (Read, Need)):
                if world.get(op.handle) != Somebody():
                    number = self.fork_end(number, op.span)
                    world = _with(world, op.handle, Somebody())
                if isinstance(op, Read):
                    world = _with(world, op.target, None)
            elif isinstance(op, (Let, Draw)):
                ways = list(self.ways_of(op, world))
                if len(ways) > 1:
                    for chance, value, after in ways:
                        way = self.new()
                        self.out.ways[number].append((chance, way))
                        self.operations(way, at, place_ + 1, _with(after, op.target, value))
                    return
                _, value, after = ways[0]
                world = _with(after, op.target, value)
            else:
                world = _with(world, getattr(op, "target", ""), None)
        self.leave(number, state.terminator, world)

    def emitted(self, number: int, world: World, op: Emit) -> int:
        """The node at which the event was emitted: without an entity for its key the flow ends."""
        if any(world.get(local) != Somebody() for _, local in op.keys):
            number = self.fork_end(number, op.span)
        self.out.sites[number].append(op.site)
        return number

    def fork_end(self, number: int, span: Span) -> int:
        """The flow may end here, for it has nobody."""
        way = self.new()
        self.free_ways(number, [way, -1], span)
        return way

    def free_ways(self, number: int, ways: list[int], span: Span) -> None:
        self.out.ways[number] = [(1 / len(ways), way) for way in ways]
        self.out.free[number] = True
        self.out.unknown.setdefault(span.line, span)

    def ways_of(self, op: Let | Draw, world: World) -> Iterator[tuple[float, object, World]]:
        if isinstance(op, Let):
            found = list(outcomes(op.expr, world, self.chances))
            if len(found) > 1 and any(isinstance(world.get(name), Between) for name in op.expr.names):
                self.out.chances.setdefault(place(op.expr), op.expr.span)
            yield from found
            return
        world = {
            name: value
            for name, value in world.items()
            if not (isinstance(value, Between) and value.source == op.target)
        }
        if op.function == "random":
            yield 1.0, Between(op.target), world
            return
        arguments = [next(outcomes(arg, world, {}))[1] for arg in op.args]
        numbers = [arg.value for arg in arguments if isinstance(arg, Known) and type(arg.value) is int]
        span = {"index": (0, *numbers), "randint": (*numbers[:1], *(n + 1 for n in numbers[1:]))}
        bounds = span.get(op.function, ())
        if len(bounds) == 2 and 0 < bounds[1] - bounds[0] <= _OPTIONS:
            n = bounds[1] - bounds[0]
            yield from ((1 / n, known(value), world) for value in range(*bounds))
        else:
            yield 1.0, None, world

    def leave(self, number: int, way: object, world: World) -> None:
        if isinstance(way, Branch):
            test = world.get(way.test)
            if isinstance(test, Known):
                self.out.ways[number] = [(1.0, self.node(way.then if test.value else way.other, world))]
            else:
                ends = [self.node(at, world) for at in (way.then, way.other)]
                self.free_ways(number, ends, way.span)
        elif isinstance(way, Wait):
            rate = world.get(way.rate) if isinstance(way.rate, str) else known(way.rate)
            following = self.node(way.next, world)
            if isinstance(rate, Known) and isinstance(rate.value, (int, float)):
                self.out.ways[number] = [(1.0 - rate.value, following), (float(rate.value), -1)]
            else:
                self.free_ways(number, [following, -1], way.span)
        elif isinstance(way, Save):
            number = self.emitted(number, world, way.emit)
            self.out.ways[number] = [(1.0, self.node(way.next, world))]
        elif not isinstance(way, End):
            self.out.ways[number] = [(1.0, self.node(way.next, world))]  # type: ignore[attr-defined]  # Goto, Pick
        if not self.out.ways[number]:
            self.out.ways[number] = [(1.0, -1)]


def _with(world: World, name: str, value: object) -> World:
    out = {other: one for other, one in world.items() if other != name}
    if value is not None:
        out[name] = value  # type: ignore[assignment]  # a `Value`
    return out


def _live(flow: FlowTable) -> dict[int, set[str]]:
    """Of each state, the locals that may be read from its beginning on (some more are no harm)."""
    live: dict[int, set[str]] = {state.number: set() for state in flow.states}
    changed = True
    while changed:
        changed = False
        for state in flow.states:
            ways = [getattr(state.terminator, name, None) for name in ("next", "then", "other")]
            now = set(_named(state.terminator, flow)).union(*(live[way] for way in ways if way is not None))
            for op in reversed(state.operations):
                now.discard(getattr(op, "target", ""))
                now.update(_named(op, flow))
            changed |= now != live[state.number]
            live[state.number] = now
    return live


def _named(thing: object, flow: FlowTable) -> Iterator[str]:
    """The locals that an operation reads."""
    if isinstance(thing, str):
        if thing in flow.types:
            yield thing
    elif isinstance(thing, tuple):
        for one in thing:
            yield from _named(one, flow)
    elif is_dataclass(thing) and not isinstance(thing, Span):
        for one in fields(thing):
            if one.name not in ("target", "places"):
                yield from _named(getattr(thing, one.name), flow)
