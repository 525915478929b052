"""Checkpoints of a run (R4): when they are due, what is in them, and how a run is taken up again.

The engine's state is saved on its own thread between two traces; the outputs make their data durable
on the writing thread, when everything before that point has reached them. A run that is told to stop
does not wait for the next point: it notes how many rows each output has beyond the last one, and the
resumed run makes these again and gives them to nobody.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeAlias, TypedDict

from deep_faker.declare.schema.classes import value_classes
from deep_faker.errors import DeepFakerError, Diagnostic, RunInterrupted, SettingsError
from deep_faker.plan import Array, Plan
from deep_faker.run.checkpoints.folder import CheckpointFolder
from deep_faker.run.delivery import Delivery
from deep_faker.run.pacing import parse_every
from deep_faker.write import RunInfo, checkpoint_place, output_path

AGAIN = "running the same with resume=True (--resume)"

# The number of a checkpoint under way, and where the engine was saved for it.
Snapshot: TypeAlias = tuple[int, dict[str, str]]


@dataclass(frozen=True)
class Keeping:
    """How a run keeps checkpoints: every so many events, or seconds, in ``folder``.

    ``run_id`` is the run's number where it is not drawn. With ``asks``, outputs that keep their progress
    under it are asked for that also where the folder knows nothing. ``again``: what to do to go on.
    """

    folder: CheckpointFolder
    events: int | None = None
    seconds: float | None = None
    resume: bool = False
    run_id: str | None = None
    asks: bool = False
    again: str = AGAIN


def keeping_of(
    outputs: Sequence[object], every: object, folder: str | Path | None, *, resume: bool, overwrite: bool
) -> Keeping:
    """What is to be kept of a run, and whether there is something to go on with.

    ``every`` and ``folder`` as in `Simulation.run`; None is a minute, and the folder beside the output.
    """
    place = default_folder(outputs) if folder is None else output_path(folder, "checkpoint")
    events, seconds = parse_every("60s" if every is None else every)
    kept = CheckpointFolder(place)
    # both: what can be gone on with is; else the run begins, as the same command without resume did
    keeping = Keeping(kept, events, seconds, resume and (kept.exists() or not overwrite))
    if keeping.resume:
        kept.take_up()
    return keeping


class _Counters(TypedDict):
    events: dict[str, int]
    flows: dict[str, dict[str, int]]


class Saved(Protocol):
    """What is saved at a checkpoint, and loaded again."""

    def save(self) -> dict[str, Array]: ...
    def load(self, arrays: dict[str, Array]) -> None: ...


class Counted(Protocol):
    """What a run has counted so far; ``saved``: by name, what it has to go on with beside the engine."""

    events: Counter[str]
    flows: dict[str, Counter[str]]

    @property
    def saved(self) -> Mapping[str, Saved]: ...


class Saver:
    """Keeps the checkpoints of one run.

    The engine's thread calls `due` and `snapshot`; the writing thread `save`, and at the end `stop`.
    """

    def __init__(self, keeping: Keeping, engine: Saved, job: Counted, delivery: Delivery) -> None:
        self.folder, self._keeping = keeping.folder, keeping
        self._engine, self._job, self._delivery = engine, job, delivery
        self._rows = 0
        self._last = time.monotonic()
        self._number = 0
        self._classes: Mapping[str, type] = {}  # of values in state and locals
        self.begun = False  # then the folder is this run's
        # the point that a resumed run goes on from; at first the beginning
        self._states: dict[str, dict[str, str]] = {}
        self._counters: _Counters = {"events": {}, "flows": {}}
        self._places: list[dict[str, int]] = [{} for _ in delivery.routes]

    # ------------------------------------------------ beginning

    def begin(self, info: RunInfo, parts: Mapping[str, str]) -> None:
        """Open the outputs: anew, or where the last checkpoint left them."""
        folder, delivery = self.folder, self._delivery
        self._classes = value_classes([*info.events.values(), *info.entities.values()])
        if not self._keeping.resume:
            folder.begin(
                parts,
                seed=info.seed,
                start=info.start_micros,
                outputs=delivery.shown,
                overwrite=info.overwrite,
                run_id=self._keeping.run_id,
            )
            self.begun = True
            delivery.open(self._infos(info), asks=self._keeping.asks)
            return
        folder.compare(parts, delivery.shown)
        point = folder.last()
        states = {} if point is None else point["states"]
        arrays = {part: folder.read_state(entry, self._classes) for part, entry in states.items()}
        self.begun = True
        if point is None:
            delivery.resume(self._infos(info), [None] * len(delivery.routes))
            return
        entries = point["outputs"]
        delivery.resume(self._infos(info), entries)
        self._number, self._states, self._counters = point["number"], point["states"], point["counters"]
        self._places = [dict(entry["places"]) for entry in entries]
        if self._states:
            self._engine.load(arrays["engine"])
            for name, part in self._job.saved.items():
                part.load(arrays[name])
        self._job.events.update(self._counters["events"])
        for name, counts in self._counters["flows"].items():
            self._job.flows[name].update(counts)

    def _infos(self, info: RunInfo) -> list[RunInfo]:
        # what the run was allowed to replace, it may replace when it is resumed
        overwrite = info.overwrite or bool(self.folder.run.get("overwrite"))
        return [
            replace(info, run_id=self.folder.run_id, scratch=self.folder.scratch(number), overwrite=overwrite)
            for number in range(len(self._delivery.routes))
        ]

    # ------------------------------------------------ on the way

    def due(self, rows: int) -> bool:
        """Whether to make a checkpoint now that the engine has made so many events more."""
        self._rows += rows
        every, seconds = self._keeping.events, self._keeping.seconds
        if every is not None:
            return self._rows >= every
        return seconds is not None and time.monotonic() - self._last >= seconds

    def snapshot(self) -> Snapshot:
        """Save the engine, which stands between two traces; for `save`."""
        self._rows = 0
        self._number += 1
        entry = self.folder.write_state(self._number, "engine", self._engine.save(), self._classes)
        self._last = time.monotonic()
        return self._number, entry

    def save(self, snapshot: Snapshot) -> None:
        """Make the checkpoint: all that came before it has been delivered."""
        number, entry = snapshot
        states = {"engine": entry}
        for name, part in self._job.saved.items():
            states[name] = self.folder.write_state(number, name, part.save())
        counters: _Counters = {
            "events": dict(self._job.events),
            "flows": {name: dict(counts) for name, counts in self._job.flows.items()},
        }
        self._store(number, states, counters, self._delivery.places)

    def _store(
        self,
        number: int,
        states: dict[str, dict[str, str]],
        counters: _Counters,
        places: list[dict[str, int]],
    ) -> None:
        outputs = self._delivery.checkpoint(places)
        self.folder.store({"number": number, "states": states, "counters": counters, "outputs": outputs})
        self._states, self._counters, self._places = states, counters, places

    # ------------------------------------------------ the end

    def stop(self) -> RunInterrupted:
        """Make a last checkpoint of what the outputs have, let go of them, and say how to go on."""
        number = int(self._states["engine"]["file"].split("-")[1]) if self._states else 0
        self._store(number, self._states, self._counters, self._places)
        delivered = sum(route.given.get("", 0) for route in self._delivery.routes)
        self.leave()
        return RunInterrupted(
            f"interrupted after {delivered:,} events; a checkpoint is in {self.folder.path}\n"
            f"go on by {self._keeping.again}"
        )

    def broken_off(self, error: BaseException) -> RunInterrupted:
        """What to say where a run was told to stop and has not come to a last checkpoint."""
        why = "" if isinstance(error, KeyboardInterrupt) else f"\n{str(error).partition(chr(10))[0]}"
        none = self.folder.last() is None
        last = "no checkpoint had been made yet, so it begins again" if none else "the last checkpoint"
        return RunInterrupted(
            f"interrupted before a checkpoint of all that was written{why}\n"
            f"{last}: {self.folder.path}\n"
            f"go on by {self._keeping.again}"
        )

    def leave(self) -> None:
        """Let go of everything; what is durable stays."""
        self._delivery.suspend()
        self.folder.release()

    def finished(self) -> None:
        """The outputs are whole: the checkpoints go."""
        self.folder.remove()

    def dropped(self) -> None:
        """The run has failed by its own program and would fail again: the checkpoints go."""
        if self.begun:
            self.folder.remove()
        self.folder.release()

    def how_to_go_on(self, error: DeepFakerError) -> DeepFakerError:
        """``error`` with a word on the checkpoint."""
        note = Diagnostic(
            f"the run can go on from its checkpoints in {self.folder.path}",
            None,
            "outputs keep what they have; nothing in them reads as whole",
            f"mend the above, then go on by {self._keeping.again}",
            severity="note",
        )
        return type(error)(*error.diagnostics, note)


def require_saveable(plan: Plan, engine: str) -> None:
    """Raise `SettingsError` for a run that cannot be saved."""
    if engine == "reference":
        label = 'engine="reference" keeps no checkpoints'
        raise SettingsError(Diagnostic("no checkpoints here", None, label, 'use engine="vectorized"'))
    for flow in plan.flows:
        if flow.live is not None:
            raise SettingsError(
                Diagnostic(
                    f"flow {flow.name!r} cannot be saved",
                    flow.live_span or flow.span,
                    f"it runs as a generator: {flow.live}",
                    "run without checkpoints, or change the flow as explain() says",
                )
            )


def default_folder(outputs: Sequence[object]) -> Path:
    """Of the first output that has a path, see `checkpoint_place`. Raises `SettingsError` without one."""
    for output in outputs:
        path = getattr(getattr(output, "output", output), "path", None)
        if isinstance(path, Path):
            return checkpoint_place(path)
    raise SettingsError(
        Diagnostic(
            "nowhere to keep checkpoints",
            None,
            "no output has a local path that they could lie beside",
            'name a folder: checkpoint="DIR" (--checkpoint DIR)',
        )
    )
