"""``Select(…, wait="10m")``: a flow that finds nothing tries again at each step, until its patience ends."""

from __future__ import annotations

import ast
from datetime import timedelta

from deep_faker.compile.graph.ir import Waits
from deep_faker.compile.lower.entities import clock_read, pick
from deep_faker.compile.lower.lowering import Lowering
from deep_faker.compile.read.values import Selecting, constant, local
from deep_faker.plan import Delay
from deep_faker.plan.storage import EPOCH

_MICRO = timedelta(microseconds=1)


def queued(low: Lowering, select: Selecting, node: ast.AST) -> None:
    """A yielded selection; what others have let go is there from the next step on, so it is tried then."""
    if select.wait is None:
        pick(low, select, node)
        return
    start, step = low.registry.grid
    came = low.let(clock_read(low).node, node)
    again, waits, stays, gives_up, done = (low.block() for _ in range(5))
    low.go(again)
    low.start(again)
    handle = pick(low, select, node, came).node
    found = low.let(ast.Compare(handle, [ast.IsNot()], [constant(None)]), node)
    low.branch(found, done, waits, low.span(node))
    low.start(waits)
    clock = low.let(clock_read(low).node, node)
    passed = _micros(local(clock), local(came))
    left = low.let(ast.BinOp(constant(select.wait), ast.Sub(), passed), node)
    into_step = ast.BinOp(
        _micros(local(clock), constant(EPOCH + timedelta(microseconds=start))), ast.Mod(), constant(step)
    )
    rest = low.let(ast.BinOp(constant(step), ast.Sub(), into_step), node)
    patient = low.let(ast.Compare(local(rest), [ast.LtE()], [local(left)]), node)
    low.branch(patient, stays, gives_up, low.span(node))
    for block, length, following in ((stays, rest, again), (gives_up, left, done)):
        low.start(block)
        delays = (Delay(1, local=length),)
        low.end(Waits(delays, 0.0, following, low.span(node), queue=True))
    low.start(done)


def _micros(late: ast.expr, early: ast.expr) -> ast.expr:
    """The whole microseconds from one instant to another, as an int."""
    return ast.BinOp(ast.BinOp(late, ast.Sub(), early), ast.FloorDiv(), constant(_MICRO))
