"""Weighted tables: an element of a list from one 64-bit draw, by Walker's alias method."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from deep_faker.draws.mix import CHUNK, I64, MASK, U64, below, mix
from deep_faker.plan.recipes import Word

MOST_OF_HALF = 1 << 16
"""Positions that half a draw, 32 bits, tells apart: none is likelier than another by one in 65,536."""
HALF = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
_ALWAYS = 0xFFFFFFFF  # as good as ever: the alias of such a position is itself


class Alias:
    """Positions of a table in proportion to its weights; one draw, one look-up, whatever the size.

    The draw times the size is a position (its whole part) and a fraction that says whether to stay or
    to go to the position's alias.  Of tables of up to 65,536 positions the high half of a draw is
    enough.  Tables of equal weights have no alias.

    >>> table = Alias([1, 0, 3])
    >>> [table.index1(u) for u in (0, 1 << 62, 1 << 63)]
    [0, 2, 2]
    """

    def __init__(self, weights: Sequence[float]) -> None:
        self.size = len(weights)
        self.half = self.size <= MOST_OF_HALF
        self.uniform = all(weight == weights[0] for weight in weights)
        self.entries = even_entries(self.size) if self.uniform else _packed(*_build(weights))

    def indices(self, u: U64) -> I64:
        """A position for each draw."""
        out = np.empty(len(u), np.int64)
        for start in range(0, len(u), CHUNK):
            piece = u[start : start + CHUNK]
            out[start : start + CHUNK] = self.of_half(piece >> _32) if self.half else self._of_whole(piece)
        return out

    def drawn(self, key: int, a: U64, b: U64) -> npt.NDArray[np.int32]:
        """``indices(mix(key, a, b))`` in one go, as 32-bit integers."""
        out = np.empty(len(a), np.int32)
        for start in range(0, len(a), CHUNK):
            u = mix(key, a[start : start + CHUNK], b[start : start + CHUNK])
            if self.half:
                u >>= _32
            out[start : start + CHUNK] = self.of_half(u) if self.half else self._of_whole(u)
        return out

    def of_half(self, u: U64) -> U64:
        """A position for each half a draw, 32 bits; ``u`` is overwritten."""
        u *= np.uint64(self.size)
        index = u >> _32
        if self.uniform:
            return index
        u &= HALF
        return stay_or_go(index, u, self.entries)

    def _of_whole(self, u: U64) -> U64:
        index = below(u, self.size)
        if self.uniform:
            return index
        return stay_or_go(index, (u * np.uint64(self.size)) >> _32, self.entries)

    def index1(self, u: int) -> int:
        """The twin of `indices`."""
        return self.of_half1(u >> 32) if self.half else self._of_whole1(u)

    def place(self, u: Word) -> Word:
        """The steps of `indices`."""
        u = u.high_half() if self.half else u
        return u.below(self.size) if self.uniform else u.alias(self.entries)

    def of_half1(self, u: int) -> int:
        """The twin of `of_half`."""
        return stay_or_go1(u * self.size >> 32, u * self.size & _ALWAYS, self.entries)

    def _of_whole1(self, u: int) -> int:
        return stay_or_go1(u * self.size >> 64, (u * self.size & MASK) >> 32, self.entries)


def even_entries(size: int) -> U64:
    """Entries of positions that are all equally likely: none is left.

    >>> [stay_or_go1(index, 0xFFFFFFFE, even_entries(3)) for index in range(3)]
    [0, 1, 2]
    """
    return np.arange(size, dtype=np.uint64) | np.uint64(_ALWAYS << 32)


def _packed(stays: list[int], alias: list[int]) -> U64:
    return np.array(stays, np.uint64) << _32 | np.array(alias, np.uint64)


def stay_or_go(index: U64, fraction: U64, entries: U64) -> U64:
    """The positions, or their aliases where the fraction (32 bits) is too large to stay."""
    drawn = entries.take(index.view(np.int64), mode="clip")
    stays = fraction < (drawn >> _32)
    drawn &= HALF
    return np.where(stays, index, drawn)


def stay_or_go1(index: int, fraction: int, entries: U64) -> int:
    """The twin of `stay_or_go`."""
    entry = int(entries[index])
    return index if fraction < entry >> 32 else entry & _ALWAYS


def total(weights: Sequence[float]) -> float:
    """The sum of weights; raises `ValueError` where they are none.

    >>> total([1, 2.5])
    3.5
    """
    whole = float(sum(weights))
    if not whole > 0.0 or whole == float("inf") or min(weights) < 0:
        raise ValueError(
            f"weights must be non-negative with a finite sum above zero, not {list(weights)[:20]}"
        )
    return whole


def _build(weights: Sequence[float]) -> tuple[list[int], list[int]]:
    """Vose's construction: fill each position of less than average weight from one of more."""
    size = len(weights)
    whole = total(weights)
    chance = [float(weight) * size / whole for weight in weights]
    stays, alias = [_ALWAYS] * size, list(range(size))
    small = [i for i in range(size) if chance[i] < 1.0]
    large = [i for i in range(size) if chance[i] >= 1.0]
    while small and large:
        low, high = small.pop(), large[-1]
        stays[low] = int(chance[low] * 2.0**32)
        alias[low] = high
        chance[high] -= 1.0 - chance[low]
        if chance[high] < 1.0:
            small.append(large.pop())
    return stays, alias
