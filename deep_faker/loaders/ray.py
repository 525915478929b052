"""Batches for Ray Data: a source that draws the columns that a pipeline needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pyarrow as pa

from deep_faker.loaders import Frames, Shards, missing

try:
    import ray.data
    from ray.data import Datasource, ReadTask
    from ray.data.block import BlockMetadata
except ImportError as error:
    raise missing("ray", "ray", error) from None


class BatchSource(Datasource):  # type: ignore[misc]  # ray may not be there when types are checked
    """Batches of one event type as blocks; ``shards`` tasks read them, and None is as many as Ray asks for.

    Each task simulates the whole world and draws the columns of its own batches: those that `select_columns`
    leaves, if it comes first. Of a list of parts, ``[sim.batches(Order, partitions=8, part=p) for p in
    range(8)]``, a task reads one, or several where there are fewer ``shards``, and simulates these alone.
    """

    def __init__(self, batches: Frames | Sequence[Frames], *, shards: int | None = None) -> None:
        super().__init__()
        self._batches, self._shards = Shards(batches), shards
        self._projection_map: dict[str, str] | None = None  # where Ray keeps what it pushes down

    def supports_projection_pushdown(self) -> bool:
        """Yes."""
        return True

    def estimate_inmemory_data_size(self) -> int | None:
        """Nobody knows before."""
        return None

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: object = None
    ) -> list[Any]:
        """A task for each shard."""
        del data_context
        columns = self._get_data_columns()
        # blocks without columns have no rows to count
        asked = self._batches
        if columns is not None:
            asked = asked.select(columns or asked.schema.names[:1])
        of = self._shards or asked.count or max(1, parallelism)
        unknown = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
        return [
            ReadTask(
                partial(_tables, asked.of_worker(k, of)),
                unknown,
                schema=asked.schema,
                per_task_row_limit=per_task_row_limit,
            )
            for k in range(of)
        ]


def _tables(shard: list[Frames]) -> Iterator[pa.Table]:
    for part in shard:
        yield from part.tables()


def ray_dataset(batches: Frames | Sequence[Frames], *, shards: int | None = None) -> Any:
    """The rows of one event type as a `ray.data.Dataset`; see `BatchSource`."""
    blocks = shards or Shards(batches).count
    return ray.data.read_datasource(BatchSource(batches, shards=shards), override_num_blocks=blocks)
