"""The versions of entities as the changes of objects."""

from __future__ import annotations

import polars as pl

from deep_faker.exports.tables import VERSION, Tables


def changes_of(tables: Tables, entity: str) -> tuple[pl.LazyFrame, dict[str, pl.Expr]]:
    """The versions of a type's entities in the order of time, and for each field whether it changed there.

    Without a history there is one version each, the state at the end.
    """
    key = tables.keys[entity][0]
    fields = tables.fields(entity)
    if not tables.has_history(entity):
        frame = (
            tables.scan_entities(entity).rename({"born": "valid_from"}).with_columns(pl.lit(1).alias(VERSION))
        )
        return frame, {name: pl.lit(value=True) for name in fields}
    frame = tables.versions(entity)
    before = {f"_was_{name}": pl.col(name).shift(1).over(key) for name in fields}
    changed = {
        name: (pl.col(VERSION) == 1) | pl.col(name).ne_missing(pl.col(f"_was_{name}")) for name in fields
    }
    return frame.with_columns(**before), changed
