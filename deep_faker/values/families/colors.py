"""Faker's colours by column: hue, saturation and brightness are drawn, then converted as `colorsys` does.

What may be drawn is asked of Faker: for each hue the saturations, for each of these the brightnesses.
So every colour has Faker's chance, where a pool would have at most 10,000 of them.
"""

# ruff: noqa: SLF001 - Faker keeps what picks colours in a private attribute

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa

from deep_faker.draws.mix import F64, I64, mix
from deep_faker.values.base import Place, Rows, Values, fixed_width_strings
from deep_faker.values.compose.mimesis import float_texts
from deep_faker.values.family import Making, family
from deep_faker.values.text.columns import joined
from deep_faker.values.text.cut_draws import cut, together
from deep_faker.values.text.grammar import NotAGrammarError
from deep_faker.values.text.words64 import Pieces, in_chunks, packed, run_together, store

if TYPE_CHECKING:
    from faker.typing import HueType


class _Asked:
    """A random source that only says between which bounds it was to draw."""

    def __init__(self) -> None:
        self.bounds: tuple[int, int] | None = None

    def randint(self, low: int, high: int) -> int:
        """The lower bound."""
        self.bounds = (low, high)
        return low


class _Picker(Protocol):
    """What picks Faker's colours, as far as it is asked here."""

    random: _Asked

    def get_hue_range(self, color_input: HueType | None) -> tuple[int, int]: ...
    def pick_saturation(self, hue: int, hue_name: HueType | None, luminosity: str | None) -> int: ...
    def pick_brightness(self, h: int, s: int, luminosity: str | None) -> int: ...
    def random_within(self, r: Sequence[int]) -> int: ...


@dataclass(frozen=True)
class _Ranges:
    """Hues; of each the saturations; of each hue and saturation the brightnesses."""

    hues: I64
    first: I64  # the lowest saturation of each hue
    sizes: I64
    starts: I64  # where the brightnesses of each hue begin
    lowest: I64
    spans: I64


def _range(picker: _Picker, pick: Callable[[], int]) -> tuple[int, int]:
    """The bounds between which a method of the picker draws, both included."""
    picker.random = _Asked()
    only = pick()  # where nothing is drawn
    low, high = picker.random.bounds or (only, only)
    if low > high:
        raise NotAGrammarError("no colour")
    return low, high


def _ranges(picker: _Picker, hue: HueType | None, luminosity: str | None) -> _Ranges:
    low, high = _range(picker, lambda: int(picker.random_within(picker.get_hue_range(hue))))
    hues = [each + 360 if each < 0 else each for each in range(low, high + 1)]
    first, sizes, lowest, spans = [], [], [], []
    for each in hues:
        least, most = _range(picker, lambda h=each: int(picker.pick_saturation(h, hue, luminosity)))  # type: ignore[misc]  # bound now
        first.append(least)
        sizes.append(most - least + 1)
        for saturation in range(least, most + 1):
            dark, bright = _range(
                picker,
                lambda h=each, s=saturation: int(picker.pick_brightness(h, s, luminosity)),  # type: ignore[misc]
            )
            lowest.append(dark)
            spans.append(bright - dark + 1)
    arrays = [np.array(numbers, np.int64) for numbers in (hues, first, sizes, lowest, spans)]
    starts = np.cumsum(arrays[2]) - arrays[2]
    return _Ranges(arrays[0], arrays[1], arrays[2], starts, arrays[3], arrays[4])


class Colors(Values):
    """Colours: three numbers, or a text of them.  Each form says how its numbers are written."""

    def __init__(self, place: Place, ranges: _Ranges) -> None:
        super().__init__(place)
        self._ranges = ranges

    def _drawn(self, rows: Rows, some: slice) -> tuple[I64, I64, I64]:
        """The hue's number, the number of hue and saturation, and the brightness of some rows."""
        r = self._ranges
        left = mix(self._key, together(rows.flow[some], rows.action[some]))
        hue = cut(left, len(r.hues))
        place = cut(left, r.sizes.take(hue).view(np.uint64))
        place += r.starts.take(hue)
        bright = cut(left, r.spans.take(place).view(np.uint64), last=True)
        bright += r.lowest.take(place)
        return hue, place, bright

    def column(self, rows: Rows) -> pa.Array:
        """Texts; of tuples their JSON."""
        return in_chunks(len(rows), lambda some: self._texts(*self._drawn(rows, some)))

    def _texts(self, hue: I64, place: I64, bright: I64) -> pa.Array:
        raise NotImplementedError

    def column_objects(self, rows: Rows) -> list[object]:
        """Texts or tuples."""
        texts = self.column(rows).to_pylist()
        return texts if self.kind == "str" else [tuple(json.loads(text)) for text in texts]


class _Mixed(Colors):
    """Red, green and blue: of hue and saturation each has its share of the brightness.

    `colorsys.hsv_to_rgb` multiplies the brightness by the same floats, so the products are the same.
    """

    def __init__(self, place: Place, ranges: _Ranges) -> None:
        super().__init__(place, ranges)
        hue = np.repeat(ranges.hues, ranges.sizes)
        self._saturation = _saturations(ranges)
        self._shares = _shares(hue, self._saturation)

    def _numbers(self, place: I64, bright: I64) -> list[I64]:
        """Each colour from 0 to 255."""
        value = _HUNDREDTHS.take(bright, mode="clip")
        numbers = []
        for share in self._shares:
            part = share.take(place, mode="clip")
            part *= value
            part *= 255
            numbers.append(part.astype(np.int64))
        return numbers


class HexTexts(_Mixed):
    """#rrggbb."""

    def _texts(self, hue: I64, place: I64, bright: I64) -> pa.Array:
        out = np.empty((len(place), 7), np.uint8)
        out[:, 0] = ord("#")
        for start, number in zip((1, 3, 5), self._numbers(place, bright), strict=True):
            store(out, start, start + 2, _BYTES.take(number, mode="clip"))
        return fixed_width_strings(out)


class Triples(Colors):
    """Three numbers up to 360, between a beginning and an end."""

    def __init__(self, place: Place, ranges: _Ranges, begin: str, end: str) -> None:
        super().__init__(place, ranges)
        self.kind = "json" if begin == "[" else "str"
        self._tables = [
            Pieces([f"{before}{number}{after}" for number in range(361)])
            for before, after in ((begin, ""), (", ", ""), (", ", end))
        ]

    def _three(self, hue: I64, place: I64, bright: I64) -> list[I64]:
        raise NotImplementedError

    def _texts(self, hue: I64, place: I64, bright: I64) -> pa.Array:
        numbers = self._three(hue, place, bright)
        return run_together([table.take(number) for table, number in zip(self._tables, numbers, strict=True)])


class RgbTriples(Triples, _Mixed):
    """Red, green, blue."""

    def __init__(self, place: Place, ranges: _Ranges, begin: str, end: str) -> None:
        _Mixed.__init__(self, place, ranges)
        Triples.__init__(self, place, ranges, begin, end)

    def _three(self, hue: I64, place: I64, bright: I64) -> list[I64]:
        return self._numbers(place, bright)


class HueTriples(Triples):
    """The hue and two numbers of saturation and brightness."""

    def __init__(self, place: Place, ranges: _Ranges, begin: str, end: str, *, light: bool) -> None:
        super().__init__(place, ranges, begin, end)
        self._saturation = _saturations(ranges)
        self._light = _hsl(*np.divmod(np.arange(101 * 101), 101)) if light else None

    def _three(self, hue: I64, place: I64, bright: I64) -> list[I64]:
        saturation = self._saturation.take(place)
        if self._light is None:
            return [self._ranges.hues.take(hue), saturation, bright]
        saturation *= 101
        saturation += bright
        return [self._ranges.hues.take(hue), *(table.take(saturation, mode="clip") for table in self._light)]


class FloatTriples(_Mixed):
    """Red, green and blue as floats.

    One is the brightness, one depends on the saturation only: their texts are in tables.  The third is
    written anew.
    """

    kind = "json"

    def __init__(self, place: Place, ranges: _Ranges) -> None:
        super().__init__(place, ranges)
        saturation, value = np.divmod(np.arange(101 * 101), 101)
        known = np.concatenate([_HUNDREDTHS, (1.0 - saturation / 100) * (value / 100)])
        self._known = pa.concat_arrays([pa.array(["[", ", ", "]"]), float_texts(known)])
        # Which of red, green and blue is the brightness, which the least, which is written anew.
        hue = np.repeat(ranges.hues, ranges.sizes)
        sector = (np.clip(hue, 1, 359) / 360 * 6.0).astype(np.int64) % 6
        self._orders = np.array([[0, 2, 1], [1, 2, 0], [1, 0, 2], [2, 0, 1], [2, 1, 0], [0, 1, 2]])[sector]

    def _texts(self, hue: I64, place: I64, bright: I64) -> pa.Array:
        n = len(place)
        value = _HUNDREDTHS.take(bright)
        order = self._orders.take(place, axis=0)
        row = np.arange(n)
        third = np.choose(order[:, 2], [share.take(place) for share in self._shares])
        third *= value
        every = pa.concat_arrays([self._known, float_texts(third)])
        index = np.empty((n, 7), np.int32)
        index[:, 0], index[:, 2], index[:, 4], index[:, 6] = 0, 1, 1, 2
        index[row, 2 * order[:, 0] + 1] = bright + 3
        index[row, 2 * order[:, 1] + 1] = self._saturation.take(place) * 101 + bright + (3 + 101)
        index[row, 2 * order[:, 2] + 1] = row + len(self._known)
        return joined(every, index)


_HUNDREDTHS = np.arange(101) / 100
_BYTES = packed([f"{number:02x}" for number in range(256)], 2)


def _saturations(ranges: _Ranges) -> I64:
    """The saturation of each number of hue and saturation."""
    first: I64 = np.repeat(ranges.first - ranges.starts, ranges.sizes)
    first += np.arange(len(first))
    return first


def _shares(hue: I64, saturation: I64) -> list[F64]:
    """What red, green and blue are of the brightness, as `colorsys` computes it."""
    h, s = np.clip(hue, 1, 359) / 360, saturation / 100
    sector = (h * 6.0).astype(np.int64)
    f = h * 6.0 - sector
    v, p, q, t = np.ones(len(s)), 1.0 - s, 1.0 - s * f, 1.0 - s * (1.0 - f)
    which = sector % 6
    red = np.choose(which, [v, q, p, p, t, v])
    green = np.choose(which, [t, v, v, q, p, p])
    blue = np.choose(which, [p, p, t, v, v, q])
    return [np.where(s == 0.0, 1.0, share) for share in (red, green, blue)]


def _hsl(saturation: I64, brightness: I64) -> tuple[I64, I64]:
    s, v = saturation / 100.0, brightness / 100.0
    light = 0.5 * v * (2 - s)
    flat = (light == 0) | (light == 1)
    spread = np.where(flat, 1.0, 1 - np.abs(2 * light - 1))
    strength = np.where(flat, 0.0, v * s / spread)
    return (strength * 100).astype(np.int64), (light * 100).astype(np.int64)


@family("color.color", form="text")
@family("color.color_rgb", form="rgb")
@family("color.color_rgb_float", form="rgb float")
@family("color.color_hsl", form="hsl")
@family("color.color_hsv", form="hsv")
def _colors(
    ctx: Making,
    *,
    form: str,
    hue: HueType | None = None,
    luminosity: str | None = None,
    color_format: str = "",
) -> Values:
    ranges = _ranges(copy.copy(ctx.provider._random_color), hue, luminosity)
    begin, end = "[", "]"
    if form == "text":
        form = color_format if color_format in ("rgb", "hsl", "hsv") else "hex"
        begin, end = f"{form}(", ")"
    if form == "hex":
        return HexTexts(ctx.place, ranges)
    if form == "rgb":
        return RgbTriples(ctx.place, ranges, begin, end)
    if form == "rgb float":
        return FloatTriples(ctx.place, ranges)
    return HueTriples(ctx.place, ranges, begin, end, light=form == "hsl")
