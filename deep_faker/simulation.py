"""The facade: registers flows and outputs, compiles, runs."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from deep_faker.batching import LOADING, Batched
from deep_faker.calibrating import Calibrated
from deep_faker.comparing import Compared
from deep_faker.declare.checks import MOST_FLOWS, check_progress, counts, flag, one_of, whole
from deep_faker.declare.defects import Defects, check_defects, checked_defects
from deep_faker.declare.labels import Labels, check_labels, checked_labels
from deep_faker.declare.params import Scalar, declared_params, set_params
from deep_faker.declare.schema import Entity, checked_locale
from deep_faker.declaring import Declared
from deep_faker.delivering import Delivered, wanted_of
from deep_faker.errors import Diagnostic, SettingsError, near, wrong_setting
from deep_faker.parts import checked_parts, require_alone, require_fixed, run_in_parts
from deep_faker.plan import Plan
from deep_faker.plan.settings import Settings
from deep_faker.run.report import RunReport
from deep_faker.run.utc import in_utc
from deep_faker.simulate.choice import ENGINES, explained
from deep_faker.spans import Span, caller_span, declared_span, narrow_keyword
from deep_faker.times import Grid, format_duration, parse_duration, parse_instant

if TYPE_CHECKING:
    from deep_faker.compile import FlowDeclaration
    from deep_faker.dataset import Dataset
    from deep_faker.show.explanation import Explanation

F = TypeVar("F", bound=Callable[..., Any])

_CEILING = 10  # flows active at once, where nothing is said of them
SETTINGS = ("duration", "start_time", "time_step", "n_flows", "random_seed", "initial_entities", "on_end",
            "emit_initial_entities", "locale", "starts_per_step", "defects", "labels", "params")  # fmt: skip
"""The arguments of `Simulation`, which are its attributes too."""

_MEANT = {"seed": "random_seed", "start": "start_time", "step": "time_step", "end": "duration"}


class Simulation(Batched, Delivered, Declared, Calibrated, Compared):
    """A world of entities in which flows run and emit events.

    ``duration`` bounds when flows start and ``time_step`` is the resolution at which flows see each
    other: ``"90s"``, ``"1h30m"``, ``"P1DT2H"``, a number of seconds or a ``timedelta``.
    ``start_time`` is ``"now"``, an ISO 8601 text or a ``datetime`` (naive means UTC). ``n_flows`` is
    the most flows active at once, 10 where nothing is said; ``starts_per_step`` starts so many flows in
    each step instead, however many are active (``n_flows`` beside it stays a ceiling). Flows that have a
    ``rate`` start of themselves; where all have one, there is no ceiling unless ``n_flows`` gives it.
    ``initial_entities`` maps entity classes (or their names) to counts.
    ``on_end="cut"`` stops every flow at the end; ``"finish"`` lets those that started run on.
    ``locale`` is that of all fields that name none: ``"ja_JP"``, or several with their weights,
    ``{"en_US": 3, "de_DE": 1}``, of which each event has one.
    ``defects``, of `deep_faker.defects`, go wrong with events on their way to the outputs; ``labels`` are
    what is found out of anomalies. ``params`` names what flows read as ``ctx.params.name``, with the values
    that it has where a run gives no other.

    Raises `SettingsError` for a value that cannot be read, naming it and the accepted forms.

    >>> from deep_faker import BaseEvent, Field, NewEvent, Simulation
    >>> class Ping(BaseEvent):
    ...     size: int = Field(faker="random_int", min=1, max=9)
    >>> sim = Simulation(duration="1m", start_time="2024-01-01", n_flows=2, random_seed=1)
    >>> @sim.flow()
    ... def ping(ctx):
    ...     yield NewEvent(ctx, Ping)
    >>> sim.collect()["Ping"].height
    120
    """

    duration: int
    start_time: Any
    time_step: int
    starts_per_step: int | None
    random_seed: int | None
    initial_entities: dict[type[Entity] | str, int]
    on_end: Literal["finish", "cut"]
    emit_initial_entities: bool
    locale: str | Mapping[str, float] | None
    defects: Defects | None
    labels: Labels | None
    params: dict[str, Scalar]
    outputs: list[Any]
    _flows: list[FlowDeclaration]
    _span: Span | None
    _ceiling: int | None

    def __init__(
        self,
        duration: Any = "1h",
        start_time: Any = "now",
        time_step: Any = "1s",
        n_flows: int | None = None,
        random_seed: int | None = None,
        initial_entities: Mapping[type[Entity] | str, int] | None = None,
        on_end: Literal["finish", "cut"] = "finish",
        emit_initial_entities: bool = True,
        locale: str | Mapping[str, float] | None = None,
        *,
        starts_per_step: int | None = None,
        defects: Defects | None = None,
        labels: Labels | None = None,
        params: Mapping[str, Scalar] | None = None,
    ) -> None:
        put = self.__dict__  # by its own name only, an attribute is refused: see `__setattr__`
        put["outputs"], put["_flows"], put["_span"] = [], [], declared_span()
        put["duration"] = parse_duration(duration, "duration")
        put["start_time"] = start_time
        put["time_step"] = parse_duration(time_step, "time_step")
        for name, many in (("n_flows", n_flows), ("starts_per_step", starts_per_step)):
            put[_kept(name)] = None if many is None else whole(many, name, least=1, most=MOST_FLOWS)
        put["random_seed"] = None if random_seed is None else whole(random_seed, "random_seed", least=None)
        put["initial_entities"] = counts({} if initial_entities is None else initial_entities)
        put["on_end"] = one_of("on_end", on_end, ("finish", "cut"))
        put["emit_initial_entities"] = flag("emit_initial_entities", emit_initial_entities)
        put["locale"] = locale
        put["defects"], put["labels"] = checked_defects(defects), checked_labels(labels)
        put["params"] = declared_params(params)
        checked_locale(locale, caller_span())
        Grid(parse_instant(start_time), self.duration, self.time_step)
        if self.time_step > self.duration:
            most = format_duration(self.duration)
            mend = f"give at most the duration, {most}: flows start in each step of it"
            raise wrong_setting("time_step", time_step, mend)

    if not TYPE_CHECKING:  # for type checkers a class with this method takes any attribute

        def __setattr__(self, name: str, value: object) -> None:
            """Refuse it: a run must be what its settings said when they were checked."""
            if name in SETTINGS:
                label, mend = f"{name}={value!r} would not be checked", f"use sim.change({name}={value!r})"
            elif name == "outputs":
                label, mend = "outputs are added, one by one", "use sim.add_output(…), sim.outputs.clear()"
            else:
                known = (*SETTINGS, "outputs")
                label = f"a simulation has no attribute {name!r}"
                mend = near(name, known, "a simulation") + "; set them by sim.change(…)"
            raise SettingsError(Diagnostic("attributes are read only", caller_span(), label, mend))

    @property
    def n_flows(self) -> int | None:
        """The most flows active at once; None where ``starts_per_step`` or rates alone say how many start."""
        from deep_faker.compile import filled

        is_said = self._ceiling is not None or self.starts_per_step is not None or not filled(self._flows)
        return self._ceiling if is_said else _CEILING

    def __repr__(self) -> str:
        names = ", ".join(flow.name for flow in self._flows) or "none"
        return f"Simulation(n_flows={self.n_flows}, random_seed={self.random_seed}, flows: {names})"

    def _repr_html_(self) -> str:
        """What a notebook shows: settings, types, and pictures of the flows."""
        from deep_faker.show.simulation import simulation_page

        return simulation_page(self.settings(), self.compile)

    def add_output(self, output: Any, *, events: Sequence[type | str] | None = None) -> None:
        """Send the events of every run to ``output`` too; with ``events`` only those of these types.

        ``output`` is one of the package's outputs, or any object with ``send_event(event)`` or
        ``write_batch(event_type, frame)`` and an optional ``close()``. Several outputs are served one
        after the other: a slow one holds the others back, and one that fails ends the run.
        """
        from deep_faker.run.delivery import Filtered
        from deep_faker.write import as_output

        as_output(output)
        self.outputs.append(output if events is None else Filtered(output, events))

    # ------------------------------------------------ compiling

    def compile(self, *, history: bool = False) -> Plan:
        """The compiled plan of this simulation.

        Raises `DeclarationError` for what a flow, filter or entity says wrongly.
        """
        return self.plan_at(parse_instant(self.start_time), history=flag("history", history))

    @in_utc()
    def plan_at(
        self,
        start: int,
        *,
        history: bool,
        decisions: bool = False,
        params: Mapping[str, Scalar] | None = None,
    ) -> Plan:
        """As `compile`, of a run that begins at the instant ``start`` (µs since the epoch)."""
        from deep_faker.compile import compile_plan, flows_at, initial_specs, starts_per_step

        if not self._flows:
            raise SettingsError(
                Diagnostic(
                    "no flows", self._span, "the simulation has nothing to run", "add one with @sim.flow()"
                )
            )
        values = set_params(self.params, params)
        flows = flows_at(self._flows, values)
        initial = initial_specs(self.initial_entities, flows, self._span)
        settings = Settings(
            start=start,
            duration=self.duration,
            step=self.time_step,
            n_flows=self.n_flows,
            starts_per_step=starts_per_step(flows, self._ceiling, self.starts_per_step, self._span),
            on_end=self.on_end,
            emit_initial=self.emit_initial_entities,
            initial=tuple((spec.name, count) for spec, count in initial),
            history=history,
            locale=checked_locale(self.locale, caller_span()),
            decisions=decisions,
            defects=self.defects,
            labels=self.labels,
            params=tuple(values.items()),
        )
        plan = compile_plan(flows, settings, entities=[spec for spec, _ in initial])
        check_defects(self.defects, plan.events, arrives=plan.arrives)
        check_labels(self.labels, [flow.name for flow in plan.flows], plan.events)
        return plan

    @in_utc()
    def explain(self) -> Explanation:
        """What the flows compile to, and how every value is made, without running anything.

        A text; a notebook shows it with pictures of the flows, and its ``mermaid`` has their diagrams.
        """
        from deep_faker.compile.explain.text import explain
        from deep_faker.draws.mix import Draws
        from deep_faker.fill.binding import Binding
        from deep_faker.show.explanation import Explanation

        plan, draws = self.compile(), Draws(self.random_seed or 0)
        engine, native = explained(plan, draws, binding := Binding(plan, draws))
        text = explain(plan, binding.methods(), engine=engine, native=native)
        return Explanation.of(text, plan)

    # ------------------------------------------------ running

    def run(
        self,
        output: str | Path | None = None,
        *,
        engine: str = "vectorized",
        partitions: int = 1,
        part: int | Literal["auto"] | None = None,
        workers: int | None = None,
        cluster: str | None = None,
        resume: bool = False,
        overwrite: bool = False,
        history: bool = False,
        decisions: bool = False,
        progress: bool | None = None,
        format: Literal["parquet", "jsonl", "csv", "arrow"] | None = None,  # noqa: A002 - the public name
        checkpoint_every: int | str | timedelta | None = None,
        checkpoint: str | Path | None = None,
        speed: float | str | None = None,
        rate: float | str | None = None,
        order: Literal["time", "part"] = "time",
        certificate: bool = False,
        params: Mapping[str, Scalar] | None = None,
    ) -> RunReport:
        """Run into the outputs that were added and, where ``output`` is given, there too.

        ``output`` is the folder of a data set, in the ``format`` (Parquet where none is named); one file of
        JSON lines (``"events.jsonl"``, ``"events.jsonl.gz"``); or ``"-"``, lines on standard output.
        ``history`` keeps every version of every entity, ``decisions`` every draw that decided something, in
        ``truth/`` (numpy does that, so the run is slower). ``progress`` None shows a bar where standard error
        is a terminal. Running again starts afresh and replaces what this object wrote; any other existing
        data set raises unless ``overwrite``.

        ``engine`` changes no event: ``"vectorized"`` is the best that is there, ``"native"`` the compiled
        kernel, ``"numpy"`` goes by column, ``"reference"`` runs the generators. The report says which ran.

        ``checkpoint_every`` (events, or a time such as ``"30s"``) keeps checkpoints in the folder
        ``checkpoint``, which is by default beside the output. A run that was killed, interrupted or
        failed goes on with ``resume=True`` and ends with the same bytes; where the program or a setting
        has changed, it is refused with what differs. With ``overwrite``, too, a run begins where there is
        none to go on with. The folder goes when the run is whole.

        ``speed`` lets events leave at the simulated time (1.0), or so many times faster; ``rate``
        (``"5000/s"``) at a fixed rate.

        ``partitions`` splits the world into so many independent parts, made by ``workers`` at a time, into
        the folder of one data set; ``resume=True`` makes those that are missing. ``part`` makes one of them
        alone, for ``deepfaker commit``: its number, or ``"auto"`` for that which a cluster gives its task.
        ``cluster`` has them made by Ray: ``"local"``, ``"auto"`` or ``"ray://HOST:10001"``. Other outputs are
        fed from that data set when it is whole, in ``order`` of time or part after part: see `deliver`.

        ``params`` gives parameters other values than the simulation declares: ``{"discount": 0.2}``.

        ``certificate`` puts ``verify.sql`` and ``verify.py`` beside the data: see `Dataset.certify`.

        Raises `DeclarationError` before the first event; `RunError` when the run stops: no file that
        reads as whole is left then.
        """
        from deep_faker.fill.decisions import require_told
        from deep_faker.run.certifying import certifying
        from deep_faker.run.checkpoints.saver import keeping_of, require_saveable
        from deep_faker.run.pacing import pace_of
        from deep_faker.run.runner import run_plan
        from deep_faker.write import destination

        if LOADING.get():
            return RunReport(0, 0, 0, {}, {}, 0, {}, "none", 0.0, 0, ran=False)
        one_of("engine", engine, ENGINES)
        asked = checked_parts(partitions, part, workers, cluster)
        flags = {"resume": resume, "overwrite": overwrite, "history": history, "certificate": certificate}
        for name, value in (flags | {"decisions": decisions}).items():
            flag(name, value)
        check_progress(progress)
        pace = pace_of(speed, rate)
        outputs = list(self.outputs)
        if output is not None:
            outputs.append(destination(output, format=format, overwrite=overwrite))
        if asked.in_parts:
            kept = {"checkpoint_every": checkpoint_every, "checkpoint": checkpoint}
            alone = {**kept, "speed": speed, "rate": rate, "decisions": decisions or None}
            require_alone(alone, delivered=len(outputs) > 1)
            delivery = wanted_of(order, checkpoint_every, checkpoint, overwrite=overwrite, progress=progress)
        if asked.part is not None:
            require_fixed(self)
        keeping = None
        if not asked.in_parts and (checkpoint_every is not None or checkpoint is not None or resume):
            keeping = keeping_of(outputs, checkpoint_every, checkpoint, resume=resume, overwrite=overwrite)
        start, seed = parse_instant(self.start_time), self.random_seed
        if keeping is not None and keeping.resume:
            # what the first part drew or took from the clock, where this simulation names nothing else
            start = keeping.folder.run["start"] if self.start_time == "now" else start
            seed = keeping.folder.run["seed"] if seed is None else seed
        plan = self.plan_at(start, history=history, decisions=decisions, params=params)
        if decisions:
            require_told(plan, engine)
        if keeping is not None:
            require_saveable(plan, engine)
        seed = self.drawn_seed() if seed is None else seed
        with certifying(outputs, plan, wanted=certificate, part=part), self.memory_said():
            if asked.in_parts:
                return run_in_parts(
                    self,
                    plan,
                    outputs,
                    seed=seed,
                    engine=engine,
                    asked=asked,
                    history=history,
                    resume=resume,
                    delivery=delivery,
                )
            return run_plan(
                plan,
                seed=seed,
                outputs=outputs,
                engine=engine,
                owner=self,
                overwrite=overwrite,
                progress=progress,
                keeping=keeping,
                pace=pace,
            )

    def collect(
        self,
        *,
        engine: str = "vectorized",
        history: bool = False,
        decisions: bool = False,
        progress: bool | None = None,
        params: Mapping[str, Scalar] | None = None,
    ) -> Dataset:
        """Run into memory: the `Dataset` of this simulation, without touching the added outputs.

        ``params`` gives parameters other values than the simulation declares.
        """
        from deep_faker.dataset import Dataset
        from deep_faker.fill.decisions import require_told
        from deep_faker.run.runner import run_plan
        from deep_faker.write import MemoryOutput

        memory = MemoryOutput()
        if not LOADING.get():
            one_of("engine", engine, ENGINES)
            flag("history", history)
            check_progress(progress)
            start = parse_instant(self.start_time)
            flag("decisions", decisions)
            plan = self.plan_at(start, history=history, decisions=decisions, params=params)
            if decisions:
                require_told(plan, engine)
            with self.memory_said():
                run_plan(
                    plan,
                    seed=self.drawn_seed(),
                    outputs=[memory],
                    engine=engine,
                    owner=self,
                    progress=progress,
                )
        return Dataset.from_memory(memory)

    def change(self, **settings: Any) -> None:
        """Set arguments of the constructor anew, such as ``duration="1h"`` or ``random_seed=7``.

        All are checked first, and nothing has changed where one is refused. Raises `SettingsError` as the
        constructor does.

        >>> sim = Simulation("1m", n_flows=5)
        >>> sim.change(n_flows=2, random_seed=7)
        >>> sim
        Simulation(n_flows=2, random_seed=7, flows: none)
        """
        for name, value in settings.items():
            if name not in SETTINGS:
                mend = near(_MEANT.get(name, name), SETTINGS, "a simulation")
                span = narrow_keyword(caller_span(), name)
                raise SettingsError(Diagnostic("no such setting", span, f"{name}={value!r}", mend))
        checked = Simulation(**{**self.settings(), **settings})
        self.__dict__.update({name: checked.__dict__[name] for name in map(_kept, SETTINGS)})

    def settings(self) -> dict[str, Any]:
        """The arguments with which the constructor makes such a simulation, without flows.

        >>> Simulation("1m", n_flows=5).settings()["duration"]
        datetime.timedelta(seconds=60)
        """
        now = {name: self.__dict__[_kept(name)] for name in SETTINGS}
        return now | {name: timedelta(microseconds=now[name]) for name in ("duration", "time_step")}

    def modules(self) -> list[str]:
        """The modules in which its flows are written."""
        return list(dict.fromkeys(flow.bound.function.__module__ for flow in self._flows))

    def memory_said(self) -> AbstractContextManager[None]:
        """Say what takes memory where there is too little."""
        from deep_faker.run.scarcity import memory_said

        return memory_said(self, sum(self.initial_entities.values()), self._span)

    def drawn_seed(self) -> int:
        """The seed, or where none was given, a new one."""
        return secrets.randbits(63) if self.random_seed is None else self.random_seed


def _kept(name: str) -> str:
    """The attribute that keeps a setting as it was given."""
    return "_ceiling" if name == "n_flows" else name
