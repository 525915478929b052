"""What an export reads: the tables of a data set, which columns tie them together, rows in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any, NoReturn, Protocol

import polars as pl

from deep_faker.errors import DatasetError, Diagnostic, near
from deep_faker.features.asked import name_of
from deep_faker.tables.source import ORDER, TIME, Source, entity_keys, has_key, in_group, is_stamped
from deep_faker.write.files.readers import guarded_reader

ROWS = 1 << 16
"""Rows of one piece: memory is bounded by these, where a format can be written in pieces."""

VERSION = "sys__version"
_BESIDE = ("valid_from", "valid_to", "sys__eid", ORDER, VERSION)


class Read(Protocol):
    """What an export asks of a data set beside its tables: `deep_faker.dataset.Dataset` has it."""

    manifest: Mapping[str, Any]

    def changes(self, entity: type | str) -> pl.DataFrame:
        """The changes of the entities of a type."""
        ...

    @property
    def training_frame(self) -> Callable[..., pl.LazyFrame]:
        """Features and labels."""
        ...


@dataclass(frozen=True)
class Tables:
    """A data set and its tables, as the exports take them.

    Raises `DatasetError` where an event type has no exact order, which all of these formats need.
    """

    ds: Read
    source: Source
    place: str

    def __post_init__(self) -> None:
        """Raise where the order is missing."""
        if not is_stamped(self.source, self.events):
            self.fail("no exact order", f"events have no {ORDER}", "run again: this version keeps it")

    def fail(self, title: str, label: str, mend: str = "") -> NoReturn:
        """Raise `DatasetError`, with the data set's place."""
        raise DatasetError(Diagnostic(title, None, f"{label} in {self.place}".strip(), mend))

    @property
    def manifest(self) -> Mapping[str, Any]:
        """The data set's manifest."""
        return self.ds.manifest

    @cached_property
    def events(self) -> list[str]:
        """The event types, sorted."""
        return in_group(self.source, "events")

    @cached_property
    def keys(self) -> dict[str, tuple[str, str]]:
        """Entity type → the column of its key and that column's type."""
        return entity_keys(self.source)

    def entity(self, entity: object) -> str:
        """The name of an entity type of the data set. Raises `DatasetError` for any other."""
        name = name_of(entity)
        if name not in self.keys:
            self.fail(f"no entity type {name!r}", "", near(name, list(self.keys), "the data set's entities"))
        return name

    def names_of(self, event: str) -> dict[str, str]:
        """Column of an event type → the entity type whose key it is."""
        return {key[0]: entity for entity, key in self.keys.items() if has_key(self.source, event, key)}

    def links_of(self, entity: str) -> dict[str, str]:
        """State field of an entity type → the other entity type whose key it is."""
        columns = self.fields(entity)
        return {
            key: other
            for other, (key, kind) in self.keys.items()
            if other != entity and columns.get(key) == kind
        }

    def fields(self, entity: str) -> dict[str, str]:
        """The state fields of an entity type and their types."""
        columns = self.source.columns(f"entities/{entity}")
        beside = {self.keys[entity][0], "born"}
        return {name: kind for name, kind in columns.items() if name not in beside}

    def own(self, event: str) -> dict[str, str]:
        """The columns of an event type that are its own, and their types."""
        columns = self.source.columns(f"events/{event}")
        return {name: kind for name, kind in columns.items() if not name.startswith("sys__")}

    def has_history(self, entity: str) -> bool:
        """Whether every version of these entities was kept, in its exact order."""
        table = f"history/{entity}"
        return table in self.source.names() and VERSION in self.source.columns(table)

    # ------------------------------------------------ rows

    def scan_event(self, event: str) -> pl.LazyFrame:
        """The events of a type in their exact order."""
        frame = self.source.scan(f"events/{event}")
        partitioned = self.manifest.get("tables", {}).get(f"events/{event}", {}).get("partitioned_by")
        return frame.sort(TIME, ORDER) if partitioned else frame

    def scan_entities(self, entity: str) -> pl.LazyFrame:
        """The entities of a type in order of birth."""
        return self.source.scan(f"entities/{entity}")

    def versions(self, entity: str) -> pl.LazyFrame:
        """Every version of the entities of a type, in the order of time."""
        return self.source.scan(f"history/{entity}").sort("valid_from", ORDER, VERSION)

    def in_order(self, frames: list[pl.LazyFrame]) -> pl.LazyFrame:
        """Frames of events, each in order of `ORDER` with the same columns, as one in that order."""
        if "parts" in self.manifest:  # each part counts for itself
            return pl.concat(frames).sort(TIME, ORDER)
        return reduce(lambda one, other: one.merge_sorted(other, ORDER), frames)

    def pieces(self, frame: pl.LazyFrame, what: str) -> Iterator[pl.DataFrame]:
        """The rows of a frame in pieces of `ROWS`, in order. Raises `DatasetError` of damaged files."""
        with guarded_reader(f"{self.place}: {what}"):
            yield from frame.collect_batches(chunk_size=ROWS, maintain_order=True)

    def collected(self, frame: pl.LazyFrame, what: str) -> pl.DataFrame:
        """All rows of a frame. Raises `DatasetError` where files are damaged."""
        with guarded_reader(f"{self.place}: {what}"):
            return frame.collect()
