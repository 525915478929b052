"""Generated columns as Python values of their fields' types: what flows and state see of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from typing import Any

import pyarrow as pa

from deep_faker.declare.schema import FieldSpec
from deep_faker.declare.schema.usercode import maker_of
from deep_faker.plan.conversion import python_values


def typed_values(array: pa.Array, spec: FieldSpec) -> list[object]:
    """A column of a field's kind as values of its type: members of an Enum, UUIDs, decimals, models.

    Validators of the user's own have not seen them.

    >>> from deep_faker import BaseEvent
    >>> from deep_faker.declare.schema import event_spec
    >>> class Opened(BaseEvent):
    ...     limit: Decimal
    >>> typed_values(pa.array(["12.5000", None]), event_spec(Opened).by_name["limit"])
    [Decimal('12.5'), None]
    """
    values = python_values(array, spec)
    make = _maker(spec)
    return values if make is None else [None if value is None else make(value) for value in values]


def _maker(spec: FieldSpec) -> Callable[[Any], object] | None:
    if spec.enum is not None and spec.row_validated is None:
        return _member_of(spec.enum)
    if spec.kind == "uuid":
        return lambda value: value if isinstance(value, uuid.UUID) else uuid.UUID(value)
    if spec.kind == "decimal":
        return _without_zeros
    return (
        maker_of(spec.annotation)
        if spec.row_validated is not None and spec.kind not in ("json", "text")
        else None
    )


def _without_zeros(value: Decimal | str) -> Decimal:
    """A column's scale is the widest that fits: its zeros say nothing of the value."""
    text = format(Decimal(value), "f")
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)


def _member_of(cls: type[Enum]) -> Callable[[object], object]:
    def member(value: object) -> object:
        try:
            return cls(value)
        except ValueError:  # validation says so, with the flow's line
            return value

    return member
