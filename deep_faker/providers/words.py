"""Characters as words: tables of short texts as numbers, written into matrices of characters."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

U8 = npt.NDArray[np.uint8]


def packed(texts: Sequence[str], width: int) -> npt.NDArray[Any]:
    """Short ASCII texts as numbers of ``width`` bytes (1, 2, 4 or 8), filled up with zeros.

    >>> packed(["1", "23"], 2).view(np.uint8).tolist()
    [49, 0, 50, 51]
    """
    joined = b"".join(text.encode("ascii").ljust(width, b"\0") for text in texts)
    return np.frombuffer(joined, f"u{width}")


def store(out: U8, at: int, end: int, words: npt.NDArray[Any]) -> None:
    """Write the first bytes of each word to columns ``at`` to ``end`` of a matrix.

    What follows the end is written too where it is of the same row: columns are stored from left to right.
    """
    n, width = out.shape
    size = words.dtype.itemsize
    if at + size <= width and size >= end - at:
        np.ndarray((n,), words.dtype, buffer=out, offset=at, strides=(width,))[:] = words
        return
    first = 0
    for part in (8, 4, 2, 1):  # the end of the row: exactly as many bytes as there are
        if end - at - first >= part:
            kind = np.dtype(f"u{part}")
            source = np.ndarray((n,), kind, buffer=words, offset=first, strides=(size,))
            np.ndarray((n,), kind, buffer=out, offset=at + first, strides=(width,))[:] = source
            first += part


def cut_out(characters: U8, *parts: tuple[Any, Any]) -> pa.Array:
    """Of each row of characters the parts from a first to before an end column, joined.

    The bounds are numbers or arrays of one for each row, and in order.
    """
    n, width = characters.shape
    if n * width >= 2**31:
        raise ValueError(f"{n} texts of {width} bytes are too many for one Arrow array: ask for fewer rows")
    # Every second piece between these offsets is wanted: Arrow gathers them in one pass.
    count = len(parts)
    offsets = np.empty(2 * count * n + 1, np.int32)
    starts = np.arange(0, n * width, width, dtype=np.int32)
    for number, (first, end) in enumerate(parts):
        np.add(starts, first, out=offsets[2 * number : -1 : 2 * count], casting="unsafe")
        np.add(starts, end, out=offsets[2 * number + 1 : -1 : 2 * count], casting="unsafe")
    offsets[-1] = n * width
    return pieces(characters, offsets, count)


def pieces(characters: U8, offsets: npt.NDArray[np.int32], count: int) -> pa.Array:
    """Every second piece between ``offsets``, ``count`` of them joined to a text."""
    n = len(offsets) // 2
    every = pa.StringArray.from_buffers(2 * n, pa.py_buffer(offsets), pa.py_buffer(characters))
    wanted = every.take(pa.array(np.arange(0, 2 * n, 2, dtype=np.int32)))
    if count == 1:
        return wanted
    bounds = np.frombuffer(wanted.buffers()[1], np.int32, count=n + 1)[::count].copy()
    return pa.StringArray.from_buffers(n // count, pa.py_buffer(bounds), wanted.buffers()[2])


_PAIRS = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), "<u2")


@lru_cache(maxsize=1)
def _fours() -> npt.NDArray[np.uint32]:
    """Four hexadecimal digits for each number below 65,536, as a word."""
    number = np.arange(65_536)
    digits = _PAIRS.take(number >> 8).astype(np.uint32)
    digits |= _PAIRS.take(number & 255).astype(np.uint32) << np.uint32(16)
    return digits


def hexadecimal(
    numbers: npt.NDArray[Any], out: npt.NDArray[np.uint32] | None = None
) -> npt.NDArray[np.uint32]:
    """Four hexadecimal digits, as a word, of each number below 65,536.

    >>> hexadecimal(np.array([255, 65_244])).tobytes()
    b'00fffedc'
    """
    return np.take(_fours(), numbers, out=out, mode="clip")
