"""Degrees of latitude and longitude by column: three table look-ups write a number of six or seven places."""

# ruff: noqa: ARG001 - Faker's own parameters

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.draws import CHUNK, U64, below, mix
from deep_faker.providers.base import Place, Rows, Values
from deep_faker.providers.splits import together
from deep_faker.providers.words import U8, cut_out, packed, store

_SIZE, _MOST = 360_000_001, 180_000_000  # millionths of a degree, from -180 to 180
_WHOLE = 181  # entries of the table of whole degrees for each sign
_MILLION, _THOUSAND = np.uint64(1_000_000), np.uint64(1000)


@lru_cache(maxsize=8)
def _wholes(before: str) -> tuple[npt.NDArray[Any], npt.NDArray[np.int32]]:
    """Whole degrees with the point, at the right end of eight characters; and where each begins."""
    texts = [f"{before}{sign}{whole}." for sign in ("", "-") for whole in range(_WHOLE)]
    return packed([text.rjust(8) for text in texts], 8), np.array([8 - len(text) for text in texts], np.int32)


@lru_cache(maxsize=1)
def _thousands() -> npt.NDArray[Any]:
    return packed([f"{number:03d}" for number in range(1000)], 4)


@lru_cache(maxsize=8)
def _last(after: str, *, half: bool) -> npt.NDArray[Any]:
    """The last three places with what follows; of halves the fourth one too, where it is not zero."""
    if not half:
        return packed([f"{number:03d}{after}" for number in range(1000)], 8)
    return packed([f"{number:03d}{five}{after}" for number in range(1000) for five in ("", "5")], 8)


def _write(out: U8, at: int, number: U64, *, half: bool, before: str, after: str) -> tuple[Any, U64]:
    """Write millionths (halves: of half a degree) from column ``at``; gives where they begin and what is odd.

    Eight columns for the whole degrees, three for the first places, the others for the last ones.
    """
    negative = number < np.uint64(_MOST)
    size = number.view(np.int64) - _MOST
    np.abs(size, out=size)
    rest = size.view(np.uint64)
    unit = _MILLION * np.uint64(2) if half else _MILLION
    whole = rest // unit
    rest -= whole * unit
    np.add(whole, np.uint64(_WHOLE), out=whole, where=negative)
    words, starts = _wholes(before)
    index = whole.view(np.int64)
    store(out, at, at + 8, words.take(index, mode="clip"))
    unit = _THOUSAND * np.uint64(2) if half else _THOUSAND
    high = rest // unit
    odd = rest & np.uint64(1)
    rest -= high * unit
    store(out, at + 8, at + 11, _thousands().take(high.view(np.int64), mode="clip"))
    width = 3 + half + len(after)
    store(out, at + 11, at + 11 + width, _last(after, half=half).take(rest.view(np.int64), mode="clip"))
    return starts.take(index, mode="clip"), odd


class Coordinates(Values):
    """Millionths of a degree over a range, as decimals; of latitudes their halves."""

    kind = "decimal"

    def __init__(self, place: Place, *, half: bool) -> None:
        super().__init__(place)
        self._half = half

    def column(self, rows: Rows) -> pa.Array:
        n = len(rows)
        out, first = np.empty((n, 14 + self._half), np.uint8), np.empty(n, np.int32)
        end = np.full(n if self._half else 1, 14, np.int32)
        least = []
        for at in range(0, n, CHUNK):
            some = slice(at, at + CHUNK)
            number = below(mix(self._key, rows.flow[some], rows.action[some]), _SIZE)
            first[some], odd = _write(out[some], 0, number, half=self._half, before="", after="")
            if self._half:
                end[some] += odd.astype(np.int32)
                least.append(np.flatnonzero(np.abs(number.view(np.int64) - _MOST) == 1) + at)
        texts = cut_out(out, (first, end))
        return _tiny(texts, np.concatenate(least)) if self._half and n else texts


def _tiny(texts: pa.Array, where: npt.NDArray[np.int64]) -> pa.Array:
    """Half a millionth is written with an exponent."""
    if not len(where):
        return texts
    marked = np.zeros(len(texts), bool)
    marked[where] = True
    some = [str(Decimal(text)) for text in texts.filter(pa.array(marked)).to_pylist()]
    return pc.replace_with_mask(texts, pa.array(marked), pa.array(some, pa.string()))


class LatLngs(Values):
    """Pairs of a latitude and a longitude."""

    kind = "json"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._keys = place.key("latitude"), place.key("longitude")

    def column(self, rows: Rows) -> pa.Array:
        """Their JSON: a list of two texts."""
        n = len(rows)
        out, end = np.empty((n, 32), np.uint8), np.full(n, 15, np.int32)
        first = np.empty((2, n), np.int32)
        least = []
        for at in range(0, n, CHUNK):
            some = slice(at, at + CHUNK)
            counter = together(rows.flow[some], rows.action[some])
            lat, lng = (below(mix(key, counter), _SIZE) for key in self._keys)
            first[0, some], odd = _write(out[some], 0, lat, half=True, before='["', after='"')
            end[some] += odd.astype(np.int32)
            first[1, some], _ = _write(out[some], 16, lng, half=False, before=', "', after='"]')
            least.append(np.flatnonzero(np.abs(lat.view(np.int64) - _MOST) == 1) + at)
        first[1] += 16
        texts = cut_out(out, (first[0], end), (first[1], 32))
        where = [row for some_rows in least for row in some_rows.tolist()]
        if not where:
            return texts
        values = texts.to_pylist()
        for row in where:
            values[row] = json.dumps([str(Decimal(text)) for text in json.loads(values[row])])
        return pa.array(values, pa.string())

    def column_objects(self, rows: Rows) -> list[Any]:
        """Pairs of decimals."""
        pairs = [json.loads(text) for text in self.column(rows).to_pylist()]
        return [(Decimal(lat), Decimal(lng)) for lat, lng in pairs]


def _coordinate(provider: Any, place: Place, *, center: Any = None, radius: Any = 0.001) -> Values | None:
    return Coordinates(place, half=False) if center is None else None


def _latlng(provider: Any, place: Place) -> Values | None:
    parts = (provider.latitude, provider.longitude, provider.coordinate)
    if any(part.__func__.__module__ != "faker.providers.geo" for part in parts):
        return None
    return LatLngs(place)


COORDINATES: dict[str, Callable[..., Values | None]] = {
    "geo.coordinate": _coordinate,
    "geo.longitude": lambda provider, place: Coordinates(place, half=False),
    "geo.latitude": lambda provider, place: Coordinates(place, half=True),
    "geo.latlng": _latlng,
}
"""Where Faker defines a method → what makes it: (provider, place, **arguments); None: not by column."""
