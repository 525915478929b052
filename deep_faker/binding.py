"""Binds event fields and entity keys to the providers that make their values.

This is the `FieldDraws` of the engines: they ask here for the few values that state or a branch
needs early. The columns fill all the others from the same makers, so early and late values agree.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.conversion import arrow_type, convert, first_invalid, fixed_strings, to_arrow_list
from deep_faker.draws import Draws
from deep_faker.errors import Diagnostic, InvalidValueError, KeySpaceError
from deep_faker.ids import action_counter, capacity, flow_counter, scramble
from deep_faker.plan import Array, Plan, Type
from deep_faker.providers import Provider, Rows, make_provider
from deep_faker.schema import FieldSpec, GeneratorSpec

_DEFAULT_KEY = GeneratorSpec("faker", "shortuuid", (("length", 12),))


class FieldMaker:
    """Makes the values of one generated event field, of the field's own kind.

    ``how`` and ``detail`` say by which method, for `explain`.
    """

    def __init__(self, event: str, spec: FieldSpec, draws: Draws, start_micros: int) -> None:
        self.event = event
        self.spec = spec
        self._draws, self._start = draws, start_micros
        self._attempts: dict[int, Provider] = {}
        self.how = self._provider(0).how
        self.detail = self._provider(0).detail
        none = np.empty(0, np.uint64)
        self.type: pa.DataType = self.column(Rows(none, none, np.empty(0, np.int64))).type

    def _provider(self, attempt: int) -> Provider:
        """The provider of the first attempt, or of a later one (a key that collided)."""
        if attempt not in self._attempts:
            assert self.spec.generator is not None
            again = (f"again {attempt}",) if attempt else ()
            self._attempts[attempt] = make_provider(
                self.spec.generator,
                draws=self._draws,
                purpose=("field", self.event, self.spec.name, *again),
                start_micros=self._start,
                span=self.spec.span,
            )
        return self._attempts[attempt]

    def column(self, rows: Rows, attempt: int = 0) -> pa.Array:
        """The converted values for ``rows``."""
        provider = self._provider(attempt)
        return convert(provider.column(rows), provider.kind, self.spec)

    def one(self, flow: int, action: int, clock: int, attempt: int = 0) -> Any:
        """The same value as a Python object."""
        provider = self._provider(attempt)
        if provider.kind == self.spec.kind:
            return provider.one(flow, action, clock)
        rows = Rows(np.array([flow], np.uint64), np.array([action], np.uint64), np.array([clock], np.int64))
        return self.column(rows, attempt)[0].as_py()


class EntityKeys:
    """The keys of one entity type by entity number, kept as one Arrow array that grows.

    Taking from it costs a third of computing the permutation again. The permutation is that of the
    source event's field: there, entities count from its lower end and events that save nothing from
    its upper, so that the two never give the same value.
    """

    def __init__(
        self, entity: str, spec: FieldSpec | None, draws: Draws, start_micros: int, event: str | None = None
    ) -> None:
        generator = spec.generator if spec is not None and spec.generator is not None else _DEFAULT_KEY
        self.entity = entity
        self._spec = spec
        self._draws = draws
        self._provider = make_provider(
            generator,
            draws=draws,
            purpose=("key", entity) if spec is None or event is None else ("field", event, spec.name),
            start_micros=start_micros,
            span=spec.span if spec is not None else None,
        )
        self._lock = threading.Lock()
        self._known: pa.Array = self._compute(0, 0)

    def _compute(self, first: int, end: int) -> pa.Array:
        self.check(end)
        number = np.arange(first, end, dtype=np.uint64)
        counter = number * np.uint64(self._draws.partitions) + np.uint64(self._draws.partition)
        keys = self._provider.unique(counter)
        return keys if self._spec is None else convert(keys, self._provider.kind, self._spec)

    def check(self, count: int) -> None:
        """Raise `KeySpaceError` where ``count`` entities have no keys enough."""
        space = self._provider.capacity
        if space is not None and count * self._draws.partitions > space:
            span = self._spec.span if self._spec is not None else None
            name = self._spec.name if self._spec is not None else "key"
            raise KeySpaceError(
                Diagnostic(
                    f"too few keys for {self.entity}",
                    span,
                    f"{name!r} has {space:,} different values, and {count:,} are needed",
                    "give the key's generator more room: a longer pattern, length or range",
                )
            )

    @property
    def can_permute(self) -> bool:
        """Whether the generator is a permutation of a counter."""
        return self._provider.capacity is not None

    def upto(self, count: int) -> pa.Array:
        """The keys of entities 0 … count-1 (at least)."""
        with self._lock:
            have = len(self._known)
            if have < count:
                want = max(count, min(2 * have, have + 1_000_000), 1024)
                space = self._provider.capacity
                if space is not None:  # growing ahead must not ask for more keys than there are
                    want = max(count, min(want, space // self._draws.partitions))
                self._known = pa.concat_arrays([self._known, self._compute(have, want)])
            return self._known


class Binding:
    """All makers of a plan.

    Raises `DeclarationError` for a provider or argument that does not exist.
    """

    def __init__(self, plan: Plan, draws: Draws) -> None:
        self.plan = plan
        self.draws = draws
        self._codes: Mapping[str, int] = {text: code for code, text in enumerate(plan.texts)}
        start = plan.settings.start
        self.makers: dict[tuple[str, str], FieldMaker] = {
            (event.name, field.name): FieldMaker(event.name, field, draws, start)
            for event in plan.events.values()
            for field in event.fields
            if field.generator is not None
        }
        self.entity_keys: dict[str, EntityKeys] = {
            name: EntityKeys(
                name,
                entity.spec.key_field,
                draws,
                start,
                None if entity.spec.source_event is None else entity.spec.source_event.name,
            )
            for name, entity in plan.entities.items()
            if entity.key_mode == "permuted"
        }
        self._stored: dict[str, Callable[[], Any]] = {}
        self._early: dict[tuple[str, str], Type] = {
            (site.event, name): site.bound[name] for site in plan.sites for name in site.early
        }
        self._coded: dict[tuple[str, str], tuple[pa.Array, Array]] = {}
        initial = dict(plan.settings.initial)
        for name, keys in self.entity_keys.items():
            keys.check(initial.get(name, 0))

    # ------------------------------------------------ FieldDraws

    def early_type(self, event: str, name: str) -> Type:
        """The storage type in which the plan wants an early field."""
        return self._early[event, name]

    def early(
        self, event: str, name: str, flow: Array, action: Array, clock: Array, attempt: int = 0
    ) -> tuple[Array, Array | None]:
        """See `FieldDraws.early`."""
        maker = self.makers[event, name]
        rows = Rows(flow.astype(np.uint64), action.astype(np.uint64), clock.astype(np.int64))
        column = maker.column(rows, attempt)
        self._demand(maker, column)
        return self._storage(event, name, column, self._early.get((event, name)) or Type("object"))

    def early_one(self, event: str, name: str, flow: int, action: int, clock: int, attempt: int = 0) -> Any:
        """See `FieldDraws.early_one`."""
        return self.makers[event, name].one(flow, action, clock, attempt)

    def keys(self, entity: str, number: Array) -> Array:
        """Object array of keys by entity number."""
        column = self.key_column(entity, number)
        return np.array(column.to_pylist(), object)

    def key_one(self, entity: str, number: int) -> Any:
        """The key of one entity."""
        return self.entity_keys[entity].upto(number + 1)[number].as_py()

    # ------------------------------------------------ columns

    def use_stored_keys(self, entity: str, values: Callable[[], Any]) -> None:
        """Tell where the keys of an entity type of ``stored`` key mode are kept."""
        self._stored[entity] = values

    def key_column(self, entity: str, number: Array) -> pa.Array:
        """The keys of entities by number, as an Arrow array of the key field's type."""
        if entity in self.entity_keys:
            top = int(number.max()) + 1 if len(number) else 0
            return self.entity_keys[entity].upto(top).take(pa.array(number))
        values = self._stored[entity]()
        spec = self.plan.entities[entity].spec.key_field
        picked = [values[i] for i in number.tolist()]
        return (
            to_arrow_list(picked, spec.kind, arrow_type(spec.kind)) if spec else pa.array(picked, pa.string())
        )

    def key_type(self, entity: str) -> pa.DataType:
        """The Arrow type of an entity type's keys."""
        return self.key_column(entity, np.empty(0, np.int64)).type

    def event_ids(self, flow: Array, action: Array) -> pa.Array:
        """``sys__eid`` of events."""
        counter = action_counter(self.draws.partition, self.draws.partitions, flow, action.astype(np.uint64))
        return fixed_strings(scramble(self.draws.id_key("eid"), counter, 12))

    def session_ids(self, flow: Array) -> pa.Array:
        """``sys__sid`` of flows."""
        counter = flow_counter(self.draws.partition, self.draws.partitions, flow)
        if len(counter) and int(counter.max()) >= capacity(8):
            raise KeySpaceError("more flows than session ids of 8 characters: make the run shorter")
        return fixed_strings(scramble(self.draws.id_key("sid"), counter, 8))

    def methods(self) -> dict[tuple[str, str], tuple[str, str]]:
        """How each generated field is made: (event, field) → (column | pool | row, detail)."""
        return {key: (maker.how, maker.detail) for key, maker in self.makers.items()}

    # ------------------------------------------------ helpers

    def _demand(self, maker: FieldMaker, column: pa.Array) -> None:
        wrong = first_invalid(column, maker.spec)
        if wrong is not None:
            raise invalid_value(maker.event, maker.spec, wrong[1], wrong[2], None)

    def _storage(self, event: str, name: str, column: pa.Array, type_: Type) -> tuple[Array, Array | None]:
        if type_.kind == "code":
            if not isinstance(column, pa.DictionaryArray):
                column = column.dictionary_encode()
            known = self._coded.get((event, name))
            if known is None or (
                known[0] is not column.dictionary and not known[0].equals(column.dictionary)
            ):
                table = [self._codes[text] for text in column.dictionary.to_pylist() if text is not None]
                known = (column.dictionary, np.array(table or [0], np.int32))
                self._coded[event, name] = known
            nulls = column.is_null().to_numpy(zero_copy_only=False) if type_.optional else None
            indices = pc.fill_null(column.indices, 0).to_numpy(zero_copy_only=False)
            return np.take(known[1], indices), nulls
        return from_arrow(column, type_)


def from_arrow(column: pa.Array, type_: Type) -> tuple[Array, Array | None]:
    """An Arrow array in the storage of ``type_`` (not ``code``): values and mask of nulls."""
    nulls = column.is_null().to_numpy(zero_copy_only=False) if type_.optional else None
    if type_.kind in ("str", "object"):
        values = np.empty(len(column), object)
        values[:] = column.to_pylist()
        return values, nulls
    if isinstance(column, pa.DictionaryArray):
        column = column.dictionary_decode()
    if type_.kind in ("datetime", "timedelta"):
        column = column.cast(pa.int64())
    elif type_.kind == "date":
        column = column.cast(pa.int32()).cast(pa.int64())
    empty = False if type_.kind == "bool" else 0
    values = pc.fill_null(column, empty).to_numpy(zero_copy_only=False)
    return np.array(values), nulls


def invalid_value(
    event: str, field: FieldSpec | None, value: Any, reason: str, span: Any
) -> InvalidValueError:
    """The error for a value that its event's model refuses."""
    name = f"{event}.{field.name}" if field is not None else event
    where = span or (field.span if field is not None else None)
    mend = "mend the generator or the model"
    if field is not None and value is None and not field.optional:
        type_ = getattr(field.annotation, "__name__", field.annotation)
        mend = f"let None be allowed, {field.name}: {type_} | None, or do not give None"
    elif field is not None and field.generator is not None:
        mend = f"mend the generator {field.generator} or the field's type and constraints"
    return InvalidValueError(Diagnostic(f"invalid value for {name}", where, f"{value!r}: {reason}", mend))
