"""The native engine's accesses to memory: none is outside of its buffer, in random programs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.places import ROOT

PROGRAMS = 40
BATCH = 20


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 1000 * PROGRAMS // BATCH, 1000))
def test_no_access_is_outside_of_its_buffer(first):
    """Programs run as they do by numpy with a kernel that checks every access."""
    pytest.importorskip("numba")
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.native.checked", str(first), str(BATCH)],
        cwd=ROOT,
        env={**os.environ, "DEEP_FAKER_NATIVE": "checked"},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
    assert done.stdout == f"{BATCH} programs agree\n"
