"""Hashes of files while they are written, and of columns whatever their encoding."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deep_faker import loops
from deep_faker.plan import arrow
from deep_faker.write.trees import children
from deep_faker.write.whole.canonical import bits, filled, lengths, offsets

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_Bytes = npt.NDArray[np.uint8]
_PIECE = 16_384  # 64-bit words: their temporaries stay in the processor's cache


def _keys() -> npt.NDArray[np.uint32]:
    """Fixed random keys of the fast hash: the words of SHA-256 of a counter."""
    text = b"".join(hashlib.sha256(b"deep_faker NH %d" % i).digest() for i in range(_PIECE // 4))
    return np.frombuffer(text, "<u4")


class HashingFile:
    """A binary file that takes the SHA-256 of what is written to it, going on ``after`` what was before.

    >>> import io
    >>> file = HashingFile(io.BytesIO())
    >>> file.write(b"abc"), file.size, file.sha256()[:8]
    (3, 3, 'ba7816bf')
    """

    def __init__(self, raw: IO[bytes], after: HashingFile | None = None) -> None:
        self.raw = raw
        self.size: int = 0 if after is None else after.size
        self._hash: hashlib._Hash = hashlib.sha256() if after is None else after._hash.copy()  # noqa: SLF001 - its own kind

    def write(self, data: ReadableBuffer) -> int:
        """Write all of ``data`` (bytes or a buffer) and count it in."""
        view = memoryview(data)
        rest = view.cast("B")
        while rest:  # an unbuffered file may take a part only: a disk that is nearly full, a pipe
            rest = rest[self.raw.write(rest) :]
        self._hash.update(view)
        self.size += view.nbytes
        return view.nbytes

    def take_in(self, size: int) -> None:
        """Count in the next ``size`` bytes of the raw file, which were written by another process.

        Raises `EOFError` where there are fewer.
        """
        while self.size < size:
            block = self.raw.read(min(1 << 20, size - self.size))
            if not block:
                raise EOFError
            self._hash.update(block)
            self.size += len(block)

    def sha256(self) -> str:
        """The hash of what has been written so far, in hex."""
        return self._hash.hexdigest()

    # What Arrow asks of a file object that it writes to.
    closed = False

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        self.raw.flush()

    def close(self) -> None:
        """Nothing: whoever opened the raw file closes it."""

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False


class TableHash:
    """A hash of a table's values, column by column, that does not depend on how they are stored.

    Plain text and dictionary columns of the same values have the same hash; names, types, order
    and nulls count. Rows are fed in blocks, and the blocks count too: a file's are 65,536 rows each,
    from its beginning.

    A column's hash is SHA-256 over its type and, for each buffer of each block (which rows are null,
    if any is; lengths of texts and lists; values, those of nulls as zero), the buffer's length in
    bytes and the NH sums (RFC 4418) of its pieces of 128 KiB. That is a checksum against accidents,
    at about 0.15 ns a byte; whoever fears forgery compares the files' SHA-256.

    >>> plain, coded = pa.array(["a", "b", "a"]), pa.array(["a", "b", "a"]).dictionary_encode()
    >>> one, two = TableHash(["x"]), TableHash(["x"])
    >>> one.update([plain]), two.update([coded])
    (None, None)
    >>> one.columns() == two.columns()
    True
    """

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self._hashes = [hashlib.sha256() for _ in names]
        self._spellings: list[_Spelling | None] = [None] * len(names)
        self.rows = 0

    def update(self, arrays: list[pa.Array]) -> None:
        """Count in the next block: one array per column, all of one length."""
        self.rows += len(arrays[0]) if arrays else 0
        for place, (state, array) in enumerate(zip(self._hashes, arrays, strict=True)):
            buffers = self._spelled(place, array) if isinstance(array, pa.DictionaryArray) else None
            for tag, buffer in _buffers(array) if buffers is None else buffers:
                state.update(tag)
                state.update(_nh(buffer))

    def _spelled(self, place: int, array: pa.DictionaryArray) -> list[tuple[bytes, _Bytes]] | None:
        """Lengths and bytes of a dictionary's texts, row by row; None where that is left to Arrow."""
        kind = array.type
        fit = pa.types.is_string(kind.value_type) and pa.types.is_int32(kind.index_type)
        if loops.loop("spell") is None or not fit or array.null_count or not len(array):
            return None
        texts, spelling = array.dictionary, self._spellings[place]
        if texts.null_count:
            return None
        if spelling is None or not spelling.is_of(texts):
            spelling = self._spellings[place] = _Spelling(texts)
        lengths_, data = spelling.rows(arrow.values(array.indices))
        return [(b"text", lengths_), (b"data", data)]

    def columns(self) -> dict[str, str]:
        """Column → 16 hex digits."""
        return {name: state.hexdigest()[:16] for name, state in zip(self._names, self._hashes, strict=True)}

    def hexdigest(self) -> str:
        """One hash for all: of the row count, the names and the columns' hashes."""
        return combined_hash(self.rows, self.columns())


def combined_hash(rows: int, columns: Mapping[str, str]) -> str:
    """The logical hash of a file from those of its columns."""
    text = "\n".join([str(rows), *(f"{name}\t{value}" for name, value in columns.items())])
    return hashlib.sha256(text.encode()).hexdigest()


def _buffers(array: pa.Array) -> Iterator[tuple[bytes, npt.NDArray[np.uint8]]]:
    """The canonical buffers of an array, each with a tag that says what it is."""
    if isinstance(array, pa.DictionaryArray):
        array = array.dictionary_decode()
    kind = array.type
    if array.null_count:
        yield b"null", bits(array.is_valid())
    if pa.types.is_struct(kind):
        for field, part in zip(kind, children(array), strict=True):
            yield b"part", np.frombuffer(field.name.encode(), np.uint8)
            yield from _buffers(part)
        return
    if array.null_count:
        array = filled(array)
    if pa.types.is_nested(kind):
        yield b"list", lengths(array)
        yield from _buffers(*children(array))
    elif pa.types.is_string(kind) or pa.types.is_binary(kind):
        ends = offsets(array)
        yield b"text", lengths(array)
        data = array.buffers()[2]
        values = np.frombuffer(data, np.uint8) if data else np.empty(0, np.uint8)
        yield b"data", values[ends[0] : ends[-1]]
    elif pa.types.is_boolean(kind):
        yield b"bool", bits(array)
    elif pa.types.is_null(kind):
        yield b"none", np.empty(0, np.uint8)
    else:
        width = kind.bit_width // 8
        data = np.frombuffer(array.buffers()[1] or b"", np.uint8)
        yield str(kind).encode(), data[array.offset * width : (array.offset + len(array)) * width]


class _Spelling:
    """The texts of one dictionary, made ready once for all blocks that have it."""

    def __init__(self, texts: pa.StringArray) -> None:
        self._texts = texts  # its memory shall stay where it is
        self._ends = offsets(texts).astype(np.int64)
        self._lengths = np.diff(self._ends).astype("<i4")
        self._data = np.zeros(int(self._ends[-1]) + 8, np.uint8)  # read eight at a time
        data = texts.buffers()[2]
        if data is not None:
            self._data[: self._ends[-1]] = np.frombuffer(data, np.uint8, int(self._ends[-1]))
        self._out = np.empty(0, np.uint8)

    def is_of(self, texts: pa.StringArray) -> bool:
        """Whether these are the same texts, in the same memory."""

        def place(one: pa.StringArray) -> tuple[object, ...]:
            return (len(one), one.offset, *(None if b is None else b.address for b in one.buffers()))

        return place(texts) == place(self._texts)

    def rows(self, codes: npt.NDArray[np.int32]) -> tuple[_Bytes, _Bytes]:
        """Lengths and bytes of the texts of these codes; the bytes until it is asked again."""
        spell = loops.loop("spell")
        assert spell is not None
        lengths_ = np.take(self._lengths, codes)
        total = int(lengths_.sum(dtype=np.int64))
        if len(self._out) < total + 8:
            self._out = np.empty(total + 8, np.uint8)
        spell(
            self._out.ctypes.data,
            codes.ctypes.data,
            len(codes),
            self._ends.ctypes.data,
            self._data.ctypes.data,
        )
        return lengths_.view(np.uint8), self._out[:total]


_KEYS = _keys()


def _nh(data: npt.NDArray[np.uint8]) -> bytes:
    """The length of ``data`` and the NH sum of every piece of it."""
    rest = len(data) % 8
    words = data[: len(data) - rest].view("<u4")
    compiled = loops.loop("sums_of_pieces")
    if compiled is None:
        sums = b"".join(_nh_piece(words[i : i + 2 * _PIECE]) for i in range(0, len(words), 2 * _PIECE))
    else:
        out = np.empty(-(-len(words) // (2 * _PIECE)), np.uint64)
        compiled(words.ctypes.data, len(words), _KEYS.ctypes.data, 2 * _PIECE, out.ctypes.data)
        sums = out.tobytes()
    tail = bytes(data[len(data) - rest :])
    return len(data).to_bytes(8, "little") + sums + tail


def _nh_piece(words: npt.NDArray[np.uint32]) -> bytes:
    mixed = words + _KEYS[: len(words)]
    low, high = mixed[0::2].astype(np.uint64), mixed[1::2].astype(np.uint64)
    return int(np.dot(low, high)).to_bytes(8, "little")
