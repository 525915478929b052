"""The inner loops of columns that numpy is slow at, compiled: there where a native kernel has been loaded.

They take and give 64-bit words, addresses among them, as all of the kernel does, and let go of the
interpreter lock. Without them numpy makes the same bytes, several times slower.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

Loop = Callable[..., int]

_loaded: dict[str, Loop] = {}


def use(functions: Mapping[str, Loop]) -> None:
    """Take what a kernel has, from here on and for the whole process: the values do not depend on it."""
    _loaded.update(functions)


def loop(name: str) -> Loop | None:
    """One of them; None where no kernel has been loaded.

    >>> loop("no such loop") is None
    True
    """
    return _loaded.get(name)
