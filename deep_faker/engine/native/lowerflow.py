"""One flow as instructions: operations and terminators of its states."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deep_faker.draws import Draws
from deep_faker.engine.changes import value_type
from deep_faker.engine.computed import may_be_wrong
from deep_faker.engine.liveness import blocks_of, can_stall, columns_of, terminator_uses, uses
from deep_faker.engine.native import escapes, layout
from deep_faker.engine.native.assembler import Code, Frame, Label, Register, bits_of, signed
from deep_faker.engine.native.escapes import Escape, Serve
from deep_faker.engine.native.expressions import Operand, lower, lower_test, recast
from deep_faker.engine.native.forms import Forms
from deep_faker.engine.native.layout import BY_EVENT, K_IS, K_PYTHON, LOGGED, WATCHED
from deep_faker.engine.native.recipewords import write_recipe
from deep_faker.engine.native.rows import StateWords, WorldRows
from deep_faker.engine.native.sure import is_sure
from deep_faker.engine.native.texts import Words
from deep_faker.engine.native.waittables import KINDS, table_of
from deep_faker.engine.recording import SiteLog
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
    FieldDraws,
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
    Site,
    State,
    StateColumn,
    Terminator,
    Turn,
    Type,
    Wait,
)
from deep_faker.schema import FieldSpec, Rejection, state_value
from deep_faker.times import LATEST

_NUMERIC = ("int", "float", "datetime", "date", "timedelta")
_KINDS = {
    "int": ("K_ADD_INT", "K_SUB_INT", "K_MUL_INT", "K_MIN_INT", "K_MAX_INT"),
    "timedelta": ("K_ADD_INT", "K_SUB_INT", None, "K_MIN_INT", "K_MAX_INT"),
    "float": ("K_ADD_FLOAT", "K_SUB_FLOAT", "K_MUL_FLOAT", "K_MIN_FLOAT", "K_MAX_FLOAT"),
    "datetime": ("K_ADD_TIME", "K_SUB_TIME", None, "K_MIN_INT", "K_MAX_INT"),
    "date": ("K_ADD_DATE", "K_SUB_DATE", None, "K_MIN_INT", "K_MAX_INT"),
}
_OPERATORS = ("add", "subtract", "multiply", "min", "max")
_FLOAT_DRAWS = {
    "uniform": (layout.UNIFORM, ()),
    "gauss": (layout.NORMAL, (0.0, 1.0)),
    "normalvariate": (layout.NORMAL, (0.0, 1.0)),
    "lognormvariate": (layout.LOGNORMAL, (0.0, 1.0)),
    "expovariate": (layout.EXPONENTIAL, (1.0,)),
    "paretovariate": (layout.PARETO, ()),
    "weibullvariate": (layout.WEIBULL, ()),
}
_INT_DRAWS = {
    "randint": layout.RANDINT,
    "randrange": layout.RANDRANGE,
    "getrandbits": layout.BITS,
    "index": layout.INDEX,
}


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


class FlowLowering:
    """Writes the code of one flow."""

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
        wheres: list[tuple[FlowTable, Any]],
        tables: list[Any],
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

    # ------------------------------------------------------------ what the flow does with its locals

    def _across(self) -> tuple[dict[str, None], dict[int, tuple[str, ...]]]:
        """Locals that live across a wait, pick or save; and those, masks included, of the states after waits."""
        kept, alive = dict.fromkeys(self.flow.stored), {}
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
        found: list[Operation | Emit] = []
        for state in self.flow.states:
            found += state.operations
            if isinstance(state.terminator, Save):
                found.append(state.terminator.emit)
        return found

    def _count_reads(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        names: list[str] = []
        for operation in self._operations():
            if isinstance(operation, Emit):  # one local may be a value and a change of the same event
                names += [local for _, local in operation.values] + [change.value for change in operation.changes]
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
        """Locals that a birth reads besides its event: its stored key, and state that its number does not tell."""
        entity, given = self.plan.entities[save.entity], dict(save.emit.values)
        if entity.key_mode == "stored":  # it is compared with all others
            yield given[entity.spec.primary_key]
        for column in entity.columns:
            source = given.get(str(column.from_field))
            if source is None or column.lazy:
                continue
            made = [o for o in self._operations() if getattr(o, "target", None) == source]
            plain = self.flow.types[source].kind == "str" and not self.flow.types[source].optional
            if not (plain and all(isinstance(o, Early) for o in made) and self._as_it_is(save, column, source)):
                yield source

    def _as_it_is(self, save: Save, column: StateColumn, source: str) -> bool:
        """Whether state is the words of a local."""
        spec, have = self.plan.entities[save.entity].spec.by_name[column.name], self.flow.types[source]
        literal = self._source_field(save, column).literal
        fits = not have.optional or column.type.optional
        return self._alike(save, column) and fits and have.kind == column.type.kind != "object" and literal == spec.literal

    def _source_field(self, save: Save, column: StateColumn) -> FieldSpec:
        event = self.plan.entities[save.entity].spec.source_event
        assert event is not None
        return event.by_name[str(column.from_field)]

    def _alike(self, save: Save, column: StateColumn) -> bool:
        """Whether a state field takes what the event's field has, without a conversion."""
        spec, field = self.plan.entities[save.entity].spec.by_name[column.name], self._source_field(save, column)
        return field.kind == spec.kind and field.enum is spec.enum is None and spec.row_validated is None

    def _emitted(self) -> dict[str, list[tuple[Emit, str]]]:
        """Where a local is the value of an event's field: the event and the field."""
        found: dict[str, list[tuple[Emit, str]]] = {}
        for operation in self._operations():
            if isinstance(operation, Emit):
                for name, local in operation.values:
                    found.setdefault(local, []).append((operation, name))
        return found

    def _unsaid(self) -> set[str]:
        """Generated texts that only the event at hand wants: its own place tells them."""
        emitted, out = self._emitted(), set()
        for operation in self._operations():
            if not isinstance(operation, Early) or self.flow.types[operation.target].kind not in ("str", "object"):
                continue
            places = emitted.get(operation.target, [])
            if len(places) != self.reads.get(operation.target, 0) or operation.target in self.kept:
                continue
            own = all(
                self.plan.sites[emit.site].event == operation.event and name == operation.field
                for emit, name in places
            )
            if own and self.fields.early_type(operation.event, operation.field) == self.flow.types[operation.target]:
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
        for target, made in lets.items():
            let = made[0]
            if len(made) > 1 or not isinstance(let, Let) or self.flow.types[target].kind != "str":
                continue
            if let.expr.type != self.flow.types[target] or target in self.kept or not let.expr.names:
                continue
            wanted = self.reads.get(target, 0)
            if 0 < wanted == len(emitted.get(target, [])) and not _is_name(let.expr) and is_sure(let.expr, self.flow.types):
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
        saved = {local for s in self.flow.states if isinstance(s.terminator, Save) for _, local in s.terminator.emit.values}
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
        own = f"{target}@{name}"
        self.frame.types[own] = self.flow.types[name]  # type: ignore[index]
        return self.frame.register(own), self.frame.null(own)

    # ------------------------------------------------------------ writing

    def write(self) -> None:
        """All states of the flow, then the places at which it needs Python."""
        self.entry = len(self.code.words)
        for state in self.flow.states:
            self.code.place(self.labels[state.number])
            self._state(state)
        for label, escape, after in self.stubs:
            if self._was_used(label):
                self.code.place(label)
                self.code.put(layout.O_ESCAPE, escape, layout.O_GOTO, after)
        for state in self.flow.states:
            if isinstance(state.terminator, Wait):
                following = state.terminator.next
                place = self.labels[following].place
                assert place is not None
                self.resumes[following] = place

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

    # ------------------------------------------------------------ states

    def _state(self, state: State) -> None:
        operations, terminator = list(state.operations), state.terminator
        test: Let | None = None
        if isinstance(terminator, Branch) and operations:
            last = operations[-1]
            if (
                isinstance(last, Let)
                and last.target == terminator.test
                and self.reads.get(last.target) == 1
                and last.target not in self.kept
            ):
                test = last
                operations.pop()
        for operation in operations:
            self._operation(operation)
        if test is not None and isinstance(terminator, Branch):
            then, other, following = self.labels[terminator.then], self.labels[terminator.other], Label()
            before, known = len(self.stubs), len(self.escapes)
            trouble = self._trouble(
                escapes.expression(test.target, test.expr), test.expr.text, test.expr.span, following
            )
            if lower_test(test.expr, self.frame, trouble, then, other):
                self.forms.value(lambda: None)
                self._here(following)  # Python has told the truth of it
                self.code.put(layout.O_BRANCH, self.frame.register(test.target), then, other)
                return
            del self.stubs[before:], self.escapes[known:]
            self._operation(test)
        self._terminator(state, terminator)

    def _operation(self, operation: Operation) -> None:
        put, frame = self.code.put, self.frame
        match operation:
            case Let(target, expr) if target in self.deferred:
                self._defer(target, expr)
                self._note_later(target, expr.span)
            case Let():
                self.forms.value(lambda: self._let(operation))
            case Draw():
                self.forms.value(lambda: self._draw(operation))
            case Held(target, entity):
                put(layout.O_HELD, frame.register(target), self._type(entity))
            case Read():
                put(layout.O_NEED, frame.register(operation.handle), operation.span.line)
                self._read(operation)
            case Need(handle, span):
                put(layout.O_NEED, frame.register(handle), span.line)
            case Clock(target):
                self._assign(target, lambda register: put(layout.O_CLOCK, register), Type("datetime"))
            case Session(target):
                self._assign(target, lambda register: put(layout.O_SESSION, register), Type("str"))
            case Count(span):
                if self.guarded:
                    stop = self._trouble(escapes.refuse("stalled", span), "stalled", span, Label(0))
                    put(layout.O_COUNT_GUARDED, stop)
                else:
                    put(layout.O_COUNT)
            case Turn(span):
                put(layout.O_TURN, self._trouble(escapes.refuse("spinning", span), "spinning", span, Label(0)))
            case Early(target, event, name, span) if target in self.unsaid:
                self._note_later(target, span)
            case Early(target, event, name, span):
                self.forms.value(lambda: self._early(target, event, name, span))
            case Apply(changes, span):
                self._check_changes(changes, span, None)
                self._changes(changes, is_event=False, own=None)
            case Emit():
                self._check_emit(operation, None)
                self._emit(operation, None)
                self._changes(operation.changes, is_event=True, own=None)
            case Hold(entity, handle, span):
                put(layout.O_NEED, frame.register(handle), span.line)
                stop = self._trouble(escapes.refuse("not held", span, entity), "add_entity", span, Label(0))
                put(layout.O_SAME, self._type(entity), frame.register(handle), stop)

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
        self.frame.types[name] = have  # type: ignore[index]
        write(self.frame.register(name))
        self._python(escapes.conversion_of(target, name, have), target, "is of another type", None)

    # ------------------------------------------------------------ values

    def _note_later(self, target: str, span: Span | None) -> None:
        fields = [f"{self.plan.sites[emit.site].event}.{name}" for emit, name in self._emitted()[target]]
        self.forms.value_later(self.flow.name, span, ", ".join(dict.fromkeys(fields)))

    def _defer(self, target: str, expr: Expr) -> None:
        """Keep what a text is made of, which may change before the event."""
        for name in dict.fromkeys(expr.names):
            register, null = self._operand_registers(target, name)
            self.code.put(layout.O_MOVE, register, self.frame.register(name))
            if null is not None:
                own = self.frame.null(name)
                assert own is not None
                self.code.put(layout.O_MOVE, null, own)

    def _let(self, let: Let) -> None:
        following = Label()
        serve = escapes.expression(let.target, let.expr)
        before = len(self.stubs)
        trouble = self._trouble(serve, let.expr.text, let.expr.span, following)
        used = len(self.code.words)
        if lower(let.expr, self.frame, trouble, let.target) is None:
            assert len(self.code.words) == used
            del self.stubs[before:]
            escape = self.escapes.pop()
            why = let.expr.by_row or "only Python can compute it"
            self._python(escape.serve, "", why, escape.span)
        self._here(following)

    def _early(self, target: str, event: str, name: str, span: Span) -> None:
        """A generated value, now."""
        recipe, want = self.fields.early_recipe(event, name), self.flow.types[target]
        if recipe is None or recipe.type.optional > want.optional or recipe.type.kind != want.kind:
            self._python(escapes.early(target, event, name), f"{event}.{name}", "is generated", span)
            return
        register, null = self.frame.register(target), self.frame.null(target)
        write_recipe(recipe, self.frame, self.words, self.tables, register, null)

    def _draw(self, draw: Draw) -> None:
        following = Label()
        escape = escapes.draw(draw, counted=True)
        if draw.function == "random" and self.flow.types[draw.target] == Type("float"):
            self.code.put(layout.O_DRAW_UNIT, self.frame.register(draw.target))
            return
        before, known = len(self.stubs), len(self.escapes)
        trouble = self._trouble(escape, f"random.{draw.function}", draw.span, following)
        if not self._native_draw(draw, trouble):
            del self.stubs[before:], self.escapes[known:]
            serve = escapes.draw(draw, counted=False)
            self._python(serve, f"random.{draw.function}", "has no form by numbers", draw.span)
        self._here(following)

    def _native_draw(self, draw: Draw, trouble: Label) -> bool:
        want = self.flow.types[draw.target]
        if want.optional or draw.function not in (*_FLOAT_DRAWS, *_INT_DRAWS, "triangular"):
            return False
        # an argument that Python computes takes the way of the whole draw, before it is counted
        early = Label()
        mark = self.code.mark()
        operands = []
        for argument in draw.args:
            operand = lower(argument, self.frame, early)
            if operand is None or operand.null is not None or operand.type.kind not in ("int", "float", "bool"):
                self.code.undo(mark)
                return False
            operands.append(operand)
        function, registers = self._function(draw.function, operands, want, early)
        if function is None:
            self.code.undo(mark)
            return False
        registers += [self.code.constant(0)] * (3 - len(registers))
        target = self.frame.register(draw.target)
        self.code.put(layout.O_DRAW, function, target, *registers, trouble)
        if self._was_used(early):
            after = Label()
            serve = escapes.draw(draw, counted=False)
            self.stubs.append((early, self._escape(serve, f"random.{draw.function}", "", draw.span), after))
            self._here(after)
        return True

    def _function(
        self, name: str, operands: list[Operand], want: Type, trouble: Label
    ) -> tuple[int | None, list[Register]]:
        whole = all(o.type.kind in ("int", "bool") for o in operands)
        registers = [o.register for o in operands]
        if name in _INT_DRAWS:
            if not whole or want.kind != "int" or not operands:
                return None, []
            if name == "randrange":
                one, zero = self.code.constant(1), self.code.constant(0)
                registers = {1: [zero, *registers, one], 2: [*registers, one], 3: registers}[len(registers)]
            return _INT_DRAWS[name], registers
        if want.kind != "float":
            return None, []
        if name == "uniform" and whole:
            return layout.UNIFORM_INTS, registers
        if name == "triangular":
            if any(o.type.kind != "float" for o in operands):
                return None, []
            defaults = [self.code.constant(bits_of(x)) for x in (0.0, 1.0)]
            function = layout.TRIANGULAR if len(operands) == 3 else layout.TRIANGULAR_MIDDLE
            return function, [*registers, *defaults[len(registers) : 2]]
        function, standard = _FLOAT_DRAWS[name]
        floats: list[Register] = []
        for operand in operands:
            made = recast(operand, Type("float"), self.frame, trouble)
            if made is None:
                return None, []
            floats.append(made.register)
        floats += [self.code.constant(bits_of(x)) for x in standard[len(floats) :]]
        return function, floats

    def _read(self, read: Read) -> None:
        rows = self.world.entities[read.entity]
        handle = self.frame.register(read.handle)
        want = self.flow.types[read.target]
        if read.field is None:
            if want.kind == "str":
                self._assign(
                    read.target,
                    lambda register: self.code.put(layout.O_KEY_WORD, register, handle, rows.number),
                    Type("str"),
                )
            else:
                serve = escapes.read_key(read.target, read.entity, read.handle)
                self._python(serve, f"the key of {read.entity}", "is no text", read.span)
            return
        state = rows.states[read.field]
        direct = want.kind == state.type.kind and want.optional == state.type.optional
        name = read.target
        if not direct:
            name = f"#as{len(self.frame.numbers)}"
            self.frame.types[name] = state.type  # type: ignore[index]
        register, null = self.frame.register(name), self.frame.null(name)
        if state.start >= 0 and not read.current:
            following = Label()
            serve = escapes.own_view(name, read.entity, read.handle, state)
            trouble = self._trouble(serve, f"{read.entity}.{read.field}", read.span, following)
            self.code.put(
                layout.O_VIEW,
                register,
                -1 if null is None else null,
                handle,
                rows.number,
                state.live,
                state.null,
                state.start,
                state.start_null,
                int(state.logged),
                trouble,
            )
            self._here(following)
        else:
            self.code.put(
                layout.O_READ, register, -1 if null is None else null, handle, rows.number, state.live, state.null
            )
        if not direct:
            self._convert(read.target, name, state.type, read.span)

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

    # ------------------------------------------------------------ events and changes

    def _check_changes(self, changes: Sequence[Change], span: Span, own: str | None) -> None:
        for entity in dict.fromkeys(change.entity for change in changes if change.entity != own):
            self.code.put(layout.O_NEED_TRIED, self._type(entity), span.line)

    def _check_emit(self, emit: Emit, own: str | None) -> None:
        for entity in dict.fromkeys(entity for _, entity in emit.keys):
            self.code.put(layout.O_NEED_KEY, self._type(entity), emit.span.line)
        self._check_changes(emit.changes, emit.span, own)

    def _emit(self, emit: Emit, own: str | None) -> None:
        site = self.plan.sites[emit.site]
        log = SiteLog(site, self.plan)
        given, held = dict(emit.values), dict(emit.keys)
        words: list[Register] = []
        columns: list[Column] = []
        for name in log.values:
            columns.append(self._value(given[name], site.bound[name], name, words, emit.span))
        keys = {name: len(words) + at for at, name in enumerate(log.keys)}
        entities = [self._type(held[name]) if name in held else -1 for name in log.keys]
        self.code.put(layout.O_EMIT, emit.site, len(words), len(entities), *words, *entities)
        width = len(words) + len(entities)
        self.sites[emit.site] = SiteWords(site, width, tuple(columns), log.nulls, keys)

    def _value(self, local: str, want: Type, name: str, words: list[Register], span: Span) -> Column:
        """A value of an event: its words are added to those of the record."""
        have = self.flow.types[local]
        if local in self.unsaid:
            return Column(name, have, early=True)
        if local in self.deferred:
            expr = self.deferred[local].expr
            operands = []
            for operand in expr.names:
                register, null = self._operand_registers(local, operand)
                operands.append(_column(operand, self.flow.types[operand], register, null, words))
            return Column(name, have, expr=expr, operands=tuple(operands))
        source, null = self.frame.register(local), self.frame.null(local)
        if have != want:
            following = Label()
            own = f"#{name}{len(self.frame.numbers)}"
            self.frame.types[own] = want  # type: ignore[index]
            register, mask = self.frame.register(own), self.frame.null(own)
            before, known = len(self.stubs), len(self.escapes)
            serve = escapes.conversion(own, local, want)
            trouble = self._trouble(serve, name, span, following)
            if recast(Operand(source, null, have), want, self.frame, trouble, register, mask) is None:
                del self.stubs[before:], self.escapes[known:]
                self._python(serve, name, "is of another type", span)
            self._here(following)
            source, null = register, mask
        return _column(name, want, source, null, words)

    def _changes(self, changes: Sequence[Change], *, is_event: bool, own: str | None) -> None:
        for entity in dict.fromkeys(change.entity for change in changes):
            mine = [change for change in changes if change.entity == entity]
            for order, change in enumerate(mine):
                self._change(change, order, is_event=is_event, own=entity == own)
            rows = self.world.entities[entity]
            if self.plan.settings.history and rows.log < 0 and entity != own:
                self.code.put(layout.O_VERSION, rows.number, int(is_event))

    def _change(self, change: Change, order: int, *, is_event: bool, own: bool) -> None:
        rows = self.world.entities[change.entity]
        state = rows.states[change.field]
        self.wheres.append((self.flow, change.span))
        flags = (LOGGED * state.logged) | (BY_EVENT * is_event)
        key = (change.entity, change.field)
        flags |= WATCHED * (key in self.world.watched or key in self.world.weights)

        def put(kind: int, register: Register, null: Register | None, trouble: Label | Register) -> None:
            self.code.put(
                layout.O_CHANGE,
                rows.number,
                int(own),
                state.live,
                state.null,
                state.start,
                state.start_null,
                kind,
                register,
                -1 if null is None else null,
                flags,
                order,
                len(self.wheres) - 1,
                trouble,
            )

        following = Label()
        made = escapes.change_register(change)
        self.frame.types[made] = state.type  # type: ignore[index]
        result = Operand(self.frame.register(made), self.frame.null(made), state.type)
        by_python = escapes.change_by_python(change, state, own=own)
        label = f"{change.entity}.{change.field}"
        kind = self._kind(change, state)
        operand = None
        ready = Label()
        if kind is not None:
            trouble = self._trouble(by_python, label, change.span, ready)
            operand = self._taken(change, state, trouble)
            if operand is None:
                self.stubs.pop()
                self.escapes.pop()
        if (operand is None or kind is None) and state.logged:
            noted = f"{made}:given"
            self.frame.types[noted] = Type("object")  # type: ignore[index]
            by_python = escapes.change_by_python(change, state, own=own, noted=noted)
            self._python(by_python, label, "only Python can change it", change.span)
            put(K_PYTHON + escapes.OPERATORS.index(change.op), self.frame.register(noted), result.null, result.register)
            return
        if operand is None or kind is None:
            self._python(by_python, label, "only Python can change it", change.span)
            put(K_IS, result.register, result.null, self._never())
            return
        put(kind, operand.register, operand.null, trouble)
        if self._was_used(trouble):
            self.code.put(layout.O_GOTO, following)
            self._here(ready)
            put(K_IS, result.register, result.null, self._never())
            self._here(following)
        else:
            self._here(ready)

    def _was_used(self, label: Label) -> bool:
        return any(what is label for _, what in self.code._patches)  # noqa: SLF001 - its own words

    def _never(self) -> Label:
        """No place: the instruction has no trouble."""
        return Label(0)

    def _kind(self, change: Change, state: StateWords) -> int | None:
        """How the kernel makes a change, None: only Python can."""
        spec = self.plan.entities[change.entity].spec.by_name[change.field]
        kind = state.type.kind
        picky = spec.literal is not None or spec.enum is not None or spec.row_validated is not None
        if change.op == "is":
            return None if kind == "object" or (picky and not self._all_fit(change, state)) else K_IS
        if picky or kind not in _KINDS:
            return None
        name = _KINDS[kind][_OPERATORS.index(change.op)]
        return None if name is None else int(getattr(layout, name))

    def _all_fit(self, change: Change, state: StateWords) -> bool:
        """Whether all values that a local can have are known, and the field takes them as they are."""
        known = self._constants_of(change.value)
        spec = self.plan.entities[change.entity].spec.by_name[change.field]
        if known is None:
            return False
        for value in known:
            checked = state_value(spec, value)
            if isinstance(checked, Rejection) or checked != value or type(checked) is not type(value):
                return False
        return True

    def _constants_of(self, local: str) -> list[Any] | None:
        """The constants that a local is set to, None where it is set to anything else."""
        found = []
        for operation in self._operations():
            if getattr(operation, "target", None) == local:
                if not isinstance(operation, Let) or operation.expr.names:
                    return None
                try:
                    found.append(row_function(operation.expr)())
                except Exception:  # noqa: BLE001 - the run will tell
                    return None
        return found or None

    def _taken(self, change: Change, state: StateWords, trouble: Label) -> Operand | None:
        """The value of a change in the storage that the change takes it in."""
        have = self.flow.types[change.value]
        want = value_type(state.type, change.op)
        wide = change.op == "is" or state.type.kind in _NUMERIC
        near = have.kind == want.kind or (have.kind, want.kind) in (("code", "str"), ("int", "float"))
        if (have.kind == "none" and want.optional) or (wide and near):
            operand = Operand(self.frame.register(change.value), self.frame.null(change.value), have)
            return recast(operand, want, self.frame, trouble)
        return None

    # ------------------------------------------------------------ terminators

    def _terminator(self, state: State, terminator: Terminator) -> None:
        put = self.code.put
        match terminator:
            case Goto(following):
                put(layout.O_GOTO, self.labels[following])
            case Branch(test, then, other):
                put(layout.O_BRANCH, self.frame.register(test), self.labels[then], self.labels[other])
            case End(span):
                put(layout.O_END, span.line)
            case Wait():
                self._wait(state, terminator)
            case Pick():
                self._pick(state, terminator)
            case Save():
                self._save(terminator)

    def _wait(self, state: State, wait: Wait) -> None:
        for index, delay in enumerate(wait.delays):
            position = delay.purpose.removeprefix("wait")
            self._delay(delay, int(position) if position else index, wait.span)
        register, rate, name, said = -1, 0.0, None, None
        if isinstance(wait.rate, str):
            name = f"#rate{state.number}"
            self.frame.types[name] = Type("float")  # type: ignore[index]
            register = self.frame.register(name)
            type_ = self.flow.types[wait.rate]
            source = Operand(self.frame.register(wait.rate), None, type_)
            plain = type_ in (Type("int"), Type("float"))
            said = wait.rate if plain else None
            if not plain or recast(source, Type("float"), self.frame, self._never(), register) is None:
                serve = escapes.rate(name, wait.rate, wait.span)
                self._python(serve, "rate", "is no plain number", wait.span)
        else:
            rate = float(wait.rate)
        serve = escapes.wrong_wait(said or name, wait.span)
        trouble = self._trouble(serve, "AddDecay", wait.span, self._never())
        self.waits[state.number] = len(self.code.words)
        self.code.put(
            layout.O_WAIT_END,
            register,
            bits_of(rate),
            wait.span.line,
            state.number,
            self.labels[wait.next],
            trouble,
        )

    def _delay(self, delay: Delay, position: int, span: Span) -> None:
        put = self.code.put
        if delay.kind is None and delay.local is None:
            if delay.constant:
                put(layout.O_WAIT, delay.constant)
            return
        name = f"#wait{len(self.frame.numbers)}"
        micros = self.frame.register(name)
        self.frame.types[name] = Type("int")  # type: ignore[index]
        if delay.local is not None:
            serve = escapes.length(name, delay.local, delay.unit, position, span)
            type_ = self.flow.types[delay.local]
            if type_ in (Type("int"), Type("float")):
                following, ready = Label(), Label()
                trouble = self._trouble(serve, "AddDecay", span, ready)
                opcode = layout.O_WAIT_INT if type_.kind == "int" else layout.O_WAIT_FLOAT
                put(opcode, self.frame.register(delay.local), delay.unit, trouble)
                put(layout.O_GOTO, following)
                self._here(ready)
                put(layout.O_WAIT_MICROS, micros)
                self._here(following)
                return
            self._python(serve, "AddDecay", "waits for what is no plain number", span)
            put(layout.O_WAIT_MICROS, micros)
            return
        assert delay.kind is not None
        serve = escapes.drawn_length(name, delay, position, span)
        registers = self._parameters(delay)
        if registers is None:
            self._python(serve, "AddDecay", "draws by parameters of the flow", span)
            put(layout.O_WAIT_MICROS, micros)
            return
        table, most = 0, 0.0
        if delay.kind in ("choice", "poisson", "zipf"):
            made = table_of(delay.kind, delay.params, delay.unit)
            self.tables.append(made)
            table = made.ctypes.data
        if delay.given:
            most = {"lognormal": np.log, "gamma": np.sqrt}.get(delay.kind, float)(LATEST / delay.unit)
        following, ready = Label(), Label()
        trouble = self._trouble(serve, "AddDecay", span, ready)
        key = signed(self.draws.key("wait", position))
        number = KINDS.index(delay.kind)
        put(layout.O_WAIT_DRAW, key, number, *registers, delay.unit, table, bits_of(float(most)), trouble)
        put(layout.O_GOTO, following)
        self._here(ready)
        put(layout.O_WAIT_MICROS, micros)
        self._here(following)

    def _parameters(self, delay: Delay) -> list[Register] | None:
        """Registers of the two parameters of a distribution, as floats; None: Python draws."""
        zero = self.code.constant(bits_of(0.0))
        if delay.kind in ("choice", "poisson", "zipf"):
            return None if delay.given else [zero, zero]
        given = dict(delay.given)
        out: list[Register] = []
        for at, value in enumerate(delay.params):
            if at not in given:
                out.append(self.code.constant(bits_of(float(value))))
                continue
            type_ = self.flow.types[given[at]]
            if type_ not in (Type("int"), Type("float")):
                return None
            operand = Operand(self.frame.register(given[at]), None, type_)
            made = recast(operand, Type("float"), self.frame, self._never())
            if made is None:
                return None
            out.append(made.register)
        return out + [zero] * (2 - len(out))

    def _pick(self, state: State, pick: Pick) -> None:
        put = self.code.put
        entity = self.plan.entities[pick.entity]
        wrong = [
            condition
            for condition in pick.dynamic
            if may_be_wrong(entity.spec, condition[0], self.flow.types[condition[2]])
        ]
        if wrong:
            serve = escapes.judge(entity, wrong, pick.span)
            self._python(serve, "Select", "values that only the run can judge", pick.span)
        key = entity.spec.primary_key
        following = self.labels[pick.next]
        if not pick.dynamic:
            put(layout.O_PICK, pick.filter, -1, following)
            return
        by_key = [c for c in pick.dynamic if c[:2] == (key, "is") and key not in self.world.entities[pick.entity].states]
        filter_ = self.plan.filters[pick.filter]
        local = by_key[0][2] if by_key else ""
        plain = len(pick.dynamic) == 1 and filter_.weight is None and bool(by_key)
        if plain and self.flow.types[local].kind == "str" and not self.flow.types[local].optional:
            name = f"#key{state.number}"
            self.frame.types[name] = Type("entity", False, pick.entity)  # type: ignore[index]
            ready = Label()
            serve = escapes.key_number(name, pick.entity, local)
            trouble = self._trouble(serve, "Select", pick.span, ready)
            put(layout.O_KEY_NUMBER, self.frame.register(name), self.frame.register(local), self._type(pick.entity), trouble)
            self._here(ready)
            put(layout.O_PICK, pick.filter, self.frame.register(name), following)
            return
        what = f"selection of {pick.entity} by values of the flow: looked for one by one"
        self.forms.python.append((self.flow.name, pick.span, what))
        put(layout.O_PICK_OWN, pick.filter, following, state.number)

    def _save(self, save: Save) -> None:
        emit, entity = save.emit, self.plan.entities[save.entity]
        rows = self.world.entities[save.entity]
        self._check_emit(emit, save.entity)
        self.code.put(layout.O_SAVE, rows.number)
        site = self.plan.sites[emit.site]
        if entity.key_mode == "stored":
            local = dict(emit.values)[entity.spec.primary_key]
            serve = escapes.store_key(entity, site, local, save.span)
            self._python(serve, f"the key of {save.entity}", "is checked against all others", save.span, in_turn=True)
        self._state_of(save, rows.number)
        self._emit(emit, save.entity)
        self._changes(emit.changes, is_event=True, own=save.entity)
        self.code.put(layout.O_BIRTH, rows.number, emit.site)
        self.code.put(layout.O_GOTO, self.labels[save.next])

    def _state_of(self, save: Save, number: int) -> None:
        """The state that a new entity begins with."""
        entity, given, held = self.plan.entities[save.entity], dict(save.emit.values), dict(save.emit.keys)
        rows = self.world.entities[save.entity]
        own_defaults = []
        for column in entity.columns:
            if column.lazy:
                continue
            state = rows.states[column.name]
            spec = entity.spec.by_name[column.name]
            if column.from_field is None:
                if column.type.kind == "object" or spec.default_factory is not None:
                    own_defaults.append(column)
                continue
            source = given.get(column.from_field)
            key_of = None if source is not None else held.get(column.from_field)
            if source is None and key_of is None and column.from_field == entity.spec.primary_key:
                key_of = save.entity
            if not self._copied_natively(save, number, column, state, source, key_of):
                name = f"#{save.entity}.{column.name}"
                self.frame.types[name] = column.type  # type: ignore[index]
                serve = escapes.copy_state(name, entity, column, source, key_of, save.span)
                self._python(serve, f"{save.entity}.{column.name}", "is copied in another form", save.span)
                self._begin_state(number, state, self.frame.register(name), self.frame.null(name))
        if own_defaults:
            names = {column.name: f"#{save.entity}.{column.name}" for column in own_defaults}
            for column in own_defaults:
                self.frame.types[names[column.name]] = column.type  # type: ignore[index]
            serve = escapes.defaults(names.__getitem__, entity, own_defaults)
            self._python(serve, save.entity, "has defaults of its own", save.span)
            for column in own_defaults:
                name = names[column.name]
                state = rows.states[column.name]
                self._begin_state(number, state, self.frame.register(name), self.frame.null(name))

    def _begin_state(self, number: int, state: StateWords, register: Register, null: Register | None) -> None:
        mask: Register = -1 if null is None else null
        self.code.put(layout.O_BIRTH_STATE, number, state.live, state.null, register, mask)
        if state.start >= 0:
            self.code.put(layout.O_BIRTH_STATE, number, state.start, state.start_null, register, mask)

    def _copied_natively(
        self,
        save: Save,
        number: int,
        column: StateColumn,
        state: StateWords,
        source: str | None,
        key_of: str | None,
    ) -> bool:
        entity = self.plan.entities[save.entity]
        spec, event = entity.spec.by_name[column.name], entity.spec.source_event
        assert event is not None
        if key_of is not None:
            if not self._alike(save, column) or spec.literal is not None or column.type.kind != "str":
                return False
            if key_of == save.entity:
                tag = self._key_tag(key_of)
                for at in (state.live, state.start):
                    if at >= 0:
                        self.code.put(layout.O_BIRTH_TEXT, number, at, tag)
            else:
                for at in (state.live, state.start):
                    if at >= 0:
                        self.code.put(layout.O_BIRTH_KEY, number, at, self._type(key_of))
            for at in (state.null, state.start_null):
                if at >= 0:
                    zero = self.code.constant(0)
                    self.code.put(layout.O_BIRTH_STATE, number, at, -1, zero, -1)
            return True
        if source is None:
            return False
        have = self.flow.types[source]
        if not self._as_it_is(save, column, source):
            return False
        if source in self.unsaid:
            tag = self.words.generated_field(save.entity, event.name, str(column.from_field))
            if have.optional:
                return False
            for at in (state.live, state.start):
                if at >= 0:
                    self.code.put(layout.O_BIRTH_TEXT, number, at, tag)
            for at in (state.null, state.start_null):
                if at >= 0:
                    self.code.put(layout.O_BIRTH_STATE, number, at, -1, self.code.constant(0), -1)
            return True
        self._begin_state(number, state, self.frame.register(source), self.frame.null(source))
        return True

    def _key_tag(self, entity: str) -> int:
        from deep_faker.engine.native.words import FIRST, SHIFT

        return FIRST + 2 * self._type(entity) << SHIFT


def _is_name(expr: Expr) -> bool:
    return expr.text.strip() in expr.names


def _column(name: str, type_: Type, register: Register, null: Register | None, words: list[Register]) -> Column:
    words.append(register)
    place = len(words) - 1
    if null is not None:
        words.append(null)
    return Column(name, type_, place, -1 if null is None else len(words) - 1)
