"""Factors of a time that is named: a campaign or an outage, and growth."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import numpy as np

from deep_faker.declare.seasons.base import HOUR, Season, checked, refused
from deep_faker.declare.seasons.zones import Zone
from deep_faker.draws.mix import F64, I64
from deep_faker.errors import shown
from deep_faker.times import format_duration, format_instant, parse_duration, parse_instant


@dataclass(frozen=True)
class Window(Season):
    """A time in which a rate is ``factor`` times what it is else: a campaign, an outage (``factor=0``).

    From ``start`` to before ``end``: ISO 8601 texts or datetimes; without an offset of their own they are
    local to ``tz`` (UTC).

    Raises `DeclarationError` for instants that cannot be read or are the wrong way round.

    >>> Window("2024-11-29", "2024-12-02", 3)
    Window('2024-11-29T00:00:00', '2024-12-02T00:00:00', 3)
    """

    start: Any  # µs since the epoch, once it is made; before, as the user writes it
    end: Any
    factor: float
    tz: str | None = None

    def __post_init__(self) -> None:
        checked("Window", "factor", self.factor)
        zone = Zone(self.tz)
        start, end = (instant(getattr(self, name), name, zone) for name in ("start", "end"))
        if start >= end:
            label = f"start={shown(self.start)} is not before end={shown(self.end)}"
            raise refused("Window", label, "give the earlier instant first")
        object.__setattr__(self, "start", start)
        object.__setattr__(self, "end", end)

    def __repr__(self) -> str:
        return f"Window({format_instant(self.start)!r}, {format_instant(self.end)!r}, {self.factor:g})"

    def edges(self, begin: int, end: int) -> I64:
        """Its two ends."""
        del begin, end
        return np.array([self.start, self.end])

    def settles(self) -> bool:
        """After its end."""
        return True

    def factors(self, at: I64, begin: int) -> F64:
        """The factor within, 1 outside."""
        del begin
        return np.where((at >= self.start) & (at < self.end), float(self.factor), 1.0)


@dataclass(frozen=True)
class Trend(Season):
    """Growth or decline: ``factor`` times as much after each time ``over``, step by step from hour to hour.

    It is 1 at ``since``, the run's start where nothing is said.

    >>> Trend(1.2, over="365d")
    Trend(1.2, over='52w1d')
    """

    factor: float
    over: Any = "365d"  # µs, once it is made
    since: Any = None  # µs since the epoch, once it is made

    def __post_init__(self) -> None:
        checked("Trend", "factor", self.factor, above_zero=True)
        object.__setattr__(self, "over", parse_duration(self.over, "over"))
        if self.since is not None:
            object.__setattr__(self, "since", instant(self.since, "since", Zone()))

    def __repr__(self) -> str:
        since = "" if self.since is None else f", since={format_instant(self.since)!r}"
        return f"Trend({self.factor:g}, over={format_duration(self.over)!r}{since})"

    def edges(self, begin: int, end: int) -> I64:
        """Each full hour."""
        return Zone().ticks(begin, end, HOUR)

    def factors(self, at: I64, begin: int) -> F64:
        """What it is in the middle of the hour."""
        since = begin if self.since is None else self.since
        middle = at // HOUR * HOUR + HOUR // 2
        with np.errstate(over="ignore"):
            out: F64 = float(self.factor) ** ((middle - since) / self.over)
        return out


def instant(value: object, name: str, zone: Zone) -> int:
    """µs since the epoch; what has no offset of its own is local."""
    if value == "now":
        raise refused(name, f"{name}='now'", "give an instant that stays: an ISO 8601 text or a datetime")
    micros = parse_instant(value, name)
    moment = value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(str(value))
    return zone.utc(micros) if moment.tzinfo is None else micros
