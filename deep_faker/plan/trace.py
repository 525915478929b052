"""What engines hand on: one stretch of simulated time, as columns.

No event has its free fields yet, because they are pure functions of (flow number, action number) and are
filled later.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np

from deep_faker.plan.types import Array

OUTCOMES = ("completed", "decayed", "no_entity", "cut")


@dataclass(slots=True)
class SiteRows:
    """Events of one site: parallel columns. ``values``: storage arrays; ``nulls``: masks of optional ones."""

    site: int
    flow: Array  # uint64
    action: Array  # int64
    clock: Array  # int64 µs
    values: dict[str, Array]
    nulls: dict[str, Array]
    keys: dict[str, Array]  # field → entity numbers

    def taken(self, rows: Array) -> SiteRows:
        """These of the rows, in their order; views where they stand together."""
        first, last = int(rows[0]), int(rows[-1])
        together = last - first == len(rows) - 1 and bool((rows[1:] > rows[:-1]).all())
        which = slice(first, last + 1) if together else rows
        groups = (
            {name: array[which] for name, array in group.items()}
            for group in (self.values, self.nulls, self.keys)
        )
        return SiteRows(self.site, self.flow[which], self.action[which], self.clock[which], *groups)


@dataclass(slots=True)
class EndedFlows:
    """One row a flow that ended. ``held``: per entity type (offsets, entity numbers) as a list column."""

    flow: Array
    table: Array  # index into Plan.flows
    started: Array
    ended: Array
    outcome: Array  # index into OUTCOMES
    line: Array  # source line where it ended
    events: Array
    held: dict[str, tuple[Array, Array]]
    waited: Array | None = None  # µs in queues; None: the plan has none


@dataclass(slots=True)
class Versions:
    """History of one entity type: the state after each event or change, in T9 order per entity."""

    entity: str
    number: Array
    clock: Array
    flow: Array
    action: Array
    is_event: Array  # False: made by a bare SetState; no event id
    values: dict[str, Array]
    nulls: dict[str, Array]


@dataclass(slots=True)
class NewKeys:
    """Stored keys of one entity type: those of the entities from number ``first`` on, as Python objects.

    Those before ``first`` came with earlier traces; some of these may have come before, too.
    """

    entity: str
    first: int
    keys: Array


@dataclass(slots=True)
class DecisionRows:
    """Draws that decided something, of one place in a flow: parallel arrays.

    ``kind``: ``random`` or ``decay``, whose ``value`` is the chance of the second option, or ``choice``,
    whose ``value`` is the number of options, as likely as each other where ``chances`` does not say. ``turn``
    orders those of a flow at one instant; ``taken`` is the place of the option.
    """

    kind: str
    table: int  # index into Plan.flows
    line: int
    options: tuple[str, ...] | None
    chances: tuple[float, ...] | None
    turn: Array
    flow: Array
    clock: Array
    value: Array
    taken: Array


Drawn: TypeAlias = Mapping[str, Collection[str]]
"""Event types, and of each the fields whose values are wanted; nothing need be made of others."""


class RawTrace(Protocol):
    """A trace that may still have to be put together: the thread that writes does that, by `take`."""

    @property
    def until(self) -> int:
        """All before this instant (µs) has happened, and is in this trace or an earlier one."""
        ...

    @property
    def events(self) -> int:
        """How many events it has."""
        ...

    def take(self, drawn: Drawn | None = None) -> Trace:
        """The trace as columns; to be called once, on any one thread, whatever the engine does meanwhile.

        With ``drawn`` the values of other events and fields may be left out.
        """
        ...


@dataclass(slots=True)
class Trace:
    """All that happened before ``until`` (µs) and after the previous chunk.

    ``keys``: of entities born in it, where they are stored. ``sites``: the site of each event in T9 order, if
    the rows of each site are in that order, too (None: they are in any). ``decisions``: where they are kept.
    """

    until: int
    rows: list[SiteRows]
    ended: list[EndedFlows]
    versions: list[Versions]
    keys: list[NewKeys] = field(default_factory=list)
    sites: Array | None = None
    decisions: list[DecisionRows] = field(default_factory=list)

    @property
    def events(self) -> int:
        """How many events it has."""
        return sum(len(rows.flow) for rows in self.rows)

    def take(self, drawn: Drawn | None = None) -> Trace:
        """Itself: it is put together already (see `RawTrace`)."""
        del drawn
        return self


def packed_order(clock: Array) -> tuple[Array, int] | None:
    """Words of the clock, with the row's number in so many low bits, ascending; None where that is too wide.

    Sorted as values, which is several times faster than an argsort. Rows of one clock stay in their order.

    >>> words, bits = packed_order(np.array([5, 3, 5]))
    >>> (words & ((1 << bits) - 1)).tolist()
    [1, 0, 2]
    """
    n, low = len(clock), int(clock.min())
    bits = max(n - 1, 1).bit_length()
    if (int(clock.max()) - low) >> (63 - bits):
        return None
    words = clock - low
    words <<= bits
    words |= np.arange(n)
    words.sort()
    return words, bits
