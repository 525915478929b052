"""Nested values have typed columns in every format, and come back as they were."""

from __future__ import annotations

import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, create_model

from deep_faker import BaseEvent, Dataset, Entity, Field, NewEvent, SetState, Simulation, StateField
from deep_faker.dataset import verify
from deep_faker.declare.schema import entity_spec, event_spec, json_value
from deep_faker.outputs import DeltaOutput, ParquetOutput
from deep_faker.plan.conversion import arrow_type, python_values, to_arrow_list
from deep_faker.write.delta import output as delta
from deep_faker.write.frames import plain_type
from deep_faker.write.type_names import named_type, type_name
from deep_faker.write.whole.canonical import canonical
from deep_faker.write.whole.hashing import TableHash
from tests.support.worlds.nested_world import KINDS, LEAVES, Kind, record

PHASES = [phase for phase in Phase if phase is not Phase.shrink]  # a run is long, and so is a thousand
FORMATS = ("parquet", "arrow", "csv", "jsonl")


def event(annotation: Any) -> type[BaseEvent]:
    return create_model("Ev", __base__=BaseEvent, v=(annotation, ...))


def simulation(ev: type[BaseEvent], values: list[Any]) -> Simulation:
    """A run of one flow that emits the values one after the other."""
    sim = Simulation("1s", start_time="2024-01-01", n_flows=1, random_seed=1)

    @sim.flow()
    def go(ctx):
        for value in values:
            yield NewEvent(ctx, ev, v=value)

    return sim


@st.composite
def cases(draw: st.DrawFn) -> tuple[Kind, list[Any]]:
    kind = draw(KINDS)
    if draw(st.booleans()):
        kind = Kind(kind.annotation | None, st.none() | kind.values)
    return kind, draw(st.lists(kind.values, min_size=1, max_size=3))


def read_back(ev: type[BaseEvent], dataset: Dataset) -> list[Any]:
    return python_values(dataset["Ev"]["v"].to_arrow(), event_spec(ev).by_name["v"])


def normal(made: Any) -> Any:
    """JSON whose texts of numbers and times have no zeros at their ends, in any order: sets have none."""
    if isinstance(made, list):
        return sorted((normal(each) for each in made), key=lambda each: json.dumps(each, sort_keys=True))
    if isinstance(made, dict):
        return {normal(key): normal(each) for key, each in made.items()}
    if isinstance(made, str) and re.fullmatch(r"[-\dT:]*\d\.\d+", made):
        return made.rstrip("0").rstrip(".")
    return made


@settings(max_examples=15, phases=PHASES)  # other ones in each run, and five runs of a simulation each
@given(cases())
def test_every_format_gives_back_what_was_given(case):
    """A column's type follows from the annotation, and each format reads back the values that were emitted."""
    kind, values = case
    ev = event(kind.annotation)
    sim = simulation(ev, values)
    memory = sim.collect(progress=False)
    assert read_back(ev, memory) == values
    for way in FORMATS:
        with TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            sim = simulation(ev, values)
            sim.add_output(ParquetOutput(out, format=way))
            sim.run(progress=False)
            assert verify(out) == []
            dataset = Dataset.open(out)
            assert dataset["Ev"].schema == memory["Ev"].schema
            assert read_back(ev, dataset) == values


@settings(max_examples=60, phases=PHASES)
@given(cases())
def test_json_is_what_pydantic_writes(case):
    """A nested value in a JSON line is that of ``model_dump(mode="json")``, and validates to the value again."""
    kind, values = case
    ev = event(kind.annotation)
    lines = simulation(ev, values).preview(len(values))
    for line, value in zip(lines, values, strict=True):
        made = json.loads(line)["v"]
        assert TypeAdapter(kind.annotation).validate_json(json.dumps(made)) == value
        assert normal(made) == normal(json_value(event_spec(ev).by_name["v"], value))


@settings(max_examples=60, phases=PHASES)
@given(cases())
def test_events_one_by_one_hold_the_values_themselves(case):
    """An output that takes events gets each value in the types of its annotation."""
    kind, values = case
    taken: list[Any] = []

    class Taker:
        def send_event(self, event):
            taken.append(event.v)

    sim = simulation(event(kind.annotation), values)
    sim.add_output(Taker())
    sim.run(progress=False)
    assert taken == values
    assert [type(value) for value in taken] == [type(value) for value in values]


@settings(max_examples=20, phases=PHASES)
@given(cases())
def test_delta_tables_hold_them_too(case):
    """Delta has the same structure, but no times of day and no lengths of time."""
    kind, values = case
    ev = event(kind.annotation)
    sim = simulation(ev, values)
    with TemporaryDirectory() as folder:
        sim.add_output(DeltaOutput(folder))
        sim.run(progress=False)
        table = DeltaTable(f"{folder}/Ev").to_pyarrow_table()
    wanted = to_arrow_list(values, event_spec(ev).by_name["v"])
    wanted = wanted.cast(delta.delta_type(wanted.type))
    assert plain_type(table.schema.field("v").type) == wanted.type
    assert table["v"].to_pylist() == wanted.to_pylist()


@settings(max_examples=100, phases=PHASES)
@given(cases(), st.data())
def test_neither_bytes_nor_hashes_hang_on_how_rows_were_cut(case, data):
    """A slice of a column has the buffers and the hash of the same values made anew."""
    kind, values = case
    spec = event_spec(event(kind.annotation)).by_name["v"]
    first = data.draw(st.integers(0, len(values)))
    cut = to_arrow_list([*values, *values], spec).slice(first, len(values))
    anew = to_arrow_list([*values, *values][first : first + len(values)], spec)
    buffers = [[None if b is None else b.to_pybytes() for b in canonical(a).buffers()] for a in (cut, anew)]
    assert buffers[0] == buffers[1]
    assert canonical(cut).equals(anew)
    hashes = [TableHash(["v"]), TableHash(["v"])]
    for each, array in zip(hashes, (cut, anew), strict=True):
        each.update([array])
    assert hashes[0].columns() == hashes[1].columns()


@given(KINDS)
def test_a_manifest_names_every_type(kind):
    """The name of a column's type in a manifest gives the type again."""
    found = arrow_type(event_spec(event(kind.annotation)).by_name["v"])
    assert named_type(type_name(found)) == found


def test_hashes_tell_nested_values_apart():
    """Which item is in which list, which member is null, and what a member is called: each counts."""
    arrays = [
        pa.array([[[1], [2]]]),
        pa.array([[[1, 2], []]]),
        pa.array([{"a": 1, "b": 2}]),
        pa.array([{"a": 2, "b": 1}]),
        pa.array([{"a": 1, "c": 2}]),
        pa.array([{"a": 1, "b": None}], pa.struct([("a", pa.int64()), ("b", pa.int64())])),
        pa.array([None], pa.struct([("a", pa.int64()), ("b", pa.int64())])),
        pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
        pa.array([[("a", 2)]], pa.map_(pa.string(), pa.int64())),
    ]
    found = set()
    for array in arrays:
        made = TableHash(["v"])
        made.update([array])
        found.add(made.columns()["v"])
    assert len(found) == len(arrays)


class Born(BaseEvent):
    key: str = Field(faker="shortuuid", length=8)


@settings(max_examples=20, phases=PHASES)
@given(cases())
@example((record("typeddict", [LEAVES[0]]), [{"f0": 1}, {"f0": 2}]))
def test_state_of_nested_types_is_kept_and_written(case):
    """An entity's state may be of any nested type: its default, what flows set, and its history."""
    kind, values = case
    members = {"source_event": Born, "primary_key": "key", "__annotations__": {"v": kind.annotation}}
    entity = type("Holder", (Entity,), {**members, "v": StateField(default=values[0], type_=kind.annotation)})
    last = values[-1]
    sim = Simulation("1s", start_time="2024-01-01", n_flows=1, random_seed=1)

    @sim.flow()
    def go(ctx):
        yield NewEvent(ctx, Born, save_entity=entity)
        yield SetState(entity, [("v", "is", last)])

    spec = entity_spec(entity).states[0].as_field()
    with TemporaryDirectory() as folder:
        sim.run(Path(folder) / "out", history=True, progress=False)
        dataset = Dataset.open(Path(folder) / "out")
        assert python_values(dataset.entities["Holder"]["v"].to_arrow(), spec) == [last]
        assert python_values(dataset.history["Holder"]["v"].to_arrow(), spec) == [values[0], last]
