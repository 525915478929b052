"""`Holidays`: days on which less, or more, happens; those of a country by the `holidays` package."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deep_faker.declare.seasons.base import DAY, Season, checked, refused
from deep_faker.declare.seasons.zones import Zone
from deep_faker.draws.mix import F64, I64
from deep_faker.errors import shown
from deep_faker.times import to_datetime

_EPOCH = dt.date(1970, 1, 1).toordinal()


@dataclass(frozen=True)
class Holidays(Season):
    """The public holidays of a country: from midnight to midnight a rate is ``factor`` times what it is else.

    ``days`` is a country's code (``"DE"``, with ``region="BY"`` one of its parts), for which the package
    `holidays` must be installed: ``pip install "deep-faker[holidays]"``. Or it is a list of dates: ISO 8601
    texts or ``date``. Midnight is that of ``tz`` (UTC). Dates are worked out when the simulation is compiled,
    and are part of what a resumed run is held to.

    Raises `DeclarationError` for an unknown country or region, a date that is none, or without the package.

    >>> Holidays(["2024-12-25", "2024-12-26"], factor=0.3)
    Holidays(2 dates, factor=0.3)
    """

    days: Any
    factor: float
    region: str | None = None
    tz: str | None = None

    def __post_init__(self) -> None:
        checked("Holidays", "factor", self.factor)
        Zone(self.tz)
        if isinstance(self.days, str):
            _of_country(self.days, self.region, range(2024, 2025))
        elif self.region is not None:
            raise refused(
                "Holidays", f"region={shown(self.region)} of dates", "regions are those of a country"
            )
        else:
            object.__setattr__(self, "days", _dates(self.days))

    def __repr__(self) -> str:
        days = repr(self.days) if isinstance(self.days, str) else f"{len(self.days)} dates"
        region = "" if self.region is None else f", region={self.region!r}"
        return f"Holidays({days}, factor={self.factor:g}{region}{Zone(self.tz)})"

    def edges(self, begin: int, end: int) -> I64:
        """Each midnight."""
        return Zone(self.tz).ticks(begin, end, DAY)

    def factors(self, at: I64, begin: int) -> F64:
        """The factor on these days, 1 on others."""
        del begin
        local = Zone(self.tz).local(at) // DAY
        days = self.days
        if isinstance(days, str):
            first, last = (to_datetime(int(day) * DAY).year for day in (local[0], local[-1]))
            days = _of_country(days, self.region, range(first, last + 1))
        numbers = np.array([day.toordinal() - _EPOCH for day in days], np.int64)
        return np.where(np.isin(local, numbers), float(self.factor), 1.0)


def _of_country(country: str, region: str | None, years: range) -> Sequence[dt.date]:
    try:
        import holidays
    except ImportError:
        mend = 'pip install "deep-faker[holidays]", or give the dates: Holidays(["2024-12-25"], factor=…)'
        raise refused("Holidays", f"{country!r} asks for the package holidays", mend) from None
    try:
        return sorted(holidays.country_holidays(country, subdiv=region, years=years))
    except NotImplementedError as error:
        place = country if region is None else f"{country}, region={region}"
        mend = f"see the countries and regions of the package holidays ({str(error).rstrip('.')})"
        raise refused("Holidays", f"there is no {place}", mend) from None


def _dates(days: object) -> tuple[dt.date, ...]:
    mend = 'give a country\'s code, "DE", or dates: ["2024-12-25", …]'
    if not isinstance(days, (list, tuple, set, frozenset)):
        raise refused("Holidays", f"got {shown(days)}", mend)
    out = []
    for day in days:
        try:
            one = day if isinstance(day, dt.date) else dt.date.fromisoformat(day)
        except (TypeError, ValueError):
            raise refused("Holidays", f"{shown(day)} is no date", mend) from None
        out.append(one.date() if isinstance(one, dt.datetime) else one)
    return tuple(sorted(out))
