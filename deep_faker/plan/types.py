"""Static types of values, and expressions over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy.typing as npt

if TYPE_CHECKING:
    from deep_faker.spans import Place, Span


Kind = Literal[
    "bool", "int", "float", "code", "str", "datetime", "date", "timedelta", "entity", "object", "none"
]


Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Type:
    """The static type of a local, a state column or an event value.

    Storage, by kind: bool → bool, int → int64, float → float64, ``code`` → int32 index into
    ``Plan.texts`` (text whose every value is known when compiling), str → object array of ``str``,
    datetime and timedelta → int64 microseconds, date → int64 days since 1970, entity → int64 entity
    number (-1: none), object → object array of Python values. ``optional`` adds a bool mask array
    beside it, True where the value is None (never for entity, object and none).
    """

    kind: Kind
    optional: bool = False
    entity: str | None = None


@dataclass(frozen=True, slots=True)
class Expr:
    """A side-effect-free Python expression: ``text`` over local ``names`` and constant ``consts``.

    Draws, clock and entity reads have been taken out into operations of their own before it.
    ``by_row`` says why it cannot be done by column (None: it can). ``places``: of its nodes, by `ast.walk`.
    """

    text: str
    names: tuple[str, ...]
    consts: Mapping[str, object]
    type: Type
    span: Span
    by_row: str | None = None
    places: tuple[Place | None, ...] = field(default=(), compare=False, repr=False)
