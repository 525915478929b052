"""The starts that events cause, and that are not due yet (T14)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np

from deep_faker.draws.mix import U64, Draws, mix
from deep_faker.draws.to_micros import wait_micros
from deep_faker.plan import Array, Plan
from deep_faker.plan.storage import one_to_storage
from deep_faker.simulate.arrays import I64, NEVER
from deep_faker.simulate.came import Arriving, in_time, nobody
from deep_faker.simulate.failures import too_many_triggers


class Emitting(Protocol):
    """A flow at one of its events."""

    word: int
    action: int
    clock: int


MOST = 1 << 24
"""Starts that are not due yet: more are taken for a chain that grows without end."""


class Triggers:
    """What is to start, by the instant at which it does.

    When, and with which draws, follows from what the flow draws by that emitted the event and from the place
    of the event in it. So engines may tell of events in any order, and at any time before the starts are due.
    """

    def __init__(self, plan: Plan, draws: Draws) -> None:
        flows = [(flow, flow.on) for flow in plan.flows if flow.on is not None]
        self._names = {flow.number: flow.name for flow, _ in flows}
        self._on = {flow.number: on for flow, on in flows}
        self._delays = {flow.number: draws.key("after", flow.name) for flow, _ in flows}
        self._words = {flow.number: draws.key("on", flow.name) for flow, _ in flows}
        self.of: Mapping[str, list[int]] = {
            event: [flow.number for flow, on in flows if on.event == event]
            for event in {on.event for _, on in flows}
        }
        """The numbers of the flows that an event starts, by its type."""
        self.width = max([1, *(on.width for _, on in flows)])
        """How many words an arrival has, at most, of entities and of fields of events."""
        self._start, self._step = plan.settings.start, plan.settings.step
        self._end = self._start + -(-plan.settings.duration // self._step) * self._step
        self._parts: list[Arriving] = []
        self.soonest = NEVER  # the instant of the first of them
        rated = [(flow, flow.by_state) for flow in plan.flows if flow.by_state is not None]
        self.rated: dict[tuple[str, str], list[int]] = {}
        """(entity type, field) → the flows whose rates follow from it."""
        for flow, rate in rated:
            for field in rate.fields:
                self.rated.setdefault((rate.entity, field), []).append(flow.number)
        self._changed: dict[int, list[I64]] = {}

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(len(part.clock) for part in self._parts)

    def entities(self, flow: int) -> tuple[str, ...]:
        """The types of the entities with which a flow starts."""
        return self._on[flow].entities

    def delay_key(self, flow: int) -> int:
        """The key of the times after which a flow starts."""
        return self._delays[flow]

    def add(self, flow: int, by: U64, action: I64, clock: I64, words: Sequence[I64]) -> None:
        """Flows emitted events that start flow number ``flow``: action ``action`` of flows that draw ``by``.

        ``words``: by type, the numbers of the entities that the flows had (below 0: none), then those of the
        fields. Raises `RunError` where there is no end of it.
        """
        on = self._on[flow]
        at = action.view(np.uint64)
        delay = wait_micros(on.kind, on.params, 1_000_000, self._delays[flow], by, at)
        following = self._start + ((clock - self._start) // self._step + 1) * self._step
        due = np.maximum(clock + delay, following)  # others see what a step did from the next one on
        table = np.full((len(due), self.width), -1)
        for place, column in enumerate(words):
            table[:, place] = column
        word = mix(self._words[flow], by, at)
        self.put(Arriving(due, np.full(len(due), flow), word, table))

    def change(self, entity: str, fields: Iterable[str], numbers: I64) -> None:
        """State of these entities (below 0: none) has changed in this step, which rates may follow."""
        for flow in {flow for field in fields for flow in self.rated.get((entity, field), ())}:
            self._changed.setdefault(flow, []).append(numbers)

    def take_changed(self) -> dict[int, I64]:
        """By flow, the entities whose rates may be others than they were; they are handed over."""
        changed, self._changed = self._changed, {}
        return {flow: np.unique(np.concatenate(parts)) for flow, parts in changed.items()}

    def tell(
        self, event: str, flow: Emitting, entities: Mapping[str, int], data: Mapping[str, object]
    ) -> None:
        """One event of a flow that has these entities, by type, and what is in it."""
        for number in self.of.get(event, ()):
            who = np.array([flow.word], np.uint64), np.array([flow.action]), np.array([flow.clock])
            had = [np.array([entities.get(entity, -1)]) for entity in self.entities(number)]
            handed = []
            for name, type_ in self._on[number].fields:
                value, null = one_to_storage(data[name], type_, ())
                handed.append((np.array([value]), np.array([null])))
            self.add(number, *who, [*had, *self._on[number].words(handed)])

    def put(self, more: Arriving) -> None:
        """These start as well; those of them that come after the last step are forgotten."""
        more = more.some(np.flatnonzero(more.clock < self._end))
        if not len(more.clock):
            return
        self._parts.append(more)
        self.soonest = min(self.soonest, int(more.clock.min()))
        if self.count > MOST:
            flows = np.concatenate([part.flow for part in self._parts])
            most = int(np.bincount(flows).argmax())
            raise too_many_triggers(self._names[most], self._on[most].event, MOST)

    def take(self, end: int) -> Arriving:
        """Those from before an instant; they are handed over."""
        if self.soonest >= end:
            return nobody(self.width)
        all_ = self._all()
        self._parts = []
        due = all_.clock < end
        rest = all_.some(np.flatnonzero(~due))
        self.soonest = NEVER
        if len(rest.clock):
            self._parts.append(rest)
            self.soonest = int(rest.clock.min())
        return all_.some(np.flatnonzero(due))

    def instant_of(self, place: int) -> int:
        """The instant of the one at a place in the order of time; `NEVER`: there are not so many."""
        if self.count <= place:
            return NEVER
        return int(np.partition(self._all().clock, place)[place])

    def _all(self) -> Arriving:
        if len(self._parts) != 1:
            self._parts = [in_time([nobody(self.width), *self._parts], by_word=True)]
        return self._parts[0]

    # ------------------------------------------------ checkpoints

    def save(self, waiting: Arriving, came: Arriving) -> dict[str, Array]:
        """As named arrays: those who wait, in order; those of ``came`` that events started; the rest."""
        if not self._on:
            return {}
        mine = came.some(np.flatnonzero(np.isin(came.flow, list(self._on))))
        parts = [waiting, mine, self._all()]
        names = ("clock", "flow", "word", "entity")
        columns = [np.concatenate([part[i] for part in parts]).reshape(-1) for i in range(len(names))]
        out = {f"triggers.{name}": column for name, column in zip(names, columns, strict=True)}
        return out | {"triggers.waiting": np.array([len(waiting.clock)])}

    def load(self, arrays: Mapping[str, Array]) -> Arriving:
        """Take up what `save` gave; those who wait."""
        if not self._on:
            return nobody(self.width)
        names = ("clock", "flow", "word", "entity")
        clock, flow, word, entity = (arrays[f"triggers.{name}"] for name in names)
        saved = Arriving(clock, flow, word, entity.reshape(-1, self.width))
        waiting = int(arrays["triggers.waiting"][0])
        self.put(saved.some(np.arange(waiting, len(clock))))
        return saved.some(np.arange(waiting))
