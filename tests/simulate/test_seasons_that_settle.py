"""Seasons that change at some instants only are computed by the kernel however long a flow goes on."""

from __future__ import annotations

import pytest

from deep_faker import AddDecay, BaseEvent, Daily, Field, NewEvent, Select, Simulation
from deep_faker.declare.seasons import Season
from deep_faker.declare.seasons.in_flows import FactorNow
from deep_faker.seasons import Drift, Incident, Trend, Window
from deep_faker.times import parse_instant
from tests.support.engines import ENGINES
from tests.support.worlds.contract_world import User

BEGIN, LAST = (parse_instant(text, "start") for text in ("2024-01-01", "2024-01-05"))
SETTLING = [
    (Window("2024-01-02", "2024-01-03", 3), 1.0),
    (2 * Drift("2024-01-02", 3, tz="Europe/Berlin"), 6.0),
    (Drift("2024-01-02", 3, kind="gradual", width="2d") * Incident("fire", "2024-01-02", "1h", 0.1), 3.0),
]
RESTLESS: list[Season] = [
    Daily(range(24)),
    2 * Trend(1.5, over="30d"),
    Drift("2024-01-02", 3, kind="recurring", width="1d", every="7d"),
    Window("2030-01-01", "2030-01-02", 9),  # after the table's end
    Window("2024-01-02", "2024-01-03", 3) * Daily(range(24)),
]


class Told(BaseEvent):
    """The factor now."""

    number: int = Field(faker="random_int", min=0, max=9)
    factor: float


def world(season: Season) -> Simulation:
    """Flows that look at the season every 20 days, until long after the last start."""
    sim = Simulation("4d", "2024-01-01", "6h", random_seed=1, n_flows=3, initial_entities={User: 5})

    @sim.flow(filter=Select(User))
    def look(ctx):
        for _ in range(5):
            yield NewEvent(ctx, Told, factor=ctx.season(season))
            yield AddDecay(ctx, days=20)

    return sim


@pytest.mark.parametrize(("season", "level"), SETTLING, ids=["window", "drift", "both"])
def test_f14_what_settles_needs_no_python(season: Season, level: float):
    """It has one factor for good, which is the season's own there, on every engine."""
    sim = world(season)
    assert "escapes: 0" in sim.explain()
    runs = [sim.collect(engine=engine)[Told] for engine in ENGINES]
    assert all(run.equals(runs[0]) for run in runs)
    late = runs[0].filter(runs[0]["sys__time"].dt.month() >= 3)
    assert late.height > 3
    assert set(late["factor"]) == {level}


@pytest.mark.parametrize("season", RESTLESS, ids=repr)
def test_f14_what_goes_on_changing_is_asked_for_later_too(season: Season):
    """Then there is no such factor."""
    assert FactorNow(season, BEGIN, LAST).for_good() is None
    assert "escapes: 0" not in world(season).explain()
