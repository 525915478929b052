"""The certificate holds of what runs have made, and finds each fault that is planted into their rows."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest

from deep_faker import Dataset, NewEvent, ParquetOutput, Simulation
from deep_faker.dataset import verify
from deep_faker.errors import DatasetError, SettingsError
from deep_faker.run.certified import facts_of
from deep_faker.write.certificate.document import sql_text
from deep_faker.write.certificate.script import faults
from tests.support.worlds.export_world import ExportSeen, export_shop, export_site
from tests.support.worlds.resume_world import shop as resume_shop

pytest.importorskip("duckdb", reason="the certificate is in DuckDB's SQL")

U, O = "ExportUser", "ExportOrder"
USERS, ORDERS = f"entities/{U}", f"entities/{O}"
VERSIONS, VISITED, OPENED, PAID = (
    f"history/{U}",
    "events/ExportVisited",
    "events/ExportOpened",
    "events/ExportPaid",
)
SESSIONS, SEEN = "sessions", "events/ExportSeen"

Frame = pl.DataFrame
Change = Callable[[Frame], Frame]


class Fault(NamedTuple):
    """What is changed in which tables, and a part of the statement that must find it."""

    found_by: str
    changes: dict[str, Change]


def at(number: int) -> pl.Expr:
    """The row of a number, from the end where it is negative."""
    place = pl.int_range(pl.len())
    return place == number if number >= 0 else place == pl.len() + number


def put(number: int, **values: Any) -> Change:
    """Other values in one row; a function makes them from the column."""

    def change(frame: Frame) -> Frame:
        made = {
            name: value(pl.col(name)) if callable(value) else pl.lit(value, frame.schema[name])
            for name, value in values.items()
        }
        return frame.with_columns(
            pl.when(at(number)).then(new).otherwise(name).alias(name) for name, new in made.items()
        )

    return change


def every(**values: Callable[[pl.Expr], pl.Expr]) -> Change:
    """Other values in all rows."""
    return lambda frame: frame.with_columns(value(pl.col(name)).alias(name) for name, value in values.items())


def twice(frame: Frame) -> Frame:
    """The first row once more, before it."""
    return pl.concat([frame.head(1), frame])


def without(number: int) -> Change:
    """A row less."""
    return lambda frame: frame.filter(~at(number))


def later(**by: int) -> Callable[[pl.Expr], pl.Expr]:
    """So much time later."""
    return lambda column: column + pl.duration(**by)


def mood(**values: Any) -> Change:
    """Other values in the last version of somebody who has three or more."""

    def change(frame: Frame) -> Frame:
        key = frame.filter(pl.col("sys__version") >= 3)["user_id"][0]
        last = frame.filter(pl.col("user_id") == key)["sys__version"].max()
        hit = (pl.col("user_id") == key) & (pl.col("sys__version") == last - 1)
        new = {n: v(pl.col(n)) if callable(v) else pl.lit(v, frame.schema[n]) for n, v in values.items()}
        return frame.with_columns(pl.when(hit).then(v).otherwise(n).alias(n) for n, v in new.items())

    return change


def gone(frame: Frame) -> Frame:
    """Of somebody who has three versions or more, the second."""
    key = frame.filter(pl.col("sys__version") >= 3)["user_id"][0]
    return frame.filter((pl.col("user_id") != key) | (pl.col("sys__version") != 2))


def held_by_two(frame: Frame) -> Frame:
    """A session has the user of another one, who has not let go yet, in place of its own."""
    rows = frame.with_row_index().filter((pl.col("flow") == "shop") & (pl.col(U).list.len() > 0))
    pairs = rows.join(rows, how="cross", suffix="_of").filter(
        (pl.col("started") > pl.col("started_of"))
        & (pl.col("started") < pl.col("ended_of"))
        & (pl.col(U) != pl.col(U + "_of"))
    )
    number, other = pairs.select("index", U + "_of").row(0)
    return frame.with_columns(pl.when(at(number)).then(pl.lit(other)).otherwise(U).alias(U))


def two_users(frame: Frame) -> Frame:
    """A session has a second user."""
    some = frame.filter(pl.col(U).list.len() > 0)[U].list.first().to_list()
    number = frame.with_row_index().filter(pl.col(U).list.len() > 0)["index"][3]
    both = [frame[U][number][0], next(key for key in some if key != frame[U][number][0])]
    return frame.with_columns(pl.when(at(number)).then(pl.lit(both)).otherwise(U).alias(U))


def of_the_last_born(frame: Frame) -> Frame:
    """The first visit is that of the user who is the last to be seen at all."""
    late = frame.group_by("user_id").agg(pl.col("sys__time").min()).sort("sys__time")["user_id"][-1]
    return frame.with_columns(pl.when(at(0)).then(pl.lit(late)).otherwise("user_id").alias("user_id"))


def half(frame: Frame) -> Frame:
    """Every other session of the site, and the events that remain at new places."""
    kept = pl.col("sys__sid").hash(1) % 2 == 0
    frame = frame.filter(kept)
    order = pl.int_range(1, pl.len() + 1, dtype=pl.Int64)
    return frame.with_columns(order.alias("sys__order")) if "sys__order" in frame.columns else frame


hour = {"hours": 1}
FAULTS: dict[str, Fault] = {
    "an event dropped": Fault("they count their events", {VISITED: without(7)}),
    "an event doubled": Fault("ids are there, unique", {VISITED: twice}),
    "events out of order": Fault("events: in order in each file", {VISITED: lambda frame: frame.reverse()}),
    "an event at another instant": Fault("milliseconds", {VISITED: put(5, sys__time=later(seconds=3))}),
    "an event at another time of the clock": Fault("milliseconds", {VISITED: put(5, sys__ets=lambda c: c + 1)}),
    "an event an hour later": Fault("events lie within theirs", {PAID: put(3, sys__time=later(**hour), sys__ets=lambda c: c + 3_600_000)}),
    "an event before the start": Fault("none before the start", {VISITED: put(0, sys__time=later(days=-1), sys__ets=lambda c: c - 86_400_000)}),
    "an event at another's place": Fault("places are 1, 2, 3", {VISITED: put(5, sys__order=lambda c: c.shift(1))}),
    "events at the places of a longer run": Fault("places are 1, 2, 3", {VISITED: every(sys__order=lambda c: c + 10_000)}),
    "an event of another session": Fault("they count their events", {VISITED: put(4, sys__sid=lambda c: c.shift(-1))}),
    "an event of no session": Fault("every event has one", {VISITED: put(4, sys__sid="nobodyIs")}),
    "an event without an id": Fault("ids are there, unique", {VISITED: put(4, sys__eid=None)}),
    "an id that is too short": Fault("of 12 characters", {VISITED: put(4, sys__eid="abc")}),
    "an unknown key": Fault("is a ExportUser that was born by then", {VISITED: put(4, user_id="nobodyIs")}),
    "a key before its birth": Fault("is a ExportUser that was born by then", {VISITED: of_the_last_born}),
    "somebody else's order": Fault("ExportOrder that its session has", {PAID: put(4, order_id=lambda c: c.shift(1))}),
    "a session dropped": Fault("every event has one", {SESSIONS: without(4)}),
    "a session doubled": Fault("sessions: ids are there, unique", {SESSIONS: twice}),
    "a session's count": Fault("they count their events", {SESSIONS: put(4, events=lambda c: c + 1)}),
    "a session that ends before it starts": Fault("they start within the run", {SESSIONS: put(4, ended=later(days=-1))}),
    "a session that starts too late": Fault("they start within the run", {SESSIONS: put(-1, started=later(days=1), ended=later(days=1))}),
    "an outcome that there is not": Fault("end as flows do", {SESSIONS: put(4, outcome="lost")}),
    "sessions out of order": Fault("sessions: in order in each file", {SESSIONS: lambda frame: frame.reverse()}),
    "flows without limit": Fault("never more than 15 flows", {SESSIONS: every(started=lambda c: c.min())}),
    "a user in two sessions": Fault("nobody is in two sessions at once", {SESSIONS: held_by_two}),
    "two users in a session": Fault("a session has one at most", {SESSIONS: two_users}),
    "a session of a user that is not": Fault("sessions have such as exist", {SESSIONS: put(4, **{U: ["nobodyIs"]})}),
    "all waits survived": Fault("as often as its rate says", {SESSIONS: lambda f: f.with_columns(outcome=pl.lit("completed"))}),
    "a user dropped": Fault("born by then", {USERS: without(3)}),
    "a user doubled": Fault("keys are there, and unique", {USERS: twice}),
    "a user of another name": Fault("each is born by one", {USERS: put(3, user_id="nobodyIs")}),
    "a birth at another instant": Fault("each is born by one", {USERS: put(-1, born=later(seconds=-9))}),
    "a birth before the start": Fault("nobody is born before the start", {USERS: put(3, born=later(days=-1))}),
    "initial users born later": Fault("40 initial ExportUser", {USERS: put(3, born=later(seconds=1))}),
    "an order that nobody opened": Fault("each is born by one", {ORDERS: put(3, order_id=2_000_000_000)}),
    "a version dropped": Fault("versions count 1, 2, 3", {VERSIONS: gone}),
    "a version that does not follow": Fault("a ExportVisited changes it as it must", {VERSIONS: mood(visits=77)}),
    "a field that a visit does not change": Fault("changes it as it must", {VERSIONS: mood(plan="gold")}),
    "a gap between versions": Fault("begins where the one before it ends", {VERSIONS: mood(valid_to=later(seconds=-1))}),
    "a version at another place": Fault("at their instants and places", {VERSIONS: mood(sys__order=lambda c: c + 1)}),
    "a version of an event that changes nothing": Fault("only events that change state", {VERSIONS: mood(sys__eid=lambda c: c.first())}),
    "a version of no event": Fault("made by events", {VERSIONS: mood(sys__eid="nobodyIsHere")}),
    "another final state": Fault("the last version is the final state", {USERS: put(3, visits=77)}),
    "a final version that ended": Fault("the last one has no end", {VERSIONS: put(-1, valid_to=dt.datetime(2025, 1, 1))}),
    "another age from the start": Fault("they begin with what ExportJoined says", {VERSIONS: every(age=lambda c: c + 1), USERS: every(age=lambda c: c + 1)}),
    "five visits from the start": Fault("they begin with their defaults", {VERSIONS: every(visits=lambda c: c + 5), USERS: every(visits=lambda c: c + 5)}),
}  # fmt: skip
SITE_FAULTS: dict[str, Fault] = {
    "half of the arrivals": Fault("as often as its rate says", {SEEN: half, SESSIONS: half}),
    "a visit that was never ended": Fault("they count their events", {SEEN: without(3)}),
    "every visitor leaves": Fault("as often as its rate says", {SESSIONS: lambda f: f.with_columns(outcome=pl.lit("decayed"), line=pl.col("line").min())}),
}  # fmt: skip


def made(folder: Path, sim: Simulation, **settings: Any) -> tuple[Path, dict[str, Any]]:
    """A data set with its certificate, and what its plan promises."""
    sim.run(folder, history=True, progress=False, certificate=True, **settings)
    text = (folder / "verify.sql").read_text()
    return folder, json.loads(
        next(line for line in text.splitlines() if line.startswith("-- promised: "))[13:]
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The shop."""
    return made(tmp_path_factory.mktemp("certified") / "shop", export_shop())


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site that people come to at a rate."""
    return made(tmp_path_factory.mktemp("certified") / "site", export_site())


def planted(whole: tuple[Path, dict[str, Any]], folder: Path, fault: Fault) -> list[str]:
    """What the certificate says when the rows are changed, and the counts and itself are mended."""
    shutil.copytree(whole[0], folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    for table, change in fault.changes.items():
        file = folder / table / "part-00000.parquet"
        before = pl.read_parquet(file, hive_partitioning=False)
        after = change(before)
        assert not after.equals(before), "the fault changes nothing"
        after.write_parquet(file)
        manifest["tables"][table]["rows"] = after.height
    (folder / "verify.sql").write_text(sql_text(manifest, whole[1]))
    return faults(folder)[0]


@pytest.mark.parametrize("name", FAULTS)
def test_each_planted_fault_is_found(whole, tmp_path, name):
    """The statement that is for it counts the fault; nothing is left that cannot be checked."""
    found = planted(whole, tmp_path / "shop", FAULTS[name])
    assert any(FAULTS[name].found_by in each for each in found), found
    assert not [each for each in found if "cannot be checked" in each]


@pytest.mark.parametrize("name", SITE_FAULTS)
def test_counts_that_theory_excludes_are_found(site, tmp_path, name):
    """Rows that agree with each other, and are too few or too many."""
    found = planted(site, tmp_path / "site", SITE_FAULTS[name])
    assert any(SITE_FAULTS[name].found_by in each for each in found), found


def test_there_are_enough_faults():
    """The tables do not shrink unseen."""
    assert len(FAULTS) + len(SITE_FAULTS) >= 45


def test_nothing_is_found_in_what_a_run_has_made(whole, site):
    """The control: every statement holds, and `verify` says so too."""
    for folder, _ in (whole, site):
        found, count = faults(folder)
        assert found == []
        assert count > 15
        assert verify(folder) == []


CLEAN: dict[str, Callable[[Path], object]] = {
    "three parts": lambda folder: export_shop().run(folder, partitions=3, history=True, progress=False, certificate=True),
    "cut at the end": lambda folder: export_shop(on_end="cut").run(folder, history=True, progress=False, certificate=True),
    "silent initial users": lambda folder: export_shop(emit_initial_entities=False).run(folder, progress=False, certificate=True),
    "another shop": lambda folder: resume_shop(n_flows=20, duration="30m").run(folder, history=True, progress=False, certificate=True),
    "by the hour": lambda folder: _by_hour(folder),
}  # fmt: skip


def _by_hour(folder: Path) -> None:
    sim = export_shop()
    sim.add_output(ParquetOutput(folder, partition_by="hour", rows_per_file=200))
    sim.run(progress=False, certificate=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", CLEAN)
def test_clean_worlds_have_no_fault(tmp_path, name):
    """Whatever the layout, the ends and the parts."""
    CLEAN[name](tmp_path / "data")
    assert verify(tmp_path / "data") == []
    assert faults(tmp_path / "data")[0] == []


def test_the_script_needs_duckdb_alone(whole, tmp_path):
    """In a Python that sees nothing of this package it says what `verify` says, and fails where a row is wrong."""
    folder = tmp_path / "shop"
    shutil.copytree(whole[0], folder)
    command = [sys.executable, "-I", str(folder / "verify.py")]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (run.returncode, run.stdout.split(", ")[1]) == (0, "0 of them do not hold\n")
    assert "deep_faker" not in (folder / "verify.py").read_text()
    file = folder / USERS / "part-00000.parquet"
    put(3, visits=77)(pl.read_parquet(file)).write_parquet(file)
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert run.returncode == 1
    assert "ExportUser: the last version is the final state: 1 faults" in run.stdout


def test_a_certificate_that_was_changed_is_not_run(whole, tmp_path):
    """`verify` says that it is not the manifest's, and a new run replaces it."""
    folder = tmp_path / "shop"
    shutil.copytree(whole[0], folder)
    (folder / "verify.sql").write_text(
        (folder / "verify.sql").read_text() + f"COPY (SELECT 1) TO '{tmp_path}/out.csv';\n"
    )
    (folder / "verify.py").write_text("print('all is well')\n")
    assert verify(folder) == [
        "verify.sql: it is not the certificate of this manifest",
        "verify.py: it is not the script that is written beside a certificate",
    ]
    assert not (tmp_path / "out.csv").exists()
    export_site(duration="1h").run(folder, overwrite=True, progress=False)
    assert not (folder / "verify.sql").exists()


def test_without_the_simulation_it_says_what_the_data_say(whole, tmp_path):
    """`ds.certify()` knows the tables and the manifest; with the simulation it knows the flows, too."""
    folder = tmp_path / "shop"
    shutil.copytree(whole[0], folder)
    ds = Dataset.open(folder)
    fewer = faults(ds.certify().parent)
    assert fewer[0] == []
    assert verify(folder) == []
    more = faults(ds.certify(export_shop()).parent)
    assert more[0] == []
    assert more[1] > fewer[1]


def test_of_flows_that_run_as_generators_nothing_is_promised():
    """What could not be compiled may do anything."""
    sim = Simulation("1h", "2024-01-01", n_flows=2, random_seed=1)

    @sim.flow()
    def look(ctx):
        with contextlib.suppress(KeyError):
            yield NewEvent(ctx, ExportSeen)

    facts = facts_of(sim.compile())
    assert sim.compile().flows[0].live is not None
    assert "changes" not in facts
    assert facts["keys"] == {}


def test_what_cannot_be_certified_is_refused(tmp_path):
    """Data in memory, lines, CSV, one part alone: said before the run, or in place of a certificate."""
    sim = export_site(duration="10m")
    with pytest.raises(SettingsError, match="certificate=True of no data set"):
        sim.run(tmp_path / "events.jsonl", certificate=True)
    with pytest.raises(SettingsError, match="certificate=True of one part"):
        sim.run(tmp_path / "parts", partitions=2, part=0, certificate=True)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DatasetError, match="no folder on this machine"):
        sim.collect().certify()
    sim.run(tmp_path / "csv", format="csv", progress=False)
    with pytest.raises(DatasetError, match="no certificate of these files"):
        Dataset.open(tmp_path / "csv").certify()
