"""Names of classes, fields and tables that mean something to the systems they go to: escaped, or refused."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable

from deep_faker import (
    BaseEvent,
    Dataset,
    Field,
    FileOutput,
    MySQLOutput,
    NewEvent,
    PostgresOutput,
    Simulation,
)
from deep_faker.errors import DeclarationError, OutputError, SettingsError
from deep_faker.outputs import DeltaOutput, ParquetOutput
from deep_faker.write import names
from deep_faker.write.files import object_store as objectstore
from deep_faker.write.kafka.schema_formats import AvroFormat, ProtobufFormat
from deep_faker.write.lines.json_lines import exact
from tests.support.servers.sql_servers import DATABASE, PASSWORD, USER, MariaDB, NoServerError, PostgreSQL
from tests.support.worlds.output_world import info

FIELDS = (
    "select",
    "a`b",
    'c"d',
    "e'f",
    "g;h",
    "i/j",
    "k,l",
    "m=n",
    "o%sp",
    "q\nr",
    "s\\t",
    "é",
    "^u$",
    "*",
    "v.w",
)
CLASSES = (
    'Ev`il"; DROP TABLE x; --',
    "../evil",
    "/tmp/evil",
    "..",
    ".hidden",
    "a\\b",
    "C:x",
    "line\nbreak",
    "x" * 201,
)


def event(name: str, fields: tuple[str, ...] = ("text",)) -> type[BaseEvent]:
    members = {field: Field(faker="word") for field in fields}
    annotations = dict.fromkeys(fields, str)
    return type(name, (BaseEvent,), {"__annotations__": annotations, "__module__": __name__, **members})


def simulation(*classes: type[BaseEvent]) -> Simulation:
    sim = Simulation("10s", start_time="2024-01-01", n_flows=2, random_seed=1)
    for number, cls in enumerate(classes):

        def flow(ctx, cls=cls):
            yield NewEvent(ctx, cls)

        sim.flow(flow_name=str(number))(flow)
    return sim


def ran(output: Any, *classes: type[BaseEvent]) -> Simulation:
    sim = simulation(*classes)
    sim.add_output(output)
    sim.run(progress=False)
    return sim


def wanted(sim: Simulation, name: str, fields: tuple[str, ...] = FIELDS) -> Counter[Any]:
    return Counter(sim.collect()[name].select(pl.col(exact(field)) for field in fields).rows())


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize(
    "make",
    [
        ParquetOutput,
        lambda path: ParquetOutput(path, format="csv"),
        lambda path: ParquetOutput(path, format="jsonl"),
        lambda path: ParquetOutput(path, partition_by="text"),
        DeltaOutput,
    ],
)
def test_a_class_that_would_lead_out_of_the_folder(name, make, tmp_path):
    """It is refused before anything is made; nothing is outside, nothing inside."""
    (tmp_path / "in").mkdir()
    with pytest.raises(OutputError, match="a type's name cannot name a folder"):
        ran(make(tmp_path / "in" / "out"), event(name))
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
    assert not Path("/tmp/evil").exists()


def test_without_the_check_a_delta_table_lies_outside(tmp_path, monkeypatch):
    """The negative control."""
    monkeypatch.setattr("deep_faker.write.delta.output.check_folder_names", lambda *_: None)
    ran(DeltaOutput(tmp_path / "lake"), event("../evil"))
    assert (tmp_path / "evil" / "_delta_log").is_dir()


def test_a_class_that_would_lead_out_of_a_bucket(monkeypatch):
    monkeypatch.setattr(objectstore.ObjectPlace, "check_folder", lambda self, **more: [])
    for make in (ParquetOutput, DeltaOutput):
        with pytest.raises(OutputError, match="a type's name cannot name a folder"):
            ran(make("s3://bucket/shop"), event("../evil"))


@pytest.mark.slow
@pytest.mark.parametrize("form", ["parquet", "csv", "arrow", "jsonl"])
def test_fields_of_any_name_come_back(form, tmp_path):
    sim = ran(ParquetOutput(tmp_path / "out", format=form), event("Odd", FIELDS))
    found = Dataset.open(tmp_path / "out")["Odd"].select(pl.col(exact(field)) for field in FIELDS)
    assert Counter(found.rows()) == wanted(sim, "Odd")


def test_headers_of_csv_are_read_by_others(tmp_path):
    sim = ran(ParquetOutput(tmp_path / "out", format="csv", compression="gzip"), event("Odd", FIELDS))
    with gzip.open(next((tmp_path / "out/events/Odd").iterdir()), "rt", newline="") as file:
        found = list(csv.DictReader(file))
    assert Counter(tuple(row[field] for field in FIELDS) for row in found) == wanted(sim, "Odd")


def test_names_in_json_lines(tmp_path):
    sim = ran(FileOutput(tmp_path / "e.jsonl"), event('a"b\\c\n', FIELDS))
    found = [json.loads(line) for line in (tmp_path / "e.jsonl").read_text().splitlines()]
    assert {row["event_type"] for row in found} == {'a"b\\c\n'}
    assert Counter(tuple(row[field] for field in FIELDS) for row in found) == wanted(sim, 'a"b\\c\n')


@pytest.mark.parametrize("field", FIELDS)
def test_partitions_by_fields_of_any_name(field, tmp_path):
    sim = ran(ParquetOutput(tmp_path / "out", partition_by=field), event("Odd", FIELDS))
    found = Dataset.open(tmp_path / "out")["Odd"].select(pl.col(exact(name)) for name in FIELDS)
    assert Counter(found.rows()) == wanted(sim, "Odd")
    folders = {path.parent.parent.name for path in (tmp_path / "out").rglob("events/*/*/*.parquet")}
    assert folders == {"Odd"}  # one level, whatever slashes the name has


def test_fields_of_any_name_in_delta(tmp_path):
    sim = ran(DeltaOutput(tmp_path / "lake"), event("Odd", FIELDS))
    found = DeltaTable(tmp_path / "lake/Odd").to_pyarrow_table().select(list(FIELDS))
    assert Counter(tuple(row.values()) for row in found.to_pylist()) == wanted(sim, "Odd")


@pytest.mark.parametrize(("fields", "more"), [(("Name", "name"), {}), (("Date",), {"partition_by": "date"})])
def test_columns_that_are_one_to_delta(fields, more, tmp_path):
    with pytest.raises(OutputError, match="two columns of one name"):
        ran(DeltaOutput(tmp_path / "lake", **more), event("Odd", fields))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("make", [ParquetOutput, DeltaOutput])
@pytest.mark.parametrize("tells", [True, False])
def test_types_that_differ_by_case(make, tells, tmp_path, monkeypatch):
    """Two folders where the disk tells A from a; refused elsewhere, where one would lie over the other."""
    if not names.tells_case(tmp_path):
        pytest.skip("this disk does not tell A from a")
    monkeypatch.setattr(names, "tells_case", lambda _: tells)
    if not tells:
        with pytest.raises(OutputError, match=r"(Click|CLICK) and (Click|CLICK) are one folder"):
            ran(make(tmp_path / "out"), event("Click"), event("CLICK"))
        assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
        return
    ran(make(tmp_path / "out"), event("Click"), event("CLICK"))
    assert len([p for p in tmp_path.rglob("*.parquet") if p.parent.name in ("Click", "CLICK")]) == 2


def test_a_field_without_a_name():
    """It would come out under a name that a library makes up."""
    with pytest.raises(DeclarationError, match="nothing can be written under it"):
        event("Odd", ("",))


# ---------------------------------------------------------------- databases


@pytest.fixture(scope="module")
def servers():
    opened: dict[Any, Any] = {}
    yield opened
    for server in opened.values():
        server.__exit__(None, None, None)


@pytest.fixture(params=[MySQLOutput, PostgresOutput])
def into(request, servers):
    """(its server, a function that makes an output of the kind)."""
    kind = request.param
    pytest.importorskip("pymysql" if kind is MySQLOutput else "psycopg")
    if kind not in servers:
        try:
            servers[kind] = (MariaDB if kind is MySQLOutput else PostgreSQL)().__enter__()
        except NoServerError as error:
            pytest.skip(f"no server to test on: {error}")
    there = {"host": "127.0.0.1", "port": servers[kind].port, "user": USER, "password": PASSWORD}
    return servers[kind], lambda **more: kind(**there, database=DATABASE, **more)


TABLE = "t`\"; DROP TABLE witness; -- %s 'é"


def test_tables_and_columns_of_any_name(into):
    server, make = into
    server.rows("CREATE TABLE witness (x INT)") if isinstance(server, MariaDB) else None
    output = make(table_mapping={CLASSES[0]: TABLE}, overwrite=True)
    sim = ran(output, event(CLASSES[0], FIELDS))
    quoted = output._database.quoted
    found = server.rows(f"SELECT {', '.join(map(quoted, FIELDS))} FROM {quoted(TABLE)}")
    assert Counter(found) == wanted(sim, CLASSES[0])
    if isinstance(server, MariaDB):
        assert server.rows("SELECT COUNT(*) FROM witness") == [(0,)]
    ran(make(table_mapping={CLASSES[0]: TABLE}, overwrite=True, **_bulk(make)), event(CLASSES[0], FIELDS))
    assert Counter(server.rows(f"SELECT {', '.join(map(quoted, FIELDS))} FROM {quoted(TABLE)}")) == Counter(
        found
    )


def _bulk(make):
    return {"bulk": "load"} if isinstance(make(table_mapping={"A": "a"}), MySQLOutput) else {}


@pytest.mark.parametrize("field", ["x" * 65, "nul\0x"])
def test_columns_that_no_server_takes(into, field):
    """Said as what it is, with the name, before any table is made."""
    server, make = into
    with pytest.raises(SettingsError, match="wrong name of a table or column") as caught:
        ran(make(table_mapping={"Fine": "fine", "Odd": "odd"}), event("Fine"), event("Odd", (field,)))
    assert "check host" not in str(caught.value)
    query = "SELECT COUNT(*) FROM information_schema.tables WHERE table_name IN ('fine', 'odd')"
    assert server.rows(query) == [(0,)]


def test_columns_that_differ_by_case(into):
    """PostgreSQL tells them apart; MySQL does not."""
    server, make = into
    if isinstance(server, MariaDB):
        with pytest.raises(OutputError, match="would have the columns Name and name"):
            ran(make(table_mapping={"Cased": "cased"}), event("Cased", ("Name", "name")))
        return
    sim = ran(make(table_mapping={"Cased": "cased"}), event("Cased", ("Name", "name")))
    assert Counter(server.rows('SELECT "Name", name FROM cased')) == wanted(sim, "Cased", ("Name", "name"))


def test_tables_that_differ_by_case():
    """One table on some systems: the rows of two types would lie in it."""
    with pytest.raises(SettingsError, match="'Clicks' and 'clicks' are one table to some servers"):
        MySQLOutput(table_mapping={"A": "Clicks", "B": "clicks"})
    PostgresOutput(table_mapping={"A": "Clicks", "B": "clicks"})


@pytest.mark.parametrize("kind", [MySQLOutput, PostgresOutput])
@pytest.mark.parametrize("name", ["deep_faker_progress", "Deep_Faker_Shape", "deep_faker_stage"])
def test_our_own_tables(kind, name):
    with pytest.raises(SettingsError, match="two uses of one table"):
        kind(table_mapping={"A": name})


@pytest.mark.parametrize("kind", [MySQLOutput, PostgresOutput])
def test_an_entity_whose_name_is_another_types_table(kind):
    """`entities=True` names tables like the entities."""
    output = kind(table_mapping={"Click": "User", "Odd": "odd", "Signup": "signup"}, entities=True)
    with pytest.raises(SettingsError, match="two uses of one table"):
        output.open(info())


# ---------------------------------------------------------------- schemas


@pytest.mark.parametrize("format_", [AvroFormat, ProtobufFormat])
@pytest.mark.parametrize("name", [CLASSES[0], "../evil", "a.b", "1x", "é"])
def test_names_in_schemas(format_, name):
    import pyarrow as pa

    schema = pa.schema([pa.field("x", pa.int64())])
    with pytest.raises(OutputError, match="is no name"):
        format_(name, schema, None).schema_text()
    with pytest.raises(OutputError, match="is no name"):
        format_("Fine", pa.schema([pa.field(name, pa.int64())]), None).schema_text()
