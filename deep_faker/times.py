"""Durations, instants and the grid of time steps, in integer microseconds, UTC."""

from __future__ import annotations

import datetime as dt
import re
import time
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from numbers import Real
from typing import Final, NoReturn

from deep_faker.errors import Diagnostic, SettingsError, shown
from deep_faker.spans import caller_span, narrow_keyword

MICROSECOND: Final = dt.timedelta(microseconds=1)
EPOCH: Final = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - simulated times are naive UTC throughout
EARLIEST: Final = (dt.datetime.min - EPOCH) // MICROSECOND  # noqa: DTZ901 - as above
"""The first microsecond that a datetime can hold."""
LATEST: Final = (dt.datetime.max - EPOCH) // MICROSECOND  # noqa: DTZ901 - as above
"""The last microsecond that a datetime can hold."""

_UNITS: Final = {
    "us": 1,
    "µs": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 604_800_000_000,
}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(us|µs|ms|s|m|h|d|w)\s*")
_PARTS = re.compile(rf"(?:{_PART.pattern})+")
_ISO_PART = r"([0-9]+(?:[.,][0-9]+)?)"
_ISO = re.compile(
    rf"P(?=.)(?:{_ISO_PART}W)?(?:{_ISO_PART}D)?(?:T(?=.)(?:{_ISO_PART}H)?(?:{_ISO_PART}M)?(?:{_ISO_PART}S)?)?"
)
_INSTANT = re.compile(r"\d{4}-?(?:\d{2}-?\d{2}|W\d{2}(?:-?\d)?)(?:[T ]\d{2}.*)?")

DURATIONS: Final = (
    '"90s", "5m", "1h30m", "2d", "1w", "500ms", "1.5h", ISO 8601 such as "P1DT2H", '
    "a number of seconds, or a timedelta; more than zero"
)
INSTANTS: Final = '"now", an ISO 8601 date or date-time such as "2024-01-01T08:00:00", or a datetime'


def parse_duration(value: object, name: str = "duration") -> int:
    """Microseconds of a duration (T3); ``name`` is the argument that messages name.

    Raises `SettingsError`, with the accepted forms, for anything else, zero and negative ones included.

    >>> parse_duration("1h30m"), parse_duration("P1DT2H"), parse_duration(0.25)
    (5400000000, 93600000000, 250000)
    """
    micros = _exact_micros(value)
    if micros is None:
        _refuse(name, f"cannot read {shown(value)} as a duration", f"{name} takes {DURATIONS}")
    rounded = round(micros)
    if rounded <= 0:
        label = "is shorter than a microsecond" if micros > 0 else "is not more than zero"
        _refuse(name, f"{shown(value)} {label}", f"{name} takes {DURATIONS}")
    if rounded > LATEST:
        _refuse(name, f"{shown(value)} is longer than the calendar", f"{name} takes {DURATIONS}")
    return rounded


def parse_instant(value: object, name: str = "start_time") -> int:
    """Microseconds since the epoch of an instant (T2). Naive times are UTC; ``"now"`` is the wall clock.

    Raises `SettingsError`, with the accepted forms, for anything else.

    >>> parse_instant("1970-01-02"), parse_instant("1970-01-01T02:00:00+01:00")
    (86400000000, 3600000000)
    """
    if value == "now":
        return time.time_ns() // 1_000
    moment = value if isinstance(value, dt.datetime) else None
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        try:
            moment = dt.datetime.fromisoformat(value)
        except ValueError:
            moment = None
    if moment is None:
        _refuse(name, f"cannot read {shown(value)} as an instant", f"{name} takes {INSTANTS}")
    try:
        return to_micros(moment)
    except OverflowError:
        _refuse(name, f"{shown(value)} lies outside the calendar in UTC", f"{name} takes {INSTANTS}")


def to_micros(moment: dt.datetime) -> int:
    """Microseconds since the epoch; a naive ``moment`` is UTC.

    >>> to_micros(dt.datetime(1970, 1, 1, 0, 0, 1))
    1000000
    """
    if moment.tzinfo is not None:
        moment = moment.astimezone(dt.UTC).replace(tzinfo=None)
    return (moment - EPOCH) // MICROSECOND


def to_datetime(micros: int) -> dt.datetime:
    """The naive UTC datetime of microseconds since the epoch.

    >>> to_datetime(1_000_000)
    datetime.datetime(1970, 1, 1, 0, 0, 1)
    """
    return EPOCH + dt.timedelta(microseconds=micros)


def to_millis(micros: int) -> int:
    """Milliseconds since the epoch, rounded down: ``sys__ets`` (T1).

    >>> to_millis(1_999), to_millis(-1)
    (1, -1)
    """
    return micros // 1_000


def format_instant(micros: int) -> str:
    """ISO 8601, with microseconds only where there are any.

    >>> format_instant(1_704_067_200_000_000)
    '2024-01-01T00:00:00'
    """
    return to_datetime(micros).isoformat()


def format_duration(micros: int) -> str:
    """The form that `parse_duration` reads back.

    >>> format_duration(5_400_000_000), format_duration(1_500_000)
    ('1h30m', '1s500ms')
    """
    parts, rest = [], abs(micros)
    for unit in ("w", "d", "h", "m", "s", "ms", "us"):
        count, rest = divmod(rest, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return ("-" if micros < 0 else "") + ("".join(parts) or "0s")


@dataclass(frozen=True)
class Grid:
    """The time steps of a run (T4): step k is ``[start + k*step, start + (k+1)*step)``, in microseconds.

    Flows start in the first ``n_steps`` steps, the last of which the end may cut; steps go on
    after the end until every flow has ended (T6).

    >>> grid = Grid.parse("2024-01-01", duration="90s", time_step="1m")
    >>> grid.n_steps, grid.step_of(grid.end), format_instant(grid.start_of(1))
    (2, 1, '2024-01-01T00:01:00')
    """

    start: int
    duration: int
    step: int

    def __post_init__(self) -> None:
        if self.end > LATEST:
            ends = f"{format_instant(self.start)} and {format_duration(self.duration)}"
            _refuse("duration", f"{ends} go beyond the year 9999", "take a shorter duration")

    @classmethod
    def parse(cls, start_time: object = "now", *, duration: object, time_step: object = "1s") -> Grid:
        """The grid of the settings that users write. Raises `SettingsError` for unreadable ones."""
        return cls(
            parse_instant(start_time, "start_time"),
            parse_duration(duration, "duration"),
            parse_duration(time_step, "time_step"),
        )

    @property
    def end(self) -> int:
        """The instant before which flows start."""
        return self.start + self.duration

    @property
    def n_steps(self) -> int:
        """The number of steps in which flows start."""
        return -(-self.duration // self.step)

    def step_of(self, micros: int) -> int:
        """The step that an instant lies in, also beyond the end."""
        return (micros - self.start) // self.step

    def start_of(self, k: int) -> int:
        """The instant at which step ``k`` starts."""
        return self.start + k * self.step


def _exact_micros(value: object) -> Fraction | None:
    """The duration as an exact number of microseconds, or None where it cannot be read."""
    if isinstance(value, dt.timedelta):
        return Fraction(value // MICROSECOND)
    if isinstance(value, str):
        text = value.strip()
        return _sum_of_iso(text) if text.startswith("P") else _sum_of_units(text)
    if isinstance(value, bool) or not isinstance(value, (Real, Decimal)):
        return None
    try:
        # str() gives the decimal that the user wrote: 0.1 is a hundred thousand microseconds.
        return Fraction(str(value)) * _UNITS["s"]
    except ValueError:  # nan, inf
        return None


def _sum_of_units(text: str) -> Fraction | None:
    parts = _PART.findall(text)
    units = [unit for _, unit in parts]
    # A unit given twice ("5m5m") is a slip of the pen, not a sum.
    if not _PARTS.fullmatch(text) or len(set(units)) < len(units):
        return None
    return sum((Fraction(number) * _UNITS[unit] for number, unit in parts), Fraction(0))


def _sum_of_iso(text: str) -> Fraction | None:
    match = _ISO.fullmatch(text)
    if not match:
        return None
    parts = zip(match.groups(), ("w", "d", "h", "m", "s"), strict=True)
    return sum(
        (Fraction(number.replace(",", ".")) * _UNITS[unit] for number, unit in parts if number), Fraction(0)
    )


def _refuse(name: str, label: str, mend: str) -> NoReturn:
    span = narrow_keyword(caller_span(), name)
    raise SettingsError(Diagnostic(f"wrong {name}", span, label, mend))
