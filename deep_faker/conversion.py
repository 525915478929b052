"""Columns of one kind → columns of the annotated kind, and what a model demands, by column.

The rules are pydantic's; what has no column form goes through pydantic value by value.
"""

from __future__ import annotations

import functools
import json
import typing
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.errors import Diagnostic, InvalidValueError
from deep_faker.schema import FieldSpec, Nested, Rejection, StateSpec, json_value, reader, validate_value
from deep_faker.schema.events import serializer
from deep_faker.schema.scalars import scalar_writer, written_scalar
from deep_faker.schema.written import NOT_JSON

_Mask = npt.NDArray[np.bool_]
ARROW: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    "int": pa.int64(),
    "float": pa.float64(),
    "str": pa.string(),
    "datetime": pa.timestamp("us"),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timedelta": pa.duration("us"),
    "decimal": pa.decimal128(38, 10),
    "uuid": pa.string(),
    "json": pa.string(),
}
_UNWRITABLE = (pa.ArrowException, OverflowError, TypeError, ValueError, KeyError)


def arrow_type(spec: FieldSpec | StateSpec) -> pa.DataType:
    """The Arrow type in which values of a field are written.

    Nested values are lists, maps and structs; those without a fixed structure are JSON text.

    >>> from deep_faker import BaseEvent
    >>> from deep_faker.schema import event_spec
    >>> class Order(BaseEvent):
    ...     lines: list[dict[str, int]]
    ...     more: dict[str, Any]
    >>> fields = event_spec(Order).by_name
    >>> str(arrow_type(fields["lines"])), str(arrow_type(fields["more"]))
    ('list<item: map<string, int64>>', 'string')
    """
    return ARROW[spec.kind] if spec.nested is None else _nested_type(spec.nested)


def _nested_type(nested: Nested) -> pa.DataType:
    if not nested.parts:
        return ARROW[nested.kind]
    parts = [_nested_type(part) for part in nested.parts]
    if nested.kind == "list":
        return pa.list_(*parts)
    return pa.map_(*parts) if nested.kind == "map" else pa.struct(list(zip(nested.names, parts, strict=True)))


def to_arrow_list(values: Sequence[Any], spec: FieldSpec) -> pa.Array:
    """Python values (None included) of a field as an Arrow array.

    Raises `InvalidValueError` for a nested value that cannot be written.
    """
    if spec.kind != "json":
        write = scalar_writer(spec.kind, spec.enum) or written_scalar
        made = [None if v is None else write(v) for v in values]
        return pa.array(made, arrow_type(spec), from_pandas=False)
    try:
        return _nested_array(values, spec)
    except _UNWRITABLE:
        for value in values:  # which one it was
            try:
                _nested_array([value], spec)
            except _UNWRITABLE as error:
                raise _unwritable(spec, value, error) from None
        raise


def _nested_array(values: Sequence[Any], spec: FieldSpec) -> pa.Array:
    nested, type_ = spec.nested, arrow_type(spec)
    if nested is None:
        made = [None if v is None else _strict_json(json_value(spec, v)) for v in values]
        return pa.array(made, type_)
    if nested.dumped:
        dump = serializer(spec).to_python
        values = [None if v is None else dump(v, warnings=False) for v in values]
    if nested.write is not None:
        values = [None if v is None else nested.write(v) for v in values]
    return pa.array(values, type_, from_pandas=False)


def _strict_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _unwritable(spec: FieldSpec, value: Any, error: Exception) -> InvalidValueError:
    reason = str(error).partition("\n")[0] or type(error).__name__
    if isinstance(error, ValueError) and "JSON compliant" in reason:
        reason = NOT_JSON
    label = f"{spec.name} = {value!r}: {reason}"
    mend = f"give {spec.name} values that its type can hold when it is written"
    return InvalidValueError(Diagnostic(f"{spec.name} cannot be written", spec.span, label, mend))


def json_text(value: object) -> str:
    """A value as JSON: sets as sorted lists, bytes in hexadecimal, what else JSON does not know as text.

    >>> json_text({"a": (1, {"y", "x"})})
    '{"a": [1, ["x", "y"]]}'
    """
    return json.dumps(value, default=_jsonable, ensure_ascii=False)


def _jsonable(value: Any) -> Any:
    if isinstance(value, (set, frozenset)):  # its order is the process's own
        return sorted(value, key=repr)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if dump else str(value)


def python_values(array: pa.Array, spec: FieldSpec) -> list[Any]:
    """A column of the field's kind as Python values, nested ones as the field's type has them."""
    values: list[Any] = array.to_pylist()
    if spec.kind != "json":
        return values
    read = reader(spec)
    return values if read is None else [None if value is None else read(value) for value in values]


def convert(array: pa.Array, source: str, spec: FieldSpec) -> pa.Array:
    """Generated values of kind ``source`` as values of the field's kind (contract point V1)."""
    if array.null_count == len(array) and source == "none":
        return pa.nulls(len(array), arrow_type(spec))
    if source == spec.kind and source != "json":
        return array
    if isinstance(array, pa.DictionaryArray):
        if (source, spec.kind) not in _CONVERSIONS:
            # only what occurs: the dictionary may hold values that no row has
            array = array.dictionary_decode().dictionary_encode()
        values = convert(array.dictionary, source, spec)
        if pa.types.is_string(values.type):
            return pa.DictionaryArray.from_arrays(array.indices, values)
        return values.take(array.indices)
    by_column = _CONVERSIONS.get((source, spec.kind))
    if by_column is not None:
        return by_column(array)
    if source == "json":
        return _from_json(array, spec)
    return _convert_rows(array.to_pylist(), spec)


_OPENING = {dict: "{", list: "["}


def _from_json(array: pa.Array, spec: FieldSpec) -> pa.Array:
    """Nested values, given as JSON."""
    array = array.cast(pa.string())
    if spec.kind == "str":
        nested = pc.match_substring_regex(array, r"^[\[{]")
        if pc.all(nested, min_count=0).as_py() is not False:
            return array
    elif spec.kind == "json" and spec.row_validated is None and array.type == arrow_type(spec):
        opening = next((sign for type_, sign in _OPENING.items() if _is_of(spec.annotation, type_)), "")
        if pc.all(pc.starts_with(array, opening), min_count=0).as_py() is not False:
            return array
    parsed = [None if text is None else json.loads(text) for text in array.to_pylist()]
    if spec.kind == "str":
        texts = array.to_pylist()
        parsed = [text if isinstance(v, (list, dict)) else v for text, v in zip(texts, parsed, strict=True)]
    return _convert_rows(parsed, spec)


def _is_of(annotation: Any, type_: type) -> bool:
    parts = (annotation, *typing.get_args(annotation))
    return any(part is type_ or typing.get_origin(part) is type_ for part in parts)


def _convert_rows(values: Sequence[Any], spec: FieldSpec) -> pa.Array:
    out: list[Any] = []
    refused: list[Rejection] = []
    for value in values:
        if spec.kind == "str" and value is not None and not isinstance(value, str):
            out.append(str(value))
            continue
        got = value if value is None else validate_value(spec, value)
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
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        if not refused:
            raise
        raise _of_wrong_type(spec, refused[0]) from None


def _of_wrong_type(spec: FieldSpec, refused: Rejection) -> InvalidValueError:
    return InvalidValueError(
        Diagnostic(
            "generated values of a wrong type",
            spec.span,
            f"{spec.name}: {refused.reason}, got {refused.value!r}",
            f"give {spec.name} a provider whose values are of its type",
        )
    )


def datetime_texts(array: pa.Array) -> pa.Array:
    """``YYYY-MM-DD HH:MM:SS`` of timestamps, written digit by digit (six times as fast as strftime).

    >>> datetime_texts(pa.array([dt.datetime(2024, 3, 15, 14, 32, 10)], pa.timestamp("us"))).to_pylist()
    ['2024-03-15 14:32:10']
    """
    micros = pc.fill_null(array.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
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
def _clock_texts() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """``HH:MM:SS`` of every second of a day, as characters."""
    texts = [f"{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}" for s in range(86_400)]
    return np.frombuffer("".join(texts).encode(), np.uint8).reshape(-1, 8)


def fixed_strings(characters: np.ndarray[Any, Any], like: pa.Array | None = None) -> pa.Array:
    """An Arrow string array of equally long ASCII rows; null where ``like`` is.

    ``characters``: uint8, shape (rows, width).
    """
    n, width = characters.shape
    offsets = np.arange(0, (n + 1) * width, width, dtype=np.int32) if width else np.zeros(n + 1, np.int32)
    data = pa.py_buffer(np.ascontiguousarray(characters))
    out = pa.StringArray.from_buffers(n, pa.py_buffer(offsets), data)
    if like is not None and like.null_count:
        return pc.if_else(like.is_valid(), out, pa.nulls(n, pa.string()))
    return out


def _texts_by_python(array: pa.Array) -> pa.Array:
    return pa.array([None if v is None else str(v) for v in array.to_pylist()], pa.string())


def _bool_texts(array: pa.Array) -> pa.Array:
    return pc.if_else(array, "True", "False").cast(pa.string())


def _truncated(array: pa.Array) -> pa.Array:
    return pc.trunc(array).cast(pa.int64())


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
    ("float", "int"): _truncated,
    ("datetime", "date"): _dates,
    ("date", "datetime"): _cast(pa.timestamp("us")),
    ("int", "decimal"): _cast(ARROW["decimal"]),
}


# ---------------------------------------------------------------- constraints

_COMPARE: dict[str, Callable[..., Any]] = {
    "ge": pc.greater_equal,
    "gt": pc.greater,
    "le": pc.less_equal,
    "lt": pc.less,
}


def first_invalid(array: pa.Array, spec: FieldSpec) -> tuple[int, Any, str] | None:
    """The first row whose value the field's type or constraints refuse: (row, value, reason).

    ``array`` already has the field's kind.
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
        indices = pc.fill_null(array.indices, 0).to_numpy(zero_copy_only=False)
        known: _Mask = np.take(inner, indices) | array.is_null().to_numpy(zero_copy_only=False)
        return known if nulls is None else known & nulls
    ok = _null_mask(array, spec)
    for name, bound in spec.checks:
        mask = _check(array, name, bound, spec)
        if mask is not None:
            ok = mask if ok is None else ok & mask
    if spec.literal is not None:
        mask = _bools(pc.is_in(array, value_set=pa.array(list(spec.literal), array.type)), array)
        ok = mask if ok is None else ok & mask
    if spec.row_validated:
        rows = [not isinstance(validate_value(spec, v), Rejection) for v in python_values(array, spec)]
        mask = np.array(rows, bool)
        ok = mask if ok is None else ok & mask
    return ok


def _null_mask(array: pa.Array, spec: FieldSpec) -> _Mask | None:
    if spec.nullable or not array.null_count:
        return None
    return array.is_valid().to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]  # pyarrow is untyped


def _bools(mask: pa.Array, array: pa.Array) -> _Mask:
    """A mask with nulls taken for valid: whether None is allowed is another question."""
    out: _Mask = pc.fill_null(mask, True).to_numpy(zero_copy_only=False)
    return np.logical_or(out, array.is_null().to_numpy(zero_copy_only=False)) if array.null_count else out


def _check(array: pa.Array, name: str, bound: Any, spec: FieldSpec) -> _Mask | None:
    if name in _COMPARE and spec.kind in ("int", "float", "datetime", "date", "timedelta", "str"):
        return _bools(_COMPARE[name](array, pa.scalar(bound)), array)
    if name == "multiple_of" and spec.kind == "int":
        values = pc.fill_null(array, 0).to_numpy(zero_copy_only=False)
        return _bools(pa.array(values % bound == 0), array)
    if name in ("min_length", "max_length") and spec.kind == "str":
        lengths = pc.utf8_length(array)
        return _bools(
            pc.greater_equal(lengths, bound) if name == "min_length" else pc.less_equal(lengths, bound), array
        )
    if name == "allow_inf_nan":
        return None if bound else _bools(pc.is_finite(array), array)
    # A pattern, digits of a decimal: pydantic looks at each distinct value once.
    coded = array.dictionary_encode()
    allowed = [not isinstance(validate_value(spec, v), Rejection) for v in coded.dictionary.to_pylist()]
    indices = pc.fill_null(coded.indices, 0).to_numpy(zero_copy_only=False)
    if not allowed:
        return None
    ok: _Mask = np.take(np.array(allowed, bool), indices) | array.is_null().to_numpy(zero_copy_only=False)
    return ok
