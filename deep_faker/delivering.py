"""The half of the facade that delivers a data set of parts to outputs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from deep_faker.batching import LOADING
from deep_faker.declare.checks import check_progress, flag, one_of
from deep_faker.declare.params import Scalar
from deep_faker.errors import Diagnostic, SettingsError
from deep_faker.parts import Facade
from deep_faker.run.report import RunReport
from deep_faker.spans import caller_span
from deep_faker.times import parse_instant

if TYPE_CHECKING:
    from deep_faker.plan import Plan
    from deep_faker.run.replay.deliver import Wanted

ORDERS = ("time", "part")


class _Compiled(Facade, Protocol):
    outputs: list[Any]

    def plan_at(self, start: int, *, history: bool, params: Mapping[str, Scalar] | None = None) -> Plan: ...


def wanted_of(
    order: Literal["time", "part"],
    checkpoint_every: int | str | timedelta | None,
    checkpoint: str | Path | None,
    *,
    overwrite: bool,
    progress: bool | None,
    speed: float | str | None = None,
    rate: float | str | None = None,
    again: str | None = None,
) -> Wanted:
    """How a data set is to be delivered. Raises `SettingsError` for what cannot be read."""
    from deep_faker.run.checkpoints.saver import AGAIN
    from deep_faker.run.pacing import pace_of, parse_every
    from deep_faker.run.replay.deliver import Wanted
    from deep_faker.write import output_path

    one_of("order", order, ORDERS)
    events, seconds = parse_every("60s" if checkpoint_every is None else checkpoint_every)
    return Wanted(
        order=order,
        folder=None if checkpoint is None else output_path(checkpoint, "checkpoint"),
        events=events,
        seconds=seconds,
        anew=overwrite,
        overwrite=overwrite,
        progress=progress,
        pace=pace_of(speed, rate),
        again=again or AGAIN,
    )


class Delivered:
    """What `Simulation` can do with a data set that its parts made."""

    def deliver(
        self,
        path: str | os.PathLike[str],
        *,
        order: Literal["time", "part"] = "time",
        overwrite: bool = False,
        progress: bool | None = None,
        checkpoint_every: int | str | timedelta | None = None,
        checkpoint: str | Path | None = None,
        speed: float | str | None = None,
        rate: float | str | None = None,
        storage_options: Mapping[str, object] | None = None,
    ) -> RunReport:
        """Deliver the data set of parts at ``path``, which this program made, to the outputs that were added.

        Each output is given each event once: in ``order`` of time over all parts, merged with memory that
        does not grow with them, or part after part. Checkpoints lie in the folder ``checkpoint``, by default
        ``path.delivery``, one every minute or ``checkpoint_every``. To deliver again goes on after a kill,
        and does nothing where all was delivered; ``overwrite`` begins anew. Kafka (``exactly_once``),
        databases and Delta tables know by themselves how far a delivery is, on another machine too. An output
        without checkpoints (standard output, a user's object) is given all by each call. ``speed`` and
        ``rate`` as in `run`. An output that is the data set itself is left out.

        Raises `DatasetError` where there is no whole data set of parts, `OutputError` where an output fails.
        """
        from deep_faker.run.replay.deliver import deliver, folder_of
        from deep_faker.run.replay.log import log_at
        from deep_faker.write.files.object_store import is_url
        from deep_faker.write.paths import checked_path

        if LOADING.get():
            return RunReport(0, 0, 0, {}, {}, 0, {}, "none", 0.0, 0, ran=False)
        for name, value in {"overwrite": overwrite}.items():
            flag(name, value)
        check_progress(progress)
        wanted = wanted_of(
            order, checkpoint_every, checkpoint, overwrite=overwrite, progress=progress, speed=speed,
            rate=rate, again="delivering again: sim.deliver(…), deepfaker deliver DIR FILE",
        )  # fmt: skip
        place = str(path) if is_url(path) else checked_path(path)
        sim = cast("_Compiled", self)
        sinks = [each for each in sim.outputs if not _is_at(getattr(each, "output", each), place)]
        if not sinks:
            mend = "add one: sim.add_output(FileOutput('events.jsonl'))"
            raise SettingsError(Diagnostic("nowhere to deliver", caller_span(), f"{path} to no output", mend))
        log = log_at(place, storage_options)
        start = log.manifest["start_time"] if sim.start_time == "now" else sim.start_time
        said = log.manifest["settings"]
        plan = sim.plan_at(parse_instant(start), history=bool(said.get("history")), params=said.get("params"))
        if sim.random_seed is not None and sim.random_seed != log.manifest["seed"]:
            label = f"its seed is {log.manifest['seed']}, and this simulation's {sim.random_seed}"
            mend = "deliver it by the program that made it"
            raise SettingsError(Diagnostic(f"{path} is of another run", caller_span(), label, mend))
        return deliver(log, plan, sinks, wanted.beside(folder_of(place, wanted.folder)), owner=self)


def _is_at(output: object, place: Path | str) -> bool:
    """Whether an output is the data set at ``place``."""
    from deep_faker.write.parted.output import takes_parts

    path = getattr(output, "path", None)
    if not takes_parts(output) or path is None:
        return False
    return str(path) == str(place) or (isinstance(path, Path) and path.absolute() == Path(place).absolute())
