"""Annotations → kinds: how a value is stored, and what of its type a whole column can check."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import functools
import json
import typing
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pydantic
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import to_jsonable_python
from pydantic_core.core_schema import no_info_plain_validator_function

Schema = Mapping[str, Any]
"""A core schema of pydantic, or a part of one: what stands under a key is as its type says."""
Schemas = Mapping[str, Schema]

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
    "bytes": bytes,
}
"""The Python type of every kind that has one."""

KINDS = (*SCALARS, "number", "text", "json")
"""``number``: an int or a float; ``text``: an object that pydantic writes as text, such as a URL; ``json``: a
nested value."""

DIGITS = (38, 10)
"""Digits of a Decimal that says nothing of them, and how many of these stand after the point."""
_MOST_DIGITS = 38  # of a decimal that every reader knows

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
_OF_JSON = (str, int, float, bool)  # what JSON gives back as it was
_UNWRITTEN = ("is-instance", "is-subclass", "callable")
_ZONES = ("aware", "naive")
_COMMON: Mapping[str, frozenset[str]] = {
    "number": frozenset({"int", "float"}),
    "text": frozenset({"str", "text"}),
}
_SHARED = ("bool", "int", "float", "str", "date", "time", "timedelta", "uuid", "bytes", "number", "text")
_JSON_TYPES = {"string": "text", "integer": "int", "number": "float", "boolean": "bool"}


@dataclass(frozen=True)
class Shape:
    """What an annotation means for a column.

    ``reason`` says why the values must go through pydantic one by one, or is None. ``aware``: instants with
    a zone. ``written`` is the shape of what a serializer makes of a value, None where a value is written as
    it is. ``refused`` says why there can be no column.
    """

    kind: str
    optional: bool = False
    literal: tuple[object, ...] | None = None
    checks: tuple[tuple[str, object], ...] = ()
    reason: str | None = None
    enum: type[enum.Enum] | None = None
    aware: bool = False
    written: Shape | None = None
    refused: str | None = None

    @property
    def digits(self) -> tuple[int, int] | None:
        """Precision and scale of a Decimal's column; None where no column holds all its values but text."""
        checks = dict(self.checks)
        places, digits = checks.get("decimal_places"), checks.get("max_digits")
        if self.literal is not None:
            return _digits_of([v for v in self.literal if isinstance(v, decimal.Decimal)])
        if isinstance(places, int):
            return decimal_digits(places, (digits if isinstance(digits, int) else _MOST_DIGITS) - places)
        return decimal_digits(digits, digits) if isinstance(digits, int) else DIGITS


def shape_of(annotation: object) -> Shape:
    """The shape of a type annotation.

    >>> shape = shape_of(int | None)
    >>> shape.kind, shape.optional, shape.reason
    ('int', True, None)
    >>> shape_of(list[str]).kind
    'json'
    """
    return shape_of_schema(adapter(annotation).core_schema, annotation)


def adapter(annotation: Any) -> pydantic.TypeAdapter[object]:
    """The validator of one annotation, made once."""
    try:
        return _cached_adapter(annotation)
    except TypeError:  # an annotation that cannot be hashed, such as Annotated[int, [..]]
        return pydantic.TypeAdapter(annotation)


@functools.lru_cache(maxsize=1024)
def _cached_adapter(annotation: Any) -> pydantic.TypeAdapter[object]:
    return pydantic.TypeAdapter(annotation)


def shape_of_schema(schema: Schema, annotation: object, refs: Schemas | None = None) -> Shape:
    """The shape that a pydantic core schema describes.

    The core schema is read, not the annotation: pydantic has already resolved NewType, Annotated,
    constrained aliases and forward references there, and every validator stands in it.
    """
    shape = _shape(schema, annotation, refs or {})
    serializer = schema.get("serialization")
    if serializer is None or not str(serializer["type"]).startswith("function-"):
        return shape
    return _with(shape, written=_written(serializer, shape), reason=shape.reason or _serializer(serializer))


def _shape(schema: Schema, annotation: object, refs: Schemas) -> Shape:
    kind = schema["type"]
    if kind == "definitions":
        definitions = {**refs, **{d["ref"]: d for d in schema["definitions"]}}
        return shape_of_schema(schema["schema"], annotation, definitions)
    if kind == "definition-ref":
        return shape_of_schema(refs[schema["schema_ref"]], annotation, refs)
    if kind in ("default", "nullable", "model-field"):
        inner = shape_of_schema(schema["schema"], annotation, refs)
        return _optional(inner) if kind == "nullable" else inner
    if kind == "literal":
        return _of_values(tuple(schema["expected"]))
    if kind == "enum":
        return _of_enum(schema)
    if kind in SCALARS:
        return _of_scalar(kind, schema)
    if kind.startswith("function-") and "schema" in schema:
        inner = shape_of_schema(schema["schema"], annotation, refs)
        if inner.kind != "json" and inner.refused is None:
            return _with(inner, reason=inner.reason or f"validator {_function_name(schema)}")
    if kind == "union":
        return _of_union(schema, annotation, refs)
    if kind == "any" or (kind in ("list", "dict") and _is_plain(schema)):
        return Shape("json", optional=kind == "any")
    return _of_written(schema, annotation, refs)


@functools.lru_cache(maxsize=256)
def members(cls: type[enum.Enum]) -> Mapping[str, enum.Enum]:
    """An Enum's members by `member_key` of what is written of them.

    >>> class Size(enum.Enum):
    ...     SMALL = (1, 2)
    >>> members(Size)[member_key([1, 2])]
    <Size.SMALL: (1, 2)>
    """
    return {member_key(member.value): member for member in cls}


def member_key(value: object) -> str:
    """A value that JSON has, as a text that is the same for a tuple and a list."""
    return json.dumps(to_jsonable_python(value, fallback=str), sort_keys=True)


def by_members(schema: Any) -> Any:
    """A core schema that takes an Enum's members by what JSON has of them: lists, texts."""
    if isinstance(schema, Mapping):
        if schema.get("type") == "enum" and any(type(m.value) not in _OF_JSON for m in schema["cls"]):
            by_key = members(schema["cls"])
            return no_info_plain_validator_function(lambda value: by_key.get(member_key(value), value))
        return {key: by_members(item) for key, item in schema.items()}
    return type(schema)(map(by_members, schema)) if type(schema) in (list, tuple) else schema


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


def _optional(shape: Shape) -> Shape:
    written = None if shape.written is None else _with(shape.written, optional=True)
    return _with(shape, optional=True, written=written)


def _with(shape: Shape, **changes: object) -> Shape:
    return Shape(**{**shape.__dict__, **changes})


def _of_scalar(kind: str, schema: Schema) -> Shape:
    checks = tuple((key, value) for key, value in schema.items() if key in _CHECKS)
    zone = schema.get("tz_constraint")
    # a column of instants is UTC: those with a zone are turned, those without are UTC
    known = {*_CHECKS, *_NEUTRAL, *({"tz_constraint"} if kind == "datetime" and zone in _ZONES else ())}
    others = [key for key in schema if key not in known]
    reason = f"constraint {', '.join(others)}" if others else None
    return Shape(kind, checks=checks, reason=reason, aware=kind == "datetime" and zone == "aware")


def _of_enum(schema: Schema) -> Shape:
    """An Enum's members by their values; a Flag's are any sum of them."""
    cls = schema["cls"]
    shape = _of_values(tuple(member.value for member in cls))
    if issubclass(cls, enum.Flag):
        return Shape("int", reason="its values are flags", enum=cls)
    return _with(shape, enum=cls, reason="its Enum has _missing_" if schema.get("missing") else shape.reason)


def _of_values(values: tuple[object, ...]) -> Shape:
    """The shape of a Literal or an Enum, whose stored values are ``values``."""
    stored = tuple(v.value if isinstance(v, enum.Enum) else v for v in values)
    present = tuple(v for v in stored if v is not None)
    types = {type(v) for v in present}
    kind = next((k for k, t in SCALARS.items() if types == {t}), None)
    if kind is None:
        return Shape("json", optional=None in stored, reason="Literal or Enum of mixed types")
    owners = {type(v) for v in values if v is not None}
    owner = owners.pop() if len(owners) == 1 else None
    members_of = owner if owner is not None and issubclass(owner, enum.Enum) else None
    return Shape(kind, optional=None in stored, literal=present, enum=members_of)


def _of_union(schema: Schema, annotation: object, refs: Schemas) -> Shape:
    """A union whose types have one column in common, such as two kinds of addresses, or numbers."""
    choices = [c[0] if isinstance(c, tuple) else c for c in schema["choices"]]
    shapes = [shape_of_schema(choice, annotation, refs) for choice in choices]
    kinds = {shape.kind for shape in shapes}
    kind = next((k for k, of in _COMMON.items() if kinds <= of), next(iter(kinds)))
    fits = len(kinds) == 1 or kind in _COMMON
    writes = any(shape.written is not None and shape.kind != "text" for shape in shapes)
    if not fits or writes or kind not in (*_SHARED, *_COMMON):
        return _of_written(schema, annotation, refs)
    return Shape(kind, any(shape.optional for shape in shapes), reason=f"type {type_name(annotation)}")


def _of_written(schema: Schema, annotation: object, refs: Schemas) -> Shape:
    """The shape of what pydantic writes for a type that is none of the scalars."""
    name = type_name(annotation)
    refused = Shape("json", reason=f"type {name}", refused=f"nothing says how {name} is written")
    if schema["type"] in _UNWRITTEN and "serialization" not in schema:
        return refused
    whole: Any = {"type": "definitions", "schema": schema, "definitions": list(refs.values())}
    try:
        described = GenerateJsonSchema().generate(whole, mode="serialization")
    except (pydantic.errors.PydanticInvalidForJsonSchema, pydantic.errors.PydanticUserError):
        return refused
    return Shape(_JSON_TYPES.get(str(described.get("type")), "json"), reason=f"type {name}")


def _written(serializer: Schema, shape: Shape) -> Shape | None:
    """The shape of what a serializer returns, as far as it says so."""
    returned = serializer.get("return_schema")
    if returned is None or returned["type"] == "any":
        if shape.kind == "text":  # a type's own, or one that writes text too
            return Shape("text", shape.optional)
        if str(getattr(serializer["function"], "__module__", "")).startswith("pydantic."):
            return None if shape.kind == "json" else Shape("text", shape.optional)  # secrets, encoded bytes
        refused = f"its serializer {_name_of(serializer)} does not say what it returns"
        return Shape(shape.kind, shape.optional, refused=refused)
    try:
        hint: object = typing.get_type_hints(serializer["function"]).get("return", object)
    except Exception:  # noqa: BLE001 - names for type checkers only; the schema has told the rest
        hint = object
    written = shape_of_schema(returned, hint)
    optional = written.optional or (shape.optional and "none" in str(serializer.get("when_used", "always")))
    return _with(written, optional=optional, literal=None, checks=(), written=None)


def _serializer(serializer: Schema) -> str:
    return f"serializer {_name_of(serializer)}"


def _name_of(schema: Schema) -> str:
    function = schema.get("function")
    return str(getattr(function, "__name__", None) or type(function).__name__)


def decimal_digits(places: int, whole: int) -> tuple[int, int] | None:
    """Precision and scale that hold so many digits after the point and before it, if a column can.

    >>> decimal_digits(2, 8), decimal_digits(100, 100)
    ((10, 2), None)
    """
    digits = max(places + max(whole, 0), 1)
    return (digits, places) if digits <= _MOST_DIGITS and places >= 0 else None


def _digits_of(values: Sequence[decimal.Decimal]) -> tuple[int, int] | None:
    if not all(value.is_finite() for value in values):
        return None
    places = max((max(-int(value.as_tuple().exponent), 0) for value in values), default=0)
    return decimal_digits(places, max((value.adjusted() + 1 for value in values), default=1))


def _is_plain(schema: Schema) -> bool:
    """Whether every list or every dict satisfies ``schema``."""
    parts = [schema.get(key, {"type": "any"}) for key in ("items_schema", "keys_schema", "values_schema")]
    known = {"items_schema", "keys_schema", "values_schema", *_NEUTRAL}
    return all(part["type"] == "any" for part in parts) and set(schema) <= known


def _function_name(schema: Schema) -> str:
    return _name_of(schema.get("function", {}))
