"""The tables of a plan that all flows share: filters, sites, entity plans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from deep_faker.compile.graph.entity_use import Usage
from deep_faker.compile.graph.inference import Inference, generated_type
from deep_faker.compile.lower.derive import all_needs
from deep_faker.declare.schema import EntitySpec, EventSpec, start_value
from deep_faker.draws.distributions.declared import Distribution
from deep_faker.errors import CompileError, Diagnostic
from deep_faker.plan import Condition, EntityPlan, Filter, Site, StateColumn, Type
from deep_faker.plan.settings import Settings
from deep_faker.plan.storage import Texts
from deep_faker.spans import Span

# Generators whose values for keys are a permutation of a counter (N7).
_PERMUTED = ("shortuuid", "uuid4", "lexify", "numerify", "bothify", "random_int")


@dataclass
class Filters:
    """Distinct static selections."""

    found: list[Filter] = field(default_factory=list)
    _known: dict[str, int] = field(default_factory=dict)

    def number(
        self, entity: str, conditions: tuple[Condition, ...], weight: str | None, *, shared: bool
    ) -> int:
        """The number of a filter, given out now if it is new."""
        key = repr((entity, conditions, shared, weight))
        if key not in self._known:
            self._known[key] = len(self.found)
            self.found.append(Filter(len(self.found), entity, conditions, shared, weight))
        return self._known[key]


class Entities:
    """Which columns are lazy, how keys are kept, what views the engines need."""

    def __init__(
        self, specs: Iterable[EntitySpec], settings: Settings, usage: Usage, inference: Inference
    ) -> None:
        self.settings, self.usage, self.inference = settings, usage, inference
        self.open_world = False  # live flows may do anything with any entity
        self.specs = {spec.name: spec for spec in specs}
        self.bound: set[tuple[str, str]] = set()  # (entity, source field) that some event hands over
        self.live_keys: frozenset[str] = frozenset()

    def is_lazy(self, spec: EntitySpec, name: str) -> bool:
        """Whether a state field is filled from the birth's event at the end."""
        state = spec.by_name[name]
        source = spec.source_event.by_name.get(state.from_field or "") if spec.source_event else None
        if self.open_world or self.settings.history or source is None or source.generator is None:
            return False
        if source.name == spec.primary_key or (spec.name, source.name) in self.bound:
            return False
        assert spec.source_event is not None
        for needed in all_needs(spec.source_event, source):
            other = spec.source_event.by_name[needed]
            if needed == spec.primary_key or (spec.name, needed) in self.bound:
                return False
            if other.generator is None and not other.has_default:
                return False
        if source.kind != state.kind or state.row_validated or state.literal or spec.source_event is None:
            return False
        if source.nullable and not state.optional:  # a null would have to be refused
            return False
        used = (spec.name, name) in self.usage.read | self.usage.changed
        return not used and spec.source_event.row_validated is None

    def copied(self, spec: EntitySpec) -> tuple[str, ...]:
        """The source event's fields that state is copied from when an entity is born."""
        names = (
            s.from_field for s in spec.states if s.from_field is not None and not self.is_lazy(spec, s.name)
        )
        return tuple(dict.fromkeys(names))

    def key_mode(self, spec: EntitySpec) -> str:
        """``permuted`` or ``stored``."""
        if spec.key_field is None:  # on no event, so nobody can give one
            return "permuted"
        if spec.name in self.usage.keyed or (self.open_world and spec.primary_key in self.live_keys):
            return "stored"
        generator = spec.key_field.generator
        ours = generator is not None and (
            generator.unique
            or (generator.source == "faker" and generator.name in _PERMUTED)
            or (generator.source == "dist" and generator.name == "Sequence")
        )
        if generator is not None and generator.is_dependent:
            label = f"{spec.key_field.name!r} hangs on other fields of {spec.name}'s event"
            mend = "let the key stand alone: a key is there before the other fields"
            raise CompileError(Diagnostic("a key that hangs on other fields", _where(spec), label, mend))
        plain = spec.key_field.row_validated is None
        return "permuted" if ours and plain else "stored"

    def plan(self, spec: EntitySpec) -> EntityPlan:
        """The entity's part of the plan."""
        columns = tuple(
            StateColumn(
                state.name,
                self.inference.columns[spec.name, state.name],
                start_value(spec, state) if state.from_field is None else None,
                state.from_field,
                self.is_lazy(spec, state.name),
            )
            for state in spec.states
        )
        changing = self.open_world or self.usage.is_changed(spec.name)
        seen = self.open_world or spec.name in self.usage.stale | self.usage.shared
        return EntityPlan(
            spec.name,
            spec,
            columns,
            "stored" if self.key_mode(spec) == "stored" else "permuted",
            start_view=changing and seen,
            shared_changes=self.open_world or spec.name in self.usage.shared_changes,
        )


def initial_site(number: int, spec: EntitySpec, entities: Entities, texts: Texts) -> Site:
    """The site of an entity type's initial events."""
    event = spec.source_event
    assert event is not None
    stored = entities.key_mode(spec) == "stored"
    early = [name for name in entities.copied(spec) if event.by_name[name].generator is not None]
    early = [name for name in early if name != spec.primary_key]
    if stored and spec.key_field is not None:
        early = [spec.primary_key, *early]
    keys = {spec.primary_key: spec.name} if not stored and spec.key_field is not None else {}
    bound = {name: generated_type(event.by_name[name], texts) for name in early}
    check_initial(spec, event)
    return Site(
        number,
        event.name,
        bound,
        keys,
        free=tuple(
            f.name for f in event.fields if f.generator and f.name not in bound and f.name not in keys
        ),
        defaults=tuple(f.name for f in event.fields if f.generator is None and f.name not in bound),
        early=tuple(early),
        save=spec.name,
        span=spec.span or event.span,  # type: ignore[arg-type]  # classes made without source have none
        flow=None,
    )


def _where(spec: EntitySpec) -> Span:
    span = (spec.key_field.span if spec.key_field is not None else None) or spec.span
    return span or Span("", 0, 0, 0, "")


def check_initial(spec: EntitySpec, event: EventSpec) -> None:
    """Initial entities have no flow that could give a field (F5)."""
    for field_ in event.fields:
        if field_.generator is None and not field_.has_default:
            label = f"{event.name}.{field_.name} has no generator and no default"
            mend = f"give it Field(faker=…) or a default, or leave {spec.name} out of initial_entities"
            title = f"initial {spec.name} entities cannot be made"
            raise CompileError(Diagnostic(title, field_.span or event.span, label, mend))
        copied = any(state.from_field == field_.name for state in spec.states)
        if copied and spec.primary_key in all_needs(event, field_):
            label = f"state is copied from {field_.name!r}, which is made from the key {spec.primary_key!r}"
            mend = f"leave {spec.name} out of initial_entities, or the key out of {field_.name!r}"
            title = f"initial {spec.name} entities cannot be made"
            raise CompileError(Diagnostic(title, field_.span or event.span, label, mend))


def site_of(
    number: int,
    event: EventSpec,
    bound: Mapping[str, Type],
    keys: Mapping[str, str],
    early: tuple[str, ...],
    save: EntitySpec | None,
    span: Span,
    flow: str | None,
    arrives: Distribution | None = None,
) -> Site:
    """The site of an event of a flow: fields that nobody hands over are generated, or defaults."""
    rest = [f for f in event.fields if f.name not in bound and f.name not in keys]
    return Site(
        number,
        event.name,
        dict(bound),
        dict(keys),
        free=tuple(f.name for f in rest if f.generator is not None),
        defaults=tuple(f.name for f in rest if f.generator is None),
        early=early,
        save=save.name if save is not None else None,
        span=span,
        flow=flow,
        arrives=arrives,
    )
