"""The half of the facade that gives events as they are asked for: batches of frames, lazy frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol, cast, overload

from deep_faker.declare.checks import one_of, whole
from deep_faker.parts import Facade, one_part
from deep_faker.simulate.choice import ENGINES

if TYPE_CHECKING:
    import polars as pl

    from deep_faker.plan import Plan
    from deep_faker.run.batches import Batch, Batches

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
