"""Draws arrivals.svg beside this file: what a rate and its seasons make of two weeks.

python docs/pictures/arrivals.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from deep_faker import BaseEvent, Daily, NewEvent, Simulation, Weekly
from deep_faker.seasons import Window

DAYS, HOUR = 14, 3_600_000_000
WIDTH, LEFT, HEIGHT, TOP = 660, 40, 150, 24
INK, PALE, BAR, LINE = "#334155", "#e2e8f0", "#93c5fd", "#1d4ed8"
DAY = Daily([2, 1, 1, 1, 1, 2, 4, 7, 9, 8, 8, 9, 10, 9, 8, 8, 9, 11, 13, 14, 12, 8, 5, 3])
WEEK = Weekly([1, 1, 1, 1.1, 1.3, 0.8, 0.6])
SALE = Window("2024-11-29", "2024-12-02", 2.5)


class Viewed(BaseEvent):
    """What the flow of the picture makes."""


def counts() -> tuple[list[int], list[float]]:
    """Arrivals of each hour, and how many were to be expected."""
    sim = Simulation(f"{DAYS}d", start_time="2024-11-25", time_step="1m", random_seed=7)

    @sim.flow(rate="60/h", season=DAY * WEEK * SALE)
    def view(ctx):
        yield NewEvent(ctx, Viewed)

    plan = sim.compile()
    hours = plan.settings.start + HOUR * np.arange(24 * DAYS + 1)
    started = sim.collect().sessions["started"].dt.epoch("us").to_numpy()
    rate = plan.flows[0].rate
    assert rate is not None
    expected = [rate.expected(int(begin), int(begin) + HOUR) for begin in hours[:-1]]
    return np.histogram(started, hours)[0].tolist(), expected


def picture() -> str:
    """The whole SVG."""
    found, expected = counts()
    most, wide = max(*found, *expected), (WIDTH - LEFT - 10) / len(found)

    def y(value: float) -> float:
        return TOP + HEIGHT * (1 - value / most)

    bottom = TOP + HEIGHT
    body = [f'<text x="{LEFT}" y="14" fill="{INK}">arrivals an hour (bars), and their rate (line)</text>']
    for day, name in enumerate(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"] * 2):
        at = LEFT + 24 * day * wide
        body.append(f'<path d="M{at:.1f} {TOP}V{bottom + 4}" stroke="{PALE}"/>')
        body.append(f'<text x="{at + 8 * wide:.1f}" y="{bottom + 16}" fill="{INK}">{name}</text>')
    body += [
        f'<text x="{LEFT - 6}" y="{y(level) + 4:.1f}" fill="{INK}" text-anchor="end">{level}</text>'
        for level in range(0, int(most), 100)
    ]
    bars = "".join(
        f"M{LEFT + i * wide:.1f} {bottom}V{y(count):.1f}h{wide:.2f}V{bottom}" for i, count in enumerate(found)
    )
    steps = "".join(f"V{y(rate):.1f}h{wide:.2f}" for rate in expected)
    body.append(f'<path d="{bars}" fill="{BAR}"/>')
    body.append(f'<path d="M{LEFT} {y(expected[0]):.1f}{steps}" stroke="{LINE}" fill="none"/>')
    at = LEFT + 24 * 4 * wide
    body.append(f'<text x="{at:.1f}" y="{TOP - 10}" fill="{INK}">a sale, Friday to Sunday</text>')
    size = f'width="{WIDTH}" height="{bottom + 26}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *body, "</svg>"]) + "\n"


if __name__ == "__main__":
    Path(__file__).with_suffix(".svg").write_text(picture())
