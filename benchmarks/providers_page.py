"""docs/providers.md from the raw results of `providers.py`: the summary on top, then every method."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

MIMESIS = "mimesis"
MOST_USED = """
    name first_name last_name email user_name password phone_number address street_address city state country
    postcode company job text sentence paragraph word url ipv4 uuid4 date date_time date_of_birth
    date_between random_int random_element boolean pyfloat
""".split()
# What was met most often in some thirty public programs that a code search for "Faker()" and "factory.Faker("
# gave, filled up to thirty with what this project's README uses; chosen before measuring.
ENOUGH, ENOUGH_MOST_USED, ENOUGH_RIVAL = 100, 200, 3

Method = dict[str, Any]
Lines = list[str]


def write(results: Path, page: Path) -> None:
    """Write the page from ``providers.json`` and, where it is there, ``provider_distribution.json``."""
    speed = json.loads((results / "providers.json").read_text())
    by_locale: dict[str, list[Method]] = {}
    for method in speed["methods"]:
        by_locale.setdefault(method["locale"], []).append(method)
    english = by_locale["en_US"]
    compared = results / "provider_distribution.json"
    others = {name: methods for name, methods in by_locale.items() if name not in ("en_US", MIMESIS)}
    sections = [
        ["# Providers", "", *_about(speed)],
        ["## Summary", "", *_summary(by_locale)],
        ["### The thirty most used", "", *_most_used(english)],
        ["### faker2", "", *_rivals(speed["methods"])],
        *([_distribution(json.loads(compared.read_text()))] if compared.exists() else []),
        ["## Faker, en_US", "", *_table(english)],
        ["## Faker, other locales", "", *_wide(others)],
        ["## Mimesis, en", "", *_table(by_locale[MIMESIS])],
    ]
    page.parent.mkdir(exist_ok=True)
    page.write_text("\n".join("\n".join(section) + "\n" for section in sections))


def _text(paragraph: str) -> str:
    return " ".join(paragraph.split())


def _about(speed: dict[str, Any]) -> Lines:
    machine, versions = speed["machine"], speed["machine"]["versions"]
    return [
        _text("""
            Every public method of Faker and Mimesis with its default arguments: how its values are made,
            nanoseconds a value, and how many times faster that is than the library itself. Made by `python
            benchmarks/providers.py`; not to be edited by hand.
        """),
        "",
        _text(f"""
            Measured {speed["date"]} on {machine["cores"]} shared cores of {machine["cpu"]}, Python
            {machine["python"]}, Faker {versions["faker"]}, Mimesis {versions["mimesis"]}, in
            {speed["seconds"]:.0f} s: medians of {speed["rounds"]} rounds (3 for the other locales) that take
            ours and the library in turn. Ours are Arrow columns in blocks of up to 200,000 rows, as a
            simulation fills them; values of small sets are dictionary columns, which Parquet keeps. The
            library's are Python objects, from a loop without Python code. What it takes to make a provider
            once (up to a second, for pools) is not part of it; `benchmarks/results/providers.json` has it.
        """),
        "",
        _text("""
            *column*: computed for whole columns, every value as likely as the library makes it. *exact pool*:
            all values that there are, with their exact chances. *pool*: drawn from values that the library
            made beforehand, with their repetitions. *row*: made one by one by the library.
        """),
    ]


def kind(method: Method) -> str:
    """How it is made, with exact pools told from sampled ones."""
    if method["how"] == "pool" and "exact" in method["detail"]:
        return "exact pool"
    return str(method["how"])


def ratio(method: Method, rival: str = "theirs") -> float | None:
    """How many times faster than the library, or than faker2."""
    return method[rival] / method["ours"] if method["ours"] and method[rival] else None


def ratios(methods: list[Method], rival: str = "theirs") -> list[float]:
    """Those that there are."""
    return [found for method in methods if (found := ratio(method, rival)) is not None]


def _summary(by_locale: dict[str, list[Method]]) -> Lines:
    heads = ["", "methods", "column", "exact pool", "pool", "row", "column or exact", "median ratio"]
    heads += [f"{ENOUGH} times or more", "failed"]
    lines = [f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * (len(heads) - 1)]
    refused = []
    for locale, methods in by_locale.items():
        made = [method for method in methods if method["how"] not in ("refused", "failed")]
        hows = [sum(kind(m) == how for m in made) for how in ("column", "exact pool", "pool", "row")]
        found = ratios(made)
        cells = ["Mimesis, en" if locale == MIMESIS else f"Faker, {locale}", len(made), *hows]
        cells += [f"{(hows[0] + hows[1]) / len(made):.1%}", f"{statistics.median(found):,.0f}"]
        cells += [f"{sum(r >= ENOUGH for r in found) / len(found):.0%}"]
        cells += [sum(m["how"] == "failed" for m in methods)]
        lines.append(f"| {' | '.join(map(str, cells))} |")
        refused += [f"`{m['name']}` in {locale}" for m in methods if m["how"] == "refused"]
    if refused:
        lines += ["", f"Not counted, because the library itself raises an error: {', '.join(refused)}."]
    return lines


def _most_used(english: list[Method]) -> Lines:
    by_name = {method["name"]: method for method in english}
    used = [by_name[name] for name in MOST_USED]
    found = ratios(used)
    below = [f"`{m['name']}`" for m in used if (ratio(m) or 0) < ENOUGH_MOST_USED]
    return [
        _text(f"""
            Those met most often in some thirty public programs that a code search for `Faker()` and
            `factory.Faker(` gave (a sample, not a census), filled up with what this project's README uses;
            chosen before measuring. {len(used) - len(below)} of {len(used)} reach {ENOUGH_MOST_USED} times
            Faker; the median is {statistics.median(found):,.0f}, the least {min(found):,.0f}. Below:
            {", ".join(below) or "none"}. Where a call of Faker's takes half a microsecond, 200 times would be
            2.5 ns a value: the keyed draw alone, which makes a value the same in any batch, takes 4 to 5.
        """),
        "",
        *_table(used),
    ]


def _rivals(methods: list[Method]) -> Lines:
    found = {f"{m['name']} in {m['locale']}": r for m in methods if (r := ratio(m, "faker2")) is not None}
    if not found:
        return ["Not installed when this was measured."]
    english = ratios([m for m in methods if m["locale"] == "en_US"], "faker2")
    slow = sorted((r, name) for name, r in found.items() if r < ENOUGH_RIVAL)
    return [
        _text(f"""
            faker2 (a Faker in Rust) makes one value a call; of its two ways to make one, a method or
            `gen(locale, name)`, the quicker counts. Its values may be simpler than Faker's: its `name` method
            has no titles. Of the en_US methods it has {len(english)}: ours are {min(english):,.1f} to
            {max(english):,.0f} times faster, median {statistics.median(english):,.0f}. With the other locales
            there are {len(found)} comparisons, {sum(r >= ENOUGH_RIVAL for r in found.values())} of them at
            {ENOUGH_RIVAL} times or more, median {statistics.median(found.values()):,.0f}.
        """),
        *(["", "Below: " + ", ".join(f"`{name}` {r:.1f}" for r, name in slow) + "."] if slow else []),
    ]


def _distribution(found: dict[str, Any]) -> Lines:
    heads = ["locale", "methods", "tests", "below p", "smallest p", "Faker against itself: smallest p"]
    heads += ["distorted samples found"]
    lines = [
        "## Distribution",
        "",
        _text(f"""
            Two-sample tests of every method made by column against Faker itself, {found["values"]:,} values
            on both sides, {found["values_of_others"]:,} in other locales ({found["values_of_long"]} of those
            that take Faker milliseconds: {", ".join(found["long"])}), {found["date"]}: whole values,
            lengths, shapes, characters by place and words by a G-test with the rare categories pooled,
            numbers and times by Kolmogorov-Smirnov. All
            {found["tests"]:,} tests together raise a false alarm for one in
            {1 / found["false_alarms"]:,.0f} sets of seeds (Bonferroni), so each asks for p ≥
            {found["threshold"]:.1e}. `tests/values/test_providers_distribution.py` does the same for en_US
            with smaller samples of Faker's whenever the tests run. Distorted samples, the negative control:
            one value in twenty of ours is replaced by the first (where there is more than one value).
        """),
        "",
        f"| {' | '.join(heads)} |",
        "| --- |" + " ---: |" * (len(heads) - 1),
    ]
    failures = []
    for locale, one in found["locales"].items():
        cells = [locale, one["methods"], f"{one['tests']:,}", len(one["failures"]), f"{one['least']:.1e}"]
        cells += [f"{one['least_of_itself']:.1e}", f"{one['distorted_found']} of {one['distorted']}"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
        failures += [
            f"* `{name}` in {locale}: " + ", ".join(f"{view} (p = {p:.1e})" for view, p in seen.items())
            for name, seen in one["failures"].items()
        ]
    known = "; ".join(f"`{name}`: {why}" for name, why in found["known"].items())
    return [
        *lines,
        "",
        *(["Below p:", "", *failures] if failures else ["None fails."]),
        "",
        f"Known differences: {known}.",
    ]


def _table(methods: list[Method]) -> Lines:
    lines = [
        "| method | how | ours, ns | library, ns | ratio | faker2, ns | ratio |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for m in methods:
        cells = [f"`{m['name']}`", _how(m), _ns(m["ours"]), _ns(m["theirs"]), _times(ratio(m))]
        lines.append(f"| {' | '.join([*cells, _ns(m['faker2']), _times(ratio(m, 'faker2'))])} |")
    return lines


def _wide(by_locale: dict[str, list[Method]]) -> Lines:
    """One table of all locales: how, our nanoseconds, and the ratio to Faker."""
    cells = {name: {m["name"]: _cell(m) for m in methods} for name, methods in by_locale.items()}
    lines = [
        "How it is made, our nanoseconds a value, the ratio to Faker; a dash where Faker has no such method.",
        "",
        f"| method | {' | '.join(by_locale)} |",
        "| --- |" + " --- |" * len(by_locale),
    ]
    names = sorted({name for column in cells.values() for name in column})
    return lines + [
        f"| `{name}` | {' | '.join(c.get(name, '-') for c in cells.values())} |" for name in names
    ]


def _cell(method: Method) -> str:
    if not method["ours"]:
        return str(method["how"])
    return f"{kind(method)}, {_ns(method['ours'])}, {_times(ratio(method))}"


def _how(method: Method) -> str:
    size = method["detail"].removeprefix("pool of ").removesuffix(" distinct values")
    return f"{kind(method)} of {size}" if method["how"] == "pool" and size[:1].isdigit() else kind(method)


def _ns(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f}" if value < 10 else f"{value:,.0f}"


def _times(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f}×" if value < 10 else f"{value:,.0f}×"
