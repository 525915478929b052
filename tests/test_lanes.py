"""What `make check` runs is a part of every room, and what it leaves out is there."""

from __future__ import annotations

import pytest

from tests.support.lanes import ALL_CASES, CASES, SLOW, TESTS, is_fast

FILES = {file.name: file for file in TESTS.rglob("test_*.py")}
ROOMS = {file.parent for file in FILES.values()} - {TESTS}


def test_the_lists_name_files_that_there_are():
    """A file that is renamed takes its place in the lists along."""
    assert set(SLOW) | ALL_CASES <= set(FILES)
    assert not set(SLOW) & ALL_CASES


def test_every_room_has_quick_tests(request: pytest.FixtureRequest):
    """At least a dozen each."""
    items = request.session.items
    if len({item.path for item in items}) < len(FILES) * 3 // 4:
        pytest.skip("only a part of the suite is collected")
    quick = [item for item in items if is_fast(item)]
    assert {
        room.name: n for room in ROOMS if (n := sum(room in item.path.parents for item in quick)) < 12
    } == {}


@pytest.mark.parametrize("case", range(CASES + 2))
def test_of_many_cases_the_first_are_quick(case: int, request: pytest.FixtureRequest):
    """By their number in what is collected."""
    name = request.node.originalname
    cases = [item for item in request.session.items if getattr(item, "originalname", "") == name]
    assert [is_fast(item) for item in cases] == [number < CASES for number in range(len(cases))]
