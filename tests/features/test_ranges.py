"""Sums, extremes and numbers of different values of many ranges: each against its range alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deep_faker.features.ranges import FloatSums, different, extremes
from deep_faker.features.search import LAST, Groups, Moments

FLOATS = st.one_of(st.sampled_from([0.1, 1e16, -1e16, 5e-324, 1e300, -1e300, 0.0]), st.floats(-1e9, 1e9))


def ranges(n: int) -> tuple[np.ndarray, np.ndarray]:
    """All ranges of n values, empty ones included."""
    first, last = np.meshgrid(np.arange(n + 1), np.arange(n + 1))
    kept = first <= last
    return first[kept], last[kept]


@settings(max_examples=60, deadline=None)
@given(st.lists(FLOATS, max_size=12))
def test_sums_of_floats_are_those_of_each_range_alone(values):
    """However large the sum before a range is; to what the largest value leaves room for."""
    first, last = ranges(len(values))
    sums = FloatSums(np.array(values, np.float64)).of(first, last)
    slack = max(map(abs, values), default=0.0) * 2.0**-70
    for low, high, ours in zip(first, last, sums):
        exact = math.fsum(values[low:high])
        assert math.isclose(ours, exact, rel_tol=1e-15, abs_tol=slack)


def test_a_running_sum_of_floats_would_not_do():
    """Control: differences of a plain running sum lose what stood behind the point."""
    values = np.array([1e16, 0.1, 0.2])
    plain = np.cumsum(values)
    assert plain[2] - plain[0] != 0.1 + 0.2
    assert FloatSums(values).of(np.array([1]), np.array([3]))[0] == pytest.approx(0.3, abs=1e-12)


@pytest.mark.parametrize("odd", [[math.nan], [math.inf], [-math.inf], [math.inf, -math.inf]])
def test_nan_and_infinities_are_added_as_python_adds_them(odd):
    """And ranges without them are not touched."""
    values = [1.0, *odd, 2.0]
    first, last = ranges(len(values))
    for low, high, ours in zip(first, last, FloatSums(np.array(values)).of(first, last)):
        exact = sum(values[low:high])
        assert ours == exact or (math.isnan(ours) and math.isnan(exact))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=20), st.booleans())
def test_extremes(values, least):
    """Of all ranges that are not empty."""
    first, last = ranges(len(values))
    some = first < last
    ours = extremes(np.array(values), first[some], last[some], least=least)
    exact = [(min if least else max)(values[low:high]) for low, high in zip(first[some], last[some])]
    assert ours.tolist() == exact


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4)), max_size=20))
def test_different_values(rows):
    """Of all ranges within a group."""
    rows = sorted(rows, key=lambda row: row[0])
    group, value = (np.array([row[i] for row in rows], np.int64) for i in (0, 1))
    first, last = ranges(len(rows))
    kept = np.array([len(set(group[low:high].tolist())) < 2 for low, high in zip(first, last)], bool)
    first, last = first[kept], last[kept]
    ours = different(group, value, first, last)
    assert ours.tolist() == [len(set(value[low:high].tolist())) for low, high in zip(first, last)]


def test_groups_leave_out_rows_of_nobody():
    """A key that is null or no entity's has a code below 0."""
    groups = Groups(np.array([0, -1, 1, 0]), np.array([1, 2, 3, 4]))
    assert len(groups) == 3
    assert groups.rows().tolist() == [0, 3, 2]
    assert groups.before(np.array([0, 0]), Moments(np.array([4, 4]), LAST)).tolist() == [2, 2]
    assert groups.before(np.array([0, 0]), Moments(np.array([4, 4]), -1)).tolist() == [1, 1]
