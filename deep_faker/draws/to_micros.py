"""Waiting times: distributions and numbers to integer microseconds, in one place for both engines.

>>> wait_micros1("exponential", (30.0,), 1_000_000, key=1, flow=0, action=1) > 0
True
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from deep_faker.draws.distributions.variates import PARAMETERS as FAMILIES
from deep_faker.draws.distributions.variates import variate1, variates
from deep_faker.draws.mix import F64, I64, U64, mix, mix1
from deep_faker.draws.random_module import weighted_index, weighted_index1

LONGEST = 1 << 59  # microseconds, some 18,000 years: what is longer ends after all dates, and sums still fit
PARAMETERS = {**FAMILIES, "choice": ("values", "weights")}


def to_micros(value: F64 | I64, unit_micros: int) -> I64:
    """Waiting times in a unit to microseconds, rounded half to even; none is longer than `LONGEST`.

    >>> to_micros(np.array([0.0000025, 1.5]), 1_000_000).tolist()
    [2, 1500000]
    """
    most = LONGEST // unit_micros
    if value.dtype.kind in "iub":
        whole: I64 = np.clip(value.astype(np.int64), -most, most)
        return whole * unit_micros
    micros: F64 = np.rint(np.clip(value, -float(most), float(most)) * float(unit_micros))
    return micros.astype(np.int64)


def to_micros1(value: float, unit_micros: int) -> int:
    """The twin of `to_micros`."""
    most = LONGEST // unit_micros
    if isinstance(value, int):
        return min(max(int(value), -most), most) * unit_micros
    return round(min(max(value, -float(most)), float(most)) * float(unit_micros))


# The least that each parameter may be, None: any finite number.
_LEAST: dict[str, tuple[float | None, ...]] = {
    "exponential": (0.0,),
    "lognormal": (None, 0.0),
    "uniform": (0.0, 0.0),
    "normal": (None, 0.0),
    "gamma": (0.001, 0.0),
    "beta": (0.001, 0.001),
    "poisson": (0.0,),
    "zipf": (0.0, 1.0),
    "pareto": (0.1, 0.0),
}
# Means and sizes beyond it would need tables of gigabytes.
_MOST = {"poisson": 1e8, "zipf": 1e7}


def plainly_right(kind: str, columns: Sequence[npt.NDArray[Any]]) -> bool:
    """Whether every row of parameters (values, for ``choice``) surely makes a distribution of waiting times.

    >>> plainly_right("exponential", [np.array([30.0, -1.0])])
    False
    """
    most = _MOST.get(kind, np.inf)
    least = (0.0,) * len(columns) if kind == "choice" else _LEAST[kind]
    for column, bound in zip(columns, least, strict=True):
        if column.dtype.kind not in "iuf" or not np.isfinite(column).all() or (column > most).any():
            return False
        if bound is not None and (column < bound).any():
            return False
    return kind != "zipf" and not (kind == "uniform" and (columns[1] < columns[0]).any())


def wait_micros(
    kind: str, params: tuple[Any, ...], unit_micros: int, key: int, flow: U64, action: U64 | int
) -> I64:
    """Waiting times of distribution ``kind`` (see `PARAMETERS`) in microseconds, never negative.

    One draw for each (flow, action) under ``key``.  ``choice`` takes a tuple of values and a tuple of
    weights, or None for equal ones.  Parameters may be arrays, one number for each (flow, action).
    """
    u = mix(key, flow, action)
    if kind == "choice":
        values, weights = params
        index = weighted_index(u, weights or (1,) * len(values))
        micros = [
            to_micros(value, unit_micros) if isinstance(value, np.ndarray) else to_micros1(value, unit_micros)
            for value in values
        ]
        if any(isinstance(value, np.ndarray) for value in micros):
            rows = np.stack([np.broadcast_to(np.asarray(value, np.int64), u.shape) for value in micros])
            return np.maximum(rows[index, np.arange(len(u))], 0)
        return np.maximum(np.array(micros, np.int64)[index], 0)
    value = variates(kind, params, u)
    return np.maximum(to_micros(value, unit_micros), 0)


def wait_micros1(
    kind: str, params: tuple[Any, ...], unit_micros: int, key: int, flow: int, action: int
) -> int:
    """The twin of `wait_micros`."""
    u = mix1(key, flow, action)
    if kind == "choice":
        values, weights = params
        return max(to_micros1(values[weighted_index1(u, weights or (1,) * len(values))], unit_micros), 0)
    value = variate1(kind, params, u)
    return max(to_micros1(value, unit_micros), 0)
