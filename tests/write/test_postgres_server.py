"""PostgreSQL's output on a real server: exact values, and every event once, whatever ends whom."""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from deep_faker import PostgresOutput
from deep_faker.errors import OutputError, OutputExistsError, SettingsError
from deep_faker.write.frames import plain
from deep_faker.write.sql.layout import Column, Shape
from deep_faker.write.sql.postgresdb import Postgres
from tests.support.servers.sql_servers import (
    DATABASE,
    PASSWORD,
    USER,
    CuttingProxy,
    NoServerError,
    PostgreSQL,
)
from tests.support.worlds.output_world import NAMES, World, info
from tests.support.worlds.resume_world import ResumeBought, ResumeJoined, ResumeUser, killed, processes, shop

pytest.importorskip("psycopg", reason='needs pip install "deep-faker[postgres]"')

DURATION = "40m"
TABLES = {ResumeJoined: "joined", ResumeBought: 'bought "x"; %s -- `'}
BOUGHT = '"bought ""x""; %s -- `"'


@pytest.fixture(scope="module")
def server():
    try:
        with PostgreSQL() as found:
            yield found
    except NoServerError as error:
        pytest.skip(f"no PostgreSQL to test on: {error}")


@pytest.fixture
def database(server):
    name = f"t{time.monotonic_ns()}"
    with server.connect(user="postgres", password=None, dbname="postgres") as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER {USER}")
    return name


def rows(server, database, statement):
    return server.rows(statement, dbname=database)


def output(port, database, *, kind=PostgresOutput, mapping=None, **more):
    there = {"host": "127.0.0.1", "port": port, "user": USER, "password": PASSWORD, "database": database}
    return kind(**there, table_mapping=mapping or TABLES, **more)


def found(server, database) -> Counter:
    """Every row, with its content."""
    columns = "sys__eid, sys__ets, sys__sid, user_id"
    joined = rows(server, database, f"SELECT {columns}, name FROM joined")
    return Counter(joined + rows(server, database, f"SELECT {columns}, text FROM {BOUGHT}"))


def expected() -> Counter:
    data = shop(duration=DURATION).collect()
    out: Counter = Counter()
    for name, column in (("ResumeJoined", "name"), ("ResumeBought", "text")):
        out.update(data[name].select("sys__eid", "sys__ets", "sys__sid", "user_id", column).rows())
    return out


KILLS = 12


class Small(PostgresOutput):
    """Many small transactions."""

    def write(self, chunk):
        for piece in chunk.slices(100):
            super().write(piece)


class Noting(Small):
    """Says when it has begun to write."""

    folder = Path()

    def write(self, chunk):
        (self.folder / f"began-{os.getpid()}").touch()
        super().write(chunk)


def send(port, database, folder, *, resume):
    """One process's part, at a pace that leaves time to be killed."""
    sim = shop(duration=DURATION)
    Noting.folder = Path(folder)
    sim.add_output(output(port, database, kind=Noting))
    sim.run(checkpoint_every=300, checkpoint=Path(folder) / "c", resume=resume, progress=False, rate="3000/s")


def test_a_run_and_the_same_run_again(server, database):
    """Every row, once; the same object may run again and changes nothing, another one is refused."""
    sim = shop(duration=DURATION)
    sim.add_output(output(server.port, database, entities={ResumeUser: "users"}))
    sim.run(progress=False)
    assert found(server, database) == expected()
    sim.run(progress=False)
    assert found(server, database) == expected()
    assert rows(server, database, "SELECT COUNT(*) FROM deep_faker_progress") == [(0,)]
    users = sim.collect().entities["ResumeUser"].select("user_id", "bought").rows()
    assert Counter(rows(server, database, "SELECT user_id, bought FROM users")) == Counter(users)
    other = shop(duration=DURATION)
    other.add_output(output(server.port, database))
    with pytest.raises(
        OutputExistsError, match=r"table joined holds [0-9,]+ rows that this run did not write"
    ):
        other.run(progress=False)
    assert found(server, database) == expected()


def test_every_value_comes_back(server, database):
    """Typed columns: what Python has for a value is what psycopg gives back."""
    world = World(600)
    world.run(output(server.port, database, mapping={name: name for name in NAMES}), [10, 300])
    for name in NAMES:
        stored = {row[0]: row for row in rows(server, database, f'SELECT * FROM "{name}"')}
        wanted = plain(world.tables[name]).to_pylist()
        assert len(stored) == len(wanted) > 0
        for row in wanted:
            values = stored[row["sys__eid"]]
            for (field, value), got in zip(row.items(), values, strict=True):
                if field == "extra":
                    assert got == (None if value is None else {"a": [1, {"b": None}]} if "a" in value else {})
                else:
                    assert (str(got) if field == "key" else got) == value, field


def test_texts_and_floats_come_back_as_they_were(server, database):
    """Quotes, escapes and emoji are text, and psql reads them too; NUL is refused."""
    nasty = ["it's", 'say "hi"', "back\\slash", "tab\there", "line\nbreak", "cr\rhere", "😀 日本語", "", "\\N", "NULL",
             "\\.", "%s {}", "trailing\\", "'; DROP TABLE x; --", None]  # fmt: skip
    shape = Shape('t"a', (Column('se"lect %s', "text", True), Column("x", "int", False)), ("x",))
    there = {"host": "127.0.0.1", "port": server.port, "user": USER, "password": PASSWORD}
    opened = Postgres({**there, "database": database})
    opened.connect()
    opened.make(shape)
    table = pa.table({"t": nasty, "x": range(len(nasty))})
    assert opened.insert(shape, table.slice(0, 4)) == 4
    assert opened.insert(shape, table) == len(nasty) - 4
    opened.commit()
    opened.make(shape)  # it is there, and of this shape
    assert opened.execute('SELECT * FROM "t""a" ORDER BY x') == list(zip(nasty, range(len(nasty))))
    floats = [float("inf"), -float("inf"), 0.1, 1e308, 5e-324, float("nan")]
    numbers = Shape("floats", (Column("n", "int", False), Column("x", "float", True)), ("n",))
    opened.make(numbers)
    opened.insert(numbers, pa.table({"n": range(6), "x": floats}))
    assert repr([x for (x,) in opened.execute("SELECT x FROM floats ORDER BY n")]) == repr(floats)
    opened.commit()
    json_texts = [
        "[1, 1e+16, -3.4798473054837785e+221]",
        '{"e": 1e-07, "1e+16": "\\"2e+20"}',
        "1e+300",
        "[]",
        None,
    ]
    documents = Shape("documents", (Column("n", "int", False), Column("x", "json", True)), ("n",))
    opened.make(documents)
    opened.insert(documents, pa.table({"n": range(5), "x": json_texts}))
    found = [x for (x,) in opened.execute("SELECT x FROM documents ORDER BY n")]
    read = [text and json.loads(text) for text in json_texts]
    assert repr(found) == repr(read)  # a float of any size stays one
    opened.commit()
    with pytest.raises(Exception, match="0x00"):
        opened.insert(shape, pa.table({"t": ["a\0b"], "x": [77]}))
    opened.close()
    assert server.client("SELECT '😀'").strip() == "😀"


@pytest.mark.slow
def test_kills_at_random_moments(server, database, tmp_path):
    """SIGKILL at a dozen moments while it writes: every event once, with its content."""
    context, rng, wanted = processes(), random.Random(3), expected()
    hits = number = 0
    while hits < KILLS:
        number, folder = number + 1, tmp_path / str(number)
        folder.mkdir()
        if number > 1:
            with server.connect(user="postgres", password=None, dbname="postgres") as connection:
                connection.execute(f"DROP DATABASE {database}")
                connection.execute(f"CREATE DATABASE {database} OWNER {USER}")

        def start(resume, folder=folder):
            arguments = (server.port, database, str(folder))
            return context.Process(target=send, args=arguments, kwargs={"resume": resume})

        def began(pid, folder=folder):
            return (folder / f"began-{pid}").exists()

        hits += killed(rng, start, 0.25, (folder / "c" / "run.json").exists, KILLS - hits, began)
        assert found(server, database) == wanted


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_connection_cut_at_a_commit(server, database, where):
    """Cut before a COMMIT arrives, or after, when its answer is lost: nothing is lost, nothing twice."""
    seen = []

    def cut(data):
        if data.startswith(b"Q") and b"COMMIT" in data[:16].upper():
            seen.append(1)
            if len(seen) in (3, 7, 8):
                return where
        return None

    proxy = CuttingProxy(server.port, cut)
    sim = shop(duration=DURATION)
    sim.add_output(output(proxy.port, database, kind=Small, timeout=20))
    sim.run(progress=False)
    proxy.close()
    assert proxy.cuts == 3
    assert found(server, database) == expected()


def test_connections_cut_in_mid_copy(server, database):
    """Cut after some thousand bytes of rows, again and again."""
    sent = [0]

    def cut(data):
        sent[0] += len(data)
        if sent[0] > 120_000:
            sent[0] = 0
            return "before"
        return None

    proxy = CuttingProxy(server.port, cut)
    sim = shop(duration=DURATION)
    sim.add_output(output(proxy.port, database, kind=Small, timeout=20))
    sim.run(progress=False)
    proxy.close()
    assert proxy.cuts >= 2
    assert found(server, database) == expected()


def test_without_the_progress_rows_are_lost(server, database):
    """The negative control: an output that takes every lost answer for a commit loses a slice."""
    slices = []  # first and end of the one that was not there, and was taken for committed

    class Trusting(Small):
        end = 0

        def _write(self, piece):
            self.end = piece.end
            super()._write(piece)

        def _patiently(self, work):
            try:
                return work()
            except OSError:
                raise
            except Exception as error:
                if not self._database.is_lost(error):
                    raise
                self._database.close()
                self._database.connect()
                self._set_progress(self.end)
                self._database.commit()
                slices.append((self._events, self.end))
                return 0

    seen = []

    def cut(data):
        if data.startswith(b"Q") and b"COMMIT" in data[:16].upper():
            seen.append(1)
            if len(seen) == 7:
                return "before"
        return None

    proxy = CuttingProxy(server.port, cut)
    sim = shop(duration=DURATION)
    sim.add_output(output(proxy.port, database, kind=Trusting))
    sim.run(progress=False)
    proxy.close()
    assert proxy.cuts == 1
    ((first, end),) = slices
    lost = expected() - found(server, database)
    assert sum(lost.values()) == end - first > 0


@pytest.mark.parametrize("kill", [True, False])
def test_a_server_restarted_in_mid_run(server, database, kill):
    """Killed or stopped, and away for a second: the run goes on by itself."""
    sim = shop(duration=DURATION)
    sim.add_output(output(server.port, database, kind=Small))
    hit = []

    def disturb():
        while rows(server, database, "SELECT to_regclass('deep_faker_progress')") == [(None,)]:
            time.sleep(0.05)
        while not (found := rows(server, database, "SELECT MAX(events) FROM deep_faker_progress")[0][0]):
            time.sleep(0.05)
        hit.append(found)
        server.restart(kill=kill, down=1.0)

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        sim.run(rate="4000/s", progress=False)
    finally:
        thread.join()
    assert hit[0] < sum(expected().values())
    assert found(server, database) == expected()


def test_another_process_is_noticed(server, database):
    """Two processes that write one run: the one that was overtaken stops, and writes nothing more."""
    chunks = list(World(600).chunks([200, 400]))
    first = output(server.port, database, mapping={name: name for name in NAMES})
    first.open(info(run_id="r"))
    first.write(chunks[0])
    state = first.checkpoint()
    second = output(server.port, database, mapping={name: name for name in NAMES})
    assert second.resume(info(run_id="r"), state) == 200
    second.write(chunks[1])
    with pytest.raises(OutputError, match="another process writes this run"):
        first.write(chunks[1])
    first.abort()
    second.write(chunks[2])
    second.finish()
    total = sum(rows(server, database, f'SELECT COUNT(*) FROM "{name}"')[0][0] for name in NAMES)
    assert total == 600


def test_a_table_of_another_shape_is_refused_with_a_diff(server, database):
    with server.connect(dbname=database) as connection:
        connection.execute("CREATE TABLE joined (sys__ets INT, extra INT)")
    sim = shop(duration=DURATION)
    sim.add_output(output(server.port, database))
    with pytest.raises(OutputError, match="table joined has another shape") as caught:
        sim.run(progress=False)
    said = str(caught.value)
    assert "~ sys__ets is integer, and must be bigint NOT NULL" in said
    assert "- extra integer is not a field" in said
    assert "+ name text NOT NULL is missing" in said
    assert "~ PRIMARY KEY is none, and must be sys__ets, sys__eid" in said
    assert rows(server, database, "SELECT COUNT(*) FROM joined") == [(0,)]


def test_a_wrong_password_is_no_reason_to_wait(server, database):
    sink = PostgresOutput(
        url=f"postgresql://{USER}:hunter3@127.0.0.1:{server.port}/{database}", table_mapping=TABLES
    )
    assert "hunter3" not in repr(sink) + sink.place
    sim = shop(duration=DURATION)
    sim.add_output(sink)
    with pytest.raises(OutputError, match="password authentication failed") as caught:
        sim.run(progress=False)
    assert "hunter3" not in str(caught.value)
    assert not sink._database.is_lost(caught.value.__cause__)


@pytest.mark.parametrize("name", ["x" * 64, "é" * 32, "a\0b"])
def test_names_that_would_be_cut(name):
    """PostgreSQL itself cuts names after 63 bytes and says nothing."""
    with pytest.raises(SettingsError, match="wrong name"):
        PostgresOutput(table_mapping={ResumeJoined: name})


def test_one_table_for_two_types():
    with pytest.raises(SettingsError, match="two uses of one table"):
        PostgresOutput(table_mapping={ResumeJoined: "x", ResumeBought: "x"})


def test_urls_and_settings():
    sink = PostgresOutput(url="postgresql://me:s%40crt@db.example/shop?sslmode=require", table_mapping=TABLES)
    assert sink.place == "postgresql://me@db.example:5432/shop"
    assert sink._database._options["sslmode"] == "require"
    for wrong in ("mysql://me:hunter2@x/y", "postgresql://me:hunter2@x:y/z"):
        with pytest.raises(SettingsError, match="wrong url") as caught:
            PostgresOutput(url=wrong, table_mapping=TABLES)
        assert "hunter2" not in str(caught.value)
    sink = PostgresOutput(
        connection_config={"host": "h", "dbname": "d", "password": "p"}, table_mapping=TABLES
    )
    assert sink.place == "postgresql://postgres@h:5432/d"
    assert DATABASE in PostgresOutput(database=DATABASE, table_mapping=TABLES).place


def test_a_missing_package_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(OutputError, match=r'pip install "deep-faker\[postgres\]"'):
        PostgresOutput(table_mapping={name: name for name in NAMES}).open(info())
