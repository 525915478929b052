"""The rows of a training frame: which entities are asked about, and when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from deep_faker.features.asked import Every, refused
from deep_faker.features.rules import Rules
from deep_faker.features.search import I64, LAST, Mask, Moments
from deep_faker.features.world import World
from deep_faker.tables.source import ORDER, TIME
from deep_faker.times import parse_instant


@dataclass(frozen=True)
class Rows:
    """``code``: the entity of each row; ``shown``: the columns that rows have of themselves.

    They are sorted by (entity, moment), so that searches go forward; ``place`` is where each is handed out.
    ``left_out`` counts those that were not: nobody was born yet.
    """

    code: I64
    moments: Moments
    shown: pl.DataFrame
    place: I64
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.code)

    def only(self, kept: Mask) -> Rows:
        """The rows that are kept."""
        if kept.all():
            return self
        shown = self.shown.filter(pl.Series(kept))
        return Rows(self.code[kept], self.moments[kept], shown, self.place[kept], self.left_out)


def rows_of(world: World, at: object, rules: Rules, given: Sequence[str] = ()) -> Rows:
    """The rows that ``at`` means: instants, a grid, a frame of (key, instant), or an event type."""
    if isinstance(at, type) or (isinstance(at, str) and at in world.events):
        return _of_events(world, at.__name__ if isinstance(at, type) else at, rules, given)
    if given:
        raise refused("given= of no event", f"given={list(given)!r}", "it goes with at=EventType only")
    side = LAST if rules.sees_the_instant else -1
    if isinstance(at, (pl.DataFrame, pl.LazyFrame)):
        return _of_frame(world, at.lazy(), rules, side)
    if isinstance(at, Every):
        instants = at.instants(world.start, world.end)
    elif isinstance(at, (str, dt.datetime)):
        instants = [parse_instant(at, "at")]
    elif isinstance(at, (list, tuple, pl.Series)) and len(at):
        instants = sorted({parse_instant(each, "at") for each in at})
    else:
        mend = "give instants, Every(...), a frame of (key, instant), or an event type"
        raise refused("wrong at", f"at={at!r}", mend)
    codes = [np.flatnonzero(world.born <= instant) for instant in instants]
    code = np.concatenate(codes) if codes else np.empty(0, np.int64)
    time = np.repeat(np.array(instants, np.int64), [len(each) for each in codes])
    return _sorted(world, code, Moments(time, side), pl.DataFrame(), rules)


def _of_events(world: World, event: str, rules: Rules, given: Sequence[str]) -> Rows:
    columns = [world.column(world.event(event), name) for name in given]
    if world.key in columns:
        columns.remove(world.key)
    frame = world.scan(event).select(world.key, TIME, "sys__eid", "sys__sid", ORDER, *columns)
    rows = world.collected(world.codes(frame), f"events/{event}").filter(pl.col("_code") >= 0)
    moments = Moments(rows[TIME].dt.epoch("us").to_numpy(), rows[ORDER].to_numpy())
    return _sorted(world, rows["_code"].to_numpy(), moments, rows.drop("_code", TIME), rules)


def _of_frame(world: World, frame: pl.LazyFrame, rules: Rules, side: int) -> Rows:
    schema = frame.collect_schema()
    times = [name for name, kind in schema.items() if kind in (pl.Datetime, pl.Date)]
    instant = "at" if "at" in times else times[0] if len(times) == 1 else None
    if world.key not in schema or instant is None:
        label = f"columns {', '.join(schema.names())}"
        mend = f"give a frame with {world.key!r} and one column of instants, named 'at'"
        raise refused(f"no rows of {world.entity}", label, mend)
    time = pl.col(instant)
    if getattr(schema[instant], "time_zone", None):
        time = time.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    micros = time.cast(pl.Datetime("us")).dt.epoch("us").alias("_time")
    rows = world.codes(frame.with_columns(micros, pl.col(world.key).alias("_key")))
    made = rows.drop(instant).collect()
    unknown = made.filter(pl.col("_code") < 0)
    if unknown.height:
        world.fail(f"no {world.entity} {unknown['_key'][0]!r}", f"{unknown.height} keys of at= are nobody's")
    if made["_time"].null_count():
        raise refused("a row without an instant", f"{instant} is null", "leave such rows out")
    shown = made.drop("_code", "_time", "_key")
    moments = Moments(made["_time"].to_numpy(), side)
    return _sorted(world, made["_code"].to_numpy(), moments, shown, rules)


def _sorted(world: World, code: I64, moments: Moments, shown: pl.DataFrame, rules: Rules) -> Rows:
    """Rows as the searches want them; without those of who was not born, or after ``as_known_at``."""
    code = code.astype(np.int64)  # of words that hold more
    order = np.lexsort((moments.time, code))
    code, moments = code[order], moments[order]
    at = pl.Series("at", moments.time).cast(pl.Datetime("us"))
    own = pl.DataFrame({world.key: world.keys.gather(code), "at": at})
    if shown.width:
        own = own.hstack(shown[order])
    rows = Rows(code, moments, own, order)
    if rules.seen_until is not None:
        rows = rows.only(moments.time <= rules.seen_until)
    alive: Mask = world.born[rows.code] <= rows.moments.time
    kept = rows.only(alive)
    kept = Rows(kept.code, kept.moments, kept.shown, kept.place, len(rows) - len(kept))
    if world.retired is None:
        return kept
    # an event of that very instant was before; an instant sees what happens at it
    gone, time = world.retired[kept.code], kept.moments.time
    return kept.only(gone >= time if kept.moments.exact else gone > time)
