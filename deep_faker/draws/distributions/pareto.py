"""`Pareto`: mostly little, sometimes a lot."""

from __future__ import annotations

from dataclasses import dataclass

from deep_faker.draws.distributions.family import Family, Number, Parameter, W, check
from deep_faker.draws.mix import F64, U64
from deep_faker.draws.random_module import paretovariate, paretovariate1

PARAMETERS = (Parameter("shape", least=0.1), Parameter("minimum", least=0))


@dataclass(frozen=True)
class Pareto:
    """``minimum`` or more, above ``x`` with chance ``(minimum / x) ** shape``; ``shape`` ≥ 0.1.

    >>> Pareto(1.16, minimum=10)
    Pareto(shape=1.16, minimum=10)
    """

    shape: float
    minimum: float = 1.0

    def __post_init__(self) -> None:
        check("Pareto", self, PARAMETERS)


def pareto(u: U64, shape: Number, minimum: Number) -> F64:
    """Pareto variates: ``minimum`` or more."""
    return paretovariate(u, shape) * minimum


def pareto1(u: int, shape: float, minimum: float) -> float:
    """The twin of `pareto`."""
    return paretovariate1(u, shape) * minimum


def _recipe(u: W, shape: float, minimum: float) -> W:
    return (u.open_unit().log() * -1.0 / shape).exp() * minimum


FAMILY = Family(
    make=Pareto,
    parameters=PARAMETERS,
    array=pareto,
    scalar=pareto1,
    native="parameters",
    table=None,
    recipe=_recipe,
    typical=lambda given: given.minimum,
    is_monotone=True,
)
