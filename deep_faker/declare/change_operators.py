"""The operators of `SetState`: a row each, which all that checks and makes changes reads."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from deep_faker.declare.operator_rows import LACKING, NUMBERS, ORDERED, Operator, by_name

_SUMS = ("int", "float", "decimal", "timedelta", "datetime")
_SPANS: Mapping[str, Literal["timedelta"]] = {"datetime": "timedelta", "date": "timedelta"}


@dataclass(frozen=True, kw_only=True)
class ChangeOperator(Operator):
    """One operator of `SetState`.

    ``fits`` are the kinds of fields that it changes, of which none may be None or a choice of values; None:
    all fields whatever. ``takes``: kind of field → kind of its value, where that is another. ``chooses``:
    what comes out is one of the two values, so a validator of the field still holds of it.

    ``made`` is (old, value) → new on Python values: its meaning. ``native``: kind of column → the change of
    `deep_faker.simulate.native.layout` by which the kernel makes it; of other kinds Python does. How columns
    are changed is in `deep_faker.simulate.columns.change_forms`.
    """

    fits: tuple[str, ...] | None = LACKING
    takes: Mapping[str, Literal["timedelta"]] = field(default_factory=dict)
    chooses: bool = LACKING
    made: Callable[[Any, Any], Any] = LACKING
    native: Mapping[str, str] = LACKING


CHANGE_OPERATORS: Final = by_name(
    ChangeOperator(
        name="is",
        signs=("=",),
        fits=None,
        chooses=True,
        made=lambda _, value: value,
        native={},  # a value is put down as it is, whatever its kind
    ),
    ChangeOperator(
        name="add",
        fits=_SUMS,
        takes=_SPANS,
        chooses=False,
        made=operator.add,
        native={
            "int": "K_ADD_INT",
            "timedelta": "K_ADD_INT",
            "float": "K_ADD_FLOAT",
            "datetime": "K_ADD_TIME",
            "date": "K_ADD_DATE",
        },
    ),
    ChangeOperator(
        name="subtract",
        fits=_SUMS,
        takes=_SPANS,
        chooses=False,
        made=operator.sub,
        native={
            "int": "K_SUB_INT",
            "timedelta": "K_SUB_INT",
            "float": "K_SUB_FLOAT",
            "datetime": "K_SUB_TIME",
            "date": "K_SUB_DATE",
        },
    ),
    ChangeOperator(
        name="multiply",
        fits=NUMBERS,
        chooses=False,
        made=operator.mul,
        native={"int": "K_MUL_INT", "float": "K_MUL_FLOAT"},
    ),
    ChangeOperator(
        name="min",
        fits=ORDERED,
        chooses=True,
        made=min,
        native={
            "int": "K_MIN_INT",
            "timedelta": "K_MIN_INT",
            "float": "K_MIN_FLOAT",
            "datetime": "K_MIN_INT",
            "date": "K_MIN_INT",
        },
    ),
    ChangeOperator(
        name="max",
        fits=ORDERED,
        chooses=True,
        made=max,
        native={
            "int": "K_MAX_INT",
            "timedelta": "K_MAX_INT",
            "float": "K_MAX_FLOAT",
            "datetime": "K_MAX_INT",
            "date": "K_MAX_INT",
        },
    ),
)
"""All of them by name, in the order in which messages list them; `is` alone needs no old value."""
