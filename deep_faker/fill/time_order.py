"""The order of time (T9) within a trace: of each event type's rows, which come site by site, and of all."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from deep_faker import loops
from deep_faker.draws.mix import Draws
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
    # in T9 order: where each is among the events of all types, if that is asked for
    places: Array | None = None

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

    def cut(self, first: int, last: int) -> Part:
        """The rows from place ``first`` in T9 order up to ``last``."""
        if first == 0 and last == len(self.flow):
            return self
        taken = np.arange(first, last) if self.order is None else self.order[first:last]
        order, begin, done = np.empty(len(taken), np.int64), 0, 0
        rows: list[SiteRows] = []
        for each in self.rows:
            end = begin + len(each.flow)
            here = np.flatnonzero((taken >= begin) & (taken < end))
            if len(here):
                rows.append(each.taken(taken[here] - begin))
                order[here] = np.arange(done, done + len(here))
                done += len(here)
            begin = end
        places = None if self.places is None else self.places[first:last]
        return Part(rows, *_joined(rows), None if len(rows) == 1 else order, self.before + first, places)


@dataclass(slots=True)
class Arranged:
    """The events of a trace before their columns are there: they can be counted and cut; nothing is drawn.

    ``order``: the place in ``names`` of the type of each event in T9 order.
    """

    parts: dict[str, Part]
    order: Array  # uint16
    names: tuple[str, ...]
    # of each type, in T9 order: the place of each event among all, from 1 on, where that is known already
    ranks: Mapping[str, Array] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.order)

    def place(self, earlier: int, draws: Draws, untold: Collection[str] = ()) -> None:
        """Note each event's ``sys__order``, after so many ``earlier`` ones; ``untold`` types have none."""
        if self.ranks and not untold:
            for name, part in self.parts.items():
                part.places = order_in_run(self.ranks[name] + earlier, draws)
            return
        place = np.arange(1, 1 + len(self.order))
        if untold:
            place = np.cumsum(~np.isin(self.order, [self.names.index(name) for name in untold]))
        for name, part in self.parts.items():
            part.places = order_in_run(place[self.order == self.names.index(name)] + earlier, draws)

    def only(self, names: tuple[str, ...]) -> Arranged:
        """The events of these types."""
        if names == self.names:
            return self
        codes = np.array([names.index(name) if name in names else len(names) for name in self.names])
        order = codes[self.order]
        parts = {name: part for name, part in self.parts.items() if name in names}
        return Arranged(parts, order[order < len(names)].astype(np.uint16), names)

    def cut(self, first: int, last: int) -> Arranged:
        """The events from place ``first`` in T9 order up to ``last``."""
        n = len(self.names)
        before = np.bincount(self.order[:first], minlength=n).tolist()
        order = self.order[first:last]
        counts = np.bincount(order, minlength=n).tolist()
        parts = {
            name: self.parts[name].cut(start, start + rows)
            for name, start, rows in zip(self.names, before, counts, strict=True)
            if rows
        }
        return Arranged(parts, order, self.names)


def arranged(trace: Trace, sites: Sequence[Site], names: tuple[str, ...]) -> Arranged:
    """The events of the types ``names``."""
    by_event: dict[str, list[SiteRows]] = {}
    for rows in trace.rows:
        if len(rows.flow):
            by_event.setdefault(sites[rows.site].event, []).append(rows)
    groups = [(name, by_event[name]) for name in names if name in by_event]
    if not groups:
        return Arranged({}, np.empty(0, np.uint16), names)
    joined = {name: _joined(group) for name, group in groups}
    codes = {name: names.index(name) for name, _ in groups}
    parts: dict[str, Part] = {}
    compiled = loops.loop("in_types")
    if trace.sites is not None and len(groups) == len(by_event) and compiled is not None:
        return _by_type(trace.sites, groups, joined, names, compiled)
    if trace.sites is not None:
        in_order = trace.sites if len(groups) == len(by_event) else _sites_of(groups, trace.sites)
        code_of = np.zeros(int(in_order.max()) + 1, np.uint16)
        for name, group in groups:
            code_of[[rows.site for rows in group]] = codes[name]
        order = np.take(code_of, in_order)
        for name, group in groups:
            positions = None if len(group) == 1 else _merged(group, in_order[order == codes[name]])
            parts[name] = Part(group, *joined[name], order=positions)
        return Arranged(parts, order, names)
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
    return Arranged(parts, order, names)


def _by_type(
    sites: Array,
    groups: Sequence[tuple[str, list[SiteRows]]],
    joined: Mapping[str, tuple[Array, Array, Array]],
    names: tuple[str, ...],
    compiled: loops.Loop,
) -> Arranged:
    """The same, where sites say which event comes when: by one loop of the kernel over them."""
    n, known = len(sites), 1 + max(rows.site for _, group in groups for rows in group)
    types, first_rows = np.zeros(known, np.int64), np.zeros(known, np.int64)
    counts = np.zeros(len(names), np.int64)
    for name, group in groups:
        code = names.index(name)
        for rows in group:
            types[rows.site], first_rows[rows.site] = code, counts[code]
            counts[code] += len(rows.flow)
    ends = np.cumsum(counts)
    places = ends - counts
    order, ranks = np.empty((2, n), np.int64)
    sites = np.ascontiguousarray(sites)
    addresses = (array.ctypes.data for array in (types, first_rows, places, order, ranks))
    compiled(sites.ctypes.data, n, *addresses)
    parts, ranks_of = {}, {}
    for name, group in groups:
        code = names.index(name)
        mine = slice(int(ends[code] - counts[code]), int(ends[code]))
        parts[name] = Part(group, *joined[name], order=None if len(group) == 1 else order[mine])
        ranks_of[name] = ranks[mine]
    return Arranged(parts, np.take(types.astype(np.uint16), sites), names, ranks_of)


def _sites_of(groups: Collection[tuple[str, list[SiteRows]]], sites: Array) -> Array:
    """Of the sites of all events in T9 order, those of these groups."""
    kept = np.zeros(int(sites.max()) + 1, bool)
    kept[[rows.site for _, group in groups for rows in group]] = True
    return sites[kept[sites]]


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


def order_in_run(place: Array, draws: Draws) -> Array:
    """``sys__order`` of the places of events in a part, from 1 on: no other part has the same. 0 stays 0.

    >>> order_in_run(np.array([0, 1, 2]), Draws(7, partition=2, partitions=10)).tolist()
    [0, 3, 13]
    """
    if draws.partitions == 1:
        return place
    return np.where(place > 0, (place - 1) * draws.partitions + draws.partition + 1, 0)


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
