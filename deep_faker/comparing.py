"""The part of the facade that runs a program several times: twins of a seed, sweeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, cast

from deep_faker.batching import LOADING
from deep_faker.declare.checks import flag, one_of, whole
from deep_faker.declare.params import Scalar, set_params
from deep_faker.errors import wrong_setting
from deep_faker.simulate.choice import ENGINES
from deep_faker.times import parse_instant

if TYPE_CHECKING:
    from deep_faker.dataset import Dataset
    from deep_faker.features.twins import Run, Twins
    from deep_faker.plan import Plan

_MOST_WORKERS = 256


class _Planned(Protocol):
    start_time: Any
    params: dict[str, Scalar]

    def plan_at(
        self,
        start: int,
        *,
        history: bool,
        decisions: bool = False,
        params: Mapping[str, Scalar] | None = None,
    ) -> Plan: ...

    def drawn_seed(self) -> int: ...

    def memory_said(self) -> AbstractContextManager[None]: ...


class Compared:
    """What makes several worlds of one `Simulation`."""

    def twins(
        self,
        *params: Mapping[str, Scalar],
        engine: str = "vectorized",
        history: bool = False,
        decisions: bool = False,
    ) -> Twins:
        """Worlds of one seed, one for each of ``params``, in memory: see `Twins`.

        They share all draws that their flows' numbers give them, so they differ by what the parameters cause.
        Raises `SettingsError` for fewer than two, and for a parameter that is not declared.
        """
        from deep_faker.features.twins import Twins

        sim = cast("_Planned", self)
        if len(params) < 2:
            mend = 'give two or more: sim.twins({"discount": 0.0}, {"discount": 0.2})'
            raise wrong_setting("params", list(params), mend)
        worlds = _Worlds(sim, params, engine, history=history, decisions=decisions)
        seed = sim.drawn_seed()
        with sim.memory_said():
            return Twins([worlds.run(number, seed) for number in range(len(params))])

    def sweep(
        self,
        *,
        seeds: Iterable[int],
        params: Sequence[Mapping[str, Scalar]] | Mapping[str, Scalar] | None = None,
        measure: Callable[[Dataset], object] | None = None,
        workers: int = 1,
        engine: str = "vectorized",
        history: bool = False,
    ) -> Any:
        """Run every one of ``params`` (without: the simulation's own) with each of ``seeds``, in memory.

        A `Sweep`, whose items have ``seed``, ``params`` and ``data``. With ``measure``, a function of a data
        set that gives a number or a mapping of numbers, a frame of these instead, a row for each run, and
        only ``workers`` data sets are kept at a time. ``workers`` threads make the runs: they are faster
        where flows run in the compiled kernel, and change nothing. Raises `SettingsError` for no seeds, a
        parameter that is not declared, and several workers where a flow runs as a generator.

        >>> from deep_faker import BaseEvent, NewEvent, Simulation
        >>> class Ping(BaseEvent):
        ...     pass
        >>> sim = Simulation("1h", "2024-01-01", params={"pings": 10})
        >>> @sim.flow(rate="{pings}/h")
        ... def ping(ctx):
        ...     yield NewEvent(ctx, Ping)
        >>> rows = sim.sweep(seeds=range(3), params=[{}, {"pings": 40}], measure=lambda ds: ds[Ping].height)
        >>> rows.columns, rows.height
        (['seed', 'pings', 'value'], 6)
        """
        import polars as pl

        from deep_faker.features.twins import Sweep, measured

        sim = cast("_Planned", self)
        asked = [{}] if params is None else [params] if isinstance(params, Mapping) else list(params)
        numbers = [whole(seed, "seeds", least=None) for seed in seeds]
        for name, given in (("seeds", numbers), ("params", asked)):
            if not given:
                raise wrong_setting(name, given, "give one or more")
        many = whole(workers, "workers", least=1, most=_MOST_WORKERS)
        worlds = _Worlds(sim, asked, engine, history=history, decisions=False)
        if many > 1:
            worlds.require_threads(many)

        def one(job: tuple[int, int]) -> Any:
            run = worlds.run(*job)
            return run if measure is None else measured(run, measure)

        jobs = [(number, seed) for number in range(len(asked)) for seed in numbers]
        with sim.memory_said(), ThreadPoolExecutor(many) as pool:
            made = list(map(one, jobs) if many == 1 else pool.map(one, jobs))
        return Sweep(cast("list[Run]", made)) if measure is None else pl.DataFrame(made)


class _Worlds:
    """The plans of some parameters, each compiled once, and how they are run."""

    def __init__(
        self,
        sim: _Planned,
        params: Sequence[Mapping[str, Scalar]],
        engine: str,
        *,
        history: bool,
        decisions: bool,
    ) -> None:
        from deep_faker.fill.decisions import require_told

        one_of("engine", engine, ENGINES)
        flag("history", history)
        flag("decisions", decisions)
        self._sim, self._engine = sim, engine
        self._params = [set_params(sim.params, given) for given in params]
        start = parse_instant(sim.start_time)
        self._plans = [
            sim.plan_at(start, history=history, decisions=decisions, params=given) for given in self._params
        ]
        if decisions:
            for plan in self._plans:
                require_told(plan, engine)

    def require_threads(self, workers: int) -> None:
        """Raise where flows of two runs would take the clocks of the whole process for theirs."""
        live = [flow.name for plan in self._plans for flow in plan.flows if flow.live is not None]
        if live or self._engine == "reference":
            what = f"{live[0]} runs as a generator" if live else "the reference engine runs generators"
            raise wrong_setting("workers", workers, f"leave it out: {what}, one at a time")

    def run(self, number: int, seed: int) -> Run:
        """One run, into memory."""
        from deep_faker.dataset import Dataset
        from deep_faker.features.twins import Run
        from deep_faker.run.runner import run_plan
        from deep_faker.write import MemoryOutput

        memory, plan = MemoryOutput(), self._plans[number]
        if not LOADING.get():
            run_plan(
                plan,
                seed=seed,
                outputs=[memory],
                engine=self._engine,
                owner=self._sim,
                progress=False,
            )
        return Run(seed, self._params[number], Dataset.from_memory(memory))
