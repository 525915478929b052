"""What `random` gives, of 64-bit draws, for the kernel: bit for bit `deep_faker.draws.random_module`.

``u`` is a uint64 draw, ints are int64. Where Python could raise or its int could leave 64 bits, the result
is ``(value, trouble)``, and a value with trouble means nothing. Numbers that are ints in the flow become
floats by `plain_float`, or have a function of their own: Python subtracts ints before it rounds.

>>> from deep_faker.draws.mix import mix1
>>> from deep_faker.draws.random_module import randint1
>>> randint(np.uint64(mix1(7, 1)), 1, 6) == (randint1(mix1(7, 1), 1, 6), False)
True
"""

from __future__ import annotations

import math

import numpy as np

from deep_faker.simulate.native.kernel.exact import (
    below,
    exp,
    exponential_from_unit,
    log,
    mix,
    normal_from_unit,
    open_unit,
    unit,
)
from deep_faker.simulate.native.kernel.intrinsics import Word, compiled, sub_checked

_WIDE = 1 << 61  # sums and differences of ints below it fit
_PLAIN = 1 << 52  # differences of ints up to it are floats without rounding


@compiled
def plain_float(n: Word) -> tuple[float, bool]:
    """An int as the float that stands for it in differences and quotients too."""
    return np.float64(n), n > _PLAIN or n < -_PLAIN


@compiled
def uniform(u: Word, a: float, b: float) -> float:
    """A float in [a, b]; at most one of the bounds is an int in the flow, or both by `plain_float`."""
    return a + (b - a) * unit(u)


@compiled
def uniform_ints(u: Word, a: Word, b: Word) -> tuple[float, bool]:
    """A float in [a, b] for ints of any size."""
    width, overflow = sub_checked(b, a)
    return np.float64(a) + np.float64(width) * unit(u), overflow


@compiled
def randrange(u: Word, start: Word, stop: Word, step: Word) -> tuple[Word, bool]:
    """An int of ``range(start, stop, step)``; trouble if it is empty or any bound reaches 2**61."""
    low, high = min(start, stop, step), max(start, stop, step)
    if low <= -_WIDE or high >= _WIDE or step == 0:
        return 0, True
    if step == 1:
        count = stop - start
    else:
        count = (stop - start + step - (1 if step > 0 else -1)) // step
    if count <= 0:
        return 0, True
    return start + step * below(u, count), False


@compiled
def randint(u: Word, a: Word, b: Word) -> tuple[Word, bool]:
    """An int from ``a`` to ``b``, both included; trouble as with `randrange`."""
    if a > b or a <= -_WIDE or b >= _WIDE - 1:
        return 0, True
    return a + below(u, b - a + 1), False


@compiled
def getrandbits(u: Word, k: Word) -> tuple[Word, bool]:
    """``k`` bits, 0 <= k <= 63."""
    if k <= 0 or k > 63:
        return 0, k != 0
    return np.int64(u >> np.uint64(64 - k)), False


@compiled
def choice_index(u: Word, n: Word) -> tuple[Word, bool]:
    """A position in a sequence of ``n`` elements; trouble if it is empty."""
    if n <= 0:
        return 0, True
    return below(u, n), False


@compiled
def weighted_index(u: Word, sums: Word, n: Word) -> Word:
    """A position in proportion to weights, whose ``n`` cumulated sums lie at a float pointer."""
    x = unit(u) * sums[n - 1]
    low, high = 0, n - 1
    while low < high:
        middle = (low + high) >> 1
        if x < sums[middle]:
            high = middle
        else:
            low = middle + 1
    return low


@compiled
def expovariate(u: Word, lambd: float) -> tuple[float, bool]:
    """An exponential variate of mean ``1 / lambd``; trouble if that is 0."""
    return exponential_from_unit(open_unit(u)) / lambd, lambd == 0.0


@compiled
def raced(word: Word, weight: float, key: Word, logarithm: Word) -> tuple[float, bool]:
    """The time of an option in a choice, or its logarithm, by key and weight: see `deep_faker.draws.race`."""
    time = exponential_from_unit(open_unit(mix(key, word, 0)))
    if logarithm != 0:
        return log(time) - weight, not weight < math.inf
    if weight == 0.0:
        return math.inf, False
    return time / weight, not 0.0 < weight < math.inf


@compiled
def normalvariate(u: Word, mu: float, sigma: float) -> float:
    """A normal variate, also for ``gauss``."""
    return mu + normal_from_unit(open_unit(u)) * sigma


@compiled
def _finite(x: float) -> tuple[float, bool]:
    return x, math.isinf(x)


@compiled
def lognormvariate(u: Word, mu: float, sigma: float) -> tuple[float, bool]:
    """A variate whose logarithm is normal; trouble if it is no float."""
    return _finite(exp(normalvariate(u, mu, sigma)))


@compiled
def triangular(u: Word, low: float, high: float, mode: float) -> float:
    """A triangular variate on [low, high]; ints by `plain_float`."""
    if high - low == 0.0:
        return low
    return _triangular(unit(u), low, high, (mode - low) / (high - low))


@compiled
def triangular_middle(u: Word, low: float, high: float) -> float:
    """The same without a mode: in the middle."""
    if high - low == 0.0:
        return low
    return _triangular(unit(u), low, high, 0.5)


@compiled
def _triangular(p: float, low: float, high: float, peak: float) -> float:
    if p > peak:
        return high + (low - high) * math.sqrt((1.0 - p) * (1.0 - peak))
    return low + (high - low) * math.sqrt(p * peak)


@compiled
def paretovariate(u: Word, alpha: float) -> tuple[float, bool]:
    """A Pareto variate, 1 or more; trouble if ``alpha`` is 0 or the result no float."""
    value, trouble = _finite(exp(exponential_from_unit(open_unit(u)) / alpha))
    return value, trouble or alpha == 0.0


@compiled
def weibullvariate(u: Word, alpha: float, beta: float) -> tuple[float, bool]:
    """A Weibull variate; trouble if ``beta`` is 0 or the power no float."""
    power, trouble = _finite(exp(log(exponential_from_unit(open_unit(u))) / beta))
    return alpha * power, trouble or beta == 0.0
