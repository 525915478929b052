"""Plans of live flows, and what a run of them says, for the tests of live flows and the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from deep_faker.declare.schema import EventSpec, event_spec
from deep_faker.draws.mix import Draws
from deep_faker.fill.binding import Binding
from deep_faker.plan import OUTCOMES, EntityPlan, Filter, FlowTable, Plan, Trace
from deep_faker.plan.storage import Texts, to_python
from deep_faker.simulate.reference.engine import ReferenceEngine
from deep_faker.spans import Span
from tests.support.engine_builders import EVENTS, SECOND, START, product_plan, settings, site, user_plan


@dataclass(frozen=True)
class Happened:
    """One event, without the fields that the columns fill."""

    event: str
    flow: int
    action: int
    clock: int
    values: dict[str, Any]
    keys: dict[str, int]


@dataclass(frozen=True)
class Session:
    flow: int
    name: str
    started: int
    ended: int
    outcome: str
    line: int
    events: int
    held: dict[str, list[int]]


@dataclass
class Story:
    """All that one run did; times are µs after the start."""

    engine: ReferenceEngine
    traces: list[Trace]
    events: list[Happened] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)

    def of(self, name: str) -> list[Happened]:
        return [event for event in self.events if event.event == name]

    def state(self, entity: str, name: str) -> list[Any]:
        table = self.engine.store.tables[entity]
        return [row.live[name] for row in table.rows]


def table_of(
    number: int, function: Callable[..., Any], starts: Iterable[int] = (), weight: float = 1.0
) -> FlowTable:
    code = function.__code__
    place = Span(code.co_filename, code.co_firstlineno, 0, 0, "")
    name = function.__name__
    return FlowTable(number, name, weight, tuple(starts), (), {}, (), function, place, live="a test")


ENTITY = Filter(0, "User", ())
PRODUCT = Filter(1, "Product", ())


def plan_of(
    *flows: Callable[..., Any] | tuple[Callable[..., Any], Iterable[int]] | FlowTable,
    filters: tuple[Filter, ...] = (ENTITY, PRODUCT),
    users: int = 0,
    products: int = 0,
    events: Iterable[type[Any]] = (),
    entities: dict[str, EntityPlan] | None = None,
    **changes: Any,
) -> Plan:
    """A plan of live flows over users and products; flows with the filters that they start with."""
    texts = Texts()
    tables = []
    for number, flow in enumerate(flows):
        if isinstance(flow, FlowTable):
            tables.append(replace(flow, number=number))
        else:
            function, starts = flow if isinstance(flow, tuple) else (flow, ())
            tables.append(table_of(number, function, starts))
    known: dict[str, EventSpec] = EVENTS | {cls.__name__: event_spec(cls) for cls in events}
    kinds = {"User": user_plan(texts), "Product": product_plan()} | (entities or {})
    initial = tuple(pair for pair in (("User", users), ("Product", products)) if pair[1])
    sites = (
        site(0, "UserMade", {}, {}, ("user_id", "platform"), "User"),
        site(1, "ProductMade", {}, {}, ("product_id",), "Product"),
    )
    given = {"initial": initial, "n_flows": 1, "duration": SECOND, "emit_initial": False} | changes
    numbers = {"User": 0, "Product": 1}
    return Plan(settings(**given), known, kinds, tuple(tables), filters, sites, texts.frozen(), numbers)


def engine_of(plan: Plan, seed: int = 1) -> ReferenceEngine:
    draws = Draws(seed)
    return ReferenceEngine(plan, draws, Binding(plan, draws))


def run(plan: Plan, seed: int = 1) -> Story:
    """Run a plan in the reference engine."""
    engine = engine_of(plan, seed)
    return story_of(plan, engine, list(engine.run()))


def story_of(plan: Plan, engine: ReferenceEngine, traces: list[Trace]) -> Story:
    story = Story(engine, traces)
    for trace in traces:
        for rows in trace.rows:
            place = engine.sites[rows.site]
            columns = {
                name: to_python(values, rows.nulls.get(name), place.bound[name], plan.texts)
                for name, values in rows.values.items()
            }
            for at in range(len(rows.flow)):
                story.events.append(
                    Happened(
                        place.event,
                        int(rows.flow[at]),
                        int(rows.action[at]),
                        int(rows.clock[at]) - START,
                        {name: column[at] for name, column in columns.items()},
                        {name: int(numbers[at]) for name, numbers in rows.keys.items()},
                    )
                )
        for ended in trace.ended:
            for at in range(len(ended.flow)):
                held = {
                    name: numbers[ends[at] : ends[at + 1]].tolist()
                    for name, (ends, numbers) in ended.held.items()
                }
                story.sessions.append(
                    Session(
                        int(ended.flow[at]),
                        plan.flows[int(ended.table[at])].name,
                        int(ended.started[at]) - START,
                        int(ended.ended[at]) - START,
                        OUTCOMES[int(ended.outcome[at])],
                        int(ended.line[at]),
                        int(ended.events[at]),
                        held,
                    )
                )
    story.events.sort(key=lambda e: (e.clock, e.flow, e.action))
    story.sessions.sort(key=lambda s: (s.ended, s.flow))
    return story
