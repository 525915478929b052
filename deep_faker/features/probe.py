"""`Probe`: whether scores are too good to be true, held to the oracle of the same rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from deep_faker.features.bounds import F64, auc, auc_by_level, best_auc, in_each_world
from deep_faker.features.frame import TrainingFrame
from deep_faker.features.oracle import Oracle, label_of, refused

_FAR = 3.0  # standard errors
_SAME = 0.999  # correlation of ranks: one column is another, written otherwise


@dataclass(frozen=True)
class Probe:
    """What scores reach on rows with known labels, beside what can be reached.

    ``auc`` of the scores; ``best``, that of the true chances on these very labels; ``excess`` is the
    difference and ``error`` how far it goes of itself, from one future to another. ``in_futures`` is the mean
    AUC of the scores in the futures, which know nothing of what came to be, and ``surprise`` how many of
    their standard deviations the AUC is above it. ``hidden`` names columns that are a latent one, or a hidden
    field.

    ``leaks``: the excess is more than three errors, the surprise more than three, or a column is hidden.
    """

    auc: float
    best: float
    excess: float
    error: float
    in_futures: float
    surprise: float
    hidden: Mapping[str, str]

    @property
    def leaks(self) -> bool:
        """Whether the scores know what nobody could know."""
        return bool(self.excess > _FAR * self.error or self.surprise > _FAR or self.hidden)

    def __repr__(self) -> str:
        verdict = "LEAKS" if self.leaks else "no leak found"
        lines = [
            f"Probe({verdict})",
            f"  AUC {self.auc:.4f}, the oracle's {self.best:.4f}: {self.excess:+.4f} ± {self.error:.4f}",
            f"  the same scores in other futures {self.in_futures:.4f}: surprise {self.surprise:+.1f}",
        ]
        return "\n".join([*lines, *(f"  {column} is {what}" for column, what in self.hidden.items())])


def probe_of(
    model: object,
    frame: pl.DataFrame | pl.LazyFrame,
    oracle: Oracle,
    hidden: Sequence[tuple[str, pl.DataFrame]],
) -> Probe:
    """See `Dataset.probe`; ``hidden``: latent state of entity types, at the end or of every version."""
    rows = frame.lazy().collect()
    label = label_of(frame, rows)
    labels = frame.rules["label_columns"] if isinstance(frame, TrainingFrame) else [label]
    features = rows.drop(oracle.key, "at", *labels)
    scores = scores_of(model, features, rows.height)
    worlds, is_known = oracle.of(rows)
    came = rows[label].to_numpy()[is_known].astype(bool)
    scores = scores[is_known]
    if came.all() or not came.any():
        raise refused(
            "labels of one kind", f"{len(came):,} rows, all {came.all()}", "probe rows of both kinds"
        )
    n = len(worlds)
    mine = _auc_in(worlds, scores)
    theirs = in_each_world(worlds)
    bound = best_auc(worlds)
    chances = worlds.sum(axis=0, dtype=np.int64)
    lost = bound.value - float(np.nanmean(theirs))  # what counted chances lose to the true ones
    best = auc(chances.astype(np.float64), came) + lost
    reached = auc(scores, came)
    spread = float(np.nanstd(mine - theirs, ddof=1))
    error = float(np.hypot(spread * np.sqrt(1 + 1 / n), bound.error))
    mean, sd = float(np.nanmean(mine)), float(np.nanstd(mine, ddof=1))
    surprise = (reached - mean) / (sd * float(np.sqrt(1 + 1 / n))) if sd else 0.0
    return Probe(
        reached, best, reached - best, error, mean, surprise, _hidden(features, rows, oracle.key, hidden)
    )


def scores_of(model: object, features: pl.DataFrame, height: int) -> F64:
    """The scores of a model, of a function of the features, or the scores themselves.

    Raises `SettingsError` for what gives no number for each row.
    """
    made: Any = model
    predict: Callable[[Any], Any] | None = getattr(model, "predict_proba", None) or getattr(
        model, "predict", None
    )
    if predict is not None:
        made = predict(matrix(features))
    elif callable(model) and not isinstance(model, (pl.Series, np.ndarray)):
        made = model(features)
    values = np.asarray(made, np.float64)
    if values.ndim == 2:
        values = values[:, -1]
    if values.shape != (height,) or not np.isfinite(values).all():
        odd = int((~np.isfinite(values)).sum())
        label = f"shape {values.shape}, {odd:,} not finite; the frame has {height:,} rows"
        raise refused("no score for each row", label, "give a number for each row of the frame")
    return values


def matrix(features: pl.DataFrame) -> F64:
    """Features as numbers, a column each: durations in days, texts by their order, nulls as -1.

    >>> matrix(pl.DataFrame({"n": [1, None], "plan": ["pro", "free"]})).tolist()
    [[1.0, 1.0], [-1.0, 0.0]]
    """
    columns = []
    for column in features:
        values = column
        if column.dtype == pl.Duration:
            values = column.dt.total_microseconds() / 86_400e6
        elif column.dtype in (pl.String, pl.Categorical, pl.Enum):
            values = column.cast(pl.String).rank("dense") - 1
        elif column.dtype in (pl.Datetime, pl.Date):
            values = column.cast(pl.Datetime("us")).dt.epoch("us") / 86_400e6
        columns.append(values.cast(pl.Float64).fill_null(-1.0).to_numpy())
    return np.column_stack(columns) if columns else np.empty((features.height, 0))


def _auc_in(worlds: np.ndarray[Any, np.dtype[np.uint8]], scores: F64) -> F64:
    """The AUC of scores in each future."""
    _, levels = np.unique(scores, return_inverse=True)
    all_ = np.bincount(levels)
    out = []
    for came in worlds:
        positive = np.bincount(levels[came != 0], minlength=len(all_))
        out.append(auc_by_level(positive, all_ - positive))
    return np.array(out)


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
