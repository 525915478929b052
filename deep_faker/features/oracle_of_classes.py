"""`ClassOracle`: the chances of each class of a label, which one is likeliest, and how often it comes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import polars as pl

from deep_faker.errors import near
from deep_faker.features.bounds import F64, Bound
from deep_faker.features.class_bounds import (
    best_accuracy,
    best_class_log_loss,
    counts_of,
    right_by_others,
)
from deep_faker.features.told import Told, known_rows, numbers_of, placed, refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from deep_faker.features.sampling import Samples
    from deep_faker.features.told import Array

NONE = "none"
"""The class of rows whose label is null: no event came, or the session was not over."""


@dataclass(frozen=True, kw_only=True)
class ClassOracle(Told):
    """What no model can know better of a `NextEvent` or an `Outcome`, all told of the world at its instant.

    ``rows`` has the key, ``at``, the ``likeliest`` class, its ``chance`` and the ``error`` of that;
    ``chances`` has a column for each of ``classes``, of which the last is ``"none"``, for no event, or a
    session that was not over by the end of the run. Both are in the order of the frame, null where the window
    ends after the run. ``accuracy`` and ``log_loss`` are the best that can be reached on these rows, each
    with its error and spread. ``shares`` are the mean chances.
    """

    classes: tuple[str, ...]
    chances: pl.DataFrame = field(repr=False)
    accuracy: Bound
    log_loss: Bound
    shares: dict[str, float]
    measure: ClassVar[str] = "accuracy"
    kind: ClassVar[str] = "the name of a class"

    def __repr__(self) -> str:
        return "\n".join(
            [
                f"ClassOracle({self.label}, {self.rows.height:,} rows, {self.futures} futures)",
                *(f"  {name:<12} {share:.4f}" for name, share in self.shares.items()),
                f"  accuracy     {self.accuracy.value:.4f} ± {self.accuracy.error:.4f}",
                f"  log-loss     {self.log_loss.value:.4f} ± {self.log_loss.error:.4f}",
            ]
        )

    def calibration(self, frame: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
        """Of each ``class``: mean ``probability``, the share that ``happened``, and the ``error`` it has."""
        _, came, worlds = known_rows(self, frame, frame.lazy().collect())
        n = len(worlds)
        out = []
        for number, name in enumerate(self.classes):
            shares = (worlds == number).mean(axis=1)
            error = float(shares.std(ddof=1)) * float(np.sqrt(1 + 1 / n))
            out.append((name, float(shares.mean()), float((came == number).mean()), error))
        return pl.DataFrame(out, schema=["class", "probability", "happened", "error"], orient="row")

    def came(self, rows: pl.DataFrame, columns: list[str]) -> tuple[Array, npt.NDArray[np.bool_]]:
        return self.as_worlds(rows.select(columns)), np.ones(rows.height, bool)

    def fits(self, dtype: pl.DataType) -> bool:
        return dtype == pl.String

    def as_worlds(self, label: pl.DataFrame) -> Array:
        return codes(label, self.classes)

    def scores(self, model: object, features: pl.DataFrame, height: int) -> Array:
        """The class that a model names, or to whose column it gives the highest score.

        Raises `SettingsError` for other names, and for another number of columns.
        """
        said = numbers_of(model, features)
        if said.shape == (height, len(self.classes)) and said.dtype.kind in "biuf":
            return np.asarray(said.argmax(axis=1))
        if said.shape != (height,) or said.dtype.kind not in "OUT":
            mend = f"give a class for each row, or a column for each of {', '.join(self.classes)}"
            raise refused("no class for each row", f"shape {said.shape}; {height:,} rows", mend)
        names = [NONE if name is None else str(name) for name in said.tolist()]
        for name in dict.fromkeys(names):
            if name not in self.classes:
                raise refused(f"no class {name!r}", self.label, near(name, self.classes, "its classes"))
        return codes(pl.DataFrame({"label": names}), self.classes)

    def agreement(self, scores: Array, worlds: Array) -> F64:
        return np.asarray((worlds == scores).mean(axis=1))

    def bound(self, worlds: Array) -> Bound:
        return best_accuracy(worlds, len(self.classes))

    def of_others(self, worlds: Array) -> F64:
        return right_by_others(worlds, len(self.classes))

    def of_all(self, worlds: Array) -> Array:
        return np.asarray(counts_of(worlds, len(self.classes)).argmax(axis=0))


def codes(label: pl.DataFrame, classes: Sequence[str]) -> npt.NDArray[np.int16]:
    """The last column, of names or null, as places among the classes."""
    values = label.to_series(label.width - 1).cast(pl.String).fill_null(NONE)
    return values.cast(pl.Enum(classes)).to_physical().cast(pl.Int16).to_numpy()


def oracle_of_classes(key: str, samples: Samples, label: str, classes: Sequence[str]) -> ClassOracle:
    """The oracle of a class that was looked for in futures."""
    n, worlds, names = len(samples.worlds), samples.worlds, tuple(classes)
    counts = counts_of(worlds, len(names))
    best, most = counts.argmax(axis=0), counts.max(axis=0)
    smoothed = (most + 1) / (n + 2)
    columns = {"chance": most / n, "error": np.sqrt(smoothed * (1 - smoothed) / n)}
    chances = {name: counts[i] / n for i, name in enumerate(names)}
    likeliest = np.full(samples.own.height, -1)
    likeliest[samples.known] = best
    named = pl.Series("likeliest", [*names, None], pl.String).gather(
        np.where(likeliest < 0, len(names), likeliest)
    )
    return ClassOracle(
        key=key,
        rows=samples.own.with_columns(named, *placed(columns, samples.own.height, samples.known)),
        futures=n,
        label=label,
        classes=names,
        chances=pl.DataFrame(placed(chances, samples.own.height, samples.known)),
        accuracy=best_accuracy(worlds, len(names)),
        log_loss=best_class_log_loss(worlds, len(names)),
        shares={name: float(counts[i].mean() / n) for i, name in enumerate(names)},
        worlds=worlds,
        known=samples.known,
    )
