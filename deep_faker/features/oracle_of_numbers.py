"""`NumberOracle`: the expected value of a count or sum, how far it spreads, and the least error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import polars as pl

from deep_faker.features.bounds import F64, Bound
from deep_faker.features.number_bounds import (
    best_correlation,
    best_mae,
    best_rmse,
    correlations,
    with_others,
)
from deep_faker.features.told import Told, in_groups, known_rows, placed, scores_of

if TYPE_CHECKING:
    from deep_faker.features.sampling import Samples
    from deep_faker.features.told import Array


class Forecasts(Told):
    """What oracles of numbers have in common: scores fit as far as they go along with what happens."""

    measure: ClassVar[str] = "correlation"

    def calibration(self, frame: pl.DataFrame | pl.LazyFrame, bins: int = 10) -> pl.DataFrame:
        """Expected values beside what happened, in ``bins`` groups of rows from the least to the greatest.

        ``rows``, mean ``expected``, the mean that ``happened`` in the frame's label, and the ``error`` that
        this mean has where the futures are right. Half of the futures say which rows go together, the others
        what is expected. Raises `SettingsError` where the frame has no such label.
        """
        _, came, worlds = known_rows(self, frame, frame.lazy().collect())
        others = worlds[1::2]
        out = []
        for part in in_groups(worlds[::2].mean(axis=0), bins):
            means = others[:, part].mean(axis=1)
            error = float(means.std(ddof=1)) * float(np.sqrt(1 + 1 / len(others)))
            out.append((len(part), float(means.mean()), float(came[part].mean()), error))
        return pl.DataFrame(out, schema=["rows", "expected", "happened", "error"], orient="row")

    def scores(self, model: object, features: pl.DataFrame, height: int) -> Array:
        return scores_of(model, features, height)

    def agreement(self, scores: Array, worlds: Array) -> F64:
        return correlations(scores, worlds)

    def bound(self, worlds: Array) -> Bound:
        return best_correlation(worlds)

    def of_others(self, worlds: Array) -> F64:
        return with_others(worlds)

    def of_all(self, worlds: Array) -> Array:
        return np.asarray(worlds.mean(axis=0))


@dataclass(frozen=True, kw_only=True)
class NumberOracle(Forecasts):
    """What no model can know better of a `Count`, `Sum` or `Distinct`, all told of the world at its instant.

    ``rows`` has the key, ``at``, the ``expected`` value and its standard ``error``, and the ``spread`` (a
    standard deviation) of the label around it, in the order of the frame; null where the label's window ends
    after the run. ``rmse`` and ``mae`` are the least errors that can be reached on these rows,
    ``correlation`` the highest one, each with its error and spread. ``mean`` is the mean expected value. Sums
    of durations are in seconds.
    """

    rmse: Bound
    mae: Bound
    correlation: Bound
    mean: float
    kind: ClassVar[str] = "a number"

    def __repr__(self) -> str:
        return "\n".join(
            [
                f"NumberOracle({self.label}, {self.rows.height:,} rows, {self.futures} futures)",
                f"  mean        {self.mean:.4g}",
                *(
                    f"  {name:<11} {bound.value:.4g} ± {bound.error:.2g}"
                    for name, bound in (
                        ("RMSE", self.rmse),
                        ("MAE", self.mae),
                        ("correlation", self.correlation),
                    )
                ),
            ]
        )

    def fits(self, dtype: pl.DataType) -> bool:
        return (dtype.is_numeric() and dtype != pl.Boolean) or dtype == pl.Duration

    def as_worlds(self, label: pl.DataFrame) -> Array:
        return numbers(label)


def numbers(label: pl.DataFrame) -> F64:
    """The last column as floats, durations in seconds."""
    values = label.to_series(label.width - 1)
    if values.dtype == pl.Duration:
        values = values.dt.total_microseconds() / 1e6
    return values.cast(pl.Float64).fill_null(0.0).to_numpy()


def oracle_of_numbers(key: str, samples: Samples, label: str) -> NumberOracle:
    """The oracle of a `Count` or `Sum` that was looked for in futures."""
    worlds, n = samples.worlds, len(samples.worlds)
    mean, spread = worlds.mean(axis=0), worlds.std(axis=0, ddof=1)
    columns = {"expected": mean, "error": spread / np.sqrt(n), "spread": spread}
    return NumberOracle(
        key=key,
        rows=samples.own.with_columns(placed(columns, samples.own.height, samples.known)),
        futures=n,
        label=label,
        rmse=best_rmse(worlds),
        mae=best_mae(worlds),
        correlation=best_correlation(worlds),
        mean=float(mean.mean()),
        worlds=worlds,
        known=samples.known,
    )
