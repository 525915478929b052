"""Frames → JSON lines (V5), without a loop over rows."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.errors import Diagnostic, OutputError, shown
from deep_faker.plan import arrow
from deep_faker.write.frames import plain
from deep_faker.write.lines.json_texts import is_straight, json_texts, split_lines
from deep_faker.write.trees import leaves, one_array

if TYPE_CHECKING:
    import polars as pl

    from deep_faker.declare.schema import EventSpec
    from deep_faker.write.protocol import EventChunk

_EVENTS = 1 << 16  # a piece of some 10 MB: larger ones cost more in fresh memory than they save in calls


def json_lines(chunk: EventChunk, events: Mapping[str, EventSpec] | None = None) -> bytes:
    """All events of a chunk as JSON lines, in the order of T9.

    ``events`` tells which text columns hold JSON of their own (nested models, dictionaries): these
    are put in as they are; without it they are written as text.

    >>> import numpy as np
    >>> from deep_faker.write import EventChunk
    >>> chunk = EventChunk({"A": pa.table({"x": [1, 3]}), "B": pa.table({"y": ["ü"]})},
    ...                    np.array([0, 1, 0], np.uint16), ("A", "B"))
    >>> print(json_lines(chunk).decode(), end="")
    {"x":1,"event_type":"A"}
    {"y":"ü","event_type":"B"}
    {"x":3,"event_type":"A"}
    """
    return b"".join(line_buffers(chunk, events))


def line_buffers(chunk: EventChunk, events: Mapping[str, EventSpec] | None = None) -> Iterator[memoryview]:
    """The lines of `json_lines` in pieces, to be written one after the other."""
    for piece in chunk.slices(_EVENTS):
        names = [name for name in piece.names if name in piece.tables and piece.tables[name].num_rows]
        texts = [
            table_lines(name, piece.tables[name], nested_columns(events.get(name) if events else None))
            for name in names
        ]
        if len(texts) == 1:
            yield memoryview(texts[0])
        elif texts:
            yield memoryview(split_lines(b"".join(texts)).take(arrow.numbers(piece.positions())).buffers()[2])


def table_lines(event_type: str, table: pa.Table, nested: frozenset[str] = frozenset()) -> bytes:
    """The rows of one table as JSON lines, ``event_type`` last.

    Raises `OutputError` for NaN and infinities, which JSON does not have, and for bytes that are no text.

    >>> table_lines("Login", pa.table({"name": ["Ann"]}))
    b'{"name":"Ann","event_type":"Login"}\\n'
    """
    import polars as pl

    zoned = frozenset(f.name for f in table.schema if b"zone" in (f.metadata or {}))
    table = bytes_as_text(event_type, plain(table))
    _refuse_nan(event_type, table)
    as_json: set[str] = set()
    for place, field in enumerate(table.schema):
        if pa.types.is_nested(field.type) and not is_straight(field.type):
            table = table.set_column(place, field.name, json_texts(one_array(table.column(place))))
            as_json.add(field.name)
        elif field.name in nested and pa.types.is_string(field.type):
            as_json.add(field.name)
    frame = _written(pl.DataFrame(pl.from_arrow(table)), as_json, zoned)
    frame = frame.with_columns(event_type=pl.lit(event_type))
    return _with_nested(frame, as_json) if as_json else _lines(frame)


def nested_columns(spec: EventSpec | None) -> frozenset[str]:
    """The fields of an event that are kept as JSON text."""
    fields = spec.columns if spec else ()
    return frozenset(f.name for f in fields if f.kind == "json" and f.nested is None)


def bytes_as_text(name: str, table: pa.Table) -> pa.Table:
    """Columns of bytes as the text that they are in UTF-8, which is how pydantic writes bytes.

    Raises `OutputError` for bytes that are no such text.

    >>> bytes_as_text("A", pa.table({"x": [b"ab"]}))["x"].to_pylist()
    ['ab']
    """
    for place, column in enumerate(table.schema):
        if not pa.types.is_binary(column.type):
            continue
        try:
            text = table[column.name].cast(pa.string())
        except pa.ArrowInvalid:
            bad = next(v for v in table[column.name].to_pylist() if v is not None and not _is_text(v))
            label = f"{shown(bad)} is no UTF-8, and text is all that is written here"
            mend = 'set model_config = ConfigDict(ser_json_bytes="base64"), or write Parquet or Arrow'
            title = f"{name}.{column.name}" if name else column.name
            raise OutputError(Diagnostic(f"{title} is no text", None, label, mend)) from None
        table = table.set_column(place, pa.field(column.name, pa.string(), column.nullable), text)
    return table


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _written(frame: pl.DataFrame, nested: frozenset[str] | set[str], zoned: frozenset[str]) -> pl.DataFrame:
    """Columns whose JSON text polars would write otherwise than ISO 8601 and Python do.

    ``zoned``: instants of a type that wants its zone in JSON.
    """
    import polars as pl

    columns = []
    for name, dtype in frame.schema.items():
        column = pl.col(exact(name))
        if dtype == pl.Datetime:
            columns.append(column.dt.to_string(f"%Y-%m-%dT%H:%M:%S%.f{'Z' if name in zoned else ''}"))
        elif dtype == pl.Decimal:
            # The column's scale is the widest that fits: its zeros say nothing of the value.
            text = column.cast(pl.String)
            columns.append(
                pl.when(text.str.contains(".", literal=True))
                .then(text.str.strip_chars_end("0").str.strip_chars_end("."))
                .otherwise(text)
            )
        elif name in nested:
            columns.append(column.fill_null("null"))
    return frame.with_columns(columns) if columns else frame


def exact(name: str) -> str:
    """A column name that polars takes for no pattern (it reads ``^…$`` as one, and ``*`` as all columns).

    >>> exact("name"), exact("*")
    ('name', '^\\\\*$')
    """
    pattern = name == "*" or (name.startswith("^") and name.endswith("$"))
    return f"^{_escaped(name)}$" if pattern else name


def _escaped(name: str) -> str:
    return "".join(f"\\{c}" if not c.isalnum() and c != "_" else c for c in name)


def _lines(frame: pl.DataFrame) -> bytes:
    # into a file in memory: as a str, polars would copy the text twice more
    file = io.BytesIO()
    frame.write_ndjson(file)
    return file.getvalue()


def _with_nested(frame: pl.DataFrame, nested: frozenset[str] | set[str]) -> bytes:
    """Lines whose nested columns are JSON already: runs of other columns are written between them."""
    parts: list[pa.Array | str] = ["{"]
    for first, names in enumerate(_runs(frame.columns, nested)):
        parts.append("," if first else "")
        if names[0] in nested:
            parts += [f"{_quoted(names[0])}:", frame[names[0]].to_arrow().cast(pa.large_string())]
        else:
            lines = split_lines(_lines(frame.select(exact(n) for n in names)))
            inner = pc.binary_slice(lines.cast(pa.binary()), 1, -2)  # without { and }\n
            parts.append(inner.cast(pa.large_string()))
    parts.append("}\n")
    arrays = [pa.scalar(p, pa.large_string()) if isinstance(p, str) else p for p in parts]
    joined = pc.binary_join_element_wise(*arrays, pa.scalar("", pa.large_string()))
    text: bytes = b"".join(joined.cast(pa.large_binary()).to_pylist())
    return text


def _runs(names: list[str], nested: frozenset[str] | set[str]) -> Iterator[list[str]]:
    run: list[str] = []
    for name in names:
        if name in nested:
            if run:
                yield run
            yield [name]
            run = []
        else:
            run.append(name)
    if run:
        yield run


def _quoted(name: str) -> str:
    import json

    return json.dumps(name, ensure_ascii=False)


def _refuse_nan(event_type: str, table: pa.Table) -> None:
    for name, column in zip(table.column_names, table.columns):
        bad = not_finite(column)
        if bad is not None:
            raise OutputError(
                Diagnostic(
                    f"{event_type}.{name} is {bad}",
                    None,
                    "JSON has no NaN and no infinity, and null would be another value",
                    "keep the value finite, or make the field optional and give None",
                )
            )


def not_finite(column: pa.ChunkedArray) -> float | None:
    """The first NaN or infinity of a column, also within nested values; None where all is finite.

    >>> not_finite(pa.chunked_array([[[1.0], [float("inf")]]]))
    inf
    """
    for chunk in column.chunks:
        for values in leaves(chunk):
            if pa.types.is_floating(values.type):
                finite = pc.is_finite(values)
                if pc.all(finite, min_count=0).as_py() is False:
                    return float(pc.filter(values, pc.invert(finite))[0].as_py())
    return None
