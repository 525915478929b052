"""How often any forecast of one of several classes can be right, by what many futures say.

``worlds`` is a matrix of whole numbers: future × row, the number of the class that came.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from deep_faker.features.bounds import F64, I64, Bound

Classes = npt.NDArray[np.int16]


def counts_of(worlds: Classes, classes: int) -> I64:
    """Class × row: in how many futures it came."""
    return np.array([(worlds == number).sum(axis=0) for number in range(classes)], np.int64)


def best_accuracy(worlds: Classes, classes: int) -> Bound:
    """How often the likeliest class comes, which no forecast is more often right than on average.

    The likeliest by count is less often right in other futures than it should be, and in its own more often:
    by about as much, unless classes are equally likely. So it is the middle of the two, and the error has a
    quarter of what lies between them in it.
    """
    n = len(worlds)
    counts = counts_of(worlds, classes)
    own = (worlds == counts.argmax(axis=0)).mean(axis=1)
    others = right_by_others(worlds, classes)
    middle = (own + others) / 2
    between = float((own - others).mean()) / 4
    return Bound(
        float(middle.mean()),
        float(np.hypot(middle.std(ddof=1) / np.sqrt(n), between)),
        float(others.std(ddof=1)),
    )


def right_by_others(worlds: Classes, classes: int) -> F64:
    """In each future, how often the class that most others have is its own."""
    counts = counts_of(worlds, classes)
    rows = np.arange(worlds.shape[1])
    out = np.empty(len(worlds))
    for place, came in enumerate(worlds):
        counts[came, rows] -= 1
        out[place] = float((counts.argmax(axis=0) == came).mean())
        counts[came, rows] += 1
    return out


def best_class_log_loss(worlds: Classes, classes: int) -> Bound:
    """The mean log-loss of the true chances. Counted shares have an entropy that is too low by about
    (classes seen - 1) / 2n, which is made good (Miller 1955)."""
    n, rows = worlds.shape
    shares = counts_of(worlds, classes) / n
    with np.errstate(divide="ignore"):
        surprise = np.where(shares > 0, -np.log(np.where(shares > 0, shares, 1.0)), 0.0)
    entropy = float((shares * surprise).sum())
    value = (entropy + float(((shares > 0).sum(axis=0) - 1).sum()) / (2 * n)) / rows
    each = np.array([surprise[came, np.arange(rows)].mean() for came in worlds])
    spread = float(each.std(ddof=1))
    return Bound(value, spread / float(np.sqrt(n)), spread)
