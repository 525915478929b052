"""Quantiles along the normal scale: what value a distribution has where a normal variable is ``z``.

Each is a table of 4,096 cells from z = -8.5 to 8.5, linear between (of the logarithm, where values are
positive, or of the log odds): the error is below 1e-4 of the value, mostly 1e-6. Made of
`deep_faker.draws.exact` and ``+ - * /`` only, so that tables are the same on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from deep_faker.draws.distributions.beta import Beta
from deep_faker.draws.distributions.choice import Choice
from deep_faker.draws.distributions.exponential import Exponential
from deep_faker.draws.distributions.family import family_of_class, parameters_of
from deep_faker.draws.distributions.gamma import Gamma
from deep_faker.draws.distributions.lognormal import LogNormal
from deep_faker.draws.distributions.normal import Normal
from deep_faker.draws.distributions.pareto import Pareto
from deep_faker.draws.distributions.uniform import Uniform
from deep_faker.draws.distributions.weibull import Weibull
from deep_faker.draws.exact import exp_, log_, normal_from_unit
from deep_faker.draws.mix import F64

FIRST, CELLS = -8.5, 4096
CELL = 17.0 / CELLS
_TERMS = 200
_HALF_LOG_2PI = 0.9189385332046727
_FLOOR, _STEPS = -20.0, 1 << 16


@dataclass(frozen=True, eq=False)
class Margin:
    """How a value comes of z: by a table of ``knots`` (None: z itself), then ``shape``, times and plus.

    ``sums`` are the z above which counts go on: the value is ``least`` and how many of them are not above z.
    """

    knots: F64 | None
    shape: Literal["plain", "exp", "odds"]
    scale: float = 1.0
    shift: float = 0.0
    sums: F64 | None = None
    least: int = 0


def upper(z: F64) -> F64:
    """The chance that a normal variable is above z, for z from 0 on: a continued fraction, or a series.

    >>> upper(np.array([0.0, 1.0, 6.0])).round(12).tolist()
    [0.5, 0.158655253931, 9.87e-10]
    """
    density = exp_(-0.5 * z * z - _HALF_LOG_2PI)
    far, tail = np.maximum(z, 1.0), np.zeros_like(z)
    for n in range(_TERMS, 0, -1):
        tail = n / (far + tail)
    # below 2 the fraction is slow: Φ(z) - 1/2 = density * (z + z³/3 + z⁵/15 + …)
    term, total = z.copy(), z.copy()
    for n in range(1, 60):
        term = term * z * z / (2 * n + 1)
        total += term
    out = np.where(z < 2.0, 0.5 - density * total, density / (far + tail))
    return out.astype(np.float64)


def knots_of_z() -> F64:
    """The z of each knot."""
    out: F64 = FIRST + CELL * np.arange(CELLS + 1, dtype=np.float64)
    return out


def margin_of(distribution: Any) -> Margin | None:
    """The margin of a distribution; None for those that have none: mixtures, and what draws again.

    >>> margin_of(Normal(10, 2)).scale
    2.0
    """
    if isinstance(distribution, Normal):
        return Margin(None, "plain", float(distribution.sd), float(distribution.mean))
    return _margin(distribution)


@lru_cache(maxsize=64)
def _margin(distribution: Any) -> Margin | None:
    family = family_of_class(type(distribution))
    if family is None or isinstance(distribution, Choice):
        return None
    z = knots_of_z()
    above = upper(np.abs(z))  # the chance of the tail that z is in
    chance = np.where(z < 0, above, 1.0 - above)
    if isinstance(distribution, LogNormal):
        return Margin(distribution.mu + z * distribution.sigma, "exp")
    if isinstance(distribution, Uniform):
        low, high = float(distribution.low), float(distribution.high)
        return Margin(chance, "plain", high - low, low)
    beyond = -log_(np.where(z < 0, 1.0 - above, above))  # exponential
    if isinstance(distribution, (Exponential, Weibull)):
        # 1 - above loses what is small in the lower tail: there it is above itself
        small = above + above * above / 2
        log_beyond = log_(np.where(z < -5, small, beyond))
        if isinstance(distribution, Weibull):
            return Margin(log_beyond / distribution.shape, "exp", float(distribution.scale))
        return Margin(log_beyond, "exp", float(distribution.mean))
    if isinstance(distribution, Pareto):
        return Margin(beyond / distribution.shape, "exp", float(distribution.minimum))
    if isinstance(distribution, Gamma):
        return Margin(_gamma(float(distribution.shape), z, above), "exp", float(distribution.scale))
    if isinstance(distribution, Beta):
        return Margin(_beta(float(distribution.alpha), float(distribution.beta), z, above), "odds")
    if family.native == "counts":
        assert family.table is not None
        least, sums = family.table(*parameters_of(distribution))
        inside = np.clip(sums / sums[-1], 2.0**-60, 1.0 - 2.0**-53)
        return Margin(None, "plain", sums=normal_from_unit(inside), least=least)
    return None


def _gamma(shape: float, z: F64, above: F64) -> F64:
    """Logarithms of quantiles: of the density of log x, ``exp(shape * t - exp(t))``."""
    top = log_(np.array([shape + 60.0 + 12.0 * float(np.sqrt(shape))]))[0]
    t = np.linspace(_FLOOR, top, _STEPS + 1)
    height = shape * t - exp_(t)
    return _inverted(t, height, shape, None, z, above)


def _beta(alpha: float, beta: float, z: F64, above: F64) -> F64:
    """Log odds of quantiles: their density is ``exp(alpha * t) / (1 + exp(t)) ** (alpha + beta)``."""
    t = np.linspace(2 * _FLOOR, -2 * _FLOOR, _STEPS + 1)
    height = alpha * t - (alpha + beta) * (np.maximum(t, 0.0) + log_(1.0 + exp_(-np.abs(t))))
    return _inverted(t, height, alpha, beta, z, above)


def _inverted(t: F64, height: F64, low_slope: float, high_slope: float | None, z: F64, above: F64) -> F64:
    """Where the chances below (z < 0) and above are those of z; beyond t the density goes by its slopes."""
    density = exp_(height - height.max())
    pieces = (density[1:] + density[:-1]) * (0.5 * (t[1] - t[0]))
    first = float(density[0]) / low_slope
    last = 0.0 if high_slope is None else float(density[-1]) / high_slope
    below = np.concatenate([[first], first + np.cumsum(pieces)])
    over = np.concatenate([[last], last + np.cumsum(pieces[::-1])])[::-1]
    total = float(below[-1]) + last
    wanted = log_(above) + float(log_(np.array([total]))[0])
    tiny = np.finfo(float).tiny
    low, high = log_(np.maximum(below, tiny)), log_(np.maximum(over, tiny))
    lower = np.interp(wanted, low, t)
    lower = np.where(wanted < low[0], t[0] + (wanted - low[0]) / low_slope, lower)
    higher = np.interp(wanted, high[::-1], t[::-1])
    if high_slope is not None:
        higher = np.where(wanted < high[-1], t[-1] - (wanted - high[-1]) / high_slope, higher)
    out: F64 = np.where(z < 0, lower, higher)
    return out


def value_at(margin: Margin, z: F64) -> Any:
    """The values at z, floats or whole numbers."""
    if margin.sums is not None:
        place = np.minimum(np.searchsorted(margin.sums, z, side="right"), len(margin.sums) - 1)
        return place.astype(np.int64) + margin.least
    y = z
    if margin.knots is not None:
        x = (z - FIRST) / CELL
        x = np.where(x < 0.0, 0.0, np.where(x > CELLS, float(CELLS), x))
        cell = np.rint(x - 0.5)
        cell = np.where(cell > CELLS - 1, CELLS - 1.0, np.where(cell < 0.0, 0.0, cell))
        number = cell.astype(np.int64)
        y = margin.knots[number] + (margin.knots[number + 1] - margin.knots[number]) * (x - cell)
    if margin.shape == "exp":
        y = exp_(y)
    elif margin.shape == "odds":
        y = 1.0 / (exp_(-1.0 * y) + 1.0)
    return y * margin.scale + margin.shift
