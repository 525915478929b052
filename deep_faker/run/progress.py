"""A progress bar on standard error: events, rate and simulated time."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from deep_faker.run.notebook_bar import NotebookBar, in_notebook
from deep_faker.streams import is_terminal, say
from deep_faker.times import to_datetime

if TYPE_CHECKING:
    from rich.progress import Progress as Bar


class Progress:
    """Shows how far a run is. ``wanted`` None: only where standard error is a terminal, or in a notebook.

    Elsewhere, when asked for, it prints one line every few seconds, which logs can keep. ``tell`` is told,
    too: the share of the simulated time, and the events so far; a few times a second.

    >>> bar = Progress(0, 10, wanted=False, tell=lambda share, events: print(share, events))
    >>> bar.update(5, 100)
    0.5 100
    """

    _SECONDS_BETWEEN_LINES = 5.0
    _SECONDS_BETWEEN_WORDS = 0.25

    def __init__(
        self,
        start: int,
        end: int,
        *,
        wanted: bool | None,
        tell: Callable[[float, int], None] | None = None,
    ) -> None:
        self._start, self._end = start, end
        self._tell, self._told = tell, -1.0
        self._terminal = is_terminal()
        self._notebook = in_notebook()
        self._on = self._terminal or self._notebook if wanted is None else wanted
        self._bar: Bar | None = None
        self._cell: NotebookBar | None = None
        self._began = self._said = time.monotonic()
        self.events = self._before = 0

    def __enter__(self) -> Self:
        if self._on and self._notebook:
            self._cell = NotebookBar()
        elif self._on and self._terminal:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f}%"),
                TextColumn("{task.fields[events]} events  {task.fields[rate]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task("", total=self._end - self._start, events="0", rate="0/s")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self._cell is not None:
            self._cell.stop()

    def goes_on_from(self, events: int) -> None:
        """So many events were made before, by the run that this one resumes."""
        self.events = self._before = events

    def update(self, until: int, events: int, *, lag: float = 0.0) -> None:
        """The run has reached the simulated instant ``until`` (µs) with ``events`` more events.

        ``lag``: by how many seconds a paced run is behind.
        """
        self.events += events
        if not self._on and self._tell is None:
            return
        now = time.monotonic()
        if self._tell is not None and now - self._told >= self._SECONDS_BETWEEN_WORDS:
            self._told = now
            self._tell((min(until, self._end) - self._start) / (self._end - self._start), self.events)
        if not self._on:
            return
        rate = f"{(self.events - self._before) / max(now - self._began, 1e-9):,.0f}"
        clock = f"{to_datetime(until):%Y-%m-%d %H:%M:%S}"
        late = f"  {lag:.1f} s behind" if lag >= 0.1 else ""
        if self._bar is not None:
            done = min(until, self._end) - self._start
            self._bar.update(
                self._task,
                completed=done,
                description=clock,
                events=f"{self.events:,}",
                rate=f"{rate}/s{late}",
            )
        elif self._cell is not None:
            share = (min(until, self._end) - self._start) / (self._end - self._start)
            self._cell.update(share, f"{clock}  {self.events:,} events  {rate}/s{late}")
        elif now - self._said >= self._SECONDS_BETWEEN_LINES:
            self._said = now
            share = (min(until, self._end) - self._start) / (self._end - self._start)
            say(f"{clock}  {share:4.0%}  {self.events:,} events  {rate}/s{late}")
