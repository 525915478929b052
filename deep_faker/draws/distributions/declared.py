"""Distributions, of values and of waiting times.

``Field(dist=LogNormal(3, 0.5))`` and ``AddDecay(ctx, seconds=Gamma(2, scale=30))`` say what is drawn;
the draws themselves are made elsewhere, from the run's seed.  Waiting times below 0 are cut to 0
(`Normal`) or refused (`Uniform`, `Choice`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deep_faker.draws.distributions.family import is_number, parameters_of, refused, wrong_as_wait
from deep_faker.draws.distributions.registry import (
    Beta,
    Choice,
    Distribution,
    Exponential,
    Gamma,
    LogNormal,
    Mixture,
    Normal,
    Pareto,
    Poisson,
    Truncated,
    Uniform,
    Weibull,
    Zipf,
    family_of,
)
from deep_faker.errors import near

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "Beta",
    "Choice",
    "Distribution",
    "Exponential",
    "FromFrame",
    "Gamma",
    "LogNormal",
    "Mixture",
    "Normal",
    "Pareto",
    "Poisson",
    "Sequence",
    "Truncated",
    "Uniform",
    "Weibull",
    "Zipf",
    "below_zero",
    "is_number",
    "kind_and_parameters",
    "typical",
]


@dataclass(frozen=True)
class Sequence:
    """A running number, ``start`` and up (down) in steps of ``step``; for fields only.

    As an entity's key it counts the entities: 1, 2, 3 … in the order of their numbers. In any other
    field it counts the events of the type in the order of the stream, so 1, 2, 3 … too; where a flow, a
    filter or an entity's state reads it, it is unique and grows with the flow's number, with gaps: how many
    events other flows have made before is not known then.

    >>> Sequence(1000)
    Sequence(start=1000, step=1)
    """

    start: int = 1
    step: int = 1

    def __post_init__(self) -> None:
        for name, value in (("start", self.start), ("step", self.step)):
            if type(value) is not int or not -(2**53) <= value <= 2**53:
                raise refused("Sequence", f"{name}={value!r}", f"{name} is a whole number")
        if self.step == 0:
            raise refused("Sequence", "step=0", "a step of 0 gives one number again and again")


@dataclass(frozen=True, eq=False, repr=False)
class FromFrame:
    """Values of your own data: rows of a frame, evenly or in proportion to the column ``weights``.

    ``frame`` is a Polars frame (or what ``polars.DataFrame`` takes) or the path of a Parquet file.
    Two fields of one frame come from one row where the second says ``of=`` the first.

    Raises `DeclarationError` for a file or a column that does not exist.

    >>> FromFrame({"city": ["Rome", "Bari"], "people": [27, 3]}, "city", weights="people")
    FromFrame(2 rows, 'city', weights='people')
    """

    frame: Any  # a Polars frame, once it is made; before, whatever Polars makes one of
    column: str
    weights: str | None = None

    def __post_init__(self) -> None:
        import polars as pl

        frame = self.frame
        if isinstance(frame, (str, Path)):
            path = Path(frame).expanduser()
            mend = "give a Parquet file, or a frame of your own: FromFrame(pl.read_csv(…), …)"
            if not path.is_file():
                raise refused("FromFrame", f"there is no file {str(frame)!r}", mend)
            try:
                # a path is a file's name here, whatever signs of patterns stand in it
                frame = pl.read_parquet(path, glob=False, hive_partitioning=False)
            except Exception as error:
                raise refused("FromFrame", f"{self.frame}: {error}", mend) from error
        elif not isinstance(frame, pl.DataFrame):
            try:
                frame = pl.DataFrame(frame.collect() if isinstance(frame, pl.LazyFrame) else frame)
            except Exception as error:
                raise refused("FromFrame", str(error), "give a Polars frame or a Parquet file") from error
        object.__setattr__(self, "frame", frame)
        for name in (self.column, self.weights):
            if name is not None and name not in frame.columns:
                raise refused("FromFrame", f"it has no column {name!r}", near(str(name), frame.columns))
        if frame.is_empty():
            raise refused("FromFrame", "the frame has no rows", "give one with a row at least")
        if self.weights is not None:
            self._check_weights(frame[self.weights])

    def _check_weights(self, weights: pl.Series) -> None:
        if not weights.dtype.is_numeric():
            raise refused(
                "FromFrame", f"{self.weights!r} is of {weights.dtype}", "weights are a column of numbers"
            )
        if (
            weights.null_count()
            or not weights.is_finite().all()
            or (weights < 0).any()
            or not weights.sum() > 0
        ):
            label = f"{self.weights!r} has weights that are missing, negative, infinite, or all 0"
            raise refused("FromFrame", label, "give weights of 0 or more, and one above 0")

    def __repr__(self) -> str:
        weights = "" if self.weights is None else f", weights={self.weights!r}"
        return f"FromFrame({self.frame.height:,} rows, {self.column!r}{weights})"


def kind_and_parameters(distribution: Distribution) -> tuple[str, tuple[Any, ...]]:
    """A distribution as `deep_faker.draws.to_micros` knows it.

    >>> kind_and_parameters(Uniform(1, 2))
    ('uniform', (1, 2))
    """
    return type(distribution).__name__.lower(), parameters_of(distribution)


def below_zero(distribution: Distribution) -> str | None:
    """What of a distribution says that a value can be no waiting time, None where none does.

    >>> below_zero(Uniform(-1, 2)), below_zero(Choice(["soon"])), below_zero(Normal(-1, 2))
    ('low=-1', "the value 'soon'", None)
    """
    return wrong_as_wait(distribution)


def typical(distribution: Distribution) -> float:
    """A value in the middle of a distribution: its mean or median, or the least where there is no such.

    >>> typical(LogNormal(0, 1)), typical(Uniform(1, 3)), typical(LogNormal(1000, 1))
    (1.0, 2.0, inf)
    """
    return family_of(distribution).typical(distribution)
