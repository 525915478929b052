"""What a state does: operations on named locals, and the terminator that closes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deep_faker.plan.types import Expr

if TYPE_CHECKING:
    from deep_faker.spans import Span


@dataclass(frozen=True, slots=True)
class Let:
    """``target = expr``."""

    target: str
    expr: Expr


@dataclass(frozen=True, slots=True)
class Draw:
    """``target = random.<function>(*args)``: takes draw number k of the flow, then k += 1.

    ``function`` is a name of ``draws.RANDOM_FUNCTIONS``, ``"index"`` (uniform in range(args[0])), or one of
    `deep_faker.draws.distributions.drawn`, whose first argument is a distribution or its class.
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
class Given:
    """``target`` = a field of the event that has started the flow; the first thing that a flow does."""

    target: str
    event: str
    field: str
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

    ``op`` is a name of `deep_faker.declare.change_operators`.
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


@dataclass(frozen=True, slots=True)
class Release:
    """The flow lets go of what it holds or uses of that type; as after a selection that found none."""

    entity: str
    span: Span


@dataclass(frozen=True, slots=True)
class Use:
    """The handle, one of a list, is what the flow uses of that type (-1: it has none).

    ``sure``: it was tested that it is there.
    """

    entity: str
    handle: str
    span: Span
    sure: bool = False


Operation = (
    Let
    | Draw
    | Held
    | Read
    | Need
    | Clock
    | Session
    | Count
    | Turn
    | Early
    | Apply
    | Emit
    | Hold
    | Release
    | Use
    | Given
)


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
    ``queue``: it waits for its turn, which its session says.
    """

    delays: tuple[Delay, ...]
    rate: float | str
    next: int
    span: Span
    queue: bool = False


@dataclass(frozen=True, slots=True)
class Pick:
    """A selection: synchronises the flow with the others of its step (competition in waves).

    ``filter`` is the static part (index into Plan.filters); ``dynamic`` are conditions whose value
    is a local: (field, op, local); ``field`` may be the key field. ``since``: a local, the instant at
    which the flow came for it, by which it is served (None: its clock); ``patience``: how many µs it waits.
    """

    entity: str
    filter: int
    dynamic: tuple[tuple[str, str, str], ...]
    next: int
    span: Span
    since: str | None = None
    patience: int | None = None
    apart: tuple[str, ...] = ()  # locals: entities that it must not be
    listed: int | None = None  # it begins a list of so many


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
