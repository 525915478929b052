"""CSV as RFC 4180 has it: a header, commas, quotes where they are needed.

What CSV has no form for is text: instants in ISO 8601 (UTC), durations in seconds (``PT90.5S``), lists in
JSON. A missing value is nothing at all, an empty text is ``""``.

Spreadsheets run a text that begins with ``=``, ``+``, ``-``, ``@``, a tab or the end of a line as a formula.
With ``formulas="quote"`` such a text gets an apostrophe before it, by which they know a text; one that has
apostrophes before such a character gets one more, so that reading back is exact.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pyarrow as pa

from deep_faker.outputs.hashing import HashingFile
from deep_faker.outputs.jsonlines import exact, split_lines
from deep_faker.outputs.linefile import packed

if TYPE_CHECKING:
    import polars as pl

_FIELD = b'{"x":'
FORMULAS = ("keep", "quote")
_FORMULA = r"^'*[=+\-@\t\r\n＝＋－＠]"  # the wide ones, too
_QUOTED = r"^'('*[=+\-@\t\r\n＝＋－＠])"


def write_csv(
    file: HashingFile, table: pa.Table, *, compression: str | None = None, formulas: str = "keep"
) -> None:
    """Write a table of plain columns; compressed, each of its chunks is a gzip member or zstd frame."""
    for number, batch in enumerate(table.to_batches() or [pa.RecordBatch.from_pylist([], table.schema)]):
        text = io.BytesIO()
        _texts(batch, quotes=formulas == "quote").write_csv(text, include_header=number == 0)
        lines = text.getbuffer()
        file.write(lines if compression is None else packed(bytes(lines), compression))


def unquoted(column: pl.Expr) -> pl.Expr:
    """The texts that `write_csv` was given, from those that it wrote with ``formulas="quote"``.

    >>> import polars as pl
    >>> pl.DataFrame({"x": ["'=1", "''=1", "'tis"]}).select(unquoted(pl.col("x")))["x"].to_list()
    ['=1', "'=1", "'tis"]
    """
    return column.str.replace(_QUOTED, "${1}")


def _texts(batch: pa.RecordBatch, *, quotes: bool) -> pl.DataFrame:
    """The rows with what CSV has no form for as text."""
    import polars as pl

    frame = pl.DataFrame(pl.from_arrow(pa.table(batch)))
    columns: list[pl.Expr | pl.Series] = []
    for name, dtype in frame.schema.items():
        column = pl.col(exact(name))
        if dtype == pl.Datetime:
            columns.append(column.dt.to_string("%Y-%m-%dT%H:%M:%S%.6f"))
        elif dtype == pl.Time:
            columns.append(column.dt.to_string("%H:%M:%S%.6f"))
        elif dtype == pl.Duration:
            columns.append(_seconds(column.dt.total_microseconds()).alias(name))
        elif dtype == pl.List:
            columns.append(_json(frame[name]))
        elif quotes and dtype == pl.String:
            columns.append(
                pl.when(column.str.contains(_FORMULA))
                .then(pl.lit("'") + column)
                .otherwise(column)
                .alias(name)
            )
    return frame.with_columns(columns)


def _seconds(micros: pl.Expr) -> pl.Expr:
    """``PT-90.500000S``, exact to the microsecond."""
    import polars as pl

    sign = pl.when(micros < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    whole, part = micros.abs() // 1_000_000, micros.abs() % 1_000_000
    return pl.format("PT{}{}.{}S", sign, whole, part.cast(pl.String).str.zfill(6))


def _json(column: pl.Series) -> pl.Series:
    """Lists as JSON text; null stays null."""
    import polars as pl

    text = io.BytesIO()
    column.alias("x").to_frame().write_ndjson(text)
    lines = split_lines(text.getvalue())
    inner = pa.compute.binary_slice(lines.cast(pa.binary()), len(_FIELD), -2)  # without {"x": and }\n
    texts = pl.Series(column.name, inner.cast(pa.large_string()))
    return texts.to_frame().select(pl.when(column.is_not_null()).then(pl.col(exact(column.name)))).to_series()
