"""A data set goes to other processes: what it reads there is what it reads here."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import pytest

from deep_faker import BaseEvent, Dataset, Entity, Field, NewEvent, ParquetOutput, Simulation, StateField


class Ping(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)
    name: str = Field(faker="name")
    tags: list[int] = Field(default_factory=list)


class User(Entity):
    source_event = Ping
    primary_key = "user_id"
    visits: int = StateField(default=0)


def simulation() -> Simulation:
    sim = Simulation("20s", start_time="2024-01-01", n_flows=2, random_seed=1)

    @sim.flow()
    def go(ctx):
        yield NewEvent(ctx, Ping, save_entity=User)

    return sim


def read(data: Dataset) -> tuple[object, ...]:
    """All that a data set gives."""
    return (
        data[Ping].rows(),
        data.entities[User].rows(),
        data.history["User"].rows(),
        data.sessions.rows(),
        data.events.rows(),
        dict(data.manifest),
        len(data),
    )


@pytest.fixture(params=["memory", "parquet", "csv", "jsonl", "partitions"])
def data(request, tmp_path, monkeypatch):
    sim = simulation()
    if request.param == "memory":
        return sim.collect(history=True)
    partition = {"partition_by": "date"} if request.param == "partitions" else {}
    form = "parquet" if request.param == "partitions" else request.param
    monkeypatch.chdir(tmp_path)
    sim.add_output(ParquetOutput("out", form, **partition))
    sim.run(history=True)
    return Dataset.open("out")


@pytest.mark.parametrize("again", [lambda data: pickle.loads(pickle.dumps(data)), copy.deepcopy, copy.copy])
def test_a_copy_reads_the_same(data, again, tmp_path, monkeypatch):
    """Before and after it was read, and from another working directory, by a relative path too."""
    first = again(data)
    wanted = read(data)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert read(first) == read(again(data)) == read(again(first)) == wanted
    assert repr(first) == repr(data)


def test_other_processes_read_it(tmp_path):
    """As multiprocessing, Dask and torch's loaders send it: to a process that is started anew."""
    sim = simulation()
    sim.run(tmp_path / "out", history=True)
    both = [Dataset.open(tmp_path / "out"), sim.collect(history=True)]
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert list(pool.map(read, both)) == [read(data) for data in both]
