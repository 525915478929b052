"""Deliveries of a committed data set of parts: its events into outputs, each exactly once.

The data set is the log, and the place of an event a function of it and of the order. An output has a delivery
of its own, with a folder of checkpoints that stays when it is whole: to deliver again goes on where it was,
or does nothing. The number of the delivery is a function of the data set and the output, so that outputs
which keep their progress beside the data find it without that folder too, on another machine.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Literal

from deep_faker.draws.mix import Draws
from deep_faker.errors import DatasetError, Diagnostic, SettingsError
from deep_faker.fill.binding import Binding
from deep_faker.fill.events import Columns
from deep_faker.plan import Plan
from deep_faker.run.checkpoints.fingerprint import differences, fingerprint
from deep_faker.run.checkpoints.folder import CheckpointFolder
from deep_faker.run.checkpoints.saver import AGAIN, Keeping, Saved, Saver
from deep_faker.run.delivery import Delivery, Filtered
from deep_faker.run.pacing import Pace, Pacer, TraceSizes, last_instant
from deep_faker.run.progress import Progress
from deep_faker.run.pumping import Giving, let_go_of, pump, rare_collections, stopped_by_signals
from deep_faker.run.replay.log import Log, check_layout
from deep_faker.run.replay.replayed import Replay, Replayed, read_schema
from deep_faker.run.report import RunReport
from deep_faker.run.runner import peak_memory
from deep_faker.run.utc import in_utc
from deep_faker.write import FileReceipt, RunInfo, is_resumable, takes_sessions, versions
from deep_faker.write.files.folder import ParquetOutput
from deep_faker.write.whole.staging import guarded_place

# what a data set may differ in from the program that delivers it: its rows are there already
_OF_MAKING = ("version of ", "layout of ", "event types")


@dataclass(frozen=True)
class Wanted:
    """How a log is delivered.

    ``order``: ``"time"`` over all parts, or ``"part"`` after part. Checkpoints are kept below ``folder``,
    every so many ``events`` or ``seconds``. ``anew`` begins from the first event, whatever was delivered
    before; with ``overwrite`` outputs replace what lies there. ``again`` says what to do to go on.
    """

    order: Literal["time", "part"] = "time"
    folder: Path | None = None
    events: int | None = None
    seconds: float | None = None
    anew: bool = False
    overwrite: bool = False
    progress: bool | None = None
    pace: Pace | None = None
    again: str = AGAIN

    def beside(self, folder: Path | None) -> Wanted:
        """The same with its checkpoints in that folder."""
        return replace(self, folder=folder)


def folder_of(path: Path | str, given: Path | None) -> Path | None:
    """Where the deliveries of the data set at ``path`` keep checkpoints; None where nobody says.

    >>> folder_of(Path("shop"), None), folder_of("s3://bucket/shop", None)
    (PosixPath('shop.delivery'), None)
    """
    if given is not None:
        return given
    return path.with_name(path.name + ".delivery") if isinstance(path, Path) else None


def check_sinks(outputs: Sequence[object]) -> None:
    """Raise `SettingsError` for what a log is not delivered to: an output that is a data set itself."""
    for output in outputs:
        target = output.output if isinstance(output, Filtered) else output
        if takes_sessions(target):
            mend = "read the data set of the parts (Dataset.open), or copy it"
            label = f"{target!r} takes all tables of a run, and the data set of the parts has them"
            raise SettingsError(Diagnostic("a second data set of parts", None, label, mend))


def check_deliverable(folder: ParquetOutput, plan: Plan, sinks: Sequence[object], wanted: Wanted) -> None:
    """Raise `SettingsError` where what will lie in ``folder`` cannot be delivered to ``sinks``."""
    _check_clean(plan)
    check_layout(folder.format, folder.layout.keys, folder.place)
    check_sinks(sinks)
    for sink in sinks:
        if wanted.folder is None and is_resumable(Delivery([sink]).routes[0].output):
            raise _nowhere(folder.place)


def _check_clean(plan: Plan) -> None:
    """Refuse to deliver events in order of time where outputs are to have them as they arrive."""
    if plan.arrives or plan.settings.defects is not None:
        label = "it is delivered in order of time, and outputs are to have what arrives, as it arrives"
        mend = "run it without partitions, or read the dirty tables of the data set"
        raise SettingsError(Diagnostic("a data set of parts with arrivals or defects", None, label, mend))


def _nowhere(shown: str) -> SettingsError:
    mend = 'name a folder: checkpoint="DIR" (--checkpoint DIR)'
    label = f"{shown} is no local folder that they could lie beside"
    return SettingsError(Diagnostic("nowhere to keep checkpoints", None, label, mend))


@in_utc()
def deliver(log: Log, plan: Plan, outputs: Sequence[object], wanted: Wanted, *, owner: object) -> RunReport:
    """Deliver ``log``, made by the program of ``plan``, to each of ``outputs``, one after the other.

    Raises `OutputError` where one fails; those before it are whole. `RunInterrupted` where it was stopped.
    """
    began = time.perf_counter()
    check_sinks(outputs)
    _check_clean(plan)
    _require_program(log, plan)
    receipts: list[FileReceipt] = []
    where: list[str] = []
    given: dict[str, int] = {}
    lag = None
    for output in outputs:
        one = _Delivery(log, plan, output, wanted, owner)
        one.run()
        receipts += one.receipts
        where += one.delivery.where
        given = {name: max(given.get(name, 0), count) for name, count in one.events.items()}
        lag = one.lag if one.lag is not None else lag
    settings = plan.settings
    return RunReport(
        seed=int(log.manifest["seed"]),
        start_micros=settings.start,
        end_micros=settings.end,
        events=dict(sorted(given.items())),
        flows={},
        skipped=0,
        entities={},
        engine="none: a data set is delivered",
        seconds=time.perf_counter() - began,
        peak_memory=peak_memory(),
        files=tuple(receipt.as_dict() for receipt in receipts),
        where=tuple(where),
        lag=lag,
    )


def _require_program(log: Log, plan: Plan) -> None:
    """Raise `DatasetError` where the data set is another program's."""
    ours = fingerprint(plan, seed=int(log.manifest["seed"]), versions=versions())
    before, now = (
        {name: text for name, text in program.items() if not name.startswith(_OF_MAKING)}
        for program in (log.receipt.program, ours)
    )
    lines = differences(before, now)
    if lines:
        what = "it holds parts of another program:\n" + "\n".join(lines[:10])
        mend = "deliver it by the program that made it"
        raise DatasetError(Diagnostic(f"{log.shown} is of another program", None, what, mend))


class _Delivery(Giving[Replayed]):
    """One output's way through the log."""

    def __init__(self, log: Log, plan: Plan, output: object, wanted: Wanted, owner: object) -> None:
        super().__init__(Event())
        self.events: Counter[str] = Counter()
        self.flows: dict[str, Counter[str]] = {}
        self.saved: dict[str, Saved] = {}  # all that a delivery goes on with is its place in the log
        self.receipts: list[FileReceipt] = []
        self.delivery = Delivery([output])
        self._log, self._plan, self._wanted, self._owner = log, plan, wanted, owner
        self._pacer: Pacer | None = None
        pace = wanted.pace
        if pace is not None:
            self._pacer = Pacer(self._stop, speed=pace.speed, rate=pace.rate)
        shown = self.delivery.shown[0]
        # the same output, whatever was asked of the order: it is not given all twice
        self._name = hashlib.sha256(shown.encode()).hexdigest()[:12]
        text = f"{log.digest}\n{shown}\n{wanted.order}"
        self._number = hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def lag(self) -> float | None:
        """By how many seconds the events left too late, at most; None where they had no pace."""
        return None if self._pacer is None else self._pacer.worst

    def run(self) -> None:
        """Deliver all that the output does not have."""
        keeping = self._keeping()
        if keeping is not None and keeping.resume and keeping.folder.concluded is not None:
            keeping.folder.release()
            return
        with ExitStack() as until_the_end:
            self._run(keeping, until_the_end)

    def _keeping(self) -> Keeping | None:
        """Its checkpoints; None where the output cannot be resumed."""
        wanted = self._wanted
        if not is_resumable(self.delivery.routes[0].output):
            return None
        if wanted.folder is None:
            raise _nowhere(self._log.shown)
        folder = CheckpointFolder(wanted.folder / self._name)
        resume = not wanted.anew and folder.exists()
        again = wanted.overwrite or (wanted.anew and folder.exists())
        if folder.exists():
            folder.take_up()  # where another process delivers at this moment, it says so
            if not resume or (folder.concluded is not None and not self._is_ours(folder)):
                folder.remove()  # what is delivered anew, or was a data set that lay here before
                resume = False
        return Keeping(
            folder,
            wanted.events,
            wanted.seconds,
            resume,
            run_id=None if again else self._number,
            asks=not wanted.anew,
            again=wanted.again,
        )

    def _is_ours(self, folder: CheckpointFolder) -> bool:
        return bool(folder.run["parts"].get("data set") == self._log.digest)

    def _run(self, keeping: Keeping | None, until_the_end: ExitStack) -> None:
        log, settings = self._log, self._plan.settings
        seed = int(log.manifest["seed"])
        binding = Binding(self._plan, Draws(seed, 0, log.partitions))
        rows = log.events()
        schemas = {
            name: read_schema(schema) for name, schema in Columns(binding).schemas.items() if name in rows
        }
        replay = Replay(
            log,
            schemas,
            order=self._wanted.order,
            folder=_spill_folder(self._wanted.folder, self._name, until_the_end),
            span=(settings.start, settings.end),
        )
        info = RunInfo(
            seed=seed,
            start_micros=settings.start,
            end_micros=settings.end,
            partitions=log.partitions,
            events=self._plan.events,
            entities={name: entity.spec for name, entity in self._plan.entities.items()},
            schemas=schemas,
            overwrite=self._wanted.overwrite,
            owner=self._owner,
            run_id=self._number,
            filtered=bool(log.manifest.get("filtered", False)),
            stamped=True,
            stopping=self._stop.is_set,
        )
        delivery, told, pace = self.delivery, Event(), self._wanted.pace
        saver = None if keeping is None else Saver(keeping, replay, self, delivery)
        with let_go_of(delivery, saver, stop=self._stop, told=told):
            if saver is None:
                delivery.open([info])
            else:
                saver.begin(info, {"data set": log.digest, "order of the delivery": self._wanted.order})
            bar = Progress(settings.start, settings.end, wanted=self._wanted.progress)
            bar.goes_on_from(self.events.total())
            with rare_collections(), stopped_by_signals(self._stop, told, wanted=True):
                with bar:
                    pump(replay, self, bar, saver, TraceSizes(pace, most=self._wanted.events))
                if self._stop.is_set():
                    raise saver.stop() if saver is not None else KeyboardInterrupt
            for name in self._plan.entities:
                for table in replay.entities(name):
                    delivery.entities(name, table)
            self.receipts = delivery.finish()
        if saver is not None:
            saver.folder.conclude(self.events.total())

    def write(self, made: Replayed, bar: Progress) -> None:
        """Deliver a piece, at its pace; nothing more once the delivery has been told to stop."""
        if self._stop.is_set():
            return
        chunk = replace(made.chunk, first=self.events.total())
        if self._pacer is None:
            self.delivery.events(chunk)
            bar.update(made.until, len(chunk))
        else:
            for piece in self._pacer.pieces(chunk):
                self.delivery.events(piece)
                bar.update(last_instant(piece), len(piece), lag=self._pacer.lag)
            if self._stop.is_set():
                return
        self.events.update({name: table.num_rows for name, table in chunk.tables.items()})


def _spill_folder(kept: Path | None, name: str, until_the_end: ExitStack) -> Callable[[], Path]:
    """What makes a folder for the files of a merge, beside the checkpoints, when it is asked for first."""
    made: list[Path] = []

    def folder() -> Path:
        if not made:
            if kept is None:
                made.append(Path(tempfile.mkdtemp(prefix="deep_faker-merge-")))
            else:
                path = kept / f".merge-{name}"
                with guarded_place(path, "nothing was delivered"):
                    shutil.rmtree(path, ignore_errors=True)  # of a delivery that was killed
                    path.mkdir(parents=True)
                made.append(path)
            until_the_end.callback(shutil.rmtree, made[0], ignore_errors=True)
        return made[0]

    return folder
