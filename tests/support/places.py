"""Where things lie: the repository, and what tests read of it."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
GOLDEN = TESTS / "golden"
"""Texts and outputs that are kept; ``UPDATE_GOLDEN=1`` writes them anew."""
DATA = TESTS / "data"
