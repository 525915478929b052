"""The shape of a table for events or for entities, free of any dialect."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from deep_faker.declare.schema import EntitySpec, FieldSpec
from deep_faker.plan.conversion import arrow_type
from deep_faker.write.frames import plain_type
from deep_faker.write.protocol import RunInfo

KEY_SIZE = 255  # of a text key whose field sets no bound: an index needs one
_WIDEST = 1000  # a longer bound is not worth a VARCHAR: together they must fit a row of 64 KiB
_IDS = {"sys__eid": 12, "sys__sid": 8}


@dataclass(frozen=True)
class Column:
    """``kind``: id, uuid, text, bool, int, float, timestamp, date, time, duration, decimal, bytes or json.

    ``size`` is the number of characters (None: no bound) or of digits, ``scale`` of those after the point.
    """

    name: str
    kind: str
    nullable: bool
    size: int | None = None
    scale: int = 0


@dataclass(frozen=True)
class Shape:
    """One table: its columns, the primary key, and further columns with an index."""

    table: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    indexes: tuple[str, ...] = ()


def event_shape(table: str, schema: pa.Schema, fields: Mapping[str, FieldSpec], info: RunInfo) -> Shape:
    """The table of one event type: ordered by time, with an index on every entity key."""
    keys = {entity.primary_key for entity in info.entities.values()}
    columns = tuple(
        _column(f.name, f.type, nullable=f.nullable, spec=fields.get(f.name), key=f.name in keys)
        for f in schema
    )
    indexes = tuple(c.name for c in columns if c.name in keys and c.kind != "json")
    # In order of time: faster to fill and smaller than a key in random order.
    return Shape(table, columns, ("sys__ets", "sys__eid"), indexes)


def entity_shape(table: str, spec: EntitySpec) -> Shape:
    """The table of an entity type: its key, its state fields, and when it was born."""
    key = spec.key_field
    kind = arrow_type(key) if key else pa.string()
    columns = [_column(spec.primary_key, kind, nullable=False, spec=key, key=True)]
    columns += [
        _column(state.name, arrow_type(state), nullable=True, spec=state.as_field())
        for state in spec.states
        if state.name != spec.primary_key and not state.latent
    ]
    columns.append(Column("born", "timestamp", nullable=True))
    return Shape(table, tuple(columns), (spec.primary_key,))


def _column(
    name: str, type_: pa.DataType, *, nullable: bool, spec: FieldSpec | None, key: bool = False
) -> Column:
    if name in _IDS:
        return Column(name, "id", nullable, _IDS[name])
    kind = _kind(plain_type(type_))
    if spec is not None and kind == "text":
        if spec.kind == "uuid":
            return Column(name, "uuid", nullable, 36)
        if spec.kind == "json":
            return Column(name, "json", nullable)
        size = _length(spec)
        return Column(name, kind, nullable, size or (KEY_SIZE if key else None))
    if kind == "decimal":
        return Column(name, kind, nullable, type_.precision, type_.scale)
    if kind == "bytes":
        return Column(name, kind, nullable, KEY_SIZE if key else None)
    return Column(name, kind, nullable, KEY_SIZE if key and kind == "text" else None)


def _kind(type_: pa.DataType) -> str:
    tests: Iterator[tuple[str, Callable[[pa.DataType], bool]]] = iter(
        (
            ("bool", pa.types.is_boolean),
            ("int", pa.types.is_integer),
            ("float", pa.types.is_floating),
            ("timestamp", pa.types.is_timestamp),
            ("date", pa.types.is_date),
            ("time", pa.types.is_time),
            ("duration", pa.types.is_duration),
            ("decimal", pa.types.is_decimal),
            ("bytes", pa.types.is_binary),
            ("json", pa.types.is_nested),
        )
    )
    return next((kind for kind, test in tests if test(type_)), "text")


def _length(spec: FieldSpec) -> int | None:
    """The most characters that the field's own declaration allows."""
    checks = dict(spec.checks)
    if spec.literal is not None:
        most = max((len(str(value)) for value in spec.literal), default=1)
    elif isinstance(checks.get("max_length"), int):
        most = int(str(checks["max_length"]))
    else:
        return None
    # pydantic does not check a default
    default = getattr(spec.default, "value", spec.default) if spec.has_default else None
    most = max(most, len(default) if isinstance(default, str) else 0, 1)
    return most if most <= _WIDEST and spec.default_factory is None else None
