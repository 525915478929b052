"""Labels that are no measure of a window: times with censoring, the next event, how a session ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from deep_faker.features.asked import NextEvent, name_of, refused
from deep_faker.features.measures import Events
from deep_faker.features.search import I64, LAST

if TYPE_CHECKING:
    from deep_faker.features.rows import Rows
    from deep_faker.features.rules import Rules
    from deep_faker.features.world import World


def matured(rows: Rows, rules: Rules, length: int) -> pl.Series:
    """Whether a label over so many µs is known: its window is over, and so is the delay after it."""
    return pl.Series(rows.moments.time + (length + rules.label_delay) <= rules.known)


def view_end(rows: Rows, rules: Rules, length: int | None) -> I64:
    """Until when each row is looked at: the window's end, or what is known."""
    known = np.full(len(rows), rules.known - rules.label_delay, np.int64)
    return known if length is None else np.minimum(known, rows.moments.time + length)


def time_to(events: Events, rows: Rows, rules: Rules, length: int | None) -> tuple[pl.Series, pl.Series]:
    """The time to the next event or to where the view ends, and whether the event was seen."""
    next_ = _next_time(events, rows, rules)
    end = view_end(rows, rules, length)
    observed = next_ <= end
    time = pl.Series(np.where(observed, next_, end) - rows.moments.time).cast(pl.Duration("us"))
    seen = pl.Series(end >= rows.moments.time)
    both = pl.select(
        time=pl.when(seen).then(time), observed=pl.when(seen).then(pl.Series(observed)).otherwise(None)
    )
    return both["time"], both["observed"]


def next_event(world: World, label: NextEvent, rows: Rows, rules: Rules) -> pl.Series:
    """The type of each entity's next event within the view; null where there is none."""
    names = [world.event(name_of(event)) for event in label.events] or world.events
    best = view_end(rows, rules, label.within)
    order = np.full(len(rows), LAST)
    which = np.full(len(rows), -1, np.int64)
    for number, name in enumerate(names):
        events = Events(world, name, ordered=True)
        groups = events.groups
        place = groups.before(rows.code, rules.label_begin(rows.moments))
        some = np.flatnonzero(place < groups.end(rows.code))
        found = groups.rows(place[some])
        assert groups.order is not None
        time, its_order = groups.time[found], groups.order[found]
        sooner = (time < best[some]) | ((time == best[some]) & (its_order < order[some]))
        some, time, its_order = some[sooner], time[sooner], its_order[sooner]
        best[some], order[some], which[some] = time, its_order, number
    kinds = pl.Series([*names, None], dtype=pl.String())
    return kinds.gather(np.where(which < 0, len(names), which))


def outcome(world: World, rows: Rows, rules: Rules, sessions: pl.LazyFrame) -> pl.Series:
    """How the session of each row's event ended; null where that is not known yet."""
    if "sys__sid" not in rows.shown.columns:
        raise refused(
            "no session", "Outcome() of rows that are no events", "give an event type: at=OrderPlaced"
        )
    ends = world.collected(sessions.select("sys__sid", "ended", "outcome"), "sessions")
    found = rows.shown.select("sys__sid").join(ends, on="sys__sid", how="left", maintain_order="left")
    known = pl.col("ended").dt.epoch("us") + rules.label_delay <= rules.known
    outcomes = pl.when(known & (pl.col("outcome") != "cut")).then(pl.col("outcome").cast(pl.String))
    return found.select(outcomes).to_series()


def verdict(world: World, rows: Rows, rules: Rules) -> pl.Series:
    """What had been said of each row's event; False where nothing was, null where it is too early."""
    if "sys__eid" not in rows.shown.columns:
        raise refused(
            "no event", "Verdict() of rows that are no events", "give an event type: at=OrderPlaced"
        )
    if "labels" not in world.source.names():
        world.fail("no labels", "nobody says what is an anomaly", "give the simulation labels=Labels(…)")
    known = pl.col("known_at").dt.epoch("us") <= rules.known
    said = world.collected(world.source.scan("labels").filter(known).select("sys__eid", "anomaly"), "labels")
    found = rows.shown.select("sys__eid").join(said, on="sys__eid", how="left", maintain_order="left")
    ripe = pl.Series(rows.moments.time + rules.label_delay <= rules.known)
    return found.select(pl.when(ripe).then(pl.col("anomaly").fill_null(value=False))).to_series()


def _next_time(events: Events, rows: Rows, rules: Rules) -> I64:
    """When each entity's next event after the row is; `LAST` where there is none."""
    groups = events.groups
    place = groups.before(rows.code, rules.label_begin(rows.moments))
    some = place < groups.end(rows.code)
    time = np.full(len(rows), LAST)
    time[some] = groups.time[groups.rows(place[some])]
    return time
