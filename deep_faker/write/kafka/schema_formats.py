"""Event types as Avro, Protobuf and JSON Schema: the schema's text, and tables as values of it."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.errors import Diagnostic, OutputError
from deep_faker.write.frames import plain, plain_type
from deep_faker.write.kafka import row_bytes as rb
from deep_faker.write.lines.json_lines import nested_columns, table_lines
from deep_faker.write.lines.json_texts import json_texts, scalar_texts, split_lines
from deep_faker.write.trees import one_array

if TYPE_CHECKING:
    from deep_faker.declare.schema import EventSpec

NAMESPACE = "deep_faker"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class EventFormat(ABC):
    """One event type in one format. ``registry_type``: what a schema registry calls the format."""

    registry_type: str

    def __init__(self, name: str, schema: pa.Schema, spec: EventSpec | None) -> None:
        self.name, self.spec = name, spec
        # nested values but lists of texts and numbers are text there: JSON
        self._texts = {f.name for f in schema if pa.types.is_nested(f.type) and not self._is_plain(f)}
        self.fields = [
            pa.field(f.name, pa.string() if f.name in self._texts else plain_type(f.type), f.nullable)
            for f in schema
        ]
        self.kinds: Mapping[str, str] = {f.name: f.kind for f in spec.columns} if spec else {}

    @abstractmethod
    def schema_text(self) -> str:
        """The schema as it is registered."""

    @abstractmethod
    def encode(self, table: pa.Table, prefix: bytes) -> pa.Array:
        """Each row as one binary value that begins with ``prefix``."""

    def _is_plain(self, field: pa.Field) -> bool:
        spec = self.spec.by_name.get(field.name) if self.spec else None
        return pa.types.is_list(field.type) and (spec is None or spec.nested is None or spec.nested.plain)

    def _checked_names(self) -> None:
        for name in (self.name, *(f.name for f in self.fields)):
            if not _NAME.fullmatch(name):
                label = f"{self.registry_type} names have letters of ASCII, digits and '_' only"
                mend = 'rename it, or use value_format="json_schema"'
                raise OutputError(Diagnostic(f"{self.name}: {name!r} is no name", None, label, mend))

    def _columns(self, table: pa.Table) -> list[tuple[pa.Field, pa.Array]]:
        table = plain(table)
        out = []
        for f in self.fields:
            array = one_array(table[f.name])
            if f.name in self._texts:
                nothing = pa.scalar(None, pa.large_string())
                array = pc.if_else(array.is_valid(), json_texts(array), nothing).cast(f.type)
            if pa.types.is_list(array.type) and pc.list_flatten(array).null_count:
                label = f"{self.name}.{f.name} has a list with None in it"
                mend = "leave None out of the list"
                raise OutputError(Diagnostic(f"{self.registry_type} takes no such list", None, label, mend))
            out.append((f, array))
        return out


class AvroFormat(EventFormat):
    """A record; times are instants in microseconds, decimals Avro's own, nested values JSON text."""

    registry_type = "AVRO"

    def schema_text(self) -> str:
        self._checked_names()
        fields = []
        for f in self.fields:
            kind = self._type(f.type, self.kinds.get(f.name, ""))
            fields.append(
                {"name": f.name, "type": ["null", kind], "default": None}
                if f.nullable
                else {"name": f.name, "type": kind}
            )
        return json.dumps({"type": "record", "name": self.name, "namespace": NAMESPACE, "fields": fields})

    def _type(self, kind: pa.DataType, meaning: str) -> str | dict[str, object]:
        if pa.types.is_list(kind):
            return {"type": "array", "items": self._type(kind.value_type, "")}
        if pa.types.is_decimal128(kind):
            return {
                "type": "bytes",
                "logicalType": "decimal",
                "precision": kind.precision,
                "scale": kind.scale,
            }
        logical = {
            pa.timestamp("us"): ("long", "timestamp-micros"),
            pa.date32(): ("int", "date"),
            pa.time64("us"): ("long", "time-micros"),
        }.get(kind)
        if logical is not None:
            return {"type": logical[0], "logicalType": logical[1]}
        if meaning == "uuid":
            return {"type": "string", "logicalType": "uuid"}
        if pa.types.is_binary(kind):
            return "bytes"
        if pa.types.is_boolean(kind):
            return "boolean"
        if pa.types.is_floating(kind):
            return "double"
        # lengths of time are numbers of microseconds
        return "long" if pa.types.is_integer(kind) or pa.types.is_duration(kind) else "string"

    def encode(self, table: pa.Table, prefix: bytes) -> pa.Array:
        pieces = [rb.constant(prefix, table.num_rows)]
        for f, column in self._columns(table):
            value = self._value(column)
            if f.nullable:  # a union: its branch comes first
                branch = pc.if_else(pc.is_valid(column), pa.scalar(b"\x02"), pa.scalar(b"\x00"))
                pieces += [branch, *rb.where_valid(column, value)]
            else:
                pieces += value
        return rb.joined(pieces, table.num_rows)

    def _value(self, column: pa.Array) -> rb.Pieces:
        kind = column.type
        if pa.types.is_list(kind):
            counts, items = rb.of_lists(column, self._value)
            some = counts > 0  # one block of items, then an empty one, which ends the array
            block = rb.varint(rb.zigzag(counts[some]))
            spread = np.cumsum(some) - 1
            number = block.take(pa.array(np.where(some, spread, 0), mask=~some))
            return [number, items, rb.constant(b"\x00", len(column))]
        if pa.types.is_boolean(kind):
            return [rb.fixed(rb.booleans(column))]
        if pa.types.is_floating(kind):
            return [rb.fixed(rb.float64(column))]
        if pa.types.is_decimal128(kind):
            return [rb.constant(b"\x20", len(column)), rb.decimals(column)]
        if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
            return [rb.varint(rb.zigzag(rb.lengths(column))), column.cast(pa.large_binary())]
        return [rb.varint(rb.zigzag(rb.int64(column)))]


class ProtobufFormat(EventFormat):
    """A proto3 message whose fields are numbered in their order.

    Instants are ``google.protobuf.Timestamp``, lengths of time microseconds; dates, times of day,
    decimals, UUIDs and nested values (as JSON) are text.
    """

    registry_type = "PROTOBUF"

    def schema_text(self) -> str:
        self._checked_names()
        lines = ['syntax = "proto3";', f"package {NAMESPACE};"]
        if any(pa.types.is_timestamp(f.type) for f in self.fields):
            lines.append('import "google/protobuf/timestamp.proto";')
        lines.append(f"message {self.name} {{")
        for number, f in enumerate(self.fields, 1):
            repeated = pa.types.is_list(f.type)
            rule = "repeated " if repeated else "optional " if f.nullable else ""
            kind = self._type(f.type.value_type if repeated else f.type)
            lines.append(f"  {rule}{kind} {f.name} = {number};")
        return "\n".join([*lines, "}", ""])

    def _type(self, kind: pa.DataType) -> str:
        if pa.types.is_timestamp(kind):
            return "google.protobuf.Timestamp"
        if pa.types.is_binary(kind):
            return "bytes"
        if pa.types.is_boolean(kind):
            return "bool"
        if pa.types.is_floating(kind):
            return "double"
        return "int64" if pa.types.is_integer(kind) or pa.types.is_duration(kind) else "string"

    def encode(self, table: pa.Table, prefix: bytes) -> pa.Array:
        # after the schema's number: which of its messages this is, the first
        pieces = [rb.constant(prefix + b"\x00", table.num_rows)]
        for number, (f, column) in enumerate(self._columns(table), 1):
            pieces += self._field(number, f, column)
        return rb.joined(pieces, table.num_rows)

    def _field(self, number: int, f: pa.Field, column: pa.Array) -> rb.Pieces:
        if not pa.types.is_list(f.type):
            wire, value = self._value(column)
            return rb.where_valid(column, [rb.constant(_tag(number, wire), len(column)), *value])
        if self._type(f.type.value_type) in ("string", "bytes"):
            _, items = rb.of_lists(
                column, lambda flat: [rb.constant(_tag(number, 2), len(flat)), *self._value(flat)[1]]
            )
            return [items]
        _, items = rb.of_lists(column, lambda flat: self._value(flat)[1])
        # numbers are packed: one field that holds them all
        size = rb.lengths(items)
        return [rb.constant(_tag(number, 2), len(column)), rb.varint(size.astype(np.uint64)), items]

    def _value(self, column: pa.Array) -> tuple[int, rb.Pieces]:
        """The wire type and the bytes."""
        kind = column.type
        if pa.types.is_timestamp(kind):
            micros = rb.int64(column)
            parts = [
                rb.constant(b"\x08", len(column)),
                rb.varint((micros // 1_000_000).view(np.uint64)),
                rb.constant(b"\x10", len(column)),
                rb.varint((micros % 1_000_000 * 1000).view(np.uint64)),
            ]
            inner = rb.joined(parts, len(column))
            return 2, [rb.varint(rb.lengths(inner).astype(np.uint64)), inner]
        if pa.types.is_boolean(kind):
            return 0, [rb.fixed(rb.booleans(column))]
        if pa.types.is_floating(kind):
            return 1, [rb.fixed(rb.float64(column))]
        if pa.types.is_integer(kind) or pa.types.is_duration(kind):
            return 0, [rb.varint(rb.int64(column).view(np.uint64))]
        if pa.types.is_binary(kind):
            return 2, [rb.varint(rb.lengths(column).astype(np.uint64)), column.cast(pa.large_binary())]
        text = scalar_texts(column) if pa.types.is_decimal(kind) else column.cast(pa.large_string())
        return 2, [rb.varint(rb.lengths(text).astype(np.uint64)), text.cast(pa.large_binary())]


class JsonSchemaFormat(EventFormat):
    """The JSON of the other outputs, with the constraints of the pydantic fields in its schema."""

    registry_type = "JSON"
    _CHECKS = {  # noqa: RUF012 - a table
        "ge": "minimum",
        "gt": "exclusiveMinimum",
        "le": "maximum",
        "lt": "exclusiveMaximum",
        "multiple_of": "multipleOf",
        "min_length": "minLength",
        "max_length": "maxLength",
        "pattern": "pattern",
    }

    def schema_text(self) -> str:
        properties = {f.name: self._property(f) for f in self.fields}
        properties["event_type"] = {"const": self.name}
        schema = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": self.name,
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }
        return json.dumps(schema)

    def _property(self, f: pa.Field) -> dict[str, object]:
        kind = self.kinds.get(f.name, "")
        if kind == "json" and not pa.types.is_list(f.type):
            return {}  # a nested value: any JSON
        out = self._type(f.type)
        if kind in ("date", "time", "uuid"):
            out["format"] = kind
        spec = self.spec.column_names.get(f.name) if self.spec else None
        if spec is not None and spec.literal is not None and out["type"] in ("string", "integer", "boolean"):
            out["enum"] = list(spec.literal)
        if spec is not None and kind in ("int", "float", "str"):
            out |= {self._CHECKS[name]: value for name, value in spec.checks if name in self._CHECKS}
        if f.nullable:
            return {"anyOf": [out, {"type": "null"}]}
        return out

    def _type(self, kind: pa.DataType) -> dict[str, object]:
        if pa.types.is_list(kind):
            return {"type": "array", "items": self._type(kind.value_type)}
        if pa.types.is_boolean(kind):
            return {"type": "boolean"}
        if pa.types.is_floating(kind):
            return {"type": "number"}
        return {"type": "integer" if pa.types.is_integer(kind) else "string"}

    def encode(self, table: pa.Table, prefix: bytes) -> pa.Array:
        text = table_lines(self.name, table, nested_columns(self.spec))
        lines = split_lines(text)
        starts = np.frombuffer(lines.buffers()[1], np.int64)
        data = np.frombuffer(text, np.uint8)
        # without their newlines
        body = pa.LargeBinaryArray.from_buffers(
            pa.large_binary(),
            len(lines),
            [
                None,
                pa.py_buffer(starts - np.arange(len(starts))),
                pa.py_buffer(np.delete(data, starts[1:] - 1)),
            ],
        )
        return rb.joined([rb.constant(prefix, len(lines)), body], len(lines))


FORMATS: Mapping[str, type[EventFormat]] = {
    "avro": AvroFormat,
    "protobuf": ProtobufFormat,
    "json_schema": JsonSchemaFormat,
}


def _tag(number: int, wire: int) -> bytes:
    """What stands before a field of Protobuf: its number and how long it is."""
    tag: bytes = rb.varint(np.array([number << 3 | wire], np.uint64))[0].as_py()
    return tag
