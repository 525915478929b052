"""What a field's type and constraints demand of its values, by column.

The rules are pydantic's; what has no column form goes through pydantic value by value.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.declare.schema import FieldSpec, Rejection, validate_value
from deep_faker.declare.schema.kinds import SCALARS
from deep_faker.plan import arrow
from deep_faker.plan.conversion import parsed_values, to_arrow_list

_INT64 = range(-(2**63), 2**63)
_Mask = npt.NDArray[np.bool_]

_COMPARE: dict[str, Callable[[pa.Array, pa.Scalar], pa.Array]] = {
    "ge": pc.greater_equal,
    "gt": pc.greater,
    "le": pc.less_equal,
    "lt": pc.less,
}


def first_invalid(array: pa.Array, spec: FieldSpec) -> tuple[int, object, str] | None:
    """The first row whose value the field's type or constraints refuse: (row, value, reason).

    ``array`` already has the field's kind.

    >>> from deep_faker import BaseEvent, Field
    >>> from deep_faker.declare.schema import event_spec
    >>> class Signup(BaseEvent):
    ...     age: int = Field(ge=18)
    >>> first_invalid(pa.array([20, 17]), event_spec(Signup).by_name["age"])
    (1, 17, 'Input should be greater than or equal to 18')
    """
    valid = _valid(array, spec)
    if valid is None:
        return None
    wrong = np.flatnonzero(~valid)
    if not len(wrong):
        return None
    row = int(wrong[0])
    value = array[row].as_py()
    refused = validate_value(spec, value)
    reason = refused.reason if isinstance(refused, Rejection) else "the value is not allowed"
    return row, value, reason


def _valid(array: pa.Array, spec: FieldSpec) -> _Mask | None:
    """A mask of the values that are allowed, or None when all are."""
    if isinstance(array, pa.DictionaryArray):
        inner = _valid(array.dictionary, spec)
        nulls = _null_mask(array, spec)
        if inner is None or inner.all():
            return nulls
        indices = arrow.values(arrow.filled(array.indices, 0))
        known: _Mask = np.take(inner, indices) | arrow.values(array.is_null())
        return known if nulls is None else known & nulls
    ok = _null_mask(array, spec)
    for name, bound in spec.checks:
        mask = _check(array, name, bound, spec)
        if mask is not None:
            ok = mask if ok is None else ok & mask
    if spec.literal is not None:
        mask = _bools(pc.is_in(array, value_set=to_arrow_list(spec.literal, spec)), array)
        ok = mask if ok is None else ok & mask
    if spec.row_validated:
        rows = [not isinstance(validate_value(spec, v), Rejection) for v in parsed_values(array, spec)]
        mask = np.array(rows, bool)
        ok = mask if ok is None else ok & mask
    return ok


def _null_mask(array: pa.Array, spec: FieldSpec) -> _Mask | None:
    if spec.nullable or not array.null_count:
        return None
    return arrow.values(array.is_valid())


def _bools(mask: pa.Array, array: pa.Array) -> _Mask:
    """A mask with nulls taken for valid: whether None is allowed is another question."""
    out: _Mask = arrow.values(arrow.filled(mask, True))
    return np.logical_or(out, arrow.values(array.is_null())) if array.null_count else out


def _check(array: pa.Array, name: str, bound: object, spec: FieldSpec) -> _Mask | None:
    if name in _COMPARE and (known := _bound(spec, bound)) is not None:
        if isinstance(known, int) and known not in _INT64:  # every value lies on one side of it
            return None if (known > 0) == (name in ("le", "lt")) else np.zeros(len(array), bool)
        limit = arrow.scalar(known) if isinstance(known, (int, float)) else pa.scalar(known)
        return _bools(_COMPARE[name](array, limit), array)
    if name == "multiple_of" and spec.kind == "int" and type(bound) is int and bound in _INT64:
        values = arrow.values(arrow.filled(array, 0))
        return _bools(arrow.numbers(values % bound == 0), array)
    if name in ("min_length", "max_length") and spec.kind in ("str", "bytes"):
        lengths = pc.utf8_length(array) if spec.kind == "str" else pc.binary_length(array)
        return _bools(
            pc.greater_equal(lengths, bound) if name == "min_length" else pc.less_equal(lengths, bound), array
        )
    if name == "allow_inf_nan" and spec.kind in ("float", "decimal"):
        return None if bound or spec.kind == "decimal" else _bools(pc.is_finite(array), array)
    # A pattern, digits of a decimal: pydantic looks at each distinct value once.
    coded = array.dictionary_encode()
    allowed = [not isinstance(validate_value(spec, v), Rejection) for v in coded.dictionary.to_pylist()]
    indices = arrow.values(arrow.filled(coded.indices, 0))
    if not allowed:
        return None
    ok: _Mask = np.take(np.array(allowed, bool), indices) | arrow.values(array.is_null())
    return ok


def _bound(spec: FieldSpec, bound: object) -> object:
    """A bound that a whole column can be compared with; None where pydantic has to compare each value."""
    if spec.aware and isinstance(bound, dt.datetime):
        return bound.astimezone(dt.UTC).replace(tzinfo=None)
    if spec.kind == "float" and type(bound) is int and float(bound) == bound:
        return float(bound)
    if spec.kind not in ("int", "float", "datetime", "date", "timedelta", "str"):
        return None
    exact = type(bound) is SCALARS[spec.kind] and getattr(bound, "tzinfo", None) is None
    return bound if exact else None
