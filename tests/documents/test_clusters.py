"""`docs/clusters.md`: its jobs are what clusters take, and their commands make one data set."""

from __future__ import annotations

import re
import shlex
import shutil
from typing import Any

import polars as pl
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


def blocks(language: str, section: str = "") -> list[str]:
    """The blocks of the page, or of one section of it."""
    text = TEXT if not section else f"{TEXT}\n## ".partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def run(section: str) -> dict[str, Any]:
    """The names that the Python blocks of a section make."""
    names: dict[str, Any] = {}
    for block in blocks("python", section):
        exec(compile(block, section, "exec"), names)  # the project's own page
    return names


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
    names = run("Python")
    assert names["status"].missing == ()
    assert names["made"] == Dataset.open("shop-data").events.height


@pytest.fixture
def whole(shop):
    """What users bought in all parts."""
    from deep_faker.loader import load_simulation

    load_simulation("shop.py").run("data", partitions=4)
    return Dataset.open("data")["PartBought"]


def test_the_sections_have_their_blocks():
    """Where Dask or Spark is not installed, so that what is skipped is at least there."""
    assert "dd.from_map" in blocks("python", "Dask")[1]
    assert "DataSourceReader" in blocks("python", "Spark")[0]
    assert all(compile(block, "clusters", "exec") for block in blocks("python"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_dask(whole):
    """Each part is a partition of the frame."""
    pytest.importorskip("dask.dataframe", reason="dask[dataframe] is not installed")
    made = run("Dask")
    assert made["frame"].npartitions == 4
    wanted = dict(whole.group_by("user_id").agg(pl.col("price").sum()).rows())
    assert made["totals"].to_dict() == pytest.approx(wanted)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_spark(whole):
    """Each part is a task of the data source; rows and types are those of the data set."""
    pytest.importorskip("pyspark.sql.datasource", reason="pyspark 4 is not installed")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    made = run("Spark")
    try:
        assert made["asked"].load().rdd.getNumPartitions() == 4
        counts = {row["user_id"]: row["count"] for row in made["bought"].collect()}
        assert counts == dict(whole.group_by("user_id").len().rows())
        first = made["asked"].load().orderBy("sys__order").first()
        row = whole.sort("sys__order").row(0, named=True)
        assert {name: first[name] for name in ("sys__eid", "sys__ets", "price", "order")} == {
            name: row[name] for name in ("sys__eid", "sys__ets", "price", "order")
        }
    finally:
        made["spark"].stop()
