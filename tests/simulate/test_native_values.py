"""Native numbers and times against Python, value by value: rounding, functions of `math`, the calendar."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from itertools import product
from typing import Any

import pytest

from deep_faker.plan import Type
from deep_faker.simulate.native.opcodes import FUNCTIONS
from tests.support.native.checks import check
from tests.support.worlds.expression_world import POOLS


def sweep(text: str, types: Mapping[str, Type], rows: Mapping[str, Sequence[Any]], **consts: Any) -> None:
    """All rows have Python's value, and none is left to it without need."""
    check(text, types, rows, {"math": math, "timedelta": timedelta, **consts}, strict=True)


def test_e2_lengths_of_time_round_as_pythons() -> None:
    """E2: a timedelta times or over a number is rounded half to even, whatever the float's last bit says."""
    rng = random.Random(5)
    lengths = [
        timedelta(microseconds=rng.randrange(-(10 ** rng.randrange(1, 13)), 10**12)) for _ in range(4000)
    ]
    factors = [rng.choice((0.5, 1.5, 0.25, -2.5, 1e-3, rng.random(), rng.uniform(-90, 90))) for _ in lengths]
    numbers = [rng.choice((2, -2, 4, 3, 7, -1, rng.randrange(1, 1000))) for _ in lengths]
    types = {"d": Type("timedelta"), "f": Type("float"), "i": Type("int")}
    rows: dict[str, Sequence[Any]] = {"d": lengths, "f": factors, "i": numbers}
    for text in (
        "d * f",
        "f * d",
        "d / f",
        "d / i",
        "d // i",
        "d * i",
        "d.total_seconds() * f",
        "abs(d) % d",
    ):
        names = [name for name in "dfi" if re.search(rf"\b{name}\b", text)]
        keep = [i for i, length in enumerate(lengths) if length or "%" not in text]
        sweep(text, {n: types[n] for n in names}, {n: [rows[n][i] for i in keep] for n in names})
    for unit in ("microseconds", "milliseconds", "seconds", "minutes", "hours", "days", "weeks"):
        sweep(f"timedelta({unit}=f)", {"f": types["f"]}, {"f": factors})
    sweep(
        "timedelta(weeks=i, hours=f, days=f, microseconds=f)",
        {"f": types["f"], "i": types["i"]},
        {"f": factors, "i": numbers},
    )


def test_e2_the_calendar_is_pythons() -> None:
    """E2: parts of dates and instants from the first day to the last."""
    days = [date.fromordinal(n) for n in range(1, date.max.toordinal() + 1, 211)] + [
        date.max,
        date(2000, 2, 29),
    ]
    times = [datetime.combine(day, time(day.day % 24, day.month, day.day, 7 * day.year)) for day in days]
    for part in ("year", "month", "day", "weekday()", "isoweekday()", "toordinal()"):
        sweep(f"x.{part}", {"x": Type("date")}, {"x": days})
        sweep(f"x.{part}", {"x": Type("datetime")}, {"x": times})
    for part in ("hour", "minute", "second", "microsecond", "date()"):
        sweep(f"x.{part}", {"x": Type("datetime")}, {"x": times})


@pytest.mark.parametrize("name", [*FUNCTIONS, "fabs", "degrees", "radians", "isnan", "isinf", "isfinite"])
def test_e2_functions_of_math_are_pythons(name: str) -> None:
    """E2: to the last bit, and what Python refuses is left to it."""
    rng = random.Random(name)
    values = [
        rng.choice((rng.gauss(0, 1), rng.uniform(-1, 1), rng.gauss(0, 1) * 10.0 ** rng.randrange(-9, 9)))
        for _ in range(3000)
    ]
    sweep(f"math.{name}(x)", {"x": Type("float")}, {"x": [*values, *POOLS["float"]]})
    sweep(f"math.{name}(i)", {"i": Type("int")}, {"i": POOLS["int"]})


@pytest.mark.parametrize(
    "text",
    [
        "x ** y",
        "math.pow(x, y)",
        "math.atan2(x, y)",
        "math.fmod(x, y)",
        "math.copysign(x, y)",
        "math.log(abs(x), abs(y))",
    ],
)
def test_e2_functions_of_two_floats_are_pythons(text: str) -> None:
    """E2: the same of a power, whose special values are many."""
    rng = random.Random(text)
    pairs = list(product(POOLS["float"], repeat=2))
    pairs += [(rng.gauss(0, 3), rng.choice((2.0, 3.0, 0.5, -1.0, rng.gauss(0, 3)))) for _ in range(3000)]
    types = {"x": Type("float"), "y": Type("float")}
    check(
        text,
        types,
        {"x": [a for a, _ in pairs], "y": [b for _, b in pairs]},
        {"math": math},
        strict="fmod" not in text,
    )


@pytest.mark.parametrize("digits", [-3, -1, 0, 1, 2, 5, 12])
def test_e2_round_is_pythons(digits: int) -> None:
    """E2: ties of the decimal that was written, and the floats beside them."""
    rng = random.Random(digits)
    ties = [(rng.randrange(-(10**6), 10**6) + 0.5) / 10.0**digits for _ in range(2000)]
    near = [math.nextafter(x, side) for x in ties for side in (-math.inf, math.inf)]
    large = POOLS["float"] if digits >= 0 else []  # tens of these are left to Python
    sweep(f"round(x, {digits})", {"x": Type("float")}, {"x": [*ties, *near, *large]})
