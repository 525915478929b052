"""Seasons: shapes of days, weeks and years in local time, windows, trends, holidays, and their products."""

from __future__ import annotations

import datetime as dt
import sys
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from deep_faker import Daily, Weekly
from deep_faker.declare.seasons import curve_of
from deep_faker.errors import DeclarationError
from deep_faker.seasons import EVENTSIM, Holidays, Season, Trend, Window, Yearly
from deep_faker.times import parse_instant, to_datetime, to_micros


def levels(season: Season, begin: str, end: str, minutes: int = 15) -> dict[dt.datetime, float]:
    """The factors at each quarter of an hour."""
    first, last = parse_instant(begin), parse_instant(end)
    at = np.arange(first, last, minutes * 60_000_000)
    values = curve_of(season, first, last).at(at).tolist()
    return dict(zip(map(to_datetime, at.tolist()), values, strict=True))


@pytest.mark.parametrize(
    "zone", [None, "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]
)
@pytest.mark.parametrize(
    "begin", ["2024-03-08T05:30", "2024-03-29", "2024-10-04T01:00", "2024-10-25", "2024-11-01"]
)
def test_shapes_are_those_of_the_local_clock(zone: str | None, begin: str):
    """At each instant of a week, the hour and the weekday are what `zoneinfo` says: also as clocks are set."""
    end = (dt.datetime.fromisoformat(begin) + dt.timedelta(days=7)).isoformat()
    for season in (Daily(range(24), tz=zone), Weekly(range(7), tz=zone), Weekly(range(168), tz=zone)):
        for at, level in levels(season, begin, end).items():
            local = at.replace(tzinfo=dt.UTC).astimezone(ZoneInfo(zone or "UTC"))
            part = {24: local.hour, 7: local.weekday(), 168: 24 * local.weekday() + local.hour}
            count = len(season.weights)
            assert level == pytest.approx(part[count] / np.mean(range(count)))


def test_an_hour_is_missing_and_comes_twice():
    """Berlin, 2024: no hour from 2 to 3 on 31 March, two of them on 27 October."""
    season = Daily([0, 0, 24, *[0] * 21], tz="Europe/Berlin")  # the hour from 2 alone
    hours = [
        sum(levels(season, f"{day}T00:00+01:00", f"{day} 23:00+01:00", 60).values()) / 24
        for day in ("2024-03-30", "2024-03-31", "2024-10-27")
    ]
    assert hours == [1, 0, 2]


def test_shapes_average_one():
    """So a rate stays the average rate, whatever the weights: counts of one's own data will do."""
    year = "2023-01-01", "2024-01-01"
    for season in (
        Daily(range(24)),
        Weekly([5, 5, 5, 5, 5, 0, 10]),
        Daily([7] * 24) * Weekly([3] * 7),
        EVENTSIM,
    ):
        values = list(levels(season, "2024-01-01", "2024-02-26", 60).values())
        assert np.mean(values) == pytest.approx(1.0)
    values = list(levels(Yearly([1, 9, *[1] * 9, 30]), *year, 60).values())
    assert np.mean(values) == pytest.approx(1.0, abs=2e-3)  # February has 28 days here, 28.24 on average


def test_months_of_the_year():
    """Each month has its weight, up to midnight in its time zone."""
    season = Yearly(range(1, 13), tz="Asia/Tokyo")
    ratio = levels(season, "2024-02-29", "2024-03-01")
    before, after = ratio[dt.datetime(2024, 2, 29, 14, 45)], ratio[dt.datetime(2024, 2, 29, 15, 0)]
    assert after / before == pytest.approx(3 / 2)


def test_a_window_multiplies_for_a_while():
    """From its start to before its end, in its time zone unless an instant has an offset of its own."""
    for season in (
        Window("2024-06-01", "2024-06-02", 3, tz="Europe/Berlin"),
        Window(dt.datetime(2024, 6, 1), dt.datetime(2024, 6, 1, 22, tzinfo=dt.UTC), 3, tz="Europe/Berlin"),
        Window("2024-05-31T22:00", "2024-06-02T00:00+02:00", 3),
    ):
        inside = [at for at, level in levels(season, "2024-05-31", "2024-06-03").items() if level == 3]
        assert (min(inside), max(inside)) == (dt.datetime(2024, 5, 31, 22), dt.datetime(2024, 6, 1, 21, 45))
    assert set(levels(Window("2030-01-01", "2030-01-02", 3), "2024-05-31", "2024-06-03").values()) == {1.0}


def test_a_trend_grows_by_its_factor():
    """Twice as much after each year, from the run's start or from an instant; step by step from hour to hour."""
    values = levels(Trend(2.0, over="365d"), "2023-01-01", "2025-01-01", 60)
    assert values[dt.datetime(2024, 1, 1)] == pytest.approx(2.0, rel=1e-3)
    assert values[dt.datetime(2023, 1, 1)] == pytest.approx(1.0, rel=1e-3)
    since = levels(Trend(0.5, over="1d", since="2023-01-01"), "2023-01-03", "2023-01-04", 5)
    assert next(iter(since.values())) == pytest.approx(0.25, rel=0.02)
    assert len(set(since.values())) == 24


def test_seasons_multiply():
    """With each other, in any order, and with numbers; nothing else."""
    daily, window = Daily(range(24)), Window("2024-06-01", "2024-06-02", 3)
    span = "2024-05-31", "2024-06-03"
    each = [levels(season, *span) for season in (daily, window)]
    both, other = levels(0.5 * daily * window, *span), levels(window * (daily * 0.5), *span)
    for at, level in both.items():
        assert level == pytest.approx(0.5 * each[0][at] * each[1][at])
        assert other[at] == pytest.approx(level)
    for wrong in ("2", None, True, -1, float("nan")):
        with pytest.raises(DeclarationError):
            daily * wrong


def test_dates_of_ones_own():
    """The factor holds from midnight to midnight on these days."""
    season = Holidays(["2024-12-25", dt.date(2024, 12, 31)], factor=0.3, tz="America/New_York")
    low = [at for at, level in levels(season, "2024-12-20", "2025-01-05", 60).items() if level == 0.3]
    assert low[0] == dt.datetime(2024, 12, 25, 5)
    assert len(low) == 48
    assert low[-1] == dt.datetime(2025, 1, 1, 4)


def test_holidays_of_a_country():
    """The dates that the package `holidays` knows, over all years of a run; regions have their own."""
    pytest.importorskip("holidays")
    low = levels(Holidays("DE", factor=0.2, tz="Europe/Berlin"), "2023-12-01", "2026-02-01", 24 * 60)
    days = [(at + dt.timedelta(hours=1)).date() for at, level in low.items() if level == 0.2]
    assert {dt.date(2023, 12, 25), dt.date(2024, 10, 3), dt.date(2025, 5, 1), dt.date(2026, 1, 1)} <= set(
        days
    )
    assert dt.date(2024, 11, 1) not in days
    bavaria = levels(Holidays("DE", factor=0.2, region="BY"), "2024-11-01", "2024-11-02", 60)
    assert set(bavaria.values()) == {0.2}
    for wrong in ({"days": "XX"}, {"days": "DE", "region": "ZZ"}):
        with pytest.raises(DeclarationError, match=wrong.get("region", "XX")):
            Holidays(**wrong, factor=1)


def test_without_the_package_the_command_is_named(monkeypatch: pytest.MonkeyPatch):
    """What is missing is said where the season is made; dates need no package."""
    monkeypatch.setitem(sys.modules, "holidays", None)
    with pytest.raises(DeclarationError, match=r'pip install "deep-faker\[holidays\]"'):
        Holidays("DE", factor=0.3)
    assert repr(Holidays(["2024-12-25"], factor=0.3)) == "Holidays(1 dates, factor=0.3)"


def test_eventsim_is_what_eventsim_does():
    """Even times that are shifted as eventsim shifts them fall into hours as the preset says."""
    seconds = np.arange(0, 7 * 86_400, 7) + 0.5
    warped = (seconds + 0.09375 * 86_400 * np.sin((seconds - 3 * 3600) * 2 * np.pi / 86_400)) % 86_400
    found = np.histogram(warped, np.arange(25) * 3600)[0]
    daily, weekly = EVENTSIM.parts
    assert found / found.mean() == pytest.approx(np.array(daily.weights), rel=0.01)
    week = np.array(weekly.weights).reshape(7, 24)
    assert (week[1:4] == 1).all()
    assert week[5, 12] == week[6, 12] == 0.5
    assert week[0, 0] == week[4, 23] == pytest.approx(1 - 0.5 * 2.5 / 6, abs=1e-4)


WRONG = [
    (lambda: Daily([1, 2, 3]), "got 3 weights"),
    (lambda: Daily(7), "got 7"),
    (lambda: Daily([0] * 24), "all weights are 0"),
    (lambda: Daily([1] * 23 + [-1]), r"weights\[23\]=-1"),
    (lambda: Daily("x" * 24), r"weights\[0\]='x'"),
    (lambda: Weekly([1] * 8), "got 8 weights"),
    (lambda: Yearly([float("inf")] * 12), r"weights\[0\]=inf"),
    (lambda: Daily([1] * 24, tz="Berlin"), "tz='Berlin'"),
    (lambda: Daily([1] * 24, tz="../x"), "tz='../x'"),
    (lambda: Daily([1] * 24, tz=3), "tz=3"),
    (lambda: Window("2024-01-02", "2024-01-01", 2), "is not before"),
    (lambda: Window("now", "2024-01-01", 2), "start='now'"),
    (lambda: Window("soon", "2024-01-01", 2), "soon"),
    (lambda: Window("2024-01-01", "2024-01-02", -2), "factor=-2"),
    (lambda: Trend(0), "factor=0"),
    (lambda: Trend(2, over="0d"), "0d"),
    (lambda: Holidays(["2024-13-01"], 1), "2024-13-01"),
    (lambda: Holidays(3, 1), "got 3"),
    (lambda: Holidays(["2024-12-01"], 1, region="BY"), "region="),
]


@pytest.mark.parametrize(("make", "says"), WRONG)
def test_what_is_no_season_is_refused(make, says: str):
    """At the line that makes it, with the value."""
    with pytest.raises(DeclarationError, match=says) as refusal:
        make()
    assert refusal.value.diagnostic.span.file == __file__


def test_instants_round_trip():
    """What a window shows is what it was given, in UTC."""
    assert (
        repr(Window("2024-06-01", "2024-06-02", 3))
        == "Window('2024-06-01T00:00:00', '2024-06-02T00:00:00', 3)"
    )
    assert to_micros(dt.datetime(2024, 6, 1)) == Window("2024-06-01", "2024-06-02", 3).start
