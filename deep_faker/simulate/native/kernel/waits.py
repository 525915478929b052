"""Values of distributions and waiting times for the kernel: bit for bit `variates` and `to_micros`.

A distribution is its number in `KINDS`, two float parameters, and for those that are drawn from a table the
address of one: float sums of weights, made by Python once (`table_of`). Where Python could raise, or a
parameter is not plainly right, the result is ``(value, trouble)``, and a value with trouble means nothing.
"""

from __future__ import annotations

import math

import numpy as np

from deep_faker.draws.distributions.beta import OTHER
from deep_faker.draws.distributions.gamma import BOOST, TRIES
from deep_faker.draws.distributions.poisson import MOST, NEGLIGIBLE
from deep_faker.draws.distributions.registry import FAMILIES
from deep_faker.draws.to_micros import LONGEST
from deep_faker.simulate.native.kernel.exact import (
    exp,
    exponential_from_unit,
    log,
    mix,
    normal_from_unit,
    open_unit,
)
from deep_faker.simulate.native.kernel.intrinsics import Word, compiled, pf64, pi64
from deep_faker.simulate.native.kernel.variates import (
    lognormvariate,
    normalvariate,
    paretovariate,
    uniform,
    weibullvariate,
    weighted_index,
)
from deep_faker.simulate.native.wait_tables import BY_PARAMETERS, KINDS

# Those of which `float_variate` has a branch. A kernel is compiled anew, by this file, when a distribution is
# added: one that it cannot draw stops the compiler by its name, and never a run in the midst of it.
_DRAWN = ("exponential", "lognormal", "uniform", "normal", "gamma", "beta", "pareto", "weibull")
if set(_DRAWN) != set(BY_PARAMETERS):
    raise TypeError(
        f"the kernel does not draw {', '.join(sorted({*_DRAWN} ^ {*BY_PARAMETERS}))} by parameters"
    )
_EXPONENTIAL, _LOGNORMAL, _UNIFORM, _NORMAL, _GAMMA, _BETA, _PARETO, _WEIBULL = map(KINDS.index, _DRAWN)
_POISSON, _CHOICE = KINDS.index("poisson"), KINDS.index("choice")
_TABLES = len(BY_PARAMETERS)  # the first of those that are drawn by a table


def _least(kind: str) -> tuple[float, ...]:
    """The least that the two parameters may be; one that a kind has not is given as 0."""
    family = FAMILIES[kind]
    least = [parameter.least_of_waits for parameter in family.parameters if family.native != "places"]
    return tuple(-math.inf if bound is None else float(bound) for bound in (*least, 0.0, 0.0)[:2])


_LOW_FIRST, _LOW_SECOND = np.array([_least(kind) for kind in KINDS]).T.copy()
_MOST_POISSON = float(MOST)
_OTHER_KEY, _TRIES_KEY, _BOOST_KEY = np.uint64(OTHER), np.uint64(TRIES), np.uint64(BOOST)


@compiled
def log_gamma(u: Word, shape: float) -> float:
    """Logarithm of a gamma variate of a ``shape`` of 0.001 or more."""
    small = shape < 1.0
    d = (shape + 1.0 if small else shape) - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    attempt = 0
    while True:
        x = normal_from_unit(open_unit(mix(_TRIES_KEY, u, attempt)))
        w = log(open_unit(mix(_TRIES_KEY, u, attempt + 1)))
        t = 1.0 + c * x
        v = t * t * t
        if v > 0.0:
            log_v = log(v)
            if w < 0.5 * x * x + d - d * v + d * log_v:
                break
        attempt += 2
    out = log(d) + log_v
    return out + log(open_unit(mix(_BOOST_KEY, u, 0))) / shape if small else out


@compiled
def gamma(u: Word, shape: float, scale: float) -> float:
    """A gamma variate."""
    return exp(log_gamma(u, shape)) * scale


@compiled
def beta(u: Word, alpha: float, beta: float) -> float:
    """A beta variate in [0, 1]."""
    other = log_gamma(mix(_OTHER_KEY, u, 0), beta)
    return 1.0 / (1.0 + exp(other - log_gamma(u, alpha)))


@compiled
def poisson_sums(mean: float, sums: Word, room: Word) -> tuple[Word, Word, bool]:
    """Write the cumulated chances of the counts that matter to a float pointer: (least count, how many).

    Trouble if ``room`` floats do not hold them: there are some 18 * sqrt(mean) + 40.
    """
    likeliest = np.int64(mean)
    below = 0
    weight, count = 1.0, likeliest
    while count > 0 and weight > NEGLIGIBLE:
        if below == room:
            return 0, 0, True
        weight *= np.float64(count) / mean
        count -= 1
        sums[below] = weight
        below += 1
    for at in range(below // 2):
        sums[at], sums[below - 1 - at] = sums[below - 1 - at], sums[at]
    n = below
    weight, count = 1.0, likeliest
    while True:
        if n == room:
            return 0, 0, True
        sums[n] = weight
        n += 1
        if not (weight > NEGLIGIBLE and mean > 0.0):
            break
        count += 1
        weight *= mean / np.float64(count)
    for at in range(1, n):
        sums[at] += sums[at - 1]
    return likeliest - below, n, False


@compiled
def to_micros(value: float, unit: Word) -> tuple[Word, bool]:
    """A waiting time in units of ``unit`` microseconds, rounded half to even, from 0 to `LONGEST`."""
    most = np.float64(LONGEST // unit)
    return np.int64(np.rint(min(max(value, 0.0), most) * np.float64(unit))), math.isnan(value)


@compiled
def int_to_micros(value: Word, unit: Word) -> Word:
    """A waiting time in whole units of ``unit`` microseconds, from 0 to `LONGEST`."""
    return min(max(value, 0), LONGEST // unit) * unit


@compiled
def parameters_right(kind: Word, a: float, b: float, most: float) -> bool:
    """Whether parameters that a flow computed surely make a distribution of waits, as `plainly_right`.

    ``most`` is what `computed.parameters` allows. Zipf's table is Python's, so its parameters never are.
    """
    # not so of nan
    if not (_LOW_FIRST[kind] <= a <= most and _LOW_SECOND[kind] <= b <= most and a > -math.inf):
        return False
    if kind == _UNIFORM:
        return a <= b
    return kind < _TABLES or (kind == _POISSON and a <= _MOST_POISSON)


@compiled
def poisson(u: Word, mean: float, sums: Word, room: Word) -> tuple[Word, bool]:
    """A count with a mean that the flow computed; ``sums`` is a float pointer to ``room`` spare floats."""
    least, n, trouble = poisson_sums(mean, sums, room)
    if trouble:
        return 0, True
    return least + weighted_index(u, sums, n), False


@compiled
def float_variate(kind: Word, u: Word, a: float, b: float) -> tuple[float, bool]:
    """A value of one of the distributions of floats, `BY_PARAMETERS`."""
    if kind == _EXPONENTIAL:
        return exponential_from_unit(open_unit(u)) * a, False
    if kind == _LOGNORMAL:
        return lognormvariate(u, a, b)
    if kind == _UNIFORM:
        return uniform(u, a, b), False
    if kind == _NORMAL:
        return normalvariate(u, a, b), False
    if kind == _GAMMA:
        return gamma(u, a, b), False
    if kind == _BETA:
        return beta(u, a, b), False
    if kind == _PARETO:
        value, trouble = paretovariate(u, a)
        return value * b, trouble
    if kind == _WEIBULL:
        return weibullvariate(u, a, b)
    return 0.0, True


@compiled
def table_variate(u: Word, table: Word) -> Word:
    """A count by the table of `table_of` at an address."""
    n = pi64(table)[0]
    return pi64(table)[1 + n] + weighted_index(u, pf64(table + 8), n)


@compiled
def wait_micros(kind: Word, u: Word, a: float, b: float, unit: Word, table: Word) -> tuple[Word, bool]:
    """A waiting time in microseconds, never negative.

    Some kinds are drawn by ``a`` and ``b``, which must be plainly right (`parameters_right`), the others by
    ``table``.
    """
    if kind == _CHOICE:
        n = pi64(table)[0]
        return pi64(table)[1 + n + weighted_index(u, pf64(table + 8), n)], False
    if kind >= _TABLES:
        return int_to_micros(table_variate(u, table), unit), False
    value, trouble = float_variate(kind, u, a, b)
    micros, wrong = to_micros(value, unit)
    return micros, trouble or wrong


@compiled
def given_micros(value: float, unit: Word, longest: float) -> tuple[Word, bool]:
    """A waiting time that the flow computed; trouble if `AddDecay` might refuse it.

    ``longest`` is LATEST / unit, as in `computed.lengths`.
    """
    micros, _ = to_micros(value, unit)
    return micros, not 0.0 <= value <= longest
