"""What the kernel leaves to Python: for all flows of a wave that stand at one place, in one call.

Each function here makes the Python half of an ``O_ESCAPE``: it reads registers of flows and writes others.
What it raises is one flow's failure; see `serving`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, Protocol

import numpy as np

from deep_faker.declare.schema import check_state_value, start_value
from deep_faker.draws.distributions.drawn import FUNCTIONS
from deep_faker.draws.mix import mix
from deep_faker.expressions import row_function
from deep_faker.expressions.rows import ByRow
from deep_faker.plan import (
    Array,
    Change,
    Draw,
    EntityPlan,
    Expr,
    FieldDraws,
    FlowTable,
    Plan,
    Site,
    StateColumn,
    Type,
)
from deep_faker.plan.storage import from_python, to_python
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.columns.changes import one_change, recast
from deep_faker.simulate.event_data import copied
from deep_faker.simulate.failures import ATTEMPTS, check_bits, not_held, spinning, stalled, taken
from deep_faker.simulate.native.change_kinds import OPERATOR_OF, taken_type
from deep_faker.simulate.native.layout import E_HOLDER
from deep_faker.simulate.native.lower.assembler import Frame
from deep_faker.simulate.native.rows import StateWords
from deep_faker.simulate.native.texts import Words

if TYPE_CHECKING:
    from deep_faker.spans import Span


class World(Protocol):
    """What an escape may ask of the run."""

    plan: Plan
    fields: FieldDraws
    words: Words

    def key(self, *purpose: str | int) -> int: ...

    def find_key(self, entity: str, key: object) -> int: ...

    def claim_keys(self, entity: str, keys: dict[object, int]) -> None:
        """New keys, and the numbers of those that have them."""
        ...

    def state(self, entity: str, words: tuple[int, int], number: int) -> tuple[int, int]:
        """Two words of an entity (the second 0 where its place is -1)."""
        ...

    def own_changes(self, slot: int, entity: str, number: int, live: int) -> list[tuple[int, int, int]]:
        """(kind, word, null) of a flow's own changes of a field in this step, first to last."""
        ...


@dataclass
class Batch:
    """Flows of one table at one place: ``registers`` has a row for each, written in place.

    ``clock``, ``action`` and ``draws`` are theirs; ``draws`` may be counted on. ``held`` and ``born`` are
    entity numbers. ``wait``: microseconds that the delays of a wait have come to so far.
    """

    world: World
    flow: FlowTable
    frame: Frame
    registers: I64
    slots: I64
    number: Array
    clock: I64
    action: I64
    draws: I64
    wait: I64
    born: I64
    held: dict[str, I64]

    def __len__(self) -> int:
        return len(self.slots)

    def column(self, name: str) -> tuple[Array, Array | None]:
        """A local in its storage, and its mask."""
        return self.stored(name, self.flow.types[name])

    def stored(self, name: str, type_: Type) -> tuple[Array, Array | None]:
        """A register by name, of type ``type_``, in its storage; and its mask."""
        nulls = self.registers[:, self.frame.register(f"{name}__null")] if type_.optional else None
        words = np.ascontiguousarray(self.registers[:, self.frame.register(name)])
        return self.world.words.storage(words, nulls, type_)

    def python(self, name: str) -> list[object]:
        """A local as Python values."""
        return to_python(*self.column(name), self.flow.types[name], self.world.plan.texts)

    def put(self, name: str, values: Array, nulls: Array | None, have: Type) -> None:
        """Write a local, given in the storage of type ``have``."""
        want = self.flow.types[name]
        self.put_as(name, want, *recast(values, nulls, have, want, self.world.plan.texts))

    def put_as(
        self, name: str, type_: Type, values: Array, nulls: Array | None, rows: I64 | slice = slice(None)
    ) -> None:
        """Write a register by name, with values in the storage of ``type_``; ``rows``: of these flows."""
        words, mask = self.world.words.words(values, nulls, type_)
        self.registers[rows, self.frame.register(name)] = words
        if type_.optional:
            self.registers[rows, self.frame.register(f"{name}__null")] = 0 if mask is None else mask

    def evaluate(self, expr: Expr) -> tuple[Array, Array | None]:
        """An expression by Python's own evaluation, in the storage of its type."""
        types = [self.flow.types[name] for name in expr.names]
        by_row = ByRow(expr, types, self.world.plan.texts)
        return by_row(len(self), *(self.column(name) for name in expr.names))


Serve = Callable[[Batch], None]


@dataclass(frozen=True)
class Escape:
    """A place at which flows need Python: ``what`` it does there for whom ``span`` is to blame, and ``why``.

    ``in_turn``: the flows there are served by (clock, flow number) with those at other such places.
    ``live``: the flows there run as generators, and are resumed (see `live_code`).
    """

    flow: FlowTable
    frame: Frame
    serve: Serve
    what: str
    why: str
    span: Span | None
    in_turn: bool = False
    live: bool = False


# ---------------------------------------------------------------- values


def expression(target: str, expr: Expr) -> Serve:
    """``target = expr``."""

    def serve(batch: Batch) -> None:
        batch.put(target, *batch.evaluate(expr), expr.type)

    return serve


def conversion(register: str, local: str, want: Type) -> Serve:
    """A local in the storage of another type, into a register that is no local."""

    def serve(batch: Batch) -> None:
        texts = batch.world.plan.texts
        batch.put_as(register, want, *recast(*batch.column(local), batch.flow.types[local], want, texts))

    return serve


def conversion_of(target: str, register: str, have: Type) -> Serve:
    """A local from a register that is none, of type ``have``."""

    def serve(batch: Batch) -> None:
        batch.put(target, *batch.stored(register, have), have)

    return serve


def draw(operation: Draw, *, counted: bool) -> Serve:
    """``target = random.function(…)`` by the function's form for one draw."""
    scalar = FUNCTIONS[operation.function].scalar
    known: dict[int, object] = {}  # the values of arguments that never change

    def fixed(at: int) -> object:
        if at not in known:
            known[at] = row_function(operation.args[at])()
        return known[at]

    def serve(batch: Batch) -> None:
        k = batch.draws - 1 if counted else batch.draws.copy()
        u = mix(batch.world.key("random"), batch.number, k.astype(np.uint64))
        if not counted:
            batch.draws += 1
        texts = batch.world.plan.texts
        arguments = []
        for at, argument in enumerate(operation.args):
            if argument.names:
                arguments.append(to_python(*batch.evaluate(argument), argument.type, texts))
            else:
                arguments.append([fixed(at)] * len(batch))
        want = batch.flow.types[operation.target]
        drawn = from_python(list(map(scalar, u.tolist(), *arguments)), want, texts)
        batch.put_as(operation.target, want, *drawn)

    return serve


def early(target: str, event: str, name: str) -> Serve:
    """``target`` = a generated value of the event at hand."""

    def serve(batch: Batch) -> None:
        fields = batch.world.fields
        values, nulls = fields.early(event, name, batch.number, batch.action, batch.clock)
        batch.put(target, values, nulls, fields.early_type(event, name))

    return serve


def read_key(target: str, entity: str, handle: str) -> Serve:
    """``target`` = the key of an entity, where that is no text."""

    def serve(batch: Batch) -> None:
        numbers = np.ascontiguousarray(batch.registers[:, batch.frame.register(handle)])
        want, texts = batch.flow.types[target], batch.world.plan.texts
        keys = list(batch.world.words.keys_of(entity, numbers))
        batch.put_as(target, want, *from_python(keys, want, texts))

    return serve


def key_number(register: str, entity: str, local: str) -> Serve:
    """The number of the entity that has a local's value as its key, -1: none has."""

    def serve(batch: Batch) -> None:
        numbers = [batch.world.find_key(entity, key) for key in batch.python(local)]
        batch.registers[:, batch.frame.register(register)] = numbers

    return serve


def own_view(target: str, entity: str, handle: str, state: StateWords) -> Serve:
    """A field of a shared entity with the flow's own changes, by Python, in the field's storage."""

    def serve(batch: Batch) -> None:
        world, texts = batch.world, batch.world.plan.texts
        numbers = batch.registers[:, batch.frame.register(handle)].tolist()
        out = []
        for slot, number in zip(batch.slots.tolist(), numbers, strict=True):
            value = _value(world, world.state(entity, state.settled, number), state.type)
            for kind, word, null in world.own_changes(slot, entity, number, state.live):
                op = OPERATOR_OF[kind]
                value = one_change(op, value, _value(world, (word, null), taken_type(state.type, kind)))
            out.append(value)
        batch.put(target, *from_python(out, state.type, texts), state.type)

    return serve


def _value(world: World, words: tuple[int, int], type_: Type) -> object:
    nulls = np.array([words[1]]) if type_.optional else None
    values, mask = world.words.storage(np.array([words[0]]), nulls, type_)
    return to_python(values, mask, type_, world.plan.texts)[0]


# ---------------------------------------------------------------- what stops a flow


def refuse(kind: str, span: Span, entity: str = "") -> Serve:
    """What stops a flow for good."""

    def serve(batch: Batch) -> NoReturn:
        if kind == "stalled":
            raise stalled(batch.flow.name, span)
        if kind == "spinning":
            raise spinning(batch.flow.name, span)
        raise not_held(entity)

    return serve


# ---------------------------------------------------------------- changes and births


def change_by_python(change: Change, state: StateWords, *, is_born: bool, noted: str | None = None) -> Serve:
    """One change of the entity that the flow holds, by Python's operators; N11 on the result.

    The new value is left in `change_register`. ``noted``: the register of the value as an object, for changes
    that are made once more at the step's end; an entity that the flow only shares is changed then, not here.
    """

    def serve(batch: Batch) -> None:
        world, texts = batch.world, batch.world.plan.texts
        entity, spec = change.entity, world.plan.entities[change.entity].spec.by_name[change.field]
        numbers = batch.born if is_born else batch.held[entity]
        values = batch.python(change.value)
        if noted is not None:
            batch.put_as(noted, Type("object"), np.fromiter(values, object, len(values)), None)
            live = np.ones(len(batch), np.bool_) if is_born else _holds(batch, entity, numbers)
        else:
            live = numbers >= 0
        changed, rows = [], np.flatnonzero(live)
        for row in rows.tolist():
            number, old = int(numbers[row]), None
            if change.op != "is":
                old = _value(world, world.state(entity, (state.live, state.null), number), state.type)
            new = one_change(change.op, old, values[row])
            if state.type.kind == "int":
                check_bits(entity, change.field, new)
            flow = batch.flow.name
            changed.append(check_state_value(spec, new, entity=entity, span=change.span, flow=flow))
        if changed:
            batch.put_as(change_register(change), state.type, *from_python(changed, state.type, texts), rows)

    return serve


def _holds(batch: Batch, entity: str, numbers: I64) -> Array:
    """Whether the flows see the entities live: theirs, or theirs once and nobody's after."""
    mine = zip(numbers.tolist(), batch.number.view(np.int64).tolist(), strict=True)
    world = batch.world
    return np.array(
        [n >= 0 and world.state(entity, (E_HOLDER, -1), n)[0] == flow for n, flow in mine], np.bool_
    )


def change_register(change: Change) -> str:
    """The register into which `change_by_python` puts the new value."""
    return f"#{change.entity}.{change.field}"


def defaults(register_of: Callable[[str], str], entity: EntityPlan, columns: Sequence[StateColumn]) -> Serve:
    """Defaults that each new entity has of its own."""

    def serve(batch: Batch) -> None:
        states = entity.spec.by_name
        for column in columns:
            values = [start_value(entity.spec, states[column.name]) for _ in range(len(batch))]
            stored = from_python(values, column.type, batch.world.plan.texts)
            batch.put_as(register_of(column.name), column.type, *stored)

    return serve


def copy_state(
    register: str, entity: EntityPlan, column: StateColumn, source: str | None, key_of: str | None, span: Span
) -> Serve:
    """State that is copied from an event's field in another form: from a local, a key, or its default.

    ``key_of``: the entity type whose key the field holds (that of ``entity`` itself: the new one's).
    """
    spec = entity.spec.by_name[column.name]
    event = entity.spec.source_event
    assert event is not None
    field = event.by_name[str(column.from_field)]

    def serve(batch: Batch) -> None:
        world = batch.world
        if source is not None:
            values = batch.python(source)
        elif key_of is not None:
            numbers = batch.born if key_of == entity.name else batch.held[key_of]
            values = list(world.words.keys_of(key_of, numbers))
        else:
            values = [field.make_default() for _ in range(len(batch))]
        flow = batch.flow.name
        copies = [copied(value, field, spec, entity=entity.name, span=span, flow=flow) for value in values]
        batch.put_as(register, column.type, *from_python(copies, column.type, world.plan.texts))

    return serve


def store_key(entity: EntityPlan, site: Site, local: str, span: Span) -> Serve:
    """Check the keys of new entities against all others; draw generated ones again where they collide (N7).

    The flows are served by (clock, flow number), each seeing those before it.
    """
    name = entity.spec.primary_key

    def serve(batch: Batch) -> None:
        world = batch.world
        keys = batch.python(local)
        claimed: dict[object, int] = {}
        for row in np.lexsort((batch.number, batch.clock)).tolist():
            key, attempt = keys[row], 0
            while key in claimed or world.find_key(entity.name, key) >= 0:
                attempt += 1
                if name not in site.early or attempt == ATTEMPTS:
                    raise taken(entity.name, name, key, span, drawn=name in site.early)
                where = int(batch.number[row]), int(batch.action[row]), int(batch.clock[row])
                key = world.fields.early_one(site.event, name, *where, attempt=attempt)
            claimed[key] = int(batch.born[row])
            keys[row] = key
        world.claim_keys(entity.name, claimed)
        type_ = batch.flow.types[local]
        batch.put_as(local, type_, *from_python(keys, type_, world.plan.texts))

    return serve
