"""Distributions of waiting times, for ``AddDecay(ctx, seconds=Exponential(30))``.

They say what is drawn; the draws themselves are made elsewhere, from the run's seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deep_faker.errors import DeclarationError, Diagnostic, caller_span


@dataclass(frozen=True)
class Exponential:
    """Waiting times of a memoryless process: density ``exp(-x/mean)/mean``, ``mean`` ≥ 0.

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
    """Evenly between ``low`` and ``high``, 0 ≤ ``low`` ≤ ``high``.

    >>> Uniform(5, 10)
    Uniform(low=5, high=10)
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _number("Uniform", "low", self.low, least=0)
        _number("Uniform", "high", self.high, least=0)
        if self.high < self.low:
            raise _refused("Uniform", f"high={self.high} < low={self.low}", "give the smaller bound first")


@dataclass(frozen=True)
class Normal:
    """A normal variable with mean ``mean`` and standard deviation ``sd`` ≥ 0; below 0 it is cut to 0.

    >>> Normal(60, sd=15)
    Normal(mean=60, sd=15)
    """

    mean: float
    sd: float

    def __post_init__(self) -> None:
        _number("Normal", "mean", self.mean)
        _number("Normal", "sd", self.sd, least=0)


@dataclass(frozen=True, init=False)
class Choice:
    """One of ``values`` (≥ 0), evenly or in proportion to ``weights``.

    >>> Choice([1, 5, 60], weights=[8, 1, 1])
    Choice(values=(1, 5, 60), weights=(8, 1, 1))
    """

    values: tuple[float, ...]
    weights: tuple[float, ...] | None

    def __init__(self, values: Sequence[float], weights: Sequence[float] | None = None) -> None:
        given = _listed("values", values)
        shares = None if weights is None else _listed("weights", weights)
        if shares is not None:
            if len(shares) != len(given):
                label = f"{len(given)} values and {len(shares)} weights"
                raise _refused("Choice", label, "give one weight for each value")
            if sum(shares) == 0:
                raise _refused(
                    "Choice", "every weight is 0", "give a positive weight to a value that may be drawn"
                )
        object.__setattr__(self, "values", given)
        object.__setattr__(self, "weights", shares)


Distribution = Exponential | LogNormal | Uniform | Normal | Choice


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


def _number(owner: str, name: str, value: object, *, least: float | None = None) -> None:
    if not is_number(value):
        raise _refused(owner, f"{name}={value!r}", f"{name} is a finite number")
    if least is not None and value < least:  # type: ignore[operator]  # a number, by the line above
        raise _refused(owner, f"{name}={value!r}", f"{name} is at least {least}")


def _listed(name: str, given: Any) -> tuple[float, ...]:
    if isinstance(given, (str, bytes)) or not isinstance(given, Sequence) or not given:
        raise _refused("Choice", f"{name}={given!r}", f"{name} is a list of numbers, at least one")
    for value in given:
        _number("Choice", name, value, least=0)
    return tuple(given)


def _refused(owner: str, label: str, mend: str) -> DeclarationError:
    return DeclarationError(Diagnostic(f"wrong {owner}", caller_span(), label, mend))
