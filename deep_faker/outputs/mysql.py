"""`MySQLOutput`: every event a row of its type's table, by PyMySQL."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pyarrow as pa

from deep_faker.errors import Diagnostic, OutputError
from deep_faker.outputs.frames import plain, plain_schema
from deep_faker.outputs.mapping import by_name, check_events
from deep_faker.outputs.protocol import EventChunk, FileReceipt, RunInfo

_ROWS = 5000  # rows a statement, and at most 1 MiB of text or so
_SESSION = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00'"


class MySQLOutput:
    """Events as rows, each type to its table of ``database``.

    ``table_mapping``: event classes or their names → tables, which are made where they do not exist
    (sys__ets and sys__eid are the primary key). ``options`` go to ``pymysql.connect``. Nothing
    connects before the run; every chunk is one transaction per table. A run that fails keeps the
    chunks before; their number is in the message. A type that the mapping omits is warned of.

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
        **options: Any,
    ) -> None:
        self.host, self.user, self.database, self.port = host, user, database, port
        self.tables = by_name(table_mapping, "table_mapping")
        self._password = password
        self._options = options
        self._connection: Any = None
        self._schemas: dict[str, pa.Schema] = {}
        self._rows = 0

    def __repr__(self) -> str:
        return f"MySQLOutput('{self.user}@{self.host}:{self.port}/{self.database}', {self.tables!r})"

    @property
    def place(self) -> str:
        """The database, for the report; without the password."""
        return f"mysql://{self.user}@{self.host}:{self.port}/{self.database}"

    def open(self, info: RunInfo) -> None:
        """Connect, and make the tables that do not exist."""
        check_events(self.tables, info.schemas, "table_mapping", "MySQLOutput")
        driver = _driver()
        self._rows = 0
        self._schemas = {name: plain_schema(info.schemas[name]) for name in self.tables}
        try:
            self._connection = driver.connect(
                host=self.host,
                user=self.user,
                password=self._password,
                database=self.database or None,
                port=self.port,
                charset="utf8mb4",
                autocommit=False,
                **self._options,
            )
            with self._connection.cursor() as cursor:
                cursor.execute(_SESSION)
                for name, table in self.tables.items():
                    cursor.execute(create_table(table, self._schemas[name]))
            self._connection.commit()
        except Exception as error:
            raise self._failed(error) from error

    def write(self, chunk: EventChunk) -> None:
        """Insert the next events, and commit them."""
        try:
            with self._connection.cursor() as cursor:
                for name in chunk.names:
                    if name in chunk.tables and name in self.tables:
                        self._insert(cursor, name, chunk.tables[name])
            self._connection.commit()
        except Exception as error:
            raise self._failed(error) from error

    def _insert(self, cursor: Any, name: str, table: pa.Table) -> None:
        table = plain(table)
        columns = ", ".join(map(_quoted, table.column_names))
        places = ", ".join(["%s"] * table.num_columns)
        # The driver fills the places as Python's % does.
        target = f"{_quoted(self.tables[name])} ({columns})".replace("%", "%%")
        statement = f"INSERT INTO {target} VALUES ({places})"  # noqa: S608 - names are quoted
        for first in range(0, table.num_rows, _ROWS):
            rows = zip(*(_values(column) for column in table.slice(first, _ROWS).columns))
            # executemany joins the rows into statements of many rows and escapes every value
            self._rows += cursor.executemany(statement, list(rows)) or 0

    def finish(self) -> list[FileReceipt]:
        """Close the connection; everything is committed."""
        connection, self._connection = self._connection, None
        connection.close()
        return []

    def abort(self) -> None:
        """Roll back what is not committed, and close."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.rollback()
            with suppress(Exception):
                connection.close()

    def _failed(self, error: Exception) -> OutputError:
        return OutputError(
            Diagnostic(
                f"MySQL at {self.host}:{self.port} failed: {error}",
                None,
                f"{self._rows:,} rows had been inserted before; the chunk under way was rolled back",
                "check host, user, password and database, and that the tables' columns fit the events",
            )
        )


def create_table(table: str, schema: pa.Schema) -> str:
    """The statement that makes a table for rows of ``schema``.

    >>> print(create_table("t", pa.schema([pa.field("sys__ets", pa.int64(), nullable=False)])))
    CREATE TABLE IF NOT EXISTS `t` (
      `sys__ets` BIGINT NOT NULL
    ) DEFAULT CHARACTER SET utf8mb4
    """
    lines = [f"  {_quoted(f.name)} {_sql_type(f)}{'' if f.nullable else ' NOT NULL'}" for f in schema]
    if {"sys__ets", "sys__eid"} <= set(schema.names):
        # In order of time: faster to fill and smaller than a key in random order.
        lines.append("  PRIMARY KEY (`sys__ets`, `sys__eid`)")
    body = ",\n".join(lines)
    return f"CREATE TABLE IF NOT EXISTS {_quoted(table)} (\n{body}\n) DEFAULT CHARACTER SET utf8mb4"


def _sql_type(field: pa.Field) -> str:
    kind = field.type
    if field.name in ("sys__eid", "sys__sid"):
        # The usual collation takes aB and Ab for the same.
        return f"CHAR({12 if field.name == 'sys__eid' else 8}) CHARACTER SET ascii COLLATE ascii_bin"
    if pa.types.is_boolean(kind):
        return "BOOLEAN"
    if pa.types.is_integer(kind):
        return "BIGINT"
    if pa.types.is_floating(kind):
        return "DOUBLE"
    if pa.types.is_timestamp(kind):
        return "DATETIME(6)"
    if pa.types.is_date(kind):
        return "DATE"
    if pa.types.is_time(kind):
        return "TIME(6)"
    if pa.types.is_duration(kind):
        return "BIGINT COMMENT 'microseconds'"
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision}, {kind.scale})"
    return "JSON" if pa.types.is_list(kind) else "LONGTEXT COLLATE utf8mb4_bin"


def _values(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_duration(column.type):
        column = column.cast(pa.int64())
    values: list[Any] = column.to_pylist()
    if pa.types.is_list(column.type):
        import json

        return [None if v is None else json.dumps(v, ensure_ascii=False) for v in values]
    return values


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _driver() -> Any:
    try:
        import pymysql
    except ImportError as error:
        mend = 'pip install "deep-faker[mysql]"'
        raise OutputError(Diagnostic("MySQLOutput needs PyMySQL", None, str(error), mend)) from None
    return pymysql
