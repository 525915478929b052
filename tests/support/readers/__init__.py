"""Other tools that read what we export: each in a script of its own, run by a Python that has the tool.

That is the tests' own Python, or one of those that the environment variable `DEEP_FAKER_READERS` lists (with the
system's separator of paths): `make readers` builds one. Some of these tools are of licences that we do not ship with,
so none of them is in an extra.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
VARIABLE = "DEEP_FAKER_READERS"


@functools.cache
def python_with(package: str) -> str | None:
    """A Python that can import the package; None where there is none."""
    if importlib.util.find_spec(package) is not None:
        return sys.executable
    for python in filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)):
        code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({package!r}) is None)"
        if subprocess.run([python, "-c", code], check=False, capture_output=True).returncode == 0:
            return python
    return None


def read_by(package: str, script: str, *arguments: object, home: Path) -> Any:
    """What the script prints, parsed as JSON; the test is skipped where nobody has the package."""
    python = python_with(package)
    if python is None:
        pytest.skip(f"needs {package}, here or in a Python that {VARIABLE} names (make readers)")
    offline = {"HF_HOME": str(home / "hub"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    run = subprocess.run(
        [python, "-W", "ignore", str(HERE / script), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **offline},
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout.splitlines()[-1])
