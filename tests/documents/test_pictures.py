"""The pictures of the docs show what the code does."""

from __future__ import annotations

import runpy

import pytest

from tests.support.places import ROOT

FOLDER = ROOT / "docs" / "pictures"
LONG = {"shop"}  # a million events
SCRIPTS = [
    pytest.param(file, marks=pytest.mark.slow) if file.stem in LONG else file
    for file in sorted(FOLDER.glob("*.py"))
]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_pictures_are_as_their_scripts_draw_them(script):
    """Each SVG is what its script makes today."""
    assert runpy.run_path(str(script))["picture"]() == script.with_suffix(".svg").read_text()
