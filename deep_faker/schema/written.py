"""Values as they are written → events, for whoever takes events one by one."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pydantic
from pydantic.fields import FieldInfo

from deep_faker.schema.events import BaseEvent, EventSpec
from deep_faker.schema.fields import FieldSpec
from deep_faker.schema.kinds import member_key, members


class EventReader:
    """Makes events of one type from columns of written values (a UUID as text, a dictionary as JSON).

    The values are valid already: no validator of the event runs a second time.

    >>> from deep_faker.schema import event_spec
    >>> class Signup(BaseEvent):
    ...     key: uuid.UUID
    >>> [event] = EventReader(event_spec(Signup)).events({"key": ["00000000-0000-0000-0000-000000000001"]})
    >>> event.key.int
    1
    """

    def __init__(self, spec: EventSpec) -> None:
        self._cls = spec.cls
        self._readers = {field.name: _reader(field) for field in spec.columns}
        self._keywords = {name: _keyword(name, info) for name, info in spec.cls.model_fields.items()}

    def events(self, columns: Mapping[str, Sequence[Any]]) -> Iterator[BaseEvent]:
        """One event a row; what is computed computes itself."""
        names = [name for name in columns if name in self._keywords]
        keywords = [self._keywords[name] for name in names]
        read = [self._read(name, columns[name]) for name in names]
        for row in zip(*read, strict=True):
            yield self._cls.model_construct(**dict(zip(keywords, row, strict=True)))

    def _read(self, name: str, values: Sequence[Any]) -> Sequence[Any]:
        reader = self._readers.get(name)
        return values if reader is None else [None if v is None else reader(v) for v in values]


def read_values(field: FieldSpec, values: Sequence[Any]) -> list[Any]:
    """Values as they are written as the field's own: UUIDs, parsed JSON; instants as everywhere in a flow."""
    reader = None if (field.enum is not None and field.kind != "json") or field.aware else _reader(field)
    return list(values) if reader is None else [None if v is None else reader(v) for v in values]


def _keyword(name: str, info: FieldInfo) -> str:
    """The keyword by which ``model_construct`` takes a field."""
    alias = info.validation_alias or info.alias
    return alias if isinstance(alias, str) else name


def _reader(field: FieldSpec) -> Callable[[Any], Any] | None:
    """What makes a written value the field's own again; None where it is."""
    if field.enum is not None and field.kind == "json":
        found = members(field.enum)
        return lambda text: found[member_key(_parsed(text))]
    if field.enum is not None and field.kind == "uuid":
        made = field.enum
        return lambda text: made(uuid.UUID(text))
    if field.enum is not None:
        return field.enum
    if field.kind == "uuid":
        return uuid.UUID
    if field.kind == "decimal":
        return Decimal
    if field.aware:
        return lambda value: value.replace(tzinfo=dt.UTC)
    if field.kind not in ("json", "text"):
        return None
    adapter = pydantic.TypeAdapter(field.annotation)

    def read(value: Any) -> Any:
        try:
            if field.kind == "json" and isinstance(value, str):
                return adapter.validate_json(value)
            return adapter.validate_python(value)
        except pydantic.ValidationError:  # a serializer's text need not be one that the type takes
            return value

    return read


def _parsed(text: str) -> Any:
    """A value that is kept as JSON; a text by itself is one that JSON lines have without its quotes."""
    try:
        return json.loads(text)
    except ValueError:
        return text
