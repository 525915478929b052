"""The chance that a flow emits an event, from its table: an absorbing Markov chain.

States of the chain are a state of the table and the values of locals. A comparison with ``random()``, an
index and the rate of an `AddDecay` part the ways; what they come to is a system of linear equations.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deep_faker.expressions.rows import parsed, row_function
from deep_faker.plan import (
    Apply,
    Branch,
    Draw,
    Emit,
    End,
    Expr,
    FlowTable,
    Goto,
    Let,
    Read,
    State,
    Type,
    Wait,
)
from deep_faker.plan.ops import Clock, Count, Early, Given, Held, Need, Session, Turn

_MOST_STATES = 400
_MOST_WAYS = 32
_Locals = dict[str, Any]


class NoFormulaError(Exception):
    """Why the table does not tell; the text goes on after "no formula:"."""


class _Thing:
    """A value of which only that it is there is known."""

    def __init__(self, name: str) -> None:
        self.name = name


_UNKNOWN, _HANDLE, _DRAWN, _SPENT = (_Thing(name) for name in ("unknown", "handle", "drawn", "spent"))


@dataclass
class Chain:
    """One flow, of which it is asked whether it emits an event at one of ``sites`` before it ends.

    ``entity`` is what the flow holds. `chance` is asked for the values of that entity's state.
    """

    flow: FlowTable
    sites: frozenset[int]
    entity: str
    _functions: dict[int, Callable[..., object]] = field(default_factory=dict)  # by id of what the flow keeps
    _limits: dict[int, tuple[Expr, bool] | None] = field(default_factory=dict)
    _known: dict[Hashable, float] = field(default_factory=dict)

    def chance(self, state: Mapping[str, object]) -> float:
        """The chance for an entity with this state. Raises `NoFormulaError`."""
        key = tuple(state.items())
        if key not in self._known:
            self._known[key] = self._solved(state)
        return self._known[key]

    def __post_init__(self) -> None:
        self._live = live_locals(self.flow)

    def _solved(self, state: Mapping[str, object]) -> float:
        places: dict[Hashable, int] = {}
        todo: list[tuple[int, _Locals]] = []

        def place_of(number: int, values: _Locals) -> int:
            values = {name: value for name, value in values.items() if name in self._live[number]}
            key = (number, tuple(sorted((name, _key(value)) for name, value in values.items())))
            if key not in places:
                places[key] = len(places)
                todo.append((number, values))
                if len(places) > _MOST_STATES:
                    raise NoFormulaError(f"flow {self.flow.name!r} can be in too many states")
            return places[key]

        place_of(0, {})
        ways: list[list[tuple[int, float]]] = []
        hits: list[float] = []
        while len(ways) < len(todo):
            number, values = todo[len(ways)]
            ways.append([])
            hits.append(0.0)
            for chance, following, after in self._ways(number, values, state):
                if following is None:
                    hits[-1] += chance if after is None else 0.0
                elif after is not None:
                    ways[-1].append((place_of(following, after), chance))
        matrix = np.eye(len(places))
        for row, each in enumerate(ways):
            for column, chance in each:
                matrix[row, column] -= chance
        try:
            return float(np.clip(np.linalg.solve(matrix, hits)[0], 0.0, 1.0))
        except np.linalg.LinAlgError:
            raise NoFormulaError(f"flow {self.flow.name!r} may go on for ever") from None

    def _ways(
        self, number: int, values: _Locals, state: Mapping[str, object]
    ) -> Iterator[tuple[float, int | None, _Locals | None]]:
        """Where a state leads: (chance, state, locals); no state: it ended, and without locals it emitted."""
        row = self.flow.states[number]
        open_: list[tuple[float, _Locals]] = [(1.0, dict(values))]
        for op in row.operations:
            if isinstance(op, Emit) and op.site in self.sites:
                yield sum(chance for chance, _ in open_), None, None
                return
            open_ = [
                (chance * part, after)
                for chance, each in open_
                for part, after in self._done(op, each, state)
            ]
            if len(open_) > _MOST_WAYS:
                raise NoFormulaError(f"line {row.span.line} can go too many ways")
        for chance, each in open_:
            for part, following in self._left(row.terminator, each):
                yield chance * part, following, each

    def _done(self, op: object, values: _Locals, state: Mapping[str, object]) -> list[tuple[float, _Locals]]:
        """The ways that an operation parts, with their locals."""
        if isinstance(op, Let):
            return self._let(op, values)
        if isinstance(op, Draw):
            return self._draw(op, values)
        if isinstance(op, Held):
            values[op.target] = _HANDLE if op.entity == self.entity else _UNKNOWN
        elif isinstance(op, Read):
            if values.get(op.handle) is not _HANDLE:
                raise NoFormulaError(f"line {op.span.line} reads another entity")
            values[op.target] = _UNKNOWN if op.field is None else state[op.field]
        elif isinstance(op, Need):
            if values.get(op.handle) is not _HANDLE:
                raise NoFormulaError(f"line {op.span.line} needs another entity")
        elif isinstance(op, (Clock, Session, Early, Given)):
            values[op.target] = _UNKNOWN
        elif not isinstance(op, (Count, Turn, Emit, Apply)):
            raise NoFormulaError(f"flow {self.flow.name!r} takes or lets go of entities")
        return [(1.0, values)]

    def _draw(self, draw: Draw, values: _Locals) -> list[tuple[float, _Locals]]:
        values[draw.target] = _DRAWN if draw.function == "random" else _UNKNOWN
        if draw.function != "index":
            return [(1.0, values)]
        count = self._value(draw.args[0], values)
        if not isinstance(count, int) or not 0 < count <= _MOST_WAYS:
            return [(1.0, values)]
        return [(1 / count, {**values, draw.target: place}) for place in range(count)]

    def _let(self, let: Let, values: _Locals) -> list[tuple[float, _Locals]]:
        drawn = [name for name in let.expr.names if values.get(name) is _DRAWN]
        if not drawn:
            if any(values.get(name) is _SPENT for name in let.expr.names):
                values[let.target] = _UNKNOWN
                return [(1.0, values)]
            values[let.target] = self._value(let.expr, values)
            return [(1.0, values)]
        chance = self._compared(let.expr, drawn[0], values) if len(drawn) == 1 else None
        values.update(dict.fromkeys(drawn, _SPENT))  # what is known of it now hangs on the way taken
        if chance is None:
            values[let.target] = _UNKNOWN
            return [(1.0, values)]
        ways = ((chance, True), (1 - chance, False))
        return [(part, {**values, let.target: taken}) for part, taken in ways if part > 0]

    def _compared(self, expr: Expr, drawn: str, values: _Locals) -> float | None:
        """The chance of a comparison of a draw with a known number; None for another expression."""
        key = id(expr)
        if key not in self._limits:
            self._limits[key] = self._limit(expr, drawn)
        found = self._limits[key]
        limit = None if found is None else self._value(found[0], values)
        if found is None or not isinstance(limit, (int, float)):
            return None
        chance = min(max(float(limit), 0.0), 1.0)
        return chance if found[1] else 1 - chance

    def _limit(self, expr: Expr, drawn: str) -> tuple[Expr, bool] | None:
        """What a draw is compared with, and whether it is to be below that."""
        node = parsed(expr.text)
        if not isinstance(node, ast.Compare) or len(node.ops) != 1:
            return None
        left, op, right = node.left, node.ops[0], node.comparators[0]
        below = isinstance(op, (ast.Lt, ast.LtE))
        if not below and not isinstance(op, (ast.Gt, ast.GtE)):
            return None
        if isinstance(right, ast.Name) and right.id == drawn:
            left, right, below = right, left, not below
        if not isinstance(left, ast.Name) or left.id != drawn:
            return None
        used = {each.id for each in ast.walk(right) if isinstance(each, ast.Name)}
        consts = {name: value for name, value in expr.consts.items() if name in used}
        names = tuple(name for name in expr.names if name in used)
        if drawn in used:
            return None
        return Expr(ast.unparse(right), names, consts, Type("float"), expr.span), below

    def _value(self, expr: Expr, values: _Locals) -> Any:
        """The value of an expression, unknown where it hangs on something unknown."""
        arguments = [values.get(name, _UNKNOWN) for name in expr.names]
        if any(isinstance(each, _Thing) for each in arguments):
            return _UNKNOWN
        key = id(expr)
        if key not in self._functions:
            self._functions[key] = row_function(expr)
        try:
            return self._functions[key](*arguments)
        except Exception as error:
            raise NoFormulaError(f"line {expr.span.line} raises {type(error).__name__}") from error

    def _left(self, terminator: object, values: _Locals) -> Iterator[tuple[float, int | None]]:
        """The ways out of a state: chance and the next one; None: the flow ends."""
        if isinstance(terminator, Goto):
            yield 1.0, terminator.next
        elif isinstance(terminator, Branch):
            test = values.get(terminator.test, _UNKNOWN)
            if isinstance(test, _Thing):
                mend = "hangs on more than fixed chances and state that does not change"
                raise NoFormulaError(f"line {terminator.span.line} {mend}")
            yield 1.0, terminator.then if test else terminator.other
        elif isinstance(terminator, Wait):
            rate = terminator.rate
            ends = values.get(rate, _UNKNOWN) if isinstance(rate, str) else rate
            if isinstance(ends, _Thing) or any(
                each.kind or each.local or each.constant for each in terminator.delays
            ):
                raise NoFormulaError(f"line {terminator.span.line} waits")
            yield float(ends), None
            yield 1 - float(ends), terminator.next
        elif isinstance(terminator, End):
            yield 1.0, None
        else:
            raise NoFormulaError(f"flow {self.flow.name!r} selects or makes entities on its way")


def live_locals(flow: FlowTable) -> list[set[str]]:
    """For each state the locals that are read from there on before they are set: states differ by these."""
    blocks = [_block(state) for state in flow.states]
    live: list[set[str]] = [set(read) for read, _, _ in blocks]
    grows = True
    while grows:
        grows = False
        for place, (_, written, following) in enumerate(blocks):
            found = {name for each in following for name in live[each]} - written
            if not found <= live[place]:
                live[place] |= found
                grows = True
    return live


def _block(state: State) -> tuple[set[str], set[str], tuple[int, ...]]:
    """What a state reads before it sets it, what it sets, and where it leads."""
    read: set[str] = set()
    written: set[str] = set()
    for op in state.operations:
        used: set[str] = set()
        if isinstance(op, Let):
            used = set(op.expr.names)
        elif isinstance(op, Draw):
            used = {name for arg in op.args for name in arg.names}
        elif isinstance(op, (Read, Need)):
            used = {op.handle}
        read |= used - written
        target = getattr(op, "target", None)
        if target is not None:
            written.add(target)
    last = state.terminator
    if isinstance(last, Goto):
        return read, written, (last.next,)
    if isinstance(last, Branch):
        return read | ({last.test} - written), written, (last.then, last.other)
    if isinstance(last, Wait):
        rate = {last.rate} if isinstance(last.rate, str) else set()
        return read | (rate - written), written, (last.next,)
    return read, written, ()


def _key(value: object) -> Hashable:
    if isinstance(value, _Thing):
        return (0, value.name)
    return (1, type(value).__name__, repr(value))
