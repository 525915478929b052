"""Events, changes and births as instructions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from deep_faker.declare.schema import Rejection, state_value
from deep_faker.expressions import row_function
from deep_faker.plan import (
    Change,
    Emit,
    Let,
    Save,
    StateColumn,
    Type,
)
from deep_faker.plan.rates import On
from deep_faker.simulate.columns.changes import value_type
from deep_faker.simulate.columns.recording import SiteLog
from deep_faker.simulate.native import escapes, layout
from deep_faker.simulate.native.change_kinds import BY_PYTHON, is_picky, kind_of_change
from deep_faker.simulate.native.layout import BY_EVENT, K_IS, LOGGED, WATCHED
from deep_faker.simulate.native.lower.assembler import Label, Register, bits_of, signed
from deep_faker.simulate.native.lower.expressions import Operand, recast
from deep_faker.simulate.native.lower.values import Values
from deep_faker.simulate.native.lower.writer import Column, SiteWords
from deep_faker.simulate.native.rows import StateWords
from deep_faker.simulate.native.wait_tables import BY_PARAMETERS, KINDS, table_of
from deep_faker.simulate.native.words import FIRST, SHIFT
from deep_faker.spans import Span

_NUMERIC = ("int", "float", "datetime", "date", "timedelta")


class Events(Values):
    """Writes events, changes and births."""

    def _check_changes(self, changes: Sequence[Change], span: Span, born: str | None) -> None:
        for entity in dict.fromkeys(change.entity for change in changes if change.entity != born):
            self.code.put(layout.O_NEED_TRIED, self._type(entity), span.line)

    def _check_emit(self, emit: Emit, born: str | None) -> None:
        for entity in dict.fromkeys(entity for _, entity in emit.keys):
            self.code.put(layout.O_NEED_KEY, self._type(entity), emit.span.line)
        self._check_changes(emit.changes, emit.span, born)

    def _emit(self, emit: Emit, born: str | None) -> None:
        site = self.plan.sites[emit.site]
        log = SiteLog(site, self.plan)
        values, held = dict(emit.values), dict(emit.keys)
        words: list[Register] = []
        columns = [self._value(values[name], site.bound[name], name, words, emit.span) for name in log.values]
        keys = {name: len(words) + position for position, name in enumerate(log.keys)}
        entities = [self._type(held[name]) if name in held else -1 for name in log.keys]
        self.code.put(layout.O_EMIT, emit.site, len(words), len(entities), *words, *entities)
        width = len(words) + len(entities)
        self.sites[emit.site] = SiteWords(site, width, tuple(columns), log.nulls, keys)
        for started in self.plan.flows:
            if started.on is not None and started.on.event == site.event:
                self._trigger(started.number, started.name, started.on, values, born, emit.span)

    def _note_rates(self, entity: str, fields: Sequence[str]) -> None:
        """Rates that follow from these fields of what the flow has are looked at before the next step."""
        width = max([1, *(flow.on.width for flow in self.plan.flows if flow.on is not None)])
        none = self.code.constant(-1)
        for flow in self.plan.flows:
            rate = flow.by_state
            if rate is not None and rate.entity == entity and set(fields) & set(rate.fields):
                words: list[Register] = [self._type(entity), none]
                words += [-1, none] * (width - 1)
                # a wait that nobody can draw is due at once
                self.code.put(layout.O_TRIGGER, 0, -1, none, none, 1, 0, 0, 0, flow.number, -1, *words)

    def _trigger(
        self, number: int, name: str, on: On, values: Mapping[str, str], born: str | None, span: Span
    ) -> None:
        """The event starts a flow, with the entities that this one has now."""
        zero = bits_of(0.0)
        parameters, table = [zero, zero], 0
        if on.kind in BY_PARAMETERS:
            given = [bits_of(float(value)) for value in on.params]
            parameters = [*given, zero, zero][:2]
        elif on.kind in KINDS:
            sums = table_of(on.kind, on.params, 1_000_000)
            self.tables.append(sums)
            table = sums.ctypes.data
        kind = KINDS.index(on.kind) if on.kind in KINDS else -1  # Python is asked in the next step
        registers: list[Register] = []
        for field, type_ in on.fields:
            if field not in values:
                default = self.plan.events[on.event].by_name[field].default
                words_of = self.words.word_of(default, type_)
                registers += [self.code.constant(word) for word in words_of[: 1 + type_.optional]]
                continue
            before = len(registers)
            self._value(values[field], type_, field, registers, span)
            if type_.optional and len(registers) - before == 1:
                registers.append(self.code.constant(0))
        width = max(flow.on.width for flow in self.plan.flows if flow.on is not None)
        none = self.code.constant(-1)
        words: list[Register] = []
        for entity in on.entities:
            words += [self._type(entity), none]
        for register in registers:
            words += [-1, register]
        words += [-1, none] * (max(width, 1) - on.width)
        self.code.put(
            layout.O_TRIGGER,
            signed(self.draws.key("after", name)),
            kind,
            *map(self.code.constant, parameters),
            1_000_000,
            table,
            zero,
            0,
            number,
            -1 if born is None else self._type(born),
            *words,
        )

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
            converted = f"#{name}{len(self.frame.numbers)}"
            self.frame.types[converted] = want
            register, mask = self.frame.register(converted), self.frame.null(converted)
            before, known = len(self.stubs), len(self.escapes)
            serve = escapes.conversion(converted, local, want)
            trouble = self._trouble(serve, name, span, following)
            if recast(Operand(source, null, have), want, self.frame, trouble, register, mask) is None:
                del self.stubs[before:], self.escapes[known:]
                self._python(serve, name, "is of another type", span)
            self._here(following)
            source, null = register, mask
        return _column(name, want, source, null, words)

    def _changes(self, changes: Sequence[Change], *, is_event: bool, born: str | None) -> None:
        for entity in dict.fromkeys(change.entity for change in changes):
            mine = [change for change in changes if change.entity == entity]
            for order, change in enumerate(mine):
                self._change(change, order, is_event=is_event, is_born=entity == born)
            rows = self.world.entities[entity]
            if entity != born:
                self._note_rates(entity, [change.field for change in mine])
            if self.plan.settings.history and rows.log < 0 and entity != born:
                self.code.put(layout.O_VERSION, rows.number, int(is_event))

    def _change(self, change: Change, order: int, *, is_event: bool, is_born: bool) -> None:
        """One change: by the kernel where it knows how, else by Python."""
        state = self.world.entities[change.entity].states[change.field]
        put = self._change_writer(change, state, order, is_event=is_event, is_born=is_born)
        name = escapes.change_register(change)
        self.frame.types[name] = state.type
        result = Operand(self.frame.register(name), self.frame.null(name), state.type)
        by_python = escapes.change_by_python(change, state, is_born=is_born)
        label = f"{change.entity}.{change.field}"
        kind, operand, ready = self._kind(change, state), None, Label()
        if kind is not None:
            trouble = self._trouble(by_python, label, change.span, ready)
            operand = self._taken(change, state, trouble)
            if operand is None:
                self.stubs.pop()
                self.escapes.pop()
        if operand is not None and kind is not None:
            put(kind, operand, trouble)
            following = Label()
            tried = self._was_used(trouble)
            if tried:
                self.code.put(layout.O_GOTO, following)
            self._here(ready)
            if tried:
                put(K_IS, result, self._never())
                self._here(following)
        elif state.logged:
            noted = f"{name}:given"
            self.frame.types[noted] = Type("object")
            by_python = escapes.change_by_python(change, state, is_born=is_born, noted=noted)
            self._python(by_python, label, "only Python can change it", change.span)
            value = Operand(self.frame.register(noted), result.null, Type("object"))
            put(BY_PYTHON[change.op], value, result.register)
        else:
            self._python(by_python, label, "only Python can change it", change.span)
            put(K_IS, result, self._never())

    def _change_writer(
        self, change: Change, state: StateWords, order: int, *, is_event: bool, is_born: bool
    ) -> Callable[[int, Operand, Label | Register], None]:
        """What writes a change's instruction: by which kind, of which value, and where its trouble goes."""
        self.wheres.append((self.flow, change.span))
        flags = (LOGGED * state.logged) | (BY_EVENT * is_event)
        key = (change.entity, change.field)
        flags |= WATCHED * (key in self.world.watched or key in self.world.weights)
        of = self.world.entities[change.entity].number, int(is_born)
        places = state.live, state.null, state.start, state.start_null
        tail = flags, order, len(self.wheres) - 1

        def put(kind: int, value: Operand, trouble: Label | Register) -> None:
            null = -1 if value.null is None else value.null
            self.code.put(layout.O_CHANGE, *of, *places, kind, value.register, null, *tail, trouble)

        return put

    def _kind(self, change: Change, state: StateWords) -> int | None:
        """How the kernel makes a change, None: only Python can."""
        spec = self.plan.entities[change.entity].spec.by_name[change.field]
        kind = state.type.kind
        if change.op == "is":
            return None if kind == "object" or (is_picky(spec) and not self._all_fit(change, state)) else K_IS
        return kind_of_change(spec, kind, change.op)

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

    def _constants_of(self, local: str) -> list[object] | None:
        """The constants that a local is set to, None where it is set to anything else."""
        constants = []
        for operation in self._operations():
            if getattr(operation, "target", None) == local:
                if not isinstance(operation, Let) or operation.expr.names:
                    return None
                try:
                    constants.append(row_function(operation.expr)())
                except Exception:  # noqa: BLE001 - the run will tell
                    return None
        return constants or None

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

    def _save(self, save: Save) -> None:
        emit, entity = save.emit, self.plan.entities[save.entity]
        rows = self.world.entities[save.entity]
        self._check_emit(emit, save.entity)
        self.code.put(layout.O_SAVE, rows.number)
        site = self.plan.sites[emit.site]
        if entity.key_mode == "stored":
            local = dict(emit.values)[entity.spec.primary_key]
            serve = escapes.store_key(entity, site, local, save.span)
            self._python(
                serve, f"the key of {save.entity}", "is checked against all others", save.span, in_turn=True
            )
        self._state_of(save, rows.number)
        self._emit(emit, save.entity)
        self._changes(emit.changes, is_event=True, born=save.entity)
        self.code.put(layout.O_BIRTH, rows.number, emit.site)
        self.code.put(layout.O_GOTO, self.labels[save.next])

    def _state_of(self, save: Save, number: int) -> None:
        """The state that a new entity begins with."""
        entity, values, held = self.plan.entities[save.entity], dict(save.emit.values), dict(save.emit.keys)
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
            source = values.get(column.from_field)
            key_of = None if source is not None else held.get(column.from_field)
            if source is None and key_of is None and column.from_field == entity.spec.primary_key:
                key_of = save.entity
            if not self._copied_natively(save, number, column, state, source, key_of):
                name = f"#{save.entity}.{column.name}"
                self.frame.types[name] = column.type
                serve = escapes.copy_state(name, entity, column, source, key_of, save.span)
                self._python(serve, f"{save.entity}.{column.name}", "is copied in another form", save.span)
                self._begin_state(number, state, self.frame.register(name), self.frame.null(name))
        if own_defaults:
            names = {column.name: f"#{save.entity}.{column.name}" for column in own_defaults}
            for column in own_defaults:
                self.frame.types[names[column.name]] = column.type
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

    def _begin_text(self, number: int, state: StateWords, opcode: int, operand: int) -> None:
        """State that begins as the word of a key or of a generated text, which is never None."""
        for place in state.values:
            self.code.put(opcode, number, place, operand)
        for place in state.masks:
            self.code.put(layout.O_BIRTH_STATE, number, place, -1, self.code.constant(0), -1)

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
                self._begin_text(number, state, layout.O_BIRTH_TEXT, self._key_tag(key_of))
            else:
                self._begin_text(number, state, layout.O_BIRTH_KEY, self._type(key_of))
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
            self._begin_text(number, state, layout.O_BIRTH_TEXT, tag)
            return True
        self._begin_state(number, state, self.frame.register(source), self.frame.null(source))
        return True

    def _key_tag(self, entity: str) -> int:
        return FIRST + 2 * self._type(entity) << SHIFT


def _column(
    name: str, type_: Type, register: Register, null: Register | None, words: list[Register]
) -> Column:
    words.append(register)
    place = len(words) - 1
    if null is not None:
        words.append(null)
    return Column(name, type_, place, -1 if null is None else len(words) - 1)
