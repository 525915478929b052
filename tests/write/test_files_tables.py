"""CSV, Arrow and Parquet with every compression: exact types back, by us and by others; sizes of files."""

import datetime as dt
import json
import random

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from deep_faker import Dataset
from deep_faker.errors import SettingsError
from deep_faker.outputs import ParquetOutput
from deep_faker.write.files import parts
from deep_faker.write.files.verify import verify
from tests.support.worlds.output_world import EVENTS, NAMES, SESSIONS, USERS, World, info

WORLD = World(2000)
SHAPES = [
    {"format": "csv"},
    {"format": "csv", "compression": "gzip"},
    {"format": "csv", "compression": "zstd"},
    {"format": "arrow"},
    {"format": "arrow", "compression": "lz4"},
    {"format": "arrow", "compression": "zstd"},
    {"compression": "snappy"},
    {"compression": "gzip"},
    {"compression": "lz4"},
    {"compression": "none"},
    {"rows_per_file": 300},
    {"format": "csv", "rows_per_file": "1k"},
    {"file_size": 20_000},
    {"format": "csv", "compression": "gzip", "file_size": "16kB"},
    {"format": "arrow", "file_size": "30 KiB"},
]
PARTITIONED = [
    {"partition_by": "hour"},
    {"partition_by": ["date", "platform"]},
    {"partition_by": ["ok", "platform", "colour"], "format": "csv"},
    {"partition_by": "platform", "format": "arrow"},
    {"partition_by": "day", "file_size": "2kB"},
]
ALL = SHAPES + PARTITIONED


def named(shape):
    return " ".join(f"{key}={value}" for key, value in shape.items())


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(parts, "BLOCK_ROWS", 256)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The same events in plain Parquet files."""
    folder = tmp_path_factory.mktemp("plain") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "BLOCK_ROWS", 256)
        WORLD.run(ParquetOutput(folder))
    return Dataset.open(folder)


def cuts(number):
    return sorted(random.Random(number).sample(range(len(WORLD.order)), 15))


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("shape", ALL, ids=named)
def test_p4_every_value_and_type_comes_back(shape, plain, tmp_path):
    WORLD.run(ParquetOutput(tmp_path / "out", **shape))
    assert verify(tmp_path / "out") == []
    found = Dataset.open(tmp_path / "out")
    for name in NAMES:
        one, other = found[name], plain[name]
        assert one.schema == other.schema
        if shape.get("partition_by", "hour") != "hour":  # of one millisecond: any order
            one, other = one.sort("sys__ets", "sys__eid"), other.sort("sys__ets", "sys__eid")
        assert one.equals(other)
        assert found.scan(name).select(pl.len()).collect().item() == other.height
    assert found.events.sort("sys__eid").equals(plain.events.sort("sys__eid"))
    assert found.sessions.equals(plain.sessions)
    assert found.entities["User"].equals(plain.entities["User"])


@pytest.mark.parametrize("shape", ALL, ids=named)
def test_r1_chunks_do_not_show(shape, tmp_path):
    WORLD.run(ParquetOutput(tmp_path / "once", **shape))
    for number in range(2):
        WORLD.run(ParquetOutput(tmp_path / str(number), **shape), cuts(number))
        assert contents(tmp_path / str(number)) == contents(tmp_path / "once")


@pytest.mark.parametrize("shape", ALL, ids=named)
def test_r4_a_run_that_is_taken_up_ends_with_the_same_bytes(shape, tmp_path):
    WORLD.run(ParquetOutput(tmp_path / "once", **shape))
    rng, taken_up = random.Random(4), 0
    for number in range(2):
        place, scratch = tmp_path / f"{number}", tmp_path / f"s{number}"
        scratch.mkdir()
        state, given = None, 0
        one = ParquetOutput(place, **shape)
        one.open(info(scratch=scratch))
        for chunk in WORLD.chunks(cuts(number)):
            one.write(chunk)
            if rng.random() < 0.5:
                state, given = json.loads(json.dumps(one.checkpoint())), chunk.end
            if rng.random() < 0.4:
                one.suspend()
                one = ParquetOutput(place, **shape)
                one.resume(info(scratch=scratch), state)
                taken_up += 1
                for again in WORLD.chunks([given, chunk.end]):
                    if given <= again.first and again.end <= chunk.end:
                        one.write(again)
        one.write_sessions(SESSIONS)
        one.write_entities("User", USERS)
        one.finish()
        assert contents(place) == contents(tmp_path / "once")
    assert taken_up > 5


# ------------------------------------------------------------------------------------------ sizes


def test_rows_per_file(tmp_path):
    WORLD.run(ParquetOutput(tmp_path / "out", rows_per_file=300))
    for name in NAMES:
        rows = [pq.read_metadata(p).num_rows for p in sorted((tmp_path / "out/events" / name).iterdir())]
        assert set(rows[:-1]) == {300}
        assert 0 < rows[-1] <= 300
        assert sum(rows) == WORLD.tables[name].num_rows


@pytest.mark.parametrize(
    "shape", [{}, {"format": "csv"}, {"format": "csv", "compression": "gzip"}, {"format": "arrow"}], ids=named
)
def test_a_file_is_about_as_large_as_asked(shape, tmp_path):
    """Rows of random ids are all alike: within a tenth, and the last one smaller."""
    world = World(30_000)
    size = 40_000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "BLOCK_ROWS", 2048)
        world.run(ParquetOutput(tmp_path / "out", file_size=size, **shape))
    for name in NAMES:
        sizes = [p.stat().st_size for p in sorted((tmp_path / "out/events" / name).iterdir())]
        assert len(sizes) > 3
        assert all(0.85 * size < one < 1.15 * size for one in sizes[:-1]), sizes
        assert sizes[-1] < 1.15 * size


# ------------------------------------------------------------------------------------------ others read it


TEXTS = set(WORLD.tables["Odd"]["text"].to_pylist())


def test_csv_is_read_by_others(tmp_path):
    """Quotes, newlines, control characters, a missing value and an empty one."""
    WORLD.run(ParquetOutput(tmp_path / "out", format="csv"))
    path = tmp_path / "out/events/Odd/part-00000.csv"
    want = WORLD.tables["Odd"].to_pylist()

    options = pa.csv.ConvertOptions(
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        null_values=[""],
        column_types={"took": pa.string()},
    )
    table = pa.csv.read_csv(path, pa.csv.ReadOptions(), pa.csv.ParseOptions(newlines_in_values=True), options)
    assert table["text"].to_pylist() == [row["text"] for row in want]
    assert table["day"].to_pylist() == [row["day"] for row in want]
    assert [json.loads(text) for text in table["tags"].to_pylist()] == [row["tags"] for row in want]

    rows = duckdb.sql(f"select text, day, count from read_csv('{path}', all_varchar=true)").fetchall()
    # DuckDB takes an empty text for a missing one, quoted or not
    assert [row[0] or None for row in rows] == [row["text"] or None for row in want]
    assert [dt.date.fromisoformat(row[1]) for row in rows] == [row["day"] for row in want]

    frame = pd.read_csv(path, dtype=str, keep_default_na=False)  # and so does pandas
    assert frame["text"].tolist() == [row["text"] or "" for row in want]
    assert [json.loads(text) for text in frame["count"]] == [row["count"] for row in want]
    assert None in TEXTS
    assert "" in TEXTS


def test_csv_times(tmp_path):
    """Instants in ISO 8601, durations in seconds, exact to the microsecond and beyond 2^53."""
    took = [dt.timedelta(microseconds=n) for n in (0, 1, -1, -1_500_000, 10**15 + 1)]
    table = pa.table(
        {
            "took": pa.array(took, pa.duration("us")),
            "at": pa.array([dt.datetime(2024, 2, 29, 23, 59, 59, n) for n in range(5)], pa.timestamp("us")),
            "big": [2**63 - 1, -(2**63), 2**53 + 1, 0, None],
            "float": [0.1 + 0.2, 5e-324, 1.7976931348623157e308, -0.0, None],
        }
    )
    from deep_faker.write.files.csv_parts import write_csv
    from deep_faker.write.files.readers import scan_files
    from deep_faker.write.whole.hashing import HashingFile

    path = tmp_path / "a.csv"
    with path.open("wb") as raw:
        write_csv(HashingFile(raw), table)
    lines = path.read_text().splitlines()
    assert lines[4].startswith("PT-1.500000S,2024-02-29T23:59:59.000003,0,")
    back = scan_files([path], {f.name: f.type for f in table.schema}).collect()
    assert back.to_arrow().cast(table.schema).equals(table)


@pytest.mark.parametrize(
    "shape", [{}, {"format": "arrow"}, {"format": "arrow", "compression": "zstd"}], ids=named
)
def test_typed_files_are_read_by_others(shape, tmp_path, plain):
    WORLD.run(ParquetOutput(tmp_path / "out", **shape))
    arrow = shape.get("format") == "arrow"
    [path] = (tmp_path / "out/events/Odd").iterdir()
    frame = pd.read_feather(path) if arrow else pd.read_parquet(path)
    want = plain["Odd"]
    assert [None if pd.isna(text) else text for text in frame["text"]] == want["text"].to_list()
    assert frame["took"].dt.total_seconds().tolist() == pytest.approx(
        want["took"].dt.total_microseconds().to_numpy() / 1e6
    )
    assert frame["day"].tolist() == want["day"].to_list()
    [path] = (tmp_path / "out/events/Signup").iterdir()
    frame = pd.read_feather(path) if arrow else pd.read_parquet(path)
    assert str(frame["at"].dtype) == "datetime64[us]"  # naive, and UTC by convention
    assert frame["at"].tolist() == plain["Signup"]["at"].to_list()
    dataset = pa.dataset.dataset(path.parent, format="ipc" if arrow else "parquet")
    assert dataset.to_table()["sys__ets"].to_pylist() == plain["Signup"]["sys__ets"].to_list()


def test_arrow_keeps_its_origin_in_the_footer(tmp_path):
    WORLD.run(ParquetOutput(tmp_path / "out", format="arrow"))
    schema = pa.ipc.open_file(tmp_path / "out/events/Click/part-00000.arrow").schema
    origin = json.loads(schema.metadata[b"deep_faker"])
    assert origin["seed"] == 7
    assert list(origin["fields"]) == [field.name for field in EVENTS["Click"].fields]


def test_verify_sees_a_changed_value_in_csv(tmp_path):
    WORLD.run(ParquetOutput(tmp_path / "out", format="csv"))
    path = tmp_path / "out/events/Click/part-00000.csv"
    path.write_bytes(path.read_bytes().replace(b",web,", b",api,", 1))
    assert verify(tmp_path / "out") == [
        "events/Click/part-00000.csv: sha256 differs",
        "events/Click/part-00000.csv: values differ in platform",
    ]
    path.write_bytes(path.read_bytes().replace(b",api,", b",\xff,", 1))
    assert any("cannot be read" in line or "values differ" in line for line in verify(tmp_path / "out"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"format": "cvs"}, "format='cvs'"),
        ({"format": "arrow", "compression": "gzip"}, "compression='gzip' with format='arrow'"),
        ({"rows_per_file": 0}, "rows_per_file=0"),
        ({"rows_per_file": "many"}, "rows_per_file='many'"),
        ({"file_size": "128 elephants"}, "file_size='128 elephants'"),
        ({"file_size": 10}, "at least 1024"),
        ({"file_size": "1MB", "rows_per_file": 10}, "give one of them"),
        ({"format": "jsonl", "file_size": "1MB"}, "whose events are one file"),
        ({"partition_by": []}, "partition_by=\\[\\]"),
        ({"partition_by": ["a", "a"]}, "different ones"),
        ({"partition_by": 3}, "partition_by=3"),
        ({"partition_by": "date", "max_partitions": 0}, "max_partitions=0"),
    ],
)
def test_wrong_arguments(arguments, said):
    with pytest.raises(SettingsError, match=said):
        ParquetOutput("x", **arguments)
