"""Who holds what: flows take entities, bear them, and let go of them when they ask for other ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from deep_faker.plan import Array
from deep_faker.simulate.arrays import I64

if TYPE_CHECKING:
    from deep_faker.simulate.columns.world import World


def take_up(world: World, entity: str, rows: I64, flow: Array, number: I64) -> None:
    """Flows at ``rows`` hold the entities that they were given, from now on until they end."""
    world.store.tables[entity].take(number, flow)
    world.slots.chains[entity].append(rows, number)


def release(world: World, entity: str, rows: I64) -> None:
    """The flows' entities of a type are free, as they ask for other ones (N4)."""
    if entity not in world.holdable:
        return
    slots, table = world.slots, world.store.tables[entity]
    held = np.take(slots.held[entity].a, rows, mode="clip")
    mine = held >= 0
    if not mine.any():
        return
    if entity in world.shareable:
        mine &= ~slots.shared[entity].a[rows]
    if not mine.any():
        return
    numbers = held[mine]
    table.free(numbers[table.published.a[numbers]])  # a flow's own births wait for its end
    slots.held[entity].a[rows[mine]] = -1


def use(world: World, entity: str, rows: I64, numbers: I64) -> None:
    """The flows use these entities (-1: none), without holding them."""
    release(world, entity, rows)
    world.slots.held[entity].a[rows] = numbers
    world.slots.shared[entity].a[rows] = True


def let_go(world: World, entity: str, rows: I64) -> None:
    """The flows hold and use nothing of a type any more; those that never asked for one stay as they are."""
    release(world, entity, rows)
    held = world.slots.held[entity].a
    held[rows[held[rows] >= 0]] = -1


def hold_born(world: World, entity: str, rows: I64, flow: Array, number: I64) -> None:
    """Newly born entities are held by their creators, in place of what they held."""
    release(world, entity, rows)
    slots, table = world.slots, world.store.tables[entity]
    if table.start_view:
        table.holder.a[number] = flow
    slots.held[entity].a[rows] = number
    slots.shared[entity].a[rows] = False
    slots.chains[entity].append(rows, number)
