"""Local time: which offset from UTC a time zone has when, for whole arrays of instants."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from deep_faker.declare.seasons.base import DAY, refused
from deep_faker.draws.mix import I64
from deep_faker.errors import shown
from deep_faker.times import EARLIEST, EPOCH, LATEST, MICROSECOND, to_datetime, to_micros

_PROBES = DAY // 2  # no zone changes its clocks twice in half a day


@dataclass(frozen=True)
class Zone:
    """A time zone by its name in the IANA database; None is UTC.

    Raises `DeclarationError` for one that does not exist.

    >>> berlin = Zone("Europe/Berlin")
    >>> hours = 1_711_839_600_000_000 + 3_600_000_000 * np.arange(3)  # 31 March 2024, 23:00 UTC and on
    >>> [str(to_datetime(at)) for at in berlin.local(hours).tolist()][:2]
    ['2024-03-31 00:00:00', '2024-03-31 01:00:00']
    """

    name: str | None = None

    def __post_init__(self) -> None:
        if self.name is None:
            return
        try:
            ZoneInfo(self.name)
        except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
            mend = 'name one of the IANA database, such as "Europe/Berlin"; without one it is UTC'
            if not _has_zones():
                mend = "this system has no time zones: pip install tzdata"
            raise refused("tz", f"tz={shown(self.name)}", mend) from None

    def offsets(self, begin: int, end: int) -> tuple[I64, I64]:
        """From which instants (the first is ``begin``) which offset holds, in µs east of UTC."""
        if self.name is None:
            return np.array([begin]), np.zeros(1, np.int64)
        since, offsets = _offsets(self.name, begin, end)
        return np.array(since), np.array(offsets)

    def local(self, at: I64) -> I64:
        """What clocks there show at these ascending instants, as µs since the epoch without a zone."""
        if self.name is None or not len(at):
            return at
        since, offsets = self.offsets(int(at[0]), int(at[-1]) + 1)
        out: I64 = at + offsets[np.searchsorted(since, at, side="right") - 1]
        return out

    def ticks(self, begin: int, end: int, every: int) -> I64:
        """The instants at which clocks there show a multiple of ``every`` µs, or are set."""
        since, offsets = self.offsets(begin, end)
        out = [since]
        for first, last, offset in zip(
            since.tolist(), [*since[1:].tolist(), end], offsets.tolist(), strict=True
        ):
            out.append(np.arange(-(-(first + offset) // every) * every, last + offset, every) - offset)
        return np.concatenate(out)

    def utc(self, local: int) -> int:
        """The first instant at which clocks there show that much, or would have had they not been set."""
        if self.name is None:
            return local
        return to_micros(to_datetime(local).replace(tzinfo=ZoneInfo(self.name)))

    def __str__(self) -> str:
        return "" if self.name is None else f", tz={self.name!r}"


@lru_cache(maxsize=64)
def _offsets(name: str, begin: int, end: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    zone = ZoneInfo(name)
    since, offsets = [begin], [_offset(zone, begin)]
    at = begin
    while at < end:
        following = min(at + _PROBES, end)
        offset = _offset(zone, following)
        if offset != offsets[-1]:
            low, high = at, following  # the old one holds at low, the new one at high
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if _offset(zone, middle) == offset else (middle, high)
            since.append(high)
            offsets.append(offset)
        at = following
    return tuple(since), tuple(offsets)


def _offset(zone: ZoneInfo, at: int) -> int:
    # a day from the calendar's ends there is no room for an offset
    at = min(max(at, EARLIEST + DAY), LATEST - DAY)
    moment = (EPOCH + dt.timedelta(microseconds=at)).replace(tzinfo=dt.UTC).astimezone(zone)
    offset = moment.utcoffset()
    return 0 if offset is None else offset // MICROSECOND


def _has_zones() -> bool:
    try:
        ZoneInfo("Europe/London")
    except ZoneInfoNotFoundError:
        return False
    return True
