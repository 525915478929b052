"""One field of any type in a run: what the tests of values share."""

from __future__ import annotations

from typing import Any

import pydantic

from deep_faker import AddDecay, BaseEvent, Dataset, NewEvent, Simulation

NOT_GIVEN: Any = object()


def event_of(annotation: Any, field: Any = ..., **more: Any) -> type[BaseEvent]:
    """An event ``Ev`` with a field ``v`` of the type, and whatever else."""
    fields: dict[str, Any] = {"v": (annotation, field), **more}
    return pydantic.create_model("Ev", __base__=BaseEvent, **fields)


def simulation_of(event: type[BaseEvent], value: Any = NOT_GIVEN, n_flows: int = 1) -> Simulation:
    """A run of a few such events; ``value`` is given to ``v`` by the flow."""
    given = {} if value is NOT_GIVEN else {"v": value}
    sim = Simulation("3s", start_time="2024-01-01", n_flows=n_flows, random_seed=1)

    @sim.flow()
    def go(ctx):
        yield NewEvent(ctx, event, **given)
        yield AddDecay(ctx, seconds=1)

    return sim


def collected(event: type[BaseEvent], value: Any = NOT_GIVEN, **options: Any) -> Dataset:
    """The run in memory."""
    return simulation_of(event, value).collect(**options)
