"""Waits: `AddDecay` with numbers, code and distributions (F4)."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace

from deep_faker.compile.graph.ir import Waits
from deep_faker.compile.lower.lowering import Lowering
from deep_faker.compile.read.values import Const, Items, Spread, Value, Waiting
from deep_faker.declare.actions import UNITS, Distribution
from deep_faker.draws.distributions.declared import kind_and_parameters
from deep_faker.draws.to_micros import PARAMETERS, to_micros1
from deep_faker.plan import Delay


def wait(low: Lowering, value: Waiting) -> None:
    node = value.node
    delays = tuple(
        replace(_delay(low, unit, amount, node), purpose=f"wait{position}")
        for position, (unit, amount) in enumerate(value.delays)
    )
    rate: float | str
    if isinstance(value.rate, Const):
        rate = float(value.rate.value)
    else:
        rate = low.as_local(value.rate, node)
    following = low.block()
    low.end(Waits(delays, rate, following, low.place(node)))
    low.start(following)


def _delay(low: Lowering, unit: str, amount: Value, node: ast.expr) -> Delay:
    micros = UNITS[unit]
    if isinstance(amount, Spread):
        return _spread_delay(low, micros, amount, node)
    if not isinstance(amount, Const):
        return Delay(micros, local=low.as_local(amount, node))
    known = amount.value
    if isinstance(known, Distribution):
        kind, params = kind_and_parameters(known)
        return Delay(micros, kind=kind, params=params)
    return Delay(micros, constant=to_micros1(known, micros))


def _spread_delay(low: Lowering, micros: int, spread: Spread, node: ast.expr) -> Delay:
    kind = spread.make.__name__.lower()
    parts = [spread.parts[name] for name in PARAMETERS[kind]]
    weights: Sequence[float] | None = None
    if kind == "choice":
        weights = parts[1].value if isinstance(parts[1], Const) else None
        parts = list(parts[0].items) if isinstance(parts[0], Items) else []
    computed = tuple(
        (position, low.as_local(part, node))
        for position, part in enumerate(parts)
        if not isinstance(part, Const)
    )
    plain = tuple(part.value if isinstance(part, Const) else 0.0 for part in parts)
    params = (plain, weights and tuple(weights)) if kind == "choice" else plain
    return Delay(micros, kind=kind, params=params, given=computed)
