"""Where parts are put: a folder or an object store, in which a name that is there is never written again.

Whoever makes a part again, at the same time or much later, makes the same bytes. So what is there is
compared, by size and SHA-256, and left; other bytes under the name are an error, which changes nothing.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from deep_faker.errors import Diagnostic, OutputError, OutputExistsError
from deep_faker.write.files.manifest import CERTIFICATE, NAME
from deep_faker.write.files.object_store import ObjectPlace
from deep_faker.write.files.part_names import FOLDER, making_name
from deep_faker.write.whole.confined import why_outside
from deep_faker.write.whole.in_place import is_aside
from deep_faker.write.whole.staging import guarded_place, sync_folder

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
_TABLES = {"events", "entities", "history", "sessions", "dirty", "truth", "labels", FOLDER, NAME}


class PartsPlace(Protocol):
    """A place of parts. ``shown`` is how messages call it."""

    shown: str

    def making(self, what: str) -> Path:
        """A new folder in which something is made: a part, by its number. Raises `OutputError`."""
        ...

    def put(self, name: str, made: Path, size: int, sha256: str) -> None:
        """Give the file ``made`` its name, unless that is there with these bytes already.

        Raises `OutputError` where it is there with others.
        """
        ...

    def settle(self) -> None:
        """Make the names durable that were given so far."""

    def read(self, name: str) -> bytes | None:
        """A file's bytes; None where there is none."""
        ...

    def sizes(self) -> dict[str, int]:
        """All files that lie there, with their sizes, what is being made left out."""
        ...

    def remove(self, names: list[str]) -> None:
        """Remove these files."""

    def tidy(self) -> None:
        """Remove what killed processes left of parts that they made."""


def conflict(shown: str, name: str, what: str) -> OutputError:
    """The error for a name that is there with other bytes."""
    mend = "it is of another program or run, or damaged: choose another place, or remove it"
    return OutputError(Diagnostic(f"cannot put {name} at {shown}", None, what, mend))


def differs(size: int, sha256: str, there: int, digest: str) -> str:
    """What is wrong with a file that is there; empty where it is the same."""
    if there != size:
        return f"a file of {there:,} bytes is there, and this one has {size:,}"
    return (
        "" if digest == sha256 else f"a file is there with SHA-256 {digest[:8]}…, and this has {sha256[:8]}…"
    )


class LocalParts:
    """A folder of the local disk, or of one that many machines share."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.shown = folder, str(folder)
        self._touched: set[Path] = set()

    def making(self, what: str) -> Path:
        with guarded_place(self.folder, "nothing was written"):
            self.check_free()
            path = self.folder / making_name(what, secrets.token_hex(6))
            path.mkdir(parents=True)
            return path

    def check_free(self) -> None:
        """Raise `OutputError` where other things lie in the folder than parts."""
        if self.folder.is_dir():
            names = [path.name for path in self.folder.iterdir()]
            foreign = sorted(
                name for name in names if name not in (*_TABLES, *CERTIFICATE) and not is_aside(name)
            )
            if foreign:
                label = f"the folder holds what is no data set's: {', '.join(foreign[:3])}"
                raise OutputError(
                    Diagnostic(f"cannot write {self.shown}", None, label, "choose another place")
                )

    def put(self, name: str, made: Path, size: int, sha256: str) -> None:
        target = self.folder / name
        if why := why_outside(self.folder, name):
            raise conflict(self.shown, name, why)
        with guarded_place(self.folder, f"{name} is not there"):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(made, target)
            except FileExistsError:
                self._compare(name, size, sha256)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                if os.path.lexists(target):
                    self._compare(name, size, sha256)
                else:
                    made.replace(target)  # who is faster puts the same bytes
            made.unlink(missing_ok=True)
            self._touched.add(target.parent)

    def _compare(self, name: str, size: int, sha256: str) -> None:
        with (self.folder / name).open("rb") as raw:
            digest = hashlib.file_digest(raw, "sha256").hexdigest()
            if why := differs(size, sha256, raw.tell(), digest):
                raise conflict(self.shown, name, why)

    def settle(self) -> None:
        with guarded_place(self.folder, "the files are there, but not for sure yet"):
            for folder in sorted({parent for path in self._touched for parent in (path, *path.parents)}):
                if folder.is_relative_to(self.folder):
                    sync_folder(folder)
        self._touched.clear()

    def read(self, name: str) -> bytes | None:
        with guarded_place(self.folder, "nothing was written"):
            try:
                return (self.folder / name).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def sizes(self) -> dict[str, int]:
        found = {}
        with guarded_place(self.folder, "nothing was written"):
            for base, folders, names in os.walk(self.folder):
                if Path(base).name == FOLDER:
                    folders[:] = [name for name in folders if not name.startswith("making-")]
                for name in names:
                    path = Path(base, name)
                    found[path.relative_to(self.folder).as_posix()] = path.lstat().st_size
        return found

    def remove(self, names: list[str]) -> None:
        with guarded_place(self.folder, "some of what lay there may be gone"):
            for name in names:
                if not why_outside(self.folder, name):
                    (self.folder / name).unlink(missing_ok=True)

    def tidy(self) -> None:
        for path in (self.folder / FOLDER).glob("making-*"):
            shutil.rmtree(path, ignore_errors=True)


class RemoteParts:
    """A prefix in an object store. Parts are made on the local disk."""

    def __init__(self, place: ObjectPlace) -> None:
        self._place, self.shown = place, place.url

    def making(self, what: str) -> Path:
        from tempfile import mkdtemp

        return Path(mkdtemp(prefix=f"deep_faker-{what}-"))

    def put(self, name: str, made: Path, size: int, sha256: str) -> None:
        if not self._place.create(name, made):
            there, digest = self._place.hashed(name)
            if why := differs(size, sha256, there, digest):
                raise conflict(self.shown, name, why)
        made.unlink(missing_ok=True)

    def settle(self) -> None:
        """Nothing: what a store has taken is durable."""

    def read(self, name: str) -> bytes | None:
        with self._place.guarded("read"):
            return self._place.read(name)

    def sizes(self) -> dict[str, int]:
        with self._place.guarded("read"):
            return self._place.sizes()

    def remove(self, names: list[str]) -> None:
        self._place.delete(names)

    def tidy(self) -> None:
        """Nothing: no process leaves anything there."""


def parts_at(path: Path | str, remote: ObjectPlace | None) -> PartsPlace:
    """The place of parts at ``path``, which is ``remote`` where that is given."""
    return LocalParts(Path(path)) if remote is None else RemoteParts(remote)


def discard(making: Path) -> None:
    """Remove a folder in which a part was made."""
    with suppress(OSError):
        shutil.rmtree(making)


def hashed(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a file."""
    with path.open("rb") as raw:
        return path.stat().st_size, hashlib.file_digest(raw, "sha256").hexdigest()


def exists(shown: str, what: str, mend: str) -> OutputExistsError:
    """The error for a place that holds another run's output."""
    return OutputExistsError(Diagnostic(f"{shown} exists", None, what, mend))
