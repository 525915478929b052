"""`Beta`: shares."""

from __future__ import annotations

from dataclasses import dataclass

from deep_faker.draws.distributions.family import Family, Number, Parameter, W, check
from deep_faker.draws.distributions.gamma import log_gamma, log_gamma1
from deep_faker.draws.exact import exp1_, exp_
from deep_faker.draws.mix import F64, U64, mix, mix1

PARAMETERS = (Parameter("alpha", least=0.001), Parameter("beta", least=0.001))
OTHER = 0x6F74686572  # what the draw of the second gamma variate is for


@dataclass(frozen=True)
class Beta:
    """A share from 0 to 1 with mean ``alpha / (alpha + beta)``.

    >>> Beta(2, 5)
    Beta(alpha=2, beta=5)
    """

    alpha: float
    beta: float

    def __post_init__(self) -> None:
        check("Beta", self, PARAMETERS)


def beta(u: U64, alpha: Number, beta: Number) -> F64:
    """Beta variates in [0, 1], of two gamma variates."""
    other = log_gamma(mix(OTHER, u), beta)
    return 1.0 / (1.0 + exp_(other - log_gamma(u, alpha)))


def beta1(u: int, alpha: float, beta: float) -> float:
    """The twin of `beta`."""
    other = log_gamma1(mix1(OTHER, u), beta)
    return 1.0 / (1.0 + exp1_(other - log_gamma1(u, alpha)))


def _recipe(u: W, alpha: float, beta: float) -> W:
    return 1.0 / ((u.again(OTHER).log_gamma(beta) - u.log_gamma(alpha)).exp() + 1.0)


FAMILY = Family(
    make=Beta,
    parameters=PARAMETERS,
    array=beta,
    scalar=beta1,
    native="parameters",
    table=None,
    recipe=_recipe,
    typical=lambda _: 1.0,
)
