"""Scalars of one kind ↔ what is written of them: in columns of their own, and within lists and records."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pydantic


def scalar_writer(kind: str, enum_class: type[enum.Enum] | None = None) -> Callable[[object], object] | None:
    """What makes of a value of the kind what Arrow takes; None where it is that.

    >>> scalar_writer("uuid")(uuid.UUID(int=1))
    '00000000-0000-0000-0000-000000000001'
    """
    if kind == "uuid":
        return lambda value: str(written_scalar(value))
    return written_scalar if enum_class is not None or kind in ("datetime", "time", "str", "int") else None


def scalar_reader(
    kind: str, enum_class: type[enum.Enum] | None = None, *, aware: bool = False
) -> Callable[[Any], object] | None:
    """What makes a written value the field's own again; None where it is."""
    if enum_class is not None and kind == "uuid":
        return lambda text: enum_class(uuid.UUID(text))
    if enum_class is not None:
        return enum_class
    if aware:
        return lambda value: value.replace(tzinfo=dt.UTC)
    return {"uuid": uuid.UUID, "decimal": Decimal}.get(kind)


_DURATION = pydantic.TypeAdapter(dt.timedelta)


def duration_text(value: dt.timedelta) -> str:
    """A length of time in ISO 8601, as pydantic writes it.

    >>> duration_text(dt.timedelta(days=1, seconds=1.5))
    'P1DT1.5S'
    """
    return str(_DURATION.dump_python(value, mode="json"))


def duration_of(text: str) -> dt.timedelta:
    """The length of time that `duration_text` wrote.

    >>> duration_of("P1DT1.5S").total_seconds()
    86401.5
    """
    return _DURATION.validate_python(text)


def written_scalar(value: object) -> object:
    """A member of an Enum as its value, an instant as UTC without a zone, anything else as it is.

    Raises `ValueError` for a time of day with a zone, which says nothing without its date.
    """
    if isinstance(value, dt.time) and value.tzinfo is not None:
        raise ValueError("a time of day has no zone here")
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.astimezone(dt.UTC).replace(tzinfo=None)
    return value.value if isinstance(value, enum.Enum) else value
