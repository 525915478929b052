"""Checks of whole flows and filters: a flow that never ends (T6), instants outside the run (T8)."""

from __future__ import annotations

import ast
import datetime as dt
from collections.abc import Iterator, Mapping

from deep_faker.compile.graph.ir import Ends, Graph, Waits
from deep_faker.compile.read.source import Source
from deep_faker.errors import CompileError, Diagnostic, warn
from deep_faker.plan import Filter, Pick, Plan
from deep_faker.plan.storage import EPOCH
from deep_faker.spans import Span


def check_end(source: Source | None, graph: Graph, *, ends: bool) -> None:
    """Refuse a flow that, once started, can never end. ``ends``: it may for want of an entity."""
    if ends or source is None:
        return
    for block in graph.blocks.values():
        if isinstance(block.term, Ends) or (isinstance(block.term, Waits) and block.term.rate != 0):
            return
    loop: ast.stmt = source.node
    for node in ast.walk(source.node):
        if isinstance(node, ast.While) and yields_in(node):
            loop = node
            break
    label = f"{source.node.name} has no way out of here: the run would never be over"
    mend = 'return or break somewhere, give AddDecay a rate, or Simulation(…, on_end="cut")'
    test = loop.test if isinstance(loop, ast.While) else loop
    raise CompileError(Diagnostic("a flow that never ends", source.span(test), label, mend))


def yields_in(node: ast.While) -> bool:
    """Whether a loop yields."""
    return any(isinstance(part, (ast.Yield, ast.YieldFrom)) for part in ast.walk(node))


def warn_of_instants(plan: Plan, spans: Mapping[int, Span]) -> None:
    """Warn of literal datetimes in conditions that no clock of the run gets to."""
    places: dict[int, Span] = {}
    for flow in plan.flows:
        for number in flow.starts:
            places.setdefault(number, spans[flow.number])
        for state in flow.states:
            if isinstance(state.terminator, Pick):
                places.setdefault(state.terminator.filter, state.terminator.span)
    start = EPOCH + dt.timedelta(microseconds=plan.settings.start)
    end = EPOCH + dt.timedelta(microseconds=plan.settings.end)
    for number, span in places.items():
        for value in _instants(plan.filters[number]):
            if not start <= value <= end:
                label = f"{value} is outside the run, which goes from {start} to {end}"
                mend = "Now() is the instant at which the filter is evaluated: Now() - timedelta(days=30)"
                warn(Diagnostic("a filter with a fixed instant", span, label, mend))


def _instants(filter_: Filter) -> Iterator[dt.datetime]:
    for condition in filter_.conditions:
        values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
        yield from (value for value in values if isinstance(value, dt.datetime))
