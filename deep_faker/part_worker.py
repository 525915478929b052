"""The process of one worker: it loads the program that it is told, then makes parts by their numbers."""

from __future__ import annotations

import importlib
import os
import pickle
import signal
import sys
import warnings
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

from deep_faker.batching import loading
from deep_faker.errors import Diagnostic, RunError
from deep_faker.loader import load_simulation
from deep_faker.run.parted.job import PartsJob
from deep_faker.run.parted.wire import receive, send
from deep_faker.run.parted.workers import Made, Shipment, made_by, require_same
from deep_faker.simulation import Simulation


def main() -> None:
    """Serve the driver at the other end of standard input and output, until that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the driver's to hear
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a program prints is no answer
    warnings.simplefilter("ignore")  # the driver has heard them
    questions = sys.stdin.buffer
    with suppress(EOFError, BrokenPipeError):
        shipment = receive(questions)
        assert isinstance(shipment, Shipment)
        try:
            job = job_of(shipment)
            program = dict(job.program)
        except Exception as error:  # noqa: BLE001 - whatever it is, the driver says it
            send(answers, _sendable(error))
            return
        send(answers, program)
        while True:
            part = receive(questions)
            assert isinstance(part, int)
            try:
                answer: object = made_by(job, part, told=lambda word: send(answers, word))
            except Exception as error:  # noqa: BLE001
                answer = _sendable(error)
            send(answers, answer)


def job_of(shipment: Shipment) -> PartsJob:
    """The job, with the program loaded as the shipment says."""
    sim = _simulation(shipment)
    sim.change(**shipment.settings)
    rest = shipment.job
    plan = sim.plan_at(rest["start"], history=rest["history"])
    return PartsJob(plan, rest["seed"], rest["engine"], rest["partitions"], rest["output"])


@lru_cache(maxsize=4)
def _known(data: bytes) -> PartsJob:
    """The job of a pickled shipment, loaded once for all parts that a process makes of it."""
    shipment = pickle.loads(data)  # noqa: S301 - of the driver, whose code runs here anyway
    assert isinstance(shipment, Shipment)
    return job_of(shipment)


def make_part(data: bytes, program: Mapping[str, str], part: int) -> Made:
    """Make one part of the pickled shipment, for whatever runs functions on other machines.

    Raises `RunError` where the program that is loaded here is not the driver's.
    """
    warnings.simplefilter("ignore")  # the driver is told
    job = _known(data)
    require_same(program, job.program)
    return made_by(job, part)


def _simulation(shipment: Shipment) -> Simulation:
    if shipment.file is not None:
        file = Path(shipment.file)
        if not file.is_file() or file.read_bytes() != shipment.text:  # of a machine that does not have it
            file = Path(mkdtemp(prefix="deep_faker-program-"), file.name)
            file.write_bytes(shipment.text)
        return load_simulation(f"{file}:{shipment.name}")
    with loading():
        module = importlib.import_module(shipment.module)
    sim = getattr(module, shipment.name, None)
    if not isinstance(sim, Simulation):
        label = f"{shipment.module} has no Simulation named {shipment.name!r} in a worker"
        raise RunError(Diagnostic("a program that no worker can load", None, label))
    return sim


def _sendable(error: Exception) -> Exception:
    """The error, or one of its words where it could not be sent."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    except Exception:  # noqa: BLE001
        return RunError(Diagnostic(f"{type(error).__name__} in a worker", None, str(error)))
    return error


if __name__ == "__main__":
    main()
