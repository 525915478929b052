"""Ids that are counters in disguise: a keyed permutation of a counter, written in 57 letters.

Uniqueness needs no memory: different counters give different ids, in every partition.

>>> key = 7
>>> texts(scramble(key, np.arange(2, dtype=np.uint64), 12)) == [scramble1(key, 0, 12), scramble1(key, 1, 12)]
True
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from deep_faker import loops
from deep_faker.draws.mix import CHUNK, MASK, U64, below, below1, mix, mix1

U8 = npt.NDArray[np.uint8]

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"  # that of shortuuid
BASE = len(ALPHABET)
UNIQUE = 12  # characters that carry the counter; longer ids go on with hashed characters
_TAIL = 10  # hashed characters of one draw: 57**10 < 2**64
_ROUNDS = 6
_ODD = 0xBEA225F9EB34556D
_SHIFT = np.uint64(32)
_PAIR_TEXTS = [a + b for a in ALPHABET for b in ALPHABET]
_AT_ONCE = 128  # ids that the compiled loop makes at once
_LEVELS = 26  # bit lengths of action numbers that a counter can hold


class CounterOverflowError(ValueError):
    """A counter is outside the space of its ids."""


def capacity(length: int) -> int:
    """How many different ids of ``length`` characters there are.

    >>> capacity(2)
    3249
    """
    return int(BASE ** min(length, UNIQUE))


def scramble(key: int, counter: U64, length: int) -> U8:
    """Ids as characters: shape (n, length), one row for each counter below ``57**length``.

    A Feistel network on the two halves of the id, with addition modulo the size of a half.  Raises
    `CounterOverflowError` where a counter is too large.
    """
    counter = counter.astype(np.uint64, copy=False)
    if len(counter) and int(counter.max()) >= capacity(length):
        raise CounterOverflowError(
            f"{int(counter.max())} is beyond the {capacity(length)} ids of length {length}"
        )
    out = np.empty((len(counter), length), np.uint8)
    compiled = loops.loop(f"write_ids{length}")  # the lengths of ids that every event has
    if compiled is not None:
        counter = np.ascontiguousarray(counter)
        keys = np.array([key for key, *_ in _round_keys(key, length)], np.uint64)
        halves = np.empty(2 * _AT_ONCE, np.uint64)
        places = (keys.ctypes.data, _pairs()[0].ctypes.data, halves.ctypes.data)
        compiled(out.ctypes.data, counter.ctypes.data, len(counter), *places)
        return out
    for at in range(0, len(counter), CHUNK):
        part = counter[at : at + CHUNK]
        a, b = _feistel(key, part, min(length, UNIQUE))
        _write(out[at : at + CHUNK], a, b, min(length, UNIQUE))
        for block, first in enumerate(range(UNIQUE, length, _TAIL)):
            last = min(first + _TAIL, length)
            tail = below(mix(key, part, block + 1), BASE ** (last - first))
            _digits(out[at : at + CHUNK, first:last], tail)
    return out


def _sizes(length: int) -> tuple[int, int]:
    return BASE ** ((length + 1) // 2), BASE ** (length // 2)


@lru_cache(maxsize=1024)
def _round_keys(key: int, length: int) -> tuple[tuple[int, int, int, int], ...]:
    """(key, size of the half that changes, hash bits to drop, hash bits to keep) for each round."""
    sizes = _sizes(length)
    rounds = []
    for r in range(_ROUNDS):
        size = sizes[r % 2]
        keep = min(32, 64 - size.bit_length())
        rounds.append((mix1(key, r, length), size, 64 - keep, keep))
    return tuple(rounds)


def _feistel(key: int, counter: U64, length: int) -> tuple[U64, U64]:
    """The halves of the ids, the first with the extra character of an odd length."""
    size_b = np.uint64(_sizes(length)[1])
    a = counter // size_b
    b = counter - a * size_b
    f, t = np.empty_like(a), np.empty_like(a)
    for round_key, size, drop, keep in _round_keys(key, length):
        np.add(b, np.uint64(round_key), out=f)
        f *= np.uint64(_ODD)
        np.right_shift(f, _SHIFT, out=t)
        f ^= t
        f *= np.uint64(_ODD)
        f >>= np.uint64(drop)
        f *= np.uint64(size)
        f >>= np.uint64(keep)
        f += a
        # f < 2 * size: f - size wraps to a huge number where f was below size, so the lesser is f mod size.
        np.subtract(f, np.uint64(size), out=t)
        np.minimum(f, t, out=a)
        a, b = b, a
    return a, b


def _feistel1(key: int, counter: int, length: int) -> tuple[int, int]:
    a, b = divmod(counter, _sizes(length)[1])
    for round_key, size, drop, keep in _round_keys(key, length):
        f = ((b + round_key) * _ODD) & MASK
        f = ((f ^ (f >> 32)) * _ODD) & MASK
        a, b = b, (a + (((f >> drop) * size) >> keep)) % size
    return a, b


@lru_cache(maxsize=1)
def _triples() -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Three characters for each number below 57**3 in the low bytes of a word; the same shifted."""
    letters = np.frombuffer(ALPHABET.encode(), np.uint8).astype(np.uint64)
    low = (letters[:, None, None] | letters[:, None] << np.uint64(8) | letters << np.uint64(16)).reshape(-1)
    return low, low << np.uint64(24)


@lru_cache(maxsize=1)
def _pairs() -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    letters = np.frombuffer(ALPHABET.encode(), np.uint8).astype(np.uint64)
    low = (letters[:, None] | letters << np.uint64(8)).reshape(-1)
    return low, low << np.uint64(16)


def _write(out: U8, a: U64, b: U64, length: int) -> None:
    """Write both halves as characters; the lengths of ids that every event has have words for it."""
    if length == 12:
        first, second = _word(a, _triples(), BASE**3), _word(b, _triples(), BASE**3)
        thirds = np.empty((len(a), 3), "<u4")
        thirds[:, 0] = first
        first >>= _SHIFT
        first |= second << np.uint64(16)
        thirds[:, 1] = first
        second >>= np.uint64(16)
        thirds[:, 2] = second
        out[:, :12] = thirds.view(np.uint8)
    elif length == 8:
        first, second = _word(a, _pairs(), BASE**2), _word(b, _pairs(), BASE**2)
        second <<= _SHIFT
        first |= second
        out[:, :8] = first.astype("<u8", copy=False).view(np.uint8).reshape(-1, 8)
    else:
        middle = (length + 1) // 2
        _digits(out[:, :middle], a)
        _digits(out[:, middle:length], b)


def _word(half: U64, tables: tuple[U64, U64], size: int) -> U64:
    """The characters of a half, from its two digits in base ``size``, in the low bytes of a word."""
    high = half // np.uint64(size)
    low = half - high * np.uint64(size)
    word: U64 = np.take(tables[0], high.view(np.int64), mode="clip")
    word |= np.take(tables[1], low.view(np.int64), mode="clip")
    return word


def _digits(out: U8, number: U64) -> None:
    letters = np.frombuffer(ALPHABET.encode(), np.uint8)
    for position in range(out.shape[1] - 1, -1, -1):
        rest = number // np.uint64(BASE)
        out[:, position] = letters[(number - rest * np.uint64(BASE)).view(np.int64)]
        number = rest


def _digits1(number: int, length: int) -> str:
    text = ""
    for _ in range(length // 2):
        number, pair = divmod(number, BASE**2)
        text = _PAIR_TEXTS[pair] + text
    return ALPHABET[number] + text if length % 2 else text


def scramble1(key: int, counter: int, length: int) -> str:
    """The twin of `scramble`: the id as a string."""
    if not 0 <= counter < capacity(length):
        raise CounterOverflowError(f"{counter} is beyond the {capacity(length)} ids of length {length}")
    unique = min(length, UNIQUE)
    a, b = _feistel1(key, counter, unique)
    text = _digits1(a, (unique + 1) // 2) + _digits1(b, unique // 2)
    for block, first in enumerate(range(UNIQUE, length, _TAIL)):
        tail = min(_TAIL, length - first)
        text += _digits1(below1(mix1(key, counter, block + 1), BASE**tail), tail)
    return text


def unscramble(key: int, characters: U8) -> U64:
    """The counters of ids of up to 12 characters: what `scramble` was given; others give any number.

    Of an id with a letter that is none of ours the counter is ``2**64 - 1``, which no id has.

    >>> unscramble(7, scramble(7, np.array([5, 12345], np.uint64), 12)).tolist()
    [5, 12345]
    """
    length = characters.shape[1]
    digits = _places()[characters]
    middle = (length + 1) // 2
    a, b = _number(digits[:, :middle]), _number(digits[:, middle:])
    for round_key, size, drop, keep in reversed(_round_keys(key, length)):
        # b is the sum of the half before and of a hash of a, which that round left as it was
        f = (a + np.uint64(round_key)) * np.uint64(_ODD)
        f = (f ^ (f >> _SHIFT)) * np.uint64(_ODD)
        f = ((f >> np.uint64(drop)) * np.uint64(size)) >> np.uint64(keep)
        a, b = (b + np.uint64(size) - f) % np.uint64(size), a
    out: U64 = a * np.uint64(_sizes(length)[1]) + b
    out[(digits == BASE).any(axis=1)] = MASK
    return out


@lru_cache(maxsize=1)
def _places() -> U8:
    """The digit that each byte stands for; ``BASE`` for those that stand for none."""
    places = np.full(256, BASE, np.uint8)
    places[np.frombuffer(ALPHABET.encode(), np.uint8)] = np.arange(BASE, dtype=np.uint8)
    return places


def _number(digits: U8) -> U64:
    number = np.zeros(len(digits), np.uint64)
    for place in range(digits.shape[1]):
        number = number * np.uint64(BASE) + digits[:, place]
    return number


def texts(characters: U8) -> list[str]:
    """The rows of `scramble` as Python strings."""
    width = characters.shape[1]
    joined = characters.tobytes().decode("ascii")
    return [joined[at : at + width] for at in range(0, len(joined), width)] if width else []


def flow_counter(partition: int, partitions: int, flow: U64) -> U64:
    """One counter for each flow of each partition, for session ids.

    >>> flow_counter(1, 4, np.array([0, 1], np.uint64)).tolist()
    [1, 5]
    """
    return flow.astype(np.uint64, copy=False) * np.uint64(partitions) + np.uint64(partition)


def flow_counter1(partition: int, partitions: int, flow: int) -> int:
    """The twin of `flow_counter`."""
    return flow * partitions + partition


def action_counter(partition: int, partitions: int, flow: U64, action: U64) -> U64:
    """One counter for each (partition, flow, action), action from 1 on: small where those are small.

    The action keeps its bits below its highest one; the position of that bit is the last digit.

    >>> flows = np.array([0, 0, 1], np.uint64)
    >>> action_counter(0, 1, flows, np.array([1, 2, 1], np.uint64)).tolist()
    [0, 1, 26]
    """
    if not len(flow):
        return np.empty(0, np.uint64)
    flow, action = flow.astype(np.uint64, copy=False), action.astype(np.uint64, copy=False)
    if int(action.min()) < 1:
        raise CounterOverflowError("action numbers start at 1")
    action_counter1(partition, partitions, int(flow.max()), int(action.max()))  # raises on overflow
    compiled = loops.loop("count_actions")
    if compiled is not None:
        flow, action, out = np.ascontiguousarray(flow), np.ascontiguousarray(action), np.empty_like(flow)
        compiled(flow.ctypes.data, action.ctypes.data, len(flow), partition, partitions, out.ctypes.data)
        return out
    # float64 holds these integers exactly, so the exponent is the bit length.
    level = (np.frexp(action.astype(np.float64))[1] - 1).astype(np.uint64)
    out = flow_counter(partition, partitions, flow)
    out <<= level
    out |= action ^ (np.uint64(1) << level)
    out *= np.uint64(_LEVELS)
    out += level
    return out


def flow_of(counter: U64) -> U64:
    """The counter of the flow that the event with this `action_counter` is of.

    >>> flows, actions = np.array([0, 7], np.uint64), np.array([1, 1000], np.uint64)
    >>> flow_of(action_counter(0, 1, flows, actions)).tolist()
    [0, 7]
    """
    rest = counter // np.uint64(_LEVELS)
    out: U64 = rest >> (counter - rest * np.uint64(_LEVELS))
    return out


def action_counter1(partition: int, partitions: int, flow: int, action: int) -> int:
    """The twin of `action_counter`."""
    level = action.bit_length() - 1
    number = flow * partitions + partition
    counter = ((number << level) | (action ^ (1 << level))) * _LEVELS + level
    if action < 1 or level >= _LEVELS or counter > MASK >> 1:
        raise CounterOverflowError(f"flow {flow}, action {action} of partition {partition}: no counter left")
    return counter
