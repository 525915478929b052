"""Every method of Faker in en_US, as the registry knows them: the values of a column are distributed as Faker's.

False alarms: all tests of all methods ask together for one in a thousand sets of seeds (Bonferroni), so each
for p < 1e-3 divided by the number of tests.  The seeds are fixed: what passes here passes always, until
Faker or a provider changes.  The longer run, 50,000 values on both sides and other locales, is
``python benchmarks/providers.py --distribution``.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from functools import lru_cache

import numpy as np
import pytest

from deep_faker.values.choices import json_text
from tests.support.places import ROOT
from tests.support.two_samples import MOST_VIEWS, by_size, compare
from tests.support.worlds.provider_world import faker_names, faker_values, plain_types, provider, rows, types
from tests.support.worlds.recipe_world import exact_recipe

LOCALE = "en_US"
NAMES = faker_names(LOCALE)
# A comparison of n and m values sees what n·m/(n+m) of one sample would: 4,000 here, and 800 of the large values, of
# which Faker makes a hundred in a second.
OURS, THEIRS = 20_000, 5_000
LARGE = {
    *(
        "csv",
        "dsv",
        "fixed_width",
        "json",
        "json_bytes",
        "paragraphs",
        "profile",
        "psv",
        "pydict",
        "pyiterable",
    ),
    *("pylist", "pyset", "pytuple", "sentences", "simple_profile", "texts", "tsv", "xml"),
}
OF_LARGE = 4_000, 1_000
# Put together of ten times many other methods, each compared here itself: what is left to see is how they are put together.
OF_OTHERS = {"csv", "dsv", "json", "json_bytes", "profile", "psv", "pystruct", "time_series", "tsv"}
OF_COMPOSED = 1_600, 400
# Written by what another one is written by, with another separator or as bytes.
WRITTEN_ALIKE = {"dsv", "json_bytes", "psv", "tsv"}
FALSE_ALARMS = 1e-3
LEAST = FALSE_ALARMS / (len(NAMES) * MOST_VIEWS)


@pytest.fixture(scope="module", autouse=True)
def _forget():
    """Two gigabytes, for other files' tests run in this process too."""
    yield
    provider.cache_clear()
    ours.cache_clear()


@lru_cache(maxsize=4)
def ours(name, n=OURS):
    return provider(name, LOCALE).column_objects(rows(0, n))


def plain(values):
    """What is put together of others as text in which sets are sorted: their order is that of a process."""
    return [json_text(value) if isinstance(value, dict | list | set | tuple) else value for value in values]


@pytest.mark.parametrize("name", NAMES)
def test_v4_values_are_distributed_as_those_of_faker(name):
    """By column: every view of the values. Pools hold values that Faker made: their types."""
    by_column = provider(name, LOCALE).how == "column"
    most, least = OF_COMPOSED if name in OF_OTHERS else OF_LARGE if name in LARGE else (OURS, THEIRS)
    theirs = faker_values(name, LOCALE, least if by_column else 3)
    if by_column:
        assert types(ours(name, most)) == types(theirs)
        found = compare(plain(ours(name, most)), plain(theirs))
        assert len(found) <= MOST_VIEWS
        assert {view: p for view, p in found.items() if p < LEAST} == {}
    else:
        assert plain_types(theirs) <= types(provider(name, LOCALE).column_objects(rows(0, 500)))


def test_most_methods_are_compared():
    """The registry makes a good part of all methods by column: none slips out of the comparison unseen."""
    assert sum(provider(name, LOCALE).how == "column" for name in NAMES) > 0.6 * len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_r1_same_values_in_any_batch_and_one_by_one(name):
    made = provider(name, LOCALE)
    whole = made.column(rows(0, 90)).to_pylist()
    pieces = [made.column(rows(at, 7 if at < 84 else 6)).to_pylist() for at in range(0, 90, 7)]
    assert repr([value for piece in pieces for value in piece]) == repr(whole)
    wanted = rows(0, 90)
    objects = made.column_objects(wanted)
    assert len(made.column(rows(0, 0))) == 0
    if made.kind == "json":
        assert [json.loads(text) for text in whole] == [json.loads(json_text(value)) for value in objects]
    for at in range(0, 90, 9):
        one = made.one(int(wanted.flow[at]), int(wanted.action[at]), int(wanted.clock[at]))
        assert type(one) is type(objects[at])
        assert repr(one) == repr(objects[at]), at


@pytest.mark.parametrize("name", NAMES)
def test_the_recipe_of_a_method_is_exact(name):
    """Where there is one: what an engine computes itself is what the column has."""
    exact_recipe(provider(name, LOCALE))


_DIGESTS = """
import sys
sys.path[:0] = sys.argv[1:]
from tests.values.test_providers_distribution import digests
print(digests())
"""


def digests() -> str:
    """A digest of some values of every method that is not `WRITTEN_ALIKE`, with the order of sets kept."""
    lines = [
        f"{name} {provider(name, LOCALE).column(rows(0, 40)).to_pylist()!r}"
        for name in NAMES
        if name not in WRITTEN_ALIKE
    ]
    return "\n".join(
        line.split(" ")[0] + " " + hashlib.sha256(line.encode()).hexdigest()[:16] for line in lines
    )


def test_r1_values_of_every_method_do_not_depend_on_the_process():
    """Another process with another hash seed and another time zone: the values of this one."""
    # this process has a hash seed of its own, the one that it was given or one drawn at its start
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    zone = "Asia/Tokyo" if time.timezone != -9 * 3600 else "UTC"
    done = subprocess.run(
        [sys.executable, "-c", _DIGESTS, str(ROOT)],
        env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = [done.stdout.splitlines(), digests().splitlines()]
    assert len(found[0]) == len(NAMES) - len(WRITTEN_ALIKE)
    assert [pair for pair in zip(*found, strict=True) if pair[0] != pair[1]] == []


# --- the tests themselves ----------------------------------------------------------------------------------


def least(left, right):
    return min(compare(left, right).values())


@pytest.mark.parametrize(
    "name", ["first_name", "name", "postcode", "date_time", "random_int", "email", "job"]
)
def test_a_distorted_distribution_is_found(name):
    """Negative control: one value in twenty is another one."""
    values = list(ours(name))
    assert least(values, faker_values(name, LOCALE, THEIRS)) >= LEAST
    values[::20] = [values[0]] * len(values[::20])
    assert least(values, faker_values(name, LOCALE, THEIRS)) < LEAST


def test_a_missing_end_of_a_range_is_found():
    """Negative control for numbers: 0 to 8,999 for 0 to 9,999; far beyond the bound, whatever the sample."""
    values = [value * 0.9 for value in ours("random_int")]
    assert by_size(values, faker_values("random_int", LOCALE, THEIRS)) < LEAST


def test_a_wrong_character_at_one_place_is_found():
    """Negative control for patterns: the fifth digit of a postcode is even in one of ten more."""
    values = [
        value[:4] + str(int(value[4]) & 14) if at % 4 == 0 else value
        for at, value in enumerate(ours("postcode"))
    ]
    found = compare(values, faker_values("postcode", LOCALE, THEIRS))
    assert found["character 4"] < LEAST or found["last character"] < LEAST
    assert found["first word" if "first word" in found else "character 0"] >= LEAST


def test_p_values_keep_what_they_promise():
    """Samples of one distribution: of 2,000 tests of 5 to 5,000 categories few have a small p-value."""
    from tests.support.two_samples import by_frequency

    random = np.random.default_rng(5)
    found = []
    for categories in (5, 50, 500, 5_000):
        weights = random.dirichlet(np.full(categories, 0.3))
        for _ in range(500):
            pair = [random.multinomial(n, weights) for n in (OURS, THEIRS)]
            found.append(by_frequency(range(categories), np.stack(pair, axis=1).astype(float)))
    # 2,000 draws of 1 in 100: 20 give or take 4.5; five of those is the margin
    assert sum(p < 0.01 for p in found) < 20 + 5 * 4.5
    assert min(found) > 1e-6
