"""Recipes of event fields: their providers' steps, then conversion to the field's type and its checks.

A value that a column would convert or refuse by a rule of its own has no recipe, unless all of the few
values that there are have been converted and found allowed.
"""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from decimal import Decimal
from typing import Any

import pyarrow as pa

from deep_faker.compile.graph.inference import DIRECT
from deep_faker.declare.schema import FieldSpec
from deep_faker.errors import DeepFakerError
from deep_faker.fill.constraints import first_invalid
from deep_faker.fill.typed import typed_values
from deep_faker.plan import Type
from deep_faker.plan.conversion import convert
from deep_faker.plan.recipes import NoRecipeError, Recipe, Steps, Word
from deep_faker.plan.storage import from_arrow, one_from_storage
from deep_faker.values import Drawn, Provider

_MOST_VALUES = 1 << 16  # texts or objects of one field
_EXACT = 2**53
_DAY = 86_400_000_000
_SETTLED = (
    type(None),
    bool,
    int,
    float,
    str,
    bytes,
    dt.date,
    dt.time,
    dt.timedelta,
    Decimal,
    uuid.UUID,
    enum.Enum,
)
_BOUNDS: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "datetime": (dt.datetime,),
    "date": (dt.date,),
}
_LISTED = {"bool": pa.bool_(), "int": pa.int64(), "date": pa.date32()}


def field_recipe(provider: Provider, spec: FieldSpec, type_: Type) -> Recipe | None:
    """How the value of a field is computed as ``type_`` has it, None where that takes more than few steps."""
    if spec.runs_code:
        return None
    steps = Steps()
    try:
        drawn = provider.recipe(steps)
        if drawn is None:
            return None
        if drawn.values is None:
            word = _converted(drawn.word, provider.kind, spec, type_)
            if word is not None:
                return steps.recipe(type_, word)
            drawn = _listed(drawn.word, provider.kind)
        return _among(steps, drawn, provider.kind, spec, type_)
    except NoRecipeError:
        return None


# ---------------------------------------------------------------- numbers and times


def _converted(word: Word, kind: str, spec: FieldSpec, type_: Type) -> Word | None:
    """The value as one of the field's kind, None where the steps do not say it."""
    plain = spec.literal is None and spec.row_validated is None and spec.enum is None
    plain = plain and not (spec.aware and spec.checks)
    if type_.kind != spec.kind or spec.kind not in DIRECT or not plain:
        return None
    converted = _of_kind(word, kind, spec.kind)
    if converted is None or not all(_holds(name, bound, converted, type_) for name, bound in spec.checks):
        return None
    return converted


def _of_kind(word: Word, kind: str, wanted: str) -> Word | None:
    if kind == wanted:
        return word
    match kind, wanted:
        case (("bool" | "int"), "float") if max(-word.low, word.high) <= _EXACT:
            return word.to_float()
        case "bool", "int":
            return word.to_int()
        case "float", "int" if max(-word.low, word.high) < _EXACT:
            return word.rint().to_int()
        case "datetime", "date":
            return word // _DAY
        case "date", "datetime":
            return word * _DAY
    return None


def _holds(name: str, bound: object, word: Word, type_: Type) -> bool:
    """Whether all values between a word's bounds pass a check."""
    if name == "allow_inf_nan":
        return True  # no step gives such a float
    if type(bound) not in _BOUNDS.get(type_.kind, ()) or getattr(bound, "tzinfo", None) is not None:
        return False
    # values of the bound's own class, which compare
    low: Any = one_from_storage(word.low, null=False, type_=type_, texts=())
    high: Any = one_from_storage(word.high, null=False, type_=type_, texts=())
    match name:
        case "ge":
            return bool(low >= bound)
        case "gt":
            return bool(low > bound)
        case "le":
            return bool(high <= bound)
        case "lt":
            return bool(high < bound)
    return False


# ---------------------------------------------------------------- one of few values


def _listed(word: Word, kind: str) -> Drawn:
    """Small ranges of ints, of days, and booleans, as places among all that there are."""
    low, high = int(word.low), int(word.high)
    if kind not in _LISTED or high - low >= _MOST_VALUES:
        raise NoRecipeError
    index = word.to_int() if kind == "bool" else word
    values = pa.array(range(low, high + 1), pa.int32() if kind == "date" else pa.int64())
    return Drawn(index - low, values.cast(_LISTED[kind]))


def _among(steps: Steps, drawn: Drawn, kind: str, spec: FieldSpec, type_: Type) -> Recipe | None:
    assert drawn.values is not None
    if len(drawn.values) > _MOST_VALUES:
        return None
    try:
        column = convert(drawn.values, kind, spec)
        if first_invalid(column, spec) is not None:
            return None
    except DeepFakerError:  # some value has no place in the column: whoever draws it says so
        return None
    nulls = column.is_null().to_pylist()
    null = drawn.word.among(nulls) if any(nulls) and type_.optional else None
    if type_.kind in ("code", "str", "object"):
        values = tuple(typed_values(column, spec))
        if not all(isinstance(value, _SETTLED) for value in values):
            return None
        return steps.recipe(type_, drawn.word, values=values, null=null)
    stored, _ = from_arrow(column, type_)
    return steps.recipe(type_, drawn.word.among(stored.tolist()), null=null)
