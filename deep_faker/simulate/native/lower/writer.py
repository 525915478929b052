"""One flow while its instructions are written: its registers, its places, and what it leaves to Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from deep_faker.declare.schema import FieldSpec
from deep_faker.draws.mix import Draws
from deep_faker.plan import (
    Early,
    Emit,
    Expr,
    FieldDraws,
    FlowTable,
    Let,
    Operation,
    Pick,
    Plan,
    Save,
    Site,
    StateColumn,
    Type,
    Wait,
)
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.liveness import blocks_of, can_stall, columns_of, terminator_uses, uses
from deep_faker.simulate.native import escapes, layout
from deep_faker.simulate.native.escapes import Escape, Serve
from deep_faker.simulate.native.lower.assembler import Code, Frame, Label
from deep_faker.simulate.native.lower.expressions import Operand, recast
from deep_faker.simulate.native.lower.forms import Forms
from deep_faker.simulate.native.lower.sure import is_sure
from deep_faker.simulate.native.rows import WorldRows
from deep_faker.simulate.native.texts import Words
from deep_faker.spans import Span


class NotLowerableError(Exception):
    """The plan cannot run natively as a whole; ``str`` says why."""


@dataclass
class Column:
    """How a value of an event is in its record: ``place`` of its word, ``null`` of its mask (-1: none).

    ``expr``: what Python makes of the words instead, of as many locals as the expression names.
    ``early``: a generated value that the event's own place tells; it has no word.
    """

    name: str
    type: Type
    place: int = -1
    null: int = -1
    expr: Expr | None = None
    operands: tuple[Column, ...] = ()
    early: bool = False


@dataclass
class SiteWords:
    """The record of one site: words after (site, flow, action, clock), and what they are."""

    site: Site
    width: int
    values: tuple[Column, ...]
    nulls: tuple[str, ...]
    keys: dict[str, int]


class FlowWriter:
    """What all parts of the lowering of a flow share."""

    def __init__(
        self,
        flow: FlowTable,
        plan: Plan,
        world: WorldRows,
        draws: Draws,
        fields: FieldDraws,
        words: Words,
        code: Code,
        all_escapes: list[Escape],
        wheres: list[tuple[FlowTable, Span | None]],
        tables: list[I64],
        forms: Forms,
    ) -> None:
        self.forms = forms
        self.flow, self.plan, self.world, self.draws = flow, plan, world, draws
        self.fields, self.words, self.code = fields, words, code
        self.escapes, self.wheres, self.tables = all_escapes, wheres, tables
        self.frame = Frame(code, dict(flow.types), plan.texts)
        self.sites: dict[int, SiteWords] = {}
        self.resumes: dict[int, int] = {}
        self.waits: dict[int, int] = {}
        self.labels = {state.number: Label() for state in flow.states}
        self.stubs: list[tuple[Label, int, Label]] = []
        self.guarded = bool(flow.states) and can_stall(flow)
        self.kept, self.alive = self._across()
        self.reads = self._count_reads()
        self.unsaid = self._unsaid()
        self.deferred = self._deferred()
        self.entry = self.stored = 0
        self._store()

    def _across(self) -> tuple[dict[str, None], dict[int, tuple[str, ...]]]:
        """Locals that live across a wait, pick or save; and those, with masks, of states after waits."""
        handed = [target for target, _ in self.flow.handed]
        kept, alive = dict.fromkeys([*handed, *self.flow.stored]), {}
        live = {block.state: block.live_in for block in blocks_of(self.flow)} if self.flow.states else {}
        for state in self.flow.states:
            terminator = state.terminator
            if isinstance(terminator, (Wait, Pick, Save)):
                names = sorted(name for name in live[terminator.next] if not name.endswith("__"))
                kept |= dict.fromkeys(names)
                if isinstance(terminator, Wait):
                    alive[terminator.next] = tuple(columns_of(names, self.flow.types))
        return kept, alive

    def _operations(self) -> list[Operation | Emit]:
        operations: list[Operation | Emit] = []
        for state in self.flow.states:
            operations += state.operations
            if isinstance(state.terminator, Save):
                operations.append(state.terminator.emit)
        return operations

    def _count_reads(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        names: list[str] = []
        for operation in self._operations():
            if isinstance(operation, Emit):  # one local may be a value and a change of the same event
                names += [local for _, local in operation.values] + [
                    change.value for change in operation.changes
                ]
            else:
                names += uses(operation, guarded=False)[0]
        for state in self.flow.states:
            if not isinstance(state.terminator, Save):
                names += terminator_uses(state.terminator, guarded=False)[0]
            else:
                names += self._taken_by(state.terminator)
        for name in names:
            counts[name] = counts.get(name, 0) + 1
        return counts

    def _taken_by(self, save: Save) -> Iterator[str]:
        """Locals that a birth reads besides its event: its key, and state that its number does not tell."""
        entity, values = self.plan.entities[save.entity], dict(save.emit.values)
        if entity.key_mode == "stored":  # it is compared with all others
            yield values[entity.spec.primary_key]
        for column in entity.columns:
            source = values.get(str(column.from_field))
            if source is None or column.lazy:
                continue
            makers = [o for o in self._operations() if getattr(o, "target", None) == source]
            plain = self.flow.types[source].kind == "str" and not self.flow.types[source].optional
            if not (
                plain and all(isinstance(o, Early) for o in makers) and self._as_it_is(save, column, source)
            ):
                yield source

    def _as_it_is(self, save: Save, column: StateColumn, source: str) -> bool:
        """Whether state is the words of a local."""
        spec, have = self.plan.entities[save.entity].spec.by_name[column.name], self.flow.types[source]
        literal = self._source_field(save, column).literal
        fits = not have.optional or column.type.optional
        return (
            self._alike(save, column)
            and fits
            and have.kind == column.type.kind != "object"
            and literal == spec.literal
        )

    def _source_field(self, save: Save, column: StateColumn) -> FieldSpec:
        event = self.plan.entities[save.entity].spec.source_event
        assert event is not None
        return event.by_name[str(column.from_field)]

    def _alike(self, save: Save, column: StateColumn) -> bool:
        """Whether a state field takes what the event's field has, without a conversion."""
        spec, field = (
            self.plan.entities[save.entity].spec.by_name[column.name],
            self._source_field(save, column),
        )
        return field.kind == spec.kind and field.enum is spec.enum is None and spec.row_validated is None

    def _emitted(self) -> dict[str, list[tuple[Emit, str]]]:
        """Where a local is the value of an event's field: the event and the field."""
        fields_of: dict[str, list[tuple[Emit, str]]] = {}
        for operation in self._operations():
            if isinstance(operation, Emit):
                for name, local in operation.values:
                    fields_of.setdefault(local, []).append((operation, name))
        return fields_of

    def _unsaid(self) -> set[str]:
        """Generated texts that only the event at hand wants: its own place tells them."""
        emitted, out = self._emitted(), set()
        for operation in self._operations():
            if not isinstance(operation, Early) or self.flow.types[operation.target].kind not in (
                "str",
                "object",
            ):
                continue
            places = emitted.get(operation.target, [])
            if len(places) != self.reads.get(operation.target, 0) or operation.target in self.kept:
                continue
            is_told = all(
                self.plan.sites[emit.site].event == operation.event and name == operation.field
                for emit, name in places
            )
            if (
                is_told
                and self.fields.early_type(operation.event, operation.field)
                == self.flow.types[operation.target]
            ):
                out.add(operation.target)
        return out

    def _deferred(self) -> dict[str, Let]:
        """Texts that end in an event and nowhere else: the record carries what they are made of."""
        emitted, out = self._emitted(), {}
        lets: dict[str, list[Operation | Emit]] = {}
        for operation in self._operations():
            target = getattr(operation, "target", None)
            if target is not None:
                lets.setdefault(target, []).append(operation)
        for target, makers in lets.items():
            let = makers[0]
            if len(makers) > 1 or not isinstance(let, Let) or self.flow.types[target].kind != "str":
                continue
            if let.expr.type != self.flow.types[target] or target in self.kept or not let.expr.names:
                continue
            wanted = self.reads.get(target, 0)
            if (
                0 < wanted == len(emitted.get(target, []))
                and not _is_name(let.expr)
                and is_sure(let.expr, self.flow.types)
            ):
                out[target] = let
        # what another such text is made of has to be there
        inner = {name for let in out.values() for name in let.expr.names}
        return {target: let for target, let in out.items() if target not in inner}

    def _store(self) -> None:
        """Give the first registers to what lives while the flow waits."""
        names = dict(self.kept)
        for state in self.flow.states:
            terminator = state.terminator
            if isinstance(terminator, Save):
                emit = terminator.emit
                names |= dict.fromkeys(
                    [local for _, local in emit.values] + [change.value for change in emit.changes]
                )
            elif isinstance(terminator, Pick):
                names |= dict.fromkeys(local for *_, local in terminator.dynamic)
        held = [n for n in names if not n.endswith("__") and n not in self.unsaid and n not in self.deferred]
        saved = {
            local
            for s in self.flow.states
            if isinstance(s.terminator, Save)
            for _, local in s.terminator.emit.values
        }
        for name in held:
            self.frame.register(name)
            self.frame.null(name)
        for target, let in self.deferred.items():
            if target in saved:
                for name in let.expr.names:
                    self._operand_registers(target, name)
        for state in self.flow.states:
            if isinstance(state.terminator, Pick) and state.terminator.dynamic:
                self.frame.register(f"#key{state.number}")
        self.stored = len(self.frame.numbers)
        for name in self.flow.types:  # Python finds all of them
            if name not in self.unsaid and name not in self.deferred:
                self.frame.register(name)
                self.frame.null(name)

    def _operand_registers(self, target: str, name: str) -> tuple[int, int | None]:
        """Registers for what a deferred text is made of."""
        register_name = f"{target}@{name}"
        self.frame.types[register_name] = self.flow.types[name]
        return self.frame.register(register_name), self.frame.null(register_name)

    def _escape(self, serve: Serve, what: str, why: str, span: Span | None, *, in_turn: bool = False) -> int:
        self.escapes.append(Escape(self.flow, self.frame, serve, what, why, span, in_turn))
        return len(self.escapes) - 1

    def _trouble(self, serve: Serve, what: str, span: Span | None, following: Label) -> Label:
        """Where instructions go that cannot do as Python does; Python does it, and the flow goes on."""
        label = Label()
        self.stubs.append((label, self._escape(serve, what, "", span), following))
        return label

    def _python(self, serve: Serve, what: str, why: str, span: Span | None, *, in_turn: bool = False) -> None:
        """Python does it, always."""
        self.forms.python.append((self.flow.name, span, f"{what}: {why}" if what else why))
        self.code.put(layout.O_ESCAPE, self._escape(serve, what, why, span, in_turn=in_turn))

    def _here(self, label: Label) -> None:
        self.code.place(label)

    def _type(self, entity: str) -> int:
        return self.world.entities[entity].number

    def _assign(self, target: str, write: Callable[[int], None], have: Type) -> None:
        """``target`` = what an instruction gives, which is never None."""
        want = self.flow.types[target]
        if want.kind == have.kind or (have.kind == "str" and want.kind == "object"):
            write(self.frame.register(target))
            null = self.frame.null(target)
            if null is not None:
                self.code.put(layout.O_MOVE, null, self.code.constant(0))
            return
        name = f"#as{len(self.frame.numbers)}"
        self.frame.types[name] = have
        write(self.frame.register(name))
        self._python(escapes.conversion_of(target, name, have), target, "is of another type", None)

    def _convert(self, target: str, name: str, have: Type, span: Span | None) -> None:
        """``target`` = the registers of ``name``, in the storage of its own type."""
        following = Label()
        serve = escapes.conversion_of(target, name, have)
        before, known = len(self.stubs), len(self.escapes)
        trouble = self._trouble(serve, target, span, following)
        operand = Operand(self.frame.register(name), self.frame.null(name), have)
        register, null = self.frame.register(target), self.frame.null(target)
        if recast(operand, self.flow.types[target], self.frame, trouble, register, null) is None:
            del self.stubs[before:], self.escapes[known:]
            self._python(serve, target, "is of another type", span)
        self._here(following)

    def _was_used(self, label: Label) -> bool:
        return any(what is label for _, what in self.code._patches)  # noqa: SLF001 - its own words

    def _never(self) -> Label:
        """No place: the instruction has no trouble."""
        return Label(0)


def _is_name(expr: Expr) -> bool:
    return expr.text.strip() in expr.names
