"""Deliveries of the shop of parts, in processes that kill themselves at a given moment."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from deep_faker.outputs import FileOutput
from tests.support.worlds.part_world import part_shop

EVERY = 150
DURATION = "30m"


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The events in a file of JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def faults(given: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """What is wrong with the ids that an output was given: each must be there once, in order."""
    given, wanted = list(given), list(wanted)
    found = [f"lost: {name}" for name in {*wanted} - {*given}]
    found += [f"twice: {name}" for name in {*given} if given.count(name) > 1]
    found += [f"foreign: {name}" for name in {*given} - {*wanted}]
    return found or ([] if given == wanted else ["not in order"])


def to_lines(folder: str, order: Any = "time") -> None:
    """Deliver ``folder/data`` to ``folder/events.jsonl.gz``."""
    sim = part_shop(duration=DURATION)
    sim.add_output(FileOutput(Path(folder) / "events.jsonl.gz"))
    sim.deliver(Path(folder) / "data", order=order, checkpoint_every=EVERY, progress=False)


def dying(number: int, deliver: Callable[..., None], *arguments: Any) -> None:
    """As ``deliver``, but SIGKILL ends the process at its ``number``-th call to make something durable."""
    left, durable = [number], os.fsync

    def fsync(descriptor: int) -> None:
        left[0] -= 1
        if left[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        durable(descriptor)

    os.fsync = fsync
    deliver(*arguments)


def to_kafka(address: str, data: str, checkpoint: str, at: int = 0, *, after: bool = False) -> None:
    """Deliver ``data`` to Kafka; SIGKILL at the commit number ``at``, just before it or just after."""
    from deep_faker import KafkaOutput

    class Killed(KafkaOutput):
        commits = 0

        def write(self, chunk: Any) -> None:
            for piece in chunk.slices(EVERY):
                super().write(piece)

        def _commit(self) -> None:
            self.commits += 1
            if self.commits == at and not after:
                self._client.flush(5)
                os.kill(os.getpid(), signal.SIGKILL)
            super()._commit()
            if self.commits == at:
                os.kill(os.getpid(), signal.SIGKILL)

    topics = {"PartJoined": "joined", "PartBought": "bought"}
    sim = part_shop(duration=DURATION)
    sim.add_output(Killed(topics, address, exactly_once=True, create_topics=True))
    sim.deliver(data, checkpoint=checkpoint, checkpoint_every=2 * EVERY, progress=False)


def to_postgres(port: int, database: str, data: str, checkpoint: str, at: int = 0) -> None:
    """Deliver ``data`` to PostgreSQL, entities too; SIGKILL at the commit number ``at``."""
    from deep_faker import PostgresOutput
    from tests.support.servers.sql_servers import PASSWORD, USER

    class Killed(PostgresOutput):
        commits = 0

        def write(self, chunk: Any) -> None:
            for piece in chunk.slices(EVERY):
                super().write(piece)
                self.commits += 1
                if self.commits == at:
                    os.kill(os.getpid(), signal.SIGKILL)

    there = {"host": "127.0.0.1", "port": port, "user": USER, "password": PASSWORD, "database": database}
    tables = {"PartJoined": "joined", "PartBought": "bought"}
    sim = part_shop(duration=DURATION)
    sim.add_output(Killed(**there, table_mapping=tables, entities={"PartUser": "users"}))
    sim.deliver(data, checkpoint=checkpoint, checkpoint_every=2 * EVERY, progress=False)
