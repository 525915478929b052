"""Rows of entities lie on as few lines of the cache as they can: what prefetches of two lines count on."""

from __future__ import annotations

import pytest

from deep_faker.simulate.native import layout
from deep_faker.simulate.native.memory import _from_a_line

BYTES = 64


def lines(address: int, words: int, row: int) -> int:
    """On how many lines a row of so many words lies."""
    first = address + 8 * words * row
    return (first + 8 * words - 1) // BYTES - first // BYTES + 1


@pytest.mark.parametrize("words", range(layout.ROW, 40, layout.ROW))
def test_no_row_lies_on_a_line_more_than_it_must(words: int) -> None:
    """Whatever place the system gives, and whichever row it is."""
    for size in (1, 1_000, 1 << 20):
        array = _from_a_line(size * words)
        assert len(array) == size * words
        assert not array.any()
        assert all(lines(array.ctypes.data, words, row) == -(-8 * words // BYTES) for row in range(16))


def test_rows_of_any_length_would() -> None:
    """The control: 13 words fit on two lines, and some such rows lie on three."""
    assert max(lines(0, 13, row) for row in range(16)) == 3
    assert max(lines(16, 12, row) for row in range(16)) == 3
