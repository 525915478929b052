"""`LogNormal`: what comes about by many factors."""

from __future__ import annotations

import math
from dataclasses import dataclass

from deep_faker.draws.distributions import normal
from deep_faker.draws.distributions.family import Family, Parameter, W, check
from deep_faker.draws.random_module import lognormvariate, lognormvariate1

_LARGEST = 709  # exp of more is no float
PARAMETERS = (Parameter("mu"), Parameter("sigma", least=0))


@dataclass(frozen=True)
class LogNormal:
    """``exp`` of a normal variable with mean ``mu`` and standard deviation ``sigma`` ≥ 0.

    >>> LogNormal(mu=3.0, sigma=0.5)
    LogNormal(mu=3.0, sigma=0.5)
    """

    mu: float
    sigma: float

    def __post_init__(self) -> None:
        check("LogNormal", self, PARAMETERS)


def _recipe(u: W, mu: float, sigma: float) -> W:
    return normal.recipe(u, mu, sigma).exp()


def _median(distribution: LogNormal) -> float:
    return math.exp(distribution.mu) if distribution.mu < _LARGEST else math.inf


FAMILY = Family(
    make=LogNormal,
    parameters=PARAMETERS,
    array=lognormvariate,
    scalar=lognormvariate1,
    native="parameters",
    table=None,
    recipe=_recipe,
    typical=_median,
    longest=math.log,
    is_monotone=True,
)
