"""A label as the SQL by which RelBench makes it anew, in DuckDB's words."""

from __future__ import annotations

from typing import TypeAlias

from deep_faker.errors import Diagnostic, SettingsError
from deep_faker.exports.tables import Tables
from deep_faker.features.asked import Count, Distinct, Happens, OfEvents, Sum, name_of
from deep_faker.tables.source import TIME

Label: TypeAlias = OfEvents
_MEASURES = {
    Happens: "CAST(COUNT(e.{time}) > 0 AS BIGINT)",
    Count: "CAST(COUNT(e.{time}) AS DOUBLE)",
    Sum: "CAST(COALESCE(SUM(e.{column}), 0) AS DOUBLE)",
    Distinct: "CAST(COUNT(DISTINCT e.{column}) AS DOUBLE)",
}


def checked_label(tables: Tables, entity: str, label: object) -> None:
    """Raise `SettingsError` for a label that has no such SQL, `DatasetError` for what is not there."""
    kinds = ", ".join(kind.__name__ for kind in _MEASURES)
    if type(label) not in _MEASURES or not isinstance(label, OfEvents):
        raise SettingsError(
            Diagnostic("no label of RelBench", None, f"{label!r}", f"labels here are {kinds}")
        )
    if label.where is not None or len(label.windows) != 1 or label.windows[0][1] is None:
        mend = "give one window and no where=; a field of its own, or an event type of its own, says as much"
        raise SettingsError(Diagnostic("a label that has no SQL", None, label.shown(), mend))
    event = name_of(label.event)
    if entity not in tables.names_of(event).values() if event in tables.events else True:
        tables.fail(f"{event} does not name a {entity}", f"label={label.shown()}")
    if label.column is not None and label.column not in tables.own(event):
        tables.fail(f"{event} has no field {label.column!r}", f"label={label.shown()}")


def label_sql(tables: Tables, entity: str, label: OfEvents, name: str) -> str:
    """The query over ``timestamps`` and the tables that gives timestamp, entity and label."""
    key = _quoted(tables.keys[entity][0])
    event, target = _quoted(name_of(label.event)), _quoted(name)
    column = _quoted(label.column) if label.column else ""
    measure = _MEASURES[type(label)].format(time=_quoted(TIME), column=column)
    length = label.windows[0][1]
    return (
        f"SELECT t.timestamp AS timestamp, u.{key} AS {key}, {measure} AS {target}\n"
        f"FROM timestamps t\n"
        f"JOIN {_quoted(entity)} u ON u.born <= t.timestamp\n"
        f"LEFT JOIN {event} e ON e.{key} = u.{key}\n"
        f"    AND e.{_quoted(TIME)} > t.timestamp\n"
        f"    AND e.{_quoted(TIME)} <= t.timestamp + INTERVAL '{length} microseconds'\n"
        f"GROUP BY t.timestamp, u.{key}"
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
