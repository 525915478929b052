"""Hive-style partitions: the right rows in the right folders, for every reader, whatever the values."""

import random

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deep_faker import BaseEvent, Dataset, Field, NewEvent, Simulation
from deep_faker.errors import OutputError
from deep_faker.outputs import ParquetOutput
from deep_faker.write.files import partitions
from deep_faker.write.files.partitions import keys_of
from deep_faker.write.files.readers import partition_values
from deep_faker.write.files.verify import verify
from tests.support.worlds.order_rows import DAY, HOSTILE, SCHEMA, START, plain, rows, write


def folders(place):
    return sorted(str(p.parent.relative_to(place / "events/Order")) for p in place.rglob("events/*/**/*.*"))


def test_dates_of_the_event_in_utc(tmp_path):
    table = rows()
    write(table, tmp_path / "out", partition_by="date")
    assert folders(tmp_path / "out") == ["date=2024-01-01", "date=2024-01-02", "date=2024-01-03"]
    for number in range(3):
        [path] = (tmp_path / f"out/events/Order/date=2024-01-0{number + 1}").iterdir()
        times = pq.read_table(path, partitioning=None)["sys__ets"].to_pylist()
        assert times == sorted(times)
        assert all(START + number * DAY <= time < START + (number + 1) * DAY for time in times)
    # dates follow each other, so that the order of the events stays
    assert Dataset.open(tmp_path / "out")["Order"].equals(plain(table))


@pytest.mark.parametrize("form", ["parquet", "csv", "arrow"])
@pytest.mark.parametrize(
    "keys", ["country", "number", "ok", "day", "hour", ["ok", "country", "date"]], ids=str
)
def test_every_row_comes_back_typed(form, keys, tmp_path):
    table = rows()
    write(table, tmp_path / "out", partition_by=keys, format=form)
    assert verify(tmp_path / "out") == []
    found, want = Dataset.open(tmp_path / "out")["Order"], plain(table)
    assert found.schema == want.schema
    assert found.sort("sys__eid").equals(want)
    assert found["sys__ets"].is_sorted()
    # nothing but folders of the table's own
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"events", "manifest.json"}
    assert {p.name for p in (tmp_path / "out/events").iterdir()} == {"Order"}
    assert listed_above(tmp_path) == ["out"]


def listed_above(folder):
    return sorted(p.name for p in folder.iterdir())


def test_other_readers_get_keys_and_rows(tmp_path):
    """DuckDB, Polars, PyArrow and pandas read the values of hostile names back."""
    values = [value for value in HOSTILE if value not in ("", "null")]  # as to these, readers differ
    table = rows(values=values)
    write(table, tmp_path / "out", partition_by=["country", "ok"])
    folder, want = tmp_path / "out/events/Order", plain(table)
    pairs = sorted(zip(want["sys__eid"], want["country"], want["ok"]))

    found = duckdb.sql(
        f"select sys__eid, country, ok::varchar from read_parquet('{folder}/**/*.parquet', hive_partitioning=true,"
        " hive_types_autocast=false) order by 1"
    ).fetchall()
    texts = {None: None, True: "true", False: "false"}
    assert found == [(eid, country, texts[ok]) for eid, country, ok in pairs]

    schema = pa.schema([("country", pa.string()), ("ok", pa.bool_())])
    dataset = pa.dataset.dataset(folder, partitioning=pa.dataset.HivePartitioning(schema))
    read = dataset.to_table().select(["sys__eid", "country", "ok"]).sort_by("sys__eid")
    assert read.to_pylist() == [dict(zip(("sys__eid", "country", "ok"), row)) for row in pairs]

    frame = pl.scan_parquet(folder, hive_schema={"country": pl.String, "ok": pl.Boolean}).collect()
    assert sorted(zip(frame["sys__eid"], frame["country"], frame["ok"])) == pairs

    # left to itself, pandas makes dictionaries of keys, and cannot join such as have nulls
    frame = pd.read_parquet(folder, partitioning=pa.dataset.HivePartitioning(schema))
    assert len(frame) == table.num_rows
    assert set(frame["country"].dropna()) == set(values) - {None}


@given(st.lists(st.one_of(st.none(), st.text(max_size=20)), min_size=1, max_size=20), st.randoms())
def test_any_text_names_a_folder_and_comes_back(values, rng):
    """No two values share a folder, and no name leads elsewhere."""
    table = pa.table({"key": pa.array(values, pa.string())})
    codes, names = partitions._folders(table, ["key"])
    assert len(set(names)) == len(names)
    for value, code in zip(values, codes.tolist()):
        assert "/" not in names[code]
        assert partition_values(names[code]) == {"key": value}


def test_rows_that_wait_are_bounded_and_ended_at_the_same_row(tmp_path, monkeypatch):
    """However the rows are cut: the fullest parts end early, where too many rows wait."""
    table = rows(5000, values=[f"c{i}" for i in range(20)])
    write(table, tmp_path / "free", partition_by="country")
    waited = []

    class Bounded(partitions.PartitionedStream):
        def __init__(self, *given, **more):
            super().__init__(*given, **more)
            self.most_waiting = 300

        def write(self, piece):
            super().write(piece)
            waited.append(self.waiting)

    monkeypatch.setattr("deep_faker.write.files.run.PartitionedStream", Bounded)
    whole = None
    for number in range(4):
        cuts = sorted(random.Random(number).sample(range(5000), 40 * number))
        place = tmp_path / str(number)
        write(table, place, cuts, partition_by="country", rows_per_file=70)
        found = {str(p.relative_to(place)): p.read_bytes() for p in place.rglob("*.*")}
        whole = whole or found
        assert found == whole
    assert max(waited) < 300
    assert len(whole) > 20 + 5000 // 70
    free = Dataset.open(tmp_path / "free")["Order"]
    assert Dataset.open(tmp_path / "3")["Order"].sort("sys__eid").equals(free.sort("sys__eid"))


def test_too_many_partitions(tmp_path):
    table = rows(values=[f"c{i}" for i in range(50)])
    with pytest.raises(OutputError, match=r"too many partitions\ncountry=c\d+ would be number 21") as caught:
        write(table, tmp_path / "out", partition_by="country", max_partitions=20)
    assert "max_partitions" in str(caught.value)
    assert listed_above(tmp_path) == []
    write(table, tmp_path / "out", partition_by="country", max_partitions=50)


def test_wrong_keys(tmp_path):
    table = rows()
    for keys, said in (
        ("county", "partition_by='county'\nhelp: did you mean 'country'"),
        ("price", "Order.price is double"),
        (["date", "pric"], "pric"),
    ):
        with pytest.raises(OutputError, match=said):
            write(table, tmp_path / "out", partition_by=keys)
        assert listed_above(tmp_path) == []
    named = table.rename_columns({"day": "date"})
    with pytest.raises(OutputError, match="Order has a field of that name"):
        write(named, tmp_path / "out", partition_by="date")
    with pytest.raises(OutputError, match="names no folder"):
        write(rows(values=["x" * 300]), tmp_path / "out", partition_by="country")
    assert listed_above(tmp_path) == []


def test_types_without_the_field_are_partitioned_by_the_rest():
    schemas = {"Order": SCHEMA, "Ping": SCHEMA.remove(3)}
    assert keys_of(("date", "country"), schemas) == {"Order": ("date", "country"), "Ping": ("date",)}
    assert keys_of(("country",), schemas)["Ping"] == ()


class Visit(BaseEvent):
    country: str = "de"
    page: int = Field(faker="random_int", min=1, max=9)


def test_a_simulation_by_date_and_field(tmp_path):
    """The whole way: a run, its report, a second run of the same object in its place."""
    sim = Simulation(
        duration="2d", start_time="2024-02-28T12:00:00", time_step="1h", n_flows=5, random_seed=3
    )

    @sim.flow()
    def visit(ctx):
        yield NewEvent(ctx, Visit)

    sim.add_output(ParquetOutput(tmp_path / "out", partition_by=["date", "page"], format="csv"))
    report = sim.run(progress=False)
    frame = Dataset.open(tmp_path / "out")["Visit"]
    assert frame.height == report.events["Visit"]
    assert frame.sort("sys__eid").equals(sim.collect(progress=False)["Visit"].sort("sys__eid"))
    dates = {path.name for path in (tmp_path / "out/events/Visit").iterdir()}
    assert dates == {"date=2024-02-28", "date=2024-02-29", "date=2024-03-01"}
    sim.run(progress=False)
    assert verify(tmp_path / "out") == []
