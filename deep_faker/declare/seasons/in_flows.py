"""The factor of a season at a flow's clock: ``ctx.season(evening)``."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np

from deep_faker.declare.seasons.base import DAY, Product, Season, curve_of
from deep_faker.draws.curves import Curve
from deep_faker.errors import DeclarationError, Diagnostic, shown
from deep_faker.spans import Span, caller_span
from deep_faker.times import EPOCH, MICROSECOND, to_datetime

_BEYOND = 31 * DAY  # how long after the last start flows are thought to go on, at least
_MOST_CELLS = 1 << 18


@dataclass(frozen=True, eq=False)
class FactorNow:
    """The factor of a season at instants, in a run whose flows start from ``begin`` to ``last`` (µs).

    All engines ask here: up to some time after the last start by a table, later by the season itself.

    >>> from deep_faker.seasons import Window
    >>> now = FactorNow(Window("2024-01-02", "2024-01-03", 3), 1_704_067_200_000_000, 1_704_240_000_000_000)
    >>> now(dt.datetime(2024, 1, 2, 5)), now(dt.datetime(2024, 6, 1))
    (3.0, 1.0)
    """

    season: Season
    begin: int
    last: int
    end: int = field(init=False)
    curve: Curve = field(init=False, compare=False)

    def __post_init__(self) -> None:
        end = self.last + max(_BEYOND, self.last - self.begin)
        object.__setattr__(self, "end", end)
        object.__setattr__(self, "curve", curve_of(self.season, self.begin, end))

    def __call__(self, clock: dt.datetime) -> float:
        """The factor at an instant, naive UTC."""
        at = np.array([(clock - EPOCH) // MICROSECOND])
        factors = self.curve.at(at) if at[0] < self.end else self.season.factors(at, self.begin)
        return float(factors[0])

    def zoned(self, clock: dt.datetime, tz: str) -> float:
        """The same, where what says no time zone of its own is in ``tz``."""
        at = np.array([(clock - EPOCH) // MICROSECOND])
        return float(in_zone(self.season, tz).factors(at, self.begin)[0])

    def for_good(self) -> float | None:
        """The factor from ``end`` on, where it does not change any more; None: it does."""
        if not self.season.settles() or (self.season.edges(self.begin, self.end) > self.end).any():
            return None
        return float(self.season.factors(np.array([self.end]), self.begin)[0])

    def cells(self) -> tuple[dt.datetime, dt.timedelta, tuple[float, ...]] | None:
        """The factors up to ``end``: since when, of how long cells, in order; None: of too many cells."""
        changes = self.curve.since[1:].tolist()
        step = math.gcd(*changes) if changes else self.end
        first = self.begin // step
        count = -(-self.end // step) - first
        if count > _MOST_CELLS:
            return None
        starts = (first + np.arange(count)) * step
        levels = tuple(self.curve.at(starts).tolist())
        return to_datetime(first * step), step * MICROSECOND, levels


@lru_cache(maxsize=1024)
def in_zone(season: Season, tz: str) -> Season:
    """A season whose parts without a time zone are in this one.

    >>> from deep_faker.seasons import Weekly
    >>> in_zone(Weekly([1, 1, 1, 1, 1, 2, 2]), "Asia/Tokyo").tz
    'Asia/Tokyo'
    """
    if isinstance(season, Product):
        return Product(tuple(in_zone(part, tz) for part in season.parts))
    named = any(each.name == "tz" for each in fields(season))  # type: ignore[arg-type]  # all are data classes
    if not named or getattr(season, "tz", None) is not None or hasattr(season, "start"):
        return season  # the ends of a window are instants
    changed: Any = replace(season, tz=tz)  # type: ignore[type-var]  # as above
    return changed  # type: ignore[no-any-return]  # a season, as it was


def check_season(season: object, span: Span | None = None) -> Season:
    """Refuse what is no season. Raises `DeclarationError`."""
    if isinstance(season, Season):
        return season
    mend = "give one of deep_faker.seasons: ctx.season(Daily([…]))"
    where = caller_span() if span is None else span
    raise DeclarationError(Diagnostic("no season", where, f"got {shown(season)}", mend))
