"""Arrays whose buffers follow from their values alone: Arrow leaves anything at all under a null."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deep_faker.plan import arrow
from deep_faker.write.trees import children


def canonical(array: pa.Array) -> pa.Array:
    """The same values, with zeros under nulls, no bitmap where nothing is null, and no room to spare.

    >>> canonical(pa.array(["a", None]).slice(1)).buffers()[1].size
    8
    """
    kind, n = array.type, len(array)
    valid = pa.py_buffer(np.packbits(bits(array.is_valid()), bitorder="little")) if array.null_count else None
    if pa.types.is_null(kind):
        return pa.nulls(n)
    if pa.types.is_struct(kind):
        parts = [canonical(part) for part in children(array)]
        return pa.Array.from_buffers(kind, n, [valid], children=parts)
    if pa.types.is_nested(kind):
        ends = np.concatenate(([0], np.cumsum(lengths(array).view("<i4")))).astype(np.int32)
        parts = [canonical(part) for part in children(array)]
        return pa.Array.from_buffers(kind, n, [valid, pa.py_buffer(ends)], children=parts)
    full = filled(array) if array.null_count else array
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        ends = offsets(full)
        data = (full.buffers()[2] or pa.py_buffer(b"")).slice(int(ends[0]), int(ends[-1] - ends[0]))
        return pa.Array.from_buffers(kind, n, [valid, pa.py_buffer(ends - ends[0]), data])
    if pa.types.is_boolean(kind):
        return pa.Array.from_buffers(
            kind, n, [valid, pa.py_buffer(np.packbits(bits(full), bitorder="little"))]
        )
    width = kind.bit_width // 8
    data = (full.buffers()[1] or pa.py_buffer(b"")).slice(full.offset * width, n * width)
    return pa.Array.from_buffers(kind, n, [valid, data])


def filled(array: pa.Array) -> pa.Array:
    """The array with its nulls as zero, empty text or an empty list; a map as a list."""
    kind = array.type
    if pa.types.is_null(kind):
        return array
    if pa.types.is_list(kind) or pa.types.is_map(kind):
        return pa.ListArray.from_arrays(
            pa.array(np.concatenate(([0], np.cumsum(lengths(array).view("<i4")))).astype(np.int32)),
            *children(array),
        )
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return array.fill_null("" if pa.types.is_string(kind) else b"")
    if pa.types.is_boolean(kind):
        return array.fill_null(False)
    if pa.types.is_decimal(kind):
        return array.fill_null(pa.array([0], kind)[0])
    width = np.int32 if kind.bit_width == 32 else np.int64  # time types take their own width
    zero = arrow.numbers(np.zeros(1, width)).cast(kind)
    return array.fill_null(zero[0])


def bits(array: pa.Array) -> npt.NDArray[np.uint8]:
    """One byte a boolean."""
    return arrow.values(array).view(np.uint8)


def offsets(array: pa.Array) -> npt.NDArray[np.int32]:
    """Where the texts or lists begin and end in their data.

    >>> offsets(pa.array(["ab", "", "c"])).tolist()
    [0, 2, 2, 3]
    """
    data = array.buffers()[1]
    if data is None or not len(array):
        return np.zeros(1, np.int32)
    return np.frombuffer(data, "<i4")[array.offset : array.offset + len(array) + 1]


def lengths(array: pa.Array) -> npt.NDArray[np.uint8]:
    """The lengths of texts or lists as little-endian int32, a null's as zero."""
    lengths = np.diff(offsets(array))
    if array.null_count:  # Arrow lets a null have any length
        lengths = lengths * bits(array.is_valid())
    return np.ascontiguousarray(lengths, "<i4").view(np.uint8)
