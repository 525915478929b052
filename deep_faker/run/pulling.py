"""A run at the pull of whoever wants its events: nothing is made that nobody has asked for.

`run_plan` pushes traces to outputs; here they are taken. Two may be at work at once, the engine on a thread
of its own and whoever fills the columns, but only while somebody waits: between two batches nothing goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from types import TracebackType
from typing import Self, TypeVar

import numpy as np

from deep_faker.draws.mix import Draws
from deep_faker.errors import EmptyWorldWarning, warn
from deep_faker.fill.binding import Binding
from deep_faker.fill.events import Columns
from deep_faker.plan import OUTCOMES, Plan, RawTrace, Trace
from deep_faker.plan.parts import WHOLE, WorldPart, plan_of
from deep_faker.run.emptiness import warnings_of
from deep_faker.run.pacing import TraceSizes
from deep_faker.simulate.choice import engine_for

_T = TypeVar("_T")

_HEARING = 0.2  # seconds


class Pull:
    """The traces of one run of a ``part`` of ``plan``, one by one, and the ``columns`` that fill them.

    ``most`` is the greatest number of events of a trace, about. The engine is never more than one trace
    ahead, and stands still after `rest`. `close` ends it, in the middle too: what flows have to do at their
    end is done. The engine stays on one thread, whichever thread asks: a flow's code that is suspended in the
    middle of a function can go on in its own thread only.
    """

    def __init__(self, plan: Plan, *, seed: int, engine: str, most: int, part: WorldPart = WHOLE) -> None:
        draws, plan = Draws(seed, part.number, part.of), plan_of(plan, part)
        binding = Binding(plan, draws)
        self.columns = Columns(binding)
        self._plan = plan
        self._engine = engine_for(plan, engine).factory(plan, draws, binding)
        self.columns.use_sites(self._engine.sites)
        self._sizes = TraceSizes(None, most=most)
        self._engine.most_rows = self._sizes.rows
        self._traces = self._engine.run()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="deep_faker-pull")
        self._next: Future[RawTrace | None] | None = None
        self._sessions: dict[str, Counter[str]] = {flow.name: Counter() for flow in plan.flows}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Trace]:
        while (raw := self._taken()) is not None:
            trace = raw.take(self.columns.drawn)
            self._count(trace)
            yield trace

    def warn_of_emptiness(self) -> None:
        """Say at the end what is probably not meant, as a run does."""
        for warning in warnings_of(self._plan, self._sessions, self._engine):
            warn(warning, EmptyWorldWarning)

    def _taken(self) -> RawTrace | None:
        """The next trace, while the engine begins with the one after it."""
        raw = finished(self._next or self._ask())
        self._next = None if raw is None else self._ask()
        return raw

    def _ask(self) -> Future[RawTrace | None]:
        return self._thread.submit(self._go_on)

    def _go_on(self) -> RawTrace | None:
        raw = next(self._traces, None)
        if raw is not None:
            self._engine.most_rows = self._sizes.after(raw.events, raw.until)
        return raw

    def rest(self) -> None:
        """Wait until the engine stands still; what it raised is for the next trace to say."""
        if self._next is not None:
            heard(self._next)

    def close(self) -> None:
        """End the run, wherever it is."""
        close = getattr(self._traces, "close", None)
        with suppress(RuntimeError):  # the interpreter ends: no thread takes up anything now
            if close is not None:
                finished(self._thread.submit(close))
        self._thread.shutdown()

    def _count(self, trace: Trace) -> None:
        for ended in trace.ended:
            codes = ended.table.astype(np.int64) * len(OUTCOMES) + ended.outcome
            for code, count in enumerate(np.bincount(codes).tolist()):
                if count:
                    flow, outcome = divmod(code, len(OUTCOMES))
                    self._sessions[self._plan.flows[flow].name][OUTCOMES[outcome]] += count


def heard(task: Future[_T]) -> None:
    """Wait for a task, hearing signals meanwhile.

    In turns: Polars brings a handler for interrupts of its own, after which a wait goes on as if none had
    come, and Python's handler would run only when it is over. A server that is away can make that an hour.
    """
    while not task.done():
        wait([task], timeout=_HEARING)


def finished(task: Future[_T]) -> _T:
    """What a task returned, heard as by `heard`; raises what it raised.

    >>> with ThreadPoolExecutor(1) as pool:
    ...     finished(pool.submit(len, "abc"))
    3
    """
    heard(task)
    return task.result()
