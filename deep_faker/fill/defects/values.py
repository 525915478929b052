"""What defects make of values: other units, misspelled texts, wrong clocks; and what stood there, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.draws.distributions.declared import Choice, Distribution, kind_and_parameters
from deep_faker.draws.distributions.registry import FAMILIES
from deep_faker.draws.distributions.variates import variates
from deep_faker.draws.mix import U64, mix1
from deep_faker.draws.to_micros import to_micros
from deep_faker.fill.arrival import SECOND
from deep_faker.fill.defects.batch import Mask
from deep_faker.plan import Array, arrow

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_LARGEST = 2.0**53  # ints up to here are floats exactly


def present(column: pa.Array) -> Mask:
    """Which values are there."""
    return np.asarray(column.is_valid().to_numpy(zero_copy_only=False))


def misspellable(column: pa.Array) -> Mask:
    """Which texts have a letter that can be another."""
    length = pc.fill_null(pc.utf8_length(column), 0)
    return np.asarray(length.to_numpy(zero_copy_only=False) > 0)


def misspelled(column: pa.Array, rows: Array, key: int, flow: U64, action: U64) -> pa.Array:
    """The texts, each of ``rows`` with one letter wrong."""
    at = arrow.numbers(np.ascontiguousarray(rows, np.int64))
    texts = column.take(at).to_pylist()
    # 1 µs a text, and few have a typo: letters have no columns
    wrong = [
        misspelling(text, mix1(key, f, a))
        for text, f, a in zip(texts, flow[rows].tolist(), action[rows].tolist())
    ]
    return replaced(column, rows, arrow.texts(wrong))


def misspelling(text: str, u: int) -> str:
    """A text with one letter that is missing, has changed places with the next, or is another one.

    It is never longer, and never the same.

    >>> misspelling("Berlin", 5), misspelling("Berlin", (1 << 32) + 1), misspelling("Berlin", 2 << 32)
    ('Berli', 'Brelin', 'aerlin')
    """
    at, way = (u & 0xFFFFFFFF) % len(text), (u >> 32) % 3
    if way == 0 and len(text) > 1:
        return text[:at] + text[at + 1 :]
    if way == 1 and at + 1 < len(text) and text[at] != text[at + 1]:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    letter = _LETTERS[(u >> 40) % len(_LETTERS)]
    if letter == text[at]:
        letter = _LETTERS[((u >> 40) + 1) % len(_LETTERS)]
    return text[:at] + letter + text[at + 1 :]


def scalable(column: pa.Array, factor: float) -> Mask:
    """Which numbers are others when they are multiplied, and can still be kept."""
    values = column.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore", invalid="ignore"):
        made = values * factor
        if pa.types.is_integer(column.type):
            made = np.rint(made)
            return np.asarray((made != values) & (np.abs(made) < _LARGEST) & (np.abs(values) < _LARGEST))
        return np.asarray((made != values) & np.isfinite(made))


def scaled(column: pa.Array, rows: Array, factor: float) -> pa.Array:
    """The numbers, those of ``rows`` multiplied; of whole ones, whole."""
    at = arrow.numbers(np.ascontiguousarray(rows, np.int64))
    values = column.take(at).cast(pa.float64()).to_numpy(zero_copy_only=False) * factor
    if pa.types.is_integer(column.type):
        values = np.rint(values).astype(np.int64)
    return replaced(column, rows, arrow.numbers(values).cast(column.type))


def emptied(column: pa.Array, hit: Mask) -> pa.Array:
    """The values, without those that are hit."""
    return pc.if_else(arrow.numbers(hit), pa.scalar(None, column.type), column)


def replaced(column: pa.Array, rows: Array, values: pa.Array) -> pa.Array:
    """The column with other values in some rows, which ascend."""
    mask = np.zeros(len(column), bool)
    mask[rows] = True
    return pc.replace_with_mask(column, arrow.numbers(mask), values)


def skews(by: Distribution | float, u: U64) -> Array:
    """By how many ms a clock is wrong, for each draw; never 0."""
    if isinstance(by, Choice):
        values = np.array([float(value) for value in by.values])  # type: ignore[arg-type]
        seconds = values[FAMILIES["choice"].array(u, by.values, by.weights)]
    elif isinstance(by, (int, float)):
        seconds = np.full(len(u), float(by))
    else:
        seconds = variates(*kind_and_parameters(by), u)
    millis = np.rint(to_micros(seconds, SECOND) / 1000).astype(np.int64)
    return np.where(millis == 0, 1, millis)


def as_json(values: Iterable[Any]) -> list[str]:
    """Values as texts of JSON; instants and the like as ISO 8601."""
    return [json.dumps(value, ensure_ascii=False, default=_plain) for value in values]


def _plain(value: Any) -> object:
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if isoformat is not None else str(value)
