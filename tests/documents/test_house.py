"""The measures of the house, taken of a small one."""

from __future__ import annotations

import json
import runpy

import pytest

from tests.support.places import ROOT

MODULES = {
    "__init__.py": "",
    "one.py": '''"""One."""
from typing import TYPE_CHECKING, Any
from house import two  # noqa: F401
if TYPE_CHECKING:
    from house.rooms.three import Three
def first(given: Any) -> "Any":
    """Says nothing."""
    # ---------------- a divider
    return given  # the value
''',
    "two.py": '''"""Two."""
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from house.one import first
def second():
    """Imports where it runs.

    >>> second()
    """
    from house.rooms import three  # at use, or it would be a circle
    # Two lines that follow one another
    # are one comment.
    return three
class Second:
    """Has no example."""
    def shown(self):
        """>>> Second().shown()"""
def _hidden(): ...
''',
    "rooms/__init__.py": "",
    "rooms/three.py": '"""Three."""\nfrom house.two import Second as Three\n',
    "rooms/long.py": "\n" * 501,
}


@pytest.fixture
def house(tmp_path):
    for name, text in MODULES.items():
        file = tmp_path / "house" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "house"


SCRIPT = runpy.run_path(str(ROOT / "docs" / "house.py"))


def test_measures_of_a_small_house(house):
    """Each is what the script's docstring says."""
    found = SCRIPT["measures"](house)
    assert found["circles"] == [["house.rooms.three", "house.two"]]
    assert found["circles with type names"] == [["house.one", "house.rooms.three", "house.two"]]
    assert {name: row["modules"] for name, row in found["rooms"].items()} == {"(front)": 3, "rooms": 3}
    whole = found["whole"]
    assert whole["over 500"] == 1
    assert whole["longest"] == 501
    assert whole["Any in 100 lines"] == round(100 / whole["lines"], 2)  # the one in quotes is a text
    assert (whole["comments"], whole["that say why, %"]) == (3, 66.7)
    assert (whole["public"], whole["with examples, %"]) == (3, 66.7)


def test_both_forms_are_printed(house, capsys):
    """A table for people, JSON for programs."""
    SCRIPT["main"]([str(house)])
    assert "circles of imports at run time: 1, of [2] modules\n" in capsys.readouterr().out
    SCRIPT["main"]([str(house), "--json"])
    assert json.loads(capsys.readouterr().out) == SCRIPT["measures"](house)
