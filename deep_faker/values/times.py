"""Times, dates and their texts: instants between two, in microseconds since 1970, each drawn uniformly."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.draws.mix import CHUNK, I64, below, below1, mix
from deep_faker.plan import arrow
from deep_faker.plan.recipes import Steps, Word
from deep_faker.values.base import Drawn, Place, Rows, Values, fixed_width_strings, pick
from deep_faker.values.text.words64 import U8, packed, store

EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - naive UTC throughout
SECOND, DAY = 1_000_000, 86_400_000_000


_MINUTES = packed([f"{minute // 60:02d}:{minute % 60:02d}:" for minute in range(1440)], 8)
_SECONDS = packed([f"{second:02d}." for second in range(60)], 4)
_THOUSANDS = packed([f"{number:03d}" for number in range(1000)], 4)
U32 = npt.NDArray[np.uint32]


class Now(Values):
    """The clock of the flow at the event.

    >>> from deep_faker.draws.mix import Draws
    >>> Now(Place(Draws(7), ("at",), 0)).one(3, 1, 1_500_000)
    datetime.datetime(1970, 1, 1, 0, 0, 1, 500000)
    """

    kind = "datetime"

    def column(self, rows: Rows) -> pa.Array:
        return arrow.numbers(rows.clock).cast(pa.timestamp("us"))

    def one(self, flow: int, action: int, clock: int) -> dt.datetime:
        return EPOCH + dt.timedelta(microseconds=clock)

    def recipe(self, steps: Steps) -> Drawn:
        return Drawn(steps.clock())


class Instants(Values):
    """Instants in [low, high), in microseconds since the epoch.

    >>> from deep_faker.draws.mix import Draws
    >>> Instants(Place(Draws(7), ("at",), 0), 0, 2 * DAY).one(3, 1, 0).year
    1970
    """

    kind = "datetime"

    def __init__(self, place: Place, low: int, high: int) -> None:
        super().__init__(place)
        if high < low:
            raise ValueError(f"the start {instant(low)} is after the end {instant(high)}")
        self._low, self._size = low, max(high - low, 1)

    @property
    def days(self) -> tuple[int, int]:
        """The first and the last day, since 1970."""
        return self._low // DAY, (self._low + self._size) // DAY + 1

    def _micros(self, rows: Rows) -> I64:
        return below(self._draw(rows), self._size).view(np.int64) + self._low

    def _days_of(self, rows: Rows) -> I64:
        """The days of the instants, from that of the lowest on: unsigned divisions are the quick ones."""
        micros = below(self._draw(rows), self._size)
        micros += np.uint64(self._low % DAY)
        micros //= np.uint64(DAY)
        return micros.view(np.int64)

    def _micros1(self, flow: int, action: int) -> int:
        return below1(self._draw1(flow, action), self._size) + self._low

    def _from_low(self, steps: Steps) -> Word:
        """The microseconds since the midnight before the lowest instant."""
        return steps.mix(self._key).below(self._size) + self._low % DAY

    def column(self, rows: Rows) -> pa.Array:
        return pa.array(self._micros(rows)).cast(pa.timestamp("us"))

    def one(self, flow: int, action: int, clock: int) -> dt.datetime | dt.date | dt.time | str:
        return instant(self._micros1(flow, action))

    def recipe(self, steps: Steps) -> Drawn:
        return Drawn(steps.mix(self._key).below(self._size) + self._low)


class Days(Instants):
    """The dates of instants; ``first`` moves a date on the lowest day to the next one.

    >>> from deep_faker.draws.mix import Draws
    >>> Days(Place(Draws(7), ("on",), 0), 3 * DAY, 3 * DAY).one(3, 1, 0)
    datetime.date(1970, 1, 4)
    """

    kind = "date"

    def __init__(self, place: Place, low: int, high: int, *, not_first: bool = False) -> None:
        super().__init__(place, low, high)
        self._first = low // DAY if not_first else None

    def column(self, rows: Rows) -> pa.Array:
        days = self._days_of(rows).astype(np.int32)
        days += np.int32(self._low // DAY)
        if self._first is not None:
            days += days == self._first
        return arrow.numbers(days).cast(pa.date32())

    def one(self, flow: int, action: int, clock: int) -> dt.date:
        day = self._micros1(flow, action) // DAY
        return EPOCH.date() + dt.timedelta(days=day + (day == self._first))

    def recipe(self, steps: Steps) -> Drawn:
        day = self._from_low(steps) // DAY + self._low // DAY
        return Drawn(day if self._first is None else day + day.equals(self._first).to_int())


class Clocks(Instants):
    """The times of day of instants."""

    kind = "time"

    def column(self, rows: Rows) -> pa.Array:
        return pa.array(self._micros(rows) % DAY).cast(pa.time64("us"))

    def one(self, flow: int, action: int, clock: int) -> dt.time:
        return instant(self._micros1(flow, action)).time()


class DayTexts(Instants):
    """Texts of instants that depend on the day only: one dictionary entry a day.

    >>> from deep_faker.draws.mix import Draws
    >>> DayTexts(Place(Draws(7), ("on",), 0), 0, DAY, str).one(3, 1, 0)
    '1970-01-01 00:00:00'
    """

    kind = "str"

    def __init__(self, place: Place, low: int, high: int, form: Callable[[dt.datetime], str]) -> None:
        super().__init__(place, low, high)
        self._first = low // DAY
        days = range(self._first, (low + self._size - 1) // DAY + 1)
        self._texts, self._codes = _dictionary([form(instant(day * DAY)) for day in days])

    def column(self, rows: Rows) -> pa.Array:
        return pick(self._texts, self._codes.take(self._days_of(rows)))

    def one(self, flow: int, action: int, clock: int) -> str:
        text: str = self._texts[int(self._codes[self._micros1(flow, action) // DAY - self._first])].as_py()
        return text

    def recipe(self, steps: Steps) -> Drawn:
        return Drawn((self._from_low(steps) // DAY).among(self._codes.tolist()), self._texts)


class ClockTexts(Instants):
    """Texts of instants that depend on the second of the day only."""

    kind = "str"

    def __init__(self, place: Place, low: int, high: int, form: Callable[[dt.datetime], str]) -> None:
        super().__init__(place, low, high)
        self._texts, self._codes = _dictionary([form(instant(second * SECOND)) for second in range(86_400)])

    def column(self, rows: Rows) -> pa.Array:
        return pick(self._texts, self._codes.take(self._micros(rows) % DAY // SECOND))

    def one(self, flow: int, action: int, clock: int) -> str:
        text: str = self._texts[int(self._codes[self._micros1(flow, action) % DAY // SECOND])].as_py()
        return text


class IsoTexts(Instants):
    """ISO 8601 texts of instants.

    >>> from deep_faker.draws.mix import Draws
    >>> IsoTexts(Place(Draws(7), ("at",), 0), DAY, DAY, "T").one(3, 1, 0)
    '1970-01-02T00:00:00'
    """

    kind = "str"

    def __init__(self, place: Place, low: int, high: int, sep: str) -> None:
        super().__init__(place, low, high)
        self._sep = sep
        self._first = low // DAY
        days = [instant(day * DAY).strftime("%Y-%m-%d") for day in range(self._first, high // DAY + 1)]
        self._years = packed([day[:8] for day in days], 8)
        self._days = packed([day[8:] for day in days], 2)

    def column(self, rows: Rows) -> pa.Array:
        out = np.empty((len(rows), 26), np.uint8)
        whole = False
        for start in range(0, len(rows), CHUNK):
            some = slice(start, start + CHUNK)
            micros = below(mix(self._key, rows.flow[some], rows.action[some]), self._size)
            micros += np.uint64(self._low - self._first * DAY)
            day = micros // np.uint64(DAY)
            micros -= day * np.uint64(DAY)
            minute = micros // np.uint64(60 * SECOND)
            micros -= minute * np.uint64(60 * SECOND)
            self._write(out[some], day.view(np.int64), minute.view(np.int64), micros.astype(np.uint32))
            whole = whole or bool((micros % np.uint64(SECOND) == 0).any())
        texts = fixed_width_strings(out)
        # A whole second is written without its fraction.
        return pc.replace_substring_regex(texts, r"\.000000$", "") if whole else texts

    def _write(self, out: U8, day: I64, minute: I64, micros: U32) -> None:
        store(out, 0, 8, self._years.take(day, mode="clip"))
        store(out, 8, 10, self._days.take(day, mode="clip"))
        out[:, 10] = ord(self._sep)
        store(out, 11, 17, _MINUTES.take(minute, mode="clip"))
        second = micros // np.uint32(SECOND)
        micros -= second * np.uint32(SECOND)
        store(out, 17, 20, _SECONDS.take(second, mode="clip"))
        high = micros // np.uint32(1000)
        micros -= high * np.uint32(1000)
        store(out, 20, 23, _THOUSANDS.take(high, mode="clip"))
        store(out, 23, 26, _THOUSANDS.take(micros, mode="clip"))

    def one(self, flow: int, action: int, clock: int) -> str:
        return instant(self._micros1(flow, action)).isoformat(self._sep)


def _dictionary(texts: list[str]) -> tuple[pa.Array, I64]:
    codes = {text: code for code, text in enumerate(dict.fromkeys(texts))}
    return pa.array(list(codes), pa.string()), np.array([codes[text] for text in texts], np.int64)


def instant(micros: int) -> dt.datetime:
    """A naive datetime from microseconds since 1970.

    >>> instant(1_500_000)
    datetime.datetime(1970, 1, 1, 0, 0, 1, 500000)
    """
    return EPOCH + dt.timedelta(microseconds=micros)
