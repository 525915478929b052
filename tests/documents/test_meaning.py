"""`docs/meaning.md` is held to the project: its points have tests, no other codes are in use, its examples run."""

from __future__ import annotations

import ast
import functools
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
while not (ROOT / "pyproject.toml").exists():  # wherever below the project's tests this file lies
    ROOT = ROOT.parent
PAGE = ROOT / "docs" / "meaning.md"
TEXT = PAGE.read_text()
POINTS = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", TEXT, flags=re.DOTALL | re.MULTILINE))
"""Code of a point → what the page says of it."""

CODE = re.compile(r"\b[TNSFVREP][1-9]\d?\b")
NO_POINTS = {"F64", "S8", "S10", "S12"}  # types of numpy
IN_A_TEST = re.compile(r"(?<=_)[tnsfvrep][1-9]\d?(?=_)")
NAMED = re.compile(r"`(test_\w+\.py)::(\w+)`")


@functools.cache
def functions_of(file: str) -> frozenset[str]:
    """The test functions and classes of the files of that name, in whichever folder below `tests/` they lie."""
    return frozenset(
        node.name
        for path in (ROOT / "tests").rglob(file)
        for node in ast.parse(path.read_text()).body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name.lower().startswith("test")
    )


def texts() -> dict[str, str]:
    """Everything that people read, by its path: code, tests, pages."""
    folders = [ROOT / name for name in ("deep_faker", "tests", "docs", "examples", "benchmarks")]
    paths = [path for folder in folders for kind in ("*.py", "*.md") for path in folder.rglob(kind)]
    paths += [*ROOT.glob("*.md"), ROOT / "pyproject.toml"]
    here = Path(__file__)  # whose negative control has codes of no point
    return {path.relative_to(ROOT).as_posix(): path.read_text() for path in paths if path != here}


def test_the_page_is_read_as_it_is_written():
    """A point is a heading of its own, and each stands in the list at the page's top."""
    listed = TEXT.partition("| --- |")[2].partition("\n\n")[0]
    assert list(POINTS) == re.findall(r"\[(\w\d+)\]\(#\w\d+\)", listed)
    assert len(POINTS) > 50
    assert all(CODE.fullmatch(code) for code in POINTS)


@pytest.mark.parametrize("code", POINTS)
def test_a_point_names_tests_that_exist(code: str):
    """At least one, by file and function; a test that is renamed is renamed on the page, too."""
    named = NAMED.findall(POINTS[code].partition("\nTests: ")[2])
    assert named
    assert [f"{file}::{name}" for file, name in named if name not in functions_of(file)] == []


def test_every_code_in_use_is_a_point():
    """What code, tests and pages call T9 is explained; what is not on the page is a slip of the pen."""
    unknown = {
        f"{path}: {code}"
        for path, text in texts().items()
        for code in {*CODE.findall(text), *(found.upper() for found in _in_names(text))}
        if code not in POINTS and code not in NO_POINTS
    }
    assert unknown == set()


def _in_names(text: str) -> list[str]:
    """The codes in names of tests: f7 and f8 of ``test_f7_f8_mutate_…``."""
    names = re.findall(r"\bdef (test(?:_[a-z]\d{1,2})+_)", text)
    return [code for name in names for code in IN_A_TEST.findall(name)]


def test_the_check_finds_codes_of_no_point():
    """The negative control."""
    assert CODE.findall("as T10 says (F11, N2), not P1DT2H, PT5S or E501") == ["T10", "F11", "N2"]
    assert _in_names("def test_t19_f3_streams(engine):") == ["t19", "f3"]
    assert "test_nothing_at_all" not in functions_of("test_meaning.py")
    assert functions_of("test_no_such_file.py") == frozenset()


def test_links_lead_to_points():
    """Those of the page, and those of other pages to it."""
    anchors = {code.lower() for code in POINTS} | {
        re.sub(r"\W+", "-", title).lower() for title in re.findall(r"^## (.+)$", TEXT, flags=re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([\w-]+)\)", TEXT)) <= anchors
    for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"):
        links = re.findall(r"\]\(docs/meaning\.md(?:#([\w-]+))?\)", (ROOT / name).read_text())
        assert links, f"{name} does not say where the points are explained"
        assert set(filter(None, links)) <= anchors


@pytest.mark.slow
def test_the_recipes_name_what_there_is():
    """Modules by their paths, files of tests by their names, and the tests that show a change to be done."""
    text = (ROOT / "CONTRIBUTING.md").read_text().partition("## The five usual changes")[2]
    paths = re.findall(r"`(deep_faker/[\w/]+\.py)`", text)
    assert len(set(paths)) > 20
    assert [path for path in paths if "NAME" not in path and not (ROOT / path).exists()] == []
    files = re.findall(r"`(?:[\w/]+/)?(\w+\.(?:py|txt))`", re.sub(r"`deep_faker/[\w/.]+`", "", text))
    there = {path.name for folder in ("tests", "benchmarks") for path in (ROOT / folder).rglob("*.*")}
    assert [name for name in files if "NAME" not in name and name not in there] == []
    known = {name for path in (ROOT / "tests").rglob("test_*.py") for name in functions_of(path.name)}
    assert [name for name in re.findall(r"`(test_\w+)`", text) if name not in known] == []


def test_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In order, in one namespace, each a file of its own, as flows are compiled from source; they check themselves."""
    monkeypatch.chdir(tmp_path)
    module = ModuleType("meaning")  # classes look up their annotations in their module
    monkeypatch.setitem(sys.modules, "meaning", module)
    blocks = re.findall(r"^```python\n(.*?)^```$", TEXT, flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) > 5
    for number, block in enumerate(blocks):
        file = tmp_path / f"block_{number}.py"
        file.write_text(block)
        exec(compile(block, str(file), "exec", dont_inherit=True), vars(module))  # the project's own page
