"""What a distribution is made of: one `Family` each, with every form that it has to have.

A distribution is one file beside this: its class, what its parameters may be, its values for arrays of draws
and for one draw, how the kernel draws it, how `explain()` writes it. `registry` lists them; whoever needs one
of these for all distributions makes a table from there.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol, Self, TypeGuard, TypeVar

from deep_faker.draws.mix import F64, I64
from deep_faker.errors import DeclarationError, Diagnostic
from deep_faker.spans import caller_span

Number = F64 | I64 | float
Numbers = F64 | I64
Table = tuple[int, F64]
"""The least count, and the cumulated weights of the counts from it on."""


class Word(Protocol):
    """What a recipe computes with, as far as distributions need it: a `deep_faker.plan.recipes.Word`."""

    def unit(self) -> Self: ...

    def open_unit(self) -> Self: ...

    def normal(self) -> Self: ...

    def log(self) -> Self: ...

    def exp(self) -> Self: ...

    def cumulated(self, sums: F64, /) -> Self: ...

    def again(self, key: int, /) -> Self: ...

    def log_gamma(self, shape: float, /) -> Self: ...

    def between(self, first: int, count: int, /) -> Self: ...

    def clipped(self, low: float, high: float, /) -> Self: ...

    def equals(self, other: float, /) -> Self: ...

    def select(self, then: Self, other: Self, /) -> Self: ...

    def as_float(self) -> Self: ...

    def __add__(self, other: float, /) -> Self: ...

    def __sub__(self, other: Self, /) -> Self: ...

    def __mul__(self, other: float, /) -> Self: ...

    def __truediv__(self, other: float, /) -> Self: ...

    def __rtruediv__(self, other: float, /) -> Self: ...


W = TypeVar("W", bound=Word)


@dataclass(frozen=True)
class Parameter:
    """A number that a distribution takes, and what it may be; ``least_wait`` where waits allow less."""

    name: str
    least: float | None = None
    most: float | None = None
    least_wait: float | None = None

    @property
    def least_of_waits(self) -> float | None:
        """The least that it may be in a distribution of waits, None: any finite number."""
        return self.least if self.least_wait is None else self.least_wait


_LACKING: Any = object()  # no default, but `complete` says it with the distribution's name


def _anything(_columns: Sequence[Numbers]) -> bool:
    return True


def _nothing_wrong(_distribution: Any) -> str | None:
    return None


def _listed(params: Sequence[object], computed: Collection[int]) -> str:
    return ", ".join("…" if n in computed else str(v) for n, v in enumerate(params))


@dataclass(frozen=True, kw_only=True)
class Family:
    """One distribution. ``array`` and ``scalar`` are twins: (draws or one draw, parameters) → values or one.

    ``native`` says what the kernel draws it from: its parameters (a function of its own in
    `deep_faker.simulate.native.kernel.waits`), or what ``table`` makes of parameters that never change: a
    table of counts, or of the places of values; or the steps of its ``recipe``, of what is made of other
    distributions. ``recipe`` is ``array`` once more in the steps of a
    `plan.recipes.Word`, for values that flows read early; None where others have that.

    ``typical`` is a value in the middle. ``longest`` gives, of the longest wait that there may be, the
    greatest value that a computed parameter may have. ``is_plain`` says of parameters within their bounds, by
    column, whether they surely make a distribution. ``written`` is how `explain()` shows parameters, … where
    the flow computes. ``wrong_wait`` says what of one can be no waiting time, beyond what ``parameters`` say.
    ``is_monotone``: a greater draw never gives a smaller value, or never a greater one.
    """

    make: type[Any]
    parameters: tuple[Parameter, ...] = _LACKING
    array: Callable[..., Any] = _LACKING
    scalar: Callable[..., Any] = _LACKING
    native: Literal["parameters", "counts", "places", "steps"] = _LACKING
    table: Callable[..., Table] | None = _LACKING
    recipe: Callable[..., Any] | None = _LACKING
    typical: Callable[[Any], float] = _LACKING
    longest: Callable[[float], float] = float
    is_plain: Callable[[Sequence[Numbers]], bool] = _anything
    wrong_wait: Callable[[Any], str | None] = _nothing_wrong
    is_monotone: bool = False
    written: Callable[[Sequence[object], Collection[int]], str] = _listed

    @property
    def kind(self) -> str:
        """Its name inside: the class's in small letters."""
        return self.make.__name__.lower()


def complete(family: Family) -> Family:
    """The family, if it has all that it needs. Raises `TypeError`, which says what it lacks."""
    parameters = family.parameters
    names = tuple(parameter.name for parameter in parameters)
    name = family.make.__name__
    for form in fields(family):
        if getattr(family, form.name) is _LACKING:
            raise TypeError(f"the distribution {name} has no {form.name}")
    if names != family.make.__match_args__:
        raise TypeError(
            f"the distribution {name} has the parameters {family.make.__match_args__}, not {names}"
        )
    if family.native == "parameters" and len(parameters) > 2:
        raise TypeError(
            f"the distribution {name} has more parameters than the two that the kernel has words for"
        )
    if (family.native in ("parameters", "steps")) != (family.table is None):
        raise TypeError(f"the distribution {name} has {'no' if family.table is None else 'a'} table")
    return family


def family_of_class(make: type[object]) -> Family | None:
    """The ``FAMILY`` of a distribution's class, beside which it stands; None: it is none."""
    family = getattr(sys.modules.get(make.__module__), "FAMILY", None)
    return family if isinstance(family, Family) and family.make is make else None


def parameters_of(distribution: Any) -> tuple[Any, ...]:
    """The parameters of a distribution, in the order of its class."""
    return tuple(getattr(distribution, name) for name in distribution.__match_args__)


def wrong_as_wait(distribution: Any) -> str | None:
    """What of a distribution says that a value can be no waiting time, None where none does."""
    family = family_of_class(type(distribution))
    assert family is not None
    for parameter in family.parameters:
        if parameter.least_wait is not None and getattr(distribution, parameter.name) < parameter.least_wait:
            return f"{parameter.name}={getattr(distribution, parameter.name)}"
    return family.wrong_wait(distribution)


def check(owner: str, distribution: object, parameters: Sequence[Parameter]) -> None:
    """Refuse parameters beyond their bounds. Raises `DeclarationError`."""
    for parameter in parameters:
        value = getattr(distribution, parameter.name)
        check_number(owner, parameter.name, value, parameter.least, parameter.most)


def check_number(
    owner: str, name: str, value: object, least: float | None = None, most: float | None = None
) -> None:
    """Refuse what is no number, or one beyond its bounds. Raises `DeclarationError`."""
    if not is_number(value):
        raise refused(owner, f"{name}={value!r}", f"{name} is a finite number")
    if least is not None and value < least:
        raise refused(owner, f"{name}={value!r}", f"{name} is at least {least}")
    if most is not None and value > most:
        raise refused(owner, f"{name}={value!r}", f"{name} is at most {most:,}")


def is_number(value: object) -> TypeGuard[float]:
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


def refused(owner: str, label: str, mend: str) -> DeclarationError:
    """A wrong distribution, at the line of the user that makes it."""
    return DeclarationError(Diagnostic(f"wrong {owner}", caller_span(), label, mend))
