"""What `SqlOutput` asks of a database: one connection, and the statements that differ."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Protocol, Self, TypeAlias

import pyarrow as pa

from deep_faker.errors import Diagnostic, OutputError, SettingsError
from deep_faker.write.names import differ_by_case
from deep_faker.write.secrets import quotable
from deep_faker.write.sql.layout import Column, Shape

PROGRESS = "deep_faker_progress"
STAGE = "deep_faker_stage"  # a temporary table of PostgreSQL's, for rows that may be there
SHAPE = "deep_faker_shape"  # a temporary table, only ever made to read what the server makes of ours


Row: TypeAlias = tuple[Any, ...]  # whatever the statement asks for


class Cursor(Protocol):
    """What drivers run a statement by."""

    @property
    def description(self) -> object: ...
    @property
    def rowcount(self) -> int: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *raised: object) -> object: ...
    def execute(self, statement: str, values: tuple[object, ...] | None = None, /) -> object: ...
    def fetchall(self) -> Iterable[Row]: ...


class Connection(Protocol):
    """What the drivers' connections have in common."""

    def cursor(self) -> Cursor: ...
    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def close(self) -> None: ...


class Database(ABC):
    """One database behind one connection. Errors are the driver's own; the output sorts them."""

    system = ""
    name_bytes: int | None = None
    """The most bytes of a name, where the server cuts longer ones in silence."""

    tells_case = True
    """Whether names that differ only by case are two."""

    def __init__(self, secrets: Mapping[str, object]) -> None:
        self.connection: Connection | None = None
        self.secrets = secrets  # the settings: some of them are never shown

    @property
    @abstractmethod
    def place(self) -> str:
        """Where it is, as a URL without the password."""

    @abstractmethod
    def connect(self) -> None:
        """Connect, and fix the session's settings."""

    @abstractmethod
    def is_lost(self, error: Exception) -> bool:
        """Whether the connection is gone, or the server is away for a while."""

    @abstractmethod
    def is_busy(self, error: Exception) -> bool:
        """Whether the transaction was the victim of a deadlock or a wait that took too long."""

    @abstractmethod
    def quoted(self, name: str) -> str:
        """A name as an identifier."""

    @abstractmethod
    def sql_type(self, column: Column) -> str:
        """The type of a column."""

    @abstractmethod
    def exists(self, table: str) -> bool:
        """Whether the table is there."""

    @abstractmethod
    def create(self, shape: Shape, *, temporary: bool = False) -> list[str]:
        """The statements that make the table."""

    @abstractmethod
    def described(self, table: str) -> dict[str, str]:
        """What the server says of a table: the type of each column, and ``PRIMARY KEY``."""

    @abstractmethod
    def insert(self, shape: Shape, table: pa.Table) -> int:
        """Add rows; those that are there already stay as they are. Returns how many are new."""

    @abstractmethod
    def upsert(self, shape: Shape, table: pa.Table) -> None:
        """Add rows, or replace those of the same key."""

    def quotable(self, error: Exception) -> Exception | None:
        """The driver's exception, to be chained to ours, unless it holds a secret."""
        return quotable(error, self.secrets)

    def execute(self, statement: str, *values: object) -> list[Row]:
        """Run one statement, its values passed by the driver; the rows that it gives."""
        assert self.connection is not None
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall()) if cursor.description else []

    def commit(self) -> None:
        """Commit the transaction."""
        assert self.connection is not None
        self.connection.commit()

    def rollback(self) -> None:
        """Roll back the transaction; a connection that is gone has done so."""
        with suppress(Exception):
            if self.connection is not None:
                self.connection.rollback()

    def close(self) -> None:
        """Close the connection, whatever state it is in."""
        connection, self.connection = self.connection, None
        if connection is not None:
            with suppress(Exception):
                connection.close()

    def columns(self, shape: Shape) -> str:
        """The names of the table's columns, for a statement."""
        return ", ".join(self.quoted(column.name) for column in shape.columns)

    def definitions(self, shape: Shape) -> list[str]:
        """The lines of a CREATE TABLE that every dialect has."""
        lines = []
        for column in shape.columns:
            bound = "NOT NULL" if not column.nullable or column.name in shape.key else "NULL"
            lines.append(f"{self.quoted(column.name)} {self.sql_type(column)} {bound}")
        return [*lines, f"PRIMARY KEY ({', '.join(map(self.quoted, shape.key))})"]

    def check_shape(self, shape: Shape) -> None:
        """Refuse a shape whose names the server would cut, could not hold, or take for one another."""
        for name in (shape.table, *(column.name for column in shape.columns)):
            self.check_name(name)
        twins = None if self.tells_case else differ_by_case(column.name for column in shape.columns)
        if twins:
            label = f"table {shape.table} would have the columns {twins[0]} and {twins[1]}"
            mend = f"rename one of the fields: to {self.system} they are one"
            raise OutputError(Diagnostic("two columns of one name", None, label, mend))

    def make(self, shape: Shape) -> bool:
        """Make the table, or hold the one that is there to the shape; whether it was made.

        Raises `OutputError` with the differences, column by column.
        """
        if not self.exists(shape.table):
            for statement in self.create(shape):
                self.execute(statement)
            return True
        for statement in self.create(Shape(SHAPE, shape.columns, shape.key), temporary=True):
            self.execute(statement)
        wanted, existing = self.described(SHAPE), self.described(shape.table)
        self.execute(f"DROP TABLE {self.quoted(SHAPE)}")
        lines = differences(wanted, existing)
        if lines:
            raise OutputError(
                Diagnostic(
                    f"table {shape.table} has another shape",
                    None,
                    "\n".join(lines),
                    "drop or rename it, or map the event type to another table; nothing was written",
                )
            )
        return False

    def check_name(self, name: str) -> None:
        """Refuse names that the server would cut or could not hold."""
        too_long = self.name_bytes is not None and len(name.encode()) > self.name_bytes
        if too_long or "\0" in name or not name:
            raise self.wrong_name(name, f"use at most {self.name_bytes or 64} bytes, without NUL")

    def wrong_name(self, name: str, mend: str) -> SettingsError:
        """The error for a name that the server would refuse, or cut in silence."""
        return SettingsError(Diagnostic("wrong name of a table or column", None, repr(name), mend))


def differences(wanted: dict[str, str], existing: dict[str, str]) -> list[str]:
    """What is different, a line each; a column that may be NULL holds what is never NULL.

    >>> print(*differences({"x": "bigint NOT NULL", "y": "int"}, {"x": "bigint", "z": "int"}), sep=chr(10))
    + y int is missing
    - z int is not a field
    """
    return [
        *(f"+ {name} {type_} is missing" for name, type_ in wanted.items() if name not in existing),
        *(f"- {name} {type_} is not a field" for name, type_ in existing.items() if name not in wanted),
        *(
            f"~ {name} is {existing[name]}, and must be {type_}"
            for name, type_ in wanted.items()
            if name in existing and existing[name] not in (type_, type_.removesuffix(" NOT NULL"))
        ),
    ]
