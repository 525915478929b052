"""The entity and event types that the flows of a plan name."""

from __future__ import annotations

from dataclasses import dataclass, field

from deep_faker.declare.schema import BaseEvent, Entity, EntitySpec, EventSpec, entity_spec, event_spec
from deep_faker.errors import CompileError, Diagnostic
from deep_faker.spans import Span


@dataclass
class Registry:
    """The entity and event types that flows name, in order of appearance; and the run's time steps."""

    grid: tuple[int, int] = (0, 1)  # start and time step of the run, in µs
    entities: dict[str, EntitySpec] = field(default_factory=dict)
    events: dict[str, EventSpec] = field(default_factory=dict)
    starts: tuple[int, int] = (0, 0)  # from when to when flows start, in µs

    def entity(self, cls: type[Entity], span: Span | None = None) -> EntitySpec:
        """The spec of an entity class, registered with its source event."""
        spec = entity_spec(cls)
        known = self.entities.setdefault(spec.name, spec)
        if known.cls is not cls:
            self._twice(known.cls, cls, span)
        if spec.source_event is not None:
            self.event(spec.source_event.cls, span)
        return spec

    def event(self, cls: type[BaseEvent], span: Span | None = None) -> EventSpec:
        """The spec of an event class, registered."""
        spec = event_spec(cls)
        known = self.events.setdefault(spec.name, spec)
        if known.cls is not cls:
            self._twice(known.cls, cls, span)
        return spec

    @staticmethod
    def _twice(one: type, other: type, span: Span | None) -> None:
        label, mend = (
            f"two different classes are named {one.__name__}",
            "rename one: data sets go by the name",
        )
        same = (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)
        if same and "<locals>" not in one.__qualname__:
            label = f"{one.__name__} has been declared again, and a flow still holds the class from before"
            mend = "run the cells with the flows again, too: what stands in @sim.flow(…) is kept as it was"
        raise CompileError(Diagnostic("ambiguous name", span, label, mend))
