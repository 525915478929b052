"""Counts by their cumulated chances: what the distributions of counts have in common."""

from __future__ import annotations

import numpy as np

from deep_faker.draws.distributions.family import Table, W
from deep_faker.draws.mix import I64, U64, unit, unit1


def counts(u: U64, table: Table) -> I64:
    """A count for each draw, by a table."""
    least, sums = table
    places: I64 = np.searchsorted(sums, unit(u) * sums[-1], side="right").astype(np.int64)
    return np.minimum(places, len(sums) - 1) + least


def count1(u: int, table: Table) -> int:
    """The twin of `counts`.

    >>> count1(2**63, (1, np.array([1.0, 2.0, 3.0])))
    2
    """
    least, sums = table
    place = int(np.searchsorted(sums, unit1(u) * float(sums[-1]), side="right"))
    return min(place, len(sums) - 1) + least


def recipe(u: W, table: Table) -> W:
    """Counts as steps."""
    least, sums = table
    return (u.unit() * float(sums[-1])).cumulated(sums) + least
