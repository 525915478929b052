"""Selections of a live flow: one entity, one that it waits for, a list of them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace

from deep_faker.declare.actions import Select
from deep_faker.declare.schema import entity_spec
from deep_faker.draws.mix import mix1
from deep_faker.simulate.live.answers import Answers
from deep_faker.simulate.live.requests import Picking, Request
from deep_faker.simulate.live.waits import next_try

Waiting = Generator[Request, int | None, None]


def picking(flow: Answers, select: Select, since: int | None = None) -> Picking:
    """The request of a selection; it takes one draw."""
    name = entity_spec(select.entity).name
    number, dynamic = flow.runtime.filters.find(flow.table, flow.line, select)
    flow.tried.add(name)
    flow.k += 1
    u = mix1(flow.runtime.select_key, flow.number, flow.k - 1)
    since = flow.clock if since is None else since
    return Picking(name, number, dynamic, select.shared, select.weight, u, flow.line, since)


def queued(flow: Answers, passes: Callable[[int], Waiting], select: Select) -> Waiting:
    """A yielded selection: where it finds nothing, it is tried again as long as it waits.

    ``passes`` moves the flow's clock by so many µs.
    """
    settings, came = flow.runtime.plan.settings, flow.clock
    while True:
        found = yield picking(flow, select, came)
        if select.wait is None or (found is not None and found >= 0):
            return
        delay, again = next_try(settings, flow.clock, select.wait - (flow.clock - came))
        yield from passes(delay)
        if not again:
            return


def listed(flow: Answers, select: Select, n: int) -> Generator[Request, int | None, list[int]]:
    """So many entities, each of what the ones before have left; the flow uses the first."""
    found: list[int] = []
    for _ in range(n):
        number = yield replace(picking(flow, select), apart=tuple(found))
        found.append(-1 if number is None else number)
    there = [number for number in found if number >= 0]
    if there:
        flow.world.use(flow, entity_spec(select.entity).name, there[0])
    return there
