"""How good any model can be: what chances that n futures tell of say of the best AUC and log-loss.

``worlds`` is a matrix of zeros and ones (uint8): future × row, whether the label came true.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

F64: TypeAlias = npt.NDArray[np.float64]
I64: TypeAlias = npt.NDArray[np.int64]
Worlds: TypeAlias = npt.NDArray[np.uint8]


class Bound(NamedTuple):
    """An estimate, its standard error, and how far one world lies from another (a standard deviation)."""

    value: float
    error: float
    spread: float


def auc_by_level(positive: I64, negative: I64) -> float:
    """The AUC of scores that are whole numbers: how many rows of either kind have each score.

    NaN where all rows are of one kind.

    >>> auc_by_level(np.array([0, 1, 2]), np.array([2, 1, 0]))
    0.9444444444444444
    """
    below = np.cumsum(negative) - negative / 2
    pairs = float(positive.sum()) * float(negative.sum())
    return float(positive @ below) / pairs if pairs else float("nan")


def aucs(levels: I64, worlds: Worlds, most: int) -> F64:
    """The AUC that scores from 0 to ``most`` reach in each world."""
    all_ = np.bincount(levels, minlength=most + 1)
    positive = (np.bincount(levels[came != 0], minlength=most + 1) for came in worlds)
    return np.array([auc_by_level(each, all_ - each) for each in positive])


def in_each_world(worlds: Worlds) -> F64:
    """In each future, the AUC of the chances that all others tell of."""
    n, sums = len(worlds), worlds.sum(axis=0, dtype=np.int64)
    return np.array([aucs(sums - came, came[None], n)[0] for came in worlds])


def best_auc(worlds: Worlds) -> Bound:
    """The AUC of the true chances, which is as high as any AUC can be on average.

    Chances that m futures tell of rank a little worse than the true ones, by a loss that goes as 1/m. So it
    is measured for half of the futures and for all of them, and drawn out to infinitely many; each world is
    judged by chances of which it is no part.
    """
    n = len(worlds)
    even, odd = worlds[::2], worlds[1::2]
    half = np.empty(n)
    half[::2] = aucs(odd.sum(axis=0, dtype=np.int64), even, n)
    half[1::2] = aucs(even.sum(axis=0, dtype=np.int64), odd, n)
    return drawn_out(in_each_world(worlds), half)


def drawn_out(whole: F64, half: F64) -> Bound:
    """What infinitely many futures would reach, of what n - 1 and n / 2 of them reach in each world.

    What is lost for want of futures goes as one over their number.
    """
    n = len(whole)
    made = whole + (whole - half) * (1 / (n - 1)) / (2 / n - 1 / (n - 1))
    known = made[~np.isnan(made)]
    if not len(known):
        return Bound(float("nan"), float("nan"), float("nan"))
    spread = float(np.nanstd(whole, ddof=1)) if len(known) > 1 else float("nan")
    return Bound(float(known.mean()), float(known.std(ddof=1) / np.sqrt(len(known))), spread)


def best_log_loss(worlds: Worlds) -> Bound:
    """The mean log-loss of the true chances, which no other chances can go below on average.

    The entropy of counted shares is too low by 1/2n for each row that has both outcomes, which is made good.
    """
    n, rows = worlds.shape
    share = worlds.mean(axis=0)
    mixed = (share > 0) & (share < 1)
    p = share[mixed]
    entropy = -(p * np.log(p) + (1 - p) * np.log1p(-p))
    value = (float(entropy.sum()) + int(mixed.sum()) / (2 * n)) / rows
    slope = np.log((1 - p) / p)
    each = (worlds[:, mixed] - p) @ slope / rows
    spread = float(each.std(ddof=1))
    return Bound(value, spread / float(np.sqrt(n)), spread)


def auc(scores: F64, came: npt.NDArray[np.bool_]) -> float:
    """The AUC of any scores; ties count half.

    >>> auc(np.array([0.1, 0.4, 0.4, 0.9]), np.array([False, False, True, True]))
    0.875
    """
    _, levels = np.unique(scores, return_inverse=True)
    most = int(levels.max(initial=0))
    return float(aucs(levels, came[None].astype(np.uint8), most)[0])
