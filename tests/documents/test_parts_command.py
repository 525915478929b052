"""`deepfaker run --partitions --part` and `deepfaker commit`, as an array of jobs uses them."""

from __future__ import annotations

import json

import pytest

from deep_faker import cli
from tests.support.worlds.part_world import tree

PROGRAM = """
from tests.support.worlds.part_world import part_shop
sim = part_shop(duration="3m")
sim.run("never", partitions=2)
"""


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "part_program.py"
    path.write_text(PROGRAM)
    return str(path)


def command(capsys, *arguments):
    """Exit code, standard output and standard error of a command."""
    code = cli._guarded(lambda: cli.app(list(map(str, arguments)), standalone_mode=False))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_an_array_of_jobs(shop, tmp_path, capsys, monkeypatch):
    """Each makes the part of its number; the status lists what is missing; `commit` makes one data set."""
    out = tmp_path / "out"
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "1")
    run = ("run", shop, "--partitions", 2, "--output", out, "-q")
    assert command(capsys, *run, "--part", "auto")[0] == 0
    code, shown, _ = command(capsys, "commit", out, "--status")
    assert (code, shown) == (0, f"{out}: 1 of 2 parts are there\nmissing: 0\n")
    assert command(capsys, "commit", out)[0] == 1
    assert command(capsys, *run, "--part", 0)[0] == 0
    code, shown, _ = command(capsys, "commit", out, "--json")
    assert (code, json.loads(shown)["missing"], json.loads(shown)["committed"]) == (0, [], True)
    assert command(capsys, "run", shop, "--partitions", 2, "--output", tmp_path / "all", "-q")[0] == 0
    assert tree(out) == tree(tmp_path / "all")
    assert command(capsys, "verify", out)[0] == 0


@pytest.mark.parametrize("part", ["2", "x", "-1", "0.5"])
def test_a_wrong_part_is_wrong_usage(part, shop, tmp_path, capsys):
    """It says which there are, and nothing is written."""
    code, _, said = command(
        capsys, "run", shop, "--partitions", 2, f"--part={part}", "--output", tmp_path / "o"
    )
    assert code == 2
    assert "part" in said
    assert not (tmp_path / "o").exists()


def test_nothing_to_commit(tmp_path, capsys):
    """A folder without parts."""
    code, _, said = command(capsys, "commit", tmp_path)
    assert (code, "no parts at" in said) == (1, True)
    assert command(capsys, "commit", tmp_path, "--status")[1] == f"{tmp_path}: no part is there\n"
