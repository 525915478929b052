"""Workers: they take the numbers of parts, and say how it went. Data never pass through them.

A thread shares the program with its driver. A process loads it again, as its `Shipment` says, and shows by
its fingerprint that it is the same; one that dies is replaced, and its part is made again, once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any, Protocol, TypeAlias

from deep_faker.errors import Diagnostic, RunError
from deep_faker.run.checkpoints.fingerprint import differences
from deep_faker.run.giving_back import give_back
from deep_faker.run.parted.job import PartsJob
from deep_faker.run.parted.wire import receive, send

_HEARING = 0.2  # seconds between looks for an interrupt
_PROGRAM = "import sys; sys.path[:] = {path!r}; from deep_faker.part_worker import main; main()"


@dataclass(frozen=True)
class Made:
    """A part that is whole: its events, the engine that ran, its worker's peak memory (bytes), warnings."""

    part: int
    events: int
    engine: str
    peak_memory: int
    warnings: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True)
class UnderWay:
    """A part that is being made: the share of it that is done, and its events so far."""

    part: int
    share: float
    events: int


Told: TypeAlias = Callable[[UnderWay], None]


def made_by(job: PartsJob, part: int, stop: Event | None = None, told: Told | None = None) -> Made:
    """Make a part, and say how it went; ``stop``, once set, ends it; ``told`` hears how far it is."""
    warnings: list[Diagnostic] = []

    def tell(share: float, events: int) -> None:
        if told is not None:
            told(UnderWay(part, share, events))

    report = job.make(part, heard=warnings.append, stop=stop, tell=None if told is None else tell)
    # An engine and its columns refer to each other, and a run looks for such garbage rarely: without this 24
    # parts, made one after the other, took 892 MiB; with it 371, after the ninth as after the last.
    give_back()
    return Made(part, report.total, report.engine, report.peak_memory, tuple(warnings))


@dataclass(frozen=True)
class Shipment:
    """How another process comes by the program: a file or module, a name in it, settings made since.

    ``text`` is what the file holds, for machines that do not have it. ``job`` is all the rest: seed, start
    (µs), engine, partitions, history, the output.
    """

    file: str | None
    text: bytes = field(repr=False)
    module: str
    name: str
    settings: Mapping[str, Any]
    job: Mapping[str, Any] = field(repr=False)  # storage options may be in it


def require_same(program: Mapping[str, str], theirs: Mapping[str, str]) -> None:
    """Raise `RunError` where a worker that loaded the program again has another one."""
    lines = differences(program, theirs)
    if lines:
        label = "a worker that loaded the program again has another one:\n" + "\n".join(lines[:10])
        mend = "make the simulation at the top level of its file, the same each time, with the same versions"
        raise RunError(Diagnostic("the program differs in a worker", None, label, mend))


class Worker(Protocol):
    """Makes one part after the other; ``told`` hears how far each is."""

    told: Told | None

    def make(self, part: int) -> Made: ...

    def close(self) -> None: ...


class ThreadWorker:
    """Makes parts in this process."""

    def __init__(self, job: PartsJob) -> None:
        self._job, self._stop = job, Event()
        self.told: Told | None = None

    def make(self, part: int) -> Made:
        return made_by(self._job, part, self._stop, self.told)

    def close(self) -> None:
        """Stop the part that is under way."""
        self._stop.set()


class ProcessWorker:
    """Makes parts in a process of its own. Raises `RunError` where that has another program."""

    def __init__(self, shipment: Shipment, program: Mapping[str, str]) -> None:
        self._shipment, self._program = shipment, program
        self._process: subprocess.Popen[bytes] | None = None
        self.told: Told | None = None

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {"OPENBLAS_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system", **os.environ}
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", _PROGRAM.format(path=sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        self._process = process
        assert process.stdin is not None
        send(process.stdin, self._shipment)
        theirs = self._answer(process)
        assert isinstance(theirs, Mapping)
        require_same(self._program, theirs)
        return process

    def _answer(self, process: subprocess.Popen[bytes]) -> object:
        """The worker's next word; raises what it raised, and `EOFError` where it has died."""
        assert process.stdout is not None
        while isinstance(answer := receive(process.stdout), UnderWay):
            if self.told is not None:
                self.told(answer)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def make(self, part: int) -> Made:
        ends = []
        for _ in range(2):
            try:
                process = self._process or self._start()
                assert process.stdin is not None
                send(process.stdin, part)
                made = self._answer(process)
            except (EOFError, BrokenPipeError):
                ends.append(self._ended())
                continue
            assert isinstance(made, Made)
            return made
        label = f"its worker {ends[0]}, and the next one {ends[1]}"
        mend = "run again with resume=True (--resume); fewer workers take less memory"
        raise RunError(Diagnostic(f"part {part} could not be made", None, label, mend))

    def _ended(self) -> str:
        """How the process ended, in words; there is none then."""
        process, self._process = self._process, None
        assert process is not None
        _closed(process)
        code = process.wait()
        if code >= 0:
            return f"ended with exit code {code}"
        name = signal.Signals(-code).name if -code in signal.valid_signals() else str(-code)
        return f"was killed by {name}"

    def close(self) -> None:
        """End the process, whatever it does."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            _closed(process)
            process.wait()

    @property
    def pid(self) -> int | None:
        """The process's number; None before the first part."""
        return None if self._process is None else self._process.pid


def _closed(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


class Makers(Protocol):
    """Whoever makes the parts of a run."""

    def make_all(self, parts: Sequence[int], done: Callable[[Made], None], told: Told | None = None) -> None:
        """Make these parts; ``done`` is told of each, ``told`` of some how far they are.

        Raises `RunError`; then no further part is begun.
        """

    def close(self) -> None:
        """End what is under way."""


class Here:
    """Workers of this machine, each of which makes the next part as soon as it is free."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self.workers = workers

    def make_all(self, parts: Sequence[int], done: Callable[[Made], None], told: Told | None = None) -> None:
        """See `Makers`. Parts that are under way when one fails are stopped."""
        for worker in self.workers:
            worker.told = told
        if len(self.workers) == 1:
            for part in parts:
                done(self.workers[0].make(part))
            return
        waiting, lock = deque(parts), Lock()

        def work(worker: Worker) -> None:
            while True:
                with lock:
                    if not waiting:
                        return
                    part = waiting.popleft()
                made = worker.make(part)
                with lock:
                    done(made)

        with ThreadPoolExecutor(len(self.workers), thread_name_prefix="deep_faker-part") as pool:
            tasks: set[Future[None]] = {pool.submit(work, worker) for worker in self.workers}
            try:
                while tasks:  # in turns, so that an interrupt is heard
                    ready, tasks = wait(tasks, timeout=_HEARING, return_when=FIRST_COMPLETED)
                    for task in ready:
                        task.result()
            except BaseException:
                with lock:
                    waiting.clear()
                self.close()
                raise

    def close(self) -> None:
        """End the workers, whatever they do."""
        for worker in self.workers:
            worker.close()
