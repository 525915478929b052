"""What incidents touch: rows of ``truth/incidents``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Touched:
    """An incident, its instants in µs, and a flow or a rule of defects that it touches.

    ``usual``: how many arrivals of the flow there would be on average in that time; ``expected``: how many
    there are. Both None for rules.
    """

    incident: str
    cause: str
    start: int
    full_from: int
    full_until: int
    end: int
    factor: float
    kind: str  # flow or defect
    target: str
    usual: float | None = None
    expected: float | None = None
