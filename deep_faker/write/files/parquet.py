"""Parquet: encodings that follow from the schema and its hints alone, so that equal rows give equal bytes."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from deep_faker.plan import arrow
from deep_faker.write.frames import plain_schema
from deep_faker.write.whole.hashing import HashingFile

ROW_GROUP = 1 << 20
"""Rows: groups of a million are 5 % smaller and 10 % faster than of a quarter of it."""


_SAMPLE, _MOST_FLOATS = 16_384, 100_000
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
    writer = pq.ParquetWriter(
        file, table.schema, store_schema=not coded, **writer_options(hinted, compression, repeating(table))
    )
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
            if n > different:
                in_all = different if 4 * different <= n else n * n // (2 * (n - different))
                if in_all <= min(_MOST_FLOATS, table.num_rows // 4):
                    repeated.add(name)
    return frozenset(repeated)


def writer_options(
    hinted: pa.Schema, compression: str = "zstd", few: frozenset[str] = frozenset()
) -> dict[str, object]:
    """What pyarrow's writer is told about each column, from the schema and what `repeating` gives (R1).

    Ids never repeat: a dictionary would be tried in vain. Keys and texts may: the writer tries one of
    at most 1 MiB a row group. The least and greatest of a million ids or texts let a reader skip
    nothing: they are not taken.

    >>> options = writer_options(pa.schema([pa.field("sys__eid", pa.string(), metadata={"hint": "id"})]))
    >>> options["use_dictionary"], options["column_encoding"]
    ([], {'sys__eid': 'DELTA_LENGTH_BYTE_ARRAY'})
    """
    dictionaries, encodings, ordered = [], {}, []
    columns = [(f.name, *leaf) for f in plain_schema(hinted) for leaf in _leaves(f.name, f.type)]
    for column, name, kind in columns:
        hint = ((hinted.field(column).metadata or {}).get(b"hint") or b"").decode()
        if not pa.types.is_string(kind) or hint == "low":
            ordered.append(name)
        if pa.types.is_string(kind) and hint == "id":
            encodings[name] = "DELTA_LENGTH_BYTE_ARRAY"
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
