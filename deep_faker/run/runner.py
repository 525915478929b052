"""One run of one plan: engine → columns → outputs, on two threads.

The engine computes control on the calling thread; a second thread fills the columns and writes.
numpy and pyarrow let go of the interpreter lock while they work, so both cores are used, and one
queue of fixed length keeps memory bounded and the order of the chunks.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from threading import Event

import numpy as np
import pyarrow as pa

from deep_faker.draws.mix import Draws
from deep_faker.errors import (
    Diagnostic,
    EmptyWorldWarning,
    warn,
)
from deep_faker.fill.binding import Binding
from deep_faker.fill.decisions import decisions_of
from deep_faker.fill.events import Columns
from deep_faker.fill.labels.cases import Cases
from deep_faker.fill.labels.incidents import incident_table
from deep_faker.fill.truth import Tables
from deep_faker.plan import OUTCOMES, Plan, RawTrace, arrow
from deep_faker.plan.parts import WHOLE, WorldPart, plan_of
from deep_faker.plan.replicated import rules_of
from deep_faker.run.checkpoints.fingerprint import fingerprint
from deep_faker.run.checkpoints.saver import Keeping, Saved, Saver
from deep_faker.run.delivery import Delivery
from deep_faker.run.emptiness import warnings_of
from deep_faker.run.overlay import Overlay, overlay_of
from deep_faker.run.pacing import Pace, Pacer, TraceSizes, last_instant
from deep_faker.run.previewing import preview_lines
from deep_faker.run.progress import Progress
from deep_faker.run.pulling import Pull
from deep_faker.run.pumping import Giving, let_go_of, pump, rare_collections, stopped_by_signals
from deep_faker.run.report import Counts, RunReport
from deep_faker.run.utc import in_utc
from deep_faker.simulate.choice import engine_for
from deep_faker.simulate.engine import Engine
from deep_faker.write import EventChunk, FileReceipt, RunInfo, RunSettings, versions


@in_utc()
def run_plan(
    plan: Plan,
    *,
    seed: int,
    outputs: Sequence[object],
    engine: str,
    owner: object,
    overwrite: bool = False,
    progress: bool | None = None,
    keeping: Keeping | None = None,
    pace: Pace | None = None,
    part: WorldPart = WHOLE,
    program: Mapping[str, str] | None = None,
    heard: Callable[[Diagnostic], None] | None = None,
    stop: Event | None = None,
    tell: Callable[[float, int], None] | None = None,
) -> RunReport:
    """Run ``plan`` into ``outputs``: whole, or visibly not (contract point R3).

    ``engine`` is a name of `engine_for`. With ``keeping`` the run keeps checkpoints, or goes on from one
    (R4). With ``pace`` events leave when they are due. ``part``: make this part of the plan's world only;
    ``program`` is the fingerprint of the whole, where the part is for a data set of all parts. ``heard`` is
    told what would be a warning; ``stop``, once set, ends the run as an interrupt does. ``tell`` as in
    `Progress`.
    """
    began = time.perf_counter()
    draws = Draws(seed, part.number, part.of)
    whole, plan = plan, plan_of(plan, part)
    binding = Binding(plan, draws)
    runner = engine_for(plan, engine).factory(plan, draws, binding)
    delivery = Delivery(outputs)
    stop, told = stop or Event(), Event()
    pacer = None if pace is None else Pacer(stop, speed=pace.speed, rate=pace.rate)
    job = _Job(plan, binding, delivery, stop, pacer, for_all=program is not None)
    job.columns.use_sites(runner.sites)
    job.overlay = delivery.overlay = overlay_of(plan, draws, job.columns, whole, part, engine)
    job.columns.code_keys = delivery.takes_coded_keys and job.overlay is None
    info = replace(job.info(draws), settings=settings_of(whole), overwrite=overwrite, owner=owner)
    if program is not None:
        info = replace(info, part=part.number, program=program, replicated=rules_of(plan))
    saver = None
    if keeping is not None:
        delivery.require_resumable()
        saver = Saver(keeping, runner, job, delivery)
    with let_go_of(delivery, saver, stop=stop, told=told):
        if saver is None:
            delivery.open([info] * len(delivery.routes))
        else:
            parts = fingerprint(plan, seed=seed, versions=versions())
            saver.begin(info, parts)
        bar = Progress(plan.settings.start, plan.settings.end, wanted=progress, tell=tell)
        bar.goes_on_from(job.events.total())
        wanted = saver is not None or pacer is not None
        with rare_collections(), stopped_by_signals(stop, told, wanted=wanted):
            with bar:
                most = None if keeping is None else keeping.events
                pump(runner, job, bar, saver, TraceSizes(pace, most=most))
            if stop.is_set():
                raise saver.stop() if saver is not None else KeyboardInterrupt
        job.finish(runner, bar)
        delivery.counted(job.counts(runner))
        receipts = delivery.finish()
    if saver is not None:
        saver.finished()
    for warning in warnings_of(plan, job.flows, runner):
        if heard is None:
            warn(warning, EmptyWorldWarning)
        else:
            heard(warning)
    return job.report(runner, receipts, seed=seed, began=began)


@in_utc()
def preview_plan(plan: Plan, *, seed: int, n: int, initial: bool, engine: str) -> list[str]:
    """The first events of a run, as `preview_lines` says. The engine stops as soon as there are enough."""
    with Pull(plan, seed=seed, engine=engine, most=n) as pull:
        return preview_lines(plan, pull.columns, iter(pull), n, initial=initial)


class _Job(Giving[RawTrace]):
    """Turns traces into tables and delivers them, on the writing thread."""

    def __init__(
        self,
        plan: Plan,
        binding: Binding,
        delivery: Delivery,
        stop: Event,
        pacer: Pacer | None,
        *,
        for_all: bool,
    ) -> None:
        super().__init__(stop)
        self.plan = plan
        self.columns = Columns(binding)
        self.tables = Tables(binding, deltas=for_all and binding.draws.partition > 0)
        self._first = binding.draws.partition == 0
        self.events: Counter[str] = Counter()
        self.flows: dict[str, Counter[str]] = {flow.name: Counter() for flow in plan.flows}
        self._delivery, self._pacer = delivery, pacer
        self.overlay: Overlay | None = None
        labels = plan.settings.labels
        self.cases = None if labels is None else Cases(labels, binding.draws)

    @property
    def saved(self) -> dict[str, Saved]:
        """What a checkpoint holds beside the engine."""
        parts = {"truth": self.tables, "arriving": self.overlay, "cases": self.cases}
        return {name: part for name, part in parts.items() if part is not None}

    def info(self, draws: Draws) -> RunInfo:
        """What outputs are told of the run."""
        return RunInfo(
            seed=draws.seed,
            start_micros=self.plan.settings.start,
            end_micros=self.plan.settings.end,
            partitions=draws.partitions,
            events=self.plan.events,
            entities={name: entity.spec for name, entity in self.plan.entities.items()},
            schemas=self.columns.schemas,
            run_id=secrets.token_hex(8),
            stamped=True,
            arriving=self.plan.arrives,
            stopping=self._stop.is_set,
        )

    def report(
        self, engine: Engine, receipts: Sequence[FileReceipt], *, seed: int, began: float
    ) -> RunReport:
        """What the run did, when all is delivered."""
        return RunReport(
            seed=seed,
            start_micros=self.plan.settings.start,
            end_micros=self.plan.settings.end,
            **self.counts(engine),
            engine=engine.name,
            seconds=time.perf_counter() - began,
            peak_memory=peak_memory(),
            files=tuple(receipt.as_dict() for receipt in receipts),
            where=self._delivery.where,
            lag=None if self._pacer is None else self._pacer.worst,
        )

    def counts(self, engine: Engine) -> Counts:
        """What the report counts."""
        outcomes = sum(self.flows.values(), Counter[str]())
        return {
            "events": dict(sorted(self.events.items())),
            "flows": {name: outcomes[name] for name in OUTCOMES if outcomes[name]},
            "sessions": {name: dict(counts) for name, counts in self.flows.items()},
            "skipped": engine.counts.skipped,
            "entities": {
                name: len(engine.entities(name).number)
                for name, entity in self.plan.entities.items()
                if self._first or not entity.spec.replicated
            },
            "unmatched": {name: count for name, count in engine.counts.unmatched.items() if count},
            "turned_away": dict(engine.counts.turned_away),
        }

    def write(self, raw: RawTrace, bar: Progress) -> None:
        """Deliver what a trace holds; nothing more once the run has been told to stop."""
        if self._stop.is_set():
            return
        trace = raw.take()
        events = self.columns.arranged(trace, self.events, self.events.total())
        chunk = replace(self.columns.stamped(events), first=self.events.total())
        arrived = None
        if self.overlay is None:
            self._deliver(chunk, len(chunk), trace.until, bar)
        else:
            self._delivery.clean(chunk)
            arrived = self.overlay.take(chunk, events, trace.until)
            self._deliver(arrived.chunk, len(chunk), trace.until, bar)
        if self._pacer is not None and self._stop.is_set():
            return  # the rest of the chunk, and its truth, are a resumed run's
        if self.overlay is not None and arrived is not None:
            self._delivery.kept(self.overlay.tables(arrived))
        if self.cases is not None:
            self._delivery.kept(self.cases.take(chunk, events, self.columns.sites, trace.until))
        sessions = self.tables.sessions(trace)
        history = self.tables.history(trace, chunk.first) if self.plan.settings.history else {}
        self._tell(sessions, history)
        self._delivery.hidden({f"events/{name}": table for name, table in chunk.hidden.items()})
        if self.plan.settings.decisions:
            self._delivery.hidden({"decisions": decisions_of(trace, self.plan, self.columns.binding)})
        self.events.update({name: table.num_rows for name, table in chunk.tables.items()})
        self._count(sessions)

    def _deliver(self, chunk: EventChunk, made: int, until: int, bar: Progress) -> None:
        """Events of the stream, when they are due."""
        if self._pacer is None:
            self._delivery.events(chunk)
            bar.update(until, made)
            return
        for piece in self._pacer.pieces(chunk):
            self._delivery.events(piece)
            bar.update(last_instant(piece), len(piece), lag=self._pacer.lag)

    def _count(self, sessions: pa.Table) -> None:
        if not sessions.num_rows:
            return
        # grouped by Arrow they would wait for its threads, which are the encoders' in a busy run
        flow, outcome = (sessions[name].unify_dictionaries().combine_chunks() for name in ("flow", "outcome"))
        names, outcomes = flow.dictionary.to_pylist(), outcome.dictionary.to_pylist()
        pairs = arrow.values(flow.indices) * np.int64(len(OUTCOMES)) + arrow.values(outcome.indices)
        counts = np.bincount(pairs)
        for pair in np.flatnonzero(counts).tolist():
            name, end = names[pair // len(OUTCOMES)], outcomes[pair % len(OUTCOMES)]
            self.flows[name][end] += int(counts[pair])

    def finish(self, engine: Engine, bar: Progress) -> None:
        """Deliver what is known at the end only."""
        if self.overlay is not None:
            arrived = self.overlay.rest()
            self._deliver(arrived.chunk, 0, self.plan.settings.end, bar)
            self._delivery.kept(self.overlay.tables(arrived))
        if self.cases is not None:
            self._delivery.kept(self.cases.rest())
        if self.plan.incidents:
            incidents = incident_table(self.plan.incidents)
            self._delivery.kept({"truth/incidents": incidents if self._first else incidents.slice(0, 0)})
        sessions = self.tables.last_sessions()
        self._count(sessions)
        self._tell(sessions, self.tables.last_history() if self.plan.settings.history else {})
        for name in self.plan.entities:
            self._entities(name, pa.Table.from_batches([], self.tables.entity_schema(name)))
            for table in self.tables.entities(name, engine):
                self._entities(name, table)

    def _tell(self, sessions: pa.Table, history: Mapping[str, pa.Table]) -> None:
        """Sessions and versions, what is latent in a table of its own."""
        tables = self.tables
        self._delivery.truth(
            sessions, {name: tables.observed(name, table) for name, table in history.items()}
        )
        self._delivery.hidden(tables.latent(history, "history"))

    def _entities(self, name: str, table: pa.Table) -> None:
        """The same of final states."""
        self._delivery.entities(name, self.tables.observed(name, table))
        self._delivery.hidden(self.tables.latent({name: table}, "entities"))


def settings_of(plan: Plan) -> RunSettings:
    """What manifests say of a run's settings."""
    s = plan.settings
    starts: RunSettings = {"starts_per_step": s.starts_per_step} if s.starts_per_step else {}
    rates = {flow.name: str(flow.arrives) for flow in plan.flows if flow.arrives is not None}
    if rates:
        starts["rates"] = rates
    if s.defects is not None:
        starts["defects"] = repr(s.defects)
    if s.labels is not None:
        starts["labels"] = repr(s.labels)
    beginning: RunSettings = {"duration_us": s.duration, "time_step_us": s.step, "n_flows": s.n_flows}
    rest: RunSettings = {
        "on_end": s.on_end,
        "emit_initial_entities": s.emit_initial,
        "initial_entities": dict(s.initial),
        "history": s.history,
    }
    if s.decisions:
        rest["decisions"] = True
    retiring = {name: e.spec.retirement for name, e in plan.entities.items() if e.spec.retirement is not None}
    if retiring:
        rest["retirement"] = retiring
    return {**beginning, **starts, **rest}  # in the order in which manifests have them


def peak_memory() -> int:
    """The most resident memory that this process has had, in bytes; 0 where that is not known."""
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    import sys

    return peak if sys.platform == "darwin" else peak * 1024
