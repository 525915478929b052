"""Data sets of parts: equal bytes whoever made them, in whatever order, how often, and who died meanwhile."""

from __future__ import annotations

import gc
import json
import shutil
import threading
from pathlib import Path

import polars as pl
import pytest

from deep_faker import Dataset
from deep_faker.dataset import verify
from deep_faker.errors import DatasetError, OutputError, OutputExistsError, RunError, SettingsError
from deep_faker.features import Count
from deep_faker.fill.binding import Binding
from deep_faker.outputs import MemoryOutput, ParquetOutput, StdOutOutput
from deep_faker.parts import shipment_of, workers_of
from deep_faker.run.parted import assembly
from deep_faker.run.parted.commit import commit, status
from deep_faker.run.parted.driver import run_parts
from deep_faker.run.parted.job import PartsJob
from deep_faker.run.parted.workers import Here, ProcessWorker, ThreadWorker
from tests.support.worlds.part_world import PartUser, part_shop, tree, with_live_flow, world

P = 4


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The data set as one process makes it, part after part."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    part_shop().run(folder, partitions=P)
    return folder


def job_at(folder, sim=world, **layout):
    plan = sim.compile()
    return PartsJob(plan, sim.random_seed, "vectorized", P, ParquetOutput(folder, **layout))


def made_by(job, workers):
    return run_parts(job, Here(workers), resume=False, overwrite=False, progress=False)


def processes(job, count, kind=ProcessWorker):
    shipment = shipment_of(world, job, history=False)
    assert shipment is not None
    return [kind(shipment, job.program) for _ in range(count)]


# ---------------------------------------------------------------- whoever makes them


def test_a_data_set_of_parts_is_whole_and_reads_as_one(whole):
    """`verify` finds nothing; tables are in order of time, as those of a run; no id is there twice."""
    assert verify(whole) == []
    found = Dataset.open(whole)
    assert [*found] == ["PartBought", "PartJoined"]
    for name in found:
        assert found[name]["sys__ets"].is_sorted()
        assert found[name].equals(found.scan(name).collect())
        by_part = found.scan(name, order="part").collect()
        assert by_part.sort("sys__time", "sys__order").equals(found[name])
        assert not by_part["sys__ets"].is_sorted()
    assert found.events["sys__eid"].n_unique() == found.events.height > 500
    assert found.events["sys__time"].is_sorted()
    assert found.events["sys__order"].n_unique() == found.events.height
    assert found.sessions["ended"].is_sorted()
    assert found.entities[PartUser]["born"].is_sorted()
    assert found.entities[PartUser]["bought"].sum() == found["PartBought"].height
    assert found.manifest["partitions"] == P
    assert found.manifest["settings"]["initial_entities"] == {"PartUser": 22}


def test_the_order_is_exact_over_all_parts(tmp_path):
    """T10: no place is there twice; a part keeps its own; frames count what each entity's part saw."""
    part_shop().run(tmp_path / "out", partitions=P, history=True)
    found, parts = Dataset.open(tmp_path / "out"), []
    assert verify(tmp_path / "out") == []
    events = found.events
    assert events["sys__order"].n_unique() == events.height > 500
    assert events.equals(events.sort("sys__time", "sys__order"))
    for name in found:
        assert found[name].equals(found[name].sort("sys__time", "sys__order"))
    for part in range(P):
        mine = events.filter((pl.col("sys__order") - 1) % P == part)["sys__order"]
        assert mine.to_list() == [part + 1 + P * n for n in range(len(mine))]
        parts.append(len(mine))
    assert min(parts) > 100
    frame = found.training_frame(PartUser, at="PartBought", features={"bought": Count("PartBought")})
    rows = frame.collect().sort("at", "sys__order").with_columns(n=pl.int_range(pl.len()).over("user_id"))
    assert rows["bought"].to_list() == rows["n"].to_list()
    assert not rows["sys__order"].is_sorted()
    lists = found.sequences(
        PartUser, before="PartBought", length=5, fields=["price"], target="order", negatives=2
    )
    assert lists.collect().height == rows.height


def test_the_report_has_what_all_parts_did(tmp_path):
    """Counts are sums, and the same when nothing is left to be made."""
    sim = part_shop()
    report = sim.run(tmp_path / "out", partitions=P)
    found = Dataset.open(tmp_path / "out")
    assert report.events == {name: found[name].height for name in found}
    assert report.entities == {"PartUser": found.entities[PartUser].height}
    assert {file["path"] for file in report.files} < {*tree(tmp_path / "out")}
    assert len(report.files) == P * 4
    assert report.sessions["buy"]["decayed"] == report.flows["decayed"]
    again = sim.run(tmp_path / "out", partitions=P, resume=True)
    assert (again.events, again.flows, again.engine) == (report.events, report.flows, "none")


@pytest.mark.parametrize("order", [(2, 0, 3, 1), (3, 2, 1, 0)])
def test_parts_alone_in_any_order(order, whole, tmp_path):
    """Each by a call of its own, then `commit`: the bytes of the run of all parts."""
    for number in order:
        with pytest.raises(DatasetError):
            commit(tmp_path / "out")
        part_shop().run(tmp_path / "out", partitions=P, part=number)
    assert status(tmp_path / "out").missing == ()
    commit(tmp_path / "out")
    commit(tmp_path / "out")
    assert tree(tmp_path / "out") == tree(whole)


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_workers_do_not_show(kind, whole, tmp_path):
    """Two threads, two processes: the same files."""
    job = job_at(tmp_path / "out")
    made_by(job, [ThreadWorker(job), ThreadWorker(job)] if kind == "threads" else processes(job, 2))
    assert tree(tmp_path / "out") == tree(whole)


def test_another_seed_shows(whole, tmp_path):
    """The comparisons above would find other values."""
    part_shop(random_seed=5).run(tmp_path / "out", partitions=P, workers=2)
    assert tree(tmp_path / "out") != tree(whole)


def test_processes_where_python_works(tmp_path):
    """Flows as generators, another engine: other processes, where one can load the program; else it is said."""
    job = PartsJob(world.compile(), 4, "reference", P, ParquetOutput(tmp_path / "out"))
    assert {type(worker) for worker in workers_of(world, job, 9, history=False)} == {ProcessWorker}
    assert len(workers_of(world, job, 9, history=False)) == P
    sim = with_live_flow(part_shop())
    lone = PartsJob(sim.compile(), 4, "vectorized", P, ParquetOutput(tmp_path / "out"))
    with pytest.raises(SettingsError, match="top level of a file"):
        workers_of(sim, lone, 2, history=False)


# ---------------------------------------------------------------- deaths, doubles and zombies


class Dying(ProcessWorker):
    """Its first ``deaths`` processes are killed while they make a part."""

    deaths = 1
    folder = Path()

    def _answer(self, process):
        if (
            process.poll() is None
            and self._process is process
            and self.__dict__.setdefault("heard", None) == process.pid
        ):
            if self.deaths:
                self.deaths -= 1
                while not list((self.folder / "_parts").glob("making-*")) and process.poll() is None:
                    if list((self.folder / "_parts").glob("*.json")):
                        break
                process.kill()
        self.heard = process.pid
        return super()._answer(process)


@pytest.mark.slow
def test_a_killed_workers_part_is_made_again_once(whole, tmp_path):
    """Once it is made by the next process; where that dies too, the run ends and says so. Then it goes on."""
    job = job_at(tmp_path / "out")
    [worker] = processes(job, 1, Dying)
    worker.folder = tmp_path / "out"
    made_by(job, [worker])
    assert worker.deaths == 0
    assert tree(tmp_path / "out") == tree(whole)
    other = job_at(tmp_path / "other")
    [worker] = processes(other, 1, Dying)
    worker.folder, worker.deaths = tmp_path / "other", 2
    with pytest.raises(
        RunError, match=r"killed by SIGKILL, and the next one was killed by SIGKILL(.|\n)*resume"
    ):
        made_by(other, [worker])
    assert not (tmp_path / "other" / "manifest.json").exists()
    part_shop().run(tmp_path / "other", partitions=P, resume=True)
    assert tree(tmp_path / "other") == tree(whole)


def test_nothing_of_a_part_stays_in_its_worker(tmp_path):
    """Memory is that of the parts under way: engines, which hold cycles, go at once."""
    job = job_at(tmp_path / "out")
    worker = ThreadWorker(job)
    gc.disable()
    try:
        before = bindings()
        job.make(0)
        assert bindings() > before  # what the worker takes care of
        worker.make(1)
        assert bindings() <= before
    finally:
        gc.enable()


def bindings():
    return sum(isinstance(each, Binding) for each in gc.get_objects())


def test_a_part_made_twice_at_once(whole, tmp_path):
    """Both put the same bytes under the same names; nothing is left of either's work."""
    folder = tmp_path / "out"
    threads = [threading.Thread(target=job_at(folder).make, args=(number,)) for number in (1, 1, 1, 0, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    commit(folder)
    assert tree(folder) == tree(whole)


def test_a_late_zombie_changes_nothing(whole, tmp_path):
    """One that made its part before, and one of another program, which is refused."""
    folder = tmp_path / "out"
    shutil.copytree(whole, folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    job_at(folder).make(2)
    with pytest.raises(OutputError, match=r"cannot put (.|\n)*another program"):
        job_at(folder, part_shop(random_seed=5)).make(2)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before
    assert verify(folder) == []


def test_a_dead_driver(whole, tmp_path):
    """What it left is a part, half of another, and one in the making: a run goes on, or others make the rest."""
    folder = tmp_path / "out"
    job_at(folder).make(1)
    job_at(folder).make(3)
    (folder / "_parts" / "part-00003.json").unlink()
    (folder / "_parts" / "making-00000-0123456789ab").mkdir()
    assert status(folder).as_dict() | {"place": ""} == {
        "place": "", "partitions": P, "done": 1, "missing": [0, 2, 3], "committed": False,
    }  # fmt: skip
    with pytest.raises(DatasetError, match=r"3 of 4 are missing: 0, 2-3"):
        commit(folder)
    with pytest.raises(DatasetError, match=r"no whole data set"):
        Dataset.open(folder)
    with pytest.raises(OutputExistsError, match="resume=True"):
        part_shop().run(folder, partitions=P)
    part_shop().run(folder, partitions=P, resume=True)
    assert tree(folder) == tree(whole)
    assert sorted(path.name for path in (folder / "_parts").iterdir()) == [
        f"part-0000{n}.json" for n in range(P)
    ]


def test_parts_of_different_programs_are_refused(whole, tmp_path):
    """By the run, by a part, and by `commit`, each with what differs."""
    folder = tmp_path / "out"
    shutil.copytree(whole, folder)
    (folder / "manifest.json").unlink()
    other = part_shop(random_seed=5)
    with pytest.raises(OutputExistsError, match="seed was 4 and is 5"):
        other.run(folder, partitions=P, resume=True)
    with pytest.raises(OutputExistsError, match="partitions was 4 and is 3"):
        part_shop().run(folder, partitions=3, part=1)
    other.run(tmp_path / "other", partitions=P, part=2)
    for path in (tmp_path / "other").rglob("*"):
        if path.is_file():
            shutil.copy(path, folder / path.relative_to(tmp_path / "other"))
    with pytest.raises(
        DatasetError, match=r"mixed(.|\n)*part 2 is of another program(.|\n)*seed was 4 and is 5"
    ):
        commit(folder)
    other.run(tmp_path / "code", partitions=P, part=2)
    assert not (folder / "manifest.json").exists()


@pytest.mark.parametrize("harm", ["receipt", "file", "short"])
def test_damage_is_found_before_the_manifest(harm, whole, tmp_path):
    """A receipt that was changed, a file that is gone or cut."""
    folder = tmp_path / "out"
    shutil.copytree(whole, folder)
    (folder / "manifest.json").unlink()
    file = folder / "events/PartBought/part-00002-00000.parquet"
    receipt = folder / "_parts/part-00002.json"
    if harm == "receipt":
        receipt.write_text(receipt.read_text().replace('"part": 2', '"part": 1'))
    elif harm == "file":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DatasetError, match=r"part-00002|part 2"):
        commit(folder)
    assert not (folder / "manifest.json").exists()


def test_verify_reads_every_part(whole, tmp_path):
    """A byte of one part's file, a part that is not listed, a file that no part has."""
    folder = tmp_path / "out"
    shutil.copytree(whole, folder)
    file = folder / "events/PartBought/part-00002-00000.parquet"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    (folder / "events/PartBought/part-00004-00000.parquet").write_bytes(b"x")
    (folder / "_parts/notes.txt").write_bytes(b"x")
    problems = "\n".join(verify(folder))
    for name in (
        "part-00002-00000.parquet: sha256 differs",
        "part-00004-00000.parquet: not in",
        "notes.txt: not in",
    ):
        assert name in problems
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] = [entry for entry in manifest["files"] if "part-00001" not in entry["path"]]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert "the manifest lists no file of this table of part 1" in "\n".join(verify(folder))


# ---------------------------------------------------------------- many parts


def test_a_manifest_of_two_levels(whole, tmp_path, monkeypatch):
    """Of many parts the root lists lists: the same data set for readers, and damage of a list is found."""
    monkeypatch.setattr(assembly, "PARTS_A_LIST", 3)
    folder = tmp_path / "out"
    shutil.copytree(whole, folder)
    (folder / "manifest.json").unlink()
    commit(folder)
    commit(folder)
    root = json.loads((folder / "manifest.json").read_text())
    assert root["files"] == []
    assert [entry["path"] for entry in root["lists"]] == [f"_parts/receipts-0000{n}.parquet" for n in (0, 1)]
    assert verify(folder) == []
    one, two = Dataset.open(folder), Dataset.open(whole)
    assert all(one[name].equals(two[name]) for name in two)
    part_shop().run(folder, partitions=P, overwrite=True)
    assert json.loads((folder / "manifest.json").read_text())["lists"]
    path = folder / "_parts/receipts-00001.parquet"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(DatasetError, match="receipts-00001"):
        Dataset.open(folder)
    assert "receipts-00001.parquet" in "\n".join(verify(folder))


# ---------------------------------------------------------------- what lies there


def test_what_lies_there_is_replaced_on_request_only(whole, tmp_path):
    """A data set of parts, one of a run, files of somebody else."""
    folder = tmp_path / "out"
    sim = part_shop()
    sim.run(folder)
    with pytest.raises(OutputExistsError, match="overwrite=True"):
        part_shop().run(folder, partitions=P)
    with pytest.raises(OutputExistsError, match="without this part"):
        sim.run(folder, partitions=P, part=1)
    sim.run(folder, partitions=P, overwrite=True)
    assert tree(folder) == tree(whole)
    sim.run(folder, partitions=P)  # what it wrote itself it replaces
    assert tree(folder) == tree(whole)
    with pytest.raises(OutputExistsError):
        part_shop().run(folder)
    part_shop().run(folder, overwrite=True)
    assert verify(folder) == []
    assert not (folder / "_parts").exists()
    (folder / "events" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"never deleted: events/notes\.txt"):
        part_shop().run(folder, partitions=P, overwrite=True)
    assert (folder / "manifest.json").exists()


class Collecting:
    def write_batch(self, event_type, frame):
        raise AssertionError


@pytest.mark.parametrize(
    ("given", "named"),
    [({"checkpoint_every": "1s"}, "checkpoint_every"), ({"speed": 2}, "speed"), ({"rate": "5/s"}, "rate"),
     ({"part": 4}, "part=4"), ({"part": -1}, "part"), ({"part": 1, "workers": 2}, "workers"),
     ({"part": 1, "overwrite": True}, "overwrite"), ({"format": "jsonl"}, "jsonl"), ({"workers": 0}, "workers"),
     ({"cluster": "spark"}, "cluster"), ({"cluster": "local", "workers": 2}, "workers"),
     ({"partitions": 0}, "partitions"), ({"partitions": 1, "workers": 2}, "workers"), ({"part": "auto"}, "auto")],
    ids=str,
)  # fmt: skip
def test_what_parts_cannot_have_is_refused(given, named, tmp_path, monkeypatch):
    """By name, before anything is written."""
    for name in ("JOB_COMPLETION_INDEX", "SLURM_ARRAY_TASK_ID", "CLOUD_RUN_TASK_INDEX"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError, match=named):
        part_shop().run(tmp_path / "out", **{"partitions": P, **given})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "output",
    [StdOutOutput(), Collecting(), MemoryOutput()],
    ids=lambda output: type(output).__name__,
)
def test_outputs_that_take_no_parts_are_refused(output, tmp_path):
    """Where there is no data set that they could be fed from; and one that takes all tables, in any case."""
    sim = part_shop()
    sim.add_output(output)
    with pytest.raises(SettingsError, match=r"folder of a data set"):
        sim.run(partitions=P)
    with pytest.raises(SettingsError, match="a part alone is not delivered"):
        sim.run(tmp_path / "out", partitions=P, part=0)
    if isinstance(output, MemoryOutput):
        with pytest.raises(SettingsError, match="a second data set of parts"):
            sim.run(tmp_path / "out", partitions=P)
    sim.add_output(ParquetOutput(tmp_path / "other"))
    with pytest.raises(SettingsError, match="one data set for all parts"):
        sim.run(tmp_path / "out", partitions=P)
    assert list(tmp_path.iterdir()) == []


def test_parts_of_makers_that_know_nothing_of_each_other_need_a_seed_and_a_start(tmp_path):
    """Else each would make a part of another world."""
    for settings, name in (({"random_seed": None}, "seed"), ({"start_time": "now"}, "start")):
        with pytest.raises(SettingsError, match=name):
            part_shop(**settings).run(tmp_path / "out", partitions=P, part=0)
        part_shop(**settings, duration="1m").run(tmp_path / name, partitions=P)  # one driver draws for all


@pytest.mark.parametrize("name", ["JOB_COMPLETION_INDEX", "SLURM_ARRAY_TASK_ID", "CLOUD_RUN_TASK_INDEX"])
def test_a_cluster_says_which_part(name, tmp_path, monkeypatch):
    """By the number of its task."""
    monkeypatch.setenv(name, "2")
    part_shop(duration="1m").run(tmp_path / "out", partitions=P, part="auto")
    assert status(tmp_path / "out").done == (2,)
    monkeypatch.setenv(name, "many")
    with pytest.raises(SettingsError, match=f"{name}='many'"):
        part_shop(duration="1m").run(tmp_path / "out", partitions=P, part="auto")


def test_some_event_types_and_other_formats(tmp_path):
    """Parts take the shapes that data sets have."""
    sim = part_shop(duration="5m")
    sim.add_output(ParquetOutput(tmp_path / "some"), events=["PartBought"])
    sim.run(partitions=2)
    assert verify(tmp_path / "some") == []
    assert [*Dataset.open(tmp_path / "some")] == ["PartBought"]
    part_shop(duration="5m").run(tmp_path / "csv", format="csv", partitions=2)
    assert verify(tmp_path / "csv") == []
    other = part_shop(duration="5m")
    other.add_output(ParquetOutput(tmp_path / "hive", partition_by="date", rows_per_file=50))
    other.run(partitions=2, history=True)
    assert verify(tmp_path / "hive") == []
    one, two = Dataset.open(tmp_path / "csv"), Dataset.open(tmp_path / "hive")
    assert one["PartBought"].equals(two["PartBought"])
    assert isinstance(two.history[PartUser], pl.DataFrame)
