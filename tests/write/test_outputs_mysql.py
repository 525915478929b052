"""MySQL: typed tables, exact values, transactions. Needs a server (see `database`)."""

import json
import os
import sys
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from deep_faker.errors import DeepFakerWarning, OutputError, SettingsError
from deep_faker.outputs import MySQLOutput
from deep_faker.write.frames import plain, plain_schema
from deep_faker.write.sql.layout import event_shape
from deep_faker.write.sql.mysqldb import MySQL, create_table
from tests.support.worlds.output_world import EVENTS, NAMES, SCHEMAS, Click, World, info

pymysql = pytest.importorskip("pymysql", reason='needs pip install "deep-faker[mysql]"')

WORLD = World(600)
_URL = urlsplit(os.environ.get("DEEP_FAKER_MYSQL", ""))
SERVER = {
    "host": _URL.hostname or "127.0.0.1",
    "port": _URL.port or 3306,
    "user": _URL.username or "root",
    "password": _URL.password or "",
}
TABLES = {"Click": "clicks", "Signup": "sign`ups %s", "Odd": "odd"}


@pytest.fixture
def database():
    """A fresh database on the server that DEEP_FAKER_MYSQL names."""
    if not _URL.hostname:
        pytest.skip("DEEP_FAKER_MYSQL=mysql://user:password@host:port/ names no server to test on")
    connection = pymysql.connect(**SERVER, connect_timeout=60)
    name = f"deep_faker_test_{os.getpid()}"
    with connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")
        cursor.execute(f"CREATE DATABASE {name}")
        yield name
        cursor.execute(f"DROP DATABASE {name}")


def rows(database, statement):
    with pymysql.connect(**SERVER, database=database) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


@pytest.mark.server
def test_every_value_comes_back(database):
    output = MySQLOutput(database=database, table_mapping=TABLES, **SERVER)
    WORLD.run(output, [10, 300])
    for name, table in TABLES.items():
        quoted = table.replace("`", "``")
        found = rows(database, f"SELECT * FROM `{quoted}`")
        expected = plain(WORLD.tables[name]).to_pylist()
        order = {row["sys__eid"]: row for row in expected}
        assert len(found) == len(expected)
        for values in found:
            row = order[values[0]]
            for (field, value), stored in zip(row.items(), values, strict=True):
                if isinstance(value, list):
                    assert json.loads(stored) == value
                elif field == "took":
                    assert stored == round(value.total_seconds() * 1e6)
                elif field == "time":
                    assert (stored.seconds, stored.microseconds) == (
                        value.hour * 3600 + value.minute * 60 + value.second,
                        value.microsecond,
                    )
                else:
                    assert stored == value, field


@pytest.mark.server
def test_a_failing_chunk_is_rolled_back(database):
    """The chunks before stay and are counted; the one under way leaves nothing."""
    chunks = list(WORLD.chunks([300]))
    output = MySQLOutput(database=database, table_mapping=TABLES, **SERVER)
    output.open(info())
    output.write(chunks[0])
    before = rows(database, "SELECT COUNT(*) FROM clicks")
    assert before[0][0] > 0
    with pytest.raises(OutputError, match="rolled back"):
        output.write(replace(chunks[0], first=chunks[0].end))  # the same primary keys
    output.abort()
    assert rows(database, "SELECT COUNT(*) FROM clicks") == before


@pytest.mark.server
def test_a_table_that_does_not_fit_is_an_error(database):
    columns = "sys__eid CHAR(12), sys__ets BIGINT, sys__sid CHAR(8), user_id CHAR(2)"
    more = "price DOUBLE, count BIGINT, platform CHAR(9), ok BOOLEAN"
    rows(database, f"CREATE TABLE clicks ({columns}, {more})")
    output = MySQLOutput(database=database, table_mapping={"Click": "clicks"}, **SERVER)
    with (
        pytest.warns(DeepFakerWarning, match="table_mapping"),
        pytest.raises(OutputError, match="another shape"),
    ):
        WORLD.run(output)
    assert rows(database, "SELECT COUNT(*) FROM clicks") == ((0,),)


@pytest.mark.server
def test_a_wrong_password(database):
    output = MySQLOutput(**{**SERVER, "user": "nobody_here", "password": "hunter2"}, table_mapping=TABLES)
    with pytest.raises(OutputError, match="Access denied") as caught:
        WORLD.run(output)
    assert "hunter2" not in str(caught.value)


def test_no_server():
    output = MySQLOutput(
        host="127.0.0.1", port=1, user="root", database="x", table_mapping=TABLES, connect_timeout=1
    )
    with pytest.raises(OutputError, match=r"MySQL at 127\.0\.0\.1:1 failed"):
        WORLD.run(output)


def test_tables_are_typed():
    shape = event_shape("odd", plain_schema(SCHEMAS["Odd"]), EVENTS["Odd"].by_name, info())
    text = create_table(MySQL({}, "insert"), shape)
    assert "`sys__eid` CHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL" in text
    assert "`money` DECIMAL(38, 10) NOT NULL" in text
    assert "`text` LONGTEXT NULL," in text
    assert "`colour` VARCHAR(4) NOT NULL" in text
    assert "`key` CHAR(36) CHARACTER SET ascii COLLATE ascii_bin" in text
    assert "`extra` JSON NULL" in text
    assert text.endswith("COLLATE utf8mb4_bin")
    assert "PRIMARY KEY (`sys__ets`, `sys__eid`)" in text


def test_repr_hides_the_password():
    output = MySQLOutput("db", "me", "shop", {Click: "c"}, "hunter2")
    assert "hunter2" not in repr(output) + output.place
    assert output.place == "mysql://me@db:3306/shop"
    output.abort()  # never opened


def test_wrong_arguments():
    with pytest.raises(SettingsError, match="wrong table_mapping"):
        MySQLOutput("db", "me", "shop")


def test_a_missing_package_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymysql", None)
    with pytest.raises(OutputError, match=r'pip install "deep-faker\[mysql\]"'):
        MySQLOutput(table_mapping={name: name for name in NAMES}).open(info())
