"""What state holds is of its type (N11): copies of fields of another type, changes, defaults, on every engine."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from deep_faker import AddDecay, BaseEvent, Entity, Field, NewEvent, Select, Simulation, StateField
from deep_faker.errors import DeclarationError, InvalidValueError, KeySpaceError
from tests.support.engine_agreement import compiled, differences, load_text, tables
from tests.support.engines import ENGINES, engines_for

RUNS = [(name, n) for name in ENGINES for n in (4, 200)]
SEED = 3
HEAD = """
import random, uuid
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Annotated, Literal
from pydantic import AfterValidator, BaseModel, Field as Constraint
from deep_faker import *

class Plan(Enum):
    FREE = "free"
    PRO = "pro"

class Tone(StrEnum):
    FREE = "free"
    PRO = "pro"

class Point(BaseModel):
    x: int
    day: date | None = None

NONNEGATIVE = Annotated[int, Constraint(ge=0)]
LOWERED = Annotated[str, AfterValidator(str.lower)]
"""

# The field, its values (drawn, given, or a default), the state field's type, and what state then holds.
DRAWN = [
    ("int", "[1, 2]", "float", {"1.0", "2.0"}),
    ("int | None", "[1, None]", "float | None", {"1.0", "None"}),
    ("bool", "[True, False]", "int", {"1", "0"}),
    ("float", "[1.5, 2.0]", "float", {"1.5", "2.0"}),
    ("datetime | None", "[datetime(2024, 1, 1, 3), None]", "str | None", {"'2024-01-01 03:00:00'", "None"}),
    ("datetime | None", "[datetime(2024, 1, 1, 3), None]", "date | None", {"datetime.date(2024, 1, 1)", "None"}),
    ("date | None", "[date(2024, 1, 1), None]", "datetime | None", {"datetime.datetime(2024, 1, 1, 0, 0)", "None"}),
    ("str", "['free', 'pro']", "Plan", {"<Plan.FREE: 'free'>", "<Plan.PRO: 'pro'>"}),
    ("Plan | None", "[Plan.FREE, None]", "str | None", {"'free'", "None"}),
    ("Plan", "list(Plan)", "Tone", {"<Tone.FREE: 'free'>", "<Tone.PRO: 'pro'>"}),
    ("Tone", "list(Tone)", "Literal['free', 'pro']", {"'free'", "'pro'"}),
    ("int", "[1, 2]", "Decimal", {"Decimal('1')", "Decimal('2')"}),
    ("Decimal", "[Decimal('1.5'), Decimal('2')]", "float", {"1.5", "2.0"}),
    ("uuid.UUID", "[uuid.UUID(int=5)]", "str", {"'00000000-0000-0000-0000-000000000005'"}),
    ("str", "['00000000-0000-0000-0000-000000000005']", "uuid.UUID", {"UUID('00000000-0000-0000-0000-000000000005')"}),
    ("list[int]", "[[1], [2, 3]]", "str", {"'[1]'", "'[2, 3]'"}),
    ("set[int]", "[[1], [2, 3]]", "set[int]", {"{1}", "{2, 3}"}),
    ("Point", "[{'x': 1, 'day': '2024-01-01'}, {'x': 2}]", "Point",
     {"Point(x=1, day=datetime.date(2024, 1, 1))", "Point(x=2, day=None)"}),
    ("dict[date, Plan]", "[{'2024-01-01': 'free'}]", "dict[date, Plan]",
     {"{datetime.date(2024, 1, 1): <Plan.FREE: 'free'>}"}),
    ("str", "['A', 'b']", "LOWERED", {"'a'", "'b'"}),
]  # fmt: skip
GIVEN = [
    ("int | None", "['5', 7, 3.0, None]", {"5", "7", "3", "None"}),
    ("float | None", "[True, 2, '3.5', None]", {"1.0", "2.0", "3.5", "None"}),
    ("date | None", "['2024-05-06', date(2024, 5, 7)]", {"datetime.date(2024, 5, 6)", "datetime.date(2024, 5, 7)"}),
    ("datetime | None", "['2024-05-06T01:02:03', date(2024, 5, 7)]",
     {"datetime.datetime(2024, 5, 6, 1, 2, 3)", "datetime.datetime(2024, 5, 7, 0, 0)"}),
    ("timedelta | None", "[5, 'PT3S']", {"datetime.timedelta(seconds=5)", "datetime.timedelta(seconds=3)"}),
    ("time | None", "['04:05', None]", {"datetime.time(4, 5)", "None"}),
    ("Decimal | None", "['1.50', 2, 0.5]", {"Decimal('1.50')", "Decimal('2')", "Decimal('0.5')"}),
    ("uuid.UUID | None", "[str(uuid.UUID(int=6)), None]", {"UUID('00000000-0000-0000-0000-000000000006')", "None"}),
    ("Plan | None", "[Plan.FREE, 'pro', None]", {"<Plan.FREE: 'free'>", "<Plan.PRO: 'pro'>", "None"}),
    ("list[int] | None", "[['5'], None]", {"[5]", "None"}),
    ("tuple[int, str] | None", "[[1, 'x'], (2, 'y')]", {"(1, 'x')", "(2, 'y')"}),
    ("Point | None", "[{'x': 1}, None]", {"Point(x=1, day=None)", "None"}),
    ("NONNEGATIVE | None", "[4, '7']", {"4", "7"}),
]  # fmt: skip
CONSTANT = [
    ("Plan | None", "'free'", {"<Plan.FREE: 'free'>"}),
    ("float", "3", {"3.0"}),
    ("str | None", "None", {"None"}),
]
DEFAULTS = [
    ("float", "default=3", {"3.0"}),
    ("float", "default_factory=lambda: 3", {"3.0"}),
    ("str", "default_factory=lambda: 'x'", {"'x'"}),
    ("Decimal", "default=Decimal('1.10')", {"Decimal('1.10')"}),
    ("list[Plan]", "default=[Plan.FREE]", {"[<Plan.FREE: 'free'>]"}),
    ("Plan | None", "default=None", {"None"}),
]


def runs_of(text: str, folder: Path) -> dict[str, Any]:
    """What each engine makes of a module; they must agree with the reference."""
    plan = compiled(load_text(text, folder))
    runs = {engine: tables(plan, SEED, engine) for engine in engines_for(plan)}
    for engine, run in runs.items():
        assert differences(runs["reference"], run) == [], engine
    return runs


def said(text: str, folder: Path) -> dict[int, set[str]]:
    """The texts of ``Told`` events by their number."""
    reference = runs_of(text, folder)["reference"]
    assert isinstance(reference, dict), str(reference)
    found = defaultdict(set)
    for row in reference["events/Told"].to_pylist():
        found[row["number"]].add(row["text"])
    return found


def world(fields: list[str], states: list[str], flow: list[str], *, initial: int = 40) -> str:
    def block(lines: list[str]) -> str:
        return "\n".join(f"    {line}" for line in lines)

    return f"""{HEAD}
class Opened(BaseEvent):
    k: str = Field(faker="shortuuid", length=8)
{block(fields)}

class Account(Entity):
    source_event = Opened
    primary_key = "k"
{block(states)}

class Told(BaseEvent):
    number: int
    text: str
    before: str = ""
    value: str = ""

sim = Simulation("6s", start_time="2024-01-01", n_flows=20, random_seed={SEED}, initial_entities={{Account: {initial}}})

@sim.flow(filter=Select(Account))
def look(ctx):
    a = ctx.get_entity(Account)
{block(flow)}
"""


def test_n11_a_copy_of_a_field_of_another_type_is_converted(tmp_path: Path) -> None:
    """V1, N11: state holds what its own type makes of the event's value, None included."""
    fields = [f"v{i}: {kind} = Field(dist=Choice({values}))" for i, (kind, values, _, _) in enumerate(DRAWN)]
    states = [f"v{i}: {kind} = StateField(from_field='v{i}')" for i, (_, _, kind, _) in enumerate(DRAWN)]
    flow = [f"yield NewEvent(ctx, Told, number={i}, text=repr(a.v{i}))" for i in range(len(DRAWN))]
    found = said(world(fields, states, flow), tmp_path)
    assert {DRAWN[i][:3]: found[i] for i in found} == {row[:3]: row[3] for row in DRAWN}


def test_v1_state_sees_what_pydantic_makes_of_a_value_that_the_flow_gives(tmp_path: Path) -> None:
    """V1, N11: a value given to an event is converted before it is copied to state, and as the flow reads it."""
    rows = [(kind, f"random.choice({values})", right) for kind, values, right in GIVEN]
    rows += CONSTANT
    fields = [f"v{i}: {kind} = None" for i, (kind, _, _) in enumerate(rows)]
    states = [f"v{i}: {kind} = StateField(from_field='v{i}')" for i, (kind, _, _) in enumerate(rows)]
    text = world(fields, states, ["yield AddDecay(ctx, seconds=1)"], initial=0)
    given = ", ".join(f"v{i}={value}" for i, (_, value, _) in enumerate(rows))
    text += f"""
@sim.flow()
def made(ctx):
    yield NewEvent(ctx, Opened, {given}, save_entity=Account)
    b = ctx.get_entity(Account)
    e = ctx.current_event_data
""" + "\n".join(f"    t{i} = repr(e['v{i}'])" for i in range(len(rows)))
    text += "".join(
        f"\n    yield NewEvent(ctx, Told, number={i}, text=repr(b.v{i}))"
        f"\n    yield NewEvent(ctx, Told, number={i}, text=t{i})"
        for i in range(len(rows))
    )
    found = said(text, tmp_path)
    assert {rows[i][:2]: found[i] for i in found} == {row[:2]: row[2] for row in rows}


def test_n11_defaults_are_of_the_type_and_made_for_each_entity(tmp_path: Path) -> None:
    """N11: what a default or a factory gives is stored as the type has it."""
    states = [f"v{i}: {kind} = StateField({given})" for i, (kind, given, _) in enumerate(DEFAULTS)]
    flow = [f"yield NewEvent(ctx, Told, number={i}, text=repr(a.v{i}))" for i in range(len(DEFAULTS))]
    found = said(world([], states, flow), tmp_path)
    assert {DEFAULTS[i][:2]: found[i] for i in found} == {row[:2]: row[2] for row in DEFAULTS}


# state field, operator, value; all of one flow, one after the other
CHANGES = [
    ("g", "is", "random.randint(1, 5)"), ("g", "add", "random.randint(1, 5)"), ("g", "min", "2"),
    ("g", "max", "random.choice([3, 7.5])"), ("g", "multiply", "3"), ("g", "subtract", "a.c"),
    ("c", "add", "a.n or 1"), ("c", "max", "4"), ("f", "is", "random.choice([1, None])"), ("f", "is", "a.c"),
    ("f", "is", "a.n"), ("n", "is", "None"), ("n", "is", "random.choice([None, 9])"),
    ("s", "is", "a.t"), ("t", "is", "random.choice(['q', None])"), ("t", "is", "a.k"),
    ("w", "is", "ctx.flow_clock"), ("w", "is", "random.choice([None, datetime(1970, 1, 1)])"),
    ("b", "is", "None"), ("b", "is", "random.choice([True, False, None])"),
    ("z", "add", "a.d or Decimal('0.10')"), ("z", "multiply", "Decimal(2)"), ("z", "max", "Decimal('3')"),
    ("d", "is", "None"), ("d", "is", "a.z"), ("p", "is", "random.choice([*Plan, None])"), ("p", "is", "Plan.PRO"),
    ("u", "is", "None"), ("u", "is", "uuid.uuid4()"), ("l", "is", "[random.randint(1, 2)]"), ("l", "is", "None"),
    ("m", "is", "None"),
]  # fmt: skip
_PYTHON = {
    "is": lambda before, value: value,
    "add": lambda before, value: before + value,
    "subtract": lambda before, value: before - value,
    "multiply": lambda before, value: before * value,
    "min": min,
    "max": max,
}


@pytest.mark.slow
@pytest.mark.parametrize("shared", [False, True])
def test_s2_changes_give_what_python_gives_in_the_type_of_the_field(shared: bool, tmp_path: Path) -> None:
    """S2, N11: None can be set and read again; an int that is put into a float field is a float for the flow."""
    kinds = {
        "n": ("int", "[5, None, 7]"), "f": ("float", "[0.5, None]"), "s": ("str", "['a', None]"),
        "t": ("str", "['b', '', None]"), "d": ("Decimal", "[Decimal('1.50'), None]"),
        "u": ("uuid.UUID", "[uuid.UUID(int=5), None]"), "p": ("Plan", "[Plan.FREE, None]"),
        "w": ("datetime", "[datetime(2024, 1, 1), None]"), "b": ("bool", "[True, None]"),
        "l": ("list[int]", "[[1], None]"), "m": ("Point", "[{'x': 1}, None]"),
    }  # fmt: skip
    fields = [f"{n}: {kind} | None = Field(dist=Choice({values}))" for n, (kind, values) in kinds.items()]
    states = [f"{n}: {kind} | None = StateField(from_field='{n}')" for n, (kind, _) in kinds.items()]
    states += ["c: int = StateField(default=0)", "g: float = StateField(default=1)"]
    states += ["z: Decimal = StateField(default=Decimal('1'))"]
    flow = []
    for i, (name, op, value) in enumerate(CHANGES):
        flow += [
            f"x{i} = {value}",
            f"y{i} = a.{name}",
            f"yield SetState(Account, [({name!r}, {op!r}, x{i})])",
            f"yield NewEvent(ctx, Told, number={i}, before=repr(y{i}), value=repr(x{i}), text=repr(a.{name}))",
        ]
    text = world(fields, states, flow)
    if shared:
        text = text.replace("filter=Select(Account)", "filter=Select(Account, shared=True)")
    reference = runs_of(text, tmp_path)["reference"]
    assert isinstance(reference, dict), str(reference)
    space: dict[str, Any] = {}
    exec(HEAD + "import datetime\nfrom uuid import UUID", space)
    rows = reference["events/Told"].to_pylist()
    assert {row["number"] for row in rows} == set(range(len(CHANGES)))
    for row in rows:
        name, op, _ = CHANGES[row["number"]]
        before, value = (eval(re.sub(r"<(.*):.*>", r"\1", row[part]), space) for part in ("before", "value"))
        right = _PYTHON[op](before, value)
        right = float(right) if name in ("f", "g") and right is not None else right
        assert row["text"] == repr(right), (name, op, before, value)


REFUSED = [
    ("v: int | None = Field(dist=Choice([1, None]))", "v: int = StateField(from_field='v')", "pass", "state"),
    ("v: str | None = Field(faker='random_element', elements=['a', None])", "v: str = StateField(from_field='v')",
     "pass", "state"),
    ("v: int | None = Field(dist=Choice([1, None]))", "v: int = StateField(from_field='v')", "unread", "state"),
    ("v: int = Field(dist=Choice([1, None]))", "v: int | None = StateField(from_field='v')", "pass", "event"),
    ("v: Plan = Field(dist=Choice([Plan.FREE, None]))", "v: Plan | None = StateField(from_field='v')", "pass", "event"),
    ("v: str = Field(dist=Choice(['free', 'no']))", "v: Plan = StateField(from_field='v')", "pass", "state"),
    ("v: list[int] = Field(dist=Choice([[1]]))", "v: list[str] = StateField(from_field='v')", "pass", "state"),
    ("v: int = Field(dist=Choice([-1, 2]))", "v: NONNEGATIVE = StateField(from_field='v')", "pass", "state"),
    ("w: int | None = Field(dist=Choice([1, None]))",
     "v: int = StateField(default=1)\n    w: int | None = StateField(from_field='w')",
     "yield SetState(Account, [('v', 'is', a.w)])", "state"),
    ("w: int | None = Field(dist=Choice([1, None]))",
     "v: int = StateField(default=1)\n    w: int | None = StateField(from_field='w')",
     "yield SetState(Account, [('v', 'max', a.w)])", "state"),
    ("w: Decimal | None = Field(dist=Choice([Decimal(1), None]))",
     "v: Decimal = StateField(default=Decimal(1))\n    w: Decimal | None = StateField(from_field='w')",
     "yield SetState(Account, [('v', 'is', a.w)])", "state"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "state", "flow", "what"), REFUSED)
def test_n11_a_null_or_value_that_a_type_does_not_take_stops_every_engine_alike(
    field: str, state: str, flow: str, what: str, tmp_path: Path
) -> None:
    """N11, V1: one error, of one class, title and line, whether or not anybody reads the value."""
    read = [] if flow == "unread" else ["yield NewEvent(ctx, Told, number=0, text=repr(a.v))"]
    lines = [] if flow == "unread" else [flow]
    runs = runs_of(world([field], [state], [*lines, *read, "yield AddDecay(ctx, seconds=1)"]), tmp_path)
    titles = {"state": "wrong type for state field Account.v", "event": "invalid value for Opened.v"}
    for run in runs.values():
        assert isinstance(run, InvalidValueError)
        assert run.diagnostic.title.startswith(titles[what])


def test_n11_a_factory_of_a_wrong_type_is_refused_at_declaration(tmp_path: Path) -> None:
    """N11: what can be known when flows are compiled is refused there, at the state field's line."""
    text = world([], ["v: int = StateField(default_factory=lambda: 'x')"], ["yield AddDecay(ctx, seconds=1)"])
    with pytest.raises(
        DeclarationError, match=r"wrong type for state field Account\.v(.|\n)*default_factory"
    ):
        runs_of(text, tmp_path)


@pytest.mark.parametrize(
    ("op", "value"),
    [("between", "[1, None]"), ("between", "[None, 7]"), ("greater_than", "None"), ("less_or_equal", "None")],
)
def test_s1_nothing_has_an_order_with_none(op: str, value: str, tmp_path: Path) -> None:
    """S1: None is never greater or less than anything, also as what is compared with."""
    fields, states = (
        ["n: int | None = Field(dist=Choice([1, None]))"],
        ["n: int | None = StateField(from_field='n')"],
    )
    flow = [
        f"yield Select(ctx, Account, where=[('n', {op!r}, {value})])",
        "yield NewEvent(ctx, Told, number=1 if ctx.get_entity(Account) else 0, text='')",
    ]
    assert said(world(fields, states, flow), tmp_path).keys() == {0}


KEYS = itertools.count()


class Numbered(BaseEvent):
    key: str = Field(default_factory=lambda: f"k{next(KEYS)}")


class ByFactory(Entity):
    source_event = Numbered
    primary_key = "key"
    copy: str = StateField(from_field="key", type_=str)


class Mailed(BaseEvent):
    mail: str = Field(faker="free_email")


class ByMail(Entity):
    source_event = Mailed
    primary_key = "mail"
    copy: str = StateField(from_field="mail", type_=str)


class Single(BaseEvent):
    key: str = "the one"


class Only(Entity):
    source_event = Single
    primary_key = "key"


def births(entity, event, count: int, n: int) -> Simulation:
    sim = Simulation(
        "3s", start_time="2024-01-01", n_flows=n, random_seed=1, initial_entities={entity: count}
    )

    @sim.flow()
    def born(ctx):
        yield NewEvent(ctx, event, save_entity=entity)

    return sim


@pytest.mark.parametrize(("engine", "n"), RUNS)
def test_n7_keys_that_are_kept_are_what_state_copies(engine, n):
    """Keys of a generator that can collide, or of a default factory, in initial entities and in flows."""
    for entity, event in ((ByFactory, Numbered), (ByMail, Mailed)):
        ds = births(entity, event, 5, n).collect(engine=engine)
        name = entity.primary_key
        frame = ds.entities[entity]
        assert frame.height == 5 + 3 * n
        assert frame[name].n_unique() == frame.height
        assert frame[name].to_list() == frame["copy"].to_list() == ds[event][name].to_list()


@pytest.mark.parametrize(("engine", "n"), RUNS)
def test_n7_a_default_alone_is_one_key(engine, n):
    """The first entity has it; a second one is refused by the name of the field, on every engine."""
    alone = births(Only, Single, 1, n)
    alone.remove_flow("born")

    @alone.flow(filter=Select(Only))
    def wait(ctx):
        yield AddDecay(ctx, seconds=1)

    assert alone.collect(engine=engine).entities[Only]["key"].to_list() == ["the one"]
    with pytest.raises(KeySpaceError, match=r"draws of 'key' in a row gave keys that exist already"):
        births(Only, Single, 1, n).collect(engine=engine)


class Funded(BaseEvent):
    key: str = Field(faker="shortuuid", length=8)
    amount: Decimal = Field(faker="random_element", elements=[Decimal("12.50"), Decimal(300)])


class Account(Entity):
    source_event = Funded
    primary_key = "key"
    amount: Decimal = StateField(from_field="amount", type_=Decimal)


class Told(BaseEvent):
    text: str


@pytest.mark.parametrize(("engine", "n"), RUNS)
def test_v1_a_drawn_decimal_has_no_zeros_of_its_column(engine, n):
    """What a flow writes of it is what JSON lines have, however wide the column is."""
    sim = Simulation("3s", start_time="2024-01-01", n_flows=n, random_seed=1, initial_entities={Account: 20})

    @sim.flow(filter=Select(Account))
    def tell(ctx):
        yield NewEvent(ctx, Told, text=f"{ctx.get_entity(Account).amount}")

    assert set(sim.collect(engine=engine)[Told]["text"]) == {"12.5", "300"}
