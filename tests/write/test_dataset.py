"""Reading a run back, from a folder of either layout and from memory: the same rows, the same types."""

import json
import shutil

import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

from deep_faker.dataset import Dataset, verify
from deep_faker.errors import DatasetError
from deep_faker.outputs import MemoryOutput, ParquetOutput
from deep_faker.write.frames import plain
from deep_faker.write.whole.seal import sealed
from tests.support.worlds.output_world import (
    NAMES,
    SCHEMAS,
    SESSIONS,
    USERS,
    Click,
    Signup,
    User,
    World,
    info,
)

WORLD = World(800)
LAYOUTS = ["parquet", "jsonl", "memory"]


def made(layout, folder, world=WORLD, cuts=(1, 500), **more):
    if layout == "memory":
        memory = MemoryOutput()
        world.run(memory, cuts, **more)
        return Dataset.from_memory(memory)
    world.run(ParquetOutput(folder / "out", layout), cuts, **more)
    return Dataset.open(folder / "out")


@pytest.fixture(params=LAYOUTS)
def dataset(request, tmp_path):
    return made(request.param, tmp_path)


def test_p3_frames_are_what_was_written(dataset):
    for name in NAMES:
        assert_frame_equal(dataset[name], pl.from_arrow(plain(WORLD.tables[name])))
    assert_frame_equal(dataset[Click], dataset["Click"])
    assert_frame_equal(dataset.scan(Signup).select("name").collect(), dataset["Signup"].select("name"))
    assert_frame_equal(dataset.entities[User], pl.from_arrow(USERS))
    assert_frame_equal(dataset.sessions, pl.from_arrow(plain(SESSIONS)))


def test_p3_events_in_time_order(dataset):
    events = dataset.events
    assert events.columns == ["sys__eid", "sys__ets", "sys__sid", "event_type", "user_id"]
    assert events["sys__ets"].is_sorted()
    assert events.height == 800
    if dataset.manifest["layout"] != "parquet":
        assert events["event_type"].to_list() == [NAMES[code] for code in WORLD.order]
    for name in NAMES:
        own = events.filter(event_type=name)
        assert own["sys__eid"].to_list() == WORLD.tables[name]["sys__eid"].to_pylist()


def test_p3_manifest(dataset):
    assert dataset.manifest["seed"] == 7
    assert dataset.manifest["tables"]["events/Click"]["rows"] == len(WORLD.tables["Click"])


def test_it_is_a_collection_of_event_types(dataset):
    assert list(dataset) == sorted(NAMES)
    assert len(dataset) == 3
    assert Click in dataset
    assert "Click" in dataset
    assert "Clack" not in dataset
    assert list(dataset.entities) == ["User"]
    assert len(dataset.history) == 0


def test_repr(dataset):
    text = repr(dataset)
    assert "800 events" in text
    assert f"Click: {len(WORLD.tables['Click'])}" in text
    assert "entities  User: 2" in text
    assert "sessions  2" in text
    assert repr(dataset.entities) == "entities: User"


def test_unknown_names_say_what_there_is(dataset):
    with pytest.raises(DatasetError, match="did you mean 'Click'"):
        dataset["Clck"]
    with pytest.raises(DatasetError, match=r"no entity type 'Usr'.*\n.*\n.*User"):
        dataset.entities["Usr"]
    with pytest.raises(DatasetError, match="history=True"):
        dataset.history[User]


@pytest.mark.slow
def test_frames_hand_themselves_over(dataset):
    """The Arrow PyCapsule interface: pyarrow takes a frame as it is."""
    assert pa.table(dataset["Click"]).num_rows == len(WORLD.tables["Click"])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_run_without_events(layout, tmp_path):
    dataset = made(layout, tmp_path, World(0))
    assert dataset.events.height == 0
    assert dataset.events.schema["sys__ets"] == pl.Int64
    assert dataset["Odd"].schema == pl.from_arrow(plain(SCHEMAS["Odd"].empty_table())).schema


def test_history_and_missing_sessions(tmp_path):
    memory, output = MemoryOutput(), ParquetOutput(tmp_path / "out")
    for out in (memory, output):
        out.open(info())
        out.write_history("User", USERS.slice(0, 1))
        out.write_history("User", USERS.slice(1))
        out.finish()
    for dataset in (Dataset.from_memory(memory), Dataset.open(tmp_path / "out")):
        assert dataset.history[User].height == 2
        with pytest.raises(DatasetError, match="no sessions"):
            _ = dataset.sessions


def test_memory_joins_chunks_whose_names_differ():
    """Codes of a chunk are read by its own names."""
    chunks = list(WORLD.chunks([400]))
    memory = MemoryOutput()
    memory.open(info())
    memory.write(chunks[0])
    turned = type(chunks[1])(chunks[1].tables, 2 - chunks[1].order, NAMES[::-1])
    memory.write(turned)
    events = Dataset.from_memory(memory).events
    assert events["event_type"].to_list() == [NAMES[code] for code in WORLD.order]


def test_memory_never_opened_is_empty():
    dataset = Dataset.from_memory(MemoryOutput())
    assert dataset.events.height == 0
    assert list(dataset) == []


# ------------------------------------------------ what is not whole


def test_what_is_no_data_set(tmp_path):
    with pytest.raises(DatasetError, match="no data set at"):
        Dataset.open(tmp_path / "nothing")
    with pytest.raises(DatasetError, match="written last"):
        Dataset.open(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match="is a file"):
        Dataset.open(tmp_path / "file")
    for text, words in [("{", "cannot read"), ("[]", "not ours"), ('{"format": "x"}', "not ours")]:
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(DatasetError, match=words):
            Dataset.open(tmp_path)
        assert len(verify(tmp_path)) == 1


def changed_manifest(folder, **changes):
    """Its checksum made anew, so that what is said of it is something else."""
    path = folder / "manifest.json"
    path.write_text(json.dumps(sealed({**json.loads(path.read_text()), **changes})))


def test_damaged_manifests(tmp_path):
    made("parquet", tmp_path)
    changed_manifest(tmp_path / "out", version=99)
    with pytest.raises(DatasetError, match="version 99"):
        Dataset.open(tmp_path / "out")
    changed_manifest(tmp_path / "out", version=1, files=[{}])
    with pytest.raises(DatasetError, match="damaged"):
        Dataset.open(tmp_path / "out")
    assert "damaged" in verify(tmp_path / "out")[0]


def test_a_missing_file(tmp_path):
    dataset = made("parquet", tmp_path)
    (tmp_path / "out/events/Click/part-00000.parquet").unlink()
    with pytest.raises(DatasetError, match="is missing"):
        dataset["Click"]
    (problem,) = verify(tmp_path / "out")
    assert problem == "events/Click/part-00000.parquet: cannot be read: No such file or directory"


def test_verify_finds_every_kind_of_damage(tmp_path):
    made("parquet", tmp_path)
    out, part = tmp_path / "out", "events/Click/part-00000.parquet"
    data = bytearray((out / part).read_bytes())
    data[100] ^= 1
    (out / part).write_bytes(data)
    assert any(p.startswith(f"{part}: sha256 differs") for p in verify(out))
    (out / part).write_bytes(data[:-50])
    assert any("bytes, the manifest says" in p for p in verify(out))
    (out / "note.txt").touch()
    assert "note.txt: not in the manifest" in verify(out)


def test_verify_compares_values_whatever_wrote_them(tmp_path):
    """Files written anew by another library differ in bytes; the logical hash tells whether in values."""
    made("parquet", tmp_path)
    out, part = tmp_path / "out", "events/Click/part-00000.parquet"
    frame = pl.read_parquet(out / part)
    frame.write_parquet(out / part)
    assert not any("values" in p for p in verify(out))
    frame.with_columns(price=-pl.col("price")).write_parquet(out / part)
    assert f"{part}: values differ in price" in verify(out)
    frame.with_columns(count=pl.col("count").cast(pl.Int32)).write_parquet(out / part)
    assert any("columns are" in p for p in verify(out))
    frame.head(3).write_parquet(out / part)
    assert any(p.startswith(f"{part}: 3 rows") for p in verify(out))


def test_verify_checks_the_sums(tmp_path):
    made("jsonl", tmp_path)
    out = tmp_path / "out"
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["tables"]["events/Click"]["rows"] += 1
    manifest["tables"]["sessions"]["rows"] += 1
    changed_manifest(out, **manifest)
    assert verify(out) == [
        "events.jsonl: 477 events of Click, the manifest counts 478",
        "sessions: the manifest counts 3 rows, its files 2",
        "events.jsonl: the manifest counts 801 events, the file 800",
    ]
    with (out / "events.jsonl").open("a") as file:
        file.write("{}\n")
    assert any("801 lines" in p for p in verify(out))


def test_a_data_set_can_be_moved(tmp_path):
    made("parquet", tmp_path)
    shutil.move(tmp_path / "out", tmp_path / "a[0]*?")  # characters that a glob would read
    assert Dataset.open(tmp_path / "a[0]*?")["Click"].height == len(WORLD.tables["Click"])
    assert verify(str(tmp_path / "a[0]*?")) == []
