"""Parts as tasks of Ray: the same bytes, also where its processes are killed; without Ray one sentence says what to do."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from deep_faker.errors import RunError, SettingsError
from deep_faker.outputs import ParquetOutput
from deep_faker.part_worker import make_part
from deep_faker.parts import Asked, makers_of
from deep_faker.run.parted.driver import run_parts
from deep_faker.run.parted.job import PartsJob
from tests.support.worlds.part_world import part_shop, tree, world

P = 4


def job_at(folder):
    return PartsJob(world.compile(), 4, "vectorized", P, ParquetOutput(folder))


def test_without_ray_one_sentence_says_what_to_do(tmp_path, monkeypatch):
    """With the command; nothing is written."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SettingsError, match=r"pip install 'deep-faker\[ray\]'"):
        world.run(tmp_path / "out", partitions=P, cluster="local")
    assert list(tmp_path.iterdir()) == []


def test_a_task_makes_a_part_of_the_same_program_only(tmp_path, monkeypatch):
    """The function that a cluster's process runs: it loads the program, and checks its fingerprint."""
    import pickle

    from deep_faker.parts import shipment_of

    job = job_at(tmp_path / "out")
    data = pickle.dumps(shipment_of(world, job, history=False))
    assert make_part(data, job.program, 2).part == 2
    with pytest.raises(RunError, match=r"differs in a worker(.|\n)*seed was 5 and is 4"):
        make_part(data, {**job.program, "seed": "5"}, 1)


def test_a_program_without_its_file(tmp_path):
    """On a machine that does not have the file, its text is loaded."""
    from dataclasses import replace

    from deep_faker.loader import load_simulation
    from deep_faker.part_worker import job_of
    from deep_faker.parts import shipment_of

    path = tmp_path / "part_program_sent.py"
    path.write_text("from tests.support.worlds.part_world import part_shop\nsim = part_shop()\n")
    sim = load_simulation(str(path))
    job = PartsJob(sim.compile(), 4, "vectorized", P, ParquetOutput(tmp_path / "out"))
    shipment = shipment_of(sim, job, history=False)
    assert shipment is not None
    gone = replace(shipment, file="/no/such/folder/part_program_sent.py")
    assert job_of(gone).program == job.program


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_tasks_of_ray_make_the_same_parts(tmp_path):
    """Two of its processes are killed while they make parts: their tasks run again."""
    pytest.importorskip("ray")
    import psutil

    part_shop().run(tmp_path / "whole", partitions=P)
    folder, killed = tmp_path / "out", []
    job = job_at(folder)
    makers = makers_of(world, job, Asked(P, cluster="local"), history=False)
    result = makers._result

    def kill(reference, part):
        for process in psutil.Process().children(recursive=True):
            if len(killed) < 2 and process.name().startswith("ray::_make"):
                killed.append(process.pid)
                os.kill(process.pid, signal.SIGKILL)
        return result(reference, part)

    makers._result = kill
    report = run_parts(job, makers, resume=False, overwrite=False, progress=False)
    assert tree(folder) == tree(tmp_path / "whole")
    assert report.engine == "native" or report.engine
    assert killed
