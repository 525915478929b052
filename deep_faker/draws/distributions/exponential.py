"""`Exponential`: waits for what happens at any moment alike."""

from __future__ import annotations

from dataclasses import KW_ONLY, InitVar, dataclass

from deep_faker.draws.distributions.family import Family, Number, Parameter, W, check, check_number, refused
from deep_faker.draws.mix import F64, U64
from deep_faker.draws.random_module import expovariate, expovariate1

PARAMETERS = (Parameter("mean", least=0),)


@dataclass(frozen=True)
class Exponential:
    """Times between events of a memoryless process: density ``exp(-x/mean)/mean``, ``mean`` ≥ 0.

    The mean may be given as a time, which is in seconds then: ``Exponential(days=7)``.

    >>> Exponential(30), Exponential(minutes=1.5)
    (Exponential(mean=30), Exponential(mean=90.0))
    """

    mean: float = None  # type: ignore[assignment]  # never, once it is made
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
        if len(given) + (self.mean is not None) != 1:
            raise refused("Exponential", "its mean is given not once", "write Exponential(30), or days=7")
        for unit, time in given:
            check_number("Exponential", "mean", time)
            object.__setattr__(self, "mean", unit * time)
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
    is_monotone=True,
)
