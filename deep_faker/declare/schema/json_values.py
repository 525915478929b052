"""Values as they are written ↔ the fields' own: for whoever takes events one by one."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import pydantic
from pydantic_core import SchemaValidator

from deep_faker.declare.schema.events import BaseEvent, EventSpec, Rejection, event_spec, serializer, to_kind
from deep_faker.declare.schema.fields import FieldSpec
from deep_faker.declare.schema.kinds import adapter, member_key, members
from deep_faker.declare.schema.nested import in_order, keyword
from deep_faker.declare.schema.scalars import scalar_reader

Validator = SchemaValidator | pydantic.TypeAdapter[object]

_ANY = pydantic.TypeAdapter[object](Any)
NOT_JSON = "JSON has no NaN and no infinity, and null would be another value"


class EventReader:
    """Makes events of one type from columns of written values (a UUID as text, a set as a list).

    The values are valid already: no validator of the event runs a second time.

    >>> from deep_faker.declare.schema import event_spec
    >>> class Signup(BaseEvent):
    ...     tags: set[str]
    >>> [event] = EventReader(event_spec(Signup)).events({"tags": [["new"]]})
    >>> event.tags
    {'new'}
    """

    def __init__(self, spec: EventSpec) -> None:
        self._cls = spec.cls
        fields = spec.by_name
        self._readers = {
            column.name: reader(column)
            if fields.get(column.name) is column
            else _unserialized(spec.validators[column.name])
            for column in spec.columns
            if column.name in fields
        }
        self._keywords = {name: keyword(name, info) for name, info in spec.cls.model_fields.items()}

    def events(self, columns: Mapping[str, Sequence[object]]) -> Iterator[BaseEvent]:
        """One event a row; what is computed computes itself."""
        names = [name for name in columns if name in self._keywords]
        keywords = [self._keywords[name] for name in names]
        read = [self._read(name, columns[name]) for name in names]
        for row in zip(*read, strict=True):
            yield self._cls.model_construct(**dict(zip(keywords, row, strict=True)))

    def _read(self, name: str, values: Sequence[object]) -> Sequence[object]:
        read = self._readers.get(name)
        return values if read is None else [None if v is None else read(v) for v in values]


def reader(field: FieldSpec) -> Callable[[Any], object] | None:
    """What makes a written value the field's own again; None where it is."""
    if field.nested is not None:
        return field.nested.read
    if field.kind not in ("json", "text"):
        return scalar_reader(field.kind, field.enum, aware=field.aware)
    if field.enum is not None:  # of values that are no scalars, which pydantic does not know from JSON
        by_key = members(field.enum)
        return lambda text: by_key[member_key(_parsed(text))]
    validator: Validator = adapter(field.annotation)
    if field.owner is not None and issubclass(field.owner, BaseEvent):
        validator = event_spec(field.owner).readers[field.name]
    if field.kind == "text":
        return _unserialized(validator)

    def read(text: str) -> object:
        try:
            return validator.validate_json(text, by_name=True, by_alias=True)
        except pydantic.ValidationError:  # a serializer wrote what no validator takes
            return _parsed(text)

    return read


def _unserialized(validator: Validator) -> Callable[[object], object]:
    """What makes a serializer's text a value again; where the type does not take it, it stays as it is."""

    def read(written: object) -> object:
        try:
            return validator.validate_python(written)
        except pydantic.ValidationError:
            return written

    return read


def _parsed(text: str) -> object:
    """A value that is kept as JSON; a text by itself is one that JSON lines have without its quotes."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def of_json(field: FieldSpec, value: object) -> object | Rejection:
    """What the field's validation makes of a value that JSON has, where members of an Enum are texts."""
    refused = to_kind(field, value)
    if not isinstance(refused, Rejection) or field.owner is None or not issubclass(field.owner, BaseEvent):
        return refused
    try:
        typed: object = event_spec(field.owner).readers[field.name].validate_python(value)
    except Exception:  # noqa: BLE001 - a validator of the user's may raise anything; the first reason stands
        return refused
    return typed


def json_value(field: FieldSpec, value: object) -> object:
    """What pydantic writes of a nested value as JSON, its sets in order.

    >>> class Signup(BaseEvent):
    ...     extra: dict[str, set[int] | str]
    >>> json_value(event_spec(Signup).by_name["extra"], {"seen": {10, 9}})
    {'seen': [9, 10]}
    """
    written = serializer(field).to_python(value, mode="json", warnings=False, fallback=str)
    return _settled(value, written)


def jsonable(value: object) -> object:
    """A value of no known type as pydantic writes it in JSON, its sets in order; what it knows not as text.

    >>> import uuid
    >>> jsonable({uuid.UUID(int=1): {"b", "a"}})
    {'00000000-0000-0000-0000-000000000001': ['a', 'b']}
    """
    return _settled(value, _ANY.dump_python(value, mode="json", warnings=False, fallback=str))


def _settled(value: object, written: object) -> object:
    """JSON with its sets in order, which only the value tells from lists."""
    if isinstance(written, list):
        if not isinstance(value, Collection) or isinstance(value, Mapping):
            return written
        items = [_settled(each, item) for each, item in zip(value, written, strict=False)]
        if len(items) < len(written):
            return written
        return in_order(items) if isinstance(value, (set, frozenset)) else items
    if isinstance(written, dict):
        inner = _parts(value)
        return {key: _settled(inner.get(key, item), item) for key, item in written.items()}
    if written is None and isinstance(value, float):  # of no type, a NaN is null to pydantic
        raise ValueError(NOT_JSON)
    return written


def _parts(value: object) -> Mapping[str, object]:
    """The parts of a mapping, a model or a dataclass by the keys that JSON has."""
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items()}
    if isinstance(value, pydantic.BaseModel):
        out = dict(value)
        aliases = {info.serialization_alias or info.alias: n for n, info in type(value).model_fields.items()}
        return {**{alias: out[name] for alias, name in aliases.items() if alias and name in out}, **out}
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
    return {}
