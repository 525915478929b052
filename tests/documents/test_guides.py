"""The Python blocks of every guide run, top to bottom, as a reader would type them."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.places import ROOT

PAGES = sorted((ROOT / "docs" / "guides").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_blocks_of_a_guide_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """All blocks of a page, in one namespace; each is a file, for flows are compiled from source."""
    monkeypatch.chdir(tmp_path)
    name = f"guide_{page.stem.replace('-', '_')}"
    module = ModuleType(name)  # classes look up their annotations in their module
    monkeypatch.setitem(sys.modules, name, module)
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert blocks or page.stem == "README"
    for number, block in enumerate(blocks):
        file = tmp_path / f"block_{number}.py"
        file.write_text(block)
        exec(compile(block, str(file), "exec", dont_inherit=True), vars(module))  # the project's own page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_of_a_guide(page: Path):
    """What a guide points to exists."""
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target
