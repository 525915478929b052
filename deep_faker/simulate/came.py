"""Arrivals as columns: flows that start of themselves, in the order of time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from deep_faker.draws.mix import U64
from deep_faker.simulate.arrays import I64


class Arriving(NamedTuple):
    """Arrivals in the order of time: instants in µs, numbers of their flows, and of each a 64-bit word.

    ``entity``: whose they are, by number, in the order of the flow's filters, as many columns as any flow
    needs; -1: nobody's, and the filter finds one. The arrivals of one flow keep their words whatever
    its rate, the run's length, and what else there is.
    """

    clock: I64
    flow: I64
    word: U64
    entity: I64

    def some(self, which: slice | I64) -> Arriving:
        """Those at some places."""
        return Arriving(self.clock[which], self.flow[which], self.word[which], self.entity[which])

    def then(self, other: Arriving) -> Arriving:
        """These, and the others behind them."""
        return Arriving(*(np.concatenate(both) for both in zip(self, other, strict=True)))


def nobody(width: int) -> Arriving:
    """No arrivals, that would name so many entities."""
    none = np.empty(0, np.int64)
    return Arriving(none, none, np.empty(0, np.uint64), np.empty((0, width), np.int64))


def in_time(parts: Sequence[Arriving], *, by_word: bool = False) -> Arriving:
    """All parts in the order of time; of one instant, in that of their flows, entities and words.

    Where nobody is named and no words are asked for, those of one instant stay in the order of the parts.
    """
    clock = np.concatenate([part.clock for part in parts])
    flow = np.concatenate([part.flow for part in parts])
    word = np.concatenate([part.word for part in parts])
    entity = np.concatenate([part.entity for part in parts])
    order = _order(clock)
    if by_word or (entity[:, 0] >= 0).any():
        sorted_ = clock[order]
        same = np.flatnonzero(sorted_[1:] == sorted_[:-1])
        if len(same):  # few: only these are put in order among themselves
            places = np.unique(np.concatenate([same, same + 1]))
            rows = order[places]
            by_rank = np.lexsort((word[rows], *entity[rows].T[::-1], flow[rows], clock[rows]))
            order[places] = rows[by_rank]
    return Arriving(clock[order], flow[order], word[order], entity[order])


def _order(clock: I64) -> I64:
    """The places of instants in the order of time; of equal ones the first place first."""
    count = len(clock)
    bits = count.bit_length()
    begin = int(clock.min()) if count else 0
    if count and int(clock.max() - begin).bit_length() + bits > 63:
        return np.argsort(clock, kind="stable")
    # plain sorting of words is several times as fast as a stable sort of places
    packed = (clock - begin) << bits | np.arange(count)
    packed.sort()
    return packed & ((1 << bits) - 1)
