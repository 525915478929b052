"""Objects over the pipes between a driver and its workers: each as its length, then its pickle."""

from __future__ import annotations

import pickle
import struct
from typing import IO

_LENGTH = struct.Struct("<Q")


def send(pipe: IO[bytes], value: object) -> None:
    """Write an object. Raises `OSError` where nobody reads any more."""
    data = pickle.dumps(value)
    pipe.write(_LENGTH.pack(len(data)) + data)
    pipe.flush()


def receive(pipe: IO[bytes]) -> object:
    """Read the next object. Raises `EOFError` where the other side has ended.

    The pipe is between a process and its own child, so what comes is trusted.

    >>> import io
    >>> pipe = io.BytesIO()
    >>> send(pipe, {"part": 3})
    >>> _ = pipe.seek(0)
    >>> receive(pipe)
    {'part': 3}
    """
    (length,) = _LENGTH.unpack(_read(pipe, _LENGTH.size))
    return pickle.loads(_read(pipe, length))  # noqa: S301 - of our own child


def _read(pipe: IO[bytes], length: int) -> bytes:
    data = b""
    while len(data) < length:
        more = pipe.read(length - len(data))
        if not more:
            raise EOFError
        data += more
    return data
