"""The operators of `where`: a row each, which all that checks, explains and answers conditions reads."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from deep_faker.declare.operator_rows import LACKING, ORDERED, Operator, by_name

if TYPE_CHECKING:
    import numpy.typing as npt

COLUMN_KINDS = ("bool", "int", "float", "datetime", "date", "timedelta")
"""Kinds of fields that are kept as numbers: conditions on them are answered by column."""


@dataclass(frozen=True, kw_only=True)
class ConditionOperator(Operator):
    """One operator of `where`.

    ``takes``: no value, one of the field's type, a list of those, the two ends of a range, or any text, also
    one that the field never is. ``fits`` are the kinds of fields that it may be asked of (None: all),
    ``misfit`` is what is said of others. ``sign`` stands between field and value in `explain()`.

    ``test`` is (value, wanted) → whether it holds, on Python values: its meaning. ``sees_none``: None is a
    value like others to it; else nothing holds that has a None on either side. ``column`` is ``test`` once
    more on an array of values as they are stored, without nulls; None where its fields never are
    `COLUMN_KINDS`, or where it asks for nothing but nulls. ``native`` names the comparison of
    `deep_faker.simulate.native.layout` by which the kernel does it; None: for the kernel, Python judges it.

    ``flip`` is set where `Now` may be the value: then its truth changes once, at the first step whose instant
    is "at" (or after), or only "after", the field's value less the offset. ``ends`` of a range are the
    operators that must hold of its ends.
    """

    takes: Literal["nothing", "value", "list", "range", "text"] = LACKING
    fits: tuple[str, ...] | None = LACKING
    misfit: str = ""
    sign: str = LACKING
    test: Callable[[Any, Any], object] = LACKING
    sees_none: bool = LACKING
    column: Callable[[npt.NDArray[Any], Any], npt.NDArray[np.bool_]] | None = LACKING
    native: str | None = LACKING
    flip: Literal["at", "after"] | None = None
    ends: tuple[ConditionOperator, ConditionOperator] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fits is not None and not self.misfit:
            raise TypeError(f"the operator {self.name} has no misfit, to say of fields that it does not fit")
        if (self.takes == "range") != (self.ends is not None):
            raise TypeError(
                f"the operator {self.name} has {'no' if self.ends is None else 'a range of'} ends"
            )
        if self.column is None and self.takes != "nothing":
            for kind in COLUMN_KINDS if self.fits is None else self.fits:
                if kind in COLUMN_KINDS:
                    raise TypeError(f"the operator {self.name} has no column, and fits {kind}")

    @property
    def is_ordered(self) -> bool:
        """Whether it goes by the order of values; then it takes `Now`, and cannot compare codes of texts."""
        return self.flip is not None or self.ends is not None

    def asks_null(self, wanted: object) -> bool | None:
        """Whether a condition is met by None alone (True), by all but None (False), or goes by values."""
        if self.takes == "nothing" or (wanted is None and self.sees_none):
            return bool(self.test(None, None))
        return None

    def is_never(self, wanted: object) -> bool:
        """Whether an order with None is asked for, which no value has (S1)."""
        if self.sees_none:
            return False
        return wanted is None or (isinstance(wanted, tuple) and self.ends is not None and None in wanted)

    def parts(self, wanted: Any) -> Iterator[tuple[ConditionOperator, Any]]:
        """A range as the comparisons with its ends, all else as it is."""
        return iter(((self, wanted),)) if self.ends is None else zip(self.ends, wanted, strict=True)

    def holds(self, value: object, wanted: object) -> bool:
        """One condition on one Python value: the meaning that the column forms reproduce.

        >>> rows = CONDITION_OPERATORS
        >>> rows["less_than"].holds(None, 3), rows["is_not"].holds(None, 3), rows["between"].holds(2, (1, 2))
        (False, True, True)
        """
        return self.judge(wanted)(value)

    def judge(self, wanted: object) -> Callable[[object], bool]:
        """`holds` for many values: what depends on ``wanted`` alone is decided once, not for each of them."""
        test = self.test
        if self.sees_none:
            return lambda value: bool(test(value, wanted))
        if self.is_never(wanted):
            return lambda value: False
        return lambda value: value is not None and bool(test(value, wanted))


def _order(
    name: str,
    sign: str,
    compare: Callable[[Any, Any], Any],
    native: str,
    flip: Literal["at", "after"],
) -> ConditionOperator:
    """An operator that compares with one value by the order of both."""
    return ConditionOperator(
        name=name,
        signs=(sign,),
        takes="value",
        fits=ORDERED,
        misfit="has no order",
        sign=sign,
        test=compare,
        sees_none=False,
        column=compare,
        native=native,
        flip=flip,
    )


_IS = ConditionOperator(
    name="is",
    signs=("=", "=="),
    takes="value",
    fits=None,
    sign="is",
    test=lambda value, wanted: value is None if wanted is None else value == wanted,
    sees_none=True,
    column=operator.eq,
    native="IS",
)
_IS_NOT = ConditionOperator(
    name="is_not",
    signs=("!=",),
    takes="value",
    fits=None,
    sign="is not",
    test=lambda value, wanted: value is not None if wanted is None else value != wanted,
    sees_none=True,
    column=operator.ne,
    native="IS_NOT",
)
_GREATER = _order("greater_than", ">", operator.gt, "GREATER", "at")
_LESS = _order("less_than", "<", operator.lt, "LESS", "after")
_GREATER_EQUAL = _order("greater_or_equal", ">=", operator.ge, "GREATER_EQUAL", "after")
_LESS_EQUAL = _order("less_or_equal", "<=", operator.le, "LESS_EQUAL", "at")
_IN = ConditionOperator(
    name="in",
    takes="list",
    fits=None,
    sign="in",
    # by value alone: nan is none of them, though the very same nan
    test=lambda value, wanted: any(value == one for one in wanted),
    sees_none=True,
    column=np.isin,
    native="IN",
)
_NOT_IN = ConditionOperator(
    name="not_in",
    takes="list",
    fits=None,
    sign="not in",
    test=lambda value, wanted: not any(value == one for one in wanted),
    sees_none=True,
    column=lambda values, choices: np.isin(values, choices, invert=True),
    native="NOT_IN",
)
_BETWEEN = ConditionOperator(
    name="between",
    takes="range",
    fits=ORDERED,
    misfit="has no order",
    sign="between",
    test=lambda value, ends: ends[0] <= value <= ends[1],
    sees_none=False,
    column=lambda values, ends: (values >= ends[0]) & (values <= ends[1]),
    native=None,  # the kernel does its ends one by one
    ends=(_GREATER_EQUAL, _LESS_EQUAL),
)
_STARTS_WITH = ConditionOperator(
    name="starts_with",
    takes="text",
    fits=("str",),
    misfit="is no text",
    sign="starts with",
    test=lambda value, wanted: value.startswith(wanted),
    sees_none=False,
    column=None,
    native=None,
)
_IS_NULL = ConditionOperator(
    name="is_null",
    takes="nothing",
    fits=None,
    sign="is null",
    test=lambda value, _: value is None,
    sees_none=True,
    column=None,
    native="IS_NULL",
)
_NOT_NULL = ConditionOperator(
    name="not_null",
    takes="nothing",
    fits=None,
    sign="not null",
    test=lambda value, _: value is not None,
    sees_none=True,
    column=None,
    native="NOT_NULL",
)

CONDITION_OPERATORS: Final = by_name(
    _IS,
    _IS_NOT,
    _GREATER,
    _LESS,
    _GREATER_EQUAL,
    _LESS_EQUAL,
    _IN,
    _NOT_IN,
    _BETWEEN,
    _STARTS_WITH,
    _IS_NULL,
    _NOT_NULL,
)
"""All of them by name, in the order in which messages list them."""
