"""States → plain Python functions, for runs with few flows in flight.

One function a state: it runs the state's operations for one flow object and returns the number of
the next state, or one of the codes below. The expressions are the user's own text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from deep_faker.conditions import check_condition
from deep_faker.draws import Draws, mix1
from deep_faker.engine.computed import may_be_wrong, parameters
from deep_faker.engine.failures import STALL, TURNS
from deep_faker.engine.liveness import terminator_uses, uses
from deep_faker.errors import Span
from deep_faker.expressions import row_function
from deep_faker.plan import (
    Apply,
    Branch,
    Change,
    Clock,
    Count,
    Delay,
    Draw,
    Early,
    Emit,
    End,
    Expr,
    FlowTable,
    Goto,
    Held,
    Hold,
    Let,
    Need,
    Operation,
    Pick,
    Plan,
    Read,
    Save,
    Session,
    State,
    Turn,
    Wait,
)
from deep_faker.storage import Handle
from deep_faker.times import LATEST
from deep_faker.variates import RANDOM_FUNCTIONS
from deep_faker.waits import wait_micros1, waiter1

WAIT, PICK, SAVE, END = -1, -2, -3, -4


@dataclass
class Source:
    """One generated function: its text, the values its names stand for, the user's place of each line."""

    name: str
    lines: list[str] = field(default_factory=list)
    spans: dict[int, tuple[Span, Expr | None]] = field(default_factory=dict)
    env: dict[str, Any] = field(default_factory=dict)
    loaded: set[str] = field(default_factory=set)

    def add(self, text: str, span: Span | None = None, expr: Expr | None = None) -> None:
        self.lines.append(text)
        if span is not None:
            self.spans[len(self.lines) + 1] = span, expr  # the `def` line comes first

    def constant(self, value: Any, hint: str) -> str:
        name = f"_{hint}{len(self.env)}"
        self.env[name] = value
        return name


def crossing(flow: FlowTable) -> set[str]:
    """Locals that some state reads before it sets them, or that a birth reads later: the flow keeps these."""
    found: set[str] = set()
    for state in flow.states:
        known: set[str] = set()
        for operation in state.operations:
            used, given = uses(operation, guarded=False)
            found |= used - known
            known |= given
        used, _ = terminator_uses(state.terminator, guarded=False)
        found |= used if isinstance(state.terminator, Save) else used - known
    return found


class ScalarCode:
    """Compiles the states of one flow against the tables of a scalar engine."""

    def __init__(self, plan: Plan, flow: FlowTable, draws: Draws, engine: Any) -> None:
        self.plan, self.flow, self.draws, self.engine = plan, flow, draws, engine
        self.index = {name: i for i, name in enumerate(plan.entities)}
        self.crossing = {*flow.stored, *crossing(flow)}

    def compile(self, state: State) -> tuple[Any, Mapping[int, tuple[Span, Expr | None]]]:
        """The function of a state, and the user's place for each of its lines."""
        source = Source(f"flow_{self.flow.number}_state_{state.number}")
        for operation in state.operations:
            self._operation(source, operation)
        self._terminator(source, state)
        body = [f"    {line}" for line in source.lines] or ["    pass"]
        text = "\n".join([f"def {source.name}(f):", *body])
        env = {"_e": self.engine, "_RANDOM": RANDOM_FUNCTIONS, **source.env}
        exec(compile(text, f"<scalar {self.flow.name}>", "exec"), env)  # noqa: S102 - our own text
        return env[source.name], source.spans

    # ------------------------------------------------ names

    def _load(self, source: Source, *names: str) -> None:
        for name in names:
            if name not in source.loaded:
                source.add(f"{name} = f.{name}")
                source.loaded.add(name)

    def _stored(self, source: Source, target: str) -> None:
        source.loaded.add(target)
        if target in self.crossing:
            source.add(f"f.{target} = {target}")

    def _expression(self, source: Source, expr: Expr) -> str:
        self._load(source, *expr.names)
        handles = {name for name in expr.names if self.flow.types[name].kind == "entity"}
        if handles or expr.type.kind == "entity" or "hash" in expr.text:
            return self._by_function(source, expr, handles)
        text = expr.text
        renamed = {name: source.constant(value, "c") for name, value in expr.consts.items()}
        for name, new in renamed.items():
            text = _rename(text, name, new)
        return f"({text})"

    def _by_function(self, source: Source, expr: Expr, handles: set[str]) -> str:
        """An expression with entities in it: entity 0 is as true as any other, and -1 is None."""
        simple = _PRESENCE.get(re.sub(r"\b(?!not\b|is\b|None\b)\w+", "x", expr.text.strip("() ")))
        if simple is not None and len(handles) == 1:
            return simple.replace("x", next(iter(handles)))
        function = source.constant(row_function(expr), "f")
        source.env["_handle"] = _handle
        names = [
            f"_handle({self.flow.types[name].entity!r}, {name})" if name in handles else name
            for name in expr.names
        ]
        call = f"{function}({', '.join(names)})"
        if expr.type.kind != "entity":
            return call
        source.env["_number"] = _number
        return f"_number({call})"

    # ------------------------------------------------ operations

    def _operation(self, source: Source, op: Operation) -> None:
        match op:
            case Let(target, expr):
                source.add(f"{target} = {self._expression(source, expr)}", expr.span, expr)
                self._stored(source, target)
            case Draw():
                self._draw(source, op)
            case Held(target, entity):
                source.add(f"{target} = f.h{self.index[entity]}")
                source.add(f"if {target} < 0: {target} = -1")
                self._stored(source, target)
            case Read():
                self._read(source, op)
            case Need(handle, span):
                self._load(source, handle)
                source.add(f"if {handle} < 0: _e.missing(f)", span)
            case Clock(target):
                source.add(f"{target} = _e.to_datetime(f.clock)")
                self._stored(source, target)
            case Session(target):
                source.add(f"{target} = _e.session(f.number)")
                self._stored(source, target)
            case Count(span):
                source.add("f.action += 1")
                source.add("f.stall += 1")
                source.add("f.turns = 0")
                source.add(f"if f.stall > {STALL}: _e.stalled(f)", span)
            case Turn(span):
                source.add("f.turns += 1")
                source.add(f"if f.turns > {TURNS}: _e.spinning(f, {source.constant(span, 'at')})")
            case Early(target, event, name, span):
                call = f"_e.fields.early_one({event!r}, {name!r}, f.number, f.action, f.clock)"
                source.add(f"{target} = {call}", span)
                self._stored(source, target)
            case Apply(changes, span):
                self._tried(source, changes, span)
                self._changes(source, changes, event=False)
                if self.plan.settings.history:
                    source.add("_e.changed_by(f, False)", span)
            case Emit():
                self._emit(source, op)
            case Hold(entity, handle, span):
                self._load(source, handle)
                source.add(f"_e.hold(f, {entity!r}, {handle})", span)

    def _draw(self, source: Source, op: Draw) -> None:
        function = RANDOM_FUNCTIONS[op.function]
        key = source.constant(self.draws.key("random"), "k")
        scalar = source.constant(function.scalar, "f")
        arguments = [self._expression(source, arg) for arg in op.args]
        mixed = source.constant(self.engine.mix1, "m")
        source.add(
            f"{op.target} = {scalar}({', '.join([f'{mixed}({key}, f.number, f.k)', *arguments])})", op.span
        )
        source.add("f.k += 1")
        self._stored(source, op.target)

    def _read(self, source: Source, op: Read) -> None:
        self._load(source, op.handle)
        table = self.engine.tables[op.entity]
        source.add(f"if {op.handle} < 0: _e.missing(f)", op.span)
        if op.field is None:
            source.add(f"{op.target} = {source.constant(table.key, 'key')}({op.handle})", op.span)
        elif op.current or not table.start_view:
            source.add(f"{op.target} = {source.constant(table.live[op.field], 'col')}[{op.handle}]", op.span)
        else:
            source.add(f"{op.target} = _e.view(f, {op.entity!r}, {op.handle}, {op.field!r})", op.span)
        self._stored(source, op.target)

    def _keys(self, source: Source, op: Emit) -> list[str]:
        """The numbers of the entities whose keys fill fields; a missing one ends the flow."""
        out = []
        for _, entity in op.keys:
            slot = f"f.h{self.index[entity]}"
            source.add(f"if {slot} < 0: _e.missing(f)", op.span)
            out.append(slot)
        return out

    def _row(self, source: Source, op: Emit, own: tuple[str, str] | None) -> None:
        """Append the event's row: its own key's number stands with the keys (``own``: field, number)."""
        site = self.engine.layout(op.site)
        given = dict(op.values)
        numbers = {name: f"f.h{self.index[entity]}" for name, entity in op.keys}
        if own is not None:
            numbers[own[0]] = own[1]
        self._load(source, *given.values())
        parts = [
            "f.number",
            "f.action",
            "f.clock",
            *(given[n] for n in site.values),
            *(numbers[n] for n in site.keys),
        ]
        source.add(f"{source.constant(site.rows.append, 'row')}(({', '.join(parts)},))", op.span)
        source.add("f.events += 1")

    def _emit(self, source: Source, op: Emit) -> None:
        self._keys(source, op)
        self._tried(source, op.changes, op.span)
        self._row(source, op, None)
        self._changes(source, op.changes, event=True)
        if self.plan.settings.history and op.changes:
            source.add("_e.changed_by(f, True)", op.span)

    def _tried(self, source: Source, changes: tuple[Change, ...], span: Span, but: str | None = None) -> None:
        """A change of an entity that the flow tried to get, and did not, ends the flow (S5)."""
        for entity in dict.fromkeys(change.entity for change in changes):
            if entity != but:
                source.add(f"if f.h{self.index[entity]} == -1: _e.missing(f)", span)

    def _changes(self, source: Source, changes: tuple[Change, ...], *, event: bool) -> None:
        for place, change in enumerate(changes):
            self._change(source, change, place, event=event)

    def _change(self, source: Source, change: Change, place: int, *, event: bool) -> None:
        self._load(source, change.value)
        table = self.engine.tables[change.entity]
        slot = f"f.h{self.index[change.entity]}"
        if table.logged or change.op not in ("is", "add", "subtract") or not self._plain(table, change):
            given = f"f, {change.entity!r}, {change.field!r}, {change.op!r}, {change.value}, {place}, {event}"
            source.add(f"_e.change({given})", change.span)
            return
        column = source.constant(table.live[change.field], "col")
        source.add(f"if {slot} >= 0:")  # a type that the flow never tried to get is left alone (S4)
        if change.op == "is":
            source.add(f"    {column}[{slot}] = {change.value}", change.span)
        else:
            sign = "+" if change.op == "add" else "-"
            source.add(f"    {column}[{slot}] {sign}= {change.value}", change.span)
            if table.types[change.field].kind == "int":
                bounds = f"-9223372036854775808 <= {column}[{slot}] <= 9223372036854775807"
                given = f"{change.entity!r}, {change.field!r}, {column}[{slot}]"
                source.add(f"    if not {bounds}: _e.overflow({given})", change.span)
        source.add(f"    {source.constant(table.changed.add, 'ch')}({slot})")
        if self.plan.settings.history:
            source.add(f"    f.touched.append(({change.entity!r}, {slot}))")

    def _plain(self, table: Any, change: Change) -> bool:
        """Whether the value is certainly of the column's own type, so that nothing needs checking."""
        have, want = self.flow.types.get(change.value), table.types[change.field]
        return have is not None and have.kind == want.kind and not have.optional and not want.optional

    # ------------------------------------------------ terminators

    def _terminator(self, source: Source, state: State) -> None:
        end = state.terminator
        match end:
            case Goto(target):
                source.add(f"return {target}")
            case Branch(test, then, other, span):
                self._load(source, test)
                source.add(f"return {then} if {test} else {other}", span)
            case Wait():
                self._wait(source, end)
            case Pick():
                spec = self.plan.entities[end.entity].spec
                for name, op, local in end.dynamic:
                    self._load(source, local)
                    if may_be_wrong(spec, name, self.flow.types[local]):
                        where = source.constant(end.span, "at")
                        judged = source.constant(partial(check_condition, spec), "judge")
                        source.add(f"{judged}({name!r}, {op!r}, {local}, {where})", end.span)
                values = "".join(f"{local}, " for _, _, local in end.dynamic)
                source.add(f"f.request = ({source.constant(end, 'pick')}, ({values}))")
                source.add(f"return {PICK}")
            case Save():
                self._load(
                    source, *(local for _, local in end.emit.values), *(c.value for c in end.emit.changes)
                )
                self._keys(source, end.emit)
                self._tried(source, end.emit.changes, end.span, but=end.entity)
                request = f"({source.constant(end, 'save')}, {source.constant(self._birth(end), 'born')})"
                source.add(f"f.request = {request}")
                source.add(f"return {SAVE}")
            case End(span):
                source.add(f"f.line = {span.line}")
                source.add(f"return {END}")

    def _wait(self, source: Source, end: Wait) -> None:
        delays = [self._delay(source, delay, end.span) for delay in end.delays]
        if isinstance(end.rate, str):
            self._load(source, end.rate)
            source.add(f"f.rate = _e.rate({end.rate}, {source.constant(end.span, 'at')})", end.span)
        else:
            source.add(f"f.rate = {end.rate!r}")
        if delays:
            source.add(f"clock = f.clock + {' + '.join(delays)}", end.span)
            if self.plan.settings.on_end != "cut":
                source.add(f"if clock > {LATEST}: _e.out_of_time(f)", end.span)
            source.add("if f.clock != clock: f.stall = 0")
            source.add("f.clock = clock")
        source.add(f"f.line = {end.span.line}")
        source.add(f"f.state = {end.next}")
        source.add(f"return {WAIT}")

    def _delay(self, source: Source, delay: Delay, span: Span) -> str:
        if delay.kind is not None:
            number = source.constant(self.draws.key("wait", self._position(delay)), "k")
            if not delay.given:
                waiter = source.constant(waiter1(delay.kind, delay.params, delay.unit), "w")
                return f"{waiter}({source.constant(mix1, 'm')}({number}, f.number, f.action))"
            function = source.constant(wait_micros1, "w")
            params = self._parameters(source, delay, span)
            return f"{function}({delay.kind!r}, {params}, {delay.unit}, {number}, f.number, f.action)"
        if delay.local is not None:
            self._load(source, delay.local)
            key = self.draws.key("wait", self._position(delay))
            where = source.constant(span, "at")
            return f"_e.delay({delay.local}, {delay.unit}, {where}, {key}, f.number, f.action)"
        return str(delay.constant)

    def _parameters(self, source: Source, delay: Delay, span: Span) -> str:
        """The parameters of a distribution, with the locals that the flow gives."""
        given = dict(delay.given)
        self._load(source, *given.values())
        values = delay.params[0] if delay.kind == "choice" else delay.params
        parts = "".join(f"{given.get(at, repr(value))}, " for at, value in enumerate(values))
        if delay.kind == "choice":
            parts = f"({parts}), {delay.params[1]!r}"
        checked, where = source.constant(parameters, "checked"), source.constant(span, "at")
        return f"{checked}({delay.kind!r}, ({parts}), {delay.unit}, {where})"

    @staticmethod
    def _position(delay: Delay) -> int:
        return int(delay.purpose.removeprefix("wait") or 0)

    def _birth(self, end: Save) -> Any:
        """A function (flow, number) that emits the event of a birth and applies its changes."""
        source = Source("born")
        for _, local in end.emit.values:
            self._load(source, local)
        for change in end.emit.changes:
            self._load(source, change.value)
        key_field = self.plan.entities[end.entity].spec.primary_key
        own = (key_field, "number") if key_field in self.engine.layout(end.emit.site).keys else None
        values = ", ".join(f"{name!r}: {local}" for name, local in end.emit.values)
        key_local = next((local for name, local in end.emit.values if name == key_field), "_")
        # a generated key that collides is drawn again, so the key comes back
        source.add(
            f"{key_local} = _e.create(f, {end.entity!r}, number, {end.emit.site}, {{{values}}})", end.span
        )
        self._row(source, end.emit, own)
        self._changes(source, end.emit.changes, event=True)
        if self.plan.settings.history:
            source.add(f"f.touched.append(({end.entity!r}, number))")
            source.add("_e.changed_by(f, True)", end.span)
        text = "\n".join(["def born(f, number):", *(f"    {line}" for line in source.lines)])
        env = {"_e": self.engine, **source.env}
        exec(compile(text, f"<scalar {self.flow.name}>", "exec"), env)  # noqa: S102 - our own text
        return env["born"]


# Tests of whether there is an entity, on its number.
_PRESENCE = {"not x": "(x < 0)", "x is None": "(x < 0)", "x is not None": "(x >= 0)"}


def _handle(entity: str, number: int) -> Handle | None:
    return None if number < 0 else Handle(entity, number)


def _number(handle: Handle | None) -> int:
    return -1 if handle is None else handle.number


def _rename(text: str, name: str, new: str) -> str:
    import ast

    class Rename(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.Name:
            return ast.Name(new, node.ctx) if node.id == name else node

    return ast.unparse(Rename().visit(ast.parse(text, mode="eval")))
