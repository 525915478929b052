"""Numbers and booleans."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from deep_faker.draws.mix import I64, U64, below, below1, mix_below, mix_unit, permute, permute1, unit1
from deep_faker.plan import arrow
from deep_faker.plan.recipes import Steps
from deep_faker.values.base import Drawn, Place, Rows, Values
from deep_faker.values.family import Making, family

_INT64 = 2**63


class IntRange(Values):
    """Whole numbers of ``range(low, …, step)``, ``size`` of them.

    >>> from deep_faker.draws.mix import Draws
    >>> tens = IntRange(Place(Draws(7), ("tens",), 0), 10, 3, step=10)
    >>> sorted(tens.unique_one(number) for number in range(3))
    [10, 20, 30]
    """

    kind = "int"

    def __init__(self, place: Place, low: int, size: int, step: int = 1) -> None:
        super().__init__(place)
        self._low, self._size, self._step = low, size, step
        self.capacity = size

    def column(self, rows: Rows) -> pa.Array:
        return arrow.numbers(self._numbers(mix_below(self._key, rows.flow, rows.action, self._size)))

    def one(self, flow: int, action: int, clock: int) -> int:
        return self._low + self._step * below1(self._draw1(flow, action), self._size)

    def recipe(self, steps: Steps) -> Drawn:
        return Drawn(steps.mix(self._key).below(self._size) * self._step + self._low)

    def unique(self, counter: U64) -> pa.Array:
        if len(counter):
            self._check_space(int(counter.max()))
        return arrow.numbers(self._numbers(permute(self._id_key, counter, self._size)))

    def unique_one(self, counter: int) -> int:
        self._check_space(counter)
        return self._low + self._step * permute1(self._id_key, counter, self._size)

    def _numbers(self, index: U64) -> I64:
        values = index.view(np.int64)
        if self._step != 1:
            values *= self._step
        if self._low:
            values += self._low
        return values


class RandomNumber(Values):
    """Whole numbers of one to nine digits, the number of digits being drawn first.

    >>> from deep_faker.draws.mix import Draws
    >>> len(str(RandomNumber(Place(Draws(7), ("number",), 0), fix_len=True).one(3, 1, 0))) <= 9
    True
    """

    kind = "int"

    def __init__(self, place: Place, *, fix_len: bool) -> None:
        super().__init__(place)
        self._second = place.key(1)
        self._lows = [10**d if fix_len else 0 for d in range(9)]
        self._sizes = [10 ** (d + 1) - low for d, low in enumerate(self._lows)]

    def column(self, rows: Rows) -> pa.Array:
        digits = below(self._draw(rows), 9).view(np.int64)
        sizes, lows = np.array(self._sizes, np.uint64)[digits], np.array(self._lows, np.int64)[digits]
        return pa.array(below(self._draw(rows, self._second), sizes).view(np.int64) + lows)

    def one(self, flow: int, action: int, clock: int) -> int:
        digits = below1(self._draw1(flow, action), 9)
        return self._lows[digits] + below1(self._draw1(flow, action, self._second), self._sizes[digits])

    def recipe(self, steps: Steps) -> Drawn:
        digits = steps.mix(self._key).below(9)
        number = steps.mix(self._second).below(digits.among(self._sizes))
        return Drawn(number + digits.among(self._lows))


class Booleans(Values):
    """True in ``percent`` of a hundred cases.

    >>> from deep_faker.draws.mix import Draws
    >>> Booleans(Place(Draws(7), ("sure",), 0), 100).one(3, 1, 0)
    True
    """

    kind = "bool"

    def __init__(self, place: Place, percent: float) -> None:
        super().__init__(place)
        hits = sum(case <= percent for case in range(1, 101))
        self._end = -(-(hits << 64) // 100)  # of the draws that hit

    def column(self, rows: Rows) -> pa.Array:
        # one comparison: ``u < end`` would overflow where all hit
        hit = self._draw(rows) <= np.uint64(self._end - 1) if self._end else np.zeros(len(rows), bool)
        bits = pa.py_buffer(np.packbits(hit, bitorder="little"))
        return pa.BooleanArray.from_buffers(pa.bool_(), len(rows), [None, bits])

    def one(self, flow: int, action: int, clock: int) -> bool:
        return self._draw1(flow, action) < self._end

    def recipe(self, steps: Steps) -> Drawn:
        if not self._end:
            return Drawn(steps.constant(value=False))
        return Drawn(steps.mix(self._key).at_most(self._end - 1))


class Uniform(Values):
    """Floats between two bounds.

    >>> from deep_faker.draws.mix import Draws
    >>> 1.5 <= Uniform(Place(Draws(7), ("weight",), 0), 1.5, 2.5).one(3, 1, 0) < 2.5
    True
    """

    kind = "float"

    def __init__(self, place: Place, low: float, high: float) -> None:
        super().__init__(place)
        self._low, self._width = low, high - low

    def column(self, rows: Rows) -> pa.Array:
        values = mix_unit(self._key, rows.flow, rows.action)
        values *= self._width
        values += self._low
        return pa.array(values)

    def one(self, flow: int, action: int, clock: int) -> float:
        return self._low + self._width * unit1(self._draw1(flow, action))

    def recipe(self, steps: Steps) -> Drawn:
        return Drawn(steps.mix(self._key).unit() * self._width + self._low)


@family("random_int", anywhere=True)
def random_int(ctx: Making, *, min: int = 0, max: int = 9999, step: int = 1) -> Values | None:  # noqa: A002
    return whole_numbers(ctx.place, min, max, step)


def whole_numbers(place: Place, low: int, high: int, step: int = 1) -> Values | None:
    """Whole numbers from ``low`` to ``high``, both included, in steps; None beyond 64 bits.

    >>> from deep_faker.draws.mix import Draws
    >>> dice = whole_numbers(Place(Draws(7), ("dice",), 0), 1, 6)
    >>> dice.capacity, sorted(dice.unique_one(number) for number in range(6))
    (6, [1, 2, 3, 4, 5, 6])
    """
    numbers = range(low, high + 1, step)
    if not numbers:
        raise ValueError(f"no number from min={low} to max={high} in steps of {step}")
    size = (numbers[-1] - low) // step + 1  # len() of a range ends at 2**63
    if not (-_INT64 <= low < _INT64 and -_INT64 <= high < _INT64 and size <= _INT64):
        return None
    return IntRange(place, low, size, step)


@family("python.pyint", anywhere=True)
def pyint(ctx: Making, *, min_value: int = 0, max_value: int = 9999, step: int = 1) -> Values | None:
    return whole_numbers(ctx.place, min_value, max_value, step)


@family("random_digit", anywhere=True)
def random_digit(ctx: Making) -> Values:
    return IntRange(ctx.place, 0, 10)


@family("random_digit_not_null", anywhere=True)
def random_digit_not_null(ctx: Making) -> Values:
    return IntRange(ctx.place, 1, 9)


@family("random_digit_above_two", anywhere=True)
def random_digit_above_two(ctx: Making) -> Values:
    return IntRange(ctx.place, 2, 8)


@family("random_number", anywhere=True)
def random_number(ctx: Making, *, digits: int | None = None, fix_len: bool = False) -> Values | None:
    """Numbers of up to (``fix_len``: of exactly) so many digits."""
    if digits is None:
        return RandomNumber(ctx.place, fix_len=fix_len)
    if not 0 <= digits <= 18 or (fix_len and digits == 0):
        return None
    low = 10 ** (digits - 1) if fix_len else 0
    return IntRange(ctx.place, low, 10**digits - low)


@family("misc.boolean", anywhere=True)
def boolean(ctx: Making, *, chance_of_getting_true: float = 50) -> Values:
    """True with a chance in percent."""
    return Booleans(ctx.place, chance_of_getting_true)


@family("python.pybool", anywhere=True)
def pybool(ctx: Making, *, truth_probability: float = 50) -> Values:
    return Booleans(ctx.place, truth_probability)


@family("internet.port_number", anywhere=True)
def port_number(
    ctx: Making, *, is_system: bool = False, is_user: bool = False, is_dynamic: bool = False
) -> Values:
    low, high = (0, 1023) if is_system else (1024, 49151) if is_user else (49152 if is_dynamic else 0, 65535)
    return IntRange(ctx.place, low, high - low + 1)


@family("internet.http_status_code", anywhere=True)
def http_status_code(ctx: Making, *, include_unassigned: bool = True) -> Values | None:
    return IntRange(ctx.place, 100, 500) if include_unassigned else None
