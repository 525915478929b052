"""`FileOutput`: the events as JSON lines in one file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from deep_faker.errors import Diagnostic, OutputError, SettingsError
from deep_faker.write.arguments import check_flags
from deep_faker.write.files.object_store import ObjectPlace, is_url, local_only
from deep_faker.write.lines.line_file import LineFile, checked_compression
from deep_faker.write.paths import output_path
from deep_faker.write.protocol import EventChunk, FileReceipt, RunInfo
from deep_faker.write.whole.intact import check_whole, torn
from deep_faker.write.whole.seal import KEY, sealed, unsealed
from deep_faker.write.whole.staging import Staging, is_stream, sync_folder
from deep_faker.write.whole.stand_in import StandIn


class FileOutput:
    """Events as JSON lines in the file ``path``, in order of time.

    A name that ends in ``.gz`` or ``.zst``, or ``compression="gzip"`` or ``"zstd"``, compresses them.
    The file appears when it is whole; until then it is ``path.partial``. An existing file is refused
    with `OutputExistsError` unless ``overwrite``. A pipe or a device is written to directly. A URL
    (``s3://bucket/events.jsonl.gz``, ``gs://…``, ``az://…``) is an object, written when the file is whole;
    see `ParquetOutput`.

    >>> FileOutput("events.jsonl")
    FileOutput('events.jsonl')
    >>> FileOutput("events.jsonl.zst").compression
    'zstd'
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        format: str = "jsonl",  # noqa: A002 - the public name
        *,
        overwrite: bool = False,
        compression: Literal["gzip", "zstd"] | None = None,
        storage_options: Mapping[str, object] | None = None,
    ) -> None:
        if format not in ("jsonl", "json"):  # two names of the one format: a JSON object a line
            mend = 'use ParquetOutput("DIR") for Parquet' if format == "parquet" else 'use format="jsonl"'
            raise SettingsError(Diagnostic("wrong format", None, f"format={format!r}", mend))
        check_flags(overwrite=overwrite)
        self.path: Path | str
        self._remote: ObjectPlace | None = None
        if is_url(path):
            self._remote = ObjectPlace(str(path), storage_options)
            self.path = self._remote.url
        else:
            self.path = output_path(path)
            local_only(storage_options, path)
        self.compression = checked_compression(compression, Path(self.path))
        self.overwrite = overwrite
        self._staging: Staging | None = None
        self._lines: LineFile | None = None
        self._info: RunInfo | None = None
        self._published: FileReceipt | None = None
        self._receipt: FileReceipt | None = None  # once everything but the name is there
        self._resumed = False
        self._stand_in = StandIn()

    def __repr__(self) -> str:
        said = self.compression != checked_compression(None, Path(self.path))
        more = f", compression={self.compression!r}" if said else ""
        return f"FileOutput({str(self.path)!r}{more}{', overwrite=True' if self.overwrite else ''})"

    @property
    def place(self) -> str:
        """The file, for the report."""
        return str(self.path)

    def open(self, info: RunInfo) -> None:
        """Claim the file. Raises `OutputExistsError` or `OutputError`; then nothing has changed."""
        self._info, self._published, self._resumed = info, None, False
        if self._remote is not None:
            self._remote.check_object(owner=info.owner, overwrite=self._replaces(info))
        self._staging = staging = Staging(self._local(info))
        if is_stream(staging.place):
            if info.scratch is not None:
                label = "what went into a pipe or a device cannot be taken back"
                mend = "write to a file, or run without checkpoints"
                raise OutputError(Diagnostic(f"{self.path} keeps no checkpoints", None, label, mend))
            with staging.guarded("nothing was written"):
                self._lines = LineFile(
                    staging.place, info.events, durable=False, compression=self.compression
                )
            return
        replaces = self._replaces(info) or self._remote is not None
        staging.claim(owner=info.owner, overwrite=replaces, refusal=_refusal)
        with staging.guarded("nothing was written"):
            self._lines = LineFile(
                staging.partial, info.events, compression=self.compression, scratch=info.scratch
            )

    def checkpoint(self) -> dict[str, object]:
        """Make all lines durable; their length."""
        assert self._lines is not None
        assert self._staging is not None
        assert self._info is not None
        assert self._info.scratch is not None
        with self._staging.guarded(self._written()):
            state = self._lines.checkpoint(self._info.scratch)
            sync_folder(self._staging.partial.parent)
        return state

    def resume(self, info: RunInfo, state: Mapping[str, Any] | None) -> None:
        """Cut off what was written after ``state`` and go on there."""
        assert info.scratch is not None
        self._info, self._resumed = info, True
        self._published = published(info.scratch, Staging(self._local(info)))
        if self._published is not None:
            return
        if state is None:
            self.open(info)
            return
        self._staging = staging = Staging(self._local(info))
        staging.take_up()
        with staging.guarded("nothing has changed"):
            if not staging.partial.is_file() or staging.partial.is_symlink():
                raise torn(staging.partial, "the file is gone")
            self._lines = LineFile(
                staging.partial,
                info.events,
                compression=self.compression,
                scratch=info.scratch,
                state=state,
            )

    def suspend(self) -> None:
        """Close the file; it stays ``path.partial``."""
        staging, lines = self._staging, self._lines
        self._staging = self._lines = self._info = self._receipt = None
        if lines is not None:
            lines.abort()
        if staging is not None:
            staging.release()

    def write(self, chunk: EventChunk) -> None:
        """Append the next events."""
        if self._published is not None:
            return
        assert self._lines is not None
        assert self._staging is not None
        with self._staging.guarded(self._written()):
            self._lines.write(chunk)

    def settle(self) -> None:
        """Write the rest; all that is missing then is the name."""
        if self._published is not None or self._receipt is not None:
            return
        assert self._staging is not None
        assert self._lines is not None
        with self._staging.guarded(self._written()):
            self._receipt = self._lines.finish(str(self.path))
        self._check(self._staging)

    def finish(self) -> list[FileReceipt]:
        """Give the file its name."""
        info = self._info
        assert info is not None
        if self._published is not None:
            self._upload(info)
            return [self._published]
        self.settle()
        staging, receipt = self._staging, self._receipt
        assert staging is not None
        assert receipt is not None
        with staging.guarded(self._written()):
            publishing(info.scratch, receipt)
        if not is_stream(staging.place):
            self._check(staging)
            staging.publish(info.owner)
        self._upload(info)
        self._staging = self._lines = self._info = self._receipt = None
        return [receipt]

    def _check(self, staging: Staging) -> None:
        assert self._info is not None
        if not is_stream(staging.place):
            replaces = self._replaces(self._info) or self._remote is not None
            staging.check(owner=self._info.owner, overwrite=replaces, refusal=_refusal)

    def abort(self) -> None:
        """Remove what is not whole. What lay there before stays."""
        staging, lines = self._staging, self._lines
        self._staging = self._lines = self._info = self._receipt = None
        if lines is not None:
            lines.abort()
        if staging is not None and not is_stream(staging.place):
            with suppress(OSError):
                staging.discard()
        self._stand_in.remove()

    def _local(self, info: RunInfo) -> Path:
        return self.path if isinstance(self.path, Path) else self._stand_in.place(info, "data")

    def _upload(self, info: RunInfo) -> None:
        if self._remote is not None:
            path = self._local(info) if self._staging is None else self._staging.place
            replaces = self._replaces(info)
            self._remote.upload_object(path, owner=info.owner, overwrite=replaces, resumed=self._resumed)
            self._stand_in.remove()

    def _replaces(self, info: RunInfo) -> bool:
        return self.overwrite or info.overwrite

    def _written(self) -> str:
        rows = self._lines.rows if self._lines else 0
        kept = self._info is not None and self._info.scratch is not None
        partial = f"{Path(self.path).name}.partial is {'kept' if kept else 'removed'}"
        return f"{rows:,} events had been written; {partial}, and nothing else has changed"


_MARK = "published.json"


def publishing(scratch: Path | None, receipt: FileReceipt) -> None:
    """Note what is about to get its final name, for a run that is killed between that and its end."""
    if scratch is None:
        return
    draft = scratch / f".{_MARK}"
    draft.unlink(missing_ok=True)
    with draft.open("xb") as file:
        file.write(json.dumps(sealed(asdict(receipt))).encode())
        file.flush()
        os.fsync(file.fileno())
    draft.replace(scratch / _MARK)
    sync_folder(scratch)


def published(scratch: Path, staging: Staging) -> FileReceipt | None:
    """The file's receipt where it had got its final name before the run was killed; then it must be whole."""
    noted = scratch / _MARK
    if not noted.is_file() or staging.partial.exists() or not staging.place.is_file():
        return None
    try:
        told = unsealed(noted.read_bytes())
        receipt = FileReceipt(**{name: value for name, value in told.items() if name != KEY})
    except (ValueError, TypeError) as error:
        raise torn(noted, str(error)) from None
    check_whole(staging.place, receipt.bytes, receipt.sha256)
    return receipt


def _refusal(place: Path) -> str | None:
    return "a folder lies there: name a file in it" if place.is_dir() else None
