"""Tables of MySQL and MariaDB: their columns from the events' fields, and whether existing ones fit."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pyarrow as pa

from deep_faker.errors import Diagnostic, OutputError, SettingsError
from deep_faker.outputs.frames import plain_schema
from deep_faker.schema import EventSpec

_KEY = "VARCHAR(255) COLLATE utf8mb4_bin"  # as long as an index takes
_LONGEST = 64


def quoted(name: str) -> str:
    """An identifier.

    >>> print(quoted("a`b"))
    `a``b`
    """
    return "`" + name.replace("`", "``") + "`"


def checked_names(names: Collection[str]) -> None:
    """Raise `SettingsError` for names that the server would refuse, or cut."""
    for name in names:
        if len(name) > _LONGEST or "\0" in name or name.endswith(" ") or any(ord(c) > 0xFFFF for c in name):
            mend = f"use at most {_LONGEST} characters, without a space at the end"
            raise SettingsError(Diagnostic("wrong name of a table or column", None, repr(name), mend))


def create_table(
    table: str,
    schema: pa.Schema,
    *,
    keys: Collection[str] = (),
    spec: EventSpec | None = None,
    primary: Sequence[str] = ("sys__ets", "sys__eid"),
    temporary: bool = False,
) -> str:
    """The statement that makes a table for rows of ``schema``; ``keys`` are indexed.

    >>> print(create_table("t", pa.schema([pa.field("sys__ets", pa.int64(), nullable=False)])))
    CREATE TABLE IF NOT EXISTS `t` (
      `sys__ets` BIGINT NOT NULL
    ) DEFAULT CHARACTER SET utf8mb4
    """
    schema = plain_schema(schema)
    lines = [
        f"  {quoted(f.name)} {_sql_type(f, f.name in keys or f.name in primary, spec)}"
        f"{'' if f.nullable and f.name not in primary else ' NOT NULL'}"
        for f in schema
    ]
    if set(primary) <= set(schema.names):
        # In order of time: faster to fill and smaller than a key in random order.
        lines.append(f"  PRIMARY KEY ({', '.join(map(quoted, primary))})")
    lines += [f"  KEY ({quoted(name)})" for name in schema.names if name in keys and name not in primary]
    body = ",\n".join(lines)
    kind = "TEMPORARY TABLE" if temporary else "TABLE IF NOT EXISTS"
    return f"CREATE {kind} {quoted(table)} (\n{body}\n) DEFAULT CHARACTER SET utf8mb4"


def check_shape(cursor: Any, table: str, statement: str) -> None:
    """Raise `OutputError` with a diff where the existing ``table`` differs from what ``statement`` makes.

    The server itself says what the statement means: a temporary table is made by it.
    """
    shape = "deep_faker_shape"
    cursor.execute(f"DROP TEMPORARY TABLE IF EXISTS {quoted(shape)}")
    cursor.execute(
        statement.replace(f"TABLE IF NOT EXISTS {quoted(table)}", f"TEMPORARY TABLE {quoted(shape)}", 1)
    )
    wanted, found = _columns(cursor, shape), _columns(cursor, table)
    cursor.execute(f"DROP TEMPORARY TABLE {quoted(shape)}")
    lines = [f"+ {name} {wanted[name]} is missing" for name in wanted if name not in found]
    lines += [f"- {name} {found[name]} is not a field" for name in found if name not in wanted]
    lines += [
        f"~ {name} is {found[name]}, and must be {wanted[name]}"
        for name in wanted
        if name in found and found[name] != wanted[name]
    ]
    if lines:
        mend = "drop or rename it, or map the event type to another table"
        raise OutputError(Diagnostic(f"table {table} has another shape", None, "\n".join(lines), mend))


def _columns(cursor: Any, table: str) -> dict[str, str]:
    cursor.execute(f"SHOW FULL COLUMNS FROM {quoted(table)}")
    # Field, Type, Collation, Null, Key, …
    return {
        row[0]: " ".join(
            [row[1], *([f"COLLATE {row[2]}"] if row[2] else []), "NULL" if row[3] == "YES" else "NOT NULL"]
        )
        for row in cursor.fetchall()
    }


def _sql_type(field: pa.Field, key: bool, spec: EventSpec | None) -> str:
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
    if pa.types.is_list(kind):
        return "JSON"
    longest = _longest(spec, field.name)
    if longest is not None:
        return f"VARCHAR({longest}) COLLATE utf8mb4_bin"
    return _KEY if key else "LONGTEXT COLLATE utf8mb4_bin"


def _longest(spec: EventSpec | None, name: str) -> int | None:
    """The most characters that the field's declaration allows, where it says so."""
    field = spec.by_name.get(name) if spec is not None else None
    if field is None:
        return None
    if field.literal is not None and all(isinstance(value, str) for value in field.literal):
        return max(len(str(value)) for value in field.literal)
    found = dict(field.checks).get("max_length")
    return found if isinstance(found, int) and found <= 1000 else None
