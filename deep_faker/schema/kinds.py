"""Annotations → kinds: how a value is stored, and what of its type a whole column can check."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import functools
import typing
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pydantic

SCALARS: Mapping[str, type] = {
    "bool": bool,
    "int": int,
    "float": float,
    "str": str,
    "datetime": dt.datetime,
    "date": dt.date,
    "time": dt.time,
    "timedelta": dt.timedelta,
    "decimal": decimal.Decimal,
    "uuid": uuid.UUID,
}
"""The Python type of every kind but ``json``."""

KINDS = (*SCALARS, "json")

# Keys of pydantic's core schemas that are constraints on a column of the kind.
_CHECKS = frozenset(
    "ge gt le lt multiple_of min_length max_length pattern max_digits decimal_places allow_inf_nan".split()
)
# Keys that say nothing about which values are allowed once they are of the exact type.
_NEUTRAL = frozenset(
    "type ref metadata serialization strict microseconds_precision "
    "coerce_numbers_to_str regex_engine "
    "ser_json_timedelta ser_json_bytes val_json_bytes mode fail_fast".split()
)
_JSON_TYPES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}


@dataclass(frozen=True)
class Shape:
    """What an annotation means for a column.

    ``reason`` says why the values must go through pydantic one by one, or is None.
    """

    kind: str
    optional: bool = False
    literal: tuple[object, ...] | None = None
    checks: tuple[tuple[str, object], ...] = ()
    reason: str | None = None
    enum: type[enum.Enum] | None = None


def shape_of(annotation: object) -> Shape:
    """The shape of a type annotation.

    >>> shape_of(int | None)
    Shape(kind='int', optional=True, literal=None, checks=(), reason=None, enum=None)
    >>> shape_of(list[str]).kind
    'json'
    """
    return shape_of_schema(adapter(annotation).core_schema, annotation)


def adapter(annotation: Any) -> pydantic.TypeAdapter[Any]:
    """The validator of one annotation, made once."""
    try:
        return _cached_adapter(annotation)
    except TypeError:  # an annotation that cannot be hashed, such as Annotated[int, [..]]
        return pydantic.TypeAdapter(annotation)


@functools.lru_cache(maxsize=1024)
def _cached_adapter(annotation: Any) -> pydantic.TypeAdapter[Any]:
    return pydantic.TypeAdapter(annotation)


def shape_of_schema(
    schema: Mapping[str, Any], annotation: object, refs: Mapping[str, Mapping[str, Any]] | None = None
) -> Shape:
    """The shape that a pydantic core schema describes.

    The core schema is read, not the annotation: pydantic has already resolved NewType, Annotated,
    constrained aliases and forward references there, and every validator stands in it.
    """
    refs = refs or {}
    kind = schema["type"]
    if kind == "definitions":
        found = {**refs, **{d["ref"]: d for d in schema["definitions"]}}
        return shape_of_schema(schema["schema"], annotation, found)
    if kind == "definition-ref":
        return shape_of_schema(refs[schema["schema_ref"]], annotation, refs)
    if kind in ("default", "nullable", "model-field"):
        inner = shape_of_schema(schema["schema"], annotation, refs)
        return _with(inner, optional=inner.optional or kind == "nullable")
    if kind == "literal":
        return _of_values(tuple(schema["expected"]))
    if kind == "enum":
        members = tuple(member.value for member in schema["cls"])
        shape = _of_values(members)
        missing = schema.get("missing")
        return _with(shape, enum=schema["cls"], reason="its Enum has _missing_" if missing else shape.reason)
    if kind in SCALARS:
        return _of_scalar(kind, schema)
    if kind.startswith("function-") and "schema" in schema:
        inner = shape_of_schema(schema["schema"], annotation, refs)
        if inner.reason is None:
            return _with(inner, reason=f"validator {_function_name(schema)}")
    if kind == "any" or (kind in ("list", "dict") and _is_plain(schema)):
        return Shape("json", optional=kind == "any")
    return Shape(_written_as(annotation), reason=f"type {type_name(annotation)}")


def type_name(annotation: object) -> str:
    """How messages write a type.

    >>> type_name(int), type_name(dict[str, int])
    ('int', 'dict[str, int]')
    """
    if typing.get_origin(annotation) is typing.Annotated:
        return type_name(typing.get_args(annotation)[0])
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return annotation.__name__
    return str(annotation).replace("typing.", "")


def a_type(annotation: object) -> str:
    """A type with its article, for messages.

    >>> a_type(int), a_type(str)
    ('an int', 'a str')
    """
    name = type_name(annotation)
    return f"{'an' if name[:1].lower() in 'aeio' else 'a'} {name}"


def _with(shape: Shape, **changes: Any) -> Shape:
    return Shape(**{**shape.__dict__, **changes})


def _of_scalar(kind: str, schema: Mapping[str, Any]) -> Shape:
    checks = tuple((key, value) for key, value in schema.items() if key in _CHECKS)
    others = [key for key in schema if key not in _CHECKS and key not in _NEUTRAL]
    reason = f"constraint {', '.join(others)}" if others else None
    return Shape(kind, checks=checks, reason=reason)


def _of_values(values: tuple[object, ...]) -> Shape:
    """The shape of a Literal or an Enum, whose stored values are ``values``."""
    given = tuple(v.value if isinstance(v, enum.Enum) else v for v in values)
    present = tuple(v for v in given if v is not None)
    types = {type(v) for v in present}
    kind = next((k for k, t in SCALARS.items() if types == {t}), None)
    if kind is None:
        return Shape("json", optional=None in given, reason="Literal or Enum of mixed types")
    return Shape(kind, optional=None in given, literal=present)


def _is_plain(schema: Mapping[str, Any]) -> bool:
    """Whether every list or every dict satisfies ``schema``."""
    parts = [schema.get(key, {"type": "any"}) for key in ("items_schema", "keys_schema", "values_schema")]
    known = {"items_schema", "keys_schema", "values_schema", *_NEUTRAL}
    return all(part["type"] == "any" for part in parts) and set(schema) <= known


def _function_name(schema: Mapping[str, Any]) -> str:
    function = schema.get("function", {}).get("function")
    return str(getattr(function, "__name__", None) or type(function).__name__)


def _written_as(annotation: object) -> str:
    """The kind of what pydantic writes for a type that is none of the scalars."""
    try:
        described = adapter(annotation).json_schema(mode="serialization")
    except (pydantic.errors.PydanticInvalidForJsonSchema, pydantic.errors.PydanticUserError):
        return "json"
    return _JSON_TYPES.get(str(described.get("type")), "json")
