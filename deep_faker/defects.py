"""Defects: what goes wrong with events on their way, each with a row in the answer key ``truth/defects``.

``Simulation(..., defects=Defects(late=Late(0.05, Exponential(minutes=20)), duplicate=0.01))``.
"""

from deep_faker.declare.defects import (
    ClockSkew,
    Defects,
    Drop,
    Duplicate,
    Evolve,
    Exactly,
    Late,
    Null,
    Typo,
    Unit,
)

__all__ = [
    "ClockSkew",
    "Defects",
    "Drop",
    "Duplicate",
    "Evolve",
    "Exactly",
    "Late",
    "Null",
    "Typo",
    "Unit",
]
