"""Gamma, beta, Poisson, Zipf and Pareto variates of 64-bit draws: exact twins for arrays and for one draw.

Made of ``+ - * /``, square roots and `deep_faker.draws.exact` only, so that their bytes depend on no
machine.  Parameters of the array forms may be numbers, or arrays with one number for each draw.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from deep_faker.draws.exact import exp1_, exp_, log1_, log_, normal_from_unit, normal_from_unit1
from deep_faker.draws.mix import F64, I64, U64, mix, mix1, open_unit, open_unit1, unit, unit1
from deep_faker.draws.random_module import (
    expovariate,
    expovariate1,
    lognormvariate,
    lognormvariate1,
    normalvariate,
    normalvariate1,
    paretovariate,
    paretovariate1,
    uniform,
    uniform1,
)

Number = F64 | I64 | float

# What the further draws of a value are for; any three different numbers would do.
_TRIES, _BOOST, _OTHER = 0x67616D6D61, 0x626F6F7374, 0x6F74686572
_NEGLIGIBLE = 1e-18  # relative to the likeliest count: below the resolution of a draw

PARAMETERS: dict[str, tuple[str, ...]] = {
    "exponential": ("mean",),
    "lognormal": ("mu", "sigma"),
    "uniform": ("low", "high"),
    "normal": ("mean", "sd"),
    "gamma": ("shape", "scale"),
    "beta": ("alpha", "beta"),
    "poisson": ("mean",),
    "zipf": ("exponent", "size"),
    "pareto": ("shape", "minimum"),
}


def gamma(u: U64, shape: Number, scale: Number) -> F64:
    """Gamma variates: Marsaglia and Tsang, ACM Transactions on Mathematical Software 26 (2000)."""
    return exp_(_log_gamma(u, shape)) * scale


def gamma1(u: int, shape: float, scale: float) -> float:
    """The twin of `gamma`."""
    return exp1_(_log_gamma1(u, shape)) * scale


def _log_gamma(u: U64, shape: Number) -> F64:
    """Logarithms of gamma variates: those of small shapes lie below what a float can hold."""
    shapes = np.broadcast_to(np.asarray(shape, np.float64), u.shape)
    small = shapes < 1.0
    d = np.where(small, shapes + 1.0, shapes) - 1.0 / 3.0
    c = 1.0 / np.sqrt(9.0 * d)
    out = np.empty(len(u))
    left = np.arange(len(u))
    attempt = 0
    while len(left):  # 95 % or more are done in each round
        own, dd = u[left], d[left]
        x = normal_from_unit(open_unit(mix(_TRIES, own, attempt)))
        w = log_(open_unit(mix(_TRIES, own, attempt + 1)))
        t = 1.0 + c[left] * x
        v = t * t * t
        log_v = log_(np.where(v > 0.0, v, 1.0))
        done = (v > 0.0) & (w < 0.5 * x * x + dd - dd * v + dd * log_v)
        out[left[done]] = (log_(dd) + log_v)[done]
        left = left[~done]
        attempt += 2
    if small.any():
        boost = log_(open_unit(mix(_BOOST, u))) / np.where(small, shapes, 1.0)
        out += np.where(small, boost, 0.0)
    return out


def _log_gamma1(u: int, shape: float) -> float:
    small = shape < 1.0
    d = (shape + 1.0 if small else float(shape)) - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    attempt = 0
    while True:
        x = normal_from_unit1(open_unit1(mix1(_TRIES, u, attempt)))
        w = log1_(open_unit1(mix1(_TRIES, u, attempt + 1)))
        t = 1.0 + c * x
        v = t * t * t
        if v > 0.0:
            log_v = log1_(v)
            if w < 0.5 * x * x + d - d * v + d * log_v:
                break
        attempt += 2
    out = log1_(d) + log_v
    return out + log1_(open_unit1(mix1(_BOOST, u))) / shape if small else out


def beta(u: U64, alpha: Number, beta: Number) -> F64:
    """Beta variates in [0, 1], of two gamma variates."""
    other = _log_gamma(mix(_OTHER, u), beta)
    return 1.0 / (1.0 + exp_(other - _log_gamma(u, alpha)))


def beta1(u: int, alpha: float, beta: float) -> float:
    """The twin of `beta`."""
    other = _log_gamma1(mix1(_OTHER, u), beta)
    return 1.0 / (1.0 + exp1_(other - _log_gamma1(u, alpha)))


def pareto(u: U64, shape: Number, minimum: Number) -> F64:
    """Pareto variates: ``minimum`` or more."""
    return paretovariate(u, shape) * minimum


def pareto1(u: int, shape: float, minimum: float) -> float:
    """The twin of `pareto`."""
    return paretovariate1(u, shape) * minimum


# --- counts: by their cumulated chances ----------------------------------------------------------------


@lru_cache(maxsize=256)
def _poisson_table(mean: float) -> tuple[int, F64]:
    """The least count, and the cumulated weights from it on, relative to the likeliest count."""
    likeliest = int(mean)
    above, below = [], []
    weight, count = 1.0, likeliest
    while weight > _NEGLIGIBLE and mean > 0:
        count += 1
        weight *= mean / count
        above.append(weight)
    weight, count = 1.0, likeliest
    while count > 0 and weight > _NEGLIGIBLE:
        weight *= count / mean
        count -= 1
        below.append(weight)
    return likeliest - len(below), np.cumsum([*below[::-1], 1.0, *above])


@lru_cache(maxsize=16)
def _zipf_table(exponent: float, size: int) -> tuple[int, F64]:
    ranks = np.arange(1, size + 1, dtype=np.float64)
    return 1, np.cumsum(exp_(log_(ranks) * -exponent))


def count_table(kind: str, *params: float) -> tuple[int, F64]:
    """The least count of a Poisson or Zipf distribution, and the cumulated weights from it on.

    >>> count_table("zipf", 0.0, 3)[1].tolist()
    [1.0, 2.0, 3.0]
    """
    if kind == "poisson":
        return _poisson_table(float(params[0]))
    return _zipf_table(float(params[0]), int(params[1]))


def _counts(u: U64, table: tuple[int, F64]) -> I64:
    least, sums = table
    found: I64 = np.searchsorted(sums, unit(u) * sums[-1], side="right").astype(np.int64)
    return np.minimum(found, len(sums) - 1) + least


def _count1(u: int, table: tuple[int, F64]) -> int:
    least, sums = table
    found = int(np.searchsorted(sums, unit1(u) * float(sums[-1]), side="right"))
    return min(found, len(sums) - 1) + least


def poisson(u: U64, mean: Number) -> I64:
    """Counts of a Poisson distribution."""
    if not isinstance(mean, np.ndarray):
        return _counts(u, _poisson_table(float(mean)))
    out = np.empty(len(u), np.int64)
    means, place = np.unique(mean, return_inverse=True)
    for at, each in enumerate(means.tolist()):  # a table for each mean: 10 µs and more
        out[place == at] = _counts(u[place == at], _poisson_table(float(each)))
    return out


def poisson1(u: int, mean: float) -> int:
    """The twin of `poisson`."""
    return _count1(u, _poisson_table(float(mean)))


def zipf(u: U64, exponent: Number, size: Number) -> I64:
    """Ranks from 1 to ``size``, in proportion to ``rank ** -exponent``."""
    if not isinstance(exponent, np.ndarray) and not isinstance(size, np.ndarray):
        return _counts(u, _zipf_table(float(exponent), int(size)))
    pairs = np.column_stack(np.broadcast_arrays(exponent, size, u)[:2]).astype(np.float64)
    out = np.empty(len(u), np.int64)
    different, place = np.unique(pairs, axis=0, return_inverse=True)
    for at, (each, most) in enumerate(different.tolist()):
        rows = place.reshape(-1) == at
        out[rows] = _counts(u[rows], _zipf_table(each, int(most)))
    return out


def zipf1(u: int, exponent: float, size: float) -> int:
    """The twin of `zipf`."""
    return _count1(u, _zipf_table(float(exponent), int(size)))


# --- by name ----------------------------------------------------------------------------------------------


def _exponential(u: U64, mean: Number) -> F64:
    return expovariate(u) * mean


def _exponential1(u: int, mean: float) -> float:
    return expovariate1(u) * mean


_FAMILIES: dict[str, tuple[Callable[..., npt.NDArray[Any]], Callable[..., Any]]] = {
    "exponential": (_exponential, _exponential1),
    "lognormal": (lognormvariate, lognormvariate1),
    "uniform": (uniform, uniform1),
    "normal": (normalvariate, normalvariate1),
    "gamma": (gamma, gamma1),
    "beta": (beta, beta1),
    "poisson": (poisson, poisson1),
    "zipf": (zipf, zipf1),
    "pareto": (pareto, pareto1),
}


def variates(kind: str, params: tuple[Any, ...], u: U64) -> npt.NDArray[Any]:
    """One value for each draw: floats, or int64 for counts.  ``kind`` and ``params`` as in `PARAMETERS`.

    >>> variates("zipf", (1.0, 10), np.array([0, 2**64 - 1], np.uint64)).tolist()
    [1, 10]
    """
    return _family(kind)[0](u, *params)


def variate1(kind: str, params: tuple[Any, ...], u: int) -> Any:
    """The twin of `variates`."""
    return _family(kind)[1](u, *params)


def family1(kind: str) -> Callable[..., Any]:
    """The function (draw, *parameters) that `variate1` calls: for those who ask for one kind often."""
    return _family(kind)[1]


def _family(kind: str) -> tuple[Callable[..., npt.NDArray[Any]], Callable[..., Any]]:
    if kind not in _FAMILIES:
        raise ValueError(f"unknown distribution {kind!r}; there are: {', '.join(_FAMILIES)}")
    return _FAMILIES[kind]
