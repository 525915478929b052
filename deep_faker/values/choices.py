"""Elements of a given list: equal chances or weights, elements of any type."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deep_faker.plan import arrow
from deep_faker.plan.conversion import json_text
from deep_faker.plan.recipes import Steps
from deep_faker.values.base import Drawn, Place, Rows, Values, pick
from deep_faker.values.family import Making, family
from deep_faker.values.text.alias import Alias

_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "bool"),
    (int, "int"),
    (float, "float"),
    (str, "str"),
    (dt.datetime, "datetime"),
    (dt.date, "date"),
    (dt.time, "time"),
    (dt.timedelta, "timedelta"),
    (Decimal, "decimal"),
    (uuid.UUID, "uuid"),
)
_TYPES = {
    "bool": pa.bool_(),
    "int": pa.int64(),
    "float": pa.float64(),
    "str": pa.string(),
    "datetime": pa.timestamp("us"),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timedelta": pa.duration("us"),
}
_INT64 = range(-(2**63), 2**63)


def kind_of(values: Sequence[object]) -> str:
    """The kind that all values share (None aside), "json" where they share none.

    >>> kind_of(["a", None]), kind_of([1, 2.5]), kind_of([1, "a"])
    ('str', 'float', 'json')
    """
    kinds = {_kind(value) for value in values if value is not None}
    if kinds == {"int", "float"}:
        whole = [value for value in values if isinstance(value, int)]
        return "float" if all(abs(value) < 2**53 for value in whole) else "json"
    return kinds.pop() if len(kinds) == 1 else "json" if kinds else "str"


def _kind(value: object) -> str:
    kind = next((name for type_, name in _KINDS if type(value) is type_), "json")
    if kind == "int" and value not in _INT64:
        return "json"
    if isinstance(value, (dt.datetime, dt.time)) and value.tzinfo is not None:
        return "json"
    return kind


def arrow_values(values: Sequence[Any], kind: str) -> pa.Array:
    """Values of a kind as an Arrow array; those without an Arrow type as text.

    >>> arrow_values([Decimal("1.50"), None], "decimal").to_pylist()
    ['1.50', None]
    """
    if kind == "json":
        return pa.array([None if value is None else json_text(value) for value in values], pa.string())
    if kind in ("decimal", "uuid"):
        return pa.array([None if value is None else str(value) for value in values], pa.string())
    if kind == "float":
        values = [None if value is None else float(value) for value in values]
    if kind == "str":
        return arrow.texts(values)
    if kind in ("int", "float") and None not in values:
        return arrow.numbers(np.array(values, np.int64 if kind == "int" else np.float64))
    return pa.array(values, _TYPES[kind])


class Elements(Values):
    """One of ``values``, each in proportion to its weight.

    Text and values without an Arrow type come as a dictionary array with one dictionary for all
    calls, numbers and times as plain arrays.

    >>> from deep_faker.draws.mix import Draws
    >>> sizes = Elements(Place(Draws(7), ("size",), 0), ["S", "M", "S", "XL"], [1, 2, 1, 0])
    >>> sizes.kind, sizes.distinct.to_pylist()
    ('str', ['S', 'M'])
    """

    def __init__(
        self, place: Place, values: Sequence[object], weights: Sequence[float] | None = None
    ) -> None:
        super().__init__(place)
        values = [_plain(value) for value in values]
        if not values:
            raise ValueError("there are no elements to choose from")
        if weights is not None and len(weights) != len(values):
            raise ValueError(f"{len(values)} elements, but {len(weights)} weights")
        self._weights = weights or [1] * len(values)
        self._values, self._table = values, Alias(self._weights)
        self.kind = kind_of(values)
        if self.kind == "float":
            self._values = [float(value) if isinstance(value, (int, float)) else None for value in values]
        distinct, codes = _distinct(self._values)
        self._objects = distinct
        self._nulls = None in self._values
        # of values that are all different, each is its own code
        self._codes = None if codes == list(range(len(values))) else np.array(codes, np.int32)
        self._texts = self.kind in ("str", "decimal", "uuid", "json")
        present = [value for value in distinct if value is not None] if self._texts else self._values
        self._arrow = arrow_values(present, self.kind)

    @property
    def distinct(self) -> pa.Array:
        """The different values that can be drawn, without None."""
        drawn = [
            v for v, weight in zip(self._values, self._weights, strict=True) if weight > 0 and v is not None
        ]
        return arrow_values(_distinct(drawn)[0], self.kind)

    def column(self, rows: Rows) -> pa.Array:
        return self._picked(self._table.drawn(self._key, rows.flow, rows.action))

    def _picked(self, index: npt.NDArray[np.int32]) -> pa.Array:
        if not self._texts:
            return self._arrow.take(arrow.numbers(index))
        codes = index if self._codes is None else self._codes.take(index, mode="clip")
        if not self._nulls:
            return pick(self._arrow, codes)
        indices = pa.array(codes, mask=codes < 0)
        return pa.DictionaryArray.from_arrays(indices, self._arrow, safe=False)

    def column_objects(self, rows: Rows) -> list[object]:
        return [self._values[index] for index in self._table.indices(self._draw(rows)).tolist()]

    def one(self, flow: int, action: int, clock: int) -> object:
        return self._values[self._table.index1(self._draw1(flow, action))]

    def recipe(self, steps: Steps) -> Drawn:
        every = np.arange(len(self._values), dtype=np.int32)
        return Drawn(self._table.place(steps.mix(self._key)), self._picked(every))


def _plain(value: object) -> object:
    return value.value if isinstance(value, enum.Enum) else value


def _distinct(values: Sequence[object]) -> tuple[list[object], list[int]]:
    """The different values in order (None last, as codes count the others), and the code of each."""
    seen: dict[tuple[type, str], int] = {}
    distinct: list[object] = []
    codes = []
    for value in values:
        if value is None:
            codes.append(-1)
            continue
        key = (type(value), value if isinstance(value, str) else repr(value))
        if key not in seen:
            seen[key] = len(distinct)
            distinct.append(value)
        codes.append(seen[key])
    return distinct, codes


@family("random_element", anywhere=True)
def random_element(ctx: Making, *, elements: object = ("a", "b", "c")) -> Values:
    """One of ``elements``: a list, a tuple, an Enum, a text, or a dict of elements and their weights."""
    if isinstance(elements, Mapping):
        weights = list(elements.values())
        if any(isinstance(weight, bool) or not isinstance(weight, (int, float)) for weight in weights):
            raise ValueError(f"the weights of the elements must be numbers, not {weights}")
        return Elements(ctx.place, list(elements), weights)
    if isinstance(elements, (set, frozenset)):
        raise ValueError("a set has no order, so its draws would differ from run to run: give a list")  # noqa: TRY004
    if not isinstance(elements, (Sequence, enum.EnumMeta, range)):
        raise ValueError(f"elements must be a list, a tuple or a dict with weights, not {elements!r}")  # noqa: TRY004
    return Elements(ctx.place, list(elements))


@family("misc.null_boolean", anywhere=True)
def null_boolean(ctx: Making) -> Values:
    return Elements(ctx.place, [None, True, False])


@family("random_digit_or_empty", anywhere=True)
def random_digit_or_empty(ctx: Making) -> Values:
    return Elements(ctx.place, ["", *range(10)], [10, *[1] * 10])


@family("random_digit_not_null_or_empty", anywhere=True)
def random_digit_not_null_or_empty(ctx: Making) -> Values:
    return Elements(ctx.place, ["", *range(1, 10)], [9, *[1] * 9])
