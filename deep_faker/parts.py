"""Runs in parts, seen from the front: checks of the arguments, and how a worker comes by the program.

Where the parts are made, and what becomes of them, is `run/parted`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from deep_faker.declare.checks import whole
from deep_faker.errors import Diagnostic, SettingsError, wrong_setting
from deep_faker.plan.parts import MOST_PARTS, WorldPart
from deep_faker.spans import caller_span

if TYPE_CHECKING:
    from deep_faker.plan import Plan
    from deep_faker.run.parted.job import PartsJob
    from deep_faker.run.parted.workers import Makers, Shipment, Worker
    from deep_faker.run.replay.deliver import Wanted
    from deep_faker.run.report import RunReport

# where a cluster says which of its tasks this is: Kubernetes, Slurm, Cloud Run
TASK_NUMBERS = ("JOB_COMPLETION_INDEX", "SLURM_ARRAY_TASK_ID", "CLOUD_RUN_TASK_INDEX")
_MOST_WORKERS = 1024
_AGAIN = "a part that was not whole is made again"


class Facade(Protocol):
    """What is asked of a `Simulation` here."""

    random_seed: int | None
    start_time: Any

    def settings(self) -> dict[str, Any]:
        """The arguments that make it again."""
        ...

    def modules(self) -> list[str]:
        """The modules in which its flows are written."""
        ...


class Asked(NamedTuple):
    """What a run was asked for: so many parts, or one of them alone, made by whom."""

    partitions: int = 1
    part: int | None = None
    workers: int = 1
    cluster: str | None = None

    @property
    def in_parts(self) -> bool:
        """Whether the run is one of parts."""
        return self.partitions > 1 or self.part is not None


def checked_parts(partitions: object, part: object, workers: object, cluster: object) -> Asked:
    """What a run is asked for by these arguments. Raises `SettingsError` for what makes no sense."""
    of = whole(partitions, "partitions", least=1, most=MOST_PARTS)
    count = 1 if workers is None else whole(workers, "workers", least=1, most=_MOST_WORKERS)
    for name, value, given in (("workers", workers, count > 1), ("cluster", cluster, cluster is not None)):
        if given and (of == 1 or part is not None):
            raise wrong_setting(name, value, "one part is made here, by one worker: leave it out")
    if cluster is not None:
        if not isinstance(cluster, str) or not (cluster in ("local", "auto") or cluster.startswith("ray://")):
            mend = 'use "local" (Ray on this machine), "auto" (that which runs here) or "ray://HOST:10001"'
            raise wrong_setting("cluster", cluster, mend)
        if workers is not None:
            raise wrong_setting("workers", workers, "the cluster says how many there are: leave it out")
    if part is None:
        return Asked(of, None, count, cluster)
    number = part_from_environment() if part == "auto" else whole(part, "part", least=0)
    if number >= of:
        mend = f"give one of 0 to {of - 1:,}: there are partitions={of:,}"
        raise wrong_setting("part", number, mend)
    return Asked(of, number)


def part_from_environment() -> int:
    """The number of this task, as its cluster says. Raises `SettingsError` where none does."""
    for name in TASK_NUMBERS:
        text = os.environ.get(name)
        if text is not None:
            if not text.isdecimal():
                raise SettingsError(
                    Diagnostic("wrong part", None, f"{name}={text!r}", "give --part a number, from 0 on")
                )
            return int(text)
    mend = f"give a number, or set one of {', '.join(TASK_NUMBERS)}"
    raise SettingsError(Diagnostic("which part", None, 'part="auto", and no cluster says which', mend))


def one_part(sim: Facade, partitions: object, part: object) -> WorldPart:
    """The part whose events are asked for. Raises `SettingsError` where it is not said which of several."""
    asked = checked_parts(partitions, part, None, None)
    if asked.part is None and asked.partitions > 1:
        mend = f"say which of them: part=0 to {asked.partitions - 1:,}"
        raise wrong_setting("partitions", partitions, mend)
    if asked.part is not None:
        require_fixed(sim)
    return WorldPart(asked.part or 0, asked.partitions)


def require_alone(settings: Mapping[str, object], *, delivered: bool) -> None:
    """Raise `SettingsError` for what a run in parts cannot have; ``settings`` has what was given.

    ``delivered``: there are outputs that are fed from its data set, and so have checkpoints.
    """
    kept = {} if delivered else dict.fromkeys(("checkpoint_every", "checkpoint"), _AGAIN)
    reasons = {
        **kept,
        "speed": "parts are made each for itself, not in order of time",
        "rate": "parts are made each for itself, not in order of time",
        "decisions": "they are kept of a run in one piece",
    }
    for name, why in reasons.items():
        if settings.get(name) is not None:
            raise wrong_setting(name, settings[name], f"leave it out with partitions: {why}")


def require_fixed(sim: Facade, why: str = "all parts") -> None:
    """Raise `SettingsError` where two makers of parts, or of futures, would make them of different worlds."""
    if sim.random_seed is None:
        raise wrong_setting("random_seed", None, f"give one (--seed): {why} are of one seed")
    if sim.start_time == "now":
        raise wrong_setting("start_time", "now", f"give an instant (--start-time): {why} have the same")


def folder_and_sinks(outputs: Sequence[object]) -> tuple[object, list[object]]:
    """The data set that the parts of a run make, and the outputs that it is delivered to.

    Raises `SettingsError` where there is no data set, or there are two.
    """
    from deep_faker.write.parted.output import takes_parts

    folders = [output for output in outputs if takes_parts(getattr(output, "output", output))]
    if len(folders) == 1:
        return folders[0], [output for output in outputs if output is not folders[0]]
    label = f"there are {len(folders)} of {len(outputs)}: {', '.join(map(repr, outputs)) or 'none'}"
    mend = 'give the folder of a data set in "parquet", "csv" or "arrow": other outputs are fed from it'
    raise SettingsError(Diagnostic("one data set for all parts", caller_span(), label, mend))


def require_no_sinks(sinks: Sequence[object], part: int) -> None:
    """Raise `SettingsError` where one part alone is to be delivered."""
    if sinks:
        label = f"part={part} with {', '.join(map(repr, sinks))}"
        mend = "leave these out; when all parts are committed, deepfaker deliver DIR FILE"
        raise SettingsError(Diagnostic("a part alone is not delivered", caller_span(), label, mend))


def workers_of(sim: Facade, job: PartsJob, count: int, *, history: bool) -> list[Worker]:
    """The workers of a run. Raises `SettingsError` where no other process could have the program.

    Several are threads where all flows run in the compiled kernel, which lets go of the interpreter's lock: a
    process more costs three to four seconds of processor time before its first event. Where Python has to
    work for each event they are processes, if one can load the program again.
    """
    from deep_faker.run.parted.workers import ProcessWorker, ThreadWorker

    count = min(count, job.partitions)
    if count == 1 or not _python_works(job):
        return [ThreadWorker(job) for _ in range(count)]
    shipment = shipment_of(sim, job, history=history)
    if shipment is not None:
        return [ProcessWorker(shipment, job.program) for _ in range(count)]
    if any(flow.live for flow in job.plan.flows):  # they take the clocks of the whole process for theirs
        raise _unknown(f"workers={count}: no module has the simulation, whose flows run as generators")
    return [ThreadWorker(job) for _ in range(count)]


def makers_of(sim: Facade, job: PartsJob, asked: Asked, *, history: bool) -> Makers:
    """Who makes the parts. Raises `SettingsError` where they cannot have the program."""
    from deep_faker.run.parted.workers import Here

    if asked.cluster is None:
        return Here(workers_of(sim, job, asked.workers, history=history))
    from deep_faker.run.parted.ray_cluster import RayCluster

    shipment = shipment_of(sim, job, history=history)
    if shipment is None:
        raise _unknown(f"cluster={asked.cluster!r}: no module has the simulation under a name")
    return RayCluster(asked.cluster, shipment, job.program)


def _unknown(label: str) -> SettingsError:
    mend = "make it at the top level of a file or module, so that another process can load it"
    return SettingsError(Diagnostic("a program that no worker can load", caller_span(), label, mend))


def _python_works(job: PartsJob) -> bool:
    """Whether events take Python code each: flows as generators, validators, an engine without kernel."""
    from deep_faker.simulate.choice import is_native

    plan = job.plan
    if job.engine not in ("vectorized", "native") or any(flow.live for flow in plan.flows):
        return True
    return not is_native(plan) or any(event.row_validated is not None for event in plan.events.values())


def shipment_of(sim: Facade, job: PartsJob, *, history: bool) -> Shipment | None:
    """How another process comes by ``sim``; None where no module has it under a name."""
    from deep_faker.run.parted.workers import Shipment

    found = _named(sim)
    if found is None:
        return None
    module, name = found
    spec = getattr(module, "__spec__", None)
    file = getattr(module, "__file__", None) if spec is None else None
    if spec is None and (file is None or not os.path.isfile(file)):  # noqa: PTH113 - a text from the module
        return None
    settings = sim.settings()
    settings["params"] = dict(job.plan.settings.params)
    initial: Mapping[Any, int] = settings["initial_entities"]
    settings["initial_entities"] = {getattr(key, "__name__", key): count for key, count in initial.items()}
    return Shipment(
        None if file is None else os.path.abspath(file),  # noqa: PTH100
        b"" if file is None else Path(file).read_bytes(),
        module.__name__ if spec is None else spec.name,
        name,
        settings,
        {
            "seed": job.seed,
            "start": job.plan.settings.start,
            "engine": job.engine,
            "partitions": job.partitions,
            "history": history,
            "output": job.output,
        },
    )


def _named(sim: Facade) -> tuple[Any, str] | None:
    """The module that has ``sim`` under a name, and that name: first where its flows stand."""
    modules = [sys.modules.get(name) for name in dict.fromkeys([*sim.modules(), "__main__", *sys.modules])]
    for module in modules:
        for name, value in [*getattr(module, "__dict__", {}).items()]:
            if value is sim:
                return module, name
    return None


def run_in_parts(
    sim: Facade,
    plan: Plan,
    outputs: Sequence[object],
    *,
    seed: int,
    engine: str,
    asked: Asked,
    history: bool,
    resume: bool,
    delivery: Wanted,
) -> RunReport:
    """Make one part, or all and one data set, which is delivered to other outputs: see `Simulation.run`."""
    from deep_faker.run.parted.driver import make_alone, run_parts
    from deep_faker.run.parted.job import PartsJob
    from deep_faker.run.replay.deliver import check_deliverable, deliver, folder_of
    from deep_faker.run.replay.log import log_at

    folder, sinks = folder_and_sinks(outputs)
    job = PartsJob(plan, seed, engine, asked.partitions, folder, sim)
    overwrite, progress = delivery.overwrite, delivery.progress
    if asked.part is not None:
        require_no_sinks(sinks, asked.part)
        if overwrite:
            mend = "leave it out: a part is made only where it is not there"
            raise wrong_setting("overwrite", overwrite, mend)
        return make_alone(job, asked.part, progress=progress)
    wanted = replace(delivery, folder=folder_of(job.folder.path, delivery.folder), anew=not resume)
    if sinks:
        check_deliverable(job.folder, plan, sinks, wanted)
    makers = makers_of(sim, job, asked, history=history)
    report = run_parts(job, makers, resume=resume, overwrite=overwrite, progress=progress)
    if not sinks:
        return report
    remote = job.folder.remote
    log = log_at(job.folder.path, None if remote is None else remote.options)
    return report.with_delivery(deliver(log, plan, sinks, wanted, owner=sim))
