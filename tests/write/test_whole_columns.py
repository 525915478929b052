"""Columns of a part in one piece: the values are those of the pieces, and memory is used again."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from deep_faker.write.files.whole_columns import Scratch

DAY = dt.datetime(2024, 1, 1)


@pytest.mark.parametrize(
    "values",
    [
        list(range(10)),
        [n / 7 for n in range(10)],
        [DAY + dt.timedelta(days=n) for n in range(10)],
        [f"id-{n}" for n in range(10)],
        ["é" if n % 2 else "ab" for n in range(10)],
    ],
    ids=["ints", "floats", "times", "texts", "bytes count"],
)
def test_one_piece_has_the_values_of_all(values):
    """Numbers, instants and texts of one width, from pieces that begin in the middle and from empty ones."""
    long = pa.array([values[0], *values, values[-1]])
    pieces = [long.slice(1, 3), long.slice(4, 0), long.slice(4, 1), long.slice(5, 6)]
    whole = Scratch().whole(pa.chunked_array(pieces))
    assert whole is not None
    assert whole.equals(pa.array(values))
    whole.validate(full=True)


@pytest.mark.parametrize(
    "pieces",
    [
        [[1, None], [2]],
        [["ab", "cd"], ["e"]],
        [["a", "bcd"], ["ef"]],  # right on the whole, wrong one by one
        [["", ""], [""]],
        [[True, False], [True]],
        [[[1], [2]], [[3]]],
        [["x" * 65], ["y" * 65]],
    ],
    ids=["null", "widths", "width on the whole", "empty", "bits", "lists", "wide"],
)
def test_what_does_not_fit_is_left_to_arrow(pieces):
    """A column with nulls, of other widths or of other types has no such form."""
    assert Scratch().whole(pa.chunked_array(pieces)) is None


def test_the_next_part_uses_the_same_memory():
    """Columns of one part lie apart; those of the next lie where they did."""
    scratch = Scratch()

    def addresses(first):
        scratch.begin()
        columns = [pa.chunked_array([np.arange(first, first + 5), np.arange(3)]) for _ in range(2)]
        wholes = [scratch.whole(column) for column in columns]
        assert all(w.to_pylist() == c.to_pylist() for w, c in zip(wholes, columns, strict=True))
        return [whole.buffers()[1].address for whole in wholes]

    one, two = addresses(0), addresses(10)
    assert one == two
    assert len(set(one)) == 2
