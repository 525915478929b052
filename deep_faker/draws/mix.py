"""Counter-based random draws: (seed, purpose) and counters give values, for whole arrays at once.

Nothing here has a state.  A draw is a pure function of a 64-bit key (what the value is for) and of
counters (which value it is), so any batch size, thread, worker or engine gives the same values, and
a new field disturbs no other.  Every array function has a scalar twin, named with a trailing ``1``,
which takes and gives Python ints and floats and has exactly the same value.

>>> draws = Draws(seed=42)
>>> key = draws.key("field", "Order", "amount")
>>> array = below(mix(key, np.arange(3, dtype=np.uint64), 1), 100)
>>> array.tolist() == [below1(mix1(key, flow, 1), 100) for flow in range(3)]
True
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

MASK = (1 << 64) - 1
CHUNK = 16_384  # rows of one pass: two buffers of 128 KiB stay in the second-level cache
_STEP_A = 0x9E3779B97F4A7C15
_STEP_B = 0xD1B54A32D192ED03
_MIX = 0xBEA225F9EB34556D
RATIO = _STEP_A * pow(_STEP_B, -1, 1 << 64) & MASK  # steps of the second counter that one of the first is
_MIX_U64 = np.uint64(_MIX)
_29, _32, _11, _12 = (np.uint64(n) for n in (29, 32, 11, 12))
_LOW = np.uint64(0xFFFFFFFF)
_SMALL = 16  # up to here a permutation is made by sorting, which is uniform without further thought
_ROUNDS = 8


@lru_cache(maxsize=4096)
def derive(seed: int, *purpose: str | int) -> int:
    """A 64-bit key for ``purpose`` under ``seed``; different purposes give unrelated keys.

    >>> derive(42, "field", "name") == derive(42, "field", "name") != derive(42, "fieldname")
    True
    """
    digest = blake2b(digest_size=8)
    for part in (seed, *purpose):
        tag, text = (b"i", b"%d" % part) if isinstance(part, int) else (b"s", part.encode())
        digest.update(b"%b%d:%b" % (tag, len(text), text))
    return int.from_bytes(digest.digest(), "little")


def mix(key: int, a: U64 | int, b: U64 | int = 0) -> U64:
    """One 64-bit draw for each pair of counters (shape of ``a`` or ``b``; at least one is an array).

    About 6 ns a value.  The finaliser is mx3 (Maiga), whose output passes PractRand on counters.

    >>> mix(7, np.arange(2, dtype=np.uint64)).tolist() == [mix1(7, 0), mix1(7, 1)]
    True
    """
    size, fill = _mixer(key, a, b)
    out = np.empty(size, np.uint64)
    spare = np.empty(min(size, CHUNK), np.uint64)
    for at in range(0, size, CHUNK):
        x = out[at : at + CHUNK]
        fill(at, x, spare[: len(x)])
    return out


def mix_below(key: int, a: U64 | int, b: U64 | int, n: int) -> U64:
    """``below(mix(key, a, b), n)`` in one go, which spares a way through memory: half the time.

    >>> flows = np.arange(5, dtype=np.uint64)
    >>> mix_below(7, flows, 1, 10).tolist() == below(mix(7, flows, 1), 10).tolist()
    True
    """
    if not 0 < n <= 1 << 32:
        return below(mix(key, a, b), n)
    size, fill = _mixer(key, a, b)
    out = np.empty(size, np.uint64)
    spare = np.empty(min(size, CHUNK), np.uint64)
    times = np.uint64(n)
    for at in range(0, size, CHUNK):
        x = out[at : at + CHUNK]
        t = spare[: len(x)]
        fill(at, x, t)
        _below_in_place(x, t, times)
    return out


def mix_unit(key: int, a: U64 | int, b: U64 | int = 0) -> F64:
    """``unit(mix(key, a, b))`` in one go."""
    size, fill = _mixer(key, a, b)
    out = np.empty(size, np.float64)
    draws, spare = np.empty((2, min(size, CHUNK)), np.uint64)
    for at in range(0, size, CHUNK):
        y = out[at : at + CHUNK]
        x = draws[: len(y)]
        fill(at, x, spare[: len(y)])
        np.right_shift(x, _11, out=x)
        # below 2**63 the signed conversion is the same, and has an instruction of its own
        np.multiply(x.view(np.int64), 2.0**-53, out=y)
    return out


def _mixer(key: int, a: U64 | int, b: U64 | int) -> tuple[int, Callable[[int, U64, U64], None]]:
    """How many draws the counters ask for, and what writes those from ``at`` on into ``x`` (``t``: room)."""
    base = key
    if isinstance(a, int) and isinstance(b, int):
        a = np.array([a], np.uint64)
    if isinstance(a, int):
        base, first, first_step, second = base + a * _STEP_A, np.asarray(b), _STEP_B, None
    elif isinstance(b, int):
        base, first, first_step, second = base + b * _STEP_B, np.asarray(a), _STEP_A, None
    else:
        first, first_step, second = np.asarray(a), _STEP_A, np.asarray(b)
    start, step, second_step = np.uint64(base & MASK), np.uint64(first_step), np.uint64(_STEP_B)
    first = first.astype(np.uint64, copy=False)

    def fill(at: int, x: U64, t: U64) -> None:
        np.multiply(first[at : at + len(x)], step, out=x)
        if second is not None:
            np.multiply(second[at : at + len(x)].astype(np.uint64, copy=False), second_step, out=t)
            np.add(x, t, out=x)
        np.add(x, start, out=x)
        _finish(x, t)

    return len(first), fill


def _finish(x: U64, t: U64) -> None:
    """mx3 in place: four xor-shifts and three multiplications, then a last xor-shift."""
    for shift in (_32, _29, _32):
        np.right_shift(x, shift, out=t)
        np.bitwise_xor(x, t, out=x)
        np.multiply(x, _MIX_U64, out=x)
    np.right_shift(x, _29, out=t)
    np.bitwise_xor(x, t, out=x)


def mix1(key: int, a: int, b: int = 0) -> int:
    """The twin of `mix` for one pair of counters."""
    x = (key + a * _STEP_A + b * _STEP_B) & MASK
    x = ((x ^ (x >> 32)) * _MIX) & MASK
    x = ((x ^ (x >> 29)) * _MIX) & MASK
    x = ((x ^ (x >> 32)) * _MIX) & MASK
    return x ^ (x >> 29)


def counted_from(word: U64, number: U64) -> U64:
    """Where the second counter begins of what has ``number`` and draws as if it had ``word``.

    `mix` is a sum of its counters before it is anything else, so a step of one is so many steps of the other.

    >>> word, number = np.array([2**63 + 5], np.uint64), np.array([7], np.uint64)
    >>> bool(mix(3, number, counted_from(word, number) + np.uint64(2)) == mix(3, word, 2))
    True
    """
    out: U64 = (word - number) * np.uint64(RATIO)
    return out


def counted_from1(word: int, number: int) -> int:
    """The twin of `counted_from`."""
    return (word - number) * RATIO & MASK


def unit(u: U64) -> F64:
    """Draws as floats in [0, 1), multiples of 2**-53 as `random.random` gives them."""
    # below 2**63 the signed conversion is the same, and has an instruction of its own
    out: F64 = np.multiply((u >> _11).view(np.int64), 2.0**-53, dtype=np.float64)
    return out


def unit1(u: int) -> float:
    """The twin of `unit`.

    >>> unit1(0), unit1(1 << 63)
    (0.0, 0.5)
    """
    return (u >> 11) * 2.0**-53


def open_unit(u: U64) -> F64:
    """Draws as floats in (0, 1), symmetric about one half: safe for logarithms and quantiles."""
    out: F64 = (u >> _12).astype(np.float64)
    out += 0.5
    out *= 2.0**-52
    return out


def open_unit1(u: int) -> float:
    """The twin of `open_unit`."""
    return ((u >> 12) + 0.5) * 2.0**-52


def below(u: U64, n: int | U64 | I64) -> U64:
    """``floor(u * n / 2**64)``: draws below ``n``, the bias is at most n / 2**64.

    ``n`` is an int up to 2**64, or an array of positive ints.

    >>> below(np.array([0, 1 << 63, MASK], np.uint64), 10).tolist()
    [0, 5, 9]
    """
    if isinstance(n, int):
        if not 0 < n <= MASK + 1:
            raise ValueError(f"below(u, n) takes 1 <= n <= 2**64, not n={n}")
        if n == MASK + 1:
            return u.copy()
        if n > 1 << 32 or len(u) <= CHUNK:
            return _multiply_high(u, np.uint64(n), small=n <= 1 << 32)
        out = np.empty(len(u), np.uint64)
        spare = np.empty(min(len(u), CHUNK), np.uint64)
        for at in range(0, len(u), CHUNK):
            x = out[at : at + CHUNK]
            np.copyto(x, u[at : at + CHUNK])
            _below_in_place(x, spare[: len(x)], np.uint64(n))
        return out
    if len(n) and int(n.min()) <= 0:
        raise ValueError(f"below(u, n) takes 1 <= n <= 2**64, not n={int(n.min())}")
    small = not len(n) or int(n.max()) <= 1 << 32
    return _multiply_high(u, n.astype(np.uint64, copy=False), small=small)


def below1(u: int, n: int) -> int:
    """The twin of `below`.

    >>> below1(1 << 63, 10)
    5
    """
    if n <= 0:
        raise ValueError(f"below(u, n) takes 1 <= n <= 2**64, not n={n}")
    return (u * n) >> 64


def _below_in_place(x: U64, t: U64, n: np.uint64) -> None:
    """`below` for n <= 2**32, of draws in the cache; ``t`` is room for as many."""
    np.bitwise_and(x, _LOW, out=t)
    np.multiply(t, n, out=t)
    np.right_shift(t, _32, out=t)
    np.right_shift(x, _32, out=x)
    np.multiply(x, n, out=x)
    np.add(x, t, out=x)
    np.right_shift(x, _32, out=x)


def _multiply_high(u: U64, n: U64 | np.uint64, *, small: bool) -> U64:
    """The high half of the 128-bit product; ``small`` promises n <= 2**32."""
    low = u & _LOW
    low *= n & _LOW if not small else n
    low >>= _32
    high = u >> _32
    if small:
        high *= n
        high += low
        high >>= _32
        return high
    n_low, n_high = n & _LOW, n >> _32
    low += high * n_low
    cross = (u & _LOW) * n_high + (low & _LOW)
    high *= n_high
    high += low >> _32
    high += cross >> _32
    return high


@lru_cache(maxsize=1024)
def _rounds(key: int, size: int) -> tuple[int, int, tuple[tuple[int, int], ...]]:
    """Mask, shift and (addend, odd multiplier) of each round of a permutation of ``range(size)``."""
    bits = (size - 1).bit_length()
    mask = (1 << bits) - 1
    rounds = tuple((mix1(key, 2 * r) & mask, (mix1(key, 2 * r + 1) & mask) | 1) for r in range(_ROUNDS))
    return mask, (bits + 1) // 2, rounds


@lru_cache(maxsize=1024)
def _small_permutation(key: int, size: int) -> tuple[int, ...]:
    return tuple(sorted(range(size), key=lambda i: mix1(key, i)))


def permute(key: int, i: U64 | I64, size: int) -> U64:
    """Element ``i`` of a keyed permutation of ``range(size)``, without making the others.

    >>> sorted(permute(3, np.arange(20, dtype=np.uint64), 20).tolist()) == list(range(20))
    True
    """
    if not 0 < size <= 1 << 63:
        raise ValueError(f"permute takes 1 <= size <= 2**63, not size={size}")
    if len(i) and not 0 <= int(i.min()) <= int(i.max()) < size:
        raise IndexError(f"permute: element {int(i.max())} of range({size})")
    if size <= _SMALL:
        return np.array(_small_permutation(key, size), np.uint64)[i]
    # Only the low bits matter, and half as wide words multiply several times as fast.
    word = np.uint32 if size <= 1 << 32 else np.uint64
    x = i.astype(word)
    spare = np.empty_like(x)
    rounds = _rounds(key, size)
    _scatter(x, spare, rounds)
    # Walk along the cycle of the larger permutation until back in range: under two steps on average.
    last = word(size - 1)
    out = np.flatnonzero(x > last)
    while len(out):
        walked = x[out]
        _scatter(walked, spare[: len(out)], rounds)
        x[out] = walked
        out = out[walked > last]
    return x.astype(np.uint64, copy=False)


def _scatter(
    x: npt.NDArray[Any], t: npt.NDArray[Any], rounds: tuple[int, int, tuple[tuple[int, int], ...]]
) -> None:
    """All rounds in place; ``t`` is room for as many words of the same width."""
    word = x.dtype.type
    mask, shift, steps = word(rounds[0]), word(rounds[1]), rounds[2]
    for add, odd in steps:
        x += word(add)
        x &= mask
        np.right_shift(x, shift, out=t)
        x ^= t
        x *= word(odd)
        x &= mask
    np.right_shift(x, shift, out=t)
    x ^= t


def permute1(key: int, i: int, size: int) -> int:
    """The twin of `permute`."""
    if not 0 <= i < size:
        raise IndexError(f"permute: element {i} of range({size})")
    if size <= _SMALL:
        return _small_permutation(key, size)[i]
    mask, shift, steps = _rounds(key, size)
    while True:
        for add, odd in steps:
            i = (i + add) & mask
            i = ((i ^ (i >> shift)) * odd) & mask
        i ^= i >> shift
        if i < size:
            return i


@dataclass(frozen=True)
class Draws:
    """The seed of a run and the partition of it that is made here; the source of all keys.

    Of a world that branched off at ``since`` (µs), ``future`` says which one it is: 1, 2, 3 …. Ids are those
    of the run that it left, so that nothing is told apart that is the same.

    >>> Draws(1, partition=0, partitions=2).key("x") == Draws(1, partition=1, partitions=2).key("x")
    False
    >>> Draws(1, partition=0, partitions=2).id_key("x") == Draws(1, partition=1, partitions=2).id_key("x")
    True
    """

    seed: int
    partition: int = 0
    partitions: int = 1
    since: int = 0
    future: int = 0

    def key(self, *purpose: str | int) -> int:
        """The key of draws for ``purpose``; each partition has its own, and so has each future."""
        world = derive(self.seed, "partition", self.partition)
        if self.future:
            world = derive(world, "future", self.since, self.future)
        return derive(world, *purpose)

    def branched(self, since: int, future: int) -> Draws:
        """The draws of a world that has the same past, and whose future is another.

        >>> Draws(1).branched(5, 1).key("x") == Draws(1).key("x")
        False
        >>> Draws(1).branched(5, 1).past == Draws(1)
        True
        """
        return replace(self, since=since, future=future)

    @property
    def past(self) -> Draws:
        """The draws with which this world began."""
        return replace(self, since=0, future=0)

    @property
    def of_all_parts(self) -> Draws:
        """The draws of what is the same in all partitions."""
        return replace(self, partition=0, partitions=1)

    def id_key(self, *purpose: str | int) -> int:
        """The key of ids for ``purpose``: the same in all partitions, as their counters differ."""
        return derive(self.seed, "ids", *purpose)
