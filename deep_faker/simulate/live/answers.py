"""What the context asks of a running flow, and what is answered without suspending it."""

from __future__ import annotations

from datetime import datetime, timedelta

from deep_faker.declare.actions import Select
from deep_faker.declare.schema import EntitySpec
from deep_faker.declare.seasons import Season
from deep_faker.draws.distributions.declared import Distribution
from deep_faker.draws.distributions.drawn import drawn
from deep_faker.draws.ids import flow_counter1, scramble1
from deep_faker.draws.mix import mix1
from deep_faker.plan.storage import EPOCH
from deep_faker.simulate.failures import not_held
from deep_faker.simulate.live.requests import FlowState, conditions_of
from deep_faker.simulate.live.run_draws import RunDraws


class Answers(FlowState):
    """A part of `deep_faker.declare.context.RunningFlow`."""

    runtime: RunDraws

    @property
    def session_id(self) -> str:
        """The ``sys__sid`` of the flow's events."""
        draws = self.runtime.draws
        counter = flow_counter1(draws.partition, draws.partitions, self.number)
        return scramble1(self.runtime.session_key, counter, 8)

    @property
    def flow_name(self) -> str:
        """The flow's name."""
        return self.table.name

    @property
    def now(self) -> datetime:
        """The flow's clock."""
        return EPOCH + timedelta(microseconds=self.clock)

    def held(self) -> list[tuple[EntitySpec, int]]:
        """What the flow holds or uses."""
        plan = self.runtime.plan
        return [(plan.entities[name].spec, number) for name, number in self.world.slots(self)]

    def read(self, spec: EntitySpec, number: int, field: str | None) -> object:
        """A state field or the key."""
        return self.world.read(self, spec.name, number, field)

    def hold(self, spec: EntitySpec, number: int) -> None:
        """``add_entity`` names what the flow has picked; it takes nothing."""
        if dict(self.world.slots(self)).get(spec.name) != number:
            raise not_held(spec.name)

    def use(self, spec: EntitySpec, number: int) -> None:
        """An entity of a list is in its turn."""
        self.world.use(self, spec.name, number)

    def matching(self, selection: Select | None, spec: EntitySpec) -> list[int]:
        """Numbers of entities, as they were at the step's start."""
        if selection is None:
            return self.world.members(self, spec.name, (), shared=True)
        return self.world.members(self, spec.name, conditions_of(selection), shared=selection.shared)

    def draw(self) -> int:
        """The flow's next draw."""
        self.k += 1
        return mix1(self.runtime.random_key, self.number, self.k - 1)

    def drawn(self, distribution: Distribution) -> object:
        """A value of a distribution."""
        return drawn(self.draw(), distribution)

    def factor(self, season: Season, tz: str | None) -> float:
        """The factor of a season at the flow's clock."""
        now = self.runtime.factor(season)
        return now(self.now) if tz is None else now.zoned(self.now, tz)
