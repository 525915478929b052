"""`TimeOracle`: when an event comes, as survival curves of each row, and the least error of a forecast."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import polars as pl

from deep_faker.features.bounds import F64, I64, Bound
from deep_faker.features.number_bounds import best_correlation, best_crps, best_mae, best_rmse
from deep_faker.features.oracle_of_numbers import Forecasts
from deep_faker.features.told import placed, refused
from deep_faker.times import parse_duration

if TYPE_CHECKING:
    from deep_faker.features.sampling import Samples
    from deep_faker.features.told import Array


@dataclass(frozen=True, kw_only=True)
class TimeOracle(Forecasts):
    """What no model can know better of a `TimeTo`, all told of the world at its instant.

    Rows are looked at until their view ends, as the label is (its window, or what is known); an event that
    has not come by then counts as long as the view: that is the restricted time. ``rows`` has the key,
    ``at``, the chance that the event is ``observed`` and its ``error``, the ``median`` time (null where half
    of the futures do not see it) and the ``expected`` restricted time, both durations, in the order of the
    frame; null where nothing is known. ``rmse`` and ``mae``, in seconds, are the least errors of a forecast
    of the restricted time, ``correlation`` the highest, ``crps``, in seconds, the least integrated Brier
    score of survival curves.
    """

    rmse: Bound
    mae: Bound
    correlation: Bound
    crps: Bound
    view: I64 = field(repr=False)
    seen: Array = field(repr=False)
    kind: ClassVar[str] = "a time with its column of what was observed"

    def __repr__(self) -> str:
        parts = (("RMSE", self.rmse), ("MAE", self.mae), ("CRPS", self.crps))
        best = [f"  {name:<11} {bound.value:.5g} s ± {bound.error:.2g}" for name, bound in parts]
        return "\n".join(
            [
                f"TimeOracle({self.label}, {self.rows.height:,} rows, {self.futures} futures)",
                f"  observed    {self.seen.mean():.4f}",
                *best,
                f"  correlation {self.correlation.value:.4f} ± {self.correlation.error:.2g}",
            ]
        )

    def survival(self, times: Sequence[str | float | dt.timedelta]) -> pl.DataFrame:
        """Each row's chance that the event has not come after each of these times: ``survival``.

        A row for each row of the oracle and each time: key, ``at``, ``time`` (a duration), ``survival``, with
        its standard ``error``; null beyond the row's view. Raises `SettingsError` where none is given.
        """
        if not len(times):
            raise refused("no times", f"times={times!r}", 'give some: ["1d", "2d", "7d"]')
        frames = []
        for each in times:
            micros = parse_duration(each, "times")
            late = ~self.seen | (self.worlds > micros / 1e6)
            share = np.where(self.view >= micros, late.mean(axis=0), np.nan)
            error = np.sqrt(share * (1 - share) / self.futures)
            made = placed({"survival": share, "error": error}, self.rows.height, self.known)
            time = pl.lit(micros).cast(pl.Duration("us")).alias("time")
            frames.append(self.rows.select(self.key, "at", time).with_columns(made))
        return pl.concat(frames)

    def label_columns(self, frame: object, rows: pl.DataFrame) -> list[str]:
        names: list[str] = getattr(frame, "rules", {}).get("label_columns", ["label", "label_observed"])
        if len(names) != 2 or any(name not in rows.columns for name in names) or not self._fit(rows, names):
            label = f"columns {', '.join(rows.columns)}"
            raise refused(f"no label that is {self.kind}", label, f"give a frame with label={self.label}")
        return names

    def _fit(self, rows: pl.DataFrame, names: list[str]) -> bool:
        return rows[names[0]].dtype == pl.Duration and rows[names[1]].dtype == pl.Boolean

    def as_worlds(self, label: pl.DataFrame) -> Array:
        return restricted(label)[0]


def restricted(label: pl.DataFrame) -> tuple[F64, Array]:
    """Of the last two columns the seconds to the event or the end of the view, and which of these it is."""
    time, seen = (label.to_series(label.width - place) for place in (2, 1))
    seconds = (time.dt.total_microseconds() / 1e6).fill_null(0.0).to_numpy()
    return seconds, seen.fill_null(value=False).to_numpy()


def signed(label: pl.DataFrame) -> F64:
    """Both in one number: times that are censored have a minus."""
    seconds, seen = restricted(label)
    return np.where(seen, seconds, -seconds)


def oracle_of_times(key: str, samples: Samples, label: str) -> TimeOracle:
    """The oracle of a `TimeTo` that was looked for in futures, whose worlds are `signed`."""
    n, worlds = len(samples.worlds), np.abs(samples.worlds)
    seen = ~np.signbit(samples.worlds)
    came = seen.sum(axis=0)
    smoothed = (came + 1) / (n + 2)
    middle = np.median(np.where(seen, worlds, np.inf), axis=0)
    columns = {
        "observed": came / n,
        "error": np.sqrt(smoothed * (1 - smoothed) / n),
        "median": np.where(np.isfinite(middle), middle, np.nan),
        "expected": worlds.mean(axis=0),
    }
    rows = samples.own.with_columns(placed(columns, samples.own.height, samples.known)).with_columns(
        (pl.col("median", "expected") * 1e6).round().cast(pl.Int64).cast(pl.Duration("us"))
    )
    return TimeOracle(
        key=key,
        rows=rows,
        futures=n,
        label=label,
        rmse=best_rmse(worlds),
        mae=best_mae(worlds),
        correlation=best_correlation(worlds),
        crps=best_crps(worlds),
        view=samples.view,
        seen=seen,
        worlds=worlds,
        known=samples.known,
    )
