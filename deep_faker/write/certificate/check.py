"""One statement about a data set's rows, and what all of them are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from deep_faker.write.names import folder_of

EVENTS = "all_events"
"""The view of what all events have in common."""


class Check(NamedTuple):
    """``query`` gives a row for each fault, whose first column shows it."""

    name: str
    query: str


def quoted(name: str) -> str:
    """A name in SQL.

    >>> quoted('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    """A value in SQL.

    >>> literal("it's"), literal(True), literal(2)
    ("'it''s'", 'true', '2')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value) if not isinstance(value, float) else f"{value!r}::DOUBLE"
    text = str(value).replace("'", "''")
    return f"'{text}'"


@dataclass(frozen=True)
class Shape:
    """What a certificate is made from: a manifest, and what a plan promises (`facts`)."""

    manifest: Mapping[str, Any]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def tables(self) -> dict[str, dict[str, str]]:
        """Table → columns and their types."""
        return {name: dict(table["columns"]) for name, table in self.manifest["tables"].items()}

    def group(self, group: str) -> list[str]:
        """The types that have a table in a group: events, entities, history."""
        return [name.removeprefix(f"{group}/") for name in self.tables if name.startswith(f"{group}/")]

    @cached_property
    def keys(self) -> dict[str, tuple[str, str]]:
        """Entity type → the column of its key, the first, and its type."""
        return {name: next(iter(self.tables[f"entities/{name}"].items())) for name in self.group("entities")}

    def fields(self, entity: str) -> dict[str, str]:
        """The state fields of an entity type and their types."""
        beside = {self.keys[entity][0], "born", "retired"}
        return {name: kind for name, kind in self.tables[f"entities/{entity}"].items() if name not in beside}

    def names_of(self, event: str) -> dict[str, str]:
        """Column of an event type → the entity type whose key it is.

        Where two types call their keys alike, as a class and its subclass do, nothing is said of them.
        """
        columns, sure = self.tables[f"events/{event}"], self.facts.get("keys")
        named = {
            key: entity
            for entity, (key, kind) in self.keys.items()
            if columns.get(key) == kind and [other for other, _ in self.keys.values()].count(key) == 1
        }
        if sure is None:
            return named
        return {
            column: entity for column, entity in named.items() if sure.get(event, {}).get(column) == entity
        }

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings of the run."""
        settings: Mapping[str, Any] = self.manifest["settings"]
        return settings

    @property
    def in_parts(self) -> bool:
        """Whether the data set is of many parts, each of which counts its events for itself."""
        return "parts" in self.manifest

    @property
    def filtered(self) -> bool:
        """Whether only some event types were written."""
        return bool(self.manifest.get("filtered", False))

    def replicated(self, entity: str) -> bool:
        """Whether all parts have these entities, so that no one's history is theirs."""
        return self.in_parts and entity in self.manifest["parts"].get("replicated", [])

    @property
    def start(self) -> str:
        """The instant at which the run starts, in SQL."""
        return f"TIMESTAMP {literal(str(self.manifest['start_time']).replace('T', ' '))}"

    @property
    def end(self) -> str:
        """The instant at which the last flow may start, in SQL."""
        return f"TIMESTAMP {literal(str(self.manifest['end_time']).replace('T', ' '))}"

    def folder(self, table: str) -> str:
        """The pattern of a table's files."""
        return f"{folder_of(table)}/**/*.parquet"
