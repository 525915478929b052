"""Files that a checkpoint left: read only where they are byte for byte what was left."""

from __future__ import annotations

import io
from pathlib import Path

from deep_faker.errors import Diagnostic, OutputError
from deep_faker.write.whole.confined import why_outside
from deep_faker.write.whole.hashing import HashingFile


def torn(path: Path, reason: str) -> OutputError:
    """The error for a file that is not as a checkpoint left it."""
    mend = "restore it as it was, or run afresh with overwrite=True (--overwrite)"
    return OutputError(Diagnostic(f"cannot go on with {path}", None, reason, mend))


def check_place(folder: Path, name: object) -> Path:
    """The path of a file in ``folder``. Raises `OutputError` for one that leads out of it."""
    why = why_outside(folder, name)
    if why:
        raise torn(folder / str(name), why)
    return folder / str(name)


def check_sha256(path: Path, actual: str, expected: str) -> None:
    """Raise `OutputError` where the bytes are others."""
    if actual != expected:
        raise torn(path, f"its SHA-256 is {actual}, and the checkpoint has {expected}: it is damaged")


def check_whole(path: Path, size: int, sha256: str) -> None:
    """Raise `OutputError` where the file is not these bytes and no others."""
    found = _size(path)
    if found != size:
        raise torn(path, f"it has {found:,} bytes, and the checkpoint knows {size:,}")
    with path.open("rb") as raw:
        file = HashingFile(raw)
        _take_in(file, path, size)
    check_sha256(path, file.sha256(), sha256)


def read_start(path: Path, size: int, sha256: str) -> tuple[bytes, HashingFile]:
    """The first ``size`` bytes of the file, and their hash, to go on with. Raises `OutputError`."""
    found = _size(path)
    if found < size:
        raise torn(path, f"it has {found:,} bytes, and the checkpoint knows {size:,}")
    with path.open("rb") as raw:
        data = raw.read(size)
    file = HashingFile(io.BytesIO(data))
    _take_in(file, path, size)
    check_sha256(path, file.sha256(), sha256)
    return data, file


def _take_in(file: HashingFile, path: Path, size: int) -> None:
    try:
        file.take_in(size)
    except EOFError:
        raise torn(path, f"it ends before the {size:,} bytes that the checkpoint knows") from None


def _size(path: Path) -> int:
    if not path.is_file():
        raise torn(path, "the checkpoint knows it, and it is gone")
    return path.stat().st_size
