"""One run into a folder: its streams of tables, its manifest, and what it needs to go on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from deep_faker.write.files.encodings import encoding_of
from deep_faker.write.files.manifest import (
    NAME,
    Manifest,
    foreign_files,
    make_manifest,
    read_manifest,
    versions,
    write_manifest,
)
from deep_faker.write.files.part_names import REPLICATED, stem_of
from deep_faker.write.files.partitions import MAX_PARTITIONS, PartitionedStream, keys_of, state_parts
from deep_faker.write.files.parts import PART_ROWS, TableStream, WritePool, most_rows, part_rows
from deep_faker.write.lines.line_file import SUFFIXES, LineFile
from deep_faker.write.names import check_folder_names, folder_of
from deep_faker.write.protocol import EventChunk, FileReceipt, RunInfo, stamped_schemas
from deep_faker.write.whole.confined import why_unfit
from deep_faker.write.whole.in_place import is_aside, stays
from deep_faker.write.whole.intact import check_place, check_whole, torn
from deep_faker.write.whole.seal import unsealed
from deep_faker.write.whole.staging import Staging, sync_folder

_TRUTH_ROWS = PART_ROWS // 4


@dataclass(frozen=True)
class Layout:
    """How a data set lies in its folder: see `ParquetOutput`, whose arguments these are."""

    format: str = "parquet"
    compression: str | None = None
    keys: tuple[str, ...] = ()
    max_partitions: int = MAX_PARTITIONS
    rows_per_file: int | None = None
    file_size: int | None = None
    csv_formulas: str = "keep"


class FolderRun:
    """One run into a folder."""

    def __init__(self, path: Path, layout: Layout, *, overwrite: bool, info: RunInfo) -> None:
        self.path, self.layout, self.overwrite, self.info = path, layout, overwrite, info
        self._schemas = stamped_schemas(info)
        self.keys = keys_of(layout.keys, info.schemas)
        self.encoding = encoding_of(layout.format, layout.compression, layout.csv_formulas)
        ending = SUFFIXES[layout.compression] if layout.format == "jsonl" and layout.compression else ""
        self.lines_name = f"events.jsonl{ending}"
        self.staging = Staging(path, marker=NAME)
        self.pool = WritePool()
        self.streams: dict[str, TableStream | PartitionedStream] = {}
        self.lines: LineFile | None = None
        self.published = False  # by the process that is resumed: there is nothing left to do
        self._left: dict[str, Any] = {}  # tables of a state that have not been written to since
        self._receipts: list[FileReceipt] | None = None  # once everything but the name is there

    def open(self) -> None:
        for names in (self.info.schemas, self.info.entities):
            check_folder_names(names)
        self.staging.claim(owner=self.info.owner, overwrite=self.overwrite, refusal=_refusal)
        with self.staging.guarded("nothing was written"):
            self.staging.partial.mkdir()
            for names in (self.info.schemas, self.info.entities):
                check_folder_names(names, self.staging.partial)
            if self.layout.format == "jsonl":
                self.lines = self._lines(None)
                return
        self._event_streams()

    def checkpoint(self) -> dict[str, object]:
        if self.published:
            return {}
        with self.staging.guarded(self._written()):
            assert self.info.scratch is not None
            lines = self.lines.checkpoint(self.info.scratch) if self.lines is not None else None
            streams = {name: s.checkpoint(self._scratch(name)) for name, s in self.streams.items()}
            for base, _, _ in os.walk(self.staging.partial):
                sync_folder(Path(base))
            sync_folder(self.staging.partial.parent)
        return {"lines": lines, "streams": {**self._left, **streams}}

    def resume(self, state: Mapping[str, Any] | None) -> None:
        self.staging.take_up()
        with self.staging.guarded("nothing has changed"):
            self.published = self._is_published()
        if self.published or not state:
            self.staging.release()
        if self.published:
            return
        if not state:
            self.open()
            return
        partial = self.staging.partial
        with self.staging.guarded("nothing has changed"):
            if not partial.is_dir() or partial.is_symlink():
                raise torn(partial, "the folder is gone")
            self._clean(state)
            if self.layout.format == "jsonl":
                self.lines = self._lines(state["lines"])
            self._left = dict(state["streams"])
            if self.layout.format != "jsonl":
                self._event_streams()

    def _clean(self, state: Mapping[str, Any]) -> None:
        """Hold what the state knows to its checksums; if all is right, remove what it does not know."""
        partial = self.staging.partial
        known: dict[str, Mapping[str, Any]] = {}
        for name, stream in state["streams"].items():
            table = folder_of(name)
            for folder in (table, *(f"{table}/{key}" for key in stream.get("partitions", ()))):
                if why := why_unfit(folder):
                    raise torn(partial / folder, why)
            known |= dict(state_parts(stream, table))
        if self.layout.format == "jsonl" and not (partial / self.lines_name).is_file():
            raise torn(partial / self.lines_name, "the checkpoint knows it, and it is gone")
        for name, receipt in known.items():
            check_whole(check_place(partial, name), receipt["bytes"], receipt["sha256"])
        kept = {*known, *([self.lines_name] if self.layout.format == "jsonl" else [])}
        for base, folders, names in os.walk(partial):
            links = [name for name in folders if Path(base, name).is_symlink()]
            for path in (Path(base, name) for name in (*names, *links)):
                if path.is_symlink() or path.relative_to(partial).as_posix() not in kept:
                    path.unlink()

    def _lines(self, state: Mapping[str, Any] | None) -> LineFile:
        return LineFile(
            self.staging.partial / self.lines_name,
            self.info.events,
            compression=self.layout.compression,
            state=state,
            scratch=self.info.scratch,
        )

    def suspend(self) -> None:
        self.pool.close()
        if self.lines is not None:
            self.lines.abort()
        self.staging.release()

    def _scratch(self, name: str) -> Path:
        assert self.info.scratch is not None
        path = self.info.scratch / name.partition("/")[0]
        if path.is_symlink():
            raise torn(path, "it is a link")
        path.mkdir(exist_ok=True)
        return path

    def _event_streams(self) -> None:
        schemas, layout = self._schemas, self.layout
        rows = most_rows(schemas) if layout.file_size is not None else part_rows(schemas)
        for name, schema in schemas.items():
            most = layout.rows_per_file or rows[name]
            self._stream(f"events/{name}", schema, most, self.keys[name], layout.file_size)

    def _stream(
        self,
        name: str,
        schema: pa.Schema,
        rows: int,
        keys: tuple[str, ...] = (),
        file_size: int | None = None,
    ) -> TableStream | PartitionedStream:
        schema = schema.with_metadata({"deep_faker": self._origin(name)})

        def table(folder: str, schema: pa.Schema) -> TableStream:
            path = f"{folder_of(name)}/{folder}" if folder else folder_of(name)
            place = self.staging.partial / path
            stem = stem_of(self.info.part)
            encoding = self.encoding if not name.startswith(REPLICATED) else encoding_of("parquet")
            return TableStream(place, schema, self.pool, encoding, rows, file_size, path, stem)

        stream: TableStream | PartitionedStream
        if keys:
            stream = PartitionedStream(keys, schema, table, self.layout.max_partitions)
        else:
            stream = table("", schema)
        self.streams[name] = stream
        if name in self._left:
            stream.resume(self._scratch(name), self._left.pop(name))
        return stream

    def _origin(self, name: str) -> str:
        """What a file's footer says of where it comes from; nothing of the machine or the hour (R1)."""
        kind, _, type_ = name.partition("/")
        version = versions()["deep-faker"]
        origin: dict[str, object] = {"version": version, "seed": self.info.seed, "table": name}
        if kind == "events" and type_ in self.info.events:
            spec = self.info.events[type_]
            origin["fields"] = {f.name: _annotation(f.annotation) for f in spec.columns}
        return json.dumps(origin, ensure_ascii=False)

    def write(self, chunk: EventChunk) -> None:
        if self.published:
            return
        chunk = chunk.stamped()
        with self.staging.guarded(self._written()):
            if self.lines is not None:
                self.lines.write(chunk)
                return
            for name, table in chunk.tables.items():
                self.streams[f"events/{name}"].write(table)

    def write_table(self, name: str, table: pa.Table) -> None:
        if self.published:
            return
        with self.staging.guarded(self._written()):
            stream = self.streams.get(name) or self._stream(name, table.schema, _TRUTH_ROWS)
            stream.write(table)

    def settle(self) -> None:
        if self.published or self._receipts is not None:
            return
        with self.staging.guarded(self._written()):
            receipts = [self.lines.finish(self.lines_name)] if self.lines is not None else []
            # both threads write what is left of all tables; the longest part would make the others wait
            for stream in sorted(self.streams.values(), key=lambda stream: -stream.waiting):
                stream.end()
            for name in sorted(self.streams):
                receipts += [
                    replace(r, path=f"{folder_of(name)}/{r.path}") for r in self.streams[name].finish()
                ]
            self.pool.close()
            write_manifest(self.staging.partial, self._manifest(receipts))
            for base, _, _ in os.walk(self.staging.partial):
                sync_folder(Path(base))
        self._check()
        self._receipts = receipts

    def finish(self) -> list[FileReceipt]:
        if self.published:
            return [FileReceipt(**file) for file in read_manifest(self.staging.place)["files"]]
        self.settle()
        assert self._receipts is not None
        with self.staging.guarded(self._written()):
            self._note_manifest()
        self._check()
        self.staging.publish(self.info.owner)
        return self._receipts

    def _check(self) -> None:
        self.staging.check(owner=self.info.owner, overwrite=self.overwrite, refusal=_refusal)

    def _note_manifest(self) -> None:
        """For a run that is killed between the folder's final name and its own end."""
        if self.info.scratch is not None:
            data = (self.staging.partial / NAME).read_bytes()
            path = self.info.scratch / NAME
            with path.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())

    def _is_published(self) -> bool:
        """Whether the folder had got its final name before the run was killed; then it must be whole."""
        if self.info.scratch is None or self.staging.partial.exists():
            return False
        noted, named = self.info.scratch / NAME, self.staging.place / NAME
        if not noted.is_file() or not named.is_file():
            return False
        for path in (noted, named):
            try:
                manifest = unsealed(path.read_bytes())
            except ValueError as error:
                raise torn(path, str(error)) from None
        if noted.read_bytes() != named.read_bytes():
            return False
        for file in manifest["files"]:
            check_whole(check_place(self.staging.place, file["path"]), file["bytes"], file["sha256"])
        return True

    def _manifest(self, receipts: list[FileReceipt]) -> Manifest:
        events = {f"events/{name}": schema for name, schema in self._schemas.items()}
        others = {name: s.schema for name, s in sorted(self.streams.items()) if name not in events}
        rows = {name: stream.rows for name, stream in self.streams.items()}
        if self.lines is not None:
            rows |= {f"events/{name}": count for name, count in self.lines.counts.items()}
        return make_manifest(
            self.info,
            layout=self.layout.format,
            tables={**events, **others},
            rows=rows,
            files=receipts,
            keys={f"events/{name}": keys for name, keys in self.keys.items() if keys},
            csv_formulas=self.layout.csv_formulas,
        )

    def _written(self) -> str:
        rows = sum(s.rows for s in self.streams.values()) + (self.lines.rows if self.lines else 0)
        kept = "removed" if self.info.scratch is None else "kept"
        partial = f"{self.staging.partial.name} is {kept}"
        return f"{rows:,} rows had been taken; {partial}, and nothing else has changed"

    def abort(self) -> None:
        self.pool.close()
        if self.lines is not None:
            self.lines.abort()
        with suppress(OSError):
            self.staging.discard()


def _annotation(annotation: object) -> str:
    """A field's type as the event's class has it."""
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")


def _refusal(place: Path) -> str | None:
    """Why an existing place must not be replaced even with ``overwrite``."""
    if not place.is_dir():
        return "a file lies there, and a data set is a folder"
    foreign = [path for path in foreign_files(place) if not (is_aside(path) and stays(place))]
    if not foreign:
        return None
    listed = ", ".join(foreign[:3]) + (f" and {len(foreign) - 3} more" if len(foreign) > 3 else "")
    return f"the folder holds files that are no data set's, and they are never deleted: {listed}"
