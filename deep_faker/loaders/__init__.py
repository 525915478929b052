"""Batches for training loops: `torch`, `huggingface` and `ray`, a module each, imported with its package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import pyarrow as pa

from deep_faker.errors import Diagnostic, SettingsError
from deep_faker.run.batches import Batches

if TYPE_CHECKING:
    import polars as pl

Frames: TypeAlias = "Batches[pl.DataFrame]"
"""Batches of one event type."""


class Shards:
    """What a loader reads: the batches of one world, or of each part of one (R8), split over workers.

    Workers that share one world simulate all of it each, and draw their own batches. Of parts each worker
    simulates its own alone.

    >>> from deep_faker import BaseEvent, Field, NewEvent, Simulation
    >>> class Ping(BaseEvent):
    ...     size: int = Field(faker="random_int", min=1, max=9)
    >>> sim = Simulation(duration="1m", start_time="2024-01-01", n_flows=4, random_seed=1)
    >>> @sim.flow()
    ... def ping(ctx):
    ...     yield NewEvent(ctx, Ping)
    >>> parts = Shards([sim.batches(Ping, 100, partitions=2, part=p) for p in range(2)])
    >>> [frame.height for shard in parts.of_worker(1, 2) for frame in shard]
    [100, 20]
    """

    def __init__(self, batches: Frames | Sequence[Frames]) -> None:
        self._whole = batches if isinstance(batches, Batches) else None
        self._parts: list[Frames] = [] if isinstance(batches, Batches) else list(batches)
        if self._whole is None and not all(isinstance(each, Batches) for each in self._parts):
            raise _no_parts(f"{type(batches).__name__} of {type(self._parts[0]).__name__}")
        if self._whole is None and not self._parts:
            raise _no_parts("an empty list")
        schemas = [each.arrow_schema for each in self._parts or [self._one]]  # refuses several types
        self.schema: pa.Schema = schemas[0]
        """The columns, the same of all parts."""
        if any(schema != self.schema for schema in schemas):
            raise _no_parts("batches of different columns")

    @property
    def _one(self) -> Frames:
        assert self._whole is not None
        return self._whole

    @property
    def count(self) -> int | None:
        """The number of parts; None where any number of workers can share one world."""
        return len(self._parts) if self._whole is None else None

    def of_worker(self, index: int, of: int) -> list[Frames]:
        """What worker ``index`` of ``of`` reads, one after the other; all together have each row once."""
        return [self._one.shard(index, of)] if self._whole is not None else self._parts[index::of]

    def select(self, columns: list[str]) -> Shards:
        """The same rows with these columns."""
        if self._whole is not None:
            return Shards(self._whole.select(columns))
        return Shards([part.select(columns) for part in self._parts])


def _no_parts(label: str) -> SettingsError:
    mend = "give sim.batches(Order), or [sim.batches(Order, partitions=8, part=p) for p in range(8)]"
    return SettingsError(Diagnostic("no batches of parts", None, label, mend))


def missing(package: str, extra: str, error: ImportError) -> ImportError:
    """The error for a package that is not installed.

    >>> print(missing("ray", "ray", ImportError("No module named 'ray'")))
    error: this loader needs ray
      No module named 'ray'
      help: pip install "deep-faker[ray]"
    """
    mend = f'pip install "deep-faker[{extra}]"'
    return ImportError(str(Diagnostic(f"this loader needs {package}", None, str(error), mend)))
