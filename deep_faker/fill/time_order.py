"""The order of time (T9) within a trace: of each event type's rows, which come site by site, and of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from deep_faker.plan import Array, Site, SiteRows, Trace, Versions, arrow
from deep_faker.plan.trace import packed_order
from deep_faker.values import Rows


@dataclass(slots=True)
class Part:
    """The rows of one event type in a chunk: its sites' rows one after the other, and their order."""

    rows: list[SiteRows]
    flow: Array
    action: Array
    clock: Array
    order: Array | None  # positions into the concatenated rows, in T9 order; None where they are in it
    before: int = 0  # events of the type in earlier chunks

    def sorted(self, values: Array) -> Array:
        """The concatenated rows' values in T9 order."""
        return values if self.order is None else np.take(values, self.order)

    def sorted_rows(self) -> Rows:
        flow, action, clock = map(self.sorted, (self.flow, self.action, self.clock))
        return Rows(flow, action.view(np.uint64), clock)

    def joined(self, pieces: list[pa.Array]) -> pa.Array:
        """The sites' values, of one type, in T9 order."""
        array = pieces[0] if len(pieces) == 1 else pa.concat_arrays(pieces)
        return array if self.order is None else array.take(arrow.numbers(self.order))

    def back(self) -> Array:
        """The place in T9 order of each of the concatenated rows."""
        back = np.arange(len(self.flow))
        if self.order is not None:
            back[self.order] = back.copy()
        return back


def arranged(trace: Trace, sites: Sequence[Site], names: Sequence[str]) -> tuple[dict[str, Part], Array]:
    """The rows of each event type, and the place in ``names`` of the type of each event in T9 order."""
    by_event: dict[str, list[SiteRows]] = {}
    for rows in trace.rows:
        if len(rows.flow):
            by_event.setdefault(sites[rows.site].event, []).append(rows)
    groups = [(name, by_event[name]) for name in names if name in by_event]
    if not groups:
        return {}, np.empty(0, np.uint16)
    joined = {name: _joined(group) for name, group in groups}
    codes = {name: names.index(name) for name, _ in groups}
    parts: dict[str, Part] = {}
    if trace.sites is not None:
        code_of = np.zeros(int(trace.sites.max()) + 1, np.uint16)
        for name, group in groups:
            code_of[[rows.site for rows in group]] = codes[name]
        order = np.take(code_of, trace.sites)
        for name, group in groups:
            positions = None if len(group) == 1 else _merged(group, trace.sites[order == codes[name]])
            parts[name] = Part(group, *joined[name], order=positions)
        return parts, order
    flow, action, clock = (np.concatenate([joined[n][i] for n, _ in groups]) for i in range(3))
    place = time_order(clock, flow, action)
    each = np.repeat(
        np.array([codes[name] for name, _ in groups], np.uint16),
        [len(joined[name][0]) for name, _ in groups],
    )
    order = np.take(each, place)
    first = 0
    for name, group in groups:
        positions = place[order == codes[name]] - first
        first += len(joined[name][0])
        parts[name] = Part(group, *joined[name], order=positions)
    return parts, order


def _joined(group: list[SiteRows]) -> tuple[Array, Array, Array]:
    """Flows, actions and clocks of some sites, one after the other."""
    return (
        concatenated([rows.flow for rows in group]),
        concatenated([rows.action for rows in group]),
        concatenated([rows.clock for rows in group]),
    )


def concatenated(arrays: list[Array]) -> Array:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _merged(group: list[SiteRows], sites: Array) -> Array:
    """Positions in the concatenated rows of some sites, each in order, by the site of each event in order."""
    order, first = np.empty(len(sites), np.int64), 0
    for rows in group:
        n = len(rows.flow)
        order[sites == rows.site] = np.arange(first, first + n)
        first += n
    return order


def time_order(clock: Array, flow: Array, action: Array) -> Array:
    """Positions of rows in the order (clock, flow, action).

    By the clock (`packed_order`); runs of equal clocks are then put right.

    >>> time_order(np.array([5, 3, 5]), np.array([2, 9, 1]), np.array([1, 1, 1])).tolist()
    [1, 2, 0]
    """
    n = len(clock)
    if n < 2:
        return np.arange(n)
    by_clock = packed_order(clock)
    if by_clock is None:
        return np.lexsort((action, flow, clock))
    packed, bits = by_clock
    place = packed & ((1 << bits) - 1)
    times = packed >> bits
    same = times[1:] == times[:-1]
    if same.any():
        tied = np.zeros(n, bool)
        tied[1:] |= same
        tied[:-1] |= same
        positions = np.flatnonzero(tied)
        group = place[positions]
        place[positions] = group[np.lexsort((action[group], flow[group], clock[group]))]
    return place


def places_among_events(trace: Trace, versions: Sequence[Versions]) -> list[Array]:
    """For each version of entities: how many of the trace's events have come when it is there, in T9 order.

    That is the place of the event that made it, counted from 1; of a change without an event, that of the
    last event before it. So a version is seen by exactly the events of higher places.
    """
    if not versions:
        return []
    # of an event and the version that it makes, which share their numbers, the event comes first
    clock, flow, action = (
        np.concatenate([getattr(rows, name) for rows in (*trace.rows, *versions)])
        for name in ("clock", "flow", "action")
    )
    events = trace.events
    order = time_order(clock, flow.astype(np.uint64), action.astype(np.int64))
    places = np.empty(len(order), np.int64)
    places[order] = np.cumsum(order < events)
    return np.split(places[events:], np.cumsum([len(rows.number) for rows in versions])[:-1])
