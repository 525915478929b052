"""Batches for Hugging Face: an iterable dataset of rows, in shards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from deep_faker.loaders import missing
from deep_faker.run.batches import Batches

try:
    from datasets import Features, IterableDataset
except ImportError as error:
    raise missing("datasets", "huggingface", error) from None

if TYPE_CHECKING:
    import polars as pl


def huggingface_dataset(batches: Batches[pl.DataFrame], *, shards: int = 1) -> Any:
    """The rows of one event type as a `datasets.IterableDataset`, made as they are read.

    ``shards`` is for workers and nodes: shard *k* has the batches *k*, *k + shards* …, so only one shard is
    in order of time. Each simulates the whole world and draws its own rows.
    """
    parts = [batches.shard(k, shards) for k in range(shards)]
    features = Features.from_arrow_schema(batches.arrow_schema)
    return IterableDataset.from_generator(_rows, features=features, gen_kwargs={"parts": parts})


def _rows(parts: list[Batches[pl.DataFrame]]) -> Iterator[dict[str, Any]]:
    """The rows of some shards, one by one, as this library takes them."""
    for part in parts:
        for frame in part:
            yield from frame.iter_rows(named=True)
