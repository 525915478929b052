"""What the operators of `where` and of `SetState` have in common: one row each, with all that it takes.

A row says everything of its operator that does not belong to one engine alone; who needs one of its halves
for all operators makes a table from the rows. What a room adds by the operators' names, `check_rules` holds
to them: whatever is left out raises by the operator's name when the room is imported, not in somebody's run.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

LACKING: Any = object()  # no default, but the row says it with the operator's name

NUMBERS = ("int", "float", "decimal")
ORDERED = (*NUMBERS, "str", "datetime", "date", "time", "timedelta")
"""Kinds of fields whose values have an order."""


@dataclass(frozen=True, kw_only=True)
class Operator:
    """``name`` is what it is called inside, ``signs`` are its further spellings."""

    name: str
    signs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for half in fields(self):
            if getattr(self, half.name) is LACKING:
                raise TypeError(f"the operator {self.name} has no {half.name}")


Row = TypeVar("Row", bound=Operator)


def by_name(*rows: Row) -> dict[str, Row]:
    """The table of some rows. Raises `TypeError` where two operators are spelled alike."""
    known: set[str] = set()
    for row in rows:
        for spelling in (row.name, *row.signs):
            if spelling in known:
                raise TypeError(f"the operator {row.name} is spelled {spelling!r}, as another is")
            known.add(spelling)
    return {row.name: row for row in rows}


def spellings(rows: Mapping[str, Operator]) -> dict[str, str]:
    """Operator as it may be written → its one name inside."""
    return {spelling: row.name for row in rows.values() for spelling in (row.name, *row.signs)}


def check_rules(owner: str, rules: Collection[str], operators: Collection[str]) -> None:
    """Hold what ``owner`` knows of operators, by name, to the rows: each has its rule, and no other.

    >>> check_rules("the reference engine", {"is"}, {"is", "add"})
    Traceback (most recent call last):
        ...
    TypeError: the reference engine has no rule for the operator add
    """
    for name in operators:
        if name not in rules:
            raise TypeError(f"{owner} has no rule for the operator {name}")
    for name in rules:
        if name not in operators:
            raise TypeError(f"{owner} has a rule for {name}, which is no operator")
