"""Mimesis' methods of times and dates, by column: days of some years, even times of day, and texts of both.

Times depend on the start and on the row, which values of a pool, drawn beforehand, do not.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import pyarrow as pa

from deep_faker.draws.mix import below
from deep_faker.plan.recipes import Steps
from deep_faker.values.base import Drawn, Place, Rows, Values
from deep_faker.values.choices import Elements
from deep_faker.values.explore.marks import digits_of
from deep_faker.values.family import Making, family
from deep_faker.values.library.libraries import start_year
from deep_faker.values.text.alias import Alias
from deep_faker.values.text.grammar import Text, either, literal, table
from deep_faker.values.text.grids import texts
from deep_faker.values.times import DAY, SECOND

if TYPE_CHECKING:
    from mimesis.enums import TimestampFormat

_EPOCH = dt.date(1970, 1, 1)


def _days(first: int, last: int) -> tuple[list[dt.date], list[float]]:
    """Each day of some years, with its chance: the month is drawn before the day."""
    days = [dt.date(first, 1, 1)]
    end = dt.date(last, 12, 31)
    while days[-1] < end:
        days.append(days[-1] + dt.timedelta(days=1))
    lengths: dict[tuple[int, int], int] = {}
    for day in days:
        lengths[day.year, day.month] = day.day
    return days, [1.0 / lengths[day.year, day.month] for day in days]


@family("date.date", source="mimesis")
def _date(ctx: Making, *, start: int, end: int) -> Values:
    return Elements(ctx.place, *_days(start, end))


@family("person.birthdate", source="mimesis")
def _birthdate(ctx: Making, *, min_year: int, max_year: int) -> Values:
    return Elements(ctx.place, *_days(min_year, max_year))


class Moments(Values):
    """A drawn day and an even time of day, as a datetime or as seconds since the epoch."""

    kind = "datetime"

    def __init__(self, place: Place, start: int, end: int, *, seconds: bool = False) -> None:
        super().__init__(place)
        days, weights = _days(start, end)
        self._table, self._first = Alias(weights), (days[0] - _EPOCH).days
        self._second, self._seconds = place.key(1), seconds
        if seconds:
            self.kind = "int"

    def column(self, rows: Rows) -> pa.Array:
        days = self._table.indices(self._draw(rows)) + self._first
        micros = days * DAY + below(self._draw(rows, self._second), DAY).view(np.int64)
        return pa.array(micros // SECOND) if self._seconds else pa.array(micros).cast(pa.timestamp("us"))

    def recipe(self, steps: Steps) -> Drawn:
        day = self._table.place(steps.mix(self._key)) + self._first
        micros = day * DAY + steps.mix(self._second).below(DAY)
        return Drawn(micros // SECOND if self._seconds else micros)


class Times(Values):
    """An even time of day."""

    kind = "time"

    def column(self, rows: Rows) -> pa.Array:
        return pa.array(below(self._draw(rows), DAY).view(np.int64)).cast(pa.time64("us"))


class Offsets(Values):
    """Instants at whole seconds from a first one.

    >>> from deep_faker.draws.mix import Draws
    >>> Offsets(Place(Draws(7), ("at",), 0), 5 * SECOND, 0).one(3, 1, 0)
    datetime.datetime(1970, 1, 1, 0, 0, 5)
    """

    kind = "datetime"

    def __init__(self, place: Place, low: int, seconds: int) -> None:
        super().__init__(place)
        self._low, self._size = low, seconds + 1

    def column(self, rows: Rows) -> pa.Array:
        seconds = below(self._draw(rows), self._size).view(np.int64)
        return pa.array(seconds * SECOND + self._low).cast(pa.timestamp("us"))

    def recipe(self, steps: Steps) -> Drawn:
        return Drawn(steps.mix(self._key).below(self._size) * SECOND + self._low)


@family("date.datetime", source="mimesis")
def _datetime(ctx: Making, *, start: int, end: int, timezone: str | None = None) -> Values | None:
    return None if timezone else Moments(ctx.place, start, end)


@family("date.time", source="mimesis")
def _time(ctx: Making) -> Values:
    return Times(ctx.place)


def _window(days: int, seconds: int | None) -> int:
    return (seconds or 86_400 * days) - 1


@family("date.future_datetime", source="mimesis")
def _future_datetime(
    ctx: Making, *, days: int = 30, seconds: int | None = None, timezone: str | None = None
) -> Values | None:
    if timezone:
        return None
    return Offsets(ctx.place, ctx.place.start_micros + SECOND, _window(days, seconds))


@family("date.past_datetime", source="mimesis")
def _past_datetime(
    ctx: Making, *, days: int = 30, seconds: int | None = None, timezone: str | None = None
) -> Values | None:
    span = _window(days, seconds)
    return None if timezone else Offsets(ctx.place, ctx.place.start_micros - (span + 1) * SECOND, span)


def _clock_text(form: str) -> Text | None:
    """A form of times of day, its directives drawn apart; None where two say the same thing."""
    pieces = re.split(r"(%[HIMSfp])", form)
    used = pieces[1::2]
    if "%" in "".join(pieces[::2]) or len(set(used)) != len(used) or {"%H", "%I"} <= set(used):
        return None
    if "%p" in used and "%I" not in used:
        return None
    ranges = {
        "%H": (24, "02d"),
        "%I": (12, "02d"),
        "%M": (60, "02d"),
        "%S": (60, "02d"),
        "%f": (10**6, "06d"),
    }
    out = literal("")
    for piece in pieces:
        if piece == "%p":  # hours of both halves are equally many
            out = out + table([dt.time(hour).strftime("%p") for hour in (0, 12)])
        elif piece in ranges:
            size, shown = ranges[piece]
            out = out + digits_of(range(1, 13) if piece == "%I" else range(size), shown)
        else:
            out = out + literal(piece)
    return out


@family("date.formatted_time", source="mimesis")
def _formatted_time(ctx: Making, *, fmt: str = "") -> Values | None:
    text = _clock_text(fmt or ctx.provider._extract(["formats", "time"]))  # noqa: SLF001
    return None if text is None else texts(ctx.place, text, counted=True)


class _OfDatetime(TypedDict, total=False):
    """The arguments that Mimesis hands on to its ``datetime``: years, and a zone."""

    start: int
    end: int
    timezone: str | None


@family("date.formatted_datetime", source="mimesis")
def _formatted_datetime(ctx: Making, *, fmt: str = "", kwargs: _OfDatetime | None = None) -> Values | None:
    forms = [ctx.provider._extract(["formats", part]) for part in ("date", "time")]  # noqa: SLF001
    text = _moment_text(ctx.place, fmt or " ".join(forms), kwargs or {})
    return None if text is None else texts(ctx.place, text, counted=True)


def _moment_text(place: Place, form: str, arguments: _OfDatetime) -> Text | None:
    """A form whose directives of days come before those of the time of day."""
    cuts = list(re.finditer(r"%[YmdyBbjaAHIMSfp]", form))
    clock = [match[0][1] in "HIMSfp" for match in cuts]
    if arguments.get("timezone") or sorted(clock) != clock or len(cuts) != form.count("%"):
        return None
    starts = (match.start() for match, is_clock in zip(cuts, clock, strict=True) if is_clock)
    clock_start = next(starts, len(form))
    text = _clock_text(form[clock_start:])
    if text is None:
        return None
    days, weights = _days(*_years(place, arguments))
    return table([day.strftime(form[:clock_start]) for day in days], weights) + text


def _years(place: Place, arguments: _OfDatetime) -> tuple[int, int]:
    year = start_year(place.start_micros)
    return arguments.get("start", year), arguments.get("end", year)


@family("date.timestamp", source="mimesis")
def _timestamp(ctx: Making, *, fmt: TimestampFormat, kwargs: _OfDatetime | None = None) -> Values | None:
    from mimesis.enums import TimestampFormat

    arguments: _OfDatetime = kwargs or {}
    if arguments.get("timezone"):
        return None
    if fmt == TimestampFormat.POSIX:
        return Moments(ctx.place, *_years(ctx.place, arguments), seconds=True)
    whole = _moment_text(ctx.place, "%Y-%m-%dT%H:%M:%S", arguments)
    assert whole is not None, "a form without repetition"
    if fmt == TimestampFormat.RFC_3339:
        return texts(ctx.place, whole + literal("Z"), counted=True)
    # a whole second, one value in a million, is written without its fraction
    fraction = literal(".") + digits_of(range(1, 10**6), "06d")
    return texts(ctx.place, whole + either([literal(""), fraction], [1, 10**6 - 1]), counted=True)
