"""Object-centric event logs, OCEL 2.0: entities are objects, keys in events and in states relate them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

import polars as pl

from deep_faker.errors import Diagnostic, SettingsError
from deep_faker.exports.json_columns import EPOCH, array_of, as_json, iso, object_of, quoted, text_of
from deep_faker.exports.ocel_changes import changes_of
from deep_faker.exports.ocel_sqlite import write_sqlite
from deep_faker.exports.staged import staged
from deep_faker.exports.tables import VERSION, Tables
from deep_faker.tables.source import TIME

_KINDS = {
    "int": "integer",
    "uint": "integer",
    "dou": "float",
    "flo": "float",
    "bool": "boolean",
    "tim": "time",
}


def ocel(tables: Tables, path: object, *, overwrite: bool = False) -> None:
    """An OCEL 2.0 log: JSON at ``*.json``, SQLite at ``*.sqlite``, ``*.sqlite3`` or ``*.db``.

    Objects are the entities, ``TYPE:KEY`` their ids. Their attributes are the state: the first version at
    1970-01-01, as the standard has it, each later change at its time; without a history the state at the end.
    Events relate to the entities whose keys they have, objects to those whose keys their states have; the
    qualifier is the column's name. JSON is for logs of up to a million events, and is written in pieces;
    only objects are held, with all their changes.
    """
    name = str(path)
    if name.endswith((".sqlite", ".sqlite3", ".db")):
        with staged(path, overwrite=overwrite, folder=False) as place:
            write_sqlite(tables, place)
    elif name.endswith(".json"):
        with staged(path, overwrite=overwrite, folder=False) as place:
            _write_json(tables, place)
    else:
        mend = "name a file that ends in .json or .sqlite"
        raise SettingsError(Diagnostic("no form of OCEL", None, f"path={name!r}", mend))


def ocel_kind(kind: str) -> str:
    """The name that OCEL has for a type of a manifest.

    >>> ocel_kind("timestamp[us]"), ocel_kind("list<string>")
    ('time', 'string')
    """
    return next((name for head, name in _KINDS.items() if kind.startswith(head)), "string")


def _write_json(tables: Tables, place: Path) -> None:
    with place.open("w", encoding="utf-8") as file:
        file.write('{"objectTypes":')
        file.write(_types({name: tables.fields(name) for name in tables.keys}))
        file.write(',"eventTypes":')
        file.write(_types({name: tables.own(name) for name in tables.events}))
        file.write(',"objects":[')
        _write_rows(file, (frame for name in tables.keys for frame in _objects(tables, name)))
        file.write('],"events":[')
        _write_rows(file, (frame for name in tables.events for frame in _events(tables, name)))
        file.write("]}\n")


def _types(types: dict[str, dict[str, str]]) -> str:
    shown = []
    for name, columns in types.items():
        attributes = (
            f'{{"name":{quoted(column)},"type":"{ocel_kind(kind)}"}}' for column, kind in columns.items()
        )
        shown.append(f'{{"name":{quoted(name)},"attributes":[{",".join(attributes)}]}}')
    return f"[{','.join(shown)}]"


def _write_rows(file: IO[str], frames: Iterator[pl.DataFrame]) -> None:
    """The one text column of all frames, with commas between the rows."""
    first = True
    for frame in frames:
        if frame.height:
            file.write("\n" if first else ",\n")
            file.write(",\n".join(frame.to_series().to_list()))
            first = False


def _events(tables: Tables, event: str) -> Iterator[pl.DataFrame]:
    """A type's events as JSON objects; relations only to entities that exist."""
    frame = tables.scan_event(event)
    related = []
    for number, (column, entity) in enumerate(tables.names_of(event).items()):
        known = tables.scan_entities(entity).select(pl.col(tables.keys[entity][0]).alias("_known"))
        frame = frame.join(
            known.with_columns(pl.lit(value=True).alias(f"_is{number}")),
            left_on=column, right_on="_known", how="left", maintain_order="left",
        )  # fmt: skip
        relation = object_of([("objectId", _id(entity, column)), ("qualifier", pl.lit(quoted(column)))])
        related.append(pl.when(pl.col(f"_is{number}")).then(relation))
    attributes = [
        object_of([("name", pl.lit(quoted(column))), ("value", as_json(column, kind))])
        for column, kind in tables.own(event).items()
    ]
    row = object_of(
        [
            ("id", text_of(pl.col("sys__eid"))),
            ("type", pl.lit(quoted(event))),
            ("time", text_of(iso(pl.col(TIME)))),
            ("attributes", array_of(attributes)),
            ("relationships", array_of(related)),
        ]
    )
    return tables.pieces(frame.select(row.alias("row")), f"events/{event}")


def object_id(entity: str, column: str) -> pl.Expr:
    """The id of an entity's object, unique among all types.

    >>> pl.DataFrame({"user_id": ["a"]}).select(object_id("User", "user_id")).item()
    'User:a'
    """
    return pl.concat_str(pl.lit(f"{entity}:"), pl.col(column).cast(pl.String))


def _id(entity: str, column: str) -> pl.Expr:
    return text_of(object_id(entity, column))


def _objects(tables: Tables, entity: str) -> Iterator[pl.DataFrame]:
    """A type's entities as JSON objects, with all their changes in the order of time."""
    key = tables.keys[entity][0]
    fields = tables.fields(entity)
    frame, changed = changes_of(tables, entity)
    time = pl.when(pl.col(VERSION) > 1).then(iso(pl.col("valid_from"))).otherwise(pl.lit(EPOCH))
    attributes = [
        pl.when(changed[column]).then(
            object_of(
                [
                    ("name", pl.lit(quoted(column))),
                    ("time", text_of(time)),
                    ("value", pl.coalesce(as_json(column, kind), pl.lit("null"))),
                ]
            )
        )
        for column, kind in fields.items()
    ]
    texts = pl.concat_str(*attributes, separator=",", ignore_nulls=True) if attributes else pl.lit("")
    links = tables.links_of(entity)
    made = frame.select(
        pl.col(key), _text=texts, **{f"_l{at}": pl.col(name) for at, name in enumerate(links)}
    )
    joined = pl.col("_text").filter(pl.col("_text") != "").str.join(",")
    grouped = made.group_by(key, maintain_order=True).agg(
        joined.alias("_text"),
        *(pl.col(f"_l{at}").drop_nulls().unique(maintain_order=True) for at in range(len(links))),
    )
    related = []
    for at, (field, other) in enumerate(links.items()):
        qualifier = quoted(field)
        item = pl.concat_str(
            pl.lit('{"objectId":'), text_of(pl.concat_str(pl.lit(f"{other}:"), pl.element().cast(pl.String))),
            pl.lit(f',"qualifier":{qualifier}}}'),
        )  # fmt: skip
        texts_of = pl.col(f"_l{at}").list.eval(item).list.join(",")
        related.append(pl.when(texts_of != "").then(texts_of))
    row = object_of(
        [
            ("id", _id(entity, key)),
            ("type", pl.lit(quoted(entity))),
            ("attributes", pl.concat_str(pl.lit("["), pl.col("_text"), pl.lit("]"))),
            ("relationships", array_of(related)),
        ]
    )
    return tables.pieces(grouped.select(row.alias("row")), f"entities/{entity}")
