"""How the kernel is made: compiled, or, with ``DEEP_FAKER_NATIVE=checked``, run by Python and checked.

Kernel code works on typed pointers made from addresses: three times as fast as arrays, whose references numba
counts, and twice as quick to compile. They know no bounds. In the checked build the same code runs as it is
written, a pointer belongs to the buffer that its address lies in, and an index outside is an `IndexError`.
(Functions of numbers alone are compiled in both.)
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from deep_faker.simulate.native.kernel import intrinsics
from deep_faker.simulate.native.kernel.checking import CHECKED, Pointer

_MASK = (1 << 64) - 1

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

    def I(value: Any) -> int:  # noqa: E743 - the signed word
        """A number as a signed word."""
        word = int(value) & _MASK
        return word - (1 << 64) if word >> 63 else word
else:
    jit = intrinsics.compiled
    pi64, pu64, pf64 = intrinsics.pi64, intrinsics.pu64, intrinsics.pf64
    bits, flt, prefetch = intrinsics.bits, intrinsics.flt, intrinsics.prefetch
    I = np.int64  # type: ignore[assignment]
