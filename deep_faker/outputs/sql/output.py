"""`SqlOutput`: the life of a run in a database. Every slice is one transaction with its progress."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from deep_faker.errors import Diagnostic, OutputError, SettingsError, near
from deep_faker.outputs.frames import plain_schema
from deep_faker.outputs.mapping import by_name, check_events
from deep_faker.outputs.protocol import EventChunk, FileReceipt, RunInfo
from deep_faker.outputs.sql.database import PROGRESS, Database
from deep_faker.outputs.sql.tables import Column, Shape, entity_shape, event_shape

SLICE = 50_000  # events a transaction, at most
_FIRST_WAIT, _LONGEST_WAIT = 0.05, 5.0
_PROGRESS_SHAPE = Shape(
    PROGRESS,
    (
        Column("run_id", "id", nullable=False, size=64),
        Column("output_id", "id", nullable=False, size=64),
        Column("events", "int", nullable=False),
    ),
    ("run_id", "output_id"),
)


class SqlOutput:
    """Events as rows of typed tables, in one database; what its dialects share."""

    def __init__(
        self,
        database: Database,
        table_mapping: Mapping[Any, str] | None,
        entities: bool | Mapping[Any, str],
        timeout: float,
    ) -> None:
        self.tables = by_name(table_mapping, "table_mapping")
        self.entities = entities if isinstance(entities, bool) else by_name(entities, "entities")
        self.timeout = timeout
        self._database = database
        self._owner: Any = None  # whose rows are there already
        self._begin()
        targets = [
            *self.tables.values(),
            *(self.entities.values() if isinstance(self.entities, dict) else ()),
        ]
        for name in targets:
            if targets.count(name) > 1 or name.lower() == PROGRESS:
                mend = "give each event type a table of its own"
                raise SettingsError(Diagnostic("two uses of one table", None, repr(name), mend))
            database.check_name(name)

    def _begin(self) -> None:
        self._info: RunInfo | None = None
        self._run_id = ""
        self._shapes: dict[str, Shape] = {}
        self._entity_shapes: dict[str, Shape] = {}
        self._events = 0  # of the stream, committed
        self._rows = 0  # committed by this process
        self._again = False  # rows that are there already may be this run's

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.place.partition('://')[2]!r}, {self.tables!r})"

    @property
    def place(self) -> str:
        """The database, for the report; without the password."""
        return self._database.place

    def open(self, info: RunInfo) -> None:
        """Connect, and make the tables that do not exist. A server that is away is not waited for."""
        self._prepare(info)
        self._run_id = info.run_id or uuid.uuid4().hex
        # R6: the same simulation may run again, and finds its own rows
        self._again = info.owner is not None and self._written_for() is info.owner
        try:
            self._database.connect()
            self._make_tables()
            self._set_progress(0)
        except OutputError:
            raise
        except Exception as error:
            raise self._failed(error) from error

    def resume(self, info: RunInfo, state: Mapping[str, Any] | None) -> int | None:
        """Connect, waiting for a server that is away, and read how far the run got."""
        self._prepare(info)
        self._run_id = str(state["run_id"]) if state else info.run_id
        self._again = True
        if state and state["output"] != self._output_id():
            label = "the run was begun with other tables in table_mapping or entities"
            raise OutputError(Diagnostic("not the output of this run", None, label, "give the same mapping"))

        def look() -> int | None:
            self._make_tables()
            found = self._progress()
            if found is None:
                # Nothing was written yet, or the run's end has removed it.
                found = int(state["events"]) if state else 0
                self._set_progress(found)
            self._database.commit()
            return found

        have = self._patiently(look) or 0
        if state and have < int(state["events"]):
            title = f"{self._database.system} has lost events: {have:,} of {int(state['events']):,}"
            mend = "the server was set back, or lets go of committed data in a crash: run from the start"
            raise OutputError(Diagnostic(title, None, self.place, mend))
        self._events = have
        return have

    def write(self, chunk: EventChunk) -> None:
        """Insert the next events; each slice of them is committed together with its place."""
        for piece in chunk.slices(SLICE):
            self._write(piece)

    def write_entities(self, name: str, table: pa.Table) -> None:
        """Store the final state of entities: a row that is there is replaced."""
        shape = self._entity_shapes.get(name)
        if shape is None or not table.num_rows:
            return
        rows = table.select([column.name for column in shape.columns])

        def store() -> None:
            self._database.upsert(shape, rows.cast(plain_schema(rows.schema)))
            self._database.commit()

        self._patiently(store)

    def checkpoint(self) -> dict[str, Any]:
        """Where the stream is; all of it is committed."""
        return {"output": self._output_id(), "run_id": self._run_id, "events": self._events}

    def suspend(self) -> None:
        """Close the connection; the progress row stays."""
        self._database.close()

    def finish(self) -> list[FileReceipt]:
        """Remove the run's progress row, and close the connection."""

        def clean() -> None:
            self._execute_progress("DELETE FROM {} WHERE run_id = %s AND output_id = %s")
            self._database.commit()

        self._patiently(clean)
        self._database.close()
        assert self._info is not None
        owner = self._info.owner
        self._owner = weakref.ref(owner) if owner is not None else None
        return []

    def abort(self) -> None:
        """Roll back what is not committed, and close."""
        if self._database.connection is not None:
            self._database.rollback()
        self._database.close()

    def _written_for(self) -> object:
        return self._owner() if self._owner is not None else None

    def _prepare(self, info: RunInfo) -> None:
        check_events(self.tables, info.schemas, "table_mapping", type(self).__name__)
        self._begin()
        self._info = info
        for name, table in self.tables.items():
            schema = plain_schema(info.schemas[name])
            spec = info.events.get(name)
            self._shapes[name] = event_shape(table, schema, spec.by_name if spec else {}, info)
        wanted = self.entities if isinstance(self.entities, dict) else {}
        if self.entities is True:
            wanted = {name: name for name in info.entities}
        for name, table in wanted.items():
            if name not in info.entities:
                mend = near(name, info.entities, "the simulation")
                raise OutputError(Diagnostic("unknown entity in entities", None, repr(name), mend))
            self._entity_shapes[name] = entity_shape(table, info.entities[name])

    def _make_tables(self) -> None:
        for shape in (_PROGRESS_SHAPE, *self._shapes.values(), *self._entity_shapes.values()):
            self._database.make(shape)
        self._database.commit()

    def _output_id(self) -> str:
        """Two outputs of one run into one database keep their places apart."""
        entities = sorted((name, shape.table) for name, shape in self._entity_shapes.items())
        text = json.dumps([sorted(self.tables.items()), entities])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _execute_progress(self, statement: str, *values: Any) -> list[Any]:
        named = statement.format(self._database.quoted(PROGRESS))
        return self._database.execute(named, *values, self._run_id, self._output_id())

    def _progress(self) -> int | None:
        """The committed events. Locks the row, and so waits for a commit that is under way."""
        rows = self._execute_progress("SELECT events FROM {} WHERE run_id = %s AND output_id = %s FOR UPDATE")
        return int(rows[0][0]) if rows else None

    def _set_progress(self, events: int) -> None:
        self._execute_progress("DELETE FROM {} WHERE run_id = %s AND output_id = %s")
        self._execute_progress("INSERT INTO {} (events, run_id, output_id) VALUES (%s, %s, %s)", events)
        self._database.commit()

    def _write(self, piece: EventChunk) -> None:
        tries = 0

        def commit() -> int:
            nonlocal tries
            tries += 1
            have = self._progress()
            # Only a try of ours, whose answer was lost, may have moved it.
            if have is None or (have != self._events and not (tries > 1 and have == piece.end)):
                raise self._taken(have)
            rest = piece.since(have)
            rows = 0
            for name in rest.names:
                table = rest.tables.get(name)
                if table is not None and table.num_rows and name in self._shapes:
                    rows += table.num_rows
                    self._insert(self._shapes[name], table)
            if len(rest):
                self._execute_progress(
                    "UPDATE {} SET events = %s WHERE run_id = %s AND output_id = %s", piece.end
                )
            self._database.commit()
            return rows

        rows = self._patiently(commit)
        self._events = piece.end
        self._rows += rows

    def _insert(self, shape: Shape, table: pa.Table) -> None:
        new = self._database.insert(shape, table)
        if new != table.num_rows and not self._again:
            # Only a run of the same program, seed and start makes these ids.
            label = f"{table.num_rows - new:,} rows with ids of this run are in {shape.table} already"
            mend = "use an empty table, another seed, or resume a run that was killed"
            raise OutputError(Diagnostic("rows would be there twice", None, f"{label}; {self._kept()}", mend))

    def _patiently(self, work: Callable[[], Any]) -> Any:
        """Do ``work``, a transaction; again and again while the server is away, up to ``timeout``."""
        until, wait = time.monotonic() + self.timeout, _FIRST_WAIT
        database = self._database
        while True:
            try:
                if database.connection is None:
                    database.connect()
                return work()
            except OutputError:
                database.rollback()
                raise
            except Exception as error:
                if database.is_lost(error):
                    database.close()
                elif database.is_busy(error):
                    database.rollback()
                else:
                    database.rollback()
                    raise self._failed(error) from error
                if time.monotonic() + wait > until:
                    waited = f"waited {self.timeout:g} s for it (timeout=)"
                    raise self._failed(error, waited) from error
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    def _taken(self, have: int | None) -> OutputError:
        stands = "is gone" if have is None else f"stands at {have:,}"
        label = f"the progress of run {self._run_id} {stands}, and this process has written {self._events:,}"
        mend = "let only one process write a run; nothing of this slice was written"
        return OutputError(Diagnostic("another process writes this run", None, label, mend))

    def _kept(self) -> str:
        return f"{self._rows:,} rows had been inserted before; the chunk under way was rolled back"

    def _failed(self, error: Exception, more: str = "") -> OutputError:
        text = str(error) or type(error).__name__
        database = self._database
        where = database.place.rpartition("@")[2].partition("/")[0]
        if database.secret:
            text = text.replace(database.secret, "…")
        written = self._kept()
        return OutputError(
            Diagnostic(
                f"{database.system} at {where} failed: {text}",
                None,
                f"{more}; {written}" if more else written,
                "check host, user, password and database, and that the tables' columns fit the events",
            )
        )
