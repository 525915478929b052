"""Characters as words: tables of short texts as numbers, written into matrices of characters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deep_faker.draws.mix import CHUNK, I64, U64
from deep_faker.plan import arrow

U8 = npt.NDArray[np.uint8]
Unsigned = npt.NDArray[np.unsignedinteger]  # of 1, 2, 4 or 8 bytes
_WORD = 8


def packed(texts: Sequence[str] | Sequence[bytes], width: int) -> Unsigned:
    """Short texts as numbers of ``width`` bytes (1, 2, 4 or 8), filled up with zeros.

    >>> packed(["1", "23"], 2).view(np.uint8).tolist()
    [49, 0, 50, 51]
    """
    encoded = _encoded(texts)
    if (_lengths(encoded) > width).any():
        raise ValueError(f"texts longer than {width} bytes")
    return np.array(encoded, f"S{width}").view(f"u{width}")


def _encoded(texts: Sequence[str] | Sequence[bytes]) -> list[bytes]:
    return [text.encode() if isinstance(text, str) else text for text in texts]


def _lengths(encoded: Sequence[bytes]) -> I64:
    return np.fromiter(map(len, encoded), np.int64, len(encoded))


def store(out: U8, start: int, end: int, words: Unsigned) -> None:
    """Write the first bytes of each word to columns ``start`` to ``end`` of a matrix.

    What follows the end is written too where it is of the same row: columns are stored from left to right.

    >>> out = np.full((2, 3), ord("-"), np.uint8)
    >>> store(out, 1, 3, packed(["ab", "cd"], 2))
    >>> [row.tobytes() for row in out]
    [b'-ab', b'-cd']
    """
    n, width = out.shape
    size = words.dtype.itemsize
    if start + size <= width and size >= end - start:
        np.ndarray((n,), words.dtype, buffer=out, offset=start, strides=(width,))[:] = words
        return
    first = 0
    for part in (8, 4, 2, 1):  # the end of the row: exactly as many bytes as there are
        if end - start - first >= part:
            kind = np.dtype(f"u{part}")
            source = np.ndarray((n,), kind, buffer=words, offset=first, strides=(size,))
            np.ndarray((n,), kind, buffer=out, offset=start + first, strides=(width,))[:] = source
            first += part


class Pieces:
    """Texts of up to eight bytes, as words with their lengths."""

    def __init__(self, texts: Sequence[str] | Sequence[bytes]) -> None:
        encoded = _encoded(texts)
        lengths = _lengths(encoded)
        self.words = packed(encoded, _WORD)
        self.bits = lengths.astype(np.uint64) << np.uint64(3)
        self.least, self.most = int(lengths.min()), int(lengths.max())

    def take(self, index: I64) -> Part:
        """The pieces of some rows."""
        bits = self.bits.take(index, mode="clip") if self.least < self.most else None
        return Part(self.words.take(index, mode="clip"), bits, self.least, self.most)


def in_words(texts: Sequence[str]) -> list[Pieces]:
    """The first eight bytes of each text, the next eight bytes, and so on up to the longest one's.

    >>> [pieces.words.view("S8").tolist() for pieces in in_words(["one", "seventy-two"])]
    [[b'one', b'seventy-'], [b'', b'two']]
    """
    encoded = _encoded(texts)
    longest = max(1, int(_lengths(encoded).max()))
    if longest <= _WORD:
        return [Pieces(encoded)]
    return [Pieces([text[start : start + _WORD] for text in encoded]) for start in range(0, longest, _WORD)]


@dataclass(frozen=True)
class Part:
    """A word of each row and how many of its bits are written, None where all are of one length."""

    words: U64
    bits: U64 | None
    least: int  # characters
    most: int


def run_together(parts: Sequence[Part]) -> pa.Array:
    """Texts of parts one after the other.

    >>> digits = Pieces(["1", "234"]).take(np.array([1, 0]))
    >>> run_together([digits, digits]).to_pylist()
    ['234234', '11']
    """
    n = len(parts[0].words)
    width = -(-sum(part.most for part in parts) // 8)
    out = np.zeros((width, n), np.uint64)
    out[0] = parts[0].words
    least, most = parts[0].least, parts[0].most
    place = _bits(parts[0], n)
    moved, shift = np.empty(n, np.uint64), np.empty(n, np.uint64)
    for part in parts[1:]:
        for word in range(least // 8, (most + part.most - 1) // 8 + 1):
            # A shift by 64 bits or more, which what is negative is too, leaves nothing.
            np.subtract(place, np.uint64(64 * word), out=shift)
            if most >= 8 * word:
                np.left_shift(part.words, shift, out=moved)
                out[word] |= moved
            if word:
                np.negative(shift, out=shift)
                np.right_shift(part.words, shift, out=moved)
                out[word] |= moved
        place += np.uint64(8 * part.most) if part.bits is None else part.bits
        least, most = least + part.least, most + part.most
    place >>= np.uint64(3)
    return cut_out(np.ascontiguousarray(out.T).view(np.uint8), place.view(np.int64))


def _bits(part: Part, n: int) -> U64:
    return np.full(n, 8 * part.most, np.uint64) if part.bits is None else part.bits.copy()


def cut_out(characters: U8, end: npt.NDArray[np.integer]) -> pa.Array:
    """Rows of characters up to before an end column of each.

    >>> cut_out(np.frombuffer(b"onetwo", np.uint8).reshape(2, 3), np.array([3, 1])).to_pylist()
    ['one', 't']
    """
    n, width = characters.shape
    if n * width >= 2**31:
        raise ValueError(f"{n} texts of {width} bytes are too many for one Arrow array: ask for fewer rows")
    offsets = np.empty(2 * n + 1, np.int32)
    starts = np.arange(0, n * width, width, dtype=np.int32)
    offsets[:-1:2], offsets[-1] = starts, n * width
    np.add(starts, end, out=offsets[1::2], casting="unsafe")
    return every_second(characters.reshape(-1), offsets)


def every_second(characters: U8, offsets: npt.NDArray[np.int32]) -> pa.Array:
    """Every second piece between ``offsets``: Arrow gathers them in one pass.

    >>> every_second(np.frombuffer(b"a-bc-", np.uint8), np.array([0, 1, 2, 4, 5], np.int32)).to_pylist()
    ['a', 'bc']
    """
    n = len(offsets) // 2
    pieces = pa.StringArray.from_buffers(2 * n, pa.py_buffer(offsets), pa.py_buffer(characters))
    return pieces.take(arrow.numbers(np.arange(0, 2 * n, 2, dtype=np.int32)))


def in_chunks(n: int, make: Callable[[slice], pa.Array]) -> pa.Array:
    """One array of texts that are made in chunks of rows."""
    parts = [make(slice(start, start + CHUNK)) for start in range(0, n, CHUNK)]
    return parts[0] if len(parts) == 1 else pa.concat_arrays(parts or [arrow.texts([])])


_PAIRS = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), "<u2")


@lru_cache(maxsize=1)
def _fours() -> npt.NDArray[np.uint32]:
    """Four hexadecimal digits for each number below 65,536, as a word."""
    number = np.arange(65_536)
    digits = _PAIRS.take(number >> 8).astype(np.uint32)
    digits |= _PAIRS.take(number & 255).astype(np.uint32) << np.uint32(16)
    return digits


def hexadecimal(
    numbers: npt.NDArray[np.integer], out: npt.NDArray[np.uint32] | None = None
) -> npt.NDArray[np.uint32]:
    """Four hexadecimal digits, as a word, of each number below 65,536.

    >>> hexadecimal(np.array([255, 65_244])).tobytes()
    b'00fffedc'
    """
    return np.take(_fours(), numbers, out=out, mode="clip")
