"""Faker's `pydecimal` by column: a sign, digits before and after the point, cut at the bounds.

Up to 200 digits are drawn anew for each row; a pool would repeat 10,000 numbers, so that sums and
groups over such a field would be wrong.
"""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.draws.mix import I64, U64, mix
from deep_faker.values.base import Place, Rows, Values, plain
from deep_faker.values.family import Making, family
from deep_faker.values.numbers import whole_numbers
from deep_faker.values.text.alias import Alias
from deep_faker.values.text.columns import Tables, Texts
from deep_faker.values.text.cut_draws import Several, cut, together
from deep_faker.values.text.grammar import NotAGrammarError, Text, either, literal, table
from deep_faker.values.text.words64 import U8, every_second, packed

Bound = float | Decimal
_MOST = 100  # digits, where their number is drawn
_ROWS = 4096  # rows of a chunk: their digits are some hundred bytes each
_PLAIN = 6  # zeros after the point that are written
_BLOCK = 0xA24BAED4963EE407
_QUADS = packed([f"{number:04d}" for number in range(10_000)], 4)
_DIGITS = table(tuple("0123456789"))
_TRIPLES = table([f"{number:03d}" for number in range(1000)])


def _digits(count: int) -> Text:
    text = literal("")
    for part in [_TRIPLES] * (count // 3) + [_DIGITS] * (count % 3):
        text = text + part
    return text


def _whole(count: int) -> Text:
    """Whole numbers of so many digits, the first of which is not 0."""
    if count == 0:
        return literal("0")
    return table(tuple("123456789")) + _digits(count - 1)


def _fraction(count: int) -> Text:
    return literal(".") + _digits(count) if count else literal("")


class Decimals(Values):
    """Decimals as text; each sign has digits of its own before the point."""

    kind = "decimal"

    def __init__(
        self,
        place: Place,
        whole: dict[str, Values],
        fraction: Values,
        low: Bound | None = None,
        high: Bound | None = None,
    ) -> None:
        super().__init__(place)
        self._whole, self._fraction = whole, fraction
        self._signs = list(whole)
        self._table = Alias([1.0] * len(whole))
        self._low, self._high = low, high

    def column(self, rows: Rows) -> pa.Array:
        """The texts, as `str` of a decimal writes them."""
        which = self._table.indices(mix(self._key, rows.flow, rows.action))
        parts, places = [], []
        for number, sign in enumerate(self._signs):
            positions = np.flatnonzero(which == number)
            some = rows.take(positions)
            whole = plain(self._whole[sign].column(some)).cast(pa.string())
            parts.append(pc.binary_join_element_wise(sign, whole, ""))
            places.append(positions)
        order = np.argsort(np.concatenate(places), kind="stable")
        signed = pa.concat_arrays(parts).take(pa.array(order))
        return self._cut(pc.binary_join_element_wise(signed, plain(self._fraction.column(rows)), ""))

    def _cut(self, texts: pa.Array) -> pa.Array:
        """Values beyond the bounds become the bound; small ones are written with an exponent."""
        # what is further than one from the bounds, or begins with digits other than zeros, stays
        marked = pc.match_substring_regex(texts, r"^-?0\.0{6}")
        for bound in (self._low, self._high):
            if bound is not None:
                whole = pc.replace_substring_regex(texts, r"^-?(\d+).*$", r"\1")
                near = pc.equal(whole, str(abs(int(bound))))
                marked = pc.or_(marked, near)
        if not pc.any(marked).as_py():
            return texts
        some = [str(self._bounded(Decimal(text))) for text in texts.filter(marked).to_pylist()]
        return pc.replace_with_mask(texts, marked, pa.array(some, pa.string()))

    def _bounded(self, value: Decimal) -> Decimal:
        if self._high is not None and value > self._high:
            value = Decimal(str(self._high))
        if self._low is not None and value < self._low:
            value = Decimal(str(self._low))
        return value

    def column_objects(self, rows: Rows) -> list[object]:
        """Decimals."""
        return [Decimal(text) for text in self.column(rows).to_pylist()]


class Digits(Values):
    """Decimals without bounds: digits by the dozen, of which each value takes as many as it needs.

    A row begins with a minus, its first digit is never 0, and the point stands where the whole part ends;
    where there is no minus, or the digits are too many, that much of the row is left out.

    >>> from deep_faker.draws.mix import Draws
    >>> number = Digits(Place(Draws(7), ("price",), 0), [-1], range(2, 3), range(1, 2)).one(3, 1, 0)
    >>> number.as_tuple().exponent, -100 < number <= -10
    (-1, True)
    """

    kind = "decimal"

    def __init__(self, place: Place, signs: list[int], lefts: range, rights: range) -> None:
        super().__init__(place)
        self._lefts, self._rights, self._signs = lefts, rights, signs
        self._several = Several([place.key()], [len(signs), len(lefts), len(rights), 9])
        self._digits_key = place.key("digits")

    def column(self, rows: Rows) -> pa.Array:
        """The texts, as `str` of a decimal writes them."""
        parts = [
            self._chunk(together(rows.flow[start : start + _ROWS], rows.action[start : start + _ROWS]))
            for start in range(0, len(rows), _ROWS)
        ]
        return parts[0] if len(parts) == 1 else pa.concat_arrays(parts or [pa.array([], pa.string())])

    def _chunk(self, counter: U64) -> pa.Array:
        sign, left, right, first = self._several.draw(counter)
        left += self._lefts[0]
        right += self._rights[0]
        point = np.maximum(left, 1)
        point += 1  # its place in the row
        end = point + right
        end += right > 0
        dozens = end // 12
        dozens += 1
        starts = np.cumsum(dozens)
        count = int(starts[-1])
        starts -= dozens
        characters = self._dozens(counter, dozens, starts, count)
        starts *= 12
        characters[starts + point] = ord(".")
        characters[starts + 1] = np.where(left > 0, first + ord("1"), ord("0"))
        characters[starts] = ord("-")
        end += starts
        offsets = np.empty(2 * len(counter) + 1, np.int32)
        offsets[1::2], offsets[-1] = end, len(characters)
        np.add(starts, self._plus(sign), out=offsets[:-1:2], casting="unsafe")
        texts = every_second(characters, offsets)
        if self._lefts[0] == 0:
            small = np.flatnonzero((left == 0) & (right > _PLAIN))
            zeros = characters[starts[small, None] + np.arange(3, 3 + _PLAIN)] == ord("0")
            texts = _exponents(texts, small[zeros.all(axis=1)])
        return texts

    def _plus(self, sign: I64) -> I64 | int:
        """Where texts begin: after the minus, if they have none."""
        if len(self._signs) > 1:
            return 1 - sign
        return int(self._signs[0] > 0)

    def _dozens(self, counter: U64, dozens: I64, starts: I64, count: int) -> U8:
        """Random digits, so many dozens for each row."""
        step = np.uint64(_BLOCK)  # dozen b of a row is drawn for its counter plus b steps
        number = np.arange(count, dtype=np.uint64)
        number *= step
        number += np.repeat(counter - starts.view(np.uint64) * step, dozens)
        left = mix(self._digits_key, number)
        out = np.empty((count, 3), np.uint32)
        for part in range(3):
            out[:, part] = _QUADS.take(cut(left, 10_000, last=part == 2), mode="clip")
        return out.reshape(-1).view(np.uint8)

    def column_objects(self, rows: Rows) -> list[object]:
        """Decimals."""
        return [Decimal(text) for text in self.column(rows).to_pylist()]


def _exponents(texts: pa.Array, where: I64) -> pa.Array:
    """Small values are written with an exponent."""
    if not len(where):
        return texts
    marked = np.zeros(len(texts), bool)
    marked[where] = True
    some = [str(Decimal(text)) for text in texts.filter(pa.array(marked)).to_pylist()]
    return pc.replace_with_mask(texts, pa.array(marked), pa.array(some, pa.string()))


@family("python.pydecimal")
def pydecimal(
    ctx: Making,
    *,
    left_digits: int | None = None,
    right_digits: int | None = None,
    positive: bool | None = None,
    min_value: Bound | None = None,
    max_value: Bound | None = None,
) -> Values | None:
    """Decimals of a drawn or a given number of digits before and after the point."""
    if any(digits is not None and not 0 <= digits <= _MOST for digits in (left_digits, right_digits)):
        return None
    signs = _signs(positive, min_value, max_value)

    if min_value is None and max_value is None:
        lefts = range(_MOST + 1) if left_digits is None else range(left_digits, left_digits + 1)
        rights = range(_MOST + 1) if right_digits is None else range(right_digits, right_digits + 1)
        return Digits(ctx.place, signs, lefts, rights)

    whole = {
        "-" if sign < 0 else "": _before(
            ctx.place.part("whole", str(sign)), sign, left_digits, min_value, max_value
        )
        for sign in signs
    }
    counts = range(_MOST + 1) if right_digits is None else [right_digits]
    fraction = Texts(ctx.place.part("fraction"), Tables(either([_fraction(count) for count in counts])))
    return Decimals(ctx.place, whole, fraction, min_value, max_value)


def _signs(positive: bool | None, low: Bound | None, high: Bound | None) -> list[int]:
    if low is not None and low >= 0:
        return [1]
    if high is not None and high <= 0:
        return [-1]
    return [1, -1] if positive is None else [1] if positive else [-1]


def _before(place: Place, sign: int, digits: int | None, low: Bound | None, high: Bound | None) -> Values:
    """What stands before the point: a number up to the bound, or some digits."""
    far, near = (high, low) if sign > 0 else (low, high)
    if far is not None:
        numbers = whole_numbers(place, int(_size(near, sign, 0)), int(far) if sign > 0 else abs(int(far)))
        if numbers is None:
            raise NotAGrammarError("beyond 64 bits")
        return numbers
    if digits is not None:
        return Texts(place, Tables(_whole(digits)))
    least = math.ceil(math.log10(_size(near, sign, 1)))
    most = max(_MOST, *(math.ceil(math.log10(_absolute(bound or 1))) + 10 for bound in (low, high)))
    return Texts(place, Tables(either([_whole(count) for count in range(least, most + 1)])))


def _size(bound: Bound | None, sign: int, least: int) -> Bound:
    """How far from zero numbers of a sign begin that have a bound; ``least`` where none holds them there."""
    value: Bound = bound or least
    return max(least, value) if sign > 0 else _absolute(min(least, value))


def _absolute(value: Bound) -> Bound:
    return -value if value < 0 else value
