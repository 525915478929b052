"""Faker's colours by column: hue, saturation and brightness are drawn, then converted as `colorsys` does.

What may be drawn is asked of Faker: for each hue the saturations, for each of these the brightnesses.
"""

# ruff: noqa: SLF001 - Faker keeps what picks colours in a private attribute

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.draws import I64, below, mix
from deep_faker.providers.base import Place, Rows, Values
from deep_faker.providers.grammar import NotAGrammarError
from deep_faker.providers.recorded import float_texts

Floats = np.ndarray[Any, np.dtype[np.float64]]
Three = tuple[Any, Any, Any]


class _Asked:
    """A random source that only says between which bounds it was to draw."""

    def __init__(self) -> None:
        self.bounds: tuple[int, int] | None = None

    def randint(self, low: int, high: int) -> int:
        """The lower bound."""
        self.bounds = (low, high)
        return low


@dataclass(frozen=True)
class _Ranges:
    """Hues; of each the saturations; of each hue and saturation the brightnesses."""

    hues: I64
    first: I64  # the lowest saturation of each hue
    sizes: I64
    starts: I64  # where the brightnesses of each hue begin
    lowest: I64
    spans: I64


def _range(picker: Any, pick: Callable[[], int]) -> tuple[int, int]:
    """The bounds between which a method of the picker draws, both included."""
    picker.random = _Asked()
    found = pick()
    low, high = picker.random.bounds or (found, found)
    if low > high:
        raise NotAGrammarError("no colour")
    return low, high


def _ranges(picker: Any, hue: Any, luminosity: str | None) -> _Ranges:
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
    """Colours: three numbers, or a text of them."""

    def __init__(self, place: Place, ranges: _Ranges, form: str) -> None:
        super().__init__(place)
        self._ranges, self._form = ranges, form
        self._keys = [place.key(part) for part in ("hue", "saturation", "brightness")]
        self.kind = "json" if form in _TUPLES else "str"

    def _numbers(self, rows: Rows) -> Three:
        r = self._ranges
        draws = [mix(key, rows.flow, rows.action) for key in self._keys]
        hue = below(draws[0], len(r.hues)).view(np.int64)
        step = below(draws[1], r.sizes[hue].astype(np.uint64)).view(np.int64)
        place = r.starts[hue] + step
        bright = r.lowest[place] + below(draws[2], r.spans[place].astype(np.uint64)).view(np.int64)
        return _CONVERTED[self._form.removesuffix(" text")](r.hues[hue], r.first[hue] + step, bright)

    def column(self, rows: Rows) -> pa.Array:
        """Texts; of tuples their JSON."""
        numbers = self._numbers(rows)
        if self._form == "hex text":
            most = max([255, *(int(part.max()) for part in numbers if len(part))])
            digits = pa.array([f"{number:02x}" for number in range(most + 1)])
            return pc.binary_join_element_wise("#", *(digits.take(pa.array(part)) for part in numbers), "")
        texts = [
            float_texts(part) if part.dtype == np.float64 else pa.array(part).cast(pa.string())
            for part in numbers
        ]
        first, last = ("[", "]") if self.kind == "json" else (f"{self._form.removesuffix(' text')}(", ")")
        return pc.binary_join_element_wise(first, texts[0], ", ", texts[1], ", ", texts[2], last, "")

    def column_objects(self, rows: Rows) -> list[Any]:
        """Texts or tuples."""
        if self.kind == "str":
            return list(self.column(rows).to_pylist())
        return list(zip(*(part.tolist() for part in self._numbers(rows)), strict=True))


def _rgb_float(hue: I64, saturation: I64, brightness: I64) -> tuple[Floats, Floats, Floats]:
    """As `colorsys.hsv_to_rgb`, operation by operation, so that the floats are the same."""
    h, s, v = np.clip(hue, 1, 359) / 360, saturation / 100, brightness / 100
    sector = (h * 6.0).astype(np.int64)
    f = h * 6.0 - sector
    p, q, t = v * (1.0 - s), v * (1.0 - s * f), v * (1.0 - s * (1.0 - f))
    which = sector % 6
    red = np.choose(which, [v, q, p, p, t, v])
    green = np.choose(which, [t, v, v, q, p, p])
    blue = np.choose(which, [p, p, t, v, v, q])
    grey = s == 0.0
    return np.where(grey, v, red), np.where(grey, v, green), np.where(grey, v, blue)


def _rgb(hue: I64, saturation: I64, brightness: I64) -> Three:
    red, green, blue = ((part * 255).astype(np.int64) for part in _rgb_float(hue, saturation, brightness))
    return red, green, blue


def _hsl(hue: I64, saturation: I64, brightness: I64) -> Three:
    s, v = saturation / 100.0, brightness / 100.0
    light = 0.5 * v * (2 - s)
    flat = (light == 0) | (light == 1)
    spread = np.where(flat, 1.0, 1 - np.abs(2 * light - 1))
    strength = np.where(flat, 0.0, v * s / spread)
    return hue, (strength * 100).astype(np.int64), (light * 100).astype(np.int64)


def _hsv(hue: I64, saturation: I64, brightness: I64) -> Three:
    return hue, saturation, brightness


_TUPLES = ("rgb", "rgb float", "hsl", "hsv")
_CONVERTED: dict[str, Callable[[I64, I64, I64], Three]] = {
    "rgb": _rgb,
    "rgb float": _rgb_float,
    "hsl": _hsl,
    "hsv": _hsv,
    "hex": _rgb,
}


def _colors(
    form: str, provider: Any, place: Place, *, hue: Any = None, luminosity: Any = None, color_format: str = ""
) -> Values:
    if form == "text":
        form = f"{color_format if color_format in ('rgb', 'hsl', 'hsv') else 'hex'} text"
    return Colors(place, _ranges(copy.copy(provider._random_color), hue, luminosity), form)


def _method(form: str) -> Callable[..., Values]:
    def build(provider: Any, place: Place, **arguments: Any) -> Values:
        return _colors(form, provider, place, **arguments)

    return build


COLORS: dict[str, Callable[..., Values | None]] = {
    "color.color": _method("text"),
    "color.color_rgb": _method("rgb"),
    "color.color_rgb_float": _method("rgb float"),
    "color.color_hsl": _method("hsl"),
    "color.color_hsv": _method("hsv"),
}
"""Where Faker defines a method → what makes it: (provider, place, **arguments)."""
