"""`Told`: what futures tell of the rows of a frame; what all oracles have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl

from deep_faker.errors import Diagnostic, SettingsError
from deep_faker.features.bounds import F64, I64, Bound
from deep_faker.features.frame import TrainingFrame
from deep_faker.spans import caller_span

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]
    Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Told:
    """``worlds``: future × known row, what the label is there; ``known``: the rows of which it is told."""

    key: str
    rows: pl.DataFrame
    futures: int
    label: str
    worlds: Array = field(repr=False)
    known: npt.NDArray[np.int64] = field(repr=False)
    measure: ClassVar[str]
    kind: ClassVar[str]  # of label, as messages say it

    def of(self, rows: pl.DataFrame) -> tuple[Array, Mask]:
        """The futures of some of its rows, found by key and instant, and which of these are known.

        Raises `SettingsError` for rows that it has not been asked of.
        """
        place = pl.Series("_place", np.arange(self.rows.height))
        mine = self.rows.select(self.key, "at").with_columns(place)
        found = rows.select(self.key, "at").join(mine, on=[self.key, "at"], how="left", maintain_order="left")
        if found["_place"].null_count() or found.height != rows.height:
            label = f"{found['_place'].null_count():,} of {rows.height:,} rows are not the oracle's"
            mend = "ask the oracle of all rows first, split afterwards"
            raise refused("rows of another frame", label, mend)
        column = np.full(self.rows.height, -1)
        column[self.known] = np.arange(len(self.known))
        column = column[found["_place"].to_numpy()]
        return self.worlds[:, column[column >= 0]], column >= 0

    def label_columns(self, frame: object, rows: pl.DataFrame) -> list[str]:
        """The columns of a frame's label, its own first. Raises `SettingsError` where it has none of the kind
        that the oracle is of, or several."""
        names = frame.rules["label_columns"] if isinstance(frame, TrainingFrame) else ["label"]
        if len(names) != 1 or names[0] not in rows.columns or not self.fits(rows[names[0]].dtype):
            label = f"columns {', '.join(rows.columns)}"
            raise refused(f"no label that is {self.kind}", label, f"give a frame with label={self.label}")
        return [str(names[0])]

    def came(self, rows: pl.DataFrame, columns: list[str]) -> tuple[Array, Mask]:
        """What came to be of rows, as ``worlds`` has it, and of which of them that is known."""
        values = rows[columns[0]]
        return self.as_worlds(rows.select(columns)), values.is_not_null().to_numpy()

    # ------------------------------------------------ what each kind of label says of itself

    def fits(self, dtype: pl.DataType) -> bool:
        """Whether a label of this type is of the oracle's kind."""
        raise NotImplementedError

    def as_worlds(self, label: pl.DataFrame) -> Array:
        """The label's columns as ``worlds`` has them, anything where they are null."""
        raise NotImplementedError

    def scores(self, model: object, features: pl.DataFrame, height: int) -> Array:
        """What a model says of each row. Raises `SettingsError` where it does not."""
        raise NotImplementedError

    def agreement(self, scores: Array, worlds: Array) -> F64:
        """How well scores fit each of some worlds, by the oracle's ``measure``."""
        raise NotImplementedError

    def bound(self, worlds: Array) -> Bound:
        """The best that can be reached of it."""
        raise NotImplementedError

    def of_others(self, worlds: Array) -> F64:
        """In each future, how well what all others tell of fits it."""
        raise NotImplementedError

    def of_all(self, worlds: Array) -> Array:
        """The scores that all futures tell of."""
        raise NotImplementedError


def refused(title: str, label: str, mend: str = "") -> SettingsError:
    """The error for a wrong argument, at the user's line."""
    return SettingsError(Diagnostic(title, caller_span(), label, mend))


def numbers_of(model: object, features: pl.DataFrame) -> Array:
    """What a model says of features: by ``predict_proba``, ``predict``, a call, or as it stands."""
    made: Any = model
    predict: Callable[[Any], Any] | None = getattr(model, "predict_proba", None) or getattr(
        model, "predict", None
    )
    if predict is not None:
        return np.asarray(predict(matrix(features)))
    if callable(model) and not isinstance(model, (pl.Series, np.ndarray)):
        made = model(features)
    return np.asarray(made)


def scores_of(model: object, features: pl.DataFrame, height: int) -> F64:
    """A number a row of a model, of a function of the features, or the scores themselves.

    Raises `SettingsError` for what gives no number for each row.
    """
    values = numbers_of(model, features)
    values = values.astype(np.float64) if values.dtype.kind in "biufO" else np.empty((0,))
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


def known_rows(told: Told, frame: object, rows: pl.DataFrame) -> tuple[Mask, Array, Array]:
    """Of which rows of a frame both is known, what came to be and the futures; and these two, of those."""
    worlds, is_told = told.of(rows)
    came, is_known = told.came(rows, told.label_columns(frame, rows))
    both = is_told & is_known
    return both, came[both], worlds[:, is_known[is_told]]


def in_groups(levels: F64, bins: int) -> Iterator[npt.NDArray[np.int64]]:
    """Rows from the lowest level to the highest, in so many groups of about one size."""
    order = np.argsort(levels, kind="stable")
    yield from np.array_split(order, min(bins, len(order)))


def placed(columns: Mapping[str, F64], height: int, known: I64) -> list[pl.Series]:
    """Values of the ``known`` rows, of ``height``, as columns of all of them, null for the others."""
    out = []
    for name, values in columns.items():
        column = np.full(height, np.nan)
        column[known] = values
        out.append(pl.Series(name, column).fill_nan(None))
    return out
