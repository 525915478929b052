"""`Weibull`: lifetimes, of what fails early, at any moment alike, or by wear."""

from __future__ import annotations

from dataclasses import dataclass

from deep_faker.draws.distributions.family import Family, Parameter, W, check
from deep_faker.draws.exact import exp1_
from deep_faker.draws.random_module import weibullvariate, weibullvariate1

PARAMETERS = (Parameter("scale", least=0), Parameter("shape", least=0.1))
_LOG_LOG_2 = -0.36651292058166435


@dataclass(frozen=True)
class Weibull:
    """Above ``x`` with chance ``exp(-(x / scale) ** shape)``; ``scale`` ≥ 0, ``shape`` ≥ 0.1.

    A ``shape`` below 1 is of what mostly fails early, above 1 of what wears out; 1 is an `Exponential`.

    >>> Weibull(900, shape=1.5)
    Weibull(scale=900, shape=1.5)
    """

    scale: float
    shape: float

    def __post_init__(self) -> None:
        check("Weibull", self, PARAMETERS)


def _recipe(u: W, scale: float, shape: float) -> W:
    return ((u.open_unit().log() * -1.0).log() / shape).exp() * scale


def _median(given: Weibull) -> float:
    return given.scale * exp1_(_LOG_LOG_2 / given.shape)


FAMILY = Family(
    make=Weibull,
    parameters=PARAMETERS,
    array=weibullvariate,
    scalar=weibullvariate1,
    native="parameters",
    table=None,
    recipe=_recipe,
    typical=_median,
    is_monotone=True,
)
