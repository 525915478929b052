"""Rows → SQL text and LOAD DATA lines, by column: every value is escaped, none is pasted.

The escapes are those of a session whose ``sql_mode`` we set: backslashes escape, quotes are ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.errors import Diagnostic, OutputError
from deep_faker.outputs.frames import plain


def value_rows(name: str, table: pa.Table) -> tuple[pa.Buffer, list[int]]:
    """All rows as ``(1,'a'),(2,NULL),``, and where each one ends.

    Raises `OutputError` for NaN and infinities, which MySQL does not have.

    >>> text, ends = value_rows("t", pa.table({"x": [1, None], "y": ["it's", "b"]}))
    >>> text.to_pybytes()[: ends[-1]]
    b"(1,'it''s'),(NULL,'b'),"
    """
    columns = [_literal(name, f.name, column) for f, column in _plain(table)]
    return _joined(columns, ",", "(", "),")


def load_lines(name: str, table: pa.Table) -> memoryview:
    """All rows as lines for LOAD DATA: fields between tabs, backslash escapes, NULL as ``\\\\N``.

    >>> bytes(load_lines("t", pa.table({"x": [1, None], "y": ["a\\tb", "c"]})))
    b'1\\ta\\\\tb\\n\\\\N\\tc\\n'
    """
    columns = [_field(name, f.name, column) for f, column in _plain(table)]
    text, ends = _joined(columns, "\t", "", "\n")
    return memoryview(text)[: ends[-1] if ends else 0]


def statements(prefix: bytes, suffix: bytes, text: pa.Buffer, ends: list[int], most: int) -> Iterator[bytes]:
    """Cut rows into statements of at most so many bytes (a row that is longer goes alone)."""
    view = memoryview(text)
    first, last = 0, 0
    for end in ends:
        if last > first and end - first > most:
            yield b"".join((prefix, view[first : last - 1], suffix))
            first = last
        last = end
    if last > first:
        yield b"".join((prefix, view[first : last - 1], suffix))


def _joined(columns: list[pa.Array], between: str, before: str, after: str) -> tuple[pa.Buffer, list[int]]:
    large = pa.large_string()
    rows = pc.binary_join_element_wise(*columns, pa.scalar(between, large))
    rows = pc.binary_join_element_wise(
        pa.scalar(before, large), rows, pa.scalar(after, large), pa.scalar("", large)
    )
    if isinstance(rows, pa.ChunkedArray):
        rows = rows.combine_chunks()
    if isinstance(rows, pa.ChunkedArray):
        rows = rows.combine_chunks()
    if not len(rows):
        return pa.py_buffer(b""), []
    offsets = pa.Array.from_buffers(pa.int64(), len(rows) + 1, [None, rows.buffers()[1]], offset=rows.offset)
    return rows.buffers()[2], offsets.to_pylist()[1:]


def _plain(table: pa.Table) -> Iterator[tuple[pa.Field, pa.Array]]:
    table = plain(table)
    for field, column in zip(table.schema, table.columns):
        array = column.combine_chunks()
        yield field, array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _literal(table: str, name: str, array: pa.Array) -> pa.Array:
    text, quoted = _text(table, name, array)
    if quoted:
        large = pa.large_string()
        text = _replaced(_replaced(_replaced(text, "\\", "\\\\"), "'", "''"), "\0", "\\0")
        quote = pa.scalar("'", large)
        text = pc.binary_join_element_wise(quote, text, quote, pa.scalar("", large))
    return pc.fill_null(text, pa.scalar("NULL", pa.large_string()))


def _field(table: str, name: str, array: pa.Array) -> pa.Array:
    text, quoted = _text(table, name, array)
    if quoted:
        for plain_text, escaped in (
            ("\\", "\\\\"),
            ("\t", "\\t"),
            ("\n", "\\n"),
            ("\r", "\\r"),
            ("\0", "\\0"),
        ):
            text = _replaced(text, plain_text, escaped)
    return pc.fill_null(text, pa.scalar("\\N", pa.large_string()))


def _replaced(text: pa.Array, plain_text: str, escaped: str) -> pa.Array:
    # looking is cheaper than copying, and most columns hold none
    if plain_text.encode() not in memoryview(text.buffers()[2] or b"").tobytes() if len(text) else True:
        return text
    return pc.replace_substring(text, plain_text, escaped)


def _text(table: str, name: str, array: pa.Array) -> tuple[pa.Array, bool]:
    """The values as text, and whether they need quotes."""
    kind, large = array.type, pa.large_string()
    if pa.types.is_duration(kind):
        return array.cast(pa.int64()).cast(large), False
    if pa.types.is_boolean(kind):
        return pc.if_else(array, pa.scalar("1", large), pa.scalar("0", large)), False
    if pa.types.is_floating(kind):
        if not pc.all(pc.is_finite(array), min_count=0).as_py():
            label = "it holds NaN or an infinity, which MySQL does not have"
            raise OutputError(
                Diagnostic(f"{table}.{name} cannot be written", None, label, "make it optional: None")
            )
        return array.cast(large), False
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        return array.cast(large), False
    if pa.types.is_list(kind):
        values = [None if v is None else json.dumps(v, ensure_ascii=False) for v in array.to_pylist()]
        return pa.array(values, large), True
    return array.cast(large), True
