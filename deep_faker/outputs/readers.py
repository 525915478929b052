"""Reading a data set's files back with the types that its manifest gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import polars as pl
import pyarrow as pa

from deep_faker.outputs.jsonlines import exact
from deep_faker.outputs.partitions import NULL


def scan_files(
    paths: list[Path] | list[str],
    columns: Mapping[str, pa.DataType],
    storage_options: dict[str, str] | None = None,
) -> pl.LazyFrame:
    """The rows of files of one format, told by their names, one after the other.

    ``columns`` has their columns in order. CSV has to be told the types. ``paths`` may be URLs, with the
    ``storage_options`` of Polars.
    """
    if not paths:
        return pl.LazyFrame(schema={name: polars_type(kind) for name, kind in columns.items()})
    name = str(paths[0])
    options = storage_options
    if name.endswith(".parquet"):
        return pl.scan_parquet(paths, glob=False, hive_partitioning=False, storage_options=options)
    if name.endswith(".arrow"):
        return pl.scan_ipc(paths, glob=False, hive_partitioning=False, storage_options=options)
    types = {name: polars_type(kind) for name, kind in columns.items()}
    read = {n: t if _in_csv(t) else pl.String() for n, t in types.items()}
    # polars leaves the quotes in a header's names doubled
    written = {n.replace('"', '""'): t for n, t in read.items()}
    frame = pl.scan_csv(paths, schema=written, glob=False, storage_options=options)
    if [*written] != [*read]:
        frame = frame.rename(dict(zip(written, read)))
    return frame.with_columns(parsed(n, t) for n, t in types.items() if t != read[n])


def scan_partitions(
    paths: Sequence[tuple[str, Any]],
    columns: Mapping[str, pa.DataType],
    keys: Sequence[str],
    storage_options: dict[str, str] | None = None,
) -> pl.LazyFrame:
    """The rows of partitions, in order of time, with the columns that stand in the folders' names.

    ``paths`` gives each file with its folder below the table's, ``country=de/ok=true``.
    """
    if not paths:
        return scan_files([], columns)
    frames = []
    folders = dict.fromkeys(folder for folder, _ in paths)
    for folder in folders:
        held = partition_values(folder)
        rest = {name: kind for name, kind in columns.items() if name not in held}
        frame = scan_files([path for of, path in paths if of == folder], rest, storage_options)
        values = [_literal(held[n], polars_type(k)).alias(n) for n, k in columns.items() if n in held]
        frames.append(frame.with_columns(values).select(exact(name) for name in columns))
    whole = pl.concat(frames)
    # folders of times follow each other, those of values are parallel
    return whole if set(keys) <= {"date", "hour"} else whole.sort("sys__ets", maintain_order=True)


def partition_values(folder: str) -> dict[str, str | None]:
    """The keys and values in a folder's name.

    >>> partition_values("country=de/at=2024-01-01T10%3A00/x=__HIVE_DEFAULT_PARTITION__")
    {'country': 'de', 'at': '2024-01-01T10:00', 'x': None}
    """
    pairs = [part.partition("=") for part in folder.split("/")]
    return {unquote(key): None if text == NULL else unquote(text) for key, _, text in pairs}


def _literal(text: str | None, kind: pl.DataType) -> pl.Expr:
    if isinstance(kind, pl.Boolean):
        return pl.lit(None if text is None else text == "true", dtype=kind)
    value = pl.lit(text, dtype=pl.String())
    return value.str.to_date("%Y-%m-%d") if isinstance(kind, pl.Date) else value.cast(kind)


def polars_type(kind: pa.DataType) -> pl.DataType:
    """The type that a column of this Arrow type has in Polars.

    >>> polars_type(pa.timestamp("us"))
    Datetime(time_unit='us', time_zone=None)
    """
    return pl.DataFrame(pl.from_arrow(pa.table({"x": pa.array([], kind)}))).schema["x"]


def in_json(kind: pl.DataType) -> bool:
    """Whether JSON has the type, so that polars reads it straight.

    >>> in_json(pl.List(pl.Int64)), in_json(pl.Date())
    (True, False)
    """
    return not kind.is_temporal() and not kind.is_decimal() and kind != pl.Binary()


def _in_csv(kind: pl.DataType) -> bool:
    return in_json(kind) and not kind.is_nested()


def parsed(name: str, kind: pl.DataType) -> pl.Expr:
    """The column, read as text, in its own type."""
    column = pl.col(exact(name))
    if isinstance(kind, pl.Datetime):
        return column.str.strip_suffix("Z").str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us")
    if isinstance(kind, pl.Date):
        return column.str.to_date("%Y-%m-%d")
    if isinstance(kind, pl.Time):
        return column.str.to_time("%H:%M:%S%.f")
    if isinstance(kind, pl.Duration):  # written as seconds: PT86405.5S, -PT1S, PT-1.500000S
        whole = column.str.extract(r"(\d+)").cast(pl.Int64)
        part = column.str.extract(r"\.(\d+)").fill_null("").str.pad_end(6, "0").cast(pl.Int64)
        micros = whole * 1_000_000 + part  # no float has the digits of a century
        return pl.when(column.str.contains("-", literal=True)).then(-micros).otherwise(micros).cast(kind)
    if kind.is_decimal() or kind == pl.Binary():
        return column.cast(kind)
    return column.str.json_decode(kind)
