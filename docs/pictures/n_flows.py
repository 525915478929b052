"""Draws n_flows.svg beside this file: what `n_flows` and `time_step` do to a world.

python docs/pictures/n_flows.py
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from deep_faker import AddDecay, BaseEvent, Exponential, NewEvent, Simulation

SECONDS = 60
WIDTH, LEFT, LANE, GAP = 660, 20, 13, 58
INK, PALE, BAR, DOT = "#334155", "#e2e8f0", "#93c5fd", "#1d4ed8"
ORIGIN = 1_704_067_200_000  # 2024-01-01, in ms
WORLDS = [
    (3, "1s", "n_flows=3, time_step='1s': three at once, and a place is filled again in the next second"),
    (9, "1s", "n_flows=9, time_step='1s': three times as many at once, three times as many events"),
    (9, "15s", "n_flows=9, time_step='15s': a place, like a freed entity, waits for the next step"),
]


class Clicked(BaseEvent):
    """What the sessions of the picture are made of."""


def sessions(n_flows: int, time_step: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The sessions of one world, and its events."""
    sim = Simulation(
        f"{SECONDS}s", start_time="2024-01-01", time_step=time_step, n_flows=n_flows, random_seed=2
    )

    @sim.flow()
    def visit(ctx):
        yield NewEvent(ctx, Clicked)
        for _ in range(20):
            yield AddDecay(ctx, rate=0.3, seconds=Exponential(3))
            yield NewEvent(ctx, Clicked)

    ds = sim.collect()
    start = pl.lit("2024-01-01").str.to_datetime()
    times = ((pl.col(name) - start).dt.total_microseconds() / 1e6 for name in ("started", "ended"))
    return ds.sessions.with_columns(*times).sort("started"), ds["Clicked"]


def lanes(started: list[float], ended: list[float]) -> list[int]:
    """For each session a lane that is free from its start on."""
    free: list[float] = []
    out = []
    for start, end in zip(started, ended, strict=True):
        lane = next((at for at, until in enumerate(free) if until <= start), len(free))
        free[lane : lane + 1] = [end]
        out.append(lane)
    return out


def x(seconds: float) -> float:
    """Where an instant stands."""
    return LEFT + (WIDTH - 2 * LEFT) * min(seconds, SECONDS + 1.5) / (SECONDS + 1.5)


def text(left: int, base: int, words: str) -> str:
    """A line of text."""
    return f'<text x="{left}" y="{base}" fill="{INK}">{words}</text>'


def panel(top: int, n_flows: int, time_step: str, title: str) -> tuple[list[str], int]:
    """One world's drawing, and where it ends."""
    rows, clicks = sessions(n_flows, time_step)
    bottom = top + n_flows * LANE
    out = [text(LEFT, top - 10, title)]
    steps = range(0, SECONDS + 1, int(time_step.removesuffix("s")))
    out += [f'<path d="M{x(second):.1f} {top}V{bottom}" stroke="{PALE}"/>' for second in steps]
    place = dict(
        zip(rows["sys__sid"], lanes(rows["started"].to_list(), rows["ended"].to_list()), strict=True)
    )
    for sid, start, end in rows.select("sys__sid", "started", "ended").iter_rows():
        y, width = top + place[sid] * LANE + 2, max(2.0, x(end) - x(start))
        size = f'width="{width:.1f}" height="{LANE - 4}"'
        out.append(f'<rect x="{x(start):.1f}" y="{y}" {size} rx="3" fill="{BAR}"/>')
    for sid, ets in clicks.select("sys__sid", "sys__ets").iter_rows():
        if (second := (ets - ORIGIN) / 1000) <= SECONDS + 1.5:
            y = top + place[sid] * LANE + 6.5
            out.append(f'<circle cx="{x(second):.1f}" cy="{y}" r="2" fill="{DOT}"/>')
    return out, bottom


def picture() -> str:
    """The whole SVG."""
    body: list[str] = []
    bottom = -14
    for world in WORLDS:
        drawn, bottom = panel(bottom + GAP - 14, *world)
        body += drawn
    legend = "one bar a session, one dot an event, one line a time step; sixty seconds from left to right"
    body.append(text(LEFT, bottom + 22, legend))
    size = f'width="{WIDTH}" height="{bottom + 34}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">'
    paper = '<rect width="100%" height="100%" fill="white"/>'
    return "\n".join([head, paper, *body, "</svg>"]) + "\n"


if __name__ == "__main__":
    Path(__file__).with_suffix(".svg").write_text(picture())
