"""Measures of events: what a window of each row comes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from deep_faker.features import asked as ask
from deep_faker.features.ranges import FloatSums, different, extremes, running
from deep_faker.features.search import CHUNK, I64, Groups, Mask, Moments
from deep_faker.tables.source import ORDER, TIME

if TYPE_CHECKING:
    from deep_faker.features.world import World


class Events:
    """The events of one type by entity, on the clock of what happened, or of what was known when.

    ``available`` is a delay in µs, or the field that says when an event was known. With ``ordered`` the
    moments that are asked about may be events.
    """

    def __init__(
        self,
        world: World,
        event: str,
        where: pl.Expr | None = None,
        available: int | str = 0,
        *,
        ordered: bool = False,
    ) -> None:
        self.world, self.event = world, world.event(event)
        happened = pl.col(TIME).dt.epoch("us")
        frame = world.scan(event, where)
        if isinstance(available, str):
            field = world.column(event, available)
            kind = world.source.columns(f"events/{event}")[field]
            if not kind.startswith("timestamp"):
                label = f"available={{{event}: {field!r}}}, a {kind},"
                world.fail(f"{event}.{field} is no instant", label, "name a datetime field, or give a delay")
            known = pl.max_horizontal(happened, pl.col(field).dt.epoch("us"))
            frame = frame.drop_nulls(field).with_columns(_time=known).sort("_time", ORDER)
        else:
            frame = frame.with_columns(_time=happened + available)
        self._frame = frame
        columns = [world.key, "_time", *([ORDER] if ordered else [])]
        rows = world.collected(world.codes(frame.select(columns)), f"events/{event}")
        order = rows[ORDER].to_numpy() if ordered else None
        self.groups = Groups(rows["_code"].to_numpy(), rows["_time"].to_numpy(), order)

    def values(self, column: str) -> pl.Series:
        """A column's values at all positions."""
        name = self.world.column(self.event, column)
        values = self.world.collected(self._frame.select(name), f"events/{self.event}").to_series()
        if values.null_count() or not values.dtype.is_numeric() or values.dtype.is_decimal():
            return values.gather(self.groups.rows())
        # by numpy, which gathers into one array, in pieces
        array = values.to_numpy()
        out = np.empty(len(self.groups), array.dtype)
        for at in range(0, len(out), CHUNK):
            np.take(array, self.groups.rows(slice(at, at + CHUNK)), out=out[at : at + CHUNK], mode="clip")
        return pl.Series(out)


class Column:
    """One column of some events, for many windows: ranges (first, last) of their positions."""

    def __init__(self, events: Events, name: str) -> None:
        self.shown = f"{events.event}.{name}"
        self._groups = events.groups
        values = events.values(name)
        self._among: I64 | None = None
        self._kept: I64 | None = None
        if values.null_count():
            valid = values.is_not_null()
            self._among = running(valid.to_numpy().astype(np.int64))
            self._kept = np.flatnonzero(valid.to_numpy())
            values = values.drop_nulls()
        self._values = values
        self._sums: FloatSums | I64 | None = None

    def measure(self, kind: type[ask.OfEvents], first: I64, last: I64) -> pl.Series:
        """One value for each range."""
        if self._among is not None:
            first, last = self._among[first], self._among[last]
        some = last > first
        if kind not in (ask.Sum, ask.Mean):
            self._sums = None  # they take twice the column's memory
        if kind is ask.Last:
            rows = np.where(some, last - 1, 0)
            values = self._values if len(self._values) else pl.Series([None], dtype=self._values.dtype)
            return _where(values.gather(rows), some)
        if kind is ask.Distinct:
            return pl.Series(self._different(first, last))
        if kind in (ask.Min, ask.Max):
            return self._extreme(first, last, some, least=kind is ask.Min)
        sums = self._summed(first, last)
        if kind is ask.Sum:
            dtype = self._values.dtype
            return sums.cast(dtype) if dtype == pl.Duration else sums
        counts = np.where(some, last - first, 1)
        return _where(pl.Series(sums.to_numpy() / counts), some)

    def _summed(self, first: I64, last: I64) -> pl.Series:
        dtype = self._values.dtype
        if not (dtype.is_numeric() or dtype in (pl.Boolean, pl.Duration)):
            raise ask.refused(
                f"no sum of {self.shown}", f"it is of type {dtype}", "numbers and durations have sums"
            )
        if self._sums is None:
            if dtype.is_float() or dtype.is_decimal():
                self._sums = FloatSums(self._values.cast(pl.Float64).to_numpy())
            else:
                self._sums = running(self._values.to_physical().cast(pl.Int64).to_numpy())
        if isinstance(self._sums, FloatSums):
            return pl.Series(self._sums.of(first, last))
        assert self._sums is not None
        return pl.Series(self._sums[last] - self._sums[first])

    def _extreme(self, first: I64, last: I64, some: Mask, *, least: bool) -> pl.Series:
        dtype = self._values.dtype
        if not (dtype.is_numeric() or dtype.is_temporal()):
            mend = "numbers and times have extremes"
            raise ask.refused(f"no extremes of {self.shown}", f"it is of type {dtype}", mend)
        physical = self._values.to_physical()
        if dtype.is_decimal():
            physical = self._values.cast(pl.Float64)
        best = extremes(physical.to_numpy(), first[some], last[some], least=least)
        out = np.zeros(len(some), best.dtype)
        out[some] = best
        return _where(pl.Series(out).cast(dtype), some)

    def _different(self, first: I64, last: I64) -> I64:
        codes = self._values.rank("dense").cast(pl.Int64).to_numpy()
        group = self._groups.codes()
        return different(group if self._kept is None else group[self._kept], codes, first, last)


def measured(
    events: Events,
    column: Column | None,
    feature: ask.OfEvents,
    window: tuple[I64, I64],
    rows: Moments,
) -> pl.Series:
    """A feature's or label's value for each row, whose window is a range of positions."""
    first, last = window
    kind = type(feature)
    if kind is ask.Count:
        return pl.Series(last - first)
    if kind is ask.Happens:
        return pl.Series(last > first)
    if kind is ask.TimeSince:
        some = last > first
        groups = events.groups
        since = np.zeros(len(first), np.int64)
        since[some] = rows.time[some] - groups.time[groups.rows(last[some] - 1)]
        return _where(pl.Series(since).cast(pl.Duration("us")), some)
    assert column is not None
    return column.measure(kind, first, last)


def _where(values: pl.Series, some: Mask) -> pl.Series:
    """The values, null where there is nothing."""
    mask = pl.Series(some)
    return values if some.all() else pl.select(pl.when(mask).then(values)).to_series()
