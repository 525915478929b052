"""What a command prints: data on standard output."""

from __future__ import annotations

import sys

from deep_faker.streams import put


def print_text(text: str) -> None:
    """A line of what was asked for, as UTF-8 whatever the terminal's own encoding: JSON is that."""
    from deep_faker.errors import Diagnostic, OutputError
    from deep_faker.write.console import printing

    if sys.stdout is None:
        raise OutputError(Diagnostic("there is no standard output", None, "it is closed"))
    with printing():
        put(f"{text}\n".encode(errors="backslashreplace"))
