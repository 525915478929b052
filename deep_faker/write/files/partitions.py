"""Hive-style partitions: a table's rows in folders by date, hour or a field's value, ``country=de/``.

As Spark does it, the value stands in the folder's name and not in the files, and names are escaped like
Spark's. Each folder's rows keep their order.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.errors import Diagnostic, OutputError, SettingsError, near
from deep_faker.write.files.parts import PART_ROWS, TableStream
from deep_faker.write.frames import plain_type
from deep_faker.write.protocol import FileReceipt

NULL = "__HIVE_DEFAULT_PARTITION__"
MAX_PARTITIONS = 1024
_TIMES = {"date": (86_400_000, "%Y-%m-%d"), "hour": (3_600_000, "%Y-%m-%dT%H")}
_ESCAPED = {chr(c): f"%{c:02X}" for c in (*range(32), 127, *b"\"#%'*/:=?\\{[]^")}
_ESCAPES = str.maketrans(_ESCAPED)
_LONGEST = 200  # bytes of a folder's name: file systems take 255


def checked_keys(partition_by: object) -> tuple[str, ...]:
    """The names in ``partition_by``, one or a list. Raises `SettingsError` for others or a repetition.

    >>> checked_keys("date"), checked_keys(["date", "country"])
    (('date',), ('date', 'country'))
    """
    keys = [partition_by] if isinstance(partition_by, str) else partition_by
    if isinstance(keys, Sequence) and keys and all(isinstance(k, str) and k for k in keys):
        if len(set(keys)) == len(keys):
            return tuple(keys)
    mend = 'give "date", "hour", a field\'s name or a list of different ones'
    raise SettingsError(Diagnostic("wrong partition_by", None, f"partition_by={partition_by!r}", mend))


def keys_of(keys: Sequence[str], schemas: Mapping[str, pa.Schema]) -> dict[str, tuple[str, ...]]:
    """Of each table the keys that it has: the time's always, a field's where it has that field.

    Raises `OutputError` for a key that no table has, and for a field whose values name no folders.
    """
    for key in keys:
        owners = [name for name, schema in schemas.items() if key in schema.names]
        if key in _TIMES and owners:
            label = (
                f"partition_by={key!r} is the {key} of the event, and {owners[0]} has a field of that name"
            )
            raise OutputError(Diagnostic("two meanings of a partition key", None, label, "rename the field"))
        if key not in _TIMES and not owners:
            known = sorted({*_TIMES, *(n for s in schemas.values() for n in s.names)})
            label = f"partition_by={key!r}"
            raise OutputError(Diagnostic("no such field", None, label, near(key, known, "partition keys")))
        for name in owners:
            _check_type(f"{name}.{key}", schemas[name].field(key).type)
    return {
        name: tuple(key for key in keys if key in _TIMES or key in schema.names)
        for name, schema in schemas.items()
    }


def _check_type(field: str, kind: pa.DataType) -> None:
    kind = plain_type(kind)
    fit = (pa.types.is_string, pa.types.is_integer, pa.types.is_boolean, pa.types.is_date)
    if not any(is_one(kind) for is_one in fit):
        mend = "partition by text, a whole number, a boolean, a date, or by the event's date or hour"
        raise OutputError(Diagnostic("a partition key of this type", None, f"{field} is {kind}", mend))


@dataclass
class PartitionedStream:
    """One `TableStream` for each combination of the keys' values.

    ``make`` gives the stream of a folder below the table's own. Rows wait in memory until their part is
    full; where too many wait in all, the parts with most rows end early, at the same row in every run.
    """

    keys: tuple[str, ...]
    schema: pa.Schema
    make: Callable[[str, pa.Schema], TableStream]
    max_partitions: int = MAX_PARTITIONS
    most_waiting: int = PART_ROWS
    rows: int = 0
    _streams: dict[str, TableStream] = field(default_factory=dict)

    def checkpoint(self, scratch: Path) -> dict[str, object]:
        """See `TableStream.checkpoint`."""
        states = {folder: stream.checkpoint(scratch) for folder, stream in self._streams.items()}
        return {"rows": self.rows, "partitions": states}

    def resume(self, scratch: Path, state: Mapping[str, Any]) -> None:
        """See `TableStream.resume`."""
        self.rows = state["rows"]
        for folder, one in state["partitions"].items():
            self._stream(folder).resume(scratch, one)

    def write(self, table: pa.Table) -> None:
        """Take the next rows."""
        self.rows += table.num_rows
        while table.num_rows:
            # No more than may wait: full parts only make room, so what ends early, and at which row,
            # does not depend on how the rows were cut.
            room = self.most_waiting - self.waiting
            self._spread(table.slice(0, room))
            table = table.slice(room)
            while self.waiting >= self.most_waiting:
                max(self._streams.values(), key=lambda stream: stream.waiting).flush()

    def end(self) -> None:
        """Begin to write what waits, that with most rows first."""
        for stream in sorted(self._streams.values(), key=lambda stream: -stream.waiting):
            stream.end()

    def finish(self) -> list[FileReceipt]:
        """Write what waits, and wait for it. A table without rows has no files."""
        self.end()
        return [
            replace(receipt, path=f"{folder}/{receipt.path}")
            for folder in sorted(self._streams)
            for receipt in self._streams[folder].finish()
        ]

    @property
    def waiting(self) -> int:
        """Rows that have not been written yet."""
        return sum(stream.waiting for stream in self._streams.values())

    def _spread(self, table: pa.Table) -> None:
        codes, folders = _folders(table, self.keys)
        rest = table.drop_columns([key for key in self.keys if key in table.column_names])
        if len(folders) == 1:
            self._stream(folders[0]).write(rest)
            return
        order = np.argsort(codes, kind="stable")
        ends = np.cumsum(np.bincount(codes, minlength=len(folders)))
        rest = rest.take(pa.array(order))
        for folder, first, end in zip(folders, (0, *ends), ends):
            self._stream(folder).write(rest.slice(first, end - first))

    def _stream(self, folder: str) -> TableStream:
        if folder not in self._streams:
            if len(self._streams) >= self.max_partitions:
                label = f"{folder} would be number {len(self._streams) + 1:,}"
                mend = "partition by a field with fewer values, or raise max_partitions"
                raise OutputError(Diagnostic("too many partitions", None, label, mend))
            names = [name for name in self.schema.names if name not in self.keys]
            schema = pa.schema([self.schema.field(n) for n in names], self.schema.metadata)
            self._streams[folder] = self.make(folder, schema)
        return self._streams[folder]


def partition_keys(folder: str) -> list[str]:
    """The keys in a folder's name; empty without any, and for a name that no partition has.

    >>> partition_keys("date=2024-01-31/country=de"), partition_keys("")
    (['date', 'country'], [])
    """
    pairs = [part.partition("=") for part in folder.split("/")] if folder else []
    return [unquote(key) for key, sign, _ in pairs if sign]


def wrong_times(table: pa.Table, held: Mapping[str, str | None]) -> bool:
    """Whether rows of a folder with these keys and values are of another date or hour than it says."""
    for key in held.keys() & _TIMES.keys():
        if table.num_rows and set(_time_codes(table, key)[1]) != {str(held[key]).translate(_ESCAPES)}:
            return True
    return False


def state_parts(state: Mapping[str, Any], folder: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The files that a stream's state knows, by path below the data set, and the receipt of each.

    >>> state = {"partitions": {"country=de": {"parts": [{"path": "part-00000.parquet"}]}}}
    >>> [path for path, _ in state_parts(state, "events/Order")]
    ['events/Order/country=de/part-00000.parquet']
    """
    for part in state.get("parts", ()):
        yield f"{folder}/{part['path']}", part
    for name, one in state.get("partitions", {}).items():
        yield from state_parts(one, f"{folder}/{name}")


def _folders(table: pa.Table, keys: Sequence[str]) -> tuple[npt.NDArray[np.int64], list[str]]:
    """For each row the number of its folder, and the folders, numbered in the order of their names' codes."""
    codes = np.zeros(table.num_rows, np.int64)
    names = [""]
    for key in keys:
        of_key, labels = _time_codes(table, key) if key in _TIMES else _field_codes(table[key])
        joint, codes = np.unique(codes * len(labels) + of_key, return_inverse=True)
        names = [
            f"{names[code // len(labels)]}{key.translate(_ESCAPES)}={labels[code % len(labels)]}/"
            for code in joint.tolist()
        ]
    return codes, [name[:-1] for name in names]


def _time_codes(table: pa.Table, key: str) -> tuple[npt.NDArray[np.int64], list[str]]:
    length, form = _TIMES[key]
    spans, codes = np.unique(table["sys__ets"].to_numpy() // length, return_inverse=True)
    times = [dt.datetime.fromtimestamp(span * length / 1000, dt.UTC) for span in spans.tolist()]
    return codes, [time.strftime(form).translate(_ESCAPES) for time in times]


def _field_codes(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int64], list[str]]:
    array = column.cast(plain_type(column.type)).combine_chunks()
    encoded = pc.dictionary_encode(array)
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    values = encoded.dictionary.to_pylist()
    codes = encoded.indices.fill_null(len(values)).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, [*map(_label, values), NULL]


def _label(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    label = text.translate(_ESCAPES)
    if label == NULL:  # the text, not null: readers that know escapes read it so
        label = f"%5F{label[1:]}"
    if len(label.encode()) > _LONGEST:
        mend = "partition by a field with short values"
        raise OutputError(Diagnostic("a value that names no folder", None, f"{text[:60]!r}…", mend))
    return label
