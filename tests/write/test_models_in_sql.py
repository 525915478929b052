"""Any model: what is written of it into a table is read back equal, whatever the server and the way there."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, note, settings

from deep_faker import BaseEvent, MySQLOutput, PostgresOutput
from deep_faker.declare.schema import event_spec
from deep_faker.declare.schema.json_values import EventReader
from deep_faker.errors import DeclarationError
from deep_faker.plan.conversion import arrow_type
from deep_faker.write.lines.json_values import from_json
from tests.support.servers.sql_servers import DATABASE, PASSWORD, USER, MariaDB, NoServerError, PostgreSQL
from tests.support.worlds.models import PHASES, models, simulation

NUMBERS = count()


@pytest.fixture(scope="module", params=["mysql insert", "mysql load", "postgres"])
def place(request: pytest.FixtureRequest) -> Iterator[Any]:
    """(server, class of output, its arguments)."""
    way = request.param
    kind: Any = PostgreSQL if way == "postgres" else MariaDB
    try:
        started = kind()
        server = started.__enter__()
    except NoServerError as error:
        pytest.skip(str(error))
    address = {
        "host": "127.0.0.1",
        "port": server.port,
        "user": USER,
        "password": PASSWORD,
        "database": DATABASE,
    }
    try:
        if way == "postgres":
            yield server, PostgresOutput, address
        else:
            yield server, MySQLOutput, {**address, "bulk": way.removeprefix("mysql ")}
    finally:
        started.__exit__(None, None, None)


def as_in_columns(value: Any, type_: pa.DataType, *, json_text: bool, parsed: bool) -> Any:
    """What a driver gives, which has ``parsed`` JSON or not, as the column of a data set has it."""
    if value is None:
        return None
    if pa.types.is_nested(type_):
        return from_json([json.loads(value) if isinstance(value, str) else value], type_).to_pylist()[0]
    if json_text:
        return json.dumps(value) if parsed or not isinstance(value, str) else value
    if pa.types.is_boolean(type_):
        return bool(value)
    if pa.types.is_binary(type_):
        return bytes(value)
    if pa.types.is_time(type_) and isinstance(value, dt.timedelta):
        return (dt.datetime.min + value).time()
    if pa.types.is_duration(type_) and isinstance(value, int):
        return dt.timedelta(microseconds=value)
    return str(value) if pa.types.is_string(type_) else value


@settings(max_examples=16, phases=PHASES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=models())
def test_any_model_comes_back_equal_from_a_table(place, drawn):
    """As from files: see `test_any_model_comes_back_equal_or_is_refused_at_declaration`."""
    event, rows = drawn
    note(str({name: info.annotation for name, info in event.model_fields.items()}))
    try:
        event_spec(event)
    except DeclarationError:
        assume(False)
    own = [{name: getattr(event(**values), name) for name in values} for values in rows]
    server, output, arguments = place
    table = f"drawn_{next(NUMBERS)}"
    sim = simulation(event, rows)
    sim.add_output(output(**arguments, table_mapping={event: table}))
    sim.run(progress=False)
    assert read(event, server, table, sim.collect()[event].to_arrow()) == own


def read(event: type[BaseEvent], server: Any, table: str, stream: pa.Table) -> list[dict[str, Any]]:
    """The rows of a table as values of the event's fields, in the order of the ``stream``."""
    spec = event_spec(event)
    names = [field.name for field in spec.columns]
    by_id = {row[0]: row[1:] for row in server.rows(f"SELECT sys__eid, {', '.join(names)} FROM {table}")}
    found = [by_id.pop(eid) for eid in stream["sys__eid"].to_pylist()]
    assert not by_id
    columns = {
        field.name: [
            as_in_columns(
                row[at],
                arrow_type(field),
                json_text=field.kind == "json",
                parsed=isinstance(server, PostgreSQL),
            )
            for row in found
        ]
        for at, field in enumerate(spec.columns)
    }
    return [{n: getattr(each, n) for n in names} for each in EventReader(spec).events(columns)]
