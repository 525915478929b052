"""What `make check` leaves out: the marks `slow` and `server`, and who gets them.

`conftest.py` gives them to every test that is collected, by three rules, so that no list has to follow the tests:

* `server`: the test, a fixture of it or a function that one of them calls starts a server (a database, a broker, an
  object store), which is to say that its code names something of the modules in `STARTING`.
* `slow`: the test's file is one of `SLOW`, each with what takes its time.
* `slow` as well: the case is not among the first `CASES` of its test. A grid of engines, types or texts is for the
  whole suite; its first cases tell at once that something broke. Files of `ALL_CASES` are quick, and keep theirs.

A single test that takes more than a second or so is decorated where it stands, ``@pytest.mark.slow``. ``--durations=60``
of the whole suite tells which these are.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

TESTS = Path(__file__).parents[1]
CASES = 2
STARTING = {f"tests.support.servers.{name}" for name in ("kafka_broker", "object_stores", "sql_servers")}
ALL_CASES = {
    "test_actions.py",
    "test_architecture.py",
    "test_compiler_diagnostics.py",
    "test_declarations.py",
    "test_docstrings.py",
    "test_schema.py",
}
SLOW = {
    "test_batches.py": "the same frames by every engine, in parts and from data sets",
    "test_catalogue.py": "every method of every locale",
    "test_checkpoint.py": "each run goes on in another process",
    "test_damaged_checkpoints.py": "a checkpoint is damaged at every place",
    "test_damaged_data_sets.py": "each file of ten layouts is damaged in every way",
    "test_delta.py": "tables are read back by other readers",
    "test_density.py": "runs a benchmark",
    "test_determinism.py": "the same runs again, with all that must not show",
    "test_engines_agree.py": "random programs on every engine",
    "test_examples.py": "runs the examples",
    "test_files_partitions.py": "data sets by partition, read by others",
    "test_files_readers.py": "other readers read what was written",
    "test_files_spark.py": "starts Spark",
    "test_files_tables.py": "each layout is stopped and taken up again",
    "test_first_programs.py": "runs whole programs in processes of their own",
    "test_full_disks.py": "fills disks",
    "test_interrupts.py": "processes that are stopped",
    "test_longer_runs.py": "as it says",
    "test_models_round_trip.py": "every type by every output",
    "test_native_agrees.py": "random programs on every engine",
    "test_native_cache.py": "compiles the kernel",
    "test_native_checked.py": "the kernel without compiling it",
    "test_native_checkpoints.py": "random programs, saved and taken up",
    "test_native_expressions.py": "compiles what it compares with",
    "test_native_operands.py": "compiles what it compares with",
    "test_nested_formats.py": "every format by every type",
    "test_notebooks.py": "starts Jupyter",
    "test_nulls_and_types.py": "the grid of nulls and types",
    "test_outside.py": "each case runs in processes of its own",
    "test_pictures.py": "draws the pictures",
    "test_places_streams.py": "processes without standard streams",
    "test_planted_faults.py": "whole data sets with each fault that `verify` must find",
    "test_previewing.py": "previews and runs of the same worlds",
    "test_programs.py": "random programs on every engine",
    "test_providers_composed.py": "every composed method of every locale",
    "test_providers_distribution.py": "draws a hundred thousand of everything",
    "test_providers_mimesis.py": "every method of Mimesis",
    "test_readme.py": "runs every block of the README",
    "test_readers.py": "starts the tools that exports are for",
    "test_resume.py": "kills runs and takes them up again",
    "test_statistics.py": "draws until distributions show",
}


def mark(items: Iterable[pytest.Item]) -> None:
    """Give each test its marks."""
    cases: Counter[str] = Counter()
    for item in items:
        test = item.nodeid.partition("[")[0]
        cases[test] += 1
        one_more = cases[test] > CASES and item.path.name not in ALL_CASES
        if item.path.name in SLOW or one_more:
            item.add_marker(pytest.mark.slow)
        if any(_starts_a_server(function) for function in _functions(item)):
            item.add_marker(pytest.mark.server)


def is_fast(item: pytest.Item) -> bool:
    """Whether `make check` runs it."""
    return not any(item.iter_markers("slow")) and not any(item.iter_markers("server"))


def _functions(item: Any) -> Iterator[Callable[..., Any]]:
    """The test's own function, where it has one, and those of its fixtures."""
    if hasattr(item, "function"):
        yield item.function
        for fixtures in item._fixtureinfo.name2fixturedefs.values():
            yield from (fixture.func for fixture in fixtures)


@functools.cache
def _starts_a_server(function: Callable[..., Any]) -> bool:
    seen: set[object] = set()
    waiting: list[object] = [function]
    while waiting:
        one = waiting.pop()
        one = getattr(one, "__wrapped__", one)
        if one in seen or not isinstance(one, FunctionType) or not _is_ours(one):
            continue
        seen.add(one)
        for name in _names(one.__code__):
            named = one.__globals__.get(name)
            if getattr(named, "__module__", None) in STARTING:
                return True
            if isinstance(named, FunctionType):
                waiting.append(named)
    return False


def _is_ours(function: FunctionType) -> bool:
    return Path(function.__code__.co_filename).is_relative_to(TESTS)


def _names(code: CodeType) -> Iterator[str]:
    """The names that a function looks up, also those of functions within it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
