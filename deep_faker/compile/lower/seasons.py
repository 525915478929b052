"""``ctx.season(…)``: the factor of a season at the flow's clock, as a look into a table."""

from __future__ import annotations

import ast
from collections.abc import Callable

from deep_faker.compile.lower.entities import clock_read
from deep_faker.compile.lower.lowering import Lowering, declaring
from deep_faker.compile.lower.operands import arguments_of
from deep_faker.compile.read.values import Code, Const, Value, constant, local
from deep_faker.declare.seasons.in_flows import FactorNow, check_season
from deep_faker.expressions.rows import ValueCall
from deep_faker.times import to_datetime


def season_now(low: Lowering, node: ast.Call) -> Value:
    """The factor now. In another time zone than the season's own, Python looks row by row."""
    args, kwargs = arguments_of(low, node)
    zone = kwargs.pop("tz", Const(None))
    given = [*args, *(kwargs.pop(name) for name in ("season",) if name in kwargs)]
    if len(given) != 1 or kwargs:
        mend = "write ctx.season(evening), or ctx.season(evening, tz=user.tz)"
        raise low.wrong(node, "ctx.season takes one season", ast.unparse(node), mend)
    if not isinstance(given[0], Const):
        raise low.limit(node, "a season that is not known when compiling")
    with declaring(low.span(node)):
        season = check_season(given[0].value, low.span(node))
    factor = FactorNow(season, *low.registry.starts)
    clock = low.as_local(clock_read(low), node)
    if not (isinstance(zone, Const) and zone.value is None):
        return Code(_called(factor.zoned, local(clock), low.code(low.settled(zone, node), node)))
    cells = factor.cells()
    if cells is None:
        return Code(_called(factor, local(clock)))  # it changes at too many different instants
    since, step, levels = cells
    result, within, beyond, done = low.fresh(), low.block(), low.block(), low.block()
    before = ast.Compare(local(clock), [ast.Lt()], [constant(to_datetime(factor.end))])
    low.branch(low.let(before, node), within, beyond, low.span(node))
    low.start(within)
    cell = ast.BinOp(ast.BinOp(local(clock), ast.Sub(), constant(since)), ast.FloorDiv(), constant(step))
    low.let(ast.Subscript(constant(levels), local(low.let(cell, node)), ast.Load()), node, result)
    low.go(done)
    low.start(beyond)
    last = factor.for_good()
    low.let(_called(factor, local(clock)) if last is None else constant(last), node, result)
    low.go(done)
    low.start(done)
    return Code(local(result))


def _called(factor: Callable[..., float], *arguments: ast.expr) -> ast.expr:
    return ast.Call(constant(ValueCall(factor, "float")), list(arguments), [])
