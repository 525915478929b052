"""Columns of a part in one piece each, in memory that the next part on this thread uses again.

A part's rows come in some hundred pieces. Arrow would join them block by block into fresh memory, whose pages
the system has to clear: that took longer than all the copying (54 ns an event; here it is 25).
"""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deep_faker.plan import arrow
from deep_faker.write.whole.canonical import offsets

_MOST_ROWS = 1 << 20
"""Longer parts would hold on to too much memory."""
_WIDEST = 64  # bytes of a text

_Bytes = npt.NDArray[np.uint8]


class Scratch(threading.local):
    """Memory of one thread. What was taken is there until the thread begins its next part.

    >>> scratch = Scratch()
    >>> whole = scratch.whole(pa.chunked_array([["ab", "cd"], ["ef"]]))
    >>> whole.to_pylist(), scratch.whole(pa.chunked_array([["a", "bc"], ["d"]]))
    (['ab', 'cd', 'ef'], None)
    """

    def __init__(self) -> None:
        self._buffers: list[_Bytes] = []
        self._used = 0

    def begin(self) -> None:
        """Give all memory free."""
        self._used = 0

    def whole(self, column: pa.ChunkedArray) -> pa.Array | None:
        """The column as one array; None where it has nulls, or neither numbers nor texts of one width."""
        rows, kind = len(column), column.type
        if column.num_chunks < 2 or not rows <= _MOST_ROWS or column.null_count:
            return None
        if pa.types.is_string(kind):
            return self._texts(column)
        if kind.num_fields or not (pa.types.is_primitive(kind) and kind.bit_width >= 8):
            return None
        width = kind.bit_width // 8
        pieces = [
            np.frombuffer(chunk.buffers()[1], np.uint8, len(chunk) * width, chunk.offset * width)
            for chunk in column.chunks
            if len(chunk)
        ]
        return pa.Array.from_buffers(kind, rows, [None, pa.py_buffer(self._joined(pieces))])

    def _texts(self, column: pa.ChunkedArray) -> pa.Array | None:
        width, pieces = -1, []
        for chunk in column.chunks:
            if not len(chunk):
                continue
            ends = offsets(chunk)
            first, last = int(ends[0]), int(ends[-1])
            if width < 0:
                width = (last - first) // len(chunk)
            # lengths that are right on the whole need not be so one by one
            if last - first != width * len(chunk) or not 0 < width <= _WIDEST or not _is_even(ends, width):
                return None
            pieces.append(np.frombuffer(chunk.buffers()[2], np.uint8, last - first, first))
        joined = self._joined(pieces)
        return arrow.fixed_texts(joined.reshape(-1, width))

    def _joined(self, pieces: list[_Bytes]) -> _Bytes:
        size = sum(map(len, pieces))
        if self._used == len(self._buffers):
            self._buffers.append(np.empty(0, np.uint8))
        if len(self._buffers[self._used]) < size:
            self._buffers[self._used] = np.empty(size, np.uint8)
        out = self._buffers[self._used][:size]
        self._used += 1
        return np.concatenate(pieces, out=out)


def _is_even(ends: npt.NDArray[np.int32], width: int) -> bool:
    """Whether places are all ``width`` apart."""
    return bool((ends[1:] - ends[:-1] == width).all())
