"""The manifest of many parts, from their receipts; entities that all parts have are put together."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from deep_faker.errors import DatasetError, Diagnostic
from deep_faker.run.checkpoints.fingerprint import differences
from deep_faker.write.files.manifest import NAME, ListEntry, Manifest, TableEntry, write_manifest
from deep_faker.write.files.part_names import REPLICATED, list_name, placed
from deep_faker.write.files.second_level import list_bytes
from deep_faker.write.names import folder_of
from deep_faker.write.parted.places import PartsPlace, hashed
from deep_faker.write.parted.receipts import Receipt, digest_of
from deep_faker.write.parted.replicated import Together, rows_of
from deep_faker.write.protocol import FileEntry
from deep_faker.write.whole.hashing import HashingFile
from deep_faker.write.whole.staging import guarded_place

PARTS_A_LIST = 1000
"""Of more parts than that, the manifest has two levels, with so many parts in a list."""

_LEFT = "the parts are as they were"
_HEAD = f"{REPLICATED}/"


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


class Assembly:
    """The manifest of a place, from its receipts; in memory is one list of files at a time."""

    def __init__(
        self, place: PartsPlace, first: Receipt, sizes: Mapping[str, int], sums: Sums, made: Path
    ) -> None:
        self._place, self._first, self._sizes, self._sums, self._made = place, first, sizes, sums, made
        self._rows = dict.fromkeys(first.manifest["tables"], 0)
        self._times: tuple[int, int] | None = None
        self._together = {name: Together(name, rules) for name, rules in first.replicated.items()}

    def manifest_of(self, receipts: Iterable[Receipt]) -> None:
        """Check all receipts, in the order of their parts; put the lists, then the manifest.

        Raises `DatasetError` for a part that does not agree with the first one, or is not whole.
        """
        files: list[FileEntry] = []
        lists: list[ListEntry] = []
        two_levels = self._first.partitions > PARTS_A_LIST
        for receipt in receipts:
            self._check(receipt)
            self._count(receipt)
            files += [file for file in receipt.manifest["files"] if not file["path"].startswith(_HEAD)]
            if two_levels and (receipt.part + 1) % PARTS_A_LIST == 0:
                lists.append(self._list(files, len(lists)))
                files = []
        files += self._put_together()
        if two_levels and files:
            lists.append(self._list(files, len(lists)))
            files = []
        manifest = self._manifest(files, lists)
        with guarded_place(self._made, _LEFT):
            write_manifest(self._made, manifest)
        made = self._made / NAME
        self._place.settle()  # the manifest comes after all that it lists
        self._place.put(NAME, made, *hashed(made))

    def _check(self, receipt: Receipt) -> None:
        """Raise `DatasetError` where a part is of another program, or its files are not there."""
        first = self._first
        lines = differences(first.program, receipt.program)
        if receipt.partitions != first.partitions:
            lines.insert(0, f"partitions was {first.partitions} and is {receipt.partitions}")
        if not lines and _shape(receipt) != _shape(first):
            lines = ["the tables or their columns have changed"]
        if lines:
            label = f"part {receipt.part} is of another program than part {first.part}:\n" + "\n".join(lines)
            mend = "make all parts with one program, its settings and its seed"
            raise DatasetError(Diagnostic(f"the parts at {self._place.shown} are mixed", None, label, mend))
        for file in receipt.manifest["files"]:
            size = self._sizes.get(placed(file["path"]))
            if size != file["bytes"]:
                found = "it is missing" if size is None else f"it has {size:,} bytes"
                raise self._torn(receipt, file, f"{found}, and its receipt says {file['bytes']:,} bytes")

    def _torn(self, receipt: Receipt, file: FileEntry, why: str) -> DatasetError:
        title = f"part {receipt.part} at {self._place.shown} is not whole"
        mend = f"remove the receipt of part {receipt.part}, and make the part again"
        return DatasetError(Diagnostic(title, None, f"{file['path']}: {why}", mend))

    def _count(self, receipt: Receipt) -> None:
        """Add a part's rows and counts, and its entities that all parts have."""
        for name, table in receipt.manifest["tables"].items():
            self._rows[name] += table["rows"]
        self._sums.add(receipt.counts)
        if receipt.time_range is not None:
            low, high = self._times or receipt.time_range
            self._times = (min(low, receipt.time_range[0]), max(high, receipt.time_range[1]))
        for name, together in self._together.items():
            together.add(rows_of(self._read(receipt, f"{_HEAD}{name}")))

    def _read(self, receipt: Receipt, table: str) -> Iterator[bytes]:
        """A part's files of such a table, which are what its receipt says."""
        for file in receipt.manifest["files"]:
            if file["path"].rpartition("/")[0] == folder_of(table):
                data = self._place.read(placed(file["path"])) or b""
                if hashlib.sha256(data).hexdigest() != file["sha256"]:
                    raise self._torn(receipt, file, "its SHA-256 is not that of its receipt")
                yield data

    def _put_together(self) -> list[FileEntry]:
        """The files of entities that all parts have."""
        entries = []
        for together in self._together.values():
            with guarded_place(self._made, _LEFT):
                written = together.write(self._made, self._first)
            self._place.put(written.path, self._made / written.path, written.bytes, written.sha256)
            entries.append(written.as_dict())
        return entries

    def _list(self, files: list[FileEntry], number: int) -> ListEntry:
        name, data = list_name(number), list_bytes(files)
        size, sha256 = self._put(name, data)
        return {"path": name, "files": len(files), "bytes": size, "sha256": sha256}

    def _put(self, name: str, data: bytes) -> tuple[int, str]:
        made = self._made / "list.parquet"
        with guarded_place(made, _LEFT), made.open("wb", buffering=0) as raw:
            file = HashingFile(raw)
            file.write(data)
            os.fsync(raw.fileno())
        self._place.put(name, made, file.size, file.sha256())
        return file.size, file.sha256()

    def _manifest(self, files: list[FileEntry], lists: list[ListEntry]) -> Manifest:
        rest = {name: value for name, value in self._first.manifest.items() if name != "checksum"}
        tables: dict[str, TableEntry] = {}
        for name, table in self._first.manifest["tables"].items():
            if name.startswith(_HEAD):
                tables[f"entities/{name.removeprefix(_HEAD)}"] = table
            else:
                tables[name] = {**table, "rows": self._rows[name]}
        events = [name for name in tables if name.startswith("events/")]
        names = [*events, *sorted(name for name in tables if name not in events)]
        parts = {
            "program": digest_of(self._first.program),
            "time_range": None if self._times is None else list(self._times),
            "replicated": [f"entities/{name}" for name in self._together],
        }
        whole = {**rest, "tables": {name: tables[name] for name in names}, "parts": parts, "files": files}
        return cast("Manifest", {**whole, "lists": lists} if lists else whole)


def _shape(receipt: Receipt) -> object:
    """What all parts' receipts have in common."""
    manifest = receipt.manifest
    tables = {name: {**table, "rows": 0} for name, table in manifest["tables"].items()}
    rest = {name: value for name, value in manifest.items() if name not in ("files", "checksum")}
    return {**rest, "tables": tables, "replicated": receipt.replicated, "encoding": receipt.encoding}
