"""One run of one plan: engine → columns → outputs, on two threads.

The engine computes control on the calling thread; a second thread fills the columns and writes.
numpy and pyarrow let go of the interpreter lock while they work, so both cores are used, and one
queue of fixed length keeps memory bounded and the order of the chunks.
"""

from __future__ import annotations

import gc
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pyarrow as pa

from deep_faker.binding import Binding
from deep_faker.columns import Columns
from deep_faker.draws import Draws
from deep_faker.outputs import Output, RunInfo, as_output
from deep_faker.plan import OUTCOMES, Plan, Trace
from deep_faker.progress import Progress
from deep_faker.report import RunReport
from deep_faker.tables import Tables

_QUEUE = 3

# Below this many flows at once, tiny array calls cost more than they do: the scalar engine runs the plan.
FEW_FLOWS = 128


def make_engine(plan: Plan, draws: Draws, binding: Binding, name: str) -> Any:
    """The engine by name; ``vectorized`` takes the scalar kernel where few flows are in flight."""
    if name == "reference":
        from deep_faker.engine.reference import ReferenceEngine

        return ReferenceEngine(plan, draws, binding)
    if plan.settings.n_flows <= FEW_FLOWS and not any(flow.live for flow in plan.flows):
        from deep_faker.engine.scalar import ScalarEngine

        return ScalarEngine(plan, draws, binding)
    from deep_faker.engine.kernel import ColumnEngine

    return ColumnEngine(plan, draws, binding)


def run_plan(
    plan: Plan,
    *,
    seed: int,
    outputs: Sequence[Any],
    engine: str,
    owner: object,
    overwrite: bool = False,
    progress: bool | None = None,
) -> RunReport:
    """Run ``plan`` into ``outputs``: whole, or visibly not (contract point R3)."""
    began = time.perf_counter()
    draws = Draws(seed)
    binding = Binding(plan, draws)
    runner = make_engine(plan, draws, binding, engine)
    for name, entity in plan.entities.items():
        if entity.key_mode == "stored":
            binding.use_stored_keys(name, partial(runner.store.key_values, name))
    job = _Job(plan, binding)
    job.columns.use_sites(getattr(runner, "sites", plan.sites))
    info = RunInfo(
        seed=seed,
        start_micros=plan.settings.start,
        end_micros=plan.settings.end,
        partitions=draws.partitions,
        events=plan.events,
        entities={name: entity.spec for name, entity in plan.entities.items()},
        schemas=job.schemas(),
        overwrite=overwrite,
        owner=owner,
        settings=_settings(plan),
    )
    opened: list[Output] = []
    receipts: list[Any] = []
    try:
        for output in map(as_output, outputs):
            opened.append(output)
            output.open(info)
        shown = Progress(plan.settings.start, plan.settings.end, wanted=progress)
        with _rare_collections(), shown as bar:
            _pump(runner, lambda trace: job.write(trace, opened, bar))
        job.finish(runner, opened)
        while opened:
            receipts += opened[0].finish()
            opened.pop(0)
    except BaseException:
        for output in opened:
            with suppress(Exception):  # the first error is the one to show
                output.abort()
        raise
    report: Mapping[str, Any] = runner.report
    return RunReport(
        seed=seed,
        start_micros=plan.settings.start,
        end_micros=plan.settings.end,
        events=dict(sorted(job.events.items())),
        flows={name: job.flows[name] for name in OUTCOMES if job.flows[name]},
        skipped=int(report.get("skipped", 0)),
        entities={name: runner.store.count(name) for name in plan.entities},
        engine=engine,
        seconds=time.perf_counter() - began,
        peak_memory=_peak_memory(),
        files=tuple(r.as_dict() for r in receipts),
        where=tuple(
            str(getattr(o, "place", "") or "") for o in map(as_output, outputs) if getattr(o, "place", "")
        ),
    )


def preview_plan(plan: Plan, *, seed: int, n: int) -> list[str]:
    """The first ``n`` events of a run as JSON lines. The engine stops as soon as there are enough."""
    from deep_faker.outputs import json_lines

    draws = Draws(seed)
    binding = Binding(plan, draws)
    columns = Columns(binding)
    runner = make_engine(plan, draws, binding, "vectorized")
    lines: list[str] = []
    for trace in runner.run():
        lines += json_lines(columns.fill(trace), plan.events).decode().split("\n")[:-1]
        if len(lines) >= n:
            break
    return lines[:n]


class _Job:
    """Turns traces into tables and hands them to the outputs."""

    def __init__(self, plan: Plan, binding: Binding) -> None:
        self.plan = plan
        self.columns = Columns(binding)
        self.tables = Tables(binding)
        self.events: Counter[str] = Counter()
        self.flows: Counter[str] = Counter()

    def schemas(self) -> dict[str, pa.Schema]:
        return self.columns.schemas

    def write(self, trace: Trace, outputs: Sequence[Output], bar: Progress) -> None:
        chunk = self.columns.fill(trace)
        sessions = self.tables.sessions(trace)
        history = self.tables.history(trace) if self.plan.settings.history else {}
        for output in outputs:
            if len(chunk.order):
                output.write(chunk)
            _truth(output, sessions, history)
        made = {name: table.num_rows for name, table in chunk.tables.items()}
        self.events.update(made)
        self._count(sessions)
        bar.update(trace.until, sum(made.values()))

    def _count(self, sessions: pa.Table) -> None:
        for row in sessions["outcome"].value_counts().to_pylist():
            self.flows[row["values"]] += row["counts"]

    def finish(self, runner: Any, outputs: Sequence[Output]) -> None:
        sessions = self.tables.last_sessions()
        self._count(sessions)
        history = self.tables.last_history() if self.plan.settings.history else {}
        for output in outputs:
            _truth(output, sessions, history)
            write_entities = getattr(output, "write_entities", None)
            if write_entities is not None:
                for name in self.plan.entities:
                    write_entities(name, self.tables.entity_schema(name).empty_table())
                    for table in self.tables.entities(name, runner.store):
                        write_entities(name, table)


def _truth(output: Output, sessions: pa.Table, history: Mapping[str, pa.Table]) -> None:
    write_sessions = getattr(output, "write_sessions", None)
    if write_sessions is not None:
        write_sessions(sessions)
    write_history = getattr(output, "write_history", None)
    if write_history is not None:
        for name, table in history.items():
            write_history(name, table)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Look for garbage in cycles less often: a run makes millions of small tuples, and no cycles.

    A tenth of the time of the scalar engine went into looking at them again and again.
    """
    usual = gc.get_threshold()
    gc.set_threshold(50_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _pump(runner: Any, write: Callable[[Trace], None]) -> None:
    """Run the engine here and ``write`` its traces on one other thread, in order."""
    pending: deque[Future[None]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="deep_faker-write") as pool:
        try:
            for trace in runner.run():
                pending.append(pool.submit(write, trace))
                while pending and (len(pending) > _QUEUE or pending[0].done()):
                    pending.popleft().result()
            while pending:
                pending.popleft().result()
        except BaseException:
            for future in pending:
                future.cancel()
            raise


def _settings(plan: Plan) -> dict[str, Any]:
    s = plan.settings
    return {
        "duration_us": s.duration,
        "time_step_us": s.step,
        "n_flows": s.n_flows,
        "on_end": s.on_end,
        "emit_initial_entities": s.emit_initial,
        "initial_entities": dict(s.initial),
        "history": s.history,
    }


def _peak_memory() -> int:
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    import sys

    return peak if sys.platform == "darwin" else peak * 1024
