"""What all seasons are: a factor that is level between instants, and that multiplies with others."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from deep_faker.draws.curves import Curve
from deep_faker.draws.mix import F64, I64
from deep_faker.errors import DeclarationError, Diagnostic, shown
from deep_faker.spans import caller_span

HOUR = 3_600_000_000
DAY = 24 * HOUR


class Season(ABC):
    """By what a rate is multiplied, at each instant (µs since the epoch, UTC).

    Seasons multiply: ``Daily(…) * Weekly(…)``, ``0.5 * Daily(…)``.
    """

    @abstractmethod
    def edges(self, begin: int, end: int) -> I64:
        """Instants from ``begin`` to before ``end`` at which the factor may change, in any order."""

    @abstractmethod
    def factors(self, at: I64, begin: int) -> F64:
        """The factors at these instants, ascending; ``begin``: that of the run."""

    def settles(self) -> bool:
        """Whether it changes at some instants only, all of which `edges` gives, and then stays as it is."""
        return False

    def __mul__(self, other: object) -> Product:
        """Both at once: their factors multiply."""
        return Product((*_parts(self), *_parts(other)))

    def __rmul__(self, other: object) -> Product:
        """The same, with a number before it."""
        return Product((*_parts(other), *_parts(self)))


@dataclass(frozen=True)
class Level(Season):
    """One factor for ever."""

    factor: float

    def __post_init__(self) -> None:
        checked(type(self).__name__, "factor", self.factor)

    def __repr__(self) -> str:
        return f"{self.factor:g}"

    def edges(self, begin: int, end: int) -> I64:
        """None."""
        del begin, end
        return np.empty(0, np.int64)

    def settles(self) -> bool:
        """It does."""
        return True

    def factors(self, at: I64, begin: int) -> F64:
        """The factor."""
        del begin
        return np.full(len(at), float(self.factor))


@dataclass(frozen=True)
class Product(Season):
    """Several seasons at once: ``Daily(…) * Weekly(…)``."""

    parts: tuple[Season, ...]

    def __repr__(self) -> str:
        return " * ".join(map(repr, self.parts))

    def edges(self, begin: int, end: int) -> I64:
        """Those of all parts."""
        return np.concatenate([part.edges(begin, end) for part in self.parts])

    def settles(self) -> bool:
        """Where all parts do."""
        return all(part.settles() for part in self.parts)

    def factors(self, at: I64, begin: int) -> F64:
        """What those of all parts make together."""
        out: F64 = np.prod([part.factors(at, begin) for part in self.parts], axis=0)
        return out


def curve_of(season: Season | None, begin: int, end: int) -> Curve:
    """The factors from ``begin`` to ``end`` (µs); None: 1 all the time.

    >>> curve_of(2 * Level(1.5), 0, 10)
    Curve(since=array([0]), level=array([3.]))
    """
    if season is None:
        return Curve(np.array([begin]), np.ones(1))
    edges = season.edges(begin, end)
    since = np.unique(np.append(edges[(edges > begin) & (edges < end)], begin))
    level = season.factors(since, begin)
    changes = np.append(True, level[1:] != level[:-1])
    return Curve(since[changes], level[changes])


def checked(owner: str, name: str, value: object, *, above_zero: bool = False) -> float:
    """A finite number ≥ 0 (> 0). Raises `DeclarationError` for anything else."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (is_number and 0 <= float(value) < math.inf and (float(value) > 0 or not above_zero)):  # type: ignore[arg-type]  # it is a number
        raise refused(
            owner, f"{name}={shown(value)}", f"give a number {'above 0' if above_zero else 'of 0 or more'}"
        )
    return float(value)  # type: ignore[arg-type]  # as above


def refused(owner: str, label: str, mend: str) -> DeclarationError:
    """A wrong season, at the user's line."""
    return DeclarationError(Diagnostic(f"wrong {owner}", caller_span(), label, mend))


def _parts(factor: object) -> tuple[Season, ...]:
    if isinstance(factor, Product):
        return factor.parts
    if isinstance(factor, Season):
        return (factor,)
    if isinstance(factor, (int, float)) and not isinstance(factor, bool):
        return (Level(factor),)
    raise refused("season", f"times {shown(factor)}", "seasons multiply with seasons and with numbers")
