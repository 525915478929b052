"""Durations, instants and the grid of steps (T1 to T4)."""

import datetime as dt
import time
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deep_faker.errors import SettingsError
from deep_faker.times import (
    LATEST,
    Grid,
    format_duration,
    format_instant,
    parse_duration,
    parse_instant,
    to_datetime,
    to_micros,
    to_millis,
)

SECOND = 1_000_000
HOUR = 3_600 * SECOND
CALENDAR = st.datetimes(min_value=dt.datetime(1, 1, 2), max_value=dt.datetime(9999, 12, 30))


@given(CALENDAR)
def test_t1_instants_are_integer_microseconds_utc(moment):
    """A datetime and its microseconds are the same instant, both ways and through text."""
    micros = to_micros(moment)
    assert to_datetime(micros) == moment
    assert parse_instant(format_instant(micros)) == micros


@pytest.mark.parametrize(("micros", "millis"), [(0, 0), (999, 0), (1_000, 1), (-1, -1), (-1_000, -1)])
def test_t1_ets_is_milliseconds_rounded_down(micros, millis):
    """Rounded down, before the epoch too, where cutting would round up."""
    assert to_millis(micros) == millis


@pytest.mark.parametrize(
    ("given_time", "expected"),
    [
        ("1970-01-01", 0),
        ("19700101", 0),
        ("1970-01-01T00:00", 0),
        ("1970-01-01 00:00:01", SECOND),
        ("1970-01-01T00:00:00.000001", 1),
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T02:00:00+02:00", 0),
        ("1969-12-31T23:59:59", -SECOND),
        (dt.datetime(1970, 1, 1), 0),
        (dt.datetime(1970, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=-1))), HOUR),
    ],
)
def test_t2_start_time_takes_iso_and_datetimes(given_time, expected):
    """Naive means UTC; a zone is converted."""
    assert parse_instant(given_time) == expected


def test_t2_now_is_the_wall_clock():
    """The only place where the wall clock enters a run."""
    before = time.time_ns() // 1_000
    assert before <= parse_instant("now") <= time.time_ns() // 1_000


@pytest.mark.parametrize(
    "wrong",
    [
        *("", "yesterday", "NOW", "2024", "2024-01", "2024-13-01", "2024-02-30", "01/02/2024", " 2024-01-01"),
        *("2024-01-01T", "2024-01-01x08:00", "2024-01-01T25:00", "0001-01-01T00:00+10:00"),
        *(None, 0, 1_704_067_200, True, dt.date(2024, 1, 1)),
    ],
)
def test_t2_anything_else_raises(wrong):
    """With the value and the accepted forms in the message."""
    with pytest.raises(SettingsError, match='start_time takes "now", an ISO 8601 date') as caught:
        parse_instant(wrong)
    assert repr(wrong) in str(caught.value)


@pytest.mark.parametrize(
    ("written", "micros"),
    [
        ("90s", 90 * SECOND),
        ("5m", 300 * SECOND),
        ("1h30m", HOUR + HOUR // 2),
        ("1h 30m", HOUR + HOUR // 2),
        ("2d", 48 * HOUR),
        ("1w", 168 * HOUR),
        ("500ms", SECOND // 2),
        ("7us", 7),
        ("1.5h", HOUR + HOUR // 2),
        ("0.1s", SECOND // 10),
        ("P1DT2H", 26 * HOUR),
        ("P2W", 336 * HOUR),
        ("PT1.5S", SECOND + SECOND // 2),
        ("PT0,5H", HOUR // 2),
        (90, 90 * SECOND),
        (0.1, SECOND // 10),
        (Decimal("0.000001"), 1),
        (np.float64(2.5), 2_500_000),
        (np.int64(2), 2 * SECOND),
        (dt.timedelta(days=1, microseconds=1), 24 * HOUR + 1),
    ],
)
def test_t3_durations(written, micros):
    """Every form that the message offers, exactly."""
    assert parse_duration(written) == micros


@pytest.mark.parametrize(
    "wrong",
    [
        *("", "5", "s", "abc", "5x", "5 parsecs", "-5s", "1e3s", "5m5m", "1h,"),
        *("P", "PT", "P1DT", "P1Y", "P1M", "٣s", None, True, float("nan"), float("inf"), [1], 1j, {}),
    ],
)
def test_t3_unreadable_durations_raise(wrong):
    """Nothing silently becomes a default; a unit given twice is a slip of the pen."""
    with pytest.raises(SettingsError, match=r'"90s", "5m", "1h30m", .* a timedelta'):
        parse_duration(wrong)


@pytest.mark.parametrize(
    "wrong", ["0s", "0", 0, 0.0, -1, -0.5, dt.timedelta(0), dt.timedelta(days=-1), "0.0000001s", "PT0S"]
)
def test_t3_zero_and_negative_durations_raise(wrong):
    """Also what rounds to zero microseconds."""
    with pytest.raises(SettingsError, match="wrong time_step"):
        parse_duration(wrong, "time_step")


@pytest.mark.parametrize("wrong", ["99999999w", 10**400, 1e300])
def test_t3_durations_beyond_the_calendar_raise(wrong):
    """No overflow inside the engine: the error comes at the setting."""
    with pytest.raises(SettingsError):
        parse_duration(wrong)


@given(st.integers(1, LATEST))
def test_t3_written_durations_are_read_back(micros):
    """format_duration is the inverse of parse_duration."""
    assert parse_duration(format_duration(micros)) == micros


def test_t3_zero_and_negative_durations_can_be_written():
    """Reports hold differences of instants."""
    assert (format_duration(0), format_duration(-1_500_000)) == ("0s", "-1s500ms")


@given(st.integers(-(10**15), 10**15), st.integers(1, 10**13), st.integers(1, 10**13), st.data())
def test_t4_every_instant_lies_in_one_step(start, duration, step, data):
    """Step k is [start + k*step, start + (k+1)*step), also beyond the end."""
    grid = Grid(start, duration, step)
    instant = data.draw(st.integers(start, start + 3 * duration))
    k = grid.step_of(instant)
    assert grid.start_of(k) <= instant < grid.start_of(k + 1)


@pytest.mark.parametrize(
    ("duration", "step", "n_steps"),
    [("1m", "1s", 60), ("90s", "1m", 2), ("1s", "1m", 1), ("1m", "59.999999s", 2)],
)
def test_t4_the_last_step_may_be_cut(duration, step, n_steps):
    """A rest of duration, however short, is a step of its own."""
    grid = Grid.parse("2024-01-01", duration=duration, time_step=step)
    assert grid.n_steps == n_steps
    assert grid.start_of(grid.n_steps - 1) < grid.end <= grid.start_of(grid.n_steps)


def test_t4_a_grid_ends_within_the_calendar():
    """Datetimes cannot say later instants."""
    with pytest.raises(SettingsError, match="go beyond the year 9999"):
        Grid.parse("9999-12-31", duration="2d")


def test_v1_texts_of_times_of_years_beyond_four_digits():
    """What lies outside of 1 to 9999 has no Python datetime; its parts of a second are cut off all the same."""
    from deep_faker.plan.conversion import datetime_texts

    far = pa.array([-723_815_229_538_419_703, None, 253_402_300_800_000_001], pa.timestamp("us"))
    assert datetime_texts(far).to_pylist() == ["-20967-03-17 22:01:01", None, "10000-01-01 00:00:00"]
