"""Defects: what goes wrong with events on their way, each with a row in the answer key ``truth/defects``.

And labels: which flows are anomalies, and what is found out of them.

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
from deep_faker.declare.labels import Labels

__all__ = [
    "ClockSkew",
    "Defects",
    "Drop",
    "Duplicate",
    "Evolve",
    "Exactly",
    "Labels",
    "Late",
    "Null",
    "Typo",
    "Unit",
]
