"""`Oracle`: each row's true chance, from futures of the world that it is a row of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import polars as pl

from deep_faker.draws.mix import Draws, mix_unit
from deep_faker.features.bounds import F64, Bound, Worlds, aucs, best_auc, best_log_loss, in_each_world
from deep_faker.features.told import Told, in_groups, known_rows, placed, refused, scores_of
from deep_faker.times import to_datetime

if TYPE_CHECKING:
    import numpy.typing as npt

    from deep_faker.features.sampling import Samples
    from deep_faker.features.told import Array


@dataclass(frozen=True, kw_only=True)
class Oracle(Told):
    """What no model can know better: the chance of each row's label, all told of the world at its instant.

    ``rows`` has the key, ``at``, ``probability`` and its standard ``error``, in the order of the frame; null
    where the label's window ends after the run. ``auc`` and ``log_loss`` are the best that can be reached on
    these rows, each with its error and its spread, by which one world lies beside another. ``base_rate`` is
    the mean chance. ``exact``: a formula tells the chances (their errors are 0), and futures are drawn of
    these.
    """

    auc: Bound
    log_loss: Bound
    base_rate: float
    exact: bool = False
    measure: ClassVar[str] = "AUC"
    kind: ClassVar[str] = "true or false"

    def __repr__(self) -> str:
        how = "by formula" if self.exact else f"{self.futures} futures"
        return (
            f"Oracle({self.label}, {self.rows.height:,} rows, {how})\n"
            f"  base rate {self.base_rate:.4f}\n"
            f"  AUC       {self.auc.value:.4f} ± {self.auc.error:.4f}\n"
            f"  log-loss  {self.log_loss.value:.4f} ± {self.log_loss.error:.4f}"
        )

    def calibration(self, frame: pl.DataFrame | pl.LazyFrame, bins: int = 10) -> pl.DataFrame:
        """Chances beside what happened, in ``bins`` groups of rows from the least chance to the greatest.

        ``rows``, mean ``probability``, the share that ``happened`` in the frame's label, and the ``error``
        that this share has where the chances are right: how far futures lie from each other in that group.
        Half of the futures say which rows go together, the others how likely they are: else those with luck
        would stand together. Raises `SettingsError` where the frame has no label of its own.
        """
        _, came, worlds = known_rows(self, frame, frame.lazy().collect())
        others = worlds[1::2]
        out = []
        for part in in_groups(worlds[::2].sum(axis=0).astype(np.float64), bins):
            shares = others[:, part].mean(axis=1)
            chance = float(shares.mean())
            least = (shares.sum() * len(part) + 1) / (len(others) * len(part) + 1)  # none of n may be by luck
            spread = max(float(shares.std(ddof=1)), float(np.sqrt(least / len(part) * (1 - least))))
            error = spread * float(np.sqrt(1 + 1 / len(others)))
            out.append((len(part), chance, float(came[part].mean()), error))
        return pl.DataFrame(out, schema=["rows", "probability", "happened", "error"], orient="row")

    def fits(self, dtype: pl.DataType) -> bool:
        return dtype == pl.Boolean

    def as_worlds(self, label: pl.DataFrame) -> Array:
        return happened(label)

    def scores(self, model: object, features: pl.DataFrame, height: int) -> Array:
        return scores_of(model, features, height)

    def agreement(self, scores: Array, worlds: Array) -> F64:
        _, levels = np.unique(scores, return_inverse=True)
        return aucs(levels, worlds, int(levels.max(initial=0)))

    def bound(self, worlds: Array) -> Bound:
        return best_auc(worlds)

    def of_others(self, worlds: Array) -> F64:
        return in_each_world(worlds)

    def of_all(self, worlds: Array) -> Array:
        return np.asarray(worlds.sum(axis=0, dtype=np.int64))


def happened(label: pl.DataFrame) -> npt.NDArray[np.uint8]:
    """The last column, which is true or false, as zeros and ones."""
    return label.to_series(label.width - 1).fill_null(value=False).to_numpy().astype(np.uint8)


def chances_known(
    probabilities: Sequence[float] | F64,
    *,
    futures: int = 200,
    rows: pl.DataFrame | None = None,
    seed: int = 0,
    label: str = "known chances",
) -> Oracle:
    """The oracle of rows whose chances a formula tells; futures are drawn of these, each row for itself.

    ``rows`` has a key, first, and ``at``; without it rows have the numbers 0, 1, 2 … A chance that is NaN is
    not known. Raises `SettingsError` for what is no chance.

    >>> chances_known([0.1, 0.9] * 500).auc.value > 0.85
    True
    """
    chance = np.asarray(probabilities, np.float64)
    known = np.flatnonzero(~np.isnan(chance)) if chance.ndim == 1 else np.empty(0, np.int64)
    if not len(known) or not ((chance[known] >= 0) & (chance[known] <= 1)).all():
        said = chance[known] if chance.ndim == 1 else chance
        label_ = f"{len(chance)} values, from {said.min(initial=1)} to {said.max(initial=0)}"
        raise refused("no chances", label_, "give a number from 0 to 1 for each row")
    if rows is None:
        at = pl.lit(to_datetime(0)).cast(pl.Datetime("us"))
        rows = pl.select(row=pl.int_range(len(chance))).with_columns(at=at)
    key = Draws(seed).key("known chances")
    place = known.astype(np.uint64)
    worlds = np.array([mix_unit(key, place, world) < chance[known] for world in range(futures)], np.uint8)
    names = [rows.columns[0], "at"]
    made = counted(names[0], rows.select(names), worlds, known.astype(np.int64), label)
    told = pl.Series(chance).fill_nan(None)
    exact = made.rows.with_columns(probability=told, error=pl.when(told.is_not_null()).then(0.0))
    return replace(made, rows=exact, base_rate=float(chance[known].mean()), exact=True)


def counted(key: str, own: pl.DataFrame, worlds: Worlds, known: npt.NDArray[np.int64], label: str) -> Oracle:
    """The oracle of chances that futures were counted for."""
    n = len(worlds)
    sums = worlds.sum(axis=0, dtype=np.int64)
    smoothed = (sums + 1) / (n + 2)  # a share of 0 or 1 of n is not sure, either
    columns = {"probability": sums / n, "error": np.sqrt(smoothed * (1 - smoothed) / n)}
    return Oracle(
        key=key,
        rows=own.with_columns(placed(columns, own.height, known)),
        futures=n,
        label=label,
        auc=best_auc(worlds),
        log_loss=best_log_loss(worlds),
        base_rate=float(sums.mean() / n),
        worlds=worlds,
        known=known,
    )


def oracle_of_events(key: str, samples: Samples, label: str) -> Oracle:
    """The oracle of a `Happens` that was looked for in futures."""
    return counted(key, samples.own, samples.worlds, samples.known, label)
