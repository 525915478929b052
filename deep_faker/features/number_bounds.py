"""How near any forecast of numbers can come: what many futures say of its least error.

``worlds`` is a matrix of floats: future × row, what the label is there.
"""

from __future__ import annotations

import numpy as np

from deep_faker.features.bounds import F64, Bound, drawn_out


def best_rmse(worlds: F64) -> Bound:
    """The root mean squared error of the true expected values, below which no forecast is on average.

    >>> worlds = np.random.default_rng(1).normal([[0.0, 5.0]], 2.0, (4000, 2))
    >>> abs(best_rmse(worlds).value - 2) < 4 * best_rmse(worlds).error
    True
    """
    n = len(worlds)
    squared = ((worlds - worlds.mean(axis=0)) ** 2).mean(axis=1) * n / (n - 1)
    root = float(np.sqrt(squared.mean()))
    spread = float(squared.std(ddof=1)) / (2 * root) if root else 0.0
    return Bound(root, spread / float(np.sqrt(n)), spread)


def best_mae(worlds: F64) -> Bound:
    """The mean absolute error of the true medians, below which no forecast is on average."""
    even, odd = worlds[::2], worlds[1::2]
    half = np.empty(len(worlds))
    half[::2] = np.abs(even - np.median(odd, axis=0)).mean(axis=1)
    half[1::2] = np.abs(odd - np.median(even, axis=0)).mean(axis=1)
    return drawn_out(np.abs(worlds - _medians_of_others(worlds)).mean(axis=1), half)


def best_correlation(worlds: F64) -> Bound:
    """The correlation of the true expected values with what happens: no forecast has a higher one."""
    even, odd = worlds[::2], worlds[1::2]
    half = np.empty(len(worlds))
    half[::2], half[1::2] = correlations(odd.mean(axis=0), even), correlations(even.mean(axis=0), odd)
    return drawn_out(with_others(worlds), half)


def with_others(worlds: F64) -> F64:
    """In each future, its correlation with the mean of all others."""
    n, sums = len(worlds), worlds.sum(axis=0)
    return np.array([correlations((sums - came) / (n - 1), came[None])[0] for came in worlds])


def correlations(scores: F64, worlds: F64) -> F64:
    """Of scores with each world; 0 where all scores are the same, NaN where nothing differs in the world.

    >>> worlds = np.array([[2.0, 4.0, 6.0], [1.0, 1.0, 1.0]])
    >>> correlations(np.array([1.0, 2.0, 3.0]), worlds).round(6).tolist()
    [1.0, nan]
    """
    if not np.ptp(scores):
        return np.zeros(len(worlds))
    x = scores - scores.mean()
    out = np.full(len(worlds), np.nan)
    for place, came in enumerate(worlds):
        y = came - came.mean()
        size = float(x @ x) * float(y @ y)
        if size > 0:
            out[place] = float(x @ y) / np.sqrt(size)
    return out


def best_crps(worlds: F64) -> Bound:
    """The continuous ranked probability score of the true distributions: half of how far two futures lie
    apart.

    It is the integral, over the values, of the squared distance of a forecast distribution from what
    happened; for times to an event, of the survival curve's Brier score (Gneiting and Raftery 2007).
    """
    n = len(worlds)
    order = np.argsort(worlds, axis=0, kind="stable")
    sorted_ = np.take_along_axis(worlds, order, axis=0)
    below = np.cumsum(sorted_, axis=0)
    rank = np.arange(1, n + 1)[:, None]
    apart = sorted_ * (2 * rank - n) - 2 * below + below[-1]  # of each from all others, summed
    of_each = np.empty_like(apart)
    np.put_along_axis(of_each, order, apart, axis=0)
    halves = of_each.mean(axis=1) / (n - 1) / 2
    spread = 2 * float(halves.std(ddof=1))
    return Bound(float(halves.mean()), spread / float(np.sqrt(n)), spread)


def _medians_of_others(worlds: F64) -> F64:
    """For each future and row the median of all other futures."""
    n = len(worlds)
    order = np.argsort(worlds, axis=0, kind="stable")
    sorted_ = np.take_along_axis(worlds, order, axis=0)
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(n)[:, None], axis=0)
    low, high = (n - 2) // 2, (n - 1) // 2  # of the n - 1 that are left
    return np.asarray(
        sum(np.where(rank > place, sorted_[place], sorted_[place + 1]) for place in (low, high)) / 2
    )
