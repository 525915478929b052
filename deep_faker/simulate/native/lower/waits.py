"""Waits and selections as instructions."""

from __future__ import annotations

import math

from deep_faker.draws.distributions.registry import FAMILIES
from deep_faker.plan import (
    Delay,
    Pick,
    State,
    Type,
    Wait,
)
from deep_faker.plan.recipes import NoRecipeError, Steps
from deep_faker.simulate.computed import may_be_wrong
from deep_faker.simulate.native import escapes, layout, wait_escapes
from deep_faker.simulate.native.escapes import Serve
from deep_faker.simulate.native.lower.assembler import Label, Register, bits_of, signed
from deep_faker.simulate.native.lower.events import Events
from deep_faker.simulate.native.lower.expressions import Operand, recast
from deep_faker.simulate.native.lower.recipe_words import write_recipe
from deep_faker.simulate.native.wait_tables import BY_PARAMETERS, KINDS, table_of
from deep_faker.spans import Span
from deep_faker.times import LATEST


class Waits(Events):
    """Writes waits and selections."""

    def _wait(self, state: State, wait: Wait) -> None:
        for index, delay in enumerate(wait.delays):
            position = delay.purpose.removeprefix("wait")
            self._delay(wait, delay, int(position) if position else index)
        register, rate, name, said = -1, 0.0, None, None
        if isinstance(wait.rate, str):
            name = f"#rate{state.number}"
            self.frame.types[name] = Type("float")
            register = self.frame.register(name)
            type_ = self.flow.types[wait.rate]
            source = Operand(self.frame.register(wait.rate), None, type_)
            plain = type_ in (Type("int"), Type("float"))
            said = wait.rate if plain else None
            if not plain or recast(source, Type("float"), self.frame, self._never(), register) is None:
                serve = wait_escapes.rate(name, wait.rate, wait.span)
                self._python(serve, "rate", "is no plain number", wait.span)
        else:
            rate = float(wait.rate)
        serve = wait_escapes.wrong_wait(said or name, wait.span)
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
            int(wait.queue),
        )

    def _delay(self, wait: Wait, delay: Delay, position: int) -> None:
        put, span = self.code.put, wait.span
        if delay.kind is None and delay.local is None:
            if delay.constant:
                put(layout.O_WAIT, delay.constant)
            return
        name = f"#wait{len(self.frame.numbers)}"
        micros = self.frame.register(name)
        self.frame.types[name] = Type("int")
        if delay.local is not None:
            serve = wait_escapes.length(name, delay.local, delay.unit, position, span)
            serve = wait_escapes.in_order(wait, serve)
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
        serve = wait_escapes.in_order(wait, wait_escapes.drawn_length(name, delay, position, span))
        if FAMILIES[delay.kind].native == "steps":
            self._by_steps(delay, micros, position, serve, span)
            return
        registers = self._parameters(delay)
        if registers is None:
            self._python(serve, "AddDecay", "draws by parameters of the flow", span)
            put(layout.O_WAIT_MICROS, micros)
            return
        table, most = 0, 0.0
        if delay.kind not in BY_PARAMETERS:
            words = table_of(delay.kind, delay.params, delay.unit)
            self.tables.append(words)
            table = words.ctypes.data
        if delay.given:
            most = FAMILIES[delay.kind].longest(LATEST / delay.unit)
        following, ready = Label(), Label()
        trouble = self._trouble(serve, "AddDecay", span, ready)
        key = signed(self.draws.key("wait", position))
        number = KINDS.index(delay.kind)
        put(layout.O_WAIT_DRAW, key, number, *registers, delay.unit, table, bits_of(float(most)), trouble)
        put(layout.O_GOTO, following)
        self._here(ready)
        put(layout.O_WAIT_MICROS, micros)
        self._here(following)

    def _by_steps(self, delay: Delay, micros: Register, position: int, serve: Serve, span: Span) -> None:
        """A wait of a distribution that is made of others: its value in steps, and that is waited."""
        write, steps = FAMILIES[str(delay.kind)].recipe, Steps()
        word = None
        try:
            if write is not None:
                word = write(steps.mix(self.draws.key("wait", position)), *delay.params)
                word = word and word.clipped(0, math.inf)
        except NoRecipeError:
            word = None
        if word is None:
            self._python(serve, "AddDecay", "draws until a value fits", span)
            self.code.put(layout.O_WAIT_MICROS, micros)
            return
        register, following, ready = self.frame.temporary(), Label(), Label()
        recipe = steps.recipe(Type(word.kind), word)
        write_recipe(recipe, self.frame, self.words, self.tables, register, None)
        trouble = self._trouble(serve, "AddDecay", span, ready)
        opcode = layout.O_WAIT_INT if word.kind == "int" else layout.O_WAIT_FLOAT
        self.code.put(opcode, register, delay.unit, trouble)
        self.code.put(layout.O_GOTO, following)
        self._here(ready)
        self.code.put(layout.O_WAIT_MICROS, micros)
        self._here(following)

    def _parameters(self, delay: Delay) -> list[Register] | None:
        """Registers of the two parameters of a distribution, as floats; None: Python draws."""
        zero = self.code.constant(bits_of(0.0))
        if delay.kind not in BY_PARAMETERS:
            return None if delay.given else [zero, zero]
        locals_of = dict(delay.given)
        out: list[Register] = []
        for position, value in enumerate(delay.params):
            if position not in locals_of:
                out.append(self.code.constant(bits_of(float(value))))
                continue
            type_ = self.flow.types[locals_of[position]]
            if type_ not in (Type("int"), Type("float")):
                return None
            operand = Operand(self.frame.register(locals_of[position]), None, type_)
            as_float = recast(operand, Type("float"), self.frame, self._never())
            if as_float is None:
                return None
            out.append(as_float.register)
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
            serve = wait_escapes.judge(entity, wrong, pick.span)
            self._python(serve, "Select", "values that only the run can judge", pick.span)
        key = entity.spec.primary_key
        following = self.labels[pick.next]
        since = -1 if pick.since is None else self.frame.register(pick.since)
        if pick.apart:
            others = [self.frame.register(name) for name in pick.apart]
            put(layout.O_PICK_APART, pick.filter, following, len(others), *others)
            return
        if not pick.dynamic:
            put(layout.O_PICK, pick.filter, -1, following, since)
            return
        by_key = [
            c
            for c in pick.dynamic
            if c[:2] == (key, "is") and key not in self.world.entities[pick.entity].states
        ]
        filter_ = self.plan.filters[pick.filter]
        local = by_key[0][2] if by_key else ""
        plain = len(pick.dynamic) == 1 and filter_.weight is None and bool(by_key)
        if plain and self.flow.types[local].kind == "str" and not self.flow.types[local].optional:
            name = f"#key{state.number}"
            self.frame.types[name] = Type("entity", False, pick.entity)
            ready = Label()
            serve = escapes.key_number(name, pick.entity, local)
            trouble = self._trouble(serve, "Select", pick.span, ready)
            put(
                layout.O_KEY_NUMBER,
                self.frame.register(name),
                self.frame.register(local),
                self._type(pick.entity),
                trouble,
            )
            self._here(ready)
            put(layout.O_PICK, pick.filter, self.frame.register(name), following, since)
            return
        what = f"selection of {pick.entity} by values of the flow: looked for one by one"
        self.forms.python.append((self.flow.name, pick.span, what))
        put(layout.O_PICK_OWN, pick.filter, following, state.number, since)
