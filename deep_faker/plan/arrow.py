"""Arrow arrays of numbers and of texts, without what `pyarrow.array` and `pyarrow.scalar` do first.

Those import pandas where it is installed, to know its types when they see them: 0.2 s of a command that
takes little more, and memory. A run that never needs pandas shall not load it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Mask = npt.NDArray[np.bool_]


def numbers(values: npt.NDArray[np.generic], nulls: Mask | None = None) -> pa.Array:
    """Whole numbers, fractions or booleans as an array that shares their memory where it can.

    >>> numbers(np.array([1, 2]), np.array([False, True])).to_pylist()
    [1, None]
    """
    n = len(values)
    valid = None if nulls is None else _bits(~nulls)
    data = _bits(values.view(bool)) if values.dtype == bool else pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), n, [valid, data])


def texts(values: Iterable[str | None]) -> pa.Array:
    """Texts, some of them None.

    Raises `UnicodeEncodeError` for half of a surrogate pair.

    >>> texts(["a", None, "é"]).to_pylist()
    ['a', None, 'é']
    """
    known = list(values)
    encoded = [b"" if value is None else value.encode() for value in known]
    n = len(encoded)
    ends = np.zeros(n + 1, np.int64)
    np.cumsum(np.fromiter(map(len, encoded), np.int64, n), out=ends[1:])
    if ends[-1] >= 2**31:
        raise ValueError(f"{n} texts of {ends[-1]} bytes are too many for one array: ask for fewer")
    valid = _bits(np.array([value is not None for value in known], bool)) if None in known else None
    data = pa.py_buffer(b"".join(encoded))
    return pa.StringArray.from_buffers(n, pa.py_buffer(ends.astype(np.int32)), data, valid)


_SHARED = 1 << 16  # rows


def fixed_texts(characters: npt.NDArray[np.uint8]) -> pa.StringArray:
    """ASCII texts of one width, shape (rows, width), without a copy. Arrays of few rows share their offsets.

    >>> fixed_texts(np.frombuffer(b"abcd", np.uint8).reshape(2, 2)).to_pylist()
    ['ab', 'cd']
    """
    n, width = characters.shape
    if n < _SHARED and width <= 1024:
        ends = _shared_ends(width).slice(0, 4 * (n + 1))
    else:
        ends = pa.py_buffer(np.arange(n + 1, dtype=np.int32) * np.int32(width))
    return pa.StringArray.from_buffers(n, ends, pa.py_buffer(np.ascontiguousarray(characters)))


@lru_cache(maxsize=32)
def _shared_ends(width: int) -> pa.Buffer:
    return pa.py_buffer(np.arange(_SHARED, dtype=np.int32) * np.int32(width))


def scalar(value: bool | float) -> pa.Scalar:
    """A number or a boolean as pyarrow's functions take it.

    >>> scalar(2.5).as_py()
    2.5
    """
    return numbers(np.array([value]))[0]


def text(value: str) -> pa.Scalar:
    """A text as pyarrow's functions take it, without a look for pandas.

    >>> text("é").as_py()
    'é'
    """
    return texts([value])[0]


def filled(array: pa.Array, value: bool | float) -> pa.Array:
    """The array with a value in place of its nulls.

    >>> filled(numbers(np.array([1, 2]), np.array([False, True])), 0).to_pylist()
    [1, 0]
    """
    return pc.fill_null(array, scalar(value)) if array.null_count else array


def _bits(values: Mask) -> pa.Buffer:
    return pa.py_buffer(np.packbits(values, bitorder="little"))


def values(array: pa.Array) -> npt.NDArray[Any]:
    """The numbers or booleans of an array, anything where it has nulls; ``numbers`` the other way.

    >>> values(numbers(np.array([True, False, True]))[1:]).tolist()
    [False, True]
    """
    start, n, data = array.offset, len(array), array.buffers()[1]
    if data is None:
        return np.empty(0, array.type.to_pandas_dtype())
    if pa.types.is_boolean(array.type):
        bits = np.unpackbits(np.frombuffer(data, np.uint8), count=start + n, bitorder="little")
        return bits[start:].view(bool)
    kind = np.dtype(array.type.to_pandas_dtype())
    return np.frombuffer(data, kind, n, start * kind.itemsize)
