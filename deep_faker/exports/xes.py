"""Flat event logs with the column names of XES, as Parquet: what process mining tools read at once."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from deep_faker.errors import Diagnostic, SettingsError, near
from deep_faker.exports.staged import staged
from deep_faker.exports.tables import Tables
from deep_faker.features.asked import name_of
from deep_faker.tables.source import ORDER, TIME


def xes(
    tables: Tables,
    path: object,
    *,
    case: object = "session",
    resource: object = None,
    fields: Sequence[str] = (),
    overwrite: bool = False,
) -> None:
    """A Parquet file with a row for each event, in their exact order.

    ``case:concept:name`` is the session, or the key of the entity type ``case`` (events that name none are
    left out); ``concept:name`` the event type, ``concept:instance`` its id, ``time:timestamp`` the instant
    (µs, UTC), ``lifecycle:transition`` ``"complete"``, ``org:resource`` the key of the entity type
    ``resource``. ``fields`` of events become columns of their own names, null where a type has none. Written
    in pieces.
    """
    by = "sys__sid" if case == "session" else tables.keys[tables.entity(case)][0]
    own = None if resource is None else tables.keys[tables.entity(resource)][0]
    _check_fields(tables, fields)
    frames = []
    for event in tables.events:
        columns = tables.source.columns(f"events/{event}")
        names = tables.names_of(event)
        if by != "sys__sid" and names.get(by) != name_of(case):
            continue
        frame = tables.scan_event(event).select(
            ORDER,
            TIME,
            pl.col(by).cast(pl.String).alias("case:concept:name"),
            pl.lit(event).alias("concept:name"),
            pl.col("sys__eid").alias("concept:instance"),
            pl.col(TIME).dt.replace_time_zone("UTC").alias("time:timestamp"),
            pl.lit("complete").alias("lifecycle:transition"),
            (pl.col(own).cast(pl.String) if own in names else pl.lit(None, pl.String)).alias("org:resource"),
            *(pl.col(field) if field in columns else pl.lit(None).alias(field) for field in fields),
        )
        frames.append(frame.filter(pl.col("case:concept:name").is_not_null()))
    if not frames:
        tables.fail(f"no events of {name_of(case)}", f"no event has its key {by!r}")
    dtypes = pl.concat([frame.clear() for frame in frames], how="vertical_relaxed").collect_schema()
    shaped = [frame.cast({field: dtypes[field] for field in fields}) for frame in frames]
    left_out = [ORDER, TIME, *(["org:resource"] if own is None else [])]
    with staged(path, overwrite=overwrite, folder=False) as place:
        tables.in_order(shaped).drop(left_out).sink_parquet(place, metadata={"deep_faker.case": str(by)})


def _check_fields(tables: Tables, fields: Sequence[str]) -> None:
    """Raise `SettingsError` for fields that no event has, or that are of several types."""
    for field in fields:
        kinds = {columns[field] for event in tables.events if field in (columns := tables.own(event))}
        if not kinds:
            known = sorted({name for event in tables.events for name in tables.own(event)})
            raise SettingsError(Diagnostic(f"no event has a field {field!r}", None, "", near(field, known)))
        if len(kinds) > 1 and not kinds <= {"int64", "double"}:
            label = f"{field!r} is {' and '.join(sorted(kinds))} in different events"
            raise SettingsError(Diagnostic(f"no column of {field}", None, label, "leave it out"))
