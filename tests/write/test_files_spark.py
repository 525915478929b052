"""Spark reads the files, where it is installed: half a gigabyte, which is not in the extras."""

import datetime as dt
import shutil

import pytest

from deep_faker.outputs import ParquetOutput
from tests.support.worlds.order_rows import HOSTILE, plain, rows, write
from tests.support.worlds.output_world import World

WORLD = World(1000)


@pytest.fixture(scope="module")
def spark():
    sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed")
    if shutil.which("java") is None:
        pytest.skip("Java is not installed")
    settings = {"spark.ui.enabled": "false", "spark.sql.session.timeZone": "UTC"}
    session = sql.SparkSession.builder.master("local[1]").config(map=settings).getOrCreate()
    yield session
    session.stop()


def test_partitions_of_hostile_names(spark, tmp_path):
    table = rows(values=[value for value in HOSTILE if value != ""])  # which Spark takes for null
    write(table, tmp_path / "out", partition_by=["country", "date"])
    found = spark.read.parquet(str(tmp_path / "out/events/Order"))
    assert dict(found.dtypes)["date"] == "date"
    assert dict(found.dtypes)["number"] == "bigint"
    pairs = sorted((row.sys__eid, row.country) for row in found.select("sys__eid", "country").collect())
    assert pairs == sorted(zip(plain(table)["sys__eid"], plain(table)["country"]))


def test_csv(spark, tmp_path):
    """With its usual options for RFC 4180."""
    table = rows()
    write(table, tmp_path / "out", format="csv", compression="gzip")
    reader = spark.read.options(header=True, multiLine=True, escape='"', inferSchema=True)
    found = reader.csv(str(tmp_path / "out/events/Order"))
    assert dict(found.dtypes)["day"] == "date"
    texts = {row.sys__eid: row.country for row in found.collect()}
    wanted = dict(zip(plain(table)["sys__eid"], plain(table)["country"]))
    assert {eid: text or None for eid, text in texts.items()} == {e: t or None for e, t in wanted.items()}


def test_instants_and_texts(spark, tmp_path):
    """A naive instant is a TIMESTAMP_NTZ; Spark has no type for times of day."""
    WORLD.run(ParquetOutput(tmp_path / "out"))
    found = spark.read.parquet(str(tmp_path / "out/events/Signup"))
    assert dict(found.dtypes)["at"] == "timestamp_ntz"
    ours = WORLD.tables["Signup"]
    assert [row.at for row in found.orderBy("sys__ets", "at").collect()] == sorted(ours["at"].to_pylist())
    assert all(isinstance(row.at, dt.datetime) for row in found.limit(3).collect())
    lines = tmp_path / "lines"
    WORLD.run(ParquetOutput(lines, format="jsonl", compression="gzip"))
    assert spark.read.json(str(lines / "events.jsonl.gz")).count() == len(WORLD.order)
