"""What the tests of fields share: one event, one flow, a run on each engine."""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl

from deep_faker import BaseEvent, FlowContext, NewEvent, Simulation
from deep_faker.draws.mix import Draws
from deep_faker.fill.binding import Binding
from deep_faker.values import Rows
from tests.support.engines import engine_of, engines_for, events_of

START = "2024-03-01"


def world(event: type[BaseEvent], *, seed: int = 5, minutes: int = 10, **given: Any) -> Simulation:
    """A simulation in which flows emit ``event`` twice a second and end."""
    sim = Simulation(
        duration=f"{minutes}m", start_time=START, time_step="1s", n_flows=2, random_seed=seed, **given
    )

    @sim.flow()
    def emit(ctx: FlowContext):
        yield NewEvent(ctx, event)

    return sim


def frame(event: type[BaseEvent], **given: Any) -> pl.DataFrame:
    """Events of one type: 1,200 unless told otherwise."""
    return world(event, **given).collect()[event.__name__]


def engines(sim: Simulation) -> dict[str, list[Any]]:
    """For each engine all events (as tuples, in order)."""
    from deep_faker.fill.events import Columns

    found = {}
    plan = sim.compile()
    for engine in engines_for(plan):
        made, binding = engine_of(plan, engine, sim.random_seed or 0)
        columns = Columns(binding)
        rows: list[Any] = []
        before: Counter[str] = Counter()
        for trace in made.run():
            chunk = columns.fill(trace.take(), before)
            before.update(events_of(chunk))
            for name, table in chunk.tables.items():
                rows += [(name, *row.values()) for row in table.to_pylist()]
        found[engine] = sorted(rows, key=repr)
    return found


def assert_engines_agree(sim: Simulation, least: int = 100) -> None:
    """All engines make the same events."""
    found = engines(sim)
    reference = found.pop("reference")
    assert len(reference) >= least
    for name, rows in found.items():
        assert rows == reference, name


def assert_one_is_column(event: type[BaseEvent], n: int = 300, **given: Any) -> None:
    """`one` gives what `column` gives, and a column is the same in any pieces."""
    import numpy as np

    sim = world(event, **given)
    binding = Binding(sim.compile(), Draws(11))
    flow = np.arange(n, dtype=np.uint64)
    action = (np.arange(n, dtype=np.uint64) % np.uint64(3)) + np.uint64(1)
    clock = np.full(n, sim.compile().settings.start, np.int64)
    for (_, name), maker in binding.makers.items():
        whole = maker.column(Rows(flow, action, clock)).to_pylist()
        parts = [
            value
            for at in range(0, n, 7)
            for value in maker.column(
                Rows(flow[at : at + 7], action[at : at + 7], clock[at : at + 7])
            ).to_pylist()
        ]
        assert parts == whole, name
        ones = [maker.one(int(flow[i]), int(action[i]), int(clock[i])) for i in range(0, n, 5)]
        assert ones == whole[::5], name
