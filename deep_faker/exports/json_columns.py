"""Columns as JSON text, each value on its own, without a loop over rows."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

EPOCH = "1970-01-01T00:00:00.000000Z"


def as_json(column: str, kind: str) -> pl.Expr:
    """The value of a column as JSON; null where it is null. ``kind``: its type's name in manifests.

    >>> frame = pl.DataFrame({"x": ['a"b', None]})
    >>> frame.select(as_json("x", "string")).to_series().to_list()
    ['"a\\\\"b"', None]
    """
    value = pl.col(column)
    if kind.startswith("timestamp"):
        value = iso(value)
    elif kind.startswith(("date", "duration", "decimal", "time")):
        value = value.cast(pl.String) if not kind.startswith("duration") else value.dt.total_microseconds()
    elif kind == "binary":
        value = value.bin.encode("base64")
    text = text_of(value)
    if kind.startswith(("list", "struct", "map")):  # a text that is JSON of its own
        text = text_of(text)
    return pl.when(pl.col(column).is_not_null()).then(text)


def iso(value: pl.Expr) -> pl.Expr:
    """Instants as ISO 8601 in UTC, to the µs.

    >>> import datetime as dt
    >>> pl.select(iso(pl.lit(dt.datetime(2024, 1, 2)))).item()
    '2024-01-02T00:00:00.000000Z'
    """
    return value.dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")


def object_of(pairs: Sequence[tuple[str, pl.Expr]]) -> pl.Expr:
    """One JSON object for each row, of names and JSON texts, none of which is null."""
    parts: list[pl.Expr] = []
    for number, (name, text) in enumerate(pairs):
        parts += [pl.lit(f"{',' if number else ''}{quoted(name)}:"), text]
    return pl.concat_str(pl.lit("{"), *parts, pl.lit("}"))


def array_of(items: Sequence[pl.Expr]) -> pl.Expr:
    """One JSON array for each row, of JSON texts; those that are null are left out."""
    if not items:
        return pl.lit("[]")
    return pl.concat_str(pl.lit("["), pl.concat_str(*items, separator=",", ignore_nulls=True), pl.lit("]"))


def quoted(text: str) -> str:
    """A text as JSON.

    >>> quoted("a")
    '"a"'
    """
    import json

    return json.dumps(text, ensure_ascii=False)


def text_of(value: pl.Expr) -> pl.Expr:
    """Any value as JSON text."""
    return pl.struct(value=value).struct.json_encode().str.slice(9).str.head(-1)
