"""A stream of tables → files whose bytes do not depend on how the rows arrived.

Rows are collected until a part is full, cut into blocks of fixed length, and written as one file.
How they are written is the `Encoding`'s business.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pyarrow as pa

from deep_faker.errors import Diagnostic, OutputError
from deep_faker.write.files.encodings import Encoding
from deep_faker.write.files.repeated_keys import repeated_keys
from deep_faker.write.files.whole_columns import Scratch
from deep_faker.write.frames import coded_texts, plain_schema
from deep_faker.write.protocol import FileReceipt
from deep_faker.write.whole.hashing import HashingFile, TableHash
from deep_faker.write.whole.intact import check_place, read_start, torn

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

PART_ROWS = 1 << 20
"""Rows of a full part, if nothing else is asked for."""

BLOCK_ROWS = 1 << 16
_MOST_PIECES = 512
_PENDING = 3
_LONGEST = 80  # characters of a name
_SCRATCH = Scratch()


def part_rows(schemas: Mapping[str, pa.Schema]) -> dict[str, int]:
    """Rows a part of each of these tables, so that all of them filling up at once take about 1 GiB.

    >>> part_rows({"A": pa.schema([("x", pa.int64())])})
    {'A': 1048576}
    """
    widths = {name: sum(_width(f.type) for f in schema) for name, schema in schemas.items()}
    rows = {}
    for name, width in widths.items():
        rows[name] = PART_ROWS
        while rows[name] > BLOCK_ROWS and rows[name] * width * len(schemas) > 1 << 30:
            rows[name] //= 2
    return rows


def most_rows(schemas: Mapping[str, pa.Schema]) -> dict[str, int]:
    """Rows a part of each table at most, where files have a size: all together take about 2 GiB.

    >>> most_rows({"A": pa.schema([("x", pa.int64())])})
    {'A': 268435456}
    """
    widths = {name: sum(_width(f.type) for f in schema) for name, schema in schemas.items()}
    return {n: max(BLOCK_ROWS, (1 << 31) // (max(w, 1) * len(schemas))) for n, w in widths.items()}


def _width(kind: pa.DataType) -> int:
    """Bytes of memory that a value takes, roughly."""
    return 32 if pa.types.is_nested(kind) else 8 if pa.types.is_primitive(kind) else 16


class WritePool:
    """Two threads that write parts, and a queue so short that memory stays bounded.

    Arrow lets go of the interpreter lock while it encodes, so two threads write twice as fast;
    every part is a file of its own, so their order of completion does not show.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="deep_faker-write")
        self._pending: deque[Future[FileReceipt]] = deque()

    def submit(self, part: Part) -> Future[FileReceipt]:
        """Write ``part`` soon. Raises what an earlier part raised."""
        while len(self._pending) >= _PENDING:
            self._pending.popleft().result()
        future = self._pool.submit(write_part, part)
        self._pending.append(future)
        return future

    def close(self) -> None:
        """Wait for what is being written; drop the rest."""
        self._pool.shutdown(wait=True, cancel_futures=True)


@dataclass
class TableStream:
    """The parts of one table: ``folder/part-00000.parquet`` and so on, at least one.

    ``schema`` may hold dictionary columns and hints; files hold plain types. Its own metadata go into
    every file's footer. With ``file_size`` a part has as many rows as make about so many bytes, and at
    most ``rows_a_part``: how long a row is, is measured once, on the table's first block.
    """

    folder: Path
    schema: pa.Schema
    pool: WritePool
    encoding: Encoding
    rows_a_part: int = PART_ROWS
    file_size: int | None = None
    name: str = ""
    stem: str = "part"
    rows: int = 0
    _pieces: list[pa.Table] = field(default_factory=list)
    waiting: int = 0
    _parts: list[Future[FileReceipt]] = field(default_factory=list)
    _spill: Spill | None = None

    def checkpoint(self, scratch: Path) -> dict[str, object]:
        """Make all rows durable: whole parts as files, the rest in ``scratch``; what `resume` needs."""
        receipts = [asdict(part.result()) for part in self._parts]
        if self.waiting and (self._spill is None or self._spill.part != len(self._parts)):
            self._spill = Spill(scratch, self.name, len(self._parts))
        spilled = self._spill.keep(self._pieces, self.schema) if self.waiting and self._spill else {}
        return {
            "rows": self.rows,
            "parts": receipts,
            "waiting": self.waiting,
            "spilled": spilled,
            "rows_a_part": self.rows_a_part,
            "measured": self.file_size is None,
        }

    def resume(self, scratch: Path, state: Mapping[str, Any]) -> None:
        """Go on as `checkpoint` says, in a new stream."""
        for receipt in state["parts"]:
            done: Future[FileReceipt] = Future()
            done.set_result(FileReceipt(**receipt))
            self._parts.append(done)
        self.rows, self.waiting = state["rows"], state["waiting"]
        if state["measured"]:
            self.rows_a_part, self.file_size = state["rows_a_part"], None
        if self.waiting:
            self._spill = Spill(scratch, self.name, len(self._parts))
            self._pieces = self._spill.read(state["spilled"], self.waiting)

    def write(self, table: pa.Table) -> None:
        """Take the next rows; their columns are those of the schema, in its order."""
        if table.column_names != self.schema.names:
            raise OutputError(
                Diagnostic(
                    f"columns of {self.folder.name} changed",
                    None,
                    f"the first rows had {', '.join(self.schema.names)}; now {', '.join(table.column_names)}",
                )
            )
        self.rows += table.num_rows
        while table.num_rows:
            full = self.rows_a_part if self.file_size is None else BLOCK_ROWS
            cut = min(table.num_rows, full - self.waiting)
            self._pieces.append(table.slice(0, cut))
            self.waiting += cut
            table = table.slice(cut)
            if self.waiting == full:
                self._submit_full()
        if len(self._pieces) > _MOST_PIECES:  # thousands of tiny pieces would cost more than their rows
            self._pieces = [joined(self._pieces, plain_schema(self.schema))]

    def flush(self) -> None:
        """End the part, full or not."""
        self._submit_full()
        if self.waiting:
            self._submit(self._pieces)
            self._pieces, self.waiting = [], 0

    def end(self) -> None:
        """Begin to write what waits; a table without rows gets one empty part."""
        self.flush()
        if not self._parts:
            self._submit([])

    def finish(self) -> list[FileReceipt]:
        """Write what waits, and wait for it."""
        self.end()
        return [part.result() for part in self._parts]

    def _submit_full(self) -> None:
        """Write the full parts among the rows that wait, having measured them where that is to be done."""
        if self.file_size is not None and self.waiting:
            table = joined(self._pieces, plain_schema(self.schema))
            self._pieces = [table]
            size = encoded(Part(self.folder, self.schema, [table], self.encoding), HashingFile(Nowhere()))[0]
            self.rows_a_part = max(1, min(self.rows_a_part, self.file_size * table.num_rows // size))
            self.file_size = None
        while self.waiting >= self.rows_a_part and self.waiting:
            rest = pa.concat_tables(_same(self._pieces)) if len(self._pieces) > 1 else self._pieces[0]
            self._submit([rest.slice(0, self.rows_a_part)])
            self.waiting -= self.rows_a_part
            self._pieces = [rest.slice(self.rows_a_part)] if self.waiting else []

    def _submit(self, pieces: list[pa.Table]) -> None:
        path = self.folder / f"{self.stem}-{len(self._parts):05d}{self.encoding.suffix}"
        self._parts.append(self.pool.submit(Part(path, self.schema, pieces, self.encoding)))


class Spill:
    """The rows of a part that is not full yet, beside a checkpoint: Arrow streams one after the other."""

    def __init__(self, scratch: Path, table: str, part: int) -> None:
        self.part = part
        # a name may be longer than a file's can be
        digest = hashlib.sha256(table.encode()).hexdigest()[:12]
        self.path = scratch / f"{quote(table, safe='')[:_LONGEST]}-{digest}-{part:05d}.arrow"
        self._rows = 0
        self._kept = HashingFile(Nowhere())

    def keep(self, pieces: list[pa.Table], schema: pa.Schema) -> dict[str, object]:
        """Append what the file lacks of these rows; what `read` needs."""
        skip = self._rows
        with self.path.open("r+b" if self._kept.size else "wb") as raw:
            raw.seek(self._kept.size)
            raw.truncate()
            rest = []
            for piece in pieces:
                rest.append(piece.slice(min(skip, piece.num_rows)))
                skip = max(0, skip - piece.num_rows)
            rows = joined([p for p in rest if p.num_rows] or [pieces[0].slice(0, 0)], plain_schema(schema))
            file = HashingFile(raw, after=self._kept)
            if rows.num_rows:
                options = pa.ipc.IpcWriteOptions(compression="lz4")
                with pa.ipc.new_stream(file, rows.schema, options=options) as writer:
                    writer.write_table(rows, max_chunksize=BLOCK_ROWS)
            raw.flush()
            os.fsync(raw.fileno())
        self._kept = file
        self._rows += rows.num_rows
        return {"bytes": file.size, "sha256": file.sha256()}

    def read(self, state: Mapping[str, Any], rows: int) -> list[pa.Table]:
        """The rows that `keep` has. Raises `OutputError` where they are not all there, bit for bit."""
        path = check_place(self.path.parent, self.path.name)
        data, self._kept = read_start(path, state["bytes"], state["sha256"])
        pieces: list[pa.Table] = []
        file = pa.BufferReader(data)
        while file.tell() < len(data):
            with pa.ipc.open_stream(file) as reader:
                pieces.append(reader.read_all())
        if sum(piece.num_rows for piece in pieces) != rows:
            raise torn(self.path, f"it does not hold the {rows:,} rows that the checkpoint knows")
        self._rows = rows
        return pieces


@dataclass(frozen=True)
class Part:
    """One file to be written: its rows in pieces of any length."""

    path: Path
    schema: pa.Schema
    pieces: list[pa.Table]
    encoding: Encoding


class Nowhere(io.BytesIO):
    """A file that keeps nothing: only its length counts."""

    def write(self, data: ReadableBuffer) -> int:
        return memoryview(data).nbytes


def write_part(part: Part) -> FileReceipt:
    """Write one file and make it durable.

    Raises `OSError` where the disk refuses; the torn file is the caller's to remove.
    """
    part.path.parent.mkdir(parents=True, exist_ok=True)
    with part.path.open("xb", buffering=0) as raw:
        file = HashingFile(raw)
        _, hashes = encoded(part, file)
        os.fsync(raw.fileno())
    return FileReceipt(
        path=part.path.name,
        rows=hashes.rows,
        bytes=file.size,
        sha256=file.sha256(),
        logical=hashes.hexdigest(),
        columns=hashes.columns(),
    )


def encoded(part: Part, file: HashingFile) -> tuple[int, TableHash]:
    """Write the part's rows to ``file``: how many bytes, and the hashes of the values."""
    schema = plain_schema(part.schema)
    hashes = TableHash(schema.names)
    if not sum(piece.num_rows for piece in part.pieces):
        part.encoding.write(file, pa.Table.from_batches([], schema), part.schema)
        return file.size, hashes
    table = pa.concat_tables([piece.replace_schema_metadata(None) for piece in _same(part.pieces)])
    _SCRATCH.begin()
    for place, column_of in enumerate(part.schema):
        column, coded = table.column(place), None
        if part.encoding.dictionaries and pa.types.is_dictionary(column_of.type):
            coded = coded_texts(column)
        elif part.encoding.dictionaries and (column_of.metadata or {}).get(b"hint") == b"key":
            coded = repeated_keys(column)
        if coded is not None:
            table = table.set_column(place, column_of.name, coded)
            schema = schema.set(place, schema.field(place).with_type(coded.type))
        elif (whole := _SCRATCH.whole(column)) is not None:
            table = table.set_column(place, column_of.name, whole)
    blocks = []
    for arrays in blocks_of(table, schema):
        hashes.update(arrays)
        blocks.append(pa.RecordBatch.from_arrays(arrays, schema=schema))
    part.encoding.write(file, pa.Table.from_batches(blocks, schema), part.schema)
    return file.size, hashes


def blocks_of(table: pa.Table, schema: pa.Schema) -> Iterator[list[pa.Array]]:
    """The table's columns in blocks of `BLOCK_ROWS` rows, each one array of the schema's type."""
    for first in range(0, table.num_rows, BLOCK_ROWS):
        columns = table.slice(first, BLOCK_ROWS).columns
        yield [_one_array(column, field.type) for column, field in zip(columns, schema)]


def joined(pieces: list[pa.Table], schema: pa.Schema) -> pa.Table:
    """The pieces as one table of plain columns, each in one chunk."""
    table = pa.concat_tables(_same(pieces))
    return pa.table(
        [_one_array(column, schema.field(i).type) for i, column in enumerate(table.columns)], schema=schema
    )


def _same(pieces: list[pa.Table]) -> list[pa.Table]:
    """Pieces of one schema: some may have been joined, and so decoded, before."""
    if all(piece.schema.equals(pieces[0].schema) for piece in pieces):
        return pieces
    schema = plain_schema(pieces[0].schema)
    return [piece.cast(schema) for piece in pieces]


def _one_array(column: pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    """The column's values in one plain array."""
    if column.type != kind:
        column = column.cast(kind)
    if column.num_chunks == 1:
        return column.chunk(0)
    array = column.combine_chunks()
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
