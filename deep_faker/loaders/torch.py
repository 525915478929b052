"""Batches for PyTorch: a dataset of ready-made batches, split over workers, that can be taken up again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.errors import Diagnostic, SettingsError
from deep_faker.loaders import Frames, Shards, missing

try:
    import torch
    from torch.utils.data import IterableDataset, get_worker_info
except ImportError as error:
    raise missing("torch", "torch", error) from None


class TorchBatches(IterableDataset):  # type: ignore[misc]  # torch may not be there when types are checked
    """Batches of one event type as dicts of tensors, for ``DataLoader(dataset, batch_size=None)``.

    Worker *k* of *n* has the batches *k*, *k + n* …, so that a loader gives each row once, in the order of
    the batches; each worker simulates the whole world. Of a list of parts,
    ``[sim.batches(Order, partitions=8, part=p) for p in range(8)]``, it has the parts *k*, *k + n* …, and
    simulates these alone. `state_dict` says how far it is, and `load_state_dict` lets the next way through
    begin there. In one process that is all; with workers it is for loaders that ask them, as
    `StatefulDataLoader`. For others ``TorchBatches(batches.skip(n))`` goes on after the *n* batches that were
    taken. Let workers be spawned (``multiprocessing_context="spawn"``): Arrow and Polars have threads, forked
    processes may hang.

    Numbers and truth values are tensors of their type, instants int64 µs and dates int32 days since 1970;
    numbers with missing values are float64 with NaN. All other columns are lists of Python values.
    """

    def __init__(self, batches: Frames | Sequence[Frames]) -> None:
        super().__init__()
        self._shards = Shards(batches)
        self._done = self._from = (0, 0)  # parts that are over, batches of the next one
        self._place = (0, 1)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        worker = get_worker_info()
        place = (0, 1) if worker is None else (worker.id, worker.num_workers)
        if self._from != (0, 0) and self._place != place:
            raise self._of_others()
        self._place, self._done, self._from = place, self._from, (0, 0)
        first, batches = self._done
        for part, shard in enumerate(self._shards.of_worker(*place)[first:], first):
            for number, table in enumerate(shard.skip(batches).tables(), batches):
                self._done = (part, number + 1)
                yield tensors(table)
            batches = 0
        self._done = (0, 0)

    def _of_others(self) -> SettingsError:
        label = f"its state is that of worker {self._place[0]} of {self._place[1]}"
        mend = "take as many workers"
        if self._shards.count is None:
            mend += f", or TorchBatches(batches.skip({self._from[1] * self._place[1]}))"
        return SettingsError(Diagnostic("other workers than before", None, label, mend))

    def state_dict(self) -> dict[str, Any]:
        """How many batches this worker has given of its own; of parts, of the part that it is at."""
        return {"part": self._done[0], "batches": self._done[1], "worker": list(self._place)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next way through begin after those; later ones begin at the beginning."""
        self._from = self._done = (state.get("part", 0), state["batches"])
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
