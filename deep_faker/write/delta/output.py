"""`DeltaOutput`: events appended to Delta Lake tables, each event once."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa

from deep_faker.errors import Diagnostic, OutputError, SettingsError
from deep_faker.spans import caller_span, narrow_keyword
from deep_faker.write.arguments import check_flags
from deep_faker.write.delta.files import WrittenFiles
from deep_faker.write.files.manifest import versions
from deep_faker.write.files.object_store import is_url, local_only
from deep_faker.write.files.partitions import checked_keys
from deep_faker.write.files.parts import part_rows
from deep_faker.write.frames import plain, plain_schema
from deep_faker.write.names import check_folder_names, differ_by_case, folder_of
from deep_faker.write.paths import output_path
from deep_faker.write.protocol import EventChunk, FileReceipt, RunInfo
from deep_faker.write.secrets import quotable, scrubbed
from deep_faker.write.sql.database import differences

_MISREAD = frozenset("%[]^|\\")


class DeltaOutput:
    """One Delta table for each event type, ``path/UserLogin``; ``path`` is a folder or a URL (``s3://…``).

    Rows are appended, up to a million in a commit. Every commit holds the run's place in
    the stream (a Delta ``txn`` action), so a run that is killed and resumed has every event in its table
    once. An existing table gets more rows, whatever wrote it, if its columns are those of the events;
    with ``overwrite`` the first commit replaces it. ``partition_by`` names fields, or ``"date"`` for a
    column of the event's date (UTC). Times of day become text and durations microseconds, which Delta has
    no types for. Needs ``pip install 'deep-faker[delta]'``; ``storage_options`` are those of `deltalake`.

    >>> DeltaOutput("lake", partition_by="date")
    DeltaOutput('lake', partition_by='date')
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        partition_by: str | Sequence[str] | None = None,
        storage_options: Mapping[str, object] | None = None,
        overwrite: bool = False,
    ) -> None:
        check_flags(overwrite=overwrite)
        self.path: Path | str
        if is_url(path):
            self.path = str(path).rstrip("/")
        else:
            self.path = _fit(output_path(path))
            local_only(storage_options, path)
        self.partition_by = partition_by
        self.overwrite = overwrite
        self._keys = checked_keys(partition_by) if partition_by is not None else ()
        self._options = {name: str(value) for name, value in (storage_options or {}).items()}
        self._tables: dict[str, _Table] = {}
        self._place = 0

    def __repr__(self) -> str:
        more = f", partition_by={self.partition_by!r}" if self.partition_by is not None else ""
        return f"DeltaOutput({str(self.path)!r}{more}{', overwrite=True' if self.overwrite else ''})"

    @property
    def keeps_progress(self) -> bool:
        """Yes, in each table's own log: see `protocol.keeps_progress`."""
        return True

    @property
    def place(self) -> str:
        """The folder or URL of the tables, for the report."""
        return str(self.path)

    def open(self, info: RunInfo) -> None:
        """Look at the tables. Raises `OutputError` for one of another shape; then nothing has changed."""
        self._take_up(info, 0)

    def checkpoint(self) -> dict[str, object]:
        """Commit all rows; how many events that are, and the checksums of the files on the local disk."""
        for table in self._tables.values():
            table.commit(self._place)
        files = {name: table.files.noted() for name, table in self._tables.items() if table.files is not None}
        return {"events": self._place, "files": files}

    def resume(self, info: RunInfo, state: Mapping[str, Any] | None) -> int:
        """Ask each table how far this run has come in it; the least of that."""
        self._take_up(info, state["events"] if state else 0, state["files"] if state else {})
        return min((table.place for table in self._tables.values()), default=self._place)

    def write(self, chunk: EventChunk) -> None:
        """Take the next events. A table skips those that it has."""
        self._place = max(self._place, chunk.end)
        for name, table in self._tables.items():
            rows = chunk.since(table.place).tables.get(name) if chunk.end > table.place else None
            if rows is not None:
                table.write(rows, chunk.end)

    def finish(self) -> list[FileReceipt]:
        """Commit the rest; a type without events gets an empty table."""
        for table in self._tables.values():
            table.commit(self._place, even_empty=True)
        self._tables = {}
        return []

    def suspend(self) -> None:
        """Drop what is not committed: it comes again."""
        self._tables = {}

    def abort(self) -> None:
        """Drop what is not committed; what is stays, as in any table that is appended to."""
        self._tables = {}

    def _take_up(self, info: RunInfo, place: int, files: Mapping[str, Any] | None = None) -> None:
        check_folder_names(info.schemas)
        known = {"date", *(name for schema in info.schemas.values() for name in schema.names)}
        for key in self._keys:
            if key not in known:
                label = f"partition_by={key!r}"
                raise OutputError(Diagnostic("no such field", None, label, "name a field, or date"))
        most = part_rows(info.schemas)
        metadata = {"deep_faker": json.dumps({"version": versions()["deep-faker"], "seed": info.seed})}
        replace = self.overwrite or info.overwrite
        self._place = place
        self._tables = {
            name: _Table(self, name, schema, f"deep_faker-{info.run_id}", metadata, most[name])
            for name, schema in info.schemas.items()
        }
        for table in self._tables.values():
            table.check_columns()
        if isinstance(self.path, Path) and differ_by_case(info.schemas):
            self.path.mkdir(parents=True, exist_ok=True)
            check_folder_names(info.schemas, self.path)
        for name, table in self._tables.items():
            if isinstance(self.path, Path):
                table.files = WrittenFiles(self.path / name, (files or {}).get(name, {}))
            table.look(place, replace=replace)

    def url(self, name: str) -> str:
        """Where the table of a type lies."""
        return f"{self.path}/{folder_of(name)}"


class _Table:
    """One table: the rows that wait, and the place up to which it has the run's events."""

    def __init__(
        self,
        output: DeltaOutput,
        name: str,
        schema: pa.Schema,
        app: str,
        metadata: dict[str, str],
        most: int,
    ) -> None:
        self.place = 0
        self.files: WrittenFiles | None = None  # where the table is on the local disk
        self._url, self._options = output.url(name), output._options  # noqa: SLF001 - its own table
        keys = [key for key in output._keys if key == "date" or key in schema.names]  # noqa: SLF001
        self._dated = "date" in keys and "date" not in schema.names
        self._keys = keys or None
        self._schema, self._app, self._metadata, self._most = schema, app, metadata, most
        self._pieces: list[pa.Table] = []
        self._waiting = 0
        self._mode = "append"
        self._exists = False

    def check_columns(self) -> None:
        """Raise `OutputError` for columns that are one to Delta, which does not tell A from a."""
        twins = differ_by_case((*self._schema.names, *(["date"] if self._dated else [])))
        if twins:
            label = f"{self._url} would have the columns {twins[0]} and {twins[1]}"
            raise OutputError(Diagnostic("two columns of one name", None, label, "rename one of the fields"))

    def look(self, place: int, *, replace: bool) -> None:
        """See what is there. Raises `OutputError` for other columns."""
        deltalake = _library()
        if self.files is not None:
            self.files.check()
        with self._guarded("look at"):
            self._exists = deltalake.DeltaTable.is_deltatable(self._url, self._options or None)
            options = self._options or None
            table = deltalake.DeltaTable(self._url, storage_options=options) if self._exists else None
            version = table.transaction_version(self._app) if table is not None else None
            active = table.file_uris() if table is not None and self.files is not None else []
        if self.files is not None:
            self.files.check_there(active)
        self.place = max(place, version or 0)
        if replace and version is None:
            self._mode = "overwrite"
        elif table is not None:
            self._compare(pa.schema(table.schema().to_arrow()), table.metadata().partition_columns)

    def _compare(self, existing: pa.Schema, keys: list[str]) -> None:
        wanted = self._rows(plain_schema(self._schema).empty_table()).schema
        ours, theirs = ({f.name: str(f.type) for f in plain_schema(one)} for one in (wanted, existing))
        lines = differences(ours, theirs)
        if keys != (self._keys or []):
            wanted_keys = ", ".join(self._keys or ["nothing"])
            lines.append(f"~ it is partitioned by {', '.join(keys) or 'nothing'}, not by {wanted_keys}")
        if lines:
            mend = "choose another path, or replace the table with overwrite=True"
            raise OutputError(
                Diagnostic(f"table {self._url} has another shape", None, "\n".join(lines), mend)
            )

    def write(self, rows: pa.Table, place: int) -> None:
        """Take rows, which end at the run's ``place``."""
        self._pieces.append(self._rows(rows))
        self._waiting += rows.num_rows
        if self._waiting >= self._most:
            self.commit(place)

    def commit(self, place: int, *, even_empty: bool = False) -> None:
        """Append the rows that wait, together with the place."""
        if not self._waiting and not (even_empty and (self._mode == "overwrite" or not self._exists)):
            return
        deltalake = _library()
        rows = pa.concat_tables(self._pieces or [self._rows(plain_schema(self._schema).empty_table())])
        properties = deltalake.CommitProperties(
            custom_metadata=self._metadata,
            app_transactions=[deltalake.Transaction(self._app, place)],
        )
        with self._guarded("append to"):
            deltalake.write_deltalake(
                self._url,
                rows,
                mode=self._mode,
                schema_mode="overwrite" if self._mode == "overwrite" else None,
                partition_by=self._keys,
                storage_options=self._options or None,
                commit_properties=properties,
            )
        self._pieces, self._waiting, self._mode, self._exists = [], 0, "append", True
        self.place = place

    def _rows(self, table: pa.Table) -> pa.Table:
        """Columns as Delta has them."""
        table = plain(table)
        for i, field in enumerate(table.schema):
            column = table.column(i).cast(delta_type(field.type))
            # all may be null: tables outlive the model that has it otherwise
            table = table.set_column(i, pa.field(field.name, column.type), column)
        if self._dated:
            dates = table["sys__ets"].cast(pa.timestamp("ms")).cast(pa.date32())
            table = table.append_column(pa.field("date", pa.date32()), dates)
        return table

    @contextmanager
    def _guarded(self, doing: str) -> Iterator[None]:
        """Turn what `deltalake` raises into `OutputError`."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the library's own, whatever they are
            reason = scrubbed(_said(error), self._options)
            mend = "check the path, the rights and the network, then run or resume again"
            label = f"{reason}\nwhat was committed before stays"
            diagnostic = Diagnostic(f"cannot {doing} {self._url}", None, label, mend)
            raise OutputError(diagnostic) from quotable(error, self._options)


def _fit(path: Path) -> Path:
    """The path, of characters that deltalake takes for themselves. Raises `SettingsError` for others."""
    wrong = sorted({c for c in str(path.absolute()) if c in _MISREAD or c < " "})
    if wrong:
        label = f"{str(path.absolute())!r} has {' '.join(map(repr, wrong))}, which deltalake misreads"
        span = narrow_keyword(caller_span(), "path")
        raise SettingsError(Diagnostic("wrong path", span, label, "give it another name, or move the folder"))
    return path


def delta_type(kind: pa.DataType, *, mapped: bool = False) -> pa.DataType:
    """The type that Delta has for a column: times of day as text, lengths of time as microseconds.

    Instants within a mapping have the zone UTC: `deltalake` makes no table with others there.

    >>> delta_type(pa.list_(pa.duration("us")))
    ListType(list<item: int64>)
    """
    if pa.types.is_list(kind):
        return pa.list_(delta_type(kind.value_type, mapped=mapped))
    if pa.types.is_map(kind):
        return pa.map_(delta_type(kind.key_type, mapped=True), delta_type(kind.item_type, mapped=True))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, delta_type(field.type, mapped=mapped)) for field in kind])
    if mapped and pa.types.is_timestamp(kind):
        return pa.timestamp("us", "UTC")
    if pa.types.is_time(kind):
        return pa.string()
    return pa.int64() if pa.types.is_duration(kind) else kind


def _said(error: Exception) -> str:
    """The library's message in one line: it draws a chain of causes as a tree, in colours."""
    lines = re.sub(r"\x1b\[[0-9;]*m|↳", "", str(error)).splitlines()
    return ": ".join(filter(None, (" ".join(line.split()) for line in lines))) or type(error).__name__


def _library() -> ModuleType:
    try:
        import deltalake
    except ImportError as error:
        mend = 'pip install "deep-faker[delta]"'
        raise OutputError(Diagnostic("DeltaOutput needs deltalake", None, str(error), mend)) from None
    return deltalake
