"""Named arrays in one file, for checkpoints: durable, checksummed, and never code.

Arrays of numbers are stored as they lie in memory. Arrays of Python objects (texts, lists, keys) are
pickled, and read by an unpickler that knows plain values and the run's own enums and models only: a
checkpoint that somebody altered can be wrong, but it cannot run anything else.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from deep_faker.errors import CheckpointError, Diagnostic
from deep_faker.plan import Array

_MAGIC = b"deep_faker state 1\n"
_PLAIN = {
    ("builtins", name) for name in ("set", "frozenset", "complex", "bytearray", "range", "slice")
} | {
    ("datetime", name) for name in ("datetime", "date", "time", "timedelta", "timezone")
} | {
    ("decimal", "Decimal"),
    ("uuid", "UUID"),
    ("uuid", "SafeUUID"),
    ("ipaddress", "IPv4Address"),
    ("ipaddress", "IPv6Address"),
}  # fmt: skip


def write_state(path: Path, arrays: Mapping[str, Array], classes: Mapping[str, type] | None = None) -> str:
    """Write ``arrays`` to the new file ``path`` and make it durable; the SHA-256 of its bytes.

    ``classes``: those of the run's own enums and models, whose values are saved as well, by name.

    Raises `CheckpointError` for an object that is no plain value, naming its array.
    """
    head: list[list[object]] = []
    blobs: list[bytes] = []
    for name, array in arrays.items():
        if array.dtype.hasobject:
            blob = _pickled(name, array, classes or {})
            head.append([name, "object", list(array.shape), len(blob)])
        else:
            blob = array.tobytes()
            head.append([name, np.lib.format.dtype_to_descr(array.dtype), list(array.shape), array.nbytes])
        blobs.append(blob)
    start = json.dumps(head).encode()
    digest = hashlib.sha256()
    path.unlink(missing_ok=True)  # of a checkpoint that was not stored, or a link to somewhere
    with path.open("xb", buffering=0) as file:
        for piece in (_MAGIC, len(start).to_bytes(8, "little"), start, *blobs):
            digest.update(piece)
            left = memoryview(piece)
            while left:
                left = left[file.write(left) :]
        os.fsync(file.fileno())
    return digest.hexdigest()


def read_state(path: Path, sha256: str, classes: Mapping[str, type] | None = None) -> dict[str, Array]:
    """The arrays that `write_state` wrote, each of its own memory.

    Raises `CheckpointError` where the file is missing or its bytes are others.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _damaged(path, str(error)) from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != sha256 or not data.startswith(_MAGIC):
        raise _damaged(path, f"its SHA-256 is {digest}, and the checkpoint has {sha256}")
    place = len(_MAGIC) + 8
    length = int.from_bytes(data[place - 8 : place], "little")
    head = json.loads(data[place : place + length])
    place += length
    arrays: dict[str, Array] = {}
    for name, kind, shape, size in head:
        blob = data[place : place + size]
        place += size
        if kind == "object":
            arrays[name] = np.empty(shape, object)
            arrays[name].reshape(-1)[:] = _unpickled(path, blob, classes or {})
        else:
            arrays[name] = np.frombuffer(blob, np.dtype(kind)).reshape(shape).copy()
    return arrays


def _pickled(name: str, array: Array, classes: Mapping[str, type]) -> bytes:
    sink = io.BytesIO()
    try:
        _Writer(sink, classes).dump(array.reshape(-1).tolist())
        _Reader(io.BytesIO(sink.getvalue()), classes).load()
    except (
        pickle.PickleError,
        AttributeError,
        TypeError,
    ) as error:  # the last two: it has no such form
        raise CheckpointError(
            Diagnostic(
                f"{name} cannot be saved",
                None,
                str(error),
                "checkpoints hold plain values (text, numbers, dates, lists and dictionaries of them), and "
                "those of the enums and models that events and entities name",
            )
        ) from None
    return sink.getvalue()


def _unpickled(path: Path, blob: bytes, classes: Mapping[str, type]) -> Array:
    try:
        values: list[object] = _Reader(io.BytesIO(blob), classes).load()
    except Exception as error:
        raise _damaged(path, str(error)) from error
    # an assignment of a list of lists would take them for rows
    out = np.empty(len(values), object)
    for place, value in enumerate(values):
        out[place] = value
    return out


class _Writer(pickle.Pickler):
    """Writes classes of the run by name: they need not be importable."""

    def __init__(self, sink: io.BytesIO, classes: Mapping[str, type]) -> None:
        super().__init__(sink, protocol=5)
        self._names = {cls: name for name, cls in classes.items()}

    def persistent_id(self, obj: object) -> str | None:
        return self._names.get(obj) if isinstance(obj, type) else None


class _Reader(pickle.Unpickler):
    def __init__(self, source: io.BytesIO, classes: Mapping[str, type]) -> None:
        super().__init__(source)
        self._classes = classes

    def persistent_load(self, pid: str) -> type:
        if pid not in self._classes:
            raise pickle.UnpicklingError(f"it holds a {pid}")
        return self._classes[pid]

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in _PLAIN:
            raise pickle.UnpicklingError(f"it holds a {module}.{name}")
        return super().find_class(module, name)


def _damaged(path: Path, reason: str) -> CheckpointError:
    mend = "run it afresh with overwrite=True (--overwrite)"
    return CheckpointError(
        Diagnostic(f"the checkpoint {path.parent} is damaged", None, f"{path.name}: {reason}", mend)
    )
