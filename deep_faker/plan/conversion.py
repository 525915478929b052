"""Columns of one kind → columns of the annotated kind: what they are stored in, and how they get there."""

from __future__ import annotations

import datetime as dt
import functools
import json
import math
import typing
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.declare.schema import (
    FieldSpec,
    Nested,
    Rejection,
    StateSpec,
    json_value,
    jsonable,
    of_json,
    reader,
    text_of,
    to_kind,
    validate_value,
)
from deep_faker.declare.schema.events import serializer
from deep_faker.declare.schema.json_values import NOT_JSON
from deep_faker.declare.schema.kinds import DIGITS, member_key, members
from deep_faker.declare.schema.scalars import scalar_writer, written_scalar
from deep_faker.errors import Diagnostic, InvalidValueError, shown
from deep_faker.plan import arrow

T = TypeVar("T")

ARROW: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    "int": pa.int64(),
    "float": pa.float64(),
    "str": pa.string(),
    "datetime": pa.timestamp("us"),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timedelta": pa.duration("us"),
    "decimal": pa.decimal128(*DIGITS),
    "uuid": pa.string(),
    "bytes": pa.binary(),
    "number": pa.float64(),
    "text": pa.string(),
    "json": pa.string(),
}
_UNWRITABLE = (pa.ArrowException, ArithmeticError, TypeError, ValueError, KeyError)
"""What pyarrow, pydantic, json, decimal and Python raise for single values."""


def arrow_type(spec: FieldSpec | StateSpec) -> pa.DataType:
    """The Arrow type in which values of a field are written.

    Nested values are lists, maps and structs; those without a fixed structure are JSON text. A Decimal has
    the digits that its field says, and is text where these are too many for a column.

    >>> from deep_faker import BaseEvent
    >>> from deep_faker.declare.schema import event_spec
    >>> class Order(BaseEvent):
    ...     lines: list[dict[str, int]]
    ...     more: dict[str, Any]
    >>> fields = event_spec(Order).by_name
    >>> str(arrow_type(fields["lines"])), str(arrow_type(fields["more"]))
    ('list<item: map<string, int64>>', 'string')
    """
    return _scalar_type(spec.kind, spec.digits) if spec.nested is None else _nested_type(spec.nested)


def _scalar_type(kind: str, digits: tuple[int, int] | None) -> pa.DataType:
    if kind == "decimal":
        return pa.string() if digits is None else pa.decimal128(*digits)
    return ARROW[kind]


def _nested_type(nested: Nested) -> pa.DataType:
    if not nested.parts:
        if nested.shape is None:  # what pydantic writes as one text or number
            return ARROW[nested.kind]
        # within nested values nothing else can tell that an instant has its zone
        zoned = pa.timestamp("us", "UTC") if nested.shape.aware else None
        return zoned or _scalar_type(nested.kind, nested.shape.digits)
    parts = [_nested_type(part) for part in nested.parts]
    if nested.kind == "list":
        return pa.list_(*parts)
    return pa.map_(*parts) if nested.kind == "map" else pa.struct(list(zip(nested.names, parts, strict=True)))


class UnstorableError(InvalidValueError):
    """A value that its column cannot hold; whoever knows the field and the line says so of them."""

    def __init__(self, spec: FieldSpec, value: object, reason: str, mend: str) -> None:
        label = f"{spec.name} = {shown(value)}: {reason}"
        super().__init__(Diagnostic(f"{spec.name} cannot be written", spec.span, label, mend))
        self.value, self.reason, self.mend = value, reason, mend


def to_arrow_list(values: Sequence[object], spec: FieldSpec) -> pa.Array:
    """Python values (None included) of a field as an Arrow array.

    Raises `UnstorableError` with the first value that the column cannot hold.
    """
    try:
        return _arrow(values, spec)
    except _UNWRITABLE:
        for value in values:  # which one it was
            try:
                _arrow([value], spec)
            except _UNWRITABLE as error:
                raise UnstorableError(spec, value, *_why(value, spec, error)) from None
        raise


def _arrow(values: Sequence[object], spec: FieldSpec) -> pa.Array:
    if spec.kind == "json":
        return _nested_array(values, spec)
    type_ = arrow_type(spec)
    write: Callable[[Any], object] | None = {"text": text_of, "number": _exact_float}.get(spec.kind)
    if spec.kind == "decimal" and pa.types.is_string(type_):
        write = _decimal_text
    write_one: Callable[[Any], object] = write or scalar_writer(spec.kind, spec.enum) or written_scalar
    return pa.array([None if v is None else write_one(v) for v in values], type_, from_pandas=False)


def _decimal_text(value: object) -> str:
    return str(written_scalar(value))


def _exact_float(value: float | Decimal) -> float:
    if float(value) != value and not math.isnan(value):
        raise ValueError("not exact")
    return float(value)


def _nested_array(values: Sequence[object], spec: FieldSpec) -> pa.Array:
    nested, type_ = spec.nested, arrow_type(spec)
    if nested is None:
        texts = [None if v is None else _strict_json(json_value(spec, v)) for v in values]
        return pa.array(texts, type_)
    if nested.dumped:
        dump = serializer(spec).to_python
        values = [None if v is None else dump(v, warnings=False) for v in values]
    if nested.write is not None:
        values = [None if v is None else nested.write(v) for v in values]
    return pa.array(values, type_, from_pandas=False)


def _strict_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _why(value: object, spec: FieldSpec, error: Exception) -> tuple[str, str]:
    """Why a value is in no column of the field, and the mend."""
    if isinstance(error, UnicodeEncodeError):
        return "half of a surrogate pair is no text", "leave such characters out"
    if spec.kind == "json":
        reason = str(error).partition("\n")[0] or type(error).__name__
        if "JSON compliant" in reason:
            reason = NOT_JSON
        return reason, f"give {spec.name} values that its type can hold when it is written"
    if spec.kind == "decimal" and spec.digits is not None:
        digits, places = spec.digits
        reason = f"its column holds {digits - places} digits before the point and {places} after it"
        return reason, "give the field max_digits= and decimal_places= that hold its values, or round them"
    if spec.kind == "number":
        return "no float is this number", "let the field be an int"
    if isinstance(value, int):
        return "it does not fit in 64 bits", "keep it between -2**63 and 2**63 - 1, or let the field be a str"
    if isinstance(value, dt.timedelta):
        return "its microseconds do not fit in 64 bits", "keep it below 292,000 years"
    if isinstance(value, dt.time):
        return "a column of times of day has no zone", "give the time without one, or a datetime"
    return f"no value for a column of {arrow_type(spec)}: {error}", "give a value of the field's type"


def json_text(value: object) -> str:
    """A value as JSON: sets as sorted lists, bytes in hexadecimal, what else JSON does not know as text.

    >>> json_text({"a": (1, {"y", "x"})})
    '{"a": [1, ["x", "y"]]}'
    """
    try:
        return json.dumps(value, default=_jsonable, ensure_ascii=False)
    except TypeError:  # keys that json does not know
        return json.dumps(jsonable(value), ensure_ascii=False)


def _jsonable(value: object) -> object:
    if isinstance(value, (set, frozenset)):  # its order is the process's own
        return sorted(value, key=repr)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    return jsonable(value)


def parsed_values(array: pa.Array, spec: FieldSpec) -> list[object]:
    """A column of the field's kind as pydantic takes it: nested values typed, instants with their zone."""
    values: list[Any] = array.to_pylist()
    if spec.aware:
        return [None if value is None else value.replace(tzinfo=dt.UTC) for value in values]
    if spec.kind == "decimal" and not pa.types.is_decimal(array.type):
        return [None if value is None else Decimal(value) for value in values]
    if spec.kind == "uuid":  # a Literal of them takes no text
        values = [None if value is None else _made(UUID, value) for value in values]
    if spec.enum is not None and spec.kind != "json":  # a strict event takes members only
        return [None if value is None else _made(spec.enum, value) for value in values]
    read = reader(spec) if spec.kind == "json" else None
    return values if read is None else [None if value is None else read(value) for value in values]


def _made(make: Callable[[T], object], value: T) -> object:
    """What is made of a written value; where that cannot be, it stays as it is, for the field to refuse."""
    try:
        return make(value)
    except ValueError:
        return value


def _of_enum(values: list[object], spec: FieldSpec) -> list[object]:
    """What JSON has of an Enum's members, as the members: a tuple is a list there."""
    if spec.enum is None:
        return values
    by_key = members(spec.enum)
    return [value if value is None else by_key.get(member_key(value), value) for value in values]


def python_values(array: pa.Array, spec: FieldSpec) -> list[object]:
    """A column of the field's kind as Python values, nested ones as the field's type has them.

    Instants are UTC without a zone, as everywhere in a simulation.
    """
    if spec.aware:
        return array.to_pylist()  # type: ignore[no-any-return]  # pyarrow is untyped
    values = parsed_values(array, spec)
    if spec.kind != "text":
        return values
    return validated_values(values, spec)


def validated_values(values: Sequence[object], spec: FieldSpec) -> list[object]:
    """What the field's validation makes of each; what it refuses stays as it is, for the event to refuse."""
    typed = [None if value is None else validate_value(spec, value) for value in values]
    return [
        value if isinstance(checked, Rejection) else checked
        for value, checked in zip(values, typed, strict=True)
    ]


def convert(array: pa.Array, source: str, spec: FieldSpec) -> pa.Array:
    """Generated values of kind ``source`` as values of the field's kind (contract point V1)."""
    if array.null_count == len(array) and source == "none":
        return pa.nulls(len(array), arrow_type(spec))
    if source == spec.kind and source not in ("json", "decimal"):
        return array
    if isinstance(array, pa.DictionaryArray):
        if (source, spec.kind) not in _CONVERSIONS:
            # only what occurs: the dictionary may hold values that no row has
            array = array.dictionary_decode().dictionary_encode()
        values = convert(array.dictionary, source, spec)
        if pa.types.is_string(values.type):
            return pa.DictionaryArray.from_arrays(array.indices, values)
        return values.take(array.indices)
    if source in ("decimal", "int") and spec.kind == "decimal":
        return _decimals(array, spec)
    by_column = _CONVERSIONS.get((source, spec.kind))
    if by_column is not None:
        try:
            return by_column(array)
        except pa.ArrowInvalid:  # one of the values is too large, or none: the one is to be named
            return _convert_rows(array.to_pylist(), spec)
    if source == "json":
        return _from_json(array, spec)
    return _convert_rows(array.to_pylist(), spec)


_OF_INTS = DIGITS[0] - 19  # places that a column of 64-bit numbers can have beside their digits


def _decimals(array: pa.Array, spec: FieldSpec) -> pa.Array:
    """Decimals, given as text or as numbers, with the digits of the field's column."""
    type_ = arrow_type(spec)
    if array.type == type_:
        return array
    try:
        if pa.types.is_integer(array.type) and pa.types.is_decimal(type_):
            array = array.cast(pa.decimal128(DIGITS[0], min(type_.scale, _OF_INTS)))
        return array.cast(type_)
    except pa.ArrowInvalid:
        values = [None if value is None else Decimal(value) for value in array.to_pylist()]
        try:
            return to_arrow_list(values, spec)
        except UnstorableError as error:
            raise _of_wrong_type(spec, Rejection(spec.name, error.value, error.reason), error.mend) from None


_OPENING = {dict: "{", list: "["}


def _from_json(array: pa.Array, spec: FieldSpec) -> pa.Array:
    """Nested values, given as JSON."""
    array = array.cast(pa.string())
    if spec.kind in ("str", "text"):
        nested = pc.match_substring_regex(array, r"^[\[{]")
        if pc.all(nested, min_count=0).as_py() is not False:
            return array
    elif spec.kind == "json" and spec.row_validated is None and array.type == arrow_type(spec):
        opening = next((sign for type_, sign in _OPENING.items() if _is_of(spec.annotation, type_)), "")
        if pc.all(pc.starts_with(array, opening), min_count=0).as_py() is not False:
            return array
    parsed = [None if text is None else json.loads(text) for text in array.to_pylist()]
    if spec.kind in ("str", "text"):
        texts = array.to_pylist()
        parsed = [text if isinstance(v, (list, dict)) else v for text, v in zip(texts, parsed, strict=True)]
    elif spec.kind == "bytes":  # a provider's bytes are hexadecimal in JSON
        parsed = [bytes.fromhex(v) if isinstance(v, str) else v for v in parsed]
    elif spec.kind == "json":
        return _convert_rows(_of_enum(parsed, spec), spec, of_json)
    return _convert_rows(parsed, spec)


def _is_of(annotation: object, type_: type) -> bool:
    parts = (annotation, *typing.get_args(annotation))
    return any(part is type_ or typing.get_origin(part) is type_ for part in parts)


def _convert_rows(
    values: Sequence[object], spec: FieldSpec, make: Callable[[FieldSpec, object], object] = to_kind
) -> pa.Array:
    out: list[object] = []
    refused: list[Rejection] = []
    for value in values:
        if spec.kind in ("str", "text") and value is not None and not isinstance(value, str):
            out.append(str(value))
            continue
        got = value if value is None else make(spec, value)
        if isinstance(got, Rejection):
            # it stays as it is where the column can hold it: the check that follows names its flow's line
            refused.append(got)
            out.append(value)
        else:
            out.append(got)
    if refused and spec.kind == "json":  # a column of JSON holds whatever it is
        raise _of_wrong_type(spec, refused[0])
    try:
        return to_arrow_list(out, spec)
    except UnstorableError as error:
        if refused:
            raise _of_wrong_type(spec, refused[0]) from None
        raise _of_wrong_type(spec, Rejection(spec.name, error.value, error.reason), error.mend) from None


def _of_wrong_type(spec: FieldSpec, refused: Rejection, mend: str | None = None) -> InvalidValueError:
    return InvalidValueError(
        Diagnostic(
            "generated values of a wrong type",
            spec.span,
            f"{spec.shown}: {refused.reason}, got {refused.value!r}",
            mend or f"give {spec.shown} a provider whose values are of its type",
        )
    )


def datetime_texts(array: pa.Array) -> pa.Array:
    """``YYYY-MM-DD HH:MM:SS`` of timestamps, written digit by digit (six times as fast as strftime).

    >>> datetime_texts(pa.array([dt.datetime(2024, 3, 15, 14, 32, 10)], pa.timestamp("us"))).to_pylist()
    ['2024-03-15 14:32:10']
    """
    micros = arrow.values(arrow.filled(array.cast(pa.int64()), 0))
    seconds = np.floor_divide(micros, 1_000_000)
    days, rest = np.divmod(seconds, 86_400)
    dates, place = np.unique(days, return_inverse=True)
    if len(dates) and (dates[0] < -719_162 or dates[-1] > 2_932_896):
        whole = pc.floor_temporal(array, unit="second").cast(pa.timestamp("s"))
        return pc.strftime(whole, "%Y-%m-%d %H:%M:%S")
    heads = np.datetime_as_string(dates.astype("M8[D]")).astype("S10").view(np.uint8).reshape(-1, 10)
    out = np.empty((len(micros), 19), np.uint8)
    out[:, :10] = np.take(heads, place, axis=0)
    out[:, 10] = ord(" ")
    out[:, 11:] = np.take(_clock_texts(), rest, axis=0)
    return fixed_strings(out, array)


@functools.cache
def _clock_texts() -> npt.NDArray[np.uint8]:
    """``HH:MM:SS`` of every second of a day, as characters."""
    texts = [f"{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}" for s in range(86_400)]
    return np.frombuffer("".join(texts).encode(), np.uint8).reshape(-1, 8)


def fixed_strings(characters: npt.NDArray[np.uint8], like: pa.Array | None = None) -> pa.Array:
    """An Arrow string array of equally long ASCII rows; null where ``like`` is.

    ``characters``: uint8, shape (rows, width).
    """
    out = arrow.fixed_texts(characters)
    if like is not None and like.null_count:
        return pc.if_else(like.is_valid(), out, pa.nulls(len(out), pa.string()))
    return out


def _texts_by_python(array: pa.Array) -> pa.Array:
    return pa.array([None if v is None else str(v) for v in array.to_pylist()], pa.string())


def _bool_texts(array: pa.Array) -> pa.Array:
    return pc.if_else(array, "True", "False").cast(pa.string())


def _rounded(array: pa.Array) -> pa.Array:
    return pc.round(array, round_mode="half_to_even").cast(pa.int64())


def _dates(array: pa.Array) -> pa.Array:
    return array.cast(pa.date32(), safe=False)


def _cast(type_: pa.DataType) -> Callable[[pa.Array], pa.Array]:
    return lambda array: array.cast(type_)


_CONVERSIONS: dict[tuple[str, str], Callable[[pa.Array], pa.Array]] = {
    ("datetime", "str"): datetime_texts,
    ("date", "str"): _cast(pa.string()),
    ("int", "str"): _cast(pa.string()),
    ("bool", "str"): _bool_texts,
    ("float", "str"): _texts_by_python,  # Python's own text of a float
    ("uuid", "str"): lambda array: array,
    ("str", "uuid"): lambda array: array,
    ("int", "float"): _cast(pa.float64()),
    ("bool", "int"): _cast(pa.int64()),
    ("bool", "float"): lambda array: array.cast(pa.int64()).cast(pa.float64()),
    ("float", "int"): _rounded,
    ("datetime", "date"): _dates,
    ("date", "datetime"): _cast(pa.timestamp("us")),
    ("str", "text"): lambda array: array,
    ("uuid", "text"): lambda array: array,
}
