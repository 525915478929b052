"""Batches for Ray Data: a source that draws the columns that a pipeline needs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from deep_faker.loaders import missing
from deep_faker.run.batches import Batches

try:
    import ray.data
    from ray.data import Datasource, ReadTask
    from ray.data.block import BlockMetadata
except ImportError as error:
    raise missing("ray", "ray", error) from None

if TYPE_CHECKING:
    import polars as pl


class BatchSource(Datasource):  # type: ignore[misc]  # ray may not be there when types are checked
    """Batches of one event type as blocks; ``shards`` tasks read them, and None is as many as Ray asks for.

    Each task simulates the whole world and draws the columns of its own batches: those that `select_columns`
    leaves, if it comes first.
    """

    def __init__(self, batches: Batches[pl.DataFrame], *, shards: int | None = None) -> None:
        super().__init__()
        self._batches, self._shards = batches, shards
        self._schema = batches.arrow_schema  # refuses several types
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
        asked = self._batches if columns is None else self._batches.select(columns or self._schema.names[:1])
        of = self._shards or max(1, parallelism)
        unknown = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
        return [
            ReadTask(
                partial(_tables, asked.shard(k, of)),
                unknown,
                schema=asked.arrow_schema,
                per_task_row_limit=per_task_row_limit,
            )
            for k in range(of)
        ]


def _tables(batches: Batches[pl.DataFrame]) -> Any:
    return batches.tables()


def ray_dataset(batches: Batches[pl.DataFrame], *, shards: int | None = None) -> Any:
    """The rows of one event type as a `ray.data.Dataset`; see `BatchSource`."""
    return ray.data.read_datasource(BatchSource(batches, shards=shards), override_num_blocks=shards)
