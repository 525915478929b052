"""A run's events in batches of so many rows, made as they are asked for.

Batch *k* is a pure function of the program, its seed and *k*: whoever takes some of them only, or begins in
the middle, gets the same rows. What comes between is simulated, since the world must go on, but nothing of it
is drawn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from deep_faker.fill.events import Columns
from deep_faker.fill.time_order import Arranged
from deep_faker.plan import Plan
from deep_faker.plan.parts import WHOLE, WorldPart
from deep_faker.run.pulling import Pull
from deep_faker.write import EventChunk
from deep_faker.write.files.parts import joined

_LEAST = 1 << 16
"""Events that a trace may have at least: smaller ones cost more an event, whatever the rows of a batch."""


@dataclass(frozen=True)
class Asked:
    """What is asked of a run: of each event type the columns of its schema, in batches of ``rows`` rows.

    ``schemas``: event type → plain Arrow schema. Of several types the rows of all together count. Only the
    batches numbered ``first``, ``first + step``, ``first + 2 * step`` … are made; with ``nothing`` none is,
    and nothing is run.
    """

    plan: Plan
    seed: int
    engine: str
    schemas: Mapping[str, pa.Schema]
    rows: int
    part: WorldPart = WHOLE
    first: int = 0
    step: int = 1
    nothing: bool = False

    def wants(self, batch: int) -> bool:
        """Whether a batch is one of those."""
        return batch >= self.first and (batch - self.first) % self.step == 0


def chunks(asked: Asked) -> Generator[EventChunk]:
    """The batches as chunks of exactly ``rows`` events, the last one of what is left; columns are plain."""
    if asked.nothing:
        return
    with Pull(
        asked.plan, seed=asked.seed, engine=asked.engine, part=asked.part, most=max(asked.rows, _LEAST)
    ) as pull:
        columns = pull.columns
        columns.narrow({name: schema.names for name, schema in asked.schemas.items()})
        before: Counter[str] = Counter()
        pieces: list[EventChunk] = []
        batch, left = 0, asked.rows  # the rows that the batch still lacks
        earlier = 0  # events of all types
        for trace in pull:
            events = columns.arranged(trace, before, earlier)
            earlier += columns.counted(trace)
            before.update({name: len(part.flow) for name, part in events.parts.items()})
            for rows, piece in _pieces(events, columns, asked, batch, left):
                if piece is not None:
                    pieces.append(piece)
                left -= rows
                if left:
                    break
                if pieces:
                    pull.rest()
                    yield _one(pieces, asked)
                    pieces = []
                batch, left = batch + 1, asked.rows
        if pieces:
            yield _one(pieces, asked)
        pull.warn_of_emptiness()


def _pieces(
    events: Arranged, columns: Columns, asked: Asked, batch: int, left: int
) -> Iterator[tuple[int, EventChunk | None]]:
    """The events of a trace, cut where batches end: so many rows, and their columns if the batch is wanted.

    The first piece is of ``batch``, which lacks ``left`` rows. Batches side by side are filled together: a
    hundred rows cost nearly as much as ten thousand.
    """
    if not len(events):
        return
    ends = [*range(left, len(events), asked.rows), len(events)]
    skipped = min(max(0, asked.first - batch), len(ends))
    start = 0
    for end in ends[:skipped] if asked.step == 1 else ends:
        wanted = asked.wants(batch)
        yield end - start, columns.filled(events.cut(start, end)) if wanted else None
        start, batch = end, batch + 1
    if start < len(events):
        filled = columns.filled(events.cut(start, len(events)))
        for piece in filled.cuts([end - start for end in ends[skipped:-1]]):
            yield len(piece), piece


def _one(pieces: list[EventChunk], asked: Asked) -> EventChunk:
    """The pieces as one chunk, each column in one piece."""
    tables = {}
    for name, schema in asked.schemas.items():
        some = [piece.tables[name] for piece in pieces if name in piece.tables]
        tables[name] = joined(some, schema) if some else schema.empty_table()
    return EventChunk(tables, np.concatenate([piece.order for piece in pieces]), pieces[0].names)
