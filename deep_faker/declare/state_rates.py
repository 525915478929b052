"""Rates that follow from an entity's state: ``rate=lambda user: user.activity / 86_400`` (T15)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from deep_faker.declare.schema import EntitySpec
from deep_faker.errors import DeclarationError, Diagnostic
from deep_faker.spans import Span

_KINDS = ("int", "float", "bool")


class Columns:
    """State of many entities, a column for each attribute that a rate reads; ``asked``: which."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self.__dict__["_columns"], self.__dict__["asked"] = columns, {}

    def __getattr__(self, name: str) -> Any:
        columns = self.__dict__["_columns"]
        if name not in columns:
            raise AttributeError(name)
        self.__dict__["asked"][name] = None
        return columns[name]


def fields_of(function: Callable[[Any], object], spec: EntitySpec, span: Span | None) -> Sequence[str]:
    """The state fields that a rate reads.

    Raises `DeclarationError` where it is no arithmetic of numbers of the entity's state.
    """
    numbers = {s.name: np.ones(2) for s in spec.states if s.kind in _KINDS and not s.optional}
    columns = Columns(numbers)
    try:
        rate = np.asarray(function(columns), np.float64)
    except AttributeError as error:
        known = ", ".join(numbers) or "none"
        label = f"the rate reads {error.name!r}; numbers of {spec.name} that are never None: {known}"
        raise _wrong(span, label, "keep what it hangs on in such a field") from error
    except Exception as error:
        label = f"{type(error).__name__}: {error}"
        mend = "write it as arithmetic of columns: lambda user: user.activity / 86_400; numpy.where for an if"
        raise _wrong(span, label, mend) from error
    if rate.shape not in ((), (2,)):
        raise _wrong(span, f"it gives {rate.shape} values for 2 entities", "give one number for each")
    if not columns.asked:
        raise _wrong(span, "it reads no state", 'write it as text: rate="3/day"')
    return tuple(columns.asked)


def _wrong(span: Span | None, label: str, mend: str) -> DeclarationError:
    return DeclarationError(Diagnostic("a rate that is none", span, label, mend))
