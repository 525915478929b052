"""The tables of a plan: flows, states, sites, filters, and what is known of entities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from deep_faker.plan.ops import Given, State
from deep_faker.plan.types import Array, Type

if TYPE_CHECKING:
    from deep_faker.declare.schema import EntitySpec, EventSpec
    from deep_faker.draws.distributions.declared import Distribution
    from deep_faker.plan.incidents import Touched
    from deep_faker.plan.rates import Every, On, Rate, StateRate
    from deep_faker.plan.recipes import Recipe
    from deep_faker.plan.settings import Settings
    from deep_faker.spans import Span


# ---------------------------------------------------------------- tables


@dataclass(frozen=True, slots=True)
class Site:
    """One ``NewEvent`` of the source (or the initial events of one entity type)."""

    number: int
    event: str
    bound: Mapping[str, Type]  # field → type of the value that the engine hands over
    keys: Mapping[str, str]  # field → entity type
    free: tuple[str, ...]  # filled afterwards by their generator
    defaults: tuple[str, ...]  # the field's own default
    early: tuple[str, ...]  # subset of bound: generated, but needed by state or by a branch
    save: str | None
    span: Span
    flow: str | None
    arrives: Distribution | None = None  # how long after it the event is known; None: at once


@dataclass(frozen=True, slots=True)
class Now:
    """A ``where`` value: the instant of the step plus an offset in µs."""

    offset: int


@dataclass(frozen=True, slots=True)
class Condition:
    field: str  # a state field or the key field
    op: str  # a name of `deep_faker.declare.condition_operators`
    value: Any  # Python value, Now, a pair for between, a tuple for in


@dataclass(frozen=True, slots=True)
class Filter:
    """A distinct static selection. ``shared`` sees every published entity, held or not."""

    number: int
    entity: str
    conditions: tuple[Condition, ...]
    shared: bool = False
    weight: str | None = None

    @property
    def lets_go(self) -> bool:
        """Whether it is the selection that finds nobody, by which a flow lets go of one who retires."""
        fields = [condition.field for condition in self.conditions]
        ops = {condition.op for condition in self.conditions}
        return ops == {"is_null", "not_null"} and len(set(fields)) == 1


@dataclass(frozen=True, slots=True)
class StateColumn:
    """Where a state field lives.

    ``lazy`` fields are copies of a free event field that nothing reads or changes in the run: they are
    filled at the end from the birth's (flow, action) numbers.
    """

    name: str
    type: Type
    default: object
    from_field: str | None
    lazy: bool = False


@dataclass(frozen=True, slots=True)
class EntityPlan:
    """What the engines need to know of an entity type.

    ``key_mode``: ``permuted`` keys are a keyed permutation of the entity number, computed when wanted;
    ``stored`` ones (given by the user, or of a generator that can collide) are kept and checked.
    ``start_view``: somebody may look at a row that another flow is changing (shared picks, stale
    handles), so the store keeps the world of the step's start beside the live one.
    ``shared_changes``: flows change it without holding it; changes are replayed in T9 order."""

    name: str
    spec: EntitySpec
    columns: tuple[StateColumn, ...]
    key_mode: Literal["permuted", "stored"] = "permuted"
    start_view: bool = False
    shared_changes: bool = False


@dataclass(frozen=True, slots=True)
class FlowTable:
    """A flow. ``live``: why it runs as a generator instead (no states); ``declared``: by which call.

    ``rate``, ``every``, ``on`` or ``by_state``: how it starts of itself; its ``weight`` is 0 then.
    """

    number: int
    name: str
    weight: float
    starts: tuple[int, ...]  # filters (of distinct entity types) served at the start
    states: tuple[State, ...]
    types: Mapping[str, Type]  # every local
    stored: tuple[str, ...]  # locals that live across a wait, pick or save
    function: Callable[..., object]
    span: Span
    live: str | None = None
    live_span: Span | None = None
    declared: Span | None = None
    rate: Rate | None = None
    every: Every | None = None
    on: On | None = None
    by_state: StateRate | None = None

    @property
    def names_entities(self) -> bool:
        """Whether its arrivals say whose they are."""
        return self.every is not None or self.on is not None or self.by_state is not None

    @property
    def handed(self) -> list[tuple[str, str]]:
        """(local, field of the event that has started it) of a flow that was compiled."""
        return [
            (op.target, op.field) for state in self.states for op in state.operations if isinstance(op, Given)
        ]

    @property
    def arrives(self) -> Rate | Every | On | StateRate | None:
        """How it starts of itself; None: it takes a place that is free."""
        return self.rate or self.every or self.on or self.by_state


@dataclass(frozen=True, slots=True)
class Plan:
    settings: Settings
    events: Mapping[str, EventSpec]
    entities: Mapping[str, EntityPlan]
    flows: tuple[FlowTable, ...]
    filters: tuple[Filter, ...]
    sites: tuple[Site, ...]
    texts: tuple[str, ...]
    initial_sites: Mapping[str, int] = field(default_factory=dict)  # entity type → site of its initial events
    queues: bool = False  # flows wait for entities, and sessions say how long
    arrives: bool = False  # whether an event may be known later than it happens
    incidents: tuple[Touched, ...] = ()


# ---------------------------------------------------------------- what engines ask


class FieldDraws(Protocol):
    """What an engine asks of the columns: event values that it needs before the event is filled."""

    def early(
        self, event: str, name: str, flow: Array, action: Array, clock: Array
    ) -> tuple[Array, Array | None]:
        """Storage array (and null mask) of the field's generated, converted value, typed as
        ``early_type(event, name)`` says."""
        ...

    def early_type(self, event: str, name: str) -> Type: ...

    def early_recipe(self, event: str, name: str) -> Recipe | None:
        """How ``early`` computes it, None where that is more than a few steps: then it is to be asked."""
        ...

    def early_one(
        self, event: str, name: str, flow: int, action: int, clock: int, attempt: int = 0
    ) -> object:
        """The same value as a Python object. ``attempt`` > 0 draws again (a key that collided)."""
        ...

    def needs(self, event: str, name: str) -> tuple[str, ...]: ...

    def dependent_one(
        self, event: str, name: str, flow: int, action: int, clock: int, others: Mapping[str, object]
    ) -> object:
        """The value of a field, given those of the fields that it ``needs`` (``of=``, ``derive=``)."""
        ...

    def keys(self, entity: str, number: Array) -> Array:
        """Object array of the keys of entities by number (where the key is a permutation)."""
        ...

    def key_one(self, entity: str, number: int) -> object:
        """The key of one entity (where the key is a permutation)."""
        ...
