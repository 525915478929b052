"""R6 in databases: rows that a run did not write are refused, added to or replaced, never mixed in silence."""

from __future__ import annotations

import functools
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from deep_faker import FileOutput, MySQLOutput, PostgresOutput
from deep_faker.errors import OutputError, OutputExistsError, SettingsError
from deep_faker.write.sql.occupied import Marks, Occupied
from tests.support.servers.sql_servers import PASSWORD, USER, MariaDB, NoServerError, PostgreSQL
from tests.support.worlds.resume_world import ResumeBought, ResumeJoined, ResumeUser, shop

pytestmark = pytest.mark.filterwarnings("ignore:.*gets no ResumeBought:deep_faker.errors.DeepFakerWarning")
TABLES = {ResumeJoined: "joined", ResumeBought: 'bo`ug"ht; %s'}
SHORT = {"duration": "10m"}


@dataclass
class Place:
    """A database of its own on a server of its own kind."""

    server: Any
    kind: Any
    name: str

    def output(self, kind: Any = None, **more: Any) -> Any:
        there = {"host": "127.0.0.1", "port": self.server.port, "user": USER, "password": PASSWORD}
        mapping = more.pop("mapping", TABLES)
        return (kind or self.kind)(**there, database=self.name, table_mapping=mapping, **more)

    def derived(self, mixed: type) -> Any:
        """A kind of this output with the methods of ``mixed``."""
        return type(mixed.__name__, (mixed, self.kind), {})

    def rows(self, statement: str) -> list[Any]:
        options = {"dbname": self.name} if self.kind is PostgresOutput else {"database": self.name}
        with self.server.connect(**options) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def ids(self) -> Counter[str]:
        bought = self.output()._database.quoted(TABLES[ResumeBought])
        return Counter(
            row[0] for table in ("joined", bought) for row in self.rows(f"SELECT sys__eid FROM {table}")
        )

    def count(self, table: str) -> int:
        return int(self.rows(f"SELECT COUNT(*) FROM {table}")[0][0])


@pytest.fixture(scope="module")
def servers():
    opened: dict[str, Any] = {}
    yield opened
    for server in opened.values():
        server.__exit__(None, None, None)


@pytest.fixture(params=["MariaDB", "PostgreSQL"])
def place(request, servers):
    pytest.importorskip("pymysql" if request.param == "MariaDB" else "psycopg")
    if request.param not in servers:
        try:
            servers[request.param] = {"MariaDB": MariaDB, "PostgreSQL": PostgreSQL}[
                request.param
            ]().__enter__()
        except NoServerError as error:
            pytest.skip(f"no {request.param} to test on: {error}")
    server, name = servers[request.param], f"t{time.monotonic_ns()}"
    if request.param == "MariaDB":
        server.sql(f"CREATE DATABASE {name}")
        return Place(server, MySQLOutput, name)
    with server.connect(user="postgres", password=None, dbname="postgres") as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER {USER}")
    return Place(server, PostgresOutput, name)


def run(output, *, seed=4, resume=False, **more):
    sim = shop(**SHORT, seed=seed)
    sim.add_output(output)
    return sim.run(progress=False, resume=resume, **more)


@functools.cache
def wanted(seed=4) -> Counter[str]:
    return Counter(shop(**SHORT, seed=seed).collect().events["sys__eid"].to_list())


def test_rows_of_others_are_refused(place):
    """The message names each table, its rows and the mends; nothing is changed."""
    run(place.output(entities={ResumeUser: "users"}))
    before, joined, users = place.ids(), place.count("joined"), place.count("users")
    with pytest.raises(OutputExistsError) as caught:
        run(place.output(entities={ResumeUser: "users"}), seed=5)
    said = str(caught.value)
    assert f"table joined holds {joined:,} rows that this run did not write" in said
    assert f"table users holds {users:,} rows" in said
    assert f"overwrite=True (--overwrite) to replace them, {place.kind.__name__}(append=True) to add" in said
    assert PASSWORD + "@" not in said
    assert place.ids() == before == wanted()
    assert place.count("deep_faker_progress") == 0


@pytest.mark.parametrize("how", ["output", "run"])
def test_overwrite_replaces_all_of_it(place, how):
    """Also entities that the new run does not have."""
    run(place.output(entities={ResumeUser: "users"}))
    place.rows("INSERT INTO users (user_id, bought) VALUES ('stale', 7)")
    more = {"overwrite": True}
    run(
        place.output(entities={ResumeUser: "users"}, **(more if how == "output" else {})),
        seed=5,
        **(more if how == "run" else {}),
    )
    assert place.ids() == wanted(5)
    assert place.rows("SELECT * FROM users WHERE user_id = 'stale'") == []
    assert place.count("deep_faker_progress") == 0


def test_append_adds(place):
    """Another seed's events; the same ones again are refused, as they would be there twice."""
    run(place.output(append=True))
    run(place.output(append=True), seed=5)
    assert place.ids() == wanted() + wanted(5)
    with pytest.raises(OutputError, match="rows would be there twice"):
        run(place.output(append=True), seed=5)
    assert place.ids() == wanted() + wanted(5)


def test_r6_a_simulation_without_a_seed_replaces_what_it_wrote(place):
    """Each run draws a seed, and so other ids: those of the run before go."""
    sim = shop(**SHORT, seed=None)
    sim.add_output(place.output(entities={ResumeUser: "users"}))
    first, second = (sim.run(progress=False) for _ in range(2))
    assert first.seed != second.seed
    assert place.ids() == wanted(second.seed)
    assert place.count("users") == second.entities["ResumeUser"]


def test_r6_it_replaces_only_what_it_wrote(place):
    """A row that came in between is not its own."""
    sim = shop(**SHORT)
    sim.add_output(place.output())
    sim.run(progress=False)
    place.rows(
        "INSERT INTO joined (sys__eid, sys__ets, sys__sid, user_id, name) VALUES ('x', 1, 's', 'u', 'n')"
    )
    before = place.ids()
    with pytest.raises(OutputExistsError, match="table joined holds"):
        sim.run(progress=False)
    assert place.ids() == before


def test_r6_it_replaces_what_its_failed_run_left(place):
    @place.derived
    class Fails:
        failing, calls = True, 0

        def write(self, chunk):
            for piece in chunk.slices(100):
                Fails.calls += 1
                if Fails.failing and Fails.calls == 5:
                    raise OutputError("dies")
                super().write(piece)

    sim = shop(**SHORT)
    sim.add_output(place.output(Fails))
    with pytest.raises(OutputError, match="dies"):
        sim.run(progress=False)
    assert place.count("joined") > 0
    # what did not end says so to others
    with pytest.raises(OutputExistsError, match="rows of a run that has not ended"):
        run(place.output())
    Fails.failing = False
    report = sim.run(progress=False)
    assert place.ids().total() == report.total
    assert place.count("deep_faker_progress") == 0


def test_another_outputs_refusal_leaves_the_old_rows(place, tmp_path):
    """What is to be replaced stays until there is something to put in its place."""
    run(place.output())
    (tmp_path / "events.jsonl").write_text("mine")
    from deep_faker import FileOutput

    sim = shop(**SHORT, seed=5)
    sim.add_output(place.output(overwrite=True))
    sim.add_output(FileOutput(tmp_path / "events.jsonl"))
    with pytest.raises(OutputExistsError, match=r"events\.jsonl exists"):
        sim.run(progress=False)
    assert place.ids() == wanted()


@pytest.mark.parametrize("protected", [True, False])
def test_the_old_rows_go_at_once_or_not_at_all(place, protected, monkeypatch):
    """A failure among the deletions brings them back; not where each table is committed by itself."""
    run(place.output())
    output, clear = place.output(overwrite=True), Occupied.clear

    def fails(self):
        clear(self)
        if not protected:
            self._database.commit()
        raise OutputError("dies")

    monkeypatch.setattr(Occupied, "clear", fails)
    with pytest.raises(OutputError, match="dies"):
        run(output, seed=5)
    assert (place.ids() == wanted()) == protected


MOMENTS = ["before its beginning", "after its beginning", "in its middle", "before its end", "after its end"]


def stopping(place: Place, moment: str, armed: list[bool]) -> Any:
    """A kind of the place's output that stops at a moment, once."""

    def stops(at):
        if armed and at == moment:
            armed.clear()
            raise OutputError("stops")

    @place.derived
    class Stopping:
        slices = 0  # committed

        def write(self, chunk):
            for piece in chunk.slices(100):
                super().write(piece)

        def _patiently(self, work):
            if work.__name__ == "begin":
                stops("before its beginning")
                super()._patiently(work)
                return stops("after its beginning")
            if work.__name__ == "clean":
                stops("before its end")
                super()._patiently(work)
                return stops("after its end")
            if work.__name__ == "commit" and self.slices == 4:
                stops("in its middle")
            self.slices += work.__name__ == "commit"
            return super()._patiently(work)

    return Stopping


@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("moment", MOMENTS)
def test_r4_a_replacing_run_stops_anywhere_and_goes_on(place, moment, marked, tmp_path, monkeypatch):
    """It may replace as it might at first; the negative control, without notes, writes again what had ended."""
    run(place.output())
    armed = [True]
    kind = stopping(place, moment, armed)
    if not marked:
        monkeypatch.setattr(Marks, "set", lambda *_: None)
    often = {"checkpoint_every": "1h", "checkpoint": tmp_path / "c"}  # none before the end
    with pytest.raises(OutputError, match="stops"):
        run(place.output(kind), seed=5, overwrite=True, **often)
    assert armed == []
    if moment == MOMENTS[0]:
        assert place.ids() == wanted()  # nothing was replaced
    resumed = place.output(kind)
    run(resumed, seed=5, resume=True, **often)
    if moment == MOMENTS[-1]:
        assert (resumed.slices == 0) == marked
    assert place.ids() == wanted(5)
    assert place.count("deep_faker_progress") == 0


@pytest.mark.parametrize("allowed", [True, False])
def test_r4_a_run_that_may_not_replace_may_not_when_it_goes_on(place, allowed, tmp_path):
    """Another run's rows came after it had stopped before its first: they stay, until it is allowed."""
    often = {"checkpoint_every": "1h", "checkpoint": tmp_path / "c"}
    kind = stopping(place, MOMENTS[0], [True])
    with pytest.raises(OutputError, match="stops"):
        run(place.output(kind), seed=5, **often)
    run(place.output())
    if allowed:
        run(place.output(kind), seed=5, resume=True, overwrite=True, **often)
    else:
        with pytest.raises(OutputExistsError, match="table joined holds"):
            run(place.output(kind), seed=5, resume=True, **often)
    assert place.ids() == wanted(5 if allowed else 4)
    assert place.count("deep_faker_progress") == 0


@pytest.mark.parametrize("marked", [True, False])
def test_r4_a_run_that_stopped_after_its_end_knows_its_rows(place, marked, tmp_path, monkeypatch):
    """Without permission to replace; the negative control, without notes, takes them for another's."""
    often = {"checkpoint_every": "1h", "checkpoint": tmp_path / "c"}
    kind = stopping(place, MOMENTS[-1], [True])
    if not marked:
        monkeypatch.setattr(Marks, "set", lambda *_: None)
    with pytest.raises(OutputError, match="stops"):
        run(place.output(kind), seed=5, **often)
    if marked:
        run(place.output(kind), seed=5, resume=True, **often)
    else:
        with pytest.raises(OutputExistsError, match="table joined holds"):
            run(place.output(kind), seed=5, resume=True, **often)
    assert place.ids() == wanted(5)
    assert place.count("deep_faker_progress") == 0


@pytest.mark.parametrize("protected", [True, False])
def test_a_run_whose_rows_were_replaced_is_not_resumed(place, protected, tmp_path, monkeypatch):
    """Else its first half would be missing; without claims nobody could tell."""
    if not protected:
        monkeypatch.setattr(Occupied, "_runs", lambda *_: [])
    failing = [True]

    @place.derived
    class Fails:
        slices = 0

        def write(self, chunk):
            for piece in chunk.slices(100):
                self.slices += 1
                if failing and self.slices == 8:
                    raise OutputError("dies")
                super().write(piece)

    def first(resume):
        sim = shop(**SHORT)
        sim.add_output(place.output(Fails))
        sim.run(progress=False, checkpoint_every=200, checkpoint=tmp_path / "c", resume=resume)

    with pytest.raises(OutputError, match="dies"):
        first(resume=False)
    failing.clear()
    # by a mapping that only shares a table with the other's
    run(place.output(mapping={ResumeJoined: "joined"}, overwrite=True), seed=5)
    if protected:
        with pytest.raises(OutputError, match="the rows of this run are not there"):
            first(resume=True)
        assert place.count("joined") == shop(**SHORT, seed=5).collect()["ResumeJoined"].height
    else:
        first(resume=True)
        assert place.count("joined") != shop(**SHORT).collect()["ResumeJoined"].height


def test_a_run_that_goes_on_notices_that_it_was_replaced(place):
    @place.derived
    class Late:
        slices = 0

        def write(self, chunk):
            for piece in chunk.slices(100):
                self.slices += 1
                if self.slices == 3:
                    run(place.output(overwrite=True), seed=5)
                super().write(piece)

    sim = shop(**SHORT)
    sim.add_output(place.output(Late))
    with pytest.raises(OutputError, match="another process writes this run"):
        sim.run(progress=False)
    assert place.ids() == wanted(5)


def test_a_run_that_came_first_is_not_replaced(place):
    """Both found empty tables at their beginning; the one that writes later sees the other's rows."""
    late = shop(**SHORT)

    @place.derived
    class Waits:
        def _start(self):
            if not self._started:
                run(place.output(), seed=5)
            super()._start()

    late.add_output(place.output(Waits))
    with pytest.raises(OutputExistsError, match="table joined holds"):
        late.run(progress=False)
    assert place.ids() == wanted(5)


@pytest.mark.parametrize("kind", [MySQLOutput, PostgresOutput])
def test_arguments(kind):
    with pytest.raises(SettingsError, match="overwrite=True and append=True"):
        kind(table_mapping=TABLES, overwrite=True, append=True)
    assert "append=True" in repr(kind(table_mapping=TABLES, append=True))
    assert "overwrite=True" in repr(kind(table_mapping=TABLES, overwrite=True))


def tables(place: Place) -> set[str]:
    where = "DATABASE()" if place.kind is MySQLOutput else "current_schema()"
    query = f"SELECT table_name FROM information_schema.tables WHERE table_schema = {where}"
    return {str(row[0]) for row in place.rows(query)}


def test_a_refused_run_leaves_no_tables(place):
    """Refused for rows of others, for another shape, or by another output: what was not there is not there."""
    place.rows("CREATE TABLE joined (x INT)")
    with pytest.raises(OutputError, match="has another shape"):
        run(place.output())
    assert tables(place) == {"joined"}
    place.rows("DROP TABLE joined")
    run(place.output(mapping={ResumeJoined: "joined"}))
    with pytest.raises(OutputExistsError):
        run(place.output(), seed=5)
    assert tables(place) == {"joined", "deep_faker_progress"}
    place.rows("DROP TABLE joined")
    place.rows("DROP TABLE deep_faker_progress")
    sim = shop(**SHORT, seed=4)
    sim.add_output(place.output(entities={ResumeUser: "users"}))
    sim.add_output(Refusing())
    with pytest.raises(OutputError, match="not today"):
        sim.run(progress=False)
    assert tables(place) == set()


class Refusing(FileOutput):
    """An output that takes no run."""

    def __init__(self):
        super().__init__("never")

    def open(self, info):
        raise OutputError("not today")
