"""Arrow tables as every reader takes them: text as plain text, whatever it was held in."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from deep_faker.plan import arrow

MOST_TEXTS = 4096
"""Different texts of a column that `coded_texts` still codes."""


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


def coded_texts(column: pa.ChunkedArray) -> pa.DictionaryArray | None:
    """The column as codes of the texts in it, which are sorted: the same whatever chunks it came in.

    None where it has nulls, or many different texts, or others than texts.

    >>> coded_texts(pa.chunked_array([pa.array(["b", "a", "b"])])).dictionary.to_pylist()
    ['a', 'b']
    """
    if column.null_count or not len(column):
        return None
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    column = column.unify_dictionaries()
    dictionary = column.chunk(0).dictionary
    if not pa.types.is_string(dictionary.type) or not pa.types.is_int32(column.type.index_type):
        return None
    codes = np.concatenate([arrow.values(chunk.indices) for chunk in column.chunks])
    used = np.flatnonzero(np.bincount(codes, minlength=len(dictionary)))
    if len(used) > MOST_TEXTS:
        return None
    texts = dictionary.take(arrow.numbers(used)).to_pylist()  # a text may be there twice
    if None in texts:
        return None
    places = {text: code for code, text in enumerate(sorted(set(texts)))}
    new = np.zeros(len(dictionary), np.int32)
    new[used] = [places[text] for text in texts]
    return pa.DictionaryArray.from_arrays(arrow.numbers(np.take(new, codes)), arrow.texts(places), safe=False)
