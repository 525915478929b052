"""What a live flow asks of its engine: requests that suspend it, and the `World` in between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from deep_faker.declare.actions import Now, Select
from deep_faker.declare.schema import entity_spec
from deep_faker.draws.mix import counted_from1
from deep_faker.plan import FlowTable, Pick, Plan, Site
from deep_faker.plan import Now as PlanNow
from deep_faker.simulate.live.source_lines import line_span
from deep_faker.spans import Span

Conditions = tuple[tuple[str, str, object], ...]


@dataclass(frozen=True, slots=True)
class Parked:
    """The flow's clock has moved to ``clock``: advance it again in the step of that instant."""

    clock: int
    line: int


@dataclass(frozen=True, slots=True)
class Picking:
    """A selection; the answer is an entity number, or -1.

    ``filter`` is a static filter of the plan, or None where none fits (then all conditions are in
    ``dynamic``, as (field, operator, value)); ``u`` is the draw that is due to this pick. ``since``: the
    instant at which the flow came for it, by which it is served. ``apart``: entities that it must not be.
    """

    entity: str
    filter: int | None
    dynamic: Conditions
    shared: bool
    weight: str | None
    u: int
    line: int
    since: int
    apart: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Saving:
    """A birth; the answer is the number of the new entity, which the flow then describes to `World.born`."""

    entity: str
    line: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The flow is over; ``outcome`` is one of `deep_faker.plan.OUTCOMES`.

    ``goes_on``: it is cut, but takes part in the rest of the step that the end cuts, as in a longer run.
    """

    outcome: str
    clock: int
    line: int
    goes_on: bool = False


Request = Parked | Picking | Saving | Ended


@dataclass(frozen=True, slots=True)
class ChangeNow:
    """One change of one entity's state."""

    entity: str
    number: int
    field: str
    op: str
    value: object


class FlowState:
    """Where a live flow stands.

    ``clock`` is in µs, ``action`` counts its yields, ``word`` is what it draws by (its number, or what its
    arrival has), ``k`` counts its draws, ``stall`` the yields since its clock moved, ``turns`` those of its
    loops since it yielded, ``waited`` µs in queues. ``tried``: the entity types that it has asked for.
    """

    def __init__(
        self, table: FlowTable, number: int, clock: int, world: World, tried: set[str], word: int
    ) -> None:
        self.table, self.world, self.tried = table, world, tried
        self.number, self.clock, self.started = number, clock, clock
        self.word, self.k = word, counted_from1(word, number)
        self.action = self.stall = self.turns = self.events = self.waited = 0
        self.file, self.line = table.span.file, table.span.line

    def span(self) -> Span:
        """The line of its last yield."""
        return line_span(self.file, self.line)


class World(Protocol):
    """What a live flow asks of its engine between two suspensions."""

    def slots(self, flow: FlowState) -> list[tuple[str, int]]:
        """(entity type, number) of what the flow holds or uses, in order of being taken."""
        ...

    def read(self, flow: FlowState, entity: str, number: int, field: str | None) -> object:
        """A state field (None: the key) in the flow's view, as a Python value."""
        ...

    def members(self, flow: FlowState, entity: str, conditions: Conditions, *, shared: bool) -> list[int]:
        """What matches at the step's start, in entity order; ``shared``: held or not."""
        ...

    def key_is_taken(self, entity: str, key: object) -> bool: ...

    def born(
        self, flow: FlowState, entity: str, number: int, key: object, state: dict[str, object], site: Site
    ) -> None:
        """Describes a new entity: ``key`` is None where keys are permuted; ``state`` lacks lazy columns."""
        ...

    def use(self, flow: FlowState, entity: str, number: int) -> None:
        """An entity of a list is what the flow uses of its type now."""
        ...

    def release(self, flow: FlowState, entity: str) -> None:
        """What the flow holds or uses of a type is no longer its own."""
        ...

    def emit(self, flow: FlowState, site: Site, values: dict[str, object], keys: dict[str, int]) -> None: ...

    def trigger(
        self, flow: FlowState, event: str, entities: Mapping[str, int], data: Mapping[str, object]
    ) -> None:
        """The flow, which has these entities (by type), has emitted an event that starts others."""
        ...

    def change(self, flow: FlowState, changes: list[ChangeNow], *, by_event: bool) -> None: ...


class Filters:
    """Finds the plan's filters for the selections of live flows."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._picks = {
            flow.number: [s.terminator for s in flow.states if isinstance(s.terminator, Pick)]
            for flow in plan.flows
        }

    def find(self, flow: FlowTable, line: int, select: Select) -> tuple[int | None, Conditions]:
        """The plan's filter for a selection, and the conditions that are not in it.

        The compiled pick of that line says which conditions are static; in a live flow a selection is
        static when a filter has just its conditions.
        """
        wanted = conditions_of(select)
        name = entity_spec(select.entity).name
        compiled = [pick for pick in self._picks[flow.number] if pick.entity == name]
        compiled.sort(key=lambda pick: not pick.span.line <= line <= (pick.span.end_line or pick.span.line))
        for pick in compiled:
            rest = self._beyond(pick.filter, name, select, wanted)
            if rest is not None and sorted(c[:2] for c in rest) == sorted(c[:2] for c in pick.dynamic):
                return pick.filter, rest
        for filter_ in self.plan.filters if not compiled else ():
            if self._beyond(filter_.number, name, select, wanted) == ():
                return filter_.number, ()
        return None, wanted

    def _beyond(self, number: int, entity: str, select: Select, wanted: Conditions) -> Conditions | None:
        """The conditions that are not in a filter; None if that filter does not fit."""
        filter_ = self.plan.filters[number]
        if (filter_.entity, filter_.shared, filter_.weight) != (entity, select.shared, select.weight):
            return None
        rest = list(wanted)
        for condition in filter_.conditions:
            triple = (condition.field, condition.op, condition.value)
            if triple not in rest:
                return None
            rest.remove(triple)
        return tuple(rest)


def conditions_of(select: Select) -> Conditions:
    """The conditions of a selection, written as the plan writes them."""
    return tuple((c.field, c.op, _planned(c.value)) for c in select.where)


def _planned(value: object) -> object:
    if isinstance(value, Now):
        return PlanNow(value.offset_micros)
    return tuple(map(_planned, value)) if isinstance(value, tuple) else value
