"""Seasons that others have published."""

from __future__ import annotations

import numpy as np

from deep_faker.declare.seasons.base import Product
from deep_faker.declare.seasons.shapes import Daily, Weekly

# eventsim (Interana, https://github.com/Interana/eventsim), examples/example-config.json: "damping",
# "weekend-damping", and "weekend-damping-offset" and "-scale" in hours.
_DAMPING, _WEEKEND, _OFFSET, _SCALE = 0.09375, 0.5, 3, 6


def _eventsim_day() -> list[float]:
    """How much of a day of even time falls into each hour of the clock, which eventsim warps by a sine.

    An even time s is shown as s + damping * sin(2π(s - 3h)), in days: least is going on at 3, most at 15.
    """
    even = np.linspace(-0.5, 1.5, 2 * 86_400 + 1)
    shown = even + _DAMPING * np.sin(2 * np.pi * (even - 3 / 24))
    hours = np.interp(np.arange(25) / 24, shown, even)
    return [round(24 * float(width), 4) for width in np.diff(hours)]


def _eventsim_week() -> list[float]:
    """Half as much at weekends, with a ramp of six hours around Friday's and Sunday's midnight."""
    middle = np.arange(168) + 0.5
    begins, ends = 5 * 24 - _OFFSET, 7 * 24 - _OFFSET  # Friday and Sunday at 21
    rising = np.clip((middle - begins) / _SCALE, 0, 1)
    falling = np.clip((middle - ends) / _SCALE, 0, 1)
    over = np.clip((middle + 7 * 24 - ends) / _SCALE, 0, 1)  # the last hours of Sunday's are Monday's
    damped = rising - falling + (1 - over)
    return [round(1 - _WEEKEND * float(part), 4) for part in damped]


EVENTSIM: Product = Daily(_eventsim_day()) * Weekly(_eventsim_week())
"""The days and weeks of eventsim's published example: most around 15 o'clock, 3.6 times the least, around 3;
half as much at weekends. ``@sim.flow(rate="1200/h", season=EVENTSIM)``."""
