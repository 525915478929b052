"""Whole or visibly not (R3): what is being written lies beside its final name until it is whole.

`Staging` guards one place, a file or a folder. It refuses what another run left there, locks out a
second run to the same place, publishes by renaming, and cleans up. A folder that must stay the one that
it is (`in_place`) has what is being written inside.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import IO

from deep_faker.errors import Diagnostic, OutputError, OutputExistsError
from deep_faker.write.whole.in_place import (
    CHECKPOINT,
    LOCK,
    PARTIAL,
    entries,
    exchange,
    is_mount,
    stays,
    undo,
)

_locks: ModuleType | None = None  # Windows has none, and refuses to rename a file that is open anyway
with suppress(ImportError):
    _locks = import_module("fcntl")

# simulation → place → identity of what it put there, so that it may replace that and only that (R6)
_WRITTEN: weakref.WeakKeyDictionary[object, dict[str, tuple[int, ...]]] = weakref.WeakKeyDictionary()

_MENDS = {
    errno.ENOSPC: "free some space, or write to another disk",
    errno.EDQUOT: "free some of your quota, or write to another disk",
    errno.EFBIG: "the file size limit is reached (see ulimit -f): raise it",
    errno.EACCES: "choose a place that you may write to",
    errno.EPERM: "choose a place that you may write to",
    errno.EROFS: "the disk is read-only: choose another place",
    errno.ENOTDIR: "a part of the path is a file: choose another path",
    errno.EEXIST: "a file lies where a folder is needed: choose another path",
    errno.EISDIR: "a folder lies there: name a file",
    errno.ENAMETOOLONG: "choose a shorter path",
}


class Staging:
    """A place that is written beside its final name, ``PLACE.partial``, and renamed when whole.

    ``marker`` names the file whose state stands for a folder, its manifest; a file stands for itself.
    """

    def __init__(self, place: Path, *, marker: str = "") -> None:
        self.shown = place
        self.place = Path(os.path.realpath(place))
        self._beside = self.place.with_name(self.place.name + ".partial")
        self.inside = bool(marker) and stays(self.place)
        self.partial = self.place / PARTIAL if self.inside else self._beside
        self._old = self.place.with_name(self.place.name + ".replaced")
        self._marker = self.place / marker if marker else self.place
        self._lock_beside = self.place.with_name(f".{self.place.name}.lock")
        self._lock: IO[bytes] | None = None

    # ------------------------------------------------ claiming

    def claim(self, *, owner: object, overwrite: bool, refusal: Callable[[Path], str | None]) -> None:
        """Check that the place may be written, and lock it for this run.

        ``refusal(place)`` says why what lies there must not be replaced even so, or returns None.
        Raises `OutputExistsError` for another run's data, `OutputError` for anything else.
        """
        with self.guarded("nothing was written"):
            self.place.parent.mkdir(parents=True, exist_ok=True)
            self._take_lock()
            self._recover()
            self.check(owner=owner, overwrite=overwrite, refusal=refusal)
            _remove(self._beside)
            _remove(self.partial)

    def take_up(self) -> None:
        """Lock the place for a run that goes on with what it left in ``partial``."""
        with self.guarded("nothing has changed"):
            self.place.parent.mkdir(parents=True, exist_ok=True)
            self._take_lock()
            self._recover()
            if self._beside.is_dir() and not self.partial.is_dir():
                self.partial = self._beside  # that run stood elsewhere
                self._lock_beside.unlink(missing_ok=True)

    def check(self, *, owner: object, overwrite: bool, refusal: Callable[[Path], str | None]) -> None:
        """Raise where something lies that this run must not replace."""
        if self.place.is_file() and is_mount(self.place):
            label, mend = "a file that is mounted cannot be replaced", "mount the folder that it lies in"
            raise OutputError(Diagnostic(f"cannot write {self.shown}", None, label, mend))
        if not os.path.lexists(self.place) or self._is_empty():
            return
        why = refusal(self.place)
        if why:
            raise OutputError(Diagnostic(f"cannot write {self.shown}", None, why, "choose another place"))
        if not overwrite and not self._is_own(owner):
            raise OutputExistsError(
                Diagnostic(
                    f"{self.shown} exists",
                    None,
                    "it holds the output of another run, which is left as it was",
                    "pass overwrite=True (--overwrite) to replace it, or choose another place",
                )
            )

    def _is_empty(self) -> bool:
        if self.place.is_dir():
            return not any(entries(self.place) if self.inside else self.place.iterdir())
        return self.place.is_file() and self.place.stat().st_size == 0

    def _is_own(self, owner: object) -> bool:
        try:
            written = _WRITTEN.get(owner, {})
        except TypeError:  # an owner that cannot be referred to weakly owns nothing
            return False
        return written.get(str(self.place), ()) == _identity(self._marker) != ()

    def _take_lock(self) -> None:
        if _locks is None:
            return
        path = self.place / LOCK if self.inside else self._lock_beside
        while True:
            lock = path.open("ab")
            try:
                _locks.flock(lock, _locks.LOCK_EX | _locks.LOCK_NB)
            except BlockingIOError:
                lock.close()
                raise OutputError(
                    Diagnostic(
                        f"{self.shown} is being written",
                        None,
                        "another run holds it at this moment",
                        "wait for that run, or choose another place",
                    )
                ) from None
            except OSError:  # a file system without locks
                break
            # The run before may have removed the file between our opening and our locking it.
            if _identity(path)[:2] == (os.fstat(lock.fileno()).st_dev, os.fstat(lock.fileno()).st_ino):
                break
            lock.close()
        self._lock = lock

    def _recover(self) -> None:
        """Undo a replacement that was killed between its two renames."""
        if self.inside:
            undo(self.place, self.partial, self._marker.name)
        if os.path.lexists(self._old):
            if os.path.lexists(self.place):
                _remove(self._old)
            else:
                self._old.rename(self.place)

    # ------------------------------------------------ the end

    def publish(self, owner: object) -> None:
        """Give what is whole its final name, and remember that ``owner`` put it there."""
        with self.guarded("the files were whole, but could not be given their final names"):
            if self.inside:
                exchange(self.place, self.partial, self._marker.name)
                sync_folder(self.place)
            elif self.place.is_dir() and not self._is_empty():
                # Two renames: a folder cannot be exchanged in one. `_recover` undoes half of it.
                self.place.rename(self._old)
                self.partial.rename(self.place)
                _remove(self._old)
            else:
                self.partial.replace(self.place)
            sync_folder(self.place.parent)
        with suppress(TypeError):
            _WRITTEN.setdefault(owner, {})[str(self.place)] = _identity(self._marker)
        self.release()

    def discard(self) -> None:
        """Remove what is not whole. What lay at the place before stays."""
        if self._lock is not None or _locks is None:  # else it is another run's
            _remove(self.partial)
        self.release()

    def release(self) -> None:
        """Let other runs at the place."""
        if self._lock is not None:
            # Removed while it is held, so that nothing of ours remains beside the output.
            Path(self._lock.name).unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    @contextmanager
    def guarded(self, written: str) -> Iterator[None]:
        """Turn errors of the operating system into `OutputError` about this place."""
        with guarded_place(self.shown, written):
            yield


def output_error(place: object, error: BaseException, written: str) -> OutputError:
    """The `OutputError` for an exception of the operating system: where, what remains, the mend."""
    number = getattr(error, "errno", None)
    reason = os.strerror(number) if number else str(error) or type(error).__name__
    path = getattr(error, "filename", None)
    where = f" ({path})" if path and str(path) != str(place) else ""
    mend = _MENDS.get(number or 0, "choose another place, or mend this one")
    return OutputError(Diagnostic(f"cannot write {place}: {reason}{where}", None, written, mend))


@contextmanager
def guarded_place(place: Path, written: str) -> Iterator[None]:
    """Turn errors of the operating system into `OutputError` about ``place``."""
    try:
        yield
    except OSError as error:
        raise output_error(place, error, written) from error


def checkpoint_place(path: Path) -> Path:
    """Where the checkpoints of a run into ``path`` lie by default: beside it, or in it where it stays.

    >>> checkpoint_place(Path("shop"))
    PosixPath('shop.checkpoint')
    """
    place = Path(os.path.realpath(path))
    if not stays(place):
        return path.with_name(path.name + ".checkpoint")
    beside = place.with_name(place.name + ".checkpoint")  # by a run that stood elsewhere
    return beside if beside.is_dir() else place / CHECKPOINT


def is_stream(place: Path) -> bool:
    """Whether ``place`` is a pipe or a device, which is written to and never renamed."""
    try:
        mode = place.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder as durable as the files behind them."""
    try:
        number = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems
            raise
    finally:
        os.close(number)


def _identity(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except OSError:
        return ()
    return (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
