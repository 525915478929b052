"""All distributions, by what they are called inside: the one table that the others are made from."""

from __future__ import annotations

from typing import get_args

# One by one, not what lies in the folder: these imports tell whether a compiled kernel is stale.
from deep_faker.draws.distributions.beta import Beta
from deep_faker.draws.distributions.choice import Choice
from deep_faker.draws.distributions.exponential import Exponential
from deep_faker.draws.distributions.family import Family, complete, family_of_class
from deep_faker.draws.distributions.gamma import Gamma
from deep_faker.draws.distributions.lognormal import LogNormal
from deep_faker.draws.distributions.mixture import Mixture
from deep_faker.draws.distributions.normal import Normal
from deep_faker.draws.distributions.pareto import Pareto
from deep_faker.draws.distributions.poisson import Poisson
from deep_faker.draws.distributions.truncated import Truncated
from deep_faker.draws.distributions.uniform import Uniform
from deep_faker.draws.distributions.weibull import Weibull
from deep_faker.draws.distributions.zipf import Zipf

__all__ = [
    "FAMILIES",
    "PARAMETERS",
    "Beta",
    "Choice",
    "Distribution",
    "Exponential",
    "Gamma",
    "LogNormal",
    "Mixture",
    "Normal",
    "Pareto",
    "Poisson",
    "Truncated",
    "Uniform",
    "Weibull",
    "Zipf",
    "family_of",
]

Distribution = (
    Exponential
    | LogNormal
    | Uniform
    | Normal
    | Gamma
    | Beta
    | Poisson
    | Zipf
    | Pareto
    | Weibull
    | Choice
    | Truncated
    | Mixture
)


def _family(make: type[object]) -> Family:
    family = family_of_class(make)
    if family is None:
        raise TypeError(f"the distribution {make.__name__} has no FAMILY in {make.__module__}")
    return complete(family)


FAMILIES = {family.kind: family for family in map(_family, get_args(Distribution))}
PARAMETERS = {kind: family.make.__match_args__ for kind, family in FAMILIES.items()}


def family_of(distribution: Distribution) -> Family:
    """The row of a distribution that somebody made.

    >>> family_of(Zipf(1.0, 10)).native
    'counts'
    """
    return next(family for family in FAMILIES.values() if isinstance(distribution, family.make))
