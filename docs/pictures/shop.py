"""Draws shop.svg beside this file: the hours, the orders and the best-sellers of examples/ecommerce.py.

python docs/pictures/shop.py
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl

from deep_faker.loader import load_simulation

SHOP = Path(__file__).parents[2] / "examples" / "ecommerce.py"
DAYS, HOUR = 14, 3_600_000_000
BEGINS, ENDS = 95, 191  # the hours of the sale
LEFT, MIDDLE, RIGHT, WIDTH = 44, 520, 572, 780
TOP, HEIGHT, GAP = 24, 120, 52
INK, GREY, PALE, SALE = "#334155", "#94a3b8", "#e2e8f0", "#fef3c7"
BAR, LINE, BACK = "#93c5fd", "#1d4ed8", "#dc2626"
TIME = "sys__time"
COLUMNS = {"ProductViewed": [TIME, "product_id"], "OrderPlaced": [TIME], "OrderReturned": [TIME]}


def counts() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Of each type, events by hour from the start on; and the views of each product, the most first."""
    sim = load_simulation(str(SHOP))
    start = sim.compile().settings.start
    hours: dict[str, np.ndarray] = dict.fromkeys(COLUMNS, np.zeros(24 * DAYS, dtype=int))
    views = []
    for batch in sim.batches(list(COLUMNS), columns=COLUMNS):
        views.append(batch["ProductViewed"].group_by("product_id").len())
        for event in COLUMNS:
            at = batch[event][TIME].dt.epoch("us").to_numpy()
            within = np.histogram((at - start) / HOUR, np.arange(24 * DAYS + 1))[0]
            hours[event] = hours[event] + within
    by_rank = pl.concat(views).group_by("product_id").agg(pl.col("len").sum())["len"].sort(descending=True)
    return hours, by_rank.to_numpy()


def words(x: float, y: float, text: str, *, anchor: str = "start", colour: str = INK) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{text}</text>'


def weeks(top: float, most: float, step: int) -> list[str]:
    """The frame of a chart over two weeks: days, the sale, and levels."""
    wide, bottom = (MIDDLE - LEFT) / (24 * DAYS), top + HEIGHT
    size = f'width="{(ENDS - BEGINS) * wide:.1f}" height="{HEIGHT}"'
    body = [f'<rect x="{LEFT + BEGINS * wide:.1f}" y="{top}" {size} fill="{SALE}"/>']
    for day, name in enumerate(["M", "T", "W", "T", "F", "S", "S"] * 2):
        at = LEFT + 24 * day * wide
        body.append(f'<path d="M{at:.1f} {top}V{bottom + 4}" stroke="{PALE}"/>')
        body.append(words(at + 12 * wide, bottom + 15, name, anchor="middle", colour=GREY))
    return body + [
        words(LEFT - 6, bottom - HEIGHT * level / most + 4, f"{level:,}", anchor="end")
        for level in range(0, int(most) + 1, step)
    ]


def bars(values: np.ndarray, top: float, most: float) -> str:
    wide, bottom = (MIDDLE - LEFT) / len(values), top + HEIGHT
    return "".join(
        f"M{LEFT + i * wide:.1f} {bottom}V{bottom - HEIGHT * value / most:.1f}h{wide:.2f}V{bottom}"
        for i, value in enumerate(values)
    )


def steps(values: np.ndarray, top: float, most: float) -> str:
    wide, bottom = (MIDDLE - LEFT) / len(values), top + HEIGHT
    levels = [bottom - HEIGHT * value / most for value in values]
    return f"M{LEFT} {levels[0]:.1f}" + "".join(f"V{y:.1f}h{wide:.2f}" for y in levels)


def ranks(views: np.ndarray) -> list[str]:
    """Views by rank, both as logarithms, and the line of Zipf's law."""
    bottom, tall, wide = TOP + 2 * HEIGHT + GAP, 2 * HEIGHT + GAP, WIDTH - 10 - RIGHT
    across, up = wide / math.log10(len(views)), tall / 4  # from ten views on

    def place(rank: float, value: float) -> str:
        return f"{RIGHT + across * math.log10(rank):.1f} {bottom - up * (math.log10(value) - 1):.1f}"

    body = []
    for power in range(1, 6):
        y = bottom - up * (power - 1)
        body.append(f'<path d="M{RIGHT} {y:.1f}H{WIDTH - 10}" stroke="{PALE}"/>')
        label = f"{10**power:,}" if power < 4 else f"{10 ** (power - 3)}k"
        body.append(words(RIGHT - 6, y + 4, label, anchor="end"))
    body += [words(RIGHT + across * n, bottom + 15, f"{10**n:,}", anchor="middle") for n in range(4)]
    shown = sorted({round(10 ** (i / 12)) for i in range(41)} & set(range(1, len(views) + 1)))
    dots = "".join(
        f'<circle cx="{at[0]}" cy="{at[1]}" r="3"/>'
        for at in (place(rank, views[rank - 1]).split() for rank in shown)
    )
    middle = views[99] * 100**0.9  # the law through the hundredth, where chance plays no part
    line = f"M{place(1, middle)}L{place(len(views), middle / len(views) ** 0.9)}"
    body.append(f'<path d="{line}" stroke="{GREY}" fill="none" stroke-dasharray="4 3"/>')
    body.append(f'<g fill="{LINE}">{dots}</g>')
    return body


def picture() -> str:
    """The whole SVG."""
    hours, views = counts()
    looks = hours["ProductViewed"]
    placed, back = (hours[name].reshape(-1, 6).sum(axis=1) for name in ("OrderPlaced", "OrderReturned"))
    most, many, second = 1.05 * looks.max(), 1.05 * placed.max(), TOP + HEIGHT + GAP
    body = [
        words(LEFT, 14, "products viewed, an hour"),
        words(LEFT + (BEGINS + 4) * (MIDDLE - LEFT) / (24 * DAYS), TOP + 14, "the sale"),
        words(LEFT, second - 10, "orders (bars) and returns (line), each six hours"),
        words(RIGHT, 14, "views of a product, by rank"),
    ]
    body = [
        *weeks(TOP, most, 2_000),
        f'<path d="{bars(looks, TOP, most)}" fill="{BAR}"/>',
        *weeks(second, many, 250),
        f'<path d="{bars(placed, second, many)}" fill="{BAR}"/>',
        f'<path d="{steps(back, second, many)}" stroke="{BACK}" stroke-width="1.5" fill="none"/>',
        *ranks(views),
        *body,
    ]
    size = f'width="{WIDTH}" height="{second + HEIGHT + 24}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *body, "</svg>"]) + "\n"


if __name__ == "__main__":
    Path(__file__).with_suffix(".svg").write_text(picture())
