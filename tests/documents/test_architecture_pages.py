"""The pages of `docs/architecture` are exact: their examples run, what they name is there, and they are linked."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.places import ROOT

FOLDER = ROOT / "docs" / "architecture"
PAGES = sorted(FOLDER.glob("*.md"))
ROOMS = {"compiler": "compile", "engine": "simulate/native", "parts": "run/parted", "values": "values"}
BLOCKS = re.compile(r"```python\n(.*?)```\n\n```text\n(.*?)```", re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if "```python" in page.read_text()], ids=lambda page: page.stem
)
def test_examples_print_what_stands_behind_them(page, tmp_path):
    """As files of their own, for the compiler reads sources."""
    for number, (code, said) in enumerate(BLOCKS.findall(page.read_text())):
        file = tmp_path / f"example{number}.py"
        file.write_text(code)
        ran = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, check=False)
        assert (ran.stdout, ran.stderr) == (said, "")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_that_a_page_names_are_there(page):
    """Below the page's room, the package, the repository, or anywhere in the room by its name alone."""
    room = ROOT / "deep_faker" / ROOMS[page.stem]
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for name in re.findall(r"[\w/]+\.py\b", text):
        near = [
            folder / name for folder in (room, ROOT / "deep_faker", ROOT / "deep_faker" / "simulate", ROOT)
        ]
        assert (
            any(path.exists() for path in near)
            or any((ROOT / "deep_faker").rglob(name))
            or any((ROOT / "tests").rglob(name))
        ), name


def test_every_page_is_linked():
    """From where newcomers look."""
    for document in ("ARCHITECTURE.md", "CONTRIBUTING.md"):
        text = (ROOT / document).read_text()
        for page in PAGES:
            assert f"(docs/architecture/{page.name})" in text, (document, page.name)
