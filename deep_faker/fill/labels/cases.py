"""Events that are anomalies, the reports about them, and the verdicts of those who look at reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from deep_faker.declare.labels import Labels
from deep_faker.draws.mix import Draws, mix_unit
from deep_faker.errors import Diagnostic, SettingsError
from deep_faker.fill.arrival import delayed, instants
from deep_faker.fill.defects.arrival_order import ArrivalOrder
from deep_faker.fill.defects.batch import one_array
from deep_faker.fill.defects.dirt import Arrivals
from deep_faker.fill.time_order import Arranged, Part
from deep_faker.plan import Array, Site, arrow
from deep_faker.plan.parts import WorldPart
from deep_faker.write import EventChunk

DAY = 86_400_000_000
_TEXT, _TIME = pa.string(), pa.timestamp("us")
_EVENT = [
    pa.field("sys__eid", _TEXT, nullable=False, metadata={"hint": "id"}),
    pa.field("event_type", _TEXT, nullable=False, metadata={"hint": "low"}),
    pa.field("sys__sid", _TEXT, nullable=False, metadata={"hint": "text"}),
]
ANOMALIES = pa.schema(
    [
        *_EVENT,
        pa.field("kind", _TEXT, nullable=False, metadata={"hint": "low"}),
        pa.field("flow", _TEXT, nullable=False, metadata={"hint": "low"}),
        pa.field("sys__time", _TIME, nullable=False, metadata={"hint": "time"}),
        pa.field("sys__order", pa.int64(), nullable=False, metadata={"hint": "time"}),
    ]
)
"""``truth/anomalies``: each event of a flow that is an anomaly."""
REPORTS = pa.schema(
    [
        *_EVENT,
        pa.field("anomaly", pa.bool_(), nullable=False, metadata={"hint": "low"}),
        pa.field("reported_at", _TIME, nullable=False, metadata={"hint": "time"}),
    ]
)
LABELS = REPORTS.append(pa.field("known_at", _TIME, nullable=False, metadata={"hint": "time"}))
"""``labels``: what was said of an event, and from when on that is known."""


class Cases:
    """The anomalies and labels of one run: a pure function of its events, whatever chunks they come in."""

    def __init__(self, labels: Labels, draws: Draws) -> None:
        self._labels, self._draws = labels, draws
        self._waiting = ArrivalOrder(("labels",))
        self._day, self._done = 0, 0  # the day of the last verdict, and how many it has
        self._capacity = _share(labels, draws)

    def take(
        self, chunk: EventChunk, events: Arranged, sites: Sequence[Site], until: int
    ) -> dict[str, pa.Table]:
        """Rows of ``truth/anomalies`` and ``labels``: the verdicts on what was reported before ``until``."""
        truths: list[pa.Table] = []
        reports: dict[str, Arrivals] = {}
        for name, part in events.parts.items():
            kinds = self._kinds(part, sites)
            table = chunk.tables[name]
            found = np.flatnonzero(kinds >= 0)
            if len(found):
                truths.append(self._truth(name, table, part, kinds, found))
            if not self._labels.events or name in self._labels.events:
                reports[name] = self._reports(name, chunk, part, kinds >= 0)
        for rows in reports.values():
            self._waiting.add({"labels": rows})
        return {"truth/anomalies": _by_place(truths), "labels": self._judged(self._waiting.until(until))}

    def rest(self) -> dict[str, pa.Table]:
        """The verdicts on what is reported after the last event."""
        judged = self._judged(self._waiting.rest())
        return {"truth/anomalies": ANOMALIES.empty_table(), "labels": judged}

    def _kinds(self, part: Part, sites: Sequence[Site]) -> Array:
        """For each event in T9 order: which of the flows that are anomalies it is of; -1: of none."""
        names = list(self._labels.anomalies)
        of = [names.index(f) if (f := sites[rows.site].flow) in names else -1 for rows in part.rows]
        return part.sorted(np.repeat(of, [len(rows.flow) for rows in part.rows]))

    def _truth(self, name: str, table: pa.Table, part: Part, kinds: Array, found: Array) -> pa.Table:
        at = arrow.numbers(found)
        flows = arrow.texts(list(self._labels.anomalies))
        said = arrow.texts(list(self._labels.anomalies.values()))
        of = arrow.numbers(np.ascontiguousarray(kinds[found], np.int64))
        assert part.places is not None
        columns = [
            one_array(table["sys__eid"]).take(at),
            arrow.texts([name]).take(arrow.numbers(np.zeros(len(found), np.int64))),
            one_array(table["sys__sid"]).take(at),
            said.take(of),
            flows.take(of),
            instants(part.sorted(part.clock)[found]),
            arrow.numbers(part.places[found]),
        ]
        return pa.table(columns, schema=ANOMALIES)

    def _reports(self, name: str, chunk: EventChunk, part: Part, anomaly: Array) -> Arrivals:
        flow = part.sorted(part.flow).astype(np.uint64)
        action = part.sorted(part.action).astype(np.uint64)
        told = mix_unit(self._draws.key("label", "reported"), flow, action)
        rows = np.flatnonzero(
            np.where(anomaly, told >= self._labels.missed, told < self._labels.false_alarms)
        )
        stamps = chunk.stamps[name]
        known = stamps["available_time" if "available_time" in stamps.column_names else "sys__time"]
        flow, action = flow[rows], action[rows]
        at = one_array(known).cast(pa.int64()).to_numpy()[rows] + delayed(
            self._labels.delay, self._draws.key("label", "delay"), flow, action
        )
        wrong = mix_unit(self._draws.key("label", "wrong"), flow, action) < self._labels.wrong
        taken = arrow.numbers(rows)
        columns = [
            one_array(chunk.tables[name]["sys__eid"]).take(taken),
            arrow.texts([name]).take(arrow.numbers(np.zeros(len(rows), np.int64))),
            one_array(chunk.tables[name]["sys__sid"]).take(taken),
            arrow.numbers(anomaly[rows] != wrong),
            instants(at),
        ]
        assert part.places is not None
        table = pa.table(columns, schema=REPORTS)
        return Arrivals(table, at, part.places[rows], np.zeros(len(rows), np.int64))

    def _judged(self, chunk: EventChunk) -> pa.Table:
        """The next reports with the instants of their verdicts: first come, first served."""
        reports = chunk.tables.get("labels")
        if reports is None:
            return LABELS.empty_table()
        told = reports["reported_at"].cast(pa.int64()).to_numpy()
        if self._capacity is None:
            known = told
        else:
            # one after the other, as each waits for those before it: 0.3 µs a report, of which there are few
            known = np.array([self._verdict(at, self._capacity) for at in told.tolist()], np.int64)
        return pa.table([*reports.columns, instants(known)], schema=LABELS)

    def _verdict(self, reported: int, capacity: int) -> int:
        """When a report is judged: the n-th of a day not before so much of the day is over."""
        if reported // DAY > self._day:
            self._day, self._done = reported // DAY, 0
        if self._done == capacity:
            self._day, self._done = self._day + 1, 0
        at = max(reported, self._day * DAY + self._done * DAY // capacity)
        self._done += 1
        return at

    # ------------------------------------------------ checkpoints

    def save(self) -> dict[str, Array]:
        """The reports that wait, and where the day is."""
        return {**self._waiting.save(), "day": np.array([self._day, self._done])}

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Go on from what `save` gave."""
        self._day, self._done = arrays["day"].tolist()
        self._waiting.load({name: array for name, array in arrays.items() if name != "day"})


def _by_place(pieces: list[pa.Table]) -> pa.Table:
    if not pieces:
        return ANOMALIES.empty_table()
    table = pa.concat_tables(pieces)
    return table.take(arrow.numbers(np.argsort(table["sys__order"].to_numpy(), kind="stable")))


def _share(labels: Labels, draws: Draws) -> int | None:
    """The cases a day of a part. Raises `SettingsError` where there are fewer than parts."""
    if labels.capacity is None:
        return None
    parts = draws.partitions
    share = WorldPart(draws.partition, parts).share(labels.capacity)
    if not share:
        label = f"capacity={labels.capacity} of {parts} parts: each looks at its own reports"
        raise SettingsError(Diagnostic("too few verdicts", None, label, "give each part one a day, or more"))
    return share
