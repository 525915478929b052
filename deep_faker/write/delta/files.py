"""The files of a Delta table on the local disk that a run has written, with their checksums."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TypedDict

from deep_faker.write.whole.intact import check_place, check_whole, torn

LOG = "_delta_log"


class _File(TypedDict):
    """A file as checkpoints note it."""

    bytes: int
    sha256: str


class WrittenFiles:
    """What a run's commits added to a table's folder, for its checkpoints.

    Data files and the log's entries are never changed once they are there: each is hashed once, at the first
    checkpoint that knows it. What others put there is none of the run's business.
    """

    def __init__(self, folder: Path, known: Mapping[str, _File]) -> None:
        self._folder = folder
        self._known = dict(known)
        self._others = {*self._names()} - {*self._known}

    def noted(self) -> dict[str, _File]:
        """Path → bytes and SHA-256 of each file, new ones read now."""
        for name in self._names():
            if name not in self._known and name not in self._others:
                with (self._folder / name).open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                    self._known[name] = {"bytes": file.tell(), "sha256": digest}
        return dict(self._known)

    def check(self) -> None:
        """Raise `OutputError` where a file that is there is not as it was left."""
        if self._known and not (self._folder / LOG).is_dir():
            raise torn(self._folder, "the checkpoint knows the table, and it is gone")
        for name, one in self._known.items():
            path = check_place(self._folder, name)
            # the table may have been tidied up since; its log only where a summary stands for it
            if path.exists() or (path.parent.name == LOG and not any(path.parent.glob("*.checkpoint.*"))):
                check_whole(path, one["bytes"], one["sha256"])

    def check_there(self, active: Collection[str]) -> None:
        """Raise `OutputError` where one of the files that the table consists of is gone."""
        names = {path.rpartition("/")[2] for path in active}
        for name in self._known:
            if name.rpartition("/")[2] in names and not (self._folder / name).exists():
                raise torn(self._folder / name, "the table's log knows it, and it is gone")

    def _names(self) -> Iterator[str]:
        for pattern in ("*.parquet", f"{LOG}/*.json"):
            for path in sorted(self._folder.rglob(pattern)):
                yield path.relative_to(self._folder).as_posix()
