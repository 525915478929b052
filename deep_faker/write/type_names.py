"""The names that columns' types have in a manifest."""

from __future__ import annotations

import json
import re

import pyarrow as pa

from deep_faker.errors import DatasetError, Diagnostic

JSON = "json"
"""The name of text that is JSON of its own, where lines of JSON hold it as it is."""

_BARE = re.compile(r"[^\W\d]\w*")
_QUOTED = json.JSONDecoder()


def type_name(kind: pa.DataType) -> str:
    """The name of a column's type in a manifest; `named_type` reads it.

    >>> type_name(pa.list_(pa.int64())), type_name(pa.timestamp("us"))
    ('list<int64>', 'timestamp[us]')
    >>> type_name(pa.struct([("x", pa.float64()), ("a b", pa.map_(pa.string(), pa.int64()))]))
    'struct<x: double, "a b": map<string, int64>>'
    """
    if pa.types.is_list(kind):
        return f"list<{type_name(kind.value_type)}>"
    if pa.types.is_map(kind):
        return f"map<{type_name(kind.key_type)}, {type_name(kind.item_type)}>"
    if pa.types.is_struct(kind):
        return f"struct<{', '.join(f'{_field(f.name)}: {type_name(f.type)}' for f in kind)}>"
    return str(kind)


def _field(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def named_type(name: str) -> pa.DataType:
    """The type that `type_name` gave this name. Raises `DatasetError` for any other text.

    >>> named_type("list<string>")
    ListType(list<item: string>)
    >>> named_type('struct<x: double, "a b": map<string, decimal128(38, 10)>>').field("a b").type
    MapType(map<string, decimal128(38, 10)>)
    """
    if name == JSON:
        return pa.string()
    try:
        kind, rest = _read(name)
    except (ValueError, RecursionError):
        rest = name
    if rest:
        raise DatasetError(Diagnostic(f"unknown column type {str(name)[:40]!r} in a manifest")) from None
    return kind


def _read(text: str) -> tuple[pa.DataType, str]:
    """The type that begins a text, and what follows it. Raises `ValueError` where none does."""
    if text.startswith("list<"):
        item, rest = _read(text[5:])
        return pa.list_(item), _after(rest, ">")
    if text.startswith("map<"):
        key, rest = _read(text[4:])
        item, rest = _read(_after(rest, ", "))
        return pa.map_(key, item), _after(rest, ">")
    if text.startswith("struct<"):
        return _struct(text[6:])
    found = re.match(r"decimal128\((\d+), (-?\d+)\)", text)
    if found:
        return pa.decimal128(int(found[1]), int(found[2])), text[found.end() :]
    zoned = re.match(r"timestamp\[(\w+), tz=([^]]+)\]", text)
    if zoned:
        return pa.timestamp(zoned[1], zoned[2]), text[zoned.end() :]
    scalar = re.match(r"\w+(\[\w+\])?", text)
    if scalar is None:
        raise ValueError(text)
    return pa.type_for_alias(scalar[0]), text[scalar.end() :]


def _struct(text: str) -> tuple[pa.DataType, str]:
    """The fields after each ``<`` or comma, up to the bracket that closes them."""
    fields: list[tuple[str, pa.DataType]] = []
    while not text.startswith(">"):
        text = _after(text, ", " if fields else "<")
        bare = _BARE.match(text)
        name, end = (bare[0], bare.end()) if bare else _QUOTED.raw_decode(text)
        kind, text = _read(_after(text[end:], ": "))
        fields.append((name, kind))
    return pa.struct(fields), text[1:]


def _after(text: str, sign: str) -> str:
    if not text.startswith(sign):
        raise ValueError(text)
    return text[len(sign) :]
