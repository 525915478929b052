"""Degrees of latitude and longitude by column: three table look-ups for a number.

Every millionth of a degree can be drawn: 360 million values, of which a pool would have 10,000 at most.
"""

# ruff: noqa: ARG001 - Faker's own parameters

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.draws.mix import U64, below, mix
from deep_faker.values.base import Place, Rows, Values
from deep_faker.values.family import Making, family
from deep_faker.values.text.cut_draws import together
from deep_faker.values.text.words64 import Part, Pieces, in_chunks, packed, run_together

_SIZE, _MOST = 360_000_001, 180_000_000  # millionths of a degree, from -180 to 180
_WHOLE = 181  # entries of the table of whole degrees for each sign


@lru_cache(maxsize=8)
def _wholes(before: str) -> Pieces:
    """Whole degrees with the point."""
    return Pieces([f"{before}{sign}{whole}." for sign in ("", "-") for whole in range(_WHOLE)])


@lru_cache(maxsize=1)
def _thousands() -> U64:
    return packed([f"{number:03d}" for number in range(1000)], 8).astype(np.uint64, copy=False)


@lru_cache(maxsize=8)
def _last(after: str, *, half: bool) -> Pieces:
    """The last three places with what follows; of halves the fourth one too, where it is not zero."""
    return Pieces(
        [f"{number:03d}{five}{after}" for number in range(1000) for five in (("", "5") if half else ("",))]
    )


def _written(number: U64, *, half: bool, before: str = "", after: str = "") -> list[Part]:
    """Millionths from -180 degrees on (halves: of half a degree) as two parts: whole degrees, places."""
    negative = number < np.uint64(_MOST)
    size = number.view(np.int64) - _MOST
    np.abs(size, out=size)
    rest = size.view(np.uint64)
    unit = np.uint64(2_000_000 if half else 1_000_000)
    whole = rest // unit
    rest -= whole * unit
    np.add(whole, np.uint64(_WHOLE), out=whole, where=negative)
    unit = np.uint64(2000 if half else 1000)
    high = rest // unit
    rest -= high * unit
    last = _last(after, half=half).take(rest.view(np.int64))
    words = last.words << np.uint64(24)
    words |= _thousands().take(high.view(np.int64), mode="clip")
    bits = None if last.bits is None else last.bits + np.uint64(24)
    return [
        _wholes(before).take(whole.view(np.int64)),
        Part(words, bits, last.least + 3, last.most + 3),
    ]


class Coordinates(Values):
    """Millionths of a degree over a range, as decimals; of latitudes their halves."""

    kind = "decimal"

    def __init__(self, place: Place, *, half: bool) -> None:
        super().__init__(place)
        self._half = half

    def column(self, rows: Rows) -> pa.Array:
        def chunk(some: slice) -> pa.Array:
            number = below(mix(self._key, rows.flow[some], rows.action[some]), _SIZE)
            texts = run_together(_written(number, half=self._half))
            return _tiny(texts, number, _exponent) if self._half else texts

        return in_chunks(len(rows), chunk)


def _exponent(text: str) -> str:
    return str(Decimal(text))


def _tiny(texts: pa.Array, number: U64, rewrite: Callable[[str], str]) -> pa.Array:
    """Half a millionth, which is written with an exponent."""
    marked = (number == np.uint64(_MOST - 1)) | (number == np.uint64(_MOST + 1))
    if not marked.any():
        return texts
    some = [rewrite(text) for text in texts.filter(pa.array(marked)).to_pylist()]
    return pc.replace_with_mask(texts, pa.array(marked), pa.array(some, pa.string()))


class LatLngs(Values):
    """Pairs of a latitude and a longitude."""

    kind = "json"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._keys = place.key("latitude"), place.key("longitude")

    def column(self, rows: Rows) -> pa.Array:
        """Their JSON: a list of two texts."""

        def chunk(some: slice) -> pa.Array:
            counter = together(rows.flow[some], rows.action[some])
            lat, lng = (below(mix(key, counter), _SIZE) for key in self._keys)
            first = _written(lat, half=True, before='["', after='"')
            texts = run_together([*first, *_written(lng, half=False, before=', "', after='"]')])
            return _tiny(texts, lat, _exponents)

        return in_chunks(len(rows), chunk)

    def column_objects(self, rows: Rows) -> list[object]:
        """Pairs of decimals."""
        pairs = [json.loads(text) for text in self.column(rows).to_pylist()]
        return [(Decimal(lat), Decimal(lng)) for lat, lng in pairs]


def _exponents(text: str) -> str:
    return json.dumps([str(Decimal(part)) for part in json.loads(text)])


@family("geo.coordinate")
def _coordinate(ctx: Making, *, center: float | None = None, radius: float = 0.001) -> Values | None:
    return Coordinates(ctx.place, half=False) if center is None else None


@family("geo.longitude", half=False)
@family("geo.latitude", half=True)
def _degrees(ctx: Making, *, half: bool) -> Values:
    return Coordinates(ctx.place, half=half)


@family("geo.latlng")
def _latlng(ctx: Making) -> Values | None:
    parts = (ctx.provider.latitude, ctx.provider.longitude, ctx.provider.coordinate)
    if any(part.__func__.__module__ != "faker.providers.geo" for part in parts):
        return None
    return LatLngs(ctx.place)
