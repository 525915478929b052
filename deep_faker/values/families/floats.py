"""``pyfloat`` as Faker makes it: a whole part, a point, and digits that were drawn as a whole number.

Faker joins the two as text and reads it.  The number of digits after the point is part of the
draw, so the same value is a whole number divided by a power of ten: one exact division, whose
result is the nearest double, so ``19.99`` is 19.99.  A pool would repeat 10,000 of them; flows that read
a float early also need it as a recipe, which has no pool.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pyarrow as pa

from deep_faker.draws.mix import CHUNK, F64, I64, U64, below, below1, mix, mix1, unit, unit1
from deep_faker.plan import arrow
from deep_faker.plan.recipes import Steps, Word
from deep_faker.values.base import Drawn, Place, Rows, Values
from deep_faker.values.family import Making, family
from deep_faker.values.text.alias import Alias

_MOST = 2**63
_DIGITS = sys.float_info.dig
_MOST_CENTS = 10_000  # entries of the table of fractions


@dataclass(frozen=True)
class Bounds:
    """What Faker does with a value beyond its bounds: another one, uniform in the range that is left.

    >>> Bounds(0.0, 10.0, 2).moved1(9.5, 7, 3, 1)
    9.5
    >>> 0.0 <= Bounds(0.0, 10.0, 2).moved1(11.5, 7, 3, 1) <= 10.0
    True
    """

    low: float | None
    high: float | None
    digits: int | None  # values drawn anew are rounded to as many as the others have

    def moved(self, value: F64, key: int, flow: U64, action: U64) -> F64:
        """``value`` within the bounds."""
        low, high = self.low, self.high
        if (high is None or not (value > high).any()) and (low is None or not (value < low).any()):
            return value
        u = unit(mix(key, flow, action))
        if high is not None:
            width = value - high if low is None else np.full(len(value), high - low)
            value = np.where(value > high, self._rounded(high - width * u), value)
        if low is not None:
            width = low - value if high is None else np.full(len(value), high - low)
            value = np.where(value < low, self._rounded(low + width * u), value)
        return value

    def moved1(self, value: float, key: int, flow: int, action: int) -> float:
        """The twin of `moved`."""
        low, high = self.low, self.high
        if high is not None and value > high:
            width = value - high if low is None else high - low
            value = self._rounded1(high - width * unit1(mix1(key, flow, action)))
        if low is not None and value < low:
            width = low - value if high is None else high - low
            value = self._rounded1(low + width * unit1(mix1(key, flow, action)))
        return value

    def moved_word(self, value: Word, steps: Steps, key: int) -> Word:
        """The steps of `moved`."""
        low, high = self.low, self.high
        u = steps.mix(key).unit()
        if high is not None:
            part = u * (value - high if low is None else high - low)
            value = value.above(high).select(self._rounded_word(high - part), value)
        if low is not None:
            part = u * (low - value if high is None else high - low)
            value = value.less(low).select(self._rounded_word(part + low), value)
        if self.digits is None:
            return value
        # a number of so many digits that lies in the bounds is found in the one or the other way
        scale = 10**self.digits
        first = -math.inf if low is None else math.ceil(Fraction(low) * scale)
        last = math.inf if high is None else math.floor(Fraction(high) * scale)
        if first > last:
            return value
        return value.within(-math.inf if low is None else low, math.inf if high is None else high)

    def _rounded(self, value: F64) -> F64:
        if self.digits is None:
            return value
        scale = 10.0**self.digits
        cents = np.rint(value * scale) + 0.0  # no -0.0, as of Python's integers
        if self.low is not None:
            cents = np.where(cents / scale < self.low, cents + 1.0, cents)
        if self.high is not None:
            cents = np.where(cents / scale > self.high, cents - 1.0, cents)
        return cents / scale

    def _rounded_word(self, value: Word) -> Word:
        if self.digits is None:
            return value
        scale = 10.0**self.digits
        cents = (value * scale).rint() + 0.0
        if self.low is not None:
            cents = (cents / scale).less(self.low).select(cents + 1.0, cents)
        if self.high is not None:
            cents = (cents / scale).above(self.high).select(cents - 1.0, cents)
        return cents / scale

    def _rounded1(self, value: float) -> float:
        if self.digits is None:
            return value
        scale = 10.0**self.digits
        cents = float(round(value * scale))
        if self.low is not None and cents / scale < self.low:
            cents += 1.0
        if self.high is not None and cents / scale > self.high:
            cents -= 1.0
        return cents / scale


class _Decimals(Values):
    """Decimal numbers within bounds, made in chunks that stay in the cache."""

    kind = "float"

    def __init__(self, place: Place, *, bounds: Bounds, sign: int | None, positive: bool) -> None:
        super().__init__(place)
        self._bounds, self._sign, self._positive = bounds, sign, positive
        self._part_key, self._sign_key, self._bound_key = (place.key(i) for i in (1, 2, 3))

    def column(self, rows: Rows) -> pa.Array:
        out = np.empty(len(rows))
        for start in range(0, len(rows), CHUNK):
            flow, action = rows.flow[start : start + CHUNK], rows.action[start : start + CHUNK]
            value, least = self._values(flow, action)
            if self._sign is None:
                np.negative(value, out=value, where=below(mix(self._sign_key, flow, action), 2) == 1)
            elif self._sign < 0:
                np.negative(value, out=value)
            if self._positive:
                value = np.where(value == 0.0, least, value)
            out[start : start + CHUNK] = self._bounds.moved(value, self._bound_key, flow, action)
        return arrow.numbers(out)

    def one(self, flow: int, action: int, clock: int) -> float:
        value, least = self._value(flow, action)
        if self._sign == -1 or (self._sign is None and below1(mix1(self._sign_key, flow, action), 2) == 1):
            value = -value
        if self._positive and value == 0.0:
            value = least
        return self._bounds.moved1(value, self._bound_key, flow, action)

    def recipe(self, steps: Steps) -> Drawn:
        value, least = self._words(steps)
        if self._sign is None:
            value = steps.mix(self._sign_key).below(2).equals(1).select(value * -1.0, value)
        elif self._sign < 0:
            value *= -1.0
        if self._positive:
            value = value.equals(0.0).select(least, value)
        return Drawn(self._bounds.moved_word(value, steps, self._bound_key))

    def _values(self, flow: U64, action: U64) -> tuple[F64, F64 | float]:
        """Values without their sign, and the least positive ones of the same form."""
        raise NotImplementedError

    def _value(self, flow: int, action: int) -> tuple[float, float]:
        raise NotImplementedError

    def _words(self, steps: Steps) -> tuple[Word, Word | float]:
        """The steps of `_values`."""
        raise NotImplementedError


@dataclass(frozen=True)
class Form:
    """One way a number can look: the range of its whole part, and how many digits its text has.

    >>> form = Form(1.0, low=0, size=100, digits=2, left_digits=2, right_digits=2)
    >>> form.least, form.is_cut
    (0.01, False)
    """

    weight: float
    low: int
    size: int
    digits: int
    left_digits: int
    right_digits: int  # those that were allowed

    @property
    def least(self) -> float:
        """The least positive number with so many digits after the point."""
        return float(f"1e-{self.right_digits}")

    @property
    def cut(self) -> tuple[float, float]:
        """Faker cuts values that have more digits than were asked for."""
        return -(10**self.left_digits + self.least), 10**self.left_digits - self.least

    @property
    def is_cut(self) -> bool:
        """Whether a value can be beyond ``cut``."""
        limit: int = 10**self.left_digits
        return self.low <= -limit or self.low + self.size > limit


class Cents(_Decimals):
    """As many digits after the point for all values, up to four: one draw says whole part and digits."""

    def __init__(self, place: Place, form: Form, *, bounds: Bounds, sign: int | None, positive: bool) -> None:
        super().__init__(place, bounds=bounds, sign=sign, positive=positive)
        digits = form.right_digits
        self._low, self._scale, self._count = form.low, 10**digits, form.size * 10**digits
        self._cut = form.cut if form.is_cut else None
        # Faker writes 7 as ".7", also where two digits are asked for.
        self._parts = [part * self._scale // 10 ** len(str(part)) for part in range(self._scale)]
        if digits == 0:
            self._parts = [0]
        self._table = np.array(self._parts, np.int64)
        self._least = form.least

    def _values(self, flow: U64, action: U64) -> tuple[F64, float]:
        index = below(mix(self._key, flow, action), self._count)
        scale = np.uint64(self._scale)
        whole = index // scale
        index -= whole * scale
        part: I64 = self._table.take(index.view(np.int64), mode="clip")
        cents = whole.view(np.int64)
        cents += self._low
        if self._low < 0:
            np.negative(part, out=part, where=cents < 0)
        cents *= self._scale
        cents += part
        value = cents.astype(np.float64)
        value /= float(self._scale)
        if self._cut is not None:
            np.clip(value, *self._cut, out=value)
        return value, self._least

    def _value(self, flow: int, action: int) -> tuple[float, float]:
        whole, index = divmod(below1(mix1(self._key, flow, action), self._count), self._scale)
        whole += self._low
        part = -self._parts[index] if whole < 0 else self._parts[index]
        value = float(whole * self._scale + part) / float(self._scale)
        if self._cut is not None:
            value = min(max(value, self._cut[0]), self._cut[1])
        return value, self._least

    def _words(self, steps: Steps) -> tuple[Word, float]:
        index = steps.mix(self._key).below(self._count)
        whole = index // self._scale + self._low
        part = (index % self._scale).among(self._parts)
        if self._low < 0:
            part = whole.less(0).select(0 - part, part)
        value = (whole * self._scale + part).to_float() / float(self._scale)
        return value if self._cut is None else value.clipped(*self._cut), self._least


class Forms(_Decimals):
    """Numbers whose form is drawn first."""

    def __init__(
        self, place: Place, forms: list[Form], *, bounds: Bounds, sign: int | None, positive: bool
    ) -> None:
        super().__init__(place, bounds=bounds, sign=sign, positive=positive)
        self._forms = forms
        self._alias = Alias([form.weight for form in forms])
        self._whole_key = place.key(4)
        self._lows = np.array([form.low for form in forms], np.int64)
        self._sizes = np.array([form.size for form in forms], np.uint64)
        self._firsts = np.array([_first(form.digits) for form in forms], np.int64)
        self._spans = np.array([_span(form.digits) for form in forms], np.uint64)
        self._scales = np.array([10**form.digits for form in forms], np.int64)
        self._leasts = np.array([form.least for form in forms])
        self._cuts = np.array([form.cut for form in forms]).T if any(form.is_cut for form in forms) else None

    def _values(self, flow: U64, action: U64) -> tuple[F64, F64]:
        form = self._alias.indices(mix(self._key, flow, action))
        whole = below(mix(self._whole_key, flow, action), self._sizes.take(form)).view(np.int64)
        whole += self._lows.take(form)
        part = below(mix(self._part_key, flow, action), self._spans.take(form)).view(np.int64)
        part += self._firsts.take(form)
        np.negative(part, out=part, where=whole < 0)
        scale = self._scales.take(form)
        whole *= scale
        whole += part
        value = whole / scale
        if self._cuts is not None:
            np.clip(value, self._cuts[0].take(form), self._cuts[1].take(form), out=value)
        return value, self._leasts.take(form)

    def _value(self, flow: int, action: int) -> tuple[float, float]:
        form = self._forms[self._alias.index1(mix1(self._key, flow, action))]
        whole = below1(mix1(self._whole_key, flow, action), form.size) + form.low
        part = below1(mix1(self._part_key, flow, action), _span(form.digits)) + _first(form.digits)
        cents = whole * 10**form.digits + (-part if whole < 0 else part)
        value = float(cents) / float(10**form.digits)
        if self._cuts is not None:
            value = min(max(value, form.cut[0]), form.cut[1])
        return value, form.least

    def _words(self, steps: Steps) -> tuple[Word, Word]:
        forms = self._forms
        form = self._alias.place(steps.mix(self._key))
        whole = steps.mix(self._whole_key).below(form.among([each.size for each in forms]))
        whole += form.among([each.low for each in forms])
        part = steps.mix(self._part_key).below(form.among([_span(each.digits) for each in forms]))
        part += form.among([_first(each.digits) for each in forms])
        part = whole.less(0).select(0 - part, part)
        scale = form.among([10**each.digits for each in forms])
        lows = [each.low for each in forms]
        ends = [each.low + each.size for each in forms]
        cents = whole.times(
            scale,
            min(low * 10**each.digits for low, each in zip(lows, forms, strict=True)),
            max(end * 10**each.digits for end, each in zip(ends, forms, strict=True)),
        )
        value = (cents + part).to_float() / scale.to_float()
        value = value.within(float(min(lows) - 1), float(max(ends)))
        if self._cuts is not None:
            value = value.clipped(*(form.among(column.tolist()) for column in self._cuts))
        return value, form.among([each.least for each in forms])


def _first(digits: int) -> int:
    """The least number that is written with ``digits`` digits."""
    return int(10 ** (digits - 1)) if digits > 1 else 0


def _span(digits: int) -> int:
    return int(10**digits) - _first(digits)


@family("python.pyfloat", anywhere=True)
def pyfloat(
    ctx: Making,
    *,
    left_digits: int | None = None,
    right_digits: int | None = None,
    positive: bool | None = None,
    min_value: float | None = None,
    max_value: float | None = None,
) -> Values | None:
    """Floats with so many digits, within bounds; the checks of the arguments are Faker's own."""
    bounded = min_value is not None or max_value is not None
    least = 0 if positive and min_value is None else min_value
    bounds = Bounds(least, max_value, right_digits) if bounded else Bounds(None, None, None)
    sign = 1 if bounded or positive else None if positive is None else -1
    forms: list[Form] = []
    for right, chance in _right_digits(left_digits, right_digits, min_value, max_value):
        left = left_digits if left_digits is not None else max(1, _DIGITS - right)
        low, size = 0, 10**left
        if bounded:
            low, size = _whole_range(min_value, max_value, left, positive=bool(positive))
        # With 15 digits at most all numbers are exact; those of more digits are cut.
        if size <= 0 or max(abs(low), abs(low + size)) * 10**right >= _MOST:
            return None
        if right_digits is not None and 10**right <= _MOST_CENTS:
            form = Form(1.0, low, size, right, left, right)
            return Cents(ctx.place, form, bounds=bounds, sign=sign, positive=bool(positive))
        forms.extend(
            Form(chance * _span(digits) / 10**right, low, size, digits, left, right)
            for digits in range(1, right + 1)
        )
    return Forms(ctx.place, forms, bounds=bounds, sign=sign, positive=bool(positive))


def _right_digits(
    left: int | None, right: int | None, low: float | None, high: float | None
) -> list[tuple[int, float]]:
    """The numbers of digits after the point with their chances, as Faker draws them."""
    if right is not None:
        return [(right, 1.0)]
    if left is not None:
        return [(max(1, _DIGITS - left), 1.0)]
    needed = max(1, math.ceil(math.log10(max(abs(high or 1), abs(low or 1)))))
    most = _DIGITS - needed
    return [(digits, 1.0 / most) for digits in range(1, most + 1)]


def _whole_range(low: float | None, high: float | None, left: int, *, positive: bool) -> tuple[int, int]:
    """Least whole part and how many there are: the arithmetic of Faker's ``_safe_random_int``."""
    least: float = -(10**left) if low is None else low
    most: float = 10**left if high is None else high
    if high is not None and high < 0:
        most += 1
    if low is not None and low < 0:
        least += 1
    if positive:
        least = max(least, 0)
    if least == most:
        return int(least), 1
    first, last = int(least), int(most - 1)
    if last < first:
        last += 1
    return first, last - first + 1
