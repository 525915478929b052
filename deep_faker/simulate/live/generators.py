"""The live flows of a run, whichever engine it runs on: who they are, and what they hold or use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from deep_faker.draws.mix import Draws
from deep_faker.plan import Array, FieldDraws, Plan
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.event_data import state_of_field
from deep_faker.simulate.live.flows import LiveFlow, LiveRuntime
from deep_faker.simulate.live.requests import FlowState, Picking, Request, Saving, World
from deep_faker.simulate.live.sites import Sites

Handed = tuple[dict[str, Array], "LiveFlows | None"]
"""What one engine hands over to another: its state as arrays, and its live flows."""


@dataclass
class Running:
    """A live flow, its slot, what it asks for, and what it holds or uses in order of being taken."""

    flow: LiveFlow
    row: int
    request: Request | None = None
    slots: dict[str, int] = field(default_factory=dict)

    @property
    def entity(self) -> str:
        """The type that it asks for."""
        assert isinstance(self.request, (Picking, Saving))
        return self.request.entity

    @property
    def turn(self) -> tuple[int, int]:
        return self.flow.clock, self.flow.number


class LiveFlows:
    """All live flows of a run, by slot and by number: the half of their `World` that engines share."""

    def __init__(self, plan: Plan, draws: Draws, fields: FieldDraws) -> None:
        self.plan, self.fields = plan, fields
        self.sites = Sites(plan)
        self.runtime = LiveRuntime(plan, draws, fields, self.sites)
        self.by_row: dict[int, Running] = {}
        self.by_number: dict[int, Running] = {}

    def enter(
        self,
        table: int,
        row: int,
        number: int,
        clock: int,
        held: Iterable[tuple[str, int]],
        words: I64,
        world: World,
        word: int,
    ) -> Running:
        """A new flow, with the entities that it starts with, an arrival's words, and what it draws by."""
        flow = self.runtime.start(self.plan.flows[table], number, clock, world, words, word)
        running = self.by_row[row] = self.by_number[number] = Running(flow, row, slots=dict(held))
        return running

    def leave(self, running: Running) -> None:
        """The flow is over."""
        del self.by_row[running.row], self.by_number[running.flow.number]

    def adopt(self, other: LiveFlows, rows: Mapping[int, int], world: World) -> None:
        """The flows of another engine are this one's from now on; ``rows``: their slots here, by number."""
        self.sites, self.runtime = other.sites, other.runtime
        for number, running in other.by_number.items():
            running.row, running.flow.world = rows[number], world
            self.by_number[number] = self.by_row[running.row] = running
        other.by_number, other.by_row = {}, {}  # whoever ends that engine does not close them

    def close(self) -> None:
        """The run breaks off: what flows have to do at their end, in the order of their numbers."""
        for number in sorted(self.by_number):
            self.by_number[number].flow.close()

    def drop(self, numbers: list[int]) -> None:
        """These flows are over, without a session of their own."""
        for number in sorted(set(numbers) & self.by_number.keys()):
            running = self.by_number.pop(number)
            running.flow.close()
            self.by_row.pop(running.row, None)

    def given(self, running: Running, entity: str, number: int) -> None:
        """A pick has been served (-1: nothing was found)."""
        running.slots.pop(entity, None)
        if number >= 0:
            running.slots[entity] = number

    def slots(self, flow: FlowState) -> list[tuple[str, int]]:
        """What the flow holds or uses."""
        return list(self.by_number[flow.number].slots.items())

    def copied_lazily(self, entity: str, name: str, born: tuple[int, int, int]) -> object:
        """A copy of a free field of the entity's event that no compiled flow reads.

        ``born``: the flow, action and clock of that event.
        """
        spec = self.plan.entities[entity].spec
        field, source = spec.by_name[name], spec.source_event
        assert source is not None
        assert field.from_field is not None
        value = self.fields.early_one(source.name, field.from_field, *born)
        return state_of_field(value, source.by_name[field.from_field], field)
