"""Events and entities as frozen specs (N10, N11, N12, V1, V5, F6)."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import math
import pickle
import uuid
from typing import Annotated, Any, ClassVar, Literal, NewType, Optional, Union

import annotated_types
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deep_faker.declare.schema import (
    KINDS,
    MISSING,
    SYS_FIELDS,
    BaseEvent,
    Entity,
    Field,
    GeneratorSpec,
    Rejection,
    StateField,
    StateSpec,
    check_state_value,
    entity_spec,
    event_spec,
    is_entity,
    is_event,
    shape_of,
    state_value,
    validate_row,
    validate_value,
)
from deep_faker.errors import DeclarationError, DeepFakerWarning, InvalidValueError


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Size(enum.IntEnum):
    S = 1
    L = 2


class Address(pydantic.BaseModel):
    city: str


class Signup(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)
    age: int = Field(faker="random_int", min=18, max=80, ge=18, description="in years")
    plan: str = Field("free", mimesis="text.word", locale="de")


class User(Entity):
    source_event = Signup
    primary_key = "user_id"

    visits: int = StateField(default=0, type_=int)
    tags: list[str] = StateField(default=[])
    last: Optional[dt.datetime] = StateField(default=None, type_=dt.datetime)


UserId = NewType("UserId", str)
SHAPES = [
    (bool, "bool", False, (), None),
    (int, "int", False, (), None),
    (float, "float", False, (), None),
    (str, "str", False, (), None),
    (dt.datetime, "datetime", False, (), None),
    (dt.date, "date", False, (), None),
    (dt.time, "time", False, (), None),
    (dt.timedelta, "timedelta", False, (), None),
    (decimal.Decimal, "decimal", False, (), None),
    (uuid.UUID, "uuid", False, (), None),
    (list, "json", False, (), None),
    (dict, "json", False, (), None),
    (Any, "json", True, (), None),
    (Optional[int], "int", True, (), None),
    (int | None, "int", True, (), None),
    (UserId, "str", False, (), None),
    (pydantic.PositiveInt, "int", False, (("gt", 0),), None),
    (pydantic.StrictStr, "str", False, (), None),
    (Annotated[int, annotated_types.Ge(3)] | None, "int", True, (("ge", 3),), None),
    (
        Annotated[str, Field(pattern="^a", max_length=3)],
        "str",
        False,
        (("max_length", 3), ("pattern", "^a")),
        None,
    ),
    (pydantic.condecimal(max_digits=4), "decimal", False, (("max_digits", 4),), None),
    (list[int], "json", False, (), "type list[int]"),
    (dict[str, int], "json", False, (), "type dict[str, int]"),
    (Address, "json", False, (), "type Address"),
    (Union[int, str], "json", False, (), "type Union[int, str]"),
    (bytes, "bytes", False, (), None),
    (pydantic.AnyUrl, "text", False, (), "type AnyUrl"),
    (pydantic.PastDate, "date", False, (), "constraint now_op"),
    (Annotated[int, pydantic.AfterValidator(abs)], "int", False, (), "validator abs"),
    (Annotated[str, pydantic.StringConstraints(to_lower=True)], "str", False, (), "constraint to_lower"),
]


@pytest.mark.parametrize(
    ("annotation", "kind", "optional", "checks", "reason"), SHAPES, ids=lambda v: str(v)[:40]
)
def test_v1_annotations_have_a_kind_and_column_checks(annotation, kind, optional, checks, reason):
    """What a column can hold and check; anything else says why rows are needed."""
    shape = shape_of(annotation)
    assert kind in KINDS
    assert (shape.kind, shape.optional, shape.checks, shape.reason) == (kind, optional, checks, reason)


@pytest.mark.parametrize(
    ("annotation", "kind", "optional", "values", "reason"),
    [
        (Literal["a", "b"], "str", False, ("a", "b"), None),
        (Optional[Literal[1, 2]], "int", True, (1, 2), None),
        (Literal[True], "bool", False, (True,), None),
        (Literal["a", 1], "json", False, None, "Literal or Enum of mixed types"),
        (Colour, "str", False, ("red", "blue"), None),
        (Optional[Colour], "str", True, ("red", "blue"), None),
        (Size, "int", False, (1, 2), None),
        (Literal[Colour.RED], "str", False, ("red",), None),
    ],
)
def test_v1_choices_are_the_kind_of_their_values(annotation, kind, optional, values, reason):
    """Literals and enums are written as their values, and checked as a set of them."""
    shape = shape_of(annotation)
    assert (shape.kind, shape.optional, shape.literal, shape.reason) == (kind, optional, values, reason)


def test_f5_fields_know_their_generator_and_default():
    """Pydantic's keywords go to pydantic, all others to the provider."""
    user_id, age, plan = event_spec(Signup).fields
    assert user_id.generator == GeneratorSpec("faker", "shortuuid", (("length", 8),))
    assert age.generator == GeneratorSpec("faker", "random_int", (("min", 18), ("max", 80)))
    assert (age.checks, age.constrained, user_id.constrained) == ((("ge", 18),), True, False)
    assert Signup.model_fields["age"].description == "in years"
    assert plan.generator == GeneratorSpec("mimesis", "text.word", (), "de")
    assert (plan.default, age.default, age.has_default, plan.has_default) == ("free", MISSING, False, True)
    assert age.span.text.strip().startswith("age: int")


def test_f5_generators_survive_annotated_and_inheritance():
    """However the field is declared, its generator is found; a child's own wins."""

    class Base(BaseEvent):
        a: Annotated[str, Field(faker="name")]
        b: int = Field(faker="random_int")

    class Child(Base):
        b: int = Field(faker="random_digit")
        c: int = 3

    spec = event_spec(Child)
    assert [(f.name, f.generator and f.generator.name) for f in spec.fields] == [
        ("a", "name"),
        ("b", "random_digit"),
        ("c", None),
    ]
    assert spec.by_name["a"].span.text.strip().startswith("a: Annotated")


def test_f5_defaults_are_fresh():
    """A factory is called, a mutable default copied, for each event."""

    class Order(BaseEvent):
        lines: list = Field(default_factory=list)
        notes: dict = {"a": []}
        code: str = None

    lines, notes, code = event_spec(Order).fields
    assert lines.make_default() == []
    assert notes.make_default() is not notes.make_default()
    assert (code.nullable, code.optional) == (True, False)


def test_f5_provider_arguments_are_the_fields_own():
    """A list that the user changes later changes no generator."""
    elements = ["a", "b"]

    class Order(BaseEvent):
        status: str = Field(faker="random_element", elements=elements)

    elements.append("c")
    assert event_spec(Order).fields[0].generator.arguments == {"elements": ["a", "b"]}


def test_v5_dumps_hold_sys_fields_first_and_event_type_last():
    """In every dump of pydantic, also where the subclass adds computed fields."""

    class Order(BaseEvent):
        total: float

        @pydantic.computed_field
        def gross(self) -> float:
            return self.total * 2

    order = Order(total=1.5, sys__eid="e", sys__ets=1, sys__sid="s")
    names = [*SYS_FIELDS, "total", "gross", "event_type"]
    assert list(order.model_dump()) == names
    assert list(json.loads(order.model_dump_json())) == names
    assert order.event_type == order.model_dump()["event_type"] == "Order"
    assert order.model_dump(include={"total"}) == {"total": 1.5}
    assert "event_type" not in order.model_dump(exclude={"event_type"})


def test_v1_models_are_read_with_their_config():
    """model_config and class Config are pydantic's; what changes values needs rows."""

    class Frozen(BaseEvent):
        model_config = pydantic.ConfigDict(frozen=True, extra="forbid", title="F", str_strip_whitespace=False)
        name: str

    class Stripped(BaseEvent):
        model_config = pydantic.ConfigDict(str_strip_whitespace=True)
        name: str

    assert event_spec(Frozen).row_validated is None
    spec = event_spec(Stripped)
    assert (spec.row_validated, spec.whole_row) == ("model_config str_strip_whitespace", True)
    assert validate_row(spec, {"name": " a "}).name == "a"
    with pytest.warns(pydantic.warnings.PydanticDeprecatedSince20):

        class Old(BaseEvent):
            name: str

            class Config:
                str_to_lower = True

    assert event_spec(Old).row_validated == "model_config str_to_lower"


def test_v1_custom_validators_need_rows_and_say_so():
    """A field's own validator can be done by value; one that looks at other fields cannot."""

    class ByValue(BaseEvent):
        age: int
        name: str

        @pydantic.field_validator("age")
        @classmethod
        def grown(cls, value):
            return value + 1

    class ByInfo(BaseEvent):
        age: int
        name: str

        @pydantic.field_validator("name")
        @classmethod
        def known(cls, value, info):
            return value * info.data["age"]

    class ByModel(BaseEvent):
        age: int

        @pydantic.model_validator(mode="after")
        def check(self):
            return self

    class ByInit(BaseEvent):
        age: int

        def model_post_init(self, context):
            self.age += 1

    class Private(BaseEvent):
        age: int
        _note: str = ""

    reasons = [
        (event_spec(e).row_validated, event_spec(e).whole_row) for e in (ByValue, ByInfo, ByModel, ByInit)
    ]
    assert reasons == [
        ("age: validator grown", False),
        ("name: validator", True),
        ("validator check", True),
        ("its own model_post_init", True),
    ]
    assert event_spec(Private).row_validated is None
    age, name = event_spec(ByValue).fields
    assert (age.row_validated, name.row_validated) == ("validator grown", None)
    assert validate_value(age, 3) == 4
    assert validate_row(event_spec(ByInfo), {"age": 2, "name": "ab"}).name == "abab"


def test_v1_rejections_name_the_field_and_the_value():
    """By row and by value, and for a model's own validator."""
    spec = event_spec(Signup)
    assert isinstance(validate_row(spec, {"user_id": "a", "age": 20}), Signup)
    too_young = Rejection("age", 3, "Input should be greater than or equal to 18")
    assert validate_row(spec, {"user_id": "a", "age": 3}) == too_young
    assert validate_value(spec.by_name["age"], 3) == too_young

    class Never(BaseEvent):
        @pydantic.model_validator(mode="after")
        def check(self):
            raise ValueError("never")

    assert validate_row(event_spec(Never), {}) == Rejection("", {}, "Value error, never")


def test_v1_rows_are_given_by_field_name():
    """An alias is for reading JSON elsewhere; our values go by the names of the class."""

    class Order(BaseEvent):
        order_id: str = Field(alias="orderId", faker="uuid4")

    assert validate_row(event_spec(Order), {"order_id": "a"}).order_id == "a"
    assert "order_id" in Order(orderId="b").model_dump()


def test_v1_recursive_and_shared_types_are_read():
    """Definitions that a model shares between its fields."""

    class Node(pydantic.BaseModel):
        children: list[Node] = []

    class Tree(BaseEvent):
        root: Node
        other: Node
        colour: Colour
        colour2: Colour

    Tree.model_rebuild(_types_namespace={"Node": Node, "Colour": Colour})
    spec = event_spec(Tree)
    assert [f.kind for f in spec.fields] == ["json", "json", "str", "str"]
    assert validate_value(spec.by_name["root"], {"children": [{}]}).children[0].children == []


def test_f6_sys_names_are_reserved():
    """In fields and in state alike."""
    with pytest.raises(DeclarationError, match="reserved field name 'sys__ets'"):

        class Order(BaseEvent):
            sys__ets: int = 3

    with pytest.raises(DeclarationError, match="taken by the run"):

        class Cart(Entity):
            primary_key = "cart_id"
            sys__n: int = StateField(default=0)


def test_n10_key_outside_the_source_event_warns():
    """Such an entity gets generated text keys; one without a source event does so by design."""
    with pytest.warns(DeepFakerWarning, match="keys will be generated, as shortuuid"):

        class Customer(Entity):
            source_event = Signup
            primary_key = "customer_id"

    class Room(Entity):
        source_event = None
        primary_key = "room_id"

    for entity in (Customer, Room):
        spec = entity_spec(entity)
        assert (spec.key_field, spec.key_kind) == (None, "str")
    assert entity_spec(User).key_field is event_spec(Signup).by_name["user_id"]


def test_n11_state_is_inherited_and_overridden_in_place():
    """Bases, mixins that are no entities, and overrides."""

    class Tracked:
        seen: int = StateField(default=0)

    class Base(Entity):
        status: str = StateField(default="new")
        score: float = StateField(default=0)

    class Customer(Tracked, Base):
        source_event = Signup
        primary_key = "user_id"
        status: str = StateField(default="active")
        plan: str = StateField(from_field="plan")

    class Vip(Customer):
        level: int = StateField(default=1)

    assert [s.name for s in entity_spec(Vip).states] == ["status", "score", "seen", "plan", "level"]
    assert entity_spec(Vip).by_name["status"].default == "active"
    assert entity_spec(Vip).source_event is event_spec(Signup)
    with pytest.raises(DeclarationError, match="Base sets no primary_key"):
        entity_spec(Base)


def test_n11_types_come_from_annotations_too():
    """Postponed annotations, names of the enclosing function, and Optional in either place."""

    class Local(enum.Enum):
        A = "a"

    class Cart(Entity):
        primary_key = "cart_id"
        local: Local = StateField(default=Local.A)
        maybe: Optional[int] = StateField(type_=int)
        since: int = StateField(default=None, type_=int)
        loose = StateField(default=0.5, type_=float)
        unknown: Elsewhere = StateField(default=1, type_=int)  # type: ignore[name-defined]  # noqa: F821
        _private = 3
        LIMIT: ClassVar[int] = 5

        def double(self):
            return 2

    states = entity_spec(Cart).by_name
    assert list(states) == ["local", "maybe", "since", "loose", "unknown"]
    assert [(s.kind, s.optional) for s in states.values()] == [
        ("str", False),
        ("int", True),
        ("int", True),
        ("float", False),
        ("int", False),
    ]
    assert states["maybe"].default is None


def test_n11_mutable_defaults_are_copied():
    """No two entities share a list, and none shares it with the class."""
    spec = entity_spec(User).by_name["tags"]
    first, second = spec.make_default(), spec.make_default()
    first.append("x")
    assert second == [] == spec.default

    class Cart(Entity):
        primary_key = "cart_id"
        items: list[int] = StateField(default_factory=lambda: [1])

    items = entity_spec(Cart).by_name["items"]
    assert items.make_default() == [1]
    assert items.make_default() is not items.make_default()


def state(type_, **changes):
    """A state field of one type."""
    shape = shape_of(type_)
    known = {"kind": shape.kind, "optional": shape.optional, "literal": shape.literal, "enum": shape.enum}
    known["row_validated"] = shape.reason or (shape.checks and "checks") or None
    return StateSpec(name="x", type_=type_, default=None, from_field=None, span=None, **known, **changes)


ACCEPTED = [
    (int, 3, 3),
    (float, 3, 3.0),
    (float, 2.5, 2.5),
    (bool, True, True),
    (str, "a", "a"),
    (Optional[int], None, None),
    (dt.datetime, dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 1)),
    (dt.date, dt.date(2024, 1, 1), dt.date(2024, 1, 1)),
    (decimal.Decimal, decimal.Decimal("1.5"), decimal.Decimal("1.5")),
    (Colour, Colour.RED, Colour.RED),
    (Literal["a", "b"], "b", "b"),
    (list[float], [1, 2.5], [1.0, 2.5]),
    (dict, {"a": 1}, {"a": 1}),
    (Address, Address(city="x"), Address(city="x")),
    (pydantic.PositiveInt, 3, 3),
]
REFUSED = [
    (int, 3.0),
    (int, True),
    (int, "3"),
    (int, 2**63),
    (int, None),
    (float, "3"),
    (float, True),
    (float, decimal.Decimal(3)),
    (bool, 1),
    (str, 3),
    (str, b"a"),
    (dt.datetime, dt.date(2024, 1, 1)),
    (dt.datetime, dt.datetime(2024, 1, 1, tzinfo=dt.UTC)),
    (dt.datetime, "2024-01-01"),
    (dt.date, dt.datetime(2024, 1, 1)),
    (decimal.Decimal, 1.5),
    (Colour, "red"),
    (Literal["a", "b"], "c"),
    (Literal[1], True),
    (list[int], ["1"]),
    (list[int], (1,)),
    (Address, {"city": "x"}),
    (pydantic.PositiveInt, -3),
    (pydantic.PositiveInt, 2**70),
]


@pytest.mark.parametrize(("type_", "value", "stored"), ACCEPTED, ids=str)
def test_n11_values_of_the_type_are_stored(type_, value, stored):
    """An int is taken for a float; nothing else is converted."""
    got = state_value(state(type_), value)
    assert got == stored
    assert type(got) is type(stored)


@pytest.mark.parametrize(("type_", "value"), REFUSED, ids=str)
def test_n11_values_of_other_types_are_refused(type_, value):
    """With the value in the reason; before the run and in it."""
    spec = state(type_)
    refused = state_value(spec, value)
    assert isinstance(refused, Rejection)
    assert str(value) in refused.reason or repr(value) in refused.reason
    with pytest.raises(DeclarationError, match=r"state field User\.x\n"):
        check_state_value(spec, value, entity="User")
    with pytest.raises(InvalidValueError, match=r"User\.x in flow 'buy'"):
        check_state_value(spec, value, entity="User", flow="buy")


@pytest.mark.slow
@given(st.integers() | st.floats() | st.booleans() | st.text() | st.none() | st.dates() | st.datetimes())
def test_n11_what_is_stored_is_of_the_type(value):
    """Whatever arrives, a stored value is of the field's own Python type and says the same."""
    for type_ in (int, float, bool, str, dt.datetime, dt.date):
        stored = state_value(state(type_), value)
        if not isinstance(stored, Rejection):
            assert type(stored) is type_
            assert (
                stored == value or (isinstance(value, float) and math.isnan(value)) or isinstance(value, int)
            )


def test_n12_entities_are_told_from_everything_else():
    """save_entity and Select need a class of Entity, NewEvent one of BaseEvent."""
    assert is_entity(User)
    assert is_event(Signup)
    for other in (Entity, Signup, BaseEvent, int, "User", None, object()):
        assert not is_entity(other)
        assert not is_event(other) or other is Signup
    with pytest.raises(DeclarationError, match="int is no class of Entity"):
        entity_spec(int)
    with pytest.raises(DeclarationError, match="BaseEvent is no class of BaseEvent"):
        event_spec(BaseEvent)


def test_specs_are_made_once_and_travel_by_class():
    """A worker's spec is the spec of its own class."""
    assert event_spec(Signup) is event_spec(Signup)
    for spec in (event_spec(Signup), entity_spec(User)):
        assert pickle.loads(pickle.dumps(spec)) is spec
    assert pickle.loads(pickle.dumps(MISSING)) is MISSING


def test_state_fields_can_stand_for_fields():
    """from_field converts to a state field as an event's value converts to a field."""
    field = entity_spec(User).by_name["last"].as_field()
    assert (field.kind, field.optional, field.annotation, field.generator) == (
        "datetime",
        True,
        dt.datetime,
        None,
    )
    assert validate_value(field, dt.datetime(2024, 1, 1)) == dt.datetime(2024, 1, 1)
