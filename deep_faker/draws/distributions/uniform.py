"""`Uniform`: between two bounds, evenly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deep_faker.draws.distributions.family import Family, Numbers, Parameter, W, check, refused
from deep_faker.draws.random_module import uniform, uniform1

PARAMETERS = (Parameter("low", least_wait=0), Parameter("high", least_wait=0))


@dataclass(frozen=True)
class Uniform:
    """Evenly between ``low`` and ``high``, ``low`` ≤ ``high``.

    >>> Uniform(5, 10)
    Uniform(low=5, high=10)
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        check("Uniform", self, PARAMETERS)
        if self.high < self.low:
            raise refused("Uniform", f"high={self.high} < low={self.low}", "give the smaller bound first")


def _recipe(u: W, low: float, high: float) -> W:
    return u.unit() * (high - low) + low


def _in_order(columns: Sequence[Numbers]) -> bool:
    return not (columns[1] < columns[0]).any()


FAMILY = Family(
    make=Uniform,
    parameters=PARAMETERS,
    array=uniform,
    scalar=uniform1,
    native="parameters",
    table=None,
    recipe=_recipe,
    typical=lambda given: given.low / 2 + given.high / 2,
    is_plain=_in_order,
    is_monotone=True,
)
