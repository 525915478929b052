"""Passports of the United States by column: dates that go with the age, as Faker's.

A person, a number and three dates go together in each row; a pool would repeat 10,000 people, and take
Faker two seconds to fill (230 µs for a passport, here 1.5).
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.draws.mix import I64, below, mix
from deep_faker.values.base import Place, Rows, Values, plain
from deep_faker.values.family import Making, family
from deep_faker.values.times import DAY

_FORM = "%d %b %Y"
_EPOCH = dt.date(1970, 1, 1)
_CHILD, _SHORT, _LONG = 5, 5, 10  # years: whose passport cannot be older than they are; for which one lasts


class Dates(Values):
    """Dates of birth, issue and expiry.

    >>> from deep_faker.draws.mix import Draws
    >>> Dates(Place(Draws(7), ("dates",), 20_000 * DAY), births=0).one(3, 1, 0)[0]
    '01 Jan 1970'
    """

    kind = "json"

    def __init__(self, place: Place, births: Values | int) -> None:
        super().__init__(place)
        self._births = births
        self._today = place.start_micros // DAY

    def texts(self, rows: Rows) -> tuple[pa.Array, pa.Array, pa.Array]:
        """The three dates as texts."""
        if isinstance(self._births, int):
            born = np.full(len(rows), self._births, np.int64)
        else:
            born = self._births.column(rows).cast(pa.int32()).to_numpy().astype(np.int64)
        issued, years = self._issued(rows, born)
        dates = issued.astype("datetime64[D]")
        months = dates.astype("datetime64[M]")
        leap = (dates - months).astype(int) + 1 == 29
        leap &= months.astype(int) % 12 == 1
        dates = dates - leap.astype("timedelta64[D]")  # February 29th: the day before
        months = dates.astype("datetime64[M]")
        expire = (months + 12 * years).astype("datetime64[D]") + (dates - months)
        return _text(born), _text(dates.astype(np.int64)), _text(expire.astype(np.int64))

    def _issued(self, rows: Rows, born: I64) -> tuple[I64, I64]:
        """The day of issue, and for how many years."""
        age = (self._today - born) // 365
        recent, long = self._today - (_SHORT * 365 - 1), self._today - (_LONG * 365 - 1)
        first = np.select([age < _CHILD, age < 26], [born, np.full_like(born, recent)], long)
        adult = (age >= 16) & (age < 21)
        last = np.where(adult, born + 16 * 365 - 1, self._today)
        size = np.maximum(last - first, 1)  # on the last days of an age Faker finds no day and fails
        day = first + below(mix(self._key, rows.flow, rows.action), size.astype(np.uint64)).view(np.int64)
        return day, np.where(age >= 21, _LONG, _SHORT)

    def column(self, rows: Rows) -> pa.Array:
        """The dates as JSON."""
        born, issued, expire = self.texts(rows)
        return pc.binary_join_element_wise('["', born, '", "', issued, '", "', expire, '"]', "")

    def column_objects(self, rows: Rows) -> list[object]:
        """The dates as tuples."""
        return list(zip(*(each.to_pylist() for each in self.texts(rows)), strict=True))


def _text(days: I64) -> pa.Array:
    """Days since 1970 as texts, each day once."""
    some = pa.array(days).dictionary_encode()
    texts = [_text_of(day) for day in some.dictionary.to_pylist()]
    return pa.array(texts, pa.string()).take(some.indices)


@lru_cache(maxsize=1 << 17)
def _text_of(day: int) -> str:
    return (_EPOCH + dt.timedelta(days=day)).strftime(_FORM)


class Passports(Values):
    """Whole passports, as text; the name goes with the gender."""

    def __init__(
        self, place: Place, dates: Dates, gender: Values, names: dict[str, Values], rest: list[Values]
    ) -> None:
        super().__init__(place)
        self._dates, self._gender, self._names, self._rest = dates, gender, names, rest

    def column(self, rows: Rows) -> pa.Array:
        """Line by line."""
        gender = plain(self._gender.column(rows))
        first_name = pa.nulls(len(rows), pa.string())
        for letter, maker in self._names.items():
            first_name = pc.if_else(pc.equal(gender, letter), plain(maker.column(rows)), first_name)
        last_name, number = (plain(maker.column(rows)) for maker in self._rest)
        lines = (first_name, last_name, gender, *self._dates.texts(rows), number, "")
        return pc.binary_join_element_wise(*lines, "\n")


@family("passport.en_US.passport_dates")
def _passport_dates(ctx: Making, *, birthday: dt.date | None = None, **_: object) -> Values | None:
    today = ctx.place.start_micros // DAY
    # Faker's default is the day of its import: the day of the start instead
    imported = ctx.provider.passport_dates.__func__.__defaults__[0]
    if not isinstance(birthday, dt.date) or isinstance(birthday, dt.datetime):
        return None
    return Dates(ctx.place, today if birthday is imported else (birthday - _EPOCH).days)


@family("passport.en_US.passport_full")
def _passport_full(ctx: Making) -> Values | None:
    def piece(name: str) -> Values | None:
        return ctx.piece(name, part=(name,))

    births, gender = piece("passport_dob"), piece("passport_gender")
    names = {letter: piece(f"first_name_{kind}") for letter, kind in _GENDERS.items()}
    rest = [piece("last_name"), piece("passport_number")]
    makers = [births, gender, *names.values(), *rest]
    if births is None or gender is None or any(each is None for each in makers):
        return None
    known = {letter: each for letter, each in names.items() if each is not None}
    dates = Dates(ctx.place.part("dates"), births)
    return Passports(ctx.place, dates, gender, known, [each for each in rest if each is not None])


_GENDERS = {"M": "male", "F": "female", "X": "nonbinary"}
