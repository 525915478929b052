"""The waist of the house: what the compiler hands to the engines, and what they hand on.

A :class:`Plan` is plain data. Each flow is a table of states; a state is a short list of
operations on named locals, closed by one terminator. Expressions stay Python text over locals and
constants, so that one text serves the engines and the reader alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy.typing as npt

from deep_faker.trace import OUTCOMES as OUTCOMES  # noqa: PLC0414 - part of the waist
from deep_faker.trace import EndedFlows as EndedFlows  # noqa: PLC0414 - part of the waist
from deep_faker.trace import NewKeys as NewKeys  # noqa: PLC0414 - part of the waist
from deep_faker.trace import RawTrace as RawTrace  # noqa: PLC0414 - part of the waist
from deep_faker.trace import SiteRows as SiteRows  # noqa: PLC0414 - part of the waist
from deep_faker.trace import Trace as Trace  # noqa: PLC0414 - part of the waist
from deep_faker.trace import Versions as Versions  # noqa: PLC0414 - part of the waist

if TYPE_CHECKING:
    from deep_faker.errors import Place, Span
    from deep_faker.recipes import Recipe
    from deep_faker.schema import EntitySpec, EventSpec
    from deep_faker.settings import Settings

Kind = Literal[
    "bool", "int", "float", "code", "str", "datetime", "date", "timedelta", "entity", "object", "none"
]

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Type:
    """The static type of a local, a state column or an event value.

    Storage, by kind: bool → bool, int → int64, float → float64, ``code`` → int32 index into
    ``Plan.texts`` (text whose every value is known when compiling), str → object array of ``str``,
    datetime and timedelta → int64 microseconds, date → int64 days since 1970, entity → int64 entity
    number (-1: none), object → object array of Python values. ``optional`` adds a bool mask array
    beside it, True where the value is None (never for entity, object and none).
    """

    kind: Kind
    optional: bool = False
    entity: str | None = None


@dataclass(frozen=True, slots=True)
class Expr:
    """A side-effect-free Python expression: ``text`` over local ``names`` and constant ``consts``.

    Draws, clock and entity reads have been taken out into operations of their own before it.
    ``by_row`` says why it cannot be done by column (None: it can). ``places``: of its nodes, by `ast.walk`.
    """

    text: str
    names: tuple[str, ...]
    consts: Mapping[str, Any]
    type: Type
    span: Span
    by_row: str | None = None
    places: tuple[Place | None, ...] = field(default=(), compare=False, repr=False)


# ---------------------------------------------------------------- operations


@dataclass(frozen=True, slots=True)
class Let:
    """``target = expr``."""

    target: str
    expr: Expr


@dataclass(frozen=True, slots=True)
class Draw:
    """``target = random.<function>(*args)``: takes draw number k of the flow, then k += 1.

    ``function`` is a name of ``draws.RANDOM_FUNCTIONS`` or ``"index"`` (uniform in range(args[0])).
    """

    target: str
    function: str
    args: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Held:
    """``target`` = the entity of that type that the flow holds or uses now (-1: none)."""

    target: str
    entity: str


@dataclass(frozen=True, slots=True)
class Read:
    """``target`` = a state field of the entity in local ``handle`` (``field`` None: its key).

    A handle of -1 ends the flow with outcome ``no_entity`` at ``span``.
    ``current`` is True where the compiler proved that the handle is what the flow holds
    exclusively; then the live column is read directly.
    """

    target: str
    entity: str
    handle: str
    field: str | None
    current: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Need:
    """Ends the flow with ``no_entity`` where the handle is -1 (``[0]`` of an empty selection)."""

    handle: str
    span: Span


@dataclass(frozen=True, slots=True)
class Clock:
    """``target`` = the flow's clock, as a datetime."""

    target: str


@dataclass(frozen=True, slots=True)
class Session:
    """``target`` = the flow's session id (str)."""

    target: str


@dataclass(frozen=True, slots=True)
class Count:
    """The flow's action number += 1. Stands before the operations of each ``yield``."""

    span: Span


@dataclass(frozen=True, slots=True)
class Turn:
    """One more turn of a loop; too many without a ``yield`` stop the run."""

    span: Span


@dataclass(frozen=True, slots=True)
class Early:
    """``target`` = the generated value of an event field, drawn now for the current action."""

    target: str
    event: str
    field: str
    span: Span


@dataclass(frozen=True, slots=True)
class Change:
    """One state change: ``value`` names a local (whose type fits the column).

    ``op`` is one of is, add, subtract, multiply, min, max.
    """

    entity: str
    field: str
    op: str
    value: str
    span: Span


@dataclass(frozen=True, slots=True)
class Apply:
    """Changes without an event (``yield SetState``); a type that is not held is left alone."""

    changes: tuple[Change, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Emit:
    """One event: ``values`` pairs each bound or early field with its local (already converted).

    ``keys`` pairs a field with the entity type whose key fills it (the engine records the entity
    number; -1 ends the flow with no_entity). Fields in neither are free or defaults, see ``Site``.
    """

    site: int
    values: tuple[tuple[str, str], ...]
    keys: tuple[tuple[str, str], ...]
    changes: tuple[Change, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Hold:
    """``ctx.add_entity(T, handle)``: the handle becomes the flow's entity of that type."""

    entity: str
    handle: str
    span: Span


Operation = Let | Draw | Held | Read | Need | Clock | Session | Count | Turn | Early | Apply | Emit | Hold

# ---------------------------------------------------------------- terminators


@dataclass(frozen=True, slots=True)
class Goto:
    next: int


@dataclass(frozen=True, slots=True)
class Branch:
    """On a bool local."""

    test: str
    then: int
    other: int
    span: Span


@dataclass(frozen=True, slots=True)
class Delay:
    """A waiting time: a constant in µs, a local (numbers in units of ``unit`` µs, a timedelta or a
    distribution object), or a distribution (``kind`` of waits.wait_micros with ``params``); delays of
    one AddDecay add up. ``given``: parameters that the flow computes, as (position, local); of a
    ``choice`` the positions are those of its values. ``purpose`` ends in the keyword's position."""

    unit: int
    constant: int = 0
    local: str | None = None
    kind: str | None = None
    params: tuple[Any, ...] = ()
    purpose: str = "wait"
    given: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """AddDecay: the clock moves by the delays, then the flow ends with probability ``rate``.

    ``rate`` is a constant or names a float local (checked to be in 0..1 when it arrives).
    """

    delays: tuple[Delay, ...]
    rate: float | str
    next: int
    span: Span


@dataclass(frozen=True, slots=True)
class Pick:
    """A selection: synchronises the flow with the others of its step (competition in waves).

    ``filter`` is the static part (index into Plan.filters); ``dynamic`` are conditions whose value
    is a local: (field, op, local); ``field`` may be the key field.
    """

    entity: str
    filter: int
    dynamic: tuple[tuple[str, str, str], ...]
    next: int
    span: Span


@dataclass(frozen=True, slots=True)
class Save:
    """An Emit whose event creates an entity: births are synchronised like picks."""

    emit: Emit
    entity: str
    next: int
    span: Span


@dataclass(frozen=True, slots=True)
class End:
    span: Span


Terminator = Goto | Branch | Wait | Pick | Save | End


@dataclass(frozen=True, slots=True)
class State:
    """A row of the transition table."""

    number: int
    operations: tuple[Operation, ...]
    terminator: Terminator
    span: Span


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


@dataclass(frozen=True, slots=True)
class Now:
    """A ``where`` value: the instant of the step plus an offset in µs."""

    offset: int


@dataclass(frozen=True, slots=True)
class Condition:
    field: str  # a state field or the key field
    op: str  # canonical operator
    value: Any  # Python value, Now, a pair for between, a tuple for in


@dataclass(frozen=True, slots=True)
class Filter:
    """A distinct static selection. ``shared`` sees every published entity, held or not."""

    number: int
    entity: str
    conditions: tuple[Condition, ...]
    shared: bool = False
    weight: str | None = None


@dataclass(frozen=True, slots=True)
class StateColumn:
    """Where a state field lives.

    ``lazy`` fields are copies of a free event field that nothing reads or changes in the run: they are
    filled at the end from the birth's (flow, action) numbers.
    """

    name: str
    type: Type
    default: Any
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
    """A flow. ``live``: why it runs as a generator instead (no states); ``declared``: by which call."""

    number: int
    name: str
    weight: float
    starts: tuple[int, ...]  # filters (of distinct entity types) served at the start
    states: tuple[State, ...]
    types: Mapping[str, Type]  # every local
    stored: tuple[str, ...]  # locals that live across a wait, pick or save
    function: Callable[..., Any]
    span: Span
    live: str | None = None
    live_span: Span | None = None
    declared: Span | None = None


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

    def early_one(self, event: str, name: str, flow: int, action: int, clock: int, attempt: int = 0) -> Any:
        """The same value as a Python object. ``attempt`` > 0 draws again (a key that collided)."""
        ...

    def needs(self, event: str, name: str) -> tuple[str, ...]: ...

    def dependent_one(
        self, event: str, name: str, flow: int, action: int, clock: int, others: Mapping[str, Any]
    ) -> Any:
        """The value of a field, given those of the fields that it ``needs`` (``of=``, ``derive=``)."""
        ...

    def keys(self, entity: str, number: Array) -> Array:
        """Object array of the keys of entities by number (where the key is a permutation)."""
        ...

    def key_one(self, entity: str, number: int) -> Any:
        """The key of one entity (where the key is a permutation)."""
        ...
