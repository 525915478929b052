"""`SqlOutput`: the life of a run in a database. Every slice is one transaction with its progress."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import pyarrow as pa

from deep_faker.errors import DeepFakerError, Diagnostic, OutputError, SettingsError, near
from deep_faker.write.arguments import check_flags, checked_seconds
from deep_faker.write.frames import plain_schema
from deep_faker.write.mapping import NamesOf, by_name, check_events
from deep_faker.write.names import differ_by_case
from deep_faker.write.protocol import EventChunk, FileReceipt, RunInfo
from deep_faker.write.secrets import scrubbed
from deep_faker.write.sql.database import PROGRESS, SHAPE, STAGE, Database, Row
from deep_faker.write.sql.layout import Column, Shape, entity_shape, event_shape
from deep_faker.write.sql.occupied import Marks, Occupied

_T = TypeVar("_T")

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

    keeps_progress = True

    def __init__(
        self,
        database: Database,
        table_mapping: NamesOf | None,
        entities: bool | NamesOf,
        timeout: float,
        *,
        overwrite: bool = False,
        append: bool = False,
    ) -> None:
        check_flags(overwrite=overwrite, append=append)
        if overwrite and append:
            mend = "give one of them: replace the rows that are there, or add to them"
            raise SettingsError(Diagnostic("overwrite=True and append=True", None, "", mend))
        self.tables = by_name(table_mapping, "table_mapping")
        self.entities = entities if isinstance(entities, bool) else by_name(entities, "entities")
        self.timeout = checked_seconds(timeout)
        self.overwrite, self.append = overwrite, append
        self._database = database
        self._owner: weakref.ref[object] | None = None  # whose rows are there already
        self._written: dict[str, int] | None = {}  # rows of each table that are this output's; None: unknown
        self._begin()
        targets = [
            *self.tables.values(),
            *(self.entities.values() if isinstance(self.entities, dict) else ()),
        ]
        for name in targets:
            database.check_name(name)
        self._check_tables(targets)

    def _begin(self) -> None:
        self._info: RunInfo | None = None
        self._run_id = ""
        self._shapes: dict[str, Shape] = {}
        self._entity_shapes: dict[str, Shape] = {}
        self._events = 0  # of the stream, committed
        self._rows = 0  # committed by this process
        self._own = self._again = False  # rows that are there already may be this run's
        self._started = False  # then the tables are the run's
        self._made: list[str] = []  # the tables that were not there before

    def _check_tables(self, targets: Sequence[str]) -> None:
        """Raise `SettingsError` where two types would share a table, or one have a table of ours."""
        mend = "give each type a table of its own"
        ours = {PROGRESS, SHAPE, STAGE}
        for name in targets:
            if targets.count(name) > 1 or name.lower() in ours:
                raise SettingsError(Diagnostic("two uses of one table", None, repr(name), mend))
        twins = None if self._database.tells_case else differ_by_case(targets)
        if twins:
            label = f"{twins[0]!r} and {twins[1]!r} are one table to some servers"
            raise SettingsError(Diagnostic("two uses of one table", None, label, mend))

    def __repr__(self) -> str:
        more = (", append=True" if self.append else "") + (", overwrite=True" if self.overwrite else "")
        return f"{type(self).__name__}({self.place.partition('://')[2]!r}, {self.tables!r}{more})"

    @property
    def place(self) -> str:
        """The database, for the report; without the password."""
        return self._database.place

    def open(self, info: RunInfo) -> None:
        """Connect, make the tables that do not exist, and look whose rows are in the others.

        Raises `OutputExistsError` for another run's. A server that is away is not waited for.
        """
        self._prepare(info)
        self._run_id = info.run_id or uuid.uuid4().hex
        try:
            self._database.connect()
            self._hold_tables()
            # R6: the same simulation may run again, and finds its own rows
            self._own = self._is_own()
            self._again = self.append and self._own
            self._look()
            self._make_tables()  # only now: a run that is refused leaves none; and it commits
        except DeepFakerError:
            raise
        except Exception as error:  # noqa: BLE001 - the library's own, whatever they are
            raise self._failed(error) from self._database.quotable(error)

    def resume(self, info: RunInfo, state: Mapping[str, Any] | None) -> int | None:
        """Connect, waiting for a server that is away, and read how far the run got."""
        self._prepare(info)
        self._run_id = str(state["run_id"]) if state else info.run_id
        self._again = True
        self._written = None
        if state and state["output"] != self._output_id():
            label = "the run was begun with other tables in table_mapping or entities"
            raise OutputError(Diagnostic("not the output of this run", None, label, "give the same mapping"))

        def look() -> int | None:
            self._make_tables()
            events = self._progress()
            if events is None:
                events = self._without_progress(state)
            else:
                self._started = True
            self._database.commit()
            return events

        have = self._patiently(look) or 0
        if state and have < int(state["events"]):
            title = f"{self._database.system} has lost events: {have:,} of {int(state['events']):,}"
            mend = "the server was set back, or lets go of committed data in a crash: run from the start"
            raise OutputError(Diagnostic(title, None, self.place, mend))
        self._events = have
        return have

    def _without_progress(self, state: Mapping[str, Any] | None) -> int:
        """How far a run got that has no row in `PROGRESS`: it has not begun, or has ended, or is lost."""
        ended = self._marks.get("ended")
        if ended is not None:
            self._set_progress(ended)
            self._started = True
            return ended
        if state is None and self._marks.get("begun") is None:
            self._look()
            return 0
        label = (
            f"{PROGRESS} knows nothing of run {self._run_id}: another has replaced its rows, or they are gone"
        )
        mend = "run from the start, with overwrite=True (--overwrite) to replace what is there"
        raise OutputError(Diagnostic("the rows of this run are not there", None, label, mend))

    def _look(self) -> None:
        """Refuse rows that this run must not touch."""
        if not (self.append or self._replaces):
            self._occupied.check(type(self).__name__)

    @property
    def _replaces(self) -> bool:
        assert self._info is not None
        return not self.append and (self.overwrite or self._info.overwrite or self._own)

    def _is_own(self) -> bool:
        """Whether all rows that are there are those that the same simulation wrote by this output."""
        assert self._info is not None
        owner = self._owner() if self._owner is not None else None
        if owner is None or owner is not self._info.owner or self._written is None:
            return False
        return self.append or self._occupied.holds(self._written)

    def _start(self) -> None:
        """Before the first row: what is to be replaced goes, and the run has its place; one transaction."""
        if self._started:
            return

        def begin() -> None:
            self._look()  # another run may have come first
            if self._replaces:
                self._occupied.clear()
            self._set_progress(0)
            self._occupied.claim(self._run_id)
            self._database.commit()

        self._patiently(begin)
        self._marks.set("begun")
        self._written = {}
        self._started = True

    def write(self, chunk: EventChunk) -> None:
        """Insert the next events; each slice of them is committed together with its place."""
        self._start()
        for piece in chunk.slices(SLICE):
            self._write(piece)

    def write_entities(self, name: str, table: pa.Table) -> None:
        """Store the final state of entities: a row that is there is replaced."""
        shape = self._entity_shapes.get(name)
        if shape is None or not table.num_rows:
            return
        self._start()
        rows = table.select([column.name for column in shape.columns])

        def store() -> None:
            self._database.upsert(shape, rows.cast(plain_schema(rows.schema)))
            self._database.commit()

        self._patiently(store)
        self._count(shape, table.num_rows)

    def checkpoint(self) -> dict[str, object]:
        """Where the stream is; all of it is committed."""
        self._start()
        return {"output": self._output_id(), "run_id": self._run_id, "events": self._events}

    def suspend(self) -> None:
        """Close the connection; the progress row stays."""
        self._own_up()
        self._database.close()

    def finish(self) -> list[FileReceipt]:
        """Remove what the run has in `PROGRESS`: the tables are whole. Close the connection."""
        self._start()
        # from here on no row says how far the run is: it ended
        self._marks.set("ended", self._events)

        def clean() -> None:
            self._execute_progress("DELETE FROM {} WHERE run_id = %s AND output_id = %s")
            self._occupied.release(self._run_id)
            self._database.commit()

        self._patiently(clean)
        if self._written is None and not self.append:
            self._written = self._patiently(self._occupied.counts)
        self._own_up()
        self._database.close()
        return []

    def abort(self) -> None:
        """Roll back what is not committed, and close. What stays in `PROGRESS` says that it did not end."""
        self._own_up()
        if self._database.connection is not None:
            self._database.rollback()
            if not self._started:
                with suppress(Exception):  # the first error is the one to show
                    self._unmake_tables()
        self._database.close()

    def _own_up(self) -> None:
        """Remember whose the rows are: the same simulation may replace them."""
        owner = self._info.owner if self._info is not None and self._started else None
        if owner is not None:
            self._owner = weakref.ref(owner)

    def _count(self, shape: Shape, rows: int) -> None:
        if self._written is not None:
            self._written[shape.table] = self._written.get(shape.table, 0) + rows

    def _prepare(self, info: RunInfo) -> None:
        check_events(self.tables, info.schemas, "table_mapping", type(self).__name__)
        if info.repeating:
            label = "events come twice, and sys__eid is in the key of its tables"
            mend = "leave duplicate= out, or write to files or Kafka"
            raise OutputError(Diagnostic(f"{type(self).__name__} takes no duplicates", None, label, mend))
        self._begin()
        self._info = info
        for name, table in self.tables.items():
            schema = plain_schema(info.schemas[name])
            spec = info.events.get(name)
            self._shapes[name] = event_shape(table, schema, spec.column_names if spec else {}, info)
        wanted = self.entities if isinstance(self.entities, dict) else {}
        if self.entities is True:
            wanted = {name: name for name in info.entities}
        for name, table in wanted.items():
            if name not in info.entities:
                mend = near(name, info.entities, "the simulation")
                raise OutputError(Diagnostic("unknown entity in entities", None, repr(name), mend))
            self._entity_shapes[name] = entity_shape(table, info.entities[name])
        shapes = (*self._shapes.values(), *self._entity_shapes.values())
        self._check_tables([shape.table for shape in shapes])
        for shape in shapes:
            self._database.check_shape(shape)
        self._occupied = Occupied(self._database, [shape.table for shape in shapes])
        self._marks = Marks(info.scratch)

    def _hold_tables(self) -> None:
        """Raise `OutputError` for a table that is there in another shape."""
        for shape in self._all_shapes():
            if self._database.exists(shape.table):
                self._database.make(shape)

    def _make_tables(self) -> None:
        for shape in self._all_shapes():
            if self._database.make(shape):
                self._made.append(shape.table)
        self._database.commit()

    def _unmake_tables(self) -> None:
        """Drop what was made for a run that another output refused, or that failed before its first row."""
        database = self._database
        for table in reversed(self._made):
            if self._occupied.is_free(table):
                database.execute(f"DROP TABLE {database.quoted(table)}")
        database.commit()

    def _all_shapes(self) -> tuple[Shape, ...]:
        return (_PROGRESS_SHAPE, *self._shapes.values(), *self._entity_shapes.values())

    def _output_id(self) -> str:
        """Two outputs of one run into one database keep their places apart."""
        entities = sorted((name, shape.table) for name, shape in self._entity_shapes.items())
        text = json.dumps([sorted(self.tables.items()), entities])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _execute_progress(self, statement: str, *values: object) -> list[Row]:
        named = statement.format(self._database.quoted(PROGRESS))
        return self._database.execute(named, *values, self._run_id, self._output_id())

    def _progress(self) -> int | None:
        """The committed events. Locks the row, and so waits for a commit that is under way."""
        rows = self._execute_progress("SELECT events FROM {} WHERE run_id = %s AND output_id = %s FOR UPDATE")
        return int(rows[0][0]) if rows else None

    def _set_progress(self, events: int) -> None:
        self._execute_progress("DELETE FROM {} WHERE run_id = %s AND output_id = %s")
        self._execute_progress("INSERT INTO {} (events, run_id, output_id) VALUES (%s, %s, %s)", events)

    def _write(self, piece: EventChunk) -> None:
        tries = 0

        def commit() -> None:
            nonlocal tries
            tries += 1
            have = self._progress()
            # Only a try of ours, whose answer was lost, may have moved it.
            if have is None or (have != self._events and not (tries > 1 and have == piece.end)):
                raise self._taken(have)
            rest = piece.since(have)
            for name in rest.names:
                table = rest.tables.get(name)
                if table is not None and table.num_rows and name in self._shapes:
                    self._insert(self._shapes[name], table)
            if len(rest):
                self._execute_progress(
                    "UPDATE {} SET events = %s WHERE run_id = %s AND output_id = %s", piece.end
                )
            self._database.commit()

        self._patiently(commit)
        self._events = piece.end
        # of a try whose answer was lost, too: the next one found all of it there
        for name, table in piece.tables.items():
            if name in self._shapes:
                self._rows += table.num_rows
                self._count(self._shapes[name], table.num_rows)

    def _insert(self, shape: Shape, table: pa.Table) -> None:
        new = self._database.insert(shape, table)
        if new != table.num_rows and not self._again:
            # Only a run of the same program, seed and start makes these ids.
            label = f"{table.num_rows - new:,} rows with ids of this run are in {shape.table} already"
            mend = "use another table or another seed, or overwrite=True in place of append=True"
            raise OutputError(Diagnostic("rows would be there twice", None, f"{label}; {self._kept()}", mend))

    def _patiently(self, work: Callable[[], _T]) -> _T:
        """Do ``work``, a transaction; again and again while the server is away, up to ``timeout``."""
        until, wait = time.monotonic() + self.timeout, _FIRST_WAIT
        database = self._database
        while True:
            try:
                if database.connection is None:
                    database.connect()
                return work()
            except DeepFakerError:
                database.rollback()
                raise
            except Exception as error:  # noqa: BLE001 - the library's own, whatever they are
                if database.is_lost(error):
                    database.close()
                elif database.is_busy(error):
                    database.rollback()
                else:
                    database.rollback()
                    raise self._failed(error) from self._database.quotable(error)
                if self._info is not None and self._info.stopping():
                    raise self._failed(
                        error, "the run was told to stop while it waited for it"
                    ) from self._database.quotable(error)
                if time.monotonic() + wait > until:
                    waited = f"waited {self.timeout:g} s for it (timeout=)"
                    raise self._failed(error, waited) from self._database.quotable(error)
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
        database = self._database
        text = scrubbed(str(error) or type(error).__name__, database.secrets)
        where = database.place.rpartition("@")[2].partition("/")[0]
        written = self._kept()
        return OutputError(
            Diagnostic(
                f"{database.system} at {where} failed: {text}",
                None,
                f"{more}; {written}" if more else written,
                "check host, user, password and database, and that the tables' columns fit the events",
            )
        )
