"""The standard streams, whatever state the process got them in: none, closed, or of an encoding without é."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

GONE = 141
"""Exit code of a program whose reader has gone away, as a shell shows it for other filters."""


def prepare() -> None:
    """For a process of our own: no file gets the number of a closed stream, no text fails by its letters.

    Else what a library says on standard error could end up in the data.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):  # there is none, or another program's stand-in
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def is_terminal() -> bool:
    """Whether somebody may be looking at standard error."""
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):  # there is none, or it is closed
        return False


def say(text: object) -> None:
    """A line on standard error; where nobody can hear it, nothing is said, and nothing fails.

    >>> say("done")
    """
    with suppress(AttributeError, ValueError, OSError):
        letters = sys.stderr.encoding or "utf-8"
        sys.stderr.write(f"{text}\n".encode(letters, "backslashreplace").decode(letters))
        sys.stderr.flush()


def put(data: bytes | memoryview) -> None:
    """UTF-8 text to standard output, all of it and at once.

    Raises `OSError` where it cannot be written, `BrokenPipeError` where its reader has gone away.
    """
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None:  # notebooks, and whatever else stands in for a stream of text
        sys.stdout.write(bytes(data).decode())
        return
    sys.stdout.flush()  # text of print() that came before stays before
    left = memoryview(data)
    while left:  # a raw stream may take a part only
        left = left[buffer.write(left) :]
    buffer.flush()


def abandon() -> None:
    """Nobody reads standard output: give what is left in it somewhere to go at the interpreter's end."""
    null = os.open(os.devnull, os.O_WRONLY)
    with suppress(Exception):
        os.dup2(null, sys.stdout.fileno())
    os.close(null)
