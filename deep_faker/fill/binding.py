"""Binds event fields and entity keys to the providers that make their values.

This is the `FieldDraws` of the engines: they ask here for the few values that state or a branch
needs early. The columns fill all the others from the same makers, so early and late values agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from deep_faker.compile.graph.inference import DIRECT, generated_type
from deep_faker.compile.lower.derive import derived
from deep_faker.declare.schema import EventSpec, FieldSpec, GeneratorSpec, shown_field
from deep_faker.declare.schema.generators import Mix
from deep_faker.draws.distributions.declared import FromFrame, Sequence
from deep_faker.draws.ids import action_counter, scramble
from deep_faker.draws.mix import Draws
from deep_faker.errors import DeclarationError, Diagnostic, InvalidValueError
from deep_faker.fill.constraints import first_invalid
from deep_faker.fill.derived import DefaultMaker, DependentMaker, DerivedMaking, RelatedMaking
from deep_faker.fill.field_recipes import field_recipe
from deep_faker.fill.keys import EntityKeys, SessionIds, StoredKeys
from deep_faker.fill.typed import typed_values
from deep_faker.plan import Array, NewKeys, Plan, Type, arrow
from deep_faker.plan.conversion import convert, fixed_strings, to_arrow_list
from deep_faker.plan.recipes import Recipe
from deep_faker.plan.replicated import replicated_events
from deep_faker.plan.storage import Texts, from_arrow, from_python
from deep_faker.spans import Span
from deep_faker.values import Place, Provider, Rows, localized, make, make_related

_DEFAULT_KEY = GeneratorSpec("faker", "shortuuid", (("length", 12),))


class FieldMaker:
    """Makes the values of one generated event field, of the field's own kind.

    ``how`` and ``detail`` say by which method, for `explain`.
    """

    needs: tuple[str, ...] = ()

    def __init__(
        self,
        event: str,
        spec: FieldSpec,
        generator: GeneratorSpec,
        draws: Draws,
        start_micros: int,
        purpose: tuple[str, ...],
    ) -> None:
        self.event = event
        self.spec = spec
        self._generator, self._purpose = generator, purpose
        self._draws, self._start = draws, start_micros
        self._attempts: dict[int, Provider] = {}
        self.how = self._provider(0).how
        self.detail = self._provider(0).detail
        none = np.empty(0, np.uint64)
        self.type: pa.DataType = self.column(Rows(none, none, np.empty(0, np.int64))).type

    def _provider(self, attempt: int) -> Provider:
        """The provider of the first attempt, or of a later one (a key that collided)."""
        if attempt not in self._attempts:
            again = (f"again {attempt}",) if attempt else ()
            place = Place(self._draws, (*self._purpose, *again), self._start, self.spec.span)
            self._attempts[attempt] = make(self._generator, place)
        return self._attempts[attempt]

    def column(self, rows: Rows, attempt: int = 0, others: Mapping[str, pa.Array] | None = None) -> pa.Array:
        """The converted values for ``rows``; ``others``, of other fields, do not matter."""
        del others
        provider = self._provider(attempt)
        return convert(provider.column(rows), provider.kind, self.spec)

    def recipe(self, type_: Type) -> Recipe | None:
        """The steps that make the same value, as the engine keeps it; None where it has to ask."""
        return field_recipe(self._provider(0), self.spec, type_)

    def one(self, flow: int, action: int, clock: int, attempt: int = 0) -> object:
        """The same value as a Python object."""
        provider = self._provider(attempt)
        if provider.kind == self.spec.kind in DIRECT and self.spec.enum is None:
            return provider.one(flow, action, clock)
        return typed_values(self.column(Rows.of(flow, action, clock), attempt), self.spec)[0]


Maker: TypeAlias = FieldMaker | DependentMaker | DefaultMaker


def key_generator(spec: FieldSpec | None, locale: str | Mix | None) -> GeneratorSpec:
    """What makes an entity type's keys.

    >>> key_generator(None, None).name
    'shortuuid'
    """
    return localized(spec.generator if spec is not None and spec.generator else _DEFAULT_KEY, locale)


def in_order(event: EventSpec) -> tuple[FieldSpec, ...]:
    """The fields, each after those that it depends on.

    >>> from deep_faker import BaseEvent, Field
    >>> from deep_faker.declare.schema import event_spec
    >>> class Signup(BaseEvent):
    ...     email: str = Field(faker="email", of="name")
    ...     name: str = Field(faker="name")
    >>> [field.name for field in in_order(event_spec(Signup))]
    ['name', 'email']
    """
    graph = {}
    for field in event.fields:
        generator = field.generator
        needs = () if generator is None else generator.of
        if generator is not None and generator.source == "derive":
            needs = derived(event, field).reads
        graph[field.name] = needs
        for name in needs:
            if event.by_name[name].takes_data:
                label = f"{name!r} is made by a default_factory of the other fields, when they all are there"
                mend = f"let {name!r} be a field with derive= too"
                raise DeclarationError(
                    Diagnostic(f"{event.name}.{field.name} is needed too late", field.span, label, mend)
                )
    order = TopologicalSorter({name: sorted(needs) for name, needs in graph.items()})
    try:
        return tuple(event.by_name[name] for name in order.static_order())
    except CycleError as error:
        circle = " → ".join(error.args[1])
        raise DeclarationError(
            Diagnostic("fields that hang on each other", event.span, circle, "let one of them stand alone")
        ) from None


def drawn_with(event: EventSpec, field: FieldSpec) -> str:
    """The field whose draws a field has: of two columns of one frame, the rows are the same."""
    generator = field.generator
    while generator is not None and generator.source == "dist" and generator.of:
        above = event.by_name[generator.of[0]]
        ours, theirs = (
            generator.arguments["dist"],
            above.generator.arguments.get("dist") if above.generator else None,
        )
        if (
            not isinstance(theirs, FromFrame)
            or not theirs.frame.equals(ours.frame)
            or theirs.weights != ours.weights
        ):
            raise DeclarationError(
                Diagnostic(
                    "of= names a field of another frame",
                    field.span,
                    f"{above.name!r} is not drawn from the rows of {ours!r}",
                    "give both fields FromFrame of one frame, with the same weights",
                )
            )
        field, generator = above, above.generator
    return field.name


class Binding:
    """All makers of a plan.

    Raises `DeclarationError` for a provider or argument that does not exist.
    """

    def __init__(self, plan: Plan, draws: Draws) -> None:
        self.plan = plan
        self.draws = draws
        self.sessions = SessionIds(draws)
        self._codes: Mapping[str, int] = {text: code for code, text in enumerate(plan.texts)}
        start = plan.settings.start
        self._replicated = replicated_events(plan)
        self._same = draws if draws.partitions == 1 else draws.of_all_parts
        self.makers: dict[tuple[str, str], Maker] = {}
        self.order: dict[str, tuple[FieldSpec, ...]] = {}
        for event in plan.events.values():
            self.order[event.name] = in_order(event)
            for field in (*self.order[event.name], *event.traits):
                if field.generator is not None:
                    self.makers[event.name, field.name] = self._maker(event, field)
        for entity in plan.entities.values():
            key, source = entity.spec.key_field, entity.spec.source_event
            if key is not None and source is not None and key.generator is None and key.has_default:
                self.makers[source.name, key.name] = DefaultMaker(source.name, key)
        self.entity_keys: dict[str, EntityKeys] = {
            name: EntityKeys(
                name,
                entity.spec.key_field,
                key_generator(entity.spec.key_field, plan.settings.locale),
                self._same if entity.spec.replicated else draws,
                start,
                None if entity.spec.source_event is None else entity.spec.source_event.name,
            )
            for name, entity in plan.entities.items()
            if entity.key_mode == "permuted"
        }
        self._stored = {
            name: StoredKeys() for name, entity in plan.entities.items() if entity.key_mode == "stored"
        }
        # what a site does with the value, whose local may be of a wider type, is the engine's
        self._early: dict[tuple[str, str], Type] = {
            (site.event, name): generated_type(plan.events[site.event].by_name[name], Texts(plan.texts))
            for site in plan.sites
            for name in site.early
        }
        self.ranked: dict[str, frozenset[str]] = {
            name: frozenset(field.name for field in event.fields if self._is_ranked(event, field))
            for name, event in plan.events.items()
        }
        self._coded: dict[tuple[str, str], tuple[pa.Array, Array]] = {}
        initial = dict(plan.settings.initial)
        for name, keys in self.entity_keys.items():
            keys.check(initial.get(name, 0))

    def _is_ranked(self, event: EventSpec, field: FieldSpec) -> bool:
        """Whether a unique field is only wanted when its events are in order, and so can be counted by rank.

        Neither the engine nor an entity's state may need it, nor a field that depends on it; keys and what
        flows read as they run are counted otherwise.
        """
        generator = field.generator
        if generator is None or any(flow.live for flow in self.plan.flows):
            return False
        if not generator.unique and not isinstance(generator.arguments.get("dist"), Sequence):
            return False
        dependents = {field.name}
        for each in self.order[event.name]:  # each after those that it depends on
            if dependents & set(self.needs(event.name, each.name)):
                dependents.add(each.name)
        born = [
            entity
            for entity in self.plan.entities.values()
            if entity.spec.source_event is not None and entity.spec.source_event.name == event.name
        ]
        kept = {entity.spec.primary_key for entity in born}
        kept |= {column.from_field for entity in born for column in entity.columns if column.from_field}
        return not dependents & kept and not any((event.name, name) in self._early for name in dependents)

    def _maker(self, event: EventSpec, field: FieldSpec) -> FieldMaker | DependentMaker:
        generator = localized(field.generator or _DEFAULT_KEY, self.plan.settings.locale)
        start = self.plan.settings.start
        draws = self._same if event.name in self._replicated else self.draws
        if not generator.is_dependent:
            purpose = ("field", event.name, drawn_with(event, field))
            return FieldMaker(event.name, field, generator, draws, start, purpose)

        def other(name: str, rows: Rows) -> pa.Array:
            return self._other(event, field, name, rows)

        if generator.source == "derive":
            return DependentMaker(event, field, DerivedMaking(event, derived(event, field)), other)
        specs = [event.by_name[name] for name in generator.of]
        roots = tuple(
            None if spec.generator is None else localized(self._root(event, spec), self.plan.settings.locale)
            for spec in specs
        )
        locale = field.generator.locale if field.generator is not None else None
        if locale is None and roots and roots[0] is not None:
            generator = replace(generator, locale=roots[0].locale)  # who depends on a field has its locale
        place = Place(draws, ("field", event.name, field.name), start, field.span)
        related = make_related(generator, roots, place)
        return DependentMaker(event, field, RelatedMaking(field, related), other)

    def _root(self, event: EventSpec, field: FieldSpec) -> GeneratorSpec:
        """The generator of a field, in the locale of the field that it itself depends on."""
        generator = field.generator
        assert generator is not None
        above = event.by_name[generator.of[0]] if generator.of else None
        if generator.locale is None and above is not None and above.generator is not None:
            return replace(generator, locale=self._root(event, above).locale)
        return generator

    def _other(self, event: EventSpec, field: FieldSpec, name: str, rows: Rows) -> pa.Array:
        """A field that another depends on, where nobody gives it."""
        spec = event.by_name[name]
        maker = self.makers.get((event.name, name))
        if maker is not None:
            return maker.column(rows)
        if not spec.has_default and len(rows):
            raise InvalidValueError(
                Diagnostic(
                    f"{event.name}.{field.name} is needed before {name!r} is there",
                    field.span,
                    f"{name!r} has no generator and no default",
                    f"give {name!r} one, or {field.name!r} where the event is made",
                )
            )
        values = [spec.make_default() for _ in range(len(rows))]
        return to_arrow_list(values, spec)

    # ------------------------------------------------ FieldDraws

    def needs(self, event: str, name: str) -> tuple[str, ...]:
        """The fields that a field depends on."""
        maker = self.makers.get((event, name))
        return () if maker is None else maker.needs

    def dependent_one(
        self, event: str, name: str, flow: int, action: int, clock: int, others: Mapping[str, object]
    ) -> object:
        """See `FieldDraws.dependent_one`."""
        by_name = self.plan.events[event].by_name
        columns = {other: to_arrow_list([value], by_name[other]) for other, value in others.items()}
        column = self.makers[event, name].column(Rows.of(flow, action, clock), others=columns)
        return typed_values(column, by_name[name])[0]

    def early_type(self, event: str, name: str) -> Type:
        """The storage type of an early field."""
        return self._early[event, name]

    def early(
        self, event: str, name: str, flow: Array, action: Array, clock: Array, attempt: int = 0
    ) -> tuple[Array, Array | None]:
        """See `FieldDraws.early`."""
        maker = self.makers[event, name]
        rows = Rows(flow.astype(np.uint64), action.astype(np.uint64), clock.astype(np.int64))
        column = maker.column(rows, attempt)
        self._demand(maker, column)
        type_ = self._early.get((event, name)) or Type("object")
        if type_.kind == "object":
            return from_python(typed_values(column, maker.spec), type_, ())
        return self._storage(event, name, column, type_)

    def early_one(
        self, event: str, name: str, flow: int, action: int, clock: int, attempt: int = 0
    ) -> object:
        """See `FieldDraws.early_one`."""
        return self.makers[event, name].one(flow, action, clock, attempt)

    def early_recipe(self, event: str, name: str) -> Recipe | None:
        """See `FieldDraws.early_recipe`."""
        maker = self.makers[event, name]
        type_ = self._early.get((event, name)) or Type("object")
        return maker.recipe(type_) if isinstance(maker, FieldMaker) else None

    def keys(self, entity: str, number: Array) -> Array:
        """Object array of keys by entity number."""
        return np.fromiter(self._keys(entity, self.key_column(entity, number)), object, len(number))

    def key_one(self, entity: str, number: int) -> object:
        """The key of one entity."""
        return self._keys(entity, self.entity_keys[entity].upto(number + 1).slice(number, 1))[0]

    # ------------------------------------------------ columns

    def note_keys(self, new: Iterable[NewKeys]) -> None:
        """Keep the stored keys that a trace has brought: before anything is made of that trace."""
        for part in new:
            self._stored[part.entity].add(part.first, part.keys)

    def key_column(self, entity: str, number: Array) -> pa.Array:
        """The keys of entities by number, as an Arrow array of the key field's type."""
        if entity in self.entity_keys:
            return self.entity_keys[entity].of(number)
        spec = self.plan.entities[entity].spec.key_field
        picked = self._stored[entity].of(number).tolist()
        return to_arrow_list(picked, spec) if spec else pa.array(picked, pa.string())

    def key_type(self, entity: str) -> pa.DataType:
        """The Arrow type of an entity type's keys."""
        return self.key_column(entity, np.empty(0, np.int64)).type

    def event_ids(self, flow: Array, action: Array) -> pa.Array:
        """``sys__eid`` of events."""
        action = action.astype(np.uint64, copy=False)
        counter = action_counter(self.draws.partition, self.draws.partitions, flow, action)
        return fixed_strings(scramble(self.draws.id_key("eid"), counter, 12))

    def session_ids(self, flow: Array) -> pa.Array:
        """``sys__sid`` of flows."""
        return self.sessions.of(flow)

    def methods(self) -> dict[tuple[str, str], tuple[str, str]]:
        """How each generated field is made: (event, field) → (column | pool | row, detail)."""
        return {key: (maker.how, maker.detail) for key, maker in self.makers.items()}

    # ------------------------------------------------ helpers

    def _keys(self, entity: str, column: pa.Array) -> list[object]:
        spec = self.plan.entities[entity].spec.key_field
        keys: list[object] = column.to_pylist() if spec is None else typed_values(column, spec)
        return keys

    def _demand(self, maker: Maker, column: pa.Array) -> None:
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
            nulls = arrow.values(column.is_null()) if type_.optional else None
            indices = arrow.values(arrow.filled(column.indices, 0))
            return np.take(known[1], indices), nulls
        return from_arrow(column, type_)


def invalid_value(
    event: str,
    field: FieldSpec | None,
    value: object,
    reason: str,
    span: Span | None,
    mend: str | None = None,
) -> InvalidValueError:
    """The error for a value that its event's model refuses."""
    name = shown_field(event, field.name) if field is not None else event
    where = span or (field.span if field is not None else None)
    if mend is not None:
        return InvalidValueError(Diagnostic(f"invalid value for {name}", where, f"{value!r}: {reason}", mend))
    mend = "mend the generator or the model"
    if field is not None and value is None and not field.optional:
        type_ = getattr(field.annotation, "__name__", field.annotation)
        mend = f"let None be allowed, {field.name}: {type_} | None, or do not give None"
    elif field is not None and field.generator is not None:
        mend = f"mend the generator {field.generator} or the field's type and constraints"
    return InvalidValueError(Diagnostic(f"invalid value for {name}", where, f"{value!r}: {reason}", mend))
