"""Arrow tables as every reader takes them: text as plain text, whatever it was held in."""

from __future__ import annotations

import pyarrow as pa


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type of a column's values: no dictionaries, and Arrow's usual width of offsets.

    >>> plain_type(pa.dictionary(pa.int32(), pa.string()))
    DataType(string)
    """
    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(plain_type(kind.value_type))
    if pa.types.is_map(kind):
        return pa.map_(plain_type(kind.key_type), plain_type(kind.item_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, plain_type(field.type)) for field in kind])
    return kind


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """The schema of the files: plain types, no metadata.

    >>> plain_schema(pa.schema([pa.field("x", pa.dictionary(pa.int32(), pa.string()))]))
    x: string
    """
    return pa.schema([pa.field(f.name, plain_type(f.type), nullable=f.nullable) for f in schema])


def plain(table: pa.Table) -> pa.Table:
    """The table with every dictionary column decoded.

    >>> plain(pa.table({"x": pa.array(["a", "a"]).dictionary_encode()}))["x"].type
    DataType(string)
    """
    schema = plain_schema(table.schema)
    return table.replace_schema_metadata(None) if schema == table.schema else table.cast(schema)
