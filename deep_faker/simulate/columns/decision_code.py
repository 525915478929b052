"""The log of decisions, for runs that keep one: what the source of a block writes down of each draw that
decides.

A comparison of a ``random()`` with anything, the rate of an `AddDecay`, an index that is drawn. The log is
kept by this engine alone: the kernel would pay for it where nobody asks.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from deep_faker.plan import Array, Draw, Expr, FlowTable, Let, Type, Wait
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.columns.decision_log import DecisionLog

if TYPE_CHECKING:
    from deep_faker.simulate.columns.flow_source import FlowSource
    from deep_faker.simulate.columns.world import World
    from deep_faker.spans import Span

_BELOW = {ast.Lt: "<", ast.LtE: "<="}
_ABOVE = {ast.Gt: ">", ast.GtE: ">="}
_REACHED = re.compile(r"0( \+ int\(\w+ >= [\d.e+-]+\))+")  # how ``random.choices`` finds its place
_EDGE = re.compile(r">= ([\d.e+-]+)\)")


class DecisionCode:
    """Writes the lines that log the decisions of one flow."""

    def __init__(self, code: FlowSource) -> None:
        self.code, self.flow = code, code.flow
        self._draws = drawn(code.flow)
        code.scope.env["decided"] = logger(code.world)

    def let(self, let: Let) -> None:
        """After a local has its value: the comparisons in it of a draw with anything else."""
        expr = let.expr
        if _REACHED.fullmatch(expr.text) and len(expr.names) == 1 and self._weighted(let):
            return
        for node in ast.walk(ast.parse(expr.text, mode="eval")):
            if isinstance(node, ast.Compare) and len(node.ops) == 1:
                self._compared(node, expr)

    def _compared(self, node: ast.Compare, expr: Expr) -> None:
        sides, op = (node.left, node.comparators[0]), type(node.ops[0])
        if op not in _BELOW and op not in _ABOVE:
            return
        for draw, other, turned in ((*sides, False), (*sides[::-1], True)):
            if isinstance(draw, ast.Name) and draw.id in self._draws:
                below = (op in _BELOW) != turned
                self._log_comparison(draw.id, other, expr, below=below)
                return

    def _log_comparison(self, draw: str, other: ast.expr, expr: Expr, *, below: bool) -> None:
        """``draw < other`` happens with the chance ``other``. Equal they are never, as good as."""
        used = {node.id for node in ast.walk(other) if isinstance(node, ast.Name)}
        names = tuple(name for name in expr.names if name in used)
        consts = {name: value for name, value in expr.consts.items() if name in used}
        limit = Expr(ast.unparse(other), names, consts, Type("float"), expr.span, expr.by_row)
        value, _, _ = self.code.expression(limit)
        chance, taken = (value, f"{draw} < {value}") if below else (f"1.0 - {value}", f"{draw} >= {value}")
        log = self._log("random", expr.span, ("no", "yes"), None)
        self.code.out.add(f"decided({log}, rows__, {chance}, {taken})")

    def index(self, draw: Draw) -> None:
        """After an index is drawn, of so many: what is looked up by it, if that is known before."""
        options = next((found for let in lets(self.flow) if (found := _looked_up(let, draw.target))), None)
        count, _, _ = self.code.expression(draw.args[0])
        log = self._log("choice", draw.span, options, None)
        self.code.out.add(f"decided({log}, rows__, {count}, {draw.target})")

    def _weighted(self, let: Let) -> bool:
        """``random.choices`` with weights: edges of a draw times their sum."""
        place = next((each for each in lets(self.flow) if each.target == let.expr.names[0]), None)
        scaled = re.fullmatch(r"(\w+) \* ([\d.e+-]+)", place.expr.text) if place is not None else None
        if scaled is None or scaled[1] not in self._draws:
            return False
        edges = [0.0, *map(float, _EDGE.findall(let.expr.text)), float(scaled[2])]
        chances = tuple((np.diff(edges) / edges[-1]).tolist())
        options = next((found for each in lets(self.flow) if (found := _looked_up(each, let.target))), None)
        log = self._log("choice", let.expr.span, options, chances)
        self.code.out.add(f"decided({log}, rows__, {len(chances)}, {let.target})")
        return True

    def decay(self, wait: Wait) -> None:
        """After ``dead__`` is known."""
        log = self._log("decay", wait.span, ("go on", "end"), None)
        self.code.out.add(f"decided({log}, rows__, rate__, dead__)")

    def _log(
        self, kind: str, span: Span, options: tuple[str, ...] | None, chances: tuple[float, ...] | None
    ) -> str:
        log = DecisionLog(kind, self.flow.number, span.line, options, chances)
        self.code.world.recorder.decisions.append(log)
        return self.code.constant(log, "decisions")


def drawn(flow: FlowTable) -> set[str]:
    """The locals that are nothing but a ``random()``."""
    draws = [op for state in flow.states for op in state.operations if isinstance(op, Draw)]
    plain = {draw.target for draw in draws if draw.function == "random"}
    others = {draw.target for draw in draws if draw.function != "random"}
    return plain - others - {let.target for let in lets(flow)}


def lets(flow: FlowTable) -> list[Let]:
    """All that a flow computes."""
    return [op for state in flow.states for op in state.operations if isinstance(op, Let)]


def _looked_up(let: Let, index: str) -> tuple[str, ...] | None:
    """The texts of a constant table of which the local is one, by the index."""
    expr = let.expr
    if expr.names != (index,) or len(expr.consts) != 1:
        return None
    [(name, table)] = expr.consts.items()
    if expr.text != f"{name}[{index}]" or not isinstance(table, (tuple, list)):
        return None
    return tuple(map(str, table))


def logger(world: World) -> Callable[[DecisionLog, I64, object, Array], None]:
    """Takes decisions down: of flows at ``rows``, a chance for all or each, and what was taken."""
    slots, recorder = world.slots, world.recorder

    def decided(log: DecisionLog, rows: I64, chance: object, taken: Array) -> None:
        count = len(rows)
        recorder.turn += 1
        log.batches.append(
            (
                np.full(count, recorder.turn),
                slots.number.a[rows],
                slots.clock.a[rows],
                np.broadcast_to(np.asarray(chance, np.float64), (count,)),
                np.asarray(taken).astype(np.int64),
            )
        )
        recorder.rows += count

    return decided
