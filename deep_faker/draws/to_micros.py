"""Waiting times: distributions and numbers to integer microseconds, in one place for both engines.

>>> wait_micros1("exponential", (30.0,), 1_000_000, key=1, flow=0, action=1) > 0
True
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deep_faker.draws.distributions.family import Numbers
from deep_faker.draws.distributions.registry import FAMILIES, PARAMETERS
from deep_faker.draws.distributions.variates import variate1, variates
from deep_faker.draws.mix import F64, I64, U64, mix, mix1

__all__ = ["LONGEST", "PARAMETERS", "plainly_right", "to_micros", "to_micros1", "wait_micros", "wait_micros1"]

LONGEST = 1 << 59  # microseconds, some 18,000 years: what is longer ends after all dates, and sums still fit
_OF_PLACES = {kind for kind, family in FAMILIES.items() if family.native == "places"}


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
    """The twin of `to_micros`.

    >>> to_micros1(1.5, 1_000_000)
    1500000
    """
    most = LONGEST // unit_micros
    if isinstance(value, int):
        return min(max(int(value), -most), most) * unit_micros
    return round(min(max(value, -float(most)), float(most)) * float(unit_micros))


def plainly_right(kind: str, columns: Sequence[Numbers]) -> bool:
    """Whether every row of parameters (values, for ``choice``) surely makes a distribution of waiting times.

    >>> plainly_right("exponential", [np.array([30.0, -1.0])])
    False
    """
    family = FAMILIES[kind]
    bounds = [(parameter.least_of_waits, parameter.most) for parameter in family.parameters]
    if family.native == "places":
        bounds = [(0.0, None)] * len(columns)
    for column, (least, most) in zip(columns, bounds, strict=True):
        if column.dtype.kind not in "iuf" or not np.isfinite(column).all():
            return False
        if (least is not None and (column < least).any()) or (most is not None and (column > most).any()):
            return False
    return family.is_plain(columns)


def wait_micros(
    kind: str, params: tuple[Any, ...], unit_micros: int, key: int, flow: U64, action: U64 | int
) -> I64:
    """Waiting times of distribution ``kind`` (see `FAMILIES`) in microseconds, never negative.

    One draw for each (flow, action) under ``key``.  ``choice`` takes a tuple of values and a tuple of
    weights, or None for equal ones.  Parameters may be arrays, one number for each (flow, action).
    """
    u = mix(key, flow, action)
    if kind in _OF_PLACES:
        values, weights = params
        index: I64 = FAMILIES[kind].array(u, values, weights)
        micros = [
            to_micros(value, unit_micros) if isinstance(value, np.ndarray) else to_micros1(value, unit_micros)
            for value in values
        ]
        if any(isinstance(value, np.ndarray) for value in micros):
            rows: I64 = np.stack([np.broadcast_to(np.asarray(value, np.int64), u.shape) for value in micros])
            return np.maximum(rows[index, np.arange(len(u))], 0)
        return np.maximum(np.array(micros, np.int64)[index], 0)
    value = variates(kind, params, u)
    return np.maximum(to_micros(value, unit_micros), 0)


def wait_micros1(
    kind: str, params: tuple[Any, ...], unit_micros: int, key: int, flow: int, action: int
) -> int:
    """The twin of `wait_micros`."""
    u = mix1(key, flow, action)
    if kind in _OF_PLACES:
        values, weights = params
        return max(to_micros1(values[FAMILIES[kind].scalar(u, values, weights)], unit_micros), 0)
    value = variate1(kind, params, u)
    return max(to_micros1(value, unit_micros), 0)
