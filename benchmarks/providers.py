"""Every provider method of Faker in six locales and of Mimesis: how it is made, and how fast.

    python benchmarks/providers.py                            # everything; writes docs/providers.md
    python benchmarks/providers.py --only email --locale en_US mimesis   # a look, writes nothing
    python benchmarks/providers.py --distribution             # two-sample tests, 50,000 values on both sides

Ours is timed as a simulation uses it: `column` of a block of 200,000 rows (fewer where a value takes
long), once the provider is made.  The library's method is called in a loop that runs in C, and so is
faker2's, which has no bulk interface.  The rounds take them in turn; every figure is the median of its
rounds.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import statistics
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from itertools import repeat, starmap
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import providers_page  # noqa: E402
from run import machine  # noqa: E402

from deep_faker.declare.schema import GeneratorSpec  # noqa: E402
from deep_faker.draws.mix import Draws  # noqa: E402
from deep_faker.errors import DeepFakerError  # noqa: E402
from deep_faker.values import Place, make  # noqa: E402
from deep_faker.values.base import Provider  # noqa: E402
from deep_faker.values.library.libraries import faker_generator, mimesis_generic  # noqa: E402
from deep_faker.values.library.pools import mimesis_method, mimesis_names  # noqa: E402
from tests.support.worlds.provider_world import REQUIRED_ARGUMENTS, START, faker_names, rows  # noqa: E402

LOCALES = ["en_US", "de_DE", "fr_FR", "ja_JP", "pt_BR", "es_ES"]
MIMESIS = "mimesis"
BLOCK, LEAST_BLOCK = 200_000, 10_000
OUR_SECONDS, THEIR_SECONDS = 0.012, 0.006  # what one round may take, roughly
MIMESIS_ARGUMENTS: dict[str, dict[str, Any]] = {
    "choice.choice": {"items": ["a", "b", "c"]},
    "datetime.bulk_create_datetimes": {
        "date_start": dt.datetime(2024, 1, 1),
        "date_end": dt.datetime(2024, 1, 2),
        "hours": 6,
    },
}


@contextmanager
def faker2_may_panic() -> Iterator[None]:
    """Some of its texts are cut within a character, and its panic is no `Exception`."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise


@dataclass
class Row:
    """One method: nanoseconds a value of ours, of its library and of faker2 (None: it has none)."""

    name: str
    locale: str
    how: str = ""
    detail: str = ""
    seconds_to_make: float = 0.0
    ours: float | None = None
    theirs: float | None = None
    faker2: float | None = None
    rounds: dict[str, list[float]] = field(default_factory=dict)
    error: str = ""

    @property
    def ratio(self) -> float | None:
        return self.theirs / self.ours if self.ours and self.theirs else None


def measure(name: str, locale: str, rounds: int, fast: Any) -> Row:
    """Time one method of one locale; what fails is told in ``error``."""
    row = Row(name, locale)
    theirs = library_call(name, locale)
    try:
        library = their_timer(*theirs.loop)
        library()
    except Exception as error:  # noqa: BLE001 - whatever the library raises, in some of its calls or in all
        row.how, row.error = "refused", f"{type(error).__name__}: {error}"
        return row
    began = time.perf_counter()
    try:
        made = our_provider(name, locale)
        made.column(rows(0, 10))
    except DeepFakerError as error:
        row.how, row.error = "failed", str(error)
        return row
    row.seconds_to_make = round(time.perf_counter() - began, 4)
    row.how, row.detail = made.how, made.detail
    rival = faker2_call(fast, name, locale)
    calls: dict[str, Callable[[], float]] = {"ours": our_timer(made), "theirs": library}
    if rival is not None:
        calls["faker2"] = their_timer(*rival)
    row.rounds = {who: [] for who in calls}
    for _ in range(rounds):
        for who, timed in calls.items():
            with faker2_may_panic() if who == "faker2" else nullcontext():
                row.rounds[who].append(round(timed(), 2))
    for who, found in row.rounds.items():
        setattr(row, who, statistics.median(found) if len(found) == rounds else None)
    return row


class Call:
    """A library's method with what it needs: callable, and as (function, arguments) for a loop in C."""

    def __init__(self, method: Callable[..., Any], arguments: dict[str, Any]) -> None:
        self._method, self._arguments = method, arguments
        self.loop = (self, ()) if arguments else (method, ())

    def __call__(self) -> Any:
        return self._method(**self._arguments)


def library_call(name: str, locale: str) -> Call:
    if locale == MIMESIS:
        method = mimesis_method(mimesis_generic("en", 1), name)
        assert method is not None
        return Call(method, MIMESIS_ARGUMENTS.get(name, {}))
    return Call(getattr(faker_generator(locale), name), REQUIRED_ARGUMENTS.get(name, {}))


def our_provider(name: str, locale: str) -> Provider:
    if locale == MIMESIS:
        spec = GeneratorSpec("mimesis", name, tuple(MIMESIS_ARGUMENTS.get(name, {}).items()), "en")
    else:
        spec = GeneratorSpec("faker", name, tuple(REQUIRED_ARGUMENTS.get(name, {}).items()), locale)
    return make(spec, Place(Draws(1), ("field", "E", name), START))


def faker2_call(fast: Any, name: str, locale: str) -> tuple[Callable[..., Any], tuple[Any, ...]] | None:
    """The quicker of the two ways in which faker2 makes the value: a method of its own, or by name."""
    if fast is None or locale == MIMESIS:
        return None
    ways: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
    if locale == "en_US" and name in FAKER2_METHODS:
        ways.append((getattr(fast, name), FAKER2_METHODS[name]))
    with faker2_may_panic():
        if fast.gen(locale, name) is not None:
            ways.append((fast.gen, (locale, name)))
        return min(ways, key=lambda way: their_timer(*way)(), default=None)
    return None


FAKER2_METHODS: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("address", "company", "email", "first_name", "last_name", "name", "phone_number"), ()),
    "sentence": (6,),  # Faker's own default
}


def our_timer(made: Provider) -> Callable[[], float]:
    """Nanoseconds a value for a block; the first, which fills caches, is not counted."""
    small = rows(0, LEAST_BLOCK)
    made.column(small)
    began = time.perf_counter()
    made.column(small)
    each = (time.perf_counter() - began) / LEAST_BLOCK
    block = rows(0, max(LEAST_BLOCK, min(BLOCK, int(OUR_SECONDS / each))))

    def timed() -> float:
        began = time.perf_counter()
        made.column(block)
        return (time.perf_counter() - began) / len(block) * 1e9

    return timed


def their_timer(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Callable[[], float]:
    """Nanoseconds a call, in a loop without Python code."""

    def timed_calls(n: int) -> float:
        began = time.perf_counter()
        deque(starmap(function, repeat(arguments, n)), maxlen=0)
        return (time.perf_counter() - began) / n

    once = timed_calls(3)
    calls = max(2, min(50_000, int(THEIR_SECONDS / once)))
    return lambda: timed_calls(calls) * 1e9


def names_of(locale: str) -> list[str]:
    return mimesis_names(mimesis_generic("en")) if locale == MIMESIS else faker_names(locale)


def measured(locales: list[str], only: str, rounds: int) -> Iterator[Row]:
    """The rows of all methods whose names hold ``only``, as they are measured."""
    try:
        from faker2 import Faker as FastFaker

        fast = FastFaker(1)
        print(f"faker2 {version('faker2')}")
    except ImportError:
        fast = None
        print("faker2 is not installed: not compared (pip install faker2)")
    for locale in locales:
        began = time.perf_counter()
        names = [name for name in names_of(locale) if only in name]
        for name in names:
            yield measure(name, locale, rounds if locale in ("en_US", MIMESIS) else min(rounds, 3), fast)
        print(f"{locale}: {len(names)} methods in {time.perf_counter() - began:.0f} s", flush=True)


def report(row: Row) -> str:
    if row.error:
        return f"{row.locale:8} {row.name:34} {row.how}: {row.error.splitlines()[0][:90]}"
    rival = f"{row.faker2 / row.ours:8,.1f} x faker2" if row.faker2 and row.ours else ""
    return (
        f"{row.locale:8} {row.name:34} {row.how:7} {row.ours or 0:10,.1f} ns {row.theirs or 0:12,.0f} ns "
        f"{row.ratio or 0:10,.0f} x {rival}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="methods whose names hold this; writes no page")
    parser.add_argument("--locale", nargs="*", choices=[*LOCALES, MIMESIS], help="only these; writes no page")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--distribution", action="store_true", help="compare values instead of speed")
    parser.add_argument("--values", type=int, default=50_000, help="on both sides, for --distribution")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--page", type=Path, default=HERE.parent / "docs" / "providers.md")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # Faker warns of locales that it means to drop
    whole = not options.only and options.locale is None
    about = {
        "date": f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d %H:%M} UTC",
        "machine": machine("faker", "mimesis"),
    }
    began = time.perf_counter()
    if options.distribution:
        from provider_distribution import compare_all

        found = compare_all(options.locale or LOCALES, options.only, options.values)
        target = options.results / "provider_distribution.json"
    else:
        rows_ = []
        for row in measured(options.locale or [*LOCALES, MIMESIS], options.only, options.rounds):
            rows_.append(row)
            if not whole:
                print(report(row), flush=True)
        found = {"rounds": options.rounds, "methods": [asdict(row) for row in rows_]}
        target = options.results / "providers.json"
    about["seconds"] = round(time.perf_counter() - began, 1)
    if whole:
        options.results.mkdir(exist_ok=True)
        target.write_text(
            json.dumps({**about, **found}, separators=(",", ":")).replace("},{", "},\n{") + "\n"
        )
        providers_page.write(options.results, options.page)
        print(f"raw results: {target}\npage: {options.page}")
    print(f"{about['seconds']} s")


if __name__ == "__main__":
    main()
