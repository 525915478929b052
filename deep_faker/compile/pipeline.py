"""From flow declarations to a `Plan`: every flow lowered, typed, finished; live where it cannot be."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import NoReturn

from deep_faker.compile.arriving import with_rates
from deep_faker.compile.checks import check_end, warn_of_instants
from deep_faker.compile.declare_flow import FlowDeclaration
from deep_faker.compile.finish import Finish
from deep_faker.compile.graph.entity_use import Usage, observed, resolved
from deep_faker.compile.graph.holding import Holding, Ways, facts
from deep_faker.compile.graph.inference import Inference
from deep_faker.compile.graph.ir import Graph, Saves, TypedFlow
from deep_faker.compile.graph.shape import pruned, split
from deep_faker.compile.lower.actions import plan_condition
from deep_faker.compile.lower.beginning import asked, begin, handable
from deep_faker.compile.lower.lowering import Lowering
from deep_faker.compile.lower.rules import RULES
from deep_faker.compile.plan_tables import Entities, Filters, initial_site
from deep_faker.compile.read.registry import Registry
from deep_faker.compile.read.scopes import Scope
from deep_faker.compile.read.source import NotCompiled, Source, function_span, read_source
from deep_faker.compile.read.types_named import Survey
from deep_faker.compile.read.values import Const, Context, Items, Value, constant
from deep_faker.declare.schema import BaseEvent, EntitySpec, entity_spec
from deep_faker.declare.state_rates import fields_of
from deep_faker.errors import CompileError, Diagnostic, warn
from deep_faker.plan import FlowTable, Plan, Site, Type, Wait
from deep_faker.plan.settings import Settings
from deep_faker.plan.storage import Texts
from deep_faker.spans import Span


def compile_plan(
    flows: Sequence[FlowDeclaration],
    settings: Settings,
    *,
    entities: Iterable[EntitySpec] = (),
    extra_events: Iterable[type[BaseEvent]] = (),
) -> Plan:
    """The plan of a simulation. ``entities``: the initial ones, in their mapping's order.

    Raises `CompileError` (or another `DeclarationError`) for what a flow says wrongly, and warns of what
    it probably does not mean. Legal Python that cannot be compiled makes a live flow, see `FlowTable.live`.
    """
    compiler = _Compiler(flows, settings, list(entities))
    for event in extra_events:
        compiler.registry.event(event)
    while True:
        # A flow found to be live late changes what is known of the others: then all begin again.
        plan = compiler.attempt()
        if plan is not None:
            return with_rates(plan, flows)


@dataclass
class _Flow:
    """A flow on its way."""

    declaration: FlowDeclaration
    starts: dict[str, Ways]
    source: Source | None
    live: NotCompiled | None = None

    @property
    def span(self) -> Span:
        if self.source is not None:
            return self.source.span()
        return function_span(self.declaration.bound.function)


class _Compiler:
    def __init__(
        self, flows: Sequence[FlowDeclaration], settings: Settings, entities: list[EntitySpec]
    ) -> None:
        self.settings, self.initial = settings, entities
        grid, starts = (settings.start, settings.step), (settings.start, settings.last)
        self.registry = Registry(grid, starts=starts)
        for spec in entities:
            self.registry.entity(spec.cls, spec.span)
        self.survey = Survey(self.registry)
        self.flows = [self._begun(flow) for flow in flows]

    def _begun(self, declaration: FlowDeclaration) -> _Flow:
        starts: dict[str, Ways] = {}
        for select in declaration.filter:
            spec = self.registry.entity(select.entity, declaration.span)
            starts[spec.name] = frozenset({"shared" if select.shared else "held"})
        bound = declaration.bound
        if declaration.on is not None:
            self.registry.event(declaration.on)
        self.survey.look(bound.function)
        for value in (*bound.args, *bound.keywords.values()):
            self.survey.given(value, declaration.span)
        source = read_source(bound.function)
        flow = _Flow(declaration, starts, source)
        if source is None:
            flow.live = NotCompiled("its source cannot be had", flow.span)
        return flow

    # ------------------------------------------------ one attempt

    def attempt(self) -> Plan | None:
        """The plan; None where another flow turned out to be live."""
        typed: dict[int, TypedFlow] = {}
        told = self._told()
        for number, flow in enumerate(self.flows):
            if flow.live is None:
                try:
                    assert flow.source is not None, "live without one"
                    typed[number] = lowered(flow.declaration, flow.source, flow.starts, self.registry, told)
                except NotCompiled as reason:
                    flow.live = reason
        texts = Texts()
        open_world = any(flow.live is not None for flow in self.flows)
        specs = list(self.registry.entities.values())
        inference = Inference(specs, self.registry.events, list(typed.values()), texts, open_world=open_world)
        try:
            inference.run()
            return self._assembled(typed, inference, texts, open_world=open_world)
        except NotCompiled as reason:
            culprit = next((n for n, flow in typed.items() if flow is inference.looked_at), None)
            if culprit is None:
                raise
            self.flows[culprit].live = reason
            return None

    def _told(self) -> dict[str, tuple[str, ...]]:
        """Event → its fields that flows look at which it starts."""
        told: dict[str, dict[str, None]] = {}
        keys = {spec.primary_key for spec in self.registry.entities.values()}
        for flow in self.flows:
            on = flow.declaration.on
            if on is None:
                continue
            event = self.registry.event(on)
            names = None
            if flow.live is None and flow.source is not None:
                with suppress(NotCompiled):  # found out again, and kept, where it is compiled
                    first = _lowering(flow.declaration, flow.source, self.registry)
                    names = asked(first.writing.last_fields, event, keys, flow.span)
            names = handable(event, keys) if names is None else names
            told.setdefault(event.name, {}).update(dict.fromkeys(names))
        return {event: tuple(names) for event, names in told.items()}

    def _assembled(
        self, typed: dict[int, TypedFlow], inference: Inference, texts: Texts, *, open_world: bool
    ) -> Plan:
        specs = self.registry.entities
        usage, filters = Usage(), Filters()
        starts = [self._starts(flow, filters, usage) for flow in self.flows]
        entities = Entities(specs.values(), self.settings, usage, inference)
        entities.open_world, entities.live_keys = open_world, frozenset(self.survey.keywords)
        graphs: dict[int, Graph] = {}
        for number, flow in typed.items():
            inference.looked_at = flow
            graph = resolved(flow, specs)
            graphs[number], ends = observed(graph, self.flows[number].starts, usage)
            entities.bound |= _bound(graphs[number])
            if self.settings.on_end == "finish":
                check_end(self.flows[number].source, graphs[number], ends=ends)
        sites: list[Site] = []
        initial_sites = self._initial_sites(sites, entities, texts)
        tables = []
        for number, begun in enumerate(self.flows):
            if number not in typed:
                tables.append(self._live(number, begun, starts[number]))
                continue
            flow = inference.looked_at = typed[number]
            finish = Finish(flow, number, graphs[number], inference, entities, filters, sites)
            tables.append(_table(number, begun, starts[number], finish))
        plan = Plan(
            self.settings,
            dict(self.registry.events),
            {name: entities.plan(spec) for name, spec in specs.items()},
            tuple(tables),
            tuple(filters.found),
            tuple(sites),
            texts.frozen(),
            initial_sites,
            any(_queues(table) for table in tables) or (open_world and "wait" in self.survey.keywords),
            self._arrives(sites, open_world=open_world),
        )
        self._warn(plan, typed)
        return plan

    def _arrives(self, sites: list[Site], *, open_world: bool) -> bool:
        """Whether events may be known later than they happen; of live flows, the keywords tell."""
        if any(site.arrives is not None for site in sites):
            return True
        fields = {name for event in self.registry.events.values() for name in event.by_name}
        return open_world and "arrives" in set(self.survey.keywords) - fields

    def _initial_sites(self, sites: list[Site], entities: Entities, texts: Texts) -> dict[str, int]:
        """The sites of initial events, added to the others: entity type → its site."""
        numbers: dict[str, int] = {}
        for spec in self.initial:
            if spec.source_event is not None:
                numbers[spec.name] = len(sites)
                sites.append(initial_site(len(sites), spec, entities, texts))
        return numbers

    def _starts(self, flow: _Flow, filters: Filters, usage: Usage) -> tuple[int, ...]:
        starts = []
        for select in flow.declaration.filter:
            name = entity_spec(select.entity).name
            conditions = tuple(plan_condition(condition) for condition in select.where)
            usage.conditions(name, conditions, select.weight, shared=select.shared)
            starts.append(filters.number(name, conditions, select.weight, shared=select.shared))
            if flow.declaration.state_rate is not None:
                spec = entity_spec(select.entity)
                read = fields_of(flow.declaration.state_rate, spec, flow.declaration.span)
                usage.read |= {(name, field) for field in read}
        return tuple(starts)

    def _live(self, number: int, flow: _Flow, starts: tuple[int, ...]) -> FlowTable:
        declared = flow.declaration
        assert flow.live is not None
        if not inspect.isgeneratorfunction(declared.function):
            _not_a_generator(flow)
        return FlowTable(
            number,
            declared.name,
            declared.weight,
            starts,
            (),
            {},
            (),
            declared.function,
            flow.span,
            flow.live.reason,
            flow.live.span,
            declared.span,
        )

    def _warn(self, plan: Plan, typed: dict[int, TypedFlow]) -> None:
        for flow in typed.values():
            for diagnostic in flow.warnings.values():
                warn(diagnostic)
        spans = {number: flow.declaration.span for number, flow in enumerate(self.flows)}
        warn_of_instants(plan, spans)


def lowered(
    declaration: FlowDeclaration,
    source: Source,
    starts: dict[str, Ways],
    registry: Registry,
    told: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> TypedFlow:
    """A flow's graph. It is lowered twice: what the first found out of what is held, the second uses.

    ``told``: event → the fields that flows look at which it starts.
    """
    first = _lowering(declaration, source, registry, told=told)
    second = _lowering(declaration, source, registry, first, facts(first.graph, starts), told)
    graph = pruned(second.graph, starts)
    span = source.span()
    return TypedFlow(declaration.name, split(graph, span), span, {}, second.writing.warnings)


def _lowering(
    declaration: FlowDeclaration,
    source: Source,
    registry: Registry,
    first: Lowering | None = None,
    facts: Mapping[tuple[object, ...], Holding] | None = None,
    told: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> Lowering:
    scope = Scope(source, 0, ())
    if first is None:
        low = Lowering.begun(declaration.name, scope, registry, RULES)
    else:
        before = first.writing
        low = Lowering.begun(
            declaration.name, scope, registry, RULES, facts, before.last_fields, before.vague
        )
    begin(low, declaration)
    low.writing.told = told
    arguments = source.node.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
    bound = declaration.bound
    plain = source.function.__defaults__ or ()
    defaults = {**dict(zip(names[len(names) - len(plain) :], plain, strict=True))}
    defaults |= source.function.__kwdefaults__ or {}
    defaults |= bound.keywords
    values: list[Value] = [*map(Const, bound.args), Context()]
    if arguments.vararg is not None:
        scope.learn(arguments.vararg.arg, Items(tuple(values[len(names) :]), tuple))
    if arguments.kwarg is not None:
        others = {*names, *(a.arg for a in arguments.kwonlyargs)}
        rest = {name: value for name, value in defaults.items() if name not in others}
        scope.learn(arguments.kwarg.arg, Const(rest))
        defaults = {name: value for name, value in defaults.items() if name in others}
    for name, value in zip(names, values, strict=False):
        _bind(low, scope, name, value)
        defaults.pop(name, None)
    for name, default in defaults.items():
        _bind(low, scope, name, Const(default))
    low.statements(scope.node.body)
    if not (inspect.isgeneratorfunction(source.function) or low.writing.handed_on):
        label = f"{declaration.name} never yields"
        never = ("a flow is a generator function", label, "yield what it does")
        if not _is_placeholder(source.node):
            raise low.wrong(source.node, *never)
        low.warn(source.node, *never)
    if low.current is not None:
        low.end_function()
    return low


def _bind(low: Lowering, scope: Scope, name: str, value: Value) -> None:
    if isinstance(value, Const) and scope.bound[name]:
        low.let(constant(value.value), scope.node, scope.variable(name))
    else:
        scope.learn(name, value)


def _bound(graph: Graph) -> set[tuple[str, str]]:
    """(entity, field of its source event) that births hand over instead of generating them."""
    bound: set[tuple[str, str]] = set()
    for block in graph.blocks.values():
        if isinstance(block.term, Saves) and block.term.emit.save is not None:
            emit, save = block.term.emit, block.term.emit.save
            bound |= {(save.name, name) for name in (*emit.given, *emit.keys)}
    return bound


def _table(number: int, begun: _Flow, starts: tuple[int, ...], finish: Finish) -> FlowTable:
    """The table of a flow that was compiled."""
    states, stored = finish.states()
    declared = begun.declaration
    return FlowTable(
        number,
        declared.name,
        declared.weight,
        starts,
        states,
        _used_types(finish.flow, states),
        stored,
        declared.function,
        begun.span,
        declared=declared.span,
    )


def _queues(table: FlowTable) -> bool:
    """Whether a flow waits for entities."""
    return any(isinstance(state.terminator, Wait) and state.terminator.queue for state in table.states)


def _used_types(flow: TypedFlow, states: tuple[object, ...]) -> dict[str, Type]:
    """The types of the locals that are left."""
    text = repr(states)
    return {name: type_ for name, type_ in flow.types.items() if repr(name) in text or name in text}


def _is_placeholder(node: ast.FunctionDef) -> bool:
    """Whether nothing is written yet: a docstring, ``pass`` or ``...``. Such a flow ends where it starts."""
    return all(
        isinstance(item, ast.Pass) or (isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant))
        for item in node.body
    )


def _not_a_generator(flow: _Flow) -> NoReturn:
    assert flow.live is not None
    label = f"{flow.declaration.name} never yields, and {flow.live.reason}"
    raise CompileError(Diagnostic("a flow is a generator function", flow.span, label, "yield what it does"))
