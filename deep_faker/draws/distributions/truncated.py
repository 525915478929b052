"""`Truncated`: another distribution, where its values lie between two bounds.

Where a greater draw gives a greater value (or a smaller one), the draws whose values lie between the bounds
are a range: it is found once, and draws are taken from it. Others (`Gamma`, `Beta`) draw again until a value
fits.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from deep_faker.draws.distributions.family import (
    Family,
    Numbers,
    Parameter,
    W,
    check_number,
    family_of_class,
    parameters_of,
    refused,
    wrong_as_wait,
)
from deep_faker.draws.mix import MASK, U64, below, below1, mix, mix1

AGAIN = 0x7472756E63  # what further draws are for; any number that nothing else has would do
_LEAST = 1e-6  # of all draws: of fewer, too few different values are left
_TRIED, _FITTING = 1000, 10  # draws that are tried of what draws again, and how many have to fit


@dataclass(frozen=True)
class Truncated:
    """A distribution between bounds, as if it was drawn again until the value fits: ``low <= value <= high``.

    ``of`` is any distribution of numbers but a `Mixture` (truncate its parts) and a `Choice`.
    Raises `DeclarationError` for bounds between which hardly any value lies: less than one in a million, or
    less than 1 % of a `Gamma` or `Beta`.

    >>> from deep_faker import Normal, Poisson
    >>> Truncated(Normal(40, 15), 18, 90)
    Truncated(of=Normal(mean=40, sd=15), low=18, high=90)
    >>> Truncated(Poisson(2), low=1).high is None
    True
    """

    of: Any
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        family = family_of_class(type(self.of))
        if family is None or family.native in ("places", "steps"):
            mend = "give a distribution of numbers, such as Normal(40, 15); a Mixture takes truncated parts"
            raise refused("Truncated", f"got {self.of!r}", mend)
        for name, bound in (("low", self.low), ("high", self.high)):
            if bound is not None:
                check_number("Truncated", name, bound)
        if self.low is None and self.high is None:
            raise refused("Truncated", "it has no bound", "give low=, high= or both")
        low, high = _bounds(self.low, self.high)
        if not low < high:
            raise refused("Truncated", f"low={self.low!r}, high={self.high!r}", "low is less than high")
        if family.is_monotone:
            scarce = draws_between(self.of, low, high)[1] < _LEAST * 2.0**64
        else:
            values = family.array(mix(AGAIN, np.arange(_TRIED, dtype=np.uint64)), *parameters_of(self.of))
            scarce = int(((values >= low) & (values <= high)).sum()) < _FITTING
        if scarce:
            label = f"hardly any value of {self.of!r} lies from {low:g} to {high:g}"
            raise refused("Truncated", label, "give wider bounds, or a distribution that lies there")


def _bounds(low: float | None, high: float | None) -> tuple[float, float]:
    return -math.inf if low is None else float(low), math.inf if high is None else float(high)


@lru_cache(maxsize=256)
def draws_between(of: Any, low: float, high: float) -> tuple[int, int]:
    """The first draw whose value lies between the bounds, and how many do (less than 2**64).

    >>> from deep_faker import Uniform
    >>> first, count = draws_between(Uniform(0, 1), 0.5, 0.75)
    >>> first == 2**63, round(count / 2**64, 6)
    (True, 0.25)
    """
    family = family_of_class(type(of))
    assert family is not None
    assert family.is_monotone
    parameters = parameters_of(of)

    def value(u: int) -> float:
        return float(family.scalar(u, *parameters))

    if value(0) <= value(MASK):
        first, end = _first(lambda u: value(u) >= low), _first(lambda u: value(u) > high)
    else:
        first, end = _first(lambda u: value(u) <= high), _first(lambda u: value(u) < low)
    return first, min(max(end - first, 0), MASK)


def _first(fits: Any) -> int:
    """The first draw that fits, as do all after it; 2**64 where none does."""
    low, high = 0, MASK + 1
    while low < high:
        middle = (low + high) // 2
        if fits(middle):
            high = middle
        else:
            low = middle + 1
    return low


def truncated(u: U64, of: Any, low: float | None, high: float | None) -> Numbers:
    """Values between the bounds."""
    family, (least, most) = family_of_class(type(of)), _bounds(low, high)
    assert family is not None
    parameters = parameters_of(of)
    if family.is_monotone:
        first, count = draws_between(of, least, most)
        values: Numbers = family.array(below(u, count) + np.uint64(first), *parameters)
        if values.dtype.kind != "i":  # rounding may carry one over its bound
            values = np.where(values < least, least, np.where(values > most, most, values))
        return values
    out = np.empty(len(u))
    left, attempt = np.arange(len(u)), 0
    while len(left):  # 1 % or more are done in each round
        values = family.array(mix(AGAIN, u[left], attempt), *parameters)
        fits = (values >= least) & (values <= most)
        out[left[fits]] = values[fits]
        left, attempt = left[~fits], attempt + 1
    return out


def truncated1(u: int, of: Any, low: float | None, high: float | None) -> float:
    """The twin of `truncated`.

    >>> from deep_faker import Poisson
    >>> truncated1(0, Poisson(2), 1, None)
    1
    """
    family, (least, most) = family_of_class(type(of)), _bounds(low, high)
    assert family is not None
    parameters = parameters_of(of)
    value: float
    if family.is_monotone:
        first, count = draws_between(of, least, most)
        value = family.scalar(below1(u, count) + first, *parameters)
        return value if isinstance(value, int) else _within(value, least, most)
    attempt = 0
    while True:
        value = family.scalar(mix1(AGAIN, u, attempt), *parameters)
        if least <= value <= most:
            return value
        attempt += 1


def _within(value: float, least: float, most: float) -> float:
    return least if value < least else min(value, most)


def _recipe(u: W, of: Any, low: float | None, high: float | None) -> W | None:
    family = family_of_class(type(of))
    if family is None or family.recipe is None or not family.is_monotone:
        return None
    least, most = _bounds(low, high)
    word: W = family.recipe(u.between(*draws_between(of, least, most)), *parameters_of(of))
    return word if family.native == "counts" else word.clipped(least, most)


def _typical(given: Truncated) -> float:
    family = family_of_class(type(given.of))
    assert family is not None
    least, most = _bounds(given.low, given.high)
    return min(max(family.typical(given.of), least), most)


def _wrong_wait(given: Truncated) -> str | None:
    if given.low is not None and given.low >= 0:
        return None
    return wrong_as_wait(given.of)


def _written(params: Sequence[Any], _computed: Collection[int]) -> str:
    of, low, high = params
    below = "" if high is None else f" to {high}"
    return f"{of!r}{'' if low is None else f', from {low}'}{below}"


FAMILY = Family(
    make=Truncated,
    parameters=(Parameter("of"), Parameter("low"), Parameter("high")),
    array=truncated,
    scalar=truncated1,
    native="steps",
    table=None,
    recipe=_recipe,
    typical=_typical,
    written=_written,
    wrong_wait=_wrong_wait,
)
