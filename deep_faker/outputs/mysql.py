"""`MySQLOutput`: every event a row of its type's table, by PyMySQL."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit
from weakref import WeakKeyDictionary

import pyarrow as pa

from deep_faker.errors import Diagnostic, OutputError, SettingsError
from deep_faker.outputs.frames import plain_schema
from deep_faker.outputs.mapping import by_name, check_events
from deep_faker.outputs.protocol import EventChunk, FileReceipt, RunInfo
from deep_faker.outputs.sqltables import check_shape, checked_names, create_table, quoted
from deep_faker.outputs.sqltext import load_lines, statements, value_rows

_EVENTS = 50_000  # a transaction
_STATEMENT = 4 << 20  # bytes, or half of what the server takes
_SESSION = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00'"
_PROGRESS = "deep_faker_progress"
# The connection or the server is gone, or the transaction lost against another one: try again.
_PASSING = {
    0,
    1040,
    1053,
    1077,
    1079,
    1158,
    1159,
    1160,
    1161,
    1205,
    1213,
    1927,
    2002,
    2003,
    2006,
    2013,
    2055,
    4031,
}
_DUPLICATE = 1062

# simulation → places that it wrote to: running again finds its own rows there (R6)
_WRITTEN: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()


class MySQLOutput:
    """Events as rows, each type to its table of ``database``, on MySQL or MariaDB.

    ``table_mapping``: event classes or their names → tables, which are made where they do not exist
    (sys__ets and sys__eid are the primary key, entity keys are indexed). An existing table of another
    shape is refused with a diff. ``url`` (``"mysql://user:password@host:3306/database"``) or
    ``connection_config`` may say what the other arguments do; further ``options`` go to
    ``pymysql.connect`` (``ssl_ca=…``). ``bulk="load"`` uses LOAD DATA LOCAL, which the server must
    allow. ``entities`` maps entity types to tables that get their final state (True: named as they are).

    Nothing connects before the run. Every transaction holds at most 50,000 events and, in the table
    ``deep_faker_progress``, how many are committed with it: after a lost connection, or when a killed run
    is resumed, the output goes on exactly there. Lost connections are made again for ``timeout`` seconds.
    A run that fails keeps the transactions before. A type that the mapping omits is warned of.

    >>> MySQLOutput(host="localhost", user="root", database="events", table_mapping={"Login": "logins"},
    ...             password="secret")
    MySQLOutput('root@localhost:3306/events', {'Login': 'logins'})
    """

    def __init__(
        self,
        host: str = "localhost",
        user: str = "root",
        database: str = "",
        table_mapping: Mapping[Any, str] | None = None,
        password: str = "",
        port: int = 3306,
        *,
        url: str | None = None,
        connection_config: Mapping[str, Any] | None = None,
        bulk: Literal["insert", "load"] = "insert",
        entities: bool | Mapping[Any, str] = False,
        timeout: float = 60.0,
        **options: Any,
    ) -> None:
        given: dict[str, Any] = {
            "host": host,
            "user": user,
            "database": database,
            "password": password,
            "port": port,
        }
        given |= _from_url(url) if url is not None else {}
        given |= {**(connection_config or {}), **options}
        self.host, self.user = str(given.pop("host")), str(given.pop("user"))
        self.database, self.port = str(given.pop("database")), int(given.pop("port"))
        self._password = str(given.pop("password"))
        self._options = given
        self.tables = by_name(table_mapping, "table_mapping")
        if bulk not in ("insert", "load"):
            raise SettingsError(Diagnostic("wrong bulk", None, f"bulk={bulk!r}", 'use "insert" or "load"'))
        self.bulk = bulk
        self.entities = entities if isinstance(entities, bool) else by_name(entities, "entities")
        self.timeout = timeout
        checked_names(self.tables.values())
        self._connection: Any = None
        self._info: RunInfo | None = None
        self._id = ""
        self._place = self._rows = 0
        self._most = _STATEMENT
        self._again = False  # rows that are there already may be ours

    def __repr__(self) -> str:
        return f"MySQLOutput('{self.user}@{self.host}:{self.port}/{self.database}', {self.tables!r})"

    @property
    def place(self) -> str:
        """The database, for the report; without the password."""
        return f"mysql://{self.user}@{self.host}:{self.port}/{self.database}"

    # ------------------------------------------------ beginning

    def open(self, info: RunInfo) -> None:
        """Connect, make the tables that do not exist, and check those that do."""
        self._begin(info)
        with suppress(TypeError):
            self._again = self.place in _WRITTEN.get(info.owner, set())

    def resume(self, info: RunInfo, state: Mapping[str, Any] | None) -> int:
        """Go on after what is committed."""
        self._begin(info)
        self._again = True
        known = 0 if state is None else int(state["events"])
        self._place = self._retried(self._committed)
        if self._place < known:
            label = f"the checkpoint knows of {known:,} events, table {_PROGRESS} of {self._place:,}"
            mend = "the table was changed: run afresh into other tables"
            raise OutputError(Diagnostic("the database has lost the progress of this run", None, label, mend))
        return self._place

    def _begin(self, info: RunInfo) -> None:
        check_events(self.tables, info.schemas, "table_mapping", "MySQLOutput")
        self._info, self._place, self._rows, self._again = info, 0, 0, False
        same = info.scratch.name if info.scratch is not None else repr(sorted(self.tables.items()))
        self._id = f"{info.run_id}-{hashlib.sha256(same.encode()).hexdigest()[:8]}"
        try:
            self._connect()
            self._prepare(info)
        except OutputError:
            self._leave()
            raise
        except Exception as error:
            self._leave()
            raise self._failed(error) from error

    def _connect(self) -> None:
        options = {"local_infile": self.bulk == "load", "connect_timeout": 10, **self._options}
        self._connection = _driver().connect(
            host=self.host,
            user=self.user,
            password=self._password,
            database=self.database or None,
            port=self.port,
            charset="utf8mb4",
            autocommit=False,
            **options,
        )
        with self._connection.cursor() as cursor:
            cursor.execute(_SESSION)

    def _prepare(self, info: RunInfo) -> None:
        keys = {spec.primary_key for spec in info.entities.values()}
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT @@max_allowed_packet, @@local_infile")
            packet, local = cursor.fetchone()
            self._most = min(_STATEMENT, int(packet) // 2)
            if self.bulk == "load" and not int(local):
                label = "the server does not allow LOAD DATA LOCAL"
                mend = 'set its local_infile=1, or use bulk="insert"'
                raise OutputError(Diagnostic('cannot use bulk="load"', None, label, mend))
            for name, table in self.tables.items():
                checked_names(info.schemas[name].names)
                statement = create_table(table, info.schemas[name], keys=keys, spec=info.events.get(name))
                _quietly(cursor, statement)
                check_shape(cursor, table, statement)
            _quietly(
                cursor,
                f"CREATE TABLE IF NOT EXISTS {_PROGRESS} (run CHAR(64) CHARACTER SET ascii COLLATE ascii_bin "
                "PRIMARY KEY, events BIGINT NOT NULL, written TIMESTAMP DEFAULT CURRENT_TIMESTAMP)",
            )
        self._connection.commit()

    # ------------------------------------------------ on the way

    def write(self, chunk: EventChunk) -> None:
        """Insert the next events, and commit them."""
        for piece in chunk.since(self._place).slices(_EVENTS):
            if len(piece):
                self._retried(lambda piece=piece: self._transaction(piece))  # type: ignore[misc]
                self._place = piece.end

    def _transaction(self, piece: EventChunk) -> int:
        rows = 0
        with self._connection.cursor() as cursor:
            for name in piece.names:
                if name in piece.tables and name in self.tables:
                    rows += self._insert(cursor, name, piece.tables[name])
            cursor.execute(
                f"INSERT INTO {_PROGRESS} (run, events) VALUES (%s, %s) "  # noqa: S608 - a constant
                "ON DUPLICATE KEY UPDATE events = VALUES(events)",
                (self._id, piece.end),
            )
        self._connection.commit()
        self._rows += rows
        return rows

    def _insert(self, cursor: Any, name: str, table: pa.Table) -> int:
        columns = ", ".join(map(quoted, table.column_names))
        target = f"{quoted(self.tables[name])} ({columns})"
        new = (
            self._load(cursor, name, target, table)
            if self.bulk == "load"
            else self._values(name, target, table)
        )
        if new != table.num_rows and not self._again:
            # Only a run of the same program and seed makes these ids: the rows are not this one's.
            label = f"{table.num_rows - new:,} rows with ids of this run are in {self.tables[name]} already"
            mend = "use an empty table, another seed, or resume=True for a run that was killed"
            raise OutputError(Diagnostic("rows would be there twice", None, f"{label}; {self._kept()}", mend))
        return new

    def _values(self, name: str, target: str, table: pa.Table) -> int:
        text, ends = value_rows(name, table)
        prefix = f"INSERT INTO {target} VALUES ".encode()  # noqa: S608 - names are quoted, values escaped
        # changes nothing where the row is there; IGNORE would also turn wrong values into warnings
        suffix = b" ON DUPLICATE KEY UPDATE sys__eid = sys__eid"
        new = 0
        for statement in statements(prefix, suffix, text, ends, self._most):
            new += self._connection.query(statement)
        return new

    def _load(self, cursor: Any, name: str, target: str, table: pa.Table) -> int:
        into, _, columns = target.partition(" (")
        with tempfile.NamedTemporaryFile(prefix="deep_faker-", suffix=".tsv") as file:
            file.write(load_lines(name, table))
            file.flush()
            path = file.name.replace("\\", "\\\\").replace("'", "''")
            new: int = self._connection.query(
                f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE {into} CHARACTER SET utf8mb4 ({columns}"
            )
        # It goes on where a value does not fit, and says so here only.
        cursor.execute("SHOW WARNINGS")
        wrong = [f"{text}" for _, code, text in cursor.fetchall() if code != _DUPLICATE]
        if wrong:
            label = f"{wrong[0]}; {self._kept()}"
            mend = "check that the table's columns fit the events"
            raise OutputError(
                Diagnostic(f"LOAD DATA changed values of {self.tables[name]}", None, label, mend)
            )
        return new

    def write_entities(self, name: str, table: pa.Table) -> None:
        """Put the final state of entities into their table, where that was asked for."""
        names = self.entities
        target = (name if names else "") if isinstance(names, bool) else names.get(name, "")
        if target:
            assert self._info is not None
            key = self._info.entities[name].primary_key
            self._retried(lambda: self._upsert(name, target, key, table))

    def _upsert(self, name: str, target: str, key: str, table: pa.Table) -> int:
        schema = plain_schema(table.schema)
        statement = create_table(target, schema, primary=(key,))
        with self._connection.cursor() as cursor:
            _quietly(cursor, statement)
            check_shape(cursor, target, statement)
        text, ends = value_rows(name, table)
        columns = ", ".join(map(quoted, schema.names))
        prefix = f"INSERT INTO {quoted(target)} ({columns}) VALUES ".encode()  # noqa: S608
        updates = ", ".join(f"{quoted(n)} = VALUES({quoted(n)})" for n in schema.names)
        for piece in statements(
            prefix, f" ON DUPLICATE KEY UPDATE {updates}".encode(), text, ends, self._most
        ):
            self._connection.query(piece)
        self._connection.commit()
        return len(ends)

    # ------------------------------------------------ lost connections

    def _retried(self, work: Callable[[], int]) -> int:
        """Do ``work``, on a new connection where the old one is lost; never twice what was committed."""
        end, pause = time.monotonic() + self.timeout, 0.1
        place = self._place
        while True:
            try:
                if self._connection is None:
                    self._connect()
                    if work != self._committed and self._committed() > place:
                        return 0  # the answer to its COMMIT was lost, and nothing else
                return work()
            except OutputError:
                raise
            except Exception as error:
                code = error.args[0] if error.args and isinstance(error.args[0], int) else -1
                lost = code in _PASSING or isinstance(error, (OSError, EOFError))
                self._leave()
                if not lost or time.monotonic() > end:
                    raise self._failed(error) from error
                time.sleep(pause)
                pause = min(2 * pause, 5.0)

    def _committed(self) -> int:
        with self._connection.cursor() as cursor:
            cursor.execute(f"SELECT events FROM {_PROGRESS} WHERE run = %s", (self._id,))  # noqa: S608
            row = cursor.fetchone()
        self._connection.rollback()
        return 0 if row is None else int(row[0])

    # ------------------------------------------------ the end

    def checkpoint(self) -> dict[str, Any]:
        """All that was written is committed; how many events that are."""
        return {"events": self._place}

    def finish(self) -> list[FileReceipt]:
        """Close the connection; everything is committed."""
        info = self._info
        assert info is not None
        if info.scratch is None:  # else a resumed run may still ask
            self._retried(self._forget)
        self._leave()
        with suppress(TypeError):
            _WRITTEN.setdefault(info.owner, set()).add(self.place)
        return []

    def _forget(self) -> int:
        with self._connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {_PROGRESS} WHERE run = %s", (self._id,))  # noqa: S608
        self._connection.commit()
        return 0

    def suspend(self) -> None:
        """Let go of the server; what is committed stays."""
        self._leave()

    def abort(self) -> None:
        """Roll back what is not committed, and close."""
        self._leave()

    def _leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.rollback()
            with suppress(Exception):
                connection.close()

    def _kept(self) -> str:
        return f"{self._rows:,} rows had been inserted before; the transaction under way was rolled back"

    def _failed(self, error: Exception) -> OutputError:
        reason = str(error).replace(self._password, "…") if self._password else str(error)
        mend = "check host, user, password and database, and that the tables' columns fit the events"
        return OutputError(
            Diagnostic(f"MySQL at {self.host}:{self.port} failed: {reason}", None, self._kept(), mend)
        )


def _from_url(url: str) -> dict[str, Any]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme.partition("+")[0] not in ("mysql", "mariadb") or not parts.hostname:
        shown = url.rpartition("@")[2]  # never the password
        mend = 'give "mysql://user:password@host:3306/database"'
        raise SettingsError(Diagnostic("wrong url", None, f"url={shown!r}", mend))
    given: dict[str, Any] = {"host": parts.hostname, "database": unquote(parts.path.lstrip("/"))}
    if port is not None:
        given["port"] = port
    if parts.username is not None:
        given["user"] = unquote(parts.username)
    if parts.password is not None:
        given["password"] = unquote(parts.password)
    return given | dict(parse_qsl(parts.query))


def _quietly(cursor: Any, statement: str) -> None:
    """Run a statement whose warning (a table exists) says nothing new."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cursor.execute(statement)


def _driver() -> Any:
    try:
        import pymysql
    except ImportError as error:
        mend = 'pip install "deep-faker[mysql]"'
        raise OutputError(Diagnostic("MySQLOutput needs PyMySQL", None, str(error), mend)) from None
    return pymysql
