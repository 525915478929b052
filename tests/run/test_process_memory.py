"""What the command line sets for its own process: less memory, unless the user has said otherwise."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

POOL = """
from deep_faker.cli import main
import sys
sys.argv = ["deepfaker", "--help"]
try:
    main()
except SystemExit:
    import pyarrow
    print(pyarrow.default_memory_pool().backend_name, file=sys.stderr)
"""


@pytest.mark.parametrize(("said", "found"), [(None, "system"), ("mimalloc", "mimalloc")])
def test_arrow_takes_its_memory_from_the_system(said, found):
    """Its own allocator keeps what threads have freed; who names one gets it."""
    environment = {name: value for name, value in os.environ.items() if name != "ARROW_DEFAULT_MEMORY_POOL"}
    if said:
        environment["ARROW_DEFAULT_MEMORY_POOL"] = said
    done = subprocess.run(
        [sys.executable, "-c", POOL], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr.split() == [found]
    assert "deepfaker" in done.stdout


def test_a_library_keeps_its_program_as_it_is():
    """Importing and using deep_faker changes nothing of the process that it is in."""
    code = (
        "import os; before = dict(os.environ)\n"
        "import deep_faker, pyarrow; pool = pyarrow.default_memory_pool().backend_name\n"
        "from deep_faker import Simulation; Simulation(duration='1s', start_time='2024-01-01', n_flows=1)\n"
        "print(dict(os.environ) == before, pool)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "ARROW_DEFAULT_MEMORY_POOL"}
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    same, pool = said.stdout.split()
    assert (same, pool != "system") == ("True", True)
