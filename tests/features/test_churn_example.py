"""`examples/churn.py`, to its end: from a simulation to a model that has learned something."""

from __future__ import annotations

import runpy

from tests.support.places import ROOT


def test_the_model_learns_who_leaves(capsys):
    """From what was known; the chance of being right is far from one half, and from one, for leaving is chance."""
    names = runpy.run_path(str(ROOT / "examples" / "churn.py"))
    score = names["main"]()
    assert 0.7 < score < 0.95
    assert "# Training frame of Player" in capsys.readouterr().out
