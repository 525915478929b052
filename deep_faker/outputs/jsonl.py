"""`FileOutput`: the events as JSON lines in one file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from deep_faker.errors import Diagnostic, SettingsError
from deep_faker.outputs.hashing import HashingFile
from deep_faker.outputs.jsonlines import line_buffers
from deep_faker.outputs.protocol import EventChunk, FileReceipt, RunInfo
from deep_faker.outputs.staging import Staging, checked_path, is_stream

if TYPE_CHECKING:
    from deep_faker.schema import EventSpec


class LineFile:
    """JSON lines appended to one file, with what its receipt needs."""

    def __init__(self, path: Path, events: Mapping[str, EventSpec], *, durable: bool = True) -> None:
        self._raw = path.open("xb" if durable else "wb", buffering=0)
        self._file = HashingFile(self._raw)
        self._events = events
        self._durable = durable
        self.counts: Counter[str] = Counter()

    @property
    def rows(self) -> int:
        return self.counts.total()

    def write(self, chunk: EventChunk) -> None:
        for lines in line_buffers(chunk, self._events):
            self._file.write(lines)
        self.counts.update({name: table.num_rows for name, table in chunk.tables.items()})

    def finish(self, shown: str) -> FileReceipt:
        if self._durable:
            os.fsync(self._raw.fileno())
        self._raw.close()
        digest = self._file.sha256()
        # The lines are the values: their hash is the logical one too.
        return FileReceipt(shown, self.rows, self._file.size, digest, digest)

    def abort(self) -> None:
        with suppress(OSError):
            self._raw.close()


class FileOutput:
    """Events as JSON lines in the file ``path``, in order of time.

    The file appears when it is whole; until then it is ``path.partial``. An existing file is refused
    with `OutputExistsError` unless ``overwrite``. A pipe or a device is written to directly.

    >>> FileOutput("events.jsonl")
    FileOutput('events.jsonl')
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        format: str = "jsonl",  # noqa: A002 - the public name
        *,
        overwrite: bool = False,
    ) -> None:
        if format != "jsonl":
            mend = 'use ParquetOutput("DIR") for Parquet' if format == "parquet" else 'use format="jsonl"'
            raise SettingsError(Diagnostic("wrong format", None, f"format={format!r}", mend))
        self.path = checked_path(path)
        self.overwrite = overwrite
        self._staging: Staging | None = None
        self._lines: LineFile | None = None
        self._info: RunInfo | None = None

    def __repr__(self) -> str:
        return f"FileOutput({str(self.path)!r}{', overwrite=True' if self.overwrite else ''})"

    @property
    def place(self) -> str:
        """The file, for the report."""
        return str(self.path)

    def open(self, info: RunInfo) -> None:
        """Claim the file. Raises `OutputExistsError` or `OutputError`; then nothing has changed."""
        self._info = info
        self._staging = staging = Staging(self.path)
        if is_stream(staging.place):
            with staging.guarded("nothing was written"):
                self._lines = LineFile(staging.place, info.events, durable=False)
            return
        staging.claim(owner=info.owner, overwrite=self._replaces(info), refusal=_refusal)
        with staging.guarded("nothing was written"):
            self._lines = LineFile(staging.partial, info.events)

    def write(self, chunk: EventChunk) -> None:
        """Append the next events."""
        assert self._lines is not None
        assert self._staging is not None
        with self._staging.guarded(self._written()):
            self._lines.write(chunk)

    def finish(self) -> list[FileReceipt]:
        """Give the file its name."""
        staging, lines, info = self._staging, self._lines, self._info
        assert staging is not None
        assert lines is not None
        assert info is not None
        with staging.guarded(self._written()):
            receipt = lines.finish(str(self.path))
        if not is_stream(staging.place):
            staging.check(owner=info.owner, overwrite=self._replaces(info), refusal=_refusal)
            staging.publish(info.owner)
        self._staging = self._lines = self._info = None
        return [receipt]

    def abort(self) -> None:
        """Remove what is not whole. What lay there before stays."""
        staging, lines = self._staging, self._lines
        self._staging = self._lines = self._info = None
        if lines is not None:
            lines.abort()
        if staging is not None and not is_stream(staging.place):
            with suppress(OSError):
                staging.discard()

    def _replaces(self, info: RunInfo) -> bool:
        return self.overwrite or info.overwrite

    def _written(self) -> str:
        rows = self._lines.rows if self._lines else 0
        partial = f"{self.path.name}.partial"
        return f"{rows:,} events had been written; {partial} is removed, and nothing else has changed"


def _refusal(place: Path) -> str | None:
    return "a folder lies there: name a file in it" if place.is_dir() else None
