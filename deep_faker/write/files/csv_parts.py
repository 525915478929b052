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
import pyarrow.compute as pc

from deep_faker.write.lines.json_lines import bytes_as_text, exact
from deep_faker.write.lines.json_texts import json_texts
from deep_faker.write.lines.line_file import packed
from deep_faker.write.trees import one_array
from deep_faker.write.whole.hashing import HashingFile

if TYPE_CHECKING:
    import polars as pl

FORMULAS = ("keep", "quote")
_FORMULA = r"^'*[=+\-@\t\r\n＝＋－＠]"  # the wide ones, too
_QUOTED = r"^'('*[=+\-@\t\r\n＝＋－＠])"


def write_csv(
    file: HashingFile, table: pa.Table, *, compression: str | None = None, formulas: str = "keep"
) -> None:
    """Write a table of plain columns; compressed, each of its chunks is a gzip member or zstd frame."""
    for number, batch in enumerate(table.to_batches() or [pa.RecordBatch.from_pylist([], table.schema)]):
        text = io.BytesIO()
        _texts(pa.table(batch), quotes=formulas == "quote").write_csv(text, include_header=number == 0)
        lines = text.getbuffer()
        file.write(lines if compression is None else packed(bytes(lines), compression))


def unquoted(column: pl.Expr) -> pl.Expr:
    """The texts that `write_csv` was given, from those that it wrote with ``formulas="quote"``.

    >>> import polars as pl
    >>> pl.DataFrame({"x": ["'=1", "''=1", "'tis"]}).select(unquoted(pl.col("x")))["x"].to_list()
    ['=1', "'=1", "'tis"]
    """
    return column.str.replace(_QUOTED, "${1}")


def _texts(table: pa.Table, *, quotes: bool) -> pl.DataFrame:
    """The rows with what CSV has no form for as text."""
    import polars as pl

    frame = pl.DataFrame(pl.from_arrow(bytes_as_text("", table)))
    columns: list[pl.Expr | pl.Series] = []
    for name, dtype in frame.schema.items():
        column = pl.col(exact(name))
        if dtype == pl.Datetime:
            columns.append(column.dt.to_string("%Y-%m-%dT%H:%M:%S%.6f"))
        elif dtype == pl.Time:
            columns.append(column.dt.to_string("%H:%M:%S%.6f"))
        elif dtype == pl.Duration:
            columns.append(_seconds(column.dt.total_microseconds()).alias(name))
        elif dtype.is_nested():
            columns.append(_json(name, one_array(table.column(name))))
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


def _json(name: str, column: pa.Array) -> pl.Series:
    """Nested values as JSON text; null stays null."""
    import polars as pl

    texts = pc.if_else(column.is_valid(), json_texts(column), pa.scalar(None, pa.large_string()))
    return pl.Series(name, texts)
