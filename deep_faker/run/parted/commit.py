"""One data set of many parts: their receipts are checked against each other, then the manifest is written.

Nothing of a part is read but its receipt, so this needs no program, may be done by anybody, and again: it
goes on where one that was killed left off, and writes the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from deep_faker.errors import DatasetError, Diagnostic
from deep_faker.run.parted.assembly import Assembly, Sums
from deep_faker.write.files.manifest import NAME
from deep_faker.write.files.object_store import ObjectPlace, is_url, local_only
from deep_faker.write.files.part_names import receipt_part
from deep_faker.write.parted.places import PartsPlace, discard, parts_at
from deep_faker.write.parted.receipts import Receipt, listed, read_receipt
from deep_faker.write.paths import checked_path


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
        receipts = (receipt_at(place, name) for name in names.values())
        Assembly(place, first, sizes, sums, making).manifest_of(receipts)
        place.settle()
    finally:
        discard(making)
    place.tidy()
    return first, sums
