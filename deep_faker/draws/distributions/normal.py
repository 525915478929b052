"""`Normal`: around a mean; as waiting times cut at 0."""

from __future__ import annotations

from dataclasses import dataclass

from deep_faker.draws.distributions.family import Family, Parameter, W, check
from deep_faker.draws.random_module import normalvariate, normalvariate1

PARAMETERS = (Parameter("mean"), Parameter("sd", least=0))


@dataclass(frozen=True)
class Normal:
    """A normal variable with mean ``mean`` and standard deviation ``sd`` ≥ 0.

    >>> Normal(60, sd=15)
    Normal(mean=60, sd=15)
    """

    mean: float
    sd: float

    def __post_init__(self) -> None:
        check("Normal", self, PARAMETERS)


def recipe(u: W, mean: float, sd: float) -> W:
    """Normal variates as steps."""
    return u.open_unit().normal() * sd + mean


FAMILY = Family(
    make=Normal,
    parameters=PARAMETERS,
    array=normalvariate,
    scalar=normalvariate1,
    native="parameters",
    table=None,
    recipe=recipe,
    typical=lambda given: given.mean,
    is_monotone=True,
)
