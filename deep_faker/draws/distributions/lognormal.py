"""`LogNormal`: what comes about by many factors."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, InitVar, dataclass

from deep_faker.draws.distributions import normal
from deep_faker.draws.distributions.family import Family, Parameter, W, check, check_number, refused
from deep_faker.draws.random_module import lognormvariate, lognormvariate1

_LARGEST = 709  # exp of more is no float
PARAMETERS = (Parameter("mu"), Parameter("sigma", least=0))


@dataclass(frozen=True)
class LogNormal:
    """``exp`` of a normal variable with mean ``mu`` and standard deviation ``sigma`` ≥ 0.

    The median may be given as a time instead of ``mu``, which is in seconds then; ``sigma`` is 1 where it is
    not given beside it.

    >>> LogNormal(mu=3.0, sigma=0.5), LogNormal(seconds=1, sigma=0.5)
    (LogNormal(mu=3.0, sigma=0.5), LogNormal(mu=0.0, sigma=0.5))
    """

    mu: float = None  # type: ignore[assignment]  # never, once it is made
    sigma: float = None  # type: ignore[assignment]  # as above
    _: KW_ONLY
    seconds: InitVar[float | None] = None
    minutes: InitVar[float | None] = None
    hours: InitVar[float | None] = None
    days: InitVar[float | None] = None

    def __post_init__(
        self, seconds: float | None, minutes: float | None, hours: float | None, days: float | None
    ) -> None:
        times = ((1, seconds), (60, minutes), (3600, hours), (86_400, days))
        given = [(unit, time) for unit, time in times if time is not None]
        if len(given) + (self.mu is not None) != 1:
            label = "its mu, or its median as a time, is given not once"
            raise refused("LogNormal", label, "write LogNormal(3, 0.5), or LogNormal(minutes=2)")
        for unit, time in given:
            check_number("LogNormal", "median", time, least=1e-9)
            object.__setattr__(self, "mu", math.log(unit * time))
            object.__setattr__(self, "sigma", 1.0 if getattr(self, "sigma", None) is None else self.sigma)
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
