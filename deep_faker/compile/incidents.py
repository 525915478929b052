"""Which flows and rules of defects an incident touches, and how much is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import mul

from deep_faker.compile.declare_flow import FlowDeclaration
from deep_faker.declare.seasons import Incident, Product, Season, curve_of, incidents_of
from deep_faker.plan.incidents import Touched
from deep_faker.plan.settings import Settings


def touched(flows: Sequence[FlowDeclaration], settings: Settings) -> tuple[Touched, ...]:
    """All that incidents of the simulation touch, by time."""
    rows = [*_flows(flows, settings), *_rules(settings)]
    return tuple(sorted(rows, key=lambda row: (row.start, row.incident, row.kind, row.target)))


def _flows(flows: Sequence[FlowDeclaration], settings: Settings) -> Iterator[Touched]:
    for flow in flows:
        for incident in incidents_of(flow.season):
            assert flow.rate is not None, "only rates have seasons"
            assert flow.season is not None
            begin, end = (min(max(at, settings.start), settings.end) for at in (incident.start, incident.end))
            usual, expected = (
                flow.rate * curve_of(season, settings.start, settings.last).area(begin, end) / 1e6
                for season in (_without(flow.season, incident), flow.season)
            )
            yield _row(incident, "flow", flow.name, usual, expected)


def _rules(settings: Settings) -> Iterator[Touched]:
    for rule in settings.defects.rules() if settings.defects is not None else ():
        if isinstance(rule.during, Incident):
            yield _row(rule.during, "defect", repr(rule))


def _without(season: Season, incident: Incident) -> Season | None:
    """The season, the incident left out once."""
    parts = list(season.parts) if isinstance(season, Product) else [season]
    parts.remove(incident)
    return reduce(mul, parts) if parts else None


def _row(
    incident: Incident, kind: str, target: str, usual: float | None = None, expected: float | None = None
) -> Touched:
    return Touched(
        incident.name,
        incident.cause,
        incident.start,
        incident.full_from,
        incident.full_until,
        incident.end,
        float(incident.factor),
        kind,
        target,
        usual,
        expected,
    )
