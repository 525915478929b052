"""Columns → one binary value a row, in Avro's and Protobuf's encodings, without a loop over rows.

Both write a record as its fields one after the other. So a column becomes pieces: arrays of as many
binary values as there are rows, which are joined row by row at the end.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.plan import arrow

Pieces = list[pa.Array]


def varint(values: npt.NDArray[np.uint64]) -> pa.Array:
    """Numbers in groups of seven bits, the lowest first, as both formats write them.

    >>> varint(np.array([1, 300], np.uint64)).to_pylist()
    [b'\\x01', b'\\xac\\x02']
    """
    if not len(values):
        return pa.array([], pa.large_binary())
    # a value of b bits has b/7 groups, and 0 has one
    groups = np.ones(len(values), np.int64)
    most = int(values.max())
    width = max(1, -(-most.bit_length() // 7))
    for group in range(1, width):
        groups += values >= np.uint64(1 << 7 * group)
    shifts = np.arange(width, dtype=np.uint64) * np.uint64(7)
    table = ((values[:, None] >> shifts) & np.uint64(0x7F)).astype(np.uint8)
    places = np.arange(width)
    table[places < (groups - 1)[:, None]] |= 0x80
    return _binary(np.concatenate(([0], np.cumsum(groups))), table[places < groups[:, None]])


def zigzag(values: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """Signed numbers such that small ones stay small: 0, -1, 1, -2 …

    >>> zigzag(np.array([0, -1, 1, -2])).tolist()
    [0, 1, 2, 3]
    """
    return ((values << 1) ^ (values >> 63)).view(np.uint64)


def fixed(values: npt.NDArray[np.generic]) -> pa.Array:
    """Values of one width, as they lie in memory."""
    width = values.dtype.itemsize
    data = np.ascontiguousarray(values).view(np.uint8).reshape(-1)
    return _binary(np.arange(len(values) + 1, dtype=np.int64) * width, data)


def lengths(texts: pa.Array) -> npt.NDArray[np.int64]:
    """How many bytes each value has; 0 for null.

    >>> lengths(pa.array(["é", None])).tolist()
    [2, 0]
    """
    out: npt.NDArray[np.int64] = arrow.values(arrow.filled(pc.binary_length(texts), 0))
    return out.astype(np.int64)


def joined(pieces: Pieces, rows: int) -> pa.Array:
    """The pieces of each row, one after the other; null is nothing.

    >>> joined([pa.array([b"a", None]), pa.array([b"1", b"2"])], 2).to_pylist()
    [b'a1', b'2']
    """
    if not pieces:
        return pa.array([b""] * rows, pa.large_binary())
    parts = [pc.fill_null(piece.cast(pa.large_binary()), b"") for piece in pieces]
    return pc.binary_join_element_wise(*parts, pa.scalar(b"", pa.large_binary()))


def constant(value: bytes, rows: int) -> pa.Array:
    """The same bytes in every row."""
    data = np.tile(np.frombuffer(value, np.uint8), rows)
    return _binary(np.arange(rows + 1, dtype=np.int64) * len(value), data)


def where_valid(column: pa.Array, pieces: Pieces) -> Pieces:
    """The pieces in rows that have a value, nothing in the others.

    >>> [piece] = where_valid(pa.array([1, None]), [pa.array([b"a", b"b"])])
    >>> piece.to_pylist()
    [b'a', b'']
    """
    if not column.null_count:
        return pieces
    valid = pc.is_valid(column)
    nothing = pa.scalar(b"", pa.large_binary())
    return [pc.if_else(valid, piece.cast(pa.large_binary()), nothing) for piece in pieces]


def of_lists(column: pa.Array, items: Callable[[pa.Array], Pieces]) -> tuple[npt.NDArray[np.int64], pa.Array]:
    """For a column of lists: how many items each has, and their bytes one after the other."""
    counts = arrow.values(arrow.filled(pc.list_value_length(column), 0)).astype(np.int64)
    flat = pc.list_flatten(column)  # without what lies under nulls
    each = joined(items(flat), len(flat))
    starts = np.frombuffer(each.buffers()[1], np.int64)[each.offset : each.offset + len(each) + 1]
    # the items lie one after the other already: a list's bytes begin where its first item's do
    offsets = starts[np.concatenate(([0], np.cumsum(counts)))]
    return counts, pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(counts), [None, pa.py_buffer(offsets.copy()), each.buffers()[2]]
    )


def int64(column: pa.Array) -> npt.NDArray[np.int64]:
    """Whole numbers, instants and lengths of time as numbers; 0 for null."""
    if pa.types.is_date32(column.type):
        column = column.cast(pa.int32())
    values: npt.NDArray[np.int64] = arrow.values(arrow.filled(column.cast(pa.int64()), 0))
    return values.astype(np.int64)


def float64(column: pa.Array) -> npt.NDArray[np.float64]:
    """Little-endian doubles; 0 for null."""
    values: npt.NDArray[np.float64] = arrow.values(arrow.filled(column.cast(pa.float64()), 0.0))
    return values.astype("<f8")


def booleans(column: pa.Array) -> npt.NDArray[np.uint8]:
    """A byte each, 0 or 1; 0 for null."""
    values: npt.NDArray[np.uint8] = arrow.values(arrow.filled(column, False).cast(pa.uint8()))
    return values


def decimals(column: pa.Array) -> pa.Array:
    """The unscaled numbers of a decimal128 column, sixteen bytes each, the highest first."""
    data = np.frombuffer(column.buffers()[1], np.uint8)
    rows = data[column.offset * 16 : (column.offset + len(column)) * 16].reshape(-1, 16)
    return _binary(np.arange(len(column) + 1, dtype=np.int64) * 16, rows[:, ::-1].reshape(-1))


def _binary(offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8]) -> pa.Array:
    buffers = [None, pa.py_buffer(offsets.astype(np.int64)), pa.py_buffer(np.ascontiguousarray(data))]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(offsets) - 1, buffers)
