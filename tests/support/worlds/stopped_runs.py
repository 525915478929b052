"""Runs that stop at a checkpoint and go on, and a disk that fills up."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from deep_faker import Simulation
from deep_faker.errors import OutputError
from deep_faker.outputs import ParquetOutput
from tests.support.worlds.resume_world import shop


class Dies(ParquetOutput):
    """Stops for good at some call, as a process does that is killed: nothing is tidied up."""

    calls = 0
    last = 10**9

    def _step(self) -> None:
        type(self).calls += 1
        if type(self).calls >= type(self).last:
            raise OutputError("dies")

    def write(self, chunk):
        self._step()
        super().write(chunk)

    def checkpoint(self):
        self._step()
        out = super().checkpoint()
        self._step()
        return out

    def write_sessions(self, table):
        self._step()
        super().write_sessions(table)

    def write_entities(self, name, table):
        self._step()
        super().write_entities(name, table)


def stopped(folder: Path, sim: Simulation | None = None, **more) -> None:
    """A run that failed after a few checkpoints."""
    sim = sim or shop()
    sim.add_output(Dies(folder / "out"))
    Dies.calls, Dies.last = 0, 12
    with pytest.raises(OutputError):
        sim.run(checkpoint_every=500, checkpoint=folder / "c", progress=False, **more)
    Dies.last = 10**9


def resumed(folder: Path, sim: Simulation, **more) -> None:
    sim.add_output(Dies(folder / "out"))
    sim.run(checkpoint=folder / "c", resume=True, progress=False, **more)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 1 MiB; calling it makes it larger. Needs root."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.name != "posix" or os.getuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
    mount = ["mount", "-t", "tmpfs", "-o"]
    if subprocess.run([*mount, "size=1m", "tmpfs", place], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a disk")

    def grow():
        subprocess.run([*mount, "remount,size=64m", "tmpfs", place], check=True)

    yield place, grow
    subprocess.run(["umount", place], check=True)
