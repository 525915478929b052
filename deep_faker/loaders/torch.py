"""Batches for PyTorch: a dataset of ready-made batches, split over workers, that can be taken up again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.errors import Diagnostic, SettingsError
from deep_faker.loaders import missing
from deep_faker.run.batches import Batches

try:
    import torch
    from torch.utils.data import IterableDataset, get_worker_info
except ImportError as error:
    raise missing("torch", "torch", error) from None

if TYPE_CHECKING:
    import polars as pl


class TorchBatches(IterableDataset):  # type: ignore[misc]  # torch may not be there when types are checked
    """Batches of one event type as dicts of tensors, for ``DataLoader(dataset, batch_size=None)``.

    Worker *k* of *n* has the batches *k*, *k + n* …, so that a loader gives each row once, in the order of
    the batches. `state_dict` says how far it is, and `load_state_dict` lets the next way through begin there.
    In one process that is all; with workers it is for loaders that ask them, as `StatefulDataLoader`. For
    others ``TorchBatches(batches.skip(n))`` goes on after the *n* batches that were taken. Let workers be
    spawned (``multiprocessing_context="spawn"``): Arrow and Polars have threads, forked processes may hang.

    Numbers and truth values are tensors of their type, instants int64 µs and dates int32 days since 1970;
    numbers with missing values are float64 with NaN. All other columns are lists of Python values.
    """

    def __init__(self, batches: Batches[pl.DataFrame]) -> None:
        super().__init__()
        self._batches = batches
        self._schema = batches.arrow_schema  # refuses several types
        self._done, self._from = 0, 0
        self._place = (0, 1)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        worker = get_worker_info()
        place = (0, 1) if worker is None else (worker.id, worker.num_workers)
        if self._from and self._place != place:
            label = f"its state is that of worker {self._place[0]} of {self._place[1]}"
            mend = f"take as many workers, or TorchBatches(batches.skip({self._from * self._place[1]}))"
            raise SettingsError(Diagnostic("other workers than before", None, label, mend))
        self._place, self._done, self._from = place, self._from, 0
        for table in self._batches.shard(*place).skip(self._done).tables():
            self._done += 1
            yield tensors(table)
        self._done = 0

    def state_dict(self) -> dict[str, Any]:
        """How many batches this worker has given of its own."""
        return {"batches": self._done, "worker": list(self._place)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next way through begin after those; later ones begin at the beginning."""
        self._from, self._done = state["batches"], state["batches"]
        self._place = (state["worker"][0], state["worker"][1])


def tensors(table: pa.Table) -> dict[str, Any]:
    """The columns as `TorchBatches` gives them."""
    return {name: _tensor(column.combine_chunks()) for name, column in zip(table.column_names, table.columns)}


def _tensor(column: pa.Array) -> Any:
    kind = column.type
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if number and column.null_count:
        column = pc.fill_null(column.cast(pa.float64()), float("nan"))
    elif not column.null_count and pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("us")).cast(pa.int64())
    elif not column.null_count and pa.types.is_date32(kind):
        column = column.cast(pa.int32())
    elif column.null_count or not (number or pa.types.is_boolean(kind)):
        return column.to_pylist()
    return torch.from_numpy(column.to_numpy(zero_copy_only=False).copy())  # so that it can be written to
