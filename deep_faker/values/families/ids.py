"""Ids: short UUIDs of any length and version 4 UUIDs.

They are a permutation of a counter: unique in a whole run, all partitions together, which no pool is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from deep_faker.draws import ids
from deep_faker.draws.ids import BASE, CounterOverflowError
from deep_faker.draws.mix import CHUNK, U64, below, below1, mix, mix1, permute, permute1
from deep_faker.errors import Diagnostic, KeySpaceError
from deep_faker.values.base import Place, Rows, Values, fixed_width_strings
from deep_faker.values.families.hexes import dashed, uuid_text1, uuid_texts
from deep_faker.values.family import Making, family

_UNIQUE_FROM = 8  # the length from which values of rows are unique too, not only keys
_UUID_BITS = 62


class _UniqueValues(Values):
    """Ids of rows and of keys share one permutation: keys count up from 0, rows down from the top."""

    _top: int

    def _counters(self, rows: Rows) -> U64:
        draws = self.place.draws
        try:
            counter = ids.action_counter(draws.partition, draws.partitions, rows.flow, rows.action)
            if len(counter):
                self._check_half(int(counter.max()))
        except CounterOverflowError as error:
            raise self._full(error) from None
        return np.uint64(self._top) - counter

    def _counter(self, flow: int, action: int) -> int:
        draws = self.place.draws
        try:
            counter = ids.action_counter1(draws.partition, draws.partitions, flow, action)
            self._check_half(counter)
        except CounterOverflowError as error:
            raise self._full(error) from None
        return self._top - counter

    def _check_half(self, counter: int) -> None:
        if counter > self._top // 2:
            raise CounterOverflowError(
                f"counter {counter:,} is in the half of {self._top + 1:,} ids that keys use"
            )

    def _full(self, error: Exception) -> KeySpaceError:
        return KeySpaceError(
            Diagnostic(f"no ids left for {self.place.name}", self.place.span, str(error), "use a longer id")
        )


class ShortUuid(_UniqueValues):
    """Texts of the shortuuid alphabet; unique in a run from eight characters on.

    >>> from deep_faker.draws.mix import Draws
    >>> ids_ = ShortUuid(Place(Draws(7), ("id",), 0), 10)
    >>> len(ids_.one(3, 1, 0)), ids_.one(3, 1, 0) == ids_.unique_one(0)
    (10, False)
    """

    def __init__(self, place: Place, length: int) -> None:
        super().__init__(place)
        self._length = length
        self.capacity = ids.capacity(length)
        self._top = min(self.capacity, 1 << 63) - 1
        self.detail = "unique" if length >= _UNIQUE_FROM else ""

    def column(self, rows: Rows) -> pa.Array:
        if self._length >= _UNIQUE_FROM:
            counters, key = self._counters(rows), self._id_key
        else:
            counters, key = below(self._draw(rows), BASE**self._length), self._key
        return fixed_width_strings(ids.scramble(key, counters, self._length))

    def one(self, flow: int, action: int, clock: int) -> str:
        if self._length >= _UNIQUE_FROM:
            return ids.scramble1(self._id_key, self._counter(flow, action), self._length)
        return ids.scramble1(self._key, below1(self._draw1(flow, action), BASE**self._length), self._length)

    def unique(self, counter: U64) -> pa.Array:
        if len(counter):
            self._check_space(int(counter.max()))
        return fixed_width_strings(ids.scramble(self._id_key, counter, self._length))

    def unique_one(self, counter: int) -> str:
        self._check_space(counter)
        return ids.scramble1(self._id_key, counter, self._length)


class Uuid4(_UniqueValues):
    """Version 4 UUIDs as text: 62 bits are the counter in disguise, the others are hashed from it.

    >>> from deep_faker.draws.mix import Draws
    >>> Uuid4(Place(Draws(7), ("id",), 0)).one(3, 1, 0)[14]
    '4'
    """

    detail = "unique"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.capacity = 1 << _UUID_BITS
        self._top = self.capacity - 1

    def column(self, rows: Rows) -> pa.Array:
        return self._texts(self._counters(rows))

    def one(self, flow: int, action: int, clock: int) -> object:
        return self._text(self._counter(flow, action))

    def unique(self, counter: U64) -> pa.Array:
        if len(counter):
            self._check_space(int(counter.max()))
        return self._texts(counter)

    def unique_one(self, counter: int) -> str:
        self._check_space(counter)
        return self._text(counter)

    def _texts(self, counter: U64) -> pa.Array:
        out = dashed(len(counter))
        for start in range(0, len(counter), CHUNK):
            part = counter[start : start + CHUNK]
            high = mix(self._id_key, part)
            high &= np.uint64(0xFFFFFFFFFFFF0FFF)
            high |= np.uint64(0x4000)
            low = permute(self._id_key, part, 1 << _UUID_BITS)
            low |= np.uint64(1 << 63)
            uuid_texts(high, low, out[start : start + CHUNK])
        return fixed_width_strings(out)

    def _text(self, counter: int) -> str:
        high = (mix1(self._id_key, counter) & 0xFFFFFFFFFFFF0FFF) | 0x4000
        low = permute1(self._id_key, counter, 1 << _UUID_BITS) | 1 << 63
        return uuid_text1(high, low)


@family("shortuuid", source="ours")
def shortuuid(ctx: Making, *, length: int = 22) -> Values:
    """A short UUID: ``length`` characters of the shortuuid alphabet."""
    if type(length) is not int or not 1 <= length <= 1000:
        raise ValueError(f"length must be a whole number from 1 to 1000, not {length!r}")
    return ShortUuid(ctx.place, length)


@family("misc.uuid4", anywhere=True)
def uuid4(ctx: Making, *, cast_to: Callable[..., object] | None = str) -> Values | None:
    """A version 4 UUID; text, which a field of type ``UUID`` takes too."""
    return Uuid4(ctx.place) if cast_to in (str, None) else None
