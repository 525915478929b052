"""PostgreSQL, by psycopg 3."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from decimal import Decimal
from types import ModuleType
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.errors import Diagnostic, OutputError
from deep_faker.write.frames import plain_type
from deep_faker.write.sql.database import STAGE, Connection, Cursor, Database
from deep_faker.write.sql.layout import Column, Shape
from deep_faker.write.sql.text import ahead, pieces, tab_rows
from deep_faker.write.trees import one_array

_PIECE = 1 << 20
_TEXT_OR_FLOAT = re.compile(r'"(?:[^"\\]|\\.)*"|-?[\d.]+e\+?\d+')
_AWAY = ("starting up", "shutting down", "recovery mode", "not yet accepting", "too many")
_BUSY = {"40001", "40P01", "55P03"}
_TYPES = {
    "bool": "BOOLEAN",
    "int": "BIGINT",
    "float": "DOUBLE PRECISION",
    "timestamp": "TIMESTAMP(6)",
    "date": "DATE",
    "time": "TIME(6)",
    "duration": "INTERVAL",
    "uuid": "UUID",
    "json": "JSONB",
    "bytes": "BYTEA",
}


class _Copy(Protocol):
    def write(self, text: memoryview, /) -> object: ...


class _Cursor(Cursor, Protocol):
    def copy(self, statement: str, /) -> AbstractContextManager[_Copy]: ...


class _Connection(Connection, Protocol):
    def cursor(self) -> _Cursor: ...


class Postgres(Database):
    """A PostgreSQL database."""

    system = "PostgreSQL"
    name_bytes = 63

    connection: _Connection | None

    def __init__(self, server: Mapping[str, object]) -> None:
        super().__init__(server)
        self._options = {"host": "localhost", "user": "postgres", "port": 5432, "database": "", **server}
        self._repeated: set[str] = set()  # tables that were found to hold some of the rows

    @property
    def place(self) -> str:
        o = self._options
        return f"postgresql://{o['user']}@{o['host']}:{o['port']}/{o['database']}"

    def connect(self) -> None:
        driver = _driver()
        options = dict(self._options)
        options["dbname"] = options.pop("database") or None
        self.connection = driver.connect(**options, client_encoding="utf8")

    def is_lost(self, error: Exception) -> bool:
        import psycopg

        if not isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
            return isinstance(error, OSError)
        if error.sqlstate:
            return error.sqlstate[:2] == "08" or error.sqlstate in ("57P01", "57P02", "57P03", "53300")
        # A refusal at connecting (a wrong password, say) has no code, only a text.
        return "FATAL" not in str(error) or any(word in str(error) for word in _AWAY)

    def is_busy(self, error: Exception) -> bool:
        return getattr(error, "sqlstate", None) in _BUSY

    def quoted(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def sql_type(self, column: Column) -> str:
        if column.kind == "decimal":
            return f"NUMERIC({column.size}, {column.scale})"
        if column.kind in ("text", "id"):
            return f"VARCHAR({column.size})" if column.size else "TEXT"
        return _TYPES[column.kind]

    def exists(self, table: str) -> bool:
        return self.execute("SELECT to_regclass(%s) IS NOT NULL", self.quoted(table)) == [(True,)]

    def create(self, shape: Shape, *, temporary: bool = False) -> list[str]:
        body = ",\n  ".join(self.definitions(shape))
        words = "CREATE TEMPORARY TABLE" if temporary else "CREATE TABLE"
        table = self.quoted(shape.table)
        return [
            f"{words} {table} (\n  {body}\n)",
            *(f"CREATE INDEX ON {table} ({self.quoted(name)})" for name in shape.indexes),
        ]

    def described(self, table: str) -> dict[str, str]:
        query = (
            "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute"
            " WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        )
        rows = self.execute(query, self.quoted(table))
        columns = {name: f"{type_}{' NOT NULL' if bound else ''}" for name, type_, bound in rows}
        query = (
            "SELECT a.attname FROM pg_index i, pg_attribute a,"
            " unnest(i.indkey) WITH ORDINALITY k(number, place)"
            " WHERE i.indrelid = to_regclass(%s) AND i.indisprimary AND a.attrelid = i.indrelid"
            " AND a.attnum = k.number ORDER BY k.place"
        )
        keys = self.execute(query, self.quoted(table))
        columns["PRIMARY KEY"] = ", ".join(row[0] for row in keys) or "none"
        return columns

    def insert(self, shape: Shape, table: pa.Table) -> int:
        from psycopg.errors import UniqueViolation

        if shape.table not in self._repeated:
            self.execute("SAVEPOINT deep_faker")
            try:
                self._copy(shape, shape.table, table)
            except UniqueViolation:
                # Some of the rows are there: from here on by way of a table that can leave these out.
                self.execute("ROLLBACK TO SAVEPOINT deep_faker")
                self._repeated.add(shape.table)
            else:
                return int(table.num_rows)
        new = self._staged(shape, table, "DO NOTHING")
        if new == table.num_rows:
            self._repeated.discard(shape.table)
        return new

    def upsert(self, shape: Shape, table: pa.Table) -> None:
        names = [self.quoted(column.name) for column in shape.columns]
        key = ", ".join(map(self.quoted, shape.key))
        changes = ", ".join(f"{name} = EXCLUDED.{name}" for name in names)
        self._staged(shape, table, f"({key}) DO UPDATE SET {changes}")

    def _copy(self, shape: Shape, target: str, table: pa.Table) -> None:
        def lines(rows: pa.Table) -> pa.Array:
            rows = _floats_spelled_out(rows, shape)
            return tab_rows(rows, shape, interval=" microseconds", bytes_prefix=r"\\x")

        statement = f"COPY {self.quoted(target)} ({self.columns(shape)}) FROM STDIN"
        assert self.connection is not None
        with self.connection.cursor() as cursor, cursor.copy(statement) as copy:
            for rows in ahead(lines, table):
                for text in pieces(rows, _PIECE):
                    copy.write(text)

    def _staged(self, shape: Shape, table: pa.Table, conflict: str) -> int:
        stage, columns = self.quoted(STAGE), self.columns(shape)
        target = self.quoted(shape.table)
        self.execute(f"CREATE TEMPORARY TABLE {stage} (LIKE {target}) ON COMMIT DROP")
        self._copy(shape, STAGE, table)
        assert self.connection is not None
        with self.connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {stage} ON CONFLICT {conflict}"  # noqa: S608 - names are quoted
            )
            new = cursor.rowcount
        self.execute(f"DROP TABLE {stage}")
        return new


def _floats_spelled_out(rows: pa.Table, shape: Shape) -> pa.Table:
    """``1e+16`` in texts of JSON as ``10000000000000000.0``.

    JSONB keeps a number as NUMERIC: of the two, only the second still has a point when it is read, and
    without one it is an integer of any size, which need not even equal the float.
    """
    for place, column in enumerate(shape.columns):
        field = rows.schema.field(place)
        if column.kind != "json" or not pa.types.is_string(plain_type(field.type)):
            continue
        texts = one_array(rows.column(place)).cast(pa.large_string())
        floats = pc.fill_null(pc.match_substring_regex(texts, r"\de\+?\d"), False)
        if pc.any(floats).as_py():
            spelled = [_TEXT_OR_FLOAT.sub(_spelled_out, text) for text in texts.filter(floats).to_pylist()]
            texts = pc.replace_with_mask(texts, floats, pa.array(spelled, texts.type))
            rows = rows.set_column(place, field.with_type(texts.type), texts)
    return rows


def _spelled_out(part: re.Match[str]) -> str:
    text = part[0]
    return text if text.startswith('"') else f"{Decimal(text):f}.0"


def _driver() -> ModuleType:
    try:
        import psycopg
    except ImportError as error:
        mend = 'pip install "deep-faker[postgres]"'
        raise OutputError(Diagnostic("PostgresOutput needs psycopg", None, str(error), mend)) from None
    return psycopg
