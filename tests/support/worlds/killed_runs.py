"""Runs of the visits in processes that end themselves by SIGKILL: at a call, however busy the machine is."""

from __future__ import annotations

import itertools
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from deep_faker.outputs import DeltaOutput, FileOutput, ParquetOutput
from deep_faker.write.files import object_store as objectstore
from tests.support.worlds.resume_world import processes
from tests.support.worlds.visits import simulation

Methods = Iterable[tuple[type, str]]
OF_DELTA: Methods = [(DeltaOutput, "write"), (DeltaOutput, "checkpoint")]
OF_STORES: Methods = [
    *((output, name) for output in (ParquetOutput, FileOutput) for name in ("write", "checkpoint")),
    (objectstore.ObjectPlace, "_put"),
]


def count(methods: Methods, told: Callable[[int], None]) -> None:
    """Tell the number of each call of any of the methods, in this process, before it is done."""
    numbers = itertools.count(1)

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def method(*args: Any, **named: Any) -> Any:
            told(next(numbers))
            return real(*args, **named)

        return method

    for owner, name in methods:
        setattr(owner, name, counted(getattr(owner, name)))


def _die(after: float) -> None:
    time.sleep(after)
    os.kill(os.getpid(), signal.SIGKILL)


def _armed(methods: Methods, last: int, after: float, counts: Any) -> None:
    def told(number: int) -> None:
        counts.value = number
        if number == last:
            threading.Thread(target=_die, args=(after,), daemon=True).start()

    count(methods, told)


def delta_part(folder: str, resume: bool, last: int, after: float, counts: Any) -> None:
    """One process's part of a run into Delta tables, which dies ``after`` seconds from its ``last`` call."""
    _armed(OF_DELTA, last, after, counts)
    sim = simulation()
    sim.add_output(DeltaOutput(folder))
    sim.run(checkpoint_every=500, checkpoint=folder + ".checkpoint", resume=resume, progress=False)


def store_part(
    url: str, options: dict[str, Any], folder: str, resume: bool, last: int, after: float, counts: Any
) -> None:
    """The same into an object store: a data set and a file."""
    _armed(OF_STORES, last, after, counts)
    sim = simulation()
    sim.add_output(ParquetOutput(url + "/set", storage_options=options, rows_per_file=2000))
    sim.add_output(FileOutput(url + "/events.jsonl.gz", storage_options=options))
    sim.run(checkpoint_every=2000, checkpoint=folder, resume=resume, progress=False)


class Parts:
    """Starts the parts of runs one after the other; each dies at a drawn call, or at none.

    `hits` counts those that died.
    """

    def __init__(self, seed: int, longest: float = 0.05) -> None:
        self.context, self.rng = processes(), random.Random(seed)
        self.longest, self.calls, self.hits = longest, 0, 0

    def whole(self, part: Callable[..., None], *arguments: Any) -> None:
        """A part that nobody kills; how many calls it makes is where the others may die."""
        counts = self.context.Value("q", 0)
        self._run(part, *arguments, False, 0, 0.0, counts)
        self.calls = counts.value
        assert self.calls > 5

    def one(self, part: Callable[..., None], *arguments: Any, resume: bool) -> bool:
        """Another part, of which a kill is drawn; whether it came to its end before."""
        last, after = self.rng.randint(1, self.calls), self.rng.uniform(0, self.longest)
        died = self._run(part, *arguments, resume, last, after, self.context.Value("q", 0))
        self.hits += died
        return not died

    def _run(self, part: Callable[..., None], *arguments: Any) -> bool:
        process = self.context.Process(target=part, args=arguments)
        process.start()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
        return process.exitcode != 0


def began(folder: Path) -> bool:
    """Whether a run has left a checkpoint there to go on from."""
    return (folder / "run.json").exists()
