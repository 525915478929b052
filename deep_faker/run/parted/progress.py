"""One progress bar for all parts, whoever makes them."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from deep_faker.streams import is_terminal, say

if TYPE_CHECKING:
    from rich.progress import Progress as Bar


class PartsProgress:
    """Shows how many of ``partitions`` parts are whole. ``wanted`` as in `Progress`.

    >>> with PartsProgress(8, 3, wanted=False) as bar:
    ...     bar.update(1000)
    >>> bar.parts, bar.events
    (4, 1000)
    """

    _SECONDS_BETWEEN_LINES = 5.0

    def __init__(self, partitions: int, done: int, *, wanted: bool | None) -> None:
        self._partitions, self.parts, self.events = partitions, done, 0
        self._terminal = is_terminal()
        self._on = self._terminal if wanted is None else wanted
        self._bar: Bar | None = None
        self._began = self._said = time.monotonic()

    def __enter__(self) -> Self:
        if self._on and self._terminal:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                TextColumn("parts"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[events]} events  {task.fields[rate]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task(
                "", total=self._partitions, completed=self.parts, events="0", rate="0/s"
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, events: int) -> None:
        """One more part is whole, with so many events."""
        self.parts += 1
        self.events += events
        if not self._on:
            return
        now = time.monotonic()
        rate = f"{self.events / max(now - self._began, 1e-9):,.0f}/s"
        if self._bar is not None:
            self._bar.update(self._task, completed=self.parts, events=f"{self.events:,}", rate=rate)
        elif now - self._said >= self._SECONDS_BETWEEN_LINES:
            self._said = now
            say(f"{self.parts:,} of {self._partitions:,} parts  {self.events:,} events  {rate}")
