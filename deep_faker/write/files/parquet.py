"""Parquet: encodings that follow from the schema and its hints alone, so that equal rows give equal bytes."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.plan import arrow
from deep_faker.write.frames import plain_schema
from deep_faker.write.whole.hashing import HashingFile

ROW_GROUP = 1 << 20
"""Rows: groups of a million are 5 % smaller and 10 % faster than of a quarter of it."""


_SAMPLE, _MOST_FLOATS = 16_384, 100_000
_TEXTS = 4_096  # rows that are looked at for texts
_MOST_TEXT = 1 << 20
"""Bytes of different texts that a dictionary may have, by our guess."""
_MOST_DICTIONARY = 8 << 20
"""Where the writer gives one up: keys may have more (`repeated_keys`), and a guess is one."""
COMPRESSIONS = ("zstd", "snappy", "gzip", "lz4", "none")
_LEVELS = {"zstd": 1}  # level 3 costs 40 % more time for 2 %


def write_parquet(
    file: HashingFile, table: pa.Table, hinted: pa.Schema, *, compression: str = "zstd"
) -> None:
    """Write a table, whose text may be coded; the metadata of ``hinted`` go into the footer.

    Readers find plain text: the schema that Arrow keeps in the footer says so.
    """
    import pyarrow.parquet as pq  # at use: it loads the clients of all object stores

    plain = plain_schema(table.schema)
    coded = plain != table.schema
    options = writer_options(hinted, compression, repeating(table), unlike_texts(table, hinted))
    writer = pq.ParquetWriter(file, table.schema, store_schema=not coded, **options)
    try:
        writer.write_table(table, row_group_size=max(1, min(ROW_GROUP, table.num_rows)))
        if coded:
            writer.add_key_value_metadata({"ARROW:schema": b64encode(plain.serialize())})
        if hinted.metadata:
            writer.add_key_value_metadata(hinted.metadata)
        writer.close()
    except BaseException:
        writer.is_open = False  # or its destructor writes a footer, as if the file were whole
        raise


def repeating(table: pa.Table) -> frozenset[str]:
    """Its columns of floats that have few different values, such as prices: told from the first rows.

    Of n values from a large number D, n²/2D have been there already. A dictionary pays where D is small, and
    holds no more than some 100,000; it costs half the time then, and half the bytes.

    >>> sorted(repeating(pa.table({"a": [0.5] * 100, "b": [x / 7 for x in range(100)]})))
    ['a']
    """
    repeated = set()
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_float64(column.type):
            first = column.slice(0, _SAMPLE).drop_null()
            values = np.concatenate([arrow.values(chunk) for chunk in first.chunks] or [np.empty(0)])
            n, different = len(values), len(np.unique(values))
            if n > different and _guess(n, different, table.num_rows) <= min(
                _MOST_FLOATS, table.num_rows // 4
            ):
                repeated.add(name)
    return frozenset(repeated)


def unlike_texts(table: pa.Table, hinted: pa.Schema) -> dict[str, str]:
    """Its columns of texts with too many different ones for a dictionary, and how they are kept instead.

    A dictionary of session ids takes the writer 60 to 110 ns a row, most of them for nothing once it is full;
    without one it is 40 to 55. Told from rows all over the table: ids that repeat do it soon. Where they do,
    the compression finds them, if each has its length before it (``PLAIN``); where not, texts without their
    lengths between them are smaller.

    >>> ids = [f"id-{row:09}" for row in range(200_000)]
    >>> table = pa.table({"few": ids[:20] * 10_000, "soon": sorted(ids[:50_000] * 4), "never": ids})
    >>> unlike_texts(table, table.schema)
    {'soon': 'PLAIN', 'never': 'DELTA_LENGTH_BYTE_ARRAY'}
    """
    found = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_string(column.type) and _hint(hinted, name) not in ("id", "low"):
            spread = every(column, max(1, table.num_rows // _TEXTS)).drop_null()
            if not few_texts(spread, table.num_rows, _MOST_TEXT):
                first = column.slice(0, _TEXTS).drop_null()
                soon = 2 * len(first.unique()) < len(first)
                found[name] = "PLAIN" if soon else "DELTA_LENGTH_BYTE_ARRAY"
    return found


def few_texts(some: pa.ChunkedArray, rows: int, most: int) -> bool:
    """Whether a dictionary pays for ``rows`` texts, of which these are some: no more than ``most`` bytes.

    >>> few_texts(pa.chunked_array([["a", "b", "a", "a", "b", "b"]]), 1000, 1 << 20)
    True
    """
    different = _guess(len(some), len(some.unique()), rows)
    return 2 * different <= rows and different * _mean_bytes(some) <= most


def every(column: pa.ChunkedArray, step: int) -> pa.ChunkedArray:
    """Each ``step``-th row. Arrow would bring all chunks together before it took some rows of them.

    >>> every(pa.chunked_array([["a", "b", "c"], ["d", "e"]]), 2).to_pylist()
    ['a', 'c', 'e']
    """
    taken, first = [], 0
    for chunk in column.chunks:
        taken.append(chunk.take(arrow.numbers(np.arange(first, len(chunk), step))))
        first = (first - len(chunk)) % step
    return pa.chunked_array(taken, column.type)


def _guess(n: int, different: int, rows: int) -> int:
    """How many different values there are among ``rows``, if ``n`` of them have so many: see `repeating`."""
    if n == rows or 4 * different <= n:
        return different
    return min(rows, n * n // (2 * max(n - different, 1)))


def _mean_bytes(texts: pa.ChunkedArray) -> float:
    """What a text takes in a dictionary, with its length."""
    return 4 + (pc.sum(pc.binary_length(texts)).as_py() or 0) / max(len(texts), 1)


def _hint(hinted: pa.Schema, name: str) -> str:
    return ((hinted.field(name).metadata or {}).get(b"hint") or b"").decode()


def writer_options(
    hinted: pa.Schema,
    compression: str = "zstd",
    few: frozenset[str] = frozenset(),
    unlike: Mapping[str, str] | None = None,
) -> dict[str, object]:
    """What pyarrow's writer is told about each column, from the schema and what the table shows (R1).

    Ids never repeat: a dictionary would be tried in vain. Keys and texts may: those that are not in
    ``unlike`` (see `unlike_texts`) get one, for each row group. The least and greatest of a million texts,
    in no order, let a reader skip nothing: they are not taken, which costs half of what a dictionary does.

    >>> options = writer_options(pa.schema([pa.field("sys__eid", pa.string(), metadata={"hint": "id"})]))
    >>> options["use_dictionary"], options["column_encoding"]
    ([], {'sys__eid': 'DELTA_LENGTH_BYTE_ARRAY'})
    """
    dictionaries, encodings, ordered = [], {}, []
    columns = [(f.name, *leaf) for f in plain_schema(hinted) for leaf in _leaves(f.name, f.type)]
    for column, name, kind in columns:
        hint = _hint(hinted, column)
        if not pa.types.is_string(kind):
            ordered.append(name)
        if pa.types.is_string(kind) and hint == "id":
            encodings[name] = "DELTA_LENGTH_BYTE_ARRAY"
        elif unlike and name in unlike:
            encodings[name] = unlike[name]
        elif pa.types.is_string(kind) or hint == "low" or name in few:
            dictionaries.append(name)
        elif pa.types.is_integer(kind) or pa.types.is_temporal(kind):
            encodings[name] = "DELTA_BINARY_PACKED"
        else:
            encodings[name] = "PLAIN"
    return {
        "compression": compression,
        "compression_level": _LEVELS.get(compression),
        "use_dictionary": dictionaries,
        "dictionary_pagesize_limit": _MOST_DICTIONARY,
        "column_encoding": encodings,
        "write_statistics": ordered,
    }


def _leaves(path: str, kind: pa.DataType) -> Iterator[tuple[str, pa.DataType]]:
    """Path and type of each column of scalars that Parquet makes of a column."""
    if pa.types.is_list(kind):
        yield from _leaves(f"{path}.list.element", kind.value_type)
    elif pa.types.is_map(kind):
        yield from _leaves(f"{path}.key_value.key", kind.key_type)
        yield from _leaves(f"{path}.key_value.value", kind.item_type)
    elif pa.types.is_struct(kind):
        for field in kind:
            yield from _leaves(f"{path}.{field.name}", field.type)
    else:
        yield path, kind
