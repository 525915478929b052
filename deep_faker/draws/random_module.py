"""What `random` and the waiting-time distributions give, as functions of 64-bit draws.

Each function takes one draw ``u`` for each value.  The array form and the scalar form of a function
agree to the last bit.  Functions that need many draws (``shuffle``, ``gammavariate`` …) run the
standard library's own algorithm on a generator whose numbers are keyed by ``u``, value by value.
"""

from __future__ import annotations

import math
import operator
import random
import uuid
from bisect import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any, Self, TypeVar

import numpy as np

from deep_faker.draws.exact import (
    exp1_,
    exp_,
    exponential_from_unit,
    exponential_from_unit1,
    log1_,
    log_,
    normal_from_unit,
    normal_from_unit1,
)
from deep_faker.draws.ids import ALPHABET, BASE
from deep_faker.draws.mix import F64, I64, U64, below, below1, mix1, open_unit, open_unit1, unit, unit1

Number = F64 | I64 | float
Whole = I64 | int
N = TypeVar("N", bound=Number)


@dataclass(frozen=True)
class RandomFunction:
    """One function of `random`: how many arguments it takes, for arrays of draws, for one draw.

    ``array`` is None where there is no form for arrays: map ``scalar`` over the rows.
    """

    min_args: int
    max_args: int
    array: Callable[..., F64 | I64] | None
    scalar: Callable[..., Any]
    parameters: tuple[str, ...] = ()


class KeyedRandom(random.Random):
    """`random.Random` whose numbers are a function of one draw and of how many were taken before.

    >>> KeyedRandom(7).random() == KeyedRandom(7).random()
    True
    """

    def __new__(cls, u: int) -> Self:  # noqa: ARG004 - the signature of __init__
        # The C base class seeds its twister here, from the system unless it is given a number.
        return super().__new__(cls, 0)  # type: ignore[call-arg]  # typeshed knows __init__ only

    def __init__(self, u: int) -> None:
        self._u, self._taken = u, 0

    def _next(self) -> int:
        self._taken += 1
        return mix1(self._u, self._taken)

    def random(self) -> float:
        return unit1(self._next())

    def getrandbits(self, k: int, /) -> int:
        if k < 0:
            raise ValueError("number of bits must be non-negative")
        words = [self._next() for _ in range((k + 63) // 64)]
        joined = sum(word << (64 * at) for at, word in enumerate(words))
        return joined >> (len(words) * 64 - k)


# --- one draw a value ------------------------------------------------------------------------------


def uniform(u: U64, a: Number, b: Number) -> F64:
    """Floats in [a, b], as `random.uniform`."""
    values: F64 = a + (_narrow(b) - _narrow(a)) * unit(u)
    return values


def uniform1(u: int, a: float, b: float) -> float:
    """The twin of `uniform`.

    >>> uniform1(1 << 63, 10.0, 20.0)
    15.0
    """
    return a + (b - a) * unit1(u)


def randrange(u: U64, start: Whole, stop: Whole | None = None, step: Whole = 1) -> I64:
    """Ints from ``range(start, stop, step)``, as `random.randrange`."""
    if stop is None:
        start, stop = 0, start
    lo, hi, by = (_integers(value) for value in (start, stop, step))
    if not np.all(by):
        raise ValueError("zero step for randrange()")
    count = (hi - lo + by - np.sign(by)) // by
    if np.any(count <= 0):
        raise ValueError(f"empty range in randrange({start}, {stop}, {step})")
    n: int | I64 = int(count) if count.ndim == 0 else count
    return lo + by * below(u, n).view(np.int64)


def _integers(value: object) -> I64:
    array = np.asarray(value)
    if array.dtype.kind not in "iub":
        raise TypeError(f"{value!r} is not an integer")
    out: I64 = _narrow(array.astype(np.int64))
    return out


def _narrow(value: N) -> N:
    """``value``, if sums and differences of such ints fit; Python's ints have no bounds."""
    array = np.asarray(value)
    if array.dtype.kind in "iu" and array.size and (array.max() >= 2**61 or array.min() <= -(2**61)):
        raise OverflowError("not by column")
    return value


def _divided(values: F64, by: Number) -> F64:
    """Division as Python does it: by zero raises."""
    if not np.all(by):
        raise ZeroDivisionError("float division by zero")
    return values / by


def randrange1(u: int, start: int, stop: int | None = None, step: int = 1) -> int:
    """The twin of `randrange`; ranges may be of any size.

    >>> randrange1(1 << 63, 0, 100, 10)
    50
    """
    if stop is None:
        start, stop = 0, start
    lo, hi, by = (operator.index(value) for value in (start, stop, step))
    if by == 0:
        raise ValueError("zero step for randrange()")
    count = (hi - lo + by - (1 if by > 0 else -1)) // by
    if count <= 0:
        raise ValueError(f"empty range in randrange({start}, {stop}, {step})")
    if count > 1 << 64:
        return lo + by * KeyedRandom(u).randrange(count)
    return lo + by * below1(u, count)


def randint(u: U64, a: Whole, b: Whole) -> I64:
    """Ints from ``a`` to ``b``, both included, as `random.randint`."""
    return randrange(u, a, _integers(b) + 1)


def randint1(u: int, a: int, b: int) -> int:
    """The twin of `randint`.

    >>> randint1(2**64 - 1, 1, 6)
    6
    """
    return randrange1(u, a, operator.index(b) + 1)


def choice_index(u: U64, n: int | I64) -> I64:
    """Positions for `random.choice` in sequences of ``n`` elements."""
    if np.any(np.asarray(n) <= 0):
        raise IndexError("Cannot choose from an empty sequence")
    return below(u, n).view(np.int64)


def choice_index1(u: int, n: int) -> int:
    """The twin of `choice_index`.

    >>> choice_index1(1 << 63, 3)
    1
    """
    if n <= 0:
        raise IndexError("Cannot choose from an empty sequence")
    return below1(u, n)


@lru_cache(maxsize=256)
def _cumulated(weights: tuple[float, ...]) -> tuple[tuple[float, ...], F64, float]:
    sums = tuple(accumulate(float(weight) for weight in weights))
    if not sums or not sums[-1] > 0.0 or not math.isfinite(sums[-1]) or min(weights) < 0:
        raise ValueError(f"weights must be non-negative with a finite sum above zero, not {list(weights)}")
    return sums, np.array(sums), sums[-1]


def weighted_index(u: U64, weights: Sequence[float]) -> I64:
    """Positions drawn in proportion to ``weights``, as `random.choices` with ``k=1``.

    >>> weighted_index(np.array([0, 2**64 - 1], np.uint64), [1, 2]).tolist()
    [0, 1]
    """
    _, sums, total = _cumulated(tuple(weights))
    places = np.searchsorted(sums, unit(u) * total, side="right")
    return np.minimum(places, len(sums) - 1).astype(np.int64)


def weighted_index1(u: int, weights: Sequence[float]) -> int:
    """The twin of `weighted_index`."""
    sums, _, total = _cumulated(tuple(weights))
    return bisect(sums, unit1(u) * total, 0, len(sums) - 1)


def expovariate(u: U64, lambd: Number = 1.0) -> F64:
    """Exponential variates of mean ``1 / lambd``."""
    return _divided(exponential_from_unit(open_unit(u)), lambd)


def expovariate1(u: int, lambd: float = 1.0) -> float:
    """The twin of `expovariate`."""
    return exponential_from_unit1(open_unit1(u)) / lambd


def normalvariate(u: U64, mu: Number = 0.0, sigma: Number = 1.0) -> F64:
    """Normal variates, also for `random.gauss`."""
    return mu + normal_from_unit(open_unit(u)) * sigma


def normalvariate1(u: int, mu: float = 0.0, sigma: float = 1.0) -> float:
    """The twin of `normalvariate`."""
    return mu + normal_from_unit1(open_unit1(u)) * sigma


def lognormvariate(u: U64, mu: Number = 0.0, sigma: Number = 1.0) -> F64:
    """Variates whose logarithm is normal."""
    return _finite(exp_(normalvariate(u, mu, sigma)))


def lognormvariate1(u: int, mu: float = 0.0, sigma: float = 1.0) -> float:
    """The twin of `lognormvariate`."""
    return _finite1(exp1_(normalvariate1(u, mu, sigma)))


def triangular(u: U64, low: Number = 0.0, high: Number = 1.0, mode: Number | None = None) -> F64:
    """Triangular variates on [low, high], as `random.triangular`."""
    p = unit(u)
    width = np.asarray(_narrow(high) - _narrow(low), np.float64)
    safe = np.where(width == 0.0, 1.0, width)
    peak = np.asarray(0.5 if mode is None else (_narrow(mode) - low) / safe, np.float64)
    right = p > peak
    draw = np.sqrt(np.where(right, 1.0 - p, p) * np.where(right, 1.0 - peak, peak))
    value = np.where(right, high + (low - high) * draw, low + (high - low) * draw)
    return np.where(width == 0.0, np.asarray(low, np.float64), value)


def triangular1(u: int, low: float = 0.0, high: float = 1.0, mode: float | None = None) -> float:
    """The twin of `triangular`."""
    p = unit1(u)
    if high - low == 0.0:
        return float(low)
    peak = 0.5 if mode is None else (mode - low) / (high - low)
    if p > peak:
        return high + (low - high) * math.sqrt((1.0 - p) * (1.0 - peak))
    return low + (high - low) * math.sqrt(p * peak)


def paretovariate(u: U64, alpha: Number) -> F64:
    """Pareto variates: 1 or more."""
    return _finite(exp_(_divided(exponential_from_unit(open_unit(u)), alpha)))


def paretovariate1(u: int, alpha: float) -> float:
    """The twin of `paretovariate`."""
    return _finite1(exp1_(exponential_from_unit1(open_unit1(u)) / alpha))


def weibullvariate(u: U64, alpha: Number, beta: Number) -> F64:
    """Weibull variates of scale ``alpha`` and shape ``beta``."""
    return alpha * _finite(exp_(_divided(log_(exponential_from_unit(open_unit(u))), beta)))


def weibullvariate1(u: int, alpha: float, beta: float) -> float:
    """The twin of `weibullvariate`."""
    return alpha * _finite1(exp1_(log1_(exponential_from_unit1(open_unit1(u))) / beta))


def _finite(values: F64) -> F64:
    if np.isinf(values).any():
        raise OverflowError("math range error")
    return values


def _finite1(value: float) -> float:
    if math.isinf(value):
        raise OverflowError("math range error")
    return value


# --- many draws a value: the standard library's algorithms on keyed numbers ----------------------------


def _of_library(name: str) -> Callable[..., object]:
    def scalar(u: int, *args: object, **kwargs: object) -> object:
        return getattr(KeyedRandom(u), name)(*args, **kwargs)

    scalar.__name__ = scalar.__qualname__ = name
    return scalar


def choices1(
    u: int,
    population: Sequence[object],
    weights: Sequence[float] | None = None,
    cum_weights: Sequence[float] | None = None,
    k: int = 1,
) -> list[object]:
    """`random.choices`; with ``k=1`` the element at `weighted_index1` or `choice_index1` of the draw.

    >>> len(choices1(7, "abc", k=5))
    5
    """
    if cum_weights is not None:
        if weights is not None:
            raise TypeError("Cannot specify both weights and cumulative weights")
        weights = [b - a for a, b in zip([0, *cum_weights], cum_weights, strict=False)]
    if weights is not None and len(weights) != len(population):
        raise ValueError("The number of weights does not match the population")
    draws = [u, *(mix1(u, at) for at in range(1, k))][:k]
    if weights is None:
        return [population[choice_index1(draw, len(population))] for draw in draws]
    return [population[weighted_index1(draw, weights)] for draw in draws]


def uuid4_1(u: int) -> uuid.UUID:
    """A version 4 UUID of one draw."""
    return uuid.UUID(int=(mix1(u, 1) << 64 | mix1(u, 2)), version=4)


def short_uuid1(u: int, name: str | None = None, pad_length: int = 22) -> str:
    """`shortuuid.uuid`: a version 4 UUID in 57 letters (of a ``name``: the one of that name)."""
    if name is not None:
        space = uuid.NAMESPACE_URL if name.lower().startswith(("http://", "https://")) else uuid.NAMESPACE_DNS
        return _letters(uuid.uuid5(space, name).int).rjust(pad_length, ALPHABET[0])
    return _letters(uuid4_1(u).int).rjust(pad_length, ALPHABET[0])


def _letters(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, BASE)
        text = ALPHABET[digit] + text
    return text


def short_random1(u: int, length: int | None = None) -> str:
    """`shortuuid.ShortUUID().random(length)`, 22 characters without a length."""
    generator = KeyedRandom(u)
    return "".join(
        ALPHABET[below1(generator.getrandbits(64), BASE)] for _ in range(22 if length is None else length)
    )


def getrandbits1(u: int, k: int) -> int:
    """`random.getrandbits`: the top bits of the draw up to 64, then of further ones.

    >>> getrandbits1(2**64 - 1, 8)
    255
    """
    return u >> (64 - k) if 1 <= k <= 64 else KeyedRandom(u).getrandbits(k)


def word(u: U64) -> I64:
    """The draw itself, as 63 bits: what a choice keys its race by."""
    return (u >> np.uint64(1)).view(np.int64)


def word1(u: int) -> int:
    """The twin of `word`."""
    return u >> 1


# Functions by their name in `random`, `uuid` (uuid4) and `shortuuid` (uuid, random); ``index`` is the
# position that `random.choice` takes in a sequence of n elements, ``word`` what ``ctx.choose`` draws.
RANDOM_FUNCTIONS: dict[str, RandomFunction] = {
    "random": RandomFunction(0, 0, unit, unit1),
    "uniform": RandomFunction(2, 2, uniform, uniform1, ("a", "b")),
    "randint": RandomFunction(2, 2, randint, randint1, ("a", "b")),
    "randrange": RandomFunction(1, 3, randrange, randrange1, ("start", "stop", "step")),
    "expovariate": RandomFunction(0, 1, expovariate, expovariate1, ("lambd",)),
    "gauss": RandomFunction(0, 2, normalvariate, normalvariate1, ("mu", "sigma")),
    "normalvariate": RandomFunction(0, 2, normalvariate, normalvariate1, ("mu", "sigma")),
    "lognormvariate": RandomFunction(0, 2, lognormvariate, lognormvariate1, ("mu", "sigma")),
    "triangular": RandomFunction(0, 3, triangular, triangular1, ("low", "high", "mode")),
    "paretovariate": RandomFunction(1, 1, paretovariate, paretovariate1, ("alpha",)),
    "weibullvariate": RandomFunction(2, 2, weibullvariate, weibullvariate1, ("alpha", "beta")),
    "betavariate": RandomFunction(2, 2, None, _of_library("betavariate"), ("alpha", "beta")),
    "gammavariate": RandomFunction(2, 2, None, _of_library("gammavariate"), ("alpha", "beta")),
    "vonmisesvariate": RandomFunction(2, 2, None, _of_library("vonmisesvariate"), ("mu", "kappa")),
    "getrandbits": RandomFunction(1, 1, None, getrandbits1, ("k",)),
    "randbytes": RandomFunction(1, 1, None, _of_library("randbytes"), ("n",)),
    "index": RandomFunction(1, 1, choice_index, choice_index1, ("n",)),
    "choice": RandomFunction(1, 1, None, lambda u, seq: seq[choice_index1(u, len(seq))], ("seq",)),
    "choices": RandomFunction(1, 4, None, choices1, ("population", "weights", "cum_weights", "k")),
    "shuffle": RandomFunction(1, 1, None, _of_library("shuffle"), ("x",)),
    "sample": RandomFunction(1, 3, None, _of_library("sample"), ("population", "k", "counts")),
    "uuid4": RandomFunction(0, 0, None, uuid4_1),
    "shortuuid.uuid": RandomFunction(0, 2, None, short_uuid1, ("name", "pad_length")),
    "shortuuid.random": RandomFunction(0, 1, None, short_random1, ("length",)),
    "word": RandomFunction(0, 0, word, word1),
}
