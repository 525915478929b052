"""`Probe`: whether scores are too good to be true, held to the oracle of the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from deep_faker.features.bounds import F64
from deep_faker.features.told import known_rows, matrix, refused

if TYPE_CHECKING:
    from deep_faker.features.told import Told

_FAR = 3.0  # standard errors
_SAME = 0.999  # correlation of ranks: one column is another, written otherwise


@dataclass(frozen=True)
class Probe:
    """What scores reach on rows with known labels, beside what can be reached.

    ``reached`` is the ``measure`` of the scores: the AUC of a label that is true or false, the correlation
    with a number or a time, the accuracy of classes. ``best`` is that of what the oracle knows, on these very
    labels; ``excess`` is the difference and ``error`` how far it goes of itself, from one future to another.
    ``in_futures`` is the mean measure of the scores in the futures, which know nothing of what came to be,
    and ``surprise`` how many of their standard deviations it is above that. ``hidden`` names columns that are
    a latent one, or a hidden field.

    ``leaks``: the excess is more than three errors, the surprise more than three, or a column is hidden.
    """

    measure: str
    reached: float
    best: float
    excess: float
    error: float
    in_futures: float
    surprise: float
    hidden: Mapping[str, str]

    @property
    def auc(self) -> float:
        """The AUC that the scores reach. Raises `SettingsError` where another measure was taken."""
        if self.measure != "AUC":
            raise refused("no AUC", f"the {self.measure} is {self.reached:.4f}", "take probe.reached")
        return self.reached

    @property
    def leaks(self) -> bool:
        """Whether the scores know what nobody could know."""
        return bool(self.excess > _FAR * self.error or self.surprise > _FAR or self.hidden)

    def __repr__(self) -> str:
        verdict = "LEAKS" if self.leaks else "no leak found"
        reached = f"{self.measure} {self.reached:.4f}, the oracle's {self.best:.4f}"
        lines = [
            f"Probe({verdict})",
            f"  {reached}: {self.excess:+.4f} ± {self.error:.4f}",
            f"  the same scores in other futures {self.in_futures:.4f}: surprise {self.surprise:+.1f}",
        ]
        return "\n".join([*lines, *(f"  {column} is {what}" for column, what in self.hidden.items())])


def probe_of(
    model: object,
    frame: pl.DataFrame | pl.LazyFrame,
    oracle: Told,
    hidden: Sequence[tuple[str, pl.DataFrame]],
) -> Probe:
    """See `Dataset.probe`; ``hidden``: latent state of entity types, at the end or of every version."""
    rows = frame.lazy().collect()
    is_known, came, worlds = known_rows(oracle, frame, rows)
    features = rows.drop(oracle.key, "at", *oracle.label_columns(frame, rows))
    scores = oracle.scores(model, features, rows.height)[is_known]
    if not len(came) or (came == came[0]).all():
        said = f"all {came[0]}" if len(came) else "none is known"
        raise refused("labels of one kind", f"{len(came):,} rows, {said}", "probe rows of both kinds")
    n = len(worlds)
    mine, theirs, bound = oracle.agreement(scores, worlds), oracle.of_others(worlds), oracle.bound(worlds)
    lost = bound.value - float(np.nanmean(theirs))  # what counted chances lose to the true ones
    best = float(oracle.agreement(oracle.of_all(worlds), came[None])[0]) + lost
    reached = float(oracle.agreement(scores, came[None])[0])
    spread = float(np.nanstd(mine - theirs, ddof=1))
    error = float(np.hypot(spread * np.sqrt(1 + 1 / n), bound.error))
    mean, sd = float(np.nanmean(mine)), float(np.nanstd(mine, ddof=1))
    surprise = (reached - mean) / (sd * float(np.sqrt(1 + 1 / n))) if sd else 0.0
    found = _hidden(features, rows, oracle.key, hidden)
    return Probe(oracle.measure, reached, best, reached - best, error, mean, surprise, found)


def _hidden(
    features: pl.DataFrame, rows: pl.DataFrame, key: str, hidden: Sequence[tuple[str, pl.DataFrame]]
) -> dict[str, str]:
    """Features that are, up to how they are written, what only the truth tells."""
    found: dict[str, str] = {}
    for table, truth in hidden:
        if key not in truth.columns:
            continue
        for secret in _beside(rows, key, truth):
            if secret.n_unique() <= 2:
                continue
            ranks = _ranks(secret)
            for feature in features:
                same = feature.n_unique() > 2 and abs(_correlation(_ranks(feature), ranks)) > _SAME
                if same:
                    found[feature.name] = f"{table}.{secret.name}, which is hidden"
    return found


def _beside(rows: pl.DataFrame, key: str, truth: pl.DataFrame) -> pl.DataFrame:
    """The latent state of each row: at its instant where all versions are known, else at the end."""
    if "valid_from" not in truth.columns:
        return rows.select(key).join(truth, on=key, how="left", maintain_order="left").drop(key)
    asked = rows.select(key, pl.col("at").cast(pl.Datetime("us"))).with_row_index("_row")
    versions = truth.drop("valid_to", "sys__version").sort("valid_from", "sys__order").drop("sys__order")
    found = asked.sort("at").join_asof(
        versions, left_on="at", right_on="valid_from", by=key, check_sortedness=False
    )
    return found.sort("_row").drop("_row", key, "at", "valid_from")


def _ranks(column: pl.Series) -> F64:
    return pl.Series(matrix(column.to_frame())[:, 0]).rank("average").to_numpy()


def _correlation(a: F64, b: F64) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size else 0.0
