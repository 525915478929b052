"""Columns of nested values → their JSON, one text a row, without a loop over rows."""

from __future__ import annotations

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.declare.schema import duration_text
from deep_faker.plan import arrow
from deep_faker.write.trees import as_list, children, is_tuple

_TEXT = pa.large_string()
_COLUMN = b'{"x":'


def is_straight(kind: pa.DataType) -> bool:
    """Whether polars writes values of the type as JSON as they are to be.

    >>> is_straight(pa.list_(pa.int64())), is_straight(pa.list_(pa.timestamp("us")))
    (True, False)
    """
    if pa.types.is_list(kind):
        return is_straight(kind.value_type)
    if pa.types.is_struct(kind):
        return not is_tuple(kind) and all(is_straight(f.type) for f in kind)
    others = (pa.types.is_map, pa.types.is_timestamp, pa.types.is_duration, pa.types.is_decimal)
    return not any(is_one(kind) for is_one in others)


def json_texts(array: pa.Array) -> pa.Array:
    """The JSON of each value, ``null`` for null.

    >>> map_ = pa.array([[("a", [1.5])], None], pa.map_(pa.string(), pa.list_(pa.float64())))
    >>> json_texts(map_).to_pylist()
    ['{"a":[1.5]}', 'null']
    """
    kind = array.type
    if not len(array):
        return pa.array([], _TEXT)
    if is_straight(kind):
        return _by_polars(array)
    if pa.types.is_struct(kind):
        text = _struct(array, tuple_=is_tuple(kind))
    elif pa.types.is_nested(kind):
        text = _list(array)
    else:
        return _by_polars(scalar_texts(array))
    return pc.if_else(array.is_valid(), text, pa.scalar("null", _TEXT))


def scalar_texts(array: pa.Array) -> pa.Array:
    """Instants, lengths of time and decimals as the text that JSON has for them; null stays null."""
    import polars as pl

    kind = array.type
    if pa.types.is_timestamp(kind):
        zone = "Z" if kind.tz else ""
        column = pl.Series(pl.from_arrow(array)).dt.to_string(f"%Y-%m-%dT%H:%M:%S%.f{zone}")
        return column.to_arrow().cast(_TEXT)
    if pa.types.is_duration(kind):
        coded = array.dictionary_encode()
        texts = pa.array([duration_text(value) for value in coded.dictionary.to_pylist()], _TEXT)
        return texts.take(coded.indices)
    text = pl.Series(pl.from_arrow(array)).cast(pl.String()).to_arrow().cast(_TEXT)  # Arrow writes 0E-10
    # The column's scale is the widest that fits: its zeros say nothing of the value.
    pointed = pc.match_substring(text, ".")
    return pc.if_else(pointed, pc.utf8_rtrim(pc.utf8_rtrim(text, "0"), "."), text)


def _struct(array: pa.Array, *, tuple_: bool) -> pa.Array:
    parts: list[pa.Array | str] = ["[" if tuple_ else "{"]
    for number, (field, child) in enumerate(zip(array.type, children(array), strict=True)):
        name = "" if tuple_ else f"{json.dumps(field.name, ensure_ascii=False)}:"
        parts += [f"{',' if number else ''}{name}", json_texts(child)]
    return _joined(*parts, "]" if tuple_ else "}")


def _list(array: pa.Array) -> pa.Array:
    mapped = pa.types.is_map(array.type)
    lists = as_list(array)
    items = lists.flatten()
    if mapped:
        keys, values = children(items)
        texts = _joined(_keys(keys), ":", json_texts(values))
    else:
        texts = json_texts(items)
    counts = arrow.values(arrow.filled(pc.list_value_length(lists), 0))
    offsets = pa.array(np.concatenate(([0], np.cumsum(counts))).astype(np.int32))
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, texts), pa.scalar(",", _TEXT))
    return _joined("{", joined, "}") if mapped else _joined("[", joined, "]")


def _keys(keys: pa.Array) -> pa.Array:
    """JSON's keys are texts."""
    texts = json_texts(keys)
    return pc.if_else(pc.starts_with(texts, '"'), texts, _joined('"', texts, '"'))


def _by_polars(array: pa.Array) -> pa.Array:
    import polars as pl

    file = io.BytesIO()  # as a str, polars would copy the text twice more
    pl.DataFrame({"x": pl.Series(pl.from_arrow(array))}).write_ndjson(file)
    lines = split_lines(file.getvalue()).cast(pa.binary())
    return pc.binary_slice(lines, len(_COLUMN), -len("}\n")).cast(_TEXT)


def _joined(*parts: pa.Array | str) -> pa.Array:
    arrays = [pa.scalar(part, _TEXT) if isinstance(part, str) else part for part in parts]
    return pc.binary_join_element_wise(*arrays, pa.scalar("", _TEXT))


def split_lines(text: bytes) -> pa.Array:
    """The lines of ``text``, each with its newline, as a LargeBinaryArray over the same memory.

    >>> split_lines(b"1\\n22\\n").to_pylist()
    [b'1\\n', b'22\\n']
    """
    # JSON escapes newlines inside texts, so that every newline ends a line.
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n")) + 1
    offsets = np.concatenate(([0], ends)).astype(np.int64)
    return pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(ends), [None, pa.py_buffer(offsets), pa.py_buffer(text)]
    )
