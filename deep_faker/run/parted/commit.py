"""One data set of many parts: their receipts are checked against each other, then the manifest is written.

Nothing of a part is read but its receipt, so this needs no program, may be done by anybody, and again: it
goes on where one that was killed left off, and writes the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from deep_faker.errors import DatasetError, Diagnostic
from deep_faker.run.checkpoints.fingerprint import differences
from deep_faker.write.files.manifest import NAME, ListEntry, Manifest, write_manifest
from deep_faker.write.files.object_store import ObjectPlace, is_url, local_only
from deep_faker.write.files.part_names import FOLDER, receipt_part
from deep_faker.write.files.second_level import list_bytes
from deep_faker.write.parted.places import PartsPlace, discard, hashed, parts_at
from deep_faker.write.parted.receipts import Receipt, digest_of, listed, read_receipt
from deep_faker.write.paths import checked_path
from deep_faker.write.protocol import FileEntry
from deep_faker.write.whole.hashing import HashingFile
from deep_faker.write.whole.staging import guarded_place

PARTS_A_LIST = 1000
"""Of more parts than that, the manifest has two levels, with so many parts in a list."""


@dataclass(frozen=True)
class PartsStatus:
    """Which parts of a data set are there.

    ``partitions`` is 0 where no part is there that would say how many there are to be.

    >>> print(PartsStatus("shop", 8, (0, 3), committed=False))
    shop: 2 of 8 parts are there
    missing: 1-2, 4-7
    """

    place: str
    partitions: int
    done: tuple[int, ...]
    committed: bool

    @property
    def missing(self) -> tuple[int, ...]:
        """The parts that are not there."""
        done = set(self.done)
        return tuple(number for number in range(self.partitions) if number not in done)

    def as_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return {
            "place": self.place,
            "partitions": self.partitions,
            "done": len(self.done),
            "missing": list(self.missing),
            "committed": self.committed,
        }

    def __str__(self) -> str:
        if not self.partitions:
            return f"{self.place}: no part is there"
        lines = [f"{self.place}: {len(self.done):,} of {self.partitions:,} parts are there"]
        if self.missing:
            lines.append(f"missing: {listed(self.missing)}")
        else:
            lines.append("committed" if self.committed else "not committed")
        return "\n".join(lines)


@dataclass
class Sums:
    """What the parts counted, all together."""

    counts: dict[str, Any] = field(default_factory=dict)

    def add(self, counts: Mapping[str, Any]) -> None:
        """Add the counts of a part: numbers, and mappings of names to them.

        >>> sums = Sums()
        >>> for part in ({"events": {"A": 1}}, {"events": {"A": 2, "B": 3}, "skipped": 1}):
        ...     sums.add(part)
        >>> sums.counts
        {'events': {'A': 3, 'B': 3}, 'skipped': 1}
        """
        _add(self.counts, counts)


def _add(sums: dict[str, Any], counts: Mapping[str, Any]) -> None:
    for name, value in counts.items():
        if isinstance(value, Mapping):
            _add(sums.setdefault(name, {}), value)
        else:
            sums[name] = sums.get(name, 0) + value


def commit(path: str | os.PathLike[str], storage_options: Mapping[str, object] | None = None) -> PartsStatus:
    """Make one data set of the parts at ``path``: check their receipts, and write the manifest.

    ``path`` may be a URL, with the ``storage_options`` of `ParquetOutput`. To commit again changes nothing.
    Raises `DatasetError` where a part is missing or of another program, or a file is not there.
    """
    place = _place(path, storage_options)
    committed_at(place)
    return status_at(place)


def status(path: str | os.PathLike[str], storage_options: Mapping[str, object] | None = None) -> PartsStatus:
    """Which parts are at ``path``, and which are missing. Raises `DatasetError` for a damaged receipt."""
    return status_at(_place(path, storage_options))


def _place(path: str | os.PathLike[str], storage_options: Mapping[str, object] | None) -> PartsPlace:
    if is_url(path):
        remote = ObjectPlace(str(path), storage_options)
        return parts_at(remote.url, remote)
    local_only(storage_options, path)
    return parts_at(checked_path(path), None)


def receipts_at(sizes: Mapping[str, int]) -> dict[int, str]:
    """Part → path of its receipt, in order."""
    found = {part: name for name in sizes if (part := receipt_part(name)) is not None}
    return dict(sorted(found.items()))


def receipt_at(place: PartsPlace, name: str) -> Receipt:
    """The receipt of that path. Raises `DatasetError` where it is damaged."""
    shown = f"{place.shown}/{name}"
    receipt = read_receipt(place.read(name) or b"", shown)
    if receipt.part != receipt_part(name) or not receipt.part < receipt.partitions:
        label = f"it is of part {receipt.part} of {receipt.partitions}"
        raise DatasetError(Diagnostic(f"cannot use the receipt {shown}", None, label, "remove it"))
    return receipt


def status_at(place: PartsPlace) -> PartsStatus:
    """See `status`."""
    sizes = place.sizes()
    names = receipts_at(sizes)
    if not names:
        return PartsStatus(place.shown, 0, (), committed=False)
    partitions = receipt_at(place, next(iter(names.values()))).partitions
    done = tuple(part for part in names if part < partitions)
    return PartsStatus(place.shown, partitions, done, committed=NAME in sizes)


def committed_at(place: PartsPlace) -> tuple[Receipt, Sums]:
    """Commit the parts at a place: its first receipt, and what all of them counted."""
    sizes = place.sizes()
    names = receipts_at(sizes)
    if not names:
        mend = "make them: deepfaker run FILE --partitions P --part auto --output DIR"
        raise DatasetError(Diagnostic(f"no parts at {place.shown}", None, "it has no receipts", mend))
    first = receipt_at(place, next(iter(names.values())))
    missing = [part for part in range(first.partitions) if part not in names]
    beyond = [part for part in names if part >= first.partitions]
    if missing or beyond:
        label = f"{len(missing):,} of {first.partitions:,} are missing: {listed(missing)}"
        mend = "make these, then commit again"
        if beyond:
            label, mend = f"parts {listed(beyond)} are there, of {first.partitions:,}", "remove them"
        raise DatasetError(Diagnostic(f"not all parts are at {place.shown}", None, label, mend))
    sums = Sums()
    making = place.making("commit")
    try:
        _Committing(place, first, sizes, sums, making).all(names)
        place.settle()
    finally:
        discard(making)
    place.tidy()
    return first, sums


class _Committing:
    """The manifest of a place, from its receipts; in memory is one list of files at a time."""

    def __init__(
        self, place: PartsPlace, first: Receipt, sizes: Mapping[str, int], sums: Sums, made: Path
    ) -> None:
        self._place, self._first, self._sizes, self._sums, self._made = place, first, sizes, sums, made
        self._rows = dict.fromkeys(first.manifest["tables"], 0)
        self._times: tuple[int, int] | None = None

    def all(self, names: Mapping[int, str]) -> None:
        """Check every receipt, put the lists, then the manifest."""
        files: list[FileEntry] = []
        lists: list[ListEntry] = []
        two_levels = len(names) > PARTS_A_LIST
        for part, name in names.items():
            files += self._checked(receipt_at(self._place, name))
            if two_levels and (part + 1) % PARTS_A_LIST == 0:
                lists.append(self._list(files, len(lists)))
                files = []
        if two_levels and files:
            lists.append(self._list(files, len(lists)))
            files = []
        manifest = self._manifest(files, lists)
        with guarded_place(self._made, "the parts are as they were"):
            write_manifest(self._made, manifest)
        made = self._made / NAME
        self._place.settle()  # the manifest comes after all that it lists
        self._place.put(NAME, made, *hashed(made))

    def _checked(self, receipt: Receipt) -> list[FileEntry]:
        """The files of a part that agrees with the first one; its rows and counts are added."""
        first = self._first
        lines = differences(first.program, receipt.program)
        if receipt.partitions != first.partitions:
            lines.insert(0, f"partitions was {first.partitions} and is {receipt.partitions}")
        if not lines and _shape(receipt.manifest) != _shape(first.manifest):
            lines = ["the tables or their columns have changed"]
        if lines:
            label = f"part {receipt.part} is of another program than part {first.part}:\n" + "\n".join(lines)
            mend = "make all parts with one program, its settings and its seed"
            raise DatasetError(Diagnostic(f"the parts at {self._place.shown} are mixed", None, label, mend))
        for file in receipt.manifest["files"]:
            size = self._sizes.get(file["path"])
            if size != file["bytes"]:
                found = "it is missing" if size is None else f"it has {size:,} bytes"
                label = f"{file['path']}: {found}, and its receipt says {file['bytes']:,} bytes"
                mend = f"remove the receipt of part {receipt.part}, and make the part again"
                raise DatasetError(
                    Diagnostic(f"part {receipt.part} at {self._place.shown} is not whole", None, label, mend)
                )
        for name, table in receipt.manifest["tables"].items():
            self._rows[name] += table["rows"]
        self._sums.add(receipt.counts)
        if receipt.time_range is not None:
            low, high = self._times or receipt.time_range
            self._times = (min(low, receipt.time_range[0]), max(high, receipt.time_range[1]))
        return list(receipt.manifest["files"])

    def _list(self, files: list[FileEntry], number: int) -> ListEntry:
        name, data = f"{FOLDER}/receipts-{number:05d}.parquet", list_bytes(files)
        size, sha256 = self._put(name, data)
        return {"path": name, "files": len(files), "bytes": size, "sha256": sha256}

    def _put(self, name: str, data: bytes) -> tuple[int, str]:
        made = self._made / "list.parquet"
        with guarded_place(made, "the parts are as they were"), made.open("wb", buffering=0) as raw:
            file = HashingFile(raw)
            file.write(data)
            os.fsync(raw.fileno())
        self._place.put(name, made, file.size, file.sha256())
        return file.size, file.sha256()

    def _manifest(self, files: list[FileEntry], lists: list[ListEntry]) -> Manifest:
        rest = {name: value for name, value in self._first.manifest.items() if name != "checksum"}
        tables = {
            name: {**table, "rows": self._rows[name]}
            for name, table in self._first.manifest["tables"].items()
        }
        parts = {
            "program": digest_of(self._first.program),
            "time_range": None if self._times is None else list(self._times),
        }
        whole = {**rest, "tables": tables, "parts": parts, "files": files}
        return cast("Manifest", {**whole, "lists": lists} if lists else whole)


def _shape(manifest: Manifest) -> object:
    """What all parts' manifests have in common."""
    tables = {name: {**table, "rows": 0} for name, table in manifest["tables"].items()}
    return {**{k: v for k, v in manifest.items() if k not in ("files", "checksum")}, "tables": tables}
