"""Folders that must stay the ones they are: what is new is made inside them, and moved up when it is whole.

A mount point cannot be renamed; a folder in which this process (and its shell) stands would be gone under
its feet; and where the folder above may not be written to, nothing can be made beside.

PLACE/.deep_faker.partial    the new data set while it is made
PLACE/.deep_faker.leaving    what lay there, while it is taken away: first its marker, so that it is not whole
PLACE/.deep_faker.replaced   all of that, while the new files are moved up, their marker last
PLACE/.deep_faker.lock, PLACE/.deep_faker.checkpoint
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_OURS = ".deep_faker."
PARTIAL, LOCK, CHECKPOINT = (_OURS + name for name in ("partial", "lock", "checkpoint"))
_LEAVING, _REPLACED = (_OURS + name for name in ("leaving", "replaced"))


def stays(place: Path) -> bool:
    """Whether the folder ``place``, a real path, must be filled and not exchanged, or has been so.

    >>> stays(Path.cwd()), stays(Path("no/such/folder"))
    (True, False)
    """
    if not place.is_dir():
        return False
    with suppress(OSError):  # the working directory may be gone
        if Path.cwd().is_relative_to(place):
            return True
    begun = any(path.name.startswith(_OURS) for path in place.iterdir())
    return begun or is_mount(place) or not os.access(place.parent, os.W_OK)


def is_aside(path: str) -> bool:
    """Whether a path below a place belongs to no data set: ours while a run lasts, or the file system's own.

    >>> is_aside(".deep_faker.partial/events"), is_aside("events")
    (True, False)
    """
    return path.startswith(_OURS) or path.partition("/")[0] == "lost+found"


def is_mount(place: Path) -> bool:
    """Whether something is mounted at ``place``, be it a folder or a file.

    >>> is_mount(Path("/"))
    True
    """
    if os.path.ismount(place):
        return True
    try:  # what is mounted from the same disk is told nowhere else
        lines = Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return False
    points = (re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), line.split()[4]) for line in lines)
    return str(place) in points


def entries(folder: Path, first: str = "") -> Iterator[Path]:
    """What of a data set lies in ``folder``, the file ``first`` before all else."""
    found = [path for path in folder.iterdir() if not is_aside(path.name)]
    yield from sorted(found, key=lambda path: (path.name != first, path.name))


def exchange(place: Path, partial: Path, marker: str) -> None:
    """Move what is whole in ``partial`` up to ``place``, and take away what lay there.

    At every moment the marker is there only with all the files that it stands for; `undo` goes back to
    what was before, where this was killed in between.
    """
    leaving, replaced = place / _LEAVING, place / _REPLACED
    leaving.mkdir()
    _move(place, leaving, marker)
    leaving.rename(replaced)
    *rest, last = reversed(list(entries(partial, marker)))
    for path in rest:
        path.rename(place / path.name)
    last.rename(place / last.name)
    partial.rmdir()
    shutil.rmtree(replaced)


def undo(place: Path, partial: Path, marker: str) -> None:
    """Bring a place in order in which `exchange` was killed: as it was before, or as it was to be."""
    leaving, replaced = place / _LEAVING, place / _REPLACED
    if replaced.is_dir():
        if (place / marker).exists():
            with suppress(FileNotFoundError):
                partial.rmdir()
            shutil.rmtree(replaced)
            return
        partial.mkdir(exist_ok=True)
        _move(place, partial, "")
        replaced.rename(leaving)
    if leaving.is_dir():
        for path in reversed(list(entries(leaving, marker))):
            path.rename(place / path.name)
        leaving.rmdir()


def _move(source: Path, target: Path, first: str) -> None:
    for path in entries(source, first):
        path.rename(target / path.name)
