"""The state of entities as it was: at moments, at one instant, and change by change."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from deep_faker.features.search import I64, LAST, Moments
from deep_faker.features.world import VERSION, World
from deep_faker.tables.source import ORDER


def states(world: World, fields: Sequence[str], code: I64, moments: Moments) -> pl.DataFrame:
    """State fields of each entity as they were before its moment; null where it was not born."""
    names = world.checked_fields(fields)
    groups = world.version_groups
    last = groups.before(code, moments)
    some = last > groups.begin(code)
    values = world.collected(world.versions().select(names), f"history/{world.entity}")
    if not values.height:
        values = values.clear(1)
    found = values[groups.rows(last[some] - 1)] if some.any() else values[np.zeros(0, np.int64)]
    place = np.cumsum(some) - 1
    rows = pl.Series(np.where(some, place, -1))
    return found.select(pl.all().gather(pl.when(rows >= 0).then(rows)))


def state_at(world: World, instant: int) -> pl.DataFrame:
    """All entities that were born by an instant (µs), with their state then, in order of birth."""
    code = np.flatnonzero(world.born <= instant)
    fields = list(world.state_fields)
    then = states(world, [*fields], code, Moments(np.full(len(code), instant), LAST))
    born = pl.Series("born", world.born[code]).cast(pl.Datetime("us"))
    return pl.DataFrame({world.key: world.keys.gather(code)}).hstack(then).with_columns(born)


def changes(world: World, initial: int) -> pl.DataFrame:
    """Every change, in the order of time: what it was (`Dataset.changes`), the state before and after.

    ``initial``: how many of the entities, the first in order of birth, existed when the run began.
    """
    fields = list(world.state_fields)
    columns = [world.key, VERSION, ORDER, "valid_from", "sys__eid", *fields]
    versions = world.collected(world.versions().select(columns), f"history/{world.entity}")
    code = world.collected(world.codes(versions.lazy().select(world.key)), "").to_series().alias("_code")
    row = pl.struct(world.key, *fields)
    op = (
        pl.when(pl.col(VERSION) > 1)
        .then(pl.lit("u"))
        .otherwise(pl.when(pl.col("_code") < initial).then(pl.lit("r")).otherwise(pl.lit("c")))
    )
    before = row.shift(1).over("_code", order_by=VERSION)
    return (
        versions.with_columns(code)
        .with_columns(after=row, before=pl.when(pl.col(VERSION) > 1).then(before), op=op)
        .select(
            world.key,
            pl.col("valid_from").alias("sys__time"),
            ORDER,
            VERSION,
            "sys__eid",
            "op",
            "before",
            "after",
        )
    )
