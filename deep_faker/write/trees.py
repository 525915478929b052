"""Arrays of lists, maps and structs, taken apart: what is under nulls or outside a slice is left behind."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa


def is_tuple(kind: pa.DataType) -> bool:
    """Whether a struct is a tuple: its parts are named by their places.

    >>> is_tuple(pa.struct([("0", pa.int64()), ("1", pa.string())])), is_tuple(pa.struct([("x", pa.int64())]))
    (True, False)
    """
    return pa.types.is_struct(kind) and [f.name for f in kind] == [str(i) for i in range(kind.num_fields)]


def as_list(array: pa.Array) -> pa.Array:
    """A map as the list of structs that it is; a list as itself.

    >>> as_list(pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64()))).to_pylist()
    [[{'key': 'a', 'value': 1}]]
    """
    if not pa.types.is_map(array.type):
        return array
    entries = array.values
    kind = pa.list_(pa.field("entries", entries.type))
    buffers = array.buffers()[:2]
    return pa.ListArray.from_buffers(kind, len(array), buffers, offset=array.offset, children=[entries])


def children(array: pa.Array) -> list[pa.Array]:
    """The arrays that a nested one is made of: its items, or its fields, null where the struct is.

    >>> [child.to_pylist() for child in children(pa.array([[1, 2], [3]]))]
    [[1, 2, 3]]
    """
    if pa.types.is_struct(array.type):
        return array.flatten()  # type: ignore[no-any-return]  # pyarrow is untyped
    return [as_list(array).flatten()]


def leaves(array: pa.Array) -> Iterator[pa.Array]:
    """The arrays of scalars within an array; a flat one itself.

    >>> [leaf.to_pylist() for leaf in leaves(pa.array([[{"x": 1, "y": "a"}], None]))]
    [[1], ['a']]
    """
    if pa.types.is_nested(array.type):
        for child in children(array):
            yield from leaves(child)
    else:
        yield array


def one_array(column: pa.ChunkedArray) -> pa.Array:
    """The column in one piece."""
    if not column.num_chunks:
        return pa.array([], column.type)
    if column.num_chunks == 1:
        return column.chunk(0)
    array = column.combine_chunks()
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
