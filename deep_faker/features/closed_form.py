"""Chances that a formula tells: where each entity has its own clock, and sessions neither wait nor compete.

Of an exponential clock the arrivals are a Poisson process, also where a season lets it go faster and slower.
A step serves the first one of each entity: steps are independent trials, and a `Happens` comes true unless
all fail.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from deep_faker.declare.condition_operators import CONDITION_OPERATORS
from deep_faker.features import asked as ask
from deep_faker.features.bounds import F64
from deep_faker.features.formula import Chain, NoFormulaError
from deep_faker.plan import Apply, Change, Condition, Emit, FlowTable, Hold, Now, Pick, Plan, Read, Save
from deep_faker.plan.ops import Use

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deep_faker.features.world import World
    from deep_faker.plan.rates import Every
    from deep_faker.run.futures import Trunk


@dataclass
class ClosedForm:
    """The chances of one event type, of the entities of one type. Raises `NoFormulaError`: see `found`.

    ``fields`` is the state that they hang on, ``conditions`` when an entity is served at all.
    """

    plan: Plan
    chain: Chain
    every: Every
    conditions: tuple[Condition, ...]
    fields: tuple[str, ...]

    def chances(self, trunk: Trunk, codes: np.typing.NDArray[np.int64], at: int, view: int) -> F64:
        """Of entities by order of birth, at the trunk's instant ``at``, that it comes within ``view`` µs."""
        state = trunk.state(self.chain.entity, self.fields)
        emits = np.array([self._emits({name: state[name][code] for name in self.fields}) for code in codes])
        fails = np.zeros(len(codes))
        for served, steps in self._served(at, view):
            fails += steps * np.log1p(-np.minimum(emits * served, 1 - 1e-16))
        return np.asarray(-np.expm1(fails))

    def _served(self, at: int, view: int) -> Iterator[tuple[float, int]]:
        """The chances that a step serves an entity, and how many steps have each; the last one may be cut."""
        step, mean = self.plan.settings.step, float(self.every.params[0]) * 1e6
        whole, rest = divmod(view, step)
        curve = self.every.curve
        if curve is None:
            areas = {float(step): whole, float(rest): 1}
        else:
            begins = range(at, at + view, step)
            areas = Counter(curve.area(begin, min(begin + step, at + view)) for begin in begins)
        for area, steps in areas.items():
            yield -float(np.expm1(-area / mean)), steps

    def _emits(self, state: dict[str, Any]) -> float:
        for condition in self.conditions:
            if not CONDITION_OPERATORS[condition.op].holds(state[condition.field], condition.value):
                return 0.0
        return self.chain.chance(state)


def found(plan: Plan, world: World, label: ask.Happens) -> ClosedForm:
    """The formula of a label. Raises `NoFormulaError` with the reason where there is none."""
    event = world.event(ask.name_of(label.event))
    if label.where is not None:
        raise NoFormulaError("where= looks into events")
    if plan.settings.n_flows is not None:
        raise NoFormulaError("n_flows turns arrivals away")
    if plan.settings.defects is not None or plan.incidents:
        raise NoFormulaError("defects and incidents change what there is")
    flow = _only_flow(plan, event, world.entity)
    every = flow.every
    if every is None or every.entity != world.entity or every.kind != "exponential":
        raise NoFormulaError(f"flow {flow.name!r} has no exponential clock of each {world.entity}")
    filter_ = plan.filters[flow.starts[0]]
    if len(flow.starts) != 1 or filter_.shared or filter_.weight is not None:
        raise NoFormulaError(f"flow {flow.name!r} selects more than its {world.entity}")
    if any(isinstance(each.value, Now) for each in filter_.conditions):
        raise NoFormulaError(f"the filter of flow {flow.name!r} looks at the time")
    sites = frozenset(site.number for site in plan.sites if site.event == event)
    reads = [op.field for op in _operations(flow) if isinstance(op, Read) and op.field is not None]
    fields = tuple(dict.fromkeys([*reads, *(each.field for each in filter_.conditions)]))
    _check_state(plan, flow, world, sites, fields)
    if not every.params[0] > 0:
        raise NoFormulaError(f"the clock of flow {flow.name!r} does not let time pass")
    return ClosedForm(plan, Chain(flow, sites, world.entity), every, filter_.conditions, fields)


def _only_flow(plan: Plan, event: str, entity: str) -> FlowTable:
    """The one flow that takes these entities, which is the one that emits the event."""
    taking = [flow for flow in plan.flows if _takes(plan, flow, entity)]
    emitting = [flow for flow in plan.flows if any(plan.sites[op.site].event == event for op in _emits(flow))]
    if len(emitting) != 1:
        raise NoFormulaError(f"{len(emitting)} flows emit {event}")
    if [flow.number for flow in taking] != [emitting[0].number]:
        names = ", ".join(flow.name for flow in taking)
        raise NoFormulaError(f"several flows take a {entity}, or another than the one that emits: {names}")
    return emitting[0]


def _takes(plan: Plan, flow: FlowTable, entity: str) -> bool:
    """Whether a flow holds, uses or changes entities of a type."""
    if flow.live is not None or any(plan.filters[number].entity == entity for number in flow.starts):
        return True
    if any(isinstance(state.terminator, Pick) and state.terminator.entity == entity for state in flow.states):
        return True
    if any(isinstance(op, (Hold, Use)) and op.entity == entity for op in _operations(flow)):
        return True
    return any(change.entity == entity for _, change in _changes(flow))


def _check_state(
    plan: Plan, flow: FlowTable, world: World, sites: frozenset[int], fields: tuple[str, ...]
) -> None:
    """What chances hang on must not change before the event comes."""
    known = {column.name for column in plan.entities[world.entity].columns}
    for name in fields:
        if name not in known:
            raise NoFormulaError(f"{name} of {world.entity} is no state")
    for emit, change in _changes(flow):
        if change.entity == world.entity and change.field in fields and emit not in sites:
            raise NoFormulaError(f"line {change.span.line} changes {change.field}, which chances hang on")
    for op in _emits(flow):
        if op.site in sites and (world.key, world.entity) not in op.keys:
            raise NoFormulaError(f"line {op.span.line} may name another {world.entity}")


def _operations(flow: FlowTable) -> Iterator[object]:
    for state in flow.states:
        yield from state.operations


def _emits(flow: FlowTable) -> Iterator[Emit]:
    for state in flow.states:
        yield from (op for op in state.operations if isinstance(op, Emit))
        if isinstance(state.terminator, Save):
            yield state.terminator.emit


def _changes(flow: FlowTable) -> Iterator[tuple[int | None, Change]]:
    """All changes of a flow, each with the site of its event, if it has one."""
    for emit in _emits(flow):
        yield from ((emit.site, change) for change in emit.changes)
    for op in _operations(flow):
        if isinstance(op, Apply):
            yield from ((None, change) for change in op.changes)
