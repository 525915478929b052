"""The driver of a run in parts: what it shows of parts under way, and what it holds."""

from __future__ import annotations

import tracemalloc

import pyarrow as pa
import pytest

from deep_faker.outputs import ParquetOutput
from deep_faker.parts import shipment_of
from deep_faker.run.parted.driver import run_parts
from deep_faker.run.parted.job import PartsJob
from deep_faker.run.parted.progress import PartsProgress
from deep_faker.run.parted.workers import Here, Made, ProcessWorker, ThreadWorker, UnderWay
from tests.support.worlds.part_world import PartUser, part_shop, world
from tests.support.worlds.resume_world import processes

P = 3


def job_at(folder, sim=world):
    return PartsJob(sim.compile(), 4, "vectorized", P, ParquetOutput(folder))


# ---------------------------------------------------------------- progress


@pytest.mark.parametrize("kind", ["thread", "process"])
def test_parts_under_way_are_told(kind, tmp_path, monkeypatch):
    """Of each part, by threads and through the pipe of a process: a share that only grows, and its events."""
    words, under_way = [], PartsProgress.under_way

    def noted(bar, word):
        under_way(bar, word)
        words.append((word, bar.done, bar.events))

    monkeypatch.setattr(PartsProgress, "under_way", noted)
    job = job_at(tmp_path / "out")
    shipment = shipment_of(world, job, history=False)
    worker = ThreadWorker(job) if kind == "thread" else ProcessWorker(shipment, job.program)
    report = run_parts(job, Here([worker]), resume=False, overwrite=False, progress=False)
    assert {word.part for word, _, _ in words} == {*range(P)}
    for word, done, events in words:
        assert 0 <= word.share <= 1
        assert word.part + word.share == pytest.approx(done)  # one worker: the parts before it are whole
        assert word.events <= events <= report.total


def test_lines_have_what_is_under_way(monkeypatch):
    """Where standard error is no terminal; a part that begins anew goes back."""
    lines = []
    monkeypatch.setattr("deep_faker.run.parted.progress.say", lines.append)
    monkeypatch.setattr(PartsProgress, "_SECONDS_BETWEEN_LINES", 0.0)
    with PartsProgress(4, 1, wanted=True) as bar:
        bar.under_way(UnderWay(2, 0.5, 1000))
        bar.under_way(UnderWay(3, 0.5, 1000))
        bar.update(3, 2500)
        bar.under_way(UnderWay(2, 0.0, 0))
    assert [[word.strip() for word in line.split("  ")[:3]] for line in lines] == [
        ["1 of 4 parts", "38%", "1,000 events"],
        ["1 of 4 parts", "50%", "2,000 events"],
        ["2 of 4 parts", "62%", "3,500 events"],
        ["2 of 4 parts", "50%", "2,500 events"],
    ]


# ---------------------------------------------------------------- memory


class Elsewhere:
    """Parts are made in other processes, as on a cluster: only counts come back."""

    def __init__(self, folder, settings):
        self.arguments = (str(folder), settings)

    def make_all(self, parts, done, told=None):
        for part in parts:
            process = processes().Process(target=make, args=(*self.arguments, part))
            process.start()
            process.join()
            assert process.exitcode == 0
            done(Made(part, 0, "elsewhere", 0))

    def close(self):
        pass


def make(folder, settings, part):
    job_at(folder, part_shop(**settings)).make(part)


def test_the_drivers_memory_does_not_depend_on_the_size(tmp_path):
    """Fifty times the events: the driver, which gets receipts only, takes no more."""

    def most(name, **settings):
        job = job_at(tmp_path / name, part_shop(**settings))
        makers = Elsewhere(tmp_path / name, settings)
        before = pa.total_allocated_bytes()
        tracemalloc.start()
        try:
            report = run_parts(job, makers, resume=False, overwrite=False, progress=False)
            return report.total, tracemalloc.get_traced_memory()[1], pa.total_allocated_bytes() - before
        finally:
            tracemalloc.stop()

    most("first", duration="1m")  # what is imported once
    small, taken, _ = most("small", duration="1m")
    large, more, arrow = most("large", duration="30m", n_flows=300, initial_entities={PartUser: 600})
    assert large > 50 * small
    assert more < 1.5 * taken + 100_000
    assert arrow == 0
