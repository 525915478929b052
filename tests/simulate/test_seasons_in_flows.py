"""Seasons where flows look at them, and where clocks of entities go by them: against theory, on every engine.

Where a test of chance could fail by chance, it does so once in 10,000 seeds; the seed is fixed.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from scipy import stats

from deep_faker import (
    AddDecay,
    BaseEvent,
    Daily,
    Entity,
    Exponential,
    Field,
    NewEvent,
    Select,
    Simulation,
    Weekly,
)
from deep_faker.declare.seasons import Season, curve_of
from deep_faker.declare.seasons.in_flows import FactorNow, in_zone
from deep_faker.draws.curves import FAR, Curve
from deep_faker.seasons import Holidays, Trend, Window, Yearly
from deep_faker.times import parse_instant
from tests.support.engines import ENGINES

FALSE_ALARM = 1e-4
BEGIN = "2024-03-20T05:00"
DAY = 86_400_000_000
CURVE = (
    Daily([0] * 8 + [3] * 16, tz="Europe/Berlin")
    * Weekly([1, 1, 1, 1, 1, 2, 4])
    * Window("2024-03-29", "2024-03-30", 0)
)
SEASONS = [
    Daily(range(24), tz="Europe/Berlin"),
    Yearly(range(1, 13)),
    2 * Weekly(range(7), tz="America/Lima") * Window("2024-03-22T10:20", "2024-03-23T11:11:11", 3),
    Holidays(["2024-03-29", "2024-06-01"], factor=0.3, tz="Asia/Tokyo"),
    Trend(1.5, over="30d") * Window("2024-03-22T10:20:00.000001", "2024-03-23", 3),  # too many cells
    0.25 * Window("2030-01-01", "2030-01-02", 9),
]


class Joined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)


class Seen(BaseEvent):
    user_id: str = ""
    factor: float = 0.0
    there: float = 0.0


class User(Entity):
    source_event = Joined
    primary_key = "user_id"


@pytest.mark.parametrize("season", SEASONS, ids=repr)
def test_f14_a_season_is_that_of_its_instant(season: Season):
    """On every engine, and long after the last start, what the season itself says of the event's instant."""
    sim = Simulation("5d", start_time=BEGIN, time_step="1h", random_seed=3, n_flows=None)

    @sim.flow(rate="9/day")
    def look(ctx):
        for _ in range(3):
            yield AddDecay(ctx, days=Exponential(12))
            there = ctx.season(season, tz="Pacific/Auckland")
            yield NewEvent(ctx, Seen, factor=ctx.season(season), there=there)

    seen = [sim.collect(engine=engine)[Seen] for engine in ENGINES]
    assert seen[0].height > 90
    assert all(one.equals(seen[0]) for one in seen)
    begin = parse_instant(BEGIN, "start")
    at = seen[0]["sys__time"].dt.epoch("us").to_numpy()
    assert at.max() > begin + 60 * DAY
    wanted = np.array([season.factors(at[i : i + 1], begin)[0] for i in range(len(at))])
    assert seen[0]["factor"].to_numpy() == pytest.approx(wanted, rel=1e-12)
    moved = in_zone(season, "Pacific/Auckland")
    wanted = np.array([moved.factors(at[i : i + 1], begin)[0] for i in range(len(at))])
    assert seen[0]["there"].to_numpy() == pytest.approx(wanted, rel=1e-12)


def test_another_time_zone_is_for_those_that_say_none():
    """Of a product each part by itself; the ends of a window are instants, whatever zone they were written in."""
    here = Daily(range(24)) * Weekly(range(7), tz="America/Lima") * Window("2024-01-01", "2024-01-02", 2)
    daily, weekly, window = in_zone(here, "Asia/Tokyo").parts
    assert (daily.tz, weekly.tz) == ("Asia/Tokyo", "America/Lima")
    assert window == here.parts[2]


def test_cells_are_no_finer_than_the_season():
    """Hours need cells of an hour; one level that never changes needs a single one, and no table is huge."""
    begin, last = parse_instant(BEGIN, "start"), parse_instant("2025-03-20", "last")
    cells = FactorNow(CURVE, begin, last).cells()
    assert cells is not None
    assert cells[1] == dt.timedelta(hours=1)
    assert FactorNow(SEASONS[4], begin, last).cells() is None
    level = FactorNow(SEASONS[5], begin, begin + DAY).cells()
    assert level is not None
    assert len(level[2]) == 1


def test_a_curve_finds_when_so_much_has_passed():
    """Over levels of 0, up to the very end of them, and never where nothing follows."""
    curve = Curve(np.array([0, 10, 20, 30]), np.array([1.0, 0.0, 2.0, 0.0]))
    now, area = np.array([0, 0, 5, 12, 0, 40]), np.array([4.0, 10.0, 15.0, 2.0, 31.0, 1.0])
    assert curve.later(now, area).tolist() == [4, 20, 25, 21, FAR, FAR]


def test_t13_clocks_go_by_seasons():
    """On a clock that the season drives, starts are a Poisson process: uniform over what has passed of it."""
    sim = Simulation("20d", start_time=BEGIN, time_step="10m", random_seed=3, n_flows=None)
    sim.change(initial_entities={User: 200})

    @sim.flow(filter=Select(User), every=Exponential(days=1), season=CURVE)
    def visit(ctx):
        yield NewEvent(ctx, Seen)

    @sim.flow(rate="5/day")
    def join(ctx):
        yield NewEvent(ctx, Joined, save_entity=User)

    runs = [sim.collect(engine=engine) for engine in ENGINES]
    assert all(run[Seen].equals(runs[0][Seen]) for run in runs)
    begin = parse_instant(BEGIN, "start")
    end, curve = begin + 20 * DAY, curve_of(CURVE, begin, begin + 20 * DAY)
    seen = runs[0][Seen].join(runs[0].entities[User], on="user_id")
    assert seen.filter(pl.col("sys__time").dt.date() == dt.date(2024, 3, 29)).is_empty()
    times = seen.select(pl.col("sys__time", "born").dt.epoch("us")).rows()
    passed = [curve.area(born, at) / curve.area(born, end) for at, born in times]
    assert stats.kstest(passed, "uniform").pvalue > FALSE_ALARM
    plain = [(at - born) / (end - born) for at, born in times]
    assert stats.kstest(plain, "uniform").pvalue < FALSE_ALARM  # the test sees the season
    expected = sum(curve.area(born, end) / DAY for born in runs[0].entities[User]["born"].dt.epoch("us"))
    assert abs(len(passed) - expected) < 4 * np.sqrt(expected)
