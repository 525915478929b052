"""One progress bar for all parts, whoever makes them."""

from __future__ import annotations

import time
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Self

from deep_faker.run.parted.workers import UnderWay
from deep_faker.streams import is_terminal, say

if TYPE_CHECKING:
    from rich.progress import Progress as Bar


class PartsProgress:
    """Shows how many of ``partitions`` parts are whole, and how far others are. ``wanted`` as in `Progress`.

    >>> with PartsProgress(8, 3, wanted=False) as bar:
    ...     bar.under_way(UnderWay(5, 0.5, 400))
    ...     bar.under_way(UnderWay(6, 0.25, 300))
    ...     bar.update(5, 1000)
    >>> bar.parts, bar.events, bar.done
    (4, 1300, 4.25)
    """

    _SECONDS_BETWEEN_LINES = 5.0

    def __init__(self, partitions: int, done: int, *, wanted: bool | None) -> None:
        self._partitions, self.parts = partitions, done
        self._whole = 0  # events of parts that are whole
        self._others: dict[int, UnderWay] = {}
        self._lock = Lock()
        self._terminal = is_terminal()
        self._on = self._terminal if wanted is None else wanted
        self._bar: Bar | None = None
        self._began = self._said = time.monotonic()

    def __enter__(self) -> Self:
        if self._on and self._terminal:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                TextColumn("parts"),
                BarColumn(),
                TextColumn("{task.fields[parts]}"),
                TextColumn("{task.fields[events]} events  {task.fields[rate]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task(
                "", total=self._partitions, completed=self.parts, events="0", rate="0/s", parts=""
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def events(self) -> int:
        """Events so far, also of parts that are not whole."""
        return self._whole + sum(word.events for word in self._others.values())

    @property
    def done(self) -> float:
        """Parts that are whole, and the shares of others."""
        return self.parts + sum(word.share for word in self._others.values())

    def under_way(self, word: UnderWay) -> None:
        """A part is so far; it may have begun anew."""
        with self._lock:
            self._others[word.part] = word
            self._show()

    def update(self, part: int, events: int) -> None:
        """One more part is whole, with so many events."""
        with self._lock:
            self._others.pop(part, None)
            self.parts += 1
            self._whole += events
            self._show()

    def _show(self) -> None:
        if not self._on:
            return
        now = time.monotonic()
        events, done = self.events, self.done
        rate = f"{events / max(now - self._began, 1e-9):,.0f}/s"
        parts = f"{self.parts:,} of {self._partitions:,}"
        if self._bar is not None:
            self._bar.update(self._task, completed=done, parts=parts, events=f"{events:,}", rate=rate)
        elif now - self._said >= self._SECONDS_BETWEEN_LINES:
            self._said = now
            say(f"{parts} parts  {done / self._partitions:4.0%}  {events:,} events  {rate}")
