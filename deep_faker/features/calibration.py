"""Rates of flows from the numbers of events that are wanted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deep_faker.compile import FlowDeclaration
from deep_faker.compile.expected.visits import Visits, per_session
from deep_faker.declare.rates import MOST, per_second
from deep_faker.errors import DeclarationError, Diagnostic, near
from deep_faker.features.expectations import expectations
from deep_faker.plan import FlowTable, Plan
from deep_faker.spans import Span

_CLOSE = 1e-6  # of what is wanted: nearer than this, it is met


@dataclass(frozen=True)
class NewRate:
    """A flow's rate ``before`` and ``after``, as they are written: ``"1200/h"``."""

    flow: str
    before: str
    after: str


@dataclass(frozen=True)
class Calibration:
    """What `Simulation.calibrate` finds.

    ``rates``, and of each event type what is ``wanted`` in the run, what it had ``before``, and what it has
    with the new rates (``expected``). ``print`` shows it.
    """

    rates: tuple[NewRate, ...]
    wanted: Mapping[str, float]
    before: Mapping[str, float]
    expected: Mapping[str, float]

    def __str__(self) -> str:
        lines = ["rates"]
        lines += [f"  {rate.flow}: {rate.before} → {rate.after}" for rate in self.rates]
        lines += ["events in the run, on average"]
        lines += [
            f"  {name}: {self.before[name]:,.2f} → {self.expected[name]:,.2f}, wanted {goal:,.2f}"
            for name, goal in self.wanted.items()
        ]
        return "\n".join(lines)

    def applied(self, flows: Sequence[FlowDeclaration]) -> list[FlowDeclaration]:
        """The declarations, with the new rates."""
        new = {rate.flow: rate.after for rate in self.rates}
        return [
            replace(flow, rate=per_second(new[flow.name], flow.span), rate_text=new[flow.name])
            if flow.name in new
            else flow
            for flow in flows
        ]


def calibrate(plan: Plan, wanted: Mapping[type | str, object], span: Span | None) -> Calibration:
    """The rates with which a run of the plan has so many events on average, nearest to those that are there.

    ``wanted``: event type → ``"12000/day"`` or a number in the whole run. Raises `DeclarationError`, with the
    arithmetic, for what no rates can give.
    """
    goals = {_name(event): _in_run(event, value, plan, span) for event, value in wanted.items()}
    if not goals:
        raise _refused(span, "nothing is wanted", 'write sim.calibrate({OrderPlaced: "12000/day"})')
    for name in goals:
        _require_told(plan, name, span)
    makers = [flow for flow in plan.flows if set(per_session(plan, flow).visits) & set(goals)]
    areas = [_area(plan, flow) for flow in makers]
    visits = [per_session(plan, flow).visits for flow in makers]
    table = np.array(
        [
            [each[name].low * area if name in each else 0.0 for each, area in zip(visits, areas, strict=True)]
            for name in goals
        ]
    )
    goal = np.array(list(goals.values()))
    now = np.array([flow.rate.per_second for flow in makers if flow.rate is not None])
    # the least change, in proportion to what is there: a rate of 0 has none
    scale = np.where(now > 0, now, max(now.max(), 1e-9)) if len(now) else now
    size = np.where(goal > 0, goal, 1.0)[:, None]
    step, *_ = np.linalg.lstsq(table * scale / size, (goal - table @ now) / size[:, 0], rcond=1e-10)
    new = now + scale * step
    new[np.abs(new) < 1e-12 * scale] = 0.0
    _require_met(goals, table, new, visits, [flow.name for flow in makers], span)
    rates = [
        NewRate(flow.name, flow.rate.text, _written(rate, flow.rate.text))
        for flow, rate in zip(makers, new.tolist(), strict=True)
        if flow.rate is not None
    ]
    used = np.array([per_second(rate.after, span) for rate in rates])
    before, after = (dict(zip(goals, (table @ of).tolist(), strict=True)) for of in (now, used))
    return Calibration(tuple(rates), goals, before, after)


def require_conversion(plan: Plan, wanted: Mapping[Any, float], span: Span | None) -> None:
    """Raise `DeclarationError` where there are not so many of the second event for each of the first.

    It names the one ``random() < p`` of the flow that decides it, and which ``p`` would do.
    """
    for pair, ratio in wanted.items():
        if not (isinstance(pair, tuple) and len(pair) == 2) or not _is_number(ratio):
            raise _refused(span, f"conversion={{{pair!r}: {ratio!r}}}", "write {(Visit, Order): 0.05}")
        first, second = map(_name, pair)
        flows = [flow for flow in plan.flows if {first, second} <= set(per_session(plan, flow).visits)]
        for name in (first, second):
            _require_told(plan, name, span, per_session_only=True)
            makers = [flow.name for flow in plan.flows if name in per_session(plan, flow).visits]
            if len(flows) != 1 or makers != [flows[0].name]:
                label = f"{first} and {second} come not of one flow alone: {name} of {', '.join(makers)}"
                raise _refused(span, label, "give their numbers instead: sim.calibrate({…})")
        _require_ratio(plan, flows[0], (first, second), float(ratio), span)


def _require_ratio(
    plan: Plan, flow: FlowTable, pair: tuple[str, str], ratio: float, span: Span | None
) -> None:
    first, second = pair

    def at(chances: dict[tuple[str, int, int], float]) -> float:
        """The ratio with these chances; NaN where it hangs on more than them."""
        visits = per_session(plan, flow, chances).visits
        many, few = (visits.get(name, Visits(0.0, 0.0)) for name in pair)
        if many.low != many.high or few.low != few.high:
            return math.nan
        return few.high / many.high if many.high else 0.0

    now = at({})
    if math.isclose(now, ratio, rel_tol=1e-3):
        return
    places = per_session(plan, flow).chances
    deciding = [
        place for place in places if not math.isclose(at({place: 0.01}), at({place: 0.99}), rel_tol=1e-9)
    ]
    label = f"{flow.name} has {now:.4g} {second} for each {first}, not {ratio:g}"
    if len(deciding) != 1 or math.isnan(at({deciding[0]: 0.5})):
        lines = ", ".join(str(place[1]) for place in deciding) or "none"
        raise _refused(span, label, f"change a chance in its code: lines that decide it: {lines}")
    (place,) = deciding
    least, most = 1e-9, 1 - 1e-9
    rises = at({place: most}) > at({place: least})
    bounds = sorted((at({place: least}), at({place: most})))
    if not bounds[0] <= ratio <= bounds[1]:
        mend = f"that chance alone gives {round(bounds[0], 6):g} to {round(bounds[1], 6):g}"
        raise _refused(places[place], label, mend)
    for _ in range(50):
        middle = (least + most) / 2
        least, most = (middle, most) if (at({place: middle}) < ratio) is rises else (least, middle)
    raise _refused(places[place], label, f"a chance of {least:.6g} here would do")


def _require_told(plan: Plan, name: str, span: Span | None, *, per_session_only: bool = False) -> None:
    """Only flows whose table, and whose rate, alone say how many there are make events of this type."""
    told = expectations(plan)
    rows = told.frame.rows(named=True)
    mine = [row for row in rows if row["event"] == name]
    if not mine:
        label = f"no flow emits {name}"
        raise _refused(span, label, near(name, sorted({row["event"] for row in rows}), "the simulation"))
    flows = {flow.name: flow for flow in plan.flows}
    for row in mine:
        flow = flows.get(row["flow"])
        lines = ", ".join(map(str, told.unknown.get(row["flow"], ())))
        if flow is None:
            why, mend = f"{row['high']:g} {name} are of initial entities", "leave it out"
        elif flow.rate is None and not per_session_only:
            why, mend = f"{flow.name} emits {name} and has no rate of its own", 'give it one: rate="100/h"'
        elif row["each_low"] != row["each_high"]:
            why = f"{flow.name} emits {row['each_low']:g} to {row['each_high']:g} {name} a session"
            mend = f"its table does not tell how many: line {lines}"
        elif row["sessions_low"] != row["sessions_high"] and not per_session_only:
            why = f"{flow.name} has {row['sessions_low']:g} to {row['sessions_high']:g} sessions"
            mend = "arrivals are turned away, cut or come in bursts: no filter, n_flows, on_end='cut', Hawkes"
        else:
            continue
        raise _refused(span, why, mend)


def _require_met(
    goals: Mapping[str, float],
    table: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    new: np.ndarray[tuple[int], np.dtype[np.float64]],
    visits: Sequence[Mapping[str, object]],
    flows: Sequence[str],
    span: Span | None,
) -> None:
    for flow, rate in zip(flows, new.tolist(), strict=True):
        if not 0 <= rate <= MOST:
            label = f"the rate of {flow} would have to be {rate:.4g}/s"
            raise _refused(span, label, "want less of what it makes beside others, or more")
    got = table @ new
    goal = np.array(list(goals.values()))
    if (np.abs(got - goal) > _CLOSE * np.maximum(goal, 1e-9)).any():
        made = "; ".join(
            f"a session of {flow} has "
            + ", ".join(f"{getattr(each[name], 'low', 0):.4g} {name}" for name in goals if name in each)
            for flow, each in zip(flows, visits, strict=True)
        )
        near_it = ", ".join(f"{one:,.1f} {name}" for name, one in zip(goals, got.tolist(), strict=True))
        want = ", ".join(f"{one:,.1f} {name}" for name, one in goals.items())
        raise _refused(span, f"no rates give {want} in the run: {made}", f"the nearest is {near_it}")


def _area(plan: Plan, flow: FlowTable) -> float:
    """Sessions in the run for each arrival a second."""
    if flow.rate is None:
        return 0.0
    return flow.rate.curve.area(plan.settings.start, plan.settings.end) / 1e6


def _written(rate: float, before: str) -> str:
    """A rate in the unit of the one before."""
    unit = before.partition("/")[2].strip()
    return f"{rate / per_second(f'1/{unit}', None):.9f}".rstrip("0").rstrip(".") + f"/{unit}"


def _in_run(event: type | str, value: object, plan: Plan, span: Span | None) -> float:
    if isinstance(value, str):
        return per_second(value, span) * plan.settings.duration / 1e6
    if not _is_number(value):
        mend = 'write how many in which time, "12000/day", or a number in the whole run'
        raise _refused(span, f"{_name(event)}: {value!r}", mend)
    return float(value)  # type: ignore[arg-type]  # it is a number


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf


def _name(event: type | str) -> str:
    return event if isinstance(event, str) else event.__name__


def _refused(span: Span | None, label: str, mend: str) -> DeclarationError:
    return DeclarationError(Diagnostic("cannot be calibrated", span, label, mend))
