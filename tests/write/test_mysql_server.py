"""MySQL's output on a real server: exact values, and every event once, whatever ends whom."""

from __future__ import annotations

import os
import random
import threading
import time
import warnings
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest

from deep_faker import MySQLOutput
from deep_faker.errors import OutputError, OutputExistsError, SettingsError
from deep_faker.write.sql.layout import Column, Shape
from deep_faker.write.sql.mysqldb import MySQL
from tests.support.servers.sql_servers import CuttingProxy, MariaDB, NoServerError
from tests.support.worlds.resume_world import ResumeBought, ResumeJoined, ResumeUser, killed, processes, shop

pymysql = pytest.importorskip("pymysql", reason='needs pip install "deep-faker[mysql]"')

DURATION = "40m"
TABLES = {ResumeJoined: "joined", ResumeBought: "bought"}


@pytest.fixture(scope="module")
def server():
    try:
        with MariaDB() as found:
            yield found
    except NoServerError as error:
        pytest.skip(f"no MariaDB to test on: {error}")


@pytest.fixture
def database(server):
    name = f"t{time.monotonic_ns()}"
    server.sql(f"CREATE DATABASE {name}")
    return name


def connection(server, database):
    return pymysql.connect(
        host="127.0.0.1", port=server.port, user=server.user, password=server.password, database=database
    )


def connection_settings(server, database):
    return SimpleNamespace(
        host="127.0.0.1", port=server.port, user=server.user, password=server.password, database=database
    )


def rows(server, database, statement):
    with connection(server, database) as opened, opened.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def output(server, database, *, port=None, kind=MySQLOutput, **more):
    return kind(
        host="127.0.0.1",
        port=port or server.port,
        user=server.user,
        password=server.password,
        database=database,
        table_mapping=TABLES,
        **more,
    )


def found(server, database) -> Counter:
    """Every row, with its content."""
    out: Counter = Counter()
    for columns, table in (
        ("sys__ets, sys__sid, user_id, name", "joined"),
        ("sys__ets, sys__sid, user_id, text", "bought"),
    ):
        out.update(rows(server, database, f"SELECT sys__eid, {columns} FROM {table}"))
    return out


def expected() -> Counter:
    data = shop(duration=DURATION).collect()
    out: Counter = Counter()
    for name, column in (("ResumeJoined", "name"), ("ResumeBought", "text")):
        frame = data[name].select("sys__eid", "sys__ets", "sys__sid", "user_id", column)
        out.update(frame.rows())
    return out


KILLS = 12


class Small(MySQLOutput):
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


def send(port, database, folder, *, resume, bulk="insert"):
    """One process's part, at a pace that leaves time to be killed."""
    Noting.folder = Path(folder)
    server = type("Server", (), {"port": port, "user": MariaDB.user, "password": MariaDB.password})
    sim = shop(duration=DURATION)
    sim.add_output(output(server, database, kind=Noting, bulk=bulk))
    sim.run(checkpoint_every=300, checkpoint=Path(folder) / "c", resume=resume, progress=False, rate="3000/s")


@pytest.mark.parametrize("bulk", ["insert", "load"])
def test_a_run_and_the_same_run_again(server, database, bulk):
    """Every row, once; running again on the same object changes nothing, another object is refused."""
    sim = shop(duration=DURATION)
    sim.add_output(output(server, database, bulk=bulk))
    sim.run(progress=False)
    assert found(server, database) == expected()
    sim.run(progress=False)
    assert found(server, database) == expected()
    assert rows(server, database, "SELECT COUNT(*) FROM deep_faker_progress") == ((0,),)
    other = shop(duration=DURATION)
    other.add_output(output(server, database, bulk=bulk))
    with pytest.raises(
        OutputExistsError, match=r"table joined holds [0-9,]+ rows that this run did not write"
    ):
        other.run(progress=False)
    assert found(server, database) == expected()


@pytest.mark.slow
def test_kills_at_random_moments(server, database, tmp_path):
    """SIGKILL at a dozen moments while it writes, half of them under LOAD DATA: every event once, with its content."""
    context, rng, wanted = processes(), random.Random(2), expected()
    hits, number = {"insert": 0, "load": 0}, 0
    while min(hits.values()) < KILLS // 2:
        bulk = "insert" if hits["insert"] < KILLS // 2 else "load"
        number, folder = number + 1, tmp_path / str(number)
        folder.mkdir()
        server.sql(f"DROP DATABASE {database}; CREATE DATABASE {database}")

        def start(resume, folder=folder, bulk=bulk):
            return context.Process(
                target=send,
                args=(server.port, database, str(folder)),
                kwargs={"resume": resume, "bulk": bulk},
            )

        def began(pid, folder=folder):
            return (folder / f"began-{pid}").exists()

        hits[bulk] += killed(rng, start, 0.25, (folder / "c" / "run.json").exists, KILLS // 2, began)
        assert found(server, database) == wanted


def test_without_the_progress_rows_come_twice(server, database, tmp_path):
    """The negative control: an output that goes on at the checkpoint, not where it is, meets its own rows."""

    class Forgetful(Small):
        calls = 0

        def resume(self, info, state):
            super().resume(info, state)
            self._again = False
            self._events = state["events"]
            self._set_progress(self._events)
            self._database.commit()
            return self._events

        def checkpoint(self):
            Forgetful.calls += 1
            if Forgetful.calls == 3:
                raise OutputError("dies")
            return super().checkpoint()

    def run(resume):
        sim = shop(duration=DURATION)
        sim.add_output(output(server, database, kind=Forgetful))
        sim.run(checkpoint_every=1500, checkpoint=tmp_path / "c", resume=resume, progress=False)

    with pytest.raises(OutputError, match="dies"):
        run(resume=False)
    with pytest.raises(OutputError, match="would be there twice"):
        run(resume=True)


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_connection_cut_in_mid_chunk(server, database, where):
    """Cut before a COMMIT arrives, or after, when its answer is lost: nothing is lost, nothing twice."""
    seen = []

    def cut(data):
        if data[4:].upper().startswith(b"\x03COMMIT"):
            seen.append(1)
            if len(seen) in (3, 7, 8):
                return where
        return None

    proxy = CuttingProxy(server.port, cut)
    sim = shop(duration=DURATION)
    sim.add_output(output(server, database, port=proxy.port, kind=Small, timeout=20))
    sim.run(progress=False)
    proxy.close()
    assert proxy.cuts == 3
    assert found(server, database) == expected()


def wait_for_rows(server, database) -> None:
    """Until the first transaction is committed, however slow the machine is."""
    there = f"SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = '{database}'"
    while rows(server, database, f"{there} AND table_name = 'deep_faker_progress'") == ((0,),):
        time.sleep(0.05)
    while not rows(server, database, "SELECT MAX(events) FROM deep_faker_progress")[0][0]:
        time.sleep(0.05)


def test_a_server_killed_in_mid_transaction(server, database):
    """SIGKILL, and a restart two seconds later: the run goes on by itself."""
    sim = shop(duration=DURATION)
    sim.add_output(output(server, database, kind=Small, timeout=60))
    hit = []

    def disturb():
        wait_for_rows(server, database)
        hit.append(server.process.poll() is None)
        server.kill()
        time.sleep(2.0)
        server.start()

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        sim.run(rate="4000/s", progress=False)
    finally:
        thread.join()
    assert hit == [True]
    assert found(server, database) == expected()


def test_a_server_that_stays_away(server, database):
    """An error in the time that was given, which says what is there."""
    killed = threading.Event()

    class Waiting(Small):
        """Has not all written before the server is gone."""

        begun = False

        def write(self, chunk):
            if self.begun:
                killed.wait()
            super().write(chunk)
            self.begun = True

    sim = shop(duration=DURATION)
    sim.add_output(output(server, database, kind=Waiting, timeout=2))

    def disturb():
        try:
            wait_for_rows(server, database)
            server.kill()
        finally:
            killed.set()

    thread = threading.Thread(target=disturb)
    thread.start()
    with pytest.raises(OutputError, match=r"failed: .*\n.* rows had been inserted before"):
        sim.run(rate="4000/s", progress=False)
    thread.join()
    server.start()


def test_entities_end_in_their_final_state(server, database):
    sim = shop(duration=DURATION)
    sim.add_output(output(server, database, entities={ResumeUser: "users"}))
    sim.run(progress=False)
    data = sim.collect()
    wanted = data.entities["ResumeUser"].select("user_id", "bought").rows()
    assert Counter(rows(server, database, "SELECT user_id, bought FROM users")) == Counter(wanted)


def test_a_table_of_another_shape_is_refused_with_a_diff(server, database):
    server.sql("CREATE TABLE joined (sys__ets INT, extra INT)", database)
    sim = shop(duration=DURATION)
    sim.add_output(output(server, database))
    with pytest.raises(OutputError, match="table joined has another shape") as caught:
        sim.run(progress=False)
    said = str(caught.value)
    assert "~ sys__ets is int(11), and must be bigint(20) NOT NULL" in said
    assert "- extra int(11) is not a field" in said
    assert "+ name " in said
    assert rows(server, database, "SELECT COUNT(*) FROM joined") == ((0,),)


def test_load_data_that_changes_values_is_rolled_back(server, database):
    """LOAD DATA stores the greatest value that fits, even in strict mode: that is an error here."""

    class Narrow(MySQLOutput):
        def _make_tables(self):
            super()._make_tables()
            rows(server, database, "ALTER TABLE bought MODIFY text VARCHAR(3)")

    sim = shop(duration=DURATION)
    sim.add_output(output(server, database, kind=Narrow, bulk="load"))
    with pytest.raises(OutputError, match="LOAD DATA changed values of bought"):
        sim.run(progress=False)
    assert rows(server, database, "SELECT COUNT(*) FROM bought") == ((0,),)


NASTY = ["it's", 'say "hi"', "back\\slash", "tab\there", "line\nbreak", "cr\rhere", "nul\0here", "😀 日本語", "", "--;#`",
         "%s %(x)s {} ?", "\\N", "NULL", "a\\'b", "trailing\\", "'; DROP TABLE x; --", None]  # fmt: skip


@pytest.mark.parametrize("mode", ["", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT"])
@pytest.mark.parametrize("bulk", ["insert", "load"])
def test_texts_come_back_as_they_were(server, database, bulk, mode):
    """Whatever the server's own defaults are."""
    shape = Shape(
        "t`a'b\"c;%s -- x", (Column("select", "int", False), Column("x`y %s", "text", True)), ("select",)
    )
    server.sql(f"SET GLOBAL sql_mode = '{mode}'")
    try:
        opened = MySQL(vars(connection_settings(server, database)), bulk)
        opened.connect()
        opened.make(shape)
        table = pa.table({"select": pa.array(range(len(NASTY))), "x`y %s": NASTY})
        assert opened.insert(shape, table) == len(NASTY)
        assert opened.insert(shape, table) == 0
        opened.commit()
        opened.make(shape)  # it is there, and of this shape
        opened.close()
        quoted = opened.quoted(shape.table)
        assert [row[1] for row in rows(server, database, f"SELECT * FROM {quoted} ORDER BY 1")] == NASTY
    finally:
        server.sql("SET GLOBAL sql_mode = DEFAULT")


@pytest.mark.parametrize("bulk", ["insert", "load"])
def test_infinities_are_refused(bulk):
    shape = Shape("E", (Column("x", "float", False),), ("x",))
    with pytest.raises(OutputError, match=r"E\.x is nan"):
        MySQL({}, bulk).insert(shape, pa.table({"x": [1.0, float("nan")]}))


@pytest.mark.parametrize("name", ["x" * 65, "a\0b", "space "])
def test_names_that_no_server_takes(name):
    with pytest.raises(SettingsError, match="wrong name"):
        MySQLOutput(table_mapping={ResumeJoined: name})


def test_urls():
    sink = MySQLOutput(url="mysql://me:s%40crt@db.example:3307/shop?ssl_ca=ca.pem", table_mapping=TABLES)
    assert sink.place == "mysql://me@db.example:3307/shop"
    assert "s@crt" not in repr(sink)
    with pytest.raises(SettingsError) as caught:
        MySQLOutput(url="http://me:hunter2@x/y", table_mapping=TABLES)
    assert "hunter2" not in str(caught.value)
    sink = MySQLOutput(
        connection_config={"host": "h", "password": "p", "database": "d"}, table_mapping=TABLES
    )
    assert sink.place == "mysql://root@h:3306/d"


def test_the_servers_own_client_reads_it(server, database):
    sim = shop(duration=DURATION)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sim.add_output(output(server, database))
        sim.run(progress=False)
    said = server.sql(
        "SELECT COUNT(*), MIN(sys__ets), COUNT(DISTINCT sys__eid) FROM bought", database
    ).splitlines()[1]
    count, first, distinct = map(int, said.split("\t"))
    assert count == distinct > 1000
    assert first >= 1_704_067_200_000
    assert "KEY `user_id` (`user_id`)" in server.sql("SHOW CREATE TABLE bought", database)


def test_connections_cut_in_mid_statement(server, database):
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
    sim.add_output(output(server, database, port=proxy.port, kind=Small, bulk="load", timeout=20))
    sim.run(progress=False)
    proxy.close()
    assert proxy.cuts >= 2
    assert found(server, database) == expected()


def test_a_server_that_forbids_load_data(server, database):
    """The error says what to set; nothing is written."""
    server.sql("SET GLOBAL local_infile = 0")
    try:
        sim = shop(duration=DURATION)
        sim.add_output(output(server, database, bulk="load"))
        with pytest.raises(OutputError, match="the server forbids LOAD DATA LOCAL"):
            sim.run(progress=False)
    finally:
        server.sql("SET GLOBAL local_infile = 1")
    assert rows(server, database, "SELECT COUNT(*) FROM joined") == ((0,),)


def test_a_server_without_tls_is_refused_where_it_is_asked_for(server, database):
    sim = shop(duration=DURATION)
    sim.add_output(output(server, database, ssl="true"))
    with pytest.raises(OutputError, match=r"SSL|TLS"):
        sim.run(progress=False)


def test_tables_without_transactions_are_refused(server, database):
    """MyISAM would keep half of a slice that was rolled back."""
    sim = shop(duration=DURATION)
    sim.add_output(output(server, database))
    sim.run(progress=False)
    server.sql("TRUNCATE joined; ALTER TABLE joined ENGINE=MyISAM", database)
    with pytest.raises(OutputError, match="ENGINE is MyISAM, and must be InnoDB"):
        sim.run(progress=False)
