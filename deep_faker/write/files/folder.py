"""`ParquetOutput`: the data set of P4, in a folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from deep_faker.errors import Diagnostic, SettingsError
from deep_faker.write.arguments import check_flags
from deep_faker.write.files.encodings import checked_format, checked_formulas
from deep_faker.write.files.object_store import ObjectPlace, is_url, local_only
from deep_faker.write.files.partitions import MAX_PARTITIONS, checked_keys
from deep_faker.write.files.run import FolderRun, Layout
from deep_faker.write.files.sizes import parse_rows, parse_size
from deep_faker.write.paths import output_path
from deep_faker.write.protocol import EventChunk, FileReceipt, RunInfo
from deep_faker.write.whole.stand_in import StandIn


class ParquetOutput:
    """A data set in the folder ``path``: events, entities, sessions, history, and a manifest.

    ``format`` is ``"parquet"``, ``"csv"``, ``"arrow"`` (Arrow IPC files) or ``"jsonl"``, which keeps all
    events in one ``events.jsonl`` in order of time (and the other tables in Parquet). ``compression``:
    ``"zstd"`` (Parquet's own choice), ``"snappy"``, ``"gzip"``, ``"lz4"`` or ``"none"`` for Parquet;
    ``"gzip"`` or ``"zstd"`` for CSV and JSON lines; ``"lz4"`` or ``"zstd"`` for Arrow.

    A file holds up to ``rows_per_file`` rows (a million where nothing is said), or as many as make about
    ``file_size`` bytes (``"128MB"``); the rows of a file that is not full yet wait in memory.
    ``partition_by`` puts events in folders as Hive does, ``date=2024-01-31/``: by ``"date"`` or ``"hour"``
    of the event (UTC), by a field's value, which then is not in the files, or by a list of these.

    ``csv_formulas="quote"`` (with ``format="csv"``) writes an apostrophe before texts that spreadsheets would
    run as formulas, those that begin with ``=``, ``+``, ``-``, ``@`` or a tab; `Dataset` takes it away again.

    ``path`` may be a URL: ``s3://bucket/shop``, ``gs://…``, ``az://…`` (``pip install
    'deep-faker[remote]'``), with credentials from the environment or in ``storage_options``. The data set is
    made on the local disk and copied up when it is whole, its manifest last.

    The folder appears when everything in it is whole; until then it is ``path.partial``. An existing
    folder is refused with `OutputExistsError` unless ``overwrite``, and one with other files than a data
    set's always. Read it back with `Dataset.open`. Raises `SettingsError` for a wrong argument.

    >>> ParquetOutput("shop", overwrite=True)
    ParquetOutput('shop', overwrite=True)
    >>> ParquetOutput("shop", format="csv", compression="gzip", partition_by="date")
    ParquetOutput('shop', format='csv', compression='gzip', partition_by='date')
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        format: str = "parquet",  # noqa: A002 - the public name
        *,
        compression: str | None = None,
        partition_by: str | Sequence[str] | None = None,
        max_partitions: int = MAX_PARTITIONS,
        rows_per_file: int | str | None = None,
        file_size: int | str | None = None,
        csv_formulas: Literal["keep", "quote"] = "keep",
        storage_options: Mapping[str, object] | None = None,
        overwrite: bool = False,
    ) -> None:
        check_flags(overwrite=overwrite)
        checked_format(format, compression)
        checked_formulas(csv_formulas, format)
        self.path: Path | str
        self._remote: ObjectPlace | None = None
        if is_url(path):
            self._remote = ObjectPlace(str(path), storage_options)
            self.path = self._remote.url
        else:
            self.path = output_path(path)
            local_only(storage_options, path)
        self.format = format
        self.compression = compression
        self.partition_by = partition_by
        self.max_partitions = parse_rows(max_partitions, "max_partitions")
        self.rows_per_file, self.file_size = rows_per_file, file_size
        self.csv_formulas = csv_formulas
        self.overwrite = overwrite
        shape = {"partition_by": partition_by, "rows_per_file": rows_per_file, "file_size": file_size}
        given = [name for name, value in shape.items() if value is not None]
        if format == "jsonl" and given:
            mend = 'use format="parquet", "csv" or "arrow"'
            label = f"{given[0]}={shape[given[0]]!r} with format='jsonl', whose events are one file"
            raise SettingsError(Diagnostic(f"{given[0]} has no meaning here", None, label, mend))
        if rows_per_file is not None and file_size is not None:
            label = f"rows_per_file={rows_per_file!r} and file_size={file_size!r}"
            raise SettingsError(Diagnostic("two limits of a file", None, label, "give one of them"))
        self._layout = Layout(
            format,
            compression,
            checked_keys(partition_by) if partition_by is not None else (),
            self.max_partitions,
            parse_rows(rows_per_file, "rows_per_file") if rows_per_file is not None else None,
            parse_size(file_size, "file_size") if file_size is not None else None,
            csv_formulas,
        )
        self._run: FolderRun | None = None
        self._stand_in = StandIn()
        self._resumed = False

    def __repr__(self) -> str:
        usual = {"format": "parquet", "max_partitions": MAX_PARTITIONS, "csv_formulas": "keep"}
        usual["overwrite"] = False
        names = ("format", "compression", "partition_by", "max_partitions", "rows_per_file", "file_size")
        values = {name: getattr(self, name) for name in (*names, "csv_formulas", "overwrite")}
        more = [f"{name}={value!r}" for name, value in values.items() if value != usual.get(name)]
        return f"ParquetOutput({', '.join([repr(str(self.path)), *more])})"

    @property
    def place(self) -> str:
        """The folder, for the report."""
        return str(self.path)

    @property
    def takes_coded_keys(self) -> bool:
        """Whether keys may come as numbers: see `protocol.takes_coded_keys`."""
        ours = type(self).write is ParquetOutput.write  # else somebody looks at the chunks
        return ours and self.format == "parquet" and self.partition_by is None

    @property
    def layout(self) -> Layout:
        """How the data set lies in its folder."""
        return self._layout

    @property
    def remote(self) -> ObjectPlace | None:
        """The place in an object store; None for a folder of the local disk."""
        return self._remote

    def open(self, info: RunInfo) -> None:
        """Claim the folder. Raises `OutputExistsError` or `OutputError`; then nothing has changed."""
        if self._remote is not None:
            self._remote.check_folder(owner=info.owner, overwrite=self._replaces(info))
        self._resumed = False
        self._run = self._new(info)
        self._run.open()

    def checkpoint(self) -> dict[str, object]:
        """Make all rows durable: whole parts, and the rest beside the checkpoint."""
        return self._opened.checkpoint()

    def resume(self, info: RunInfo, state: Mapping[str, Any] | None) -> None:
        """Go on in ``path.partial``: what was written after ``state`` goes."""
        self._resumed = True
        self._run = self._new(info)
        self._run.resume(state)

    def suspend(self) -> None:
        """Let go of the folder; it stays ``path.partial``."""
        run, self._run = self._run, None
        if run is not None:
            run.suspend()

    def write(self, chunk: EventChunk) -> None:
        """Take the next events."""
        self._opened.write(chunk)

    def write_sessions(self, table: pa.Table) -> None:
        """Take rows of ``sessions``; a table without rows tells the schema."""
        self._opened.write_table("sessions", table)

    def write_history(self, name: str, table: pa.Table) -> None:
        """Take rows of ``history/name``."""
        self._opened.write_table(f"history/{name}", table)

    def write_entities(self, name: str, table: pa.Table) -> None:
        """Take rows of ``entities/name``."""
        self._opened.write_table(f"entities/{name}", table)

    def write_table(self, name: str, table: pa.Table) -> None:
        """Take rows of a further table of the run, such as ``dirty/Order``."""
        self._opened.write_table(name, table)

    def settle(self) -> None:
        """Write the rest and the manifest; all that is missing then is the name."""
        self._opened.settle()

    def finish(self) -> list[FileReceipt]:
        """Write the rest and the manifest, and give the folder its name; or copy it up."""
        run = self._opened
        receipts = run.finish()
        if self._remote is not None:
            info = run.info
            self._remote.upload_folder(
                run.path,
                owner=info.owner,
                overwrite=self._replaces(info),
                run_id=info.run_id,
                resumed=self._resumed,
            )
            self._stand_in.remove()
        self._run = None
        return receipts

    def abort(self) -> None:
        """Remove what is not whole. What lay there before stays."""
        run, self._run = self._run, None
        if run is not None:
            run.abort()
        self._stand_in.remove()

    def _replaces(self, info: RunInfo) -> bool:
        return self.overwrite or info.overwrite

    def _new(self, info: RunInfo) -> FolderRun:
        if isinstance(self.path, Path):
            return FolderRun(self.path, self._layout, overwrite=self._replaces(info), info=info)
        return FolderRun(self._stand_in.place(info, "data"), self._layout, overwrite=True, info=info)

    @property
    def _opened(self) -> FolderRun:
        assert self._run is not None, "write before open"
        return self._run
