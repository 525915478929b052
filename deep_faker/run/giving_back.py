"""Memory that is free goes back to the system, which the C library of Linux leaves to whoever asks."""

from __future__ import annotations

import ctypes
import gc
import sys
from contextlib import suppress


def give_back() -> None:
    """Free what refers to itself, and give the system all pages that nothing lies on (some 10 ms).

    Each thread's heap keeps what was freed in it. Two threads that made one part of 15 million events after
    the other had 4.7 GiB by the thirtieth; of these less than 0.3 were in use.
    """
    gc.collect()
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library than glibc
            ctypes.CDLL(None).malloc_trim(0)
