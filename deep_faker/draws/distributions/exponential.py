"""`Exponential`: waits for what happens at any moment alike."""

from __future__ import annotations

from dataclasses import dataclass

from deep_faker.draws.distributions.family import Family, Number, Parameter, W, check
from deep_faker.draws.mix import F64, U64
from deep_faker.draws.random_module import expovariate, expovariate1

PARAMETERS = (Parameter("mean", least=0),)


@dataclass(frozen=True)
class Exponential:
    """Times between events of a memoryless process: density ``exp(-x/mean)/mean``, ``mean`` ≥ 0.

    >>> Exponential(30)
    Exponential(mean=30)
    """

    mean: float

    def __post_init__(self) -> None:
        check("Exponential", self, PARAMETERS)


def exponential(u: U64, mean: Number) -> F64:
    """Exponential variates."""
    return expovariate(u) * mean


def exponential1(u: int, mean: float) -> float:
    """The twin of `exponential`."""
    return expovariate1(u) * mean


def _recipe(u: W, mean: float) -> W:
    return u.open_unit().log() * -1.0 * mean


FAMILY = Family(
    make=Exponential,
    parameters=PARAMETERS,
    array=exponential,
    scalar=exponential1,
    native="parameters",
    table=None,
    recipe=_recipe,
    typical=lambda given: given.mean,
)
