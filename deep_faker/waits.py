"""Waiting times: distributions and numbers to integer microseconds, in one place for both engines.

>>> wait_micros1("exponential", (30.0,), 1_000_000, key=1, flow=0, action=1) > 0
True
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from deep_faker.draws import F64, I64, U64, mix, mix1
from deep_faker.families import PARAMETERS as FAMILIES
from deep_faker.families import family1, variate1, variates
from deep_faker.variates import weighted_index, weighted_index1

LONGEST = 1 << 62  # microseconds; some 146,000 years
UNIT_MICROS = {
    "microseconds": 1,
    "milliseconds": 1_000,
    "seconds": 1_000_000,
    "minutes": 60_000_000,
    "hours": 3_600_000_000,
    "days": 86_400_000_000,
    "weeks": 604_800_000_000,
}
PARAMETERS = {**FAMILIES, "choice": ("values", "weights")}


def to_micros(value: F64 | I64, unit_micros: int) -> I64:
    """Waiting times in a unit to microseconds, rounded half to even.

    >>> to_micros(np.array([0.0000025, 1.5]), 1_000_000).tolist()
    [2, 1500000]
    """
    if value.dtype.kind in "iub":
        if len(value) and int(value.max()) * unit_micros > LONGEST:
            raise OverflowError(f"a wait of {int(value.max())} × {unit_micros} µs is beyond 2**62 µs")
        return value.astype(np.int64) * unit_micros
    micros = np.rint(value * float(unit_micros))
    if not (np.abs(micros) <= LONGEST).all():
        worst = float(value[~(np.abs(micros) <= LONGEST)][0])
        raise OverflowError(f"a wait of {worst} × {unit_micros} µs is beyond 2**62 µs")
    return micros.astype(np.int64)


def to_micros1(value: float, unit_micros: int) -> int:
    """The twin of `to_micros`."""
    micros = int(value) * unit_micros if isinstance(value, int) else value * float(unit_micros)
    if not abs(micros) <= LONGEST:
        raise OverflowError(f"a wait of {value} × {unit_micros} µs is beyond 2**62 µs")
    return round(micros)


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


def checked_parameters(kind: str, params: tuple[Any, ...]) -> tuple[Any, ...]:
    """``params`` (numbers or arrays) that a flow computed, if they are what `wait_micros` takes.

    Raises `ValueError` with the first that is not.

    >>> checked_parameters("exponential", (np.array([30.0, -1.0]),))
    Traceback (most recent call last):
        ...
    ValueError: exponential waiting time with mean=-1.0: it is a finite number, at least 0.0
    """
    choices = kind == "choice"
    names = ["a value"] * len(params[0]) if choices else list(PARAMETERS[kind])
    least = [0.0] * len(names) if choices else _LEAST[kind]
    for name, bound, value in zip(names, least, params[0] if choices else params, strict=True):
        array = np.atleast_1d(value)
        most = _MOST.get(kind, np.inf)
        bad = ~np.isfinite(array) | (array < (-np.inf if bound is None else bound)) | (array > most)
        if bad.any():
            limit = "" if bound is None else f", at least {bound}"
            limit += "" if most == np.inf else f", at most {most:,.0f}"
            got = array[bad][0].item()
            raise ValueError(f"{kind} waiting time with {name}={got!r}: it is a finite number{limit}")
    if kind == "uniform" and (crossed := np.atleast_1d(params[1] < params[0])).any():
        low, high = (np.broadcast_to(p, crossed.shape)[crossed][0].item() for p in params)
        raise ValueError(f"uniform waiting time with high={high!r} < low={low!r}")
    return params


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


def waiter1(kind: str, params: tuple[Any, ...], unit_micros: int) -> Callable[[int], int]:
    """`wait_micros1` of a distribution that never changes, as a function of the draw alone."""
    if kind == "choice":
        values = params[0]
        weights = params[1] or (1,) * len(values)
        micros = [max(to_micros1(value, unit_micros), 0) for value in values]
        return lambda u: micros[weighted_index1(u, weights)]
    function = family1(kind)

    def wait(u: int) -> int:
        return max(to_micros1(function(u, *params), unit_micros), 0)

    return wait


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
