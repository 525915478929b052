"""From a typed graph to the states of a plan: dead code out, values fitted, expressions written."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace

from deep_faker import plan
from deep_faker.compile.graph import ir
from deep_faker.compile.graph.inference import Inference
from deep_faker.compile.graph.shape import live_at
from deep_faker.compile.graph.sweep import swept
from deep_faker.compile.plan_tables import Entities, Filters, site_of
from deep_faker.compile.read.source import NotCompiled
from deep_faker.compile.read.values import Raise, constant, local, names_in, object_in, places_of
from deep_faker.declare.actions import UNITS, Unknown, check_change, check_condition, check_rate, check_wait
from deep_faker.declare.change_operators import CHANGE_OPERATORS
from deep_faker.declare.schema import EntitySpec
from deep_faker.expressions import infer
from deep_faker.plan import Early, Expr, Site, Type
from deep_faker.plan.storage import EPOCH
from deep_faker.spans import Span

# What stands in a local that has no value yet.
_FILLERS: dict[str, object] = {
    "bool": False,
    "int": 0,
    "float": 0.0,
    "code": "",
    "str": "",
    "datetime": EPOCH,
    "date": EPOCH.date(),
    "timedelta": EPOCH - EPOCH,
}
_ARRIVES = "its type is known as it arrives only"


@dataclass
class Finish:
    """Finishes one flow. ``sites`` grows."""

    flow: ir.TypedFlow
    number: int
    graph: ir.Graph
    inference: Inference
    entities: Entities
    filters: Filters
    sites: list[Site]
    constants: dict[str, object] = field(default_factory=dict)
    _temps: int = 0

    def states(self) -> tuple[tuple[plan.State, ...], tuple[str, ...]]:
        """The flow's states in reverse postorder, and the locals that are stored."""
        graph = self.graph
        self._demand(graph)
        swept(graph, self.flow.types)
        _settle_weak(graph)
        self.constants = _constants(graph)
        numbers = {block: number for number, block in enumerate(graph.order())}
        needed = live_at(graph)
        stored: set[str] = set()
        out: list[plan.State] = []
        for block_number in numbers:
            block = graph.blocks[block_number]
            if isinstance(block.term, (ir.Waits, ir.Picks, ir.Saves)):
                stored |= needed[block.term.next]
            ops: list[plan.Operation] = []
            for op in block.ops:
                self._op(op, ops)
            assert block.term is not None, "every reachable block ends"
            term = self._term(ir.with_next(block.term, numbers.__getitem__), ops)
            out.append(plan.State(len(out), tuple(ops), term, _span_of(block, self.flow)))
        return tuple(out), tuple(sorted(stored))

    # ------------------------------------------------ what births need

    def _demand(self, graph: ir.Graph) -> None:
        """Generated values that a birth copies to state must be there when it happens."""
        for block in graph.blocks.values():
            if not isinstance(block.term, ir.Saves):
                continue
            emit, save = block.term.emit, block.term.emit.save
            assert save is not None
            copied = [name for name in self.entities.copied(save) if name in emit.weak]
            strong = [*dict.fromkeys([*copied, *emit.strong])]
            key = save.primary_key
            generated = save.key_field is not None and key not in emit.given
            if generated and self.entities.key_mode(save) == "stored":
                target = self._fresh("key")
                block.ops.append(Early(target, emit.event.name, key, emit.span))
                self.flow.types[target] = self._generated(emit.event.name, key)
                emit = replace(emit, weak={**emit.weak, key: target})
                strong.append(key)
            block.term = replace(block.term, emit=replace(emit, strong=tuple(strong)))

    def _generated(self, event: str, name: str) -> Type:
        from_op = self.inference.of(self.flow, Early("", event, name, self.flow.span))
        return from_op or Type("object")

    # ------------------------------------------------ operations

    def _fresh(self, name: str) -> str:
        self._temps += 1
        return f"t_{name}__{self._temps}"

    def _type(self, name: str) -> Type:
        return self.flow.types.get(name, Type("object"))

    def expr(self, code: ast.expr, span: Span, want: Type | None = None) -> Expr:
        """Code as an expression of the plan."""
        text, consts = self.inference.text(code)
        names = names_in(code)
        type_, reason = infer(text, {n: self._type(n) for n in names}, consts, self.inference.texts)
        if isinstance(code, ast.Call) and isinstance(code.func, ast.Constant):
            # whoever gets there stops the run: that is no line done row by row
            reason = None if isinstance(object_in(code.func), Raise) else reason
        return Expr(text, names, consts, want or type_, span, reason, places_of(code, text))

    def _op(self, op: ir.Op, out: list[plan.Operation]) -> None:
        if isinstance(op, ir.Let):
            out.append(plan.Let(op.target, self.expr(op.code, op.span, self._type(op.target))))
        elif isinstance(op, ir.Draw):
            made = plan.Draw(
                op.target, op.function, tuple(self.expr(arg, op.span) for arg in op.args), op.span
            )
            self._typed(made, op, out)
        elif isinstance(op, plan.Apply):
            out.append(replace(op, changes=self._changes(op.changes, out)))
        elif isinstance(op, ir.Emit):
            out.append(self._emit(op, out))
        elif isinstance(op, ir.Unset):
            filler = _FILLERS.get(self._type(op.target).kind)
            optional = self._type(op.target).optional
            code = constant(None if optional else filler)
            out.append(plan.Let(op.target, self.expr(code, op.span, self._type(op.target))))
        elif isinstance(op, (ir.Attr, ir.Ask)):
            raise AssertionError("resolved before")  # noqa: TRY004 - no mistake of a caller
        else:
            self._typed(op, op, out)

    def _typed(self, operation: plan.Operation, op: ir.Op, out: list[plan.Operation]) -> None:
        """The operation; through a local of its own where its target is of a wider type."""
        target, natural = ir.target_of(op), self.inference.of(self.flow, op)
        if target is None or natural is None or natural == self._type(target):
            out.append(operation)
            return
        wide = self._fresh("wide")
        self.flow.types[wide] = natural
        moved: plan.Operation = replace(operation, target=wide)  # type: ignore[arg-type]  # it has a target
        out.append(moved)
        self._let(out, target, local(wide), self._type(target), getattr(op, "span", self.flow.span))

    def _let(self, out: list[plan.Operation], target: str, code: ast.expr, want: Type, span: Span) -> str:
        self.flow.types[target] = want
        out.append(plan.Let(target, self.expr(code, span, want)))
        return target

    # ------------------------------------------------ events and changes

    def _emit(self, op: ir.Emit, out: list[plan.Operation]) -> plan.Emit:
        values = {**op.given, **{name: op.weak[name] for name in op.strong}}
        ordered = [(f.name, values[f.name]) for f in (*op.event.fields, *op.event.traits) if f.name in values]
        for name, value in ordered:
            if self._type(value).kind == "entity":
                raise NotCompiled(f"fills {name} with an entity", op.span)
        keys = dict(op.keys)
        save = op.save
        if save is not None and save.key_field is not None and save.primary_key not in values:
            keys[save.primary_key] = save.name
        site = site_of(
            len(self.sites),
            op.event,
            {name: self._type(value) for name, value in ordered},
            keys,
            op.strong,
            save,
            span=op.span,
            flow=self.flow.name,
            arrives=op.arrives,
        )
        self.sites.append(site)
        changes = self._changes(op.changes, out)
        return plan.Emit(site.number, tuple(ordered), tuple(op.keys.items()), changes, op.span)

    def _changes(
        self, changes: tuple[plan.Change, ...], out: list[plan.Operation]
    ) -> tuple[plan.Change, ...]:
        return tuple(replace(change, value=self._fitted(change, out)) for change in changes)

    def _fitted(self, change: plan.Change, out: list[plan.Operation]) -> str:
        """A local whose type fits the column that is changed (N11)."""
        spec = self.inference.entities[change.entity]
        state, have = spec.by_name[change.field], self._type(change.value)
        column = self.inference.columns[change.entity, change.field]
        takes = CHANGE_OPERATORS[change.op].takes
        want = column if change.op == "is" else Type(takes.get(column.kind, column.kind))
        if change.value in self.constants:
            checked = True  # its value was checked when the action was read
        else:
            # what is known of a value's type may be enough to refuse it
            check_change(spec, change.field, change.op, _unknown(have), change.span)
            plain = state.row_validated is None and state.literal is None and state.enum is None
            # of objects it is not known what they are, nor whether they are None
            checked = plain and (want.kind != "object" or have.kind == "none")
        if checked and have.kind == want.kind and (want.optional or not have.optional):
            return change.value
        simple = (have.kind, want.kind) in (("int", "float"), ("code", "str")) and not (
            have.optional and not want.optional
        )
        target = self._fresh("fit")
        if checked and (
            simple or have.kind == "none" or want.kind == "object" or change.value in self.constants
        ):
            return self._let(out, target, _widened(change.value, have, want), want, change.span)
        check = _Check(spec, change.field, change.op, change.span, self.flow.name)
        code = ast.Call(constant(check), [local(change.value)], [])
        text, consts = self.inference.text(code)
        self.flow.types[target] = want
        out.append(plan.Let(target, Expr(text, (change.value,), consts, want, change.span, _ARRIVES)))
        return target

    # ------------------------------------------------ terminators

    def _term(self, term: ir.Term, out: list[plan.Operation]) -> plan.Terminator:
        if isinstance(term, ir.Jump):
            return plan.Goto(term.next)
        if isinstance(term, ir.Test):
            return plan.Branch(term.test, term.then, term.other, term.span)
        if isinstance(term, ir.Waits):
            return self._wait(term)
        if isinstance(term, ir.Saves):
            assert term.emit.save is not None
            return plan.Save(self._emit(term.emit, out), term.emit.save.name, term.next, term.emit.span)
        if isinstance(term, ir.Picks):
            for name, op, value in term.dynamic:
                check_condition(term.entity, name, op, _unknown(self._type(value)), term.span)
            number = self.filters.number(term.entity.name, term.static, term.weight, shared=term.shared)
            queue = term.since, term.patience, term.apart, term.listed
            return plan.Pick(term.entity.name, number, term.dynamic, term.next, term.span, *queue)
        return plan.End(term.span)

    def _wait(self, term: ir.Waits) -> plan.Wait:
        rate = term.rate
        for delay in term.delays:
            if delay.local is not None:
                unit = next(name for name, micros in UNITS.items() if micros == delay.unit)
                check_wait(unit, _unknown(self._type(delay.local)), term.span)
        if isinstance(rate, str):
            check_rate(_unknown(self._type(rate)), term.span)
        return plan.Wait(term.delays, rate, term.next, term.span, term.queue)


def _widened(name: str, have: Type, want: Type) -> ast.expr:
    """A value for a column of a wider type: an int is a float there, for the flow too."""
    if (have.kind, want.kind) != ("int", "float"):
        return local(name)
    code: ast.expr = ast.Call(constant(float), [local(name)], [])
    if have.optional:
        missing = ast.Compare(local(name), [ast.Is()], [constant(None)])
        code = ast.IfExp(missing, constant(None), code)
    return code


@dataclass(frozen=True)
class _Check:
    """Checks one value that a flow stores, as it arrives (N11)."""

    entity: EntitySpec
    field: str
    op: str
    span: Span
    flow: str

    def __call__(self, value: object) -> object:
        return check_change(self.entity, self.field, self.op, value, self.span, flow=self.flow).value


def _unknown(have: Type) -> Unknown:
    kinds = {"code": "str", "object": None, "none": None}
    return Unknown(kinds.get(have.kind, have.kind))


def _span_of(block: ir.Block, flow: ir.TypedFlow) -> Span:
    for op in (*block.ops, block.term):
        span: Span | None = getattr(op, "span", None)
        if span is not None and not isinstance(op, plan.Turn):
            return span
        if isinstance(op, ir.Saves):
            return op.emit.span
    return flow.span


def _constants(graph: ir.Graph) -> dict[str, object]:
    """Locals that are set once, to a constant."""
    constants: dict[str, object] = {}
    twice: set[str] = set()
    for block in graph.blocks.values():
        for op in block.ops:
            target = ir.target_of(op)
            if target is None:
                continue
            if target in constants or not (isinstance(op, ir.Let) and isinstance(op.code, ast.Constant)):
                twice.add(target)
            elif isinstance(op.code, ast.Constant):
                constants[target] = op.code.value
    return {name: value for name, value in constants.items() if name not in twice}


def _settle_weak(graph: ir.Graph) -> None:
    """Generated values that somebody reads are handed over by the event; the others are filled afterwards."""
    ops = [op for block in graph.blocks.values() for op in block.ops]
    early = {op.target for op in ops if isinstance(op, Early)}
    computed = {op.target for op in ops if isinstance(op, ir.Let)}  # of a generated field: derived ones

    def settled(emit: ir.Emit) -> ir.Emit:
        generated = {field.name for field in emit.event.by_name.values() if field.generator is not None}
        weak = {
            name: value
            for name, value in emit.weak.items()
            if value in early or (name in generated and value in computed) or name in emit.told
        }
        return replace(emit, weak=weak, strong=tuple(weak))

    for block in graph.blocks.values():
        block.ops = [settled(op) if isinstance(op, ir.Emit) else op for op in block.ops]
        if isinstance(block.term, ir.Saves):
            block.term = replace(block.term, emit=settled(block.term.emit))
