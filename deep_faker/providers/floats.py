"""``pyfloat`` as Faker makes it: a whole part, a point, and digits that were drawn as a whole number.

Faker joins the two as text and reads it.  The number of digits after the point is part of the
draw, so the same value is a whole number divided by a power of ten: one exact division, whose
result is the nearest double, so ``19.99`` is 19.99.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from deep_faker.draws import F64, below, below1, unit, unit1
from deep_faker.providers.base import Place, Rows, Values
from deep_faker.providers.tables import Alias

_EXACT = 2**53
_DIGITS = sys.float_info.dig


@dataclass(frozen=True)
class _Form:
    """One way a number can look: the range of the whole part, ``digits`` after the point, unless ``positive``."""

    weight: float
    left_low: int
    left_size: int
    digits: int  # those that the text has
    right_digits: int  # those that were allowed


class PyFloat(Values):
    """Decimal numbers within bounds."""

    kind = "float"

    def __init__(
        self,
        place: Place,
        forms: list[_Form],
        *,
        signed: bool,
        negative: bool,
        positive: bool,
        low: float | None,
        high: float | None,
        rounding: int | None,
    ) -> None:
        super().__init__(place)
        self._forms = forms
        self._alias = Alias([form.weight for form in forms])
        self._signed, self._negative, self._positive = signed, negative, positive
        self._low, self._high = low, high
        self._rounding = rounding
        self._left_key, self._right_key, self._sign_key, self._excess_key = (
            place.key(i) for i in range(1, 5)
        )

    def column(self, rows: Rows) -> pa.Array:
        if len(self._forms) == 1:
            form = np.zeros(len(rows), np.int64)
        else:
            form = self._alias.indices(self._draw(rows))
        sizes, lows = (
            np.array([getattr(f, name) for f in self._forms], np.int64)[form]
            for name in ("left_size", "left_low")
        )
        whole = below(self._draw(rows, self._left_key), sizes).view(np.int64) + lows
        first = np.array([_first(f.digits) for f in self._forms], np.int64)[form]
        span = np.array([_span(f.digits) for f in self._forms], np.int64)[form]
        part = below(self._draw(rows, self._right_key), span).view(np.int64) + first
        scale = np.array([10**f.digits for f in self._forms], np.int64)[form]
        value = (whole * scale + np.where(whole < 0, -part, part)).astype(np.float64)
        value /= scale.astype(np.float64)
        if self._signed:
            np.negative(value, out=value, where=below(self._draw(rows, self._sign_key), 2) == 1)
        elif self._negative:
            value = -value
        if self._positive:
            least = np.array([_least(f.right_digits) for f in self._forms])[form]
            value = np.where(value == 0.0, least, value)
        return pa.array(self._bounded(value, rows))

    def _bounded(self, value: F64, rows: Rows) -> F64:
        low, high = self._low, self._high
        if (high is None or not (value > high).any()) and (low is None or not (value < low).any()):
            return value
        u = unit(self._draw(rows, self._excess_key))
        if high is not None:
            out = value > high
            width = np.full(len(value), high - low) if low is not None else value - high
            value = np.where(out, high - width * u, value)
            value = np.where(out, self._rounded(value), value)
        if low is not None:
            out = value < low
            width = np.full(len(value), high - low) if high is not None else low - value
            value = np.where(out, low + width * u, value)
            value = np.where(out, self._rounded(value), value)
        return value

    def _rounded(self, value: F64) -> F64:
        """Replaced values have as many digits as the others, and stay within the bounds."""
        if self._rounding is None:
            return value
        scale = 10.0**self._rounding
        cents = np.rint(value * scale)
        if self._low is not None:
            cents = np.where(cents / scale < self._low, cents + 1.0, cents)
        if self._high is not None:
            cents = np.where(cents / scale > self._high, cents - 1.0, cents)
        return cents / scale

    def one(self, flow: int, action: int, clock: int) -> float:
        form = self._forms[self._alias.index1(self._draw1(flow, action)) if len(self._forms) > 1 else 0]
        whole = below1(self._draw1(flow, action, self._left_key), form.left_size) + form.left_low
        part = below1(self._draw1(flow, action, self._right_key), _span(form.digits)) + _first(form.digits)
        scale = 10**form.digits
        value = float(whole * scale + (-part if whole < 0 else part)) / float(scale)
        if self._negative or (self._signed and below1(self._draw1(flow, action, self._sign_key), 2) == 1):
            value = -value
        if self._positive and value == 0.0:
            value = _least(form.right_digits)
        low, high = self._low, self._high
        if high is not None and value > high:
            width = high - low if low is not None else value - high
            value = self._rounded1(high - width * unit1(self._draw1(flow, action, self._excess_key)))
        if low is not None and value < low:
            width = high - low if high is not None else low - value
            value = self._rounded1(low + width * unit1(self._draw1(flow, action, self._excess_key)))
        return value

    def _rounded1(self, value: float) -> float:
        if self._rounding is None:
            return value
        scale = 10.0**self._rounding
        cents = float(round(value * scale))
        if self._low is not None and cents / scale < self._low:
            cents += 1.0
        if self._high is not None and cents / scale > self._high:
            cents -= 1.0
        return cents / scale


def _first(digits: int) -> int:
    """The least number that is written with ``digits`` digits."""
    return 10 ** (digits - 1) if digits > 1 else 0


def _least(digits: int) -> float:
    """The least positive number with so many digits after the point."""
    return float(f"1e-{digits}")


def _span(digits: int) -> int:
    return 10**digits - _first(digits)


def pyfloat(
    place: Place,
    *,
    left_digits: int | None = None,
    right_digits: int | None = None,
    positive: bool | None = None,
    min_value: float | None = None,
    max_value: float | None = None,
) -> Values | None:
    """Floats with so many digits, within bounds; the checks of the arguments are Faker's own."""
    bounded = min_value is not None or max_value is not None
    forms: list[_Form] = []
    for right, chance in _right_digits(left_digits, right_digits, min_value, max_value):
        left = left_digits if left_digits is not None else max(1, _DIGITS - right)
        if bounded:
            low, size = _whole_range(min_value, max_value, left, positive=bool(positive))
            if size <= 0:
                return None
            if max(abs(low), abs(low + size)) > 10**left or (low == -(10**left) and left <= 6):
                return None  # Faker cuts the value near 10**left: leave the odd shape to it
        else:
            low, size = 0, 10**left
        for digits in range(1, max(right, 1) + 1):
            share = _span(digits) / 10**right if right else 1.0
            if max(abs(low), abs(low + size)) * 10**digits >= _EXACT:
                return None
            forms.append(_Form(chance * share, low, size, digits if right else 0, right))
    return PyFloat(
        place,
        _merged(forms) if not positive else forms,
        signed=not bounded and positive is None,
        negative=not bounded and positive is False,
        positive=bool(positive),
        low=(0 if positive and bounded and min_value is None else min_value),
        high=max_value,
        rounding=right_digits,
    )


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


def _merged(forms: list[_Form]) -> list[_Form]:
    """Join forms that make the same numbers; they differ in how many digits had been allowed."""
    joined: dict[tuple[int, int, int], float] = {}
    for form in forms:
        key = (form.left_low, form.left_size, form.digits)
        joined[key] = joined.get(key, 0.0) + form.weight
    return [_Form(weight, *key, key[2]) for key, weight in joined.items()]
