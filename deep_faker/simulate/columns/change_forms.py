"""How the operators of `SetState` change columns; their rows are in `deep_faker.declare.change_operators`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from deep_faker.declare.change_operators import CHANGE_OPERATORS
from deep_faker.declare.operator_rows import check_rules
from deep_faker.plan import Array
from deep_faker.simulate.arrays import I64


@dataclass(frozen=True, kw_only=True)
class ChangeForm:
    """One operator on columns: ``floats`` and ``wholes`` are (old, value) → new. Wholes that overflow raise.

    ``at`` repeats it in one call, row by row in the order given. ``family`` says when that may be done for
    all changes of a step: any mix of "sum" is one sum, of values that are taken off where ``minus`` says so;
    any order of "choice" comes to the same.
    """

    floats: Callable[[Array, Array], Array]
    wholes: Callable[[I64, I64], I64]
    at: np.ufunc
    family: Literal["sum", "product", "choice"]
    minus: bool = False


def _sum(old: I64, value: I64) -> I64:
    out: I64 = old + value
    return _checked(out, (old ^ out) & (value ^ out))


def _difference(old: I64, value: I64) -> I64:
    out: I64 = old - value
    return _checked(out, (old ^ out) & (old ^ value))


def _checked(out: I64, wrong: I64) -> I64:
    """The sign of a result differs from what the operands allow only after an overflow."""
    if len(wrong) and wrong.min() < 0:
        raise OverflowError
    return out


def _product(old: I64, value: I64) -> I64:
    if (
        len(old)
        and float(np.abs(old.astype(np.float64)).max()) * float(np.abs(value.astype(np.float64)).max())
        >= 2.0**62
    ):
        return np.array([a * b for a, b in zip(old.tolist(), value.tolist(), strict=True)], np.int64)
    return old * value


# Python's: the first of equals, and the field's own where one is nan.
def _lesser(old: Array, value: Array) -> Array:
    return np.where(value < old, value, old)


def _greater(old: Array, value: Array) -> Array:
    return np.where(value > old, value, old)


CHANGE_FORMS: Final = {
    "add": ChangeForm(floats=np.add, wholes=_sum, at=np.add, family="sum"),
    "subtract": ChangeForm(floats=np.subtract, wholes=_difference, at=np.subtract, family="sum", minus=True),
    "multiply": ChangeForm(floats=np.multiply, wholes=_product, at=np.multiply, family="product"),
    "min": ChangeForm(floats=_lesser, wholes=_lesser, at=np.minimum, family="choice"),
    "max": ChangeForm(floats=_greater, wholes=_greater, at=np.maximum, family="choice"),
}
"""Of every operator but `is`, which puts a column's value down and computes nothing."""

check_rules("the numpy engine", {"is", *CHANGE_FORMS}, CHANGE_OPERATORS)
