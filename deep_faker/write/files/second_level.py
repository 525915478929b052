"""The second level of a manifest: of many parts, the files are listed in Parquet files of their own.

A root with every file of 100,000 parts would be a gigabyte of JSON. So the root lists these lists, each with
its checksum, and who needs a file's entry reads the lists one after the other.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import pyarrow as pa

from deep_faker.errors import DatasetError, Diagnostic
from deep_faker.write.files.manifest import ListEntry, Manifest
from deep_faker.write.protocol import FileEntry
from deep_faker.write.whole.confined import why_unfit

_SCHEMA = pa.schema([
    ("path", pa.string()), ("rows", pa.int64()), ("bytes", pa.int64()), ("sha256", pa.string()),
    ("logical", pa.string()), ("columns", pa.string()),
])  # fmt: skip


def list_bytes(entries: Sequence[FileEntry]) -> bytes:
    """The Parquet file that lists these entries: equal bytes for equal entries.

    >>> text = list_bytes([{"path": "a", "rows": 1, "bytes": 2, "sha256": "ff", "logical": "ee"}])
    >>> text == list_bytes([{"path": "a", "rows": 1, "bytes": 2, "sha256": "ff", "logical": "ee"}])
    True
    """
    import pyarrow.parquet as pq  # at use: it loads the clients of all object stores

    rows = [{**entry, "columns": json.dumps(entry.get("columns", {}))} for entry in entries]
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, _SCHEMA), sink, compression="zstd")
    return sink.getvalue()


def lists_of(manifest: Manifest, read: Callable[[str], bytes | None]) -> Iterator[pa.Table]:
    """The lists of a manifest's second level, one at a time; ``read`` gives a file's bytes.

    Raises `DatasetError` for a list that is missing, is not what the root says, or names files elsewhere.
    """
    import pyarrow.parquet as pq

    for entry in manifest.get("lists", []):
        data = read(entry["path"])
        if data is None or hashlib.sha256(data).hexdigest() != entry["sha256"]:
            why = "it is missing" if data is None else "its SHA-256 is not that in the manifest"
            raise _damaged(entry, why)
        table = pq.read_table(io.BytesIO(data))
        if table.schema.names != _SCHEMA.names or table.num_rows != entry["files"]:
            raise _damaged(entry, "it is no list of files")
        for path in table["path"].to_pylist():
            if why := why_unfit(path):
                raise _damaged(entry, f"it names {str(path)[:80]!r}: {why}")
        yield table


def all_paths(manifest: Manifest, read: Callable[[str], bytes | None]) -> list[str]:
    """The files of a data set, of both levels."""
    paths = [str(file["path"]) for file in manifest["files"]]
    for table in lists_of(manifest, read):
        paths += table["path"].to_pylist()
    return paths


def with_files(manifest: Manifest, read: Callable[[str], bytes | None]) -> Manifest:
    """The manifest with the files of both levels in its first."""
    if "lists" not in manifest:
        return manifest
    entries = list(manifest["files"])
    for table in lists_of(manifest, read):
        for row in table.to_pylist():
            columns = json.loads(row.pop("columns"))
            entries.append(cast("FileEntry", {**row, **({"columns": columns} if columns else {})}))
    return cast("Manifest", {**manifest, "files": entries})


def _damaged(entry: ListEntry, why: str) -> DatasetError:
    return DatasetError(
        Diagnostic(f"cannot read {entry['path']}", None, why, "restore it, or commit the parts again")
    )
