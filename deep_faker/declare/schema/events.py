"""`BaseEvent`, and the frozen spec of an event type."""

from __future__ import annotations

import datetime as dt
import functools
import inspect
import math
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, ClassVar, TypeGuard

import pydantic
from pydantic.fields import FieldInfo
from pydantic_core import (
    CoreConfig,
    CoreSchema,
    PydanticUndefined,
    SchemaSerializer,
    SchemaValidator,
    to_jsonable_python,
)

from deep_faker.declare.schema.columns import (
    encoded,
    generated_digits,
    refuse_model_serializer,
    with_default,
    written_columns,
)
from deep_faker.declare.schema.fields import MISSING, FieldSpec, Hidden, PrimaryKey
from deep_faker.declare.schema.generators import GeneratorSpec
from deep_faker.declare.schema.kinds import (
    SCALARS,
    Schema,
    Schemas,
    Shape,
    adapter,
    by_members,
    shape_of_schema,
)
from deep_faker.declare.schema.nested import Nested, json_ways, nested_of
from deep_faker.declare.schema.usercode import runs_code
from deep_faker.errors import DeclarationError, Diagnostic, near, shown
from deep_faker.spans import Span, attribute_span, caller_span, declared_span

SYS_FIELDS = ("sys__eid", "sys__ets", "sys__sid")

# Settings of model_config that neither change a value nor refuse one of the right type. (strict
# and coerce_numbers_to_str concern conversions, which are done before validation, see V1.)
_HARMLESS_CONFIG = frozenset(
    "title model_title_generator field_title_generator extra frozen populate_by_name use_enum_values "
    "arbitrary_types_allowed from_attributes loc_by_alias alias_generator ignored_types json_schema_extra "
    "json_encoders strict revalidate_instances ser_json_timedelta ser_json_bytes ser_json_inf_nan "
    "ser_json_temporal val_json_bytes val_temporal_unit protected_namespaces hide_input_in_errors "
    "defer_build plugin_settings json_schema_serialization_defaults_required json_schema_mode_override "
    "coerce_numbers_to_str regex_engine validation_error_cause use_attribute_docstrings cache_strings "
    "validate_by_alias validate_by_name serialize_by_alias url_preserve_empty_path validate_assignment "
    "validate_return".split()
)


class BaseEvent(pydantic.BaseModel):
    """Base of every event: a pydantic model whose fields say how they are made.

    ``sys__eid`` (12 characters), ``sys__ets`` (milliseconds since the epoch) and ``sys__sid``
    (8 characters) are filled by the run. Dumps hold them first and ``event_type`` last.

    Raises `DeclarationError` for a field named ``sys__…``, ``event_type``, ``mutate`` or ``save_entity``.

    >>> from deep_faker import BaseEvent, Field
    >>> class UserLogin(BaseEvent):
    ...     platform: str = Field(faker="random_element", elements=["web", "mobile"])
    >>> UserLogin(platform="web").model_dump()["event_type"]
    'UserLogin'
    """

    sys__eid: str = ""
    sys__ets: int = 0
    sys__sid: str = ""

    __df_span__: ClassVar[Span | None] = None

    @property
    def event_type(self) -> str:
        """The name of the event's class."""
        return type(self).__name__

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Runs before pydantic reads the annotations, which would warn of a shadowed name first.
        super().__init_subclass__(**kwargs)
        cls.__df_span__ = declared_span()
        for name in inspect.get_annotations(cls):
            if not name:
                _refuse(cls, name, "nothing can be written under it", "give the field a name")
            if name.startswith("sys__"):
                _refuse(cls, name, "sys__ names belong to the run", "rename the field")
            if name in ("mutate", "save_entity"):
                label = f"{name!r} is an argument of NewEvent, which could not be told from the field"
                _refuse(cls, name, label, "rename the field")
            if name == "event_type":
                _refuse(
                    cls, name, "every event is written with its class's name as 'event_type'", "rename it"
                )

    @pydantic.model_serializer(mode="wrap")
    def _with_type(
        self, handler: pydantic.SerializerFunctionWrapHandler, info: pydantic.SerializationInfo
    ) -> dict[str, Any]:
        written: dict[str, Any] = handler(self)
        named = info.include is None or "event_type" in info.include
        if named and not (info.exclude and "event_type" in info.exclude):
            written["event_type"] = self.event_type
        return written


def _refuse(cls: type[BaseEvent], name: str, label: str, mend: str) -> None:
    span = attribute_span(cls.__df_span__, cls.__name__, name)
    raise DeclarationError(Diagnostic(f"reserved field name {name!r}", span, label, mend))


@dataclass(frozen=True)
class EventSpec:
    """One event type. ``fields`` are in declaration order, without the ``sys__*`` fields.

    ``columns`` are what is written of it: the fields as pydantic writes them, without those that it leaves
    out, and the computed ones; ``serialized`` names those whose values its serializers make.
    ``row_validated`` says why values must go through pydantic one by one, or is None; then
    ``whole_row`` tells whether fields must be validated together (`validate_row`) or whether the
    fields that have their own ``row_validated`` can be done by distinct value (`validate_value`).
    ``traits`` are drawn with an event that gives birth, for state alone: no event has them.
    """

    name: str
    cls: type[BaseEvent]
    fields: tuple[FieldSpec, ...]
    row_validated: str | None
    whole_row: bool
    span: Span | None
    columns: tuple[FieldSpec, ...] = ()
    serialized: frozenset[str] = frozenset()
    traits: tuple[FieldSpec, ...] = ()

    @functools.cached_property
    def by_name(self) -> Mapping[str, FieldSpec]:
        """The fields and traits by their names."""
        return {field.name: field for field in (*self.fields, *self.traits)}

    @functools.cached_property
    def column_names(self) -> Mapping[str, FieldSpec]:
        """What is written, by name."""
        return {field.name: field for field in self.columns}

    @functools.cached_property
    def keywords(self) -> Mapping[str, str] | None:
        """The key under which pydantic takes each field; None where one has no single key."""
        infos = self.cls.model_fields
        by_alias = self.cls.model_config.get("validate_by_alias", True)
        aliases = {name: info.validation_alias if by_alias else None for name, info in infos.items()}
        if not all(alias is None or isinstance(alias, str) for alias in aliases.values()):
            return None
        return {name: str(alias or name) for name, alias in aliases.items()}

    @functools.cached_property
    def validators(self) -> Mapping[str, SchemaValidator]:
        """For each field, what pydantic does with a value of it."""
        config = typing.cast("CoreConfig", json_ways(self.cls.model_config))
        return {name: SchemaValidator(schema, config) for name, schema in self._schemas()}

    @functools.cached_property
    def readers(self) -> Mapping[str, SchemaValidator]:
        """For each field, what makes a value of its JSON."""
        config = typing.cast("CoreConfig", json_ways(self.cls.model_config))
        return {name: SchemaValidator(by_members(schema), config) for name, schema in self._schemas()}

    @functools.cached_property
    def serializers(self) -> Mapping[str, SchemaSerializer]:
        """For each field, what pydantic writes of a value of it."""
        config = typing.cast("CoreConfig", json_ways(self.cls.model_config))
        return {name: SchemaSerializer(schema, config) for name, schema in self._schemas()}

    def _schemas(self) -> Iterator[tuple[str, CoreSchema]]:
        schemas, _, refs = _model_fields(self.cls)
        return _alone(schemas, refs)

    def __reduce__(self) -> tuple[Callable[[type[BaseEvent]], EventSpec], tuple[type[BaseEvent]]]:
        # The class travels by name, and its spec is read again, so that class identity holds.
        return event_spec, (self.cls,)


@dataclass(frozen=True)
class Rejection:
    """Why a value was refused. ``field`` is empty where the whole event was."""

    field: str
    value: object
    reason: str


def event_spec(cls: type[BaseEvent]) -> EventSpec:
    """The spec of an event class, made once and kept on the class.

    Raises `DeclarationError` when ``cls`` is not an event class or names types that do not exist.
    """
    if not is_event(cls):
        raise DeclarationError(
            Diagnostic("not an event", caller_span(), f"{shown(cls)} is no class of BaseEvent")
        )
    if "__df_spec__" not in cls.__dict__:
        cls.__df_spec__ = _read(cls)  # type: ignore[attr-defined]  # kept on the class, to die with it
    spec: EventSpec = cls.__dict__["__df_spec__"]
    return spec


def is_event(cls: object) -> TypeGuard[type[BaseEvent]]:
    """Whether ``cls`` is a class of events (not `BaseEvent` itself)."""
    return isinstance(cls, type) and issubclass(cls, BaseEvent) and cls is not BaseEvent


def validate_row(spec: EventSpec, values: Mapping[str, object]) -> BaseEvent | Rejection:
    """Make one event from values by field name; what pydantic refuses comes back as a `Rejection`.

    >>> from deep_faker import BaseEvent, Field
    >>> class Signup(BaseEvent):
    ...     age: int = Field(ge=18)
    >>> validate_row(event_spec(Signup), {"age": 17}).reason
    'Input should be greater than or equal to 18'
    """
    try:
        if spec.keywords is None:
            return spec.cls.model_validate(dict(values), by_name=True, by_alias=False)
        # the event's own fields under the names that pydantic takes, so that models in it keep their ways
        return spec.cls.model_validate({spec.keywords[name]: value for name, value in values.items()})
    except pydantic.ValidationError as error:
        rejected = _rejection(error)
        names = {key: name for name, key in (spec.keywords or {}).items()}
        return replace(rejected, field=names.get(rejected.field, rejected.field))
    except Exception as error:  # noqa: BLE001 - of a user's validator; pydantic lets all but ValueError through
        fields = {name: value for name, value in values.items() if name not in SYS_FIELDS}
        return Rejection("", fields, raised(error))


def validate_value(spec: FieldSpec, value: object) -> object | Rejection:
    """One value through its field's own type, constraints and validators (not the model's).

    >>> from deep_faker import BaseEvent, Field
    >>> class Signup(BaseEvent):
    ...     age: int = Field(ge=18)
    >>> validate_value(event_spec(Signup).by_name["age"], 21)
    21
    """
    value = prepared(spec, value)
    try:
        if spec.owner is not None and issubclass(spec.owner, BaseEvent):
            typed: object = event_spec(spec.owner).validators[spec.name].validate_python(value)
            return typed
        return adapter(spec.annotation).validate_python(value)
    except pydantic.ValidationError as error:
        return Rejection(spec.name, value, _rejection(error).reason)
    except Exception as error:  # noqa: BLE001 - as in `validate_row`
        return Rejection(spec.name, value, raised(error))


def raised(error: Exception) -> str:
    """What to say of an exception in a user's own validator.

    >>> raised(KeyError("plan"))
    "its validator raised KeyError: 'plan'"
    """
    return f"its validator raised {type(error).__name__}: {error}"


def to_kind(spec: FieldSpec, value: object) -> object | Rejection:
    """A value as the field's kind has it; validators of the field's own are left to the event."""
    if spec.row_validated is None or spec.kind not in SCALARS or spec.enum is not None:
        return validate_value(spec, value)
    try:
        return adapter(SCALARS[spec.kind]).validate_python(prepared(spec, value))
    except pydantic.ValidationError as error:
        return Rejection(spec.name, value, _rejection(error).reason)


def text_of(value: object) -> str:
    """What pydantic writes of a value whose type it writes as text.

    >>> from pathlib import PurePosixPath
    >>> text_of(PurePosixPath("/a/b")), text_of(pydantic.SecretStr("x"))
    ('/a/b', '**********')
    """
    if isinstance(value, str):
        return value
    written = to_jsonable_python(value, fallback=str)
    return written if isinstance(written, str) else str(written)


def prepared(spec: FieldSpec, value: object) -> object:
    """A value as pydantic shall see it: a simulation's instants are UTC, and a real number given for an int
    is rounded, half to even, wherever it comes from.

    >>> from deep_faker import BaseEvent
    >>> class Trip(BaseEvent):
    ...     km: int
    >>> prepared(event_spec(Trip).by_name["km"], 2.5)
    2
    """
    if spec.aware and isinstance(value, dt.datetime) and value.tzinfo is None:
        return value.replace(tzinfo=dt.UTC)
    if spec.kind == "int" and isinstance(value, (float, Decimal)) and math.isfinite(value):
        return round(value)
    return value


def serializer(spec: FieldSpec) -> SchemaSerializer:
    """What pydantic writes of a field's values: the one place where a nested value becomes JSON.

    >>> from deep_faker import BaseEvent
    >>> class Signup(BaseEvent):
    ...     tags: set[str]
    >>> serializer(event_spec(Signup).by_name["tags"]).to_python({"new"}, mode="json")
    ['new']
    """
    if spec.owner is not None and issubclass(spec.owner, BaseEvent):
        return event_spec(spec.owner).serializers[spec.name]
    return adapter(spec.annotation).serializer


def _rejection(error: pydantic.ValidationError) -> Rejection:
    first = error.errors(include_url=False)[0]
    where = first["loc"]
    return Rejection(str(where[0]) if where else "", first.get("input"), first["msg"])


def _read(cls: type[BaseEvent]) -> EventSpec:
    try:
        cls.model_rebuild()
    except pydantic.errors.PydanticUndefinedAnnotation as error:
        raise DeclarationError(
            Diagnostic(
                "unknown type in an annotation",
                cls.__df_span__,
                f"{cls.__name__} names {error.name!r}, which is not defined",
                "define it before the event, or import it at run time",
            )
        ) from None
    schemas, computed, refs = _model_fields(cls)
    refuse_model_serializer(cls, BaseEvent)
    infos = {name: info for name, info in cls.model_fields.items() if name not in SYS_FIELDS}
    shapes = {
        name: encoded(cls, shape_of_schema(schemas[name], info.annotation, refs))
        for name, info in infos.items()
    }
    own_ways = json_ways(cls.model_config)  # of writing: JSON then, which has them
    nested = {
        name: nested_of(schemas[name], refs)
        for name, shape in shapes.items()
        if shape.kind == "json" and not own_ways
    }
    fields = tuple(
        _field(cls, name, info, shapes[name], nested.get(name), user_code=runs_code(schemas[name], refs))
        for name, info in infos.items()
    )
    _check_of(fields)
    written = list(written_columns(cls, fields, shapes, computed, refs))
    by_name = {field.name: field for field in fields}
    together = [
        *_row_reasons(cls),
        *(f"{name}: validator" for name in schemas if _needs_info(schemas[name])),
        *(f"{f.name}: default_factory of the other fields" for f in fields if f.takes_data),
        *(f"{f.name}: computed" for f, _ in written if f.name not in by_name),
    ]
    reasons = together + [f"{f.name}: {f.row_validated}" for f in fields if f.row_validated]
    validators = {name: SchemaValidator(schema) for name, schema in _alone(schemas, refs)}
    fields = tuple(with_default(field, validators[field.name]) for field in fields)
    final = {field.name: field for field in fields}
    return EventSpec(
        name=cls.__name__,
        cls=cls,
        fields=fields,
        row_validated=reasons[0] if reasons else None,
        whole_row=bool(together),
        span=cls.__df_span__,
        columns=tuple(final[f.name] if f is by_name.get(f.name) else f for f, _ in written),
        serialized=frozenset(f.name for f, serialized in written if serialized),
    )


def _field(
    cls: type[BaseEvent],
    name: str,
    info: FieldInfo,
    shape: Shape,
    nested: Nested | None,
    *,
    user_code: bool,
) -> FieldSpec:
    generator = next((m for m in reversed(info.metadata) if isinstance(m, GeneratorSpec)), None)
    return FieldSpec(
        name=name,
        annotation=info.annotation,
        kind=shape.kind,
        optional=shape.optional,
        generator=generator,
        default=MISSING if info.default is PydanticUndefined else info.default,
        default_factory=info.default_factory,
        literal=shape.literal,
        checks=shape.checks,
        row_validated=shape.reason,
        enum=shape.enum,
        span=_declared_at(cls, name),
        owner=cls,
        runs_code=user_code,
        digits=generated_digits(shape, generator),
        aware=shape.aware,
        excluded=bool(info.exclude),
        takes_data=bool(info.default_factory_takes_validated_data),
        nested=nested,
        primary_key=any(isinstance(m, PrimaryKey) for m in info.metadata),
        hidden=any(isinstance(m, Hidden) for m in info.metadata),
    )


def _check_of(fields: tuple[FieldSpec, ...]) -> None:
    """Refuse ``of=`` that names no field, the field itself, or a circle of fields."""
    by_name = {field.name: field for field in fields}
    for field in fields:
        seen, todo = {field.name}, [*(field.generator.of if field.generator else ())]
        while todo:
            name = todo.pop()
            if name not in by_name:
                others = [other for other in by_name if other != field.name]
                label, mend = f"the event has no field {name!r}", near(name, others)
                raise DeclarationError(Diagnostic("unknown field in of=", field.span, label, mend))
            if name in seen and name == field.name:
                label, mend = f"{field.name!r} hangs on itself", "let one of the fields stand alone"
                raise DeclarationError(Diagnostic("of= goes round in a circle", field.span, label, mend))
            if name not in seen:
                seen.add(name)
                generator = by_name[name].generator
                todo += generator.of if generator else ()


def _declared_at(cls: type[BaseEvent], name: str) -> Span | None:
    """The line that declares the field, in the class or the base that it is inherited from."""
    for base in cls.__mro__:
        if name in inspect.get_annotations(base):
            span: Span | None = base.__dict__.get("__df_span__")
            return attribute_span(span, base.__name__, name)
    return cls.__df_span__


def _model_fields(cls: type[BaseEvent]) -> tuple[Schemas, Schemas, Schemas]:
    """The core schema of each field, of each computed one, and the definitions that they share."""
    refs: dict[str, Schema] = {}
    schema: Schema = cls.__pydantic_core_schema__
    while schema["type"] != "model-fields":
        if schema["type"] == "definitions":
            refs.update((definition["ref"], definition) for definition in schema["definitions"])
        schema = refs[schema["schema_ref"]] if schema["type"] == "definition-ref" else schema["schema"]
    computed = {field["property_name"]: field for field in schema.get("computed_fields", ())}
    return schema["fields"], computed, refs


def _alone(schemas: Schemas, refs: Schemas) -> Iterator[tuple[str, CoreSchema]]:
    """The core schema of each field by itself."""
    shared = list(refs.values())
    for name, schema in schemas.items():
        whole = {"type": "definitions", "schema": schema["schema"], "definitions": shared}
        yield name, typing.cast("CoreSchema", whole)


def _needs_info(schema: object) -> bool:
    """Whether a validator in ``schema`` looks at the other fields."""
    if isinstance(schema, Mapping):
        return schema.get("type") == "with-info" or any(map(_needs_info, schema.values()))
    return isinstance(schema, (list, tuple)) and any(map(_needs_info, schema))


def _row_reasons(cls: type[BaseEvent]) -> Iterator[str]:
    decorators = cls.__pydantic_decorators__
    for group in (decorators.root_validators, decorators.model_validators):
        for name in group:
            yield f"validator {name}"
    for name in ("__init__", "__new__", "model_post_init", "model_validate"):
        if getattr(cls, name, None) is not None and _overrides(cls, name):
            yield f"its own {name}"
    for setting, value in cls.model_config.items():
        if setting not in _HARMLESS_CONFIG and value not in (None, False):
            yield f"model_config {setting}"


def _overrides(cls: type[BaseEvent], name: str) -> bool:
    # pydantic itself sets model_post_init on classes with private attributes.
    for base in cls.__mro__:
        if base is BaseEvent:
            return False
        if name in base.__dict__:
            return getattr(base.__dict__[name], "__module__", "").partition(".")[0] != "pydantic"
    return False
