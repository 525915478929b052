"""OCEL 2.0 as a relational database: SQLite, by the standard library, for logs beyond a million events."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import polars as pl

from deep_faker.exports.ocel_changes import changes_of
from deep_faker.exports.tables import VERSION, Tables
from deep_faker.tables.source import TIME

_START = "1970-01-01T00:00:00.000000Z"
_BASE = """
CREATE TABLE event_map_type (ocel_type TEXT PRIMARY KEY, ocel_type_map TEXT NOT NULL);
CREATE TABLE object_map_type (ocel_type TEXT PRIMARY KEY, ocel_type_map TEXT NOT NULL);
CREATE TABLE event (
    ocel_id TEXT PRIMARY KEY,
    ocel_type TEXT NOT NULL REFERENCES event_map_type (ocel_type));
CREATE TABLE object (
    ocel_id TEXT PRIMARY KEY,
    ocel_type TEXT NOT NULL REFERENCES object_map_type (ocel_type));
CREATE TABLE event_object (
    ocel_event_id TEXT NOT NULL REFERENCES event (ocel_id),
    ocel_object_id TEXT NOT NULL REFERENCES object (ocel_id),
    ocel_qualifier TEXT NOT NULL,
    PRIMARY KEY (ocel_event_id, ocel_object_id, ocel_qualifier));
CREATE TABLE object_object (
    ocel_source_id TEXT NOT NULL REFERENCES object (ocel_id),
    ocel_target_id TEXT NOT NULL REFERENCES object (ocel_id),
    ocel_qualifier TEXT NOT NULL,
    PRIMARY KEY (ocel_source_id, ocel_target_id, ocel_qualifier));
"""


def write_sqlite(tables: Tables, place: Path) -> None:
    """The log as a new database; rows go there in pieces, whatever their number."""
    with closing(sqlite3.connect(place)) as base:
        base.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + _BASE)
        with base:
            for entity, name in mapped(tables.keys).items():
                _objects(base, tables, entity, name)
            for entity in tables.keys:
                _relations(base, tables, entity)
            for event, name in mapped(tables.events).items():
                _events(base, tables, event, name)
        wrong = base.execute("PRAGMA foreign_key_check").fetchone()
        assert wrong is None, wrong


def mapped(types: Iterable[str]) -> dict[str, str]:
    """Each type's name as a table's, for databases that do not tell A from a.

    >>> mapped(["Order", "order", "Sent[int]"])
    {'Order': 'Order', 'order': 'order_2', 'Sent[int]': 'Sent_int_'}
    """
    out: dict[str, str] = {}
    taken: set[str] = {"map_type", "object"}  # event_map_type, event_object and the like are tables already
    for type_ in types:
        stem = name = re.sub(r"\W", "_", type_)
        number = 2
        while name.casefold() in taken:
            name, number = f"{stem}_{number}", number + 1
        taken.add(name.casefold())
        out[type_] = name
    return out


def _table(base: sqlite3.Connection, table: str, of: str, columns: dict[str, str], more: str = "") -> str:
    """Make the table of a type; the statement that fills it."""
    key = "PRIMARY KEY" if of == "event" else "NOT NULL"
    declared = "".join(f", {_name(column)} {_type(kind)}" for column, kind in columns.items())
    base.execute(
        f"CREATE TABLE {_name(table)} (ocel_id TEXT {key} REFERENCES {of} (ocel_id), "
        f"ocel_time TIMESTAMP NOT NULL{declared}{more})"
    )
    width = 2 + len(columns) + bool(more)
    return f"INSERT INTO {_name(table)} VALUES ({', '.join('?' * width)})"  # noqa: S608 - names are quoted


def _events(base: sqlite3.Connection, tables: Tables, event: str, name: str) -> None:
    base.execute("INSERT INTO event_map_type VALUES (?, ?)", (event, name))
    columns = tables.own(event)
    fill = _table(base, f"event_{name}", "event", columns)
    frame = tables.scan_event(event).select(
        pl.col("sys__eid").alias("ocel_id"), _iso(pl.col(TIME)).alias("ocel_time"), *_plain(columns)
    )
    named = tables.names_of(event)
    relate = (  # keys that are nobody's relate to nothing
        "INSERT OR IGNORE INTO event_object "
        "SELECT ?, ocel_id, ? FROM object WHERE ocel_id = ?"
    )  # fmt: skip
    for piece in tables.pieces(frame, f"events/{event}"):
        ids = piece["ocel_id"].to_list()
        # by rows, as the database takes them
        base.executemany("INSERT INTO event VALUES (?, ?)", ((each, event) for each in ids))
        base.executemany(fill, piece.iter_rows())
        for column, entity in named.items():
            pairs = piece.select("ocel_id", column).drop_nulls().iter_rows()
            base.executemany(relate, ((each, column, f"{entity}:{key}") for each, key in pairs))


def _objects(base: sqlite3.Connection, tables: Tables, entity: str, name: str) -> None:
    base.execute("INSERT INTO object_map_type VALUES (?, ?)", (entity, name))
    columns = tables.fields(entity)
    fill = _table(base, f"object_{name}", "object", columns, ", ocel_changed_field TEXT")
    key = tables.keys[entity][0]
    for piece in tables.pieces(tables.scan_entities(entity).select(key), f"entities/{entity}"):
        ids = ((f"{entity}:{each}", entity) for each in piece[key])
        base.executemany("INSERT INTO object VALUES (?, ?)", ids)
    for rows in _states(tables, entity, columns):
        base.executemany(fill, rows)


def _states(tables: Tables, entity: str, columns: dict[str, str]) -> Iterator[Iterator[tuple[object, ...]]]:
    """The rows of an object's table: its first state, then a row for each field that changed."""
    key = tables.keys[entity][0]
    frame, changed = changes_of(tables, entity)
    first = pl.col(VERSION) == 1
    shown = frame.select(
        pl.concat_str(pl.lit(f"{entity}:"), pl.col(key).cast(pl.String)).alias("ocel_id"),
        pl.when(first).then(pl.lit(_START)).otherwise(_iso(pl.col("valid_from"))).alias("ocel_time"),
        first.alias("_first"),
        *_plain(columns),
        *(changed[column].alias(f"_is_{column}") for column in columns),
    )
    for piece in tables.pieces(shown, f"history/{entity}"):
        start = piece.filter("_first").select("ocel_id", "ocel_time", *columns, pl.lit(None).alias("_c"))
        yield start.iter_rows()
        later = piece.filter(~pl.col("_first"))
        for column in columns:
            row = [pl.col(each) if each == column else pl.lit(None).alias(each) for each in columns]
            yield (
                later.filter(pl.col(f"_is_{column}"))
                .select("ocel_id", "ocel_time", *row, pl.lit(column).alias("_c"))
                .iter_rows()
            )


def _relations(base: sqlite3.Connection, tables: Tables, entity: str) -> None:
    key = tables.keys[entity][0]
    relate = (
        "INSERT OR IGNORE INTO object_object "
        "SELECT ?, ocel_id, ? FROM object WHERE ocel_id = ?"
    )  # fmt: skip
    for field, other in tables.links_of(entity).items():
        frame = tables.versions(entity) if tables.has_history(entity) else tables.scan_entities(entity)
        for piece in tables.pieces(frame.select(key, field).drop_nulls(), f"entities/{entity}"):
            rows = piece.unique(maintain_order=True).iter_rows()
            base.executemany(relate, ((f"{entity}:{own}", field, f"{other}:{to}") for own, to in rows))


def _iso(value: pl.Expr) -> pl.Expr:
    return value.dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")


def _plain(columns: dict[str, str]) -> list[pl.Expr]:
    """Columns as SQLite has types for them: numbers, text and bytes; instants are ISO 8601."""
    out = []
    for name, kind in columns.items():
        value = pl.col(name)
        if kind.startswith("timestamp"):
            value = _iso(value)
        elif kind.startswith("duration"):
            value = value.dt.total_microseconds()
        elif kind.startswith(("list", "struct", "map")):
            value = pl.struct(value=value).struct.json_encode().str.slice(9).str.head(-1)
        elif not kind.startswith(("int", "uint", "double", "float", "bool", "binary")):
            value = value.cast(pl.String)
        out.append(value.alias(name))
    return out


def _type(kind: str) -> str:
    if kind.startswith(("int", "uint", "duration")):
        return "INTEGER"
    if kind.startswith("bool"):
        return "BOOLEAN"
    if kind.startswith("timestamp"):
        return "TIMESTAMP"
    return "REAL" if kind.startswith(("double", "float")) else "TEXT"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
