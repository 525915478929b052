"""Arrow arrays without pyarrow's own conversions: the same arrays."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from deep_faker.plan import arrow

NUMBERS = [
    np.arange(20, dtype=np.int64)[::2],
    np.array([1, 0, 3], np.int32),
    np.array([0.5, np.nan, -1.0]),
    np.array([True, False, True] * 7),
    np.empty(0, np.int64),
    np.empty(0, bool),
]


@pytest.mark.parametrize("given", NUMBERS, ids=str)
def test_numbers_are_as_pyarrow_makes_them(given: np.ndarray):
    """With and without nulls, strided and empty ones; and back, from a slice too."""
    nulls = np.arange(len(given)) % 3 == 1
    for mask in (None, nulls):
        made, expected = arrow.numbers(given, mask), pa.array(given, mask=mask)
        made.validate(full=True)
        assert made.type == expected.type
        assert repr(made.to_pylist()) == repr(expected.to_pylist())
        for start in range(min(3, len(given))):
            part = expected[start:]
            there = ~np.asarray(part.is_null())
            assert arrow.values(part)[there].tobytes() == given[start:][there].tobytes()


def test_texts_are_as_pyarrow_makes_them():
    """Of any characters, with and without None; half of a surrogate pair is refused."""
    for given in ([], ["a", "", "é", "日本"], ["a", None, "b"], [None]):
        made = arrow.texts(given)
        made.validate(full=True)
        assert made.equals(pa.array(given, pa.string()))
    with pytest.raises(UnicodeEncodeError):
        arrow.texts(["\ud800"])


@pytest.mark.parametrize("value", [True, 3, 0.5])
def test_nulls_are_filled(value: bool | float):
    """With a value of the array's kind, of narrow arrays too."""
    array = pa.array([None, type(value)(1)])
    assert arrow.scalar(value).equals(pa.scalar(value))
    assert arrow.filled(array, value).to_pylist() == [value, type(value)(1)]
    assert arrow.filled(pa.array([1, None], pa.int32()), 0).equals(pa.array([1, 0], pa.int32()))
