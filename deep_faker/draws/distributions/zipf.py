"""`Zipf`: ranks, the first of which come most often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from deep_faker.draws.distributions.counts import count1, counts, recipe
from deep_faker.draws.distributions.family import (
    Family,
    Number,
    Numbers,
    Parameter,
    Table,
    W,
    check,
    refused,
)
from deep_faker.draws.exact import exp_, log_
from deep_faker.draws.mix import I64, U64

# a greater size would need tables of gigabytes
PARAMETERS = (Parameter("exponent", least=0), Parameter("size", least=1, most=10_000_000))


@dataclass(frozen=True)
class Zipf:
    """Ranks from 1 to ``size`` (at most 10 million) in proportion to ``rank ** -exponent``.

    >>> Zipf(1.1, size=1000)
    Zipf(exponent=1.1, size=1000)
    """

    exponent: float
    size: int

    def __post_init__(self) -> None:
        check("Zipf", self, PARAMETERS)
        if self.size != int(self.size):
            raise refused("Zipf", f"size={self.size!r}", "size is a whole number")


@lru_cache(maxsize=16)
def _zipf_table(exponent: float, size: int) -> Table:
    ranks = np.arange(1, size + 1, dtype=np.float64)
    return 1, np.cumsum(exp_(log_(ranks) * -exponent))


def table(exponent: float, size: float) -> Table:
    """The first rank, and the cumulated weights from it on."""
    return _zipf_table(float(exponent), int(size))


def zipf(u: U64, exponent: Number, size: Number) -> I64:
    """Ranks from 1 to ``size``, in proportion to ``rank ** -exponent``."""
    if not isinstance(exponent, np.ndarray) and not isinstance(size, np.ndarray):
        return counts(u, table(exponent, size))
    pairs = np.column_stack(np.broadcast_arrays(exponent, size, u)[:2]).astype(np.float64)
    out = np.empty(len(u), np.int64)
    different, place = np.unique(pairs, axis=0, return_inverse=True)
    for number, (each, most) in enumerate(different.tolist()):
        rows = place.reshape(-1) == number
        out[rows] = counts(u[rows], table(each, most))
    return out


def zipf1(u: int, exponent: float, size: float) -> int:
    """The twin of `zipf`."""
    return count1(u, table(exponent, size))


def _recipe(u: W, exponent: float, size: int) -> W:
    return recipe(u, table(exponent, size))


def _never(_columns: Sequence[Numbers]) -> bool:
    return False  # whether a size is whole only the class says


FAMILY = Family(
    make=Zipf,
    parameters=PARAMETERS,
    array=zipf,
    scalar=zipf1,
    native="counts",
    table=table,
    recipe=_recipe,
    typical=lambda _: 1.0,
    is_plain=_never,
    is_monotone=True,
)
