"""How many events of each type a run has on average, and whether a run has about so many."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import polars as pl

from deep_faker.compile.expected.visits import PerSession, per_session
from deep_faker.errors import Diagnostic, SettingsError
from deep_faker.plan import FlowTable, Pick, Plan, Wait
from deep_faker.spans import caller_span

Bounds = tuple[float, float]


@dataclass(frozen=True)
class Expectations:
    """What `Simulation.expectations` gives.

    ``frame``: a row for each flow and event type that it emits: ``event``, ``flow``, ``sessions_low`` and
    ``sessions_high`` (in the run), ``each_low`` and ``each_high`` (events a session), ``low`` and ``high``
    (events in the run), all of them averages; ``variance`` of the events where it is known. Where low is less
    than high, the table does not tell it: it hangs on state, on who is free, or on Python code.
    ``unknown``: of each flow the lines that hang on such things.
    """

    frame: pl.DataFrame
    unknown: Mapping[str, tuple[int, ...]]

    def of(self, event: type | str) -> Bounds:
        """The least and the most events of a type in the run, on average."""
        rows = self.frame.filter(pl.col("event") == _name(event))
        return float(rows["low"].sum()), float(rows["high"].sum())

    def beside(self, observed: Any, *, false_alarm: float = 0.001) -> pl.DataFrame:
        """The events of a run, a `Dataset` or `RunReport`, beside what was to be expected.

        A row for each event type: ``low``, ``high``, ``observed``, ``z`` (how many standard deviations the
        run is off, where the average and the variance are known) and ``holds``: in a run that is as it should
        be, it is false for any of the types with at most the chance ``false_alarm``, as far as counts are
        normal. Beyond bounds it allows what a Poisson number would need.
        Raises `SettingsError` for a ``false_alarm`` that is no chance between 0 and 1.
        """
        if isinstance(false_alarm, bool) or not 0 < false_alarm < 1:
            label = f"false_alarm={false_alarm!r}"
            mend = "give a chance between 0 and 1, such as 0.001"
            raise SettingsError(Diagnostic("wrong false_alarm", caller_span(), label, mend))
        counts = _counts(observed)
        names = sorted({*self.frame["event"], *counts})
        limit = NormalDist().inv_cdf(1 - false_alarm / (2 * max(1, len(names))))
        rows = [self._beside(name, counts.get(name, 0), limit) for name in names]
        schema = {"event": pl.String, "low": pl.Float64, "high": pl.Float64, "observed": pl.Int64,
                  "z": pl.Float64, "holds": pl.Boolean}  # fmt: skip
        return pl.DataFrame(rows, schema=schema, orient="row")

    def _beside(self, name: str, count: int, limit: float) -> tuple[object, ...]:
        rows = self.frame.filter(pl.col("event") == name)
        low, high = self.of(name)
        if low == high and rows["variance"].null_count() == 0:
            spread = math.sqrt(float(rows["variance"].sum()))
            z = (count - low) / spread if spread else 0.0 if math.isclose(count, low) else math.inf
            return name, low, high, count, z, abs(z) <= limit
        inside = low - limit * math.sqrt(low) <= count <= high + limit * math.sqrt(high)
        return name, low, high, count, None, inside

    def __str__(self) -> str:
        lines = ["events in the run, on average"]
        events = self.frame["event"].unique().sort()
        lines += [f"  {said(*self.of(event)):>26}  {event}" for event in events]
        for flow, places in self.unknown.items():
            where = ", ".join(map(str, places))
            lines.append(f"{flow}: not told by the table alone: line {where}")
        return "\n".join(lines)


def said(low: float, high: float) -> str:
    """Bounds in words.

    >>> said(3, 3), said(0, 12000), said(5, float("inf"))
    ('3', '0 to 12,000', '5 or more')
    """
    if math.isclose(low, high, rel_tol=1e-12):
        return f"{low:,.6g}" if low < 1 else f"{low:,.10g}" if low == int(low) else f"{low:,.2f}"
    return f"{said(low, low)} or more" if math.isinf(high) else f"{said(low, low)} to {said(high, high)}"


def expectations(plan: Plan) -> Expectations:
    """The events of a run of the plan, on average."""
    of_flows = {flow.name: per_session(plan, flow) for flow in plan.flows}
    sessions = {flow.name: _sessions(plan, flow) for flow in plan.flows}
    for _ in plan.flows:  # one more of a chain of events and flows that they start is known each time
        sessions |= {
            flow.name: (0.0, _most(flow.on.event, plan, of_flows, sessions))
            for flow in plan.flows
            if flow.on is not None
        }
    rows: list[tuple[object, ...]] = []
    if plan.settings.emit_initial:
        rows += [
            (
                plan.sites[plan.initial_sites[entity]].event,
                None,
                1.0,
                1.0,
                float(n),
                float(n),
                float(n),
                float(n),
                0.0,
            )
            for entity, n in plan.settings.initial
            if entity in plan.initial_sites
        ]
    for flow in plan.flows:
        rows += _rows(flow, of_flows[flow.name], sessions[flow.name])
    names = (
        "event",
        "flow",
        "sessions_low",
        "sessions_high",
        "each_low",
        "each_high",
        "low",
        "high",
        "variance",
    )
    schema = dict.fromkeys(names, pl.Float64) | {"event": pl.String, "flow": pl.String}
    unknown = {name: tuple(sorted(one.unknown)) for name, one in of_flows.items() if one.unknown}
    return Expectations(pl.DataFrame(rows, schema=schema, orient="row"), unknown)


def _rows(flow: FlowTable, each: PerSession, sessions: Bounds) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for event, visits in each.visits.items():
        exact = sessions[0] == sessions[1] and visits.square is not None
        low, high = sessions[0] * visits.low, _times(sessions[1], visits.high)
        # sessions of a Poisson process: the variance of what they emit is that many times the mean square
        variance = sessions[0] * visits.square if exact and visits.square is not None else None
        rows.append((event, flow.name, *sessions, visits.low, visits.high, low, high, variance))
    return rows


def _sessions(plan: Plan, flow: FlowTable) -> Bounds:
    """How many sessions there are in the run, on average."""
    settings, rate = plan.settings, flow.rate
    if rate is None:
        nothing = flow.arrives is None and flow.weight == 0
        return 0.0, 0.0 if nothing else math.inf
    most = rate.expected(settings.start, settings.end)
    waits = any(isinstance(state.terminator, (Pick, Wait)) for state in flow.states) or flow.live is not None
    if flow.starts or settings.n_flows is not None or (settings.on_end == "cut" and waits):
        return 0.0, most  # some are turned away, or cut
    return most / rate.cluster, most


def _most(
    event: str, plan: Plan, of_flows: Mapping[str, PerSession], sessions: Mapping[str, Bounds]
) -> float:
    most = float(sum(n for entity, n in plan.settings.initial
                     if entity in plan.initial_sites
                     and plan.sites[plan.initial_sites[entity]].event == event))  # fmt: skip
    for name, each in of_flows.items():
        if event in each.visits:
            most += _times(sessions[name][1], each.visits[event].high)
    return most


def _times(sessions: float, each: float) -> float:
    return 0.0 if sessions == 0 or each == 0 else sessions * each


def _name(event: type | str) -> str:
    return event if isinstance(event, str) else event.__name__


def _counts(observed: Any) -> dict[str, int]:
    events = getattr(observed, "events", None)
    if isinstance(events, Mapping):
        return dict(events)
    return {name: observed.scan(name).select(pl.len()).collect().item() for name in observed}
