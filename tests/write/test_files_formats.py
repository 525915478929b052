"""Files other than plain JSON lines and Parquet: the same values in other clothes."""

import gzip
import json
import random

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from deep_faker import Dataset
from deep_faker.errors import OutputError, SettingsError
from deep_faker.outputs import FileOutput, ParquetOutput
from deep_faker.write import json_lines
from deep_faker.write.files.verify import verify
from deep_faker.write.lines import line_file as linefile
from deep_faker.write.lines.line_file import SUFFIXES
from tests.support.worlds.output_world import EVENTS, NAMES, SESSIONS, USERS, World, info, listed

MEMBER = 1000
WORLD = World(3 * MEMBER + 100)
LINES = json_lines(next(WORLD.chunks([])), EVENTS)
WAYS = tuple(SUFFIXES)


@pytest.fixture(scope="module", autouse=True)
def small_members():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linefile, "MEMBER_EVENTS", MEMBER)
        yield


def cuts(number: int) -> list[int]:
    return sorted(random.Random(number).sample(range(len(WORLD.order)), 20))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Compression → the bytes of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    for suffix in SUFFIXES.values():
        WORLD.run(FileOutput(folder / f"e{suffix}"))
    return {way: (folder / f"e{suffix}").read_bytes() for way, suffix in SUFFIXES.items()}


@pytest.mark.parametrize("way", WAYS)
def test_v5_the_lines_are_those_of_the_plain_file(way, whole, tmp_path):
    path = tmp_path / f"events.jsonl{SUFFIXES[way]}"
    path.write_bytes(whole[way])
    with pa.input_stream(str(path)) as file:
        assert file.read() == LINES
    assert len(whole[way]) < len(LINES) / 2
    if way == "gzip":
        assert gzip.decompress(whole[way]) == LINES


@pytest.mark.parametrize("way", WAYS)
def test_r1_chunks_do_not_show(way, whole, tmp_path):
    for number in range(3):
        path = tmp_path / f"{number}{SUFFIXES[way]}"
        [receipt] = WORLD.run(FileOutput(path), cuts(number))
        assert path.read_bytes() == whole[way]
        assert receipt.rows == len(WORLD.order)
        assert receipt.bytes == len(whole[way])


def test_v5_the_name_says_the_way_and_an_argument_says_it_better(tmp_path):
    path = tmp_path / "events"
    WORLD.run(FileOutput(path, compression="gzip"))
    assert gzip.decompress(path.read_bytes()) == LINES
    assert repr(FileOutput("a.gz", compression="zstd")) == "FileOutput('a.gz', compression='zstd')"
    assert repr(FileOutput("a.gz")) == "FileOutput('a.gz')"


@pytest.mark.parametrize("way", WAYS)
def test_a_file_without_events_reads_as_one(way, tmp_path):
    path = tmp_path / f"none.jsonl{SUFFIXES[way]}"
    WORLD_OF_NONE.run(FileOutput(path))
    with pa.input_stream(str(path)) as file:
        assert file.read() == b""


WORLD_OF_NONE = World(0)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("make", ["file", "folder"])
def test_r4_left_at_any_moment_and_taken_up_again(way, make, tmp_path):
    def output(place):
        if make == "file":
            return FileOutput(place / f"out{SUFFIXES[way]}")
        return ParquetOutput(place / "out", format="jsonl", compression=way)

    (tmp_path / "a").mkdir()
    WORLD.run(output(tmp_path / "a"), [5])
    rng = random.Random(11)
    taken_up = 0
    for number in range(4):
        place, scratch = tmp_path / f"b{number}", tmp_path / f"scratch{number}"
        place.mkdir()
        scratch.mkdir()
        about = {"scratch": scratch}
        state, given, one = None, 0, output(place)
        one.open(info(**about))
        for chunk in WORLD.chunks(cuts(number)):
            one.write(chunk)
            if rng.random() < 0.5:
                state, given = json.loads(json.dumps(one.checkpoint())), chunk.end
                one.checkpoint()  # one that was never stored: what the stored one needs is still there
            if rng.random() < 0.4:
                one.suspend()
                one = output(place)
                one.resume(info(**about), state)
                taken_up += 1
                for again in WORLD.chunks([given, chunk.end]):
                    if given <= again.first and again.end <= chunk.end:
                        one.write(again)
        if hasattr(one, "write_sessions"):
            one.write_sessions(SESSIONS)
            one.write_entities("User", USERS)
        one.finish()
        assert contents(place) == contents(tmp_path / "a")
    assert taken_up > 5


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("way", WAYS)
def test_r4_kept_lines_that_are_gone_are_missed(way, tmp_path):
    path, scratch = tmp_path / f"e{SUFFIXES[way]}", tmp_path / "scratch"
    scratch.mkdir()
    one = FileOutput(path)
    one.open(info(scratch=scratch))
    one.write(next(WORLD.chunks([100])))
    state = one.checkpoint()
    one.suspend()
    [kept] = scratch.glob("lines-*")
    kept.unlink()
    again = FileOutput(path)
    with pytest.raises(OutputError, match=r"cannot go on with .*lines-100"):
        again.resume(info(scratch=scratch), state)
    again.suspend()
    assert listed(tmp_path) == [f"e{SUFFIXES[way]}.partial", "scratch"]


@pytest.mark.parametrize("way", WAYS)
def test_p4_a_data_set_reads_back(way, tmp_path):
    WORLD.run(ParquetOutput(tmp_path / "plain", format="jsonl"))
    WORLD.run(ParquetOutput(tmp_path / "packed", format="jsonl", compression=way))
    assert verify(tmp_path / "packed") == []
    plain, packed = Dataset.open(tmp_path / "plain"), Dataset.open(tmp_path / "packed")
    for name in NAMES:
        assert packed[name].equals(plain[name])
    assert packed.events.equals(plain.events)
    logical = [file["logical"] for file in plain.manifest["files"]]
    assert logical == [file["logical"] for file in packed.manifest["files"]]


@pytest.mark.parametrize("way", WAYS)
def test_verify_sees_lines_that_were_changed(way, tmp_path):
    WORLD.run(ParquetOutput(tmp_path / "out", format="jsonl", compression=way))
    path = tmp_path / "out" / f"events.jsonl{SUFFIXES[way]}"
    with pa.input_stream(str(path)) as file:
        lines = file.read()
    with pa.output_stream(str(path), compression=way) as changed:
        changed.write(lines.replace(b'"web"', b'"api"', 1))
    found = verify(tmp_path / "out")
    assert any("the lines differ" in line for line in found)
    path.write_bytes(path.read_bytes()[:-5])
    assert any("cannot be read" in line for line in verify(tmp_path / "out"))


@pytest.mark.parametrize("way", WAYS)
def test_others_read_it(way, whole, tmp_path):
    path = tmp_path / f"events.jsonl{SUFFIXES[way]}"
    path.write_bytes(whole[way])
    count = len(WORLD.order)
    query = f"select count(*), count(distinct sys__eid) from read_json('{path}', format='newline_delimited')"
    assert duckdb.sql(query).fetchall() == [(count, count)]
    frame = pl.scan_ndjson(path, schema={"sys__eid": pl.String, "event_type": pl.String}).collect()
    assert frame.height == count


def test_wrong_compression():
    with pytest.raises(SettingsError, match="compression='gzp'") as caught:
        FileOutput("x", compression="gzp")
    assert "gzip" in str(caught.value)
    with pytest.raises(SettingsError, match="compression='lz4' with format='csv'") as caught:
        ParquetOutput("x", format="csv", compression="lz4")
    assert "gzip, zstd" in str(caught.value)
