"""Batches for Hugging Face: an iterable dataset of rows, in shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from deep_faker.loaders import Frames, Shards, missing

try:
    from datasets import Features, IterableDataset
except ImportError as error:
    raise missing("datasets", "huggingface", error) from None


def huggingface_dataset(batches: Frames | Sequence[Frames], *, shards: int | None = None) -> Any:
    """The rows of one event type as a `datasets.IterableDataset`, made as they are read.

    ``shards`` (1 where nothing is said) is for workers and nodes: shard *k* has the batches *k*, *k + shards*
    …, so only one shard is in order of time. Each simulates the whole world and draws its own rows. Of a list
    of parts, ``[sim.batches(Order, partitions=8, part=p) for p in range(8)]``, each is a shard, and simulates
    itself alone; ``shards`` puts several in one.
    """
    whole = Shards(batches)
    of = shards or whole.count or 1
    parts = [whole.of_worker(k, of) for k in range(of)]
    features = Features.from_arrow_schema(whole.schema)
    return IterableDataset.from_generator(_rows, features=features, gen_kwargs={"parts": parts})


def _rows(parts: list[list[Frames]]) -> Iterator[dict[str, Any]]:
    """The rows of some shards, one by one, as this library takes them."""
    for shard in parts:
        for part in shard:
            for frame in part:
                yield from frame.iter_rows(named=True)
