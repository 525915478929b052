"""What is written of an event: its fields as pydantic's serializers write them, and the computed ones."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pydantic
from pydantic_core import SchemaValidator

from deep_faker.declare.schema.fields import MISSING, FieldSpec
from deep_faker.declare.schema.kinds import (
    SCALARS,
    Schemas,
    Shape,
    decimal_digits,
    shape_of_schema,
    type_name,
)
from deep_faker.declare.schema.nested import nested_of
from deep_faker.errors import DeclarationError, Diagnostic
from deep_faker.spans import Span, attribute_span

if TYPE_CHECKING:
    from deep_faker.declare.schema.generators import GeneratorSpec

_AS_THEY_ARE = ("bool", "int", "float", "str", "text", "json")  # kinds that JSON has, too
_FARTHEST = 100  # digits that Faker's pydecimal draws where nothing is said of them


def written_columns(
    cls: type[pydantic.BaseModel],
    fields: tuple[FieldSpec, ...],
    shapes: Mapping[str, Shape],
    computed: Schemas,
    refs: Schemas,
) -> Iterator[tuple[FieldSpec, bool]]:
    """The columns of an event type, and whether a serializer makes their values.

    Raises `DeclarationError` for a field that cannot be one.
    """
    for field in fields:
        shape, info = shapes[field.name], cls.model_fields[field.name]
        if field.excluded:
            continue
        if getattr(info, "exclude_if", None) is not None:
            raise _refused(
                field, "exclude_if leaves it out of some rows", "write exclude=True, or leave it in"
            )
        if shape.refused is not None or (shape.written and shape.written.refused):
            raise _refused_type(field, shape)
        # a text is written as it is, if no serializer of the user's makes something else of it
        same = shape.written is None or (field.kind == "text" and shape.written.kind in ("str", "text"))
        serialized = shape.written is not None or field.kind == "text"
        yield field if same else _column(field, shape.written or shape), serialized
    for name, schema in computed.items():
        span = attribute_span(_span(cls), cls.__name__, name)
        annotation = cls.model_computed_fields[name].return_type
        shape = shape_of_schema(schema["return_schema"], annotation, refs)
        field = FieldSpec(
            name=name,
            annotation=annotation,
            kind=shape.kind,
            optional=shape.optional,
            generator=None,
            default=MISSING,
            default_factory=None,
            literal=None,
            checks=(),
            row_validated=None,
            enum=shape.enum,
            span=span,
            digits=shape.digits,
            aware=shape.aware,
            nested=nested_of(schema["return_schema"], refs) if shape.kind == "json" else None,
        )
        if shape.refused is not None or (shape.written and shape.written.refused):
            raise _refused_type(field, shape)
        same = shape.written is None or (field.kind == "text" and shape.written.kind in ("str", "text"))
        yield field if same else _column(field, shape.written or shape), not same or field.kind == "text"


def encoded(cls: type[pydantic.BaseModel], shape: Shape) -> Shape:
    """The shape of a field in its model: bytes that the model's config writes in base64 are text."""
    how = cls.model_config.get("ser_json_bytes", "utf8")
    if shape.kind != "bytes" or shape.written is not None or how == "utf8":
        return shape
    return replace(shape, written=Shape("text", shape.optional), reason=shape.reason or f"bytes as {how}")


def refuse_model_serializer(cls: type[pydantic.BaseModel], base: type[pydantic.BaseModel]) -> None:
    """Refuse a serializer of the whole event: which columns it would write shows only in its values."""
    serializers = base.__pydantic_decorators__.model_serializers
    for name, decorator in cls.__pydantic_decorators__.model_serializers.items():
        if name not in serializers or decorator.func is not serializers[name].func:
            span = attribute_span(_span(cls), cls.__name__, name)
            mend = (
                "write @field_serializer for a field, @computed_field for one more, exclude=True for one less"
            )
            label = f"which columns {name} writes is not known before it runs"
            raise DeclarationError(Diagnostic(f"{cls.__name__} has a model_serializer", span, label, mend))


def generated_digits(shape: Shape, generator: GeneratorSpec | None) -> tuple[int, int] | None:
    """The digits of a Decimal's column; where the field says nothing of them, Faker's `pydecimal` does."""
    digits = shape.digits
    said = {name for name, _ in shape.checks} & {"max_digits", "decimal_places"} or shape.literal is not None
    if (
        shape.kind != "decimal"
        or said
        or generator is None
        or generator.name != "pydecimal"
        or digits is None
    ):
        return digits
    arguments = generator.arguments
    bounds = [arguments.get("min_value"), arguments.get("max_value")]
    whole = arguments.get("left_digits")
    if None not in bounds:
        whole = max(len(str(abs(int(bound)))) for bound in bounds if bound is not None)
    whole = _FARTHEST if whole is None else whole
    places = _FARTHEST if arguments.get("right_digits") is None else arguments["right_digits"]
    fits = places <= digits[1] and whole <= digits[0] - digits[1]
    return digits if fits else decimal_digits(places, whole)


def with_default(field: FieldSpec, validator: SchemaValidator) -> FieldSpec:
    """The field with its default as its type has it: pydantic does not look at defaults, a column must.

    Raises `DeclarationError` for one that is no value of the type. Constraints are not asked: a default that
    breaks one is refused where it is written.
    """
    default = field.default
    if default is MISSING or default is None or field.excluded:
        return field
    try:
        typed = _bare(field).validate_python(default)
    except pydantic.ValidationError as error:
        try:  # a validator of the field's own may make something of it, when the event is made
            validator.validate_python(default)
        except pydantic.ValidationError:
            reason = error.errors(include_url=False)[0]["msg"]
        except Exception:  # noqa: BLE001 - the user's validator wants the other fields: it is asked at the event
            return field
        else:
            return field
    except (pydantic.errors.PydanticUserError, TypeError):
        return field  # a type that only its model can build
    else:
        if field.aware:
            typed = typed.astimezone(dt.UTC).replace(tzinfo=None) if typed.tzinfo else typed
        return field if field.row_validated is not None else replace(field, default=typed)
    label = f"{default!r} is no {type_name(field.annotation)}: {reason}"
    mend = "give a default of the field's type, or leave it out"
    raise DeclarationError(Diagnostic(f"wrong default of {_name(field)}", field.span, label, mend))


def dumped(event: pydantic.BaseModel, columns: Mapping[str, FieldSpec]) -> Mapping[str, object]:
    """What the event's serializers write of some of its columns, as values of the columns' kinds.

    Raises what pydantic and the user's own serializers raise.
    """
    values = event.model_dump(mode="json", include=set(columns), by_alias=False, warnings=False)
    return {name: _typed(spec, values.get(name)) for name, spec in columns.items()}


def _typed(column: FieldSpec, value: object) -> object:
    """JSON's form of a value as its kind has it: an instant is no text."""
    if value is None or column.kind in _AS_THEY_ARE or column.kind not in SCALARS:
        return value
    return _adapter(column.kind).validate_python(value)


@functools.cache
def _adapter(kind: str) -> pydantic.TypeAdapter[object]:
    return pydantic.TypeAdapter(SCALARS[kind])


def _bare(field: FieldSpec) -> pydantic.TypeAdapter[Any]:
    """The field's type without what `Field` adds to it; its instants may be without a zone."""
    return _adapter("datetime") if field.kind == "datetime" else pydantic.TypeAdapter(field.annotation)


def _column(field: FieldSpec, shape: Shape) -> FieldSpec:
    """A column of what a serializer writes."""
    return replace(
        field,
        annotation=SCALARS.get(shape.kind, object),
        kind=shape.kind,
        optional=shape.optional,
        default=MISSING if field.default is not None else None,
        default_factory=None,
        literal=None,
        checks=(),
        enum=None,
        row_validated=None,
        digits=shape.digits,
        aware=shape.aware,
        nested=None,
        owner=None,
    )


def _refused_type(field: FieldSpec, shape: Shape) -> DeclarationError:
    written = shape.written
    if written is not None and written.refused is not None:
        return _refused(field, written.refused, "give the serializer a return type: def … -> str")
    name = type_name(field.annotation)
    mend = f"write Annotated[{name}, PlainSerializer(str, return_type=str)], or exclude=True"
    return _refused(field, shape.refused or "", mend)


def _refused(field: FieldSpec, why: str, mend: str) -> DeclarationError:
    label = f"{field.name}: {type_name(field.annotation)}: {why}"
    return DeclarationError(Diagnostic(f"no column for {_name(field)}", field.span, label, mend))


def _name(field: FieldSpec) -> str:
    return f"{field.owner.__name__}.{field.name}" if field.owner is not None else field.name


def _span(cls: type) -> Span | None:
    span: Span | None = cls.__dict__.get("__df_span__")
    return span
