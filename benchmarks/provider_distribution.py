"""Two-sample tests of every method that is made by column against Faker itself, the longer run.

``providers.py --distribution`` calls `compare_all`.  Besides ours against Faker's it compares one half of
Faker's sample with the other (how small does a p-value get where nothing is wrong?) and ours with one value
in twenty replaced against Faker's (is it found?).
"""

from __future__ import annotations

import time
from typing import Any

from deep_faker.errors import DeepFakerError
from tests.support.two_samples import MOST_VIEWS, compare
from tests.support.worlds.provider_world import (
    DIFFERENT_TYPES,
    faker_names,
    faker_values,
    provider,
    rows,
    types,
)

FALSE_ALARMS = 1e-3
DISTORTED = 20
MAIN = "en_US"
OTHERS = 5  # times as few values in other locales, and
LONG = 10  # of what takes Faker up to 2.5 milliseconds:
LONG_NAMES = frozenset(
    "csv dsv fixed_width json json_bytes profile psv pydict pyiterable pylist pyset pytuple simple_profile "
    "tsv xml".split()
)


def compare_all(locales: list[str], only: str, values: int) -> dict[str, Any]:
    """All methods of the locales whose names hold ``only``: what `providers_page` shows."""
    names = {locale: [name for name in faker_names(locale) if only in name] for locale in locales}
    threshold = FALSE_ALARMS / (MOST_VIEWS * sum(map(len, names.values())))
    found = {locale: _compare_locale(locale, names[locale], values, threshold) for locale in locales}
    return {
        "values": values,
        "values_of_others": values // OTHERS,
        "values_of_long": f"{values // LONG:,} and {values // OTHERS // LONG:,}",
        "long": sorted(LONG_NAMES),
        "false_alarms": FALSE_ALARMS,
        "threshold": threshold,
        "tests": sum(one["tests"] for one in found.values()),
        "known": {f"values of type {name}": why for name, why in DIFFERENT_TYPES.items()},
        "locales": found,
    }


def _compare_locale(locale: str, names: list[str], values: int, threshold: float) -> dict[str, Any]:
    began = time.perf_counter()
    p_values: dict[str, dict[str, float]] = {}
    itself: list[float] = []
    distorted: dict[str, bool] = {}
    failures: dict[str, dict[str, float]] = {}
    for name in names:
        try:
            made = provider(name, locale, 3)
        except DeepFakerError:  # what cannot be made is in the table of speeds
            continue
        if made.how != "column":
            continue
        n = values // (1 if locale == MAIN else OTHERS) // (LONG if name in LONG_NAMES else 1)
        ours, theirs = made.column_objects(rows(0, n)), faker_values(name, locale, n)
        p_values[name] = compare(ours, theirs)
        if types(ours) != types(theirs):
            p_values[name]["types"] = 0.0
        failed = {view: p for view, p in p_values[name].items() if p < threshold}
        if failed:
            failures[name] = failed
            print(f"{locale} {name}: {failed}", flush=True)
        itself += compare(theirs[::2], theirs[1::2]).values()
        if len(set(map(str, ours))) > 1:
            ours[::DISTORTED] = [ours[0]] * len(ours[::DISTORTED])
            distorted[name] = min(compare(ours, theirs).values()) < threshold
    every = [p for seen in p_values.values() for p in seen.values()]
    print(
        f"{locale}: {len(p_values)} methods, {len(every)} tests, {time.perf_counter() - began:.0f} s",
        flush=True,
    )
    return {
        "methods": len(p_values),
        "tests": len(every),
        "least": min(every, default=1.0),
        "least_of_itself": min(itself, default=1.0),
        "failures": failures,
        "distorted": len(distorted),
        "distorted_found": sum(distorted.values()),
        "not_found": [name for name, seen in distorted.items() if not seen],
        "p_values": {
            name: {view: float(f"{p:.3g}") for view, p in seen.items()} for name, seen in p_values.items()
        },
    }
