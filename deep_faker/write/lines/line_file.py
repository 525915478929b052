"""JSON lines appended to one file, plain or compressed, and taken up again where a checkpoint left it.

A compressed file is a row of gzip members or zstd frames, each of a fixed number of events, so that its
bytes depend on the events alone. Every reader of these formats reads on from one to the next.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from deep_faker.errors import Diagnostic, SettingsError, near, shown
from deep_faker.write.lines.json_lines import line_buffers
from deep_faker.write.protocol import EventChunk, FileReceipt
from deep_faker.write.whole.hashing import HashingFile
from deep_faker.write.whole.intact import check_place, check_sha256, read_start, torn
from deep_faker.write.whole.staging import sync_folder

if TYPE_CHECKING:
    from deep_faker.declare.schema import EventSpec

SUFFIXES = {"gzip": ".gz", "zstd": ".zst"}
"""Ways of compression and how the names of their files end."""

MEMBER_EVENTS = 8192
_GZIP = zlib.MAX_WBITS | 16  # a gzip header, whose time zlib leaves at 0
_LEVELS = {"gzip": 6, "zstd": 3}


def checked_compression(compression: str | None, path: Path | None = None) -> str | None:
    """The way that is meant; without one, what the name of ``path`` says.

    Raises `SettingsError` for an unknown one.

    >>> checked_compression(None, Path("events.jsonl.gz")), checked_compression("zstd")
    ('gzip', 'zstd')
    """
    if compression is None:
        ends = {suffix: way for way, suffix in SUFFIXES.items()}
        return ends.get(path.suffix) if path is not None else None
    if not any(compression == way for way in SUFFIXES):
        mend = near(str(compression), tuple(SUFFIXES), "compression")
        raise SettingsError(Diagnostic("wrong compression", None, f"compression={shown(compression)}", mend))
    return compression


def packed(lines: bytes, compression: str) -> bytes:
    """One gzip member or zstd frame.

    >>> packed(b"", "gzip")[:2].hex()
    '1f8b'
    """
    if compression == "gzip":
        press = zlib.compressobj(_LEVELS["gzip"], zlib.DEFLATED, _GZIP)
        return press.compress(lines) + press.flush()
    return bytes(pa.Codec("zstd", compression_level=_LEVELS["zstd"]).compress(lines, asbytes=True))


class LineFile:
    """JSON lines appended to one file, with what its receipt needs."""

    def __init__(
        self,
        path: Path,
        events: Mapping[str, EventSpec],
        *,
        compression: str | None = None,
        durable: bool = True,
        state: Mapping[str, Any] | None = None,
        scratch: Path | None = None,
    ) -> None:
        """A new file; with ``state`` the one that `checkpoint` left: what was written after it is cut off.

        What is there is read once, for its hashes. Raises `OutputError` where it is not what was left.
        """
        self._pending: list[bytes | memoryview] = []  # lines of the last member
        self._waiting = 0  # their events
        self._kept = ""  # the file in ``scratch`` that holds them as of the last checkpoint
        self._compression, self._events, self._durable = compression, events, durable
        self._values = hashlib.sha256()  # of the lines; where they are not compressed, the file's is that
        self.counts: Counter[str] = Counter()
        mode = "r+b" if state is not None else "xb" if durable else "wb"
        self._raw = path.open(mode, buffering=0)
        self._file = HashingFile(self._raw)
        if state is not None:
            try:
                self._take_up(path, state, scratch)
            except BaseException:
                self._raw.close()
                raise

    def _take_up(self, path: Path, state: Mapping[str, Any], scratch: Path | None) -> None:
        try:
            self._file.take_in(int(state["size"]))
        except EOFError:
            raise torn(path, f"it is shorter than the checkpoint's {state['size']:,} bytes") from None
        check_sha256(path, self._file.sha256(), state["sha256"])
        self._raw.truncate()
        self.counts.update(state["counts"])
        if self._compression is None:
            return
        if self._file.size:
            with pa.input_stream(str(path), compression=self._compression) as lines:
                while block := lines.read(1 << 20):
                    self._values.update(block)
        self._waiting, self._kept = state["waiting"], state["kept"]
        if self._waiting:
            assert scratch is not None
            kept = check_place(scratch, self._kept)
            self._pending = [read_start(kept, state["kept_size"], state["kept_sha256"])[0]]
            self._values.update(self._pending[0])

    def checkpoint(self, scratch: Path) -> dict[str, object]:
        """Make all lines durable: whole members in the file, the rest in ``scratch``."""
        os.fsync(self._raw.fileno())
        state: dict[str, object] = {
            "size": self._file.size,
            "sha256": self._file.sha256(),
            "counts": dict(self.counts),
        }
        if self._compression is None:
            return state
        before, self._kept = self._kept, f"lines-{self.rows}" if self._waiting else ""
        lines = b"".join(self._pending)
        if self._kept != before and self._waiting:
            with (scratch / self._kept).open("wb") as file:
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())
        # The state before this one may still be the one that is resumed: its lines stay until the next.
        for old in scratch.glob("lines-*"):
            if old.name not in (before, self._kept):
                old.unlink()
        sync_folder(scratch)
        kept = {"kept": self._kept, "kept_size": len(lines), "kept_sha256": hashlib.sha256(lines).hexdigest()}
        return {**state, "waiting": self._waiting, **kept}

    @property
    def rows(self) -> int:
        """The events so far."""
        return self.counts.total()

    def write(self, chunk: EventChunk) -> None:
        """Append the next events."""
        if self._compression is None:
            self._write(chunk)
            return
        first = MEMBER_EVENTS - self._waiting
        for piece in chunk.cuts(range(first, len(chunk), MEMBER_EVENTS)):
            self._write(piece)
            if self._waiting == MEMBER_EVENTS:
                self._press()

    def _write(self, chunk: EventChunk) -> None:
        for lines in line_buffers(chunk, self._events):
            if self._compression is None:
                self._file.write(lines)
            else:
                self._pending.append(lines)
                self._values.update(lines)
        self._waiting += len(chunk)
        self.counts.update({name: table.num_rows for name, table in chunk.tables.items()})

    def _press(self) -> None:
        assert self._compression is not None
        self._file.write(packed(b"".join(self._pending), self._compression))
        self._pending, self._waiting = [], 0

    def finish(self, shown: str) -> FileReceipt:
        """Write the rest and close; ``shown`` is the file's name in the receipt."""
        if self._compression is not None and (self._waiting or not self._file.size):
            self._press()
        if self._durable:
            os.fsync(self._raw.fileno())
        self._raw.close()
        digest = self._file.sha256()
        # The lines are the values: their hash is the logical one.
        logical = digest if self._compression is None else self._values.hexdigest()
        return FileReceipt(shown, self.rows, self._file.size, digest, logical)

    def abort(self) -> None:
        """Close the file as it is."""
        with suppress(OSError):
            self._raw.close()
