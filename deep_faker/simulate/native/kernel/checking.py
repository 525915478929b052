"""The checked build, ``DEEP_FAKER_NATIVE=checked``: pointers that know which buffer they point into.

There the kernel's control part runs as it is written, and an access outside of its buffer is an `IndexError`.
"""

from __future__ import annotations

import os
import struct
from bisect import bisect_right
from typing import Any

import numpy as np

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
