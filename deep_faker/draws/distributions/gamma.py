"""`Gamma`, and the logarithms of its variates, of which `deep_faker.draws.distributions.beta` is made."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from deep_faker.draws.distributions.family import Family, Number, Parameter, W, check
from deep_faker.draws.exact import exp1_, exp_, log1_, log_, normal_from_unit, normal_from_unit1
from deep_faker.draws.mix import F64, U64, mix, mix1, open_unit, open_unit1

PARAMETERS = (Parameter("shape", least=0.001), Parameter("scale", least=0))
# What the further draws of a value are for (`beta` has another); any different numbers would do.
TRIES, BOOST = 0x67616D6D61, 0x626F6F7374
_FARTHEST = 8.3  # standard deviations that a normal variate of one draw can lie from its mean


@dataclass(frozen=True)
class Gamma:
    """A gamma variable with mean ``shape * scale``: waits for several things one after the other.

    >>> Gamma(2, scale=30)
    Gamma(shape=2, scale=30)
    """

    shape: float
    scale: float = 1.0

    def __post_init__(self) -> None:
        check("Gamma", self, PARAMETERS)


def gamma(u: U64, shape: Number, scale: Number) -> F64:
    """Gamma variates: Marsaglia and Tsang, ACM Transactions on Mathematical Software 26 (2000)."""
    return exp_(log_gamma(u, shape)) * scale


def gamma1(u: int, shape: float, scale: float) -> float:
    """The twin of `gamma`."""
    return exp1_(log_gamma1(u, shape)) * scale


def log_gamma(u: U64, shape: Number) -> F64:
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
        x = normal_from_unit(open_unit(mix(TRIES, own, attempt)))
        w = log_(open_unit(mix(TRIES, own, attempt + 1)))
        t = 1.0 + c[left] * x
        v = t * t * t
        log_v = log_(np.where(v > 0.0, v, 1.0))
        done = (v > 0.0) & (w < 0.5 * x * x + dd - dd * v + dd * log_v)
        out[left[done]] = (log_(dd) + log_v)[done]
        left = left[~done]
        attempt += 2
    if small.any():
        boost = log_(open_unit(mix(BOOST, u))) / np.where(small, shapes, 1.0)
        out += np.where(small, boost, 0.0)
    return out


def log_gamma1(u: int, shape: float) -> float:
    """The twin of `log_gamma`."""
    small = shape < 1.0
    d = (shape + 1.0 if small else float(shape)) - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    attempt = 0
    while True:
        x = normal_from_unit1(open_unit1(mix1(TRIES, u, attempt)))
        w = log1_(open_unit1(mix1(TRIES, u, attempt + 1)))
        t = 1.0 + c * x
        v = t * t * t
        if v > 0.0:
            log_v = log1_(v)
            if w < 0.5 * x * x + d - d * v + d * log_v:
                break
        attempt += 2
    out = log1_(d) + log_v
    return out + log1_(open_unit1(mix1(BOOST, u))) / shape if small else out


def log_gamma_bounds(shape: float) -> tuple[float, float]:
    """What `log_gamma1` stays within: normal variates of one draw lie within 8.3, and draws above 2**-53.

    >>> low, high = log_gamma_bounds(2)
    >>> low < log_gamma1(0, 2) < high and low < log_gamma1(2**64 - 1, 2) < high
    True
    """
    d = (shape + 1.0 if shape < 1.0 else float(shape)) - 1.0 / 3.0
    # the cube of a float that is not 0 and was 1 + something: a multiple of 2**-53, or more than a half
    least = math.log(d) + 3.0 * math.log(2.0**-54)
    most = math.log(d) + 3.0 * math.log1p(_FARTHEST / math.sqrt(9.0 * d))
    return least - (54.0 * math.log(2.0) / shape if shape < 1.0 else 0.0), most + 1.0


def _recipe(u: W, shape: float, scale: float) -> W:
    return u.log_gamma(shape).exp() * scale


FAMILY = Family(
    make=Gamma,
    parameters=PARAMETERS,
    array=gamma,
    scalar=gamma1,
    native="parameters",
    table=None,
    recipe=_recipe,
    typical=lambda given: given.shape * given.scale,
    longest=math.sqrt,
)
