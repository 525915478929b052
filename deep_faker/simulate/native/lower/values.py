"""Values of a flow as instructions: expressions, draws, generated values, and what is read of entities."""

from __future__ import annotations

from typing import Any

from deep_faker.declare.schema import shown_field
from deep_faker.draws.distributions.drawn import recipe_of, shown_function
from deep_faker.expressions.rows import row_function
from deep_faker.plan import (
    Draw,
    Expr,
    Let,
    Read,
    Type,
)
from deep_faker.plan.recipes import NoRecipeError, Steps
from deep_faker.simulate.native import escapes, layout
from deep_faker.simulate.native.lower.assembler import Label, Register, bits_of
from deep_faker.simulate.native.lower.expressions import Operand, lower, recast
from deep_faker.simulate.native.lower.recipe_words import write_recipe
from deep_faker.simulate.native.lower.writer import FlowWriter
from deep_faker.simulate.native.rows import StateWords
from deep_faker.spans import Span

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
    "word": layout.BITS,
}


class Values(FlowWriter):
    """Writes values."""

    def _note_later(self, target: str, span: Span | None) -> None:
        fields = [
            shown_field(self.plan.sites[emit.site].event, name) for emit, name in self._emitted()[target]
        ]
        self.forms.value_later(self.flow.name, span, ", ".join(dict.fromkeys(fields)))

    def _defer(self, target: str, expr: Expr) -> None:
        """Keep what a text is made of, which may change before the event."""
        for name in dict.fromkeys(expr.names):
            register, null = self._operand_registers(target, name)
            self.code.put(layout.O_MOVE, register, self.frame.register(name))
            if null is not None:
                mask = self.frame.null(name)
                assert mask is not None
                self.code.put(layout.O_MOVE, null, mask)

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
            self._python(escapes.early(target, event, name), shown_field(event, name), "is generated", span)
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
        if draw.function in ("variate", "count", "place") and self._drawn_by_steps(draw):
            return
        trouble = self._trouble(escape, shown_function(draw.function), draw.span, following)
        if not self._native_draw(draw, trouble):
            del self.stubs[before:], self.escapes[known:]
            serve = escapes.draw(draw, counted=False)
            self._python(serve, shown_function(draw.function), "has no form by numbers", draw.span)
        self._here(following)

    def _drawn_by_steps(self, draw: Draw) -> bool:
        """``ctx.draw`` of a distribution that never changes, if it has a recipe."""
        distribution: Any = row_function(draw.args[0])()
        steps = Steps()
        try:
            word = recipe_of(steps.given(), distribution)
        except NoRecipeError:
            word = None
        if word is None:
            return False
        type_ = Type("float" if word.kind == "float" else "int")
        recipe, whole = steps.recipe(type_, word), self.frame.temporary()
        zero = self.code.constant(0)
        self.code.put(layout.O_DRAW, layout.WHOLE_DRAW, whole, zero, zero, zero, self._never())

        def write(register: Register) -> None:
            write_recipe(recipe, self.frame, self.words, self.tables, register, None, whole)

        self._assign(draw.target, write, type_)
        return True

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
            if (
                operand is None
                or operand.null is not None
                or operand.type.kind not in ("int", "float", "bool")
            ):
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
            self.stubs.append(
                (early, self._escape(serve, shown_function(draw.function), "", draw.span), after)
            )
            self._here(after)
        return True

    def _function(
        self, name: str, operands: list[Operand], want: Type, trouble: Label
    ) -> tuple[int | None, list[Register]]:
        whole = all(o.type.kind in ("int", "bool") for o in operands)
        registers = [o.register for o in operands]
        if name in _INT_DRAWS:
            if name == "word":
                registers = [self.code.constant(63)]
            if not whole or want.kind != "int" or not registers:
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
            as_float = recast(operand, Type("float"), self.frame, trouble)
            if as_float is None:
                return None, []
            floats.append(as_float.register)
        floats += [self.code.constant(bits_of(x)) for x in standard[len(floats) :]]
        return function, floats

    def _read(self, read: Read) -> None:
        if read.field is None:
            self._read_key(read)
            return
        state, want = self.world.entities[read.entity].states[read.field], self.flow.types[read.target]
        if want.kind == state.type.kind and want.optional == state.type.optional:
            self._read_state(read, state, read.target)
        else:
            name = f"#as{len(self.frame.numbers)}"
            self.frame.types[name] = state.type
            self._read_state(read, state, name)
            self._convert(read.target, name, state.type, read.span)

    def _read_key(self, read: Read) -> None:
        if self.flow.types[read.target].kind != "str":
            serve = escapes.read_key(read.target, read.entity, read.handle)
            self._python(serve, f"the key of {read.entity}", "is no text", read.span)
            return
        handle, number = self.frame.register(read.handle), self.world.entities[read.entity].number
        self._assign(
            read.target,
            lambda register: self.code.put(layout.O_KEY_WORD, register, handle, number),
            Type("str"),
        )

    def _read_state(self, read: Read, state: StateWords, name: str) -> None:
        """A state field in the flow's view, into the register of a name."""
        number, handle = self.world.entities[read.entity].number, self.frame.register(read.handle)
        register, null = self.frame.register(name), self.frame.null(name)
        head = register, -1 if null is None else null, handle, number, state.live, state.null
        if state.start < 0 or read.current:
            self.code.put(layout.O_READ, *head)
            return
        following = Label()
        serve = escapes.own_view(name, read.entity, read.handle, state)
        trouble = self._trouble(serve, f"{read.entity}.{read.field}", read.span, following)
        self.code.put(layout.O_VIEW, *head, state.start, state.start_null, int(state.logged), trouble)
        self._here(following)
