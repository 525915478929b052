"""How the suite is shared between processes: ``pytest -n auto``, which is what ``make test`` does.

The tests of a file stay together, and one process runs them in their order: they share servers and what the
providers have compiled. `APART` names the files whose tests are long and share nothing, `TOGETHER` files that
share. Which process takes what, and when, makes no difference to any test. `tests/support/lanes.py` says which
of them ``make check`` leaves out.
"""

from __future__ import annotations

import gc
import os
import re
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from deep_faker.simulate.native.machine import cache
from tests.support import lanes

# No test fails for being slow: the machine may be busy with the rest of the suite, or with other things.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def _on_its_way(file: Any) -> None:
    """`os.fsync` without its wait for the disk, which only a loss of power could tell from the real one.

    It raises as that does for what is no file. Processes that tests start, and kill, have the real one.
    """
    os.fstat(file if isinstance(file, int) else file.fileno())


os.fsync = _on_its_way

# Tests put other folders in place of the home: the compiled kernel is the user's own in all of them.
os.environ.setdefault(cache.FOLDER, str(cache.folder()))

MOST_WORKERS = 4  # one takes 1 GB and at its height 3 GB, and starts servers of its own

# What takes longest is begun first, or it is what all wait for in the end; what keeps a core busy by turns with what
# waits for servers. A new file needs no entry; one that takes more than a minute is better off with it.
FIRST = [
    "test_providers_distribution.py",
    "test_notebooks.py",
    "test_kafka_faults.py",
    "test_catalogue.py",
    "test_kafka_server.py",
    "test_resume.py",
    "test_native_checked.py",
    "test_interrupts.py",
    "test_damaged_checkpoints.py",
    "test_providers_composed.py",
    "test_mysql_server.py",
    "test_engines_agree.py",
    "test_object_stores.py",
    "test_providers_mimesis.py",
    "test_postgres_server.py",
    "test_delta.py",
    "test_determinism.py",
]
# They run lowered expressions on a machine whose kernel is compiled in 9 CPU s: by one process.
TOGETHER = re.compile(r"test_native_(exact|expressions|numerics|operands|values|variates|waits)\.py")
APART = {"test_catalogue.py", "test_engines_agree.py", "test_native_checked.py", "test_notebooks.py"}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores, for a part of the tests only waits."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores + 1, MOST_WORKERS)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """File by file in the order of the collection."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::", 1)[0]
            name = PurePosixPath(file).name
            return nodeid if name in APART else "together" if TOGETHER.fullmatch(name) else file

    config.option.loadscopereorder = False  # by the number of tests
    return Scheduling(config, log)


def pytest_collection_finish() -> None:
    """What is collected stays to the end: no later collection of garbage looks at its million objects."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a worker, `FIRST` comes first; one process alone keeps to the alphabet.

    Marks are given before pytest's own ``-m`` looks at them.
    """
    lanes.mark(items)
    if hasattr(config, "workerinput"):
        rank = {name: place for place, name in enumerate(FIRST)}
        items.sort(key=lambda item: rank.get(item.path.name, len(rank)))
