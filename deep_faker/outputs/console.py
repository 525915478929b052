"""`StdOutOutput`: the events as JSON lines on standard output, and nothing else there (V5)."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from deep_faker.outputs.jsonlines import line_buffers
from deep_faker.outputs.protocol import EventChunk, FileReceipt, RunInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deep_faker.schema import EventSpec


class StdOutOutput:
    """Events as JSON lines on standard output, in order of time.

    Where the reader of a pipe goes away (``| head``), the program ends as other filters do, with
    exit code 141 and without a word.
    """

    def __init__(self) -> None:
        self._events: Mapping[str, EventSpec] = {}

    def __repr__(self) -> str:
        return "StdOutOutput()"

    @property
    def place(self) -> str:
        """Nothing that a report need name."""
        return ""

    def open(self, info: RunInfo) -> None:
        """Get ready; `sys.stdout` is looked up at each write, as ``print`` does."""
        self._events = info.events

    def write(self, chunk: EventChunk) -> None:
        """Print the next events."""
        try:
            for lines in line_buffers(chunk, self._events):
                _print(lines)
        except BrokenPipeError:
            _leave()

    def finish(self) -> list[FileReceipt]:
        """Flush."""
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            _leave()
        return []

    def abort(self) -> None:
        """Flush what was printed: complete lines, each an event that happened."""
        with suppress(Exception):
            sys.stdout.flush()


def _print(text: memoryview) -> None:
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None:  # notebooks, and whatever else stands in for a stream of text
        sys.stdout.write(bytes(text).decode())
        return
    sys.stdout.flush()  # text of print() that came before stays before
    while text:  # a raw stream may take a part only
        text = text[buffer.write(text) :]
    buffer.flush()


def _leave() -> None:
    # The interpreter flushes standard output once more when it ends: give it somewhere to go.
    null = os.open(os.devnull, os.O_WRONLY)
    with suppress(Exception):
        os.dup2(null, sys.stdout.fileno())
    os.close(null)
    raise SystemExit(141)
