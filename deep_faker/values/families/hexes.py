"""Hexadecimal texts by column: digests of what is random, UUIDs, colours.

Digests and UUIDs stand for what never comes twice; from a pool each would, every 10,000 rows.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from deep_faker.draws.mix import CHUNK, U64, below, below1, mix, mix1
from deep_faker.values.base import Place, Rows, Values, fixed_width_strings
from deep_faker.values.family import Making, family
from deep_faker.values.library.codes import hex_color
from deep_faker.values.text.columns import Texts, gathered
from deep_faker.values.text.cut_draws import together, together1
from deep_faker.values.text.grammar import Text, table
from deep_faker.values.text.words64 import U8, hexadecimal, packed, store

_BYTES = table([f"{byte:02x}" for byte in range(256)])
_DASHES = (8, 13, 18, 23)  # where the dashes of a UUID stand
_STARTS = (0, 4, 9, 14, 19, 24, 28, 32)  # and its groups of four digits
_16 = np.uint64(16)


class Digests(Texts):
    """Random hexadecimal digits: a digest of random text has any byte as often as any other."""

    def __init__(self, place: Place, text: Text, size: int) -> None:
        super().__init__(place, gathered(text))
        self._digits = 2 * size
        self._word_keys = [place.key(number + 1) for number in range(-(-size // 8))]

    def column(self, rows: Rows) -> pa.Array:
        n, fours = len(rows), self._digits // 4
        out = np.empty((n, self._digits), np.uint8)
        words = np.empty((min(n, CHUNK), len(self._word_keys)), np.uint64)
        for start in range(0, n, CHUNK):
            counter = together(rows.flow[start : start + CHUNK], rows.action[start : start + CHUNK])
            some = words[: len(counter)]
            for number, key in enumerate(self._word_keys):
                some[:, number] = mix(key, counter)
            hexadecimal(some.view("<u2")[:, :fours], out[start : start + CHUNK].view(np.uint32))
        return fixed_width_strings(out)

    def one(self, flow: int, action: int, clock: int) -> str:
        counter = together1(flow, action)
        words = [mix1(key, counter) for key in self._word_keys]
        text = "".join(f"{word >> shift & 0xFFFF:04x}" for word in words for shift in (0, 16, 32, 48))
        return text[: self._digits]


@family("misc.md5", size=16)
@family("misc.sha1", size=20)
@family("misc.sha256", size=32)
def _digest(ctx: Making, *, size: int, raw_output: bool = False) -> Values | None:
    if raw_output:
        return None
    text = _BYTES
    for _ in range(size - 1):
        text = text + _BYTES
    return Digests(ctx.place, text, size)


# ---------------------------------------------------------------- UUIDs


def uuid_texts(high: U64, low: U64, out: U8) -> None:
    """Write the texts of UUIDs from their halves into 36 columns that hold dashes already."""
    for first, word in ((0, high), (4, low)):
        for group in range(4):
            shift = np.uint64(48 - 16 * group)
            number = word >> shift if group == 0 else (word >> shift) & np.uint64(0xFFFF)
            start = _STARTS[first + group]
            store(out, start, start + 4, hexadecimal(number.view(np.int64)))


def dashed(n: int) -> U8:
    """Room for the texts of UUIDs.

    >>> uuid_texts(np.array([1], np.uint64), np.array([2], np.uint64), out := dashed(1))
    >>> out.tobytes()
    b'00000000-0000-0001-0000-000000000002'
    """
    out = np.empty((n, 36), np.uint8)
    for column in _DASHES:
        out[:, column] = ord("-")
    return out


def uuid_text1(high: int, low: int) -> str:
    """The twin of `uuid_texts`.

    >>> uuid_text1(0x0123456789ABCDEF, 0x8000000000000001)
    '01234567-89ab-cdef-8000-000000000001'
    """
    text = f"{high:016x}{low:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class TimeUuids(Values):
    """UUIDs of version 1 or 7 as text: a drawn time and random bits."""

    def __init__(self, place: Place, version: int, most: int) -> None:
        super().__init__(place)
        self._version, self._most = version, most
        self._noise, self._more = place.key("noise"), place.key("more")

    def column(self, rows: Rows) -> pa.Array:
        """The texts."""
        out = dashed(len(rows))
        for start in range(0, len(rows), CHUNK):
            counter = together(rows.flow[start : start + CHUNK], rows.action[start : start + CHUNK])
            time, low = mix(self._key, counter), mix(self._noise, counter)
            if self._version == 7:
                high = below(time, self._most + 1)
                high <<= _16
                high |= mix(self._more, counter) >> np.uint64(52)
                high |= np.uint64(7 << 12)
            else:
                high = self._ticks(below(time, self._most + 1))
            low >>= np.uint64(2)
            low |= np.uint64(1 << 63)
            uuid_texts(high, low, out[start : start + CHUNK])
        return fixed_width_strings(out)

    def _ticks(self, time: U64) -> U64:
        ticks = time // np.uint64(100)
        ticks += np.uint64(0x01B21DD213814000)
        high = ticks << np.uint64(32)
        high |= (ticks >> _16) & np.uint64(0xFFFF0000)
        ticks >>= np.uint64(48)
        ticks &= np.uint64(0x0FFF)
        high |= ticks
        high |= np.uint64(1 << 12)
        return high

    def one(self, flow: int, action: int, clock: int) -> str:
        counter = together1(flow, action)
        time = below1(mix1(self._key, counter), self._most + 1)
        if self._version == 7:
            high = time << 16 | 7 << 12 | mix1(self._more, counter) >> 52
        else:
            ticks = time // 100 + 0x01B21DD213814000
            high = (ticks & 0xFFFFFFFF) << 32 | (ticks >> 32 & 0xFFFF) << 16 | ticks >> 48 & 0x0FFF | 1 << 12
        return uuid_text1(high, mix1(self._noise, counter) >> 2 | 1 << 63)


@family("misc.uuid1", version=1, constant="_MAX_UNIX_TIME_NS")
@family("misc.uuid7", version=7, constant="_MAX_UNIX_TIME_MS")
def _uuid(
    ctx: Making, *, version: int, constant: str, cast_to: Callable[..., object] | None = str
) -> Values | None:
    most = getattr(sys.modules["faker.providers.misc"], constant, None)
    return TimeUuids(ctx.place, version, most) if cast_to in (str, None) and most is not None else None


# ---------------------------------------------------------------- colours


_HIGH = packed([f"#{number:03x}" for number in range(4096)], 4)
_LOW = packed([f"{number:03x}" for number in range(4096)], 4)


class HexColors(Texts):
    """#000001 to #ffffff."""

    def column(self, rows: Rows) -> pa.Array:
        out = np.empty((len(rows), 7), np.uint8)
        for start in range(0, len(rows), CHUNK):
            number = below(
                mix(self._key, rows.flow[start : start + CHUNK], rows.action[start : start + CHUNK]), 0xFFFFFF
            )
            number += np.uint64(1)
            low = number & np.uint64(0xFFF)
            number >>= np.uint64(12)
            some = out[start : start + CHUNK]
            store(some, 0, 4, _HIGH.take(number.view(np.int64), mode="clip"))
            store(some, 4, 7, _LOW.take(low.view(np.int64), mode="clip"))
        return fixed_width_strings(out)

    def one(self, flow: int, action: int, clock: int) -> str:
        return f"#{below1(mix1(self._key, flow, action), 0xFFFFFF) + 1:06x}"


@family("color.hex_color")
def _hex_color(ctx: Making) -> Values:
    return HexColors(ctx.place, gathered(hex_color(ctx.provider)))
