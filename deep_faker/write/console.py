"""`StdOutOutput`: the events as JSON lines on standard output, and nothing else there (V5)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from deep_faker.errors import Diagnostic, OutputError
from deep_faker.streams import GONE, abandon, put
from deep_faker.write.lines.json_lines import line_buffers
from deep_faker.write.protocol import EventChunk, FileReceipt, RunInfo
from deep_faker.write.whole.staging import output_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deep_faker.declare.schema import EventSpec


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
        """Get ready; `sys.stdout` is looked up at each write, as ``print`` does.

        Raises `OutputError` where there is none.
        """
        if sys.stdout is None:
            mend = "run it with standard output open, or into a file"
            raise OutputError(Diagnostic("there is no standard output", None, "it is closed", mend))
        self._events = info.events

    def write(self, chunk: EventChunk) -> None:
        """Print the next events."""
        with printing():
            for lines in line_buffers(chunk, self._events):
                put(lines)

    def finish(self) -> list[FileReceipt]:
        """Flush."""
        with printing():
            sys.stdout.flush()
        return []

    def abort(self) -> None:
        """Flush what was printed: complete lines, each an event that happened."""
        with suppress(Exception):
            sys.stdout.flush()


@contextmanager
def printing() -> Iterator[None]:
    """Turn errors of standard output into `OutputError`, and end the program where its reader has gone."""
    try:
        yield
    except BrokenPipeError:
        abandon()
        raise SystemExit(GONE) from None
    except OSError as error:
        raise output_error("standard output", error, "what was printed before are whole lines") from error
