"""Rows a second into files of each format, against the bare writers of Polars and PyArrow.

    python benchmarks/files.py --rows 2000000

Both get the same tables of ten columns (120 bytes a row) in chunks of 131,072 rows, with the same way of
compression. The output sorts them into parts, hashes every file and column for its manifest and names the
folder when it is whole; the bare writer only writes, one chunk after the other, into one file.
"""

from __future__ import annotations

import argparse
import gzip
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

from sql import info, rows  # noqa: E402

from deep_faker.outputs import EventChunk, ParquetOutput  # noqa: E402

CHUNK = 131_072
GZIP_LEVEL = 6
CASES: dict[str, dict[str, Any]] = {
    "csv": {"format": "csv"},
    "csv gzip": {"format": "csv", "compression": "gzip"},
    "csv zstd": {"format": "csv", "compression": "zstd"},
    "arrow": {"format": "arrow"},
    "arrow lz4": {"format": "arrow", "compression": "lz4"},
    "arrow zstd": {"format": "arrow", "compression": "zstd"},
    "parquet zstd": {"format": "parquet"},
    "arrow, by hour": {"format": "arrow", "partition_by": "hour"},
}


def ours(shape: dict[str, Any], chunks: list[pa.Table], place: Path) -> None:
    """The output, from its opening to its manifest."""
    output = ParquetOutput(place, **shape)
    output.open(info(chunks[0]))
    first = 0
    for chunk in chunks:
        output.write(EventChunk({"Viewed": chunk}, np.zeros(len(chunk), np.uint16), ("Viewed",), first))
        first += len(chunk)
    output.finish()


def bare(shape: dict[str, Any], chunks: list[pa.Table], place: Path) -> None:
    """The library's writer alone: Polars for CSV, PyArrow for the others."""
    way = shape.get("compression")
    if shape["format"] == "csv":
        opened: dict[str | None, Callable[[], Any]] = {
            None: lambda: place.open("wb"),
            "gzip": lambda: gzip.GzipFile(place, "wb", GZIP_LEVEL),
            "zstd": lambda: pa.CompressedOutputStream(pa.OSFile(str(place), "wb"), "zstd"),
        }
        with opened[way]() as file:
            for number, chunk in enumerate(chunks):
                frame = pl.DataFrame(pl.from_arrow(chunk))
                if way is None:
                    frame.write_csv(file, include_header=number == 0)
                else:
                    file.write(frame.write_csv(include_header=number == 0).encode())
        return
    plain = pa.schema(
        [(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type) for f in chunks[0].schema]
    )
    if shape["format"] == "arrow":
        with pa.ipc.new_file(str(place), plain, options=pa.ipc.IpcWriteOptions(compression=way)) as writer:
            for chunk in chunks:
                writer.write_table(chunk.cast(plain))
        return
    with pq.ParquetWriter(place, chunks[0].schema, compression="zstd", compression_level=1) as writer:
        for chunk in chunks:
            writer.write_table(chunk)


def main() -> None:
    """Every case in turn, its rounds bare and ours by turns; the best of each counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--save", help="file of the raw results")
    given = parser.parse_args()
    table = rows(given.rows)
    chunks = [table.slice(first, CHUNK) for first in range(0, given.rows, CHUNK)]
    found: dict[str, Any] = {
        "machine": platform.processor() or platform.machine(),
        "versions": {name: version(name) for name in ("polars", "pyarrow")}
        | {"python": platform.python_version()},
        "rows": given.rows,
        "seconds": {},
    }
    for case, shape in CASES.items():
        times: dict[str, list[float]] = {"bare": [], "ours": []}
        for _ in range(given.rounds):
            for who, write in (("bare", bare), ("ours", ours)):
                with tempfile.TemporaryDirectory() as folder:
                    began = time.perf_counter()
                    write(shape, chunks, Path(folder) / "out")
                    times[who].append(round(time.perf_counter() - began, 3))
        found["seconds"][case] = times
        alone, output = (given.rows / min(times[who]) for who in ("bare", "ours"))
        print(f"| {case} | {alone:,.0f} | {output:,.0f} | {output / alone:.2f} |", flush=True)
    if given.save:
        Path(given.save).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
