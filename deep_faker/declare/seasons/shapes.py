"""Shapes of a day, a week, a year. They average 1, so that a rate stays what it is on average."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from deep_faker.declare.seasons.base import DAY, HOUR, Season, checked, refused
from deep_faker.declare.seasons.zones import Zone
from deep_faker.draws.mix import F64, I64
from deep_faker.errors import shown

_MONTHS = np.array([31, 28.2425, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])  # days, in the mean of 400 years
_THURSDAY = 3  # the epoch's day, where Monday is 0


@dataclass(frozen=True)
class _Shape(Season):
    """Weights of the parts of a period, in local time. What counts is how they compare."""

    weights: Sequence[float]
    tz: str | None = None

    _COUNTS: ClassVar[tuple[int, ...]] = ()
    _MEND: ClassVar[str] = ""

    def __post_init__(self) -> None:
        name = type(self).__name__
        try:
            weights = tuple(self.weights)
        except TypeError:
            raise refused(name, f"got {shown(self.weights)}", self._MEND) from None
        if len(weights) not in self._COUNTS:
            raise refused(name, f"got {len(weights)} weights", self._MEND)
        numbers = tuple(checked(name, f"weights[{i}]", weight) for i, weight in enumerate(weights))
        if not any(numbers):
            raise refused(name, "all weights are 0", "give one above 0 at least")
        object.__setattr__(self, "weights", numbers)
        Zone(self.tz)

    def __repr__(self) -> str:
        numbers = ", ".join(f"{weight:g}" for weight in self.weights[:4])
        return f"{type(self).__name__}([{numbers}{', …' if len(self.weights) > 4 else ''}]{Zone(self.tz)})"

    def edges(self, begin: int, end: int) -> I64:
        """Where a part of the period begins."""
        return Zone(self.tz).ticks(begin, end, HOUR if len(self.weights) in (24, 168) else DAY)

    def factors(self, at: I64, begin: int) -> F64:
        """The weights, divided by their mean."""
        del begin
        weights = np.array(self.weights)
        out: F64 = (weights / self._mean(weights))[self._part(Zone(self.tz).local(at))]
        return out

    def _mean(self, weights: F64) -> float:
        return float(weights.mean())

    def _part(self, local: I64) -> I64:
        raise NotImplementedError


@dataclass(frozen=True, repr=False)
class Daily(_Shape):
    """The shape of a day: 24 weights, one for each hour from midnight on, in the time zone ``tz`` (UTC).

    Counts of your own data will do: what matters is how they compare, as they are divided by their mean.
    Where clocks are set forward, an hour is left out, and one comes twice where they are set back.

    Raises `DeclarationError` for anything but 24 numbers ≥ 0, for all 0, and for an unknown time zone.

    >>> Daily([1] * 8 + [3] * 16, tz="Europe/Berlin")
    Daily([1, 1, 1, 1, …], tz='Europe/Berlin')
    """

    _COUNTS: ClassVar[tuple[int, ...]] = (24,)
    _MEND = "give 24 weights, one for each hour of the day"

    def _part(self, local: I64) -> I64:
        return local // HOUR % 24


@dataclass(frozen=True, repr=False)
class Weekly(_Shape):
    """The shape of a week: 7 weights from Monday to Sunday, or 168, one for each hour from Monday 0:00 on.

    As with `Daily`: divided by their mean, in the time zone ``tz`` (UTC).

    >>> Weekly([1, 1, 1, 1, 1.2, 0.6, 0.5])
    Weekly([1, 1, 1, 1, …])
    """

    _COUNTS: ClassVar[tuple[int, ...]] = (7, 168)
    _MEND = "give 7 weights, Monday first, or 168, one for each hour of the week"

    def _part(self, local: I64) -> I64:
        if len(self.weights) == 168:
            return (local // HOUR + 24 * _THURSDAY) % 168
        return (local // DAY + _THURSDAY) % 7


@dataclass(frozen=True, repr=False)
class Yearly(_Shape):
    """The shape of a year: 12 weights, one for each month; divided by their mean over the year's days.

    >>> Yearly([1] * 10 + [1.5, 2.5])
    Yearly([1, 1, 1, 1, …])
    """

    _COUNTS: ClassVar[tuple[int, ...]] = (12,)
    _MEND = "give 12 weights, January first"

    def _mean(self, weights: F64) -> float:
        return float((weights * _MONTHS).sum() / _MONTHS.sum())

    def _part(self, local: I64) -> I64:
        return local.view("M8[us]").astype("M8[M]").astype(np.int64) % 12
