"""Distributions, of values and of waiting times.

``Field(dist=LogNormal(3, 0.5))`` and ``AddDecay(ctx, seconds=Gamma(2, scale=30))`` say what is drawn;
the draws themselves are made elsewhere, from the run's seed.  Waiting times below 0 are cut to 0
(`Normal`) or refused (`Uniform`, `Choice`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence as Listed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deep_faker.errors import DeclarationError, Diagnostic, near
from deep_faker.spans import caller_span

_LARGEST = 709  # exp of more is no float


@dataclass(frozen=True)
class Exponential:
    """Times between events of a memoryless process: density ``exp(-x/mean)/mean``, ``mean`` ≥ 0.

    >>> Exponential(30)
    Exponential(mean=30)
    """

    mean: float

    def __post_init__(self) -> None:
        _number("Exponential", "mean", self.mean, least=0)


@dataclass(frozen=True)
class LogNormal:
    """``exp`` of a normal variable with mean ``mu`` and standard deviation ``sigma`` ≥ 0.

    >>> LogNormal(mu=3.0, sigma=0.5)
    LogNormal(mu=3.0, sigma=0.5)
    """

    mu: float
    sigma: float

    def __post_init__(self) -> None:
        _number("LogNormal", "mu", self.mu)
        _number("LogNormal", "sigma", self.sigma, least=0)


@dataclass(frozen=True)
class Uniform:
    """Evenly between ``low`` and ``high``, ``low`` ≤ ``high``.

    >>> Uniform(5, 10)
    Uniform(low=5, high=10)
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _number("Uniform", "low", self.low)
        _number("Uniform", "high", self.high)
        if self.high < self.low:
            raise _refused("Uniform", f"high={self.high} < low={self.low}", "give the smaller bound first")


@dataclass(frozen=True)
class Normal:
    """A normal variable with mean ``mean`` and standard deviation ``sd`` ≥ 0.

    >>> Normal(60, sd=15)
    Normal(mean=60, sd=15)
    """

    mean: float
    sd: float

    def __post_init__(self) -> None:
        _number("Normal", "mean", self.mean)
        _number("Normal", "sd", self.sd, least=0)


@dataclass(frozen=True)
class Gamma:
    """A gamma variable with mean ``shape * scale``: waits for several things one after the other.

    >>> Gamma(2, scale=30)
    Gamma(shape=2, scale=30)
    """

    shape: float
    scale: float = 1.0

    def __post_init__(self) -> None:
        _number("Gamma", "shape", self.shape, least=0.001)
        _number("Gamma", "scale", self.scale, least=0)


@dataclass(frozen=True)
class Beta:
    """A share from 0 to 1 with mean ``alpha / (alpha + beta)``.

    >>> Beta(2, 5)
    Beta(alpha=2, beta=5)
    """

    alpha: float
    beta: float

    def __post_init__(self) -> None:
        _number("Beta", "alpha", self.alpha, least=0.001)
        _number("Beta", "beta", self.beta, least=0.001)


@dataclass(frozen=True)
class Poisson:
    """How many independent things happen, ``mean`` of them on average (0 to 100 million).

    >>> Poisson(3.5)
    Poisson(mean=3.5)
    """

    mean: float

    def __post_init__(self) -> None:
        _number("Poisson", "mean", self.mean, least=0, most=100_000_000)


@dataclass(frozen=True)
class Zipf:
    """Ranks from 1 to ``size`` (at most 10 million) in proportion to ``rank ** -exponent``.

    >>> Zipf(1.1, size=1000)
    Zipf(exponent=1.1, size=1000)
    """

    exponent: float
    size: int

    def __post_init__(self) -> None:
        _number("Zipf", "exponent", self.exponent, least=0)
        _number("Zipf", "size", self.size, least=1, most=10_000_000)
        if self.size != int(self.size):
            raise _refused("Zipf", f"size={self.size!r}", "size is a whole number")


@dataclass(frozen=True)
class Pareto:
    """``minimum`` or more, above ``x`` with chance ``(minimum / x) ** shape``; ``shape`` ≥ 0.1.

    >>> Pareto(1.16, minimum=10)
    Pareto(shape=1.16, minimum=10)
    """

    shape: float
    minimum: float = 1.0

    def __post_init__(self) -> None:
        _number("Pareto", "shape", self.shape, least=0.1)
        _number("Pareto", "minimum", self.minimum, least=0)


@dataclass(frozen=True, init=False)
class Choice:
    """One of ``values``, evenly or in proportion to ``weights``; as waiting times, numbers ≥ 0.

    >>> Choice([1, 5, 60], weights=[8, 1, 1])
    Choice(values=(1, 5, 60), weights=(8, 1, 1))
    >>> Choice(["card", "cash", None], [6, 3, 1]).values
    ('card', 'cash', None)
    """

    values: tuple[Any, ...]
    weights: tuple[float, ...] | None

    def __init__(self, values: Listed[Any], weights: Listed[float] | None = None) -> None:
        given = _listed("values", values)
        shares = None if weights is None else _listed("weights", weights)
        if shares is not None:
            for share in shares:
                _number("Choice", "weights", share, least=0)
            if len(shares) != len(given):
                label = f"{len(given)} values and {len(shares)} weights"
                raise _refused("Choice", label, "give one weight for each value")
            if sum(shares) == 0:
                raise _refused(
                    "Choice", "every weight is 0", "give a positive weight to a value that may be drawn"
                )
        object.__setattr__(self, "values", given)
        object.__setattr__(self, "weights", shares)


Distribution = Exponential | LogNormal | Uniform | Normal | Gamma | Beta | Poisson | Zipf | Pareto | Choice


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
                raise _refused("Sequence", f"{name}={value!r}", f"{name} is a whole number")
        if self.step == 0:
            raise _refused("Sequence", "step=0", "a step of 0 gives one number again and again")


@dataclass(frozen=True, eq=False, repr=False)
class FromFrame:
    """Values of your own data: rows of a frame, evenly or in proportion to the column ``weights``.

    ``frame`` is a Polars frame (or what ``polars.DataFrame`` takes) or the path of a Parquet file.
    Two fields of one frame come from one row where the second says ``of=`` the first.

    Raises `DeclarationError` for a file or a column that does not exist.

    >>> FromFrame({"city": ["Rome", "Bari"], "people": [27, 3]}, "city", weights="people")
    FromFrame(2 rows, 'city', weights='people')
    """

    frame: Any
    column: str
    weights: str | None = None

    def __post_init__(self) -> None:
        import polars as pl

        given = self.frame
        if isinstance(given, (str, Path)):
            path = Path(given).expanduser()
            mend = "give a Parquet file, or a frame of your own: FromFrame(pl.read_csv(…), …)"
            if not path.is_file():
                raise _refused("FromFrame", f"there is no file {str(given)!r}", mend)
            try:
                # a path is a file's name here, whatever signs of patterns stand in it
                given = pl.read_parquet(path, glob=False, hive_partitioning=False)
            except Exception as error:
                raise _refused("FromFrame", f"{self.frame}: {error}", mend) from error
        elif not isinstance(given, pl.DataFrame):
            try:
                given = pl.DataFrame(given.collect() if isinstance(given, pl.LazyFrame) else given)
            except Exception as error:
                raise _refused("FromFrame", str(error), "give a Polars frame or a Parquet file") from error
        object.__setattr__(self, "frame", given)
        for name in (self.column, self.weights):
            if name is not None and name not in given.columns:
                raise _refused("FromFrame", f"it has no column {name!r}", near(str(name), given.columns))
        if given.is_empty():
            raise _refused("FromFrame", "the frame has no rows", "give one with a row at least")
        if self.weights is not None:
            self._check_weights(given[self.weights])

    def _check_weights(self, weights: Any) -> None:
        if not weights.dtype.is_numeric():
            raise _refused(
                "FromFrame", f"{self.weights!r} is of {weights.dtype}", "weights are a column of numbers"
            )
        if (
            weights.null_count()
            or not weights.is_finite().all()
            or weights.min() < 0
            or not weights.sum() > 0
        ):
            label = f"{self.weights!r} has weights that are missing, negative, infinite, or all 0"
            raise _refused("FromFrame", label, "give weights of 0 or more, and one above 0")

    def __repr__(self) -> str:
        weights = "" if self.weights is None else f", weights={self.weights!r}"
        return f"FromFrame({self.frame.height:,} rows, {self.column!r}{weights})"


def kind_and_parameters(given: Distribution) -> tuple[str, tuple[Any, ...]]:
    """A distribution as `deep_faker.draws.to_micros` knows it.

    >>> kind_and_parameters(Uniform(1, 2))
    ('uniform', (1, 2))
    """
    return type(given).__name__.lower(), tuple(getattr(given, name) for name in given.__match_args__)


def below_zero(given: Distribution) -> str | None:
    """What of a distribution says that a value can be no waiting time, None where none does.

    >>> below_zero(Uniform(-1, 2)), below_zero(Choice(["soon"])), below_zero(Normal(-1, 2))
    ('low=-1', "the value 'soon'", None)
    """
    if isinstance(given, Uniform) and given.low < 0:
        return f"low={given.low}"
    for value in given.values if isinstance(given, Choice) else ():
        if not is_number(value) or value < 0:
            return f"the value {value!r}"
    return None


def typical(given: Distribution) -> float:
    """A value in the middle of a distribution: its mean or median, or the least where there is no such.

    >>> typical(LogNormal(0, 1)), typical(Uniform(1, 3)), typical(LogNormal(1000, 1))
    (1.0, 2.0, inf)
    """
    match given:
        case Exponential(mean) | Normal(mean, _) | Poisson(mean):
            return mean
        case LogNormal(mu, _):
            return math.exp(mu) if mu < _LARGEST else math.inf
        case Uniform(low, high):
            return low / 2 + high / 2
        case Gamma(shape, scale):
            return shape * scale
        case Pareto(_, minimum):
            return minimum
        case Choice(values, _):
            return min((value for value in values if is_number(value)), default=0)
    return 1.0


def is_number(value: object) -> bool:
    """Whether ``value`` is a finite number; bool is not one here, numpy's scalars are.

    >>> is_number(1.5), is_number(True), is_number(float("nan"))
    (True, False, False)
    """
    if isinstance(value, bool) or not (hasattr(value, "__float__") and hasattr(value, "__round__")):
        return False
    try:
        return math.isfinite(value)
    except (TypeError, ValueError, OverflowError):
        return False


def _number(
    owner: str, name: str, value: object, *, least: float | None = None, most: float | None = None
) -> None:
    if not is_number(value):
        raise _refused(owner, f"{name}={value!r}", f"{name} is a finite number")
    if least is not None and value < least:  # type: ignore[operator]  # a number, by the line above
        raise _refused(owner, f"{name}={value!r}", f"{name} is at least {least}")
    if most is not None and value > most:  # type: ignore[operator]  # a number, as before
        raise _refused(owner, f"{name}={value!r}", f"{name} is at most {most:,}")


def _listed(name: str, given: Any) -> tuple[Any, ...]:
    if isinstance(given, (str, bytes)) or not isinstance(given, Listed) or not given:
        raise _refused("Choice", f"{name}={given!r}", f"{name} is a list, of at least one")
    return tuple(given)


def _refused(owner: str, label: str, mend: str) -> DeclarationError:
    return DeclarationError(Diagnostic(f"wrong {owner}", caller_span(), label, mend))
