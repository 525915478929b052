"""The folder of a run's checkpoints: what the run is, and the last point that it can go on from.

FOLDER/run.json          the run: its number, seed, start, fingerprint, outputs; written first
FOLDER/checkpoint.json   the last checkpoint; replaced by a rename
FOLDER/state-N-engine    the engine at that point, and -truth the open rows beside it (`arrays`)
FOLDER/output-N/         what output N keeps for itself

Nothing that a resumed run reads goes unchecked: both documents carry a checksum of themselves, and the last
checkpoint those of all files that it needs, here and in the outputs' own places.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import IO, Any

from deep_faker.errors import CheckpointError, Diagnostic
from deep_faker.plan import Array
from deep_faker.run.checkpoints.arrays import read_state, write_state
from deep_faker.run.checkpoints.fingerprint import differences
from deep_faker.write.whole.confined import why_outside
from deep_faker.write.whole.seal import sealed, unsealed

_locks: ModuleType | None = None
with suppress(ImportError):  # Windows has none
    _locks = import_module("fcntl")

_FORMAT = 3
_RUN, _LAST, _LOCK = "run.json", "checkpoint.json", "lock"
# what run.json is called from the moment on at which the run is whole and its checkpoints go
_ENDED = ".ended"


class CheckpointFolder:
    """One run's checkpoints.

    >>> import tempfile
    >>> folder = CheckpointFolder(Path(tempfile.mkdtemp()) / "shop.checkpoint")
    >>> folder.begin({"seed": "1"}, seed=1, start=0, outputs=["x"])
    >>> folder.store({"events": 5})
    >>> folder.release()
    >>> again = CheckpointFolder(folder.path)
    >>> again.take_up()
    >>> again.last()["events"]
    5
    >>> again.remove()
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run: dict[str, Any] = {}
        self._lock: IO[bytes] | None = None

    @property
    def run_id(self) -> str:
        return str(self.run["run_id"])

    # ------------------------------------------------ beginning

    def exists(self) -> bool:
        """Whether a run that can be resumed lies here."""
        return (self.path / _RUN).is_file()

    def begin(
        self,
        parts: Mapping[str, str],
        *,
        seed: int,
        start: int,
        outputs: Sequence[str],
        overwrite: bool = False,
        run_id: str | None = None,
    ) -> None:
        """Make the folder of a new run. Raises `CheckpointError` where another one's lies."""
        if os.path.lexists(self.path):
            if not self._is_ours():
                label = "files that are no checkpoint's lie there, and they are never deleted"
                raise CheckpointError(
                    Diagnostic(
                        f"cannot keep checkpoints in {self.path}", None, label, "choose another folder"
                    )
                )
            if self.exists() and not overwrite:
                raise CheckpointError(
                    Diagnostic(
                        f"{self.path} holds the checkpoints of a run that has not ended",
                        None,
                        "a new run would make them useless",
                        "resume it by resume=True (--resume), or drop it by overwrite=True (--overwrite)",
                    )
                )
        with self._guarded():
            self.path.mkdir(parents=True, exist_ok=True)
            self._take_lock()
            self._clear(_LOCK)
            self.run = {
                "document": _RUN,
                "format": _FORMAT,
                "run_id": run_id or secrets.token_hex(8),
                "seed": seed,
                "start": start,
                "outputs": list(outputs),
                "overwrite": overwrite,
                "parts": dict(parts),
            }
            self._replace(_RUN, json.dumps(sealed(self.run), indent=1).encode())

    def take_up(self) -> None:
        """Read what the run in this folder is. Raises `CheckpointError` where there is none.

        What a run leaves that is killed while it removes its checkpoints is removed then.
        """
        try:
            text = (self.path / _RUN).read_bytes()
        except FileNotFoundError:
            if self._has_ended():
                with self._guarded():
                    self._take_lock()
                self.remove()
            raise CheckpointError(
                Diagnostic(
                    f"no run to resume in {self.path}",
                    None,
                    "it holds no checkpoint: that run has ended, or it was made without",
                    "run it afresh, with checkpoint_every=… (--checkpoint-every) to be able to resume it",
                )
            ) from None
        except OSError as error:
            raise self._unreadable(_RUN, str(error)) from error
        run = self._unsealed(_RUN, text)
        with self._guarded():
            self._take_lock()
        self.run = run

    def compare(self, parts: Mapping[str, str], outputs: Sequence[str]) -> None:
        """Raise `CheckpointError` with what differs, where the run was another program's."""
        lines = differences(self.run["parts"], parts)
        if list(outputs) != self.run["outputs"]:
            lines.append(f"the outputs were {', '.join(self.run['outputs'])} and are {', '.join(outputs)}")
        if lines:
            raise CheckpointError(
                Diagnostic(
                    f"the run in {self.path} was another",
                    None,
                    "\n".join(lines),
                    "go on with what was run then, or begin anew with overwrite=True (--overwrite)",
                )
            )

    def scratch(self, number: int) -> Path:
        """The folder of output ``number``."""
        path = self.path / f"output-{number}"
        with self._guarded():
            path.mkdir(exist_ok=True)
        return path

    # ------------------------------------------------ checkpoints

    def write_state(
        self, number: int, part: str, arrays: Mapping[str, Array], classes: Mapping[str, type] | None = None
    ) -> dict[str, str]:
        """Write a state file; what `store` must be given to find it again."""
        name = f"state-{number}-{part}"
        with self._guarded():
            return {"file": name, "sha256": write_state(self.path / name, arrays, classes)}

    def read_state(
        self, entry: Mapping[str, str], classes: Mapping[str, type] | None = None
    ) -> dict[str, Array]:
        """The arrays of a state file, checked."""
        if why := why_outside(self.path, entry["file"]):
            raise self._unreadable(entry["file"], why)
        return read_state(self.path / entry["file"], entry["sha256"], classes)

    def store(self, point: Mapping[str, object]) -> None:
        """Make ``point`` the run's last checkpoint, at once or not at all; older state files go."""
        with self._guarded():
            document = sealed({"document": _LAST, "format": _FORMAT, "run_id": self.run_id, **point})
            self._replace(_LAST, json.dumps(document).encode())
            # later ones belong to a checkpoint that is under way
            for path in self.path.glob("state-*"):
                of = path.name.split("-")[1]
                if of.isdigit() and int(of) < int(str(point.get("number", 0))):
                    path.unlink(missing_ok=True)

    def last(self) -> dict[str, Any] | None:
        """The last checkpoint; None where the run ended before its first."""
        try:
            text = (self.path / _LAST).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unreadable(_LAST, str(error)) from error
        point = self._unsealed(_LAST, text)
        if self.run and point["run_id"] != self.run_id:
            raise self._unreadable(_LAST, f"it is of run {point['run_id']}, and {_RUN} of run {self.run_id}")
        return point

    # ------------------------------------------------ the end

    def release(self) -> None:
        """Let other processes take up the run."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def conclude(self, events: int) -> None:
        """The run is whole, with so many events: its checkpoints go, and that it was stays."""
        with self._guarded():
            self.run = {**self.run, "whole": events}
            self._replace(_RUN, json.dumps(sealed(self.run), indent=1).encode())
            self._clear(_RUN, _LOCK)
        self.release()

    @property
    def concluded(self) -> int | None:
        """How many events the run had that is whole; None for one that is not."""
        whole = self.run.get("whole")
        return None if whole is None else int(whole)

    def remove(self) -> None:
        """The run is over: its checkpoints go."""
        with suppress(OSError):
            # first what makes it a run that can be resumed, last what says that it was one
            if self.exists():
                (self.path / _RUN).replace(self.path / _ENDED)
            self._clear(_LOCK, _ENDED)
            self._clear(_LOCK)
            (self.path / _LOCK).unlink(missing_ok=True)
            self.path.rmdir()
        self.release()

    # ------------------------------------------------ files

    def _is_ours(self) -> bool:
        if not self.path.is_dir():
            return False
        names = {path.name for path in self.path.iterdir()}
        return all(
            name in (_RUN, _LAST, _LOCK) or name.startswith(("state-", "output-", ".")) for name in names
        )

    def _has_ended(self) -> bool:
        """Whether what lies here is left of a run that was killed while it removed its checkpoints."""
        if not self._is_ours():
            return False
        return (self.path / _ENDED).exists() or {path.name for path in self.path.iterdir()} <= {_LOCK}

    def _clear(self, *keep: str) -> None:
        for path in self.path.iterdir():
            if path.name.startswith("output-") and path.is_dir():
                shutil.rmtree(path)
            elif path.name not in keep:
                path.unlink()

    def _replace(self, name: str, data: bytes) -> None:
        draft = self.path / f".{name}"
        draft.unlink(missing_ok=True)
        with draft.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path / name)
        with suppress(OSError):  # Windows opens no folders
            number = os.open(self.path, os.O_RDONLY)
            try:
                os.fsync(number)
            finally:
                os.close(number)

    def _take_lock(self) -> None:
        if _locks is None or self._lock is not None:
            return
        lock = (self.path / _LOCK).open("ab")
        try:
            _locks.flock(lock, _locks.LOCK_EX | _locks.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise CheckpointError(
                Diagnostic(
                    f"the run in {self.path} is going on",
                    None,
                    "another process holds it at this moment",
                    "wait for that process, or end it",
                )
            ) from None
        except OSError:  # a file system without locks
            pass
        self._lock = lock

    def _guarded(self) -> AbstractContextManager[None]:
        from deep_faker.write.whole.staging import guarded_place

        return guarded_place(self.path, "the checkpoint before it is whole")

    def _unsealed(self, name: str, text: bytes) -> dict[str, Any]:
        try:
            document = unsealed(text)
        except ValueError as error:
            raise self._unreadable(name, str(error)) from None
        if document.get("format") != _FORMAT:
            raise self._unreadable(name, "it is of another version of this package")
        if document.get("document") != name:
            raise self._unreadable(name, "it is another document under this name")
        return document

    def _unreadable(self, name: str, reason: str) -> CheckpointError:
        return CheckpointError(
            Diagnostic(
                f"cannot read {self.path / name}",
                None,
                reason,
                "begin anew with overwrite=True (--overwrite)",
            )
        )
