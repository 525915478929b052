"""The entity that an event of a live flow creates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deep_faker.declare.schema import EntitySpec
from deep_faker.plan import Site
from deep_faker.simulate.event_data import EventData, initial_state
from deep_faker.simulate.live.requests import Saving

if TYPE_CHECKING:
    from collections.abc import Callable

    from deep_faker.plan import FieldDraws, Plan
    from deep_faker.simulate.live.requests import FlowState


class Birth:
    """The entity that an event creates; its number is asked for (by ``ask``) when something needs it."""

    def __init__(
        self, flow: FlowState, spec: EntitySpec, plan: Plan, fields: FieldDraws, ask: Callable[[Saving], int]
    ) -> None:
        self.flow, self.spec, self.plan, self.fields, self.ask = flow, spec, plan, fields, ask
        self.stored = plan.entities[spec.name].key_mode == "stored"
        self.number: int | None = None
        self._key: object = None

    def key(self, data: EventData) -> object:
        """The key, for code that reads it from the event: saves the entity where that is not done yet."""
        if self.number is None:
            self.number = self.ask(Saving(self.spec.name, self.flow.line))
        if not self.stored:
            return self.fields.key_one(self.spec.name, self.number)
        if self._key is None:
            world, name = self.flow.world, self.spec.name
            self._key = data.draw_key(self.spec, lambda key: world.key_is_taken(name, key))
        return self._key

    def settle(self, data: EventData, site: Site) -> None:
        """Tell the world what was born."""
        assert self.number is not None
        flow, name = self.flow, self.spec.name
        key = self.key(data) if self.stored else None
        state = initial_state(self.plan, self.spec, data)
        flow.tried.add(name)
        flow.world.born(flow, name, self.number, key, state, site)
