"""`Poisson`: how many."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from deep_faker.draws.distributions.counts import count1, counts, recipe
from deep_faker.draws.distributions.family import Family, Number, Parameter, Table, W, check
from deep_faker.draws.mix import I64, U64

MOST = 100_000_000  # a greater mean would need tables of gigabytes
PARAMETERS = (Parameter("mean", least=0, most=MOST),)
NEGLIGIBLE = 1e-18  # relative to the likeliest count: below the resolution of a draw


@dataclass(frozen=True)
class Poisson:
    """How many independent things happen, ``mean`` of them on average (0 to 100 million).

    >>> Poisson(3.5)
    Poisson(mean=3.5)
    """

    mean: float

    def __post_init__(self) -> None:
        check("Poisson", self, PARAMETERS)


@lru_cache(maxsize=256)
def _poisson_table(mean: float) -> Table:
    # relative to the likeliest count
    likeliest = int(mean)
    above, below = [], []
    weight, count = 1.0, likeliest
    while weight > NEGLIGIBLE and mean > 0:
        count += 1
        weight *= mean / count
        above.append(weight)
    weight, count = 1.0, likeliest
    while count > 0 and weight > NEGLIGIBLE:
        weight *= count / mean
        count -= 1
        below.append(weight)
    return likeliest - len(below), np.cumsum([*below[::-1], 1.0, *above])


def table(mean: float) -> Table:
    """The least count, and the cumulated weights from it on."""
    return _poisson_table(float(mean))


def poisson(u: U64, mean: Number) -> I64:
    """Counts of a Poisson distribution."""
    if not isinstance(mean, np.ndarray):
        return counts(u, table(mean))
    out = np.empty(len(u), np.int64)
    means, place = np.unique(mean, return_inverse=True)
    for number, each in enumerate(means.tolist()):  # a table for each mean: 10 µs and more
        out[place == number] = counts(u[place == number], table(each))
    return out


def poisson1(u: int, mean: float) -> int:
    """The twin of `poisson`."""
    return count1(u, table(mean))


def _recipe(u: W, mean: float) -> W:
    return recipe(u, table(mean))


FAMILY = Family(
    make=Poisson,
    parameters=PARAMETERS,
    array=poisson,
    scalar=poisson1,
    native="counts",
    table=table,
    recipe=_recipe,
    typical=lambda given: given.mean,
    is_monotone=True,
)
