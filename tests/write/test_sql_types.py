"""Columns have the types that the fields ask for, and values come back intact, wherever the server lives."""

from __future__ import annotations

import datetime as dt
import enum
import json
import random
from decimal import Decimal
from typing import Any, Literal

import pydantic
import pytest

from deep_faker import BaseEvent, Entity, Field, MySQLOutput, NewEvent, PostgresOutput, Simulation, StateField
from deep_faker.declare.schema import event_spec
from tests.support.servers.sql_servers import DATABASE, PASSWORD, USER, MariaDB, NoServerError, PostgreSQL

NASTY = ["it's", 'say "hi"', "back\\slash", "tab\there", "line\nbreak", "cr\rhere", "😀 日本語", "", "NULL", "\\N", "%s",
         "'; DROP TABLE typed; --", " space at the end ", "ß", "SS", "é", "e\u0301"]  # fmt: skip


class Typed(BaseEvent):
    code: str = Field(faker="bothify", text="??##", max_length=7)
    note: str
    amount: Decimal = Field(faker="pydecimal", left_digits=4, right_digits=2, max_digits=8, decimal_places=2)
    ratio: float = Field(faker="pyfloat")
    number: int = Field(faker="random_int")
    ok: bool = Field(faker="pybool")
    maybe: bool | None = None
    at: dt.datetime = Field(faker="now")
    day: dt.date = Field(faker="date_object")
    level: Literal["low", "highest"] = Field(faker="random_element", elements=["low", "highest"])
    tags: list[str] = []
    extra: dict[str, Any] = {"k": ["'", 1, "\\", "😀"]}


class Thing(Entity):
    source_event = Typed
    primary_key = "code"
    note: str = StateField(from_field="note", type_=str)
    seen: dt.datetime | None = StateField(default=None, type_=dt.datetime)


def simulation() -> Simulation:
    sim = Simulation("1m", start_time="2024-03-10T01:30:00", n_flows=20, random_seed=1)

    @sim.flow()
    def make(ctx):
        yield NewEvent(ctx, Typed, save_entity=Thing, note=random.choice(NASTY), tags=["a", "😀"])

    return sim


MYSQL = {
    "sys__eid": "char(12)", "sys__ets": "bigint(20)", "sys__sid": "char(8)", "code": "varchar(7)", "note": "longtext",
    "amount": "decimal(8,2)", "ratio": "double", "number": "bigint(20)", "ok": "tinyint(1)", "maybe": "tinyint(1)",
    "at": "datetime(6)", "day": "date", "level": "varchar(7)", "tags": "longtext", "extra": "longtext",
}  # fmt: skip
POSTGRES = {
    "sys__eid": "character varying(12)", "sys__ets": "bigint", "sys__sid": "character varying(8)",
    "code": "character varying(7)", "note": "text", "amount": "numeric(8,2)", "ratio": "double precision",
    "number": "bigint", "ok": "boolean", "maybe": "boolean", "at": "timestamp(6) without time zone", "day": "date",
    "level": "character varying(7)", "tags": "jsonb", "extra": "jsonb",
}  # fmt: skip


@pytest.fixture(scope="module", params=["mysql insert", "mysql load", "postgres"])
def place(request):
    """(server, output): of a server that lives in New York, as its clients do."""
    try:
        if request.param == "postgres":
            pytest.importorskip("psycopg")
            server: Any = PostgreSQL("timezone=America/New_York").__enter__()
        else:
            pytest.importorskip("pymysql")
            server = MariaDB("--default-time-zone=-05:00").__enter__()
    except NoServerError as error:
        pytest.skip(f"no server to test on: {error}")
    kind: Any = PostgresOutput if request.param == "postgres" else MySQLOutput
    more = {"bulk": "load"} if request.param == "mysql load" else {}
    there = {"host": "127.0.0.1", "port": server.port, "user": USER, "password": PASSWORD}
    mapping = {Typed: "typed"}
    yield server, kind(**there, database=DATABASE, table_mapping=mapping, entities={Thing: "things"}, **more)
    server.__exit__(None, None, None)


def test_types_and_values(place):
    server, output = place
    sim = simulation()
    sim.add_output(output)
    sim.run(progress=False)
    postgres = isinstance(server, PostgreSQL)
    if postgres:
        described = server.rows(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = 'typed'::regclass AND attnum > 0"
        )
    else:
        described = [row[:2] for row in server.rows("DESCRIBE typed")]
        # MariaDB's JSON is text that is checked
        assert server.rows("SELECT COUNT(*) FROM information_schema.check_constraints WHERE table_name = 'typed'"
                           " AND check_clause LIKE 'json_valid%'") == [(2,)]  # fmt: skip
    assert dict(described) == (POSTGRES if postgres else MYSQL)
    data = sim.collect()
    typed = data["Typed"].drop("sys__time", "sys__order")  # no column of theirs in a database
    wanted = {row["sys__eid"]: row for row in typed.rows(named=True)}
    names = list(MYSQL)
    columns = ", ".join(map(output._database.quoted, names))
    found = server.rows(f"SELECT {columns} FROM typed")
    assert len(found) == len(wanted) > 500
    assert {row[names.index("note")] for row in found} == set(NASTY)
    for values in found:
        row = dict(zip(names, values, strict=True))
        for name in ("tags", "extra"):
            row[name] = row[name] if postgres else json.loads(row[name])
        other = dict(wanted[row["sys__eid"]])
        other["extra"] = json.loads(other["extra"]) if isinstance(other["extra"], str) else other["extra"]
        assert row == other
        # the instant, by two ways
        assert row["at"].replace(tzinfo=dt.UTC).timestamp() * 1000 // 1 == row["sys__ets"]
    things = data.entities["Thing"].select("code", "note", "seen", "born").rows()
    assert sorted(server.rows("SELECT code, note, seen, born FROM things")) == sorted(things)


def test_texts_are_found_as_they_were_written(place):
    """By the server itself: what differs is not taken for the same (ß and SS, é in two forms, a space at the end)."""
    server, output = place
    if not output._owner:
        pytest.skip("the test before has not filled the table")
    counts = dict(server.rows("SELECT note, COUNT(*) FROM typed GROUP BY note"))
    assert set(counts) == set(NASTY)


class Access(enum.IntFlag):
    READ = 1
    WRITE = 2


class Rich(BaseEvent):
    raw: bytes = Field(faker="binary", length=9)
    maybe: bytes | None = None
    url: pydantic.HttpUrl = Field(faker="url")
    fine: Decimal = Field(max_digits=34, decimal_places=18)
    finest: Decimal = Field(max_digits=36, decimal_places=34)
    wide: Decimal = Field(faker="pydecimal")
    at: pydantic.AwareDatetime = Field(faker="now")
    number: int | float = 2.5
    access: Access = Access.READ | Access.WRITE

    @pydantic.computed_field
    @property
    def twice(self) -> float:
        return self.number * 2


def test_rich_types_keep_their_values(place):
    """Bytes are bytes, digits are kept, text is what pydantic writes, computed fields are there; nulls stay nulls."""
    server, output = place
    postgres = isinstance(server, PostgreSQL)
    there = {
        "host": "127.0.0.1",
        "port": server.port,
        "user": USER,
        "password": PASSWORD,
        "database": DATABASE,
    }
    more = {} if postgres else {"bulk": output._database.bulk}
    sim = Simulation("20s", start_time="2024-03-10T01:30:00", n_flows=20, random_seed=1)

    @sim.flow()
    def make(ctx):
        maybe = random.choice([None, b"", b"'\\\x00\xff\n"])
        fine = Decimal("9999999999999999.999999999999999999")
        yield NewEvent(ctx, Rich, maybe=maybe, fine=fine, finest=Decimal("0." + "12" * 17))

    mapping = {Rich: f"rich_{output._database.bulk if not postgres else 'copy'}"}
    sim.add_output(type(output)(**there, table_mapping=mapping, **more))
    sim.run(progress=False)
    names = [field.name for field in event_spec(Rich).columns]
    [table] = mapping.values()
    found = server.rows(
        f"SELECT {', '.join(map(output._database.quoted, names))} FROM {table} ORDER BY sys__ets, sys__eid"
    )
    frame = sim.collect()[Rich].sort("sys__ets", "sys__eid")
    assert len(found) > 100
    for values, wanted in zip(found, frame.select(names).rows(), strict=True):
        row = dict(zip(names, values, strict=True))
        assert (Decimal(row["finest"]), row["fine"]) == (wanted[4], wanted[3])
        for name, value in zip(names, wanted, strict=True):
            if name not in ("fine", "finest"):
                assert row[name] == value, name
    assert {bytes(m) if m is not None else None for m in frame["maybe"]} == {None, b"", b"'\\\x00\xff\n"}
