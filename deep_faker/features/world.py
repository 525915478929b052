"""One entity type of a data set, its events and versions, as the searches take them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import polars as pl

from deep_faker.errors import DatasetError, Diagnostic, near
from deep_faker.features.search import I64, Groups
from deep_faker.tables.source import (
    ORDER,
    TIME,
    Source,
    entity_keys,
    has_key,
    in_group,
    is_stamped,
)
from deep_faker.write.files.readers import guarded_reader

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = "sys__version"


class World:
    """The tables of a data set, seen from the entities of one type.

    An entity's *code* is its place in the table of entities, which is the order of birth. Raises
    `DatasetError` where a table, a column or the order is not there.
    """

    def __init__(
        self,
        source: Source,
        place: str,
        entity: str,
        *,
        end: int,
        start: int,
        retirement: str | None = None,
    ) -> None:
        self.source, self.place, self.entity, self.start, self.end = source, place, entity, start, end
        self._retirement = retirement
        keys = entity_keys(source)
        if entity not in keys:
            self.fail(f"no entity type {entity!r}", "", near(entity, list(keys), "the data set's entities"))
        self.key, self.key_type = keys[entity]
        named = in_group(source, "events")
        self.events = [name for name in named if has_key(source, name, keys[entity])]
        if not is_stamped(source, named):
            mend = "run again: this version keeps it"
            self.fail("no exact order", f"events have no {ORDER}, which tells before from after", mend)

    def fail(self, title: str, label: str, mend: str = "") -> NoReturn:
        """Raise `DatasetError`, with the data set's place."""
        raise DatasetError(Diagnostic(title, None, f"{label} in {self.place}".strip(), mend))

    def collected(self, frame: pl.LazyFrame, what: str) -> pl.DataFrame:
        """The frame's rows, read in pieces. Raises `DatasetError` where files are damaged."""
        with guarded_reader(f"{self.place}: {what}"):
            return frame.collect(engine="streaming")

    # ------------------------------------------------ entities

    @cached_property
    def keys(self) -> pl.Series:
        """The key of each entity, by code."""
        return self._entities[self.key]

    @cached_property
    def born(self) -> I64:
        """When each entity was born, in µs, by code."""
        return self._entities["born"].dt.epoch("us").to_numpy()

    @cached_property
    def retired(self) -> I64 | None:
        """When each entity retired, in µs, by code; at the end of all times who has not. None: nobody can."""
        if self._retirement is None:
            return None
        never = np.iinfo(np.int64).max
        return self._entities[self._retirement].dt.epoch("us").fill_null(never).to_numpy()

    @cached_property
    def _entities(self) -> pl.DataFrame:
        leaving = [] if self._retirement is None else [self._retirement]
        frame = self.source.scan(f"entities/{self.entity}").select(self.key, "born", *leaving)
        return self.collected(frame, f"entities/{self.entity}")

    def codes(self, keys: pl.LazyFrame) -> pl.LazyFrame:
        """The frame with its column of keys replaced by ``_code``; -1 where a key is null or nobody's."""
        code = pl.col("_code").fill_null(-1)
        if self.keys.dtype == pl.String:
            kind = pl.Enum(self.keys)
            made = pl.col(self.key).cast(kind, strict=False).to_physical().cast(pl.Int32).alias("_code")
            return keys.with_columns(made).with_columns(code).drop(self.key)
        known = pl.LazyFrame({self.key: self.keys, "_code": np.arange(len(self.keys), dtype=np.int32)})
        found = keys.join(known, on=self.key, how="left", maintain_order="left")
        return found.with_columns(code).drop(self.key)

    # ------------------------------------------------ events

    def event(self, name: str) -> str:
        """The name of an event type that names the entity. Raises `DatasetError` for any other."""
        if name not in self.events:
            self._refuse_event(name)
        return name

    def _refuse_event(self, name: str) -> NoReturn:
        if name not in in_group(self.source, "events"):
            self.fail(f"no event type {name!r}", "", near(name, self.events, f"events of {self.entity}"))
        label = f"{name} has no field {self.key!r}, the key of {self.entity},"
        self.fail(f"{name} does not name a {self.entity}", label, f"these do: {', '.join(self.events)}")

    def column(self, event: str, name: str) -> str:
        """A column of an event type. Raises `DatasetError` for one that is not there."""
        columns = self.source.columns(f"events/{event}")
        if name not in columns:
            self.fail(f"{event} has no field {name!r}", "", near(name, list(columns), event))
        return name

    def scan(self, event: str, where: pl.Expr | None = None) -> pl.LazyFrame:
        """The events of a type in their exact order, that meet a condition."""
        frame = self.source.scan(f"events/{self.event(event)}")
        if not self._in_order(event):
            frame = frame.sort(TIME, ORDER)
        return frame if where is None else frame.filter(where)

    def _in_order(self, event: str) -> bool:
        """Whether the files have the events in order: those partitioned by a field have not."""
        if event not in self._sorted:
            later = pl.col(TIME).diff() > pl.duration()
            follows = (pl.col(TIME).diff() == pl.duration()) & (pl.col(ORDER).diff() > 0)
            frame = self.source.scan(f"events/{event}").select((later | follows).all())
            self._sorted[event] = bool(self.collected(frame, f"events/{event}").item())
        return self._sorted[event]

    @cached_property
    def _sorted(self) -> dict[str, bool]:
        return {}

    # ------------------------------------------------ versions

    @property
    def state_fields(self) -> Mapping[str, str]:
        """The entity's state fields and their types."""
        columns = self.source.columns(f"entities/{self.entity}")
        return {name: kind for name, kind in columns.items() if name not in (self.key, "born")}

    def checked_fields(self, names: Iterable[str]) -> list[str]:
        """State fields of the entity. Raises `DatasetError` for others, and where there is no history."""
        known = self.state_fields
        for name in names:
            if name not in known:
                self.fail(f"{self.entity} has no state field {name!r}", "", near(name, known, self.entity))
        self.versions()
        return list(names)

    def versions(self) -> pl.LazyFrame:
        """Every version of the entities, in the order of time. Raises `DatasetError` where none was kept."""
        name = f"history/{self.entity}"
        mend = "run with history=True (--history) to keep every version"
        if name not in self.source.names():
            self.fail(f"no history of {self.entity}", "the state at an earlier instant is not known", mend)
        if VERSION not in self.source.columns(name):
            self.fail("no exact order", f"{name} has no {VERSION}", "run again: this version keeps it")
        return self.source.scan(name).sort("valid_from", ORDER, VERSION)

    @cached_property
    def version_groups(self) -> Groups:
        """The versions by entity, as rows of `versions`."""
        columns = {"_time": pl.col("valid_from").dt.epoch("us"), "_order": pl.col(ORDER)}
        frame = self.codes(self.versions().select(self.key, **columns))
        rows = self.collected(frame, f"history/{self.entity}")
        return Groups(*(rows[name].to_numpy() for name in ("_code", "_time", "_order")))
