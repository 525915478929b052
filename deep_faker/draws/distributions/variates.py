"""Values of distributions by name, of 64-bit draws: twins for arrays and for one draw.

Made of ``+ - * /``, square roots and `deep_faker.draws.exact` only, so that their bytes depend on no
machine.  Parameters of the array forms may be numbers, or arrays with one number for each draw.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deep_faker.draws.distributions.family import Family, Numbers, Table
from deep_faker.draws.distributions.registry import FAMILIES
from deep_faker.draws.mix import U64

# Choices are of anything, and their values are looked up by those who know what they are.
_OF_NUMBERS = {kind: family for kind, family in FAMILIES.items() if family.native != "places"}


def variates(kind: str, params: tuple[object, ...], u: U64) -> Numbers:
    """One value for each draw: floats, or int64 for counts.  ``params`` in the order of the class.

    >>> import numpy as np
    >>> variates("zipf", (1.0, 10), np.array([0, 2**64 - 1], np.uint64)).tolist()
    [1, 10]
    """
    values: Numbers = _family(kind).array(u, *params)
    return values


def variate1(kind: str, params: tuple[object, ...], u: int) -> Any:
    """The twin of `variates`.

    >>> variate1("zipf", (1.0, 10), 0)
    1
    """
    return _family(kind).scalar(u, *params)


def family1(kind: str) -> Callable[..., float]:
    """The function (draw, *parameters) that `variate1` calls: for those who ask for one kind often."""
    return _family(kind).scalar


def count_table(kind: str, *params: float) -> Table:
    """The least count of a Poisson or Zipf distribution, and the cumulated weights from it on.

    >>> count_table("zipf", 0.0, 3)[1].tolist()
    [1.0, 2.0, 3.0]
    """
    make = _family(kind).table
    assert make is not None, f"{kind} has no table"
    return make(*params)


def _family(kind: str) -> Family:
    if kind not in _OF_NUMBERS:
        raise ValueError(f"unknown distribution {kind!r}; there are: {', '.join(_OF_NUMBERS)}")
    return _OF_NUMBERS[kind]
