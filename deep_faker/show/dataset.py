"""A data set in a notebook: its tables with their rows, and event counts over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import polars as pl

from deep_faker.markup import Markup, line, page, table
from deep_faker.show.spark import spark
from deep_faker.times import parse_instant

_BINS = 60
_MOST = 20_000_000  # events that are counted over time: a billion would take minutes, for a picture


class Tables(Protocol):
    """What is shown of a data set."""

    def rows(self, name: str) -> int:
        """The rows of ``"events/UserLogin"``, from the manifest."""
        ...

    def scan(self, name: str, *, in_time: bool = True) -> pl.LazyFrame:
        """A lazy frame of such a table."""
        ...


def dataset_page(
    place: str, tables: Tables, groups: Mapping[str, Sequence[str]], manifest: Mapping[str, object]
) -> str:
    """The page of a data set: ``groups`` has the names of its events, entities and histories."""
    names = list(groups.get("events", ()))
    counts = {name: tables.rows(f"events/{name}") for name in names}
    total = sum(counts.values())
    over_time = _over_time(tables, names, manifest) if total <= _MOST else {}
    rows = [(name, counts[name], over_time.get(name, Markup(""))) for name in names]
    start, end = (_instant(manifest, name) for name in ("start_time", "end_time"))
    parts = [
        line(f"{total:,} events, {start} to {end}, {place}"),
        table(("event", "rows", "over time"), rows),
    ]
    for group in ("entities", "history"):
        found = [(name, tables.rows(f"{group}/{name}")) for name in groups.get(group, ())]
        parts.append(table((group, "rows"), found))
    return page(*parts)


def _over_time(tables: Tables, names: Sequence[str], manifest: Mapping[str, object]) -> dict[str, Markup]:
    start, end = (parse_instant(manifest[name], name) // 1000 for name in ("start_time", "end_time"))
    width = max(1, -(-(end - start) // _BINS))
    found = {}
    for name in names:
        bins = ((pl.col("sys__ets") - start) // width).clip(0, _BINS - 1).alias("bin")
        counted = (
            tables.scan(f"events/{name}", in_time=False).group_by(bins).len().collect(engine="streaming")
        )
        by_bin = dict(counted.iter_rows())
        found[name] = spark([by_bin.get(place, 0) for place in range(_BINS)])
    return found


def _instant(manifest: Mapping[str, object], name: str) -> str:
    return f"{datetime.fromisoformat(str(manifest[name])):%Y-%m-%d %H:%M}"
