"""Shared picks of lists: each flow gets an entity that is none of those that it has (`simulate.apart`)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from deep_faker.draws.mix import unit
from deep_faker.plan import Array
from deep_faker.simulate.apart import weighted_apart
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.columns.members import Membership


def share_apart(members: Membership, u: Array, others: Sequence[I64]) -> I64:
    """One member for each draw, none of the row's ``others`` (-1 there is nobody); -1: none is left."""
    taken = np.column_stack(others)
    if members.filter.weight is not None:
        return _by_weight(members, u, taken)
    places = np.where(taken >= 0, np.take(members.position.a, taken, mode="clip"), -1)
    left = members.length - (places >= 0).sum(axis=1)
    place = (unit(u) * np.maximum(left, 0)).astype(np.int64)
    places.sort(axis=1)
    for other in places.T:
        place += (other >= 0) & (place >= other)
    if not members.length:
        return np.full(len(u), -1)
    found: I64 = np.where(left > 0, np.take(members.members, place, mode="clip"), -1)
    return found


def _by_weight(members: Membership, u: Array, taken: I64) -> I64:
    found = members.share(u)
    again = np.flatnonzero((found >= 0) & (taken == found[:, None]).any(axis=1))
    # Row by row: few draw an entity that they have.
    for row in again.tolist():
        draw, mine = int(u[row]), taken[row].tolist()
        listed = members.members[: members.length].tolist()
        one = partial(_one, members)
        found[row] = weighted_apart(one, mine, listed, lambda: members.weights().tolist(), draw)
    return found


def _one(members: Membership, draw: int) -> int:
    return int(members.share(np.array([draw], np.uint64))[0])
