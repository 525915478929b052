"""The README's Python blocks run, top to bottom, as a reader would type them."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from deep_faker import Simulation
from tests.support.places import ROOT

TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, flags=re.DOTALL | re.MULTILINE)


def test_readme_blocks_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """All blocks, in order, in one namespace; each is a file, for flows are compiled from source."""
    monkeypatch.chdir(tmp_path)
    module = ModuleType("readme")  # classes look up their annotations in their module
    monkeypatch.setitem(sys.modules, "readme", module)
    names: dict[str, Any] = vars(module)
    for number, block in enumerate(BLOCKS):
        file = tmp_path / f"block_{number}.py"
        file.write_text(block)
        exec(compile(block, str(file), "exec", dont_inherit=True), names)  # the project's own README
    assert '"event_type":"UserLogin"' in capsys.readouterr().out.replace(" ", "")
    assert names["report"].total == names["ds"].events.height > 10_000
    assert sum(names["counter"].rows.values()) == names["report"].total
    assert names["weight"] < -2  # a model was trained
    assert names["cheap"].height == 5
    sims = [value for value in names.values() if isinstance(value, Simulation)]
    said = [sim.explain().rstrip() for sim in sims if "flows: none" not in repr(sim)]
    assert len(said) > 4
    assert {text.splitlines()[-1] for text in said} == {"row by row: 0"}
    assert set(re.findall(r"^native: .*; escapes: (\d+)$", "\n".join(said), flags=re.MULTILINE)) <= {"0"}


def test_the_page_for_those_who_come_from_the_first_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Its blocks, in order, in one namespace; the number of starts that it names is right."""
    module = ModuleType("first")
    monkeypatch.setitem(sys.modules, "first", module)
    text = (ROOT / "docs" / "coming-from-the-first.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    for number, block in enumerate(blocks):
        file = tmp_path / f"block_{number}.py"
        file.write_text(block)
        exec(compile(block, str(file), "exec", dont_inherit=True), vars(module))  # the project's own page
    assert capsys.readouterr().out == "180\n"
    assert "row by row: 0" in vars(module)["sim"].explain()
    assert vars(module)["sim"].collect().sessions.height == 180


@pytest.mark.parametrize("target", re.findall(r"\]\((?!http)([^)#]+)\)", TEXT))
def test_readme_links(target: str):
    """What the README points to exists."""
    assert (ROOT / target).exists()
