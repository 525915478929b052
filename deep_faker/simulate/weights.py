"""Drawing a place in proportion to weights (N9), of which some change in every step.

Weights are cumulated within blocks of `BLOCK` places, and the blocks' sums are cumulated again: so a changed
weight costs a block and the number of blocks, not the length of the list. Floats do not add up alike in every
order; this order is part of what a seed means, in all engines.

>>> sums = Sums(np.array([1.0, 0.0, 3.0]))
>>> sums.total, sums.places(np.array([0.1, 0.3, 0.9])).tolist()
(4.0, [0, 2, 2])
>>> place_of([1.0, 0.0, 3.0], 0.3)
2
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from deep_faker.plan import Array

BLOCK = 256
_HALVINGS = BLOCK.bit_length()


def as_weights(values: Array, nulls: Array | None) -> Array:
    """Values of a state field as weights; null counts as zero.

    >>> as_weights(np.array([2, 5]), np.array([False, True])).tolist()
    [2.0, 0.0]
    """
    weights = values.astype(np.float64)
    if nulls is not None:
        weights[nulls] = 0.0
    return weights


class Sums:
    """Weights, none of them negative, cumulated."""

    def __init__(self, weights: Array) -> None:
        blocks = -(-len(weights) // BLOCK)
        padded = np.zeros(blocks * BLOCK)
        padded[: len(weights)] = weights
        self._inner = np.cumsum(padded.reshape(blocks, BLOCK), axis=1)
        self._outer = np.cumsum(self._inner[:, -1])
        self.total = float(self._outer[-1]) if blocks else 0.0

    def places(self, units: Array) -> Array:
        """A place for each number in [0, 1); the total is above 0."""
        aims = units * self.total
        block = self._first(self._outer, aims)
        rest = aims - np.where(block > 0, self._outer[block - 1], 0.0)
        # a rest that rounding has lifted to the block's sum is of the last place that counts
        least = np.minimum(rest, np.nextafter(self._inner[block, -1], -1.0))
        # by halving, in all blocks at once: the first place whose sum is above the rest
        low, high = np.zeros_like(block), np.full_like(block, BLOCK)
        for _ in range(_HALVINGS):
            middle = (low + high) // 2
            above = self._inner[block, np.minimum(middle, BLOCK - 1)] > least
            open_ = low < high
            high = np.where(open_ & above, middle, high)
            low = np.where(open_ & ~above, middle + 1, low)
        out: Array = block * BLOCK + low
        return out

    @staticmethod
    def _first(sums: Array, aims: Array) -> Array:
        """The first block whose cumulated sum is above the aim; of rounded aims the last that counts."""
        above = np.searchsorted(sums, aims, side="right")
        block: Array = np.minimum(above, np.searchsorted(sums, sums[-1], side="left"))
        return block


def place_of(weights: Sequence[float], unit: float) -> int:
    """The same for one number in [0, 1), in plain Python; -1 where all weights are 0."""
    inner = [list(accumulate(weights[at : at + BLOCK])) for at in range(0, len(weights), BLOCK)]
    outer = list(accumulate(sums[-1] for sums in inner))
    if not outer or not outer[-1] > 0.0:
        return -1
    aim = unit * outer[-1]
    block = min(bisect_right(outer, aim), bisect_left(outer, outer[-1]))
    rest = aim - (outer[block - 1] if block else 0.0)
    sums = inner[block]
    return block * BLOCK + min(bisect_right(sums, rest), bisect_left(sums, sums[-1]))
