"""Faker's methods of times and dates, by column, relative to the start of the simulation.

Bounds such as "-30y" are read by Faker itself with its clock set to the start.  A pool would have at most
10,000 instants; here every microsecond between the bounds can be drawn.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deep_faker.values.base import Place, Values
from deep_faker.values.family import Making, family
from deep_faker.values.library.libraries import at, faker_generator
from deep_faker.values.numbers import Uniform
from deep_faker.values.times import (
    DAY,
    EPOCH,
    SECOND,
    Clocks,
    ClockTexts,
    Days,
    DayTexts,
    Instants,
    IsoTexts,
    Now,
    instant,
)

if TYPE_CHECKING:
    from faker.providers.date_time import Provider as FakerTimes
    from faker.typing import DateParseType as Bound  # "-30y", "now", a date, a span

# Directives of strftime that depend on the day only, and on the time of day in seconds only.
_OF_DAY = frozenset("YmdyaAbBjUWwuGVxCeDFh%")
_OF_CLOCK = frozenset("HMSIpXrRT%")
_LONGEST = 400_000  # entries of a dictionary of texts
Zone = dt.tzinfo | None  # Faker's; the values are naive, so that one with a zone is no column


def _micros(moment: dt.datetime) -> int:
    return (moment - EPOCH) // dt.timedelta(microseconds=1)


def _parsed(place: Place, value: Bound | None, default: int) -> int:
    """A bound as Faker reads it, in seconds, then in microseconds."""
    if value is None:
        return default * SECOND
    with _faker_times(place) as times:
        return int(times._parse_date_time(value)) * SECOND  # noqa: SLF001 - what reads bounds is private


def _parsed_day(place: Place, value: Bound) -> int:
    with _faker_times(place) as times:
        day = times._parse_date(value)  # noqa: SLF001
    return (day - EPOCH.date()).days * DAY


@contextmanager
def _faker_times(place: Place) -> Iterator[FakerTimes]:
    """What reads bounds for Faker, while its clock stands at the start."""
    from faker.providers.date_time import ParseError, Provider

    times = faker_generator(None).provider("faker.providers.date_time")
    assert isinstance(times, Provider)
    with at(place.start_micros):
        try:
            yield times
        except ParseError as error:
            raise ValueError(str(error)) from error


def _now(place: Place) -> int:
    """The start in whole seconds, as Faker's clock has it."""
    return place.start_micros // SECOND


@family("now", source="ours")
def now(ctx: Making) -> Values:
    """The clock of the flow at the event (of the library's ``now`` there is none)."""
    return Now(ctx.place)


@family("date_time.unix_time", anywhere=True)
def unix_time(
    ctx: Making, *, end_datetime: Bound | None = None, start_datetime: Bound | None = None
) -> Values:
    low, high = _parsed(ctx.place, start_datetime, 0), _parsed(ctx.place, end_datetime, _now(ctx.place))
    return Uniform(ctx.place, float(low // SECOND), float(high // SECOND))


@family("date_time.date_time", anywhere=True)
def date_time(ctx: Making, *, tzinfo: Zone = None, end_datetime: Bound | None = None) -> Values | None:
    """Instants from 1970 to the start."""
    return None if tzinfo else Instants(ctx.place, 0, _parsed(ctx.place, end_datetime, _now(ctx.place)))


@family("date_time.date_time_ad", anywhere=True)
def date_time_ad(
    ctx: Making,
    *,
    tzinfo: Zone = None,
    end_datetime: Bound | None = None,
    start_datetime: Bound | None = None,
) -> Values | None:
    low = _parsed(ctx.place, start_datetime, -62_135_596_800)
    high = _parsed(ctx.place, end_datetime, _now(ctx.place))
    return None if tzinfo else Instants(ctx.place, low, high)


@family("date_time.date_time_between", anywhere=True)
def date_time_between(
    ctx: Making, *, start_date: Bound = "-30y", end_date: Bound = "now", tzinfo: Zone = None
) -> Values | None:
    """Instants between two bounds, such as "-30y" and "now"."""
    low, high = (_parsed(ctx.place, bound, 0) for bound in (start_date, end_date))
    return None if tzinfo else Instants(ctx.place, low, high)


@family("date_time.date_time_between_dates", anywhere=True)
def date_time_between_dates(
    ctx: Making,
    *,
    datetime_start: Bound | None = None,
    datetime_end: Bound | None = None,
    tzinfo: Zone = None,
) -> Values | None:
    low, high = (_parsed(ctx.place, value, _now(ctx.place)) for value in (datetime_start, datetime_end))
    return None if tzinfo else Instants(ctx.place, low, high)


@family("date_time.future_datetime", anywhere=True)
def future_datetime(ctx: Making, *, end_date: Bound = "+30d", tzinfo: Zone = None) -> Values | None:
    return date_time_between(ctx, start_date="+1s", end_date=end_date, tzinfo=tzinfo)


@family("date_time.past_datetime", anywhere=True)
def past_datetime(ctx: Making, *, start_date: Bound = "-30d", tzinfo: Zone = None) -> Values | None:
    return date_time_between(ctx, start_date=start_date, end_date="-1s", tzinfo=tzinfo)


@family("date_time.date_between", anywhere=True)
def date_between(ctx: Making, *, start_date: Bound = "-30y", end_date: Bound = "today") -> Values:
    """Dates between two bounds."""
    return Days(ctx.place, _parsed_day(ctx.place, start_date), _parsed_day(ctx.place, end_date))


@family("date_time.date_between_dates", anywhere=True)
def date_between_dates(
    ctx: Making, *, date_start: Bound | None = None, date_end: Bound | None = None
) -> Values:
    return Days(
        ctx.place,
        _parsed(ctx.place, date_start, _now(ctx.place)),
        _parsed(ctx.place, date_end, _now(ctx.place)),
    )


@family("date_time.future_date", anywhere=True)
def future_date(ctx: Making, *, end_date: Bound = "+30d") -> Values:
    return date_between(ctx, start_date="+1d", end_date=end_date)


@family("date_time.past_date", anywhere=True)
def past_date(ctx: Making, *, start_date: Bound = "-30d", tzinfo: Zone = None) -> Values | None:
    return None if tzinfo else date_between(ctx, start_date=start_date, end_date="-1d")


@family("date_time.date_of_birth", anywhere=True)
def date_of_birth(
    ctx: Making, *, tzinfo: Zone = None, minimum_age: int = 0, maximum_age: int = 115
) -> Values | None:
    """Dates of birth of people of such an age at the start."""
    if tzinfo:
        return None
    if not 0 <= minimum_age <= maximum_age:
        raise ValueError(f"ages must be 0 <= minimum_age={minimum_age} <= maximum_age={maximum_age}")
    today = instant(ctx.place.start_micros).date()
    low, high = (_years_before(today, years) for years in (maximum_age + 1, minimum_age))
    return Days(ctx.place, low, high, not_first=True)


def _years_before(day: dt.date, years: int) -> int:
    try:
        moved = day.replace(year=day.year - years)
    except ValueError:  # February 29th
        moved = day.replace(month=3, day=1, year=day.year - years)
    return (moved - EPOCH.date()).days * DAY


_PERIODS: dict[str, Callable[[dt.datetime], tuple[dt.datetime, dt.datetime]]] = {
    "century": lambda d: (_year(d.year - d.year % 100), _year(d.year - d.year % 100 + 100)),
    "decade": lambda d: (_year(d.year - d.year % 10), _year(d.year - d.year % 10 + 10)),
    "year": lambda d: (_year(d.year), _year(d.year + 1)),
    "month": lambda d: (_month(d.year, d.month), _month(d.year + d.month // 12, d.month % 12 + 1)),
}


def _year(year: int) -> dt.datetime:
    return _month(min(year, dt.MAXYEAR), 1)


def _month(year: int, month: int) -> dt.datetime:
    return dt.datetime(year, month, 1)  # noqa: DTZ001


@family("date_time.date_time_this_century", anywhere=True, period="century")
@family("date_time.date_time_this_decade", anywhere=True, period="decade")
@family("date_time.date_time_this_year", anywhere=True, period="year")
@family("date_time.date_time_this_month", anywhere=True, period="month")
def _this_period(
    ctx: Making, *, period: str, before_now: bool = True, after_now: bool = False, tzinfo: Zone = None
) -> Values | None:
    first, last = (_micros(moment) for moment in _PERIODS[period](instant(ctx.place.start_micros)))
    # Faker gives now itself for neither, and whole seconds of it for a bound.
    middle = _now(ctx.place) * SECOND if before_now or after_now else ctx.place.start_micros
    if tzinfo:
        return None
    return Instants(ctx.place, first if before_now else middle, last if after_now else middle)


@family("date_time.date_this_century", anywhere=True, period="century")
@family("date_time.date_this_decade", anywhere=True, period="decade")
@family("date_time.date_this_year", anywhere=True, period="year")
@family("date_time.date_this_month", anywhere=True, period="month")
def _this_period_date(
    ctx: Making, *, period: str, before_today: bool = True, after_today: bool = False
) -> Values:
    first, last = (_micros(moment) for moment in _PERIODS[period](instant(ctx.place.start_micros)))
    today = ctx.place.start_micros // DAY * DAY
    return Days(ctx.place, first if before_today else today, last if after_today else today)


@family("date_time.date", anywhere=True)
@family("date_time.am_pm", anywhere=True, pattern="%p")
@family("date_time.day_of_month", anywhere=True, pattern="%d")
@family("date_time.day_of_week", anywhere=True, pattern="%A")
@family("date_time.month", anywhere=True, pattern="%m")
@family("date_time.month_name", anywhere=True, pattern="%B")
@family("date_time.year", anywhere=True, pattern="%Y")
def date(ctx: Making, *, pattern: str = "%Y-%m-%d", end_datetime: Bound | None = None) -> Values | None:
    """Texts of dates from 1970 to the start."""
    return _formatted(ctx.place, pattern, _parsed(ctx.place, end_datetime, _now(ctx.place)))


@family("date_time.time", anywhere=True)
def time(ctx: Making, *, pattern: str = "%H:%M:%S", end_datetime: Bound | None = None) -> Values | None:
    """Texts of times of day."""
    if not _uses_only(pattern, _OF_CLOCK):
        return None  # Faker formats a time without its date, which has defaults of its own
    return _formatted(ctx.place, pattern, _parsed(ctx.place, end_datetime, _now(ctx.place)))


@family("credit_card.credit_card_expire", anywhere=True)
def credit_card_expire(
    ctx: Making, *, start: Bound = "now", end: Bound = "+10y", date_format: str = "%m/%y"
) -> Values | None:
    """Texts of instants between two bounds."""
    return _formatted(ctx.place, date_format, _parsed(ctx.place, end, 0), _parsed(ctx.place, start, 0))


def _formatted(place: Place, pattern: str, high: int, low: int = 0) -> Values | None:
    def form(moment: dt.datetime) -> str:
        return moment.strftime(pattern)

    if _uses_only(pattern, _OF_CLOCK):
        return ClockTexts(place, low, high, form)
    if _uses_only(pattern, _OF_DAY) and abs(high - low) // DAY <= _LONGEST:
        return DayTexts(place, low, high, form)
    return None


def _uses_only(pattern: str, directives: frozenset[str]) -> bool:
    return all(directive in directives for directive in re.findall(r"%(.)", pattern))


@family("date_time.date_object", anywhere=True)
def date_object(ctx: Making, *, end_datetime: Bound | None = None) -> Values:
    return Days(ctx.place, 0, _parsed(ctx.place, end_datetime, _now(ctx.place)))


@family("date_time.time_object", anywhere=True)
def time_object(ctx: Making, *, end_datetime: Bound | None = None) -> Values:
    return Clocks(ctx.place, 0, _parsed(ctx.place, end_datetime, _now(ctx.place)))


@family("date_time.iso8601", anywhere=True)
def iso8601(
    ctx: Making,
    *,
    tzinfo: Zone = None,
    end_datetime: Bound | None = None,
    sep: str = "T",
    timespec: str = "auto",
) -> Values | None:
    """ISO 8601 texts of instants from 1970 to the start."""
    if tzinfo or timespec != "auto" or len(sep) != 1 or not sep.isascii():
        return None
    high = _parsed(ctx.place, end_datetime, _now(ctx.place))
    return IsoTexts(ctx.place, 0, high, sep) if high // DAY <= _LONGEST else None
