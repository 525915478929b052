"""What pydantic writes of nested values is what every output has; what has no fixed structure is JSON text."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
import os
import subprocess
import sys
import typing
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
import typing_extensions
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    computed_field,
    create_model,
    field_serializer,
)

from deep_faker import (
    BaseEvent,
    Choice,
    Dataset,
    DeepFakerError,
    Entity,
    NewEvent,
    SetState,
    Simulation,
    StateField,
)
from deep_faker import Field as DrawnField
from deep_faker.dataset import verify
from deep_faker.declare.schema import event_spec
from deep_faker.errors import InvalidValueError, OutputError
from deep_faker.outputs import ParquetOutput
from deep_faker.plan.conversion import arrow_type
from deep_faker.write.kafka.schema_formats import AvroFormat, JsonSchemaFormat, ProtobufFormat
from deep_faker.write.sql.layout import Column, Shape
from deep_faker.write.sql.text import insert_rows, tab_rows


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Size(enum.Enum):
    SMALL = (1, 2)
    LARGE = (3, 4)


class Line(BaseModel):
    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True)
    sku: str = Field(alias="SKU")
    price: Decimal
    secret: str = Field("none of your business", exclude=True)
    seen: dt.datetime | None = None

    @field_serializer("price")
    def cents(self, value: Decimal) -> int:
        return int(value * 100)

    @computed_field
    def short(self) -> str:
        return self.sku[:2]


class Other(BaseModel):
    x: int


class Loose(BaseModel):
    model_config = ConfigDict(extra="allow")
    x: int


class Tree(BaseModel):
    label: str
    children: list[Tree] = []


class Untold(BaseModel):
    x: int

    @field_serializer("x")
    def any_how(self, value):
        return [str(value)]


class InJsonOnly(BaseModel):
    x: int

    @field_serializer("x", when_used="json")
    def text(self, value: int) -> str:
        return f"{value}!"


@dataclasses.dataclass(frozen=True)
class Point:
    x: float
    y: float


class Some(typing_extensions.TypedDict, total=False):
    a: int


def event(annotation: Any, name: str = "Ev") -> type[BaseEvent]:
    return create_model(name, __base__=BaseEvent, v=(annotation, ...))


def simulation(ev: type[BaseEvent], *values: Any) -> Simulation:
    sim = Simulation("1s", start_time="2024-01-01", n_flows=1, random_seed=1)

    @sim.flow()
    def go(ctx):
        for value in values:
            yield NewEvent(ctx, ev, v=value)

    return sim


def emitted(annotation: Any, *values: Any) -> list[Any]:
    """The values as they stand in JSON lines."""
    return [json.loads(line)["v"] for line in simulation(event(annotation), *values).preview(len(values))]


def column(annotation: Any) -> str:
    return str(arrow_type(event_spec(event(annotation)).by_name["v"]))


# ---------------------------------------------------------------- what a column is

COLUMNS = {
    "list[date]": (list[dt.date], "list<item: date32[day]>"),
    "a model": (Other, "struct<x: int64>"),
    "a list of models": (
        list[Line],
        "list<item: struct<SKU: string, price: int64, seen: timestamp[us], short: string>>",
    ),
    "keys that are dates": (dict[dt.date, float], "map<date32[day], double>"),
    "keys that are members": (dict[Color, uuid.UUID], "map<string, string>"),
    "None among floats": (list[float | None], "list<item: double>"),
    "a pair of a kind": (tuple[float, float], "list<item: double>"),
    "a pair of two kinds": (tuple[int, str], "struct<0: int64, 1: string>"),
    "a set of members": (set[Color], "list<item: string>"),
    "a dataclass": (Point, "struct<x: double, y: double>"),
    "lists of lists": (list[list[int]], "list<item: list<item: int64>>"),
    "a mapping of lists": (dict[str, list[Point]], "map<string, list<item: struct<x: double, y: double>>>"),
}
TEXTS = {
    "Any": Any,
    "dict": dict,
    "dict[str, Any]": dict[str, Any],
    "list": list,
    "list[Any]": list[Any],
    "a union of models": Line | Other,
    "a list of one": list[int | str],
    "a model that holds itself": Tree,
    "a model of any more fields": Loose,
    "a TypedDict without some keys": Some,
    "a serializer that does not say what it returns": Untold,
    "a serializer for JSON alone": list[InJsonOnly],
    "a model without fields": create_model("Empty"),
    "a mapping whose keys may be None": dict[int | None, int],
    "an Enum of tuples": Size,
}


@pytest.mark.parametrize(("annotation", "wanted"), COLUMNS.values(), ids=COLUMNS)
def test_the_annotation_alone_says_what_the_column_is(annotation, wanted):
    """Nested types are lists, maps and structs of the scalars' own types."""
    assert column(annotation).replace("element:", "item:") == wanted


@pytest.mark.parametrize("annotation", TEXTS.values(), ids=TEXTS)
def test_what_has_no_fixed_structure_is_text(annotation):
    """Such a column holds JSON."""
    assert column(annotation) == "string"


def test_a_column_without_events_has_its_type_too(tmp_path):
    """The schema does not hang on values: of a type that no flow emits, or whose values are all empty."""
    ev = event(list[Line] | None)
    frames = [
        simulation(ev, value).collect(progress=False)[ev] for value in (None, [], [Line(SKU="a", price=1)])
    ]
    assert len({str(frame.schema) for frame in frames}) == 1


# ---------------------------------------------------------------- what is written


def test_aliases_serializers_computed_fields_and_exclusions_are_heeded():
    """A nested model is written as ``model_dump(mode="json")`` does, and never what is excluded."""
    line = Line(SKU="ab12", price=Decimal("1.50"), seen=dt.datetime(2024, 1, 31, 12))
    assert emitted(list[Line], [line]) == [[line.model_dump(mode="json")]]
    assert emitted(Line, line) == [
        {"SKU": "ab12", "price": 150, "seen": "2024-01-31T12:00:00", "short": "ab"}
    ]


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Untold, Untold(x=1)),
        (list[InJsonOnly], [InJsonOnly(x=1)]),
        (Tree, Tree(label="a", children=[Tree(label="b")])),
        (Line | Other, Other(x=1)),
        (Loose, Loose(x=1, y=[1.0])),
        (Some, {}),
        (dict[str, Any], {"a": [Color.RED, dt.date(2024, 1, 31)], "b": {"c": Decimal("1.50")}}),
        (Any, [dt.timedelta(days=1), uuid.UUID(int=1), b"ab"]),
        (Size, Size.LARGE),
        (list[Size], [Size.LARGE]),
    ],
    ids=str,
)
def test_text_is_what_pydantic_writes(annotation, value):
    """JSON text comes from pydantic's serializer, whatever the value."""
    ev = event(annotation)
    assert emitted(annotation, value) == [ev(v=value).model_dump(mode="json")["v"]]
    text = simulation(ev, value).collect(progress=False)[ev]["v"][0]
    assert json.loads(text) == ev(v=value).model_dump(mode="json")["v"]


SETS = """
import datetime as dt, sys
from typing import Any
from deep_faker import BaseEvent, NewEvent, Simulation
from deep_faker.outputs import ParquetOutput
class Ev(BaseEvent):
    a: set[str]
    b: dict[str, Any]
    c: frozenset[tuple[str, int]]
    d: dict[str, set[str] | int]
sim = Simulation("1s", start_time="2024-01-01", n_flows=1, random_seed=1)
WORDS = ["ten", "nine", "a", "b", "c", "d", "e"]
@sim.flow()
def go(ctx):
    yield NewEvent(ctx, Ev, a=set(WORDS), b={"x": {"y": set(WORDS)}}, c={(w, len(w)) for w in WORDS},
                   d={"z": set(WORDS)})
for way in ("parquet", "jsonl"):
    sim.add_output(ParquetOutput(f"{sys.argv[1]}/{way}", format=way))
sim.run(progress=False)
print(sim.preview(1)[0])
"""


@pytest.mark.slow
def test_sets_are_written_in_order(tmp_path):
    """Whatever the hashes of a process: the same bytes, the elements sorted."""
    shown = set()
    for seed in range(3):
        folder = tmp_path / str(seed)
        environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
        (tmp_path / "sets.py").write_text(SETS)
        ran = subprocess.run([sys.executable, tmp_path / "sets.py", folder], env=environment, capture_output=True,
                             text=True, check=True)  # fmt: skip
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        shown.add((ran.stdout, *(path.read_bytes() for path in files)))
    assert len(shown) == 1
    made = json.loads(shown.pop()[0])
    words = sorted(["ten", "nine", "a", "b", "c", "d", "e"])
    assert made["a"] == made["b"]["x"]["y"] == made["d"]["z"] == words
    assert [word for word, _ in made["c"]] == words


# ---------------------------------------------------------------- what is refused

NAN = float("nan")


@pytest.mark.parametrize(
    ("annotation", "value"),
    [(dict[str, float], {"a": NAN}), (list[list[float]], [[1.0], [float("inf")]]), (Point, Point(1.0, NAN))],
    ids=str,
)
def test_nan_in_a_column_is_refused_by_json_alone(annotation, value, tmp_path):
    """As of a flat field: Parquet holds it, JSON does not have it."""
    sim = simulation(event(annotation), value)
    with pytest.raises(OutputError, match=r"Ev\.v is (nan|inf)"):
        sim.preview(1)
    with pytest.raises(OutputError, match=r"Ev\.v is (nan|inf)"):
        sim.run(tmp_path / "out", format="jsonl", progress=False)
    sim.run(tmp_path / "parquet", progress=False)
    assert Dataset.open(tmp_path / "parquet")["Ev"].height == 1


def test_nan_in_json_text_is_refused_everywhere(tmp_path):
    """Text that is no JSON is never written, into whatever file."""
    sim = simulation(event(dict[str, Any]), {"a": [NAN]})
    with pytest.raises(InvalidValueError, match="JSON has no NaN"):
        sim.run(tmp_path / "out", progress=False)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [(list[int], [2**63]), (dict[str, list[str]], {"a": ["\ud800"]}), (dict[str, Any], {"a": "\ud800"}),
     (list[Decimal], [Decimal("1e30")]), (dict[str, Any], {"a": b"\xff"})],
    ids=ascii,
)  # fmt: skip
def test_what_no_column_holds_is_refused_by_name(annotation, value):
    """The field and the value are named, never an exception of a library's own."""
    with pytest.raises(DeepFakerError, match=r"\bv\b"):
        simulation(event(annotation), value).collect(progress=False)


def test_no_partitions_by_nested_values(tmp_path):
    """A list names no folder."""
    sim = simulation(event(list[int]), [1])
    sim.add_output(ParquetOutput(tmp_path / "out", partition_by="v"))
    with pytest.raises(OutputError, match="a partition key of this type"):
        sim.run(progress=False)


# ---------------------------------------------------------------- reading back


@pytest.mark.parametrize("way", ["parquet", "arrow", "csv", "jsonl"])
def test_text_reads_back_as_it_was_written(way, tmp_path):
    """1.0 stays 1.0, and a text in a column of JSON keeps its quotes."""
    ev = event(Any)
    sim = simulation(ev, {"a": 1.0, "b": [1e16, 2]}, "text", None, [], 'say "hi"\n', {'"': 1})
    sim.run(tmp_path / "out", format=way, progress=False)
    assert Dataset.open(tmp_path / "out")[ev].equals(sim.collect(progress=False)[ev])
    assert verify(tmp_path / "out") == []


@pytest.mark.parametrize("way", ["parquet", "arrow", "csv", "jsonl"])
def test_members_may_have_any_name(way, tmp_path):
    """A dot, a quote or a pattern in the name of a record's member means nothing to a file."""
    names = ["a.b", 'c"d', "e f", "^g$", "*", "h,i>", "é", "0"]
    kind = typing_extensions.TypedDict("Odd", dict.fromkeys(names, list[int]))
    value = {name: [place] for place, name in enumerate(names)}
    ev = event(list[kind])
    sim = simulation(ev, [value])
    sim.run(tmp_path / "out", format=way, progress=False)
    assert verify(tmp_path / "out") == []
    assert Dataset.open(tmp_path / "out")[ev]["v"].to_list() == [[value]]


def test_event_types_may_share_a_column_s_name(tmp_path):
    """Where two event types of one file have different types for a name, each reads its own."""
    one, two = event(dict[str, int], "One"), event(list[dt.date], "Two")
    sim = Simulation("1s", start_time="2024-01-01", n_flows=1, random_seed=1)

    @sim.flow()
    def go(ctx):
        yield NewEvent(ctx, one, v={"a": 1})
        yield NewEvent(ctx, two, v=[dt.date(2024, 1, 31)])

    sim.run(tmp_path / "out", format="jsonl", progress=False)
    dataset, memory = Dataset.open(tmp_path / "out"), sim.collect(progress=False)
    assert dataset["One"].equals(memory["One"])
    assert dataset["Two"].equals(memory["Two"])


def test_frames_of_a_users_output_are_typed():
    """``write_batch`` is handed structs, lists and maps."""
    taken = []

    class Taker:
        def write_batch(self, event_type, frame):
            taken.append(frame)

    sim = simulation(event(list[Point]), [Point(1.0, 2.0)])
    sim.add_output(Taker())
    sim.run(progress=False)
    assert taken[0]["v"].dtype == pl.List(pl.Struct({"x": pl.Float64, "y": pl.Float64}))


# ---------------------------------------------------------------- state


class Joined(BaseEvent):
    user_id: str
    home: Point
    tags: list[Color] = []


class User(Entity):
    source_event = Joined
    primary_key = "user_id"
    home: Point = StateField(from_field="home")
    seen: list[dt.date] = StateField(default_factory=list)
    scores: dict[str, float] = StateField(default={"a": 1.0})
    more: dict[str, Any] = StateField(default_factory=dict)


@pytest.mark.parametrize("way", ["parquet", "jsonl", "csv"])
def test_entities_and_their_history_hold_nested_state(way, tmp_path):
    """State of nested types has the columns that fields have."""
    sim = Simulation("1s", start_time="2024-01-01", n_flows=1, random_seed=1)

    @sim.flow()
    def go(ctx):
        yield NewEvent(ctx, Joined, save_entity=User, user_id="u", home=Point(1.0, 2.0), tags=[Color.RED])
        yield SetState(User, [("seen", "is", [dt.date(2024, 1, 31)])])

    sim.run(tmp_path / "out", format=way, history=True, progress=False)
    dataset = Dataset.open(tmp_path / "out")
    memory = sim.collect(history=True, progress=False)
    assert verify(tmp_path / "out") == []
    [user] = dataset.entities[User].to_dicts()
    assert user["home"] == {"x": 1.0, "y": 2.0}
    assert user["seen"] == [dt.date(2024, 1, 31)]
    assert user["more"] == "{}"
    assert dataset.entities[User].schema["scores"] == memory.entities[User].schema["scores"]
    assert dataset.entities[User].equals(memory.entities[User])
    assert dataset.history[User].equals(memory.history[User])
    assert dataset.history[User]["seen"].to_list() == [[], [dt.date(2024, 1, 31)]]


# ---------------------------------------------------------------- messages and databases


def table_of(ev: type[BaseEvent], *values: Any) -> pa.Table:
    taken: list[pa.Table] = []

    class Keeper:
        place = ""

        def open(self, info):
            self.info = info

        def write(self, chunk):
            taken.append(chunk.tables["Ev"])

        def finish(self):
            return []

        def abort(self):
            pass

    sim = simulation(ev, *values)
    sim.add_output(Keeper())
    sim.run(progress=False)
    return pa.concat_tables(taken)


@pytest.mark.parametrize("how", [AvroFormat, ProtobufFormat])
def test_messages_hold_nested_values_as_text(how):
    """In Avro and Protobuf a nested value is a text, JSON; a list of texts or numbers is one of theirs."""
    ev = event(dict[dt.date, Point])
    table = table_of(ev, {dt.date(2024, 1, 31): Point(1.0, 2.0)})
    made = how("Ev", table.schema, event_spec(ev))
    assert b'{"2024-01-31":{"x":1.0,"y":2.0}}' in made.encode(table, b"")[0].as_py()
    assert "string v" in made.schema_text() or '"v", "type": "string"' in made.schema_text()
    plain = how("Ev", table_of(event(list[int]), [1]).schema, event_spec(event(list[int])))
    assert "array" in plain.schema_text() or "repeated int64 v" in plain.schema_text()


def test_a_json_schema_leaves_nested_values_open():
    """Its messages hold them as JSON."""
    ev = event(dict[dt.date, Point])
    table = table_of(ev, {dt.date(2024, 1, 31): Point(1.0, 2.0)})
    made = JsonSchemaFormat("Ev", table.schema, event_spec(ev))
    assert json.loads(made.schema_text())["properties"]["v"] == {}
    assert json.loads(made.encode(table, b"")[0].as_py())["v"] == {"2024-01-31": {"x": 1.0, "y": 2.0}}


def test_databases_hold_nested_values_as_text():
    """A statement has the JSON, a null stays one."""
    values = pa.array([[("it's", [1.0])], None], pa.map_(pa.string(), pa.list_(pa.float64())))
    shape = Shape("t", (Column("v", "json", nullable=True),), ("v",))
    assert insert_rows(pa.table({"v": values}), shape).to_pylist() == [
        """('{"it''s":[1.0]}'),""",
        "(NULL),",
    ]
    assert tab_rows(pa.table({"v": values}), shape).to_pylist() == ['{"it\'s":[1.0]}\n', "\\N\n"]


def test_what_lies_beside_a_file_is_nothing(tmp_path):
    """Parquet files of nested values are read by others."""
    ev = event(dict[str, list[Line]])
    sim = simulation(ev, {"a": [Line(SKU="ab", price=Decimal("1.5"))]})
    sim.run(tmp_path / "out", progress=False)
    [path] = Path(tmp_path / "out" / "events" / "Ev").iterdir()
    import duckdb

    found = duckdb.sql(f"select v['a'][1].SKU, v['a'][1].price from '{path}'").fetchall()
    assert found == [("ab", 150)]


class Base64(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", ser_json_timedelta="float")
    data: bytes
    took: dt.timedelta


def test_ways_of_writing_that_a_model_sets_are_heeded():
    """A model's own forms of bytes and lengths of time in JSON are JSON text, and read back."""
    ev = event(list[Base64])
    value = [Base64(data=b"\xff\x00", took=dt.timedelta(seconds=1.5))]
    assert column(list[Base64]) == "string"
    assert emitted(list[Base64], value) == [ev(v=value).model_dump(mode="json")["v"]]

    class Own(BaseEvent):
        model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
        v: list[bytes]

    taken: list[Any] = []

    class Taker:
        def send_event(self, event):
            taken.append(event.v)

    sim = simulation(Own, [b"\xff\x00"])
    sim.add_output(Taker())
    sim.run(progress=False)
    assert taken == [[b"\xff\x00"]]
    assert json.loads(sim.preview(1)[0])["v"] == Own(v=[b"\xff\x00"]).model_dump(mode="json")["v"]


def test_instants_with_a_zone_keep_it_within_nested_values(tmp_path):
    """They are UTC in the column's type, with their Z in JSON."""
    at = dt.datetime(2024, 1, 31, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    ev = event(dict[str, AwareDatetime])
    assert column(dict[str, AwareDatetime]) == "map<string, timestamp[us, tz=UTC]>"
    assert emitted(dict[str, AwareDatetime], {"a": at}) == [{"a": "2024-01-31T10:00:00Z"}]
    for way in ("parquet", "jsonl", "csv"):
        simulation(ev, {"a": at}).run(tmp_path / way, format=way, progress=False)
        assert verify(tmp_path / way) == []
        assert Dataset.open(tmp_path / way)[ev]["v"].to_list() == [{"a": at}]


class Aliased(BaseModel):
    number: int = Field(alias="No")


class Doubled(BaseEvent):
    given: Aliased
    much: list[typing.Annotated[int, AfterValidator(lambda value: value * 2)]]


def test_values_are_validated_once_and_by_their_aliases():
    """What a flow gives a nested model may be in its aliases; a validator's work is done once."""
    sim = Simulation("1s", start_time="2024-01-01", n_flows=1, random_seed=1)

    @sim.flow()
    def go(ctx):
        yield NewEvent(ctx, Doubled, given={"No": 1}, much=[1, 2])
        yield NewEvent(ctx, Doubled, given=Aliased(No=2), much=(3,))

    lines = [json.loads(line) for line in sim.preview(2)]
    assert [line["given"] for line in lines] == [{"number": 1}, {"number": 2}]
    assert [line["much"] for line in lines] == [[2, 4], [6]]


class Generated(BaseEvent):
    words: list[str] = DrawnField(faker="words")
    profile: dict[str, Any] = DrawnField(faker="simple_profile")
    points: list[Color] = DrawnField(faker="random_element", elements=[[Color.RED], [Color.BLUE, Color.RED]])
    days: dict[dt.date, Point] = DrawnField(dist=Choice([{dt.date(2024, 1, 31): Point(1.0, 2.0)}, {}]))


@pytest.mark.slow
def test_providers_make_nested_values():
    """Lists, dictionaries and elements of any type that a provider gives become the field's own type."""
    sim = Simulation("5s", start_time="2024-01-01", n_flows=20, random_seed=1)

    @sim.flow()
    def go(ctx):
        yield NewEvent(ctx, Generated)

    frame = sim.collect(progress=False)[Generated]
    assert frame["words"].dtype == pl.List(pl.String())
    assert set(json.loads(frame["profile"][0])) >= {"name", "birthdate"}
    assert {tuple(value) for value in frame["points"].to_list()} == {("red",), ("blue", "red")}
    assert frame["days"].to_list().count({}) not in (0, frame.height)
