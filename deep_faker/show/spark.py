"""Counts over time as a small picture beside a number."""

from __future__ import annotations

from collections.abc import Sequence

from deep_faker.markup import Markup


def spark(counts: Sequence[int], *, width: int = 180, height: int = 22) -> Markup:
    """Columns from left to right, as high as their counts; the highest fills the picture.

    >>> spark([1, 3]).count("<rect")
    2
    """
    if not counts or not max(counts):
        return Markup("")
    each, most = width / len(counts), max(counts)
    bars = "".join(
        f'<rect x="{place * each:.1f}" y="{height - high:.1f}" width="{max(each - 0.6, 0.6):.1f}" '
        f'height="{high:.1f}"/>'
        for place, count in enumerate(counts)
        if (high := count / most * height)
    )
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return Markup(
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="counts over time" '
        f'fill="#2a78d6">{bars}</svg>'
    )
