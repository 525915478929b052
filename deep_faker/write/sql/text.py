"""Rows as the text of SQL, made by column: values of an INSERT, and lines for LOAD DATA or COPY."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.errors import Diagnostic, OutputError
from deep_faker.write.frames import plain_type
from deep_faker.write.lines.json_lines import not_finite
from deep_faker.write.lines.json_texts import json_texts
from deep_faker.write.sql.layout import Shape
from deep_faker.write.trees import one_array

_TEXT = pa.large_string()
_BLOCK = 16_384  # rows: some 2 MB of text
_BARE = ("bool", "int", "float")  # written without quotes
# What stands for itself nowhere in a line of LOAD DATA or COPY. The backslash comes first.
_ESCAPES = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"), ("\0", "\\0"))


def insert_rows(table: pa.Table, shape: Shape) -> pa.Array:
    r"""Each row as ``(1,'a',NULL),`` for an INSERT under NO_BACKSLASH_ESCAPES.

    There a quote is the only character in a text that means anything, and it is doubled.

    >>> from deep_faker.write.sql.layout import Column
    >>> shape = Shape("t", (Column("x", "int", False), Column("s", "text", True)), ("x",))
    >>> insert_rows(pa.table({"x": [1, 2], "s": ["it's \\", None]}), shape).to_pylist()
    ["(1,'it''s \\'),", '(2,NULL),']
    """
    parts: list[pa.Array | str] = ["("]
    for number, (column, values) in enumerate(zip(shape.columns, table.columns)):
        parts[-1] += "," if number else ""
        text = _cells(values, lambda t: _replaced(t, "'", "''"))
        if column.kind in _BARE:
            parts += [text, ""]
        elif column.kind == "bytes":
            parts += [_joined("X'", text, "'"), ""]
        elif text.null_count:
            parts += [_joined("'", text, "'"), ""]
        else:
            parts[-1] += "'"
            parts += [text, "'"]
    parts[-1] += "),"
    return _joined(*parts, null="NULL")


def tab_rows(table: pa.Table, shape: Shape, *, interval: str = "", bytes_prefix: str = "") -> pa.Array:
    r"""Each row as a line of values between tabs; null is ``\N``. ``interval`` follows durations.

    Bytes are hexadecimal digits, after ``bytes_prefix``.

    >>> from deep_faker.write.sql.layout import Column
    >>> shape = Shape("t", (Column("x", "int", False), Column("s", "text", True)), ("x",))
    >>> tab_rows(pa.table({"x": [1, 2], "s": ["a\tb", None]}), shape).to_pylist()
    ['1\ta\\tb\n', '2\t\\N\n']
    """
    parts: list[pa.Array | str] = []
    for column, values in zip(shape.columns, table.columns):
        text = _cells(values, _escaped)
        if column.kind == "duration" and interval:
            text = _joined(text, interval)
        elif column.kind == "bytes" and bytes_prefix:
            text = _joined(bytes_prefix, text)
        parts += [text, "\t"]
    parts[-1] = "\n"
    return _joined(*parts, null="\\N")


def pieces(rows: pa.Array, most: int) -> Iterator[memoryview]:
    """The rows' text laid end to end, cut between rows into pieces of about ``most`` bytes."""
    ends = np.frombuffer(rows.buffers()[1], np.int64)[rows.offset : rows.offset + len(rows) + 1]
    data = memoryview(rows.buffers()[2])
    first = 0
    while first < len(rows):
        last = int(np.searchsorted(ends, ends[first] + most, side="right")) - 1
        last = min(max(last, first + 1), len(rows))  # a row that is longer by itself goes alone
        yield data[ends[first] : ends[last]]
        first = last


def ahead(make: Callable[[pa.Table], pa.Array], table: pa.Table) -> Iterator[pa.Array]:
    """``make`` of the table's rows in blocks, each made on another thread while the one before is sent."""
    blocks = [table.slice(first, _BLOCK) for first in range(0, table.num_rows, _BLOCK)]
    with ThreadPoolExecutor(1, thread_name_prefix="deep_faker-sql") as pool:
        coming = deque(pool.submit(make, block) for block in blocks[:1])
        for block in [*blocks[1:], None]:
            rows = coming.popleft().result()
            if block is not None:
                coming.append(pool.submit(make, block))
            yield rows


def refuse_nan(table: pa.Table, shape: Shape, system: str) -> None:
    """Raise where a float is not finite, for systems that cannot hold one."""
    for column, values in zip(shape.columns, table.columns):
        bad = not_finite(values)
        if bad is None:
            continue
        mend = "keep the value finite, or make the field optional and give None"
        label = f"{system} holds no NaN and no infinity there, and NULL would be another value"
        raise OutputError(Diagnostic(f"{shape.table}.{column.name} is {bad}", None, label, mend))


def _cells(values: pa.ChunkedArray, escape: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """A column's values as text, nulls kept."""
    array = one_array(values)
    type_ = array.type
    if pa.types.is_dictionary(type_):
        # Each distinct text is escaped once.
        return escape(array.dictionary.cast(_TEXT)).take(array.indices)
    if pa.types.is_boolean(type_):
        array = array.cast(pa.int8())
    elif pa.types.is_duration(type_):
        array = array.cast(pa.duration("us")).cast(pa.int64())
    elif pa.types.is_binary(type_):
        return _hexadecimal(array)
    elif pa.types.is_nested(type_):
        return escape(pc.if_else(array.is_valid(), json_texts(array), pa.scalar(None, _TEXT)))
    text = array.cast(_TEXT)
    return escape(text) if pa.types.is_string(plain_type(type_)) else text


def _hexadecimal(array: pa.Array) -> pa.Array:
    import polars as pl

    return pl.Series(pl.from_arrow(array)).bin.encode("hex").to_arrow().cast(_TEXT)


def _replaced(text: pa.Array, old: str, new: str) -> pa.Array:
    # Looking is five times cheaper than replacing, and most columns have nothing to replace.
    present = pc.any(pc.match_substring(text, old)).as_py()
    return pc.replace_substring(text, old, new) if present else text


def _escaped(text: pa.Array) -> pa.Array:
    for old, new in _ESCAPES:
        text = _replaced(text, old, new)
    return text


def _joined(*parts: pa.Array | str, null: str | None = None) -> pa.Array:
    arrays = [pa.scalar(part, _TEXT) if isinstance(part, str) else part for part in parts]
    how = {"null_handling": "replace", "null_replacement": null} if null is not None else {}
    return pc.binary_join_element_wise(*arrays, pa.scalar("", _TEXT), **how)
