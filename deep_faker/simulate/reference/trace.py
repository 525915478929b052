"""What a run by the reference engine did, gathered row by row and handed on as columns."""

from __future__ import annotations

import numpy as np

from deep_faker.plan import OUTCOMES, Array, EndedFlows, NewKeys, Plan, Site, SiteRows, Trace, Versions
from deep_faker.plan.storage import from_python
from deep_faker.simulate.live.flows import LiveFlow
from deep_faker.simulate.live.requests import Ended
from deep_faker.simulate.live.sites import Sites

_Event = tuple[int, int, int, dict[str, object], dict[str, int]]
_Version = tuple[int, int, int, int, bool, dict[str, object]]


class TraceLog:
    """Rows since the last cut."""

    def __init__(self, plan: Plan, sites: Sites) -> None:
        self.plan, self.sites = plan, sites
        self._empty()

    def _empty(self) -> None:
        self.rows = 0
        self._events: dict[int, list[_Event]] = {}
        self._ended: list[tuple[LiveFlow, Ended, list[tuple[str, int]], int]] = []
        self._versions: dict[str, list[_Version]] = {}

    def event(
        self, site: Site, flow: int, action: int, clock: int, values: dict[str, object], keys: dict[str, int]
    ) -> None:
        """One event: values of its bound fields, and numbers of the entities whose keys it has."""
        self.rows += 1
        self._events.setdefault(site.number, []).append((flow, action, clock, values, keys))

    def ended(self, flow: LiveFlow, ended: Ended, taken: list[tuple[str, int]]) -> None:
        """A flow that ended, and the entities that it took, in order."""
        self.rows += 1
        self._ended.append((flow, ended, list(taken), flow.events))

    def version(
        self,
        entity: str,
        number: int,
        clock: int,
        flow: int,
        action: int,
        state: dict[str, object],
        *,
        by_event: bool,
    ) -> None:
        """The state of an entity after an event or change."""
        self.rows += 1
        self._versions.setdefault(entity, []).append((number, clock, flow, action, by_event, state))

    def cut(self, until: int, keys: list[NewKeys]) -> Trace:
        """The rows as columns, with the keys that are new; they start afresh."""
        rows = [
            self._site_rows(self.sites[number], events) for number, events in sorted(self._events.items())
        ]
        ended = [self._ended_rows()] if self._ended else []
        versions = [self._version_rows(name, listed) for name, listed in self._versions.items()]
        self._empty()
        return Trace(until, rows, ended, versions, keys)

    def _site_rows(self, site: Site, events: list[_Event]) -> SiteRows:
        flow, action, clock, values, keys = zip(*events, strict=True)
        columns: dict[str, Array] = {}
        nulls: dict[str, Array] = {}
        # Early fields are left to the columns, which make the same values.
        for name in values[0]:
            columns[name], mask = from_python(
                [row[name] for row in values], site.bound[name], self.plan.texts
            )
            if mask is not None:
                nulls[name] = mask
        numbers = {name: np.array([row[name] for row in keys], np.int64) for name in keys[0]}
        return SiteRows(
            site.number,
            np.array(flow, np.uint64),
            np.array(action, np.int64),
            np.array(clock, np.int64),
            columns,
            nulls,
            numbers,
        )

    def _ended_rows(self) -> EndedFlows:
        held = {}
        for name in self.plan.entities:
            lists = [[number for entity, number in taken if entity == name] for _, _, taken, _ in self._ended]
            offsets = np.cumsum([0, *map(len, lists)], dtype=np.int64)
            held[name] = offsets, np.array([number for one in lists for number in one], np.int64)
        return EndedFlows(
            flow=np.array([flow.number for flow, *_ in self._ended], np.uint64),
            table=np.array([flow.table.number for flow, *_ in self._ended], np.int64),
            started=np.array([flow.started for flow, *_ in self._ended], np.int64),
            ended=np.array([ended.clock for _, ended, *_ in self._ended], np.int64),
            outcome=np.array([OUTCOMES.index(ended.outcome) for _, ended, *_ in self._ended], np.int64),
            line=np.array([ended.line for _, ended, *_ in self._ended], np.int64),
            events=np.array([events for *_, events in self._ended], np.int64),
            held=held,
            waited=np.array([flow.waited for flow, *_ in self._ended], np.int64)
            if self.plan.queues
            else None,
        )

    def _version_rows(self, entity: str, rows: list[_Version]) -> Versions:
        number, clock, flow, action, is_event, states = zip(*rows, strict=True)
        columns: dict[str, Array] = {}
        nulls: dict[str, Array] = {}
        for column in self.plan.entities[entity].columns:
            if column.lazy:
                continue
            listed = [state[column.name] for state in states]
            columns[column.name], mask = from_python(listed, column.type, self.plan.texts)
            if mask is not None:
                nulls[column.name] = mask
        return Versions(
            entity,
            np.array(number, np.int64),
            np.array(clock, np.int64),
            np.array(flow, np.uint64),
            np.array(action, np.int64),
            np.array(is_event, np.bool_),
            columns,
            nulls,
        )
