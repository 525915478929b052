"""Reading a data set's files back with the types that its manifest gives."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote

import polars as pl
import pyarrow as pa

from deep_faker.errors import DatasetError, Diagnostic
from deep_faker.write.files.csv_parts import unquoted
from deep_faker.write.files.partitions import NULL
from deep_faker.write.lines.json_lines import exact
from deep_faker.write.lines.json_values import from_json
from deep_faker.write.trees import is_tuple

_READERS = (pl.exceptions.PolarsError, pa.ArrowException, ValueError, TypeError, KeyError, OverflowError)


@contextmanager
def guarded_reader(path: object, mend: str = "restore it, or run again") -> Iterator[None]:
    """Turn what a reader raises of a damaged file into `DatasetError`.

    The reader's own words are left out: they may quote what the file holds.
    """
    try:
        yield
    except DatasetError:
        raise
    except OSError as error:
        label = error.strerror or "it is damaged"
        raise DatasetError(Diagnostic(f"cannot read {path}", None, label, mend)) from None
    except BaseException as error:
        # of some damage Polars panics, which is no Exception
        if not isinstance(error, _READERS) and type(error).__name__ != "PanicException":
            raise
        label = f"it is damaged, or not what the manifest says ({type(error).__name__})"
        raise DatasetError(Diagnostic(f"cannot read {path}", None, label, mend)) from None


def scan_files(
    paths: list[Path] | list[str],
    columns: Mapping[str, pa.DataType],
    storage_options: dict[str, str] | None = None,
    *,
    formulas: str = "keep",
) -> pl.LazyFrame:
    """The rows of files of one format, told by their names, one after the other.

    ``columns`` has their columns in order. CSV has to be told the types, and what was done to ``formulas``.
    ``paths`` may be URLs, with the ``storage_options`` of Polars.
    """
    if not paths:
        return pl.LazyFrame(schema={name: polars_type(kind) for name, kind in columns.items()})
    name = str(paths[0])
    options = storage_options
    if name.endswith(".parquet"):
        return pl.scan_parquet(paths, glob=False, hive_partitioning=False, storage_options=options)
    if name.endswith(".arrow"):
        return pl.scan_ipc(paths, glob=False, hive_partitioning=False, storage_options=options)
    read = {n: polars_type(k) if _in_csv(k) else pl.String() for n, k in columns.items()}
    # polars leaves the quotes in a header's names doubled
    written = {n.replace('"', '""'): t for n, t in read.items()}
    frame = pl.scan_csv(paths, schema=written, glob=False, storage_options=options)
    if [*written] != [*read]:
        frame = frame.rename(dict(zip(written, read)))
    if formulas == "quote":
        texts = [name for name, kind in columns.items() if polars_type(kind) == pl.String]
        frame = frame.with_columns(unquoted(pl.col(exact(name))) for name in texts)
    return frame.with_columns(parsed(n, k) for n, k in columns.items() if read[n] != polars_type(k))


def scan_partitions(
    paths: Sequence[tuple[str, Any]],
    columns: Mapping[str, pa.DataType],
    keys: Sequence[str],
    storage_options: dict[str, str] | None = None,
    *,
    formulas: str = "keep",
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
        files = [path for of, path in paths if of == folder]
        frame = scan_files(files, rest, storage_options, formulas=formulas)
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


def in_json(kind: pa.DataType) -> bool:
    """Whether JSON has the type, so that polars reads it straight.

    >>> in_json(pa.list_(pa.int64())), in_json(pa.date32())
    (True, False)
    """
    if pa.types.is_list(kind) or (pa.types.is_struct(kind) and not is_tuple(kind)):
        return all(in_json(kind.field(place).type) for place in range(kind.num_fields))
    others = (pa.types.is_nested, pa.types.is_temporal, pa.types.is_decimal, pa.types.is_binary)
    return not any(is_one(kind) for is_one in others)


def _in_csv(kind: pa.DataType) -> bool:
    return in_json(kind) and not pa.types.is_nested(kind)


def parsed(name: str, arrow: pa.DataType) -> pl.Expr:
    """The column, read as text, in its own type."""
    column, kind = pl.col(exact(name)), polars_type(arrow)
    if pa.types.is_nested(arrow):
        return column.map_batches(partial(_nested, kind=arrow), kind, is_elementwise=True)
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
    if pa.types.is_boolean(arrow):
        return column.str.json_decode(kind)
    return column.cast(kind)


def _nested(texts: pl.Series, kind: pa.DataType) -> pl.Series:
    return _of_json(texts.name, [None if text is None else json.loads(text) for text in texts], kind)


def json_columns(
    path: str | Path | IO[bytes],
    event: str,
    columns: Mapping[str, pa.DataType | None],
    storage_options: dict[str, str] | None = None,
) -> pl.LazyFrame:
    """Columns of one event type in a file of JSON lines, read value by value; without a type, their JSON.

    Polars knows no tuples in JSON, no mappings and no instants. What it is told to read as text it writes
    once more: 1.0 as 1, and a quote in a key as it is.
    """
    end = f',"event_type":{json.dumps(event, ensure_ascii=False)}}}'
    types = {name: pl.String() if kind is None else polars_type(kind) for name, kind in columns.items()}

    def read(lines: pl.DataFrame) -> pl.DataFrame:
        rows = [json.loads(line) for line in lines["line"]]
        return pl.DataFrame(
            [_of_json(name, [row[name] for row in rows], kind) for name, kind in columns.items()]
        )

    lines = pl.scan_lines(path, storage_options=storage_options)
    return lines.filter(pl.col("line").str.ends_with(end)).map_batches(read, schema=types)


def _of_json(name: str, values: list[object], kind: pa.DataType | None) -> pl.Series:
    if kind is not None:
        return pl.Series(name, from_json(values, kind), polars_type(kind))
    texts = [None if value is None else json.dumps(value, ensure_ascii=False) for value in values]
    return pl.Series(name, texts, pl.String())
