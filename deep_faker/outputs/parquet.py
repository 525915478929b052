"""Parquet: encodings that follow from the schema and its hints alone, so that equal rows give equal bytes."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from deep_faker.outputs.frames import plain_schema
from deep_faker.outputs.hashing import HashingFile

ROW_GROUP = 1 << 20
"""Rows: groups of a million are 5 % smaller and 10 % faster than of a quarter of it."""


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
        file, table.schema, store_schema=not coded, **writer_options(hinted, compression)
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


def writer_options(hinted: pa.Schema, compression: str = "zstd") -> dict[str, Any]:
    """What pyarrow's writer is told about each column, from the schema alone (R1).

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
        elif pa.types.is_string(kind) or hint == "low":
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
