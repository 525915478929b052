"""Distributions as the kernel knows them: their numbers, and the tables of those that are drawn from one."""

from __future__ import annotations

from typing import Any

import numpy as np

from deep_faker.draws.distributions.variates import _poisson_table, _zipf_table
from deep_faker.draws.random_module import _cumulated
from deep_faker.draws.to_micros import to_micros1

KINDS = (
    "exponential",
    "lognormal",
    "uniform",
    "normal",
    "gamma",
    "beta",
    "pareto",
    "poisson",
    "zipf",
    "choice",
)


def table_of(kind: str, params: tuple[Any, ...], unit_micros: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The table of a distribution that never changes: n, the n sums as bits, then what the draw means.

    For ``poisson`` and ``zipf`` that is the least count, for ``choice`` the microseconds of each value.
    """
    if kind == "choice":
        values, weights = params
        sums = _cumulated(tuple(weights or (1,) * len(values)))[1]
        means = [max(to_micros1(value, unit_micros), 0) for value in values]
    else:
        least, sums = (
            _poisson_table(float(params[0]))
            if kind == "poisson"
            else _zipf_table(float(params[0]), int(params[1]))
        )
        means = [least]
    return np.concatenate([[len(sums)], sums.view(np.int64), means]).astype(np.int64)
