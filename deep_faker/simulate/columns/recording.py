"""What happened, gathered batch by batch and handed on as a `Trace`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from deep_faker.plan import Array, EndedFlows, Plan, Site, SiteRows, Trace, Versions
from deep_faker.plan.storage import from_python
from deep_faker.simulate.arrays import EMPTY, I64, joined

if TYPE_CHECKING:
    from deep_faker.simulate.columns.decision_log import DecisionLog

# flow, action, clock, values by field, entity numbers by field
LiveRow = tuple[int, int, int, "dict[str, object]", "dict[str, int]"]


class SiteLog:
    """The events of one site: a list of batches, each a tuple of parallel arrays.

    ``layout`` names the arrays after (flow, action, clock): values, their null masks, entity numbers.
    """

    def __init__(self, site: Site, plan: Plan) -> None:
        self.site = site
        self.values = tuple(site.bound)
        self.nulls = tuple(name for name, type_ in site.bound.items() if type_.optional)
        self.keys = tuple(site.keys)
        if site.save is not None:
            # The key of the new entity itself, where it follows from the entity's number.
            key = plan.entities[site.save].spec.primary_key
            if key in plan.events[site.event].by_name and key not in site.bound and key not in site.keys:
                self.keys = (*self.keys, key)
        self.batches: list[tuple[Array, ...]] = []
        self.rows: list[LiveRow] = []
        self.texts = plan.texts

    def take(self) -> SiteRows | None:
        """All events since the last call. A site belongs to one flow: live or not, never both."""
        if self.rows:
            rows, self.rows = self.rows, []
            return self._live(rows)
        if not self.batches:
            return None
        columns = [joined(parts) for parts in zip(*self.batches, strict=True)]
        self.batches.clear()  # the same list: generated code holds on to it
        flow, action, clock = columns[:3]
        first = 3
        groups: list[dict[str, Array]] = []
        for names in (self.values, self.nulls, self.keys):
            groups.append(dict(zip(names, columns[first : first + len(names)], strict=True)))
            first += len(names)
        return SiteRows(self.site.number, flow, action, clock, *groups)

    def _live(self, rows: list[LiveRow]) -> SiteRows:
        """Rows of Python values. Early fields are left to the columns, which make the same values."""
        flow, action, clock, values, keys = zip(*rows, strict=True)
        columns: dict[str, Array] = {}
        nulls: dict[str, Array] = {}
        for name in values[0]:
            python = [row[name] for row in values]
            columns[name], mask = from_python(python, self.site.bound[name], self.texts)
            if mask is not None:
                nulls[name] = mask
        numbers = {name: np.array([row[name] for row in keys], np.int64) for name in keys[0]}
        who = np.array(flow, np.uint64), np.array(action, np.int64), np.array(clock, np.int64)
        return SiteRows(self.site.number, *who, columns, nulls, numbers)


class Recorder:
    """All logs of a run; cut at the end of a step."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.sites = {site.number: SiteLog(site, plan) for site in plan.sites}
        self.ended: list[EndedFlows] = []
        self.versions: dict[str, list[Versions]] = {name: [] for name in plan.entities}
        self.rows = 0
        self.decisions: list[DecisionLog] = []  # where they are logged: one for each place that decides
        self.turn = 0

    def log_of(self, site: Site) -> SiteLog:
        """The log of a site, which a live flow may just have made."""
        if site.number not in self.sites:
            self.sites[site.number] = SiteLog(site, self.plan)
        return self.sites[site.number]

    def take(self, until: int) -> Trace:
        """Everything since the last cut."""
        rows = [taken for log in self.sites.values() if (taken := log.take()) is not None]
        ended = [_joined_ended(self.ended)] if self.ended else []
        versions = [_sorted_versions(parts) for parts in self.versions.values() if parts]
        self.ended = []
        self.versions = {name: [] for name in self.versions}
        self.rows = 0
        told = [each for decisions in self.decisions if (each := decisions.take()) is not None]
        return Trace(until, rows, ended, versions, decisions=told)


def _joined_ended(parts: Sequence[EndedFlows]) -> EndedFlows:
    if len(parts) == 1:
        return parts[0]
    names = ["flow", "table", "started", "ended", "outcome", "line", "events"]
    if parts[0].waited is not None:
        names.append("waited")
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    held = {entity: joined_lists([part.held[entity] for part in parts]) for entity in parts[0].held}
    return EndedFlows(**columns, held=held)


def joined_lists(parts: Sequence[tuple[I64, I64]]) -> tuple[I64, I64]:
    """List columns (offsets, items) one below the other."""
    offsets, base = [np.zeros(1, np.int64)], 0
    for ends, items in parts:
        offsets.append(ends[1:] + base)
        base += len(items)
    return np.concatenate(offsets), np.concatenate([items for _, items in parts]) if parts else EMPTY


def _sorted_versions(parts: Sequence[Versions]) -> Versions:
    """One table of versions, in the order (entity, clock, flow, action)."""
    first = parts[0]
    number, clock, flow, action = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("number", "clock", "flow", "action")
    )
    order = np.lexsort((action, flow, clock, number))
    return Versions(
        first.entity,
        number[order],
        clock[order],
        flow[order],
        action[order],
        np.concatenate([part.is_event for part in parts])[order],
        {name: np.concatenate([part.values[name] for part in parts])[order] for name in first.values},
        {name: np.concatenate([part.nulls[name] for part in parts])[order] for name in first.nulls},
    )
