"""Seasons: how the rate of a flow changes with the hour, the day, the year, and for a while.

They multiply: ``@sim.flow(rate="1200/h", season=Daily([…]) * Weekly([…]) * Trend(1.5))``.
"""

from deep_faker.declare.seasons import (
    EVENTSIM,
    Daily,
    Drift,
    Holidays,
    Incident,
    Season,
    Trend,
    Weekly,
    Window,
    Yearly,
)

__all__ = [
    "EVENTSIM",
    "Daily",
    "Drift",
    "Holidays",
    "Incident",
    "Season",
    "Trend",
    "Weekly",
    "Window",
    "Yearly",
]
