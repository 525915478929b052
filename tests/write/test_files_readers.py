"""Every format as others read it: the same values, whoever reads, whatever hostile text, times and numbers are."""

import datetime as dt
import io
import json

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.json
import pytest

from deep_faker import Dataset
from tests.support.worlds.order_rows import START, write

TEXTS = [
    "plain", "", None, "🦉 日本 é", 'say "hi"', "two\nlines", "one,two;three\ttabs", "'quoted'", "\\N", "\\n", "NULL",
    "nan", "true", "007", " lead and trail ", "#no comment", '"', "2024-01-01",
]  # fmt: skip
BIG = [2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 0, None]
TIMES = [
    dt.datetime(2024, 2, 29, 23, 59, 59, 999999),
    dt.datetime(1969, 12, 31, 23, 59, 59, 1),
    dt.datetime(2024, 3, 31, 2, 30),  # which Berlin's clocks skip
    dt.datetime(2023, 11, 5, 1, 30),  # which New York's show twice
    None,
]
FLOATS = [0.1 + 0.2, 5e-324, 1.7976931348623157e308, -1.5, None]
COLUMNS = {
    "text": pa.string(),
    "big": pa.int64(),
    "at": pa.timestamp("us"),
    "price": pa.float64(),
    "ok": pa.bool_(),
    "day": pa.date32(),
    "tags": pa.list_(pa.string()),
}
ROWS = 180
DAY = 86_400_000


def cycle(values):
    return [values[i % len(values)] for i in range(ROWS)]


TABLE = pa.table(
    {
        "sys__eid": [f"e{i:06d}" for i in range(ROWS)],
        "sys__ets": START + np.arange(ROWS) * 3 * DAY // ROWS,
        "sys__sid": cycle(["a", "b", "c"]),
        "text": pa.array(cycle(TEXTS), pa.string()),
        "big": pa.array(cycle(BIG), pa.int64()),
        "at": pa.array(cycle(TIMES), pa.timestamp("us")),
        "price": pa.array(cycle(FLOATS), pa.float64()),
        "ok": pa.array(cycle([True, False, None]), pa.bool_()),
        "day": pa.array(cycle([dt.date(2024, 2, 29), dt.date(1900, 1, 1), None]), pa.date32()),
        "tags": pa.array(cycle([["🦉", 'a "b"', ","], [], None, ["x\ny"]]), pa.list_(pa.string())),
    }
)
TABLE = TABLE.cast(
    pa.schema(
        [
            field.with_metadata({"hint": {"sys__eid": "id", "sys__ets": "time"}[field.name]})
            if field.name in ("sys__eid", "sys__ets")
            else field
            for field in TABLE.schema
        ]
    )
)
WANT = TABLE.to_pylist()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Format and compression → the files of the events."""
    folder = tmp_path_factory.mktemp("made")
    done = {}

    def make(form, compression=None, **shape):
        key = (form, compression, *shape.values())
        if str(key) not in done:
            place = folder / str(len(done))
            write(TABLE, place, format=form, compression=compression, **shape)
            done[str(key)] = place
        place = done[str(key)]
        return place, sorted(str(p) for p in place.rglob("events*") if p.is_file()) or sorted(
            str(p) for p in (place / "events").rglob("*.*") if p.is_file()
        )

    return make


def same(found, *, but=()):
    """Compare rows as Python values; ``but`` names columns that this reader cannot have right, and why is said there."""
    rows = sorted(found, key=lambda row: row["sys__eid"])
    assert len(rows) == ROWS
    for name in ("sys__eid", "sys__ets", *COLUMNS):
        if name not in but:
            assert [row[name] for row in rows] == [row[name] for row in WANT], name


def rows_of(arrow):
    return pa.table(arrow).cast(TABLE.schema.remove_metadata()).to_pylist()


def quoted(paths):
    return "[" + ", ".join(f"'{path}'" for path in paths) + "]"


# ------------------------------------------------------------------------------------ Parquet and Arrow


@pytest.mark.parametrize(
    "form", [("parquet", None), ("parquet", "snappy"), ("arrow", None), ("arrow", "zstd")]
)
def test_typed_files(form, made):
    """No schema is told to anyone: the types stand in the files."""
    place, paths = made(*form)
    kind = "parquet" if form[0] == "parquet" else "ipc"
    dataset = pa.dataset.dataset(paths, format=kind)
    assert [field.type for field in dataset.schema] == [field.type for field in TABLE.schema]
    same(dataset.to_table().to_pylist())

    frame = pl.read_parquet(paths) if kind == "parquet" else pl.read_ipc(paths)
    assert frame.schema["at"] == pl.Datetime("us")
    assert frame.schema["tags"] == pl.List(pl.String)
    same(frame.to_dicts())

    found = (
        duckdb.sql(f"from read_parquet({quoted(paths)})") if kind == "parquet" else duckdb.sql("from dataset")
    )
    types = dict(zip(found.columns, map(str, found.types)))
    assert [types[name] for name in COLUMNS] == [
        "VARCHAR", "BIGINT", "TIMESTAMP", "DOUBLE", "BOOLEAN", "DATE", "VARCHAR[]",
    ]  # fmt: skip
    same(dict(zip(found.columns, row)) for row in found.fetchall())

    read = pd.read_parquet if kind == "parquet" else pd.read_feather
    table = pd.concat([read(path, dtype_backend="pyarrow") for path in paths])
    assert str(table["big"].dtype) == "int64[pyarrow]"
    same(rows_of(pa.Table.from_pandas(table, preserve_index=False)))
    assert Dataset.open(place)["Order"].equals(pl.DataFrame(pl.from_arrow(TABLE)))


# ------------------------------------------------------------------------------------ CSV

PACKED = [None, "gzip", "zstd"]
IN_CSV = {**{field.name: field.type for field in TABLE.schema}, "tags": pa.string()}


def tags_read(rows):
    return [{**row, "tags": None if row["tags"] is None else json.loads(row["tags"])} for row in rows]


@pytest.mark.parametrize("way", PACKED)
def test_csv(way, made):
    """Missing and empty texts differ for readers that know the difference of ``,,`` and ``,"",``."""
    place, [path] = made("csv", way)
    options = pa.csv.ConvertOptions(
        strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""], column_types=IN_CSV
    )
    with pa.input_stream(path, compression="detect") as file:
        table = pa.csv.read_csv(
            file, parse_options=pa.csv.ParseOptions(newlines_in_values=True), convert_options=options
        )
    same(tags_read(table.to_pylist()))

    schema = {
        name: pl.DataFrame(pl.from_arrow(pa.table({"x": pa.array([], t)}))).schema["x"]
        for name, t in IN_CSV.items()
    }
    frame = pl.read_csv(path, schema={**schema, "at": pl.String}).with_columns(
        pl.col("at").str.to_datetime(time_unit="us")
    )
    same(tags_read(frame.to_dicts()))

    types = {
        "sys__eid": "VARCHAR",
        "sys__ets": "BIGINT",
        "sys__sid": "VARCHAR",
        "text": "VARCHAR",
        "big": "BIGINT",
    }
    types |= {"at": "TIMESTAMP", "price": "DOUBLE", "ok": "BOOLEAN", "day": "DATE", "tags": "VARCHAR"}
    found = duckdb.sql(
        f"from read_csv('{path}', header=true, delim=',', quote='\"', escape='\"', columns={types},"
        " allow_quoted_nulls=false, compression='auto')"
    )
    same(tags_read(dict(zip(found.columns, row)) for row in found.fetchall()))

    # pandas takes "" for a missing value; with all else that it would take for one left alone
    names = {"sys__ets": "int64", "big": "Int64", "price": "float64", "ok": "boolean"}
    read = {name: names.get(name, "str") for name in IN_CSV}
    with pa.input_stream(path, compression="detect") as file:  # pandas leaves zstd to another package
        text = io.StringIO(file.read().decode(), newline="")
    frame = pd.read_csv(text, dtype=read, keep_default_na=False, na_values=[""]).astype(object)
    rows = frame.where(frame.notna(), None).to_dict("records")
    assert [row["text"] for row in rows] == [row["text"] or None for row in WANT]
    for row in rows:
        row["at"] = row["at"] and dt.datetime.fromisoformat(row["at"])
        row["day"] = row["day"] and dt.date.fromisoformat(row["day"])
    same(tags_read(rows), but=["text"])
    assert Dataset.open(place)["Order"].equals(pl.DataFrame(pl.from_arrow(TABLE)))


# ------------------------------------------------------------------------------------ JSON lines


def times_read(rows):
    return [
        {
            **row,
            "at": row["at"] and dt.datetime.fromisoformat(row["at"]),
            "day": row["day"] and dt.date.fromisoformat(row["day"]),
        }
        for row in rows
    ]


@pytest.mark.parametrize("way", PACKED)
def test_json_lines(way, made):
    place, [path] = made("jsonl", way)
    with pa.input_stream(path, compression="detect") as file:
        lines = file.read()
    same(times_read(map(json.loads, lines.decode().splitlines(keepends=True))))

    schema = pa.schema([*((n, t) for n, t in IN_CSV.items() if n != "tags"), ("tags", COLUMNS["tags"])])
    schema = schema.set(schema.get_field_index("at"), pa.field("at", pa.string()))
    schema = schema.set(schema.get_field_index("day"), pa.field("day", pa.string()))
    options = pa.json.ParseOptions(explicit_schema=schema)
    with pa.input_stream(path, compression="detect") as file:
        same(times_read(pa.json.read_json(file, parse_options=options).to_pylist()))

    kinds = pl.DataFrame(pl.from_arrow(schema.empty_table())).schema
    same(times_read(pl.scan_ndjson(path, schema=kinds).collect().to_dicts()))

    found = duckdb.sql(
        f"select sys__eid, sys__ets, text, big, \"at\", price, ok, day, tags from read_json('{path}',"
        " format='newline_delimited', columns={sys__eid: 'VARCHAR', sys__ets: 'BIGINT', text: 'VARCHAR',"
        " big: 'BIGINT', \"at\": 'TIMESTAMP', price: 'DOUBLE', ok: 'BOOLEAN', day: 'DATE', tags: 'VARCHAR[]'})"
    )
    same(dict(zip(found.columns, row)) for row in found.fetchall())

    frame = pd.read_json(io.BytesIO(lines), lines=True, engine="pyarrow", dtype_backend="pyarrow")
    assert frame["big"].dropna().astype(object).tolist() == [
        row["big"] for row in WANT if row["big"] is not None
    ]
    assert frame["sys__eid"].tolist() == [row["sys__eid"] for row in WANT]
    assert [None if pd.isna(text) else text for text in frame["text"]] == [row["text"] for row in WANT]
    assert Dataset.open(place)["Order"].equals(pl.DataFrame(pl.from_arrow(TABLE)))


# ------------------------------------------------------------------------------------ Hive partitions


@pytest.mark.parametrize("form", ["parquet", "csv", "arrow"])
def test_folders_of_dates(form, made):
    """Each reader finds its keys in the folders' names, and reads only the folders that it needs."""
    place, _ = made(form, partition_by="date")
    folder = place / "events/Order"
    day = dt.date(2024, 1, 2)
    want = [row["sys__eid"] for row in WANT if row["sys__ets"] // DAY == (START // DAY) + 1]
    assert len(want) == ROWS // 3

    keys = pa.dataset.HivePartitioning(pa.schema([("date", pa.date32())]))
    csv = pa.dataset.CsvFileFormat(parse_options=pa.csv.ParseOptions(newlines_in_values=True))
    kind = {"parquet": "parquet", "csv": csv, "arrow": "ipc"}[form]
    dataset = pa.dataset.dataset(folder, format=kind, partitioning=keys)
    chosen = pa.compute.field("date") == day
    assert len(list(dataset.get_fragments(chosen))) == 1
    assert dataset.to_table(filter=chosen)["sys__eid"].to_pylist() == want

    scans = {"parquet": pl.scan_parquet, "arrow": pl.scan_ipc}
    if form in scans:  # Polars knows no partitions of CSV
        frame = scans[form](folder, hive_partitioning=True).filter(pl.col("date") == day).collect()
        assert frame["sys__eid"].to_list() == want
    if form != "arrow":  # which DuckDB reads through PyArrow only
        read = "read_csv" if form == "csv" else "read_parquet"
        found = duckdb.sql(
            f"select sys__eid from {read}('{folder}/**/*.{form}', hive_partitioning=true) where date = '{day}' order by 1"
        )
        assert [eid for (eid,) in found.fetchall()] == want
    if form == "parquet":
        assert pd.read_parquet(folder, filters=[("date", "=", str(day))])["sys__eid"].tolist() == want


# ------------------------------------------------------------------------------------ Spark


@pytest.fixture(scope="module")
def spark():
    sql = pytest.importorskip(
        "pyspark.sql", reason="Spark is not installed: pip install pyspark (and Java 17)"
    )
    settings = {
        "spark.ui.enabled": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.driver.host": "127.0.0.1",
    }
    builder = sql.SparkSession.builder.master("local[1]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    yield session
    session.stop()


def test_spark_reads_parquet(spark, made):
    """Times without a zone stay so (`timestamp_ntz`); the keys of folders are columns."""
    place, _ = made("parquet")
    frame = spark.read.parquet(str(place / "events/Order"))
    types = dict(frame.dtypes)
    assert [types[name] for name in COLUMNS] == [
        "string", "bigint", "timestamp_ntz", "double", "boolean", "date", "array<string>",
    ]  # fmt: skip
    same(row.asDict() for row in frame.collect())

    place, _ = made("parquet", partition_by=["date", "ok"])
    frame = spark.read.parquet(str(place / "events/Order"))
    assert {"date", "ok"} <= set(frame.columns)
    rows = [row.asDict() for row in frame.collect()]
    texts = {None: None, "true": True, "false": False, True: True, False: False}
    same({**row, "ok": texts[row["ok"]]} for row in rows)
    assert all(
        row["date"] == dt.datetime.fromtimestamp(row["sys__ets"] / 1000, dt.UTC).date() for row in rows
    )


@pytest.mark.parametrize("way", [None, "gzip"])
def test_spark_reads_text(way, spark, made):
    _, [path] = made("csv", way)
    types = "sys__eid string, sys__ets bigint, sys__sid string, text string, big bigint, at timestamp_ntz"
    types += ", price double, ok boolean, day date, tags string"
    # RFC 4180's way of quoting is not Spark's own; a missing value and an empty one are told apart
    read = spark.read.options(header=True, multiLine=True, escape='"', nullValue="", emptyValue="")
    rows = [row.asDict() for row in read.schema(types).csv(path).collect()]
    assert [row["text"] or None for row in rows] == [row["text"] or None for row in WANT]
    same(tags_read(rows), but=["text"])

    _, [path] = made("jsonl", way)
    frame = spark.read.schema(types.replace("tags string", "tags array<string>")).json(path)
    same(row.asDict() for row in frame.collect())
