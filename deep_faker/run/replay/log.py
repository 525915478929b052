"""The events of a data set of parts, as a log: each part's rows of each type, from any row on.

Nothing is held but the names of the files. A file is opened when its first row is asked for; one of an object
store is copied to the local disk for as long as it is read.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from deep_faker.errors import DatasetError, Diagnostic, SettingsError
from deep_faker.tables.folder import Place, opened
from deep_faker.write.files.manifest import NAME, Manifest, check_manifest, table_of
from deep_faker.write.files.part_names import read_name, receipt_name
from deep_faker.write.files.readers import guarded_reader
from deep_faker.write.files.second_level import all_paths
from deep_faker.write.parted.receipts import Receipt, read_receipt

FORMATS = ("parquet", "arrow")
# what a reader holds: no more than this of a large file (measured: 22 MB at nine columns), some times the
# bytes of a small one, which are compressed
_MOST_HELD = 24 << 20
_HELD_A_BYTE = 3
_HELD = 1 << 19  # of any file: 628 kB of one of 170 kB, and the rows that its lane holds


@dataclass(frozen=True)
class Log:
    """A committed data set of ``partitions`` parts at ``place``; ``digest`` is that of its manifest."""

    place: Place
    manifest: Manifest
    digest: str
    receipt: Receipt
    files: Mapping[str, Mapping[int, Sequence[str]]] = field(repr=False)
    """Table → part → its files, in order. A table that `commit` put together is part 0's."""

    @property
    def shown(self) -> str:
        """How messages call it."""
        return str(self.place.base)

    @property
    def partitions(self) -> int:
        """How many parts there are."""
        return self.receipt.partitions

    def events(self) -> dict[str, int]:
        """Event type → its rows."""
        tables = self.manifest["tables"]
        return {
            name.removeprefix("events/"): int(table["rows"])
            for name, table in tables.items()
            if name.startswith("events/")
        }

    def rows(self, table: str, part: int, *, skip: int, most: int) -> Iterator[pa.Table]:
        """The rows of one part in a table after the first ``skip``, at most ``most`` at a time.

        Raises `DatasetError` for a file that is missing or damaged.
        """
        for name in self.files.get(table, {}).get(part, ()):
            with guarded_reader(f"{self.shown}/{name}"), self._local(name) as path:
                for piece, left in _pieces(path, skip, most):
                    skip = left
                    if piece is not None:
                        yield piece

    def cost(self, table: str, part: int) -> int:
        """About how many bytes are held while rows of it are read."""
        names = self.files.get(table, {}).get(part, ())
        if self.place.store is not None:
            return _MOST_HELD + _HELD if names else 0
        sizes = (Path(path).stat().st_size for path in self.place.paths([*names]))
        return max((_HELD + min(_HELD_A_BYTE * size, _MOST_HELD) for size in sizes), default=0)

    @contextmanager
    def _local(self, name: str) -> Iterator[Path]:
        if self.place.store is None:
            [path] = self.place.paths([name])
            yield Path(path)
            return
        with tempfile.TemporaryDirectory(prefix="deep_faker-log-") as folder:
            copy = Path(folder) / name.rpartition("/")[2]
            self.place.store.fetch(name, copy)
            yield copy


def _pieces(path: Path, skip: int, most: int) -> Iterator[tuple[pa.Table | None, int]]:
    """The rows of a file, and how many are still to be skipped."""
    if path.suffix == ".arrow":
        with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
            for number in range(reader.num_record_batches):
                batch = reader.get_batch(number)
                taken = min(skip, batch.num_rows)
                skip -= taken
                yield None, skip
                for start in range(taken, batch.num_rows, most):
                    yield pa.Table.from_batches([batch.slice(start, most)]), skip
        return
    import pyarrow.parquet as pq  # at use: it loads the clients of all object stores

    with pq.ParquetFile(path, memory_map=True) as file:
        groups = list(range(file.num_row_groups))
        while groups and skip >= (rows := file.metadata.row_group(groups[0]).num_rows):
            skip -= rows
            groups.pop(0)
        yield None, skip
        if not groups:
            return
        # by pages: a row group may have a million rows
        for batch in file.iter_batches(most, row_groups=groups, use_threads=False):
            taken = min(skip, batch.num_rows)
            skip -= taken
            if taken < batch.num_rows:
                yield pa.Table.from_batches([batch.slice(taken)]), skip


def log_at(path: object, storage_options: Mapping[str, Any] | None = None) -> Log:
    """The log in the data set at ``path``.

    Raises `DatasetError` where there is no whole data set of parts, `SettingsError` where its files are in no
    order of time.
    """
    manifest, place = opened(path, storage_options)
    check_manifest(manifest, f"{place.base}/{NAME}")
    shown = str(place.base)
    if "parts" not in manifest:
        mend = "run it with partitions: what a run writes to several outputs at once needs no log"
        raise DatasetError(Diagnostic(f"{shown} is no data set of parts", None, "it has no receipts", mend))
    keys = [key for table in manifest["tables"].values() for key in table.get("partitioned_by", [])]
    check_layout(manifest["layout"], keys, shown)
    name = receipt_name(0)
    receipt = read_receipt(place.read(name) or b"", f"{shown}/{name}")
    digest = hashlib.sha256(place.read(NAME) or b"").hexdigest()
    files: dict[str, dict[int, list[str]]] = {}
    tables: dict[str, str] = {}
    for each in all_paths(manifest, place.read):
        folder, _, last = each.rpartition("/")
        if folder not in tables:
            tables[folder] = table_of(each, manifest["tables"])
        said = read_name(last)
        files.setdefault(tables[folder], {}).setdefault((said and said.part) or 0, []).append(each)
    for parts in files.values():
        for names in parts.values():
            names.sort(key=_number)
    return Log(place, manifest, digest, receipt, files)


def _number(path: str) -> int:
    said = read_name(path.rpartition("/")[2])
    return 0 if said is None else said.number


def check_layout(layout: str, keys: Sequence[str], shown: str) -> None:
    """Raise `SettingsError` for a data set whose files cannot be read again as they were written."""
    mend = 'make the parts in Parquet (the default) or format="arrow", without partition_by'
    if layout not in FORMATS:
        label = f"{shown} is in {layout!r}, which does not say where a row begins"
        raise SettingsError(Diagnostic("a data set that is no log", None, label, mend))
    if keys:
        label = f"{shown} is partitioned by {', '.join(dict.fromkeys(keys))}: each file has some of the rows"
        raise SettingsError(Diagnostic("a data set that is no log", None, label, mend))
