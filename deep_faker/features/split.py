"""Splits of a training frame, by time, by entity or by both, across which nothing is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from deep_faker.draws.mix import derive, mix_unit
from deep_faker.errors import Diagnostic, near, warn
from deep_faker.features.asked import refused
from deep_faker.features.world import World
from deep_faker.times import format_duration, to_datetime

PARTS = ("train", "validation", "test")


class Split(NamedTuple):
    """The three parts of a frame, as lazy frames."""

    train: pl.LazyFrame
    validation: pl.LazyFrame
    test: pl.LazyFrame


def split(
    world: World,
    frame: pl.DataFrame,
    *,
    by: Sequence[str],
    gap: int | None,
    edges: tuple[int | None, int | None],
    shares: Sequence[float],
    seed: int,
    labels: Sequence[str],
) -> Split:
    """See `Dataset.split`; times in µs, ``gap`` None where the label has no end."""
    if not by or set(by) - {"time", "entity"}:
        wrong = [each for each in by if each not in ("time", "entity")]
        mend = near(str(wrong[0]), ("time", "entity"), "by") if wrong else 'by="time", "entity", or both'
        raise refused("wrong by", f"by={list(by)!r}", mend)
    known = [pl.col(name).is_not_null() for name in labels if name in frame.columns]
    frame = frame.filter(pl.any_horizontal(known)) if known else frame
    if len(shares) != len(PARTS) or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-9:
        raise refused(
            "wrong shares", f"shares={tuple(shares)!r}", "give three that make 1: (0.7, 0.15, 0.15)"
        )
    part = np.zeros((len(by), frame.height), np.int64)
    for row, way in zip(part, by):
        if way == "entity":
            row[:] = _by_entity(world, frame, shares, seed)
        else:
            row[:] = _by_time(frame, gap, edges, shares)
    # of a cell that is mixed, train by one and test by the other, nothing is kept
    agreed = np.where((part == part[0]).all(axis=0), part[0], -1)
    parts = [frame.filter(pl.Series(agreed == number)) for number in range(len(PARTS))]
    _check(parts, labels, " and ".join(by), gap)
    return Split(*(each.lazy() for each in parts))


def _by_time(
    frame: pl.DataFrame, gap: int | None, edges: tuple[int | None, int | None], shares: Sequence[float]
) -> np.typing.NDArray[np.int64]:
    """The part of each row; -1 where its label reaches into the next part."""
    if gap is None:
        mend = 'give the gap between the parts: gap="14d"'
        raise refused("how far apart?", "the frame does not say how far its labels look ahead", mend)
    at = frame["at"].dt.epoch("us").to_numpy()
    times = np.sort(at)
    rows = len(times) - 1
    first, second = (
        edge if edge is not None else int(times[int(rows * share)]) if rows >= 0 else 0
        for edge, share in zip(edges, (shares[0], shares[0] + shares[1]))
    )
    if first >= second:
        label = f"validation from {to_datetime(first)}, test from {to_datetime(second)}"
        raise refused("no room for a validation", label, "give more instants, or validation= and test=")
    return np.select([at + gap <= first, (at >= first) & (at + gap <= second), at >= second], [0, 1, 2], -1)


def _by_entity(
    world: World, frame: pl.DataFrame, shares: Sequence[float], seed: int
) -> np.typing.NDArray[np.int64]:
    """The part of each row's entity, by a keyed draw: the same in every frame of one seed."""
    code = world.codes(frame.lazy().select(world.key)).collect().to_series().to_numpy()
    draw = mix_unit(derive(seed, "split", world.entity), code.astype(np.uint64))
    return np.searchsorted(np.cumsum(shares)[:-1], draw, side="right")


def _check(parts: Sequence[pl.DataFrame], labels: Sequence[str], by: str, gap: int | None) -> None:
    counts = {name: part.height for name, part in zip(PARTS, parts)}
    empty = [name for name, rows in counts.items() if not rows]
    if empty:
        apart = f", {format_duration(gap)} apart" if gap else ""
        listed = ", ".join(f"{rows:,} rows of {name}" for name, rows in counts.items())
        label = f"split by {by}{apart}: {listed}"
        raise refused(
            f"too few rows for {' and '.join(empty)}", label, "give more instants, or a shorter gap"
        )
    for name, part in zip(PARTS, parts):
        for column in labels:
            if column in part and part[column].dtype == pl.Boolean and not part[column].any():
                label = f"{column!r} is true in none of {part.height:,} rows"
                warn(Diagnostic(f"{name} has no positives", None, label, "take more rows or a longer window"))


def horizon(rules: Mapping[str, Any]) -> int | None:
    """How far a frame's labels reach beyond their row until they are known, in µs; None: without end."""
    length = rules.get("horizon_us")
    return None if length is None else int(length) + int(rules.get("label_delay_us", 0))
