"""What may go wrong with events on their way: declared here, made by `deep_faker.fill.defects`."""

from deep_faker.declare.defects.defects import Defects, applies, check_defects, checked_defects
from deep_faker.declare.defects.rules import (
    ClockSkew,
    Drop,
    Duplicate,
    Exactly,
    Late,
    Null,
    Rule,
    Typo,
    Unit,
)
from deep_faker.declare.defects.schema_changes import Evolve

__all__ = [
    "ClockSkew",
    "Defects",
    "Drop",
    "Duplicate",
    "Evolve",
    "Exactly",
    "Late",
    "Null",
    "Rule",
    "Typo",
    "Unit",
    "applies",
    "check_defects",
    "checked_defects",
]
