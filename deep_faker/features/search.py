"""Rows of a table grouped by entity, in their exact order, and the questions that are searches in it.

One sort of words (entity, row) and then binary searches: no join looks at a row twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

I64: TypeAlias = npt.NDArray[np.int64]
I32: TypeAlias = npt.NDArray[np.int32]
Mask: TypeAlias = npt.NDArray[np.bool_]

CHUNK = 1 << 17
"""Rows of one pass."""

LAST = np.iinfo(np.int64).max
"""As an order: after all that happens at an instant. -1 stands before all of it."""


@dataclass(frozen=True)
class Moments:
    """Points of the world's time, one for each row that is asked about.

    ``time`` is µs since the epoch, ``order`` a ``sys__order``; what is *before* the moment has a lesser
    (time, order). With ``exact`` every order is that of an event at that time, else `LAST` or -1 for all.
    """

    time: I64
    order: I64 | int

    @property
    def exact(self) -> bool:
        """Whether the moments are events, not instants."""
        return not isinstance(self.order, int)

    def __getitem__(self, rows: I64 | Mask) -> Moments:
        return Moments(self.time[rows], self.order if isinstance(self.order, int) else self.order[rows])


class Groups:
    """The rows of one table by entity: ``code`` (the entity of each row; below 0: none) in the order of time.

    Entities and rows together have at most 2**62 pairs, which no memory holds.

    ``time`` must not fall; ``order`` must not, either, and is only needed for moments that are exact.
    Positions are places in the rows sorted by (entity, row); those of one entity lie together.

    >>> groups = Groups(np.array([1, 0, 1]), np.array([10, 20, 30]))
    >>> until = groups.before(np.array([1, 1]), Moments(np.array([10, 30]), LAST))
    >>> (until - groups.begin(np.array([1, 1]))).tolist()
    [1, 2]
    """

    def __init__(self, code: I64 | I32, time: I64, order: I64 | None = None) -> None:
        self.time, self.order = time, order
        self._bits = max(len(code), 1).bit_length()
        words = np.empty(len(code), np.int64)
        for at in range(0, len(code), CHUNK):  # in pieces that stay in the cache, and need no second array
            piece = words[at : at + CHUNK]
            piece[:] = code[at : at + CHUNK]
            piece <<= self._bits
            piece |= np.arange(at, at + len(piece))
        if len(code) and int(code.min()) < 0:
            words = words[words >= 0]
        words.sort()
        self._words = words

    def __len__(self) -> int:
        return len(self._words)

    def rows(self, positions: I64 | slice = slice(None)) -> I64:
        """The table's rows at these positions, or at all."""
        return self._words[positions] & ((1 << self._bits) - 1)

    def codes(self) -> I64:
        """The entity at each position."""
        return self._words >> self._bits

    def begin(self, code: I64) -> I64:
        """The position of the first row of each of these entities."""
        return np.searchsorted(self._words, code << self._bits)

    def end(self, code: I64) -> I64:
        """The position after the last row of each of these entities."""
        return np.searchsorted(self._words, (code + 1) << self._bits)

    def before(self, code: I64, moments: Moments) -> I64:
        """The position after the last row of each entity that lies before its moment."""
        return np.searchsorted(self._words, (code << self._bits) | self._rows_before(moments))

    def _rows_before(self, moments: Moments) -> I64:
        """How many rows of the table, of any entity, lie before each moment."""
        if isinstance(moments.order, int):
            side: str = "right" if moments.order == LAST else "left"
            times, back = np.unique(moments.time, return_inverse=True)
            return np.searchsorted(self.time, times, side=side)[back]  # type: ignore[call-overload,no-any-return]
        assert self.order is not None, "moments that are events need the order"
        first = np.searchsorted(self.time, moments.time, side="left")
        last = np.searchsorted(self.time, moments.time, side="right")
        # within the rows of one instant, by halving: there are seldom any
        open_ = np.flatnonzero(first < last)
        while len(open_):
            middle = (first[open_] + last[open_]) // 2
            lower = self.order[middle] < moments.order[open_]
            first[open_[lower]] = middle[lower] + 1
            last[open_[~lower]] = middle[~lower]
            open_ = open_[first[open_] < last[open_]]
        return first
