"""What engines hand on: one stretch of simulated time, as columns.

No event has its free fields yet, because they are pure functions of (flow number, action number) and are
filled later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]
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
class Trace:
    """All that happened before ``until`` (µs) and after the previous chunk, unsorted inside."""

    until: int
    rows: list[SiteRows]
    ended: list[EndedFlows]
    versions: list[Versions]
