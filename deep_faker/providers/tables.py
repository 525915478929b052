"""Weighted tables: an element of a list from one 64-bit draw, by Walker's alias method."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from deep_faker.draws import I64, MASK, U64, below, below1


class Alias:
    """Positions of a table in proportion to its weights; one draw, two look-ups, whatever the size.

    The draw times the size is a position (its high 64 bits) and a fraction (its low ones) that says
    whether to stay or to go to the position's alias.  Tables of equal weights have no alias.

    >>> table = Alias([1, 0, 3])
    >>> [table.index1(u) for u in (0, 1 << 62, 1 << 63)]
    [0, 2, 2]
    """

    def __init__(self, weights: Sequence[float]) -> None:
        self.size = len(weights)
        self.uniform = all(weight == weights[0] for weight in weights)
        keep, alias = ([MASK] * self.size, list(range(self.size))) if self.uniform else _build(weights)
        self.keep, self.alias = keep, alias
        self._keep: npt.NDArray[np.uint64] = np.array(keep, np.uint64)
        self._alias: npt.NDArray[np.int64] = np.array(alias, np.int64)

    def indices(self, u: U64) -> I64:
        """A position for each draw."""
        index = below(u, self.size).view(np.int64)
        if self.uniform:
            return index
        stay = (u * np.uint64(self.size)) < self._keep.take(index, mode="clip")
        return np.where(stay, index, self._alias.take(index, mode="clip"))

    def index1(self, u: int) -> int:
        """The twin of `indices`."""
        index = below1(u, self.size)
        if self.uniform or (u * self.size) & MASK < self.keep[index]:
            return index
        return self.alias[index]


def _build(weights: Sequence[float]) -> tuple[list[int], list[int]]:
    """Vose's construction: fill each position of less than average weight from one of more."""
    total = float(sum(weights))
    if not total > 0.0 or total == float("inf") or min(weights) < 0:
        raise ValueError(
            f"weights must be non-negative with a finite sum above zero, not {list(weights)[:20]}"
        )
    size = len(weights)
    chance = [float(weight) * size / total for weight in weights]
    keep, alias = [MASK] * size, list(range(size))
    small = [i for i in range(size) if chance[i] < 1.0]
    large = [i for i in range(size) if chance[i] >= 1.0]
    while small and large:
        low, high = small.pop(), large[-1]
        keep[low] = int(chance[low] * 2.0**64)
        alias[low] = high
        chance[high] -= 1.0 - chance[low]
        if chance[high] < 1.0:
            small.append(large.pop())
    return keep, alias
