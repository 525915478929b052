"""Outputs that users bring (P6): objects with ``send_event`` or ``write_batch``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, cast

import pyarrow as pa

from deep_faker.declare.schema import EventReader
from deep_faker.errors import DeepFakerError, Diagnostic, OutputError, SettingsError
from deep_faker.spans import caller_span
from deep_faker.write.frames import plain
from deep_faker.write.protocol import EventChunk, FileReceipt, Output, RunInfo

if TYPE_CHECKING:
    from deep_faker.declare.schema import EventSpec

_PROTOCOL = ("open", "write", "finish", "abort")
_ROWS = 4096


def as_output(output: object) -> Output:
    """``output`` itself where it is one of the package's; a user's object wrapped.

    Raises `SettingsError` for anything that takes no events.

    >>> class Collector:
    ...     def write_batch(self, event_type, frame):
    ...         print(event_type, frame.height)
    >>> as_output(Collector()).place
    ''
    """
    if isinstance(output, type):
        label, mend = f"{output.__name__} is a class", f"give an instance: {output.__name__}(…)"
        raise SettingsError(Diagnostic("not an output", caller_span(), label, mend))
    if all(callable(getattr(output, name, None)) for name in _PROTOCOL):
        return cast("Output", output)
    for name in ("write_batch", "send_event"):
        if callable(getattr(output, name, None)):
            return CustomOutput(output, getattr(output, name), by_row=name == "send_event")
    raise SettingsError(
        Diagnostic(
            "not an output",
            caller_span(),
            f"{output!r} takes no events",
            "give it a method send_event(event), or write_batch(event_type, frame) for whole frames",
        )
    )


class CustomOutput:
    """A user's object as an output. With both methods, ``write_batch`` is used."""

    def __init__(self, target: object, take: Callable[..., object], *, by_row: bool) -> None:
        self._target = target
        self._take = take
        self._by_row = by_row
        self._readers: dict[str, EventReader] = {}
        self._events: Mapping[str, EventSpec] = {}
        self._taken = 0
        self._closed = False

    @property
    def place(self) -> str:
        """Nothing that a report can name."""
        return ""

    def open(self, info: RunInfo) -> None:
        """Start counting: the object is the user's, made and connected as he likes."""
        self._events = info.events
        self._taken = 0
        self._closed = False

    def write(self, chunk: EventChunk) -> None:
        """Hand the events over. Raises `OutputError` with the object's own exception as its cause."""
        try:
            if self._by_row:
                self._send(chunk)
            else:
                self._write(chunk)
        except DeepFakerError:
            raise
        except Exception as error:
            raise self._failed(error) from error

    def _write(self, chunk: EventChunk) -> None:
        import polars as pl

        for name in chunk.names:
            if name in chunk.tables:
                self._take(name, pl.from_arrow(plain(chunk.tables[name])))
                self._taken += chunk.tables[name].num_rows

    def _send(self, chunk: EventChunk) -> None:
        rows: dict[int, Iterator[object]] = {}
        for code, name in enumerate(chunk.names):
            if name in chunk.tables:
                if name not in self._readers:
                    self._readers[name] = EventReader(self._events[name])
                rows[code] = _events(self._readers[name], chunk.tables[name])
        # One call an event is what the user asked for: 2 µs each, ten times what its frame costs.
        for code in chunk.order.tolist():
            self._take(next(rows[code]))
            self._taken += 1

    def finish(self) -> list[FileReceipt]:
        """Close the object, if it can be closed."""
        try:
            self._close()
        except Exception as error:
            raise self._failed(error) from error
        return []

    def abort(self) -> None:
        """Close the object, if it can be closed and has not been."""
        self._close()

    def _close(self) -> None:
        close = getattr(self._target, "close", None)
        if callable(close) and not self._closed:
            self._closed = True
            close()

    def _failed(self, error: Exception) -> OutputError:
        kind = type(self._target).__name__
        return OutputError(
            Diagnostic(
                f"{kind} failed: {type(error).__name__}: {error}",
                None,
                f"it had taken {self._taken:,} events before",
                "the traceback above shows the line of the output that raised",
            )
        )


def _events(reader: EventReader, table: pa.Table) -> Iterator[object]:
    table = plain(table)
    for first in range(0, table.num_rows, _ROWS):  # so that few Python values are alive at once
        block = table.slice(first, _ROWS)
        yield from reader.events({name: block[name].to_pylist() for name in block.column_names})
