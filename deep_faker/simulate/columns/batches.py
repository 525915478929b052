"""Flows that are to go on within the step, gathered by place."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from deep_faker.simulate.arrays import joined
from deep_faker.simulate.columns.source import Batch


class Batches:
    """Those that can go on at once, and those that wait for the step's competition."""

    def __init__(self, places: int) -> None:
        self.pending: list[list[Batch]] = [[] for _ in range(places)]
        self.heap: list[int] = []
        self.waiting: dict[int, list[Batch]] = {}

    def push(self, gid: int, batch: Batch) -> None:
        """A batch goes on at a block."""
        queue = self.pending[gid]
        if not queue:
            heapq.heappush(self.heap, gid)
        queue.append(batch)

    def pop(self) -> tuple[int, Batch]:
        """All that goes on at the first place of those where anybody does.

        In the order of places, flows that meet again run as one batch.
        """
        gid = heapq.heappop(self.heap)
        parts, self.pending[gid] = self.pending[gid], []
        return gid, _whole(parts)

    def wait(self, gid: int, batch: Batch) -> None:
        """A batch waits for the competition."""
        self.waiting.setdefault(gid, []).append(batch)

    def take_waiting(self) -> list[tuple[int, Batch]]:
        """All that waits, by place."""
        waiting, self.waiting = self.waiting, {}
        return [(gid, _whole(waiting[gid])) for gid in sorted(waiting)]


def _whole(parts: Sequence[Batch]) -> Batch:
    return parts[0] if len(parts) == 1 else tuple(map(joined, zip(*parts, strict=True)))
