"""`Field` and `StateField`, and the frozen specs that the rest of the package reads."""

from __future__ import annotations

import copy
import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pydantic

from deep_faker.declare.schema.generators import PYDANTIC, GeneratorSpec, drawn_once, generator_of
from deep_faker.declare.schema.kinds import DIGITS
from deep_faker.declare.schema.nested import Nested
from deep_faker.errors import DeclarationError, Diagnostic, shown, wrong_setting
from deep_faker.spans import Span, caller_span, narrow_keyword


class Missing(enum.Enum):
    """The type of `MISSING`."""

    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING
"""No default was given (None is one)."""

TRAIT: Final = "trait__"
"""How the names of the fields begin in which state is drawn at a birth."""


def shown_name(field: str) -> str:
    """A field's name, or what a trait is called: its entity and state field.

    >>> shown_name("plan"), shown_name("trait__User__activity")
    ('plan', 'User.activity')
    """
    return field.removeprefix(TRAIT).replace("__", ".", 1) if field.startswith(TRAIT) else field


@dataclass(frozen=True)
class FieldSpec:
    """One field of an event, without the ``sys__*`` fields.

    ``checks`` are the constraints that a column can check, such as ``("ge", 3)``; ``row_validated``
    says why a value must go through pydantic alone (`validate_value`), or is None.
    ``literal`` holds the values of a Literal or Enum as they are written. ``runs_code``: its validators are
    more than its type's, and may return anything. ``digits`` are the precision and scale of a Decimal, None
    where only text holds them; ``aware`` instants are given back with their zone; an ``excluded`` field is
    never written; a default factory that ``takes_data`` is pydantic's to call. ``nested`` is the structure of
    a field of kind ``json`` that has one.
    """

    name: str
    annotation: Any
    kind: str
    optional: bool
    generator: GeneratorSpec | None
    default: object
    default_factory: Callable[..., object] | None
    literal: tuple[object, ...] | None
    checks: tuple[tuple[str, object], ...]
    row_validated: str | None
    enum: type[enum.Enum] | None
    span: Span | None
    owner: type[pydantic.BaseModel] | None = None
    runs_code: bool = False
    digits: tuple[int, int] | None = DIGITS
    aware: bool = False
    excluded: bool = False
    takes_data: bool = False
    nested: Nested | None = None
    primary_key: bool = False
    hidden: bool = False

    @property
    def shown(self) -> str:
        """What messages call it: a trait is its entity's (`traits`)."""
        return shown_name(self.name)

    @property
    def constrained(self) -> bool:
        """Whether a value of the right type can still be invalid."""
        return bool(self.checks or self.literal is not None or self.row_validated)

    @property
    def has_default(self) -> bool:
        """Whether the field can be left out where nothing else fills it."""
        return self.default is not MISSING or self.default_factory is not None

    @property
    def nullable(self) -> bool:
        """Whether its column may hold null; pydantic does not check a default of None."""
        return self.optional or self.default is None

    def make_default(self) -> object:
        """A fresh default; a mutable one is copied. `MISSING` where it is made from the other fields."""
        if self.takes_data:
            return MISSING
        return self.default_factory() if self.default_factory else copy.deepcopy(self.default)


@dataclass(frozen=True)
class StateSpec:
    """One state field of an entity type."""

    name: str
    type_: object
    kind: str
    optional: bool
    default: object
    from_field: str | None
    span: Span | None
    default_factory: Callable[[], object] | None = None
    literal: tuple[object, ...] | None = None
    enum: type[enum.Enum] | None = None
    row_validated: str | None = None
    digits: tuple[int, int] | None = DIGITS
    draw: GeneratorSpec | None = None
    latent: bool = False
    retirement: bool = False  # when the entity has retired; None: it has not

    @property
    def annotation(self) -> Any:
        """Its type, as fields call it."""
        return self.type_

    nested: Nested | None = None

    def make_default(self) -> object:
        """A fresh default; a mutable one is copied, so that no two entities share it."""
        return self.default_factory() if self.default_factory else copy.deepcopy(self.default)

    def as_field(self) -> FieldSpec:
        """The state field as a field, for ``from_field``: converting to it is converting to a field."""
        return FieldSpec(
            name=self.name,
            annotation=self.type_,
            kind=self.kind,
            optional=self.optional,
            generator=None,
            default=self.default,
            default_factory=self.default_factory,
            literal=self.literal,
            checks=(),
            row_validated=self.row_validated,
            enum=self.enum,
            span=self.span,
            digits=self.digits,
            nested=self.nested,
        )


@dataclass(frozen=True)
class StateDeclaration:
    """What `StateField` leaves on the class for `Entity` to read."""

    default: object
    from_field: str | None
    type_: object
    default_factory: Callable[[], object] | None
    span: Span | None
    draw: GeneratorSpec | None = None
    latent: bool = False
    retirement: bool = False


@dataclass(frozen=True)
class PrimaryKey:
    """What ``Field(primary_key=True)`` leaves with pydantic for the event to read."""


@dataclass(frozen=True)
class Hidden:
    """What ``Field(hidden=True)`` leaves there."""


def Field(
    default: object = MISSING,
    *,
    faker: str | None = None,
    mimesis: str | None = None,
    dist: object = None,
    derive: Callable[[Any], object] | None = None,
    of: str | tuple[str, ...] | None = None,
    unique: bool = False,
    locale: str | Mapping[str, float] | None = None,
    provider: object = None,
    primary_key: bool = False,
    hidden: bool = False,
    **options: Any,
) -> Any:
    """An event's field: how its values are made, and what they must satisfy.

    ``faker`` is the name of a Faker provider method, ``mimesis`` of a Mimesis one
    (``"person.full_name"``), ``dist`` a distribution (``LogNormal(3, 0.5)``, rounded to ``digits=``), and
    ``derive`` a function of the event, which sees the fields declared before this one. ``of`` names
    the field of the same event that the value agrees with: ``Field(faker="email", of="name")``.
    ``unique=True`` gives no value twice in a run. ``locale`` is one, or several with their weights.
    ``provider`` is a class of Faker providers of your own or of the community's (or several), whose methods
    ``faker`` may name: ``Field(faker="vehicle_make", provider=VehicleProvider)``.
    ``primary_key=True`` marks the key: an entity of this source event that names no ``primary_key`` takes it.
    ``hidden=True``: flows see the value, and no output has it but the ``truth/`` of a data set.
    What pydantic's ``Field`` takes (``ge``, ``max_length``, ``alias``, ``description``, …) goes to
    pydantic; every other keyword is an argument of the provider.

    Raises `DeclarationError` for two providers, or a provider's argument without a provider.

    >>> from deep_faker import BaseEvent, Field
    >>> class Signup(BaseEvent):
    ...     age: int = Field(faker="random_int", min=18, max=80, ge=18)
    >>> Signup(age=30).age
    30
    """
    if type(unique) is not bool:
        raise wrong_setting("unique", unique, "use True or False")
    sources = {"faker": faker, "mimesis": mimesis, "dist": dist, "derive": derive}
    arguments = {name: value for name, value in options.items() if name not in PYDANTIC}
    generator = generator_of(sources, locale, of, unique, provider, arguments)
    known = {k: v for k, v in options.items() if k in PYDANTIC}
    if _is_flag("hidden", hidden):
        known["exclude"] = True
    if default is not MISSING:
        known["default"] = default
    try:
        info = pydantic.Field(**known)
    except TypeError as error:
        mend = "these arguments are pydantic's: leave one of them out"
        raise DeclarationError(Diagnostic("wrong Field arguments", caller_span(), str(error), mend)) from None
    if _is_flag("primary_key", primary_key):
        info.metadata.append(PrimaryKey())
    if hidden:
        info.metadata.append(Hidden())
    if generator is not None:
        # pydantic keeps metadata that it does not know, through Annotated and inheritance too.
        info.metadata.append(generator)
    return info


def _is_flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        label, mend = f"got {shown(value)}", f"write {name}=True or leave it out"
        where = narrow_keyword(caller_span(), name)
        raise DeclarationError(Diagnostic(f"wrong {name}", where, label, mend))
    return value


def StateField(
    default: object = MISSING,
    *,
    from_field: str | None = None,
    draw: object = None,
    digits: int | None = None,
    type_: object = MISSING,
    default_factory: Callable[[], object] | None = None,
    latent: bool = False,
    retirement: bool = False,
) -> Any:
    """A state field of an entity: its first value and its type.

    ``from_field`` copies the value of the source event's field, ``draw`` draws one of a distribution for each
    entity that is born (``draw=Gamma(2, 0.5)``, rounded to ``digits``): a trait that no event shows. Without
    them each entity starts with ``default`` (a mutable one is copied) or with what ``default_factory``
    returns; where nothing is said, with None. ``type_`` is the annotation's when left out. The type is
    enforced for every value that is stored. ``latent=True``: flows see it, and no output has it but the
    ``truth/`` of a data set. ``retirement=True`` is the field that `Retire` sets to the instant at which an
    entity retires; it begins with None.

    Raises `DeclarationError` for two first values, or a ``draw`` that is no distribution.

    >>> from deep_faker import Entity, StateField
    >>> class Sensor(Entity):
    ...     source_event = None
    ...     primary_key = "sensor_id"
    ...     readings: int = StateField(default=0)
    """
    if default_factory is not None and not callable(default_factory):
        raise DeclarationError(
            Diagnostic(
                "default_factory is no function",
                narrow_keyword(caller_span(), "default_factory"),
                f"got {shown(default_factory)}",
                "give a function without arguments, such as list, or default=…",
            )
        )
    if from_field is not None and not isinstance(from_field, str):
        raise DeclarationError(
            Diagnostic(
                "from_field is not a name",
                narrow_keyword(caller_span(), "from_field"),
                f"got {shown(from_field)}",
                'give the name of a field of the source event, such as from_field="plan"',
            )
        )
    ways = {
        "default": default is not MISSING,
        "default_factory": default_factory is not None,
        "from_field": from_field is not None,
        "draw": draw is not None,
    }
    named = [name for name, is_given in ways.items() if is_given]
    if retirement and named:
        where = narrow_keyword(caller_span(), named[0])
        label = f"{named[0]}= of a retirement, which begins with None"
        raise DeclarationError(Diagnostic("a first value of a retirement", where, label, "leave it out"))
    if len(named) > 1:
        value = shown(from_field if named[-1] == "from_field" else draw)
        last = named[-1] if named[-1].startswith("default") else f"{named[-1]}={value}"
        label = f"a state field starts with {last} or with {named[0]}, not both"
        where = narrow_keyword(caller_span(), named[-1])
        raise DeclarationError(Diagnostic("two first values", where, label, "remove one of them"))
    return StateDeclaration(
        default,
        from_field,
        type_,
        default_factory,
        caller_span(),
        drawn_once(draw, digits),
        latent=_is_flag("latent", latent),
        retirement=bool(retirement),
    )
