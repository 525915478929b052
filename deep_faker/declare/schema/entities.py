"""`Entity`, the frozen spec of an entity type, and the types of its state."""

from __future__ import annotations

import datetime as dt
import functools
import inspect
import sys
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import FrameType
from typing import ClassVar, Self, TypeGuard

import pydantic
from pydantic.fields import FieldInfo

from deep_faker.declare.schema.events import BaseEvent, EventSpec, Rejection, event_spec, is_event, raised
from deep_faker.declare.schema.fields import MISSING, FieldSpec, StateDeclaration, StateSpec
from deep_faker.declare.schema.kinds import SCALARS, a_type, adapter, shape_of, type_name
from deep_faker.declare.schema.nested import nested_of
from deep_faker.declare.schema.traits import resolved, trait_name, with_traits
from deep_faker.errors import DeclarationError, Diagnostic, InvalidValueError, near, shown, warn
from deep_faker.spans import Span, attribute_span, caller_frame, caller_span, declared_span

# Columns that a data set adds beside an entity's own, and what a view of an entity offers.
_RESERVED = frozenset({
    "born", "valid_from", "valid_to", "get_primary_key", "source_event", "primary_key", "replicated"
})  # fmt: skip
_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True)
class EntitySpec:
    """One entity type. ``key_field`` is None where the source event does not carry the key."""

    name: str
    cls: type[Entity]
    primary_key: str
    states: tuple[StateSpec, ...]
    key_field: FieldSpec | None
    span: Span | None
    replicated: bool = False

    @functools.cached_property
    def by_name(self) -> Mapping[str, StateSpec]:
        """The state fields by their names."""
        return {state.name: state for state in self.states}

    @functools.cached_property
    def retirement(self) -> str | None:
        """The state field that says when an entity has retired; None: nobody retires."""
        return next((state.name for state in self.states if state.retirement), None)

    @property
    def latent(self) -> tuple[str, ...]:
        """The state fields that only the truth tells."""
        return tuple(state.name for state in self.states if state.latent)

    @property
    def source_event(self) -> EventSpec | None:
        """The event that creates one, as it is now: entities declared later add traits to it."""
        source = self.cls.source_event
        return None if source is None else event_spec(source)

    @property
    def key_kind(self) -> str:
        """The kind of the key; a generated one is text."""
        return self.key_field.kind if self.key_field else "str"

    def __reduce__(self) -> tuple[Callable[[type[Entity]], EntitySpec], tuple[type[Entity]]]:
        # The class travels by name, and its spec is read again, so that class identity holds.
        return entity_spec, (self.cls,)


class Entity:
    """Base of every entity type: something that lives across flows and keeps state.

    ``source_event`` is the event that creates one (or None), ``primary_key`` the name of its key.
    State fields are declared by `StateField` and inherited. The class is a declaration: entities
    are made by ``NewEvent(..., save_entity=T)`` and ``initial_entities``, never by calling it.

    ``replicated = True``: of a run in parts, each part has all of them, not its share. They are the initial
    ones, and what flows change of them must be sums, minima or maxima.

    Raises `DeclarationError` for anything else on the class that looks like state.

    >>> from deep_faker import BaseEvent, Entity, Field, StateField
    >>> class UserLogin(BaseEvent):
    ...     user_id: str = Field(faker="shortuuid", length=8)
    >>> class User(Entity):
    ...     source_event = UserLogin
    ...     primary_key = "user_id"
    ...     login_count: int = StateField(default=0, type_=int)
    """

    source_event: ClassVar[type[BaseEvent] | None] = None
    primary_key: ClassVar[str] = ""
    replicated: ClassVar[bool] = False
    __df_span__: ClassVar[Span | None] = None

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        cls.__df_span__ = declared_span()
        cls.__df_states__ = tuple(_own_states(cls, caller_frame()))  # type: ignore[attr-defined]
        # Neither given: a base that only lends its state fields to subclasses.
        if "source_event" in _set_names(cls) or cls.primary_key:
            entity_spec(cls)

    def __new__(cls, *args: object, **kwargs: object) -> Self:  # noqa: ARG004 - refused, whatever they are
        mend = f"use NewEvent(ctx, …, save_entity={cls.__name__}) or initial_entities"
        raise DeclarationError(
            Diagnostic(f"{cls.__name__} is a declaration", caller_span(), "it is not called", mend)
        )


def is_entity(cls: object) -> TypeGuard[type[Entity]]:
    """Whether ``cls`` is a class of entities (not `Entity` itself)."""
    return isinstance(cls, type) and issubclass(cls, Entity) and cls is not Entity


def entity_spec(cls: type[Entity]) -> EntitySpec:
    """The spec of an entity class, made once and kept on the class.

    Raises `DeclarationError` when ``cls`` is not an entity class or has no key.
    """
    if not is_entity(cls):
        raise DeclarationError(
            Diagnostic("not an entity", caller_span(), f"{shown(cls)} is no class of Entity")
        )
    if "__df_spec__" not in cls.__dict__:
        cls.__df_spec__ = _read(cls)  # type: ignore[attr-defined]  # kept on the class, to die with it
    spec: EntitySpec = cls.__dict__["__df_spec__"]
    return spec


def state_value(spec: StateSpec, value: object) -> object | Rejection:
    """``value`` as it is stored: an int is taken for a float, nothing else is converted.

    >>> balance = StateSpec("balance", float, "float", False, 0.0, None, None)
    >>> state_value(balance, 3)
    3.0
    >>> state_value(balance, "3").reason
    "expected float, got str '3'"
    """
    if value is None:
        return (
            None
            if spec.optional
            else Rejection(spec.name, None, f"expected {type_name(spec.type_)}, got None")
        )
    if spec.enum is not None:
        return value if isinstance(value, spec.enum) else _wrong_type(spec, value)
    if spec.literal is not None:
        known = any(type(value) is type(choice) and value == choice for choice in spec.literal)
        return (
            value if known else Rejection(spec.name, value, f"expected one of {spec.literal}, got {value!r}")
        )
    if spec.row_validated is None and spec.kind != "json":
        return _scalar(spec, value)
    validated = _validated(spec, value)
    return _scalar(spec, validated) if isinstance(validated, SCALARS.get(spec.kind, ())) else validated


def check_state_value(
    spec: StateSpec, value: object, *, entity: str, span: Span | None = None, flow: str | None = None
) -> object:
    """`state_value`, or raise with the entity, the field, the value and the line.

    Raises `DeclarationError`, or `InvalidValueError` when ``flow`` says that a run is under way.
    """
    checked = state_value(spec, value)
    if not isinstance(checked, Rejection):
        return checked
    where = f" in flow {flow!r}" if flow else ""
    problem = Diagnostic(
        f"wrong type for state field {entity}.{spec.name}{where}", span, checked.reason, _mend(spec, value)
    )
    raise InvalidValueError(problem) if flow else DeclarationError(problem)


def start_value(entity: EntitySpec, state: StateSpec) -> object:
    """What a state field without ``from_field`` starts with, made for each entity anew.

    Raises `DeclarationError` where its ``default_factory`` returns a value of another type (N11).
    """
    if state.default_factory is None:
        return None if state.default is MISSING else state.make_default()
    return check_state_value(state, state.make_default(), entity=entity.name, span=state.span)


def _scalar(spec: StateSpec, value: object) -> object | Rejection:
    expected = SCALARS[spec.kind]
    # numpy's floats are floats and its text is text; bool is an int only to Python.
    if type(value) is not expected and not (spec.kind in ("float", "str") and isinstance(value, expected)):
        taken = spec.kind == "float" and isinstance(value, int) and not isinstance(value, bool)
        if not taken:
            return _wrong_type(spec, value)
        value = float(typing.cast("int", value))
    if spec.kind == "int" and value not in _INT64:
        return Rejection(spec.name, value, f"{value} does not fit in 64 bits")
    if isinstance(value, (dt.datetime, dt.time)) and value.tzinfo is not None:
        return Rejection(
            spec.name, value, f"expected a naive UTC {spec.kind}, got one with a zone: {value!r}"
        )
    return expected(value) if spec.kind in ("float", "str") else value


def _wrong_type(spec: StateSpec, value: object) -> Rejection:
    got = f"{type(value).__name__} {value!r}"
    return Rejection(spec.name, value, f"expected {type_name(spec.type_)}, got {got}")


def _validated(spec: StateSpec, value: object) -> object | Rejection:
    # Strict validation still makes a model from a dict, which would be a conversion.
    if isinstance(spec.type_, type) and spec.kind == "json":
        # a TypedDict's instances are dictionaries, and it answers no questions about them
        instance = isinstance(value, dict if hasattr(spec.type_, "__required_keys__") else spec.type_)
        if not instance:
            return _wrong_type(spec, value)
    try:
        return adapter(spec.type_).validate_python(value, strict=True)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        return Rejection(spec.name, value, f"{first['msg']}, got {value!r}")
    except Exception as error:  # noqa: BLE001 - of a user's validator; pydantic lets all but ValueError through
        return Rejection(spec.name, value, raised(error))


def _mend(spec: StateSpec, value: object) -> str:
    if value is None:
        return f"declare it Optional[{type_name(spec.type_)}] if it may be None"
    if spec.enum is not None:
        return f"use a member, such as {next(iter(spec.enum))}"
    if spec.row_validated is not None:
        return f"use a value that the type of {spec.name} allows"
    if spec.literal is not None:
        return f"use one of them, or change the type of {spec.name}"
    if isinstance(value, (dt.datetime, dt.time)) and value.tzinfo is not None:
        return "times in a simulation are UTC without a zone"
    return f"give {a_type(spec.type_)}, or change the field's type_"


def _set_names(cls: type[Entity]) -> set[str]:
    """Every name that the class or a base of it (below Entity) sets."""
    bases = cls.__mro__[: cls.__mro__.index(Entity)]
    return {name for base in bases for name in vars(base)}


def _read(cls: type[Entity]) -> EntitySpec:
    event = _source(cls)
    key: object = cls.primary_key or _marked_key(event)
    span_of = functools.partial(attribute_span, cls.__df_span__, cls.__name__)
    if not isinstance(key, str) or not key.isidentifier() or key.startswith("sys__"):
        problem = f"got {shown(key)}" if key else f"{cls.__name__} sets no primary_key"
        example = event.fields[0].name if event and event.fields else "id"
        mend = f'name the field that identifies one: primary_key = "{example}"'
        raise DeclarationError(Diagnostic("no primary key", span_of("primary_key"), problem, mend))
    key_field = event.by_name.get(key) if event else None
    if key_field is not None and (key_field.kind == "json" or key_field.optional):
        label = f"{event and event.name}.{key} is {type_name(key_field.annotation)}"
        raise DeclarationError(
            Diagnostic(
                "unusable primary key", span_of("primary_key"), label, "a key is a single value, never None"
            )
        )
    states = tuple(_states(cls).values())
    if cls.source_event is not None:
        traits = {state.name: _trait(cls, state, states) for state in states if state.draw}
        event = with_traits(cls.source_event, cls.__name__, list(traits.values()))
        states = tuple(replace(s, from_field=traits[s.name].name) if s.draw else s for s in states)
    for state in states:
        _check_state(cls, state, event, key)
    leaving = [state for state in states if state.retirement]
    if len(leaving) > 1:
        label = f"{leaving[0].name!r} says already when one retires"
        title = f"wrong state field {cls.__name__}.{leaving[1].name}"
        raise DeclarationError(Diagnostic(title, leaving[1].span, label, "keep one of them"))
    if event is not None and key_field is None:
        _warn_generated_key(event, key, span_of("primary_key"))
    replicated: object = cls.replicated
    if not isinstance(replicated, bool):
        span, label = span_of("replicated"), f"got {shown(replicated)}"
        raise DeclarationError(Diagnostic("replicated is no flag", span, label, "use True or False"))
    if replicated and any(state.latent for state in states):
        label = f"{next(state.name for state in states if state.latent)!r} is latent"
        mend = "leave out latent=True, or replicated: the truth of a part is its own"
        raise DeclarationError(Diagnostic(f"{cls.__name__} is replicated", cls.__df_span__, label, mend))
    return EntitySpec(cls.__name__, cls, key, states, key_field, cls.__df_span__, replicated)


def _source(cls: type[Entity]) -> EventSpec | None:
    source = cls.source_event
    if source is None:
        return None
    if not is_event(source):
        span = attribute_span(cls.__df_span__, cls.__name__, "source_event")
        mend = "give a class of BaseEvent, or None for an entity without one"
        raise DeclarationError(Diagnostic("source_event is not an event", span, f"got {shown(source)}", mend))
    return event_spec(source)


def _marked_key(event: EventSpec | None) -> str:
    """The field that its event marks by ``primary_key=True``; empty where none or several are marked."""
    marked = [field.name for field in event.fields if field.primary_key] if event is not None else []
    return marked[0] if len(marked) == 1 else ""


def _warn_generated_key(event: EventSpec, key: str, span: Span | None) -> None:
    warn(
        Diagnostic(
            "key field not on the source event",
            span,
            f"{event.name} has no field {key!r}: keys will be generated, as shortuuid(12)",
            near(key, event.by_name, event.name),
        )
    )


def _trait(cls: type[Entity], state: StateSpec, states: Sequence[StateSpec]) -> FieldSpec:
    """The field in which a state field's first value is drawn."""
    return replace(
        state.as_field(),
        name=trait_name(cls.__name__, state.name),
        generator=resolved(cls.__name__, state, states),
        default=MISSING,
        excluded=True,
    )


def _states(cls: type[Entity]) -> dict[str, StateSpec]:
    """The state fields of the class and its bases, a base's first; an override keeps its place."""
    states: dict[str, StateSpec] = {}
    for base in reversed(cls.__mro__):
        states.update((state.name, state) for state in vars(base).get("__df_states__", ()))
    return states


def _check_state(cls: type[Entity], state: StateSpec, event: EventSpec | None, key: str) -> None:
    title = f"wrong state field {cls.__name__}.{state.name}"
    if state.name == key:
        raise DeclarationError(
            Diagnostic(
                title,
                state.span,
                "the primary key is not a state field",
                "remove it: the key is always there",
            )
        )
    if state.from_field is None and state.draw is None:
        return
    if event is None:
        mend = "set source_event, or give a default instead"
        label = f"{'from_field' if state.draw is None else 'draw'} without a source_event"
        raise DeclarationError(Diagnostic(title, state.span, label, mend))
    assert state.from_field is not None
    if state.from_field not in event.by_name:
        label = f"{event.name} has no field {state.from_field!r}"
        raise DeclarationError(
            Diagnostic(title, state.span, label, near(state.from_field, event.by_name, event.name))
        )


def _own_states(cls: type, frame: FrameType | None) -> Iterator[StateSpec]:
    """The specs of what one class (and its bases that are no entities) declares."""
    plain = [
        base for base in reversed(cls.__mro__[1:]) if not issubclass(base, Entity) and base is not object
    ]
    for base in (*plain, cls):
        annotations = inspect.get_annotations(base)
        for name in dict.fromkeys([*vars(base), *annotations]):
            value = vars(base).get(name, MISSING)
            if isinstance(value, StateDeclaration):
                yield _state(cls, base, name, value, annotation=annotations.get(name, MISSING), frame=frame)
            elif _looks_like_state(name, value, annotations.get(name, MISSING)):
                _refuse_attribute(cls, name, value, annotations.get(name, "…"))


def _looks_like_state(name: str, value: object, annotation: object) -> bool:
    if name in ("source_event", "primary_key", "replicated") or name.startswith("_"):
        return False
    if annotation is not MISSING:
        text = annotation if isinstance(annotation, str) else type_name(annotation)
        return "ClassVar" not in text.partition("[")[0]
    return not (callable(value) or hasattr(type(value), "__get__"))


def _refuse_attribute(cls: type, name: str, value: object, annotation: object) -> None:
    written = annotation if isinstance(annotation, str) else type_name(annotation)
    span = attribute_span(cls.__dict__.get("__df_span__"), cls.__name__, name)
    if isinstance(value, FieldInfo):
        label, mend = "Field is for events", f"{name}: {written} = StateField(default=…)"
    elif value is MISSING:
        label, mend = "a state field needs StateField", f"{name}: {written} = StateField(default=…)"
    else:
        label = "a plain value is not state"
        mend = f"{name}: {type(value).__name__} = StateField(default={value!r}), or annotate it ClassVar"
    raise DeclarationError(Diagnostic(f"wrong attribute {cls.__name__}.{name}", span, label, mend))


def _state(
    cls: type,
    base: type,
    name: str,
    declaration: StateDeclaration,
    *,
    annotation: object,
    frame: FrameType | None,
) -> StateSpec:
    title = f"wrong state field {cls.__name__}.{name}"
    span = attribute_span(base.__dict__.get("__df_span__"), base.__name__, name) or declaration.span
    if name in _RESERVED or name.startswith("sys__"):
        label = f"the name {name!r} is taken by the run or its data set"
        raise DeclarationError(Diagnostic(title, span, label, "rename the state field"))
    hint = _resolved(annotation, base, frame)
    type_ = declaration.type_ if declaration.type_ is not MISSING else hint
    if type_ is MISSING and declaration.retirement:
        type_ = dt.datetime
    if type_ is MISSING:
        mend = f"annotate it ({name}: int = StateField(…)) or give type_=int"
        raise DeclarationError(Diagnostic(title, span, "its type is not known", mend))
    try:
        shape = shape_of(type_)
        may_be_none = hint is not MISSING and shape_of(hint).optional
    except Exception:  # noqa: BLE001 - pydantic's own, or Python's of a text, each of another type
        label = f"{type_name(type_)} is no type that pydantic knows"
        mend = "use a plain type, a dataclass, or a pydantic model, defined before the entity"
        raise DeclarationError(Diagnostic(title, span, label, mend)) from None
    default = declaration.default
    first = (declaration.default_factory, declaration.from_field, declaration.draw)
    if default is MISSING and all(one is None for one in first):
        default = None
    optional = shape.optional or may_be_none or default is None
    state = StateSpec(
        name=name,
        type_=type_,
        kind=shape.kind,
        optional=optional,
        default=default,
        from_field=declaration.from_field,
        draw=declaration.draw,
        latent=declaration.latent,
        span=span,
        default_factory=declaration.default_factory,
        literal=shape.literal,
        enum=shape.enum,
        row_validated=shape.reason or (f"constraint {shape.checks[0][0]}" if shape.checks else None),
        digits=shape.digits,
        nested=nested_of(adapter(type_).core_schema) if shape.kind == "json" else None,
        retirement=declaration.retirement,
    )
    if declaration.retirement and shape.kind != "datetime":
        label, mend = (
            f"a retirement is {type_name(type_)}",
            f"{name}: datetime | None = StateField(retirement=True)",
        )
        raise DeclarationError(Diagnostic(title, span, label, mend))
    if default is MISSING:
        return state
    checked = check_state_value(state, default, entity=cls.__name__, span=span)
    return StateSpec(**{**state.__dict__, "default": checked})


def _resolved(annotation: object, base: type, frame: FrameType | None) -> object:
    """An annotation, evaluated where the class stands if ``from __future__`` left it as text."""
    if not isinstance(annotation, str):
        return annotation
    module = sys.modules.get(base.__module__)
    try:
        return eval(annotation, vars(module) if module else {}, dict(frame.f_locals) if frame else {})  # noqa: S307 - as typing does
    except Exception:  # noqa: BLE001 - a name for type checkers only, say; type_ then says what it is
        return MISSING
