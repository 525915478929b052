"""A choice among few by a race: each option has a time of its own, and the first one wins.

The time of an option is an exponential variate, keyed by its label, over its weight; so the option is first
in proportion to its weight (Gumbel's maximum, on another scale). A change of one weight moves only choices
that go to that option or come from it, and an option more takes its share from all others evenly: the times
of the others stay what they are.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from deep_faker.draws.exact import exponential_from_unit, exponential_from_unit1, log1_, log_
from deep_faker.draws.mix import F64, I64, derive, mix, mix1, open_unit, open_unit1


def check_label(label: object) -> str | None:
    """Why something can be no label, None where it can: labels must be the same in every process.

    >>> check_label(("a", 1)), check_label([1])
    (None, 'a list')
    """
    if isinstance(label, tuple):
        return next((wrong for part in label if (wrong := check_label(part)) is not None), None)
    if label is None or isinstance(label, (str, bool, int, float, enum.Enum, type)):
        return None
    return f"a {type(label).__name__}"


def label_key(label: Any) -> int:
    """The 64-bit key of a label; 1, 1.0 and True are one label, as they are one key of a dict.

    >>> label_key("buy") == label_key("buy") != label_key("browse")
    True
    """
    return _key_of(_written(label))


@lru_cache(maxsize=4096)
def _key_of(text: str) -> int:
    return derive(0, "race", text)


def _written(label: Any) -> str:
    wrong = check_label(label)
    if wrong is not None:
        raise TypeError(f"{label!r} is {wrong}: a choice has labels that are text, numbers, enums or classes")
    if isinstance(label, tuple):
        return f"({','.join(map(_written, label))})"
    if isinstance(label, enum.Enum):
        return f"{type(label).__qualname__}.{label.name}"
    if isinstance(label, type):
        return label.__qualname__
    if isinstance(label, bool) or (isinstance(label, float) and label.is_integer() and abs(label) < 2**53):
        label = int(label)
    return repr(label)


def race1(word: int, label: object, weight: float) -> float:
    """The time of the option ``label`` in the race that ``word`` (63 bits) keys; infinite for weight 0.

    Raises `ValueError` for a weight that is negative, infinite or NaN, `TypeError` for one that is no number.
    """
    number = check_weight(label, weight)
    time = exponential_from_unit1(open_unit1(mix1(label_key(label), word)))
    return time / number if number else math.inf


def race_log1(word: int, label: object, utility: float) -> float:
    """The logarithm of the same time for the weight ``exp(utility)``; of -inf it is infinite."""
    number = check_utility(label, utility)
    return log1_(exponential_from_unit1(open_unit1(mix1(label_key(label), word)))) - number


def race(word: I64, label: object, weight: F64 | float) -> F64:
    """`race1` of arrays. Raises `ValueError` where any weight is none; who asks then does it one by one.

    >>> race(np.array([7]), "a", 2.0).tolist() == [race1(7, "a", 2)]
    True
    """
    weights = np.asarray(weight, np.float64)
    if not ((weights >= 0.0) & (weights < np.inf)).all():
        raise ValueError("a weight that is negative, infinite or NaN")
    times = exponential_from_unit(open_unit(mix(label_key(label), word.view(np.uint64))))
    out = np.full(len(word), np.inf)
    np.divide(times, weights, out=out, where=weights != 0.0)
    return out


def race_log(word: I64, label: object, utility: F64 | float) -> F64:
    """`race_log1` of arrays. Raises `ValueError` where any utility is none."""
    utilities = np.asarray(utility, np.float64)
    if not (utilities < np.inf).all():
        raise ValueError("a utility that is infinite or NaN")
    times: F64 = log_(exponential_from_unit(open_unit(mix(label_key(label), word.view(np.uint64)))))
    return times - utilities


def check_weight(label: object, weight: object) -> float:
    """A weight as a float. Raises `ValueError` or `TypeError` where it is none."""
    number = _number("weight", label, weight)
    if not 0.0 <= number < math.inf:
        raise ValueError(f"the weight of {label!r} is {weight!r}: weights are numbers of 0 or more")
    return number


def check_utility(label: object, utility: object) -> float:
    """A utility as a float. Raises `ValueError` or `TypeError` where it is none."""
    number = _number("utility", label, utility)
    if not number < math.inf:
        raise ValueError(
            f"the utility of {label!r} is {utility!r}: utilities are finite numbers (-inf: never)"
        )
    return number


def _number(what: str, label: object, value: object) -> float:
    if not isinstance(value, (bool, int, float, np.number)):
        raise TypeError(f"the {what} of {label!r} is {value!r}, which is no number")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"the {what} of {label!r} is {value!r}, beyond all floats") from None


def won1(place: int, time: float) -> int:
    """The winner's place; nobody wins where all weights are 0. Raises `ValueError` there."""
    if time == math.inf:
        raise ValueError("nothing can be chosen: all weights are 0")
    return place


def won(place: I64, time: F64) -> I64:
    """`won1` of arrays."""
    if (time == np.inf).any():
        raise ValueError("all weights are 0")
    return place


def chosen1(word: int, options: Mapping[Any, Any], *, softmax: bool = False) -> Any:
    """The label that wins.

    Raises `ValueError` where there is none, or where a weight is none.

    >>> chosen1(7, {"a": 0, "b": 1})
    'b'
    """
    time_of = race_log1 if softmax else race1
    first, least = None, math.inf
    for label, weight in options.items():
        time = time_of(word, label, weight)
        if time < least:
            first, least = label, time
    won1(0, least)
    return first
