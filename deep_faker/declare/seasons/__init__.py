"""Seasons: by what a rate is multiplied in the course of time. Users find them in `deep_faker.seasons`."""

from deep_faker.declare.seasons.base import Product, Season, curve_of
from deep_faker.declare.seasons.drifts import Drift, Incident, incidents_of
from deep_faker.declare.seasons.factors import Trend, Window
from deep_faker.declare.seasons.holidays import Holidays
from deep_faker.declare.seasons.presets import EVENTSIM
from deep_faker.declare.seasons.shapes import Daily, Weekly, Yearly

__all__ = [
    "EVENTSIM",
    "Daily",
    "Drift",
    "Holidays",
    "Incident",
    "Product",
    "Season",
    "Trend",
    "Weekly",
    "Window",
    "Yearly",
    "curve_of",
    "incidents_of",
]
