"""Keys of entities as codes, for Parquet: they come as the entities' numbers, or as texts.

Codes follow from the rows alone, in the order in which keys first come: a run that was resumed has texts for
what was written before, and makes the same bytes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deep_faker import loops
from deep_faker.plan import arrow
from deep_faker.write.files.parquet import ROW_GROUP, every, few_texts

_MOST_BYTES = 4 << 20
"""Of different keys in a file: those of 250,000 users. Readers take the page that holds them at once."""
_TEXTS = 4_096

_Numbers = npt.NDArray[np.int32]


def repeated_keys(column: pa.ChunkedArray) -> pa.DictionaryArray | None:
    """The column as codes of its different keys; None where too many are different, or where it has nulls.

    Chunks may hold numbers, with dictionaries of which the longest begins with all the others.

    >>> known = pa.array(["k0", "k1", "k2"])
    >>> numbers = pa.DictionaryArray.from_arrays(pa.array([2, 0, 2, 2], pa.int32()), known)
    >>> coded = repeated_keys(pa.chunked_array([numbers]))
    >>> coded.dictionary.to_pylist(), coded.indices.to_pylist()
    (['k2', 'k0'], [0, 1, 0, 0])
    >>> coded.equals(repeated_keys(pa.chunked_array([pa.array(["k2", "k0", "k2", "k2"])])))
    True
    """
    rows, kind = len(column), column.type
    if not 0 < rows <= ROW_GROUP or column.null_count:  # a dictionary is one row group's
        return None
    step = max(1, rows // _TEXTS)
    if pa.types.is_string(kind):
        if not few_texts(every(column, step), rows, _MOST_BYTES):
            return None
        coded = column.dictionary_encode().unify_dictionaries()
        return _codes(_joined(coded), coded.chunk(0).dictionary)
    if not (pa.types.is_dictionary(kind) and pa.types.is_string(kind.value_type)):
        return None
    numbers = _joined(column)
    known = max((chunk.dictionary for chunk in column.chunks), key=len)
    some = known.take(arrow.numbers(np.ascontiguousarray(numbers[::step])))
    if not few_texts(pa.chunked_array([some]), rows, _MOST_BYTES):
        return None
    codes, order = _in_order(numbers, len(known))
    return _codes(codes, known.take(arrow.numbers(np.ascontiguousarray(order))))


def _joined(coded: pa.ChunkedArray) -> _Numbers:
    return np.concatenate([arrow.values(chunk.indices) for chunk in coded.chunks])


def _codes(codes: _Numbers, texts: pa.Array) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(arrow.numbers(codes), texts, safe=False)


def _in_order(numbers: _Numbers, known: int) -> tuple[_Numbers, npt.NDArray[np.integer]]:
    """Codes by the order in which numbers below ``known`` first come, and the numbers in that order."""
    n, far = len(numbers), known > 8 * len(numbers)  # too many to have a word for each
    compiled = loops.loop("first_come_far" if far else "first_come")
    if compiled is not None:
        codes, order = np.empty(n, np.int32), np.empty(min(n, known), np.int32)
        size = (2 * n).bit_length()
        seen = np.zeros(1 << size, np.uint64) if far else np.zeros(known, np.int32)
        table = (seen.ctypes.data, size) if far else (seen.ctypes.data,)
        count = compiled(numbers.ctypes.data, n, *table, order.ctypes.data, codes.ctypes.data)
        return codes, order[:count]
    if far:
        different, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
        by_row = np.argsort(first)
        place = np.empty(len(by_row), np.int32)
        place[by_row] = np.arange(len(by_row), dtype=np.int32)
        return place[inverse], different[by_row].astype(np.int64)
    first_rows = np.full(known, n, np.int32)
    # of a number that comes again, what is assigned last stays
    first_rows[numbers[::-1]] = np.arange(n - 1, -1, -1, dtype=np.int32)
    found = np.flatnonzero(first_rows < n)
    found = found[np.argsort(first_rows[found])]
    codes = np.empty(known, np.int32)
    codes[found] = np.arange(len(found), dtype=np.int32)
    return np.take(codes, numbers), found
