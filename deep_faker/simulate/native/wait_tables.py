"""Distributions as the kernel knows them: their numbers, and the tables of those that are drawn from one."""

from __future__ import annotations

from typing import Any

import numpy as np

from deep_faker.draws.distributions.registry import FAMILIES
from deep_faker.draws.to_micros import to_micros1
from deep_faker.simulate.arrays import I64

_BY = {
    by: tuple(k for k, f in FAMILIES.items() if f.native == by) for by in ("parameters", "counts", "places")
}
BY_PARAMETERS = _BY["parameters"]
# What the kernel draws by parameters comes first, what it draws places of last: it compares numbers.
KINDS = (*BY_PARAMETERS, *_BY["counts"], *_BY["places"])


def table_of(kind: str, params: tuple[Any, ...], unit_micros: int) -> I64:
    """The table of a distribution that never changes: n, the n sums as bits, then what the draw means.

    Of counts that is the least one, for ``choice`` the microseconds of each value.

    >>> table_of("choice", ((1, 2.5), None), 1_000_000)[[0, -2, -1]].tolist()
    [2, 1000000, 2500000]
    """
    family = FAMILIES[kind]
    assert family.table is not None, f"{kind} is drawn by its parameters"
    least, sums = family.table(*params)
    means = [least]
    if family.native == "places":
        means = [max(to_micros1(value, unit_micros), 0) for value in params[0]]
    return np.concatenate([[len(sums)], sums.view(np.int64), means]).astype(np.int64)
