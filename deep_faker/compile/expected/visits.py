"""How often a session emits each event type on average, from its chain."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from deep_faker.compile.expected.walk import Chain, Place, chain_of
from deep_faker.draws.mix import F64
from deep_faker.plan import FlowTable, Plan
from deep_faker.spans import Span

_ROUNDS = 1_000  # of sweeps towards a bound; what still grows then has none


@dataclass(frozen=True)
class Visits:
    """Events a session of one type: on average at least ``low`` and at most ``high``; ``square``: the mean
    of their square, which is known where ``low`` is ``high`` and nothing is free."""

    low: float
    high: float
    square: float | None = None


@dataclass(frozen=True)
class PerSession:
    """Of a flow: event type → `Visits`; the places of its chances; lines of which nothing is known."""

    visits: dict[str, Visits]
    chances: dict[Place, Span] = field(default_factory=dict)
    unknown: dict[int, Span] = field(default_factory=dict)


def per_session(plan: Plan, flow: FlowTable, chances: dict[Place, float] | None = None) -> PerSession:
    """What a session of the flow emits. ``chances`` replaces those of comparisons with ``random()``."""
    if flow.live is not None:
        events = {site.event for site in plan.sites if site.flow == flow.name}
        return PerSession({event: Visits(0.0, np.inf) for event in sorted(events)}, {}, {0: flow.span})
    chain = chain_of(plan, flow, chances)
    events = {plan.sites[site].event for sites in chain.sites for site in sites}
    visits = {}
    for event in sorted(events):
        reward = np.array([sum(plan.sites[site].event == event for site in sites) for sites in chain.sites])
        visits[event] = _visits(chain, reward.astype(float))
    return PerSession(visits, chain.chances, chain.unknown)


def _visits(chain: Chain, reward: F64) -> Visits:
    if any(chain.free):
        return Visits(_bound(chain, reward, least=True), _bound(chain, reward, least=False))
    size = len(reward)
    matrix = np.zeros((size, size))
    for at, ways in enumerate(chain.ways):
        for chance, to in ways:
            if to >= 0:
                matrix[at, to] += chance
    try:
        mean = np.linalg.solve(np.eye(size) - matrix, reward)
        square = np.linalg.solve(np.eye(size) - matrix, reward**2 + 2 * reward * (matrix @ mean))
    except np.linalg.LinAlgError:  # some part of it never ends
        return Visits(_bound(chain, reward, least=True), _bound(chain, reward, least=False))
    return Visits(float(mean[0]), float(mean[0]), float(square[0]))


def _bound(chain: Chain, reward: F64, *, least: bool) -> float:
    """The least or the most on average, whatever the free chances are."""
    value = np.append(np.zeros(len(reward)), 0.0)  # the last is the end, as -1
    best = min if least else max
    for _ in range(_ROUNDS):
        before = value[0]
        moved = 0.0
        for at in range(len(reward) - 1, -1, -1):
            ways = chain.ways[at]
            if chain.free[at]:
                new = reward[at] + best(value[to] for _, to in ways)
            else:
                new = reward[at] + sum(chance * value[to] for chance, to in ways)
            moved = max(moved, new - value[at])
            value[at] = new
        if moved <= 1e-12 * max(1.0, before):
            return float(value[0])
        if value[0] > 1e9:
            break
    return float(value[0]) if least else np.inf
