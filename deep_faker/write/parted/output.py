"""`PartOutput`: one part of a data set, put into its place file by file, its receipt last."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.errors import Diagnostic, SettingsError
from deep_faker.spans import caller_span
from deep_faker.write.files.folder import ParquetOutput
from deep_faker.write.files.manifest import read_manifest
from deep_faker.write.files.part_names import REPLICATED, placed, receipt_name
from deep_faker.write.files.run import FolderRun
from deep_faker.write.parted.places import PartsPlace, discard, parts_at
from deep_faker.write.parted.receipts import Receipt
from deep_faker.write.protocol import EventChunk, FileReceipt, RunInfo
from deep_faker.write.whole.hashing import HashingFile
from deep_faker.write.whole.staging import guarded_place


def place_of(output: object) -> PartsPlace:
    """Where the parts of a run into ``output`` go. Raises `SettingsError` for one that takes none."""
    folder = require_folder(output)
    return parts_at(folder.path, folder.remote)


def takes_parts(output: object) -> bool:
    """Whether parts of a data set can be put there.

    >>> takes_parts(ParquetOutput("shop")), takes_parts(ParquetOutput("shop", format="jsonl"))
    (True, False)
    """
    return isinstance(output, ParquetOutput) and output.format != "jsonl"


def require_folder(output: object) -> ParquetOutput:
    """The output as the data set that parts go to. Raises `SettingsError` for any other."""
    if isinstance(output, ParquetOutput) and takes_parts(output):
        return output
    label = f"{output!r} takes the events of a run in order of time, and parts are made each for itself"
    mend = 'give the folder of a data set in "parquet", "csv" or "arrow", or leave partitions out'
    raise SettingsError(Diagnostic("an output without parts", caller_span(), label, mend))


class PartOutput:
    """One part of the data set that ``output`` describes.

    It is made aside, as a data set of its own. At the end each file is given its name, unless the name is
    there with the same bytes; the receipt comes last. A part that fails leaves nothing.
    """

    def __init__(self, output: ParquetOutput) -> None:
        self._output = output
        self._place = place_of(output)
        self._making: Path | None = None
        self._run: FolderRun | None = None
        self._counts: Mapping[str, Any] = {}
        self._times: tuple[int, int] | None = None

    @property
    def place(self) -> str:
        """The data set, for the report."""
        return self._output.place

    def open(self, info: RunInfo) -> None:
        """Begin aside. Raises `OutputError`; then nothing has changed."""
        assert info.part is not None, "a run that makes a part says which"
        self._making = self._place.making(f"{info.part:05d}")
        self._run = FolderRun(self._making / "data", self._output.layout, overwrite=True, info=info)
        self._run.open()

    def write(self, chunk: EventChunk) -> None:
        """Take the next events."""
        for table in chunk.tables.values():
            if table.num_rows:
                times = pc.min_max(table["sys__ets"]).as_py()
                first, last = self._times or (times["min"], times["max"])
                self._times = (min(first, times["min"]), max(last, times["max"]))
        self._opened.write(chunk)

    def write_sessions(self, table: pa.Table) -> None:
        """Take rows of ``sessions``."""
        self._opened.write_table("sessions", table)

    def write_history(self, name: str, table: pa.Table) -> None:
        """Take rows of ``history/name``."""
        self._opened.write_table(f"history/{name}", table)

    def write_entities(self, name: str, table: pa.Table) -> None:
        """Take rows of ``entities/name``."""
        group = REPLICATED if name in self._opened.info.replicated else "entities"
        self._opened.write_table(f"{group}/{name}", table)

    def write_table(self, name: str, table: pa.Table) -> None:
        """Take rows of a further table of the run, such as ``dirty/Order``."""
        self._opened.write_table(name, table)

    def note_counts(self, counts: Mapping[str, Any]) -> None:
        """Keep what the run counted, for the receipt."""
        self._counts = counts

    def finish(self) -> list[FileReceipt]:
        """Put the files into their place, then the receipt."""
        run, making = self._opened, self._making
        assert making is not None
        receipts = run.finish()
        for receipt in receipts:
            name = placed(receipt.path)
            self._place.put(name, run.path / receipt.path, receipt.bytes, receipt.sha256)
        self._place.settle()
        self._put_receipt(run, making)
        discard(making)
        self._run = self._making = None
        return receipts

    def _put_receipt(self, run: FolderRun, making: Path) -> None:
        part = run.info.part
        assert part is not None
        manifest = read_manifest(run.path)
        layout, info = run.layout, run.info
        receipt = Receipt(
            part,
            info.partitions,
            info.program,
            self._times,
            self._counts,
            manifest,
            info.replicated,
            (layout.format, layout.compression, layout.csv_formulas),
        )
        made = making / "receipt.json"
        with guarded_place(making, "the part has no receipt"), made.open("xb", buffering=0) as raw:
            file = HashingFile(raw)
            file.write(receipt.as_bytes())
            os.fsync(raw.fileno())
        self._place.put(receipt_name(part), made, file.size, file.sha256())
        self._place.settle()

    def abort(self) -> None:
        """Remove what was made aside. Files that have names stay: nobody reads them without a receipt."""
        run, self._run = self._run, None
        if run is not None:
            run.abort()
        if self._making is not None:
            discard(self._making)
            self._making = None

    @property
    def _opened(self) -> FolderRun:
        assert self._run is not None, "write before open"
        return self._run
