"""What a flow yields, checked where it is made (F4, F6, F10, N9, N12, S1, S2, T8)."""

import datetime as dt
import decimal
import pickle
import warnings
from dataclasses import FrozenInstanceError
from typing import Annotated, Literal, Optional

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deep_faker.actions import (
    AddDecay,
    Choice,
    Exponential,
    LogNormal,
    NewEvent,
    Normal,
    Now,
    Select,
    SetState,
    Uniform,
)
from deep_faker.declare.actions import (
    OPERATORS,
    ORDERING,
    SET_OPERATORS,
    UNITS,
    UNKNOWN,
    Change,
    Condition,
    Unknown,
    check_change,
    check_condition,
    check_fields,
    check_rate,
    check_save,
    check_wait,
    check_weight,
    warn_literal_times,
)
from deep_faker.declare.schema import BaseEvent, Entity, Field, StateField, entity_spec, event_spec
from deep_faker.errors import DeclarationError, DeepFakerWarning, InvalidValueError
from deep_faker.times import Grid


class Signup(BaseEvent):
    user_id: int = Field(faker="random_int")
    plan: str = Field(faker="random_element", elements=["free", "pro"])
    ctx: str = "a field may have any name"


class Invited(Signup):
    by: str = ""


class User(Entity):
    source_event = Signup
    primary_key = "user_id"

    visits: int = StateField(default=0)
    balance: float = StateField(default=0.0)
    credit: decimal.Decimal = StateField(default=decimal.Decimal(0))
    status: Literal["new", "active"] = StateField(default="new")
    name: str = StateField(default="")
    vip: bool = StateField(default=False)
    tags: list[str] = StateField(default=[])
    spent: dt.timedelta = StateField(default=dt.timedelta(0))
    joined: dt.datetime = StateField(default=dt.datetime(2024, 1, 1))
    last: Optional[dt.datetime] = StateField(default=None)
    limit: Annotated[int, Field(ge=0)] = StateField(default=0)


USER = entity_spec(User)
CTX = object()
HOUR = dt.timedelta(hours=1)


def conditions(*where):
    """The checked conditions of a Select."""
    return Select(User, where=list(where)).where


def changes(*given_changes):
    """The checked changes of a SetState."""
    return SetState(User, list(given_changes)).changes


def test_s1_operators_have_one_name_each():
    """Signs and words mean the same."""
    signs = {"=": "is", "==": "is", "!=": "is_not", ">": "greater_than", "<": "less_than"}
    signs |= {">=": "greater_or_equal", "<=": "less_or_equal"}
    words = {"is", "is_not", "in", "not_in", "between", "starts_with", "is_null", "not_null", *ORDERING}
    assert signs | {word: word for word in words} == OPERATORS
    assert conditions(("visits", ">", 3)) == conditions(("visits", "greater_than", 3))


def test_s1_conditions_are_canonical():
    """Lists become tuples; the key can be used; the where of Select may be given in its place."""
    assert conditions(
        ("user_id", "is", 7),
        ("status", "in", ["new", "active"]),
        ("name", "not_in", {"a"}),
        ("visits", "between", [1, 3]),
        ("last", "is_null"),
        ("last", "not_null", None),
        ["last", "is", None],
    ) == (
        Condition("user_id", "is", 7),
        Condition("status", "in", ("new", "active")),
        Condition("name", "not_in", ("a",)),
        Condition("visits", "between", (1, 3)),
        Condition("last", "is_null"),
        Condition("last", "not_null"),
        Condition("last", "is", None),
    )
    assert Select(User, [("visits", ">", 1)]) == Select(CTX, User, where=[("visits", ">", 1)])
    assert Select(User) == Select(CTX, User) == Select(User, where=None)
    again = Select(User, where=conditions(("visits", ">", 1)))
    assert again == Select(User, where=[("visits", ">", 1)])


@pytest.mark.parametrize(
    "condition",
    [
        ("visits", ">", 2.5),
        ("balance", "<=", 3),
        ("credit", ">", 3),
        ("credit", "is", decimal.Decimal("1.5")),
        ("name", ">", "m"),
        ("vip", "is", True),
        ("tags", "is", ["a"]),
        ("spent", ">", HOUR),
        ("joined", ">=", dt.datetime(2024, 1, 1)),
        ("last", "<", None),
        ("visits", "in", range(3)),
        ("visits", "in", []),
        ("limit", ">", -5),
        ("limit", "between", (-1, 1)),
        ("name", "starts_with", "A"),
        ("name", "starts_with", ""),
        ("name", "starts_with", None),
        ("status", "starts_with", "act"),
    ],
)
def test_s1_values_of_the_fields_type_are_taken(condition):
    """Numbers compare with numbers; a constraint on the field limits what is stored, not what is asked."""
    assert conditions(condition)[0].field == condition[0]


@pytest.mark.parametrize(
    "condition",
    [
        ("visits", "is", "3"),
        ("visits", "is", True),
        ("visits", ">", decimal.Decimal(3)),
        ("user_id", "is", "7"),
        ("credit", ">", 1.5),
        ("name", "is", 3),
        ("vip", "is", 1),
        ("vip", ">", False),
        ("tags", ">", ["a"]),
        ("tags", "is", "a"),
        ("status", "is", "gone"),
        ("status", "in", ["new", "gone"]),
        ("joined", "<", "2024-01-01"),
        ("joined", "<", dt.date(2024, 1, 1)),
        ("joined", "<", dt.datetime(2024, 1, 1, tzinfo=dt.UTC)),
        ("visits", "in", 3),
        ("name", "in", "abc"),
        ("visits", "between", [1]),
        ("visits", "between", [1, "3"]),
        ("visits", "starts_with", "3"),
        ("tags", "starts_with", "a"),
        ("name", "starts_with", 3),
        ("name", "starts_with", ("a", "b")),
        ("name", "starts_with"),
        ("last", "is_null", False),
        ("visitz", "is", 3),
        ("visits", "near", 3),
        ("visits", None, 3),
        (3, "is", 3),
        ("visits", 3),
        ("visits",),
        "visits",
    ],
)
def test_s1_anything_else_raises_at_declaration(condition):
    """Unknown fields and operators, and values of the wrong type."""
    with pytest.raises(DeclarationError):
        conditions(condition)


def test_s1_the_compiler_checks_with_less():
    """It knows fields, operators and often the kind of a value: what can be refused, is."""
    assert check_condition(USER, "visits", ">") == Condition("visits", "greater_than", UNKNOWN)
    assert check_condition(USER, "visits", ">", Unknown("float")).value == Unknown("float")
    assert check_condition(USER, "visits", "in", [1, UNKNOWN]).value == (1, UNKNOWN)
    assert check_condition(USER, "joined", "between", (UNKNOWN, Now())).value == (UNKNOWN, Now())
    for field, op, value in [
        ("visits", ">", Unknown("str")),
        ("name", "is", Unknown("int")),
        ("name", "starts_with", Unknown("int")),
        ("tags", ">", UNKNOWN),
        ("visits", "in", [Unknown("str")]),
        ("visitz", "is", UNKNOWN),
    ]:
        with pytest.raises(DeclarationError):
            check_condition(USER, field, op, value)


def test_s2_operators_have_one_name_each():
    """= is is; the rest have one name."""
    words = ("is", "add", "subtract", "multiply", "min", "max")
    assert {"=": "is"} | {word: word for word in words} == SET_OPERATORS


@pytest.mark.parametrize(
    ("change", "value"),
    [
        (("visits", "add", 1), 1),
        (("balance", "subtract", 3), 3.0),
        (("balance", "multiply", 1.1), 1.1),
        (("credit", "add", decimal.Decimal("0.1")), decimal.Decimal("0.1")),
        (("visits", "max", 3), 3),
        (("name", "min", "m"), "m"),
        (("joined", "max", dt.datetime(2025, 1, 1)), dt.datetime(2025, 1, 1)),
        (("joined", "add", HOUR), HOUR),
        (("spent", "add", HOUR), HOUR),
        (("last", "=", None), None),
        (("last", "is", dt.datetime(2025, 1, 1)), dt.datetime(2025, 1, 1)),
        (("limit", "max", 3), 3),
        (("status", "is", "active"), "active"),
        (("tags", "is", ["a"]), ["a"]),
    ],
)
def test_s2_changes_are_canonical(change, value):
    """Values are stored as their field's type."""
    [checked] = changes(change)
    assert (checked.field, checked.op) == (change[0], SET_OPERATORS[change[1]])
    assert checked.value == value
    assert type(checked.value) is type(value)


@pytest.mark.parametrize(
    "change",
    [
        ("last", "add", HOUR),
        ("last", "max", dt.datetime(2025, 1, 1)),
        ("visits", "add", 1.5),
        ("visits", "add", "1"),
        ("visits", "add", None),
        ("visits", "multiply", 1.5),
        ("name", "add", "x"),
        ("tags", "add", "x"),
        ("vip", "add", 1),
        ("status", "max", "new"),
        ("joined", "add", 3),
        ("joined", "multiply", 2),
        ("limit", "add", 1),
        ("limit", "is", -1),
        ("limit", "max", -1),
        ("status", "is", "gone"),
        ("user_id", "is", 3),
        ("visits", "plus", 1),
        ("visitz", "add", 1),
        ("last", "is", Now()),
        ("visits", 1),
        "visits",
    ],
)
def test_s2_anything_else_raises_at_declaration(change):
    """add on a field that can be None too; the key never changes."""
    with pytest.raises(DeclarationError):
        changes(change)


def test_s2_the_compiler_checks_with_less():
    """Values that arrive in the run name their flow when they are wrong."""
    assert check_change(USER, "visits", "add") == Change("visits", "add", UNKNOWN)
    assert check_change(USER, "balance", "add", Unknown("int")).value == Unknown("int")
    for field, op, value in [
        ("visits", "add", Unknown("float")),
        ("visits", "is", Unknown("str")),
        ("last", "add", UNKNOWN),
        ("joined", "add", Unknown("datetime")),
        ("credit", "add", Unknown("float")),
    ]:
        with pytest.raises(DeclarationError):
            check_change(USER, field, op, value)
    with pytest.raises(InvalidValueError, match=r"User\.visits in flow 'buy'"):
        check_change(USER, "visits", "add", "1", flow="buy")


def test_s2_changes_need_a_list():
    """One change alone, none, or no entity."""
    for wrong in (("visits", "add", 1), [], None, {"visits": 1}, "visits"):
        with pytest.raises(DeclarationError):
            SetState(User, wrong)
    for arguments in ((), (CTX,), (User,), (CTX, User), (Signup, []), (User, [("visits", "add", 1)], [])):
        with pytest.raises(DeclarationError):
            SetState(*arguments)
    assert SetState(CTX, User, changes=[("visits", "add", 1)]) == SetState(User, [("visits", "add", 1)])


@given(st.timedeltas(dt.timedelta(days=-999), dt.timedelta(days=999)))
def test_t8_now_moves_by_timedeltas(offset):
    """Either side of +, and back by -."""
    assert Now() + offset == offset + Now() == Now(offset // dt.timedelta(microseconds=1))
    assert Now() + offset - offset == Now()


def test_t8_now_takes_ordering_operators_and_between_only():
    """On datetimes only, so that each row's flip is a known instant."""
    for op in ORDERING:
        assert conditions(("last", op, Now() - HOUR))[0].value == Now(-3_600_000_000)
    assert conditions(("last", "between", (Now() - HOUR, Now())))[0].value == (Now(-3_600_000_000), Now())
    for wrong in [
        ("last", "is", Now()),
        ("last", "is_not", Now()),
        ("last", "in", [Now()]),
        ("name", ">", Now()),
        ("visits", "<", Now()),
        ("spent", "between", (Now(), Now())),
    ]:
        with pytest.raises(DeclarationError, match=r"Now\(\)"):
            conditions(wrong)
    for nonsense in (lambda: Now() + 3, lambda: Now() - Now(), lambda: 3 + Now()):
        with pytest.raises(TypeError):
            nonsense()


def test_t8_a_constant_outside_the_run_warns():
    """A literal datetime does not move; inside the run, or as Now(), nothing is said."""
    grid = Grid.parse("2024-01-01", duration="1d")
    early, late, within = (dt.datetime(2023, 12, 31), dt.datetime(2024, 1, 3), dt.datetime(2024, 1, 1, 12))
    for value in (early, late):
        with pytest.warns(DeepFakerWarning, match=r"Now\(\) - timedelta"):
            warn_literal_times(USER, conditions(("last", "<", value))[0], grid)
    with pytest.warns(DeepFakerWarning, match="2023-12-31"):
        warn_literal_times(USER, conditions(("last", "between", (early, within)))[0], grid)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for value in (within, Now(), None):
            warn_literal_times(USER, conditions(("last", "<", value))[0], grid)


def test_n9_a_weight_is_a_number_that_is_never_none():
    """By the name of a state field."""
    assert Select(User, weight="visits").weight == "visits"
    assert check_weight(USER, "balance") == "balance"
    for wrong in ("status", "last", "user_id", "nope", 3):
        with pytest.raises(DeclarationError):
            Select(User, weight=wrong)


def test_n5_shared_is_a_flag():
    """Not a truthy value by accident."""
    assert Select(User, shared=True).shared
    with pytest.raises(DeclarationError, match="shared is True or False"):
        Select(User, shared=1)


def test_n12_save_entity_needs_an_entity_of_this_event():
    """The event's own, or one that the event inherits."""
    assert NewEvent(CTX, Signup, save_entity=User).save_entity is User
    assert NewEvent(CTX, Invited, save_entity=User).save_entity is User
    check_save(event_spec(Signup), User)

    class Other(BaseEvent):
        user_id: int

    for event, entity in [(Signup, Signup), (Signup, "User"), (Signup, Entity), (Other, User)]:
        with pytest.raises(DeclarationError, match="save_entity"):
            NewEvent(CTX, event, save_entity=entity)


def test_f6_unknown_keywords_and_sys_fields_raise():
    """With the near names; a field may be called ctx."""
    assert dict(NewEvent(CTX, Signup, plan="pro", ctx="x").fields) == {"plan": "pro", "ctx": "x"}
    with pytest.raises(DeclarationError, match="did you mean 'plan'"):
        NewEvent(CTX, Signup, plam="pro")
    with pytest.raises(DeclarationError, match="'sys__eid' cannot be set"):
        NewEvent(CTX, Signup, sys__eid="x")
    with pytest.raises(DeclarationError, match="unknown field"):
        check_fields(event_spec(Signup), ["plan", "nope"])


def test_f2_new_event_needs_a_context_and_an_event():
    """In this order, by place; event_type also by name."""
    assert NewEvent(CTX, event_type=Signup) == NewEvent(CTX, Signup) == NewEvent(ctx=CTX, event_type=Signup)
    for wrong in [(), (Signup,), (CTX,), (CTX, User), (CTX, "Signup"), (CTX, BaseEvent), (3, Signup)]:
        with pytest.raises(DeclarationError):
            NewEvent(*wrong)


def test_f10_mutate_takes_one_or_a_list():
    """Of SetState, and nothing else."""
    one = SetState(User, [("visits", "add", 1)])
    assert NewEvent(CTX, Signup, mutate=one).mutate == NewEvent(CTX, Signup, mutate=[one]).mutate == (one,)
    assert NewEvent(CTX, Signup).mutate == NewEvent(CTX, Signup, mutate=None).mutate == ()
    for wrong in (3, [("visits", "add", 1)], [one, None], Select(User)):
        with pytest.raises(DeclarationError, match="mutate takes SetState"):
            NewEvent(CTX, Signup, mutate=wrong)


def test_f4_decay_is_a_probability_and_waiting_times():
    """Each unit a number or a distribution; no time at all is allowed."""
    decay = AddDecay(CTX, rate=1, seconds=Exponential(30), minutes=0.5, days=np.int64(2))
    assert decay.rate == 1.0
    assert decay.waits == (("seconds", Exponential(30)), ("minutes", 0.5), ("days", 2))
    assert AddDecay(CTX) == AddDecay(CTX, 0.0)
    assert [dt.timedelta(**{unit: 1}) // dt.timedelta(microseconds=1) for unit in UNITS] == list(
        UNITS.values()
    )


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan"), float("inf"), "0.5", None, True, Exponential(1)])
def test_f4_other_rates_raise(rate):
    """0 <= p <= 1, and a number."""
    with pytest.raises(DeclarationError, match="number from 0 to 1"):
        AddDecay(CTX, rate=rate)


@pytest.mark.parametrize("wait", [-1, float("nan"), float("inf"), "10", None, True, HOUR, [1]])
def test_f4_other_times_raise(wait):
    """Finite and non-negative."""
    with pytest.raises(DeclarationError, match="not negative, or a distribution"):
        AddDecay(CTX, seconds=wait)


def test_f4_the_compiler_checks_with_less():
    """Unknown values pass, unless their kind cannot be one."""
    check_rate(UNKNOWN)
    check_wait("seconds", Unknown("int"))
    for wrong in (lambda: check_rate(Unknown("str")), lambda: check_wait("seconds", Unknown("bool"))):
        with pytest.raises(DeclarationError):
            wrong()
    for context in (0.3, "ctx", User, Select(User)):
        with pytest.raises(DeclarationError, match="context first"):
            AddDecay(context, seconds=1)
    with pytest.raises(DeclarationError, match="AddDecay has no 'month'"):
        AddDecay(CTX, month=1)


def test_f4_distributions_keep_what_was_given():
    """Positional or by name, as in the literature."""
    assert Exponential(mean=3) == Exponential(3)
    assert LogNormal(-1, sigma=0.5) == LogNormal(mu=-1, sigma=0.5)
    assert Uniform(2, 2) == Uniform(low=2, high=2)
    assert Normal(-5, sd=0) == Normal(mean=-5, sd=0)
    assert Choice([1, 2.5]) == Choice(values=(1, 2.5), weights=None)
    assert Choice([1, 2], weights=[0, 3]).weights == (0, 3)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Exponential(-1),
        lambda: Exponential(float("inf")),
        lambda: Exponential("3"),
        lambda: Exponential(True),
        lambda: LogNormal(0, -1),
        lambda: LogNormal(float("nan"), 1),
        lambda: Uniform(3, 1),
        lambda: AddDecay(CTX, seconds=Uniform(-1, 1)),
        lambda: Normal(0, -1),
        lambda: Normal(None, 1),
        lambda: Choice([]),
        lambda: Choice("12"),
        lambda: AddDecay(CTX, seconds=Choice([1, -1])),
        lambda: AddDecay(CTX, seconds=Choice(["soon"])),
        lambda: Choice([1, 2], weights=[1]),
        lambda: Choice([1, 2], weights=[0, 0]),
        lambda: Choice([1, 2], weights=[1, -1]),
        lambda: Choice({1, 2}),
    ],
)
def test_f4_wrong_distributions_raise(wrong):
    """A set has no order, so it could not be drawn from the same way twice."""
    with pytest.raises(DeclarationError):
        wrong()


def test_actions_are_frozen_and_compared_by_value():
    """They are plain data: no step of the run can change one."""
    for action in (
        Select(User),
        SetState(User, [("visits", "add", 1)]),
        AddDecay(CTX),
        NewEvent(CTX, Signup),
    ):
        with pytest.raises(FrozenInstanceError):
            action.entity = User
    event = NewEvent(CTX, Signup, plan="a")
    with pytest.raises(TypeError):
        event.fields["plan"] = "b"
    select = Select(User, where=[("last", "<", Now() - HOUR), ("visits", ">", UNKNOWN)])
    assert pickle.loads(pickle.dumps(select)) == select
