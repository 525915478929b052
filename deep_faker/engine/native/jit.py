"""How the kernel is made: compiled, or, with ``DEEP_FAKER_NATIVE=checked``, run by Python with every access checked.

Kernel code works on typed pointers made from addresses: three times as fast as arrays, whose references numba
counts, and twice as quick to compile. They know no bounds. In the checked build the same code runs as it is
written, a pointer belongs to the buffer that its address lies in, and an index outside is an `IndexError`.
(Functions of numbers alone are compiled in both.)
"""

from __future__ import annotations

import os
import struct
from bisect import bisect_right
from typing import Any

import numpy as np

from deep_faker.engine.native import intrinsics

CHECKED = os.environ.get("DEEP_FAKER_NATIVE") == "checked"
_MASK = (1 << 64) - 1


class Buffers:
    """The arrays of words that addresses may point into."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.arrays: dict[int, Any] = {}

    def add(self, array: Any) -> None:
        """Let addresses within ``array`` be used; it takes the place of any at the same address."""
        start = array.ctypes.data
        if start not in self.arrays:
            self.starts.insert(bisect_right(self.starts, start), start)
        self.arrays[start] = array.reshape(-1).view(np.int64)

    def find(self, address: int) -> tuple[Any, int]:
        """The array that an address points into, and at which of its words."""
        at = bisect_right(self.starts, address) - 1
        array = self.arrays[self.starts[at]] if at >= 0 else None
        if array is None or address - self.starts[at] > 8 * len(array):
            raise IndexError(f"no buffer at {address:#x}")
        return array, (address - self.starts[at]) // 8


buffers = Buffers()


class Pointer:
    """Words from an address on, of the kind ``i``, ``u`` or ``f``."""

    __slots__ = ("first", "kind", "words")

    def __init__(self, address: int, kind: str) -> None:
        self.words, self.first = buffers.find(int(address))
        self.kind = kind

    @property
    def address(self) -> int:
        """Where its first word is."""
        start: int = self.words.ctypes.data
        return start + 8 * self.first

    def __getitem__(self, at: int) -> Any:
        word = int(self.words[self._place(at)])
        if self.kind == "u":
            return word & _MASK
        return struct.unpack("<d", struct.pack("<q", word))[0] if self.kind == "f" else word

    def __setitem__(self, at: int, value: Any) -> None:
        if self.kind == "f":
            value = struct.unpack("<q", struct.pack("<d", value))[0]
        elif not isinstance(value, (int, np.integer, np.bool_)):
            raise TypeError(f"{value!r} is no word")
        elif int(value) >> 63 == 1 and self.kind == "u":
            value = int(value) - (1 << 64)
        self.words[self._place(at)] = value

    def _place(self, at: int) -> int:
        place = self.first + int(at)
        if at < 0 or place >= len(self.words):
            raise IndexError(f"word {at} of a buffer of {len(self.words) - self.first}")
        return place


if CHECKED:

    def jit(function: Any) -> Any:
        """The function as it is."""
        return function

    def pi64(address: int) -> Any:
        """Signed words from an address on."""
        return Pointer(address, "i")

    def pu64(address: int) -> Any:
        """Words without a sign from an address on."""
        return Pointer(address, "u")

    def pf64(address: int) -> Any:
        """Floats from an address on."""
        return Pointer(address, "f")

    def bits(value: float) -> int:
        """The word of a float."""
        word: int = struct.unpack("<q", struct.pack("<d", value))[0]
        return word

    def flt(word: int) -> float:
        """The float of a word."""
        value: float = struct.unpack("<d", struct.pack("<q", word))[0]
        return value

    def prefetch(address: int) -> None:
        """Have the memory at an address brought near: nothing to be done here."""

    def I(value: Any) -> int:  # noqa: E743, N802 - the signed word
        """A number as a signed word."""
        word = int(value) & _MASK
        return word - (1 << 64) if word >> 63 else word
else:
    jit = intrinsics.compiled
    pi64, pu64, pf64 = intrinsics.pi64, intrinsics.pu64, intrinsics.pf64
    bits, flt, prefetch = intrinsics.bits, intrinsics.flt, intrinsics.prefetch
    I = np.int64  # noqa: E741 - the signed word
