"""The whole state of a run between two steps, as named arrays.

Flows are saved in the order of their numbers and by the plan's own state numbers, so that an engine
of another make can take them up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from deep_faker.plan import Array, Plan
from deep_faker.simulate.arrays import NEVER, Agenda
from deep_faker.simulate.failures import generator_not_saved

if TYPE_CHECKING:
    from deep_faker.simulate.columns.world import World

_PLAIN = ("number", "word", "table", "clock", "action", "k", "started", "events", "mark")


def plain_columns(plan: Plan) -> tuple[str, ...]:
    """The columns of flows in flight that are saved as they are."""
    return (*_PLAIN, "waited") if plan.queues else _PLAIN


def refuse_live(plan: Plan) -> None:
    """Raise `CheckpointError` for a plan with a flow that runs as a generator."""
    for flow in plan.flows:
        if flow.live is not None:
            raise generator_not_saved(flow.name, flow.live_span or flow.span, flow.live)


def save(world: World) -> dict[str, Array]:
    """Names and arrays:

    ``flows.<column>`` one row a flow in flight, ``flows.state`` the state that it goes on at,
    ``flows.ending`` the outcome that its wait has already decided (-1: none; then ``flows.state`` is the
    wait's), ``flows.held.<T>``, ``flows.shared.<T>``, ``flows.taken.<T>.offsets`` and ``.numbers``,
    ``local.<flow>.<name>`` of all flows; ``entity.…`` and ``filter.…`` as `Store.save` says;
    ``counters.<name>`` of one number each; ``tally.…`` as `Tally.save` says.

    Flows that run as generators stand at `GENERATOR` of `places`; the generators are handed over beside it.
    """
    slots = world.slots
    rows = slots.alive()
    out = {f"flows.{name}": getattr(slots, name).a[rows] for name in plain_columns(world.plan)}
    places = [world.places.state_of(gid) for gid in slots.state.a[rows].tolist()]
    out["flows.state"] = np.array([state for state, _ in places], np.int64)
    out["flows.ending"] = np.array([ending for _, ending in places], np.int64)
    for name in world.plan.entities:
        out[f"flows.held.{name}"] = slots.held[name].a[rows]
        out[f"flows.shared.{name}"] = slots.shared[name].a[rows]
        offsets, numbers = slots.chains[name].read(rows, drop=False)
        out[f"flows.taken.{name}.offsets"] = offsets
        out[f"flows.taken.{name}.numbers"] = numbers
    for (flow_number, name), column in slots.locals.items():
        out[f"local.{flow_number}.{name}"] = column.a[rows]
    out |= world.store.save() | world.tally.save(world.store.lists)
    counters = {"step": world.step, "next_flow": world.next_flow, "skipped": world.skipped}
    return out | {f"counters.{name}": np.array([value]) for name, value in counters.items()}


def load(world: World, arrays: Mapping[str, Array]) -> None:
    """Take up what `save` gave, in a world where nothing has happened yet."""
    world.step, world.next_flow, world.skipped = (
        int(arrays[f"counters.{name}"][0]) for name in ("step", "next_flow", "skipped")
    )
    world.t1 = world.settings.start + (world.step + 1) * world.settings.step
    world.store.load(arrays, world.step)
    if world.t1 > world.settings.end:
        world.store.late_from = world.next_flow
    world.tally.load(arrays, world.store.lists)
    slots = world.slots
    count = len(arrays["flows.number"])
    rows = slots.take(count)
    for name in plain_columns(world.plan):
        getattr(slots, name).a[rows] = arrays[f"flows.{name}"]
    places = zip(*(arrays[f"flows.{name}"].tolist() for name in ("table", "state", "ending")), strict=True)
    slots.state.a[rows] = [world.places.gid_of(*place) for place in places]
    for name in world.plan.entities:
        slots.held[name].a[rows] = arrays[f"flows.held.{name}"]
        slots.shared[name].a[rows] = arrays[f"flows.shared.{name}"]
        _chain(world, name, rows, arrays)
    for (flow_number, name), column in slots.locals.items():
        saved = arrays.get(f"local.{flow_number}.{name}")
        if saved is not None:
            column.a[rows] = saved
    slots.clock.a[slots.used :] = NEVER
    slots.agenda = Agenda(slots.clock, slots.agenda.span)


def _chain(world: World, name: str, rows: Array, arrays: Mapping[str, Array]) -> None:
    """Append the lists of taken entities level by level."""
    offsets, numbers = arrays[f"flows.taken.{name}.offsets"], arrays[f"flows.taken.{name}.numbers"]
    chain, counts = world.slots.chains[name], np.diff(offsets)
    for level in range(int(counts.max(initial=0))):
        long = np.flatnonzero(counts > level)
        chain.append(rows[long], numbers[offsets[long] + level])
