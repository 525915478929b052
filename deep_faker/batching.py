"""The half of the facade that gives events as they are asked for: batches, lazy frames, futures, previews."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol, cast, overload

from deep_faker.declare.checks import flag, one_of, whole
from deep_faker.parts import Facade, one_part, require_fixed
from deep_faker.simulate.choice import ENGINES
from deep_faker.times import parse_duration, parse_instant

if TYPE_CHECKING:
    import polars as pl

    from deep_faker.plan import Plan
    from deep_faker.run.batches import Batch, Batches
    from deep_faker.run.futures import Future
    from deep_faker.show.preview import Preview

# True while the command line (or a worker) loads a user's file: nothing is run then.
LOADING: ContextVar[bool] = ContextVar("deep_faker_loading", default=False)


@contextmanager
def loading() -> Iterator[None]:
    """While this lasts, `run` and `collect` of every simulation do nothing."""
    token = LOADING.set(True)
    try:
        yield
    finally:
        LOADING.reset(token)


class _Compiled(Facade, Protocol):
    def compile(self) -> Plan: ...

    def drawn_seed(self) -> int: ...

    def memory_said(self) -> AbstractContextManager[None]: ...


class Batched:
    """What `Simulation` can be read by without an output."""

    @overload
    def batches(
        self, events: type | str, rows: int = ..., *, columns: Sequence[str] | None = ..., engine: str = ...,
        partitions: int = ..., part: int | None = ...,
    ) -> Batches[pl.DataFrame]: ...  # fmt: skip

    @overload
    def batches(
        self, events: list[Any] | tuple[Any, ...] | None = ..., rows: int = ..., *,
        columns: Mapping[type | str, Sequence[str]] | None = ..., engine: str = ..., partitions: int = ...,
        part: int | None = ...,
    ) -> Batches[Batch]: ...  # fmt: skip

    def batches(
        self,
        events: type | str | Sequence[type | str] | None = None,
        rows: int = 100_000,
        *,
        columns: Sequence[str] | Mapping[type | str, Sequence[str]] | None = None,
        engine: str = "vectorized",
        partitions: int = 1,
        part: int | None = None,
    ) -> Batches[Any]:
        """The events as Polars frames of ``rows`` rows in order of time, made as they are asked for.

        Of one event type each item is its frame; of several (a list; None or ``"all"``) a `Batch` of ``rows``
        events, with a frame for each type. ``columns`` names those wanted, for several types in a dict by
        type: others are not drawn. The rows are those of `collect`. A loop over it can be left anywhere, and
        run again. Raises `SettingsError` for an event type or a column that is not there.

        >>> from deep_faker import BaseEvent, Field, NewEvent, Simulation
        >>> class Ping(BaseEvent):
        ...     size: int = Field(faker="random_int", min=1, max=9)
        >>> sim = Simulation(duration="1m", start_time="2024-01-01", n_flows=2, random_seed=1)
        >>> @sim.flow()
        ... def ping(ctx):
        ...     yield NewEvent(ctx, Ping)
        >>> [frame.shape for frame in sim.batches(Ping, rows=50, columns=["size"])]
        [(50, 1), (50, 1), (20, 1)]
        """
        from deep_faker.run.batches import batches_of

        whole(rows, "rows", least=1)
        one_of("engine", engine, ENGINES)
        sim = cast("_Compiled", self)
        found = batches_of(
            sim.compile(), seed=sim.drawn_seed(), engine=engine, events=events, columns=columns, rows=rows,
            part=one_part(sim, partitions, part),
        )  # fmt: skip
        return found.none() if LOADING.get() else found

    def preview(self, n: int = 20, *, initial: bool = True, engine: str = "vectorized") -> Preview:
        """``n`` of the first events as JSON lines; nothing is written, and only as much is run as needed.

        The list shows itself as a table in a notebook, and ``frame()`` makes a Polars frame of it.

        At most half of them are those of initial entities, the first of each type, as long as flows make the
        others; ``initial=False`` leaves them out. ``engine`` as in `run`.
        """
        from deep_faker.run.runner import preview_plan
        from deep_faker.show.preview import Preview

        whole(n, "n", least=0)
        flag("initial", initial)
        one_of("engine", engine, ENGINES)
        sim = cast("_Compiled", self)
        with sim.memory_said():
            plan, seed = sim.compile(), sim.drawn_seed()
            return Preview(preview_plan(plan, seed=seed, n=n, initial=initial, engine=engine))

    def futures(
        self,
        at: str | dt.datetime,
        n: int = 200,
        *,
        events: type | str | Sequence[type | str] | None = None,
        columns: Sequence[str] | Mapping[type | str, Sequence[str]] | None = None,
        within: str | float | dt.timedelta | None = None,
        engine: str = "vectorized",
    ) -> Iterator[Future]:
        """``n`` worlds that share the run's past up to the instant ``at``, and draw what comes anew.

        Each is a `Future`: of the event types asked for, a frame with the ``columns`` asked for, up to
        ``within`` after ``at`` (to the end of the run where nothing is said). Nothing is written. ``at`` is
        an instant at which a step begins. What was drawn by then stays: state, and when who waits goes on.
        Raises `SettingsError` for an instant between two steps, a seed that is not fixed, an event type or
        column that is not there, and for flows that run as generators.

        >>> from deep_faker import BaseEvent, NewEvent, Simulation
        >>> class Ping(BaseEvent):
        ...     pass
        >>> sim = Simulation(duration="2h", start_time="2024-01-01", random_seed=1)
        >>> @sim.flow(rate="30/h")
        ... def ping(ctx):
        ...     yield NewEvent(ctx, Ping)
        >>> worlds = sim.futures("2024-01-01T01:00", n=3, events=Ping, columns=["sys__time"])
        >>> len({world[Ping].height for world in worlds}) > 1
        True
        """
        from deep_faker.run.futures import futures_of

        whole(n, "n", least=1)
        one_of("engine", engine, ENGINES)
        sim = cast("_Compiled", self)
        require_fixed(sim, "all futures")
        plan, instant = sim.compile(), parse_instant(at, "at")
        length = None if within is None else parse_duration(within, "within")
        until = plan.settings.end if length is None else min(instant + length, plan.settings.end)
        if LOADING.get():
            return iter(())
        return futures_of(
            plan, seed=sim.drawn_seed(), engine=engine, at=instant, n=n, until=until,
            events=events, columns=columns,
        )  # fmt: skip

    def scan(self, event: type | str, *, rows: int = 100_000, engine: str = "vectorized") -> pl.LazyFrame:
        """The events of one type as a lazy Polars frame, which runs the simulation when it is collected.

        Only the columns that the query needs are drawn, in batches of ``rows``, and the run ends with the
        last row that it takes. Raises `SettingsError` for an event type that is not there.

        >>> from deep_faker import BaseEvent, Field, NewEvent, Simulation
        >>> class Ping(BaseEvent):
        ...     size: int = Field(faker="random_int", min=1, max=9)
        >>> sim = Simulation(duration="1m", start_time="2024-01-01", n_flows=2, random_seed=1)
        >>> @sim.flow()
        ... def ping(ctx):
        ...     yield NewEvent(ctx, Ping)
        >>> sim.scan(Ping).select("size").head(3).collect().shape
        (3, 1)
        """
        from deep_faker.run.scanning import scanned

        return scanned(self.batches(event, rows, engine=engine))
