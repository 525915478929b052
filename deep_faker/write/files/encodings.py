"""How the rows of one part become a file: Parquet, Arrow or CSV, each with its ways of compression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from deep_faker.errors import Diagnostic, SettingsError, near
from deep_faker.write.files import csv_parts as csvparts
from deep_faker.write.files import parquet
from deep_faker.write.whole.canonical import canonical
from deep_faker.write.whole.hashing import HashingFile

FORMATS = ("parquet", "jsonl", "csv", "arrow")
COMPRESSIONS = {
    "parquet": parquet.COMPRESSIONS,
    "jsonl": ("gzip", "zstd"),
    "csv": ("gzip", "zstd"),
    "arrow": ("lz4", "zstd"),
}
"""The ways of compression that ``compression`` can name, by format."""


@dataclass(frozen=True)
class Encoding:
    """A format and how its files end.

    ``write(file, table, hinted)`` writes the rows: ``table`` in blocks of plain columns, ``hinted`` the
    schema with its hints and, in its metadata, the origin that the footer keeps. With ``dictionaries`` it
    takes columns of few texts as codes (`frames.coded_texts`), too.
    """

    suffix: str
    write: Callable[[HashingFile, pa.Table, pa.Schema], None]
    dictionaries: bool = False


def checked_format(format: object, compression: object) -> None:  # noqa: A002 - the public name
    """Raise `SettingsError` for a format or compression that there is not."""
    if format not in FORMATS:
        mend = near(str(format), FORMATS, "format")
        raise SettingsError(Diagnostic("wrong format", None, f"format={format!r}", mend))
    known = COMPRESSIONS[str(format)]
    if compression is not None and compression not in known:
        label = f"compression={compression!r} with format={format!r}"
        mend = near(str(compression), known, f"compression of {format}")
        raise SettingsError(Diagnostic("wrong compression", None, label, mend))


def checked_formulas(formulas: object, format: object) -> None:  # noqa: A002
    """Raise `SettingsError` for a word that there is not, or a format that no spreadsheet runs."""
    if formulas not in csvparts.FORMULAS:
        mend = near(str(formulas), csvparts.FORMULAS, "csv_formulas")
        raise SettingsError(Diagnostic("wrong csv_formulas", None, f"csv_formulas={formulas!r}", mend))
    if formulas != "keep" and format != "csv":
        label = f"csv_formulas={formulas!r} with format={format!r}, which no spreadsheet runs"
        raise SettingsError(Diagnostic("csv_formulas has no meaning here", None, label, "leave it out"))


def encoding_of(format: str, compression: str | None = None, formulas: str = "keep") -> Encoding:  # noqa: A002
    """The encoding of a data set's tables; with ``jsonl``, whose events are lines, that of the others.

    >>> encoding_of("csv", "gzip").suffix, encoding_of("jsonl", "gzip").suffix
    ('.csv.gz', '.parquet')
    """
    if format == "csv":
        ending = {"gzip": ".gz", "zstd": ".zst", None: ""}[compression]
        write = partial(csvparts.write_csv, compression=compression, formulas=formulas)
        return Encoding(f".csv{ending}", lambda file, table, _: write(file, table))
    if format == "arrow":
        return Encoding(".arrow", lambda file, table, hinted: _write_arrow(file, table, hinted, compression))
    way = "zstd" if compression is None or format == "jsonl" else compression
    return Encoding(
        ".parquet",
        lambda file, table, hinted: parquet.write_parquet(file, table, hinted, compression=way),
        dictionaries=True,
    )


def _write_arrow(file: HashingFile, table: pa.Table, hinted: pa.Schema, compression: str | None) -> None:
    """The Arrow IPC file format (Feather 2), one record batch a block."""
    table = table.replace_schema_metadata(hinted.metadata)
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_file(file, table.schema, options=options) as writer:
        for batch in table.to_batches():
            columns = [canonical(column) for column in batch.columns]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=table.schema))
