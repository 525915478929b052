"""A shop that is killed and resumed, in processes that start fast."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deep_faker import (
    AddDecay,
    BaseEvent,
    Entity,
    Exponential,
    Field,
    FileOutput,
    NewEvent,
    Select,
    SetState,
    Simulation,
    StateField,
)


class ResumeJoined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)
    name: str = Field(faker="name")


class ResumeBought(BaseEvent):
    user_id: str = ""
    price: float = Field(faker="pyfloat", min_value=1, max_value=99)
    text: str = Field(faker="sentence")


class ResumeUser(Entity):
    source_event = ResumeJoined
    primary_key = "user_id"
    bought: int = StateField(default=0)
    tags: list[str] = StateField(default=[])


def shop(*, n_flows: int = 200, duration: str = "2h", seed: int | None = 4) -> Simulation:
    sim = Simulation(
        duration=duration,
        start_time="2024-01-01",
        time_step="10s",
        n_flows=n_flows,
        random_seed=seed,
        initial_entities={ResumeUser: 50},
    )

    @sim.flow(initiation_weight=1)
    def join(ctx):
        yield NewEvent(ctx, ResumeJoined, save_entity=ResumeUser)

    @sim.flow(initiation_weight=20, filter=Select(None, ResumeUser))
    def buy(ctx):
        while True:
            yield NewEvent(
                ctx,
                ResumeBought,
                mutate=SetState(ResumeUser, [("bought", "add", 1), ("tags", "is", ["x"])]),
            )
            yield AddDecay(ctx, rate=0.3, seconds=Exponential(60))

    return sim


def tree(folder: Path) -> dict[str, str]:
    """Every file below ``folder`` with the hash of its bytes."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def run_shop(folder: str, form: str, every: Any, *, resume: bool, n_flows: int = 200) -> None:
    """One process's part: the shop into ``folder/out`` and ``folder/events.jsonl``."""
    sim = shop(n_flows=n_flows)
    sim.add_output(FileOutput(Path(folder) / "events.jsonl"))
    sim.run(
        Path(folder) / "out",
        format=form,
        history=True,
        checkpoint_every=every,
        checkpoint=Path(folder) / "checkpoint",
        resume=resume,
        progress=False,
    )


def processes() -> Any:
    """Where processes are forked from one that has imported everything and run nothing."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.support.worlds.loaded"])
    return context


def killed(
    rng: random.Random,
    start: Callable[[bool], Any],
    longest: float,
    resumable: Callable[[], bool],
    kills: int,
    began: Callable[[int], bool] | None = None,
) -> int:
    """Start processes, each killed after a random time, the last one not; how many were hit.

    With ``began`` (of a process's number) the time counts from when it has begun to write.
    """
    hits = 0
    for number in range(kills + 1):
        resumed = resumable()
        process = start(resumed)
        process.start()
        while began is not None and process.is_alive() and not began(process.pid):
            process.join(0.005)
        process.join(rng.uniform(0, longest) if number < kills else None)
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            hits += 1
            if resumed and not resumable():  # it was whole already, and about to end
                return hits
        else:
            assert process.exitcode == 0
            return hits
    return hits
