"""Types that pydantic knows: what is written of them, what comes back, and what is refused where."""

from __future__ import annotations

import datetime as dt
import enum
import ipaddress
import json
import re
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, NewType

import polars as pl
import pyarrow as pa
import pydantic
import pytest
from pydantic import AfterValidator, AwareDatetime, ConfigDict, HttpUrl, PlainSerializer
from typing_extensions import TypeAliasType

from deep_faker import (
    AddDecay,
    BaseEvent,
    Choice,
    Entity,
    Field,
    FromFrame,
    LogNormal,
    NewEvent,
    Normal,
    Simulation,
    StateField,
)
from deep_faker.dataset import Dataset
from deep_faker.declare.schema import event_spec
from deep_faker.declare.schema.json_values import EventReader
from deep_faker.errors import (
    CompileError,
    DeclarationError,
    DeepFakerError,
    FlowError,
    InvalidValueError,
    OutputError,
)
from tests.support.engines import ENGINES, engines_for
from tests.support.worlds.scalar_world import NOT_GIVEN, collected, event_of, simulation_of

FORMATS = ("parquet", "arrow", "csv", "jsonl")
RUNS = [(n, name) for name in ENGINES for n in (1, 80)]


class Access(enum.IntFlag):
    READ = 1
    WRITE = 2


class Plain(enum.Flag):
    ON = 1
    OFF = 2


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Colour(enum.StrEnum):
    RED = "red"


class Pair(enum.Enum):
    A = (1, "x")
    B = (2, "y")


class Mixed(enum.Enum):
    A = 1
    B = "x"
    C = 2.5


class Rate(enum.Enum):
    LOW = Decimal("0.05")
    HIGH = Decimal("12.5")


class Id(enum.Enum):
    ONE = uuid.UUID(int=1)


UserId = NewType("UserId", int)
Money = Annotated[Decimal, pydantic.Field(max_digits=20, decimal_places=4)]
Many = TypeAliasType("Many", Annotated[int, pydantic.Field(gt=3)])

VALUES: list[tuple[Any, Any]] = [
    (HttpUrl, HttpUrl("https://shop.example/a?b=1#c")),
    (pydantic.PostgresDsn, "postgres://u:p@host:5432/db"),
    (Path, Path("/a/b c")),
    (PurePosixPath, PurePosixPath("x/y")),
    (ipaddress.IPv4Address, ipaddress.IPv4Address("192.0.2.7")),
    (ipaddress.IPv6Network, ipaddress.IPv6Network("2001:db8::/32")),
    (ipaddress.IPv4Interface, "10.0.0.1/8"),
    (ipaddress.IPv4Address | ipaddress.IPv6Address, ipaddress.IPv6Address("::1")),
    (pydantic.IPvAnyAddress, "1.2.3.4"),
    (re.Pattern[str], re.compile("a+")),
    (complex, 1 - 2.5j),
    (pydantic.ByteSize, 3000),
    (pydantic.UUID4, uuid.UUID("9f4d8e5c-2f4e-4e0e-9a0b-0d8f5a3b1c2d")),
    (bytes, b"abc"),
    (Decimal, Decimal("-12.5")),
    (Money, Decimal("9999999999999999.9999")),
    (pydantic.condecimal(max_digits=34, decimal_places=18), Decimal("9999999999999999.999999999999999999")),
    (Annotated[Decimal, pydantic.Field(max_digits=60, decimal_places=40)], Decimal("1." + "3" * 40)),
    (Decimal | None, None),
    (Access, Access.READ | Access.WRITE),
    (Plain, Plain.ON),
    (Level, Level.HIGH),
    (Colour, Colour.RED),
    (Pair, Pair.B),
    (Mixed, Mixed.B),
    (Mixed, Mixed.C),
    (Rate, Rate.LOW),
    (Id, Id.ONE),
    (Literal[1, "a"], "a"),
    (int | float, 3),
    (int | float | None, 2.5),
    (UserId, 7),
    (Many, 5),
    (dt.time, dt.time(23, 59, 59, 999999)),
    (dt.timedelta, dt.timedelta(days=-3, microseconds=1)),
    (dt.datetime, dt.datetime(1, 1, 1)),
    (dt.date, dt.date(9999, 12, 31)),
    (AwareDatetime, dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC)),
]


def _id(value: Any) -> str:
    return str(value)[:40]


def read_back(event: type[BaseEvent], frame: pl.DataFrame) -> list[Any]:
    """The values of ``v`` as the event's own."""
    reader = EventReader(event_spec(event))
    return [each.v for each in reader.events({"v": frame["v"].to_list()})]


@pytest.mark.parametrize(("annotation", "value"), VALUES, ids=_id)
def test_v5_json_lines_are_what_pydantic_writes(annotation, value):
    """A line's value is that of ``model_dump_json``, as far as JSON tells the two apart."""
    event = event_of(annotation)
    expected = json.loads(event(v=value).model_dump_json())["v"]
    [line] = simulation_of(event, value).preview(1)
    if annotation is dt.timedelta:  # in seconds here, in days there
        line_ = event.model_validate_json(line)
        assert line_.v == value
    else:
        assert json.loads(line)["v"] == expected


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize(("annotation", "value"), VALUES, ids=_id)
def test_values_of_every_type_come_back_equal(annotation, value, format_, tmp_path):
    """Written, read by `Dataset` and made the field's own again, a value is what the flow gave."""
    event = event_of(annotation)
    simulation_of(event, value).run(tmp_path / "out", format=format_, progress=False)
    frame = Dataset.open(tmp_path / "out")[event]
    own = event(v=value).v
    assert read_back(event, frame) == [own] * frame.height
    assert frame.height


class Everything(BaseEvent):
    url: HttpUrl = Field(faker="url")
    address: ipaddress.IPv4Address = Field(faker="ipv4")
    path: Path = Field(faker="file_path")
    secret: pydantic.SecretStr = Field(faker="password")
    raw: bytes = Field(faker="binary", length=6)
    picked: bytes = Field(dist=Choice([b"a", b"\xff"]))
    at: AwareDatetime = Field(faker="now")
    born: AwareDatetime = Field(faker="date_time", tzinfo=dt.UTC)
    price: Decimal = Field(faker="pydecimal", left_digits=3, right_digits=2, max_digits=5, decimal_places=2)
    fine: Decimal = Field(faker="pydecimal", left_digits=5, right_digits=18, positive=True)
    wide: Decimal = Field(faker="pydecimal")
    count: Decimal = Field(faker="random_int", max_digits=6, decimal_places=1)
    number: int | float = Field(dist=Normal(5, 1))
    pair: Pair = Field(faker="random_element", elements=list(Pair))
    mixed: Mixed = Field(dist=Choice(list(Mixed)))
    rate: Rate = Field(dist=Choice(list(Rate)))
    access: Access = Field(dist=Choice([1, 2, 3]))


@pytest.mark.parametrize(("n_flows", "engine"), RUNS)
def test_generators_fill_every_type(n_flows, engine):
    """Providers' values become the type's: text as URLs and paths, instants as aware ones, digits as Decimals."""
    sim = Simulation("4s", start_time="2024-01-01", n_flows=n_flows, random_seed=1)

    @sim.flow()
    def go(ctx):
        yield NewEvent(ctx, Everything)
        yield AddDecay(ctx, seconds=1)

    frame = sim.collect(engine=engine)[Everything]
    names = [field.name for field in event_spec(Everything).columns]
    events = list(EventReader(event_spec(Everything)).events({n: frame[n].to_list() for n in names}))
    assert events
    for event in events:
        again = Everything.model_validate(event.model_dump(mode="python", exclude={"event_type"}))
        assert again.model_dump(exclude={"secret"}) == event.model_dump(exclude={"secret"})
        assert isinstance(event.url, pydantic.HttpUrl)
        assert isinstance(event.pair, Pair)
        assert event.at.tzinfo is dt.UTC
        assert len(event.raw) == 6
    assert set(frame["secret"]) == {"**********"}


@pytest.mark.slow
def test_engines_see_the_same_values_of_every_type():
    """A flow that reads them back gets equal values on every engine."""

    class Seen(BaseEvent):
        text: str

    for n_flows in (2, 80):
        found = []
        for engine in ENGINES:
            sim = Simulation("4s", start_time="2024-01-01", n_flows=n_flows, random_seed=1)

            @sim.flow()
            def go(ctx):
                yield NewEvent(ctx, Everything)
                e = ctx.current_event_data
                text = f"{e['url']!r} {e['address']!r} {e['raw']!r} {e['at']!r} {e['wide']!r} {e['pair']!r}"
                yield NewEvent(ctx, Seen, text=text + f"{e['number']!r} {e['access']!r} {e['born']!r}")
                yield AddDecay(ctx, seconds=1)

            if engine in engines_for(sim.compile()):  # it may run as a generator
                found.append(sim.collect(engine=engine)[Seen].rows())
        assert len(found) > 1
        assert all(rows == found[0] for rows in found)


# ---------------------------------------------------------------- serializers


class Bill(BaseEvent):
    model_config = ConfigDict(ser_json_bytes="base64")

    net: int = Field(faker="random_int", min=10, max=99)
    code: str = Field(faker="bothify", text="??##")
    raw: bytes = Field(faker="binary", length=3)
    hidden: str = Field(faker="word", exclude=True)
    day: dt.date = Field(faker="date_object")
    twice: Annotated[int, PlainSerializer(lambda value: 2 * value, return_type=int)] = 4

    @pydantic.field_serializer("code")
    def _shout(self, value: str) -> str:
        return value.upper()

    @pydantic.field_serializer("day")
    def _first(self, value: dt.date) -> dt.datetime:
        return dt.datetime(value.year, 1, 1)

    @pydantic.computed_field
    @property
    def gross(self) -> float:
        return self.net * 1.5


@pytest.mark.parametrize("format_", FORMATS)
def test_serializers_and_computed_fields_are_heeded(format_, tmp_path):
    """What pydantic would write is written: by serializers, computed, or not at all."""
    event = Bill
    sim = Simulation("4s", start_time="2024-01-01", n_flows=3, random_seed=1)

    @sim.flow()
    def go(ctx):
        yield NewEvent(ctx, event)
        yield AddDecay(ctx, seconds=1)

    sim.run(tmp_path / "out", format=format_, progress=False)
    frame = Dataset.open(tmp_path / "out")[Bill]
    assert frame.columns[5:] == ["net", "code", "raw", "day", "twice", "gross"]
    assert frame.schema["day"] == pl.Datetime("us")
    assert frame.schema["gross"] == pl.Float64
    for row in frame.iter_rows(named=True):
        assert row["gross"] == row["net"] * 1.5
        assert row["code"] == row["code"].upper()
        assert (row["day"].month, row["twice"], len(row["raw"])) == (1, 8, 4)


def test_a_default_factory_that_takes_the_data_is_given_it():
    """It sees the event's other fields, as pydantic's does; the engines agree."""

    class Signup(BaseEvent):
        name: str = Field(faker="first_name")
        login: str = Field(default_factory=lambda data: data["name"].lower())

    class User(Entity):
        source_event = Signup
        primary_key = "name"
        login: str = StateField(from_field="login", type_=str)

    found = []
    for engine in ENGINES:
        sim = Simulation("5s", start_time="2024-01-01", n_flows=1, random_seed=1)

        @sim.flow()
        def go(ctx):
            yield NewEvent(ctx, Signup, save_entity=User)
            yield AddDecay(ctx, seconds=1)

        if engine not in engines_for(sim.compile()):  # it may run as a generator
            continue
        data = sim.collect(engine=engine)
        rows = data[Signup].select("name", "login").rows()
        assert [login for _, login in rows] == [name.lower() for name, _ in rows]
        assert sorted(data.entities[User].select("name", "login").rows()) == sorted(rows)
        found.append(rows)
    assert len(found) > 1
    assert all(rows == found[0] for rows in found)


# ---------------------------------------------------------------- columns


@pytest.mark.parametrize(
    ("annotation", "field", "expected"),
    [
        (Decimal, Field(), pa.decimal128(38, 10)),
        (Decimal, Field(max_digits=12, decimal_places=2), pa.decimal128(12, 2)),
        (Decimal, Field(decimal_places=2), pa.decimal128(38, 2)),
        (Decimal, Field(max_digits=4), pa.decimal128(8, 4)),
        (Decimal, Field(max_digits=60, decimal_places=2), pa.string()),
        (Money, Field(), pa.decimal128(20, 4)),
        (list[Many] | Money, Field(), pa.string()),
        (Decimal, Field(faker="pydecimal"), pa.string()),
        (Decimal, Field(faker="pydecimal", left_digits=5, right_digits=2), pa.decimal128(38, 10)),
        (Decimal, Field(faker="pydecimal", left_digits=5, right_digits=18), pa.decimal128(23, 18)),
        (Rate, Field(), pa.decimal128(4, 2)),
        (bytes, Field(), pa.binary()),
        (AwareDatetime, Field(), pa.timestamp("us")),
        (Access, Field(), pa.int64()),
        (int | float, Field(), pa.float64()),
        (HttpUrl, Field(), pa.string()),
    ],
    ids=_id,
)
def test_a_column_has_the_type_that_its_field_says(annotation, field, expected):
    """Digits of a Decimal, bytes, numbers: from the declaration alone."""
    from deep_faker.plan.conversion import arrow_type

    assert arrow_type(event_spec(event_of(annotation, field)).columns[0]) == expected


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (Field(ge=0, le=2**64 - 1), 5),
        (Field(lt=2**63), 5),
        (Field(gt=-(2**70)), -5),
        (Field(multiple_of=5, ge=-(2**63)), -5),
    ],
    ids=_id,
)
def test_bounds_beyond_64_bits_hold(field, value):
    """A bound that no 64-bit number reaches is no fault of the values."""
    assert collected(event_of(int, field), value)["Ev"]["v"].unique().to_list() == [value]


@pytest.mark.parametrize("field", [Field(ge=2**63), Field(lt=-(2**70))], ids=_id)
def test_bounds_that_no_value_meets_refuse_it(field):
    """And one that every 64-bit number breaks refuses them all."""
    with pytest.raises(DeepFakerError):
        collected(event_of(int, field), 5)


# ---------------------------------------------------------------- refused


class Opaque:
    """A class of the user's own that says nothing of how it is written."""


@pytest.mark.parametrize("annotation", [Callable, type[int], Opaque, Opaque | None], ids=_id)
def test_what_cannot_be_a_column_is_refused_at_declaration(annotation):
    """At the field, with its name, its type and the mend."""
    config = ConfigDict(arbitrary_types_allowed=True)
    event = pydantic.create_model(
        "Ev", __base__=(type("Base", (BaseEvent,), {"model_config": config}),), v=(annotation, ...)
    )
    with pytest.raises(DeclarationError, match=r"no column for Ev\.v(.|\n)*PlainSerializer"):
        event_spec(event)


def test_an_excluded_field_may_be_of_any_type():
    """It is never written, so nothing has to be known of how."""

    class Ev(BaseEvent):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        v: int = 1
        helper: Opaque = Field(default_factory=Opaque, exclude=True)

    assert collected(Ev)["Ev"].columns[5:] == ["v"]


def test_serializers_without_a_return_type_are_refused():
    """The column's type is not guessed."""

    class Ev(BaseEvent):
        v: int = 1

        @pydantic.field_serializer("v")
        def _text(self, value):
            return f"{value} EUR"

    with pytest.raises(
        DeclarationError, match=r"no column for Ev\.v(.|\n)*_text does not say(.|\n)*return type"
    ):
        event_spec(Ev)


def test_a_serializer_of_the_whole_event_is_refused():
    """Which columns there are must be known before the first value."""

    class Ev(BaseEvent):
        v: int = 1

        @pydantic.model_serializer
        def _all(self) -> dict[str, Any]:
            return {"w": self.v}

    with pytest.raises(
        DeclarationError, match=r"Ev has a model_serializer(.|\n)*_all(.|\n)*@field_serializer"
    ):
        event_spec(Ev)


@pytest.mark.parametrize(
    ("annotation", "default"),
    [(int, "five"), (HttpUrl, 3), (Decimal, "x"), (dt.date, "soon"), (Colour, "blue"), (list[int], "no")],
    ids=_id,
)
def test_wrong_defaults_are_refused_at_declaration(annotation, default):
    """pydantic does not look at defaults; a column must."""
    with pytest.raises(DeclarationError, match=rf"wrong default of Ev\.v(.|\n)*{re.escape(repr(default))}"):
        event_spec(event_of(annotation, default))


@pytest.mark.parametrize(
    ("annotation", "default", "expected"),
    [
        (int, "5", 5),
        (float, 1, 1.0),
        (dt.date, "2024-02-29", dt.date(2024, 2, 29)),
        (AwareDatetime, dt.datetime(2024, 1, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=2))), dt.datetime(2024, 1, 1)),
        (Annotated[int, AfterValidator(abs)], -3, 3),
        (int | None, None, None),
    ],
    ids=_id,
)  # fmt: skip
def test_defaults_are_taken_as_their_type_has_them(annotation, default, expected):
    """As pydantic would take them, were it asked."""
    assert collected(event_of(annotation, default))["Ev"]["v"].unique().to_list() == [expected]


@pytest.mark.parametrize(
    ("annotation", "value", "said"),
    [
        (int, 2**63, "64 bits"),
        (int, -(2**63) - 1, "64 bits"),
        (Level, 7, "1 or 2"),
        (str, "half \ud800", "surrogate"),
        (Any, "\ud800", "surrogate"),
        (Decimal, Decimal("0.12345678901"), "max_digits"),
        (Decimal, Decimal("1e40"), "max_digits"),
        (Decimal, Decimal("NaN"), "finite"),
        (int | float, 2**53 + 1, "no float"),
        (dt.timedelta, dt.timedelta(days=999_999_999), "64 bits"),
        (dt.time, dt.time(1, tzinfo=dt.UTC), "zone"),
        (list[int], [2**64], r"\[18446744073709551616\]"),
        (list[str], ["\ud800"], "surrogate|utf-8"),
        (int, "five", "five"),
        (int, float("nan"), "finite"),
        (int, 1e300, "64 bits|too large|exceeded"),
    ],
    ids=_id,
)
@pytest.mark.parametrize(("n_flows", "engine"), RUNS)
def test_values_that_no_column_holds_name_field_value_line_and_mend(annotation, value, said, n_flows, engine):
    """No exception of pyarrow, json or Python reaches the user."""
    sim = simulation_of(event_of(annotation), value, n_flows)
    with pytest.raises((InvalidValueError, CompileError), match=said) as caught:
        sim.collect(engine=engine)
    text = str(caught.value)
    assert "Ev.v" in text
    assert "yield NewEvent(ctx, event, **given)" in text
    assert "help: " in text


@pytest.mark.parametrize(
    ("annotation", "field"),
    [
        (int, Field(dist=LogNormal(60, 1))),
        (int, Field(dist=Choice([2**63]))),
        (str, Field(dist=Choice(["\ud800"]))),
        (int, Field(dist=FromFrame({"v": [float("nan")]}, "v"))),
        (Decimal, Field(dist=LogNormal(80, 1))),
        (int, Field(derive=lambda e: 2**63)),
        (str, Field(derive=lambda e: chr(0xD800))),
        (Decimal, Field(derive=lambda e: Decimal(1) / 3)),
        (int, Field(default_factory=lambda: 2**63)),
        (int, Field(default_factory=lambda: "five")),
    ],
    ids=_id,
)
def test_generated_values_that_no_column_holds_are_refused(annotation, field):
    """Of generators, functions and factories the same: the project's own errors, with the field."""
    with pytest.raises(DeepFakerError, match=r"\bv\b|wrong Choice"):
        collected(event_of(annotation, field))


def test_bytes_that_are_no_text_are_refused_where_only_text_is_written(tmp_path):
    """JSON and CSV have no bytes: pydantic writes UTF-8 there, or what the model's config says."""
    for format_ in ("csv", "jsonl"):
        with pytest.raises(OutputError, match=r"v is no text(.|\n)*ser_json_bytes"):
            simulation_of(event_of(bytes), b"\xff").run(tmp_path / format_, format=format_, progress=False)


def test_wrong_constants_within_keywords_name_the_call():
    """``NewEvent(ctx, E, **{…})``: where there is no keyword to point at, the call is shown."""
    with pytest.raises(CompileError, match=r"Ev\.v: .*got 'much'(.|\n)*|NewEvent\(ctx, event, \*\*given\)"):
        collected(event_of(int), "much")


@pytest.mark.parametrize(("n_flows", "engine"), RUNS)
def test_a_clock_beyond_the_year_9999_names_the_wait(n_flows, engine):
    """No datetime is later; the wait that goes there is shown, on every engine."""
    sim = Simulation("2s", start_time="2024-01-01", n_flows=n_flows, random_seed=1)
    event = event_of(int, 1)

    @sim.flow()
    def far(ctx):
        yield NewEvent(ctx, event)
        yield AddDecay(ctx, days=1_500_000)
        yield AddDecay(ctx, days=1_600_000)
        yield NewEvent(ctx, event)

    with pytest.raises(FlowError, match=r"days=1_600_000(.|\n)*year 9999(.|\n)*help:"):
        sim.collect(engine=engine)


# ---------------------------------------------------------------- whole numbers


def halves(event: type[BaseEvent], value: Any = NOT_GIVEN) -> list[int]:
    return collected(event, value)["Ev"]["v"].unique().to_list()


HALVES = {0.5: 0, 1.5: 2, 2.5: 2, -0.5: 0, -1.5: -2, 2.4999: 2, 7.0: 7}


@pytest.mark.parametrize(("given", "whole"), HALVES.items())
def test_a_real_number_becomes_an_int_by_one_rule(given, whole):
    """Half to even, wherever it comes from: a distribution, a function, a factory, a default, the flow."""
    assert halves(event_of(int, Field(dist=Choice([given])))) == [whole]
    assert halves(event_of(int, Field(derive=lambda e: given))) == [whole]
    assert halves(event_of(int, Field(faker="random_element", elements=[given]))) == [whole]
    assert halves(event_of(int, Field(default_factory=lambda: given))) == [whole]
    assert halves(event_of(int, Field(dist=FromFrame({"x": [given]}, "x")))) == [whole]
    assert halves(event_of(int), given) == [whole]
    assert halves(event_of(int), Decimal(str(given))) == [whole]


@pytest.mark.parametrize(("n_flows", "engine"), RUNS)
def test_an_int_that_a_flow_computes_or_state_copies_is_rounded_by_the_same_rule(n_flows, engine):
    """As an event's value, as what the flow reads back, and as a state field's copy of it."""

    class Trip(BaseEvent):
        trip: str = Field(faker="shortuuid")
        km: int
        real: float

    class Car(Entity):
        source_event = Trip
        primary_key = "trip"
        whole: int = StateField(from_field="real", type_=int)

    class Seen(BaseEvent):
        km: int
        real: float

    sim = Simulation("9s", start_time="2024-01-01", n_flows=n_flows, random_seed=1)

    @sim.flow()
    def go(ctx):
        real = ctx.flow_clock.second / 2
        yield NewEvent(ctx, Trip, km=real, real=real, save_entity=Car)
        yield NewEvent(ctx, Seen, km=ctx.current_event_data["km"], real=real)
        yield AddDecay(ctx, seconds=1)

    data = sim.collect(engine=engine)
    for name in ("Trip", "Seen"):
        assert [round(real) for real in data[name]["real"]] == data[name]["km"].to_list()
    assert len(set(data["Trip"]["km"])) > 2
    assert sorted(data.entities[Car]["whole"]) == sorted(round(real) for real in data[Trip]["real"])


def test_the_mean_of_rounded_draws_is_that_of_the_distribution():
    """Truncation would lower it by half."""
    sim = Simulation("200s", start_time="2024-01-01", n_flows=100, random_seed=1)
    event = event_of(int, Field(dist=Normal(60, 15)))

    @sim.flow()
    def go(ctx):
        yield NewEvent(ctx, event)

    values = sim.collect()["Ev"]["v"]
    assert abs(values.mean() - 60) < 5 * 15 / len(values) ** 0.5


# ---------------------------------------------------------------- files of values


def test_a_path_is_the_name_of_a_file_and_no_pattern(tmp_path, monkeypatch):
    """Whatever signs stand in it; ``~`` is the home folder."""
    pl.DataFrame({"region": ["right"]}).write_parquet(tmp_path / "regions[2].parquet")
    pl.DataFrame({"region": ["wrong"]}).write_parquet(tmp_path / "regions2.parquet")
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in (
        tmp_path / "regions[2].parquet",
        str(tmp_path / "regions[2].parquet"),
        "~/regions[2].parquet",
    ):
        assert FromFrame(path, "region").frame["region"].to_list() == ["right"]


@pytest.mark.parametrize("name", ["none.parquet", "*.parquet", "text.csv", "."])
def test_a_file_that_is_no_parquet_is_refused_with_the_mend(name, tmp_path, monkeypatch):
    """Missing, a pattern, another format, a folder: at the declaration."""
    monkeypatch.chdir(tmp_path)
    Path("text.csv").write_text("region\na\n")
    Path("a.parquet").write_text("")
    with pytest.raises(DeclarationError, match=r"FromFrame(.|\n)*pl\.read_csv"):
        FromFrame(name, "region")


def test_encoded_bytes_within_models_are_encoded_once():
    """pydantic encodes them when it dumps the model; that is what is written, in lists and mappings too."""

    class Part(pydantic.BaseModel):
        seal: pydantic.Base64Bytes
        word: pydantic.Base64Str

    class Packed(BaseEvent):
        part: Part
        seals: list[pydantic.Base64Bytes]

    sim = Simulation("1s", start_time="2024-01-01", n_flows=1, random_seed=1)

    @sim.flow()
    def pack(ctx):
        yield NewEvent(ctx, Packed, part=Part(seal=b"QgDF", word="YWJj"), seals=[b"QgDF"])

    assert sim.collect()[Packed].select("part", "seals").row(0) == (
        {"seal": "QgDF", "word": "YWJj"},
        ["QgDF"],
    )
