"""JSON → the nested values of a column, by its Arrow type: the way back from `json_texts`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

import pyarrow as pa

from deep_faker.declare.schema import duration_of
from deep_faker.write.trees import is_tuple

Step: TypeAlias = Callable[[Any], object]


def from_json(values: Sequence[object], kind: pa.DataType) -> pa.Array:
    """The values that parsed JSON stands for.

    >>> from_json([{"2024-01-31": 1.0}, None], pa.map_(pa.date32(), pa.float64())).to_pylist()
    [[(datetime.date(2024, 1, 31), 1.0)], None]
    >>> from_json([-55719509556875840], pa.float64()).to_pylist()  # as PostgreSQL writes a float of JSON
    [-5.571950955687584e+16]
    """
    step = _step(kind)
    return pa.array([_do(step, value) for value in values], kind)


def _do(step: Step | None, value: object) -> object:
    return value if step is None or value is None else step(value)


def _step(kind: pa.DataType) -> Step | None:
    """What makes a value of JSON's one that Arrow takes for the type; None where it is that."""
    if pa.types.is_list(kind):
        item = _step(kind.value_type)
        return None if item is None else lambda values: [_do(item, value) for value in values]
    if pa.types.is_map(kind):
        key, item = _key(kind.key_type), _step(kind.item_type)
        return lambda value: [(key(name), _do(item, each)) for name, each in value.items()]
    if pa.types.is_struct(kind):
        steps = [(field.name, _step(field.type)) for field in kind]
        if is_tuple(kind):
            return lambda values: {n: _do(step, v) for (n, step), v in zip(steps, values, strict=True)}
        return lambda value: {name: _do(step, value[name]) for name, step in steps}
    tests = ((pa.types.is_timestamp, dt.datetime.fromisoformat), (pa.types.is_date, dt.date.fromisoformat),
             (pa.types.is_time, dt.time.fromisoformat), (pa.types.is_duration, duration_of),
             (pa.types.is_decimal, Decimal), (pa.types.is_floating, float))  # fmt: skip
    return next((step for is_one, step in tests if is_one(kind)), None)


def _key(kind: pa.DataType) -> Step:
    """JSON's keys are texts."""
    if pa.types.is_boolean(kind):
        return lambda text: text == "true"
    if pa.types.is_integer(kind):
        return int
    return float if pa.types.is_floating(kind) else _step(kind) or str
