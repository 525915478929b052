"""`docs/clusters.md`: its jobs are what clusters take, and their commands make one data set."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import yaml

from deep_faker import Dataset, cli
from deep_faker.run.parted.commit import commit, status
from tests.support.places import ROOT

TEXT = (ROOT / "docs" / "clusters.md").read_text()
PROGRAM = """
from tests.support.worlds.part_world import part_shop
sim = part_shop(duration="1m")
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.py").write_text(PROGRAM)
    return tmp_path


def make(arguments: list[str], parts: int) -> None:
    """Run a job's command with its own options, but for the place and for so many parts."""
    given = dict(zip(arguments, arguments[1:]))
    assert given["--part"] == "auto"
    changed = {given["--output"]: "out", given["--partitions"]: str(parts), "/app/shop.py": "shop.py"}
    assert cli._guarded(lambda: cli.app([changed.get(a, a) for a in arguments], standalone_mode=False)) == 0


def test_kubernetes(shop, monkeypatch):
    """An indexed job, each index once; its command makes the part of its index."""
    [text] = blocks("yaml")
    job: Any = yaml.safe_load(text)
    spec = job["spec"]
    assert (job["apiVersion"], job["kind"], spec["completionMode"]) == ("batch/v1", "Job", "Indexed")
    pod = spec["template"]["spec"]
    assert pod["restartPolicy"] in ("Never", "OnFailure")
    [container] = pod["containers"]
    assert container["args"][container["args"].index("--partitions") + 1] == str(spec["completions"])
    for number in (1, 0):
        monkeypatch.setenv("JOB_COMPLETION_INDEX", str(number))
        make([*container["command"][1:], *container["args"]], 2)
    commit("out")
    assert Dataset.open("out").manifest["partitions"] == 2


def test_slurm(shop, monkeypatch):
    """The array has as many tasks as there are parts, from 0 on."""
    [script] = [text for text in blocks("bash") if "#SBATCH" in text]
    arguments = shlex.split(script.splitlines()[-1])
    first, last = re.search(r"--array=(\d+)-(\d+)", script).groups()
    assert (first, int(last) + 1) == ("0", int(arguments[arguments.index("--partitions") + 1]))
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "1")
    make(arguments[1:], 2)
    assert status("out").missing == (0,)


def test_python(shop):
    """The functions that are handed to whatever maps them."""
    names: dict[str, Any] = {}
    for block in blocks("python"):
        exec(compile(block, "clusters", "exec"), names)  # the project's own page
    assert names["status"].missing == ()
    assert names["made"] == Dataset.open("shop-data").events.height
