"""MySQL and MariaDB, by PyMySQL."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Protocol

import pyarrow as pa

from deep_faker.errors import Diagnostic, OutputError
from deep_faker.write.sql.database import Connection, Cursor, Database, Row
from deep_faker.write.sql.layout import Column, Shape
from deep_faker.write.sql.text import ahead, insert_rows, pieces, refuse_nan, tab_rows
from deep_faker.write.sql.urls import flag

BULK = ("insert", "load")
# Under NO_BACKSLASH_ESCAPES a quote is the only character of a text that must be escaped.
_SESSION = (
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_BACKSLASH_ESCAPES',"
    " time_zone = '+00:00', max_error_count = 65535"
)
_STATEMENT = 4 << 20  # bytes of one INSERT: some 20 thousand rows
_PIECE = 1 << 18
_ROW = 60_000  # bytes of texts in a row, beside what else is in it
_LOST = {1053, 1077, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 2002, 2003, 2006, 2013, 2055, 4031}
_BUSY = {1040, 1203, 1205, 1213}
_NO_LOCAL = {1148, 2068, 3948, 4166}
_DUPLICATE = 1062
_PLACES = 30  # after the point of a DECIMAL, at most
_TYPES = {
    "bool": "BOOLEAN",
    "int": "BIGINT",
    "float": "DOUBLE",
    "timestamp": "DATETIME(6)",
    "date": "DATE",
    "time": "TIME(6)",
    "duration": "BIGINT COMMENT 'microseconds'",
    "json": "JSON",
}


class _Cursor(Cursor, Protocol):
    @property
    def warning_count(self) -> int: ...


class _Connection(Connection, Protocol):
    def cursor(self) -> _Cursor: ...
    def query(self, sql: bytes, /) -> int: ...


class MySQL(Database):
    """A MySQL or MariaDB database."""

    system = "MySQL"
    tells_case = False  # columns never do, tables not on every system

    connection: _Connection | None

    def __init__(self, server: Mapping[str, object], bulk: str) -> None:
        super().__init__(server)
        self._options = {"host": "localhost", "user": "root", "port": 3306, "database": "", **server}
        self.bulk = bulk
        self._most = _STATEMENT

    @property
    def place(self) -> str:
        o = self._options
        return f"mysql://{o['user']}@{o['host']}:{o['port']}/{o['database']}"

    def connect(self) -> None:
        driver = _driver()
        options = _with_tls(self._options)
        options["database"] = options["database"] or None
        fixed = {"charset": "utf8mb4", "autocommit": False, "local_infile": self.bulk == "load"}
        self.connection = driver.connect(**{**options, **fixed})
        self.execute(_SESSION)
        self._most = min(_STATEMENT, int(self.execute("SELECT @@max_allowed_packet")[0][0]) // 2)

    def is_lost(self, error: Exception) -> bool:
        import pymysql

        if isinstance(error, pymysql.err.InterfaceError):  # the connection is closed: (0, '')
            return True
        return isinstance(error, OSError) or (_code(error) in _LOST)

    def is_busy(self, error: Exception) -> bool:
        return _code(error) in _BUSY

    def quoted(self, name: str) -> str:
        return "`" + name.replace("`", "``") + "`"

    def execute(self, statement: str, *values: object) -> list[Row]:
        assert self.connection is not None
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    def check_name(self, name: str) -> None:
        super().check_name(name)
        if len(name) > 64 or name != name.rstrip() or any(ord(c) > 0xFFFF for c in name):
            raise self.wrong_name(
                name, "use at most 64 characters, none of them an emoji, and no space at the end"
            )

    def sql_type(self, column: Column) -> str:
        if column.kind in ("id", "uuid"):
            # The usual collation takes aB and Ab for the same.
            kind = "CHAR" if column.size in (8, 12, 36) else "VARCHAR"
            return f"{kind}({column.size}) CHARACTER SET ascii COLLATE ascii_bin"
        if column.kind == "decimal" and column.scale > _PLACES:
            return f"VARCHAR({(column.size or 0) + 2}) CHARACTER SET ascii"
        if column.kind == "bytes":
            return f"VARBINARY({column.size})" if column.size else "LONGBLOB"
        if column.kind == "decimal":
            return f"DECIMAL({column.size}, {column.scale})"
        if column.kind == "text":
            return f"VARCHAR({column.size})" if column.size else "LONGTEXT"
        return _TYPES[column.kind]

    def definitions(self, shape: Shape) -> list[str]:
        """Texts with a bound lie in the row, of 64 KiB; where they would not fit, they lie outside."""
        if sum(4 * (c.size or 0) + 16 for c in shape.columns if c.kind == "text") > _ROW:
            outside = {c.name for c in shape.columns if c.kind == "text"} - {*shape.key, *shape.indexes}
            columns = [replace(c, size=None) if c.name in outside else c for c in shape.columns]
            shape = replace(shape, columns=tuple(columns))
        return super().definitions(shape)

    def exists(self, table: str) -> bool:
        query = "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = %s"
        return bool(self.execute(query, table))

    def create(self, shape: Shape, *, temporary: bool = False) -> list[str]:
        return [create_table(self, shape, temporary=temporary)]

    def described(self, table: str) -> dict[str, str]:
        columns = {}
        for name, type_, collation, null, *_ in self.execute(f"SHOW FULL COLUMNS FROM {self.quoted(table)}"):
            collated = f" COLLATE {collation}" if collation else ""
            columns[name] = f"{type_}{collated}{' NOT NULL' if null == 'NO' else ''}"
        keys = self.execute(f"SHOW INDEX FROM {self.quoted(table)} WHERE Key_name = 'PRIMARY'")
        columns["PRIMARY KEY"] = ", ".join(row[4] for row in keys) or "none"
        # Only InnoDB can take a slice and its progress together, or neither.
        created = self.execute(f"SHOW CREATE TABLE {self.quoted(table)}")[0][1]
        columns["ENGINE"] = created.rpartition("ENGINE=")[2].split(" ")[0]
        return columns

    def insert(self, shape: Shape, table: pa.Table) -> int:
        refuse_nan(table, shape, self.system)
        if self.bulk == "load":
            return self._load(shape, table)
        key = self.quoted(shape.key[-1])
        # Not INSERT IGNORE, which would take values that do not fit as well.
        return self._insert(shape, table, f"{key} = {key}")

    def upsert(self, shape: Shape, table: pa.Table) -> None:
        refuse_nan(table, shape, self.system)
        names = [self.quoted(column.name) for column in shape.columns]
        self._insert(shape, table, ", ".join(f"{name} = VALUES({name})" for name in names))

    def _insert(self, shape: Shape, table: pa.Table, update: str) -> int:
        head = f"INSERT INTO {self.quoted(shape.table)} ({self.columns(shape)}) VALUES "  # noqa: S608 - names are quoted
        tail = f" ON DUPLICATE KEY UPDATE {update}".encode()
        assert self.connection is not None
        new = 0
        for rows in ahead(partial(insert_rows, shape=shape), table):
            for text in pieces(rows, self._most):
                new += self.connection.query(b"".join((head.encode(), text[:-1], tail)))
        return new

    def _load(self, shape: Shape, table: pa.Table) -> int:
        assert self.connection is not None
        lines = partial(tab_rows, shape=shape)
        with as_file(ahead(lines, table)) as path, self.connection.cursor() as cursor:
            # The bytes are given by number: what '\\' means hangs on sql_mode.
            statement = (
                f"LOAD DATA LOCAL INFILE %s INTO TABLE {self.quoted(shape.table).replace('%', '%%')}"
                " CHARACTER SET utf8mb4 FIELDS TERMINATED BY 0x09 ESCAPED BY 0x5C LINES TERMINATED BY 0x0A"
                f" ({self._loaded(shape).replace('%', '%%')}"
            )
            try:
                cursor.execute(statement, (path,))
            except Exception as error:
                if _code(error) in _NO_LOCAL:
                    mend = "SET GLOBAL local_infile = 1 on the server, or leave bulk='load' out"
                    raise OutputError(
                        Diagnostic("the server forbids LOAD DATA LOCAL", None, str(error), mend)
                    ) from error
                raise
            new = int(cursor.rowcount)
            duplicates = self._only_duplicates(shape, cursor.warning_count)
        if new + duplicates != table.num_rows:
            label = f"of {table.num_rows:,} rows {new:,} are new and {duplicates:,} were there"
            raise OutputError(Diagnostic(f"LOAD DATA lost rows of {shape.table}", None, label))
        return new

    def _loaded(self, shape: Shape) -> str:
        """The columns as LOAD DATA names them: bytes come as hexadecimal digits, through a variable."""
        names = [self.quoted(column.name) for column in shape.columns]
        read = {
            number: f"@b{number}" for number, column in enumerate(shape.columns) if column.kind == "bytes"
        }
        listed = ", ".join(read.get(number, name) for number, name in enumerate(names))
        if not read:
            return f"{listed})"
        return (
            f"{listed}) SET {', '.join(f'{names[number]} = UNHEX({name})' for number, name in read.items())}"
        )

    def _only_duplicates(self, shape: Shape, count: int) -> int:
        """The number of duplicates that LOAD DATA warned of; it warns of values it has mangled, too."""
        if not count:
            return 0
        warnings = self.execute("SHOW WARNINGS")
        bad = [row for row in warnings if row[1] != _DUPLICATE]
        if bad or len(warnings) < count:
            label = str(bad[0][2]) if bad else f"{count:,} warnings, of which {len(warnings):,} can be read"
            mend = "the table's columns do not fit the events; the slice was rolled back"
            raise OutputError(Diagnostic(f"LOAD DATA changed values of {shape.table}", None, label, mend))
        return len(warnings)


def create_table(database: MySQL, shape: Shape, *, temporary: bool = False) -> str:
    """The statement that makes a table.

    >>> shape = Shape("t", (Column("x", "int", False),), ("x",))
    >>> print(create_table(MySQL({}, "insert"), shape))
    CREATE TABLE `t` (
      `x` BIGINT NOT NULL,
      PRIMARY KEY (`x`)
    ) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
    """
    lines = database.definitions(shape) + [f"INDEX ({database.quoted(name)})" for name in shape.indexes]
    words = "CREATE TEMPORARY TABLE" if temporary else "CREATE TABLE"
    body = ",\n  ".join(lines)
    return (
        f"{words} {database.quoted(shape.table)} (\n  {body}\n)"
        " ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
    )


@contextmanager
def as_file(blocks: Iterable[pa.Array]) -> Iterator[str]:
    """The blocks of rows, one after the other, as a file that PyMySQL can open by its name."""
    if not Path("/proc/self/fd").is_dir():
        with tempfile.TemporaryDirectory(prefix="deep_faker") as folder:
            path = Path(folder) / "rows"
            with path.open("wb") as file:
                for rows in blocks:
                    file.writelines(pieces(rows, _PIECE))
            yield str(path)
        return
    # A pipe: the driver sends what is there while the next block is made.
    reading, writing = os.pipe()
    with ThreadPoolExecutor(1, thread_name_prefix="deep_faker-load") as pool:
        done = pool.submit(_fill, writing, blocks)
        try:
            yield f"/proc/self/fd/{reading}"
        finally:
            os.close(reading)  # where the server did not want the rest, this ends the other thread
        done.result()


def _fill(writing: int, blocks: Iterable[pa.Array]) -> None:
    with suppress(BrokenPipeError), os.fdopen(writing, "wb", buffering=0) as file:
        for rows in blocks:
            for text in pieces(rows, _PIECE):
                rest = text
                while rest:
                    rest = rest[file.write(rest) :]


def _with_tls(options: Mapping[str, object]) -> dict[str, object]:
    """The options as PyMySQL takes them: a URL says everything in words."""
    out = dict(options)
    for name in ("ssl_disabled", "ssl_verify_cert", "ssl_verify_identity"):
        if isinstance(out.get(name), str):
            out[name] = flag(name, out[name])
    for name in ("connect_timeout", "read_timeout", "write_timeout"):
        if isinstance(seconds := out.get(name), str):
            out[name] = int(seconds)
    if isinstance(out.get("ssl"), (str, bool)):
        if not flag("ssl", out.pop("ssl")):
            out["ssl_disabled"] = True
        elif not any(out.get(name) for name in ("ssl_ca", "ssl_verify_cert", "ssl_verify_identity")):
            # Encrypted, whoever the server is; ssl_ca and ssl_verify_… ask for its certificate.
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            out["ssl"] = context
    if out.get("ssl_ca") and out.get("ssl_verify_cert") is None:
        out["ssl_verify_cert"] = True
    return out


def _code(error: Exception) -> int | None:
    import pymysql

    if not isinstance(error, pymysql.err.MySQLError) or not error.args:
        return None
    return error.args[0] if isinstance(error.args[0], int) else None


def _driver() -> ModuleType:
    try:
        import pymysql
    except ImportError as error:
        mend = 'pip install "deep-faker[mysql]"'
        raise OutputError(Diagnostic("MySQLOutput needs PyMySQL", None, str(error), mend)) from None
    driver: ModuleType = pymysql
    return driver
